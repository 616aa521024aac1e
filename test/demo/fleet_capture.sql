-- fleet_capture.sql: the conversations of the node :node, about half of the sessions. Run by fleet.sh, in this folder.
\ir demo_conversations.sql
GRANT SELECT ON demo_conversations TO chatbot;
SET ROLE chatbot;
INSERT INTO conversation_logs (session_id, phone_number, user_id, user_message, message_type, message_language,
    nlu_intent, nlu_confidence, nlu_module_type, nlu_provider, nlu_model_version, nlu_entities, nlu_processing_time_ms,
    created_at)
SELECT d.session_id, d.phone_number, d.user_id, d.user_message, d.message_type, d.message_language, n.intent,
       n.confidence, n.module_type, 'indicbert', n.model_version, d.nlu_entities, d.nlu_processing_time_ms,
       now() - d.minutes_ago * interval '1 minute'
FROM demo_conversations d
CROSS JOIN LATERAL classify_intent(d.user_message, version => assign_model_version('router', d.session_id)) n
WHERE d.message_type = 'text' AND (hashtext(d.session_id) & 1) + 1 = :node
ORDER BY d.minutes_ago DESC;
RESET ROLE;
-- What the application hears later, it says to the node that has the conversation.
\o /dev/null
SELECT record_feedback(c.id, c.session_id, 'negative')
FROM conversation_logs c WHERE c.review_status = 'auto-approved' ORDER BY c.id LIMIT 1;
SELECT record_response(c.id, c.session_id, response_text => 'Theek hai.', response_success => true, routed_to => 'php')
FROM conversation_logs c WHERE c.review_status = 'auto-approved';
\o
SELECT :node AS node, min(c.id) AS first_id, count(*) AS conversations,
       count(*) FILTER (WHERE c.review_status = 'auto-approved') AS auto_approved,
       count(*) FILTER (WHERE c.review_status = 'needs-review') AS needs_review,
       count(*) FILTER (WHERE c.is_audit) AS audited,
       (SELECT count(*) FROM training_samples) AS samples
FROM conversation_logs c;
DROP TABLE demo_conversations;
