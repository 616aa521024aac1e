-- model_artifacts: the bytes of models.

CREATE TABLE @extschema@.model_artifacts (
    version text NOT NULL,
    format text NOT NULL,
    sha256 text NOT NULL,
    size_bytes bigint NOT NULL,
    bytes bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT model_artifacts_pkey PRIMARY KEY (version),
    -- The checksum is verified at each load and not here: a restore must not fail because of it.
    CONSTRAINT model_artifacts_sha256_check CHECK (sha256 ~ '^[0-9a-f]{64}$')
);
-- Quantised weights do not compress.
ALTER TABLE @extschema@.model_artifacts ALTER COLUMN bytes SET STORAGE EXTERNAL;
REVOKE ALL ON TABLE @extschema@.model_artifacts FROM PUBLIC;
SELECT pg_extension_config_dump('@extschema@.model_artifacts', '');

CREATE TRIGGER model_artifacts_invalidate AFTER INSERT OR UPDATE OR DELETE ON @extschema@.model_artifacts
    FOR EACH ROW EXECUTE FUNCTION @extschema@.tw_invalidate_cache();
CREATE TRIGGER model_artifacts_invalidate_truncate AFTER TRUNCATE ON @extschema@.model_artifacts
    FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.tw_invalidate_cache();
ALTER TABLE @extschema@.model_artifacts ENABLE ALWAYS TRIGGER model_artifacts_invalidate;
ALTER TABLE @extschema@.model_artifacts ENABLE ALWAYS TRIGGER model_artifacts_invalidate_truncate;

COMMENT ON TABLE @extschema@.model_artifacts IS
    'The bytes of models, with their checksum; written by training, by register_model() and, for artifacts of outside '
    'workers, by run_training_jobs()';
COMMENT ON COLUMN @extschema@.model_artifacts.version IS 'The model version (model_versions)';
COMMENT ON COLUMN @extschema@.model_artifacts.format IS
    'router: classify_intent() can load it; other: stored for outside programs';
COMMENT ON COLUMN @extschema@.model_artifacts.sha256 IS
    'SHA-256 of the bytes in lower-case hexadecimal, verified at each load';
COMMENT ON COLUMN @extschema@.model_artifacts.size_bytes IS 'Number of bytes';
COMMENT ON COLUMN @extschema@.model_artifacts.bytes IS 'The artifact';
COMMENT ON COLUMN @extschema@.model_artifacts.created_at IS 'When it was stored';
