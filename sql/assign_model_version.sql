-- Who answers whom: buckets, shares, what is asked wrongly, and who may ask.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET training_workflow.allow_drop = on;
DROP EXTENSION IF EXISTS training_workflow CASCADE;
RESET training_workflow.allow_drop;
RESET client_min_messages;
CREATE EXTENSION training_workflow;

-- Known answers, computed outside: applications rely on them for ever.
SELECT version, unit, rollout_bucket(version, unit), rollout_bucket(version, unit) = bucket AS as_ever
FROM (VALUES (1, 'router-v1.1.0', 's1', 8961), (2, 'router-v1.1.0', 's2', 4128), (3, 'router-v1.1.0', '', 8688),
             (4, 'router-v1.2.0', 's1', 7474),
             (5, 'router-v1.1.0', '+91 98765 43210', 7897), (6, 'router-v1.1.0', U&'\0938\0924\094D\0930-\0967', 9575),
             (7, 'router-v1.1.0', '4f9c2d6e-8a1b-4c3d-9e5f-0a1b2c3d4e5f', 2417), (8, 'food-agent-v10.0.3', 'S1', 7816),
             (9, '', '', 0))
     AS known (n, version, unit, bucket) ORDER BY n;
-- The formula of the documentation, word by word.
CREATE FUNCTION pg_temp.times(a numeric, b numeric) RETURNS numeric LANGUAGE sql IMMUTABLE
    AS 'SELECT a * b % 18446744073709551616';
-- XOR by parts of 32 bits, as there is no unsigned bigint.
CREATE FUNCTION pg_temp.xored(a numeric, b numeric) RETURNS numeric LANGUAGE sql IMMUTABLE AS
    'SELECT (div(a, 4294967296)::bigint # div(b, 4294967296)::bigint) * 4294967296::numeric + ((a % '
    '4294967296)::bigint # (b % 4294967296)::bigint)';
CREATE FUNCTION pg_temp.fnv(t text) RETURNS numeric LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    h numeric := 14695981039346656037;
    bytes bytea := convert_to(t, 'UTF8');
BEGIN
    FOR i IN 0 .. length(bytes) - 1 LOOP
        h := pg_temp.times(pg_temp.xored(h, get_byte(bytes, i)), 1099511628211);
    END LOOP;
    RETURN h;
END
$$;
CREATE FUNCTION pg_temp.mix(h numeric) RETURNS numeric LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    h := pg_temp.times(pg_temp.xored(h, div(h, 8589934592)), 18397679294719823053);
    h := pg_temp.times(pg_temp.xored(h, div(h, 8589934592)), 14181476777654086739);
    RETURN pg_temp.xored(h, div(h, 8589934592));
END
$$;
SELECT count(*), count(*) FILTER (WHERE rollout_bucket(version, unit) <>
    pg_temp.mix(pg_temp.xored(pg_temp.mix(pg_temp.fnv(unit)), pg_temp.mix(pg_temp.fnv(version)))) % 10000) AS otherwise
FROM (SELECT format('router-v1.%s.0', g % 7) AS version, repeat(chr(33 + g), g % 40) || g AS unit
      FROM generate_series(1, 500) g) x;
SELECT rollout_bucket(NULL, 's1'), rollout_bucket('router-v1.1.0', NULL);
-- However the text is stored.
CREATE TEMP TABLE stored (n int, unit text);
ALTER TABLE stored ALTER unit SET STORAGE EXTENDED;
INSERT INTO stored VALUES (1, repeat('s', 100000)),
                          (2, (SELECT string_agg(md5(g::text), '') FROM generate_series(1, 10000) g));
SELECT n, pg_column_size(unit) < 100000 AS compressed,
       rollout_bucket('router-v1.1.0', unit) = rollout_bucket('router-v1.1.0', s.whole) AS same
FROM stored, LATERAL (SELECT CASE n WHEN 1 THEN repeat(
    's', 100000) ELSE (SELECT string_agg(md5(g::text), '') FROM generate_series(1, 10000) g) END AS whole) s ORDER BY n;

