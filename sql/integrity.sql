-- check_integrity(): each kind of orphan, contradiction and foreign object, one row each, and nothing when all is well.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET training_workflow.allow_drop = on;
DROP EXTENSION IF EXISTS training_workflow CASCADE;
RESET training_workflow.allow_drop;
RESET client_min_messages;
CREATE EXTENSION training_workflow;
INSERT INTO review_policies (audit_rate_approved, audit_rate_review) VALUES (0, 0);
INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider)
    SELECT 's', 'hi ' || i, 'intent.general.greeting', 0.99, 'indicbert' FROM generate_series(1, 6) AS i;
SELECT * FROM check_integrity();

BEGIN;
DELETE FROM training_samples WHERE conversation_log_id IN (1, 2);
DELETE FROM conversation_logs WHERE id = 3;
UPDATE conversation_logs SET review_status = 'rejected', is_training_candidate = false WHERE id = 4;
UPDATE training_samples SET model_version_target = 'router-v9.9.9' WHERE conversation_log_id = 5;
SELECT setval('training_samples_id_seq', 1);
INSERT INTO model_versions (version, model_type, base_version) VALUES ('router-v1.1.0', 'router', 'router-v1.0.0');
INSERT INTO model_deployments (model_type, version, to_status, to_percentage)
VALUES ('router', 'router-v8.8.8', 'canary', 10);
SET LOCAL session_replication_role = replica;
INSERT INTO conversation_logs (session_id, user_message) VALUES ('s', 'not filtered');
RESET session_replication_role;
SELECT problem, relation, found, example FROM check_integrity() ORDER BY problem;
SELECT hint FROM check_integrity() ORDER BY problem;
ROLLBACK;
-- As the hint says; a sequence does not roll back.
SELECT setval('public.training_samples_id_seq', 6);
SELECT * FROM check_integrity();

-- Columns that are not as the library expects them: a clear word instead of a crash or a wrong decision.
BEGIN;
\set ON_ERROR_ROLLBACK on
ALTER TABLE conversation_logs RENAME COLUMN is_audit TO audit;
INSERT INTO conversation_logs (session_id, user_message) VALUES ('s', 'hi');
ALTER TABLE conversation_logs RENAME COLUMN audit TO is_audit;
INSERT INTO conversation_logs (session_id, user_message) VALUES ('s', 'hi');
CREATE TYPE message_kind AS ENUM ('text', 'image');
-- Functions that read the column keep PostgreSQL from changing its type, with
-- an internal error in older minor releases. The library looks all the same, as its tables may be older than itself.
DO $$
    BEGIN
        ALTER TABLE conversation_logs ALTER message_type DROP DEFAULT, ALTER message_type TYPE message_kind
            USING message_type::message_kind;
        RAISE EXCEPTION 'the type was changed';
    EXCEPTION WHEN feature_not_supported OR internal_error THEN
        NULL;
    END $$;
UPDATE pg_attribute SET atttypid = 'varchar'::regtype
WHERE attrelid = 'conversation_logs'::regclass AND attname = 'message_type';
INSERT INTO conversation_logs (session_id, user_message) VALUES ('s', 'hi');
ROLLBACK;
BEGIN;
ALTER TABLE review_policies ALTER review_below TYPE numeric(3,2);
SELECT * FROM filter_decision(0.5, 'indicbert', 'a.b', NULL);
ROLLBACK;
\set ON_ERROR_ROLLBACK off
SELECT review_reason FROM filter_decision(0.5, 'indicbert', 'a.b', NULL);
-- Parents and owners.
BEGIN;
CREATE TABLE parent (reviewer text NOT NULL);
ALTER TABLE review_claims INHERIT parent;
CREATE ROLE regress_tw_owner;
ALTER TABLE training_samples OWNER TO regress_tw_owner;
SELECT problem, relation, example FROM check_integrity();
ROLLBACK;

