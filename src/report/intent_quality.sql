-- intent_quality: for each intent, how often it was answered, and how often that was right.
--
-- Accuracy is over the conversations that were answered with the intent (precision); recall is over those that have it.
-- answers.sql says how labels are weighted. The conversations that have an intent may be answered with one of any
-- module: recall is for those who see all modules.

CREATE FUNCTION @extschema@.tw_intent_quality(
    from_date date, to_date date,
    OUT intent text, OUT conversations bigint, OUT share double precision, OUT fallback_rate double precision,
    OUT mean_confidence double precision, OUT negative_feedback bigint, OUT labels bigint,
    OUT accuracy double precision, OUT lower double precision, OUT upper double precision,
    OUT recall double precision, OUT recall_labels bigint, OUT reason text)
    RETURNS SETOF record
    LANGUAGE sql STABLE ROWS 100 SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off
BEGIN ATOMIC
    WITH counted AS MATERIALIZED (
        SELECT c.* FROM @extschema@.tw_answer_counts(tw_intent_quality.from_date, tw_intent_quality.to_date) c
    ), strata AS (
        SELECT jsonb_agg(jsonb_build_object('filter_outcome', s.filter_outcome, 'filter_policy_id', s.filter_policy_id,
                                            'conversations', s.n)) AS sizes
        FROM (SELECT c.filter_outcome, c.filter_policy_id, sum(c.conversations) AS n FROM counted c
              WHERE c.can_be_drawn GROUP BY c.filter_outcome, c.filter_policy_id) s
    ), label AS MATERIALIZED (
        SELECT l.* FROM strata s,
            @extschema@.tw_labels(tw_intent_quality.from_date, tw_intent_quality.to_date, s.sizes) l
    ), gap AS (
        SELECT @extschema@.tw_label_gaps(tw_intent_quality.from_date, tw_intent_quality.to_date, sum(c.conversations),
                   sum(c.conversations) FILTER (WHERE NOT c.can_be_drawn),
                   (SELECT sum(l.weight) FROM label l WHERE NOT l.is_thin)) AS reason,
               @extschema@.tw_sees_all_modules() AS sees_all
        FROM counted c
    ), volume AS (
        SELECT c.intent, sum(c.conversations) AS conversations, sum(sum(c.conversations)) OVER () AS everything,
               sum(c.conversations) FILTER (WHERE c.is_fallback) AS fallback,
               sum(c.conversations) FILTER (WHERE c.provider IS NOT NULL) AS with_provider,
               sum(c.confidence) / nullif(sum(c.with_confidence), 0) AS mean_confidence,
               sum(c.negative_feedback) AS negative
        FROM counted c WHERE c.intent IS NOT NULL GROUP BY c.intent
    ), answered AS (
        SELECT l.intent, count(*) AS labels, sum(l.weight) AS w, sum(l.weight ^ 2) AS w2,
               sum(l.weight) FILTER (WHERE l.is_right) AS right_w
        FROM label l GROUP BY l.intent
    ), meant AS (
        SELECT l.correct_intent AS intent, count(*) AS labels, sum(l.weight) AS w, sum(l.weight ^ 2) AS w2,
               sum(l.weight) FILTER (WHERE l.is_right) AS right_w
        FROM label l, gap g WHERE l.correct_intent IS NOT NULL AND g.sees_all GROUP BY l.correct_intent
    )
    -- An intent that people named and no answer had is here too, with its recall of 0.
    SELECT n.intent, coalesce(v.conversations, 0)::bigint,
           (coalesce(v.conversations, 0) / (SELECT max(x.everything) FROM volume x))::double precision,
           CASE WHEN v.with_provider > 0 THEN (coalesce(v.fallback, 0) / v.with_provider)::double precision END,
           v.mean_confidence, coalesce(v.negative, 0)::bigint, coalesce(a.labels, 0), p.accuracy, p.lower, p.upper,
           r.accuracy, CASE WHEN g.sees_all THEN coalesce(m.labels, 0) END,
           nullif(concat_ws('; ',
               CASE WHEN coalesce(a.labels, 0) < 5
                    THEN format('%s of 5 labels that accuracy needs', coalesce(a.labels, 0)) END,
               CASE WHEN NOT g.sees_all THEN 'recall is known only to roles that see all modules'
                    WHEN coalesce(m.labels, 0) < 5
                    THEN format('named by %s of 5 labels that recall needs', coalesce(m.labels, 0)) END, g.reason), '')
    FROM (SELECT v.intent FROM volume v UNION SELECT m.intent FROM meant m) n
    CROSS JOIN gap g
    LEFT JOIN volume v ON v.intent = n.intent
    LEFT JOIN answered a ON a.intent = n.intent
    LEFT JOIN meant m ON m.intent = n.intent
    CROSS JOIN LATERAL @extschema@.tw_weighted_share(a.right_w, a.w, a.w2, a.labels) p
    CROSS JOIN LATERAL @extschema@.tw_weighted_share(m.right_w, m.w, m.w2, m.labels) r
    ORDER BY 2 DESC, n.intent COLLATE "C";
