-- Samples without a conversation: they wait in the queue, are claimed and judged by their own id, and a verdict settles
-- what other samples say of their text.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET training_workflow.allow_drop = on;
DROP EXTENSION IF EXISTS training_workflow CASCADE;
RESET training_workflow.allow_drop;
RESET client_min_messages;
CREATE EXTENSION training_workflow;
INSERT INTO review_policies (audit_rate_approved, audit_rate_review) VALUES (0, 0);
CREATE VIEW waiting AS SELECT conversation_log_id AS c, sample_id AS s, review_status, review_priority AS p,
    review_reason, text, intent, label_source FROM training_queue WHERE stage = 'waiting for review';
CREATE VIEW samples AS SELECT id, intent, module_id AS m, module_type, entities, expected_service AS service,
    review_status, review_priority AS p, review_reason, label_source, quality_score AS q, reviewed_by,
    model_version_target AS learned_by FROM training_samples;
CREATE VIEW events AS SELECT sample_id AS s, conversation_log_id AS c, action, reject_reason AS why, intent, note,
    from_status AS was, to_status AS became, review_priority AS p, review_reason, reviewer, details FROM review_events;

-- An import found that two people contradict one another: both sides wait, one of them live.
INSERT INTO training_samples (id, text, intent, module_id, review_status, label_source, quality_score, reviewed_by,
                              model_version_target, review_priority, review_reason, entities, expected_service) VALUES
    (1, 'cancel kar do, 98765 43210', 'intent.food.order.track', 4, 'approved', 'human', 1, 'importer', NULL, 2,
     'label conflict', '[{"start": 0, "end": 6, "label": "verb"}]', 'php'),
    (2, 'Cancel kar do, 98765 43210!', 'intent.food.order.cancel', 4, 'pending', 'human', 1, NULL, NULL, 2,
     'label conflict', NULL, NULL),
    (3, 'something else', 'intent.a.b', NULL, 'approved', 'human', 1, 'importer', NULL, NULL, NULL, NULL, NULL);
SELECT setval('training_samples_id_seq', 100);
UPDATE training_samples SET module_type = 'food' WHERE id < 3;
SELECT * FROM waiting ORDER BY s;
SELECT normalized_text, intents, samples, human_labels, settled, jsonb_pretty(sides) AS sides FROM label_conflicts;
SELECT review_priority, review_reason, waiting, claimed, reviewed FROM review_backlog;
SELECT regexp_replace(line, ' since .*', '') FROM regexp_split_to_table(training_workflow_status(), E'\n') AS line
WHERE line LIKE 'queue %';

-- A person decides: the newer one is right. The other is rejected, with an event; both leave the queue.
SELECT approve_sample(2, 'seen the chat', 'asha');
SELECT * FROM samples WHERE id < 3 ORDER BY id;
SELECT * FROM events ORDER BY s;
SELECT * FROM waiting;
SELECT count(*) FROM label_conflicts;
SELECT text, intent FROM training_samples WHERE review_status = 'approved' ORDER BY id;
SELECT review_priority, review_reason, waiting, reviewed FROM review_backlog;
SELECT reviewer, verdicts, approved FROM reviewer_activity;
-- A verdict can be changed: the newest stands.
INSERT INTO model_versions (version, model_type) VALUES ('router-v1.0.0', 'router');
UPDATE training_samples SET model_version_target = 'router-v1.0.0' WHERE id = 2;
SELECT fix_sample(1, ' intent.parcel.shipment.track ',
                  '[{"start": 15, "end": 26, "label": "phone", "value": "98765 43210"}]', NULL, 'ravi');
