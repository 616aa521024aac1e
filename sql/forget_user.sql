-- forget_user(): who is found, what is done, and what the receipt says.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET training_workflow.allow_drop = on;
DROP EXTENSION IF EXISTS training_workflow CASCADE;
RESET training_workflow.allow_drop;
RESET client_min_messages;
CREATE EXTENSION training_workflow;
INSERT INTO review_policies (audit_rate_approved, audit_rate_review) VALUES (0, 0);

-- Samples of texts that one of them, both, and nobody will say.
SELECT inserted FROM import_training_samples($$
{"text": "One pizza for ASHA", "intent": "intent.food.order"}
{"text": "hello", "intent": "intent.greet"}
{"text": "nobody said this", "intent": "intent.greet"}
$$, 'manual');
-- Two people share the session "kiosk"; one spoke in "web" before she logged in.
INSERT INTO conversation_logs (session_id, phone_number, user_id, user_message, nlu_intent, nlu_confidence,
                               nlu_provider)
VALUES ('a1', '+91 98765-43210', 'asha', 'one pizza for asha', 'intent.food.order', 0.97, 'indicbert'),
       ('a1', '919876543210', NULL, 'and a lassi', 'intent.food.order', 0.97, 'indicbert'),
       ('a2', E'(+91) 98765.43210', NULL, 'where is it', 'intent.parcel.track', 0.5, 'indicbert'),
       ('a3', E'\u096F\u0967\u096F\u096E\u096D\u096C\u096B\u096A\u0969\u0968\u0967\u0966', NULL, 'hello',
        'intent.greet', 0.97, 'indicbert'),
       ('b1', '9876543210', NULL, 'another number', 'intent.greet', 0.97, 'indicbert'),
       ('web', NULL, NULL, 'before the login', 'intent.greet', 0.97, 'indicbert'),
       ('web', NULL, 'asha', 'after the login', 'intent.greet', 0.97, 'indicbert'),
       ('kiosk', NULL, 'asha', 'at the kiosk', 'intent.greet', 0.97, 'indicbert'),
       ('kiosk', NULL, 'ravi', 'ravi at the kiosk', 'intent.greet', 0.97, 'indicbert'),
       ('kiosk', NULL, NULL, 'nobody at the kiosk', 'intent.greet', 0.97, 'indicbert'),
       ('r1', NULL, 'ravi', 'hello', 'intent.greet', 0.97, 'indicbert');
UPDATE training_samples SET split = 'train';
INSERT INTO model_versions (version, model_type, status) VALUES ('router-v1.0.0', 'router', 'candidate'),
                                                                ('parcel-agent-v1.0.0', 'parcel-agent', 'candidate');

-- Whom nobody is: refused, for they would match everybody.
SELECT * FROM forget_user();
SELECT * FROM forget_user(user_id => ' ');
SELECT * FROM forget_user(phone_number => '+');
SELECT * FROM forget_user(session_id => '{}');
SELECT * FROM forget_user(session_id => ARRAY['a1', NULL]);
SELECT * FROM forget_user(user_id => 'asha', mode => 'hide');
SELECT * FROM forget_user(user_id => 'asha', reason => '');
SELECT * FROM forget_user(user_id => 'asha', max_rows => -1);
SELECT * FROM forget_user(user_id => 'asha', phone_number => '00919876543210', max_rows => 7);
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT * FROM forget_user(user_id => 'asha');
ROLLBACK;
BEGIN;
CALL forget_user_in_batches(user_id => 'asha');
ROLLBACK;
SELECT count(*) FROM erasures;

-- A dry run says what is then done, and changes nothing.
CREATE TEMP TABLE said AS
SELECT * FROM forget_user('00919876543210', 'asha', NULL, 'erase', 'ticket 4711', dry_run => true);
SELECT receipt, relation, found, detail FROM said;
SELECT count(*) AS conversations, (SELECT count(*) FROM training_samples) AS samples,
       (SELECT count(*) FROM erasures) AS erasures FROM conversation_logs;
SELECT s.relation AS other FROM said s FULL JOIN forget_user('00919876543210', 'asha', NULL, 'erase', 'ticket 4711') f
    USING (relation, found) WHERE s.relation IS NULL OR f.relation IS NULL;
SELECT session_id, user_id, user_message FROM conversation_logs ORDER BY id;
SELECT text FROM training_samples WHERE conversation_log_id IS NULL ORDER BY id;
SELECT kind, mode, status, reason, counts, session_secret FROM erasures;
SELECT id, erasure_id, kind, mode, reason, counts, models, exports, labelstudio_tasks FROM erasure_receipts;
SELECT count(*) AS left FROM erasure_rows;

