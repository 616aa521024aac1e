-- At a hub: what comes from nodes. The triggers act in the workers of subscriptions alone, and only in a hub: a
-- subscriber that belongs to no fleet takes rows as they are.

CREATE FUNCTION @extschema@.tw_fleet_arrival() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'tw_fleet_arrival';
REVOKE ALL ON FUNCTION @extschema@.tw_fleet_arrival() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_fleet_arrival() IS
    'Trigger of a hub: does not store a conversation that it has, but what the application has said since; raises '
    '23505 (unique_violation) for another conversation with the same id';

CREATE FUNCTION @extschema@.tw_fleet_queue_arrival() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'tw_fleet_queue_arrival';
REVOKE ALL ON FUNCTION @extschema@.tw_fleet_queue_arrival() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_fleet_queue_arrival() IS
    'Trigger of a hub: queues a conversation of a node for its sample, if it was auto-approved';

CREATE FUNCTION @extschema@.tw_fleet_change() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'tw_fleet_change';
REVOKE ALL ON FUNCTION @extschema@.tw_fleet_change() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_fleet_change() IS
    'Trigger of a hub: of a later change on a node, takes what the application said, and leaves what the hub decided';

-- Before conversation_logs_filter and conversation_logs_requeue, by their names.
CREATE TRIGGER conversation_logs_arrival BEFORE INSERT ON @extschema@.conversation_logs
    FOR EACH ROW EXECUTE FUNCTION @extschema@.tw_fleet_arrival();
ALTER TABLE @extschema@.conversation_logs ENABLE REPLICA TRIGGER conversation_logs_arrival;
CREATE TRIGGER conversation_logs_change BEFORE UPDATE ON @extschema@.conversation_logs
    FOR EACH ROW EXECUTE FUNCTION @extschema@.tw_fleet_change();
ALTER TABLE @extschema@.conversation_logs ENABLE REPLICA TRIGGER conversation_logs_change;
CREATE TRIGGER conversation_logs_queue_arrival AFTER INSERT ON @extschema@.conversation_logs
    FOR EACH ROW EXECUTE FUNCTION @extschema@.tw_fleet_queue_arrival();
ALTER TABLE @extschema@.conversation_logs ENABLE REPLICA TRIGGER conversation_logs_queue_arrival;
CREATE TRIGGER conversation_logs_queue_late_arrival AFTER UPDATE ON @extschema@.conversation_logs
    FOR EACH ROW EXECUTE FUNCTION @extschema@.tw_fleet_queue_arrival();
ALTER TABLE @extschema@.conversation_logs ENABLE REPLICA TRIGGER conversation_logs_queue_late_arrival;

CREATE FUNCTION @extschema@.tw_fleet_service() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF NEW.routed_to IS NOT NULL AND @extschema@.tw_decides_feedback() THEN
        PERFORM @extschema@.tw_note_service(NEW.id, NEW.routed_to);
    END IF;
    RETURN NULL;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_fleet_service() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_fleet_service() IS
    'Trigger of a hub: the service that a node names after the capture becomes that of the sample';
CREATE TRIGGER conversation_logs_service AFTER UPDATE ON @extschema@.conversation_logs
    FOR EACH ROW WHEN (OLD.routed_to IS DISTINCT FROM NEW.routed_to)
    EXECUTE FUNCTION @extschema@.tw_fleet_service();
ALTER TABLE @extschema@.conversation_logs ENABLE REPLICA TRIGGER conversation_logs_service;

CREATE FUNCTION @extschema@.tw_promote_arrivals(
    max_rows integer, OUT taken bigint, OUT promoted bigint, OUT failed bigint)
    LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'tw_promote_arrivals';
REVOKE ALL ON FUNCTION @extschema@.tw_promote_arrivals(integer) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_promote_arrivals(integer) IS
    'Takes at most max_rows conversations of nodes from the queue and makes their samples; returns how many it took, '
    'promoted, and could not promote (a WARNING each; the daily sweep tries them again). Rows that another transaction '
    'has locked stay queued';
