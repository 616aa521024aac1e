-- sequential_comparison, sample_ratio_check: figures, against computations of their
-- own in SQL. How often they err: test/bench/rollout.sh.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET training_workflow.allow_drop = on;
DROP EXTENSION IF EXISTS training_workflow CASCADE;
RESET training_workflow.allow_drop;
RESET client_min_messages;
CREATE EXTENSION training_workflow;

-- A row is a session: n trials, y of them good.
CREATE TABLE sessions (step int, arm text, n double precision, y double precision);
CREATE FUNCTION sums(of_arm text, what text) RETURNS double precision[] LANGUAGE sql AS $$
    SELECT array_agg(coalesce(s.sum, 0) ORDER BY g.step)
    FROM (SELECT DISTINCT step FROM sessions) g LEFT JOIN (
        SELECT step, sum(CASE what WHEN 'units' THEN 1 WHEN 'n' THEN n WHEN 'y' THEN y WHEN 'nn' THEN n * n
                              WHEN 'ny' THEN n * y ELSE y * y END)
        FROM sessions WHERE arm = of_arm AND n > 0 GROUP BY step) s USING (step)
$$;
CREATE FUNCTION compare(a double precision DEFAULT 0.05, m double precision DEFAULT 0.02,
                        fewest int DEFAULT tw_measured_from(),
    OUT canary_rate double precision, OUT production_rate double precision, OUT difference double precision,
    OUT lower double precision, OUT upper double precision, OUT minimum_detectable_loss double precision,
    OUT verdict text) LANGUAGE sql AS $$
    SELECT * FROM sequential_comparison(
        sums('c', 'units'), sums('c', 'n'), sums('c', 'y'), sums('c', 'nn'), sums('c', 'ny'), sums('c', 'yy'),
        sums('p', 'units'), sums('p', 'n'), sums('p', 'y'), sums('p', 'nn'), sums('p', 'ny'), sums('p', 'yy'),
        a, m, fewest)
$$;
CREATE VIEW figures AS
    SELECT round(canary_rate::numeric, 4) AS canary, round(production_rate::numeric, 4) AS production,
           round(difference::numeric, 4) AS difference, round(lower::numeric, 4) AS lower,
           round(upper::numeric, 4) AS upper, round(minimum_detectable_loss::numeric, 4) AS loss, verdict
           FROM compare();
-- Sessions of one trial, good ones and bad ones.
CREATE FUNCTION add(step int, arm text, good int, bad int, n double precision DEFAULT 1) RETURNS void LANGUAGE sql AS $$
    INSERT INTO sessions SELECT step, arm, n, CASE WHEN g <= good THEN n ELSE 0 END
                         FROM generate_series(1, good + bad) g
$$;

-- The evidence against a true difference d, for sessions of one trial, from the definition: variance and skewness under
-- d, the score's signed root, and the mixture as a sum over 100,000 values of k. At a bound it is 1 / alpha. The
-- mixture: four fifths are normal around 0.11 with 0.045, one fifth half-normal with 0.6, each over the values above 0.
CREATE TABLE mixture AS
    SELECT k, 0.8 * small / sum(small) OVER () + 0.2 * large / sum(large) OVER () AS density
    FROM generate_series(1, 100000) i, LATERAL (SELECT i * 4e-5::double precision AS k) k,
         LATERAL (SELECT exp(greatest(-0.5 * ((k - 0.11) / 0.045) ^ 2, -300)) AS small,
                         exp(-0.5 * (k / 0.6) ^ 2) AS large) d;
