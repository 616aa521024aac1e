# 023_daily_and_weekly_job.pl - the daily and the weekly job when somebody
# else runs them, stops them, or breaks what they need.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TW::Database;
use TW::Util;

# Whoever wants to stop a job in a phase holds this lock, and a trigger on what the phase writes waits for it.
use constant LOCK => 20231;

my $node = start_node('main',
    conf => "restart_after_crash = on\nlog_min_messages = error\ntraining_workflow.allow_future_times = on\n");
my $dbname;
my $holder;

# psql's status, output and messages.
sub run_sql { my ($sql) = @_; return $node->psql($dbname, $sql) }

sub new_database {
    ($dbname) = @_;
    create_database($node, $dbname);
    in_database($node, $dbname);
    # What the audit draws would not be queued for a conflict as well.
    sql(<<"SQL");
        INSERT INTO review_policies (audit_rate_approved, audit_rate_review) VALUES (0, 0);
        CREATE FUNCTION wait_here() RETURNS trigger LANGUAGE plpgsql AS
            'BEGIN PERFORM pg_catalog.pg_advisory_xact_lock_shared(@{[ LOCK ]}); RETURN coalesce(NEW, OLD); END';
        CREATE FUNCTION break_here() RETURNS trigger LANGUAGE plpgsql AS
            \$\$ BEGIN RAISE EXCEPTION USING ERRCODE = 'TW001', MESSAGE = E'broken "by" the\\ttest'; END \$\$;
SQL
    return;
}

sub hold {
    $holder = $node->background_psql($dbname);
    $holder->query_safe("SELECT pg_advisory_lock(@{[ LOCK ]})");
    return;
}

sub let_go { $holder->quit; return }

# Starts a procedure in a session of its own, and comes back when that waits for the lock.
my ($running, $running_says);

