-- near_twins(): texts that are nearly the same, so that a model is not tested on what it has learned from.

CREATE FUNCTION @extschema@.near_twins(candidates text[], texts text[], threshold double precision DEFAULT 0.8)
    RETURNS integer[]
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'tw_near_twins';
REVOKE ALL ON FUNCTION @extschema@.near_twins(text[], text[], double precision) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.near_twins(text[], text[], double precision) IS
    'For each candidate, in their order, which of the texts (the first is 1) is most nearly the same: the one with '
    'the highest Jaccard similarity of their sets of words (of the normalised text, every digit as 0), the first of '
    'several; NULL where none reaches the threshold, for a NULL, and for a text without a word. Exact. Raises 22023 '
    'for a threshold that is not above 0 and at most 1, 2202E for arrays of several dimensions';
