-- Whether the reviewed part of the audit is a random sample of it.
--
-- Within the strata of live_accuracy() each audited row should be as likely to be reviewed as any other. Two tests ask
-- whether that can be: one over ten slices of the period with as many audited rows each (whole days), one over bands
-- of confidence. In a slice or band b, with A_hb of the A_h audited rows and J_h of them judged in stratum h,
--
--   E = sum(J_h A_hb / A_h),   V = sum(J_h (A_h - J_h) A_hb (A_h - A_hb) / (A_h^2 (A_h - 1)))
--   z = (|judged - E| - 1/2) / sqrt(V)
--
-- are the mean and the variance of the hypergeometric distribution, added up over strata as Mantel and Haenszel do
-- (Journal of the National Cancer Institute 22, 1959, 719-748), with a correction for continuity. All slices and bands
-- together raise a false alarm in at most 1 % of audits (Bonferroni). Where fewer than 3 judged or 3 missing rows are
-- expected, nothing is tested; and a difference of at most 5 points is not worth a word. Reviewers work in order of
-- arrival: the newest days wait, and that is no unevenness. So the test over days ends where a tenth of the reviewed
-- rows lies behind. test/bench/audit_problems.sh measures false alarms and power.

CREATE FUNCTION @extschema@.tw_audit_rows(
    strata jsonb, OUT stratum bigint, OUT day date, OUT band integer, OUT audited numeric, OUT judged numeric,
    OUT is_reached boolean, OUT slice integer)
    RETURNS SETOF record
    LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH cell AS (
        SELECT h.number AS stratum, (c.cell ->> 0)::date AS day, (c.cell ->> 1)::integer AS band,
               (c.cell ->> 2)::numeric AS audited, (c.cell ->> 3)::numeric AS judged
        FROM jsonb_array_elements(strata) WITH ORDINALITY AS h (parts, number),
             jsonb_array_elements(h.parts) AS p (cells), jsonb_array_elements(p.cells) AS c (cell)
    ), daily AS (
        SELECT d.day, d.audited,
               sum(d.judged) OVER () - sum(d.judged) OVER upto >= 0.1 * sum(d.judged) OVER () AS is_reached
        FROM (SELECT c.day, sum(c.audited) AS audited, sum(c.judged) AS judged FROM cell c GROUP BY c.day) d
        WINDOW upto AS (ORDER BY d.day)
    ), sliced AS (
        SELECT d.day, d.is_reached,
               floor(10 * (sum(d.audited) OVER upto - d.audited)
                     / sum(d.audited) OVER (PARTITION BY d.is_reached))::integer AS slice
        FROM daily d
        WINDOW upto AS (PARTITION BY d.is_reached ORDER BY d.day)
    )
    SELECT c.stratum, c.day, c.band, c.audited, c.judged, s.is_reached, s.slice
    FROM cell c JOIN sliced s ON s.day = c.day;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_audit_rows(jsonb) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_audit_rows(jsonb) IS
    'The cells of tw_accuracy_strata(), in an array of strata, as rows. is_reached: a tenth of the judged rows or more '
    'came on later days. slice: tenth of the period up to there, by the number of audited rows';

CREATE FUNCTION @extschema@.tw_audit_problems(strata jsonb, OUT passed_over numeric, OUT problems text[])
    LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH cell AS MATERIALIZED (
        SELECT * FROM @extschema@.tw_audit_rows(strata)
    ), total AS (
        SELECT sum(c.audited) AS audited, sum(c.judged) AS judged,
               sum(c.audited - c.judged) FILTER (WHERE c.is_reached) AS passed_over
        FROM cell c
    ), binned AS (
        SELECT 'day' AS kind, c.stratum, c.slice AS bin, c.day, c.audited, c.judged FROM cell c WHERE c.is_reached
        UNION ALL
        SELECT 'confidence', c.stratum, c.band, c.day, c.audited, c.judged FROM cell c
    ), in_stratum AS (
        SELECT b.kind, b.stratum, b.bin, min(b.day) AS first_day, max(b.day) AS last_day, sum(b.audited) AS a,
               sum(b.judged) AS j, sum(sum(b.audited)) OVER same AS all_a, sum(sum(b.judged)) OVER same AS all_j
        FROM binned b GROUP BY b.kind, b.stratum, b.bin
        WINDOW same AS (PARTITION BY b.kind, b.stratum)
    ), bin AS (
        SELECT i.kind, i.bin, min(i.first_day) AS first_day, max(i.last_day) AS last_day, sum(i.a) AS audited,
               sum(i.j) AS judged, sum(i.all_j * i.a / i.all_a) AS expected,
               sum(i.all_j * (i.all_a - i.all_j) * i.a * (i.all_a - i.a) / (i.all_a ^ 2 * greatest(i.all_a - 1, 1)))
                   AS variance
        FROM in_stratum i GROUP BY i.kind, i.bin
    ), tested AS (
        SELECT b.*, (abs(b.judged - b.expected) - 0.5) / sqrt(nullif(b.variance, 0)) AS z,
               -- The normal quantile of 1 - 0.01 / 2k for k tests.
               (ARRAY[2.576, 2.807, 2.935, 3.023, 3.090, 3.144, 3.189, 3.227, 3.261, 3.291, 3.317, 3.341, 3.364, 3.384,
                      3.403, 3.421])[count(*) OVER ()] AS critical
        FROM bin b
        WHERE b.expected >= 3 AND b.audited - b.expected >= 3
    ), worst AS (
        SELECT DISTINCT ON (t.kind) t.* FROM tested t
        WHERE t.z > t.critical AND abs(t.judged - t.expected) > 0.05 * t.audited
        ORDER BY t.kind, t.z DESC
    )
    SELECT coalesce(t.passed_over, 0) / t.audited, array_remove(ARRAY[
        CASE WHEN t.judged < 0.9 * t.audited
             THEN format('%s of %s audited conversations are reviewed (%s %%)', t.judged, t.audited,
                         floor(100 * t.judged / t.audited)) END,
        (SELECT format('the audit is uneven by day: %s of %s from %s to %s are reviewed, %s expected', w.judged,
                       w.audited, w.first_day, w.last_day, round(w.expected))
         FROM worst w WHERE w.kind = 'day'),
        (SELECT format('the audit is uneven by confidence: %s of %s with %s are reviewed, %s expected', w.judged,
                       w.audited,
                       (ARRAY['no valid confidence', 'one below 0.5', 'one from 0.5 to 0.7', 'one from 0.7 to 0.85',
                              'one from 0.85 to 0.95', 'one above 0.95'])[w.bin + 1], round(w.expected))
         FROM worst w WHERE w.kind = 'confidence')], NULL)
    FROM total t WHERE t.audited > 0;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_audit_problems(jsonb) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_audit_problems(jsonb) IS
    'Why the reviewed part of an audit may be no random sample of it: less than 90 % is reviewed, or it is uneven by '
    'day or by confidence. passed_over is the fraction of the audited rows that were not reviewed although a tenth of '
    'the reviewed ones arrived on later days. strata: the cells of tw_accuracy_strata(), in an array of strata';
