-- What Label Studio receives: the labelling interface of a project, and the tasks of a batch.

CREATE FUNCTION @extschema@.tw_labelstudio_config() RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
-- Each task brings its intents and labels, so that a new one needs no change of the project. It brings its verdicts
-- too: where two models disagree there is nothing to approve, but two answers to choose from.
RETURN '<View>
  <Style>.htx-text{ white-space: pre-wrap; }</Style>
  <Header value="$header"/>
  <Labels name="entities" toName="utterance" value="$entity_labels" showInline="true"/>
  <Text name="utterance" value="$text" granularity="symbol"/>
  <Header value="$context" size="5"/>
  <Choices name="verdict" toName="utterance" choice="single-radio" showInline="true" value="$verdicts" required="true" requiredMessage="Choose one of these"/>
  <Choices name="intent" toName="utterance" choice="single" layout="select" value="$intent_options" visibleWhen="choice-selected" whenTagName="verdict" whenChoiceValue="fix,another intent"/>
  <TextArea name="new_intent" toName="utterance" rows="1" maxSubmissions="1" editable="true" placeholder="Or the name of a new intent" visibleWhen="choice-selected" whenTagName="verdict" whenChoiceValue="fix,another intent"/>
  <Choices name="reject_reason" toName="utterance" choice="single-radio" showInline="true" visibleWhen="choice-selected" whenTagName="verdict" whenChoiceValue="reject">
    <Choice value="unclear" hotkey="u"/>
    <Choice value="no-such-intent" hotkey="n"/>
  </Choices>
  <TextArea name="note" toName="utterance" rows="2" maxSubmissions="1" editable="true" placeholder="Note (optional)"/>
</View>';
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_config() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_config() IS
    'The labelling interface as XML: keys a, f and r approve, fix and reject (defined by the tasks); u and n give the '
    'reason of a rejection (without one: unclear)';

CREATE FUNCTION @extschema@.tw_labelstudio_verdicts(suggestions text[]) RETURNS jsonb
    LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT CASE WHEN suggestions IS NULL
        THEN '[{"value": "approve", "hotkey": "a"}, {"value": "fix", "hotkey": "f"}, {"value": "reject", "hotkey": '
             '"r"}]'::jsonb
        ELSE (SELECT jsonb_agg(jsonb_build_object('value', CASE s.suggestion WHEN '' THEN 'no answer'
                                                                ELSE s.suggestion END, 'hotkey', s.n::text)
                               ORDER BY s.n)
              FROM unnest(suggestions) WITH ORDINALITY AS s (suggestion, n))
             || '[{"value": "another intent", "hotkey": "f"}, {"value": "no such intent", "hotkey": "n"}, {"value": '
                '"unclear", "hotkey": "u"}]'::jsonb END;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_verdicts(text[]) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_verdicts(text[]) IS
    'The choices of a task: approve, fix and reject; or, where two models disagree, both answers (keys 1 and 2), '
    'another intent, no such intent and unclear';

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

CREATE FUNCTION @extschema@.tw_labelstudio_context(conversation @extschema@.conversation_logs) RETURNS text
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
RETURN concat_ws(E'\n',
    'The user''s correction: ' || left(@extschema@.tw_labelstudio_lines(@extschema@.tw_shown_beside(
        conversation.user_correction, conversation.review_reason)), 1000),
    'The chatbot replied: ' || left(@extschema@.tw_labelstudio_lines(@extschema@.tw_shown_beside(
        conversation.response_text, conversation.review_reason)), 1000));
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_context(@extschema@.conversation_logs) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_context(@extschema@.conversation_logs) IS
    'Context for a reviewer beside the message: the user''s correction and the chatbot''s reply, redacted like the '
    'message; empty in a blind review';

CREATE FUNCTION @extschema@.tw_labelstudio_payload(batch uuid) RETURNS jsonb
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH intents AS MATERIALIZED (
        SELECT DISTINCT s.intent FROM @extschema@.training_samples s WHERE s.review_status = 'approved'
    ), recent AS MATERIALIZED (
        SELECT s.entities FROM @extschema@.training_samples s
        WHERE jsonb_typeof(s.entities) = 'array' AND s.entities <> '[]' ORDER BY s.id DESC LIMIT 2000
    ), labels AS MATERIALIZED (
        SELECT DISTINCT p.span ->> 2 AS label
        FROM recent r, jsonb_array_elements(@extschema@.tw_entity_spans(r.entities, 1000000000)) AS p (span)
    )
    SELECT jsonb_agg(jsonb_build_object(
        'data', jsonb_build_object(
            'text', @extschema@.tw_labelstudio_text(c.user_message),
            'verdicts', @extschema@.tw_labelstudio_verdicts(r.suggestions),
            'header', concat_ws(': ', CASE WHEN r.is_blind THEN 'Which answer is right?'
                                           WHEN @extschema@.tw_is_blank(c.nlu_intent) THEN 'no answer'
                                           ELSE format('%s (%s)', c.nlu_intent,
                                                       coalesce(round(c.nlu_confidence::numeric, 3)::text,
                                                                'no confidence')) END, q.review_reason),
            -- The reply would reveal which answer was given.
            'context', CASE WHEN r.is_blind THEN '' ELSE @extschema@.tw_labelstudio_context(c) END,
            'intent_options', coalesce((
                -- The model's answer first, then the other intents of its module.
                SELECT jsonb_agg(jsonb_build_object('value', i.intent) ORDER BY NOT r.is_blind
                                 AND i.intent = c.nlu_intent DESC,
                                 NOT r.is_blind AND @extschema@.intent_module_type(i.intent)
                                                        IS NOT DISTINCT FROM m.module_type DESC, i.intent COLLATE "C")
                FROM (SELECT n.intent FROM intents n
                      UNION SELECT c.nlu_intent WHERE NOT @extschema@.tw_is_blank(c.nlu_intent)) i), '[]'),
            'entity_labels', coalesce((
                SELECT jsonb_agg(jsonb_build_object('value', l.label) ORDER BY l.label COLLATE "C")
                FROM (SELECT n.label FROM labels n
                      UNION SELECT unnest(p.entity_labels)
                      UNION SELECT s.span ->> 2 FROM jsonb_array_elements(t.spans) AS s (span)) l), '[]'),
            'external_id', t.external_id, 'batch_id', t.batch_id,
            'priority', q.review_priority::text, 'reason', q.review_reason, 'module',
            CASE WHEN NOT r.is_blind THEN m.module_type END, 'language', c.message_language),
        'meta', jsonb_build_object('external_id', t.external_id)
            || CASE WHEN t.sample_id IS NULL
                    THEN jsonb_build_object('conversation', @extschema@.tw_labelstudio_conversation(c))
                    ELSE (SELECT jsonb_build_object('sample', @extschema@.tw_labelstudio_sample(s))
                          FROM @extschema@.training_samples s WHERE s.id = t.sample_id) END,
        'predictions', jsonb_build_array(@extschema@.tw_labelstudio_prediction(c, t.spans, r.is_blind))) ORDER BY t.id)
    FROM @extschema@.labelstudio_tasks t
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
    WHERE t.batch_id = batch AND t.status = 'claimed' AND c.id IS NOT NULL;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_payload(uuid) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_payload(uuid) IS
    'The tasks of a batch in Label Studio''s import format, in review order; NULL where none is left';
