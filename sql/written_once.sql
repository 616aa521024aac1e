-- What capture wrote once stays, rows that arrive decided are left alone, and states that cannot be are refused.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET training_workflow.allow_drop = on;
DROP EXTENSION IF EXISTS training_workflow CASCADE;
RESET training_workflow.allow_drop;
RESET client_min_messages;
CREATE EXTENSION training_workflow;
INSERT INTO review_policies (audit_rate_approved, audit_rate_review) VALUES (0, 0);
INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider) VALUES
    ('s', 'hi', 'intent.general.greeting', 0.99, 'indicbert'),
    ('s', 'hmm', 'intent.general.greeting', 0.5, 'indicbert');

UPDATE conversation_logs SET filter_outcome = 'needs-review' WHERE id = 1;
UPDATE conversation_logs SET filter_policy_id = NULL WHERE id = 1;
UPDATE conversation_logs SET is_audit = NULL WHERE id = 1;
UPDATE conversation_logs SET selection_probability = 1 WHERE id = 1;
UPDATE conversation_logs SET filtered_at = filtered_at - interval '1 day' WHERE id = 1;
UPDATE conversation_logs SET created_at = created_at - interval '1 day' WHERE id = 1;
UPDATE conversation_logs SET created_on = created_on - 1 WHERE id = 1;
UPDATE conversation_logs SET id = 100 WHERE id = 1;
-- Nor in two steps: a verdict does not go away, and what the filter stamped it does not see again.
UPDATE conversation_logs SET review_status = NULL WHERE id = 1;
ALTER TABLE conversation_logs DISABLE TRIGGER conversation_logs_check_update;
UPDATE conversation_logs SET review_status = NULL WHERE id = 1;
ALTER TABLE conversation_logs ENABLE TRIGGER conversation_logs_check_update;
UPDATE conversation_logs SET is_audit = NULL WHERE id = 1;
UPDATE conversation_logs SET response_text = 'drawn again?' WHERE id = 1;
SELECT review_status, is_audit, selection_probability, filter_outcome FROM conversation_logs WHERE id = 1;
UPDATE conversation_logs SET review_status = 'auto-approved' WHERE id = 1;
-- A trigger of the user's does not get past it either.
CREATE FUNCTION pg_temp.meddle() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.is_audit := NULL; RETURN NEW; END $$;
CREATE TRIGGER zz_meddle BEFORE UPDATE ON conversation_logs FOR EACH ROW EXECUTE FUNCTION pg_temp.meddle();
UPDATE conversation_logs SET response_text = 'Hello!' WHERE id = 1;
DROP TRIGGER zz_meddle ON conversation_logs;
-- The rest changes freely, also when an ORM writes every column back.
UPDATE conversation_logs SET response_text = 'Hello!', response_success = true, filter_outcome = filter_outcome,
    created_at = created_at, is_audit = is_audit, selection_probability = selection_probability WHERE id = 1;
UPDATE conversation_logs SET review_status = 'rejected', review_priority = NULL, review_reason = NULL,
                             is_training_candidate = false WHERE id = 2;

-- Rows that arrive with a review_status: nothing of them is changed, nothing is promoted, only gaps are filled.
INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider, review_status,
                               review_priority,
    review_reason, is_training_candidate, filter_outcome, is_audit, selection_probability, filtered_at, created_at,
    created_on) VALUES
    ('restored', 'hi', 'intent.general.greeting', 0.99, 'indicbert', 'auto-approved', 2, 'audit', true,
     'auto-approved', true, 0.05, '2026-01-02 03:04:05+00', '2026-01-02 03:04:04+00', '2026-01-01'),
    ('imported', 'hi', 'intent.general.greeting', 0.99, 'indicbert', 'auto-approved', NULL, NULL, NULL, NULL, NULL,
     NULL, NULL, NULL, NULL),
    ('imported', 'hi', 'intent.general.greeting', 0.99, 'indicbert', 'needs-review', NULL, NULL, NULL, NULL, NULL, NULL,
     NULL, NULL, NULL),
    ('imported', 'hi', 'intent.general.greeting', 0.99, 'indicbert', 'rejected', NULL, NULL, NULL, NULL, NULL, NULL,
     NULL, NULL, NULL);
SELECT session_id, review_status, review_priority, review_reason, is_training_candidate, filter_outcome, is_audit,
       selection_probability, filtered_at AT TIME ZONE 'UTC' AS filtered_at,
       created_on = (created_at AT TIME ZONE 'UTC')::date AS day
FROM conversation_logs WHERE session_id IN ('restored', 'imported') ORDER BY id;
SELECT conversation_log_id FROM training_samples ORDER BY 1;
-- The sweep leaves alone what it did not filter, and makes up for the restored row's sample.
SELECT * FROM promote_missed_conversations();
SELECT conversation_log_id FROM training_samples ORDER BY 1;

