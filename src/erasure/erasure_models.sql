-- Which models learned from samples that are erased.

CREATE FUNCTION @extschema@.tw_note_learned(erasure bigint, sample_ids bigint[]) RETURNS void
    LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    INSERT INTO @extschema@.erasure_models AS m (erasure_id, version, samples)
    SELECT erasure, s.model_version_target, count(*)
    FROM @extschema@.training_samples s
    WHERE s.id = ANY (sample_ids) AND s.model_version_target IS NOT NULL
    GROUP BY s.model_version_target
    ON CONFLICT (erasure_id, version) DO UPDATE SET samples = m.samples + excluded.samples;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_note_learned(bigint, bigint[]) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_note_learned(bigint, bigint[]) IS
    'Adds the versions that learned from these samples to erasure_models; called before the samples are deleted';
