-- What is too long to be learned from: captured whole, never a sample, cut wherever it is shown, left out by exports.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET training_workflow.allow_drop = on;
DROP EXTENSION IF EXISTS training_workflow CASCADE;
RESET training_workflow.allow_drop;
RESET client_min_messages;
CREATE EXTENSION training_workflow;
SET client_min_messages = warning;
\set ON_ERROR_STOP 0
CREATE FUNCTION pg_temp.capture(session text, message text, entities jsonb DEFAULT NULL,
                                intent text DEFAULT 'intent.food.item.search', feedback text DEFAULT NULL)
    RETURNS bigint LANGUAGE sql AS $$
    INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider, nlu_entities,
                                   user_feedback)
    VALUES (session, message, intent, 0.97, 'indicbert', entities, feedback) RETURNING id
$$;

-- The setting.
SELECT set_training_setting('max_message_bytes', '999');
SELECT set_training_setting('max_message_bytes', '16777217');
SELECT set_training_setting('max_message_bytes', '1 MB');
SELECT set_training_setting('max_message_bytes', '02000'), training_setting('max_message_bytes');
-- Whatever an owner stores past that function counts as the default, and capture goes on.
UPDATE training_settings SET value = 'many' WHERE name = 'max_message_bytes';
SELECT pg_temp.capture('odd setting', repeat('a', 1048576)), pg_temp.capture('odd setting', repeat('a', 1048577));
SELECT octet_length(user_message), review_status, review_reason IS NOT DISTINCT FROM 'too long' AS too_long
FROM conversation_logs WHERE session_id = 'odd setting' ORDER BY id;
TRUNCATE conversation_logs, training_samples;
-- Entities of few bytes can be long as JSON: here one number, as long as numbers get.
SELECT octet_length(e::text) AS characters, pg_column_size(e) < 30 AS few_bytes, most,
       tw_is_too_long(most, 'pizza', 'intent.food.item.search', 'food', 'en', 'orders', e) AS too_long
FROM (VALUES (('[9' || repeat('0', 131071) || '.' || repeat('0', 16383) || ']')::jsonb)) AS v (e),
    (VALUES (10000), (147000), (147500)) AS m (most) ORDER BY most;
SELECT set_training_setting('max_message_bytes', '2000');

-- The filter: the limit itself is not too long. All that a sample would
-- have counts, and of entities also how they are spelled.
INSERT INTO review_policies (audit_rate_approved, audit_rate_review) VALUES (1, 1);
SELECT pg_temp.capture('limit', repeat(U&'\0915', 666) || 'ab') AS limit_id,
       pg_temp.capture('message', repeat(U&'\0915', 667)) AS message_id,
       pg_temp.capture('escapes', repeat(E'\x01', 20000)) AS escapes_id,
       pg_temp.capture('entities', 'pizza', jsonb_build_object('item', repeat(E'\x01', 400))) AS entities_id,
       pg_temp.capture('number', 'pizza', '{"price": 1e100000}') AS number_id,
       pg_temp.capture('intent', 'pizza', NULL, repeat('i', 2001)) AS intent_id,
       pg_temp.capture('feedback', repeat('a', 3000), NULL, 'intent.food.item.search', 'negative') AS feedback_id,
       pg_temp.capture('blank', repeat(' ', 3000)) AS blank_id \gset
SELECT session_id, octet_length(user_message) AS bytes, review_status, review_priority, review_reason, filter_outcome,
       is_training_candidate AS candidate, is_audit, selection_probability
FROM conversation_logs ORDER BY id;
SELECT conversation_log_id = :limit_id AS only_the_limit FROM training_samples;
SELECT * FROM promote_missed_conversations('0');
-- Nor when the limit was lowered before a sample came to be.
DELETE FROM training_samples;
SELECT set_training_setting('max_message_bytes', '1500');
SELECT * FROM promote_missed_conversations('0');
SELECT problem FROM check_integrity();
SELECT set_training_setting('max_message_bytes', '2000');
SELECT problem FROM check_integrity();
SELECT * FROM promote_missed_conversations('0');
-- Feedback later queues it first; it stays what it is.
SELECT record_feedback(:message_id, 'message', 'negative');
SELECT review_priority, review_reason FROM conversation_logs WHERE id = :message_id;
SELECT count(*) AS samples FROM training_samples;

