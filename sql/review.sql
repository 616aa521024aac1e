-- Verdicts: approve, fix, reject, one by one and many at a time; what they do to the sample; what is refused.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET training_workflow.allow_drop = on;
DROP EXTENSION IF EXISTS training_workflow CASCADE;
RESET training_workflow.allow_drop;
RESET client_min_messages;
CREATE EXTENSION training_workflow;
INSERT INTO review_policies (audit_rate_approved, audit_rate_review) VALUES (0, 0);
SELECT setval('conversation_logs_id_seq', 1000);
INSERT INTO conversation_logs (id, session_id, user_message, message_language, nlu_intent, nlu_confidence,
                               nlu_module_id, nlu_module_type,
    nlu_provider, nlu_entities, routed_to) VALUES
    (101, 's', 'sure', 'en', 'intent.food.item.search', 0.95, 4, 'food', 'indicbert', '{"dish": "dosa"}', 'opensearch'),
    (102, 's', 'medium', 'en', 'intent.food.item.search', 0.80, 4, 'food', 'indicbert', '{"dish": "dosa"}',
     'opensearch'),
    (103, 's', 'low', 'en', 'intent.food.order.track', 0.40, 4, 'food', 'indicbert', '{"order": "ORD-104233"}', 'php'),
    (104, 's', 'nothing', 'en', NULL, NULL, NULL, NULL, 'indicbert', NULL, NULL),
    (105, 's', 'llm', 'en', 'intent.parcel.shipment.track', 0.99, 5, 'parcel', 'llm', NULL, 'php');
INSERT INTO conversation_logs (id, session_id, user_message, message_type) VALUES (106, 's', '[photo]', 'image');

-- One by one.
SELECT approve_conversation(102, 'fine'), fix_conversation(103, 'intent.parcel.shipment.track', '{"parcel": "PRC-1"}'),
       fix_conversation(104, 'intent.general.greeting'), reject_conversation(105, 'no-such-intent', 'he wants a joke');
SELECT id, review_status, review_priority, review_reason, is_training_candidate, filter_outcome FROM conversation_logs
ORDER BY id;
SELECT conversation_log_id AS id, intent, module_id, module_type, entities, expected_service, review_status,
       label_source, quality_score,
       reviewed_by = session_user AS by_me, reviewed_at = now() AS now
FROM training_samples ORDER BY 1;
SELECT conversation_log_id AS id, action, reject_reason, intent, entities, note, from_status, to_status,
       review_priority AS p, review_reason,
       reviewer = session_user AS by_me, calling_role = session_role AS same_role, details
FROM review_events WHERE conversation_log_id BETWEEN 101 AND 106 ORDER BY id;

-- A verdict can be changed: its effect is replaced, its event stays.
SELECT reject_conversation(102, 'unclear');
SELECT review_status FROM conversation_logs WHERE id = 102;
SELECT review_status, label_source, intent FROM training_samples WHERE conversation_log_id = 102;
SELECT fix_conversation(102, 'intent.grocery.item.search');
SELECT review_status, intent, module_id, module_type, expected_service FROM training_samples
WHERE conversation_log_id = 102;
-- A sample that was auto-approved, and that a model has learned from.
INSERT INTO model_versions (version, model_type) VALUES ('router-v7.0.0', 'router');
UPDATE training_samples SET model_version_target = 'router-v7.0.0' WHERE conversation_log_id = 101;
SELECT approve_conversation(101);
SELECT label_source, quality_score, model_version_target FROM training_samples WHERE conversation_log_id = 101;
SELECT fix_conversation(101, 'intent.food.restaurant.search');
SELECT intent, model_version_target, module_id, expected_service FROM training_samples WHERE conversation_log_id = 101;
SELECT action, intent, details FROM review_events WHERE conversation_log_id = 101 ORDER BY id;
SELECT * FROM check_integrity();

-- Many at a time, an id twice among them.
SELECT approve_conversations(ARRAY[103, 105, 103]), reject_conversations('{}', 'unclear'),
       fix_conversations(ARRAY[104, 102], 'intent.general.thanks', '{}');
SELECT conversation_log_id AS id, intent, entities, review_status FROM training_samples ORDER BY 1;
SELECT count(*) FROM review_events WHERE conversation_log_id = 103;

