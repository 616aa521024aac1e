-- Replays of a month with known truth, to see whether live_accuracy() tells it. For a database that is thrown away.
--
-- A month of conversations: the model is right in 98 % of the cases where it is surest and in half of those where it is
-- least sure, and loses eight points from the first day to the last. The rows come in through the real trigger, so that
-- the filter's answers and the audit's draw are the real ones; metadata tells the truth, which the extension does not
-- read. Many months lie side by side, each under a model_version of its own.

CREATE SCHEMA bench;
CREATE UNLOGGED TABLE bench.truths (replay text PRIMARY KEY, accuracy double precision);
CREATE UNLOGGED TABLE bench.replays (scenario text, size int, replay text, truth double precision,
    labels bigint, accuracy double precision, lower double precision, upper double precision,
    effective_labels double precision, naive_accuracy double precision, naive_labels bigint,
    unclear_share double precision, reason text);

-- Samples have no part in it, and the tables are emptied between batches.
ALTER TABLE conversation_logs SET UNLOGGED;
ALTER TABLE conversation_logs DISABLE TRIGGER conversation_logs_promote;
ALTER TABLE review_events DISABLE TRIGGER review_events_append_only_truncate;

-- Scenarios:
--   usual    the built-in policy, audit rates 5 % and 10 %; the audited rows are reviewed in random order
--   rates    audit rates of 2 % and 5 % in the first half of the month, 10 % and 20 % in the second
--   rollout  in the second half of the month the version is rolled out, which raises its audit rate to 35 %
--   behind   the same, and reviewers, who get what the rollout waits for first, do two thirds of the audit:
--            what is left is the first half
--   budget   in the first half of the month the test set is too small, which raises the audit rate of all versions
--            to 35 % (row *)
--   surer    the model is right in 99.7 % of the auto-approved and in 90 % of the others
--   doubtful the audited rows are reviewed least confident first, until two thirds of them are done: no estimate can
--            bear that
CREATE PROCEDURE bench.capture(scenario text, first_replay int, last_replay int, size int)
    LANGUAGE plpgsql
AS $$
BEGIN
    TRUNCATE conversation_logs, review_events, review_policies, audited_versions, bench.truths;
    INSERT INTO review_policies (note) VALUES (scenario);
    FOR half IN 0 .. 1 LOOP
        IF scenario = 'rates' THEN
            UPDATE review_policies SET audit_rate_approved = CASE half WHEN 0 THEN 0.02 ELSE 0.10 END,
                                       audit_rate_review = CASE half WHEN 0 THEN 0.05 ELSE 0.20 END;
        END IF;
        IF scenario IN ('rollout', 'behind') AND half = 1 THEN
            INSERT INTO audited_versions (model_version, audit_rate, since, reason)
                SELECT r::text, 0.35, '2026-06-16', scenario FROM generate_series(first_replay, last_replay) AS r;
        END IF;
        IF scenario = 'budget' AND half = 0 THEN
            INSERT INTO audited_versions (model_version, audit_rate, since, reason)
            VALUES ('*', 0.35, '2026-06-01', scenario);
        ELSIF scenario = 'budget' THEN
            DELETE FROM audited_versions;
        END IF;
        INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider,
                                       nlu_model_version, metadata, created_at)
            SELECT 's', 'x', 'intent.food.item.search', m.confidence,
                   CASE WHEN m.provider < 0.95 THEN 'indicbert' ELSE 'llm' END, m.replay,
                   to_jsonb(m.luck < CASE
                       WHEN scenario = 'surer' THEN CASE WHEN m.confidence > 0.85 THEN 0.997 ELSE 0.90 END
                       ELSE CASE WHEN m.confidence > 0.95 THEN 0.98 WHEN m.confidence > 0.85 THEN 0.93
                                 WHEN m.confidence > 0.70 THEN 0.82
                                 WHEN m.confidence > 0.50 THEN 0.65 ELSE 0.50 END - 0.08 * m.day / 29 END),
                   timestamptz '2026-06-01 12:00+00' + m.day * interval '1 day'
            FROM (SELECT r AS replay, 1 - 0.7 * random() ^ 3 AS confidence, random() AS provider, random() AS luck,
                         15 * half + floor(15 * random())::int AS day
                  FROM generate_series(first_replay, last_replay) AS r, generate_series(1, size / 2)) AS m;
    END LOOP;
    INSERT INTO bench.truths
        SELECT nlu_model_version, avg(metadata::boolean::int) FROM conversation_logs GROUP BY nlu_model_version;
    ANALYZE conversation_logs;
END
$$;

-- One verdict in thirty is "unclear". A fix that names the same intent is right as well.
CREATE FUNCTION bench.review(ids bigint[]) RETURNS void
    LANGUAGE sql
