-- Identity of the database. A copy restored elsewhere has all data of production, including its endpoints. It must not
-- push tasks, collect verdicts or start jobs until adopt_installation() says that it has taken over.

CREATE FUNCTION @extschema@.tw_this_installation() RETURNS text
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
RETURN (SELECT format('%s:%s', s.system_identifier, d.oid) FROM pg_control_system() s, pg_database d
        WHERE d.datname = current_database());
REVOKE ALL ON FUNCTION @extschema@.tw_this_installation() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_this_installation() IS
    'System identifier of this cluster and OID of this database; a dump contains neither';

CREATE FUNCTION @extschema@.tw_is_restored_copy() RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
RETURN coalesce((SELECT s.value <> @extschema@.tw_this_installation() FROM @extschema@.training_settings s
                 WHERE s.name = 'installation'), false);
REVOKE ALL ON FUNCTION @extschema@.tw_is_restored_copy() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_is_restored_copy() IS
    'Whether another database made the first remote call or scheduled run with this data. A physical copy is not '
    'recognised';

CREATE FUNCTION @extschema@.tw_may_act() RETURNS boolean
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    INSERT INTO @extschema@.training_settings (name, value) VALUES ('installation', @extschema@.tw_this_installation())
    ON CONFLICT (name) DO NOTHING;
    RETURN NOT @extschema@.tw_is_restored_copy();
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_may_act() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_may_act() IS
    'Whether this database may call remote services and run jobs; the first call stores the identity of this database';

CREATE FUNCTION @extschema@.tw_require_acting() RETURNS void
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF NOT @extschema@.tw_may_act() THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = 'this database is a restored copy: it does not talk to other servers',
            DETAIL = 'Another database with the same data did so, and may still do so.',
            HINT = 'If this one takes over, or its servers are now others (ALTER SERVER), run SELECT '
                   'adopt_installation();';
    END IF;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_require_acting() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_require_acting() IS 'Raises 55000 in a restored copy';

CREATE FUNCTION @extschema@.adopt_installation() RETURNS boolean
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    adopted boolean := @extschema@.tw_is_restored_copy();
BEGIN
    INSERT INTO @extschema@.training_settings AS s (name, value)
    VALUES ('installation', @extschema@.tw_this_installation())
    ON CONFLICT (name) DO UPDATE SET value = excluded.value, updated_at = now(), updated_by = session_user
        WHERE s.value <> excluded.value;
    RETURN adopted;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.adopt_installation() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.adopt_installation() IS
    'Lets a restored copy call remote services and run jobs from now on; returns whether this database was a restored '
    'copy. In a copy beside production, first point its servers elsewhere (ALTER SERVER) or drop them. Also needed '
    'after pg_upgrade, which gives the cluster a new identifier. Raises no error of its own';
