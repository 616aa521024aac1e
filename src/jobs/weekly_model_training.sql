-- CALL weekly_model_training(): export, training, gate, store, rollout, in this order.

CREATE FUNCTION @extschema@.tw_weekly_begin(due_in text, at timestamptz) RETURNS bigint
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '5s'
AS $function$
DECLARE
    run CONSTANT bigint := @extschema@.tw_begin_job('weekly_model_training', due_in, at);
BEGIN
    UPDATE @extschema@.job_runs r SET items_done = 0, items_total = 4 WHERE r.id = run;
    RETURN run;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_weekly_begin(text, timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_weekly_begin(text, timestamptz) IS 'Begins a run of weekly_model_training(); NULL where it has nothing to do';

CREATE FUNCTION @extschema@.tw_weekly_export(INOUT export_id bigint, at timestamptz, OUT result text, OUT code text, OUT message text)
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    store record;
    failed record;
BEGIN
    -- The second time its row is there, for others to see.
    IF export_id IS NOT NULL THEN
        SELECT * INTO STRICT failed FROM @extschema@.tw_run_s3_export(export_id);
        -- Returned, not raised: its row says the same, and stays.
        code := failed.error_code;
        message := format('export %s: %s', export_id, failed.error_message);
        result := format('succeeded: export %s', export_id);
        export_id := NULL;
        RETURN;
    END IF;
    SELECT * INTO store FROM @extschema@.tw_artifact_server();
    IF store.server IS NULL THEN
        result := 'skipped: ' || coalesce(store.problem, 'no S3 server is configured');
        RETURN;
    END IF;
    export_id := @extschema@.tw_begin_s3_export(
        format('exports/weekly/%s.jsonl', to_char(coalesce(at, now()) AT TIME ZONE @extschema@.training_setting('time_zone'), 'YYYY-MM-DD')),
        @extschema@.tw_export_filter('approved', NULL::text[], NULL::text[], NULL::text[], NULL::timestamptz,
            NULL::bigint, 'jsonl', 'train'), 'jsonl', true, store.server);
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_weekly_export(bigint, timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_weekly_export(bigint, timestamptz) IS
    'Begins the weekly export of the training set to the store for models (export_id NULL), or runs it; result is NULL where it goes on, code and '
    'message are those of an export that failed';

CREATE FUNCTION @extschema@.tw_weekly_result(run bigint, job text, OUT result text, OUT code text, OUT message text)
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT CASE WHEN r.id IS NULL THEN 'skipped: it is running' ELSE format('%s: run %s', r.status, r.id) END, CASE r.status WHEN 'failed' THEN r.error_code END,
           format('%s (run %s): %s', job, r.id, r.error_message)
    FROM (SELECT) one
    LEFT JOIN LATERAL (SELECT x.* FROM @extschema@.job_runs x WHERE x.job_name = job AND x.id > run ORDER BY x.id DESC LIMIT 1) r ON true;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_weekly_result(bigint, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_weekly_result(bigint, text) IS 'How another job ended that this run called, and the error of one that failed';

CREATE FUNCTION @extschema@.tw_weekly_step(run bigint, part text, place bigint, at timestamptz) RETURNS bigint
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '5s'
AS $function$
DECLARE
    next_place bigint := NULL;
    result text;
    code text;
    message text;
BEGIN
    PERFORM @extschema@.tw_require_run(run);
    BEGIN
        CASE part
            WHEN 'export' THEN
                SELECT e.export_id, e.result, e.code, e.message INTO next_place, result, code, message FROM @extschema@.tw_weekly_export(place, at) e;
            WHEN 'request' THEN
                result := format('succeeded: %s asked for',
                                 @extschema@.tw_request_due_trainings(@extschema@.training_setting('min_new_samples')::integer));
            WHEN 'training' THEN
                SELECT r.result, r.code, r.message INTO result, code, message FROM @extschema@.tw_weekly_result(run, 'run_training_jobs') r;
            WHEN 'rollout' THEN
                SELECT r.result, r.code, r.message INTO result, code, message FROM @extschema@.tw_weekly_result(run, 'check_rollouts') r;
        END CASE;
    EXCEPTION WHEN OTHERS THEN
        GET STACKED DIAGNOSTICS code = RETURNED_SQLSTATE, message = MESSAGE_TEXT;
    END;
    IF code IS NOT NULL THEN
        RAISE WARNING 'weekly_model_training: part % failed: %', part, message USING ERRCODE = code;
        PERFORM @extschema@.tw_fail_run(run, code, format('%s: %s', part, message));
        result := 'failed: ' || message;
        -- An export writes down that it was cancelled, and so catches that; whoever cancelled it meant the whole run.
        next_place := CASE code WHEN '57014' THEN -1 END;
    END IF;
    PERFORM @extschema@.tw_note_run(run, part, '{}'::jsonb, false);
    IF coalesce(next_place, -1) < 0 THEN
        PERFORM @extschema@.tw_note_part(run, part, result);
    END IF;
    RETURN next_place;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_weekly_step(bigint, text, bigint, timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_weekly_step(bigint, text, bigint, timestamptz) IS
    'One transaction of a part of weekly_model_training(), with its error written down instead of raised; returns where the part goes on, NULL when '
    'it is done, -1 where it was cancelled. Raises 55000 when it is not called by the run''s own session';

-- No SET and no SECURITY DEFINER: a procedure with either cannot COMMIT. So every name in it is qualified.
CREATE PROCEDURE @extschema@.weekly_model_training(due_in text DEFAULT NULL, at timestamptz DEFAULT NULL)
    LANGUAGE plpgsql
AS $procedure$
DECLARE
    run bigint;
    part pg_catalog.text;
    place bigint;
BEGIN
    IF pg_catalog.pg_is_in_recovery() THEN
        RETURN;
    END IF;
    run := @extschema@.tw_weekly_begin(due_in, at);
    COMMIT;
    IF run IS NULL THEN
        RETURN;
    END IF;
    FOREACH part IN ARRAY ARRAY['export', 'request', 'training', 'rollout'] LOOP
        PERFORM @extschema@.tw_begin_part(run, part);
        COMMIT;
        IF part OPERATOR(pg_catalog.=) 'training' THEN
            CALL @extschema@.run_training_jobs();
        ELSIF part OPERATOR(pg_catalog.=) 'rollout' THEN
            CALL @extschema@.check_rollouts(at);
        END IF;
        place := NULL;
        LOOP
            place := @extschema@.tw_weekly_step(run, part, place, at);
            COMMIT;
            EXIT WHEN place IS NULL;
            IF place OPERATOR(pg_catalog.<) 0 THEN
                PERFORM @extschema@.tw_end_run(run);
                COMMIT;
                RAISE EXCEPTION USING ERRCODE = 'query_canceled', MESSAGE = 'weekly_model_training was cancelled during its export';
            END IF;
        END LOOP;
    END LOOP;
    PERFORM @extschema@.tw_end_run(run);
    COMMIT;
END
$procedure$;
REVOKE ALL ON PROCEDURE @extschema@.weekly_model_training(text, timestamptz) FROM PUBLIC;
COMMENT ON PROCEDURE @extschema@.weekly_model_training(text, timestamptz) IS
    'The weekly job: exports the training set to the store for models where there is one (recorded in training_export_jobs), asks for a training of each '
    'model type with min_new_samples new samples, runs it (gate and store included), and starts the rollout of what passed while auto_deploy is on. Results '
    'of these parts are in job_runs.details. due_in, for pg_cron in time zones with daylight saving, makes it do nothing unless Sunday 03:00 there has '
    'passed since its last run; at is the time to count as now, for tests. Commits as it goes, so it cannot run inside a transaction; errors are recorded '
    'and warned of. Does nothing on a standby or a restored copy';