AS $$
    INSERT INTO review_events (conversation_log_id, action, reject_reason, intent, reviewer, calling_role)
        SELECT c.id, v.action, CASE WHEN v.action = 'reject' THEN v.why END,
               CASE v.action WHEN 'approve' THEN c.nlu_intent WHEN 'fix' THEN v.label END, 'sim', 'sim'
        FROM conversation_logs c,
             LATERAL (SELECT hashint8extended(c.id, 7) & 1023 AS h) h,
             LATERAL (SELECT CASE WHEN h.h < 34 THEN 'reject' WHEN c.metadata::boolean AND h.h % 10 > 0 THEN 'approve'
                                  WHEN c.metadata::boolean OR h.h % 3 > 0 THEN 'fix' ELSE 'reject' END AS action,
                             CASE WHEN h.h < 34 THEN 'unclear' ELSE 'no-such-intent' END AS why,
                             CASE WHEN c.metadata::boolean THEN c.nlu_intent
                                  ELSE 'intent.food.order.cancel' END AS label) v
        WHERE c.id = ANY (ids)
$$;

-- Months number first_replay to last_replay: so many doubtful rows of each are reviewed whatever the audit says, and of
-- the audit as many as give so many labels.
CREATE PROCEDURE bench.replay(scenario text, first_replay int, last_replay int, size int, labels int[], doubtful int)
    LANGUAGE plpgsql
AS $$
DECLARE
    goal int;
    done int := 0;
BEGIN
    CALL bench.capture(scenario, first_replay, last_replay, size);
    PERFORM bench.review(ARRAY(
        SELECT id FROM (SELECT id, row_number() OVER (PARTITION BY nlu_model_version ORDER BY random()) AS place
                        FROM conversation_logs WHERE NOT is_audit AND nlu_confidence < 0.70) w
        WHERE place <= doubtful));
    -- place: how many labels this row and those before it give.
    CREATE TEMP TABLE audit ON COMMIT DROP AS
        SELECT id, sum(((hashint8extended(id, 7) & 1023) >= 34)::int) OVER (
                   PARTITION BY nlu_model_version ORDER BY turn, id ROWS UNBOUNDED PRECEDING) AS place,
               row_number() OVER (PARTITION BY nlu_model_version ORDER BY turn, id)::float8
                   / count(*) OVER (PARTITION BY nlu_model_version) AS share
        FROM (SELECT *, CASE scenario WHEN 'doubtful' THEN nlu_confidence
                             WHEN 'behind' THEN CASE WHEN created_at >= '2026-06-16' THEN 0 ELSE 1 END + random()
                             ELSE random() END AS turn
              FROM conversation_logs WHERE is_audit) a;
    FOREACH goal IN ARRAY labels LOOP
        PERFORM bench.review(ARRAY(SELECT id FROM audit
                                   WHERE CASE WHEN scenario IN ('doubtful', 'behind') THEN share <= 2.0 / 3
                                              ELSE place > done AND place <= goal END));
        INSERT INTO bench.replays
            SELECT scenario, goal, t.replay, t.accuracy, e.labels, e.accuracy, e.lower, e.upper, e.effective_labels,
                   e.naive_accuracy, e.naive_labels, e.unclear_share, e.reason
            FROM live_accuracy(by => '{model_version}') e JOIN bench.truths t ON t.replay = e.model_version;
        done := goal;
    END LOOP;
END
$$;

-- In points (hundredths); each "+-" is the standard error that the number of
-- replays leaves. naive_best: the error where it was least.
CREATE VIEW bench.report AS
    SELECT r.scenario, r.size AS audit_labels, r.replays, round(r.truth, 1) AS truth,
           round(r.bias, 2) || ' +- ' || round(r.bias_se, 2) AS bias,
           round(r.coverage, 1) || ' +- ' || round(sqrt(r.coverage * (100 - r.coverage) / r.estimates), 1) AS coverage,
           round(r.width, 1) AS width, round(r.effective_labels) AS effective_labels,
           round(r.naive_bias, 1) AS naive_bias, round(r.naive_best, 1) AS naive_best, r.naive_labels,
           round(r.unclear, 1) AS unclear, r.replays - r.estimates AS no_estimate,
           CASE WHEN r.scenario NOT IN ('usual', 'rollout', 'budget') THEN ''
                WHEN r.replays < 500 THEN 'needs 500 replays'
                WHEN abs(r.bias) < 0.5 AND r.coverage BETWEEN 93 AND 98 AND (r.naive_best > 10 OR r.scenario <> 'usual')
                THEN 'met' ELSE 'MISSED' END AS targets
    FROM (SELECT scenario, size, count(*) AS replays, count(accuracy) AS estimates,
                 100 * avg(truth)::numeric AS truth,
                 100 * avg(accuracy - truth)::numeric AS bias,
                 100 * (stddev(accuracy - truth) / sqrt(count(accuracy)))::numeric AS bias_se,
                 100 * avg(CASE WHEN accuracy IS NOT NULL THEN (truth BETWEEN lower AND upper)::int END) AS coverage,
                 100 * avg(upper - lower)::numeric AS width,
                 avg(effective_labels)::numeric AS effective_labels,
                 100 * avg(naive_accuracy - truth)::numeric AS naive_bias,
                 100 * min(abs(naive_accuracy - truth))::numeric AS naive_best,
                 avg(naive_labels)::int AS naive_labels,
                 100 * avg(unclear_share)::numeric AS unclear
          FROM bench.replays
          GROUP BY scenario, size) r
    ORDER BY r.scenario <> 'usual', r.scenario, r.size;
