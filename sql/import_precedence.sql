-- Whose label stands: a person's beats a model's whatever the order; of two people's, the newer one only where it is
-- asked for. Nothing that a person brought is lost: it is in the model, in the queue, or in the report.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET training_workflow.allow_drop = on;
DROP EXTENSION IF EXISTS training_workflow CASCADE;
RESET training_workflow.allow_drop;
RESET client_min_messages;
CREATE EXTENSION training_workflow;
INSERT INTO review_policies (audit_rate_approved, audit_rate_review) VALUES (0, 0);

-- Lines of data, from pairs of text and intent, each with what else it says.
CREATE FUNCTION lines(pairs text[], rest jsonb DEFAULT '{}') RETURNS text LANGUAGE sql AS $$
    SELECT string_agg((jsonb_build_object('text', pairs[i], 'intent', pairs[i + 1]) || rest)::text, E'\n' ORDER BY i)
    FROM generate_series(1, cardinality(pairs), 2) AS i $$;
CREATE FUNCTION capture(messages text[], intent text) RETURNS void LANGUAGE sql AS $$
    INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider)
    SELECT 's', m, intent, 0.99, 'indicbert' FROM unnest(messages) AS m $$;
-- Each section looks at its own samples.
CREATE TABLE sections (last_sample bigint);
CREATE VIEW labels AS
    SELECT text, intent, review_status, label_source AS by, split, conversation_log_id AS conversation,
           review_priority AS priority, review_reason AS reason, quality_score AS quality,
           model_version_target AS target
    FROM training_samples WHERE id > coalesce((SELECT max(last_sample) FROM sections), 0) ORDER BY id;
CREATE VIEW conflicts AS
    SELECT k.normalized_text, k.human_labels AS human, k.settled_intent AS settled, s ->> 'intent' AS intent,
           s ->> 'samples' AS samples, s ->> 'waiting' AS waiting, s ->> 'conversations' AS conversations,
           s ->> 'sample_ids' AS sample_ids
    FROM label_conflicts k, jsonb_array_elements(k.sides) s
    WHERE k.normalized_text IN (SELECT normalize_text(l.text) FROM labels l);
CREATE VIEW events AS
    SELECT conversation_log_id AS conversation, sample_id, action, from_status, to_status,
           reviewer = session_user AS mine, details FROM review_events ORDER BY id;

-- Two people, two intents: both wait, and both are shown.
SELECT * FROM import_training_samples(lines('{cancel kar do, track_order}'));
SELECT * FROM import_training_samples(lines('{Cancel kar do!, cancel_order}'));
SELECT * FROM import_report();
TABLE labels;
TABLE conflicts;
TABLE events;
-- The old label is live until somebody decides; the same line again changes nothing.
SELECT text, intent FROM training_samples WHERE review_status = 'approved';
SELECT inserted, existing, conflicting FROM import_training_samples(lines('{cancel kar do, cancel_order}'));
SELECT existing FROM import_training_samples(lines('{cancel kar do, track_order}'));
SELECT count(*) FROM training_samples;
-- The daily job leaves both in the queue.
SELECT * FROM queue_label_conflicts();
SELECT count(*) AS waiting FROM training_samples WHERE review_priority = 2;
SELECT * FROM check_integrity();
-- keep: the line is not stored, and the report says which sample stands.
SELECT * FROM import_training_samples(lines('{cancel kar do, refund}'), on_conflict => 'keep');
SELECT line, outcome, reason, sample_id FROM import_report();
-- newest: the newer label stands, for all of them, and nobody is asked.
SELECT * FROM import_training_samples(lines('{cancel kar do, cancel_order}'), on_conflict => 'newest');
SELECT * FROM import_report();
TABLE labels;
TABLE conflicts;
SELECT * FROM events OFFSET 2;
SELECT * FROM import_training_samples(lines('{cancel kar do, cancel_order}'), on_conflict => 'newest');
INSERT INTO sections SELECT max(id) FROM training_samples;

-- Several lines of one file: the first stands and the others wait; newest: the last stands.
SELECT inserted, existing, conflicting FROM import_training_samples(lines('{one, a, One., b, one!, a, one?, b}'));
TABLE labels;
SELECT inserted, existing, kept, replaced
FROM import_training_samples(lines('{two, a, Two., b, two!, b, one, c, two?, c}'), on_conflict => 'newest');
SELECT line, outcome, reason FROM import_report();
SELECT text, intent, review_status, priority FROM labels;
SELECT inserted, kept FROM import_training_samples(lines('{three, a, three., b}'), on_conflict => 'keep');
TABLE conflicts;
INSERT INTO sections SELECT max(id) FROM training_samples;

