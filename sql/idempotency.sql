-- A message that is captured a second time, with the same idempotency_key: one conversation, one sample, one id.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET training_workflow.allow_drop = on;
DROP EXTENSION IF EXISTS training_workflow CASCADE;
RESET training_workflow.allow_drop;
RESET client_min_messages;
CREATE EXTENSION training_workflow;
SET client_min_messages = warning;
CREATE ROLE regress_tw_app;
SELECT count(grant_training_role('regress_tw_app', 'capture'));
RESET client_min_messages;
-- No random draw in this test.
INSERT INTO review_policies (audit_rate_approved, audit_rate_review) VALUES (0, 0);
SELECT set_training_setting('time_zone', 'Asia/Kolkata');
\set ON_ERROR_STOP off
\set answer '''intent.food.item.search'', 0.95, ''indicbert'''
\set columns 'session_id, user_message, nlu_intent, nlu_confidence, nlu_provider, idempotency_key'

SET ROLE regress_tw_app;
-- The view: every column is returned, also of the retry, and one row is reported.
INSERT INTO conversation_capture (:columns) VALUES ('s1', 'veg pizza', :answer, 'k1') RETURNING id, user_message;
INSERT INTO conversation_capture (:columns) VALUES ('s1', 'veg pizza', :answer, 'k1') RETURNING id, user_message;
-- The table, and no RETURNING.
INSERT INTO conversation_logs (:columns) VALUES ('s1', 'veg pizza', :answer, 'k1') RETURNING id;
INSERT INTO conversation_logs (:columns) VALUES ('s1', 'veg pizza', :answer, 'k1');
SELECT lastval();
-- ON CONFLICT, which some clients write for this purpose.
INSERT INTO conversation_capture (:columns) VALUES ('s1', 'veg pizza', :answer, 'k1') ON CONFLICT DO NOTHING
    RETURNING id;
INSERT INTO conversation_capture (:columns) VALUES ('s1', 'new', :answer, 'k1b') ON CONFLICT DO NOTHING RETURNING id;
-- What the retry says differently is returned and not stored, except for the time, which is the first's.
INSERT INTO conversation_capture (session_id, user_message, response_text, created_at, idempotency_key)
    VALUES ('s1', 'veg pizza', 'Yes', now() + interval '1 hour', 'k1')
    RETURNING id, response_text, created_at <= now() AS of_the_first;
-- An ORM's second save names the id of the first: that stays an error.
INSERT INTO conversation_capture (id, session_id, user_message, idempotency_key) VALUES (1, 's1', 'veg pizza', 'k1');
-- Several rows: each gives its own id, in order. A key twice in one statement, too.
INSERT INTO conversation_capture (:columns) VALUES ('s2', 'a', :answer, 'k2'), ('s1', 'veg pizza', :answer, 'k1'),
    ('s2', 'b', :answer, 'k3'), ('s2', 'a', :answer, 'k2'), ('s2', 'b', :answer, 'k3'), ('s2', 'c', :answer, NULL),
    ('s2', 'c', :answer, NULL), ('s2', 'd', :answer, ''), ('s2', 'd', :answer, '')
    RETURNING id - (SELECT max(id) FROM conversation_logs) AS after, user_message;
-- A prepared statement, by parameter.
PREPARE capture AS INSERT INTO conversation_capture (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider,
    idempotency_key) VALUES ($1, $2, $3, $4, $5, $6) RETURNING id;
EXECUTE capture('s3', 'one', :answer, 'k4');
EXECUTE capture('s3', 'one', :answer, 'k4');
EXECUTE capture('s3', 'one', :answer, 'k4');
-- WITH, INSERT ... SELECT, and MERGE.
WITH c AS (INSERT INTO conversation_logs (:columns) VALUES ('s3', 'one', :answer, 'k4'), ('s3', 'with', :answer, 'k5')
           RETURNING id)
