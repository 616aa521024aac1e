-- Second opinions: a judged conversation of the audit is shown to another person, and the majority's label stands.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET training_workflow.allow_drop = on;
DROP EXTENSION IF EXISTS training_workflow CASCADE;
RESET training_workflow.allow_drop;
RESET client_min_messages;
CREATE EXTENSION training_workflow;
SET datestyle = 'ISO';
SELECT name, value FROM list_training_settings() WHERE name = 'second_opinion_rate';
SELECT set_training_setting('second_opinion_rate', '1.5');
SELECT set_training_setting('second_opinion_rate', '1');
INSERT INTO review_policies (audit_rate_approved, audit_rate_review) VALUES (1, 1);
SELECT setval('conversation_logs_id_seq', 1000);
INSERT INTO conversation_logs (id, session_id, user_message, nlu_intent, nlu_confidence, nlu_provider)
    SELECT n, 's', 'message ' || n, 'food', CASE WHEN n % 2 = 0 THEN 0.95 ELSE 0.6 END, 'indicbert'
    FROM generate_series(1, 12) n;

CREATE VIEW opinions AS
    SELECT o.conversation_log_id AS id, o.status, o.first_reviewer AS first, o.first_label, o.second_reviewer AS second,
           o.second_label, o.agrees, o.third_reviewer AS third, o.third_label, o.settled_at IS NOT NULL AS ended
    FROM second_opinions o ORDER BY 1;
-- What is in force: the conversation, its sample, and its events.
CREATE FUNCTION state(ids int[]) RETURNS TABLE (id bigint, review_status text, review_priority smallint,
    review_reason text, label text, by text, events text) LANGUAGE sql AS $$
    SELECT c.id, c.review_status, c.review_priority, c.review_reason, s.intent, s.reviewed_by,
           (SELECT string_agg(concat_ws(' ', e.reviewer, e.action, e.intent, e.reject_reason), ', ' ORDER BY e.id)
            FROM review_events e WHERE e.conversation_log_id = c.id)
    FROM conversation_logs c LEFT JOIN training_samples s ON s.conversation_log_id = c.id
    WHERE c.id = ANY (ids) ORDER BY c.id
$$;
CREATE FUNCTION shown(who text) RETURNS SETOF bigint LANGUAGE sql AS $$
    WITH claimed AS MATERIALIZED (SELECT conversation_log_id AS id FROM claim_reviews(100, reviewer => who)),
    released AS MATERIALIZED (SELECT release_reviews(NULL, who) FROM (SELECT count(*) FROM claimed) x)
    SELECT c.id FROM claimed c, released r ORDER BY 1
$$;

-- The first person judges everything. Nothing waits in the queue, and nothing comes back to this person.
SELECT approve_conversations(ARRAY(SELECT generate_series(1, 12)), NULL, 'asha');
SELECT * FROM opinions WHERE id <= 2;
SELECT count(*) FROM conversation_logs WHERE review_priority IS NOT NULL;
SELECT count(*) FROM shown('asha');
-- With one reviewer they wait, and the view says why.
SELECT status, waiting, without_reviewer, reviewers, problem FROM second_opinion_backlog;
-- Another person gets them as the first one did, without the verdict.
SELECT conversation_log_id, review_priority, review_reason, intent, confidence, is_audit, suggestions
FROM claim_reviews(3, reviewer => 'binod') ORDER BY 1;
SELECT release_reviews(NULL, 'binod');

-- The second person agrees: nothing else changes.
SELECT approve_conversation(1, 'so do I', 'binod'), fix_conversation(2, ' food ', reviewer => 'binod');
SELECT * FROM opinions WHERE id <= 2;
SELECT * FROM state('{1,2}');
SELECT action, intent, note, from_status, to_status, details FROM review_events
WHERE reviewer = 'binod' ORDER BY id;
SELECT count(*) FROM shown('binod') s WHERE s <= 2;

-- The second person differs: the first verdict stays in force, and a third person is asked.
SELECT fix_conversation(3, 'drinks', reviewer => 'binod'), fix_conversations('{4,5}', 'drinks', reviewer => 'binod'),
       reject_conversation(6, 'no-such-intent', reviewer => 'binod');