-- Refused, and nothing of the call stays.
SELECT count(*) AS events FROM review_events \gset
SELECT approve_conversation(999);
SELECT approve_conversations(ARRAY[101, 999, 998]);
SELECT approve_conversation(106);
SELECT approve_conversation(NULL);
SELECT approve_conversations(ARRAY[101, NULL]);
SELECT approve_conversations(NULL);
UPDATE conversation_logs SET review_priority = 1 WHERE id = 104;
SELECT approve_conversation(104);
SELECT fix_conversation(101, NULL);
SELECT fix_conversation(101, '  ');
SELECT fix_conversation(101, 'intent.a.b', '"text"');
SELECT fix_conversation(101, 'intent.a.b', '5');
SELECT fix_conversation(101, 'intent.a.b', 'null');
SELECT reject_conversation(101, 'bad');
SELECT reject_conversation(101, NULL);
SELECT approve_conversation(101, NULL, ' ');
SELECT count(*) = :events AS nothing_stayed FROM review_events;

-- Who is behind a verdict: reviewers are themselves, operators may name a person.
CREATE ROLE regress_tw_reviewer;
CREATE ROLE regress_tw_operator;
SELECT grant_training_role('regress_tw_reviewer', 'reviewer'), grant_training_role('regress_tw_operator', 'operator');
SET ROLE regress_tw_reviewer;
SELECT approve_conversation(101, 'as myself');
SELECT approve_conversation(101, 'as another', 'annotator@example.com');
SELECT explain_conversation(101) -> 'conversation' -> 'user_message';
SELECT count(*) > 0 FROM review_events;
INSERT INTO review_events (conversation_log_id, action, intent, reviewer, calling_role)
VALUES (101, 'approve', 'x', 'me', 'me');
UPDATE conversation_logs SET review_status = 'approved' WHERE id = 101;
SELECT tw_record_verdict(ARRAY[101], 'approve', NULL, NULL, NULL, NULL, 'annotator@example.com');
RESET ROLE;
SET ROLE regress_tw_operator;
SELECT approve_conversation(101, 'as another', 'annotator@example.com');
RESET ROLE;
SELECT note, reviewer, calling_role, session_role = session_user AS session FROM review_events WHERE note LIKE 'as %'
ORDER BY id;
SELECT reviewed_by FROM training_samples WHERE conversation_log_id = 101;

-- Claims.
UPDATE conversation_logs SET review_priority = NULL, review_reason = NULL WHERE id = 104;
INSERT INTO conversation_logs (id, session_id, user_message, nlu_intent, nlu_confidence, nlu_provider)
    SELECT 200 + i, 'q', 'message ' || i, 'intent.a.b', i / 10.0, 'indicbert' FROM generate_series(1, 6) AS i;
UPDATE review_policies SET audit_rate_review = 1;
INSERT INTO conversation_logs (id, session_id, user_message, nlu_intent, nlu_confidence, nlu_provider)
    SELECT 300 + i, 'q', 'audited ' || i, 'intent.a.b', 0.80 + i / 100.0, 'indicbert' FROM generate_series(1, 3) AS i;
UPDATE review_policies SET audit_rate_review = 0;
SET ROLE regress_tw_reviewer;
-- Half of them audited, although their priority is lower.
SELECT conversation_log_id, review_priority, text, confidence, is_audit, expires_at > now() AS held
FROM claim_reviews(4);
SELECT conversation_log_id FROM claim_reviews(2, '1 hour');
RESET ROLE;
SELECT conversation_log_id, reviewer, expires_at - claimed_at AS lease FROM review_claims ORDER BY 1;
-- The rest is little: whatever there is, nothing twice.
SELECT conversation_log_id, is_audit FROM claim_reviews(100, '1 minute', 'somebody');
SELECT count(*) FROM claim_reviews(100);
-- Held by somebody else: refused, with who and until when; the holder and operators may.
SET ROLE regress_tw_reviewer;
DO $$
BEGIN
    PERFORM approve_conversation(204);
EXCEPTION WHEN object_in_use THEN
    RAISE NOTICE '%', regexp_replace(SQLERRM, 'until .*', 'until ...');
END $$;
SELECT approve_conversation(201);
RESET ROLE;
SELECT approve_conversation(202, NULL, 'somebody');
-- A verdict ends the claim, and so does time.
SELECT count(*) FROM review_claims WHERE conversation_log_id IN (201, 202);
UPDATE review_claims SET claimed_at = now() - interval '2 hours', expires_at = now() - interval '1 hour';
SET ROLE regress_tw_reviewer;
SELECT approve_conversation(204);
SELECT count(*) FROM claim_reviews(100);
RESET ROLE;
SELECT count(*) FROM review_claims WHERE expires_at > now();
-- Refused.
SELECT claim_reviews(0);
SELECT claim_reviews(-1);
SELECT claim_reviews(NULL);
SELECT claim_reviews(1, '0');
SELECT claim_reviews(1, '-1 minute');
SELECT claim_reviews(1, NULL);
SET ROLE regress_tw_reviewer;
SELECT claim_reviews(1, '1 minute', 'somebody');
RESET ROLE;

