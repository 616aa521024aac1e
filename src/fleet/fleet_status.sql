-- fleet_status: the other databases of the fleet, as seen from this one.

CREATE FUNCTION @extschema@.tw_fleet_streams(
    OUT node integer, OUT is_subscribed boolean, OUT is_enabled boolean, OUT is_running boolean, OUT is_copying boolean,
    OUT has_tables boolean, OUT is_cut_off boolean, OUT has_slot boolean, OUT slot_is_active boolean,
    OUT wal_status text, OUT behind_bytes bigint)
    RETURNS SETOF record
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH own_slots AS (
        SELECT s.*, coalesce(substring(s.slot_name FROM '_node_([0-9]+)$')::integer, 0) AS node
        FROM pg_replication_slots s
        WHERE s.database = current_database() AND s.slot_name ~ '^training_workflow_[0-9]+_(hub|node_[0-9]{1,4})$'
    ), nodes AS (
        SELECT x.node FROM @extschema@.tw_fleet_subscriptions x
        UNION
        SELECT o.node FROM own_slots o
        UNION
        SELECT r.node FROM @extschema@.fleet_replies r WHERE @extschema@.tw_fleet_role() = 'hub'
    )
    SELECT n.node, s.id IS NOT NULL, s.is_enabled,
           EXISTS (SELECT FROM pg_stat_subscription w WHERE w.subid = s.id AND w.relid IS NULL AND w.pid IS NOT NULL),
           EXISTS (SELECT FROM pg_subscription_rel t WHERE t.srsubid = s.id AND t.srsubstate NOT IN ('r', 's')),
           EXISTS (SELECT FROM pg_subscription_rel t WHERE t.srsubid = s.id),
           -- A worker drops its slot at the publisher before the end of its copy is safe here. Where this server dies
           -- between the two, workers look for that slot for ever: each ends at once, and is counted nowhere.
           EXISTS (SELECT FROM pg_subscription_rel t
                   WHERE t.srsubid = s.id AND t.srsubstate = 'f'
                     AND NOT EXISTS (SELECT FROM pg_stat_subscription w
                                     WHERE w.subid = t.srsubid AND w.relid = t.srrelid AND w.pid IS NOT NULL)),
           o.slot_name IS NOT NULL, o.active, o.wal_status,
           CASE WHEN NOT pg_is_in_recovery()
                THEN pg_wal_lsn_diff(pg_current_wal_lsn(), o.confirmed_flush_lsn)::bigint END
    FROM nodes n
    LEFT JOIN @extschema@.tw_fleet_subscriptions s ON s.node = n.node
    LEFT JOIN own_slots o ON o.node = n.node;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_fleet_streams() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_fleet_streams() IS
    'For each other database of the fleet (0 is the hub) the state of the stream from it, and of the slot from which '
    'it takes this database''s';

