-- confidence_calibration: for each provider, whether its confidence is as good as it says.
--
--   ECE = sum over the bands b of (N_b / N) |accuracy_b - mean confidence_b|
--
-- the expected calibration error (Naeini, Cooper and Hauskrecht, AAAI 2015, 2901-2907), over ten bands of equal width.
-- It is never negative, so a perfectly calibrated provider has one too: with n_b labels (effective size), the mean of
-- |accuracy_b - c_b| is about sqrt(2 / pi) sqrt(c_b (1 - c_b) / n_b), the mean absolute deviation of a normal
-- distribution. That sum is ece_by_chance; only what exceeds it says something of the provider (Broecker and Smith,
-- Weather and Forecasting 22, 2007, 651-661, on the same for reliability diagrams).

CREATE FUNCTION @extschema@.tw_confidence_calibration(
    from_date date, to_date date,
    OUT provider text, OUT bin integer, OUT confidence_from double precision, OUT confidence_to double precision,
    OUT conversations bigint, OUT labels bigint, OUT mean_confidence double precision, OUT accuracy double precision,
    OUT lower double precision, OUT upper double precision, OUT ece double precision,
    OUT ece_by_chance double precision, OUT reason text)
    RETURNS SETOF record
    LANGUAGE sql STABLE ROWS 30 SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off
BEGIN ATOMIC
    WITH counted AS MATERIALIZED (
        SELECT c.* FROM @extschema@.tw_answer_counts(
            tw_confidence_calibration.from_date, tw_confidence_calibration.to_date) c
    ), strata AS (
        SELECT jsonb_agg(jsonb_build_object('filter_outcome', s.filter_outcome, 'filter_policy_id', s.filter_policy_id,
                                            'conversations', s.n)) AS sizes
        FROM (SELECT c.filter_outcome, c.filter_policy_id, sum(c.conversations) AS n FROM counted c
              WHERE c.can_be_drawn GROUP BY c.filter_outcome, c.filter_policy_id) s
    ), label AS MATERIALIZED (
        SELECT l.* FROM strata s, @extschema@.tw_labels(
            tw_confidence_calibration.from_date, tw_confidence_calibration.to_date, s.sizes) l
    ), gap AS (
        SELECT @extschema@.tw_label_gaps(tw_confidence_calibration.from_date, tw_confidence_calibration.to_date,
                   sum(c.conversations), sum(c.conversations) FILTER (WHERE NOT c.can_be_drawn),
                   (SELECT sum(l.weight) FROM label l WHERE NOT l.is_thin)) AS reason
        FROM counted c
    ), said AS (
        SELECT c.provider, c.bin, sum(c.conversations) AS conversations, sum(c.confidence) AS confidence
        FROM counted c WHERE c.bin IS NOT NULL GROUP BY c.provider, c.bin
    ), judged AS (
        SELECT l.provider, l.bin, count(*) AS labels, sum(l.weight) AS w, sum(l.weight ^ 2) AS w2,
               sum(l.weight) FILTER (WHERE l.is_right) AS right_w
        FROM label l WHERE l.bin IS NOT NULL GROUP BY l.provider, l.bin
    ), band AS (
        SELECT s.provider, s.bin, s.conversations, s.confidence, s.confidence / s.conversations AS mean_confidence,
               coalesce(j.labels, 0) AS labels, j.right_w, j.w, j.w2, a.accuracy, a.lower, a.upper
        FROM said s
        LEFT JOIN judged j ON j.provider IS NOT DISTINCT FROM s.provider AND j.bin = s.bin
        CROSS JOIN LATERAL @extschema@.tw_weighted_share(j.right_w, j.w, j.w2, j.labels) a
    ), whole AS (
        SELECT b.provider, sum(b.conversations) AS conversations, sum(b.confidence) AS confidence,
               sum(b.labels) AS labels, sum(b.right_w) AS right_w, sum(b.w) AS w, sum(b.w2) AS w2,
               sum(b.conversations) FILTER (WHERE b.accuracy IS NOT NULL) AS known,
               sum(b.conversations * abs(b.accuracy - b.mean_confidence)) AS error,
               sum(b.conversations * sqrt(2 / pi() * b.mean_confidence * (1 - b.mean_confidence) / (b.w ^ 2 / b.w2)))
                   FILTER (WHERE b.accuracy IS NOT NULL) AS by_chance
        FROM band b GROUP BY b.provider
    )
    SELECT w.provider, NULL::integer, 0::double precision, 1::double precision, w.conversations::bigint,
           w.labels::bigint, w.confidence / w.conversations::double precision, a.accuracy, a.lower, a.upper,
           w.error / w.known::double precision, w.by_chance / w.known::double precision,
           nullif(concat_ws('; ',
               CASE WHEN w.labels < 5 THEN format('%s of 5 labels that accuracy needs', w.labels) END,
               CASE WHEN coalesce(w.known, 0) < w.conversations
                    THEN format('%s %% of the conversations are in bands of fewer than 5 labels, which ece leaves out',
                                round(100 * (1 - coalesce(w.known, 0) / w.conversations), 1)) END, g.reason), '')
    FROM whole w
    CROSS JOIN gap g
    CROSS JOIN LATERAL @extschema@.tw_weighted_share(w.right_w, w.w, w.w2, w.labels::bigint) a
    UNION ALL
    SELECT b.provider, b.bin, (b.bin - 1) / 10.0::double precision, b.bin / 10.0::double precision,
           b.conversations::bigint, b.labels, b.mean_confidence, b.accuracy, b.lower, b.upper, NULL, NULL,
           CASE WHEN b.labels < 5 THEN format('%s of 5 labels that accuracy needs', b.labels) END
    FROM band b
    ORDER BY 1 NULLS LAST, 2 NULLS FIRST;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_confidence_calibration(date, date) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_confidence_calibration(date, date) IS
    'The rows of the view confidence_calibration, of another period (both days included)';

