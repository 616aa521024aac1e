-- near_twins(): texts that are nearly the same, so that a model is not tested on what it has learned from.

CREATE FUNCTION @extschema@.near_twins(candidates text[], texts text[], threshold double precision DEFAULT 0.8)
    RETURNS integer[]
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'tw_near_twins';
REVOKE ALL ON FUNCTION @extschema@.near_twins(text[], text[], double precision) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.near_twins(text[], text[], double precision) IS
    'For each of the candidates, in order, the position (from 1) of the most similar one of texts: highest Jaccard '
    'similarity of the sets of words (normalised text, every digit as 0), the first of several. NULL where no text '
    'reaches the threshold (above 0, at most 1), for a NULL, and for a text without words. The result is exact. Raises '
    '22023 for a threshold out of range, 2202E for arrays of several dimensions';

CREATE FUNCTION @extschema@.tw_near_twins(
    candidates text[], texts text[], threshold double precision, digits_alike boolean)
    RETURNS integer[]
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'tw_near_twins';
REVOKE ALL ON FUNCTION @extschema@.tw_near_twins(text[], text[], double precision, boolean) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_near_twins(text[], text[], double precision, boolean) IS
    'As near_twins(); digits_alike tells whether every digit is read as 0, as near_twins() does, or as it is';

-- "opcion 1" and "opcion 2" are near-twins only if they mean the same. Without a digit both comparisons are the same
-- one, so that only texts with digits are compared twice.
CREATE FUNCTION @extschema@.tw_texts_with_twins(
    candidates text[], intents text[], texts text[], text_intents text[], OUT candidate text, OUT intent text)
    RETURNS SETOF record
    LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT x.candidate, x.intent
    FROM unnest(candidates, intents, @extschema@.tw_near_twins(candidates, texts, 0.8::double precision, false))
        AS x (candidate, intent, twin)
    WHERE x.twin IS NOT NULL
    UNION
    SELECT x.candidate, c.intent
    FROM (SELECT y.intent, array_agg(y.text) AS texts FROM unnest(candidates, intents) AS y (text, intent)
          WHERE y.text ~ '[0-9]' GROUP BY y.intent) c
    JOIN (SELECT y.intent, array_agg(y.text) AS texts FROM unnest(texts, text_intents) AS y (text, intent)
          WHERE y.text ~ '[0-9]' GROUP BY y.intent) t ON t.intent = c.intent,
         unnest(c.texts, @extschema@.tw_near_twins(c.texts, t.texts, 0.8::double precision, true))
             AS x (candidate, twin)
    WHERE x.twin IS NOT NULL;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_texts_with_twins(text[], text[], text[], text[]) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_texts_with_twins(text[], text[], text[], text[]) IS
    'The candidates, each with its intent, that have a near-twin among the texts: four words in five the same, with '
    'digits as they are, or with digits alike if both have one intent';
