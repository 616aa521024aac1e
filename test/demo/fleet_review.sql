-- fleet_review.sql: at the hub, what came from the nodes is reviewed, and learned. Run by fleet.sh, in this folder.
SELECT c.id >> 43 AS node, count(*) AS conversations,
       count(*) FILTER (WHERE c.filter_outcome = 'auto-approved') AS auto_approved,
       count(*) FILTER (WHERE c.is_audit) AS audited, count(s.id) AS samples,
       count(*) FILTER (WHERE c.user_feedback = 'negative' AND c.review_priority IS NOT NULL) AS feedback_waits
FROM conversation_logs c LEFT JOIN training_samples s ON s.conversation_log_id = c.id
GROUP BY 1 ORDER BY 1;

\echo '== People review what waits, of both nodes: approve and fix'
-- The demo plays the reviewers, and so has to know what is right.
\ir demo_conversations.sql
CREATE TEMP TABLE truth AS
SELECT c.id, c.nlu_intent = t.true_intent AS is_right, t.true_intent
FROM conversation_logs c
JOIN (SELECT d.session_id, d.user_message, min(d.true_intent) AS true_intent FROM demo_conversations d
      WHERE d.true_intent IS NOT NULL GROUP BY 1, 2) t USING (session_id, user_message)
WHERE c.review_priority IS NOT NULL AND c.nlu_intent IS NOT NULL;
SELECT 'approve_conversations' AS call,
       approve_conversations(array_agg(t.id), 'as predicted', 'demo reviewer') AS conversations
FROM truth t WHERE t.is_right
UNION ALL
SELECT 'fix_conversation', sum(fix_conversation(t.id, t.true_intent, NULL, NULL, 'demo reviewer'))
FROM truth t WHERE NOT t.is_right;
DROP TABLE demo_conversations;
SELECT round(100 * a.accuracy::numeric, 1) AS live_accuracy, round(100 * a.lower::numeric, 1) AS lower,
       round(100 * a.upper::numeric, 1) AS upper, a.labels
FROM live_accuracy() a;

\echo '== The next version learns from them; it has to beat the live one on the same test samples'
SELECT version, status, gate_decision AS gate, round(test_accuracy::numeric, 3) AS accuracy,
       round(base_accuracy::numeric, 3) AS live_accuracy, test_samples, training_samples
FROM train_model();
