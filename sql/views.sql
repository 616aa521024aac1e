-- The mission's views: order, stages and figures.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET training_workflow.allow_drop = on;
DROP EXTENSION IF EXISTS training_workflow CASCADE;
RESET training_workflow.allow_drop;
RESET client_min_messages;
CREATE EXTENSION training_workflow;
INSERT INTO review_policies (audit_rate_approved, audit_rate_review) VALUES (0, 0);
INSERT INTO review_policies (intent, audit_rate_approved) VALUES ('intent.ride.booking.create', 1);
INSERT INTO conversation_logs (session_id, user_message, message_type, nlu_intent, nlu_confidence, nlu_provider,
                               nlu_processing_time_ms,
    user_feedback, user_correction, created_at) VALUES
    ('a', 'medium, old', 'text', 'intent.food.item.search', 0.80, 'indicbert', 10, 'positive', NULL,
     '2026-05-01 10:00+00'),
    ('a', 'medium, new', 'text', 'intent.food.item.search', 0.80, 'indicbert', 20, NULL, NULL, '2026-05-01 11:00+00'),
    ('b', 'low', 'text', 'intent.food.item.search', 0.30, 'indicbert', 30, 'negative', 'no', '2026-05-01 12:00+00'),
    ('b', 'fallback', 'text', 'intent.food.item.search', 0.99, 'LLM', 1000, NULL, 'that is wrong',
     '2026-05-01 13:00+00'),
    ('c', 'nothing', 'text', NULL, NULL, NULL, NULL, NULL, NULL, '2026-05-02 10:00+00'),
    ('c', 'sure', 'text', 'intent.food.item.search', 0.90, 'indicbert', 12, NULL, NULL, '2026-05-02 11:00+00'),
    ('d', 'surer', 'text', 'intent.food.item.search', 0.95, 'indicbert', 12, NULL, NULL, '2026-05-02 12:00+00'),
    ('d', 'audited', 'text', 'intent.ride.booking.create', 0.99, 'indicbert', 12, 'meh', NULL, '2026-05-02 13:00+00'),
    ('d', '[photo]', 'image', NULL, NULL, NULL, NULL, NULL, NULL, '2026-05-02 14:00+00');
INSERT INTO training_samples (text, intent, source, review_status, quality_score, created_at) VALUES
    ('synthetic', 'intent.food.item.search', 'synthetic', 'approved', 1, '2026-05-01 00:00+00'),
    ('pending', 'intent.food.item.search', 'manual', 'pending', 1, '2026-05-01 00:00+00');
INSERT INTO training_samples (text, intent, source, review_status, model_version_target) VALUES
    ('learned', 'intent.food.item.search', 'synthetic', 'approved', 'router-v1.0.0');
-- High priority first, then least confident, then oldest; what is ready to train comes last.
SELECT stage, text, review_status, review_priority, review_reason, confidence, module_type, label_source, is_audit
FROM training_queue;
SELECT text FROM training_queue LIMIT 3;
SELECT COUNT(*) FROM training_queue WHERE review_status = 'needs-review';
SELECT review_status, count(*) FROM training_queue GROUP BY 1 ORDER BY 1;

\x
SELECT date, conversations, auto_approved, needs_review, needs_review_high, needs_review_medium, needs_review_low,
       not_applicable, audited, approved, rejected, promoted, fallback_rate, avg_latency_ms, p50_latency_ms,
       p95_latency_ms, positive_feedback,
       negative_feedback, feedback, as_of = now() AS counted_now
FROM daily_training_stats WHERE date >= '2026-05-01';
\x
-- The figures agree with one another.
SELECT bool_and(conversations = auto_approved + needs_review + not_applicable) AS adds_up FROM daily_training_stats;
-- A policy can name other fallbacks.
UPDATE review_policies SET fallback_providers = '{indicbert}' WHERE intent IS NULL;
SELECT date, fallback_rate FROM daily_training_stats ORDER BY date;

INSERT INTO model_versions (version, model_type, status, traffic_percentage, test_accuracy, test_samples, base_version,
                            base_accuracy, created_at) VALUES
    ('router-v1.0.0', 'router', 'production', 90, 0.85, 400, NULL, NULL, '2026-05-01'),
    ('router-v1.1.0', 'router', 'canary', 10, 0.875, 400, 'router-v1.0.0', 0.85, '2026-05-08');
SELECT version, status, traffic_percentage, test_accuracy, test_accuracy_gain, production_accuracy, fallback_rate
FROM model_performance_comparison;
SELECT version, status, test_accuracy, traffic_percentage FROM model_versions;
DELETE FROM model_versions;
DELETE FROM training_samples WHERE model_version_target IS NOT NULL;
SELECT * FROM check_integrity();
