-- model_versions: the registry of models, written by training and register_model(). A trigger checks changes of status.

CREATE TABLE @extschema@.model_versions (
    version text NOT NULL,
    model_type text NOT NULL,
    status text NOT NULL DEFAULT 'candidate',
    traffic_percentage integer NOT NULL DEFAULT 0,
    minio_path text,
    model_size_mb double precision,
    training_accuracy double precision,
    test_accuracy double precision,
    test_accuracy_lower double precision,
    test_accuracy_upper double precision,
    test_samples integer,
    macro_f1 double precision,
    calibration_error double precision,
    gate_decision text,
    gate_reason text,
    base_version text,
    base_accuracy double precision,
    mcnemar_p double precision,
    evaluation_id bigint,
    sample_counts jsonb,
    training_seconds double precision,
    production_accuracy double precision,
    production_accuracy_lower double precision,
    production_accuracy_upper double precision,
    production_conversations bigint,
    fallback_rate double precision,
    p50_latency_ms double precision,
    p95_latency_ms double precision,
    production_computed_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    deployed_at timestamptz,
    retired_at timestamptz,
    artifact_sha256 text,
    artifact_stored_at timestamptz,
    artifact_error text,
    rollout_number integer NOT NULL DEFAULT 0,
    effective_test_samples double precision,
    learned_to bigint,
    location_unknown boolean NOT NULL DEFAULT false,
    nodes_learned_to bigint[],
    CONSTRAINT model_versions_pkey PRIMARY KEY (version),
    CONSTRAINT model_versions_version_check CHECK (
        version ~ '^[a-z0-9]+(-[a-z0-9]+)*-v(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)$'
        AND regexp_replace(version, '-v[0-9.]+$', '') = model_type),
    CONSTRAINT model_versions_status_check CHECK (
        status IN ('training', 'candidate', 'rejected', 'failed', 'canary', 'production', 'retired', 'rolled-back')),
    CONSTRAINT model_versions_traffic_percentage_check CHECK (traffic_percentage BETWEEN 0 AND 100),
    -- Only a live version carries traffic.
    CONSTRAINT model_versions_traffic_status_check CHECK (traffic_percentage = 0 OR status IN ('canary', 'production')),
    CONSTRAINT model_versions_rates_check CHECK (
        training_accuracy BETWEEN 0 AND 1 AND test_accuracy BETWEEN 0 AND 1 AND macro_f1 BETWEEN 0 AND 1
        AND calibration_error BETWEEN 0 AND 1 AND production_accuracy BETWEEN 0 AND 1 AND fallback_rate BETWEEN 0 AND 1
        AND test_accuracy_lower BETWEEN 0 AND 1 AND test_accuracy_upper BETWEEN 0 AND 1
        AND base_accuracy BETWEEN 0 AND 1
        AND mcnemar_p BETWEEN 0 AND 1 AND production_accuracy_lower BETWEEN 0 AND 1
        AND production_accuracy_upper BETWEEN 0 AND 1),
    CONSTRAINT model_versions_gate_decision_check CHECK (gate_decision IN ('passed', 'failed', 'undecided')),
    -- A stored artifact has a path and a checksum.
    CONSTRAINT model_versions_stored_check CHECK (
        artifact_stored_at IS NULL
        OR minio_path IS NOT NULL AND artifact_sha256 IS NOT NULL AND artifact_error IS NULL),
    CONSTRAINT model_versions_amounts_check CHECK (
        model_size_mb >= 0 AND model_size_mb < 'Infinity' AND test_samples >= 0 AND production_conversations >= 0
        AND training_seconds >= 0 AND training_seconds < 'Infinity' AND rollout_number >= 0)
);
REVOKE ALL ON TABLE @extschema@.model_versions FROM PUBLIC;
SELECT pg_extension_config_dump('@extschema@.model_versions', '');

CREATE UNIQUE INDEX model_versions_one_production_key ON @extschema@.model_versions (model_type)
    WHERE status = 'production';
CREATE UNIQUE INDEX model_versions_one_canary_key ON @extschema@.model_versions (model_type) WHERE status = 'canary';

