-- export_user(): all that is stored of a person as one jsonb, and that no table is forgotten there.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET training_workflow.allow_drop = on;
DROP EXTENSION IF EXISTS training_workflow CASCADE;
RESET training_workflow.allow_drop;
RESET client_min_messages;
CREATE EXTENSION training_workflow;

-- Every table of the extension is shown, or left out for a reason. Whoever adds a table adds it to tw_person_tables().
CREATE TEMP VIEW own_tables AS
    SELECT c.oid, c.relname::text AS relation
    FROM pg_depend d
    JOIN pg_extension e ON e.oid = d.refobjid AND e.extname = 'training_workflow'
    JOIN pg_class c ON c.oid = d.objid AND c.relkind IN ('r', 'p')
    WHERE d.refclassid = 'pg_extension'::regclass AND d.classid = 'pg_class'::regclass AND d.deptype = 'e';
SELECT relation AS neither_shown_nor_left_out FROM own_tables
WHERE relation NOT IN (SELECT p.relation FROM tw_person_tables() p
                       WHERE p.found_by IS NOT NULL OR p.reason IS NOT NULL);
SELECT p.relation AS no_table FROM tw_person_tables() p WHERE p.relation NOT IN (SELECT o.relation FROM own_tables o);
SELECT relation AS listed_twice FROM tw_person_tables() GROUP BY 1 HAVING count(*) > 1;
-- What names a conversation or a sample is shown, whatever the reason.
SELECT o.relation, a.attname AS names_a_row_of_a_person
FROM own_tables o
JOIN pg_attribute a ON a.attrelid = o.oid AND a.attnum > 0 AND NOT a.attisdropped
JOIN tw_person_tables() p USING (relation)
WHERE a.attname IN ('conversation_log_id', 'sample_id') AND p.found_by IS NULL;
-- A column that is left out is one of the table, and has a reason; so has a table of which only a part is shown.
SELECT p.relation, c AS no_column
FROM tw_person_tables() p, unnest(p.left_out) c
WHERE NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = p.relation::regclass AND a.attname = c);
SELECT p.relation AS without_a_reason FROM tw_person_tables() p
WHERE p.reason IS NULL AND (p.left_out IS NOT NULL OR p.shown IS NOT NULL);

-- A person with rows everywhere is in 036_planted_tokens. Here: the shape.
INSERT INTO review_policies (id, audit_rate_approved, audit_rate_review) VALUES (0, 0, 0);
INSERT INTO conversation_logs (session_id, user_id, phone_number, user_message, nlu_intent, nlu_confidence,
                               nlu_provider, created_at)
VALUES ('s1', 'u7', '+91 98765 43210', 'call me: 98765 43210', 'intent.food.item.search', 0.95, 'indicbert',
        '2026-11-29 00:30:00+05:30'),
       ('s1', NULL, NULL, 'please', 'intent.food.item.search', 0.4, 'indicbert', 'infinity'),
       ('s2', 'u8', NULL, 'of somebody else', 'intent.food.item.search', 0.95, 'indicbert', '2026-11-29');
SELECT approve_conversation(2, 'says please', 'anna');
SET timezone = 'Asia/Kolkata';
CREATE TABLE given AS SELECT export_user(phone_number => '91-98765-43210') AS e;
RESET timezone;
SELECT e ->> 'format' AS format, e ->> 'format_version' AS version, e -> 'keys' AS keys,
       (e ->> 'exported_at')::timestamptz <= clock_timestamp() AS has_time FROM given;
SELECT c.key AS relation, c.value AS rows FROM given, jsonb_each(e -> 'counts') c WHERE c.value <> '0' ORDER BY 1;
-- Counts are those of the data, and every table is named, with rows or without.
SELECT c.key FROM given, jsonb_each(e -> 'counts') c WHERE c.value::int <> jsonb_array_length(e -> 'data' -> c.key);
SELECT count(*) AS not_named FROM own_tables, given
WHERE NOT (e -> 'data' ? relation) AND NOT (e -> 'left_out' ? relation);
-- Every column of the conversations, not masked, with times in UTC.
SELECT a.attname AS missing FROM pg_attribute a, given
WHERE a.attrelid = 'conversation_logs'::regclass AND a.attnum > 0 AND NOT a.attisdropped
  AND NOT (e #> '{data,conversation_logs,0}' ? a.attname);
SELECT r ->> 'user_message' AS user_message, r ->> 'phone_number' AS phone_number, r ->> 'created_at' AS created_at
FROM given, jsonb_array_elements(e #> '{data,conversation_logs}') r;
SELECT r ->> 'note' AS note, r ? 'reviewer' AS reviewer FROM given, jsonb_array_elements(e #> '{data,review_events}') r;
SELECT position('anna' IN (e -> 'data')::text) AS anna,
       position('somebody else' IN e::text) AS somebody_else FROM given;
-- The same row by row.
SELECT relation, number, data ->> 'id' AS id FROM export_user_rows(phone_number => '91-98765-43210') ORDER BY 1, 2;

-- Somebody of whom nothing is stored.
SELECT sum(c.value::int) FROM jsonb_each(export_user(user_id => 'nobody') -> 'counts') c;

-- Keys are checked as forget_user() checks them.
\set VERBOSITY terse
\pset format unaligned
SELECT export_user();
SELECT export_user(user_id => ' ');
SELECT export_user_rows(session_id => '{NULL}');
\pset format aligned
\set VERBOSITY default

-- More than a jsonb takes: an error that says what to do, and then row by row.
INSERT INTO conversation_logs (session_id, user_id, user_message, metadata)
    SELECT 's3', 'u9', 'x', jsonb_build_object('a', repeat('a', 9000000)) FROM generate_series(1, 12);
SELECT export_user(user_id => 'u9');
SELECT relation, count(*), sum(length(data::text)) > 100000000 AS is_long FROM export_user_rows(user_id => 'u9')
GROUP BY 1;

-- For operators only.
CREATE ROLE regress_export_analyst;
SELECT grant_training_role('regress_export_analyst', 'analyst');
SET ROLE regress_export_analyst;
SELECT export_user(user_id => 'u7');
RESET ROLE;
SELECT grant_training_role('regress_export_analyst', 'operator');
SET ROLE regress_export_analyst;
SELECT export_user(user_id => 'u7') #>> '{counts,conversation_logs}' AS conversations;
SELECT count(*) > 0 AS rows FROM export_user_rows(user_id => 'u7');
RESET ROLE;
SET training_workflow.allow_drop = on;
DROP EXTENSION training_workflow CASCADE;
DROP TABLE given;
DROP OWNED BY regress_export_analyst;
DROP ROLE regress_export_analyst;
