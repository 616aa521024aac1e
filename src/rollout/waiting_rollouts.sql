-- The rollouts that wait: the newest candidate that passed the gate starts by itself,
-- also in the place of a canary that it is better than.

CREATE FUNCTION @extschema@.tw_waiting_rollout(type text, at timestamptz, OUT version text, OUT canary text)
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    r @extschema@.rollouts;
BEGIN
    IF EXISTS (SELECT FROM @extschema@.rollouts x WHERE x.model_type = type AND x.status = 'watching')
       OR NOT EXISTS (SELECT FROM @extschema@.model_versions p
                      WHERE p.model_type = type AND p.status = 'production') THEN
        RETURN;
    END IF;
    SELECT m.version INTO canary FROM @extschema@.model_versions m WHERE m.model_type = type AND m.status = 'canary';
    IF canary IS NOT NULL THEN
        -- One that has reached half of the sessions goes on. So does one that a person tries again, who has a reason,
        -- and one that took another's place less than a week ago: where each day brings a candidate, none would ever
        -- arrive otherwise.
        SELECT * INTO r FROM @extschema@.rollouts x WHERE x.version = canary AND x.status = 'running';
        IF r.id IS NULL OR r.steps[cardinality(r.step_times)] >= 50 OR r.number > 1
           OR r.superseded_version IS NOT NULL
           AND coalesce(at, clock_timestamp()) < r.started_at + interval '7 days' THEN
            RETURN;
        END IF;
    END IF;
    SELECT m.version INTO version
    FROM @extschema@.model_versions m
    WHERE m.model_type = type AND m.status = 'candidate' AND m.gate_decision = 'passed'
      AND @extschema@.tw_has_location(m.version)
      AND (tw_waiting_rollout.canary IS NULL
           OR @extschema@.tw_lead_over_canary(m.version, tw_waiting_rollout.canary, at) IS NOT NULL)
    ORDER BY m.created_at DESC, string_to_array(regexp_replace(m.version, '^.*-v', ''), '.')::numeric[] DESC
    LIMIT 1;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_waiting_rollout(text, timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_waiting_rollout(text, timestamptz) IS
    'The newest candidate of a type that passed the gate, lies somewhere that is known, and may start now, while no '
    'other is watched, and the canary whose place it takes, being better (NULL: none)';

-- A ramp that begins anew costs days. Let the canary answer better than what is live by g, let the candidate answer
-- better than the canary by lead, and let the canary have come e days and have r days to go. If the canary goes on,
-- the candidate is live r days later than if it begins now: that loses lead * r. If the candidate begins now, the e
-- days are gone in which the canary would have been live earlier: that loses g * e. A canary that has stood in one
-- step for three days is stale: nobody knows when it would arrive.
CREATE FUNCTION @extschema@.tw_lead_over_canary(candidate text, canary text, at timestamptz) RETURNS text
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT format('superseded by %s: %s against %s on %s test samples', candidate, round(c.first_accuracy::numeric, 4),
                  round(c.second_accuracy::numeric, 4), c.samples)
    FROM @extschema@.compare_models(candidate, canary) c,
         (SELECT r.previous_version, cardinality(r.step_times) AS begun,
                 cardinality(r.steps) - cardinality(r.step_times) AS left_over,
                 greatest(0, extract(epoch FROM n.now - r.started_at)::double precision / 86400) AS days,
                 r.step_times[cardinality(r.step_times)] <= n.now - interval '3 days' AS is_stale
          FROM @extschema@.rollouts r, (SELECT coalesce(at, clock_timestamp()) AS now) n
          WHERE r.version = canary AND r.status = 'running') r
         CROSS JOIN LATERAL @extschema@.compare_models(canary, r.previous_version) g
    -- A lead that counts as none elsewhere is none here.
    WHERE c.first_accuracy > c.second_accuracy
      AND c.first_accuracy >= c.second_accuracy + @extschema@.training_setting('rollout_margin')::double precision
      AND c.samples >= @extschema@.training_setting('min_test_samples')::integer
      AND (r.is_stale
           OR (c.first_accuracy - c.second_accuracy) * r.left_over * greatest(1, r.days / r.begun)
              > coalesce(CASE WHEN g.samples >= @extschema@.training_setting('min_test_samples')::integer
                              THEN g.first_accuracy - g.second_accuracy END, g.paired_difference, 0) * r.days);
END;
REVOKE ALL ON FUNCTION @extschema@.tw_lead_over_canary(text, text, timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_lead_over_canary(text, text, timestamptz) IS
    'By how much a candidate is better than a canary on the test samples that both have answered, in words; NULL '
    'where it is not by rollout_margin, where there are too few, or where beginning anew costs more than it gains';

CREATE FUNCTION @extschema@.tw_start_waiting_rollout(type text, at timestamptz) RETURNS boolean
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    next record;
    live text;
    lead text;
BEGIN
    SELECT * INTO next FROM @extschema@.tw_waiting_rollout(type, at);
    IF next.version IS NULL OR @extschema@.training_setting('auto_deploy') <> 'on'
       OR NOT @extschema@.tw_is_stored(next.version) THEN
        RETURN false;
    END IF;
    SELECT m.version INTO live FROM @extschema@.model_versions m WHERE m.model_type = type AND m.status = 'production';
    -- What is live has changed since it passed: the gate has to look again.
    -- It fails, or is undecided, or passes against this one.
    IF live IS DISTINCT FROM (SELECT m.base_version FROM @extschema@.model_versions m
                              WHERE m.version = next.version) THEN
        BEGIN
            IF (@extschema@.tw_run_gate(next.version)).decision <> 'passed' THEN
                RETURN false;
            END IF;
        EXCEPTION WHEN object_not_in_prerequisite_state THEN
            -- Somebody started or promoted it while it was scored.
            RETURN false;
        END;
    END IF;
    IF next.canary IS NOT NULL THEN
        lead := @extschema@.tw_lead_over_canary(next.version, next.canary, at);
    END IF;
    PERFORM @extschema@.tw_lock_registry();
    IF next IS DISTINCT FROM (SELECT w FROM @extschema@.tw_waiting_rollout(type, at) w)
       OR live IS DISTINCT FROM (SELECT m.version FROM @extschema@.model_versions m
                                 WHERE m.model_type = type AND m.status = 'production')
       OR next.canary IS NOT NULL AND lead IS NULL THEN
        RETURN false;
    END IF;
    IF next.canary IS NOT NULL THEN
        PERFORM @extschema@.tw_end_canary(next.canary, 'retired', lead, NULL::jsonb, @extschema@.tw_change_time(at,
            (SELECT max(d.created_at) FROM @extschema@.model_deployments d WHERE d.model_type = type)),
            'check_rollouts');
    END IF;
    PERFORM @extschema@.tw_start_rollout(next.version, NULL::text, at, 'check_rollouts', next.canary);
    RETURN true;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_start_waiting_rollout(text, timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_start_waiting_rollout(text, timestamptz) IS
    'Starts the rollout of the candidate of a type that waits for it, while auto_deploy is on, if need be in the place '
    'of a canary that it is better than; returns whether it did';

