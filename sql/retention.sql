-- Retention: what purge_conversations() takes, what it leaves and why, and
-- what stays of the days that it has taken from.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET training_workflow.allow_drop = on;
DROP EXTENSION IF EXISTS training_workflow CASCADE;
RESET training_workflow.allow_drop;
RESET client_min_messages;
CREATE EXTENSION training_workflow;
SET timezone = 'UTC';

-- The settings.
SELECT set_training_setting('second_opinion_rate', '0');
SELECT set_training_setting('retain_text', '030'), set_training_setting('retain_events', '36500'),
       set_training_setting('retain_events', 'forever'), training_setting('retain_conversations');
SELECT set_training_setting('retain_text', '0');
SELECT set_training_setting('retain_conversations', '36501');
SELECT set_training_setting('retain_job_runs', 'Forever');
SELECT set_training_setting('retain_text', NULL), tw_retention_is_set();

-- Nothing is set: nothing is done, also by the daily job.
CREATE FUNCTION details(job text, OUT status text, OUT error_message text, OUT details jsonb) LANGUAGE sql AS $$
    SELECT r.status, r.error_message, r.details - 'longest batch ms' - 'newest conversation'
    FROM job_runs r WHERE r.job_name = job ORDER BY r.id DESC LIMIT 1 $$;
CALL daily_training_capture();
SELECT status, details -> 'parts' -> 'retention' AS retention FROM details('daily_training_capture');
SELECT count(*) FROM job_runs WHERE job_name = 'purge_conversations';

-- Which days: a limit is a number of whole days after the day. No conversation
-- of the last 30 days is deleted.
CREATE FUNCTION limits(text_days text, days text,
                       OUT anonymise_before integer, OUT erase_before integer, OUT window_from integer)
    LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_training_setting('retain_text', text_days), set_training_setting('retain_conversations', days);
    SELECT d - l.anonymise_before, d - l.erase_before, d - l.window_from
    INTO anonymise_before, erase_before, window_from
    FROM (SELECT date '2026-03-10' AS d) d, tw_retention_limits('2026-03-10 23:59:59+00') l;
END $$;
SELECT c.text_days, c.days, l.*
FROM (VALUES (NULL, NULL), ('1', NULL), ('90', '365'), (NULL, '365'), (NULL, '10'), ('5', '10'), ('20', '10'),
             ('40', '29'), ('40', '30')) AS c (text_days, days), limits(c.text_days, c.days) l;
SELECT set_training_setting('retain_text', NULL), set_training_setting('retain_conversations', NULL);

-- Batches take 25 ms.
SELECT c.*, tw_next_batch(c.rows, c.ms)
FROM (VALUES (100, 1), (100, 50), (100, 200), (100, 1000), (1500, 1), (10, 5000), (100, NULL)) AS c (rows, ms);

-- What is needed is left. Nothing is drawn at random.
INSERT INTO review_policies (audit_rate_approved, audit_rate_review) VALUES (0, 0);
INSERT INTO review_policies (module_type, audit_rate_approved, audit_rate_review) VALUES ('drawn', 1, 1);
CREATE FUNCTION capture(message text, days integer, module text DEFAULT 'food', confidence float8 DEFAULT 0.95,
                        version text DEFAULT NULL) RETURNS bigint LANGUAGE sql AS $$
    INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider, nlu_module_type,
                                   nlu_model_version, phone_number, created_at, nlu_processing_time_ms)
    VALUES ('session of ' || message, message, 'intent.a.b', confidence, 'indicbert', module, version,
            '+910000000213', now() - make_interval(days => days), 10)
    RETURNING id $$;
CREATE VIEW kept AS
    SELECT c.user_message, k.reason
    FROM conversation_logs c
    LEFT JOIN tw_kept_from_retention(ARRAY(SELECT id FROM conversation_logs), current_date - 29) k ON k.id = c.id;
SELECT count(capture(m, 50)) FROM unnest('{nobody needs it,claim over,claimed,blind,opinion,opinion given,task open,
    task done,tested,learned,in the pool,compared,compared once}'::text[]) AS m;
