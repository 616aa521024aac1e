-- Object stores, as far as they can be tested without one: keys, which server it is, and models that wait for a store.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET training_workflow.allow_drop = on;
DROP EXTENSION IF EXISTS training_workflow CASCADE;
RESET training_workflow.allow_drop;
RESET client_min_messages;
CREATE EXTENSION training_workflow;

-- No server.
SELECT * FROM s3_check();
SELECT * FROM s3_check('nowhere');
SELECT * FROM tw_artifact_server();
CALL store_model_artifacts();

-- Which server. What libcurl says of a connection is not ours to promise.
CREATE FUNCTION checked(server text DEFAULT NULL)
    RETURNS TABLE (server_name text, endpoint text, bucket text, prefix text, state text, tried text,
        clock_difference_seconds double precision, waiting_models bigint, last_error text, advice text)
    LANGUAGE sql AS $$
    SELECT c.server_name, c.endpoint, c.bucket, c.prefix, c.state, c.tried, c.clock_difference_seconds,
           c.waiting_models,
           c.last_error, regexp_replace(replace(c.advice, quote_ident(current_user), 'OWNER'),
                                        '([.][0-9]+)?[.] libcurl says: .*', '.')
    FROM s3_check(server) c $$;
CREATE SERVER store FOREIGN DATA WRAPPER training_workflow_s3 OPTIONS (
    endpoint 'http://127.0.0.1:1', bucket 'training', prefix 'loop/1/');
\x on
SELECT * FROM checked();
CREATE USER MAPPING FOR PUBLIC SERVER store OPTIONS (access_key_id 'key', secret_access_key 'secret');
SELECT * FROM checked('store');
\x off
SELECT * FROM s3_check('nowhere');
SELECT * FROM tw_artifact_server();
CREATE SERVER another FOREIGN DATA WRAPPER training_workflow_s3 OPTIONS (
    endpoint 'http://127.0.0.1:1', bucket 'training');
SELECT * FROM tw_artifact_server();
SELECT count(*) FROM s3_check();
SELECT set_training_setting('artifact_server', 'store');
SELECT * FROM tw_artifact_server();
SELECT set_training_setting('artifact_server', '');
SELECT set_training_setting('artifact_server', 'gone');
SELECT * FROM tw_artifact_server();
SELECT set_training_setting('artifact_server', 'none');
SELECT * FROM tw_artifact_server();
SELECT set_training_setting('artifact_server', NULL);
DROP SERVER another;

-- Keys.
SELECT tw_s3_location('store', key) FROM unnest(ARRAY['a', 'a/b-C_1.bin', '.hidden']) key;
SELECT tw_s3_location('store', 's3://training/elsewhere/a');
ALTER SERVER store OPTIONS (SET prefix 'loop');
SELECT tw_s3_location('store', 'a');
SELECT tw_s3_location('store', '/a');
SELECT tw_s3_location('store', '');
SELECT tw_s3_location('store', 'a//b');
SELECT tw_s3_location('store', 'a/');
SELECT tw_s3_location('store', 'a/./b');
SELECT tw_s3_location('store', 'a/../b');
SELECT tw_s3_location('store', 'a..b');
SELECT tw_s3_location('store', 'a b');
SELECT tw_s3_location('store', 'a%b');
SELECT tw_s3_location('store', 'a=b');
SELECT tw_s3_location('store', U&'\0906');
SELECT tw_s3_location('store', 's3://training/');
SELECT tw_s3_location('store', 's3://training/../a');
SELECT tw_s3_location('store', 's3://training.x/a');
SELECT tw_s3_location('store', 'S3://training/a');
SELECT length(tw_s3_location('store', repeat('x', 1019)));
SELECT tw_s3_location('store', repeat('x', 1020)) IS NULL;
SELECT tw_s3_location('label_studio', 'a');
ALTER SERVER store OPTIONS (DROP prefix);
SELECT tw_s3_location('store', 'a');

-- A model waits for the store: the gate passes it, but it does not go live.
SELECT set_training_setting('min_test_samples', '10');
SELECT inserted FROM import_training_samples(
    (SELECT string_agg(jsonb_build_object('text', w || ' number ' || md5(w || g), 'intent', 'intent.' || m,
        'split', CASE WHEN g > 20 THEN 'test' ELSE 'train' END)::text, E'\n')
    FROM (VALUES ('track', 'parcel.track'), ('order', 'food.order.place')) AS x (w, m), generate_series(1, 30) g));
