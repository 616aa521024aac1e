-- DROP EXTENSION takes tables and rows without CASCADE: refused while there
-- are any. (TAP tests the other ways to get there.)
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET training_workflow.allow_drop = on;
DROP EXTENSION IF EXISTS training_workflow CASCADE;
RESET training_workflow.allow_drop;
RESET client_min_messages;
CREATE EXTENSION training_workflow;
INSERT INTO training_samples (text, intent) VALUES ('hi', 'intent.general.greeting');
DROP EXTENSION training_workflow;
DROP EXTENSION training_workflow CASCADE;
TRUNCATE training_samples;
INSERT INTO conversation_logs (session_id, user_message) VALUES ('s', 'hi');
DROP EXTENSION training_workflow;
SELECT count(*) FROM conversation_logs;
-- A column of ours takes a view along, and that the whole extension.
\c -
ALTER TABLE conversation_logs DROP COLUMN is_audit CASCADE;
-- Tables of others, our name or not, are none of its business.
CREATE SCHEMA elsewhere;
CREATE TABLE elsewhere.conversation_logs AS SELECT 1 AS one;
DROP TABLE elsewhere.conversation_logs;
DROP SCHEMA elsewhere;
-- Only a superuser may open it.
CREATE ROLE regress_tw_owner;
SET ROLE regress_tw_owner;
SET training_workflow.allow_drop = on;
RESET ROLE;
DROP ROLE regress_tw_owner;
SET training_workflow.allow_drop = maybe;
-- Open, and in a transaction that does not go through.
BEGIN;
SET LOCAL training_workflow.allow_drop = on;
DROP EXTENSION training_workflow;
ROLLBACK;
SELECT count(*) FROM conversation_logs;
-- Empty, it may go.
TRUNCATE conversation_logs;
BEGIN;
DROP EXTENSION training_workflow;
ROLLBACK;
