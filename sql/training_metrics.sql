-- training_metrics: each figure by hand.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET training_workflow.allow_drop = on;
DROP EXTENSION IF EXISTS training_workflow CASCADE;
RESET training_workflow.allow_drop;
RESET client_min_messages;
CREATE EXTENSION training_workflow;
SET timezone = 'Asia/Kolkata';
SELECT count(set_training_setting('time_zone', 'UTC'));

-- Without the jobs: whether this server has pg_cron is not the same everywhere. Ages and times in whole hours before
-- now.
CREATE VIEW figures AS
    SELECT substr(name, length('training_workflow_') + 1) AS name, labels,
           CASE WHEN name LIKE '%timestamp_seconds' THEN round((extract(epoch FROM now()) - value) / 3600)
                WHEN name LIKE '%oldest_seconds' THEN round(value / 3600) ELSE value END AS value
    FROM training_metrics
    WHERE name !~ '_(jobs?_(healthy|failing|overdue|scheduled|running_seconds|last_.*)|info)$';
SELECT * FROM figures;

-- A queue: 3 of high priority, of which the oldest waits for 5 days; 2 of low priority, one of them audited, for 8
-- days; a sample of medium priority. A claim, and one that has run out.
INSERT INTO conversation_logs (session_id, user_message, review_status, filter_outcome, is_audit,
    selection_probability, filtered_at, nlu_intent, nlu_module_type, nlu_provider, review_priority, review_reason,
    created_at)
SELECT 's', 'm', 'needs-review', 'needs-review', audit, CASE WHEN audit THEN 0.05 END, now(), 'food.a', 'food',
       'indicbert', priority, 'low confidence', now() - age
FROM (VALUES (1, interval '5 days', false), (1, '3 hours', false), (1, '2 hours', false), (3, '8 days', true),
             (3, '1 day', false)) v (priority, age, audit);
INSERT INTO training_samples (text, intent, module_type, review_status, source, label_source, review_priority,
    review_reason, created_at)
VALUES ('x', 'zoo.c', 'zoo', 'pending', 'manual', 'human', 2, 'label conflict', now() - interval '6 hours');
INSERT INTO review_claims (conversation_log_id, reviewer, claimed_at, expires_at)
SELECT id, 'asha', now() - interval '2 hours', now() + (3 - 2 * row_number() OVER (ORDER BY id)) * interval '1 hour'
FROM conversation_logs ORDER BY id LIMIT 2;
SELECT * FROM figures WHERE name ~ '^(queue|audit_waiting|audit_oldest|claims|last_conversation|conversation_ids)';

-- Imported old conversations and clocks that are wrong hide neither that conversations come nor that none do.
INSERT INTO conversation_logs (session_id, user_message, created_at)
SELECT 's', 'm', t FROM unnest(ARRAY[now() - interval '400 days', now() + interval '3 hours',
                                     now() + interval '90 days', 'infinity', '-infinity']) t;
SELECT * FROM figures WHERE name ~ '^(last_conversation|queue_oldest)';

-- The day whose figures were stored last.
TRUNCATE daily_statistics;
INSERT INTO daily_statistics (date, conversations, auto_approved, needs_review, not_applicable, audited, approved,
    rejected, promoted, fallback_rate, p50_latency_ms, p95_latency_ms, positive_feedback, negative_feedback, feedback,
    fallback_rules, as_of)
VALUES ('2026-05-01', 1, 1, 0, 0, 0, 0, 0, 0, 0.5, 9, 9, 0, 0, 0, '', now()),
       ('2026-05-02', 60, 30, 20, 10, 3, 2, 1, 28, 0.25, 20, 150, 6, 4, 10, '', now());
SELECT name, labels, value FROM training_metrics
WHERE name LIKE 'training\_workflow\_day\_%' AND name NOT LIKE '%timestamp%';
SELECT to_timestamp(value) AT TIME ZONE 'UTC' = '2026-05-02' AS is_its_begin FROM training_metrics
WHERE name = 'training_workflow_day_timestamp_seconds';

-- Rows that came in while triggers did not fire.
SET session_replication_role = replica;
INSERT INTO conversation_logs (session_id, user_message) SELECT 's', 'm' FROM generate_series(1, 4);
RESET session_replication_role;
SELECT * FROM figures WHERE name = 'unfiltered_conversations';

