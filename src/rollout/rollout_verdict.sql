-- The verdict of a check, from its figures alone, as text: what was compared, what was not, and the consequence.

CREATE FUNCTION @extschema@.tw_loss_in_words(figures jsonb, beside text) RETURNS text
    LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
RETURN CASE WHEN figures ? 'upper'
    THEN format('%s %s against %s of %s: worse by at least %s points, whatever the number of checks (level %s)',
                figures ->> 'metric', round((figures ->> 'canary')::numeric, 4),
                round((figures ->> 'production')::numeric, 4), beside,
                round(-100 * (figures ->> 'upper')::numeric, 2), round((figures ->> 'alpha')::numeric, 4))
    ELSE format('%s %s ms against %s ms of %s', figures ->> 'metric', figures ->> 'canary', figures ->> 'production',
                beside) END;
REVOKE ALL ON FUNCTION @extschema@.tw_loss_in_words(jsonb, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_loss_in_words(jsonb, text) IS
    'A metric that is worse, as a sentence for rollout_checks.reason';

CREATE FUNCTION @extschema@.tw_metric_source(metric text) RETURNS text
    LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
RETURN CASE metric WHEN 'accuracy' THEN 'labels' WHEN 'failure rate' THEN 'response_success'
            WHEN 'fallback rate' THEN 'nlu_provider' END;
REVOKE ALL ON FUNCTION @extschema@.tw_metric_source(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_metric_source(text) IS
    'The source of a guardrail: a column of conversation_logs, or the labels of the audit';

CREATE FUNCTION @extschema@.tw_listed(words text[]) RETURNS text
    LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
RETURN CASE WHEN cardinality(words) < 2 THEN words[1]
            ELSE array_to_string(words[:cardinality(words) - 1], ', ') || ' and ' || words[cardinality(words)] END;
REVOKE ALL ON FUNCTION @extschema@.tw_listed(text[]) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_listed(text[]) IS 'Words as a sentence lists them: a, b and c';

CREATE FUNCTION @extschema@.tw_measured_in_words(metrics jsonb) RETURNS text
    LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH guardrails AS (
        SELECT f.value ->> 'metric' AS metric, f.value ->> 'state' AS state, f.value ->> 'verdict' AS verdict, f.number,
               (f.value ->> 'canary_units')::bigint AS canary_units,
               (f.value ->> 'production_units')::bigint AS production_units,
               round(100 * (f.value ->> 'minimum_detectable_loss')::numeric, 1)::text AS points
        FROM jsonb_array_elements(metrics) WITH ORDINALITY AS f (value, number)
        WHERE f.value ->> 'kind' = 'guardrail'
    )
    SELECT concat_ws('; ',
        (SELECT format('%s %s compared, and no loss was seen (it would have been from %s points on)',
                       @extschema@.tw_listed(array_agg(g.metric ORDER BY g.number)),
                       CASE count(*) WHEN 1 THEN 'was' ELSE 'were' END,
                       @extschema@.tw_listed(array_agg(g.points ORDER BY g.number)))
         FROM guardrails g WHERE g.state = 'compared' AND g.verdict <> 'worse' HAVING count(*) > 0),
        (SELECT 'nothing was compared' WHERE NOT EXISTS (SELECT FROM guardrails g WHERE g.state = 'compared')),
        (SELECT string_agg(format(CASE WHEN least(g.canary_units, g.production_units) < @extschema@.tw_measured_from()
                                       THEN '%s was not measured (%s and %s sessions have %s, %s of each are needed)'
                                       ELSE '%s was not measured (%s and %s sessions have %s; not even a version that '
                                            'is always wrong would be seen among those that can be compared)' END,
                                  g.metric, g.canary_units, g.production_units,
                                  @extschema@.tw_metric_source(g.metric), @extschema@.tw_measured_from()), '; '
                                  ORDER BY g.number)
         FROM guardrails g WHERE g.state = 'not measured'),
        (SELECT format('%s %s no data', @extschema@.tw_listed(array_agg(g.metric ORDER BY g.number)),
                       CASE count(*) WHEN 1 THEN 'has' ELSE 'have' END)
         FROM guardrails g WHERE g.state = 'no data' HAVING count(*) > 0));
END;
REVOKE ALL ON FUNCTION @extschema@.tw_measured_in_words(jsonb) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_measured_in_words(jsonb) IS
    'The guardrails of a check that were compared, with the smallest loss that each would have detected; those that '
    'were not measured, and those without data';

CREATE FUNCTION @extschema@.tw_missing_in_words(
    rollout @extschema@.rollouts, canary_units bigint, production_units bigint, metrics jsonb) RETURNS text
    LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    -- Accuracy is exempt: its labels depend on people's time. If the application reports a metric for one version, and
    -- for the other with less than half of that frequency, then either reports are lost, or that version often fails to
    -- answer. Its reports are then not representative.
    SELECT string_agg(format('%s has values for %s of %s sessions of %s, and for %s of %s of %s: is it lost '
                             'on the way, or does that version not answer?',
                             @extschema@.tw_metric_source(f ->> 'metric'), p.units, production_units,
                             (rollout).previous_version, c.units, canary_units, (rollout).version), '; ')
    FROM jsonb_array_elements(metrics) f
    CROSS JOIN LATERAL (SELECT (f ->> 'step_canary_units')::bigint AS units) c
    CROSS JOIN LATERAL (SELECT (f ->> 'step_production_units')::bigint AS units) p
    WHERE f ->> 'kind' = 'guardrail' AND f ->> 'metric' <> 'accuracy'
      AND p.units >= @extschema@.tw_measured_from() AND canary_units >= @extschema@.tw_measured_from()
      AND c.units < 0.5 * canary_units * p.units / nullif(production_units, 0);
END;
REVOKE ALL ON FUNCTION @extschema@.tw_missing_in_words(@extschema@.rollouts, bigint, bigint, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_missing_in_words(@extschema@.rollouts, bigint, bigint, jsonb) IS
    'The metrics that the application reports for the live version in a step and not for the new one; NULL where '
    'there are none';

CREATE FUNCTION @extschema@.tw_waits_in_words(
    rollout @extschema@.rollouts, canary_units bigint, production_units bigint, metrics jsonb,
    at timestamptz) RETURNS text
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    step CONSTANT integer := cardinality(rollout.step_times);
    hours CONSTANT integer := @extschema@.training_setting('rollout_min_hours');
    units CONSTANT integer := @extschema@.training_setting('rollout_min_units');
    passed CONSTANT numeric := extract(epoch FROM at - rollout.step_times[step]) / 3600;
    waits text := concat_ws('; ',
        CASE WHEN passed < hours THEN format('step %s has lasted %s of %s hours', step, trunc(passed, 1), hours) END,
        CASE WHEN least(canary_units, production_units) < units
             THEN
                 format('step %s has had %s and %s of %s sessions of the two', step, canary_units,
                        production_units, units)
             END);
BEGIN
    IF waits <> '' OR EXISTS (SELECT FROM jsonb_array_elements(metrics) f
                              WHERE f ->> 'kind' = 'guardrail' AND f ->> 'state' = 'compared'
                                AND f ->> 'step_state' = 'compared') THEN
        RETURN nullif(waits, '');
    END IF;
    RETURN format('step %s ends when a guardrail was compared in it: send response_success (record_response) or '
                  'nlu_provider with the messages of both versions, or review what the audit drew; or a person goes '
                  'on: SELECT advance_rollout(%L, reason)', step, rollout.model_type);
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_waits_in_words(@extschema@.rollouts, bigint, bigint, jsonb, timestamptz)
    FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_waits_in_words(@extschema@.rollouts, bigint, bigint, jsonb, timestamptz) IS
    'What a step still needs: its hours, its sessions, and a compared guardrail; NULL where it needs nothing more';

-- The most important reason for a person comes first.
CREATE FUNCTION @extschema@.tw_rollout_verdict(
    rollout @extschema@.rollouts, canary_units bigint, production_units bigint, sample_ratio_problem text,
    metrics jsonb, at timestamptz, OUT verdict text, OUT reason text)
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    worse CONSTANT text := (SELECT string_agg(@extschema@.tw_loss_in_words(f, rollout.previous_version), '; ')
                            FROM jsonb_array_elements(metrics) f
                            WHERE f ->> 'kind' = 'guardrail' AND f ->> 'verdict' = 'worse');
    measured CONSTANT text := @extschema@.tw_measured_in_words(metrics);
    step CONSTANT integer := cardinality(rollout.step_times);
    days CONSTANT integer := @extschema@.training_setting('rollback_watch');
    is_proof_wanted CONSTANT boolean := @extschema@.training_setting('rollout_require_noninferiority') = 'on';
BEGIN
    IF worse IS NOT NULL THEN
        verdict := 'rollback';
        reason := worse;
        RETURN;
    END IF;
    IF rollout.status = 'watching' THEN
        verdict := CASE WHEN at >= rollout.promoted_at + make_interval(days => days) THEN 'advance' ELSE 'hold' END;
        reason := concat_ws('; ', CASE verdict WHEN 'advance' THEN format('watched for %s days', days)
            ELSE format('it has all sessions; watched until %s, as reviews of its messages are open',
                        rollout.promoted_at + make_interval(days => days)) END,
            measured, CASE WHEN metrics @> '[{"state": "compared"}]'
                           THEN 'the figures end with its promotion: later messages have no comparison' END);
        RETURN;
    END IF;
    reason := concat_ws('; ', sample_ratio_problem,
        (SELECT string_agg(@extschema@.tw_loss_in_words(f, rollout.previous_version), '; ')
         FROM jsonb_array_elements(metrics) f WHERE f ->> 'kind' = 'signal' AND f ->> 'verdict' = 'worse'),
        -- A missing verdict is an internal error, and no evidence.
        (SELECT 'no verdict about ' || string_agg(f ->> 'metric', ', ')
         FROM jsonb_array_elements(metrics) f
         WHERE f ->> 'kind' = 'guardrail' AND f ->> 'state' = 'compared' AND f ->> 'verdict' IS NULL
         HAVING count(*) > 0),
        @extschema@.tw_missing_in_words(rollout, canary_units, production_units, metrics),
        -- A metric without any data in an arm is not reported by this application.
        (SELECT 'not yet shown to lose less than ' || round(100 * rollout.margin::numeric, 2) || ' points: '
                || string_agg(f ->> 'metric', ', ')
         FROM jsonb_array_elements(metrics) f
         WHERE is_proof_wanted AND f ->> 'kind' = 'guardrail'
           AND coalesce(f ->> 'verdict', '') NOT IN ('non-inferior', 'better')
           AND (f ->> 'canary_units')::bigint > 0 AND (f ->> 'production_units')::bigint > 0
         HAVING count(*) > 0),
        @extschema@.tw_waits_in_words(rollout, canary_units, production_units, metrics, at));
    verdict := CASE reason WHEN '' THEN 'advance' ELSE 'hold' END;
    reason := concat_ws('; ', coalesce(nullif(reason, ''), format('step %s of %s is done: %s hours, %s and %s sessions',
                                                                  step, cardinality(rollout.steps),
                            trunc(extract(epoch FROM at - rollout.step_times[step]) / 3600, 1), canary_units,
                            production_units)), measured);
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_rollout_verdict(@extschema@.rollouts, bigint, bigint, text, jsonb, timestamptz)
    FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_rollout_verdict(@extschema@.rollouts, bigint, bigint, text, jsonb, timestamptz) IS
    'rollback where a guardrail is worse. hold while the split of sessions is wrong, a signal is worse, a metric '
    'reported for one version is missing for the other, or the step still needs hours, sessions or a compared '
    'guardrail (and, if so set, while a guardrail is not shown to be non-inferior). advance otherwise. The reason '
    'also says what was compared and what was not';
