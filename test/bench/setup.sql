-- The rows, the bare tables, and the procedures that time them.

CREATE EXTENSION training_workflow;
CREATE SCHEMA bench;

CREATE UNLOGGED TABLE bench.times (part text, round int, variant text, value double precision);

-- The same rows in every run. A `share` of the rows is confident and from the trusted
-- provider; the others are spread over the filter's other rules.
CREATE FUNCTION bench.rows(share int) RETURNS SETOF conversation_logs
    LANGUAGE sql
BEGIN ATOMIC
    SELECT
        NULL::bigint, 's-' || (n / 4), CASE WHEN n % 5 > 0 THEN '+91' || lpad((n / 4)::text, 10, '0') END,
        'u-' || (n % 30000),
        -- 20 to 120 bytes, no two alike
        left(repeat('Kothrud mein veg pizza milega kya ' || n || ' jaldi bhejo ', 5), 20 + (r.a * 100)::int),
        CASE WHEN r.b < 0.97 OR r.c < share / 100.0 THEN 'text' ELSE 'audio' END,
        (ARRAY['en', 'hi', 'hinglish'])[1 + n % 3],
        m.intent,
        CASE WHEN r.c < share / 100.0 THEN 0.8501 + 0.1498 * r.d ELSE 0.85 * r.d END,
        m.module_id, m.module_type,
        CASE WHEN r.c < share / 100.0 OR r.e < 0.8 THEN 'indicbert' ELSE 'llm' END,
        'router-v1.4.2',
        CASE WHEN n % 3 = 0 THEN jsonb_build_object('city', 'Pune', 'dish', 'veg pizza', 'quantity', n % 7) END,
        'neutral', 12 + n % 40, (ARRAY['opensearch', 'php'])[1 + n % 2],
        'Kothrud mein ' || n % 20 || ' jagah milta hai, order ' || n || ' kar dein?', n % 11 > 0,
        CASE WHEN n % 13 = 0 THEN 'positive' END, NULL::text,
        CASE WHEN n % 4 = 0 THEN 'ORD-' || n END, jsonb_build_object('channel', 'whatsapp', 'turn', n % 9),
        NULL::boolean, NULL::text, NULL::smallint, NULL::text, NULL::text, NULL::bigint, NULL::boolean,
        NULL::double precision, NULL::timestamptz,
        timestamptz '2026-01-01 00:00+00' + n * interval '13 seconds', NULL::date, NULL::text, NULL::timestamptz
    FROM generate_series(1, 200000) AS n,
        -- Five numbers in [0, 1) that follow from n, however the rows are generated.
        LATERAL (SELECT
            (hashint8extended(n, 1) & 1048575) / 1048576.0::double precision AS a,
            (hashint8extended(n, 2) & 1048575) / 1048576.0::double precision AS b,
            (hashint8extended(n, 3) & 1048575) / 1048576.0::double precision AS c,
            (hashint8extended(n, 4) & 1048575) / 1048576.0::double precision AS d,
            (hashint8extended(n, 5) & 1048575) / 1048576.0::double precision AS e) AS r,
        LATERAL (SELECT
            (ARRAY['intent.food.item.search', 'intent.food.order.create', 'intent.parcel.booking.create',
                   'intent.ride.driver.track', 'intent.grocery.order.refund'])[1 + n % 5] AS intent,
            (ARRAY[4, 4, 5, 7, 2])[1 + n % 5] AS module_id,
            (ARRAY['food', 'food', 'parcel', 'ride', 'grocery'])[1 + n % 5] AS module_type) AS m;
END;

CREATE UNLOGGED TABLE bench.source_12 AS SELECT * FROM bench.rows(12);
CREATE UNLOGGED TABLE bench.source_60 AS SELECT * FROM bench.rows(60);

-- What the extension writes, kept by prepare_written() for the variants that write the same without it.
CREATE UNLOGGED TABLE bench.written_logs (LIKE conversation_logs);
CREATE UNLOGGED TABLE bench.written_samples (LIKE training_samples);