SELECT count(*) FROM c;
INSERT INTO conversation_logs (:columns) SELECT 's3', 'one', :answer, 'k4' FROM generate_series(1, 3);
-- COPY counts what it stored.
COPY conversation_logs (session_id, user_message, idempotency_key) FROM stdin;
s4	copied	k6
s4	copied	k6
s4	copied too	k7
s3	one	k4
\.
-- In one transaction, after a rollback to a savepoint: the retry is the first.
BEGIN;
SAVEPOINT before;
INSERT INTO conversation_logs (:columns) VALUES ('s5', 'rolled back', :answer, 'k8');
ROLLBACK TO before;
INSERT INTO conversation_logs (:columns) VALUES ('s5', 'rolled back', :answer, 'k8');
INSERT INTO conversation_logs (:columns) VALUES ('s5', 'rolled back', :answer, 'k8');
COMMIT;
BEGIN;
INSERT INTO conversation_logs (:columns) VALUES ('s5', 'all of it', :answer, 'k9');
ROLLBACK;
INSERT INTO conversation_logs (:columns) VALUES ('s5', 'all of it', :answer, 'k9');
-- A statement that fails after a retry, and one that captures within another.
INSERT INTO conversation_logs (:columns) VALUES ('s5', 'all of it', :answer, 'k9'), ('s5', NULL, :answer, 'k10');
INSERT INTO conversation_logs (:columns) VALUES ('s5', 'after', :answer, 'k10') RETURNING id = lastval() AS last;
CREATE FUNCTION pg_temp.captures() RETURNS text LANGUAGE plpgsql AS
$$
BEGIN
    INSERT INTO conversation_capture (session_id, user_message, idempotency_key) VALUES ('s6', 'inner', 'k11');
    RETURN 'outer';
END
$$;
INSERT INTO conversation_capture (session_id, user_message, idempotency_key)
    VALUES ('s6', pg_temp.captures(), 'k12'), ('s6', pg_temp.captures(), 'k12'), ('s6', pg_temp.captures(), 'k13');
-- The time of the message says which day it is: the same and the next day are one, in the time zone of the settings.
INSERT INTO conversation_logs (session_id, user_message, created_at, idempotency_key)
    VALUES ('s7', 'late', '2026-03-01 18:29+00', 'k14') RETURNING id AS late \gset
INSERT INTO conversation_logs (session_id, user_message, created_at, idempotency_key)
    VALUES ('s7', 'late', '2026-03-01 18:31+00', 'k14') RETURNING id = :late AS after_midnight;
INSERT INTO conversation_logs (session_id, user_message, created_at, idempotency_key)
    VALUES ('s7', 'late', '2026-03-02 18:31+00', 'k14') RETURNING id = :late AS two_days_later;
INSERT INTO conversation_logs (session_id, user_message, created_at, idempotency_key)
    VALUES ('s7', 'always', 'infinity', 'k15'), ('s7', 'always', 'infinity', 'k15'),
           ('s7', 'always', '-infinity', 'k15');
-- Another message, or the same in another session, is no retry: nothing is lost.
INSERT INTO conversation_capture (:columns) VALUES ('s8', 'first', :answer, 'k16');
INSERT INTO conversation_capture (:columns) VALUES ('s8', 'second', :answer, 'k16') RETURNING user_message;
INSERT INTO conversation_capture (:columns) VALUES ('s8', 'second', :answer, 'k16') RETURNING user_message;
INSERT INTO conversation_capture (:columns) VALUES ('s9', 'first', :answer, 'k16') RETURNING user_message;
-- Of a key with more than 255 bytes the hash is stored.
INSERT INTO conversation_logs (:columns) SELECT 's10', 'long', :answer, repeat('x', 255) FROM generate_series(1, 2);
INSERT INTO conversation_logs (:columns) SELECT 's10', 'longer', :answer, repeat('x', 256) FROM generate_series(1, 2);
INSERT INTO conversation_capture (:columns) VALUES ('s10', 'longest', :answer, repeat('xy', 100000))
    RETURNING idempotency_key;
INSERT INTO conversation_capture (:columns) VALUES ('s10', 'longest', :answer, repeat('xy', 100000) || 'z')
    RETURNING left(idempotency_key, 10) AS key;