-- What people are shown: cut at the end of a character, with a mark.
SELECT session_id, octet_length(text) AS bytes,
       left(text, 2) AS begins, right(text, 40) AS ends, length(intent) AS intent FROM training_queue
WHERE stage = 'waiting for review' ORDER BY conversation_log_id;
SELECT session_id, octet_length(text) AS bytes, right(text, 40) AS ends, length(intent) AS intent, entities
FROM claim_reviews(20) ORDER BY conversation_log_id;
SELECT release_reviews();
SELECT e -> 'conversation' ->> 'session_id' AS session, octet_length(e -> 'conversation' ->> 'user_message') AS bytes,
       right(e -> 'conversation' ->> 'user_message', 40) AS ends,
       length(e -> 'conversation' ->> 'nlu_intent') AS intent, e -> 'conversation' -> 'nlu_entities' AS entities,
       e -> 'filter' -> 'would_be_decided_now' ->> 'review_reason' AS now
FROM unnest(ARRAY[:limit_id, :message_id, :escapes_id, :entities_id, :number_id,
                  :intent_id]) WITH ORDINALITY AS i (id, n), explain_conversation(i.id) e ORDER BY i.n;
-- Nothing of a phone number is shown because the rest of it was cut off.
BEGIN;
INSERT INTO conversation_logs (session_id, user_message, nlu_entities)
VALUES ('phone', repeat('a', 990) || ' 9876543210 ' || repeat('b', 2000), '{"phone": "9876543210"}');
INSERT INTO training_samples (conversation_log_id, text, intent, entities)
SELECT id, user_message, 'a', nlu_entities FROM conversation_logs WHERE session_id = 'phone';
SELECT right(e -> 'conversation' ->> 'user_message', 50) AS redacted, right(e -> 'sample' ->> 'text', 50) AS plain
FROM conversation_logs c, explain_conversation(c.id) e WHERE c.session_id = 'phone';
SELECT e -> 'conversation' -> 'nlu_entities' AS redacted, e -> 'sample' -> 'entities' AS plain
FROM conversation_logs c, explain_conversation(c.id) e WHERE c.session_id = 'phone';
ROLLBACK;

-- Verdicts: it can be rejected, and nothing else, alone or among others, with nothing lost.
SELECT approve_conversation(:message_id);
SELECT fix_conversation(:escapes_id, 'intent.food.order.track');
SELECT approve_conversations(ARRAY[:limit_id, :entities_id]);
SELECT fix_conversations(ARRAY[:limit_id, :number_id], 'intent.food.order.track', '{}');
SELECT approve_conversation(:intent_id);
SELECT fix_conversation(:limit_id, 'intent.food.order.track', jsonb_build_object('item', repeat('x', 3000)));
SELECT fix_conversation(:limit_id, repeat('i', 2001));
SELECT count(*) AS verdicts FROM review_events WHERE action <> 'feedback';
SELECT count(*) AS waiting FROM conversation_logs WHERE review_priority IS NOT NULL;
SELECT reject_conversation(:message_id, 'unclear'), reject_conversations(ARRAY[:escapes_id, :number_id], 'unclear');
SELECT session_id, review_status, review_priority FROM conversation_logs
WHERE id IN (:message_id, :escapes_id, :number_id) ORDER BY id;
SELECT count(*) AS samples FROM training_samples;
SELECT conversations, labels FROM live_accuracy();

