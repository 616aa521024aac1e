-- Which steps a rollout takes, what a step waits for, what is said of what was measured, and how the audit follows.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET training_workflow.allow_drop = on;
DROP EXTENSION IF EXISTS training_workflow CASCADE;
RESET training_workflow.allow_drop;
RESET client_min_messages;
CREATE EXTENSION training_workflow;
SET training_workflow.allow_future_times = on;
SET timezone = 'UTC';
SET datestyle = 'ISO';

-- Sessions of so many messages in an hour, dealt as assign_model_version()
-- says; what "answers" leaves out is not reported.
CREATE FUNCTION talk(type text, sessions text, amount integer, "at" timestamptz, messages integer DEFAULT 1,
                     answers boolean DEFAULT true, provider text DEFAULT 'indicbert')
    RETURNS bigint LANGUAGE sql AS $$
    WITH i AS (
        INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider,
                                       nlu_model_version, response_success, created_at)
        SELECT s.id, 'veg pizza', 'intent.food.item.search', 0.95, provider, assign_model_version(type, s.id), answers,
               "at" + g * interval '1 second' + m * interval '1 minute'
        FROM generate_series(1, amount) g, generate_series(0, messages - 1) m, LATERAL (SELECT sessions || g AS id) s
        RETURNING 1)
    SELECT count(*) FROM i;
$$;
CREATE FUNCTION models(type text, amount integer DEFAULT 1) RETURNS bigint LANGUAGE sql AS $$
    SELECT count(register_model(format('%s-v1.%s.0', type, g), type,
                                CASE g WHEN 0 THEN 'production' ELSE 'candidate' END))
    FROM generate_series(0, amount) g;
$$;
CREATE VIEW states AS
    SELECT k.version, k.id, f.number, f.value ->> 'metric' AS metric, f.value ->> 'state' AS state,
           f.value ->> 'step_state' AS step_state, f.value ->> 'verdict' AS verdict,
           (f.value ->> 'minimum_detectable_loss')::numeric IS NOT NULL AS says_what_it_sees
    FROM rollout_checks k, jsonb_array_elements(k.metrics) WITH ORDINALITY f (value, number)
                                                           WHERE f.value ->> 'kind' = 'guardrail';

-- Settings.
SELECT set_training_setting('rollout_steps', 'auto,100');
SELECT set_training_setting('rollout_steps', 'AUTO');
SELECT set_training_setting('rollout_steps', 'automatic');
SELECT set_training_setting('rollout_steps', '50,25,100');
SELECT set_training_setting('rollout_steps', 'auto');
SELECT set_training_setting('rollout_min_units', '4');
SELECT set_training_setting('rollout_messages_per_session', '0');
SELECT set_training_setting('rollout_audit_rate', '1.1');

-- What fits: a tenth of a day's sessions has to make a step, or a quarter of them, or half.
SELECT s AS sessions, tw_fitting_steps(s, 50) AS at_50, tw_fitting_steps(s, 5) AS at_5
FROM unnest(ARRAY[0, 19, 50, 100, 199, 200, 499, 500, 1000]::float8[]) s;
-- Seven days of it: those that name a version of the type, once a day each; a young installation has fewer days.
SELECT models('a-agent', 9), models('b-agent');
BEGIN;
SELECT steps FROM start_rollout('a-agent-v1.1.0', 'a look', '2101-01-08');
SELECT steps_reason AS reason FROM rollout_status WHERE version = 'a-agent-v1.1.0' AND status = 'running';
ROLLBACK;
SELECT sum(talk('a-agent', 'day ' || d || ' ', 500,
                '2101-01-01'::timestamptz + d * interval '1 day' + interval '1 hour', 2)) FROM generate_series(0, 6) d;
SELECT sum(talk('b-agent', 'other ' || d || ' ', 10,
                '2101-01-01'::timestamptz + d * interval '1 day' + interval '1 hour', 2)) FROM generate_series(0, 6) d;
