-- Promotion: every way to insert, what the sample holds, and what happens when it cannot be made.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET training_workflow.allow_drop = on;
DROP EXTENSION IF EXISTS training_workflow CASCADE;
RESET training_workflow.allow_drop;
RESET client_min_messages;
CREATE EXTENSION training_workflow;
INSERT INTO review_policies (audit_rate_approved, audit_rate_review) VALUES (0, 0);

-- What a sample holds.
INSERT INTO conversation_logs (session_id, phone_number, user_message, message_language, nlu_intent, nlu_confidence,
                               nlu_module_id,
    nlu_module_type, nlu_provider, nlu_entities, routed_to)
VALUES ('s', '+91 00000 00001', 'Kothrud mein veg pizza milega?', 'hinglish', 'intent.food.item.search', 0.93, 4,
        'food', 'indicbert',
    '{"area": "Kothrud", "dish": "veg pizza"}', 'opensearch');
\x
SELECT conversation_log_id, text, intent, module_id, module_type, entities, language, expected_service, review_status,
       label_source, reviewed_by, reviewed_at, source, split, selection_probability, quality_score, model_version_target
FROM training_samples;
\x
-- The module: the log's, else the intent's second part, else none.
INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_module_type, nlu_confidence, nlu_provider)
VALUES
    ('m', 'a', 'intent.food.item.search', 'grocery', 0.9, 'indicbert'),
    ('m', 'b', 'intent.food.item.search', NULL, 0.9, 'indicbert'),
    ('m', 'c', 'intent.food.item.search', '', 0.9, 'indicbert'), ('m', 'd', 'SEND_MESSAGE', NULL, 0.9, 'indicbert'),
    ('m', 'e', 'intent..x', NULL, 0.9, 'indicbert'), ('m', 'f', 'intent.food', NULL, 0.9, 'indicbert');
SELECT text, intent, module_type FROM training_samples WHERE length(text) = 1 ORDER BY text;

-- Personal data stays behind in conversation_logs: samples and views
-- hold it masked, with the same number of characters.
INSERT INTO conversation_logs (id, session_id, user_message, nlu_intent, nlu_confidence, nlu_provider, nlu_entities)
VALUES
    (-1, 'pii', 'call me on 00000 00123 or asha@example.com', 'intent.general.agent', 0.95, 'indicbert',
     '{"phone": "00000 00123", "mail": "asha@example.com", "n": 3}'),
    (-2, 'pii', 'call me on 98765 43210', 'intent.general.agent', 0.75, 'indicbert', NULL);
SELECT user_message FROM conversation_logs WHERE session_id = 'pii' ORDER BY id DESC;
SELECT text, entities, text_hash = text_hash(text) AS hash_of_it FROM training_samples WHERE conversation_log_id = -1;
SELECT text FROM training_queue WHERE conversation_log_id = -2;
SELECT text FROM claim_reviews(1);
SELECT set_training_setting('redact', 'off');
SELECT text FROM training_queue WHERE conversation_log_id = -2;
INSERT INTO conversation_logs (id, session_id, user_message, nlu_intent, nlu_confidence, nlu_provider) VALUES
    (-3, 'pii', 'call me on 98765 43210', 'intent.general.agent', 0.95, 'indicbert');
SELECT text FROM training_samples WHERE conversation_log_id = -3;
SELECT set_training_setting('redact', NULL);

-- Multi-row, INSERT ... SELECT, COPY, a CTE, ON CONFLICT, and inside a function.
INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider) VALUES
    ('multi', '1', 'intent.a.x', 0.99, 'indicbert'), ('multi', '2', 'intent.a.x', 0.5, 'indicbert'),
    ('multi', '3', 'intent.a.x', 0.99, 'indicbert');
INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider)
    SELECT 'select', i::text, 'intent.a.x', i / 10.0, 'indicbert' FROM generate_series(1, 10) AS i;
COPY conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider) FROM stdin;
copy	1	intent.a.x	0.99	indicbert
copy	2	intent.a.x	\N	indicbert
copy	3	intent.a.x	0.86	INDICBERT
\.
WITH new AS (
    INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider)
    VALUES ('cte', '1', 'intent.a.x', 0.99, 'indicbert') RETURNING id)
