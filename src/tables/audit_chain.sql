-- audit_chain: one entry for each row of the audited tables, with a hash of the row and the hash of the entry before
-- it. Append-only. Written after the commit of the rows, by seal_audit(): whoever writes a row would have to wait for
-- the newest entry, and capture waits for nobody.

CREATE TABLE @extschema@.audit_chain (
    seq bigint NOT NULL,
    kind text NOT NULL,
    relation text NOT NULL,
    row_id bigint NOT NULL,
    form smallint NOT NULL,
    row_sha256 bytea,
    salt bytea,
    is_late boolean NOT NULL,
    receipt bigint,
    note text,
    session_role text,
    sealed_at timestamptz NOT NULL,
    previous bytea NOT NULL,
    sha256 bytea NOT NULL,
    CONSTRAINT audit_chain_pkey PRIMARY KEY (seq),
    CONSTRAINT audit_chain_seq_check CHECK (seq > 0),
    CONSTRAINT audit_chain_kind_check CHECK (kind IN ('row', 'anonymised', 'erased')),
    CONSTRAINT audit_chain_hashes_check CHECK (
        octet_length(previous) = 32 AND octet_length(sha256) = 32
        AND (row_sha256 IS NULL) = (kind = 'erased') AND (row_sha256 IS NULL OR octet_length(row_sha256) = 32)),
    -- Whoever says that a row was erased says why.
    CONSTRAINT audit_chain_reason_check CHECK (
        (kind = 'row') = (session_role IS NULL)
        AND CASE WHEN kind = 'row' THEN num_nonnulls(receipt, note) = 0 ELSE num_nonnulls(receipt, note) > 0 END)
);
REVOKE ALL ON TABLE @extschema@.audit_chain FROM PUBLIC;
SELECT pg_extension_config_dump('@extschema@.audit_chain', '');

-- Which rows have an entry, and which entries have a later one.
CREATE INDEX audit_chain_row_idx ON @extschema@.audit_chain (relation, row_id, seq);

CREATE TRIGGER audit_chain_append_only BEFORE UPDATE OR DELETE ON @extschema@.audit_chain
    FOR EACH ROW EXECUTE FUNCTION @extschema@.tw_append_only();
CREATE TRIGGER audit_chain_append_only_truncate BEFORE TRUNCATE ON @extschema@.audit_chain
    FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.tw_append_only();
-- ENABLE ALWAYS: session_replication_role does not disable it.
ALTER TABLE @extschema@.audit_chain ENABLE ALWAYS TRIGGER audit_chain_append_only;
ALTER TABLE @extschema@.audit_chain ENABLE ALWAYS TRIGGER audit_chain_append_only_truncate;

COMMENT ON TABLE @extschema@.audit_chain IS
    'The audit trail: hashes of the rows of review_events, model_deployments and erasure_receipts, each entry with the '
    'hash of the entry before it; written by seal_audit(), checked by verify_audit(); append-only';
COMMENT ON COLUMN @extschema@.audit_chain.seq IS 'Number of the entry: 1, 2, 3 and so on, without a gap';
COMMENT ON COLUMN @extschema@.audit_chain.kind IS
    'row (the row as it was when it was sealed), anonymised (the row was changed on purpose, to what row_sha256 says) '
    'or erased (the row was deleted on purpose); the newest entry of a row is in force';
COMMENT ON COLUMN @extschema@.audit_chain.relation IS 'The audited table';
COMMENT ON COLUMN @extschema@.audit_chain.row_id IS 'The id of the row there';
COMMENT ON COLUMN @extschema@.audit_chain.form IS
    'Which columns the hash covers: the version of the table''s list in tw_audit_forms()';
COMMENT ON COLUMN @extschema@.audit_chain.row_sha256 IS
    'SHA-256 of the salt and of the row''s canonical form (tw_canonical_row); NULL = erased';
COMMENT ON COLUMN @extschema@.audit_chain.salt IS
    'Random bytes, without which nobody can guess from the hash what the row held; NULL = removed, because the row was '
    'anonymised or erased later, or the kind is erased. The only column that ever changes; sha256 does not cover it';
COMMENT ON COLUMN @extschema@.audit_chain.is_late IS
    'A row with a higher number, one that the table''s sequence gave, had been sealed before: the transaction '
    'committed late, or the row was inserted by hand';
COMMENT ON COLUMN @extschema@.audit_chain.receipt IS
    'The receipt of the erasure; NULL = the row itself, or changed without a receipt';
COMMENT ON COLUMN @extschema@.audit_chain.note IS 'Why the row was changed or deleted; NULL = none given, see receipt';
COMMENT ON COLUMN @extschema@.audit_chain.session_role IS
    'The login role that said that the row was anonymised or erased; NULL for entries of kind row';
COMMENT ON COLUMN @extschema@.audit_chain.sealed_at IS 'When the entry was written';
COMMENT ON COLUMN @extschema@.audit_chain.previous IS 'sha256 of the entry before it; 32 zero bytes for the first';
COMMENT ON COLUMN @extschema@.audit_chain.sha256 IS
    'SHA-256 of previous and of the SHA-256 of the entry''s canonical form';
