-- Blind tasks in Label Studio: what they offer, what an answer means, and that no other task takes such an answer.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET training_workflow.allow_drop = on;
DROP EXTENSION IF EXISTS training_workflow CASCADE;
RESET training_workflow.allow_drop;
RESET client_min_messages;
CREATE EXTENSION training_workflow;
SET client_min_messages = warning;
INSERT INTO review_policies (audit_rate_approved, audit_rate_review) VALUES (0, 0);
INSERT INTO labelstudio_projects (server_name, project_id, title) VALUES ('label_studio', 1, 'A project');
INSERT INTO conversation_logs (id, session_id, user_message, nlu_intent, nlu_confidence, nlu_provider)
    SELECT i, 's', 'message ' || i, 'intent.a.live', 0.5, 'indicbert' FROM generate_series(1, 7) AS i;
SELECT asked
FROM tw_ask_blindly('{1,2,3,4,5,6}', array_fill('intent.a.challenger'::text, '{6}'), array_fill(''::text, '{6}'));
SELECT jsonb_path_query_array(tw_labelstudio_verdicts(suggestions, true), '$[*].value') AS offered
FROM blind_reviews WHERE conversation_log_id = 1;
INSERT INTO labelstudio_tasks (project, conversation_log_id, batch_id, status, task_id, pushed_at)
    SELECT p.id, i, gen_random_uuid(), 'open', 100 + i, now() FROM labelstudio_projects p, generate_series(1, 7) AS i;
CREATE FUNCTION answer(conversation bigint, verdict text, new_intent text DEFAULT NULL) RETURNS text LANGUAGE sql AS $$
    SELECT tw_labelstudio_judge(t, jsonb_build_object('result', jsonb_build_array(
               jsonb_build_object('from_name', 'verdict', 'value',
                                  jsonb_build_object('choices', jsonb_build_array(verdict))),
               jsonb_build_object('from_name', 'new_intent', 'value',
                                  jsonb_build_object('text', jsonb_build_array(new_intent))))), 'asha', NULL)
    FROM labelstudio_tasks t WHERE t.conversation_log_id = conversation
$$;
SELECT answer(1, 'intent.a.challenger') AS chosen, answer(2, 'no answer') AS no_answer,
       answer(3, 'another intent', 'intent.a.third') AS third,
       answer(4, 'no such intent') AS none, answer(5, 'unclear') AS unclear;
SELECT conversation_log_id AS id, action, intent, reject_reason, review_reason FROM review_events
WHERE action <> 'disagreement' ORDER BY 1;
\set VERBOSITY terse
SELECT answer(6, 'intent.a.live');
SELECT answer(6, 'approve');
SELECT answer(7, 'intent.a.challenger');
SELECT answer(7, 'unclear');
\set VERBOSITY default
-- Nobody needs the answer any more, and somebody has the task before them: it is taken all the same.
SELECT tw_withdraw_blind('{6}') AS withdrawn;
SELECT review_priority, review_reason FROM conversation_logs WHERE id = 6;
SELECT answer(6, 'intent.a.challenger') AS chosen;
SELECT action, intent, review_reason FROM review_events WHERE conversation_log_id = 6 AND action <> 'disagreement';
SELECT answer(7, 'approve') AS as_ever;
DROP FUNCTION answer;