-- The receipt proves who was forgotten, and says nothing of them.
SELECT id FROM receipts_of(phone_number => '+91 98765 43210');
SELECT id FROM receipts_of(user_id => 'asha', phone_number => '1');
SELECT id FROM receipts_of(user_id => 'Asha');
SELECT to_jsonb(r)::text ~ 'asha|98765|kiosk' AS tells FROM erasure_receipts r;
SELECT jsonb_object_agg(k, length(v ->> 0)) FROM erasure_receipts r, jsonb_each(r.key_hashes) x (k, v);
-- PBKDF2-HMAC-SHA-256 as in RFC 7914, section 11, 32 bytes of it.
SELECT tw_key_hash('passwd', 'salt', 1)
       = '55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc' AS is_right;
-- A key of ten million bytes takes no longer than a short one: it would be read a hundred thousand times.
SELECT count(*) FROM receipts_of(user_id => repeat('k', 10000000));
SELECT tw_key_hash(repeat('k', 65), 'salt', 2) = tw_key_hash(encode(sha256(repeat('k', 65)::bytea), 'hex'), 'salt', 2)
       AS is_hashed_first;
UPDATE erasure_receipts SET reason = 'none';
DELETE FROM erasure_receipts;

-- Once more: nothing is there, and a receipt says so.
SELECT * FROM forget_user('00919876543210', 'asha');
SELECT * FROM forget_user(user_id => 'nobody', mode => 'anonymise');
SELECT id FROM receipts_of(user_id => 'asha') ORDER BY id;

-- The models that learned from them.
SELECT version, model_type, status, erasures, samples FROM forgotten_since;
SELECT retrain_without('router-v1.0.0') > 0 AS requested;
SELECT model_type, kind, status FROM training_jobs;
SELECT retrain_without('parcel-agent-v1.0.0');
SELECT retrain_without('router-v9.0.0');

-- Made anonymous, and erased after all; in batches.
SELECT relation, found FROM forget_user(user_id => 'ravi', mode => 'anonymise');
SELECT session_id ~ '^anonymous-' AS is_anonymous, count(*) FROM conversation_logs GROUP BY 1 ORDER BY 1;
INSERT INTO conversation_logs (session_id, user_id, user_message, nlu_intent, nlu_confidence, nlu_provider)
SELECT 'many ' || n % 7, 'many', 'message ' || n, 'intent.greet', 0.97, 'indicbert' FROM generate_series(1, 2500) n;
CALL forget_user_in_batches(user_id => 'many');
SELECT counts FROM erasure_receipts ORDER BY id DESC LIMIT 1;

-- One that was interrupted: the next call for the same person goes on, and so does finish_erasures().
CREATE FUNCTION interrupt() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.user_message = 'message 1500' THEN RAISE EXCEPTION 'interrupted'; END IF;
    RETURN OLD;
END $$;
CREATE TRIGGER interrupt BEFORE DELETE ON conversation_logs FOR EACH ROW EXECUTE FUNCTION interrupt();
INSERT INTO conversation_logs (session_id, user_id, user_message, nlu_intent, nlu_confidence, nlu_provider)
SELECT 'many ' || n % 7, 'many', 'message ' || n, 'intent.greet', 0.97, 'indicbert' FROM generate_series(1, 2500) n;
CALL forget_user_in_batches(user_id => 'many');
SELECT status, counts ->> 'conversation_logs' AS done, (SELECT count(*) FROM erasure_rows) AS left
FROM erasures ORDER BY id DESC LIMIT 1;
CALL finish_erasures();
INSERT INTO conversation_logs (session_id, user_id, user_message, nlu_intent, nlu_confidence, nlu_provider)
VALUES ('many 1', 'many', 'one more', 'intent.greet', 0.97, 'indicbert');
DROP TRIGGER interrupt ON conversation_logs;
SELECT receipt, relation, found FROM forget_user(user_id => 'many');
INSERT INTO erasures (kind, mode, reason, requested_by, key_salt, key_hashes)
VALUES ('person', 'erase', 'interrupted', 'x', '\x00', '{}');
CALL finish_erasures();
SELECT count(*) FILTER (WHERE status = 'running') AS running FROM erasures;

-- The trail has the receipts, and a tombstone names an erasure.
CALL seal_audit();
SELECT relation, count(*) FROM audit_chain GROUP BY 1 ORDER BY 1;
SELECT finding, relation, found FROM verify_audit() WHERE is_problem;
SELECT problem, relation, found FROM check_integrity();
BEGIN;
SELECT tw_tombstone('erasure_receipts', '{1}', 4711, NULL);
SELECT finding, relation, found FROM verify_audit() WHERE is_problem;
ROLLBACK;
DROP FUNCTION interrupt;
