-- Label conflicts: found by the normalised text, queued, and settled by a person.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET training_workflow.allow_drop = on;
DROP EXTENSION IF EXISTS training_workflow CASCADE;
RESET training_workflow.allow_drop;
RESET client_min_messages;
CREATE EXTENSION training_workflow;
INSERT INTO review_policies (audit_rate_approved, audit_rate_review) VALUES (0, 0);
SELECT setval('conversation_logs_id_seq', 1000);
INSERT INTO review_policies (intent, audit_rate_approved) VALUES ('intent.general.audited', 1);
INSERT INTO conversation_logs (id, session_id, user_message, nlu_intent, nlu_confidence, nlu_provider) VALUES
    (601, 's', 'Hi!', 'intent.general.greeting', 0.95, 'indicbert'),
    (602, 's', 'hi', 'intent.general.greeting', 0.95, 'indicbert'),
    (603, 's', ' HI ', 'intent.general.thanks', 0.95, 'indicbert'),
    (604, 's', 'ok', 'intent.general.acknowledge', 0.95, 'indicbert'),
    (605, 's', 'Ok.', 'intent.ride.booking.create', 0.95, 'indicbert'),
    (606, 's', 'bye', 'intent.general.bye', 0.95, 'indicbert'),
    (607, 's', 'bye', 'intent.general.bye', 0.95, 'indicbert'),
    (608, 's', 'ok', 'intent.general.audited', 0.95, 'indicbert');
-- One hash for two texts is no conflict between them.
INSERT INTO training_samples (text, text_hash, normalizer, intent, review_status) VALUES
    ('one', 77, 1, 'intent.a.x', 'approved'), ('two', 77, 1, 'intent.b.x', 'approved');
SELECT normalized_text, intents, samples, human_labels, settled, settled_intent, sides FROM label_conflicts;

SELECT * FROM queue_label_conflicts();
SELECT id, review_status, review_priority, review_reason FROM conversation_logs ORDER BY id;
SELECT conversation_log_id, action FROM review_events WHERE conversation_log_id BETWEEN 601 AND 608
ORDER BY conversation_log_id;
-- Again: nothing new.
SELECT * FROM queue_label_conflicts();

-- An imported row that says so is nobody's conflict, and stays where it is.
INSERT INTO conversation_logs (id, session_id, user_message, nlu_intent, review_status, review_priority, review_reason)
    VALUES (650, 's', 'y', 'intent.a.b', 'needs-review', 2, 'label conflict');
SELECT * FROM queue_label_conflicts();
-- Three of each side are asked about, however many there are.
INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider)
    SELECT 'many', 'many', CASE i WHEN 1 THEN 'intent.a.x' ELSE 'intent.b.x' END, 0.95, 'indicbert'
    FROM generate_series(1, 50) AS i;
SELECT * FROM queue_label_conflicts();
SELECT * FROM queue_label_conflicts();
SELECT nlu_intent, count(*) FROM conversation_logs WHERE session_id = 'many' AND review_priority IS NOT NULL
GROUP BY 1 ORDER BY 1;
SELECT approve_conversation(min(id)) FROM conversation_logs WHERE session_id = 'many';
SELECT * FROM queue_label_conflicts();
-- A verdict on one side settles it; the others leave the queue.
SELECT approve_conversation(602);
SELECT normalized_text, settled, settled_intent, human_labels FROM label_conflicts;
SELECT * FROM queue_label_conflicts();
SELECT id, review_status, review_priority, review_reason FROM conversation_logs WHERE id <= 603 ORDER BY id;
-- People who disagree settle nothing.
SELECT fix_conversation(601, 'intent.general.thanks');
SELECT normalized_text, settled, settled_intent, human_labels FROM label_conflicts;
-- An audited row stays in the queue for the audit.
SELECT approve_conversation(604);
SELECT * FROM queue_label_conflicts();
SELECT id, review_priority, review_reason FROM conversation_logs WHERE id IN (605, 608) ORDER BY id;
-- A rejected or pending sample is no side.
SELECT reject_conversation(601, 'unclear'), reject_conversation(603, 'unclear');
SELECT normalized_text FROM label_conflicts;
SELECT * FROM check_integrity();