CREATE FUNCTION evidence(d double precision, side int) RETURNS double precision LANGUAGE sql AS $$
    WITH arm AS (
        SELECT step, sum(1) FILTER (WHERE arm = 'c') AS nc, sum(1) FILTER (WHERE arm = 'p') AS np,
               sum(y) FILTER (WHERE arm = 'c') AS yc, sum(y) FILTER (WHERE arm = 'p') AS yp
        FROM sessions GROUP BY step
    ), rate AS (
        SELECT *, (yc + yp + 1) / (nc + np + 2) AS r, nc::double precision / (nc + np) AS share,
               yc - yc * yc / nc AS bc, yp - yp * yp / np AS bp FROM arm WHERE nc > 0 AND np > 0
    ), shared AS (
        SELECT *, (bc * nc / (nc - 1) + bp * np / (np - 1) + 1) / (bc + bp + 1) AS both_effect FROM rate
    ), effect AS (
        SELECT *, (bc * nc / (nc - 1) + both_effect) / (bc + 1) / nc AS ec,
               (bp * np / (np - 1) + both_effect) / (bp + 1) / np AS ep,
               r + (1 - share) * d AS qc, r - share * d AS qp FROM shared
    ), weighed AS (
        SELECT *, 1 / (r * (1 - r) * (ec + ep)) / sum(1 / (r * (1 - r) * (ec + ep))) OVER () AS w FROM effect
    ), total AS (
        SELECT sum(w * (yc / nc - yp / np)) AS estimate,
               sum(w * r * (1 - r)) / sum(w ^ 2 * r * (1 - r) * (ec + ep)) AS information,
               sum(w ^ 2 * (qc * (1 - qc) * ec + qp * (1 - qp) * ep)) AS v,
               sum(w ^ 3 * (qc * (1 - qc) * (1 - 2 * qc) * ec ^ 2 - qp * (1 - qp) * (1 - 2 * qp) * ep ^ 2)) AS third
        FROM weighed
    ), standard AS (
        SELECT side * (d - estimate) / sqrt(v) AS z, - side * third / v ^ 1.5 AS skewness, information FROM total
    ), root AS (
        SELECT *, sqrt(2 * ((1 + z * skewness) * ln(1 + z * skewness) - z * skewness)) / abs(skewness)
               + skewness / 6 AS corrected FROM standard
    )
    SELECT sum(density * exp(greatest(k * corrected * sqrt(information) - k ^ 2 * information / 2, -300)))
    FROM root, mixture
$$;
CREATE FUNCTION at_bounds(a double precision) RETURNS text LANGUAGE sql AS $$
    SELECT format('%s %s', round((a * evidence(upper, 1))::numeric, 4), round((a * evidence(lower, -1))::numeric, 4))
    FROM compare(a)
$$;

-- Nobody there.
SELECT * FROM sequential_comparison('{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}');

-- One step, rates 0.90 and 0.93.
SELECT add(1, 'c', 900, 100), add(1, 'p', 8370, 630);
SELECT * FROM figures;
SELECT at_bounds(0.05), at_bounds(0.5), at_bounds(1e-6);
-- The loss that would be called worse is called worse; the evidence against no difference says the same.
SELECT evidence(difference, 1) < 1 AS none_at_the_estimate, evidence(0, 1) > 20 AS is_worse, upper < 0
       AND difference < - minimum_detectable_loss AS says_so FROM compare();
-- Three steps, the last with next to nothing in it; rates near one, so that the counts are skewed.
SELECT add(2, 'c', 990, 10), add(2, 'p', 2980, 20), add(3, 'c', 2, 0), add(3, 'p', 5, 0);
SELECT * FROM figures;
SELECT at_bounds(0.05), at_bounds(0.01);
-- A step without sessions in an arm adds nothing, wherever it stands.
CREATE TEMP TABLE before AS TABLE figures;
SELECT add(0, 'p', 1, 999), add(4, 'c', 0, 5000), add(5, 'p', 0, 0);
SELECT count(*) FROM (TABLE before INTERSECT TABLE figures) same;
-- Steps have no order, and two of the same rates are as good as one: but for pseudo-counts.
TRUNCATE sessions;
SELECT add(1, 'c', 900, 100), add(1, 'p', 8370, 630), add(2, 'c', 900, 100), add(2, 'p', 8370, 630);
SELECT * FROM figures;
UPDATE sessions SET step = 1;
SELECT * FROM figures;

