-- close_old_table(): programs that still write to the old table fail, whoever they are, and say where to write.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET training_workflow.allow_drop = on;
DROP EXTENSION IF EXISTS training_workflow CASCADE;
RESET training_workflow.allow_drop;
RESET client_min_messages;
CREATE SCHEMA training;
CREATE EXTENSION training_workflow SCHEMA training;
CREATE ROLE regress_tw_app;
CREATE ROLE regress_tw_operator;
SELECT training.grant_training_role('regress_tw_operator', 'operator');
CREATE TABLE public.users (id integer PRIMARY KEY);
INSERT INTO public.users VALUES (1), (2), (3);
CREATE TABLE public.old_logs (id serial PRIMARY KEY, "sessionId" text, body text,
                              user_id integer REFERENCES public.users ON DELETE SET NULL ON UPDATE CASCADE);
INSERT INTO public.old_logs ("sessionId", body, user_id)
VALUES ('a', 'veg pizza', 1), ('a', 'cancel kar do', 2), ('b', 'track', 3);
GRANT SELECT, INSERT, UPDATE ON public.old_logs TO regress_tw_app;
GRANT USAGE ON SEQUENCE public.old_logs_id_seq TO regress_tw_app;

-- What cannot be closed, and why.
SELECT training.close_old_table(NULL);
SELECT training.close_old_table(4294967295::oid::regclass);
SELECT training.close_old_table('training.conversation_logs');
SELECT training.close_old_table('training.training_queue');
SELECT training.close_old_table('public.old_logs_id_seq');
CREATE VIEW public.all_logs AS SELECT * FROM public.old_logs;
SELECT training.close_old_table('public.all_logs');
GRANT UPDATE, SELECT ON public.all_logs TO regress_tw_app;
CREATE TEMP TABLE scratch (id integer);
SELECT training.close_old_table('scratch');
CREATE FOREIGN DATA WRAPPER regress_tw_fdw;
CREATE SERVER regress_tw_server FOREIGN DATA WRAPPER regress_tw_fdw;
CREATE FOREIGN TABLE public.elsewhere (id integer) SERVER regress_tw_server;
SELECT training.close_old_table('public.elsewhere');
SELECT training.close_old_table('public.old_logs');
SELECT training.close_old_table('public.old_logs', 'public.all_logs');

-- Rows that are not imported: all or nothing.
SELECT imported FROM training.import_conversations('public.old_logs', '{"user_message": "body"}',
                                                   time_zone => 'Asia/Kolkata');
INSERT INTO public.old_logs ("sessionId", body) VALUES ('c', 'late');
SELECT training.close_old_table('public.old_logs');
INSERT INTO public.old_logs ("sessionId", body) VALUES ('c', 'later');
SELECT training.close_old_table('public.old_logs');
SELECT count(*) FROM training.conversation_logs;
-- As the hint says, with what comes in up to the lock.
BEGIN;
LOCK TABLE public.old_logs IN SHARE ROW EXCLUSIVE MODE;
SELECT imported FROM training.import_conversations('public.old_logs', '{"user_message": "body"}',
                                                   time_zone => 'Asia/Kolkata');
SELECT training.close_old_table('public.old_logs');
COMMIT;
SELECT training.close_old_table('public.old_logs');
SELECT source, columns, time_zone, id_column, last_number FROM training.imported_tables;

