-- What people are asked about blindly; src/review/blind_reviews.sql says why.

CREATE TABLE @extschema@.blind_reviews (
    conversation_log_id bigint NOT NULL,
    suggestions text[] NOT NULL,
    asked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- How it waited before it was asked about: NULL where it did not.
    previous_priority smallint,
    previous_reason text,
    CONSTRAINT blind_reviews_pkey PRIMARY KEY (conversation_log_id),
    CONSTRAINT blind_reviews_suggestions_check CHECK (cardinality(suggestions) = 2)
);
REVOKE ALL ON TABLE @extschema@.blind_reviews FROM PUBLIC;
SELECT pg_extension_config_dump('@extschema@.blind_reviews', '');

COMMENT ON TABLE @extschema@.blind_reviews IS
    'Conversations that people are, or were, asked about without being shown the answer that was given';
COMMENT ON COLUMN @extschema@.blind_reviews.conversation_log_id IS 'The conversation';
COMMENT ON COLUMN @extschema@.blind_reviews.suggestions IS
    'Two answers in random order; the empty text stands for no answer';
COMMENT ON COLUMN @extschema@.blind_reviews.asked_at IS 'When it was put into the queue';
COMMENT ON COLUMN @extschema@.blind_reviews.previous_priority IS 'Its priority before; NULL when it did not wait';
COMMENT ON COLUMN @extschema@.blind_reviews.previous_reason IS 'Its reason before';
