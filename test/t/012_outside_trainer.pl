# 012_outside_trainer.pl - the queue of training jobs: a real trainer outside (fastText), faulty ones, and the built-in one.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TW::Util;

use constant TIMEOUT => $PostgreSQL::Test::Utils::timeout_default;

my $worker = "$FindBin::RealBin/../outside/fasttext_worker.sh";
my $node   = start_node('main', conf => "restart_after_crash = on\n");
$node->safe_psql('postgres', 'CREATE ROLE worker LOGIN; CREATE ROLE operator LOGIN');

sub create {
    my ($database) = @_;
    create_database($node, $database);
    $node->safe_psql($database, <<'SQL');
        SELECT grant_training_role('worker', 'trainer'), grant_training_role('operator', 'operator');
        SELECT set_training_setting('min_test_samples', '3');
SQL
    return;
}

sub as_role {    # of one who does all that they do through the privileges of their kind
    my ($role, $database, $sql) = @_;
    return $node->safe_psql($database, $sql, extra_params => [ '-U', $role ]);
}

sub job_is {
    my ($database, $job, $expected, $name) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;
    is(
        $node->safe_psql(
            $database,
            "SELECT j.status, j.attempt, j.version, m.status FROM training_jobs j LEFT JOIN model_versions m USING (version)
             WHERE j.id = $job"
        ),
        $expected,
        $name
    );
    return;
}

