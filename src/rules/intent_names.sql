-- The current names of intents.

CREATE FUNCTION @extschema@.tw_resolve_intent(intent text) RETURNS text
    LANGUAGE c STABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'tw_resolve_intent';
REVOKE ALL ON FUNCTION @extschema@.tw_resolve_intent(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_resolve_intent(text) IS
    'The current name of an intent that was renamed or merged (intent_aliases); any other intent as it is. Sees what '
    'committed last, whatever the snapshot of the transaction';