sub start_until_held {
    my ($call, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;

    $running_says = '';
    $running = IPC::Run::start(
        [ 'psql', '-XAtq', '-v', 'VERBOSITY=verbose', '-c', $call, '-d',
            $node->connstr($dbname) . ' application_name=held' ],
        '<', \undef, '>', '/dev/null', '2>', \$running_says,
            IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
    ok($node->poll_query_until($dbname, "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE application_name = 'held'
        AND wait_event = 'advisory')"),
        "$name: it is held")
        or diag $running_says;
    return;
}

# Ends what was started: by pg_cancel_backend, pg_terminate_backend or an immediate restart of the server.
sub stop_it {
    my ($how, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;

    if ($how eq 'restart') {
        $node->stop('immediate');
        $node->start;
    }
    else {
        sql("SELECT $how(pid) FROM pg_stat_activity WHERE application_name = 'held'");
    }
    ok(!$running->finish, "$name: its client sees an error");
    like($running_says, $how eq 'pg_cancel_backend' ? qr/ERROR:  57014:/ : $how eq 'restart'
        ? qr/server closed the connection|terminating/ : qr/FATAL:  57P01:/,
        "$name: the one that it should");
    let_go();
    is(sql("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 3"), '0',
        "$name: and it holds no job");
    return;
}

# A conversation whose trigger did not fire: what a night's job has to make up for.
sub miss {
    my ($text, $at) = @_;
    return "SET session_replication_role = replica;
        INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider, created_at)
        SELECT 'missed', '$text', @{[ CONFIDENT ]}, $at; RESET session_replication_role;";
}

sub say {
    my ($text, $intent) = @_;
    return "INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider)
        VALUES ('s', '$text', '$intent', 0.95, 'indicbert');";
}

# Each phase: what makes it due, what it writes and where it is held, and what is true when it is done.
sub kill_in_each_phase {
    my ($job, $call, @phases) = @_;

    for my $number (0 .. $#phases) {
        my $phase  = $phases[$number];
        next if !$phase->{where};
        my $name   = "$job, $phase->{name}";
        my $before = join ', ', map { $_->{name} } @phases[ 0 .. $number - 1 ];
        my $runs   = "job_runs WHERE job_name = '$job'";

        sql("$phase->{due}; CREATE TRIGGER wait_here BEFORE $phase->{where} EXECUTE FUNCTION wait_here()");
        is(sql("SELECT $phase->{done}"), 'f', "$name: there is something to do");
        for my $how (@{ $phase->{kinds} // [qw(pg_terminate_backend pg_cancel_backend restart)] }) {
            my $last = sql("SELECT coalesce(max(id), 0) FROM $runs");
            hold();
            start_until_held($call, "$name, $how");
            is(sql(<<"SQL"), "running|$phase->{name}|$number|@{[ scalar @phases ]}|$before",
                SELECT status, phase, items_done, items_total, (SELECT string_agg(
                    k, ', ' ORDER BY array_position('{@{[ join ',', map { $_->{name} } @phases ]}}', k))
                                                         FROM jsonb_object_keys(details -> 'parts') k)
                FROM $runs AND id > $last
SQL
                "$name, $how: others see how far it is");
                my ($status, undef, $err) = run_sql($call);
            is($status, 0, "$name, $how: called again meanwhile it is no error");
            like($err, qr/NOTICE:  $job did nothing: another session is at it/, "$name, $how: but does nothing");
            is(sql("SELECT count(*) FROM $runs AND id > $last"), '1', "$name, $how: and leaves no row");
            if ($phase->{also}) {
                (undef, undef, $err) = run_sql("CALL $phase->{also}()");
                like($err, qr/NOTICE:  $phase->{also} did nothing/, "$name, $how: nor does the job that it calls");
            }
            stop_it($how, "$name, $how");
            is(sql("SELECT string_agg(status, ', ') FROM $runs AND id > $last"), 'running',
                "$name, $how: nobody had a chance to say that it died");
            is(sql("SELECT $phase->{done}"), 'f', "$name, $how: what it was at is not done");
            sql($phase->{between}) if $phase->{between};
        }
        sql("DROP TRIGGER wait_here ON @{[ $phase->{where} =~ /ON (\w+)/ ]}");

        my $last = sql("SELECT max(id) FROM $runs");
        my ($status, $out, $err) = run_sql("LISTEN training_workflow; $call; SELECT 1");
        is($status, 0, "$name: the next run goes through") or diag $err;
        like($out, qr/"job": "$job", .*"code": "57P01"|"code": "57P01", .*"job": "$job"/,
            "$name: whoever listens is told of those that died");
        is(sql("SELECT DISTINCT status, error_code, finished_at IS NOT NULL FROM $runs AND id <= $last AND (id = $last
            OR status = 'running')"), 'failed|57P01|t', "$name: and says of the others that they died");
        is(sql("SELECT status, items_done = items_total, phase IS NULL FROM $runs AND id > $last"),
            ($phase->{ends} // 'succeeded') . '|t|t', "$name: it does all parts");
        is(sql("SELECT $phase->{done}"), 't', "$name: what was due is done");
        sql($phase->{after}) if $phase->{after};
    }
    is(sql("SELECT count(*) FROM job_runs WHERE job_name = '$job' AND status = 'running'"), '0',
        "$job: in the end none is left as running");
    return;
}

# A closed port, and what points there. Port 9 is nobody's on a machine
# without old services; a refusal is all that is wanted.
my $nowhere = 'http://127.0.0.1:' . PostgreSQL::Test::Cluster::get_free_port();

# The daily job.
new_database('daily');
is(sql("SELECT count(*) FROM pg_extension WHERE extname = 'pg_cron'"), '0', 'there is no pg_cron here');
sql("CREATE SERVER label_studio FOREIGN DATA WRAPPER training_workflow_labelstudio OPTIONS (url '$nowhere');
     CREATE USER MAPPING FOR PUBLIC SERVER label_studio OPTIONS (token 'any')");
kill_in_each_phase('daily_training_capture',
    q{CALL daily_training_capture(at => clock_timestamp() + interval '10 days')},
    {
        name  => 'promotions',
        due   => miss('one', 'now()') . miss('two', "now() - interval '1 day'"),
        where => 'INSERT ON training_samples FOR EACH ROW',
        done  => q{count(*) = 2 FROM training_samples s JOIN conversation_logs c ON c.id = s.conversation_log_id
            WHERE c.session_id = 'missed'}
    },
    {
        name  => 'rollbacks',
        due   => q{SELECT register_model('cart-agent-v1.0.0', 'cart-agent', 'production'),
            register_model('cart-agent-v1.1.0', 'cart-agent');
                SELECT promote_model('cart-agent-v1.1.0', 'in a hurry');
                SELECT rollback_rollout('cart-agent', 'is bad');
                INSERT INTO conversation_logs(session_id, user_message, nlu_intent, nlu_confidence, nlu_provider,
                    nlu_model_version)
                   VALUES ('late', 'still on its way', 'intent.cart.item.add', 0.95, 'indicbert', 'cart-agent-v1.1.0')},
        where => q{UPDATE ON training_samples FOR EACH ROW WHEN (NEW.pending_reason IS NOT NULL)},
        done  => q{count(*) = 1 FROM training_samples WHERE pending_reason = 'cart-agent-v1.1.0 was rolled back'
            AND review_status = 'pending'}
    },
    {
        name  => 'erasures',
        due   => q{INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider)
            VALUES ('forgotten', 'said by somebody', 'intent.a.b', 0.95, 'indicbert');
            INSERT INTO erasures (kind, mode, reason, requested_by, key_salt, key_hashes)
            VALUES ('person', 'erase', 'was interrupted', 'dpo', '\x00', '{}');
            INSERT INTO erasure_rows (erasure_id, relation, row_id)
            SELECT (SELECT max(id) FROM erasures), 'conversation_logs', id FROM conversation_logs
            WHERE session_id = 'forgotten'},
        where => 'DELETE ON conversation_logs FOR EACH ROW',
        done  => q{NOT EXISTS (SELECT FROM conversation_logs WHERE session_id = 'forgotten')
            AND (SELECT count(*) FROM erasure_receipts) = 1}
    },
    {
        name  => 'audit',
        # In the week before the time of the run.
        due   => q{INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider,
            created_at)
                   VALUES ('lately', 'where is my ride', 'intent.ride.track', 0.95, 'indicbert',
                       now() + interval '8 days')},
        where => q{INSERT ON audited_versions FOR EACH ROW},
        done  => q{count(*) = 1 FROM audited_versions WHERE model_version = '*'}
    },
    {
        name  => 'conflicts',
        due   => say('contested', 'intent.a.b') . say('Contested!', 'intent.c.d'),
        where => q{UPDATE ON conversation_logs FOR EACH ROW WHEN (NEW.review_reason = 'label conflict')},
        done  => q{count(*) = 2 FROM conversation_logs WHERE review_reason = 'label conflict'}
    },
    {
        name  => 'labelstudio',
        due =>
            q{INSERT INTO labelstudio_projects (server_name, project_id, title) VALUES ('label_studio', 1, 'Nowhere')},
        where => q{INSERT ON job_runs FOR EACH ROW WHEN (NEW.job_name = 'labelstudio_sync')},
        done  => q{count(*) = 1 FROM job_runs WHERE job_name = 'labelstudio_sync' AND status = 'failed'
            AND error_code LIKE '08%'},
        after => 'UPDATE labelstudio_projects SET is_active = false'
    },
    {
        name => 'exports',
        due  => q{INSERT INTO training_export_jobs (format, filter, location, status, row_count, byte_count, sha256,
                finished_at)
            VALUES ('jsonl', '{"server": "gone"}', 's3://training/e.jsonl', 'succeeded', 1, 1, 'x', now());
            INSERT INTO erasure_exports (erasure_id, export_id, location, status)
            SELECT (SELECT max(id) FROM erasures), max(id), 's3://training/e.jsonl', 'pending'
            FROM training_export_jobs},
        where => q{INSERT ON job_runs FOR EACH ROW WHEN (NEW.job_name = 'delete_erased_exports')},
        also  => 'delete_erased_exports',
        done  => q{attempts = 1 AND last_error IS NOT NULL FROM erasure_exports},
        after => 'DELETE FROM erasure_exports'
    },
    {
        name  => 'statistics',
        due   => miss('later', "now() + interval '5 days'") . 'TRUNCATE daily_statistics',
        where => 'INSERT ON daily_statistics FOR EACH ROW',
        done  => q{count(*) > 1 FROM daily_statistics}
    },
    {
        name  => 'threshold',
        due   => q{SELECT set_training_setting('training_threshold', '1')},
        where => 'INSERT ON training_jobs FOR EACH ROW',
        done  => q{count(*) = 1 FROM training_jobs WHERE status = 'queued' AND trainer = 'built-in'}
    },
    {
        name  => 'retention',
        due   => q{SELECT set_training_setting('retain_conversations', '30');
            INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider,
                created_at)
            VALUES ('long ago', 'said long ago', 'intent.a.b', 0.95, 'indicbert', now() - interval '100 days')},
        where => q{INSERT ON job_runs FOR EACH ROW WHEN (NEW.job_name = 'purge_conversations')},
        also  => 'purge_conversations',
        done  => q{NOT EXISTS (SELECT FROM conversation_logs WHERE session_id = 'long ago')
            AND NOT EXISTS (SELECT FROM training_samples WHERE text = 'said long ago')},
        after => q{SELECT set_training_setting('retain_conversations', NULL)}
    },
    {
        name  => 'tidy',
        due =>
            q{INSERT INTO review_claims VALUES (1, 'somebody', now() - interval '90 days', now() - interval '89 days')},
        where => 'DELETE ON review_claims FOR EACH ROW',
        done  => q{NOT EXISTS (SELECT FROM review_claims)}
    });
is(sql(q{SELECT details -> 'parts' ->> 'labelstudio' LIKE 'failed: run %' FROM job_runs
    WHERE job_name = 'daily_training_capture' AND details -> 'parts' ->> 'labelstudio' LIKE 'failed%'}),
    't', 'a sync that failed is named with its run');

# A sync that died, or failed last night, is not the last one.
my $synced = q{SELECT details -> 'parts' ->> 'labelstudio' FROM job_runs WHERE job_name = 'daily_training_capture'
    ORDER BY id DESC LIMIT 1};
sql(q{UPDATE labelstudio_projects SET is_active = true; UPDATE job_runs
    SET started_at = started_at - interval '2 hours' WHERE job_name = 'labelstudio_sync';
      CREATE TRIGGER wait_here BEFORE UPDATE ON labelstudio_projects FOR EACH ROW EXECUTE FUNCTION wait_here()});
hold();
start_until_held('CALL daily_training_capture()', 'a sync');
stop_it('pg_terminate_backend', 'a sync');
sql('DROP TRIGGER wait_here ON labelstudio_projects');
is(sql(q{SELECT string_agg(status, ',' ORDER BY id) FROM job_runs WHERE job_name = 'labelstudio_sync'}),
    'failed,running', 'a sync that died');
run_sql('CALL daily_training_capture()');
like(sql($synced), qr/^failed: run \d+$/, 'is tried again the next night');
run_sql('CALL daily_training_capture()');
like(sql($synced), qr/^skipped: it is failing/, 'one that has just failed is not');
sql(q{UPDATE job_runs SET started_at = started_at - interval '2 hours' WHERE job_name = 'labelstudio_sync'});
run_sql('CALL daily_training_capture()');
like(sql($synced), qr/^failed: run \d+$/, 'one that failed last night is');
is(sql('SELECT count(*) FROM training_jobs'), '1', 'a training that waits is not asked for again');
integrity_is_empty($node, 'daily', 'after all these ends');

# The weekly job. A first version is live, and one that passed the gate waits for its rollout.
my @lines = map { my $n = $_; map { sprintf '{"text": "%s %d", "intent": "intent.%s", "split": "%s"}', $_->[0], $n,
    $_->[1], $n > 20 ? 'test' : 'train' }
        [ 'where is parcel', 'parcel.track' ], [ 'order pizza', 'food.order' ] } 1 .. 30;

sub learn_something {
    my $lines = join "\n", @lines;
    sql("SELECT import_training_samples(\$lines\$$lines\$lines\$); SELECT set_training_setting('min_test_samples',
        '10')");
    return;
}

new_database('weekly');
learn_something();
sql('SELECT train_model()');
is(sql(q{SELECT version, status FROM model_versions}), 'router-v1.0.0|production',
    'the first version that passes the gate is live');
kill_in_each_phase('weekly_model_training', q{CALL weekly_model_training(at => clock_timestamp() + interval '10 days')},
    {
        name  => 'export',
        due   => "CREATE SERVER store FOREIGN DATA WRAPPER training_workflow_s3 OPTIONS (endpoint '$nowhere',
            bucket 'bucket');
                  CREATE USER MAPPING FOR PUBLIC SERVER store OPTIONS (access_key_id 'a', secret_access_key 'b')",
        where => 'INSERT ON training_export_jobs FOR EACH ROW',
        done  => q{count(*) = 1 FROM training_export_jobs WHERE status = 'failed' AND error <> ''
            AND location LIKE '%exports/weekly/%.jsonl'},
        ends  => 'failed',
        after => 'DROP SERVER store CASCADE'
    },
    {
        name  => 'request',
        due => q{SELECT set_training_setting('min_new_samples', '1')} . ';'
            . say('one more pizza', 'intent.food.order'),
        where => 'INSERT ON training_jobs FOR EACH ROW',
        done  => q{count(*) = 1 FROM training_jobs WHERE status = 'succeeded'
            AND result ->> 'gate_decision' = 'failed' AND worker <> 'train_model'}
    },
    {
        # The third try is the last, and a job that runs counts as alive for ten seconds.
        name    => 'training',
        also    => 'run_training_jobs',
        due     => say('yet another pizza', 'intent.food.order'),
        where   => 'INSERT ON model_artifacts FOR EACH ROW',
        kinds   => [qw(pg_cancel_backend restart)],
        between => q{UPDATE training_jobs SET started_at = started_at - interval '1 minute' WHERE status = 'running'},
        done    => q{count(*) = 1 FROM training_jobs WHERE status = 'succeeded' AND attempt = 3}
    },
    {
        name  => 'rollout',
        due   => q{INSERT INTO model_versions (version, model_type, gate_decision, gate_reason, base_version)
                   VALUES ('router-v7.0.0', 'router', 'passed', 'better', 'router-v1.0.0')},
        where => 'INSERT ON rollouts FOR EACH ROW',
        also  => 'check_rollouts',
        done  => q{count(*) = 1 FROM rollouts WHERE version = 'router-v7.0.0' AND status = 'running'}
    },

    # It writes no row, and so cannot be held: see 040_publish_report.pl.
    { name => 'report' });
is(sql(q{SELECT DISTINCT status FROM job_runs WHERE job_name IN ('run_training_jobs', 'check_rollouts')
    AND error_code = '57P01'}), 'failed', 'the jobs that it calls died as well');
is(sql(q{SELECT count(*) FROM training_jobs WHERE status IN ('queued', 'running')}), '0', 'no training is left over');
is(sql(q{SELECT string_agg(DISTINCT status, ',') FROM model_versions WHERE version NOT IN ('router-v1.0.0',
    'router-v7.0.0')}), 'rejected', 'and no version');
integrity_is_empty($node, 'weekly', 'after all these ends');

# A part that fails leaves the others done, and somebody is told.
new_database('broken');
sql(miss('promote me', 'now()') . say('contested', 'intent.a.b') . say('contested', 'intent.c.d'));
sql('CREATE TRIGGER break_here BEFORE UPDATE ON conversation_logs
        FOR EACH ROW WHEN (NEW.review_reason = \'label conflict\') EXECUTE FUNCTION break_here()');
my ($status, $out, $err) = run_sql('LISTEN training_workflow; CALL daily_training_capture(); SELECT 1');
is($status, 0, 'a job one of whose parts fails raises no error');
like($err, qr/WARNING:  daily_training_capture: part conflicts failed: broken "by" the\ttest/, 'but a warning');
my ($payload) = $out =~ /notification "training_workflow" with payload "(.*)" received/;
is($node->safe_psql('broken', q{SELECT :'payload'::jsonb ->> 'event', :'payload'::jsonb ->> 'job',
    :'payload'::jsonb ->> 'code', :'payload'::jsonb ->> 'reason'},
        extra_params => [ '-v', 'payload=' . ($payload // '{}') ]),
    "job failed|daily_training_capture|TW001|conflicts: broken \"by\" the\ttest", 'whoever listens is told in JSON')
    or diag $out;
is(sql(q{SELECT status, error_code, error_message, items_done, details -> 'parts' ->> 'conflicts' FROM job_runs
    WHERE job_name = 'daily_training_capture'}),
    "failed|TW001|conflicts: broken \"by\" the\ttest|11|failed: broken \"by\" the\ttest",
        'its row names the part and the error');
is(sql(q{SELECT string_agg(p.key, ', ' ORDER BY p.key) FROM job_runs, jsonb_each_text(details -> 'parts') p
    WHERE job_name = 'daily_training_capture' AND p.value = 'succeeded'}),
    'audit, erasures, promotions, rollbacks, statistics, threshold, tidy', 'the other parts are done');
is(sql(q{SELECT count(*) FROM training_samples s JOIN conversation_logs c ON c.id = s.conversation_log_id
    WHERE c.user_message = 'promote me'}), '1', 'as one sees');
sql('DROP TRIGGER break_here ON conversation_logs');
sql('CALL daily_training_capture()');
is(sql(q{SELECT status, error_code, details -> 'conflicts queued' FROM job_runs
    WHERE job_name = 'daily_training_capture' ORDER BY id DESC LIMIT 1}), 'succeeded||2', 'the next run is unharmed');

# The weekly job goes on with what can be done, too.
sql('CREATE TRIGGER break_here BEFORE INSERT ON training_jobs FOR EACH ROW EXECUTE FUNCTION break_here()');
sql(q{SELECT set_training_setting('min_new_samples', '1')});
($status, $out, $err) = run_sql('LISTEN training_workflow; CALL weekly_model_training(); SELECT 1');
is(sql(q{SELECT status, error_code, items_done, details -> 'parts' ->> 'request',
    details -> 'parts' ->> 'rollout' LIKE 'succeeded%' FROM job_runs WHERE job_name = 'weekly_model_training'}),
    "failed|TW001|5|failed: broken \"by\" the\ttest|t", 'weekly: a part that fails leaves the others done');
like($out, qr/with payload "\{.*"event": "job failed".*\}" received/, 'weekly: and somebody is told');
sql('DROP TRIGGER break_here ON training_jobs');

# Missed nights: three days that nobody filtered, one run.
new_database('missed');
sql(join '', map { miss("day $_", "now() - interval '$_ days'") } 1 .. 3);
sql('CALL daily_training_capture()');
is(sql('SELECT count(*), count(DISTINCT c.created_on) FROM training_samples s
    JOIN conversation_logs c ON c.id = s.conversation_log_id'), '3|3', 'one run makes up for three days');
is(sql('SELECT sum(conversations), count(*) FROM daily_statistics'), '3|3', 'with their statistics');
is(sql(q{SELECT conversations FROM daily_training_stats WHERE date < CURRENT_DATE ORDER BY date}), "1\n1\n1",
    'as everybody sees them');

# The threshold is counted once, however often the job runs: while a training
# waits, while it runs, and after the gate rejected it.
new_database('threshold');
learn_something();
sql(q{SELECT train_model(); SELECT set_training_setting('training_threshold', '3')});
sql(say("pizza number $_", 'intent.food.order')) for 1 .. 2;
my $trainings = q{SELECT count(*) FROM training_jobs WHERE worker IS DISTINCT FROM 'train_model'};
sql('CALL daily_training_capture()');
is(sql($trainings), '0', 'two new samples of three are too few');
sql(say('pizza number 3', 'intent.food.order'));
sql('CALL daily_training_capture()') for 1 .. 3;
is(sql($trainings), '1', 'three ask for one training, however often one looks');
sql('CREATE TRIGGER wait_here BEFORE INSERT ON model_artifacts FOR EACH ROW EXECUTE FUNCTION wait_here()');
hold();
start_until_held('CALL run_training_jobs()', 'a training');
sql('CALL daily_training_capture()') for 1 .. 2;
is(sql("$trainings AND status = 'running'"), '1', 'while it runs none is asked for');
like((run_sql('CALL run_training_jobs()'))[2], qr/NOTICE:  run_training_jobs did nothing: another session is at it/,
    'two runs of the trainer do not meet');
is(sql(q{SELECT phase LIKE 'job %: train router-v1.1.0', items_total FROM job_runs
    WHERE job_name = 'run_training_jobs' AND status = 'running'}), 't|1', 'others see what it trains');
let_go();
ok($running->finish, 'the training ends');
is(sql(q{SELECT status, result ->> 'gate_decision' FROM training_jobs WHERE worker <> 'train_model'}),
    'succeeded|failed', 'the gate rejects what is no better');
sql('CALL daily_training_capture(); CALL weekly_model_training()');
is(sql($trainings), '1', 'and they are not counted again');
sql(say("another pizza $_", 'intent.food.order')) for 1 .. 3;
sql('CALL daily_training_capture()') for 1 .. 2;
is(sql($trainings), '2', 'three others are');

# auto_deploy off: what passed the gate waits for a person.
sql(q{DROP TRIGGER wait_here ON model_artifacts; SELECT set_training_setting('auto_deploy', 'off');
      INSERT INTO model_versions (version, model_type, gate_decision, gate_reason, base_version)
          VALUES ('router-v7.0.0', 'router', 'passed', 'better', 'router-v1.0.0')});
sql('CALL weekly_model_training()');
is(sql(q{SELECT (SELECT status FROM model_versions WHERE version = 'router-v7.0.0'), count(*) FROM rollouts}),
    'candidate|0', 'auto_deploy off: nothing is rolled out');
sql(q{SELECT set_training_setting('auto_deploy', 'on')});
sql('CALL weekly_model_training()');
is(sql(q{SELECT (SELECT status FROM model_versions WHERE version = 'router-v7.0.0'), count(*) FROM rollouts}),
    'canary|1', 'auto_deploy on: it is');

# A restored copy does nothing until somebody says that it took over.
my $before = sql('SELECT count(*) FROM job_runs');
sql(q{UPDATE training_settings SET value = 'elsewhere' WHERE name = 'installation'});
for my $job (
    qw(daily_training_capture weekly_model_training labelstudio_sync run_training_jobs check_rollouts seal_audit))
{
    like((run_sql("CALL $job()"))[2], qr/^[^\n]*WARNING:  $job did nothing: this database is a restored copy/,
        "a restored copy: $job does nothing");
}
is(sql('SELECT count(*) FROM job_runs'), $before, 'a restored copy: no run is written down');
is(sql('SELECT adopt_installation()'), 't', 'somebody takes it over');
is((run_sql('CALL daily_training_capture()'))[2], '', 'and the job runs');
is(sql('SELECT count(*) FROM job_runs'), $before + 1, 'with a row');

# Jobs commit, so that they cannot run inside a transaction; and nobody does a step of somebody else's run.
sqlstate_is($node, 'threshold', "BEGIN; CALL $_(); COMMIT", '2D000', "$_ in a transaction")
    for qw(daily_training_capture weekly_model_training run_training_jobs check_rollouts seal_audit);
is(sql("SELECT count(*) FROM job_runs WHERE status = 'running'"), '0', 'leaves nothing behind');
sqlstate_is($node, 'threshold', q{SELECT tw_job_step((SELECT max(id) FROM job_runs), '{"part": "tidy"}', NULL)},
    '55000', 'a step by hand is refused');

# Label Studio and the object store are down for a day: the jobs say so, capture goes on, and people review here.
new_database('down');
learn_something();
sql('SELECT train_model()');
sql(<<"SQL");
    CREATE SERVER label_studio FOREIGN DATA WRAPPER training_workflow_labelstudio OPTIONS (
        url '$nowhere', connect_timeout '1');
    CREATE USER MAPPING FOR PUBLIC SERVER label_studio OPTIONS (token 'any');
    CREATE SERVER store FOREIGN DATA WRAPPER training_workflow_s3 OPTIONS (
        endpoint '$nowhere', bucket 'bucket', connect_timeout '1');
    CREATE USER MAPPING FOR PUBLIC SERVER store OPTIONS (access_key_id 'a', secret_access_key 'b');
    INSERT INTO labelstudio_projects (server_name, project_id, title) VALUES ('label_studio', 1, 'Nowhere');
    SELECT set_training_setting('min_new_samples', '1'), set_training_setting('training_threshold', '5');
SQL
for my $hour (1, 2) {
    sql(join '', map { say("pizza $hour $_", 'intent.food.order') } 1 .. 5);
    sql("INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider)
        VALUES ('s', 'waits $hour', 'intent.food.order', 0.5, 'indicbert')");
    ($status, $out, $err) = run_sql("CALL labelstudio_sync(); CALL run_training_jobs(); CALL check_rollouts();"
            . ($hour % 2 ? 'CALL daily_training_capture();' : 'CALL weekly_model_training();'));
    is($status, 0, "down, hour $hour: no job raises an error");
    like($err, qr/WARNING/, "down, hour $hour: they warn");
}
is(sql(q{SELECT count(*), count(*) FILTER (WHERE review_status = 'auto-approved'),
    count(*) FILTER (WHERE review_priority = 1) FROM conversation_logs}), '12|10|2', 'down: capture went on');
is(sql(q{SELECT job_name, string_agg(DISTINCT status, ',' ORDER BY status), string_agg(DISTINCT left(error_code, 2),
    ',') FROM job_runs
         WHERE job_name <> 'promotion' GROUP BY 1 ORDER BY 1}),
    "check_rollouts|succeeded|\ndaily_training_capture|succeeded|\nlabelstudio_sync|failed|08\n"
            . "run_training_jobs|succeeded|\nstore_model_artifacts|failed|08\nweekly_model_training|failed|08",
    'down: those that need the other server failed, and no others');
is(sql(q{SELECT count(*) FROM claim_reviews(10) WHERE text LIKE 'waits%'}), '2', 'down: people can review here');
is(sql('SELECT count(*) FROM labelstudio_tasks'), '0', 'down: nothing is thought to be over there');
is(sql(q{SELECT DISTINCT details -> 'parts' ->> 'request' <> ''
    AND details -> 'parts' ->> 'training' LIKE 'succeeded%' FROM job_runs WHERE job_name = 'weekly_model_training'}),
        't', 'down: models are trained');
is(sql(q{SELECT version FROM live_model_at('router', now())}), 'router-v1.0.0', 'down: what was live is live');
is(sql(q{SELECT count(*) FROM rollouts}), '0', 'down: and nothing that is not stored is rolled out');
integrity_is_empty($node, 'down', 'in the end');

$node->stop;
done_testing();
