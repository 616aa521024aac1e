-- What a rollout may call compared: enough sessions that some loss would have
-- been seen, reports of both versions, and in the same steps.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET training_workflow.allow_drop = on;
DROP EXTENSION IF EXISTS training_workflow CASCADE;
RESET training_workflow.allow_drop;
RESET client_min_messages;
CREATE EXTENSION training_workflow;
SET timezone = 'UTC';
SET datestyle = 'ISO';
SET training_workflow.allow_future_times = on;

-- What is compared must be able to show something. Where the live version fails half of the time, twelve sessions of
-- each do not tell one that always fails from it: the step does not end, and nothing calls that fine.
SELECT register_model('c-agent-v1.0.0', 'c-agent', 'production'), register_model('c-agent-v1.1.0', 'c-agent'),
       register_model('d-agent-v1.0.0', 'd-agent', 'production'),
       register_model('d-agent-v1.1.0', 'd-agent'), register_model('f-agent-v1.0.0', 'f-agent', 'production'),
       register_model('f-agent-v1.1.0', 'f-agent');
SELECT set_training_setting('rollout_steps', '50,100'), set_training_setting('rollout_min_units', '10');
CREATE FUNCTION reporting(version text, sessions integer, reported integer, good integer, "at" timestamptz,
                          prefix text DEFAULT '') RETURNS bigint LANGUAGE sql AS $$
    WITH i AS (
        INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_model_version,
                                       response_success, created_at)
        SELECT prefix || version || ' ' || g, 'hello', 'intent.a', 0.95, version,
               CASE WHEN g <= reported THEN g <= good END, "at" FROM generate_series(1, sessions) g
        RETURNING 1)
    SELECT count(*) FROM i;
$$;
SELECT traffic_percentage FROM start_rollout('c-agent-v1.1.0', 'a trial', '2103-01-01');
SELECT reporting('c-agent-v1.0.0', 60, 12, 6, '2103-01-01 12:00'),
       reporting('c-agent-v1.1.0', 60, 12, 0, '2103-01-01 12:00');
CALL check_rollouts('2103-01-02 01:00');
SELECT verdict, why FROM rollout_status WHERE model_type = 'c-agent';
SELECT m ->> 'state' AS state, m ->> 'step_state' AS step_state,
       m ->> 'minimum_detectable_loss' AS minimum_detectable_loss
FROM rollout_checks k, jsonb_array_elements(k.metrics) m
WHERE k.version = 'c-agent-v1.1.0' AND m ->> 'metric' = 'failure rate';
-- More of them do.
SELECT reporting('c-agent-v1.0.0', 20, 20, 10, '2103-01-02 02:00', 'more '),
       reporting('c-agent-v1.1.0', 20, 20, 0, '2103-01-02 02:00', 'more ');
CALL check_rollouts('2103-01-02 03:00');
SELECT status, why FROM rollout_status WHERE model_type = 'c-agent';
-- A version that reports of one session in forty, and there only good, may well have failed in all others.
SELECT traffic_percentage FROM start_rollout('d-agent-v1.1.0', 'a trial', '2103-01-01');
SELECT reporting('d-agent-v1.0.0', 500, 500, 490, '2103-01-01 12:00'),
       reporting('d-agent-v1.1.0', 500, 12, 12, '2103-01-01 12:00');
CALL check_rollouts('2103-01-02 03:00');
SELECT verdict, why FROM rollout_status WHERE model_type = 'd-agent';
-- Nor is a step compared by sessions of one step of the one, and of another of the other:
-- those that came over from the step before have nothing beside them.
SELECT set_training_setting('rollout_steps', '50,50,100'), set_training_setting('rollout_min_hours', '0');
SELECT traffic_percentage FROM start_rollout('f-agent-v1.1.0', 'a trial', '2103-01-01');
SELECT reporting('f-agent-v1.0.0', 60, 60, 60, '2103-01-01 12:00'),
       reporting('f-agent-v1.1.0', 60, 60, 60, '2103-01-01 12:00');
CALL check_rollouts('2103-01-02 00:00');
SELECT traffic_percentage, verdict FROM rollout_checks WHERE version = 'f-agent-v1.1.0';
SELECT reporting('f-agent-v1.0.0', 60, 60, 60, '2103-01-02 12:00'),
       reporting('f-agent-v1.1.0', 60, 60, 0, '2103-01-02 12:00', 'new ');
CALL check_rollouts('2103-01-03 00:00');
SELECT m ->> 'state' AS state, m ->> 'step_state' AS step_state, k.verdict
FROM rollout_checks k, jsonb_array_elements(k.metrics) m
WHERE k.version = 'f-agent-v1.1.0' AND m ->> 'metric' = 'failure rate' ORDER BY k.id;
SELECT * FROM check_integrity();
DROP FUNCTION reporting;
