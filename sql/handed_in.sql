-- What trainers outside hand in: a receipt that says nothing of the test set, one decision after commit, jobs by
-- secret, and no rollout of what lies nowhere.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET training_workflow.allow_drop = on;
DROP EXTENSION IF EXISTS training_workflow CASCADE;
RESET training_workflow.allow_drop;
RESET client_min_messages;
CREATE EXTENSION training_workflow;
SET client_min_messages = warning;
CREATE ROLE regress_tw_trainer;
CREATE ROLE regress_tw_stranger;
CREATE ROLE regress_tw_both;
SELECT grant_training_role('regress_tw_trainer', 'trainer'), grant_training_role('regress_tw_stranger', 'trainer'),
       grant_training_role('regress_tw_both', 'trainer'), grant_training_role('regress_tw_both', 'analyst');
SELECT set_training_setting('min_test_samples', '10');
SELECT set_training_setting('target_accuracy', '0.5');
INSERT INTO training_samples (text, intent, module_type, review_status, source, split)
SELECT w || ' ' || md5(w || g), 'intent.shop.order.' || w, 'shop', 'approved', 'synthetic',
       CASE WHEN g > 5 THEN 'test' ELSE 'train' END
FROM unnest(ARRAY['refund', 'track']) w, generate_series(1, 15) g;

-- All that a trainer may do: no table, no view, nothing that knows a figure.
SELECT pg_describe_object(g.classid, g.objid, g.objsubid) AS granted
FROM (SELECT 'pg_proc'::regclass AS classid, oid AS objid, 0 AS objsubid, proacl AS acl FROM pg_proc
      UNION ALL SELECT 'pg_class'::regclass, oid, 0, relacl FROM pg_class
      UNION ALL SELECT 'pg_class'::regclass, attrelid, attnum, attacl FROM pg_attribute) g, aclexplode(g.acl) a
WHERE a.grantee = 'regress_tw_trainer'::regrole ORDER BY pg_describe_object(g.classid, g.objid, g.objsubid) COLLATE "C";

CREATE SCHEMA helper;
GRANT USAGE ON SCHEMA helper TO regress_tw_trainer, regress_tw_stranger, regress_tw_both;
-- The intent of a text is its first word, in all but so many of its answers.
CREATE FUNCTION helper.guess(job bigint, secret text, wrong integer) RETURNS jsonb LANGUAGE sql
RETURN (SELECT jsonb_agg(jsonb_build_object('sample_id', t.sample_id, 'confidence', 0.9,
                                            'intent', CASE WHEN t.n <= wrong THEN 'wrong'
                                                           ELSE 'intent.shop.order.' || split_part(t.text, ' ', 1) END))
        FROM (SELECT s.*, row_number() OVER (ORDER BY s.sample_id) AS n FROM training_job_test_set(job, secret) s) t);
