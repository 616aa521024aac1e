-- Decisions about models that workers outside handed in: by run_training_jobs(), one job in one transaction, once.
-- Answers meet labels only here, never in a transaction that the worker could roll back.

CREATE FUNCTION @extschema@.tw_store_predictions(job @extschema@.training_jobs) RETURNS void
    LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH n AS MATERIALIZED (
        SELECT nextval('@extschema@.model_evaluations_evaluation_seq'::regclass) AS evaluation
    )
    INSERT INTO @extschema@.model_evaluations
        (evaluation_id, version, sample_id, text_hash, intent, weight, predicted_intent, confidence)
    SELECT n.evaluation, (job).version, t.sample_id, t.text_hash, t.intent, t.weight,
           @extschema@.tw_resolve_intent(p.intent), p.confidence
    FROM n
    CROSS JOIN @extschema@.tw_read_predictions((job).handed_in -> 'predictions') p
    JOIN @extschema@.training_samples s ON s.id = p.sample_id
    JOIN @extschema@.model_test_set((job).model_type) t ON t.text_hash = s.text_hash
    ORDER BY t.sample_id;
    INSERT INTO @extschema@.paired_answers (version, conversation_log_id, intent)
    SELECT (job).version, - p.sample_id, p.intent
    FROM @extschema@.tw_read_predictions((job).handed_in -> 'predictions') p
    -- Conversations deleted since the claim are left out, as samples are.
    WHERE p.sample_id < 0 AND EXISTS (SELECT FROM @extschema@.conversation_logs c WHERE c.id = - p.sample_id)
    ORDER BY p.sample_id DESC
    ON CONFLICT DO NOTHING;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_store_predictions(@extschema@.training_jobs) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_store_predictions(@extschema@.training_jobs) IS
    'Stores the predictions of a handed-in job beside the current labels, and those for a paired evaluation in '
    'paired_answers';

CREATE FUNCTION @extschema@.tw_decide_training(job @extschema@.training_jobs) RETURNS void
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    l record;
BEGIN
    IF job.artifact IS NOT NULL THEN
        PERFORM @extschema@.tw_store_artifact(job.version, job.artifact);
    END IF;
    UPDATE @extschema@.model_versions m
    SET minio_path = job.handed_in ->> 'minio_path',
        training_accuracy = (job.handed_in ->> 'training_accuracy')::double precision,
        training_seconds = (job.handed_in ->> 'training_seconds')::double precision,
        location_unknown = job.artifact IS NULL AND job.handed_in ->> 'minio_path' IS NULL
    WHERE m.version = job.version;
    -- The samples that the worker was able to read.
    SELECT array_agg(i.id) AS ids, array_agg(x.intent) AS intents INTO l
    FROM @extschema@.tw_training_texts(job.model_type) x, unnest(x.sample_ids) AS i (id), @extschema@.training_samples s
    WHERE x.excluded IS NULL AND s.id = i.id AND greatest(s.created_at, s.reviewed_at) <= job.cutoff;
    PERFORM @extschema@.tw_finish_training(job.id, coalesce(l.ids, '{}'::bigint[]), coalesce(l.intents, '{}'::text[]),
                                           job.cutoff,
                                           '{}'::jsonb);
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_decide_training(@extschema@.training_jobs) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_decide_training(@extschema@.training_jobs) IS
    'Registers the model that a worker handed in, and takes it through the gate';

CREATE FUNCTION @extschema@.tw_decide_evaluation(job @extschema@.training_jobs) RETURNS void
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    waiting text;
    decided jsonb := '[]';
BEGIN
    -- The candidates that waited for these answers.
    FOR waiting IN
        SELECT m.version FROM @extschema@.model_versions m
        WHERE m.model_type = job.model_type AND m.status = 'candidate' AND m.gate_decision = 'undecided'
          AND m.base_version = job.version
        ORDER BY m.created_at, m.version
    LOOP
        BEGIN
            decided := decided || (
                SELECT jsonb_build_object('version', waiting, 'gate_decision', g.decision, 'gate_reason', g.reason)
                FROM @extschema@.tw_run_gate(waiting) g);
        EXCEPTION WHEN object_not_in_prerequisite_state THEN
            -- Promoted or rolled out while it was scored: no decision is left to make. The answers stay for the other
            -- candidates.
            IF EXISTS (SELECT FROM @extschema@.model_versions m WHERE m.version = waiting AND m.status = 'candidate')
                THEN
                RAISE;
            END IF;
        END;
    END LOOP;
    UPDATE @extschema@.training_jobs j
    SET status = 'succeeded', finished_at = clock_timestamp(), error_code = NULL, error_message = NULL,
        result = jsonb_build_object('decided', decided), handed_in = NULL, artifact = NULL
    WHERE j.id = job.id;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_decide_evaluation(@extschema@.training_jobs) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_decide_evaluation(@extschema@.training_jobs) IS
    'Has the gate decide about the candidates that waited for the answers of a version outside';

CREATE FUNCTION @extschema@.tw_take_in(job @extschema@.training_jobs) RETURNS void
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    PERFORM @extschema@.tw_store_predictions(job);
    IF job.kind = 'train' THEN
        PERFORM @extschema@.tw_decide_training(job);
    ELSE
        PERFORM @extschema@.tw_decide_evaluation(job);
    END IF;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_take_in(@extschema@.training_jobs) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_take_in(@extschema@.training_jobs) IS
    'Decides about a handed-in job, and ends it';

CREATE FUNCTION @extschema@.tw_next_handed_in(run bigint, after bigint) RETURNS bigint
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '5s'
AS $function$
BEGIN
    PERFORM @extschema@.tw_require_run(run);
    RETURN (SELECT min(j.id) FROM @extschema@.training_jobs j WHERE j.status = 'handed-in' AND j.id > after);
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_next_handed_in(bigint, bigint) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_next_handed_in(bigint, bigint) IS
    'The next job that run_training_jobs() decides about, NULL where none is left. Raises 55000 outside the session '
    'of the run';

CREATE FUNCTION @extschema@.tw_decide_handed_in(run bigint, job_id bigint) RETURNS text
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '5s'
AS $function$
DECLARE
    job @extschema@.training_jobs;
    code text;
    message text;
BEGIN
    PERFORM @extschema@.tw_require_run(run);
    -- The row alone says that the job is handed in: no lock on the queue, and no wait for a cancel in progress.
    SELECT * INTO job FROM @extschema@.training_jobs j
    WHERE j.id = job_id AND j.status = 'handed-in' FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        RETURN 'put off';
    END IF;
    BEGIN
        PERFORM @extschema@.tw_take_in(job);
        RETURN 'decided';
    EXCEPTION WHEN OTHERS THEN
        GET STACKED DIAGNOSTICS code = RETURNED_SQLSTATE, message = MESSAGE_TEXT;
    END;
    RAISE WARNING 'training job % could not be decided: %', job_id, message USING ERRCODE = code;
    -- A retry only helps against temporary errors. The predictions are stored, so no worker is asked again.
    IF left(code, 2) IN ('40', '53', '55') AND code <> '55000' THEN
        UPDATE @extschema@.training_jobs j SET error_code = code, error_message = message WHERE j.id = job_id;
        RETURN 'put off';
    END IF;
    PERFORM @extschema@.tw_end_job(job_id, 'failed'::text, code, message);
    RETURN 'failed';
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_decide_handed_in(bigint, bigint) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_decide_handed_in(bigint, bigint) IS
    'One transaction of run_training_jobs(): has the gate decide about a handed-in job, or records the error. Returns '
    'decided, failed, or put off until the next run. Raises 55000 outside the session of the run';
