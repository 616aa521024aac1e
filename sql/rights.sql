-- Who may do what: each kind of role, each function, each table. Generated from the catalogs; what is expected is what
-- is meant. A new function or column has no rights here until somebody writes them into roles.sql and accepts the
-- difference.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET training_workflow.allow_drop = on;
DROP EXTENSION IF EXISTS training_workflow CASCADE;
RESET training_workflow.allow_drop;
RESET client_min_messages;
CREATE EXTENSION training_workflow;
SET client_min_messages = warning;
CREATE ROLE regress_tw_none;
CREATE ROLE regress_tw_capture;
CREATE ROLE regress_tw_reviewer;
CREATE ROLE regress_tw_analyst;
CREATE ROLE regress_tw_trainer;
CREATE ROLE regress_tw_fleet;
CREATE ROLE regress_tw_operator;
SELECT count(grant_training_role(('regress_tw_' || kind)::name, kind))
FROM unnest(ARRAY['capture', 'reviewer', 'analyst', 'trainer', 'fleet', 'operator']) kind;

CREATE TEMP VIEW member AS
    SELECT d.classid, d.objid FROM pg_depend d
    JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND e.oid = d.refobjid
    WHERE d.deptype = 'e' AND e.extname = 'training_workflow';
CREATE TEMP VIEW kind AS
    SELECT k.n, k.kind, ('regress_tw_' || k.kind)::regrole AS role
    FROM unnest(ARRAY['none', 'capture', 'reviewer', 'analyst', 'trainer', 'fleet', 'operator'])
        WITH ORDINALITY k (kind, n);
\pset format unaligned
\pset footer off
-- Functions that a role may call, and whether they run with the owner's rights. Then those for the owner alone.
SELECT p.oid::regprocedure AS function, CASE WHEN p.prosecdef THEN 'owner' ELSE 'caller' END AS rights_of,
       string_agg(k.kind, ' ' ORDER BY k.n) AS may_call
FROM member m JOIN pg_proc p ON m.classid = 'pg_proc'::regclass AND p.oid = m.objid, kind k
WHERE has_function_privilege(k.role, p.oid, 'EXECUTE')
GROUP BY p.oid, p.prosecdef ORDER BY p.oid::regprocedure::text COLLATE "C";
SELECT count(*) > 150 AS many_for_the_owner_alone,
       string_agg(p.oid::regprocedure::text, ' ' ORDER BY p.oid::regprocedure::text COLLATE "C")
           FILTER (WHERE p.proname NOT LIKE 'tw\_%') AS not_internal
FROM member m JOIN pg_proc p ON m.classid = 'pg_proc'::regclass AND p.oid = m.objid
WHERE NOT EXISTS (SELECT FROM kind k WHERE has_function_privilege(k.role, p.oid, 'EXECUTE'));
-- No function that runs with the owner's rights looks anything up where its caller says.
SELECT p.oid::regprocedure AS unpinned
FROM member m JOIN pg_proc p ON m.classid = 'pg_proc'::regclass AND p.oid = m.objid
WHERE p.prosecdef AND NOT coalesce('search_path=pg_catalog, pg_temp' = ANY (p.proconfig), false);
-- Tables, views and sequences.
SELECT c.oid::regclass AS relation, k.kind, string_agg(a.privilege, ' ' ORDER BY a.n) AS may
FROM member m JOIN pg_class c ON m.classid = 'pg_class'::regclass AND c.oid = m.objid
    AND c.relkind IN ('r', 'v', 'S'), kind k,
     unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES',
                  'TRIGGER']) WITH ORDINALITY a (privilege, n)
WHERE CASE WHEN c.relkind <> 'S' THEN has_table_privilege(k.role, c.oid, a.privilege)
           WHEN a.privilege IN ('SELECT', 'UPDATE') THEN has_sequence_privilege(k.role, c.oid, a.privilege)
           ELSE false END
GROUP BY c.oid, k.kind, k.n ORDER BY c.oid::regclass::text COLLATE "C", k.n;
-- Columns, where the right is not one on the whole table.
SELECT c.oid::regclass AS relation, k.kind, a.privilege, string_agg(t.attname, ' ' ORDER BY t.attnum) AS columns
FROM member m JOIN pg_class c ON m.classid = 'pg_class'::regclass AND c.oid = m.objid AND c.relkind IN ('r', 'v')
JOIN pg_attribute t ON t.attrelid = c.oid AND t.attnum > 0 AND NOT t.attisdropped, kind k,
     unnest(ARRAY['SELECT', 'INSERT', 'UPDATE']) a (privilege)
WHERE has_column_privilege(k.role, c.oid, t.attnum, a.privilege) AND NOT has_table_privilege(k.role, c.oid, a.privilege)
GROUP BY c.oid, k.kind, k.n, a.privilege ORDER BY c.oid::regclass::text COLLATE "C", k.n, a.privilege;
\pset format aligned
SELECT count(revoke_training_role(('regress_tw_' || kind)::name, kind))
FROM unnest(ARRAY['capture', 'reviewer', 'analyst', 'trainer', 'fleet', 'operator']) kind;
SELECT count(*) AS left_over FROM pg_shdepend d
JOIN pg_roles r ON d.refclassid = 'pg_authid'::regclass AND r.oid = d.refobjid
WHERE r.rolname LIKE 'regress\_tw\_%' AND d.classid = 'pg_proc'::regclass
  AND d.dbid = (SELECT oid FROM pg_database WHERE datname = current_database());
DROP VIEW kind, member;
DROP OWNED BY regress_tw_none, regress_tw_capture, regress_tw_reviewer, regress_tw_analyst, regress_tw_trainer,
              regress_tw_fleet, regress_tw_operator;
DROP ROLE regress_tw_none, regress_tw_capture, regress_tw_reviewer, regress_tw_analyst, regress_tw_trainer,
regress_tw_fleet, regress_tw_operator;
