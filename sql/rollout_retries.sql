-- What becomes of a rollout that is not the last word: trying a version again, a better candidate in a canary's place,
-- samples that are taken back and given back, a canary whose rollout has vanished, and times that are yet to come.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET training_workflow.allow_drop = on;
DROP EXTENSION IF EXISTS training_workflow CASCADE;
RESET training_workflow.allow_drop;
RESET client_min_messages;
CREATE EXTENSION training_workflow;
-- The audit of rollouts alone is looked at.
SELECT set_training_setting('review_budget_per_day', '0');
SET timezone = 'UTC';
SET datestyle = 'ISO';
SELECT set_training_setting('rollout_steps', '10,50,100');

-- Answers of a version, all of them confident; nobody has looked at them.
CREATE FUNCTION answer(version text, sessions text, amount integer, "at" timestamptz) RETURNS bigint LANGUAGE sql AS $$
    WITH i AS (
        INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider,
                                       nlu_model_version, response_success, created_at)
        SELECT sessions || g, 'veg pizza ' || g, 'intent.food.item.search', 0.95, 'indicbert', version, true, "at"
        FROM generate_series(1, amount) g
        RETURNING 1)
    SELECT count(*) FROM i;
$$;
CREATE VIEW samples AS
    SELECT c.nlu_model_version AS version, s.review_status, s.label_source, s.pending_reason, count(*) AS samples
    FROM training_samples s JOIN conversation_logs c ON c.id = s.conversation_log_id GROUP BY 1, 2, 3, 4
    ORDER BY 1, 2, 3, 4;
SELECT register_model('router-v1.0.0', 'router', 'production'),
       count(register_model('router-v1.' || g || '.0', 'router')) FROM generate_series(1, 4) g;

-- A time that is yet to come is a typing error, wherever it is passed, unless a superuser simulates.
\set VERBOSITY terse
SELECT * FROM start_rollout('router-v1.1.0', 'a typing error', '2151-10-14');
SELECT * FROM start_rollout('router-v1.1.0', 'a typing error', 'infinity');
SELECT * FROM start_rollout('router-v1.1.0', 'a typing error', '-infinity');
SELECT traffic_percentage FROM start_rollout('router-v1.1.0', 'a trial');
SELECT advance_rollout('router', at => '2151-10-14');
SELECT rollback_rollout('router', 'a typing error', '2151-10-14');
CALL check_rollouts('2151-10-14');
CALL daily_training_capture(at => '2151-10-14');
CALL weekly_model_training(at => '2151-10-14');
SELECT count(*) AS looks FROM rollout_checks;
SELECT job_name, status FROM job_runs;
CREATE ROLE regress_again;
SET ROLE regress_again;
SET training_workflow.allow_future_times = on;
RESET ROLE;
DROP ROLE regress_again;
\set VERBOSITY default
SELECT * FROM start_rollout('router-v1.1.0', 'a typing error', '2151-10-14');
SELECT rollback_rollout('router', 'the language model was down');
SET training_workflow.allow_future_times = on;

-- Trying again: a person, with a reason, and other sessions. Automation never does.
SELECT * FROM start_rollout('router-v1.1.0');
SELECT * FROM start_rollout('router-v1.1.0', E' \t');
SELECT set_training_setting('auto_deploy', 'on');
CALL check_rollouts('2101-01-01');
SELECT version, number, status FROM rollout_status;
SELECT promote_model('router-v1.1.0', 'it was not the model');
SELECT traffic_percentage FROM start_rollout('router-v1.1.0', 'the language model is up again', '2101-01-02');
SELECT version, number, status, why FROM rollout_status ORDER BY number;
SELECT count(*) FILTER (WHERE a = 'router-v1.1.0') BETWEEN 900 AND 1100 AS a_tenth,
       bool_and((a = 'router-v1.1.0') = (rollout_bucket('router-v1.1.0#2', s) < 1000)) AS as_the_buckets_say,
       count(*) FILTER (WHERE a = 'router-v1.1.0'
                          AND rollout_bucket('router-v1.1.0', s) < 1000) < 200 AS others_than_before
