-- CALL check_rollouts(): checks every rollout, and rolls back, holds or advances it; starts the rollouts that wait.

CREATE FUNCTION @extschema@.tw_act_on_rollout(
    r @extschema@.rollouts, check_id bigint, verdict text, why text, at timestamptz) RETURNS text
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    figures CONSTANT jsonb := (SELECT jsonb_build_object('check', c.id, 'metrics', c.metrics)
                               FROM @extschema@.rollout_checks c WHERE c.id = check_id);
BEGIN
    IF verdict = 'rollback' THEN
        PERFORM @extschema@.tw_roll_back(r.model_type, why, figures, at, 'check_rollouts', r.version);
        RETURN 'rolled back';
    ELSIF verdict = 'advance' AND r.status = 'watching' THEN
        PERFORM @extschema@.tw_end_watch(r.model_type, why, at);
        RETURN 'finished';
    ELSIF verdict = 'advance' THEN
        PERFORM @extschema@.tw_advance_rollout(r.id, why, figures, at, 'check_rollouts');
        RETURN 'advanced';
    END IF;
    RETURN 'held';
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_act_on_rollout(@extschema@.rollouts, bigint, text, text, timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_act_on_rollout(@extschema@.rollouts, bigint, text, text, timestamptz) IS
    'Carries out the verdict of a check, and returns what was done';

CREATE FUNCTION @extschema@.tw_check_rollout(rollout bigint, at timestamptz) RETURNS text
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    r @extschema@.rollouts;
    is_same boolean;
    look record;
    verdict text;
    why text;
    looked_at timestamptz;
    check_id bigint;
BEGIN
    SELECT * INTO r FROM @extschema@.rollouts x WHERE x.id = rollout AND x.status IN ('running', 'watching');
    IF NOT FOUND THEN
        RETURN 'ended';
    END IF;
    looked_at := @extschema@.tw_change_time(at, greatest(r.step_times[cardinality(r.step_times)], r.promoted_at));
    -- Without a lock: the check may take long, and an operator must be able to roll back during it.
    SELECT * INTO look FROM @extschema@.tw_look_at_rollout(rollout, looked_at);
    SELECT v.verdict, v.reason INTO verdict, why
    FROM @extschema@.tw_rollout_verdict(r, coalesce(look.canary_units, 0), coalesce(look.production_units, 0),
                                        look.sample_ratio_problem, coalesce(look.metrics, '[]'), looked_at) v;

    -- A mistyped time or a clock that was ahead is the only cause.
    IF at IS NULL AND r.status = 'running' AND looked_at > clock_timestamp() + interval '1 minute'
       AND verdict = 'hold' THEN
        why := format('it counts sessions from %s on, which is in the future: roll it back', looked_at);
    END IF;

    PERFORM @extschema@.tw_lock_registry();
    SELECT x.status = r.status AND x.step_times = r.step_times INTO is_same FROM @extschema@.rollouts x
    WHERE x.id = rollout FOR UPDATE;
    -- The rollout changed during the check, whose figures no longer apply.
    IF is_same IS NOT TRUE THEN
        RETURN 'ended';
    END IF;
    INSERT INTO @extschema@.rollout_checks (rollout_id, model_type, version, step, traffic_percentage, verdict, reason,
                                            canary_units, production_units, sample_ratio_evidence, metrics, checked_at)
    VALUES (rollout, r.model_type, r.version, cardinality(r.step_times), r.steps[cardinality(r.step_times)],
            verdict, why, coalesce(look.canary_units, 0), coalesce(look.production_units, 0),
            look.sample_ratio_evidence, coalesce(look.metrics, '[]'), looked_at)
    RETURNING id INTO check_id;
    -- The next step begins now, not at the start of the check: until now, sessions were assigned by the old percentage.
    RETURN @extschema@.tw_act_on_rollout(r, check_id, verdict, why,
                                         coalesce(at, greatest(looked_at, clock_timestamp())));
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_check_rollout(bigint, timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_check_rollout(bigint, timestamptz) IS
    'Checks a rollout, records the check in rollout_checks, carries out its verdict, and returns what was done';

CREATE FUNCTION @extschema@.tw_note_failed_look(rollout bigint, message text, at timestamptz) RETURNS void
    LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    INSERT INTO @extschema@.rollout_checks (rollout_id, model_type, version, step, traffic_percentage, verdict, reason,
                                            canary_units, production_units, metrics, checked_at)
    SELECT r.id, r.model_type, r.version, cardinality(r.step_times), r.steps[cardinality(r.step_times)], 'hold',
           'the check failed, and the rollout is not watched until this is corrected: ' || message, 0, 0, '[]',
           coalesce(at, clock_timestamp())
    FROM @extschema@.rollouts r WHERE r.id = rollout AND r.status IN ('running', 'watching');
END;
REVOKE ALL ON FUNCTION @extschema@.tw_note_failed_look(bigint, text, timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_note_failed_look(bigint, text, timestamptz) IS
    'Records a check that failed with an error, for rollout_status. Does nothing for a task of another kind (rollout '
    'NULL)';

CREATE FUNCTION @extschema@.tw_rollout_tasks(at timestamptz) RETURNS jsonb
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
RETURN (SELECT jsonb_agg(t.task ORDER BY t.part, t.name)
    FROM (SELECT 1 AS part, lpad(r.id::text, 20) AS name, jsonb_build_object('check', r.id) AS task
          FROM @extschema@.rollouts r WHERE r.status IN ('running', 'watching')
          UNION ALL
          SELECT 2, x.model_type, jsonb_build_object('start', x.model_type)
          FROM (SELECT DISTINCT m.model_type FROM @extschema@.model_versions m WHERE m.status = 'candidate') x
          UNION ALL
          SELECT 3, '', '{"measure": true}'
          WHERE @extschema@.tw_production_figures_wait(at)
          UNION ALL
          SELECT 4, '', '{"settle": true}'
          WHERE EXISTS (SELECT FROM @extschema@.tw_unsettled_versions(at, interval '1 day'))) t);
REVOKE ALL ON FUNCTION @extschema@.tw_rollout_tasks(timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_rollout_tasks(timestamptz) IS
    'The tasks of a run of check_rollouts(); NULL for none';

CREATE FUNCTION @extschema@.tw_rollout_task(run bigint, task jsonb, at timestamptz) RETURNS void
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    done text;
    code text;
    message text;
    counted jsonb;
BEGIN
    BEGIN
        CASE
            WHEN task ? 'check' THEN
                done := @extschema@.tw_check_rollout((task ->> 'check')::bigint, at);
            WHEN task ? 'start' THEN
                done := CASE WHEN @extschema@.tw_start_waiting_rollout(task ->> 'start', at) THEN 'started'
                             ELSE 'nothing to start' END;
            WHEN task ? 'settle' THEN
                -- A batch every five minutes, so that other sessions do not wait long for its locks; the daily job does
                -- the rest.
                SELECT jsonb_build_object('samples locked', nullif(s.locked, 0)) INTO counted
                FROM @extschema@.tw_settle_samples(at, interval '1 day', 20000::bigint) s;
                done := 'settled';
            ELSE
                PERFORM @extschema@.tw_measure_production(at);
                -- Hourly, as traffic may double in the morning: last week's sampling rate would be too high until the
                -- night.
                PERFORM @extschema@.tw_audit_by_budget(at);
                done := 'measured';
        END CASE;
    EXCEPTION WHEN OTHERS THEN
        GET STACKED DIAGNOSTICS code = RETURNED_SQLSTATE, message = MESSAGE_TEXT;
    END;
    IF code IS NOT NULL THEN
        RAISE WARNING 'check_rollouts: % failed: %', task, message USING ERRCODE = code;
        PERFORM @extschema@.tw_fail_run(run, code, message);
        BEGIN
            PERFORM @extschema@.tw_note_failed_look((task ->> 'check')::bigint, message, at);
        EXCEPTION WHEN OTHERS THEN
            RAISE WARNING 'check_rollouts: the failure of % could not be recorded: %', task, SQLERRM;
        END;
        done := 'failed';
    END IF;
    PERFORM @extschema@.tw_note_run(run, done, jsonb_build_object(done, 1), true);
    PERFORM @extschema@.tw_note_run(run, done, jsonb_strip_nulls(counted), false) WHERE counted IS NOT NULL;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_rollout_task(bigint, jsonb, timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_rollout_task(bigint, jsonb, timestamptz) IS
    'One task of check_rollouts(); errors are recorded, not raised';

CREATE FUNCTION @extschema@.tw_rollouts_step(run bigint, state jsonb, at timestamptz) RETURNS jsonb
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    tasks jsonb := state -> 'tasks';
BEGIN
    IF state IS NULL THEN
        tasks := coalesce(@extschema@.tw_rollout_tasks(at), '[]');
        UPDATE @extschema@.job_runs j SET items_done = 0, items_total = jsonb_array_length(tasks) WHERE j.id = run;
    ELSE
        PERFORM @extschema@.tw_rollout_task(run, tasks -> 0, at);
        tasks := tasks - 0;
    END IF;
    RETURN CASE WHEN jsonb_array_length(tasks) > 0 THEN jsonb_build_object('tasks', tasks) END;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_rollouts_step(bigint, jsonb, timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_rollouts_step(bigint, jsonb, timestamptz) IS
    'One step of check_rollouts(), as tw_job_step() calls it';

CREATE PROCEDURE @extschema@.check_rollouts(at timestamptz DEFAULT NULL)
    LANGUAGE plpgsql
AS $procedure$ BEGIN
    CALL @extschema@.tw_run_job('check_rollouts'::pg_catalog.text, NULL::pg_catalog.text, at);
END $procedure$;
REVOKE ALL ON PROCEDURE @extschema@.check_rollouts(timestamptz) FROM PUBLIC;
COMMENT ON PROCEDURE @extschema@.check_rollouts(timestamptz) IS
    'Checks every rollout and records the check in rollout_checks: rolls back a version that a guardrail shows to be '
    'worse, holds, or takes the next step. Starts the rollout of the newest candidate that passed the gate, while '
    'auto_deploy is on and no other version of its type is rolled out or watched. Once an hour, measures versions in '
    'production and fits the audit to the review budget. Takes back remaining samples of rollbacks of the last day. '
    'For pg_cron, every 5 minutes. at is the time to count as now, for tests. Commits between steps; errors are '
    'recorded in job_runs and raised as warnings. Does nothing on a standby or a restored copy. Raises 2D000 inside a '
    'transaction, 25001 inside a block with EXCEPTION, 22023 for a time in the future';
