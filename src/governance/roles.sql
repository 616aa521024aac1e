-- grant_training_role() and revoke_training_role(): what each kind of role may do, in one list.

CREATE FUNCTION @extschema@.tw_role_privileges(
    OUT kind text, OUT object_kind text, OUT object_id oid, OUT column_name text, OUT privilege text)
    RETURNS SETOF record
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH tables (kind, object_id, privileges) AS (VALUES
        ('reviewer', '@extschema@.training_queue'::regclass, ARRAY['SELECT']),
        ('reviewer', '@extschema@.training_samples'::regclass, ARRAY['SELECT']),
        ('reviewer', '@extschema@.label_conflicts'::regclass, ARRAY['SELECT']),
        ('reviewer', '@extschema@.review_backlog'::regclass, ARRAY['SELECT']),
        ('analyst', '@extschema@.label_conflicts'::regclass, ARRAY['SELECT']),
        ('analyst', '@extschema@.review_backlog'::regclass, ARRAY['SELECT']),
        ('analyst', '@extschema@.reviewer_activity'::regclass, ARRAY['SELECT']),
        ('analyst', '@extschema@.live_accuracy_by_model'::regclass, ARRAY['SELECT']),
        ('operator', '@extschema@.live_accuracy_by_model'::regclass, ARRAY['SELECT']),
        ('operator', '@extschema@.review_events'::regclass, ARRAY['SELECT']),
        ('operator', '@extschema@.review_claims'::regclass, ARRAY['SELECT']),
        ('operator', '@extschema@.label_conflicts'::regclass, ARRAY['SELECT']),
        ('operator', '@extschema@.review_backlog'::regclass, ARRAY['SELECT']),
        ('operator', '@extschema@.reviewer_activity'::regclass, ARRAY['SELECT']),
        ('analyst', '@extschema@.training_queue'::regclass, ARRAY['SELECT']),
        ('analyst', '@extschema@.daily_training_stats'::regclass, ARRAY['SELECT']),
        ('analyst', '@extschema@.model_performance_comparison'::regclass, ARRAY['SELECT']),
        ('operator', '@extschema@.conversation_logs'::regclass, ARRAY['SELECT']),
        ('operator', '@extschema@.training_samples'::regclass, ARRAY['SELECT']),
        ('operator', '@extschema@.review_policies'::regclass, ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']),
        ('operator', '@extschema@.audited_versions'::regclass, ARRAY['SELECT']),
        ('operator', '@extschema@.training_settings'::regclass, ARRAY['SELECT']),
        ('operator', '@extschema@.model_versions'::regclass, ARRAY['SELECT']),
        ('operator', '@extschema@.model_deployments'::regclass, ARRAY['SELECT']),
        ('operator', '@extschema@.blind_reviews'::regclass, ARRAY['SELECT']),
        ('operator', '@extschema@.paired_evaluations'::regclass, ARRAY['SELECT']),
        ('analyst', '@extschema@.paired_evaluations'::regclass, ARRAY['SELECT']),
        ('operator', '@extschema@.paired_disagreements'::regclass, ARRAY['SELECT']),
        ('operator', '@extschema@.paired_answers'::regclass, ARRAY['SELECT']),
        ('operator', '@extschema@.rollouts'::regclass, ARRAY['SELECT']),
        ('operator', '@extschema@.rollout_checks'::regclass, ARRAY['SELECT']),
        ('analyst', '@extschema@.rollout_status'::regclass, ARRAY['SELECT']),
        ('operator', '@extschema@.rollout_status'::regclass, ARRAY['SELECT']),
        ('operator', '@extschema@.model_artifacts'::regclass, ARRAY['SELECT']),
        ('operator', '@extschema@.model_evaluations'::regclass, ARRAY['SELECT']),
        ('operator', '@extschema@.training_jobs'::regclass, ARRAY['SELECT']),
        ('operator', '@extschema@.training_export_jobs'::regclass, ARRAY['SELECT']),
        ('operator', '@extschema@.labelstudio_projects'::regclass, ARRAY['SELECT']),
        ('operator', '@extschema@.labelstudio_tasks'::regclass, ARRAY['SELECT']),
        ('operator', '@extschema@.job_runs'::regclass, ARRAY['SELECT']),
        ('operator', '@extschema@.imported_conversations'::regclass, ARRAY['SELECT']),
        ('operator', '@extschema@.job_health'::regclass, ARRAY['SELECT']),
        ('operator', '@extschema@.training_queue'::regclass, ARRAY['SELECT']),
        ('operator', '@extschema@.daily_training_stats'::regclass, ARRAY['SELECT']),
        ('operator', '@extschema@.model_performance_comparison'::regclass, ARRAY['SELECT'])
    ), columns (kind, object_id, column_name, privilege) AS (
        -- What an application knows. None of the columns that the extension fills, or it could approve itself.
        SELECT 'capture', '@extschema@.conversation_logs'::regclass, c, 'INSERT'
        FROM unnest(ARRAY[
            'session_id', 'phone_number', 'user_id', 'user_message', 'message_type', 'message_language', 'nlu_intent',
            'nlu_confidence', 'nlu_module_id', 'nlu_module_type', 'nlu_provider', 'nlu_model_version', 'nlu_entities',
            'nlu_tone', 'nlu_processing_time_ms', 'routed_to', 'response_text', 'response_success', 'user_feedback',
            'user_correction', 'backend_reference', 'metadata', 'created_at']) AS c
        UNION ALL
        -- An operator may import with a verdict, but not hand in the marks that honest numbers rest on, nor a sample of a
        -- conversation that is yet to come.
        SELECT 'operator', '@extschema@.conversation_logs'::regclass, c, 'INSERT'
        FROM unnest(ARRAY[
            'session_id', 'phone_number', 'user_id', 'user_message', 'message_type', 'message_language', 'nlu_intent',
            'nlu_confidence', 'nlu_module_id', 'nlu_module_type', 'nlu_provider', 'nlu_model_version', 'nlu_entities',
            'nlu_tone', 'nlu_processing_time_ms', 'routed_to', 'response_text', 'response_success', 'user_feedback',
            'user_correction', 'backend_reference', 'metadata', 'created_at', 'review_status', 'review_priority',
            'review_reason', 'is_training_candidate']) AS c
        UNION ALL
        SELECT 'operator', '@extschema@.training_samples'::regclass, c, 'INSERT'
        FROM unnest(ARRAY[
            'text', 'intent', 'module_id', 'module_type', 'entities', 'language', 'expected_service', 'review_status',
            'label_source', 'reviewed_by', 'reviewed_at', 'source', 'split', 'quality_score']) AS c
        UNION ALL
        -- INSERT ... RETURNING id needs to read it.
        VALUES ('capture', '@extschema@.conversation_logs'::regclass, 'id', 'SELECT')
        UNION ALL
        -- What comes after the NLU call.
        SELECT 'operator', '@extschema@.conversation_logs'::regclass, c, 'UPDATE'
        FROM unnest(ARRAY['routed_to', 'response_text', 'response_success', 'user_feedback', 'user_correction', 'backend_reference',
                          'metadata']) AS c
    ), functions (kind, object_id) AS (VALUES
        ('capture', '@extschema@.classify_intent(text, text, text)'::regprocedure),
        ('capture', '@extschema@.classify_intents(text, integer, text, text)'::regprocedure),
        ('reviewer', '@extschema@.classify_intent(text, text, text)'::regprocedure),
        ('reviewer', '@extschema@.classify_intents(text, integer, text, text)'::regprocedure),
        ('operator', '@extschema@.classify_intent(text, text, text)'::regprocedure),
        ('operator', '@extschema@.classify_intents(text, integer, text, text)'::regprocedure),
        ('trainer', '@extschema@.claim_training_job(text, interval, text[])'::regprocedure),
        ('trainer', '@extschema@.heartbeat_training_job(bigint, text, jsonb)'::regprocedure),
        ('trainer', '@extschema@.training_set(text)'::regprocedure),
        ('trainer', '@extschema@.training_job_test_set(bigint, text)'::regprocedure),
        ('trainer', '@extschema@.complete_training_job(bigint, text, jsonb, bytea, text, double precision, double precision)'::regprocedure),
        ('trainer', '@extschema@.fail_training_job(bigint, text, text, boolean)'::regprocedure),
        ('analyst', '@extschema@.compare_models(text, text)'::regprocedure),
        ('analyst', '@extschema@.model_intent_scores(text, bigint)'::regprocedure),
        ('analyst', '@extschema@.mcnemar_p(bigint, bigint)'::regprocedure),
        ('operator', '@extschema@.compare_models(text, text)'::regprocedure),
        ('operator', '@extschema@.model_intent_scores(text, bigint)'::regprocedure),
        ('operator', '@extschema@.mcnemar_p(bigint, bigint)'::regprocedure),
        ('operator', '@extschema@.near_twins(text[], text[], double precision)'::regprocedure),
        ('operator', '@extschema@.import_training_samples(text, text, boolean)'::regprocedure),
        ('operator', '@extschema@.import_conversations(regclass, jsonb, text, text, boolean)'::regprocedure),
        ('operator', '@extschema@.tw_check_import_source(regclass)'::regprocedure),
        ('operator', '@extschema@.tw_map_import(regclass, jsonb)'::regprocedure),
        ('operator', '@extschema@.tw_import_query(regclass, jsonb)'::regprocedure),
        ('operator', '@extschema@.tw_check_import_keys(regclass, name)'::regprocedure),
        ('operator', '@extschema@.tw_raise_import_error(text, jsonb, text[], jsonb[], jsonb[])'::regprocedure),
        ('operator', '@extschema@.tw_begin_import()'::regprocedure),
        ('operator', '@extschema@.tw_reserve_numbers(bigint)'::regprocedure),
        ('operator', '@extschema@.tw_import_portion(text, jsonb, text[], jsonb[], jsonb[], text, text, bigint)'::regprocedure),
        ('operator', '@extschema@.export_training_samples(text, text[], text[], text[], timestamptz, bigint, text, text)'::regprocedure),
        ('operator', '@extschema@.export_training_samples_to_file(text, text, text[], text[], text[], timestamptz, bigint, text, text, boolean)'::regprocedure),
        ('operator', '@extschema@.tw_check_export(text, text[], text[], text[], timestamptz, bigint, text, text)'::regprocedure),
        ('operator', '@extschema@.tw_export_filter(text, text[], text[], text[], timestamptz, bigint, text, text)'::regprocedure),
        ('operator', '@extschema@.tw_begin_file_export(text, jsonb, text, boolean)'::regprocedure),
        ('operator', '@extschema@.tw_run_file_export(bigint)'::regprocedure),
        ('operator', '@extschema@.train_model(text, boolean)'::regprocedure),
        ('operator', '@extschema@.training_set(text)'::regprocedure),
        ('operator', '@extschema@.model_test_set(text)'::regprocedure),
        ('operator', '@extschema@.new_training_samples(text)'::regprocedure),
        ('operator', '@extschema@.next_model_version(text, boolean)'::regprocedure),
        ('operator', '@extschema@.register_model(text, text, text, bytea, text, jsonb, double precision, double precision, double precision, text)'::regprocedure),
        ('operator', '@extschema@.promote_model(text, text, boolean)'::regprocedure),
        ('operator', '@extschema@.evaluate_model(text)'::regprocedure),
        ('operator', '@extschema@.request_training(text, text, jsonb)'::regprocedure),
        ('operator', '@extschema@.request_evaluation(text)'::regprocedure),
        ('operator', '@extschema@.cancel_training_job(bigint, text)'::regprocedure),
        ('operator', '@extschema@.tw_start_built_in_job(bigint)'::regprocedure),
        ('operator', '@extschema@.tw_run_built_in_job(bigint, integer)'::regprocedure),
        ('capture', '@extschema@.assign_model_version(text, text)'::regprocedure),
        ('operator', '@extschema@.assign_model_version(text, text)'::regprocedure),
        ('capture', '@extschema@.rollout_bucket(text, text)'::regprocedure),
        ('analyst', '@extschema@.rollout_bucket(text, text)'::regprocedure),
        ('operator', '@extschema@.rollout_bucket(text, text)'::regprocedure),
        ('analyst', '@extschema@.live_model_at(text, timestamptz)'::regprocedure),
        ('operator', '@extschema@.live_model_at(text, timestamptz)'::regprocedure),
        -- The view rollout_status calls it with the rights of whoever reads.
        ('analyst', '@extschema@.tw_minimum_detectable_losses(jsonb)'::regprocedure),
        ('operator', '@extschema@.tw_minimum_detectable_losses(jsonb)'::regprocedure),
        -- The default of min_units.
        ('analyst', '@extschema@.tw_measured_from()'::regprocedure),
        ('operator', '@extschema@.tw_measured_from()'::regprocedure),
        ('analyst', '@extschema@.sequential_comparison(double precision[], double precision[], double precision[], double precision[], double precision[], double precision[], double precision[], double precision[], double precision[], double precision[], double precision[], double precision[], double precision, double precision, integer, double precision)'::regprocedure),
        ('operator', '@extschema@.sequential_comparison(double precision[], double precision[], double precision[], double precision[], double precision[], double precision[], double precision[], double precision[], double precision[], double precision[], double precision[], double precision[], double precision, double precision, integer, double precision)'::regprocedure),
        ('analyst', '@extschema@.sample_ratio_check(bigint[], bigint[], double precision[], double precision)'::regprocedure),
        ('operator', '@extschema@.sample_ratio_check(bigint[], bigint[], double precision[], double precision)'::regprocedure),
        ('analyst', '@extschema@.training_workflow_status(timestamptz)'::regprocedure),
        ('operator', '@extschema@.training_workflow_status(timestamptz)'::regprocedure),
        ('operator', '@extschema@.start_rollout(text, text, timestamptz)'::regprocedure),
        ('operator', '@extschema@.advance_rollout(text, text, timestamptz, integer)'::regprocedure),
        ('operator', '@extschema@.rollback_rollout(text, text, timestamptz, text)'::regprocedure),
        ('operator', '@extschema@.paired_evidence(double precision[])'::regprocedure),
        ('analyst', '@extschema@.paired_evidence(double precision[])'::regprocedure),
        ('operator', '@extschema@.schedule_jobs(text)'::regprocedure),
        ('operator', '@extschema@.unschedule_jobs()'::regprocedure),
        ('operator', '@extschema@.tw_cron_server()'::regprocedure),
        ('operator', '@extschema@.tw_cron_job_name(text)'::regprocedure),
        ('operator', '@extschema@.tw_cron_entries()'::regprocedure),
        ('operator', '@extschema@.tw_all_cron_entries()'::regprocedure),
        ('operator', '@extschema@.tw_cron_plan(text)'::regprocedure),
        ('operator', '@extschema@.tw_require_zone(text)'::regprocedure),
        ('operator', '@extschema@.tw_require_scheduling()'::regprocedure),
        ('operator', '@extschema@.tw_require_cron_rights(boolean)'::regprocedure),
        ('operator', '@extschema@.tw_note_scheduled()'::regprocedure),
        ('operator', '@extschema@.tw_notice_cron_elsewhere(record, text)'::regprocedure),
        ('operator', '@extschema@.tw_schedule_job(text, text, text, boolean)'::regprocedure),
        ('operator', '@extschema@.tw_job_health(timestamptz)'::regprocedure),
        ('operator', '@extschema@.labelstudio_create_project(text, text, text, integer, text[])'::regprocedure),
        ('operator', '@extschema@.labelstudio_retire_project(bigint)'::regprocedure),
        ('operator', '@extschema@.labelstudio_check(text)'::regprocedure),
        ('operator', '@extschema@.s3_check(text)'::regprocedure),
        ('operator', '@extschema@.tw_artifacts_wait()'::regprocedure),
        ('operator', '@extschema@.tw_jobs()'::regprocedure),
        ('operator', '@extschema@.tw_run_job(text, text, timestamptz)'::regprocedure),
        ('operator', '@extschema@.tw_begin_job(text, text, timestamptz)'::regprocedure),
        ('operator', '@extschema@.tw_job_step(bigint, jsonb, timestamptz)'::regprocedure),
        ('operator', '@extschema@.tw_end_run(bigint)'::regprocedure),
        ('operator', '@extschema@.fetch_model_artifact(text)'::regprocedure),
        ('operator', '@extschema@.export_training_samples_to_s3(text, text, text[], text[], text[], timestamptz, bigint, text, text, boolean, text)'::regprocedure),
        ('operator', '@extschema@.tw_begin_s3_export(text, jsonb, text, boolean, text)'::regprocedure),
        ('operator', '@extschema@.tw_run_s3_export(bigint)'::regprocedure),
        ('operator', '@extschema@.adopt_installation()'::regprocedure),
        ('capture', '@extschema@.record_response(bigint, text, text, boolean, text, text)'::regprocedure),
        ('capture', '@extschema@.record_feedback(bigint, text, text, text)'::regprocedure),
        ('reviewer', '@extschema@.approve_conversation(bigint, text, text)'::regprocedure),
        ('reviewer', '@extschema@.approve_conversations(bigint[], text, text)'::regprocedure),
        ('reviewer', '@extschema@.fix_conversation(bigint, text, jsonb, text, text)'::regprocedure),
        ('reviewer', '@extschema@.fix_conversations(bigint[], text, jsonb, text, text)'::regprocedure),
        ('reviewer', '@extschema@.reject_conversation(bigint, text, text, text)'::regprocedure),
        ('reviewer', '@extschema@.reject_conversations(bigint[], text, text, text)'::regprocedure),
        ('reviewer', '@extschema@.withdraw_verdict(bigint, text, text)'::regprocedure),
        ('operator', '@extschema@.withdraw_verdict(bigint, text, text)'::regprocedure),
        ('reviewer', '@extschema@.claim_reviews(integer, interval, text)'::regprocedure),
        ('reviewer', '@extschema@.release_reviews(bigint[], text)'::regprocedure),
        ('reviewer', '@extschema@.explain_conversation(bigint)'::regprocedure),
        ('operator', '@extschema@.approve_conversation(bigint, text, text)'::regprocedure),
        ('operator', '@extschema@.approve_conversations(bigint[], text, text)'::regprocedure),
        ('operator', '@extschema@.fix_conversation(bigint, text, jsonb, text, text)'::regprocedure),
        ('operator', '@extschema@.fix_conversations(bigint[], text, jsonb, text, text)'::regprocedure),
        ('operator', '@extschema@.reject_conversation(bigint, text, text, text)'::regprocedure),
        ('operator', '@extschema@.reject_conversations(bigint[], text, text, text)'::regprocedure),
        ('operator', '@extschema@.claim_reviews(integer, interval, text)'::regprocedure),
        ('operator', '@extschema@.release_reviews(bigint[], text)'::regprocedure),
        ('operator', '@extschema@.explain_conversation(bigint)'::regprocedure),
        ('operator', '@extschema@.record_response(bigint, text, text, boolean, text, text)'::regprocedure),
        ('operator', '@extschema@.record_feedback(bigint, text, text, text)'::regprocedure),
        ('operator', '@extschema@.queue_label_conflicts()'::regprocedure),
        ('analyst', '@extschema@.live_accuracy(date, date, text[])'::regprocedure),
        ('operator', '@extschema@.live_accuracy(date, date, text[])'::regprocedure),
        ('reviewer', '@extschema@.filter_decision(double precision, text, text, text)'::regprocedure),
        ('operator', '@extschema@.filter_decision(double precision, text, text, text)'::regprocedure),
        -- The views call these with the rights of whoever reads them.
        ('reviewer', '@extschema@.normalize_text(text)'::regprocedure),
        ('analyst', '@extschema@.normalize_text(text)'::regprocedure),
        ('operator', '@extschema@.normalize_text(text)'::regprocedure),
        ('analyst', '@extschema@.tw_day_figures(date)'::regprocedure),
        ('operator', '@extschema@.tw_day_figures(date)'::regprocedure),
        ('analyst', '@extschema@.tw_daily_changes()'::regprocedure),
        ('operator', '@extschema@.tw_daily_changes()'::regprocedure),
        ('operator', '@extschema@.tw_close_days(timestamptz, integer)'::regprocedure),
        ('operator', '@extschema@.recount_days(date, date)'::regprocedure),
        ('analyst', '@extschema@.training_setting(text)'::regprocedure),
        ('reviewer', '@extschema@.tw_sample_text(text)'::regprocedure),
        ('reviewer', '@extschema@.tw_shown_text(text, boolean)'::regprocedure),
        ('reviewer', '@extschema@.tw_cut_text(text, integer)'::regprocedure),
        ('analyst', '@extschema@.tw_sample_text(text)'::regprocedure),
        ('analyst', '@extschema@.tw_shown_text(text, boolean)'::regprocedure),
        ('analyst', '@extschema@.tw_cut_text(text, integer)'::regprocedure),
        ('operator', '@extschema@.tw_sample_text(text)'::regprocedure),
        ('operator', '@extschema@.tw_shown_text(text, boolean)'::regprocedure),
        ('operator', '@extschema@.tw_cut_text(text, integer)'::regprocedure),
        ('reviewer', '@extschema@.redact_pii(text)'::regprocedure),
        ('analyst', '@extschema@.redact_pii(text)'::regprocedure),
        ('operator', '@extschema@.redact_pii(text)'::regprocedure),
        ('operator', '@extschema@.redact_pii(jsonb)'::regprocedure),
        ('reviewer', '@extschema@.intent_module_type(text)'::regprocedure),
        ('reviewer', '@extschema@.tw_module_type(text, text)'::regprocedure),
        ('reviewer', '@extschema@.tw_is_verdict(text)'::regprocedure),
        ('analyst', '@extschema@.intent_module_type(text)'::regprocedure),
        ('analyst', '@extschema@.tw_module_type(text, text)'::regprocedure),
        ('analyst', '@extschema@.tw_is_verdict(text)'::regprocedure),
        ('operator', '@extschema@.intent_module_type(text)'::regprocedure),
        ('operator', '@extschema@.tw_module_type(text, text)'::regprocedure),
        ('operator', '@extschema@.tw_is_verdict(text)'::regprocedure),
        ('analyst', '@extschema@.is_fallback_provider(text, text, text)'::regprocedure),
        ('operator', '@extschema@.is_fallback_provider(text, text, text)'::regprocedure),
        ('operator', '@extschema@.set_training_setting(text, text)'::regprocedure),
        ('operator', '@extschema@.training_setting(text)'::regprocedure),
        ('operator', '@extschema@.list_training_settings()'::regprocedure),
        ('operator', '@extschema@.promote_missed_conversations(interval)'::regprocedure),
        ('operator', '@extschema@.check_integrity()'::regprocedure)
    )
    SELECT k, 'SCHEMA', '@extschema@'::regnamespace::oid, NULL::text, 'USAGE'
    FROM unnest(ARRAY['capture', 'reviewer', 'analyst', 'trainer', 'operator']) AS k
    UNION ALL
    SELECT t.kind, 'TABLE', t.object_id, NULL, p FROM tables t, unnest(t.privileges) AS p
    UNION ALL
    SELECT c.kind, 'TABLE', c.object_id, c.column_name, c.privilege FROM columns c
    UNION ALL
    SELECT f.kind, 'ROUTINE', f.object_id, NULL, 'EXECUTE' FROM functions f
    UNION ALL
    -- The procedures of the jobs; somebody else's of the same name is no member of the extension.
    SELECT 'operator', 'ROUTINE', p.oid, NULL, 'EXECUTE'
    FROM @extschema@.tw_jobs() j
    JOIN pg_proc p ON p.proname = j.job_name AND p.prokind = 'p' AND p.pronamespace = '@extschema@'::regnamespace
    JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e';
END;
REVOKE ALL ON FUNCTION @extschema@.tw_role_privileges() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_role_privileges() IS
    'The privileges that each kind of role has; grant_training_role() and revoke_training_role() work from this list';

CREATE FUNCTION @extschema@.tw_check_role_request(role text, kind text) RETURNS oid
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    kinds CONSTANT text[] := ARRAY['capture', 'reviewer', 'analyst', 'trainer', 'operator'];
    role_id oid := (SELECT r.oid FROM pg_roles r WHERE r.rolname = role);
    owner name := (SELECT pg_get_userbyid(c.relowner) FROM pg_class c WHERE c.oid = '@extschema@.conversation_logs'::regclass);
BEGIN
    IF kind IS NULL OR kind <> ALL (kinds) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('there is no kind of training role "%s"', coalesce(kind, 'NULL')),
            HINT = format('The kinds are: %s.', array_to_string(kinds, ', '));
    END IF;
    IF role_id IS NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'undefined_object',
            MESSAGE = format('role "%s" does not exist', coalesce(role, 'NULL')),
            HINT = 'Name one role as pg_roles spells it; nothing is granted to PUBLIC.';
    END IF;
    -- GRANT by somebody else would only warn, and leave a role that cannot do its work.
    IF NOT pg_has_role(current_user, owner, 'USAGE') THEN
        RAISE EXCEPTION USING
            ERRCODE = 'insufficient_privilege',
            MESSAGE = 'permission denied to change training roles',
            HINT = format('Only the owner of the extension''s tables ("%s") and superusers may.', owner);
    END IF;
    RETURN role_id;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_check_role_request(text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_check_role_request(text, text) IS
    'The OID of the role, or an error: 22023 for an unknown kind, 42704 for an unknown role, 42501 for a caller who may not grant';

CREATE FUNCTION @extschema@.tw_change_role(role text, kind text, grants boolean) RETURNS void
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    p record;
BEGIN
    FOR p IN
        SELECT r.privilege || coalesce(' (' || quote_ident(r.column_name) || ')', '') AS what,
               r.object_kind || ' ' || CASE r.object_kind
                   WHEN 'TABLE' THEN r.object_id::regclass::text
                   WHEN 'ROUTINE' THEN r.object_id::regprocedure::text
                   ELSE r.object_id::regnamespace::text END AS whereon
        FROM @extschema@.tw_role_privileges() r
        WHERE r.kind = tw_change_role.kind
          -- The schema may hold other things that the role was let in for; USAGE alone opens none of ours.
          AND (tw_change_role.grants OR r.object_kind <> 'SCHEMA')
    LOOP
        IF grants THEN
            EXECUTE format('GRANT %s ON %s TO %I', p.what, p.whereon, role);
        ELSE
            EXECUTE format('REVOKE %s ON %s FROM %I', p.what, p.whereon, role);
        END IF;
    END LOOP;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_change_role(text, text, boolean) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_change_role(text, text, boolean) IS
    'Grants or revokes everything of one kind; called by grant_training_role() and revoke_training_role()';

CREATE FUNCTION @extschema@.tw_role_kinds(role_id oid) RETURNS SETOF text
    LANGUAGE sql STABLE STRICT SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT p.kind
    FROM @extschema@.tw_role_privileges() p
    LEFT JOIN pg_class c ON p.object_kind = 'TABLE' AND c.oid = p.object_id
    LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = p.column_name
    LEFT JOIN pg_proc f ON p.object_kind = 'ROUTINE' AND f.oid = p.object_id
    WHERE p.object_kind <> 'SCHEMA'
    GROUP BY p.kind
    HAVING bool_and(EXISTS (
        SELECT FROM aclexplode(CASE WHEN p.column_name IS NOT NULL THEN a.attacl
                                    WHEN p.object_kind = 'TABLE' THEN c.relacl
                                    ELSE f.proacl END) x
        WHERE x.grantee = role_id AND x.privilege_type = p.privilege));
END;
REVOKE ALL ON FUNCTION @extschema@.tw_role_kinds(oid) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_role_kinds(oid) IS
    'The kinds whose privileges a role was granted itself, all of them, not through membership';

CREATE FUNCTION @extschema@.grant_training_role(role text, kind text) RETURNS void
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    PERFORM @extschema@.tw_check_role_request(role, kind);
    PERFORM @extschema@.tw_change_role(role, kind, true);
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.grant_training_role(text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.grant_training_role(text, text) IS
    'Lets a role do a kind of work: capture (insert conversations and read nothing but their id), reviewer, analyst (views '
    'without phone numbers), trainer (a worker that trains outside) or operator. Raises 22023 for an unknown kind, 42704 for an unknown role, 42501 for callers '
    'other than the owner of the extension''s tables';

CREATE FUNCTION @extschema@.revoke_training_role(role text, kind text) RETURNS void
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    role_id oid := @extschema@.tw_check_role_request(role, kind);
    -- A kind that is wholly part of the revoked one (an operator may do all that an analyst may) cannot be told apart from
    -- it and goes as well: taking too much can be mended, leaving something behind might not be noticed.
    others text[] := ARRAY(
        SELECT k FROM @extschema@.tw_role_kinds(role_id) k
        WHERE EXISTS (
            SELECT p.object_id, p.column_name, p.privilege FROM @extschema@.tw_role_privileges() p
            WHERE p.kind = k AND p.object_kind <> 'SCHEMA'
            EXCEPT
            SELECT p.object_id, p.column_name, p.privilege FROM @extschema@.tw_role_privileges() p
            WHERE p.kind = revoke_training_role.kind));
    other text;
BEGIN
    PERFORM @extschema@.tw_change_role(role, kind, false);
    -- Kinds overlap: give back what the role has for another reason.
    FOREACH other IN ARRAY others LOOP
        PERFORM @extschema@.tw_change_role(role, other, true);
    END LOOP;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.revoke_training_role(text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.revoke_training_role(text, text) IS
    'Takes a kind of work away again; what the role may do for another kind stays, unless that kind is wholly part of this one '
    '(operator contains reviewer and analyst), and so does USAGE of the schema. Raises as grant_training_role() does';
