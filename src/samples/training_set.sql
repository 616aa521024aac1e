-- The training set and the frozen test set of a model type, and what is new since the last training.

CREATE FUNCTION @extschema@.tw_check_model_type(model_type text) RETURNS text
    LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF model_type IS NULL OR model_type !~ '^([a-z0-9]+(-[a-z0-9]+)*-agent|router)$' THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('there is no model type "%s"', coalesce(@extschema@.tw_excerpt(model_type), 'NULL')),
            HINT = 'The types are router, and <module>-agent for each module, for example food-agent.';
    END IF;
    RETURN regexp_replace(model_type, '-agent$', '');
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_check_model_type(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_check_model_type(text) IS
    'Returns the module whose samples a model type learns (router: all of them). Raises 22023 for an unknown model '
    'type';

CREATE FUNCTION @extschema@.tw_training_texts(
    model_type text,
    OUT text text, OUT intent text, OUT example text, OUT module_type text, OUT language text, OUT entities jsonb,
    OUT samples bigint, OUT label_source text, OUT weight double precision, OUT sample_ids bigint[], OUT excluded text)
    RETURNS SETOF record
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH live AS (
        SELECT s.*, @extschema@.tw_model_text(s.text) AS model_text, @extschema@.tw_resolve_intent(s.intent) AS label
        FROM @extschema@.training_samples s
        WHERE s.review_status = 'approved'
          AND NOT @extschema@.tw_is_too_long(NULL::integer, s.text, s.intent, s.module_type, s.language,
              s.expected_service, s.entities)
    ), disputed AS (
        SELECT l.model_text FROM live l GROUP BY l.model_text
        HAVING min(l.label COLLATE "C") <> max(l.label COLLATE "C")
    ), tested AS MATERIALIZED (
        -- Also if the sample is no longer live: a text that was tested on must not be learned.
        SELECT s.text_hash, @extschema@.tw_model_text(s.text) AS model_text, s.intent
        FROM @extschema@.training_samples s
        WHERE s.split = 'test'
    ), candidates AS MATERIALIZED (
        SELECT l.*,
               CASE WHEN @extschema@.tw_is_blank(l.model_text) OR @extschema@.tw_is_blank(l.intent) THEN 'blank'
                    WHEN l.text_hash IN (SELECT t.text_hash FROM tested t)
                      OR l.model_text IN (SELECT t.model_text FROM tested t) THEN 'test split'
                    WHEN l.split IS NULL THEN 'split not decided'
                    WHEN l.label_source = 'model' AND l.model_text IN (SELECT d.model_text FROM disputed d)
                    THEN 'label conflict'
               END AS excluded
        FROM live l
        WHERE @extschema@.tw_is_of_type(tw_training_texts.model_type, l.module_type)
    ), learnable AS (
        SELECT array_agg(x.model_text) AS texts, array_agg(x.intent) AS intents
        FROM (SELECT DISTINCT c.model_text, c.intent FROM candidates c WHERE c.excluded IS NULL) x
    ), known AS (
        SELECT coalesce(array_agg(x.model_text), '{}') AS texts, coalesce(array_agg(x.intent), '{}') AS intents
        FROM (SELECT DISTINCT t.model_text, t.intent FROM tested t) x
    ), twins AS MATERIALIZED (
        SELECT x.candidate, x.intent
        FROM learnable l, known k, @extschema@.tw_texts_with_twins(l.texts, l.intents, k.texts, k.intents) x
    ), judged AS (
        SELECT c.*, coalesce(c.excluded,
                             CASE WHEN (c.model_text, c.intent) IN (SELECT w.candidate, w.intent FROM twins w)
                                  THEN 'near-twin of a test text' END) AS why
        FROM candidates c
    )
    SELECT j.model_text, j.label, (array_agg(j.text ORDER BY j.id))[1],
           mode() WITHIN GROUP (ORDER BY j.module_type COLLATE "C"),
           mode() WITHIN GROUP (ORDER BY j.language COLLATE "C"),
           (array_agg(j.entities ORDER BY j.label_source = 'human' DESC,
                                          j.id) FILTER (WHERE j.entities IS NOT NULL))[1],
           count(*), CASE WHEN bool_or(j.label_source = 'human') THEN 'human' ELSE 'model' END,
           CASE WHEN bool_or(j.label_source = 'human') THEN 1 ELSE 0.3 END * (1 + ln(count(*)::double precision)),
           array_agg(j.id ORDER BY j.id), j.why
    FROM judged j
    GROUP BY j.model_text, j.label, j.why;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_training_texts(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_training_texts(text) IS
    'Every live text of a model type, except those longer than the setting max_message_bytes, with each of its '
    'intents, its weight, its samples, and why it is not trained on: blank, test split, split not decided, label '
    'conflict, near-twin of a test text; NULL = it is trained on';

CREATE FUNCTION @extschema@.training_set(
    model_type text DEFAULT 'router',
    OUT text text, OUT intent text, OUT module_type text, OUT language text, OUT entities jsonb, OUT label_source text,
    OUT samples bigint, OUT weight double precision)
    RETURNS SETOF record
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT t.example, t.intent, t.module_type, t.language, t.entities, t.label_source, t.samples, t.weight
    FROM @extschema@.tw_training_texts(model_type) t
    WHERE @extschema@.tw_check_model_type(model_type) IS NOT NULL AND t.excluded IS NULL
    ORDER BY t.text COLLATE "C", t.intent COLLATE "C";
END;
REVOKE ALL ON FUNCTION @extschema@.training_set(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.training_set(text) IS
    'The current training set of model_type (router, or <module>-agent), for external trainers: each text and intent '
    'once, with its number of samples and its weight, (1, or 0.3 without a verdict of a person) * (1 + ln samples). '
    'Texts of the test split and their near-twins (texts that differ in digits only are none if their intents differ), '
    'texts without a split yet, and unreviewed samples of label conflicts are left out. Raises 22023 for an unknown '
    'model type';

CREATE FUNCTION @extschema@.model_test_set(
    model_type text DEFAULT 'router',
    OUT sample_id bigint, OUT text text, OUT intent text, OUT module_type text, OUT weight double precision,
    OUT pinned boolean, OUT text_hash bigint)
    RETURNS SETOF record
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    -- The newest label of a text applies to all its samples; the weight of the text is the sum of theirs.
    SELECT DISTINCT ON (s.text_hash)
           s.id, s.text, @extschema@.tw_resolve_intent(s.intent), s.module_type,
           sum(CASE WHEN s.conversation_log_id IS NOT NULL THEN 1 / s.selection_probability ELSE 0 END) OVER texts
           + max((s.conversation_log_id IS NULL)::integer) OVER texts,
           bool_or(s.conversation_log_id IS NULL) OVER texts, s.text_hash
    FROM @extschema@.training_samples s
    LEFT JOIN @extschema@.conversation_logs c ON c.id = s.conversation_log_id
    WHERE @extschema@.tw_check_model_type(model_type) IS NOT NULL AND s.split = 'test' AND s.review_status = 'approved'
      AND s.label_source = 'human'
      AND (s.conversation_log_id IS NULL AND s.source <> 'production'
           OR c.is_audit AND c.review_status = 'approved' AND s.selection_probability > 0)
      AND @extschema@.tw_is_of_type(model_test_set.model_type, s.module_type)
      -- A label about which reviewers differ, without a majority yet, is none.
      AND NOT EXISTS (SELECT FROM @extschema@.second_opinions o
                      WHERE o.conversation_log_id = s.conversation_log_id AND o.status IN ('disputed', 'unsettled'))
    WINDOW texts AS (PARTITION BY s.text_hash)
    ORDER BY s.text_hash, s.reviewed_at DESC NULLS LAST, s.id DESC;
END;
REVOKE ALL ON FUNCTION @extschema@.model_test_set(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.model_test_set(text) IS
    'The frozen test set of model_type (router, or <module>-agent): test-split texts that people labelled in the audit '
    '(weight: the sum of 1/selection_probability of their samples) or that an import pinned (weight 1). One row for '
    'each text, with its newest label; a label about which reviewers differ counts once it has a majority. '
    'Raises 22023 for an unknown model type';

CREATE FUNCTION @extschema@.new_training_samples(model_type text DEFAULT 'router') RETURNS bigint
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT count(*)
    FROM @extschema@.training_samples s
    WHERE @extschema@.tw_check_model_type(model_type) IS NOT NULL AND s.review_status = 'approved'
      AND s.split IS DISTINCT FROM 'test'
      AND greatest(s.created_at, s.reviewed_at) > coalesce((
          SELECT j.cutoff FROM @extschema@.training_jobs j
          WHERE j.model_type = new_training_samples.model_type AND j.kind = 'train' AND j.cutoff IS NOT NULL
            -- A training that found nothing to learn would find nothing tomorrow.
            AND (j.status = 'succeeded' OR j.status = 'failed' AND j.error_code = '55000')
          ORDER BY j.finished_at DESC, j.id DESC LIMIT 1), '-infinity')
      AND @extschema@.tw_is_of_type(new_training_samples.model_type, s.module_type)
      AND NOT EXISTS (SELECT FROM @extschema@.training_samples t WHERE t.text_hash = s.text_hash AND t.split = 'test');
END;
REVOKE ALL ON FUNCTION @extschema@.new_training_samples(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.new_training_samples(text) IS
    'Number of live train-split samples made or relabelled since the cutoff of the last finished training of '
    'model_type (router, or <module>-agent), whatever its gate decided; compared with the training threshold. A sample '
    'whose transaction was open when that training began is not counted, but the next training learns it. Raises 22023 '
    'for an unknown model type';
