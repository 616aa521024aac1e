-- Microseconds a message from bench.times, as ratios: above 1 the extension is faster than what it is compared with.
WITH pivot AS (
    SELECT part, round,
        max(value) FILTER (WHERE variant = 'extension') AS extension,
        max(value) FILTER (WHERE variant = 'bare') AS bare,
        max(value) FILTER (WHERE variant = 'plpgsql') AS plpgsql,
        max(value) FILTER (WHERE variant = 'limit') AS "limit",
        max(value) FILTER (WHERE variant = 'limit_again') AS limit_again,
        nullif(max(value) FILTER (WHERE variant = 'extension cpu'), 0) AS extension_cpu,
        nullif(max(value) FILTER (WHERE variant = 'bare cpu'), 0) AS bare_cpu,
        nullif(max(value) FILTER (WHERE variant = 'limit cpu'), 0) AS limit_cpu,
        nullif(max(value) FILTER (WHERE variant = 'limit_again cpu'), 0) AS limit_again_cpu
    FROM bench.times WHERE part LIKE '% promoted' GROUP BY part, round
), medians AS (
    SELECT part,
        percentile_cont(0.5) WITHIN GROUP (ORDER BY ("limit" + limit_again) / 2 / extension) AS to_limit,
        percentile_cont(0.5) WITHIN GROUP (ORDER BY "limit" / limit_again) AS same,
        percentile_cont(0.5) WITHIN GROUP (ORDER BY (limit_cpu + limit_again_cpu) / 2 / extension_cpu) AS to_limit_cpu,
        percentile_cont(0.5) WITHIN GROUP (ORDER BY limit_cpu / limit_again_cpu) AS same_cpu,
        percentile_cont(0.5) WITHIN GROUP (ORDER BY bare / extension) AS to_bare,
        percentile_cont(0.5) WITHIN GROUP (ORDER BY plpgsql / extension) AS to_plpgsql,
        percentile_cont(0.5) WITHIN GROUP (ORDER BY 1e6 / extension) AS per_second,
        percentile_cont(0.5) WITHIN GROUP (ORDER BY extension_cpu) AS cpu,
        percentile_cont(0.5) WITHIN GROUP (ORDER BY (limit_cpu + limit_again_cpu) / 2) AS limit_cpu,
        percentile_cont(0.5) WITHIN GROUP (ORDER BY bare_cpu) AS bare_cpu
    FROM pivot GROUP BY part
)
SELECT part, round(to_limit::numeric, 2) AS "to limit", round(same::numeric, 2) AS "A/A",
    round(to_limit_cpu::numeric, 2) AS "processor to limit", round(same_cpu::numeric, 2) AS "processor A/A",
    round(to_bare::numeric, 2) AS "to bare log", round(to_plpgsql::numeric, 2) AS "to PL/pgSQL",
    round(per_second::numeric) AS "messages/s", round(cpu::numeric, 1) AS "us of processor",
    round(limit_cpu::numeric, 1) AS "of limit", round(bare_cpu::numeric, 1) AS "of bare log"
FROM medians ORDER BY part COLLATE "C";
