# 008_training_queue.pl - the queue of training jobs, by workers that are nothing but SQL, some of them faulty.

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

my $node = start_queue('queue');
sql(<<'SQL');
    INSERT INTO training_samples (id, text, intent, module_type, review_status, source, split) VALUES
        (1, 'veg pizza near me', 'intent.food.item.search', 'food', 'approved', 'synthetic', 'train'),
        (2, 'my box has not come', 'intent.parcel.track', 'parcel', 'approved', 'synthetic', 'train'),
        (3, 'is there any dosa today', 'intent.food.item.search', 'food', 'approved', 'synthetic', 'test'),
        (4, 'kahan hai mera parcel', 'intent.parcel.track', 'parcel', 'approved', 'synthetic', 'test'),
        (5, 'पार्सल कब आएगा', 'intent.parcel.track', 'parcel', 'approved', 'synthetic', 'test'),
        (6, 'momos chahiye abhi', 'intent.food.item.search', 'food', 'approved', 'synthetic', 'test');
    SELECT setval('training_samples_id_seq', 6);
SQL

# What a worker has to show for its job, by its name.
my %secret;

sub claim {    # job, kind, version, attempt, number of test samples
    my ($who, $more) = @_;
    my $claimed =
        as_worker("SELECT job_id, kind, version, attempt, test_samples, secret FROM claim_training_job('$who'"
            . ($more // '')
            . ')');
    $secret{$who} = $1 if $claimed =~ s/\|([^|]+)$//;
    return $claimed;
}

# Predictions that get the first so many of the four test samples right.
sub predictions {
    my ($right) = @_;
    my @labels =
        (3, 'intent.food.item.search', 4, 'intent.parcel.track', 5, 'intent.parcel.track', 6,
            'intent.food.item.search');
    my @rows;
    while (my ($id, $label) = splice @labels, 0, 2) {
        push @rows, sprintf '{"sample_id": %d, "intent": "%s", "confidence": 0.9}', $id,
            @rows < $right ? $label : 'intent.wrong';
    }
    return '[' . join(', ', @rows) . ']';
}

sub complete {
    my ($job, $who, $predictions) = @_;
    return as_worker("SELECT * FROM complete_training_job($job, '$secret{$who}', '$predictions')");
}

sub decide {    # what the gate says of a version, after a run that decides about what was handed in
    my ($version) = @_;
    as_operator('CALL run_training_jobs()');
    return sql("SELECT version, gate_decision, gate_reason FROM model_versions WHERE version = '$version'");
}

sub worker_fails {
    my ($sql, $sqlstate, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return sqlstate_is($node, 'queue', "SELECT $sql;", $sqlstate, $name, user => 'worker');
}

is(claim('w1'), '', 'no job waits: no row');
worker_fails("claim_training_job($_->[0])", '22023', "a claim with $_->[1]")
    for [ "' '", 'a blank worker' ], [ 'NULL', 'no worker' ], [ "'w', '0.5 s'", 'too short a lease' ],
    [ "'w', '2 days'", 'too long a lease' ], [ "'w', NULL", 'no lease' ];
for my $sql (
    q{request_training('router', 'outside')},
    q{model_test_set('router')},
    q{register_model('router-v9.0.0', 'router')},
    q{cancel_training_job(1)},
    q{run FROM training_samples run},
    q{run FROM training_jobs run},
    q{run FROM model_artifacts run},
    q{run FROM conversation_logs run}
    )
{
    worker_fails($sql, '42501', "a trainer may not: $sql");
}
sqlstate_is($node, 'queue', $_->[0], $_->[1], $_->[0], user => 'operator')
    for [ q{SELECT request_training('nonsense', 'outside')}, '22023' ],
    [ q{SELECT request_training('router', 'nobody')},                      '22023' ],
    [ q{SELECT request_training('router', 'outside', '[]')},               '22023' ],
    [ q{SELECT request_training('router', 'outside', '{"major": "yes"}')}, '22023' ],
    [ q{SELECT request_evaluation('router-v7.7.7')},                       '42704' ],
    [ q{SELECT request_evaluation(NULL)},                                  '42704' ],
    [ q{SELECT cancel_training_job(77)},                                   'P0002' ];

my $router = request('router', 'outside');
is(request('router', 'outside'), $router, 'asking twice is asking once');
my $food = request('food-agent', 'outside');
my $own  = request('router',     'built-in');
isnt($own, $router, 'the built-in trainer has jobs of its own');
is(as_operator("SELECT cancel_training_job($own, 'not wanted')"),
    'queued', 'a job that waits can be cancelled');
job_is($own, 'cancelled|0||', 'and is');

# Two claims at once: the second waits for the first, and gets the other model type's job.
my $first = $node->background_psql('queue', extra_params => [ '-U', 'worker' ]);
my $claimed = $first->query_safe("BEGIN; SELECT job_id, secret FROM claim_training_job('first')");
like($claimed, qr/^$router\|/, 'the first of two claims at once');
$secret{first} = $1 if $claimed =~ /\|(.+)$/;
my $second = start_psql("SELECT job_id, secret FROM claim_training_job('second')", user => 'worker');
ok(waits_for_lock('SELECT job_id, secret FROM claim_training_job'), 'the second waits for it');
$first->query_safe('COMMIT');
$first->quit;
ok($second->{run}->finish, 'the second ends');
like($second->{out}, qr/^$food\|/, 'and gets another job');
$secret{second} = $1 if $second->{out} =~ /\|(.+)$/;
isnt($secret{second}, $secret{first}, 'each has a secret of its own');
request('router', 'outside');
is(claim('third'), '', 'a third gets none: one of each type is running');
sqlstate_is(
    $node,
    'queue',
    "UPDATE training_jobs SET status = 'running', worker = 'x', lease_expires_at = now(), started_at = now()
     WHERE status = 'queued'",
    '23505',
    'a constraint keeps it at one of each type'
);

# Who is alive keeps the job.
my $leases = "SELECT lease_expires_at, lease_expires_at > clock_timestamp() FROM training_jobs WHERE id = $router";
let_time_pass($router);
like(sql($leases), qr/\|f$/, 'a lease that has run out');
as_worker(qq{SELECT heartbeat_training_job($router, '$secret{first}', '{"epoch": 3}')});
like(sql($leases), qr/\|t$/, 'a heartbeat that comes before anybody else does renews it');
as_worker("SELECT heartbeat_training_job($router, '$secret{first}')");
is(sql("SELECT progress FROM training_jobs WHERE id = $router"), '{"epoch": 3}', 'progress is kept');

# Who is silent loses it, three times.
sql("DELETE FROM training_jobs WHERE status = 'queued'");
let_time_pass($router);
is(claim('thief'), "$router|train|router-v1.0.0|2|4", 'a silent worker loses its job to the next');
my %calls = (
    heartbeat => "heartbeat_training_job(%s, '%s')",
    complete  => "complete_training_job(%s, '%s', '@{[ predictions(4) ]}')",
    fail      => "fail_training_job(%s, '%s', 'it broke')",
    texts     => "training_job_test_set(%s, '%s')"
);
for my $call (sort keys %calls) {
    unlike(worker_fails(sprintf($calls{$call}, $router, $secret{first}), '55000',
        "$call by a worker that lost its job"),
        qr/thief|running/, "$call: not who has it now");
    worker_fails(sprintf($calls{$call}, $router, 'thief'),        '55000',
        "$call with no more than the name of whose it is");
    worker_fails(sprintf($calls{$call}, 77,      $secret{first}), 'P0002', "$call of a job that does not exist");
    worker_fails(sprintf($calls{$call}, 'NULL',  $secret{first}), 'P0002', "$call of no job");
}
worker_fails("heartbeat_training_job($router, NULL)", '55000', 'a heartbeat from nobody');
job_is($router, 'running|2|router-v1.0.0|training', 'nothing of that did anything');
let_time_pass($router);
is(claim('late'), "$router|train|router-v1.0.0|3|4", 'silent twice: a third attempt, at the same version');
let_time_pass($router);
is(claim('later'), '', 'silent three times: no fourth');
job_is($router, 'failed|3|router-v1.0.0|failed', 'it failed, and so did its version');
is(
    sql("SELECT error_message, finished_at IS NOT NULL FROM training_jobs WHERE id = $router"),
    'worker "late" sent no heartbeat (attempt 3)|t',
    'the reason is kept'
);

# Asked for again while it ran: the new one is the retry.
$router = request('router', 'outside');
claim('w2');
my $again = request('router', 'outside');
isnt($again, $router, 'a job can be asked for while one is running');
is(as_worker("SELECT fail_training_job($router, '$secret{w2}', 'disk full')"),
    'failed', 'where another waits, a failure is the end');
is(claim('w3'), "$again|train|router-v1.2.0|1|4", 'and the other comes next');

# Failures that the worker tells of.
is(as_worker("SELECT fail_training_job($again, '$secret{w3}', E'no \"memory\"\\nleft')"),
    'queued', 'a failure: queued again');
is(
    sql("SELECT error_message, lease_expires_at IS NULL FROM training_jobs WHERE id = $again"),
    qq{no "memory"\nleft|t},
    'with what the worker said'
);
claim('w3');
is(as_worker("SELECT fail_training_job($again, '$secret{w3}', 'hopeless', retry => false)"),
    'failed', 'unless it is hopeless');
job_is($again, 'failed|2|router-v1.2.0|failed', 'the version failed as well');

# Cancelled while it runs.
is(as_operator("SELECT cancel_training_job($food, 'wrong data')"),
    'running', 'a running job can be cancelled');
job_is($food, 'cancelled|1|food-agent-v1.0.0|failed', 'and its version failed');
like(worker_fails("heartbeat_training_job($food, '$secret{second}')", '55000', 'its worker hears of it'),
    qr/It is cancelled/, 'why');
sqlstate_is(
    $node, 'queue', "SELECT cancel_training_job($food)",
    '55000',
    'what has ended cannot be cancelled',
    user => 'operator'
);

# Predictions that are none.
$router = request('router', 'outside');
is(claim('w4', q{, model_types => '{food-agent}'}), '', 'a worker for other types does not get it');
is(claim('w4', q{, '1 s', '{food-agent,router}'}),  "$router|train|router-v1.3.0|1|4", 'one for this type does');
is(
    as_worker("SELECT sample_id, text FROM training_job_test_set($router, '$secret{w4}')"),
    "3|is there any dosa today\n4|kahan hai mera parcel\n5|पार्सल कब आएगा\n6|momos chahiye abhi",
    'the texts to predict'
);
is(
    as_worker('SELECT text, intent, label_source, samples, weight FROM training_set()'),
    "my box has not come|intent.parcel.track|human|1|1\nveg pizza near me|intent.food.item.search|human|1|1",
    'the texts to learn'
);
worker_fails("* FROM training_set('nonsense')", '22023', 'the training set of an unknown type');
my $good = predictions(4);

for my $case (
    [ 'one is missing', $good =~ s/, \{"sample_id": 6.*?\}//r,
        qr/Samples without a prediction: 1, the first of them sample 6/ ],
    [ 'all are missing',   '[]', qr/Samples without a prediction: 4, the first of them sample 3/ ],
    [ 'one is doubled',    $good =~ s/\]$/, {"sample_id": 4, "intent": "x"}]/r,
         qr/Sample 4 was answered more than once/ ],
    [ 'a training sample', $good =~ s/\]$/, {"sample_id": 1, "intent": "x"}]/r,  qr/Sample 1 is not in it/ ],
    [ 'another instead of one',     $good =~ s/"sample_id": 5/"sample_id": 99/r, qr/sample 5. Sample 99 is not in it/ ],
    [ 'confidence above 1',         $good =~ s/0\.9/1.01/r, qr/prediction 1 is not valid/ ],
    [ 'confidence below 0',         $good =~ s/0\.9\}\]/-0.1}]/r, qr/prediction 4 is not valid/ ],
    [ 'confidence beyond all',      $good =~ s/0\.9/1e400/r, qr/prediction 1 is not valid/ ],
    [ 'confidence as text',         $good =~ s/0\.9/"0.9"/r, qr/prediction 1 is not valid/ ],
    [ 'an intent that is a number', $good =~ s/"intent.wrong"|"intent.parcel.track"/7/r,
        qr/prediction 2 is not valid/ ],
    [ 'an id that is text',         $good =~ s/: 3/: "3"/r, qr/prediction 1 is not valid/ ],
    [ 'an id with a fraction',      $good =~ s/: 3/: 3.5/r, qr/prediction 1 is not valid/ ],
    [ 'an id beyond bigint',        $good =~ s/: 3/: 3000000000000000000000/r, qr/prediction 1 is not valid/ ],
    [ 'no id',                      $good =~ s/"sample_id": 3, //r, qr/prediction 1 is not valid/ ],
    [ 'a list of numbers',          '[3, 4]', qr/prediction 1 is not valid/ ],
    [ 'nothing in the list',        '[null]', qr/prediction 1 is not valid/ ],
    [ 'no list',                    '{"sample_id": 3}', qr/must be a JSON array/ ],
    [ 'null',                       'null',             qr/must be a JSON array/ ],
    )
{
    my ($name, $predictions, $message) = @$case;
    isnt($predictions, $good, "$name: is not what is right");
    like(worker_fails("complete_training_job($router, '$secret{w4}', '$predictions')", '22023', "predictions: $name"),
        $message, "$name: says what");
}
worker_fails("complete_training_job($router, '$secret{w4}', NULL)", '22023', 'predictions: NULL');
worker_fails("complete_training_job($router, '$secret{w4}', '[')",  '22P02', 'predictions: no JSON');
job_is($router, 'running|1|router-v1.3.0|training', 'the job stays the worker\'s');
is(sql("SELECT count(*) FROM model_evaluations"), 0, 'no prediction was kept');

