-- demo.sql: what `make demo` shows. Run by run.sh, in this folder.
\set QUIET on
\pset footer off
\pset border 1
\pset null ''
SET client_min_messages = warning;

-- A demo starts afresh; on a real database the guard against DROP EXTENSION stays closed. Jobs of an earlier one first.
CREATE EXTENSION IF NOT EXISTS pg_cron;
\o /dev/null
SELECT cron.unschedule(jobid) FROM cron.job WHERE jobname LIKE 'training_workflow%';
\o
SET training_workflow.allow_drop = on;
DROP EXTENSION IF EXISTS training_workflow;
RESET training_workflow.allow_drop;
DROP TABLE IF EXISTS demo_conversations;

\echo
\echo '== CREATE EXTENSION training_workflow;'
CREATE EXTENSION training_workflow;
SELECT extname AS extension, extversion AS version FROM pg_extension
WHERE extname IN ('training_workflow', 'pg_cron') ORDER BY 1;

\echo '== The assistant is used in India, and connects as a role that may do nothing but capture.'
SELECT set_training_setting('time_zone', 'Asia/Kolkata') AS days_are_counted_in;
SELECT count(*) = 0 AS new_role FROM pg_roles WHERE rolname = 'chatbot' \gset
\if :new_role
CREATE ROLE chatbot LOGIN;
\endif
\o /dev/null
SELECT grant_training_role('chatbot', 'capture');
\o

\echo
\echo '== A first model, before there is any traffic: 1,500 synthetic samples, 300 of them set aside as the acceptance set'
\set samples `cat samples.jsonl`
SELECT inserted, existing, conflicting FROM import_training_samples(:'samples');
SELECT module_type, count(*) AS samples, count(DISTINCT intent) AS intents,
       count(*) FILTER (WHERE language = 'en') AS english,
       count(*) FILTER (WHERE language = 'hinglish') AS hinglish, count(*) FILTER (WHERE language = 'hi') AS hindi,
       count(*) FILTER (WHERE split = 'test') AS "set aside"
FROM training_samples GROUP BY 1 ORDER BY 2 DESC;
\echo '== The team asks 0.60 of a model that has never met a customer.  SELECT * FROM train_model();  (some of its columns)'
\o /dev/null
SELECT set_training_setting('target_accuracy', '0.60');
\o
SELECT version, status, gate_decision AS gate, round(test_accuracy::numeric, 3) AS accuracy, test_samples,
       training_samples, round(training_seconds::numeric, 2) AS seconds
FROM train_model();
SELECT gate_reason FROM model_versions WHERE version = 'router-v1.0.0';
SELECT t AS text, rank, intent, round(confidence::numeric, 3) AS confidence
FROM unnest(ARRAY['Kothrud mein veg pizza milega?', 'मेरा पार्सल कहाँ है']) WITH ORDINALITY AS x (t, n),
     classify_intents(t, 2)
ORDER BY n, rank;

\ir demo_conversations.sql
GRANT SELECT ON demo_conversations TO chatbot;
-- The last day is kept for the end: no model learns from it.
SELECT percentile_disc(0.3) WITHIN GROUP (ORDER BY minutes_ago) AS last_day FROM demo_conversations \gset

-- A few hundred messages are too few for the usual rates of 5 and 10 %.
INSERT INTO review_policies (audit_rate_approved, audit_rate_review, note)
VALUES (0.4, 0.3, 'a young model is audited more');
\echo '== The chatbot goes live. Each message is classified by the database, and captured by one plain INSERT; the triggers do the rest.'
-- A fallback (llm) answers some messages, and an older client sends odd confidences: those stay as they came.
SET ROLE chatbot;
INSERT INTO conversation_logs (session_id, phone_number, user_id, user_message, message_type, message_language,
    nlu_intent, nlu_confidence, nlu_module_type, nlu_module_id, nlu_provider, nlu_model_version, nlu_entities, nlu_tone,
    nlu_processing_time_ms, routed_to, response_text, response_success, user_feedback, user_correction,
    backend_reference, created_at)
SELECT d.session_id, d.phone_number, d.user_id, d.user_message, d.message_type, d.message_language, n.intent,
       n.confidence, n.module_type,
    (SELECT min(m.nlu_module_id) FROM demo_conversations m WHERE m.nlu_module_type = n.module_type),
    d.nlu_provider, c.model_version, d.nlu_entities, d.nlu_tone, d.nlu_processing_time_ms,
    d.routed_to, d.response_text, d.response_success, d.user_feedback, d.user_correction, d.backend_reference,
    now() - d.minutes_ago * interval '1 minute'
