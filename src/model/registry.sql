-- The registry: version numbers, and models that were trained elsewhere.

CREATE FUNCTION @extschema@.next_model_version(model_type text DEFAULT 'router', major boolean DEFAULT false)
    RETURNS text
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT format('%s-v%s', model_type,
                  coalesce((SELECT CASE WHEN major THEN format('%s.0.0', n[1] + 1)
                                        ELSE format('%s.%s.0', n[1], n[2] + 1) END
                            FROM (SELECT string_to_array(regexp_replace(m.version, '^.*-v', ''), '.')::numeric[] AS n
                                  FROM @extschema@.model_versions m
                                  WHERE m.model_type = next_model_version.model_type) v
                            ORDER BY n DESC LIMIT 1), '1.0.0'))
    WHERE @extschema@.tw_check_model_type(model_type) IS NOT NULL;
END;
REVOKE ALL ON FUNCTION @extschema@.next_model_version(text, boolean) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.next_model_version(text, boolean) IS
    'The version number of the next training of model_type: v1.0.0 at first, then the highest one with its minor '
    'number plus one, or with its major number plus one if major is true. Raises 22023 for an unknown model type';

CREATE FUNCTION @extschema@.tw_last_conversation() RETURNS bigint
    LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    -- The sequence counts numbers that are given out and not committed yet; a subscriber's sequence does not move, so
    -- existing rows count there. In a fleet, the part of this database is meant.
    SELECT greatest(pg_sequence_last_value('@extschema@.conversation_logs_id_seq'::regclass),
                    CASE WHEN n.node IS NULL THEN (SELECT max(c.id) FROM @extschema@.conversation_logs c)
                         ELSE (SELECT max(c.id) FROM @extschema@.conversation_logs c
                               WHERE c.id >= @extschema@.tw_first_id(n.node)
                                 AND c.id < @extschema@.tw_first_id(n.node + 1)) END, 0)
    FROM (SELECT @extschema@.tw_fleet_node() AS node) n;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_last_conversation() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_last_conversation() IS
    'The highest number that a conversation has had so far; in a fleet, of those that this database captures';

CREATE FUNCTION @extschema@.tw_check_figures(training_accuracy double precision, training_seconds double precision,
                                             model_size_mb double precision)
    RETURNS void
    LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF training_accuracy NOT BETWEEN 0 AND 1 OR training_seconds < 0 OR training_seconds >= 'Infinity'
       OR model_size_mb < 0 OR model_size_mb >= 'Infinity' THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = 'a figure of the model is out of range',
            DETAIL = format('training_accuracy is %s, training_seconds %s, model_size_mb %s.',
                            coalesce(training_accuracy::text, 'NULL'), coalesce(training_seconds::text, 'NULL'),
                            coalesce(model_size_mb::text, 'NULL')),
            HINT = 'An accuracy is from 0 to 1; seconds and megabytes are finite and not negative. NULL stands for '
                   'unknown.';
    END IF;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_check_figures(double precision, double precision, double precision) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_check_figures(double precision, double precision, double precision) IS
    'Raises 22023 for a figure outside its range';

CREATE FUNCTION @extschema@.tw_artifact_format(bytes bytea) RETURNS text
    LANGUAGE c STABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'tw_artifact_format';
REVOKE ALL ON FUNCTION @extschema@.tw_artifact_format(bytea) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_artifact_format(bytea) IS
    'router for an artifact that classify_intent() can load, other for any other bytes. Raises XX001 (data_corrupted) '
    'for a damaged router artifact, 0A000 for one of a newer format';

CREATE FUNCTION @extschema@.tw_store_artifact(version text, bytes bytea) RETURNS void
    LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    INSERT INTO @extschema@.model_artifacts (version, format, sha256, size_bytes, bytes)
    VALUES (version, @extschema@.tw_artifact_format(bytes), encode(sha256(bytes), 'hex'), octet_length(bytes), bytes);
    UPDATE @extschema@.model_versions m SET model_size_mb = octet_length(bytes) / 1e6
    WHERE m.version = tw_store_artifact.version;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_store_artifact(text, bytea) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_store_artifact(text, bytea) IS
    'Stores the bytes of a version with their checksum, after a check of their format';

