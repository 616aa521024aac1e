-- export_training_samples(): training samples as lines of a format that a trainer loads.

-- Arguments of every export; export_samples.c reads them in this order.
CREATE FUNCTION @extschema@.tw_check_export(
    review_status text, languages text[], module_types text[], sources text[], since timestamptz, "limit" bigint,
    format text, include_split text) RETURNS void
    LANGUAGE c IMMUTABLE SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'tw_check_export';
REVOKE ALL ON FUNCTION @extschema@.tw_check_export(text, text[], text[], text[], timestamptz, bigint, text, text)
    FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_check_export(text, text[], text[], text[], timestamptz, bigint, text, text) IS
    'Raises 22023 for invalid arguments of an export';

CREATE FUNCTION @extschema@.tw_export_statuses(review_status text) RETURNS text[]
    LANGUAGE c IMMUTABLE STRICT SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'tw_export_statuses_of_text';
REVOKE ALL ON FUNCTION @extschema@.tw_export_statuses(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_export_statuses(text) IS
    'The statuses that the argument review_status of an export names: one, an array literal, or a JSON array; NULL for '
    'a NULL. Raises 22023 for an unknown status and for none, 22P02 for a malformed array';

CREATE FUNCTION @extschema@.tw_decide_export_splits() RETURNS void
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    -- Without the right to write (a standby), or with a snapshot older than the decisions of other sessions, undecided
    -- texts are left out.
    IF current_setting('transaction_read_only') = 'off'
       AND current_setting('transaction_isolation') IN ('read committed', 'read uncommitted')
       AND EXISTS (SELECT FROM @extschema@.training_samples s
                   WHERE s.split IS NULL AND s.review_status = 'approved') THEN
        PERFORM @extschema@.tw_decide_splits();
    END IF;
EXCEPTION WHEN lock_not_available THEN
    RAISE NOTICE 'samples without a split are left out: %', SQLERRM;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_decide_export_splits() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_decide_export_splits() IS
    'Decides the splits of new texts, as a training run does, so that an export knows which samples are for training. '
    'Does nothing in a read-only transaction, in one with an older snapshot, or while another session is deciding';

-- Without JIT: loading its compiler takes 60 MB, and no expression is worth compiling.
CREATE FUNCTION @extschema@.export_training_samples(
    review_status text DEFAULT 'approved', languages text[] DEFAULT NULL, module_types text[] DEFAULT NULL,
    sources text[] DEFAULT NULL, since timestamptz DEFAULT NULL, "limit" bigint DEFAULT NULL,
    format text DEFAULT 'jsonl', include_split text DEFAULT 'train')
    RETURNS SETOF text
    LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER ROWS 100000 SET search_path = pg_catalog, pg_temp SET jit = off
    AS 'MODULE_PATHNAME', 'tw_export_training_samples';
REVOKE ALL ON FUNCTION @extschema@.export_training_samples(
    text, text[], text[], text[], timestamptz, bigint, text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.export_training_samples(
    text, text[], text[], text[], timestamptz, bigint, text, text) IS
    'Training samples as lines of format: jsonl (import_training_samples() reads it), csv, fasttext, rasa (NLU YAML), '
    'huggingface, openai or spacy; ordered by id (rasa: by intent, then id). review_status: one status, or several as '
    'an array literal ({approved,pending}) or as JSON (["approved", "pending"]). review_status, languages, '
    'module_types, sources: NULL = all; a NULL element of languages or module_types stands for samples without one. '
    'since: only samples made or reviewed from then on (NULL = all). limit: only the first ones (NULL = all). '
    'include_split: train (default), test, or all. The splits of new texts are decided first, as by a training run, '
    'unless the transaction is read-only or has several statements; texts whose audit is not finished have none. '
    'Samples longer than the setting max_message_bytes are left out, with a NOTICE. Texts and entities are redacted '
    'while the setting redact is on. Raises 22023 for an unknown review_status, source, format or include_split, for '
    'an empty array of statuses, and for a negative limit; 22P02 for a malformed array';

-- A literal of no type is a text, so no call is ambiguous: this one has no default for its first parameter.
CREATE FUNCTION @extschema@.export_training_samples(
    review_status text[], languages text[] DEFAULT NULL, module_types text[] DEFAULT NULL,
    sources text[] DEFAULT NULL, since timestamptz DEFAULT NULL, "limit" bigint DEFAULT NULL,
    format text DEFAULT 'jsonl', include_split text DEFAULT 'train')
    RETURNS SETOF text
    LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER ROWS 100000 SET search_path = pg_catalog, pg_temp SET jit = off
    AS 'MODULE_PATHNAME', 'tw_export_training_samples_of_statuses';
REVOKE ALL ON FUNCTION @extschema@.export_training_samples(
    text[], text[], text[], text[], timestamptz, bigint, text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.export_training_samples(
    text[], text[], text[], text[], timestamptz, bigint, text, text) IS
    'The same for clients that send an array as one: samples of every status in review_status (NULL = all); languages, '
    'module_types, sources, since, limit, format and include_split as in the form with a text. Raises what that form '
    'raises';

CREATE FUNCTION @extschema@.tw_export_temporary(
    review_status text, languages text[], module_types text[], sources text[], since timestamptz, "limit" bigint,
    format text, include_split text, OUT path text, OUT row_count bigint, OUT byte_count bigint, OUT sha256 text,
        OUT skipped_too_long bigint)
    LANGUAGE c VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp SET jit = off
    AS 'MODULE_PATHNAME', 'tw_export_temporary';
REVOKE ALL ON FUNCTION @extschema@.tw_export_temporary(text, text[], text[], text[], timestamptz, bigint, text, text)
    FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_export_temporary(text, text[], text[], text[], timestamptz, bigint, text, text) IS
    'tw_export_to_temporary() with the arguments of export_training_samples()';

CREATE FUNCTION @extschema@.tw_export_to_temporary(
    filter jsonb, format text, OUT path text, OUT row_count bigint, OUT byte_count bigint, OUT sha256 text,
        OUT skipped_too_long bigint)
    LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT t.path, t.row_count, t.byte_count, t.sha256, t.skipped_too_long
    FROM jsonb_to_record(filter) AS f (review_status text, languages text[], module_types text[], sources text[],
                                       since timestamptz, "limit" bigint, include_split text)
    CROSS JOIN LATERAL @extschema@.tw_export_temporary(f.review_status, f.languages, f.module_types, f.sources,
                                                       f.since, f."limit", tw_export_to_temporary.format,
                                                       f.include_split) t;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_export_to_temporary(jsonb, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_export_to_temporary(jsonb, text) IS
    'Writes the export that a tw_export_filter() value describes to a temporary file that is removed at the end of the '
    'transaction; path is relative to the data directory. Decides no splits: tw_begin_export() did';

CREATE FUNCTION @extschema@.tw_export_filter(
    review_status text, languages text[], module_types text[], sources text[], since timestamptz, "limit" bigint,
    format text, include_split text) RETURNS jsonb
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    statuses CONSTANT text[] := @extschema@.tw_export_statuses(review_status);
BEGIN
    PERFORM @extschema@.tw_check_export(review_status, languages, module_types, sources, since, "limit", format,
                                        include_split);
    RETURN jsonb_build_object('review_status', CASE cardinality(statuses) WHEN 1 THEN to_jsonb(statuses[1])
                                               ELSE to_jsonb(statuses) END,
                              'languages', languages, 'module_types', module_types,
                              'sources', sources, 'since', since, 'limit', "limit", 'include_split', include_split);
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_export_filter(text, text[], text[], text[], timestamptz, bigint, text, text)
    FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_export_filter(text, text[], text[], text[], timestamptz, bigint, text, text) IS
    'The arguments of an export, checked, as stored in training_export_jobs.filter; the format is a column of its own';

-- An export to a file or an object store has three steps: begin, write, end. The end is committed with the write. Other
-- sessions see the row while it runs.
CREATE FUNCTION @extschema@.tw_begin_export(filter jsonb, format text, location text) RETURNS bigint
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    export_id bigint;
BEGIN
    IF pg_is_in_recovery() THEN
        RAISE EXCEPTION USING
            ERRCODE = 'read_only_sql_transaction',
            MESSAGE = 'a standby cannot record an export',
            HINT = 'Write what export_training_samples() returns to a file of your own, or export on the primary.';
    END IF;
    -- The sessions of these exports have ended, or it was this session, and its export ended without recording it.
    UPDATE @extschema@.training_export_jobs j
    SET status = 'failed', finished_at = clock_timestamp(),
        error = 'the session that ran it ended or was cancelled; the file or object may exist all the same'
    WHERE j.status = 'running' AND NOT EXISTS (
        SELECT FROM pg_stat_activity a
        WHERE a.pid = j.backend_pid AND a.pid <> pg_backend_pid()
          AND coalesce(a.backend_start = j.backend_start, true));
    IF filter ->> 'include_split' <> 'all' THEN
        PERFORM @extschema@.tw_decide_export_splits();
    END IF;
    INSERT INTO @extschema@.training_export_jobs AS j (format, filter, location, backend_pid, backend_start)
    SELECT tw_begin_export.format, tw_begin_export.filter, tw_begin_export.location, a.pid, a.backend_start
    FROM pg_stat_get_activity(pg_backend_pid()) a
    RETURNING j.id INTO STRICT export_id;
    RETURN export_id;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_begin_export(jsonb, text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_begin_export(jsonb, text, text) IS
    'First transaction of an export: marks exports of dead sessions as failed, decides splits, and returns the id of a '
    'row with status running';

CREATE FUNCTION @extschema@.tw_require_export(export_id bigint, to_store boolean)
    RETURNS @extschema@.training_export_jobs
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    job @extschema@.training_export_jobs;
BEGIN
    SELECT * INTO job FROM @extschema@.training_export_jobs j
    WHERE j.id = export_id AND j.status = 'running' AND j.filter ? 'server' = to_store
      -- Only committed rows: the record of data that leaves the server must survive a rollback of this transaction.
      AND j.xmin IS DISTINCT FROM pg_current_xact_id_if_assigned()::xid
      AND (j.backend_pid, j.backend_start) = (SELECT a.pid, a.backend_start
                                              FROM pg_stat_get_activity(pg_backend_pid()) a);
    IF NOT FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('export %s is not a running export of this session', coalesce(export_id::text, 'NULL')),
            HINT = 'This is a step of an export: call the procedure, such as export_training_samples_to_file().';
    END IF;
    RETURN job;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_require_export(bigint, boolean) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_require_export(bigint, boolean) IS
    'The row of an export that this session began and committed, with an object store as target if to_store, else a '
    'file; raises 55000 for any other';

CREATE FUNCTION @extschema@.tw_end_export(export_id bigint, row_count bigint, byte_count bigint, sha256 text,
    error text DEFAULT NULL,
    skipped_too_long bigint DEFAULT NULL) RETURNS void
    LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    UPDATE @extschema@.training_export_jobs j
    SET status = CASE WHEN tw_end_export.error IS NULL THEN 'succeeded' ELSE 'failed' END,
        finished_at = clock_timestamp(),
        row_count = tw_end_export.row_count, byte_count = tw_end_export.byte_count, sha256 = tw_end_export.sha256,
            error = tw_end_export.error,
        skipped_too_long = tw_end_export.skipped_too_long
    WHERE j.id = export_id AND j.status = 'running';
END;
REVOKE ALL ON FUNCTION @extschema@.tw_end_export(bigint, bigint, bigint, text, text, bigint) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_end_export(bigint, bigint, bigint, text, text, bigint) IS
    'Ends an export: as failed if there is an error, else as succeeded, with the counts written';
