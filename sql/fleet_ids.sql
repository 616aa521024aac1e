-- fleet_ids.sql: the part of the range that a database of a fleet gives its ids from.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET training_workflow.allow_drop = on;
DROP EXTENSION IF EXISTS training_workflow CASCADE;
RESET training_workflow.allow_drop;
RESET client_min_messages;
CREATE EXTENSION training_workflow;
\pset format unaligned

-- A number of its own, and none that is no number of a fleet.
SELECT set_fleet_node(1024);
SELECT set_fleet_node(5);
SELECT seqmin, seqmax, seqmin = 5 * 2::numeric ^ 43 + 1 AS begins_its_part, (seqmax + 1) >> 43 AS ends_in
FROM pg_sequence WHERE seqrelid = 'conversation_logs_id_seq'::regclass;
INSERT INTO conversation_logs (session_id, user_message) VALUES ('s1', 'mera parcel kahan hai'), ('s2', 'order cancel');
SELECT id, id - (5::bigint << 43) AS number FROM conversation_logs ORDER BY id;

-- Bounded anew, as after a restore: the next id is the next one, and nothing is behind.
SELECT set_fleet_node(5);
SELECT problem, relation FROM check_integrity() WHERE problem LIKE '%sequence%' OR problem LIKE 'ids %';
SELECT set_fleet_node(5);
INSERT INTO conversation_logs (session_id, user_message) VALUES ('s3', 'kya hai')
RETURNING id - (5::bigint << 43) AS number;

-- Where retention has deleted all of them, ids are not given again, however often the bounds are set.
DELETE FROM conversation_logs;
SELECT set_fleet_node(5);
SELECT set_fleet_node(5);
INSERT INTO conversation_logs (session_id, user_message) VALUES ('s4', 'haan')
RETURNING id - (5::bigint << 43) AS number;

-- A sequence that a restore has set back is still found.
SELECT setval('conversation_logs_id_seq', (5::bigint << 43) + 1, false);
SELECT problem, relation FROM check_integrity() WHERE problem LIKE '%sequence%';

-- Another number would give ids that are another database's.
SELECT set_fleet_node(6);

SET training_workflow.allow_drop = on;
DROP EXTENSION training_workflow;
