-- The live version: one production version of a type, made so by the gate, by a rollout or by hand.

CREATE FUNCTION @extschema@.tw_lock_registry() RETURNS void
    LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT @extschema@.tw_lock('registry'::text, 0::bigint);
END;
REVOKE ALL ON FUNCTION @extschema@.tw_lock_registry() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_lock_registry() IS
    'Takes the lock that every change of the live version needs, until the end of the transaction; to be taken before '
    'the current state is read';

CREATE FUNCTION @extschema@.tw_end_watch(type text, why text, at timestamptz) RETURNS void
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    UPDATE @extschema@.rollouts r SET status = 'finished', ended_at = at, end_reason = why
    WHERE r.model_type = type AND r.status = 'watching';
    IF FOUND THEN
        PERFORM @extschema@.tw_end_raised_audit(type, at, false);
    END IF;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_end_watch(text, text, timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_end_watch(text, text, timestamptz) IS
    'Ends the monitoring of a finished rollout of a type';

CREATE FUNCTION @extschema@.tw_make_live(
    version text, why text, figures jsonb DEFAULT NULL, at timestamptz DEFAULT NULL, actor text DEFAULT session_user)
    RETURNS text
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    promoted @extschema@.model_versions;
    previous @extschema@.model_versions;
    changed timestamptz;
BEGIN
    PERFORM @extschema@.tw_lock_registry();
    -- The transaction's start may be before a change that it waited for.
    SELECT * INTO promoted FROM @extschema@.model_versions m WHERE m.version = tw_make_live.version FOR UPDATE;
    -- The clock may have been set back: live_model_at() relies on the order of these times.
    changed := coalesce(at, greatest(clock_timestamp(), (SELECT max(d.created_at) FROM @extschema@.model_deployments d
                                                         WHERE d.model_type = promoted.model_type)));
    SELECT * INTO previous FROM @extschema@.model_versions m
    WHERE m.model_type = promoted.model_type AND m.status = 'production' FOR UPDATE;
    PERFORM @extschema@.tw_end_watch(promoted.model_type, format('%s went live', promoted.version), changed);

    IF previous.version IS NOT NULL THEN
        UPDATE @extschema@.model_versions m SET status = 'retired', traffic_percentage = 0, retired_at = changed
        WHERE m.version = previous.version;
        INSERT INTO @extschema@.model_deployments (model_type, version, previous_version, from_status, to_status,
                                                   from_percentage, to_percentage, actor, reason, created_at)
        VALUES (previous.model_type, previous.version, NULL, previous.status, 'retired',
                previous.traffic_percentage, 0, actor, 'superseded by ' || promoted.version, changed);
    END IF;
    UPDATE @extschema@.model_versions m
    SET status = 'production', traffic_percentage = 100, deployed_at = coalesce(m.deployed_at, changed),
        retired_at = NULL
    WHERE m.version = promoted.version;
    INSERT INTO @extschema@.model_deployments (model_type, version, previous_version, from_status, to_status,
                                               from_percentage, to_percentage, actor, reason, figures, created_at)
    VALUES (promoted.model_type, promoted.version, previous.version, promoted.status, 'production',
            promoted.traffic_percentage, 100, actor, why, coalesce(figures, jsonb_strip_nulls(
                jsonb_build_object('test_accuracy', promoted.test_accuracy, 'test_samples', promoted.test_samples,
                     'base_version', promoted.base_version, 'base_accuracy', promoted.base_accuracy))), changed);
    RETURN previous.version;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_make_live(text, text, jsonb, timestamptz, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_make_live(text, text, jsonb, timestamptz, text) IS
    'Makes a version the production version of its type, retires the previous one, and records both in '
    'model_deployments with a time and an actor (default: now, the session''s user). Returns the previous version';

CREATE FUNCTION @extschema@.promote_model(version text, reason text, despite_gate boolean DEFAULT false) RETURNS text
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    kind text;
    state text;
    canary text;
    is_first boolean;
BEGIN
    PERFORM @extschema@.tw_bound_waits();
    PERFORM @extschema@.tw_lock_registry();
    SELECT r.model_type, r.status INTO kind, state FROM @extschema@.tw_require_version(promote_model.version) r;
    is_first := NOT EXISTS (SELECT FROM @extschema@.model_versions m
                            WHERE m.model_type = kind AND m.status IN ('production', 'canary'));
    canary := (SELECT m.version FROM @extschema@.model_versions m WHERE m.model_type = kind AND m.status = 'canary');
    IF @extschema@.tw_is_blank(reason) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = 'promoting a model by hand needs a reason',
            HINT = 'Pass a reason; it is stored in model_deployments.';
    END IF;
    IF state <> 'candidate' AND NOT (state = 'rejected' AND (is_first OR coalesce(despite_gate, false))) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('model "%s" is %s, not a candidate', @extschema@.tw_excerpt(version), state),
            DETAIL = (SELECT coalesce('The gate: ' || @extschema@.tw_cut_text(m.gate_reason, 1000),
                                      'The gate has not evaluated it.')
                      FROM @extschema@.model_versions m WHERE m.version = promote_model.version),
            HINT = CASE state WHEN 'rejected'
                        THEN 'Train again, or evaluate it again with evaluate_model(version). To promote it all '
                             'the same: promote_model(version, reason, despite_gate => true).'
                        WHEN 'rolled-back' THEN 'start_rollout(version, reason) tries it again.'
                        ELSE 'Only candidates can be promoted by hand.' END;
    END IF;
    IF canary IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('"%s" is being rolled out', @extschema@.tw_excerpt(canary)),
            HINT = 'Finish or roll back that rollout first.';
    END IF;
    PERFORM @extschema@.tw_require_stored(version);
    RETURN @extschema@.tw_make_live(version, reason, CASE state WHEN 'rejected' THEN (
        SELECT jsonb_strip_nulls(jsonb_build_object('despite_gate', true, 'gate_reason', m.gate_reason,
                                                    'test_accuracy', m.test_accuracy, 'test_samples', m.test_samples,
                                                    'base_version', m.base_version, 'base_accuracy', m.base_accuracy))
        FROM @extschema@.model_versions m WHERE m.version = promote_model.version) END, NULL::timestamptz,
            session_user::text);
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.promote_model(text, text, boolean) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.promote_model(text, text, boolean) IS
    'Makes the version, a candidate, the production version of its type at once, by a person''s decision, and returns '
    'the version that it replaced (NULL: none). A version that the gate rejected is accepted where nothing of the type '
    'is live, or with despite_gate; the figures in model_deployments record that, beside the reason. Raises 42704 for '
    'an unknown version, 55000 for one that is no candidate or is yet to be stored by store_model_artifacts(), or '
    'while another is rolled out, 22023 without a reason, 55P03 where the registry is locked for 5 seconds';
