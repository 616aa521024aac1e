-- audited_versions: versions of which somebody has to know soon how good they are. The audit draws their conversations
-- more often than the policies say, and reviewers get those first. Who watches versions writes it (a rollout; the daily
-- job and check_rollouts(), for all of them, while there are too few test samples); capture reads it with every row.

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
    'rollouts write it, and the daily job';
COMMENT ON COLUMN @extschema@.audited_versions.model_version IS
    'nlu_model_version of the conversations; * = whatever it is';
COMMENT ON COLUMN @extschema@.audited_versions.audit_rate IS
    'The least audit rate of its conversations, except where a policy says 0, so that nobody looks; stored with each '
    'as its selection_probability. NULL = as the policies say';
COMMENT ON COLUMN @extschema@.audited_versions.since IS 'Audited conversations from then on are reviewed first';
COMMENT ON COLUMN @extschema@.audited_versions.until IS 'Audited conversations before then are reviewed first';
COMMENT ON COLUMN @extschema@.audited_versions.reason IS 'What for';

-- ENABLE ALWAYS, and one trigger a row: logical replication fires neither ordinary nor statement-level triggers.
CREATE TRIGGER audited_versions_invalidate AFTER INSERT OR UPDATE OR DELETE ON @extschema@.audited_versions
    FOR EACH ROW EXECUTE FUNCTION @extschema@.tw_invalidate_cache();
CREATE TRIGGER audited_versions_invalidate_truncate AFTER TRUNCATE ON @extschema@.audited_versions
    FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.tw_invalidate_cache();
ALTER TABLE @extschema@.audited_versions ENABLE ALWAYS TRIGGER audited_versions_invalidate;
ALTER TABLE @extschema@.audited_versions ENABLE ALWAYS TRIGGER audited_versions_invalidate_truncate;
