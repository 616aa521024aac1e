-- What clients write by default, as a role of kind capture: it captures, or the error says what to write instead.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET training_workflow.allow_drop = on;
DROP EXTENSION IF EXISTS training_workflow CASCADE;
RESET training_workflow.allow_drop;
RESET client_min_messages;
CREATE EXTENSION training_workflow;
-- No random draw in this test.
INSERT INTO review_policies (audit_rate_approved, audit_rate_review) VALUES (0, 0);
SET client_min_messages = warning;
CREATE ROLE regress_tw_app;
CREATE ROLE regress_tw_nobody;
SELECT count(grant_training_role('regress_tw_app', 'capture'));
RESET client_min_messages;
\set ON_ERROR_STOP off

-- A fresh session, in which nothing has loaded the library.
\c -
\set SHOW_CONTEXT never
SET ROLE regress_tw_app;
INSERT INTO conversation_logs (session_id, user_message, review_status) VALUES ('s0', 'veg pizza', 'approved');
\c -
\set SHOW_CONTEXT never
SET ROLE regress_tw_app;
INSERT INTO conversation_logs (session_id, user_message) VALUES ('s0', 'veg pizza') RETURNING id, user_message;
\c -
\set SHOW_CONTEXT never
SET ROLE regress_tw_app;
INSERT INTO conversation_logs (session_id, user_message) VALUES ('s0', 'veg pizza') RETURNING *;
INSERT INTO conversation_logs (session_id, user_message) VALUES ('s0', 'veg pizza') RETURNING conversation_logs;
INSERT INTO conversation_logs (session_id, user_message) VALUES ('s0', 'x') ON CONFLICT (id) DO UPDATE
    SET response_text = 'y';

-- Every column named, and every column returned.
PREPARE capture AS INSERT INTO conversation_capture (id, session_id, phone_number, user_id, user_message, message_type,
    message_language, nlu_intent, nlu_confidence, nlu_module_id, nlu_module_type, nlu_provider, nlu_model_version,
    nlu_entities, nlu_tone, nlu_processing_time_ms, routed_to, response_text, response_success, user_feedback,
    user_correction, backend_reference, metadata, created_at, idempotency_key)
VALUES (DEFAULT, $1, DEFAULT, DEFAULT, $2, DEFAULT, DEFAULT, $3, $4, DEFAULT, DEFAULT, $5, DEFAULT, DEFAULT, DEFAULT,
    DEFAULT, DEFAULT, DEFAULT, DEFAULT, DEFAULT, DEFAULT, DEFAULT, DEFAULT, DEFAULT, DEFAULT) RETURNING *;
\x
\pset format unaligned
EXECUTE capture('s1', 'veg pizza', 'intent.food.item.search', 0.95, 'indicbert') \gset
\x
\pset format aligned
SELECT :id AS id, :'user_message' AS user_message, :'message_type' AS message_type, :'created_at' <> '' AS created;
INSERT INTO conversation_capture (session_id, user_message) VALUES ('s2', 'a'), ('s2', 'b') RETURNING id, user_message;
INSERT INTO conversation_capture (id, session_id, user_message, message_type, created_at)
    VALUES (NULL, 's2', 'an ORM sends NULL', NULL, NULL) RETURNING id, message_type, created_at = now() AS now;
INSERT INTO conversation_logs (id, session_id, user_message) VALUES (DEFAULT, 's3', 'the table') RETURNING id;
INSERT INTO conversation_logs (id, session_id, user_message) VALUES (NULL, 's3', 'the table') RETURNING id;
INSERT INTO conversation_capture (session_id, user_message) VALUES ('s3', 'once') ON CONFLICT DO NOTHING RETURNING id;
INSERT INTO conversation_capture (session_id, user_message) SELECT 's4', m FROM unnest(ARRAY['c', 'd']) m
    RETURNING id, user_message;
COPY conversation_logs (session_id, user_message) FROM stdin;
s5	copied
s5	copied too
\.
-- Entities that a client has made JSON of twice, and an ORM's None; all else stays as it came.
INSERT INTO conversation_capture (session_id, user_message, nlu_entities) VALUES
    ('s11', '1', to_jsonb('[{"entity": "dish", "value": "pizza"}]'::text)),
    ('s11', '2', to_jsonb(' {"dish": "pizza"}'::text)),
    ('s11', '3', 'null'), ('s11', '4', '"pizza"'), ('s11', '5', to_jsonb('[no JSON'::text)), ('s11', '6', '7'),
    ('s11', '7', to_jsonb('{"n": 1e999999}'::text)), ('s11', '8', to_jsonb(''::text)), ('s11', '9', '{"dish": "dosa"}')
