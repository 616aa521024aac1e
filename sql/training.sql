-- Training: what is learned and what is not, sides that never change, the test set, and what counts as new.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET training_workflow.allow_drop = on;
DROP EXTENSION IF EXISTS training_workflow CASCADE;
RESET training_workflow.allow_drop;
RESET client_min_messages;
CREATE EXTENSION training_workflow;
SET client_min_messages = warning;
INSERT INTO review_policies (audit_rate_approved, audit_rate_review) VALUES (0, 0);
INSERT INTO review_policies (intent, audit_rate_approved, audit_rate_review)
VALUES ('intent.food.audited', 0.5, 0.25), ('intent.food.audited.all', 1, 1);

-- Nothing to learn.
SELECT train_model('pizza');
SELECT train_model('agent');
SELECT train_model(NULL);
SELECT train_model();
INSERT INTO training_samples (text, intent, module_type, review_status)
VALUES ('veg pizza', 'intent.food.item.search', 'food', 'approved'),
    ('paneer dosa', 'intent.food.item.search', 'food', 'approved'),
    ('not reviewed', 'intent.food.other', 'food', 'pending');
SELECT train_model();
SELECT train_model('parcel-agent');
SELECT count(*) FROM training_jobs;
SELECT count(*) FROM model_versions;
DELETE FROM training_samples;

-- Old and new together.
CREATE FUNCTION pg_temp.texts(prefix text, n integer) RETURNS SETOF text LANGUAGE sql AS
    $$ SELECT prefix || ' ' || (ARRAY['pizza', 'dosa', 'biryani', 'thali', 'samosa'])[1 + g % 5] || ' number '
              || md5(prefix || g) FROM generate_series(1, n) g $$;
INSERT INTO training_samples (text, intent, module_type, review_status, source)
    SELECT t, 'intent.food.item.search', 'food', 'approved', 'synthetic' FROM pg_temp.texts('where can I find', 20) t
    UNION ALL SELECT t, 'intent.food.order.cancel', 'food', 'approved', 'synthetic'
              FROM pg_temp.texts('please cancel my', 20) t
    UNION ALL SELECT t, 'intent.parcel.shipment.track', 'parcel', 'approved', 'synthetic'
              FROM pg_temp.texts('parcel status of', 20) t;
SELECT new_training_samples(), new_training_samples('food-agent'), new_training_samples('parcel-agent');
SELECT version, status, gate_decision, gate_reason, test_samples, training_samples FROM train_model();
SELECT status, model_type, version, result ->> 'samples' AS samples, result ->> 'first_learned' AS first_learned,
       cutoff IS NOT NULL AS cutoff
FROM training_jobs WHERE status = 'succeeded';
SELECT version, sample_counts, training_accuracy, model_size_mb > 0 AS stored, training_seconds > 0 AS timed
FROM model_versions;
SELECT split, model_version_target, count(*) FROM training_samples GROUP BY 1, 2;
SELECT new_training_samples(), new_training_samples('food-agent');
SELECT count(*) FROM training_queue;
-- The gate's answer does not matter: what was trained on is not new again.
INSERT INTO training_samples (text, intent, module_type, review_status, created_at)
    SELECT t, 'intent.food.item.search', 'food', 'approved', clock_timestamp() FROM pg_temp.texts('any', 10) t;
SELECT new_training_samples();
SELECT version, status, training_samples FROM train_model();
SELECT model_version_target, count(*) FROM training_samples GROUP BY 1 ORDER BY 1;
SELECT version, status, training_samples FROM train_model('food-agent');
SELECT version, status, training_samples FROM train_model('router', major => true);
-- A relabelled sample is new to the next one.
UPDATE training_samples SET intent = 'intent.food.order.track', reviewed_at = clock_timestamp(),
                            model_version_target = NULL
WHERE id = (SELECT max(id) FROM training_samples);
SELECT new_training_samples(), new_training_samples('food-agent'), new_training_samples('parcel-agent');