-- Versions: what is not known has no row, and accuracy_known says so.
INSERT INTO model_versions (version, model_type, status, traffic_percentage, test_accuracy, production_accuracy,
    production_accuracy_lower, production_accuracy_upper, production_computed_at, fallback_rate, artifact_error) VALUES
    ('router-v1.0.0', 'router', 'production', 90, 0.875, 0.8, 0.75, 0.84, now() - interval '2 hours', 0.125, NULL),
    ('router-v1.1.0', 'router', 'canary', 10, NULL, NULL, NULL, NULL, NULL, NULL, 'refused'),
    ('router-v0.9.0', 'router', 'rolled-back', 0, 0.5, 0.5, 0.4, 0.6, now(), 0.5, NULL),
    ('food-agent-v1.0.0', 'food-agent', 'candidate', 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO rollouts (model_type, version, previous_version, status, steps, alpha, margin, step_times, started_at,
    ended_at, end_reason) VALUES
    ('router', 'router-v0.9.0', 'router-v1.0.0', 'rolled-back', '{10,50}', 0.05, 0.01,
     ARRAY[now() - interval '9 days'], now() - interval '9 days', now() - interval '3 hours', 'failure rate'),
    ('router', 'router-v1.1.0', 'router-v1.0.0', 'running', '{10,50}', 0.05, 0.01,
     ARRAY[now() - interval '1 day'], now() - interval '1 day', NULL, NULL);
-- The newest training that ended failed; one that waits does not hide it.
INSERT INTO training_jobs (model_type, status, error_code, error_message, finished_at)
VALUES ('router', 'succeeded', NULL, NULL, now()), ('food-agent', 'failed', 'XX000', 'no', now()),
       ('router', 'failed', 'XX000', 'no', now()), ('food-agent', 'succeeded', NULL, NULL, now()),
       ('router', 'queued', NULL, NULL, NULL);
SELECT * FROM figures WHERE name ~ '^(live_versions|version_|rollouts|rollback|training_|unstored)';

-- Servers of others, and what erasures have still to do.
INSERT INTO training_export_jobs (format, status, error, finished_at)
VALUES ('jsonl', 'failed', 'store', now()), ('jsonl', 'running', NULL, NULL);
INSERT INTO labelstudio_projects (server_name, project_id, title, module_type, is_active, last_error_code, last_error,
    last_error_at, last_push_at, last_pull_at) VALUES
    ('ls', 5, 'food', 'food', true, '08000', 'no route', now(), now() - interval '2 days', now() - interval '1 day'),
    ('ls', 6, 'zoo', 'zoo', true, NULL, NULL, NULL, now(), NULL),
    ('ls', 7, 'old', NULL, false, '08000', 'x', now(), now(), now());
INSERT INTO erasures (kind, mode, reason, requested_by) VALUES ('retention', 'erase', 'r', 'x');
INSERT INTO erasure_exports (erasure_id, export_id, location, status)
VALUES (1, 1, 'x', 'pending'), (1, 2, 'y', 'pending'), (1, 3, 'z', 'listed');
INSERT INTO labelstudio_erasures (erasure_id, project, external_id, batch_id, deleted_at)
VALUES (1, 1, gen_random_uuid(), gen_random_uuid(), NULL), (1, 1, gen_random_uuid(), gen_random_uuid(), now());
SELECT * FROM figures WHERE name ~ '^(export_|labelstudio_|erasures_)';

-- The audit trail, and this copy.
SELECT count(approve_conversations(ARRAY(SELECT min(id) FROM conversation_logs)));
CALL seal_audit();
SELECT * FROM figures WHERE name ~ '^(audit_sealed|audit_problems|restored|standby)';
SELECT name, labels - 'extension_version' AS labels, value FROM training_metrics WHERE name LIKE '%\_info';

-- A job that failed is failing, one that succeeded is not.
INSERT INTO job_runs (job_name, status, started_at, finished_at, error_code, error_message)
VALUES ('check_rollouts', 'failed', now() - interval '1 hour', now() - interval '1 hour', 'XX000', 'no'),
       ('promotion', 'failed', now(), now(), 'XX000', 'no'),
       ('labelstudio_sync', 'succeeded', now() - interval '2 hours', now() - interval '2 hours', NULL, NULL);
SELECT labels, value FROM training_metrics
WHERE name = 'training_workflow_job_failing'
  AND labels ->> 'job_name' ~ '^(check_rollouts|promotion|labelstudio_sync)$';
SELECT substr(name, 23) AS name, labels, round((extract(epoch FROM now()) - value) / 3600) AS hours
FROM training_metrics
WHERE name ~ '_job_last_' AND labels ->> 'job_name' ~ '^(check_rollouts|promotion|labelstudio_sync)$';

-- An analyst of a module sees its queue; figures of all conversations are for those who see all modules.
CREATE ROLE regress_tm_zoo;
CREATE ROLE regress_tm_all;
CREATE ROLE regress_tm_none;
SELECT grant_training_role('regress_tm_zoo', 'analyst', '{zoo}') IS NOT NULL AS zoo,
       grant_training_role('regress_tm_all', 'analyst') IS NOT NULL AS all;
GRANT SELECT ON figures TO regress_tm_zoo, regress_tm_all, regress_tm_none;
CREATE TABLE seen (role text, names text[]);
GRANT INSERT ON seen TO regress_tm_zoo, regress_tm_all;
SET ROLE regress_tm_zoo;
SELECT name, labels, value FROM training_metrics WHERE name LIKE '%queue_waiting';
INSERT INTO seen SELECT 'zoo', array_agg(DISTINCT name ORDER BY name) FROM training_metrics;
SET ROLE regress_tm_all;
SELECT name, labels, value FROM training_metrics WHERE name LIKE '%queue_waiting';
INSERT INTO seen SELECT 'all', array_agg(DISTINCT name ORDER BY name) FROM training_metrics;
SET ROLE regress_tm_none;
SELECT count(*) FROM training_metrics;
RESET ROLE;
SELECT substr(n, 19) AS not_for_an_analyst_of_a_module FROM seen a, unnest(a.names) n
WHERE a.role = 'all' AND NOT n = ANY (SELECT unnest(z.names) FROM seen z WHERE z.role = 'zoo') ORDER BY 1;

DROP VIEW figures;
DROP TABLE seen;
SELECT revoke_training_role('regress_tm_zoo', 'analyst') IS NOT NULL AS zoo,
       revoke_training_role('regress_tm_all', 'analyst') IS NOT NULL AS all;
DROP OWNED BY regress_tm_zoo, regress_tm_all, regress_tm_none;
DROP ROLE regress_tm_zoo, regress_tm_all, regress_tm_none;
SET client_min_messages = warning;
SET training_workflow.allow_drop = on;
DROP EXTENSION training_workflow;
