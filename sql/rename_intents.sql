-- Intents are renamed and merged: what gets the new name, what goes on using the old one, and what is refused.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET training_workflow.allow_drop = on;
DROP EXTENSION IF EXISTS training_workflow CASCADE;
RESET training_workflow.allow_drop;
RESET client_min_messages;
CREATE EXTENSION training_workflow;
SET client_min_messages = warning;
INSERT INTO review_policies (audit_rate_approved, audit_rate_review) VALUES (0, 0);
INSERT INTO review_policies (module_type, intent, review_below, note) VALUES
    (NULL, 'intent.food.find', 0.5, 'a'), ('food', 'intent.food.find', 0.6, 'b'),
    ('quick', 'intent.food.find', 0.4, 'c'), ('food', 'intent.food.look', 0.6, 'd');
SELECT setval('conversation_logs_id_seq', 1000);
INSERT INTO conversation_logs (id, session_id, user_message, nlu_intent, nlu_confidence, nlu_provider, nlu_module_id,
                               nlu_module_type, nlu_model_version) VALUES
    (1, 's', 'find me a dosa', 'intent.food.find', 0.95, 'indicbert', 4, NULL, 'v1'),
    (2, 's', 'find a quick bite', 'intent.food.find', 0.95, 'indicbert', 7, 'quick', 'v1'),
    (3, 's', 'maybe find idli', 'intent.food.find', 0.65, 'indicbert', 4, 'food', 'v1'),
    (4, 's', 'look for vada', 'intent.food.look', 0.95, 'indicbert', NULL, NULL, 'v1'),
    (5, 's', 'hello', 'greet', 0.95, 'indicbert', NULL, NULL, 'v1');
INSERT INTO training_samples (text, intent, module_type, review_status, source, split) VALUES
    ('find thali', 'intent.food.find', 'food', 'approved', 'manual', 'test'),
    ('find me help', 'intent.food.find', 'support', 'approved', 'manual', NULL),
    ('find what', 'intent.food.find', 'food', 'pending', 'synthetic', NULL);
UPDATE training_samples SET model_version_target = 'router-v1.0.0' WHERE text = 'find thali';

-- Refused.
SELECT rename_intent(NULL, 'x');
SELECT rename_intent('intent.food.find', NULL);
SELECT rename_intent('intent.food.find', ' ');
SELECT rename_intent('intent.food.find', ' intent.food.find ');
SELECT rename_intent('intent.food.fnd', 'x');
SELECT rename_intent('intent.food.find', 'intent.food.look');
SELECT set_training_setting('max_message_bytes', '1000');
SELECT rename_intent('greet', repeat('x', 1001));
SELECT set_training_setting('max_message_bytes', '1048576');
SELECT merge_intents('{}', 'x');
SELECT merge_intents(NULL, 'x');
SELECT merge_intents(ARRAY['greet', NULL], 'x');
SELECT merge_intents(ARRAY['greet', 'intent.food.find'], 'intent.food.find');
SELECT merge_intents(ARRAY['greet', 'hello'], 'x');
-- Two policies for the module food would be left.
SELECT merge_intents(ARRAY['intent.food.find'], 'intent.food.look');
SELECT count(*) FROM intent_aliases;

-- Renamed: samples whatever their status, the waiting conversation, the policies. A module that the application or the
-- import named stays; one that followed from the name follows from the new one.
SELECT * FROM rename_intent('intent.food.find', ' intent.shop.search', 'shops, too', 'asha');
SELECT alias, intent, made_by, note, reviewer, session_role = session_user AS by_me FROM intent_aliases;
SELECT text, conversation_log_id AS id, intent, module_type, module_id, review_status, split, model_version_target
FROM training_samples ORDER BY training_samples.id;
SELECT id, nlu_intent, nlu_module_type, review_status, review_priority FROM conversation_logs ORDER BY id;
SELECT module_type, intent, review_below, note FROM review_policies WHERE intent IS NOT NULL ORDER BY note;
SELECT conversation_log_id AS id, sample_id, action, intent, note, from_status, to_status, review_priority AS p,
       review_reason, reviewer, details
FROM review_events ORDER BY 1, 2;

-- The old name goes on being used.
INSERT INTO conversation_logs (id, session_id, user_message, nlu_intent, nlu_confidence, nlu_provider) VALUES
    (11, 's', 'find a samosa', 'intent.food.find', 0.95, 'indicbert'),
    (12, 's', 'find or not', 'intent.food.find', 0.45, 'indicbert')
