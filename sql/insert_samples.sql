-- Samples are inserted without an executor where training_samples is as the extension made it, and by a statement
-- elsewhere. Both ways make the same rows in the same order, and fail alike.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET training_workflow.allow_drop = on;
DROP EXTENSION IF EXISTS training_workflow CASCADE;
RESET training_workflow.allow_drop;
RESET client_min_messages;
CREATE EXTENSION training_workflow;
INSERT INTO review_policies (module_type, approve_above) VALUES ('food', 0.4);

-- How often the statement has redacted a text: the server counts functions that the executor calls.
CREATE FUNCTION by_statement() RETURNS bigint LANGUAGE sql
RETURN (SELECT coalesce(sum(calls), 0) FROM pg_stat_xact_user_functions WHERE funcname = 'tw_sample_text');
SET track_functions = 'all';
CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;

-- One of these, as n and what it is for say.
CREATE FUNCTION choose(n bigint, what integer, VARIADIC choices text[]) RETURNS text LANGUAGE sql IMMUTABLE
RETURN choices[1 + (hashint8extended(n, what) & 1048575) % cardinality(choices)];

-- The rows of 10,000 statements, one to seven each; some 4,000 rows are promoted. One in five hundred messages is so
-- long that it is stored apart.
CREATE TABLE messages AS
SELECT n, n::text AS session_id,
    choose(i, 2, 'hi', 'Veg pizza! ' || i, 'call 98765 43210', 'mail asha@example.com, ' || i, '  ',
        'मेरा ऑर्डर कहाँ है', 'PAN ABCDE1234F', repeat('x', (i % 300)::integer), '19.0760, 72.8777')
        || CASE WHEN i % 500 = 3 THEN (SELECT string_agg(md5(j::text || i), ' ') FROM generate_series(1, 200) j) ELSE ''
           END AS user_message,
    choose(i, 3, 'text', 'text', 'text', 'TEXT', NULL, 'audio') AS message_type,
    choose(i, 4, 'en', 'hi', NULL) AS message_language,
    choose(i, 5, 'intent.food.item.search', 'intent.parcel.book', 'greeting', 'a..b', 'intent.x', 'intent.y', NULL)
        AS nlu_intent,
    choose(i, 6, '0.5', '0.7', '0.85', '0.8500001', '0.99', '1', '0.9', 'NaN', '1.5', NULL)::double precision
        AS nlu_confidence,
    choose(i, 7, '4', '-1', NULL)::integer AS nlu_module_id, choose(i, 8, 'food', 'parcel', '', NULL)
        AS nlu_module_type,
    choose(i, 9, 'indicbert', 'IndicBERT', 'indicbert', 'INDICBERT', 'llm', NULL) AS nlu_provider,
    choose(i, 10, NULL, '{}', '{"city": "Pune", "phone": "98765 43210"}', '[1, null, "asha@example.com"]',
        '[{"entity": "dish", "value": "pizza", "start": 4, "end": 9}]', '"Pune"')::jsonb AS nlu_entities,
    choose(i, 11, 'php', NULL) AS routed_to, choose(i, 12, NULL, NULL, NULL, 'negative', 'positive') AS user_feedback,
    choose(i, 13, NULL, NULL, NULL, NULL, 'no, the other') AS user_correction,
    choose(i, 14, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 'auto-approved') AS review_status,
    timestamptz '2026-01-01 00:00+00' + i * interval '1 minute' AS created_at
FROM generate_series(1, 10000) AS n,
    LATERAL generate_series(n * 7::bigint, n * 7 + choose(n, 15, '0', '0', '0', '1', '3', '6')::integer) AS i;
CREATE INDEX ON messages (n);
ANALYZE messages;
CREATE PROCEDURE capture_at_random() LANGUAGE plpgsql AS $$
BEGIN
    FOR statement IN 1..10000 LOOP
        IF statement % 2500 = 1 THEN
            PERFORM set_training_setting('redact', choose(statement / 2500, 0, 'on', 'on', 'off')),
                    set_training_setting('redact_locations', choose(statement / 2500, 1, 'on', 'off'));
        END IF;
        INSERT INTO conversation_logs (session_id, user_message, message_type, message_language, nlu_intent,
            nlu_confidence, nlu_module_id, nlu_module_type, nlu_provider, nlu_entities, routed_to, user_feedback,
            user_correction, review_status, created_at)
        SELECT session_id, user_message, message_type, message_language, nlu_intent, nlu_confidence, nlu_module_id,
            nlu_module_type, nlu_provider, nlu_entities, routed_to, user_feedback, user_correction, review_status,
            created_at
        FROM messages WHERE n = statement ORDER BY created_at;
    END LOOP;
END $$;

BEGIN;
CALL capture_at_random();
SELECT by_statement() > 0 AS by_statement;
COMMIT;
CREATE TABLE without_executor AS TABLE training_samples;
SELECT count(*) > 3500 AS many, min(id), max(id) - count(*) AS gaps, count(DISTINCT created_at) AS transactions,
       bool_and(created_at = updated_at) AS both_times, count(DISTINCT review_status) AS statuses,
       max(length(text)) > 6000 AS has_long
