-- set_fleet_node(): makes a database the hub of a fleet, or one of its nodes.

CREATE FUNCTION @extschema@.tw_set_fleet_setting(name text, value text) RETURNS void
    LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    INSERT INTO @extschema@.training_settings AS s (name, value) VALUES (name, value)
    ON CONFLICT (name) DO UPDATE SET value = excluded.value, updated_at = now(), updated_by = session_user
        WHERE s.value <> excluded.value;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_set_fleet_setting(text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_set_fleet_setting(text, text) IS 'Stores a setting that only the extension sets';

CREATE FUNCTION @extschema@.tw_require_own_ids(node integer) RETURNS void
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    foreign_id bigint;
BEGIN
    -- Both ends of the index. A hub has the conversations of its nodes as well.
    foreign_id := (SELECT min(c.id) FROM @extschema@.conversation_logs c);
    IF foreign_id IS NULL OR foreign_id >= @extschema@.tw_first_id(node) OR node = 0 THEN
        foreign_id := (SELECT max(c.id) FROM @extschema@.conversation_logs c);
        IF foreign_id < @extschema@.tw_first_id(CASE node WHEN 0 THEN 1024 ELSE node + 1 END) THEN
            foreign_id := NULL;
        END IF;
    END IF;
    IF foreign_id IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('this database cannot have the number %s: it has conversations with other ids', node),
            DETAIL = format('Conversation %s was given by number %s. Ids never change, and another database may give '
                            'the same ones.', foreign_id, @extschema@.tw_node_of(foreign_id)),
            HINT = 'A database that has captured on its own becomes the hub: SELECT set_fleet_node(0); its nodes begin '
                   'empty.';
    END IF;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_require_own_ids(integer) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_require_own_ids(integer) IS
    'Raises 55000 where a conversation has an id outside of the part of this number (of a hub: of all numbers)';

CREATE FUNCTION @extschema@.tw_bound_ids(node integer, given bigint) RETURNS void
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    first_id CONSTANT bigint := @extschema@.tw_first_id(node);
    last_id CONSTANT bigint := @extschema@.tw_first_id(node + 1) - 2;
    next_id bigint;
BEGIN
    -- The bounds keep every other session from the sequence until the commit.
    LOCK TABLE @extschema@.conversation_logs IN SHARE ROW EXCLUSIVE MODE;
    next_id := greatest(@extschema@.tw_last_number('@extschema@.conversation_logs_id_seq'::regclass),
                        @extschema@.tw_fleet_last_id(node), given) + 1;
    IF next_id IS NULL OR next_id NOT BETWEEN first_id AND last_id THEN
        next_id := first_id;
    END IF;
    EXECUTE format('ALTER SEQUENCE @extschema@.conversation_logs_id_seq MINVALUE %s MAXVALUE %s START %s RESTART %s',
                   first_id, last_id, first_id, next_id);
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_bound_ids(integer, bigint) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_bound_ids(integer, bigint) IS
    'Bounds the ids of new conversations to the part of this number, after every id that was given: by the sequence, '
    'in this database, and up to given (NULL: none is known)';

CREATE FUNCTION @extschema@.tw_has_bounded_ids(node integer, given bigint) RETURNS boolean
    LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT s.seqmin = @extschema@.tw_first_id(node) AND s.seqmax = @extschema@.tw_first_id(node + 1) - 2
           AND coalesce(given <= @extschema@.tw_last_number('@extschema@.conversation_logs_id_seq'::regclass), true)
    FROM pg_sequence s WHERE s.seqrelid = '@extschema@.conversation_logs_id_seq'::regclass;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_has_bounded_ids(integer, bigint) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_has_bounded_ids(integer, bigint) IS
    'Whether new conversations get ids of the part of this number, above given';

CREATE FUNCTION @extschema@.set_fleet_node(node integer) RETURNS text
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    role text;
BEGIN
    PERFORM @extschema@.tw_bound_waits();
    IF node IS NULL OR node NOT BETWEEN 0 AND 1023 THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('%s is no number of a database of a fleet', coalesce(node::text, 'NULL')),
            HINT = 'The hub has 0, and each node a number of its own from 1 to 1023.';
    END IF;
    role := CASE node WHEN 0 THEN 'hub' ELSE 'node' END;
    IF @extschema@.tw_fleet_role() <> 'single' AND node <> @extschema@.tw_fleet_node()
       AND EXISTS (SELECT FROM @extschema@.tw_fleet_subscriptions) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('this database is number %s of a fleet', @extschema@.tw_fleet_node()),
            HINT = 'CALL fleet_leave() first.';
    END IF;
    PERFORM @extschema@.tw_require_own_ids(node);
    IF role = 'node' AND EXISTS (SELECT FROM @extschema@.model_versions) AND @extschema@.tw_fleet_role() <> 'node' THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = 'this database has models of its own: it cannot be a node',
            DETAIL = 'A node takes models, rollouts, policies and settings from its hub, and keeps none of its own.',
            HINT = 'Let it be the hub: SELECT set_fleet_node(0); or make the node in a new database.';
    END IF;
    PERFORM @extschema@.tw_bound_ids(node, NULL::bigint);
    PERFORM @extschema@.tw_set_fleet_setting('fleet_node'::text, node::text);
    PERFORM @extschema@.tw_set_fleet_setting('fleet_role'::text, role);
    RETURN role;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.set_fleet_node(integer) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.set_fleet_node(integer) IS
    'Makes this database the hub of a fleet (node 0) or its node with a number of its own from 1 to 1023, and gives '
    'new conversations ids of that part of the range: node * 2^43 + 1 and on. Returns the role, hub or node. Captures '
    'wait until it commits. A node makes no samples and refuses reviews, training and rollouts, which are the hub''s. '
    'The same number again sets the bounds anew, as after a restore. Raises 22023 for another number, 55000 where '
    'conversations have other ids, for a node where this database has models, and for another number in a fleet, 55P03 '
    'where conversation_logs is locked for 5 seconds';
