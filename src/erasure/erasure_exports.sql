-- Which export files and objects may contain samples that are erased.

CREATE FUNCTION @extschema@.tw_note_exports(erasure bigint, sample_ids bigint[]) RETURNS bigint
    LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH listed AS (
        INSERT INTO @extschema@.erasure_exports (erasure_id, export_id, location)
        SELECT erasure, j.id, j.location
        FROM @extschema@.training_export_jobs j
        WHERE j.location IS NOT NULL
          AND j.finished_at >= (SELECT min(s.created_at) FROM @extschema@.training_samples s
                                WHERE s.id = ANY (sample_ids))
        ON CONFLICT (erasure_id, export_id) DO NOTHING
        RETURNING 1
    )
    SELECT count(*) FROM listed;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_note_exports(bigint, bigint[]) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_note_exports(bigint, bigint[]) IS
    'Adds the exports that may contain these samples to erasure_exports, and returns how many are new there; called '
    'before the samples are deleted';
