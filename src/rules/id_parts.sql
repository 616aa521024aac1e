-- In one database, conversations with higher ids came later. At the hub of a fleet that holds within a part of the ids
-- alone, which is one database's: a conversation of node 1 that arrives now has a lower id than those of node 2. So
-- "the conversations after this one" are there a position for each part: an array of ids, at most one of each part. A
-- part without a position is new as a whole. A database that was in no fleet may have kept ids of any size from
-- elsewhere: it is taken as one part.

CREATE FUNCTION @extschema@.tw_position(positions bigint[], node integer) RETURNS bigint
    LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
RETURN coalesce((SELECT max(p) FROM unnest(positions) AS p WHERE @extschema@.tw_node_of(p) = node), node::bigint << 43);
REVOKE ALL ON FUNCTION @extschema@.tw_position(bigint[], integer) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_position(bigint[], integer) IS
    'The highest of these ids in the part of a node; where there is none, the number before its first id';

CREATE FUNCTION @extschema@.tw_split_positions(positions bigint[], node integer, OUT own bigint, OUT nodes bigint[])
    LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT @extschema@.tw_position(positions, node),
           ARRAY(SELECT max(p) FROM unnest(positions) AS p WHERE @extschema@.tw_node_of(p) <> node
                 GROUP BY @extschema@.tw_node_of(p) ORDER BY 1);
END;
REVOKE ALL ON FUNCTION @extschema@.tw_split_positions(bigint[], integer) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_split_positions(bigint[], integer) IS
    'The highest of these ids in the part of a node, as tw_position() gives it, and the highest in each other part';

CREATE FUNCTION @extschema@.tw_later_parts(positions bigint[], margin bigint, OUT after bigint, OUT up_to bigint)
    RETURNS SETOF record
    LANGUAGE plpgsql STABLE ROWS 1 SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    reached bigint := 0;
    node integer;
BEGIN
    IF @extschema@.tw_fleet_node() IS NULL THEN
        after := coalesce((SELECT max(p) FROM unnest(positions) AS p) - margin, -9223372036854775808);
        up_to := 9223372036854775807;
        RETURN NEXT;
        RETURN;
    END IF;
    -- One entry of the index for each part that has conversations.
    LOOP
        node := @extschema@.tw_node_of((SELECT min(c.id) FROM @extschema@.conversation_logs c WHERE c.id > reached));
        EXIT WHEN node IS NULL OR node > 1023;
        reached := @extschema@.tw_first_id(node + 1) - 2;
        up_to := reached;
        after := greatest(@extschema@.tw_position(positions, node) - margin, node::bigint << 43);
        IF EXISTS (SELECT FROM @extschema@.conversation_logs c WHERE c.id > after AND c.id <= up_to) THEN
            RETURN NEXT;
        END IF;
    END LOOP;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_later_parts(bigint[], bigint) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_later_parts(bigint[], bigint) IS
    'Where the conversations after these positions are, and the margin last ones before each: those with an id above '
    'after and up to up_to. In a fleet one row for each part that has such; otherwise one row, whether there are any '
    'or not';

CREATE FUNCTION @extschema@.tw_newest_of_nodes() RETURNS bigint[]
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    own CONSTANT integer := @extschema@.tw_fleet_node();
BEGIN
    RETURN CASE WHEN own IS NOT NULL THEN ARRAY(
        SELECT (SELECT max(c.id) FROM @extschema@.conversation_logs c WHERE c.id > k.after AND c.id <= k.up_to)
        FROM @extschema@.tw_later_parts('{}'::bigint[], 0::bigint) k
        WHERE @extschema@.tw_node_of(k.up_to) <> own ORDER BY 1) END;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_newest_of_nodes() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_newest_of_nodes() IS
    'The highest id that has arrived of each other database of the fleet; NULL in a database that was in none';