-- Foreign, missing and disabled objects. What belongs to other tables, and keys that point here, are none of it.
CREATE FUNCTION pg_temp.nothing() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
BEGIN;
CREATE TABLE orders (id integer PRIMARY KEY, conversation_id bigint REFERENCES conversation_logs);
SELECT * FROM check_integrity();
ALTER TABLE conversation_logs ADD COLUMN campaign text;
CREATE INDEX my_index ON conversation_logs (user_id);
ALTER TABLE training_samples ADD CONSTRAINT my_check CHECK (length(text) < 1000000);
CREATE TRIGGER my_trigger AFTER INSERT ON training_samples FOR EACH ROW EXECUTE FUNCTION pg_temp.nothing();
DROP INDEX conversation_logs_created_on_idx;
ALTER TABLE conversation_logs DROP CONSTRAINT conversation_logs_state_check;
ALTER TABLE conversation_logs DISABLE TRIGGER conversation_logs_filter;
DROP TRIGGER training_samples_touch ON training_samples;
ALTER TABLE review_policies ENABLE TRIGGER review_policies_invalidate;
ALTER EVENT TRIGGER training_workflow_drop_guard DISABLE;
SELECT problem, relation, found, example FROM check_integrity();
SELECT DISTINCT hint FROM check_integrity() ORDER BY 1;
ROLLBACK;
SELECT * FROM check_integrity();

-- What others may create beside ours, and have created: a function, type,
-- cast or operator can be taken in the place of ours.
BEGIN;
CREATE ROLE regress_tw_other;
GRANT CREATE ON SCHEMA public TO PUBLIC, regress_tw_other;
CREATE FUNCTION training_setting(integer) RETURNS text LANGUAGE sql AS $$ SELECT 'mine' $$;
CREATE TYPE text_hash AS ENUM ('mine');
CREATE FUNCTION of_mine(conversation_logs) RETURNS text LANGUAGE sql AS $$ SELECT 'mine' $$;
CREATE CAST (conversation_logs AS text) WITH FUNCTION of_mine(conversation_logs) AS IMPLICIT;
CREATE FUNCTION same(training_samples, training_samples) RETURNS boolean LANGUAGE sql AS $$ SELECT true $$;
CREATE OPERATOR = (LEFTARG = training_samples, RIGHTARG = training_samples, FUNCTION = same);
-- Names of ours in another schema, and other names in ours, are none of it.
CREATE SCHEMA regress_tw_mine;
CREATE FUNCTION regress_tw_mine.training_setting(integer) RETURNS text LANGUAGE sql AS $$ SELECT 'mine' $$;
CREATE FUNCTION my_setting(integer) RETURNS text LANGUAGE sql AS $$ SELECT 'mine' $$;
SELECT * FROM check_integrity() ORDER BY problem;
ROLLBACK;

-- Old tables that still get rows: by integer ids, by others, of partitions; not those that are gone, or renamed.
BEGIN;
CREATE ROLE regress_tw_operator;
SELECT grant_training_role('regress_tw_operator', 'operator');
CREATE TABLE numbered (id integer PRIMARY KEY, session_id text, user_message text);
INSERT INTO numbered SELECT g, 'n', 'n ' || g FROM generate_series(1, 3) g;
CREATE TABLE named (id text, session_id text, user_message text) PARTITION BY LIST (session_id);
CREATE TABLE named_a PARTITION OF named FOR VALUES IN ('a');
CREATE TABLE named_b PARTITION OF named FOR VALUES IN ('b');
INSERT INTO named VALUES ('cl1', 'a', 'one'), ('cl2', 'b', 'two');
CREATE TABLE empty (id uuid PRIMARY KEY, session_id text, user_message text);
CREATE TABLE odd (id numeric PRIMARY KEY, session_id text, user_message text);
SELECT imported FROM import_conversations('numbered');
SELECT imported FROM import_conversations('named');
SELECT imported FROM import_conversations('empty');
SELECT * FROM check_integrity();
INSERT INTO numbered VALUES (7, 'n', 'n 7'), (9, 'n', 'n 9');
INSERT INTO named VALUES ('cl3', 'a', 'three'), ('cl4', 'b', 'four');
INSERT INTO empty VALUES ('00000000-0000-0000-0000-000000000001', 'e', 'e');
SELECT * FROM check_integrity() \gx
-- A closed table is looked at as well: a subscription and COPY with triggers disabled get past the closing.
SELECT imported FROM import_conversations('numbered');
SELECT close_old_table('numbered');
SELECT problem, relation FROM check_integrity();
SET LOCAL session_replication_role = replica;
INSERT INTO numbered VALUES (10, 'n', 'n 10');
RESET session_replication_role;
SELECT problem, relation, found, example, hint FROM check_integrity() WHERE relation = 'public.numbered';
-- Where it cannot be seen, that is said, and no value is shown.
SELECT imported FROM import_conversations('odd');
GRANT SELECT ON named TO regress_tw_operator;
GRANT SELECT ON empty TO regress_tw_operator;
ALTER TABLE empty ENABLE ROW LEVEL SECURITY;
SET LOCAL ROLE regress_tw_operator;
SELECT problem, relation, found, example, hint FROM check_integrity();
RESET ROLE;
ALTER TABLE named RENAME TO still_here;
ALTER TABLE numbered RENAME COLUMN id TO number;
DROP TABLE empty;
CREATE FOREIGN DATA WRAPPER regress_tw_fdw;
CREATE SERVER regress_tw_server FOREIGN DATA WRAPPER regress_tw_fdw;
CREATE FOREIGN TABLE remote () INHERITS (odd) SERVER regress_tw_server;
SELECT problem, relation, found, example, hint FROM check_integrity();
ROLLBACK;

