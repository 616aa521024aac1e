-- start_rollout(), advance_rollout(), rollback_rollout(): what changes the share of a version. Each holds the registry's lock
-- from before its first look to the end of the transaction, so that two of them, or one and check_rollouts(), follow one another.

CREATE FUNCTION @extschema@.tw_change_time(at timestamptz, earlier timestamptz) RETURNS timestamptz
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF at < earlier OR at IN ('infinity', '-infinity') THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('%s is no time for this change', at),
            DETAIL = format('The change before it was at %s.', coalesce(earlier::text, 'no time')),
            HINT = 'Leave "at" out: it is the time to count as now in tests and simulations.';
    END IF;
    -- Not the transaction's time: it may have waited for the lock. A clock that was set back does not turn the order round.
    RETURN coalesce(at, greatest(clock_timestamp(), earlier));
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_change_time(timestamptz, timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_change_time(timestamptz, timestamptz) IS 'The time of a change: at, or now; 22023 for one before the change that came earlier';

CREATE FUNCTION @extschema@.tw_set_share(canary text, percentage integer, why text, figures jsonb, at timestamptz, actor text) RETURNS void
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    before @extschema@.model_versions;
    live @extschema@.model_versions;
BEGIN
    SELECT * INTO STRICT before FROM @extschema@.model_versions m WHERE m.version = canary FOR UPDATE;
    SELECT * INTO STRICT live FROM @extschema@.model_versions m WHERE m.model_type = before.model_type AND m.status = 'production' FOR UPDATE;
    UPDATE @extschema@.model_versions m
    SET status = 'canary', traffic_percentage = percentage, deployed_at = coalesce(m.deployed_at, at)
    WHERE m.version = canary;
    UPDATE @extschema@.model_versions m SET traffic_percentage = 100 - percentage WHERE m.version = live.version;
    INSERT INTO @extschema@.model_deployments (model_type, version, previous_version, from_status, to_status, from_percentage, to_percentage,
                                               actor, reason, figures, created_at)
    VALUES (before.model_type, canary, live.version, before.status, 'canary', before.traffic_percentage, percentage, actor, why, figures, at);
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_set_share(text, integer, text, jsonb, timestamptz, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_set_share(text, integer, text, jsonb, timestamptz, text) IS
    'Gives a canary a share of the sessions, the production version the others, and records it';

CREATE FUNCTION @extschema@.tw_end_watch(type text, why text, at timestamptz) RETURNS void
    LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    UPDATE @extschema@.rollouts r SET status = 'finished', ended_at = at, end_reason = why
    WHERE r.model_type = type AND r.status = 'watching';
END;
REVOKE ALL ON FUNCTION @extschema@.tw_end_watch(text, text, timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_end_watch(text, text, timestamptz) IS 'Nobody looks any longer at the rollout of a type that reached all sessions';

CREATE FUNCTION @extschema@.tw_require_rollable(version text, reason text) RETURNS void
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    m @extschema@.model_versions;
    other text;
BEGIN
    PERFORM @extschema@.tw_require_version(version);
    SELECT * INTO m FROM @extschema@.model_versions x WHERE x.version = tw_require_rollable.version;
    IF m.status <> 'candidate' THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('model "%s" is %s, not a candidate', version, m.status),
            HINT = CASE m.status WHEN 'canary' THEN 'It is being rolled out: see rollout_status; advance_rollout() takes it a step further.'
                                 WHEN 'production' THEN 'It has all sessions already.'
                                 WHEN 'rejected' THEN 'The gate rejected it: train again.'
                                 WHEN 'retired' THEN 'A later version superseded it: train again.'
                                 WHEN 'rolled-back' THEN 'A version is rolled out once: train again.'
                                 ELSE 'See gate_reason in model_versions, and training_jobs.' END;
    END IF;
    IF m.gate_decision IS DISTINCT FROM 'passed' AND @extschema@.tw_is_blank(reason) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('model "%s" has not passed the gate: rolling it out needs a reason', version),
            DETAIL = coalesce(m.gate_reason, 'The gate has not looked at it.'),
            HINT = 'evaluate_model() takes it through the gate; or say in the argument reason why it should meet customers.';
    END IF;
    IF NOT EXISTS (SELECT FROM @extschema@.model_versions x WHERE x.model_type = m.model_type AND x.status = 'production') THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('model type "%s" has no live version that "%s" could be compared with', m.model_type, version),
            HINT = 'Make the first one live with promote_model(version, reason).';
    END IF;
    SELECT x.version INTO other FROM @extschema@.model_versions x WHERE x.model_type = m.model_type AND x.status = 'canary';
    IF FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('"%s" is being rolled out', other),
            HINT = format('One at a time: wait, or SELECT rollback_rollout(%L, ''...'');', m.model_type);
    END IF;
    PERFORM @extschema@.tw_require_stored(version);
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_require_rollable(text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_require_rollable(text, text) IS 'Raises what start_rollout() says of a version that cannot be rolled out';

CREATE FUNCTION @extschema@.tw_start_rollout(version text, reason text, at timestamptz, actor text) RETURNS bigint
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    m @extschema@.model_versions;
    live text;
    shares CONSTANT integer[] := string_to_array(@extschema@.training_setting('rollout_steps'), ',')::integer[];
    said CONSTANT text := CASE WHEN NOT @extschema@.tw_is_blank(reason) THEN reason END;
    began timestamptz;
    why text;
    rollout bigint;
BEGIN
    PERFORM @extschema@.tw_lock_registry();
    PERFORM @extschema@.tw_require_rollable(version, reason);
    SELECT * INTO m FROM @extschema@.model_versions x WHERE x.version = tw_start_rollout.version;
    -- FOR UPDATE: under an older snapshot, in which nobody has started another one, this is a serialization failure.
    SELECT x.version INTO live FROM @extschema@.model_versions x WHERE x.model_type = m.model_type AND x.status = 'production' FOR UPDATE;
    began := @extschema@.tw_change_time(at, (SELECT max(d.created_at) FROM @extschema@.model_deployments d WHERE d.model_type = m.model_type));
    why := coalesce(said, 'passed the gate: ' || m.gate_reason);

    PERFORM @extschema@.tw_end_watch(m.model_type, format('"%s" is rolled out', version), began);
    -- Older ones that passed are superseded: were this one rolled back, they would be next.
    UPDATE @extschema@.model_versions x SET status = 'retired', retired_at = began
    WHERE x.model_type = m.model_type AND x.status = 'candidate' AND x.gate_decision = 'passed' AND x.created_at < m.created_at;
    INSERT INTO @extschema@.rollouts (model_type, version, previous_version, steps, alpha, margin, step_times, reason, started_by, started_at)
    VALUES (m.model_type, version, live, shares, @extschema@.training_setting('rollout_alpha')::double precision,
            @extschema@.training_setting('rollout_margin')::double precision, ARRAY[began], said, actor, began)
    RETURNING id INTO rollout;
    IF shares[1] = 100 THEN
        PERFORM @extschema@.tw_promote_canary(rollout, why, NULL, began, actor);
    ELSE
        PERFORM @extschema@.tw_set_share(version, shares[1], why,
            jsonb_strip_nulls(jsonb_build_object('rollout', rollout, 'steps', shares, 'test_accuracy', m.test_accuracy, 'base_version', m.base_version,
                                                 'base_accuracy', m.base_accuracy, 'test_samples', m.test_samples)), began, actor);
    END IF;
    RETURN rollout;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_start_rollout(text, text, timestamptz, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_start_rollout(text, text, timestamptz, text) IS 'start_rollout() in the name of an actor; returns the rollout''s id';

CREATE FUNCTION @extschema@.tw_promote_canary(rollout bigint, why text, figures jsonb, at timestamptz, actor text) RETURNS void
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
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_promote_canary(bigint, text, jsonb, timestamptz, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_promote_canary(bigint, text, jsonb, timestamptz, text) IS 'Gives the version of a rollout all sessions; from then on it is watched';

CREATE FUNCTION @extschema@.tw_advance_rollout(rollout bigint, why text, figures jsonb, at timestamptz, actor text) RETURNS integer
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
    END IF;
    RETURN next_share;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_advance_rollout(bigint, text, jsonb, timestamptz, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_advance_rollout(bigint, text, jsonb, timestamptz, text) IS 'Begins the next step of a running rollout and returns its percentage';

CREATE FUNCTION @extschema@.tw_end_canary(rollout bigint, why text, figures jsonb, at timestamptz, actor text) RETURNS void
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    r @extschema@.rollouts;
    canary @extschema@.model_versions;
BEGIN
    UPDATE @extschema@.rollouts x SET status = 'rolled-back', ended_at = at, end_reason = why WHERE x.id = rollout RETURNING * INTO STRICT r;
    SELECT * INTO STRICT canary FROM @extschema@.model_versions m WHERE m.version = r.version FOR UPDATE;
    UPDATE @extschema@.model_versions m SET status = 'rolled-back', traffic_percentage = 0, retired_at = at WHERE m.version = r.version;
    UPDATE @extschema@.model_versions m SET traffic_percentage = 100 WHERE m.model_type = r.model_type AND m.status = 'production';
    INSERT INTO @extschema@.model_deployments (model_type, version, previous_version, from_status, to_status, from_percentage, to_percentage,
                                               actor, reason, figures, created_at)
    VALUES (r.model_type, r.version, r.previous_version, canary.status, 'rolled-back', canary.traffic_percentage, 0, actor, why, figures, at);
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_end_canary(bigint, text, jsonb, timestamptz, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_end_canary(bigint, text, jsonb, timestamptz, text) IS 'Rolls a running rollout back: its sessions return to the production version';

CREATE FUNCTION @extschema@.tw_reinstate(bad text, good text, why text, figures jsonb, at timestamptz, actor text) RETURNS void
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    type text;
BEGIN
    -- One after the other: there is one production version at any time.
    UPDATE @extschema@.model_versions m SET status = 'rolled-back', traffic_percentage = 0, retired_at = at WHERE m.version = bad
    RETURNING m.model_type INTO STRICT type;
    UPDATE @extschema@.model_versions m SET status = 'production', traffic_percentage = 100, retired_at = NULL WHERE m.version = good;
    INSERT INTO @extschema@.model_deployments (model_type, version, previous_version, from_status, to_status, from_percentage, to_percentage,
                                               actor, reason, figures, created_at)
    VALUES (type, bad, NULL, 'production', 'rolled-back', 100, 0, actor, why, figures, at),
           (type, good, bad, 'retired', 'production', 0, 100, actor, format('%s was rolled back', bad), NULL, at);
    UPDATE @extschema@.rollouts r SET status = 'rolled-back', ended_at = at, end_reason = why WHERE r.version = bad;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_reinstate(text, text, text, jsonb, timestamptz, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_reinstate(text, text, text, jsonb, timestamptz, text) IS 'Rolls a production version back to the one before it';

CREATE FUNCTION @extschema@.tw_version_before(version text) RETURNS text
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    -- One that was rolled back itself does not return.
    SELECT d.previous_version
    FROM @extschema@.model_deployments d
    JOIN @extschema@.model_versions p ON p.version = d.previous_version AND p.status = 'retired'
    WHERE d.version = tw_version_before.version AND d.to_status = 'production'
    ORDER BY d.id DESC LIMIT 1;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_version_before(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_version_before(text) IS 'The version that a production version replaced and that can take its place again; NULL where there is none';

CREATE FUNCTION @extschema@.tw_require_meant(type text, version text, only_version text, is_live boolean) RETURNS void
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    last_change @extschema@.model_deployments;
BEGIN
    IF only_version IS DISTINCT FROM version AND only_version IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('"%s" is not what would be rolled back', only_version),
            DETAIL = coalesce(format('That is "%s".', version), format('Nothing of model type "%s" is live.', type)),
            HINT = 'See rollout_status and live_model_at(): somebody, or check_rollouts(), may have rolled it back already.';
    END IF;
    SELECT * INTO last_change FROM @extschema@.model_deployments d WHERE d.model_type = type ORDER BY d.id DESC LIMIT 1;
    -- Two people who see the same trouble must not take two versions back.
    IF only_version IS NULL AND is_live AND (last_change.to_status = 'rolled-back' OR last_change.from_status = 'retired') THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('the last change of model type "%s" was a rollback already', type),
            DETAIL = format('At %s, by %s: %s.', last_change.created_at, last_change.actor, rtrim(last_change.reason, '.')),
            HINT = format('"%s" answers now. To take it back as well, name it: rollback_rollout(..., only_version => %L).', version, version);
    END IF;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_require_meant(text, text, text, boolean) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_require_meant(text, text, text, boolean) IS
    'Raises 55000 where a rollback would take back another version than it names, or one that it does not name right after another rollback';

CREATE FUNCTION @extschema@.tw_roll_back(type text, why text, figures jsonb, at timestamptz, actor text, only_version text,
                                         OUT version text, OUT live_version text)
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    running bigint;
BEGIN
    SELECT r.id, r.version INTO running, version FROM @extschema@.rollouts r WHERE r.model_type = type AND r.status = 'running';
    IF running IS NULL THEN
        SELECT m.version INTO version FROM @extschema@.model_versions m WHERE m.model_type = type AND m.status = 'production';
    END IF;
    PERFORM @extschema@.tw_require_meant(type, version, only_version, running IS NULL);
    IF running IS NOT NULL THEN
        PERFORM @extschema@.tw_end_canary(running, why, figures, at, actor);
    ELSE
        live_version := @extschema@.tw_version_before(version);
        IF live_version IS NULL THEN
            RAISE EXCEPTION USING
                ERRCODE = 'object_not_in_prerequisite_state',
                MESSAGE = format('there is no rollout of model type "%s" to roll back', type),
                DETAIL = coalesce(format('"%s" is live, and there is no earlier version to return to.', version), 'It has no live version.'),
                HINT = 'SELECT * FROM model_deployments; shows what was live when. Another candidate goes live with promote_model(version, reason).';
        END IF;
        PERFORM @extschema@.tw_reinstate(version, live_version, why, figures, at, actor);
    END IF;
    SELECT m.version INTO live_version FROM @extschema@.model_versions m WHERE m.model_type = type AND m.status = 'production';
    PERFORM @extschema@.tw_notify(jsonb_build_object('event', 'rollback', 'model_type', type, 'version', version, 'live_version', live_version,
                                                     'actor', actor, 'at', at, 'reason', why));
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_roll_back(text, text, jsonb, timestamptz, text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_roll_back(text, text, jsonb, timestamptz, text, text) IS
    'Rolls back the running rollout of a type, or else its production version, and tells whoever listens';

CREATE FUNCTION @extschema@.tw_running_rollout(type text) RETURNS @extschema@.rollouts
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    r @extschema@.rollouts;
BEGIN
    IF NOT EXISTS (SELECT FROM @extschema@.model_versions m WHERE m.model_type = type) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'undefined_object',
            MESSAGE = format('there is no model of type "%s"', coalesce(type, 'NULL')),
            HINT = 'SELECT DISTINCT model_type FROM model_versions; shows the types.';
    END IF;
    SELECT * INTO r FROM @extschema@.rollouts x WHERE x.model_type = type AND x.status = 'running';
    RETURN r;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_running_rollout(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_running_rollout(text) IS 'The rollout of a type that is running, NULL where none is; 42704 for an unknown type';

CREATE FUNCTION @extschema@.start_rollout(
    version text, reason text DEFAULT NULL, at timestamptz DEFAULT NULL,
    OUT model_type text, OUT previous_version text, OUT traffic_percentage integer, OUT steps integer[], OUT rollout_id bigint)
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    rollout_id := @extschema@.tw_start_rollout(version, reason, at, session_user);
    SELECT r.model_type, r.previous_version, r.steps[1], r.steps INTO STRICT model_type, previous_version, traffic_percentage, steps
    FROM @extschema@.rollouts r WHERE r.id = rollout_id;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.start_rollout(text, text, timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.start_rollout(text, text, timestamptz) IS
    'Gives a candidate the first share of the sessions that the setting rollout_steps names, beside the production version of its type; '
    'assign_model_version() follows from the commit on, check_rollouts() watches. A candidate that did not pass the gate needs a reason. at is '
    'the time to count as now, for tests. Raises 42704 for an unknown version, 55000 for one that is no candidate or is yet to be stored, '
    'while another is rolled out, or without a production version, 22023 for a missing reason or a time before the last change';

CREATE FUNCTION @extschema@.advance_rollout(
    model_type text, reason text DEFAULT NULL, at timestamptz DEFAULT NULL, only_from integer DEFAULT NULL) RETURNS integer
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    r @extschema@.rollouts;
BEGIN
    PERFORM @extschema@.tw_lock_registry();
    r := @extschema@.tw_running_rollout(model_type);
    IF r.id IS NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('no version of model type "%s" is being rolled out', model_type),
            HINT = 'SELECT * FROM start_rollout(version); starts one with a candidate.';
    END IF;
    IF only_from <> r.steps[cardinality(r.step_times)] THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('the rollout of "%s" is at %s %%, not at %s %%', r.version, r.steps[cardinality(r.step_times)], only_from),
            HINT = 'Somebody, or check_rollouts(), was faster: see rollout_status.';
    END IF;
    RETURN @extschema@.tw_advance_rollout(r.id, CASE WHEN @extschema@.tw_is_blank(reason) THEN 'advanced by hand' ELSE reason END,
        (SELECT jsonb_build_object('check', c.id, 'verdict', c.verdict, 'reason', c.reason, 'metrics', c.metrics)
         FROM @extschema@.rollout_checks c WHERE c.rollout_id = r.id ORDER BY c.id DESC LIMIT 1),
        @extschema@.tw_change_time(at, r.step_times[cardinality(r.step_times)]), session_user);
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.advance_rollout(text, text, timestamptz, integer) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.advance_rollout(text, text, timestamptz, integer) IS
    'Takes the rollout of a model type to its next step by hand, whatever check_rollouts() waits for, and returns the new percentage; 100 '
    'makes the version the production version. only_from is the percentage that it must be at, so that two people do not take two steps. The '
    'reason is kept in model_deployments. at is the time to count as now, for tests. Raises '
    '42704 for an unknown type, 55000 where nothing is rolled out or it is at another percentage, 22023 for a time before the last change';

CREATE FUNCTION @extschema@.rollback_rollout(
    model_type text, reason text, at timestamptz DEFAULT NULL, only_version text DEFAULT NULL, OUT version text, OUT live_version text)
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    PERFORM @extschema@.tw_lock_registry();
    PERFORM @extschema@.tw_running_rollout(model_type);
    IF @extschema@.tw_is_blank(reason) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = 'rolling a model back needs a reason',
            HINT = 'It is kept in model_deployments, and sent to whoever listens.';
    END IF;
    SELECT b.version, b.live_version INTO version, live_version
    FROM @extschema@.tw_roll_back(model_type, reason, NULL, @extschema@.tw_change_time(at,
        (SELECT max(d.created_at) FROM @extschema@.model_deployments d WHERE d.model_type = rollback_rollout.model_type)), session_user, only_version) b;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.rollback_rollout(text, text, timestamptz, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.rollback_rollout(text, text, timestamptz, text) IS
    'Takes the sessions back at once from the version of a model type that is being rolled out; where none is, from the production version, '
    'which its predecessor replaces, however long ago it went live. only_version says which version is meant, so that two people do not roll '
    'back two; it is needed right after another rollback. Returns the version that was rolled back and the one that is live now, '
    'and sends NOTIFY training_workflow. at is the time to count as now, for tests. Raises 42704 for an unknown type, 55000 where there is '
    'nothing to return to or another version is meant, 22023 without a reason or for a time before the last change';
