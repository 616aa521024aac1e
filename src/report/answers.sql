-- The model's answers in a period, and what people said of them: what intent_quality, intent_confusions and
-- confidence_calibration are made of.
--
-- A label is an audited conversation whose newest verdict says right or wrong, as in live_accuracy(). It stands for as
-- many conversations as its stratum h (filter_outcome, filter_policy_id) has to its weight:
--
--   w_i = (1 / selection_probability_i) * N_h / sum over the labels of h of (1 / selection_probability)
--
-- (Hajek 1971 within a stratum, post-stratified to the known N_h). The strata are those of the whole period, not of
-- each intent: an intent of a hundred messages has too few labels in each stratum of its own. A fraction p of labels
-- with weights w has the effective size (sum w)^2 / sum(w^2) (Kish, Survey Sampling, 1965, section 11.7), and Wilson's
-- interval on that.

-- Without a search_path of its own, so that the planner puts it into the query.
CREATE FUNCTION @extschema@.tw_confidence_bin(confidence double precision) RETURNS integer
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN confidence >= 0 AND confidence <= 1 THEN least(10, 1 + floor(10 * confidence)::integer) END;
REVOKE ALL ON FUNCTION @extschema@.tw_confidence_bin(double precision) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_confidence_bin(double precision) IS
    'The band of a confidence, from 1 (below 0.1) to 10 (0.9 and above); NULL for none and for one outside 0 to 1';

-- Grouped by the stored names, which is cheap; current names and fallback providers are looked up once a group. The
-- sort before that would go to disk from 100,000 conversations on with the default work_mem, which doubles its time.
CREATE FUNCTION @extschema@.tw_answer_counts(
    from_date date, to_date date,
    OUT intent text, OUT provider text, OUT bin integer, OUT filter_outcome text, OUT filter_policy_id bigint,
    OUT can_be_drawn boolean, OUT is_fallback boolean, OUT conversations bigint, OUT with_confidence bigint,
    OUT confidence double precision, OUT negative_feedback bigint)
    RETURNS SETOF record
    LANGUAGE sql STABLE ROWS 1000 SET search_path = pg_catalog, pg_temp SET jit = off SET work_mem = '16MB'
BEGIN ATOMIC
    SELECT @extschema@.tw_resolve_intent(g.nlu_intent), g.nlu_provider, g.bin, g.filter_outcome, g.filter_policy_id,
           g.can_be_drawn,
           CASE WHEN g.nlu_provider IS NOT NULL
                THEN @extschema@.is_fallback_provider(g.nlu_provider, g.nlu_intent, g.nlu_module_type) END,
           g.conversations, g.with_confidence, g.confidence, g.negative_feedback
    FROM (SELECT c.nlu_intent, c.nlu_module_type, c.nlu_provider, b.bin, c.filter_outcome, c.filter_policy_id,
                 c.selection_probability > 1e-9 AS can_be_drawn, count(*) AS conversations,
                 count(b.bin) AS with_confidence, sum(c.nlu_confidence) FILTER (WHERE b.bin IS NOT NULL) AS confidence,
                 count(*) FILTER (WHERE lower(c.user_feedback COLLATE "C") = 'negative') AS negative_feedback
          FROM @extschema@.conversation_logs c
          CROSS JOIN LATERAL (SELECT @extschema@.tw_confidence_bin(c.nlu_confidence) AS bin) b
          WHERE c.created_on BETWEEN tw_answer_counts.from_date AND tw_answer_counts.to_date
            AND c.selection_probability IS NOT NULL
            AND @extschema@.tw_sees_module(c.nlu_module_type, c.nlu_intent)
          GROUP BY c.nlu_intent, c.nlu_module_type, c.nlu_provider, b.bin, c.filter_outcome, c.filter_policy_id,
                   c.selection_probability > 1e-9) g;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_answer_counts(date, date) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_answer_counts(date, date) IS
    'Conversations of a period that the filter saw, without not-applicable ones, counted by intent (current name), '
    'provider, band of confidence and stratum; confidence is a sum';

CREATE FUNCTION @extschema@.tw_labels(
    from_date date, to_date date, strata jsonb,
    OUT conversation_log_id bigint, OUT intent text, OUT correct_intent text, OUT is_right boolean, OUT provider text,
    OUT bin integer, OUT weight double precision, OUT is_thin boolean)
    RETURNS SETOF record
    LANGUAGE sql STABLE ROWS 1000 SET search_path = pg_catalog, pg_temp SET jit = off
