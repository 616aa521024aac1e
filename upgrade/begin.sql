\echo Use "ALTER EXTENSION training_workflow UPDATE" to load this file. \quit

SET LOCAL search_path TO pg_catalog, pg_temp;
-- Bodies may name what a later statement creates.
SET LOCAL check_function_bodies = off;

DO $owner_check$
DECLARE
    owner CONSTANT name := (SELECT pg_get_userbyid(c.relowner) FROM pg_class c
                            WHERE c.oid = '@extschema@.conversation_logs'::regclass);
BEGIN
    -- What is new belongs to whoever runs this, and the parts of the extension work with their owner's rights.
    IF current_user <> owner THEN
        RAISE EXCEPTION USING
            ERRCODE = 'insufficient_privilege',
            MESSAGE = format('training_workflow belongs to role "%s"', owner),
            DETAIL = 'What an update adds has to belong to the same role.',
            HINT = format('Run SET ROLE %I; ALTER EXTENSION training_workflow UPDATE; RESET ROLE; that role has to be '
                          'a superuser meanwhile.', owner);
    END IF;
END
$owner_check$;

-- In the order in which everybody else takes them. A job that runs is waited for step by step.
LOCK TABLE @extschema@.conversation_logs, @extschema@.training_samples IN ACCESS EXCLUSIVE MODE;

-- Dropped at the end.
CREATE FUNCTION @extschema@.tw_execute_as_user(command text) RETURNS void
    LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'tw_execute_as_user';
REVOKE ALL ON FUNCTION @extschema@.tw_execute_as_user(text) FROM PUBLIC;

-- Who has which privileges before the update: the kinds of roles, the privileges of each kind, and
-- what else was granted; and what was added to the tables.
DO $save$
DECLARE
    kinds jsonb;
    old_privileges jsonb;
    grants jsonb;
    added jsonb;
