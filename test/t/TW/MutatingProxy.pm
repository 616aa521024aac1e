# MutatingProxy.pm - passes requests on to a server on this machine, and changes some of the replies, for fuzzers.
#
# Its port stays; each replies() begins a process that draws from a seed, and ends the one before.
#
#   my $proxy = TW::MutatingProxy->start;     url, port, stop
#   $proxy->replies(port => of the server, seed => 7, share => 0.3 of the replies);

package TW::MutatingProxy;

use strict;
use warnings;

use Carp;
use IO::Socket::INET;
use JSON::PP ();
use POSIX ();
use Socket qw(SOMAXCONN);

my $JSON = JSON::PP->new->utf8->allow_nonref;

sub start {
    my ($class) = @_;
    my $listener = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => 0, Listen => SOMAXCONN)
        or croak "cannot listen: $!";
    return bless { listener => $listener, port => $listener->sockport, owner => $$ }, $class;
}

sub port { return $_[0]{port} }
sub url  { return "http://127.0.0.1:$_[0]{port}" }

sub replies {
    my ($self, %option) = @_;
    $self->stop;
    my $pid = fork // croak "fork: $!";
    if (!$pid) {
        $SIG{$_} = 'DEFAULT' for qw(INT TERM HUP CHLD __DIE__ __WARN__);
        $SIG{PIPE} = 'IGNORE';
        open STDIN,  '<', '/dev/null';
        open STDOUT, '>', '/dev/null';
        srand $option{seed};
        eval { $self->_serve(%option); 1 } or print STDERR "proxy: $@";
        POSIX::_exit(0);
    }
    $self->{pid} = $pid;
    return;
}

sub stop {
    my ($self) = @_;
    my $pid = delete $self->{pid} // return;
    local $?;
    kill KILL => $pid;
    waitpid $pid, 0;
    return;
}

sub DESTROY { my ($self) = @_; $self->stop if $self->{owner} == $$; return }

sub _serve {
    my ($self, %option) = @_;
    while (getppid() == $self->{owner}) {
        my $ready = '';
        vec($ready, fileno($self->{listener}), 1) = 1;
        next if select($ready, undef, undef, 1) < 1;
        my $client = $self->{listener}->accept or next;
        # Whoever sends less than they announced, is let go.
        $SIG{ALRM} = sub { die "too slow\n" };
        alarm 10;
        eval { _pass_on($client, %option); 1 };
        alarm 0;
        close $client;
    }
    return;
}

# A message up to the end of its body: its head, its body.
sub _read_message {
    my ($socket, $without_body) = @_;
    my $head = '';
    while ($head !~ /\r\n\r\n\z/) {
        $head .= readline($socket) // return;
        # Somebody only asks whether to go on.
        $head = '' if $head =~ m{^HTTP/1\.1 100 .*\r\n\r\n\z}s;
    }
    my ($length) = $head =~ /^Content-Length: *(\d+)\r$/mi;
    my $body = '';
    read $socket, $body, $length if $length && !$without_body;
    return ($head, $body);
}

sub _pass_on {
    my ($client, %option) = @_;
    my ($head, $body) = _read_message($client) or return;
    return if !defined $head;
    my $server = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $option{port}) or return;
    print {$server} $head . $body;
    my ($reply_head, $reply) = _read_message($server, $head =~ /^HEAD /);
    return if !defined $reply_head;
    close $server;
    ($reply_head, $reply) = _mutate($reply_head, $reply) if rand() < $option{share};
    $reply_head =~ s/^Connection:.*\r\n//mig;
    $reply_head =~ s/\r\n\r\n\z/\r\nConnection: close\r\n\r\n/;
    print {$client} $reply_head . $reply;
    return;
}

sub _one_of { return $_[ rand @_ ] }

# --- changes ---------------------------------------------------------------------------------------------------------