-- Every writer, every command; an UPDATE or INSERT ... SELECT of no row as well.
INSERT INTO public.old_logs ("sessionId", body) VALUES ('d', 'stale');
SET ROLE regress_tw_app;
\set VERBOSITY sqlstate
INSERT INTO public.old_logs ("sessionId", body) VALUES ('d', 'stale') RETURNING id;
INSERT INTO public.old_logs ("sessionId", body) SELECT 'd', 'stale' WHERE false;
UPDATE public.old_logs SET body = 'changed' WHERE id = 1;
UPDATE public.all_logs SET body = 'changed' WHERE id = 1;
INSERT INTO public.old_logs (id, "sessionId") VALUES (1, 'd') ON CONFLICT DO NOTHING;
COPY public.old_logs ("sessionId", body) FROM stdin;
\.
RESET ROLE;
\set VERBOSITY default
-- Reading goes on, so does erasing, and so do the foreign keys.
SELECT count(*) FROM public.old_logs;
SELECT id FROM public.old_logs WHERE id = 1 FOR UPDATE;
DELETE FROM public.users WHERE id = 1;
UPDATE public.users SET id = 20 WHERE id = 2;
SELECT id, user_id FROM public.old_logs WHERE id <= 3 ORDER BY id;
DELETE FROM public.old_logs WHERE id = 1;
-- A trigger of an application that copies messages here is a stale writer too.
CREATE FUNCTION public.copy_message() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN INSERT INTO public.old_logs ("sessionId", body) VALUES ('d', 'copied'); RETURN NEW; END $$;
CREATE TRIGGER copy_message AFTER INSERT ON public.users FOR EACH ROW EXECUTE FUNCTION public.copy_message();
INSERT INTO public.users VALUES (4);
DROP FUNCTION public.copy_message CASCADE;
BEGIN;
TRUNCATE public.old_logs;
ROLLBACK;
-- The name of the moment; open again as the hint says, and closed again where the trigger was disabled.
ALTER TABLE public.old_logs RENAME TO "Old logs";
UPDATE public."Old logs" SET body = body;
ALTER TABLE public."Old logs" RENAME TO old_logs;
ALTER TABLE public.old_logs DISABLE TRIGGER training_workflow_closed;
UPDATE public.old_logs SET body = body;
SELECT training.close_old_table('public.old_logs');
UPDATE public.old_logs SET body = body;
DROP TRIGGER training_workflow_closed ON public.old_logs;
INSERT INTO public.old_logs ("sessionId", body) VALUES ('d', 'open again') RETURNING id;

-- Who may: an operator with the privilege, if the table can be read.
SET ROLE regress_tw_app;
SELECT training.close_old_table('public.old_logs');
SET ROLE regress_tw_operator;
SELECT training.close_old_table('public.old_logs');
RESET ROLE;
GRANT TRIGGER ON public.old_logs TO regress_tw_operator;
SET ROLE regress_tw_operator;
SELECT training.close_old_table('public.old_logs');
RESET ROLE;
GRANT SELECT ON public.old_logs TO regress_tw_operator;
SET ROLE regress_tw_operator;
SELECT imported FROM training.import_conversations('public.old_logs', '{"user_message": "body"}');
SELECT training.close_old_table('public.old_logs');
RESET ROLE;

-- A table that only a view makes fit to import.
CREATE TABLE public.odd (id uuid PRIMARY KEY, session_id text, user_message text);
INSERT INTO public.odd VALUES ('00000000-0000-0000-0000-000000000001', 's', NULL);
SELECT imported FROM training.import_conversations('public.odd');
CREATE VIEW public.fit AS SELECT id, session_id, coalesce(user_message, '') AS user_message FROM public.odd;
SELECT imported FROM training.import_conversations('public.fit');
SELECT training.close_old_table('public.odd');
SELECT training.close_old_table('public.odd', imported_through => 'public.fit');
INSERT INTO public.odd VALUES ('00000000-0000-0000-0000-000000000002', 's', 'x');

-- A partitioned table is closed by its own name, not by those of its partitions. An empty table can be closed.
CREATE TABLE public.parts (id integer, session_id text, user_message text) PARTITION BY RANGE (id);
CREATE TABLE public.part_1 PARTITION OF public.parts FOR VALUES FROM (1) TO (100);
SELECT imported FROM training.import_conversations('public.parts');
SELECT training.close_old_table('public.part_1');
SELECT training.close_old_table('public.parts');
INSERT INTO public.parts VALUES (1, 's', 'x');
INSERT INTO public.part_1 VALUES (2, 's', 'x') RETURNING id;
SELECT problem, relation, found, example FROM training.check_integrity();

-- In the transaction of a snapshot from before, rows could be missed.
DROP TRIGGER training_workflow_closed ON public.odd;
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT training.close_old_table('public.odd', 'public.fit');
ROLLBACK;

-- The extension goes without CASCADE where the owner of the table closed it, and takes the trigger along.
SELECT training.close_old_table('public.odd', 'public.fit');
SET training_workflow.allow_drop = on;
DROP EXTENSION training_workflow;
DROP TRIGGER training_workflow_closed ON public.old_logs;
DROP EXTENSION training_workflow;
RESET training_workflow.allow_drop;
INSERT INTO public.odd VALUES ('00000000-0000-0000-0000-000000000002', 's', 'x') RETURNING user_message;
SELECT count(*) FROM pg_trigger WHERE tgname = 'training_workflow_closed';

SET client_min_messages = warning;
DROP TABLE public.odd, public.parts, public.old_logs, public.users CASCADE;
DROP FUNCTION IF EXISTS public.copy_message;
DROP SERVER regress_tw_server CASCADE;
DROP FOREIGN DATA WRAPPER regress_tw_fdw;
DROP SCHEMA training;
DROP ROLE regress_tw_app, regress_tw_operator;
