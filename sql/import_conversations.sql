-- import_conversations(): what an application logged before moves in;
-- bad tables, columns and rows are refused and named.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET training_workflow.allow_drop = on;
DROP EXTENSION IF EXISTS training_workflow CASCADE;
RESET training_workflow.allow_drop;
RESET client_min_messages;
CREATE SCHEMA training;
CREATE EXTENSION training_workflow SCHEMA training;
SET timezone = 'America/New_York';

-- As an ORM makes it: camel case, an enum, times without a zone, columns of its own.
CREATE TYPE public."ReviewStatus" AS ENUM ('PENDING', 'NEEDS_REVIEW', 'APPROVED', 'REJECTED', 'AUTO_APPROVED');
CREATE TABLE public.conversation_logs (
    id serial PRIMARY KEY,
    "sessionId" text NOT NULL,
    "phoneNumber" varchar(20),
    "userMessage" text,
    "messageType" text,
    "nluIntent" text,
    "nluConfidence" real,
    "nluModuleId" text,
    "nluProvider" text,
    "nluEntities" json,
    "nluProcessingTimeMs" numeric,
    "responseSuccess" smallint,
    "isTrainingCandidate" boolean,
    "reviewStatus" public."ReviewStatus",
    "reviewPriority" text,
    metadata jsonb,
    "tenantId" uuid,
    "raw""Answer" json,
    "createdAt" timestamp(3) NOT NULL DEFAULT '2026-01-15 20:00'
);
INSERT INTO public.conversation_logs ("sessionId", "userMessage", "nluIntent", "nluConfidence", "nluProvider",
                                      "reviewStatus", "reviewPriority") VALUES
    ('a', 'veg pizza', 'intent.food.item.search', 0.95, 'indicbert', NULL, NULL),
    ('a', 'cancel kar do', 'intent.food.order.cancel', 0.5, 'indicbert', 'NEEDS_REVIEW', NULL),
    ('b', 'track', 'intent.parcel.track', 0.85, 'indicbert', 'NEEDS_REVIEW', 'LOW'),
    ('b', 'sure of it', 'intent.parcel.track', 0.95, 'indicbert', 'NEEDS_REVIEW', 'urgent'),
    ('c', 'yes', 'intent.general.yes', 0.99, 'indicbert', 'APPROVED', 'HIGH'),
    ('c', 'no', 'intent.general.no', 0.99, 'indicbert', 'REJECTED', NULL),
    ('c', 'hello', 'intent.general.greeting', 0.99, 'indicbert', 'AUTO_APPROVED', NULL),
    ('d', 'what the filter has yet to see', NULL, NULL, NULL, 'PENDING', NULL),
    ('d', '', NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.conversation_logs ("sessionId", "phoneNumber", "userMessage", "messageType", "nluConfidence",
                                      "nluModuleId", "nluEntities",
        "nluProcessingTimeMs", "responseSuccess", "isTrainingCandidate", metadata, "tenantId", "raw""Answer",
        "createdAt") VALUES
    ('e', '98765 43210', E'say "hi"\\\n', 'TEXT', 'NaN', '4', '[{"start": 0}]', 12.6, 1, true,
     '{"tenantId": 7, "x": [1]}', '00000000-0000-0000-0000-000000000001', '{"a": [1, null]}',
     '2026-07-31 23:59:59.999'),
    ('e', NULL, 'when?', NULL, '-Infinity', NULL, NULL, NULL, 0, NULL, '[1, 2]', NULL, NULL, 'infinity');

SELECT * FROM training.import_conversations('public.conversation_logs');
SELECT id, session_id, left(user_message, 14) AS message, review_status, is_training_candidate AS candidate,
                            review_priority AS p, review_reason,
       created_at AT TIME ZONE 'UTC' AS created_at, created_on, metadata
FROM training.conversation_logs ORDER BY id;
SELECT phone_number, message_type, nlu_confidence, nlu_module_id, nlu_entities, nlu_processing_time_ms, response_success
FROM training.conversation_logs WHERE session_id = 'e';
-- What a real holds as 0.85 is the 0.85 that was meant.
SELECT nlu_confidence = 0.85 AS exactly FROM training.conversation_logs WHERE user_message = 'track';
-- No marks of the filter, no samples, nothing to estimate from, nothing for the sweep, and nothing wrong.
SELECT count(*) FROM training.conversation_logs
WHERE num_nonnulls(filter_outcome, filter_policy_id, is_audit, selection_probability, filtered_at) > 0;
SELECT count(*) FROM training.training_samples;
SELECT * FROM training.promote_missed_conversations('0');
SELECT labels, accuracy FROM training.live_accuracy('2020-01-01', '2030-01-01');
SELECT * FROM training.check_integrity();
SELECT text, review_priority, review_reason FROM training.training_queue;

-- Again: nothing. After new rows: those alone. A new message of ours has a number of its own.
SELECT * FROM training.import_conversations('public.conversation_logs');
INSERT INTO training.conversation_logs (session_id, user_message) VALUES ('new', 'captured') RETURNING id;
INSERT INTO public.conversation_logs ("sessionId", "userMessage") VALUES ('f', 'late'), ('f', 'later');
SELECT imported, skipped, ids_kept, first_id, last_id
FROM training.import_conversations('public.conversation_logs', review_status => 'needs-review');
SELECT source_key, conversation_log_id, source FROM training.imported_conversations
WHERE conversation_log_id > 11 ORDER BY 2;
SELECT id, user_message, review_status, review_priority, review_reason FROM training.conversation_logs
WHERE session_id = 'f';

-- Under another name, or through a view, it is the same message; so is one that was copied by hand, and our own.
ALTER TABLE public.conversation_logs RENAME TO old_logs;
CREATE VIEW public.odd AS SELECT * FROM public.old_logs WHERE id % 2 = 1;
SELECT imported, skipped FROM training.import_conversations('public.odd');
SELECT imported, skipped FROM training.import_conversations('public.old_logs');
CREATE VIEW public.ours AS SELECT * FROM training.conversation_logs;
SELECT imported, skipped FROM training.import_conversations('public.ours');
-- What was deleted, or changed over there, does not come again.
DELETE FROM training.conversation_logs WHERE user_message = 'late';
SELECT imported, skipped FROM training.import_conversations('public.old_logs');
CREATE TABLE public.conversation_logs AS SELECT id, "sessionId", "userMessage" || '!' AS "userMessage"
    FROM public.old_logs;
SELECT imported, skipped, differing FROM training.import_conversations('public.conversation_logs');
DROP TABLE public.conversation_logs;

-- Other ids and other names. New ids come in the order of time, and nothing is known by its id alone.
CREATE TABLE public.chats ("chatId" text, "Session_ID" integer, body text, said timestamptz, id text, extra integer[]);
INSERT INTO public.chats VALUES ('2f', 7, 'second', '2026-02-02', 'x', '{1,2}'),
                                ('cl9', 7, 'first', '2026-02-01', 'x', NULL),
                                ('1', 8, 'third', '2026-02-03', NULL, '{}');
SELECT imported, skipped, ids_kept, last_id - first_id AS span, into_metadata
FROM training.import_conversations('public.chats',
    '{"id": "chatId", "user_message": "body", "created_at": "said"}', 'needs-review');
SELECT c.session_id, c.user_message, c.metadata, c.review_priority, i.source_key, c.created_at
FROM training.conversation_logs c
JOIN training.imported_conversations i ON i.conversation_log_id = c.id AND i.source = 'public.chats' ORDER BY c.id;
CREATE TABLE public.numbers (id bigint PRIMARY KEY, session_id text, user_message text);
INSERT INTO public.numbers VALUES (-1, 'n', 'negative'), (0, 'n', 'zero'), (1, 'n', 'taken'), (2000000, 'n', 'far'),
                                  (9007199254740991, 'n', 'last'), (9007199254740992, 'n', 'too far');
BEGIN;
SELECT imported, ids_kept, last_id FROM training.import_conversations('public.numbers', keep_ids => false);
ROLLBACK;
SELECT imported, ids_kept FROM training.import_conversations('public.numbers');
SELECT id IN (2000000, 9007199254740991) AS kept, user_message FROM training.conversation_logs WHERE session_id = 'n'
ORDER BY user_message;
SELECT setval('training.conversation_logs_id_seq', 3000000);
DELETE FROM training.conversation_logs WHERE session_id = 'n' AND id > 3000000;

-- Every kind of row set, and many columns; more rows than one portion holds.
CREATE TABLE public.parts (id integer, "sessionId" text, "userMessage" text) PARTITION BY RANGE (id);
CREATE TABLE public.part1 PARTITION OF public.parts DEFAULT;
INSERT INTO public.parts SELECT g, 'p', 'part ' || g FROM generate_series(1, 2500) g;
SELECT imported, skipped FROM training.import_conversations('public.parts', time_zone => 'asia/kolkata');
CREATE MATERIALIZED VIEW public.stored AS SELECT id + 5000000 AS id, "sessionId", "userMessage" FROM public.parts
    WHERE id <= 5;
SELECT imported, ids_kept FROM training.import_conversations('public.stored');
DO $$
BEGIN
    EXECUTE format('CREATE TABLE public.wide (id integer PRIMARY KEY, session_id text, user_message text, %s)',
                   (SELECT string_agg(format('c%s integer DEFAULT %s', g, g), ', ') FROM generate_series(1, 300) g));
END
$$;
INSERT INTO public.wide VALUES (1, 'w', 'wide');
SELECT imported, cardinality(into_metadata) FROM training.import_conversations('public.wide');
SELECT count(*), sum(value::integer) FROM training.conversation_logs, jsonb_each_text(metadata) WHERE session_id = 'w';
-- Names and values are data.
CREATE TABLE public."odd; name" (
    "id'; --" integer PRIMARY KEY, session_id text, user_message text, "a"", 'b' %I $1" text);
INSERT INTO public."odd; name" VALUES (1, $$'); DROP TABLE x; --$$, '%s $1', '{}');
SELECT imported, into_metadata FROM training.import_conversations('public."odd; name"', '{"id": "id''; --"}');
SELECT session_id, user_message, metadata FROM training.conversation_logs ORDER BY id DESC LIMIT 1;
CREATE TEMP TABLE passing (id integer, session_id text, user_message text);
INSERT INTO passing VALUES (1, 't', 'temporary');
SELECT imported FROM training.import_conversations('passing');
SELECT source FROM training.imported_conversations
WHERE conversation_log_id = (SELECT max(id) FROM training.conversation_logs);

-- A column may have any name, the ones of our own query as well.
CREATE TABLE public.exes (id text PRIMARY KEY, session_id text, user_message text, x jsonb, s integer, vals text);
INSERT INTO public.exes VALUES ('x1', 'x', 'an object', '{"y": 1}', 2, 'three'), ('x2', 'x', 'a list', '[1]', 4, NULL),
                               ('x3', 'x', 'nothing', NULL, 5, '');
SELECT imported, into_metadata FROM training.import_conversations('public.exes');
CREATE TABLE public.numbered_exes (id text PRIMARY KEY, session_id text, user_message text, x integer, s integer);
INSERT INTO public.numbered_exes VALUES ('x4', 'x', 'a number', 6, 7), ('x5', 'x', 'none', NULL, 8);
SELECT imported, into_metadata FROM training.import_conversations('public.numbered_exes');
SELECT user_message, metadata FROM training.conversation_logs WHERE session_id = 'x' ORDER BY id;

-- An id is the same id however the session that imports writes it.
CREATE TABLE public.bytes (id bytea PRIMARY KEY, session_id text, user_message text);
CREATE TABLE public.times (id timestamptz PRIMARY KEY, session_id text, user_message text);
CREATE TABLE public.spans (id interval PRIMARY KEY, session_id text, user_message text);
INSERT INTO public.bytes VALUES ('\x00ff', 'written', 'bytes');
INSERT INTO public.times VALUES ('2026-01-01 00:00+00', 'written', 'a time');
INSERT INTO public.spans VALUES ('1 day 02:00', 'written', 'a span');
SELECT r.relname, i.imported, i.skipped FROM pg_class r, training.import_conversations(r.oid) i
WHERE r.relname IN ('bytes', 'times', 'spans') ORDER BY 1;
BEGIN;
SET LOCAL bytea_output = 'escape';
SET LOCAL timezone = 'Asia/Kolkata';
SET LOCAL intervalstyle = 'iso_8601';
SELECT r.relname, i.imported, i.skipped FROM pg_class r, training.import_conversations(r.oid) i
WHERE r.relname IN ('bytes', 'times', 'spans') ORDER BY 1;
COMMIT;
SELECT user_message FROM training.conversation_logs WHERE session_id = 'written' ORDER BY 1;

-- Refused, and nothing is left of it.
SELECT count(*) AS before FROM training.conversation_logs \gset
SELECT training.import_conversations(NULL);
SELECT training.import_conversations(0);
SELECT training.import_conversations('public.nowhere');
SELECT training.import_conversations('public.conversation_logs_id_seq');
SELECT training.import_conversations('public.old_logs_pkey');
SELECT training.import_conversations('training.conversation_logs');
SELECT training.import_conversations('training.training_queue');
SELECT training.import_conversations('public.chats');
SELECT training.import_conversations('public.chats', '[]');
SELECT training.import_conversations('public.chats', NULL);
SELECT training.import_conversations('public.chats', '{"sessionId": "chatId"}');
SELECT training.import_conversations('public.chats', '{"is_audit": "chatId"}');
SELECT training.import_conversations('public.chats', '{"session_id": "chatid"}');
SELECT training.import_conversations('public.chats', '{"session_id": 1}');
SELECT training.import_conversations('public.chats', '{"user_message": "body", "id": null}');
SELECT training.import_conversations('public.chats', '{"user_message": "body"}');
SELECT training.import_conversations('public.chats', '{"user_message": "body", "id": "Session_ID"}');
SELECT training.import_conversations('public.old_logs', review_status => 'approved');
SELECT training.import_conversations('public.old_logs', review_status => NULL);
SELECT training.import_conversations('public.old_logs', time_zone => 'Mars');
SELECT training.import_conversations('public.old_logs', time_zone => NULL);
SELECT training.import_conversations('public.old_logs', keep_ids => NULL);
SELECT training.import_conversations('public.old_logs', '{"created_at": null, "createdAt": "x"}');
CREATE TABLE public.twice (id integer PRIMARY KEY, session_id text, "sessionId" text, user_message text);
SELECT training.import_conversations('public.twice');
SELECT imported FROM training.import_conversations('public.twice', '{"session_id": "sessionId"}');
SET default_transaction_isolation = 'repeatable read';
SELECT training.import_conversations('public.old_logs');
RESET default_transaction_isolation;

-- One bad row among many: which row, which column.
CREATE TABLE public.bad (id integer PRIMARY KEY, session_id text, user_message text, nlu_confidence text,
                         nlu_module_id text, nlu_processing_time_ms text,
    nlu_entities text, response_success text, created_at text, metadata text, answer json);
INSERT INTO public.bad (id, session_id, user_message) SELECT g, 'bad', 'fine' FROM generate_series(1, 1500) g;
\set row 'public.bad SET'
BEGIN; UPDATE :row session_id = NULL WHERE id = 1400; SELECT training.import_conversations('public.bad'); ROLLBACK;
\echo :LAST_ERROR_SQLSTATE
BEGIN; UPDATE :row user_message = NULL WHERE id = 1400; SELECT training.import_conversations('public.bad'); ROLLBACK;
BEGIN; UPDATE :row nlu_confidence = '0,93' WHERE id = 1400;
SELECT training.import_conversations('public.bad'); ROLLBACK;
BEGIN; UPDATE :row nlu_module_id = '4.5' WHERE id = 1400; SELECT training.import_conversations('public.bad'); ROLLBACK;
BEGIN; UPDATE :row nlu_processing_time_ms = '1e400' WHERE id = 1400;
SELECT training.import_conversations('public.bad'); ROLLBACK;
BEGIN; UPDATE :row nlu_processing_time_ms = '12.7 ms' WHERE id = 1400;
SELECT training.import_conversations('public.bad'); ROLLBACK;
BEGIN; UPDATE :row nlu_entities = '{' WHERE id = 1400; SELECT training.import_conversations('public.bad'); ROLLBACK;
BEGIN; UPDATE :row response_success = 'maybe' WHERE id = 1400;
SELECT training.import_conversations('public.bad'); ROLLBACK;
BEGIN; UPDATE :row created_at = '31/12/2025' WHERE id = 1400;
SELECT training.import_conversations('public.bad'); ROLLBACK;
BEGIN; UPDATE :row metadata = 'none' WHERE id = 1400; SELECT training.import_conversations('public.bad'); ROLLBACK;
BEGIN; UPDATE :row answer = '"\u0000"' WHERE id = 1400; SELECT training.import_conversations('public.bad'); ROLLBACK;
-- The key of a table says nothing of the tables that inherit from it.
CREATE TABLE public.parent (id integer PRIMARY KEY, session_id text, user_message text);
CREATE TABLE public.child (PRIMARY KEY (id)) INHERITS (public.parent);
INSERT INTO public.parent VALUES (1, 'i', 'parent'), (2, 'i', 'parent');
INSERT INTO public.child VALUES (2, 'i', 'child'), (3, 'i', 'child');
SELECT training.import_conversations('public.parent');
CREATE VIEW public.nobody AS SELECT nullif(id, 3) AS id, session_id, user_message FROM public.bad;
SELECT training.import_conversations('public.nobody');
CREATE VIEW public.long AS SELECT repeat('x', 1001) || id AS id, session_id, user_message FROM public.bad WHERE id = 1;
\set VERBOSITY sqlstate
SELECT training.import_conversations('public.long');
\set VERBOSITY default
SELECT count(*) = :before AS unchanged FROM training.conversation_logs;

-- Who may: operators, who read the table with their own rights.
CREATE ROLE regress_import_operator;
CREATE ROLE regress_import_reader;
SELECT training.grant_training_role('regress_import_operator', 'operator');
GRANT USAGE ON SCHEMA training TO regress_import_reader;
GRANT SELECT ON public.numbers TO regress_import_reader;
SET ROLE regress_import_reader;
SELECT training.import_conversations('public.numbers');
SELECT training.tw_import_portion('x', '{}', '{}', '{}', '{}', 'needs-review', 'UTC', NULL);
SET ROLE regress_import_operator;
SELECT training.import_conversations('public.numbers');
RESET ROLE;
GRANT SELECT ON public.bad TO regress_import_operator;
-- A policy that hides rows makes no half import, and code of the table's runs as who calls.
ALTER TABLE public.bad ENABLE ROW LEVEL SECURITY;
CREATE POLICY few ON public.bad USING (id < 10);
SET ROLE regress_import_operator;
SELECT training.import_conversations('public.bad');
RESET ROLE;
ALTER TABLE public.bad DISABLE ROW LEVEL SECURITY;
CREATE FUNCTION public.whoever() RETURNS text LANGUAGE sql VOLATILE RETURN current_user;
CREATE VIEW public.asks AS SELECT 1 AS id, 'asks' AS session_id, public.whoever() AS user_message;
GRANT SELECT ON public.asks TO regress_import_operator;
SET ROLE regress_import_operator;
SELECT imported FROM training.import_conversations('public.asks');
SELECT imported FROM training.import_conversations('public.bad');
SELECT user_message FROM training.conversation_logs WHERE session_id = 'asks';
SELECT count(*) FROM training.imported_conversations WHERE source = 'public.bad';
-- A verdict makes a sample of an imported conversation, and counts in no estimate.
SELECT training.approve_conversation(id) FROM training.conversation_logs WHERE user_message = 'cancel kar do';
RESET ROLE;
SELECT text, intent, label_source, selection_probability FROM training.training_samples;
SELECT labels, accuracy FROM training.live_accuracy('2020-01-01', '2030-01-01');
SELECT * FROM training.check_integrity();

-- The number of a conversation that was deleted is not given to another one while a sample, a verdict or a task still
-- names it. The audit would draw some of them.
INSERT INTO training.review_policies (audit_rate_approved, audit_rate_review) VALUES (0, 0);
INSERT INTO training.conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider) VALUES
    ('gone', 'left a sample', 'intent.food.item.search', 0.95, 'indicbert'),
    ('gone', 'left a verdict', 'intent.food.item.search', 0.5, 'indicbert'),
    ('gone', 'left a task', 'intent.food.item.search', 0.5, 'indicbert'), ('gone', 'left nothing', NULL, NULL, NULL);
CREATE TABLE public.come_after AS SELECT id, 'after'::text AS session_id, 'after what ' || user_message AS user_message
    FROM training.conversation_logs WHERE session_id = 'gone';
SELECT training.reject_conversation(id, 'unclear') FROM public.come_after WHERE user_message LIKE '%a verdict';
INSERT INTO training.labelstudio_tasks (project, conversation_log_id, batch_id, status)
SELECT 1, id, '00000000-0000-0000-0000-000000000000', 'closed' FROM public.come_after WHERE user_message LIKE '%a task';
DELETE FROM training.conversation_logs WHERE session_id = 'gone';
SELECT a.user_message, EXISTS (SELECT FROM training.training_samples s
                               WHERE s.conversation_log_id = a.id) AS has_sample,
       EXISTS (SELECT FROM training.review_events e WHERE e.conversation_log_id = a.id) AS has_verdict,
       EXISTS (SELECT FROM training.labelstudio_tasks t WHERE t.conversation_log_id = a.id) AS has_task
       FROM public.come_after a ORDER BY a.id;
SELECT imported, ids_kept FROM training.import_conversations('public.come_after');
SELECT c.user_message, c.id = a.id AS kept FROM training.conversation_logs c
JOIN public.come_after a ON a.user_message = c.user_message ORDER BY a.id;

-- A key of a type that has no order is sorted as text.
CREATE TABLE public.places (id point, session_id text, user_message text);
INSERT INTO public.places VALUES ('(2,1)', 'places', 'third'),
    ('(1,2)', 'places', 'second'), ('(1,1)', 'places', 'first');
SELECT imported, ids_kept FROM training.import_conversations('public.places');
SELECT user_message FROM training.conversation_logs WHERE session_id = 'places' ORDER BY id;
SELECT imported, skipped, differing FROM training.import_conversations('public.places');

SELECT training.revoke_training_role('regress_import_operator', 'operator');
REVOKE ALL ON SCHEMA training FROM regress_import_operator, regress_import_reader;
DROP VIEW public.odd, public.ours, public.nobody, public.long, public.asks;
DROP MATERIALIZED VIEW public.stored;
DROP TABLE public.old_logs, public.chats, public.numbers, public.parts, public.wide, public."odd; name",
public.twice, public.bad;
DROP TABLE public.exes, public.numbered_exes, public.bytes, public.times, public.spans, public.come_after,
public.parent, public.child, public.places;
DROP FUNCTION public.whoever();
DROP TYPE public."ReviewStatus";
DROP ROLE regress_import_operator, regress_import_reader;
SET training_workflow.allow_drop = on;
DROP EXTENSION training_workflow;
DROP SCHEMA training;
CREATE EXTENSION training_workflow;