RETURNING user_message, nlu_entities;
-- What is nested too deep for the server's stack, or longer than 1 MiB, does not cost the message. Brackets within a
-- text are none.
INSERT INTO conversation_capture (session_id, user_message, nlu_entities) VALUES
    ('s12', 'deep', to_jsonb(repeat('[', 200000) || repeat(']', 200000))),
    ('s12', 'open', to_jsonb(repeat('{"a":', 200000))),
    ('s12', '101 levels', to_jsonb(repeat('[', 101) || repeat(']', 101))),
    ('s12', '100 levels', to_jsonb(repeat('[', 100) || repeat(']', 100))),
    ('s12', 'long', to_jsonb('["' || repeat('x', 1024 * 1024) || '"]')),
    ('s12', 'wide', to_jsonb('[' || repeat('[{}],', 500) || '"[[\"' || repeat('[{', 500) || '\\"]'))
RETURNING user_message, jsonb_typeof(nlu_entities);
-- A statement that captures while it captures: the number of the outer row is no longer the last one.
CREATE FUNCTION pg_temp.captures() RETURNS text LANGUAGE plpgsql AS
$$
BEGIN
    INSERT INTO conversation_capture (session_id, user_message) VALUES ('s12', 'inner 1'), ('s12', 'inner 2');
    RETURN 'outer';
END
$$;
INSERT INTO conversation_capture (session_id, user_message) VALUES ('s12', pg_temp.captures());
INSERT INTO conversation_logs (session_id, user_message) VALUES ('s12', pg_temp.captures()), ('s12', pg_temp.captures())
    RETURNING id - currval('conversation_logs_id_seq') AS behind_the_last;
INSERT INTO conversation_logs (session_id, user_message) VALUES ('s12', pg_temp.captures()) RETURNING id AS outer \gset
SELECT currval('conversation_logs_id_seq') - :outer AS inner_rows;
INSERT INTO conversation_capture (id, session_id, user_message)
    VALUES (currval('conversation_logs_id_seq'), 's12', 'an inner row, once more');
INSERT INTO conversation_logs (session_id, user_message) VALUES ('s12', 'after') RETURNING id = lastval() AS last;
INSERT INTO conversation_logs (id, session_id, user_message) VALUES (1, 's12', pg_temp.captures());
-- With its order kept by a sort.
INSERT INTO conversation_logs (session_id, user_message) SELECT 's6', m FROM unnest(ARRAY['f', 'e']) m ORDER BY m
    RETURNING id;
-- The number of the last row, as some drivers ask for it.
INSERT INTO conversation_logs (session_id, user_message) VALUES ('s7', 'number?');
SELECT currval('conversation_logs_id_seq');
SELECT lastval();
-- Also when a training sample got a number after it.
INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider)
    VALUES ('s7', 'number of a promoted one?', 'intent.food.item.search', 0.95, 'indicbert');
SELECT currval('conversation_logs_id_seq');
SELECT lastval();

-- Explicit ids: an ORM's second save of the same object.
INSERT INTO conversation_capture (id, session_id, user_message, response_text) VALUES (1, 's1', 'veg pizza', 'Yes');
INSERT INTO conversation_logs (id, session_id, user_message) VALUES (1000000, 's1', 'veg pizza');
INSERT INTO conversation_logs (id, session_id, user_message) VALUES (DEFAULT, 's1', 'two'), (7, 's1', 'seven');
COPY conversation_logs (id, session_id, user_message) FROM stdin;
1000001	s1	copied
\.
INSERT INTO conversation_capture (id, session_id, user_message) VALUES (1, 's1', 'x') ON CONFLICT (id) DO NOTHING;
-- The number that was drawn last. Some minor releases refuse to plan it, with the error of the view.
CREATE FUNCTION pg_temp.outcome(command text) RETURNS text LANGUAGE plpgsql AS
$$
BEGIN
    EXECUTE command;
    RETURN 'done';
EXCEPTION WHEN insufficient_privilege OR generated_always OR feature_not_supported OR wrong_object_type
          THEN RETURN 'refused';
