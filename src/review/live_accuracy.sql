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
--
-- Two more things can be wrong with an estimate, which no interval contains. A verdict may be wrong: where second
-- opinions differ in a fraction d of the pairs, and both people err as often and independently of each other, a verdict
-- is wrong with probability 1 - sqrt(1 - d). And a row may have no label: unclear, skipped, or not reviewed. With u_h
-- the fraction of such rows by weight,
--
--   accuracy_low = sum(W_h p_h (1 - u_h))       accuracy_high = sum(W_h (p_h (1 - u_h) + u_h))
--
-- are the estimates if all of them were wrong, and if all were right (Manski, American Economic Review 80, 1990,
-- 319-323).

CREATE FUNCTION @extschema@.tw_accuracy_reason(
    unlabelled numeric, opinions numeric, differing numeric, verdict_error double precision, problems text[])
    RETURNS text
    LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
RETURN nullif(array_to_string(problems || ARRAY[
    CASE WHEN unlabelled > 0.05
         THEN format('%s %% of the audited conversations are unclear or were passed over, so that accuracy may be '
                     'anything from accuracy_low to accuracy_high', round(100 * unlabelled, 1)) END,
    CASE WHEN differing >= 2 AND verdict_error > 0.01
         THEN format('%s of %s second opinions differ: an estimated %s %% of the verdicts are wrong', differing,
                     opinions, round(100 * verdict_error::numeric, 1)) END], '; '), '');
REVOKE ALL ON FUNCTION @extschema@.tw_accuracy_reason(numeric, numeric, numeric, double precision, text[]) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_accuracy_reason(numeric, numeric, numeric, double precision, text[]) IS
    'Why an accuracy may be off by more than its interval: problems of the audit, more than 5 % unclear or passed '
    'over, or two or more second opinions that differ and an estimated error of verdicts above 1 %; NULL = nothing '
    'known';

-- Expanded around the normal quantile (Abramowitz and Stegun 26.7.5): within 0.01 from 4 degrees of freedom on.
CREATE FUNCTION @extschema@.tw_student_quantile(freedom double precision) RETURNS double precision
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT z + (z ^ 3 + z) / (4 * freedom) + (5 * z ^ 5 + 16 * z ^ 3 + 3 * z) / (96 * freedom ^ 2)
           + (3 * z ^ 7 + 19 * z ^ 5 + 17 * z ^ 3 - 15 * z) / (384 * freedom ^ 3)
    FROM (SELECT 1.959963984540054::double precision AS z) q;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_student_quantile(double precision) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_student_quantile(double precision) IS
    'The 97.5 % quantile of Student''s distribution with so many degrees of freedom';

CREATE FUNCTION @extschema@.live_accuracy(
    from_date date DEFAULT NULL, to_date date DEFAULT NULL, by text[] DEFAULT '{}',
    OUT model_version text, OUT module_type text, OUT intent text, OUT period date,
    OUT conversations bigint, OUT labels bigint,
    OUT accuracy double precision, OUT lower double precision, OUT upper double precision,
    OUT effective_labels double precision, OUT naive_accuracy double precision, OUT naive_labels bigint,
    OUT unclear_share double precision, OUT strata jsonb, OUT reason text,
    OUT unlabelled_share double precision, OUT accuracy_low double precision, OUT accuracy_high double precision,
    OUT second_opinions bigint, OUT verdict_error double precision, OUT verdict_error_upper double precision)
    RETURNS SETOF record
    -- Compiling the many expressions would take longer than running them.
    LANGUAGE sql STABLE ROWS 20 SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off
