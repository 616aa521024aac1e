-- The interface of a trainer outside the database: claim, heartbeat, complete, fail. It needs SQL and one role.
--
-- A job belongs to its worker by a secret that claim_training_job() returns once; only a hash of it is stored. No
-- function here reads a label of the test set or scores an answer: a worker that rolls its transaction back could ask
-- as often as it likes. Handed-in predictions are stored unchanged; run_training_jobs() decides about them once, after
-- the commit (handed_in.sql).

CREATE FUNCTION @extschema@.tw_secret_hash(secret text) RETURNS text
    LANGUAGE sql STABLE STRICT SET search_path = pg_catalog, pg_temp
RETURN encode(sha256(convert_to(secret, getdatabaseencoding())), 'hex');
REVOKE ALL ON FUNCTION @extschema@.tw_secret_hash(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_secret_hash(text) IS 'The hash of a job''s secret that training_jobs stores';

CREATE FUNCTION @extschema@.claim_training_job(
    worker text, lease interval DEFAULT '5 minutes', model_types text[] DEFAULT NULL,
    OUT job_id bigint, OUT kind text, OUT model_type text, OUT version text, OUT parameters jsonb, OUT attempt integer,
    OUT lease_expires_at timestamptz, OUT test_samples integer, OUT secret text)
    RETURNS SETOF record
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    job @extschema@.training_jobs;
BEGIN
    PERFORM @extschema@.tw_bound_waits();
    -- Names appear in messages, whose size is limited.
    IF @extschema@.tw_is_blank(worker) OR length(worker) > 200
       OR lease IS NULL OR lease < interval '1 second' OR lease > interval '1 day'
       -- '5000000 years -1800000000 days' is no longer than the day before, and overflows when added to a time.
       OR extract(year FROM lease) <> 0 THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = 'a claim needs the name of a worker, of at most 200 characters, and a lease of one second '
                      'to one day',
            HINT = 'Choose a name that no other worker has, such as its host and process, and send a heartbeat before '
                   'each lease is over.';
    END IF;
    -- Splits are decided for a training that begins, not for a request that gets no job.
    IF NOT EXISTS (SELECT FROM @extschema@.training_jobs j
                   WHERE j.trainer = 'outside' AND (j.status = 'queued'
                                                    OR j.status = 'running' AND j.lease_expires_at < clock_timestamp())
                   AND (model_types IS NULL OR j.model_type = ANY (model_types))) THEN
        RETURN;
    END IF;
    PERFORM @extschema@.tw_decide_splits();
    job := @extschema@.tw_claim_job('outside'::text, worker, lease, model_types);
    IF job.id IS NULL THEN
        RETURN;
    END IF;
    -- 122 random bits of the server's strong generator.
    secret := gen_random_uuid()::text;
    UPDATE @extschema@.training_jobs j
    SET secret_sha256 = @extschema@.tw_secret_hash(secret),
        test_samples = ARRAY(SELECT t.sample_id FROM @extschema@.model_test_set(j.model_type) t ORDER BY t.sample_id),
        pool = CASE WHEN j.kind = 'evaluate' THEN ARRAY(SELECT p.id
            FROM @extschema@.tw_unanswered_pool(j.version, 5000) p (id) ORDER BY p.id) END
    WHERE j.id = job.id
    RETURNING * INTO job;
    RETURN QUERY SELECT job.id, job.kind, job.model_type, job.version, job.parameters, job.attempt,
                        job.lease_expires_at, cardinality(job.test_samples) + coalesce(cardinality(job.pool), 0),
                        secret;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.claim_training_job(text, interval, text[]) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.claim_training_job(text, interval, text[]) IS
    'Gives the oldest waiting job for trainers outside (only of model_types; NULL: any) to a worker, a name of at most '
    '200 characters, for a lease of one second to one day, or no row. All later calls about the job need secret, which '
    'is returned only here; the worker''s name only informs people. The worker reads training_set(model_type) (kind '
    'train) and training_job_test_set(job_id, secret), calls heartbeat_training_job() before each lease ends, and '
    'finishes with complete_ or fail_training_job(). Raises 22023 for a blank or long worker or an invalid lease, '
    '55P03 where the queue or the splits are locked for 5 seconds';

CREATE FUNCTION @extschema@.tw_check_worker(job_id bigint, job @extschema@.training_jobs, secret text) RETURNS void
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    is_its CONSTANT boolean := coalesce(job.secret_sha256 = @extschema@.tw_secret_hash(secret), false);
BEGIN
    IF job.id IS NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'no_data_found',
            MESSAGE = format('training job %s does not exist', coalesce(job_id::text, 'NULL')),
            HINT = 'The id is what claim_training_job() returned.';
    END IF;
    -- Without the secret the answer is the same for every job, whatever its state and its worker.
    IF NOT is_its OR job.status <> 'running' THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('training job %s does not belong to this worker, or no longer', job_id),
            DETAIL = CASE WHEN is_its THEN format('It is %s.', job.status)
                ELSE 'The secret is not that of its present worker.' END,
            HINT = 'Pass the secret that claim_training_job() returned with the job. A worker that has lost its job '
                   'should drop the work and claim another job. To keep a job, send heartbeats more often, or ask for '
                   'a longer lease.';
    END IF;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_check_worker(bigint, @extschema@.training_jobs, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_check_worker(bigint, @extschema@.training_jobs, text) IS
    'Raises P0002 for an unknown job, 55000 for one that is not running or has another secret';

CREATE FUNCTION @extschema@.tw_own_job(job_id bigint, secret text) RETURNS @extschema@.training_jobs
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    job @extschema@.training_jobs;
BEGIN
    -- Checked before the lock, so that strangers neither wait for it nor hold it; and again, as the job may have
    -- changed.
    SELECT * INTO job FROM @extschema@.training_jobs j WHERE j.id = job_id;
    PERFORM @extschema@.tw_check_worker(job_id, job, secret);
    SELECT * INTO job FROM @extschema@.training_jobs j WHERE j.id = job_id FOR UPDATE;
    PERFORM @extschema@.tw_check_worker(job_id, job, secret);
    RETURN job;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_own_job(bigint, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_own_job(bigint, text) IS
    'Locks and returns the running job that a secret belongs to; raises as tw_check_worker() does';

CREATE FUNCTION @extschema@.heartbeat_training_job(job_id bigint, secret text, progress jsonb DEFAULT NULL)
    RETURNS timestamptz
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '5s'
AS $function$
DECLARE
    expires timestamptz;
BEGIN
    PERFORM @extschema@.tw_own_job(job_id, secret);
    IF pg_column_size(progress) > 65536 THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('a progress of %s kB is too long', pg_column_size(progress) / 1024),
            HINT = 'Pass at most 64 kB, and store logs elsewhere. The lease was not extended.';
    END IF;
    UPDATE @extschema@.training_jobs j
    SET heartbeat_at = clock_timestamp(),
        lease_expires_at = clock_timestamp() + make_interval(secs => j.lease_seconds),
        progress = coalesce(heartbeat_training_job.progress, j.progress)
    WHERE j.id = job_id
    RETURNING j.lease_expires_at INTO expires;
    RETURN expires;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.heartbeat_training_job(bigint, text, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.heartbeat_training_job(bigint, text, jsonb) IS
    'Reports that the worker of job_id is alive, with its progress (any JSON; NULL keeps the last one), and returns '
    'the end of its lease. Raises P0002 for an unknown job; 55000 where the secret is not the job''s, or the job was '
    'taken back: then the worker has to stop; 22023 for a progress of more than 64 kB; 55P03 where the job is locked '
    'for 5 seconds';

CREATE FUNCTION @extschema@.tw_job_test_set(job_id bigint, OUT sample_id bigint, OUT text text) RETURNS SETOF record
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT s.id, s.text
    FROM @extschema@.training_jobs j
    JOIN @extschema@.training_samples s ON s.id = ANY (j.test_samples)
    WHERE j.id = job_id AND s.review_status = 'approved'
    UNION ALL
    -- Messages of a paired evaluation have no sample: their id is the negated number of the conversation.
    SELECT - c.id, @extschema@.tw_sample_text(c.user_message)
    FROM @extschema@.training_jobs j
    JOIN @extschema@.conversation_logs c ON c.id = ANY (j.pool)
    WHERE j.id = job_id AND c.anonymised_at IS NULL
    ORDER BY 1;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_job_test_set(bigint) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_job_test_set(bigint) IS
    'The rows of training_job_test_set(), without a check of the secret';

CREATE FUNCTION @extschema@.training_job_test_set(job_id bigint, secret text, OUT sample_id bigint, OUT text text)
    RETURNS SETOF record
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    job @extschema@.training_jobs;
BEGIN
    SELECT * INTO job FROM @extschema@.training_jobs j WHERE j.id = job_id;
    PERFORM @extschema@.tw_check_worker(job_id, job, secret);
    RETURN QUERY SELECT t.sample_id, t.text FROM @extschema@.tw_job_test_set(job_id) t;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.training_job_test_set(bigint, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.training_job_test_set(bigint, text) IS
    'The texts that the worker of job_id has to predict, fixed when it took the job; without their labels. secret is '
    'what claim_training_job() returned. A negative sample_id is a message of a paired evaluation. Raises P0002 and '
    '55000 as heartbeat_training_job() does';

CREATE FUNCTION @extschema@.tw_read_predictions(
    predictions jsonb, OUT sample_id bigint, OUT intent text, OUT confidence double precision)
    RETURNS SETOF record
    LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    wrong record;
BEGIN
    IF predictions IS NULL OR jsonb_typeof(predictions) <> 'array' THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = 'predictions must be a JSON array',
            HINT = 'For example ''[{"sample_id": 7, "intent": "intent.food.item.search", "confidence": 0.91}]''.';
    END IF;
    SELECT p.value, p.ordinality INTO wrong
    FROM jsonb_array_elements(predictions) WITH ORDINALITY AS p (value, ordinality)
    WHERE (jsonb_typeof(p.value) = 'object'
           AND jsonb_typeof(p.value -> 'sample_id') = 'number' AND p.value ->> 'sample_id' ~ '^-?[0-9]{1,18}$'
           AND coalesce(jsonb_typeof(p.value -> 'intent'), 'null') IN ('string', 'null')
           AND CASE coalesce(jsonb_typeof(p.value -> 'confidence'), 'null')
               WHEN 'null' THEN true WHEN 'number' THEN (p.value -> 'confidence')::numeric BETWEEN 0 AND 1
               ELSE false END) IS NOT TRUE
    ORDER BY p.ordinality LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('prediction %s is not valid', wrong.ordinality),
            DETAIL = format('It is %s.', @extschema@.tw_excerpt(wrong.value::text)),
            HINT = 'Each has sample_id (of training_job_test_set), intent (text, or null for no answer) and confidence '
                   '(0 to 1, or null).';
    END IF;
    RETURN QUERY SELECT (p.value ->> 'sample_id')::bigint, nullif(p.value ->> 'intent', ''),
                        round((p.value ->> 'confidence')::numeric, 15)::double precision
                 FROM jsonb_array_elements(predictions) AS p (value);
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_read_predictions(jsonb) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_read_predictions(jsonb) IS
    'The predictions of a worker as rows. Raises 22023 with the first invalid one';

CREATE FUNCTION @extschema@.tw_check_predictions(
    job @extschema@.training_jobs, predictions jsonb, OUT predictions_read bigint, OUT without_answer bigint)
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    strange bigint;
    doubled bigint;
    missing bigint[];
BEGIN
    SELECT min(p.sample_id) FILTER (WHERE NOT (p.sample_id = ANY (job.test_samples)
                                               OR - p.sample_id = ANY (coalesce(job.pool, '{}')))),
           min(p.sample_id) FILTER (WHERE p.n > 1),
           sum(p.n), sum(p.blank)
    INTO strange, doubled, predictions_read, without_answer
    FROM (SELECT r.sample_id, count(*) AS n, count(*) FILTER (WHERE r.intent IS NULL) AS blank
          FROM @extschema@.tw_read_predictions(predictions) r GROUP BY r.sample_id) p;
    -- Samples rejected or deleted since the claim need no answer.
    SELECT array_agg(t.sample_id ORDER BY t.sample_id) INTO missing
    FROM @extschema@.tw_job_test_set(job.id) t
    WHERE NOT EXISTS (SELECT FROM @extschema@.tw_read_predictions(predictions) p WHERE p.sample_id = t.sample_id);
    IF strange IS NOT NULL OR doubled IS NOT NULL OR missing IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('the predictions do not fit the test set of training job %s', job.id),
            DETAIL = concat_ws(' ',
                CASE WHEN missing IS NOT NULL
                     THEN format('Samples without a prediction: %s, the first of them sample %s.', cardinality(missing),
                                 missing[1]) END,
                CASE WHEN strange IS NOT NULL THEN format('Sample %s is not in it.', strange) END,
                CASE WHEN doubled IS NOT NULL THEN format('Sample %s was answered more than once.', doubled) END),
            HINT = 'Pass one prediction for each row of training_job_test_set(job_id, secret), with intent null where '
                   'the model has no answer.';
    END IF;
    predictions_read := coalesce(predictions_read, 0);
    without_answer := coalesce(without_answer, 0);
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_check_predictions(@extschema@.training_jobs, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_check_predictions(@extschema@.training_jobs, jsonb) IS
    'The number of predictions, and how many of them have no intent. Raises 22023 unless each row of '
    'training_job_test_set() is answered once. Reads no label';

CREATE FUNCTION @extschema@.complete_training_job(
    job_id bigint, secret text, predictions jsonb, artifact bytea DEFAULT NULL, minio_path text DEFAULT NULL,
    training_accuracy double precision DEFAULT NULL, training_seconds double precision DEFAULT NULL,
    OUT job bigint, OUT version text, OUT status text, OUT predictions_read bigint, OUT without_answer bigint)
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '5s'
AS $function$
DECLARE
    own CONSTANT @extschema@.training_jobs := @extschema@.tw_own_job(job_id, secret);
    kept_format text;
BEGIN
    PERFORM @extschema@.tw_check_figures(training_accuracy, training_seconds, NULL::double precision);
    IF length(minio_path) > 2000 THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('a path of %s characters is too long', length(minio_path)),
            HINT = 'minio_path is the location of the model, and has at most 2000 characters.';
    END IF;
    SELECT c.predictions_read, c.without_answer INTO predictions_read, without_answer
    FROM @extschema@.tw_check_predictions(own, predictions) c;
    IF own.kind = 'train' THEN
        -- The worker is told of a damaged artifact, which it can still replace.
        kept_format := @extschema@.tw_artifact_format(artifact);
    END IF;
    -- No scoring here: the worker could roll this transaction back.
    UPDATE @extschema@.training_jobs j
    SET status = 'handed-in', handed_in_at = clock_timestamp(), artifact = CASE WHEN kept_format IS NOT NULL
        THEN complete_training_job.artifact END,
        handed_in = jsonb_build_object(
            'predictions', complete_training_job.predictions,
            'minio_path', CASE WHEN NOT @extschema@.tw_is_blank(complete_training_job.minio_path)
                THEN complete_training_job.minio_path END,
            'training_accuracy', complete_training_job.training_accuracy, 'training_seconds',
                complete_training_job.training_seconds)
    WHERE j.id = job_id;
    job := own.id;
    version := own.version;
    status := 'handed-in';
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.complete_training_job(
    bigint, text, jsonb, bytea, text, double precision, double precision) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.complete_training_job(
    bigint, text, jsonb, bytea, text, double precision, double precision) IS
    'Hands in the predictions of the worker of job_id, a JSON array of {"sample_id", "intent", "confidence"} with one '
    'element for every row of training_job_test_set(job_id, secret). Returns the number of predictions read and the '
    'number without an answer, and no figure of their quality. The job is handed-in and no longer the worker''s; the '
    'next run_training_jobs() computes the accuracy and has the gate decide, once. artifact is stored, minio_path (at '
    'most 2000 characters) is the model''s location: with neither, no rollout begins by itself. training_accuracy (0 '
    'to 1) and training_seconds are the worker''s own figures (NULL: unknown). Raises P0002, 55000 and 55P03 as '
    'heartbeat_training_job() does; 22023 for missing, unknown or repeated predictions, figures out of range or a path '
    'too long, XX001 for a damaged router artifact, 0A000 for one of a newer format: the job stays the worker''s';

CREATE FUNCTION @extschema@.fail_training_job(job_id bigint, secret text, error text, retry boolean DEFAULT true)
    RETURNS text
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '5s'
AS $function$
BEGIN
    -- Checked before the queue's lock, so that strangers neither wait for the queue nor block it.
    PERFORM @extschema@.tw_check_worker(job_id, (SELECT j FROM @extschema@.training_jobs j WHERE j.id = job_id),
        secret);
    PERFORM @extschema@.tw_lock_job_queue();
    PERFORM @extschema@.tw_own_job(job_id, secret);
    IF retry IS NOT FALSE THEN
        RETURN @extschema@.tw_retry_job(job_id, NULL::text, left(error, 10000));
    END IF;
    PERFORM @extschema@.tw_end_job(job_id, 'failed'::text, NULL::text, left(error, 10000));
    RETURN 'failed';
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.fail_training_job(bigint, text, text, boolean) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.fail_training_job(bigint, text, text, boolean) IS
    'Gives the job job_id, whose secret the worker has, back with an error (its first 10,000 characters are kept): '
    'queued again unless retry is false or it was begun three times. Returns its new status, queued or failed. Raises '
    'P0002 and 55000 as heartbeat_training_job() does, 55P03 where the queue or the job is locked for 5 seconds';
