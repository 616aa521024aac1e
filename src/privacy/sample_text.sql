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

CREATE FUNCTION @extschema@.tw_sample_entities(entities jsonb, message text) RETURNS jsonb
    LANGUAGE c STABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'tw_sample_entities_of';
REVOKE ALL ON FUNCTION @extschema@.tw_sample_entities(jsonb, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_sample_entities(jsonb, text) IS
    'The entities of a message as samples hold them: tw_fitting_entities(entities, message), redacted like '
    'tw_sample_entities(entities)';

CREATE FUNCTION @extschema@.tw_fitting_entities(entities jsonb, message text) RETURNS jsonb
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'tw_fitting_entities';
REVOKE ALL ON FUNCTION @extschema@.tw_fitting_entities(jsonb, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_fitting_entities(jsonb, text) IS
    'The entities with their positions in code points of the message: converted where the words that an entity says '
    'it holds are at its positions in UTF-16 code units or bytes of UTF-8, and not in code points';

CREATE FUNCTION @extschema@.tw_misplaced_entity(entities jsonb, message text) RETURNS jsonb
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'tw_misplaced_entity';
REVOKE ALL ON FUNCTION @extschema@.tw_misplaced_entity(jsonb, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_misplaced_entity(jsonb, text) IS
    'The first entity whose words are not at its positions in the message, whether these count code points, UTF-16 '
    'code units or bytes; NULL = all fit. A value that is another name for the words fits';
