-- The reply and the user's feedback: by function for applications, by UPDATE for those that may.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET training_workflow.allow_drop = on;
DROP EXTENSION IF EXISTS training_workflow CASCADE;
RESET training_workflow.allow_drop;
RESET client_min_messages;
CREATE EXTENSION training_workflow;
INSERT INTO review_policies (audit_rate_approved, audit_rate_review) VALUES (0, 0);
SELECT setval('conversation_logs_id_seq', 1000);
CREATE ROLE regress_tw_chat;
SELECT grant_training_role('regress_tw_chat', 'capture');
INSERT INTO conversation_logs (id, session_id, user_message, nlu_intent, nlu_confidence, nlu_provider)
    SELECT i, 's' || i, 'message ' || i, 'intent.food.item.search', 0.95, 'indicbert'
    FROM generate_series(501, 508) AS i;
INSERT INTO conversation_logs (id, session_id, user_message, nlu_intent, nlu_confidence, nlu_provider)
    VALUES (509, 's509', 'medium', 'intent.food.item.search', 0.80, 'indicbert');
INSERT INTO conversation_logs (id, session_id, user_message, message_type) VALUES (510, 's510', '[photo]', 'image');

SET ROLE regress_tw_chat;
SELECT record_response(501, 's501', 'Here you are', true, 'opensearch', 'ORD-104233');
SELECT record_response(501, 's501', response_success => false);
SELECT record_feedback(501, 's501', 'positive');
SELECT record_feedback(502, 's502', 'negative');
SELECT record_feedback(503, 's503', NULL, 'I wanted a restaurant');
-- Another session's conversation, and one that does not exist, look alike.
SELECT record_response(502, 's501', 'x');
SELECT record_response(999, 's501', 'x');
SELECT record_feedback(502, 's501', 'negative');
SELECT record_feedback(NULL, 's501', 'negative');
SELECT record_feedback(502, NULL, 'negative');
SELECT record_feedback(504, 's504', 'great');
SELECT record_feedback(504, 's504', NULL);
SELECT record_feedback(504, 's504', NULL, '  ');
UPDATE conversation_logs SET user_feedback = 'negative' WHERE id = 504;
RESET ROLE;
SELECT id, response_text, response_success, routed_to, backend_reference, user_feedback FROM conversation_logs
WHERE id = 501;
SELECT expected_service FROM training_samples WHERE conversation_log_id = 501;
-- Contradicted: queued again with priority 1, the unreviewed sample pending. Agreed: recorded.
SELECT c.id, c.review_status, c.review_priority, c.review_reason, s.review_status AS sample, c.user_feedback,
       c.user_correction
FROM conversation_logs c LEFT JOIN training_samples s ON s.conversation_log_id = c.id WHERE c.id BETWEEN 501 AND 504
ORDER BY c.id;

-- A blank correction erases none.
SELECT record_feedback(503, 's503', 'negative', '');
SELECT user_correction FROM conversation_logs WHERE id = 503;
-- A person's verdict is not overruled: queued again, with the status and the sample that it had.
SELECT approve_conversation(505), reject_conversation(506, 'unclear');
SELECT record_feedback(505, 's505', 'negative'), record_feedback(506, 's506', 'negative', 'listen');
-- A plain UPDATE does the same; the case of the word does not matter, and
-- what is no feedback against the model changes nothing.
UPDATE conversation_logs SET user_feedback = 'Negative' WHERE id IN (507, 509, 510);
UPDATE conversation_logs SET user_feedback = 'meh', response_text = 'x' WHERE id = 508;
SELECT c.id, c.review_status, c.review_priority, c.review_reason, s.review_status AS sample, s.label_source
FROM conversation_logs c LEFT JOIN training_samples s ON s.conversation_log_id = c.id WHERE c.id BETWEEN 505 AND 510
ORDER BY c.id;
SELECT conversation_log_id AS id, action, from_status, to_status, review_priority AS before,
       reviewer = 'regress_tw_chat' AS by_chat, details
FROM review_events WHERE conversation_log_id BETWEEN 501 AND 510 AND action = 'feedback' ORDER BY id;
-- The same feedback again is no news; a second opinion after the verdict is.
SELECT approve_conversation(507);
UPDATE conversation_logs SET user_feedback = 'Negative' WHERE id = 507;
SELECT review_priority FROM conversation_logs WHERE id = 507;
UPDATE conversation_logs SET user_feedback = 'positive' WHERE id = 503;
SELECT review_priority, review_reason FROM conversation_logs WHERE id = 503;
SELECT fix_conversation(503, 'intent.food.restaurant.search');
UPDATE conversation_logs SET user_feedback = 'positive', response_text = 'y' WHERE id = 503;
SELECT review_priority, review_reason FROM conversation_logs WHERE id = 503;

-- Feedback that comes with the INSERT: filtered as ever, queued first, and nothing learned before a person looked.
INSERT INTO conversation_logs (id, session_id, user_message, nlu_intent, nlu_confidence, nlu_provider, user_feedback,
                               user_correction) VALUES
    (521, 's', 'a', 'intent.food.item.search', 0.95, 'indicbert', 'negative', NULL),
    (522, 's', 'b', 'intent.food.item.search', 0.95, 'indicbert', NULL, 'no!'),
    (523, 's', 'c', 'intent.food.item.search', 0.95, 'indicbert', 'positive', ' '),
    (524, 's', 'd', 'intent.food.item.search', 0.80, 'indicbert', 'NEGATIVE', NULL);
SELECT c.id, c.review_status, c.filter_outcome, c.review_priority, c.review_reason, s.review_status AS sample
FROM conversation_logs c LEFT JOIN training_samples s ON s.conversation_log_id = c.id WHERE c.id > 520 ORDER BY c.id;
SELECT sum(positive_feedback) AS positive, sum(negative_feedback) AS negative FROM daily_training_stats;
SELECT * FROM check_integrity();
-- White space alone is trimmed: a vertical tab, not the letter v.
INSERT INTO conversation_logs (id, session_id, user_message, nlu_intent, nlu_confidence, nlu_provider)
VALUES (531, 's', 'tv', 'intent.food.item.search', 0.80, 'indicbert');
SELECT record_feedback(531, 's', NULL, 'v');
SELECT review_priority, review_reason FROM conversation_logs WHERE id = 531;
SELECT fix_conversation(531, E'\x0B vtv.tv \t');
SELECT intent FROM training_samples WHERE conversation_log_id = 531;
DROP OWNED BY regress_tw_chat;
DROP ROLE regress_tw_chat;