-- The same rows, the same bytes: in any order, as often as one likes.
WITH rows AS (
    SELECT text, intent, module_type, weight FROM training_set('router')
), orders AS (
    SELECT array_agg(text ORDER BY text) AS t1, array_agg(intent ORDER BY text) AS i1,
           array_agg(module_type ORDER BY text) AS m1, array_agg(weight ORDER BY text) AS w1,
           array_agg(text ORDER BY md5(text)) AS t2, array_agg(intent ORDER BY md5(text)) AS i2,
           array_agg(module_type ORDER BY md5(text)) AS m2, array_agg(weight ORDER BY md5(text)) AS w2
    FROM rows
)
SELECT a.artifact = b.artifact AS same_bytes, a.artifact = c.artifact AS same_again,
       length(a.artifact) > 1000 AS is_long
FROM orders, tw_train_router(t1, i1, m1, w1) a, tw_train_router(t2, i2, m2, w2) b, tw_train_router(t1, i1, m1, w1) c;
-- Weights: of a text with two labels, the heavier one wins.
SELECT register_model('weights-agent-v1.' || n || '.0', 'weights-agent',
                      artifact => (tw_train_router(ARRAY['veg pizza', 'veg pizza', 'my ticket', 'the dosa'],
                                                         ARRAY['a.food', 'b.parcel', 'b.parcel', 'a.food'],
                                                   ARRAY['food', NULL, NULL, 'food'], w)).artifact)
FROM (VALUES (0, ARRAY[1, 0.05, 1, 1]), (1, ARRAY[0.05, 1, 1, 1])) AS x (n, w);
SELECT v, intent, module_type
FROM generate_series(0, 1) v, classify_intent('veg pizza', 'weights-agent', 'weights-agent-v1.' || v || '.0');
-- What the trainer does not take.
SELECT tw_train_router(ARRAY['a'], ARRAY['x', 'y'], ARRAY[NULL, NULL], ARRAY[1, 1]);
SELECT tw_train_router(ARRAY['a', 'b'], ARRAY['x', 'x'], ARRAY[NULL, NULL], ARRAY[1, 1]);
SELECT tw_train_router(ARRAY['a', NULL], ARRAY['x', 'y'], ARRAY[NULL, NULL], ARRAY[1, 1]);
SELECT tw_train_router(ARRAY['a', 'b'], ARRAY['x', 'y'], ARRAY[NULL, NULL], ARRAY[1, 0]);
SELECT tw_train_router(ARRAY['a', 'b'], ARRAY['x', 'y'], ARRAY[NULL, NULL], ARRAY[1, 'NaN']::float8[]);
SELECT tw_train_router('{}', '{}', '{}', '{}');
SELECT tw_train_router(NULL, NULL, NULL, NULL);
DELETE FROM training_samples;
DELETE FROM training_jobs;

-- Sides. The rows are audited or not by their intent; people label them all.
INSERT INTO conversation_logs (id, session_id, user_message, nlu_intent, nlu_confidence, nlu_provider, nlu_module_type)
    SELECT 1000 + g, 's', 'audited text ' || md5(g::text), 'intent.food.audited.all', 0.5, 'indicbert', 'food'
    FROM generate_series(1, 200) g
    UNION ALL
    SELECT 2000 + g, 's', 'reviewed text ' || md5(g::text), 'intent.food.doubtful', 0.5, 'indicbert', 'food'
    FROM generate_series(1, 100) g
    UNION ALL
    -- Seen 20 times.
    SELECT 3000 + g, 's', 'twenty hellos', 'intent.food.audited.all', 0.5, 'indicbert', 'food'
    FROM generate_series(1, 20) g
    UNION ALL
    -- The same words as those hellos, in eight texts.
    SELECT 3500 + g, 's', 'hellos' || repeat('.', g) || ' twenty', 'intent.food.audited.all', 0.5, 'indicbert', 'food'
    FROM generate_series(1, 8) g
    UNION ALL
    -- Its audit is not finished.
    SELECT 4000 + g, 's', 'waiting text ' || md5(g::text), 'intent.food.audited.all', 0.95, 'indicbert', 'food'
    FROM generate_series(1, 40) g
    UNION ALL
    -- Auto-approved, and nobody asked about it.
    SELECT 5000 + g, 's', 'confident text ' || md5(g::text), 'intent.food.item.search', 0.95, 'indicbert', 'food'
    FROM generate_series(1, 40) g;
