-- Label Studio, as far as it can be tested without one: what is sent, what an annotation says, and what is refused.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET training_workflow.allow_drop = on;
DROP EXTENSION IF EXISTS training_workflow CASCADE;
RESET training_workflow.allow_drop;
RESET client_min_messages;
CREATE EXTENSION training_workflow;

-- Entities as spans: whole numbers, inside the text, with a label of one name or another.
SELECT tw_entity_spans('[{"start": 4, "end": 7, "label": "dish"}, {"start": 0, "end": 3, "entity": "diet", "x": 1}, '
                       '{"start": 0, "end": 3, "type": "size"}]', 7);
SELECT tw_entity_spans('[{"start": 4, "end": 8, "label": "past the end"}, {"start": 3, "end": 3, "label": "empty"},
    {"start": -1, "end": 2, "label": "x"},
    {"start": 1.5, "end": 2, "label": "x"}, {"start": 1, "end": 2}, {"start": 1, "end": 2, "label": ""},
    {"start": "1", "end": "2", "label": "text"}, 7, null]', 7);
SELECT tw_entity_spans('{"dish": "pizza"}', 7), tw_entity_spans(NULL, 7);
-- And back: what stayed is as it was, what is new has its text, what was no span is kept. Positions are code points.
SELECT tw_entities_of_spans('[[0, 3, "diet"], [4, 5, "emoji"], [6, 12, "greeting"]]',
    '[{"start": 6, "end": 12, "entity": "greeting", "score": 0.9}, {"start": 0, "end": 3, "label": "gone"}, {"dish": '
    '"pizza"}]', U&'veg \+01F355 \0928\092E\0938\094D\0924\0947');
SELECT tw_entities_of_spans('[]', '[{"start": 0, "end": 3, "label": "gone"}]', 'veg');

-- What an annotation says.
SELECT tw_labelstudio_answers(
    '[{"from_name": "verdict", "value": {"choices": ["fix"]}}, {"from_name": "note", "value": {"text": ["a ", " "]}},
    {"from_name": "note", "value": {"text": "b"}}, {"value": {}}, 3, null]', n)
FROM unnest(ARRAY['verdict', 'note', 'intent']) n;
SELECT tw_labelstudio_answers(NULL, 'verdict'), tw_labelstudio_answers('{"from_name": "verdict"}', 'verdict');
SELECT tw_labelstudio_spans('[{"from_name": "entities", "value": {"start": 4, "end": 6, "labels": ["a", "b"]}}, '
                            '{"from_name": "other", "value": {"start": 0, "end": 1, "labels": ["c"]}}]', 6);
SELECT a.what, tw_labelstudio_chosen(a.annotations) -> 'id' AS chosen FROM (VALUES
    ('newest',
     '[{"id": 1, "updated_at": "2026-01-01T00:00:00Z"}, {"id": 2, "updated_at": "2026-01-02T00:00:00.5Z"}]'::jsonb),
    ('ground truth', '[{"id": 1, "updated_at": "2026-01-01T00:00:00Z", "ground_truth": true}, {"id": 2, "updated_at": '
                     '"2026-01-02T00:00:00Z"}]'),
    ('not skipped', '[{"id": 1, "updated_at": "2026-01-01T00:00:00Z"}, {"id": 2, "updated_at": "2026-01-02T00:00:00Z", '
                    '"was_cancelled": true}]'),
    ('skipped', '[{"id": 2, "was_cancelled": true}]'), ('none', '[]'), ('NULL', NULL)) AS a (what, annotations);
SELECT tw_labelstudio_person(a, '{"2": "second@example.com"}') FROM (VALUES
    ('{"completed_by": 2}'::jsonb),
    ('{"completed_by": 1, "updated_by": 2, "created_username": " first@example.com, 1"}'),
    ('{"completed_by": 1, "created_username": "A B first@example.com, 1"}'),
    ('{"completed_by": 1, "updated_by": 3, "created_username": " first@example.com, 1"}'), ('{}')) AS v (a);

-- Which conversations a project gets, and in which order: half of them audited, as they came.
INSERT INTO review_policies (module_type, audit_rate_review) VALUES ('audited', 1), ('food', 0), ('parcel', 0);
INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider,
                               nlu_module_type, created_at)
    SELECT 's', 'message ' || g, 'intent.x.y', c, 'indicbert', m, '2026-01-01'::timestamptz - g * interval '1 hour'
    FROM (VALUES (1, 0.8, 'food'), (2, 0.3, 'food'), (3, 0.1, 'audited'), (4, 0.2, 'audited'), (5, 0.6, 'audited'),
                 (6, 0.5, 'parcel'), (7, 0.2, 'food')) AS v (g, c, m);
