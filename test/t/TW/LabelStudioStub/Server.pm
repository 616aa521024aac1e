# Server.pm - the process of the stand-in for Label Studio: connections, HTTP/1.1, and the orders of the test.
#
# One process and one select(), so that requests are dealt with one after the other while hanging ones hinder nobody.

package TW::LabelStudioStub::Server;

use strict;
use warnings;

use IO::Select;
use IO::Socket::INET;
use JSON::PP ();
use POSIX ();
use Socket qw(SOL_SOCKET SO_LINGER IPPROTO_TCP TCP_NODELAY);
use Storable qw(nfreeze thaw);
use Time::HiRes qw(time);

use TW::LabelStudioStub::Api;
use TW::LabelStudioStub::Fault;
use TW::LabelStudioStub::Store;

use constant {
    MAX_HEADER => 65_536,
    MAX_BODY   => 64 * 1024 * 1024,
};

my $JSON = JSON::PP->new->utf8->canonical->allow_nonref;

my %REASON = (
    200 => 'OK', 201 => 'Created', 204 => 'No Content', 301 => 'Moved Permanently', 302 => 'Found',
        400 => 'Bad Request',
    401 => 'Unauthorized', 404 => 'Not Found', 405 => 'Method Not Allowed', 429 => 'Too Many Requests',
    500 => 'Internal Server Error', 502 => 'Bad Gateway', 503 => 'Service Unavailable', 504 => 'Gateway Timeout',
);

# What the test may have done to the data directly.
my %ON_STORE = map { $_ => 1 } qw(
    advance_clock freeze_clock add_user create_project edit_project delete_project import_tasks refuse_items
    edit_task delete_task annotate edit_annotation delete_annotation
);

sub new {
    my ($class, %option) = @_;
    my $store = TW::LabelStudioStub::Store->new;
    return bless {
        %option,    # listener, control, owner
        port        => $option{listener}->sockport,
        store       => $store,
        api         => TW::LabelStudioStub::Api->new(store => $store, token => $option{token}, pat => $option{pat}),
        faults      => TW::LabelStudioStub::Fault->new,
        connections => {},
        timers      => [],
        requests    => [],
        started     => time,
        paused      => 0,
    }, $class;
}

# --- the loop --------------------------------------------------------------------------------------------------------

