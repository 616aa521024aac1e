# 020_pg_cron.pl - pg_cron really runs the jobs, as the role that scheduled them; where it cannot, job_health says why.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TW::Util;

use constant {
    DATABASE => 'bot',
    JOBS     => [
        qw(daily_training_capture weekly_model_training labelstudio_sync run_training_jobs check_rollouts seal_audit)
    ],
    # How long pg_cron may take to run what ticks every minute.
    PATIENCE => 130
};

sub sql {
    my ($node, $sql, $database) = @_;
    return $node->safe_psql($database // DATABASE, qq{SET search_path = "My Training", public;\n$sql});
}

# As a role that pg_hba.conf need not let in.
sub sql_as {
    my ($node, $role, $sql) = @_;
    return sql($node, "SET ROLE $role;\n$sql");
}

# A statement that says something beside its result.
sub says {
    my ($node, $sql, $words, $name, $database) = @_;
    my ($status, $out, $err) = $node->psql($database // DATABASE, qq{SET search_path = "My Training", public;\n$sql});
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    like($err, $words, $name);
    return $out;
}

sub health_is {
    my ($node, $state, $advice, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my ($got, $says) = split /\|/, sql($node, q{SELECT state, advice FROM job_health WHERE job_name = 'all'}), 2;
    is($got, $state, "$name: state");
    like($says, $advice, "$name: advice");
    return;
}

sub fails {
    my ($node, $sql, $sqlstate, $words, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $err = sqlstate_is($node, DATABASE, qq{SET search_path = "My Training", public;\n$sql}, $sqlstate, $name);
    like($err, $words, "$name: it says what to do");
    return;
}

sub restart_with {
    my ($node, %setting) = @_;
    $node->append_conf('postgresql.conf', join('', map { "$_ = '$setting{$_}'\n" } sort keys %setting));
    $node->restart;
    return;
}

# pg_cron's entries: what they say, and (with xmin) whether anybody has touched them.
sub entries {
    my ($node, $columns) = @_;
    return sql($node, "SELECT $columns FROM cron.job ORDER BY jobid");
}

# Every entry of ours ticks every minute from now on.
sub hurry {
    my ($node) = @_;
    return sql($node, "SELECT count(cron.alter_job(jobid, schedule => '* * * * *')) FROM cron.job
        WHERE jobname LIKE 'training_workflow %'");
}

sub prepare {
    my ($name, %option) = @_;
    my $node = start_node($name, %option);
    create_database($node, DATABASE, 'My Training');
    $node->safe_psql('postgres', 'CREATE DATABASE elsewhere');
    sql($node, qq{CREATE ROLE $_ LOGIN; SELECT grant_training_role('$_', 'operator')}) for qw(tw_operator tw_other);
    return $node;
}

my ($found, $sharedir) = run_program('pg_config', '--sharedir');
chomp $sharedir;
plan skip_all => 'pg_cron is not installed' unless -e "$sharedir/extension/pg_cron.control";

# Two servers: pg_cron opens client sessions on one, and background workers on the other.
my $node    = prepare('main', streaming => 1);
my $workers = prepare('workers');

# No pg_cron at all.
health_is($node, 'no pg_cron',
    qr/^this\ server\ runs\ without\ pg_cron:\ set\ shared_preload_libraries\ =\ 'pg_cron'
        \ and\ cron\.database_name\ =\ 'bot',\ restart/x,
    'no pg_cron');
my $out = says($node, q{SELECT count(*), count(*) FILTER (WHERE done), count(DISTINCT statement) FROM schedule_jobs()},
    qr/NOTICE:\ \ this\ server\ runs\ without\ pg_cron:\ nothing\ was\ scheduled\n
        HINT:\ \ Set\ shared_preload_libraries\ =\ 'pg_cron'\ and\ cron\.database_name\ =\ 'bot',\ /x,
    'no pg_cron: schedule_jobs() says so');
is($out, '6|0|6', 'no pg_cron: and returns the statements');
says($node, 'SELECT unschedule_jobs()', qr/NOTICE:  this server runs without pg_cron: nothing was unscheduled/,
    'no pg_cron: unschedule_jobs() says so');

# pg_cron in another database: the statements are to be run there. Another installation's do not collide with them.
restart_with($node, shared_preload_libraries => 'pg_cron', 'cron.database_name' => 'elsewhere',
    'cron.host' => $node->host);
$node->safe_psql('elsewhere', 'CREATE EXTENSION pg_cron');
create_database($node, 'bot2', 'My Training');
health_is($node, 'pg_cron elsewhere', qr/^pg_cron works in database "elsewhere": run there.*schedule_jobs\(\)/,
    'elsewhere');
for my $database (DATABASE, 'bot2') {
    my $role = $database eq DATABASE ? 'tw_operator' : 'postgres';
    for my $round (1, 2) {
        my $statements = says($node, "SET ROLE $role; SELECT statement FROM schedule_jobs('Asia/Kolkata')",
            qr/NOTICE:  pg_cron works in database "elsewhere": nothing was scheduled\nHINT:  Run the statements there/,
            "elsewhere: $database, $round: it says so", $database);
        $node->safe_psql('elsewhere', $statements);
    }
    is(
        $node->safe_psql('elsewhere',
            "SELECT string_agg(schedule || ' ' || jobname, ', ' ORDER BY jobid) FROM cron.job
                WHERE database = '$database' AND username = '$role'"),
        "*/15 * * * * training_workflow $database: daily_training_capture, "
            . "*/15 * * * * training_workflow $database: weekly_model_training, "
            . "*/5 * * * * training_workflow $database: labelstudio_sync, "
            . "*/5 * * * * training_workflow $database: run_training_jobs, "
            . "*/5 * * * * training_workflow $database: check_rollouts, "
            . "*/5 * * * * training_workflow $database: seal_audit",
        "elsewhere: $database: the statements make six entries, however often they are run"
    );
}
fails($node, 'ALTER ROLE tw_operator NOLOGIN; SET ROLE tw_operator; SELECT schedule_jobs()', '55000',
    qr/HINT:.*ALTER ROLE tw_operator LOGIN/,
    'elsewhere: a role that cannot log in');
sql($node, 'ALTER ROLE tw_operator LOGIN');
$node->safe_psql(
    'elsewhere',
    says(
        $node, 'SELECT statement FROM unschedule_jobs()', qr/nothing was unscheduled/,
        'elsewhere: unschedule_jobs() says so'));
is($node->safe_psql('elsewhere', q{SELECT count(*), count(*) FILTER (WHERE database = 'bot2') FROM cron.job}), '6|6',
    'elsewhere: its statements remove ours alone');

# Here, first not installed, then installed.
restart_with($node, shared_preload_libraries => 'pg_cron', 'cron.database_name' => DATABASE,
    'cron.host' => $node->host);
restart_with($workers, shared_preload_libraries => 'pg_cron', 'cron.database_name' => DATABASE,
    'cron.use_background_workers' => 'on');
health_is($node, 'no pg_cron', qr/^pg_cron is loaded but not installed: CREATE EXTENSION pg_cron;/, 'not installed');
says($node, 'SELECT schedule_jobs()',
    qr/NOTICE:  pg_cron is not installed in this database: nothing was scheduled\nHINT:  Run CREATE EXTENSION pg_cron/,
    'not installed: schedule_jobs() says so');
sql($_, 'CREATE EXTENSION pg_cron') for $node, $workers;
health_is($node, 'not scheduled', qr/^SELECT \* FROM schedule_jobs\(\)$/, 'installed');
is(sql($node, q{SELECT count(*) FROM job_health WHERE state = 'not scheduled' AND schedule = 'not scheduled'}), '6',
    'installed: nothing is scheduled by itself');

# Rights.
fails($node, 'SET ROLE tw_operator; SELECT schedule_jobs()', '42501',
    qr/HINT:  Run GRANT USAGE ON SCHEMA cron TO tw_operator; as a superuser/, 'no right to the schema');
fails($node, 'SET ROLE tw_operator; SELECT unschedule_jobs()', '42501',
    qr/HINT:.*GRANT USAGE ON SCHEMA cron TO tw_operator;/, 'nor to remove');
is(sql_as($node, 'tw_operator', q{SELECT count(*) FROM job_health WHERE schedule = 'not scheduled'}), '6',
    'job_health tells an operator without rights on pg_cron');
sql($_, 'GRANT USAGE ON SCHEMA cron TO tw_operator, tw_other') for $node, $workers;
sql($node, 'REVOKE EXECUTE ON FUNCTION cron.schedule(text, text, text) FROM PUBLIC');
fails($node, 'SET ROLE tw_operator; SELECT schedule_jobs()', '42501',
    qr/HINT:.*GRANT EXECUTE ON FUNCTION cron\.schedule\(text, text, text\) TO tw_operator;/,
        'no right to the function');
sql($node, 'GRANT EXECUTE ON FUNCTION cron.schedule(text, text, text) TO PUBLIC');

# Scheduled, as the operator; again; in another zone.
my $scheduled = q{SELECT string_agg(what, ', ') FROM schedule_jobs('%s')};
sql_as($node, 'tw_operator', q{SELECT cron.schedule('my own', '0 0 1 1 *', 'SELECT 1')});
is(sql_as($node, 'tw_operator', sprintf($scheduled, 'Asia/Kolkata')), join(', ', ('scheduled') x 6), 'scheduled');
is(
    sql_as($node, 'tw_operator',
        q{SELECT string_agg(schedule || ' ' || command, ', ' ORDER BY jobid) FROM cron.job WHERE jobname <> 'my own'}),
    join(
        ', ',
        map {
            sprintf '*/%s * * * * CALL "My Training".tw_run_job(\'%s\'::text, %s::text, NULL::timestamptz)',
                /daily|weekly/
                ? (15, $_, q{'Asia/Kolkata'})
                : (5, $_, 'NULL')
        } @{ (JOBS) }),
    'the entries, seen as the operator'
);
my $before = entries($node, 'jobid, xmin, job');
is(sql_as($node, 'tw_operator', sprintf($scheduled, 'Asia/Kolkata')), join(', ', ('unchanged') x 6), 'scheduled again');
is(entries($node, 'jobid, xmin, job'), $before, 'nothing was touched');
my $ids = entries($node, 'jobid');
is(sql_as($node, 'tw_operator', sprintf($scheduled, 'Europe/Berlin')),
    'changed, changed, unchanged, unchanged, unchanged, unchanged', 'another zone');
is(entries($node, 'jobid'), $ids, 'the entries keep their ids');
is(sql($node, q{SELECT string_agg(jobname || ' ' || schedule, ', ' ORDER BY jobid) FROM cron.job
    WHERE command LIKE '%Europe/Berlin%'}),
    'training_workflow bot: daily_training_capture */15 * * * *, '
        . 'training_workflow bot: weekly_model_training */15 * * * *', 'which is their argument');
is(sql($node, q{SELECT count(*), bool_and(time_zone = 'Europe/Berlin' AND scheduled_by = 'tw_operator'
    AND next_run = tw_due_time(job_name, 'Europe/Berlin', now(), true))
               FROM job_health WHERE schedule = '*/15 * * * *'}), '2|t', 'job_health: when they are due next, there');
is(sql($node, q{SELECT bool_and(next_run > now() AND next_run <= now() + interval '5 minutes') FROM job_health
    WHERE schedule = '*/5 * * * *'}), 't',
    'and the others within five minutes');
health_is($node, 'waiting', qr/not every job has had its time yet/, 'scheduled');

# What the former version told pg_cron is replaced: times that were converted, procedures by their names.
sql($node, q{SELECT cron.alter_job(jobid, schedule => '30 20 * * *',
    command => 'CALL "My Training".daily_training_capture(NULL::text, NULL::timestamptz)')
             FROM cron.job WHERE command LIKE '%daily_training_capture%'});
is(sql($node, q{SELECT schedule, time_zone IS NULL, next_run IS NULL, state FROM job_health
    WHERE job_name = 'daily_training_capture'}), '30 20 * * *|t|t|never ran',
    'an entry of the former version: job_health shows it');
is(sql_as($node, 'tw_operator', sprintf($scheduled, 'Europe/Berlin')),
    'changed, unchanged, unchanged, unchanged, unchanged, unchanged', 'an entry of the former version: replaced');
is(entries($node, 'jobid'), $ids, 'an entry of the former version: it keeps its id');

# Another role finds them there.
is(
    sql_as($node, 'postgres',
        q{SELECT string_agg(DISTINCT concat_ws(' ', done, what), ', ') FROM schedule_jobs('Europe/Berlin')}),
    't role "tw_operator" has scheduled it', 'another role: they are there'
);
is(
    sql_as($node, 'tw_other',
        q{SELECT string_agg(concat_ws(' ', done, what), ', ' ORDER BY job_name) FROM unschedule_jobs()}),
    join(', ', ('f it is of role "tw_operator"') x 6), 'another role cannot remove them'
);
sql($node, sql_as($node, 'tw_other', q{SELECT statement FROM schedule_jobs('UTC') WHERE NOT done}));
is(sql($node, q{SELECT count(*), count(*) FILTER (WHERE username = 'tw_operator'),
    count(*) FILTER (WHERE command LIKE '%''UTC''%') FROM cron.job}),
    '7|7|2', 'but it gets statements that a superuser changes them with');

# Switched off; a role that cannot log in.
sql($node, q{SELECT cron.alter_job(jobid, active => false) FROM cron.job WHERE command LIKE '%check_rollouts%'});
health_is($node, 'inactive', qr/^it was switched off: SELECT cron\.alter_job\(\d+, active => true\)$/, 'inactive');
is(sql($node, q{SELECT next_run IS NULL FROM job_health WHERE job_name = 'check_rollouts'}), 't',
    'inactive: it has no next run');
my $switch_on = sql_as($node, 'tw_operator', q{SELECT statement FROM schedule_jobs('UTC') WHERE NOT done});
is(sql($node, q{SELECT count(*) FROM cron.job WHERE NOT active}), '1', 'inactive: schedule_jobs() leaves it so');
sql($node, $switch_on);
is(sql($node, q{SELECT count(*) FROM cron.job WHERE NOT active}), '0', 'inactive: but says how to change that');
sql($node, 'ALTER ROLE tw_operator NOLOGIN');
health_is($node, 'no login',
    qr/^pg_cron runs it as role tw_operator, which cannot log in: ALTER ROLE tw_operator LOGIN/, 'no login');
sql($node, 'ALTER ROLE tw_operator LOGIN');

# Now every minute. One job's role is not let in on one server; on the other
# one's lost its rights. (Not of one that another job calls.)
sql($node, q{SELECT cron.unschedule(jobid) FROM cron.job WHERE command LIKE '%labelstudio_sync%'});
is(sql_as($node, 'tw_other', q{SELECT job_name FROM schedule_jobs('UTC') WHERE what = 'scheduled'}),
    'labelstudio_sync', 'a role schedules the one that is missing');
my $hba = slurp_file($node->data_dir . '/pg_hba.conf');
unlink $node->data_dir . '/pg_hba.conf' or die;
$node->append_conf('pg_hba.conf', "local all tw_other reject\n$hba");
$node->reload;
sql_as($workers, 'tw_other', q{SELECT schedule_jobs('UTC')});
sql($workers, q{SELECT cron.unschedule(jobid) FROM cron.job WHERE command NOT LIKE '%labelstudio_sync%'});
is(sql_as($workers, 'tw_operator', q{SELECT count(*) FROM schedule_jobs('UTC') WHERE what = 'scheduled'}), '5',
    'workers: scheduled');
sql($workers, q{SELECT revoke_training_role('tw_other', 'operator')});
for ($node, $workers) {
    # Some may have had their time meanwhile.
    sql($_, 'DELETE FROM job_runs; DELETE FROM cron.job_run_details');
    is(hurry($_), '6', 'they tick every minute');
}

# Meanwhile, on a standby.
$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->append_conf('postgresql.conf', sprintf("cron.host = '%s'\n", $standby->host));
$standby->start;
health_is($standby, 'standby', qr/^standby: jobs run on the primary$/, 'standby');
fails($standby, 'SELECT schedule_jobs()', '25006', qr/HINT:  Schedule them on the primary/, 'standby: schedule_jobs()');
fails($standby, 'SELECT unschedule_jobs()', '25006', qr/HINT:  Schedule them on the primary/,
    'standby: unschedule_jobs()');

# They run, as the role that scheduled them, and what they did is committed.
my @running = sort grep { $_ ne 'labelstudio_sync' } @{ (JOBS) };
my $ended = q{SELECT count(DISTINCT jobid) FROM cron.job_run_details WHERE status IN ('succeeded', 'failed')};
my $end   = time + PATIENCE;
select undef, undef, undef, 0.5 while time < $end && grep { sql($_, $ended) < 6 } $node, $workers;
for ([ 'sessions', $node, qr/^pg_cron cannot log in as tw_other: let it in by pg_hba\.conf from cron\.host/ ],
    [ 'workers', $workers,
        qr/^the role tw_other of the entry lacks a right: SELECT grant_training_role\('tw_other', 'operator'\)$/ ]) {
    my ($name, $server, $advice) = @$_;
    is(
        sql($server, q{SELECT string_agg(DISTINCT d.username || ' ' || substring(d.command FROM '\(''(\w+)'), ', ')
                       FROM cron.job_run_details d WHERE d.status = 'succeeded' AND d.jobid IN (SELECT jobid
                           FROM cron.job)}),
        join(', ', map { "tw_operator $_" } @running),
        "$name: pg_cron ran five jobs as the operator"
    ) or diag sql($server, 'SELECT * FROM cron.job_run_details');
    is(sql($server, q{SELECT string_agg(DISTINCT job_name || ' ' || status, ', ' ORDER BY job_name || ' ' || status)
        FROM job_runs}),
        join(', ', map { "$_ succeeded" } @running), "$name: and what they did is committed");
    is(sql($server, q{SELECT string_agg(job_name, ', ' ORDER BY job_name) FROM job_health
                      WHERE state = 'ok' AND last_success > now() - interval '5 minutes' AND advice IS NULL}),
        join(', ', @running), "$name: job_health knows");
    health_is($server, 'failing', $advice, "$name: the sixth");
    is(sql($server, q{SELECT state, last_error_code IS NULL, last_error <> '' FROM job_health
        WHERE job_name = 'labelstudio_sync'}), 'failing|t|t',
        "$name: its error is pg_cron's");
}

# Unscheduled: ours, and nothing else. A superuser may remove every role's.
is(sql_as($node, 'tw_operator', q{SELECT string_agg(DISTINCT what, ', ') FROM unschedule_jobs() WHERE done}),
    'unscheduled of role "tw_operator"', 'unscheduled');
is(entries($node, 'username, command'),
    qq{tw_operator|SELECT 1\ntw_other|CALL "My Training".tw_run_job('labelstudio_sync'::text, NULL::text, }
        . 'NULL::timestamptz)', 'the operator\'s are gone');
is(sql($node, q{SELECT count(*) FROM unschedule_jobs() WHERE done}), '1', 'a superuser removes the other\'s');
is(entries($node, 'jobname'), 'my own', 'what is not ours stays');
is(sql($node, 'SELECT count(*) FROM unschedule_jobs()'), '0', 'nothing is left to unschedule');

# DROP EXTENSION leaves the entries; whoever forgot unschedule_jobs() gets rid of them with the next installation's.
sql_as($node, 'tw_operator', 'SELECT schedule_jobs()');
sql($node, 'SET training_workflow.allow_drop = on; DROP EXTENSION training_workflow');
is(sql($node, q{SELECT count(*) FROM cron.job WHERE jobname LIKE 'training_workflow bot: %'}), '6',
    'DROP EXTENSION leaves the entries');
sql($node, 'CREATE SCHEMA other; CREATE EXTENSION training_workflow SCHEMA other');
is(sql($node, 'SELECT count(*) FROM other.unschedule_jobs() WHERE done'), '6', 'which another installation removes');
sql($node, 'SET training_workflow.allow_drop = on; DROP EXTENSION training_workflow;
    CREATE EXTENSION training_workflow SCHEMA "My Training"');
sql($node, q{SELECT grant_training_role('tw_operator', 'operator'); SELECT schedule_jobs()});

# Where the extension's owner is no superuser, entries of other roles are unknown.
sql($node, q{CREATE ROLE tw_owner; GRANT USAGE ON SCHEMA cron, "My Training" TO tw_owner;
             SELECT grant_training_role('tw_owner', 'operator');
             ALTER FUNCTION tw_cron_server() OWNER TO tw_owner;
                 ALTER FUNCTION tw_all_cron_entries() OWNER TO tw_owner});
is(sql($node, q{SELECT string_agg(DISTINCT concat_ws(' ', schedule, scheduled_by, next_run), ', ') FROM job_health
    WHERE job_name <> 'all'}),
    'unknown unknown', 'an owner who may not see: unknown');
health_is($node, 'waiting', qr/not every job/, 'an owner who may not see');
is(sql($node, q{SELECT string_agg(DISTINCT what, ', ') FROM schedule_jobs()}), 'unchanged',
    'an owner who may not see: one\'s own are known');
sql($node, 'REVOKE USAGE ON SCHEMA cron FROM tw_owner');
is(sql($node, q{SELECT count(*) FROM job_health WHERE schedule = 'unknown'}), '6',
    'an owner without any right: unknown');
sql($node, 'ALTER FUNCTION tw_cron_server() OWNER TO postgres; ALTER FUNCTION tw_all_cron_entries() OWNER TO postgres');

# The launcher cannot start; pg_cron is installed but not loaded any more, or works elsewhere by now.
restart_with($node, max_worker_processes => 0);
health_is($node, 'pg_cron stopped', qr/^pg_cron's launcher does not run: /, 'no launcher');
my $overdue = q{SELECT string_agg(job_name, ', '), string_agg(DISTINCT advice, '') FROM job_health
    WHERE state = 'overdue' AND is_overdue};
sql($node, q{DELETE FROM job_runs; DELETE FROM cron.job_run_details; UPDATE training_settings
    SET updated_at = now() - interval '14 minutes' WHERE name = 'scheduled'});
is(sql($node, $overdue), '|', 'no launcher: a while ago they were scheduled');
sql($node, q{UPDATE training_settings SET updated_at = now() - interval '21 minutes' WHERE name = 'scheduled'});
like(sql($node, $overdue),
    qr/^labelstudio_sync, run_training_jobs, check_rollouts, seal_audit\|pg_cron has not run it when it should have/,
    'no launcher: too long ago for what runs every few minutes');
restart_with($node, max_worker_processes => 8, shared_preload_libraries => '');
health_is($node, 'pg_cron stopped', qr/^pg_cron is installed but not loaded: set shared_preload_libraries/,
    'not loaded');
restart_with($node, shared_preload_libraries => 'pg_cron', 'cron.database_name' => 'postgres');
health_is($node, 'pg_cron elsewhere', qr/^pg_cron works in database "postgres"/, 'moved');

$standby->stop;
$_->stop for $node, $workers;
done_testing();
