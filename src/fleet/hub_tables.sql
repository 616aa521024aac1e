-- On a node: what the hub publishes. It comes by replication alone, and what follows from it is said at once.

CREATE FUNCTION @extschema@.tw_fleet_replace() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    -- The first copy of a table is the one thing that fires it: changes that follow fire no statement triggers. Both
    -- commit together, so that no session sees the table empty.
    IF @extschema@.tw_fleet_role() = 'node' THEN
        EXECUTE format('DELETE FROM %s', TG_RELID::regclass)
            || CASE TG_RELID WHEN '@extschema@.training_settings'::regclass
                    THEN ' WHERE name <> ALL (@extschema@.tw_local_settings())' ELSE '' END;
    END IF;
    RETURN NULL;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_fleet_replace() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_fleet_replace() IS
    'Trigger of a node: deletes what a table of the hub held here, before the hub''s rows are copied into it';

CREATE FUNCTION @extschema@.tw_fleet_report_steps() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    own CONSTANT integer := @extschema@.tw_fleet_node();
    at CONSTANT timestamptz := clock_timestamp();
BEGIN
    IF @extschema@.tw_fleet_role() = 'node' THEN
        -- A hub that was restored gives numbers of rollouts again. An hour is more than clocks differ.
        UPDATE @extschema@.fleet_rollout_steps s SET in_force_at = at
        WHERE s.rollout_id = NEW.id AND s.node = own AND s.in_force_at < NEW.started_at - interval '1 hour';
        INSERT INTO @extschema@.fleet_rollout_steps (rollout_id, node, step, in_force_at)
        SELECT NEW.id, own, s, at FROM generate_series(1, cardinality(NEW.step_times)) s
        ON CONFLICT DO NOTHING;
    END IF;
    RETURN NULL;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_fleet_report_steps() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_fleet_report_steps() IS
    'Trigger of a node: records when a step of a rollout came into force here';

CREATE FUNCTION @extschema@.tw_versions_in_force() RETURNS jsonb
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT coalesce(jsonb_object_agg(t.model_type, t.versions), '{}')
    FROM (SELECT m.model_type, jsonb_strip_nulls(jsonb_build_object(
                     'production', max(m.version) FILTER (WHERE m.status = 'production'),
                     'canary', max(m.version) FILTER (WHERE m.status = 'canary'),
                     'percentage', max(m.traffic_percentage) FILTER (WHERE m.status = 'canary'))) AS versions
          FROM @extschema@.model_versions m WHERE m.status IN ('production', 'canary')
          GROUP BY m.model_type) t;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_versions_in_force() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_versions_in_force() IS
    'For each model type the version in production, the canary, and the percentage of its sessions';

CREATE FUNCTION @extschema@.tw_fleet_reply() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    is_heartbeat CONSTANT boolean := TG_RELID = '@extschema@.fleet_heartbeats'::regclass;
BEGIN
    IF @extschema@.tw_fleet_role() = 'node' THEN
        INSERT INTO @extschema@.fleet_replies AS r (node, heartbeat_at, versions)
        SELECT @extschema@.tw_fleet_node(), (SELECT h.sent_at FROM @extschema@.fleet_heartbeats h),
               @extschema@.tw_versions_in_force()
        ON CONFLICT (node) DO UPDATE
        SET number = r.number + 1, versions = excluded.versions,
            -- Together they tell the lag: a change of the versions is no answer to a heartbeat.
            heartbeat_at = CASE WHEN is_heartbeat THEN excluded.heartbeat_at ELSE r.heartbeat_at END,
            replied_at = CASE WHEN is_heartbeat THEN excluded.replied_at ELSE r.replied_at END;
    END IF;
    RETURN NULL;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_fleet_reply() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_fleet_reply() IS
    'Trigger of a node: answers a heartbeat, and a change of the versions in force, with its row of fleet_replies';

