-- What assign.sh measures with: a million units as text, a clock, and walks up the percentages.
CREATE SCHEMA bench;

CREATE UNLOGGED TABLE bench.units AS
SELECT md5(g::text)::uuid::text AS unit FROM generate_series(1, 1000000) g;
VACUUM (ANALYZE) bench.units;

CREATE TABLE bench.times (rollout text, round int, variant text, ms double precision);
CREATE TABLE bench.walks (units bigint, percentages int[], assignments bigint, left_the_canary bigint,
                          in_canary_at_first bigint);

-- Milliseconds that passed, or that this backend had a processor for (CLOCK=cpu).
CREATE FUNCTION bench.clock() RETURNS double precision
    LANGUAGE plpgsql VOLATILE
AS $$
BEGIN
    IF current_setting('bench.clock', true) = 'cpu' THEN
        RETURN split_part(pg_read_file('/proc/self/schedstat'), ' ', 1)::double precision / 1e6;
    END IF;
    RETURN 1000 * extract(epoch FROM clock_timestamp());
END
$$;

-- The cheapest function there is that takes the same arguments: it returns
-- a variable of the server's and looks at no argument.
CREATE FUNCTION bench.empty(text, text) RETURNS integer
    LANGUAGE internal STABLE PARALLEL SAFE CALLED ON NULL INPUT AS 'pg_trigger_depth';

-- Type "router" with one version, type "canary" with two, and beside them other types with versions of their own.
CREATE PROCEDURE bench.make_models()
    LANGUAGE sql
AS $$
    INSERT INTO model_versions (version, model_type, status, traffic_percentage) VALUES
        ('router-v1.0.0', 'router', 'production', 100),
        ('canary-v1.0.0', 'canary', 'production', 75), ('canary-v1.1.0', 'canary', 'canary', 25);
    INSERT INTO model_versions (version, model_type, status)
    SELECT format('agent-%s-v%s.0.0', t, v), 'agent-' || t, CASE v WHEN 10 THEN 'production' ELSE 'retired' END
    FROM generate_series(1, 50) t, generate_series(1, 10) v;
$$;

CREATE PROCEDURE bench.measure(rollout text, round int, variant text, assignments bigint)
    LANGUAGE plpgsql
AS $$
DECLARE
    model_type CONSTANT text := CASE rollout WHEN 'production alone' THEN 'router' ELSE 'canary' END;
    call CONSTANT text := CASE variant WHEN 'assign' THEN 'assign_model_version' ELSE 'bench.empty' END;
    began double precision;
    calls bigint;
BEGIN
    began := bench.clock();
    EXECUTE format('SELECT count(%s(%L, unit)) FROM generate_series(1, %s) AS t, bench.units',
                   call, model_type, assignments / 1000000) INTO calls;
    INSERT INTO bench.times
        SELECT measure.rollout, measure.round, measure.variant, bench.clock() - began WHERE round > 0;
    IF calls <> assignments THEN
        RAISE EXCEPTION 'counted % calls instead of %', calls, assignments;
    END IF;
END
$$;

-- Raises the canary from percentage to percentage and asks for every unit each time: how many had been in the canary
-- and were not any more. Ends with the canary's share at the first percentage, to be compared with it. A million units
-- at a time, each million from the first percentage on.
CREATE PROCEDURE bench.walk(units bigint, percentages int[])
    LANGUAGE plpgsql
AS $$
DECLARE
    first bigint := 1;
    left_the_canary bigint := 0;
    at_first bigint := 0;
    p int;
BEGIN
    CREATE TEMP TABLE was (unit text, canary boolean, leaves int);
    CREATE TEMP TABLE now_is (LIKE was);
    WHILE first <= units LOOP
        TRUNCATE was;
        INSERT INTO was SELECT 'session-' || u, false, 0 FROM generate_series(first, least(first + 999999, units)) u;
        FOREACH p IN ARRAY percentages LOOP
            UPDATE model_versions SET traffic_percentage = p WHERE version = 'canary-v1.1.0';
            TRUNCATE now_is;
            INSERT INTO now_is
            SELECT unit, canary_now, leaves + (canary AND NOT canary_now)::int
            FROM (SELECT unit, canary, leaves, assign_model_version('canary', unit) = 'canary-v1.1.0' AS canary_now
                  FROM was OFFSET 0) x;
            IF p = percentages[1] THEN
                at_first := at_first + (SELECT count(*) FROM now_is WHERE canary);
            END IF;
            ALTER TABLE was RENAME TO swapped;
            ALTER TABLE now_is RENAME TO was;
            ALTER TABLE swapped RENAME TO now_is;
        END LOOP;
        left_the_canary := left_the_canary + (SELECT sum(leaves) FROM was);
        first := first + 1000000;
    END LOOP;
    DROP TABLE was, now_is;
    INSERT INTO bench.walks VALUES (units, percentages, units * cardinality(percentages), left_the_canary, at_first);
END
$$;

-- Buckets of so many units: chi-square of 9,999 degrees of freedom in its standard deviations
-- from its mean, which chance keeps within 3.3 (99.9 %).
CREATE FUNCTION bench.uniformity(units bigint) RETURNS double precision
    LANGUAGE sql
BEGIN ATOMIC
    SELECT (sum((coalesce(n, 0) - units / 10000.0) ^ 2) / (units / 10000.0) - 9999) / sqrt(2 * 9999)
    FROM generate_series(0, 9999) AS b (bucket)
        LEFT JOIN (SELECT rollout_bucket('canary-v1.1.0', 'session-' || u) AS bucket, count(*) AS n
                   FROM generate_series(1, units) u GROUP BY 1) c USING (bucket);
END;

CREATE VIEW bench.report AS
    WITH pivot AS (
        SELECT rollout, round, max(ms) FILTER (WHERE variant = 'assign') AS assign,
               max(ms) FILTER (WHERE variant = 'empty') AS empty,
               max(ms) FILTER (WHERE variant = 'empty_again') AS empty_again
        FROM bench.times GROUP BY rollout, round
    ), figures AS (
        SELECT rollout, n, what, figure, target
        FROM pivot, LATERAL (VALUES
            (1, 'assign_model_version - empty function, ns a call',
             (assign - empty) * 1e6 / current_setting('bench.assignments')::bigint, 2000),
            (2, 'statement with assign_model_version / with the empty function', assign / empty, NULL),
            (3, 'A/A: empty - empty, ns a call',
             (empty_again - empty) * 1e6 / current_setting('bench.assignments')::bigint, NULL)
        ) AS f (n, what, figure, target)
    )
    SELECT rollout, what, round(percentile_cont(0.5) WITHIN GROUP (ORDER BY figure)::numeric, 2) AS figure,
           CASE WHEN target IS NULL THEN ''
                WHEN percentile_cont(0.5) WITHIN GROUP (ORDER BY figure) <= target THEN '<= ' || target || ': met'
                ELSE '<= ' || target || ': MISSED' END AS target,
           round(min(figure)::numeric, 2) || ' .. ' || round(max(figure)::numeric, 2) AS rounds
    FROM figures GROUP BY rollout, n, what, target ORDER BY rollout DESC, n;
