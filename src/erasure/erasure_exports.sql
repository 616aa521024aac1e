-- Which export files and objects may contain samples that are erased, and the job that deletes the objects.

CREATE FUNCTION @extschema@.tw_exports_with(sample_ids bigint[], but_of bigint) RETURNS SETOF bigint
    LANGUAGE sql STABLE ROWS 10 SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH jobs AS MATERIALIZED (
        SELECT j.id, coalesce(j.finished_at, 'infinity') AS until, j.started_at, f.languages, f.module_types,
               f.sources, f.since, f.include_split,
               CASE jsonb_typeof(f.review_status)
                   WHEN 'string' THEN ARRAY[f.review_status #>> '{}']
                   WHEN 'array' THEN ARRAY(SELECT jsonb_array_elements_text(f.review_status)) END AS statuses
        FROM @extschema@.training_export_jobs j
        CROSS JOIN LATERAL jsonb_to_record(j.filter) AS f (review_status jsonb, languages text[], module_types text[],
                                                           sources text[], since timestamptz, include_split text)
        WHERE j.location IS NOT NULL
          AND (j.status <> 'failed' OR strpos(j.error, 'may exist all the same') > 0)
          AND NOT EXISTS (SELECT FROM @extschema@.erasure_exports e
                          WHERE e.erasure_id = but_of AND e.export_id = j.id)
          -- A later one has taken its place.
          AND NOT EXISTS (SELECT FROM @extschema@.training_export_jobs o
                          WHERE o.location = j.location AND o.status = 'succeeded' AND o.id > j.id
                            AND o.started_at >= j.finished_at)
    )
    SELECT j.id FROM jobs j
    WHERE EXISTS (
        SELECT FROM @extschema@.training_samples s
        WHERE s.id = ANY (sample_ids) AND least(s.created_at, s.updated_at) <= j.until
          AND (j.sources IS NULL OR s.source = ANY (j.sources))
          -- A sample that has changed since may have met the rest of the filter at that time.
          AND (s.updated_at >= j.started_at
               OR (j.statuses IS NULL OR s.review_status = ANY (j.statuses))
                  AND (j.languages IS NULL OR s.language = ANY (j.languages)
                       OR s.language IS NULL AND array_position(j.languages, NULL) IS NOT NULL)
                  AND (j.module_types IS NULL OR s.module_type = ANY (j.module_types)
                       OR s.module_type IS NULL AND array_position(j.module_types, NULL) IS NOT NULL)
                  AND (j.since IS NULL OR greatest(s.created_at, s.reviewed_at) >= j.since)
                  AND (j.include_split = 'all' OR s.split IS NOT DISTINCT FROM j.include_split)));
END;
REVOKE ALL ON FUNCTION @extschema@.tw_exports_with(bigint[], bigint) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_exports_with(bigint[], bigint) IS
    'The exports that may contain any of these samples, without those that an erasure has listed already: written when '
    'the sample existed, with a filter that it meets, or may have met before it was changed; a limit is not looked at';

CREATE FUNCTION @extschema@.tw_note_exports(erasure bigint, sample_ids bigint[]) RETURNS bigint
    LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH listed AS (
        INSERT INTO @extschema@.erasure_exports (erasure_id, export_id, location, status)
        SELECT erasure, j.id, j.location,
               -- The objects of a restored copy belong to the database that it was restored from.
               CASE WHEN r.delete_exports AND j.filter ? 'server' AND NOT @extschema@.tw_is_restored_copy()
                    THEN 'pending' ELSE 'listed' END
        FROM @extschema@.tw_exports_with(sample_ids, erasure) AS x (id)
        JOIN @extschema@.training_export_jobs j ON j.id = x.id
        JOIN @extschema@.erasures r ON r.id = erasure
        ON CONFLICT (erasure_id, export_id) DO NOTHING
        RETURNING 1
    )
    SELECT count(*) FROM listed;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_note_exports(bigint, bigint[]) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_note_exports(bigint, bigint[]) IS
    'Adds the exports that may contain these samples to erasure_exports, and returns how many are new there; called '
    'before the samples are deleted. With delete_exports of the erasure, objects are deleted by '
    'delete_erased_exports(); files are listed';

CREATE FUNCTION @extschema@.tw_delete_export(export bigint, location text) RETURNS text
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    job @extschema@.training_export_jobs;
    there record;
BEGIN
    SELECT * INTO job FROM @extschema@.training_export_jobs j WHERE j.id = export;
    IF NOT FOUND OR job.status = 'running' THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('export %s %s', export, CASE WHEN job.id IS NULL THEN 'is not in training_export_jobs'
                                                          ELSE 'is still running' END);
    END IF;
    SELECT * INTO there FROM @extschema@.tw_s3_head(job.filter ->> 'server', location);
    -- Something else has taken its place, or another software stored it: it is not ours to delete.
    IF NOT there.is_there OR there.sha256 IS NULL OR there.sha256 <> job.sha256
       OR job.sha256 IS NULL AND EXISTS (SELECT FROM @extschema@.training_export_jobs o
                                         WHERE o.location = job.location AND o.sha256 = there.sha256) THEN
        RETURN NULL;
    END IF;
    IF @extschema@.tw_s3_delete(job.filter ->> 'server', location) THEN
        RETURN 'the bucket keeps former versions of the object: delete them there';
    END IF;
    SELECT * INTO there FROM @extschema@.tw_s3_head(job.filter ->> 'server', location);
    IF there.is_there THEN
        RAISE EXCEPTION USING
            ERRCODE = 'protocol_violation',
            MESSAGE = 'the store still has the object that it said it deleted';
    END IF;
    RETURN NULL;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_delete_export(bigint, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_delete_export(bigint, text) IS
    'Deletes the object of an export, unless another has taken its place, and sees that it is gone; returns what is '
    'left to do by hand, NULL if nothing. Raises the errors of the store, and 55000 for an export that still runs';

CREATE FUNCTION @extschema@.tw_erased_exports_step(run bigint, state jsonb, at timestamptz) RETURNS jsonb
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    tried CONSTANT jsonb := coalesce(state -> 'tried', '[]');
    item @extschema@.erasure_exports;
    code text;
    message text;
    left_to_do text;
BEGIN
    SELECT * INTO item FROM @extschema@.erasure_exports e
    WHERE e.status = 'pending' AND NOT tried @> to_jsonb(e.export_id) ORDER BY e.attempts, e.export_id LIMIT 1;
    IF NOT FOUND OR jsonb_array_length(tried) >= 500 THEN
        RETURN NULL;
    END IF;
    BEGIN
        left_to_do := @extschema@.tw_delete_export(item.export_id, item.location);
    EXCEPTION WHEN OTHERS THEN
        GET STACKED DIAGNOSTICS code = RETURNED_SQLSTATE, message = MESSAGE_TEXT;
    END;
    -- Rows are written after the requests: no lock waits for a store. Several erasures may name one export.
    UPDATE @extschema@.erasure_exports e
    SET attempts = e.attempts + 1, last_error = coalesce(message, left_to_do),
        status = CASE WHEN code IS NOT NULL THEN 'pending' WHEN left_to_do IS NOT NULL THEN 'listed'
                      ELSE 'deleted' END,
        deleted_at = CASE WHEN code IS NULL AND left_to_do IS NULL THEN clock_timestamp() END
    WHERE e.export_id = item.export_id AND e.status = 'pending';
    PERFORM @extschema@.tw_note_run(run, 'exports', jsonb_build_object('deleted',
        (code IS NULL AND left_to_do IS NULL)::integer, 'failed', (code IS NOT NULL)::integer), true);
    IF code IS NOT NULL THEN
        PERFORM @extschema@.tw_fail_run(run, code, format('export %s: %s', item.export_id, message));
        RAISE WARNING 'export %: %', item.export_id, message USING ERRCODE = code;
        -- A store that does not answer is not asked for every object.
        IF left(code, 2) = '08' AND code <> '08P01' THEN
            RETURN NULL;
        END IF;
    END IF;
    RETURN jsonb_build_object('tried', tried || to_jsonb(item.export_id));
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_erased_exports_step(bigint, jsonb, timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_erased_exports_step(bigint, jsonb, timestamptz) IS
    'One step of delete_erased_exports(), as tw_job_step() calls it: one object';

CREATE PROCEDURE @extschema@.delete_erased_exports()
    LANGUAGE plpgsql
AS $procedure$
BEGIN
    CALL @extschema@.tw_run_job('delete_erased_exports'::pg_catalog.text, NULL::pg_catalog.text,
                                NULL::pg_catalog.timestamptz);
END
$procedure$;
REVOKE ALL ON PROCEDURE @extschema@.delete_erased_exports() FROM PUBLIC;
COMMENT ON PROCEDURE @extschema@.delete_erased_exports() IS
    'Deletes the export objects of erasures with delete_exports from their stores, and sees that they are gone; the '
    'daily job calls it. erasure_exports has each attempt. A bucket that keeps versions: the row is listed, since the '
    'former versions have to be deleted there. Commits between steps. Errors are recorded in job_runs and '
    'erasure_exports, and raised as warnings; the next run tries again. Does nothing on a standby or a restored copy. '
    'Raises 2D000 inside a transaction, 25001 inside a block with EXCEPTION';