SELECT count(*) FROM new;
INSERT INTO conversation_logs (id, session_id, user_message, nlu_intent, nlu_confidence, nlu_provider) VALUES
    (1, 'conflict', '1', 'intent.a.x', 0.99, 'indicbert'), (1000, 'conflict', '2', 'intent.a.x', 0.99, 'indicbert')
    ON CONFLICT DO NOTHING;
SELECT setval('conversation_logs_id_seq', 1000);
CREATE FUNCTION pg_temp.chat() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider)
    VALUES ('function', '1', 'intent.a.x', 0.99, 'indicbert');
    BEGIN
        INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider)
        VALUES ('function', 'rolled back', 'intent.a.x', 0.99, 'indicbert');
        RAISE EXCEPTION 'no';
    EXCEPTION WHEN raise_exception THEN NULL;
    END;
END $$;
SELECT pg_temp.chat();
INSERT INTO conversation_logs (session_id, user_message) SELECT 'none', 'x' WHERE false;
SELECT c.session_id, count(*) AS conversations, count(s.id) AS samples
FROM conversation_logs c LEFT JOIN training_samples s ON s.conversation_log_id = c.id GROUP BY 1 ORDER BY 1;

-- It commits or rolls back with the chat's own rows.
BEGIN;
INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider)
VALUES ('tx', 'x', 'intent.a.x', 0.99, 'indicbert');
SELECT count(*) FROM training_samples WHERE text = 'x';
ROLLBACK;
SELECT count(*) FROM training_samples WHERE text = 'x';

-- A search_path that offers its own tables, functions and operators changes nothing.
CREATE SCHEMA trap;
CREATE TABLE trap.training_samples (LIKE training_samples INCLUDING DEFAULTS);
CREATE TABLE trap.captured (LIKE conversation_logs);
CREATE FUNCTION trap.equals(text, text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'trapped'; END $$;
CREATE OPERATOR trap.= (LEFTARG = text, RIGHTARG = text, FUNCTION = trap.equals);
CREATE OPERATOR trap.<> (LEFTARG = text, RIGHTARG = text, FUNCTION = trap.equals);
\c -
SET search_path = trap, pg_catalog;
INSERT INTO public.conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider)
    VALUES ('trap', 'trap', 'intent.a.x', 0.99, 'indicbert');
RESET search_path;
SELECT count(*) FROM trap.training_samples;
SELECT module_type FROM training_samples WHERE text OPERATOR(pg_catalog.=) 'trap';
SET client_min_messages = warning;
DROP SCHEMA trap CASCADE;
RESET client_min_messages;

-- A promotion that cannot happen: the conversations stay, the failure
-- is seen, and is made up for once the cause is gone.
CREATE FUNCTION raise_on_bad() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.text LIKE 'bad%' THEN
        RAISE EXCEPTION USING ERRCODE = TG_ARGV[0], MESSAGE = 'no bad samples here';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER raise_on_bad BEFORE INSERT ON training_samples FOR EACH ROW EXECUTE FUNCTION raise_on_bad('P0001');
INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider) VALUES
    ('fails', 'good', 'intent.a.x', 0.99, 'indicbert'), ('fails', 'bad', 'intent.a.x', 0.99, 'indicbert'),
    ('fails', 'unsure', 'intent.a.x', 0.5, 'indicbert')
    RETURNING review_status;
SELECT job_name, status, items_done, items_total, error_code, error_message FROM job_runs;
SELECT problem, found FROM check_integrity() WHERE relation LIKE '%conversation_logs';
-- Too young for the default age; then the bad one alone fails again.
SELECT * FROM promote_missed_conversations();
SELECT * FROM promote_missed_conversations('0');
DROP TRIGGER raise_on_bad ON training_samples;
SELECT * FROM promote_missed_conversations('0');
SELECT * FROM promote_missed_conversations('0');
SELECT text, label_source, quality_score FROM training_samples WHERE text IN ('good', 'bad') ORDER BY text;
SELECT * FROM promote_missed_conversations('-1 second');
-- Intervals whose sum with a time overflows, also where their fields cancel each other.
SELECT * FROM promote_missed_conversations('178000000 years');
SELECT * FROM promote_missed_conversations('5000000 years -1825000000 days');
SELECT * FROM promote_missed_conversations('1000 years');

