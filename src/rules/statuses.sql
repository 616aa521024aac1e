-- Lists of review statuses and of the actions of review_events. A single status is spelled out where it is used. No SET
-- search_path: it would prevent inlining, and the names in the bodies are bound.

CREATE FUNCTION @extschema@.tw_review_statuses() RETURNS text[]
    LANGUAGE c IMMUTABLE PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'tw_review_statuses';
REVOKE ALL ON FUNCTION @extschema@.tw_review_statuses() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_review_statuses() IS
    'The values that review_status of a conversation can have, besides NULL (not filtered yet)';

CREATE FUNCTION @extschema@.tw_is_unjudged(review_status text) RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN review_status IN ('auto-approved', 'needs-review');
REVOKE ALL ON FUNCTION @extschema@.tw_is_unjudged(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_is_unjudged(text) IS
    'Whether a conversation of this review_status can be learned from and has no verdict of a person in force';

CREATE FUNCTION @extschema@.tw_is_verdict(action text) RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN action IN ('approve', 'fix', 'reject');
REVOKE ALL ON FUNCTION @extschema@.tw_is_verdict(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_is_verdict(text) IS 'Whether an action of review_events is a verdict of a person';

CREATE FUNCTION @extschema@.tw_is_persons_word(action text) RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN action IN ('approve', 'fix', 'reject', 'withdraw');
REVOKE ALL ON FUNCTION @extschema@.tw_is_persons_word(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_is_persons_word(text) IS
    'Whether an action of review_events is a verdict of a person or its withdrawal; the newest of these is in force';