INSERT INTO conversation_logs (session_id, user_message, review_status, review_priority, message_type,
                               is_training_candidate) VALUES
    ('s', 'a picture', 'needs-review', 1, 'image', true), ('s', ' ', 'needs-review', 1, 'text', true),
    ('s', repeat('x', 65537), 'needs-review', 1, 'text', true);
INSERT INTO labelstudio_projects (server_name, project_id, title, module_type, max_open_tasks)
VALUES ('none', 1, 'all', NULL, 4), ('none', 2, 'parcels', 'parcel', 200);
INSERT INTO labelstudio_projects (server_name, project_id, title, module_type) VALUES ('none', 3, 'all again', NULL);
SELECT tw_labelstudio_claim_batch(p, 1) FROM labelstudio_projects p ORDER BY p.id;
SELECT t.project, c.user_message, t.status FROM labelstudio_tasks t
JOIN conversation_logs c ON c.id = t.conversation_log_id ORDER BY t.id;
-- What waits there is not served here.
SELECT left(text, 12) AS text FROM claim_reviews(10) ORDER BY 1;
UPDATE labelstudio_projects SET max_open_tasks = 200;
SELECT tw_labelstudio_claim_batch(p, 2) FROM labelstudio_projects p ORDER BY p.id;

-- What is sent.
TRUNCATE labelstudio_tasks, review_claims;
DELETE FROM conversation_logs;
INSERT INTO training_samples (text, intent, review_status, entities)
VALUES ('x', 'intent.food.order.place', 'approved', '[{"start": 0, "end": 1, "label": "quantity"}]'),
    ('y', 'intent.parcel.track', 'approved', NULL), ('z', 'intent.waits', 'pending', NULL);
INSERT INTO conversation_logs (session_id, phone_number, user_id, user_message, message_language, nlu_intent,
                               nlu_confidence, nlu_provider, nlu_module_type,
        nlu_entities, response_text, user_correction, metadata, created_at)
    VALUES ('secret session', '+91 98765 43210', 'secret user', E'call 98765 43210\r\nfor \U0001F355', 'hinglish',
            'intent.food.item.search', 0.42, 'indicbert', 'food',
        '[{"start": 22, "end": 23, "label": "dish"}]', 'Calling 98765 43210', 'order for me@example.com',
        '{"secret": 1}', '2026-01-01 00:00:00.25+00');
SELECT tw_labelstudio_claim_batch(p, 3) FROM labelstudio_projects p WHERE p.id = 1;
UPDATE labelstudio_tasks SET external_id = '00000000-0000-4000-8000-000000000001',
                             batch_id = '00000000-0000-4000-8000-000000000002';
SELECT jsonb_pretty(replace(tw_labelstudio_payload('00000000-0000-4000-8000-000000000002')::text,
                            (SELECT id || '@' FROM conversation_logs), 'ID@')::jsonb);

-- A verdict is taken back.
SELECT id AS c FROM conversation_logs \gset
SELECT withdraw_verdict(:c);
SELECT fix_conversation(:c, 'intent.food.order.place');
SELECT approve_conversation(:c, 'on second thoughts');
SELECT withdraw_verdict(:c, 'neither');
SELECT review_status, review_priority, review_reason, is_training_candidate FROM conversation_logs;
SELECT intent, review_status, label_source, reviewed_by FROM training_samples WHERE conversation_log_id = :c;
SELECT action, intent, from_status, to_status, note, details FROM review_events ORDER BY id;
SELECT withdraw_verdict(:c);
SELECT withdraw_verdict(-1);
SELECT withdraw_verdict(NULL);
-- That of a confident answer that the audit drew: the sample is the model's again, and nothing counts in the estimate.
INSERT INTO review_policies (module_type, audit_rate_approved) VALUES ('sure', 1);
INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider,
                               nlu_module_type, routed_to)
    VALUES ('s', 'sure', 'intent.sure.thing', 0.97, 'indicbert', 'sure', 'php') RETURNING id AS c \gset
SELECT fix_conversation(:c, 'intent.food.order.place');
SELECT labels, naive_labels FROM live_accuracy();
SELECT withdraw_verdict(:c);
SELECT labels, naive_labels FROM live_accuracy();
SELECT review_status, review_priority, review_reason FROM conversation_logs WHERE id = :c;
SELECT intent, module_type, expected_service, review_status, label_source, quality_score FROM training_samples
WHERE conversation_log_id = :c;
-- Where a user had contradicted it, the sample waits.
SELECT record_feedback(:c, 's', 'negative');
SELECT approve_conversation(:c);
SELECT withdraw_verdict(:c);
SELECT c.review_status, c.review_priority, c.review_reason, s.review_status AS sample FROM conversation_logs c
JOIN training_samples s ON s.conversation_log_id = c.id WHERE c.id = :c;
-- A rejection, and one of a row that came with a verdict.
SELECT reject_conversation(:c, 'unclear');
SELECT withdraw_verdict(:c);
SELECT problem FROM check_integrity() WHERE problem !~ 'Label Studio';

