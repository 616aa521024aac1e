-- Runs of jobs: a lock that one session holds, and a row of job_runs that other sessions see during the run.

CREATE FUNCTION @extschema@.tw_notify_below(event jsonb, max_usage double precision) RETURNS void
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    payload CONSTANT jsonb := event || jsonb_build_object('reason', left(event ->> 'reason', 1000));
    used CONSTANT double precision := pg_notification_queue_usage();
BEGIN
    -- Any role that may connect can fill the queue, by listening in a transaction that does not end. Then every COMMIT
    -- with a notification fails.
    IF used >= max_usage THEN
        RAISE WARNING USING
            MESSAGE = format('notification not sent: %s', @extschema@.tw_excerpt(payload ->> 'event')),
            DETAIL = format('The notification queue of the server is %s%% full.', round((used * 100)::numeric)),
            HINT = 'A listening session has a transaction open. The server''s log names it ("NOTIFY queue is ...% '
                   'full"): end it with pg_terminate_backend().';
        RETURN;
    END IF;
    -- A payload must have less than 8,000 bytes, but names of types and versions have no length limit.
    PERFORM pg_notify('training_workflow', CASE WHEN octet_length(payload::text) < 7900 THEN payload::text
        ELSE (SELECT jsonb_object_agg(e.key, CASE jsonb_typeof(e.value) WHEN 'string'
                                                  THEN to_jsonb(left(e.value #>> '{}', 100)) ELSE e.value END)
              FROM jsonb_each(payload) e)::text END);
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_notify_below(jsonb, double precision) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_notify_below(jsonb, double precision) IS
    'tw_notify() with a limit: if the usage of the server''s notification queue reaches max_usage (0 to 1), it raises '
    'a WARNING instead of notifying';

CREATE FUNCTION @extschema@.tw_notify(event jsonb) RETURNS void
    LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
-- Half of the queue is gigabytes: the rest cannot fill up before the calling transaction commits.
RETURN @extschema@.tw_notify_below(event, 0.5::double precision);
REVOKE ALL ON FUNCTION @extschema@.tw_notify(jsonb) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_notify(jsonb) IS
    'Notifies the listeners of channel training_workflow at the commit, with a JSON object that has event and reason. '
    'If the notification queue is half full or more, raises a WARNING instead';

CREATE FUNCTION @extschema@.tw_try_job_lock(job integer) RETURNS boolean
    LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'tw_try_job_lock';
REVOKE ALL ON FUNCTION @extschema@.tw_try_job_lock(integer) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_try_job_lock(integer) IS
    'Takes the lock of a job for this session without waiting; returns false if any session, including this one, '
    'holds it. An error that aborts a transaction releases it. In pg_locks: advisory, classid the OID of '
    'conversation_logs, objid the number of the job, objsubid 3. Raises 25001 inside a subtransaction';

CREATE FUNCTION @extschema@.tw_release_job_lock(job integer) RETURNS void
    LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'tw_release_job_lock';
REVOKE ALL ON FUNCTION @extschema@.tw_release_job_lock(integer) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_release_job_lock(integer) IS
    'Releases the lock of a job that tw_try_job_lock() took';

CREATE FUNCTION @extschema@.tw_holds_job_lock(job integer) RETURNS boolean
    LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'tw_holds_job_lock';
REVOKE ALL ON FUNCTION @extschema@.tw_holds_job_lock(integer) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_holds_job_lock(integer) IS 'Whether this session holds the lock of a job';

CREATE FUNCTION @extschema@.tw_notify_failure(job text, run_id bigint, code text, reason text) RETURNS void
    LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
RETURN @extschema@.tw_notify(jsonb_build_object('event', 'job failed', 'job', job, 'run', run_id, 'code', code,
                                                'reason', left(reason, 1000)));
REVOKE ALL ON FUNCTION @extschema@.tw_notify_failure(text, bigint, text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_notify_failure(text, bigint, text, text) IS
    'Notifies the listeners of channel training_workflow that a run of a job failed';

CREATE FUNCTION @extschema@.tw_begin_job(job text, due_in text, at timestamptz) RETURNS bigint
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '5s'
AS $function$
DECLARE
    registered record;
    run_id bigint;
    dead record;
BEGIN
    SELECT * INTO registered FROM @extschema@.tw_jobs() j WHERE j.job_name = job AND j.lock_number IS NOT NULL;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('there is no job "%s"', coalesce(@extschema@.tw_excerpt(job), 'NULL'));
    END IF;
    PERFORM @extschema@.tw_check_time_argument(at);
    IF NOT @extschema@.tw_is_own_job(registered.belongs) THEN
        RAISE NOTICE '% did nothing: it belongs to %', job,
            CASE registered.belongs WHEN 'hub' THEN 'the hub of a fleet' ELSE 'the hub, and this is a node' END;
        RETURN NULL;
    END IF;
    IF due_in IS NOT NULL AND NOT @extschema@.tw_is_due(job, due_in, coalesce(at, clock_timestamp())) THEN
        RETURN NULL;
    END IF;
    IF NOT @extschema@.tw_may_act() THEN
        RAISE WARNING USING
            MESSAGE = format('%s did nothing: this database is a restored copy', job),
            HINT = 'If it takes over, or its servers are now others (ALTER SERVER), run SELECT adopt_installation();';
        RETURN NULL;
    END IF;
    IF NOT @extschema@.tw_try_job_lock(registered.lock_number) THEN
        RAISE NOTICE '% did nothing: another session is %', job, registered.doing;
        RETURN NULL;
    END IF;
    -- This session has the lock, so these runs are dead: their session died, or an error such as a cancel ended the
    -- CALL.
    FOR dead IN
        UPDATE @extschema@.job_runs r
        SET status = 'failed', finished_at = clock_timestamp(), error_code = coalesce(r.error_code, '57P01'),
            error_message = coalesce(r.error_message, 'the session that ran it ended or was cancelled')
        WHERE r.status = 'running' AND @extschema@.tw_job_number(r.job_name) = registered.lock_number
        RETURNING r.id, r.job_name, r.error_code, r.error_message
    LOOP
        PERFORM @extschema@.tw_notify_failure(dead.job_name, dead.id, dead.error_code, dead.error_message);
    END LOOP;
    INSERT INTO @extschema@.job_runs (job_name, details) VALUES (job, '{}') RETURNING id INTO run_id;
    RETURN run_id;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_begin_job(text, text, timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_begin_job(text, text, timestamptz) IS
    'Takes the lock of a job, marks its dead runs as failed, and returns the id of a new run. NULL if the job is '
    'running already, on a restored copy, and if the job is not due in the time zone due_in. Raises 22023 for an '
    'unknown job and for a time in the future';

CREATE FUNCTION @extschema@.tw_delete_old_runs(at timestamptz) RETURNS bigint
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    now CONSTANT timestamptz := coalesce(at, clock_timestamp());
    days CONSTANT integer := nullif(@extschema@.training_setting('retain_job_runs'), 'forever');
    deleted bigint;
BEGIN
    -- Five daily runs are worth keeping; hundreds of short runs are not. The newest run of each job and outcome stays,
    -- whatever its age.
    DELETE FROM @extschema@.job_runs r
    WHERE r.id IN (
        SELECT o.id FROM @extschema@.job_runs o
        WHERE o.finished_at < now - make_interval(days => least(days, CASE WHEN o.job_name IN (
                  SELECT j.job_name FROM @extschema@.tw_jobs() j
                  WHERE j.lock_number IS NOT NULL AND j.local_time IS NULL) THEN 30 END))
          AND o.id < (SELECT max(n.id) FROM @extschema@.job_runs n WHERE n.job_name = o.job_name
                                                                     AND n.status = o.status)
        FOR UPDATE SKIP LOCKED);
    GET DIAGNOSTICS deleted = ROW_COUNT;
    RETURN deleted;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_delete_old_runs(timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_delete_old_runs(timestamptz) IS
    'Deletes runs that ended longer ago than the setting retain_job_runs says (of jobs without a time of day: than 30 '
    'days, if that is less), except the newest of each job and outcome; returns how many';

CREATE FUNCTION @extschema@.tw_require_run(run_id bigint) RETURNS void
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF NOT coalesce((SELECT r.status = 'running'
                            AND @extschema@.tw_holds_job_lock(@extschema@.tw_job_number(r.job_name))
                     FROM @extschema@.job_runs r WHERE r.id = run_id), false) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('run %s is not a run of this session', coalesce(run_id::text, 'NULL')),
            HINT = 'This is a step of a job: call the job''s procedure.';
    END IF;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_require_run(bigint) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_require_run(bigint) IS 'Raises 55000 if this session has not begun the run';

CREATE FUNCTION @extschema@.tw_note_run(run_id bigint, phase text, counted jsonb, counts_items boolean DEFAULT true)
    RETURNS void
    LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    -- Numbers of the same name are added up over the steps.
    UPDATE @extschema@.job_runs r
    SET phase = tw_note_run.phase,
        items_done = coalesce(r.items_done, 0)
            + CASE WHEN counts_items THEN (SELECT coalesce(sum(c.value::bigint), 0) FROM jsonb_each_text(counted) c)
                   ELSE 0 END,
        details = r.details || (SELECT coalesce(jsonb_object_agg(c.key, coalesce((r.details ->> c.key)::bigint, 0)
                                                                 + c.value::bigint), '{}')
                                FROM jsonb_each_text(counted) c)
    WHERE r.id = run_id;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_note_run(bigint, text, jsonb, boolean) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_note_run(bigint, text, jsonb, boolean) IS
    'Records the phase of a run, and adds counted (an object of whole numbers) to the counts in details and, unless '
    'counts_items is false, to items_done';

CREATE FUNCTION @extschema@.tw_fail_run(run_id bigint, code text, message text) RETURNS void
    LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    -- The first error is kept; the run continues with the parts that do not depend on it.
    UPDATE @extschema@.job_runs r SET error_code = code, error_message = message
    WHERE r.id = run_id AND r.error_code IS NULL;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_fail_run(bigint, text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_fail_run(bigint, text, text) IS
    'Records an error of a run that continues; tw_end_run() will end it as failed';

CREATE FUNCTION @extschema@.tw_end_run(run_id bigint) RETURNS text
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '5s'
AS $function$
DECLARE
    run @extschema@.job_runs;
BEGIN
    PERFORM @extschema@.tw_require_run(run_id);
    UPDATE @extschema@.job_runs r
    SET status = CASE WHEN r.error_code IS NULL THEN 'succeeded' ELSE 'failed' END, finished_at = clock_timestamp(),
        phase = NULL
    WHERE r.id = run_id
    RETURNING * INTO run;
    IF run.status = 'failed' THEN
        PERFORM @extschema@.tw_notify_failure(run.job_name, run.id, run.error_code, run.error_message);
    END IF;
    PERFORM @extschema@.tw_release_job_lock(@extschema@.tw_job_number(run.job_name));
    RETURN run.status;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_end_run(bigint) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_end_run(bigint) IS
    'Ends a run and releases the lock of its job; returns the status: failed, with a notification, if an error was '
    'recorded, else succeeded. Raises 55000 if another session began the run';

CREATE FUNCTION @extschema@.tw_next_part(run_id bigint, parts text[], part text, result text) RETURNS jsonb
    LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    UPDATE @extschema@.job_runs r
    SET details = CASE WHEN part IS NULL THEN r.details ELSE jsonb_set(r.details, '{parts}',
                           coalesce(r.details -> 'parts', '{}') || jsonb_build_object(part, result)) END,
        phase = parts[coalesce(array_position(parts, part), 0) + 1],
        items_done = coalesce(array_position(parts, part), 0),
        items_total = cardinality(parts)
    WHERE r.id = run_id
    RETURNING CASE WHEN r.phase IS NOT NULL THEN jsonb_build_object('part', r.phase) END;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_next_part(bigint, text[], text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_next_part(bigint, text[], text, text) IS
    'Records the result of a part of a run (NULL: none yet) and the part that begins next, and returns the state of '
    'that part; NULL after the last part';

CREATE FUNCTION @extschema@.tw_called_run(run_id bigint, job text) RETURNS jsonb
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT coalesce((
        SELECT jsonb_build_object('result', format('%s: run %s', r.status, r.id))
            || CASE r.status WHEN 'failed' THEN jsonb_build_object('error_code', r.error_code,
                   'error_message', format('%s (run %s): %s', job, r.id, r.error_message)) ELSE '{}' END
        FROM @extschema@.job_runs r WHERE r.job_name = job AND r.id > run_id ORDER BY r.id DESC LIMIT 1),
        '{"result": "skipped: it is running"}');
END;
REVOKE ALL ON FUNCTION @extschema@.tw_called_run(bigint, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_called_run(bigint, text) IS
    'The result of a job that the run had called, with its error if it failed, in the form that a step returns';
