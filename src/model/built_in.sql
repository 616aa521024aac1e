-- CALL run_training_jobs(): the built-in trainer works through the queue, with a commit before and after each training.

CREATE FUNCTION @extschema@.tw_start_built_in_job(OUT job_id bigint, OUT attempt integer)
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    job @extschema@.training_jobs;
BEGIN
    -- Sides are decided in this short transaction, so that no verdict has to wait for the training.
    IF EXISTS (SELECT FROM @extschema@.training_jobs j WHERE j.trainer = 'built-in'
               AND (j.status = 'queued' OR j.status = 'running' AND j.started_at < clock_timestamp() - interval '10 seconds')) THEN
        PERFORM @extschema@.tw_decide_sides();
        job := @extschema@.tw_claim_job('built-in', format('backend %s', pg_backend_pid()), NULL, NULL);
    END IF;
    job_id := job.id;
    attempt := job.attempt;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_start_built_in_job() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_start_built_in_job() IS 'First transaction of run_training_jobs(): takes a waiting job, NULL where there is none';

CREATE FUNCTION @extschema@.tw_run_built_in_job(id bigint, attempt integer) RETURNS text
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    job @extschema@.training_jobs;
    code text;
    message text;
BEGIN
    -- While it is held, the job counts as alive; a crash or a cancel lets go of it.
    PERFORM pg_advisory_xact_lock('@extschema@.conversation_logs'::regclass::oid::integer, (- (id % 2000000000))::integer);
    SELECT * INTO job FROM @extschema@.training_jobs j WHERE j.id = tw_run_built_in_job.id;
    IF job.id IS NULL OR job.trainer <> 'built-in' OR job.status <> 'running'
       OR job.attempt IS DISTINCT FROM tw_run_built_in_job.attempt THEN
        RETURN job.status;
    END IF;
    BEGIN
        PERFORM @extschema@.tw_train_job(job.id);
        RETURN 'succeeded';
    EXCEPTION WHEN OTHERS THEN
        GET STACKED DIAGNOSTICS code = RETURNED_SQLSTATE, message = MESSAGE_TEXT;
    END;
    PERFORM @extschema@.tw_lock_job_queue();
    -- Cancelled meanwhile: that is its end, and no failure.
    SELECT * INTO job FROM @extschema@.training_jobs j WHERE j.id = tw_run_built_in_job.id FOR UPDATE;
    IF job.status <> 'running' THEN
        RETURN job.status;
    END IF;
    RAISE WARNING 'training job % failed: %', job.id, message USING ERRCODE = code;
    -- Another try only helps against what passes.
    IF left(code, 2) IN ('40', '53', '55') AND code <> '55000' THEN
        RETURN @extschema@.tw_retry_job(job.id, code, message);
    END IF;
    PERFORM @extschema@.tw_end_job(job.id, 'failed', code, message);
    RETURN 'failed';
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_run_built_in_job(bigint, integer) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_run_built_in_job(bigint, integer) IS
    'Second transaction of run_training_jobs(): trains what a job asks for, or records why not; returns the job''s new status';

-- No SET and no SECURITY DEFINER: a procedure with either cannot COMMIT. So every name in it is qualified.
CREATE PROCEDURE @extschema@.run_training_jobs()
    LANGUAGE plpgsql
AS $procedure$
DECLARE
    job_id bigint;
    attempt integer;
BEGIN
    IF pg_catalog.pg_is_in_recovery() THEN
        RETURN;
    END IF;
    LOOP
        SELECT s.job_id, s.attempt INTO job_id, attempt FROM @extschema@.tw_start_built_in_job() s;
        COMMIT;
        EXIT WHEN job_id IS NULL;
        PERFORM @extschema@.tw_run_built_in_job(job_id, attempt);
        COMMIT;
    END LOOP;
    -- What was trained now, and what an earlier run could not store.
    IF @extschema@.tw_artifacts_wait() THEN
        CALL @extschema@.store_model_artifacts();
    END IF;
END
$procedure$;
REVOKE ALL ON PROCEDURE @extschema@.run_training_jobs() FROM PUBLIC;
COMMENT ON PROCEDURE @extschema@.run_training_jobs() IS
    'Runs the waiting jobs of the built-in trainer one after the other, committing between them; failures are recorded in '
    'training_jobs and do not end it. Then stores the artifacts that wait (store_model_artifacts). Does nothing on a standby';
