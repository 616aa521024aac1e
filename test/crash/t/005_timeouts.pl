# 005_timeouts.pl - statement_timeout and lock_timeout in the middle of each procedure: whatever was cut off,
# check_integrity() is empty, and the next call completes.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TW::Database;
use TW::LabelStudioTest;
use TW::S3Stub;
use TW::Util;

# A statement_timeout begins at 1 ms and doubles until the call completes: at most this often (half a minute).
use constant DOUBLINGS => 16;

my $node    = start_node('main', conf => "log_min_messages = fatal\nrestart_after_crash = on\n");
my $store   = TW::S3Stub->start;
my $ls      = TW::LabelStudioTest->new($node, 'timeouts');
my $exports = PostgreSQL::Test::Utils::tempdir;
my $number  = 0;
in_database($node, 'timeouts');
$ls->sql(q{SELECT labelstudio_create_project('Timeouts', max_open_tasks => 10000)});
my $lines = join "\n", map {
    my $n = $_;
    map {
        sprintf '{"text": "%s %d", "intent": "intent.%s", "split": "%s"}', $_->[0], $n, $_->[1],
            $n > 40 ? 'test' : 'train'
    } [ 'where is parcel', 'parcel.track' ], [ 'order pizza', 'food.order' ], [ 'cancel it now', 'food.cancel' ]
} 1 .. 60;
sql(<<"SQL");
    CREATE SERVER store FOREIGN DATA WRAPPER training_workflow_s3 OPTIONS (
        endpoint '@{[ $store->url ]}', bucket 'bucket', prefix 'timeouts', timeout '10');
    CREATE USER MAPPING FOR PUBLIC SERVER store OPTIONS (access_key_id 'a', secret_access_key 'b');
    SELECT import_training_samples(\$lines\$$lines\$lines\$), set_training_setting('min_test_samples', '10'),
           set_training_setting('min_new_samples', '1'), set_training_setting('training_threshold', '1'),
           set_training_setting('rollout_steps', '10,50,100'), set_training_setting('target_accuracy', '0.1');
    SELECT version FROM train_model();
    INSERT INTO model_versions (version, model_type, status, traffic_percentage)
        VALUES ('food-agent-v1.0.0', 'food-agent', 'production', 100);
SQL
$node->psql('timeouts', 'CALL store_model_artifacts(); CALL check_rollouts()');
if (sql(q{SELECT count(*) FROM model_versions WHERE status = 'production'}) eq '0') {
    sql(q{SELECT promote_model(version, 'the first') FROM model_versions WHERE status = 'candidate' LIMIT 1});
}

# Something to do for every procedure and each of its parts.
sub make_work {
    my ($what) = @_;
    my $n = ++$number;
    sql(<<"SQL");
        SET client_min_messages = error;
        SET session_replication_role = replica;
        INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider, created_at)
            SELECT 'missed $n', 'missed ' || g, @{[ CONFIDENT ]}, now() - interval '3 hours'
            FROM generate_series(1, 20) g;
        RESET session_replication_role;
        INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider, created_at)
            SELECT 'day $n', 'where is parcel ' || g, 'intent.parcel.track', 0.5, 'indicbert',
                   now() - interval '1 day' * ($n % 200 + 2)
            FROM generate_series(1, 5) g;
        INSERT INTO training_samples (text, intent, review_status, source) VALUES
            ('a conflict $n', 'intent.one', 'approved', 'manual'),
            ('a conflict $n', 'intent.two', 'approved', 'manual');
        SELECT request_training('router');
        SELECT rollback_rollout('food-agent', 'the next one', only_version => version) FROM model_versions
            WHERE model_type = 'food-agent' AND status = 'canary';
        SELECT register_model(t || '-v2.$n.0', t, artifact => decode(repeat('00ff', 5000 + $n), 'hex'))
            FROM unnest(ARRAY['food-agent', 'ride-agent']) t;
        UPDATE model_versions
            SET gate_decision = 'passed', gate_reason = 'better', base_version = (
                SELECT version FROM model_versions WHERE model_type = 'food-agent' AND status = 'production')
            WHERE version = 'food-agent-v2.$n.0';
SQL
    # A rollout begins with a model that is stored.
    sql('CALL store_model_artifacts()') if $what eq 'check_rollouts';
    # Something to seal.
    sql("SELECT record_feedback(max(id), session_id, 'negative') FROM conversation_logs
        WHERE session_id = 'day $n' GROUP BY session_id") if $what eq 'seal_audit';
    my ($open) = grep { !@{ $_->{annotations} } } $ls->tasks;
    $ls->stub->annotate($open->{id}, result => result(verdict => 'approve', note => "annotated $n")) if $open;
    return;
}

