# 026_nobody_blocks.pl - whatever locks people hold that they can hold, no job and no rollback waits for them beyond its
# bound; what they hold is left out, counted, and done by the next run.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TW::Database;
use TW::LabelStudioTest;
use TW::Util;

# Whoever waits for longer than any bound sees an error.
use constant BOUND => '30s';

my $node = start_node('main', conf => "max_locks_per_transaction = 256\n");
my %kind = (outsider => undef, app => 'capture', reviewer => 'reviewer', worker => 'trainer', analyst => 'analyst',
    operator => 'operator');
$node->safe_psql('postgres', "CREATE ROLE $_ LOGIN") for sort keys %kind;

my $ls = TW::LabelStudioTest->new($node, 'bot');
in_database($node, 'bot');

# As an operator; gives what came out, and what was said.
sub call {
    my ($sql, $role) = @_;
    my ($status, $out, $err) = $node->psql(
        'bot', "\\set VERBOSITY verbose\nSET statement_timeout = '@{[ BOUND ]}'; $sql",
        extra_params => [ '-U', $role // 'operator' ]
    );
    return ($out, $err);
}

sub goes_through {
    my ($name, $sql, $expected, $role) = @_;
    my ($out, $err) = call($sql, $role);

    local $Test::Builder::Level = $Test::Builder::Level + 1;
    unlike($err, qr/ERROR|WARNING/, "$name: goes through") or diag $out;
    is($out, $expected, "$name: with effect") if defined $expected;
    return $out;
}

# An open transaction of a role.
sub hold {
    my ($role, @statements) = @_;
    my $session = $node->background_psql('bot', extra_params => [ '-U', $role ]);
    $session->query_safe($_) for 'BEGIN', @statements;
    return $session;
}

sub let_go {
    my ($session) = @_;
    $session->query_safe('ROLLBACK');
    $session->quit;
    return;
}

sub pid_of { return $_[0]->query_safe('SELECT pg_backend_pid()') }

sub run_is {
    my ($job, $what, $expected, $name) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;
    is(sql("SELECT concat_ws('|', $what) FROM job_runs WHERE job_name = '$job' ORDER BY id DESC LIMIT 1"), $expected,
        $name)
        or diag sql("SELECT to_json(r) FROM job_runs r ORDER BY id DESC LIMIT 2");
    return;
}

#-----------------------------------------------------------------------------------------------------------------------
# What there is.

sql(<<'SQL');
    SELECT grant_training_role('app', 'capture'), grant_training_role('reviewer', 'reviewer'),
           grant_training_role('worker', 'trainer'), grant_training_role('analyst', 'analyst'),
           grant_training_role('operator', 'operator');
    SELECT set_training_setting('min_test_samples', '5'), set_training_setting('target_accuracy', '0.1'),
           set_training_setting('auto_deploy', 'off'), set_training_setting('training_threshold', '1000000'),
           set_training_setting('min_new_samples', '1000000');
    SELECT import_training_samples(string_agg(jsonb_build_object('text', w || ' number ' || md5(w || g),
                                                                 'intent', 'intent.' || m,
            'split', CASE WHEN g > 20 THEN 'test' ELSE 'train' END)::text, E'\n'))
        FROM (VALUES ('track', 'parcel.track'), ('order', 'food.order.place')) AS x (w, m), generate_series(1, 30) g;
    SELECT status FROM train_model();
    SELECT promote_model('router-v1.0.0', 'the first')
    WHERE NOT EXISTS (SELECT FROM model_versions WHERE status = 'production');
    CREATE TABLE old (id bigint PRIMARY KEY, session_id text, user_message text);
    GRANT SELECT ON old TO operator;
    -- What a bad version has taught.
    INSERT INTO model_versions (version, model_type, status) VALUES ('router-v9.0.0', 'router', 'rolled-back');
    INSERT INTO model_deployments (model_type, version, from_status, to_status, from_percentage, to_percentage, reason)
        VALUES ('router', 'router-v9.0.0', 'canary', 'rolled-back', 50, 0, 'the test');
SQL

# Work for each job, in texts that nobody has said before: a conversation that no trigger saw, a conflict, a sample of
# the bad version, one without a split, a claim that ran out, a training and a job for workers outside.
my $round = 0;

sub new_work {
    my $text = 'round ' . ('alpha ' x ++$round);
    sql(<<"SQL");
        UPDATE training_jobs SET status = 'cancelled', finished_at = now() WHERE status IN ('queued', 'running');
        SET session_replication_role = replica;
        INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider)
        SELECT 's', '$text missed', @{[ CONFIDENT ]};
        SET session_replication_role = origin;
        INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider,
                                       nlu_model_version) VALUES
            ('s', '$text', 'intent.parcel.track', 0.95, 'indicbert', NULL),
            ('s', '$text', 'intent.food.order.place', 0.95, 'indicbert', NULL),
            ('s', '$text bad', 'intent.food.order.place', 0.95, 'indicbert', 'router-v9.0.0');
        INSERT INTO review_claims (conversation_log_id, reviewer, claimed_at, expires_at)
            SELECT max(id), 'gone', now() - interval '41 days', now() - interval '40 days' FROM conversation_logs
            ON CONFLICT DO NOTHING;
        SELECT request_training('router'), request_training('other-agent', 'outside');
