-- What live_accuracy() counts: the conversations, audited rows and verdicts of each group, stratum by stratum.

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

CREATE FUNCTION @extschema@.tw_accuracy_window() RETURNS integer
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN 30;
REVOKE ALL ON FUNCTION @extschema@.tw_accuracy_window() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_accuracy_window() IS
    'Over how many days, today included, the accuracy of what is live is estimated (live_accuracy_by_model, '
    'production_accuracy of model_versions, training_workflow_status). Retention deletes no conversation of these '
    'days, since the weights of the strata are counted from them, and leaves audited ones as they are';

CREATE FUNCTION @extschema@.tw_deleted_from_period(from_date date, to_date date) RETURNS bigint
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT coalesce(sum(d.deleted), 0)::bigint
    FROM @extschema@.daily_statistics d
    WHERE d.date BETWEEN coalesce(from_date, '-infinity') AND coalesce(to_date, 'infinity') AND d.deleted > 0;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_deleted_from_period(date, date) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_deleted_from_period(date, date) IS
    'Number of conversations of a period (both days included, NULL = open) that retention has deleted';

-- The day and the band of confidence are those of audited rows; all others are one cell. Bands: 0 none or invalid,
-- 1 below 0.5, 2 below 0.7, 3 to 0.85, 4 to 0.95, 5 above. A second opinion weighs 1 / (selection_probability * the
-- rate with which it was drawn).
CREATE FUNCTION @extschema@.tw_accuracy_cells(
    from_date date, to_date date, names text[],
    OUT model_version text, OUT module_type text, OUT intent text, OUT period date,
    OUT filter_outcome text, OUT filter_policy_id bigint, OUT can_be_drawn boolean, OUT is_rolled_out boolean,
    OUT day date, OUT band integer, OUT size bigint, OUT audited bigint, OUT audited_w double precision,
    OUT labels bigint, OUT unclear bigint, OUT w double precision, OUT w2 double precision,
    OUT right_w double precision, OUT right_w2 double precision, OUT unclear_w double precision,
    OUT naive_labels bigint, OUT naive_right bigint,
    OUT opinions bigint, OUT differing bigint, OUT opinion_w double precision, OUT opinion_w2 double precision,
    OUT differing_w double precision)
    RETURNS SETOF record
    LANGUAGE sql STABLE ROWS 1000 SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH request AS MATERIALIZED (
        SELECT 'model_version' = ANY (names) AS by_version, 'module_type' = ANY (names) AS by_module,
               'intent' = ANY (names) AS by_intent,
               (SELECT n FROM unnest(names) AS n WHERE n IN ('day', 'week', 'month')) AS unit
    ), raised AS MATERIALIZED (
        SELECT r.version FROM @extschema@.rollouts r UNION SELECT r.previous_version FROM @extschema@.rollouts r
    ), scope AS NOT MATERIALIZED (
        SELECT c.id, c.filter_outcome, c.filter_policy_id, d.can_be_drawn, g.version IS NOT NULL AS is_rolled_out,
               c.is_audit, c.nlu_intent,
               CASE WHEN c.is_audit AND d.can_be_drawn THEN 1 / c.selection_probability END AS w,
               CASE WHEN c.is_audit THEN c.created_on END AS day,
               CASE WHEN c.is_audit IS NOT TRUE THEN NULL WHEN c.nlu_confidence < 0 THEN 0
                    WHEN c.nlu_confidence < 0.5 THEN 1
                    WHEN c.nlu_confidence < 0.7 THEN 2 WHEN c.nlu_confidence <= 0.85 THEN 3
                    WHEN c.nlu_confidence <= 0.95 THEN 4 WHEN c.nlu_confidence <= 1 THEN 5 ELSE 0 END AS band,
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
        WHERE c.selection_probability IS NOT NULL AND @extschema@.tw_sees_module(c.nlu_module_type, c.nlu_intent)
          AND c.created_on BETWEEN coalesce(tw_accuracy_cells.from_date, '-infinity')
                               AND coalesce(tw_accuracy_cells.to_date, 'infinity')
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
    ), counted AS (
        -- One pass over the conversations counts; the far fewer verdicts are added to it.
        SELECT s.model_version, s.module_type, s.intent, s.period, s.filter_outcome, s.filter_policy_id,
               s.can_be_drawn, s.is_rolled_out, s.day, s.band, count(*) AS size,
               count(*) FILTER (WHERE s.is_audit) AS audited, sum(s.w) AS audited_w, NULL::double precision AS w,
               NULL::boolean AS is_unclear, NULL::boolean AS is_right,
               NULL::double precision AS opinion_w, NULL::boolean AS agrees
        FROM scope s
        GROUP BY s.model_version, s.module_type, s.intent, s.period, s.filter_outcome, s.filter_policy_id,
                 s.can_be_drawn, s.is_rolled_out, s.day, s.band
        UNION ALL
        SELECT j.model_version, j.module_type, j.intent, j.period, j.filter_outcome, j.filter_policy_id,
               j.can_be_drawn, j.is_rolled_out, j.day, j.band, 0, 0, NULL, j.w, j.is_unclear, j.is_right,
               j.w / o.rate, o.agrees
        FROM judged j
        LEFT JOIN @extschema@.second_opinions o ON o.conversation_log_id = j.id AND o.agrees IS NOT NULL
        WHERE j.verdict <> 'withdraw'
    )
    SELECT u.model_version, u.module_type, u.intent, u.period, u.filter_outcome, u.filter_policy_id, u.can_be_drawn,
           u.is_rolled_out, u.day, u.band, sum(u.size)::bigint, sum(u.audited)::bigint, sum(u.audited_w),
           count(u.w) FILTER (WHERE NOT u.is_unclear), count(u.w) FILTER (WHERE u.is_unclear),
           sum(u.w) FILTER (WHERE NOT u.is_unclear), sum(u.w * u.w) FILTER (WHERE NOT u.is_unclear),
           coalesce(sum(u.w) FILTER (WHERE NOT u.is_unclear AND u.is_right), 0),
           coalesce(sum(u.w * u.w) FILTER (WHERE NOT u.is_unclear AND u.is_right), 0),
           coalesce(sum(u.w) FILTER (WHERE u.is_unclear), 0),
           count(*) FILTER (WHERE NOT u.is_unclear), count(*) FILTER (WHERE NOT u.is_unclear AND u.is_right),
           count(u.opinion_w), count(u.opinion_w) FILTER (WHERE NOT u.agrees),
           sum(u.opinion_w), sum(u.opinion_w * u.opinion_w),
           coalesce(sum(u.opinion_w) FILTER (WHERE NOT u.agrees), 0)
    FROM counted u
    GROUP BY u.model_version, u.module_type, u.intent, u.period, u.filter_outcome, u.filter_policy_id,
             u.can_be_drawn, u.is_rolled_out, u.day, u.band;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_accuracy_cells(date, date, text[]) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_accuracy_cells(date, date, text[]) IS
    'The counts and sums of weights that live_accuracy() is made of, for each group, stratum, day and band of '
    'confidence';