-- Uniform, whatever units look like: 200,000 in 10,000 buckets, chi-square of 9,999 degrees of freedom. Its 0.1 % and
-- 99.9 % quantiles are 9567.7 and 10441.7: below is too even for chance, above too uneven.
CREATE TEMP TABLE kinds AS
SELECT kind, unit, rollout_bucket('router-v1.1.0', unit) AS first, rollout_bucket('router-v1.2.0', unit) AS second
FROM generate_series(1, 200000) g, LATERAL (VALUES
    ('sequential', g::text), ('prefixed', 'session-' || lpad(g::text, 10, '0')), ('uuid', md5(g::text)::uuid::text),
    ('phone', '+91 ' || (7000000000 + g * 9973)::text),
    ('devanagari', translate(U&'\0938\0924\094D\0930 ' || g, '0123456789',
                             U&'\0966\0967\0968\0969\096A\096B\096C\096D\096E\096F')),
    ('length', repeat('x', g % 100) || g / 100)) AS k (kind, unit);
SELECT kind, count(DISTINCT unit) AS units, min(first) >= 0 AND max(first) <= 9999 AND max(second) <= 9999 AS in_range
FROM kinds GROUP BY kind ORDER BY kind COLLATE "C";
SELECT kind, rollout, chi_square > 9567.7 AS not_too_even, chi_square < 10441.7 AS not_too_uneven
FROM (SELECT kind, rollout, sum((coalesce(n, 0) - 20) ^ 2 / 20.0) AS chi_square
      FROM (SELECT DISTINCT kind FROM kinds) k CROSS JOIN generate_series(0, 9999) AS b (bucket)
      CROSS JOIN (VALUES ('first'), ('second')) r (rollout)
          LEFT JOIN (SELECT kind, 'first' AS rollout, first AS bucket, count(*) AS n FROM kinds GROUP BY 1, 3
                     UNION ALL SELECT kind, 'second', second, count(*) FROM kinds
                               GROUP BY 1, 3) c USING (kind, bucket, rollout)
      GROUP BY kind, rollout) x
ORDER BY kind COLLATE "C", rollout;
-- The test would notice buckets that are filled in turn, and ones of which a twentieth is never met.
SELECT sum((n - 20) ^ 2 / 20.0) < 9567.7 AS noticed
FROM (SELECT g % 10000 AS bucket, count(*) AS n FROM generate_series(1, 200000) g GROUP BY 1) x;
SELECT sum((coalesce(n, 0) - 20) ^ 2 / 20.0) > 10441.7 AS noticed
FROM generate_series(0, 9999) AS b (bucket)
LEFT JOIN (SELECT first * 19 / 20 AS bucket, count(*) AS n FROM kinds WHERE kind = 'uuid' GROUP BY 1) c USING (bucket);

-- Independent between rollouts. Two by two at 10 and 25 percent: chi-square
-- of one degree of freedom, 99.9 % quantile 10.83.
SELECT kind, (n * (in_both * in_neither - only_first * only_second) ^ 2
              / ((in_both + only_first) * (in_neither + only_second) * (in_both + only_second)
                     * (in_neither + only_first))) < 10.83 AS independent
FROM (SELECT kind, count(*)::numeric AS n, count(*) FILTER (WHERE first < 1000 AND second < 2500)::numeric AS in_both,
             count(*) FILTER (WHERE first < 1000 AND second >= 2500)::numeric AS only_first,
             count(*) FILTER (WHERE first >= 1000 AND second < 2500)::numeric AS only_second,
             count(*) FILTER (WHERE first >= 1000 AND second >= 2500)::numeric AS in_neither FROM kinds GROUP BY kind) x
