# 012_outside_trainer.pl - a real trainer outside: the example that uses fastText.

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

my $worker = "$FindBin::RealBin/../outside/fasttext_worker.sh";
my $node   = start_queue('outside');
my $run    = 'CALL run_training_jobs()';

# Own texts: what somebody wants, which thing, and how they begin. Whatever a shell, psql, JSON or fastText could trip
# over is among them. A text in four is for testing; none is a near-twin of another.
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
    return start_program(
        [ 'bash', $worker, @types ],
        env => {
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
    return sql(<<"SQL");
        SELECT round((sum(t.weight * (coalesce(e.predicted_intent, '') = t.intent)::integer) / sum(t.weight))::numeric,
                     9),
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
    sql(sprintf $texts, '<>', '<>');
    is(sql("SELECT split, count(*) > 30 FROM training_samples GROUP BY split ORDER BY split"),
        "test|t\ntrain|t", 'there is something to learn, and something to test on');
    is((run_worker($models))[0], 3, 'no job waits: the worker says so');

    my $job = request('router', 'outside');
    ($exit, $out, $err) = run_worker($models, 'router', 'food-agent');
    is("$exit$err", '0', 'the worker trains');
    like(
        $out,
        qr{^worker:[ ]job[ ]$job:[ ]train[ ]router-v1\.0\.0\n
            worker:[ ]job[ ]$job[ ]is[ ]handed-in:[ ][0-9]+[ ]predictions,[ ]0[ ]of[ ]them[ ]no[ ]answer$}mx,
        'and hands in what it has'
    );
    as_operator($run);
    job_is($job, 'succeeded|1|router-v1.0.0|production', 'the first version that passes the gate is live');
    is(
        sql("SELECT round(test_accuracy::numeric, 9), test_samples FROM model_versions"),
        accuracy('router-v1.0.0'),
        'the database computed its accuracy'
    );
    is(
        sql("SELECT count(*) FROM model_test_set() t JOIN model_evaluations e USING (sample_id)
             WHERE t.intent LIKE 'intent.odd%' AND e.predicted_intent = t.intent"
        ) > 0,
        1,
        'an odd intent comes back as it went'
    );
    is(
        sql(q{SELECT progress, training_seconds > 0, format, bytes = pg_read_binary_file('}
                . "$models/router-v1.0.0.bin" . q{')
              FROM training_jobs JOIN model_versions USING (version) JOIN model_artifacts USING (version)}
        ),
        '{"phase": "predicting"}|t|other|t',
        'it sent heartbeats, and the model'
    );
    is(
        sql("SELECT count(*) FROM training_samples WHERE split = 'train' AND model_version_target IS NULL"
        ),
        0,
        'all samples of the train side were learned'
    );

    # The same rows give the same model, which is no better than itself.
    request('router', 'outside');
    ($exit, $out) = run_worker($models);
    is($exit, 0, 'once more on the same data');
    as_operator($run);
    like(sql("SELECT gate_decision, gate_reason FROM model_versions WHERE version = 'router-v1.1.0'"),
        qr/^failed\|not better than router-v1\.0\.0: /, 'the gate turns down what is not better');
    is(sql('SELECT count(*), count(DISTINCT sha256) FROM model_artifacts'),
        '2|1', 'training is repeatable');

    # The built-in trainer's candidate knows a new intent, about which the live version outside was never asked.
    sql(sprintf $texts, '=', '=');
    $job = request('router', 'built-in');
    as_operator($run);
    job_is($job, 'succeeded|1|router-v1.2.0|candidate', 'the built-in trainer makes a candidate');
    my ($decision, $reason) =
        split /\|/,
        sql("SELECT gate_decision, gate_reason FROM model_versions WHERE version = 'router-v1.2.0'");
    is($decision, 'undecided', 'the gate cannot compare it yet');
    my ($evaluation) =
        $reason =~ /^router-v1\.0\.0 runs outside the database and has to be evaluated first: job (\d+)$/;
    ok($evaluation, 'and says why') or diag $reason;

    my $empty = PostgreSQL::Test::Utils::tempdir;
    ($exit, $out, $err) = run_worker($empty);
    is($exit, 1, 'a worker that does not have the model');
    like($out, qr/^worker: job $evaluation is queued$/m, 'gives the job back');
    like(
        sql("SELECT error_message FROM training_jobs WHERE id = $evaluation"),
        qr{^there is no $empty/router-v1\.0\.0\.bin: },
        'with the reason'
    );
    ($exit, $out) = run_worker($models);
    is($exit, 0, 'one that has it');
    like($out, qr/^worker: job $evaluation is handed-in: /m, 'hands in its answers');
    as_operator($run);
    like(sql("SELECT gate_decision, gate_reason FROM model_versions WHERE version = 'router-v1.2.0'"),
        qr/^passed\|better than router-v1\.0\.0: /, 'and the gate decides');
    is(
        sql("SELECT base_version, round(test_accuracy::numeric, 9), test_samples, round(base_accuracy::numeric, 9),
            test_samples,
                    status, mcnemar_p < 1
             FROM model_versions WHERE version = 'router-v1.2.0'"
        ),
        'router-v1.0.0|' . accuracy('router-v1.2.0') . '|' . accuracy('router-v1.0.0') . '|candidate|t',
        'both are scored on the same samples'
    );
    is(as_operator("SELECT promote_model('router-v1.2.0', 'the new intent')"),
        'router-v1.0.0', 'it goes live');

    # Nothing to learn: fastText's error is the job's.
    $job = request('empty-agent', 'outside');
    for my $status ('queued', 'queued', 'failed') {
        ($exit, $out) = run_worker($models);
        is($exit, 1, 'nothing to learn: an error');
        like($out, qr/^worker: job $job is $status$/m, "the job is $status");
    }
    like(
        sql("SELECT error_message FROM training_jobs WHERE id = $job"),
        qr/^training: .*Empty vocabulary/s,
        'fastText\'s error is kept'
    );

    # Ended from here or from there, while it trains for long.
    $job = as_operator(q{SELECT request_training('router', 'outside', '{"epochs": 9999}')});
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
        my $pid      = sql("SELECT split_part(worker, ':', 2) FROM training_jobs WHERE id = $job");
        my @children =
            -r "/proc/$pid/task/$pid/children" ? split(' ', slurp_file("/proc/$pid/task/$pid/children")) : ();
        if ($how eq 'signal') { kill 'TERM', $pid }
        else                  { as_operator("SELECT cancel_training_job($job)") }
        $client->{run}->finish;
        note $client->{out}, $client->{err};
        is($client->{run}->result(0), 1, "$how: it ends");
        like(
            $client->{err},
            $how eq 'signal'
                ? qr/it was ended by a signal/
                : qr/training job $job does not belong to this worker, or no longer/,
            "$how: and says why"
        );
        job_is($job, $expected, "$how: the job");
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