SET client_min_messages = warning;
SELECT version, status, gate_decision, gate_reason FROM train_model();
SELECT promote_model('router-v1.0.0', 'at once');
SELECT * FROM fetch_model_artifact('router-v1.0.0');
SELECT * FROM fetch_model_artifact('router-v1.0.1');
-- Nobody is at home over there.
SET client_min_messages = error;
CALL store_model_artifacts();
SET client_min_messages = warning;
SELECT version, status, minio_path, artifact_sha256, artifact_stored_at,
       artifact_error ~ '^could not connect to server "store": ' AS has_error FROM model_versions;
SELECT job_name, status, error_code, error_message ~ '^could not connect to server "store": ' AS has_message
FROM job_runs;
SELECT waiting_models, last_error ~ '^could not connect to server "store": ' AS has_error FROM s3_check();
-- Not inside a transaction.
BEGIN;
CALL store_model_artifacts();
ROLLBACK;
-- The steps are the procedure's.
SELECT tw_job_step(1, NULL, NULL);
SELECT tw_end_run(1);
-- A row that says stored has to say what and where.
\set VERBOSITY terse
UPDATE model_versions SET artifact_stored_at = now();
UPDATE model_versions SET artifact_stored_at = now(), minio_path = 's3://training/x', artifact_error = NULL;
\set VERBOSITY default
-- Where no model has to be stored, the next look of the gate makes it live.
SELECT set_training_setting('artifact_server', 'none');
SELECT * FROM evaluate_model('router-v1.0.0');
SELECT version, status FROM model_versions;
CALL store_model_artifacts();
SELECT set_training_setting('artifact_server', NULL);

-- A version that is stored, and its row is damaged: the store is asked, and cannot be reached.
UPDATE model_versions SET artifact_sha256 = (SELECT sha256 FROM model_artifacts), artifact_stored_at = now(),
                          artifact_error = NULL,
    minio_path = 's3://training/router/router-v1.0.0/model.bin';
SELECT restored, f.size_bytes = octet_length(bytes) AS same_size, f.sha256 = a.sha256 AS same_sum
FROM fetch_model_artifact('router-v1.0.0') f, model_artifacts a;
SELECT problem FROM check_integrity();
UPDATE model_artifacts SET sha256 = repeat('0', 64);
SELECT problem, example FROM check_integrity();
DO $$ BEGIN
    PERFORM fetch_model_artifact('router-v1.0.0');
EXCEPTION WHEN sqlclient_unable_to_establish_sqlconnection THEN
    RAISE WARNING '% %', SQLSTATE, SQLERRM;
END $$;
UPDATE model_versions SET minio_path = 's3://elsewhere/router/router-v1.0.0/model.bin';
SELECT fetch_model_artifact('router-v1.0.0');

-- Who may.
BEGIN;
DO $$
DECLARE
    kind text;
BEGIN
    FOREACH kind IN ARRAY '{capture,reviewer,analyst,trainer,operator}'::text[] LOOP
        EXECUTE format('CREATE ROLE regress_tw_%s', kind);
        PERFORM grant_training_role('regress_tw_' || kind, kind);
    END LOOP;
END
$$;
SELECT substr(r.rolname, 12) AS kind, p.oid::regprocedure::text COLLATE "C" AS object_id FROM pg_roles r
JOIN pg_proc p ON has_function_privilege(r.oid, p.oid, 'EXECUTE')
WHERE r.rolname LIKE 'regress\_tw\_%' AND p.proname ~ 's3_|store|artifact' AND p.pronamespace = 'public'::regnamespace
ORDER BY 1, 2;
ROLLBACK;
SELECT proname FROM pg_proc WHERE proname ~ '^(tw_)?s3_|artifact|store' AND pronamespace = 'public'::regnamespace
                              AND has_function_privilege('public', oid, 'EXECUTE');

-- An export is no model, and a file is no object. What was begun has to be committed.
SELECT tw_begin_s3_export('s3://training/x', '{}', 'jsonl', true, 'store');
SELECT tw_begin_s3_export('router/router-v1.0.0/model.bin', '{}', 'jsonl', true, 'store');
SELECT tw_begin_export('{}', 'jsonl', '/tmp/x') AS export_id \gset
SELECT tw_run_s3_export(:export_id);
SELECT tw_end_export(:export_id, NULL, NULL, NULL, 'it was none');
BEGIN;
SELECT tw_begin_s3_export('x', '{}', 'jsonl', true, 'store') AS export_id \gset
SELECT tw_run_s3_export(:export_id);
ROLLBACK;
DROP SERVER store CASCADE;
