-- grant_training_role() and revoke_training_role(): the privileges of each kind of role, in one list.

CREATE FUNCTION @extschema@.tw_role_privileges(
    OUT kind text, OUT object_kind text, OUT object_id oid, OUT column_name text, OUT privilege text)
    RETURNS SETOF record
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    -- Each object is listed once, with the kinds that may use it. An operator has all privileges of a reviewer and an
    -- analyst, and is named only where neither is.
    WITH relations (kinds, privileges, relations) AS (VALUES
        ('{reviewer,analyst}'::text[], '{SELECT}'::text[], ARRAY[
            '@extschema@.training_queue', '@extschema@.label_conflicts', '@extschema@.review_backlog',
            '@extschema@.intents', '@extschema@.second_opinion_backlog']::regclass[]),
        ('{reviewer}', '{SELECT}', ARRAY['@extschema@.training_samples']::regclass[]),
        ('{analyst}', '{SELECT}', ARRAY[
            '@extschema@.reviewer_activity', '@extschema@.live_accuracy_by_model', '@extschema@.daily_training_stats',
            '@extschema@.model_performance_comparison', '@extschema@.paired_evaluations',
            '@extschema@.rollout_status', '@extschema@.fleet_status', '@extschema@.model_versions',
            '@extschema@.intent_quality',
            '@extschema@.intent_confusions', '@extschema@.confidence_calibration',
            '@extschema@.intent_drift', '@extschema@.training_metrics',
            '@extschema@.training_progress']::regclass[]),
        ('{operator}', '{SELECT}', ARRAY[
            '@extschema@.review_events', '@extschema@.review_claims', '@extschema@.model_deployments',
            '@extschema@.blind_reviews', '@extschema@.second_opinions',
            '@extschema@.paired_disagreements', '@extschema@.paired_answers', '@extschema@.rollout_checks',
            '@extschema@.model_evaluations', '@extschema@.training_jobs',
            '@extschema@.training_export_jobs', '@extschema@.labelstudio_projects', '@extschema@.labelstudio_tasks',
            '@extschema@.job_runs', '@extschema@.imported_conversations', '@extschema@.imported_tables',
            '@extschema@.role_modules',
            '@extschema@.sample_imports', '@extschema@.sample_import_lines', '@extschema@.job_health',
            '@extschema@.audit_chain', '@extschema@.erasures', '@extschema@.erasure_rows',
            '@extschema@.erasure_exports', '@extschema@.erasure_models', '@extschema@.forgotten_since',
            '@extschema@.erasure_receipts', '@extschema@.labelstudio_erasures']::regclass[]),
        ('{operator}', '{SELECT}', ARRAY[
            '@extschema@.fleet_arrivals', '@extschema@.tw_fleet_subscriptions']::regclass[]),
        -- What the subscription of another database of a fleet copies.
        ('{fleet,operator}', '{SELECT}', ARRAY[
            '@extschema@.conversation_logs', '@extschema@.model_artifacts', '@extschema@.rollouts',
            '@extschema@.audited_versions', '@extschema@.intent_aliases', '@extschema@.training_settings',
            '@extschema@.fleet_heartbeats', '@extschema@.fleet_replies',
            '@extschema@.fleet_rollout_steps']::regclass[]),
        ('{fleet}', '{SELECT}', ARRAY['@extschema@.model_versions', '@extschema@.review_policies']::regclass[]),
        ('{operator}', '{SELECT,INSERT,UPDATE,DELETE}', ARRAY['@extschema@.review_policies']::regclass[]),
        -- SELECT is for RETURNING. The view gives no rows: whatever reads gets its error.
        ('{capture,operator}', '{SELECT,INSERT}', ARRAY['@extschema@.conversation_capture']::regclass[]),
        -- For currval() and lastval(), with which some clients ask for the id of their last row.
        ('{capture,operator}', '{SELECT}', ARRAY[
            '@extschema@.conversation_logs_id_seq', '@extschema@.conversation_logs_lastval_seq']::regclass[])
    ), columns (kinds, privilege, relation, columns) AS (VALUES
        -- Columns that an application knows; none that the extension fills, or it could approve itself. Clients that
        -- name every column write DEFAULT for id; the filter refuses any other value.
        ('{capture,operator}'::text[], 'INSERT', '@extschema@.conversation_logs'::regclass, ARRAY[
            'id', 'session_id', 'phone_number', 'user_id', 'user_message', 'message_type', 'message_language',
            'nlu_intent', 'nlu_confidence', 'nlu_module_id', 'nlu_module_type', 'nlu_provider', 'nlu_model_version',
            'nlu_entities', 'nlu_tone', 'nlu_processing_time_ms', 'routed_to', 'response_text', 'response_success',
            'user_feedback', 'user_correction', 'backend_reference', 'metadata', 'created_at', 'idempotency_key']),
        -- Needed by INSERT ... RETURNING id.
        ('{capture}', 'SELECT', '@extschema@.conversation_logs', ARRAY['id']),
        -- An operator may import rows with a verdict, but not set the columns that unbiased estimates depend on, nor
        -- add a sample of a future conversation.
        ('{operator}', 'INSERT', '@extschema@.conversation_logs', ARRAY[
            'review_status', 'review_priority', 'review_reason', 'is_training_candidate']),
        ('{operator}', 'INSERT', '@extschema@.training_samples', ARRAY[
            'text', 'intent', 'module_id', 'module_type', 'entities', 'language', 'expected_service', 'review_status',
            'label_source', 'reviewed_by', 'reviewed_at', 'source', 'split', 'quality_score']),
        -- What comes after the NLU call.
        ('{operator}', 'UPDATE', '@extschema@.conversation_logs', ARRAY[
            'routed_to', 'response_text', 'response_success', 'user_feedback', 'user_correction', 'backend_reference',
            'metadata'])
    ), routines (kinds, routines) AS (VALUES
        ('{capture,operator}'::text[], ARRAY[
            '@extschema@.assign_model_version(text, text)',
            '@extschema@.record_response(bigint, text, text, boolean, text, text)',
            '@extschema@.record_feedback(bigint, text, text, text)']::regprocedure[]),
        ('{capture,operator}', ARRAY[
            '@extschema@.tw_refuse_to_read_capture()']::regprocedure[]),
        -- Messages of functions that run with the rights of the caller.
        ('{capture,reviewer,analyst,trainer}', ARRAY[
            '@extschema@.tw_excerpt(text)']::regprocedure[]),
        ('{capture,reviewer}', ARRAY[
            '@extschema@.classify_intent(text, text, text)',
            '@extschema@.classify_intents(text, integer, text, text)']::regprocedure[]),
        ('{capture,analyst}', ARRAY[
            '@extschema@.rollout_bucket(text, text)']::regprocedure[]),
        ('{reviewer}', ARRAY[
            '@extschema@.approve_conversation(bigint, text, text)',
            '@extschema@.approve_conversations(bigint[], text, text)',
            '@extschema@.fix_conversation(bigint, text, jsonb, text, text)',
            '@extschema@.fix_conversations(bigint[], text, jsonb, text, text)',
            '@extschema@.reject_conversation(bigint, text, text, text)',
            '@extschema@.reject_conversations(bigint[], text, text, text)',
            '@extschema@.withdraw_verdict(bigint, text, text)',
            '@extschema@.approve_sample(bigint, text, text)',
            '@extschema@.approve_samples(bigint[], text, text)',
            '@extschema@.fix_sample(bigint, text, jsonb, text, text)',
            '@extschema@.fix_samples(bigint[], text, jsonb, text, text)',
            '@extschema@.reject_sample(bigint, text, text, text)',
            '@extschema@.reject_samples(bigint[], text, text, text)',
            '@extschema@.withdraw_sample_verdict(bigint, text, text)',
            '@extschema@.claim_reviews(integer, interval, text)',
            '@extschema@.release_reviews(bigint[], text, bigint[])',
            '@extschema@.explain_conversation(bigint)',
            '@extschema@.filter_decision(double precision, text, text, text)']::regprocedure[]),
        -- The views call these with the rights of the reader.
        ('{reviewer,analyst}', ARRAY[
            '@extschema@.normalize_text(text)',
            '@extschema@.tw_sample_text(text)',
            '@extschema@.tw_shown_text(text, boolean)',
            '@extschema@.tw_shown_beside(text, text)',
            '@extschema@.tw_cut_text(text, integer)',
            '@extschema@.redact_pii(text)',
            '@extschema@.intent_module_type(text)',
            '@extschema@.tw_module_type(text, text)',
            '@extschema@.tw_is_verdict(text)',
            '@extschema@.tw_sees_conversation(bigint)',
            '@extschema@.tw_sees_sample(bigint)',
            '@extschema@.tw_intents()']::regprocedure[]),
        -- Of these, tw_minimum_detectable_losses is called by a view, and tw_measured_from is the default of min_units.
        ('{analyst}', ARRAY[
            '@extschema@.tw_rollout_nodes(@extschema@.rollouts)',
            '@extschema@.tw_fleet_state()',
            '@extschema@.compare_models(text, text)',
            '@extschema@.model_intent_scores(text, bigint)',
            '@extschema@.mcnemar_p(bigint, bigint)',
            '@extschema@.live_model_at(text, timestamptz)',
            '@extschema@.verify_audit(text)',
            '@extschema@.tw_minimum_detectable_losses(jsonb)',
            '@extschema@.tw_measured_from()',
            '@extschema@.sequential_comparison(double precision[], double precision[], double precision[], '
            'double precision[], double precision[], double precision[], double precision[], double precision[], '
            'double precision[], double precision[], double precision[], double precision[], double precision, '
            'double precision, integer, double precision)',
            '@extschema@.sample_ratio_check(bigint[], bigint[], double precision[], double precision)',
            '@extschema@.training_workflow_status(timestamptz)',
            '@extschema@.paired_evidence(double precision[])',
            '@extschema@.live_accuracy(date, date, text[])',
            '@extschema@.tw_training_metrics()',
            '@extschema@.tw_training_progress()',
            '@extschema@.tw_intent_quality(date, date)',
            '@extschema@.tw_intent_confusions(date, date)',
            '@extschema@.tw_confidence_calibration(date, date)',
            '@extschema@.tw_intent_drift(date, date)',
            '@extschema@.tw_accuracy_window()',
            '@extschema@.reviewer_agreement(date, date)',
            '@extschema@.training_report(date, date)',
            '@extschema@.tw_day_figures(date)',
            '@extschema@.tw_daily_changes()',
            '@extschema@.training_setting(text)',
            '@extschema@.is_fallback_provider(text, text, text)']::regprocedure[]),
        ('{trainer}', ARRAY[
            '@extschema@.claim_training_job(text, interval, text[])',
            '@extschema@.heartbeat_training_job(bigint, text, jsonb)',
            '@extschema@.training_job_test_set(bigint, text)',
            '@extschema@.complete_training_job(bigint, text, jsonb, bytea, text, double precision, '
            'double precision)',
            '@extschema@.fail_training_job(bigint, text, text, boolean)']::regprocedure[]),
        ('{trainer,operator}', ARRAY[
            '@extschema@.training_set(text)']::regprocedure[]),
        ('{operator}', ARRAY[
            '@extschema@.near_twins(text[], text[], double precision)',
            '@extschema@.import_training_samples(text, text, boolean, text, text, text, text, jsonb)',
            '@extschema@.import_report(bigint)',
            '@extschema@.import_conversations(regclass, jsonb, text, text, boolean)',
            '@extschema@.tw_check_import_source(regclass)',
            '@extschema@.tw_map_import(regclass, jsonb)',
            '@extschema@.tw_import_query(regclass, jsonb)',
            '@extschema@.tw_check_import_keys(regclass, name)',
            '@extschema@.tw_raise_import_error(text, jsonb, text[], jsonb[], jsonb[])',
            '@extschema@.tw_begin_import()',
            '@extschema@.tw_note_imported_table(text, jsonb, text, text, bigint)',
            '@extschema@.close_old_table(regclass, regclass)',
            '@extschema@.tw_check_old_table(regclass)',
            '@extschema@.tw_add_closing_trigger(regclass, text)',
            '@extschema@.tw_closed_table()',
            '@extschema@.tw_bound_waits()',
            '@extschema@.tw_reserve_numbers(bigint)',
            '@extschema@.tw_import_portion(text, jsonb, text[], jsonb[], jsonb[], text, text, bigint)',
            '@extschema@.export_training_samples(text, text[], text[], text[], timestamptz, bigint, text, text)',
            '@extschema@.export_training_samples(text[], text[], text[], text[], timestamptz, bigint, text, text)',
            '@extschema@.export_training_samples_to_file(text, text, text[], text[], text[], timestamptz, '
            'bigint, text, text, boolean)',
            '@extschema@.export_training_samples_to_file(text, text[], text[], text[], text[], timestamptz, '
            'bigint, text, text, boolean)',
            '@extschema@.tw_export_statuses(text)',
            '@extschema@.tw_check_export(text, text[], text[], text[], timestamptz, bigint, text, text)',
            '@extschema@.tw_export_filter(text, text[], text[], text[], timestamptz, bigint, text, text)',
            '@extschema@.tw_begin_file_export(text, jsonb, text, boolean)',
            '@extschema@.tw_run_file_export(bigint)',
            '@extschema@.train_model(text, boolean)',
            '@extschema@.model_test_set(text)',
            '@extschema@.new_training_samples(text)',
            '@extschema@.next_model_version(text, boolean)',
            '@extschema@.register_model(text, text, text, bytea, text, jsonb, double precision, '
            'double precision, double precision, text)',
            '@extschema@.promote_model(text, text, boolean)',
            '@extschema@.evaluate_model(text)',
            '@extschema@.request_training(text, text, jsonb)',
            '@extschema@.request_evaluation(text)',
            '@extschema@.cancel_training_job(bigint, text)',
            '@extschema@.start_rollout(text, text, timestamptz)',
            '@extschema@.advance_rollout(text, text, timestamptz, integer)',
            '@extschema@.rollback_rollout(text, text, timestamptz, text)',
            '@extschema@.schedule_jobs(text)',
            '@extschema@.unschedule_jobs()',
            '@extschema@.tw_cron_server()',
            '@extschema@.tw_cron_job_name(text)',
            '@extschema@.tw_cron_entries()',
            '@extschema@.tw_all_cron_entries()',
            '@extschema@.tw_cron_plan(text)',
            '@extschema@.tw_require_zone(text)',
            '@extschema@.tw_require_scheduling()',
            '@extschema@.tw_require_cron_rights(boolean)',
            '@extschema@.tw_note_scheduled()',
            '@extschema@.tw_notice_cron_elsewhere(record, text)',
            '@extschema@.tw_schedule_job(text, text, text, boolean)',
            '@extschema@.tw_job_health(timestamptz)',
            '@extschema@.labelstudio_create_project(text, text, text, integer, text[])',
            '@extschema@.labelstudio_update_project(bigint)',
            '@extschema@.labelstudio_retire_project(bigint)',
            '@extschema@.labelstudio_confirm_deleted(bigint)',
            '@extschema@.labelstudio_check(text)',
            '@extschema@.s3_check(text)',
            '@extschema@.fetch_model_artifact(text)',
            '@extschema@.export_training_samples_to_s3(text, text, text[], text[], text[], timestamptz, bigint, '
            'text, text, boolean, text)',
            '@extschema@.export_training_samples_to_s3(text, text[], text[], text[], text[], timestamptz, bigint, '
            'text, text, boolean, text)',
            '@extschema@.tw_begin_s3_export(text, jsonb, text, boolean, text)',
            '@extschema@.tw_run_s3_export(bigint)',
            '@extschema@.adopt_installation()',
            '@extschema@.queue_label_conflicts()',
            '@extschema@.phone_digits(text)',
            '@extschema@.export_user(text, text, text[])',
            '@extschema@.export_user_rows(text, text, text[])',
            '@extschema@.rename_intent(text, text, text, text)',
            '@extschema@.merge_intents(text[], text, text, text)',
            '@extschema@.recount_days(date, date)',
            '@extschema@.redact_pii(jsonb)',
            '@extschema@.forget_user(text, text, text[], text, text, boolean, boolean, bigint, boolean)',
            '@extschema@.forget_user_in_batches(text, text, text[], text, text, boolean, bigint, boolean, bigint)',
            '@extschema@.finish_erasures()',
            '@extschema@.tw_begin_erasure(text, text, text[], text, text, boolean, bigint, boolean)',
            '@extschema@.tw_erase_batch(bigint)',
            '@extschema@.tw_receipt_number(bigint)',
            '@extschema@.tw_unfinished_erasure()',
            '@extschema@.receipts_of(text, text, text[])',
            '@extschema@.retrain_without(text)',
            '@extschema@.set_training_setting(text, text)',
            '@extschema@.list_training_settings()',
            '@extschema@.promote_missed_conversations(interval)',
            '@extschema@.tw_report_progress(text, bigint, bigint, bigint)',
            '@extschema@.publish_report(text, date, date, text)',
            '@extschema@.tw_publish_report(text, date, date)',
            '@extschema@.check_integrity()']::regprocedure[]),
        ('{fleet}', ARRAY[
            '@extschema@.tw_fleet_self()',
            '@extschema@.tw_fleet_last_id(integer)']::regprocedure[]),
        -- Called by the procedures of the jobs, with the rights of their caller.
        ('{operator}', ARRAY[
            '@extschema@.tw_jobs()',
            '@extschema@.tw_is_own_job(text)',
            '@extschema@.tw_run_job(text, text, timestamptz)',
            '@extschema@.tw_begin_job(text, text, timestamptz)',
            '@extschema@.tw_job_step(bigint, jsonb, timestamptz)',
            '@extschema@.tw_end_run(bigint)',
            '@extschema@.tw_start_built_in_job(bigint)',
            '@extschema@.tw_run_built_in_job(bigint, integer)',
            '@extschema@.tw_artifacts_wait()']::regprocedure[])
    ), granted (kinds, object_kind, object_id, column_name, privilege) AS (
        SELECT '{capture,reviewer,analyst,trainer,fleet}'::text[], 'SCHEMA', '@extschema@'::regnamespace::oid,
               NULL::text, 'USAGE'
        UNION ALL
        SELECT r.kinds, 'TABLE', o, NULL, p FROM relations r, unnest(r.relations) o, unnest(r.privileges) p
        UNION ALL
        SELECT c.kinds, 'TABLE', c.relation, n, c.privilege FROM columns c, unnest(c.columns) n
        UNION ALL
        -- So that an UPDATE gets the view's error too, which says more than that of a missing privilege. UPDATE of the
        -- whole view would let an application lock the table.
        SELECT '{capture,operator}', 'TABLE', a.attrelid, a.attname::text, 'UPDATE'
        FROM pg_attribute a WHERE a.attrelid = '@extschema@.conversation_capture'::regclass AND a.attnum > 0
        UNION ALL
        SELECT r.kinds, 'ROUTINE', o, NULL, 'EXECUTE' FROM routines r, unnest(r.routines) o
        UNION ALL
        -- The procedures of the jobs. A procedure of the same name that another role made is not a member of the
        -- extension.
        SELECT '{operator}', 'ROUTINE', p.oid, NULL, 'EXECUTE'
        FROM @extschema@.tw_jobs() j
        JOIN pg_proc p ON p.proname = j.job_name AND p.prokind = 'p' AND p.pronamespace = '@extschema@'::regnamespace
        JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
    )
    SELECT k, g.object_kind, g.object_id, g.column_name, g.privilege
    FROM granted g,
         unnest(g.kinds || CASE WHEN g.kinds && '{reviewer,analyst}' THEN '{operator}'::text[] END) k;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_role_privileges() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_role_privileges() IS
    'The privileges of each kind of role, used by grant_training_role() and revoke_training_role()';

