# LabelStudioStub.pm - a stand-in for Label Studio that misbehaves on demand, for TAP tests.
#
# It stands for faults only: for what a real server and the network between do not do when a test asks for it. It
# answers the requests that the extension makes in the shapes of Label Studio 1.23 as far as they have been compared
# with one, but a test that passes here says nothing about Label Studio: that is tested against the real server.
#
# A process of its own listens on 127.0.0.1 at a port that the kernel chose. It ends with stop(), when the object goes,
# or when the test does. The methods talk to it over a socket pair, so
# they work whatever the fault; every wait is bounded.
#
#   my $stub = TW::LabelStudioStub->start(token => '...', pat => 1);     # either, both or none
#   url, port, token, pat, stop
#
# Faults: $number = $stub->fault($name, %which, %args). A fault gets the next `count` (1; or 'always') requests that
# match `method`, `path` and `query` (regular expressions; the query decoded, its parts sorted by name) after the first
# `skip`
# (0). The first armed one that matches wins. "Does it" means that what was asked for happens; where there is a `done`
# below, it does only with done => 1.
#   refuse                 nobody listens and all connections end, until heal; with %which at that request, else at once
#   hang_before_accepting  connections are made by the kernel, nothing is read, until heal; with %which as above
#   hang                   reads, never answers; done
#   drip                   one byte every interval (0.1) seconds for ever; part => 'body' or 'headers', length announced
#                          (1000000); done
#   close_before_reply     ends the connection; done; reset => 1 by RST, here and wherever a connection is ended
#   lose_reply             does it, ends the connection
# close_in_the_middle    does it, announces the right length, ends the connection after the share `at` (0.5) of the body
#   error_500              status (500), a traceback that quotes the request
#   error_500_after        does it, answers the same
#   bad_gateway            status (502), HTML, title; done
#   truncated_json         does it, share `at` (0.5) of the JSON under its own right length
# wrong_ids              does the import; how => 'foreign' (plus `by`, 1000000), 'reversed', 'duplicated', 'strings'; or
#                          ids => []
#   too_few_ids            does the import, leaves out the last `drop` (1) ids, or 'all' the key
#   not_found_page         404 "Invalid page."
# huge_body              200, correct JSON of `bytes` (200000000), made while it is sent; chunked => 1: no length; done
#   unauthorized           401, detail
#   redirect               status (302), location ('/elsewhere/'); done
#   delay                  answers after `seconds` (1); does it action => 'before' or 'after' them
#   duplicate_import       does it twice, answers with the first ids, or the last with reply_last => 1
# slow_commit            ends the connection at once, or answers 502 with bad_gateway => 1; does it `seconds` (1) later
# null_bytes             does it; kind => 'both', 'nul' (\u0000), 'surrogate'
# (a lone one): in a note of each annotation,
#                          where there is none in the task's data
#   deep_json              200, `depth` (100000) nested arrays; done
#   wrong_content_length   does it, announces `by` (100) bytes more (and waits) or, negative, fewer than it sends
#   reply                  status (200), body, type, headers => {}; done
#   faults                 [{id, name, matched, fired, left}] of all that were armed, in that order
#   heal                   no fault any more, nothing refused, it listens; connections in the hands of a fault end; what
#                          slow_commit has yet to do is still done (pending: how much that is)
#   refuse_items(field => regex, ...)   the import refuses items whose data field matches, and with them all, until heal
#
# Tokens: access_lifetime(seconds) of those given out from now (300), access_exp(unix time) instead, revoke_access (all
# of them), set_token, set_pat (undef: none is accepted), make_pat (a new one, not set).
#
# What happened: requests(%which) gives [{method, path, query => {}, at, auth, bytes, status, fault}] (`at` seconds
# since start, auth 'Token', 'Bearer', 'none' or 'other', status undefined where it was not answered in one piece);
# wait_for_requests(%which, count, seconds) says whether so many (1) come in time (300), %which here being method, path
# and the name of a fault; clear_requests; connections (how many are open now); pending.
#
# What there is: projects, views, tasks($project or all) as the list of tasks shows them with fields=all. What people do
# over there: annotate($task, result => [], was_cancelled, completed_by, ground_truth, lead_time, updated_at),
# edit_annotation($annotation, the same), delete_annotation($annotation, updated_at), edit_task($task, data, meta,
# updated_at), delete_task, create_project(title, ...), edit_project($project, ...), delete_project,
# import_tasks($project, [{data, meta, predictions}]), add_user(email, first_name, last_name). Those that make
# something give its id or ids; annotate and edit_annotation give the annotation. updated_at goes to the task too.
#
# The clock of its time stamps, Date and tokens: now, advance_clock(seconds, also negative), freeze_clock(time stamp, or
# undef to let it go on).

package TW::LabelStudioStub;

use strict;
use warnings;

use Carp;
use IO::Socket::INET;
use POSIX ();
use Scalar::Util qw(weaken);
use Socket qw(AF_UNIX SOCK_STREAM PF_UNSPEC);
use Time::HiRes qw(sleep time);

use TW::LabelStudioStub::Api;
use TW::LabelStudioStub::Server;

# How long a method waits for the process, in seconds. An answer may come after a large request is dealt with.
use constant PATIENCE => 300;

my %running;    # for END, by the number of the process