CREATE FUNCTION @extschema@.tw_fleet_receive() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF @extschema@.tw_fleet_role() <> 'hub' THEN
        RETURN NEW;
    END IF;
    NEW.received_at := NULL;
    IF TG_OP = 'INSERT' THEN
        -- A copy: of everything, so that nothing is missing after it. When it was written says nothing about the lag.
        DELETE FROM @extschema@.fleet_replies r WHERE r.node = NEW.node;
    ELSIF NEW.number <> OLD.number + 1 THEN
        -- Every reply comes, in order. So one of the two was restored from a backup, and what came between is missing.
        NEW.missing_from := least(OLD.missing_from, OLD.replied_at, NEW.replied_at);
        NEW.missing_to := greatest(OLD.missing_to, OLD.replied_at, NEW.replied_at);
    ELSE
        NEW.missing_from := OLD.missing_from;
        NEW.missing_to := OLD.missing_to;
    END IF;
    IF TG_OP = 'UPDATE' THEN
        NEW.received_at := CASE WHEN NEW.heartbeat_at IS DISTINCT FROM OLD.heartbeat_at THEN clock_timestamp()
                                ELSE OLD.received_at END;
    END IF;
    RETURN NEW;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_fleet_receive() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_fleet_receive() IS
    'Trigger of a hub: notes when a reply of a node arrived, and whether one before it is missing';

CREATE FUNCTION @extschema@.tw_fleet_keep_first() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF EXISTS (SELECT FROM @extschema@.fleet_rollout_steps s
               WHERE s.rollout_id = NEW.rollout_id AND s.node = NEW.node AND s.step = NEW.step) THEN
        RETURN NULL;
    END IF;
    RETURN NEW;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_fleet_keep_first() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_fleet_keep_first() IS
    'Trigger: a step that is copied once more is not stored again';

-- ENABLE REPLICA: these act in the workers of subscriptions alone.
CREATE TRIGGER model_versions_replace BEFORE INSERT ON @extschema@.model_versions
    FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.tw_fleet_replace();
ALTER TABLE @extschema@.model_versions ENABLE REPLICA TRIGGER model_versions_replace;
CREATE TRIGGER model_artifacts_replace BEFORE INSERT ON @extschema@.model_artifacts
    FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.tw_fleet_replace();
ALTER TABLE @extschema@.model_artifacts ENABLE REPLICA TRIGGER model_artifacts_replace;
CREATE TRIGGER rollouts_replace BEFORE INSERT ON @extschema@.rollouts
    FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.tw_fleet_replace();
ALTER TABLE @extschema@.rollouts ENABLE REPLICA TRIGGER rollouts_replace;
CREATE TRIGGER audited_versions_replace BEFORE INSERT ON @extschema@.audited_versions
    FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.tw_fleet_replace();
ALTER TABLE @extschema@.audited_versions ENABLE REPLICA TRIGGER audited_versions_replace;
CREATE TRIGGER review_policies_replace BEFORE INSERT ON @extschema@.review_policies
    FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.tw_fleet_replace();
ALTER TABLE @extschema@.review_policies ENABLE REPLICA TRIGGER review_policies_replace;
CREATE TRIGGER intent_aliases_replace BEFORE INSERT ON @extschema@.intent_aliases
    FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.tw_fleet_replace();
ALTER TABLE @extschema@.intent_aliases ENABLE REPLICA TRIGGER intent_aliases_replace;
CREATE TRIGGER training_settings_replace BEFORE INSERT ON @extschema@.training_settings
    FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.tw_fleet_replace();
ALTER TABLE @extschema@.training_settings ENABLE REPLICA TRIGGER training_settings_replace;
CREATE TRIGGER fleet_heartbeats_replace BEFORE INSERT ON @extschema@.fleet_heartbeats
    FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.tw_fleet_replace();
ALTER TABLE @extschema@.fleet_heartbeats ENABLE REPLICA TRIGGER fleet_heartbeats_replace;
CREATE TRIGGER rollouts_report AFTER INSERT OR UPDATE ON @extschema@.rollouts
    FOR EACH ROW EXECUTE FUNCTION @extschema@.tw_fleet_report_steps();
ALTER TABLE @extschema@.rollouts ENABLE REPLICA TRIGGER rollouts_report;
CREATE TRIGGER model_versions_reply AFTER INSERT OR UPDATE OF status, traffic_percentage ON @extschema@.model_versions
    FOR EACH ROW EXECUTE FUNCTION @extschema@.tw_fleet_reply();
