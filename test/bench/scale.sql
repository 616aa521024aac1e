-- Two years of conversations, for a database that is thrown away: how scale.sh fills it.
--
-- The rows are as the filter, the audit and reviewers would have left them: 60 % auto-approved, 35 % sent to people,
-- 5 % with nothing to learn from; every conversation that has a label has its sample, and every verdict its event. The
-- triggers do not fire: an hour of captures would be the same rows. What is measured are the statements that read them.

CREATE SCHEMA bench;
CREATE TABLE bench.times (state text, statement text, milliseconds numeric);

CREATE PROCEDURE bench.switch_triggers(fire boolean)
    LANGUAGE plpgsql
AS $$
DECLARE
    t record;
BEGIN
    FOR t IN SELECT tgrelid::regclass AS relation, tgname, tgname = 'conversation_logs_filter' AS always FROM pg_trigger
             WHERE tgrelid IN ('conversation_logs'::regclass, 'training_samples'::regclass) LOOP
        EXECUTE format('ALTER TABLE %s %s TRIGGER %I', t.relation,
                       CASE WHEN NOT fire THEN 'DISABLE' WHEN t.always THEN 'ENABLE ALWAYS' ELSE 'ENABLE' END,
                       t.tgname);
    END LOOP;
    PERFORM setval('conversation_logs_id_seq', (SELECT max(id) FROM conversation_logs)) WHERE fire;
END
$$;

-- Conversations number `first` to `last` of `size`; `waiting` of all of them still wait for review, three in five of
-- those among the newest and the others anywhere in the two years.
CREATE PROCEDURE bench.fill(first bigint, last bigint, size bigint, waiting bigint)
    LANGUAGE plpgsql
AS $$
DECLARE
    ends CONSTANT timestamptz := now();
    recent CONSTANT bigint := size - (0.6 * waiting / 0.35)::bigint;
