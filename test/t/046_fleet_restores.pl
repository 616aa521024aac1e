# 046_fleet_restores.pl - a fleet that loses something: a node and the hub are restored from older backups, a slot
# overflows, an id is given twice, databases leave in the wrong order. What is missing is noticed, and comes back once.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TW::Fleet;
use TW::Util;

my $dir = PostgreSQL::Test::Utils::tempdir;

# What a node has the last word about, and what the hub has.
my $said = "jsonb_build_array(c.id, c.session_id, c.user_message, c.nlu_intent, c.nlu_confidence, c.created_at,
    c.filter_outcome, c.is_audit, c.selection_probability, c.response_text, c.response_success, c.routed_to,
    c.user_feedback, c.user_correction, c.backend_reference, c.metadata)";
my $decided = 'jsonb_build_array(c.id, c.review_status, c.review_priority, c.review_reason, c.is_training_candidate)';

# So many messages, every third of which waits for a person.
sub capture {
    my ($n, $session, $count) = @_;
    at($n, <<"SQL", user => 'tw_app');
        INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider)
        SELECT '$session', 'message ' || g, 'intent.food.item.search',
               CASE g % 3 WHEN 0 THEN 0.3 ELSE 0.95 END, 'indicbert'
        FROM generate_series(1, $count) g
SQL
    return;
}