-- Simpson: the canary is better in both steps and pooled it is worse, because most of its sessions came in the bad one.
TRUNCATE sessions;
SELECT add(1, 'c', 980, 20), add(1, 'p', 8550, 450), add(2, 'c', 4400, 600), add(2, 'p', 4250, 750);
SELECT * FROM figures;
SELECT at_bounds(0.05);
UPDATE sessions SET step = 1;
SELECT * FROM figures;

-- By hand: rates 4/5 and 3/5 of five sessions each and no verdict yet;
-- with min_units 5 there are bounds, if hardly any.
TRUNCATE sessions;
SELECT add(1, 'c', 4, 1), add(1, 'p', 3, 2);
SELECT * FROM compare();
SELECT round(lower::numeric, 4) AS lower, round(upper::numeric, 4) AS upper, verdict FROM compare(fewest => 5);
SELECT verdict FROM compare(fewest => 6);
-- min_units counts sessions of steps that have both arms.
SELECT add(2, 'c', 0, 500), add(3, 'p', 500, 0);
SELECT verdict FROM compare(fewest => 6);

-- The floor: what fails always is seen from there on, whatever its share,
-- and whether it is one of three guardrails. Not before.
SELECT tw_measured_from() AS floor;
SELECT c, p, alpha, verdict
FROM (VALUES (9, 9), (9, 81), (10, 10), (10, 90), (10, 990)) x (c, p), (VALUES (0.05), (0.05 / 3)) y (alpha),
     LATERAL (SELECT ARRAY[c]::float8[] AS cn, ARRAY[0]::float8[] AS cy,
                                                     ARRAY[p]::float8[] AS pn,
                                                           ARRAY[round(p * 0.95)]::float8[] AS py) z,
     sequential_comparison(cn, cn, cy, cn, cy, cy, pn, pn, py, pn, py, py, alpha) ORDER BY c, p, alpha DESC;
-- What is said to be seen is seen, also where there was no failure so far:
-- from the smallest loss on, and from no smaller one.
SELECT count(*) FILTER (WHERE verdict = 'worse') AS worse, count(*) FILTER (WHERE verdict <> 'worse') AS not_worse,
       bool_and((verdict = 'worse') = (difference < - minimum_detectable_loss)) AS as_said,
       (SELECT minimum_detectable_loss FROM sequential_comparison(
           '{20}', '{20}', '{1}', '{20}', '{1}', '{1}', '{20}', '{20}', '{1}', '{20}', '{1}', '{1}')) AS nothing_to_lose
FROM (VALUES (12, 14, 14), (12, 200, 180), (50, 51, 51), (50, 450, 405), (400, 400, 399)) x (c, p, py),
     generate_series(0, c) AS cy,
     LATERAL (SELECT ARRAY[c]::float8[] AS cn, ARRAY[cy]::float8[] AS cy,
                                                     ARRAY[p]::float8[] AS pn, ARRAY[py]::float8[] AS py) z,
     sequential_comparison(cn, cn, z.cy, cn, z.cy, z.cy, pn, pn, z.py, pn, z.py, z.py, 0.05 / 3);

-- Nothing but success, nothing but failure: a variance all the same.
TRUNCATE sessions;
SELECT add(1, 'c', 100, 0), add(1, 'p', 900, 0);
SELECT * FROM figures;
TRUNCATE sessions;
SELECT add(1, 'c', 0, 100), add(1, 'p', 0, 900);
SELECT * FROM figures;
TRUNCATE sessions;
SELECT add(1, 'c', 0, 100), add(1, 'p', 900, 0);
SELECT * FROM figures;

