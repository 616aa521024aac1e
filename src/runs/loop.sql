-- The loop of every job: begin, then step and commit until the end. A step is one transaction.
--
-- tw_job_step() calls the job's step function with the state that the last step returned, NULL at first. A step returns
-- the next state, or NULL when the run is over. The loop reads these keys of a state:
--   call           run that job, then take the next step
--   then           the run is over; run that job
--   cancelled      the run is over, with that message as an error
-- For a job with parts, tw_jobs() gives their order. Its step returns NULL when a part is over, and has more keys:
--   part           the current part
--   counted        numbers for job_runs.details
--   result         the part is over, with this result ("succeeded" if a step returns NULL)
--   error_code, error_message   the part failed, but its changes stay; an error raised by a step rolls them back
-- An error ends the part, and the next one begins; for a job without parts it ends the run.

CREATE FUNCTION @extschema@.tw_job_step(run bigint, state jsonb, at timestamptz) RETURNS jsonb
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '5s'
AS $function$
DECLARE
    part CONSTANT text := state ->> 'part';
    job record;
    done jsonb;
    following jsonb;
    code text;
    message text;
BEGIN
    PERFORM @extschema@.tw_require_run(run);
    PERFORM @extschema@.tw_check_time_argument(at);
    SELECT j.* INTO STRICT job FROM @extschema@.job_runs r JOIN @extschema@.tw_jobs() j USING (job_name)
    WHERE r.id = run;
    IF state IS NULL AND job.parts IS NOT NULL THEN
        RETURN @extschema@.tw_next_part(run, job.parts, NULL::text, NULL::text);
    END IF;
    BEGIN
        EXECUTE 'SELECT @extschema@.' || quote_ident(job.step) || '($1, $2, $3)' INTO done USING run, state, at;
        code := done ->> 'error_code';
        message := done ->> 'error_message';
    EXCEPTION WHEN OTHERS THEN
        GET STACKED DIAGNOSTICS code = RETURNED_SQLSTATE, message = MESSAGE_TEXT;
        done := NULL;
    END;
    IF code IS NOT NULL THEN
        RAISE WARNING '% failed: %', concat_ws(': part ', job.job_name, part), message USING ERRCODE = code;
        PERFORM @extschema@.tw_fail_run(run, code, concat_ws(': ', part, message));
    END IF;
    IF part IS NULL THEN
        RETURN CASE WHEN code IS NULL THEN done END;
    END IF;
    PERFORM @extschema@.tw_note_run(run, part, coalesce(done -> 'counted', '{}'::jsonb), false);
    IF code IS NULL AND NOT coalesce(done ? 'result', true) THEN
        RETURN done || jsonb_build_object('part', part);
    END IF;
    following := @extschema@.tw_next_part(run, job.parts, part, CASE WHEN code IS NOT NULL THEN 'failed: ' || message
                                                                ELSE coalesce(done ->> 'result', 'succeeded') END);
    -- An export catches a cancel request to record it; the request was meant for the whole run.
    RETURN CASE WHEN code = '57014' THEN jsonb_build_object('cancelled',
        format('%s was cancelled during its %s', job.job_name, part)) ELSE following END;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_job_step(bigint, jsonb, timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_job_step(bigint, jsonb, timestamptz) IS
    'Runs one step of a run and records its error instead of raising it; returns the state for the next step, NULL '
    'when the run is over. Raises 55000 if another session began the run';

-- No SET and no SECURITY DEFINER: a procedure with either cannot COMMIT, so every name is qualified. COMMIT is not
-- possible inside an exception handler either.
CREATE PROCEDURE @extschema@.tw_run_job(job text, due_in text DEFAULT NULL, at timestamptz DEFAULT NULL)
    LANGUAGE plpgsql
AS $procedure$
DECLARE
    run bigint;
    state pg_catalog.jsonb;
    called pg_catalog.text;
BEGIN
    IF pg_catalog.pg_is_in_recovery() THEN
        RETURN;
    END IF;
    run := @extschema@.tw_begin_job(job, due_in, at);
    COMMIT;
    -- Training requires this level, and the database's default may differ. Set right after each COMMIT: even IF takes a
    -- snapshot.
    SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
    IF run IS NULL THEN
        RETURN;
    END IF;
    LOOP
        state := @extschema@.tw_job_step(run, state, at);
        COMMIT;
        SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
        EXIT WHEN state IS NULL OR state OPERATOR(pg_catalog.?|) '{then,cancelled}'::pg_catalog.text[];
        called := state OPERATOR(pg_catalog.->>) 'call'::pg_catalog.text;
        IF called IS NOT NULL THEN
            CALL @extschema@.tw_run_job(called, NULL::pg_catalog.text, at);
            COMMIT;
            SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
        END IF;
    END LOOP;
    PERFORM @extschema@.tw_end_run(run);
    COMMIT;
    called := state OPERATOR(pg_catalog.->>) 'then'::pg_catalog.text;
    IF called IS NOT NULL THEN
        CALL @extschema@.tw_run_job(called, NULL::pg_catalog.text, at);
    ELSIF state OPERATOR(pg_catalog.?) 'cancelled'::pg_catalog.text THEN
        RAISE EXCEPTION USING ERRCODE = 'query_canceled',
            MESSAGE = state OPERATOR(pg_catalog.->>) 'cancelled'::pg_catalog.text;
    END IF;
END
$procedure$;
REVOKE ALL ON PROCEDURE @extschema@.tw_run_job(text, text, timestamptz) FROM PUBLIC;
COMMENT ON PROCEDURE @extschema@.tw_run_job(text, text, timestamptz) IS
    'Runs a job of tw_jobs(). due_in (a time zone, for pg_cron): the procedure does nothing unless the job is due in '
    'that zone. at: the time that counts as now, for tests. Commits after each step, so it cannot run inside a '
    'transaction. Errors are recorded in job_runs and raise a WARNING. Does nothing while another session runs the '
    'job, on a standby or on a restored copy';
