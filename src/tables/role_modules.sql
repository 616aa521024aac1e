-- role_modules: the modules that a role sees as a reviewer or analyst. A role without a row sees all of them. Read for
-- every row that such a role may see (src/rules/module_limits.c).

CREATE TABLE @extschema@.role_modules (
    role_name text NOT NULL,
    kind text NOT NULL,
    modules text[] NOT NULL,
    role_id oid NOT NULL,
    system_identifier bigint NOT NULL,
    CONSTRAINT role_modules_pkey PRIMARY KEY (system_identifier, role_id, kind),
    CONSTRAINT role_modules_kind_check CHECK (kind IN ('reviewer', 'analyst')),
    CONSTRAINT role_modules_modules_check CHECK (cardinality(modules) > 0 AND array_ndims(modules) = 1
                                                 AND array_position(modules, NULL) IS NULL)
);
REVOKE ALL ON TABLE @extschema@.role_modules FROM PUBLIC;
SELECT pg_extension_config_dump('@extschema@.role_modules', '');

COMMENT ON TABLE @extschema@.role_modules IS
    'The modules that a role sees as a reviewer or analyst; a role without a row sees all. Written by '
    'grant_training_role() and revoke_training_role()';
COMMENT ON COLUMN @extschema@.role_modules.role_name IS
    'Name of the role when the kind was granted. After a restore into another cluster the row is the limit of the role '
    'that has this name there';
COMMENT ON COLUMN @extschema@.role_modules.kind IS 'reviewer or analyst';
COMMENT ON COLUMN @extschema@.role_modules.modules IS
    'Modules as module_type in training_queue spells them; an empty text stands for no module';
COMMENT ON COLUMN @extschema@.role_modules.role_id IS
    'OID of the role. In the cluster in which the kind was granted, the row is the limit of this role, whatever its '
    'name is now';
COMMENT ON COLUMN @extschema@.role_modules.system_identifier IS
    'The cluster in which the kind was granted, as pg_control_system() identifies it';

-- ENABLE ALWAYS, and one trigger a row: logical replication fires neither ordinary nor statement-level triggers.
CREATE TRIGGER role_modules_invalidate AFTER INSERT OR UPDATE OR DELETE ON @extschema@.role_modules
    FOR EACH ROW EXECUTE FUNCTION @extschema@.tw_invalidate_cache();
CREATE TRIGGER role_modules_invalidate_truncate AFTER TRUNCATE ON @extschema@.role_modules
    FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.tw_invalidate_cache();
ALTER TABLE @extschema@.role_modules ENABLE ALWAYS TRIGGER role_modules_invalidate;
ALTER TABLE @extschema@.role_modules ENABLE ALWAYS TRIGGER role_modules_invalidate_truncate;

-- Row security of training_samples, the one table that limited roles read directly, while there is a limit. Only then:
-- it takes COPY FROM away from operators. Neither CREATE EXTENSION nor pg_dump brings it: pg_dump does not dump the
-- policies of an extension's tables. The trigger makes it again when a restore loads the limits.
CREATE FUNCTION @extschema@.tw_secure_samples() RETURNS trigger
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    is_needed CONSTANT boolean := EXISTS (SELECT FROM @extschema@.role_modules);
    has_policy CONSTANT boolean := EXISTS (
        SELECT FROM pg_policy p
        WHERE p.polrelid = '@extschema@.training_samples'::regclass AND p.polname = 'training_samples_modules');
BEGIN
    IF is_needed AND NOT has_policy THEN
        CREATE POLICY training_samples_modules ON @extschema@.training_samples
            USING (@extschema@.tw_sees_module(module_type, intent));
    END IF;
    IF is_needed AND NOT (SELECT c.relrowsecurity FROM pg_class c
                          WHERE c.oid = '@extschema@.training_samples'::regclass) THEN
        ALTER TABLE @extschema@.training_samples ENABLE ROW LEVEL SECURITY;
    END IF;
    IF has_policy AND NOT is_needed THEN
        DROP POLICY training_samples_modules ON @extschema@.training_samples;
        -- Policies that people made stay in force.
        IF NOT EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = '@extschema@.training_samples'::regclass) THEN
            ALTER TABLE @extschema@.training_samples DISABLE ROW LEVEL SECURITY;
        END IF;
    END IF;
    RETURN NULL;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_secure_samples() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_secure_samples() IS
    'Trigger of role_modules: makes the row security of training_samples with the first limit, and removes it with the '
    'last one';
CREATE TRIGGER role_modules_secure AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON @extschema@.role_modules
    FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.tw_secure_samples();
