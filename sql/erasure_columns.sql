-- Every column that can hold words has a decision: what an erasure does to it. A new column without one fails here.
-- What is said to go is planted, and looked for.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET training_workflow.allow_drop = on;
DROP EXTENSION IF EXISTS training_workflow CASCADE;
RESET training_workflow.allow_drop;
RESET client_min_messages;
CREATE EXTENSION training_workflow;

-- person: says who spoke or what was said, or quotes it; goes in both ways.
-- label: what models and people made of it; stays with an anonymous conversation, goes with an erased one.
-- row: state, hashes, names of reviewers and versions; goes with its row, if that goes.
-- none: about the installation, its models, or figures of many; what operators write there is theirs.
CREATE TABLE decisions (relation text, what text, columns text);
INSERT INTO decisions VALUES
('conversation_logs', 'person', 'session_id phone_number user_id user_message nlu_entities nlu_tone response_text '
    'user_feedback user_correction backend_reference metadata idempotency_key'),
('conversation_logs', 'label', 'message_type message_language nlu_intent nlu_module_type nlu_provider '
    'nlu_model_version routed_to'),
('conversation_logs', 'row', 'review_status review_reason filter_outcome'),
('training_samples', 'person', 'text intent module_type entities language expected_service reviewed_by'),
('training_samples', 'row', 'review_status label_source source split model_version_target pending_reason '
    'review_reason'),
('review_events', 'person', 'entities note details'),
('review_events', 'label', 'intent'),
('review_events', 'row', 'action reject_reason from_status to_status review_reason reviewer session_role calling_role'),
('review_claims', 'person', 'reviewer'),
('blind_reviews', 'label', 'suggestions'),
('blind_reviews', 'row', 'previous_reason'),
('second_opinions', 'label', 'first_label second_label third_label'),
('second_opinions', 'row', 'status review_reason first_reviewer second_reviewer third_reviewer'),
('paired_answers', 'label', 'intent'),
('paired_answers', 'row', 'version'),
('paired_disagreements', 'label', 'challenger_intent live_intent'),
('imported_conversations', 'person', 'source_key fingerprint source'),
('model_evaluations', 'person', 'intent predicted_intent'),
('model_evaluations', 'row', 'version'),
('labelstudio_tasks', 'person', 'spans error_message'),
('labelstudio_tasks', 'row', 'external_id batch_id status error_code'),
('job_runs', 'person', 'error_message details'),
('job_runs', 'none', 'job_name status phase error_code'),
('training_jobs', 'person', 'progress error_message handed_in'),
('training_jobs', 'none', 'model_type kind trainer status version parameters requested_by worker result error_code '
    'secret_sha256 artifact'),
('training_export_jobs', 'person', 'error'),
('training_export_jobs', 'none', 'format filter location status sha256 requested_by'),
('labelstudio_projects', 'person', 'last_error'),
('labelstudio_projects', 'none', 'server_name title module_type entity_labels last_error_code'),
('audit_chain', 'row', 'row_sha256 salt'),
('audit_chain', 'none', 'kind relation note session_role previous sha256'),
('audited_versions', 'none', 'model_version reason'),
('daily_statistics', 'none', 'fallback_rules'),
('erasures', 'none', 'kind mode status reason requested_by session_role key_salt key_hashes counts session_secret'),
('erasure_rows', 'none', 'relation'),
('erasure_models', 'none', 'version'),
('erasure_exports', 'none', 'location status last_error'),
('erasure_receipts', 'none', 'kind mode reason requested_by session_role key_salt key_hashes counts models exports'),
('labelstudio_erasures', 'none', 'external_id batch_id last_error_code last_error confirmed_by'),
('fleet_replies', 'none', 'versions'),
('imported_tables', 'none', 'source columns time_zone id_column'),
('intent_aliases', 'none', 'alias intent made_by note reviewer session_role'),
('model_artifacts', 'none', 'version format sha256 bytes'),
('model_deployments', 'none', 'model_type version previous_version from_status to_status actor reason figures'),
('model_versions', 'none', 'version model_type status minio_path gate_decision gate_reason base_version sample_counts '
    'artifact_sha256 artifact_error'),
('paired_evaluations', 'none', 'model_type challenger live_version status reason'),
('review_policies', 'none', 'module_type intent trusted_providers fallback_providers note updated_by'),
('role_modules', 'none', 'role_name kind modules'),
('rollouts', 'none', 'model_type version previous_version status reason started_by end_reason steps_reason '
    'superseded_version'),
