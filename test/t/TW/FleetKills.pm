# FleetKills.pm - a fleet whose servers are killed: clients that capture on the nodes and write down in memory what was
# acknowledged, people who decide at the hub meanwhile, kill -9 of each kind of process, and what has to be true then.
#
#   start_fleet(TW::FleetKills::NODES, conf => TW::FleetKills::CONF);
#   my $trial = TW::FleetKills->new(samples => 'demo/samples.jsonl');
#   $trial->kill_one($_) for 0 .. 9;
#   $trial->check('10 kills');
#
# fsync is off, as the test framework has it: what a process has written outlives the process, for the kernel has it.

package TW::FleetKills;

use strict;
use warnings;

use Test::More;
use Time::HiRes qw(sleep time);
use TW::Crash::Client;
use TW::Crash::Ledger;
use TW::Crash::Server qw(connect_all kill_backend kill_postmaster);
use TW::Crash::Work;
use TW::Fleet;
use TW::FleetChecks;

use constant {
    NODES    => 3,
    CLIENTS  => 2,      # on each node
    THINK    => 0.02,    # seconds between two statements of a client
    PATIENCE => 90,     # seconds after which what has not come never will
    CONF     => <<'CONF',
restart_after_crash = on
shared_buffers = 16MB
max_wal_size = 256MB
log_min_messages = error
CONF
};

# Option: samples, a file of the demo.
sub new {
    my ($class, %option) = @_;
    my $self = bless { done => 0, killed => {}, number => 0 }, $class;

    $self->{ledgers} = [ map { TW::Crash::Ledger->new } 0 .. NODES ];
    $self->{works}   = [
        map { TW::Crash::Work->new(ledger => $self->{ledgers}[$_], samples => $option{samples}) } 0 .. NODES
    ];
    for my $n (1 .. NODES) {
        $self->_add_client($n, "client $n$_", sub { $self->_talk($_[0]) }, number => 10 * $n + $_) for 1 .. CLIENTS;
    }
    $self->_add_client(0, 'reviewer', sub { $self->_decide($_[0]) });
    $self->_add_client(0, 'sweeper', sub { [ 'CALL sweep_fleet(now())', sub { } ] });
    $self->_add_client($_, "administrator $_", sub { }) for 0 .. NODES;
    connect_all(@{ $self->{clients} });
    return $self;
}

sub _add_client {
    my ($self, $n, $name, $work, %more) = @_;
    push @{ $self->{clients} },
        TW::Crash::Client->new(
            name       => $name,
            connection => server($n)->connstr(BOT),
            n          => $n,
            work       => $work,
            %more
        );
    return;
}

sub _clients_of {
    my ($self, $n) = @_;
    return grep { $_->{n} == $n } @{ $self->{clients} };
}

sub _administrator {
    my ($self, $n) = @_;
    my ($client) = grep { $_->{name} eq "administrator $n" } @{ $self->{clients} };
    return $client;
}

# --- what clients do -------------------------------------------------------------------------------------------------

# A message, or several; and then what became of the first of them.
sub _talk {
    my ($self, $client) = @_;
    my $n      = $client->{n};
    my $ledger = $self->{ledgers}[$n];

    # Some at once, and some when people have decided about them.
    if (my $captured = delete $client->{captured}) {
        my $earlier = $client->{earlier} //= [];
        push @$earlier, $captured;
        my ($session, $id) = @{ @$earlier > 30 ? shift @$earlier : pop @$earlier };
        my $number  = ++$self->{number};
        my $is_odd  = $number % 2;
        my $kind    = $is_odd ? 'response' : 'feedback';
        my $said    = "$kind $number";
        my $opinion = $number % 4 ? 'negative' : 'positive';
        $ledger->ask($kind, $said, 1);
        return [
            $is_odd
            ? "SELECT record_response($id, '$session', '$said', true, 'service $number')"
            : "SELECT record_feedback($id, '$session', '$opinion', '$said')",
            sub { $ledger->told($kind, $said) }
        ];
    }
    my ($sql, $then) = @{ $self->{works}[$n]->capture($client->{number}) };
    my ($session) = $sql =~ /SELECT '([^']+)'/;
    return [
        $sql,
        sub {
            my ($ids) = @_;
            $then->($ids);
            # The first id is of the first session.
            # The seventh waits for a verdict.
            push @{ $client->{earlier} }, [ $session, $ids->[6] ] if $sql =~ /, batch'/;
            $client->{captured} = [ $session, $ids->[0] ] if $sql !~ /ROLLBACK/;
        }
    ];
}