CREATE TABLE bench.bare_logs (LIKE conversation_logs INCLUDING DEFAULTS INCLUDING IDENTITY INCLUDING INDEXES);
CREATE TABLE bench.bare_samples (LIKE training_samples INCLUDING DEFAULTS INCLUDING IDENTITY INCLUDING INDEXES);

CREATE TABLE bench.plpgsql_logs (LIKE conversation_logs INCLUDING ALL);
CREATE TABLE bench.plpgsql_samples (LIKE training_samples INCLUDING ALL);

-- A vacuum that starts in the middle would hit one variant and not the other.
ALTER TABLE conversation_logs SET (autovacuum_enabled = off);
ALTER TABLE training_samples SET (autovacuum_enabled = off);
ALTER TABLE bench.bare_logs SET (autovacuum_enabled = off);
ALTER TABLE bench.bare_samples SET (autovacuum_enabled = off);
ALTER TABLE bench.plpgsql_logs SET (autovacuum_enabled = off);
ALTER TABLE bench.plpgsql_samples SET (autovacuum_enabled = off);
ALTER TABLE bench.written_logs SET (autovacuum_enabled = off);
ALTER TABLE bench.written_samples SET (autovacuum_enabled = off);

-- "a, b, c": all columns of a table but these.
CREATE FUNCTION bench.columns(relation regclass, except_for text[]) RETURNS text
    LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute
    WHERE attrelid = relation AND attnum > 0 AND NOT attisdropped AND attname <> ALL (except_for);
END;

-- What an application hands in.
CREATE FUNCTION bench.application_columns() RETURNS text
    LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT bench.columns('conversation_logs', ARRAY['id', 'is_training_candidate', 'review_status', 'review_priority',
        'review_reason', 'filter_outcome', 'filter_policy_id', 'is_audit', 'selection_probability', 'filtered_at',
        'created_on', 'anonymised_at']);
END;

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

CREATE PROCEDURE bench.empty_tables()
    LANGUAGE sql
AS $$
    TRUNCATE conversation_logs, training_samples, bench.bare_logs, bench.bare_samples, bench.plpgsql_logs,
             bench.plpgsql_samples
        RESTART IDENTITY;
$$;

CREATE PROCEDURE bench.prepare_written(share int)
    LANGUAGE plpgsql
AS $$
BEGIN
    CALL bench.empty_tables();
    EXECUTE format('INSERT INTO conversation_logs (%1$s) SELECT %1$s FROM %2$I.%3$I',
                   bench.application_columns(), 'bench', 'source_' || share);
    TRUNCATE bench.written_logs, bench.written_samples;
    INSERT INTO bench.written_logs SELECT * FROM conversation_logs ORDER BY id;
    INSERT INTO bench.written_samples SELECT * FROM training_samples ORDER BY id;
    INSERT INTO bench.times SELECT 'promoted ' || share, 1, 'extension', 100.0 * count(*) / 200000
                            FROM training_samples;
    CALL bench.empty_tables();
    COMMIT;
    -- The first reader would otherwise write hint bits, within somebody's time.
    PERFORM count(*) FROM bench.written_logs;
    PERFORM count(*) FROM bench.written_samples;
    EXECUTE format('SELECT count(*) FROM bench.%I', 'source_' || share);
END
$$;

CREATE PROCEDURE bench.measure(round int, share int, variant text)
    LANGUAGE plpgsql
