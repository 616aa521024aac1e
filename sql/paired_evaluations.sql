-- Paired evaluations: what two models disagree about is asked of people,
-- who do not see whose answers they choose between.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET training_workflow.allow_drop = on;
DROP EXTENSION IF EXISTS training_workflow CASCADE;
RESET training_workflow.allow_drop;
RESET client_min_messages;
CREATE EXTENSION training_workflow;
SET client_min_messages = warning;
-- No draw decides here.
INSERT INTO review_policies (audit_rate_approved, audit_rate_review) VALUES (0, 0);

-- The evidence: from the definition, without data, and whatever the order.
SELECT round(paired_evidence('{1}')::numeric, 6) AS one, round(paired_evidence('{-1}')::numeric, 6) AS minus_one,
       paired_evidence('{}') AS nothing, paired_evidence('{0,0}') AS neither;
SELECT round(paired_evidence('{1,1,-1,0.5}')::numeric,
             9) = round(avg((1 + k) * (1 + k) * (1 - k) * (1 + k / 2)), 9) AS by_hand
FROM (SELECT i * 0.02 AS k FROM generate_series(1, 49) i) k;
SELECT paired_evidence('{1,-1,0.5,1}') = paired_evidence('{0.5,1,1,-1}')
       OR abs(paired_evidence('{1,-1,0.5,1}') - paired_evidence('{0.5,1,1,-1}')) < 1e-12 AS any_order;
SELECT paired_evidence('{1,NULL,-1}') = paired_evidence('{1,-1}') AS nulls_left_out,
       paired_evidence('{NULL}') AS nothing;
SELECT min(n) AS first_to_decide FROM generate_series(1, 20) n
WHERE paired_evidence(array_fill(1.0::float8, ARRAY[n])) >= 20;
SELECT paired_evidence(array_fill(1.0::float8, ARRAY[100000])) > 1e300 AS is_finite,
       paired_evidence(array_fill(-1.0::float8, ARRAY[100000])) AS nothing_left;
SELECT set_training_setting('paired_max_labels', '9');
SELECT set_training_setting('paired_margin', '1');
SELECT set_training_setting('paired_approved_rate', '0');

-- A first model that knows two intents, and one that has learned a third as well.
SELECT inserted FROM import_training_samples((SELECT string_agg(
    jsonb_build_object('text', v || ' ' || o || ' please', 'intent', 'intent.shop.order.' || v)::text, E'\n')
    FROM unnest(ARRAY['cancel', 'track']) v, unnest(ARRAY['my order', 'the parcel', 'this pizza', 'it', 'order nine',
                                                          'that one', 'yesterday', 'the food', 'my bag', 'a cab']) o));
SELECT version, status FROM train_model();
SELECT promote_model('router-v1.0.0', 'something has to answer') IS NULL AS first;
-- Captured before the challenger was trained: no part of the pool, whatever becomes of it.
CREATE FUNCTION say(words text, object text, intent text, confidence double precision DEFAULT 0.5,
                    provider text DEFAULT 'indicbert') RETURNS bigint LANGUAGE sql AS $$
    INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider,
                                   nlu_model_version, response_text)
    VALUES (object, words || ' ' || object, intent, confidence, provider, 'router-v1.0.0', 'I do that') RETURNING id
$$;
SELECT count(say('refund', o, 'intent.shop.order.cancel')) FROM unnest(ARRAY['my order', 'the parcel']) o;
CALL run_training_jobs();
SELECT count(*) AS none_yet FROM paired_evaluations;
SELECT inserted FROM import_training_samples((SELECT string_agg(
    jsonb_build_object('text', 'refund ' || o || ' please', 'intent', 'intent.shop.order.refund')::text, E'\n')
    FROM unnest(ARRAY['my order', 'the parcel', 'this pizza', 'it', 'order nine', 'that one', 'yesterday', 'the food',
                      'my bag', 'a cab']) o));
SELECT version, status, gate_decision, gate_reason FROM train_model();
CALL run_training_jobs();
SELECT id, challenger, live_version, status, messages, disagreements, labels FROM paired_evaluations;