ORDER BY kind COLLATE "C";
-- Correlation of the buckets: |r| sqrt(n) stays below the normal distribution's 99.95 % quantile.
SELECT kind, abs(corr(first, second)) * sqrt(count(*)) < 3.29 AS independent FROM kinds GROUP BY kind
ORDER BY kind COLLATE "C";
-- Every pair of twenty versions that differ in a digit or two, 190 pairs: 0.1 % in all, so 4.56.
CREATE TEMP TABLE rollouts AS
SELECT v, g, rollout_bucket(format('router-v1.%s.0', v), 'session-' || g) AS bucket
FROM generate_series(0, 19) v, generate_series(1, 10000) g;
SELECT count(*) AS pairs, bool_and(independent) AS independent
FROM (SELECT abs(corr(a.bucket, b.bucket)) * sqrt(count(*)) < 4.56 AS independent
      FROM rollouts a JOIN rollouts b ON b.g = a.g AND b.v > a.v GROUP BY a.v, b.v) x;
DROP TABLE kinds, rollouts;

-- What is asked wrongly, and types of which nothing is live.
SELECT assign_model_version('router', 's1');
INSERT INTO model_versions (version, model_type, status)
VALUES ('router-v0.1.0', 'router', 'retired'), ('router-v0.2.0', 'router', 'failed'),
       ('router-v1.0.0', 'router', 'candidate');
SELECT assign_model_version('router', 's1') IS NULL AS nothing_live;
SELECT assign_model_version('Router', 's1');
SELECT assign_model_version('', 's1');
SELECT assign_model_version(NULL, 's1');
SELECT assign_model_version('router', NULL);
SELECT assign_model_version(NULL, NULL);

-- One production version answers everybody, whatever its percentage says.
UPDATE model_versions SET status = 'production' WHERE version = 'router-v1.0.0';
SELECT assign_model_version('router', 's1'), assign_model_version('router', ''),
       assign_model_version('router', repeat('long ', 100000));
UPDATE model_versions SET traffic_percentage = 100 WHERE version = 'router-v1.0.0';
SELECT assign_model_version('router', 's1');
-- A canary answers below its percentage: s1 is in bucket 8961, s2 in 4128, the empty unit in 8688.
INSERT INTO model_versions (version, model_type, status) VALUES ('router-v1.1.0', 'router', 'canary');
SELECT unit, assign_model_version('router', unit) FROM unnest(ARRAY['s1', 's2', '']) unit;
UPDATE model_versions SET traffic_percentage = 41 WHERE version = 'router-v1.1.0';
SELECT unit, assign_model_version('router', unit) FROM unnest(ARRAY['s1', 's2', '']) unit;
UPDATE model_versions SET traffic_percentage = 42 WHERE version = 'router-v1.1.0';
SELECT unit, assign_model_version('router', unit) FROM unnest(ARRAY['s1', 's2', '']) unit;
UPDATE model_versions SET traffic_percentage = 100 WHERE version = 'router-v1.1.0';
SELECT unit, assign_model_version('router', unit) FROM unnest(ARRAY['s1', 's2', '']) unit;
-- Rolled back in one statement, and everybody is back.
UPDATE model_versions SET status = 'rolled-back', traffic_percentage = 0 WHERE version = 'router-v1.1.0';
SELECT unit, assign_model_version('router', unit) FROM unnest(ARRAY['s1', 's2', '']) unit;

-- A canary that was left alone answers its share; the others go on as before.
INSERT INTO model_versions (version, model_type, status, traffic_percentage)
VALUES ('parcel-agent-v1.0.0', 'parcel-agent', 'canary', 30);
SELECT count(*) FILTER (WHERE (v = 'parcel-agent-v1.0.0') IS NOT TRUE AND bucket < 3000
                          OR v IS NOT NULL AND bucket >= 3000) AS otherwise,
       count(v) BETWEEN 250 AND 350 AS its_share
FROM (SELECT assign_model_version('parcel-agent', u::text) AS v,
             rollout_bucket('parcel-agent-v1.0.0', u::text) AS bucket FROM generate_series(1, 1000) u) x;

