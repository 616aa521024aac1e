-- A message and its entities as copied from conversation_logs: redacted while the setting redact is on.

CREATE FUNCTION @extschema@.tw_sample_text(message text) RETURNS text
    LANGUAGE c STABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'tw_sample_text';
REVOKE ALL ON FUNCTION @extschema@.tw_sample_text(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_sample_text(text) IS
    'The message as samples hold it: redact_pii(message) while the setting redact is on (without locations while '
    'redact_locations is off), else unchanged';

CREATE FUNCTION @extschema@.tw_sample_entities(entities jsonb) RETURNS jsonb
    LANGUAGE c STABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'tw_sample_entities';
REVOKE ALL ON FUNCTION @extschema@.tw_sample_entities(jsonb) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_sample_entities(jsonb) IS
    'The entities as samples hold them: redact_pii(entities) while the setting redact is on (without locations while '
    'redact_locations is off), else unchanged';