FROM demo_conversations d
CROSS JOIN LATERAL classify_intent(d.user_message) c
CROSS JOIN LATERAL (
    SELECT c.intent, c.confidence, c.module_type WHERE d.nlu_provider = 'indicbert' AND d.nlu_confidence BETWEEN 0 AND 1
    UNION ALL
    SELECT d.nlu_intent, d.nlu_confidence, d.nlu_module_type
    WHERE (d.nlu_provider = 'indicbert' AND d.nlu_confidence BETWEEN 0 AND 1) IS NOT TRUE) n
WHERE d.minutes_ago > :last_day
ORDER BY d.minutes_ago DESC;
\echo '   ... and may read nothing back but the id of what it inserted:'
\set ON_ERROR_STOP off
SELECT user_message FROM conversation_logs;
\set ON_ERROR_STOP on
RESET ROLE;

\echo
\echo '== What the filter made of them, and why'
SELECT review_status, review_priority AS priority, review_reason AS reason, count(*) AS conversations,
       count(*) FILTER (WHERE is_audit) AS audited
FROM conversation_logs GROUP BY 1, 2, 3 ORDER BY 1, 2, 3;

\echo '== SELECT * FROM training_queue LIMIT 10;  (some of its columns)'
SELECT conversation_log_id AS id, review_priority AS p, review_reason,
       left(replace(text, E'\n', ' '), 40) AS text, language AS lang,
       intent, confidence AS conf, provider
FROM training_queue LIMIT 10;

\echo '== SELECT COUNT(*) FROM training_queue WHERE review_status = ''needs-review'';'
SELECT COUNT(*) FROM training_queue WHERE review_status = 'needs-review';

\echo '== SELECT * FROM daily_training_stats WHERE date >= CURRENT_DATE - 7;  (some of its columns)'
SELECT date, conversations AS conv, auto_approved AS auto, needs_review AS review, needs_review_high AS high,
       needs_review_medium AS medium, audited, promoted, round(fallback_rate::numeric, 3) AS fallback,
       round(avg_latency_ms) AS avg_ms, p50_latency_ms AS p50,
       round(p95_latency_ms) AS p95, positive_feedback AS "pos", negative_feedback AS "neg"
FROM daily_training_stats WHERE date >= CURRENT_DATE - 7;

\echo '== Promoted to training samples at once: the confident answers of the trusted model'
SELECT module_type, count(*) AS samples, count(DISTINCT intent) AS intents,
       round(avg(quality_score)::numeric, 3) AS confidence
FROM training_samples WHERE source = 'production' GROUP BY 1 ORDER BY 2 DESC;
SELECT left(s.text, 44) AS text, s.language AS lang, s.intent, s.expected_service AS service,
       round(s.quality_score::numeric, 2) AS score
FROM training_samples s WHERE source = 'production' ORDER BY s.id LIMIT 6;

-- The demo plays the reviewers, and so has to know which row is which.
CREATE TEMP TABLE truth AS
SELECT c.id, c.nlu_intent, d.true_intent
FROM conversation_logs c
JOIN demo_conversations d ON d.session_id = c.session_id AND d.user_message = c.user_message
    AND d.minutes_ago = round(extract(epoch FROM transaction_timestamp() - c.created_at) / 60);

\echo '== Messages hold personal data; samples do not'
SELECT c.user_message AS said, s.text AS learned
FROM training_samples s JOIN conversation_logs c ON c.id = s.conversation_log_id
WHERE s.text <> c.user_message ORDER BY c.id LIMIT 3;

\echo '== A reviewer claims the next rows: half of them from the audit, the rest by urgency'
SELECT conversation_log_id AS id, review_priority AS p, review_reason, is_audit AS audit,
       left(replace(text, E'\n', ' '), 40) AS text, intent
FROM claim_reviews(6, '1 hour', 'demo reviewer');

\echo '== People review all that waits: approve, fix, reject'
SELECT 'approve_conversations' AS call,
       approve_conversations(array_agg(t.id), 'as predicted', 'demo reviewer') AS conversations
