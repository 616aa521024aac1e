-- The beginning of a value in a message: a name from outside may have 1 GB, a message must not.

CREATE FUNCTION @extschema@.tw_excerpt(value text) RETURNS text
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'tw_excerpt_sql';
REVOKE ALL ON FUNCTION @extschema@.tw_excerpt(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_excerpt(text) IS
    'The text unchanged or, if it is longer than 200 bytes, its first 200 bytes, cut at a character boundary, and '
    'three dots; for messages';