sub _mutate {
    my ($head, $body) = @_;
    my $announced = 1;
    my $kind      = rand;
    if ($kind < 0.6 && $body =~ /^\s*[\[{]/) { $body = _mutate_json($body) }
    elsif ($kind < 0.75 && $body ne '')      { $body = _mutate_bytes($body) }
    elsif ($kind < 0.8) { $body = join '', map { chr rand 256 } 1 .. rand 2000 }
    elsif ($kind < 0.9) { $head = _mutate_head($head) }
    else {
        my $status = _one_of(
            200, 201, 204, 206, 301, 302, 304, 307, 400, 401, 403, 404, 409, 412, 416, 429, 500, 503, 999
        );
        $head =~ s/^HTTP\S+ \d+/HTTP\/1.1 $status/;
        $body = _mutate_bytes($body) if rand() < 0.3 && $body ne '';
    }
    if (rand() < 0.95) {
        my $length = length $body;
        $head =~ s/^Content-Length:[^\r\n]*/Content-Length: $length/mi;
    }
    return ($head, $body);
}

sub _mutate_head {
    my ($head) = @_;
    my @lines = split /\r\n/, $head;
    my $at = int rand @lines;
    my $how = int rand 6;
    $lines[$at] = _mutate_bytes($lines[$at]) if $how == 0;
    splice @lines, $at, 1 if $how == 1 && @lines > 1;
    splice @lines, 1, 0, ($lines[$at]) x (1 + rand 300) if $how == 2;
    splice @lines, 1, 0, 'X: ' . 'y' x (rand 200_000) if $how == 3;
    splice @lines, 1, 0,
        _one_of('Transfer-Encoding: chunked', 'Content-Encoding: gzip', 'Content-Length: 99999999999999999999',
        'Content-Length: -1', 'Date: Thu, 01 Jan 1970 00:00:00 GMT', 'Date: yesterday', 'Location: http://127.0.0.1:1/',
        'X-Amz-Meta-Sha256: ' . 'g' x 64, 'X-Amz-Meta-Sha256: ' . 'a' x 64, 'ETag: "\xff"', "Retry-After: -5")
        if $how == 4;
    $lines[0] = _one_of('HTTP/1.1 200', 'HTTP/9.9 200 OK', 'HTTP/1.1 20 OK', '200 OK', "HTTP/1.1 200 \x00\xff", '')
        if $how == 5;
    return join "\r\n", @lines, '', '';
}

sub _mutate_bytes {
    my ($bytes) = @_;
    for (0 .. rand 4) {
        my $at = int rand length $bytes;
        my $how = int rand 6;
        substr($bytes, $at, 1) = chr rand 256 if $how == 0;
        substr($bytes, $at, 0) = _one_of("\0", "\xff", '"', '{', ']', '\\u0000', '\\ud83d', '<', '&#0;', '-->',
            '<![CDATA[')
            if $how == 1;
        substr($bytes, $at, 1 + rand 20) = '' if $how == 2;
        $bytes = substr $bytes, 0, $at if $how == 3;
        substr($bytes, $at, 0) = substr $bytes, int rand length $bytes, rand 200 if $how == 4;
        substr($bytes, $at, 0) = chr(33 + rand 90) x rand 5000 if $how == 5;
        last if $bytes eq '';
    }
    return $bytes;
}

my @odd = (
    undef, JSON::PP::true, JSON::PP::false, '', ' ', 'x', "\0", "\x{301}" x 2000, 'a' x 30_000, 0, -1, 0.5, 1e300,
    2147483648, 9223372036854775807, '9223372036854775808', '-1', 'NaN', [], {}, [ [] ], [undef], [ 1, 1 ], { a => 1 },
    '2026-01-02T03:04:05Z', '2026-02-30T00:00:00Z', '294277-01-01T00:00:00Z', '-infinity', 'now', 'approve', 'reject',
    "\x{FFFF}\x{10FFFF}", '../../x', 'http://127.0.0.1:1/', "a'b\"c\\", '%s%n', '1@1', '@', '@@'
);

# Changes some of the values of a document, wherever they stand.
sub _mutate_json {
    my ($body) = @_;
    my $document = eval { $JSON->decode($body) };
    return _mutate_bytes($body) if !ref $document;
    for (0 .. rand 3) {
        my @places;
        _collect($document, \@places);
        last if !@places;
        my ($where, $key) = @{ _one_of(@places) };
        my $how = rand;
        if (ref $where eq 'HASH') {
            if    ($how < 0.5)  { $where->{$key} = _one_of(@odd) }
            elsif ($how < 0.65) { delete $where->{$key} }
            elsif ($how < 0.8)  { $where->{$key} = $JSON->decode($JSON->encode(_value(_one_of(@places)))) }
            elsif ($how < 0.9)  { $where->{ _one_of('id', 'result', 'value', 'x', '') } = $where->{$key} }
            else                { $where->{$key} = [ ($where->{$key}) x (1 + rand 3) ] }
        }
        else {
            if    ($how < 0.4) { $where->[$key] = _one_of(@odd) }
            elsif ($how < 0.6) { splice @$where, $key, 1 }
            elsif ($how < 0.8) { push @$where, $JSON->decode($JSON->encode($where->[$key])) }
            else               { $where->[$key] = $JSON->decode($JSON->encode(_value(_one_of(@places)))) }
        }
    }
    return $JSON->encode($document);
}

sub _value { my ($where, $key) = @{ $_[0] }; return ref $where eq 'HASH' ? $where->{$key} : $where->[$key] }

sub _collect {
    my ($node, $places) = @_;
    my @keys = ref $node eq 'HASH' ? sort keys %$node : ref $node eq 'ARRAY' ? 0 .. $#$node : ();
    for my $key (@keys) {
        last if @$places > 2000;
        push @$places, [ $node, $key ];
        _collect(_value([ $node, $key ]), $places);
    }
    return;
}

1;
