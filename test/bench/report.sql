-- Figures of each round from the times, then their medians, beside the targets.

CREATE FUNCTION bench.short(value double precision) RETURNS numeric
    LANGUAGE sql
BEGIN ATOMIC
    SELECT round(value::numeric, CASE WHEN abs(value) < 100 THEN 2 ELSE 0 END);
END;

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
        max(value) FILTER (WHERE variant = 'empty_of_three') AS empty_of_three,
        max(value) FILTER (WHERE variant = 'filter_decision') AS filter_decision,
        max(value) FILTER (WHERE variant = 'is_fallback_provider') AS is_fallback_provider
    FROM bench.times GROUP BY part, round
), figures (part, n, what, target, is_upper, unit, round, figure) AS (
    SELECT p.part, f.n, f.what, f.target, f.is_upper, f.unit, p.round, f.figure
    FROM pivot p, LATERAL (VALUES
        ('bulk', 1, 'extension / limit', 1.15, true, '', 2 * extension / ("limit" + limit_again)),
        ('bulk', 2, 'added by extension / added by PL/pgSQL', 0.6, true, '',
         (extension - bare_log) / (plpgsql - bare_log)),
        ('bulk', 3, 'A/A: limit / limit', NULL, true, '', limit_again / "limit"),
        ('bulk', 4, 'extension', NULL, true, ' ms', extension),
        ('bulk', 5, 'limit', NULL, true, ' ms', "limit"),
        ('bulk', 6, 'bare log', NULL, true, ' ms', bare_log),
        ('bulk', 7, 'PL/pgSQL', NULL, true, ' ms', plpgsql),
        ('single', 1, 'throughput: extension / bare table', 0.9, false, '', 2 * extension / (bare + bare_again)),
        ('single', 2, 'throughput: extension / bare tables', 0.93, false, '', extension / "limit"),
        ('single', 3, 'A/A: bare table / bare table', NULL, false, '', bare_again / bare),
        ('single', 4, 'extension', NULL, false, ' tps', extension),
        ('single', 5, 'bare table', NULL, false, ' tps', bare),
        ('single', 6, 'bare tables', NULL, false, ' tps', "limit"),
        ('first', 1, 'extension - bare table', 3.0, true, ' ms', extension - (bare + bare_again) / 2),
        ('first', 2, 'A/A: bare table - bare table', NULL, true, ' ms', bare_again - bare),
        ('first', 3, 'extension', NULL, true, ' ms', extension),
        ('first', 4, 'bare table', NULL, true, ' ms', bare),
        ('calls', 1, 'filter_decision - empty function', 2.0, true, ' us', filter_decision - empty),
        ('calls', 2, 'is_fallback_provider - empty function', 2.0, true, ' us', is_fallback_provider - empty_of_three),
        ('calls', 3, 'A/A: empty - empty', NULL, true, ' us', empty_again - empty)
    ) AS f (part, n, what, target, is_upper, unit, figure)
    WHERE split_part(p.part, ' ', 1) = f.part
), medians AS (
    SELECT part, n, what, target, is_upper, unit,
        percentile_cont(0.5) WITHIN GROUP (ORDER BY figure) AS median, min(figure) AS low, max(figure) AS high
    FROM figures GROUP BY part, n, what, target, is_upper, unit
)
SELECT
    CASE split_part(m.part, ' ', 1)
        WHEN 'bulk' THEN format('bulk, %s %% promoted', (SELECT round(value) FROM bench.times t
                                                         WHERE t.part = 'promoted ' || split_part(m.part, ' ', 2)))
        WHEN 'single' THEN 'single rows, 8 clients'
        WHEN 'first' THEN 'first INSERT'
        ELSE format('a call, %s policies', split_part(m.part, ' ', 2))
    END AS part,
    what,
    bench.short(median) || unit AS figure,
    coalesce(CASE WHEN is_upper THEN '<= ' ELSE '>= ' END || target || unit, '') AS target,
    CASE WHEN target IS NULL THEN '' WHEN (median <= target) = is_upper THEN 'met' ELSE 'MISSED' END AS met,
    bench.short(low) || ' .. ' || bench.short(high) AS rounds
FROM medians m
ORDER BY array_position(ARRAY['bulk', 'single', 'first', 'calls'], split_part(m.part, ' ', 1)), m.part, n;
