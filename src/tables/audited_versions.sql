-- audited_versions: versions whose accuracy must be known soon. The audit draws their conversations more often than the
-- policies say, and reviewers get those first. Written by a rollout and, for all versions while there are too few test
-- samples, by the daily job and check_rollouts(). Capture reads it for every row.

CREATE TABLE @extschema@.audited_versions (
    model_version text NOT NULL,
    audit_rate double precision,
    since timestamptz NOT NULL,
    until timestamptz NOT NULL DEFAULT 'infinity',
    reason text NOT NULL,
    CONSTRAINT audited_versions_pkey PRIMARY KEY (model_version),
    CONSTRAINT audited_versions_rate_check CHECK (audit_rate > 0 AND audit_rate <= 1),
    CONSTRAINT audited_versions_period_check CHECK (since <= until)
);
REVOKE ALL ON TABLE @extschema@.audited_versions FROM PUBLIC;
SELECT pg_extension_config_dump('@extschema@.audited_versions', '');

COMMENT ON TABLE @extschema@.audited_versions IS
    'Versions whose conversations are drawn for the audit more often than the policies say, and reviewed first; '
    'written by rollouts and the daily job';
COMMENT ON COLUMN @extschema@.audited_versions.model_version IS
    'nlu_model_version of the conversations; * = any version, or none';
COMMENT ON COLUMN @extschema@.audited_versions.audit_rate IS
    'Lowest audit rate of its conversations, 0 to 1, stored with each as selection_probability. A policy''s rate of 0 '
    'stays 0. NULL = the rates of the policies';
COMMENT ON COLUMN @extschema@.audited_versions.since IS 'Audited conversations from this time on are reviewed first';
COMMENT ON COLUMN @extschema@.audited_versions.until IS
    'Audited conversations before this time are reviewed first; infinity = no end yet';
COMMENT ON COLUMN @extschema@.audited_versions.reason IS 'Why the rate is raised';

-- ENABLE ALWAYS, and one trigger a row: logical replication fires neither ordinary nor statement-level triggers.
CREATE TRIGGER audited_versions_invalidate AFTER INSERT OR UPDATE OR DELETE ON @extschema@.audited_versions
    FOR EACH ROW EXECUTE FUNCTION @extschema@.tw_invalidate_cache();
CREATE TRIGGER audited_versions_invalidate_truncate AFTER TRUNCATE ON @extschema@.audited_versions
    FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.tw_invalidate_cache();
ALTER TABLE @extschema@.audited_versions ENABLE ALWAYS TRIGGER audited_versions_invalidate;
ALTER TABLE @extschema@.audited_versions ENABLE ALWAYS TRIGGER audited_versions_invalidate_truncate;
