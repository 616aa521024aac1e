-- train_model(): the built-in trainer, from the samples of a model type to a version that went through the gate.

CREATE FUNCTION @extschema@.tw_train_router(
    texts text[], intents text[], modules text[], weights double precision[],
    OUT artifact bytea, OUT temperature double precision, OUT training_accuracy double precision, OUT held_out integer,
    OUT held_out_accuracy double precision, OUT features integer, OUT cpu_seconds double precision,
    OUT peak_bytes bigint)
    LANGUAGE c VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'tw_train_router_sql';
REVOKE ALL ON FUNCTION @extschema@.tw_train_router(text[], text[], text[], double precision[]) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_train_router(text[], text[], text[], double precision[]) IS
    'Trains a router on texts (as tw_model_text() gives them) with their intents, modules and weights, four arrays '
    'of one length. The same rows give the same artifact, in whatever order they come. held_out is the number of '
    'texts that the temperature was fitted on, features the number of rows of the matrix. Raises 22023 where there is '
    'nothing to learn';

CREATE FUNCTION @extschema@.tw_nothing_to_learn(model_type text, intents bigint) RETURNS void
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    what text := (SELECT string_agg(format('%s: %s', w.why, w.n), ', ' ORDER BY w.why)
                  FROM (SELECT coalesce(t.excluded, 'to learn') AS why, sum(t.samples) AS n
                        FROM @extschema@.tw_training_texts(model_type) t GROUP BY 1) w);
BEGIN
    RAISE EXCEPTION USING
        ERRCODE = 'object_not_in_prerequisite_state',
        MESSAGE = CASE intents WHEN 0 THEN format('there is nothing to learn for model type "%s"',
                                        @extschema@.tw_excerpt(model_type))
                  ELSE format('all samples of model type "%s" have one intent', @extschema@.tw_excerpt(model_type)) END,
        DETAIL = format('Live samples of its module: %s.', coalesce(what, 'none')),
        HINT = CASE WHEN model_type <> 'router' AND what IS NULL
                    THEN format('Samples whose module_type is %L are missing: import or approve some, or train router, '
                                'which learns from all.',
                                @extschema@.tw_excerpt(regexp_replace(model_type, '-agent$', '')))
                    ELSE 'A classifier needs samples of at least two intents: import_training_samples() brings in '
                         'some, and so do verdicts on the queue.' END;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_nothing_to_learn(text, bigint) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_nothing_to_learn(text, bigint) IS
    'Raises 55000 and says what is missing for a training';

CREATE FUNCTION @extschema@.tw_mark_learned(version text, sample_ids bigint[], sample_intents text[],
    OUT marked bigint, OUT unmarked jsonb)
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    wanted bigint[];
    held bigint[];
BEGIN
    -- Samples are locked in the order that all functions use. A label that changed during the training stays new.
    wanted := ARRAY(SELECT s.id FROM @extschema@.training_samples s
                    WHERE s.id IN (SELECT unnest(sample_ids)) AND s.model_version_target IS NULL);
    held := ARRAY(SELECT s.id FROM @extschema@.training_samples s
                  WHERE s.id IN (SELECT unnest(wanted)) AND s.model_version_target IS NULL ORDER BY s.id
                      FOR NO KEY UPDATE SKIP LOCKED);
    UPDATE @extschema@.training_samples s SET model_version_target = tw_mark_learned.version
    FROM unnest(sample_ids, sample_intents) AS l (id, intent)
    WHERE s.id IN (SELECT unnest(held)) AND s.id = l.id
        AND @extschema@.tw_resolve_intent(s.intent) = @extschema@.tw_resolve_intent(l.intent)
        AND s.review_status = 'approved' AND s.model_version_target IS NULL;
    GET DIAGNOSTICS marked = ROW_COUNT;
    -- Samples locked by another session are skipped, or the training would be lost: tw_mark_held_samples() marks them
    -- later.
    unmarked := (SELECT jsonb_object_agg(l.id, l.intent) FROM unnest(sample_ids, sample_intents) AS l (id, intent)
                 WHERE l.id IN (SELECT unnest(wanted) EXCEPT SELECT unnest(held)));
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_mark_learned(text, bigint[], text[]) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_mark_learned(text, bigint[], text[]) IS
    'Records which version first learned from samples whose label has not changed since; returns how many are new to '
    'all versions, and those that were locked, with their intents (NULL: none)';

