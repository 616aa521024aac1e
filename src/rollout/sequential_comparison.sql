-- sequential_comparison: the canary against production, valid at any number of checks.

CREATE FUNCTION @extschema@.tw_measured_from() RETURNS integer
    LANGUAGE c IMMUTABLE PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'tw_measured_from';
REVOKE ALL ON FUNCTION @extschema@.tw_measured_from() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_measured_from() IS
    'The least number of sessions with data in an arm for a comparison, for a verdict and for the end of a step alike '
    '(sequential.h has the reason)';

CREATE FUNCTION @extschema@.sequential_comparison(
    canary_units double precision[], canary_n double precision[], canary_y double precision[],
    canary_nn double precision[], canary_ny double precision[], canary_yy double precision[],
    production_units double precision[], production_n double precision[], production_y double precision[],
    production_nn double precision[], production_ny double precision[], production_yy double precision[],
    alpha double precision DEFAULT 0.05, margin double precision DEFAULT 0.02,
    min_units integer DEFAULT @extschema@.tw_measured_from(), design_effect double precision DEFAULT 1,
    OUT canary_rate double precision, OUT production_rate double precision, OUT difference double precision,
    OUT lower double precision, OUT upper double precision, OUT minimum_detectable_loss double precision,
    OUT verdict text)
    LANGUAGE c IMMUTABLE PARALLEL SAFE CALLED ON NULL INPUT
    AS 'MODULE_PATHNAME', 'tw_sequential_comparison';
REVOKE ALL ON FUNCTION @extschema@.sequential_comparison(
    double precision[], double precision[], double precision[], double precision[], double precision[],
    double precision[], double precision[], double precision[], double precision[], double precision[],
    double precision[], double precision[], double precision, double precision, integer, double precision) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.sequential_comparison(
    double precision[], double precision[], double precision[], double precision[], double precision[],
    double precision[], double precision[], double precision[], double precision[], double precision[],
    double precision[], double precision[], double precision, double precision, integer, double precision) IS
    'The canary''s fraction of good outcomes less that of concurrent production, with bounds that hold at all checks '
    'together: an asymptotic confidence sequence (Waudby-Smith et al., Annals of Statistics 52, 2024), stratified by '
    'step, with a mixture of truncated normals as boundary (Robbins 1970; Howard et al., Annals of Statistics 49, '
    '2021). Assumes that sessions are independent and that in a step both arms draw from the same traffic. Takes, by '
    'arm, arrays with one element a step: sessions with n > 0 (canary_units, production_units) and the sums over them '
    'of n (canary_n, production_n), y (canary_y, production_y), n*n (canary_nn, production_nn), n*y (canary_ny, '
    'production_ny) and y*y (canary_yy, production_yy), where a session has n trials, y of them good, 0 <= y <= n, '
    'weights of any scale; design_effect is the number of sessions that count as one (1 where each is in one step '
    'only). A step without sessions in one of the arms adds nothing. Returns the rates and their difference, as means '
    'over steps with the same weights; lower and upper, each wrong at any check with probability at most alpha; '
    'minimum_detectable_loss, the smallest loss that would give the verdict worse if it were observed now (with these '
    'sessions, production as it is, and a canary worse by it; 1: no loss would); and verdict: worse (upper < 0), '
    'better (lower > 0), non-inferior (lower > -margin), undecided, or not measured, without bounds, where an arm has '
    'fewer than min_units. Raises 22004 for NULLs, and 22023 for arrays of different lengths, numbers that are '
    'negative or not finite, sums that no sessions can have, alpha outside (0, 0.5], margin outside [0, 1), min_units '
    'below 5 and design_effect outside [1, 1e6]';