# Right predictions: what was rejected meanwhile need not be answered, and may be.
sql("UPDATE training_samples SET review_status = 'rejected' WHERE id = 6");
my $tiny = predictions(4) =~ s/, \{"sample_id": 6.*?\}//r =~ s/0\.9/1e-400/r =~ s/0\.9/null/r;
is(
    as_worker("SELECT * FROM complete_training_job($router, '$secret{w4}', '$tiny', '\\xdeadbeef', 's3://models/3',
        0.75, 2.5)"
    ),
    "$router|router-v1.3.0|handed-in|3|0",
    'predictions that are right: a receipt'
);
job_is($router, 'handed-in|1|router-v1.3.0|training', 'nothing is decided yet');
is(
    decide('router-v1.3.0'),
    'router-v1.3.0|passed|reaches the target accuracy: 1.0000 of 0.8500 on 3 samples; there is no live version',
    'the gate decides'
);
job_is($router, 'succeeded|1|router-v1.3.0|production', 'the first of its type goes live');
is(
    sql("SELECT test_accuracy, test_samples, training_accuracy, training_seconds, minio_path, sample_counts,
        format, bytes
         FROM model_versions JOIN model_artifacts USING (version)"
    ),
    '1|3|0.75|2.5|s3://models/3|{"human": 2}|other|\xdeadbeef',
    'what the worker told is kept'
);
is(
    sql("SELECT string_agg(model_version_target, ' ') FROM training_samples WHERE split = 'train'"),
    'router-v1.3.0 router-v1.3.0',
    'the samples are marked as learned'
);
worker_fails("complete_training_job($router, '$secret{w4}', '$tiny')", '55000', 'it cannot be completed twice');
sql("UPDATE training_samples SET review_status = 'approved' WHERE id = 6");