-- What a call says, the first argument in its place.
CREATE FUNCTION helper.said(call text, secret text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    detail text;
BEGIN
    EXECUTE format(call, secret);
    RETURN 'done';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
    RETURN concat_ws(' ', SQLSTATE, SQLERRM, '/ ' || nullif(detail, ''));
END
$$;
-- All that can be seen of an answer to the test set before it is taken back.
CREATE FUNCTION helper.peek(job bigint, secret text, answers jsonb, artifact bytea, looks text) RETURNS text
    LANGUAGE plpgsql AS $$
DECLARE
    receipt jsonb;
    seen text;
BEGIN
    BEGIN
        SELECT to_jsonb(c) INTO receipt FROM complete_training_job(job, secret, answers, artifact) c;
        EXECUTE looks INTO seen;
        RAISE EXCEPTION USING ERRCODE = 'TW001';
    EXCEPTION WHEN SQLSTATE 'TW001' THEN
    END;
    RETURN concat_ws(E'\n', receipt, seen);
END
$$;

-- A job is its worker's by a secret, of which the database keeps a hash.
SELECT request_training('shop-agent', 'outside') AS job \gset
SET ROLE regress_tw_trainer;
SELECT job_id = :job AS is_it, version, test_samples, secret FROM claim_training_job('w1') \gset
SELECT :'secret' ~ '^[0-9a-f-]{36}$' AS is_secret, :'version' AS version, :test_samples AS test_samples;
RESET ROLE;
SELECT secret_sha256 = encode(sha256(convert_to(:'secret', 'UTF8')), 'hex') AS hashed,
       to_jsonb(j)::text LIKE '%' || :'secret' || '%' AS has_it FROM training_jobs j WHERE id = :job;
SET ROLE regress_tw_trainer;
SELECT secret_sha256 FROM training_jobs;
SELECT count(*) AS texts FROM training_job_test_set(:job, :'secret');
SELECT heartbeat_training_job(:job, :'secret', '{"epoch": 1}') > now() AS alive;
SELECT helper.guess(:job, :'secret', 0) AS
right, helper.guess(:job, :'secret', 20) AS wrong, helper.guess(:job, :'secret', 7) AS some \gset

-- Whoever does not have it is told the same of every job: not whose it
-- is, nor that its name is known, nor what became of it.
RESET ROLE;
SELECT request_training('food-agent', 'outside') AS queued, request_training('ride-agent', 'outside') AS cancelled \gset
SELECT cancel_training_job(:cancelled) AS was;
SELECT secret_sha256 AS hash FROM training_jobs WHERE id = :job \gset
SET ROLE regress_tw_stranger;
CREATE TEMPORARY VIEW calls AS SELECT * FROM (VALUES
    (1, 'heartbeat', 'SELECT heartbeat_training_job(JOB, %L)'),
    (2, 'test set', 'SELECT training_job_test_set(JOB, %L)'),
    (3, 'complete', 'SELECT complete_training_job(JOB, %L, ''[]'')'),
    (4, 'fail', 'SELECT fail_training_job(JOB, %L, ''mine now'')')) c (n, name, call);
SELECT c.name, helper.said(replace(c.call, 'JOB', :'job'), 'w1') FROM calls c ORDER BY c.n;
SELECT c.name, count(*),
       count(DISTINCT replace(helper.said(replace(c.call, 'JOB', j), s), 'job ' || j, 'job N')) AS answers
FROM calls c, unnest(ARRAY['w1', :'hash', '', ' ', 'x', upper(:'secret'), NULL]) s,
     unnest(ARRAY[:'job', :'queued', :'cancelled']) j
GROUP BY c.n, c.name ORDER BY c.n;
SELECT c.name, helper.said(replace(c.call, 'JOB', '4711'), :'secret') FROM calls c ORDER BY c.n;
RESET ROLE;
SELECT status, worker, progress, attempt FROM training_jobs WHERE id = :job;

-- The receipt, and nothing that depends on a label: right, wrong or half right, it is the same to the last letter. So
-- it is for a role that is an analyst as well, with whatever it may call, and with an artifact that could be asked
-- here.
SET ROLE regress_tw_trainer;
BEGIN;
SELECT * FROM complete_training_job(:job, :'secret', :'right');
SELECT helper.said('SELECT heartbeat_training_job(' || :job || ', %L)', :'secret');
ROLLBACK;
SELECT count(DISTINCT helper.peek(:job, :'secret', a, NULL, 'SELECT NULL')) AS answers
FROM unnest(ARRAY[:'right', :'wrong', :'some']::jsonb[]) a;
SELECT helper.said('SELECT * FROM compare_models(''shop-agent-v1.0.0'', %L)', 'shop-agent-v1.0.0');
SELECT helper.said('SELECT * FROM model_intent_scores(%L)', 'shop-agent-v1.0.0');
SELECT helper.said('SELECT * FROM evaluate_model(%L)', 'shop-agent-v1.0.0');
SELECT helper.said('SELECT gate_reason FROM model_versions', '');
RESET ROLE;
SELECT version AS router FROM train_model('router') \gset
CREATE TABLE helper.artifact AS SELECT a.bytes FROM model_artifacts a
    WHERE a.version = :'router' AND a.format = 'router';
GRANT SELECT ON helper.artifact TO regress_tw_both;
SET ROLE regress_tw_both;
SELECT count(DISTINCT x.seen) AS answers, count(*), min(x.seen) LIKE '%is handed-in%"samples": 0%' AS looked
FROM unnest(ARRAY[:'right', :'wrong', :'some']::jsonb[]) a,
     LATERAL (SELECT NULL::bytea UNION ALL SELECT b.bytes FROM helper.artifact b) b (bytes),
     LATERAL (SELECT helper.peek(:job, :'secret', a, b.bytes, format($$
         SELECT concat_ws(' ', training_workflow_status(), (SELECT to_jsonb(c) FROM compare_models(%1$L, %1$L) c),
                          (SELECT string_agg(to_jsonb(p)::text, ' ') FROM model_performance_comparison p),
                          (SELECT count(*) FROM model_intent_scores(%1$L))) $$, :'version')) AS seen) x;
RESET ROLE;
SELECT status FROM training_jobs WHERE id = :job;

-- Handed in is handed in: once, and nothing is decided in that transaction
-- or after it, until run_training_jobs() comes.
SET ROLE regress_tw_trainer;
SELECT * FROM complete_training_job(:job, :'secret', :'some', NULL, '  ', 0.9, 2.5);
SELECT c.name, helper.said(replace(c.call, 'JOB', :'job'), :'secret')
FROM (VALUES (1, 'heartbeat', 'SELECT heartbeat_training_job(JOB, %L)'),
             (2, 'test set', 'SELECT training_job_test_set(JOB, %L)'),
             (3, 'complete', 'SELECT complete_training_job(JOB, %L, ''[]'')'),
             (4, 'fail', 'SELECT fail_training_job(JOB, %L, ''mine'')')) c (n, name, call) ORDER BY c.n;
RESET ROLE;
SELECT j.status, m.status, m.gate_decision, m.training_accuracy,
       (SELECT count(*) FROM model_evaluations e WHERE e.version = m.version) AS answers
FROM training_jobs j JOIN model_versions m USING (version) WHERE j.id = :job;
SELECT tw_decide_handed_in(1, :job);
SELECT * FROM check_integrity();
CALL run_training_jobs();
SELECT j.status, j.handed_in, j.finished_at IS NOT NULL AS finished, m.status, m.training_accuracy, m.training_seconds,
       m.test_samples,
       (SELECT count(*) FROM model_evaluations e WHERE e.version = m.version) > 0 AS answers, m.gate_decision,
       m.gate_reason
FROM training_jobs j JOIN model_versions m USING (version) WHERE j.id = :job;
SELECT status, details FROM job_runs ORDER BY id DESC LIMIT 1;
SELECT count(*) AS answers FROM model_evaluations \gset
CALL run_training_jobs();
SELECT count(*) - :answers AS more FROM model_evaluations;
SELECT details FROM job_runs ORDER BY id DESC LIMIT 1;

-- With neither an artifact nor a location: it passed, and is not made live
-- as the first of its type would be. A person may say so.
SELECT count(*) AS live FROM model_versions WHERE model_type = 'shop-agent' AND status = 'production';
SELECT promote_model('shop-agent-v1.0.0', 'it is in the application') IS NULL AS nothing_before;

-- Nor does it become a canary. An older one that does lie somewhere is not held up by it.
CREATE PROCEDURE helper.train(wrong integer, artifact bytea, location text) LANGUAGE plpgsql AS $$
DECLARE
    j record;
BEGIN
    PERFORM request_training('shop-agent', 'outside');
    SELECT * INTO j FROM claim_training_job('w1', model_types => '{shop-agent}');
    PERFORM complete_training_job(j.job_id, j.secret, helper.guess(j.job_id, j.secret, wrong), artifact, location);
    COMMIT;
END
$$;
CALL helper.train(0, NULL, NULL);
CALL run_training_jobs();
SELECT version, status, gate_decision, gate_reason, location_unknown FROM model_versions
WHERE version = 'shop-agent-v1.1.0';
CALL check_rollouts();
SELECT version, status FROM model_versions WHERE model_type = 'shop-agent' ORDER BY version;
SELECT start_rollout('shop-agent-v1.1.0');
CALL helper.train(5, NULL, 's3://models/shop');
CALL helper.train(0, NULL, '');
CALL run_training_jobs();
CALL check_rollouts();
SELECT version, status, gate_decision, location_unknown, minio_path FROM model_versions WHERE model_type = 'shop-agent'
ORDER BY version;
SELECT * FROM rollback_rollout('shop-agent', 'another is tried') \g /dev/null
SELECT traffic_percentage FROM start_rollout('shop-agent-v1.3.0', 'the application has it');
SELECT reason FROM model_deployments WHERE version = 'shop-agent-v1.3.0';
SELECT * FROM rollback_rollout('shop-agent', 'another is tried', only_version => 'shop-agent-v1.3.0') \g /dev/null
-- An artifact will do, and so does the word of whoever registers a version that lives outside.
CALL helper.train(0, '\xdeadbeef', NULL);
CALL run_training_jobs();
CALL check_rollouts();
SELECT version, status, location_unknown, minio_path FROM model_versions WHERE version = 'shop-agent-v1.4.0';
SELECT * FROM rollback_rollout('shop-agent', 'another is tried', only_version => 'shop-agent-v1.4.0') \g /dev/null
SELECT register_model('shop-agent-v1.5.0', 'shop-agent') AS registered;
UPDATE model_versions SET gate_decision = 'passed', gate_reason = 'by hand', base_version = 'shop-agent-v1.0.0'
WHERE version = 'shop-agent-v1.5.0';
CALL check_rollouts();
SELECT version, status FROM model_versions WHERE version = 'shop-agent-v1.5.0';

-- What cannot be decided now is put off, what never can be fails; and it can be cancelled until then.
CALL helper.train(0, NULL, 's3://models/shop');
CREATE FUNCTION helper.refuse() RETURNS trigger LANGUAGE plpgsql
    AS 'BEGIN RAISE EXCEPTION USING ERRCODE = current_setting(''helper.code''), MESSAGE = ''refused''; END';
CREATE TRIGGER refuse BEFORE INSERT ON model_evaluations FOR EACH ROW EXECUTE FUNCTION helper.refuse();
SET helper.code = '55P03';
CALL run_training_jobs();
SELECT status, error_code, error_message, handed_in IS NOT NULL AS is_there FROM training_jobs ORDER BY id DESC LIMIT 1;
SELECT details FROM job_runs WHERE job_name = 'run_training_jobs' ORDER BY id DESC LIMIT 1;
ALTER TABLE model_evaluations DISABLE TRIGGER refuse;
CALL run_training_jobs();
SELECT status, error_code, result -> 'gate_decision' AS decision FROM training_jobs ORDER BY id DESC LIMIT 1;
CALL helper.train(0, '\xdeadbeef', NULL);
ALTER TABLE model_evaluations ENABLE TRIGGER refuse;
SET helper.code = '22000';
CALL run_training_jobs();
SELECT j.status, error_code, handed_in, artifact, m.status FROM training_jobs j JOIN model_versions m USING (version)
ORDER BY j.id DESC LIMIT 1;
SELECT status, details FROM job_runs WHERE job_name = 'run_training_jobs' ORDER BY id DESC LIMIT 1;
DROP TRIGGER refuse ON model_evaluations;
CALL helper.train(0, '\xdeadbeef', NULL);
SELECT cancel_training_job(max(id), 'not wanted') AS was FROM training_jobs;
SELECT j.status, m.status FROM training_jobs j JOIN model_versions m USING (version) ORDER BY j.id DESC LIMIT 1;
CALL run_training_jobs();
-- A damaged artifact of ours is told to its worker.
SELECT request_training('shop-agent', 'outside') AS job \gset
SELECT secret FROM claim_training_job('w1', model_types => '{shop-agent}') \gset
SELECT helper.said(format('SELECT complete_training_job(%s, %%L, %L, (SELECT substr(bytes, 1, 400) FROM '
                          'helper.artifact))', :job, helper.guess(:job, :'secret', 0)), :'secret');
SELECT status, artifact, handed_in FROM training_jobs WHERE id = :job;
SELECT * FROM check_integrity();

-- No step of a job waits for a row or a lock for longer than its bound: each function
-- that asks whether the run's session calls it has one.
SELECT p.proname FROM pg_proc p
WHERE p.pronamespace = (SELECT e.extnamespace FROM pg_extension e WHERE e.extname = 'training_workflow')
  AND p.proname <> 'tw_require_run'
  AND p.prosrc ~ '\mtw_require_run\(' AND NOT coalesce(array_to_string(p.proconfig, ' ') ~ 'lock_timeout', false)
ORDER BY 1;

DROP SCHEMA helper CASCADE;
DROP OWNED BY regress_tw_trainer, regress_tw_stranger, regress_tw_both;
DROP ROLE regress_tw_trainer, regress_tw_stranger, regress_tw_both;