-- Errors that are not about the sample are not swallowed: the statement fails as a whole.
CREATE TRIGGER raise_on_bad BEFORE INSERT ON training_samples FOR EACH ROW EXECUTE FUNCTION raise_on_bad('40001');
INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider)
VALUES ('fails', 'bad 40001', 'intent.a.x', 0.99, 'indicbert');
DROP TRIGGER raise_on_bad ON training_samples;
CREATE TRIGGER raise_on_bad BEFORE INSERT ON training_samples FOR EACH ROW EXECUTE FUNCTION raise_on_bad('53100');
INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider)
VALUES ('fails', 'bad 53100', 'intent.a.x', 0.99, 'indicbert');
DROP TRIGGER raise_on_bad ON training_samples;
CREATE TRIGGER raise_on_bad BEFORE INSERT ON training_samples FOR EACH ROW EXECUTE FUNCTION raise_on_bad('57014');
INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider)
VALUES ('fails', 'bad 57014', 'intent.a.x', 0.99, 'indicbert');
DROP TRIGGER raise_on_bad ON training_samples;
CREATE TRIGGER raise_on_bad BEFORE INSERT ON training_samples FOR EACH ROW EXECUTE FUNCTION raise_on_bad('54001');
INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider)
VALUES ('fails', 'bad 54001', 'intent.a.x', 0.99, 'indicbert');
DROP TRIGGER raise_on_bad ON training_samples;
CREATE TRIGGER raise_on_bad BEFORE INSERT ON training_samples FOR EACH ROW EXECUTE FUNCTION raise_on_bad('XX001');
INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider)
VALUES ('fails', 'bad XX001', 'intent.a.x', 0.99, 'indicbert');
DROP TRIGGER raise_on_bad ON training_samples;
DROP FUNCTION raise_on_bad();
SELECT count(*) FROM conversation_logs WHERE user_message LIKE 'bad _%' AND user_message <> 'bad';

-- A rule of the user's in the INSERT's place: no sample, and the next one as ever once it is gone.
CREATE RULE nothing AS ON INSERT TO training_samples DO INSTEAD NOTHING;
INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider)
VALUES ('rule', 'ruled out', 'intent.a.x', 0.99, 'indicbert');
SELECT * FROM promote_missed_conversations('0');
DROP RULE nothing ON training_samples;
INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider)
VALUES ('rule', 'as ever', 'intent.a.x', 0.99, 'indicbert');
SELECT * FROM promote_missed_conversations('0');
SELECT text FROM training_samples WHERE text IN ('ruled out', 'as ever') ORDER BY 1;

-- More than a batch at once, one bad one among them.
CREATE FUNCTION raise_on_1500() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF NEW.text = 'many 1500' THEN
        RAISE 'no';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER raise_on_1500 BEFORE INSERT ON training_samples FOR EACH ROW EXECUTE FUNCTION raise_on_1500();
SET client_min_messages = error;
INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider)
    SELECT 'many', 'many ' || i, 'intent.a.x', 0.99, 'indicbert' FROM generate_series(1, 2500) AS i;
SELECT * FROM promote_missed_conversations('0');
RESET client_min_messages;
DROP TRIGGER raise_on_1500 ON training_samples;
DROP FUNCTION raise_on_1500();
SELECT * FROM promote_missed_conversations('0');

-- Rows that came in while triggers did not fire are filtered by the first UPDATE, at the latest by the sweep's.
SET session_replication_role = replica;
INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider) VALUES
    ('replica', 'one', 'intent.a.x', 0.99, 'indicbert'), ('replica', 'two', 'intent.a.x', 0.5, 'indicbert'),
    ('replica', 'three', 'intent.a.x', 0.99, 'indicbert');
RESET session_replication_role;
SELECT user_message, review_status, filtered_at FROM conversation_logs WHERE session_id = 'replica' ORDER BY id;
SELECT problem, found FROM check_integrity() WHERE relation LIKE '%conversation_logs';
UPDATE conversation_logs SET response_text = 'ok' WHERE user_message = 'three';
SELECT user_message, review_status FROM conversation_logs WHERE session_id = 'replica' ORDER BY id;
SELECT * FROM promote_missed_conversations('0');
SELECT c.user_message, c.review_status, c.review_priority, c.filter_outcome, c.created_on IS NOT NULL AS has_day, s.text
FROM conversation_logs c LEFT JOIN training_samples s ON s.conversation_log_id = c.id WHERE c.session_id = 'replica'
ORDER BY c.id;
SELECT * FROM check_integrity();
