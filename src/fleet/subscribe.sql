-- fleet_subscribe() and fleet_resync(): a database begins to take what another one of its fleet publishes.
--
-- CREATE SUBSCRIPTION makes its replication slot only outside of a transaction. So the slot is made first, by a call of
-- a function at the publisher, and the subscription then uses it. A slot that stays without a subscription keeps the
-- publisher's WAL for ever; hence a procedure, which cannot be called where its work could be rolled back afterwards,
-- and which drops the slot when the subscription fails.

CREATE FUNCTION @extschema@.tw_check_fleet_peer(peer jsonb) RETURNS integer
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    self CONSTANT jsonb := @extschema@.tw_fleet_self();
    own_schema CONSTANT text := (SELECT quote_ident(n.nspname) FROM pg_extension e
                                 JOIN pg_namespace n ON n.oid = e.extnamespace
                                 WHERE e.extname = 'training_workflow');
    wanted CONSTANT text := CASE @extschema@.tw_require_fleet() WHEN 'hub' THEN 'node' ELSE 'hub' END;
    problem text;
    advice text;
BEGIN
    IF peer ->> 'role' <> wanted THEN
        problem := format('that database is %s, not a %s',
                          CASE peer ->> 'role' WHEN 'single' THEN 'in no fleet' ELSE 'a ' || (peer ->> 'role') END,
                          wanted);
        advice := 'A hub subscribes to its nodes, and each node to the hub. The role is set by set_fleet_node() there.';
    ELSIF peer ->> 'schema' <> own_schema THEN
        problem := format('the extension is in schema %s there and in schema %s here', peer ->> 'schema', own_schema);
        advice := 'Replication finds tables by schema and name: install it in the same schema everywhere.';
    ELSIF peer ->> 'version' <> self ->> 'version' THEN
        problem := format('the extension has version %s there and %s here', peer ->> 'version', self ->> 'version');
        advice := 'Bring both to the same version first: ALTER EXTENSION training_workflow UPDATE.';
    ELSIF peer ->> 'wal_level' <> 'logical' THEN
        problem := format('wal_level is %s there', peer ->> 'wal_level');
        advice := 'Run ALTER SYSTEM SET wal_level = logical there, and restart that server.';
    ELSIF NOT (peer ->> 'is_published')::boolean THEN
        problem := 'that database publishes nothing';
        advice := 'Run SELECT fleet_publish() there.';
    END IF;
    IF problem IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state', MESSAGE = 'cannot subscribe: ' || problem, HINT = advice;
    END IF;
    RETURN (peer ->> 'node')::integer;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_check_fleet_peer(jsonb) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_check_fleet_peer(jsonb) IS
    'The number of the database at the other end. Raises 55000 where it is none that this database can subscribe to';

CREATE FUNCTION @extschema@.tw_fleet_slot_at(connection text, publisher integer) RETURNS text
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    peer CONSTANT jsonb := @extschema@.tw_fleet_peer(connection);
BEGIN
    IF @extschema@.tw_check_fleet_peer(peer) <> publisher THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('the database at the other end has the number %s, not %s', peer ->> 'node', publisher),
            HINT = format('ALTER SUBSCRIPTION %I CONNECTION names the database of this number.',
                          @extschema@.tw_fleet_subscription(publisher));
    END IF;
    RETURN @extschema@.tw_fleet_slot((peer ->> 'database')::bigint, @extschema@.tw_fleet_node());
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_fleet_slot_at(text, integer) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_fleet_slot_at(text, integer) IS
    'The name of this database''s slot at the other end, which is checked like that of a new subscription';

