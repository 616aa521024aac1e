-- The confidence interval of a fraction, for every function that reports one.

CREATE FUNCTION @extschema@.tw_wilson(share double precision, n double precision, OUT lower double precision,
                                      OUT upper double precision)
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT greatest(0, (share + zz / (2 * n) - root) / (1 + zz / n)),
           least(1, (share + zz / (2 * n) + root) / (1 + zz / n))
    FROM (SELECT (1.959963984540054 ^ 2)::double precision AS zz) z,
         LATERAL (SELECT sqrt(zz * (share * (1 - share) / n + zz / (4 * n * n))) AS root) r
    WHERE n > 0;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_wilson(double precision, double precision) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_wilson(double precision, double precision) IS
    'Wilson''s 95 % confidence interval of a fraction (0 to 1) measured on n samples; n may be an effective sample '
    'size';