CREATE FUNCTION @extschema@.tw_check_model_status() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'tw_check_model_status';
REVOKE ALL ON FUNCTION @extschema@.tw_check_model_status() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_check_model_status() IS
    'Trigger: refuses a change of version or model_type, and a change of status that is not allowed; raises 55000 '
    '(object_not_in_prerequisite_state)';
CREATE TRIGGER model_versions_check_status BEFORE UPDATE ON @extschema@.model_versions
    FOR EACH ROW WHEN (OLD.status <> NEW.status OR OLD.version <> NEW.version OR OLD.model_type <> NEW.model_type)
    EXECUTE FUNCTION @extschema@.tw_check_model_status();

-- Backends cache only the live version (classify_intent) and the percentages of traffic (assign_model_version), so a
-- change of a statistic invalidates nothing. Row-level and ENABLE ALWAYS: logical replication fires neither ordinary
-- nor statement-level triggers.
CREATE TRIGGER model_versions_invalidate AFTER INSERT OR DELETE OR UPDATE OF version, model_type, status,
traffic_percentage, rollout_number ON @extschema@.model_versions
    FOR EACH ROW EXECUTE FUNCTION @extschema@.tw_invalidate_cache();
CREATE TRIGGER model_versions_invalidate_truncate AFTER TRUNCATE ON @extschema@.model_versions
    FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.tw_invalidate_cache();
ALTER TABLE @extschema@.model_versions ENABLE ALWAYS TRIGGER model_versions_invalidate;
ALTER TABLE @extschema@.model_versions ENABLE ALWAYS TRIGGER model_versions_invalidate_truncate;

COMMENT ON TABLE @extschema@.model_versions IS
    'Every model version with its measurements; at most one production and one canary version of each type';
COMMENT ON COLUMN @extschema@.model_versions.version IS
    '<model_type>-v<major>.<minor>.<patch>, for example router-v1.0.0';
COMMENT ON COLUMN @extschema@.model_versions.model_type IS 'router, food-agent, ...';
COMMENT ON COLUMN @extschema@.model_versions.status IS
    'training, candidate, rejected, failed, canary, production, retired or rolled-back';
COMMENT ON COLUMN @extschema@.model_versions.traffic_percentage IS
    'Percentage of the sessions that it receives, 0 to 100; above 0 only for canary and production';
COMMENT ON COLUMN @extschema@.model_versions.minio_path IS
    'Path of its artifact in the object store, set once the artifact was verified there (artifact_stored_at). Before '
    'that, the path that was given with a model from outside; NULL = none';
COMMENT ON COLUMN @extschema@.model_versions.model_size_mb IS 'Size of its artifact in megabytes; NULL = not known';
COMMENT ON COLUMN @extschema@.model_versions.training_accuracy IS
    'Fraction of its training samples that it predicts correctly, 0 to 1; NULL = not known';
COMMENT ON COLUMN @extschema@.model_versions.test_accuracy IS
    'Weighted accuracy on the frozen test set, 0 to 1; NULL = not scored, or on no sample';
COMMENT ON COLUMN @extschema@.model_versions.test_accuracy_lower IS
    'Lower end of the 95 % interval of test_accuracy, 0 to 1; NULL where test_accuracy is';
COMMENT ON COLUMN @extschema@.model_versions.test_accuracy_upper IS
    'Upper end of the 95 % interval of test_accuracy, 0 to 1; NULL where test_accuracy is';
COMMENT ON COLUMN @extschema@.model_versions.test_samples IS
    'Number of test samples behind test_accuracy; NULL = not scored';
COMMENT ON COLUMN @extschema@.model_versions.macro_f1 IS
    'Mean of the F1 scores of the intents, 0 to 1; NULL where test_accuracy is';
COMMENT ON COLUMN @extschema@.model_versions.calibration_error IS
    'Expected calibration error, 0 to 1; NULL where test_accuracy is';
COMMENT ON COLUMN @extschema@.model_versions.gate_decision IS
    'What the gate decided: passed, failed, or undecided (a person or a later check may decide); NULL = not checked '
    'yet';