SELECT count(*) FROM claim_reviews(1001);
SELECT claim_reviews(1, '2 days');
-- The sum with a time would overflow.
SELECT claim_reviews(1, '178000000 years');
SELECT claim_reviews(1, '-178000000 years');
SELECT claim_reviews(1, '5000000 years -1799999999 days -23 hours');
-- Given back before the lease ends: one's own only, by name for operators.
SET ROLE regress_tw_reviewer;
SELECT release_reviews(ARRAY[206]), release_reviews(ARRAY[999]);
SELECT conversation_log_id FROM claim_reviews(1, '1 minute');
SELECT release_reviews(NULL, 'somebody');
RESET ROLE;
SELECT release_reviews(NULL, 'somebody'), release_reviews(NULL, 'regress_tw_reviewer');

-- Feedback that comes between a claim and its verdict: the verdict stands, and somebody is asked again.
SELECT min(conversation_log_id) AS conversation_log_id FROM claim_reviews(2, '1 minute') \gset
SELECT record_feedback(:conversation_log_id, 'q', 'negative', 'no, cancel');
SELECT approve_conversation(:conversation_log_id);
SELECT review_status, review_priority, review_reason FROM conversation_logs WHERE id = :conversation_log_id;
SELECT approve_conversation(:conversation_log_id);
SELECT review_status, review_priority, review_reason FROM conversation_logs WHERE id = :conversation_log_id;

-- White space is no intent, and none around one makes another.
SELECT fix_conversation(101, E'\n\t');
SELECT fix_conversation(101, E' intent.food.item.search\n');
SELECT intent FROM training_samples WHERE conversation_log_id = 101;

-- An imported row that waits for review although there is nothing to learn can only be rejected.
INSERT INTO conversation_logs (id, session_id, user_message, message_type, nlu_intent, review_status) VALUES
    (401, 'import', 'pic.jpg', 'image', 'intent.a.b', 'needs-review'),
    (402, 'import', ' ', 'text', 'intent.a.b', 'needs-review');
SELECT approve_conversation(401);
SELECT fix_conversation(402, 'intent.a.b');
SELECT reject_conversations(ARRAY[401, 402], 'unclear');

-- A role is known by what it is and not by the name that it once had.
CREATE ROLE regress_tw_first IN ROLE regress_tw_reviewer;
BEGIN;
SET ROLE regress_tw_first;
SELECT approve_conversation(101, 'as the first');
RESET ROLE;
SELECT reviewer, calling_role FROM review_events WHERE note = 'as the first';
ROLLBACK;
DROP ROLE regress_tw_first;

-- The events stay as they are, for the owner too.
UPDATE review_events SET note = 'changed';
DELETE FROM review_events;
TRUNCATE review_events;
SET session_replication_role = replica;
DELETE FROM review_events;
RESET session_replication_role;

-- The views.
SELECT review_priority, review_reason, waiting, audited, claimed, oldest IS NOT NULL AS has_oldest, reviewed,
       p50_time_to_review_seconds >= 0 AS has_p50
FROM review_backlog;
SELECT date = (now() AT TIME ZONE 'UTC')::date AS today, reviewer = session_user AS me, verdicts, approved, fixed,
       rejected, p95_time_to_review_seconds >= 0 AS has_p95
FROM reviewer_activity ORDER BY verdicts DESC;

-- From an answer to its cause.
SELECT jsonb_object_keys(explain_conversation(101)) AS part;
SELECT e -> 'filter' ->> 'outcome' AS outcome, e -> 'filter' -> 'would_be_decided_now' ->> 'review_status' AS now,
       e -> 'sample' ->> 'intent' AS label, jsonb_array_length(e -> 'events') AS events,
       e -> 'learned_by' AS learned_by, e -> 'conversation' ? 'phone_number' AS shows_phone
FROM explain_conversation(101) AS e;
SELECT explain_conversation(106) -> 'filter' - 'filtered_at' AS not_a_text;
SELECT explain_conversation(999);
SELECT * FROM check_integrity();

DROP OWNED BY regress_tw_reviewer, regress_tw_operator;
DROP ROLE regress_tw_reviewer, regress_tw_operator;
