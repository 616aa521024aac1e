-- fleet_leave(): ends what fleet_subscribe() began, without losing what is on its way.

CREATE FUNCTION @extschema@.tw_fleet_is_delivered(connection text, slot text, up_to text) RETURNS boolean
    LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
RETURN coalesce(@extschema@.tw_fleet_ask(connection, format(
    'SELECT (s.confirmed_flush_lsn >= %L)::text FROM pg_catalog.pg_replication_slots s WHERE s.slot_name = %L',
    up_to, slot))::boolean, false);
REVOKE ALL ON FUNCTION @extschema@.tw_fleet_is_delivered(text, text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_fleet_is_delivered(text, text, text) IS
    'Whether a slot at a publisher has delivered everything up to a position; false where it does not exist';

CREATE FUNCTION @extschema@.tw_is_copying(publisher integer) RETURNS boolean
    LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
RETURN EXISTS (SELECT FROM pg_subscription_rel t JOIN @extschema@.tw_fleet_subscriptions s ON s.id = t.srsubid
               WHERE s.node = publisher AND t.srsubstate <> 'r');
REVOKE ALL ON FUNCTION @extschema@.tw_is_copying(integer) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_is_copying(integer) IS
    'Whether a table of a subscription is still copied: its slot confirms positions meanwhile, which say nothing about '
    'that table';

CREATE FUNCTION @extschema@.tw_raise_undelivered(publisher integer) RETURNS void
    LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    RAISE EXCEPTION USING
        ERRCODE = 'object_not_in_prerequisite_state',
        MESSAGE = format('node %s has conversations that are not here yet', publisher),
        DETAIL = 'They did not arrive within a minute.',
        HINT = 'See fleet_status, and call it again later. force => true leaves them on the node.';
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_raise_undelivered(integer) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_raise_undelivered(integer) IS 'Raises 55000: a node cannot leave yet';

CREATE FUNCTION @extschema@.tw_drop_read_slots(only_slot text) RETURNS void
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    slot text;
BEGIN
    FOR slot IN SELECT s.slot_name FROM pg_replication_slots s
                WHERE s.database = current_database() AND s.slot_name LIKE 'training\_workflow\_%'
                  AND s.slot_name = coalesce(only_slot, s.slot_name) LOOP
        -- Its reader may still be there, and comes back until it finds no slot.
        FOR attempt IN 1 .. 100 LOOP
            BEGIN
                PERFORM pg_terminate_backend(s.active_pid) FROM pg_replication_slots s
                WHERE s.slot_name = slot AND s.active_pid IS NOT NULL;
                PERFORM pg_drop_replication_slot(slot);
                EXIT;
            EXCEPTION WHEN object_in_use THEN
                IF attempt = 100 THEN
                    RAISE;
                END IF;
                PERFORM pg_sleep(0.05);
            END;
        END LOOP;
    END LOOP;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_drop_read_slots(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_drop_read_slots(text) IS
    'Drops the slots here from which other databases of the fleet take, or only_slot of them, and ends their readers. '
    'Raises 55006 where a reader does not end within five seconds';

CREATE FUNCTION @extschema@.tw_forget_fleet_node(node integer, force boolean) RETURNS void
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    slot CONSTANT text := @extschema@.tw_fleet_slot((@extschema@.tw_fleet_self() ->> 'database')::bigint, node);
BEGIN
    DELETE FROM @extschema@.fleet_replies r WHERE r.node = tw_forget_fleet_node.node;
    -- The node drops its slot here when it leaves. One that never comes back would keep the WAL of the hub for ever.
    IF force THEN
        PERFORM @extschema@.tw_drop_read_slots(slot);
    END IF;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_forget_fleet_node(integer, boolean) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_forget_fleet_node(integer, boolean) IS
    'At the hub: forgets what a node said last; with force, drops the slot from which it took the hub''s decisions';

CREATE FUNCTION @extschema@.tw_require_last() RETURNS void
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    own_node CONSTANT integer := coalesce(@extschema@.tw_fleet_node(), 0);
    taken text;
    slots text;
BEGIN
    taken := (SELECT string_agg(s.node::text, ', ' ORDER BY s.node) FROM @extschema@.tw_fleet_subscriptions s
              WHERE own_node = 0);
    slots := (SELECT string_agg(quote_literal(s.slot_name), ', ' ORDER BY s.slot_name) FROM pg_replication_slots s
              WHERE s.database = current_database() AND s.slot_name LIKE 'training\_workflow\_%');
    IF taken IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('this hub still takes from nodes: %s', taken),
            HINT = 'First CALL fleet_leave(n) for each of them. Where that cannot be done: force => true.';
    ELSIF slots IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('another database still takes from this one: slot %s', slots),
            DETAIL = 'What it has not got yet would be lost to it.',
            HINT = format('First CALL fleet_leave(%s) there. Where that cannot be done: force => true.',
                          nullif(own_node, 0));
    END IF;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_require_last() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_require_last() IS
    'Raises 55000 while another database takes from this one, or this hub from another';

CREATE FUNCTION @extschema@.tw_become_single() RETURNS void
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    PERFORM @extschema@.tw_drop_read_slots(NULL::text);
    EXECUTE 'DROP PUBLICATION IF EXISTS training_workflow';
    DELETE FROM @extschema@.fleet_replies;
    PERFORM @extschema@.tw_set_fleet_setting('fleet_role'::text, 'single'::text);
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_become_single() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_become_single() IS
    'Drops the publication and the slots of others, and ends the role in the fleet';

-- Without SET: it commits.
CREATE PROCEDURE @extschema@.tw_leave_publisher(publisher integer, force boolean)
    LANGUAGE plpgsql
AS $procedure$
DECLARE
    connection pg_catalog.text;
    slot pg_catalog.text;
    up_to pg_catalog.text;
    is_delivered pg_catalog.bool := force;
BEGIN
    connection := @extschema@.tw_fleet_connection(publisher);
    SELECT s.slot INTO slot FROM @extschema@.tw_fleet_subscriptions s
    WHERE s.node OPERATOR(pg_catalog.=) publisher;
    IF NOT force THEN
        up_to := @extschema@.tw_fleet_ask(connection, 'SELECT pg_catalog.pg_current_wal_lsn()::text'::pg_catalog.text);
        FOR attempt IN 1 .. 300 LOOP
            is_delivered := NOT @extschema@.tw_is_copying(publisher)
                            AND @extschema@.tw_fleet_is_delivered(connection, slot, up_to);
            EXIT WHEN is_delivered;
            PERFORM pg_catalog.pg_sleep(0.2::pg_catalog.float8);
            COMMIT;
        END LOOP;
    END IF;
    IF NOT is_delivered THEN
        PERFORM @extschema@.tw_raise_undelivered(publisher);
    END IF;
    CALL @extschema@.tw_end_subscription(publisher, connection, slot);
END
$procedure$;
REVOKE ALL ON PROCEDURE @extschema@.tw_leave_publisher(integer, boolean) FROM PUBLIC;
COMMENT ON PROCEDURE @extschema@.tw_leave_publisher(integer, boolean) IS
    'Ends a subscription once it has delivered everything, for which it waits at most a minute; with force at once';

CREATE PROCEDURE @extschema@.fleet_leave(node integer DEFAULT NULL, force boolean DEFAULT false)
    LANGUAGE plpgsql
AS $procedure$
DECLARE
    publisher pg_catalog.int4;
    is_hub pg_catalog.bool;
BEGIN
    COMMIT;
    force := coalesce(force, false);
    is_hub := @extschema@.tw_require_fleet() OPERATOR(pg_catalog.=) 'hub'::pg_catalog.text;
    IF NOT is_hub OR node IS NOT NULL THEN
        PERFORM @extschema@.tw_fleet_node_argument(node);
    END IF;
    IF node IS NOT NULL THEN
        PERFORM @extschema@.tw_fleet_connection(node);
        CALL @extschema@.tw_leave_publisher(node, force);
        PERFORM @extschema@.tw_forget_fleet_node(node, force);
    ELSE
        -- Before anything is done: a node that has left by halves would capture by decisions that grow old.
        IF NOT force THEN
            PERFORM @extschema@.tw_require_last();
        END IF;
        -- What a node does not get any more from its hub is no loss; what a hub does not get was said to be none.
        FOR publisher IN SELECT s.node FROM @extschema@.tw_fleet_subscriptions s LOOP
            CALL @extschema@.tw_leave_publisher(publisher, true);
        END LOOP;
        PERFORM @extschema@.tw_become_single();
    END IF;
    COMMIT;
END
$procedure$;
REVOKE ALL ON PROCEDURE @extschema@.fleet_leave(integer, boolean) FROM PUBLIC;
COMMENT ON PROCEDURE @extschema@.fleet_leave(integer, boolean) IS
    'At the hub with the number of a node: takes what the node has until now, for which it waits at most a minute, and '
    'ends the subscription. On a node, after that: ends its own, and is a database of its own again. At the hub '
    'without a number, after all nodes: ends the fleet. Ids stay what they are, and new ones in the same part. '
    'force: without waiting, also where the other end is gone for good; its slots here are dropped. Raises 22023 for a '
    'number on a node, 42704 where there is no subscription, 55000 where a node''s conversations do not arrive or '
    'another database still takes from this one, 08006 where the other end cannot be reached, 2D000 inside a '
    'transaction';
