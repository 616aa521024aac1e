-- The part of check_integrity() about fleets.

CREATE FUNCTION @extschema@.tw_fleet_problems(
    OUT problem text, OUT relation text, OUT found bigint, OUT example text, OUT hint text)
    RETURNS SETOF record
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    role CONSTANT text := @extschema@.tw_fleet_role();
    node CONSTANT integer := @extschema@.tw_fleet_node();
    logs CONSTANT text := '@extschema@.conversation_logs'::regclass::text;
    lacking text;
BEGIN
    -- A dump has the value of a sequence and none of its bounds.
    RETURN QUERY
    SELECT 'ids that are not bounded to this database', logs, 1::bigint, s.seqmin::text,
           format('Another database of the fleet may give the same ids: SELECT set_fleet_node(%s);', node)
    FROM pg_sequence s
    WHERE s.seqrelid = '@extschema@.conversation_logs_id_seq'::regclass AND node IS NOT NULL
      AND NOT @extschema@.tw_has_bounded_ids(node, NULL::bigint);
    IF role = 'single' THEN
        RETURN;
    END IF;
    RETURN QUERY
    SELECT 'conversation with the id of another database', logs, count(*), min(c.id)::text,
           'It came past the sequence; the hub takes it for that database''s: capture it again without an id.'
    FROM @extschema@.conversation_logs c
    WHERE role = 'node' AND (c.id < @extschema@.tw_first_id(node) OR c.id >= @extschema@.tw_first_id(node + 1))
    HAVING count(*) > 0;

    lacking := (SELECT string_agg(t::text, ', ' ORDER BY t::text) FROM @extschema@.tw_fleet_tables(role) t
                WHERE NOT EXISTS (SELECT FROM pg_publication p JOIN pg_publication_rel r ON r.prpubid = p.oid
                                  WHERE p.pubname = 'training_workflow' AND r.prrelid = t));
    RETURN QUERY
    SELECT 'table that is not published', split_part(lacking, ', ', 1), 1::bigint, lacking,
           'The other databases of the fleet do not get it: SELECT fleet_publish(); and then CALL fleet_resync() there.'
    WHERE lacking IS NOT NULL;

    RETURN QUERY
    SELECT 'database of the fleet that does not keep up', '@extschema@.fleet_replies'::regclass::text, 1::bigint,
           s.node::text, format('It is in state "%s": %s.', s.state, s.advice)
    FROM @extschema@.tw_fleet_state() s
    WHERE s.state IN ('conversations missing', 'slot lost', 'failing', 'stopped', 'copy cut off')
    ORDER BY s.node;

    -- A client that sends again what got no answer finds the first call only in the database that stored it.
    RETURN QUERY
    SELECT 'message that two nodes captured', logs, count(*), min(d.example)::text,
           'Of the last seven days. A client that sends a message again must reach the same node: keep sessions on one.'
    FROM (SELECT min(c.id) AS example FROM @extschema@.conversation_logs c
          WHERE role = 'hub' AND c.idempotency_key IS NOT NULL AND c.created_on >= current_date - 7
          GROUP BY c.idempotency_key, c.session_id, c.user_message
          HAVING count(DISTINCT @extschema@.tw_node_of(c.id)) > 1) d
    HAVING count(*) > 0;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_fleet_problems() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_fleet_problems() IS
    'The part of check_integrity() about the ids of this database, what it publishes, and the other databases of its '
    'fleet';
