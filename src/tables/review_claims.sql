-- review_claims: conversations that a reviewer has claimed, and until when.

CREATE TABLE @extschema@.review_claims (
    conversation_log_id bigint NOT NULL,
    reviewer text NOT NULL,
    claimed_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    CONSTRAINT review_claims_pkey PRIMARY KEY (conversation_log_id),
    CONSTRAINT review_claims_lease_check CHECK (expires_at > claimed_at)
);
REVOKE ALL ON TABLE @extschema@.review_claims FROM PUBLIC;
SELECT pg_extension_config_dump('@extschema@.review_claims', '');

COMMENT ON TABLE @extschema@.review_claims IS
    'Conversations that a reviewer holds until a verdict or the end of the lease; an expired claim has no effect';
COMMENT ON COLUMN @extschema@.review_claims.conversation_log_id IS 'The conversation';
COMMENT ON COLUMN @extschema@.review_claims.reviewer IS 'The reviewer who holds it';
COMMENT ON COLUMN @extschema@.review_claims.claimed_at IS 'When the claim began';
COMMENT ON COLUMN @extschema@.review_claims.expires_at IS 'When the claim expires';
