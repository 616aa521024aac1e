-- The figures of a check of a rollout: the canary's sessions, beside those of the production version in the same steps.
--
-- The unit is the session in a step, in the arm of its first message there, with its first messages of that step (as
-- assigned, not as answered: an arm that depends on later events would not be random). The number of messages that
-- count is limited (rollout_messages_per_session, frozen at the start): a few sessions of hundreds of messages would
-- outweigh all others, and are too few for the bounds (simulated: with lengths by Zipf's law on 1 to 200, equal models
-- are rolled back in 6 to 8 %, where 5 are allowed; with ten messages each in less). Each metric is a ratio of sums
-- over sessions. Strata are the steps: both arms share a step's days, and mixing days of different steps would be
-- Simpson's paradox. sequential_comparison() computes the bounds.
--
-- A metric has one of three states: compared; not measured (an arm has data of fewer sessions than tw_measured_from(),
-- or of so few that even a version that always fails would not be detected); no data. It has a state over the whole
-- rollout (state), which verdict and bounds use, and one in the current step (step_state).
--
-- At the hub of a fleet, a step begins on each node when the node has got it (fleet_rollout_steps, by the node's clock,
-- which its messages have too): until then it assigns sessions by the step before. Messages of a node that has not got
-- the rollout at all do not count. The planned split is checked for each node.
--
-- Sessions that span several steps, with a session_id that lasts for weeks, say, are strata of their own, by the step
-- in which they began. An application that keeps a session's first version assigns the old ones by an earlier
-- percentage than the new ones, and users who stay for long may be easier to please. Such sessions also make strata
-- dependent. So each metric has a design effect (Kish, Survey Sampling, 1965): the variance of the linearised,
-- stratified difference with the whole session as the cluster, over that with its steps taken as independent. It is 1
-- where sessions end within a step.

CREATE FUNCTION @extschema@.tw_rollout_messages(
    rollout_id bigint, at timestamptz,
    OUT step integer, OUT session_id text, OUT id bigint, OUT created_at timestamptz, OUT is_canary boolean,
    OUT latency_ms double precision, OUT label_weight double precision, OUT is_right boolean, OUT is_success boolean,
    OUT is_own_answer boolean, OUT is_complaint boolean)
    RETURNS SETOF record
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    -- Only audited messages have labels that do not depend on the model: see live_accuracy(). Step 0 is the day before.
    SELECT width_bucket(c.created_at, coalesce(f.step_times, r.step_times)), c.session_id, c.id, c.created_at,
           c.nlu_model_version = r.version,
           @extschema@.tw_latency_ms(c.nlu_processing_time_ms), v.weight, v.is_right, c.response_success,
           CASE WHEN c.nlu_provider IS NOT NULL
                THEN NOT @extschema@.is_fallback_provider(c.nlu_provider, c.nlu_intent, c.nlu_module_type) END,
           lower(c.user_feedback COLLATE "C") = 'negative' IS TRUE OR c.user_correction IS NOT NULL
    FROM @extschema@.rollouts r
    -- It ends at the time of the check, or when the two versions no longer share the sessions.
    CROSS JOIN LATERAL (SELECT least(r.promoted_at, r.ended_at, tw_rollout_messages.at) AS ended) span
    JOIN @extschema@.conversation_logs c ON c.created_at >= r.started_at - interval '1 day'
        AND c.created_at < span.ended
        -- The index is on days, which depend on the time zone.
        AND c.created_on BETWEEN (r.started_at - interval '3 days')::date AND (span.ended + interval '2 days')::date
        AND c.nlu_model_version IN (r.version, r.previous_version)
    LEFT JOIN LATERAL (
        SELECT 1 / c.selection_probability AS weight, e.action = 'approve'
               OR e.action = 'fix' AND @extschema@.tw_resolve_intent(e.intent)
                                       IS NOT DISTINCT FROM @extschema@.tw_resolve_intent(c.nlu_intent) AS is_right,
               e.action = 'withdraw' OR e.reject_reason IS NOT DISTINCT FROM 'unclear' AS says_nothing
        FROM @extschema@.review_events e
        WHERE c.is_audit AND c.selection_probability > 1e-9
          AND e.conversation_log_id = c.id AND @extschema@.tw_is_persons_word(e.action)
        ORDER BY e.id DESC LIMIT 1) v ON NOT v.says_nothing
    LEFT JOIN (SELECT s.node, array_agg(s.in_force_at ORDER BY s.step) AS step_times
               FROM @extschema@.fleet_rollout_steps s WHERE s.rollout_id = tw_rollout_messages.rollout_id
               GROUP BY s.node) f ON f.node = @extschema@.tw_node_of(c.id)
    WHERE r.id = tw_rollout_messages.rollout_id
      AND (f.node IS NOT NULL OR (SELECT @extschema@.tw_fleet_role()) <> 'hub'
           OR @extschema@.tw_node_of(c.id) NOT BETWEEN 1 AND 1023);
