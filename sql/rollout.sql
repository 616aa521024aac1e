-- Rollouts: what may start, advance and go back, what a look sees, what it decides, and what is left written down.
-- Times lie in 2101: a change is never before the one that came earlier,
-- and models are registered now. So they are allowed to.
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

-- Candidates that the gate passed, without the test set that this would need; those that follow a live version say so.
CREATE FUNCTION passed(version text, base text DEFAULT NULL, created timestamptz DEFAULT now()) RETURNS text
    LANGUAGE sql AS $$
    SELECT register_model(version, regexp_replace(version, '-v[0-9.]+$', ''));
    UPDATE model_versions m SET gate_decision = 'passed', gate_reason = 'better than ' || coalesce(base, 'nothing'),
                                base_version = base, created_at = created
    WHERE m.version = $1 RETURNING m.version;
$$;
-- Messages of as many sessions; the first "bad" of them failed.
CREATE FUNCTION talk(version text, sessions text, amount integer, "at" timestamptz, bad integer DEFAULT 0,
                     feedback text DEFAULT NULL, ms integer DEFAULT 20,
                     provider text DEFAULT 'indicbert') RETURNS bigint LANGUAGE sql AS $$
    WITH i AS (
        INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider,
                                       nlu_model_version, response_success, user_feedback,
                                       nlu_processing_time_ms, created_at)
        SELECT sessions || g, 'veg pizza', 'intent.food.item.search', 0.95, provider, version, g > bad, feedback, ms,
               "at" FROM generate_series(1, amount) g
        RETURNING 1)
    SELECT count(*) FROM i;
$$;
-- Bounds and evidence are the business of sequential_comparison() and sample_ratio_check().
CREATE FUNCTION plain(reason text) RETURNS text LANGUAGE sql AS $$
    SELECT regexp_replace(regexp_replace(reason, 'at least [0-9.]+ points', 'at least N points', 'g'),
                          'evidence [0-9.]+ to', 'evidence N to', 'g')
$$;
CREATE VIEW changes AS
    SELECT model_type, version, previous_version,
           concat_ws(' -> ', from_status || ' ' || from_percentage, to_status || ' ' || to_percentage) AS change,
           CASE actor WHEN session_user THEN 'SESSION USER' ELSE actor END AS actor, plain(reason) AS reason,
           created_at AS at
    FROM model_deployments WHERE created_at > '2101-01-01' ORDER BY id;
CREATE VIEW figures AS
    SELECT r.version, f.number, f.value ->> 'metric' AS metric, f.value ->> 'kind' AS kind,
           f.value ->> 'canary' AS canary, f.value ->> 'production' AS production,
           f.value ->> 'canary_units' AS cu, f.value ->> 'production_units' AS pu,
           f.value ->> 'design_effect' AS effect, f.value ->> 'verdict' AS verdict,
           f.value ->> 'alpha' AS alpha, k.at, l.step, l.percentage, l.canary_units, l.production_units
    FROM (VALUES ('2101-02-02 00:00+00'::timestamptz), ('2101-02-03 00:00+00')) AS k (at), rollouts r,
         tw_look_at_rollout(r.id, k.at) l, jsonb_array_elements(l.metrics) WITH ORDINALITY f (value, number);

-- Settings.
SELECT set_training_setting('rollout_steps', '25,10,100');
SELECT set_training_setting('rollout_steps', '10,x,100');
SELECT set_training_setting('rollout_steps', '10,101');
SELECT set_training_setting('rollout_steps', '10,50');
SELECT set_training_setting('rollout_steps', '');
SELECT set_training_setting('rollout_steps', '0,100');
SELECT set_training_setting('rollout_alpha', '0.6');
SELECT set_training_setting('rollout_alpha', '0');
SELECT set_training_setting('rollout_alpha', 'NaN');
SELECT set_training_setting('rollout_margin', '-0.01');
SELECT set_training_setting('rollout_margin', '1.01');
SELECT set_training_setting('rollout_min_units', '4');
SELECT set_training_setting('rollout_min_hours', '-1');
SELECT set_training_setting('rollout_latency_ratio', '0.9');
SELECT name, value FROM list_training_settings() WHERE name ~ '^rollout|^rollback' ORDER BY name COLLATE "C";
-- Which steps fit the traffic is the business of rollout_steps.sql.
SELECT set_training_setting('rollout_steps', '10,10,25,50,100');

-- What cannot start.
SELECT * FROM start_rollout('router-v1.0.0');
SELECT * FROM start_rollout(NULL);
SELECT passed('router-v1.0.0');
SELECT * FROM start_rollout('router-v1.0.0');
SELECT promote_model('router-v1.0.0', 'the first');
SELECT * FROM start_rollout('router-v1.0.0');
SELECT register_model('router-v1.1.0', 'router');
SELECT * FROM start_rollout('router-v1.1.0');
SELECT * FROM start_rollout('router-v1.1.0', ' ');
UPDATE model_versions SET gate_decision = 'undecided', gate_reason = 'too few test samples: 3 of at least 200'
WHERE version = 'router-v1.1.0';
SELECT * FROM start_rollout('router-v1.1.0', '');
\set VERBOSITY terse
SELECT * FROM start_rollout('router-v1.1.0', 'in the past', '2001-01-01');
SELECT * FROM start_rollout('router-v1.1.0', 'at no time', 'infinity');
\set VERBOSITY default
INSERT INTO model_versions (version, model_type, status)
VALUES ('router-v0.1.0', 'router', 'rejected'), ('router-v0.2.0', 'router', 'retired');
SELECT * FROM start_rollout('router-v0.1.0', 'I know better');
SELECT * FROM start_rollout('router-v0.2.0', 'once more');
-- A store for models is configured, and this one is not in it.
CREATE SERVER store FOREIGN DATA WRAPPER training_workflow_s3 OPTIONS (
    endpoint 'http://127.0.0.1:1', bucket 'training');