SELECT * FROM samples WHERE id < 3 ORDER BY id;
SELECT * FROM events WHERE s IS NOT NULL AND reviewer = 'ravi' ORDER BY s;
-- Taken back: everything is as before the first verdict on it, and what it had settled waits as well.
SELECT withdraw_sample_verdict(1, 'too fast', 'ravi');
SELECT * FROM samples WHERE id < 3 ORDER BY id;
SELECT sample_id AS s, action, from_status AS was, to_status AS became FROM review_events ORDER BY id;
SELECT withdraw_sample_verdict(1);
SELECT * FROM check_integrity();
SELECT reject_sample(1, 'no-such-intent', NULL, 'asha'), reject_samples('{2,2}', 'unclear');
SELECT * FROM samples WHERE id < 3 ORDER BY id;

-- A sample of a conversation: the verdict is on the conversation.
INSERT INTO conversation_logs (id, session_id, user_message, nlu_intent, nlu_confidence, nlu_provider) VALUES
    (501, 's', 'momos?', 'intent.food.item.search', 0.95, 'indicbert'),
    (502, 's', 'track it', 'intent.food.order.track', 0.95, 'indicbert'),
    (503, 's', 'thanks', 'intent.general.thanks', 0.95, 'indicbert');
UPDATE training_samples SET id = 200 + conversation_log_id WHERE conversation_log_id IS NOT NULL;
SELECT approve_sample(701), fix_sample(702, 'intent.parcel.shipment.track', NULL, 'a parcel'),
       reject_sample(703, 'unclear');
SELECT id, review_status FROM conversation_logs ORDER BY id;
SELECT conversation_log_id AS c, action, intent, sample_id FROM review_events
WHERE conversation_log_id IS NOT NULL ORDER BY 1;
-- Its label is approved, not the prediction that a person had replaced.
SELECT approve_sample(702);
SELECT action, intent FROM review_events WHERE conversation_log_id = 502 ORDER BY id DESC LIMIT 1;
SELECT withdraw_sample_verdict(702);
SELECT review_status, review_priority FROM conversation_logs WHERE id = 502;
SELECT approve_samples('{3,701}', 'both kinds');
SELECT sample_id, conversation_log_id, action FROM review_events WHERE note = 'both kinds' ORDER BY id;

-- Conversations in the conflict: one that agrees leaves the queue, one that disagrees waits for its own verdict.
INSERT INTO conversation_logs (id, session_id, user_message, nlu_intent, nlu_confidence, nlu_provider) VALUES
    (511, 's', 'mera order', 'intent.food.order.track', 0.95, 'indicbert'),
    (512, 's', 'Mera order', 'intent.food.order.cancel', 0.95, 'indicbert');
UPDATE conversation_logs SET review_priority = 2, review_reason = 'label conflict' WHERE id IN (511, 512);
SELECT approve_conversations('{511,512}');
UPDATE conversation_logs SET review_priority = 2, review_reason = 'label conflict' WHERE id IN (511, 512);
INSERT INTO training_samples (id, text, intent, review_status, label_source, review_priority, review_reason) VALUES
    (20, 'mera order', 'intent.food.order.cancel', 'pending', 'human', 2, 'label conflict');
-- The search for conflicts leaves them there: they are not settled.
SELECT * FROM queue_label_conflicts();
SELECT c, s, intent FROM waiting WHERE review_reason = 'label conflict' ORDER BY 1, 2;
SELECT approve_sample(20);
SELECT c, s, intent FROM waiting WHERE review_reason = 'label conflict' ORDER BY 1, 2;
SELECT settled, human_labels FROM label_conflicts;
SELECT reject_conversation(511, 'unclear');
SELECT settled, human_labels FROM label_conflicts;

-- Refused, and nothing of the call stays.
SELECT count(*) AS events FROM review_events \gset
INSERT INTO training_samples (id, text, intent, review_status) VALUES
    (30, ' ', 'intent.a.b', 'pending'), (31, repeat('x', 3000), 'intent.a.b', 'pending'),
    (32, 'no label', ' ', 'pending'),
    (33, 'one text', 'intent.a.b', 'pending'), (34, 'One text', 'intent.a.c', 'pending');