FROM truth t JOIN conversation_logs c USING (id)
WHERE c.review_priority IS NOT NULL AND t.true_intent = t.nlu_intent
UNION ALL
SELECT 'fix_conversation', sum(fix_conversation(t.id, t.true_intent, NULL, NULL, 'demo reviewer'))
FROM truth t JOIN conversation_logs c USING (id)
WHERE c.review_priority IS NOT NULL AND t.true_intent IS DISTINCT FROM t.nlu_intent
  AND t.true_intent IS NOT NULL
UNION ALL
SELECT 'reject_conversations', reject_conversations(array_agg(t.id), 'unclear', NULL, 'demo reviewer')
FROM truth t JOIN conversation_logs c USING (id)
WHERE c.review_priority IS NOT NULL AND t.true_intent IS NULL;
SELECT review_priority AS p, review_reason, waiting, reviewed, round(p50_time_to_review_seconds) AS p50_seconds
FROM review_backlog;

\echo '== How accurate is the model, really? The audit''s estimate, what a count of the reviewed would say, and the truth'
SELECT round(100 * a.accuracy::numeric, 1) AS accuracy, round(100 * a.lower::numeric, 1) AS lower,
       round(100 * a.upper::numeric, 1) AS upper, a.labels, round(100 * a.naive_accuracy::numeric, 1) AS naive,
       a.naive_labels,
       (SELECT round(100.0 * count(*) FILTER (WHERE t.true_intent = t.nlu_intent) / count(*), 1)
        FROM truth t WHERE t.true_intent IS NOT NULL) AS truth,
       a.reason
FROM live_accuracy() a;

\echo '== Old and new samples together make the next version; it has to beat the live one on the same test samples'
SELECT version, status, gate_decision AS gate, round(test_accuracy::numeric, 3) AS accuracy,
       round(base_accuracy::numeric, 3) AS live_accuracy, test_samples, training_samples,
       round(training_seconds::numeric, 2) AS seconds
FROM train_model();
SELECT m.gate_reason, round(m.mcnemar_p::numeric, 4) AS mcnemar_p FROM model_versions m
WHERE m.version = 'router-v1.1.0';
SELECT excluded AS "not trained on, because", sum(samples) AS samples FROM tw_training_texts('router')
WHERE excluded IS NOT NULL GROUP BY 1 ORDER BY 1;
\echo '== Which intents did it learn?  model_intent_scores() of both, on the same samples'
SELECT b.intent, b.samples, round(a.f1::numeric, 2) AS "f1 of v1.0.0", round(b.f1::numeric, 2) AS "f1 of v1.1.0"
FROM model_versions m, model_intent_scores('router-v1.0.0', m.evaluation_id) a
JOIN model_intent_scores('router-v1.1.0') b USING (intent)
WHERE m.version = 'router-v1.1.0'
ORDER BY b.f1 - a.f1 DESC LIMIT 5;
\echo '== The proof: the last day, which neither has seen'
SELECT v.version, count(*) AS messages, round(100.0 * avg((c.intent = d.true_intent)::integer), 1) AS right,
       round(100 * avg(c.confidence)::numeric, 1) AS confidence,
       round(100.0 * avg((c.confidence > 0.85)::integer), 1) AS "above 0.85",
       round(100.0 * avg((c.intent = d.true_intent)::integer) FILTER (WHERE c.confidence > 0.85), 1)
           AS "right above 0.85"
FROM unnest(ARRAY['router-v1.0.0', 'router-v1.1.0']) AS v (version), demo_conversations d,
     classify_intent(d.user_message, 'router', v.version) c
WHERE d.minutes_ago <= :last_day AND d.message_type = 'text' AND d.true_intent IS NOT NULL
GROUP BY 1 ORDER BY 1;
\echo '== It passed the gate: ten of a hundred sessions meet it first. The days that follow are played in fast motion: whatever goes by the clock takes the time as an argument'
SELECT date_trunc('hour', now()) + interval '1 hour' AS day_1 \gset
-- Outside a demo a time that is yet to come is a typing error, and refused.
SET training_workflow.allow_future_times = on;
-- Left to itself it goes by the last seven days, which had few sessions; these days have 600.
\o /dev/null
SELECT set_training_setting('rollout_steps', '10,10,25,50,100');
\o
SELECT model_type, previous_version, traffic_percentage AS percent, steps
FROM start_rollout('router-v1.1.0', 'better on the test set, and on the last day', at => :'day_1');
SELECT s AS session, assign_model_version('router', s) AS answered_by,
       rollout_bucket('router-v1.1.0', s) AS place_of_10000
FROM unnest(ARRAY['session 1', 'session 2', 'session 3', 'session 4',
                  'session 5', 'session 6', 'session 7', 'session 8']) AS s;