# Verdicts on what waits, and now and then a policy, which the nodes have to get.
sub _decide {
    my ($self, $client) = @_;
    my $ledger = $self->{ledgers}[0];
    my $number = ++$self->{number};
    my @ids    = @{ delete $client->{waiting} // [] };

    if (@ids) {
        my $note = "verdict $number";
        my $verdict = (q{approve_conversations('{%s}', '%s')},
            q{fix_conversations('{%s}', 'intent.food.order.cancel', NULL, '%s')},
            q{reject_conversations('{%s}', 'unclear', '%s')})[ $number % 3 ];
        $ledger->ask('event', $note, scalar @ids);
        return [ 'SELECT ' . sprintf($verdict, join(',', @ids), $note), sub { $ledger->told('event', $note) } ];
    }
    if ($number % 3 == 0) {
        my $intent = "intent.fleet.$number";
        $ledger->ask('policy', $intent, 1);
        return [
            "INSERT INTO review_policies (intent, approve_above) VALUES ('$intent', 0.9)",
            sub { $ledger->told('policy', $intent) }
        ];
    }
    return [
        'SELECT id FROM conversation_logs WHERE review_priority IS NOT NULL AND nlu_intent IS NOT NULL
            ORDER BY id % 997, id LIMIT 5' =~ s/\s+/ /gr,
        sub { $client->{waiting} = $_[0] }
    ];
}

sub _keep_busy {
    my ($self) = @_;
    return if $self->{is_quiet};
    for my $client (@{ $self->{clients} }) {
        next if !$client->is_connected || $client->is_busy || time < ($client->{next} // 0);
        my ($sql, $then) = @{ $client->{work}->($client) // next };
        $client->ask($sql, sub {
            my ($state, $answer, $error) = @_;
            $client->{next} = time + THINK;
            if ($state eq 'done') {
                $self->{done}++;
                $self->{told}{ $client->{n} }++;
                $then->($answer);
            }
            fail("$client->{name}: $error in $sql") if $state !~ /^(?:done|lost|57P0[1-3])$/;
        });
    }
    return;
}

# Serves the clients until a function says that it is enough.
sub serve_until {
    my ($self, $enough, $what) = @_;
    TW::Crash::Client->serve(PATIENCE, sub { $self->_keep_busy; return $enough->() }, @{ $self->{clients} })
        or die "too slow: $what";
    return;
}

# So many statements more are acknowledged: by all, or by one server.
sub go_on {
    my ($self, $statements, $n) = @_;
    my $count = sub { return defined $n ? $self->{told}{$n} // 0 : $self->{done} };
    my $end   = $count->() + $statements;
    $self->serve_until(sub { $count->() >= $end }, "$statements statements");
    return;
}

# SQL of an administrator, while everybody else goes on; what it says, or its SQLSTATE.
sub administrate {
    my ($self, $n, $sql) = @_;
    my ($state, $answer);
    $self->_administrator($n)->ask($sql, sub { ($state, $answer) = @_ });
    $self->serve_until(sub { defined $state }, $sql);
    return $state eq 'done' ? join "\n", @$answer : $state;
}

# --- kills -----------------------------------------------------------------------------------------------------------

# Kills the server with the number n, or one process of it, and brings it back. False if there is no such process.
sub _crash {
    my ($self, $n, $pid) = @_;
    my $server = server($n);
    my @clients = $self->_clients_of($n);

    if   (!defined $pid) { kill_postmaster($server) }
    else                 { kill_backend($server, $pid) or return 0 }
    TW::Crash::Client->disconnect(@clients);
    $server->start if !defined $pid;
    connect_all(@clients);
    return 1;
}

# Waits for a process that a query gives, which may come and go.
sub _find {
    my ($self, $n, $sql, $what) = @_;
    my $end = time + PATIENCE;
    while (time < $end) {
        my $pid = at($n, "$sql LIMIT 1");
        return $pid if $pid ne '';
        sleep 0.1;
    }
    die "there is no $what at $n";
}

sub _kill_found {
    my ($self, $n, $sql, $what) = @_;
    for (1 .. 50) {
        return 1 if $self->_crash($n, $self->_find($n, $sql, $what));
    }
    die "no $what at $n can be killed";
}

sub _kill_sender {
    my ($self, $n, $reader) = @_;
    my $name = $reader == 0 ? 'hub' : "node_$reader";
    return $self->_kill_found($n, "SELECT active_pid FROM pg_replication_slots
        WHERE slot_name ~ '_$name\$' AND active_pid IS NOT NULL", 'walsender');
}

sub _subscription {
    my ($from) = @_;
    return 'training_workflow_' . ($from == 0 ? 'hub' : "node_$from");
}

sub _kill_apply {
    my ($self, $n, $from) = @_;
    return $self->_kill_found($n, "SELECT pid FROM pg_stat_subscription
        WHERE subname = '@{[ _subscription($from) ]}' AND relid IS NULL AND pid IS NOT NULL", 'apply worker');
}

# A copy that is in its middle: it comes to a row that is locked. At the hub, that is a row which has to be brought up
# to date; on a node, one that the copy replaces.
sub _kill_copy {
    my ($self, $n, $from) = @_;
    my $table  = $from == 0 ? 'review_policies' : 'conversation_logs';
    my $locker = TW::Crash::Client->new(name => 'locker', connection => server($n)->connstr(BOT), n => $n);
    my ($id, $is_locked);

    if ($from == 0) {
        becomes($n, 'SELECT count(*) > 0 FROM review_policies', 'a policy');
        $id = at($n, 'SELECT min(id) FROM review_policies');
    }
    else {
        my $where = "id >= tw_first_id($from) AND id < tw_first_id($from + 1)";
        becomes($n, "SELECT count(*) > 0 FROM conversation_logs WHERE $where", 'a conversation');
        $id = at($n, "UPDATE conversation_logs SET backend_reference = 'not what the node says' WHERE id = (
            SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY id) FROM conversation_logs WHERE $where) RETURNING id");
    }
    connect_all($locker);
    push @{ $self->{clients} }, $locker;
    $locker->{work} = sub { };
    $locker->ask("BEGIN\\; SELECT FROM $table WHERE id = $id FOR UPDATE", sub { $is_locked = $_[0] });
    $self->serve_until(sub { defined $is_locked }, 'a lock');
    is($self->administrate($n, $from == 0 ? 'CALL fleet_resync()' : "CALL fleet_resync($from)"), '',
        "a copy from $from at $n begins");
    my $sql = "SELECT s.pid FROM pg_stat_subscription s JOIN pg_locks l ON l.pid = s.pid AND NOT l.granted
        WHERE s.subname = '@{[ _subscription($from) ]}' AND s.relid = '$table'::regclass";
    my $pid = $self->_find($n, $sql, 'copy');
    @{ $self->{clients} } = grep { $_ != $locker } @{ $self->{clients} };
    $self->_crash($n, $pid) or die 'the copy has ended';
    TW::Crash::Client->disconnect($locker);
    return;
}

# A resync that is cut off somewhere, by the end of the hub or of the node that it asks.
sub _kill_resync {
    my ($self, $n, $from, $whom, $statements) = @_;
    my $is_over;
    $self->_administrator($n)
        ->ask($from == 0 ? 'CALL fleet_resync()' : "CALL fleet_resync($from)", sub { $is_over = 1 });
    my $end = $self->{done} + $statements;
    $self->serve_until(sub { $is_over || $self->{done} >= $end }, 'a resync that is cut off');
    $self->_crash($whom);
    $self->serve_until(sub { $is_over }, 'the end of the resync');
    # An administrator looks after what was cut off.
    $self->_do_as_advised;
    return;
}

# In this order: the first eight are of each kind one. The last two cut off what an administrator does.
my @kinds = (
    [ 'apply worker at the hub'     => sub { $_[0]->_kill_apply(0, $_[1]) } ],
    [ 'postmaster of a node'        => sub { $_[0]->_crash($_[1]) } ],
    [ 'walsender of a node'         => sub { $_[0]->_kill_sender($_[1], 0) } ],
    [ 'copy at the hub'             => sub { $_[0]->_kill_copy(0, $_[1]) } ],
    [ 'backend of a node'           => sub { $_[0]->_kill_client($_[1]) } ],
    [ 'postmaster of the hub'       => sub { $_[0]->_crash(0) } ],
    [ 'apply worker of a node'      => sub { $_[0]->_kill_apply($_[1], 0) } ],
    [ 'walsender of the hub'        => sub { $_[0]->_kill_sender(0, $_[1]) } ],
    [ 'backend of the hub'          => sub { $_[0]->_kill_client(0) } ],
    [ 'hub that copies anew'        => sub { $_[0]->_kill_resync(0, $_[1], 0, $_[2] % 40) } ],
    [ 'copy at a node'              => sub { $_[0]->_kill_copy($_[1], 0) } ],
    [ 'node that is copied anew'    => sub { $_[0]->_kill_resync(0, $_[1], $_[1], $_[2] % 40) } ],
    [ 'node that copies anew'       => sub { $_[0]->_kill_resync($_[1], 0, $_[1], $_[2] % 40) } ],
);

sub _kill_client {
    my ($self, $n) = @_;
    my @clients = $self->_clients_of($n);
    my $victim  = $clients[ $self->{number} % 2 ];
    $self->_crash($n, $victim->backend) or die "$victim->{name} has no backend";
    return;
}

# Lets everybody work for a while, and kills: kinds and nodes in turn.
sub kill_one {
    my ($self, $number) = @_;
    my ($name, $kill) = @{ $kinds[ $number % @kinds ] };
    my $round = int $number / @kinds;
    # The golden ratio spreads the times of the kills evenly, however many there are.
    my $part = $number * 0.618034 - int($number * 0.618034);

    $self->go_on(5 + int 60 * $part);
    $kill->($self, 1 + ($number + $round) % NODES, int 1000 * $part);
    $self->{killed}{$name}++;
    return;
}

sub killed { return $_[0]{killed} }

# --- absences --------------------------------------------------------------------------------------------------------

# So many statements that capture 2,000 messages each.
sub _bulk {
    my ($self, $n, $times) = @_;
    my $client = $self->_administrator($n);
    for (1 .. $times) {
        my ($sql, $then) = @{ $self->{works}[$n]->capture_bulk };
        my $is_over;
        $client->ask($sql, sub { $is_over = $_[0]; $then->($_[1]) if $is_over eq 'done' });
        $self->serve_until(sub { $is_over }, 'a bulk');
    }
    return;
}

# The server ends, with what it has not sent; meanwhile happens what others do.
sub _away {
    my ($self, $n, $meanwhile) = @_;
    server($n)->stop('immediate');
    TW::Crash::Client->disconnect($self->_clients_of($n));
    $meanwhile->();
    server($n)->start;
    connect_all($self->_clients_of($n));
    return;
}

# A node is away while the hub sends so many heartbeats and policies, and the other nodes capture.
sub node_away {
    my ($self, $n, %load) = @_;
    my @others = grep { $_ != $n } 1 .. NODES;

    # What it captures last is not sent.
    is($self->administrate(0, 'ALTER SUBSCRIPTION ' . _subscription($n) . ' DISABLE'), '', 'a stream stops');
    $self->go_on(30, $n);
    $self->_away($n, sub {
        is($self->administrate(0, 'ALTER SUBSCRIPTION ' . _subscription($n) . ' ENABLE'), '', 'and may go on');
        $self->_bulk($_, $load{bulks}) for @others;
        my $statements = join ' ', map { "SELECT tw_send_heartbeat();" } 1 .. $load{heartbeats};
        at(0, $statements);
        $self->go_on(60, 0);
        becomes(0, "SELECT bool_and((state = 'replicating') = (node <> $n)) FROM fleet_status",
            "only node $n is said to be away");
        my $sent = at(0, 'SELECT sent_at FROM fleet_heartbeats');
        becomes(0, "SELECT bool_and((heartbeat_at >= '$sent') = (node <> $n)) FROM fleet_replies",
            "the others answer, and $n does not");
        pass("node $n is away, and the others go on");
    });
    return;
}

# The hub is away while the nodes capture.
sub hub_away {
    my ($self, %load) = @_;
    $self->_away(0, sub {
        $self->_bulk($_, $load{bulks}) for 1 .. NODES;
        $self->go_on(30, $_) for 1 .. NODES;
        becomes($_, q{SELECT state <> 'replicating' FROM fleet_status}, 'the hub is said to be away') for 1 .. NODES;
        pass('the hub is away, and the nodes go on');
    });
    return;
}

# --- what has to be true ---------------------------------------------------------------------------------------------

# Does what fleet_status advises, once; the states that are not as they have to be.
sub _do_as_advised {
    my ($self) = @_;
    my @states;
    for my $n (0 .. NODES) {
        for (split /\n/, at($n, 'SELECT node, state, advice FROM fleet_status')) {
            my ($peer, $state, $advice) = split /\|/, $_, -1;
            next if $state eq 'replicating';
            push @states, "at $n: $peer is in state $state";
            my $todo =
                $state eq 'not subscribed' ? subscribe_sql($peer)
                : $state eq 'stopped'      ? $advice
                : $state eq 'copy cut off' ? $advice =~ s/.*: //r
                :                            next;
            note "at $n: $peer is in state $state: $advice";
            at($n, $todo);
        }
    }
    return @states;
}

sub _follow_advice {
    my ($self) = @_;
    my $end = time + PATIENCE;
    my @states;
    while (@states = $self->_do_as_advised) {
        die join ', ', @states if time > $end;
        sleep 0.2;
    }
    return;
}

# Everything that is on its way arrives, and gets its sample.
sub _settle {
    my ($self) = @_;
    $self->{is_quiet} = 1;
    $self->serve_until(sub { !grep { $_->is_busy } @{ $self->{clients} } }, 'the end of all statements');
    $self->_follow_advice;
    all_caught_up();
    for (1 .. 100) {
        sweep_hub();
        last if at(0, 'SELECT count(*) FROM fleet_arrivals') == 0;
    }
    beat();
    return;
}

sub check {
    my ($self, $name) = @_;
    $self->_settle;
    check_fleet($name, @{ $self->{ledgers} });
    delete $self->{is_quiet};
    return;
}

# How many rows were acknowledged, of all kinds.
sub rows {
    my ($self) = @_;
    my $rows = 0;
    $rows += $_->rows for @{ $self->{ledgers} };
    return $rows;
}

sub stop {
    my ($self) = @_;
    $self->{is_quiet} = 1;
    TW::Crash::Client->disconnect(@{ $self->{clients} });
    server($_)->stop for 0 .. NODES;
    return;
}

1;
