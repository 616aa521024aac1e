-- training_queue: everything on its way to the next training run.

-- All parts are sorted like the whole, each along its index (conversation_logs_queue_idx, training_samples_queue_idx,
-- training_samples_untrained_idx), so that the first rows can be read without the others. security_barrier: a reader's
-- own function must not see rows that the view leaves out.
CREATE VIEW @extschema@.training_queue WITH (security_barrier) AS
    (SELECT 'waiting for review'::text AS stage,
           c.id AS conversation_log_id, s.id AS sample_id,
           c.review_status, c.review_priority, c.review_reason,
           @extschema@.tw_shown_text(c.user_message, true) AS text,
               @extschema@.tw_cut_text(c.message_language, 1000) AS language,
           -- A reviewer who chooses between two answers must not see which one was given.
           CASE WHEN c.review_reason IS DISTINCT FROM 'model disagreement'
               THEN @extschema@.tw_cut_text(c.nlu_intent, 1000) END AS intent,
           c.nlu_confidence AS confidence,
           CASE WHEN c.review_reason IS DISTINCT FROM 'model disagreement'
               THEN @extschema@.tw_cut_text(c.nlu_provider, 1000) END AS provider,
           @extschema@.tw_cut_text(c.nlu_model_version, 1000) AS model_version,
           CASE WHEN c.review_reason IS DISTINCT FROM 'model disagreement'
                THEN @extschema@.tw_cut_text(@extschema@.tw_module_type(c.nlu_module_type, c.nlu_intent),
                                             1000) END AS module_type,
           s.label_source, c.is_audit, @extschema@.tw_cut_text(c.session_id, 1000) AS session_id, c.created_at,
           CASE WHEN c.review_reason = 'model disagreement'
                THEN (SELECT b.suggestions FROM @extschema@.blind_reviews b
                      WHERE b.conversation_log_id = c.id) END AS suggestions,
           @extschema@.tw_shown_beside(c.user_correction, c.review_reason) AS user_correction,
           @extschema@.tw_shown_beside(c.response_text, c.review_reason) AS response_text
    FROM @extschema@.conversation_logs c
    LEFT JOIN @extschema@.training_samples s ON s.conversation_log_id = c.id
    WHERE c.review_priority IS NOT NULL AND @extschema@.tw_sees_module(c.nlu_module_type, c.nlu_intent)
    ORDER BY review_priority, confidence NULLS FIRST, created_at, conversation_log_id)
    UNION ALL
    -- Without a conversation. Of a conversation's sample, the conversation waits.
    (SELECT 'waiting for review', s.conversation_log_id, s.id, s.review_status, s.review_priority, s.review_reason,
           @extschema@.tw_shown_text(s.text, true), @extschema@.tw_cut_text(s.language, 1000),
           @extschema@.tw_cut_text(s.intent, 1000), s.quality_score AS confidence, NULL, NULL,
           @extschema@.tw_cut_text(s.module_type, 1000), s.label_source, NULL, NULL, s.created_at, NULL, NULL, NULL
    FROM @extschema@.training_samples s
    WHERE s.review_priority IS NOT NULL AND @extschema@.tw_sees_module(s.module_type, s.intent)
    ORDER BY review_priority, confidence NULLS FIRST, created_at, conversation_log_id)
    UNION ALL
    -- No priority. A constant NULL would do, but no index is sorted by a constant.
    (SELECT 'ready to train', s.conversation_log_id, s.id,
           'approved', nullif(s.normalizer, s.normalizer) AS review_priority, NULL,
           @extschema@.tw_shown_text(s.text, false), @extschema@.tw_cut_text(s.language, 1000),
           @extschema@.tw_cut_text(s.intent, 1000), s.quality_score AS confidence, NULL, NULL,
           @extschema@.tw_cut_text(s.module_type, 1000),
           s.label_source, NULL, NULL, s.created_at, NULL, NULL, NULL
    FROM @extschema@.training_samples s
    WHERE s.review_status = 'approved' AND s.model_version_target IS NULL AND s.split IS DISTINCT FROM 'test'
      AND @extschema@.tw_sees_module(s.module_type, s.intent)
    ORDER BY review_priority, confidence NULLS FIRST, created_at, conversation_log_id)
    ORDER BY review_priority, confidence NULLS FIRST, created_at, conversation_log_id;
REVOKE ALL ON TABLE @extschema@.training_queue FROM PUBLIC;

COMMENT ON VIEW @extschema@.training_queue IS
    'Conversations, and samples without one, that wait for review, and approved samples not yet trained on; by '
    'priority, then lowest confidence, then oldest';
COMMENT ON COLUMN @extschema@.training_queue.stage IS
    'waiting for review, or ready to train. An auto-approved audited conversation is in both, and so is what waits '
    'because of a label conflict and is live: labels of models are not trained on until it is settled';
COMMENT ON COLUMN @extschema@.training_queue.conversation_log_id IS
    'The conversation; NULL for synthetic and manual samples, which approve_, fix_ and reject_sample() judge';
COMMENT ON COLUMN @extschema@.training_queue.sample_id IS 'The training sample; NULL where there is none';
COMMENT ON COLUMN @extschema@.training_queue.review_status IS
    'Status of the conversation while it waits (needs-review, auto-approved for an audit, ...), or of the sample '
    '(pending, approved, ...); approved once it is ready to train';
COMMENT ON COLUMN @extschema@.training_queue.review_priority IS
    '1 high, 2 medium, 3 low; NULL once it is ready to train';
COMMENT ON COLUMN @extschema@.training_queue.review_reason IS 'Why it needs a review; NULL once it is ready to train';
COMMENT ON COLUMN @extschema@.training_queue.text IS
    'What the user said, redacted while the setting redact is on, and cut at the setting max_message_bytes';
COMMENT ON COLUMN @extschema@.training_queue.language IS 'Language of the text; NULL = not given';
COMMENT ON COLUMN @extschema@.training_queue.intent IS
    'The predicted intent, or the sample''s label; NULL where two models disagree, so that the review is blind';
COMMENT ON COLUMN @extschema@.training_queue.suggestions IS
    'Where two models disagree: both answers, in random order; NULL elsewhere';
COMMENT ON COLUMN @extschema@.training_queue.confidence IS
    'The model''s confidence, or the sample''s quality score, 0 to 1; NULL = not given';
COMMENT ON COLUMN @extschema@.training_queue.provider IS
    'The provider that predicted; NULL = not given, blind review, or a sample';
COMMENT ON COLUMN @extschema@.training_queue.model_version IS
    'The model version assigned to the session; NULL = none, or a sample';
COMMENT ON COLUMN @extschema@.training_queue.module_type IS 'The module; NULL = none, or blind review';
COMMENT ON COLUMN @extschema@.training_queue.label_source IS 'model or human; NULL where there is no sample';
COMMENT ON COLUMN @extschema@.training_queue.is_audit IS
    'Whether it was drawn for the audit; NULL = not filtered, or a sample';
COMMENT ON COLUMN @extschema@.training_queue.session_id IS 'The chat session; NULL for a sample';
COMMENT ON COLUMN @extschema@.training_queue.created_at IS 'When the message came, or the sample was made';
COMMENT ON COLUMN @extschema@.training_queue.user_correction IS
    'What the user says was meant, redacted and cut like text; NULL = nothing, blind review, or a sample';
COMMENT ON COLUMN @extschema@.training_queue.response_text IS
    'What the chatbot replied, redacted and cut like text; NULL = not given, blind review, or a sample';
