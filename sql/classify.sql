-- Serving: who answers, what is odd, and artifacts that are damaged.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET training_workflow.allow_drop = on;
DROP EXTENSION IF EXISTS training_workflow CASCADE;
RESET training_workflow.allow_drop;
RESET client_min_messages;
CREATE EXTENSION training_workflow;
SET client_min_messages = warning;

SELECT classify_intent('veg pizza');
SELECT classify_intent('veg pizza', 'food-agent');
SELECT classify_intent('veg pizza', NULL);
SELECT classify_intent('veg pizza', version => 'router-v1.0.0');
SELECT register_model('router-v1.0.0', 'router', 'production');
SELECT classify_intent('veg pizza');
SELECT classify_intent('veg pizza', 'food-agent', 'router-v1.0.0');

-- Two small models that answer differently.
SELECT register_model('router-v1.1.0', 'router', artifact => (tw_train_router(
    ARRAY['veg pizza', 'paneer dosa', 'kahan hai mera parcel', 'parcel status'],
          ARRAY['intent.food.item.search', 'intent.food.item.search', 'intent.parcel.shipment.track',
                'intent.parcel.shipment.track'],
    ARRAY['food', 'food', 'parcel', 'parcel'], ARRAY[1, 1, 1, 1])).artifact);
SELECT register_model('router-v1.2.0', 'router', artifact => (tw_train_router(
    ARRAY['veg pizza', 'parcel'], ARRAY['plain', 'other'], ARRAY[NULL, NULL]::text[], ARRAY[1, 1])).artifact);
SELECT intent, module_type, model_version, confidence BETWEEN 0.5 AND 1 AS sure
FROM classify_intent('veg pizza', version => 'router-v1.1.0');
SELECT promote_model('router-v1.1.0', 'test');
SELECT intent, module_type, model_version FROM classify_intent('Veg PIZZA!!');
SELECT intent, module_type, model_version FROM classify_intent('parcel');
SELECT intent, module_type, model_version FROM classify_intent('veg pizza', 'router', 'router-v1.2.0');
SELECT rank, intent, module_type, model_version FROM classify_intents('parcel status?');
SELECT rank, intent FROM classify_intents('parcel status?', 1);
SELECT count(*), abs(sum(confidence) - 1) < 1e-6 AS adds_up FROM classify_intents('parcel status?', 1000);
SELECT * FROM classify_intents('parcel', 0);
SELECT * FROM classify_intents('parcel', NULL);
-- The same text, however it is written.
SELECT count(DISTINCT c.confidence) FROM unnest(ARRAY['veg pizza', ' VEG  pizza ', 'Veg pizza?', U&'\FF36eg pizza']) t,
                                         classify_intent(t) c;
-- What samples have masked is masked here as well.
SELECT count(DISTINCT c.confidence)
FROM unnest(ARRAY['veg pizza 98765 43210', 'veg pizza 00000 00000']) t, classify_intent(t) c;

-- Odd texts.
SELECT n, c.intent IS NULL AS nothing, c.confidence = 0 AS unsure, c.confidence BETWEEN 0 AND 1 AS is_a_probability
FROM (VALUES (1, ''), (2, '   '), (3, U&'\+01F355\+01F355'), (4, '?!...'), (5, repeat('veg pizza ', 100000)),
             (6, repeat('x', 1000000)), (7, E'\x01\x02\x7f'),
             (8, (SELECT string_agg(chr(c), '') FROM generate_series(1, 65000) c WHERE c NOT BETWEEN 55296 AND 57343)),
             (9, 'zzzz')) AS x (n, t), classify_intent(t) c;
SELECT * FROM classify_intent(NULL);
SELECT * FROM classify_intents(NULL);
SELECT * FROM classify_intents('');

-- In parallel, with the same answers.
CREATE TABLE messages AS SELECT (ARRAY['veg pizza', 'parcel status', 'dosa'])[1 + g % 3] || g AS text
    FROM generate_series(1, 20000) g;
ANALYZE messages;
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
SELECT pg_temp.workers('SELECT sum((classify_intent(text)).confidence) FROM messages') AS parallel;
CREATE TEMP TABLE parallel_answers AS SELECT text, (classify_intent(text)).confidence FROM messages;
SELECT count(*), sum(hashtext((c).intent)::bigint) IS NOT NULL AS answered
FROM (SELECT classify_intent(text) AS c FROM messages OFFSET 0) x;
SET max_parallel_workers_per_gather = 0;
SELECT count(*) AS different FROM parallel_answers p, classify_intent(p.text) c WHERE c.confidence <> p.confidence;
RESET ALL;
SET client_min_messages = warning;
DROP TABLE messages;