CREATE FUNCTION @extschema@.tw_check_role_request(role text, kind text) RETURNS oid
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    kinds CONSTANT text[] := ARRAY(
        SELECT p.kind FROM @extschema@.tw_role_privileges() p WHERE p.object_kind = 'SCHEMA');
    role_id oid := (SELECT r.oid FROM pg_roles r WHERE r.rolname = role);
    owner name := (SELECT pg_get_userbyid(c.relowner) FROM pg_class c
                   WHERE c.oid = '@extschema@.conversation_logs'::regclass);
BEGIN
    IF kind IS NULL OR kind <> ALL (kinds) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('there is no kind of training role "%s"', coalesce(@extschema@.tw_excerpt(kind), 'NULL')),
            HINT = format('The kinds are: %s.', array_to_string(kinds, ', '));
    END IF;
    IF role_id IS NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'undefined_object',
            MESSAGE = format('role "%s" does not exist', coalesce(@extschema@.tw_excerpt(role), 'NULL')),
            HINT = 'Name one role as pg_roles spells it; nothing is granted to PUBLIC.';
    END IF;
    -- GRANT by another role would only warn, and leave a role without the privileges it needs.
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
    'The OID of the role. Raises 22023 for an unknown kind, 42704 for an unknown role, 42501 for a caller who may not '
    'grant';

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
          -- The role may need USAGE for other objects in the schema; USAGE alone gives access to none of ours.
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
    'Grants or revokes all privileges of one kind; called by grant_training_role() and revoke_training_role()';

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
    'The kinds whose privileges were all granted to the role directly, not through membership';