SELECT set_training_setting('max_message_bytes', '2000');
SELECT approve_sample(999);
SELECT approve_samples(ARRAY[3, 999, 998]);
SELECT approve_sample(NULL);
SELECT approve_samples(ARRAY[3, NULL]);
SELECT reject_samples(NULL, 'unclear');
SELECT approve_sample(30);
SELECT fix_sample(31, 'intent.a.b');
SELECT approve_sample(32);
SELECT approve_samples('{33,34}');
SELECT fix_sample(3, NULL);
SELECT fix_sample(3, 'intent.a.b', '5');
SELECT fix_sample(3, repeat('x', 3000));
SELECT reject_sample(3, 'bad');
SELECT approve_sample(3, NULL, ' ');
SELECT withdraw_sample_verdict(33);
SELECT withdraw_sample_verdict(999);
SELECT withdraw_sample_verdict(NULL);
SELECT count(*) = :events AS nothing_stayed FROM review_events;
-- What may be done with them.
SELECT set_training_setting('max_message_bytes', NULL);
SELECT reject_samples('{30,31}', 'unclear'), fix_sample(32, 'intent.a.b'), approve_sample(34);

-- Claims, and who may judge.
CREATE ROLE regress_tw_reviewer;
CREATE ROLE regress_tw_second;
CREATE ROLE regress_tw_capture;
SELECT grant_training_role('regress_tw_reviewer', 'reviewer'), grant_training_role('regress_tw_second', 'reviewer'),
       grant_training_role('regress_tw_capture', 'capture');
UPDATE training_samples SET review_priority = 2, review_reason = 'label conflict' WHERE id IN (3, 33, 34);
SET ROLE regress_tw_reviewer;
SELECT conversation_log_id AS c, sample_id AS s, text, intent, confidence AS q, review_reason,
       expires_at > now() AS held
FROM claim_reviews(100) WHERE sample_id IS NOT NULL;
RESET ROLE;
SELECT review_reason, waiting, claimed FROM review_backlog WHERE review_reason = 'label conflict';
SELECT count(*) FROM claim_reviews(100, '1 minute', 'somebody') WHERE sample_id IS NOT NULL;
SET ROLE regress_tw_second;
DO $$
BEGIN
    PERFORM approve_sample(33);
EXCEPTION WHEN object_in_use THEN
    RAISE NOTICE '%', regexp_replace(SQLERRM, 'until .*', 'until ...');
END
$$;
SELECT approve_sample(3, NULL, 'another');
SELECT release_reviews();
SET ROLE regress_tw_reviewer;
SELECT release_reviews(sample_ids => '{34}');
SELECT approve_sample(33);
SELECT release_reviews('{}');
RESET ROLE;
SET ROLE regress_tw_capture;
SELECT approve_sample(3);
SELECT count(*) FROM training_samples;
RESET ROLE;
SELECT sample_id, reviewer FROM review_claims WHERE sample_id IS NOT NULL;
-- Somebody else's import changed the label meanwhile: not what the reviewer was shown.
INSERT INTO review_events (sample_id, action, reviewer, calling_role, details)
VALUES (3, 'relabel', 'importer', 'importer', '{"import": 1, "previous_intent": "intent.a.b"}');
UPDATE training_samples SET intent = 'intent.a.other' WHERE id = 3;
SET ROLE regress_tw_reviewer;
SELECT approve_sample(3);
SELECT fix_sample(3, 'intent.a.b');
RESET ROLE;
-- A quarter of a batch, where conversations wait as well.
UPDATE training_samples SET review_priority = 3, review_reason = 'label conflict' WHERE conversation_log_id IS NULL;
INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider)
    SELECT 'q', 'message ' || i, 'intent.a.b', 0.5, 'indicbert' FROM generate_series(1, 20) AS i;
SELECT count(conversation_log_id) AS conversations, count(sample_id) AS samples
FROM claim_reviews(8, '1 minute', 'first');
DELETE FROM review_claims;

