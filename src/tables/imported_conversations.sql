-- Which conversation came from which row of which other table, so that importing again brings nothing twice.

CREATE TABLE @extschema@.imported_conversations (
    source_key text NOT NULL,
    fingerprint bytea NOT NULL,
    conversation_log_id bigint NOT NULL,
    source text NOT NULL,
    imported_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT imported_conversations_pkey PRIMARY KEY (source_key, fingerprint)
);
REVOKE ALL ON TABLE @extschema@.imported_conversations FROM PUBLIC;
SELECT pg_extension_config_dump('@extschema@.imported_conversations', '');
COMMENT ON TABLE @extschema@.imported_conversations IS
    'Where imported conversations came from: no row is imported twice, whatever becomes of its conversation, and old '
    'ids find the new ones';
COMMENT ON COLUMN @extschema@.imported_conversations.source_key IS 'The id in the earlier table, as text';
COMMENT ON COLUMN @extschema@.imported_conversations.fingerprint IS
    'Half a SHA-256 of session, message and time: the same id in another table is another message';
COMMENT ON COLUMN @extschema@.imported_conversations.conversation_log_id IS 'Its id in conversation_logs';
COMMENT ON COLUMN @extschema@.imported_conversations.source IS 'The table, as it was called then';
COMMENT ON COLUMN @extschema@.imported_conversations.imported_at IS 'Start of the transaction that imported it';