CREATE FUNCTION pg_temp.days_ago(days integer) RETURNS timestamptz LANGUAGE sql
    RETURN now() - days * interval '24 hours';
-- Who captures: on two days nobody in particular, on three an application, as long as nobody else may.
BEGIN;
CREATE ROLE regress_tw_app;
CREATE ROLE regress_tw_root SUPERUSER;
INSERT INTO conversation_logs (session_id, user_message, review_status, is_training_candidate, filter_outcome,
                               is_audit, filtered_at, created_at)
    SELECT 'd', 'x', 'not-applicable', false, 'not-applicable', false, t, t
    FROM generate_series(0, 1) d, pg_temp.days_ago(d) t;
-- History of other days that was captured in one go.
INSERT INTO conversation_logs (session_id, user_message, created_at)
    SELECT 'd', '', pg_temp.days_ago(d) FROM generate_series(0, 6) d;
SELECT * FROM check_integrity();
INSERT INTO conversation_logs (session_id, user_message, review_status, is_training_candidate, filter_outcome,
                               is_audit, filtered_at, created_at)
    SELECT 'd', 'x', 'not-applicable', false, 'not-applicable', false, t, t FROM pg_temp.days_ago(2) t;
SELECT problem, relation, found, example = current_user AS is_owner, hint FROM check_integrity() \gx
SAVEPOINT nobody_else;
-- A superuser's privilege is none of another role; one column is as good as all.
GRANT INSERT ON conversation_logs TO regress_tw_root;
SELECT problem FROM check_integrity();
GRANT INSERT (session_id) ON conversation_logs TO PUBLIC;
SELECT problem FROM check_integrity();
ROLLBACK TO nobody_else;
SELECT grant_training_role('regress_tw_app', 'capture');
SELECT problem FROM check_integrity();
-- The role may be there, and the application another one: its feedback shows it.
INSERT INTO review_events (conversation_log_id, action, reviewer, calling_role, created_at)
    SELECT 1, 'feedback', r, r, pg_temp.days_ago(d) FROM generate_series(0, 1) d,
        unnest('{regress_tw_root,regress_tw_app}'::text[]) r;
SELECT problem FROM check_integrity();
INSERT INTO review_events (conversation_log_id, action, reviewer, calling_role, created_at)
    SELECT 1, 'feedback', r, r, pg_temp.days_ago(2) FROM unnest('{regress_tw_root,regress_tw_app}'::text[]) r;
SELECT problem, relation, found, example, hint FROM check_integrity() \gx
ROLLBACK;

-- Verdicts that an application brings: on three days, and by no import.
BEGIN;
INSERT INTO conversation_logs (session_id, user_message, review_status, created_at)
    SELECT 'd', 'x', v, pg_temp.days_ago(d)
    FROM generate_series(0, 1) d, unnest('{approved,needs-review,not-applicable}'::text[]) v;
INSERT INTO conversation_logs (session_id, user_message, review_status, created_at)
    SELECT 'd', 'x', v, pg_temp.days_ago(d)
    FROM (VALUES (3, 'not-applicable'), (8, 'approved'), (-2, 'approved')) AS o (d, v);
CREATE TABLE verdicts (id integer PRIMARY KEY, session_id text, user_message text, review_status text,
                       created_at timestamptz);
INSERT INTO verdicts SELECT 100 + d, 'v', 'x', 'approved', pg_temp.days_ago(d) FROM generate_series(0, 6) d;
SELECT imported FROM import_conversations('verdicts');
SELECT * FROM check_integrity();
INSERT INTO conversation_logs (session_id, user_message, review_status, created_at)
    SELECT 'd', 'x', 'auto-approved', pg_temp.days_ago(2);
SELECT problem, relation, found, hint FROM check_integrity() \gx
ROLLBACK;
SELECT setval('conversation_logs_id_seq', max(id)) FROM conversation_logs;
