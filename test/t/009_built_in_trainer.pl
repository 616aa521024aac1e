# 009_built_in_trainer.pl - the built-in trainer works through the same queue, whatever stops it.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TW::Database;
use TW::TrainingJobs;
use TW::Util;

my $node = start_queue('trained');
my $run    = 'CALL run_training_jobs()';
my $enough = "DELETE FROM training_samples WHERE id > 40";

# So much that it trains for a second or more.
sub many_samples {
    sql(<<'SQL');
        INSERT INTO training_samples (id, text, intent, module_type, review_status, source)
        SELECT g, md5(g::text) || md5((g + 1)::text) || ' ' || md5((g % 977)::text), 'intent.a.number' || g % 150, 'a',
               'approved', 'synthetic'
        FROM generate_series(1, 6000) g
        ON CONFLICT DO NOTHING;
        SELECT setval('training_samples_id_seq', 6000);
SQL
    return;
}

# A trainer in the middle of its training. The process id is the one that its worker's name has.
sub start_training {
    my ($job, $name) = @_;
    many_samples();
    my $client = start_psql($run, user => 'operator');
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    ok(says_in_time($client, qr/training: features/), "$name: it is training") or diag $client->{err};
    $client->{pid} = sql("SELECT split_part(worker, ' ', 2) FROM training_jobs WHERE id = $job");
    return $client;
}
many_samples();
sql($enough);

my $hopeless = request('nothing-agent', 'built-in');
my $job      = request('router',        'built-in');
sqlstate_is($node, 'trained', "BEGIN; $run;", '2D000', 'a transaction around it is an error', user => 'operator');
job_is($hopeless, 'queued|0||', 'which begins nothing');
my ($status, undef, $said) = $node->psql('trained', $run, extra_params => [ '-U', 'operator' ]);
is($status, 0, 'the run ends without an error');
like($said, qr/WARNING:  training job $hopeless failed: there is nothing to learn/, 'one job of it failed');
job_is($hopeless, 'failed|1|nothing-agent-v1.0.0|failed', 'which is recorded');
is(
    sql("SELECT error_code, error_message FROM training_jobs WHERE id = $hopeless"),
    '55000|there is nothing to learn for model type "nothing-agent"',
    'with its reason'
);
job_is($job, 'succeeded|1|router-v1.0.0|candidate', 'and the next one was run');
sqlstate_is(
    $node, 'trained', q{SELECT request_evaluation('router-v1.0.0')},
    '55000',
    'the database itself can ask a model of ours',
    user => 'operator'
);
is(as_worker(q{SELECT * FROM claim_training_job('w')}),
    '', 'no job of the built-in trainer goes to a worker outside');

# A backend that is cancelled or ended in the middle of a training leaves the job to the next run.
$job = request('router', 'built-in');
for my $how ([ 'cancel', '57014', 1 ], [ 'terminate', '57P01', 2 ]) {
    my ($function, $sqlstate, $attempt) = @$how;
    my $trainer = start_training($job, $function);
    is(sql("SELECT pg_${function}_backend($trainer->{pid})"), 't', "$function: now");
    ok(!$trainer->{run}->finish, "$function: it ends");
    like($trainer->{err}, qr/(ERROR|FATAL):  $sqlstate:/, "$function: with $sqlstate");
    job_is($job, "running|$attempt|router-v1.1.0|training", "$function: nobody has the job any more");
    let_time_pass($job);
    sql($enough);
}
as_operator($run);
job_is($job, 'succeeded|3|router-v1.1.0|candidate', 'the next run finishes it');

# A training that takes hours: the trainer is stopped in the middle of it. Whoever waits for it gets 57014.
$job = request('router', 'built-in');
my $trainer = start_training($job, 'hours');
kill 'STOP', $trainer->{pid} or die "kill $trainer->{pid}: $!";
let_time_pass($job);
$ENV{PGOPTIONS} = '-c statement_timeout=20s';
my $other = request('a-agent', 'outside');
my ($got, $its) = split /\|/, as_worker(q{SELECT job_id, secret FROM claim_training_job('w')});
is($got, $other, 'a worker outside gets another type meanwhile');
is(as_worker("SELECT fail_training_job($other, '$its', 'tired', retry => false)"),
    'failed', 'and gives it back');