SELECT count(capture(m, 50, confidence => 0.3)) FROM unnest('{waits}'::text[]) AS m;
SELECT count(capture('drawn', d, 'drawn')) FROM unnest('{20,50}'::integer[]) AS d;
SELECT count(capture(v, 5, version => v)) FROM unnest('{router-v1.0.0,router-v2.0.0,router-v3.0.0}'::text[]) AS v;
SELECT approve_conversation(id) FROM conversation_logs WHERE user_message = 'drawn' ORDER BY id;
INSERT INTO review_claims (conversation_log_id, reviewer, claimed_at, expires_at)
SELECT id, 'asha', now() - interval '2 hours',
       now() + CASE WHEN user_message = 'claimed' THEN interval '1 hour' ELSE interval '- 1 hour' END
FROM conversation_logs WHERE user_message LIKE 'claim%';
INSERT INTO blind_reviews (conversation_log_id, suggestions)
SELECT id, '{intent.a.b,intent.a.c}' FROM conversation_logs WHERE user_message = 'blind';
INSERT INTO second_opinions (conversation_log_id, status, rate, first_event, first_reviewer, first_label, settled_at)
SELECT id, CASE WHEN user_message = 'opinion' THEN 'asked' ELSE 'withdrawn' END, 1, 0, 'asha', 'intent.a.b',
       CASE WHEN user_message <> 'opinion' THEN now() END
FROM conversation_logs WHERE user_message LIKE 'opinion%';
INSERT INTO labelstudio_tasks (project, conversation_log_id, batch_id, status, task_id)
SELECT 1, id, gen_random_uuid(), CASE WHEN user_message = 'task open' THEN 'open' ELSE 'done' END, id
FROM conversation_logs WHERE user_message LIKE 'task%';
UPDATE training_samples s SET split = CASE WHEN s.text = 'tested' THEN 'test' ELSE 'train' END
WHERE s.text IN ('tested', 'learned');
INSERT INTO training_jobs (model_type, kind, version, trainer, status, worker, lease_expires_at, started_at, pool)
SELECT 'router', 'evaluate', 'router-v1.0.0', 'outside', 'running', 'w', now() + interval '1 hour', now(), ARRAY[id]
FROM conversation_logs WHERE user_message = 'in the pool';
INSERT INTO paired_evaluations (id, model_type, challenger, live_version, status, first_id, scored_to, approved_rate,
                                decided_at)
VALUES (1, 'router', 'router-v2.0.0', 'router-v1.0.0', 'undecided', 0, 0, 1, now()),
       (2, 'food-agent', 'food-agent-v2.0.0', 'food-agent-v1.0.0', 'running', 0, 1000000, 1, NULL);
INSERT INTO paired_disagreements (evaluation_id, conversation_log_id, challenger_intent, live_intent, probability,
                                  is_drawn)
SELECT CASE user_message WHEN 'compared' THEN 2 ELSE 1 END, id, 'intent.a.b', 'intent.a.c', 1, true
FROM conversation_logs WHERE user_message LIKE 'compared%';
INSERT INTO rollouts (model_type, version, previous_version, steps, alpha, margin, step_times, started_at)
VALUES ('router', 'router-v2.0.0', 'router-v1.0.0', '{10,100}', 0.05, 0.02, ARRAY[now() - interval '4.5 days'],
        now() - interval '4.5 days');
SELECT * FROM kept ORDER BY reason, user_message;
-- Messages that a comparison has yet to see.
UPDATE paired_evaluations SET scored_to = (SELECT id FROM conversation_logs WHERE user_message = 'learned')
WHERE id = 2;
SELECT * FROM kept WHERE user_message IN ('learned', 'in the pool', 'compared once') ORDER BY 1;
UPDATE paired_evaluations SET scored_to = 1000000 WHERE id = 2;

-- Made anonymous after 40 days, deleted after 60; more of each, on several days.
SELECT count(capture('old ' || g, 70 - g % 30)) FROM generate_series(1, 300) g;
SELECT record_feedback(id, session_id, 'positive') FROM conversation_logs WHERE user_message IN ('old 1', 'old 30');
CREATE TABLE figures AS SELECT * FROM daily_training_stats;
CREATE TABLE accuracy AS
    SELECT model_version, conversations, labels, accuracy, lower, upper, strata
    FROM live_accuracy(current_date - 29, current_date, '{model_version}');