INSERT INTO conversation_logs (session_id, user_message, created_at)
SELECT 'none ' || g, 'hello', '2101-01-07' FROM generate_series(1, 1000) g;
SELECT at, round(tw_sessions_a_day('a-agent', at)) AS a, round(tw_sessions_a_day('b-agent', at)) AS b
FROM unnest(ARRAY['2101-01-01', '2101-01-01 06:00', '2101-01-02 01:00', '2101-01-04 01:00', '2101-01-08', '2101-01-11',
                  '2101-01-16']::timestamptz[]) at;
BEGIN;
SELECT set_training_setting('rollout_steps', '100');
SELECT steps FROM start_rollout('a-agent-v1.1.0', 'a look', '2101-01-08');
SELECT steps_reason AS reason FROM rollout_status WHERE version = 'a-agent-v1.1.0';
ROLLBACK;
-- A table of settings that is emptied leaves the defaults.
BEGIN;
TRUNCATE training_settings;
SELECT steps FROM start_rollout('a-agent-v1.1.0', 'a look', '2101-01-08');
ROLLBACK;
SELECT previous_version, traffic_percentage, steps FROM start_rollout('a-agent-v1.1.0', 'enough traffic', '2101-01-08');
SELECT previous_version, traffic_percentage, steps FROM start_rollout('b-agent-v1.1.0', 'hardly any', '2101-01-08');
SELECT version, steps, steps_reason FROM rollout_status ORDER BY version;
SELECT rollback_rollout('a-agent', 'next', '2101-01-08 01:00'), rollback_rollout('b-agent', 'next', '2101-01-08 01:00');
-- Sessions are half of it three days later.
SELECT steps FROM start_rollout('a-agent-v1.2.0', 'less traffic', '2101-01-11');
SELECT rollback_rollout('a-agent', 'next', '2101-01-11 01:00');
-- A list stands as it is, and what it means is said.
SELECT set_training_setting('rollout_steps', '10,50,100');
SELECT steps FROM start_rollout('b-agent-v1.1.0', 'by a list', '2101-01-09');
SELECT steps_reason FROM rollout_status WHERE model_type = 'b-agent' AND status = 'running';
SELECT rollback_rollout('b-agent', 'next', '2101-01-09 01:00');
TRUNCATE training_settings;
-- The audit of rollouts alone is looked at.
SELECT set_training_setting('review_budget_per_day', '0');

-- A step ends only when something was compared in it: here the application
-- reports nothing. A person may go on all the same.
SELECT set_training_setting('rollout_steps', '50,50,100');
SELECT steps FROM start_rollout('a-agent-v1.3.0', 'says nothing', '2101-02-01');
SELECT talk('a-agent', 'silent ', 200, '2101-02-01', answers => NULL, provider => NULL);
CALL check_rollouts('2101-02-01 12:00');
CALL check_rollouts('2101-02-02 12:00');
SELECT verdict, reason FROM rollout_checks WHERE version = 'a-agent-v1.3.0' ORDER BY id;
SELECT metric, state, step_state, verdict, says_what_it_sees FROM states WHERE id = (SELECT max(id) FROM rollout_checks)
ORDER BY number;
SELECT why ~ 'no loss' AS claims_anything, minimum_detectable_loss FROM rollout_status WHERE version = 'a-agent-v1.3.0';
-- The next step has data, of the last one nothing is said.
SELECT advance_rollout('a-agent', 'I asked the support team', '2101-02-03');
SELECT talk('a-agent', 'some ', 120, '2101-02-03', provider => NULL);
SELECT talk('a-agent', 'few ', 11, '2101-02-03');
CALL check_rollouts('2101-02-04');
SELECT verdict, reason FROM rollout_checks WHERE version = 'a-agent-v1.3.0' ORDER BY id DESC LIMIT 1;
SELECT metric, state, step_state, verdict, says_what_it_sees FROM states WHERE id = (SELECT max(id) FROM rollout_checks)
ORDER BY number;
CALL check_rollouts('2101-02-08');
SELECT status, why FROM rollout_status WHERE version = 'a-agent-v1.3.0';
-- What was compared in the step before does not end this one.
SELECT steps FROM start_rollout('a-agent-v1.4.0', 'falls silent', '2101-03-01');
SELECT talk('a-agent', 'heard ', 200, '2101-03-01');
CALL check_rollouts('2101-03-02');
SELECT talk('a-agent', 'unheard ', 200, '2101-03-02', answers => NULL, provider => NULL);
CALL check_rollouts('2101-03-03');
SELECT step, verdict, reason FROM rollout_checks WHERE version = 'a-agent-v1.4.0' ORDER BY id;
SELECT metric, state, step_state FROM states WHERE id = (SELECT max(id) FROM rollout_checks) ORDER BY number;
SELECT rollback_rollout('a-agent', 'next', '2101-03-04');