CREATE FUNCTION @extschema@.tw_fleet_state(
    OUT node integer, OUT state text, OUT lag_seconds double precision, OUT last_conversation timestamptz,
    OUT versions jsonb, OUT is_current boolean, OUT clock_difference_seconds double precision,
    OUT behind_bytes bigint, OUT missing_from timestamptz,
    OUT missing_to timestamptz, OUT advice text)
    RETURNS SETOF record
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH seen AS (
        SELECT t.*, r.heartbeat_at, r.replied_at, r.received_at, r.missing_from AS gap_from, r.missing_to AS gap_to,
               CASE WHEN t.node = 0 THEN @extschema@.tw_versions_in_force() ELSE r.versions END AS in_force,
               h.sent_at, CASE t.node WHEN 0 THEN 'the hub' ELSE 'node ' || t.node END AS peer,
               CASE t.node WHEN 0 THEN '' ELSE t.node::text END AS argument,
               CASE WHEN NOT t.is_subscribed THEN 'not subscribed'
                    WHEN t.wal_status = 'lost' THEN 'slot lost'
                    -- A dump has a subscription without the tables and the position in the log. Enabled as it is, it
                    -- would take nothing, and tell the publisher that it has.
                    WHEN NOT t.has_tables AND t.node = 0 THEN 'stopped'
                    WHEN NOT t.has_tables OR r.missing_from IS NOT NULL AND t.is_enabled THEN 'conversations missing'
                    WHEN NOT t.is_enabled THEN 'stopped'
                    WHEN NOT t.is_running THEN 'failing'
                    WHEN t.is_cut_off THEN 'copy cut off'
                    WHEN t.is_copying THEN 'copying'
                    WHEN NOT t.has_slot THEN 'not read'
                    WHEN NOT t.slot_is_active THEN 'away'
                    ELSE 'replicating' END AS condition
        FROM @extschema@.tw_fleet_streams() t
        LEFT JOIN @extschema@.fleet_replies r ON r.node = t.node
        LEFT JOIN @extschema@.fleet_heartbeats h ON true
    )
    SELECT s.node, s.condition,
           -- Of a heartbeat that is answered, its way there and back; of one that is not, the time until now.
           extract(epoch FROM CASE WHEN s.node = 0 THEN clock_timestamp() - s.sent_at
                                   WHEN s.heartbeat_at = s.sent_at THEN s.received_at - s.heartbeat_at
                                   ELSE clock_timestamp() - s.heartbeat_at END),
           (SELECT c.created_at FROM @extschema@.conversation_logs c
            WHERE c.id = @extschema@.tw_fleet_last_id(s.node) AND s.node > 0),
           s.in_force, s.in_force = @extschema@.tw_versions_in_force(),
           -- As NTP has it: the reply was written half way between the heartbeat and its arrival.
           CASE WHEN s.node > 0
                THEN extract(epoch FROM s.replied_at - (s.heartbeat_at + (s.received_at - s.heartbeat_at) / 2)) END,
           s.behind_bytes, s.gap_from, s.gap_to,
           CASE s.condition
               WHEN 'not subscribed'
               THEN format('this database takes nothing from %s: CALL fleet_subscribe(connection)', s.peer)
               WHEN 'slot lost'
               THEN format('%s was away for longer than max_slot_wal_keep_size allows: CALL fleet_resync(%s) there',
                           s.peer, CASE s.node WHEN 0 THEN @extschema@.tw_fleet_node()::text ELSE '' END)
               WHEN 'stopped'
               THEN CASE WHEN s.has_tables
                         THEN format('ALTER SUBSCRIPTION %I ENABLE', @extschema@.tw_fleet_subscription(s.node))
                         ELSE 'it came from a dump: CALL fleet_resync()' END
               WHEN 'conversations missing'
               THEN format('a restore left a gap: CALL fleet_resync(%s)', s.argument)
               WHEN 'failing'
               THEN format('see the log of this server; if the slot at %s is lost, or it was restored: CALL '
                           'fleet_resync(%s)', s.peer, s.argument)
               WHEN 'copy cut off'
               THEN format('if it stays so, this server died at the very end of a copy, which cannot go on: CALL '
                           'fleet_resync(%s)', s.argument)
               WHEN 'not read'
               THEN format('%s takes nothing from this database: CALL fleet_subscribe(connection) there', s.peer)
               WHEN 'away'
               THEN format('%s does not read: is it running? This server keeps its WAL, %s so far', s.peer,
                           pg_size_pretty(s.behind_bytes))
               WHEN 'replicating'
               THEN CASE WHEN s.sent_at IS NULL AND s.node > 0
                         THEN 'no heartbeat was ever sent, so that the lag is unknown: SELECT * FROM schedule_jobs()'
                         WHEN s.sent_at < clock_timestamp() - interval '5 minutes' AND s.node > 0
                         THEN 'the last heartbeat is old, so that the lag is unknown: see job_health (sweep_fleet)' END
               END
    FROM seen s;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_fleet_state() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_fleet_state() IS 'The rows of fleet_status';

CREATE VIEW @extschema@.fleet_status AS
    SELECT s.node, s.state, s.lag_seconds, s.last_conversation, s.versions, s.is_current, s.clock_difference_seconds,
           s.behind_bytes, s.missing_from, s.missing_to, s.advice
    FROM @extschema@.tw_fleet_state() s ORDER BY s.node;
REVOKE ALL ON TABLE @extschema@.fleet_status FROM PUBLIC;
COMMENT ON VIEW @extschema@.fleet_status IS
    'The other databases of the fleet: at the hub each node, on a node the hub. No row outside of a fleet';
COMMENT ON COLUMN @extschema@.fleet_status.node IS 'Number of the other database; 0 is the hub';
COMMENT ON COLUMN @extschema@.fleet_status.state IS
    'replicating; copying: the first copy, or one by fleet_resync(); copy cut off: it cannot go on; not subscribed, '
    'stopped, failing: this database does not take from it; not read, away, slot lost: it does not take from this '
    'database; conversations missing: a restore left a gap, or will. What to do is in advice';
COMMENT ON COLUMN @extschema@.fleet_status.lag_seconds IS
    'At the hub: how many seconds a heartbeat took to the node and back, or how old the last one is that was answered, '
    'if a newer one was not. On a node: the age of the last heartbeat, by both clocks. NULL = no heartbeat was '
    'answered yet';
COMMENT ON COLUMN @extschema@.fleet_status.last_conversation IS
    'created_at of the newest conversation that has come from the node; NULL on a node, and where none has come';
COMMENT ON COLUMN @extschema@.fleet_status.versions IS
    'The versions in force there, as it said last: for each model type production, canary and its percentage; on a '
    'node, those in force here; NULL = it has not said any';
COMMENT ON COLUMN @extschema@.fleet_status.is_current IS
    'Whether these are the versions that this database has; NULL where versions is';
COMMENT ON COLUMN @extschema@.fleet_status.clock_difference_seconds IS
    'How many seconds the clock of the node is ahead of this one, to half of the lag; NULL = not known';
COMMENT ON COLUMN @extschema@.fleet_status.behind_bytes IS
    'WAL of this server that the other one has not confirmed yet; NULL where it has no slot here';
COMMENT ON COLUMN @extschema@.fleet_status.missing_from IS
    'From this time on, by the node''s clock, conversations of the node are missing here; NULL = none are known to be';
COMMENT ON COLUMN @extschema@.fleet_status.missing_to IS 'Up to this time they are missing; NULL where missing_from is';
COMMENT ON COLUMN @extschema@.fleet_status.advice IS 'What to do; NULL = nothing';