CREATE FUNCTION @extschema@.tw_accuracy_strata(
    from_date date, to_date date, names text[],
    OUT model_version text, OUT module_type text, OUT intent text, OUT period date,
    OUT filter_outcome text, OUT filter_policy_id bigint, OUT can_be_drawn boolean, OUT is_apart boolean,
    OUT size numeric, OUT audited numeric, OUT labels numeric, OUT unclear numeric, OUT weight numeric,
    OUT p double precision, OUT s double precision, OUT v double precision,
    OUT unclear_share double precision, OUT unlabelled_share double precision,
    OUT naive_labels numeric, OUT naive_right numeric,
    OUT opinions numeric, OUT differing numeric, OUT opinion_w double precision, OUT opinion_w2 double precision,
    OUT differing_w double precision, OUT cells jsonb)
    RETURNS SETOF record
    LANGUAGE sql STABLE ROWS 20 SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH part AS (
        SELECT c.model_version, c.module_type, c.intent, c.period, c.filter_outcome, c.filter_policy_id,
               c.can_be_drawn, c.is_rolled_out, sum(c.size) AS size, sum(c.audited) AS audited,
               sum(c.audited_w) AS audited_w, sum(c.labels) AS labels, sum(c.unclear) AS unclear, sum(c.w) AS w,
               sum(c.w2) AS w2, sum(c.right_w) AS right_w, sum(c.right_w2) AS right_w2,
               sum(c.unclear_w) AS unclear_w, sum(c.naive_labels) AS naive_labels, sum(c.naive_right) AS naive_right,
               sum(c.opinions) AS opinions, sum(c.differing) AS differing, sum(c.opinion_w) AS opinion_w,
               sum(c.opinion_w2) AS opinion_w2, sum(c.differing_w) AS differing_w,
               jsonb_agg(jsonb_build_array(c.day, c.band, c.audited, c.labels + c.unclear))
                   FILTER (WHERE c.audited > 0 AND c.can_be_drawn) AS cells
        FROM @extschema@.tw_accuracy_cells(tw_accuracy_strata.from_date, tw_accuracy_strata.to_date,
                                           tw_accuracy_strata.names) c
        GROUP BY c.model_version, c.module_type, c.intent, c.period, c.filter_outcome, c.filter_policy_id,
                 c.can_be_drawn, c.is_rolled_out
    ), compared AS (
        -- A stratum of its own if the two parts are reviewed at different rates: by more than four standard deviations
        -- of the hypergeometric distribution. By chance that is rare, and a smaller difference biases the estimate by
        -- less than the interval is wide.
        SELECT x.*, x.is_rolled_out AND count(*) OVER both_parts = 2 AND min(x.audited) OVER both_parts >= 5
                    AND (x.labels + x.unclear - x.audited * x.reviewed) ^ 2
                        > 16 * x.audited * (1 - x.audited / sum(x.audited) OVER both_parts) * x.reviewed
                            * (1 - x.reviewed) AS is_apart
        FROM (SELECT y.*, sum(y.labels + y.unclear) OVER same / nullif(sum(y.audited) OVER same, 0) AS reviewed
              FROM part y
              WINDOW same AS (PARTITION BY y.model_version, y.module_type, y.intent, y.period, y.filter_outcome,
                                           y.filter_policy_id, y.can_be_drawn)) x
        WINDOW both_parts AS (PARTITION BY x.model_version, x.module_type, x.intent, x.period, x.filter_outcome,
                                           x.filter_policy_id, x.can_be_drawn)
    ), tally AS (
        SELECT p.model_version, p.module_type, p.intent, p.period, p.filter_outcome, p.filter_policy_id,
               p.can_be_drawn, p.is_apart, sum(p.size) AS size, sum(p.audited) AS audited,
               sum(p.audited_w) AS audited_w, sum(p.labels) AS labels, sum(p.unclear) AS unclear, sum(p.w) AS w,
               sum(p.w2) AS w2, sum(p.right_w) AS right_w, sum(p.right_w2) AS right_w2,
               sum(p.unclear_w) AS unclear_w, sum(p.naive_labels) AS naive_labels, sum(p.naive_right) AS naive_right,
               sum(p.opinions) AS opinions, sum(p.differing) AS differing, sum(p.opinion_w) AS opinion_w,
               sum(p.opinion_w2) AS opinion_w2, sum(p.differing_w) AS differing_w,
               jsonb_agg(p.cells) FILTER (WHERE p.cells IS NOT NULL) AS cells
        FROM compared p
        GROUP BY p.model_version, p.module_type, p.intent, p.period, p.filter_outcome, p.filter_policy_id,
                 p.can_be_drawn, p.is_apart
    )
    SELECT t.model_version, t.module_type, t.intent, t.period, t.filter_outcome, t.filter_policy_id, t.can_be_drawn,
           t.is_apart, t.size, t.audited, t.labels, t.unclear,
           t.size / sum(t.size) OVER (PARTITION BY t.model_version, t.module_type, t.intent, t.period),
           t.right_w / t.w, m.s,
           (t.right_w2 * (1 - m.s) ^ 2 + (t.w2 - t.right_w2) * m.s ^ 2 + q.q ^ 2 * ((1 - m.s) ^ 2 + m.s ^ 2))
               / (t.w + 2 * q.q) ^ 2,
           t.unclear_w / nullif(t.unclear_w + coalesce(t.w, 0), 0),
           -- Rounding errors must not make it negative.
           CASE WHEN t.audited_w > 0 THEN greatest(0, 1 - coalesce(t.w, 0) / t.audited_w) END,
           t.naive_labels, t.naive_right, t.opinions, t.differing, t.opinion_w, t.opinion_w2, t.differing_w, t.cells
    FROM tally t
    CROSS JOIN LATERAL (SELECT t.w2 / t.w AS q) q
    CROSS JOIN LATERAL (SELECT (t.right_w + q.q) / (t.w + 2 * q.q) AS s) m;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_accuracy_strata(date, date, text[]) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_accuracy_strata(date, date, text[]) IS
    'The strata of live_accuracy(), with the symbols of its formulas; weight is the fraction of the group. cells lists '
    'the audited rows: [day, band of confidence, audited, judged] of each cell, in arrays of parts';