-- What the live version reports and the new one does not is no silence: the new one may not answer at all.
SELECT steps FROM start_rollout('a-agent-v1.5.0', 'hangs', '2101-04-01');
SELECT talk('a-agent', 'hangs ', 200, '2101-04-01');
UPDATE conversation_logs SET response_success = NULL WHERE nlu_model_version = 'a-agent-v1.5.0';
CALL check_rollouts('2101-04-02');
SELECT verdict, regexp_replace(reason, '[0-9]+', 'N', 'g') AS reason FROM rollout_checks
WHERE version = 'a-agent-v1.5.0';
SELECT rollback_rollout('a-agent', 'it hangs', '2101-04-03');

-- A session counts with its first messages, in every metric: here the eleventh and later ones fail.
SELECT steps FROM start_rollout('a-agent-v1.6.0', 'long sessions', '2101-05-01');
SELECT messages_per_session FROM rollouts WHERE version = 'a-agent-v1.6.0';
SELECT talk('a-agent', 'long ', 60, '2101-05-01', 30);
UPDATE conversation_logs SET response_success = false, nlu_provider = 'llm', user_feedback = 'negative',
                             nlu_processing_time_ms = 1000
WHERE nlu_model_version = 'a-agent-v1.6.0' AND created_at >= '2101-05-01'::timestamptz + split_part(
    session_id, ' ', 2)::integer * interval '1 second' + interval '10 minutes';
UPDATE conversation_logs SET nlu_processing_time_ms = 10
WHERE nlu_processing_time_ms IS NULL AND created_at >= '2101-05-01';
-- The setting of the start stands.
SELECT set_training_setting('rollout_messages_per_session', '30');
CALL check_rollouts('2101-05-02');
SELECT f ->> 'metric' AS metric, f ->> 'canary' AS canary, f ->> 'production' AS production
FROM rollout_checks k, jsonb_array_elements(k.metrics) f WHERE k.version = 'a-agent-v1.6.0';
SELECT rollback_rollout('a-agent', 'next', '2101-05-03');
SELECT steps FROM start_rollout('a-agent-v1.7.0', 'long sessions', '2101-06-01');
SELECT talk('a-agent', 'long ', 60, '2101-06-01', 30);
UPDATE conversation_logs SET response_success = false
WHERE nlu_model_version = 'a-agent-v1.7.0' AND extract(minute FROM created_at) >= 12;
CALL check_rollouts('2101-06-02');
SELECT verdict, split_part(reason, ' ', 1) AS metric FROM rollout_checks WHERE version = 'a-agent-v1.7.0';
SELECT set_training_setting('rollout_messages_per_session', NULL);

-- The audit follows: as many of both versions, as many a day as in the first step,
-- never less than the policies say, and nobody where they say 0.
INSERT INTO review_policies (audit_rate_approved, audit_rate_review) VALUES (0.01, 0.02);
INSERT INTO review_policies (module_type, audit_rate_approved, audit_rate_review)
VALUES ('private', 0, 0), ('watched', 0.9, 0.9);
SELECT set_training_setting('rollout_steps', '10,25,50,100');
CREATE FUNCTION asked(OUT version text, OUT module text, OUT probability numeric) RETURNS SETOF record
    LANGUAGE sql AS $$
    WITH i AS (INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider,
                                              nlu_module_type, nlu_model_version, created_at)
    SELECT 's', 'hello', 'intent.a.b', 0.95, 'indicbert', m, v, '2150-01-01'
    FROM unnest(ARRAY['private', 'watched', NULL]) m,
         unnest(ARRAY['a-agent-v1.0.0', 'a-agent-v1.3.0', 'a-agent-v1.8.0', 'b-agent-v1.0.0', NULL]) v
    RETURNING nlu_model_version, nlu_module_type, selection_probability)
    SELECT nlu_model_version, coalesce(nlu_module_type, 'any'), round(selection_probability::numeric, 4) FROM i
    ORDER BY 1, 2