# Ends when the test lets go of its end of the control socket, or is no more: others may hold a copy of that end.
sub run {
    my ($self) = @_;

    while (getppid() == $self->{owner}) {
        my ($read, $write) = $self->_wanted;
        my ($readable, $writable) = IO::Select->select($read, $write, undef, $self->_patience);

        for my $fh (@{ $readable // [] }) {
            if ($fh == $self->{control}) { $self->_control or return }
            elsif ($self->{listener} && $fh == $self->{listener}) { $self->_accept }
            elsif (my $conn = $self->{connections}{ fileno($fh) // -1 }) { $self->_read($conn) }
        }
        for my $fh (@{ $writable // [] }) {
            my $conn = $self->{connections}{ fileno($fh) // -1 } or next;
            $self->_write($conn);
        }
        $self->_run_timers;
    }
    return;
}

sub _wanted {
    my ($self) = @_;
    my $read  = IO::Select->new($self->{control});
    my $write = IO::Select->new;

    $read->add($self->{listener}) if $self->{listener} && !$self->{paused};
    for (values %{ $self->{connections} }) {
        $read->add($_->{fh}) unless $self->{paused};
        $write->add($_->{fh}) if length $_->{out} || $_->{source};
    }
    return ($read, $write);
}

sub _patience {
    my ($self) = @_;
    my $wait = 1;
    for (@{ $self->{timers} }) {
        my $left = $_->{at} - time;
        $wait = $left if $left < $wait;
    }
    return $wait > 0 ? $wait : 0;
}

sub after {
    my ($self, $seconds, $sub, %option) = @_;
    push @{ $self->{timers} }, { at => time + $seconds, sub => $sub, %option };
    return;
}

sub _run_timers {
    my ($self) = @_;
    my $now = time;
    my @due = sort { $a->{at} <=> $b->{at} } grep { $_->{at} <= $now } @{ $self->{timers} };
    return if !@due;
    @{ $self->{timers} } = grep { $_->{at} > $now } @{ $self->{timers} };
    $_->{sub}->() for @due;
    return;
}

# --- connections -----------------------------------------------------------------------------------------------------

sub _accept {
    my ($self) = @_;
    my $fh = $self->{listener}->accept or return;
    $fh->blocking(0);
    setsockopt($fh, IPPROTO_TCP, TCP_NODELAY, 1);
    $self->{connections}{ fileno $fh } = { fh => $fh, in => '', out => '', busy => 0 };
    return;
}

# A reset instead of an end: the other side gets ECONNRESET.
sub drop {
    my ($self, $conn, $reset) = @_;
    return if $conn->{gone}++;
    delete $self->{connections}{ fileno $conn->{fh} };
    setsockopt($conn->{fh}, SOL_SOCKET, SO_LINGER, pack('ii', 1, 0)) if $reset;
    close $conn->{fh};
    return;
}

# The connection ends as soon as what is to be sent is sent.
sub finish {
    my ($self, $conn, $reset) = @_;
    $conn->{finish} = { reset => $reset };
    $self->_write($conn);
    return;
}

sub _read {
    my ($self, $conn) = @_;
    my $got = sysread $conn->{fh}, $conn->{in}, 262_144, length $conn->{in};
    return if !defined $got && ($!{EAGAIN} || $!{EINTR});
    return $self->drop($conn) if !$got || length $conn->{in} > MAX_HEADER + MAX_BODY;
    $self->_next_request($conn);
    return;
}

sub _write {
    my ($self, $conn) = @_;
    return if $conn->{gone};

    # A source gives more as long as there is any; it is asked only when all before is out.
    if (!length $conn->{out} && $conn->{source}) {
        $conn->{out} = $conn->{source}->() // '';
        if (!length $conn->{out}) {
            delete $conn->{source};
            $self->done($conn);
            return;
        }
    }
    if (length $conn->{out}) {
        my $sent = syswrite $conn->{fh}, $conn->{out}, 262_144;
        if (!defined $sent) {
            $self->drop($conn) unless $!{EAGAIN} || $!{EINTR};
            return;
        }
        substr $conn->{out}, 0, $sent, '';
    }
    $self->drop($conn, $conn->{finish}{reset}) if $conn->{finish} && !length $conn->{out};
    return;
}

sub send {
    my ($self, $conn, $bytes) = @_;
    return if $conn->{gone};
    $conn->{out} .= $bytes;
    $self->_write($conn);
    return;
}

sub stream {
    my ($self, $conn, $source) = @_;
    $conn->{source} = $source;
    return;
}

sub drip {
    my ($self, $conn) = @_;
    my $drip = $conn->{drip};
    return if $conn->{gone} || !$drip;
    my $byte = length $drip->{text} ? substr($drip->{text}, 0, 1, '') : $drip->{filler};
    $self->send($conn, $byte);
    $self->after($drip->{interval}, sub { $self->drip($conn) });
    return;
}

# --- the states of the whole server ----------------------------------------------------------------------------------

# The port stays ours, but nobody listens: connections are refused.
sub refuse {
    my ($self) = @_;
    my $listener = delete $self->{listener} or return;
    close $listener;
    $self->{reserved} = _bind($self->{port});
    $self->drop($_) for values %{ $self->{connections} };
    return;
}

sub _bind {
    my ($port) = @_;
    for (1 .. 50) {
        my $socket =
            IO::Socket::INET->new(Proto => 'tcp', LocalAddr => '127.0.0.1', LocalPort => $port, ReuseAddr => 1);
        return $socket if $socket;
        Time::HiRes::sleep(0.1);
    }
    die "cannot bind port $port again: $!";
}

# The kernel still completes connections and takes what they send; nobody reads it.
sub pause {
    my ($self) = @_;
    $self->{paused} = 1;
    return;
}

# Everything works again. Connections that a fault has in its hands end, those that will do something later do it.
sub _heal {
    my ($self) = @_;
    $self->{faults}->heal;
    $self->{store}{refuse} = [];
    $self->{paused} = 0;
    if (my $socket = delete $self->{reserved}) {
        $socket->listen(128) or die "cannot listen again: $!";
        $socket->blocking(0);
        $self->{listener} = $socket;
    }
    $self->drop($_) for grep { $_->{busy} } values %{ $self->{connections} };
    @{ $self->{timers} } = grep { $_->{pending} } @{ $self->{timers} };
    return;
}

# --- HTTP ------------------------------------------------------------------------------------------------------------

sub _next_request {
    my ($self, $conn) = @_;
    return if $conn->{busy} || $conn->{gone};
    my $end = index $conn->{in}, "\r\n\r\n";

    if ($end < 0) {
        $self->drop($conn) if length $conn->{in} > MAX_HEADER;
        return;
    }
    my ($first, @lines) = split /\r\n/, substr($conn->{in}, 0, $end);
    my %headers = map { /^([^:]+):\s*(.*?)\s*$/ ? (lc $1, $2) : () } @lines;
    my $length  = $headers{'content-length'} // 0;
    my ($method, $target) = $first =~ m{^([A-Z]+) (\S+) HTTP/1\.[01]$};
    if (!defined $target || $length !~ /^\d+$/ || $length > MAX_BODY || $headers{'transfer-encoding'}) {
        $self->reply($conn, { status => 400, type => 'text/plain', body => "the stub does not read such a request\n" });
        $self->finish($conn);
        return;
    }
    if (length $conn->{in} < $end + 4 + $length) {
        $self->send($conn, "HTTP/1.1 100 Continue\r\n\r\n")
            if ($headers{expect} // '') =~ /^100-continue$/i && !$conn->{continued}++;
        return;
    }
    my $body = substr $conn->{in}, $end + 4, $length;
    substr $conn->{in}, 0, $end + 4 + $length, '';
    $conn->{continued} = 0;
    $conn->{busy}      = 1;
    $conn->{close}     = ($headers{connection} // '') =~ /\bclose\b/i || $first =~ /1\.0$/;
    $self->_handle($conn, _request($method, $target, \%headers, $body));
    return;
}

sub _request {
    my ($method, $target, $headers, $body) = @_;
    my ($path, $query) = split /\?/, $target, 2;
    my %query = map { /^([^=]*)=?(.*)$/s ? (_decoded("$1"), _decoded("$2")) : () } split /&/, $query // '';
    return {
        method     => $method,
        path       => _decoded($path),
        query      => \%query,
        query_text => join('&', map { "$_=$query{$_}" } sort keys %query),
        headers    => $headers,
        body       => $body
    };
}

sub _decoded {
    my ($text) = @_;
    $text =~ tr/+/ /;
    $text =~ s/%([0-9A-Fa-f]{2})/chr hex $1/ge;
    utf8::decode($text);
    return $text;
}

sub _handle {
    my ($self, $conn, $request) = @_;
    my $authorization = $request->{headers}{authorization};
    my $fault         = $self->{faults}->match($request);
    my $entry         = {
        method => $request->{method},
        path   => $request->{path},
        query  => $request->{query},
        at     => time - $self->{started},
        auth   => !defined $authorization ? 'none' : $authorization =~ /^(Token|Bearer) / ? $1 : 'other',
        bytes  => length $request->{body},
        status => undef,
        fault  => $fault && $fault->{name},
    };
    push @{ $self->{requests} }, $entry;
    $conn->{entry} = $entry;
    return $self->reply($conn, $self->act($request)) if !$fault;
    $self->{faults}->apply($fault, $self, $conn, $request);
    return;
}

sub act {
    my ($self, $request) = @_;
    return $self->{api}->answer($request);
}

# Head and body of an answer, as bytes.
sub render {
    my ($self, $answer) = @_;
    my $status  = $answer->{status};
    my $body    = $answer->{body} // (exists $answer->{data} ? $JSON->encode($answer->{data}) : '');
    my %headers = (Server => 'WSGIServer/0.2 CPython/3.11.2', %{ $answer->{headers} // {} });

    utf8::encode($body) if utf8::is_utf8($body);
    $headers{Date}             = POSIX::strftime('%a, %d %b %Y %H:%M:%S GMT', gmtime($self->{store}->now / 1_000_000));
    $headers{'Content-Length'} = length $body;
    $headers{'Content-Type'}   = $answer->{type} // 'application/json' if length $body;
    my @lines = ("HTTP/1.1 $status " . ($REASON{$status} // 'Unknown'), map { "$_: $headers{$_}" } sort keys %headers);
    return (join("\r\n", @lines, '', ''), $body);
}

sub reply {
    my ($self, $conn, $answer) = @_;
    return if $conn->{gone};
    my ($head, $body) = $self->render($answer);
    $conn->{entry}{status} = $answer->{status} if $conn->{entry};
    $self->send($conn, $head . $body);
    $self->done($conn);
    return;
}

# The answer is complete: the connection ends or takes the next request.
sub done {
    my ($self, $conn) = @_;
    return if $conn->{gone};
    return $self->finish($conn) if $conn->{close};
    $conn->{busy} = 0;

    # By a timer, lest many requests in one packet become as many nested calls.
    $self->after(0, sub { $self->_next_request($conn) }) if length $conn->{in};
    return;
}

# --- the test's orders -----------------------------------------------------------------------------------------------

sub _control {
    my ($self) = @_;
    my $order = read_frame($self->{control}, 10) // return 0;
    my ($name, @args) = @$order;
    my $result = eval { [ $self->_order($name, @args) ] };
    return write_frame($self->{control}, $result ? { result => $result->[0] } : { error => "$@" }, 30);
}

sub _order {
    my ($self, $name, @args) = @_;
    my ($store, $faults, $api) = @$self{qw(store faults api)};

    if ($ON_STORE{$name}) {
        die "no project $args[0]\n" if $name =~ /^(?:edit_project|import_tasks)$/ && !$store->{projects}{ $args[0] };
        return $store->$name(@args);
    }
    if ($name eq 'fault') {
        my $fault = $faults->arm(@args);
        $faults->apply($fault, $self) if $fault->{at_once};
        return $fault->{id};
    }
    return $self->_heal           if $name eq 'heal';
    return $faults->list          if $name eq 'faults';
    return $self->{requests}      if $name eq 'requests';
    return $self->{requests} = [] if $name eq 'clear_requests';
    return [ map { $store->task_json($_, all => 1) } $store->tasks_of(@args) ] if $name eq 'tasks';
    return [ map { $store->project_json($_) } sort { $a <=> $b } keys %{ $store->{projects} } ] if $name eq 'projects';
    return [ $store->views_of(@args) ]                                  if $name eq 'views';
    return TW::LabelStudioStub::Store::stamp($store->now)               if $name eq 'now';
    return scalar grep { $_->{pending} } @{ $self->{timers} }           if $name eq 'pending';
    return scalar keys %{ $self->{connections} }                        if $name eq 'connections';
    return $api->{access} = {}                                          if $name eq 'revoke_access';
    if ($name =~ /^(?:token|pat|lifetime|exp)$/) { $api->{$name} = $args[0]; return }
    die "no such order: $name\n";
}

# Messages between the test and this process: four bytes of length, then what Storable writes, for JSON::PP takes
# minutes to read a note of many megabytes. Nothing if the other side is gone.
sub read_frame {
    my ($fh, $seconds) = @_;
    my $head = _read_exactly($fh, 4, $seconds) // return;
    my $text = _read_exactly($fh, unpack('N', $head), $seconds) // return;
    return thaw($text)->[0];
}

sub _read_exactly {
    my ($fh, $length, $seconds) = @_;
    my $data = '';
    my $select = IO::Select->new($fh);
    while (length $data < $length) {
        $select->can_read($seconds) or return;
        my $got = sysread $fh, $data, $length - length $data, length $data;
        next if !defined $got && $!{EINTR};
        return if !$got;
    }
    return $data;
}

sub write_frame {
    my ($fh, $message, $seconds) = @_;
    my $data   = nfreeze([$message]);
    my $select = IO::Select->new($fh);
    local $SIG{PIPE} = 'IGNORE';

    $data = pack('N', length $data) . $data;
    while (length $data) {
        $select->can_write($seconds) or return 0;
        my $sent = syswrite $fh, $data, 65_536;
        next if !defined $sent && $!{EINTR};
        return 0 if !$sent;
        substr $data, 0, $sent, '';
    }
    return 1;
}

1;
