-- Waiting rollouts: the newest candidate that passed the gate starts by itself, also in place of a worse canary.

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
        -- These canaries are not replaced: one with half of the sessions or more; one that a person rolls out again,
        -- with a reason; one that superseded another less than a week ago (with a new candidate every day, no rollout
        -- would ever end).
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
    'The newest candidate of a type that passed the gate, has a known location, and may start now, while no other is '
    'watched; and the worse canary that it supersedes (NULL: none)';

-- A rollout that begins again costs days. Let the canary be better than the live version by g, the candidate better
-- than the canary by lead; let the canary have run for e days and have r days to go. If the canary continues, the
-- candidate goes live r days later than if it begins now, which loses lead * r. If the candidate begins now, the e days
-- are lost by which the canary would have been live earlier, which loses g * e. A canary that has stayed in one step
-- for three days is stale: the time it still needs is unknown.
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
    -- The same thresholds for a lead as elsewhere.
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
    'A text about a candidate''s lead over a canary on the test samples that both have answered; NULL where it is '
    'below rollout_margin, has too few samples, or is worth less than the time that a new rollout costs';

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
    -- The live version has changed since it passed: the gate decides again, and fails it, leaves it undecided, or
    -- passes it.
    IF live IS DISTINCT FROM (SELECT m.base_version FROM @extschema@.model_versions m
                              WHERE m.version = next.version) THEN
        BEGIN
            IF (@extschema@.tw_run_gate(next.version)).decision <> 'passed' THEN
                RETURN false;
            END IF;
        EXCEPTION WHEN object_not_in_prerequisite_state THEN
            -- Rolled out or promoted by a person while it was scored.
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
    'Starts the waiting rollout of a type''s candidate while auto_deploy is on, if necessary in place of a worse '
    'canary; returns whether it did';

