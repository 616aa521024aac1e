-- intent_drift: whether people ask for other things than in the period before.
--
-- p and q are the fractions of an intent now and before, m their mean, n1 and n2 the numbers of conversations, k the
-- number of intents. The Jensen-Shannon divergence (Lin, IEEE Transactions on Information Theory 37, 1991, 145-151)
--
--   D = sum over the intents of (p log2(p / m) + q log2(q / m)) / 2        0 (the same) to 1 (nothing in common)
--
-- is never negative, so it is above 0 without any change too: 8 ln(2) D n1 n2 / (n1 + n2) is then about chi-square with
-- k - 1 degrees of freedom (Menendez, Pardo, Pardo and Pardo, Journal of the Franklin Institute 334B, 1997, 307-318).
-- That holds for independent messages. Those of a session are alike, so the statistic is divided by the mean design
-- effect of the intents (Rao and Scott, The Annals of Statistics 12, 1984, 46-60, first-order correction):
--
--   d_i = sum over the sessions of (n_si - p_i n_s)^2 / (n p_i (1 - p_i)), at least 1
--   d   = sum((1 - m_i) d_i) / (k - 1)
--
-- from all sessions or, of more than 100,000 conversations, from about as many as hold 100,000 of them. The part of an
-- intent in D has the mean d_i (1 - m_i) (1 / n1 + 1 / n2) / (8 ln(2)) by chance.

CREATE FUNCTION @extschema@.tw_intent_drift(
    from_date date, to_date date,
    OUT intent text, OUT conversations bigint, OUT conversations_before bigint, OUT share double precision,
    OUT share_before double precision, OUT change double precision, OUT divergence double precision,
    OUT divergence_by_chance double precision, OUT chance double precision, OUT p_value double precision,
    OUT reason text)
    RETURNS SETOF record
    LANGUAGE sql STABLE ROWS 100 SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off