-- Exports: what is stored already and too long is left out, and counted.
SELECT approve_conversation(:limit_id);
INSERT INTO training_samples (text, intent, entities, language, module_type, expected_service, review_status, split)
VALUES ('short', 'a', NULL, NULL, NULL, NULL, 'approved', 'train'),
       (repeat(E'\x01', 2001), 'a', NULL, NULL, NULL, NULL, 'approved', 'train'),
       ('entities', 'a', jsonb_build_array(repeat(E'\x01', 400)), NULL, NULL, NULL, 'approved', 'train'),
       ('number', 'a', '[1e100000]', NULL, NULL, NULL, 'approved', 'train'),
       ('intent', repeat('i', 2001), NULL, NULL, NULL, NULL, 'approved', 'train'),
       ('language', 'a', NULL, repeat('i', 2001), NULL, NULL, 'approved', 'train'),
       ('module', 'a', NULL, NULL, repeat('i', 2001), NULL, 'approved', 'train'),
       ('service', 'a', NULL, NULL, NULL, repeat('i', 2001), 'approved', 'train'),
       (repeat('x', 5000), 'a', NULL, NULL, NULL, NULL, 'pending', 'train'),
       ('last', 'a', NULL, NULL, NULL, NULL, 'approved', 'train');
SET client_min_messages = notice;
SELECT f.format, count(*) AS lines FROM unnest(ARRAY['jsonl', 'csv', 'fasttext', 'rasa', 'huggingface', 'openai',
                                                     'spacy']) WITH ORDINALITY AS f (format, n),
    export_training_samples(format => f.format, sources => '{manual}') GROUP BY f.n, f.format ORDER BY f.n;
SELECT l::jsonb ->> 'text' AS text FROM export_training_samples(sources => '{manual}', "limit" => 2) AS l;
SELECT * FROM export_training_samples(sources => '{manual}', review_status => 'pending');
SELECT set_training_setting('max_message_bytes', NULL);
SELECT count(*) FROM export_training_samples(sources => '{manual}');
SELECT set_training_setting('max_message_bytes', '2000');
SET client_min_messages = warning;
SELECT tw_begin_export(tw_export_filter('approved', NULL, NULL, '{manual}', NULL, NULL, 'jsonl', 'all'), 'jsonl',
                       'somewhere') AS export_id \gset
BEGIN;
SELECT tw_end_export(:export_id, t.row_count, t.byte_count, t.sha256, NULL, t.skipped_too_long)
FROM training_export_jobs j, tw_export_to_temporary(j.filter, j.format) t WHERE j.id = :export_id;
COMMIT;
SELECT status, row_count, skipped_too_long FROM training_export_jobs;
-- The queue and the conflicts show such samples cut.
SELECT count(*), max(octet_length(text)), max(octet_length(intent)), max(octet_length(language)),
       max(octet_length(module_type)) FROM training_queue WHERE stage = 'ready to train';
INSERT INTO training_samples (text, intent, review_status) VALUES ('short', repeat('k', 5000), 'approved');
SELECT length(sides -> 0 ->> 'intent') AS a, length(sides -> 1 ->> 'intent') AS b FROM label_conflicts;

-- No model learns from them, and none is asked about such messages where it
-- is compared with another one; Label Studio gets none.
SELECT count(*) AS texts, count(*) FILTER (WHERE octet_length(text) > 2000 OR octet_length(intent) > 2000) AS long_ones
FROM training_set('router');
BEGIN;
INSERT INTO paired_evaluations (model_type, challenger, live_version, first_id, scored_to, approved_rate)
VALUES ('router', 'outside', 'other', 1, 0, 1);
SELECT p = :limit_id AS only_the_limit FROM tw_unanswered_pool('outside', 100) p;
SELECT a.id = :limit_id AS only_the_limit FROM paired_evaluations p, tw_next_of_pool(p, 100) k,
    tw_pool_answers(p, ARRAY[k.after], ARRAY[k.last_id]) a;
INSERT INTO labelstudio_projects (server_name, project_id, title) VALUES ('no server', 1, 'all');
UPDATE conversation_logs SET review_priority = 3 WHERE id = :limit_id;
SELECT tw_labelstudio_claim(p, NULL, 100, true, gen_random_uuid()) AS audited,
       tw_labelstudio_claim(p, NULL, 100, false, gen_random_uuid()) AS others FROM labelstudio_projects p;
