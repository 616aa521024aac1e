-- CALL export_training_samples_to_file(): an export to a file of the server, written completely or not at all.

CREATE FUNCTION @extschema@.tw_check_export_path(path text, overwrite boolean) RETURNS void
    LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'tw_check_export_path';
REVOKE ALL ON FUNCTION @extschema@.tw_check_export_path(text, boolean) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_check_export_path(text, boolean) IS
    'Raises an error for a path that no export may be written to: relative, with .., inside the data directory, an '
    'existing file, or not a regular file';

CREATE FUNCTION @extschema@.tw_export_file(
    review_status text, languages text[], module_types text[], sources text[], since timestamptz, "limit" bigint,
    format text, include_split text, path text, overwrite boolean, id bigint, OUT row_count bigint,
    OUT byte_count bigint,
        OUT sha256 text, OUT skipped_too_long bigint)
    LANGUAGE c VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp SET jit = off
    AS 'MODULE_PATHNAME', 'tw_export_file';
REVOKE ALL ON FUNCTION @extschema@.tw_export_file(text, text[], text[], text[], timestamptz, bigint, text, text, text,
                                                  boolean, bigint) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_export_file(text, text[], text[], text[], timestamptz, bigint, text, text, text,
                                               boolean, bigint) IS
    'Writes an export to a temporary file in the target directory, and renames it when it is complete and flushed to '
    'disk';

CREATE FUNCTION @extschema@.tw_require_file_access() RETURNS void
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF NOT pg_has_role(@extschema@.tw_calling_role_id(), 'pg_write_server_files', 'USAGE') THEN
        RAISE EXCEPTION USING
            ERRCODE = 'insufficient_privilege',
            MESSAGE = 'permission denied to write a file of the server',
            DETAIL = format('Role "%s" does not have the privileges of pg_write_server_files.',
                            @extschema@.tw_calling_role()),
            HINT = 'Write what export_training_samples() returns to a file of your own (psql -At -o file), or have the '
                   'role granted.';
    END IF;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_require_file_access() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_require_file_access() IS
    'Raises 42501 for callers who may not write files of the server';

CREATE FUNCTION @extschema@.tw_begin_file_export(path text, filter jsonb, format text, overwrite boolean) RETURNS bigint
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    PERFORM @extschema@.tw_require_file_access();
    IF path IS NULL OR overwrite IS NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'null_value_not_allowed',
            MESSAGE = format('%s must not be NULL', CASE WHEN path IS NULL THEN 'path' ELSE 'overwrite' END);
    END IF;
    PERFORM @extschema@.tw_check_export_path(path, overwrite);
    RETURN @extschema@.tw_begin_export(filter || jsonb_build_object('overwrite', overwrite), format, path);
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_begin_file_export(text, jsonb, text, boolean) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_begin_file_export(text, jsonb, text, boolean) IS
    'First transaction of export_training_samples_to_file(): checks the request, and returns the id of a row with '
    'status running';

CREATE FUNCTION @extschema@.tw_run_file_export(
    export_id bigint, OUT error_code text, OUT error_message text, OUT error_hint text)
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    job @extschema@.training_export_jobs;
    written record;
BEGIN
    PERFORM @extschema@.tw_require_file_access();
    job := @extschema@.tw_require_export(export_id, false);
    BEGIN
        SELECT w.* INTO STRICT written
        FROM jsonb_to_record(job.filter) AS f (review_status text, languages text[], module_types text[],
                                               sources text[], since timestamptz, "limit" bigint, include_split text,
                                               overwrite boolean)
        CROSS JOIN LATERAL @extschema@.tw_export_file(f.review_status, f.languages, f.module_types, f.sources,
                                                      f.since, f."limit", job.format, f.include_split, job.location,
                                                      f.overwrite, job.id) w;
    -- OTHERS does not include a cancel, which the row must record as well.
    EXCEPTION WHEN OTHERS OR query_canceled THEN
        GET STACKED DIAGNOSTICS error_code = RETURNED_SQLSTATE, error_message = MESSAGE_TEXT,
                                error_hint = PG_EXCEPTION_HINT;
        PERFORM @extschema@.tw_end_export(export_id, NULL::bigint, NULL::bigint, NULL::text, error_message,
            NULL::bigint);
        RETURN;
    END;
    PERFORM @extschema@.tw_end_export(export_id, written.row_count, written.byte_count, written.sha256, NULL::text,
        written.skipped_too_long);
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_run_file_export(bigint) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_run_file_export(bigint) IS
    'Second transaction of export_training_samples_to_file(): writes the file and ends the row; returns the error, '
    'NULL if none';

