-- A person is forgotten while a rollout runs: made anonymous, the figures of the rollout stay as they are; erased, the
-- person's messages are gone from them, and the rollout goes on.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET training_workflow.allow_drop = on;
DROP EXTENSION IF EXISTS training_workflow CASCADE;
RESET training_workflow.allow_drop;
RESET client_min_messages;
CREATE EXTENSION training_workflow;
SET training_workflow.allow_future_times = on;
SET timezone = 'UTC';
INSERT INTO review_policies (audit_rate_approved, audit_rate_review) VALUES (0, 0);
SELECT set_training_setting('rollout_steps', '50,100') AS steps;
SELECT register_model('a-agent-v1.0.0', 'a-agent'), promote_model('a-agent-v1.0.0', 'the first');
SELECT register_model('a-agent-v1.1.0', 'a-agent');
UPDATE model_versions SET gate_decision = 'passed', gate_reason = 'better', base_version = 'a-agent-v1.0.0'
WHERE version = 'a-agent-v1.1.0';
SELECT start_rollout('a-agent-v1.1.0', 'test', '2101-01-01') IS NOT NULL AS started;
INSERT INTO conversation_logs (session_id, user_id, user_message, nlu_intent, nlu_confidence, nlu_provider,
                               nlu_model_version, response_success, nlu_processing_time_ms, created_at)
SELECT 's' || g, CASE WHEN g <= 20 THEN 'asha' ELSE 'u' || g END, 'message ' || g, 'intent.a.b', 0.97, 'indicbert',
       'a-agent-v1.' || CASE WHEN rollout_bucket('a-agent', 's' || g) < 50 THEN 1 ELSE 0 END || '.0', g % 4 > 0, 20,
       '2101-01-01 12:00'
FROM generate_series(1, 200) g;
CREATE VIEW looked AS
    SELECT l.canary_units, l.production_units,
           md5(l.metrics::text) AS metrics FROM rollouts r, tw_look_at_rollout(r.id, '2101-01-02') l;
SELECT canary_units, production_units, metrics AS before FROM looked \gset
SELECT :canary_units + :production_units AS sessions;
SELECT relation, found FROM forget_user(user_id => 'asha', mode => 'anonymise') WHERE relation = 'conversation_logs';
SELECT canary_units + production_units AS sessions, metrics = :'before' AS are_the_same FROM looked;
CREATE TABLE erased AS SELECT session_id FROM conversation_logs WHERE anonymised_at IS NOT NULL ORDER BY id LIMIT 15;
SELECT relation, found FROM forget_user(session_id => ARRAY(SELECT session_id FROM erased))
WHERE relation = 'conversation_logs';
SELECT canary_units + production_units AS sessions FROM looked;
SELECT advance_rollout('a-agent', 'test', '2101-01-03') IS NOT NULL AS advanced;
SELECT status FROM rollouts;
SELECT problem, relation, found FROM check_integrity();
SELECT count(*) FROM verify_audit() WHERE is_problem;

DROP VIEW looked;
DROP TABLE erased;
SET training_workflow.allow_drop = on;
DROP EXTENSION training_workflow CASCADE;
