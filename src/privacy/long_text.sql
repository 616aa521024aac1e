-- The length limit of samples, and the shortened display of longer values: the JSON of a message of 200 MB may exceed
-- the 1 GB limit of a value.

CREATE FUNCTION @extschema@.tw_is_too_long(
    max_bytes integer, message text, intent text, module_type text, language text, service text, entities jsonb)
        RETURNS boolean
    LANGUAGE c STABLE CALLED ON NULL INPUT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'tw_is_too_long';
REVOKE ALL ON FUNCTION @extschema@.tw_is_too_long(integer, text, text, text, text, text, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_is_too_long(integer, text, text, text, text, text, jsonb) IS
    'Whether one of these parts of a sample is longer than the setting max_message_bytes, or than max_bytes if that '
    'is less (NULL = the setting alone). NULL parts are never too long';

CREATE FUNCTION @extschema@.tw_cut_text(value text, max_bytes integer) RETURNS text
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'tw_cut_text';
REVOKE ALL ON FUNCTION @extschema@.tw_cut_text(text, integer) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_cut_text(text, integer) IS
    'The text unchanged or, if it is longer than max_bytes (at least 1000), its first 1000 bytes, cut at a character '
    'boundary, and its length';

CREATE FUNCTION @extschema@.tw_shown_text(message text, redacted boolean) RETURNS text
    LANGUAGE c STABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'tw_shown_text';
REVOKE ALL ON FUNCTION @extschema@.tw_shown_text(text, boolean) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_shown_text(text, boolean) IS
    'The text as shown to people: redacted like tw_sample_text(message) if redacted is true, and cut like '
    'tw_cut_text() if it is longer than the setting max_message_bytes';

CREATE FUNCTION @extschema@.tw_shown_entities(entities jsonb, redacted boolean) RETURNS jsonb
    LANGUAGE c STABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'tw_shown_entities';
REVOKE ALL ON FUNCTION @extschema@.tw_shown_entities(jsonb, boolean) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_shown_entities(jsonb, boolean) IS
    'Entities as shown to people: redacted like tw_sample_entities(entities) if redacted is true; only their length '
    'if it exceeds the setting max_message_bytes';