SQL
    return;
}

sub daily_is {
    my ($expected, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    run_is('daily_training_capture',
        "status, 'filtered ' || (details ->> 'filtered'), 'taken back ' || (details ->> 'samples taken back'),
         'queued ' || (details ->> 'conflicts queued'),
         'locked ' || concat_ws('+', details ->> 'conversations locked', details ->> 'samples locked',
                                    details ->> 'conflicts locked')",
        $expected, $name);
    is(sql(q{SELECT string_agg(p.key || ' ' || p.value, ', ') FROM job_runs r, jsonb_each_text(r.details -> 'parts') p
             WHERE p.value ~ '^failed' AND r.id = (SELECT max(id) FROM job_runs
                 WHERE job_name = 'daily_training_capture')}), '', "$name: no part failed");
    return;
}

# A rollout, its end, and whatever else changes what is live.
sub rolls_out_and_back {
    my ($name, $cannot_look) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $version = sql(q{SELECT register_model(next_model_version('router'), 'router')});
    goes_through("$name, start_rollout", "SELECT traffic_percentage > 0 FROM start_rollout('$version', 'the test')",
        't');
    if (!$cannot_look) {
        goes_through("$name, check_rollouts", 'CALL check_rollouts()');
        run_is('check_rollouts', 'status, error_message', 'succeeded', "$name, check_rollouts: it looked");
    }
    goes_through("$name, rollback_rollout", "SELECT version FROM rollback_rollout('router', 'the test')", $version);
    $version = sql(q{SELECT register_model(next_model_version('router'), 'router')});
    goes_through("$name, promote_model", "SELECT promote_model('$version', 'the test') IS NOT NULL", 't');
    goes_through("$name, rollback_rollout to the one before",
        "SELECT version FROM rollback_rollout('router', 'the test', only_version => '$version')", $version);
    return;
}

sub imports {
    my ($name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    goes_through("$name, import_training_samples", qq{SELECT inserted
        FROM import_training_samples('{"text": "imported $round", "intent": "intent.parcel.track"}')}, 1);
    sql("INSERT INTO old VALUES (10000 + $round, 's', 'old message $round')");
    goes_through("$name, import_conversations", q{SELECT imported FROM import_conversations('old', keep_ids => false)},
        1);
    return;
}

sub queue_moves {
    my ($name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    goes_through("$name, claim_training_job", q{SELECT model_type FROM claim_training_job('w')}, 'other-agent',
        'worker');
    goes_through("$name, cancel_training_job",
        q{SELECT cancel_training_job(id, 'the test') FROM training_jobs WHERE status = 'running'}, 'running');
    return;
}

sub trains {
    my ($name, $expected) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    goes_through("$name, run_training_jobs", 'CALL run_training_jobs()');
    run_is('run_training_jobs', q{status, error_message, details ->> 'succeeded'}, $expected // 'succeeded|1',
        "$name, run_training_jobs: it trained");
    goes_through("$name, train_model", 'SELECT version IS NOT NULL FROM train_model()', 't');
    return;
}

#-----------------------------------------------------------------------------------------------------------------------
# Somebody who may connect, and no more: every number in every way that SQL can take.

{
    new_work();
    my $session = hold('outsider');
    my $keys = q{(SELECT 'conversation_logs'::regclass::oid::int8 UNION ALL SELECT relnamespace::int8 FROM pg_class
        WHERE oid = 'conversation_logs'::regclass
                 UNION ALL SELECT oid::int8 FROM pg_class WHERE relname = 'review_policies') AS k (k)};
    my $numbers = 'generate_series(-100, 100) AS n';
    $session->query_safe($_) for (
        "SELECT count(pg_advisory_lock(n)) FROM $numbers",
        "SELECT count(pg_advisory_lock(k::int4, n)) FROM $keys, $numbers",
        "SELECT count(pg_advisory_lock(k << 32 | n::int8)) FROM $keys, generate_series(0, 100) AS n",
        "SELECT count(pg_advisory_lock(hashtextextended(p || t, s))) FROM $keys, LATERAL (VALUES (0::int8), (k))
            AS x (s),
             unnest(ARRAY['', 'training_workflow ']) AS p, unnest(ARRAY['router', 'other-agent', 'food-agent']) AS t"
    );
    is(sql(q{SELECT count(*) > 1000, bool_and(objsubid IN (1, 2)) FROM pg_locks WHERE locktype = 'advisory'}), 't|t',
        'outsider: holds locks, none of them of a class of ours');
    goes_through('outsider, daily_training_capture', 'CALL daily_training_capture()');
    daily_is('succeeded|filtered 1|taken back 1|queued 2|locked ', 'outsider, daily_training_capture');
    queue_moves('outsider');
    trains('outsider');
    rolls_out_and_back('outsider');
    imports('outsider');
    goes_through('outsider, weekly_model_training', 'CALL weekly_model_training()');
    goes_through('outsider, labelstudio_create_project', q{SELECT labelstudio_create_project('Food')}, 1);
    goes_through('outsider, labelstudio_sync', 'CALL labelstudio_sync()');
    goes_through('outsider, a policy', q{INSERT INTO review_policies (intent) VALUES ('intent.some')});
    goes_through('outsider, store_model_artifacts', 'CALL store_model_artifacts()');
    let_go($session);
    is(sql(q{SELECT count(*) FROM job_runs WHERE status <> 'succeeded'}), '0', 'outsider: every run succeeded');
}

# Every step of a job has a bound: one that is added without is found here.
is(sql(q{SELECT string_agg(DISTINCT f.proname, ', ') FROM pg_proc p, regexp_matches(p.prosrc,
    'public\.(tw_[a-z0-9_]+)\(', 'g') m JOIN pg_proc f ON f.proname = m[1]
         WHERE p.prokind = 'p' AND p.prosrc ~ 'tw_(end_run|labelstudio_end)\(' AND f.prokind = 'f'
             AND f.provolatile = 'v'
           AND NOT coalesce('lock_timeout=5s' = ANY (f.proconfig), false)}), '',
               'every step of a job has a lock_timeout');

#-----------------------------------------------------------------------------------------------------------------------
# What a role can lock by itself: rows FOR UPDATE, and the strongest mode of
# LOCK TABLE. A table more than here is one to think about.

my $all_tables = q{
    DO $do$
    DECLARE
        t regclass;
        locked text[] := '{}';
        statement text;
    BEGIN
        FOR t IN SELECT c . oid::regclass FROM pg_depend d JOIN pg_extension e ON e . oid =
            d . refobjid AND d . refclassid = 'pg_extension' ::regclass
                 JOIN pg_class c ON c.oid = d.objid AND d.classid = 'pg_class'::regclass
                 WHERE e.extname = 'training_workflow' AND d.deptype = 'e' AND c.relkind IN ('r', 'p', 'v')
                     ORDER BY c.relname LOOP
            FOREACH statement IN ARRAY ARRAY['LOCK TABLE %s IN ACCESS EXCLUSIVE MODE', 'LOCK TABLE %s IN SHARE MODE',
                'LOCK TABLE %s IN ROW EXCLUSIVE MODE',
                                             'SELECT FROM %s FOR UPDATE', 'SELECT FROM %s FOR KEY SHARE'] LOOP
                BEGIN
                    EXECUTE format(statement, t);
                    locked := locked || format(statement, t);
                EXCEPTION WHEN insufficient_privilege OR feature_not_supported THEN
                    NULL;
                END;
            END LOOP;
        END LOOP;
        PERFORM set_config('test.locked', array_to_string(locked, E'\n'), false);
    END
    $do$};

my %may_lock = map { $_ => '' } grep { $_ ne 'operator' } keys %kind;
# As an INSERT locks it.
$may_lock{app} = 'LOCK TABLE conversation_capture IN ROW EXCLUSIVE MODE';
$may_lock{operator} = join "\n", $may_lock{app}, 'SELECT FROM conversation_logs FOR UPDATE',
    'SELECT FROM conversation_logs FOR KEY SHARE',
    'LOCK TABLE review_policies IN ACCESS EXCLUSIVE MODE', 'LOCK TABLE review_policies IN SHARE MODE',
        'LOCK TABLE review_policies IN ROW EXCLUSIVE MODE',
    'SELECT FROM review_policies FOR UPDATE', 'SELECT FROM review_policies FOR KEY SHARE';
for my $role (sort keys %kind) {
    my $session = hold($role, $all_tables);
    is($session->query_safe('SHOW test.locked'), $may_lock{$role},
        "$role: these are the locks of tables and rows that it can take");
    let_go($session);
}

#-----------------------------------------------------------------------------------------------------------------------
# Each of those, and what the functions of a role hold: jobs leave it out and say so, and the next run makes up for it.

# An application that hangs, with every conversation and every sample of one, and a message of its own.
sub app_holds {
    return hold('app', q{INSERT INTO conversation_logs (session_id, user_message) VALUES ('s', 'open')},
        map { "SELECT record_response($_, 's', 'reply', true, 'php')" } split /\n/, sql(q{SELECT id
            FROM conversation_logs WHERE session_id = 's' ORDER BY id}));
}

sub reviewer_holds {
    my $ids = sql(q{SELECT string_agg(id::text, ',') FROM conversation_logs WHERE review_status <> 'not-applicable'});
    return hold('reviewer', "SELECT approve_conversations(ARRAY[$ids])", 'SELECT count(*) FROM claim_reviews(1000)');
}

sub operator_holds {
    return hold('operator', 'SELECT count(*) FROM (SELECT FROM conversation_logs FOR UPDATE) x',
        'SELECT count(*) FROM (SELECT FROM review_policies FOR UPDATE) x');
}

# Who holds, and what the daily job finds locked: conversations without
# a trigger, samples of the bad version, conflicts.
for (
    [ 'an idle application', \&app_holds, 'filtered 0|taken back 0|queued 0|locked 1+1+2',
        'filtered 1|taken back 1|queued 2|locked ' ],
    [ 'an idle reviewer', \&reviewer_holds, 'filtered 1|taken back 0|queued 0|locked 1+2',
        'filtered 0|taken back 1|queued 2|locked ' ],
    [ 'an idle operator', \&operator_holds, 'filtered 0|taken back 1|queued 0|locked 1+2',
        'filtered 1|taken back 0|queued 2|locked ' ],
) {
    my ($name, $holds, $at_first, $then) = @$_;

    new_work();
    # The conflicts of earlier rounds would count as well.
    sql(q{SELECT fix_conversations(array_agg(id), 'intent.parcel.track') FROM conversation_logs
        WHERE review_reason = 'label conflict' HAVING count(*) > 0});
    my $session = $holds->();
    goes_through("$name, daily_training_capture", 'CALL daily_training_capture()');
    daily_is("succeeded|$at_first", "$name, daily_training_capture leaves out what is held");
    trains($name, 'succeeded|1');
    rolls_out_and_back($name);
    queue_moves($name);
    imports($name) if $holds != \&app_holds;
    goes_through("$name, labelstudio_sync", 'CALL labelstudio_sync()');
    goes_through("$name, weekly_model_training", 'CALL weekly_model_training()');
    let_go($session);
    goes_through("$name has gone, daily_training_capture", 'CALL daily_training_capture()');
    daily_is("succeeded|$then", "$name has gone, daily_training_capture makes up for it");
    sql(q{SELECT request_training('router')});
    trains("$name has gone");
    is(sql(q{SELECT count(*) FROM training_samples WHERE split IS NULL AND review_status = 'approved'}), '0',
        "$name has gone: every sample has its side");
    is(sql(q{SELECT count(*) FROM training_jobs WHERE result ? 'unmarked'}), '0',
        "$name has gone: and says who learned it first");
}

# A message that is being captured may take any number: an import that
# wants to keep its own waits for it, but not for ever.
{
    my $session = app_holds();
    sql(q{INSERT INTO old VALUES (20000, 's', 'with its own number')});
    my ($out, $err) = call(q{SELECT imported FROM import_conversations('old')});
    like($err, qr/ERROR:  55P03: another transaction that captured messages is still open/,
        'an idle application: an import that keeps numbers says so');
    let_go($session);
    goes_through('an idle application has gone, import_conversations',
        q{SELECT imported FROM import_conversations('old')}, 1);
}

# Samples that were learned from while somebody held them: the training counts, and the mark follows.
{
    sql(q{INSERT INTO training_samples (text, intent, module_type, review_status, source, split)
          SELECT 'late ' || md5(g::text), 'intent.parcel.track', 'parcel', 'approved', 'synthetic', 'train'
              FROM generate_series(1, 3) g;
          SELECT request_training('router')});
    my $session = $node->background_psql('bot');
    $session->query_safe(
        q{BEGIN; SELECT count(*) FROM (SELECT FROM training_samples WHERE text LIKE 'late %' FOR UPDATE) x});
    goes_through('samples held, run_training_jobs', 'CALL run_training_jobs()');
    run_is('run_training_jobs', q{status, details ->> 'succeeded', details ->> 'samples locked'}, 'succeeded|1|3',
        'samples held: the training counts them');
    my $version = sql(q{SELECT version FROM training_jobs WHERE result ? 'unmarked'});
    let_go($session);
    goes_through('samples let go, run_training_jobs', 'CALL run_training_jobs()');
    run_is('run_training_jobs', q{status, details ->> 'samples marked'}, 'succeeded|3',
        'samples let go: they are marked');
    is(sql(q{SELECT DISTINCT model_version_target FROM training_samples WHERE text LIKE 'late %'}), $version,
        'samples let go: with the version that learned them');
}

#-----------------------------------------------------------------------------------------------------------------------
# Where nothing can be left out, the wait ends, and the run says whose lock it was.

{
    new_work();
    my $session = hold('worker', q{SELECT count(*) FROM claim_training_job('w')});
    my $pid     = pid_of($session);
    my ($out, $err) = call('CALL run_training_jobs()');
    like($err,
        qr/WARNING:  55P03: .*session $pid \(role "worker"\) holds the lock of the splits, in a transaction since/,
        'an idle worker: the run names it');
    unlike($err, qr/ERROR/, 'an idle worker: and that is no error of the job');
    run_is('run_training_jobs', "status, error_code, error_message ~ 'session $pid '", 'failed|55P03|t',
        'an idle worker: nor silent');
    like(sql(q{SELECT state || ': ' || last_error FROM job_health WHERE job_name = 'run_training_jobs'}),
        qr/^failing: .*session $pid /, 'an idle worker: health says so');
    ($out, $err) =
        call(q{SELECT cancel_training_job(id, 'the test') FROM training_jobs WHERE status = 'queued' LIMIT 1});
    like($err, qr/ERROR:  55P03: session $pid \(role "worker"\) holds the lock of the job queue/,
        'an idle worker: and so does cancel_training_job()');
    like($err, qr/HINT: .*pg_terminate_backend\($pid\)/, 'an idle worker: with a way out');
    goes_through('an idle worker, daily_training_capture', 'CALL daily_training_capture()');
    rolls_out_and_back('an idle worker');
    ($out, $err) =
        call(q{SELECT inserted FROM import_training_samples('{"text": "beside", "intent": "intent.parcel.track"}')});
    like($err, qr/ERROR:  55P03: session $pid \(role "worker"\) holds the lock of the splits/,
        'an idle worker: an import names it');
    let_go($session);
    goes_through('an idle worker has gone, run_training_jobs', 'CALL run_training_jobs()');
    run_is('run_training_jobs', q{status, details ->> 'succeeded'}, 'succeeded|1',
        'an idle worker has gone: the job is done');
}

{
    my $version = sql(q{SELECT register_model(next_model_version('router'), 'router')});
    my $session = hold('operator', "SELECT promote_model('$version', 'never to be')");
    my $pid     = pid_of($session);
    my ($out, $err) = call(q{SELECT version FROM rollback_rollout('router', 'the test')});
    like($err, qr/ERROR:  55P03: session $pid \(role "operator"\) holds the lock of the registry/,
        'an idle promotion: a rollback names it');
    let_go($session);
}

# A job that waits right now: job_health says for whom.
{
    new_work();
    my $session = hold('operator', 'LOCK TABLE review_policies');
    my $pid     = pid_of($session);
    my $job     = start_psql('CALL daily_training_capture()', user => 'operator');
    ok($node->poll_query_until('bot', qq{SELECT state = 'blocked'
        AND advice LIKE 'waits for session $pid (role "operator", idle in transaction) since %'
                                         FROM job_health WHERE job_name = 'daily_training_capture'}),
                                             'a table held: health says whom the job waits for');
    ok($job->{run}->finish, 'a table held: the job ends') or diag $job->{err};
    run_is('daily_training_capture', q{status, error_code, details -> 'parts' ->> 'tidy'}, 'failed|55P03|succeeded',
        'a table held: it went on to its last part');
    rolls_out_and_back('a table held', 1);
    let_go($session);
    goes_through('a table let go, daily_training_capture', 'CALL daily_training_capture()');
    run_is('daily_training_capture', q{status, details ->> 'filtered'}, 'succeeded|1',
        'a table let go: the next run does what was left');
}

#-----------------------------------------------------------------------------------------------------------------------
# Label Studio: what somebody judged there while the application held the conversation here comes in with the next pull,
# and what others judged meanwhile, or later, comes in at once.

{
    sql(q{UPDATE conversation_logs SET review_priority = NULL, review_reason = NULL WHERE review_priority IS NOT NULL});
    my @id = map { $ls->converse("from there $_", session_id => 's') } 1 .. 3;
    $ls->good('sync', 'three conversations go there');
    $ls->annotate($_, verdict => 'approve') for @id;
    my $session = hold('app', "SELECT record_response($id[0], 's', 'reply', true, 'php')");
    $ls->good('sync', 'a sync beside an idle application');
    is($ls->state_of($_) =~ /^approved/ ? 'approved' : 'waits', $_ == $id[0] ? 'waits' : 'approved',
        "conversation $_ after a sync beside it")
        for @id;
    run_is('labelstudio_sync', q{status, details ->> 'approve', details ->> 'tasks locked'}, 'succeeded|2|1',
        'the run counts what was held');
    my $later = $ls->converse('later', session_id => 's');
    $ls->good('sync', 'a later one goes there');
    $ls->annotate($later, verdict => 'approve');
    $ls->good('sync', 'a later sync beside it');
    like($ls->state_of($later), qr/^approved/, 'what comes later is not held up');
    let_go($session);
    $ls->good('sync', 'a sync without it');
    like($ls->state_of($id[0]), qr/^approved/, 'the next sync takes in what was held');
    run_is('labelstudio_sync', q{status, details ->> 'approve', details ->> 'tasks locked'}, 'succeeded|1',
        'and nothing else');
}

$ls->disconnect;
$node->stop;
done_testing();
