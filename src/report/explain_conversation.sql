-- explain_conversation(): from an answer to its cause, in one query.

CREATE FUNCTION @extschema@.explain_conversation(id bigint) RETURNS jsonb
    LANGUAGE sql STABLE STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT jsonb_build_object(
        'conversation', jsonb_strip_nulls(to_jsonb(c) - ARRAY['phone_number', 'user_id', 'metadata', 'user_message', 'response_text',
            'user_correction', 'filter_outcome', 'filter_policy_id', 'is_audit', 'selection_probability', 'filtered_at'])
            || jsonb_build_object('user_message', @extschema@.tw_sample_text(c.user_message),
                                  'nlu_entities', @extschema@.tw_sample_entities(c.nlu_entities)),
        'filter', jsonb_build_object(
            'outcome', c.filter_outcome, 'filtered_at', c.filtered_at, 'is_audit', c.is_audit,
            'selection_probability', c.selection_probability, 'policy_id', c.filter_policy_id,
            'policy_as_it_is_now', (SELECT to_jsonb(p) FROM @extschema@.review_policies p WHERE p.id = c.filter_policy_id),
            'would_be_decided_now', CASE WHEN c.review_status <> 'not-applicable' THEN
                (SELECT to_jsonb(d) FROM @extschema@.filter_decision(c.nlu_confidence, c.nlu_provider, c.nlu_intent, c.nlu_module_type) d) END),
        'blind_review', (SELECT jsonb_build_object('suggestions', b.suggestions, 'asked_at', b.asked_at, 'comparisons', (
                             SELECT jsonb_agg(jsonb_build_object('challenger', p.challenger, 'answers', d.challenger_intent, 'live_version', p.live_version,
                                                                 'live_answers', d.live_intent, 'status', p.status) ORDER BY p.id)
                             FROM @extschema@.paired_disagreements d JOIN @extschema@.paired_evaluations p ON p.id = d.evaluation_id
                             -- While people choose, nobody learns from here whose answer is whose.
                             WHERE d.conversation_log_id = c.id AND p.status <> 'running'))
                         FROM @extschema@.blind_reviews b WHERE b.conversation_log_id = c.id),
        'claim', (SELECT jsonb_build_object('reviewer', k.reviewer, 'expires_at', k.expires_at) FROM @extschema@.review_claims k
                  WHERE k.conversation_log_id = c.id AND k.expires_at > clock_timestamp()),
        'labelstudio', (SELECT jsonb_agg(jsonb_strip_nulls(jsonb_build_object('project', p.title, 'task', t.task_id, 'status', t.status,
                                'pushed_at', t.pushed_at, 'finished_at', t.finished_at, 'error', t.error_message)) ORDER BY t.id)
                        FROM @extschema@.labelstudio_tasks t LEFT JOIN @extschema@.labelstudio_projects p ON p.id = t.project
                        WHERE t.conversation_log_id = c.id),
        'events', coalesce((SELECT jsonb_agg(to_jsonb(e) - ARRAY['conversation_log_id', 'note']
                                || jsonb_build_object('note', @extschema@.tw_sample_text(e.note)) ORDER BY e.id)
                            FROM @extschema@.review_events e WHERE e.conversation_log_id = c.id), '[]'),
        'sample', (SELECT to_jsonb(s) - 'conversation_log_id' FROM @extschema@.training_samples s WHERE s.conversation_log_id = c.id),
        'taken_back', (SELECT jsonb_build_object('with', d.version, 'at', d.created_at, 'reason', d.reason)
                       FROM @extschema@.training_samples s JOIN @extschema@.model_deployments d ON d.id = @extschema@.tw_standing_rollback(c.nlu_model_version)
                       WHERE s.conversation_log_id = c.id AND s.pending_reason = @extschema@.tw_rollback_reason(c.nlu_model_version)),
        'split', (SELECT s.split FROM @extschema@.training_samples s WHERE s.conversation_log_id = c.id),
        'learned_by', (SELECT coalesce(jsonb_agg(v.version ORDER BY v.version), '[]') FROM (
            SELECT s.model_version_target AS version FROM @extschema@.training_samples s
            WHERE s.conversation_log_id = c.id AND s.model_version_target IS NOT NULL
            UNION
            SELECT e.details ->> 'learned_by' FROM @extschema@.review_events e
            WHERE e.conversation_log_id = c.id AND e.details ? 'learned_by') v))
    FROM @extschema@.conversation_logs c
    WHERE c.id = explain_conversation.id;
END;
REVOKE ALL ON FUNCTION @extschema@.explain_conversation(bigint) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.explain_conversation(bigint) IS
    'Everything that the loop did with a conversation: what the filter decided and would decide now, tasks in Label Studio, blind reviews, events, sample, whether that was taken back with a version that was rolled back, split, and '
    'the versions that learned from it; texts as samples show them, without phone number, user and correction. NULL for an unknown id';