is(
    sql('WITH u AS (UPDATE training_samples SET quality_score = 1 RETURNING 1) SELECT count(*) FROM u'
    ),
    6000,
    'nobody who changes a sample waits for it'
);
as_operator($run);
job_is($job, 'running|1|router-v1.2.0|training', 'the next run leaves it alone');
is(as_operator("SELECT cancel_training_job($job, 'too slow')"), 'running', 'but it can be cancelled');
job_is($job, 'cancelled|1|router-v1.2.0|failed', 'at once');
delete $ENV{PGOPTIONS};
kill 'CONT', $trainer->{pid};
ok($trainer->{run}->finish, 'the trainer comes to its end') or diag $trainer->{err};
unlike($trainer->{err}, qr/WARNING|ERROR/, 'and has nothing to complain of');
job_is($job, 'cancelled|1|router-v1.2.0|failed', 'what it made is dropped');
is(
    sql("SELECT (SELECT count(*) FROM model_artifacts WHERE version = 'router-v1.2.0'),
                (SELECT count(*) FROM model_evaluations WHERE version = 'router-v1.2.0'),
                (SELECT result IS NULL AND error_message = 'too slow' FROM training_jobs WHERE id = $job)"
    ),
    '0|0|t',
    'all of it'
);

# A crash of the server.
$job     = request('router', 'built-in');
$trainer = start_training($job, 'crash');
kill 'KILL', $trainer->{pid} or die "kill $trainer->{pid}: $!";
ok(!$trainer->{run}->finish, 'the trainer is killed');
# Until the postmaster has noticed, it lets sessions in that it then ends.
$node->wait_for_log(qr/all server processes terminated; reinitializing/);
$node->poll_query_until('trained', 'SELECT NOT pg_is_in_recovery()') or die 'the server did not come back';
job_is($job, 'running|1|router-v1.3.0|training', 'after the crash');
let_time_pass($job);
sql($enough);
as_operator($run);
job_is($job, 'succeeded|2|router-v1.3.0|candidate', 'the next run takes it again');

# train_model() in a transaction that somebody leaves open: the queue
# goes on, and a worker that has to wait does not fail.
my $open = $node->background_psql('trained', on_error_stop => 0, extra_params => [ '-U', 'operator' ]);
is($open->query("BEGIN; SET client_min_messages = error; SELECT version FROM train_model('a-agent')"),
    'a-agent-v1.1.0', 'train_model() in a transaction');
$other = request('a-agent', 'outside');
my $claim = 'SELECT job_id, version FROM claim_training_job';
my $late  = start_psql("$claim('late')", user => 'worker');
ok(waits_for_lock($claim), 'a worker waits for the sides that are decided there');
$ENV{PGOPTIONS} = '-c statement_timeout=20s';
sqlstate_is($node, 'trained', q{SELECT train_model('a-agent')}, '55006', 'nobody else trains that type',
    user => 'operator');
my $elsewhere = request('b-agent', 'outside');
is(as_operator("SELECT cancel_training_job($elsewhere)"), 'queued', 'jobs come and go');
delete $ENV{PGOPTIONS};
$open->query_safe('COMMIT');
$open->quit;
ok($late->{run}->finish, 'then the worker gets its job') or diag $late->{err};
is($late->{out}, "$other|a-agent-v1.2.0\n", 'with a number of its own');

# A trainer that dies between its two transactions, every time.
$job = request('router', 'built-in');
for my $attempt (1 .. 3) {
    is(as_operator('SELECT job_id, attempt FROM tw_start_built_in_job()'),
        "$job|$attempt", "attempt $attempt dies");
    let_time_pass($job);
}
as_operator($run);
job_is($job, 'failed|3|router-v1.4.0|failed', 'three are enough');
like(
    sql("SELECT error_message FROM training_jobs WHERE id = $job"),
    qr/^worker "backend \d+" sent no heartbeat \(attempt 3\)$/,
    'the reason is kept'
);
integrity_is_empty($node, 'trained', 'the built-in trainer');

$node->stop;
done_testing();
