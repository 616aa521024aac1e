-- daily_training_stats: figures of each day. Stored figures (capture/closed_days.sql) plus changes since; days without
-- stored figures are counted in the query.

-- A conversation counts once, however often it was judged: by what the first of the events found.
CREATE FUNCTION @extschema@.tw_daily_changes(
    OUT date date, OUT auto_approved bigint, OUT needs_review bigint, OUT approved bigint, OUT rejected bigint,
    OUT promoted bigint, OUT positive_feedback bigint, OUT negative_feedback bigint, OUT feedback bigint)
    RETURNS SETOF record
    -- Compiling the query would take longer than running it. The plan is made for the given time, since which there are
    -- few events.
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off
    SET plan_cache_mode = force_custom_plan
AS $function$
DECLARE
    since CONSTANT timestamptz := (SELECT min(s.as_of) FROM @extschema@.daily_statistics s WHERE NOT s.is_final);
BEGIN
    RETURN QUERY
    WITH events AS MATERIALIZED (
        SELECT e.conversation_log_id, e.id, e.action, e.from_status, e.details, d.date, d.as_of, c.review_status,
               c.filter_outcome IS NULL AS unfiltered, lower(c.user_feedback COLLATE "C") AS feedback_now,
               c.user_feedback IS NOT NULL OR c.user_correction IS NOT NULL AS has_feedback
        FROM @extschema@.review_events e
        JOIN @extschema@.conversation_logs c ON c.id = e.conversation_log_id
        JOIN @extschema@.daily_statistics d ON d.date = c.created_on AND NOT d.is_final
        WHERE e.created_at >= since AND e.created_at >= d.as_of
          AND @extschema@.tw_sees_module(c.nlu_module_type, c.nlu_intent)
    ), judged AS (
        SELECT e.conversation_log_id, e.date, e.as_of, e.review_status, e.unfiltered, e.feedback_now, e.has_feedback,
               (array_agg(e.from_status ORDER BY e.id))[1] AS from_status,
               (array_agg(e.details ORDER BY e.id) FILTER (WHERE e.action = 'feedback'))[1] AS details
        FROM events e
        GROUP BY e.conversation_log_id, e.date, e.as_of, e.review_status, e.unfiltered, e.feedback_now, e.has_feedback
    ), then_and_now AS (
        SELECT j.*, s.created_at >= j.as_of AS is_new_sample, j.details IS NOT NULL AS is_feedback,
               lower(j.details -> 'before' ->> 'feedback' COLLATE "C") AS feedback_then,
               j.details ? 'before' AS had_feedback
        FROM judged j
        LEFT JOIN @extschema@.training_samples s ON s.conversation_log_id = j.conversation_log_id
    )
    SELECT t.date,
           -- For rows that the filter has not seen, the status stands for its outcome.
           count(*) FILTER (WHERE t.unfiltered AND t.review_status = 'auto-approved')
               - count(*) FILTER (WHERE t.unfiltered AND t.from_status = 'auto-approved'),
           count(*) FILTER (WHERE t.unfiltered AND t.review_status = 'needs-review')
               - count(*) FILTER (WHERE t.unfiltered AND t.from_status = 'needs-review'),
           count(*) FILTER (WHERE t.review_status = 'approved') - count(*) FILTER (WHERE t.from_status = 'approved'),
           count(*) FILTER (WHERE t.review_status = 'rejected') - count(*) FILTER (WHERE t.from_status = 'rejected'),
           count(*) FILTER (WHERE t.is_new_sample),
           count(*) FILTER (WHERE t.is_feedback AND t.feedback_now = 'positive')
               - count(*) FILTER (WHERE t.is_feedback AND t.feedback_then = 'positive'),
           count(*) FILTER (WHERE t.is_feedback AND t.feedback_now = 'negative')
               - count(*) FILTER (WHERE t.is_feedback AND t.feedback_then = 'negative'),
           count(*) FILTER (WHERE t.is_feedback
                              AND t.has_feedback) - count(*) FILTER (WHERE t.is_feedback AND t.had_feedback)
    FROM then_and_now t
    GROUP BY t.date;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_daily_changes() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_daily_changes() IS
    'Changes to the stored figures of each day by verdicts and feedback since they were counted';