CREATE USER MAPPING FOR PUBLIC SERVER store OPTIONS (access_key_id 'key', secret_access_key 'secret');
SELECT * FROM start_rollout('router-v1.1.0', 'it is urgent');
DROP SERVER store CASCADE;
SELECT * FROM advance_rollout('router');
SELECT * FROM advance_rollout('rooter');
SELECT * FROM advance_rollout(NULL);
SELECT * FROM rollback_rollout('router', 'nothing to return to');
SELECT * FROM rollback_rollout('rooter', 'typing');
SELECT * FROM rollback_rollout(NULL, 'nothing');
SELECT * FROM live_model_at('rooter');
SELECT * FROM live_model_at(NULL);
SELECT count(*) FROM rollouts;
SELECT * FROM changes;

-- By hand, all the way up.
SELECT * FROM start_rollout('router-v1.1.0', 'a trial', '2101-02-01 00:00+00');
SELECT version, status, traffic_percentage FROM model_versions WHERE model_type = 'router' AND traffic_percentage > 0
ORDER BY version;
SELECT count(*) FILTER (WHERE assign_model_version('router',
                                                   's' || g) = 'router-v1.1.0') BETWEEN 900 AND 1100 AS a_tenth,
       count(DISTINCT assign_model_version('router', 's' || g)) AS versions,
       bool_and((assign_model_version('router', 's' || g) = 'router-v1.1.0')
                    = (rollout_bucket('router-v1.1.0', 's' || g) < 1000)) AS as_the_buckets_say
FROM generate_series(1, 10000) g;
SELECT model_type, version, previous_version, status, step, steps, traffic_percentage, verdict, why,
       minimum_detectable_loss FROM rollout_status;
SELECT register_model('router-v1.2.0', 'router');
SELECT * FROM start_rollout('router-v1.2.0', 'me too');
SELECT promote_model('router-v1.2.0', 'me too');
SELECT * FROM start_rollout('router-v1.1.0', 'again');
SELECT advance_rollout('router', 'too early', '2101-01-31 23:59:59+00');
SELECT rollback_rollout('router', 'too early', '2101-01-31 23:59:59+00');
SELECT rollback_rollout('router', '');
SELECT rollback_rollout('router', NULL);
SELECT advance_rollout('router', NULL, '2101-02-02 00:00+00');
SELECT advance_rollout('router', 'looks good', '2101-02-03 00:00+00');
-- Somebody else saw the same, a second later.
SELECT advance_rollout('router', 'looks good', '2101-02-03 00:00:01+00', only_from => 10);
SELECT advance_rollout('router', 'looks good', '2101-02-04 00:00+00');
SELECT version, status, traffic_percentage FROM model_versions WHERE model_type = 'router' AND traffic_percentage > 0
ORDER BY version;
SELECT advance_rollout('router', 'looks good', '2101-02-05 00:00+00');
SELECT version, status, traffic_percentage, retired_at FROM model_versions
WHERE model_type = 'router' AND status IN ('production', 'canary', 'retired') ORDER BY version;
SELECT advance_rollout('router', 'further', '2101-02-06 00:00+00');
SELECT status, step_times, promoted_at, ended_at, end_reason FROM rollouts;
SELECT status, step, traffic_percentage, in_step_since FROM rollout_status;
SELECT * FROM changes;
-- Everybody has it; while it is watched, going back reinstates the one before.
SELECT DISTINCT assign_model_version('router', 's' || g) FROM generate_series(1, 1000) g;
SELECT * FROM rollback_rollout('router', 'people complain', '2101-02-07 00:00+00');
SELECT DISTINCT assign_model_version('router', 's' || g) FROM generate_series(1, 1000) g;
SELECT version, status, traffic_percentage, retired_at FROM model_versions
WHERE version IN ('router-v1.0.0', 'router-v1.1.0') ORDER BY version;
SELECT status, promoted_at, ended_at, end_reason FROM rollouts;
SELECT version, previous_version, change, actor, reason, at FROM changes OFFSET 6;
-- Two people see the same trouble: the second one has to say that the version which answers now is meant.
SELECT * FROM rollback_rollout('router', 'people complain', '2101-02-08 00:00+00');
SELECT * FROM rollback_rollout('router', 'people complain', '2101-02-08 00:00+00', only_version => 'router-v1.1.0');
SELECT * FROM rollback_rollout('router', 'people complain', '2101-02-08 00:00+00', only_version => 'router-v1.0.0');
SELECT * FROM start_rollout('router-v1.1.0', ' ');
-- It is written down, for good.
UPDATE model_deployments SET reason = 'never happened';
DELETE FROM model_deployments;
TRUNCATE model_deployments;

-- What was live when.
SELECT t AS at, l.* FROM unnest(ARRAY['2000-01-01', '2101-01-31 23:59:59', '2101-02-01', '2101-02-03', '2101-02-04',
                                      '2101-02-04 23:59:59.999999', '2101-02-05',
        '2101-02-06 23:59:59', '2101-02-07', 'infinity']::timestamptz[]) t,
        LATERAL (SELECT version, since > '2101-01-01' AS later, reason, canary_version, canary_percentage
    FROM live_model_at('router', t)) l ORDER BY t;
SELECT version, canary_version FROM live_model_at('router', NULL);

-- A rollback of a canary; and long after the watch; and of one that came by promote_model().
SELECT set_training_setting('rollback_watch', '0');
SELECT set_training_setting('rollout_steps', '50,100');
SELECT * FROM start_rollout('router-v1.2.0', 'a trial', '2101-03-01 00:00+00');
SELECT * FROM rollback_rollout('router', E'no "good":\n\\', '2101-03-01 01:00+00');
SELECT passed('router-v1.3.0', 'router-v1.0.0');
SELECT traffic_percentage, steps FROM start_rollout('router-v1.3.0', at => '2101-03-02 00:00+00');
SELECT advance_rollout('router', at => '2101-03-03 00:00+00');
SELECT version, status, ended_at, end_reason FROM rollouts ORDER BY id;
SELECT * FROM rollback_rollout('router', 'found out in summer', '2101-07-01 00:00+00');
SELECT version, status, ended_at, end_reason FROM rollouts ORDER BY id;
-- The first step has all sessions.
SELECT set_training_setting('rollout_steps', '100');
SELECT set_training_setting('rollback_watch', '2');
SELECT passed('router-v1.4.0', 'router-v1.0.0');
SELECT previous_version, traffic_percentage, steps FROM start_rollout('router-v1.4.0', at => '2101-07-02 00:00+00');
CALL check_rollouts('2101-07-03 00:00+00');
CALL check_rollouts('2101-07-04 00:00+00');
SELECT step, traffic_percentage, verdict, reason, canary_units, production_units, metrics, checked_at
FROM rollout_checks ORDER BY id;
SELECT version, previous_version, change, actor, reason, at FROM changes WHERE at >= '2101-03-01';
SELECT version, status, why, ended_at FROM rollout_status;
SELECT * FROM check_integrity();

