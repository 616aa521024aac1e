-- training_settings: the settings of jobs and triggers. They are not GUCs, because a session's SET would not reach
-- pg_cron's session.

CREATE TABLE @extschema@.training_settings (
    name text NOT NULL,
    value text NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now(),
    updated_by text NOT NULL DEFAULT session_user,
    CONSTRAINT training_settings_pkey PRIMARY KEY (name)
);
REVOKE ALL ON TABLE @extschema@.training_settings FROM PUBLIC;
SELECT pg_extension_config_dump('@extschema@.training_settings', '');

COMMENT ON TABLE @extschema@.training_settings IS
    'Settings that differ from their default; write it through set_training_setting(), read it through '
    'list_training_settings()';
COMMENT ON COLUMN @extschema@.training_settings.name IS 'One of the names that list_training_settings() returns';
COMMENT ON COLUMN @extschema@.training_settings.value IS 'The value in its canonical spelling';
COMMENT ON COLUMN @extschema@.training_settings.updated_at IS 'When it was last set';
COMMENT ON COLUMN @extschema@.training_settings.updated_by IS 'The login role that set it';

-- ENABLE ALWAYS, and one trigger a row: logical replication fires neither ordinary nor statement-level triggers.
CREATE TRIGGER training_settings_invalidate AFTER INSERT OR UPDATE OR DELETE ON @extschema@.training_settings
    FOR EACH ROW EXECUTE FUNCTION @extschema@.tw_invalidate_cache();
CREATE TRIGGER training_settings_invalidate_truncate AFTER TRUNCATE ON @extschema@.training_settings
    FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.tw_invalidate_cache();
ALTER TABLE @extschema@.training_settings ENABLE ALWAYS TRIGGER training_settings_invalidate;
ALTER TABLE @extschema@.training_settings ENABLE ALWAYS TRIGGER training_settings_invalidate_truncate;

CREATE FUNCTION @extschema@.set_training_setting(name text, value text) RETURNS text
    LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'tw_set_training_setting';
REVOKE ALL ON FUNCTION @extschema@.set_training_setting(text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.set_training_setting(text, text) IS
    'Sets the setting name, or resets it to its default when value is NULL; returns the value now in force. Raises '
    '42704 (undefined_object) for an unknown name, 22004 for a NULL name, 22023 (invalid_parameter_value) for a value '
    'that is not allowed, 55P02 (cant_change_runtime_param) for a setting that only the extension sets, 42501 for a '
    'file in report_target without the privileges of pg_write_server_files, 55000 on a node of a fleet for a setting '
    'that is the hub''s';

CREATE FUNCTION @extschema@.training_setting(name text) RETURNS text
    LANGUAGE c STABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'tw_training_setting';
REVOKE ALL ON FUNCTION @extschema@.training_setting(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.training_setting(text) IS
    'The value in force of the setting name, its default included; NULL for a NULL name. Raises 42704 '
    '(undefined_object) for an unknown name';

CREATE FUNCTION @extschema@.tw_named_zone(time_zone text) RETURNS text
    LANGUAGE c STABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'tw_named_zone';
REVOKE ALL ON FUNCTION @extschema@.tw_named_zone(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_named_zone(text) IS
    'The name of a time zone as pg_timezone_names spells it, mostly without reading the files of all zones; NULL for '
    'abbreviations, POSIX specifications and unknown names';

CREATE FUNCTION @extschema@.list_training_settings(
    OUT name text, OUT value text, OUT default_value text, OUT is_default boolean, OUT value_type text,
    OUT description text)
    RETURNS SETOF record
    LANGUAGE c STABLE PARALLEL SAFE ROWS 20 SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'tw_list_training_settings';
REVOKE ALL ON FUNCTION @extschema@.list_training_settings() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.list_training_settings() IS
    'All settings: the value in force, the default, whether the two are the same, the type, and what the setting '
    'governs. Raises no error of its own';

CREATE FUNCTION @extschema@.tw_local_settings() RETURNS text[]
    LANGUAGE c IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'tw_local_settings';
REVOKE ALL ON FUNCTION @extschema@.tw_local_settings() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_local_settings() IS
    'The settings that each database of a fleet has for itself; the hub publishes the others';
