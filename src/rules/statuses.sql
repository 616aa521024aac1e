-- The review statuses, and what of review_events is a person's word. A single status reads well where it stands; what
-- is here are the lists of them. No SET search_path: it would keep them from being inlined, and their names are bound.

CREATE FUNCTION @extschema@.tw_review_statuses() RETURNS text[]
    LANGUAGE c IMMUTABLE PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'tw_review_statuses';
REVOKE ALL ON FUNCTION @extschema@.tw_review_statuses() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_review_statuses() IS
    'What review_status of a conversation can be; NULL beside them: not filtered yet';

CREATE FUNCTION @extschema@.tw_is_unjudged(review_status text) RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN review_status IN ('auto-approved', 'needs-review');
REVOKE ALL ON FUNCTION @extschema@.tw_is_unjudged(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_is_unjudged(text) IS
    'Whether a conversation of this review_status can be learned from, and no verdict of a person on it stands';

CREATE FUNCTION @extschema@.tw_is_verdict(action text) RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN action IN ('approve', 'fix', 'reject');
REVOKE ALL ON FUNCTION @extschema@.tw_is_verdict(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_is_verdict(text) IS 'Whether an event of review_events is a verdict of a person';

CREATE FUNCTION @extschema@.tw_is_persons_word(action text) RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN action IN ('approve', 'fix', 'reject', 'withdraw');
REVOKE ALL ON FUNCTION @extschema@.tw_is_persons_word(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_is_persons_word(text) IS
    'Whether an event of review_events is a person''s word: a verdict, or one taken back. The newest stands';
