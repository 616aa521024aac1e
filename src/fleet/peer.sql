-- What the databases of a fleet ask each other when they join it, and when they leave.

CREATE FUNCTION @extschema@.tw_fleet_ask(connection text, query text) RETURNS text
    LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'tw_fleet_ask';
REVOKE ALL ON FUNCTION @extschema@.tw_fleet_ask(text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_fleet_ask(text, text) IS
    'The text in the first column and row that a query gives in another database; NULL if it gives none. Raises 08006 '
    'where that cannot be reached, and the error that the query meets there';

CREATE FUNCTION @extschema@.tw_fleet_self() RETURNS jsonb
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT jsonb_build_object(
        'role', @extschema@.tw_fleet_role(), 'node', @extschema@.tw_fleet_node(), 'database', d.oid::bigint,
        'wal_level', current_setting('wal_level'),
        'version', (SELECT e.extversion FROM pg_extension e WHERE e.extname = 'training_workflow'),
        'is_published', EXISTS (SELECT FROM pg_publication p WHERE p.pubname = 'training_workflow'))
    FROM pg_database d WHERE d.datname = current_database();
END;
REVOKE ALL ON FUNCTION @extschema@.tw_fleet_self() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_fleet_self() IS
    'What another database of the fleet has to know of this one before it joins it';

CREATE FUNCTION @extschema@.tw_fleet_last_id(node integer) RETURNS bigint
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
RETURN (SELECT max(c.id) FROM @extschema@.conversation_logs c
        WHERE c.id >= @extschema@.tw_first_id(node) AND c.id < @extschema@.tw_first_id(node + 1));
REVOKE ALL ON FUNCTION @extschema@.tw_fleet_last_id(integer) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_fleet_last_id(integer) IS
    'The highest id that this database has of a node; NULL = none';

CREATE FUNCTION @extschema@.tw_fleet_peer(connection text) RETURNS jsonb
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    peer_schema text;
BEGIN
    peer_schema := @extschema@.tw_fleet_ask(connection,
        'SELECT quote_ident(n.nspname) FROM pg_catalog.pg_extension e '
        'JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = ''training_workflow'''::text);
    IF peer_schema IS NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'undefined_object',
            MESSAGE = 'the other database has no extension training_workflow',
            HINT = 'Run CREATE EXTENSION there, and SELECT set_fleet_node(...); is the dbname the right one?';
    END IF;
    RETURN @extschema@.tw_fleet_ask(connection, format('SELECT %s.tw_fleet_self()::text', peer_schema))::jsonb
           || jsonb_build_object('schema', peer_schema);
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_fleet_peer(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_fleet_peer(text) IS
    'tw_fleet_self() of the database at the other end, and the schema of its extension. Raises 42704 where it has none';

CREATE FUNCTION @extschema@.tw_fleet_slot(publisher bigint, subscriber integer) RETURNS text
    LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
RETURN format('training_workflow_%s_%s', publisher,
              CASE subscriber WHEN 0 THEN 'hub' ELSE 'node_' || subscriber END);
REVOKE ALL ON FUNCTION @extschema@.tw_fleet_slot(bigint, integer) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_fleet_slot(bigint, integer) IS
    'Name of the replication slot, in the server of a publisher (the OID of its database), of a subscriber (its '
    'number; 0 is the hub)';

CREATE FUNCTION @extschema@.tw_fleet_subscription(publisher integer) RETURNS name
    LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
RETURN (CASE publisher WHEN 0 THEN 'training_workflow_hub' ELSE 'training_workflow_node_' || publisher END)::name;
REVOKE ALL ON FUNCTION @extschema@.tw_fleet_subscription(integer) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_fleet_subscription(integer) IS
    'Name of the subscription to a publisher (its number; 0 is the hub)';

CREATE VIEW @extschema@.tw_fleet_subscriptions AS
    SELECT s.oid AS id, s.subname AS name, s.subenabled AS is_enabled, s.subslotname::text AS slot,
           coalesce(substring(s.subname FROM 'node_([0-9]+)$')::integer, 0) AS node
    FROM pg_subscription s
    JOIN pg_database d ON d.oid = s.subdbid AND d.datname = current_database()
    WHERE s.subname = 'training_workflow_hub' OR s.subname ~ '^training_workflow_node_[0-9]{1,4}$';
REVOKE ALL ON TABLE @extschema@.tw_fleet_subscriptions FROM PUBLIC;
COMMENT ON VIEW @extschema@.tw_fleet_subscriptions IS 'The subscriptions of this database to others of its fleet';
COMMENT ON COLUMN @extschema@.tw_fleet_subscriptions.id IS 'OID of the subscription';
COMMENT ON COLUMN @extschema@.tw_fleet_subscriptions.name IS 'Its name';
COMMENT ON COLUMN @extschema@.tw_fleet_subscriptions.is_enabled IS 'Whether it runs';
COMMENT ON COLUMN @extschema@.tw_fleet_subscriptions.slot IS
    'Name of its replication slot at the publisher; NULL = none';
COMMENT ON COLUMN @extschema@.tw_fleet_subscriptions.node IS 'Number of the publisher; 0 is the hub';
