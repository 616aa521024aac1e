-- daily_training_stats: what a day brought. Stored figures where they hold (daily_statistics.sql), the others counted on the spot.

CREATE VIEW @extschema@.daily_training_stats AS
    WITH closed AS MATERIALIZED (SELECT * FROM @extschema@.tw_closed_days)
    SELECT k.date, k.conversations, k.auto_approved, k.needs_review, k.needs_review_high, k.needs_review_medium, k.needs_review_low,
           k.not_applicable, k.audited, k.approved, k.rejected, k.promoted, k.fallback_rate, k.avg_latency_ms, k.p50_latency_ms,
           k.p95_latency_ms, k.positive_feedback, k.negative_feedback, k.feedback
    FROM closed k
    UNION ALL
    SELECT d.date, f.conversations, f.auto_approved, f.needs_review, f.needs_review_high, f.needs_review_medium, f.needs_review_low,
           f.not_applicable, f.audited, f.approved, f.rejected, f.promoted, f.fallback_rate, f.avg_latency_ms, f.p50_latency_ms,
           f.p95_latency_ms, f.positive_feedback, f.negative_feedback, f.feedback
    FROM @extschema@.tw_captured_days d
    CROSS JOIN LATERAL @extschema@.tw_day_figures(d.date) f
    WHERE NOT EXISTS (SELECT FROM closed k WHERE k.date = d.date)
    ORDER BY 1 DESC;
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
