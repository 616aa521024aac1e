-- What reference.pl writes the reference from: one JSON object a line, from the catalog of a database with the
-- extension. Needs a superuser; the roles that it asks about are rolled back.
\set QUIET on
\set ON_ERROR_STOP on
\pset format unaligned
\pset tuples_only on
SET client_min_messages = warning;
SELECT quote_ident(n.nspname) AS schema FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
WHERE e.extname = 'training_workflow' \gset
-- Types of ours are spelled without their schema.
SET search_path = :schema, pg_catalog;

BEGIN;
CREATE TEMP TABLE kinds (position int, kind text, role name) ON COMMIT DROP;
INSERT INTO kinds SELECT n, k, 'tw_reference_' || k
FROM unnest(ARRAY['capture', 'reviewer', 'analyst', 'trainer', 'operator']) WITH ORDINALITY AS x (k, n);
SELECT format('CREATE ROLE %I', role) FROM kinds \gexec
\o /dev/null
SELECT grant_training_role(role, kind) FROM kinds;
-- Loads the library, so that its parameters are known.
SELECT training_setting('redact');
\o

CREATE TEMP VIEW members AS
SELECT d.classid, d.objid
FROM pg_depend d JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid
WHERE d.deptype = 'e' AND e.extname = 'training_workflow';

SELECT json_build_object(
    'what', 'function', 'name', p.proname, 'procedure', p.prokind = 'p',
    'comment', obj_description(p.oid, 'pg_proc'),
    'everybody', has_function_privilege('public', p.oid, 'EXECUTE'),
    'kinds', (
        SELECT json_agg(k.kind ORDER BY k.position) FROM kinds k
        WHERE has_function_privilege(k.role, p.oid, 'EXECUTE')),
    -- One string an argument, as psql's \df shows them; OUT arguments apart, as they are what the function returns.
    'arguments', (
        SELECT json_agg(concat_ws(' ', CASE m WHEN 'v' THEN 'VARIADIC' WHEN 'b' THEN 'INOUT' END,
                                  a.name, format_type(a.type, NULL),
                                  'DEFAULT ' || CASE WHEN a.input > p.pronargs - p.pronargdefaults
                                                     THEN pg_get_function_arg_default(p.oid, a.place::int) END)
                        ORDER BY a.place)
        FROM (
            SELECT x.place, x.type, coalesce(p.proargmodes[x.place], 'i') AS m, p.proargnames[x.place] AS name,
                   count(*) FILTER (WHERE coalesce(p.proargmodes[x.place], 'i') IN ('i', 'v', 'b'))
                       OVER (ORDER BY x.place) AS input
            FROM unnest(coalesce(p.proallargtypes, p.proargtypes::oid[])) WITH ORDINALITY AS x (type, place)) a
        WHERE a.m IN ('i', 'v', 'b')),
    'columns', (
        SELECT json_agg(concat_ws(' ', p.proargnames[x.place], format_type(x.type, NULL)) ORDER BY x.place)
        FROM unnest(p.proallargtypes) WITH ORDINALITY AS x (type, place)
        WHERE p.proargmodes[x.place] IN ('o', 't', 'b')),
    'set', p.proretset,
    'returns', format_type(p.prorettype, NULL))
FROM members m JOIN pg_proc p ON m.classid = 'pg_proc'::regclass AND p.oid = m.objid
WHERE p.proname !~ '^tw_'
ORDER BY p.proname COLLATE "C", pg_get_function_identity_arguments(p.oid) COLLATE "C";

SELECT json_build_object(
    'what', CASE c.relkind WHEN 'v' THEN 'view' ELSE 'table' END, 'name', c.relname,
    'comment', obj_description(c.oid, 'pg_class'),
    'kinds', (
        SELECT json_agg(k.kind || ' (' || k.may || ')' ORDER BY k.position)
        FROM (
            SELECT k.position, k.kind,
                   string_agg(lower(v.p) || CASE WHEN has_table_privilege(k.role, c.oid, v.p) THEN ''
                                                 ELSE ' of some columns' END, ', ' ORDER BY v.n) AS may
            FROM kinds k, unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) WITH ORDINALITY AS v (p, n)
            WHERE has_table_privilege(k.role, c.oid, v.p)
               -- Columns have no such privilege, and whether AND stops early is not promised.
               OR CASE WHEN v.p <> 'DELETE' THEN has_any_column_privilege(k.role, c.oid, v.p) END
            GROUP BY k.position, k.kind) k),
    'columns', (
        SELECT json_agg(json_build_object('name', a.attname, 'type', format_type(a.atttypid, a.atttypmod),
                                          'comment', col_description(c.oid, a.attnum)) ORDER BY a.attnum)
        FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped))
FROM members m JOIN pg_class c ON m.classid = 'pg_class'::regclass AND c.oid = m.objid
WHERE c.relkind IN ('r', 'p', 'v') AND c.relname !~ '^tw_'
ORDER BY c.relname COLLATE "C";

SELECT json_build_object('what', 'setting', 'name', s.name, 'type', s.value_type, 'default', s.default_value,
                         'comment', s.description)
FROM list_training_settings() s ORDER BY s.name COLLATE "C";

SELECT json_build_object('what', 'parameter', 'name', s.name, 'type', s.vartype, 'default', s.boot_val,
                         'context', s.context, 'comment', concat_ws(' ', s.short_desc, s.extra_desc))
FROM pg_settings s WHERE s.name ~ '^training_workflow\.' ORDER BY s.name COLLATE "C";
ROLLBACK;
