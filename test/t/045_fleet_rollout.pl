# 045_fleet_rollout.pl - rollouts over a hub and three nodes: one session gets one version wherever it asks, a step
# begins on each node when the node has it, a node that is behind is named and is no mismatch, and a rollback waits for
# nobody.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TW::Fleet;

use constant {
    NODES    => 3,
    SESSIONS => 2000,    # a name of a session for each node
};

# A version for each of 2,000 sessions, as a database gives them.
my $versions = q{SELECT string_agg(assign_model_version('router', 's' || g), ' ' ORDER BY g)
    FROM generate_series(1, 2000) g};

sub versions_at { my ($n) = @_; return at($n, $versions) }

# What the hub says of the newest rollout.
sub status_says {
    my ($columns) = @_;
    return at(0, "SELECT $columns FROM rollout_status LIMIT 1");
}

sub look {
    my ($columns) = @_;
    return at(0, "SELECT $columns FROM tw_look_at_rollout((SELECT max(id) FROM rollouts), clock_timestamp())");
}

# Everywhere the same, and nobody is behind.
sub all_agree {
    my ($step, @nodes) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    beat(@nodes);
    my $expected = versions_at(0);
    is(versions_at($_), $expected, "$step: a session that asks node $_ gets the hub's version") for @nodes;
    my $missing = join ',', grep { my $n = $_; !grep { $_ == $n } @nodes } 1 .. NODES;
    is(status_says('nodes_behind'), "{$missing}", "$step: behind is " . ($missing eq '' ? 'nobody' : "node $missing"));
    is(at(0, 'SELECT string_agg(node::text, $$,$$ ORDER BY node) FROM fleet_status WHERE NOT is_current'), $missing,
        "$step: fleet_status says the same");
    return;
}

# A change at the hub, while every node is asked again and again: each gives the old versions or the new ones, never
# some of both, and never the old ones again. Whoever asks two of them gets two versions for so long at most.
sub change {
    my ($step, $sql, @nodes) = @_;
    my %old = map { ($_ => versions_at($_)) } @nodes;
    my %state = map { ($_ => 'old') } @nodes;
    my @wrong;

    at(0, $sql);
    my $new = versions_at(0);
    isnt($new, $old{ $nodes[0] }, "$step: the hub gives other versions");
    for (1 .. 10 * $PostgreSQL::Test::Utils::timeout_default) {
        for my $n (@nodes) {
            my $now = versions_at($n);
            my $is = $now eq $new ? 'new' : $now eq $old{$n} ? 'old' : 'neither';
            push @wrong, "$n gives $is after $state{$n}" if $is eq 'neither' || $is eq 'old' && $state{$n} eq 'new';
            $state{$n} = $is;
        }
        last if !grep { $_ ne 'new' } values %state;
    }
    is("@wrong", '', "$step: no node gives anything but the old versions and then the new ones");
    is(join(' ', values %state), join(' ', map { 'new' } @nodes), "$step: every node gives the new ones");
    all_agree($step, @nodes);
    note "$step: seconds until it was in force: ", status_says('node_lag_seconds');
    return;
}

# Sessions talk at a database: each message is answered by the version that this database assigns to it.
my $talks = 0;

sub talk {
    my (@nodes) = @_;
    $talks++;
    at($_, "SELECT talk('talk $talks at $_', @{[ SESSIONS ]})") for @nodes;
    return;
}

# --- a fleet, and its first versions ---------------------------------------------------------------------------------

