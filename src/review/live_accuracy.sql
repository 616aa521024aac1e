-- live_accuracy(): how often the model is right in production, estimated without bias from the audit.
--
-- Population: the conversations that the filter saw and that can be learned from (selection_probability is not NULL).
-- Strata h: (filter_outcome, filter_policy_id). Rows whose audit rate was 0 are strata of their own; nothing can be
-- known about them. Conversations that a rollout waits for are reviewed first. If they are reviewed at a different rate
-- from the others (both parts with at least 5 audited rows), they are a stratum of their own. W_h is a stratum's
-- fraction of the population, known exactly. A label is an audited row whose newest verdict says right or wrong; its
-- weight is w = 1 / selection_probability (Hajek 1971), because rates may change over time.
--
--   p_h = sum(w right) / sum(w)              p  = sum(W_h p_h)                the estimate
--   q_h = sum(w^2) / sum(w)                                                  the weight of a typical label
--   s_h = (sum(w right) + q_h) / (sum(w) + 2 q_h)     s = sum(W_h s_h)
--   v_h = (sum(w^2 (right - s_h)^2) + q_h^2 ((1 - s_h)^2 + s_h^2)) / (sum(w) + 2 q_h)^2
--   V   = sum(W_h^2 v_h)
--   n   = s (1 - s) / V * (z / t)^2          t: Student's quantile of (labels - strata) degrees of freedom
--   lower, upper = (p + z^2 / 2n -+ z sqrt(p (1 - p) / n + z^2 / 4n^2)) / (1 + z^2 / n)
--
-- That is Wilson's interval (1927) on the effective sample size with the degrees-of-freedom correction of Korn and
-- Graubard (Survey Methodology 24, 1998, 193-201; compared with alternatives by Franco, Little, Louis and Slud, Journal
-- of Survey Statistics and Methodology 7, 2019, 334-364). Their variance is 0 where all labels of a stratum agree. So
-- for the variance alone each stratum gets one more right and one more wrong label of typical weight, as Agresti and
-- Caffo do for two samples (The American Statistician 54, 2000, 280-288). With equal weights v_h is s_h (1 - s_h) /
-- (n_h + 2): it is never 0, and no special cases are needed. There is no finite population correction: the audit is
-- small, and even a full audit tells about the model only within chance. test/bench/live_accuracy.sh measures how often
-- the interval covers the truth.

CREATE FUNCTION @extschema@.tw_check_accuracy_request(from_date date, to_date date, by text[]) RETURNS text[]
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    names CONSTANT text[] := ARRAY['model_version', 'module_type', 'intent', 'day', 'week', 'month'];
    name text;
BEGIN
    IF from_date > to_date THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('the period begins on %s, after its end on %s', from_date, to_date),
            HINT = 'Both days belong to the period; NULL stands for no limit.';
    END IF;
    FOREACH name IN ARRAY coalesce(by, '{}') LOOP
        IF name IS NULL OR name <> ALL (names) THEN
            RAISE EXCEPTION USING
                ERRCODE = 'invalid_parameter_value',
                MESSAGE = format('live_accuracy cannot group by "%s"', coalesce(@extschema@.tw_excerpt(name), 'NULL')),
                HINT = format('It groups by any of: %s.', array_to_string(names, ', '));
        END IF;
    END LOOP;
    IF cardinality(array_positions(by, 'day') || array_positions(by, 'week') || array_positions(by, 'month')) > 1 THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = 'live_accuracy can group by one of day, week and month only',
            HINT = 'Each of them fills the column period: call live_accuracy() once for each.';
    END IF;
    RETURN coalesce(by, '{}');
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_check_accuracy_request(date, date, text[]) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_check_accuracy_request(date, date, text[]) IS
    'Returns the names to group by ({} for NULL). Raises 22023 for an unknown name, for two units of time, or for a '
    'period that ends before it begins';

CREATE FUNCTION @extschema@.live_accuracy(
    from_date date DEFAULT NULL, to_date date DEFAULT NULL, by text[] DEFAULT '{}',
    OUT model_version text, OUT module_type text, OUT intent text, OUT period date,
    OUT conversations bigint, OUT labels bigint,
    OUT accuracy double precision, OUT lower double precision, OUT upper double precision,
    OUT effective_labels double precision, OUT naive_accuracy double precision, OUT naive_labels bigint,
    OUT unclear_share double precision, OUT strata jsonb, OUT reason text)
    RETURNS SETOF record
    -- Compiling the many expressions would take longer than running them.
    LANGUAGE sql STABLE ROWS 20 SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off
