-- Entities as spans of text. Positions are code points from 0, the end excluded; redaction keeps their number.

CREATE FUNCTION @extschema@.tw_entity_spans(entities jsonb, text_length integer) RETURNS jsonb
    LANGUAGE c IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'tw_entity_spans';
REVOKE ALL ON FUNCTION @extschema@.tw_entity_spans(jsonb, integer) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_entity_spans(jsonb, integer) IS
    'The entities that are spans of a text of text_length code points, as [[start, end, label], ...]: objects or '
    'arrays with whole numbers start < end and a label, in the shapes that doc/imports-and-exports.md lists. Others '
    'are left out';
