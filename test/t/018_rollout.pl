# 018_rollout.pl - rollouts from end to end: simulated days of the demo's chatbot,
# a good model, a bad one, and what may happen meanwhile.
#
# Time is passed in, and nothing is left to chance: sessions are dealt by their names, every message is audited (so that
# no draw decides), and the answers are those of models that the trainer makes of the same samples, byte for byte.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use IPC::Run;
use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TW::Database;
use TW::Util;

use constant {
    DATABASE => 'chat',
    SESSIONS => 1000,    # a day
};

my $node =
    start_node('main', conf => "timezone = 'UTC'\ndatestyle = 'ISO'\ntraining_workflow.allow_future_times = on\n");
create_database($node, DATABASE);
in_database($node, DATABASE);

# The beginning of a day, or a part of it.
sub at { my ($day, $hour) = @_; return sprintf "timestamptz '2101-01-01 00:00+00' + interval '%s days %s hours'",
    $day, $hour // 0 }

# Who is given what, by the application's function and by nothing else.
sub shares { return sql("SELECT string_agg(format('%s %s', v, n), ', ' ORDER BY v) FROM
    (SELECT assign_model_version('router', 's' || g) AS v, count(*) AS n
    FROM generate_series(1, 10000) g GROUP BY 1) x") }

# All that is known of rollouts.
sub state_of {
    my ($database) = @_;
    return sql("SELECT r FROM rollouts r ORDER BY id; SELECT k FROM rollout_checks k ORDER BY id; SELECT d
        FROM model_deployments d ORDER BY id;
        SELECT version, status, traffic_percentage FROM model_versions ORDER BY version; SELECT s FROM rollout_status s;
        SELECT md5(string_agg(assign_model_version('router', 's' || g), ' ' ORDER BY g)) FROM generate_series(1,
            10000) g", database => $database);
}

sub status_of { my ($version) = @_; return sql("SELECT status || ' at ' || traffic_percentage FROM model_versions
    WHERE version = '$version'") }

# Days, in quarters: people talk and are answered, some answers are reviewed, and the check looks.
sub live_days {
    my ($from, $to) = @_;
    for my $day ($from .. $to) {
        sql(join "\n",
            map {
                my ($begin, $end) = (at($day, $_), at($day, $_ + 6));
                "SELECT live($begin, $end); CALL check_rollouts($end);"
            } 0,
            6, 12,
            18);
        # As autovacuum would do, which is off.
        sql('ANALYZE');
    }
    return;
}

# The samples that the demo's models learn from, some of them set aside for the gate.
my @lines = split /\n/, slurp_file("$FindBin::RealBin/../demo/samples.jsonl");

sub import_samples {
    my $samples = join "\n", map { $lines[$_] } @_;
    return sql("SELECT inserted FROM import_training_samples(\$samples\$$samples\$samples\$)");
}

sql(<<'SQL');
    SELECT set_training_setting('target_accuracy', '0.3');
    SELECT set_training_setting('rollout_steps', '10,10,25,50,100');
    SELECT set_training_setting('min_test_samples', '50');
    INSERT INTO review_policies (trusted_providers, audit_rate_approved, audit_rate_review) VALUES ('{router}', 1, 1);
SQL
import_samples(grep { $_ % 4 == 0 } 0 .. $#lines);
is(sql('SELECT version, status, gate_decision FROM train_model()'), 'router-v1.0.0|production|passed',
    'the first version goes live');
import_samples(grep { $_ % 4 != 0 } 0 .. $#lines);
is(sql('SELECT version, status, gate_decision FROM train_model()'), 'router-v1.1.0|candidate|passed',
    'the second one has learned more, and is better');
is(shares(), 'router-v1.0.0 10000', 'so far everybody is given the first one');

# What people will say, and mean. A session has one to four messages, ten minutes apart: some go on while a step begins.
# One in twenty messages cannot be served, whoever answers, and "bad" versions fail at two in five more.
sql(<<"SQL");
    CREATE TABLE traffic AS
    SELECT format('day %s session %s', d, g) AS session_id, s.text, s.intent,
           @{[ at(0) ]} + d * interval '1 day' + g * interval '1 day' / @{[ SESSIONS ]} + m
               * interval '10 minutes' AS at,
           (d * 7 + g * 13 + m * 29) % 20 = 0 AS fails, (d + g + m) % 5 < 2 AS fails_if_bad
    FROM generate_series(0, 25) d, generate_series(1, @{[ SESSIONS ]}) g, generate_series(0, g % 4) m,
         LATERAL (SELECT t.text, t.intent FROM training_samples t WHERE t.id = 1 + (d * 101 + g * 31 + m * 7) % 1000) s;
    CREATE INDEX ON traffic (at);
    CREATE FUNCTION live(a timestamptz, b timestamptz) RETURNS void LANGUAGE sql AS \$\$
        INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider,
                                       nlu_model_version, nlu_processing_time_ms, response_success,
                                       metadata, created_at)
        SELECT t.session_id, t.text, c.intent, c.confidence, 'router', v.version, 20,
               NOT (t.fails OR t.fails_if_bad AND v.version = 'router-v1.2.0'),
               jsonb_build_object('truth', t.intent), t.at
        FROM traffic t, assign_model_version('router', t.session_id) AS v (version),
             classify_intent(t.text, 'router', v.version) c
        WHERE t.at >= a AND t.at < b;
        -- Every fourth message is reviewed.
        SELECT CASE WHEN l.nlu_intent = l.metadata ->> 'truth' THEN approve_conversation(l.id)
                    ELSE fix_conversation(l.id, l.metadata ->> 'truth') END
        FROM conversation_logs l WHERE l.created_at >= a AND l.created_at < b AND l.id % 4 = 0;
    \$\$;
    -- The same model under other names.
    CREATE FUNCTION another(name text) RETURNS text LANGUAGE sql AS \$\$
        SELECT register_model(name, 'router',
                              artifact => (SELECT a.bytes FROM model_artifacts a WHERE a.version = 'router-v1.1.0'))
    \$\$;
SQL

# A good one: starts by itself, takes a step a day, has all sessions on the fifth day, and is watched for three more.
live_days(0, 0);
is(status_of('router-v1.1.0'), 'canary at 10', 'it starts by itself');
like(shares(), qr/^router-v1\.0\.0 (8[89]|9[012])\d\d, router-v1\.1\.0 /, 'with a tenth of the sessions');
my $first = sql("SELECT string_agg(g::text, ' ' ORDER BY g) FROM generate_series(1, 10000) g
    WHERE assign_model_version('router', 's' || g) = 'router-v1.1.0'");
live_days(1, 2);
is(status_of('router-v1.1.0'), 'canary at 25', 'on the third day it has a quarter');
is(sql("SELECT count(*) FROM unnest(string_to_array('$first', ' ')) g WHERE assign_model_version('router',
    's' || g) <> 'router-v1.1.0'"), '0', 'nobody who had it lost it');
live_days(3, 3);
is(status_of('router-v1.1.0'), 'canary at 50', 'on the fourth half');
live_days(4, 4);
is(status_of('router-v1.1.0'), 'production at 100', 'and then all');
is(shares(), 'router-v1.1.0 10000', 'everybody is given the new one');
is(sql("SELECT status FROM rollout_status"), 'watching', 'it is still watched');
live_days(5, 7);
is(sql("SELECT status,
    why ~ '^watched for 3 days; accuracy, failure rate and fallback rate were compared, and no loss was seen'
        FROM rollout_status"), 'finished|t', 'for three days');
is( sql("SELECT string_agg(to_percentage::text, ' ' ORDER BY id) FROM model_deployments WHERE version = 'router-v1.1.0'"
    ),
    '10 10 25 50 100',
    'each step is written down');
is(sql("SELECT count(*) FROM model_deployments WHERE version = 'router-v1.1.0' AND actor = 'check_rollouts'
    AND (reason ~ 'no loss was seen' OR reason ~ 'passed the gate')"), '5', 'with its reason');
is(sql("SELECT count(*) FROM rollout_checks WHERE verdict = 'advance'"), '5', 'every look is written down');
is(sql("SELECT count(*) FROM rollout_checks k, jsonb_array_elements(k.metrics) f WHERE k.verdict = 'advance'
    AND k.step = 4 AND f ->> 'kind' = 'guardrail'
        AND (f ->> 'canary_units')::int > 300 AND f ->> 'verdict' IN ('undecided', 'non-inferior', 'better')"), '3',
            'before the last step all three guardrails had data');
is(sql("SELECT count(*) FROM rollout_checks k, jsonb_array_elements(k.metrics) f
    WHERE (f ->> 'design_effect')::float > 1.3"), '0', 'sessions that cross a step are few');
is(sql("SELECT version, canary_version, canary_percentage FROM live_model_at('router', @{[ at(2, 12) ]})"),
    'router-v1.0.0|router-v1.1.0|25', 'what was live then');
is(sql("SELECT bool_and(production_accuracy BETWEEN production_accuracy_lower AND production_accuracy_upper
    AND production_conversations > 0 AND fallback_rate = 0 AND p95_latency_ms = 20)
        FROM model_performance_comparison WHERE version IN ('router-v1.0.0', 'router-v1.1.0')"), 't',
            'both were measured in production');
is(sql("SELECT (SELECT production_accuracy FROM model_versions WHERE version = 'router-v1.1.0') >
    (SELECT production_accuracy FROM model_versions WHERE version = 'router-v1.0.0')"), 't',
    'and the better one is the better one');

# A bad one: two in five of its answers cannot be served. Somebody listens.
my ($in, $heard, $said) = ('', '', '');
my $listener = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr(DATABASE) ], '<', \$in, '>', \$heard, '2>',
    \$said,
    IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
$in .= "LISTEN training_workflow;\n\\echo listening\n";
$listener->pump until $heard =~ /listening/;
sql("SELECT another('router-v1.2.0'); SELECT start_rollout('router-v1.2.0', 'looked good to me', @{[ at(8) ]})");
is(status_of('router-v1.2.0'), 'canary at 10', 'a bad one starts');
live_days(8, 9);
is(status_of('router-v1.2.0'), 'rolled-back at 0', 'and is rolled back by itself');
is(shares(), 'router-v1.1.0 10000', 'everybody is given the one before');
my ($reason, $why) = split /\|/, sql("SELECT k.reason, s.why FROM rollout_status s
    JOIN rollout_checks k USING (rollout_id) WHERE s.version = 'router-v1.2.0' AND k.verdict = 'rollback'");
like($reason, qr/^failure rate 0\.4\d* against 0\.0\d* of router-v1\.1\.0: worse by at least [\d.]+ points/,
    'the look says why');
is($why, $reason, 'and so does rollout_status');
is(sql("SELECT count(*) FROM rollout_checks WHERE version = 'router-v1.2.0' AND traffic_percentage > 10"), '0',
    'it never had more than a tenth');
is(sql("SELECT count(*) FROM conversation_logs WHERE nlu_model_version = 'router-v1.2.0' AND created_at >=
    (SELECT ended_at FROM rollouts WHERE version = 'router-v1.2.0')"), '0',
    'and from then on answered nobody');
$in .= "SELECT 1;\n\\echo that is all\n";
$listener->pump until $heard =~ /that is all/;
my @payloads =
    $heard =~ /^Asynchronous notification "training_workflow" with payload "(.*)" received from server process/mg;
is(scalar(@payloads), 1, 'whoever listens is told, once');
my $event = decode_json($payloads[0] // '{}');
is_deeply([ @$event{qw(event model_type version live_version actor reason)} ],
    [ 'rollback', 'router', 'router-v1.2.0', 'router-v1.1.0', 'check_rollouts', $reason ], 'as JSON, with the reason');

# The operator's own rollback, of a good one.
sql("CREATE ROLE operator LOGIN; SELECT grant_training_role('operator', 'operator'); SELECT another('router-v1.3.0')");
my $by_hand = qq{SELECT traffic_percentage FROM start_rollout('router-v1.3.0', 'a trial', @{[ at(10) ]});
    SELECT advance_rollout('router', at => @{[ at(10, 1) ]});
    SELECT advance_rollout('router', 'in a hurry', @{[ at(10, 2) ]}); SELECT * FROM rollback_rollout('router',
        E'on the "phone":\\n\\tno', @{[ at(10, 3) ]})};
is(sql_as('operator', $by_hand), "10\n10\n25\nrouter-v1.3.0|router-v1.1.0", 'an operator may do all of it');
is(shares(), 'router-v1.1.0 10000', 'and it is undone at once');
is(sql("SELECT actor FROM model_deployments ORDER BY id DESC LIMIT 1"), 'operator', 'in the name of who did it');
$in .= "SELECT 1;\n\\echo once more\n";
$listener->pump until $heard =~ /once more/;
(undef, my $payload) =
    $heard =~ /^Asynchronous notification "training_workflow" with payload "(.*)" received from server process/mg;
$event = decode_json($payload // '{}');
is_deeply([ @$event{qw(event version actor reason)} ],
    [ 'rollback', 'router-v1.3.0', 'operator', qq{on the "phone":\n\tno} ], 'and told, whatever the reason looks like');
$in .= "\\q\n";
$listener->finish;

# A crash in the middle of a rollout: it goes on where it was.
sql("SELECT another('router-v1.4.0'); SELECT start_rollout('router-v1.4.0', 'once more', @{[ at(11) ]})");
live_days(11, 12);
my $before = state_of(DATABASE);
$node->stop('immediate');
$node->start;
is(state_of(DATABASE), $before, 'after a crash everything is as it was, assignments included');
live_days(13, 13);
is(status_of('router-v1.4.0'), 'canary at 50', 'and goes on');

# A dump: the copy knows the same, deals the same, and does nothing of itself.
my $dump = PostgreSQL::Test::Utils::tempdir . '/dump.sql';
$node->command_ok([ 'pg_dump', '-f', $dump, $node->connstr(DATABASE) ], 'dump');
sql('CREATE DATABASE copy');
$node->command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-f', $dump, $node->connstr('copy') ], 'restore');
$before = state_of(DATABASE);
is(state_of('copy'), $before, 'a restored copy is the same, assignments included');
my ($status, undef, $warning) = $node->psql('copy', "CALL check_rollouts(@{[ at(14, 1) ]})");
is($status, 0, 'a check in the copy is no error');
like($warning, qr/WARNING:  check_rollouts did nothing: this database is a restored copy\nHINT: .*adopt_installation/,
    'but says why it does nothing');
is(state_of('copy'), $before, 'and does nothing');
sql("SELECT adopt_installation(); CALL check_rollouts(@{[ at(14, 1) ]})", database => 'copy');
is(sql("SELECT count(*) FROM rollout_checks WHERE checked_at = @{[ at(14, 1) ]}", database => 'copy'), '1',
    'once it has taken over it looks');
is(sql("SELECT live_version FROM rollback_rollout('router', 'in the copy', @{[ at(14, 2) ]})", database => 'copy'),
    'router-v1.1.0', 'and can go back');
is(state_of(DATABASE), $before, 'which is nothing to the original');
live_days(14, 14);
is(status_of('router-v1.4.0'), 'production at 100', 'where the same model again, a good one, gets all sessions');

is(sql("SELECT DISTINCT status FROM job_runs WHERE job_name = 'check_rollouts'"), 'succeeded', 'no check failed');
integrity_is_empty($node, DATABASE, 'afterwards');
$node->stop;
done_testing();
