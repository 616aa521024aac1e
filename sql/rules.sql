-- Each rule has one home: what C and SQL say is the same, and indexes serve whoever goes by a rule.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET training_workflow.allow_drop = on;
DROP EXTENSION IF EXISTS training_workflow CASCADE;
RESET training_workflow.allow_drop;
RESET client_min_messages;
CREATE EXTENSION training_workflow;

-- The review statuses: SQL's list is the one that the CHECKs go by.
SELECT tw_review_statuses();
SELECT s, tw_is_unjudged(s) AS unjudged, tw_import_status(upper(s)) = s AS imported FROM unnest(tw_review_statuses()) s;
INSERT INTO conversation_logs (session_id, user_message, review_status)
SELECT 'status', s, s FROM unnest(tw_review_statuses()) s;
SELECT review_status, is_training_candidate, review_priority FROM conversation_logs ORDER BY id;
INSERT INTO conversation_logs (session_id, user_message, review_status) VALUES ('status', 'x', 'pending');
INSERT INTO training_samples (text, intent, review_status) VALUES ('x', 'y', 'needs-review');
SELECT * FROM export_training_samples(review_status => 'auto-approved');

-- What is a person's word, of everything that review_events can say.
CREATE FUNCTION listed(check_name name) RETURNS SETOF text LANGUAGE sql
AS $$
    SELECT (regexp_matches(pg_get_constraintdef(c.oid), '''([a-z]+)''::text', 'g'))[1]
    FROM pg_constraint c WHERE c.conname = check_name
$$;
SELECT a AS action, tw_is_verdict(a) AS verdict, tw_is_persons_word(a) AS word
FROM listed('review_events_action_check') a;

-- The module: policies, promoted samples and imported ones go by the same rule. Another label (6) has its own first.
INSERT INTO review_policies (module_type, review_below, audit_rate_approved, audit_rate_review)
VALUES (NULL, NULL, 0, 0), ('food', 0.5, 0, 0);
CREATE TABLE said (n integer, module_type text, intent text);
INSERT INTO said VALUES (1, 'food', 'intent.parcel.track'), (2, '', 'intent.food.search'),
    (3, NULL, 'intent.food.search'), (4, '', 'greeting'), (5, NULL, 'intent..x'), (6, 'parcel', 'intent.food.search');
INSERT INTO conversation_logs (id, session_id, user_message, nlu_intent, nlu_module_type, nlu_confidence, nlu_provider)
SELECT 100 + n, 'module', 'message ' || n, intent, module_type, 0.95, 'indicbert' FROM said;
UPDATE conversation_logs SET nlu_intent = 'intent.ride.book' WHERE id = 106;
SELECT fix_conversation(106, 'intent.food.search');
SELECT import_training_samples(string_agg(jsonb_build_object('text', 'imported ' || n, 'intent', intent,
    'module_type', module_type)::text, E'\n' ORDER BY n), 'synthetic') IS NOT NULL AS imported FROM said;
SELECT v.n, tw_module_type(v.module_type, v.intent) AS module,
       (filter_decision(0.95, 'indicbert', v.intent, v.module_type)).review_below = 0.5 AS food_policy,
       p.module_type AS promoted, i.module_type AS imported
FROM said v
LEFT JOIN training_samples p ON p.conversation_log_id = 100 + v.n
LEFT JOIN training_samples i ON i.text = 'imported ' || v.n
ORDER BY v.n;

-- Learnable: capture, and whatever asks later.
INSERT INTO conversation_logs (session_id, user_message, message_type)
VALUES ('learnable', 'hello', 'TEXT'), ('learnable', 'hello', 'image'), ('learnable', E'\t', 'text');
SELECT t AS message_type, m AS message, tw_is_learnable(t, m)
FROM unnest(ARRAY['text', 'TEXT', NULL, 'image']) t, unnest(ARRAY['hello', '  ', NULL]) m ORDER BY t, m;
SELECT tw_is_learnable(c.message_type, c.user_message) = (c.filter_outcome <> 'not-applicable') AS same, count(*)
FROM conversation_logs c WHERE c.filter_outcome IS NOT NULL GROUP BY 1;

-- What a task's status means, and that the partial indexes mean the same.
SELECT s AS status, tw_task_is_there(s) AS there, tw_task_waits(s) AS waits, tw_task_is_shown(s) AS shown,
       tw_task_holds(s) AS holds, tw_task_is_unfinished(s) AS unfinished
FROM listed('labelstudio_tasks_status_check') s;
SELECT c.relname, pg_get_expr(i.indpred, i.indrelid)
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
WHERE i.indrelid = 'labelstudio_tasks'::regclass AND i.indpred IS NOT NULL ORDER BY c.relname;
SET enable_seqscan = off;
SET enable_bitmapscan = off;
EXPLAIN (COSTS OFF) SELECT FROM labelstudio_tasks t
WHERE t.conversation_log_id > 1 AND tw_task_holds(t.status) ORDER BY t.conversation_log_id;
EXPLAIN (COSTS OFF) SELECT FROM labelstudio_tasks t
WHERE t.project = 1 AND tw_task_is_unfinished(t.status) ORDER BY t.id;
EXPLAIN (COSTS OFF) SELECT FROM labelstudio_tasks t
WHERE t.project = 1 AND tw_task_is_shown(t.status) ORDER BY t.id;

-- The queue's order is its index's: the view needs no sort, and what orders by priority alone says the same.
SELECT pg_get_indexdef('conversation_logs_queue_idx'::regclass);
SELECT p.proname
FROM pg_proc p,
     LATERAL (SELECT regexp_replace(coalesce(pg_get_function_sqlbody(p.oid), p.prosrc), '\m[cq]\.', '', 'g') AS body) b,
     substring(pg_get_indexdef('conversation_logs_queue_idx'::regclass) FROM '\((.*?)\) INCLUDE') AS queue_order
WHERE p.proname ~ 'claim' AND position('ORDER BY ' || queue_order IN b.body) > 0
ORDER BY p.proname;
EXPLAIN (COSTS OFF) SELECT conversation_log_id FROM training_queue LIMIT 10;
RESET enable_seqscan;
RESET enable_bitmapscan;
-- The view, a claim and a push take the same rows in the same order, ties and unknown confidences among them.
INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider, created_at)
SELECT 'queue', 'waits ' || n, 'intent.ride.book', CASE WHEN n % 4 > 0 THEN 0.01 * (n % 3) END,
       CASE n % 5 WHEN 0 THEN 'llm' ELSE 'indicbert' END, timestamptz '2026-05-01 10:00Z' + n % 7 * interval '1 minute'
FROM generate_series(1, 40) n;
CREATE TABLE waiting AS
SELECT row_number() OVER () AS n, conversation_log_id AS id FROM training_queue WHERE session_id = 'queue';
SELECT count(*), array_agg(w.id ORDER BY w.n) = array_agg(c.id ORDER BY c.review_priority,
    c.nlu_confidence NULLS FIRST, c.created_at, c.id) AS in_order
FROM waiting w JOIN conversation_logs c ON c.id = w.id;
BEGIN;
SELECT array_agg(c.conversation_log_id) = ARRAY(SELECT w.id FROM waiting w ORDER BY w.n LIMIT 10) AS claimed_in_order
FROM claim_reviews(10) c;
ROLLBACK;
BEGIN;
INSERT INTO labelstudio_projects (server_name, project_id, title) VALUES ('none', 1, 'all');
SELECT tw_labelstudio_claim_batch(p, 1) AS pushed FROM labelstudio_projects p;
SELECT array_agg(t.conversation_log_id ORDER BY t.id) = ARRAY(SELECT w.id FROM waiting w
                                                              ORDER BY w.n) AS pushed_in_order
FROM labelstudio_tasks t WHERE t.conversation_log_id IN (SELECT id FROM waiting);
ROLLBACK;

-- Small rules are inlined: a plan shows what they say, not their names.
EXPLAIN (COSTS OFF) SELECT FROM training_samples s WHERE tw_is_of_type('food-agent', s.module_type);
EXPLAIN (COSTS OFF) SELECT FROM training_samples s WHERE tw_is_of_type('router', s.module_type);
DROP TABLE said, waiting;
DROP FUNCTION listed(name);