FROM generate_series(1, 10000) g, LATERAL (SELECT 's' || g AS s) s, assign_model_version('router', s) a;
SELECT version, status, traffic_percentage, rollout_number, retired_at FROM model_versions
WHERE version = 'router-v1.1.0';
-- The evidence is its own: what failed in the first try is no look of this one.
SELECT answer('router-v1.1.0', 'before ', 100, '2101-01-01 12:00');
UPDATE conversation_logs SET response_success = false;
SELECT answer('router-v1.1.0', 'again ', 50, '2101-01-02 12:00'),
       answer('router-v1.0.0', 'other ', 450, '2101-01-02 12:00');
CALL check_rollouts('2101-01-02 13:00');
SELECT r.number, k.verdict, k.canary_units, k.production_units FROM rollout_checks k
JOIN rollouts r ON r.id = k.rollout_id ORDER BY k.id;
SELECT rollback_rollout('router', 'the language model is down again', '2101-01-03');
SELECT traffic_percentage FROM start_rollout('router-v1.1.0', 'third time lucky', '2101-01-04');
SELECT advance_rollout('router', at => '2101-01-05'), advance_rollout('router', at => '2101-01-06');
SELECT * FROM start_rollout('router-v1.1.0', 'once more', '2101-01-07');
CALL check_rollouts('2101-01-10');
SELECT number, status FROM rollouts ORDER BY id;
SELECT * FROM start_rollout('router-v1.1.0', 'once more', '2101-01-10');
-- Also where the only step has all sessions.
SELECT rollback_rollout('router', 'no', '2101-01-11');
SELECT set_training_setting('rollout_steps', '100');
SELECT traffic_percentage FROM start_rollout('router-v1.1.0', 'at once', '2101-01-12');
SELECT version, status, rollout_number FROM model_versions
WHERE version IN ('router-v1.0.0', 'router-v1.1.0') ORDER BY 1;
SELECT set_training_setting('rollout_steps', '10,50,100');
SELECT * FROM check_integrity();

-- What a version taught that is rolled back from half of the sessions or more:
-- its own labels, except those that somebody looked at.
SELECT traffic_percentage FROM start_rollout('router-v1.2.0', 'is bad', '2101-02-01');
SELECT answer('router-v1.2.0', 'bad ', 10, '2101-02-01 12:00'),
       answer('router-v1.1.0', 'good ', 10, '2101-02-01 12:00');
SELECT rollback_rollout('router', 'at a tenth there is nothing to see', '2101-02-02');
SELECT * FROM samples WHERE version = 'router-v1.2.0';
SELECT traffic_percentage FROM start_rollout('router-v1.2.0', 'was not seen', '2101-02-03');
SELECT advance_rollout('router', at => '2101-02-04');
SELECT answer('router-v1.2.0', 'worse ', 10, '2101-02-04 12:00');
SELECT approve_conversation(min(id)), fix_conversation(min(id) + 1, 'intent.food.item.other'),
       reject_conversation(min(id) + 2, 'unclear') FROM conversation_logs WHERE session_id LIKE 'worse %';
