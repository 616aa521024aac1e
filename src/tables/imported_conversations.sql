-- Origin of imported conversations, so that a repeated import creates no duplicates.

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
-- For erasures.
CREATE INDEX imported_conversations_conversation_idx ON @extschema@.imported_conversations (conversation_log_id);
COMMENT ON TABLE @extschema@.imported_conversations IS
    'Origin of imported conversations. No row is imported twice, even if its conversation was deleted, unless an '
    'erasure did that; maps old ids to new ones';
COMMENT ON COLUMN @extschema@.imported_conversations.source_key IS 'The id in the earlier table, as text';
COMMENT ON COLUMN @extschema@.imported_conversations.fingerprint IS
    'Half of the SHA-256 of session, message and time. It tells rows of different tables with the same id apart';
COMMENT ON COLUMN @extschema@.imported_conversations.conversation_log_id IS 'Its id in conversation_logs';
COMMENT ON COLUMN @extschema@.imported_conversations.source IS
    'The name of the earlier table at the time of the import';
COMMENT ON COLUMN @extschema@.imported_conversations.imported_at IS 'Start of the transaction that imported it';
