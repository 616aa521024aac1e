-- Models in the object store: each version that the gate has not rejected is
-- stored before it can go live, and can be fetched back.

CREATE FUNCTION @extschema@.tw_artifact_manifest(version text) RETURNS text
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT jsonb_pretty(jsonb_build_object(
        'version', m.version, 'model_type', m.model_type, 'format', a.format, 'sha256', a.sha256, 'size_bytes',
        a.size_bytes, 'created_at', to_char(m.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
        'extension_version', (SELECT e.extversion FROM pg_extension e WHERE e.extname = 'training_workflow'),
        'base_version', m.base_version, 'sample_counts', m.sample_counts, 'training_seconds', m.training_seconds,
        'gate_decision', m.gate_decision, 'gate_reason', m.gate_reason,
        'metrics', jsonb_build_object(
            'training_accuracy', m.training_accuracy, 'test_accuracy', m.test_accuracy, 'test_accuracy_lower',
            m.test_accuracy_lower, 'test_accuracy_upper', m.test_accuracy_upper, 'test_samples', m.test_samples,
            'macro_f1', m.macro_f1, 'calibration_error', m.calibration_error, 'base_accuracy', m.base_accuracy,
            'mcnemar_p', m.mcnemar_p))) || E'\n'
    FROM @extschema@.model_versions m JOIN @extschema@.model_artifacts a ON a.version = m.version
    WHERE m.version = tw_artifact_manifest.version;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_artifact_manifest(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_artifact_manifest(text) IS
    'The manifest that is stored beside an artifact: a version''s origin, training data and figures, as JSON text; '
    'NULL for a version without an artifact in this database';

CREATE FUNCTION @extschema@.tw_upload_artifact(server text, artifact @extschema@.model_artifacts, model_type text,
                                               OUT location text, OUT sha256 text)
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    folder CONSTANT text := format('%s/%s', model_type, artifact.version);
    there record;
BEGIN
    IF artifact.sha256 <> encode(sha256(artifact.bytes), 'hex') THEN
        RAISE EXCEPTION USING
            ERRCODE = 'data_corrupted',
            MESSAGE = format('the artifact of model "%s" is damaged', @extschema@.tw_excerpt(artifact.version)),
            HINT = 'Restore its row of model_artifacts from a backup, or train again.';
    END IF;
    SELECT * INTO there FROM @extschema@.tw_s3_head(server, folder || '/model.bin');
    IF there.is_there AND there.sha256 IS NULL THEN
        -- The checksum in the object's metadata is lost when other tools restore a bucket.
        there.sha256 := (@extschema@.tw_s3_read(server, folder || '/model.bin')).sha256;
    END IF;
    IF there.is_there AND there.sha256 IS DISTINCT FROM artifact.sha256 THEN
        RAISE EXCEPTION USING
            ERRCODE = 'duplicate_object',
            MESSAGE = format('object store "%s" has another %s/model.bin already', server,
                             @extschema@.tw_excerpt(folder)),
            DETAIL = format('The artifact of this database has the SHA-256 %s, the object %s.', artifact.sha256,
                            there.sha256),
            HINT = 'Another database may store its models under the same prefix: give each a prefix of its own (ALTER '
                   'SERVER), or move that object away.';
    END IF;
    SELECT p.location, p.sha256 INTO location, sha256
    FROM @extschema@.tw_s3_put(server, folder || '/model.bin', artifact.bytes, true) p;
    PERFORM @extschema@.tw_s3_put(server, folder || '/manifest.json',
        convert_to(@extschema@.tw_artifact_manifest(artifact.version), 'UTF8'), false);
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_upload_artifact(text, @extschema@.model_artifacts, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_upload_artifact(text, @extschema@.model_artifacts, text) IS
    'Stores an artifact and its manifest below <prefix>/<model_type>/<version>, verified by reading them back. Raises '
    '42710 where a different object is stored under that key, XX001 for a damaged artifact, and as tw_s3_put() does';

CREATE FUNCTION @extschema@.tw_verify_artifact(server text, claimed text, OUT location text, OUT sha256 text)
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    said text := (@extschema@.tw_s3_head(server, claimed)).sha256;
BEGIN
    location := claimed;
    sha256 := (@extschema@.tw_s3_read(server, claimed)).sha256;
    IF said <> sha256 THEN
        RAISE EXCEPTION USING
            ERRCODE = 'data_corrupted',
            MESSAGE = format('%s in store "%s" was changed or is damaged', @extschema@.tw_excerpt(claimed), server),
            DETAIL = format('Its SHA-256 is %s, that in its metadata %s.', sha256, said);
    END IF;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_verify_artifact(text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_verify_artifact(text, text) IS
    'Reads a model''s object that another program stored, and returns its location and SHA-256. Raises XX001 where '
    'the metadata of the object has another SHA-256';

CREATE FUNCTION @extschema@.tw_go_live_when_stored(version text) RETURNS boolean
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    m @extschema@.model_versions;
BEGIN
    SELECT * INTO STRICT m FROM @extschema@.model_versions x WHERE x.version = tw_go_live_when_stored.version;
    -- The conditions under which the gate makes a stored version live.
    IF m.status <> 'candidate' OR m.gate_decision IS DISTINCT FROM 'passed' OR m.base_version IS NOT NULL
       OR @extschema@.training_setting('auto_deploy') <> 'on'
       OR EXISTS (SELECT FROM @extschema@.model_versions o
                  WHERE o.model_type = m.model_type AND o.status IN ('production', 'canary')) THEN
        RETURN false;
    END IF;
    PERFORM @extschema@.tw_make_live(version, 'the first of its type, it passed the gate, and its artifact is stored: '
        || split_part(m.gate_reason, ';', 1), NULL::jsonb, NULL::timestamptz, session_user::text);
    RETURN true;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_go_live_when_stored(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_go_live_when_stored(text) IS
    'Makes a version live that is the first of its type, passed the gate and waited for the object store; returns '
    'whether it did';

CREATE FUNCTION @extschema@.tw_note_stored(model_version text, at_location text, with_sha256 text) RETURNS boolean
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    PERFORM @extschema@.tw_lock_registry();
    UPDATE @extschema@.model_versions m
    SET minio_path = at_location, artifact_sha256 = with_sha256, artifact_stored_at = clock_timestamp(),
        artifact_error = NULL
    WHERE m.version = model_version;
    RETURN @extschema@.tw_go_live_when_stored(model_version);
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_note_stored(text, text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_note_stored(text, text, text) IS
    'Records the verified location of a version''s artifact, and makes the version live if it waited for that; '
    'returns whether it did';

CREATE FUNCTION @extschema@.tw_note_not_stored(run bigint, model_version text, tried text[], code text, message text)
    RETURNS boolean
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    -- After these errors every other upload would fail as well.
    is_over CONSTANT boolean := model_version IS NULL OR left(code, 2) IN ('08', '53');
BEGIN
    PERFORM @extschema@.tw_lock_registry();
    UPDATE @extschema@.model_versions m SET artifact_error = message
    FROM @extschema@.tw_unstored_versions() u
    WHERE u.version = m.version AND m.artifact_stored_at IS NULL
      AND (u.version = model_version OR is_over AND u.version <> ALL (tried));
    PERFORM @extschema@.tw_fail_run(run, code, message);
    RAISE WARNING '%', message USING ERRCODE = code;
    RETURN NOT is_over;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_note_not_stored(bigint, text, text[], text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_note_not_stored(bigint, text, text[], text, text) IS
    'Records why a version (model_version NULL: every version that was not tried) could not be stored; returns false '
    'where the next ones would fail as well';

CREATE FUNCTION @extschema@.tw_store_step(run bigint, state jsonb, at timestamptz) RETURNS jsonb
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    tried CONSTANT text[] := ARRAY(SELECT jsonb_array_elements_text(state -> 'tried'));
    store record;
    m @extschema@.model_versions;
    following jsonb;
    artifact @extschema@.model_artifacts;
    at_location text;
    with_sha256 text;
    code text;
    message text;
    detail text;
    hint text;
BEGIN
    SELECT * INTO store FROM @extschema@.tw_artifact_server();
    IF store.problem IS NOT NULL THEN
        PERFORM @extschema@.tw_note_not_stored(run, NULL::text, tried, '55000'::text, store.problem);
        RETURN NULL;
    END IF;
    SELECT * INTO m FROM @extschema@.tw_unstored_versions() u
    WHERE u.version <> ALL (tried) AND store.is_wanted LIMIT 1;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    following := jsonb_build_object('tried', tried || m.version);
    -- No lock is held during requests to the store.
    BEGIN
        SELECT * INTO artifact FROM @extschema@.model_artifacts a WHERE a.version = m.version;
        IF FOUND THEN
            SELECT u.location, u.sha256 INTO at_location, with_sha256
            FROM @extschema@.tw_upload_artifact(store.server, artifact, m.model_type) u;
        ELSE
            SELECT v.location, v.sha256 INTO at_location, with_sha256
            FROM @extschema@.tw_verify_artifact(store.server, m.minio_path) v;
        END IF;
    EXCEPTION WHEN OTHERS THEN
        GET STACKED DIAGNOSTICS code = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL,
                                hint = PG_EXCEPTION_HINT;
        message := concat_ws('. ', message, nullif(rtrim(detail, '.'), ''), nullif(hint, ''));
    END;
    IF code IS NOT NULL THEN
        RETURN CASE WHEN @extschema@.tw_note_not_stored(run, m.version, tried, code, message) THEN following END;
    END IF;
    PERFORM @extschema@.tw_note_run(run, m.version, jsonb_build_object(
        'stored', 1, 'live', @extschema@.tw_note_stored(m.version, at_location, with_sha256)::integer), true);
    RETURN following;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_store_step(bigint, jsonb, timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_store_step(bigint, jsonb, timestamptz) IS
    'One step of store_model_artifacts(), as tw_job_step() calls it: stores the next version that this run has not '
    'tried; errors are recorded, not raised';

CREATE PROCEDURE @extschema@.store_model_artifacts()
    LANGUAGE plpgsql
AS $procedure$
BEGIN
    IF @extschema@.tw_artifacts_wait() THEN
        CALL @extschema@.tw_run_job('store_model_artifacts'::pg_catalog.text, NULL::pg_catalog.text,
                                    NULL::pg_catalog.timestamptz);
    END IF;
END
$procedure$;
REVOKE ALL ON PROCEDURE @extschema@.store_model_artifacts() FROM PUBLIC;
COMMENT ON PROCEDURE @extschema@.store_model_artifacts() IS
    'Stores the artifacts of all candidates and live versions that are not in the object store yet, each with a '
    'manifest, and reads them back. Of a model that is in the store already, the object is read. Sets minio_path, '
    'artifact_sha256 and artifact_stored_at of verified versions, artifact_error of the others. While auto_deploy is '
    'on, the first version of a type that passed the gate then goes live. Commits between steps. Does nothing without '
    'an S3 server or a version to store, or on a standby. Raises 2D000 inside a transaction, 25001 inside a block with '
    'EXCEPTION';

CREATE FUNCTION @extschema@.tw_server_of_artifact(location text) RETURNS text
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    wanted CONSTANT text := substring(location FROM '^s3://([^/]+)/');
    found text := (SELECT s.name FROM unnest(@extschema@.tw_s3_servers()) AS s (name)
                   WHERE @extschema@.tw_s3_option(s.name, 'bucket') = wanted
                   ORDER BY s.name IS DISTINCT FROM (@extschema@.tw_artifact_server()).server, s.name LIMIT 1);
BEGIN
    IF found IS NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('no S3 server has the bucket of %s', @extschema@.tw_excerpt(location)),
            HINT = format('CREATE SERVER ... FOREIGN DATA WRAPPER training_workflow_s3 OPTIONS (endpoint ''...'', '
                          'bucket %L);', wanted);
    END IF;
    RETURN found;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_server_of_artifact(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_server_of_artifact(text) IS
    'The S3 server that has the bucket of a location. Raises 55000 where there is none';

CREATE FUNCTION @extschema@.fetch_model_artifact(
    version text, OUT restored boolean, OUT size_bytes bigint, OUT sha256 text)
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    m @extschema@.model_versions;
    fetched bytea;
BEGIN
    PERFORM @extschema@.tw_require_version(version);
    SELECT * INTO m FROM @extschema@.model_versions x WHERE x.version = fetch_model_artifact.version;
    IF m.artifact_stored_at IS NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('the artifact of model "%s" is not in the object store', @extschema@.tw_excerpt(version)),
            DETAIL = coalesce(@extschema@.tw_cut_text(m.artifact_error, 1000), 'No upload was tried yet.'),
            HINT = 'CALL store_model_artifacts() stores those of candidates and live versions.';
    END IF;
    sha256 := m.artifact_sha256;
    size_bytes := (SELECT octet_length(a.bytes) FROM @extschema@.model_artifacts a
                   WHERE a.version = m.version AND a.sha256 = m.artifact_sha256
                     AND encode(sha256(a.bytes), 'hex') = m.artifact_sha256
                     AND a.size_bytes = octet_length(a.bytes));
    restored := size_bytes IS NULL;
    IF NOT restored THEN
        RETURN;
    END IF;
    PERFORM @extschema@.tw_require_acting();
    fetched := @extschema@.tw_s3_get(@extschema@.tw_server_of_artifact(m.minio_path), m.minio_path, m.artifact_sha256);
    size_bytes := octet_length(fetched);
    INSERT INTO @extschema@.model_artifacts AS a (version, format, sha256, size_bytes, bytes)
    VALUES (m.version, @extschema@.tw_artifact_format(fetched), m.artifact_sha256, octet_length(fetched), fetched)
    ON CONFLICT ON CONSTRAINT model_artifacts_pkey DO UPDATE
    SET format = excluded.format, sha256 = excluded.sha256, size_bytes = excluded.size_bytes, bytes = excluded.bytes;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.fetch_model_artifact(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.fetch_model_artifact(text) IS
    'Fetches the artifact of a version from the object store where its row of model_artifacts is missing or damaged; '
    'the bytes must have the checksum that was recorded when it was stored. Returns whether the row was restored '
    '(restored), and the artifact''s size in bytes and SHA-256. Raises 42704 for an unknown version; 55000 for one '
    'that is not stored, where no server has its bucket, and on a restored copy; XX001 where the object has changed '
    'since; and 28000, 42704, 53000, 08001, 08006, 08P01 for errors of the store as s3_check() explains them';
