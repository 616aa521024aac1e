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
), figures (part, what, target, is_upper, unit, round, figure) AS (
    SELECT p.part, f.what, f.target, f.is_upper, f.unit, p.round, f.figure
    FROM pivot p, LATERAL (VALUES
        ('bulk', 'extension / limit', 1.3, true, '', extension / "limit"),
        ('bulk', 'added by extension / added by PL/pgSQL', 0.6, true, '', (extension - bare_log) / (plpgsql - bare_log)),
        ('bulk', 'A/A: limit / limit', NULL, true, '', limit_again / "limit"),
        ('bulk', 'extension', NULL, true, ' ms', extension),
        ('bulk', 'limit', NULL, true, ' ms', "limit"),
        ('bulk', 'bare log', NULL, true, ' ms', bare_log),
        ('bulk', 'PL/pgSQL', NULL, true, ' ms', plpgsql),
        ('single', 'throughput: extension / bare table', 0.9, false, '', extension / bare),
        ('single', 'throughput: extension / bare tables', NULL, false, '', extension / "limit"),
        ('single', 'A/A: bare table / bare table', NULL, false, '', bare_again / bare),
        ('single', 'extension', NULL, false, ' tps', extension),
        ('single', 'bare table', NULL, false, ' tps', bare),
        ('single', 'bare tables', NULL, false, ' tps', "limit"),
        ('first', 'extension - bare table', 3.0, true, ' ms', extension - bare),
        ('first', 'A/A: bare table - bare table', NULL, true, ' ms', bare_again - bare),
        ('first', 'extension', NULL, true, ' ms', extension),
        ('first', 'bare table', NULL, true, ' ms', bare),
        ('calls', 'filter_decision - empty function', 2.0, true, ' us', filter_decision - empty),
        ('calls', 'is_fallback_provider - empty function', 2.0, true, ' us', is_fallback_provider - empty_of_three),
        ('calls', 'A/A: empty - empty', NULL, true, ' us', empty_again - empty)
    ) AS f (part, what, target, is_upper, unit, figure)
    WHERE split_part(p.part, ' ', 1) = f.part
), medians AS (
    SELECT part, what, target, is_upper, unit,
        percentile_cont(0.5) WITHIN GROUP (ORDER BY figure) AS median, min(figure) AS low, max(figure) AS high
    FROM figures GROUP BY part, what, target, is_upper, unit
)
SELECT
    CASE split_part(m.part, ' ', 1)
        WHEN 'bulk' THEN format('bulk, %s %% promoted', (SELECT round(value) FROM bench.times t WHERE t.part = 'promoted ' || split_part(m.part, ' ', 2)))
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
ORDER BY array_position(ARRAY['bulk', 'single', 'first', 'calls'], split_part(m.part, ' ', 1)), m.part, target IS NULL,
    what NOT LIKE 'A/A%', what;
