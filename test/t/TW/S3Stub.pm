# S3Stub.pm - a stand-in for an S3 store that does what a real one will not do when a test asks for it, for TAP tests.
#
# It stands for faults only, one for each key: the first part of the key below the bucket says what happens to requests
# about it. Everything else is kept in memory and given back. It checks no signature: that is tested with a real server.
#
# A process of its own listens on 127.0.0.1 at a port that the kernel chose. It
# ends with stop(), when the object goes, or with the test.
#
#   my $stub = TW::S3Stub->start(echo => "text that it repeats");
#   url, port, stop
#   requests($key)   what came for it: "METHOD headers", the headers' names in their order
#
#   skew-N           403 RequestTimeTooSkewed from a clock that is N seconds ahead
#   denied-skew-N    403 AccessDenied from such a clock
#   slow             503 SlowDown; slow-N: the first N times
#   code-STATUS-CODE that error
#   corrupt, longer, shorter, nothing    a PUT succeeds; a GET gives other bytes
#   cut              a GET ends in the middle
#   endless          a GET never ends
#   hang             reads, never answers
#   drop             reads the headers, ends the connection
#   echo             403, with the text to repeat as its message
#   words            403, with a message of all kinds of characters
#   entities         403, in a document that declares entities
#   long             403, with a message of 100,000 characters behind 100,000 spaces; long-message: of 30,000
#   flood            403, in a document of 3,000,000 bytes
#   html             403, in HTML
#   empty            403, without a body
#   redirect         301, to another address
#   garbage          something that is not HTTP
#   narrow           403 for what is not there
#   meta             a HEAD tells a checksum that is none

package TW::S3Stub;

use strict;
use warnings;

use Carp;
use IO::Socket::INET;
use POSIX ();
use Socket qw(SOMAXCONN);

sub start {
    my ($class, %option) = @_;
    my $listener = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => 0, Listen => SOMAXCONN)
        or croak "cannot listen: $!";
    my $file = PostgreSQL::Test::Utils::tempdir() . '/requests';
    my $pid  = fork // croak "fork: $!";
    if (!$pid) {
        $SIG{$_} = 'DEFAULT' for qw(INT TERM HUP __DIE__ __WARN__);
        $SIG{$_} = 'IGNORE'  for qw(PIPE CHLD);

        # Whoever reads the test's results must not wait for us.
        open STDIN,  '<', '/dev/null';
        open STDOUT, '>', '/dev/null';
        my $self = bless { listener => $listener, file => $file, objects => {}, slow => {}, %option }, $class;
        eval { $self->_serve(getppid()); 1 } or print STDERR "stub: $@";
        POSIX::_exit(0);
    }
    return bless { pid => $pid, owner => $$, port => $listener->sockport, file => $file }, $class;
}

sub port { return $_[0]{port} }
sub url  { return "http://127.0.0.1:$_[0]{port}" }

sub stop {
    my ($self) = @_;
    my $pid = delete $self->{pid} // return;
    local $?;
    kill KILL => $pid;
    waitpid $pid, 0;
    return;
}

sub DESTROY {
    my ($self) = @_;
    $self->stop if defined $self->{pid} && defined $self->{owner} && $self->{owner} == $$;
    return;
}

sub requests {
    my ($self, $key) = @_;
    open my $file, '<', $self->{file} or return;
    my @lines = map { /^(\S+) \Q$key\E (.*)$/ ? "$1 $2" : () } <$file>;
    return @lines;
}

sub _serve {
    my ($self, $owner) = @_;
    while (getppid() == $owner) {
        my $ready = '';
        vec($ready, fileno($self->{listener}), 1) = 1;
        next if select($ready, undef, undef, 1) < 1;
        my $client = $self->{listener}->accept or next;
        $client->autoflush(1);
        $self->_request($client);
        close $client;
    }
    return;
}

sub _request {
    my ($self, $client) = @_;
    my $head = '';
    while ($head !~ /\r\n\r\n$/) {
        $head .= <$client> // return;
    }
    my ($method, $path) = $head =~ m{^(\S+) /bucket/(\S+) HTTP};
    return if !defined $path;
    my @names = $head =~ /^([\w-]+):/mg;
    open my $log, '>>', $self->{file} or die "$self->{file}: $!";
    print {$log} "$method $path @names\n";
    close $log;
    my ($what) = $path =~ m{^([^/]+)};
    return if $what eq 'drop';
    print {$client} "HTTP/1.1 100 Continue\r\n\r\n" if $head =~ /^Expect: 100-continue\r$/mi;
    my ($length) = $head =~ /^Content-Length: (\d+)\r$/mi;
    my $body = '';
    read $client, $body, $length if $length;
    my ($sum) = $head =~ /^x-amz-meta-sha256: (\S+)\r$/mi;
    $self->_answer($client, $method, $what, $path, $body, $sum);
    return;
}

