-- What a trainer outside the database calls: claim, heartbeat, complete, fail. It needs nothing but SQL, and one role.

CREATE FUNCTION @extschema@.claim_training_job(
    worker text, lease interval DEFAULT '5 minutes', model_types text[] DEFAULT NULL,
    OUT job_id bigint, OUT kind text, OUT model_type text, OUT version text, OUT parameters jsonb, OUT attempt integer,
    OUT lease_expires_at timestamptz, OUT test_samples integer)
    RETURNS SETOF record
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '5s'
AS $function$
DECLARE
    job @extschema@.training_jobs;
BEGIN
    IF @extschema@.tw_is_blank(worker) OR lease IS NULL OR lease < interval '1 second' OR lease > interval '1 day' THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = 'a claim needs the name of a worker and a lease of one second to one day',
            HINT = 'Choose a name that no other worker has, such as its host and process, and send a heartbeat before each lease is over.';
    END IF;
    -- Sides are for a training that begins, not for a worker who only asks.
    IF NOT EXISTS (SELECT FROM @extschema@.training_jobs j
                   WHERE j.trainer = 'outside' AND (j.status = 'queued' OR j.status = 'running' AND j.lease_expires_at < clock_timestamp())
                   AND (model_types IS NULL OR j.model_type = ANY (model_types))) THEN
        RETURN;
    END IF;
    PERFORM @extschema@.tw_decide_sides();
    job := @extschema@.tw_claim_job('outside', worker, lease, model_types);
    IF job.id IS NULL THEN
        RETURN;
    END IF;
    UPDATE @extschema@.training_jobs j
    SET test_samples = ARRAY(SELECT t.sample_id FROM @extschema@.model_test_set(j.model_type) t ORDER BY t.sample_id),
        pool = CASE WHEN j.kind = 'evaluate' THEN ARRAY(SELECT p.id FROM @extschema@.tw_unanswered_pool(j.version) p (id) ORDER BY p.id) END
    WHERE j.id = job.id
    RETURNING * INTO job;
    RETURN QUERY SELECT job.id, job.kind, job.model_type, job.version, job.parameters, job.attempt, job.lease_expires_at,
                        cardinality(job.test_samples) + coalesce(cardinality(job.pool), 0);
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.claim_training_job(text, interval, text[]) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.claim_training_job(text, interval, text[]) IS
    'Gives the oldest waiting job for trainers outside (of these model types, NULL: any) to a worker, or no row. The worker reads '
    'training_set(model_type) (kind train) and training_job_test_set(job_id), sends heartbeat_training_job() before each lease is '
    'over, and ends with complete_ or fail_training_job(). Raises 22023 for a blank worker or an odd lease';