BEGIN ATOMIC
    WITH request AS MATERIALIZED (
        SELECT r.names, 'model_version' = ANY (r.names) AS by_version, 'module_type' = ANY (r.names) AS by_module,
               'intent' = ANY (r.names) AS by_intent,
               (SELECT n FROM unnest(r.names) AS n WHERE n IN ('day', 'week', 'month')) AS unit
        FROM (SELECT @extschema@.tw_check_accuracy_request(live_accuracy.from_date, live_accuracy.to_date,
                                                           live_accuracy.by) AS names) r
    ), raised AS MATERIALIZED (
        SELECT r.version FROM @extschema@.rollouts r UNION SELECT r.previous_version FROM @extschema@.rollouts r
    ), scope AS NOT MATERIALIZED (
        SELECT c.id, c.filter_outcome, c.filter_policy_id, d.can_be_drawn, g.version IS NOT NULL AS is_rolled_out,
               c.is_audit, c.nlu_intent,
               CASE WHEN c.is_audit AND d.can_be_drawn THEN 1 / c.selection_probability END AS w,
               CASE WHEN r.by_version THEN c.nlu_model_version END AS model_version,
               CASE WHEN r.by_module THEN
                   @extschema@.tw_module_type(c.nlu_module_type, c.nlu_intent) END AS module_type,
               CASE WHEN r.by_intent THEN @extschema@.tw_resolve_intent(c.nlu_intent) END AS intent,
               CASE WHEN r.unit IS NOT NULL THEN date_trunc(r.unit, c.created_on::timestamp)::date END AS period
        FROM @extschema@.conversation_logs c
        CROSS JOIN request r
        LEFT JOIN raised g ON g.version = c.nlu_model_version
        -- A rate below 1e-9 counts as 0: its weight would be too large a number.
        CROSS JOIN LATERAL (SELECT c.selection_probability > 1e-9 AS can_be_drawn) d
        WHERE c.selection_probability IS NOT NULL
          AND c.created_on BETWEEN coalesce(live_accuracy.from_date,
                                            '-infinity') AND coalesce(live_accuracy.to_date, 'infinity')
    ), judged AS (
        SELECT DISTINCT ON (s.id) s.*, e.action AS verdict,
               e.reject_reason IS NOT DISTINCT FROM 'unclear' AS is_unclear,
               e.action = 'approve'
               OR e.action = 'fix' AND @extschema@.tw_resolve_intent(e.intent)
                                       IS NOT DISTINCT FROM @extschema@.tw_resolve_intent(s.nlu_intent) AS is_right
        FROM scope s
        JOIN @extschema@.review_events e ON e.conversation_log_id = s.id
        WHERE @extschema@.tw_is_persons_word(e.action)
        ORDER BY s.id, e.id DESC
    ), part AS (
        -- One pass over the conversations counts; the far fewer verdicts are added to it.
        SELECT u.model_version, u.module_type, u.intent, u.period, u.filter_outcome, u.filter_policy_id, u.can_be_drawn,
               u.is_rolled_out, sum(u.size) AS size, sum(u.audited) AS audited,
               count(u.w) FILTER (WHERE NOT u.is_unclear) AS labels,
               count(u.w) FILTER (WHERE u.is_unclear) AS unclear,
               sum(u.w) FILTER (WHERE NOT u.is_unclear) AS w,
               sum(u.w * u.w) FILTER (WHERE NOT u.is_unclear) AS w2,
               coalesce(sum(u.w) FILTER (WHERE NOT u.is_unclear AND u.is_right), 0) AS right_w,
               coalesce(sum(u.w * u.w) FILTER (WHERE NOT u.is_unclear AND u.is_right), 0) AS right_w2,
               coalesce(sum(u.w) FILTER (WHERE u.is_unclear), 0) AS unclear_w,
               count(*) FILTER (WHERE NOT u.is_unclear) AS naive_labels,
               count(*) FILTER (WHERE NOT u.is_unclear AND u.is_right) AS naive_right
        FROM (SELECT s.model_version, s.module_type, s.intent, s.period, s.filter_outcome, s.filter_policy_id,
                     s.can_be_drawn, s.is_rolled_out, 1 AS size, CASE WHEN s.is_audit THEN 1 ELSE 0 END AS audited,
                     NULL::double precision AS w, NULL::boolean AS is_unclear, NULL::boolean AS is_right
              FROM scope s
              UNION ALL
              SELECT j.model_version, j.module_type, j.intent, j.period, j.filter_outcome, j.filter_policy_id,
                     j.can_be_drawn, j.is_rolled_out, 0, 0, j.w, j.is_unclear, j.is_right
              FROM judged j WHERE j.verdict <> 'withdraw') u
        GROUP BY u.model_version, u.module_type, u.intent, u.period, u.filter_outcome, u.filter_policy_id,
                 u.can_be_drawn, u.is_rolled_out
    ), tally AS (
        SELECT p.model_version, p.module_type, p.intent, p.period, p.filter_outcome, p.filter_policy_id,
               p.can_be_drawn, p.is_apart, sum(p.size) AS size, sum(p.audited) AS audited, sum(p.labels) AS labels,
               sum(p.unclear) AS unclear, sum(p.w) AS w, sum(p.w2) AS w2,
               sum(p.right_w) AS right_w, sum(p.right_w2) AS right_w2, sum(p.unclear_w) AS unclear_w,
               sum(p.naive_labels) AS naive_labels, sum(p.naive_right) AS naive_right
        -- A stratum of its own if the two parts are reviewed at different rates: by more than four standard deviations
        -- of the hypergeometric distribution. By chance that is rare, and a smaller difference biases the estimate by
        -- less than the interval is wide.
        FROM (SELECT x.*, x.is_rolled_out AND count(*) OVER both_parts = 2 AND min(x.audited) OVER both_parts >= 5
                          AND (x.labels + x.unclear - x.audited * x.reviewed) ^ 2
                              > 16 * x.audited * (1 - x.audited / sum(x.audited) OVER both_parts) * x.reviewed
                                  * (1 - x.reviewed) AS is_apart
              FROM (SELECT y.*, sum(y.labels + y.unclear) OVER same / nullif(sum(y.audited) OVER same, 0) AS reviewed
                    FROM part y
                    WINDOW same AS (PARTITION BY y.model_version, y.module_type, y.intent, y.period, y.filter_outcome,
                                                 y.filter_policy_id, y.can_be_drawn)) x
              WINDOW both_parts AS (PARTITION BY x.model_version, x.module_type, x.intent, x.period, x.filter_outcome,
                                                 x.filter_policy_id, x.can_be_drawn)) p
        GROUP BY p.model_version, p.module_type, p.intent, p.period, p.filter_outcome, p.filter_policy_id,
                 p.can_be_drawn, p.is_apart
    ), stratum AS (
        SELECT t.*, t.labels >= 5 AS is_known, t.right_w / t.w AS p, m.s,
               (t.right_w2 * (1 - m.s) ^ 2 + (t.w2 - t.right_w2) * m.s ^ 2 + q.q ^ 2 * ((1 - m.s) ^ 2 + m.s ^ 2))
                   / (t.w + 2 * q.q) ^ 2 AS v,
               t.unclear_w / nullif(t.unclear_w + coalesce(t.w, 0), 0) AS unclear_share,
               t.size / sum(t.size) OVER (PARTITION BY t.model_version, t.module_type, t.intent, t.period) AS weight,
               t.filter_outcome || CASE WHEN t.is_apart THEN ' with versions that were rolled out' ELSE '' END
               || ' under ' || coalesce('policy ' || t.filter_policy_id, 'the built-in policy') AS name
        FROM tally t
        CROSS JOIN LATERAL (SELECT t.w2 / t.w AS q) q
        CROSS JOIN LATERAL (SELECT (t.right_w + q.q) / (t.w + 2 * q.q) AS s) m
    ), grouped AS (
        SELECT h.model_version, h.module_type, h.intent, h.period,
               sum(h.size)::bigint AS conversations, sum(h.labels)::bigint AS labels,
               bool_and(h.is_known) AS is_known,
               -- Over the known strata, each weighted by its fraction of them.
               sum(h.weight) FILTER (WHERE h.is_known)::double precision AS known,
               (sum(h.labels) FILTER (WHERE h.is_known)
                - count(*) FILTER (WHERE h.is_known))::double precision AS freedom,
               sum(h.size * h.p) FILTER (WHERE h.is_known) / sum(h.size) FILTER (WHERE h.is_known) AS p,
               sum(h.size * h.s) FILTER (WHERE h.is_known) / sum(h.size) FILTER (WHERE h.is_known) AS s,
               sum(h.size::double precision ^ 2 * h.v) FILTER (WHERE h.is_known)
                   / (sum(h.size) FILTER (WHERE h.is_known))::double precision ^ 2 AS v,
               sum(h.naive_right)::double precision / nullif(sum(h.naive_labels), 0) AS naive_accuracy,
               sum(h.naive_labels)::bigint AS naive_labels,
               sum(h.size * h.unclear_share) / sum(h.size) FILTER (WHERE h.unclear_share IS NOT NULL) AS unclear_share,
               jsonb_agg(jsonb_build_object(
                   'filter_outcome', h.filter_outcome, 'policy', h.filter_policy_id, 'conversations', h.size,
                   'weight', round(h.weight, 6), 'audited', h.audited, 'reviewed', h.labels + h.unclear,
                   'labelled', h.labels, 'accuracy', round(h.p::numeric, 6))
                   || CASE WHEN h.is_apart THEN '{"rolled_out": true}'::jsonb ELSE '{}'::jsonb END
                   ORDER BY h.filter_outcome, h.filter_policy_id NULLS FIRST, h.can_be_drawn, h.is_apart) AS strata,
               format('%s of %s strata (%s %% of the conversations) %s fewer than 5 labels: %s',
                   count(*) FILTER (WHERE NOT h.is_known), count(*),
                   round(100 * sum(h.weight) FILTER (WHERE NOT h.is_known), 1),
                   CASE count(*) FILTER (WHERE NOT h.is_known) WHEN 1 THEN 'has' ELSE 'have' END,
                   array_to_string((array_agg(
                       CASE WHEN h.can_be_drawn THEN format('%s has %s (%s audited)', h.name, h.labels, h.audited)
                            ELSE format('%s was never drawn from (audit rate 0)', h.name) END
                       ORDER BY h.size DESC, h.name) FILTER (WHERE NOT h.is_known))[1:5], ', ')
                   || CASE WHEN count(*) FILTER (WHERE NOT h.is_known) > 5 THEN ', ...' ELSE '' END) AS gap
        FROM stratum h
        GROUP BY h.model_version, h.module_type, h.intent, h.period
    )
    SELECT g.model_version, g.module_type, g.intent, g.period, coalesce(g.conversations, 0), coalesce(g.labels, 0),
           CASE WHEN g.is_known THEN g.p END,
           -- The bounds hold for any accuracy of the unknown strata; least and greatest keep rounding errors from
           -- excluding p.
           g.known * least(w.lower, greatest(g.p, 0)),
           1 - g.known * (1 - greatest(w.upper, least(g.p, 1))),
           n.n, g.naive_accuracy, coalesce(g.naive_labels, 0), g.unclear_share, coalesce(g.strata, '[]'),
           CASE WHEN g.conversations IS NULL THEN 'no filtered conversations'
                WHEN NOT g.is_known THEN g.gap END
    FROM request r
    LEFT JOIN grouped g ON true
    CROSS JOIN LATERAL (SELECT 1.959963984540054::double precision AS z) z
    -- Student's quantile, expanded around the normal quantile (Abramowitz and Stegun 26.7.5): within 0.01 from 4
    -- degrees of freedom on.
    CROSS JOIN LATERAL (SELECT z.z + (z.z ^ 3 + z.z) / (4 * g.freedom)
        + (5 * z.z ^ 5 + 16 * z.z ^ 3 + 3 * z.z) / (96 * g.freedom ^ 2)
        + (3 * z.z ^ 7 + 19 * z.z ^ 5 + 17 * z.z ^ 3 - 15 * z.z) / (384 * g.freedom ^ 3) AS t) t
    CROSS JOIN LATERAL (SELECT g.s * (1 - g.s) / g.v * (z.z / t.t) ^ 2 AS n) n
    CROSS JOIN LATERAL @extschema@.tw_wilson(g.p, n.n) w
    -- Without grouping there is always one row, even without conversations.
    WHERE g.conversations IS NOT NULL OR cardinality(r.names) = 0
    ORDER BY g.period, g.model_version, g.module_type, g.intent;