CREATE FUNCTION @extschema@.grant_training_role(role text, kind text, modules text[] DEFAULT NULL) RETURNS text[]
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    role_id oid := @extschema@.tw_check_role_request(role, kind);
BEGIN
    PERFORM @extschema@.tw_check_modules(kind, modules);
    PERFORM @extschema@.tw_limit_role(role, role_id, kind, modules);
    PERFORM @extschema@.tw_change_role(role, kind, true);
    RETURN ARRAY(SELECT k FROM @extschema@.tw_role_kinds(role_id) k ORDER BY k COLLATE "C");
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.grant_training_role(text, text, text[]) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.grant_training_role(text, text, text[]) IS
    'Grants a role the privileges of a kind: capture (insert conversations and read only their id), reviewer, analyst '
    '(views without phone numbers), trainer (an external training worker), fleet (another database of a fleet, which '
    'needs LOGIN and REPLICATION as well) or operator. modules limits a reviewer or '
    'analyst to the conversations and samples of these modules (an empty text: those without one); NULL lifts an '
    'earlier limit. A role with several grants, its own or those of roles it is a member of, sees the modules of all '
    'of them, and everything if one is without a limit. Returns the kinds whose privileges the role now has. Raises '
    '22023 for an unknown kind, an empty list, a blank module, or modules for another kind, 22004 for a NULL module, '
    '42704 for an unknown role, 42501 for callers other than the owner of the extension''s tables, 55P03 if '
    'training_samples cannot be locked within 5 seconds to begin or end its row security';