BEGIN
    CREATE TEMP TABLE batch ON COMMIT DROP AS
    SELECT g AS id, ends - interval '730 days' * (1 - g::double precision / size) AS created_at, d.outcome,
           random() < CASE d.outcome WHEN 'auto-approved' THEN 0.05
                                     WHEN 'needs-review' THEN 0.10 ELSE 0 END AS is_audit,
           CASE d.outcome WHEN 'auto-approved' THEN 0.05 WHEN 'needs-review' THEN 0.10 END AS probability,
           CASE WHEN d.outcome = 'auto-approved' THEN 0.85 + 0.15 * random()
                ELSE 0.3 + 0.55 * random() END AS confidence,
           CASE WHEN d.outcome = 'needs-review' AND random() < 0.25 THEN 'llm' ELSE 'indicbert' END AS provider,
           CASE WHEN g > recent THEN true ELSE random() < 0.4 * waiting / (0.35 * recent) END AS waits,
           m.module, 'intent.' || m.module || '.action.number_' || (random() * 15)::int AS intent,
           'Message ' || g || ': ' || left(md5(g::text), (10 + 20 * random())::int) || ' milega kya?' AS said,
           random() AS verdict, random() AS feedback, (8 - 20 * ln(1 - random()))::int AS milliseconds
    FROM generate_series(first, last) AS g
    CROSS JOIN LATERAL (SELECT random() AS r, g % 4 AS quarter) r
    CROSS JOIN LATERAL (SELECT CASE WHEN r.r < 0.60 THEN 'auto-approved' WHEN r.r < 0.95 THEN 'needs-review'
                                    ELSE 'not-applicable' END AS outcome) d
    CROSS JOIN LATERAL (SELECT (ARRAY['food', 'parcel', 'ride', 'shop'])[1 + r.quarter] AS module) m;

    CREATE TEMP TABLE decided ON COMMIT DROP AS
    SELECT b.*,
           CASE WHEN b.outcome = 'not-applicable' OR NOT b.is_audit AND b.outcome = 'auto-approved' THEN b.outcome
                WHEN b.waits THEN b.outcome
                WHEN b.verdict < 0.85 THEN 'approved' ELSE 'rejected' END AS status,
           CASE WHEN b.outcome = 'needs-review'
                THEN CASE WHEN b.provider = 'llm' OR b.confidence < 0.7 THEN 1 ELSE 2 END
                WHEN b.is_audit THEN 2 END AS priority,
           CASE WHEN b.outcome = 'auto-approved' THEN 'audit' WHEN b.provider = 'llm' THEN 'llm fallback'
                WHEN b.confidence < 0.7 THEN 'low confidence' ELSE 'medium confidence' END AS reason
    FROM batch b;

    INSERT INTO conversation_logs (id, session_id, user_message, message_type, message_language, nlu_intent,
        nlu_confidence, nlu_module_type, nlu_provider, nlu_model_version, nlu_entities,
        nlu_processing_time_ms, routed_to, response_text, response_success, user_feedback, is_training_candidate,
        review_status, review_priority, review_reason, filter_outcome, is_audit, selection_probability,
        filtered_at, created_at, created_on)
    SELECT d.id, 's' || d.id / 4, d.said, CASE d.outcome WHEN 'not-applicable' THEN 'image' ELSE 'text' END, 'hinglish',
           d.intent, d.confidence, d.module, d.provider, 'router-v1.' || d.id * 104 / size || '.0',
           '[{"start": 0, "end": 7, "label": "dish"}]', d.milliseconds,
           'opensearch', 'Here is what I have found for you.', true,
           CASE WHEN d.feedback < 0.03 THEN 'positive' WHEN d.feedback < 0.035 THEN 'negative' END,
           d.status IN ('auto-approved', 'needs-review', 'approved'), d.status,
           CASE WHEN d.status = 'needs-review' OR d.status = 'auto-approved' AND d.is_audit THEN d.priority END,
           CASE WHEN d.status <> 'not-applicable' AND d.priority IS NOT NULL THEN d.reason END,
           d.outcome, d.is_audit, d.probability, d.created_at, d.created_at, (d.created_at AT TIME ZONE 'UTC')::date
    FROM decided d ORDER BY d.id;

    -- A model is trained every week; test-split samples are never learned.
    INSERT INTO training_samples (conversation_log_id, text, text_hash, normalizer, intent, module_type, entities,
        language, expected_service, review_status, label_source, reviewed_by, reviewed_at, source, split,
        selection_probability, quality_score, model_version_target, created_at)
    SELECT d.id, d.said, hashint8extended(d.id, 1), 1, d.intent, d.module, '[{"start": 0, "end": 7, "label": "dish"}]',
           'hinglish', 'opensearch',
           CASE d.status WHEN 'rejected' THEN 'rejected' ELSE 'approved' END,
           CASE d.status WHEN 'auto-approved' THEN 'model' ELSE 'human' END,
           CASE d.status WHEN 'auto-approved' THEN NULL ELSE 'reviewer' END, d.created_at, 'production',
           s.split, d.probability, d.confidence,
           CASE WHEN d.status <> 'rejected' AND s.split = 'train' THEN 'router-v1.' || d.id * 104 / size || '.0' END,
           d.created_at
    FROM decided d
    CROSS JOIN LATERAL (SELECT CASE WHEN d.created_at > ends - interval '5 days' THEN NULL
                                    WHEN d.is_audit AND d.status <> 'auto-approved' AND d.id % 2 = 0 THEN 'test'
                                    ELSE 'train' END AS split) s
    WHERE d.status IN ('auto-approved', 'approved') OR d.outcome = 'auto-approved'
    ORDER BY d.id;

    INSERT INTO review_events (conversation_log_id, action, reject_reason, intent, from_status, to_status,
        review_priority, review_reason, reviewer, calling_role, created_at)
    SELECT d.id, CASE d.status WHEN 'approved' THEN 'approve' ELSE 'reject' END,
           CASE d.status WHEN 'rejected' THEN 'unclear' END,
           CASE d.status WHEN 'approved' THEN d.intent END, d.outcome, d.status, d.priority, d.reason,
           'reviewer', 'reviewer', d.created_at + interval '6 hours'
    FROM decided d
    WHERE d.status IN ('approved', 'rejected')
    ORDER BY d.id;
    COMMIT;
END
$$;

-- Whether the view says what a count says.
CREATE VIEW bench.wrong AS
    SELECT to_jsonb(v) - 'as_of' FROM daily_training_stats v
    EXCEPT
    SELECT to_jsonb(f) FROM (SELECT DISTINCT created_on FROM conversation_logs) d, tw_day_figures(d.created_on) f;

CREATE FUNCTION bench.median(statement text, state text) RETURNS numeric
    LANGUAGE sql
BEGIN ATOMIC
    SELECT round(percentile_cont(0.5) WITHIN GROUP (ORDER BY t.milliseconds)::numeric, 1) FROM bench.times t
    WHERE t.statement = median.statement AND t.state = median.state;
END;

CREATE VIEW bench.report AS
    SELECT x.statement, bench.median(x.statement, 'not closed') AS "not closed, ms",
           bench.median(x.statement, 'closed') AS "closed, ms",
           bench.median(x.statement, 'in use') AS "in use, ms",
           '<= ' || g.target || ' ms' AS target,
           CASE WHEN greatest(bench.median(x.statement, 'closed'), bench.median(x.statement, 'in use')) <= g.target
                THEN 'met' WHEN g.target IS NOT NULL THEN 'MISSED' END AS met
    FROM (SELECT t.statement, row_number() OVER (ORDER BY min(t.ctid)) AS n FROM bench.times t GROUP BY t.statement) x
    CROSS JOIN LATERAL (SELECT CASE WHEN x.n <= 4 THEN 200
                                    WHEN x.statement ~ 'intent_|calibration' THEN 1000
                                    WHEN x.statement ~ 'training_metrics' THEN 50 END AS target) g
    ORDER BY x.n;