-- What imports of 0.1.0 left behind, and labels of models that contradict one another, end up in the queue.
TRUNCATE training_samples;
INSERT INTO training_samples (id, text, intent, review_status, label_source, updated_at) VALUES
    (41, 'left behind', 'intent.a.b', 'approved', 'human', '2026-01-01'),
    (42, 'Left behind', 'intent.a.c', 'pending', 'human', '2026-01-01'),
    (43, 'alone', 'intent.a.b', 'pending', 'human', '2026-01-01');
INSERT INTO training_samples (text, intent, review_status, label_source)
    SELECT 'two models', CASE i % 2 WHEN 0 THEN 'intent.a.b' ELSE 'intent.a.c' END, 'approved', 'model'
    FROM generate_series(1, 10) AS i;
SELECT problem, found FROM check_integrity() WHERE problem ~ 'pending';
SELECT * FROM queue_label_conflicts();
SELECT * FROM queue_label_conflicts();
SELECT intent, label_source, text, review_reason, count(*) FROM waiting
WHERE s IS NOT NULL AND c IS NULL GROUP BY 1, 2, 3, 4 ORDER BY 3, 1;
SELECT approve_sample(min(id)) FROM training_samples WHERE text = 'two models' AND intent = 'intent.a.b';
SELECT review_status, intent, count(*), count(review_priority) AS waiting FROM training_samples
WHERE text = 'two models' GROUP BY 1, 2 ORDER BY 2;
SELECT problem, found FROM check_integrity() WHERE problem ~ 'pending';

-- The first rows are read without the others.
TRUNCATE training_samples;
INSERT INTO training_samples (text, intent, review_status, label_source, review_priority, review_reason)
    SELECT 'bulk ' || i, 'intent.a.b', 'pending', 'human', 2, 'label conflict' FROM generate_series(1, 3000) AS i;
ANALYZE training_samples, conversation_logs;
CREATE FUNCTION rows_read(query text) RETURNS TABLE (index_name text, few boolean) LANGUAGE plpgsql AS $$
DECLARE
    plan jsonb;
BEGIN
    EXECUTE 'EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF, FORMAT json) ' || query INTO plan;
    RETURN QUERY
    WITH RECURSIVE nodes (node) AS (
        SELECT plan -> 0 -> 'Plan'
        UNION ALL
        SELECT c FROM nodes n, jsonb_array_elements(n.node -> 'Plans') AS c
    )
    SELECT n.node ->> 'Index Name', (n.node ->> 'Actual Rows')::numeric <= 11 FROM nodes n
    WHERE n.node ->> 'Index Name' LIKE '%\_queue\_idx' ORDER BY 1;
END
$$;
SELECT * FROM rows_read('SELECT * FROM training_queue LIMIT 10');
DROP FUNCTION rows_read;
DROP VIEW waiting, samples, events;
DROP OWNED BY regress_tw_reviewer, regress_tw_second, regress_tw_capture;
DROP ROLE regress_tw_reviewer, regress_tw_second, regress_tw_capture;

-- A person's verdict on a conversation says something else than the sample that was approved: it is asked about again.
SELECT set_training_setting('second_opinion_rate', '0') IS NOT NULL AS off;
INSERT INTO conversation_logs (id, session_id, user_message, nlu_intent, nlu_confidence, nlu_provider)
    VALUES (7001, 'again', 'eta words here', 'intent.food.find', 0.95, 'indicbert');
SELECT approve_conversation(7001, reviewer => 'asha');
SELECT conflicting FROM import_training_samples('{"text": "eta words here", "intent": "intent.drink.find"}');
SELECT approve_conversation(7001, reviewer => 'asha');
SELECT review_priority, review_reason FROM conversation_logs WHERE id = 7001;
SELECT approve_sample(max(id), reviewer => 'chitra') FROM training_samples WHERE text = 'eta words here';
SELECT review_priority, review_reason FROM conversation_logs WHERE id = 7001;
SELECT queued, released FROM queue_label_conflicts();
SELECT review_priority, review_reason FROM conversation_logs WHERE id = 7001;
