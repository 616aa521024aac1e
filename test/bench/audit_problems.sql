-- Months of an audit with known truth and a known fault, to see whether live_accuracy() says so. For a database that is
-- thrown away.
--
-- A month has 30 days of 100 or 1,000 conversations, of which 3 % and 4 % are audited rows that the filter approves and
-- others; only these are there, so each weighs the same. The model is right in 97 % of the first and in three quarters
-- of the others, more often where it is surer: 85 % in all. Second opinions are drawn from 5 % of the verdicts. Many
-- months lie side by side, each under a model_version of its own.

CREATE SCHEMA bench;
ALTER TABLE conversation_logs SET UNLOGGED;
ALTER TABLE conversation_logs DISABLE TRIGGER conversation_logs_promote;
ALTER TABLE review_events DISABLE TRIGGER review_events_append_only_truncate;
CREATE UNLOGGED TABLE bench.months (number int GENERATED ALWAYS AS IDENTITY, scenario text, a_day int,
    truth double precision, accuracy double precision, lower double precision, upper double precision,
    low double precision, high double precision, reason text);

-- Scenarios. Faults of nobody: clean; waiting: a twentieth is not reviewed, at random; arriving: the newest twentieth;
-- half: half of it is reviewed, at random. Faults of reviewers: errs: a verdict in twenty is the wrong one; lenient: a
-- quarter of the wrong answers is approved (both also in second opinions, independently); unclear: 40 % of the wrong
-- ones are called unclear; skipped: the same are not reviewed; surest: the surest two thirds are reviewed; sure: the
-- surest 91 %; holiday: two days in the middle are not reviewed.
CREATE PROCEDURE bench.run(scenario text, a_day int, months int)
    LANGUAGE plpgsql
AS $$
BEGIN
    TRUNCATE conversation_logs, review_events, second_opinions;
    CREATE TEMP TABLE audit ON COMMIT DROP AS
        SELECT *, luck[1] < CASE WHEN confidence > 0.85 THEN 0.97 ELSE 0.56 + 0.34 * confidence END AS is_right,
               percent_rank() OVER (PARTITION BY month ORDER BY confidence DESC, id) AS place,
               percent_rank() OVER (PARTITION BY month ORDER BY at, id) AS turn
        FROM (SELECT row_number() OVER () AS id, month, is_sure, ARRAY[random(), random(), random(), random(), random(),
                     random()] AS luck,
                     CASE WHEN is_sure THEN 0.85 + 0.15 * sqrt(random()) ELSE 0.3 + 0.55 * random() END AS confidence,
                     timestamptz '2026-06-01 00:00+00' + random() * interval '30 days' AS at
              FROM generate_series(1, months) AS month, (VALUES (true, 0.03), (false, 0.04)) AS s (is_sure, share),
                   LATERAL generate_series(1, (30 * a_day * share)::int)) x;
    INSERT INTO conversation_logs (id, session_id, user_message, review_status, filter_outcome, is_audit,
                                   selection_probability, filtered_at, nlu_intent, nlu_confidence, nlu_provider,
                                   nlu_model_version, created_at)
        OVERRIDING SYSTEM VALUE
        SELECT id, 's', 'x', 'approved', CASE WHEN is_sure THEN 'auto-approved' ELSE 'needs-review' END, true,
               CASE WHEN is_sure THEN 0.05 ELSE 0.1 END, at, 'food', confidence, 'indicbert', month::text, at
        FROM audit;
    CREATE TEMP TABLE verdict ON COMMIT DROP AS
        SELECT id, luck[4] < 0.05 AS is_asked,
               CASE WHEN luck[2] < 0.02 OR scenario = 'unclear' AND NOT is_right AND luck[3] < 0.4 THEN 'unclear'
                    WHEN CASE scenario WHEN 'errs' THEN is_right <> (luck[3] < 0.05)
                                       WHEN 'lenient' THEN is_right OR luck[3] < 0.25 ELSE is_right END THEN 'food'
                    ELSE 'drinks' END AS label,
               CASE WHEN CASE scenario WHEN 'errs' THEN is_right <> (luck[5] < 0.05)
                                       WHEN 'lenient' THEN is_right OR luck[5] < 0.25 ELSE is_right END THEN 'food'
                    ELSE 'drinks' END AS second
        FROM audit
        WHERE CASE scenario WHEN 'waiting' THEN luck[6] < 0.95 WHEN 'arriving' THEN turn < 0.95
                            WHEN 'half' THEN luck[6] < 0.5 WHEN 'skipped' THEN is_right OR luck[3] >= 0.4
                            WHEN 'surest' THEN place <= 2.0 / 3 WHEN 'sure' THEN place <= 0.91
                            WHEN 'holiday' THEN at::date NOT IN ('2026-06-13', '2026-06-14') ELSE true END;
    INSERT INTO review_events (id, conversation_log_id, action, reject_reason, intent, reviewer, calling_role)
        SELECT id, id, CASE label WHEN 'food' THEN 'approve' WHEN 'drinks' THEN 'fix' ELSE 'reject' END,
               CASE label WHEN 'unclear' THEN 'unclear' END, nullif(label, 'unclear'), 'a', 'a' FROM verdict;
    INSERT INTO second_opinions (conversation_log_id, status, rate, first_event, first_reviewer, first_label,
                                 second_event, second_reviewer, second_label, agrees, settled_at)
        SELECT id, 'settled', 0.05, id, 'a', label, id, 'b', second, label = second, now()
        FROM verdict WHERE is_asked AND label <> 'unclear';
    ANALYZE conversation_logs, review_events;
    -- The truth of the month: that of its audit, which is what the reviewers could have found.
    INSERT INTO bench.months (scenario, a_day, truth, accuracy, lower, upper, low, high, reason)
        SELECT scenario, a_day, t.truth, l.accuracy, l.lower, l.upper, l.accuracy_low, l.accuracy_high, l.reason
        FROM live_accuracy(by => '{model_version}') l
        JOIN (SELECT month, avg(is_right::int) AS truth FROM audit GROUP BY month) t ON t.month::text = l.model_version;
    COMMIT;
END
$$;

-- In per cent of the months; bias in points.
CREATE VIEW bench.report AS
    SELECT scenario, a_day AS conversations_a_day, count(*) AS months,
           round(100 * avg(accuracy - truth)::numeric, 1) AS bias,
           round(100 * avg((truth BETWEEN lower AND upper)::int), 1) AS interval_covers,
           round(100 * avg((truth BETWEEN low - 1e-9 AND high + 1e-9)::int), 1) AS bounds_cover,
           round(100 * avg((reason IS NOT NULL)::int), 1) AS reason_given,
           round(100 * avg((coalesce(reason, '') LIKE '%uneven by day%')::int), 1) AS uneven_by_day,
           round(100 * avg((coalesce(reason, '') LIKE '%uneven by confidence%')::int), 1) AS uneven_by_confidence,
           round(100 * avg((coalesce(reason, '') LIKE '%second opinions differ%')::int), 1) AS opinions_differ
    FROM bench.months WHERE accuracy IS NOT NULL GROUP BY scenario, a_day ORDER BY min(number);