-- States that cannot be.
UPDATE conversation_logs SET review_status = 'needs-review' WHERE id = 1;
UPDATE conversation_logs SET review_status = 'not-applicable', review_priority = 1, is_training_candidate = false
WHERE id = 1;
UPDATE conversation_logs SET review_priority = 4 WHERE id = 1;
UPDATE conversation_logs SET is_training_candidate = false WHERE id = 1;
UPDATE conversation_logs SET review_status = 'maybe', is_training_candidate = false WHERE id = 1;
-- Nor past the triggers.
BEGIN;
SET LOCAL session_replication_role = replica;
UPDATE conversation_logs SET review_priority = 77 WHERE id = 1;
ROLLBACK;
INSERT INTO training_samples (text, intent, source) VALUES ('hi', 'intent.general.greeting', 'guess');
INSERT INTO training_samples (text, intent, quality_score) VALUES ('hi', 'intent.general.greeting', 'NaN');
INSERT INTO training_samples (text, intent, split) VALUES ('hi', 'intent.general.greeting', 'dev');
INSERT INTO training_samples (text, intent, conversation_log_id) VALUES ('hi', 'intent.general.greeting', 1);

\set VERBOSITY default
-- Marks of the filter on a row that it did not see, and a draw that could not have been.
INSERT INTO conversation_logs (session_id, user_message, review_status, is_audit, selection_probability)
VALUES ('s', 'x', 'rejected', true, 0.5);
INSERT INTO conversation_logs (session_id, user_message, review_status, filter_outcome)
VALUES ('s', 'x', 'rejected', 'needs-review');
INSERT INTO conversation_logs (session_id, user_message, review_status, filter_outcome, filtered_at, is_audit,
                               selection_probability) VALUES ('s', 'x', 'rejected', 'needs-review', now(), true, 0);
\set VERBOSITY terse
INSERT INTO model_versions (version, model_type, model_size_mb) VALUES ('router-v9.0.0', 'router', 'NaN');

\set VERBOSITY default
-- updated_at follows.
UPDATE training_samples SET updated_at = '2000-01-01' WHERE conversation_log_id = 1;
SELECT updated_at > '2000-01-02' AS touched FROM training_samples WHERE conversation_log_id = 1;

\set VERBOSITY terse
-- Model versions: the name fits its type, one live version a type, traffic only for live ones.
INSERT INTO model_versions (version, model_type, status, traffic_percentage)
VALUES ('router-v1.0.0', 'router', 'production', 100);
INSERT INTO model_versions (version, model_type, status) VALUES ('router-v1.1.0', 'router', 'production');
INSERT INTO model_versions (version, model_type) VALUES ('router-1.1', 'router');
INSERT INTO model_versions (version, model_type) VALUES ('router-v01.1.0', 'router');
INSERT INTO model_versions (version, model_type) VALUES ('router-v1.1.0', 'food-agent');
INSERT INTO model_versions (version, model_type, traffic_percentage) VALUES ('router-v1.1.0', 'router', 10);
INSERT INTO model_versions (version, model_type, status) VALUES ('router-v1.1.0', 'router', 'live');
INSERT INTO model_versions (version, model_type, status, traffic_percentage) VALUES
    ('router-v1.1.0', 'router', 'canary', 10), ('food-agent-v1.0.0', 'food-agent', 'production', 100);
INSERT INTO model_versions (version, model_type, status) VALUES ('router-v1.2.0', 'router', 'canary');
SELECT version, status, test_accuracy, traffic_percentage FROM model_versions ORDER BY version;

\set VERBOSITY default

-- model_deployments only grows, whatever the session sets. (A savepoint around each statement, then all is undone.)
BEGIN;
\set ON_ERROR_ROLLBACK on
INSERT INTO model_deployments (model_type, version, to_status, to_percentage)
VALUES ('router', 'router-v1.0.0', 'production', 100);
UPDATE model_deployments SET reason = 'better';
DELETE FROM model_deployments;
TRUNCATE model_deployments;
SET LOCAL session_replication_role = replica;
DELETE FROM model_deployments;
ROLLBACK;
\set ON_ERROR_ROLLBACK off
\set VERBOSITY terse
-- An export that says done says what was done.
INSERT INTO training_export_jobs (format, status) VALUES ('jsonl', 'succeeded');
INSERT INTO training_export_jobs (format) VALUES ('xlsx');
\set VERBOSITY default

-- The trigger functions are for our triggers alone.
CREATE TABLE other (id integer, updated_at integer);
CREATE TRIGGER wrong AFTER INSERT ON other FOR EACH ROW EXECUTE FUNCTION tw_capture_filter();
INSERT INTO other VALUES (1, 2);
DROP TRIGGER wrong ON other;
CREATE TRIGGER wrong BEFORE INSERT ON other FOR EACH ROW EXECUTE FUNCTION tw_capture_filter();
INSERT INTO other VALUES (1, 2);
DROP TABLE other;
DELETE FROM model_versions;