-- All verdicts, and the mirror: exchanging good and bad outcomes exchanges the bounds.
CREATE VIEW verdicts AS
    SELECT good, c.verdict, round(c.lower::numeric, 6) AS lower, round(c.upper::numeric, 6) AS upper,
           abs(c.lower + m.upper) + abs(c.upper + m.lower) < 1e-9 AS mirrored
    FROM (VALUES (4300), (4400), (4450), (4500), (4560), (4640), (4750)) g (good),
         LATERAL (SELECT ARRAY[5000.0]::float8[] AS c,
                               ARRAY[good]::float8[] AS cy, ARRAY[45000.0]::float8[] AS p, ARRAY[40500]::float8[] AS py,
                         ARRAY[5000 - good]::float8[] AS cb, ARRAY[4500]::float8[] AS pb) a,
         LATERAL sequential_comparison(c, c, cy, c, cy, cy, p, p, py, p, py, py) c,
         LATERAL sequential_comparison(c, c, cb, c, cb, cb, p, p, pb, p, pb, pb) m;
TABLE verdicts;
-- The margin.
SELECT m, verdict FROM (VALUES (0), (0.01), (0.02), (0.99)) x (m),
    sequential_comparison('{5000}', '{5000}', '{4500}', '{5000}', '{4500}', '{4500}', '{45000}', '{45000}', '{40500}',
                          '{45000}', '{40500}', '{40500}', margin => m);

-- Monotone: more sessions at the same rates, or a greater alpha, never widen
-- the interval; a better canary never lowers a bound.
CREATE FUNCTION single(c int, cy int, p int, py int, a double precision DEFAULT 0.05, OUT lower double precision,
                       OUT upper double precision) LANGUAGE sql AS $$
    SELECT s.lower, s.upper
    FROM (SELECT ARRAY[c]::float8[] AS c, ARRAY[cy]::float8[] AS cy,
                                                ARRAY[p]::float8[] AS p, ARRAY[py]::float8[] AS py) x,
        sequential_comparison(c, c, cy, c, cy, cy, p, p, py, p, py, py, a, min_units => 5) s
$$;
SELECT count(*), bool_and(width <= coalesce(before, 2)) AS narrower, bool_and(up - low > 0) AS proper
FROM (SELECT low, up, up - low AS width, lag(up - low) OVER (PARTITION BY share ORDER BY g) AS before
      FROM generate_series(1, 60) g, (VALUES (1), (3), (9)) x (share),
           single(20 * g, 18 * g, 20 * g * share, 18 * g * share) AS s (low, up)) w;
SELECT count(*), bool_and(up < before) AS narrower
FROM (SELECT up, lag(up, 1, 2) OVER (ORDER BY a) AS before
      FROM generate_series(1, 50) g, LATERAL (SELECT g * 0.01::double precision AS a) x,
           single(1000, 900, 9000, 8000, a) AS s (low, up)) w;
SELECT count(*), bool_and(low >= before_low AND up >= before_up) AS rises
FROM (SELECT low, up, lag(low, 1, -2) OVER (ORDER BY g) AS before_low, lag(up, 1, -2) OVER (ORDER BY g) AS before_up
      FROM generate_series(0, 500) g, single(500, g, 4500, 4000) AS s (low, up)) w;
-- Wherever the truth is, up to the edges and with hardly any sessions, a
-- bound is a number between -1 and 1 on the right side.
SELECT count(*), bool_and(low BETWEEN -1 AND d AND up BETWEEN d AND 1) AS proper
FROM (VALUES (5), (7), (10), (1000), (1000000)) c (c), (VALUES (5), (8), (100), (1000000)) p (p),
     (VALUES (0.0), (0.3), (0.5), (0.999), (1.0)) r (r), (VALUES (0.0), (0.5), (1.0)) s (s),
    LATERAL (SELECT (c * r)::int AS cy, (p * s)::int AS py) y, LATERAL (SELECT cy / c::float8 - py / p::float8 AS d) d,
    (VALUES (0.5), (0.05), (1e-9)) a (a), LATERAL single(c, cy, p, py, a) AS x (low, up);

