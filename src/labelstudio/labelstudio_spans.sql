-- Conversion between nlu_entities and the spans of text that Label Studio shows and people change. Positions are code
-- points from 0, the end excluded, in both; redaction keeps their number.

CREATE FUNCTION @extschema@.tw_entities_of_spans(spans jsonb, entities jsonb, message text) RETURNS jsonb
    LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH had AS (
        SELECT e.entity, e.n, @extschema@.tw_entity_spans(jsonb_build_array(e.entity),
                                                          char_length(message)) -> 0 AS span
        FROM jsonb_array_elements(CASE jsonb_typeof(entities) WHEN 'array' THEN entities
                                       ELSE '[]' END) WITH ORDINALITY AS e (entity, n)
    ), wanted AS (
        SELECT w.span, coalesce(
                   -- An unchanged span keeps the model's other fields.
                   (SELECT h.entity FROM had h WHERE h.span = w.span ORDER BY h.n LIMIT 1),
                   jsonb_build_object('start', w.span -> 0, 'end', w.span -> 1, 'label', w.span -> 2,
                                      'value', substr(message, (w.span ->> 0)::integer + 1,
                                                      (w.span ->> 1)::integer - (w.span ->> 0)::integer))) AS entity
        FROM jsonb_array_elements(spans) AS w (span)
    )
    SELECT coalesce((SELECT jsonb_agg(w.entity ORDER BY (w.span ->> 0)::integer, (w.span ->> 1)::integer,
                                                        (w.span ->> 2) COLLATE "C") FROM wanted w), '[]')
        -- Entities that are no valid spans were not shown to the annotator.
        || coalesce((SELECT jsonb_agg(h.entity ORDER BY h.n) FROM had h WHERE h.span IS NULL), '[]');
END;
REVOKE ALL ON FUNCTION @extschema@.tw_entities_of_spans(jsonb, jsonb, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_entities_of_spans(jsonb, jsonb, text) IS
    'The entities of a message after a person marked these spans [[start, end, label], ...]: the model''s entities of '
    'unchanged spans, new ones as {start, end, label, value}';

CREATE FUNCTION @extschema@.tw_labelstudio_spans(result jsonb, text_length integer) RETURNS jsonb
    LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT @extschema@.tw_entity_spans(coalesce(jsonb_agg(jsonb_build_object(
               'start', r.item -> 'value' -> 'start', 'end', r.item -> 'value' -> 'end', 'label', l.label)), '[]'),
               text_length)
    FROM jsonb_array_elements(CASE jsonb_typeof(result) WHEN 'array' THEN result ELSE '[]' END) AS r (item)
    CROSS JOIN LATERAL jsonb_array_elements_text(CASE jsonb_typeof(r.item -> 'value' -> 'labels') WHEN 'array'
                                                      THEN r.item -> 'value' -> 'labels' ELSE '[]' END) AS l (label)
    WHERE r.item ->> 'from_name' = 'entities';
END;
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_spans(jsonb, integer) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_spans(jsonb, integer) IS
    'The spans that an annotation marks, in the format of tw_entity_spans()';

CREATE FUNCTION @extschema@.tw_labelstudio_lines(shown text) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
-- A browser turns carriage return and line feed into one line feed; the replacement keeps the length, and so the spans.
RETURN replace(replace(shown, E'\r\n', E' \n'), E'\r', E'\n');
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_lines(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_lines(text) IS
    'A text that is shown to people, with plain line feeds; of the same length';

CREATE FUNCTION @extschema@.tw_labelstudio_text(message text) RETURNS text
    LANGUAGE sql STABLE STRICT SET search_path = pg_catalog, pg_temp
RETURN @extschema@.tw_labelstudio_lines(@extschema@.tw_shown_text(message, true));
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_text(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_text(text) IS
    'The message for Label Studio: redacted while the setting redact is on, with plain line feeds; of the same length '
    'unless it is longer than the setting max_message_bytes';
