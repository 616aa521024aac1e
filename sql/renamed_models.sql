-- A model from before a rename: it answers with the new names, is scored by them, and nothing has to be trained again.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET training_workflow.allow_drop = on;
DROP EXTENSION IF EXISTS training_workflow CASCADE;
RESET training_workflow.allow_drop;
RESET client_min_messages;
CREATE EXTENSION training_workflow;
SET client_min_messages = warning;
INSERT INTO review_policies (audit_rate_approved, audit_rate_review) VALUES (0, 0);
INSERT INTO training_samples (text, intent, module_type, review_status, source, split)
    SELECT w || ' number ' || md5(w || g), 'intent.' || m || '.' || w, m, 'approved', 'synthetic',
           CASE WHEN g > 20 THEN 'test' ELSE 'train' END
    FROM (VALUES ('track', 'parcel'), ('claim', 'parcel'), ('order', 'food'), ('cancel', 'food')) AS x (w, m),
         generate_series(1, 30) g;
SELECT set_training_setting('min_test_samples', '10');
SELECT version, status FROM train_model();
SELECT status, test_accuracy FROM model_versions;
CREATE TABLE before AS SELECT * FROM classify_intents('order number 5', 4);
SELECT intent, module_type FROM before ORDER BY rank;
SELECT intent, live_samples, human_samples, model_samples, pending_samples, rejected_samples, waiting_conversations,
       policies, test_texts, accuracy, last_seen, aliases FROM intents;

-- Renamed: the same probability, the new name and its module; the test set still counts it as right.
SELECT samples FROM rename_intent('intent.food.order', 'intent.shop.buy');
SELECT new_training_samples(), count(*) FILTER (WHERE model_version_target IS NULL AND split = 'train') AS unlearned
FROM training_samples;
SELECT c.intent, c.module_type, c.confidence = b.confidence AS same
FROM classify_intent('order number 5') c, before b WHERE b.rank = 1;
SELECT intent, test_texts, accuracy, aliases FROM intents WHERE intent = 'intent.shop.buy';
SELECT intent, samples, answered, recall FROM model_intent_scores('router-v1.0.0') ORDER BY 1;
SELECT version, gate_decision, gate_reason FROM train_model();
SELECT samples, first_accuracy, second_accuracy, only_first_right, only_second_right, unanswered
FROM compare_models('router-v1.0.0', 'router-v1.1.0');
SELECT intent FROM classify_intent('order number 5', 'router', 'router-v1.1.0');

-- Merged: one answer with both probabilities, ranked by the sum.
SELECT samples FROM merge_intents(ARRAY['intent.parcel.track', 'intent.parcel.claim'], 'intent.parcel.ask');
SELECT rank, intent, module_type FROM classify_intents('order number 5', 10);
SELECT round(sum(confidence)::numeric, 5) AS total FROM classify_intents('order number 5', 10);
SELECT abs(c.confidence - b.confidence) < 1e-6 AS sum_of_both
FROM classify_intents('order number 5', 10) c,
     (SELECT sum(confidence) AS confidence FROM before WHERE intent LIKE 'intent.parcel.%') b
WHERE c.intent = 'intent.parcel.ask';
SELECT intent, module_type FROM classify_intent('track number 7');
SELECT samples, first_accuracy, second_accuracy FROM compare_models('router-v1.0.0', 'router-v1.1.0');
SELECT intent, samples, answered, recall FROM model_intent_scores('router-v1.0.0') ORDER BY 1;

-- A training that began before the rename ends after it: its samples are learned all the same.
UPDATE training_samples SET model_version_target = NULL WHERE intent = 'intent.food.cancel' AND split = 'train';
SELECT samples FROM rename_intent('intent.food.cancel', 'intent.food.stop');
SELECT marked, unmarked FROM tw_mark_learned('router-v1.1.0', ARRAY(
    SELECT id FROM training_samples WHERE intent = 'intent.food.stop' AND split = 'train' ORDER BY id),
    array_fill('intent.food.cancel'::text, '{20}'));

-- Answers of the past are compared by their present names.
INSERT INTO review_policies (intent, audit_rate_approved, audit_rate_review) VALUES ('intent.a', 1, 1),
    ('intent.b', 1, 1);
