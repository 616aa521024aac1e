-- Whoever may create functions in the extension's schema can make none of its calls ambiguous.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET training_workflow.allow_drop = on;
DROP EXTENSION IF EXISTS training_workflow CASCADE;
RESET training_workflow.allow_drop;
RESET client_min_messages;
CREATE EXTENSION training_workflow;
SET client_min_messages = warning;
CREATE ROLE regress_tw_maker;
GRANT CREATE ON SCHEMA public TO regress_tw_maker;
CREATE SCHEMA made AUTHORIZATION regress_tw_maker;
SET SESSION AUTHORIZATION regress_tw_maker;

-- In each way: one parameter more, any number more, another kind of routine,
-- another one's place, a change of what is there.
CREATE FUNCTION public.tw_lock_registry(a integer DEFAULT 1) RETURNS void LANGUAGE sql AS '';
CREATE FUNCTION public.text_hash(a text, VARIADIC b text[] DEFAULT '{}') RETURNS bytea LANGUAGE sql RETURN NULL::bytea;
CREATE PROCEDURE public.daily_training_capture(a text, b timestamptz, c integer DEFAULT 1) LANGUAGE sql AS '';
CREATE FUNCTION made.tw_lock_registry(a integer DEFAULT 1) RETURNS void LANGUAGE sql AS '';
ALTER FUNCTION made.tw_lock_registry(integer) SET SCHEMA public;
CREATE FUNCTION public.mine(a integer DEFAULT 1) RETURNS void LANGUAGE sql AS '';
ALTER FUNCTION public.mine(integer) RENAME TO tw_lock_registry;
ALTER ROUTINE public.mine(integer) RENAME TO tw_lock_registry;
CREATE FUNCTION public.tw_lock_registry(a integer) RETURNS void LANGUAGE sql AS '';
CREATE OR REPLACE FUNCTION public.tw_lock_registry(a integer DEFAULT 1) RETURNS void LANGUAGE sql AS '';
RESET SESSION AUTHORIZATION;
SELECT tw_lock_registry();
SELECT p.oid::regprocedure, p.pronargdefaults FROM pg_proc p WHERE p.proowner = 'regress_tw_maker'::regrole
ORDER BY p.oid::regprocedure::text COLLATE "C";

-- Those that were there first keep the extension out.
DROP EXTENSION training_workflow;
ALTER FUNCTION public.mine(integer) RENAME TO fail_training_job;
CREATE EXTENSION training_workflow;
DROP ROUTINE fail_training_job(integer);
CREATE EXTENSION training_workflow;
SELECT problem, example FROM check_integrity();

DROP FUNCTION public.tw_lock_registry(integer);
ALTER EVENT TRIGGER training_workflow_name_guard DISABLE;
REVOKE CREATE ON SCHEMA public FROM regress_tw_maker;
SELECT problem, example, hint FROM check_integrity();
ALTER EVENT TRIGGER training_workflow_name_guard ENABLE ALWAYS;
SET client_min_messages = error;
DROP SCHEMA made CASCADE;
DROP OWNED BY regress_tw_maker;
DROP ROLE regress_tw_maker;