-- New messages: the two differ on refunds. Those that wait, and confident
-- ones as well, are asked about; others are not.
SELECT count(say('refund', 'new ' || g, 'intent.shop.order.cancel', CASE WHEN g % 2 = 0 THEN 0.5 ELSE 0.95 END))
FROM generate_series(1, 12) g;
SELECT count(say('track', 'new ' || g, 'intent.shop.order.track', 0.5)) FROM generate_series(1, 5) g;
SELECT count(say('', ' ', NULL, NULL));
CALL run_training_jobs();
SELECT challenger, status, messages, disagreements, labels FROM paired_evaluations;
SELECT count(*) AS drawn, min(probability) AS least FROM paired_disagreements WHERE asked_at IS NOT NULL;
SELECT review_reason, review_priority, count(*) FROM conversation_logs WHERE review_priority IS NOT NULL
GROUP BY 1, 2 ORDER BY 1;
SELECT DISTINCT review_reason, intent, provider, count(*) FROM training_queue WHERE review_reason = 'model disagreement'
GROUP BY 1, 2, 3;
SELECT review_priority, review_reason, waiting FROM review_backlog WHERE review_reason = 'model disagreement';
-- Nothing is asked twice, and nothing changes by looking again.
CALL run_training_jobs();
SELECT count(*) FROM paired_disagreements;
SELECT action, count(*) FROM review_events GROUP BY 1;

-- Whose answer is whose cannot be seen; approving is not possible, choosing is.
CREATE TEMP TABLE claimed AS SELECT * FROM claim_reviews(12);
SELECT DISTINCT review_reason, intent, confidence, provider,
       module_type, (SELECT array_agg(s ORDER BY s) FROM unnest(suggestions) s) AS suggestions FROM claimed
WHERE review_reason = 'model disagreement';
SELECT count(*) AS asked, count(DISTINCT suggestions) BETWEEN 1 AND 2 AS orders FROM blind_reviews;
\set VERBOSITY terse
SELECT approve_conversation(min(conversation_log_id)) FROM claimed WHERE review_reason = 'model disagreement';
SELECT approve_conversations(array_agg(conversation_log_id)) FROM claimed;
\set VERBOSITY default
SELECT fix_conversation(conversation_log_id, 'intent.shop.order.refund')
FROM (SELECT * FROM claimed WHERE review_reason = 'model disagreement' ORDER BY conversation_log_id LIMIT 3) x;
SELECT reject_conversation(conversation_log_id, 'unclear')
FROM (SELECT * FROM claimed WHERE review_reason = 'model disagreement' ORDER BY conversation_log_id OFFSET 3 LIMIT 1) x;
SELECT reject_conversation(conversation_log_id, 'no-such-intent')
FROM (SELECT * FROM claimed WHERE review_reason = 'model disagreement' ORDER BY conversation_log_id OFFSET 4 LIMIT 1) x;
SELECT fix_conversation(conversation_log_id, 'intent.shop.order.cancel')
FROM (SELECT * FROM claimed WHERE review_reason = 'model disagreement' ORDER BY conversation_log_id OFFSET 5 LIMIT 1) x;
CALL run_training_jobs();
SELECT regexp_replace(substring(training_workflow_status() FROM E'\ncompared .*? decide'), '\s+', ' ', 'g') AS line;
SELECT status, labels, round(difference::numeric, 4) AS difference, round(better_evidence::numeric, 4) AS better,
       round(worse_evidence::numeric, 4) AS worse FROM paired_evaluations;
SELECT outcome, weight, count(*) FROM tw_paired_outcomes((SELECT id FROM paired_evaluations)) GROUP BY 1, 2 ORDER BY 1;
-- A verdict that is withdrawn no longer counts; a conversation that is deleted neither.
SELECT withdraw_verdict(max(conversation_log_id)) FROM review_events WHERE action = 'fix';
DELETE FROM conversation_logs WHERE id = (SELECT min(conversation_log_id) FROM review_events WHERE action = 'fix');
CALL run_training_jobs();
SELECT status, labels FROM paired_evaluations;
SELECT version, gate_reason FROM evaluate_model('router-v1.1.0') e, (SELECT 'router-v1.1.0' AS version) v;

-- Enough: the challenger is better, passes the gate without any test
-- sample, and what nobody has chosen leaves the queue.
SELECT count(say('refund', 'more ' || g, 'intent.shop.order.cancel', 0.5)) FROM generate_series(1, 12) g;
CALL run_training_jobs();
SELECT count(fix_conversation(c.id, 'intent.shop.order.refund')) FROM (
    SELECT id FROM conversation_logs WHERE review_reason = 'model disagreement' AND review_priority IS NOT NULL
    ORDER BY id LIMIT 12) c;