RETURNING id, nlu_intent, review_status, review_priority, filter_policy_id IS NOT NULL AS by_policy;
SELECT intent, module_type, review_status FROM training_samples WHERE conversation_log_id = 11;
SELECT review_below FROM filter_decision(0.9, 'indicbert', 'intent.food.find', NULL);
SELECT fix_conversation(4, 'intent.food.find'), approve_conversation(1), approve_conversation(3);
SELECT conversation_log_id AS id, action, intent, details FROM review_events WHERE action <> 'relabel' ORDER BY 1;
SELECT id, nlu_intent FROM conversation_logs WHERE id IN (1, 3, 4) ORDER BY id;
SELECT conversation_log_id AS id, intent, label_source FROM training_samples WHERE conversation_log_id IN (1, 3, 4)
ORDER BY 1;
SELECT inserted, existing, conflicting FROM import_training_samples(
    '{"text": "find thali", "intent": "intent.food.find"}
{"text": "find chai", "intent": "intent.food.find"}
{"text": "find chai", "intent": "intent.shop.search"}');
SELECT text, intent, module_type FROM training_samples WHERE text IN ('find thali', 'find chai');
CREATE TABLE old_log (k integer PRIMARY KEY, session text, message text, intent text, status text);
INSERT INTO old_log VALUES (1, 's', 'find rasam', 'intent.food.find', 'approved'), (2, 's', 'find puri',
                                                                                    'intent.food.find', 'pending');
SELECT imported FROM import_conversations('old_log', '{"id": "k", "session_id": "session", "user_message": "message", '
                                          '"nlu_intent": "intent", "review_status": "status"}');
SELECT user_message, nlu_intent, review_status FROM conversation_logs WHERE user_message IN ('find rasam', 'find puri')
ORDER BY 1;
-- A correction is what the user wrote, not an intent.
SELECT record_feedback(5, 's', NULL, 'intent.food.find');
SELECT user_correction FROM conversation_logs WHERE id = 5;

-- A task of Label Studio offers the old name; the answer is taken for the new one.
INSERT INTO labelstudio_projects (server_name, project_id, title) VALUES ('label_studio', 1, 'A project');
INSERT INTO conversation_logs (id, session_id, user_message, nlu_intent, nlu_confidence, nlu_provider)
    SELECT i, 's', 'message ' || i, 'greet', 0.5, 'indicbert' FROM generate_series(21, 23) AS i;
SELECT asked FROM tw_ask_blindly('{22,23}', '{greet,hail}', '{hail,intent.food.look}');
INSERT INTO labelstudio_tasks (project, conversation_log_id, batch_id, status, task_id, pushed_at)
    SELECT p.id, i, gen_random_uuid(), 'open', 100 + i, now() FROM labelstudio_projects p, generate_series(21, 22) AS i;
CREATE FUNCTION answer(conversation bigint, verdict text, chosen text DEFAULT NULL) RETURNS text LANGUAGE sql AS $$
    SELECT tw_labelstudio_judge(t, jsonb_build_object('result', jsonb_build_array(
               jsonb_build_object('from_name', 'verdict', 'value',
                                  jsonb_build_object('choices', jsonb_build_array(verdict))),
               jsonb_build_object('from_name', 'intent', 'value',
                                  jsonb_build_object('choices', jsonb_build_array(chosen))))), 'asha', NULL)
    FROM labelstudio_tasks t WHERE t.conversation_log_id = conversation
$$;
SELECT samples, conversations, policies, open_tasks, locked FROM rename_intent('greet', 'intent.talk.hello');
SELECT conversation_log_id AS id, suggestions FROM blind_reviews ORDER BY 1;
SELECT answer(21, 'fix', 'intent.food.find'), answer(22, 'greet');
SELECT conversation_log_id AS id, action, intent FROM review_events WHERE conversation_log_id IN (21, 22)
    AND action = 'fix' ORDER BY 1;
-- Of one intent now: no question any more.
SELECT samples, conversations, policies FROM merge_intents(ARRAY['intent.food.look'], 'hail');
SELECT id, nlu_intent, review_priority, review_reason FROM conversation_logs WHERE id = 23;
SELECT count(*) FROM blind_reviews WHERE conversation_log_id = 23;

-- Chains are flat, and a name that returns is no former name.
SELECT samples > 0 AS done FROM rename_intent('intent.shop.search', 'intent.shop.find');
SELECT alias, intent FROM intent_aliases ORDER BY 1;
SELECT tw_resolve_intent('intent.food.find'), tw_resolve_intent('other'), tw_resolve_intent(NULL);
SELECT rename_intent('intent.food.find', 'x');
SELECT rename_intent('intent.talk.hello', 'intent.food.find');
SELECT samples > 0 AS done FROM rename_intent('intent.shop.find', 'intent.food.find');
SELECT alias, intent, made_by FROM intent_aliases ORDER BY 1;
SELECT DISTINCT intent, module_type FROM training_samples WHERE text LIKE '%find%' ORDER BY 1, 2;
SELECT module_type, intent, note FROM review_policies WHERE intent IS NOT NULL ORDER BY note;
SELECT samples > 0 AS done FROM merge_intents(ARRAY['intent.food.find', 'intent.talk.hello', 'intent.food.find'],
                                              'intent.one');
SELECT alias, intent, made_by FROM intent_aliases ORDER BY 1;
SELECT problem FROM check_integrity();
INSERT INTO intent_aliases (alias, intent, made_by, reviewer) VALUES ('a', 'intent.food.look', 'rename', 'x');
SELECT problem, found, example FROM check_integrity();
DELETE FROM intent_aliases WHERE alias = 'a';

-- What another transaction wrote with the old name counts as the new one, until the daily job renames it.
INSERT INTO training_samples (text, intent, module_type, review_status, source, split) VALUES
    ('late and old', 'intent.food.find', 'food', 'approved', 'manual', 'train'),
    ('late and tested', 'intent.food.find', 'food', 'approved', 'manual', 'test');
SELECT text, intent FROM training_set() WHERE text = 'late and old';
SELECT text, intent FROM model_test_set() WHERE text = 'late and tested';
SELECT inserted, existing, conflicting FROM import_training_samples('{"text": "late and old", "intent": "intent.one"}');
CALL daily_training_capture();
SELECT details -> 'intents renamed' AS renamed FROM job_runs WHERE job_name = 'daily_training_capture';
SELECT text, intent, module_type FROM training_samples WHERE text LIKE 'late and%';
SELECT sample_id IS NOT NULL AS of_a_sample, details FROM review_events ORDER BY id DESC LIMIT 2;
SELECT renamed, locked FROM tw_settle_intents();

-- Nothing of a rename is left after ROLLBACK, nor of the names after TRUNCATE.
BEGIN;
SELECT samples > 0 AS done FROM rename_intent('intent.one', 'intent.two');
SELECT tw_resolve_intent('intent.one');
ROLLBACK;
SELECT tw_resolve_intent('intent.one'), tw_resolve_intent('greet');
BEGIN;
SAVEPOINT one;
SELECT samples > 0 AS done FROM rename_intent('intent.one', 'intent.two');
ROLLBACK TO one;
SELECT tw_resolve_intent('intent.one');
COMMIT;
TRUNCATE intent_aliases;
SELECT tw_resolve_intent('greet');
-- Also on a replica.
SET session_replication_role = replica;
INSERT INTO intent_aliases (alias, intent, made_by, reviewer) VALUES ('greet', 'intent.one', 'rename', 'x');
SELECT tw_resolve_intent('greet');
RESET session_replication_role;

-- Only operators rename; reviewers and analysts read the view.
CREATE ROLE regress_tw_reviewer;
CREATE ROLE regress_tw_operator;
SELECT grant_training_role('regress_tw_reviewer', 'reviewer'), grant_training_role('regress_tw_operator', 'operator');
SET ROLE regress_tw_reviewer;
SELECT rename_intent('intent.one', 'x');
SELECT merge_intents(ARRAY['intent.one'], 'x');
SELECT count(*) > 0 AS shown FROM intents;
SET ROLE regress_tw_operator;
SELECT samples > 0 AS done FROM rename_intent('intent.one', 'intent.of.operator', NULL, 'asha');
SELECT count(*) FROM intent_aliases;
RESET ROLE;
SELECT revoke_training_role('regress_tw_reviewer', 'reviewer'), revoke_training_role('regress_tw_operator', 'operator');
DROP OWNED BY regress_tw_reviewer, regress_tw_operator;
DROP ROLE regress_tw_reviewer, regress_tw_operator;
DROP TABLE old_log;
DROP FUNCTION answer;
SET training_workflow.allow_drop = on;
DROP EXTENSION training_workflow CASCADE;