-- What a look sees: sessions by step and by the arm of their first message there.
SELECT set_training_setting('rollout_steps', '50,50,100');
SELECT register_model('a-agent-v1.0.0', 'a-agent', 'production'), register_model('a-agent-v1.1.0', 'a-agent');
SELECT rollout_id IS NOT NULL AS started FROM start_rollout('a-agent-v1.1.0', 'figures', '2101-02-01 00:00+00');
INSERT INTO conversation_logs (session_id, created_at, nlu_model_version, nlu_provider, response_success, user_feedback,
                               user_correction, nlu_processing_time_ms, user_message, nlu_intent, nlu_confidence)
SELECT x.*, 'hello', 'intent.a.b', 0.95 FROM (VALUES
    -- Talking since before: a unit of the comparison, but no new session.
    ('old', '2101-01-31 12:00+00'::timestamptz, 'a-agent-v1.0.0', 'indicbert', true, NULL, NULL, 10),
    ('old', '2101-02-01 10:00+00', 'a-agent-v1.1.0', 'indicbert', true, 'positive', NULL, 20),
    -- Too long ago to matter.
    ('older', '2101-01-30 23:59+00', 'a-agent-v1.0.0', 'indicbert', true, NULL, NULL, NULL),
    ('older', '2101-02-01 00:00+00', 'a-agent-v1.0.0', 'indicbert', true, NULL, 'no, the other', 30),
    ('canary', '2101-02-01 01:00+00', 'a-agent-v1.1.0', 'indicbert', true, NULL, NULL, 40),
    ('canary', '2101-02-01 02:00+00', 'a-agent-v1.1.0', 'indicbert', false, 'NEGATIVE', NULL, 50),
    ('fallback', '2101-02-01 03:00+00', 'a-agent-v1.1.0', 'LLM', NULL, NULL, NULL, NULL),
    -- Was given both: it stays with the first one.
    ('both', '2101-02-01 04:00+00', 'a-agent-v1.0.0', 'indicbert', true, NULL, NULL, 60),
    ('both', '2101-02-01 05:00+00', 'a-agent-v1.1.0', 'llm', false, NULL, NULL, 70),
    ('nobody', '2101-02-01 06:00+00', 'a-agent-v1.0.0', NULL, NULL, 'meh', NULL, 80),
    -- Crosses into the second step, at its first moment, and changes its arm.
    ('crossing', '2101-02-01 23:59:59.999+00', 'a-agent-v1.0.0', 'indicbert', true, NULL, NULL, 90),
    ('crossing', '2101-02-02 00:00+00', 'a-agent-v1.1.0', 'indicbert', false, NULL, NULL, 100),
    ('second', '2101-02-02 12:00+00', 'a-agent-v1.0.0', 'indicbert', true, NULL, NULL, 110),
    -- None of ours, and not yet.
    ('other', '2101-02-01 08:00+00', 'a-agent-v0.9.0', 'indicbert', false, NULL, NULL, 1),
    ('other', '2101-02-01 08:00+00', NULL, 'indicbert', false, NULL, NULL, 1),
    ('late', '2101-02-03 00:00+00', 'a-agent-v1.1.0', 'indicbert', false, NULL, NULL, 1)) AS x;
SELECT metric, canary, production, cu, pu, effect, verdict, alpha, step, percentage, canary_units, production_units
FROM figures WHERE version = 'a-agent-v1.1.0' AND at = '2101-02-02' ORDER BY number;
SELECT advance_rollout('a-agent', 'figures', '2101-02-02 00:00+00');
SELECT m.step, m.session_id, m.is_canary, m.latency_ms, m.is_success, m.is_own_answer, m.is_complaint
FROM rollouts r, tw_rollout_messages(r.id, '2101-02-03 00:00+00') m WHERE r.version = 'a-agent-v1.1.0'
ORDER BY m.created_at, m.id;
SELECT metric, cu, pu, effect, verdict, step, canary_units, production_units
FROM figures WHERE version = 'a-agent-v1.1.0' AND at = '2101-02-03' ORDER BY number;
-- New sessions are 2 and 4 in the first step, and 0 and 1 in the second.
SELECT l.sample_ratio_evidence = q.evidence AS same_evidence, q.observed_share
FROM rollouts r, tw_look_at_rollout(r.id, '2101-02-03 00:00+00') l, sample_ratio_check('{2,0}', '{4,1}', '{0.5,0.5}') q
WHERE r.version = 'a-agent-v1.1.0';
-- From elsewhere it looks the same.
SET timezone = 'Etc/GMT+12';
SELECT count(*) FROM rollouts r, tw_rollout_messages(r.id, '2101-02-03 00:00+00') m WHERE r.version = 'a-agent-v1.1.0';
SET timezone = 'Etc/GMT-14';
SELECT count(*) FROM rollouts r, tw_rollout_messages(r.id, '2101-02-03 00:00+00') m WHERE r.version = 'a-agent-v1.1.0';
SET timezone = 'UTC';

-- Labels: of audited messages alone, each with its weight, by the newest verdict. Rows as a dump brings them.
INSERT INTO conversation_logs (id, session_id, created_at, nlu_model_version, user_message, nlu_intent, nlu_confidence,
                               nlu_provider, is_training_candidate, review_status,
                               review_priority, review_reason, filter_outcome, filtered_at, is_audit,
                               selection_probability)
SELECT -x.number, 'label ' || x.number, '2101-02-01 09:00+00',
       CASE WHEN x.number > 10 THEN 'a-agent-v1.0.0' ELSE 'a-agent-v1.1.0' END, 'hello', 'intent.a.b', 0.5, 'indicbert',
       true, 'needs-review', 1, 'low confidence', 'needs-review', '2101-02-01 09:00+00', x.is_audit, x.probability
