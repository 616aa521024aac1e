-- The first model of a type, and its dead ends: nothing to test it on, a target that it misses, a gate that said no.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET training_workflow.allow_drop = on;
DROP EXTENSION IF EXISTS training_workflow CASCADE;
RESET training_workflow.allow_drop;
RESET client_min_messages;
CREATE EXTENSION training_workflow;

-- Import, train, classify: an answer, or in words how to get one.
SELECT inserted FROM import_training_samples((SELECT string_agg(
    jsonb_build_object('text', v || ' ' || o || ' please', 'intent', 'intent.shop.order.' || v)::text, E'\n')
    FROM unnest(ARRAY['cancel', 'track']) v, unnest(ARRAY['my order', 'the parcel', 'this pizza', 'it', 'order nine',
                                                          'that one', 'yesterday', 'the food', 'my bag', 'a cab']) o));
SELECT version, status, gate_decision, gate_reason FROM train_model();
SELECT intent FROM classify_intent('please track my parcel');
SELECT intent, model_version FROM classify_intent('please track my parcel', 'router', 'router-v1.0.0');
SELECT promote_model('router-v1.0.0', 'something has to answer');
SELECT intent, model_version FROM classify_intent('please track my parcel');
-- Where something answers the trainer has nothing to add.
SELECT version, status, gate_reason FROM train_model();

-- What answers elsewhere says so when it is registered, and not later.
SELECT register_model('parcel-agent-v1.0.0', 'parcel-agent', 'production');
SELECT register_model('food-agent-v1.0.0', 'food-agent', 'production', artifact => 'none of ours');
SELECT register_model('ride-agent-v1.0.0', 'ride-agent');

-- A target that the first version misses. It may change, and then the gate looks again; here it is live at once.
SELECT inserted FROM import_training_samples(
    (SELECT string_agg(jsonb_build_object('text', t, 'intent', 'intent.shop.order.' || i, 'split', 'test')::text, E'\n')
    FROM (VALUES ('cancel the blue one', 'cancel'), ('do cancel', 'cancel'), ('track the blue one', 'track'),
                 ('do track', 'cancel')) x (t, i)));
SELECT set_training_setting('min_test_samples', '4');
SELECT version, status, gate_decision, gate_reason FROM train_model('shop-agent');
SELECT set_training_setting('target_accuracy', '0.7');
SELECT * FROM evaluate_model('shop-agent-v1.0.0');
SELECT version, status FROM model_versions WHERE model_type = 'shop-agent';
SELECT rollback_rollout('shop-agent', 'nothing to return to');

-- What the gate rejected goes live by a person's word: where nothing is, and else only where they say that they know.
SELECT register_model('ride-agent-v1.1.0', 'ride-agent');
UPDATE model_versions SET status = 'rejected', gate_decision = 'failed',
                          gate_reason = 'below the target accuracy: 0.5000 of 0.8500 on 40 samples'
WHERE model_type = 'ride-agent';
SELECT promote_model('ride-agent-v1.0.0', '');
SELECT promote_model('ride-agent-v1.0.0', 'better than nothing');
SELECT promote_model('ride-agent-v1.1.0', 'it knows the new town');
SELECT promote_model('ride-agent-v1.1.0', 'it knows the new town', despite_gate => true);
SELECT version, status FROM model_versions WHERE model_type = 'ride-agent' ORDER BY version;
SELECT version, to_status, reason, figures FROM model_deployments WHERE model_type = 'ride-agent' ORDER BY id;
SELECT promote_model('ride-agent-v1.0.0', 'no, the old one', despite_gate => true);
SELECT * FROM check_integrity();

-- The review budget: while the test set is too small, half of it goes to the audit, whatever the policies say; never
-- more than every other conversation, and never less than the policies say. Each row has the rate that it was drawn
-- with.
SELECT set_training_setting('min_test_samples', '200');
CREATE FUNCTION capture_some(messages integer) RETURNS bigint LANGUAGE sql AS $$
    WITH said AS (
        INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider, created_at)
        SELECT 's', 'message ' || g, 'intent.shop.order.track', 0.99, 'indicbert', now() - interval '1 hour'
        FROM generate_series(1, messages) g RETURNING 1)
    SELECT count(*) FROM said
$$;
CREATE FUNCTION next_rate() RETURNS numeric LANGUAGE sql AS $$
    INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider)
    VALUES ('s', 'next', 'intent.shop.order.track', 0.99, 'indicbert')
    RETURNING round(selection_probability::numeric, 4)
$$;
TRUNCATE conversation_logs;
SELECT capture_some(40);
CALL daily_training_capture();
SELECT round(audit_rate::numeric, 4) AS every_other, left(reason, 25) AS reason FROM audited_versions
WHERE model_version = '*';
SELECT next_rate();
SELECT capture_some(59);
CALL daily_training_capture();
SELECT round(audit_rate::numeric, 4) AS of_a_hundred FROM audited_versions WHERE model_version = '*';
SELECT next_rate();
SELECT capture_some(899);
CALL daily_training_capture();
SELECT round(audit_rate::numeric, 4) AS of_a_thousand FROM audited_versions WHERE model_version = '*';
SELECT next_rate() AS as_the_policy_says;
SELECT set_training_setting('review_budget_per_day', '0');
CALL daily_training_capture();
SELECT count(*) AS raised FROM audited_versions WHERE model_version = '*';
DROP FUNCTION capture_some, next_rate;
