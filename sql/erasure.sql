-- What an erasure does to rows: everything that hangs on a conversation is deleted with it, or what says who spoke and
-- what was said goes and the figures stay.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET training_workflow.allow_drop = on;
DROP EXTENSION IF EXISTS training_workflow CASCADE;
RESET training_workflow.allow_drop;
RESET client_min_messages;
CREATE EXTENSION training_workflow;
SELECT set_training_setting('second_opinion_rate', '0.000001') IS NOT NULL AS set;
-- Everything is drawn for the audit.
INSERT INTO review_policies (audit_rate_approved, audit_rate_review) VALUES (1, 1);
INSERT INTO model_versions (version, model_type, status) VALUES ('router-v1.0.0', 'router', 'retired');

-- Two people: p speaks in sessions s1 and s2, and q in s3.
CREATE FUNCTION speak(who text, session text, words text, intent text, confidence double precision) RETURNS bigint
    LANGUAGE sql BEGIN ATOMIC
    INSERT INTO conversation_logs (session_id, phone_number, user_id, user_message, nlu_intent, nlu_confidence,
        nlu_provider, nlu_model_version, nlu_entities, nlu_tone, response_text, backend_reference, metadata,
        nlu_processing_time_ms, idempotency_key)
    SELECT session, x.secret || '98765 43210', who, words, intent, confidence, 'indicbert', 'router-v1.0.0',
        jsonb_build_object('city', x.secret || 'entity'), x.secret || 'tone', x.secret || 'reply',
        x.secret || 'reference', jsonb_build_object('note', x.secret || 'metadata'), 12, x.secret || 'key ' || words
    FROM (SELECT CASE who WHEN 'p' THEN 'secret-' ELSE 'open-' END AS secret) x
    RETURNING id;
END;
SELECT speak('p', CASE WHEN n < 6 THEN 's1' ELSE 's2' END, 'secret-message ' || n,
             CASE n % 2 WHEN 0 THEN 'intent.food.order' ELSE 'intent.parcel.track' END,
             CASE WHEN n % 3 = 0 THEN 0.6 ELSE 0.97 END) > 0 AS captured
FROM generate_series(1, 10) n;
SELECT count(speak('q', 's3', 'other words ' || n, 'intent.food.order', CASE WHEN n % 3 = 0 THEN 0.6 ELSE 0.97 END))
FROM generate_series(1, 12) n;
CREATE TEMP TABLE p AS SELECT c.id, row_number() OVER (ORDER BY c.id) AS n FROM conversation_logs c WHERE user_id = 'p';
SELECT approve_conversation(id, 'secret-note', 'asha') FROM p WHERE n IN (1, 2, 3);
SELECT fix_conversation(id, 'intent.food.cancel', '{"dish": "secret-fix"}', 'secret-note', 'asha') FROM p
WHERE n IN (4, 5);
SELECT reject_conversation(id, 'unclear', 'secret-note', 'asha') FROM p WHERE n = 6;
SELECT count(approve_conversation(id, NULL, 'asha')) FROM conversation_logs WHERE user_id = 'q' AND id % 2 = 0;
SELECT record_feedback(id, 's2', 'negative', 'secret-correction') > 0 AS recorded FROM p WHERE n = 7;
SELECT count(*) AS claimed FROM claim_reviews(3, '1 hour', 'ravi');
-- A waiting second opinion, models that were asked, an import, tasks, and a run that quotes a message.
INSERT INTO second_opinions (conversation_log_id, rate, first_event, first_reviewer, first_label)
SELECT p.id, 0.5, e.id, e.reviewer, 'intent.food.order' FROM p JOIN review_events e ON e.conversation_log_id = p.id
WHERE p.n = 2;
INSERT INTO paired_answers SELECT 'router-v1.0.0', id, 'intent.food.order' FROM p WHERE n < 4;
INSERT INTO imported_conversations SELECT 'secret-source ' || n, sha256('x'), id, 'old' FROM p WHERE n < 3;
INSERT INTO model_evaluations (evaluation_id, version, sample_id, text_hash, intent, weight)
SELECT nextval('model_evaluations_evaluation_seq'), 'router-v1.0.0', s.id, s.text_hash, s.intent, 1
FROM training_samples s JOIN p ON p.id = s.conversation_log_id
WHERE p.n < 5;
INSERT INTO labelstudio_projects (server_name, project_id, title) VALUES ('nowhere', 1, 'x');
UPDATE labelstudio_projects SET is_active = false;
INSERT INTO labelstudio_tasks (project, conversation_log_id, batch_id, status, task_id)
SELECT 1, id, gen_random_uuid(), 'done', n FROM p WHERE n IN (8, 9);
INSERT INTO job_runs (job_name, status, error_code, error_message, finished_at)
VALUES ('promotion', 'failed', 'P0001', 'no room for "secret-message 10"', now()),
       ('promotion', 'failed', 'P0001', 'no room for "other words 1"', now());