('rollout_checks', 'none', 'model_type version verdict reason metrics'),
('sample_imports', 'none', 'imported_by source format on_conflict label_source bad_lines'),
('sample_import_lines', 'none', 'outcome reason'),
('training_settings', 'none', 'name value updated_by');
CREATE VIEW decided AS SELECT d.relation, d.what, c AS name FROM decisions d, string_to_table(d.columns, ' ') c;
-- All but numbers, truth values and times.
CREATE VIEW columns AS
    SELECT t.relname::text AS relation, a.attname::text AS name, y.typname
    FROM pg_class t
    JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = t.oid AND d.deptype = 'e'
        AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'training_workflow')
    JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped
    JOIN pg_type y ON y.oid = a.atttypid
    JOIN pg_type e ON e.oid = CASE WHEN y.typelem <> 0 AND y.typlen = -1 THEN y.typelem ELSE y.oid END
    WHERE t.relkind = 'r' AND e.typcategory NOT IN ('N', 'B', 'D', 'T');
SELECT c.relation, c.name, c.typname AS column_without_decision
FROM columns c LEFT JOIN decided d USING (relation, name) WHERE d.what IS NULL ORDER BY 1, 2;
SELECT d.relation, d.name AS decision_without_column
FROM decided d LEFT JOIN columns c USING (relation, name) WHERE c.name IS NULL ORDER BY 1, 2;
SELECT relation, name FROM decided GROUP BY 1, 2 HAVING count(*) > 1;

-- One conversation of a person with a sample, a sample alone, and all that can hang on them.
INSERT INTO conversation_logs (id, session_id, user_message, nlu_intent, nlu_confidence, nlu_provider)
VALUES (1, 's', 'hello there', 'intent.a.b', 0.97, 'indicbert'), (2, 't', 'hello you', 'intent.a.b', 0.97, 'indicbert');
SELECT approve_conversation(1, 'good', 'asha');
INSERT INTO training_samples (id, text, intent) VALUES (100, 'of nobody', 'intent.a.b');
SELECT approve_sample(100, 'good', 'asha');
SELECT id AS sample FROM training_samples WHERE conversation_log_id = 1 \gset
INSERT INTO review_claims (conversation_log_id, sample_id, reviewer, claimed_at, expires_at)
VALUES (1, NULL, 'r', now(), now() + '1 day'), (NULL, 100, 'r', now(), now() + '1 day');
INSERT INTO blind_reviews (conversation_log_id, suggestions) VALUES (1, '{x,y}');
INSERT INTO second_opinions (conversation_log_id, status, rate, first_event, first_reviewer, first_label, second_event,
    second_reviewer, second_label, agrees, third_event, third_reviewer, third_label, settled_at)
SELECT 1, 'settled', 1, min(id), 'a', 'x', min(id), 'b', 'y', false, min(id), 'c', 'z', now() FROM review_events;
INSERT INTO paired_answers VALUES ('router-v1.0.0', 1, 'x');
INSERT INTO paired_disagreements VALUES (1, 1, 'x', 'y', 1, true);
INSERT INTO imported_conversations VALUES ('x', 'x', 1, 'x');
INSERT INTO model_evaluations (evaluation_id, version, sample_id, text_hash, intent, weight)
VALUES (1, 'router-v1.0.0', :sample, 1, 'x', 1), (1, 'router-v1.0.0', 100, 1, 'x', 1);
INSERT INTO sample_import_lines (import_id, line, outcome, reason, sample_id)
VALUES (1, 1, 'kept', 'x', :sample), (1, 2, 'kept', 'x', 100);
INSERT INTO labelstudio_projects (id, server_name, project_id, title, is_active) VALUES (1, 'nowhere', 1, 'x', false);
INSERT INTO labelstudio_tasks (project, conversation_log_id, sample_id, batch_id, status, task_id)
VALUES (1, 1, NULL, gen_random_uuid(), 'done', 1), (1, NULL, 100, gen_random_uuid(), 'done', 2),
       (1, 2, NULL, gen_random_uuid(), 'done', 3);
INSERT INTO training_export_jobs (format, status, finished_at) VALUES ('jsonl', 'failed', now());
INSERT INTO training_jobs (model_type, trainer, status, test_samples, pool, handed_in)
VALUES ('router', 'outside', 'handed-in', ARRAY[:sample, 100], '{1,2}', format(
    '{"predictions": [{"sample_id": -1, "intent": "planted"}, {"sample_id": %s, "intent": "planted"},
                      {"sample_id": 100, "intent": "planted"}, {"sample_id": -2, "intent": "not theirs"}]}',
    :sample)::jsonb);
INSERT INTO job_runs (job_name, status, error_message, details, finished_at)
VALUES ('x', 'failed', NULL, NULL, now()), ('x', 'failed', NULL, NULL, now());

-- A person's words: with quotation marks and a line feed, and longer than a message quotes.
CREATE FUNCTION words() RETURNS text LANGUAGE sql IMMUTABLE
    RETURN E'planted "here"\tand\nthere \u0939\u0940 \U0001F600 ' || repeat('x', 500);
ALTER TABLE review_events DISABLE TRIGGER ALL;
SET session_replication_role = replica;
DO $plant$
DECLARE
    c record;
