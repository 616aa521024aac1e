-- Which models have to be in the object store before they go live, and which of them are.

CREATE FUNCTION @extschema@.tw_artifact_server(OUT is_wanted boolean, OUT server text, OUT problem text)
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    setting CONSTANT text := @extschema@.training_setting('artifact_server');
    servers CONSTANT text[] := @extschema@.tw_s3_servers();
BEGIN
    is_wanted := setting <> 'none' AND (setting <> 'auto' OR cardinality(servers) > 0);
    IF NOT is_wanted THEN
        RETURN;
    ELSIF setting = ANY (servers) THEN
        server := setting;
    ELSIF setting <> 'auto' THEN
        problem := format('The training setting artifact_server names "%s", which is not an S3 server.', setting);
    ELSIF cardinality(servers) = 1 THEN
        server := servers[1];
    ELSE
        problem := format('There are several S3 servers: name the one for models, as in SELECT '
                          'set_training_setting(''artifact_server'', %L);', servers[1]);
    END IF;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_artifact_server() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_artifact_server() IS
    'Whether models have to be in an object store before they go live, and the server of that store; problem says why '
    'none can be determined (NULL: none)';

CREATE FUNCTION @extschema@.tw_can_be_verified(location text) RETURNS boolean
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
RETURN (SELECT coalesce(starts_with(location, format('s3://%s/%s', @extschema@.tw_s3_option(a.server, 'bucket'),
                                                 regexp_replace(@extschema@.tw_s3_option(a.server, 'prefix'), '/*$',
                                                                '/'))), false)
        FROM @extschema@.tw_artifact_server() a);
REVOKE ALL ON FUNCTION @extschema@.tw_can_be_verified(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_can_be_verified(text) IS
    'Whether the location of a model that another program stored can be read: it is in the bucket, and below the '
    'prefix, of the store for models';

CREATE FUNCTION @extschema@.tw_is_stored(version text) RETURNS boolean
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
RETURN NOT (@extschema@.tw_artifact_server()).is_wanted
       OR EXISTS (SELECT FROM @extschema@.model_versions m
                  WHERE m.version = tw_is_stored.version AND m.artifact_stored_at IS NOT NULL
                  AND @extschema@.tw_can_be_verified(m.minio_path));
REVOKE ALL ON FUNCTION @extschema@.tw_is_stored(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_is_stored(text) IS
    'Whether a version may go live with regard to the object store: its artifact was verified there, or there is no '
    'store';

CREATE FUNCTION @extschema@.tw_require_stored(version text) RETURNS void
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    m @extschema@.model_versions;
BEGIN
    IF @extschema@.tw_is_stored(version) THEN
        RETURN;
    END IF;
    SELECT * INTO m FROM @extschema@.model_versions x WHERE x.version = tw_require_stored.version;
    RAISE EXCEPTION USING
        ERRCODE = 'object_not_in_prerequisite_state',
        MESSAGE = format('the artifact of model "%s" is not in the object store', @extschema@.tw_excerpt(version)),
        DETAIL = CASE WHEN EXISTS (SELECT FROM @extschema@.model_artifacts a WHERE a.version = m.version)
                           OR @extschema@.tw_can_be_verified(m.minio_path)
                      THEN coalesce(@extschema@.tw_cut_text(m.artifact_error, 1000), 'No upload was tried yet.')
                      WHEN m.minio_path IS NULL THEN 'It was registered with neither an artifact nor a minio_path.'
                      ELSE format('%s is not below the prefix of the store for models, where it could be verified.',
                                  @extschema@.tw_excerpt(m.minio_path)) END,
        HINT = 'CALL store_model_artifacts(); then try again. Where models need not be stored: SELECT '
               'set_training_setting(''artifact_server'', ''none'');';
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_require_stored(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_require_stored(text) IS
    'Raises 55000 for a version that must not go live before its artifact is stored';

CREATE FUNCTION @extschema@.tw_unstored_versions() RETURNS SETOF @extschema@.model_versions
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    -- A candidate that the gate left undecided is included: a person may still promote it. The newest comes first and
    -- goes live.
    SELECT m.* FROM @extschema@.model_versions m
    -- The store for models may have changed since.
    WHERE m.status IN ('candidate', 'canary', 'production') AND (m.artifact_stored_at IS NULL
           OR (@extschema@.tw_artifact_server()).server IS NOT NULL
           AND NOT @extschema@.tw_can_be_verified(m.minio_path))
      AND (EXISTS (SELECT FROM @extschema@.model_artifacts a WHERE a.version = m.version)
           OR @extschema@.tw_can_be_verified(m.minio_path))
    ORDER BY m.created_at DESC, string_to_array(regexp_replace(m.version, '^.*-v', ''), '.')::numeric[] DESC;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_unstored_versions() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_unstored_versions() IS
    'Candidates and live versions whose artifact is not verified in the store yet';

CREATE FUNCTION @extschema@.tw_artifacts_wait() RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
RETURN (@extschema@.tw_artifact_server()).is_wanted
    AND (EXISTS (SELECT FROM @extschema@.tw_unstored_versions())
         -- A run that was cut off after its last artifact: the next run ends its row.
         OR EXISTS (SELECT FROM @extschema@.job_runs r
                    WHERE r.job_name = 'store_model_artifacts' AND r.status = 'running'));
REVOKE ALL ON FUNCTION @extschema@.tw_artifacts_wait() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_artifacts_wait() IS 'Whether store_model_artifacts() has something to do';
