-- job_health: the state of each job and, in the first row, the most urgent action.

CREATE FUNCTION @extschema@.tw_last_runs(
    OUT ordinal integer, OUT job_name text, OUT is_scheduled boolean, OUT runs_by_minutes boolean,
    OUT last_run timestamptz, OUT last_success timestamptz,
    OUT last_failure timestamptz, OUT last_error_code text, OUT last_error text, OUT running_since timestamptz,
    OUT phase text, OUT items_done bigint, OUT items_total bigint, OUT is_held boolean)
    RETURNS SETOF record
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT j.ordinality::integer, j.job_name, j.tick IS NOT NULL, j.every_minutes IS NOT NULL,
           newest.started_at, success.finished_at, failure.finished_at, failure.error_code, failure.error_message,
           running.started_at, running.phase, running.items_done, running.items_total,
           running.started_at IS NOT NULL AND (pg_is_in_recovery()
                                               OR @extschema@.tw_job_session(j.job_name) IS NOT NULL)
    FROM @extschema@.tw_jobs() WITH ORDINALITY j
    LEFT JOIN LATERAL (SELECT r.* FROM @extschema@.job_runs r WHERE r.job_name = j.job_name ORDER BY r.started_at DESC
                       LIMIT 1) newest ON true
    LEFT JOIN LATERAL (SELECT r.* FROM @extschema@.job_runs r WHERE r.job_name = j.job_name AND r.status = 'succeeded'
                       ORDER BY r.started_at DESC LIMIT 1) success ON true
    LEFT JOIN LATERAL (SELECT r.* FROM @extschema@.job_runs r WHERE r.job_name = j.job_name AND r.status = 'failed'
                       ORDER BY r.started_at DESC LIMIT 1) failure ON true
    LEFT JOIN LATERAL (SELECT r.* FROM @extschema@.job_runs r WHERE r.job_name = j.job_name AND r.status = 'running'
                       ORDER BY r.started_at DESC LIMIT 1) running ON true
    WHERE (j.tick IS NOT NULL OR j.advice IS NOT NULL AND newest.id IS NOT NULL)
      AND @extschema@.tw_is_own_job(j.belongs);
END;
REVOKE ALL ON FUNCTION @extschema@.tw_last_runs() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_last_runs() IS
    'For each job, from job_runs: its last run, success and failure, and the unfinished run. is_held: some session '
    'holds the lock of a running job';

CREATE FUNCTION @extschema@.tw_job_waits(job text) RETURNS text
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT format('waits for session %s (role "%s"%s) since %s', b.pid, a.usename,
                  CASE WHEN a.state LIKE 'idle in transaction%' THEN ', idle in transaction' ELSE '' END,
                  date_trunc('second', coalesce(w.waitstart, clock_timestamp())))
    FROM @extschema@.tw_job_session(job) AS h (pid)
    JOIN pg_locks w ON w.pid = h.pid AND NOT w.granted
    CROSS JOIN LATERAL unnest(pg_blocking_pids(h.pid)) AS b (pid)
    LEFT JOIN pg_stat_activity a ON a.pid = b.pid
    ORDER BY b.pid LIMIT 1;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_job_waits(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_job_waits(text) IS
    'The session that blocks a running job, and since when; NULL where it is not blocked';

CREATE FUNCTION @extschema@.tw_job_times(job text, entry_schedule text, entry_command text, at timestamptz,
    OUT time_zone text, OUT next_run timestamptz, OUT expected_since timestamptz)
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    registered record;
    every interval;
BEGIN
    SELECT * INTO registered FROM @extschema@.tw_jobs() j WHERE j.job_name = job;
    IF registered.local_time IS NOT NULL THEN
        -- Any way of writing the call: nothing else in a command is the name of a time zone.
        time_zone := (SELECT @extschema@.tw_named_zone(m[1]) FROM regexp_matches(entry_command, $$'([^']+)'$$, 'g') m
                      WHERE @extschema@.tw_named_zone(m[1]) IS NOT NULL LIMIT 1);
        IF entry_schedule IS NULL OR time_zone IS NOT NULL THEN
            next_run := CASE WHEN entry_schedule IS NOT NULL THEN @extschema@.tw_due_time(job, time_zone, at, true) END;
            expected_since := @extschema@.tw_due_since(
                job, coalesce(time_zone, @extschema@.training_setting('time_zone')), at - interval '2 hours');
        END IF;
    ELSIF coalesce(entry_schedule, registered.tick) = registered.tick THEN
        every := make_interval(mins => registered.every_minutes);
        next_run := CASE WHEN entry_schedule IS NOT NULL THEN date_bin(every, at, '2000-01-01 00:00+00') + every END;
        expected_since := at - 3 * every;
    END IF;
