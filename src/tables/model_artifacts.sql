-- model_artifacts: the bytes of models.

CREATE TABLE @extschema@.model_artifacts (
    version text NOT NULL,
    format text NOT NULL,
    sha256 text NOT NULL,
    size_bytes bigint NOT NULL,
    bytes bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT model_artifacts_pkey PRIMARY KEY (version),
    -- That the bytes have this checksum is verified whenever they are
    -- loaded, not here: a restore must not fail over it.
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
    'The bytes of models, with their checksum; written by training, register_model() and, from what a worker handed '
    'in, run_training_jobs()';
COMMENT ON COLUMN @extschema@.model_artifacts.version IS 'The version that they are';
COMMENT ON COLUMN @extschema@.model_artifacts.format IS
    'router: what classify_intent() can load; other: kept for whoever knows it';
COMMENT ON COLUMN @extschema@.model_artifacts.sha256 IS
    'SHA-256 of the bytes in lower-case hexadecimal, verified at each load';
COMMENT ON COLUMN @extschema@.model_artifacts.size_bytes IS 'Number of bytes';
COMMENT ON COLUMN @extschema@.model_artifacts.bytes IS 'The artifact';
COMMENT ON COLUMN @extschema@.model_artifacts.created_at IS 'When it was stored';