BEGIN ATOMIC
    WITH period AS (
        SELECT tw_intent_drift.from_date - (tw_intent_drift.to_date - tw_intent_drift.from_date + 1) AS before
    ), sampling AS (
        -- By the index alone.
        SELECT greatest(1, ceil(count(*) / 100000.0))::integer AS one_in
        FROM @extschema@.conversation_logs c, period p
        WHERE c.created_on BETWEEN p.before AND tw_intent_drift.to_date
    ), cell AS MATERIALIZED (
        -- One pass: those that are in no session of the sample are counted without one.
        SELECT c.created_on >= tw_intent_drift.from_date AS is_now, c.nlu_intent,
               CASE WHEN s.one_in = 1 OR (hashtext(c.session_id) & 2147483647) % s.one_in = 0
                    THEN c.session_id END AS session_id, count(*) AS n
        FROM @extschema@.conversation_logs c, period p, sampling s
        WHERE c.created_on BETWEEN p.before AND tw_intent_drift.to_date
          AND c.selection_probability IS NOT NULL AND c.nlu_intent IS NOT NULL
          AND @extschema@.tw_sees_module(c.nlu_module_type, c.nlu_intent)
        GROUP BY 1, c.nlu_intent, 3
    ), counted AS MATERIALIZED (
        SELECT g.is_now, @extschema@.tw_resolve_intent(g.nlu_intent) AS intent, sum(g.n) AS n
        FROM (SELECT c.is_now, c.nlu_intent, sum(c.n) AS n FROM cell c GROUP BY c.is_now, c.nlu_intent) g
        GROUP BY g.is_now, @extschema@.tw_resolve_intent(g.nlu_intent)
    ), size AS (
        SELECT coalesce(sum(c.n) FILTER (WHERE c.is_now), 0)::double precision AS n1,
               coalesce(sum(c.n) FILTER (WHERE NOT c.is_now), 0)::double precision AS n2,
               count(DISTINCT c.intent) AS k
        FROM counted c
    ), part AS (
        SELECT c.intent, coalesce(sum(c.n) FILTER (WHERE c.is_now), 0)::double precision AS now,
               coalesce(sum(c.n) FILTER (WHERE NOT c.is_now), 0)::double precision AS before
        FROM counted c GROUP BY c.intent
    ), spoken AS MATERIALIZED (
        SELECT c.is_now, c.session_id, @extschema@.tw_resolve_intent(c.nlu_intent) AS intent, sum(c.n) AS n
        FROM cell c WHERE c.session_id IS NOT NULL
        GROUP BY c.is_now, c.session_id, @extschema@.tw_resolve_intent(c.nlu_intent)
    ), session AS (
        SELECT s.is_now, s.intent, s.n::double precision AS n,
               sum(s.n) OVER (PARTITION BY s.is_now, s.session_id)::double precision AS whole
        FROM spoken s
    ), whole AS (
        SELECT w.is_now, sum(w.n)::double precision AS n, sum(w.n ^ 2)::double precision AS squares
        FROM (SELECT s.is_now, s.session_id, sum(s.n) AS n FROM spoken s GROUP BY s.is_now, s.session_id) w
        GROUP BY w.is_now
    ), own AS (
        SELECT s.is_now, s.intent, sum(s.n) AS n, sum(s.n ^ 2) AS squares, sum(s.n * s.whole) AS products
        FROM session s GROUP BY s.is_now, s.intent
    ), design AS (
        SELECT o.intent, greatest(1, sum(o.squares - 2 * f.p * o.products + f.p ^ 2 * w.squares)
                                     / nullif(sum(w.n * f.p * (1 - f.p)), 0)) AS effect
        FROM own o
        JOIN whole w ON w.is_now = o.is_now
        CROSS JOIN LATERAL (SELECT o.n / w.n AS p) f
        GROUP BY o.intent
    ), share AS (
        SELECT p.intent, p.now, p.before, p.now / nullif(s.n1, 0) AS p, p.before / nullif(s.n2, 0) AS q,
               coalesce(d.effect, 1) AS effect
        FROM part p CROSS JOIN size s LEFT JOIN design d ON d.intent = p.intent
    ), compared AS (
        SELECT h.*, (CASE WHEN h.p > 0 THEN h.p * ln(2 * h.p / (h.p + h.q)) ELSE 0 END
                     + CASE WHEN h.q > 0 THEN h.q * ln(2 * h.q / (h.p + h.q)) ELSE 0 END)
                   / (2 * ln(2::double precision)) AS divergence,
               h.effect * (1 - (h.p + h.q) / 2) AS spread
        FROM share h WHERE h.p IS NOT NULL AND h.q IS NOT NULL
    ), total AS (
        SELECT CASE WHEN count(*) > 0 THEN greatest(0, sum(c.divergence)) END AS divergence, sum(c.spread) AS spread
        FROM compared c
    )
    SELECT NULL::text, s.n1::bigint, s.n2::bigint, CASE WHEN s.n1 > 0 THEN 1::double precision END,
           CASE WHEN s.n2 > 0 THEN 1::double precision END, NULL::double precision, t.divergence,
           t.spread * u.unit,
           CASE WHEN t.divergence > 0 THEN least(1, t.spread * u.unit / t.divergence) ELSE t.divergence + 1 END,
           CASE WHEN least(s.n1, s.n2) >= 100 AND s.k > 1 THEN @extschema@.tw_chi_square_p(
               t.divergence / u.unit * (s.k - 1) / t.spread, (s.k - 1)::double precision) END,
           nullif(concat_ws('; ',
               CASE WHEN s.n1 = 0 THEN 'no conversations in the period'
                    WHEN s.n2 = 0 THEN 'no conversations in the period before: nothing to compare with'
                    WHEN s.k < 2 THEN 'one intent only: nothing can have changed'
                    WHEN least(s.n1, s.n2) < 100
                    THEN format('%s and %s conversations: p_value needs 100 in each period', s.n1, s.n2) END,
               CASE WHEN d.n > 0 THEN format('retention has deleted %s conversations of the two periods', d.n) END), '')
    FROM size s
    CROSS JOIN LATERAL (SELECT (1 / nullif(s.n1, 0) + 1 / nullif(s.n2, 0)) / (8 * ln(2::double precision)) AS unit) u
    LEFT JOIN total t ON true
    CROSS JOIN period p
    CROSS JOIN LATERAL @extschema@.tw_deleted_from_period(p.before, tw_intent_drift.to_date) AS d (n)
    UNION ALL
    (SELECT h.intent, h.now::bigint, h.before::bigint, h.p, h.q, h.p - h.q, c.divergence, c.spread * u.unit, NULL, NULL,
            NULL
     FROM share h
     LEFT JOIN compared c ON c.intent = h.intent
     CROSS JOIN size s
     CROSS JOIN LATERAL (SELECT (1 / nullif(s.n1, 0) + 1 / nullif(s.n2, 0)) / (8 * ln(2::double precision)) AS unit) u
     ORDER BY c.divergence DESC NULLS LAST, h.now DESC, h.intent COLLATE "C");