start_fleet(NODES);
my @lines = split /\n/, slurp_file("$FindBin::RealBin/../demo/samples.jsonl");
my @texts = map { decode_json($_) } @lines[ 0 .. 199 ];
my $texts = join ',', map { sprintf q{(%d, '%s', '%s')}, $_, map { s/'/''/gr } @{ $texts[$_] }{qw(text intent)} }
    0 .. $#texts;

# Words of its own, which the databases of a fleet share: an answer of the same model is the same.
for my $n (0 .. NODES) {
    utf8::encode(my $rows = $texts);
    at($n, <<"SQL");
        CREATE TABLE words (number integer PRIMARY KEY, text text, intent text);
        INSERT INTO words VALUES $rows;
        CREATE FUNCTION talk(name text, sessions integer) RETURNS void LANGUAGE sql AS \$\$
            INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider,
                                           nlu_model_version, response_success, metadata)
            SELECT s.id, w.text, c.intent, c.confidence, 'router', v.version, true,
                   jsonb_build_object('truth', w.intent)
            FROM generate_series(1, sessions) g CROSS JOIN LATERAL (SELECT name || ' ' || g AS id) s
            JOIN words w ON w.number = g % 200,
                 assign_model_version('router', s.id) AS v (version), classify_intent(w.text, 'router', v.version) c
        \$\$;
SQL
}

sub import_samples {
    my $samples = join "\n", map { $lines[$_] } @_;
    return at(0, "SELECT inserted FROM import_training_samples(\$samples\$$samples\$samples\$)");
}

at(0, <<'SQL');
    SELECT set_training_setting('target_accuracy', '0.3'), set_training_setting('rollout_steps', '10,50,100'),
           set_training_setting('min_test_samples', '50'), set_training_setting('auto_deploy', 'off');
    INSERT INTO review_policies (trusted_providers, audit_rate_approved, audit_rate_review) VALUES ('{router}', 1, 1);
SQL
import_samples(grep { $_ % 4 == 0 } 0 .. $#lines);
is(at(0, q{SELECT version, gate_decision FROM train_model()}), 'router-v1.0.0|passed', 'the hub trains a version');
at(0, q{SELECT promote_model('router-v1.0.0', 'the first one')
    WHERE NOT EXISTS (SELECT FROM model_versions WHERE status = 'production')});
import_samples(grep { $_ % 4 != 0 } 0 .. $#lines);
is(at(0, q{SELECT version, gate_decision FROM train_model()}), 'router-v1.1.0|passed', 'and a better one');
at(0, q{SELECT register_model('router-v1.2.0', 'router',
    artifact => (SELECT a.bytes FROM model_artifacts a WHERE a.version = 'router-v1.0.0'))});
all_caught_up();

my $answers = q{SELECT string_agg(concat_ws(' ', c.intent, c.confidence, c.model_version), ', ' ORDER BY w.number)
    FROM words w, classify_intent(w.text) c};
is(at($_, $answers), at(0, $answers), "node $_ answers 200 texts as the hub does") for 1 .. NODES;
like(at(1, $answers), qr/router-v1\.0\.0/, 'by the version in production');

# --- a rollout, step by step -----------------------------------------------------------------------------------------

change('first step', q{SELECT rollout_id FROM start_rollout('router-v1.1.0')}, 1 .. NODES);
is(at(0, 'SELECT string_agg(concat(node, $$ $$, step), $$, $$ ORDER BY node) FROM fleet_rollout_steps'),
    '1 1, 2 1, 3 1', 'each node has said when the step came into force');
is(status_says('(SELECT bool_and(s.in_force_at > x.step_times[1]) FROM fleet_rollout_steps s, rollouts x)'), 't',
    'which was after the hub');
talk(1 .. NODES);
all_caught_up();

# Of all sessions of all nodes, as they were assigned.
sub sessions_of {
    my ($where) = @_;
    return at(0, "SELECT count(*) FILTER (WHERE nlu_model_version = r.version),
            count(*) FILTER (WHERE nlu_model_version = r.previous_version)
        FROM conversation_logs c, (SELECT * FROM rollouts ORDER BY id DESC LIMIT 1) r WHERE $where");
}
is(look('step, canary_units, production_units, sample_ratio_problem'), '1|' . sessions_of('true') . '|',
    'a look counts the sessions of all nodes, and finds them split as planned');

# A node that does not get the next step goes on as before.
at(3, 'ALTER SUBSCRIPTION training_workflow_hub DISABLE');
becomes(3, 'SELECT bool_and(pid IS NULL) FROM pg_stat_subscription', 'its subscription has ended');
my $before = versions_at(3);
change('second step, without node 3', q{SELECT advance_rollout('router', 'for a test')}, 1, 2);
is(versions_at(3), $before, 'node 3 gives the versions of the first step');
talk(1 .. NODES);
all_caught_up(1, 2);
caught_up(3, 0);
is(at(0, q{SELECT state FROM fleet_status WHERE node = 3}), 'away', 'fleet_status says that node 3 does not read');
is(look('step, percentage, canary_units, production_units'),
    '2|50|' . sessions_of(q{session_id LIKE 'talk 2 %' AND tw_node_of(c.id) <> 3}),
    'a look counts the messages of those nodes alone that have the step');
is(look('sample_ratio_problem'), '', 'the old share of node 3 is no mismatch');
# As it would be by the time of the hub.
is(
    at(
        0,
        q{SELECT mismatch FROM (SELECT count(*) FILTER (WHERE nlu_model_version = 'router-v1.1.0') AS canary,
                 count(*) FILTER (WHERE nlu_model_version = 'router-v1.0.0') AS production
             FROM conversation_logs WHERE session_id LIKE 'talk 2 %') x,
             sample_ratio_check(ARRAY[canary], ARRAY[production], ARRAY[0.5::double precision], 0.001)}
    ),
    't',
    'by the time of the hub it would be one'
);
at(0, 'CALL check_rollouts()');
is(status_says('status, why ~ $$sessions are lost$$'), 'running|f', 'so that nothing is rolled back');

at(3, 'ALTER SUBSCRIPTION training_workflow_hub ENABLE');
becomes(3, 'SELECT bool_or(pid IS NOT NULL) FROM pg_stat_subscription', 'its subscription has begun again');
all_agree('node 3 is back', 1 .. NODES);
is(at(0, 'SELECT string_agg(concat(node, $$ $$, step), $$, $$ ORDER BY node, step) FROM fleet_rollout_steps'),
    '1 1, 1 2, 2 1, 2 2, 3 1, 3 2', 'and has said when it got the step');
talk(1 .. NODES);
all_caught_up();
is(look('canary_units, production_units, sample_ratio_problem'),
    sessions_of(q{session_id LIKE 'talk 3 %' OR session_id LIKE 'talk 2 %' AND tw_node_of(c.id) <> 3}) . '|',
    'what node 3 captured since then counts in the new step');

# --- accuracy and gate -----------------------------------------------------------------------------------------------

# People judge fifty conversations of each node.
at(0, q{SELECT CASE WHEN c.nlu_intent = c.metadata ->> 'truth' THEN approve_conversation(c.id)
                    ELSE fix_conversation(c.id, c.metadata ->> 'truth') END
    FROM (SELECT *, row_number() OVER (PARTITION BY tw_node_of(id) ORDER BY id % 997, id) AS place
          FROM conversation_logs) c WHERE c.place <= 50});
is(at(0, 'SELECT conversations, labels FROM live_accuracy()'), 9 * SESSIONS . '|150',
    'live_accuracy() has the conversations of all nodes, and their labels');
is(
    at(
        0,
        q{SELECT string_agg(DISTINCT tw_node_of(conversation_log_id)::text, ' ') FROM training_samples
          WHERE label_source = 'human' AND conversation_log_id IS NOT NULL}
    ),
    '1 2 3',
    'samples are made of the verdicts on all nodes'
);
my $in_test = q{SELECT string_agg(DISTINCT tw_node_of(conversation_log_id)::text, ' ') FROM training_samples
    WHERE split = 'test' AND conversation_log_id IS NOT NULL};
is(at(0, "SELECT gate_decision IN ('passed', 'failed') FROM train_model()"), 't', 'a version is trained on them');
is(at(0, $in_test), '1 2 3', 'and the gate asks samples of all nodes');
like(look(q{(SELECT m ->> 'state' FROM jsonb_array_elements(metrics) m WHERE m ->> 'metric' = 'failure rate')}),
    qr/^compared$/, 'the rollout compares what all nodes answered');

change('last step', q{SELECT advance_rollout('router', 'for a test')}, 1 .. NODES);
is(at($_, q{SELECT DISTINCT assign_model_version('router', 's' || g) FROM generate_series(1, 2000) g}),
    'router-v1.1.0', "everybody gets the new version at node $_")
    for 1 .. NODES;

# --- a rollout that one node never gets, and its rollback ------------------------------------------------------------

at(3, 'ALTER SUBSCRIPTION training_workflow_hub DISABLE');
becomes(3, 'SELECT bool_and(pid IS NULL) FROM pg_stat_subscription', 'its subscription has ended');
change('next rollout, without node 3', q{SELECT rollout_id FROM start_rollout('router-v1.2.0', 'for a test')}, 1, 2);
talk(1 .. NODES);
all_caught_up(1, 2);
caught_up(3, 0);
is(look('canary_units, production_units, sample_ratio_problem'),
    sessions_of(q{session_id LIKE 'talk 4 %' AND tw_node_of(c.id) <> 3}) . '|',
    'messages of a node that has not got the rollout do not count');

# Both ways are cut: the node gets the rollout at the last moment, and dies.
at(3, 'ALTER SUBSCRIPTION training_workflow_hub ENABLE');
becomes(3, q{SELECT count(*) = 1 FROM model_versions WHERE status = 'canary'}, 'the canary');
all_agree('node 3 has the canary', 1 .. NODES);
server(3)->stop('immediate');
# As long ago as an operator would be told of.
at(0, q{UPDATE fleet_replies SET heartbeat_at = heartbeat_at - interval '2 minutes',
        received_at = received_at - interval '2 minutes' WHERE node = 3});
my ($status, $said, $notice) =
    server(0)->psql(BOT, q{SELECT version, live_version FROM rollback_rollout('router', 'for a test')});
is($said, 'router-v1.2.0|router-v1.1.0', 'a rollback does not wait for a node that is away');
like($notice, qr/Node 3 has not answered for a minute, and goes on as before until it is back\./, 'it names it');
becomes($_, q{SELECT count(*) = 0 FROM model_versions WHERE status = 'canary'}, 'the rollback') for 1, 2;
is(versions_at($_), versions_at(0), "it is in force on node $_") for 1, 2;
sweep_hub();
caught_up(0,  $_) for 1, 2;
caught_up($_, 0) for 1, 2;
is(status_says('status, nodes_behind'), 'rolled-back|{3}', 'rollout_status says that node 3 has not got it');

server(3)->start;
becomes(3, q{SELECT count(*) = 0 FROM model_versions WHERE status = 'canary'}, 'the rollback');
is(versions_at(3), versions_at(0), 'it is in force on node 3 as soon as that is back');
all_agree('after the rollback', 1 .. NODES);
note 'lag by fleet_status, in seconds: ',
    at(0, 'SELECT string_agg(lag_seconds::text, $$, $$ ORDER BY node) FROM fleet_status');
is(at(0, 'CALL sweep_fleet(now()); SELECT count(*) FROM fleet_arrivals'), '0', 'every arrival has its sample');
is(at($_, 'SELECT * FROM check_integrity()'), '', "check_integrity() is empty at $_") for 0 .. NODES;

server($_)->stop for 0 .. NODES;
done_testing();