# What is prepared above is what the daily job sweeps; everything else is whole at any time.
sub is_whole {
    my ($name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    is(sql(q{SELECT * FROM check_integrity() WHERE problem NOT IN ('conversation not filtered',
        'auto-approved conversation without a sample')}), '', "$name: check_integrity() is empty");
    return;
}

# Without a limit, a call completes and has nothing to complain of.
sub completes {
    my ($call, $job, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    # The client hears of an error before its transaction has ended, and with it the job.
    $node->poll_query_until('timeouts',
        q{SELECT NOT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 3)})
        or die 'somebody holds a job';
    # A training that was cut off is taken up after ten seconds: nobody has to wait for them.
    sql(q{UPDATE training_jobs SET started_at = started_at - interval '1 hour' WHERE status = 'running'});
    my ($status, undef, $err) = $node->psql('timeouts', "SET client_min_messages = warning; $call");
    is("$status$err", '0', "$name: the next call completes");
    is(sql("SELECT status FROM job_runs WHERE job_name = '$job' ORDER BY id DESC LIMIT 1"), 'succeeded',
        "$name: its run succeeds") if defined $job;
    is(sql("SELECT count(*) FROM job_runs WHERE job_name = '$job' AND status = 'running'"), 0, "$name: no run is left")
        if defined $job;
    is_deeply([ glob "$exports/*.tmp" ], [], "$name: no temporary file is left");
    return;
}

# The calls, their jobs, and the tables that they write on their way: locked, they hold it up.
my @procedures = (
    [ 'CALL daily_training_capture()', 'daily_training_capture', qw(training_samples daily_statistics) ],
    [ 'CALL weekly_model_training()',  'weekly_model_training',  qw(training_jobs model_evaluations) ],
    [ 'CALL run_training_jobs()',      'run_training_jobs',      qw(training_jobs model_artifacts) ],
    [ 'CALL check_rollouts()',         'check_rollouts',         qw(rollouts model_versions) ],
    [ 'CALL seal_audit()',             'seal_audit',             qw(audit_chain) ],
    [ 'CALL labelstudio_sync()',       'labelstudio_sync',       qw(labelstudio_tasks review_events) ],
    [ 'CALL labelstudio_push()',       'labelstudio_push',       qw(labelstudio_tasks) ],
    [ 'CALL labelstudio_pull()',       'labelstudio_pull',       qw(labelstudio_projects) ],
    [ 'CALL store_model_artifacts()',  'store_model_artifacts',  qw(model_versions) ],
    [ "CALL export_training_samples_to_file('$exports/samples.jsonl', overwrite => true)", undef,
        qw(training_export_jobs) ],
    [ q{CALL export_training_samples_to_s3('samples.jsonl', overwrite => true)}, undef, qw(training_export_jobs) ],
);

for (@procedures) {
    my ($call, $job, @tables) = @$_;
    my ($what) = $call =~ /CALL (\w+)/;

    my $cut_off = 0;
    for my $doubling (0 .. DOUBLINGS) {
        my $limit = 2**$doubling;
        make_work($what);
        my ($status, undef, $err) = $node->psql('timeouts',
            "\\set VERBOSITY verbose\nSET client_min_messages = warning; SET statement_timeout = $limit; $call");
        last if $status == 0 && $err !~ /57014/;
        $cut_off++;
        like($err, qr/57014/, "$what, $limit ms: it is the time-out that ends it");
        is_whole("$what, $limit ms");
        completes($call, $job, "$what, $limit ms");
    }
    cmp_ok($cut_off, '>', 0, "$what: a statement_timeout cut it off");
    cmp_ok($cut_off, '<=', DOUBLINGS, "$what: and it completed with enough time");
    integrity_is_empty($node, 'timeouts', "$what, statement_timeout") if $what eq 'daily_training_capture';

    for my $table (@tables) {
        my $name = "$what, $table is locked";
        make_work($what);
        my $holder = $node->background_psql('timeouts');
        $holder->query_safe("BEGIN; LOCK TABLE $table IN EXCLUSIVE MODE");
        my ($status, undef, $err) = $node->psql('timeouts', "\\set VERBOSITY verbose
            SET client_min_messages = warning; SET lock_timeout = '20ms'; SET statement_timeout = '120s'; $call");
        like($err, qr/55P03/, "$name: lock_timeout ends the wait");
        unlike($err, qr/57014/, "$name: and nothing else does");
        $holder->quit;
        is_whole($name);
        completes($call, $job, $name);
    }
}

# What is left of all the work is done by the jobs.
for my $job (
    qw(daily_training_capture weekly_model_training run_training_jobs check_rollouts labelstudio_sync seal_audit))
{
    completes("CALL $job()", $job, "at the end, $job");
}
is(sql(q{SELECT count(*) FROM training_jobs WHERE status = 'running'}), 0, 'at the end: no training is left');
is(sql(q{SELECT count(*) FROM training_export_jobs WHERE status = 'running' AND location LIKE '/%'}), 0,
    'at the end: no export is left');
samples_match($node, 'timeouts', 'at the end');
integrity_is_empty($node, 'timeouts', 'at the end');
is(sql(q{SELECT note, count(*) FROM review_events WHERE note LIKE 'annotated %' GROUP BY 1 HAVING count(*) > 1}), '',
    'at the end: no annotation counts twice');

$ls->disconnect;
$ls->stub->stop;
$store->stop;
$node->stop;
done_testing();
