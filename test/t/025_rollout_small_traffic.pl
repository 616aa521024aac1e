# 025_rollout_small_traffic.pl - rollouts where a day brings 100 or 1,000 messages:
# bad versions are rolled back as soon as that can be known.
#
# Days are simulated, and nothing is left to chance but the draws of the audit: sessions are dealt by their names.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TW::Database;
use TW::Util;

use constant FIRST_DAY => '2101-01-01 00:00+00';

my $node = start_node('main', conf =>
        "timezone = 'UTC'\ndatestyle = 'ISO'\nsynchronous_commit = off\ntraining_workflow.allow_future_times = on\n");

# A chatbot with two versions. live(from, to, sessions) is what that many sessions of two messages say in a part of a
# day, evenly spread; review() does four fifths of the audit, as people come to it.
sub new_chatbot {
    my ($database, $canary_fails, $canary_accuracy, $reports) = @_;
    create_database($node, $database);
    in_database($node, $database);
    sql(<<"SQL");
        SELECT register_model('router-v1.0.0', 'router', 'production'), register_model('router-v1.1.0', 'router');
        -- What a rollout alone has drawn.
        SELECT set_training_setting('review_budget_per_day', '0');
        -- How many of 100 messages a version answers rightly and cannot serve.
        CREATE TABLE quality AS SELECT *
            FROM (VALUES ('router-v1.0.0', 93, 5), ('router-v1.1.0', $canary_accuracy, $canary_fails)) q (
                version, right_ones, failures);
        -- A number from 0 to 99 that is as good as random and the same in every run.
        CREATE FUNCTION luck(text) RETURNS integer LANGUAGE sql
            AS 'SELECT ((hashtextextended(\$1, 0) % 100) + 100)::integer % 100';
        CREATE FUNCTION live(a timestamptz, b timestamptz, sessions integer) RETURNS void LANGUAGE sql AS \$\$
            INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider,
                                           nlu_model_version, response_success, metadata, created_at)
            SELECT s.id, 'say ' || s.id, 'intent.food.item.search',
                   CASE WHEN luck('c' || s.id || m) < 60 THEN 0.95 ELSE 0.6 END, 'indicbert', v.version,
                   CASE WHEN $reports THEN luck('f' || s.id || m) >= q.failures END,
                   jsonb_build_object('right', luck('r' || s.id || m) < q.right_ones),
                   a + (b - a) * ((g - 1.0) / sessions) + m * interval '1 second'
            FROM generate_series(1, sessions) g, generate_series(0, 1) m,
                 LATERAL (SELECT format('%s of %s', g, a) AS id) s,
                 assign_model_version('router', s.id) v (version) JOIN quality q USING (version)
        \$\$;
        CREATE FUNCTION review() RETURNS bigint LANGUAGE sql AS \$\$
            SELECT count(CASE WHEN (metadata ->> 'right')::boolean THEN approve_conversation(id)
                              ELSE fix_conversation(id, 'intent.food.other') END)
            FROM conversation_logs WHERE is_audit AND review_priority IS NOT NULL AND luck('p' || id) < 80
        \$\$;
SQL
    return;
}

# Days, hour by hour with a look after each; reviewers work once a day. Ends
# with the rollout. Returns the hour in which it did.
sub days {
    my ($days, $sessions) = @_;
    for my $hour (0 .. 24 * $days - 1) {
        my $from = "timestamptz '@{[ FIRST_DAY ]}' + interval '$hour hours'";
        my $amount = int(($hour + 1) * $sessions / 24) - int($hour * $sessions / 24);
        sql("SELECT live($from, $from + interval '1 hour', $amount);" . ($hour % 24 == 22 ? ' SELECT review();' : '')
              . " CALL check_rollouts($from + interval '1 hour')");
        return $hour + 1
            if sql("SELECT status IN ('rolled-back', 'finished') FROM rollouts ORDER BY id DESC LIMIT 1") eq 't';
    }
    return 24 * $days;
}

