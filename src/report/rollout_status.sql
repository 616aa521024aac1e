-- rollout_status: the state of each rollout, and what it waits for.

CREATE FUNCTION @extschema@.tw_minimum_detectable_losses(metrics jsonb) RETURNS text
    LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT string_agg(format('%s %s', f.value ->> 'metric',
               CASE f.value ->> 'state' WHEN 'compared'
                    THEN round(100 * (f.value ->> 'minimum_detectable_loss')::numeric, 1) || ' points'
                    WHEN 'not measured' THEN format('not measured (%s and %s sessions have data)',
                                                    f.value ->> 'canary_units', f.value ->> 'production_units')
                    ELSE f.value ->> 'state' END), ', ' ORDER BY f.number)
    FROM jsonb_array_elements(metrics) WITH ORDINALITY AS f (value, number)
    WHERE f.value ->> 'kind' = 'guardrail';
END;
REVOKE ALL ON FUNCTION @extschema@.tw_minimum_detectable_losses(jsonb) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_minimum_detectable_losses(jsonb) IS
    'For each guardrail of a check, the smallest loss detectable so far, as text';

CREATE FUNCTION @extschema@.tw_rollout_nodes(
    r @extschema@.rollouts, OUT nodes_behind integer[], OUT node_lag_seconds jsonb)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    -- Of earlier rollouts of the type, what is in force says nothing.
    SELECT CASE WHEN NOT EXISTS (SELECT FROM @extschema@.rollouts x
                                 WHERE x.model_type = (r).model_type AND x.started_at > (r).started_at)
                THEN coalesce(array_agg(n.node ORDER BY n.node) FILTER (
                    WHERE n.versions -> (r).model_type
                          IS DISTINCT FROM @extschema@.tw_versions_in_force() -> (r).model_type), '{}') END,
           jsonb_object_agg(n.node, round(extract(epoch FROM s.in_force_at
                                                             - (r).step_times[cardinality((r).step_times)]), 3))
    FROM @extschema@.fleet_replies n
    LEFT JOIN @extschema@.fleet_rollout_steps s ON s.rollout_id = (r).id AND s.node = n.node
        AND s.step = cardinality((r).step_times)
    WHERE @extschema@.tw_fleet_role() = 'hub'
    HAVING count(*) > 0;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_rollout_nodes(@extschema@.rollouts) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_rollout_nodes(@extschema@.rollouts) IS
    'For rollout_status at the hub of a fleet: which nodes have not got the state of a rollout, and how long its step '
    'took to come into force on each; NULLs elsewhere';

CREATE VIEW @extschema@.rollout_status AS
    SELECT r.model_type, r.version, r.number, r.previous_version, r.status,
           cardinality(r.step_times) AS step, r.steps, r.steps_reason,
           coalesce(r.steps[cardinality(r.step_times)], 100) AS traffic_percentage,
           r.step_times[cardinality(r.step_times)] AS in_step_since,
           c.canary_units, c.production_units, c.verdict, c.checked_at,
           CASE WHEN r.status IN ('finished', 'rolled-back', 'superseded') THEN r.end_reason
                WHEN c.id IS NULL AND cardinality(r.step_times) > 1
                THEN format('step %s has begun, and no check has run since', cardinality(r.step_times))
                WHEN c.id IS NULL
                THEN 'no check has run yet: CALL check_rollouts(), or schedule_jobs() for every 5 minutes'
                ELSE c.reason END AS why,
           @extschema@.tw_minimum_detectable_losses(c.metrics) AS minimum_detectable_loss, r.samples_taken_back,
           r.started_at, r.promoted_at, r.ended_at, r.started_by, r.id AS rollout_id,
           f.nodes_behind, f.node_lag_seconds
    FROM @extschema@.rollouts r
    LEFT JOIN LATERAL (SELECT k.* FROM @extschema@.rollout_checks k
                       WHERE k.rollout_id = r.id AND k.step = cardinality(r.step_times) ORDER BY k.id DESC
                       LIMIT 1) c ON true
    LEFT JOIN LATERAL @extschema@.tw_rollout_nodes(r) f ON true
    ORDER BY r.started_at DESC, r.id DESC;