FROM (VALUES (1, true, 0.1), (2, true, 0.5), (3, true, 0.5), (4, true, 0.25), (5, true, 0.25), (6, true, 0.1),
             (7, true, 0.5), (8, false, 0.1), (9, true, 0.1),
             (10, true, 0.000000001), (11, true, 0.2), (12, true, 0.05)) AS x (number, is_audit, probability);
SELECT approve_conversation(id) FROM (VALUES (-1), (-6), (-7), (-8), (-10), (-12)) AS x (id);
SELECT fix_conversation(id, intent)
FROM (VALUES (-2, 'intent.a.c'), (-3, 'intent.a.b'), (-7, 'intent.a.c'), (-11, 'intent.a.c')) AS x (id, intent);
SELECT reject_conversation(id, reason) FROM (VALUES (-4, 'unclear'), (-5, 'no-such-intent')) AS x (id, reason);
SELECT withdraw_verdict(-6);
SELECT -m.id AS number, m.label_weight AS weight, m.is_right
FROM rollouts r, tw_rollout_messages(r.id, '2101-02-03 00:00+00') m
WHERE r.version = 'a-agent-v1.1.0' AND m.session_id LIKE 'label %' ORDER BY m.id DESC;
-- 12 of 20: approved 10 and fixed to the same 2 are right, fixed 2 and 2
-- and no such intent 4 are wrong. Of the other 20 of 25.
SELECT metric, canary, cu, production, pu FROM figures
WHERE version = 'a-agent-v1.1.0' AND at = '2101-02-02' AND number = 1;
SELECT rollback_rollout('a-agent', 'seen enough', '2101-02-04 00:00+00');

-- Sessions that last over both steps count for less: these are all told
-- twice, and so the effect is 2. Of others it is 1.
SELECT register_model('b-agent-v1.0.0', 'b-agent', 'production'), register_model('b-agent-v1.1.0', 'b-agent');
SELECT rollout_id IS NOT NULL AS started FROM start_rollout('b-agent-v1.1.0', 'figures', '2101-02-01 00:00+00');
SELECT advance_rollout('b-agent', 'figures', '2101-02-02 00:00+00');
SELECT talk('b-agent-v1.1.0', 'c', 200, '2101-02-01 01:00+00', 50),
       talk('b-agent-v1.0.0', 'p', 200, '2101-02-01 01:00+00', 20),
       talk('b-agent-v1.1.0', 'c', 200, '2101-02-02 01:00+00', 50),
       talk('b-agent-v1.0.0', 'p', 200, '2101-02-02 01:00+00', 20);
SELECT metric, canary, production, cu, pu, effect, canary_units, production_units
FROM figures WHERE version = 'b-agent-v1.1.0' AND at = '2101-02-03' ORDER BY number;
-- What the test is handed: 200 sessions a step and arm, which count as 100.
SELECT f.value ->> 'lower' = round(q.lower::numeric, 6)::text
       AND f.value ->> 'upper' = round(q.upper::numeric, 6)::text AS same_bounds, q.difference,
       f.value ->> 'verdict' = q.verdict AS same_verdict
FROM rollouts r, tw_look_at_rollout(r.id, '2101-02-03 00:00+00') l, jsonb_array_elements(l.metrics) f,
     sequential_comparison('{200,200}', '{200,200}', '{150,150}', '{200,200}', '{150,150}', '{150,150}', '{200,200}',
                           '{200,200}', '{180,180}', '{200,200}', '{180,180}', '{180,180}', 0.05 / 3, 0.02,
                           design_effect => 2) q
WHERE r.version = 'b-agent-v1.1.0' AND f ->> 'metric' = 'failure rate';
UPDATE conversation_logs SET session_id = session_id || ' again'
WHERE nlu_model_version LIKE 'b-%' AND created_at >= '2101-02-02';
SELECT f.value ->> 'design_effect' AS effect, f.value ->> 'lower' = round(q.lower::numeric, 6)::text
       AND f.value ->> 'upper' = round(q.upper::numeric, 6)::text AS same_bounds
FROM rollouts r, tw_look_at_rollout(r.id, '2101-02-03 00:00+00') l, jsonb_array_elements(l.metrics) f,
     sequential_comparison('{200,200}', '{200,200}', '{150,150}', '{200,200}', '{150,150}', '{150,150}', '{200,200}',
                           '{200,200}', '{180,180}', '{200,200}', '{180,180}', '{180,180}', 0.05 / 3, 0.02) q
WHERE r.version = 'b-agent-v1.1.0' AND f ->> 'metric' = 'failure rate';
SELECT rollback_rollout('b-agent', 'seen enough', '2101-02-04 00:00+00');

-- A canary that fails nearly always is seen, also where sessions come back and hardly any of them succeeds.
SELECT register_model('g-agent-v1.0.0', 'g-agent', 'production'), register_model('g-agent-v1.1.0', 'g-agent');
SELECT rollout_id IS NOT NULL AS started FROM start_rollout('g-agent-v1.1.0', 'figures', '2101-02-01 00:00+00');
SELECT advance_rollout('g-agent', 'figures', '2101-02-02 00:00+00');
SELECT talk('g-agent-v1.1.0', 'c', 300, '2101-02-01 01:00+00', 20),
       talk('g-agent-v1.0.0', 'p', 300, '2101-02-01 01:00+00', 20),
       talk('g-agent-v1.1.0', 'c', 100, '2101-02-02 01:00+00', 100),
       talk('g-agent-v1.0.0', 'p', 100, '2101-02-02 01:00+00', 20),
       talk('g-agent-v1.1.0', 'cc', 900, '2101-02-02 01:00+00', 899),
       talk('g-agent-v1.0.0', 'pp', 900, '2101-02-02 01:00+00', 20);
CALL check_rollouts('2101-02-02 12:00+00');
SELECT verdict, split_part(reason, ':', 1) AS reason FROM rollout_checks WHERE version = 'g-agent-v1.1.0';

-- What a check decides. A loss comes before everything else.
SELECT set_training_setting('rollout_steps', '50,100');
SELECT count(register_model('c-agent-v1.' || g || '.0', 'c-agent',
                            CASE g WHEN 0 THEN 'production' ELSE 'candidate' END)) FROM generate_series(0, 9) g;
