-- Entities as spans of text. Positions are code points from 0, the end excluded; redaction keeps their number.

CREATE FUNCTION @extschema@.tw_entity_spans(entities jsonb, text_length integer) RETURNS jsonb
    LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT coalesce(jsonb_agg(jsonb_build_array(s.first, s.past, s.label)
                              ORDER BY s.first, s.past, s.label COLLATE "C"), '[]')
    FROM (SELECT DISTINCT n.first, n.past, l.label
          FROM jsonb_array_elements(CASE jsonb_typeof(entities) WHEN 'array' THEN entities ELSE '[]' END) AS e (entity)
          CROSS JOIN LATERAL (SELECT CASE WHEN e.entity ->> 'start' ~ '^[0-9]{1,9}$'
                                          THEN (e.entity ->> 'start')::integer END AS first,
                                     CASE WHEN e.entity ->> 'end' ~ '^[0-9]{1,9}$'
                                          THEN (e.entity ->> 'end')::integer END AS past) n
          CROSS JOIN LATERAL (SELECT nullif(coalesce(e.entity ->> 'label', e.entity ->> 'entity', e.entity ->> 'type'),
                                            '') AS label) l
          WHERE l.label IS NOT NULL AND n.first < n.past AND n.past <= text_length) s;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_entity_spans(jsonb, integer) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_entity_spans(jsonb, integer) IS
    'The entities that are spans of a text of text_length code points, as [[start, end, label], ...]: objects of an '
    'array with whole numbers start < end and a label (or entity, or type). Other elements are left out';
