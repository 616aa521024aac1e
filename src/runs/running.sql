-- How a job runs: under a lock that only one session has, with a row of job_runs that others see while it runs.

CREATE FUNCTION @extschema@.tw_notify_below(event jsonb, max_usage double precision) RETURNS void
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    payload CONSTANT jsonb := event || jsonb_build_object('reason', left(event ->> 'reason', 1000));
    used CONSTANT double precision := pg_notification_queue_usage();
BEGIN
    -- Whoever may connect can fill the queue, by listening in a transaction that
    -- does not end; then every COMMIT that notifies fails.
    IF used >= max_usage THEN
        RAISE WARNING USING
            MESSAGE = format('nobody is notified of: %s', payload ->> 'event'),
            DETAIL = format('The server''s queue of notifications is %s%% full.', round((used * 100)::numeric)),
            HINT = 'A session that listens does not end its transaction; the server''s log names it ("NOTIFY queue is '
                   '...% full"): end it with pg_terminate_backend().';
        RETURN;
    END IF;
    -- A payload has less than 8,000 bytes, and a type's or a version's name may be as long as somebody likes.
    PERFORM pg_notify('training_workflow', CASE WHEN octet_length(payload::text) < 7900 THEN payload::text
        ELSE (SELECT jsonb_object_agg(e.key, CASE jsonb_typeof(e.value) WHEN 'string'
                                                  THEN to_jsonb(left(e.value #>> '{}', 100)) ELSE e.value END)
              FROM jsonb_each(payload) e)::text END);
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_notify_below(jsonb, double precision) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_notify_below(jsonb, double precision) IS
    'What tw_notify() does, where the server''s queue of notifications is less full than this; else it warns';

CREATE FUNCTION @extschema@.tw_notify(event jsonb) RETURNS void
    LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
-- Half of the queue is gigabytes: none of our transactions takes so long after this that somebody fills the rest.
RETURN @extschema@.tw_notify_below(event, 0.5::double precision);
REVOKE ALL ON FUNCTION @extschema@.tw_notify(jsonb) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_notify(jsonb) IS
    'Tells whoever listens on channel training_workflow, at the commit, what happened: a JSON object with event and '
    'reason. Where that channel is clogged, a warning';

CREATE FUNCTION @extschema@.tw_try_job_lock(job integer) RETURNS boolean
    LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'tw_try_job_lock';
REVOKE ALL ON FUNCTION @extschema@.tw_try_job_lock(integer) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_try_job_lock(integer) IS
    'Takes the lock of a job for this session; false where somebody, or this session itself, has it. An error that '
    'ends a transaction releases it. In pg_locks: advisory, classid the OID of conversation_logs, objid the number of '
    'the job, objsubid 3. Raises 25001 inside a subtransaction';

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
    'Tells whoever listens that a run of a job failed';

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
            MESSAGE = format('there is no job "%s"', coalesce(job, 'NULL'));
    END IF;
    PERFORM @extschema@.tw_check_time_argument(at);
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
    -- We have the lock, so nobody works on these: their session died, or an error ended it (a cancel, for one).
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
    'Takes the lock of a job, marks its runs that died as failed, and returns the id of a new run; NULL where the job '
    'is running already, on a restored copy, and where due_in names a time zone in which it is not due at that time. '
    'Raises 22023 for an unknown job and for a time that is yet to come';

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
COMMENT ON FUNCTION @extschema@.tw_require_run(bigint) IS
    'Refuses, with 55000, to do a step of a run that this session has not begun';

CREATE FUNCTION @extschema@.tw_note_run(run_id bigint, phase text, counted jsonb, counts_items boolean DEFAULT true)
    RETURNS void
    LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    -- Numbers of the same name add up over the steps.
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
    'Writes down what a run is doing, and adds to what it counts (an object of whole numbers), which are its items '
    'unless counts_items is false';

CREATE FUNCTION @extschema@.tw_fail_run(run_id bigint, code text, message text) RETURNS void
    LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    -- The first error stands; the run goes on with what does not depend on it.
    UPDATE @extschema@.job_runs r SET error_code = code, error_message = message
    WHERE r.id = run_id AND r.error_code IS NULL;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_fail_run(bigint, text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_fail_run(bigint, text, text) IS
    'Writes down an error of a run that goes on; tw_end_run() ends it as failed';

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
    'Ends a run, as failed where an error was written down, which whoever listens is told, and releases the lock of '
    'its job; returns the status. Raises 55000 when it is not called by the run''s own session';

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
    'Writes down how a part of a run ended (NULL: none yet) and which begins, and returns that; NULL after '
    'the last one';

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
    'How another job ended that a run had called, with the error of one that failed: as a step returns it';
