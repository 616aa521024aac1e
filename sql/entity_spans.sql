-- Entities as spans: the unit of their positions, and the shapes in which clients and tools write them.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET training_workflow.allow_drop = on;
DROP EXTENSION IF EXISTS training_workflow CASCADE;
RESET training_workflow.allow_drop;
RESET client_min_messages;
CREATE EXTENSION training_workflow;
-- No random draw in this test.
INSERT INTO review_policies (audit_rate_approved, audit_rate_review) VALUES (0, 0);
\set ON_ERROR_STOP off

-- A JavaScript client counts UTF-16 code units, and a Go client bytes. Captured, imported, reviewed and exported.
INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider, nlu_entities) VALUES
    ('s1', U&'\+01F4A9 that is a annotation', 'intent.a.b', 0.95, 'indicbert',
     '[{"start": 13, "end": 23, "value": "annotation", "label": "A"}]'),
    ('s2', U&'Hi \+01F4A9 an annotation', 'intent.a.b', 0.95, 'indicbert',
     '[{"start": 9, "end": 19, "value": "annotation", "label": "A"}]'),
    ('s3', U&'Hi \+01F4A9 bytes annotation', 'intent.a.b', 0.95, 'indicbert',
     '[{"start": 14, "end": 24, "value": "annotation", "label": "A", "score": 0.50}]'),
    ('s4', U&'Hi \+01F4A9 points annotation', 'intent.a.b', 0.95, 'indicbert',
     '[{"start": 12, "end": 22, "value": "annotation", "label": "A"}]');
SELECT import_training_samples(format('{"text": "hi 💩 imported annotation", "intent": "intent.a.b", '
    '"entities": [{"start": 15, "end": 25, "value": "annotation", "label": "A"}]}')) AS imported;
SELECT c.session_id, c.nlu_entities, s.entities FROM training_samples s
LEFT JOIN conversation_logs c ON c.id = s.conversation_log_id ORDER BY s.id;
SELECT export_training_samples(format => 'rasa');
-- A person's entities.
SELECT fix_conversation(id, 'intent.a.c', '[{"startPos": 9, "endPos": 19, "text": "annotation", "tag": "B"}]')
FROM conversation_logs WHERE session_id = 's2';
SELECT s.entities, e.entities AS event FROM training_samples s
JOIN review_events e USING (conversation_log_id) WHERE s.intent = 'intent.a.c';

-- Code points win wherever they agree. Entities without words follow the others where these leave no choice.
SELECT n, tw_fitting_entities(entities, U&'\+01F4A9 aa aa' || CASE WHEN n = 6 THEN ' 98765 43210' ELSE '' END)
FROM (VALUES
    (1, '[{"start": 2, "end": 4, "value": "aa"}]'::jsonb),
    (2, '[{"start": 3, "end": 5, "value": "aa"}]'),
    (3, '[{"start": 3, "end": 5, "value": "aa"}, {"start": 6, "end": 8}]'),
    (4, '[{"start": 2, "end": 4, "value": "aa"}, {"start": 6, "end": 8}]'),
    (5, '[{"start": 3, "end": 5, "value": "aa"}, {"start": 5, "end": 7, "value": "aa"}, {"start": 6, "end": 8}]'),
    (6, '[{"start": 9, "end": 20, "value": "98765 43210"}]'),
    (7, '[{"start": 3, "end": 5, "value": "AA"}]'),
    (8, '[{"start": 3, "end": 5, "value": "another name"}]'),
    (9, '[{"offset": 3, "length": 2, "text": "aa"}]'),
    (10, '{"entities": [{"location": [3.0, "5"], "text": "aa"}]}'),
    (11, '[{"value": {"start": 3, "end": 5, "text": "aa", "labels": ["A"]}}]'),
    (12, '[{"range": {"start": 5, "end": 7}, "rawValue": "aa"}]'),
    (13, '[[3, 5, "A"]]'), (14, '{"dish": "pizza"}'), (15, '[]'), (16, '"aa"')) AS v (n, entities);
-- What is masked in the text, and not in the value that stands alone.
SELECT import_training_samples('{"text": "💩 call 98765 43210 or pizza", "intent": "intent.a.d", "entities": '
    '[{"start": 20, "end": 22, "value": "or", "label": "B"}, {"start": 8, "end": 13, "text": "98765", "label": "N"}]}');