SELECT approve_conversations(array_agg(id)) FROM conversation_logs WHERE id BETWEEN 1000 AND 3999;
-- Pinned by whoever made them, and a near-twin and a duplicate of one.
INSERT INTO training_samples (text, intent, module_type, review_status, source, label_source, split) VALUES
    ('one two three four five six seven eight nine', 'intent.food.pinned', 'food', 'approved', 'synthetic',
     'human', 'test'),
    ('alpha beta gamma delta', 'intent.food.pinned', 'food', 'approved', 'synthetic', 'human', 'train'),
    ('pinned, but by a model', 'intent.food.pinned', 'food', 'approved', 'synthetic', 'model', 'test');
INSERT INTO training_samples (text, intent, module_type, review_status, source) VALUES
    ('One, two, three, four, five, six, seven, eight!', 'intent.food.pinned', 'food', 'approved', 'manual'),
    ('ONE TWO THREE FOUR FIVE SIX SEVEN EIGHT NINE?', 'intent.food.pinned', 'food', 'approved', 'manual'),
    ('one two three four five six', 'intent.food.pinned', 'food', 'approved', 'manual'),
    ('an unrelated text', 'intent.food.pinned', 'food', 'approved', 'manual');
SELECT status, gate_reason FROM train_model('food-agent');
CREATE TEMP TABLE sides AS SELECT id, conversation_log_id, text, text_hash, split, label_source FROM training_samples;
SELECT conversation_log_id / 500 * 500 AS kind, split, count(*)
FROM sides WHERE conversation_log_id IS NOT NULL GROUP BY 1, 2 ORDER BY 1, 2;
SELECT bool_or(text_hash & 1 = 1) AS would_be_tested FROM sides WHERE conversation_log_id BETWEEN 3500 AND 3999;
SELECT text, split FROM sides WHERE conversation_log_id IS NULL ORDER BY id;
SELECT bool_and(text_hash & 1 = 1) AS hashed_half FROM sides WHERE split = 'test' AND conversation_log_id IS NOT NULL;
SELECT excluded, sum(samples) FROM tw_training_texts('food-agent') GROUP BY 1 ORDER BY 1;
SELECT text FROM tw_training_texts('food-agent') WHERE excluded LIKE 'near-twin%';
SELECT count(*) AS learned_test_texts FROM training_set('food-agent') l
JOIN sides s ON s.split = 'test' AND text_hash(l.text) = s.text_hash;

-- The test set: people's labels from the audit by their weight, and pinned ones.
SELECT count(*), count(*) FILTER (WHERE pinned) AS pinned, min(weight), max(weight) FROM model_test_set('food-agent');
SELECT text, intent, weight, pinned FROM model_test_set('food-agent') WHERE pinned;
SELECT count(*) FROM model_test_set('router');
SELECT count(*) FROM model_test_set('parcel-agent');
SELECT * FROM model_test_set('everything');

-- A side never changes: not by a new label, not by more sightings, not by another training.
SELECT fix_conversations(array_agg(conversation_log_id), 'intent.food.fixed') FROM sides
WHERE split = 'test' AND conversation_log_id BETWEEN 1000 AND 1999;
INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider, nlu_module_type)
    SELECT 's', s.text, 'intent.food.item.search', 0.99, 'indicbert', 'food'
    FROM (SELECT text FROM sides WHERE split = 'test' AND conversation_log_id IS NOT NULL ORDER BY id LIMIT 1) s,
         generate_series(1, 25);
SELECT approve_conversations(array_agg(id)) FROM conversation_logs WHERE id BETWEEN 4000 AND 4999;
SELECT status FROM train_model('food-agent');
SELECT count(*) AS changed FROM sides o JOIN training_samples n USING (id)
WHERE o.split IS DISTINCT FROM n.split AND o.split IS NOT NULL;
SELECT split, count(*) > 0 AS there_are FROM training_samples WHERE conversation_log_id BETWEEN 4000 AND 4999
GROUP BY 1 ORDER BY 1;
SELECT DISTINCT n.split FROM training_samples n
WHERE n.text = (SELECT text FROM sides WHERE split = 'test' AND conversation_log_id IS NOT NULL ORDER BY id LIMIT 1);
SELECT intent, count(*) > 50 AS many FROM model_test_set('food-agent') WHERE NOT pinned GROUP BY 1 ORDER BY 1;

-- A near-twin of what a model has learned is learned as well: the live model
-- would know it by heart, its successor could not learn it.
INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider, nlu_module_type)
    SELECT 's', 'please ' || md5(g || 'a') || ' ' || md5(g || 'b') || ' ' || md5(g || 'c') || ' ' || md5(g || 'd'),
           'intent.food.item.search', 0.95, 'indicbert', 'food'
    FROM generate_series(1, 20) g;