END;
REVOKE ALL ON FUNCTION @extschema@.live_accuracy(date, date, text[]) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.live_accuracy(date, date, text[]) IS
    'Fraction of the conversations from from_date to to_date (both included, NULL = open) that the model understood: '
    'accuracy with its 95 % interval (lower, upper), estimated from labels, the audited rows that a person judged, '
    'weighted by 1/selection_probability and stratified by filter outcome and policy (Wilson''s interval, JASA 22, '
    '1927, on the effective sample size of Korn and Graubard, Survey Methodology 24, 1998). effective_labels is the '
    'size of a simple random sample of the same precision. One row for all, or one for each value of what by lists: '
    'model_version, module_type, intent, and one of day, week, month (period is its first day). approve and a fix to '
    'the same intent are right; other fixes and no-such-intent are wrong; unclear is left out, and unclear_share '
    'estimates its fraction. accuracy is NULL where a stratum has fewer than 5 labels: reason names it, and lower and '
    'upper hold for any accuracy of it. naive_accuracy is the fraction right among all naive_labels verdicts, audited '
    'or not; it is biased, since doubtful rows are reviewed most. strata has the size, weight and audit completion of '
    'each; versions whose rollout had them reviewed first are strata of their own. Raises 22023 for an unknown name or '
    'a period that ends before it begins';

