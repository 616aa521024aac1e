# 024_jobs_held_up.pl - jobs that are cancelled, held up or refused in places where that once went wrong.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TW::S3Stub;
use TW::Database;
use TW::Util;

my $node = start_node('main', conf => "log_min_messages = fatal\ntraining_workflow.allow_future_times = on\n");
my $stub = TW::S3Stub->start;
my $dbname;

# psql's output and messages; it goes on after errors.
sub run_sql {
    my ($sql) = @_;
    my (undef, $out, $err) = $node->psql($dbname, "\\set VERBOSITY verbose\n$sql", on_error_stop => 0);
    return ($out, $err);
}

# A database with a live model, and something new for the next one to learn.
sub new_database {
    ($dbname) = @_;
    create_database($node, $dbname);
    in_database($node, $dbname);
    my $lines = join "\n", map { my $n = $_; map { sprintf '{"text": "%s %d", "intent": "intent.%s", "split": "%s"}',
        $_->[0], $n, $_->[1], $n > 20 ? 'test' : 'train' }
            [ 'where is parcel', 'parcel.track' ], [ 'order pizza', 'food.order' ] } 1 .. 30;
    sql(<<"SQL");
        INSERT INTO review_policies (audit_rate_approved, audit_rate_review) VALUES (0, 0);
        SELECT import_training_samples(\$lines\$$lines\$lines\$), set_training_setting('min_test_samples', '10'),
            set_training_setting('min_new_samples', '1');
        SELECT train_model();
        INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider)
            VALUES ('s', 'one more pizza', 'intent.food.order', 0.95, 'indicbert');
SQL
    is(sql('SELECT version, status FROM model_versions'), 'router-v1.0.0|production', "$dbname: a model is live");
    return;
}

sub new_store {
    my ($prefix) = @_;
    sql(<<"SQL");
        CREATE SERVER store FOREIGN DATA WRAPPER training_workflow_s3 OPTIONS (
            endpoint '@{[ $stub->url ]}', bucket 'bucket', prefix '$prefix', timeout '600');
        CREATE USER MAPPING FOR PUBLIC SERVER store OPTIONS (access_key_id 'a', secret_access_key 'b');
        UPDATE model_versions SET minio_path = 's3://elsewhere/router';
SQL
    return;
}

# Passed the gate, so that the next check_rollouts() begins its rollout.
sub candidate {
    return sql(q{INSERT INTO model_versions (version, model_type, gate_decision, gate_reason, base_version)
                 VALUES ('router-v7.0.0', 'router', 'passed', 'better', 'router-v1.0.0')});
}

my $job_locks = q{SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 3};

