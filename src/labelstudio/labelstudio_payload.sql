-- What Label Studio receives: the tasks of a batch. src/labelstudio/labelstudio_screen.sql shows them.

CREATE FUNCTION @extschema@.tw_labelstudio_prediction(
    conversation @extschema@.conversation_logs, spans jsonb, is_blind boolean) RETURNS jsonb
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
RETURN jsonb_build_object(
    -- One name for all models: Label Studio only shows predictions of the version that a project saw first.
    'model_version', 'training_workflow',
    -- Least confident first: an invalid confidence comes before all others.
    'score', CASE WHEN is_blind THEN 0
                  WHEN conversation.nlu_confidence BETWEEN 0 AND 1 THEN conversation.nlu_confidence ELSE 0 END,
    'result',
    CASE WHEN is_blind OR @extschema@.tw_is_blank(conversation.nlu_intent) THEN '[]'
         ELSE jsonb_build_array(jsonb_build_object(
             'id', 'intent', 'from_name', 'intent', 'to_name', 'utterance', 'type', 'choices',
             'value', jsonb_build_object('choices', jsonb_build_array(conversation.nlu_intent)))) END
    || coalesce((SELECT jsonb_agg(jsonb_build_object(
            'id', 'entity' || s.n, 'from_name', 'entities', 'to_name', 'utterance', 'type', 'labels',
            'value', jsonb_build_object('start', s.span -> 0, 'end', s.span -> 1,
                                        'labels', jsonb_build_array(s.span -> 2))) ORDER BY s.n)
        FROM jsonb_array_elements(spans) WITH ORDINALITY AS s (span, n)), '[]'));
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_prediction(@extschema@.conversation_logs, jsonb, boolean) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_prediction(@extschema@.conversation_logs, jsonb, boolean) IS
    'The model''s answer to a conversation, or the label of a sample, as a prediction of Label Studio: the intent '
    '(not for blind choices), the entities as spans, the confidence as score';

