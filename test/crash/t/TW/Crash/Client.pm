# Client.pm - clients that notice a crash: each is a psql that is fed through a pipe, and all of them are served by one
# loop, so that what the server acknowledged is known before the next thing is asked.
#
#   my $client = TW::Crash::Client->new(name => 'n', connection => 'host=...');
#   $client->ask($sql, sub { my ($state, $rows, $error) = @_; ... });
#   TW::Crash::Client->serve($seconds, sub { ... whether to stop ... }, @clients);
#
# A state is "done", the SQLSTATE of an error, or "lost": then nobody knows whether it happened.

package TW::Crash::Client;

use strict;
use warnings;

use IO::Handle;
use IO::Select;
use IPC::Open3;
use Symbol qw(gensym);
use Time::HiRes qw(sleep time);

sub new {
    my ($class, %option) = @_;
    return bless {%option}, $class;
}

sub is_connected { return defined $_[0]{process} }
sub is_busy      { return defined $_[0]{then} }
sub backend      { return $_[0]{backend} }

# Not before the server takes connections; the number of the backend is asked for like anything else.
sub connect {
    my ($self) = @_;
    my ($in, $out, $err) = (undef, undef, gensym);
    $self->{process} =
        open3($in, $out, $err, 'psql', '-XAtq', '-v', 'VERBOSITY=verbose', '-d', $self->{connection});
    $_->autoflush(1) for $in;
    $_->blocking(0) for $out, $err;
    @$self{qw(in out err text said lines)} = ($in, $out, $err, '', '', []);
    delete $self->{backend};
    $self->ask('SELECT pg_backend_pid()', sub { $self->{backend} = $_[1][0] if $_[0] eq 'done' });
    return;
}

# One statement, or several of one transaction, joined by "\;".
sub ask {
    my ($self, $sql, $then) = @_;
    die "$self->{name} is still busy" if $self->{then};
    $self->{then} = $then;
    $self->{lines} = [];
    local $SIG{PIPE} = 'IGNORE';
    utf8::encode($sql) if utf8::is_utf8($sql);
    print { $self->{in} } "$sql;\n\\echo answered :ERROR :SQLSTATE\n";
    return;
}

sub _answer {
    my ($self, $state) = @_;
    my $then = delete $self->{then} or return;
    my ($error) = $self->{said} =~ /((?:ERROR|FATAL|PANIC):.*)/s;
    my $rows = $self->{lines};
    $self->{said} = '';
    $then->($state, $rows, $error // '');
    return;
}

# What psql has said so far. It ends when its connection is lost.
sub _read {
    my ($self) = @_;
    my $ended = 0;
    for my $part (qw(err out)) {
        for (;;) {
            my $got = sysread $self->{$part}, my $bytes, 65536;
            if (!defined $got) { last if $!{EAGAIN} || $!{EINTR}; $ended = 1; last }
            if (!$got) { $ended = 1 if $part eq 'out'; last }
            $self->{ $part eq 'out' ? 'text' : 'said' } .= $bytes;
        }
    }
    while ($self->{text} =~ s/^([^\n]*)\n//) {
        my $line = $1;
        if   ($line =~ /^answered (true|false) (\w+)$/) { $self->_answer($1 eq 'false' ? 'done' : $2) }
        else                                            { push @{ $self->{lines} }, $line }
    }
    $self->_end if $ended;
    return;
}

sub _end {
    my ($self) = @_;
    my $process = delete $self->{process} or return;
    close $self->{$_} for qw(in out err);
    waitpid $process, 0;
    $self->_answer('lost');
    return;
}

# Ends clients: each reads its answer, if it waits for one, and then finds that nothing more is asked.
sub disconnect {
    my ($class, @clients) = @_;
    close $_->{in} for grep { $_->{process} } @clients;
    $class->serve(60, sub { !grep { $_->{process} } @clients }, @clients) or die 'clients do not end';
    return;
}

# Listens to the clients for so long, or until a function says that it is enough.
sub serve {
    my ($class, $seconds, $enough, @clients) = @_;
    my $end = time + $seconds;
    for (;;) {
        return 1 if $enough && $enough->();
        my $left = $end - time;
        return 0 if $left <= 0;
        my $wait = $left < 0.02 ? $left : 0.02;
        my %by_handle = map { ($_->{out} => $_, $_->{err} => $_) } grep { $_->{process} } @clients;
        if (!%by_handle) { sleep $wait; next }
        my $select = IO::Select->new(map { @$_{qw(out err)} } grep { $_->{process} } @clients);
        my %ready  = map { ($by_handle{$_}{name} => $by_handle{$_}) } $select->can_read($wait);
        $_->_read for grep { $_->{process} } values %ready;
    }
}

1;
