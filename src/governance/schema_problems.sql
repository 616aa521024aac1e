-- Objects of other roles in the extension's schema, and their rights to create them. If a function of another role has
-- the name of one of ours and is a better match for a call in a query, it is called instead, with the rights of the
-- role that runs the query. The extension's own calls give every argument in the parameter's exact type, so that no
-- other function is a better match; test/t/027_overloads.pl proves that.

CREATE FUNCTION @extschema@.tw_namesakes(OUT id oid, OUT name text, OUT has_defaults boolean) RETURNS SETOF record
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH own AS (
        SELECT p.oid, p.proname
        FROM pg_extension e
        JOIN pg_depend d ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid AND d.deptype = 'e'
        JOIN pg_proc p ON d.classid = 'pg_proc'::regclass AND p.oid = d.objid
        WHERE e.extname = 'training_workflow'
    )
    SELECT p.oid, p.oid::regprocedure::text, p.pronargdefaults > 0
    FROM pg_proc p
    WHERE p.pronamespace = (SELECT e.extnamespace FROM pg_extension e WHERE e.extname = 'training_workflow')
      AND p.proname IN (SELECT o.proname FROM own o) AND p.oid NOT IN (SELECT o.oid FROM own o);
END;
REVOKE ALL ON FUNCTION @extschema@.tw_namesakes() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_namesakes() IS
    'Routines of other roles in the extension''s schema with the name of one of its own, and whether they have '
    'parameters with defaults';

CREATE FUNCTION @extschema@.tw_schema_problems(
    OUT problem text, OUT relation text, OUT found bigint, OUT example text, OUT hint text)
    RETURNS SETOF record
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH own_schema AS (
        SELECT n.oid, n.nspname, n.nspowner, n.nspacl, e.oid AS extension, e.extowner
        FROM pg_namespace n, pg_extension e
        WHERE n.oid = '@extschema@'::regnamespace AND e.extname = 'training_workflow'
    ), own AS (
        SELECT d.classid, d.objid
        FROM pg_depend d JOIN own_schema s ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = s.extension
            AND d.deptype = 'e'
    ), names AS (
        SELECT DISTINCT p.proname FROM own o JOIN pg_proc p ON p.oid = o.objid AND o.classid = 'pg_proc'::regclass
    ), namesakes (kind, name, remedy) AS (
        SELECT 'function', r.name, format('DROP ROUTINE %s;', r.name) FROM @extschema@.tw_namesakes() r
        UNION ALL
        -- f(x) is a cast to the type f if no function matches.
        SELECT 'type', t.oid::regtype::text, format('DROP TYPE %s;', t.oid::regtype)
        FROM pg_type t JOIN own_schema s ON t.typnamespace = s.oid JOIN names n ON n.proname = t.typname
        UNION ALL
        SELECT 'cast', format('%s AS %s', c.castsource::regtype, c.casttarget::regtype),
               format('DROP CAST (%s AS %s);', c.castsource::regtype, c.casttarget::regtype)
        FROM pg_cast c JOIN pg_type t ON t.oid IN (c.castsource, c.casttarget)
            JOIN own o ON o.classid = 'pg_class'::regclass AND o.objid = t.typrelid
        UNION ALL
        SELECT 'operator', p.oid::regoperator::text, format('DROP OPERATOR %s;', p.oid::regoperator)
        FROM pg_operator p JOIN pg_type t ON t.oid IN (p.oprleft, p.oprright)
            JOIN own o ON o.classid = 'pg_class'::regclass AND o.objid = t.typrelid
    )
    SELECT 'schema in which others may create objects', s.nspname::text, count(*),
           min(CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END),
           format('Their functions can be called instead of the extension''s: REVOKE CREATE ON SCHEMA %I FROM %s;',
                  s.nspname,
                  string_agg(CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END, ', '
                      ORDER BY a.grantee))
    FROM own_schema s, aclexplode(s.nspacl) a
    WHERE a.privilege_type = 'CREATE' AND a.grantee NOT IN (s.nspowner, s.extowner)
      AND NOT coalesce((SELECT r.rolsuper FROM pg_roles r WHERE r.oid = a.grantee), false)
    GROUP BY s.nspname
    UNION ALL
    SELECT format('%s of others with a name or type of ours', n.kind), s.nspname::text, count(*),
           min(n.name COLLATE "C"),
           'It can be called instead of the extension''s. Unless it is yours: ' || min(n.remedy COLLATE "C")
    FROM namesakes n, own_schema s
    GROUP BY n.kind, s.nspname;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_schema_problems() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_schema_problems() IS
    'The part of check_integrity() that checks the schema: other roles that may create objects there, and their '
    'functions, types, casts and operators that could be used instead of the extension''s';