AS $$
DECLARE
    application CONSTANT text := bench.application_columns();
    logs CONSTANT text := bench.columns('conversation_logs', ARRAY['id']);
    samples CONSTANT text := bench.columns('training_samples', ARRAY['id']);
    to_logs CONSTANT text := format('INSERT INTO bench.bare_logs (%1$s) SELECT %1$s FROM bench.written_logs', logs);
    to_samples CONSTANT text := format('INSERT INTO bench.bare_samples (%1$s) SELECT %1$s FROM bench.written_samples',
                                       samples);
    statements CONSTANT text[] := CASE variant
        WHEN 'extension' THEN ARRAY[format('INSERT INTO conversation_logs (%1$s) SELECT %1$s FROM bench.source_%2$s',
                                           application, share)]
        WHEN 'plpgsql' THEN ARRAY[format('INSERT INTO bench.plpgsql_logs (%1$s) SELECT %1$s FROM bench.source_%2$s',
                                         application, share)]
        WHEN 'bare_log' THEN ARRAY[to_logs]
        ELSE ARRAY[to_logs, to_samples]
    END;
    statement text;
    began double precision;
BEGIN
    CALL bench.empty_tables();
    COMMIT;
    CHECKPOINT;
    began := bench.clock();
    FOREACH statement IN ARRAY statements LOOP
        EXECUTE statement;
    END LOOP;
    INSERT INTO bench.times
    SELECT 'bulk ' || share, round, variant, bench.clock() - began
    WHERE round > 0;
END
$$;

-- The cheapest functions there are that take the same arguments: pg_trigger_depth() returns a variable of the server's
-- and looks at no argument. What filter_decision() needs to build its row counts as its own time.
CREATE FUNCTION bench.empty(double precision, text, text, text) RETURNS integer
    LANGUAGE internal STABLE PARALLEL SAFE CALLED ON NULL INPUT AS 'pg_trigger_depth';
CREATE FUNCTION bench.empty(text, text, text) RETURNS boolean
    LANGUAGE internal STABLE PARALLEL SAFE CALLED ON NULL INPUT AS 'pg_trigger_depth';

CREATE UNLOGGED TABLE bench.predictions AS
SELECT nlu_confidence AS confidence, nlu_provider AS provider, nlu_intent AS intent, nlu_module_type AS module_type
FROM bench.source_60;

CREATE PROCEDURE bench.make_policies(count int)
    LANGUAGE plpgsql
AS $$
BEGIN
    DELETE FROM review_policies;
    IF count > 0 THEN
        -- One in ten for a module, one in ten for an intent, the others for a pair; some apply to the predictions.
        INSERT INTO review_policies (module_type, intent, approve_above)
        SELECT CASE WHEN n % 10 > 0 THEN coalesce(m.module_type, 'module-' || n) END,
               CASE WHEN n % 10 <> 1 THEN coalesce(m.intent, 'intent.module-' || n || '.item.search') END,
               0.80 + 0.1 * (n % 10) / 10
        FROM generate_series(1, count) AS n
            LEFT JOIN (VALUES (11, 'food', NULL), (20, NULL, 'intent.food.item.search'),
                              (32, 'parcel', 'intent.parcel.booking.create')) AS m (n, module_type, intent) USING (n);
    END IF;
END
$$;

CREATE PROCEDURE bench.measure_calls(round int, policies int, variant text)
    LANGUAGE plpgsql
AS $$
DECLARE
    call CONSTANT text := CASE variant
        WHEN 'filter_decision' THEN 'filter_decision(confidence, provider, intent, module_type)'
        WHEN 'is_fallback_provider' THEN 'is_fallback_provider(provider, intent, module_type)'
        WHEN 'empty_of_three' THEN 'bench.empty(provider, intent, module_type)'
        ELSE 'bench.empty(confidence, provider, intent, module_type)'
    END;
    began CONSTANT double precision := bench.clock();
    calls bigint;
BEGIN
    EXECUTE format('SELECT count(%s) FROM bench.predictions', call) INTO calls;
    INSERT INTO bench.times
    SELECT 'calls ' || policies, round, variant, 1000 * (bench.clock() - began) / calls
    WHERE round > 0;
END
$$;

VACUUM (ANALYZE) bench.source_12, bench.source_60, bench.predictions;
