-- CALL export_training_samples_to_s3(): an export to an object of a store, stored completely and verified, or not at
-- all.

CREATE FUNCTION @extschema@.tw_begin_s3_export(key text, filter jsonb, format text, overwrite boolean, server text)
    RETURNS bigint
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    store text;
BEGIN
    PERFORM @extschema@.tw_require_acting();
    IF key IS NULL OR overwrite IS NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'null_value_not_allowed',
            MESSAGE = format('%s must not be NULL', CASE WHEN key IS NULL THEN 'key' ELSE 'overwrite' END);
    END IF;
    IF key LIKE 's3://%' OR key ~ '^[^/]+/[^/]+-v[0-9]+[.][0-9]+[.][0-9]+/' THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('"%s" cannot be the key of an export', @extschema@.tw_excerpt(key)),
            DETAIL = CASE WHEN key LIKE 's3://%' THEN 'A key is relative to the prefix of the server.'
                          ELSE 'Models are stored there.' END,
            HINT = 'For example ''exports/samples.jsonl''.';
    END IF;
    store := @extschema@.tw_s3_server(server);
    RETURN @extschema@.tw_begin_export(filter || jsonb_build_object('overwrite', overwrite, 'server', store), format,
                                       @extschema@.tw_s3_location(store, key));
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_begin_s3_export(text, jsonb, text, boolean, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_begin_s3_export(text, jsonb, text, boolean, text) IS
    'First transaction of export_training_samples_to_s3(): checks the request, and returns the id of a row with status '
    'running';

CREATE FUNCTION @extschema@.tw_put_export(job @extschema@.training_export_jobs, OUT row_count bigint,
    OUT byte_count bigint, OUT sha256 text,
    OUT skipped_too_long bigint)
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    server CONSTANT text := job.filter ->> 'server';
    written record;
BEGIN
    IF NOT (job.filter ->> 'overwrite')::boolean AND (@extschema@.tw_s3_head(server, job.location)).is_there THEN
        RAISE EXCEPTION USING
            ERRCODE = 'duplicate_object',
            MESSAGE = format('%s exists already', @extschema@.tw_excerpt(job.location)),
            HINT = 'Choose another key, or pass overwrite => true.';
    END IF;
    SELECT * INTO STRICT written FROM @extschema@.tw_export_to_temporary(job.filter, job.format);
    PERFORM @extschema@.tw_s3_put_file(server, job.location, written.path, written.byte_count, written.sha256,
                                       NOT (job.filter ->> 'overwrite')::boolean);
    row_count := written.row_count;
    byte_count := written.byte_count;
    sha256 := written.sha256;
    skipped_too_long := written.skipped_too_long;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_put_export(@extschema@.training_export_jobs) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_put_export(@extschema@.training_export_jobs) IS
    'Writes an export to a temporary file, stores it as an object and reads it back. Raises 42710 for an existing '
    'object, and the errors of tw_s3_put_file()';

CREATE FUNCTION @extschema@.tw_run_s3_export(
    export_id bigint, OUT error_code text, OUT error_message text, OUT error_detail text, OUT error_hint text)
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    job @extschema@.training_export_jobs;
    stored record;
BEGIN
    job := @extschema@.tw_require_export(export_id, true);
    BEGIN
        SELECT * INTO STRICT stored FROM @extschema@.tw_put_export(job);
    -- OTHERS does not include a cancel, which the row must record as well.
    EXCEPTION WHEN OTHERS OR query_canceled THEN
        GET STACKED DIAGNOSTICS error_code = RETURNED_SQLSTATE, error_message = MESSAGE_TEXT,
                                error_detail = PG_EXCEPTION_DETAIL, error_hint = PG_EXCEPTION_HINT;
        IF left(error_code, 2) IN ('08', '57') AND error_code <> '08001' THEN
            error_detail := concat_ws(' ', nullif(error_detail, ''),
                                      'The object may exist all the same: overwrite => true replaces it.');
        END IF;
        PERFORM @extschema@.tw_end_export(export_id, NULL::bigint, NULL::bigint, NULL::text,
            concat_ws('. ', error_message, nullif(error_detail, '')), NULL::bigint);
        RETURN;
    END;
    PERFORM @extschema@.tw_end_export(export_id, stored.row_count, stored.byte_count, stored.sha256, NULL::text,
        stored.skipped_too_long);
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_run_s3_export(bigint) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_run_s3_export(bigint) IS
    'Second transaction of export_training_samples_to_s3(): stores the object and ends the row; returns the error, '
    'NULL if none. No row is locked during the requests';

-- No SET and no SECURITY DEFINER: a procedure with either cannot COMMIT. So every name is qualified.
CREATE PROCEDURE @extschema@.export_training_samples_to_s3(
    key text, review_status text DEFAULT 'approved', languages text[] DEFAULT NULL, module_types text[] DEFAULT NULL,
    sources text[] DEFAULT NULL, since timestamptz DEFAULT NULL, "limit" bigint DEFAULT NULL,
    format text DEFAULT 'jsonl', include_split text DEFAULT 'train', overwrite boolean DEFAULT false,
    server text DEFAULT NULL)
    LANGUAGE plpgsql
AS $procedure$
DECLARE
    export_id bigint;
    code pg_catalog.text;
    message pg_catalog.text;
    detail pg_catalog.text;
    hint pg_catalog.text;
BEGIN
    export_id := @extschema@.tw_begin_s3_export(key,
        @extschema@.tw_export_filter(review_status, languages, module_types, sources, since, "limit", format,
                                     include_split),
        format, overwrite, server);
    COMMIT;
    SELECT r.error_code, r.error_message, r.error_detail, r.error_hint INTO code, message, detail, hint
    FROM @extschema@.tw_run_s3_export(export_id) r;
    COMMIT;
    -- The failure is committed: the error raised now does not undo the record.
    IF code IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = code,
            MESSAGE = message,
            DETAIL = pg_catalog.concat_ws(' ', CASE WHEN detail OPERATOR(pg_catalog.<>) '' THEN detail END,
                                          pg_catalog.format('This is export %s of training_export_jobs.', export_id)),
            HINT = CASE WHEN hint OPERATOR(pg_catalog.<>) '' THEN hint
                   ELSE 'SELECT * FROM training_export_jobs shows every export.' END;
    END IF;
END
$procedure$;
REVOKE ALL ON PROCEDURE @extschema@.export_training_samples_to_s3(
    text, text, text[], text[], text[], timestamptz, bigint, text, text, boolean, text) FROM PUBLIC;
COMMENT ON PROCEDURE @extschema@.export_training_samples_to_s3(
    text, text, text[], text[], text[], timestamptz, bigint, text, text, boolean, text) IS
    'Stores the result of export_training_samples() (review_status, languages, module_types, sources, since, limit, '
    'format, include_split: as there) under key on an S3 server (NULL: the only one), below the server''s prefix, '
    'reads it back, and records it in training_export_jobs, failures too. Raises 42710 for an existing object, unless '
    'overwrite; 22023 for an invalid key and as export_training_samples(); 22004 for a NULL key or overwrite; 42704 '
    'where there is no server, 42P08 where several are and none is named; 55000 on a restored copy, 25006 on a '
    'standby; 28000, 42704, 53000, 53100, 54000, 08001, 08006, 08P01 and XX001 for errors of the store as s3_check() '
    'explains them; 2D000 inside a transaction, since it commits';

CREATE PROCEDURE @extschema@.export_training_samples_to_s3(
    key text, review_status text[], languages text[] DEFAULT NULL, module_types text[] DEFAULT NULL,
    sources text[] DEFAULT NULL, since timestamptz DEFAULT NULL, "limit" bigint DEFAULT NULL,
    format text DEFAULT 'jsonl', include_split text DEFAULT 'train', overwrite boolean DEFAULT false,
    server text DEFAULT NULL)
    LANGUAGE plpgsql
AS $procedure$
BEGIN
    CALL @extschema@.export_training_samples_to_s3(key, review_status::pg_catalog.text, languages,
        module_types, sources, since, "limit", format, include_split, overwrite, server);
END
$procedure$;
REVOKE ALL ON PROCEDURE @extschema@.export_training_samples_to_s3(
    text, text[], text[], text[], text[], timestamptz, bigint, text, text, boolean, text) FROM PUBLIC;
COMMENT ON PROCEDURE @extschema@.export_training_samples_to_s3(
    text, text[], text[], text[], text[], timestamptz, bigint, text, text, boolean, text) IS
    'The same for clients that send an array as one: writes samples of every status in review_status (NULL = all); '
    'key, languages, module_types, sources, since, limit, format, include_split, overwrite and server as in the form '
    'with a text. Raises what that form raises';
