-- What the user corrected and what the chatbot replied: reviewers see both wherever they see the message, redacted and
-- cut like that; but not where two answers are compared blindly, which they would reveal.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET training_workflow.allow_drop = on;
DROP EXTENSION IF EXISTS training_workflow CASCADE;
RESET training_workflow.allow_drop;
RESET client_min_messages;
CREATE EXTENSION training_workflow;
SET timezone = 'UTC';
INSERT INTO review_policies (audit_rate_approved, audit_rate_review) VALUES (0, 0);
INSERT INTO labelstudio_projects (server_name, project_id, title) VALUES ('none', 1, 'A project');
INSERT INTO conversation_logs (id, session_id, user_message, nlu_intent, nlu_confidence, nlu_provider, response_text,
                               user_correction) VALUES
    (1, 's', 'one', 'intent.a.live', 0.5, 'indicbert', 'We call 98765 43210.', 'no, call 91234 56789'),
    (2, 's', 'two', 'intent.a.live', 0.5, 'indicbert', E' \t', ''),
    (3, 's', 'three', 'intent.a.live', 0.5, 'indicbert', 'You asked for a.live', NULL);
SELECT setval('conversation_logs_id_seq', 100);
SELECT record_feedback(1, 's', NULL, 'I meant 91234 56789');
SELECT asked FROM tw_ask_blindly('{3}', '{intent.a.challenger}', '{intent.a.live}');
-- A correction asks again, not blindly; here it is there all the same.
UPDATE conversation_logs SET user_correction = 'no, a.challenger' WHERE id = 3;
UPDATE conversation_logs SET review_reason = 'model disagreement' WHERE id = 3;

-- What every reviewer sees of these three.
CREATE VIEW seen AS SELECT conversation_log_id AS id, review_reason, user_correction, response_text FROM training_queue;
SELECT * FROM seen ORDER BY id;
SELECT tw_labelstudio_claim_batch(p, 1) FROM labelstudio_projects p;
SELECT t.conversation_log_id AS id, l.task -> 'data' ->> 'context' AS context
FROM labelstudio_tasks t
JOIN (SELECT jsonb_array_elements(tw_labelstudio_payload(b.batch_id)) AS task
      FROM (SELECT DISTINCT batch_id FROM labelstudio_tasks) b) l
    ON l.task -> 'meta' ->> 'external_id' = t.external_id::text
ORDER BY 1;
DELETE FROM labelstudio_tasks;
CREATE ROLE regress_tw_reviewer;
SELECT grant_training_role('regress_tw_reviewer', 'reviewer');
GRANT SELECT ON seen TO regress_tw_reviewer;
SET ROLE regress_tw_reviewer;
SELECT conversation_log_id AS id, user_correction, response_text, sample_id FROM training_queue ORDER BY id;
SELECT conversation_log_id AS id, review_reason, user_correction, response_text, sample_id FROM claim_reviews()
ORDER BY 1;
SELECT n, explain_conversation(n) -> 'conversation' ->> 'user_correction' AS user_correction,
       explain_conversation(n) -> 'conversation' ->> 'response_text' AS response_text FROM generate_series(1, 3) AS n;
RESET ROLE;
-- Once the choice is made, there is nothing to reveal.
SELECT fix_conversation(3, 'intent.a.challenger');
SELECT explain_conversation(3) -> 'conversation' ->> 'user_correction' AS user_correction;

-- Unredacted where the message is, and cut as it is.
SELECT set_training_setting('redact', 'off'), set_training_setting('max_message_bytes', '2000');
UPDATE conversation_logs SET response_text = repeat('x', 3000) WHERE id = 1;
SELECT id, user_correction, left(response_text, 3) AS begins, length(response_text) < 1200 AS is_cut,
       right(response_text, 20) AS ends
FROM seen WHERE id = 1;
SELECT length(explain_conversation(1) -> 'conversation' ->> 'response_text') < 1200 AS is_cut;
SELECT set_training_setting('redact', NULL), set_training_setting('max_message_bytes', NULL);

-- Only what is returned is redacted: LIMIT reads the first rows along the index.
INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider, user_correction)
    SELECT 's', 'bulk ' || n, 'intent.a.live', 0.5, 'indicbert', 'corrected ' || n FROM generate_series(1, 2000) AS n;
ANALYZE conversation_logs, training_samples;
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
    WHERE n.node ->> 'Index Name' = 'conversation_logs_queue_idx';
END
$$;
SELECT * FROM rows_read('SELECT * FROM training_queue LIMIT 10');
DROP FUNCTION rows_read;
DROP VIEW seen;
REASSIGN OWNED BY regress_tw_reviewer TO CURRENT_USER;
DROP OWNED BY regress_tw_reviewer;
DROP ROLE regress_tw_reviewer;
