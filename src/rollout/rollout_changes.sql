-- start_rollout(), advance_rollout(): a version gets more of the sessions. Like rollback_rollout() they take the
-- registry's lock before they read any state and hold it to the end of the transaction, so that they and
-- check_rollouts() run one after the other.

CREATE FUNCTION @extschema@.tw_change_time(at timestamptz, earlier timestamptz) RETURNS timestamptz
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    PERFORM @extschema@.tw_check_time_argument(at);
    IF at < earlier THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('"at" must not be before the last change: %s', at),
            DETAIL = format('The last change was at %s.', earlier),
            HINT = 'Leave "at" out: it is the time to count as now in tests and simulations.';
    END IF;
    -- Not the transaction's time: it may have waited for the lock. A clock that was set back does not reverse the
    -- order.
    RETURN coalesce(at, greatest(clock_timestamp(), earlier));
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_change_time(timestamptz, timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_change_time(timestamptz, timestamptz) IS
    'The time of a change: at, or now. Raises 22023 for a time in the future, or before the previous change';

CREATE FUNCTION @extschema@.tw_set_share(canary text, percentage integer, why text, figures jsonb, at timestamptz,
                                         actor text) RETURNS void
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    before @extschema@.model_versions;
    live @extschema@.model_versions;
BEGIN
    SELECT * INTO STRICT before FROM @extschema@.model_versions m WHERE m.version = canary FOR UPDATE;
    SELECT * INTO STRICT live FROM @extschema@.model_versions m
    WHERE m.model_type = before.model_type AND m.status = 'production' FOR UPDATE;
    UPDATE @extschema@.model_versions m
    SET status = 'canary', traffic_percentage = percentage, deployed_at = coalesce(m.deployed_at, at), retired_at = NULL
    WHERE m.version = canary;
    UPDATE @extschema@.model_versions m SET traffic_percentage = 100 - percentage WHERE m.version = live.version;
    INSERT INTO @extschema@.model_deployments (model_type, version, previous_version, from_status, to_status,
                                               from_percentage, to_percentage, actor, reason, figures, created_at)
    VALUES (before.model_type, canary, live.version, before.status, 'canary', before.traffic_percentage, percentage,
            actor, why, figures, at);
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_set_share(text, integer, text, jsonb, timestamptz, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_set_share(text, integer, text, jsonb, timestamptz, text) IS
    'Sets a canary''s percentage of the sessions (the production version has the rest), and records it';

CREATE FUNCTION @extschema@.tw_require_rollable(version text, reason text) RETURNS void
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    m @extschema@.model_versions;
    other text;
BEGIN
    PERFORM @extschema@.tw_require_version(version);
    SELECT * INTO m FROM @extschema@.model_versions x WHERE x.version = tw_require_rollable.version;
    -- A person may roll out again a version that was rolled back.
    IF m.status = 'rolled-back' AND @extschema@.tw_is_blank(reason) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('model "%s" was rolled back: trying it again needs a reason',
                             @extschema@.tw_excerpt(version)),
            DETAIL = coalesce((SELECT @extschema@.tw_cut_text(d.reason, 1000) FROM @extschema@.model_deployments d
                      WHERE d.model_type = m.model_type AND d.version = m.version AND d.to_status = 'rolled-back'
                      ORDER BY d.id DESC LIMIT 1), 'model_deployments does not say why.'),
            HINT = 'Pass in reason what has changed since. The version gets newly drawn sessions, and only they count.';
    END IF;
    IF m.status NOT IN ('candidate', 'rolled-back') THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('model "%s" is %s, not a candidate', @extschema@.tw_excerpt(version), m.status),
            HINT = CASE m.status WHEN 'canary'
                        THEN 'It is being rolled out: see rollout_status; advance_rollout() takes it a step further.'
                        WHEN 'production' THEN 'It has all sessions already.'
                        WHEN 'rejected' THEN 'The gate rejected it: train again.'
                        WHEN 'retired' THEN 'A later version superseded it: train again.'
                        ELSE 'See gate_reason in model_versions, and training_jobs.' END;
    END IF;
    IF m.gate_decision IS DISTINCT FROM 'passed' AND @extschema@.tw_is_blank(reason) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('model "%s" has not passed the gate: rolling it out needs a reason',
                             @extschema@.tw_excerpt(version)),
            DETAIL = coalesce(@extschema@.tw_cut_text(m.gate_reason, 1000), 'The gate has not evaluated it.'),
            HINT = 'Evaluate it with evaluate_model(version), or pass a reason to roll it out all the same.';
    END IF;
    IF @extschema@.tw_is_blank(reason) AND NOT @extschema@.tw_has_location(version) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('the location of model "%s" is unknown: rolling it out needs a reason',
                             @extschema@.tw_excerpt(version)),
            DETAIL = 'Its worker handed it in with neither an artifact nor a location.',
            HINT = 'If the application has the model, pass that as the reason. Otherwise train again, with a worker '
                   'that hands in an artifact or a location.';
    END IF;
    IF NOT EXISTS (SELECT FROM @extschema@.model_versions x
                   WHERE x.model_type = m.model_type AND x.status = 'production') THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('model type "%s" has no live version that "%s" could be compared with',
                             @extschema@.tw_excerpt(m.model_type), @extschema@.tw_excerpt(version)),
            HINT = 'Make the first one live with promote_model(version, reason).';
    END IF;
    SELECT x.version INTO other FROM @extschema@.model_versions x
    WHERE x.model_type = m.model_type AND x.status = 'canary';
    IF FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('"%s" is being rolled out', @extschema@.tw_excerpt(other)),
            HINT = format('Wait for its end, or run SELECT rollback_rollout(%L, ''...'');',
                          @extschema@.tw_excerpt(m.model_type));
    END IF;
    PERFORM @extschema@.tw_require_stored(version);
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_require_rollable(text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_require_rollable(text, text) IS
    'Raises the errors of start_rollout() for a version that cannot be rolled out';

CREATE FUNCTION @extschema@.tw_insert_rollout(m @extschema@.model_versions, live text, said text, began timestamptz,
                                              actor text, superseded text)
    RETURNS @extschema@.rollouts
    LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    INSERT INTO @extschema@.rollouts (model_type, version, number, previous_version, steps, steps_reason,
                                      messages_per_session, alpha, margin, step_times, reason, started_by, started_at,
                                      superseded_version)
    SELECT m.model_type, m.version, m.rollout_number + 1, live, p.steps, p.reason,
           @extschema@.training_setting('rollout_messages_per_session')::integer,
           @extschema@.training_setting('rollout_alpha')::double precision,
           @extschema@.training_setting('rollout_margin')::double precision,
           ARRAY[began], said, actor, began, superseded
    FROM @extschema@.tw_planned_steps(m.model_type, began) p
    RETURNING *;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_insert_rollout(@extschema@.model_versions, text, text, timestamptz, text, text)
    FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_insert_rollout(@extschema@.model_versions, text, text, timestamptz, text, text) IS
    'Inserts a rollout that begins, with a copy of the settings it depends on';

CREATE FUNCTION @extschema@.tw_start_rollout(
    version text, reason text, at timestamptz, actor text, superseded text DEFAULT NULL) RETURNS bigint
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    m @extschema@.model_versions;
    r @extschema@.rollouts;
    live text;
    said CONSTANT text := CASE WHEN NOT @extschema@.tw_is_blank(reason) THEN reason END;
    began timestamptz;
    why text;
BEGIN
    PERFORM @extschema@.tw_lock_registry();
    PERFORM @extschema@.tw_require_rollable(version, reason);
    SELECT * INTO m FROM @extschema@.model_versions x WHERE x.version = tw_start_rollout.version;
    -- FOR UPDATE raises a serialization failure under an older snapshot, which would miss a rollout that another
    -- started.
    SELECT x.version INTO live FROM @extschema@.model_versions x
    WHERE x.model_type = m.model_type AND x.status = 'production' FOR UPDATE;
    began := @extschema@.tw_change_time(at, (SELECT max(d.created_at) FROM @extschema@.model_deployments d
                                             WHERE d.model_type = m.model_type));
    why := coalesce(said, 'passed the gate: ' || m.gate_reason);

    PERFORM @extschema@.tw_end_watch(m.model_type, format('"%s" is rolled out', version), began);
    -- Older candidates that passed are superseded: otherwise they would be next after a rollback of this one.
    UPDATE @extschema@.model_versions x SET status = 'retired', retired_at = began
    WHERE x.model_type = m.model_type AND x.status = 'candidate' AND x.gate_decision = 'passed'
      AND x.created_at < m.created_at;
    r := @extschema@.tw_insert_rollout(m, live, said, began, actor, superseded);
    UPDATE @extschema@.model_versions x SET rollout_number = r.number WHERE x.version = m.version;
    IF r.steps[1] = 100 THEN
        PERFORM @extschema@.tw_promote_canary(r.id, why, NULL::jsonb, began, actor);
    ELSE
        PERFORM @extschema@.tw_set_share(version, r.steps[1], why,
            jsonb_strip_nulls(jsonb_build_object('rollout', r.id, 'steps', r.steps, 'test_accuracy', m.test_accuracy,
                                                 'base_version', m.base_version, 'base_accuracy', m.base_accuracy,
                                                 'test_samples', m.test_samples)), began, actor);
        PERFORM @extschema@.tw_audit_rollout(r);
    END IF;
    RETURN r.id;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_start_rollout(text, text, timestamptz, text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_start_rollout(text, text, timestamptz, text, text) IS
    'start_rollout() in the name of an actor, after superseding a canary (NULL: none); returns the rollout''s id';

CREATE FUNCTION @extschema@.tw_promote_canary(rollout bigint, why text, figures jsonb, at timestamptz, actor text)
    RETURNS void
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    r @extschema@.rollouts;
    watched CONSTANT boolean := @extschema@.training_setting('rollback_watch')::integer > 0;
BEGIN
    SELECT * INTO STRICT r FROM @extschema@.rollouts x WHERE x.id = rollout;
    PERFORM @extschema@.tw_make_live(r.version, why, figures, at, actor);
    UPDATE @extschema@.rollouts x
    SET status = CASE WHEN watched THEN 'watching' ELSE 'finished' END, promoted_at = at,
        ended_at = CASE WHEN NOT watched THEN at END, end_reason = CASE WHEN NOT watched THEN 'rollback_watch is 0' END
    WHERE x.id = rollout;
    PERFORM @extschema@.tw_end_raised_audit(r.model_type, at, watched);
    PERFORM @extschema@.tw_try_settling(r.version);
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_promote_canary(bigint, text, jsonb, timestamptz, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_promote_canary(bigint, text, jsonb, timestamptz, text) IS
    'Makes the version of a rollout the production version; it is watched from then on';

CREATE FUNCTION @extschema@.tw_advance_rollout(rollout bigint, why text, figures jsonb, at timestamptz, actor text)
    RETURNS integer
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    r @extschema@.rollouts;
    next_share integer;
BEGIN
    UPDATE @extschema@.rollouts x SET step_times = x.step_times || at WHERE x.id = rollout RETURNING * INTO STRICT r;
    next_share := r.steps[cardinality(r.step_times)];
    IF next_share = 100 THEN
        PERFORM @extschema@.tw_promote_canary(rollout, why, figures, at, actor);
    ELSE
        PERFORM @extschema@.tw_set_share(r.version, next_share, why, figures, at, actor);
        PERFORM @extschema@.tw_audit_rollout(r);
    END IF;
    RETURN next_share;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_advance_rollout(bigint, text, jsonb, timestamptz, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_advance_rollout(bigint, text, jsonb, timestamptz, text) IS
    'Begins the next step of a running rollout and returns its percentage';

CREATE FUNCTION @extschema@.tw_running_rollout(type text) RETURNS @extschema@.rollouts
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    r @extschema@.rollouts;
BEGIN
    PERFORM @extschema@.tw_require_type(type);
    SELECT * INTO r FROM @extschema@.rollouts x WHERE x.model_type = type AND x.status = 'running';
    RETURN r;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_running_rollout(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_running_rollout(text) IS
    'The running rollout of a type, NULL where there is none. Raises 42704 for an unknown type';

CREATE FUNCTION @extschema@.tw_require_no_stray_canary(type text) RETURNS void
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    canary CONSTANT text := (SELECT m.version FROM @extschema@.model_versions m
                             WHERE m.model_type = type AND m.status = 'canary');
BEGIN
    IF canary IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('the steps of canary "%s" are unknown', @extschema@.tw_excerpt(canary)),
            DETAIL = 'Its row in rollouts, which has its steps, level and margin, is missing.',
            HINT = format('Run SELECT * FROM rollback_rollout(%L, ''...''); then start it again, with a reason.',
                          @extschema@.tw_excerpt(type));
    END IF;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_require_no_stray_canary(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_require_no_stray_canary(text) IS
    'Raises 55000 where a type has a canary without a row in rollouts; called where no rollout is running';

CREATE FUNCTION @extschema@.start_rollout(
    version text, reason text DEFAULT NULL, at timestamptz DEFAULT NULL,
    OUT model_type text, OUT previous_version text, OUT traffic_percentage integer, OUT steps integer[],
    OUT rollout_id bigint)
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    PERFORM @extschema@.tw_bound_waits();
    rollout_id := @extschema@.tw_start_rollout(version, reason, at, session_user::text, NULL::text);
    SELECT r.model_type, r.previous_version, r.steps[1], r.steps
    INTO STRICT model_type, previous_version, traffic_percentage, steps
    FROM @extschema@.rollouts r WHERE r.id = rollout_id;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.start_rollout(text, text, timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.start_rollout(text, text, timestamptz) IS
    'Gives a version, a candidate, the first percentage of the sessions in the setting rollout_steps (auto: one that '
    'fits the traffic), beside the production version of its type. assign_model_version() follows from the commit on; '
    'check_rollouts() monitors it. A reason is required for a candidate that did not pass the gate or has no known '
    'location, and for a version that was rolled back: it gets other sessions than before, and only those count. at is '
    'the time to count as now, for tests. Raises 42704 for an unknown version, 55000 for one that cannot be rolled out '
    'or is yet to be stored, while another is rolled out, or without a production version, 22023 for a missing reason, '
    'a time before the last change or in the future, 55P03 where the registry is locked for 5 seconds';

CREATE FUNCTION @extschema@.advance_rollout(
    model_type text, reason text DEFAULT NULL, at timestamptz DEFAULT NULL,
    only_from integer DEFAULT NULL) RETURNS integer
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    r @extschema@.rollouts;
BEGIN
    PERFORM @extschema@.tw_bound_waits();
    PERFORM @extschema@.tw_lock_registry();
    r := @extschema@.tw_running_rollout(model_type);
    IF r.id IS NULL THEN
        PERFORM @extschema@.tw_require_no_stray_canary(model_type);
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('no version of model type "%s" is being rolled out', @extschema@.tw_excerpt(model_type)),
            HINT = 'SELECT * FROM start_rollout(version); starts one with a candidate.';
    END IF;
    IF only_from <> r.steps[cardinality(r.step_times)] THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('the rollout of "%s" is at %s %%, not at %s %%', @extschema@.tw_excerpt(r.version),
                             r.steps[cardinality(r.step_times)], only_from),
            HINT = 'Another session, or check_rollouts(), has changed it: see rollout_status.';
    END IF;
    RETURN @extschema@.tw_advance_rollout(r.id, CASE WHEN @extschema@.tw_is_blank(reason) THEN 'advanced by hand'
                                                     ELSE reason END,
        (SELECT jsonb_build_object('check', c.id, 'verdict', c.verdict, 'reason', c.reason, 'metrics', c.metrics)
         FROM @extschema@.rollout_checks c WHERE c.rollout_id = r.id ORDER BY c.id DESC LIMIT 1),
        @extschema@.tw_change_time(at, r.step_times[cardinality(r.step_times)]), session_user::text);
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.advance_rollout(text, text, timestamptz, integer) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.advance_rollout(text, text, timestamptz, integer) IS
    'Takes the rollout of model_type to its next step by hand, whatever check_rollouts() waits for, and returns the '
    'new percentage; 100 makes the version the production version. only_from is the percentage that the rollout must '
    'have now (NULL: any), so that two people do not take two steps. The reason is kept in model_deployments. at is '
    'the time to count as now, for tests. Raises 42704 for an unknown type, 55000 where no rollout is running or it '
    'has another percentage, 22023 for a time before the last change or in the future, 55P03 where the registry is '
    'locked for 5 seconds';