-- A model's label, then a person's: the person's wins, whatever the order.
SELECT capture('{where is my order, where is my order, Where is my order?}', 'track_order');
SELECT inserted, conflicting FROM import_training_samples(lines('{where is my order, cancel_order}'));
SELECT inserted, conflicting FROM import_training_samples(lines('{stop it, cancel_order}'));
SELECT capture('{stop it, stop it, Stop it!}', 'track_order');
SELECT import_training_samples(lines('{other, track_order}'));
UPDATE training_samples SET split = 'train' WHERE text IN (SELECT text FROM labels);
SELECT text, intent, label_source, samples FROM training_set() WHERE text IN (SELECT text FROM labels);
SELECT normalized_text, human, settled FROM conflicts;
-- A model's label as a line does not beat a person's, and does not disturb.
SELECT * FROM import_training_samples(lines('{stop it, refund, stop it, cancel_order, new one, track_order}',
    '{"label_source": "model"}'));
SELECT line, outcome, reason, s.intent, s.label_source
FROM import_report() r JOIN training_samples s ON s.id = r.sample_id;
-- Two models: the line waits for a person.
SELECT * FROM import_training_samples(lines('{new one, cancel_order}'), label_source => 'llm');
SELECT inserted, kept FROM import_training_samples(lines('{new one, refund}'), label_source => 'llm',
                                                   on_conflict => 'keep');
SELECT normalized_text, intent, waiting FROM conflicts WHERE normalized_text = 'new one';
-- A person who says what one of them says, settles it.
SELECT upgraded FROM import_training_samples(lines('{new one, track_order}'));
SELECT * FROM queue_label_conflicts();
SELECT text, intent, review_status, by, priority FROM labels WHERE text = 'new one';
-- In one file.
SELECT inserted, existing, upgraded, kept FROM import_training_samples(
    lines('{mixed, a}', '{"label_source": "model", "quality_score": 0.5}') || E'\n' || lines('{mixed, a}') || E'\n'
    || lines('{mixed, b}', '{"label_source": "machine"}'));
SELECT line, outcome, reason FROM import_report();
SELECT text, intent, by, quality FROM labels WHERE text = 'mixed';
SELECT * FROM check_integrity();
INSERT INTO sections SELECT max(id) FROM training_samples;

-- A person's line that says what models said: their samples count as a person's, with full weight.
SELECT capture('{kitna time lagega, Kitna time lagega?}', 'eta');
UPDATE training_samples SET split = 'train' WHERE text IN (SELECT text FROM labels);
SELECT text, label_source, round(weight::numeric, 3) AS weight FROM training_set()
WHERE text IN (SELECT text FROM labels);
SELECT * FROM import_training_samples(lines('{kitna time lagega, eta}', '{"entities": {"unit": "minutes"}}'));
SELECT line, outcome, reason FROM import_report();
SELECT text, label_source, round(weight::numeric, 3) AS weight, entities FROM training_set()
WHERE text IN (SELECT text FROM labels);
SELECT by, quality, s.reviewed_by = session_user AS mine, c.review_status, c.review_priority
FROM training_samples s JOIN labels l USING (text) JOIN conversation_logs c ON c.id = s.conversation_log_id;
SELECT action, from_status, to_status, mine, details - 'import' AS details FROM events
WHERE conversation IN (SELECT l.conversation FROM labels l);
SELECT existing FROM import_training_samples(lines('{kitna time lagega, eta}'));
SELECT * FROM check_integrity();
-- The verdict on the conversation still wins.
SELECT fix_conversation(max(id), 'wait_time') FROM conversation_logs;
SELECT intent, by FROM labels ORDER BY intent;
SELECT normalized_text, human, settled FROM conflicts;

-- 300 texts that only conversations have, then the same as a test file of people: it is the test set.
INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider)
SELECT 's' || g, 'question number ' || g, 'intent.a.q' || g % 3, 0.99, 'indicbert' FROM generate_series(1, 300) g;
SELECT inserted, existing, upgraded, conflicting, pinned, not_pinned
FROM import_training_samples((SELECT string_agg(lines(ARRAY['question number ' || g, 'intent.a.q' || g % 3],
                                                      '{"split": "test"}'), E'\n') FROM generate_series(1, 300) g));
