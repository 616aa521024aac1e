-- The registry: version numbers, statuses and their ways, models trained elsewhere, promotion by hand.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET training_workflow.allow_drop = on;
DROP EXTENSION IF EXISTS training_workflow CASCADE;
RESET training_workflow.allow_drop;
RESET client_min_messages;
CREATE EXTENSION training_workflow;

-- Version numbers.
SELECT next_model_version(), next_model_version('food-agent'), next_model_version('router', major => true);
INSERT INTO model_versions (version, model_type)
VALUES ('router-v1.9.0', 'router'), ('router-v1.10.3', 'router'), ('router-v0.99.0', 'router');
SELECT next_model_version('router'), next_model_version('router', true), next_model_version('food-agent');
SELECT next_model_version('Router');
SELECT next_model_version('food');
SELECT next_model_version(NULL);

-- A version matches its type.
\set VERBOSITY terse
INSERT INTO model_versions (version, model_type) VALUES ('router-v1.0', 'router');
INSERT INTO model_versions (version, model_type) VALUES ('router-v01.0.0', 'router');
INSERT INTO model_versions (version, model_type) VALUES ('food-agent-v1.0.0', 'router');
\set VERBOSITY default
UPDATE model_versions SET version = 'router-v2.0.0' WHERE version = 'router-v1.9.0';
UPDATE model_versions SET model_type = 'food-agent' WHERE version = 'router-v1.9.0';

-- Every pair of statuses: which steps are allowed, with nothing but the trigger in between.
CREATE TABLE step_results (from_status text, to_status text, allowed boolean);
DO $$
DECLARE
    statuses text[] := ARRAY['training', 'candidate', 'rejected', 'failed', 'canary', 'production', 'retired',
                             'rolled-back'];
    f text;
    t text;
BEGIN
    FOREACH f IN ARRAY statuses LOOP
        FOREACH t IN ARRAY statuses LOOP
            DELETE FROM model_versions WHERE version = 'parcel-agent-v1.0.0';
            INSERT INTO model_versions (version, model_type, status) VALUES ('parcel-agent-v1.0.0', 'parcel-agent', f);
            BEGIN
                UPDATE model_versions SET status = t WHERE version = 'parcel-agent-v1.0.0';
                INSERT INTO step_results VALUES (f, t, true);
            EXCEPTION WHEN object_not_in_prerequisite_state THEN
                INSERT INTO step_results VALUES (f, t, false);
            END;
        END LOOP;
    END LOOP;
END
$$;
SELECT from_status, string_agg(to_status, ', ' ORDER BY to_status COLLATE "C") AS allowed
FROM step_results WHERE allowed AND from_status <> to_status GROUP BY from_status ORDER BY from_status COLLATE "C";
SELECT count(*) AS pairs, count(*) FILTER (WHERE allowed AND from_status = to_status) AS unchanged FROM step_results;
DROP TABLE step_results;
UPDATE model_versions SET status = 'retired' WHERE version = 'router-v1.9.0';
UPDATE model_versions SET status = 'canary' WHERE version = 'router-v1.9.0';
UPDATE model_versions SET status = 'rejected' WHERE version = 'router-v0.99.0';
UPDATE model_versions SET status = 'canary' WHERE version = 'router-v0.99.0';
UPDATE model_versions SET status = 'candidate' WHERE version = 'router-v0.99.0';
UPDATE model_versions SET status = 'live' WHERE version = 'router-v1.10.3';
\set VERBOSITY terse
UPDATE model_versions SET status = NULL WHERE version = 'router-v1.10.3';
\set VERBOSITY default

-- At most one production and one canary version of a type.
INSERT INTO model_versions (version, model_type, status)
VALUES ('router-v2.0.0', 'router', 'production'), ('router-v2.1.0', 'router', 'canary');
UPDATE model_versions SET status = 'production' WHERE version = 'router-v1.10.3';
UPDATE model_versions SET status = 'canary' WHERE version = 'router-v1.10.3';
INSERT INTO model_versions (version, model_type, status) VALUES ('food-agent-v1.0.0', 'food-agent', 'production');
DELETE FROM model_versions;

-- Models trained elsewhere: the first one is what answers today.
SELECT register_model('router-v1.0.0', 'router', 'production', minio_path => 's3://models/router-v1.0.0',
                      model_size_mb => 110, sample_counts => '{"human": 1500}');
SELECT version, status, traffic_percentage, deployed_at IS NOT NULL AS deployed, minio_path, model_size_mb,
       sample_counts FROM model_versions;
SELECT model_type, version, previous_version, from_status, to_status, from_percentage, to_percentage, reason
FROM model_deployments;
SELECT register_model('router-v1.0.0', 'router');
SELECT register_model('router-v1.1.0', 'router', 'production');
SELECT register_model('router-v1.1.0', 'food-agent');
SELECT register_model('router-1.1.0', 'router');
SELECT register_model(NULL, 'router');
SELECT register_model('router-v1.1.0', NULL);
SELECT register_model('router-v1.1.0', 'router', 'canary');
SELECT register_model('router-v1.1.0', 'router', base_version => 'router-v0.9.0');
\set VERBOSITY terse
SELECT register_model('router-v1.1.0', 'router', training_accuracy => 1.5);
\set VERBOSITY default
SELECT register_model('router-v1.1.0', 'router', artifact => '\x00ff', base_version => 'router-v1.0.0');
SELECT version, format, sha256, size_bytes FROM model_artifacts;
SELECT register_model('router-v1.2.0', 'router', artifact => convert_to('TWrouter, but not really', 'UTF8'));

-- Promotion by hand needs a candidate and a reason, and leaves a trace.
SELECT promote_model('router-v1.1.0', '  ');
SELECT promote_model('router-v1.1.0', NULL);
SELECT promote_model('router-v9.9.9', 'why not');
SELECT promote_model(NULL, 'why not');
SELECT promote_model('router-v1.0.0', 'it is live already');
SELECT promote_model('router-v1.1.0', 'checked by hand');
SELECT version, status, traffic_percentage, deployed_at IS NOT NULL AS deployed, retired_at IS NOT NULL AS retired
FROM model_versions ORDER BY version;
SELECT version, previous_version, from_status, to_status, from_percentage, to_percentage, reason FROM model_deployments
ORDER BY id;
INSERT INTO model_versions (version, model_type, status)
VALUES ('router-v1.3.0', 'router', 'canary'), ('router-v1.4.0', 'router', 'candidate'),
    ('router-v1.5.0', 'router', 'rejected');
SELECT promote_model('router-v1.4.0', 'in a hurry');
SELECT promote_model('router-v1.5.0', 'I know better');
SELECT evaluate_model('router-v1.0.0');

-- The canary that was put there by hand has no rollout.
SELECT problem, relation, found, example FROM check_integrity();