END;
REVOKE ALL ON FUNCTION @extschema@.tw_rollout_messages(bigint, timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_rollout_messages(bigint, timestamptz) IS
    'The messages of both versions since a rollout began, with latency, label and outcome of each; those of the day '
    'before are step 0';

CREATE FUNCTION @extschema@.tw_metric_state(units bigint, verdict text, minimum_detectable_loss double precision)
    RETURNS text
    LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
RETURN CASE WHEN units = 0 THEN 'no data'
            WHEN verdict IN ('worse', 'better') THEN 'compared'
            -- Where the live version often fails too, ten sessions cannot tell a version that always fails from it.
            WHEN verdict = 'not measured' OR minimum_detectable_loss >= 1 THEN 'not measured'
            ELSE 'compared' END;
REVOKE ALL ON FUNCTION @extschema@.tw_metric_state(bigint, text, double precision) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_metric_state(bigint, text, double precision) IS
    'compared, not measured or no data, from the number of sessions with data in both arms and the result of '
    'sequential_comparison(); not measured also where no loss at all could be detected';

CREATE FUNCTION @extschema@.tw_look_at_rollout(
    rollout_id bigint, at timestamptz,
    OUT step integer, OUT percentage integer, OUT canary_units bigint, OUT production_units bigint,
    OUT sample_ratio_evidence double precision, OUT sample_ratio_problem text, OUT metrics jsonb)
    -- JIT compilation of the many expressions would take longer than their execution.
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp SET jit = off
BEGIN ATOMIC
    WITH r AS (
        SELECT * FROM @extschema@.rollouts x WHERE x.id = tw_look_at_rollout.rollout_id
    ), steps AS MATERIALIZED (
        -- The last step has all sessions, and no other arm to compare them with.
        SELECT t.number::integer AS step, r.steps[t.number] AS percentage, t.number = cardinality(r.step_times) AS is_on
        FROM r, unnest(r.step_times) WITH ORDINALITY AS t (began, number)
        WHERE r.steps[t.number] < 100
    ), messages AS MATERIALIZED (
        SELECT n.*
        FROM (SELECT m.*, row_number() OVER (PARTITION BY m.step, m.session_id ORDER BY m.created_at, m.id) AS position
              FROM @extschema@.tw_rollout_messages(tw_look_at_rollout.rollout_id, tw_look_at_rollout.at) m) n, r
        WHERE n.position <= r.messages_per_session
    ), units AS MATERIALIZED (
        SELECT m.step, m.session_id, bool_or(m.is_canary) FILTER (WHERE m.position = 1) AS is_canary,
               CASE WHEN (SELECT @extschema@.tw_fleet_role()) = 'hub'
                    THEN max(@extschema@.tw_node_of(m.id)) FILTER (WHERE m.position = 1) END AS node,
               row_number() OVER (PARTITION BY m.session_id ORDER BY m.step) = 1 AS is_new,
               min(m.step) OVER (PARTITION BY m.session_id) AS first_step,
               count(*) AS messages, count(*) FILTER (WHERE NOT m.is_complaint) AS content,
               coalesce(sum(m.label_weight), 0) AS labelled,
               coalesce(sum(m.label_weight) FILTER (WHERE m.is_right), 0) AS right_labels,
               count(m.is_success) AS answered, count(*) FILTER (WHERE m.is_success) AS succeeded,
               count(m.is_own_answer) AS predicted, count(*) FILTER (WHERE m.is_own_answer) AS own
        FROM messages m
        GROUP BY m.step, m.session_id
    ), metric (name, kind, number) AS (
        VALUES ('accuracy', 'guardrail', 1), ('failure rate', 'guardrail', 2), ('fallback rate', 'guardrail', 3),
               ('negative feedback', 'signal', 4)
    ), scored AS MATERIALIZED (
        -- A session has n trials, y of them good.
        SELECT u.step, u.first_step, u.session_id, u.is_canary, s.name, s.n, s.y
        FROM units u
        CROSS JOIN LATERAL (VALUES ('accuracy', u.labelled, u.right_labels),
                                   ('failure rate', u.answered::double precision, u.succeeded::double precision),
                                   ('fallback rate', u.predicted::double precision, u.own::double precision),
                                   ('negative feedback', u.messages::double precision,
                                    u.content::double precision)) AS s (name, n, y)
        WHERE u.step > 0 AND s.n > 0
    ), cells AS MATERIALIZED (
        SELECT c.name, c.step, c.first_step, c.is_canary, count(*)::double precision AS units, sum(c.n) AS n,
               sum(c.y) AS y, sum(c.n * c.n) AS nn, sum(c.n * c.y) AS ny, sum(c.y * c.y) AS yy
        FROM scored c
        GROUP BY c.name, c.step, c.first_step, c.is_canary
    ), residuals AS (
        -- The linearised difference: the contribution of each session, with the weight of a step with equal variances.
        SELECT c.name, c.session_id,
               (CASE WHEN c.is_canary THEN 1
                     ELSE -1 END) * (c.y - a.y / a.n * c.n) / a.n * (a.units * b.units / (a.units + b.units)) AS z
        FROM scored c
        JOIN cells a ON a.name = c.name AND a.step = c.step AND a.first_step = c.first_step
            AND a.is_canary = c.is_canary
        JOIN cells b ON b.name = c.name AND b.step = c.step AND b.first_step = c.first_step
            AND b.is_canary <> c.is_canary
        -- Without sessions in several steps there is nothing to correct.
        WHERE EXISTS (SELECT FROM units u WHERE u.step > 1 AND NOT u.is_new)
    ), effects AS (
        SELECT w.name, greatest(1, sum(w.whole * w.whole) / nullif(sum(w.parts), 0)) AS effect
        FROM (SELECT d.name, sum(d.z) AS whole, sum(d.z * d.z) AS parts FROM residuals d
              GROUP BY d.name, d.session_id) w
        GROUP BY w.name
    ), strata AS (
        SELECT m.name, m.kind, m.number, coalesce(e.effect, 1) AS effect,
               array_agg(coalesce(c.units, 0) ORDER BY s.step, f.first_step) AS cu,
               array_agg(coalesce(c.n, 0) ORDER BY s.step, f.first_step) AS cn,
               array_agg(coalesce(c.y, 0) ORDER BY s.step, f.first_step) AS cy,
               array_agg(coalesce(c.nn, 0) ORDER BY s.step, f.first_step) AS cnn,
               array_agg(coalesce(c.ny, 0) ORDER BY s.step, f.first_step) AS cny,
               array_agg(coalesce(c.yy, 0) ORDER BY s.step, f.first_step) AS cyy,
               array_agg(coalesce(p.units, 0) ORDER BY s.step, f.first_step) AS pu,
               array_agg(coalesce(p.n, 0) ORDER BY s.step, f.first_step) AS pn,
               array_agg(coalesce(p.y, 0) ORDER BY s.step, f.first_step) AS py,
               array_agg(coalesce(p.nn, 0) ORDER BY s.step, f.first_step) AS pnn,
               array_agg(coalesce(p.ny, 0) ORDER BY s.step, f.first_step) AS pny,
               array_agg(coalesce(p.yy, 0) ORDER BY s.step, f.first_step) AS pyy,
               -- Elements from first_on on belong to the current step.
               count(*) FILTER (WHERE s.step < (SELECT max(x.step) FROM steps x)) + 1 AS first_on,
               coalesce(sum(c.units), 0)::bigint AS canary_units, coalesce(sum(p.units), 0)::bigint AS production_units,
               coalesce(sum(c.units) FILTER (WHERE s.is_on), 0)::bigint AS step_canary_units,
               coalesce(sum(p.units) FILTER (WHERE s.is_on), 0)::bigint AS step_production_units
        FROM metric m
        CROSS JOIN steps s
        CROSS JOIN LATERAL generate_series(0, s.step) AS f (first_step)
        LEFT JOIN cells c ON c.name = m.name AND c.step = s.step AND c.first_step = f.first_step AND c.is_canary
        LEFT JOIN cells p ON p.name = m.name AND p.step = s.step AND p.first_step = f.first_step AND NOT p.is_canary
        LEFT JOIN effects e ON e.name = m.name
        GROUP BY m.name, m.kind, m.number, e.effect
    ), compared AS (
        -- The guardrails divide alpha among them; a signal, which can only hold, has its own. Rates of failures are
        -- shown as such.
        SELECT t.number, jsonb_build_object(
                   'metric', t.name, 'kind', t.kind, 'alpha', a.alpha,
                   'state', b.state, 'step_state',
                   @extschema@.tw_metric_state(t.step_canary_units + t.step_production_units, o.verdict,
                                               o.minimum_detectable_loss),
                   'verdict', CASE WHEN b.state = 'compared' THEN q.verdict END,
                   'canary', round((CASE WHEN t.number = 1 THEN q.canary_rate ELSE 1 - q.canary_rate END)::numeric, 6),
                   'production',
                   round((CASE WHEN t.number = 1 THEN q.production_rate ELSE 1 - q.production_rate END)::numeric, 6),
                   'difference', round(q.difference::numeric, 6), 'lower', round(q.lower::numeric, 6), 'upper',
                   round(q.upper::numeric, 6), 'minimum_detectable_loss', round(q.minimum_detectable_loss::numeric, 6),
                   'canary_units', t.canary_units, 'production_units', t.production_units, 'design_effect',
                   round(t.effect::numeric, 3), 'step_canary_units', t.step_canary_units, 'step_production_units',
                   t.step_production_units) AS figures
        FROM strata t
        CROSS JOIN r
        CROSS JOIN LATERAL (SELECT CASE t.kind WHEN 'guardrail' THEN r.alpha / 3 ELSE r.alpha END AS alpha) a
        CROSS JOIN LATERAL @extschema@.sequential_comparison(t.cu, t.cn, t.cy, t.cnn, t.cny, t.cyy, t.pu, t.pn, t.py,
                                                             t.pnn, t.pny, t.pyy, a.alpha, r.margin,
                                                             @extschema@.tw_measured_from(),
                                                                 t.effect) q
        CROSS JOIN LATERAL (SELECT @extschema@.tw_metric_state(t.canary_units + t.production_units, q.verdict,
                                                               q.minimum_detectable_loss) AS state) b
        -- Sessions without another arm beside them, continued from an earlier step, say, are no evidence, whatever
        -- their number.
        CROSS JOIN LATERAL @extschema@.sequential_comparison(
            t.cu[t.first_on:], t.cn[t.first_on:], t.cy[t.first_on:], t.cnn[t.first_on:], t.cny[t.first_on:],
            t.cyy[t.first_on:], t.pu[t.first_on:], t.pn[t.first_on:], t.py[t.first_on:], t.pnn[t.first_on:],
            t.pny[t.first_on:], t.pyy[t.first_on:], a.alpha, r.margin, @extschema@.tw_measured_from(), t.effect) o
    ), latency AS (
        -- Only within the current step, as days differ.
        SELECT percentile_cont(0.95) WITHIN GROUP (ORDER BY m.latency_ms) FILTER (WHERE m.is_canary) AS canary,
               percentile_cont(0.95) WITHIN GROUP (ORDER BY m.latency_ms) FILTER (WHERE NOT m.is_canary) AS production,
               count(m.latency_ms) FILTER (WHERE m.is_canary) AS canary_count,
               count(m.latency_ms) FILTER (WHERE NOT m.is_canary) AS production_count
        FROM messages m
        WHERE m.step = (SELECT max(s.step) FROM steps s)
    ), planned AS (
        -- A session is counted once, in the step and arm of its first message; a session that began before the rollout
        -- is not counted.
        SELECT array_agg(coalesce(u.canary, 0) ORDER BY s.step, u.node) AS canary,
               array_agg(coalesce(u.production, 0) ORDER BY s.step, u.node) AS production,
               array_agg(s.percentage / 100.0::double precision ORDER BY s.step, u.node) AS fraction
        FROM steps s
        LEFT JOIN (SELECT x.step, x.node, count(*) FILTER (WHERE x.is_canary) AS canary,
                          count(*) FILTER (WHERE NOT x.is_canary) AS production
                   FROM units x WHERE x.is_new GROUP BY x.step, x.node) u ON u.step = s.step
    )
    SELECT s.step, s.percentage,
           (SELECT count(*) FROM units u WHERE u.step = s.step AND u.is_canary),
           (SELECT count(*) FROM units u WHERE u.step = s.step AND NOT u.is_canary),
           q.evidence,
           CASE WHEN q.mismatch THEN format('%s %% of the new sessions were the canary''s, instead of %s %%: '
                                            'somewhere between assign_model_version() and the INSERT sessions are lost '
                                            'or given the other version (evidence %s to 1)',
               round(100 * q.observed_share::numeric, 1), round(100 * q.expected_share::numeric, 1),
               round(least(q.evidence, 1e15)::numeric)) END,
           (SELECT jsonb_agg(c.figures ORDER BY c.number) FROM compared c)
               || jsonb_build_object('metric', 'latency p95', 'kind', 'signal', 'canary', round(l.canary::numeric, 1),
                                     'production', round(l.production::numeric, 1),
                  'canary_units', l.canary_count, 'production_units', l.production_count,
                  -- Of fewer messages, the 95th percentile depends on the five slowest alone.
                  'state', CASE WHEN l.canary_count + l.production_count = 0 THEN 'no data'
                                WHEN least(l.canary_count, l.production_count) < 100 THEN 'not measured'
                                ELSE 'compared' END,
                  'verdict', CASE WHEN least(l.canary_count, l.production_count) < 100 THEN NULL
                                  WHEN l.canary > greatest(l.production * @extschema@.training_setting(
                                      'rollout_latency_ratio')::double precision,
                                                           l.production + 10) THEN 'worse'
                                  ELSE 'not worse' END)
    FROM (SELECT x.* FROM steps x ORDER BY x.step DESC LIMIT 1) s
    CROSS JOIN latency l
    CROSS JOIN planned h
    CROSS JOIN LATERAL @extschema@.sample_ratio_check(h.canary, h.production, h.fraction, 0.001::double precision) q;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_look_at_rollout(bigint, timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_look_at_rollout(bigint, timestamptz) IS
    'The figures of a rollout at a time: the number of sessions in the current step, evidence against the planned '
    'split, and each metric over all steps (see rollout_checks.metrics); no row where the first step had all sessions';