BEGIN ATOMIC
    WITH judged AS (
        SELECT DISTINCT ON (c.id) c.id, @extschema@.tw_resolve_intent(c.nlu_intent) AS intent, c.nlu_provider,
               @extschema@.tw_confidence_bin(c.nlu_confidence) AS bin, c.filter_outcome, c.filter_policy_id,
               1 / c.selection_probability AS w, e.action, e.reject_reason,
               @extschema@.tw_resolve_intent(e.intent) AS correct_intent
        FROM @extschema@.conversation_logs c
        JOIN @extschema@.review_events e ON e.conversation_log_id = c.id
        WHERE c.created_on BETWEEN tw_labels.from_date AND tw_labels.to_date
          AND c.is_audit AND c.selection_probability > 1e-9
          AND @extschema@.tw_sees_module(c.nlu_module_type, c.nlu_intent)
          AND @extschema@.tw_is_persons_word(e.action)
        ORDER BY c.id, e.id DESC
    ), label AS (
        SELECT j.*,
               j.action = 'approve' OR j.action = 'fix' AND j.correct_intent IS NOT DISTINCT FROM j.intent AS is_right,
               sum(j.w) OVER stratum AS stratum_w, count(*) OVER stratum AS stratum_labels
        FROM judged j
        WHERE j.action <> 'withdraw' AND j.reject_reason IS DISTINCT FROM 'unclear'
        WINDOW stratum AS (PARTITION BY j.filter_outcome, j.filter_policy_id)
    )
    SELECT l.id, l.intent, CASE WHEN l.is_right THEN l.intent ELSE l.correct_intent END, l.is_right, l.nlu_provider,
           l.bin,
           l.w * s.conversations / l.stratum_w, l.stratum_labels < 5
    FROM label l
    JOIN jsonb_to_recordset(strata) AS s (filter_outcome text, filter_policy_id bigint, conversations bigint)
      ON s.filter_outcome IS NOT DISTINCT FROM l.filter_outcome
     AND s.filter_policy_id IS NOT DISTINCT FROM l.filter_policy_id;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_labels(date, date, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labels(date, date, jsonb) IS
    'The labels of a period (audited conversations that a person judged right or wrong): the model''s intent and the '
    'correct one by their current names (correct_intent is NULL for no-such-intent), provider, band of confidence, and '
    'the number of conversations that the label stands for; is_thin if its stratum has fewer than 5. strata: their '
    'sizes, [{filter_outcome, filter_policy_id, conversations}, ...]';

CREATE FUNCTION @extschema@.tw_weighted_share(
    right_w double precision, w double precision, w2 double precision, labels bigint,
    OUT accuracy double precision, OUT lower double precision, OUT upper double precision)
    LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT p.share, i.lower, i.upper
    FROM (SELECT CASE WHEN labels >= 5 THEN least(1, greatest(0, coalesce(right_w, 0) / w)) END AS share) p
    LEFT JOIN LATERAL @extschema@.tw_wilson(p.share, w ^ 2 / w2) i ON true;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_weighted_share(double precision, double precision, double precision, bigint)
    FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_weighted_share(double precision, double precision, double precision, bigint) IS
    'The fraction right_w / w of weighted labels with its 95 % interval; w2 is the sum of the squared weights. NULL '
    'for fewer than 5 labels';

-- What limits every figure that labels give, for the whole period.
CREATE FUNCTION @extschema@.tw_label_gaps(
    from_date date, to_date date, conversations numeric, undrawn numeric, known double precision)
    RETURNS text
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT nullif(concat_ws('; ',
        CASE WHEN d.n > 0 THEN format('retention has deleted %s conversations of the period: the figures are of the '
                                      'rest', d.n) END,
        CASE WHEN undrawn > 0 THEN format('%s %% of the conversations are known to no label: the audit rate was 0',
                                          round(100 * undrawn / conversations, 1)) END,
        CASE WHEN t.n > greatest(0.5, conversations / 2000)
             THEN format('%s %% of the conversations are of a filter outcome and policy with fewer than 5 labels',
                         round(100 * t.n / conversations, 1)) END), '')
    FROM @extschema@.tw_deleted_from_period(from_date, to_date) AS d (n)
    CROSS JOIN LATERAL (SELECT conversations - coalesce(undrawn, 0)
                               - round(coalesce(known, 0)::numeric, 3) AS n) t;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_label_gaps(date, date, numeric, numeric, double precision) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_label_gaps(date, date, numeric, numeric, double precision) IS
    'What the labels of a period cannot know: conversations that retention deleted, the undrawn ones, which no audit '
    'could draw, and those of strata with fewer than 5 labels (all others are known); NULL = nothing';
