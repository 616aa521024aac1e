-- How samples wait after a rollback of the version that labelled them, until that version answers again.

CREATE FUNCTION @extschema@.tw_rollback_reason(version text) RETURNS text
    LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
RETURN version || ' was rolled back';
REVOKE ALL ON FUNCTION @extschema@.tw_rollback_reason(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_rollback_reason(text) IS
    'pending_reason of the samples that were taken back with this version';

CREATE FUNCTION @extschema@.tw_standing_rollback(version text) RETURNS bigint
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT max(d.id) FILTER (WHERE d.to_status = 'rolled-back' AND d.from_percentage >= 50)
    FROM @extschema@.model_deployments d
    WHERE d.version = tw_standing_rollback.version
    HAVING max(d.id) FILTER (WHERE d.to_status = 'rolled-back' AND d.from_percentage >= 50)
           > coalesce(max(d.id) FILTER (WHERE d.to_status = 'production'), 0);
END;
REVOKE ALL ON FUNCTION @extschema@.tw_standing_rollback(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_standing_rollback(text) IS
    'The entry in model_deployments of the rollback with which the samples of a version wait: from half of the '
    'sessions or more, and it was not live since; NULL = none';