SELECT * FROM opinions WHERE id BETWEEN 3 AND 6;
SELECT * FROM state('{3,6}');
SELECT labels, accuracy FROM live_accuracy();
SELECT s FROM shown('binod') s WHERE s BETWEEN 3 AND 6;
SELECT s FROM shown('chitra') s WHERE s BETWEEN 3 AND 6;
-- The third agrees with the first (3), with the second (4, 6), with neither (5).
SELECT approve_conversation(3, reviewer => 'chitra'), fix_conversation(4, 'drinks', reviewer => 'chitra'),
       fix_conversation(5, 'snacks', reviewer => 'chitra'),
       reject_conversation(6, 'no-such-intent', reviewer => 'chitra');
SELECT * FROM opinions WHERE id BETWEEN 3 AND 6;
SELECT * FROM state('{3,4,5,6}');
SELECT labels, accuracy FROM live_accuracy();
-- Without a majority the row waits in front of everybody, and a further vote decides.
SELECT status, waiting, without_reviewer, problem FROM second_opinion_backlog ORDER BY status;
SELECT fix_conversation(5, 'sweets', reviewer => 'divya');
SELECT * FROM state('{5}');
SELECT fix_conversation(5, 'drinks', reviewer => 'chitra');
SELECT * FROM opinions WHERE id = 5;
SELECT * FROM state('{5}');

-- Test samples: not without a majority.
SELECT fix_conversation(7, 'drinks', reviewer => 'binod');
UPDATE training_samples SET split = 'test';
SELECT text, intent FROM model_test_set() ORDER BY text COLLATE "C";
SELECT fix_conversation(7, 'drinks', reviewer => 'chitra');
SELECT text, intent FROM model_test_set() WHERE text = 'message 7';

-- The own verdict can be changed: while it waits for a second opinion, and while it is disputed.
SELECT fix_conversation(8, 'drinks', reviewer => 'asha'), fix_conversation(9, 'drinks', reviewer => 'binod');
SELECT approve_conversation(8, reviewer => 'binod'), fix_conversation(9, 'drinks', reviewer => 'asha');
SELECT * FROM opinions WHERE id IN (8, 9);
SELECT approve_conversation(8, reviewer => 'asha');
SELECT * FROM opinions WHERE id = 8;
SELECT * FROM state('{8,9}');
-- Once it is settled, a change is a change as always.
SELECT fix_conversation(9, 'sweets', reviewer => 'divya');
SELECT * FROM state('{9}');

-- A user's correction: who judges then has seen more than the first person, and gives a verdict.
SELECT record_feedback(10, 's', 'negative', 'I meant drinks');
SELECT count(*) FROM shown('binod') s WHERE s = 10;
SELECT fix_conversation(10, 'drinks', reviewer => 'binod');
SELECT * FROM opinions WHERE id = 10;
SELECT * FROM state('{10}');
-- But not who had claimed it before the correction came.
SELECT count(*) FROM claim_reviews(100, reviewer => 'binod') WHERE conversation_log_id = 11;
SELECT record_feedback(11, 's', 'negative');
SELECT fix_conversation(11, 'drinks', reviewer => 'binod');
SELECT * FROM opinions WHERE id = 11;
SELECT * FROM state('{11}');
-- A withdrawal ends it; the next verdict is not drawn again.
SELECT withdraw_verdict(12, NULL, 'asha');
SELECT approve_conversation(12, reviewer => 'binod');
SELECT * FROM opinions WHERE id = 12;
SELECT * FROM state('{12}');
SELECT count(*) FROM second_opinions;
SELECT * FROM check_integrity();

-- How far they agree: so few pairs are too few for kappa.
SELECT scope, reviewer, intent, opinions, agreed, round(agreement::numeric, 3) AS agreement, kappa, reason, differences
FROM reviewer_agreement();
SELECT opinions FROM reviewer_agreement('2020-01-01', '2020-01-02');
SELECT * FROM reviewer_agreement('2020-01-02', '2020-01-01');
-- By hand: 20 of 25 pairs agree, 15 by 10 and 10 by 15: po 0.8, pe 0.48.
SELECT round(k.kappa::numeric, 4) AS kappa, round(k.kappa_lower::numeric, 4) AS kappa_lower,
       round(k.kappa_upper::numeric, 4) AS kappa_upper, k.reason