-- Sessions of several messages: the same messages one by one, as sessions whose messages share their fate, and as
-- sessions that all have the same share of good ones. The rate is the same; the bounds are those of as many units as
-- there are fates.
TRUNCATE sessions;
SELECT add(1, 'c', 1800, 200), add(1, 'p', 7200, 800);
SELECT * FROM figures;
TRUNCATE sessions;
SELECT add(1, 'c', 450, 50, 4), add(1, 'p', 1800, 200, 4);
SELECT * FROM figures;
TRUNCATE sessions;
INSERT INTO sessions SELECT 1, CASE WHEN g <= 200 THEN 'c' ELSE 'p' END, 10, 9 FROM generate_series(1, 1000) g;
SELECT * FROM figures;

-- Weights: their scale means nothing; unequal ones cost sessions.
TRUNCATE sessions;
SELECT add(1, 'c', 1800, 200, 1), add(1, 'p', 7200, 800, 1), add(1, 'c', 180, 20, 10), add(1, 'p', 720, 80, 10);
SELECT * FROM figures;
CREATE TEMP TABLE scaled AS SELECT 1.0::double precision AS scale, * FROM compare() LIMIT 0;
DO $$
DECLARE
    s double precision;
BEGIN
    FOREACH s IN ARRAY ARRAY[1, 1e-40, 1e-3, 7, 1e40] LOOP
        UPDATE sessions SET n = n * s, y = y * s;
        INSERT INTO scaled SELECT s, * FROM compare();
        UPDATE sessions SET n = n / s, y = y / s;
    END LOOP;
END
$$;
SELECT count(*), max(lower) - min(lower) < 1e-9 AS same_lower, max(upper) - min(upper) < 1e-9 AS same_upper,
       max(upper) - min(lower) > 0.01 AS are_bounds FROM scaled;
-- The delta method over sessions, row by row: the loss is as many standard
-- errors as the boundary says, but for the skewness.
TRUNCATE sessions;
INSERT INTO sessions SELECT 1, CASE WHEN g % 10 = 0 THEN 'c' ELSE 'p' END, 1 + g % 7,
                            (1 + g % 7) * CASE g % 3 WHEN 0 THEN 0.5 WHEN 1 THEN 0.9 ELSE 1 END
                     FROM generate_series(1, 70000) g;
WITH arm AS (
    SELECT s.arm, sum((s.y - r.rate * s.n) ^ 2) / sum(s.n) ^ 2 AS v, max(r.rate) AS rate
    FROM sessions s JOIN (SELECT arm, sum(y) / sum(n) AS rate FROM sessions GROUP BY arm) r USING (arm) GROUP BY s.arm
), total AS (
    SELECT sum(v) AS v, avg(rate) AS rate, sum(v) / avg(rate * (1 - rate)) AS per_trial FROM arm
)
SELECT abs(ln(sum(density * exp(greatest(k * c.minimum_detectable_loss / sqrt(t.v * t.per_trial)
                                         - k ^ 2 / t.per_trial / 2, -300)))) - ln(20)) < 0.15 AS fits
FROM total t, compare() c, mixture GROUP BY c.minimum_detectable_loss;

-- Bad input.
CREATE FUNCTION bad(VARIADIC changes text[]) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    names text[] := '{canary_units,canary_n,canary_y,canary_nn,canary_ny,canary_yy,production_units,production_n,'
                    'production_y,production_nn,production_ny,production_yy}';
    given text[] := '{"{1,200}","{2,400}","{1,360}","{4,800}","{2,720}","{1,660}","{1,200}","{2,400}","{1,360}","{4,'
                    '800}","{2,720}","{1,660}"}';
    arguments text := '';
    message text;
    detail text;
    hint text;