SELECT outcome, reason, count(*), count(DISTINCT sample_id) AS samples FROM import_report() GROUP BY 1, 2 ORDER BY 1;
SELECT count(*) AS test_set, sum(weight) AS weight, bool_and(pinned) AS pinned FROM model_test_set();
SELECT split, by, conversation IS NULL AS standalone, count(*) FROM labels WHERE text ~ '^question' GROUP BY 1, 2, 3
ORDER BY 1, 2, 3;
-- Once more: all of it is there.
SELECT existing, pinned, inserted FROM import_training_samples(lines('{question number 7, intent.a.q1}',
                                                                     '{"split": "test"}'));
SELECT * FROM check_integrity();

-- What an audit has not judged does not enter the test set as if it had.
INSERT INTO review_policies (module_type, audit_rate_approved, audit_rate_review) VALUES ('audited', 1, 1);
SELECT capture(ARRAY(SELECT 'audited text ' || g FROM generate_series(1, 40) g), 'intent.audited.x');
SELECT upgraded FROM import_training_samples(lines((SELECT array_agg(x ORDER BY g, o) FROM generate_series(1, 40) g,
    unnest(ARRAY['audited text ' || g, 'intent.audited.x']) WITH ORDINALITY AS u (x, o))));
SELECT n.split, count(*) FROM tw_new_splits() n JOIN training_samples s USING (text_hash) WHERE s.text ~ '^audited'
GROUP BY 1 ORDER BY 1;
UPDATE training_samples SET split = 'test' WHERE text ~ '^audited';
SELECT count(*) AS tested FROM model_test_set() WHERE module_type = 'audited';
SELECT approve_conversations(array_agg(id)) AS approved FROM conversation_logs WHERE nlu_module_type IS NULL
    AND nlu_intent = 'intent.audited.x';
SELECT count(*) AS tested FROM model_test_set() WHERE module_type = 'audited';
SELECT * FROM check_integrity();

-- Pins that cannot be: all of them are reported at once, and their lines are imported.
UPDATE training_samples SET split = 'train', model_version_target = 'router-v0.0.9' WHERE intent = 'wait_time';
INSERT INTO training_samples (text, intent, review_status, split, model_version_target)
SELECT 'learned ' || g, 'l', 'approved', 'train', CASE WHEN g < 3 THEN 'router-v0.0.9' END
FROM generate_series(1, 3) g;
SELECT * FROM import_training_samples(lines('{learned 1, l, learned 2, m, learned 3, l, free, l}', '{"split": "test"}')
    || E'\n' || lines('{free, m, free two, l, question number 8, intent.a.q2}', '{"split": "train"}')
    || E'\n' || lines('{free two, m}'));
SELECT line, outcome, reason FROM import_report();
SELECT text, intent, review_status, split FROM labels WHERE text ~ 'learned|free';

-- A corrected file: relabelled are samples without a conversation, those of conversations, and those of the test set.
SELECT capture('{corrected three}', 'old');
SELECT fix_conversation(max(id), 'old') FROM conversation_logs;
SELECT import_training_samples(lines('{corrected one, old, corrected four, old}') || E'\n'
    || lines('{corrected two, old}', '{"split": "test"}'));
UPDATE training_samples SET model_version_target = 'router-v0.0.9', split = 'train'
WHERE text IN ('corrected one', 'corrected three');
SELECT * FROM import_training_samples(lines('{corrected one, new, corrected two, new, corrected three, new}') || E'\n'
    || lines('{corrected four, old}'), on_conflict => 'newest');
SELECT line, outcome, reason FROM import_report();
SELECT text, intent, by, split, conversation IS NOT NULL AS of_conversation, target FROM labels
WHERE text ~ '^corrected';
SELECT text, intent FROM model_test_set() WHERE text ~ '^corrected';
SELECT conversation IS NOT NULL AS of_conversation, action, from_status, to_status, details - 'import' AS details
FROM events WHERE action = 'relabel' AND details ->> 'intent' = 'new';
-- The verdict stays what people judged, and a later one wins again.
SELECT c.review_status, e.action, e.intent
FROM conversation_logs c JOIN review_events e ON e.conversation_log_id = c.id
WHERE c.user_message = 'corrected three' ORDER BY e.id;
SELECT fix_conversation(id, 'newer still') FROM conversation_logs WHERE user_message = 'corrected three';
SELECT intent FROM labels WHERE text = 'corrected three';

