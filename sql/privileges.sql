-- Roles: what each kind may do, and above all what it may not.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET training_workflow.allow_drop = on;
DROP EXTENSION IF EXISTS training_workflow CASCADE;
RESET training_workflow.allow_drop;
RESET client_min_messages;
CREATE EXTENSION training_workflow;
INSERT INTO review_policies (audit_rate_approved, audit_rate_review) VALUES (0, 0);
CREATE ROLE regress_tw_chat;
CREATE ROLE regress_tw_reviewer;
CREATE ROLE regress_tw_analyst;
CREATE ROLE "regress tw operator";
CREATE ROLE regress_tw_nobody;
SELECT grant_training_role('regress_tw_chat', 'capture'), grant_training_role('regress_tw_reviewer', 'reviewer'),
       grant_training_role('regress_tw_analyst', 'analyst'), grant_training_role('regress tw operator', 'operator');

-- Nobody: nothing.
SET ROLE regress_tw_nobody;
SELECT count(*) FROM conversation_logs;
INSERT INTO conversation_logs (session_id, user_message) VALUES ('s', 'hi');
SELECT * FROM training_queue;
SELECT * FROM check_integrity();
SELECT intent_module_type('a.b');
SELECT set_training_setting('time_zone', 'UTC');
SELECT grant_training_role('regress_tw_nobody', 'operator');
RESET ROLE;

-- capture: inserts, gets the id back, is filtered and promoted, and reads nothing else.
SET ROLE regress_tw_chat;
INSERT INTO conversation_logs (session_id, phone_number, user_id, user_message, message_type,
                               message_language, nlu_intent,
    nlu_confidence, nlu_module_id, nlu_module_type, nlu_provider, nlu_model_version, nlu_entities, nlu_tone,
    nlu_processing_time_ms, routed_to, response_text, response_success, user_feedback, user_correction,
    backend_reference, metadata, created_at, idempotency_key)
VALUES ('s', '+91 00000 00001', 'u', 'hello', 'text', 'en', 'intent.general.greeting', 0.99, 1, 'general', 'indicbert',
        'router-v1.0.0',
    '{}', 'polite', 12, 'php', 'Hello!', true, 'positive', NULL, NULL, '{}', NULL, 'k') RETURNING id;
INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider)
    SELECT 's', 'hello ' || i, 'intent.general.greeting', 0.99, 'indicbert' FROM generate_series(1, 3) AS i;
COPY conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider) FROM stdin;
s	hello copy	intent.general.greeting	0.99	indicbert
\.
SELECT user_message FROM conversation_logs;
SELECT phone_number FROM conversation_logs;
SELECT * FROM training_samples;
SELECT * FROM training_queue;
SELECT * FROM review_policies;
INSERT INTO conversation_logs (session_id, user_message, review_status) VALUES ('s', 'poison', 'approved');
INSERT INTO conversation_logs (session_id, user_message, is_audit) VALUES ('s', 'poison', true);
INSERT INTO conversation_logs (session_id, user_message, selection_probability) VALUES ('s', 'poison', 1);
INSERT INTO conversation_logs (session_id, user_message, filter_outcome) VALUES ('s', 'poison', 'auto-approved');
INSERT INTO conversation_logs (session_id, user_message, filtered_at) VALUES ('s', 'poison', now());
INSERT INTO conversation_logs (id, session_id, user_message) VALUES (1, 's', 'poison');
INSERT INTO conversation_logs (session_id, user_message) VALUES ('s', 'poison') RETURNING user_message;
UPDATE conversation_logs SET review_status = 'approved';
DELETE FROM conversation_logs;
TRUNCATE conversation_logs;
INSERT INTO training_samples (text, intent) VALUES ('poison', 'intent.general.greeting');
INSERT INTO review_policies (approve_above) VALUES (0);
SELECT promote_missed_conversations('0');
SET session_replication_role = replica;
SET training_workflow.allow_drop = on;
RESET ROLE;
SELECT count(*) AS conversations, count(s.id) AS samples
FROM conversation_logs c LEFT JOIN training_samples s ON s.conversation_log_id = c.id;
-- Also after an error in the promotion it is nobody but itself, and a failed promotion is recorded for it.
CREATE FUNCTION raise_always() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    RAISE EXCEPTION 'refused for %', current_user = session_user;
END $$;
CREATE TRIGGER raise_always BEFORE INSERT ON training_samples FOR EACH ROW EXECUTE FUNCTION raise_always();
SET ROLE regress_tw_chat;
INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider)
VALUES ('s', 'fails', 'intent.general.greeting', 0.99, 'indicbert');
SELECT current_user;
SELECT * FROM training_samples;
RESET ROLE;
DROP TRIGGER raise_always ON training_samples;
DROP FUNCTION raise_always();
SELECT job_name, items_total FROM job_runs;