FROM training_samples;
SELECT * FROM check_integrity();
-- Each index has each row that belongs into it.
SET enable_seqscan = off;
SET enable_sort = off;
SELECT (SELECT count(*) FROM training_samples WHERE id > 0) - (SELECT count(*) FROM without_executor) AS by_id,
       (SELECT count(*) FROM training_samples WHERE conversation_log_id > 0) - (SELECT count(*) FROM without_executor)
           AS by_conversation,
       (SELECT count(*) FROM training_samples WHERE text_hash IS NOT NULL) - (SELECT count(*) FROM without_executor)
           AS by_hash,
       (SELECT count(*) FROM training_samples WHERE review_status = 'approved' AND model_version_target IS NULL
                                                    AND split IS DISTINCT FROM 'test')
           - (SELECT count(*) FROM without_executor WHERE review_status = 'approved') AS untrained;
RESET enable_seqscan;
RESET enable_sort;

TRUNCATE conversation_logs, training_samples RESTART IDENTITY;
CREATE TRIGGER nothing AFTER INSERT ON training_samples FOR EACH STATEMENT EXECUTE FUNCTION nothing();
BEGIN;
CALL capture_at_random();
SELECT by_statement() > 0 AS by_statement;
COMMIT;
ALTER TABLE without_executor DROP COLUMN created_at, DROP COLUMN updated_at;
CREATE TABLE by_executor AS TABLE training_samples;
ALTER TABLE by_executor DROP COLUMN created_at, DROP COLUMN updated_at;
SELECT count(*) FROM (
    (SELECT * FROM without_executor EXCEPT SELECT * FROM by_executor) UNION ALL
    (SELECT * FROM by_executor EXCEPT SELECT * FROM without_executor)) AS different;
SELECT (SELECT count(*) FROM without_executor) = (SELECT count(*) FROM by_executor) AS same_count;

TRUNCATE conversation_logs, training_samples RESTART IDENTITY;
DROP TRIGGER nothing ON training_samples;

-- A later trigger of the same statement sees the samples.
CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE NOTICE '% samples', (SELECT count(*) FROM training_samples);
    RETURN NULL;
END $$;
CREATE TRIGGER see AFTER INSERT ON conversation_logs FOR EACH STATEMENT EXECUTE FUNCTION see();
INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider)
VALUES ('s', 'hi', 'intent.food.search', 0.9, 'indicbert'), ('s', 'bye', 'intent.food.search', 0.9, 'indicbert');
DROP TRIGGER see ON conversation_logs;
DROP FUNCTION see;
DELETE FROM training_samples;

-- Errors are the same: of a key that is taken, numbers that have run out, a CHECK and NOT NULL. A trigger of somebody's
-- on conversation_logs makes the last two, after the filter.
CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.nlu_confidence := CASE NEW.session_id WHEN 'check' THEN 7 ELSE NEW.nlu_confidence END;
    NEW.nlu_intent := nullif(NEW.nlu_intent, CASE NEW.session_id WHEN 'null' THEN NEW.nlu_intent END);
    RETURN NEW;
END $$;
CREATE TRIGGER spoil BEFORE INSERT ON conversation_logs FOR EACH ROW EXECUTE FUNCTION spoil();
CREATE PROCEDURE fail() LANGUAGE plpgsql AS $$
DECLARE
    next CONSTANT bigint := nextval('conversation_logs_id_seq') + 1;
    what text;
BEGIN
    DELETE FROM training_samples;
    PERFORM setval('training_samples_id_seq', 1000);
    INSERT INTO training_samples (id, text, intent, conversation_log_id) VALUES (1003, 'a', 'b', next + 5);
    FOREACH what IN ARRAY ARRAY['fine', 'check', 'taken', 'null', 'run out', 'taken'] LOOP
        PERFORM setval('training_samples_id_seq', CASE what WHEN 'run out' THEN 9223372036854775807 ELSE 1002 END);
        INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider) VALUES
            (what, what, 'intent.food.search', 0.9, 'indicbert'), (what, what, 'intent.food.search', 0.1, 'indicbert');
        IF what = 'fine' THEN
            DELETE FROM training_samples WHERE id = 1003 AND conversation_log_id = next;
        END IF;
    END LOOP;
END $$;
TRUNCATE job_runs;
SET client_min_messages = error;
BEGIN;
-- The server may not have taken the counts of the transactions before.
SELECT by_statement() AS before \gset
CALL fail();
SELECT by_statement() > :before AS by_statement;
COMMIT;
CREATE TRIGGER nothing AFTER INSERT ON training_samples FOR EACH STATEMENT EXECUTE FUNCTION nothing();
CALL fail();
RESET client_min_messages;
SELECT count(*), error_code, error_message, max(items_total) FROM job_runs GROUP BY 2, 3 ORDER BY min(id);
SELECT count(*), (SELECT count(*) FROM training_samples) AS samples FROM conversation_logs WHERE nlu_confidence > 0.5;
DROP TRIGGER spoil ON conversation_logs;
DROP TRIGGER nothing ON training_samples;
DELETE FROM training_samples;

