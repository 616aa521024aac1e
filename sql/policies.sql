-- review_policies: precedence, inheritance, and what is refused.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET training_workflow.allow_drop = on;
DROP EXTENSION IF EXISTS training_workflow CASCADE;
RESET training_workflow.allow_drop;
RESET client_min_messages;
CREATE EXTENSION training_workflow;

-- From the least specific to the most specific; each sets something else, so that inheritance shows.
INSERT INTO review_policies (module_type, intent, review_below, approve_above, trusted_providers, fallback_providers,
                             audit_rate_approved, audit_rate_review) VALUES
    (NULL, NULL, 0.60, NULL, NULL, NULL, 0.02, 0.03),
    ('food', NULL, NULL, 0.80, NULL, ARRAY['llm', 'GPT'], NULL, NULL),
    (NULL, 'intent.food.order.cancel', NULL, 0.95, ARRAY['IndicBERT', 'rasa'], NULL, NULL, NULL),
    ('food', 'intent.food.order.cancel', 0.90, NULL, NULL, NULL, 1, NULL);
SELECT w.what, d.*
FROM (VALUES
    ('default', 'indicbert', 'intent.parcel.shipment.track', 'parcel'),
    ('module', 'indicbert', 'intent.food.item.search', 'food'),
    ('module by intent', 'indicbert', 'intent.food.item.search', NULL),
    ('module by intent, blank module', 'indicbert', 'intent.food.item.search', ''),
    ('intent', 'indicbert', 'intent.food.order.cancel', 'grocery'),
    ('module and intent', 'indicbert', 'intent.food.order.cancel', 'food'),
    ('module and intent, other provider', 'Rasa', 'intent.food.order.cancel', 'food'),
    ('module and intent, fallback', 'gpt', 'intent.food.order.cancel', 'food'),
    ('no intent', 'indicbert', NULL, 'food'),
    ('case of module matters', 'indicbert', 'x', 'FOOD')
) AS w (what, provider, intent, module_type),
    filter_decision(0.97, w.provider, w.intent, w.module_type) d;
SELECT is_fallback_provider('GPT', 'intent.food.item.search', NULL),
       is_fallback_provider('gpt', 'intent.parcel.shipment.track', NULL),
       is_fallback_provider('LLM', NULL, NULL), is_fallback_provider(NULL, NULL, NULL);

-- Capture stores which policy it was, and by which probability.
INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider, nlu_module_type)
VALUES
    ('s', 'cancel it', 'intent.food.order.cancel', 0.96, 'rasa', 'food'),
    ('s', 'where is it', 'intent.parcel.shipment.track', 0.65, 'indicbert', NULL);
SELECT review_status, review_reason, filter_policy_id, selection_probability FROM conversation_logs ORDER BY id;

-- Refused, each with what is wrong and what to do.
INSERT INTO review_policies (module_type, approve_above) VALUES ('ride', 1.2);
INSERT INTO review_policies (module_type, approve_above) VALUES ('ride', 85);
INSERT INTO review_policies (module_type, review_below) VALUES ('ride', -0.01);
INSERT INTO review_policies (module_type, review_below) VALUES ('ride', 'NaN');
INSERT INTO review_policies (module_type, audit_rate_review) VALUES ('ride', 10);
INSERT INTO review_policies (module_type, review_below, approve_above) VALUES ('ride', 0.9, 0.8);
-- Above one another after inheriting: from the default, from the module, and between a module's and an intent's.
INSERT INTO review_policies (module_type, review_below) VALUES ('ride', 0.86);
INSERT INTO review_policies (intent, approve_above) VALUES ('intent.ride.booking.create', 0.5);
INSERT INTO review_policies (module_type, review_below, approve_above) VALUES ('parcel', 0.97, 0.98);
INSERT INTO review_policies (intent, approve_above) VALUES ('intent.parcel.claim.create', 0.9);
DELETE FROM review_policies WHERE module_type = 'parcel';
UPDATE review_policies SET approve_above = 0.85 WHERE module_type = 'food' AND intent IS NOT NULL;
-- Taking one away can do it too.
DELETE FROM review_policies WHERE intent = 'intent.food.order.cancel' AND module_type IS NULL;
-- Duplicates; NULLs count as equal.
INSERT INTO review_policies (module_type) VALUES ('food');
INSERT INTO review_policies (review_below) VALUES (0.5);
UPDATE review_policies SET module_type = NULL WHERE module_type = 'food' AND intent IS NULL;
-- Two in one statement meet the unique index.
INSERT INTO review_policies (module_type) VALUES ('ride'), ('ride');
-- Blank names and lists that could not match what they seem to.
INSERT INTO review_policies (module_type) VALUES (' ');
INSERT INTO review_policies (intent) VALUES ('');
INSERT INTO review_policies (trusted_providers) VALUES (ARRAY['indicbert', NULL]);
INSERT INTO review_policies (module_type, trusted_providers) VALUES ('ride', ARRAY['indicbert', '']);
INSERT INTO review_policies (module_type, trusted_providers) VALUES ('ride', ARRAY[ARRAY['a'], ARRAY['b']]);
SELECT count(*) FROM review_policies;

-- The ends of the range are fine, and so is an empty list: nobody is trusted.
INSERT INTO review_policies (module_type, review_below, approve_above, trusted_providers) VALUES ('ride', 0, 0, '{}');
SELECT d.review_status, d.review_reason FROM filter_decision(0.99, 'indicbert', 'intent.ride.booking.create', NULL) d;
DELETE FROM review_policies WHERE module_type = 'ride';
INSERT INTO review_policies (module_type, review_below, approve_above) VALUES ('ride', 1, 1);
SELECT d.review_status, d.review_reason FROM filter_decision(1, 'indicbert', 'x', 'ride') d;

-- A change within a transaction holds for its own rows at once, and not after a rollback.
BEGIN;
UPDATE review_policies SET review_below = 0, approve_above = 0.5 WHERE module_type = 'ride';
SELECT d.review_status FROM filter_decision(0.6, 'indicbert', 'x', 'ride') d;
SAVEPOINT a;
DELETE FROM review_policies WHERE module_type = 'ride';
SELECT d.review_status, d.review_reason FROM filter_decision(0.6, 'indicbert', 'x', 'ride') d;
ROLLBACK TO a;
SELECT d.review_status FROM filter_decision(0.6, 'indicbert', 'x', 'ride') d;
ROLLBACK;
SELECT d.review_status, d.review_reason FROM filter_decision(0.6, 'indicbert', 'x', 'ride') d;

-- TRUNCATE, and a change while ordinary triggers do not fire.
SET session_replication_role = replica;
UPDATE review_policies SET review_below = 0, approve_above = 0.5 WHERE module_type = 'ride';
RESET session_replication_role;
SELECT d.review_status FROM filter_decision(0.6, 'indicbert', 'x', 'ride') d;
TRUNCATE review_policies;
SELECT * FROM filter_decision(0.6, 'indicbert', 'x', 'ride') d;

-- Many policies at once are found as well as few.
INSERT INTO review_policies (module_type, approve_above) SELECT 'module ' || i, 0.75 + i / 10000.0
                                                         FROM generate_series(1, 300) AS i;
SELECT count(*) FROM generate_series(1, 300) AS i, filter_decision(0.5, NULL, NULL, 'module ' || i) d
WHERE d.approve_above <> 0.75 + i / 10000.0;
TRUNCATE review_policies;