sub week_before { my ($sessions) = @_; sql("SELECT live(timestamptz '@{[ FIRST_DAY ]}' + d * interval '1 day',
    timestamptz '@{[ FIRST_DAY ]}' + (d + 1) * interval '1 day', $sessions) FROM generate_series(-7, -1) d;
        SELECT review()"); return }

sub start { return sql("SELECT steps FROM start_rollout('router-v1.1.0', 'a trial', '@{[ FIRST_DAY ]}')") }

# What the last look says, of the version that is rolled out.
sub status { return sql("SELECT status, verdict, why FROM rollout_status ORDER BY started_at DESC LIMIT 1") }

sub canary_sessions { return sql("SELECT count(DISTINCT session_id) FROM conversation_logs
    WHERE nlu_model_version = 'router-v1.1.0'") }

# (a) 50 sessions a day, half of them the canary's, which always fails.
new_chatbot('a', 100, 93, 'true');
sql("SELECT set_training_setting('rollout_steps', '50,100'), set_training_setting('rollout_min_units', '20')");
week_before(50);
start();
my $hours = days(3, 50);
like(status(), qr/^rolled-back\|rollback\|failure rate 1\.0000 against 0\.\d+ of router-v1\.0\.0: worse by at least/,
    'at 50 % a version that always fails is rolled back');
cmp_ok(canary_sessions(), '<=', 25, 'after at most 25 sessions: ' . canary_sessions());
cmp_ok($hours, '<=', 24, "on the first day, after $hours hours");
is(sql("SELECT count(*) FROM rollout_checks WHERE verdict = 'advance' OR reason ~ 'no loss was seen'
    AND (metrics -> 1 ->> 'state') <> 'compared'"), '0', 'and no look before it said more than it knew');

# (b) The same with the defaults, and with the mission's steps.
for my $case ([ 'defaults', "SELECT 1" ], [ 'mission', "SELECT set_training_setting('rollout_steps',
    '10,10,25,50,100')" ]) {
    my ($name, $setting) = @$case;
    my $database = "b_$name";
    new_chatbot($database, 100, 93, 'true');
    sql($setting);
    week_before(50);
    is(start(), $name eq 'defaults' ? '{50,100}' : '{10,10,25,50,100}', "$name: the steps");
    days(10, 50);
    like(status(), qr/^rolled-back\|rollback\|failure rate/, "$name: rolled back");
    cmp_ok(canary_sessions(), '<=', 25, "$name: after at most 25 sessions: " . canary_sessions());
}

# (c) 500 sessions of two messages a day, nothing is reported of their success,
# and the audit alone can know: 49 of 100 against 93.
new_chatbot('c', 5, 49, 'false');
week_before(500);
is(start(), '{10,10,25,50,100}', 'with 1,000 messages a day the ramp is the mission\'s');
$hours = days(5, 500);
like(status(),
    qr/^rolled-back\|rollback\|accuracy 0\.[3-6]\d* against 0\.[89]\d* of router-v1\.0\.0: worse by at least/,
    'what the audit alone can see is seen');
cmp_ok($hours, '<=', 72, "within three days: $hours hours");
is(sql("SELECT count(*) FROM rollout_checks WHERE reason !~ 'accuracy' AND verdict <> 'rollback'"), '0',
    'and no look before it was silent about accuracy');

# An equal version goes all the way, and by the end of its second day 30 sessions of each have labels.
new_chatbot('good', 5, 93, 'true');
week_before(500);
start();
days(2, 500);
my ($canary, $production) = split /\|/, sql(<<'SQL');
    SELECT (f ->> 'canary_units')::integer, (f ->> 'production_units')::integer
    FROM rollout_checks k, jsonb_array_elements(k.metrics) f
    WHERE f ->> 'metric' = 'accuracy' AND k.checked_at = '2101-01-03 00:00+00' LIMIT 1
SQL
cmp_ok($canary,     '>=', 30, "labelled sessions of the canary by the end of day 2: $canary");
cmp_ok($production, '>=', 30, "and of the live version: $production");
like(status(), qr/^running\|(hold|advance)?\|/, 'it goes on');
is(sql("SELECT bool_and(selection_probability IN (0.05, 0.1) OR nlu_model_version = 'router-v1.1.0'
    AND round(selection_probability::numeric, 6) = 0.35
                                OR nlu_model_version = 'router-v1.0.0' AND round(selection_probability::numeric,
                                    6) = 0.038889) FROM conversation_logs"), 't',
    'every conversation knows the rate that it was drawn with');
my ($truth, $estimate, $lower, $upper) = split /\|/, sql("SELECT (SELECT avg((metadata ->> 'right')::boolean::integer)
    FROM conversation_logs), accuracy, lower, upper FROM live_accuracy()");
cmp_ok(abs($truth - $estimate), '<', 0.05,
    sprintf 'live_accuracy is near the truth while the rates are raised: %.3f for %.3f', $estimate, $truth);

# It was an application that kept silent in the middle of a rollout: held for good, until a person goes on.
new_chatbot('silent', 5, 93, 'false');
sql("ALTER FUNCTION review() RENAME TO unused; CREATE FUNCTION review() RETURNS bigint LANGUAGE sql
    AS 'SELECT 0::bigint'");
week_before(100);
sql("UPDATE conversation_logs SET nlu_provider = NULL; SELECT set_training_setting('rollout_min_units', '20')");
start();
sql("SELECT live('@{[ FIRST_DAY ]}', timestamptz '@{[ FIRST_DAY ]}' + interval '1 day', 100); UPDATE conversation_logs
    SET nlu_provider = NULL");
sql("CALL check_rollouts(timestamptz '@{[ FIRST_DAY ]}' + interval '30 days')");
like(status(), qr/^running\|hold\|step\ 1\ ends\ when\ a\ guardrail\ was\ compared\ in\ it:\ send\ response_success
        \ .*\ SELECT\ advance_rollout\('router',\ reason\);\ nothing\ was\ compared;
        \ accuracy,\ failure\ rate\ and\ fallback\ rate\ have\ no\ data$/x,
    'where nothing was compared nobody advances');
unlike(status(), qr/no loss/, 'nor says that it is fine');

# A rollback does not wait for whoever holds a sample at that moment; the night makes up for it.
new_chatbot('held', 5, 93, 'true');
week_before(100);
start();
sql("SELECT live('@{[ FIRST_DAY ]}', timestamptz '@{[ FIRST_DAY ]}' + interval '6 hours', 100)");
my $holder = $node->background_psql('held');
$holder->query_safe(q{BEGIN; SELECT id FROM training_samples WHERE conversation_log_id IN (SELECT id
    FROM conversation_logs WHERE nlu_model_version = 'router-v1.1.0') ORDER BY id LIMIT 3 FOR UPDATE});
my $own = q{FROM training_samples s JOIN conversation_logs c ON c.id = s.conversation_log_id
    WHERE c.nlu_model_version = 'router-v1.1.0'};
sql("SET statement_timeout = '30s'; SELECT rollback_rollout('router', 'complaints',
    timestamptz '@{[ FIRST_DAY ]}' + interval '7 hours')");
is(sql("SELECT count(*) FILTER (WHERE s.review_status = 'approved'),
    count(*) FILTER (WHERE s.review_status = 'pending') > 10 $own"), '3|t', 'a rollback waits for nobody');
$holder->query_safe('COMMIT');
$holder->quit;
sql("CALL daily_training_capture(at => timestamptz '@{[ FIRST_DAY ]}' + interval '1 day')");
is(sql("SELECT count(*) $own AND s.review_status = 'approved'"), '0', 'and the daily job takes back the rest');
is(sql("SELECT samples_taken_back = (SELECT count(*) $own) FROM rollout_status"), 't',
    'rollout_status counts them all');

for my $database (qw(a b_defaults b_mission c good silent held)) {
    in_database($node, $database);
    integrity_is_empty($node, $database, "$database: afterwards");
    is(sql("SELECT count(*) FROM job_runs WHERE status <> 'succeeded'"), '0', "$database: no job failed");
}
$node->stop;
done_testing();