SELECT text, entities FROM training_samples WHERE intent = 'intent.a.d';
SELECT export_training_samples(format => 'rasa') OFFSET 9;

-- The shapes of clients and tools.
SELECT n, tw_entity_spans(entities, 20) FROM (VALUES
    (1, '[{"start": 2.0, "end": 7.0, "label": "F"}]'::jsonb), (2, '[{"start": "2", "end": "7", "entity": "F"}]'),
    (3, '[{"start": 2, "end": 7, "labels": ["F", "G"]}]'), (4, '[[2, 7, "F"], [8, 9, ["G", "H"]]]'),
    (5, '[["F", 2, 7]]'), (6, '{"entities": [[2, 7, "F"]]}'), (7, '{"spans": [{"start": 2, "end": 7, "label": "F"}]}'),
    (8, '{"label": [[2, 7, "F"]]}'), (9, '[{"startPos": 2, "endPos": 7, "tag": "F"}]'),
    (10, '[{"start_offset": 2, "end_offset": 7, "label": "F"}]'), (11, '[{"from": 2, "to": 7, "type": "F"}]'),
    (12, '[{"startIndex": 2, "length": 5, "type": "F"}]'), (13, '[{"offset": 2, "length": 5, "category": "F"}]'),
    (14, '[{"BeginOffset": 2, "EndOffset": 7, "Type": "F"}]'), (15, '[{"location": [2, 7], "entity": "F"}]'),
    (16, '[{"value": {"start": 2, "end": 7, "text": "x", "labels": ["F"]}, "type": "labels"}]'),
    (17, '[{"range": {"start": 2, "end": 7}, "entity": "F"}]'), (18, '{"start": 2, "end": 7, "label": "F"}'),
    (19, '[{"start": 2, "end": 7, "entity_group": "F", "word": "pizza"}]'),
    (20, '[{"start": 2.5, "end": 7, "label": "F"}, {"start": -1, "end": 7, "label": "F"}, {"start": 1e30, "end": 7,
          "label": "F"}, {"start": "x", "end": 7, "label": "F"}, {"start": 7, "end": 2, "label": "F"}, {"start": 2,
          "end": 21, "label": "F"}, {"start": 2, "end": 7}, {"start": 2, "end": 7, "label": ""}, [2, 7], [], {}, 7,
          {"start": [2], "end": {"a": 7}, "label": "F"}, {"start": 2, "end": 7, "label": [[]]}]'),
    (21, '[{"startIndex": 2, "endIndex": 6, "type": "F"}]')) AS v (n, entities);

-- What fits in no unit: an error at the import, and a flag after capture, which refuses nothing.
SELECT import_training_samples(E'{"text": "fine", "intent": "intent.a.e"}\n{"text": "a veg pizza", "intent": '
    '"intent.a.e", "entities": [{"start": 3, "end": 12, "value": "veg pizza", "label": "dish"}]}');
SELECT import_training_samples('{"text": "a veg pizza", "intent": "intent.a.e", "entities": '
    '[{"start": 3, "end": 6, "value": "veg", "label": "diet"}]}');
SELECT import_training_samples('{"text": "a veg pizza", "intent": "intent.a.e", "entities": '
    '[{"start": 0, "end": 5, "text": "pizza", "label": "dish"}]}');
-- Another name for the words is none.
SELECT import_training_samples('{"text": "blr to pune by credit card", "intent": "intent.a.f", "entities": '
    '[{"start": 0, "end": 3, "value": "bangalore", "label": "city"}, {"start": 15, "end": 26, "value": "credit", '
    '"label": "account"}, {"start": 7, "end": 11, "value": {"id": 7}, "label": "city"}]}');
INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider, nlu_entities) VALUES
    ('s9', 'a veg pizza', 'intent.a.b', 0.95, 'indicbert', '[{"start": 3, "end": 6, "value": "veg", "label": "diet"}]');
SELECT explain_conversation(id) -> 'conversation' -> 'misplaced_entity' AS misplaced FROM conversation_logs ORDER BY id;
SELECT problem, found, example FROM check_integrity();