SELECT traffic_percentage FROM start_rollout('c-agent-v1.1.0', 'loses', '2101-03-01 00:00+00');
SELECT talk('c-agent-v1.1.0', 'c1.1 ', 300, '2101-03-01 01:00+00', 150, 'negative', 100),
       talk('c-agent-v1.0.0', 'p1.1 ', 3000, '2101-03-01 01:00+00');
CALL check_rollouts('2101-03-01 02:00+00');
SELECT step, traffic_percentage, verdict, plain(reason) AS reason, canary_units, production_units,
       sample_ratio_evidence > 1000 AS unlikely_shares, checked_at
FROM rollout_checks WHERE version = 'c-agent-v1.1.0' ORDER BY id;
SELECT f.value ->> 'metric' AS metric, f.value ->> 'kind' AS kind, f.value ->> 'verdict' = 'worse' AS is_worse
FROM rollout_checks k, jsonb_array_elements(k.metrics) WITH ORDINALITY f (value, number)
                                                       WHERE k.version = 'c-agent-v1.1.0' ORDER BY number;
SELECT version, status, plain(why) AS why, ended_at FROM rollout_status WHERE version = 'c-agent-v1.1.0';
SELECT c.*, (d.figures ->> 'check')::bigint = k.id AND d.figures -> 'metrics' = k.metrics AS has_the_figures
FROM changes c JOIN model_deployments d ON d.version = c.version AND d.created_at = c.at
JOIN rollout_checks k ON k.version = c.version
WHERE c.version = 'c-agent-v1.1.0' AND c.actor = 'check_rollouts';
SELECT DISTINCT assign_model_version('c-agent', 's' || g) FROM generate_series(1, 1000) g;
-- Nothing to look at any more.
CALL check_rollouts('2101-03-01 03:00+00');
SELECT count(*) FROM rollout_checks WHERE version = 'c-agent-v1.1.0';

-- Hours and sessions.
SELECT traffic_percentage FROM start_rollout('c-agent-v1.2.0', 'takes its time', '2101-04-01 00:00+00');
SELECT talk('c-agent-v1.2.0', 'c1.2 ', 49, '2101-04-01 01:00+00'),
       talk('c-agent-v1.0.0', 'p1.2 ', 51, '2101-04-01 01:00+00');
CALL check_rollouts('2101-04-01 02:00+00');
CALL check_rollouts('2101-04-02 00:00+00');
SELECT talk('c-agent-v1.2.0', 'c1.2 too ', 1, '2101-04-01 23:59+00');
CALL check_rollouts('2101-04-01 23:59:30+00');
SELECT verdict, reason, checked_at FROM rollout_checks WHERE version = 'c-agent-v1.2.0' ORDER BY id;
SELECT status, step, verdict, why, minimum_detectable_loss FROM rollout_status WHERE version = 'c-agent-v1.2.0';
-- A look at a time before the step began is an error of that run, and of nothing else.
CALL check_rollouts('2101-03-31 23:59+00');
SELECT status, error_code, error_message FROM job_runs WHERE job_name = 'check_rollouts' ORDER BY id DESC LIMIT 1;
-- Nobody has reviewed anything, and that does not hold it.
CALL check_rollouts('2101-04-02 00:00+00');
SELECT verdict, reason FROM rollout_checks WHERE version = 'c-agent-v1.2.0' ORDER BY id DESC LIMIT 1;
SELECT version, status, promoted_at FROM rollouts WHERE version = 'c-agent-v1.2.0';
-- Watched for two days.
CALL check_rollouts('2101-04-03 23:59+00');
CALL check_rollouts('2101-04-04 00:00+00');
SELECT verdict, reason, canary_units, production_units, checked_at FROM rollout_checks WHERE version = 'c-agent-v1.2.0'
ORDER BY id DESC LIMIT 2;
SELECT status, verdict, why, ended_at FROM rollout_status WHERE version = 'c-agent-v1.2.0';

-- Sessions get lost on the way.
SELECT traffic_percentage FROM start_rollout('c-agent-v1.3.0', 'loses sessions', '2101-05-01 00:00+00');
SELECT talk('c-agent-v1.3.0', 'c1.3 ', 100, '2101-05-01 01:00+00'),
       talk('c-agent-v1.2.0', 'p1.3 ', 300, '2101-05-01 01:00+00');
CALL check_rollouts('2101-05-02 01:00+00');
SELECT verdict, plain(reason) AS reason, sample_ratio_evidence > 1000 AS unlikely_shares FROM rollout_checks
WHERE version = 'c-agent-v1.3.0';
SELECT rollback_rollout('c-agent', 'sessions are lost', '2101-05-03 00:00+00');

-- Signals: slower, and complaints.
SELECT traffic_percentage FROM start_rollout('c-agent-v1.4.0', 'is slow', '2101-06-01 00:00+00');
SELECT talk('c-agent-v1.4.0', 'c1.4 ', 200, '2101-06-01 01:00+00', ms => 31),
       talk('c-agent-v1.2.0', 'p1.4 ', 200, '2101-06-01 01:00+00', ms => 20);
CALL check_rollouts('2101-06-02 01:00+00');
SELECT set_training_setting('rollout_latency_ratio', '1.55');
SELECT talk('c-agent-v1.4.0', 'c1.4 annoys ', 300, '2101-06-01 01:00+00', 0, 'negative', 31),
       talk('c-agent-v1.2.0', 'p1.4 more ', 300, '2101-06-01 01:00+00');
CALL check_rollouts('2101-06-02 02:00+00');
SELECT verdict, plain(reason) AS reason FROM rollout_checks WHERE version = 'c-agent-v1.4.0' ORDER BY id;
SELECT rollback_rollout('c-agent', 'it annoys', '2101-06-03 00:00+00');

-- A loss that is small is shown to be small, where that is asked for; what the application does not report is not.
SELECT set_training_setting('rollout_require_noninferiority', 'on');
SELECT traffic_percentage FROM start_rollout('c-agent-v1.5.0', 'about the same', '2101-07-01 00:00+00');
SELECT talk('c-agent-v1.5.0', 'c1.5 ', 150, '2101-07-01 01:00+00', 15),
       talk('c-agent-v1.2.0', 'p1.5 ', 150, '2101-07-01 01:00+00', 15);
