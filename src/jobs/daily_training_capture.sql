-- CALL daily_training_capture(): the housekeeping of the loop. Its parts do not depend on one another: what fails in one is
-- written down, and the others run. Each works on what there is to do, not on the last 24 hours, so that a missed night is made up for.

CREATE FUNCTION @extschema@.tw_trainer_of(model_type text) RETURNS text
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    -- Who trained it last; else outside, where what is live lives outside.
    SELECT coalesce(
        (SELECT j.trainer FROM @extschema@.training_jobs j
         WHERE j.model_type = tw_trainer_of.model_type AND j.kind = 'train' AND j.status = 'succeeded' ORDER BY j.id DESC LIMIT 1),
        (SELECT CASE WHEN @extschema@.tw_is_servable(m.version) THEN 'built-in' ELSE 'outside' END
         FROM @extschema@.model_versions m WHERE m.model_type = tw_trainer_of.model_type AND m.status = 'production'),
        'built-in');
END;
REVOKE ALL ON FUNCTION @extschema@.tw_trainer_of(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_trainer_of(text) IS 'Who trains a model type when a job asks for it: built-in or outside';

CREATE FUNCTION @extschema@.tw_request_due_trainings(least_samples integer) RETURNS integer
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    kind text;
    requested integer := 0;
BEGIN
    FOR kind IN
        SELECT t.model_type FROM (SELECT 'router' AS model_type UNION SELECT m.model_type FROM @extschema@.model_versions m) t
        -- One that waits or runs will learn them.
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
    'Asks for a training of each model type that has so many new samples and no training waiting or running; returns how many it asked for';

CREATE FUNCTION @extschema@.tw_tidy() RETURNS bigint
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    tidied bigint;
BEGIN
    -- Nobody but jobs writes rows of job_runs, but a reviewer may hold a claim. Five jobs a day are history; hundreds
    -- are noise. The newest of each job and outcome stays whatever its age.
    DELETE FROM @extschema@.job_runs r
    WHERE r.job_name IN ('labelstudio_sync', 'labelstudio_push', 'labelstudio_pull', 'run_training_jobs', 'check_rollouts', 'store_model_artifacts')
      AND r.finished_at < now() - interval '30 days'
      AND r.id < (SELECT max(n.id) FROM @extschema@.job_runs n WHERE n.job_name = r.job_name AND n.status = r.status);
    GET DIAGNOSTICS tidied = ROW_COUNT;
    DELETE FROM @extschema@.review_claims c
    WHERE c.conversation_log_id IN (SELECT x.conversation_log_id FROM @extschema@.review_claims x
                                    WHERE x.expires_at < now() - interval '30 days' FOR UPDATE SKIP LOCKED);
    RETURN tidied;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_tidy() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_tidy() IS
    'Deletes runs of the jobs that run every few minutes when they are 30 days old, but for the newest of each outcome, and claims that ran out so long ago; returns how many runs';

CREATE FUNCTION @extschema@.tw_daily_part(part text, at timestamptz, OUT counted jsonb, OUT result text, OUT goes_on boolean)
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    closed integer;
    last_sync @extschema@.job_runs;
BEGIN
    goes_on := false;
    result := 'succeeded';
    CASE part
        WHEN 'promotions' THEN
            SELECT jsonb_strip_nulls(jsonb_build_object('filtered', p.filtered, 'promoted', p.promoted,
                                                        'not promoted', p.failed,
                                                        'conversations locked', nullif(p.locked, 0))) INTO counted
            FROM @extschema@.tw_sweep_conversations(interval '1 hour') p;
            -- It warns and goes on, so that one bad message does not keep the others from being made up for.
            IF (counted ->> 'not promoted')::bigint > 0 THEN
                result := format('failed: %s samples could not be made, see SELECT * FROM promote_missed_conversations(''0'')', counted ->> 'not promoted');
            END IF;
        WHEN 'rollbacks' THEN
            SELECT jsonb_strip_nulls(jsonb_build_object('samples taken back', t.taken_back,
                                                        'samples given back', t.given_back,
                                                        'samples locked', nullif(t.locked, 0))) INTO counted
            FROM @extschema@.tw_settle_samples(at, interval '30 days', NULL::bigint) t;
        WHEN 'audit' THEN
            SELECT jsonb_strip_nulls(jsonb_build_object('audited percent', round(100 * b.audit_rate))) INTO counted
            FROM @extschema@.tw_audit_by_budget(at) b;
        WHEN 'conflicts' THEN
            SELECT jsonb_strip_nulls(jsonb_build_object('conflicts queued', q.queued, 'conflicts released', q.released,
                                                        'conflicts locked', nullif(q.locked, 0))) INTO counted
            FROM @extschema@.queue_label_conflicts() q;
        WHEN 'labelstudio' THEN
            -- The next step is the sync itself; after it, this part comes once more for its result.
            SELECT * INTO last_sync FROM @extschema@.job_runs r WHERE r.job_name = 'labelstudio_sync' ORDER BY r.id DESC LIMIT 1;
            IF NOT EXISTS (SELECT FROM @extschema@.labelstudio_projects p WHERE p.is_active) THEN
                result := 'skipped: no project';
            -- Where nothing else runs it, a failure of last night must not be the last word. Whether one is at it only its lock knows.
            ELSIF last_sync.status = 'failed' AND last_sync.started_at > clock_timestamp() - interval '1 hour' THEN
                result := 'skipped: it is failing, see labelstudio_check()';
            ELSE
                goes_on := true;
            END IF;
        WHEN 'statistics' THEN
            closed := @extschema@.tw_close_days(at, 30);
            counted := jsonb_build_object('days closed', closed);
            goes_on := closed > 0;
        WHEN 'threshold' THEN
            counted := jsonb_build_object('trainings requested',
                @extschema@.tw_request_due_trainings(@extschema@.training_setting('training_threshold')::integer));
        WHEN 'tidy' THEN
            counted := jsonb_build_object('runs deleted', @extschema@.tw_tidy());
    END CASE;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_daily_part(text, timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_daily_part(text, timestamptz) IS 'One transaction''s worth of a part of daily_training_capture(): what it counts, how it ended, and whether there is more';

CREATE FUNCTION @extschema@.tw_daily_begin(due_in text, at timestamptz) RETURNS bigint
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '5s'
AS $function$
DECLARE
    run CONSTANT bigint := @extschema@.tw_begin_job('daily_training_capture', due_in, at);
BEGIN
    UPDATE @extschema@.job_runs r SET items_done = 0, items_total = 8 WHERE r.id = run;
    RETURN run;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_daily_begin(text, timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_daily_begin(text, timestamptz) IS 'Begins a run of daily_training_capture(); NULL where it has nothing to do';

CREATE FUNCTION @extschema@.tw_daily_step(run bigint, part text, at timestamptz) RETURNS boolean
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '5s'
AS $function$
DECLARE
    done record;
    code text;
    message text;
BEGIN
    PERFORM @extschema@.tw_require_run(run);
    BEGIN
        SELECT * INTO STRICT done FROM @extschema@.tw_daily_part(part, at);
    EXCEPTION WHEN OTHERS THEN
        GET STACKED DIAGNOSTICS code = RETURNED_SQLSTATE, message = MESSAGE_TEXT;
    END;
    IF code IS NOT NULL THEN
        RAISE WARNING 'daily_training_capture: part % failed: %', part, message USING ERRCODE = code;
        PERFORM @extschema@.tw_fail_run(run, code, format('%s: %s', part, message));
        PERFORM @extschema@.tw_note_part(run, part, 'failed: ' || message);
        RETURN false;
    END IF;
    PERFORM @extschema@.tw_note_run(run, part, coalesce(done.counted, '{}'::jsonb), false);
    IF done.result LIKE 'failed: %' THEN
        PERFORM @extschema@.tw_fail_run(run, '55000', format('%s: %s', part, substr(done.result, 9)));
    END IF;
    IF NOT done.goes_on THEN
        PERFORM @extschema@.tw_note_part(run, part, done.result);
    END IF;
    RETURN done.goes_on;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_daily_step(bigint, text, timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_daily_step(bigint, text, timestamptz) IS
    'One transaction of a part of daily_training_capture(), with its error written down instead of raised; returns whether the part goes on. Raises '
    '55000 when it is not called by the run''s own session';

CREATE FUNCTION @extschema@.tw_daily_synced(run bigint) RETURNS void
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '5s'
AS $function$
DECLARE
    sync @extschema@.job_runs;
BEGIN
    PERFORM @extschema@.tw_require_run(run);
    SELECT r.* INTO sync FROM @extschema@.job_runs r, @extschema@.job_runs own
    WHERE own.id = run AND r.job_name = 'labelstudio_sync' AND r.id > own.id ORDER BY r.id DESC LIMIT 1;
    -- What failed is a matter of that run, which says so itself.
    PERFORM @extschema@.tw_note_part(run, 'labelstudio', CASE WHEN sync.id IS NULL THEN 'skipped: it is running'
                                                              ELSE format('%s: run %s', sync.status, sync.id) END);
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_daily_synced(bigint) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_daily_synced(bigint) IS 'Writes down how the Label Studio sync of a daily run ended. Raises 55000 when it is not called by the run''s own session';

-- No SET and no SECURITY DEFINER: a procedure with either cannot COMMIT. So every name in it is qualified.
CREATE PROCEDURE @extschema@.daily_training_capture(due_in text DEFAULT NULL, at timestamptz DEFAULT NULL)
    LANGUAGE plpgsql
AS $procedure$
DECLARE
    run bigint;
    part pg_catalog.text;
    goes_on boolean;
BEGIN
    IF pg_catalog.pg_is_in_recovery() THEN
        RETURN;
    END IF;
    run := @extschema@.tw_daily_begin(due_in, at);
    COMMIT;
    IF run IS NULL THEN
        RETURN;
    END IF;
    FOREACH part IN ARRAY ARRAY['promotions', 'rollbacks', 'audit', 'conflicts', 'labelstudio', 'statistics', 'threshold', 'tidy'] LOOP
        PERFORM @extschema@.tw_begin_part(run, part);
        COMMIT;
        -- tw_close_days() takes no other level, and the database's default may be one. Right after each COMMIT: even EXIT WHEN takes a snapshot.
        SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
        LOOP
            goes_on := @extschema@.tw_daily_step(run, part, at);
            COMMIT;
            SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
            EXIT WHEN NOT goes_on;
            IF part OPERATOR(pg_catalog.=) 'labelstudio' THEN
                CALL @extschema@.labelstudio_sync();
                PERFORM @extschema@.tw_daily_synced(run);
                COMMIT;
                EXIT;
            END IF;
        END LOOP;
    END LOOP;
    PERFORM @extschema@.tw_end_run(run);
    COMMIT;
END
$procedure$;
REVOKE ALL ON PROCEDURE @extschema@.daily_training_capture(text, timestamptz) FROM PUBLIC;
COMMENT ON PROCEDURE @extschema@.daily_training_capture(text, timestamptz) IS
    'The daily job, in independent parts whose results are in job_runs.details: missed promotions, samples of versions that were rolled back, the audit rate, label conflicts, Label Studio (unless it is '
    'running or failing), statistics of closed days, a training of each model type with training_threshold new samples (run_training_jobs() runs it), '
    'tidying up. due_in, for pg_cron in time zones with daylight saving, makes it do nothing unless 02:00 there has passed since its last run; at is the '
    'time to count as now, for tests. Commits as it goes, so it cannot run inside a transaction; errors are recorded and warned of. Does nothing on a '
    'standby or a restored copy';