-- Setting up.
TRUNCATE labelstudio_projects, labelstudio_tasks;
SELECT * FROM labelstudio_check();
SELECT labelstudio_create_project('Chatbot');
CREATE SERVER one FOREIGN DATA WRAPPER training_workflow_labelstudio OPTIONS (
    url 'http://127.0.0.1:1', connect_timeout '1', timeout '1');
CREATE SERVER store FOREIGN DATA WRAPPER training_workflow_s3 OPTIONS (endpoint 'http://127.0.0.1:1', bucket 'b-1');
SELECT labelstudio_create_project('ab');
SELECT labelstudio_create_project(repeat('x', 51));
SELECT labelstudio_create_project(' padded');
SELECT labelstudio_create_project(NULL);
SELECT labelstudio_create_project('Chatbot', ' ');
SELECT labelstudio_create_project('Chatbot', max_open_tasks => 0);
SELECT labelstudio_create_project('Chatbot', server => 'store');
\set VERBOSITY terse
SELECT labelstudio_create_project('Chatbot');
CREATE USER MAPPING FOR PUBLIC SERVER one OPTIONS (token 'secret-of-the-test');
-- libcurl's words, which are the detail, say how many milliseconds it took.
SELECT labelstudio_create_project('Chatbot');
\set VERBOSITY default
CREATE SERVER two FOREIGN DATA WRAPPER training_workflow_labelstudio OPTIONS (url 'http://127.0.0.1:1');
SELECT labelstudio_create_project('Chatbot');
SELECT labelstudio_check('three');
SELECT server_name, state, token_kind, projects, open_tasks, backlog, left(advice, 40) AS advice
FROM labelstudio_check();
SELECT labelstudio_retire_project(1);
INSERT INTO labelstudio_projects (server_name, project_id, title) VALUES ('one', 1, 'Chatbot');
SELECT labelstudio_create_project('Another', server => 'one');
-- A run that fails says so where one looks, and keeps nothing that was not sent.
CALL labelstudio_sync();
SELECT job_name, status, error_code, error_message FROM job_runs WHERE job_name ~ 'labelstudio';
CALL labelstudio_push();
SELECT count(*) FROM labelstudio_tasks;
SELECT state, left(last_error, 50) AS last_error, last_error_at IS NOT NULL AS "when" FROM labelstudio_check('one');
-- A CALL inside a transaction cannot commit.
BEGIN; CALL labelstudio_sync(); ROLLBACK;
SELECT count(*) AS held FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid();
DO $$ BEGIN CALL labelstudio_sync(); EXCEPTION WHEN OTHERS THEN RAISE NOTICE '%', sqlerrm; END $$;
SELECT count(*) AS held FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid();
-- The steps are the procedure's.
SELECT tw_job_step((SELECT max(id) FROM job_runs), NULL, NULL);
SELECT tw_begin_job('promotion', NULL, NULL);
-- A run that died is marked by the next one.
INSERT INTO job_runs (job_name) VALUES ('labelstudio_pull');
CALL labelstudio_pull();
SELECT job_name, status, error_code, error_message FROM job_runs WHERE job_name = 'labelstudio_pull' ORDER BY id;

-- A restored copy talks to nobody.
SELECT adopt_installation();
UPDATE training_settings SET value = '1:2' WHERE name = 'installation';
CALL labelstudio_sync();
SELECT labelstudio_create_project('Another', 'food', 'one');
-- In a session that knows nothing yet.
\c -
SELECT server_name, state, advice FROM labelstudio_check();
SELECT count(*) FROM job_runs WHERE job_name = 'labelstudio_sync';
SELECT adopt_installation();
SELECT state FROM labelstudio_check('one');
SELECT set_training_setting('installation', 'x');

-- Operators may; nobody else, and nobody may make requests of their own.
CREATE ROLE tw_ls_operator;
CREATE ROLE tw_ls_reviewer;
SELECT grant_training_role('tw_ls_operator', 'operator'), grant_training_role('tw_ls_reviewer', 'reviewer');
SET ROLE tw_ls_operator;
SELECT state FROM labelstudio_check('one');
CALL labelstudio_pull();
SELECT tw_labelstudio_request('one', 'GET', '/');
SELECT tw_may_act();
SET ROLE tw_ls_reviewer;
CALL labelstudio_pull();
SELECT labelstudio_check('one');
RESET ROLE;
SELECT revoke_training_role('tw_ls_operator', 'operator'), revoke_training_role('tw_ls_reviewer', 'reviewer');
REVOKE USAGE ON SCHEMA public FROM tw_ls_operator, tw_ls_reviewer;
DROP ROLE tw_ls_operator, tw_ls_reviewer;

SELECT labelstudio_retire_project((SELECT id FROM labelstudio_projects));
SELECT problem FROM check_integrity();
DROP SERVER one CASCADE;
DROP SERVER two, store;