CREATE VIEW left_rows AS
    SELECT count(*) AS conversations,
           count(*) FILTER (WHERE c.user_message = '' OR c.phone_number IS NULL) AS anonymous, count(s.id) AS samples
    FROM conversation_logs c LEFT JOIN training_samples s ON s.conversation_log_id = c.id;
CREATE VIEW changed_figures AS
    SELECT f.date FROM figures f LEFT JOIN daily_training_stats d ON d.date = f.date
    WHERE (f.conversations, f.auto_approved, f.needs_review, f.needs_review_high, f.not_applicable, f.audited,
           f.approved, f.rejected, f.promoted, f.fallback_rate, f.p95_latency_ms, f.positive_feedback, f.feedback)
          IS DISTINCT FROM
          (d.conversations, d.auto_approved, d.needs_review, d.needs_review_high, d.not_applicable, d.audited,
           d.approved, d.rejected, d.promoted, d.fallback_rate, d.p95_latency_ms, d.positive_feedback, d.feedback);
SELECT * FROM left_rows;
SELECT set_training_setting('retain_text', '40'), set_training_setting('retain_conversations', '60');
CALL purge_conversations();
SELECT * FROM details('purge_conversations');
SELECT * FROM left_rows;
SELECT kind, mode, status, reason, requested_by = session_user AS by_me,
       counts ->> 'conversation_logs' AS conversations
FROM erasures ORDER BY id;
SELECT * FROM changed_figures;
SELECT count(*) FILTER (WHERE is_final) AS final, sum(deleted) AS deleted,
       count(*) FILTER (WHERE is_final AND date >= current_date - 40) AS too_young FROM daily_statistics;
SELECT user_message FROM conversation_logs WHERE created_on = current_date - 50 AND user_message <> '' ORDER BY 1;
-- Once more: nothing is left to do, and nothing is written but the run.
CALL purge_conversations();
SELECT * FROM details('purge_conversations');
SELECT count(*) AS erasures FROM erasures;

-- Final days stay: whatever counts days, forgets them or fills them.
CALL daily_training_capture();
SELECT status, details -> 'parts' ->> 'retention' ~ '^succeeded: run \d+$' AS retention
FROM details('daily_training_capture');
SELECT * FROM changed_figures;
SELECT recount_days() > 0 AS others;
SELECT tw_forget_days(ARRAY(SELECT date FROM daily_statistics));
INSERT INTO review_policies (intent, fallback_providers) VALUES ('intent.a.b', '{indicbert}');
CALL daily_training_capture();
DELETE FROM review_policies WHERE fallback_providers IS NOT NULL;
SELECT * FROM changed_figures WHERE date < current_date - 40;
-- A verdict on what was left changes no final figure; the queue is as it is.
SELECT reject_conversation(id, 'unclear') FROM conversation_logs WHERE user_message = 'waits';
SELECT f.rejected = d.rejected AS rejected, f.needs_review_high - d.needs_review_high AS waited
FROM figures f JOIN daily_training_stats d USING (date) WHERE date = current_date - 50;

-- What was left is taken when nobody needs it any more, and what came into a
-- day that was done is found.
SELECT capture('came late', 50) IS NOT NULL AS captured;
UPDATE labelstudio_tasks SET status = 'done' WHERE status = 'open';
DELETE FROM review_claims;
CALL purge_conversations();
SELECT * FROM details('purge_conversations');
SELECT user_message FROM conversation_logs WHERE created_on = current_date - 50 AND user_message <> '' ORDER BY 1;

-- Estimates of the last 30 days are as they were, also where conversations
-- are kept for less: they are made anonymous, and deleted later.
SELECT set_training_setting('retain_text', NULL), set_training_setting('retain_conversations', '2');
CALL purge_conversations();
SELECT details FROM details('purge_conversations');
SELECT count(*) FROM (
    SELECT * FROM accuracy EXCEPT
    SELECT model_version, conversations, labels, accuracy, lower, upper, strata
    FROM live_accuracy(current_date - 29, current_date, '{model_version}')) x;
SELECT reason FROM live_accuracy(current_date - 69, current_date, '{day}') ORDER BY reason COLLATE "C" LIMIT 1;
SELECT reason FROM live_accuracy(current_date - 29, current_date);

