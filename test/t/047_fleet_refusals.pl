# 047_fleet_refusals.pl - what a hub and a node do not do, so that nothing is lost: leave during the first copy, copy
# anew from a wrong database, leave a slot behind that nobody reads, and wait for a row that somebody has locked.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TW::Fleet;
use TW::Util;

use constant {
    STEP     => 5000,    # conversations that one step of sweep_fleet() takes
    UNLOCKED => 10,
};

# A statement that runs meanwhile.
sub begin_call {
    my ($n, $sql) = @_;
    my %call = (error => '');

    $call{run} = IPC::Run::start(
        [ 'psql', '-XAtq', '-v', 'VERBOSITY=verbose', '-d', server($n)->connstr(BOT), '-c', $sql ],
        '<', \undef, '>', \$call{output}, '2>', \$call{error},
        IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default)
    );
    return \%call;
}

# Waits for its end; returns its SQLSTATE.
sub end_call {
    my ($call) = @_;

    $call->{run}->finish;
    return $call->{error} =~ /ERROR:  ([0-9A-Z]{5}):/ ? $1 : "success $call->{error}";
}

sub slots_at {
    my ($n) = @_;
    return at($n, 'SELECT slot_name FROM pg_replication_slots ORDER BY 1');
}

sub capture {
    my ($n, $session, $count) = @_;
    at($n, "INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider)
            SELECT '$session', 'x' || g, @{[ CONFIDENT ]} FROM generate_series(1, $count) g", user => 'tw_app');
    return;
}

# What the NOTICE of a rollback says of the nodes.
sub rollback_says {
    my (undef, undef, $notice) =
        server(0)->psql(BOT, q{BEGIN; SELECT version FROM rollback_rollout('router', 'for a test'); ROLLBACK});
    return $notice =~ /^DETAIL:  (.*)$/m ? $1 : "no detail: $notice";
}

start_fleet(1);
start_server(2);
make_database(2);
at(2, 'SELECT set_fleet_node(2); SELECT fleet_publish()');
at(0, 'INSERT INTO review_policies (audit_rate_approved, audit_rate_review) VALUES (0, 0)');
all_caught_up(1);

# (a) Large transactions come when they are complete, on all majors: 'f', up to PostgreSQL 15 a boolean.
is(at($_, 'SELECT DISTINCT left(substream::text, 1) FROM pg_subscription'), 'f', "at $_ the stream is not parallel")
    for 0, 1;

# (b) Rows that another session has locked.
{
    my $name = 'locked arrivals';
    my $all  = STEP + UNLOCKED;
    my $made = 'SELECT count(*) FROM training_samples WHERE conversation_log_id IS NOT NULL';

    capture(1, 'many', $all);
    caught_up(1, 0);
    is(at(0, 'SELECT count(*) FROM fleet_arrivals'), $all, "$name: more wait than one step takes");
    my $holder = server(0)->background_psql(BOT);
    $holder->query_safe("BEGIN; SELECT count(*) FROM (SELECT 1 FROM conversation_logs
                                                     ORDER BY id DESC LIMIT @{[ STEP ]} FOR UPDATE) x");
    my ($status, undef, $error) =
        server(0)->psql(BOT, q{SET statement_timeout = '60s'; CALL sweep_fleet(now())});
    is($status, 0, "$name: the sweep ends") or diag $error;
    is(at(0, $made), UNLOCKED, "$name: it makes the samples of the others");
    is(at(0, 'SELECT count(*) FROM fleet_arrivals'), STEP, "$name: and leaves these");
    is(at(0, 'SELECT status FROM job_runs ORDER BY id DESC LIMIT 1'), 'succeeded', "$name: which is no failure");
    $holder->query_safe('COMMIT');
    $holder->quit;
    sweep_hub();
    is(at(0, $made),                                 $all, "$name: the next sweep makes their samples");
    is(at(0, 'SELECT count(*) FROM fleet_arrivals'), 0,    "$name: and nothing waits");
    samples_match(server(0), BOT, $name);
}

# (c) Who has not answered, when a version is rolled back.
{
    my $name = 'rollback';
    at(0, "SELECT register_model('router-v1.0.0', 'router', 'production')");
    at(0, "SELECT register_model('router-v1.1.0', 'router'); SELECT promote_model('router-v1.1.0', 'for a test')");
    beat(1);
    is(rollback_says(), 'All have answered within the last minute.', "$name: the only node has answered");
    at(0, q{UPDATE fleet_replies SET received_at = received_at - interval '2 minutes'});
    is(rollback_says(), 'Node 1 has not answered for a minute, and goes on as before until it is back.',
        "$name: it has not, of late");
    at(0, q{INSERT INTO fleet_replies (node, versions) VALUES (2, '{}')});
    is(rollback_says(), 'Node 1, 2 has not answered for a minute, and goes on as before until it is back.',
        "$name: another one has never answered");
    beat(1);
    is(rollback_says(), 'Node 2 has not answered for a minute, and goes on as before until it is back.',
        "$name: one of two has answered");
    at(0, 'DELETE FROM fleet_replies WHERE node = 2');
    is(rollback_says(), 'All have answered within the last minute.', "$name: all that there are");
}

# (d) A subscription that is cancelled leaves no slot, which would keep all WAL.
for ([ 2, 0 ], [ 0, 2 ]) {
    my ($to, $from) = @$_;
    my $name   = "cancelled subscription of $to to $from";
    my $before = slots_at($from);

    # The slot is there when the subscription is made.
    at($to, <<'SQL');
        CREATE FUNCTION cancel() RETURNS event_trigger LANGUAGE plpgsql AS $$
        BEGIN
            PERFORM pg_cancel_backend(pg_backend_pid());
            PERFORM pg_sleep(60);
        END $$;
        CREATE EVENT TRIGGER cancel ON ddl_command_end WHEN TAG IN ('CREATE SUBSCRIPTION') EXECUTE FUNCTION cancel();
SQL
    at_fails($to, subscribe_sql($from), '57014', "$name: it ends");
    is(slots_at($from), $before, "$name: no slot is left over");
    is(at($to, "SELECT count(*) FROM pg_subscription WHERE subname ~ '_(hub|node_2)\$'"),
        0, "$name: nor a subscription");
    at($to, 'DROP EVENT TRIGGER cancel; DROP FUNCTION cancel');

    # While the slot waits for transactions at the other end.
    my $writer = server($from)->background_psql(BOT);
    $writer->query_safe('BEGIN; SELECT pg_current_xact_id()');
    my $call    = begin_call($to, subscribe_sql($from));
    my $creates = q{SELECT count(*) %s 0 FROM pg_stat_activity
        WHERE query ~ 'pg_create_logical_replication_slot' AND pid <> pg_backend_pid() %s};
    becomes($from, sprintf($creates, '>', q{AND wait_event = 'transactionid'}), 'the slot waits');
    at($to, q{SELECT pg_cancel_backend(pid) FROM pg_stat_activity
              WHERE query ~ '^CALL fleet_subscribe' AND pid <> pg_backend_pid()});
    is(end_call($call), '57014', "$name, while its slot is made: it ends");
    $writer->query_safe('COMMIT');
    $writer->quit;
    becomes($from, sprintf($creates, '=', ''), 'nobody makes a slot');
    is(slots_at($from), $before, "$name, while its slot is made: none is left over");
}

# (e) A node cannot leave while its conversations are copied for the first time. The copy waits for a lock.
{
    my $name = 'leaving during the copy';
    my $here = q{SELECT count(*) FROM conversation_logs WHERE session_id = 'before'};
    my $copy = q{SELECT r.srsubstate FROM pg_subscription_rel r JOIN pg_subscription s ON s.oid = r.srsubid
        WHERE s.subname = 'training_workflow_node_2' AND r.srrelid = 'conversation_logs'::regclass};

    capture(2, 'before', 20);
    at(2, subscribe_sql(0));
    copied(2, 0);
    my $holder = server(0)->background_psql(BOT);
    $holder->query_safe('BEGIN; LOCK TABLE conversation_logs IN SHARE MODE');
    at(0, subscribe_sql(2));
    becomes(0, q{SELECT count(*) > 0 FROM pg_locks
                 WHERE relation = 'conversation_logs'::regclass AND NOT granted}, 'the copy waits');
    # Its slot confirms positions after these conversations all the same.
    caught_up(2, 0);
    is(at(0, $copy), 'd', "$name: the copy is not ready");
    my $call = begin_call(0, 'CALL fleet_leave(2)');

    # (f) Meanwhile: copying anew from the database of another number, which would drop what it does not replace.
    my $wrong = 'copying anew from another number';
    my $stream = q{SELECT s.oid, s.subslotname FROM pg_subscription s WHERE s.subname = 'training_workflow_node_1'};
    my @before = (at(0, $stream), slots_at(1), slots_at(2));
    my ($right, $other) = map { connection_to($_) =~ s/'/''/gr } 1, 2;
    at(0, 'ALTER SUBSCRIPTION training_workflow_node_1 DISABLE');
    at(0, "ALTER SUBSCRIPTION training_workflow_node_1 CONNECTION '$other'");
    my $said = at_fails(0, 'CALL fleet_resync(1)', '55000', "$wrong: it is refused");
    like($said, qr/has the number 2, not 1/, "$wrong: and says why");
    is(join("\n", at(0, $stream), slots_at(1), slots_at(2)), join("\n", @before), "$wrong: nothing is dropped");
    at(0, "ALTER SUBSCRIPTION training_workflow_node_1 CONNECTION '$right'");
    at(0, 'ALTER SUBSCRIPTION training_workflow_node_1 ENABLE');

    is(end_call($call), '55000', "$name: it is refused");
    like($call->{error}, qr/node 2 has conversations that are not here yet/, "$name: and says why");
    is(at(0, $here), 0, "$name: they are not");
    is(at(0, $copy), 'd', "$name: the subscription is still there, and its copy waits") or die 'it has left';

    # Within its minute it waits for the copy.
    my $again = begin_call(0, 'CALL fleet_leave(2)');
    becomes(0, q{SELECT count(*) > 0 FROM pg_stat_activity WHERE query = 'CALL fleet_leave(2)'}, 'the next call');
    $holder->query_safe('COMMIT');
    $holder->quit;
    is(end_call($again), 'success ', "$name: it succeeds as soon as they are");
    is(at(0, $here), 20, "$name: and nothing is lost");
    is(slots_at(2), '', "$name: no slot is left over");

    capture(1, 'after', 3);
    caught_up(1, 0);
    is(at(0, q{SELECT count(*) FROM conversation_logs WHERE session_id = 'after'}), 3,
        "$wrong: the stream of the right one goes on");
}

beat(1);
integrity_is_empty(server($_), BOT, "at the end, $_") for 0 .. 2;
done_testing();
