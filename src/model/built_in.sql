-- CALL run_training_jobs(): decides about models that workers outside handed in, then runs the waiting jobs of the
-- built-in trainer, with a commit before and after each.

CREATE FUNCTION @extschema@.tw_start_built_in_job(run bigint DEFAULT NULL, OUT job_id bigint, OUT attempt integer)
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '5s'
AS $function$
DECLARE
    job @extschema@.training_jobs;
    code text;
    message text;
    locked bigint;
BEGIN
    IF run IS NOT NULL THEN
        PERFORM @extschema@.tw_require_run(run);
    END IF;
    BEGIN
        -- Splits are decided in this short transaction: verdicts need not wait for the training.
        IF EXISTS (SELECT FROM @extschema@.training_jobs j WHERE j.trainer = 'built-in'
                   AND (j.status = 'queued'
                        OR j.status = 'running' AND j.started_at < clock_timestamp() - interval '10 seconds')) THEN
            SELECT s.locked INTO locked FROM @extschema@.tw_decide_splits() s;
            job := @extschema@.tw_claim_job('built-in', format('backend %s', pg_backend_pid()), NULL::interval,
                NULL::text[]);
        END IF;
    EXCEPTION WHEN OTHERS THEN
        IF run IS NULL THEN
            RAISE;
        END IF;
        GET STACKED DIAGNOSTICS code = RETURNED_SQLSTATE, message = MESSAGE_TEXT;
        job := NULL;
    END;
    IF code IS NOT NULL THEN
        RAISE WARNING 'run_training_jobs: no job could be begun: %', message USING ERRCODE = code;
        PERFORM @extschema@.tw_fail_run(run, code, message);
    END IF;
    IF locked > 0 AND run IS NOT NULL THEN
        PERFORM @extschema@.tw_note_run(run, NULL::text, jsonb_build_object('samples locked', locked), false);
    END IF;
    job_id := job.id;
    attempt := job.attempt;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_start_built_in_job(bigint) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_start_built_in_job(bigint) IS
    'First transaction of run_training_jobs(): takes a waiting job, NULL where there is none';

CREATE FUNCTION @extschema@.tw_run_built_in_job(id bigint, attempt integer) RETURNS text
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '5s'
AS $function$
DECLARE
    job @extschema@.training_jobs;
    code text;
    message text;
BEGIN
    -- While the lock is held, the job counts as alive; a crash or a cancel releases it.
    PERFORM @extschema@.tw_lock('training'::text, id);
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
    BEGIN
        PERFORM @extschema@.tw_lock_job_queue();
    EXCEPTION WHEN lock_not_available THEN
        -- Handled like a silent worker: the next run takes the job back.
        RAISE WARNING 'training job % failed: %', job.id, message USING ERRCODE = code, HINT = SQLERRM;
        RETURN 'left';
    END;
    -- A cancelled job has ended; it has not failed.
    SELECT * INTO job FROM @extschema@.training_jobs j WHERE j.id = tw_run_built_in_job.id FOR UPDATE;
    IF job.status <> 'running' THEN
        RETURN job.status;
    END IF;
    RAISE WARNING 'training job % failed: %', job.id, message USING ERRCODE = code;
    -- A retry only helps against temporary errors.
    IF left(code, 2) IN ('40', '53', '55') AND code <> '55000' THEN
        RETURN @extschema@.tw_retry_job(job.id, code, message);
    END IF;
    PERFORM @extschema@.tw_end_job(job.id, 'failed', code, message);
    RETURN 'failed';
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_run_built_in_job(bigint, integer) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_run_built_in_job(bigint, integer) IS
    'Second transaction of run_training_jobs(): trains what a job asks for, or records why not; returns the job''s '
    'new status';

CREATE FUNCTION @extschema@.tw_training_begin(run_id bigint) RETURNS void
    LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    UPDATE @extschema@.job_runs r
    SET items_done = 0, items_total = (SELECT count(*) FROM @extschema@.training_jobs j
                                       WHERE j.trainer = 'built-in' AND j.status = 'queued' OR j.status = 'handed-in')
    WHERE r.id = run_id;
    -- The samples that were locked when a version was trained on them.
    SELECT @extschema@.tw_note_run(run_id, NULL::text, jsonb_strip_nulls(jsonb_build_object('samples marked',
        nullif(m.marked, 0), 'samples locked', nullif(m.locked, 0))), false)
    FROM @extschema@.tw_mark_held_samples() m WHERE m.marked + m.locked > 0;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_training_begin(bigint) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_training_begin(bigint) IS
    'First step of run_training_jobs(): counts the waiting jobs, and marks samples that earlier trainings had to skip';