-- Events, runs and stored answers.
SELECT set_training_setting('retain_events', '1'), set_training_setting('retain_evaluations', '90'),
       set_training_setting('retain_job_runs', '90');
INSERT INTO review_events (conversation_log_id, action, reviewer, calling_role, created_at)
SELECT c.id, 'feedback', 'user', 'app', now() - make_interval(days => d)
FROM conversation_logs c, unnest('{3,300}'::integer[]) d WHERE c.user_message IN ('tested', 'drawn')
   OR c.nlu_model_version = 'router-v3.0.0';
INSERT INTO model_versions (version, model_type, status, evaluation_id, base_version) VALUES
    ('router-v1.0.0', 'router', 'retired', 1, NULL), ('router-v2.0.0', 'router', 'production', 3, 'router-v1.5.0'),
    ('router-v1.5.0', 'router', 'retired', 2, NULL), ('router-v0.9.0', 'router', 'retired', 0, NULL);
UPDATE rollouts SET status = 'finished', ended_at = now();
INSERT INTO model_evaluations (evaluation_id, version, sample_id, text_hash, intent, weight, evaluated_at)
SELECT v.evaluation, v.version, g, g, 'intent.a.b', 1, now() - make_interval(days => v.days)
FROM (VALUES (0, 'router-v0.9.0', 100), (1, 'router-v1.0.0', 100), (2, 'router-v1.5.0', 100),
             (2, 'router-v0.9.0', 100), (3, 'router-v2.0.0', 100), (3, 'router-v1.0.0', 100), (4, 'router-v1.0.0', 80))
    AS v (evaluation, version, days), generate_series(1, 3) g;
UPDATE paired_evaluations SET decided_at = now() - interval '100 days', started_at = now() - interval '110 days'
WHERE id = 1;
INSERT INTO paired_answers (version, conversation_log_id, intent)
VALUES ('router-v1.0.0', 5, 'intent.a.b'), ('router-v2.0.0', 5, 'intent.a.b'), ('food-agent-v1.0.0', 5, 'intent.a.b'),
       ('nobody-v1.0.0', 5, 'intent.a.b');
INSERT INTO job_runs (job_name, status, started_at, finished_at)
SELECT j, s, now() - make_interval(days => d), now() - make_interval(days => d)
FROM unnest('{weekly_model_training,check_rollouts,promotion}'::text[]) j,
     unnest('{succeeded,failed}'::text[]) s, unnest('{400,100,50,10}'::integer[]) d;
CALL purge_conversations();
SELECT details - 'kept: waits for a person' FROM details('purge_conversations');
SELECT c.user_message, count(e.id) FROM conversation_logs c JOIN review_events e ON e.conversation_log_id = c.id
GROUP BY c.id ORDER BY c.id;
SELECT DISTINCT evaluation_id, version FROM model_evaluations ORDER BY 1, 2;
SELECT version FROM paired_answers ORDER BY 1;
SELECT count(*) FROM paired_disagreements;
SELECT job_name, status, array_agg(current_date - started_at::date ORDER BY started_at) AS days
FROM job_runs WHERE job_name IN ('weekly_model_training', 'check_rollouts', 'promotion')
GROUP BY job_name, status ORDER BY 1, 2;
SELECT count(*) FILTER (WHERE status <> 'finished') AS unfinished FROM erasures;

-- An interrupted run leaves its erasure, and the next one finishes it.
INSERT INTO erasures (kind, mode, reason, requested_by) VALUES ('retention', 'anonymise', 'interrupted', 'x');
CALL purge_conversations();
SELECT count(*) FILTER (WHERE status <> 'finished') AS unfinished FROM erasures;

-- A restored copy does nothing. Nor does a call in a transaction.
UPDATE training_settings SET value = '1:1' WHERE name = 'installation';
CALL purge_conversations();
SELECT adopt_installation();
BEGIN;
CALL purge_conversations();
ROLLBACK;
CALL purge_conversations('infinity');
SELECT has_function_privilege('public', 'purge_conversations(timestamptz)', 'EXECUTE') AS everybody;
SELECT problem, relation, found FROM check_integrity() WHERE problem ~ 'sample|event|erasure|tombstone|anonym';

DROP VIEW changed_figures, left_rows, kept;
DROP TABLE accuracy, figures;
DROP FUNCTION details, limits, capture;