SELECT record_feedback(id, session_id, 'negative') FROM conversation_logs WHERE session_id = 'worse 4';
SELECT rollback_rollout('router', 'wrong dishes', '2101-02-05');
SELECT * FROM samples WHERE version <> 'router-v1.0.0';
SELECT version, number, status, samples_taken_back FROM rollout_status WHERE version = 'router-v1.2.0' ORDER BY number;
SELECT e -> 'sample' -> 'pending_reason' AS pending_reason, e -> 'taken_back' AS taken_back
FROM conversation_logs c, explain_conversation(c.id) e WHERE c.session_id IN ('worse 4', 'worse 5', 'good 1')
ORDER BY c.session_id;
SELECT count(*) AS learned FROM training_set('router') t WHERE t.text ~ '^veg pizza';
-- What comes later joins them with the night: answers still on their way, and
-- what was held in that moment. A verdict takes one out.
SELECT answer('router-v1.2.0', 'late ', 3, '2101-02-05 00:01');
SELECT record_feedback(id, session_id, 'negative') FROM conversation_logs WHERE session_id = 'worse 6';
SELECT approve_conversation(id) FROM conversation_logs WHERE session_id = 'worse 7';
CALL daily_training_capture(at => '2101-02-06 01:00');
SELECT details -> 'samples taken back' AS taken_back, details -> 'samples given back' AS given_back,
       details -> 'samples locked' AS locked
FROM job_runs WHERE job_name = 'daily_training_capture' ORDER BY id DESC LIMIT 1;
SELECT * FROM samples WHERE version = 'router-v1.2.0';
SELECT samples_taken_back FROM rollout_status WHERE version = 'router-v1.2.0' AND number = 2;
CALL daily_training_capture(at => '2101-02-06 02:00');
SELECT details -> 'parts' -> 'rollbacks' AS part, details -> 'samples taken back' AS back FROM job_runs
WHERE job_name = 'daily_training_capture' ORDER BY id DESC LIMIT 1;
-- They count again when the version answers again, and not before; what a user contradicted meanwhile does not.
SELECT traffic_percentage FROM start_rollout('router-v1.2.0', 'it was the kitchen', '2101-02-07');
SELECT advance_rollout('router', at => '2101-02-08');
SELECT sum(samples) FILTER (WHERE pending_reason ~ 'rolled back') AS still_waiting FROM samples;
SELECT advance_rollout('router', at => '2101-02-09');
SELECT * FROM samples WHERE version = 'router-v1.2.0';
SELECT number, samples_taken_back FROM rollout_status WHERE version = 'router-v1.2.0' ORDER BY number;
-- Back from all sessions: they wait once more, and those of the version that returns are not touched.
SELECT rollback_rollout('router', 'it was not the kitchen', '2101-02-10');
SELECT * FROM samples WHERE version <> 'router-v1.0.0';
SELECT number, status, samples_taken_back FROM rollout_status WHERE version = 'router-v1.2.0' ORDER BY number;
-- A verdict that is withdrawn makes the label the model's again, which waits as well.
SELECT withdraw_verdict(id) FROM conversation_logs WHERE session_id = 'worse 7';
CALL daily_training_capture(at => '2101-02-11');
SELECT details -> 'samples taken back' AS taken_back, details -> 'samples given back' AS given_back,
       details -> 'samples locked' AS locked
FROM job_runs WHERE job_name = 'daily_training_capture' ORDER BY id DESC LIMIT 1;
SELECT s.review_status, s.pending_reason FROM training_samples s
JOIN conversation_logs c ON c.id = s.conversation_log_id WHERE c.session_id = 'worse 7';
SELECT count(*) AS reasons_without_waiting FROM training_samples
WHERE pending_reason IS NOT NULL AND review_status <> 'pending';
SELECT * FROM check_integrity();