CALL check_rollouts('2101-07-02 01:00+00');
-- The margin of a rollout is that of its beginning.
SELECT set_training_setting('rollout_margin', '0.6');
CALL check_rollouts('2101-07-02 02:00+00');
-- Whether no fallback in 150 sessions shows enough is not the question here.
SELECT verdict, replace(reason, ', fallback rate', '') AS reason FROM rollout_checks WHERE version = 'c-agent-v1.5.0'
ORDER BY id;
SELECT rollback_rollout('c-agent', 'once more', '2101-07-03 00:00+00');
SELECT traffic_percentage FROM start_rollout('c-agent-v1.6.0', 'about the same', '2101-08-01 00:00+00');
SELECT talk('c-agent-v1.6.0', 'c1.6 ', 150, '2101-08-01 01:00+00', 15),
       talk('c-agent-v1.2.0', 'p1.6 ', 150, '2101-08-01 01:00+00', 15);
CALL check_rollouts('2101-08-02 01:00+00');
SELECT verdict, reason FROM rollout_checks WHERE version = 'c-agent-v1.6.0' ORDER BY id;
SELECT set_training_setting('rollout_require_noninferiority', NULL), set_training_setting('rollout_margin', NULL),
       set_training_setting('rollout_latency_ratio', NULL);

-- All sessions, and then people find out that it is wrong: the one before returns.
CALL check_rollouts('2101-08-05 00:00+00');
INSERT INTO review_policies (audit_rate_approved, audit_rate_review) VALUES (1, 1);
SELECT traffic_percentage FROM start_rollout('c-agent-v1.7.0', 'is wrong', '2101-09-01 00:00+00');
SELECT talk('c-agent-v1.7.0', 'c1.7 ', 200, '2101-09-01 01:00+00'),
       talk('c-agent-v1.6.0', 'p1.7 ', 200, '2101-09-01 01:00+00', provider => 'llm');
CALL check_rollouts('2101-09-02 01:00+00');
SELECT count(CASE WHEN nlu_model_version = 'c-agent-v1.7.0'
                       AND id % 2 = 0 THEN fix_conversation(id, 'intent.food.other') ELSE approve_conversation(id) END)
FROM conversation_logs WHERE created_at = '2101-09-01 01:00+00';
CALL check_rollouts('2101-09-02 02:00+00');
SELECT verdict, plain(reason) AS reason FROM rollout_checks WHERE version = 'c-agent-v1.7.0' ORDER BY id;
SELECT version, status, promoted_at, ended_at, plain(end_reason) AS end_reason FROM rollouts
WHERE version = 'c-agent-v1.7.0';
SELECT version, previous_version, change, actor, reason, at FROM changes WHERE at >= '2101-09-01';
SELECT version, since, plain(reason) AS reason FROM live_model_at('c-agent', '2101-09-03');
-- And what the versions did in production, measured within the hour.
SELECT version, status, traffic_percentage, production_accuracy, production_conversations, fallback_rate,
       p50_latency_ms, p95_latency_ms, production_computed_at
FROM model_performance_comparison WHERE version IN ('c-agent-v1.6.0', 'c-agent-v1.7.0') ORDER BY version;
CALL check_rollouts('2101-09-02 02:02+00');
SELECT version, production_accuracy, production_accuracy_lower BETWEEN 0.4 AND 0.5
       AND production_accuracy_upper BETWEEN 0.5 AND 0.6 AS has_interval, production_computed_at
FROM model_performance_comparison WHERE version IN ('c-agent-v1.6.0', 'c-agent-v1.7.0') ORDER BY version;

-- A person's promotion goes back, too.
SELECT register_model('d-agent-v1.0.0', 'd-agent', 'production'), register_model('d-agent-v1.1.0', 'd-agent');
SELECT promote_model('d-agent-v1.1.0', 'in a hurry');
SELECT * FROM rollback_rollout('d-agent', 'too much of a hurry');
SELECT version, status, traffic_percentage FROM model_versions WHERE model_type = 'd-agent' ORDER BY version;

-- By itself: the newest one that passed, while auto_deploy is on, and nothing else is rolled out or watched.
SELECT set_training_setting('auto_deploy', 'off');
SELECT register_model('e-agent-v1.0.0', 'e-agent', 'production');
SELECT passed('e-agent-v1.9.0', 'e-agent-v1.0.0', '2020-01-01'),
       passed('e-agent-v1.10.0', 'e-agent-v1.0.0', '2020-01-02'),
       passed('e-agent-v1.2.0', 'e-agent-v1.0.0', '2020-01-01'),
       register_model('e-agent-v1.11.0', 'e-agent');
CALL check_rollouts('2101-10-01 00:00+00');
SELECT count(*) FROM rollouts WHERE model_type = 'e-agent';
SELECT set_training_setting('auto_deploy', NULL);
CALL check_rollouts('2101-10-01 01:00+00');
SELECT version, previous_version, status, why, started_by, started_at FROM rollout_status WHERE model_type = 'e-agent';
SELECT version, status, retired_at FROM model_versions WHERE model_type = 'e-agent' ORDER BY created_at, version;
SELECT version, change, actor, reason, at FROM changes WHERE model_type = 'e-agent';
SELECT passed('e-agent-v1.12.0', 'e-agent-v1.0.0', '2020-01-03');
CALL check_rollouts('2101-10-01 02:00+00');
SELECT version, status, why FROM rollout_status WHERE model_type = 'e-agent';
SELECT advance_rollout('e-agent', at => '2101-10-02 00:00+00');
CALL check_rollouts('2101-10-03 00:00+00');
SELECT version, status, why FROM rollout_status WHERE model_type = 'e-agent';
-- It passed against another one: the gate looks again before it goes on, and here has nothing to decide with.
CALL check_rollouts('2101-10-04 00:00+00');
SELECT version, status, gate_decision, gate_reason, base_version FROM model_versions WHERE version = 'e-agent-v1.12.0';
SELECT count(*) FROM rollouts WHERE model_type = 'e-agent';
SELECT details FROM job_runs WHERE job_name = 'check_rollouts' ORDER BY id DESC LIMIT 1;
SELECT DISTINCT status, error_message FROM job_runs WHERE job_name = 'check_rollouts' ORDER BY status;