CREATE TEMP TABLE answers AS
SELECT v.version, d.user_message, d.true_intent, d.message_language, min(d.nlu_module_id) AS module_id, c.intent,
       c.confidence, c.module_type
FROM unnest(ARRAY['router-v1.0.0', 'router-v1.1.0']) AS v (version), demo_conversations d,
     classify_intent(d.user_message, 'router', v.version) c
WHERE d.message_type = 'text' AND d.true_intent IS NOT NULL
GROUP BY 1, 2, 3, 4, 6, 7, 8;
GRANT SELECT ON answers TO chatbot;
\echo '   600 sessions a day, of the messages above; the new version has learned from many of them, and so does better here than it did on the last day'
\set day 1
\ir day.sql
\set day 2
\ir day.sql
\set day 3
\ir day.sql
\set day 4
\ir day.sql
\set day 5
\ir day.sql
\echo '== SELECT * FROM rollout_status;  (some of its columns)'
SELECT version, status, step, traffic_percentage AS percent, why, minimum_detectable_loss FROM rollout_status;
\echo '== Every look is in rollout_checks, every change in model_deployments'
SELECT version, from_status, to_status, from_percentage AS "from", to_percentage AS "to", actor,
       left(reason, 76) AS reason FROM model_deployments ORDER BY id;
\echo '== What was live when?  live_model_at()'
SELECT d AS day, l.version, l.canary_version, l.canary_percentage
FROM generate_series(1, 5) d, live_model_at('router', :'day_1'::timestamptz + (d - 0.5) * interval '1 day') l;
\echo '== At 2 AM: SELECT * FROM rollback_rollout(...); the next answer comes from the version before'
BEGIN;
SELECT * FROM rollback_rollout('router', 'complaints about wrong dishes',
                               at => :'day_1'::timestamptz + interval '5 days 2 hours');
SELECT assign_model_version('router', 'session 1') AS answers_now;
ROLLBACK;
SELECT version, status, traffic_percentage AS traffic, round(test_accuracy::numeric, 3) AS gate,
       round(production_accuracy::numeric, 3) AS production, round(production_accuracy_lower::numeric, 3) AS lower,
       round(production_accuracy_upper::numeric, 3) AS upper, production_conversations AS conversations,
       round(fallback_rate::numeric, 3) AS fallback, p95_latency_ms AS p95
FROM model_performance_comparison ORDER BY version;

\echo '== From an answer to its cause'
SELECT jsonb_pretty(jsonb_build_object('filter', e -> 'filter' -> 'outcome', 'events', e -> 'events',
                                       'label', e -> 'sample' -> 'intent')) AS explain_conversation
FROM (SELECT explain_conversation(min(v.conversation_log_id)) AS e FROM review_events v WHERE v.action = 'fix') x;

\echo '== Food should be stricter: a policy, in force from its commit on'
INSERT INTO review_policies (module_type, approve_above, note) VALUES ('food', 0.95, 'wrong dishes cost refunds');
SELECT m AS module, d.review_status, d.review_reason, d.approve_above
FROM unnest(ARRAY['food', 'ride']) AS m, filter_decision(0.90, 'indicbert', 'intent.' || m || '.order.track', m) AS d;

\echo '== pg_cron drives it from here on:  SELECT * FROM schedule_jobs(''Asia/Kolkata'');  (a job sees itself whether it is due there)'
SELECT job_name, schedule FROM schedule_jobs('Asia/Kolkata');
\echo '== The nightly and the weekly job, once by hand'
CALL daily_training_capture(at => :'day_1'::timestamptz + interval '5 days');
CALL weekly_model_training(at => :'day_1'::timestamptz + interval '5 days');
SELECT job_name, status, details -> 'parts' AS parts FROM job_runs
WHERE job_name IN ('daily_training_capture', 'weekly_model_training') ORDER BY id;

\echo '== SELECT * FROM check_integrity();  (empty: all is well)'
SELECT problem, relation, found, hint FROM check_integrity();

\echo '== SELECT training_workflow_status();  the whole loop on one screen, as of the end of the fifth day'
\pset format unaligned
\t on
SELECT training_workflow_status(:'day_1'::timestamptz + interval '5 days');
\set report :build /report.html
\o :report
SELECT training_report((:'day_1'::timestamptz - interval '24 days')::date,
                       (:'day_1'::timestamptz + interval '5 days')::date);
\o
