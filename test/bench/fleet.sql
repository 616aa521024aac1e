-- What fleet.sh loads into each of its databases.

CREATE SCHEMA bench;

-- A backlog. Three messages in five are confident. at_once: rows in one transaction.
CREATE PROCEDURE bench.fill(rows integer, at_once integer)
    LANGUAGE plpgsql
AS $$
BEGIN
    FOR part IN 1 .. rows / at_once LOOP
        INSERT INTO conversation_logs (session_id, phone_number, user_id, user_message, message_type, message_language,
            nlu_intent, nlu_confidence, nlu_module_id, nlu_module_type, nlu_provider, nlu_model_version, nlu_entities,
            nlu_tone, nlu_processing_time_ms, routed_to, response_text, response_success)
        SELECT 's-' || part % 1000, '+910000000213', 'u-' || part % 1000,
               'Kothrud mein veg pizza milega kya? 2 log ke liye', 'text', 'hinglish', 'intent.food.item.search',
               CASE WHEN (part + n) % 5 < 3 THEN 0.97 ELSE (part + n) % 84 / 100.0 END, 4, 'food', 'indicbert',
               'router-v1.4.2', '{"city": "Pune", "area": "Kothrud", "dish": "veg pizza"}', 'neutral', 10 + n % 50,
               'opensearch', 'Kothrud mein 12 jagah veg pizza milta hai.', true
        FROM generate_series(1, at_once) n;
        COMMIT;
    END LOOP;
END
$$;

-- At the hub: ends when it has a conversation, and so all that its node committed before.
CREATE PROCEDURE bench.wait_for(wanted bigint)
    LANGUAGE plpgsql
AS $$
BEGIN
    WHILE NOT EXISTS (SELECT FROM conversation_logs c WHERE c.id = wanted) LOOP
        PERFORM pg_sleep(0.02);
        COMMIT;
    END LOOP;
END
$$;

-- Without what arrivals cost, to measure it.
CREATE PROCEDURE bench.switch_arrivals(is_on boolean)
    LANGUAGE plpgsql
AS $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['conversation_logs_arrival', 'conversation_logs_queue_arrival'] LOOP
        EXECUTE format('ALTER TABLE conversation_logs %s TRIGGER %I',
                       CASE WHEN is_on THEN 'ENABLE REPLICA' ELSE 'DISABLE' END, name);
    END LOOP;
END
$$;

-- Transactions of a server that came from another one: when they were committed here and there.
CREATE TABLE bench.commits (step text, server text, xid bigint, committed_at timestamptz, origin_at timestamptz);
CREATE TABLE bench.found (step text, variant text, what text, value double precision);

CREATE VIEW bench.medians AS
    SELECT step, variant, what, percentile_cont(0.5) WITHIN GROUP (ORDER BY value) AS value, min(value) AS low,
           max(value) AS high
    FROM bench.found GROUP BY step, variant, what;