CREATE FUNCTION @extschema@.tw_mark_held_samples(OUT marked bigint, OUT locked bigint)
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    job record;
    ids bigint[];
    intents text[];
    done record;
BEGIN
    marked := 0;
    locked := 0;
    -- The oldest version first: the first one is recorded. Jobs locked by another session are left to it.
    FOR job IN
        SELECT j.id, j.version, j.result -> 'unmarked' AS unmarked FROM @extschema@.training_jobs j
        WHERE j.status = 'succeeded' AND j.result ? 'unmarked' ORDER BY j.id FOR UPDATE SKIP LOCKED
    LOOP
        SELECT array_agg(u.key::bigint), array_agg(u.value) INTO ids, intents FROM jsonb_each_text(job.unmarked) u;
        SELECT * INTO done FROM @extschema@.tw_mark_learned(job.version, ids, intents);
        marked := marked + done.marked;
        locked := locked + (SELECT count(*) FROM jsonb_object_keys(coalesce(done.unmarked, '{}'::jsonb)));
        UPDATE @extschema@.training_jobs j
        SET result = j.result - 'unmarked' || CASE WHEN done.unmarked IS NULL THEN '{}'::jsonb
            ELSE jsonb_build_object('unmarked', done.unmarked) END
        WHERE j.id = job.id;
    END LOOP;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_mark_held_samples() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_mark_held_samples() IS
    'Records which version first learned from samples that were locked when it was trained (training_jobs.result, '
    'unmarked); returns how many, and how many are still locked';

CREATE FUNCTION @extschema@.tw_start_version(model_type text, major boolean) RETURNS text
    LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    INSERT INTO @extschema@.model_versions (version, model_type, status, learned_to, nodes_learned_to)
    VALUES (@extschema@.next_model_version(model_type, coalesce(major, false)), model_type, 'training',
            @extschema@.tw_last_conversation(), @extschema@.tw_newest_of_nodes())
    RETURNING version;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_start_version(text, boolean) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_start_version(text, boolean) IS
    'Creates the next version of a type, with status training, and returns its number';

-- The common end of both kinds of training.
CREATE FUNCTION @extschema@.tw_finish_training(
    job_id bigint, sample_ids bigint[], sample_intents text[], learned_until timestamptz, figures jsonb,
    OUT gate_decision text, OUT gate_reason text)
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    node CONSTANT integer := @extschema@.tw_fleet_node();
    job @extschema@.training_jobs;
    learned record;
    -- Samples that were added between the start of the job and the reading of its samples are learned as well.
    newest bigint[];
