-- sample_ratio_check: whether sessions are split between the arms as planned.

CREATE FUNCTION @extschema@.sample_ratio_check(
    canary_units bigint[], production_units bigint[], canary_share double precision[],
    alpha double precision DEFAULT 0.001, OUT evidence double precision, OUT expected_share double precision,
    OUT observed_share double precision, OUT mismatch boolean)
    LANGUAGE c IMMUTABLE PARALLEL SAFE CALLED ON NULL INPUT
    AS 'MODULE_PATHNAME', 'tw_sample_ratio_check';
REVOKE ALL ON FUNCTION @extschema@.sample_ratio_check(bigint[], bigint[], double precision[], double precision)
    FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.sample_ratio_check(bigint[], bigint[], double precision[], double precision) IS
    'Whether the canary gets its planned fraction of the sessions, valid at all checks together: the beta mixture '
    'martingale of Lindon and Malek (Anytime-valid inference for multinomial count data, NeurIPS 35, 2022), multiplied '
    'over steps and averaged over three priors. Assumes that sessions are independent. Takes arrays with one element a '
    'step: distinct sessions by the arm of their first assignment in the step (canary_units, production_units), and '
    'canary_share, the planned fraction of the canary, above 0 and below 1. Returns the evidence against that fraction '
    '(an e-value, at most 1e300), expected and observed fraction over all steps (NULL without sessions), and mismatch: '
    'the evidence is at least 1/alpha, which happens at any check of a correct split with probability at most alpha. '
    'Raises 22004 for NULLs, and 22023 for arrays of different lengths, negative numbers or more than 1e12 sessions, a '
    'fraction outside (0, 1), and alpha outside (0, 0.5]';
