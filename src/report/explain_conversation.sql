-- explain_conversation(): the history of a conversation, in one query.

CREATE FUNCTION @extschema@.explain_conversation(id bigint) RETURNS jsonb
    LANGUAGE sql STABLE STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT jsonb_build_object(
        -- Column by column: to_jsonb(c) would also convert values of up to 1 GB.
        'conversation', jsonb_strip_nulls(jsonb_build_object(
            'id', c.id, 'session_id', @extschema@.tw_cut_text(c.session_id, 1000), 'message_type',
                @extschema@.tw_cut_text(c.message_type, 1000),
            'message_language', @extschema@.tw_cut_text(c.message_language, 1000), 'nlu_intent',
                @extschema@.tw_cut_text(c.nlu_intent, 1000),
            'nlu_confidence', c.nlu_confidence, 'nlu_module_id', c.nlu_module_id,
            'nlu_module_type', @extschema@.tw_cut_text(c.nlu_module_type, 1000), 'nlu_provider',
                @extschema@.tw_cut_text(c.nlu_provider, 1000),
            'nlu_model_version', @extschema@.tw_cut_text(c.nlu_model_version, 1000), 'nlu_tone',
                @extschema@.tw_cut_text(c.nlu_tone, 1000),
            'nlu_processing_time_ms', c.nlu_processing_time_ms, 'routed_to', @extschema@.tw_cut_text(c.routed_to, 1000),
            'response_success', c.response_success, 'user_feedback', @extschema@.tw_cut_text(c.user_feedback, 1000),
            'backend_reference', @extschema@.tw_cut_text(c.backend_reference, 1000), 'is_training_candidate',
                c.is_training_candidate,
            'review_status', c.review_status, 'review_priority', c.review_priority,
            'review_reason', @extschema@.tw_cut_text(c.review_reason, 1000), 'created_at', c.created_at, 'created_on',
                c.created_on, 'anonymised_at', c.anonymised_at))
            || jsonb_strip_nulls(jsonb_build_object(
                'user_correction', @extschema@.tw_shown_beside(c.user_correction, c.review_reason),
                'response_text', @extschema@.tw_shown_beside(c.response_text, c.review_reason)))
            || jsonb_build_object('user_message', @extschema@.tw_shown_text(c.user_message, true),
                                  'nlu_entities', @extschema@.tw_shown_entities(c.nlu_entities, true))
            || CASE WHEN @extschema@.tw_misplaced_entity(c.nlu_entities, c.user_message) IS NULL THEN '{}'
                    ELSE jsonb_build_object('misplaced_entity', @extschema@.tw_shown_entities(
                             @extschema@.tw_misplaced_entity(c.nlu_entities, c.user_message), true)) END,
        'filter', jsonb_build_object(
            'outcome', c.filter_outcome, 'filtered_at', c.filtered_at, 'is_audit', c.is_audit,
            'selection_probability', c.selection_probability, 'policy_id', c.filter_policy_id,
            'policy_as_it_is_now', (SELECT to_jsonb(p) FROM @extschema@.review_policies p
                                    WHERE p.id = c.filter_policy_id),
            'would_be_decided_now', CASE
                WHEN c.review_status = 'not-applicable' OR c.anonymised_at IS NOT NULL THEN NULL
                WHEN @extschema@.tw_is_too_long(NULL::integer, c.user_message, c.nlu_intent, c.nlu_module_type,
                    c.message_language, c.routed_to, c.nlu_entities)
                THEN jsonb_build_object('review_status', 'needs-review', 'review_priority', 3, 'review_reason',
                    'too long')
                WHEN c.review_status IS NOT NULL THEN
                (SELECT to_jsonb(d) FROM @extschema@.filter_decision(c.nlu_confidence, c.nlu_provider, c.nlu_intent,
                                                                     c.nlu_module_type) d) END),
        'blind_review',
        (SELECT jsonb_build_object('suggestions', b.suggestions, 'asked_at', b.asked_at, 'comparisons', (
                             SELECT jsonb_agg(jsonb_build_object('challenger', p.challenger, 'answers',
                                                                 d.challenger_intent, 'live_version', p.live_version,
                                                                 'live_answers', d.live_intent, 'status', p.status)
                                                                 ORDER BY p.id)
                             FROM @extschema@.paired_disagreements d
                             JOIN @extschema@.paired_evaluations p ON p.id = d.evaluation_id
                             -- During a blind review the model behind each answer is not shown.
                             WHERE d.conversation_log_id = c.id AND p.status <> 'running'))
         FROM @extschema@.blind_reviews b WHERE b.conversation_log_id = c.id),
        'claim', (SELECT jsonb_build_object('reviewer', k.reviewer, 'expires_at', k.expires_at)
                  FROM @extschema@.review_claims k
                  WHERE k.conversation_log_id = c.id AND k.expires_at > clock_timestamp()),
        'labelstudio', (SELECT jsonb_agg(jsonb_strip_nulls(jsonb_build_object('project', p.title, 'task', t.task_id,
                                                                              'status', t.status,
                                'pushed_at', t.pushed_at, 'finished_at', t.finished_at, 'error', t.error_message))
                                ORDER BY t.id)
                        FROM @extschema@.labelstudio_tasks t
                        LEFT JOIN @extschema@.labelstudio_projects p ON p.id = t.project
                        WHERE t.conversation_log_id = c.id),
        'events', coalesce((SELECT jsonb_agg(jsonb_build_object(
                                'id', e.id, 'action', e.action, 'reject_reason', e.reject_reason, 'intent',
                                    @extschema@.tw_cut_text(e.intent, 1000),
                                'entities', @extschema@.tw_shown_entities(e.entities, false), 'from_status',
                                    e.from_status, 'to_status', e.to_status,
                                'review_priority', e.review_priority, 'review_reason',
                                    @extschema@.tw_cut_text(e.review_reason, 1000), 'reviewer', e.reviewer,
                                    'session_role', e.session_role,
                                'calling_role', e.calling_role, 'details',
                                @extschema@.tw_shown_entities(e.details, false),
                                    'created_at', e.created_at,
                                'note', @extschema@.tw_shown_text(e.note, true)) ORDER BY e.id)
                            FROM @extschema@.review_events e WHERE e.conversation_log_id = c.id), '[]'),
        'sample', (SELECT jsonb_build_object(
                       'id', s.id, 'text', @extschema@.tw_shown_text(s.text, false),
                       'text_hash', s.text_hash, 'normalizer', s.normalizer, 'intent',
                           @extschema@.tw_cut_text(s.intent, 1000), 'module_id', s.module_id,
                       'module_type', @extschema@.tw_cut_text(s.module_type, 1000), 'entities',
                           @extschema@.tw_shown_entities(s.entities, false),
                       'language', @extschema@.tw_cut_text(s.language, 1000), 'expected_service',
                           @extschema@.tw_cut_text(s.expected_service, 1000),
                       'review_status', s.review_status, 'pending_reason', s.pending_reason, 'label_source',
                           s.label_source,
                       'reviewed_by', s.reviewed_by, 'reviewed_at', s.reviewed_at, 'source', s.source, 'split', s.split,
                       'selection_probability', s.selection_probability, 'quality_score', s.quality_score,
                       'model_version_target', s.model_version_target, 'created_at', s.created_at, 'updated_at',
                           s.updated_at) FROM @extschema@.training_samples s WHERE s.conversation_log_id = c.id),
        'taken_back', (SELECT jsonb_build_object('with', d.version, 'at', d.created_at, 'reason', d.reason)
                       FROM @extschema@.training_samples s JOIN @extschema@.model_deployments d
                           ON d.id = @extschema@.tw_standing_rollback(c.nlu_model_version)
                       WHERE s.conversation_log_id = c.id
                         AND s.pending_reason = @extschema@.tw_rollback_reason(c.nlu_model_version)),
        'split', (SELECT s.split FROM @extschema@.training_samples s WHERE s.conversation_log_id = c.id),
        'learned_by', (SELECT coalesce(jsonb_agg(v.version ORDER BY v.version), '[]') FROM (
            SELECT s.model_version_target AS version FROM @extschema@.training_samples s
            WHERE s.conversation_log_id = c.id AND s.model_version_target IS NOT NULL
            UNION
            SELECT e.details ->> 'learned_by' FROM @extschema@.review_events e
            WHERE e.conversation_log_id = c.id AND e.details ? 'learned_by') v))
    FROM @extschema@.conversation_logs c
    WHERE c.id = explain_conversation.id AND @extschema@.tw_sees_module(c.nlu_module_type, c.nlu_intent);
END;
REVOKE ALL ON FUNCTION @extschema@.explain_conversation(bigint) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.explain_conversation(bigint) IS
    'The history of the conversation id: what the filter decided and would decide now, tasks in Label Studio, blind '
    'reviews, events, sample, whether the sample was taken back by a rollback, split, and the versions that learned '
    'from it. Texts are shown as in samples, cut at the setting max_message_bytes, without phone number and user, and '
    'in a blind review without correction and reply; those of an anonymous conversation are gone, since '
    'anonymised_at. NULL for an unknown id. Raises no error of its own';