CALL run_training_jobs();
SELECT status, labels, reason, decided_at IS NOT NULL AS decided FROM paired_evaluations;
SELECT version, status, gate_decision, gate_reason FROM model_versions ORDER BY version;
SELECT count(*) AS still_asked FROM conversation_logs
WHERE review_priority IS NOT NULL AND review_reason = 'model disagreement';
SELECT DISTINCT review_status, review_priority, review_reason FROM conversation_logs
WHERE review_priority IS NOT NULL AND user_message LIKE 'refund more%' AND NOT is_audit;
-- The labels are training material like any other.
SELECT count(*) FROM training_samples WHERE label_source = 'human' AND conversation_log_id IS NOT NULL
                                        AND review_status = 'approved' AND intent = 'intent.shop.order.refund';

-- Worse: never passed, whatever a test set says. Here it is two texts.
SELECT promote_model('router-v1.1.0', 'it is better');
SELECT inserted
FROM import_training_samples('{"text": "an odd thing", "intent": "intent.shop.order.odd", "split": "test"}
{"text": "a queer matter", "intent": "intent.shop.order.odd", "split": "test"}
{"text": "odd thing of mine", "intent": "intent.shop.order.odd"}
{"text": "queer matter of yours", "intent": "intent.shop.order.odd"}');
SELECT inserted FROM import_training_samples((SELECT string_agg(
    jsonb_build_object('text', 'refund ' || o || ' now', 'intent', 'intent.shop.order.track')::text, E'\n')
    FROM generate_series(1, 60) o));
SELECT version, gate_decision, gate_reason FROM train_model();
SELECT count(say('refund', o || ' now', 'intent.shop.order.refund', 0.5)) FROM generate_series(100, 130) o;
CALL run_training_jobs();
SELECT challenger, live_version, status, messages, disagreements > 10 AS many FROM paired_evaluations ORDER BY id;
SELECT count(fix_conversation(c.id, 'intent.shop.order.refund')) > 10 AS chosen FROM (
    SELECT id FROM conversation_logs WHERE review_reason = 'model disagreement' AND review_priority IS NOT NULL) c;
SELECT set_training_setting('min_test_samples', '1');
CALL run_training_jobs();
SELECT challenger, status, split_part(reason, ' on ', 1) AS reason FROM paired_evaluations ORDER BY id;
SELECT version, status, gate_decision, split_part(gate_reason, ' on ', 1) AS gate_reason, test_samples,
       effective_test_samples FROM model_versions ORDER BY version;

-- A challenger that is retired while people are asked: its messages wait
-- as before. A pool without new messages says nothing.
SELECT set_training_setting('min_test_samples', NULL);
SELECT version, gate_decision FROM train_model();
CALL run_training_jobs();
SELECT challenger, status, messages FROM paired_evaluations ORDER BY id DESC LIMIT 1;
SELECT count(say('refund', o || ' now', 'intent.shop.order.refund', 0.5)) FROM generate_series(200, 210) o;
CALL run_training_jobs();
SELECT count(*) > 5 AS asked FROM conversation_logs
WHERE review_priority IS NOT NULL AND review_reason = 'model disagreement';
UPDATE model_versions SET status = 'retired' WHERE version = 'router-v1.3.0';
CALL run_training_jobs();
SELECT challenger, status, reason FROM paired_evaluations ORDER BY id DESC LIMIT 1;
SELECT DISTINCT review_priority, review_reason FROM conversation_logs
WHERE user_message LIKE 'refund 2% now' AND review_priority IS NOT NULL;
-- Versions that live outside: their workers answer the messages of the
-- pool, the live one by what it has answered already.
SELECT register_model('shop-agent-v1.0.0', 'shop-agent', 'production') IS NOT NULL AS live;
SELECT request_training('shop-agent', 'outside') > 0 AS asked;
SELECT job_id AS job, secret FROM claim_training_job('worker-1', model_types => '{shop-agent}') \gset
SELECT version, status FROM complete_training_job(:job, :'secret', (SELECT coalesce(
    jsonb_agg(jsonb_build_object('sample_id', t.sample_id, 'intent', 'intent.shop.order.refund')), '[]')
                                                                    FROM training_job_test_set(:job, :'secret') t));
INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider, nlu_model_version,
                               nlu_module_type)
    SELECT 'outside ' || g, 'give back money ' || g, 'intent.shop.order.track', 0.5, 'indicbert', 'shop-agent-v1.0.0',
           'shop' FROM generate_series(1, 25) g;
