-- Second opinions in Label Studio: pushed again for somebody else, answered by the same or by another annotator.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET training_workflow.allow_drop = on;
DROP EXTENSION IF EXISTS training_workflow CASCADE;
RESET training_workflow.allow_drop;
RESET client_min_messages;
CREATE EXTENSION training_workflow;
SELECT set_training_setting('second_opinion_rate', '1');
INSERT INTO review_policies (audit_rate_approved, audit_rate_review) VALUES (1, 1);
INSERT INTO labelstudio_projects (server_name, project_id, title) VALUES ('label_studio', 1, 'A project');
INSERT INTO conversation_logs (id, session_id, user_message, nlu_intent, nlu_confidence, nlu_provider)
    SELECT n, 's', 'message ' || n, 'food', 0.6, 'indicbert' FROM generate_series(1, 4) AS n;
-- What a push and a pull do, without a server.
CREATE SEQUENCE numbers START 101;
CREATE FUNCTION pushed() RETURNS SETOF bigint LANGUAGE plpgsql AS $$
BEGIN
    PERFORM tw_labelstudio_claim_batch(p, 1) FROM labelstudio_projects p;
    RETURN QUERY UPDATE labelstudio_tasks t SET status = 'open', task_id = nextval('numbers'), pushed_at = now()
                 WHERE t.status = 'claimed' RETURNING t.conversation_log_id;
END
$$;
-- The answers of the newest task of a conversation, or of its first; the last of them counts.
CREATE FUNCTION answered(conversation bigint, person int, verdict text, intent text DEFAULT NULL,
                         of_first boolean DEFAULT false)
    RETURNS text LANGUAGE sql AS $$
    SELECT tw_labelstudio_observe(p, t.id, jsonb_build_object('id', t.task_id, 'updated_at', clock_timestamp(),
               'meta', jsonb_build_object('external_id', t.external_id),
               'annotations', jsonb_build_array(jsonb_build_object(
                   'id', nextval('numbers'), 'updated_at', clock_timestamp(), 'completed_by', person,
                   'result', jsonb_build_array(
                       jsonb_build_object('from_name', 'verdict', 'value',
                                          jsonb_build_object('choices', jsonb_build_array(verdict))),
                       jsonb_build_object('from_name', 'intent', 'value',
                                          jsonb_build_object('choices', jsonb_build_array(intent))))))),
               '0', '{"1": "asha@example.test", "2": "binod@example.test"}')
    FROM labelstudio_projects p,
         LATERAL (SELECT * FROM labelstudio_tasks t WHERE t.conversation_log_id = conversation
                  ORDER BY CASE WHEN of_first THEN t.id ELSE -t.id END LIMIT 1) t
$$;
CREATE VIEW opinions AS
    SELECT o.conversation_log_id AS id, o.status, o.first_reviewer AS first, o.first_label, o.second_reviewer AS second,
           o.second_label, o.agrees
    FROM second_opinions o ORDER BY 1;

SELECT * FROM pushed() ORDER BY 1;
SELECT answered(1, 1, 'approve'), answered(2, 1, 'approve'), answered(3, 1, 'fix', 'drinks');
-- Only one person judges in Label Studio: nothing is pushed again.
SELECT * FROM pushed() ORDER BY 1;
SELECT answered(4, 2, 'approve');
SELECT tw_labelstudio_claim_batch(p, 1) AS pushed_again FROM labelstudio_projects p;
-- The tasks are as the first ones were: nothing shows the verdict.
SELECT t -> 'data' ->> 'text' AS text, t -> 'data' ->> 'header' AS header, t -> 'data' ->> 'priority' AS priority,
       t -> 'data' ->> 'reason' AS reason, t -> 'data' -> 'intent_options' -> 0 ->> 'value' AS first_option
FROM (SELECT DISTINCT batch_id FROM labelstudio_tasks WHERE status = 'claimed') b,
     jsonb_array_elements(tw_labelstudio_payload(b.batch_id)) AS t ORDER BY 1;
-- Those that are about to be sent are still needed.
SELECT count(*) FROM labelstudio_tasks t
WHERE t.status = 'claimed' AND tw_task_is_needed(t.conversation_log_id, t.claimed_at);
UPDATE labelstudio_tasks SET status = 'open', task_id = nextval('numbers'), pushed_at = now() WHERE status = 'claimed';
SELECT count(*) FROM claim_reviews(10, reviewer => 'chitra');

-- The same person answers: no second opinion, and no other task.
SELECT answered(1, 1, 'fix', 'drinks');
SELECT * FROM opinions WHERE id = 1;
SELECT * FROM pushed();
-- Who answers the same task after that has seen the answer: that is a change. A task nobody has answered: an opinion.
SELECT answered(1, 2, 'fix', 'drinks'), answered(2, 2, 'fix', 'drinks');
SELECT * FROM opinions WHERE id <= 2;
-- A third person for 2 there is not here; in SQL there is.
SELECT * FROM pushed();
SELECT conversation_log_id FROM claim_reviews(10, reviewer => 'chitra');
SELECT fix_conversation(2, 'drinks', reviewer => 'chitra');
SELECT status FROM opinions WHERE id = 2;
-- Who changes the answer of the first task has seen it: that is a change.
SELECT answered(3, 2, 'approve', of_first => true);
SELECT * FROM opinions WHERE id = 3;
SELECT reviewer, action, intent FROM review_events WHERE conversation_log_id = 3 ORDER BY id;
-- A task that was there before the first verdict needs no answer after it.
INSERT INTO conversation_logs (id, session_id, user_message, nlu_intent, nlu_confidence, nlu_provider)
    VALUES (5, 's', 'message 5', 'food', 0.6, 'indicbert');
SELECT * FROM pushed();
SELECT approve_conversation(5, reviewer => 'chitra');
SELECT tw_task_is_needed(5, t.claimed_at) FROM labelstudio_tasks t WHERE t.conversation_log_id = 5;
SELECT status FROM opinions WHERE id = 5;

DROP VIEW opinions;
DROP FUNCTION pushed(), answered(bigint, int, text, text, boolean);
DROP SEQUENCE numbers;