END;
REVOKE ALL ON FUNCTION @extschema@.tw_intent_drift(date, date) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_intent_drift(date, date) IS
    'The rows of the view intent_drift, of another period (both days included) and the equally long one before it';

CREATE VIEW @extschema@.intent_drift AS
    SELECT q.intent, q.conversations, q.conversations_before, q.share, q.share_before, q.change, q.divergence,
           q.divergence_by_chance, q.chance, q.p_value, q.reason
    FROM (SELECT (now() AT TIME ZONE @extschema@.training_setting('time_zone'))::date AS today) t
    CROSS JOIN LATERAL @extschema@.tw_intent_drift(t.today - @extschema@.tw_accuracy_window() + 1, t.today) q;
REVOKE ALL ON TABLE @extschema@.intent_drift FROM PUBLIC;
COMMENT ON VIEW @extschema@.intent_drift IS
    'How the model''s answers of the last 30 days differ from those of the 30 days before: all together in the first '
    'row, then each intent, those that changed most first. Conversations without an intent and not applicable ones do '
    'not count';
COMMENT ON COLUMN @extschema@.intent_drift.intent IS
    'The intent, by its current name; NULL = all together, the first row';
COMMENT ON COLUMN @extschema@.intent_drift.conversations IS 'Number of conversations answered with it';
COMMENT ON COLUMN @extschema@.intent_drift.conversations_before IS 'The same in the 30 days before';
COMMENT ON COLUMN @extschema@.intent_drift.share IS 'Its fraction of the conversations, 0 to 1; NULL = there are none';
COMMENT ON COLUMN @extschema@.intent_drift.share_before IS 'The same in the 30 days before';
COMMENT ON COLUMN @extschema@.intent_drift.change IS
    'share minus share_before, -1 to 1; NULL in the first row, and where either is';
COMMENT ON COLUMN @extschema@.intent_drift.divergence IS
    'Jensen-Shannon divergence, 0 (the same) to 1 (nothing in common); for an intent its part of that';
COMMENT ON COLUMN @extschema@.intent_drift.divergence_by_chance IS
    'What it would be on average if nothing had changed, with so many messages in such sessions';
COMMENT ON COLUMN @extschema@.intent_drift.chance IS
    'What share of the divergence is to be expected by chance, 0 to 1; first row only';
COMMENT ON COLUMN @extschema@.intent_drift.p_value IS
    'How probable a divergence at least as large is if nothing has changed, 0 to 1; first row only, NULL see reason';
COMMENT ON COLUMN @extschema@.intent_drift.reason IS
    'Why a figure is NULL, or what the figures do not contain; NULL = nothing known';