INSERT INTO conversation_logs (id, session_id, user_message, nlu_intent, nlu_confidence, nlu_provider)
    SELECT i, 's', 'message ' || i, CASE WHEN i % 2 = 0 THEN 'intent.a' ELSE 'intent.b' END, 0.95, 'indicbert'
    FROM generate_series(1, 60) AS i;
SELECT count(fix_conversation(i, CASE WHEN i > 1 THEN 'intent.a' ELSE 'intent.b' END)) FROM generate_series(1, 60) AS i;
SELECT round(accuracy::numeric, 3) AS accuracy FROM live_accuracy();
SELECT intent, labels, round(accuracy::numeric, 3) AS accuracy FROM live_accuracy(NULL, NULL, '{intent}');
DELETE FROM review_policies WHERE intent = 'intent.b';
SELECT samples FROM merge_intents(ARRAY['intent.a', 'intent.b'], 'intent.c');
SELECT DISTINCT nlu_intent FROM conversation_logs ORDER BY 1;
SELECT round(accuracy::numeric, 3) AS accuracy FROM live_accuracy();
SELECT intent, labels, round(accuracy::numeric, 3) AS accuracy FROM live_accuracy(NULL, NULL, '{intent}');
SELECT intent, live_samples, human_samples, policies, last_seen IS NOT NULL AS seen, aliases FROM intents
WHERE intent LIKE 'intent._';

-- Two labels of one text that have become one contradict each other no more.
UPDATE review_policies SET audit_rate_approved = 0, audit_rate_review = 0;
INSERT INTO conversation_logs (id, session_id, user_message, nlu_intent, nlu_confidence, nlu_provider) VALUES
    (101, 's', 'where to', 'intent.x', 0.95, 'indicbert'), (102, 's', 'Where to?', 'intent.y', 0.95, 'indicbert');
SELECT queued, released FROM queue_label_conflicts();
SELECT samples, conversations FROM merge_intents(ARRAY['intent.x'], 'intent.y');
SELECT count(*) AS conflicts FROM label_conflicts;
SELECT queued, released FROM queue_label_conflicts();
SELECT id, nlu_intent, review_priority, review_status FROM conversation_logs WHERE id > 100 ORDER BY id;

-- A paired evaluation: answers that have become one are no disagreement, and are neither asked about nor counted.
INSERT INTO model_versions (version, model_type, status) VALUES ('a-agent-v1.0.0', 'a-agent', 'production'),
    ('a-agent-v1.1.0', 'a-agent', 'candidate');
INSERT INTO paired_evaluations (model_type, challenger, live_version, first_id, scored_to, approved_rate)
VALUES ('a-agent', 'a-agent-v1.1.0', 'a-agent-v1.0.0', 200, 300, 1);
INSERT INTO conversation_logs (id, session_id, user_message, nlu_intent, nlu_confidence, nlu_provider)
    SELECT i, 's', 'question ' || i, 'intent.p', 0.95, 'indicbert' FROM generate_series(201, 203) AS i;
INSERT INTO paired_disagreements (evaluation_id, conversation_log_id, challenger_intent, live_intent, probability,
                                  is_drawn)
    SELECT p.id, x.id, x.challenger, x.live, 1, true
    FROM paired_evaluations p, (VALUES (201, 'intent.q', 'intent.p'), (202, 'intent.r', 'intent.p'),
                                       (203, 'intent.q', NULL)) AS x (id, challenger, live);
UPDATE paired_disagreements SET asked_at = now() WHERE conversation_log_id = 203;
SELECT asked FROM tw_ask_blindly('{203}', '{intent.q}', '{NULL}');
SELECT fix_conversation(203, 'intent.q');
SELECT conversation_log_id AS id, outcome FROM paired_evaluations p, tw_paired_outcomes(p.id);
INSERT INTO training_samples (text, intent, review_status) VALUES ('some q', 'intent.q', 'approved');
SELECT samples FROM merge_intents(ARRAY['intent.q'], 'intent.p');
SELECT conversation_log_id AS id, outcome FROM paired_evaluations p, tw_paired_outcomes(p.id);
SELECT tw_ask_about_disagreements(p.id) FROM paired_evaluations p;
SELECT conversation_log_id AS id, ARRAY(SELECT unnest(suggestions) ORDER BY 1) AS suggestions FROM blind_reviews
WHERE conversation_log_id IN (201, 202) ORDER BY 1;
DROP TABLE before;
SET training_workflow.allow_drop = on;
DROP EXTENSION training_workflow CASCADE;
