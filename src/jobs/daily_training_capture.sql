-- CALL daily_training_capture(): the housekeeping of the loop. Its parts are independent: a failed part is recorded,
-- and the others run. Each part processes all pending work, not only that of the last 24 hours, so that the next run
-- makes up for a missed night.

CREATE FUNCTION @extschema@.tw_request_due_trainings(least_samples integer) RETURNS integer
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    kind text;
    requested integer := 0;
BEGIN
    FOR kind IN
        SELECT t.model_type FROM (SELECT 'router' AS model_type UNION
                                  SELECT m.model_type FROM @extschema@.model_versions m) t
        -- A training that waits or runs will learn them.
        WHERE NOT EXISTS (SELECT FROM @extschema@.training_jobs j
                          WHERE j.model_type = t.model_type AND j.kind = 'train'
                              AND j.status IN ('queued', 'running', 'handed-in'))
        ORDER BY t.model_type
    LOOP
        IF @extschema@.new_training_samples(kind) >= least_samples THEN
            PERFORM @extschema@.request_training(kind, @extschema@.tw_trainer_of(kind), '{}'::jsonb);
            requested := requested + 1;
        END IF;
    END LOOP;
    RETURN requested;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_request_due_trainings(integer) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_request_due_trainings(integer) IS
    'Requests a training of each model type with at least that many new samples and no training waiting or running; '
    'returns the number of requests';

CREATE FUNCTION @extschema@.tw_tidy() RETURNS bigint
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    -- A reviewer may hold a claim.
    DELETE FROM @extschema@.review_claims c
    WHERE c.id IN (SELECT x.id FROM @extschema@.review_claims x
                   WHERE x.expires_at < now() - interval '30 days' FOR UPDATE SKIP LOCKED);
    RETURN @extschema@.tw_delete_old_runs(NULL::timestamptz);
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_tidy() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_tidy() IS
    'Deletes old runs of jobs (tw_delete_old_runs), and claims that expired more than 30 days ago; returns the number '
    'of runs deleted';