CREATE VIEW @extschema@.confidence_calibration AS
    SELECT q.provider, q.bin, q.confidence_from, q.confidence_to, q.conversations, q.labels, q.mean_confidence,
           q.accuracy, q.lower, q.upper, q.ece, q.ece_by_chance, q.reason
    FROM (SELECT (now() AT TIME ZONE @extschema@.training_setting('time_zone'))::date AS today) t
    CROSS JOIN LATERAL @extschema@.tw_confidence_calibration(t.today - @extschema@.tw_accuracy_window() + 1,
                                                             t.today) q;
REVOKE ALL ON TABLE @extschema@.confidence_calibration FROM PUBLIC;
COMMENT ON VIEW @extschema@.confidence_calibration IS
    'Each provider of the last 30 days, as a whole and in ten bands of confidence: how sure it was, and how often it '
    'was right, estimated from the audit';
COMMENT ON COLUMN @extschema@.confidence_calibration.provider IS
    'The provider; NULL = conversations that name none';
COMMENT ON COLUMN @extschema@.confidence_calibration.bin IS
    'The band of confidence, 1 to 10; NULL = the provider as a whole, its first row';
COMMENT ON COLUMN @extschema@.confidence_calibration.confidence_from IS
    'The lowest confidence of the band, 0 to 1';
COMMENT ON COLUMN @extschema@.confidence_calibration.confidence_to IS
    'The end of the band, 0 to 1; only in the last band does it belong to it';
COMMENT ON COLUMN @extschema@.confidence_calibration.conversations IS
    'Number of conversations with a confidence in the band';
COMMENT ON COLUMN @extschema@.confidence_calibration.labels IS
    'Number of these that were audited and that a person judged right or wrong';
COMMENT ON COLUMN @extschema@.confidence_calibration.mean_confidence IS 'Mean confidence, 0 to 1';
COMMENT ON COLUMN @extschema@.confidence_calibration.accuracy IS
    'Estimated fraction that is right, 0 to 1; NULL for fewer than 5 labels';
COMMENT ON COLUMN @extschema@.confidence_calibration.lower IS
    'Lower end of the 95 % interval of accuracy, 0 to 1; NULL where accuracy is';
COMMENT ON COLUMN @extschema@.confidence_calibration.upper IS
    'Upper end of the 95 % interval of accuracy, 0 to 1; NULL where accuracy is';
COMMENT ON COLUMN @extschema@.confidence_calibration.ece IS
    'Expected calibration error of the provider, 0 to 1: mean distance of confidence and accuracy over the bands; NULL '
    'in the rows of bands, and where no band has 5 labels';
COMMENT ON COLUMN @extschema@.confidence_calibration.ece_by_chance IS
    'What ece would be on average with so many labels if confidence were exactly as good as it says, 0 to 1; NULL '
    'where '
    'ece is';
COMMENT ON COLUMN @extschema@.confidence_calibration.reason IS
    'Why accuracy is NULL, what ece leaves out, or what no label can know; NULL = nothing known';