CREATE VIEW @extschema@.live_accuracy_by_model AS
    SELECT a.model_version, a.module_type, a.conversations, a.labels, a.accuracy, a.lower, a.upper, a.effective_labels,
           a.naive_accuracy, a.naive_labels, a.unclear_share, a.strata, a.reason
    FROM (SELECT (now() AT TIME ZONE @extschema@.training_setting('time_zone'))::date AS today) t
    CROSS JOIN LATERAL @extschema@.live_accuracy(t.today - 29, t.today, '{model_version,module_type}'::text[]) a
    ORDER BY a.model_version, a.module_type;
REVOKE ALL ON TABLE @extschema@.live_accuracy_by_model FROM PUBLIC;
COMMENT ON VIEW @extschema@.live_accuracy_by_model IS
    'live_accuracy() of each model version and module, over the last 30 days';
COMMENT ON COLUMN @extschema@.live_accuracy_by_model.model_version IS
    'The version that the sessions were assigned; NULL where the application named none';
COMMENT ON COLUMN @extschema@.live_accuracy_by_model.module_type IS 'The module; NULL = none';
COMMENT ON COLUMN @extschema@.live_accuracy_by_model.conversations IS
    'Number of conversations that the filter saw, without not-applicable ones';
COMMENT ON COLUMN @extschema@.live_accuracy_by_model.labels IS
    'Number of audited conversations that a person judged right or wrong';