# The live version was never asked about sample 6: the gate has its worker asked first.
$router = request('router', 'outside');
claim('w5');
is(complete($router, 'w5', predictions(4)), "$router|router-v1.4.0|handed-in|4|0", 'the next is handed in');
my (undef, $decision, $reason) = split /\|/, decide('router-v1.4.0');
is($decision, 'undecided', 'the live version has to be asked first');
my ($evaluation) = $reason =~ /^router-v1\.3\.0 runs outside the database and has to be evaluated first: job (\d+)$/;
ok($evaluation, 'the gate says so') or diag $reason;
job_is($router, 'succeeded|1|router-v1.4.0|candidate', 'the candidate waits');
is(as_operator("SELECT gate_reason FROM evaluate_model('router-v1.4.0')"),
    $reason, 'another look asks for nothing more');
is(as_operator("SELECT request_evaluation('router-v1.3.0')"), $evaluation, 'nor does a person');
is(claim('w6'), "$evaluation|evaluate|router-v1.3.0|1|4",                                   'the job to evaluate it');
is(complete($evaluation, 'w6', predictions(3)), "$evaluation|router-v1.3.0|handed-in|4|0", 'it is handed in');
is(
    decide('router-v1.4.0'),
    'router-v1.4.0|passed|better than router-v1.3.0: 1.0000 against 0.7500 on 4 samples; '
        . 'its worker handed in neither an '
        . 'artifact nor a location, so a person has to say that it is there: start_rollout(version, reason)',
    'its answers are scored, and the candidate decided about'
);
job_is($evaluation, 'succeeded|1|router-v1.3.0|production', 'the evaluated version stays what it is');
is(
    sql("SELECT status, test_accuracy, base_version, base_accuracy, test_samples, mcnemar_p FROM model_versions
         WHERE version = 'router-v1.4.0'"
    ),
    'candidate|1|router-v1.3.0|0.75|4|1',
    'the figures of both'
);
integrity_is_empty($node, 'queue', 'after all that');

$node->stop;
done_testing();
