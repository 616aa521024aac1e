-- sweep_fleet(): the job of a hub. For most of a minute, every two seconds: the samples of what has arrived, and a
-- heartbeat, which the nodes answer.

CREATE FUNCTION @extschema@.tw_send_heartbeat() RETURNS void
    LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    INSERT INTO @extschema@.fleet_heartbeats AS h (hub) VALUES (0)
    ON CONFLICT (hub) DO UPDATE SET number = h.number + 1, sent_at = clock_timestamp();
END;
REVOKE ALL ON FUNCTION @extschema@.tw_send_heartbeat() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_send_heartbeat() IS 'The hub''s next heartbeat';

CREATE FUNCTION @extschema@.tw_fleet_step(run bigint, state jsonb, at timestamptz) RETURNS jsonb
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    -- The next run begins at the next minute.
    ends CONSTANT timestamptz := coalesce((state ->> 'ends')::timestamptz, clock_timestamp() + interval '50 seconds');
    is_full CONSTANT boolean := coalesce((state ->> 'is_full')::boolean, false);
    done record;
BEGIN
    IF state IS NOT NULL AND NOT is_full THEN
        PERFORM pg_sleep(2);
    END IF;
    SELECT * INTO done FROM @extschema@.tw_promote_arrivals(5000);
    -- Also while there is a backlog.
    IF NOT EXISTS (SELECT FROM @extschema@.fleet_heartbeats h
                   WHERE h.sent_at > clock_timestamp() - interval '2 seconds' AND is_full) THEN
        PERFORM @extschema@.tw_send_heartbeat();
    END IF;
    PERFORM @extschema@.tw_note_run(run, 'arrivals'::text, jsonb_strip_nulls(jsonb_build_object(
        'taken', done.taken, 'promoted', done.promoted, 'not promoted', nullif(done.failed, 0))), false);
    IF done.failed > 0 THEN
        PERFORM @extschema@.tw_fail_run(run, '55000'::text, format('%s samples could not be made, see '
            'SELECT * FROM promote_missed_conversations(''0'')', done.failed));
    END IF;
    -- at is for tests: no waiting.
    RETURN CASE WHEN done.taken = 5000 AND done.promoted > 0 AND (at IS NOT NULL OR clock_timestamp() < ends)
                THEN jsonb_build_object('ends', ends, 'is_full', true)
                WHEN at IS NULL AND clock_timestamp() < ends THEN jsonb_build_object('ends', ends) END;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_fleet_step(bigint, jsonb, timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_fleet_step(bigint, jsonb, timestamptz) IS
    'One step of sweep_fleet(), as tw_job_step() calls it';

CREATE PROCEDURE @extschema@.sweep_fleet(at timestamptz DEFAULT NULL)
    LANGUAGE plpgsql
AS $procedure$ BEGIN
    CALL @extschema@.tw_run_job('sweep_fleet'::pg_catalog.text, NULL::pg_catalog.text, at);
END $procedure$;
REVOKE ALL ON PROCEDURE @extschema@.sweep_fleet(timestamptz) FROM PUBLIC;
COMMENT ON PROCEDURE @extschema@.sweep_fleet(timestamptz) IS
    'The job of a hub, for pg_cron, every minute: for 50 seconds, every two seconds, makes the samples of '
    'conversations that came from nodes, and sends a heartbeat, from whose answers fleet_status tells the lag. at, for '
    'tests: once, without waiting, until nothing is left. Does nothing on a database that is no hub, on a '
    'standby or on a restored copy. Raises 2D000 inside a transaction, 25001 inside a block with EXCEPTION, '
    '22023 for a time in the future';
