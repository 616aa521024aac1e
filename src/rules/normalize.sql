-- Normalisation and hash of texts, and blank texts.

CREATE FUNCTION @extschema@.tw_is_blank(text text) RETURNS boolean
    LANGUAGE c IMMUTABLE PARALLEL SAFE CALLED ON NULL INPUT
    AS 'MODULE_PATHNAME', 'tw_is_blank';
REVOKE ALL ON FUNCTION @extschema@.tw_is_blank(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_is_blank(text) IS
    'Whether a text is NULL, empty, or consists of white space and zero-width characters only';

CREATE FUNCTION @extschema@.normalize_text(text text) RETURNS text
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'tw_normalize_text';
REVOKE ALL ON FUNCTION @extschema@.normalize_text(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.normalize_text(text) IS
    'The normal form of text by which equal texts are recognised: NFKC, ASCII letters lowered, white space collapsed, '
    'outer punctuation dropped (unless the text is all punctuation), more than 30 marks in a row broken up by U+034F '
    '(UAX #15, Stream-Safe Text). The same on every machine; idempotent. NULL for a NULL. Raises 54000 for a normal '
    'form of more than 1 GB';

CREATE FUNCTION @extschema@.text_hash(text text) RETURNS bigint
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'tw_text_hash';
REVOKE ALL ON FUNCTION @extschema@.text_hash(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.text_hash(text) IS
    'A 64-bit hash of normalize_text(text) (FNV-1a with murmur3''s finaliser); stored hashes are never recomputed. '
    'NULL for a NULL. Raises no error of its own';

CREATE FUNCTION @extschema@.tw_fill_text_hash() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'tw_fill_text_hash';
REVOKE ALL ON FUNCTION @extschema@.tw_fill_text_hash() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_fill_text_hash() IS
    'Trigger: fills text_hash and normalizer of a sample that has none, or whose text changed';
