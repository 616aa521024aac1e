-- Before the first model, and whenever nothing is live: the application's code captures all the same.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET training_workflow.allow_drop = on;
DROP EXTENSION IF EXISTS training_workflow CASCADE;
RESET training_workflow.allow_drop;
RESET client_min_messages;
CREATE EXTENSION training_workflow;
INSERT INTO review_policies (audit_rate_approved, audit_rate_review) VALUES (0, 0);
CREATE ROLE regress_tw_chat;
SELECT grant_training_role('regress_tw_chat', 'capture');

-- The statement of README.md, as the role that captures.
PREPARE capture (text) AS
    INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_module_type, nlu_provider,
                                   nlu_model_version)
    SELECT m.session_id, m.message, n.intent, n.confidence, n.module_type, 'indicbert', n.model_version
    FROM (VALUES ($1, 'please track my parcel')) AS m (session_id, message),
        classify_intent(m.message, version => assign_model_version('router', m.session_id)) n
    RETURNING id;
SET ROLE regress_tw_chat;
EXECUTE capture('no model');
SELECT assign_model_version('router', 's'), assign_model_version('food-agent', 's');
SELECT * FROM classify_intent('please track my parcel');
SELECT * FROM classify_intent('please track my parcel', 'food-agent');
SELECT * FROM classify_intent('please track my parcel', version => assign_model_version('router', 's'));
SELECT * FROM classify_intents('please track my parcel', 2);
SELECT * FROM classify_intents('please track my parcel', 2, version => assign_model_version('router', 's'));
-- What is asked wrongly stays an error.
SELECT * FROM classify_intent('please track my parcel', version => 'router-v1.0.0');
SELECT * FROM classify_intents('please track my parcel', version => 'router-v1.0.0');
SELECT assign_model_version('Router', 's');
SELECT assign_model_version('food--agent', 's');
SELECT assign_model_version('-agent', 's');
SELECT * FROM classify_intent('please track my parcel', 'agent-');
SELECT * FROM classify_intents('please track my parcel', 1, '');
SELECT * FROM classify_intents('please track my parcel', 0);
RESET ROLE;

-- Versions that were live once, or never.
INSERT INTO model_versions (version, model_type, status) VALUES ('router-v1.0.0', 'router', 'retired'),
                                                                ('router-v1.1.0', 'router', 'failed'),
                                                                ('parcel-agent-v1.0.0', 'parcel-agent', 'production');
SET ROLE regress_tw_chat;
EXECUTE capture('retired');
SELECT intent, reason FROM classify_intent('please track my parcel');
-- What is live and runs elsewhere is no answer of ours either, and says where to ask.
SELECT * FROM classify_intent('please track my parcel', 'parcel-agent');
RESET ROLE;
DELETE FROM model_versions;

-- A model, and nothing of it live.
SELECT inserted FROM import_training_samples((SELECT string_agg(
    jsonb_build_object('text', v || ' ' || o || ' please', 'intent', 'intent.parcel.order.' || v)::text, E'\n')
    FROM unnest(ARRAY['cancel', 'track']) v, unnest(ARRAY['my order', 'the parcel', 'this pizza', 'it', 'order nine',
                                                          'that one', 'yesterday', 'the food', 'my bag', 'a cab']) o));
SET client_min_messages = warning;
SELECT version, status FROM train_model();
RESET client_min_messages;
SET ROLE regress_tw_chat;
EXECUTE capture('a candidate');
SELECT intent, reason FROM classify_intent('please track my parcel');
SELECT intent, model_version, reason FROM classify_intent('please track my parcel', version => 'router-v1.0.0');
RESET ROLE;
UPDATE model_versions SET status = 'rejected';
SET ROLE regress_tw_chat;
EXECUTE capture('rejected alone');
SELECT intent, reason FROM classify_intent('please track my parcel');
SELECT intent, reason FROM classify_intent('please track my parcel', 'parcel-agent');
RESET ROLE;
SELECT promote_model('router-v1.0.0', 'something has to answer', true);
SET ROLE regress_tw_chat;
EXECUTE capture('live');
SELECT intent, confidence > 0.5 AS sure, module_type, model_version, reason
FROM classify_intent('please track my parcel');
SELECT * FROM classify_intent('');
SELECT rank, intent, reason FROM classify_intents('please track my parcel');
SELECT * FROM classify_intents('');
SELECT * FROM classify_intents(NULL);
RESET ROLE;
UPDATE model_versions SET status = 'rolled-back', traffic_percentage = 0;
SET ROLE regress_tw_chat;
EXECUTE capture('rolled back');
SELECT intent, reason FROM classify_intent('please track my parcel');
RESET ROLE;
SELECT session_id, nlu_intent, nlu_confidence IS NULL AS no_confidence, nlu_model_version, review_status,
       review_priority, review_reason
FROM conversation_logs ORDER BY id;
DEALLOCATE capture;
SELECT revoke_training_role('regress_tw_chat', 'capture');
REVOKE ALL ON SCHEMA public FROM regress_tw_chat;
DROP ROLE regress_tw_chat;
SELECT * FROM check_integrity();
