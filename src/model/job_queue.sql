-- The queue of training jobs: for the built-in trainer, and for workers outside that use SQL alone.
--
-- A job is queued, running, and then succeeded, failed or cancelled; a job of a worker outside is handed-in before it
-- has succeeded. A silent worker loses its job: it is queued again, and fails after the third time. Locks are taken in
-- this order: the lock of the splits (tw_decide_splits); the queue's lock, for every change between queued and running;
-- then rows. A handed-in job changes under its row's lock alone. The lock of a model type is only tried, never waited
-- for.

CREATE FUNCTION @extschema@.tw_lock_job_queue() RETURNS void
    LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT @extschema@.tw_lock('job queue'::text, 0::bigint);
END;
REVOKE ALL ON FUNCTION @extschema@.tw_lock_job_queue() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_lock_job_queue() IS
    'Takes the lock that every change of a job between queued and running needs, until the end of the transaction';

CREATE FUNCTION @extschema@.tw_try_model_type(model_type text) RETURNS boolean
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    key CONSTANT bigint := hashtextextended(model_type, 0::bigint);
BEGIN
    IF @extschema@.tw_try_lock('model type'::text, key) THEN
        RETURN true;
    END IF;
    -- A transaction releases its locks one after the other: this one may still be held just after another was released.
    PERFORM pg_sleep(0.05);
    RETURN @extschema@.tw_try_lock('model type'::text, key);
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_try_model_type(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_try_model_type(text) IS
    'Tries the lock of a model type; false where an open transaction of another session is beginning a job of the '
    'type. true holds it until the end of the transaction';

CREATE FUNCTION @extschema@.tw_queue_job(
    job_type text, job_kind text, job_trainer text, job_version text, job_parameters jsonb) RETURNS bigint
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    job_id bigint;
BEGIN
    -- The queue's lock is not needed (a gate comes here with samples locked): a unique index makes two requests one.
    LOOP
        SELECT j.id INTO job_id FROM @extschema@.training_jobs j
        WHERE j.model_type = job_type AND j.kind = job_kind AND j.trainer = job_trainer AND j.status = 'queued'
          AND (job_kind = 'train' OR j.version = job_version)
        ORDER BY j.id LIMIT 1;
        EXIT WHEN FOUND;
        INSERT INTO @extschema@.training_jobs (model_type, kind, trainer, version, parameters)
        VALUES (job_type, job_kind, job_trainer, job_version, coalesce(job_parameters, '{}'))
        ON CONFLICT DO NOTHING
        RETURNING id INTO job_id;
        EXIT WHEN FOUND;
    END LOOP;
    RETURN job_id;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_queue_job(text, text, text, text, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_queue_job(text, text, text, text, jsonb) IS
    'The id of the waiting job of this kind, or of a new one';

CREATE FUNCTION @extschema@.request_training(
    model_type text DEFAULT 'router', trainer text DEFAULT 'built-in', parameters jsonb DEFAULT '{}') RETURNS bigint
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '5s'
AS $function$
BEGIN
    PERFORM @extschema@.tw_check_model_type(model_type);
    IF trainer IS NULL OR trainer NOT IN ('built-in', 'outside') THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('there is no trainer "%s"', coalesce(@extschema@.tw_excerpt(trainer), 'NULL')),
            HINT = 'The trainers are built-in, which CALL run_training_jobs() runs, and outside, for workers that call '
                   'claim_training_job().';
    END IF;
    IF jsonb_typeof(parameters) <> 'object' OR jsonb_typeof(parameters -> 'major') <> 'boolean' THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = 'parameters must be a JSON object, and "major" in it true or false',
            HINT = 'For example ''{"major": true, "epochs": 25}''; all keys except "major" are for the worker.';
    END IF;
    RETURN @extschema@.tw_queue_job(model_type, 'train', trainer, NULL, parameters);
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.request_training(text, text, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.request_training(text, text, jsonb) IS
    'Queues a training of model_type (router, or <module>-agent) by a trainer (built-in or outside), and returns the '
    'job''s id, or the id of such a job that waits already. parameters (a JSON object; NULL: none) are passed to an '
    'outside worker unchanged; "major": true asks for a new major version. Raises 22023 for an unknown type or '
    'trainer, or invalid parameters, 55P03 where such a job is locked for 5 seconds';

CREATE FUNCTION @extschema@.tw_trainer_of(model_type text) RETURNS text
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    -- The trainer of the last training; else outside, if the live version is outside.
    SELECT coalesce(
        (SELECT j.trainer FROM @extschema@.training_jobs j
         WHERE j.model_type = tw_trainer_of.model_type AND j.kind = 'train' AND j.status = 'succeeded'
         ORDER BY j.id DESC LIMIT 1),
        (SELECT CASE WHEN @extschema@.tw_is_servable(m.version) THEN 'built-in' ELSE 'outside' END
         FROM @extschema@.model_versions m WHERE m.model_type = tw_trainer_of.model_type AND m.status = 'production'),
        'built-in');
END;
REVOKE ALL ON FUNCTION @extschema@.tw_trainer_of(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_trainer_of(text) IS
    'The trainer that a job requests for a model type: built-in or outside';

CREATE FUNCTION @extschema@.tw_queue_evaluation(version text) RETURNS bigint
    LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
RETURN @extschema@.tw_queue_job((@extschema@.tw_require_version(version)).model_type, 'evaluate', 'outside', version,
    '{}'::jsonb);
REVOKE ALL ON FUNCTION @extschema@.tw_queue_evaluation(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_queue_evaluation(text) IS 'Queues the evaluation of a version outside';

CREATE FUNCTION @extschema@.request_evaluation(version text) RETURNS bigint
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '5s'
AS $function$
BEGIN
    PERFORM @extschema@.tw_require_version(version);
    IF @extschema@.tw_is_servable(version) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('model "%s" runs in the database', @extschema@.tw_excerpt(version)),
            HINT = 'It needs no worker: compare_models() and evaluate_model() run it directly.';
    END IF;
    RETURN @extschema@.tw_queue_evaluation(version);
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.request_evaluation(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.request_evaluation(text) IS
    'Queues a job in which a worker has a version outside answer the test set, and returns its id. The gate does so by '
    'itself. Raises 42704 for an unknown version, 55000 for one that the database can serve, 55P03 where such a job is '
    'locked for 5 seconds';

CREATE FUNCTION @extschema@.tw_end_job(job_id bigint, how text, code text, message text) RETURNS void
    LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    UPDATE @extschema@.model_versions m SET status = 'failed'
    FROM @extschema@.training_jobs j
    WHERE j.id = job_id AND j.kind = 'train' AND m.version = j.version AND m.status = 'training';
    UPDATE @extschema@.training_jobs j
    SET status = how, finished_at = clock_timestamp(), error_code = code, error_message = message, handed_in = NULL,
        artifact = NULL
    WHERE j.id = job_id;
    SELECT @extschema@.tw_notify(jsonb_build_object('event', 'training job failed', 'job', j.id,
                                                    'model_type', j.model_type, 'version', j.version, 'code', code,
                                                    'reason', left(message, 1000)))
    FROM @extschema@.training_jobs j
    WHERE j.id = job_id AND how = 'failed';
END;
REVOKE ALL ON FUNCTION @extschema@.tw_end_job(bigint, text, text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_end_job(bigint, text, text, text) IS
    'Ends a job as failed or cancelled, and the version that it was training; sends a NOTIFY for a failure';

CREATE FUNCTION @extschema@.tw_retry_job(job_id bigint, code text, message text) RETURNS text
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    max_attempts CONSTANT integer := 3;
    job @extschema@.training_jobs;
BEGIN
    SELECT * INTO STRICT job FROM @extschema@.training_jobs j WHERE j.id = job_id;
    -- Where another job of the kind was queued since, that job is the retry.
    IF job.attempt >= max_attempts OR EXISTS (
        SELECT FROM @extschema@.training_jobs o
        WHERE o.status = 'queued' AND o.model_type = job.model_type AND o.kind = job.kind AND o.trainer = job.trainer
          AND (job.kind = 'train' OR o.version = job.version))
    THEN
        PERFORM @extschema@.tw_end_job(job_id, 'failed', code, message);
        RETURN 'failed';
    END IF;
    UPDATE @extschema@.training_jobs j
    SET status = 'queued', lease_expires_at = NULL, error_code = code, error_message = message, progress = NULL
    WHERE j.id = job_id;
    RETURN 'queued';
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_retry_job(bigint, text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_retry_job(bigint, text, text) IS
    'Queues a job again that was begun fewer than three times, else ends it as failed; returns its new status';

CREATE FUNCTION @extschema@.tw_requeue_silent_jobs() RETURNS bigint
    LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT @extschema@.tw_lock_job_queue();
    WITH silent AS MATERIALIZED (
        SELECT j.id, j.worker, j.attempt FROM @extschema@.training_jobs j
        WHERE j.status = 'running'
          AND CASE j.trainer WHEN 'outside' THEN j.lease_expires_at < clock_timestamp()
              -- The backend that trains holds this lock; the gap between the two transactions of a job does not count
              -- as silence.
              ELSE j.started_at < clock_timestamp() - interval '10 seconds'
                   AND @extschema@.tw_try_lock('training'::text, j.id) END
        ORDER BY j.id FOR UPDATE SKIP LOCKED
    )
    SELECT count(@extschema@.tw_retry_job(s.id, NULL, format('worker "%s" sent no heartbeat (attempt %s)',
                                                             left(s.worker, 200), s.attempt))) FROM silent s;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_requeue_silent_jobs() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_requeue_silent_jobs() IS
    'Takes jobs from silent workers; returns how many';

CREATE FUNCTION @extschema@.tw_claim_job(of_trainer text, by_worker text, for_time interval, of_types text[])
    RETURNS @extschema@.training_jobs
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    job @extschema@.training_jobs;
BEGIN
    PERFORM @extschema@.tw_requeue_silent_jobs();
    FOR job IN
        SELECT * FROM @extschema@.training_jobs j
        WHERE j.status = 'queued' AND j.trainer = of_trainer AND (of_types IS NULL OR j.model_type = ANY (of_types))
          AND NOT EXISTS (SELECT FROM @extschema@.training_jobs r
                          WHERE r.model_type = j.model_type AND r.status = 'running')
        ORDER BY j.id
    LOOP
        EXIT WHEN @extschema@.tw_try_model_type(job.model_type);
        job := NULL;
    END LOOP;
    IF job.id IS NULL THEN
        RETURN NULL;
    END IF;
    IF job.version IS NULL THEN
        job.version := @extschema@.tw_start_version(job.model_type, (job.parameters ->> 'major')::boolean);
    END IF;
    UPDATE @extschema@.training_jobs j
    SET status = 'running', version = job.version, worker = by_worker, secret_sha256 = NULL, attempt = j.attempt + 1,
        lease_seconds = extract(epoch FROM for_time),
        lease_expires_at = CASE WHEN for_time IS NULL THEN 'infinity' ELSE clock_timestamp() + for_time END,
        heartbeat_at = clock_timestamp(),
        started_at = clock_timestamp(), cutoff = CASE j.kind WHEN 'train' THEN now() END
    WHERE j.id = job.id
    RETURNING * INTO job;
    RETURN job;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_claim_job(text, text, interval, text[]) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_claim_job(text, text, interval, text[]) IS
    'Gives the oldest waiting job of a trainer, whose model type has no running job, to a worker; a row of NULLs '
    'where there is none';

CREATE FUNCTION @extschema@.cancel_training_job(job_id bigint, reason text DEFAULT NULL) RETURNS text
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    job @extschema@.training_jobs;
BEGIN
    PERFORM @extschema@.tw_bound_waits();
    PERFORM @extschema@.tw_lock_job_queue();
    SELECT * INTO job FROM @extschema@.training_jobs j WHERE j.id = job_id FOR UPDATE;
    IF NOT FOUND OR job.status NOT IN ('queued', 'running', 'handed-in') THEN
        RAISE EXCEPTION USING
            ERRCODE = CASE WHEN job.id IS NULL THEN 'no_data_found' ELSE 'object_not_in_prerequisite_state' END,
            MESSAGE = CASE WHEN job.id IS NULL
                           THEN format('training job %s does not exist', coalesce(job_id::text, 'NULL'))
                           ELSE format('training job %s is %s', job_id, job.status) END,
            HINT = 'Jobs can be cancelled while they are queued, running or handed-in: SELECT id, status FROM '
                   'training_jobs;';
    END IF;
    PERFORM @extschema@.tw_end_job(job_id, 'cancelled', NULL, reason);
    RETURN job.status;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.cancel_training_job(bigint, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.cancel_training_job(bigint, text) IS
    'Cancels the job job_id, which waits, runs or was handed in, and returns its status before. reason (NULL: none) is '
    'kept as its error_message. A worker learns of it from its next heartbeat, the built-in trainer at the end of its '
    'training. Raises P0002 for an unknown job, 55000 for one that has ended, 55P03 where the queue is locked for 5 '
    'seconds';
