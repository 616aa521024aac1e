-- live_model_at(): the versions that were live at a time, from model_deployments.

CREATE FUNCTION @extschema@.tw_require_type(type text) RETURNS void
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF NOT EXISTS (SELECT FROM @extschema@.model_versions m WHERE m.model_type = type) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'undefined_object',
            MESSAGE = format('there is no model of type "%s"', coalesce(@extschema@.tw_excerpt(type), 'NULL')),
            HINT = 'SELECT DISTINCT model_type FROM model_versions; shows the types.';
    END IF;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_require_type(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_require_type(text) IS 'Raises 42704 for a type without any version';

CREATE FUNCTION @extschema@.live_model_at(
    model_type text, "time" timestamptz DEFAULT now(),
    OUT version text, OUT since timestamptz, OUT reason text, OUT canary_version text, OUT canary_percentage integer)
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    PERFORM @extschema@.tw_require_type(model_type);
    SELECT d.version, d.created_at, d.reason INTO version, since, reason
    FROM @extschema@.model_deployments d
    WHERE d.model_type = live_model_at.model_type AND d.created_at <= "time" AND d.to_status = 'production'
    ORDER BY d.created_at DESC, d.id DESC LIMIT 1;
    -- The canary's last change says whether it still is the canary.
    SELECT c.version, c.to_percentage INTO canary_version, canary_percentage
    FROM (SELECT DISTINCT ON (d.version) d.version, d.to_status, d.to_percentage
          FROM @extschema@.model_deployments d
          WHERE d.model_type = live_model_at.model_type AND d.created_at <= "time"
          ORDER BY d.version, d.created_at DESC, d.id DESC) c
    WHERE c.to_status = 'canary';
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.live_model_at(text, timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.live_model_at(text, timestamptz) IS
    'The version of model_type that was in production at a time, since when and why, and the canary beside it with its '
    'percentage of the sessions; NULL where there was none. Raises 42704 for a type without any version';