sub _reply {
    my ($client, $status, $body, @headers) = @_;
    print {$client}
        join("\r\n", "HTTP/1.1 $status Whatever", @headers, 'Content-Length: ' . length $body, 'Connection: close', '',
        $body);
    return;
}

sub _error {
    my ($client, $status, $code, $message, @headers) = @_;
    my $xml = qq{<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>$code</Code><Message>$message</Message>}
            . '<Resource>/x</Resource></Error>';
    return _reply($client, $status, $xml, 'Content-Type: application/xml', @headers);
}

sub _date {
    my ($seconds) = @_;
    return POSIX::strftime('Date: %a, %d %b %Y %H:%M:%S GMT', gmtime(time + $seconds));
}

# Sends in a process of its own what takes long.
sub _apart {
    my ($self, $client, $does) = @_;
    my $owner = $$;
    return if fork // die "fork: $!";
    close $self->{listener};
    for (1 .. 600) {
        last if getppid() != $owner || !$does->();
        select undef, undef, undef, 0.1;
    }
    POSIX::_exit(0);
}

my %damage = (
    corrupt => sub { my ($bytes) = @_; substr($bytes, 0, 1) ^= "\1"; return $bytes },
    longer  => sub { return "$_[0]x" },
    shorter => sub { return substr $_[0], 1 },
    nothing => sub { return '' },
);

sub _answer {
    my ($self, $client, $method, $what, $path, $body, $sum) = @_;
    my $says = "HTTP/1.1 200 OK\r\nConnection: close\r\n";
    return _error($client, 403, 'RequestTimeTooSkewed', 'Too skewed.', _date($1)) if $what =~ /^skew-(-?\d+)$/;
    return _error($client, 403, 'AccessDenied', 'No.', _date($1))                 if $what =~ /^denied-skew-(-?\d+)$/;
    return _error($client, $1, $2, 'No.')                                        if $what =~ /^code-(\d+)-(\w+)$/;
    return _error($client, 503, 'SlowDown', 'Please reduce your request rate.')
        if $what eq 'slow' || $what =~ /^slow-(\d+)$/ && $self->{slow}{$what}++ < $1;
    return _error($client, 403, 'AccessDenied', $self->{echo})                                 if $what eq 'echo';
    return _error($client, 403, 'Access Denied!', "a &lt;b&gt; &amp;amp; &#65; \x{c3}\x{a4}\0\e[31m\nend")
        if $what eq 'words';
    return _error($client, 403, 'AccessDenied',
        'y' x 30_000)                                  if $what eq 'long-message';
    return _error($client, 403, 'AccessDenied', ' ' x 100_000 . 'y' x 100_000)                 if $what eq 'long';
    return _error($client, 403, 'AccessDenied', 'z' x 3_000_000)                               if $what eq 'flood';
    return _reply($client, 403, '<html><body><h1>Forbidden</h1></body></html>')                if $what eq 'html';
    return _reply($client, 403, '')                                                            if $what eq 'empty';
    return _reply($client, 403, '<!DOCTYPE x [<!ENTITY a "b">]><Error><Code>&a;</Code><Message>&a;</Message></Error>')
        if $what eq 'entities';
    return _reply($client, 301, '', "Location: $self->{echo}")                                 if $what eq 'redirect';
    return print {$client} "SSH-2.0-OpenSSH_9.2p1\r\n"                                          if $what eq 'garbage';
    return $self->_apart($client, sub { 1 })                                                   if $what eq 'hang';

    if ($method eq 'PUT') {
        $self->{objects}{$path} = [ $body, $sum ];
        return _reply($client, 200, '', 'ETag: "x"', _date(0));
    }
    if ($method eq 'DELETE') {
        delete $self->{objects}{$path};
        return print {$client} "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n";
    }
    return $self->_apart($client, sub { print {$client} 'x' x 100_000 })
        if $what eq 'endless' && print {$client} "$says\r\n";
    return _error($client, 403, 'AccessDenied', 'Access Denied.') if $what eq 'narrow' && !$self->{objects}{$path};
    my ($bytes, $its_sum) = @{ $self->{objects}{$path} // return _error($client, 404, 'NoSuchKey', 'It is not here.') };
    $bytes = $damage{$what}->($bytes) if $damage{$what};
    return print {$client} $says, 'Content-Length: ', 2 * length $bytes, "\r\n\r\n$bytes" if $what eq 'cut';
    $its_sum = 'none at all' if $what eq 'meta';
    return print {$client} $says, 'Content-Length: ', length $bytes, "\r\nX-Amz-Meta-Sha256: $its_sum\r\n\r\n",
        $method eq 'HEAD' ? '' : $bytes;
}

1;
