-- fleet_publish(): what a database of a fleet gives to the others.

-- One list of what the hub decides and its nodes only read; the triggers of hub_tables.sql are on the same tables.
CREATE FUNCTION @extschema@.tw_fleet_tables(role text) RETURNS SETOF regclass
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT t FROM unnest(CASE role
        WHEN 'hub' THEN ARRAY[
            '@extschema@.model_versions', '@extschema@.model_artifacts', '@extschema@.rollouts',
            '@extschema@.audited_versions', '@extschema@.review_policies', '@extschema@.intent_aliases',
            '@extschema@.training_settings', '@extschema@.fleet_heartbeats']::regclass[]
        WHEN 'node' THEN ARRAY[
            '@extschema@.conversation_logs', '@extschema@.fleet_replies',
            '@extschema@.fleet_rollout_steps']::regclass[] END) t;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_fleet_tables(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_fleet_tables(text) IS 'The tables that a hub or a node publishes';

CREATE FUNCTION @extschema@.tw_require_fleet() RETURNS text
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    role CONSTANT text := @extschema@.tw_fleet_role();
BEGIN
    IF role = 'single' THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = 'this database belongs to no fleet',
            HINT = 'SELECT set_fleet_node(0); makes it a hub, SELECT set_fleet_node(n); the node number n.';
    END IF;
    RETURN role;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_require_fleet() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_require_fleet() IS
    'The role of this database in its fleet. Raises 55000 where it has none';

CREATE FUNCTION @extschema@.fleet_publish() RETURNS text
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET lock_timeout = '5s'
AS $function$
DECLARE
    role CONSTANT text := @extschema@.tw_require_fleet();
    tables text;
BEGIN
    IF current_setting('wal_level') <> 'logical' THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('wal_level is %s: nothing can be published', current_setting('wal_level')),
            HINT = 'ALTER SYSTEM SET wal_level = logical; and restart the server.';
    END IF;
    -- A row filter takes nothing but constants. Nodes keep their own values of these settings.
    SELECT string_agg(t || CASE t WHEN '@extschema@.training_settings'::regclass
                                THEN format(' WHERE (name <> ALL (%L::text[]))', @extschema@.tw_local_settings())
                                ELSE '' END, ', ' ORDER BY t::text)
    INTO tables FROM @extschema@.tw_fleet_tables(role) t;
    -- What a node or a hub deletes because it is old or a person's stays where it is the other's to delete.
    IF NOT EXISTS (SELECT FROM pg_publication p WHERE p.pubname = 'training_workflow') THEN
        EXECUTE format('CREATE PUBLICATION training_workflow FOR TABLE %s WITH (publish = %L)', tables,
                       CASE role WHEN 'node' THEN 'insert, update' ELSE 'insert, update, delete, truncate' END);
    ELSE
        -- A dump has the publication without the tables, which belong to the extension.
        EXECUTE format('ALTER PUBLICATION training_workflow SET TABLE %s', tables);
        EXECUTE format('ALTER PUBLICATION training_workflow SET (publish = %L)',
                       CASE role WHEN 'node' THEN 'insert, update' ELSE 'insert, update, delete, truncate' END);
    END IF;
    RETURN 'training_workflow';
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.fleet_publish() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.fleet_publish() IS
    'Creates the publication training_workflow, or sets it right after a restore or an update: of a hub models, '
    'rollouts, policies, former intents and common settings, of a node conversations. Returns its name. Needs the '
    'owner of the extension''s tables with CREATE on the database. Raises 55000 outside of a fleet and where wal_level '
    'is not logical, 42501 without these rights';