# The weekly job, cancelled while a store that never answers has its export: whoever cancels it means all of it.
new_database('cancelled');
new_store('hang');
candidate();
my $trainings = sql('SELECT count(*) FROM training_jobs');
my ($out, $err) = run_sql("SET statement_timeout = '5s'; CALL weekly_model_training(at => '2101-03-06 12:00+00');
    SET statement_timeout = 0; SELECT 'locks: ' || ($job_locks AND pid = pg_backend_pid())");
cmp_ok(scalar($stub->requests('hang/exports/weekly/2101-03-06.jsonl')), '>', 0, 'cancelled: the store was asked')
    or diag $err;
like($err, qr/ERROR:  57014: weekly_model_training was cancelled during its export/, 'cancelled: the caller is told');
like($out, qr/^locks: 0$/m, 'cancelled: the session that lives on holds no job');
is(sql(q{SELECT job_name, status, error_code, finished_at IS NOT NULL, phase IS NULL, items_done,
    details -> 'parts' ->> 'export' LIKE 'failed: %' FROM job_runs}),
    'weekly_model_training|failed|57014|t|t|1|t', 'cancelled: its run says so, and is the only one');
is(sql('SELECT count(*) FROM training_jobs'), $trainings, 'cancelled: no training was asked for');
is(sql('SELECT count(*) FROM rollouts'), '0', 'cancelled: and nothing rolled out');
is(sql(q{SELECT status, error LIKE '%statement timeout%' FROM training_export_jobs}), 'failed|t',
    'cancelled: the export says why');
sql(q{ALTER SERVER store OPTIONS (SET prefix 'fine')});
($out, $err) = run_sql('CALL weekly_model_training()');
is(sql(q{SELECT details -> 'parts' ->> 'export' LIKE 'succeeded: %', details -> 'parts' ->> 'request',
    error_code IS DISTINCT FROM '57014'
         FROM job_runs WHERE job_name = 'weekly_model_training' ORDER BY id DESC LIMIT 1}),
             't|succeeded: 1 requested|t', 'cancelled: the next one does all of it') or diag $err;

# The name of what it stores is no matter of taste.
for my $style ('SQL, DMY', 'Postgres, MDY', 'German') {
    sql(q{DELETE FROM training_export_jobs});
    ($out, $err) = run_sql("SET datestyle = '$style'; CALL weekly_model_training(at => '2101-03-13 12:00+00')");
    is(sql(q{SELECT status, location FROM training_export_jobs}),
        'succeeded|s3://bucket/fine/exports/weekly/2101-03-13.jsonl',
        "$style: the export's name does not follow DateStyle")
        or diag $err;
}

# Somebody else has the queue, and the training cannot begin.
new_database('queue');
candidate();
sql(q{SELECT request_training('other-agent', 'outside')});
my $holder = $node->background_psql('queue');
$holder->query_safe(
    q{BEGIN; SELECT cancel_training_job((SELECT id FROM training_jobs WHERE model_type = 'other-agent'), 'not now')});
($out, $err) = run_sql("CALL weekly_model_training(); SELECT 'locks: ' || ($job_locks AND pid = pg_backend_pid())");
unlike($err, qr/ERROR/, 'queue: that is no error of the weekly job');
my $holds = qr/session \d+ \(role "[^"]+"\) holds the lock of the job queue, in a transaction since/;
like($err, qr/WARNING:  55P03: run_training_jobs: no job could be begun: $holds/, 'queue: but a warning');
like($out, qr/^locks: 0$/m, 'queue: no job is held afterwards');
is(sql(q{SELECT status, error_code, error_message LIKE 'session % holds the lock of the job queue%',
    finished_at IS NOT NULL FROM job_runs WHERE job_name = 'run_training_jobs'}), 'failed|55P03|t|t',
        'queue: the run of the trainer says why');
is(sql(q{SELECT status, error_code,
    error_message LIKE 'training: run_training_jobs (run %): session % holds the lock of the job queue%', items_done,
        details -> 'parts' ->> 'training' LIKE 'failed: %',
                details -> 'parts' ->> 'rollout' LIKE 'succeeded: run %' FROM job_runs
                    WHERE job_name = 'weekly_model_training'}),
    'failed|55P03|t|5|t|t', 'queue: the weekly job failed with it, and went on to its last part');
is(sql(q{SELECT version, status FROM rollouts}), 'router-v7.0.0|running', 'queue: which did what was to do');
is(sql(q{SELECT status FROM training_jobs WHERE trainer = 'built-in' ORDER BY id DESC LIMIT 1}), 'queued',
    'queue: the training waits');
$holder->query_safe('ROLLBACK');
$holder->quit;
($out, $err) = run_sql('CALL weekly_model_training()');
is(sql(q{SELECT status, details ->> 'succeeded' FROM job_runs WHERE job_name = 'run_training_jobs'
    ORDER BY id DESC LIMIT 1}), 'succeeded|1', 'queue: and is done by the next run') or diag $err;
is(sql(q{SELECT status FROM job_runs WHERE job_name = 'weekly_model_training' ORDER BY id DESC LIMIT 1}), 'succeeded',
    'queue: which has no error');

# Somebody is at the rollout for longer than a look may wait: who reads rollout_status sees that nobody watches.
$holder = $node->background_psql('queue');
$holder->query_safe(q{BEGIN; SELECT rollback_rollout('router', 'not yet')});
($out, $err) = run_sql("CALL check_rollouts(); SELECT 'locks: ' || ($job_locks AND pid = pg_backend_pid())");
unlike($err, qr/ERROR/, 'rollout: a look that may not wait is no error');
like($out, qr/^locks: 0$/m, 'rollout: no job is held afterwards');
is(sql(q{SELECT status, error_code FROM job_runs WHERE job_name = 'check_rollouts' ORDER BY id DESC LIMIT 1}),
    'failed|55P03', 'rollout: the run says why');
is(sql(q{SELECT status, verdict, why LIKE 'the check failed, %: session % holds the lock of the registry%'
    FROM rollout_status}), 'running|hold|t', 'rollout: and so does its status');
$holder->query_safe('COMMIT');
$holder->quit;
is(sql(q{SELECT status FROM rollout_status}), 'rolled-back', 'rollout: whoever had it does what was meant');

# Samples that cannot be made.
new_database('samples');
sql(<<"SQL");
    SET session_replication_role = replica;
    INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider)
    SELECT 'missed', 'missed ' || g, @{[ CONFIDENT ]} FROM generate_series(1, 2) g;
    RESET session_replication_role;
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS \$\$ BEGIN
        RAISE EXCEPTION USING ERRCODE = 'TW001', MESSAGE = 'refused by the test';
    END \$\$;
    CREATE TRIGGER refuse BEFORE INSERT ON training_samples FOR EACH ROW EXECUTE FUNCTION refuse();