CREATE FUNCTION @extschema@.tw_training_note(run bigint, job_id bigint, outcome text) RETURNS void
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    job @extschema@.training_jobs;
BEGIN
    SELECT * INTO job FROM @extschema@.training_jobs j WHERE j.id = job_id;
    IF outcome IS NULL THEN
        PERFORM @extschema@.tw_note_run(run, format('job %s: %s %s', job_id, job.kind,
            coalesce(job.version, job.model_type)), '{}'::jsonb, true);
        RETURN;
    END IF;
    PERFORM @extschema@.tw_note_run(run, NULL::text, jsonb_build_object(outcome, 1), true);
    IF job.result ? 'unmarked' THEN
        PERFORM @extschema@.tw_note_run(run, NULL::text, jsonb_build_object('samples locked',
            (SELECT count(*) FROM jsonb_object_keys(job.result -> 'unmarked'))), false);
    END IF;
    IF outcome = 'failed' THEN
        PERFORM @extschema@.tw_fail_run(run, job.error_code, format('training job %s: %s', job_id, job.error_message));
    ELSIF outcome = 'put off' AND job.error_code IS NOT NULL THEN
        -- A job that is put off on every run must not go unnoticed.
        PERFORM @extschema@.tw_fail_run(run, job.error_code,
            format('training job %s is decided about later: %s', job_id, job.error_message));
    ELSIF outcome = 'left' THEN
        PERFORM @extschema@.tw_fail_run(run, '55P03'::text,
            format('training job %s: another session holds the job queue; its next attempt follows', job_id));
    END IF;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_training_note(bigint, bigint, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_training_note(bigint, bigint, text) IS
    'Records that a run begins a training job (outcome NULL), or how the job ended';

CREATE FUNCTION @extschema@.tw_training_next(run bigint, handed_in bigint) RETURNS jsonb
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    -- Repeated before each training, which may take long; each handed-in job is tried once a run.
    job_id bigint := @extschema@.tw_next_handed_in(run, handed_in);
    attempt integer;
BEGIN
    IF job_id IS NOT NULL THEN
        PERFORM @extschema@.tw_training_note(run, job_id, NULL::text);
        RETURN jsonb_build_object('decide', job_id, 'handed_in', job_id);
    END IF;
    SELECT s.job_id, s.attempt INTO job_id, attempt FROM @extschema@.tw_start_built_in_job(run) s;
    IF job_id IS NULL THEN
        RETURN jsonb_build_object('evaluations', @extschema@.tw_paired_begin(run), 'batch', 1);
    END IF;
    PERFORM @extschema@.tw_training_note(run, job_id, NULL::text);
    RETURN jsonb_build_object('train', job_id, 'attempt', attempt, 'handed_in', handed_in);
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_training_next(bigint, bigint) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_training_next(bigint, bigint) IS
    'What run_training_jobs() does next: decides about the next handed-in job, trains a job, or goes on to paired '
    'evaluations';

CREATE FUNCTION @extschema@.tw_training_step(run bigint, state jsonb, at timestamptz) RETURNS jsonb
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    handed_in CONSTANT bigint := coalesce((state ->> 'handed_in')::bigint, 0);
    evaluations jsonb := state -> 'evaluations';
    batch integer := (state ->> 'batch')::integer;
    job_id CONSTANT bigint := coalesce(state ->> 'decide', state ->> 'train')::bigint;
BEGIN
    IF state IS NULL THEN
        PERFORM @extschema@.tw_training_begin(run);
    ELSIF job_id IS NOT NULL THEN
        PERFORM @extschema@.tw_training_note(run, job_id, CASE WHEN state ? 'decide'
                                                               THEN @extschema@.tw_decide_handed_in(run, job_id)
                                                               ELSE @extschema@.tw_run_built_in_job(
                                                                   job_id, (state ->> 'attempt')::integer) END);
    ELSIF evaluations IS NULL THEN
        RETURN @extschema@.tw_training_next(run, handed_in);
    ELSIF jsonb_array_length(evaluations) = 0 THEN
        -- The artifacts of this run, and those that an earlier run could not store.
        RETURN CASE WHEN @extschema@.tw_artifacts_wait() THEN '{"then": "store_model_artifacts"}'::jsonb END;
    -- A backlog of more than a hundred batches waits for the next run.
    ELSIF @extschema@.tw_paired_step(run, (evaluations ->> 0)::bigint) AND batch < 100 THEN
        RETURN jsonb_build_object('evaluations', evaluations, 'batch', batch + 1);
    ELSE
        RETURN jsonb_build_object('evaluations', evaluations - 0, 'batch', 1);
    END IF;
    RETURN jsonb_build_object('handed_in', handed_in);
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_training_step(bigint, jsonb, timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_training_step(bigint, jsonb, timestamptz) IS
    'One step of run_training_jobs(), as tw_job_step() calls it';

CREATE PROCEDURE @extschema@.run_training_jobs()
    LANGUAGE plpgsql
AS $procedure$
BEGIN
    CALL @extschema@.tw_run_job('run_training_jobs'::pg_catalog.text, NULL::pg_catalog.text,
                                NULL::pg_catalog.timestamptz);
END
$procedure$;
REVOKE ALL ON PROCEDURE @extschema@.run_training_jobs() FROM PUBLIC;
COMMENT ON PROCEDURE @extschema@.run_training_jobs() IS
    'Has the gate decide about models that workers outside handed in, and runs the waiting jobs of the built-in '
    'trainer, one after the other, committing between them; failures are recorded in training_jobs and job_runs, and '
    'do not stop the run. Then each paired evaluation scores new messages, queues disagreements for review, and '
    'decides. Last, waiting artifacts are stored (store_model_artifacts). For pg_cron, every 5 minutes. Does nothing '
    'while another session runs it, on a standby or on a restored copy. Raises 2D000 inside a transaction, 25001 '
    'inside a block with EXCEPTION';
