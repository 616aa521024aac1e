-- Figures of each round from the times, then their medians, beside the targets.

WITH pivot AS (
    SELECT part, round,
        max(value) FILTER (WHERE variant = 'extension') AS extension,
        max(value) FILTER (WHERE variant = 'limit') AS "limit",
        max(value) FILTER (WHERE variant = 'limit_again') AS limit_again,
        max(value) FILTER (WHERE variant = 'bare_log') AS bare_log,
        max(value) FILTER (WHERE variant = 'plpgsql') AS plpgsql,
        max(value) FILTER (WHERE variant = 'bare') AS bare,
        max(value) FILTER (WHERE variant = 'bare_again') AS bare_again,
        max(value) FILTER (WHERE variant = 'empty') AS empty,
        max(value) FILTER (WHERE variant = 'empty_again') AS empty_again,
        max(value) FILTER (WHERE variant = 'filter_decision') AS filter_decision,
        max(value) FILTER (WHERE variant = 'is_fallback_provider') AS is_fallback_provider
    FROM bench.times GROUP BY part, round
), figures (part, what, target, is_upper, unit, round, figure) AS (
    SELECT p.part, f.what, f.target, f.is_upper, f.unit, p.round, f.figure
    FROM pivot p, LATERAL (VALUES
        (1, 'bulk', 'extension / limit', 1.3, true, '', extension / "limit"),
        (2, 'bulk', 'added by extension / added by PL/pgSQL', 0.6, true, '', (extension - bare_log) / (plpgsql - bare_log)),
        (3, 'bulk', 'A/A: limit / limit', NULL, true, '', limit_again / "limit"),
        (4, 'bulk', 'extension', NULL, true, ' ms', extension),
        (5, 'bulk', 'limit', NULL, true, ' ms', "limit"),
        (6, 'bulk', 'bare log', NULL, true, ' ms', bare_log),
        (7, 'bulk', 'PL/pgSQL', NULL, true, ' ms', plpgsql),
        (1, 'single', 'throughput, extension / bare table', 0.9, false, '', extension / bare),
        (2, 'single', 'A/A: bare / bare', NULL, false, '', bare_again / bare),
        (3, 'single', 'extension', NULL, false, ' tps', extension),
        (4, 'single', 'bare table', NULL, false, ' tps', bare),
        (1, 'first', 'extension - bare INSERT', 3.0, true, ' ms', extension - bare),
        (2, 'first', 'A/A: bare - bare', NULL, true, ' ms', bare_again - bare),
        (3, 'first', 'extension', NULL, true, ' ms', extension),
        (4, 'first', 'bare INSERT', NULL, true, ' ms', bare),
        (1, 'calls', 'filter_decision - empty', 2.0, true, ' us', filter_decision - empty),
        (2, 'calls', 'is_fallback_provider - empty', 2.0, true, ' us', is_fallback_provider - empty),
        (3, 'calls', 'A/A: empty - empty', NULL, true, ' us', empty_again - empty)
    ) AS f (n, part, what, target, is_upper, unit, figure)
    WHERE split_part(p.part, ' ', 1) = f.part
), medians AS (
    SELECT part, what, target, is_upper, unit,
        percentile_cont(0.5) WITHIN GROUP (ORDER BY figure) AS median, min(figure) AS low, max(figure) AS high,
        row_number() OVER () AS n
    FROM figures GROUP BY part, what, target, is_upper, unit
)
SELECT
    CASE split_part(m.part, ' ', 1)
        WHEN 'bulk' THEN format('bulk, %s %% promoted', (SELECT round(value) FROM bench.times t WHERE t.part = 'promoted ' || split_part(m.part, ' ', 2)))
        WHEN 'single' THEN 'single rows, 8 clients'
        WHEN 'first' THEN 'first INSERT of a connection'
        ELSE format('a call, %s policies', split_part(m.part, ' ', 2))
    END AS part,
    what,
    round(median::numeric, CASE WHEN abs(median) < 100 THEN 2 ELSE 0 END) || unit AS figure,
    coalesce(CASE WHEN is_upper THEN '<= ' ELSE '>= ' END || target || unit, '') AS target,
    CASE WHEN target IS NULL THEN '' WHEN (median <= target) = is_upper THEN 'met' ELSE 'MISSED' END AS met,
    round(low::numeric, CASE WHEN abs(low) < 100 THEN 2 ELSE 0 END) || ' .. ' || round(high::numeric, CASE WHEN abs(high) < 100 THEN 2 ELSE 0 END) AS rounds
FROM medians m
ORDER BY m.part LIKE 'calls%', m.part LIKE 'first%', m.part LIKE 'single%', m.part,
    target IS NULL, what NOT LIKE 'A/A%', what;
