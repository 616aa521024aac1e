-- When two texts are the same text, and when one says nothing.

CREATE FUNCTION @extschema@.tw_is_blank(text text) RETURNS boolean
    LANGUAGE c IMMUTABLE PARALLEL SAFE CALLED ON NULL INPUT
    AS 'MODULE_PATHNAME', 'tw_is_blank';
REVOKE ALL ON FUNCTION @extschema@.tw_is_blank(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_is_blank(text) IS
    'Whether a text is NULL, empty, or nothing but white space and characters without width';

CREATE FUNCTION @extschema@.normalize_text(text text) RETURNS text
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'tw_normalize_text';
REVOKE ALL ON FUNCTION @extschema@.normalize_text(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.normalize_text(text) IS
    'The text by which equal texts are recognised: NFKC, ASCII letters lowered, white space collapsed, outer '
    'punctuation dropped (unless there is nothing else); the same on every machine, and stable when applied twice';

CREATE FUNCTION @extschema@.text_hash(text text) RETURNS bigint
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'tw_text_hash';
REVOKE ALL ON FUNCTION @extschema@.text_hash(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.text_hash(text) IS
    'A 64-bit hash of normalize_text(text) (FNV-1a with murmur3''s finaliser); stored hashes are never recomputed';

CREATE FUNCTION @extschema@.tw_fill_text_hash() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'tw_fill_text_hash';
REVOKE ALL ON FUNCTION @extschema@.tw_fill_text_hash() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_fill_text_hash() IS
    'Trigger: fills text_hash and normalizer of a sample that came without them, or whose text changed';