-- No SET and no SECURITY DEFINER: a procedure with either cannot COMMIT. So every name is qualified.
CREATE PROCEDURE @extschema@.export_training_samples_to_file(
    path text, review_status text DEFAULT 'approved', languages text[] DEFAULT NULL, module_types text[] DEFAULT NULL,
    sources text[] DEFAULT NULL, since timestamptz DEFAULT NULL, "limit" bigint DEFAULT NULL,
    format text DEFAULT 'jsonl', include_split text DEFAULT 'train', overwrite boolean DEFAULT false)
    LANGUAGE plpgsql
AS $procedure$
DECLARE
    export_id bigint;
    code pg_catalog.text;
    message pg_catalog.text;
    hint pg_catalog.text;
BEGIN
    export_id := @extschema@.tw_begin_file_export(path,
        @extschema@.tw_export_filter(review_status, languages, module_types, sources, since, "limit", format,
                                     include_split),
        format, overwrite);
    COMMIT;
    SELECT r.error_code, r.error_message, r.error_hint INTO code, message, hint
    FROM @extschema@.tw_run_file_export(export_id) r;
    COMMIT;
    -- The failure is committed: the error raised now does not undo the record.
    IF code IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = code,
            MESSAGE = message,
            HINT = pg_catalog.concat_ws(' ', CASE WHEN hint OPERATOR(pg_catalog.<>) '' THEN hint END,
                                        pg_catalog.format('This is export %s of training_export_jobs.', export_id));
    END IF;
END
$procedure$;
REVOKE ALL ON PROCEDURE @extschema@.export_training_samples_to_file(
    text, text, text[], text[], text[], timestamptz, bigint, text, text, boolean) FROM PUBLIC;
COMMENT ON PROCEDURE @extschema@.export_training_samples_to_file(
    text, text, text[], text[], text[], timestamptz, bigint, text, text, boolean) IS
    'Writes the result of export_training_samples() (review_status, languages, module_types, sources, since, limit, '
    'format, include_split: as there) to a file of the server, completely or not at all, and records it in '
    'training_export_jobs, failures too. path is absolute, without "..", outside the data directory, and does not '
    'exist; with overwrite it may be a regular file. Raises 42501 without the privileges of pg_write_server_files; '
    '22004 for a NULL path or overwrite; 42602 for an invalid path, 58P01 where its folder is missing, 58P02 where the '
    'file exists, 42809 where it is no regular file, 0A000 where the file system has no links; the errors of writing '
    '(53100: disk full); 22023 as export_training_samples(); 25006 on a standby; 2D000 inside a transaction, since it '
    'commits';

CREATE PROCEDURE @extschema@.export_training_samples_to_file(
    path text, review_status text[], languages text[] DEFAULT NULL, module_types text[] DEFAULT NULL,
    sources text[] DEFAULT NULL, since timestamptz DEFAULT NULL, "limit" bigint DEFAULT NULL,
    format text DEFAULT 'jsonl', include_split text DEFAULT 'train', overwrite boolean DEFAULT false)
    LANGUAGE plpgsql
AS $procedure$
BEGIN
    CALL @extschema@.export_training_samples_to_file(path, review_status::pg_catalog.text, languages,
        module_types, sources, since, "limit", format, include_split, overwrite);
END
$procedure$;
REVOKE ALL ON PROCEDURE @extschema@.export_training_samples_to_file(
    text, text[], text[], text[], text[], timestamptz, bigint, text, text, boolean) FROM PUBLIC;
COMMENT ON PROCEDURE @extschema@.export_training_samples_to_file(
    text, text[], text[], text[], text[], timestamptz, bigint, text, text, boolean) IS
    'The same for clients that send an array as one: writes samples of every status in review_status (NULL = all); '
    'path, languages, module_types, sources, since, limit, format, include_split and overwrite as in the form with a '
    'text. Raises what that form raises';