REVOKE ALL ON TABLE @extschema@.rollout_status FROM PUBLIC;
COMMENT ON VIEW @extschema@.rollout_status IS 'The state of each rollout and what it waits for, newest first';
COMMENT ON COLUMN @extschema@.rollout_status.model_type IS 'The type of the model';
COMMENT ON COLUMN @extschema@.rollout_status.version IS 'The version that is or was rolled out';
COMMENT ON COLUMN @extschema@.rollout_status.number IS
    'Number of the rollout of this version: 1 for the first, 2 for a new attempt after a rollback, ...';
COMMENT ON COLUMN @extschema@.rollout_status.previous_version IS 'The version that it is compared with';
COMMENT ON COLUMN @extschema@.rollout_status.status IS
    'running, watching (it has all sessions, and is still checked), finished, rolled-back, or superseded by a better '
    'candidate';
COMMENT ON COLUMN @extschema@.rollout_status.step IS 'The current or last step, from 1';
COMMENT ON COLUMN @extschema@.rollout_status.steps IS 'Percentages of the sessions, step by step';
COMMENT ON COLUMN @extschema@.rollout_status.steps_reason IS
    'Why these steps were chosen, and what they cannot detect; NULL = not recorded';
COMMENT ON COLUMN @extschema@.rollout_status.traffic_percentage IS 'Percentage of the sessions in that step';
COMMENT ON COLUMN @extschema@.rollout_status.in_step_since IS 'When that step began';
COMMENT ON COLUMN @extschema@.rollout_status.canary_units IS
    'Number of sessions of the version in that step, at the last check; NULL = no check in that step';
COMMENT ON COLUMN @extschema@.rollout_status.production_units IS
    'Number of sessions of the previous version in that step, at the last check; NULL = no check in that step';
COMMENT ON COLUMN @extschema@.rollout_status.verdict IS
    'Decision of the last check: rollback, hold or advance; NULL = no check in that step';
COMMENT ON COLUMN @extschema@.rollout_status.checked_at IS 'Time of the last check; NULL = no check in that step';
COMMENT ON COLUMN @extschema@.rollout_status.why IS 'What the last check waits for, or why the rollout ended';
COMMENT ON COLUMN @extschema@.rollout_status.minimum_detectable_loss IS
    'The smallest loss that the last check would have detected, for each guardrail compared; smaller losses are '
    'possible; NULL = no check in that step';
COMMENT ON COLUMN @extschema@.rollout_status.samples_taken_back IS
    'Number of samples with the version''s own labels that wait since its rollback from half of the sessions or more; '
    'NULL where none were taken back';
COMMENT ON COLUMN @extschema@.rollout_status.started_at IS 'When it started';
COMMENT ON COLUMN @extschema@.rollout_status.promoted_at IS 'When the version received all sessions; NULL = not (yet)';
COMMENT ON COLUMN @extschema@.rollout_status.ended_at IS 'When it ended; NULL = it still runs, or is watched';
COMMENT ON COLUMN @extschema@.rollout_status.started_by IS 'The login role, or the job, that started it';
COMMENT ON COLUMN @extschema@.rollout_status.rollout_id IS 'Id of the rollout, for rollout_checks';
COMMENT ON COLUMN @extschema@.rollout_status.nodes_behind IS
    'At the hub of a fleet: the nodes where the versions in force are still others than here, also after a rollback; '
    'NULL elsewhere, and where the type has had a later rollout';
COMMENT ON COLUMN @extschema@.rollout_status.node_lag_seconds IS
    'At the hub of a fleet: for each node, how many seconds after the hub (by both clocks) this step came into force; '
    'null for a node that has not got it. NULL elsewhere';