COMMENT ON COLUMN @extschema@.live_accuracy_by_model.accuracy IS
    'Estimated fraction of all conversations that the model understood, 0 to 1; NULL where labels are missing, see '
    'reason';
COMMENT ON COLUMN @extschema@.live_accuracy_by_model.lower IS
    'Lower end of the 95 % interval of accuracy, 0 to 1; NULL where no stratum has 5 labels';
COMMENT ON COLUMN @extschema@.live_accuracy_by_model.upper IS
    'Upper end of the 95 % interval of accuracy, 0 to 1; NULL where no stratum has 5 labels';
COMMENT ON COLUMN @extschema@.live_accuracy_by_model.effective_labels IS
    'Size of a simple random sample of the same precision; NULL where no stratum has 5 labels';
COMMENT ON COLUMN @extschema@.live_accuracy_by_model.naive_accuracy IS
    'Fraction right among all reviewed conversations, 0 to 1: biased, for comparison only; NULL = none was reviewed';
COMMENT ON COLUMN @extschema@.live_accuracy_by_model.naive_labels IS
    'Number of reviewed conversations behind naive_accuracy';
COMMENT ON COLUMN @extschema@.live_accuracy_by_model.unclear_share IS
    'Estimated fraction of conversations whose meaning is unclear, 0 to 1; NULL = no audited row was reviewed';
COMMENT ON COLUMN @extschema@.live_accuracy_by_model.strata IS
    'For each filter outcome and policy: conversations, weight, audited, reviewed, labelled, accuracy';
COMMENT ON COLUMN @extschema@.live_accuracy_by_model.reason IS 'Why accuracy is NULL; NULL if it is not';