-- Nobody sees what others wrote: only the id and the time are the first's.
INSERT INTO conversation_capture (session_id, phone_number, user_message, response_text, idempotency_key)
    VALUES ('s11', '98765', 'secret', 'reply', 'k17');
INSERT INTO conversation_capture (session_id, user_message, idempotency_key) VALUES ('s11', 'secret', 'k17')
    RETURNING phone_number, response_text;
SELECT idempotency_key FROM conversation_logs;
RESET ROLE;
INSERT INTO conversation_logs (session_id, user_message, idempotency_key) VALUES ('s11', 'secret', 'k17')
    RETURNING phone_number, review_status;

-- One conversation and one sample each.
SELECT session_id, left(user_message, 20) AS user_message, count(*), count(DISTINCT idempotency_key) AS keys,
       count(s.id) AS samples
FROM conversation_logs c LEFT JOIN training_samples s ON s.conversation_log_id = c.id
GROUP BY 1, 2 ORDER BY 1, 2;
-- Restored and replicated rows, and rows with a verdict, are stored as they come.
INSERT INTO conversation_logs (session_id, user_message, created_on, idempotency_key)
    VALUES ('s12', 'restored', '2026-01-01', 'k18'), ('s12', 'restored', '2026-01-01', 'k18');
INSERT INTO conversation_logs (session_id, user_message, review_status, idempotency_key)
    VALUES ('s12', 'imported', 'rejected', 'k19'), ('s12', 'imported', 'rejected', 'k19');
SET session_replication_role = replica;
INSERT INTO conversation_logs (session_id, user_message, idempotency_key)
    VALUES ('s12', 'replicated', 'k20'), ('s12', 'replicated', 'k20');
RESET session_replication_role;
INSERT INTO conversation_logs (session_id, user_message, idempotency_key) VALUES ('s12', 'imported', 'k19');
SELECT user_message, count(*) FROM conversation_logs WHERE session_id = 's12' GROUP BY 1 ORDER BY 1;
-- An import brings the keys along: what was captured before the move and is sent again after it is no new message.
CREATE TABLE moved (id int PRIMARY KEY, session_id text, user_message text, created_at timestamptz,
    idempotency_key uuid);
INSERT INTO moved VALUES (1, 's15', 'before the move', now(), '00000000-0000-0000-0000-000000000001');
SELECT imported, into_metadata FROM import_conversations('moved');
INSERT INTO conversation_logs (session_id, user_message, idempotency_key)
    VALUES ('s15', 'before the move', '00000000-0000-0000-0000-000000000001');
SELECT count(*) FROM conversation_logs WHERE session_id = 's15';
DROP TABLE moved;
-- A deleted conversation is forgotten, with its key.
DELETE FROM conversation_logs WHERE session_id = 's11';
INSERT INTO conversation_logs (session_id, user_message, idempotency_key) VALUES ('s11', 'secret', 'k17');
SELECT count(*) FROM conversation_logs WHERE session_id = 's11';
-- The key stays.
UPDATE conversation_logs SET idempotency_key = 'other' WHERE session_id = 's11';
-- Triggers of others: one for each row gets no row that is not stored.
CREATE FUNCTION pg_temp.told() RETURNS trigger LANGUAGE plpgsql AS
    $$BEGIN RAISE NOTICE 'stored: %', NEW.user_message; RETURN NULL; END$$;
CREATE TRIGGER told AFTER INSERT ON conversation_logs FOR EACH ROW EXECUTE FUNCTION pg_temp.told();
INSERT INTO conversation_logs (session_id, user_message, idempotency_key) VALUES
    ('s13', 'a', 'k21'), ('s13', 'a', 'k21'), ('s13', 'b', 'k22') RETURNING user_message;
DROP TRIGGER told ON conversation_logs;
-- Without its index a key is not compared, and no message is lost.
DROP INDEX conversation_logs_idempotency_key_idx;
INSERT INTO conversation_logs (session_id, user_message, idempotency_key) SELECT 's14', 'a', 'k23'
    FROM generate_series(1, 2);
SELECT count(*) FROM conversation_logs WHERE session_id = 's14';
DROP OWNED BY regress_tw_app;
DROP ROLE regress_tw_app;