SELECT status FROM train_model('food-agent');
INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider, nlu_module_type)
    SELECT 'twins', s.user_message || ' ji', 'intent.food.audited.all', 0.5, 'indicbert', 'food'
    FROM conversation_logs s WHERE s.user_message LIKE 'please %';
SELECT approve_conversations(array_agg(id)) FROM conversation_logs WHERE session_id = 'twins';
SELECT status FROM train_model('food-agent');
SELECT s.split, count(*), bool_or(s.text_hash & 1 = 1) AS would_be_tested
FROM training_samples s JOIN conversation_logs c ON c.id = s.conversation_log_id
WHERE c.session_id = 'twins' GROUP BY 1;

-- A snapshot of yesterday is no ground to decide on.
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT train_model();
ROLLBACK;
-- What is no job of the built-in trainer is not run.
SELECT tw_run_built_in_job(request_training('parcel-agent', 'outside'), 0) AS outside,
       tw_run_built_in_job(-1, 1) AS unknown, tw_run_built_in_job(NULL, NULL) AS nothing;
-- What comes between the two transactions of a job has no side yet: this
-- job does not learn it, and to the next it is new.
SELECT request_training('parcel-agent') > 0 AS requested;
INSERT INTO training_samples (text, intent, module_type, review_status, split)
VALUES ('where is it', 'intent.parcel.a', 'parcel', 'approved', 'train'),
    ('send it back', 'intent.parcel.b', 'parcel', 'approved', 'train');
SELECT job_id, attempt FROM tw_start_built_in_job() \gset
INSERT INTO training_samples (text, intent, module_type, review_status)
VALUES ('too late', 'intent.parcel.a', 'parcel', 'approved');
SELECT tw_run_built_in_job(:job_id, :attempt);
SELECT text, split, model_version_target FROM training_samples WHERE module_type = 'parcel' ORDER BY id;
SELECT new_training_samples('parcel-agent');

-- A training that finds nothing to learn is not asked for every night.
INSERT INTO training_samples (text, intent, module_type, review_status, split)
VALUES ('the only intent', 'intent.ride.one', 'ride', 'approved', 'train');
SELECT new_training_samples('ride-agent');
SELECT request_training('ride-agent') > 0 AS requested;
SET client_min_messages = error;
CALL run_training_jobs();
SET client_min_messages = warning;
SELECT model_type, status, error_code, error_message FROM training_jobs WHERE model_type = 'ride-agent';
SELECT version, status FROM model_versions WHERE model_type = 'ride-agent';
SELECT new_training_samples('ride-agent');

-- Label conflicts: what no person has settled is not learned from the model's own labels.
INSERT INTO training_samples (text, intent, module_type, review_status, label_source, quality_score, split) VALUES
    ('chalega', 'intent.food.order.confirm', 'food', 'approved', 'model', 0.9, 'train'),
    ('Chalega!', 'intent.food.item.search', 'food', 'approved', 'model', 0.9, 'train'),
    ('theek hai', 'intent.food.order.confirm', 'food', 'approved', 'human', 1, 'train'),
    ('theek hai', 'intent.food.item.search', 'food', 'approved', 'model', 0.9, 'train');
SELECT text, intent, label_source, excluded FROM tw_training_texts('router') WHERE text IN ('chalega', 'theek hai')
ORDER BY text, intent;
-- Equal texts count once, the more the heavier, and half as much and less where nobody looked.
INSERT INTO training_samples (text, intent, module_type, review_status, label_source, quality_score, split)
    SELECT 'Namaste', 'intent.general.greeting', 'general', 'approved', 'model', 0.9, 'train'
    FROM generate_series(1, 3);
SELECT text, samples, label_source, round(weight::numeric, 4) AS weight FROM training_set('router')
WHERE intent = 'intent.general.greeting';

-- Integrity, and a text that somebody put on both sides.
SELECT * FROM check_integrity();
UPDATE training_samples SET split = 'train'
WHERE id = (SELECT min(id) FROM training_samples WHERE text LIKE 'ONE TWO%');
SELECT problem, found FROM check_integrity();
UPDATE training_samples SET split = 'test' WHERE split = 'train' AND text LIKE 'ONE TWO%';
