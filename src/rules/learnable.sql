-- Which messages can be learned from: what else is not-applicable, whatever an import says of it.

CREATE FUNCTION @extschema@.tw_is_learnable(message_type text, user_message text) RETURNS boolean
    LANGUAGE c IMMUTABLE PARALLEL SAFE CALLED ON NULL INPUT
    AS 'MODULE_PATHNAME', 'tw_is_learnable';
REVOKE ALL ON FUNCTION @extschema@.tw_is_learnable(text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_is_learnable(text, text) IS
    'Whether a message is a text message (type text in any case, or NULL) and not blank; capture decides by the same rule';