-- A few milliseconds are no reason to hold, however many times the others they are.
SELECT register_model('h-agent-v1.0.0', 'h-agent', 'production'),
       count(register_model('h-agent-v1.' || g || '.0', 'h-agent')) FROM generate_series(1, 4) g;
SELECT traffic_percentage FROM start_rollout('h-agent-v1.1.0', 'is quick', '2101-10-05 00:00+00');
SELECT talk('h-agent-v1.1.0', 'c1.1 ', 200, '2101-10-05 01:00+00', ms => 1),
       talk('h-agent-v1.0.0', 'p1.1 ', 200, '2101-10-05 01:00+00', ms => 0);
CALL check_rollouts('2101-10-06 00:00+00');
SELECT k.verdict, k.reason, f.value ->> 'canary' AS canary, f.value ->> 'production' AS production,
       f.value ->> 'verdict' AS latency
FROM rollout_checks k, jsonb_array_elements(k.metrics) f
WHERE k.version = 'h-agent-v1.1.0' AND f.value ->> 'metric' = 'latency p95';
SELECT rollback_rollout('h-agent', 'seen enough', '2101-10-07 00:00+00');

-- A look that fails holds, says so, and is mended with what it failed of.
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    RAISE EXCEPTION USING ERRCODE = 'TW001', MESSAGE = 'refused by the test';
END $$;
CREATE TRIGGER refuse BEFORE INSERT ON model_deployments FOR EACH ROW WHEN (NEW.actor = 'check_rollouts')
    EXECUTE FUNCTION refuse();
SELECT traffic_percentage FROM start_rollout('h-agent-v1.2.0', 'loses', '2101-10-08 00:00+00');
SELECT talk('h-agent-v1.2.0', 'c1.2 ', 300, '2101-10-08 01:00+00', 200),
       talk('h-agent-v1.0.0', 'p1.2 ', 300, '2101-10-08 01:00+00');
CALL check_rollouts('2101-10-08 02:00+00');
SELECT step, traffic_percentage, verdict, reason, canary_units, production_units, metrics, checked_at
FROM rollout_checks WHERE version = 'h-agent-v1.2.0';
SELECT status, verdict, why FROM rollout_status WHERE version = 'h-agent-v1.2.0';
SELECT status, error_code, error_message FROM job_runs WHERE job_name = 'check_rollouts' ORDER BY id DESC LIMIT 1;
DROP TRIGGER refuse ON model_deployments;
DROP FUNCTION refuse();
CALL check_rollouts('2101-10-08 03:00+00');
SELECT verdict, split_part(reason, ' ', 1) AS metric FROM rollout_checks WHERE version = 'h-agent-v1.2.0' ORDER BY id;
SELECT version, status FROM rollouts WHERE version = 'h-agent-v1.2.0';

-- An application that keeps a session's version deals the old ones by an earlier share. Old sessions never fail here
-- and new ones often do, with either version: where both are one stratum, a third of the canary's fail and a seventh of
-- the others.
SELECT set_training_setting('rollout_steps', '10,50,100');
SELECT traffic_percentage FROM start_rollout('h-agent-v1.3.0', 'is as good', '2101-10-10 00:00+00');
SELECT talk('h-agent-v1.3.0', 'c1.3 ', 100, '2101-10-10 01:00+00', 10),
       talk('h-agent-v1.0.0', 'p1.3 ', 900, '2101-10-10 01:00+00', 90);
SELECT advance_rollout('h-agent', 'figures', '2101-10-11 00:00+00');
SELECT talk('h-agent-v1.3.0', 'c1.3 ', 100, '2101-10-11 01:00+00'),
       talk('h-agent-v1.0.0', 'p1.3 ', 900, '2101-10-11 01:00+00'),
       talk('h-agent-v1.3.0', 'c1.3 new ', 500, '2101-10-11 01:00+00', 200),
       talk('h-agent-v1.0.0', 'p1.3 new ', 500, '2101-10-11 01:00+00', 200);
SELECT m.is_canary, count(*) AS messages, count(*) FILTER (WHERE NOT m.is_success) AS failed
FROM rollouts r, tw_rollout_messages(r.id, '2101-10-12 00:00+00') m WHERE r.version = 'h-agent-v1.3.0' AND m.step = 2
GROUP BY 1 ORDER BY 1;
CALL check_rollouts('2101-10-12 00:00+00');
SELECT k.verdict, k.reason, k.canary_units, k.production_units,
       f.value ->> 'canary' = f.value ->> 'production' AS same_rates,
       (f.value ->> 'difference')::numeric = 0 AS no_difference, f.value ->> 'verdict' AS failures
FROM rollout_checks k, jsonb_array_elements(k.metrics) f
WHERE k.version = 'h-agent-v1.3.0' AND f.value ->> 'metric' = 'failure rate';
SELECT rollback_rollout('h-agent', 'seen enough', '2101-10-13 00:00+00');

-- Blanks are no reason; what there is to say is written down instead.
SELECT passed('h-agent-v1.5.0', 'h-agent-v1.0.0');
SELECT traffic_percentage FROM start_rollout('h-agent-v1.5.0', E' \t\n', '2101-10-14 00:00+00');
SELECT advance_rollout('h-agent', E' \u00a0', '2101-10-15 00:00+00');
SELECT version, change, reason FROM changes WHERE version = 'h-agent-v1.5.0';
SELECT reason IS NULL AS has_none FROM rollouts WHERE version = 'h-agent-v1.5.0';
SELECT rollback_rollout('h-agent', 'seen enough', '2101-10-16 00:00+00');