END
$$;
INSERT INTO conversation_logs (session_id, user_message) VALUES ('s7', 'own') RETURNING id AS own \gset
SELECT pg_temp.outcome(format(
    'INSERT INTO conversation_capture AS c (id, session_id, user_message) VALUES (%s, ''s7'', ''x'')
     ON CONFLICT (id) DO UPDATE SET user_feedback = ''negative'' RETURNING *', :own)) AS on_conflict;
-- The same of a row that came with NULL.
INSERT INTO conversation_logs (id, session_id, user_message) VALUES (NULL, 's7', 'own') RETURNING id AS own \gset
INSERT INTO conversation_logs (id, session_id, user_message) VALUES (:own, 's7', 'own') RETURNING id;
SELECT pg_temp.outcome(format(
    'INSERT INTO conversation_capture AS c (id, session_id, user_message) VALUES (%s, ''s7'', ''x'')
     ON CONFLICT (id) DO UPDATE SET user_feedback = ''negative'' RETURNING *', :own)) AS on_conflict;
SELECT pg_temp.outcome('INSERT INTO conversation_capture AS c (id, session_id, user_message) VALUES (1, ''s7'', ''x'')
    ON CONFLICT (id) DO UPDATE SET user_feedback = c.user_message RETURNING *') AS on_conflict;
SELECT pg_temp.outcome('MERGE INTO conversation_capture c USING (VALUES (1)) v (id) ON c.id = v.id
    WHEN MATCHED THEN UPDATE SET user_id = ''x''') AS merge;
SELECT pg_temp.outcome('DELETE FROM conversation_capture') AS delete;
INSERT INTO conversation_capture (id, session_id, user_message, response_text) VALUES (:own, 's7', 'own', 'once more');
RESET ROLE;
DELETE FROM conversation_logs WHERE id = :own;
SELECT setval('conversation_logs_id_seq', :own, false) = :own AS set_back;
SET ROLE regress_tw_app;
INSERT INTO conversation_logs (session_id, user_message) VALUES ('s7', 'again') RETURNING id = :own AS the_same;
-- In a session that has drawn no number.
\c -
\set SHOW_CONTEXT never
SET ROLE regress_tw_app;
INSERT INTO conversation_logs (id, session_id, user_message) VALUES (17, 's1', 'veg pizza');

-- Nothing can be read or changed, in no session and by no means.
\c -
\set SHOW_CONTEXT never
SET ROLE regress_tw_app;
SELECT * FROM conversation_capture;
\c -
\set SHOW_CONTEXT never
SET ROLE regress_tw_app;
UPDATE conversation_capture SET response_text = 'x' WHERE id = 1;
\set VERBOSITY terse
SELECT count(*) FROM conversation_capture WHERE false;
SELECT 1 FROM conversation_capture LIMIT 0;
COPY (SELECT * FROM conversation_capture) TO stdout;
COPY conversation_capture TO stdout;
INSERT INTO conversation_capture (session_id, user_message) SELECT session_id, user_message FROM conversation_capture;
INSERT INTO conversation_capture (session_id, user_message)
    VALUES ('s8', (SELECT user_message FROM conversation_capture LIMIT 1));
SELECT FROM conversation_capture FOR UPDATE;
BEGIN;
LOCK TABLE conversation_capture IN SHARE UPDATE EXCLUSIVE MODE;
ROLLBACK;
CREATE FUNCTION pg_temp.shown(text) RETURNS boolean LANGUAGE plpgsql COST 0.0001 AS
$$BEGIN RAISE NOTICE 'seen: %', $1; RETURN true; END$$;
SELECT FROM conversation_capture WHERE pg_temp.shown(user_message);
SELECT FROM (VALUES (1)) v LEFT JOIN conversation_capture c ON pg_temp.shown(c.user_message);
EXPLAIN (COSTS OFF) SELECT FROM conversation_capture WHERE pg_temp.shown(user_message);
BEGIN;
DECLARE seen CURSOR FOR SELECT user_message FROM conversation_capture;
ROLLBACK;
SELECT setval('conversation_logs_id_seq', 1);
SELECT nextval('conversation_logs_id_seq');
\set VERBOSITY default
-- The table, in a session that has captured.
INSERT INTO conversation_logs (session_id, user_message) VALUES ('s9', 'z') RETURNING id;
SELECT user_message FROM conversation_logs WHERE id = 1;
SELECT * FROM conversation_logs c WHERE c.id = 1;
SELECT id FROM conversation_logs WHERE id = 1 FOR UPDATE;
UPDATE conversation_logs SET response_text = 'x' WHERE id = 1;
DELETE FROM conversation_logs WHERE id = 1;
DELETE FROM conversation_capture WHERE id = 1;
SELECT count(*) > 10 AS ids_can_be_counted FROM conversation_logs;
WITH c AS (INSERT INTO conversation_logs (session_id, user_message) VALUES ('s9', 'z') RETURNING *) SELECT FROM c;
-- A role without a kind; and an error of somebody else's table stays as it is.
RESET ROLE;
CREATE TABLE theirs (id int);
SET ROLE regress_tw_nobody;
INSERT INTO conversation_logs (session_id, user_message) VALUES ('s9', 'z');
INSERT INTO conversation_capture (session_id, user_message) VALUES ('s9', 'z');
SET ROLE regress_tw_app;
SELECT c.id FROM conversation_logs c, theirs;
-- Also of who may do with the table what the statement does.
RESET ROLE;
CREATE FUNCTION their_function(text) RETURNS text LANGUAGE sql AS 'SELECT $1';
REVOKE ALL ON FUNCTION their_function(text) FROM PUBLIC;
GRANT SELECT, DELETE, UPDATE (response_text) ON conversation_logs TO regress_tw_nobody;
SET ROLE regress_tw_nobody;
SELECT their_function(c.user_message) FROM conversation_logs c;
SELECT c.user_message FROM conversation_logs c, theirs;
UPDATE conversation_logs SET response_text = their_function('x');
DELETE FROM conversation_logs WHERE their_function(user_message) = 'x';
UPDATE conversation_logs SET review_status = 'approved';
RESET ROLE;
GRANT UPDATE (response_text) ON conversation_logs TO regress_tw_app;
SET ROLE regress_tw_app;
UPDATE conversation_logs SET response_text = their_function('x');
UPDATE conversation_logs SET response_text = 'x' WHERE user_message = 'x';
INSERT INTO conversation_logs (session_id, user_message) VALUES ('s9', their_function('x'));
RESET ROLE;
-- What the owner may: choose ids, as a restore does.
INSERT INTO conversation_logs (id, session_id, user_message) VALUES (5000, 's10', 'restored');
SELECT session_id, count(*), min(review_status) FROM conversation_logs GROUP BY 1 ORDER BY 1;
-- Whoever gets the right may at once, and no longer once it is gone: a session asks again when rights or roles change.
GRANT INSERT ON conversation_logs TO regress_tw_nobody;
SET ROLE regress_tw_app;
INSERT INTO conversation_logs (id, session_id, user_message) VALUES (6000, 's11', 'x');
RESET ROLE;
GRANT regress_tw_nobody TO regress_tw_app;
SET ROLE regress_tw_app;
INSERT INTO conversation_logs (id, session_id, user_message) VALUES (6000, 's11', 'x');
RESET ROLE;
REVOKE regress_tw_nobody FROM regress_tw_app;
SET ROLE regress_tw_app;
INSERT INTO conversation_logs (id, session_id, user_message) VALUES (6001, 's11', 'x');
RESET ROLE;
GRANT regress_tw_nobody TO regress_tw_app;
SET ROLE regress_tw_app;
INSERT INTO conversation_logs (id, session_id, user_message) VALUES (6001, 's11', 'x');
RESET ROLE;
REVOKE INSERT ON conversation_logs FROM regress_tw_nobody;
SET ROLE regress_tw_app;
INSERT INTO conversation_logs (id, session_id, user_message) VALUES (6002, 's11', 'x');
RESET ROLE;
-- Every column that an application may insert is in the view, with the same type and comment.
SELECT t.attname, v.attname IS NOT NULL AS in_view, t.atttypid = v.atttypid AS same_type,
       col_description(t.attrelid, t.attnum) = col_description(v.attrelid, v.attnum) AS same_comment
FROM pg_attribute t
LEFT JOIN pg_attribute v ON v.attrelid = 'conversation_capture'::regclass AND v.attname = t.attname AND v.attnum > 0
WHERE t.attrelid = 'conversation_logs'::regclass AND t.attnum > 0
  AND has_column_privilege('regress_tw_app', t.attrelid, t.attnum, 'INSERT')
  AND (t.atttypid = v.atttypid AND col_description(t.attrelid, t.attnum) = col_description(v.attrelid, v.attnum))
      IS NOT TRUE;
SELECT count(*) FROM pg_attribute WHERE attrelid = 'conversation_capture'::regclass AND attnum > 0;
DROP TABLE theirs;
DROP FUNCTION their_function(text);
DROP OWNED BY regress_tw_app, regress_tw_nobody;
DROP ROLE regress_tw_app, regress_tw_nobody;
