-- Fleets: one hub and many nodes. Each database numbers its conversations in a part of its own of the range of ids.

-- A part has 2^43 ids (8.8e12), so that 1,024 of them stay below 2^53: beyond that, a number in JavaScript is rounded.
-- Parts follow one another, and the sequence goes on by one: after a restore, which brings its value and none of its
-- bounds, the next number is still in the part.
CREATE FUNCTION @extschema@.tw_node_of(id bigint) RETURNS integer
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (id OPERATOR(pg_catalog.>>) 43)::pg_catalog.int4;
REVOKE ALL ON FUNCTION @extschema@.tw_node_of(bigint) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_node_of(bigint) IS
    'The number of the database that gave a conversation its id: 0 for a hub or a database on its own, 1 to 1023 for a '
    'node';

CREATE FUNCTION @extschema@.tw_first_id(node integer) RETURNS bigint
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (node::pg_catalog.int8 OPERATOR(pg_catalog.<<) 43) OPERATOR(pg_catalog.+) 1::pg_catalog.int8;
REVOKE ALL ON FUNCTION @extschema@.tw_first_id(integer) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_first_id(integer) IS 'The first id that the database with this number gives';

CREATE FUNCTION @extschema@.tw_fleet_role() RETURNS text
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
RETURN @extschema@.training_setting('fleet_role'::text);
REVOKE ALL ON FUNCTION @extschema@.tw_fleet_role() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_fleet_role() IS 'single, hub or node: the setting fleet_role';

CREATE FUNCTION @extschema@.tw_fleet_node() RETURNS integer
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
RETURN nullif(@extschema@.training_setting('fleet_node'::text), 'none')::integer;
REVOKE ALL ON FUNCTION @extschema@.tw_fleet_node() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_fleet_node() IS
    'The number of this database: the setting fleet_node; NULL = set_fleet_node() was never called';

CREATE FUNCTION @extschema@.tw_decides_feedback() RETURNS boolean
    LANGUAGE c STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'tw_decides_feedback';
REVOKE ALL ON FUNCTION @extschema@.tw_decides_feedback() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_decides_feedback() IS
    'Whether feedback queues conversations in this database: not on a node, at the hub also when it comes by '
    'replication, and elsewhere when it does not';

CREATE FUNCTION @extschema@.tw_refuse_on_node() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'tw_refuse_on_node';
REVOKE ALL ON FUNCTION @extschema@.tw_refuse_on_node() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_refuse_on_node() IS
    'Trigger: refuses changes by a session of a node to what the hub decides; raises 55000 '
    '(object_not_in_prerequisite_state)';

CREATE FUNCTION @extschema@.tw_require_no_node() RETURNS void
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF @extschema@.tw_fleet_role() = 'node' THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = 'this database is a node of a fleet: it captures and answers, and the hub decides',
            HINT = 'Do it at the hub. What changes there is in force here as soon as it has arrived (fleet_status).';
    END IF;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_require_no_node() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_require_no_node() IS
    'Raises 55000 on a node of a fleet, where a call could otherwise do something before it comes to a table that is '
    'the hub''s';

CREATE FUNCTION @extschema@.tw_last_number(sequence regclass) RETURNS bigint
    LANGUAGE plpgsql VOLATILE STRICT SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    last_number bigint;
BEGIN
    -- pg_sequence_last_value() has nothing of a sequence that was bounded anew and gave nothing since.
    EXECUTE format('SELECT s.last_value - (NOT s.is_called)::integer FROM %s s', sequence) INTO last_number;
    RETURN last_number;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_last_number(regclass) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_last_number(regclass) IS
    'The number before the one that a sequence gives next: what was given so far is not above it';
