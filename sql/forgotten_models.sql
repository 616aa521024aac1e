-- Which versions learned from samples that were erased, and how their successor is trained.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET training_workflow.allow_drop = on;
DROP EXTENSION IF EXISTS training_workflow CASCADE;
RESET training_workflow.allow_drop;
RESET client_min_messages;
CREATE EXTENSION training_workflow;
INSERT INTO review_policies (audit_rate_approved, audit_rate_review) VALUES (0, 0);
INSERT INTO conversation_logs (session_id, user_id, user_message, nlu_intent, nlu_confidence, nlu_provider, created_at)
SELECT u, u, 'a message of ' || u, i, 0.97, 'indicbert', '2026-01-01'
FROM (VALUES ('plain', 'intent.food.order'), ('confirmed', 'intent.food.order'), ('relabelled', 'intent.food.order'),
             ('rejected', 'intent.food.order'), ('tested', 'intent.food.order'), ('new', 'intent.food.order'),
             ('parcels', 'intent.parcel.track')) v (u, i);
UPDATE training_samples s
SET created_at = c.created_at, split = CASE c.user_id WHEN 'tested' THEN 'test' ELSE 'train' END
FROM conversation_logs c WHERE c.id = s.conversation_log_id;
-- One version a month; the first two learned everything but a sample of March.
UPDATE training_samples SET created_at = '2026-03-15' WHERE text ~ 'new';
INSERT INTO model_versions (version, model_type, status, created_at)
VALUES ('router-v1.0.0', 'router', 'retired', '2026-02-01'), ('router-v2.0.0', 'router', 'retired', '2026-03-01'),
       ('router-v3.0.0', 'router', 'candidate', '2026-04-01'), ('router-v4.0.0', 'router', 'failed', '2026-04-02'),
       ('food-agent-v1.0.0', 'food-agent', 'candidate', '2026-02-15'),
       ('router-v0.1.0', 'router', 'retired', '2025-12-01');
UPDATE training_samples SET model_version_target = 'router-v1.0.0' WHERE split = 'train' AND text !~ 'new';
-- What people said since: right, another intent, nothing to learn from.
SELECT approve_conversations(ARRAY(SELECT id FROM conversation_logs WHERE user_id = 'confirmed'), 'r');
SELECT fix_conversations(ARRAY(SELECT id FROM conversation_logs WHERE user_id = 'relabelled'), 'intent.food.cancel',
                         reviewer => 'r');
SELECT reject_conversations(ARRAY(SELECT id FROM conversation_logs WHERE user_id = 'rejected'), 'unclear', 'r');

-- One whose label changed is new to the versions in the sample, not in the event.
SELECT text, intent, review_status, model_version_target FROM training_samples ORDER BY id;
CREATE FUNCTION learned_from(u text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM forget_user(user_id => u);
    RETURN u || ': ' || coalesce((
        SELECT string_agg(m.version, ', ' ORDER BY m.version COLLATE "C") FROM erasure_models m
        WHERE m.erasure_id = (SELECT max(r.erasure_id) FROM erasure_receipts r)), 'none');
END $$;
SELECT learned_from(u) FROM unnest('{plain,confirmed,relabelled,rejected,tested,new,parcels}'::text[]) u;
SELECT version, model_type, status, erasures, samples FROM forgotten_since ORDER BY version COLLATE "C";
SELECT r.models FROM erasure_receipts r ORDER BY id LIMIT 1;

-- A training that runs meanwhile: its version is listed as soon as there is one.
SELECT count(*) FROM import_training_samples($$
{"text": "bring it", "intent": "intent.food.order"}
{"text": "stop it", "intent": "intent.food.cancel"}
$$, 'manual');
INSERT INTO conversation_logs (session_id, user_id, user_message, nlu_intent, nlu_confidence, nlu_provider)
VALUES ('late', 'late', 'a message of late', 'intent.food.order', 0.97, 'indicbert');
SELECT request_training('router', 'outside', '{}') > 0 AS requested;
SELECT model_type, version FROM claim_training_job('worker');
SELECT learned_from('late');
SELECT version FROM forgotten_since WHERE last_at > now() - interval '1 day' ORDER BY version COLLATE "C";
UPDATE model_versions SET status = 'candidate' WHERE status = 'training';
SELECT version, samples FROM forgotten_since WHERE version ~ 'v4' ORDER BY 1;
UPDATE training_jobs SET status = 'cancelled', finished_at = now() WHERE status = 'running';

-- The successor. Asking twice is asking once.
SELECT retrain_without('router-v1.0.0') = retrain_without('router-v2.0.0') AS is_one;
SELECT model_type, kind, trainer, status FROM training_jobs ORDER BY id;
SELECT retrain_without('router-v0.1.0');
SELECT retrain_without(NULL);
SELECT retrain_without(repeat('long ', 10000));
DROP FUNCTION learned_from;