-- The owner's triggers look for names along a path of ours and not along the application's.
CREATE SCHEMA regress_tw_trap AUTHORIZATION regress_tw_chat;
CREATE TABLE audit_log (id bigint);
CREATE FUNCTION log_sample() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO audit_log VALUES (NEW.id);
    RETURN NEW;
END $$;
CREATE TRIGGER log_sample AFTER INSERT ON training_samples FOR EACH ROW EXECUTE FUNCTION log_sample();
SET ROLE regress_tw_chat;
CREATE TABLE regress_tw_trap.audit_log (id bigint);
SET search_path = regress_tw_trap, public;
INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider)
VALUES ('s', 'trapped?', 'intent.general.greeting', 0.99, 'indicbert');
SHOW search_path;
RESET search_path;
SELECT count(*) FROM regress_tw_trap.audit_log;
RESET ROLE;
SELECT count(*) FROM audit_log;
SELECT problem, example, hint FROM check_integrity() WHERE problem LIKE 'foreign%';
DROP TRIGGER log_sample ON training_samples;
DROP FUNCTION log_sample();
DROP TABLE audit_log, regress_tw_trap.audit_log;
DROP SCHEMA regress_tw_trap;

-- Through a view of the owner's, by a role that has no right to our schema at all.
CREATE SCHEMA regress_tw_own;
CREATE VIEW regress_tw_own.log AS SELECT session_id, user_message, nlu_intent, nlu_confidence, nlu_provider
    FROM conversation_logs;
GRANT USAGE ON SCHEMA regress_tw_own TO regress_tw_nobody;
GRANT INSERT ON regress_tw_own.log TO regress_tw_nobody;
REVOKE USAGE ON SCHEMA public FROM PUBLIC;
\c -
SET ROLE regress_tw_nobody;
INSERT INTO regress_tw_own.log VALUES ('s', 'by a view', 'intent.general.greeting', 0.99, 'indicbert');
RESET ROLE;
GRANT USAGE ON SCHEMA public TO PUBLIC;
SELECT text FROM training_samples WHERE text = 'by a view';
DROP SCHEMA regress_tw_own CASCADE;