CREATE FUNCTION @extschema@.tw_daily_sync(run bigint, state jsonb) RETURNS jsonb
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    last_sync @extschema@.job_runs;
BEGIN
    -- A failure is recorded in the row of the sync run itself.
    IF state ? 'call' THEN
        RETURN @extschema@.tw_called_run(run, 'labelstudio_sync'::text) - 'error_code';
    END IF;
    IF NOT EXISTS (SELECT FROM @extschema@.labelstudio_projects p WHERE p.is_active)
       AND NOT EXISTS (SELECT FROM @extschema@.labelstudio_erasures e WHERE e.deleted_at IS NULL) THEN
        RETURN '{"result": "skipped: no project"}';
    END IF;
    SELECT * INTO last_sync FROM @extschema@.job_runs r WHERE r.job_name = 'labelstudio_sync'
    ORDER BY r.id DESC LIMIT 1;
    -- If nothing else runs the sync, a failure of last night must be retried. Only its lock tells whether one is
    -- running.
    IF last_sync.status = 'failed' AND last_sync.started_at > clock_timestamp() - interval '1 hour' THEN
        RETURN '{"result": "skipped: it is failing, see labelstudio_check()"}';
    END IF;
    RETURN '{"call": "labelstudio_sync"}';
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_daily_sync(bigint, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_daily_sync(bigint, jsonb) IS
    'Whether a daily run calls the Label Studio sync, and after the call its outcome';

CREATE FUNCTION @extschema@.tw_daily_retention(run bigint, state jsonb) RETURNS jsonb
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
RETURN CASE WHEN state ? 'call' THEN @extschema@.tw_called_run(run, 'purge_conversations'::text)
            WHEN @extschema@.tw_retention_is_set() THEN '{"call": "purge_conversations"}'::jsonb
            ELSE '{"result": "skipped: everything is kept forever"}'::jsonb END;
REVOKE ALL ON FUNCTION @extschema@.tw_daily_retention(bigint, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_daily_retention(bigint, jsonb) IS
    'Whether a daily run calls purge_conversations, and after the call its outcome';

CREATE FUNCTION @extschema@.tw_daily_step(run bigint, state jsonb, at timestamptz) RETURNS jsonb
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    counted jsonb;
BEGIN
    IF state ->> 'part' IN ('rollbacks', 'audit', 'conflicts', 'labelstudio', 'threshold')
       AND @extschema@.tw_fleet_role() = 'node' THEN
        RETURN '{"result": "skipped: the hub does it"}';
    END IF;
    CASE state ->> 'part'
        WHEN 'promotions' THEN
            SELECT jsonb_strip_nulls(jsonb_build_object('filtered', p.filtered, 'promoted', p.promoted,
                                                        'not promoted', p.failed,
                                                        'conversations locked', nullif(p.locked, 0))) INTO counted
            FROM @extschema@.tw_sweep_conversations(interval '1 hour') p;
            -- What waits on a node waits at the hub, which renames it there.
            IF @extschema@.tw_fleet_role() <> 'node' THEN
                SELECT counted || jsonb_strip_nulls(jsonb_build_object('intents renamed', nullif(i.renamed, 0),
                                                                       'intents locked', nullif(i.locked, 0)))
                INTO counted FROM @extschema@.tw_settle_intents() i;
            END IF;
            -- Promotion warns and continues, so that one bad message does not keep the others back.
            IF (counted ->> 'not promoted')::bigint > 0 THEN
                RETURN jsonb_build_object('counted', counted, 'error_code', '55000', 'error_message',
                    format('%s samples could not be made, see SELECT * FROM promote_missed_conversations(''0'')',
                           counted ->> 'not promoted'));
            END IF;
        WHEN 'rollbacks' THEN
            SELECT jsonb_strip_nulls(jsonb_build_object('samples taken back', t.taken_back,
                                                        'samples given back', t.given_back,
                                                        'samples locked', nullif(t.locked, 0))) INTO counted
            FROM @extschema@.tw_settle_samples(at, interval '30 days', NULL::bigint) t;
        WHEN 'erasures' THEN
            RETURN @extschema@.tw_finish_erasures_part();
        WHEN 'audit' THEN
            SELECT jsonb_strip_nulls(jsonb_build_object('audited percent', round(100 * b.audit_rate))) INTO counted
            FROM @extschema@.tw_audit_by_budget(at) b;
        WHEN 'conflicts' THEN
            SELECT jsonb_strip_nulls(jsonb_build_object('conflicts queued', q.queued, 'conflicts released', q.released,
                                                        'conflicts locked', nullif(q.locked, 0))) INTO counted
            FROM @extschema@.queue_label_conflicts() q;
        WHEN 'labelstudio' THEN
            RETURN @extschema@.tw_daily_sync(run, state);
        WHEN 'exports' THEN
            IF state ? 'call' THEN
                RETURN @extschema@.tw_called_run(run, 'delete_erased_exports'::text) - 'error_code';
            END IF;
            RETURN CASE WHEN EXISTS (SELECT FROM @extschema@.erasure_exports e WHERE e.status = 'pending')
                        THEN '{"call": "delete_erased_exports"}'::jsonb
                        ELSE '{"result": "skipped: nothing to delete"}' END;
        WHEN 'statistics' THEN
            counted := jsonb_build_object('days closed', @extschema@.tw_close_days(at, 30,
                (SELECT r.started_at FROM @extschema@.job_runs r WHERE r.id = run)));
            IF counted ->> 'days closed' <> '0' THEN
                -- More may be waiting.
                RETURN jsonb_build_object('counted', counted);
            END IF;
        WHEN 'threshold' THEN
            counted := jsonb_build_object('trainings requested',
                @extschema@.tw_request_due_trainings(@extschema@.training_setting('training_threshold')::integer));
        WHEN 'retention' THEN
            RETURN @extschema@.tw_daily_retention(run, state);
        WHEN 'tidy' THEN
            counted := jsonb_build_object('runs deleted', @extschema@.tw_tidy());
    END CASE;
    RETURN jsonb_build_object('counted', counted, 'result', 'succeeded');
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_daily_step(bigint, jsonb, timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_daily_step(bigint, jsonb, timestamptz) IS
    'One step of daily_training_capture(), as tw_job_step() calls it';

CREATE PROCEDURE @extschema@.daily_training_capture(due_in text DEFAULT NULL, at timestamptz DEFAULT NULL)
    LANGUAGE plpgsql
AS $procedure$ BEGIN
    CALL @extschema@.tw_run_job('daily_training_capture'::pg_catalog.text, due_in, at);
END $procedure$;
REVOKE ALL ON PROCEDURE @extschema@.daily_training_capture(text, timestamptz) FROM PUBLIC;
COMMENT ON PROCEDURE @extschema@.daily_training_capture(text, timestamptz) IS
    'The daily job. Its independent parts record results in job_runs.details: missed promotions, former names of '
    'intents, samples of versions that were rolled back, erasures that were interrupted, the audit rate, label '
    'conflicts, Label Studio (unless it is running or failing), export objects of erased rows, statistics of closed '
    'days, a training request for each model type with training_threshold new samples (run_training_jobs() runs it), '
    'retention (purge_conversations(), where a setting retain_... is not forever), tidying up. due_in (a time zone, '
    'for pg_cron): does nothing unless 02:00 there has passed since the last run. at: the time to use as now, for '
    'tests. Commits between steps. Errors are recorded and reported as warnings. Does nothing on a standby or a '
    'restored copy. Raises 2D000 inside a transaction, 25001 inside a block with EXCEPTION, 22023 for an unknown zone '
    'and a time in the future';