EXCEPTION WHEN invalid_parameter_value THEN
    -- The server no longer knows the zone.
    RETURN;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_job_times(text, text, text, timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_job_times(text, text, text, timestamptz) IS
    'The time zone of an entry, its next run, and the time (with a grace period) by which a run should have begun; '
    'without an entry, as if schedule_jobs() had made one. NULL for a schedule written by hand or an unknown zone';

CREATE FUNCTION @extschema@.tw_failure_advice(job text, code text, message text, role_name text, uses_workers boolean)
    RETURNS text
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
RETURN CASE
    WHEN code IS NULL
         AND message ~ '^(connection (failed|lost)|job startup timeout|could not start background process|FATAL)'
        THEN format(CASE WHEN uses_workers THEN 'pg_cron cannot start a session as %s: see last_error and the '
                                                'server''s log, and whether max_worker_processes is enough'
                         ELSE 'pg_cron cannot log in as %s: let it in by pg_hba.conf from cron.host, or set '
                              'cron.use_background_workers = on and restart' END,
                    role_name)
    WHEN coalesce(code, '42501') = '42501' AND message ~ 'permission denied' AND role_name IS NOT NULL
        THEN format('the role %s of the entry lacks a right: SELECT grant_training_role(%L, ''operator'')',
                    role_name, role_name)
    ELSE coalesce((SELECT j.advice FROM @extschema@.tw_jobs() j WHERE j.job_name = job)
                  || CASE WHEN job = 'labelstudio_sync' THEN (
                      SELECT format('; %s tasks of erased rows wait for their deletion there since %s', e.waiting,
                                    to_char(e.since, 'YYYY-MM-DD HH24:MI'))
                      FROM @extschema@.tw_labelstudio_erasures_of(NULL::text) e WHERE e.waiting > 0)
                     ELSE '' END,
                  (SELECT j.advice FROM @extschema@.tw_jobs() j WHERE j.job_name = job),
                  format('see last_error; to run it now: %s', @extschema@.tw_job_call(job))) END;
REVOKE ALL ON FUNCTION @extschema@.tw_failure_advice(text, text, text, text, boolean) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_failure_advice(text, text, text, text, boolean) IS
    'The advice for a job whose last run failed; code is its SQLSTATE, NULL for an error that pg_cron met';

CREATE FUNCTION @extschema@.tw_job_states(at timestamptz,
    OUT ordinal integer, OUT job_name text, OUT state text, OUT advice text, OUT last_success timestamptz,
    OUT last_failure timestamptz, OUT last_error_code text, OUT last_error text, OUT running_since timestamptz,
    OUT phase text, OUT items_done bigint, OUT items_total bigint,
    OUT schedule text, OUT time_zone text, OUT next_run timestamptz, OUT is_overdue boolean, OUT scheduled_by text)
    RETURNS SETOF record
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH entries AS (
        -- If several roles have entries, an active one.
        SELECT DISTINCT ON (e.job_name) e.*, coalesce(e.run_status = 'failed', false) AS run_failed
        FROM @extschema@.tw_all_cron_entries() e ORDER BY e.job_name, e.is_active DESC, e.id
    ), seen AS (
        SELECT r.*, e.id AS entry, e.is_active, e.schedule, e.role_name, c.sees_all AND r.is_scheduled AS is_known,
               c.uses_workers, t.time_zone, t.next_run, t.expected_since,
               -- For pg_cron, a procedure that recorded an error of its own has succeeded. A run that could not connect
               -- has no start time.
               coalesce(e.run_failed AND coalesce(e.run_started, 'infinity') > coalesce(r.last_run, '-infinity'),
                        false) AS cron_failed,
               e.run_message, e.run_started,
               coalesce(r.last_success, CASE WHEN r.last_run IS NULL AND e.run_status = 'succeeded'
                   AND r.runs_by_minutes THEN e.run_started END) AS succeeded,
               greatest(r.last_run, CASE WHEN r.runs_by_minutes THEN e.run_started END) AS ran,
               (SELECT g.updated_at FROM @extschema@.training_settings g
                WHERE g.name = 'scheduled' AND e.is_active) AS scheduled_at
        FROM @extschema@.tw_last_runs() r
        CROSS JOIN @extschema@.tw_cron_server() c
        LEFT JOIN entries e USING (job_name)
        CROSS JOIN LATERAL @extschema@.tw_job_times(r.job_name, e.schedule, e.command, tw_job_states.at) t
    ), judged AS (
        SELECT s.*, s.is_scheduled AND coalesce(s.ran, s.scheduled_at) < s.expected_since AND NOT s.is_held AS overdue,
               CASE WHEN s.cron_failed THEN s.run_started ELSE s.last_failure END AS failed,
               CASE WHEN NOT s.cron_failed THEN s.last_error_code END AS code,
               CASE WHEN s.cron_failed THEN s.run_message ELSE s.last_error END AS error
        FROM seen s
    ), named AS (
        SELECT j.*, w.waits, CASE
            WHEN w.waits IS NOT NULL THEN 'blocked'
            WHEN j.is_held THEN 'running'
            WHEN j.running_since IS NOT NULL THEN 'dead'
            WHEN j.is_known AND j.entry IS NULL THEN 'not scheduled'
            WHEN NOT j.is_active THEN 'inactive'
            WHEN j.entry IS NOT NULL AND NOT coalesce((SELECT l.rolcanlogin FROM pg_roles l
                                                       WHERE l.rolname = j.role_name), false) THEN 'no login'
            WHEN j.job_name = 'promotion' THEN CASE WHEN EXISTS (
                -- The daily job retries those older than an hour.
                SELECT FROM @extschema@.tw_last_runs() d
                WHERE d.job_name = 'daily_training_capture' AND d.last_success > j.failed + interval '1 hour')
                THEN 'ok' ELSE 'failing' END
            WHEN j.cron_failed OR j.failed > coalesce(j.succeeded, '-infinity') THEN 'failing'
            WHEN j.overdue THEN 'overdue'
            WHEN j.ran IS NULL THEN 'never ran'
            ELSE 'ok' END AS state
        FROM judged j
        -- A standby does not show who waits on the primary.
        LEFT JOIN LATERAL (SELECT @extschema@.tw_job_waits(j.job_name) AS waits WHERE j.is_held
            AND NOT pg_is_in_recovery()) w ON true
    )
    SELECT n.ordinal, n.job_name, n.state, CASE n.state
               WHEN 'blocked' THEN n.waits
               WHEN 'dead' THEN format('its session is gone: the next run says so and goes on; to run it now: %s',
                                       @extschema@.tw_job_call(n.job_name))
               WHEN 'not scheduled' THEN 'SELECT * FROM schedule_jobs()'
               WHEN 'inactive'
               THEN format('it was switched off: SELECT cron.alter_job(%s, active => true)', n.entry)
               WHEN 'no login' THEN format('pg_cron runs it as role %1$I, which cannot log in: ALTER ROLE %1$I LOGIN, '
                                           'or schedule the jobs as another role', n.role_name)
               WHEN 'failing' THEN @extschema@.tw_failure_advice(n.job_name, n.code, n.error, n.role_name,
                                                                 n.uses_workers)
               WHEN 'overdue' THEN CASE WHEN n.is_active THEN 'pg_cron has not run it when it should have: see the '
                                                              'server''s log, and whether a restart helps'
                                        ELSE format('nothing has run it when it should have; to run it now: %s',
                                                    @extschema@.tw_job_call(n.job_name)) END
               WHEN 'never ran' THEN format('to run it now: %s', @extschema@.tw_job_call(n.job_name)) END,
           n.succeeded, n.failed, n.code, n.error, n.running_since, n.phase, n.items_done, n.items_total,
           CASE WHEN NOT n.is_scheduled THEN NULL WHEN n.entry IS NOT NULL THEN n.schedule
                WHEN n.is_known THEN 'not scheduled' ELSE 'unknown' END,
           n.time_zone, CASE WHEN n.is_active THEN n.next_run END, n.overdue,
           CASE WHEN n.entry IS NOT NULL THEN n.role_name WHEN n.is_scheduled AND NOT n.is_known THEN 'unknown' END
    FROM named n;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_job_states(timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_job_states(timestamptz) IS 'The rows of job_health for single jobs, as of a time';

CREATE FUNCTION @extschema@.tw_first_advice(job_states text[], job_advice text[], OUT state text, OUT advice text)
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    server record;
    -- If several jobs have problems, the problem that causes most of the others; for equal kinds, that of the first
    -- job.
    worst CONSTANT integer := (SELECT s.i FROM unnest(job_states) WITH ORDINALITY AS s (state, i)
                                                                  WHERE s.state NOT IN ('ok', 'running')
                               ORDER BY array_position(ARRAY['not scheduled', 'inactive', 'no login', 'blocked',
                                   'failing', 'dead', 'overdue', 'never ran'], s.state), s.i LIMIT 1);
BEGIN
    SELECT * INTO server FROM @extschema@.tw_cron_server();
    IF pg_is_in_recovery() THEN
        state := 'standby';
        advice := 'standby: jobs run on the primary';
    ELSIF @extschema@.tw_is_restored_copy() THEN
        state := 'restored copy';
        advice := 'restored copy: SELECT adopt_installation()';
    ELSIF worst IS NULL THEN
        state := 'ok';
    ELSIF server.is_here AND NOT server.is_loaded THEN
        state := 'pg_cron stopped';
        advice := 'pg_cron is installed but not loaded: set shared_preload_libraries = ''pg_cron'' and restart';
    ELSIF server.is_here AND NOT server.launcher_runs THEN
        state := 'pg_cron stopped';
        advice := 'pg_cron''s launcher does not run: see the server''s log, and whether max_worker_processes is enough';
    ELSIF ARRAY['overdue', 'never ran'] && job_states AND NOT server.is_loaded THEN
        state := 'no pg_cron';
        advice := format('this server runs without pg_cron: %sset shared_preload_libraries = ''pg_cron'' and '
                         'cron.database_name = %L, restart, CREATE EXTENSION pg_cron, SELECT * FROM schedule_jobs()',
                         CASE WHEN server.is_available THEN '' ELSE 'install its package, ' END, current_database());
    ELSIF ARRAY['overdue', 'never ran'] && job_states AND NOT server.is_here
       AND server.database_name = current_database() THEN
        state := 'no pg_cron';
        advice := 'pg_cron is loaded but not installed: CREATE EXTENSION pg_cron; SELECT * FROM schedule_jobs()';
    ELSIF job_states[worst] IN ('overdue', 'never ran') AND NOT server.is_here THEN
        state := 'pg_cron elsewhere';
        advice := format('pg_cron works in database "%s": run there, unless that was done, what SELECT statement FROM '
                         'schedule_jobs() returns', server.database_name);
    ELSIF job_states[worst] = 'never ran' THEN
        state := 'waiting';
        advice := 'scheduled; not every job has had its time yet';
    ELSE
        state := job_states[worst];
        advice := job_advice[worst];
    END IF;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_first_advice(text[], text[]) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_first_advice(text[], text[]) IS
    'The first row of job_health, computed from the states and advices of the jobs';

CREATE FUNCTION @extschema@.tw_job_health(at timestamptz DEFAULT NULL,
    OUT job_name text, OUT state text, OUT advice text, OUT last_success timestamptz, OUT last_failure timestamptz,
    OUT last_error_code text, OUT last_error text, OUT running_since timestamptz, OUT phase text, OUT items_done bigint,
    OUT items_total bigint, OUT schedule text, OUT time_zone text, OUT next_run timestamptz, OUT is_overdue boolean,
    OUT scheduled_by text)
    RETURNS SETOF record
    LANGUAGE sql STABLE SECURITY DEFINER ROWS 8 SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH jobs AS MATERIALIZED (
        SELECT * FROM @extschema@.tw_job_states(coalesce(tw_job_health.at, now()))
    ), overall AS (
        SELECT f.state, f.advice, (SELECT min(j.next_run) FROM jobs j) AS next_run,
               (SELECT bool_or(j.is_overdue) FROM jobs j) AS is_overdue
        FROM (SELECT array_agg(j.state ORDER BY j.ordinal) AS states, array_agg(j.advice ORDER BY j.ordinal) AS advices
              FROM jobs j) a
        CROSS JOIN LATERAL @extschema@.tw_first_advice(a.states, a.advices) f
    ), rows AS (
        SELECT 0 AS ordinal, 'all' AS job_name, o.state, o.advice, NULL::timestamptz AS last_success,
               NULL::timestamptz AS last_failure, NULL AS last_error_code, NULL AS last_error,
               NULL::timestamptz AS running_since, NULL AS phase, NULL::bigint AS items_done,
               NULL::bigint AS items_total, NULL AS schedule, NULL AS time_zone, o.next_run, o.is_overdue,
               NULL AS scheduled_by
        FROM overall o
        UNION ALL
        SELECT * FROM jobs
    )
    SELECT r.job_name, r.state, r.advice, r.last_success, r.last_failure, r.last_error_code, r.last_error,
           r.running_since, r.phase, r.items_done, r.items_total, r.schedule, r.time_zone, r.next_run, r.is_overdue,
           r.scheduled_by
    FROM rows r ORDER BY r.ordinal;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_job_health(timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_job_health(timestamptz) IS
    'The rows of job_health as of a time. Runs with the owner''s rights, since pg_cron shows entries only to the roles '
    'that made them; returns entries of this extension only';

CREATE VIEW @extschema@.job_health AS
    SELECT h.job_name, h.state, h.advice, h.last_success, h.last_failure, h.last_error_code, h.last_error,
           h.running_since, h.phase, h.items_done, h.items_total, h.schedule, h.time_zone, h.next_run, h.is_overdue,
           h.scheduled_by
    FROM @extschema@.tw_job_health(NULL::timestamptz) h;
REVOKE ALL ON TABLE @extschema@.job_health FROM PUBLIC;
COMMENT ON VIEW @extschema@.job_health IS
    'The state of the jobs: first a row "all" with the most urgent action, then a row for each job. Works with pg_cron '
    'in this database, in another database, or without it';
COMMENT ON COLUMN @extschema@.job_health.job_name IS
    'The job; "all" for the first row, "promotion" for samples that could not be made during capture';
COMMENT ON COLUMN @extschema@.job_health.state IS
    'ok, running, blocked (running, and waiting for another session), dead (running according to job_runs, but no '
    'session holds its lock), not scheduled, inactive, no login (of the entry''s role), failing, overdue, never ran; '
    'for all also: standby, restored copy, no pg_cron, pg_cron elsewhere, pg_cron stopped, waiting';
COMMENT ON COLUMN @extschema@.job_health.advice IS 'What to do; NULL when there is nothing to do';
COMMENT ON COLUMN @extschema@.job_health.last_success IS
    'Time of the last success; from pg_cron for jobs without rows in job_runs; NULL = none known';
COMMENT ON COLUMN @extschema@.job_health.last_failure IS 'Time of the last failure; NULL = none known';
COMMENT ON COLUMN @extschema@.job_health.last_error_code IS
    'SQLSTATE of the last failure; NULL = none, or pg_cron could not start the job';
COMMENT ON COLUMN @extschema@.job_health.last_error IS 'Message of the last failure; NULL = none';
COMMENT ON COLUMN @extschema@.job_health.running_since IS 'Start of the unfinished run; NULL = there is none';
COMMENT ON COLUMN @extschema@.job_health.phase IS 'Current step of the unfinished run; NULL = none recorded';
COMMENT ON COLUMN @extschema@.job_health.items_done IS
    'Number of items processed so far in the unfinished run; NULL = it counts none';
COMMENT ON COLUMN @extschema@.job_health.items_total IS
    'Number of items to process in the unfinished run; NULL = not known';
COMMENT ON COLUMN @extschema@.job_health.schedule IS
    'Schedule of the pg_cron entry; "not scheduled", or "unknown" where it is not visible from this database';
COMMENT ON COLUMN @extschema@.job_health.time_zone IS
    'Time zone of the scheduled time of day; NULL for jobs that run every few minutes';
COMMENT ON COLUMN @extschema@.job_health.next_run IS 'Time of the next run; NULL where unknown';
COMMENT ON COLUMN @extschema@.job_health.is_overdue IS
    'Whether a due run is missing, after a grace period of 15 minutes for jobs that run every few minutes and 2 hours '
    'for jobs with a time of day; NULL when it never ran and the due time is unknown';
COMMENT ON COLUMN @extschema@.job_health.scheduled_by IS
    'The role that pg_cron runs it as; "unknown" where it is not visible from this database';
