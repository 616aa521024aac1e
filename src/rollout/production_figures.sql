-- The figures of versions in production, kept in model_versions beside those of the gate.

CREATE FUNCTION @extschema@.tw_production_figures_wait(at timestamptz) RETURNS boolean
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT coalesce(bool_or(m.production_computed_at IS NULL
                            OR m.production_computed_at <= coalesce(tw_production_figures_wait.at, now())
                               - interval '1 hour'), false)
    FROM @extschema@.model_versions m WHERE m.status IN ('production', 'canary');
END;
REVOKE ALL ON FUNCTION @extschema@.tw_production_figures_wait(timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_production_figures_wait(timestamptz) IS
    'Whether the figures of a live version are at least an hour old';

CREATE FUNCTION @extschema@.tw_production_figures(
    today date, OUT version text, OUT conversations bigint, OUT fallback_rate double precision,
    OUT p50_latency_ms double precision, OUT p95_latency_ms double precision, OUT accuracy double precision,
    OUT lower double precision, OUT upper double precision)
    RETURNS SETOF record
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp SET jit = off
BEGIN ATOMIC
    SELECT c.nlu_model_version, c.conversations, c.fallback_rate, c.p50, c.p95, a.accuracy, a.lower, a.upper
    FROM (SELECT l.nlu_model_version, count(*) AS conversations,
                 avg(CASE WHEN l.nlu_provider IS NOT NULL THEN
                     @extschema@.is_fallback_provider(
                         l.nlu_provider, l.nlu_intent,
                         l.nlu_module_type)::integer END)::double precision AS fallback_rate,
                 percentile_cont(0.5) WITHIN GROUP (
                     ORDER BY @extschema@.tw_latency_ms(l.nlu_processing_time_ms)) AS p50,
                 percentile_cont(0.95) WITHIN GROUP (
                     ORDER BY @extschema@.tw_latency_ms(l.nlu_processing_time_ms)) AS p95
          FROM @extschema@.conversation_logs l
          WHERE l.created_on BETWEEN today - @extschema@.tw_accuracy_window() + 1 AND today
            AND l.nlu_model_version IS NOT NULL
          GROUP BY l.nlu_model_version) c
    LEFT JOIN @extschema@.live_accuracy(today - @extschema@.tw_accuracy_window() + 1, today,
                                             '{model_version}'::text[]) a
        ON a.model_version = c.nlu_model_version;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_production_figures(date) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_production_figures(date) IS
    'The figures of each version that conversations of the 30 days up to today name';

CREATE FUNCTION @extschema@.tw_measure_production(at timestamptz) RETURNS integer
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    measured_at CONSTANT timestamptz := coalesce(at, now());
    -- The measurement takes a while, so it comes before the registry's lock.
    figures CONSTANT jsonb := (SELECT jsonb_agg(to_jsonb(f))
                               FROM @extschema@.tw_production_figures(
                                   (measured_at AT TIME ZONE @extschema@.training_setting('time_zone'))::date) f);
    measured integer;
BEGIN
    PERFORM @extschema@.tw_lock_registry();
    UPDATE @extschema@.model_versions m
    SET production_accuracy = f.accuracy, production_accuracy_lower = f.lower, production_accuracy_upper = f.upper,
        production_conversations = f.conversations, fallback_rate = f.fallback_rate, p50_latency_ms = f.p50_latency_ms,
        p95_latency_ms = f.p95_latency_ms,
        production_computed_at = measured_at
    FROM jsonb_to_recordset(figures) AS f (version text, conversations bigint, fallback_rate double precision,
                                           p50_latency_ms double precision, p95_latency_ms double precision,
                                           accuracy double precision, lower double precision, upper double precision)
    WHERE m.version = f.version;
    GET DIAGNOSTICS measured = ROW_COUNT;
    -- A live version without conversations counts as measured as well.
    UPDATE @extschema@.model_versions m
    SET production_computed_at = measured_at, production_conversations = coalesce(m.production_conversations, 0)
    WHERE m.status IN ('production', 'canary') AND m.production_computed_at IS DISTINCT FROM measured_at;
    RETURN measured;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_measure_production(timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_measure_production(timestamptz) IS
    'Measures every version that conversations of the last 30 days name, stores the figures in model_versions, and '
    'returns the number of these versions; versions without traffic in these days keep their last figures';