-- People's labels of conversations in a conflict: the conversation is queued, and leaves it when it is settled.
SELECT conflicting FROM import_training_samples(lines('{corrected three, newest}'));
SELECT review_status, review_priority, review_reason FROM conversation_logs WHERE user_message = 'corrected three';
SELECT * FROM queue_label_conflicts();
SELECT review_priority FROM conversation_logs WHERE user_message = 'corrected three';
SELECT intent, samples, waiting, conversations IS NOT NULL AS conversation, sample_ids IS NOT NULL AS standalone
FROM conflicts WHERE normalized_text = 'corrected three' ORDER BY intent;
SELECT fix_conversation(id, 'newest') FROM conversation_logs WHERE user_message = 'corrected three';
SELECT count(*) AS conflicts FROM conflicts WHERE normalized_text = 'corrected three';
SELECT * FROM queue_label_conflicts();
SELECT text, intent, review_status, priority FROM labels WHERE text = 'corrected three';
SELECT * FROM check_integrity() WHERE problem <> 'sample learned by an unknown version';
-- newest settles what waited.
SELECT conflicting FROM import_training_samples(lines('{corrected three, once more}'));
SELECT replaced FROM import_training_samples(lines('{corrected three, at last}'), on_conflict => 'newest');
SELECT intent, review_status, priority FROM labels WHERE text = 'corrected three';
SELECT review_status, review_priority FROM conversation_logs WHERE user_message = 'corrected three';

-- Whose labels a file has: each line may say it, the file says it for the others, and screens count by it.
SELECT inserted FROM import_training_samples(
    (SELECT string_agg(lines(ARRAY['generated ' || g, 'intent.g.g' || g % 2]), E'\n') FROM generate_series(1, 543) g)
    || E'\n' || lines('{checked one, intent.g.g1}', '{"label_source": "person"}')
    || E'\n' || lines('{labelled one, intent.g.g1}', '{"label_source": "LLM"}'), label_source => 'model');
SELECT label_source, count(*), min(quality_score), count(reviewed_by) AS reviewed FROM training_samples
WHERE module_type = 'g' GROUP BY 1 ORDER BY 1;
SELECT label_source FROM sample_imports ORDER BY id DESC LIMIT 1;
UPDATE training_samples SET split = 'train' WHERE module_type = 'g';
SELECT label_source, count(*), min(weight) AS weight FROM training_set() WHERE module_type = 'g' GROUP BY 1 ORDER BY 1;
SELECT import_training_samples('', label_source => 'robot');
SELECT import_training_samples('', on_conflict => 'oldest');
SELECT import_training_samples('{"text": "a", "intent": "b", "label_source": "gpt"}');

-- The report: of the caller's newest import, or of any; nothing of what the lines said.
SELECT inserted, skipped, import_id FROM import_training_samples(
    '{"text": "secret words", "intent": "b", "quality_score": 7}' || E'\n{broken', bad_lines => 'skip');
SELECT * FROM import_report();
SELECT * FROM import_report(999);
SELECT count(*) AS repeating FROM sample_import_lines WHERE reason ~ 'secret|broken';
SELECT imported_by = current_user AS mine, lines, inserted, skipped, format, bad_lines FROM sample_imports
ORDER BY id DESC LIMIT 1;
SELECT bool_and(lines = inserted + existing + conflicting + upgraded + replaced + kept + skipped) AS each_line_once
FROM sample_imports;
CREATE ROLE regress_other_importer;
SELECT grant_training_role('regress_other_importer', 'operator');
SET ROLE regress_other_importer;
SELECT * FROM import_report();
SELECT kept FROM import_training_samples(lines('{corrected three, other}'), on_conflict => 'keep');
SELECT line, outcome FROM import_report();
RESET ROLE;
SELECT line, outcome FROM import_report();
SELECT revoke_training_role('regress_other_importer', 'operator');
DROP OWNED BY regress_other_importer;
DROP ROLE regress_other_importer;
DROP VIEW conflicts, labels, events;
DROP TABLE sections;
DROP FUNCTION lines, capture;
