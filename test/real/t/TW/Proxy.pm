# Proxy.pm - a TCP proxy in front of an HTTP server, which can stop a request at a chosen point.
#
# A process of its own listens on 127.0.0.1 at a port that the kernel chose; it ends with stop(), when the object goes,
# or with the test. Each connection carries one request, as libcurl's do when every request has a handle of its own.
#
#   my $proxy = TW::Proxy->start('http://127.0.0.1:8080');
#   $proxy->hold($where, qr/^POST /);   # the next request whose first line, decoded, matches; $where:
#       before    nothing of it is passed on
#       half      its headers and half of its body are
#       answered  all of it is, and its answer has come from the server as a whole
#       part      the same, and half of the answer is passed back
#   $proxy->wait_held                   # until it is stopped there
#   $proxy->wait_dropped                # until whoever sent it has gone; then nothing more of it is passed on
#   $proxy->keep                        # ... but later, by release: as a network might that delays it
#   $proxy->release                     # what is stopped goes on
#   $proxy->refuse, $proxy->accept      # nobody listens; somebody does, at the same port
#   $proxy->seen(qr/^POST /)            # how many requests have come whose first line matches

package TW::Proxy;

use strict;
use warnings;

use Carp;
use IO::Handle;
use IO::Select;
use IO::Socket::INET;
use POSIX ();
use Socket qw(AF_UNIX SOCK_STREAM PF_UNSPEC);
use Time::HiRes qw(sleep time);

use constant PATIENCE => 60;

sub start {
    my ($class, $upstream) = @_;
    my ($address) = $upstream =~ m{^http://([\d.]+:\d+)} or croak "not an address: $upstream";
    my $listener = _listen(0);
    socketpair(my $ours, my $theirs, AF_UNIX, SOCK_STREAM, PF_UNSPEC) or croak "socketpair: $!";
    my $pid = fork // croak "fork: $!";
    if (!$pid) {
        close $ours;
        $SIG{$_} = 'DEFAULT' for qw(INT TERM HUP __DIE__ __WARN__);
        $SIG{PIPE} = 'IGNORE';

        # Whoever reads the test's results must not wait for us.
        open STDIN,  '<', '/dev/null';
        open STDOUT, '>', '/dev/null';
        my $done = eval { _serve($listener, $theirs, $address); 1 };
        print STDERR "proxy: $@" if !$done;
        POSIX::_exit($done ? 0 : 1);
    }
    close $theirs;
    $ours->autoflush(1);
    return bless { pid => $pid, owner => $$, control => $ours, port => $listener->sockport }, $class;
}

sub _listen {
    my ($port) = @_;
    return IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $port, Proto => 'tcp', Listen => 64,
        ReuseAddr => 1)
        // die "cannot listen: $!";
}

sub url { my ($self) = @_; return "http://127.0.0.1:$self->{port}" }

sub _ask {
    my ($self, @order) = @_;
    print { $self->{control} } join("\t", @order), "\n";
    my $answer = readline($self->{control}) // croak 'the proxy is gone';
    chomp $answer;
    return $answer;
}
sub hold    { my ($self, $where, $which) = @_; return $self->_ask('hold', $where, $which) }
sub seen    { my ($self, $which)         = @_; return $self->_ask('seen', $which) }
sub keep    { my ($self)                 = @_; return $self->_ask('keep') }
sub release { my ($self)                 = @_; return $self->_ask('release') }
sub refuse  { my ($self)                 = @_; return $self->_ask('refuse') }
sub accept  { my ($self)                 = @_; return $self->_ask('accept',
    $self->{port}) }    ## no critic (it is a method)

sub wait_held    { my ($self) = @_; return $self->_wait(1) }
sub wait_dropped { my ($self) = @_; return $self->_wait(0) }

sub _wait {
    my ($self, $held) = @_;
    my $end = time + PATIENCE;
    do {
        return 1 if $self->_ask('held') == $held;
        sleep 0.02;
    } while time < $end;
    return 0;
}

# Only for whoever started it: a fork of the test must not end it.
sub stop {
    my ($self) = @_;
    return if $self->{owner} != $$;
    my $pid = delete $self->{pid} or return;
    local ($?, $!);
    close $self->{control};
    kill 'TERM', $pid;
    waitpid $pid, 0;
    return;
}
sub DESTROY { my ($self) = @_; $self->stop; return }

#-----------------------------------------------------------------------------------------------------------------------
# The process.

# Connections: client and server (sockets), state (asking, waiting, held, over), request, answer, rule (where), sent (so
# much of what is passed on).
my (@connections, @rules, @seen, $keeps, $server_address);

