-- A text as models see it.

CREATE FUNCTION @extschema@.tw_model_text(text text) RETURNS text
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'tw_model_text';
REVOKE ALL ON FUNCTION @extschema@.tw_model_text(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_model_text(text) IS
    'The text that models see in training and serving: normalised, and redacted whatever the setting redact';