BEGIN
    SELECT coalesce(jsonb_agg(jsonb_build_object('role', r.oid, 'kind', k)), '[]') INTO kinds
    FROM (SELECT DISTINCT x.grantee AS oid FROM pg_proc p, aclexplode(p.proacl) x
          WHERE p.pronamespace = '@extschema@'::regnamespace AND x.grantee <> p.proowner AND x.grantee <> 0) r,
         @extschema@.tw_role_kinds(r.oid) k;

    SELECT coalesce(jsonb_agg(DISTINCT to_jsonb(p) || jsonb_build_object('role', k ->> 'role')), '[]')
    INTO old_privileges
    FROM jsonb_array_elements(kinds) k, @extschema@.tw_role_privileges() p
    WHERE p.kind = k ->> 'kind' AND p.object_kind <> 'SCHEMA';

    WITH member AS MATERIALIZED (
        SELECT d.classid, d.objid FROM pg_extension e
        JOIN pg_depend d ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid AND d.deptype = 'e'
        WHERE e.extname = 'training_workflow'
    ), object AS MATERIALIZED (
        SELECT CASE c.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END AS object_kind, c.oid AS object_id,
               c.oid::regclass::text AS object_name, NULL::text AS column_name, c.relacl AS acl, c.relowner AS owner,
               (SELECT i.initprivs FROM pg_init_privs i
                WHERE i.classoid = 'pg_class'::regclass AND i.objoid = c.oid AND i.objsubid = 0) AS own
        FROM member m JOIN pg_class c ON m.classid = 'pg_class'::regclass AND c.oid = m.objid
        UNION ALL
        SELECT 'TABLE', c.oid, c.oid::regclass::text, a.attname, a.attacl, c.relowner, NULL
        FROM member m JOIN pg_class c ON m.classid = 'pg_class'::regclass AND c.oid = m.objid
        JOIN pg_attribute a ON a.attrelid = c.oid AND NOT a.attisdropped AND a.attacl IS NOT NULL
        UNION ALL
        SELECT 'ROUTINE', p.oid, p.oid::regprocedure::text, NULL, p.proacl, p.proowner,
               (SELECT i.initprivs FROM pg_init_privs i WHERE i.classoid = 'pg_proc'::regclass AND i.objoid = p.oid)
        FROM member m JOIN pg_proc p ON m.classid = 'pg_proc'::regclass AND p.oid = m.objid
    ), granted AS MATERIALIZED (
        SELECT o.object_kind, o.object_id, o.object_name, o.column_name, x.grantee AS role,
               x.privilege_type AS privilege, x.is_grantable
        FROM object o, aclexplode(o.acl) x
        WHERE x.grantee <> o.owner
          AND NOT EXISTS (SELECT FROM aclexplode(o.own) y
                          WHERE y.grantee = x.grantee AND y.privilege_type = x.privilege_type)
    ), of_kinds AS MATERIALIZED (
        SELECT * FROM jsonb_to_recordset(old_privileges)
            AS p (role oid, object_id oid, column_name text, privilege text)
    )
    SELECT coalesce(jsonb_agg(to_jsonb(g)), '[]') INTO grants
    FROM granted g
    LEFT JOIN of_kinds p ON p.role = g.role AND p.object_id = g.object_id AND p.privilege = g.privilege
        AND coalesce(p.column_name, '') = coalesce(g.column_name, '') AND NOT g.is_grantable
    WHERE p.role IS NULL;

    -- What people added to the tables: the install script takes all other columns, indexes, ... for the extension's.
    SELECT coalesce(jsonb_agg(jsonb_build_object('table', o.table_id, 'kind', o.kind, 'name', o.name)), '[]') INTO added
    FROM (
        SELECT a.attrelid, 'column', a.attname::text FROM pg_attribute a WHERE a.attnum > 0 AND NOT a.attisdropped
        UNION ALL
        SELECT i.indrelid, 'index', c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
        UNION ALL
        SELECT k.conrelid, 'constraint', k.conname FROM pg_constraint k
        UNION ALL
        SELECT t.tgrelid, 'trigger', t.tgname FROM pg_trigger t WHERE NOT t.tgisinternal
    ) o (table_id, kind, name)
    WHERE o.table_id IN (SELECT w.table_id FROM @extschema@.tw_own_objects() w)
      AND NOT EXISTS (SELECT FROM @extschema@.tw_own_objects() w
                      WHERE w.table_id = o.table_id AND w.object_kind = o.kind AND w.object_name = o.name);

    -- Kept as settings: a table would become a member of the extension.
    PERFORM set_config('tw_update.kinds', kinds::text, true);
    PERFORM set_config('tw_update.old_privileges', old_privileges::text, true);
    PERFORM set_config('tw_update.grants', grants::text, true);
    PERFORM set_config('tw_update.added', added::text, true);
END
$save$;

-- Functions with a parsed body and views depend on whatever they name, so nothing of that could be dropped or changed.
-- They become empty here, and whole again by the install script's statements below.
DO $loosen$
DECLARE
    o record;
BEGIN
    FOR o IN
        SELECT p.oid, pg_get_functiondef(p.oid) AS definition, pg_get_function_sqlbody(p.oid) AS body
        FROM pg_proc p
        JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
        JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid
            AND e.extname = 'training_workflow'
        WHERE p.prosqlbody IS NOT NULL
    LOOP
        EXECUTE left(o.definition, strpos(o.definition, o.body) - 1) || ' AS $$SELECT 1$$';
    END LOOP;
    FOR o IN
        SELECT c.oid, string_agg(format('NULL::%s%s AS %I', format_type(a.atttypid, a.atttypmod),
                                        CASE WHEN a.attcollation <> t.typcollation
                                            THEN ' COLLATE ' || a.attcollation::regcollation END, a.attname), ', '
                                 ORDER BY a.attnum) AS columns
        FROM pg_class c
        JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'
        JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid
            AND e.extname = 'training_workflow'
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
        JOIN pg_type t ON t.oid = a.atttypid
        WHERE c.relkind = 'v'
        GROUP BY c.oid
    LOOP
        EXECUTE format('CREATE OR REPLACE VIEW %s AS SELECT %s', o.oid::regclass, o.columns);
    END LOOP;
END
$loosen$;