sub start {
    my ($class, %option) = @_;
    $option{pat} = make_pat() if ($option{pat} // '') eq '1';
    my %address  = (Proto => 'tcp', LocalAddr => '127.0.0.1', LocalPort => 0);
    my $listener = IO::Socket::INET->new(%address, Listen => 128, ReuseAddr => 1)
        or croak "cannot listen: $!";
    socketpair(my $ours, my $theirs, AF_UNIX, SOCK_STREAM, PF_UNSPEC) or croak "socketpair: $!";
    my $owner = $$;
    my $pid   = fork // croak "fork: $!";
    if (!$pid) {
        close $ours;
        _child(%option, listener => $listener, control => $theirs, owner => $owner);
    }

    close $theirs;
    my $self = bless {
        %option,
        pid     => $pid,
        owner   => $owner,
        control => $ours,
        port    => $listener->sockport
    }, $class;
    close $listener;
    weaken($running{$pid} = $self);
    return $self;
}

# Never returns, and never runs what the test has arranged for its own end.
sub _child {
    my (%option) = @_;
    $SIG{$_} = 'DEFAULT' for grep { exists $SIG{$_} } qw(INT TERM HUP ALRM CHLD __DIE__ __WARN__);
    $SIG{PIPE} = 'IGNORE';

    # Whoever reads the test's results must not wait for us. What we complain of still goes to its log.
    open STDIN,  '<', '/dev/null';
    open STDOUT, '>&', \*STDERR;
    my $done = eval {
        $option{listener}->blocking(0);
        TW::LabelStudioStub::Server->new(%option)->run;
        1;
    };
    warn "Label Studio stub: $@" if !$done;
    POSIX::_exit($done ? 0 : 1);
}

sub make_pat {
    my $now = int time;
    return TW::LabelStudioStub::Api::make_token(token_type => 'refresh', iat => $now, exp => $now + 200 * 365 * 86_400);
}

sub url   { return "http://127.0.0.1:$_[0]{port}" }
sub port  { return $_[0]{port} }
sub token { return $_[0]{token} }
sub pat   { return $_[0]{pat} }

# Only for whoever started it: a fork of the test must not end it.
sub stop {
    my ($self) = @_;
    return if $self->{owner} != $$;
    my $pid = delete $self->{pid} or return;
    my $end = time + 5;

    local ($?, $!);
    delete $running{$pid};
    close $self->{control};
    kill 'TERM', $pid;
    while (waitpid($pid, POSIX::WNOHANG()) == 0) {
        if (time > $end) {
            kill 'KILL', $pid;
            waitpid $pid, 0;
            last;
        }
        sleep 0.01;
    }
    return;
}

sub DESTROY { $_[0]->stop; return }
END { $_->stop for grep { defined } values %running }

sub _ask {
    my ($self, @order) = @_;
    croak 'the Label Studio stub is stopped' if !$self->{pid};
    TW::LabelStudioStub::Server::write_frame($self->{control}, \@order, PATIENCE)
        or croak 'the Label Studio stub is gone';
    my $answer = TW::LabelStudioStub::Server::read_frame($self->{control}, PATIENCE)
        // croak 'the Label Studio stub does not answer';
    croak $answer->{error} if defined $answer->{error};
    return $answer->{result};
}

# Regular expressions travel as text.
sub fault {
    my ($self, $name, %args) = @_;
    for (qw(method path query)) {
        $args{$_} = "$args{$_}" if defined $args{$_};
    }
    return $self->_ask('fault', $name, %args);
}

sub refuse_items {
    my ($self, %pattern) = @_;
    return $self->_ask('refuse_items', map { $_ => "$pattern{$_}" } keys %pattern);
}

# Options: method, path (regular expressions), fault (its name), for some of them only.
sub requests {
    my ($self, %which) = @_;
    my @list = @{ $self->_ask('requests') };
    for my $part (qw(method path)) {
        @list = grep { $_->{$part} =~ /$which{$part}/ } @list if defined $which{$part};
    }
    @list = grep { ($_->{fault} // '') eq $which{fault} } @list if defined $which{fault};
    return \@list;
}

# Whether so many of them come within so many seconds.
sub wait_for_requests {
    my ($self, %which) = @_;
    my $end = time + ($which{seconds} // PATIENCE);
    do {
        return 1 if @{ $self->requests(%which) } >= ($which{count} // 1);
        sleep 0.02;
    } while time < $end;
    return 0;
}

sub set_token { my ($self, $token) = @_; $self->{token} = $token; return $self->_ask('token', $token) }
sub set_pat   { my ($self, $pat)   = @_; $self->{pat}   = $pat;   return $self->_ask('pat',   $pat) }

sub access_lifetime {
    my ($self, $seconds) = @_;
    $self->_ask('exp', undef);
    return $self->_ask('lifetime', $seconds);
}

sub access_exp {
    my ($self, $exp) = @_;
    return $self->_ask('exp', $exp);
}

# The rest goes as it is.
for my $name (
    qw(heal faults clear_requests connections pending revoke_access projects views tasks now advance_clock freeze_clock
    annotate edit_annotation delete_annotation edit_task delete_task create_project edit_project delete_project
    import_tasks add_user)
    )
{
    no strict 'refs';    ## no critic (a method for each name)
    *$name = sub { my ($self, @args) = @_; return $self->_ask($name, @args) };
}

1;