-- From 1 to 100 percent: nobody leaves the canary, asking again changes nothing, and the share is what it should be.
-- Kolmogorov and Smirnov's largest deviation over all percentages, times the root of the number of units, is below 1.95
-- with 99.9 %.
INSERT INTO model_versions (version, model_type, status) VALUES ('router-v1.2.0', 'router', 'canary');
CREATE TEMP TABLE units AS SELECT 'session-' || g AS unit, false AS canary FROM generate_series(1, 5000) g;
CREATE FUNCTION pg_temp.ramp(from_percentage int, to_percentage int, step int,
    OUT looks int, OUT left_the_canary bigint, OUT entered bigint, OUT changed_when_asked_again bigint,
    OUT elsewhere bigint, OUT deviation float8) LANGUAGE plpgsql AS $$
DECLARE
    p int;
    l bigint;
    e bigint;
    c bigint;
    o bigint;
    share float8;
BEGIN
    looks := 0; left_the_canary := 0; entered := 0; changed_when_asked_again := 0; elsewhere := 0; deviation := 0;
    FOR p IN SELECT generate_series(from_percentage, to_percentage, step) LOOP
        UPDATE model_versions SET traffic_percentage = p WHERE version = 'router-v1.2.0';
        SELECT count(*) FILTER (WHERE canary AND v = 'router-v1.0.0'),
               count(*) FILTER (WHERE NOT canary AND v = 'router-v1.2.0'),
               count(*) FILTER (WHERE v IS DISTINCT FROM again),
               count(*) FILTER (WHERE v NOT IN ('router-v1.0.0', 'router-v1.2.0') IS NOT FALSE),
               avg((v = 'router-v1.2.0')::int)
        INTO l, e, c, o, share
        FROM (SELECT unit, canary, assign_model_version('router', unit) AS v,
                     assign_model_version('router', unit || left(random()::text, 0)) AS again FROM units) x;
        UPDATE units SET canary = assign_model_version('router', unit) = 'router-v1.2.0';
        looks := looks + 1;
        left_the_canary := left_the_canary + l;
        entered := entered + e;
        changed_when_asked_again := changed_when_asked_again + c;
        elsewhere := elsewhere + o;
        deviation := greatest(deviation, abs(share - p / 100.0));
    END LOOP;
END
$$;
SELECT looks, left_the_canary, entered, changed_when_asked_again, elsewhere,
       deviation * sqrt(5000) < 1.95 AS shares_as_they_should_be FROM pg_temp.ramp(1, 100, 1);
-- The way down is the way up backwards.
SELECT looks, left_the_canary, entered, changed_when_asked_again, elsewhere FROM pg_temp.ramp(100, 0, -4);

-- Two types at once: each its own versions and shares.
INSERT INTO model_versions (version, model_type, status) VALUES ('food-agent-v2.0.0', 'food-agent', 'production');
INSERT INTO model_versions (version, model_type, status, traffic_percentage)
VALUES ('food-agent-v2.1.0', 'food-agent', 'canary', 25);
UPDATE model_versions SET traffic_percentage = 10 WHERE version = 'router-v1.2.0';
SELECT router, food, count(*) BETWEEN 5000 * share - 4 * sqrt(5000 * share * (1 - share)) AND 5000 * share
       + 4 * sqrt(5000 * share * (1 - share)) AS as_expected
FROM (SELECT assign_model_version('router', unit) AS router, assign_model_version('food-agent', unit) AS food
      FROM units) x
    JOIN (VALUES ('router-v1.2.0', 0.10), ('router-v1.0.0', 0.90)) r (router, router_share) USING (router)
    JOIN (VALUES ('food-agent-v2.1.0', 0.25), ('food-agent-v2.0.0', 0.75)) f (food, food_share) USING (food)
    CROSS JOIN LATERAL (SELECT router_share * food_share AS share) s