COMMENT ON COLUMN @extschema@.model_versions.gate_reason IS 'Why the gate decided so; NULL = not checked yet';
COMMENT ON COLUMN @extschema@.model_versions.base_version IS 'The live version that it was compared with; NULL = none';
COMMENT ON COLUMN @extschema@.model_versions.base_accuracy IS
    'Weighted accuracy of base_version on the same test samples at the same time, 0 to 1; NULL = not measured';
COMMENT ON COLUMN @extschema@.model_versions.mcnemar_p IS
    'Two-sided p-value of the exact McNemar test of both versions on these samples, 0 to 1; NULL = not measured';
COMMENT ON COLUMN @extschema@.model_versions.evaluation_id IS
    'The evaluation behind these figures (model_evaluations); NULL = not scored';
COMMENT ON COLUMN @extschema@.model_versions.sample_counts IS
    'Number of training samples by label source, for example {"human": 812, "model": 4010}; NULL = not known';
COMMENT ON COLUMN @extschema@.model_versions.training_seconds IS 'How long training took, in seconds; NULL = not known';
COMMENT ON COLUMN @extschema@.model_versions.production_accuracy IS
    'Estimated accuracy in production, 0 to 1 (live_accuracy() over its last 30 days with traffic); NULL while there '
    'are too few audited labels';
COMMENT ON COLUMN @extschema@.model_versions.production_accuracy_lower IS
    'Lower end of the 95 % interval of production_accuracy, 0 to 1; NULL = not measured';
COMMENT ON COLUMN @extschema@.model_versions.production_accuracy_upper IS
    'Upper end of the 95 % interval of production_accuracy, 0 to 1; NULL = not measured';
COMMENT ON COLUMN @extschema@.model_versions.production_conversations IS
    'Number of conversations of these days with this version; NULL = not measured';
COMMENT ON COLUMN @extschema@.model_versions.fallback_rate IS
    'Fraction of these conversations that a fallback provider answered, 0 to 1; NULL = not measured';
COMMENT ON COLUMN @extschema@.model_versions.p50_latency_ms IS
    'Median time of their NLU calls, in milliseconds; NULL = not measured';
COMMENT ON COLUMN @extschema@.model_versions.p95_latency_ms IS
    '95th percentile of the time of their NLU calls, in milliseconds; NULL = not measured';
COMMENT ON COLUMN @extschema@.model_versions.production_computed_at IS
    'When the figures from production were computed; NULL = never';
COMMENT ON COLUMN @extschema@.model_versions.created_at IS 'When the version was registered';
COMMENT ON COLUMN @extschema@.model_versions.deployed_at IS 'When it first received traffic; NULL = never';
COMMENT ON COLUMN @extschema@.model_versions.retired_at IS 'When it last stopped receiving traffic; NULL = never';
COMMENT ON COLUMN @extschema@.model_versions.artifact_sha256 IS
    'SHA-256 of the artifact in the object store, in lower-case hexadecimal; NULL = not verified';
COMMENT ON COLUMN @extschema@.model_versions.artifact_stored_at IS
    'When that artifact was verified by reading it; NULL = not verified. If an S3 server is configured, no version '
    'goes live before';
COMMENT ON COLUMN @extschema@.model_versions.artifact_error IS
    'Why the last attempt to store or verify it failed; NULL = it did not fail';
COMMENT ON COLUMN @extschema@.model_versions.effective_test_samples IS
    'Effective sample size of test_samples (Kish): the number of equally weighted samples with the same precision; '
    'NULL = not scored. min_test_samples is compared with it';
COMMENT ON COLUMN @extschema@.model_versions.learned_to IS
    'Id of the newest conversation when it was trained or registered (in a fleet: of those that this database captured '
    'itself): it cannot have learned from later ones; NULL = not known, so that it may have learned from all so far';
COMMENT ON COLUMN @extschema@.model_versions.nodes_learned_to IS
    'At a hub, the id of the newest conversation of each node that had arrived then: it cannot have learned from later '
    'ones of that node, nor from any of a node that is not named here. NULL = this database was in no fleet then';
COMMENT ON COLUMN @extschema@.model_versions.location_unknown IS
    'True if a worker delivered it with neither an artifact nor a minio_path. Only a person can make such a version '
    'live';
COMMENT ON COLUMN @extschema@.model_versions.rollout_number IS
    'Number of rollouts started for the version; it determines which sessions a canary receives';