-- The statements of every day, word by word: an analyst and an operator read all of them, a reviewer the queue.
CREATE FUNCTION pg_temp.tried(statement text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN
    EXECUTE statement;
    RETURN 'ok';
EXCEPTION WHEN insufficient_privilege THEN
    RETURN SQLERRM;
END $$;
CREATE TEMP TABLE statements AS SELECT * FROM (VALUES
    (1, 'SELECT * FROM training_queue LIMIT 10;'),
    (2, 'SELECT * FROM daily_training_stats WHERE date >= CURRENT_DATE - 7;'),
    (3, 'SELECT version, status, test_accuracy, traffic_percentage FROM model_versions;'),
    (4, 'SELECT COUNT(*) FROM training_queue WHERE review_status = ''needs-review'';')) s (n, statement);
GRANT SELECT ON statements TO PUBLIC;
SET ROLE regress_tw_analyst;
SELECT * FROM training_queue LIMIT 0;
SELECT version, status, test_accuracy, traffic_percentage FROM model_versions;
SELECT n, pg_temp.tried(statement) AS analyst FROM statements ORDER BY n;
SET ROLE regress_tw_reviewer;
SELECT n, pg_temp.tried(statement) AS reviewer FROM statements ORDER BY n;
SET ROLE "regress tw operator";
SELECT n, pg_temp.tried(statement) AS operator FROM statements ORDER BY n;
SET ROLE regress_tw_chat;
SELECT n, pg_temp.tried(statement) AS capture FROM statements ORDER BY n;
RESET ROLE;

-- reviewer, analyst, operator.
SET ROLE regress_tw_reviewer;
SELECT count(*) FROM training_queue;
SELECT count(*) FROM training_samples;
SELECT review_status FROM filter_decision(0.9, 'indicbert', 'intent.a.b', NULL);
SELECT count(*) FROM conversation_logs;
SELECT count(*) FROM daily_training_stats;
RESET ROLE;
SET ROLE regress_tw_analyst;
SELECT count(*) FROM training_queue;
SELECT conversations, fallback_rate FROM daily_training_stats;
SELECT count(*) FROM model_performance_comparison;
SELECT phone_number FROM conversation_logs;
SELECT count(*) FROM training_samples;
-- A function that tells what it is shown is shown no row that the view leaves out.
CREATE FUNCTION pg_temp.tell(t text) RETURNS boolean LANGUAGE plpgsql COST 0.0001 AS $$ BEGIN
    RAISE NOTICE 'saw %', t;
    RETURN true;
END $$;
SET enable_indexscan = off; SET enable_bitmapscan = off; SET enable_indexonlyscan = off;
SELECT count(*) FROM training_queue WHERE pg_temp.tell(text) AND text = 'nothing like it';
RESET enable_indexscan; RESET enable_bitmapscan; RESET enable_indexonlyscan;
RESET ROLE;
SET ROLE "regress tw operator";
INSERT INTO review_policies (module_type, approve_above) VALUES ('food', 0.9);
UPDATE review_policies SET approve_above = 0.95 WHERE module_type = 'food';
DELETE FROM review_policies WHERE module_type = 'food';
SELECT set_training_setting('training_threshold', '500');
SELECT name, value, updated_by = session_user AS by_me FROM training_settings;
SELECT set_training_setting('training_threshold', NULL);
SELECT * FROM promote_missed_conversations('0');
SELECT * FROM check_integrity();
INSERT INTO conversation_logs (session_id, user_message, review_status) VALUES ('import', 'hi', 'rejected')
RETURNING is_training_candidate;
INSERT INTO training_samples (text, intent, review_status) VALUES ('manual', 'intent.general.greeting', 'approved');
INSERT INTO conversation_logs (session_id, user_message, review_status, is_audit, selection_probability, filter_outcome,
                               filtered_at)
    VALUES ('import', 'weighs a lot', 'auto-approved', true, 1e-9, 'auto-approved', now());
INSERT INTO training_samples (text, intent, conversation_log_id)
VALUES ('yet to come', 'intent.general.greeting', 1000000);
DELETE FROM conversation_logs;
TRUNCATE training_samples;
INSERT INTO training_settings VALUES ('time_zone', 'UTC');
SELECT grant_training_role('regress_tw_nobody', 'capture');
RESET ROLE;

-- Wrong requests.
SELECT grant_training_role('regress_tw_chat', 'admin');
SELECT grant_training_role('regress_tw_chat', NULL);
SELECT grant_training_role('regress_tw_missing', 'capture');
SELECT grant_training_role('public', 'capture');
SELECT revoke_training_role('regress_tw_chat', 'Capture');

-- Taking back one kind leaves what another gives, and nothing is given that was not there.
SELECT grant_training_role('regress_tw_chat', 'analyst'), grant_training_role('regress_tw_chat', 'operator');
SELECT tw_role_kinds('regress_tw_chat'::regrole);
SELECT revoke_training_role('regress_tw_chat', 'operator');
SELECT tw_role_kinds('regress_tw_chat'::regrole);
SELECT revoke_training_role('regress_tw_chat', 'capture'), revoke_training_role('regress_tw_chat', 'capture');
SELECT tw_role_kinds('regress_tw_chat'::regrole);
SET ROLE regress_tw_chat;
SELECT count(*) FROM training_queue;
INSERT INTO conversation_logs (session_id, user_message) VALUES ('s', 'hi');
RESET ROLE;
SELECT grant_training_role('regress_tw_nobody', 'operator'), revoke_training_role('regress_tw_nobody', 'operator');
SELECT tw_role_kinds('regress_tw_nobody'::regrole);
SELECT count(*) AS left_over FROM pg_class c, aclexplode(c.relacl) a WHERE a.grantee = 'regress_tw_nobody'::regrole;
SELECT count(*) AS left_over FROM pg_attribute t, aclexplode(t.attacl) a WHERE a.grantee = 'regress_tw_nobody'::regrole;

DROP OWNED BY regress_tw_chat, regress_tw_reviewer, regress_tw_analyst, "regress tw operator", regress_tw_nobody;
DROP ROLE regress_tw_chat, regress_tw_reviewer, regress_tw_analyst, "regress tw operator", regress_tw_nobody;