CREATE FUNCTION @extschema@.tw_make_fleet_slot(connection text, slot text) RETURNS void
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    -- One that is left from an attempt before may hold what this one must not repeat.
    PERFORM @extschema@.tw_fleet_ask(connection, format(
        'SELECT pg_catalog.pg_drop_replication_slot(s.slot_name)::text FROM pg_catalog.pg_replication_slots s '
        'WHERE s.slot_name = %L', slot));
    BEGIN
        PERFORM @extschema@.tw_fleet_ask(connection, format(
            'SELECT s.lsn::text FROM pg_catalog.pg_create_logical_replication_slot(%L, ''pgoutput'') s', slot));
    EXCEPTION WHEN query_canceled THEN
        -- The other server goes on waiting for its transactions, would make the slot then, and notices only afterwards
        -- that nobody wants it.
        PERFORM @extschema@.tw_fleet_ask(connection, format(
            'SELECT pg_catalog.pg_terminate_backend(s.active_pid, 5000)::text FROM pg_catalog.pg_replication_slots s '
            'WHERE s.slot_name = %L AND s.active_pid IS NOT NULL', slot));
        PERFORM @extschema@.tw_drop_fleet_slot(connection, slot);
        RAISE;
    END;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_make_fleet_slot(text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_make_fleet_slot(text, text) IS
    'Makes a replication slot at a publisher, in place of one of that name; none where it is cancelled. Raises 55006 '
    'where that one is in use';

CREATE FUNCTION @extschema@.tw_fleet_join(connection text) RETURNS void
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    peer CONSTANT jsonb := @extschema@.tw_fleet_peer(connection);
    publisher CONSTANT integer := @extschema@.tw_check_fleet_peer(peer);
    slot CONSTANT text := @extschema@.tw_fleet_slot((peer ->> 'database')::bigint, @extschema@.tw_fleet_node());
    given bigint;
BEGIN
    PERFORM @extschema@.tw_bound_waits();
    IF EXISTS (SELECT FROM @extschema@.tw_fleet_subscriptions s WHERE s.node = publisher) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'duplicate_object',
            MESSAGE = format('this database takes from %s already',
                             CASE publisher WHEN 0 THEN 'the hub' ELSE 'node ' || publisher END),
            HINT = 'fleet_status shows how far it is. CALL fleet_resync() copies everything anew.';
    END IF;
    -- First, while this transaction has written nothing: the slot waits for the end of every transaction that has, and
    -- the other database may be in the same server.
    PERFORM @extschema@.tw_make_fleet_slot(connection, slot);
    BEGIN
        IF publisher = 0 THEN
            -- The hub may have more of this node than the node itself, which was restored.
            given := @extschema@.tw_fleet_ask(connection, format('SELECT %s.tw_fleet_last_id(%s)::text',
                                                                 peer ->> 'schema', @extschema@.tw_fleet_node()));
            IF NOT @extschema@.tw_has_bounded_ids(@extschema@.tw_fleet_node(), given) THEN
                PERFORM @extschema@.tw_bound_ids(@extschema@.tw_fleet_node(), given);
            END IF;
        END IF;
        EXECUTE format('CREATE SUBSCRIPTION %I CONNECTION %L PUBLICATION training_workflow '
                       -- In parallel, as from 18 on by default, a change within a long transaction and a heartbeat
                       -- would wait for each other.
                       'WITH (create_slot = false, slot_name = %L, streaming = off)',
                       @extschema@.tw_fleet_subscription(publisher), connection, slot);
    EXCEPTION WHEN OTHERS OR query_canceled THEN
        PERFORM @extschema@.tw_fleet_ask(connection,
            format('SELECT pg_catalog.pg_drop_replication_slot(%L)::text', slot));
        RAISE;
    END;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_fleet_join(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_fleet_join(text) IS
    'Makes the slot and the subscription of fleet_subscribe()';

CREATE PROCEDURE @extschema@.fleet_subscribe(connection text)
    LANGUAGE plpgsql
AS $procedure$ BEGIN
    -- Not within a transaction: what is done at the other end could not be undone with it.
    COMMIT;
    PERFORM @extschema@.tw_fleet_join(connection);
END $procedure$;
REVOKE ALL ON PROCEDURE @extschema@.fleet_subscribe(text) FROM PUBLIC;
COMMENT ON PROCEDURE @extschema@.fleet_subscribe(text) IS
    'Begins to take what another database of the fleet publishes: at the hub the conversations of a node, on a node '
    'what the hub decides; what is there is copied first. connection: a string of libpq, of a role there with LOGIN, '
    'REPLICATION and grant_training_role(role, ''fleet''). It is stored in pg_subscription, where superusers of this '
    'database can read it: name a password file there (passfile=), or a certificate, rather than the password. Needs a '
    'superuser, from PostgreSQL 16 on pg_create_subscription and CREATE on the database. Raises 22023 for a string of '
    'more than 1000 bytes, 55000 where the other '
    'database is none that can be subscribed to, 42710 where this one does already, 08006 where it cannot be reached, '
    '2D000 inside a transaction, 55P03 where conversation_logs of a node is locked for 5 seconds';

CREATE FUNCTION @extschema@.tw_fleet_node_argument(node integer) RETURNS integer
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    role CONSTANT text := @extschema@.tw_require_fleet();
BEGIN
    IF (role = 'node') <> (node IS NULL) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = CASE role WHEN 'node' THEN 'a node has one subscription, to the hub: it takes no number'
                                ELSE 'which node is meant?' END,
            HINT = CASE role WHEN 'node' THEN 'Call it without an argument.'
                             ELSE 'At the hub, pass the number of the node: see fleet_status.' END;
    END IF;
    RETURN coalesce(node, 0);
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_fleet_node_argument(integer) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_fleet_node_argument(integer) IS
    'The publisher that a call without a number (on a node) or with one (at the hub) means. Raises 22023 for the other '
    'way round';

CREATE FUNCTION @extschema@.tw_fleet_connection(publisher integer) RETURNS text
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    connection text;
BEGIN
    SELECT p.subconninfo INTO connection
    FROM @extschema@.tw_fleet_subscriptions s JOIN pg_subscription p ON p.oid = s.id WHERE s.node = publisher;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'undefined_object',
            MESSAGE = format('this database takes nothing from %s',
                             CASE publisher WHEN 0 THEN 'the hub' ELSE 'node ' || publisher END),
            HINT = 'CALL fleet_subscribe(connection); see fleet_status.';
    END IF;
    RETURN connection;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_fleet_connection(integer) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_fleet_connection(integer) IS
    'The connection string of a subscription. Raises 42704 where there is none, 42501 for who is no superuser';

CREATE FUNCTION @extschema@.tw_stop_subscription(publisher integer) RETURNS void
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    EXECUTE format('ALTER SUBSCRIPTION %I DISABLE', @extschema@.tw_fleet_subscription(publisher));
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_stop_subscription(integer) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_stop_subscription(integer) IS
    'Stops a subscription; its workers end after the commit';

CREATE FUNCTION @extschema@.tw_is_subscription_busy(publisher integer) RETURNS boolean
    LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
RETURN EXISTS (SELECT FROM pg_stat_subscription w JOIN @extschema@.tw_fleet_subscriptions s ON s.id = w.subid
               WHERE s.node = publisher AND w.pid IS NOT NULL);
REVOKE ALL ON FUNCTION @extschema@.tw_is_subscription_busy(integer) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_is_subscription_busy(integer) IS 'Whether a worker of a subscription is running';

CREATE FUNCTION @extschema@.tw_drop_subscription(publisher integer) RETURNS void
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    subscription CONSTANT name := @extschema@.tw_fleet_subscription(publisher);
BEGIN
    -- Without a slot, so that it works within a transaction, and where the other end is gone.
    EXECUTE format('ALTER SUBSCRIPTION %I SET (slot_name = NONE)', subscription);
    EXECUTE format('DROP SUBSCRIPTION %I', subscription);
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_drop_subscription(integer) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_drop_subscription(integer) IS 'Drops a stopped subscription, and leaves its slot';

CREATE FUNCTION @extschema@.tw_drop_fleet_slot(connection text, slot text) RETURNS boolean
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    why text;
BEGIN
    PERFORM @extschema@.tw_fleet_ask(connection, format(
        'SELECT pg_catalog.pg_drop_replication_slot(s.slot_name)::text FROM pg_catalog.pg_replication_slots s '
        'WHERE s.slot_name = %L', slot));
    RETURN true;
EXCEPTION
    -- The worker here has ended, and the sender there has not noticed yet.
    WHEN object_in_use THEN
        RETURN false;
    WHEN OTHERS THEN
        GET STACKED DIAGNOSTICS why = MESSAGE_TEXT;
        RAISE WARNING USING
            MESSAGE = format('replication slot "%s" stays at the other end: %s',
                             @extschema@.tw_excerpt(slot), @extschema@.tw_excerpt(why)),
            DETAIL = 'As long as it is there, that server keeps all its WAL for it, until the disk is full.',
            HINT = format('Run SELECT pg_drop_replication_slot(%L); there, if that server comes back.',
                          @extschema@.tw_excerpt(slot));
        RETURN true;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_drop_fleet_slot(text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_drop_fleet_slot(text, text) IS
    'Drops a slot at a publisher; false where it is still in use, true and a WARNING where it cannot be dropped';

-- Without SET: it commits. A subscription can be dropped once its workers have ended, which they do after a commit.
CREATE PROCEDURE @extschema@.tw_end_subscription(publisher integer, connection text, slot text)
    LANGUAGE plpgsql
AS $procedure$
BEGIN
    PERFORM @extschema@.tw_stop_subscription(publisher);
    COMMIT;
    FOR attempt IN 1 .. 300 LOOP
        EXIT WHEN NOT @extschema@.tw_is_subscription_busy(publisher);
        PERFORM pg_catalog.pg_sleep(0.1::pg_catalog.float8);
        COMMIT;
    END LOOP;
    PERFORM @extschema@.tw_drop_subscription(publisher);
    COMMIT;
    FOR attempt IN 1 .. 300 LOOP
        EXIT WHEN @extschema@.tw_drop_fleet_slot(connection, slot);
        PERFORM pg_catalog.pg_sleep(0.1::pg_catalog.float8);
        COMMIT;
    END LOOP;
    COMMIT;
END
$procedure$;
REVOKE ALL ON PROCEDURE @extschema@.tw_end_subscription(integer, text, text) FROM PUBLIC;
COMMENT ON PROCEDURE @extschema@.tw_end_subscription(integer, text, text) IS
    'Stops and drops a subscription, and its slot at the other end; waits at most half a minute for each';

CREATE PROCEDURE @extschema@.fleet_resync(node integer DEFAULT NULL)
    LANGUAGE plpgsql
AS $procedure$
DECLARE
    publisher pg_catalog.int4;
    connection pg_catalog.text;
    slot pg_catalog.text;
BEGIN
    COMMIT;
    publisher := @extschema@.tw_fleet_node_argument(node);
    connection := @extschema@.tw_fleet_connection(publisher);
    -- Before anything is dropped: the other end answers, and is still what it was.
    slot := @extschema@.tw_fleet_slot_at(connection, publisher);
    CALL @extschema@.tw_end_subscription(publisher, connection, slot);
    PERFORM @extschema@.tw_reopen_all_days();
    PERFORM @extschema@.tw_fleet_join(connection);
END
$procedure$;
REVOKE ALL ON PROCEDURE @extschema@.fleet_resync(integer) FROM PUBLIC;
COMMENT ON PROCEDURE @extschema@.fleet_resync(integer) IS
    'Copies everything anew from a node (its number, at the hub) or from the hub (no number, on a node), and goes on '
    'from there: after a restore of either end, and after a slot that was lost. What is here already is not doubled: a '
    'conversation keeps its verdict, and gets what the application has said since. What the hub decided replaces what '
    'a node had. Needs a superuser, who can read the connection string. Raises 22023 for a number on a node or none at '
    'the hub, 42704 '
    'where there is no subscription, 55000 where the other end is no longer what it was, 08006 where it cannot be '
    'reached, 2D000 inside a transaction, 55P03 where conversation_logs of a node is locked for 5 seconds';
