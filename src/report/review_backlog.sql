-- review_backlog and reviewer_activity: size and age of the queue, and verdicts by reviewer.

CREATE VIEW @extschema@.review_backlog WITH (security_barrier) AS
    WITH queue AS (
        SELECT c.review_priority, c.review_reason, c.is_audit, k.id AS claim, c.created_at
        FROM @extschema@.conversation_logs c
        LEFT JOIN @extschema@.review_claims k ON k.conversation_log_id = c.id AND k.expires_at > clock_timestamp()
        WHERE c.review_priority IS NOT NULL AND @extschema@.tw_sees_module(c.nlu_module_type, c.nlu_intent)
        UNION ALL
        SELECT s.review_priority, s.review_reason, false, k.id, s.created_at
        FROM @extschema@.training_samples s
        LEFT JOIN @extschema@.review_claims k ON k.sample_id = s.id AND k.expires_at > clock_timestamp()
        WHERE s.review_priority IS NOT NULL AND @extschema@.tw_sees_module(s.module_type, s.intent)
    ), waiting AS (
        SELECT q.review_priority, q.review_reason, count(*) AS waiting, count(*) FILTER (WHERE q.is_audit) AS audited,
               count(q.claim) AS claimed, min(q.created_at) AS oldest
        FROM queue q
        GROUP BY q.review_priority, q.review_reason
    ), reviewed AS (
        SELECT e.review_priority, e.review_reason, count(*) AS reviewed,
               percentile_cont(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY extract(
                   epoch FROM e.created_at - c.created_at)::double precision) AS seconds
        FROM @extschema@.review_events e
        LEFT JOIN @extschema@.conversation_logs c ON c.id = e.conversation_log_id
        WHERE e.created_at > now() - interval '30 days' AND @extschema@.tw_is_verdict(e.action)
          AND e.review_priority IS NOT NULL AND (e.sample_id IS NOT NULL OR isfinite(c.created_at))
          AND (@extschema@.tw_sees_all_modules()
               OR CASE WHEN e.sample_id IS NULL THEN @extschema@.tw_sees_module(c.nlu_module_type, c.nlu_intent)
                       ELSE @extschema@.tw_sees_sample(e.sample_id) END)
        GROUP BY e.review_priority, e.review_reason
    )
    SELECT review_priority, review_reason, coalesce(w.waiting, 0) AS waiting, coalesce(w.audited, 0) AS audited,
           coalesce(w.claimed, 0) AS claimed, w.oldest, coalesce(r.reviewed, 0) AS reviewed,
           r.seconds[1] AS p50_time_to_review_seconds,
           r.seconds[2] AS p95_time_to_review_seconds
    FROM waiting w
    FULL JOIN reviewed r USING (review_priority, review_reason)
    ORDER BY review_priority, waiting DESC, review_reason;
REVOKE ALL ON TABLE @extschema@.review_backlog FROM PUBLIC;
COMMENT ON VIEW @extschema@.review_backlog IS
    'The queue by priority and reason: number and age of waiting conversations and samples, and how fast such '
    'conversations were reviewed in the last 30 days';
COMMENT ON COLUMN @extschema@.review_backlog.review_priority IS '1 high, 2 medium, 3 low';
COMMENT ON COLUMN @extschema@.review_backlog.review_reason IS 'Why they are in the queue';
COMMENT ON COLUMN @extschema@.review_backlog.waiting IS 'Number of waiting conversations, and samples without one';
COMMENT ON COLUMN @extschema@.review_backlog.audited IS 'Number of waiting conversations that were drawn for the audit';
COMMENT ON COLUMN @extschema@.review_backlog.claimed IS 'Number of those that a reviewer has claimed';
COMMENT ON COLUMN @extschema@.review_backlog.oldest IS
    'Time of the oldest waiting conversation, or when the oldest sample was made; NULL = none waits';
COMMENT ON COLUMN @extschema@.review_backlog.reviewed IS 'Number of verdicts of the last 30 days on such ones';
COMMENT ON COLUMN @extschema@.review_backlog.p50_time_to_review_seconds IS
    'Median number of seconds from the message to such a verdict on a conversation; NULL = there is none';
COMMENT ON COLUMN @extschema@.review_backlog.p95_time_to_review_seconds IS
    '95th percentile of that time, in seconds; NULL = there is none';

CREATE VIEW @extschema@.reviewer_activity WITH (security_barrier) AS
    SELECT (e.created_at AT TIME ZONE @extschema@.training_setting('time_zone'))::date AS date, e.reviewer,
           count(*) AS verdicts,
           count(*) FILTER (WHERE e.action = 'approve') AS approved,
           count(*) FILTER (WHERE e.action = 'fix') AS fixed,
           count(*) FILTER (WHERE e.action = 'reject') AS rejected,
           percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(
               epoch FROM e.created_at - c.created_at)::double precision)
               FILTER (WHERE isfinite(c.created_at)) AS p50_time_to_review_seconds,
           percentile_cont(0.95) WITHIN GROUP (ORDER BY extract(
               epoch FROM e.created_at - c.created_at)::double precision)
               FILTER (WHERE isfinite(c.created_at)) AS p95_time_to_review_seconds
    FROM @extschema@.review_events e
    LEFT JOIN @extschema@.conversation_logs c ON c.id = e.conversation_log_id
    WHERE @extschema@.tw_is_verdict(e.action)
      AND (@extschema@.tw_sees_all_modules()
           OR CASE WHEN e.sample_id IS NULL THEN @extschema@.tw_sees_module(c.nlu_module_type, c.nlu_intent)
                   ELSE @extschema@.tw_sees_sample(e.sample_id) END)
    GROUP BY 1, e.reviewer
    ORDER BY 1 DESC, e.reviewer;
REVOKE ALL ON TABLE @extschema@.reviewer_activity FROM PUBLIC;
COMMENT ON VIEW @extschema@.reviewer_activity IS
    'What each reviewer did on each day (in the time zone of the setting time_zone), newest first';
COMMENT ON COLUMN @extschema@.reviewer_activity.date IS 'The day';
COMMENT ON COLUMN @extschema@.reviewer_activity.reviewer IS 'The person, or the role';
COMMENT ON COLUMN @extschema@.reviewer_activity.verdicts IS 'Verdicts given, changed ones included';
COMMENT ON COLUMN @extschema@.reviewer_activity.approved IS 'Approvals';
COMMENT ON COLUMN @extschema@.reviewer_activity.fixed IS 'Fixes';
COMMENT ON COLUMN @extschema@.reviewer_activity.rejected IS 'Rejections';
COMMENT ON COLUMN @extschema@.reviewer_activity.p50_time_to_review_seconds IS
    'Median number of seconds from the message to the verdict; NULL = no message has a finite time';
COMMENT ON COLUMN @extschema@.reviewer_activity.p95_time_to_review_seconds IS
    '95th percentile of that time, in seconds; NULL = no message has a finite time';
