-- daily_training_stats: what a day brought.

CREATE VIEW @extschema@.daily_training_stats AS
    SELECT c.created_on AS date,
           count(*) AS conversations,
           count(*) FILTER (WHERE coalesce(c.filter_outcome, c.review_status) = 'auto-approved') AS auto_approved,
           count(*) FILTER (WHERE coalesce(c.filter_outcome, c.review_status) = 'needs-review') AS needs_review,
           count(*) FILTER (WHERE c.review_status = 'needs-review' AND c.review_priority = 1) AS needs_review_high,
           count(*) FILTER (WHERE c.review_status = 'needs-review' AND c.review_priority = 2) AS needs_review_medium,
           count(*) FILTER (WHERE c.review_status = 'needs-review' AND c.review_priority = 3) AS needs_review_low,
           count(*) FILTER (WHERE coalesce(c.filter_outcome, c.review_status) = 'not-applicable') AS not_applicable,
           count(*) FILTER (WHERE c.is_audit) AS audited,
           count(*) FILTER (WHERE c.review_status = 'approved') AS approved,
           count(*) FILTER (WHERE c.review_status = 'rejected') AS rejected,
           count(s.id) AS promoted,
           avg(CASE WHEN c.nlu_provider IS NOT NULL THEN
               @extschema@.is_fallback_provider(c.nlu_provider, c.nlu_intent, c.nlu_module_type)::integer END)::double precision
               AS fallback_rate,
           avg(c.nlu_processing_time_ms)::double precision AS avg_latency_ms,
           percentile_cont(0.5) WITHIN GROUP (ORDER BY c.nlu_processing_time_ms) AS p50_latency_ms,
           percentile_cont(0.95) WITHIN GROUP (ORDER BY c.nlu_processing_time_ms) AS p95_latency_ms,
           count(*) FILTER (WHERE lower(c.user_feedback COLLATE "C") = 'positive') AS positive_feedback,
           count(*) FILTER (WHERE lower(c.user_feedback COLLATE "C") = 'negative') AS negative_feedback,
           count(*) FILTER (WHERE c.user_feedback IS NOT NULL OR c.user_correction IS NOT NULL) AS feedback
    FROM @extschema@.conversation_logs c
    LEFT JOIN @extschema@.training_samples s ON s.conversation_log_id = c.id
    GROUP BY c.created_on
    ORDER BY c.created_on DESC;
REVOKE ALL ON TABLE @extschema@.daily_training_stats FROM PUBLIC;

COMMENT ON VIEW @extschema@.daily_training_stats IS 'One row a day (in the time zone of the setting time_zone), newest first';
COMMENT ON COLUMN @extschema@.daily_training_stats.date IS 'The day';
COMMENT ON COLUMN @extschema@.daily_training_stats.conversations IS 'Conversations captured';
COMMENT ON COLUMN @extschema@.daily_training_stats.auto_approved IS 'Conversations that the filter auto-approved';
COMMENT ON COLUMN @extschema@.daily_training_stats.needs_review IS 'Conversations that the filter sent to people, reviewed by now or not';
COMMENT ON COLUMN @extschema@.daily_training_stats.needs_review_high IS 'Still waiting, priority 1';
COMMENT ON COLUMN @extschema@.daily_training_stats.needs_review_medium IS 'Still waiting, priority 2';
COMMENT ON COLUMN @extschema@.daily_training_stats.needs_review_low IS 'Still waiting, priority 3';
COMMENT ON COLUMN @extschema@.daily_training_stats.not_applicable IS 'Conversations with nothing to learn from: no text, or a blank one';
COMMENT ON COLUMN @extschema@.daily_training_stats.audited IS 'Conversations drawn for the audit';
COMMENT ON COLUMN @extschema@.daily_training_stats.approved IS 'Conversations that a person approved or fixed';
COMMENT ON COLUMN @extschema@.daily_training_stats.rejected IS 'Conversations that a person rejected';
COMMENT ON COLUMN @extschema@.daily_training_stats.promoted IS 'Conversations that have a training sample';
COMMENT ON COLUMN @extschema@.daily_training_stats.fallback_rate IS 'Share of the predictions that a fallback provider made, 0 to 1; rows without a provider do not count. By the policies as they are now: naming another fallback changes past days as well';
COMMENT ON COLUMN @extschema@.daily_training_stats.avg_latency_ms IS 'Mean time of an NLU call, in milliseconds';
COMMENT ON COLUMN @extschema@.daily_training_stats.p50_latency_ms IS 'Median time of an NLU call, in milliseconds';
COMMENT ON COLUMN @extschema@.daily_training_stats.p95_latency_ms IS '95th percentile of the time of an NLU call, in milliseconds';
COMMENT ON COLUMN @extschema@.daily_training_stats.positive_feedback IS 'Conversations with feedback positive';
COMMENT ON COLUMN @extschema@.daily_training_stats.negative_feedback IS 'Conversations with feedback negative';
COMMENT ON COLUMN @extschema@.daily_training_stats.feedback IS 'Conversations with any feedback or correction';