FROM tw_kappa(array_fill('a'::text, '{15}') || array_fill('b'::text, '{10}'),
              array_fill('a'::text, '{10}') || array_fill('b'::text, '{15}')) k;
SELECT k.* FROM tw_kappa(array_fill('a'::text, '{30}'), array_fill('a'::text, '{30}')) k;
SELECT k.* FROM tw_kappa('{}', '{}') k;

-- A row that two models disagree about: the second person chooses between the same two answers.
INSERT INTO conversation_logs (id, session_id, user_message, nlu_intent, nlu_confidence, nlu_provider)
    SELECT n, 's', 'message ' || n, 'food', 0.6, 'indicbert' FROM generate_series(21, 23) n;
SELECT tw_ask_blindly('{21}', '{food}', '{drinks}');
SELECT fix_conversation(21, 'food', reviewer => 'asha');
SELECT conversation_log_id, review_priority, review_reason, intent, suggestions
FROM claim_reviews(100, reviewer => 'binod') WHERE conversation_log_id = 21;
SELECT approve_conversation(21, reviewer => 'binod');
SELECT fix_conversation(21, 'food', reviewer => 'binod');
SELECT * FROM opinions WHERE id = 21;
-- No second opinions: none is drawn, and nothing that is not audited ever is.
SELECT set_training_setting('second_opinion_rate', '0');
SELECT approve_conversation(22, reviewer => 'asha'), fix_conversation(22, 'drinks', reviewer => 'binod');
SELECT * FROM state('{22}');
SELECT set_training_setting('second_opinion_rate', '1');
UPDATE review_policies SET audit_rate_approved = 0, audit_rate_review = 0;
INSERT INTO conversation_logs (id, session_id, user_message, nlu_intent, nlu_confidence, nlu_provider)
    VALUES (31, 's', 'message 31', 'food', 0.6, 'indicbert');
SELECT approve_conversation(31, reviewer => 'asha');
SELECT count(*) FROM second_opinions WHERE conversation_log_id IN (22, 31);
-- A share of the verdicts: about a quarter of 4,000, whatever seed the reviewer sets.
SELECT set_training_setting('second_opinion_rate', '0.25');
UPDATE review_policies SET audit_rate_review = 1;
INSERT INTO conversation_logs (id, session_id, user_message, nlu_intent, nlu_confidence, nlu_provider)
    SELECT n, 's', 'message ' || n, 'food', 0.6, 'indicbert' FROM generate_series(5001, 9000) n;
SELECT setseed(0.5);
SELECT approve_conversations(ARRAY(SELECT generate_series(5001, 9000)), NULL, 'asha');
SELECT count(*) BETWEEN 850 AND 1150 AS about_a_quarter, min(rate), max(rate) FROM second_opinions
WHERE conversation_log_id > 5000;
-- At most a tenth of a batch is second opinions while other rows wait.
INSERT INTO conversation_logs (id, session_id, user_message, nlu_intent, nlu_confidence, nlu_provider)
    SELECT n, 's', 'message ' || n, 'food', 0.6, 'indicbert' FROM generate_series(9001, 9200) n;
SELECT count(*), count(*) FILTER (WHERE conversation_log_id <= 9000) AS second_opinions
FROM claim_reviews(100, reviewer => 'divya');

DROP VIEW opinions;
DROP FUNCTION state(int[]), shown(text);

-- An import that replaces the label of a conversation ends the second opinion on it.
SELECT set_training_setting('second_opinion_rate', '1') IS NOT NULL AS all_of_them;
INSERT INTO review_policies (intent, audit_rate_approved, audit_rate_review) VALUES ('intent.late.one', 1, 1);
INSERT INTO conversation_logs (id, session_id, user_message, nlu_intent, nlu_confidence, nlu_provider)
    VALUES (990002, 'late', 'theta words here', 'intent.late.one', 0.95, 'indicbert');
SELECT approve_conversation(990002, reviewer => 'asha');
SELECT status FROM second_opinions WHERE conversation_log_id = 990002;
SELECT replaced FROM import_training_samples('{"text": "theta words here", "intent": "intent.late.two"}',
                                             on_conflict => 'newest');
SELECT status, settled_at IS NOT NULL AS ended FROM second_opinions WHERE conversation_log_id = 990002;
SELECT intent FROM training_samples WHERE conversation_log_id = 990002;