BEGIN
    FOR c IN SELECT * FROM decided JOIN columns USING (relation, name)
             WHERE what IN ('person', 'label') AND (relation, name) <> ('training_jobs', 'handed_in')
               -- What quotes is planted below.
               AND relation NOT IN ('job_runs', 'training_jobs', 'training_export_jobs', 'labelstudio_projects')
    LOOP
        EXECUTE format('UPDATE %I t SET %I = %s WHERE %s', c.relation, c.name,
            CASE c.typname WHEN 'jsonb' THEN 'jsonb_build_object(''x'', words())'
                           WHEN '_text' THEN 'ARRAY[words(), '''']'
                           WHEN 'bytea' THEN 'convert_to(words(), ''UTF8'')' ELSE 'words()' END,
            CASE c.relation WHEN 'conversation_logs' THEN 'id = 1' WHEN 'training_samples'
                 THEN 'conversation_log_id = 1 OR id = 100' WHEN 'model_evaluations' THEN 'true'
                 WHEN 'labelstudio_tasks' THEN 'conversation_log_id IS DISTINCT FROM 2'
                 WHEN 'review_claims' THEN 'true' WHEN 'review_events'
                 THEN CASE c.name WHEN 'intent' THEN 'conversation_log_id = 1' ELSE 'true' END
                 ELSE 'conversation_log_id = 1' END);
    END LOOP;
END
$plant$;
-- As errors quote: an excerpt, the whole, the whole as JSON, and JSON of ASCII alone.
WITH run AS (SELECT min(id) AS first FROM job_runs WHERE job_name = 'x')
UPDATE job_runs SET error_message = CASE WHEN id = first THEN format('cannot take "%s"', tw_excerpt(words())) END,
    details = CASE WHEN id > first THEN jsonb_build_object('failed', words()) END
FROM run WHERE job_name = 'x';
UPDATE training_jobs SET error_message = 'cannot take ' || words(), progress = jsonb_build_object('at', words());
UPDATE training_export_jobs SET error = 'cannot write ' || words();
UPDATE labelstudio_projects
SET last_error = 'HTTP 400: {"text": "planted \"here\"\tand\nthere \u0939\u0940 \ud83d\ude00 ' || repeat('x', 90);
RESET session_replication_role;
ALTER TABLE review_events ENABLE ALWAYS TRIGGER review_events_append_only;
ALTER TABLE review_events ENABLE ALWAYS TRIGGER review_events_append_only_truncate;

CREATE FUNCTION planted() RETURNS TABLE (relation text, name text) LANGUAGE plpgsql AS $$
DECLARE
    c record;
BEGIN
    FOR c IN SELECT * FROM columns LOOP
        RETURN QUERY EXECUTE format('SELECT %L, %L WHERE EXISTS (SELECT FROM %I t WHERE %s LIKE ''%%planted%%'')',
            c.relation, c.name, c.relation,
            format(CASE c.typname WHEN 'bytea' THEN 'encode(t.%I, ''escape'')' ELSE 't.%I::text' END, c.name));
    END LOOP;
END
$$;
-- What is said to go was planted, and nothing else.
SELECT * FROM planted() EXCEPT SELECT relation, name FROM decided WHERE what IN ('person', 'label') ORDER BY 1, 2;
SELECT relation, name FROM decided WHERE what IN ('person', 'label') EXCEPT SELECT * FROM planted() ORDER BY 1, 2;
SELECT tw_seal_portion('review_events', 0, 1000);

-- Anonymous: the labels stay, and nothing else.
BEGIN;
INSERT INTO erasures (kind, mode, reason, requested_by, key_salt, key_hashes)
VALUES ('person', 'anonymise', 'asked', 'x', '\x00', '{}') RETURNING id AS erasure \gset
SELECT jsonb_pretty(tw_anonymise_conversations(:erasure, '{1}'));
SELECT jsonb_pretty(tw_erase_samples(:erasure, ARRAY[100]));
SELECT * FROM planted() EXCEPT SELECT relation, name FROM decided WHERE what = 'label' ORDER BY 1, 2;
SELECT relation, name FROM decided WHERE what = 'label' EXCEPT SELECT * FROM planted() ORDER BY 1, 2;
ROLLBACK;
-- Erased: nothing stays.
BEGIN;
INSERT INTO erasures (kind, mode, reason, requested_by, key_salt, key_hashes)
VALUES ('person', 'erase', 'asked', 'x', '\x00', '{}') RETURNING id AS erasure \gset
SELECT jsonb_pretty(tw_erase_conversations(:erasure, '{1}'));
SELECT jsonb_pretty(tw_erase_samples(:erasure, ARRAY[100]));
SELECT * FROM planted();
SELECT handed_in, pool, cardinality(test_samples) AS asked FROM training_jobs;
SELECT id, session_id, user_message FROM conversation_logs;
SELECT finding, is_problem, relation, found FROM verify_audit() WHERE finding <> 'head' ORDER BY 1;
COMMIT;
SELECT * FROM planted();
DROP FUNCTION planted(), words();
DROP VIEW decided, columns;
DROP TABLE decisions;