ALTER TABLE @extschema@.model_versions ENABLE REPLICA TRIGGER model_versions_reply;
CREATE TRIGGER fleet_heartbeats_reply AFTER INSERT OR UPDATE ON @extschema@.fleet_heartbeats
    FOR EACH ROW EXECUTE FUNCTION @extschema@.tw_fleet_reply();
ALTER TABLE @extschema@.fleet_heartbeats ENABLE REPLICA TRIGGER fleet_heartbeats_reply;
CREATE TRIGGER fleet_replies_receive BEFORE INSERT OR UPDATE ON @extschema@.fleet_replies
    FOR EACH ROW EXECUTE FUNCTION @extschema@.tw_fleet_receive();
ALTER TABLE @extschema@.fleet_replies ENABLE REPLICA TRIGGER fleet_replies_receive;
CREATE TRIGGER fleet_rollout_steps_keep_first BEFORE INSERT ON @extschema@.fleet_rollout_steps
    FOR EACH ROW EXECUTE FUNCTION @extschema@.tw_fleet_keep_first();
ALTER TABLE @extschema@.fleet_rollout_steps ENABLE REPLICA TRIGGER fleet_rollout_steps_keep_first;

-- And these in every other session: on a node nobody decides what the hub does.
CREATE TRIGGER model_versions_refuse_on_node BEFORE INSERT OR UPDATE OR DELETE ON @extschema@.model_versions
    FOR EACH ROW EXECUTE FUNCTION @extschema@.tw_refuse_on_node();
CREATE TRIGGER model_artifacts_refuse_on_node BEFORE INSERT OR UPDATE OR DELETE ON @extschema@.model_artifacts
    FOR EACH ROW EXECUTE FUNCTION @extschema@.tw_refuse_on_node();
CREATE TRIGGER rollouts_refuse_on_node BEFORE INSERT OR UPDATE OR DELETE ON @extschema@.rollouts
    FOR EACH ROW EXECUTE FUNCTION @extschema@.tw_refuse_on_node();
CREATE TRIGGER audited_versions_refuse_on_node BEFORE INSERT OR UPDATE OR DELETE ON @extschema@.audited_versions
    FOR EACH ROW EXECUTE FUNCTION @extschema@.tw_refuse_on_node();
CREATE TRIGGER review_policies_refuse_on_node BEFORE INSERT OR UPDATE OR DELETE ON @extschema@.review_policies
    FOR EACH ROW EXECUTE FUNCTION @extschema@.tw_refuse_on_node();
CREATE TRIGGER intent_aliases_refuse_on_node BEFORE INSERT OR UPDATE OR DELETE ON @extschema@.intent_aliases
    FOR EACH ROW EXECUTE FUNCTION @extschema@.tw_refuse_on_node();
CREATE TRIGGER training_jobs_refuse_on_node BEFORE INSERT OR UPDATE OR DELETE ON @extschema@.training_jobs
    FOR EACH ROW EXECUTE FUNCTION @extschema@.tw_refuse_on_node();
CREATE TRIGGER review_claims_refuse_on_node BEFORE INSERT OR UPDATE OR DELETE ON @extschema@.review_claims
    FOR EACH ROW EXECUTE FUNCTION @extschema@.tw_refuse_on_node();
CREATE TRIGGER labelstudio_projects_refuse_on_node BEFORE INSERT OR UPDATE OR DELETE ON @extschema@.labelstudio_projects
    FOR EACH ROW EXECUTE FUNCTION @extschema@.tw_refuse_on_node();
CREATE TRIGGER sample_imports_refuse_on_node BEFORE INSERT OR UPDATE OR DELETE ON @extschema@.sample_imports
    FOR EACH ROW EXECUTE FUNCTION @extschema@.tw_refuse_on_node();
CREATE TRIGGER review_events_refuse_on_node BEFORE INSERT ON @extschema@.review_events
    FOR EACH ROW EXECUTE FUNCTION @extschema@.tw_refuse_on_node();