UPDATE training_samples SET model_version_target = 'router-v1.0.0'
WHERE conversation_log_id IN (SELECT id FROM p WHERE n < 6);
SELECT inserted FROM import_training_samples('{"text": "secret-sample", "intent": "intent.food.order"}', 'manual');
CALL seal_audit();
SELECT problem, relation, found FROM check_integrity();
SELECT DISTINCT is_problem FROM verify_audit();

-- Every value of every table, by column.
CREATE FUNCTION secrets() RETURNS TABLE (place text) LANGUAGE plpgsql AS $$
DECLARE
    c record;
BEGIN
    FOR c IN SELECT t.oid::regclass AS relation, a.attname FROM pg_class t
             JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = t.oid AND d.deptype = 'e'
             JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped
             WHERE t.relkind = 'r' ORDER BY t.relname COLLATE "C", a.attnum LOOP
        RETURN QUERY EXECUTE format('SELECT %L FROM %s WHERE %I::text LIKE ''%%secret-%%''
            OR %I::text IN (''p'', ''s1'', ''s2'') LIMIT 1',
            c.relation || '.' || c.attname, c.relation, c.attname, c.attname);
    END LOOP;
END $$;
SELECT place FROM secrets();
CREATE FUNCTION figures() RETURNS text LANGUAGE sql BEGIN ATOMIC
    SELECT md5(string_agg(to_jsonb(a)::text, E'\n' ORDER BY to_jsonb(a)::text))
    FROM live_accuracy(NULL, NULL, '{model_version,module_type,intent,month}') a;
END;
SELECT figures() AS before \gset

-- Made anonymous.
BEGIN;
INSERT INTO erasures (kind, mode, reason, requested_by, key_salt, key_hashes)
VALUES ('person', 'anonymise', 'asked', 'x', '\x00', '{}') RETURNING id AS erasure \gset
SELECT jsonb_pretty(tw_anonymise_conversations(:erasure, ARRAY(SELECT id FROM p)));
SELECT tw_anonymise_conversations(:erasure, ARRAY(SELECT id FROM p));
SELECT tw_erase_samples(:erasure, ARRAY(SELECT id FROM training_samples WHERE text = 'secret-sample'));
SELECT place FROM secrets();
SELECT figures() = :'before' AS figures_are_the_same;
SELECT n, session_id ~ '^anonymous-[0-9a-f]{24}$' AS is_random, user_message, review_status, is_training_candidate,
       review_priority, filter_outcome, selection_probability, nlu_intent, user_feedback
