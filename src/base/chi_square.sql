-- The tail of the chi-square distribution, for tests of counts.

CREATE FUNCTION @extschema@.tw_chi_square_p(statistic double precision, freedom double precision)
    RETURNS double precision
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'tw_chi_square_p';
REVOKE ALL ON FUNCTION @extschema@.tw_chi_square_p(double precision, double precision) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_chi_square_p(double precision, double precision) IS
    'The probability that a chi-square variable with so many degrees of freedom is at least as large; NULL for freedom '
    'of 0 or less';
