-- A worker was asked about samples that are erased meanwhile: it can hand in what it has, and answers to them count in
-- no figure.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET training_workflow.allow_drop = on;
DROP EXTENSION IF EXISTS training_workflow CASCADE;
RESET training_workflow.allow_drop;
RESET client_min_messages;
CREATE EXTENSION training_workflow;
SET client_min_messages = warning;
SELECT set_training_setting('min_test_samples', '2');
INSERT INTO training_samples (id, text, intent, module_type, review_status, source, split)
SELECT i, CASE i % 2 WHEN 0 THEN 'track ' ELSE 'refund ' END || md5(i::text), 'intent.a.' || i % 2, 'a', 'approved',
       'synthetic', CASE WHEN i > 8 THEN 'test' ELSE 'train' END
FROM generate_series(1, 16) AS i;
SELECT setval('training_samples_id_seq', 16);
SELECT register_model('a-agent-v1.0.0', 'a-agent', minio_path => 's3://a/b');
SELECT promote_model('a-agent-v1.0.0', 'the first');
INSERT INTO erasures (kind, mode, reason, requested_by, key_salt, key_hashes)
VALUES ('person', 'erase', 'asked', 'x', '\x00', '{}');

-- Before it hands in.
SELECT request_training('a-agent', 'outside') AS job \gset
CREATE TABLE claimed AS SELECT * FROM claim_training_job('w1', model_types => ARRAY['a-agent']);
CREATE TABLE asked AS SELECT t.* FROM claimed c, training_job_test_set(c.job_id, c.secret) t;
SELECT count(*), min(sample_id), max(sample_id) FROM asked;
SELECT tw_erase_samples(1, '{1,2,9,10}');
-- It is not shown them any more.
SELECT count(*), min(sample_id) FROM claimed c, training_job_test_set(c.job_id, c.secret);
SELECT status, predictions_read FROM claimed c, complete_training_job(c.job_id, c.secret,
    (SELECT jsonb_agg(jsonb_build_object('sample_id', sample_id, 'intent', 'intent.a.' || sample_id % 2)) FROM asked),
    minio_path => 's3://a/c');
-- After that.
SELECT tw_erase_samples(1, '{11}');
SELECT jsonb_array_length(handed_in -> 'predictions') AS answers FROM training_jobs WHERE id = :job;
-- The live version's answers are asked for, and compared where both have one.
CALL run_training_jobs();
DELETE FROM claimed;
INSERT INTO claimed SELECT * FROM claim_training_job('w2');
SELECT kind, version FROM claimed;
TRUNCATE asked;
INSERT INTO asked SELECT t.* FROM claimed c, training_job_test_set(c.job_id, c.secret) t;
SELECT tw_erase_samples(1, '{12}');
SELECT status, predictions_read FROM claimed c, complete_training_job(c.job_id, c.secret,
    (SELECT jsonb_agg(jsonb_build_object('sample_id', sample_id, 'intent', 'intent.a.1')) FROM asked));
CALL run_training_jobs();
SELECT kind, status, version, result - 'unmarked' AS result, error_message FROM training_jobs ORDER BY id;
SELECT version, gate_decision, test_samples, test_accuracy, base_accuracy FROM model_versions ORDER BY version;
SELECT version, count(*), min(sample_id) FROM model_evaluations GROUP BY 1 ORDER BY 1;
SELECT problem, relation, found, example FROM check_integrity();

-- Messages of a comparison: of an erased one nothing is stored, of an anonymous one nothing is shown.
INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider)
SELECT 's', 'message ' || n, 'intent.a.1', 0.5, 'indicbert' FROM generate_series(1, 4) n;
SELECT request_evaluation('a-agent-v1.1.0') > 0 AS asked;
DELETE FROM claimed;
INSERT INTO claimed SELECT * FROM claim_training_job('w3');
UPDATE training_jobs j SET pool = ARRAY(SELECT id FROM conversation_logs) FROM claimed c WHERE j.id = c.job_id;
TRUNCATE asked;
INSERT INTO asked SELECT t.* FROM claimed c, training_job_test_set(c.job_id, c.secret) t;
SELECT tw_erase_conversations(1, '{1}');
SELECT tw_anonymise_conversations(1, '{2}');
SELECT t.* FROM claimed c, training_job_test_set(c.job_id, c.secret) t WHERE sample_id < 0;
SELECT status, predictions_read FROM claimed c, complete_training_job(c.job_id, c.secret,
    (SELECT jsonb_agg(jsonb_build_object('sample_id', sample_id, 'intent', 'intent.a.1')) FROM asked));
CALL run_training_jobs();
SELECT * FROM paired_answers ORDER BY 1, 2;

SELECT e -> 'conversation' ? 'anonymised_at' AS is_anonymous, e -> 'conversation' ->> 'user_message' AS message,
       e -> 'filter' ->> 'outcome' AS outcome, e -> 'filter' -> 'would_be_decided_now' AS now
FROM explain_conversation(2) e;

-- One that nobody has finished, and one that is lost.
INSERT INTO erasure_rows VALUES (1, 'conversation_logs', 3), (100, 'conversation_logs', 4);
UPDATE erasures SET started_at = now() - interval '2 days';
SELECT problem, relation, found, example FROM check_integrity();
DELETE FROM erasure_rows WHERE erasure_id = 100;

-- An erasure that is not running does nothing.
UPDATE erasures SET status = 'finished', finished_at = now(), session_secret = NULL;
SELECT tw_erase_conversations(1, '{3}');
SELECT tw_anonymise_conversations(1, '{3}');
SELECT tw_erase_samples(1, '{13}');
SELECT tw_erase_events(1, '{1}');
SELECT tw_erase_events(NULL, '{1}');
SELECT count(*) FROM conversation_logs;
DROP TABLE claimed, asked;