FROM conversation_logs JOIN p USING (id) ORDER BY n;
SELECT count(DISTINCT session_id) AS sessions FROM conversation_logs JOIN p USING (id);
SELECT action, intent, note, entities, details, count(*) FROM review_events e JOIN p ON p.id = e.conversation_log_id
GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2;
SELECT status, settled_at IS NOT NULL AS is_settled FROM second_opinions;
SELECT erasure_id = :erasure AS of_it, version, samples FROM erasure_models;
SELECT project, task_id, deleted_at FROM labelstudio_erasures ORDER BY task_id;
SELECT job_name, error_message FROM job_runs WHERE job_name = 'promotion' ORDER BY id;
SELECT finding, is_problem, relation, found FROM verify_audit() WHERE finding <> 'head';
SELECT * FROM promote_missed_conversations('0');
SELECT problem, relation, found FROM check_integrity();
SAVEPOINT s;
SELECT approve_conversation(id) FROM p WHERE n = 1;
ROLLBACK TO s;
SELECT fix_conversation(id, 'intent.food.order') FROM p WHERE n = 3;
ROLLBACK TO s;
SELECT withdraw_verdict(id) FROM p WHERE n = 1;
ROLLBACK TO s;
UPDATE conversation_logs SET response_text = 'again' WHERE id = (SELECT id FROM p WHERE n = 1);
ROLLBACK TO s;
UPDATE conversation_logs SET anonymised_at = NULL WHERE id = (SELECT id FROM p WHERE n = 1);
ROLLBACK TO s;
SELECT record_feedback(id, 's1', 'positive') FROM p WHERE n = 1;
ROLLBACK;
SELECT count(*) AS secrets FROM secrets();
SELECT figures() = :'before' AS figures_are_the_same;

-- Nothing stays open after an error.
UPDATE conversation_logs SET anonymised_at = now() WHERE user_id = 'p';
UPDATE conversation_logs SET idempotency_key = NULL WHERE user_id = 'p';
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'not this one'; END $$;
CREATE TRIGGER refuse BEFORE UPDATE ON conversation_logs FOR EACH ROW WHEN (NEW.user_message = '')
    EXECUTE FUNCTION refuse();
CREATE TRIGGER refuse BEFORE DELETE ON review_events FOR EACH ROW EXECUTE FUNCTION refuse();
INSERT INTO erasures (kind, mode, reason, requested_by) VALUES ('retention', 'erase', 'old', 'x')
RETURNING id AS erasure \gset
SELECT tw_anonymise_conversations(:erasure, ARRAY(SELECT id FROM p));
UPDATE conversation_logs SET idempotency_key = NULL WHERE user_id = 'p';
SELECT tw_erase_conversations(:erasure, ARRAY(SELECT id FROM p));
DROP TRIGGER refuse ON review_events;
DROP TRIGGER refuse ON conversation_logs;
DROP FUNCTION refuse();
DELETE FROM review_events;
UPDATE review_events SET note = NULL;

-- Erased: a batch, and the rest.
INSERT INTO erasure_rows SELECT :erasure, 'conversation_logs', id FROM p;
SELECT jsonb_pretty(tw_erase_conversations(:erasure, ARRAY(SELECT id FROM p WHERE n < 5)));
SELECT count(*) AS left FROM erasure_rows;
SELECT jsonb_pretty(tw_erase_conversations(:erasure, ARRAY(SELECT id FROM p)));
SELECT count(*) AS left FROM erasure_rows;
SELECT tw_erase_samples(:erasure, ARRAY(SELECT id FROM training_samples WHERE text = 'secret-sample'));
-- The erasure was of no person: nothing looked for quotes.
SELECT place FROM secrets();
SELECT counts ->> 'conversation_logs' AS conversations, counts ->> 'review_events' AS events FROM erasures
WHERE id = :erasure;
SELECT finding, is_problem, relation, found FROM verify_audit() WHERE finding <> 'head' ORDER BY 1, 3;
SELECT problem, relation, found FROM check_integrity();
SELECT tw_erase_events(:erasure, ARRAY(SELECT min(id) FROM review_events));
SELECT count(*) AS others FROM conversation_logs;

DROP FUNCTION speak, secrets, figures;