GROUP BY router, food, share ORDER BY router COLLATE "C", food COLLATE "C";
-- As rollout_bucket() says, and in parallel.
SELECT count(*) FILTER (WHERE (assign_model_version('router', unit) = 'router-v1.2.0')
                                  <> (rollout_bucket('router-v1.2.0', unit) < 1000)) AS otherwise FROM units;
CREATE TABLE assign_units AS SELECT unit, assign_model_version('router', unit) AS version FROM units;
ANALYZE assign_units;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
CREATE FUNCTION pg_temp.workers(query text) RETURNS boolean LANGUAGE plpgsql AS
    $$ DECLARE line text;
    BEGIN
        FOR line IN EXECUTE 'EXPLAIN ' || query LOOP
            IF line LIKE '%Workers Planned%' THEN
                RETURN true;
            END IF;
        END LOOP;
        RETURN false;
    END $$;
SELECT pg_temp.workers('SELECT count(*) FROM assign_units WHERE version <> assign_model_version(''router'', '
                       'unit)') AS parallel;
SELECT count(*) AS otherwise FROM assign_units WHERE version IS DISTINCT FROM assign_model_version('router', unit);
-- Workers see what this transaction has changed so far.
BEGIN;
UPDATE model_versions SET traffic_percentage = 100 WHERE version = 'router-v1.2.0';
SELECT assign_model_version('router', unit), count(*) FROM assign_units GROUP BY 1;
ROLLBACK;
SELECT count(*) AS otherwise FROM assign_units WHERE version IS DISTINCT FROM assign_model_version('router', unit);
RESET ALL;
\set SHOW_CONTEXT never
DROP TABLE assign_units;

-- Many types, and versions by the hundred.
INSERT INTO model_versions (version, model_type, status)
SELECT format('agent-%s-v%s.0.0', t, v), 'agent-' || t, CASE v WHEN 30 THEN 'production' ELSE 'retired' END
FROM generate_series(1, 50) t, generate_series(1, 30) v;
SELECT count(*) AS types,
       count(*) FILTER (WHERE assign_model_version('agent-' || t, 's1') = format('agent-%s-v30.0.0', t)) AS answered
FROM generate_series(1, 50) t;
DELETE FROM model_versions WHERE model_type ~ '^agent-';
SELECT assign_model_version('agent-1', 's1');

-- An application may ask, and reads nothing of the registry; nobody else may.
CREATE ROLE regress_tw_app;
CREATE ROLE regress_tw_analyst;
CREATE ROLE regress_tw_operator;
CREATE ROLE regress_tw_nobody;
SELECT grant_training_role('regress_tw_app', 'capture'), grant_training_role('regress_tw_analyst', 'analyst'),
       grant_training_role('regress_tw_operator', 'operator');
SET ROLE regress_tw_app;
SELECT assign_model_version('router', 's1'), rollout_bucket('router-v1.2.0', 's1');
SELECT count(*) FROM model_versions;
UPDATE model_versions SET traffic_percentage = 100;
SET ROLE regress_tw_operator;
SELECT assign_model_version('router', 's1'), rollout_bucket('router-v1.2.0', 's1');
SET ROLE regress_tw_analyst;
SELECT rollout_bucket('router-v1.2.0', 's1');
SELECT assign_model_version('router', 's1');
SET ROLE regress_tw_nobody;
SELECT assign_model_version('router', 's1');
SELECT rollout_bucket('router-v1.2.0', 's1');
RESET ROLE;
DROP OWNED BY regress_tw_app, regress_tw_analyst, regress_tw_operator;
DROP ROLE regress_tw_app, regress_tw_analyst, regress_tw_operator, regress_tw_nobody;

-- The table is not what the library knows: refused, not misread.
BEGIN;
ALTER TABLE model_versions RENAME COLUMN traffic_percentage TO share;
SELECT assign_model_version('router', 's1');
ROLLBACK;
SELECT assign_model_version('router', 's1');
SELECT count(*) AS undocumented FROM pg_proc
WHERE proname IN ('assign_model_version', 'rollout_bucket') AND obj_description(oid, 'pg_proc') IS NULL;