BEGIN
    SELECT * INTO STRICT job FROM @extschema@.training_jobs j WHERE j.id = job_id;
    -- Samples that an earlier version learned first.
    PERFORM @extschema@.tw_mark_held_samples();
    SELECT * INTO learned FROM @extschema@.tw_mark_learned(job.version, sample_ids, sample_intents);
    newest := ARRAY(SELECT max(s.conversation_log_id) FROM @extschema@.training_samples s
                    WHERE s.id = ANY (sample_ids)
                    GROUP BY CASE WHEN node IS NOT NULL THEN @extschema@.tw_node_of(s.conversation_log_id) END);
    UPDATE @extschema@.model_versions m
    SET (learned_to, nodes_learned_to) = (
            SELECT CASE WHEN node IS NULL THEN greatest(m.learned_to, newest[1]) ELSE p.own END,
                   CASE WHEN node IS NULL THEN m.nodes_learned_to ELSE p.nodes END
            FROM @extschema@.tw_split_positions(m.learned_to || m.nodes_learned_to || newest, node) p),
        sample_counts = (SELECT jsonb_object_agg(x.label_source, x.n)
                            FROM (SELECT s.label_source, count(*) AS n FROM @extschema@.training_samples s
                                  WHERE s.id = ANY (sample_ids) GROUP BY s.label_source) x)
    WHERE m.version = job.version;
    SELECT g.decision, g.reason INTO gate_decision, gate_reason FROM @extschema@.tw_run_gate(job.version) g;
    UPDATE @extschema@.training_jobs j
    SET status = 'succeeded', finished_at = clock_timestamp(), cutoff = learned_until, error_code = NULL,
        error_message = NULL,
        handed_in = NULL, artifact = NULL,
        result = figures || jsonb_build_object('samples', cardinality(sample_ids), 'first_learned', learned.marked,
                                               'gate_decision', gate_decision, 'gate_reason', gate_reason)
                 || CASE WHEN learned.unmarked IS NULL THEN '{}'::jsonb
                     ELSE jsonb_build_object('unmarked', learned.unmarked) END
    WHERE j.id = job_id;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_finish_training(bigint, bigint[], text[], timestamptz, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_finish_training(bigint, bigint[], text[], timestamptz, jsonb) IS
    'Follows every training: marks samples as learned, runs the gate, closes the job';

CREATE FUNCTION @extschema@.tw_train_job(job_id bigint) RETURNS void
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    job @extschema@.training_jobs;
    t record;
    trained record;
    began CONSTANT timestamptz := clock_timestamp();
BEGIN
    SELECT * INTO STRICT job FROM @extschema@.training_jobs j WHERE j.id = job_id;
    -- One statement, so that the samples marked as learned are the samples learned.
    WITH x AS MATERIALIZED (
        SELECT * FROM @extschema@.tw_training_texts(job.model_type) y WHERE y.excluded IS NULL
    )
    SELECT array_agg(x.text) AS texts, array_agg(x.intent) AS intents, array_agg(x.module_type) AS modules,
           array_agg(x.weight) AS weights, count(DISTINCT x.intent) AS intent_count,
           coalesce(sum(x.samples), 0) AS samples,
           (SELECT array_agg(i.id) FROM x, unnest(x.sample_ids) AS i (id)) AS sample_ids,
           (SELECT array_agg(x.intent) FROM x, unnest(x.sample_ids)) AS sample_intents
    INTO t
    FROM x;
    IF t.intent_count < 2 THEN
        PERFORM @extschema@.tw_nothing_to_learn(job.model_type, t.intent_count);
    END IF;

    RAISE NOTICE 'training % on % samples: % texts, % intents', @extschema@.tw_excerpt(job.version), t.samples,
        cardinality(t.texts), t.intent_count;
    SELECT * INTO trained FROM @extschema@.tw_train_router(t.texts, t.intents, t.modules, t.weights);
    -- The job was not locked during the training. The job of train_model() is not committed: no other session has seen
    -- it.
    IF job.worker <> 'train_model' THEN
        PERFORM @extschema@.tw_lock_job_queue();
    END IF;
    SELECT * INTO STRICT job FROM @extschema@.training_jobs j WHERE j.id = job_id FOR UPDATE;
    IF job.status <> 'running' THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('training job %s is %s, no longer running', job_id, job.status);
    END IF;
    PERFORM @extschema@.tw_store_artifact(job.version, trained.artifact);
    UPDATE @extschema@.model_versions m
    SET training_accuracy = trained.training_accuracy, training_seconds = extract(epoch FROM clock_timestamp() - began)
    WHERE m.version = job.version;

    PERFORM @extschema@.tw_finish_training(job_id, t.sample_ids, t.sample_intents,
        -- Samples that later transactions add or relabel are new to the next job; a claimed job's time is that of its
        -- splits.
        coalesce(job.cutoff, now()), (to_jsonb(trained) - 'artifact')
        || jsonb_build_object('texts', cardinality(t.texts), 'intents', t.intent_count));
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_train_job(bigint) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_train_job(bigint) IS
    'Trains the version of a job with the built-in trainer on the texts whose split is decided, stores its artifact, '
    'and takes it through the gate. Raises 55000 where there is nothing to learn';

CREATE FUNCTION @extschema@.train_model(
    model_type text DEFAULT 'router', major boolean DEFAULT false,
    OUT version text, OUT status text, OUT gate_decision text, OUT gate_reason text,
    OUT test_accuracy double precision, OUT base_version text, OUT base_accuracy double precision,
    OUT test_samples integer, OUT training_samples bigint, OUT training_seconds double precision, OUT job_id bigint)
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '10s'
AS $function$
DECLARE
    running bigint;
BEGIN
    PERFORM @extschema@.tw_check_model_type(model_type);
    -- An older snapshot would miss version numbers and splits that others have committed since.
    IF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
        RAISE EXCEPTION USING
            ERRCODE = 'active_sql_transaction',
            MESSAGE = format('train_model() cannot run in a %s transaction', current_setting('transaction_isolation')),
            HINT = 'Run it in READ COMMITTED, or request_training() and CALL run_training_jobs().';
    END IF;
    SELECT j.id INTO running FROM @extschema@.training_jobs j
    WHERE j.model_type = train_model.model_type AND j.status = 'running';
    IF running IS NOT NULL OR NOT @extschema@.tw_try_model_type(model_type) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_in_use',
            MESSAGE = format('a job of model type "%s" is running', @extschema@.tw_excerpt(model_type)),
            DETAIL = CASE WHEN running IS NOT NULL THEN format('It is job %s.', running)
                          ELSE 'Another session runs it in an open transaction.' END,
            HINT = 'Wait for it, or end it with cancel_training_job().';
    END IF;
    INSERT INTO @extschema@.training_jobs (model_type, status, parameters, worker, attempt,
                                           lease_expires_at, started_at)
    VALUES (model_type, 'running', jsonb_build_object('major', coalesce(major, false)), 'train_model', 1, 'infinity',
            clock_timestamp())
    RETURNING id INTO job_id;
    UPDATE @extschema@.training_jobs j SET version = @extschema@.tw_start_version(train_model.model_type, major)
    WHERE j.id = job_id;
    PERFORM @extschema@.tw_decide_splits();
    PERFORM @extschema@.tw_train_job(job_id);
    SELECT m.version, m.status, m.gate_decision, m.gate_reason, m.test_accuracy, m.base_version, m.base_accuracy,
           m.test_samples,
           (j.result ->> 'samples')::bigint, m.training_seconds
    INTO STRICT version, status, gate_decision, gate_reason, test_accuracy, base_version, base_accuracy, test_samples,
         training_samples, training_seconds
    FROM @extschema@.training_jobs j JOIN @extschema@.model_versions m ON m.version = j.version
    WHERE j.id = job_id;
    IF NOT EXISTS (SELECT FROM @extschema@.model_versions m
                   WHERE m.model_type = train_model.model_type AND m.status = 'production') THEN
        RAISE NOTICE USING
            MESSAGE = format('"%s" is not live yet, and no other version of its type is: %s',
                             @extschema@.tw_excerpt(version), @extschema@.tw_cut_text(gate_reason, 1000)),
            HINT = format('SELECT promote_model(%L, ''why''); makes it live; classify_intent(text, %L, %L) tries it.',
                          @extschema@.tw_excerpt(version), @extschema@.tw_excerpt(model_type),
                          @extschema@.tw_excerpt(version));
    END IF;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.train_model(text, boolean) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.train_model(text, boolean) IS
    'Trains the next version of model_type (router, or <module>-agent) on all its live samples, old and new, scores it '
    'and the live version on the frozen test set, and keeps it as candidate if it is better, as rejected if not. '
    'Everything happens in the caller''s transaction; CALL run_training_jobs() commits on the way. major asks for a '
    'new major version. Raises 22023 for an unknown model type, 55000 where there is nothing to learn, 55006 while '
    'another job of the type runs, 54000 for more intents than a model holds, 25001 in a REPEATABLE READ or '
    'SERIALIZABLE transaction, 55P03 where a lock is not free within 10 seconds';