CREATE FUNCTION @extschema@.revoke_training_role(role text, kind text) RETURNS text[]
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    revoked oid := CASE WHEN EXISTS (SELECT FROM pg_roles r WHERE r.rolname = role)
                          OR NOT EXISTS (SELECT FROM @extschema@.role_modules m WHERE m.role_name = role)
                        THEN @extschema@.tw_check_role_request(role, kind) END;
    -- A kind whose privileges are all part of the revoked kind (an operator has all those of an analyst) cannot be told
    -- apart from it and is revoked as well: a missing privilege is noticed and granted again, a remaining one might not
    -- be noticed.
    others text[] := ARRAY(
        SELECT k FROM @extschema@.tw_role_kinds(revoked) k
        WHERE EXISTS (
            SELECT p.object_id, p.column_name, p.privilege FROM @extschema@.tw_role_privileges() p
            WHERE p.kind = k AND p.object_kind <> 'SCHEMA'
            EXCEPT
            SELECT p.object_id, p.column_name, p.privilege FROM @extschema@.tw_role_privileges() p
            WHERE p.kind = revoke_training_role.kind));
    other text;
    limited text;
BEGIN
    IF revoked IS NULL THEN
        -- The role was dropped, and its limit is left.
        PERFORM @extschema@.tw_limit_role(role, NULL::oid, kind, NULL::text[]);
        RETURN '{}';
    END IF;
    PERFORM @extschema@.tw_change_role(role, kind, false);
    -- Kinds overlap: privileges that the role has through other kinds are granted again.
    FOREACH other IN ARRAY others LOOP
        PERFORM @extschema@.tw_change_role(role, other, true);
    END LOOP;
    FOR limited IN
        SELECT l.kind FROM @extschema@.tw_limited_roles() l
        WHERE l.role_id = revoked
          AND l.kind NOT IN (SELECT k FROM @extschema@.tw_role_kinds(revoked) k)
    LOOP
        PERFORM @extschema@.tw_limit_role(role, revoked, limited, NULL::text[]);
    END LOOP;
    RETURN ARRAY(SELECT k FROM @extschema@.tw_role_kinds(revoked) k ORDER BY k COLLATE "C");
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.revoke_training_role(text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.revoke_training_role(text, text) IS
    'Revokes the privileges of a kind from a role. Privileges of other kinds that the role has stay, unless the other '
    'kind is wholly part of this one (operator contains reviewer and analyst), and so does USAGE of the schema. '
    'A limit to modules goes with its kind, also that of a role that was dropped. Returns the kinds whose privileges '
    'the role still has. Raises 22023 for an unknown kind, 42704 for an unknown role, 42501 for callers other than the '
    'owner of the extension''s tables, 55P03 if training_samples cannot be locked within 5 seconds to end its row '
    'security';