sub _serve {
    my ($listener, $control, $address) = @_;
    $server_address = $address;
    $control->autoflush(1);
    while (1) {
        @connections = grep { $_->{state} ne 'over' } @connections;
        my %of = map {
            my $c = $_;
            map { defined $_ ? ($_ => $c) : () } $c->{client}, $c->{server}
        } @connections;
        my @sockets = grep { defined } map { ($_->{client}, $_->{server}) } @connections;
        for my $socket (IO::Select->new($control, $listener ? $listener : (), @sockets)->can_read) {
            if ($socket == $control) {
                my $order = '';
                sysread($control, $order, 1, length $order) or return while $order !~ /\n/;
                chomp $order;
                $listener = _obey($control, $listener, split /\t/, $order);
            }
            elsif ($listener && $socket == $listener) {
                push @connections,
                    { client => scalar $listener->accept, state => 'asking', request => '', answer => '' };
            }
            elsif ($of{$socket}{state} ne 'over') {
                _read($of{$socket}, $socket);
            }
        }
    }
}

sub _obey {
    my ($control, $listener, $order, @rest) = @_;
    my $answer = 'ok';
    if    ($order eq 'hold')    { push @rules, { where => $rest[0], which => qr/$rest[1]/ } }
    elsif ($order eq 'held')    { $answer = grep { $_->{state} eq 'held' && $_->{client} } @connections }
    elsif ($order eq 'seen')    { $answer = grep { /$rest[0]/ } @seen }
    elsif ($order eq 'keep')    { $keeps  = 1 }
    elsif ($order eq 'release') { ($keeps, @rules) = (0); _go_on($_) for grep { $_->{state} eq 'held' } @connections }
    elsif ($order eq 'refuse')  { close $listener; undef $listener; _end($_) for @connections }
    elsif ($order eq 'accept')  { $listener = _listen($rest[0]) }
    print {$control} "$answer\n";
    return $listener;
}

sub _end {
    my ($c) = @_;
    close $_ for grep { defined } @$c{qw(client server)};
    @$c{qw(client server state)} = (undef, undef, 'over');
    return;
}

sub _read {
    my ($c, $socket) = @_;
    my $is_client = $c->{client} && $socket == $c->{client};
    my $buffer    = $is_client ? 'request' : 'answer';
    my $got       = sysread $socket, $c->{$buffer}, 65_536, length $c->{$buffer};
    if ($is_client) {
        if (!$got) {
            return _end($c) if !($keeps && $c->{state} eq 'held');
            close $socket;
            undef $c->{client};
        }
        elsif ($c->{state} eq 'asking' && _is_whole($c->{request})) {
            _decide($c);
        }
    }
    elsif (!$got) {
        close $socket;
        undef $c->{server};
        _answered($c);
    }
    return;
}

sub _is_whole {
    my ($request) = @_;
    my $headers = index $request, "\r\n\r\n";
    return 0 if $headers < 0;
    my ($length) = substr($request, 0, $headers) =~ /^content-length: *(\d+)/mi;
    return length $request >= $headers + 4 + ($length // 0);
}

sub _decide {
    my ($c) = @_;
    my ($line) = $c->{request} =~ /^([^\r]*)/;
    $line =~ s/%([0-9A-Fa-f]{2})/chr hex $1/ge;
    push @seen, $line;

    # The end of the connection tells the end of the answer.
    $c->{request} =~ s/\r\nConnection:[^\r]*//i;
    $c->{request} =~ s/\r\n/\r\nConnection: close\r\n/;
    ($c->{sent}, $c->{state}) = (0, 'waiting');
    if (@rules && $line =~ $rules[0]{which}) {
        $c->{rule} = (shift @rules)->{where};
    }
    my $where   = $c->{rule} // '';
    my $headers = 4 + index $c->{request}, "\r\n\r\n";
    my $length  = length $c->{request};
    my $part    = $where eq 'before' ? 0 : $where eq 'half' ? int(($headers + $length) / 2) : $length;
    $c->{state} = 'held' if $part < $length;
    _send($c, $part)     if $part;
    return;
}

# Passes on what the server has not got yet, up to this length.
sub _send {
    my ($c, $upto) = @_;
    $c->{server} //= IO::Socket::INET->new(PeerAddr => $server_address, Proto => 'tcp') // return _end($c);
    while ($c->{sent} < $upto) {
        $c->{sent} += syswrite($c->{server}, $c->{request}, $upto - $c->{sent}, $c->{sent}) // return _end($c);
    }
    return;
}

sub _answered {
    my ($c) = @_;
    my $where = $c->{rule} // '';
    $c->{sent} = 0;
    _reply($c, $where eq 'part' ? int(length($c->{answer}) / 2) : 0) if $where =~ /^(answered|part)$/;
    if ($where =~ /^(answered|part)$/) { $c->{state} = 'held' }
    else                               { _go_on($c) }
    return;
}

sub _reply {
    my ($c, $upto) = @_;
    return if !$c->{client};
    while ($c->{sent} < $upto) {
        $c->{sent} += syswrite($c->{client}, $c->{answer}, $upto - $c->{sent}, $c->{sent}) // return;
    }
    return;
}

# What is stopped goes on: to the server, or back from it.
sub _go_on {
    my ($c) = @_;
    if (length $c->{answer}) {
        _reply($c, length $c->{answer});
        return _end($c);
    }
    ($c->{state}, $c->{rule}) = ('waiting', undef);
    return _send($c, length $c->{request});
}

1;
