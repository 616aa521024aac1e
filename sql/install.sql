-- Installing: what is refused and why, the schema it goes to, and that everything is documented and marked for dumps.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET training_workflow.allow_drop = on;
DROP EXTENSION IF EXISTS training_workflow CASCADE;
RESET training_workflow.allow_drop;
RESET client_min_messages;

-- Tables of the same name that an application made earlier.
CREATE TABLE conversation_logs (id integer);
CREATE VIEW training_queue AS SELECT 1 AS one;
CREATE EXTENSION training_workflow;
DROP VIEW training_queue;
DROP TABLE conversation_logs;

-- Another encoding.
CREATE DATABASE regress_latin1 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0;
\set regression_db :DBNAME
\c regress_latin1
CREATE EXTENSION training_workflow;
\c :regression_db
DROP DATABASE regress_latin1;

-- A schema of its own, also one whose name needs quotes.
CREATE SCHEMA "Training Data";
CREATE EXTENSION training_workflow SCHEMA "Training Data";
INSERT INTO "Training Data".conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider)
    VALUES ('s', 'track my parcel', 'intent.parcel.shipment.track', 0.99, 'indicbert');
SELECT text, intent, module_type FROM "Training Data".training_samples;
SELECT * FROM "Training Data".check_integrity();
-- The schema gets another name: kept plans and triggers follow.
ALTER SCHEMA "Training Data" RENAME TO training_renamed;
INSERT INTO training_renamed.conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider)
    VALUES ('s', 'cancel my ride', 'intent.ride.booking.cancel', 0.99, 'indicbert');
SELECT text, intent, module_type FROM training_renamed.training_samples ORDER BY id;
SET training_workflow.allow_drop = on;
DROP EXTENSION training_workflow;
DROP SCHEMA training_renamed;
RESET training_workflow.allow_drop;

CREATE EXTENSION training_workflow;
SELECT extname, extnamespace::regnamespace, extrelocatable FROM pg_extension WHERE extname = 'training_workflow';

-- The mission's four statements, on the empty database.
SELECT * FROM training_queue LIMIT 10;
SELECT * FROM daily_training_stats WHERE date >= CURRENT_DATE - 7;
SELECT version, status, test_accuracy, traffic_percentage FROM model_versions;
SELECT COUNT(*) FROM training_queue WHERE review_status = 'needs-review';

-- Nothing without a comment.
CREATE TEMP VIEW members AS
    SELECT d.classid, d.objid FROM pg_depend d
    WHERE d.deptype = 'e' AND d.refclassid = 'pg_extension'::regclass
      AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'training_workflow');
SELECT pg_describe_object(classid, objid, 0) AS without_comment
FROM members
WHERE classid <> 'pg_type'::regclass AND obj_description(objid, classid::regclass::name) IS NULL;
SELECT a.attrelid::regclass AS relation, a.attname AS without_comment
FROM members m JOIN pg_class c ON m.classid = 'pg_class'::regclass AND c.oid = m.objid AND c.relkind IN ('r', 'v')
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE col_description(a.attrelid, a.attnum) IS NULL;

-- What clients cannot read: many fail on a result of type void or interval, after the statement has done its work.
SELECT p.oid::regprocedure AS returns_nothing
FROM members m JOIN pg_proc p ON m.classid = 'pg_proc'::regclass AND p.oid = m.objid
WHERE p.prokind = 'f' AND p.proname !~ '^tw_' AND p.prorettype = 'void'::regtype;
SELECT a.attrelid::regclass AS relation, a.attname AS interval
FROM members m JOIN pg_class c ON m.classid = 'pg_class'::regclass AND c.oid = m.objid AND c.relkind IN ('r', 'v')
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
JOIN pg_type t ON t.oid = a.atttypid
WHERE 'interval'::regtype IN (a.atttypid, t.typelem);
SELECT p.oid::regprocedure AS function, r.name AS interval
FROM members m JOIN pg_proc p ON m.classid = 'pg_proc'::regclass AND p.oid = m.objid
CROSS JOIN LATERAL (SELECT p.prorettype, 'result'
                    UNION ALL
                    SELECT a.type, a.name
                    FROM unnest(p.proallargtypes, p.proargmodes, p.proargnames) AS a (type, mode, name)
                    WHERE a.mode IN ('o', 'b', 't')) AS r (type, name)
JOIN pg_type t ON t.oid = r.type
WHERE p.proname !~ '^tw_' AND 'interval'::regtype IN (r.type, t.typelem);

-- Every table and sequence of ours is dumped with its rows, but for figures that are made again from the others.
SELECT c.oid::regclass AS not_dumped
FROM members m JOIN pg_class c ON m.classid = 'pg_class'::regclass AND c.oid = m.objid AND c.relkind IN ('r', 'S')
WHERE NOT EXISTS (SELECT FROM pg_extension e WHERE e.extname = 'training_workflow' AND c.oid = ANY (e.extconfig));
SELECT count(*) AS foreign_keys FROM members m JOIN pg_constraint k ON k.contype = 'f' AND k.conrelid = m.objid;

-- Nothing for PUBLIC but the functions of CHECKs and of a trigger's WHEN, which whoever may insert has to call; and
-- every function that SQL can call has a pinned search_path or needs none (C that only qualifies).
SELECT pg_describe_object(m.classid, m.objid, 0) AS open_to_public
FROM members m
LEFT JOIN pg_class c ON m.classid = 'pg_class'::regclass AND c.oid = m.objid
LEFT JOIN pg_proc p ON m.classid = 'pg_proc'::regclass AND p.oid = m.objid
WHERE (p.oid IS NOT NULL AND EXISTS (SELECT FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) x
                                     WHERE x.grantee = 0))
   OR (c.oid IS NOT NULL AND EXISTS (SELECT FROM aclexplode(c.relacl) x WHERE x.grantee = 0));
SELECT p.oid::regprocedure::text COLLATE "C" AS without_search_path
FROM members m JOIN pg_proc p ON m.classid = 'pg_proc'::regclass AND p.oid = m.objid
WHERE p.proconfig IS NULL AND p.prorettype NOT IN ('trigger'::regtype, 'event_trigger'::regtype)
ORDER BY 1;

SELECT * FROM check_integrity();