-- A rollout that begins in the future waits for it; whoever looks now is told.
SELECT traffic_percentage FROM start_rollout('h-agent-v1.4.0', 'a typing error', '2151-10-14 00:00+00');
CALL check_rollouts();
SELECT verdict, reason FROM rollout_checks WHERE version = 'h-agent-v1.4.0';
-- In a test that passes the time in, it is no future.
CALL check_rollouts('2151-10-14 01:00+00');
SELECT verdict, reason FROM rollout_checks WHERE version = 'h-agent-v1.4.0' ORDER BY id DESC LIMIT 1;
SELECT rollback_rollout('h-agent', 'the year is wrong', '2151-10-15 00:00+00');
-- One that has all sessions counts none any more.
SELECT set_training_setting('rollout_steps', '100');
SELECT register_model('h-agent-v1.6.0', 'h-agent');
SELECT traffic_percentage FROM start_rollout('h-agent-v1.6.0', 'a typing error again', '2151-10-16 00:00+00');
CALL check_rollouts();
SELECT verdict, reason FROM rollout_checks WHERE version = 'h-agent-v1.6.0';
SELECT rollback_rollout('h-agent', 'the year is wrong', '2151-10-17 00:00+00');
SELECT set_training_setting('rollout_steps', '50,100');

-- Who may.
CREATE ROLE regress_rollout_operator;
CREATE ROLE regress_rollout_analyst;
CREATE ROLE regress_rollout_capture;
CREATE ROLE regress_rollout_reviewer;
SELECT grant_training_role('regress_rollout_operator', 'operator'),
       grant_training_role('regress_rollout_analyst', 'analyst'),
       grant_training_role('regress_rollout_capture', 'capture'),
       grant_training_role('regress_rollout_reviewer', 'reviewer');
SELECT r AS role, f AS function, has_function_privilege('regress_rollout_' || r, f::regprocedure, 'EXECUTE') AS may
FROM unnest(ARRAY['operator', 'analyst', 'capture',
                  'reviewer']) WITH ORDINALITY AS x (r, i), unnest(ARRAY['start_rollout(text, text, timestamptz)',
    'advance_rollout(text, text, timestamptz, integer)', 'rollback_rollout(text, text, timestamptz, text)',
    'check_rollouts(timestamptz)', 'assign_model_version(text, text)',
    'live_model_at(text, timestamptz)']) WITH ORDINALITY AS y (f, j) ORDER BY i, j;
SELECT register_model('e-agent-v1.13.0', 'e-agent');
SET ROLE regress_rollout_operator;
SELECT traffic_percentage FROM start_rollout('e-agent-v1.13.0', 'by the operator', '2101-11-01 00:00+00');
CALL check_rollouts('2101-11-01 01:00+00');
SELECT version, why FROM rollout_status WHERE version = 'e-agent-v1.13.0';
SELECT count(*) FROM rollout_checks WHERE version = 'e-agent-v1.13.0';
SELECT * FROM rollback_rollout('e-agent', 'by the operator', '2101-11-01 02:00+00');
UPDATE rollouts SET status = 'finished';
SELECT tw_start_rollout('e-agent-v1.11.0', 'past the front door', NULL, 'somebody else');
SET ROLE regress_rollout_analyst;
SELECT version, status, why FROM rollout_status WHERE version = 'e-agent-v1.13.0';
SELECT version FROM live_model_at('e-agent', '2101-11-01 01:00+00');
SELECT count(*) FROM rollouts;
SELECT * FROM rollback_rollout('c-agent', 'by an analyst');
SET ROLE regress_rollout_capture;
SELECT assign_model_version('e-agent', 'somebody');
SELECT * FROM rollout_status;
CALL check_rollouts();
SET ROLE regress_rollout_reviewer;
SELECT * FROM start_rollout('e-agent-v1.11.0', 'by a reviewer');
RESET ROLE;
SET client_min_messages = warning;
DROP OWNED BY regress_rollout_operator, regress_rollout_analyst, regress_rollout_capture, regress_rollout_reviewer;
RESET client_min_messages;
DROP ROLE regress_rollout_operator, regress_rollout_analyst, regress_rollout_capture, regress_rollout_reviewer;

-- What the tables refuse, and what check_integrity() finds.
SELECT * FROM check_integrity();
SELECT model_type, sum(traffic_percentage) FROM model_versions GROUP BY model_type
HAVING sum(traffic_percentage) <> 100;
\set VERBOSITY terse
INSERT INTO rollouts (model_type, version, previous_version, steps, alpha, margin, step_times, started_at)
SELECT 'a-agent', 'a-agent-v' || n || '.0.0', 'a-agent-v1.0.0', '{50,100}', 0.05, 0.02, ARRAY[now()], now()
FROM generate_series(7, 8) n;
INSERT INTO rollouts (model_type, version, previous_version, steps, alpha, margin, step_times, started_at)
VALUES ('a-agent', 'a-agent-v7.0.0', 'a-agent-v1.0.0', '{50,101}', 0.05, 0.02, ARRAY[now()], now());
INSERT INTO rollouts (model_type, version, previous_version, steps, alpha, margin, step_times, started_at)
VALUES ('a-agent', 'a-agent-v7.0.0', 'a-agent-v1.0.0', '{50,100}', 0.05, 0.02, '{}', now());
INSERT INTO rollouts (model_type, version, previous_version, steps, alpha, margin, step_times, started_at)
VALUES ('a-agent', 'a-agent-v7.0.0', 'a-agent-v1.0.0', '{50,100}', 0.6, 0.02, ARRAY[now()], now());
UPDATE rollouts SET version = 'a-agent-v1.1.0' WHERE version = 'b-agent-v1.1.0';
UPDATE rollouts SET status = 'running' WHERE version = 'b-agent-v1.1.0';
\set VERBOSITY default
INSERT INTO rollouts (id, model_type, version, previous_version, steps, alpha, margin, step_times, started_at)
VALUES (1000, 'a-agent', 'a-agent-v7.0.0', 'a-agent-v6.0.0', '{50,100}', 0.05, 0.02, ARRAY[now()], now());
INSERT INTO rollout_checks (id, rollout_id, model_type, version, step, traffic_percentage, verdict, reason,
                            canary_units, production_units, metrics)
VALUES (1000, -1, 'a-agent', 'a-agent-v7.0.0', 1, 50, 'hold', '', 0, 0, '[]');
INSERT INTO model_versions (version, model_type, status, traffic_percentage)
VALUES ('b-agent-v1.2.0', 'b-agent', 'canary', 10);
SELECT problem, relation, found, hint FROM check_integrity() ORDER BY problem COLLATE "C", relation COLLATE "C";

DROP VIEW changes, figures;
DROP FUNCTION passed, talk, plain;