CREATE FUNCTION @extschema@.register_model(
    version text, model_type text, status text DEFAULT 'candidate', artifact bytea DEFAULT NULL,
    minio_path text DEFAULT NULL, sample_counts jsonb DEFAULT NULL, training_accuracy double precision DEFAULT NULL,
    training_seconds double precision DEFAULT NULL, model_size_mb double precision DEFAULT NULL,
    base_version text DEFAULT NULL)
    RETURNS text
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '5s'
AS $function$
BEGIN
    PERFORM @extschema@.tw_check_model_type(model_type);
    PERFORM @extschema@.tw_check_figures(training_accuracy, training_seconds, model_size_mb);
    PERFORM @extschema@.tw_lock_registry();
    IF version IS NULL OR version !~ '-v(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)$'
       OR regexp_replace(version, '-v[0-9.]+$', '') <> model_type THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('"%s" is not a version of model type "%s"',
                             coalesce(@extschema@.tw_excerpt(version), 'NULL'), @extschema@.tw_excerpt(model_type)),
            HINT = format('A version is the type and three numbers, for example %s-v1.0.0; the next one is %s.',
                          @extschema@.tw_excerpt(model_type),
                          @extschema@.tw_excerpt(@extschema@.next_model_version(model_type, false)));
    END IF;
    IF status IS NULL OR status NOT IN ('candidate', 'production') THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('a model cannot be registered as "%s"', coalesce(@extschema@.tw_excerpt(status), 'NULL')),
            HINT = 'Register it as candidate, or as production if it answers users today.';
    END IF;
    IF EXISTS (SELECT FROM @extschema@.model_versions m WHERE m.version = register_model.version) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'duplicate_object',
            MESSAGE = format('model version "%s" exists already', @extschema@.tw_excerpt(version)),
            HINT = format('A version never changes. The next one is %s.',
                          @extschema@.tw_excerpt(@extschema@.next_model_version(model_type, false)));
    END IF;
    IF status = 'production' AND EXISTS (SELECT FROM @extschema@.model_versions m
                                         WHERE m.model_type = register_model.model_type
                                           AND m.status IN ('production', 'canary')) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('model type "%s" has a live version already', @extschema@.tw_excerpt(model_type)),
            HINT = 'Register it as candidate, then promote_model(version, reason).';
    END IF;
    IF base_version IS NOT NULL THEN
        PERFORM @extschema@.tw_require_version(base_version);
    END IF;

    -- Its training data is unknown: any conversation so far may be part of it.
    INSERT INTO @extschema@.model_versions (version, model_type, status, minio_path, sample_counts, training_accuracy,
                                            training_seconds, model_size_mb, base_version, learned_to,
                                            nodes_learned_to)
    VALUES (version, model_type, 'candidate', minio_path, sample_counts, training_accuracy, training_seconds,
            model_size_mb, base_version,
            @extschema@.tw_last_conversation(), @extschema@.tw_newest_of_nodes());
    IF artifact IS NOT NULL THEN
        PERFORM @extschema@.tw_store_artifact(version, artifact);
    END IF;
    IF status = 'production' THEN
        PERFORM @extschema@.tw_make_live(version, 'registered as the live version', NULL::jsonb, NULL::timestamptz,
            session_user::text);
        IF NOT @extschema@.tw_is_servable(version) THEN
            RAISE NOTICE USING
                MESSAGE = format('"%s" is live, but classify_intent() cannot run it', @extschema@.tw_excerpt(version)),
                DETAIL = CASE WHEN artifact IS NULL THEN 'It was registered without an artifact.'
                              ELSE 'Its artifact is not one of the built-in trainer.' END,
                HINT = 'That is right if the application calls the model elsewhere. train_model() makes a version that '
                       'runs in the database.';
        END IF;
    END IF;
    RETURN version;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.register_model(
    text, text, text, bytea, text, jsonb, double precision, double precision, double precision, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.register_model(text, text, text, bytea, text, jsonb, double precision, double precision,
                                               double precision, text) IS
    'Registers a version of model_type that was trained elsewhere and returns it: with status candidate, or production '
    'where it is what answers today and the type has no live version yet. A router artifact can be served here, any '
    'other is only stored. minio_path is the model''s location; sample_counts counts by label source; '
    'training_accuracy is from 0 to 1, training_seconds in seconds, model_size_mb in megabytes (an artifact''s own '
    'size takes precedence); base_version is the version that it was compared with. NULL: none, or unknown. Raises '
    '22023 for an unknown type or status, a version that does not match its type and figures out of range, 42710 for a '
    'version that exists, 55000 for a second live version, 42704 for an unknown base_version, XX001 for a damaged '
    'artifact, 0A000 for one of a newer format, 55P03 where the registry is locked for 5 seconds';