CREATE VIEW @extschema@.daily_training_stats AS
    WITH waiting AS MATERIALIZED (
        SELECT c.created_on, count(*) FILTER (WHERE c.review_priority = 1) AS high,
               count(*) FILTER (WHERE c.review_priority = 2) AS medium,
               count(*) FILTER (WHERE c.review_priority = 3) AS low
        FROM @extschema@.conversation_logs c
        WHERE c.review_priority IS NOT NULL AND c.review_status = 'needs-review'
          AND @extschema@.tw_sees_all_modules()
        GROUP BY c.created_on
    )
    SELECT d.date, d.conversations, d.auto_approved + coalesce(x.auto_approved, 0) AS auto_approved,
           d.needs_review + coalesce(x.needs_review, 0) AS needs_review, coalesce(w.high, 0) AS needs_review_high,
           coalesce(w.medium, 0) AS needs_review_medium, coalesce(w.low, 0) AS needs_review_low,
           d.not_applicable, d.audited, d.approved + coalesce(x.approved, 0) AS approved,
           d.rejected + coalesce(x.rejected, 0) AS rejected, d.promoted + coalesce(x.promoted, 0) AS promoted,
           d.fallback_rate, d.avg_latency_ms, d.p50_latency_ms,
           d.p95_latency_ms, d.positive_feedback + coalesce(x.positive_feedback, 0) AS positive_feedback,
           d.negative_feedback + coalesce(x.negative_feedback, 0) AS negative_feedback,
           d.feedback + coalesce(x.feedback, 0) AS feedback, d.as_of
    FROM @extschema@.daily_statistics d
    LEFT JOIN @extschema@.tw_daily_changes() x ON x.date = d.date
    LEFT JOIN waiting w ON w.created_on = d.date
    -- Stored figures are those of all modules.
    WHERE @extschema@.tw_sees_all_modules()
    UNION ALL
    SELECT d.date, f.conversations, f.auto_approved, f.needs_review, f.needs_review_high, f.needs_review_medium,
           f.needs_review_low, f.not_applicable, f.audited, f.approved, f.rejected, f.promoted, f.fallback_rate,
           f.avg_latency_ms, f.p50_latency_ms, f.p95_latency_ms, f.positive_feedback, f.negative_feedback,
           f.feedback, now()
    FROM @extschema@.tw_captured_days d
    CROSS JOIN LATERAL @extschema@.tw_day_figures(d.date) f
    WHERE NOT @extschema@.tw_sees_all_modules()
       OR NOT EXISTS (SELECT FROM @extschema@.daily_statistics s WHERE s.date = d.date)
    ORDER BY 1 DESC;
REVOKE ALL ON TABLE @extschema@.daily_training_stats FROM PUBLIC;

COMMENT ON VIEW @extschema@.daily_training_stats IS
    'One row for each day (in the time zone of the setting time_zone), newest first. The daily job counts past days '
    '(as_of); waiting conversations, verdicts and feedback are current';
COMMENT ON COLUMN @extschema@.daily_training_stats.date IS
    'The day; NULL = conversations without a day, which came while triggers did not fire';
COMMENT ON COLUMN @extschema@.daily_training_stats.conversations IS 'Conversations captured';
COMMENT ON COLUMN @extschema@.daily_training_stats.auto_approved IS 'Conversations that the filter auto-approved';
COMMENT ON COLUMN @extschema@.daily_training_stats.needs_review IS
    'Conversations that the filter sent to review, reviewed since or not';
COMMENT ON COLUMN @extschema@.daily_training_stats.needs_review_high IS
    'Conversations that still wait for review, priority 1';
COMMENT ON COLUMN @extschema@.daily_training_stats.needs_review_medium IS
    'Conversations that still wait for review, priority 2';
COMMENT ON COLUMN @extschema@.daily_training_stats.needs_review_low IS
    'Conversations that still wait for review, priority 3';
COMMENT ON COLUMN @extschema@.daily_training_stats.not_applicable IS
    'Conversations that models cannot learn from: not a text message, or a blank one';
COMMENT ON COLUMN @extschema@.daily_training_stats.audited IS 'Conversations drawn for the audit';
COMMENT ON COLUMN @extschema@.daily_training_stats.approved IS 'Conversations that a person approved or fixed';
COMMENT ON COLUMN @extschema@.daily_training_stats.rejected IS 'Conversations that a person rejected';
COMMENT ON COLUMN @extschema@.daily_training_stats.promoted IS 'Conversations that have a training sample';
COMMENT ON COLUMN @extschema@.daily_training_stats.fallback_rate IS
    'Fraction of the predictions that a fallback provider made, 0 to 1; rows without a provider do not count, NULL = '
    'no row has one. Uses the policies at the time as_of: after a change of policies the daily job counts past days '
    'again';
COMMENT ON COLUMN @extschema@.daily_training_stats.avg_latency_ms IS
    'Mean time of an NLU call, in milliseconds; NULL = none was recorded';
COMMENT ON COLUMN @extschema@.daily_training_stats.p50_latency_ms IS
    'Median time of an NLU call, in milliseconds; NULL = none was recorded';
COMMENT ON COLUMN @extschema@.daily_training_stats.p95_latency_ms IS
    '95th percentile of the time of an NLU call, in milliseconds; NULL = none was recorded';
COMMENT ON COLUMN @extschema@.daily_training_stats.positive_feedback IS 'Conversations with feedback positive';
COMMENT ON COLUMN @extschema@.daily_training_stats.negative_feedback IS 'Conversations with feedback negative';
COMMENT ON COLUMN @extschema@.daily_training_stats.feedback IS 'Conversations with any feedback or correction';
COMMENT ON COLUMN @extschema@.daily_training_stats.as_of IS
    'When the day was counted. Conversations that arrived late or were deleted since then, and verdicts of '
    'transactions that were open then, are counted by the next daily job. A day of which retention has taken '
    'conversations keeps the figures that it had then';
