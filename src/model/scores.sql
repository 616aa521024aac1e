-- The scores of a list of answers. No function here reads a table.
--
-- weighted accuracy      a = sum(w right) / sum(w)
-- effective samples      n = sum(w)^2 / sum(w^2)                              (Kish, Survey Sampling, 1965)
-- interval               Wilson's of a and n, z = 1.959964                    (Wilson, JASA 22, 1927)
-- calibration error      sum over 15 equal bins of confidence: fraction of
--                        the weight in it * |its accuracy - its mean confidence|
--                        (Naeini, Cooper and Hauskrecht, AAAI 2015)
-- F1 of an intent        2 tp / (2 tp + fp + fn), by weight; macro-F1 is
--                        the mean over every intent that is a label or an answer
-- McNemar                with b and c samples that only one of two models has
--                        right: 2 P(X <= min(b, c)), X ~ Binomial(b + c, 1/2),
--                        at most 1: the exact form (McNemar, Psychometrika 12, 1947)

CREATE FUNCTION @extschema@.mcnemar_p(only_first bigint, only_second bigint) RETURNS double precision
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'tw_mcnemar_p';
REVOKE ALL ON FUNCTION @extschema@.mcnemar_p(bigint, bigint) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.mcnemar_p(bigint, bigint) IS
    'Two-sided p-value of the exact McNemar test (McNemar, Psychometrika 12, 1947), 0 to 1, from the number of samples '
    'that only the first (only_first) and only the second (only_second) of two models gets right. NULL for a NULL. '
    'Raises 22023 for a negative number';

CREATE FUNCTION @extschema@.tw_intent_scores(
    labels text[], answers text[], weights double precision[],
    OUT intent text, OUT samples bigint, OUT answered bigint, OUT "precision" double precision,
    OUT recall double precision, OUT f1 double precision)
    RETURNS SETOF record
    LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH answers AS (
        SELECT * FROM unnest(labels, answers, weights) AS a (label, answer, weight)
    ), counted AS (
        SELECT a.label AS intent, 1 AS labelled, 0 AS answered, a.weight AS is_label,
               0.0::double precision AS is_answer,
               CASE WHEN a.label = a.answer THEN a.weight ELSE 0 END AS is_both FROM answers a
        UNION ALL
        SELECT a.answer, 0, 1, 0, a.weight, 0 FROM answers a WHERE a.answer IS NOT NULL
    )
    SELECT c.intent, sum(c.labelled), sum(c.answered), sum(c.is_both) / nullif(sum(c.is_answer), 0),
           sum(c.is_both) / nullif(sum(c.is_label), 0), 2 * sum(c.is_both) / (sum(c.is_label) + sum(c.is_answer))
    FROM counted c
    GROUP BY c.intent;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_intent_scores(text[], text[], double precision[]) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_intent_scores(text[], text[], double precision[]) IS
    'Precision, recall and F1 of each intent, 0 to 1 and weighted; precision is NULL for an intent that was never '
    'answered, recall for one that is no label';

CREATE FUNCTION @extschema@.tw_scores(
    labels text[], answers text[], confidences double precision[], weights double precision[],
    OUT samples bigint, OUT accuracy double precision, OUT lower double precision, OUT upper double precision,
    OUT macro_f1 double precision, OUT calibration_error double precision)
    LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH answers AS (
        SELECT a.weight, coalesce(a.confidence, 0) AS confidence,
               (a.answer IS NOT DISTINCT FROM a.label)::integer AS is_right
        FROM unnest(labels, answers, confidences, weights) AS a (label, answer, confidence, weight)
    ), total AS (
        SELECT count(*) AS samples, sum(a.weight) AS weight, sum(a.weight * a.is_right) / sum(a.weight) AS accuracy,
               sum(a.weight) ^ 2 / sum(a.weight ^ 2) AS effective
        FROM answers a
    ), bins AS (
        SELECT sum(a.weight) AS weight, abs(sum(a.weight * a.is_right) - sum(a.weight * a.confidence)) AS gap
        FROM answers a
        GROUP BY least(floor(a.confidence * 15), 14)
    )
    -- Rounding must not return an accuracy of 1.0000000000000002; least() alone would turn NULL into 1.
    SELECT t.samples, CASE WHEN t.samples > 0 THEN least(t.accuracy, 1) END, w.lower, w.upper,
           CASE WHEN t.samples > 0 THEN (SELECT least(avg(i.f1), 1)
                                         FROM @extschema@.tw_intent_scores(labels, answers, weights) i) END,
           CASE WHEN t.samples > 0 THEN (SELECT least(sum(b.gap) / t.weight, 1) FROM bins b) END
    FROM total t
    LEFT JOIN LATERAL @extschema@.tw_wilson(least(t.accuracy, 1), t.effective) w ON true;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_scores(text[], text[], double precision[], double precision[]) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_scores(text[], text[], double precision[], double precision[]) IS
    'Weighted accuracy with its 95 % interval, macro-F1 and calibration error of answers to labelled samples, 0 to 1; '
    'a NULL answer counts as wrong; all NULL without samples';
