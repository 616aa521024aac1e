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