-- One message does not say which version answered it: the live one is asked as well.
INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider, nlu_module_type)
    VALUES ('outside', 'give back money 26', 'intent.shop.order.track', 0.5, 'indicbert', 'shop');
CALL run_training_jobs();
SELECT challenger, messages, status FROM paired_evaluations WHERE model_type = 'shop-agent';
SELECT job_id AS job, secret, kind, version, test_samples > 25 AS has_the_pool
FROM claim_training_job('worker-1', model_types => '{shop-agent}') \gset
SELECT :'kind' AS kind, :'version' AS version, :'has_the_pool' AS has_the_pool;
SELECT count(*), min(text) FROM training_job_test_set(:job, :'secret') WHERE sample_id < 0;
\set VERBOSITY terse
SELECT complete_training_job(:job, :'secret', '[]') IS NULL AS incomplete;
SELECT complete_training_job(:job, :'secret', (SELECT jsonb_agg(
    jsonb_build_object('sample_id', t.sample_id, 'intent', 'a')) || '{"sample_id": -1, "intent": "a"}'
                                               FROM training_job_test_set(:job, :'secret') t)) IS NULL AS strange;
\set VERBOSITY default
SELECT version FROM complete_training_job(:job, :'secret', (SELECT jsonb_agg(jsonb_build_object(
    'sample_id', t.sample_id, 'intent', 'intent.shop.order.refund')) FROM training_job_test_set(:job, :'secret') t));
-- The live one has answered all others itself.
CALL run_training_jobs();
SELECT messages FROM paired_evaluations WHERE model_type = 'shop-agent';
SELECT job_id AS job, secret, kind, version FROM claim_training_job('worker-1', model_types => '{shop-agent}') \gset
SELECT :'kind' AS kind, :'version' AS version;
SELECT text FROM training_job_test_set(:job, :'secret') WHERE sample_id < 0;
SELECT version FROM complete_training_job(:job, :'secret', (SELECT jsonb_agg(jsonb_build_object(
    'sample_id', t.sample_id, 'intent', 'intent.shop.order.track')) FROM training_job_test_set(:job, :'secret') t));
CALL run_training_jobs();
SELECT messages, disagreements FROM paired_evaluations WHERE model_type = 'shop-agent';
SELECT count(fix_conversation(c.id, 'intent.shop.order.refund')) AS chosen FROM conversation_logs c
WHERE c.review_reason = 'model disagreement' AND c.review_priority IS NOT NULL AND c.user_message LIKE 'give back%';
CALL run_training_jobs();
SELECT challenger, status, split_part(reason, ' on ', 1) AS reason FROM paired_evaluations
WHERE model_type = 'shop-agent';
SELECT version, gate_decision, split_part(gate_reason, ' on ', 1) AS gate_reason FROM model_versions
WHERE model_type = 'shop-agent' ORDER BY version;

-- Trained again on nothing new: the two answer alike, and there is nothing to ask anybody.
SELECT set_training_setting('paired_margin', '0.1');
SELECT version, gate_decision FROM train_model();
SELECT count(say(v || ' another', o || ' today', 'intent.shop.order.' || v, 0.5))
FROM unnest(ARRAY['cancel', 'track']) v, generate_series(1, 15) o;
CALL run_training_jobs();
CALL run_training_jobs();
SELECT challenger, live_version, status, messages, disagreements, reason FROM paired_evaluations
ORDER BY id DESC LIMIT 1;
SELECT gate_decision, gate_reason FROM model_versions WHERE model_type = 'router' ORDER BY created_at DESC LIMIT 1;

SELECT status, error_message FROM job_runs WHERE status <> 'succeeded';
SELECT problem, found FROM check_integrity()
WHERE problem NOT IN ('sample of a conversation that does not exist', 'event of a conversation that does not exist');
DROP FUNCTION say;
