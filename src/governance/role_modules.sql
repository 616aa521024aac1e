-- The limit of a role to some modules: what grant_training_role() with modules and revoke_training_role() write.
-- Views and functions with the owner's rights ask tw_sees_module(); training_samples, which is read directly, has row
-- security while there is a limit (src/tables/role_modules.sql).

CREATE FUNCTION @extschema@.tw_check_modules(kind text, modules text[]) RETURNS void
    LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF modules IS NULL THEN
        RETURN;
    END IF;
    IF kind NOT IN ('reviewer', 'analyst') THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('a role of kind "%s" cannot be limited to modules', @extschema@.tw_excerpt(kind)),
            HINT = 'Only reviewer and analyst can. Leave modules out for the other kinds.';
    END IF;
    IF cardinality(modules) = 0 OR array_ndims(modules) > 1 THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = 'modules must be a list of at least one module',
            HINT = 'Leave modules out, or pass NULL, for all modules; revoke_training_role() takes everything.';
    END IF;
    IF array_position(modules, NULL) IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'null_value_not_allowed',
            MESSAGE = 'a module must not be NULL',
            HINT = 'An empty text stands for conversations and samples without a module.';
    END IF;
    IF EXISTS (SELECT FROM unnest(modules) AS m WHERE m <> '' AND @extschema@.tw_is_blank(m)) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = 'a module must not be blank',
            HINT = 'An empty text stands for conversations and samples without a module.';
    END IF;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_check_modules(text, text[]) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_check_modules(text, text[]) IS
    'Checks the modules that a role of this kind is to be limited to; NULL = all. Raises 22004 for a NULL module, '
    '22023 for a blank one, for an empty list, and for a kind that cannot be limited';

-- As in module_limits.c.
CREATE FUNCTION @extschema@.tw_limited_roles(
    OUT system_identifier bigint, OUT granted_to oid, OUT kind text, OUT role_name text, OUT role_id oid,
    OUT name_now text)
    RETURNS SETOF record
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT m.system_identifier, m.role_id, m.kind, m.role_name, r.oid, r.rolname::text
    FROM @extschema@.role_modules m
    CROSS JOIN pg_control_system() s
    LEFT JOIN pg_roles r ON CASE WHEN m.system_identifier = s.system_identifier THEN r.oid = m.role_id
                                 ELSE r.rolname = m.role_name END;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_limited_roles() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_limited_roles() IS
    'The rows of role_modules with the roles that they are about (role_id, name_now): the one with the OID in the '
    'cluster in which the kind was granted, the one with the name in another; NULL where there is none';

CREATE FUNCTION @extschema@.tw_limit_role(role text, role_id oid, kind text, modules text[]) RETURNS void
    -- For the lock of the table, if this is the first limit. Captures wait as long as that waits.
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET lock_timeout = '5s'
AS $function$
BEGIN
    -- Its own, and one of a role of this name that was dropped.
    DELETE FROM @extschema@.role_modules m
    USING @extschema@.tw_limited_roles() l
    WHERE m.system_identifier = l.system_identifier AND m.role_id = l.granted_to AND m.kind = l.kind
      AND m.kind = tw_limit_role.kind
      AND (l.role_id = tw_limit_role.role_id OR l.role_id IS NULL AND l.role_name = tw_limit_role.role);
    IF modules IS NOT NULL THEN
        INSERT INTO @extschema@.role_modules (role_name, kind, modules, role_id, system_identifier)
        SELECT role, kind, ARRAY(SELECT DISTINCT m FROM unnest(modules) AS m ORDER BY m), role_id, s.system_identifier
        FROM pg_control_system() s;
    END IF;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_limit_role(text, oid, text, text[]) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_limit_role(text, oid, text, text[]) IS
    'Stores the modules that a role sees as a reviewer or analyst; NULL = all. Raises 55P03 if training_samples cannot '
    'be locked within 5 seconds, for the first limit and after the last one';

CREATE FUNCTION @extschema@.tw_limit_problems(
    OUT problem text, OUT relation text, OUT found bigint, OUT example text, OUT hint text)
    RETURNS SETOF record
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT 'limit of a role that does not exist', '@extschema@.role_modules'::regclass::text, count(*),
           min(l.role_name),
           format('It is of no use any more: %s', min(format('SELECT revoke_training_role(%L, %L);', l.role_name,
                                                             l.kind)))
    FROM @extschema@.tw_limited_roles() l WHERE l.role_id IS NULL HAVING count(*) > 0
    UNION ALL
    SELECT 'limit of a role that was renamed', '@extschema@.role_modules'::regclass::text, count(*), min(l.role_name),
           format('A restore into another cluster would lose it: SELECT grant_training_role(%L, ...) with its modules '
                  'again.', min(l.name_now))
    FROM @extschema@.tw_limited_roles() l WHERE l.role_name <> l.name_now HAVING count(*) > 0
    UNION ALL
    SELECT 'samples without row security', c.oid::regclass::text, 1, NULL,
           'Roles that are limited to modules read the samples of all modules: call grant_training_role() with their '
           'modules again.'
    FROM pg_class c
    WHERE c.oid = '@extschema@.training_samples'::regclass AND EXISTS (SELECT FROM @extschema@.role_modules)
      AND NOT (c.relrowsecurity AND EXISTS (
          SELECT FROM pg_policy p WHERE p.polrelid = c.oid AND p.polname = 'training_samples_modules'));
END;
REVOKE ALL ON FUNCTION @extschema@.tw_limit_problems() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_limit_problems() IS
    'The part of check_integrity() that checks limits to modules: those of roles that do not exist or were renamed, '
    'and missing row security of training_samples';
