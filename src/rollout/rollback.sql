-- rollback_rollout(): back to the previous version, at once. Like start_rollout() it takes the registry's lock before
-- it reads any state.

CREATE FUNCTION @extschema@.tw_end_canary(canary text, became text, why text, figures jsonb, at timestamptz, actor text)
    RETURNS void
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    before @extschema@.model_versions;
    live text;
BEGIN
    SELECT * INTO STRICT before FROM @extschema@.model_versions m WHERE m.version = canary FOR UPDATE;
    -- The rollout's row may be missing; the sessions go back all the same.
    UPDATE @extschema@.rollouts x
    SET status = CASE became WHEN 'retired' THEN 'superseded' ELSE 'rolled-back' END, ended_at = at, end_reason = why
    WHERE x.version = canary AND x.status = 'running';
    UPDATE @extschema@.model_versions m SET status = became, traffic_percentage = 0, retired_at = at
    WHERE m.version = canary;
    UPDATE @extschema@.model_versions m SET traffic_percentage = 100
    WHERE m.model_type = before.model_type AND m.status = 'production'
    RETURNING m.version INTO live;
    INSERT INTO @extschema@.model_deployments (model_type, version, previous_version, from_status, to_status,
                                               from_percentage, to_percentage, actor, reason, figures, created_at)
    VALUES (before.model_type, canary, live, before.status, became, before.traffic_percentage, 0, actor, why,
            figures, at);
    PERFORM @extschema@.tw_end_raised_audit(before.model_type, at, false);
    IF became = 'rolled-back' AND before.traffic_percentage >= 50 THEN
        PERFORM @extschema@.tw_try_settling(canary);
    END IF;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_end_canary(text, text, text, jsonb, timestamptz, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_end_canary(text, text, text, jsonb, timestamptz, text) IS
    'Gives the sessions of a canary back to the production version; the canary becomes rolled-back, or retired in '
    'favour of a better candidate';

CREATE FUNCTION @extschema@.tw_reinstate(bad text, good text, why text, figures jsonb, at timestamptz, actor text)
    RETURNS void
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    type text;
BEGIN
    -- Two updates, so that there is never more than one production version.
    UPDATE @extschema@.model_versions m SET status = 'rolled-back', traffic_percentage = 0, retired_at = at
    WHERE m.version = bad
    RETURNING m.model_type INTO STRICT type;
    UPDATE @extschema@.model_versions m SET status = 'production', traffic_percentage = 100, retired_at = NULL
    WHERE m.version = good;
    INSERT INTO @extschema@.model_deployments (model_type, version, previous_version, from_status, to_status,
                                               from_percentage, to_percentage, actor, reason, figures, created_at)
    VALUES (type, bad, NULL, 'production', 'rolled-back', 100, 0, actor, why, figures, at),
           (type, good, bad, 'retired', 'production', 0, 100, actor, format('%s was rolled back', bad), NULL, at);
    UPDATE @extschema@.rollouts r SET status = 'rolled-back', ended_at = at, end_reason = why
    WHERE r.id = (SELECT max(x.id) FROM @extschema@.rollouts x WHERE x.version = bad);
    PERFORM @extschema@.tw_end_raised_audit(type, at, false);
    PERFORM @extschema@.tw_try_settling(good);
    PERFORM @extschema@.tw_try_settling(bad);
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_reinstate(text, text, text, jsonb, timestamptz, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_reinstate(text, text, text, jsonb, timestamptz, text) IS
    'Rolls a production version back to the one before it';

CREATE FUNCTION @extschema@.tw_version_before(version text) RETURNS text
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    -- A version that was rolled back itself does not return.
    SELECT d.previous_version
    FROM @extschema@.model_deployments d
    JOIN @extschema@.model_versions p ON p.version = d.previous_version AND p.status = 'retired'
    WHERE d.version = tw_version_before.version AND d.to_status = 'production'
    ORDER BY d.id DESC LIMIT 1;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_version_before(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_version_before(text) IS
    'The version that a production version replaced and that can be reinstated; NULL where there is none';

CREATE FUNCTION @extschema@.tw_require_meant(
    type text, version text, only_version text, is_live boolean, at timestamptz) RETURNS void
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    last_change @extschema@.model_deployments;
    superseded text;
BEGIN
    IF only_version IS DISTINCT FROM version AND only_version IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('"%s" is not the version that would be rolled back', @extschema@.tw_excerpt(only_version)),
            DETAIL = coalesce(format('That is "%s".', @extschema@.tw_excerpt(version)),
                              format('No version of model type "%s" is live.', @extschema@.tw_excerpt(type))),
            HINT = 'A person or check_rollouts() may have rolled it back already: see rollout_status and '
                   'live_model_at().';
    END IF;
    SELECT * INTO last_change FROM @extschema@.model_deployments d WHERE d.model_type = type ORDER BY d.id DESC LIMIT 1;
    -- Two people who see the same problem must not roll back two versions.
    IF only_version IS NULL AND is_live AND (last_change.to_status = 'rolled-back'
                                             OR last_change.from_status = 'retired') THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('the last change of model type "%s" was a rollback already', @extschema@.tw_excerpt(type)),
            DETAIL = format('At %s, by %s: %s.', last_change.created_at, last_change.actor,
                            rtrim(@extschema@.tw_cut_text(last_change.reason, 1000), '.')),
            HINT = format('"%s" answers now. To take it back as well, name it: rollback_rollout(..., only_version => '
                          '%L).', @extschema@.tw_excerpt(version), @extschema@.tw_excerpt(version));
    END IF;
    -- The version that users complain about may have been superseded a moment ago; its successor is not to blame.
    SELECT r.superseded_version INTO superseded
    FROM @extschema@.rollouts r
    WHERE r.version = tw_require_meant.version AND r.status = 'running' AND r.started_at > at - interval '1 hour';
    IF only_version IS NULL AND superseded IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('"%s" replaced "%s" less than an hour ago', @extschema@.tw_excerpt(version),
                             @extschema@.tw_excerpt(superseded)),
            DETAIL = format('"%s" gets no sessions any more.', @extschema@.tw_excerpt(superseded)),
            HINT = format('To roll back "%s", name it: rollback_rollout(..., only_version => %L).',
                          @extschema@.tw_excerpt(version), @extschema@.tw_excerpt(version));
    END IF;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_require_meant(text, text, text, boolean, timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_require_meant(text, text, text, boolean, timestamptz) IS
    'Raises 55000 where a rollback would take back another version than only_version, and without only_version right '
    'after another rollback, or within an hour after a version took a canary''s place';

CREATE FUNCTION @extschema@.tw_roll_back(
    type text, why text, figures jsonb, at timestamptz, actor text, only_version text,
    OUT version text, OUT live_version text)
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    -- From model_versions, not from rollouts: a canary whose row there is missing still answers users.
    canary CONSTANT text := (SELECT m.version FROM @extschema@.model_versions m
                             WHERE m.model_type = type AND m.status = 'canary');
BEGIN
    version := coalesce(canary, (SELECT m.version FROM @extschema@.model_versions m
                                 WHERE m.model_type = type AND m.status = 'production'));
    PERFORM @extschema@.tw_require_meant(type, version, only_version, canary IS NULL, at);
    IF canary IS NOT NULL THEN
        PERFORM @extschema@.tw_end_canary(canary, 'rolled-back', why, figures, at, actor);
    ELSE
        live_version := @extschema@.tw_version_before(version);
        IF live_version IS NULL THEN
            RAISE EXCEPTION USING
                ERRCODE = 'object_not_in_prerequisite_state',
                MESSAGE = format('there is no rollout of model type "%s" to roll back', @extschema@.tw_excerpt(type)),
                DETAIL = coalesce(format('"%s" is live, and there is no earlier version to return to.',
                                         @extschema@.tw_excerpt(version)),
                                  'It has no live version.'),
                HINT = 'SELECT * FROM model_deployments; shows what was live when. Another candidate goes live with '
                       'promote_model(version, reason).';
        END IF;
        PERFORM @extschema@.tw_reinstate(version, live_version, why, figures, at, actor);
    END IF;
    SELECT m.version INTO live_version FROM @extschema@.model_versions m
    WHERE m.model_type = type AND m.status = 'production';
    PERFORM @extschema@.tw_notify(jsonb_build_object('event', 'rollback', 'model_type', type, 'version', version,
                                                     'live_version', live_version, 'actor', actor, 'at', at,
                                                     'reason', why));
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_roll_back(text, text, jsonb, timestamptz, text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_roll_back(text, text, jsonb, timestamptz, text, text) IS
    'Rolls back the canary of a type, or else its production version, and sends a NOTIFY';

CREATE FUNCTION @extschema@.tw_notice_nodes() RETURNS void
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    silent text;
BEGIN
    IF @extschema@.tw_fleet_role() = 'hub' AND EXISTS (SELECT FROM @extschema@.fleet_replies) THEN
        silent := (SELECT string_agg(r.node::text, ', ' ORDER BY r.node)
                   FROM @extschema@.fleet_replies r
                   WHERE r.received_at IS NULL OR r.received_at < clock_timestamp() - interval '1 minute');
        RAISE NOTICE USING
            MESSAGE = 'the nodes of the fleet get it in the order of their streams',
            DETAIL = CASE WHEN silent IS NULL THEN 'All have answered within the last minute.'
                          ELSE format('Node %s has not answered for a minute, and goes on as before until it is back.',
                                      silent) END,
            HINT = 'rollout_status.nodes_behind names those that have not got it.';
    END IF;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_notice_nodes() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_notice_nodes() IS
    'At the hub of a fleet, says that its nodes get a change later, and which have not answered lately';

CREATE FUNCTION @extschema@.rollback_rollout(
    model_type text, reason text, at timestamptz DEFAULT NULL, only_version text DEFAULT NULL, OUT version text,
    OUT live_version text)
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    PERFORM @extschema@.tw_bound_waits();
    PERFORM @extschema@.tw_lock_registry();
    PERFORM @extschema@.tw_require_type(model_type);
    IF @extschema@.tw_is_blank(reason) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = 'rolling a model back needs a reason',
            HINT = 'Pass a reason; it is stored in model_deployments, and sent to listeners.';
    END IF;
    SELECT b.version, b.live_version INTO version, live_version
    FROM @extschema@.tw_roll_back(model_type, reason, NULL, @extschema@.tw_change_time(at,
        (SELECT max(d.created_at) FROM @extschema@.model_deployments d
         WHERE d.model_type = rollback_rollout.model_type)), session_user, only_version) b;
    PERFORM @extschema@.tw_notice_nodes();
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.rollback_rollout(text, text, timestamptz, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.rollback_rollout(text, text, timestamptz, text) IS
    'Takes all sessions back at once from the version of model_type that is being rolled out. Without a rollout, the '
    'production version is replaced by its predecessor, however long ago it went live. only_version names the version '
    'that is meant (NULL: any), so that two people do not roll back two versions; it is required right after another '
    'rollback, and in the first hour of a version that took a canary''s place. If the version had half of the sessions '
    'or more, the samples that it labelled itself and that nobody has reviewed are pending from then on '
    '(training_samples.pending_reason), until it is live again. Returns the version that was rolled back and the one '
    'that is live now, and sends NOTIFY training_workflow. at is the time to count as now, for tests. Raises 42704 for '
    'an unknown type, 55000 where no version can be reinstated or another version is meant, 22023 without a reason, '
    'for a time before the last change or in the future, 55P03 where the registry is locked for 5 seconds';