END;
REVOKE ALL ON FUNCTION @extschema@.tw_intent_quality(date, date) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_intent_quality(date, date) IS
    'The rows of the view intent_quality, of another period (both days included)';

CREATE VIEW @extschema@.intent_quality AS
    SELECT q.intent, q.conversations, q.share, q.fallback_rate, q.mean_confidence, q.negative_feedback, q.labels,
           q.accuracy, q.lower, q.upper, q.recall, q.recall_labels, q.reason
    FROM (SELECT (now() AT TIME ZONE @extschema@.training_setting('time_zone'))::date AS today) t
    CROSS JOIN LATERAL @extschema@.tw_intent_quality(t.today - @extschema@.tw_accuracy_window() + 1, t.today) q;
REVOKE ALL ON TABLE @extschema@.intent_quality FROM PUBLIC;
COMMENT ON VIEW @extschema@.intent_quality IS
    'Each intent of the last 30 days: how often the model answered with it, and how often that was right, estimated '
    'from the audit; the most frequent first. Conversations that are not applicable do not count';
COMMENT ON COLUMN @extschema@.intent_quality.intent IS 'The intent, by its current name';
COMMENT ON COLUMN @extschema@.intent_quality.conversations IS 'Number of conversations answered with it';
COMMENT ON COLUMN @extschema@.intent_quality.share IS
    'Fraction of the conversations that have an intent, 0 to 1; NULL = there are none';
COMMENT ON COLUMN @extschema@.intent_quality.fallback_rate IS
    'Fraction of its answers that a fallback provider gave, 0 to 1; NULL = none has a provider';
COMMENT ON COLUMN @extschema@.intent_quality.mean_confidence IS
    'Mean confidence of its answers, 0 to 1; NULL = none has a valid one';
COMMENT ON COLUMN @extschema@.intent_quality.negative_feedback IS
    'Number of its conversations with negative feedback';
COMMENT ON COLUMN @extschema@.intent_quality.labels IS
    'Number of audited conversations answered with it that a person judged right or wrong';
COMMENT ON COLUMN @extschema@.intent_quality.accuracy IS
    'Estimated fraction of its answers that are right, 0 to 1; NULL for fewer than 5 labels';
COMMENT ON COLUMN @extschema@.intent_quality.lower IS
    'Lower end of the 95 % interval of accuracy, 0 to 1; NULL where accuracy is';
COMMENT ON COLUMN @extschema@.intent_quality.upper IS
    'Upper end of the 95 % interval of accuracy, 0 to 1; NULL where accuracy is';
COMMENT ON COLUMN @extschema@.intent_quality.recall IS
    'Estimated fraction of the conversations with this intent that were answered with it, 0 to 1; NULL for fewer than '
    '5 labels that name it, and for a role that is limited to modules';
COMMENT ON COLUMN @extschema@.intent_quality.recall_labels IS
    'Number of labels whose correct intent it is; NULL for a role that is limited to modules';
COMMENT ON COLUMN @extschema@.intent_quality.reason IS
    'Why accuracy or recall is NULL, or what no label can know; NULL = nothing known';