SELECT conversation_log_id = :limit_id AS only_the_limit FROM labelstudio_tasks;
ROLLBACK;
SELECT octet_length(tw_labelstudio_text(repeat('a', 3000))) AS cut,
       octet_length(tw_labelstudio_context(
           tw_labelstudio_beside(c.user_correction, c.review_reason),
           tw_labelstudio_beside(c.response_text, c.review_reason))) < 2100 AS context_is_short
FROM (SELECT (jsonb_populate_record(c, jsonb_build_object('user_correction', repeat('b', 100000), 'response_text',
                                                          repeat('b', 100000)))).* FROM conversation_logs c LIMIT 1) c;

-- Imports: an error that names the line.
SELECT import_training_samples('{"text": "fine", "intent": "a"}' || E'\n'
                               || format('{"text": "%s", "intent": "a"}', repeat('x', 2001)), 'manual');
SELECT import_training_samples(format('{"text": "x", "intent": "%s"}', repeat('x', 2001)), 'manual');
SELECT import_training_samples('{"text": "x", "intent": "a", "entities": [' || repeat('1e300, ', 10)
                               || '1]}', 'manual');
SELECT import_training_samples(format('{"text": "x", "intent": "a", "expected_service": "%s"}', repeat('x', 2001)),
                               'manual');
SELECT * FROM import_training_samples(format('{"text": "%s", "intent": "a"}', repeat('x', 2000)), 'manual');
-- What another table's conversations say of themselves is kept; what waits for review is told to be too long.
CREATE TABLE old_logs (id bigint, session_id text, user_message text, nlu_intent text, nlu_confidence double precision,
                       nlu_provider text);
INSERT INTO old_logs VALUES (1, 'old short', 'pizza', 'a', 0.5, 'indicbert'),
                            (2, 'old long', repeat('pizza ', 1000), 'a', 0.5, 'indicbert');
SELECT * FROM import_conversations('old_logs', review_status => 'needs-review');
SELECT session_id, review_priority, review_reason, octet_length(user_message) AS bytes FROM conversation_logs
WHERE session_id LIKE 'old%' ORDER BY id;
DROP TABLE old_logs;

-- The whole of it: 200 MB of what takes six bytes each in JSON, in the message and beside it.
SELECT set_training_setting('max_message_bytes', NULL);
DELETE FROM training_samples;
DELETE FROM conversation_logs;
SELECT tw_begin_export(tw_export_filter('approved', NULL, NULL, NULL, NULL, NULL, 'jsonl', 'all'), 'jsonl',
                       'elsewhere') AS export_id \gset
CREATE TEMP TABLE huge AS SELECT repeat(E'\x01', 200000000) AS message;
INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider)
SELECT 'huge', h.message, 'intent.food.item.search', 0.97, 'indicbert' FROM huge h
RETURNING octet_length(user_message) AS bytes, review_status, review_priority, review_reason;
UPDATE conversation_logs SET nlu_entities = jsonb_build_array(user_message) WHERE session_id = 'huge';
INSERT INTO training_samples (text, text_hash, intent, entities, review_status)
SELECT 'entities', 1, 'a', c.nlu_entities, 'approved' FROM conversation_logs c;
INSERT INTO training_samples (text, text_hash, intent, review_status)
SELECT c.user_message, 2, 'a', 'approved' FROM conversation_logs c;
SELECT octet_length(e::text) < 10000 AS short FROM conversation_logs c, explain_conversation(c.id) e;
SELECT octet_length(q.text), q.stage FROM training_queue q ORDER BY 2, 1;
SELECT octet_length(text), entities FROM claim_reviews();
SELECT count(*) FROM export_training_samples(include_split => 'all');
SELECT t.row_count, t.skipped_too_long FROM training_export_jobs j, tw_export_to_temporary(j.filter, j.format) t
WHERE j.id = :export_id;