-- Every session follows the registry; a statistic reloads nothing.
SELECT promote_model('router-v1.2.0', 'test');
SELECT intent, model_version FROM classify_intent('veg pizza');
BEGIN;
UPDATE model_versions SET status = 'rolled-back', traffic_percentage = 0 WHERE version = 'router-v1.2.0';
UPDATE model_versions SET status = 'production', traffic_percentage = 100 WHERE version = 'router-v1.1.0';
SELECT intent, model_version FROM classify_intent('veg pizza');
ROLLBACK;
SELECT intent, model_version FROM classify_intent('veg pizza');
CREATE FUNCTION pg_temp.models() RETURNS SETOF text LANGUAGE sql AS
    $$ SELECT left(ident, 8) FROM pg_backend_memory_contexts WHERE name = 'training_workflow model' $$;
SELECT count(*) FROM pg_temp.models();
SELECT model_version FROM classify_intent('veg pizza', version => 'router-v1.1.0');
SELECT count(*) FROM pg_temp.models();
UPDATE model_versions SET production_accuracy = 0.9, production_computed_at = now() WHERE version = 'router-v1.2.0';
SELECT model_version FROM classify_intent('veg pizza');
SELECT count(*) AS still_loaded FROM pg_temp.models();
INSERT INTO model_versions (version, model_type) VALUES ('router-v1.3.0', 'router');
SELECT model_version FROM classify_intent('veg pizza');
SELECT count(*) AS live_only FROM pg_temp.models();

-- Every byte of an artifact flipped in turn: an error each time, and never an answer.
CREATE TABLE original AS SELECT bytes FROM model_artifacts WHERE version = 'router-v1.2.0';
DO $$
DECLARE
    whole bytea := (SELECT bytes FROM original);
    answers integer := 0;
    others text[] := '{}';
BEGIN
    FOR i IN 0 .. length(whole) - 1 LOOP
        -- With a checksum that fits, so that the reader itself has to notice; and with the old one.
        FOR fits IN 0 .. 1 LOOP
            UPDATE model_artifacts SET bytes = set_byte(whole, i, get_byte(whole, i) # (1 << (i % 8))),
                   sha256 = encode(sha256(CASE fits WHEN 0 THEN set_byte(whole, i, get_byte(whole, i) # (1 << (i % 8)))
                                               ELSE whole END), 'hex')
            WHERE version = 'router-v1.2.0';
            BEGIN
                PERFORM classify_intent('veg pizza');
                answers := answers + 1;
            EXCEPTION WHEN data_corrupted THEN
                NULL;
            WHEN OTHERS THEN
                others := others || SQLSTATE;
            END;
        END LOOP;
    END LOOP;
    RAISE WARNING 'answers: %, other errors: %', answers, others;
END
$$;
SELECT problem, example FROM check_integrity();
DO $$
BEGIN
    PERFORM classify_intent('veg pizza');
EXCEPTION WHEN data_corrupted THEN
    RAISE WARNING '%', SQLERRM;
END
$$;
-- Cut off at any length, with a checksum that fits.
DO $$
DECLARE
    whole bytea := (SELECT bytes FROM original);
    answers integer := 0;
BEGIN
    FOR i IN 0 .. length(whole) - 1 BY 7 LOOP
        UPDATE model_artifacts SET bytes = substring(whole FOR i),
                                   sha256 = encode(sha256(substring(whole FOR i)), 'hex')
        WHERE version = 'router-v1.2.0';
        BEGIN
            PERFORM classify_intent('veg pizza');
            answers := answers + 1;
        EXCEPTION WHEN data_corrupted THEN
            NULL;
        END;
    END LOOP;
    RAISE WARNING 'answers: %', answers;
END
$$;
UPDATE model_artifacts SET bytes = o.bytes, sha256 = encode(sha256(o.bytes), 'hex') FROM original o
WHERE version = 'router-v1.2.0';
SELECT intent, model_version FROM classify_intent('veg pizza');

-- An application may classify and read nothing else.
CREATE ROLE regress_tw_app LOGIN;
SELECT grant_training_role('regress_tw_app', 'capture');
SET ROLE regress_tw_app;
SELECT intent, model_version FROM classify_intent('veg pizza');
SELECT rank, intent FROM classify_intents('veg pizza');
SELECT count(*) FROM model_artifacts;
SELECT train_model();
RESET ROLE;
DROP OWNED BY regress_tw_app;
DROP ROLE regress_tw_app;
DROP TABLE original;
SELECT * FROM check_integrity();