CREATE FUNCTION @extschema@.tw_labelstudio_beside(value text, review_reason text) RETURNS text
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
RETURN left(@extschema@.tw_labelstudio_lines(@extschema@.tw_shown_beside(value, review_reason)), 1000);
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_beside(text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_beside(text, text) IS
    'The user''s correction or the chatbot''s reply, for a reviewer beside the message: redacted like it, and cut at '
    '1000 characters; NULL where there is none, and in a blind review';

CREATE FUNCTION @extschema@.tw_labelstudio_context(correction text, reply text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
RETURN concat_ws(E'\n', 'The user''s correction: ' || correction, 'The chatbot replied: ' || reply);
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_context(text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_context(text, text) IS
    'Both in one text, for projects that have the labelling interface of an earlier version';

CREATE FUNCTION @extschema@.tw_labelstudio_shown(tasks bigint[]) RETURNS TABLE (id bigint, task jsonb)
    LANGUAGE sql STABLE ROWS 100 SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH recent AS MATERIALIZED (
        SELECT s.entities FROM @extschema@.training_samples s
        WHERE jsonb_typeof(s.entities) = 'array' AND s.entities <> '[]' ORDER BY s.id DESC LIMIT 2000
    ), known AS MATERIALIZED (
        SELECT (SELECT array_agg(DISTINCT s.intent) FROM @extschema@.training_samples s
                WHERE s.review_status = 'approved') AS intents,
               (SELECT array_agg(DISTINCT p.span ->> 2) FROM recent r, jsonb_array_elements(
                    @extschema@.tw_entity_spans(r.entities, 1000000000)) AS p (span)) AS labels
    )
    SELECT t.id, jsonb_build_object(
        'data', jsonb_build_object(
            'text', v.message,
            'size', CASE WHEN @extschema@.tw_labelstudio_is_long(v.message) THEN 'long' ELSE '' END,
            'verdicts', @extschema@.tw_labelstudio_verdicts(r.suggestions, NOT @extschema@.tw_is_blank(c.nlu_intent)),
            'header', CASE WHEN r.is_blind THEN 'Which answer is right?' ELSE concat_ws(': ',
                CASE WHEN @extschema@.tw_is_blank(c.nlu_intent) THEN 'no answer'
                     ELSE format('%s (%s)', c.nlu_intent, coalesce(round(c.nlu_confidence::numeric, 3)::text,
                                                                   'no confidence')) END, q.review_reason) END,
            -- The reply would reveal which answer was given: there is none in a blind review.
            'correction', coalesce(v.correction, ''), 'reply', coalesce(v.reply, ''),
            'context', @extschema@.tw_labelstudio_context(v.correction, v.reply),
            'intent_options', @extschema@.tw_labelstudio_intents(n.intents, c.nlu_intent, m.module_type, r.is_blind),
            'entity_labels', @extschema@.tw_labelstudio_labels(n.labels || p.entity_labels || (
                SELECT array_agg(s.span ->> 2) FROM jsonb_array_elements(t.spans) AS s (span))),
            'external_id', t.external_id, 'batch_id', t.batch_id,
            'priority', q.review_priority::text, 'reason', q.review_reason, 'module',
            CASE WHEN NOT r.is_blind THEN m.module_type END, 'language', c.message_language),
        'meta', jsonb_build_object('external_id', t.external_id)
            || CASE WHEN t.sample_id IS NULL
                    THEN jsonb_build_object('conversation', @extschema@.tw_labelstudio_conversation(c))
                    ELSE (SELECT jsonb_build_object('sample', @extschema@.tw_labelstudio_sample(s))
                          FROM @extschema@.training_samples s WHERE s.id = t.sample_id) END,
        'predictions', jsonb_build_array(@extschema@.tw_labelstudio_prediction(c, t.spans, r.is_blind)))
    FROM known n
    CROSS JOIN @extschema@.labelstudio_tasks t
    JOIN @extschema@.labelstudio_projects p ON p.id = t.project
    CROSS JOIN LATERAL @extschema@.tw_task_subject(t) c
    CROSS JOIN LATERAL (SELECT @extschema@.tw_module_type(c.nlu_module_type, c.nlu_intent) AS module_type) m
    CROSS JOIN LATERAL (SELECT CASE WHEN t.sample_id IS NULL THEN p.review_priority ELSE c.review_priority END
                                   AS review_priority,
                               CASE WHEN t.sample_id IS NULL THEN p.review_reason ELSE c.review_reason END
                                   AS review_reason
                        FROM @extschema@.tw_shown_place(c) p) q
    CROSS JOIN LATERAL (SELECT b.suggestions, b.suggestions IS NOT NULL AS is_blind
                        FROM (SELECT) one LEFT JOIN @extschema@.blind_reviews b
                            ON b.conversation_log_id = t.conversation_log_id
                            AND q.review_reason = 'model disagreement') r
    CROSS JOIN LATERAL (SELECT @extschema@.tw_labelstudio_text(c.user_message) AS message,
                               CASE WHEN NOT r.is_blind THEN @extschema@.tw_labelstudio_beside(
                                   c.user_correction, c.review_reason) END AS correction,
                               CASE WHEN NOT r.is_blind THEN @extschema@.tw_labelstudio_beside(
                                   c.response_text, c.review_reason) END AS reply) v
    WHERE t.id = ANY (tasks) AND c.id IS NOT NULL;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_shown(bigint[]) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_shown(bigint[]) IS
    'These rows of labelstudio_tasks in Label Studio''s import format; without those whose subject is gone';

CREATE FUNCTION @extschema@.tw_labelstudio_payload(batch uuid) RETURNS jsonb
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
RETURN (SELECT jsonb_agg(s.task ORDER BY s.id)
        FROM @extschema@.tw_labelstudio_shown(ARRAY(
            SELECT t.id FROM @extschema@.labelstudio_tasks t
            WHERE t.batch_id = batch AND t.status = 'claimed')) s);
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_payload(uuid) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_payload(uuid) IS
    'The tasks of a batch in Label Studio''s import format, in review order; NULL where none is left';