SQL
($out, $err) = run_sql('LISTEN training_workflow; CALL daily_training_capture(); SELECT 1');
unlike($err, qr/ERROR/, 'samples: no error');
my $daily = q{FROM job_runs WHERE job_name = 'daily_training_capture' ORDER BY id DESC LIMIT 1};
is(sql("SELECT status, error_code, error_message LIKE 'promotions: 2 samples could not be made%',
    items_done = items_total, details -> 'not promoted' $daily"),
    'failed|55000|t|t|2', 'samples: the run failed, and says of what');
is(sql("SELECT (SELECT string_agg(p.key, ', ' ORDER BY p.key) FROM jsonb_each_text(details -> 'parts') p
    WHERE p.value LIKE 'failed: %'),
               (SELECT string_agg(p.key, ', ' ORDER BY p.key) FROM jsonb_each_text(details -> 'parts') p
                   WHERE p.value = 'succeeded') $daily"),
    'promotions|audit, conflicts, erasures, rollbacks, statistics, threshold, tidy',
    'samples: the other parts are done');
like($out, qr/"code": "55000"/, 'samples: whoever listens is told');
# The next night, that is: what was filtered within the hour may yet get its sample from whoever is at it.
sql(q{DROP TRIGGER refuse ON training_samples; SET session_replication_role = replica; UPDATE conversation_logs
    SET filtered_at = filtered_at - interval '1 day'});
($out, $err) = run_sql('CALL daily_training_capture()');
is(sql("SELECT status, error_code, details -> 'promoted', details -> 'not promoted',
    details -> 'parts' ->> 'promotions' $daily"), 'succeeded||2|0|succeeded', 'samples: the next run makes them')
        or diag $err;

# The table of samples is locked: the sweep ends, and does not wait again for each conversation.
sql(<<"SQL");
    SET session_replication_role = replica;
    INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider, created_at)
        SELECT 'locked', 'pizza ' || g, 'intent.food.order', 0.95, 'indicbert', now() FROM generate_series(1, 3) g;
SQL
my $holder = $node->background_psql($dbname);
$holder->query_safe('BEGIN; LOCK TABLE training_samples IN SHARE MODE');
($out, $err) = run_sql(q{SET lock_timeout = '100ms'; SELECT * FROM promote_missed_conversations('0')});
like($err, qr/ERROR:  55P03:/, 'locked samples: the sweep ends');
unlike($err, qr/could not make a training sample/, 'locked samples: with the first wait');
$holder->quit;
is(sql(q{SELECT filtered, promoted, failed FROM promote_missed_conversations('0')}), '3|3|0',
    'locked samples: the next sweep makes them');

# Names that no notification has room for: a type's, and a worker's, each character of which is six in JSON.
new_database('names');
my $type = ('x' x 7944) . '-agent';
sql("SELECT request_training('$type'); SELECT request_training()");
($out, $err) = run_sql('LISTEN training_workflow; CALL run_training_jobs(); SELECT 1');
unlike($err, qr/ERROR/, 'names: a training of a type with a long name fails, and no more');
is(sql("SELECT status, error_code IS NOT NULL FROM training_jobs WHERE model_type = '$type'"), 'failed|t',
    'names: it is written down');
is(sql(q{SELECT status FROM training_jobs WHERE model_type = 'router' ORDER BY id DESC LIMIT 1}), 'succeeded',
    'names: the one after it is run');
like($out, qr/payload "\{[^\n]*"event": "training job failed"[^\n]*"model_type": "x{100}"[^\n]*\}" received/,
    'names: whoever listens is told the beginning');
my $other = ('y' x 2000) . '-agent';
sql("SELECT request_training('$other', 'outside')");
for my $attempt (1 .. 3) {
    is(sql(q{SELECT attempt FROM claim_training_job('w' || repeat(E'\x01', 199))}), $attempt,
        "names: a worker begins, attempt $attempt");
    # A claim takes no longer name than that; what an earlier version let in is there all the same.
    sql(q{UPDATE training_jobs SET worker = 'w' || repeat(E'\x01', 1500),
        lease_expires_at = now() - interval '1 minute' WHERE status = 'running'});
}
sql('SELECT request_training()');
($out, $err) = run_sql('LISTEN training_workflow; CALL run_training_jobs(); SELECT 1');
unlike($err, qr/ERROR|WARNING/, 'names: a worker with an odd name that fell silent is in nobody\'s way');
is(sql("SELECT status, error_message LIKE 'worker %sent no heartbeat (attempt 3)' FROM training_jobs
    WHERE model_type = '$other'"), 'failed|t', 'names: its job failed');
is(sql(q{SELECT status FROM training_jobs WHERE model_type = 'router' ORDER BY id DESC LIMIT 1}), 'succeeded',
    'names: the built-in trainer goes on');
like($out, qr/"event": "training job failed"/, 'names: and whoever listens is told of the other');
integrity_is_empty($node, $_, "$_: in the end") for qw(cancelled queue samples names);

$node->stop;
$stub->stop;
done_testing();
