-- What is too long to be learned from, and what is shown of it: JSON that spells a message of 200 MB may need more
-- than the 1 GB that a value can have.

CREATE FUNCTION @extschema@.tw_is_too_long(
    max_bytes integer, message text, intent text, module_type text, language text, service text, entities jsonb)
        RETURNS boolean
    LANGUAGE c STABLE CALLED ON NULL INPUT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'tw_is_too_long';
REVOKE ALL ON FUNCTION @extschema@.tw_is_too_long(integer, text, text, text, text, text, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_is_too_long(integer, text, text, text, text, text, jsonb) IS
    'Whether one of these, of which a sample consists, is longer than the setting max_message_bytes, or than most '
    'bytes where that is less';

CREATE FUNCTION @extschema@.tw_cut_text(value text, max_bytes integer) RETURNS text
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'tw_cut_text';
REVOKE ALL ON FUNCTION @extschema@.tw_cut_text(text, integer) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_cut_text(text, integer) IS
    'A text as it is or, where it is longer than most bytes (1000 at least), the first 1000 of them, at the end of a '
    'character, and how long it is';

CREATE FUNCTION @extschema@.tw_shown_text(message text, redacted boolean) RETURNS text
    LANGUAGE c STABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'tw_shown_text';
REVOKE ALL ON FUNCTION @extschema@.tw_shown_text(text, boolean) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_shown_text(text, boolean) IS
    'A text as people are shown it: where redacted as tw_sample_text(message), and cut as by tw_cut_text() where it '
    'is longer than the setting max_message_bytes';

CREATE FUNCTION @extschema@.tw_shown_entities(entities jsonb, redacted boolean) RETURNS jsonb
    LANGUAGE c STABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'tw_shown_entities';
REVOKE ALL ON FUNCTION @extschema@.tw_shown_entities(jsonb, boolean) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_shown_entities(jsonb, boolean) IS
    'Entities as people are shown them, where redacted as tw_sample_entities(entities); only how long they are where '
    'that is more than the '
    'setting max_message_bytes';