-- A rollback does not depend on the samples: what a trigger of somebody's own refuses is left to the jobs. A retry at a
-- tenth changes nothing about what waits, and neither do answers that are captured during it.
SELECT traffic_percentage FROM start_rollout('router-v1.2.0', 'the kitchen again', '2101-02-12');
SELECT advance_rollout('router', at => '2101-02-13');
SELECT answer('router-v1.2.0', 'refused ', 5, '2101-02-13 12:00');
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'not now'; END $$;
CREATE TRIGGER refuse BEFORE UPDATE ON training_samples FOR EACH ROW EXECUTE FUNCTION refuse();
SELECT * FROM rollback_rollout('router', 'it was not', '2101-02-14');
SELECT version, status, traffic_percentage FROM model_versions WHERE traffic_percentage > 0;
CALL check_rollouts('2101-02-14 00:05');
SELECT status, error_message FROM job_runs WHERE job_name = 'check_rollouts' ORDER BY id DESC LIMIT 1;
DROP TRIGGER refuse ON training_samples;
DROP FUNCTION refuse;
SELECT count(*) AS still_approved FROM training_samples s JOIN conversation_logs c ON c.id = s.conversation_log_id
WHERE c.session_id LIKE 'refused %' AND s.review_status = 'approved';
SELECT traffic_percentage FROM start_rollout('router-v1.2.0', 'and again', '2101-02-14 00:10');
SELECT answer('router-v1.2.0', 'later ', 2, '2101-02-14 00:15');
CALL check_rollouts('2101-02-14 00:20');
SELECT count(*) AS still_approved FROM training_samples s JOIN conversation_logs c ON c.id = s.conversation_log_id
WHERE c.session_id ~ '^(refused|later) ' AND s.review_status = 'approved';
SELECT e -> 'taken_back' ->> 'reason' AS taken_back FROM conversation_logs c, explain_conversation(c.id) e
WHERE c.session_id = 'later 1';
SELECT rollback_rollout('router', 'enough of it', '2101-02-15');
SELECT e -> 'taken_back' ->> 'reason' AS taken_back FROM conversation_logs c, explain_conversation(c.id) e
WHERE c.session_id = 'later 1';
SELECT number, samples_taken_back FROM rollout_status WHERE version = 'router-v1.2.0' ORDER BY number;
SELECT * FROM check_integrity();

-- A canary whose row in rollouts has vanished: nobody can say what its next step is, but it can be taken back.
SELECT traffic_percentage FROM start_rollout('router-v1.3.0', 'a trial', '2101-03-01');
DELETE FROM rollouts WHERE version = 'router-v1.3.0';
SELECT problem, example FROM check_integrity() ORDER BY problem;
SELECT advance_rollout('router', at => '2101-03-02');
CALL check_rollouts('2101-03-02');
SELECT * FROM start_rollout('router-v1.4.0', 'the next', '2101-03-02');
SELECT * FROM rollback_rollout('router', 'nobody watches it', '2101-03-03');
SELECT version, status, traffic_percentage FROM model_versions WHERE traffic_percentage > 0;
SELECT * FROM check_integrity();
SELECT traffic_percentage FROM start_rollout('router-v1.3.0', 'watched this time', '2101-03-04');
SELECT number FROM rollouts WHERE version = 'router-v1.3.0';
SELECT rollback_rollout('router', 'next', '2101-03-05');

-- A better candidate takes the place of a canary that has not reached half of the sessions. Three of four, five of six
-- and all six test texts are what the three versions of another type get right; their workers have reported it.
SELECT set_training_setting('min_test_samples', '6');
SELECT inserted FROM import_training_samples((SELECT string_agg(jsonb_build_object('text', 'question number ' || chr(
    64 + g), 'intent', 'intent.q.' || g, 'split', 'test')::text, E'\n') FROM generate_series(1, 6) g));
CREATE FUNCTION rival(version text, right_ones integer) RETURNS text LANGUAGE sql AS $$
    SELECT register_model(version, 'q-agent',
                          CASE version WHEN 'q-agent-v1.0.0' THEN 'production' ELSE 'candidate' END);
    INSERT INTO model_evaluations (evaluation_id, version, sample_id, text_hash, intent, weight,
                                   predicted_intent, confidence)
    SELECT nextval('model_evaluations_evaluation_seq'), version, t.sample_id, t.text_hash, t.intent, t.weight,
           CASE WHEN row_number() OVER (ORDER BY t.sample_id) <= right_ones THEN t.intent ELSE 'intent.q.other' END, 0.9
    FROM model_test_set('q-agent') t;
    UPDATE model_versions m SET gate_decision = 'passed', gate_reason = 'better than q-agent-v1.0.0',
                                base_version = 'q-agent-v1.0.0',
                                created_at = now() + substr(version, 12, 1)::integer * interval '1 second'
    WHERE m.version = $1 AND m.status = 'candidate';
    SELECT version;