$$;
SELECT steps FROM start_rollout('a-agent-v1.8.0', 'audited', '2101-07-01');
SELECT model_version, audit_rate, since, until, reason FROM audited_versions ORDER BY model_version;
SELECT * FROM asked();
SELECT advance_rollout('a-agent', 'on', '2101-07-02');
SELECT model_version, round(audit_rate::numeric, 4) AS audit_rate FROM audited_versions ORDER BY model_version;
-- From the next step on.
SELECT set_training_setting('rollout_audit_rate', '0');
SELECT model_version, round(audit_rate::numeric, 4) AS audit_rate FROM audited_versions ORDER BY model_version;
SELECT advance_rollout('a-agent', 'on', '2101-07-03');
SELECT model_version, audit_rate FROM audited_versions ORDER BY model_version;
SELECT * FROM asked() WHERE module = 'any';
SELECT set_training_setting('rollout_audit_rate', '1');
SELECT advance_rollout('a-agent', 'on', '2101-07-04');
-- It has all sessions: nothing more is drawn, and what was drawn is still reviewed first.
SELECT model_version, audit_rate, since, until FROM audited_versions ORDER BY model_version;
SELECT * FROM asked() WHERE module = 'any';
CALL check_rollouts('2101-07-07');
SELECT count(*) FROM audited_versions;
SELECT set_training_setting('rollout_audit_rate', NULL);

-- Reviewers get those first, for their half of the batch: both versions of the rollout, as they came.
SELECT count(reject_conversation(id, 'unclear')) > 0 AS tidied FROM conversation_logs WHERE review_priority IS NOT NULL;
UPDATE review_policies SET audit_rate_approved = 1, audit_rate_review = 1;
SELECT steps FROM start_rollout('a-agent-v1.9.0', 'reviewed', '2101-08-01');
INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider,
                               nlu_model_version, created_at)
SELECT 's', 'hello ' || g, 'intent.a.b', 0.95, 'indicbert',
       (ARRAY['b-agent-v1.0.0', 'a-agent-v1.8.0', 'a-agent-v1.9.0'])[1 + g % 3],
       '2101-07-31 23:00'::timestamptz + g * interval '10 minutes'
FROM generate_series(1, 18) g;
SELECT l.review_reason, l.nlu_model_version, l.created_at FROM claim_reviews(6) c
JOIN conversation_logs l ON l.id = c.conversation_log_id ORDER BY l.created_at;
SELECT count(*) FILTER (WHERE nlu_model_version = 'b-agent-v1.0.0') AS others FROM claim_reviews(20) c
JOIN conversation_logs l ON l.id = c.conversation_log_id;
SELECT rollback_rollout('a-agent', 'next', '2101-08-02');
SELECT count(*) FROM audited_versions;
SELECT * FROM check_integrity();
INSERT INTO audited_versions (model_version, audit_rate, since, reason)
VALUES ('a-agent-v9.0.0', 0.5, now(), 'by hand');
SELECT problem, found, example, hint FROM check_integrity();
DELETE FROM audited_versions;
\set VERBOSITY terse
INSERT INTO audited_versions (model_version, audit_rate, since, reason) VALUES ('a-agent-v9.1.0', 0, now(), 'by hand');
INSERT INTO audited_versions (model_version, audit_rate, since, reason)
VALUES ('a-agent-v9.1.0', 1.1, now(), 'by hand');
\set VERBOSITY default

DROP VIEW states;
DROP FUNCTION asked, talk, models;
