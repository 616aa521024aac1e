# 039_progress.pl - training_progress shows the work of other sessions before they commit, and forgets it when they end,
# well or badly.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TW::Database;
use TW::Util;

my $node = start_node('main');
create_database($node, 'chat');
in_database($node, 'chat');

# Where a session stops: at a lock that the test holds.
sql(<<'SQL');
    CREATE ROLE watcher LOGIN;
    SELECT grant_training_role('watcher', 'analyst');
    CREATE ROLE officer LOGIN;
    SELECT grant_training_role('officer', 'operator');
    CREATE FUNCTION stop_here() RETURNS trigger LANGUAGE plpgsql SET search_path = public AS $$
    BEGIN
        IF current_setting('test.stop', true) = TG_TABLE_NAME THEN
            PERFORM pg_advisory_xact_lock_shared(4711);
        END IF;
        RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
    END $$;
    CREATE TRIGGER stop_here BEFORE INSERT ON training_samples FOR EACH STATEMENT EXECUTE FUNCTION stop_here();
    CREATE TRIGGER stop_here AFTER DELETE ON conversation_logs FOR EACH ROW WHEN (OLD.id = 1500)
        EXECUTE FUNCTION stop_here();
    INSERT INTO conversation_logs (session_id, user_id, user_message, nlu_intent, nlu_confidence, nlu_provider)
    SELECT 's' || g / 10, 'asha', 'message ' || g, 'intent.food.order', 0.3, 'indicbert'
    FROM generate_series(1, 2500) g;
SQL

my $gate = $node->background_psql('chat');
my $columns = "kind, item, items_done, items_total, round(percent::numeric, 1), started_at <= clock_timestamp(),
               estimated_end >= started_at, pid IS NOT NULL, reason";
sub progress {
    return sql_as('watcher', "SELECT $columns FROM training_progress");
}

# Runs a statement up to its stop, gives what others see then, and lets it go on or ends it.
sub watch {
    my ($sql, %option) = @_;
    $gate->query_safe('SELECT pg_advisory_lock(4711)');
    my @user    = defined $option{user} ? ('-U', $option{user}) : ();
    my $program = start_program([ 'psql', '-XAtq', @user, '-d', $node->connstr('chat'), '-c', $sql ],
        env => { PGOPTIONS => "-c test.stop=$option{stop}" });
    for (1 .. 600) {
        last if sql("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 4711 AND NOT granted");
        $program->{run}->pump_nb if $program->{run}->pumpable;
        die "it never stopped: $program->{err}" if $program->{err} =~ /ERROR/;
        select undef, undef, undef, 0.05;
    }
    my $seen = progress();
    sql("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND objid = 4711 AND NOT granted")
        if $option{end};
    $gate->query_safe('SELECT pg_advisory_unlock(4711)') if !$option{end};
    $program->{run}->finish;
    $gate->query_safe('SELECT pg_advisory_unlock(4711)') if $option{end};
    return $seen;
}

is(progress(), '', 'nothing goes on');

my $lines = "SELECT string_agg(format('{\"text\": \"phrase %s\", \"intent\": \"intent.food.order\"}', g), E'\\n')
             FROM generate_series(1, 1500) g";
is(watch("SELECT inserted FROM import_training_samples(($lines), 'manual')", stop => 'training_samples'),
    'import||1000|1500|66.7|t|t|t|', 'an import is seen while it stores, with its lines');
is(progress(), '', 'and is gone when it has ended');

is(sql('SELECT count(*) > 1000 FROM export_training_samples()'), 't', 'an export runs');
is(progress(), '', 'and leaves nothing behind');

my $forget = "SELECT count(*) FROM forget_user(user_id => 'asha')";
is(watch($forget, stop => 'conversation_logs', user => 'officer', end => 1),
    'erasure|erasure 1|1000|2500|40.0|t|t|t|', 'an erasure is seen in its middle');
is(progress(), '', 'an erasure whose session was ended is undone, and no longer seen');