-- What the owner or somebody else adds to the table is for the executor. The session has inserted without
-- it before, and does so afterwards.
CREATE FUNCTION same(what text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN what; END $$;
CREATE TABLE cases (n integer, what text, made text, gone text, by_statement boolean, samples bigint, after boolean);
INSERT INTO cases (n, what, made, gone) VALUES
    (1, 'nothing', 'SELECT 1', 'SELECT 1'),
    (2, 'a trigger', 'CREATE TRIGGER t BEFORE INSERT ON training_samples FOR EACH ROW WHEN (false)
        EXECUTE FUNCTION nothing()', 'DROP TRIGGER t ON training_samples'),
    (3, 'a trigger that does not fire', 'CREATE TRIGGER t AFTER INSERT ON training_samples EXECUTE FUNCTION nothing();
        ALTER TABLE training_samples DISABLE TRIGGER t', 'DROP TRIGGER t ON training_samples'),
    (4, 'a trigger for updates', 'CREATE TRIGGER t AFTER UPDATE ON training_samples EXECUTE FUNCTION nothing()',
        'DROP TRIGGER t ON training_samples'),
    (5, 'a rule', 'CREATE RULE r AS ON INSERT TO training_samples DO ALSO SELECT 1', 'DROP RULE r ON training_samples'),
    (6, 'a CHECK', 'ALTER TABLE training_samples ADD CONSTRAINT c CHECK (text <> intent)',
        'ALTER TABLE training_samples DROP CONSTRAINT c'),
    (7, 'a foreign key', 'ALTER TABLE training_samples ADD CONSTRAINT c FOREIGN KEY (conversation_log_id)
        REFERENCES conversation_logs', 'ALTER TABLE training_samples DROP CONSTRAINT c'),
    (8, 'a default', 'ALTER TABLE training_samples ALTER model_version_target SET DEFAULT ''x''',
        'ALTER TABLE training_samples ALTER model_version_target DROP DEFAULT'),
    (9, 'another default', 'ALTER TABLE training_samples ALTER updated_at SET DEFAULT clock_timestamp()',
        'ALTER TABLE training_samples ALTER updated_at SET DEFAULT now()'),
    (10, 'policies that bind the owner', 'ALTER TABLE training_samples FORCE ROW LEVEL SECURITY;
        ALTER TABLE training_samples ENABLE ROW LEVEL SECURITY', 'ALTER TABLE training_samples NO FORCE ROW LEVEL
        SECURITY; ALTER TABLE training_samples DISABLE ROW LEVEL SECURITY'),
    (11, 'policies that do not', 'ALTER TABLE training_samples ENABLE ROW LEVEL SECURITY',
        'ALTER TABLE training_samples DISABLE ROW LEVEL SECURITY'),
    (12, 'an index', 'CREATE INDEX i ON training_samples (language)', 'DROP INDEX i'),
    (13, 'an index on a function', 'CREATE INDEX i ON training_samples (same(text))', 'DROP INDEX i'),
    (14, 'an index of another kind', 'CREATE INDEX i ON training_samples USING brin (id)', 'DROP INDEX i'),
    (15, 'a key that is checked later', 'ALTER TABLE training_samples ADD CONSTRAINT c UNIQUE (id, text) DEFERRABLE',
        'ALTER TABLE training_samples DROP CONSTRAINT c'),
    (16, 'another function', 'ALTER FUNCTION tw_sample_text(text) SET work_mem = ''4MB''',
        'ALTER FUNCTION tw_sample_text(text) RESET work_mem'),
    -- The last one: a dropped column stays in the table.
    (17, 'a column', 'ALTER TABLE training_samples ADD COLUMN mine integer',
        'ALTER TABLE training_samples DROP COLUMN mine');
CREATE FUNCTION capture_one() RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    before CONSTANT bigint := by_statement();
BEGIN
    INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider)
    VALUES ('s', 'hi', 'intent.food.search', 0.9, 'indicbert');
    RETURN by_statement() > before;
END $$;
CREATE PROCEDURE try_case(of integer) LANGUAGE plpgsql AS $$
DECLARE
    tried cases;
BEGIN
    SELECT * INTO tried FROM cases WHERE n = of;
    EXECUTE tried.made;
    COMMIT;
    UPDATE cases SET by_statement = capture_one() WHERE n = of;
    UPDATE cases SET samples = (SELECT count(*) FROM training_samples) WHERE n = of;
    COMMIT;
    EXECUTE tried.gone;
    COMMIT;
    UPDATE cases SET after = capture_one() WHERE n = of;
    DELETE FROM training_samples;
    COMMIT;
END $$;
SELECT format('CALL try_case(%s)', n) FROM cases ORDER BY n
\gexec
SELECT n, what, by_statement, samples, after FROM cases ORDER BY n;

DROP TABLE without_executor, by_executor, cases, messages;
DROP PROCEDURE capture_at_random, try_case, fail;
DROP FUNCTION spoil, capture_one, choose, same, by_statement;
DROP FUNCTION nothing;