BEGIN ATOMIC
    WITH request AS MATERIALIZED (
        SELECT @extschema@.tw_check_accuracy_request(live_accuracy.from_date, live_accuracy.to_date,
                                                     live_accuracy.by) AS names
    ), deleted AS MATERIALIZED (
        SELECT CASE WHEN d.n > 0 THEN format('retention has deleted %s conversations of the period: the figures are '
                                             'of the rest', d.n) END AS deleted
        FROM @extschema@.tw_deleted_from_period(live_accuracy.from_date, live_accuracy.to_date) AS d (n)
    ), stratum AS (
        SELECT h.*, h.labels >= 5 AS is_known,
               h.filter_outcome || CASE WHEN h.is_apart THEN ' with versions that were rolled out' ELSE '' END
               || ' under ' || coalesce('policy ' || h.filter_policy_id, 'the built-in policy') AS name
        FROM request r
        CROSS JOIN LATERAL @extschema@.tw_accuracy_strata(live_accuracy.from_date, live_accuracy.to_date, r.names) h
    ), grouped AS (
        SELECT h.model_version, h.module_type, h.intent, h.period,
               sum(h.size)::bigint AS conversations, sum(h.labels)::bigint AS labels,
               sum(h.audited) AS audited, sum(h.unclear) AS unclear, bool_and(h.is_known) AS is_known,
               -- Over the known strata, each weighted by its fraction of them.
               sum(h.weight) FILTER (WHERE h.is_known)::double precision AS known,
               (sum(h.labels) FILTER (WHERE h.is_known)
                - count(*) FILTER (WHERE h.is_known))::double precision AS freedom,
               sum(h.size * h.p) FILTER (WHERE h.is_known) / sum(h.size) FILTER (WHERE h.is_known) AS p,
               sum(h.size * h.s) FILTER (WHERE h.is_known) / sum(h.size) FILTER (WHERE h.is_known) AS s,
               sum(h.size::double precision ^ 2 * h.v) FILTER (WHERE h.is_known)
                   / (sum(h.size) FILTER (WHERE h.is_known))::double precision ^ 2 AS v,
               sum(h.weight * h.p * (1 - h.unlabelled_share)) FILTER (WHERE h.is_known) AS all_wrong,
               sum(h.weight * (1 - h.p) * (1 - h.unlabelled_share)) FILTER (WHERE h.is_known) AS all_right,
               sum(h.naive_right)::double precision / nullif(sum(h.naive_labels), 0) AS naive_accuracy,
               sum(h.naive_labels)::bigint AS naive_labels,
               sum(h.size * h.unclear_share) / sum(h.size) FILTER (WHERE h.unclear_share IS NOT NULL) AS unclear_share,
               sum(h.size * h.unlabelled_share)
                   / sum(h.size) FILTER (WHERE h.unlabelled_share IS NOT NULL) AS unlabelled_share,
               sum(h.opinions) AS opinions, sum(h.differing) AS differing,
               sum(h.differing_w) / sum(h.opinion_w) AS differ, sum(h.opinion_w) ^ 2 / sum(h.opinion_w2) AS pairs,
               jsonb_agg(h.cells) FILTER (WHERE h.cells IS NOT NULL) AS cells,
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
           nullif(concat_ws('; ', x.deleted, CASE WHEN g.conversations IS NULL THEN 'no filtered conversations'
                WHEN NOT g.is_known THEN g.gap
                ELSE @extschema@.tw_accuracy_reason(g.unclear / g.audited + a.passed_over, g.opinions, g.differing,
                                                    e.error, a.problems) END), ''),
           g.unlabelled_share, g.all_wrong, 1 - g.all_right, coalesce(g.opinions, 0)::bigint, e.error,
           1 - sqrt(1 - d.upper)
    FROM request r
    LEFT JOIN grouped g ON true
    CROSS JOIN LATERAL (SELECT g.s * (1 - g.s) / g.v
        * (1.959963984540054 / @extschema@.tw_student_quantile(g.freedom)) ^ 2 AS n) n
    CROSS JOIN LATERAL @extschema@.tw_wilson(g.p, n.n) w
    CROSS JOIN LATERAL @extschema@.tw_wilson(g.differ, g.pairs) d
    CROSS JOIN LATERAL (SELECT CASE WHEN g.differ < 1 THEN 1 - sqrt(1 - g.differ) ELSE g.differ END AS error) e
    LEFT JOIN LATERAL @extschema@.tw_audit_problems(g.cells) a ON true
    CROSS JOIN deleted x
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
    'each; versions whose rollout had them reviewed first are strata of their own. reason also says where the audit is '
    'less than 90 % reviewed or uneven by day or confidence, where more than 5 % of it is unclear or was passed over, '
    'and where second opinions differ, and how many conversations of the period retention has deleted: those that '
    'remain are no random sample of it. unlabelled_share is the fraction without a label (unclear or not reviewed); '
    'accuracy_low and accuracy_high are the estimates if all of those were wrong, or right. verdict_error is the '
    'estimated fraction of wrong verdicts, from so many second_opinions, and verdict_error_upper the upper end of its '
    '95 % interval; both NULL without second opinions. Raises 22023 for an unknown name or a period that ends before '
    'it begins';

CREATE VIEW @extschema@.live_accuracy_by_model AS
    SELECT a.model_version, a.module_type, a.conversations, a.labels, a.accuracy, a.lower, a.upper, a.effective_labels,
           a.naive_accuracy, a.naive_labels, a.unclear_share, a.strata, a.reason, a.unlabelled_share, a.accuracy_low,
           a.accuracy_high, a.second_opinions, a.verdict_error, a.verdict_error_upper
    FROM (SELECT (now() AT TIME ZONE @extschema@.training_setting('time_zone'))::date AS today) t
    CROSS JOIN LATERAL @extschema@.live_accuracy(t.today - @extschema@.tw_accuracy_window() + 1, t.today,
                                                '{model_version,module_type}'::text[]) a
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
COMMENT ON COLUMN @extschema@.live_accuracy_by_model.reason IS
    'Why accuracy is NULL, or may be off by more than its interval; NULL = nothing known';
COMMENT ON COLUMN @extschema@.live_accuracy_by_model.unlabelled_share IS
    'Estimated fraction of conversations that would have no label (unclear or not reviewed), 0 to 1; NULL = none was '
    'audited';
COMMENT ON COLUMN @extschema@.live_accuracy_by_model.accuracy_low IS
    'Accuracy if the model was wrong about all of those, 0 to 1; NULL where no stratum has 5 labels';
COMMENT ON COLUMN @extschema@.live_accuracy_by_model.accuracy_high IS
    'Accuracy if the model was right about all of those, 0 to 1; NULL where no stratum has 5 labels';
COMMENT ON COLUMN @extschema@.live_accuracy_by_model.second_opinions IS
    'Number of labels about which a second person was asked, and answered';
COMMENT ON COLUMN @extschema@.live_accuracy_by_model.verdict_error IS
    'Estimated fraction of wrong verdicts, 0 to 1, from second opinions; NULL = there are none';
COMMENT ON COLUMN @extschema@.live_accuracy_by_model.verdict_error_upper IS
    'Upper end of the 95 % interval of verdict_error, 0 to 1; NULL = there are no second opinions';