BEGIN
    FOR i IN 1 .. 12 LOOP
        FOR c IN 1 .. array_length(changes, 1) BY 2 LOOP
            IF changes[c] = names[i] THEN given[i] := changes[c + 1]; END IF;
        END LOOP;
        arguments := arguments || format('%s => %L, ', names[i], given[i]);
    END LOOP;
    FOR c IN 1 .. array_length(changes, 1) BY 2 LOOP
        IF changes[c] <> ALL (names) THEN
            arguments := arguments || format('%s => %L, ', changes[c], changes[c + 1]);
        END IF;
    END LOOP;
    EXECUTE format('SELECT verdict FROM sequential_comparison(%s)', rtrim(arguments, ', ')) INTO message;
    RETURN message;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    RETURN format('%s: %s / %s / %s', SQLSTATE, message, detail, hint);
END
$$;
\t on
SELECT bad('margin', '0.5');
SELECT bad('canary_y', NULL);
SELECT bad('production_yy', '{1,NULL}');
SELECT bad('production_n', '{2}');
SELECT bad('canary_units', '{{1,200}}');
SELECT bad('canary_units', '{{1},{200}}');
SELECT bad('canary_units', '{}');
SELECT bad('canary_n', '{-1,400}');
SELECT bad('canary_nn', '{4,NaN}');
SELECT bad('production_y', '{1,Infinity}');
SELECT bad('production_y', '{1,-Infinity}');
SELECT bad('canary_units', '{1,1e101}');
SELECT bad('canary_n', '{2,1e-250}');
SELECT bad('canary_n', '{2,1e-150}', 'canary_y', '{1,0}', 'canary_nn', '{4,0}', 'canary_ny', '{2,0}',
           'canary_yy', '{1,0}');
SELECT bad('canary_y', '{1,401}');
SELECT bad('canary_y', '{2.1,360}');
SELECT bad('canary_yy', '{1,721}');
SELECT bad('canary_ny', '{2,801}');
SELECT bad('canary_nn', '{4.1,800}');
SELECT bad('canary_yy', '{1.1,660}');
SELECT bad('canary_n', '{2,400.1}', 'canary_nn', '{4,800}');
SELECT bad('canary_units', '{0,200}');
SELECT bad('canary_units', '{1,199}');
SELECT bad('production_yy', '{1,647}');
SELECT bad('production_yy', '{0.9,660}');
SELECT bad('canary_y', '{1,100}');
-- Off by a rounding error is not off.
SELECT bad('canary_nn', '{4.0000000001,800}', 'production_n', '{2,400.0000000001}');
SELECT bad('alpha', '0');
SELECT bad('alpha', '0.500001');
SELECT bad('alpha', 'NaN');
SELECT bad('alpha', '-1');
SELECT bad('alpha', NULL);
SELECT bad('alpha', '0.5');
SELECT bad('margin', '-0.01');
SELECT bad('margin', '1');
SELECT bad('margin', 'NaN');
SELECT bad('margin', NULL);
SELECT bad('min_units', '0');
SELECT bad('min_units', '4');
SELECT bad('min_units', NULL);
SELECT bad('min_units', '2147483647');
SELECT bad('design_effect', '0.99');
SELECT bad('design_effect', 'NaN');
SELECT bad('design_effect', 'Infinity');
SELECT bad('design_effect', NULL);
\t off

-- The split. One session says nothing; of two, one each way: c / (c + 1) on average over c = 10, 100, 1000.
SELECT * FROM sample_ratio_check('{}', '{}', '{}');
SELECT * FROM sample_ratio_check('{0}', '{0}', '{0.1}');
SELECT round(evidence::numeric, 12), expected_share, observed_share, mismatch
FROM sample_ratio_check('{0}', '{1}', '{0.3}');
SELECT round(evidence::numeric, 12), round((10 / 11.0 + 100 / 101.0 + 1000 / 1001.0) / 3, 12) AS by_hand
FROM sample_ratio_check('{1}', '{1}', '{0.5}');
-- Session by session: each has the probability that those before it give
-- its arm, over the probability that it should have.
CREATE FUNCTION by_session(canary int[], production int[], share double precision[]) RETURNS double precision
    LANGUAGE sql AS $$
    SELECT avg(exp(product)) FROM (
        SELECT sum(ln((c * q + before) / (c + units) / q)) AS product
        FROM (VALUES (10), (100), (1000)) x (c),
             (SELECT share[i] AS q, n - 1 AS before, n - 1 AS units
              FROM generate_subscripts(canary, 1) i, generate_series(1, canary[i]) n
              UNION ALL
              SELECT 1 - share[i], n - 1, canary[i] + n - 1
              FROM generate_subscripts(canary, 1) i, generate_series(1, production[i]) n) s
        GROUP BY c) p
