-- CALL weekly_model_training(): export, training, gate, store, rollout, report, in this order.

CREATE FUNCTION @extschema@.tw_weekly_export(export_id bigint, at timestamptz) RETURNS jsonb
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    store record;
    failed record;
BEGIN
    -- On the second call the row of the export is committed and visible to others.
    IF export_id IS NOT NULL THEN
        SELECT * INTO STRICT failed FROM @extschema@.tw_run_s3_export(export_id);
        -- The error is returned, not raised: the committed row of the export records it.
        RETURN jsonb_build_object('result', format('succeeded: export %s', export_id), 'error_code', failed.error_code,
                                  'error_message', format('export %s: %s', export_id, failed.error_message));
    END IF;
    SELECT * INTO store FROM @extschema@.tw_artifact_server();
    IF store.server IS NULL THEN
        RETURN jsonb_build_object('result', 'skipped: ' || coalesce(store.problem, 'no S3 server is configured'));
    END IF;
    RETURN jsonb_build_object('export', @extschema@.tw_begin_s3_export(
        format('exports/weekly/%s.jsonl',
               to_char(coalesce(at, now()) AT TIME ZONE @extschema@.training_setting('time_zone'), 'YYYY-MM-DD')),
        @extschema@.tw_export_filter('approved', NULL::text[], NULL::text[], NULL::text[], NULL::timestamptz,
            NULL::bigint, 'jsonl', 'train'), 'jsonl', true, store.server));
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_weekly_export(bigint, timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_weekly_export(bigint, timestamptz) IS
    'Begins the weekly export of the training set to the store for models (export_id NULL), or runs it';

CREATE FUNCTION @extschema@.tw_weekly_report(at timestamptz) RETURNS jsonb
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    today CONSTANT date := (coalesce(at, now()) AT TIME ZONE @extschema@.training_setting('time_zone'))::date;
BEGIN
    IF @extschema@.training_setting('report_target') = 'none' THEN
        RETURN '{"result": "skipped: report_target is none"}';
    END IF;
    -- Up to the last whole day.
    RETURN jsonb_build_object('result', 'succeeded: ' || @extschema@.tw_publish_report(NULL::text, NULL::date,
                                                                                       today - 1));
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_weekly_report(timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_weekly_report(timestamptz) IS
    'The part of the weekly job that publishes the report of the last 30 days, if report_target is set';

CREATE FUNCTION @extschema@.tw_weekly_step(run bigint, state jsonb, at timestamptz) RETURNS jsonb
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    job text;
BEGIN
    CASE state ->> 'part'
        WHEN 'export' THEN
            RETURN @extschema@.tw_weekly_export((state ->> 'export')::bigint, at);
        WHEN 'request' THEN
            RETURN jsonb_build_object('result', format('succeeded: %s requested',
                @extschema@.tw_request_due_trainings(@extschema@.training_setting('min_new_samples')::integer)));
        WHEN 'training' THEN
            job := 'run_training_jobs';
        WHEN 'rollout' THEN
            job := 'check_rollouts';
        WHEN 'report' THEN
            RETURN @extschema@.tw_weekly_report(at);
    END CASE;
    RETURN CASE WHEN state ? 'call' THEN @extschema@.tw_called_run(run, job) ELSE jsonb_build_object('call', job) END;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_weekly_step(bigint, jsonb, timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_weekly_step(bigint, jsonb, timestamptz) IS
    'One step of weekly_model_training(), as tw_job_step() calls it';

CREATE PROCEDURE @extschema@.weekly_model_training(due_in text DEFAULT NULL, at timestamptz DEFAULT NULL)
    LANGUAGE plpgsql
AS $procedure$ BEGIN CALL @extschema@.tw_run_job('weekly_model_training'::pg_catalog.text, due_in, at); END $procedure$;
REVOKE ALL ON PROCEDURE @extschema@.weekly_model_training(text, timestamptz) FROM PUBLIC;
COMMENT ON PROCEDURE @extschema@.weekly_model_training(text, timestamptz) IS
    'The weekly job: exports the training set to the store for models, if there is one (recorded in '
    'training_export_jobs); requests and runs a training of each model type with min_new_samples new samples (gate and '
    'store included); starts the rollout of versions that passed while auto_deploy is on; publishes the report where '
    'the setting report_target says. Results are in job_runs.details. due_in (a time zone, for pg_cron): does nothing '
    'unless Sunday 03:00 there has passed since the last run. at: the time to use as now, for tests. Commits between '
    'steps. Errors are recorded and reported as '
    'warnings. Does nothing on a standby or a restored copy. Raises 2D000 inside a transaction, 25001 inside a block '
    'with EXCEPTION, 22023 for an unknown zone and a time in the future';