is( watch("CALL forget_user_in_batches(user_id => 'asha')", stop => 'conversation_logs', user => 'officer', end => 1),
    'erasure|erasure 2|1000|2500|40.0|t|t|t|', 'one in batches is seen too');
is(progress(), 'erasure|erasure 2|1000|2500|40.0|t||f|no session works on it: CALL finish_erasures()',
    'when its session was ended, the rest is there, and what to do');
sql('CALL finish_erasures()');
is(progress(), '', 'then it is done');

# An error that is caught in a subtransaction makes the server forget the report; the next one begins again.
is( sql(<<'SQL'), "import|5|10\nimport|7|10", 'a report goes on after an error that was caught');
    DO $$ BEGIN PERFORM tw_report_progress('import', NULL, 5, 10); END $$;
    SELECT work, done, total FROM tw_work_in_progress();
    DO $$ BEGIN PERFORM 1 / 0; EXCEPTION WHEN division_by_zero THEN NULL; END $$;
    DO $$ BEGIN PERFORM tw_report_progress('import', NULL, 7, 10); END $$;
    SELECT work, done, total FROM tw_work_in_progress();
SQL

# It is none of the server's own commands.
is( sql(<<'SQL'), '0', 'the views of the server show nothing of it');
    DO $$ BEGIN PERFORM tw_report_progress('import', NULL, 5, 10); END $$;
    SELECT (SELECT count(*) FROM pg_stat_progress_copy) + (SELECT count(*) FROM pg_stat_progress_vacuum)
         + (SELECT count(*) FROM pg_stat_progress_create_index);
SQL

# What a worker sends is its own: no figure of it ends the view, and no name is longer than a line.
sql(<<'SQL');
    INSERT INTO training_jobs (model_type, status, started_at, progress, lease_expires_at, heartbeat_at, worker)
    SELECT 'type-' || n, 'running', now() - interval '30 days', p, 'infinity', now(), 'w'
    FROM unnest(ARRAY[
        '{"done": 1, "total": 999999999999999}', '{"done": 0, "total": 10}', '{"done": 5, "total": 0}',
        '{"done": 20, "total": 10}', '{"done": -1, "total": 1e400}', '{"done": "x", "total": 5}', '[1]', '"text"',
        '{"phase": ["a"], "done": 9999999999999999999, "total": 1}',
        jsonb_build_object('phase', repeat('call 98765 43210 ', 100), 'done', 3, 'total', 12)]::jsonb[])
        WITH ORDINALITY AS x (p, n);
SQL
is( sql_as('watcher', q{SELECT item, items_done, items_total, round(percent::numeric, 1), estimated_end IS NULL,
        length(phase) < 210, phase ~ '43210', reason FROM training_progress ORDER BY substring(item FROM '\d+')::int}),
    join("\n",
        'job 1 of type-1|1|999999999999999|0.0|t|||at this pace it takes more than ten years',
        'job 2 of type-2|0|10|0.0|t|||nothing is done yet',
        'job 3 of type-3|5|0||t|||there is nothing to do',
        'job 4 of type-4|20|10|100.0|f|||',
        'job 5 of type-5||||t|||how much there is to do is not known',
        'job 6 of type-6||5||t|||how much is done is not known',
        'job 7 of type-7||||t|||how much there is to do is not known',
        'job 8 of type-8||||t|||how much there is to do is not known',
        'job 9 of type-9||1||t|t|f|how much is done is not known',
        'job 10 of type-10|3|12|25.0|f|t|f|'),
    'workers may send what they like');
sql('DELETE FROM training_jobs');

# A job's run.
sql(<<'SQL');
    INSERT INTO job_runs (job_name, phase, items_done, items_total) VALUES ('daily_training_capture', 'audit', 3, 12);
SQL
like(progress(), qr/^job\|daily_training_capture\|3\|12\|25\.0\|t\|\|f\|its session is gone/,
    'a job whose session is gone');
sql(q{UPDATE job_runs SET status = 'failed', finished_at = now() WHERE status = 'running'});
$gate->quit;
$node->stop;

done_testing();