CREATE FUNCTION @extschema@.tw_own_job(job_id bigint, worker text) RETURNS @extschema@.training_jobs
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    job @extschema@.training_jobs;
BEGIN
    SELECT * INTO job FROM @extschema@.training_jobs j WHERE j.id = job_id FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'no_data_found',
            MESSAGE = format('training job %s does not exist', coalesce(job_id::text, 'NULL')),
            HINT = 'The id is what claim_training_job() returned.';
    END IF;
    IF job.status <> 'running' OR job.worker IS DISTINCT FROM worker THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('training job %s is not worker "%s"''s any more', job_id, coalesce(worker, 'NULL')),
            DETAIL = format('It is %s%s.', job.status, CASE job.status WHEN 'running' THEN format(', by "%s"', job.worker) ELSE '' END),
            HINT = 'Stop, drop the work, and claim another job; send heartbeats more often, or ask for a longer lease.';
    END IF;
    RETURN job;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_own_job(bigint, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_own_job(bigint, text) IS 'Locks a running job of this worker: P0002 for an unknown job, 55000 for one that is not (or no more) the worker''s';

CREATE FUNCTION @extschema@.heartbeat_training_job(job_id bigint, worker text, progress jsonb DEFAULT NULL) RETURNS timestamptz
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    expires timestamptz;
BEGIN
    PERFORM @extschema@.tw_own_job(job_id, worker);
    UPDATE @extschema@.training_jobs j
    SET heartbeat_at = clock_timestamp(), lease_expires_at = clock_timestamp() + j.lease,
        progress = coalesce(heartbeat_training_job.progress, j.progress)
    WHERE j.id = job_id
    RETURNING j.lease_expires_at INTO expires;
    RETURN expires;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.heartbeat_training_job(bigint, text, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.heartbeat_training_job(bigint, text, jsonb) IS
    'Says that a worker is still at it, with its progress as it likes to tell it, and returns the end of its lease. Raises P0002 for '
    'an unknown job, 55000 when the job is not the worker''s any more: then it has to stop';

CREATE FUNCTION @extschema@.training_job_test_set(job_id bigint, OUT sample_id bigint, OUT text text) RETURNS SETOF record
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT s.id, s.text
    FROM @extschema@.training_jobs j
    JOIN @extschema@.training_samples s ON s.id = ANY (j.test_samples)
    WHERE j.id = job_id AND s.review_status = 'approved'
    UNION ALL
    -- The messages of a paired evaluation have no sample: they go by the number of the conversation, below zero.
    SELECT - c.id, @extschema@.tw_sample_text(c.user_message)
    FROM @extschema@.training_jobs j
    JOIN @extschema@.conversation_logs c ON c.id = ANY (j.pool)
    WHERE j.id = job_id
    ORDER BY 1;
END;
REVOKE ALL ON FUNCTION @extschema@.training_job_test_set(bigint) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.training_job_test_set(bigint) IS
    'The texts that the worker of a job has to predict, as they were fixed when it took the job; without their labels. A sample_id below zero is '
    'a message of a paired evaluation';

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
               WHEN 'null' THEN true WHEN 'number' THEN (p.value -> 'confidence')::numeric BETWEEN 0 AND 1 ELSE false END) IS NOT TRUE
    ORDER BY p.ordinality LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('prediction %s is none', wrong.ordinality),
            DETAIL = left(wrong.value::text, 200),
            HINT = 'Each has sample_id (of training_job_test_set), intent (text, or null for no answer) and confidence (0 to 1, or null).';
    END IF;
    RETURN QUERY SELECT (p.value ->> 'sample_id')::bigint, nullif(p.value ->> 'intent', ''), round((p.value ->> 'confidence')::numeric, 15)::double precision
                 FROM jsonb_array_elements(predictions) AS p (value);
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_read_predictions(jsonb) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_read_predictions(jsonb) IS 'The predictions of a worker as rows, or 22023 that shows the first that is none';

CREATE FUNCTION @extschema@.tw_store_predictions(job @extschema@.training_jobs, predictions jsonb) RETURNS bigint
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    evaluation bigint := nextval('@extschema@.model_evaluations_evaluation_seq');
    strange bigint;
    doubled bigint;
    missing bigint[];
BEGIN
    SELECT min(p.sample_id) FILTER (WHERE NOT (p.sample_id = ANY (job.test_samples) OR - p.sample_id = ANY (coalesce(job.pool, '{}')))), min(p.sample_id) FILTER (WHERE p.n > 1)
    INTO strange, doubled
    FROM (SELECT r.sample_id, count(*) AS n FROM @extschema@.tw_read_predictions(predictions) r GROUP BY r.sample_id) p;
    -- What was rejected or deleted meanwhile need not be answered.
    SELECT array_agg(t.sample_id ORDER BY t.sample_id) INTO missing
    FROM @extschema@.training_job_test_set(job.id) t
    WHERE NOT EXISTS (SELECT FROM @extschema@.tw_read_predictions(predictions) p WHERE p.sample_id = t.sample_id);
    IF strange IS NOT NULL OR doubled IS NOT NULL OR missing IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('the predictions do not fit the test set of training job %s', job.id),
            DETAIL = concat_ws(' ',
                CASE WHEN missing IS NOT NULL THEN format('Missing are %s, the first of them sample %s.', cardinality(missing), missing[1]) END,
                CASE WHEN strange IS NOT NULL THEN format('Sample %s is not in it.', strange) END,
                CASE WHEN doubled IS NOT NULL THEN format('Sample %s was answered more than once.', doubled) END),
            HINT = 'Answer every row of training_job_test_set(job_id) once; where the model has no answer, with intent null.';
    END IF;

    INSERT INTO @extschema@.model_evaluations (evaluation_id, version, sample_id, text_hash, intent, weight, predicted_intent, confidence)
    SELECT evaluation, job.version, t.sample_id, t.text_hash, t.intent, t.weight, p.intent, p.confidence
    FROM @extschema@.tw_read_predictions(predictions) p
    JOIN @extschema@.training_samples s ON s.id = p.sample_id
    JOIN @extschema@.model_test_set(job.model_type) t ON t.text_hash = s.text_hash
    ORDER BY t.sample_id;
    INSERT INTO @extschema@.paired_answers (version, conversation_log_id, intent)
    SELECT job.version, - p.sample_id, p.intent
    FROM @extschema@.tw_read_predictions(predictions) p
    WHERE p.sample_id < 0
    ORDER BY p.sample_id DESC
    ON CONFLICT DO NOTHING;
    RETURN evaluation;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_store_predictions(@extschema@.training_jobs, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_store_predictions(@extschema@.training_jobs, jsonb) IS
    'Keeps the predictions of a job''s worker beside the labels of today, those for a paired evaluation in paired_answers; 22023 unless each row of training_job_test_set() is answered once';

CREATE FUNCTION @extschema@.complete_training_job(
    job_id bigint, worker text, predictions jsonb, artifact bytea DEFAULT NULL, minio_path text DEFAULT NULL,
    training_accuracy double precision DEFAULT NULL, training_seconds double precision DEFAULT NULL,
    OUT version text, OUT gate_decision text, OUT gate_reason text)
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    job @extschema@.training_jobs;
    waiting text;
    l record;
BEGIN
    PERFORM @extschema@.tw_lock_job_queue();
    job := @extschema@.tw_own_job(job_id, worker);
    version := job.version;
    PERFORM @extschema@.tw_check_figures(training_accuracy, training_seconds, NULL);
    PERFORM @extschema@.tw_store_predictions(job, predictions);
    IF job.kind = 'train' THEN
        IF artifact IS NOT NULL THEN
            PERFORM @extschema@.tw_store_artifact(job.version, artifact);
        END IF;
        UPDATE @extschema@.model_versions m
        SET minio_path = complete_training_job.minio_path, training_accuracy = complete_training_job.training_accuracy,
            training_seconds = complete_training_job.training_seconds
        WHERE m.version = job.version;
        -- What the worker can have read.
        SELECT array_agg(i.id) AS ids, array_agg(x.intent) AS intents INTO l
        FROM @extschema@.tw_training_texts(job.model_type) x, unnest(x.sample_ids) AS i (id), @extschema@.training_samples s
        WHERE x.excluded IS NULL AND s.id = i.id AND greatest(s.created_at, s.reviewed_at) <= job.cutoff;
        SELECT f.gate_decision, f.gate_reason INTO gate_decision, gate_reason
        FROM @extschema@.tw_finish_training(job_id, coalesce(l.ids, '{}'), coalesce(l.intents, '{}'), job.cutoff, '{}') f;
    ELSE
        UPDATE @extschema@.training_jobs j SET status = 'succeeded', finished_at = clock_timestamp(), error_code = NULL, error_message = NULL
        WHERE j.id = job_id;
        -- The candidates that were waiting for this.
        FOR waiting IN
            SELECT m.version FROM @extschema@.model_versions m
            WHERE m.model_type = job.model_type AND m.status = 'candidate' AND m.gate_decision = 'undecided' AND m.base_version = job.version
            ORDER BY m.created_at, m.version
        LOOP
            version := waiting;
            SELECT g.decision, g.reason INTO gate_decision, gate_reason FROM @extschema@.tw_run_gate(waiting) g;
        END LOOP;
    END IF;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.complete_training_job(bigint, text, jsonb, bytea, text, double precision, double precision) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.complete_training_job(bigint, text, jsonb, bytea, text, double precision, double precision) IS
    'Ends a worker''s job with its predictions, a JSON array of {"sample_id", "intent", "confidence"} that answers every row of '
    'training_job_test_set(job_id) once. The database computes the accuracy from them and runs the gate, for a train job on its version, for an '
    'evaluate job on the candidates that waited for it; it returns the version that was decided about, and how. artifact is kept, minio_path says where the model lies. Raises P0002 and '
    '55000 as heartbeat_training_job() does, 22023 where predictions are missing, strange or doubled, or figures out of range: the job stays the worker''s';

CREATE FUNCTION @extschema@.fail_training_job(job_id bigint, worker text, error text, retry boolean DEFAULT true) RETURNS text
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    PERFORM @extschema@.tw_lock_job_queue();
    PERFORM @extschema@.tw_own_job(job_id, worker);
    IF retry IS NOT FALSE THEN
        RETURN @extschema@.tw_retry_job(job_id, NULL, error);
    END IF;
    PERFORM @extschema@.tw_end_job(job_id, 'failed', NULL, error);
    RETURN 'failed';
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.fail_training_job(bigint, text, text, boolean) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.fail_training_job(bigint, text, text, boolean) IS
    'Gives a worker''s job back with an error: queued again unless retry is false or it was begun three times. Returns its new status, '
    'queued or failed. Raises P0002 and 55000 as heartbeat_training_job() does';
