-- Conversations in blind review; src/review/blind_reviews.sql gives the reason.

CREATE TABLE @extschema@.blind_reviews (
    conversation_log_id bigint NOT NULL,
    suggestions text[] NOT NULL,
    asked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- The queue entry before the blind review; NULL = it was not in the queue.
    previous_priority smallint,
    previous_reason text,
    CONSTRAINT blind_reviews_pkey PRIMARY KEY (conversation_log_id),
    CONSTRAINT blind_reviews_suggestions_check CHECK (cardinality(suggestions) = 2)
);
REVOKE ALL ON TABLE @extschema@.blind_reviews FROM PUBLIC;
SELECT pg_extension_config_dump('@extschema@.blind_reviews', '');

COMMENT ON TABLE @extschema@.blind_reviews IS
    'Conversations that are or were in blind review: reviewers do not see the answer that was given';
COMMENT ON COLUMN @extschema@.blind_reviews.conversation_log_id IS 'The conversation';
COMMENT ON COLUMN @extschema@.blind_reviews.suggestions IS
    'The two answers in random order; the empty text stands for no answer';
COMMENT ON COLUMN @extschema@.blind_reviews.asked_at IS 'When it was put into the queue for blind review';
COMMENT ON COLUMN @extschema@.blind_reviews.previous_priority IS
    'Its review_priority before; NULL = it was not in the queue';
COMMENT ON COLUMN @extschema@.blind_reviews.previous_reason IS
    'Its review_reason before; NULL = it was not in the queue';
