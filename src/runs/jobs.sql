-- The list of jobs, which the lock, the loop, the schedule, due times, job_health and the roles read. A new job needs a
-- row here and a step function.

CREATE FUNCTION @extschema@.tw_jobs(
    OUT job_name text, OUT lock_number integer, OUT step text, OUT parts text[], OUT local_time time,
    OUT week_day integer, OUT every_minutes integer, OUT tick text, OUT doing text, OUT advice text, OUT belongs text)
    RETURNS SETOF record
    LANGUAGE sql IMMUTABLE PARALLEL SAFE ROWS 12 SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    -- A job with a time of day is called every quarter of an hour and checks whether it is due (due_in). That keeps its
    -- time in every zone, since all offsets are multiples of 15 minutes. every_minutes is a divisor of 60.
    SELECT j.job_name, j.lock_number, j.step, j.parts::text[], j.local_time::time, j.week_day, j.every_minutes,
           CASE WHEN j.local_time IS NOT NULL THEN '*/15 * * * *' ELSE '*/' || j.every_minutes || ' * * * *' END,
           coalesce(j.doing, 'at it'), j.advice, j.belongs
    FROM (VALUES
        ('daily_training_capture', 4, 'tw_daily_step',
         '{promotions,rollbacks,erasures,audit,conflicts,labelstudio,exports,statistics,threshold,retention,tidy}',
         '02:00', NULL::integer, NULL::integer, NULL, NULL, 'all'),
        ('weekly_model_training', 5, 'tw_weekly_step', '{export,request,training,rollout,report}', '03:00', 0, NULL,
         NULL, NULL, 'deciding'),
        ('labelstudio_sync', 1, 'tw_labelstudio_step', NULL, NULL, NULL, 5, 'talking to Label Studio',
         'Label Studio is failing: SELECT * FROM labelstudio_check()', 'deciding'),
        ('run_training_jobs', 6, 'tw_training_step', NULL, NULL, NULL, 5, NULL, NULL, 'deciding'),
        ('check_rollouts', 3, 'tw_rollouts_step', NULL, NULL, NULL, 5, NULL, NULL, 'deciding'),
        ('seal_audit', 7, 'tw_seal_step', NULL, NULL, NULL, 5, NULL, NULL, 'all'),
        ('sweep_fleet', 10, 'tw_fleet_step', NULL, NULL, NULL, 1, 'sweeping the fleet',
         'conversations of nodes have no samples: see last_error, then SELECT * FROM '
         'promote_missed_conversations(''0'')', 'hub'),
        ('store_model_artifacts', 2, 'tw_store_step', NULL, NULL, NULL, NULL, NULL,
         'the object store is failing: SELECT * FROM s3_check()', 'deciding'),
        ('purge_conversations', 8, 'tw_purge_step', NULL, NULL, NULL, NULL, 'deleting what is old enough',
         'rows are kept for longer than set_training_setting() says: see last_error, then CALL purge_conversations()',
         'all'),
        ('delete_erased_exports', 9, 'tw_erased_exports_step', NULL, NULL, NULL, NULL, 'talking to the object store',
         'exports of erased rows are still in the object store: SELECT * FROM erasure_exports WHERE status = '
         '''pending''', 'all'),
        ('labelstudio_push', 1, 'tw_labelstudio_step', NULL, NULL, NULL, NULL, 'talking to Label Studio', NULL,
         'deciding'),
        ('labelstudio_pull', 1, 'tw_labelstudio_step', NULL, NULL, NULL, NULL, 'talking to Label Studio', NULL,
         'deciding'),
        ('promotion', NULL, NULL, NULL, NULL, NULL, NULL, NULL,
         'samples are missing: see last_error, then SELECT * FROM promote_missed_conversations(''0'')', 'all'))
        AS j (job_name, lock_number, step, parts, local_time, week_day, every_minutes, doing, advice, belongs);
END;
REVOKE ALL ON FUNCTION @extschema@.tw_jobs() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_jobs() IS
    'The jobs, in the order of job_health. lock_number: the second key of its lock, below 32; jobs with the same '
    'number exclude each other (NULL: no job, only a name in job_runs). step: the function (run bigint, state jsonb, '
    'at timestamptz) that tw_job_step() calls. parts: its independent parts, in the order in which they run. '
    'local_time, week_day (0 is Sunday) or every_minutes: its schedule by schedule_jobs(); tick: the cron expression, '
    'NULL for a job that is only called. doing: the activity of the session that holds its lock. advice: what to do '
    'when it fails (NULL: see last_error); a job that is only called has a row in job_health if it has advice. '
    'belongs: all databases, deciding (those that are no node of a fleet), or hub';

CREATE FUNCTION @extschema@.tw_is_own_job(belongs text) RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
RETURN CASE belongs WHEN 'all' THEN true WHEN 'hub' THEN @extschema@.tw_fleet_role() = 'hub'
                    ELSE @extschema@.tw_fleet_role() <> 'node' END;
REVOKE ALL ON FUNCTION @extschema@.tw_is_own_job(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_is_own_job(text) IS
    'Whether a job that belongs to all databases, to deciding ones or to hubs is one of this database';

CREATE FUNCTION @extschema@.tw_job_number(job_name text) RETURNS integer
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
RETURN (SELECT j.lock_number FROM @extschema@.tw_jobs() j WHERE j.job_name = tw_job_number.job_name);
REVOKE ALL ON FUNCTION @extschema@.tw_job_number(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_job_number(text) IS 'The lock_number of a job; NULL for an unknown name';

CREATE FUNCTION @extschema@.tw_job_session(job_name text) RETURNS integer
    LANGUAGE sql STABLE STRICT SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT l.pid FROM pg_locks l
    WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = @extschema@.tw_lock_class('job'::text)
      AND l.classid = '@extschema@.conversation_logs'::regclass::oid
      AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
      AND l.objid = @extschema@.tw_job_number(tw_job_session.job_name)::oid;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_job_session(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_job_session(text) IS
    'Process id of the session that holds the lock of a job; NULL = none';

CREATE FUNCTION @extschema@.tw_job_call(job_name text) RETURNS text
    LANGUAGE sql STABLE STRICT SET search_path = pg_catalog, pg_temp
RETURN format(CASE WHEN EXISTS (SELECT FROM pg_proc p
                                JOIN pg_class c ON c.oid = '@extschema@.conversation_logs'::regclass
                                WHERE p.pronamespace = c.relnamespace AND p.proname = job_name AND p.prokind = 'p')
                   THEN 'CALL %I()' ELSE 'CALL tw_run_job(%L)' END, job_name);
REVOKE ALL ON FUNCTION @extschema@.tw_job_call(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_job_call(text) IS
    'The SQL command that runs a job by hand: its own procedure, if it has one';