# A client that runs by itself; what it said is in out and err.
sub start_client {
    my (%option) = @_;
    my %client = (out => '', err => '');
    local %ENV = (%ENV, %{ $option{env} // {} });
    $client{run} =
        IPC::Run::start($option{command}, '<', \undef, '>', \$client{out}, '2>', \$client{err}, IPC::Run::timeout(TIMEOUT));
    return \%client;
}

sub start_psql {
    my ($role, $database, $sql) = @_;
    return start_client(
        command => [ 'psql', '-XAtq', '-v', 'VERBOSITY=verbose', '-U', $role, '-d', $node->connstr($database), '-c', $sql ]);
}

sub wait_for {
    my ($client, $what) = @_;

    for (1 .. 20 * TIMEOUT) {
        return 1 if $client->{err} =~ $what;
        last     if !$client->{run}->pumpable;
        $client->{run}->pump_nb;
        select undef, undef, undef, 0.05;
    }
    return $client->{err} =~ $what;
}

sub waits_for_lock {
    my ($database, $query) = @_;
    return $node->poll_query_until($database,
        "SELECT count(*) = 1 FROM pg_stat_activity
         WHERE datname = '$database' AND query LIKE '$query%' AND wait_event_type = 'Lock'"
    );
}

# Sets the clock of a running job back, so that nobody has to wait for it.
sub let_time_pass {
    my ($database, $job) = @_;
    $node->safe_psql(
        $database,
        "UPDATE training_jobs
         SET started_at = started_at - interval '1 hour', heartbeat_at = heartbeat_at - interval '1 hour',
             lease_expires_at = lease_expires_at - interval '1 hour'
         WHERE id = $job AND status = 'running'"
    );
    return;
}

#----------------------------------------------------------------------------------------------------------------------------
# The queue, by workers that are nothing but SQL.

create('queue');
$node->safe_psql('queue', <<'SQL');
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
    my $claimed = as_role('worker', 'queue',
        "SELECT job_id, kind, version, attempt, test_samples, secret FROM claim_training_job('$who'" . ($more // '') . ')');
    $secret{$who} = $1 if $claimed =~ s/\|([^|]+)$//;
    return $claimed;
}

sub request {
    my ($type, $trainer) = @_;
    return as_role('operator', $_[2] // 'queue', "SELECT request_training('$type', '$trainer')");
}

# Predictions that get the first so many of the four test samples right.
sub predictions {
    my ($right) = @_;
    my @labels =
        (3, 'intent.food.item.search', 4, 'intent.parcel.track', 5, 'intent.parcel.track', 6, 'intent.food.item.search');
    my @rows;
    while (my ($id, $label) = splice @labels, 0, 2) {
        push @rows, sprintf '{"sample_id": %d, "intent": "%s", "confidence": 0.9}', $id,
            @rows < $right ? $label : 'intent.wrong';
    }
    return '[' . join(', ', @rows) . ']';
}

sub complete {
    my ($job, $who, $predictions) = @_;
    return as_role('worker', 'queue', "SELECT * FROM complete_training_job($job, '$secret{$who}', '$predictions')");
}

sub decide {    # what the gate says of a version, after a run that decides about what was handed in
    my ($version) = @_;
    as_role('operator', 'queue', 'CALL run_training_jobs()');
    return $node->safe_psql('queue', "SELECT version, gate_decision, gate_reason FROM model_versions WHERE version = '$version'");
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
is(as_role('operator', 'queue', "SELECT cancel_training_job($own, 'not wanted')"),
    'queued', 'a job that waits can be cancelled');
job_is('queue', $own, 'cancelled|0||', 'and is');

# Two claims at once: the second waits for the first, and gets the other model type's job.
my $first = $node->background_psql('queue', extra_params => [ '-U', 'worker' ]);
my $claimed = $first->query_safe("BEGIN; SELECT job_id, secret FROM claim_training_job('first')");
like($claimed, qr/^$router\|/, 'the first of two claims at once');
$secret{first} = $1 if $claimed =~ /\|(.+)$/;
my $second = start_psql('worker', 'queue', "SELECT job_id, secret FROM claim_training_job('second')");
ok(waits_for_lock('queue', 'SELECT job_id, secret FROM claim_training_job'), 'the second waits for it');
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
let_time_pass('queue', $router);
like($node->safe_psql('queue', $leases), qr/\|f$/, 'a lease that has run out');
as_role('worker', 'queue', qq{SELECT heartbeat_training_job($router, '$secret{first}', '{"epoch": 3}')});
like($node->safe_psql('queue', $leases), qr/\|t$/, 'a heartbeat that comes before anybody else does renews it');
as_role('worker', 'queue', "SELECT heartbeat_training_job($router, '$secret{first}')");
is($node->safe_psql('queue', "SELECT progress FROM training_jobs WHERE id = $router"), '{"epoch": 3}', 'progress is kept');

# Who is silent loses it, three times.
$node->safe_psql('queue', "DELETE FROM training_jobs WHERE status = 'queued'");
let_time_pass('queue', $router);
is(claim('thief'), "$router|train|router-v1.0.0|2|4", 'a silent worker loses its job to the next');
my %calls = (
    heartbeat => "heartbeat_training_job(%s, '%s')",
    complete  => "complete_training_job(%s, '%s', '@{[ predictions(4) ]}')",
    fail      => "fail_training_job(%s, '%s', 'it broke')",
    texts     => "training_job_test_set(%s, '%s')"
);
for my $call (sort keys %calls) {
    unlike(worker_fails(sprintf($calls{$call}, $router, $secret{first}), '55000', "$call by a worker that lost its job"),
        qr/thief|running/, "$call: not who has it now");
    worker_fails(sprintf($calls{$call}, $router, 'thief'),        '55000', "$call with no more than the name of whose it is");
    worker_fails(sprintf($calls{$call}, 77,      $secret{first}), 'P0002', "$call of a job that does not exist");
    worker_fails(sprintf($calls{$call}, 'NULL',  $secret{first}), 'P0002', "$call of no job");
}
worker_fails("heartbeat_training_job($router, NULL)", '55000', 'a heartbeat from nobody');
job_is('queue', $router, 'running|2|router-v1.0.0|training', 'nothing of that did anything');
let_time_pass('queue', $router);
is(claim('late'), "$router|train|router-v1.0.0|3|4", 'silent twice: a third attempt, at the same version');
let_time_pass('queue', $router);
is(claim('later'), '', 'silent three times: no fourth');
job_is('queue', $router, 'failed|3|router-v1.0.0|failed', 'it failed, and so did its version');
is(
    $node->safe_psql('queue', "SELECT error_message, finished_at IS NOT NULL FROM training_jobs WHERE id = $router"),
    'worker "late" fell silent (attempt 3)|t',
    'the reason is kept'
);

# Asked for again while it ran: the new one is the retry.
$router = request('router', 'outside');
claim('w2');
my $again = request('router', 'outside');
isnt($again, $router, 'a job can be asked for while one is running');
is(as_role('worker', 'queue', "SELECT fail_training_job($router, '$secret{w2}', 'disk full')"),
    'failed', 'where another waits, a failure is the end');
is(claim('w3'), "$again|train|router-v1.2.0|1|4", 'and the other comes next');

# Failures that the worker tells of.
is(as_role('worker', 'queue', "SELECT fail_training_job($again, '$secret{w3}', E'no \"memory\"\\nleft')"),
    'queued', 'a failure: queued again');
is(
    $node->safe_psql('queue', "SELECT error_message, lease_expires_at IS NULL FROM training_jobs WHERE id = $again"),
    qq{no "memory"\nleft|t},
    'with what the worker said'
);
claim('w3');
is(as_role('worker', 'queue', "SELECT fail_training_job($again, '$secret{w3}', 'hopeless', retry => false)"),
    'failed', 'unless it is hopeless');
job_is('queue', $again, 'failed|2|router-v1.2.0|failed', 'the version failed as well');

# Cancelled while it runs.
is(as_role('operator', 'queue', "SELECT cancel_training_job($food, 'wrong data')"),
    'running', 'a running job can be cancelled');
job_is('queue', $food, 'cancelled|1|food-agent-v1.0.0|failed', 'and its version failed');
like(worker_fails("heartbeat_training_job($food, '$secret{second}')", '55000', 'its worker hears of it'), qr/It is cancelled/, 'why');
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
    as_role('worker', 'queue', "SELECT sample_id, text FROM training_job_test_set($router, '$secret{w4}')"),
    "3|is there any dosa today\n4|kahan hai mera parcel\n5|पार्सल कब आएगा\n6|momos chahiye abhi",
    'the texts to predict'
);
is(
    as_role('worker', 'queue', 'SELECT text, intent, label_source, samples, weight FROM training_set()'),
    "my box has not come|intent.parcel.track|human|1|1\nveg pizza near me|intent.food.item.search|human|1|1",
    'the texts to learn'
);
worker_fails("* FROM training_set('nonsense')", '22023', 'the training set of an unknown type');
my $good = predictions(4);

for my $case (
    [ 'one is missing',    $good =~ s/, \{"sample_id": 6.*?\}//r, qr/Missing are 1, the first of them sample 6/ ],
    [ 'all are missing',   '[]',                                  qr/Missing are 4, the first of them sample 3/ ],
    [ 'one is doubled',    $good =~ s/\]$/, {"sample_id": 4, "intent": "x"}]/r,  qr/Sample 4 was answered more than once/ ],
    [ 'a training sample', $good =~ s/\]$/, {"sample_id": 1, "intent": "x"}]/r,  qr/Sample 1 is not in it/ ],
    [ 'another instead of one',     $good =~ s/"sample_id": 5/"sample_id": 99/r, qr/sample 5. Sample 99 is not in it/ ],
    [ 'confidence above 1',         $good =~ s/0\.9/1.01/r,                      qr/prediction 1 is none/ ],
    [ 'confidence below 0',         $good =~ s/0\.9\}\]/-0.1}]/r,                qr/prediction 4 is none/ ],
    [ 'confidence beyond all',      $good =~ s/0\.9/1e400/r,                     qr/prediction 1 is none/ ],
    [ 'confidence as text',         $good =~ s/0\.9/"0.9"/r,                     qr/prediction 1 is none/ ],
    [ 'an intent that is a number', $good =~ s/"intent.wrong"|"intent.parcel.track"/7/r, qr/prediction 2 is none/ ],
    [ 'an id that is text',         $good =~ s/: 3/: "3"/r,                              qr/prediction 1 is none/ ],
    [ 'an id with a fraction',      $good =~ s/: 3/: 3.5/r,                              qr/prediction 1 is none/ ],
    [ 'an id beyond bigint',        $good =~ s/: 3/: 3000000000000000000000/r,           qr/prediction 1 is none/ ],
    [ 'no id',                      $good =~ s/"sample_id": 3, //r,                      qr/prediction 1 is none/ ],
    [ 'a list of numbers',          '[3, 4]',           qr/prediction 1 is none/ ],
    [ 'nothing in the list',        '[null]',           qr/prediction 1 is none/ ],
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
job_is('queue', $router, 'running|1|router-v1.3.0|training', 'the job stays the worker\'s');
is($node->safe_psql('queue', "SELECT count(*) FROM model_evaluations"), 0, 'no prediction was kept');

# Right predictions: what was rejected meanwhile need not be answered, and may be.
$node->safe_psql('queue', "UPDATE training_samples SET review_status = 'rejected' WHERE id = 6");
my $tiny = predictions(4) =~ s/, \{"sample_id": 6.*?\}//r =~ s/0\.9/1e-400/r =~ s/0\.9/null/r;
is(
    as_role(
        'worker', 'queue',
        "SELECT * FROM complete_training_job($router, '$secret{w4}', '$tiny', '\\xdeadbeef', 's3://models/3', 0.75, 2.5)"
    ),
    "$router|router-v1.3.0|handed-in|3|0",
    'predictions that are right: a receipt'
);
job_is('queue', $router, 'handed-in|1|router-v1.3.0|training', 'nothing is decided yet');
is(
    decide('router-v1.3.0'),
    'router-v1.3.0|passed|reaches the target accuracy: 1.0000 of 0.8500 on 3 samples; there is no live version',
    'the gate decides'
);
job_is('queue', $router, 'succeeded|1|router-v1.3.0|production', 'the first of its type goes live');
is(
    $node->safe_psql(
        'queue',
        "SELECT test_accuracy, test_samples, training_accuracy, training_seconds, minio_path, training_samples, format, bytes
         FROM model_versions JOIN model_artifacts USING (version)"
    ),
    '1|3|0.75|2.5|s3://models/3|{"human": 2}|other|\xdeadbeef',
    'what the worker told is kept'
);
is(
    $node->safe_psql('queue', "SELECT string_agg(model_version_target, ' ') FROM training_samples WHERE split = 'train'"),
    'router-v1.3.0 router-v1.3.0',
    'the samples are marked as learned'
);
worker_fails("complete_training_job($router, '$secret{w4}', '$tiny')", '55000', 'it cannot be completed twice');
$node->safe_psql('queue', "UPDATE training_samples SET review_status = 'approved' WHERE id = 6");

# The live version was never asked about sample 6: the gate has its worker asked first.
$router = request('router', 'outside');
claim('w5');
is(complete($router, 'w5', predictions(4)), "$router|router-v1.4.0|handed-in|4|0", 'the next is handed in');
my (undef, $decision, $reason) = split /\|/, decide('router-v1.4.0');
is($decision, 'undecided', 'the live version has to be asked first');
my ($evaluation) = $reason =~ /^router-v1\.3\.0 lives outside and has to be evaluated first: job (\d+)$/;
ok($evaluation, 'the gate says so') or diag $reason;
job_is('queue', $router, 'succeeded|1|router-v1.4.0|candidate', 'the candidate waits');
is(as_role('operator', 'queue', "SELECT gate_reason FROM evaluate_model('router-v1.4.0')"),
    $reason, 'another look asks for nothing more');
is(as_role('operator', 'queue', "SELECT request_evaluation('router-v1.3.0')"), $evaluation, 'nor does a person');
is(claim('w6'), "$evaluation|evaluate|router-v1.3.0|1|4",                                   'the job to evaluate it');
is(complete($evaluation, 'w6', predictions(3)), "$evaluation|router-v1.3.0|handed-in|4|0", 'it is handed in');
is(
    decide('router-v1.4.0'),
    'router-v1.4.0|passed|better than router-v1.3.0: 1.0000 against 0.7500 on 4 samples; its worker handed in neither an '
        . 'artifact nor a location, so a person has to say that it is there: start_rollout(version, reason)',
    'its answers are scored, and the candidate decided about'
);
job_is('queue', $evaluation, 'succeeded|1|router-v1.3.0|production', 'the evaluated version stays what it is');
is(
    $node->safe_psql(
        'queue',
        "SELECT status, test_accuracy, base_version, base_accuracy, test_samples, mcnemar_p FROM model_versions
         WHERE version = 'router-v1.4.0'"
    ),
    'candidate|1|router-v1.3.0|0.75|4|1',
    'the figures of both'
);
integrity_is_empty($node, 'queue', 'after all that');

#----------------------------------------------------------------------------------------------------------------------------
# The built-in trainer works through the same queue.

create('trained');
my $run    = 'CALL run_training_jobs()';
my $enough = "DELETE FROM training_samples WHERE id > 40";

# So much that it trains for a second or more.
sub many_samples {
    $node->safe_psql('trained', <<'SQL');
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
    my $client = start_psql('operator', 'trained', $run);
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    ok(wait_for($client, qr/training: features/), "$name: it is training") or diag $client->{err};
    $client->{pid} = $node->safe_psql('trained', "SELECT split_part(worker, ' ', 2) FROM training_jobs WHERE id = $job");
    return $client;
}
many_samples();
$node->safe_psql('trained', $enough);

my $hopeless = request('nothing-agent', 'built-in', 'trained');
my $job      = request('router',        'built-in', 'trained');
sqlstate_is($node, 'trained', "BEGIN; $run;", '2D000', 'a transaction around it is an error', user => 'operator');
job_is('trained', $hopeless, 'queued|0||', 'which begins nothing');
my ($status, undef, $said) = $node->psql('trained', $run, extra_params => [ '-U', 'operator' ]);
is($status, 0, 'the run ends without an error');
like($said, qr/WARNING:  training job $hopeless failed: there is nothing to learn/, 'one job of it failed');
job_is('trained', $hopeless, 'failed|1|nothing-agent-v1.0.0|failed', 'which is recorded');
is(
    $node->safe_psql('trained', "SELECT error_code, error_message FROM training_jobs WHERE id = $hopeless"),
    '55000|there is nothing to learn for model type "nothing-agent"',
    'with its reason'
);
job_is('trained', $job, 'succeeded|1|router-v1.0.0|candidate', 'and the next one was run');
sqlstate_is(
    $node, 'trained', q{SELECT request_evaluation('router-v1.0.0')},
    '55000',
    'the database itself can ask a model of ours',
    user => 'operator'
);
is(as_role('worker', 'trained', q{SELECT * FROM claim_training_job('w')}),
    '', 'no job of the built-in trainer goes to a worker outside');

# A backend that is cancelled or ended in the middle of a training leaves the job to the next run.
$job = request('router', 'built-in', 'trained');
for my $how ([ 'cancel', '57014', 1 ], [ 'terminate', '57P01', 2 ]) {
    my ($function, $sqlstate, $attempt) = @$how;
    my $trainer = start_training($job, $function);
    is($node->safe_psql('trained', "SELECT pg_${function}_backend($trainer->{pid})"), 't', "$function: now");
    ok(!$trainer->{run}->finish, "$function: it ends");
    like($trainer->{err}, qr/(ERROR|FATAL):  $sqlstate:/, "$function: with $sqlstate");
    job_is('trained', $job, "running|$attempt|router-v1.1.0|training", "$function: nobody has the job any more");
    let_time_pass('trained', $job);
    $node->safe_psql('trained', $enough);
}
as_role('operator', 'trained', $run);
job_is('trained', $job, 'succeeded|3|router-v1.1.0|candidate', 'the next run finishes it');

# A training that takes hours: the trainer is stopped in the middle of it. Whoever waits for it gets 57014.
$job = request('router', 'built-in', 'trained');
my $trainer = start_training($job, 'hours');
kill 'STOP', $trainer->{pid} or die "kill $trainer->{pid}: $!";
let_time_pass('trained', $job);
$ENV{PGOPTIONS} = '-c statement_timeout=20s';
my $other = request('a-agent', 'outside', 'trained');
my ($got, $its) = split /\|/, as_role('worker', 'trained', q{SELECT job_id, secret FROM claim_training_job('w')});
is($got, $other, 'a worker outside gets another type meanwhile');
is(as_role('worker', 'trained', "SELECT fail_training_job($other, '$its', 'tired', retry => false)"),
    'failed', 'and gives it back');
is(
    $node->safe_psql(
        'trained', 'WITH u AS (UPDATE training_samples SET quality_score = 1 RETURNING 1) SELECT count(*) FROM u'
    ),
    6000,
    'nobody who changes a sample waits for it'
);
as_role('operator', 'trained', $run);
job_is('trained', $job, 'running|1|router-v1.2.0|training', 'the next run leaves it alone');
is(as_role('operator', 'trained', "SELECT cancel_training_job($job, 'too slow')"), 'running', 'but it can be cancelled');
job_is('trained', $job, 'cancelled|1|router-v1.2.0|failed', 'at once');
delete $ENV{PGOPTIONS};
kill 'CONT', $trainer->{pid};
ok($trainer->{run}->finish, 'the trainer comes to its end') or diag $trainer->{err};
unlike($trainer->{err}, qr/WARNING|ERROR/, 'and has nothing to complain of');
job_is('trained', $job, 'cancelled|1|router-v1.2.0|failed', 'what it made is dropped');
is(
    $node->safe_psql(
        'trained',
        "SELECT (SELECT count(*) FROM model_artifacts WHERE version = 'router-v1.2.0'),
                (SELECT count(*) FROM model_evaluations WHERE version = 'router-v1.2.0'),
                (SELECT result IS NULL AND error_message = 'too slow' FROM training_jobs WHERE id = $job)"
    ),
    '0|0|t',
    'all of it'
);

# A crash of the server.
$job     = request('router', 'built-in', 'trained');
$trainer = start_training($job, 'crash');
kill 'KILL', $trainer->{pid} or die "kill $trainer->{pid}: $!";
ok(!$trainer->{run}->finish, 'the trainer is killed');
$node->poll_query_until('trained', 'SELECT NOT pg_is_in_recovery()') or die 'the server did not come back';
job_is('trained', $job, 'running|1|router-v1.3.0|training', 'after the crash');
let_time_pass('trained', $job);
$node->safe_psql('trained', $enough);
as_role('operator', 'trained', $run);
job_is('trained', $job, 'succeeded|2|router-v1.3.0|candidate', 'the next run takes it again');

# train_model() in a transaction that somebody leaves open: the queue goes on, and a worker that has to wait does not fail.
my $open = $node->background_psql('trained', on_error_stop => 0, extra_params => [ '-U', 'operator' ]);
is($open->query("BEGIN; SET client_min_messages = error; SELECT version FROM train_model('a-agent')"),
    'a-agent-v1.1.0', 'train_model() in a transaction');
$other = request('a-agent', 'outside', 'trained');
my $claim = 'SELECT job_id, version FROM claim_training_job';
my $late  = start_psql('worker', 'trained', "$claim('late')");
ok(waits_for_lock('trained', $claim), 'a worker waits for the sides that are decided there');
$ENV{PGOPTIONS} = '-c statement_timeout=20s';
sqlstate_is($node, 'trained', q{SELECT train_model('a-agent')}, '55006', 'nobody else trains that type', user => 'operator');
my $elsewhere = request('b-agent', 'outside', 'trained');
is(as_role('operator', 'trained', "SELECT cancel_training_job($elsewhere)"), 'queued', 'jobs come and go');
delete $ENV{PGOPTIONS};
$open->query_safe('COMMIT');
$open->quit;
ok($late->{run}->finish, 'then the worker gets its job') or diag $late->{err};
is($late->{out}, "$other|a-agent-v1.2.0\n", 'with a number of its own');

# A trainer that dies between its two transactions, every time.
$job = request('router', 'built-in', 'trained');
for my $attempt (1 .. 3) {
    is(as_role('operator', 'trained', 'SELECT job_id, attempt FROM tw_start_built_in_job()'),
        "$job|$attempt", "attempt $attempt dies");
    let_time_pass('trained', $job);
}
as_role('operator', 'trained', $run);
job_is('trained', $job, 'failed|3|router-v1.4.0|failed', 'three are enough');
like(
    $node->safe_psql('trained', "SELECT error_message FROM training_jobs WHERE id = $job"),
    qr/^worker "backend \d+" fell silent \(attempt 3\)$/,
    'the reason is kept'
);
integrity_is_empty($node, 'trained', 'the built-in trainer');

#----------------------------------------------------------------------------------------------------------------------------
# fastText, the real thing.

# Own texts: what somebody wants, which thing, and how they begin. Whatever a shell, psql, JSON or fastText could trip over
# is among them. A text in four is for testing; none is a near-twin of another.
my $texts = <<'SQL';
    INSERT INTO training_samples (text, intent, module_type, label_source, review_status, source, split)
    SELECT concat_ws(' ', o.said, w.said, t.said), w.intent, split_part(w.intent, '.', 2),
           CASE WHEN (o.n + w.n + t.n) % 4 = 1 THEN 'model' ELSE 'human' END, 'approved', 'synthetic',
           CASE WHEN (o.n + w.n + t.n) % 4 = 0 THEN 'test' ELSE 'train' END
    FROM (VALUES (1, 'suno bhai'), (2, 'namaste,'), (3, E'hi\r\n\tthere')) o (n, said)
    CROSS JOIN (VALUES (1, 'just now'), (2, 'jaldi se'), (3, 'आज शाम को'), (4, 'for Asha''s \home')) t (n, said)
    JOIN (VALUES
        (1, 'intent.food.item.search', 'veg pizza milega kya'),
        (2, 'intent.food.item.search', 'कोई अच्छी बिरयानी दिखाओ'),
        (3, 'intent.food.item.search', 'menu of masala "dosa" places'),
        (1, 'intent.parcel.track', 'mera parcel kahan pahuncha'),
        (2, 'intent.parcel.track', 'where''s that \courier\ \n boy'),
        (3, 'intent.parcel.track', 'मेरा सामान कब तक आएगा'),
        (1, 'intent.food.order.cancel', 'order cancel karna hai; DROP TABLE pizza --'),
        (2, 'intent.food.order.cancel', 'don''t bring it $(any) `more` $HOME'),
        (3, 'intent.food.order.cancel', 'ऑर्डर रद्द कर दो :job :''worker'''),
        (1, E'intent.odd."two words"\\\t\u0928\u093e\u092e', 'kuch aur </s> baat karni thi'),
        (2, E'intent.odd."two words"\\\t\u0928\u093e\u092e', '__label__intent.parcel.track ka matlab'),
        (3, E'intent.odd."two words"\\\t\u0928\u093e\u092e', '100%% of {"nothing": [null]}'),
        (1, 'intent.parcel.insure', 'beema karwana hai saath mein'),
        (2, 'intent.parcel.insure', 'what does insurance cost'),
        (3, 'intent.parcel.insure', 'टूट गया तो पैसे वापस')) w (n, intent, said) ON w.intent %s 'intent.parcel.insure';
    -- Nobody learns this one.
    INSERT INTO training_samples (text, intent, module_type, review_status, source, split)
    SELECT 'khana thanda tha', 'intent.food.complaint', 'food', 'approved', 'synthetic', 'test' WHERE '%s' = '<>';
SQL

sub start_worker {
    my ($models, @types) = @_;
    return start_client(
        command => [ 'bash', $worker, @types ],
        env     => {
            PGHOST     => $node->host,
            PGPORT     => $node->port,
            PGUSER     => 'worker',
            PGDATABASE => 'outside',
            MODELS     => $models,
            BEAT       => 1
        }
    );
}

sub run_worker {    # its exit status, what it said, and what it complained of
    my $client = start_worker(@_);
    $client->{run}->finish;
    note $client->{out}, $client->{err};
    return ($client->{run}->result(0), $client->{out}, $client->{err});
}

# Weighted accuracy of a version's answers to the test set of today, without the extension's own arithmetic.
sub accuracy {
    my ($version) = @_;
    return $node->safe_psql('outside', <<"SQL");
        SELECT round((sum(t.weight * (coalesce(e.predicted_intent, '') = t.intent)::integer) / sum(t.weight))::numeric, 9),
               count(*)
        FROM model_test_set() t
        LEFT JOIN LATERAL (SELECT * FROM model_evaluations e WHERE e.version = '$version' AND e.text_hash = t.text_hash
                           ORDER BY e.id DESC LIMIT 1) e ON true
SQL
}

SKIP: {
    skip 'the command fasttext is missing (Debian package fasttext)', 1
        if !grep { -x "$_/fasttext" } split /:/, $ENV{PATH};

    my $models = PostgreSQL::Test::Utils::tempdir;
    my ($exit, $out, $err);
    create('outside');
    $node->safe_psql('outside', sprintf $texts, '<>', '<>');
    is($node->safe_psql('outside', "SELECT split, count(*) > 30 FROM training_samples GROUP BY split ORDER BY split"),
        "test|t\ntrain|t", 'there is something to learn, and something to test on');
    is((run_worker($models))[0], 3, 'no job waits: the worker says so');

    my $job = request('router', 'outside', 'outside');
    ($exit, $out, $err) = run_worker($models, 'router', 'food-agent');
    is("$exit$err", '0', 'the worker trains');
    like(
        $out,
        qr/^worker: job $job: train router-v1\.0\.0\nworker: job $job is handed-in: [0-9]+ predictions, 0 of them no answer$/m,
        'and hands in what it has'
    );
    as_role('operator', 'outside', $run);
    job_is('outside', $job, 'succeeded|1|router-v1.0.0|production', 'the first version that passes the gate is live');
    is(
        $node->safe_psql('outside', "SELECT round(test_accuracy::numeric, 9), test_samples FROM model_versions"),
        accuracy('router-v1.0.0'),
        'the database computed its accuracy'
    );
    is(
        $node->safe_psql(
            'outside',
            "SELECT count(*) FROM model_test_set() t JOIN model_evaluations e USING (sample_id)
             WHERE t.intent LIKE 'intent.odd%' AND e.predicted_intent = t.intent"
        ) > 0,
        1,
        'an odd intent comes back as it went'
    );
    is(
        $node->safe_psql(
            'outside',
            q{SELECT progress, training_seconds > 0, format, bytes = pg_read_binary_file('}
                . "$models/router-v1.0.0.bin" . q{')
              FROM training_jobs JOIN model_versions USING (version) JOIN model_artifacts USING (version)}
        ),
        '{"phase": "predicting"}|t|other|t',
        'it sent heartbeats, and the model'
    );
    is(
        $node->safe_psql(
            'outside', "SELECT count(*) FROM training_samples WHERE split = 'train' AND model_version_target IS NULL"
        ),
        0,
        'all samples of the train side were learned'
    );

    # The same rows give the same model, which is no better than itself.
    request('router', 'outside', 'outside');
    ($exit, $out) = run_worker($models);
    is($exit, 0, 'once more on the same data');
    as_role('operator', 'outside', $run);
    like($node->safe_psql('outside', "SELECT gate_decision, gate_reason FROM model_versions WHERE version = 'router-v1.1.0'"),
        qr/^failed\|not better than router-v1\.0\.0: /, 'the gate turns down what is not better');
    is($node->safe_psql('outside', 'SELECT count(*), count(DISTINCT sha256) FROM model_artifacts'),
        '2|1', 'training is repeatable');

    # The built-in trainer's candidate knows a new intent, about which the live version outside was never asked.
    $node->safe_psql('outside', sprintf $texts, '=', '=');
    $job = request('router', 'built-in', 'outside');
    as_role('operator', 'outside', $run);
    job_is('outside', $job, 'succeeded|1|router-v1.2.0|candidate', 'the built-in trainer makes a candidate');
    my ($decision, $reason) =
        split /\|/,
        $node->safe_psql('outside', "SELECT gate_decision, gate_reason FROM model_versions WHERE version = 'router-v1.2.0'");
    is($decision, 'undecided', 'the gate cannot compare it yet');
    my ($evaluation) = $reason =~ /^router-v1\.0\.0 lives outside and has to be evaluated first: job (\d+)$/;
    ok($evaluation, 'and says why') or diag $reason;

    my $empty = PostgreSQL::Test::Utils::tempdir;
    ($exit, $out, $err) = run_worker($empty);
    is($exit, 1, 'a worker that does not have the model');
    like($out, qr/^worker: job $evaluation is queued$/m, 'gives the job back');
    like(
        $node->safe_psql('outside', "SELECT error_message FROM training_jobs WHERE id = $evaluation"),
        qr{^there is no $empty/router-v1\.0\.0\.bin: },
        'with the reason'
    );
    ($exit, $out) = run_worker($models);
    is($exit, 0, 'one that has it');
    like($out, qr/^worker: job $evaluation is handed-in: /m, 'hands in its answers');
    as_role('operator', 'outside', $run);
    like($node->safe_psql('outside', "SELECT gate_decision, gate_reason FROM model_versions WHERE version = 'router-v1.2.0'"),
        qr/^passed\|better than router-v1\.0\.0: /, 'and the gate decides');
    is(
        $node->safe_psql(
            'outside',
            "SELECT base_version, round(test_accuracy::numeric, 9), test_samples, round(base_accuracy::numeric, 9), test_samples,
                    status, mcnemar_p < 1
             FROM model_versions WHERE version = 'router-v1.2.0'"
        ),
        'router-v1.0.0|' . accuracy('router-v1.2.0') . '|' . accuracy('router-v1.0.0') . '|candidate|t',
        'both are scored on the same samples'
    );
    is(as_role('operator', 'outside', "SELECT promote_model('router-v1.2.0', 'the new intent')"),
        'router-v1.0.0', 'it goes live');

    # Nothing to learn: fastText's error is the job's.
    $job = request('empty-agent', 'outside', 'outside');
    for my $status ('queued', 'queued', 'failed') {
        ($exit, $out) = run_worker($models);
        is($exit, 1, 'nothing to learn: an error');
        like($out, qr/^worker: job $job is $status$/m, "the job is $status");
    }
    like(
        $node->safe_psql('outside', "SELECT error_message FROM training_jobs WHERE id = $job"),
        qr/^training: .*Empty vocabulary/s,
        'fastText\'s error is kept'
    );

    # Ended from here or from there, while it trains for long.
    $job = as_role('operator', 'outside', q{SELECT request_training('router', 'outside', '{"epochs": 9999}')});
    for my $case ([ 'signal', 'queued|1|router-v1.3.0|training' ], [ 'cancel', 'cancelled|2|router-v1.3.0|failed' ]) {
        my ($how, $expected) = @$case;
        my $client = start_worker($models);
        ok(
            $node->poll_query_until(
                'outside',
                "SELECT status = 'running' AND progress ->> 'phase' = 'training' FROM training_jobs WHERE id = $job"
            ),
            "$how: the worker is training"
        );
        my $pid      = $node->safe_psql('outside', "SELECT split_part(worker, ':', 2) FROM training_jobs WHERE id = $job");
        my @children = -r "/proc/$pid/task/$pid/children" ? split(' ', slurp_file("/proc/$pid/task/$pid/children")) : ();
        if ($how eq 'signal') { kill 'TERM', $pid }
        else                  { as_role('operator', 'outside', "SELECT cancel_training_job($job)") }
        $client->{run}->finish;
        note $client->{out}, $client->{err};
        is($client->{run}->result(0), 1, "$how: it ends");
        like(
            $client->{err},
            $how eq 'signal' ? qr/it was ended by a signal/ : qr/training job $job is not this worker's, or not any more/,
            "$how: and says why"
        );
        job_is('outside', $job, $expected, "$how: the job");
    SKIP: {
            skip 'this kernel does not tell who is whose child', 1 if !@children;
            is(scalar(grep { kill 0, $_ } @children), 0, "$how: fastText has ended before it");
        }
    }
    ok(!-e "$models/router-v1.3.0.bin", 'there is no model of it');
    integrity_is_empty($node, 'outside', 'fastText');
}

$node->stop;
done_testing();
