-- nlu_processing_time_ms: whatever an application measured is stored, and figures count what can be a time.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET training_workflow.allow_drop = on;
DROP EXTENSION IF EXISTS training_workflow CASCADE;
RESET training_workflow.allow_drop;
RESET client_min_messages;
CREATE EXTENSION training_workflow;
INSERT INTO review_policies (audit_rate_approved, audit_rate_review) VALUES (0, 0);
INSERT INTO model_versions (version, model_type, status, traffic_percentage)
VALUES ('router-v1.0.0', 'router', 'production', 100);
SELECT CURRENT_DATE - 2 AS day \gset
-- As a client sends it: without a type, as numeric, as a real, as an integer.
PREPARE capture AS INSERT INTO conversation_logs (session_id, user_message, nlu_processing_time_ms, nlu_model_version,
                                                  created_at)
    VALUES ('s', 'hi', $1, 'router-v1.0.0', :'day') RETURNING nlu_processing_time_ms;
EXECUTE capture('12.7');
EXECUTE capture(13.3::numeric);
EXECUTE capture(11.5::real);
EXECUTE capture(10);
EXECUTE capture(NULL);
EXECUTE capture(0);
-- None of these loses the message, and none of them is counted.
EXECUTE capture(-1);
EXECUTE capture('NaN');
EXECUTE capture('Infinity');
EXECUTE capture('-Infinity');
EXECUTE capture(1e300);
EXECUTE capture(2147483648);
DEALLOCATE capture;
SELECT count(*), count(filter_outcome) AS filtered FROM conversation_logs;
SELECT conversations, round(avg_latency_ms::numeric, 6) AS avg, p50_latency_ms, round(p95_latency_ms::numeric, 6) AS p95
FROM daily_training_stats;
-- The same of a closed day, and of a version.
CALL daily_training_capture();
SELECT conversations, round(avg_latency_ms::numeric, 6) AS avg, p50_latency_ms, round(p95_latency_ms::numeric, 6) AS p95
FROM daily_statistics;
SELECT tw_measure_production(now());
SELECT version, p50_latency_ms, round(p95_latency_ms::numeric, 6) AS p95 FROM model_versions;
SELECT explain_conversation(id) -> 'conversation' -> 'nlu_processing_time_ms' AS explained
FROM conversation_logs WHERE nlu_processing_time_ms <> 1e300 ORDER BY id;
DELETE FROM model_versions;

-- Of a day with nothing that counts there is no figure.
DELETE FROM conversation_logs WHERE nlu_processing_time_ms BETWEEN 0 AND 100;
SELECT recount_days();
SELECT conversations, avg_latency_ms, p50_latency_ms, p95_latency_ms FROM daily_training_stats;

-- From a table of the application's, by the column's name and by the one that it often has.
CREATE TABLE old_numeric (id integer PRIMARY KEY, session_id text, user_message text, processing_time_ms numeric);
INSERT INTO old_numeric VALUES (1000, 'numeric', 'a', 12.7), (1001, 'numeric', 'b', NULL),
                               (1002, 'numeric', 'c', 'NaN');
CREATE TABLE old_real (id integer PRIMARY KEY, "sessionId" text, "userMessage" text, "processingTimeMs" real);
INSERT INTO old_real VALUES (1, 'real', 'a', 12.7), (2, 'real', 'b', '-Infinity');
CREATE TABLE old_integer (id integer PRIMARY KEY, session_id text, user_message text, nlu_processing_time_ms integer,
                          processing_time_ms integer);
INSERT INTO old_integer VALUES (1, 'integer', 'a', 13, 14);
CREATE TABLE old_text (id integer PRIMARY KEY, session_id text, user_message text, processing_time_ms text);
INSERT INTO old_text VALUES (1, 'text', 'a', '12.7'), (2, 'text', 'b', ' 13 '), (3, 'text', 'c', NULL);
CREATE TABLE old_bigint (id integer PRIMARY KEY, session_id text, user_message text, processing_time_ms bigint);
INSERT INTO old_bigint VALUES (1, 'bigint', 'a', 10000000000);
SELECT s.relation, i.imported, i.into_metadata
FROM unnest('{old_numeric,old_real,old_integer,old_text,old_bigint}'::text[]) WITH ORDINALITY s (relation, n),
     LATERAL import_conversations(s.relation::regclass) i ORDER BY s.n;
SELECT session_id, user_message, nlu_processing_time_ms, metadata FROM conversation_logs
WHERE session_id <> 's' ORDER BY session_id, user_message;
-- A text that is no number names its row; left out by name, it goes where it went.
UPDATE old_text SET id = id + 10, processing_time_ms = '12.7 ms';
SELECT import_conversations('old_text');
SELECT imported, into_metadata FROM import_conversations('old_text', '{"nlu_processing_time_ms": null}');
-- Two spellings of the other name, and the one that is meant.
ALTER TABLE old_real ADD COLUMN processing_time_ms integer;
UPDATE old_real SET id = id + 10, processing_time_ms = 99;
SELECT import_conversations('old_real');
SELECT imported, into_metadata
FROM import_conversations('old_real', '{"nlu_processing_time_ms": "processing_time_ms"}');
SELECT nlu_processing_time_ms, metadata FROM conversation_logs WHERE session_id = 'real' ORDER BY id DESC LIMIT 2;
DROP TABLE old_numeric, old_real, old_integer, old_text, old_bigint;
SELECT * FROM check_integrity();