$$;
SELECT rival('q-agent-v1.0.0', 2), rival('q-agent-v1.1.0', 4);
CALL check_rollouts('2101-04-01');
SELECT version, status, traffic_percentage FROM model_versions WHERE model_type = 'q-agent' ORDER BY version;
-- No better one, and one that is better but too few test samples were answered by both.
SELECT rival('q-agent-v1.2.0', 4);
CALL check_rollouts('2101-04-01 01:00');
SELECT set_training_setting('min_test_samples', '7');
SELECT rival('q-agent-v1.3.0', 5);
CALL check_rollouts('2101-04-01 02:00');
SELECT version, status, superseded_version FROM rollouts WHERE model_type = 'q-agent' ORDER BY id;
SELECT set_training_setting('min_test_samples', '6');
SELECT set_training_setting('auto_deploy', 'off');
CALL check_rollouts('2101-04-01 03:00');
SELECT set_training_setting('auto_deploy', NULL);
-- It would cost more than it gains: two sixths for the seven days that the canary
-- has gone, against one sixth for the one it has to go.
UPDATE rollouts SET steps = '{10,20,30,40,40,40,40,60}',
                    step_times = (SELECT array_agg(timestamptz '2101-04-01' + g * interval '1 day' ORDER BY g)
                                  FROM generate_series(0, 6) g) WHERE version = 'q-agent-v1.1.0';
CALL check_rollouts('2101-04-08');
SELECT version, status, superseded_version FROM rollouts WHERE model_type = 'q-agent' ORDER BY id;
UPDATE rollouts SET steps = '{10,50,100}', step_times = step_times[:1] WHERE version = 'q-agent-v1.1.0';
CALL check_rollouts('2101-04-01 04:00');
SELECT version, status, traffic_percentage, retired_at FROM model_versions WHERE model_type = 'q-agent'
ORDER BY version;
SELECT version, status, superseded_version, end_reason FROM rollouts WHERE model_type = 'q-agent' ORDER BY id;
SELECT version, previous_version, from_status, to_status, from_percentage AS from, to_percentage AS to, actor, reason
FROM model_deployments WHERE model_type = 'q-agent' ORDER BY id OFFSET 1;
SELECT model_version FROM audited_versions ORDER BY 1;
-- Whoever wants to take back the canary that people complain about must not hit its successor by accident.
SELECT * FROM rollback_rollout('q-agent', 'people complain', '2101-04-01 04:05');
-- One that took a place is given a week: else none would arrive where each day brings
-- a candidate. And one with half of the sessions goes on.
SELECT rival('q-agent-v1.4.0', 6);
-- A newer one that is not better hides none that is.
SELECT rival('q-agent-v1.6.0', 5);
CALL check_rollouts('2101-04-02');
SELECT version, status FROM rollouts WHERE model_type = 'q-agent' ORDER BY id;
CALL check_rollouts('2101-04-08 04:00');
SELECT version, status FROM rollouts WHERE model_type = 'q-agent' ORDER BY id;
SELECT advance_rollout('q-agent', at => '2101-04-08 05:00');
SELECT rival('q-agent-v1.5.0', 6);
UPDATE model_evaluations SET predicted_intent = 'intent.q.other'
WHERE version = 'q-agent-v1.4.0' AND intent = 'intent.q.6';
CALL check_rollouts('2101-05-08');
SELECT version, status FROM rollouts WHERE model_type = 'q-agent' ORDER BY id;
SELECT * FROM check_integrity();
SELECT status, error_message FROM job_runs WHERE job_name = 'check_rollouts' AND status <> 'succeeded';

DROP VIEW samples;
DROP FUNCTION answer, rival;