$$;
SELECT round(e.expected_share::numeric, 4) AS expected, round(e.observed_share::numeric, 4) AS observed,
       round(ln(e.evidence)::numeric, 6) AS log_evidence,
       round(ln(by_session(c, p, s))::numeric, 6) AS by_session, e.mismatch
FROM (VALUES (1, ARRAY[100], ARRAY[900], ARRAY[0.1]::double precision[]), (2, ARRAY[130], ARRAY[870], ARRAY[0.1]),
             (3, ARRAY[160], ARRAY[840], ARRAY[0.1]),
             (4, ARRAY[1080, 2720], ARRAY[7920, 7280], ARRAY[0.1, 0.25]), (5, ARRAY[0], ARRAY[60], ARRAY[0.1]),
             (6, ARRAY[0], ARRAY[300], ARRAY[0.1]),
             (7, ARRAY[500], ARRAY[0], ARRAY[0.9])) x (i, c, p, s), sample_ratio_check(c, p, s) e ORDER BY i;
-- Exchanging the arms changes nothing; alpha is what it says; the evidence ends where doubles do.
SELECT abs(ln(a.evidence) - ln(b.evidence)) < 1e-9 AS same
FROM sample_ratio_check('{1234}', '{9000}', '{0.1}') a, sample_ratio_check('{9000}', '{1234}', '{0.9}') b;
SELECT a, mismatch FROM (VALUES (0.5), (0.05), (0.02), (0.01), (0.001)) x (a),
                        sample_ratio_check('{130}', '{870}', '{0.1}', a);
SELECT * FROM sample_ratio_check('{1000000000000}', '{0}', '{0.5}');
SELECT mismatch, evidence < 1 AS says_right FROM sample_ratio_check('{100000000000}', '{900000000000}', '{0.1}');

SELECT * FROM sample_ratio_check(NULL, '{1}', '{0.1}');
SELECT * FROM sample_ratio_check('{NULL}', '{1}', '{0.1}');
SELECT * FROM sample_ratio_check('{1}', '{1}', '{NULL}');
SELECT * FROM sample_ratio_check('{1,2}', '{1}', '{0.1}');
SELECT * FROM sample_ratio_check('{1}', '{1}', '{0.1,0.2}');
SELECT * FROM sample_ratio_check('{{1}}', '{1}', '{0.1}');
SELECT * FROM sample_ratio_check('{1}', '{-1}', '{0.1}');
SELECT * FROM sample_ratio_check('{1000000000001}', '{1}', '{0.1}');
SELECT * FROM sample_ratio_check('{1}', '{1}', '{0}');
SELECT * FROM sample_ratio_check('{1}', '{1}', '{1}');
SELECT * FROM sample_ratio_check('{1}', '{1}', '{10}');
SELECT * FROM sample_ratio_check('{1}', '{1}', '{NaN}');
SELECT * FROM sample_ratio_check('{1}', '{1}', '{0.1}', 0);
SELECT * FROM sample_ratio_check('{1}', '{1}', '{0.1}', 'NaN');
SELECT * FROM sample_ratio_check('{1}', '{1}', '{0.1}', NULL);

DROP VIEW verdicts, figures;
DROP FUNCTION by_session(int[], int[], double precision[]), bad(text[]), single(int, int, int, int, double precision),
at_bounds(double precision),
    evidence(double precision, int), add(int, text, int, int, double precision),
    compare(double precision, double precision, int), sums(text, text);
DROP TABLE sessions, mixture;