sub respond {
    my ($n, $session, $text) = @_;
    at($n, "SELECT count(record_response(id, session_id, '$text', true, 'php')) FROM conversation_logs
            WHERE session_id = '$session'");
    return;
}

# Verdicts of all three kinds about what waits.
sub review {
    my ($session) = @_;
    at(0, <<"SQL", user => 'tw_reviewer');
        SELECT count(CASE c.conversation_log_id % 3 WHEN 0 THEN approve_conversation(c.conversation_log_id)
                     WHEN 1 THEN fix_conversation(c.conversation_log_id, 'intent.parcel.track')
                     ELSE reject_conversation(c.conversation_log_id, 'unclear') END)
        FROM claim_reviews(100) c WHERE c.session_id = '$session'
SQL
    return;
}

sub problems {
    my ($n) = @_;
    return at($n, "SELECT string_agg(problem, ', ' ORDER BY problem) FROM check_integrity()");
}

sub is_in_state {
    my ($n, $of, $state, $name) = @_;
    becomes($n, "SELECT state = '$state' FROM fleet_status WHERE node = $of", $state);

    local $Test::Builder::Level = $Test::Builder::Level + 1;
    pass("$name: it is in state \"$state\"");
    return;
}

# The worker that fails is there for a moment each time.
sub complains {
    my ($n, $name) = @_;
    becomes($n,
        "SELECT count(*) > 0 FROM check_integrity() WHERE problem = 'database of the fleet that does not keep up'",
        'complaint');

    local $Test::Builder::Level = $Test::Builder::Level + 1;
    pass("$name: check_integrity() of $n says so");
    return;
}

# After a while of work: the hub is the union of the nodes, each has its samples once, and nobody complains.
sub is_whole {
    my ($name, @nodes) = @_;
    @nodes = (1, 2) if !@nodes;
    beat(@nodes) for 1, 2;
    sweep_hub();

    local $Test::Builder::Level = $Test::Builder::Level + 1;
    is(rows_at(0, "tw_node_of(c.id) = $_", $said), rows_at($_, 'true', $said), "$name: the hub has what node $_ has")
        for @nodes;
    samples_match(server(0), BOT, $name);
    is(problems($_), '', "$name: check_integrity() of $_ is empty") for 0, @nodes;
    is(at(0, "SELECT node, state, is_current FROM fleet_status WHERE node IN (@{[ join ', ', @nodes ]})"),
        join("\n", map { "$_|replicating|t" } @nodes), "$name: all streams run");
    return;
}

sub dump_database {
    my ($n, $file) = @_;
    my ($succeeded, undef, $error) = run_program('pg_dump', '-Fc', '-f', $file, '-d', server($n)->connstr(BOT));
    $succeeded or die $error;
    return;
}

start_fleet(2, conf => "log_error_verbosity = verbose\n");
at(0, 'INSERT INTO review_policies (audit_rate_approved, audit_rate_review) VALUES (0.5, 0.5)');
all_caught_up();
capture($_, "first $_", 30) for 1, 2;
is_whole('at first');
review('first 1');

# (a) A node is restored from a dump that is older than what the hub has of it.
{
    my $name = 'node from a dump';
    dump_database(2, "$dir/node");
    capture(2, 'after the dump', 10);
    caught_up(2, 0);
    sweep_hub();
    review('after the dump');
    my $verdicts = rows_at(0, 'true', $decided);
    my $last     = at(0, 'SELECT max(id) FROM conversation_logs WHERE tw_node_of(id) = 2');

    rebuild_server(2, "$dir/node");
    is(at(2, 'SELECT max(id) FROM conversation_logs') + 10, $last, "$name: it lacks what came after the dump");
    my $problems = problems(2);
    like($problems, qr/$_/, "$name: check_integrity(): $_")
        for 'ids that are not bounded', 'table that is not published', 'does not keep up';
    is(state_of_node(2, 0), 'stopped', "$name: it takes nothing");
    like(at(2, 'SELECT advice FROM fleet_status'), qr/CALL fleet_resync\(\)/, "$name: and says what to do");
    is_in_state(0, 2, 'failing', $name);
    at(2, 'SELECT adopt_installation()');
    is(at(2, 'SELECT set_fleet_node(2)'),  'node',              "$name: the same number again");
    is(at(2, 'SELECT fleet_publish()'),    'training_workflow', "$name: the publication again");
    is(at(2, "SELECT problem FROM check_integrity() WHERE problem ~ 'bounded|published'"), '',
        "$name: which mends that");
    at(2, 'CALL fleet_resync()');
    copied(2, 0);
    is(at(2, "INSERT INTO conversation_logs (session_id, user_message) VALUES ('new', 'x') RETURNING id"),
        $last + 1, "$name: it goes on after the last id that the hub has of it");
    # Bounded twice, and not called in between: as if everything were deleted meanwhile.
    at(2, "BEGIN; SELECT set_fleet_node(2); DELETE FROM conversation_logs; SELECT set_fleet_node(2); SAVEPOINT deleted;
           DO \$\$ BEGIN ASSERT nextval('conversation_logs_id_seq') = $last + 2; END \$\$; ROLLBACK");
    pass("$name: nor does it give an id again that is deleted everywhere");
    at(0, 'CALL fleet_resync(2)');
    copied(0, 2);
    is(rows_at(0, "c.id <= $last", $decided), $verdicts, "$name: all verdicts stay, and all conversations");
    is(at(0, "SELECT count(*) FROM conversation_logs WHERE session_id = 'new'"), 1, "$name: new ones arrive");
    # The hub has more than the node.
    at(2, "DELETE FROM conversation_logs WHERE session_id = 'new'");
    beat() for 1, 2;
    is(problems($_), '', "$name: check_integrity() of $_ is empty") for 0 .. 2;
    is(at(0, 'SELECT count(*) FROM pg_subscription'), 2, "$name: no subscription is left over at the hub");
    is(at($_, 'SELECT count(*) FROM pg_replication_slots'), $_ ? 1 : 2, "$name: no slot is left over at $_") for 0 .. 2;

    # What the hub alone has of it would be a difference from now on.
    at(0, "DELETE FROM training_samples WHERE conversation_log_id IN (SELECT id FROM conversation_logs
           WHERE session_id IN ('after the dump', 'new'))");
    at(0, "SELECT relation FROM forget_user(session_id => '{\"after the dump\",new}')");
    is_whole($name);
}

# (b) The hub is restored from files that are older than what the nodes have sent since. Their slots are ahead.
{
    my $name = 'hub from files';
    server(0)->backup('older');
    capture($_, "second $_", 12) for 1, 2;
    respond(1, 'first 1', 'said since');
    beat();
    is(at(0, "SELECT count(*) FROM conversation_logs WHERE session_id LIKE 'second%'"), 24, "$name: they had arrived");
    my $verdicts = rows_at(0, "c.session_id = 'first 1'", $decided);

    restore_files(0, 'older');
    capture(1, 'third 1', 3);
    caught_up(1, 0);
    is(at(0, "SELECT count(*) FILTER (WHERE session_id LIKE 'second%'), count(*) FILTER (WHERE session_id = 'third 1')
              FROM conversation_logs"), '0|3', "$name: the streams go on, with a gap");
    for my $n (1, 2) {
        is_in_state($n, 0, 'failing', "$name, node $n");
        complains($n, $name);
        at($n, 'CALL fleet_resync()');
        copied($n, 0);
    }
    beat();
    for my $n (1, 2) {
        is_in_state(0, $n, 'conversations missing', $name);
        is(at(0, "SELECT missing_from < missing_to, advice LIKE '%CALL fleet_resync($n)%'
                  FROM fleet_status WHERE node = $n"),
            't|t', "$name: with what is missing, and what to do");
    }
    is(at(0, "SELECT count(*) FROM check_integrity() WHERE problem = 'database of the fleet that does not keep up'"), 2,
        "$name: check_integrity() says so");
    at(0, "CALL fleet_resync($_)") for 1, 2;
    copied(0, $_) for 1, 2;
    is_whole($name);
    is(rows_at(0, "c.session_id = 'first 1'", $decided), $verdicts, "$name: all verdicts stay");
    is(at(0, "SELECT count(*) FROM conversation_logs WHERE session_id = 'first 1'
              AND response_text = 'said since'"), 30,
        "$name: and what was said since is there");
}

# (c) The hub is restored from a dump.
{
    my $name = 'hub from a dump';
    dump_database(0, "$dir/hub");
    capture($_, "fourth $_", 12) for 1, 2;
    respond(2, 'first 2', 'said later');
    all_caught_up();
    my $verdicts = rows_at(0, "c.session_id = 'first 1'", $decided);

    rebuild_server(0, "$dir/hub");
    is(state_of_node(0, $_), 'conversations missing', "$name: of node $_ something is missing") for 1, 2;
    my $problems = problems(0);
    like($problems, qr/$_/, "$name: check_integrity(): $_")
        for 'ids that are not bounded', 'table that is not published', 'does not keep up';
    at(0, 'ALTER SUBSCRIPTION training_workflow_node_1 ENABLE');
    is(state_of_node(0, 1), 'conversations missing', "$name: also where the subscription is enabled");
    at(0, 'SELECT adopt_installation()');
    is(at(0, 'SELECT set_fleet_node(0)'), 'hub',               "$name: its number again");
    is(at(0, 'SELECT fleet_publish()'),   'training_workflow', "$name: its publication again");
    for my $n (1, 2) {
        is_in_state($n, 0, 'failing', "$name, node $n");
        at($n, 'CALL fleet_resync()');
        at(0,  "CALL fleet_resync($n)");
    }
    for my $n (1, 2) {
        copied($n, 0);
        copied(0, $n);
    }
    is_whole($name);
    is(rows_at(0, "c.session_id = 'first 1'", $decided), $verdicts, "$name: all verdicts stay");
    is(at($_, 'SELECT count(*) FROM pg_replication_slots'), $_ ? 1 : 2, "$name: no slot is left over at $_") for 0 .. 2;
}

# (d) The hub is away for longer than a node keeps its log.
{
    my $name = 'slot that overflows';
    at(1, $_) for "ALTER SYSTEM SET max_slot_wal_keep_size = '16MB'", 'ALTER SYSTEM SET wal_keep_size = 0',
        "ALTER SYSTEM SET min_wal_size = '32MB'", 'SELECT pg_reload_conf()';
    server(0)->stop;
    is_in_state(1, 0, 'failing', $name);
    capture(1, 'fifth 1', 12);
    respond(1, 'second 1', 'said alone');
    for (1 .. 20) {
        last if at(1, "SELECT wal_status FROM pg_replication_slots") eq 'lost';
        at(1, $_) for q{SELECT pg_logical_emit_message(true, 'test', '')}, 'SELECT pg_switch_wal()', 'CHECKPOINT';
    }
    is(state_of_node(1, 0), 'slot lost', "$name: the node says so");
    complains(1, $name);
    server(0)->start;
    is_in_state(0, 1, 'failing', $name);
    like(at(1, 'SELECT advice FROM fleet_status'), qr/CALL fleet_resync\(1\) there/, "$name: the node says what to do");
    at(0, 'CALL fleet_resync(1)');
    copied(0, 1);
    is_whole($name);
    at(1, $_) for 'ALTER SYSTEM RESET ALL', 'SELECT pg_reload_conf()';
}

# (e) Another conversation has the id of one that arrives.
{
    my $name = 'id that was given twice';
    my $next = at(1, 'SELECT last_value + 1 FROM conversation_logs_id_seq');
    at(0, "INSERT INTO conversation_logs (id, session_id, user_message) VALUES ($next, 'impostor', 'x')");
    my $offset = -s server(0)->logfile;
    capture(1, 'sixth 1', 6);
    server(0)->wait_for_log(qr/ERROR:  23505: another conversation has the id $next/, $offset);
    pass("$name: the stream stops with 23505");
    is_in_state(0, 1, 'failing', $name);
    capture(2, 'sixth 2', 6);
    caught_up(2, 0);
    is(at(0, "SELECT session_id, count(*) FROM conversation_logs WHERE session_id LIKE 'sixth%' GROUP BY 1"),
        'sixth 2|6', "$name: that of the other node goes on");
    is(at(0, "SELECT session_id FROM conversation_logs WHERE id = $next"), 'impostor', "$name: what is there stays");
    at(0, "DELETE FROM conversation_logs WHERE id = $next");
    caught_up(1, 0);
    is_whole($name);
}

# (f) A row that the hub has as the node had not filtered it yet, and a gap after it.
{
    my $name = 'filtered in the gap';
    at(1, "SET session_replication_role = replica;
           INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider)
           SELECT 'unfiltered', 'x' || g, @{[ CONFIDENT ]} FROM generate_series(1, 4) g");
    caught_up(1, 0);
    at(0, 'ALTER SUBSCRIPTION training_workflow_node_1 DISABLE');
    is_in_state(0, 1, 'stopped', $name);
    at(1, "SELECT * FROM promote_missed_conversations('0')");
    at(0, 'CALL fleet_resync(1)');
    copied(0, 1);
    is(rows_at(0, "c.session_id = 'unfiltered'"), rows_at(1, "c.session_id = 'unfiltered'"),
        "$name: a new copy brings what the node decided");
    is_whole($name);
}

# (g) Leaving, in the wrong order and in the right one.
{
    my $name = 'leaving';
    at_fails(1, 'CALL fleet_leave()', '55000', "$name: not the node first");
    is_whole("$name, refused");
    my $refused = at_fails(0, 'CALL fleet_leave()', '55000', "$name: not the hub first");
    like($refused, qr/1, 2/, "$name: it says which nodes there are");
    is(at(0, "SELECT training_setting('fleet_role')"), 'hub', "$name: and is still the hub");

    # What is on its way arrives before the hub says that a node has left.
    capture(1, 'seventh 1', 300);
    at(0, 'CALL fleet_leave(1)');
    is(at(0, "SELECT count(*) FROM conversation_logs WHERE session_id = 'seventh 1'"), 300, "$name: nothing is lost");
    is(at(0, 'SELECT node FROM fleet_status ORDER BY node'), "1\n2", "$name: the node still reads");
    is(state_of_node(0, 1), 'not subscribed', "$name: and is not read");
    at(1, 'CALL fleet_leave()');
    is(at(1, "SELECT training_setting('fleet_role'), (SELECT count(*) FROM pg_replication_slots),
                  (SELECT count(*) FROM pg_publication), (SELECT count(*) FROM pg_subscription),
                  (SELECT count(*) FROM fleet_status)"), 'single|0|0|0|0', "$name: nothing is left on the node");
    is(at(0, 'SELECT node FROM fleet_status'), '2', "$name: nor of it at the hub");
    is(at(0, 'SELECT slot_name FROM pg_replication_slots WHERE slot_name ~ $$node_1$$'), '', "$name: also no slot");
    at_fails(1, 'CALL fleet_leave()', '55000', "$name: once");
    capture(1, 'alone', 3);
    is(at(1, "SELECT bool_and(tw_node_of(id) = 1) FROM conversation_logs"), 't', "$name: ids stay in their part");
    is(at(1, "SELECT count(*) FROM training_samples s JOIN conversation_logs c ON c.id = s.conversation_log_id
              WHERE c.session_id = 'alone'"), 2, "$name: it decides for itself again");

    # A node that never comes back.
    server(2)->stop('immediate');
    at_fails(0, 'CALL fleet_leave(2)', '08006', "$name: a node that is gone cannot be asked");
    is(at(0, 'SELECT count(*) FROM pg_subscription'), 1, "$name: so nothing has changed");
    my ($status, undef, $warning) = server(0)->psql(BOT, 'CALL fleet_leave(2, force => true)');
    is($status, 0, "$name: by force it can");
    like($warning, qr/WARNING:  replication slot "training_workflow_\d+_hub" stays at the other end/,
        "$name: with a warning of what stays there");
    is(at(0, "SELECT (SELECT count(*) FROM pg_replication_slots), (SELECT count(*) FROM pg_subscription),
                     (SELECT count(*) FROM fleet_replies)"), '0|0|0', "$name: nothing of it is left at the hub");
    server(2)->start;
    at_fails(2, 'CALL fleet_leave()', '55000', "$name: a node that was left alone does not lose by accident");
    at(2, 'CALL fleet_leave(force => true)');
    is(at(2, "SELECT training_setting('fleet_role'), (SELECT count(*) FROM pg_replication_slots),
                  (SELECT count(*) FROM pg_publication), (SELECT count(*) FROM pg_subscription)"), 'single|0|0|0',
        "$name: by force nothing is left there either");
    at(0, 'CALL fleet_leave()');
    is(at(0, "SELECT training_setting('fleet_role'), (SELECT count(*) FROM pg_publication)"), 'single|0',
        "$name: the hub is the last");
    is(problems(0), '', "$name: check_integrity() of the hub is empty");
}

# (h) A fleet that is ended by force at the hub.
{
    my $name = 'ended by force';
    at(0, 'SELECT set_fleet_node(0); SELECT fleet_publish()');
    at(2, 'SELECT set_fleet_node(2); SELECT fleet_publish()');
    join_node(2);
    at(0, 'CALL fleet_leave(force => true)');
    is(at(0, "SELECT training_setting('fleet_role'), (SELECT count(*) FROM pg_replication_slots),
                  (SELECT count(*) FROM pg_publication), (SELECT count(*) FROM pg_subscription)"), 'single|0|0|0',
        "$name: nothing is left at the hub");
}

done_testing();
