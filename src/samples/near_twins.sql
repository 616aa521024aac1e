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
