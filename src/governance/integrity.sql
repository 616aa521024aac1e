-- check_integrity(): what foreign keys would guarantee, had a parallel restore not lost rows to them, and what was added
-- to our tables that no dump would carry.

CREATE FUNCTION @extschema@.tw_own_objects(
    OUT table_id oid, OUT object_kind text, OUT object_name text)
    RETURNS SETOF record
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH own (table_id, columns, indexes, constraints, triggers) AS (VALUES
        ('@extschema@.conversation_logs'::regclass,
         'id session_id phone_number user_id user_message message_type message_language nlu_intent nlu_confidence '
         'nlu_module_id nlu_module_type nlu_provider nlu_model_version nlu_entities nlu_tone nlu_processing_time_ms '
         'routed_to response_text response_success user_feedback user_correction backend_reference metadata '
         'is_training_candidate review_status review_priority review_reason filter_outcome filter_policy_id is_audit '
         'selection_probability filtered_at created_at created_on',
         'conversation_logs_pkey conversation_logs_created_on_idx conversation_logs_queue_idx '
         'conversation_logs_unfiltered_idx',
         'conversation_logs_pkey conversation_logs_state_check',
         'conversation_logs_filter conversation_logs_filter_late conversation_logs_promote '
         'conversation_logs_check_update conversation_logs_requeue conversation_logs_feedback'),
        ('@extschema@.training_samples'::regclass,
         'id conversation_log_id text text_hash normalizer intent module_id module_type entities language '
         'expected_service review_status pending_reason label_source reviewed_by reviewed_at source split selection_probability '
         'quality_score model_version_target created_at updated_at',
         'training_samples_pkey training_samples_conversation_log_id_key training_samples_untrained_idx '
         'training_samples_text_hash_idx training_samples_test_side_idx training_samples_pending_reason_idx',
         'training_samples_pkey training_samples_conversation_log_id_key training_samples_state_check',
         'training_samples_touch training_samples_fill_hash training_samples_refill_hash'),
        ('@extschema@.daily_statistics'::regclass,
         'date conversations auto_approved needs_review not_applicable audited approved rejected promoted fallback_rate '
         'avg_latency_ms p50_latency_ms p95_latency_ms positive_feedback negative_feedback feedback fallback_rules as_of',
         'daily_statistics_pkey',
         'daily_statistics_pkey',
         'daily_statistics_local'),
        ('@extschema@.review_policies'::regclass,
         'id module_type intent review_below approve_above trusted_providers fallback_providers audit_rate_approved '
         'audit_rate_review note created_at updated_at updated_by',
         'review_policies_pkey review_policies_scope_key',
         'review_policies_pkey',
         'review_policies_lock review_policies_check_row review_policies_check_all review_policies_touch '
         'review_policies_invalidate review_policies_invalidate_truncate'),
        ('@extschema@.audited_versions'::regclass,
         'model_version audit_rate since until reason',
         'audited_versions_pkey',
         'audited_versions_pkey audited_versions_rate_check audited_versions_period_check',
         'audited_versions_invalidate audited_versions_invalidate_truncate'),
        ('@extschema@.training_settings'::regclass,
         'name value updated_at updated_by',
         'training_settings_pkey',
         'training_settings_pkey',
         'training_settings_invalidate training_settings_invalidate_truncate'),
        ('@extschema@.review_events'::regclass,
         'id conversation_log_id action reject_reason intent entities note from_status to_status review_priority '
         'review_reason reviewer session_role outer_role details created_at',
         'review_events_pkey review_events_conversation_idx review_events_created_at_idx',
         'review_events_pkey review_events_action_check review_events_reject_reason_check review_events_intent_check',
         'review_events_append_only review_events_append_only_truncate'),
        ('@extschema@.review_claims'::regclass,
         'conversation_log_id reviewer claimed_at expires_at',
         'review_claims_pkey',
         'review_claims_pkey review_claims_lease_check',
         ''),
        ('@extschema@.blind_reviews'::regclass,
         'conversation_log_id suggestions asked_at previous_priority previous_reason',
         'blind_reviews_pkey',
         'blind_reviews_pkey blind_reviews_suggestions_check',
         ''),
        ('@extschema@.paired_evaluations'::regclass,
         'id model_type challenger live_version status first_id scored_to messages disagreements approved_rate labels difference difference_lower '
         'difference_upper better_evidence worse_evidence reason started_at decided_at',
         'paired_evaluations_pkey paired_evaluations_one_running_key',
         'paired_evaluations_pkey paired_evaluations_status_check paired_evaluations_rate_check paired_evaluations_decided_check',
         ''),
        ('@extschema@.paired_disagreements'::regclass,
         'evaluation_id conversation_log_id challenger_intent live_intent probability is_drawn asked_at',
         'paired_disagreements_pkey paired_disagreements_conversation_idx',
         'paired_disagreements_pkey paired_disagreements_probability_check',
         ''),
        ('@extschema@.paired_answers'::regclass,
         'version conversation_log_id intent',
         'paired_answers_pkey',
         'paired_answers_pkey',
         ''),
        ('@extschema@.model_versions'::regclass,
         'version model_type status traffic_percentage minio_path model_size_mb training_accuracy test_accuracy '
         'test_accuracy_lower test_accuracy_upper test_samples macro_f1 calibration_error gate_decision gate_reason '
         'base_version base_accuracy mcnemar_p evaluation_id training_samples training_seconds production_accuracy '
         'production_accuracy_lower production_accuracy_upper production_conversations fallback_rate p50_latency_ms '
         'p95_latency_ms production_computed_at created_at deployed_at retired_at artifact_sha256 artifact_stored_at '
         'artifact_error rollout_number effective_test_samples learned_to location_unknown',
         'model_versions_pkey model_versions_one_production_key model_versions_one_canary_key',
         'model_versions_pkey model_versions_version_check model_versions_status_check '
         'model_versions_traffic_percentage_check model_versions_traffic_status_check model_versions_rates_check '
         'model_versions_gate_decision_check model_versions_stored_check model_versions_amounts_check',
         'model_versions_check_status model_versions_invalidate model_versions_invalidate_truncate'),
        ('@extschema@.model_artifacts'::regclass,
         'version format sha256 size_bytes bytes created_at',
         'model_artifacts_pkey',
         'model_artifacts_pkey model_artifacts_sha256_check',
         'model_artifacts_invalidate model_artifacts_invalidate_truncate'),
        ('@extschema@.model_evaluations'::regclass,
         'id evaluation_id version sample_id text_hash intent weight predicted_intent confidence evaluated_at',
         'model_evaluations_pkey model_evaluations_sample_key model_evaluations_answers_idx',
         'model_evaluations_pkey model_evaluations_sample_key model_evaluations_weight_check model_evaluations_confidence_check',
         ''),
        ('@extschema@.training_jobs'::regclass,
         'id model_type kind trainer status version parameters requested_by worker attempt lease lease_expires_at heartbeat_at '
         'progress cutoff test_samples pool secret_sha256 handed_in_at handed_in artifact result error_code '
         'error_message created_at started_at finished_at',
         'training_jobs_pkey training_jobs_one_running_key training_jobs_one_queued_key training_jobs_finished_idx',
         'training_jobs_pkey training_jobs_model_type_check training_jobs_kind_check training_jobs_trainer_check '
         'training_jobs_status_check training_jobs_version_check training_jobs_running_check '
         'training_jobs_handed_in_check '
         'training_jobs_secret_sha256_check training_jobs_finished_check',
         ''),
        ('@extschema@.model_deployments'::regclass,
         'id model_type version previous_version from_status to_status from_percentage to_percentage actor reason '
         'figures created_at',
         'model_deployments_pkey model_deployments_time_idx',
         'model_deployments_pkey model_deployments_percentages_check',
         'model_deployments_append_only model_deployments_append_only_truncate'),
        ('@extschema@.rollouts'::regclass,
         'id model_type version number previous_version status steps steps_reason messages_per_session alpha margin step_times reason started_by '
         'started_at promoted_at ended_at end_reason superseded_version samples_taken_back',
         'rollouts_pkey rollouts_version_key rollouts_one_running_key rollouts_one_watching_key',
         'rollouts_pkey rollouts_version_key rollouts_status_check rollouts_number_check rollouts_steps_check rollouts_levels_check rollouts_ended_check',
         ''),
        ('@extschema@.rollout_checks'::regclass,
         'id rollout_id model_type version step traffic_percentage verdict reason canary_units production_units '
         'sample_ratio_evidence metrics checked_at',
         'rollout_checks_pkey rollout_checks_rollout_idx',
         'rollout_checks_pkey rollout_checks_verdict_check rollout_checks_units_check',
         ''),
        ('@extschema@.training_export_jobs'::regclass,
         'id format filter location status row_count byte_count sha256 error requested_by started_at finished_at '
         'backend_pid backend_start skipped_too_long',
         'training_export_jobs_pkey',
         'training_export_jobs_pkey training_export_jobs_format_check training_export_jobs_status_check '
         'training_export_jobs_finished_check training_export_jobs_done_check',
         ''),
        ('@extschema@.labelstudio_projects'::regclass,
         'id server_name project_id title module_type max_open_tasks entity_labels is_active created_at last_push_at '
         'last_pull_at pulled_to last_error_code last_error last_error_at',
         'labelstudio_projects_pkey labelstudio_projects_project_key labelstudio_projects_one_active_key',
         'labelstudio_projects_pkey labelstudio_projects_project_key labelstudio_projects_max_open_tasks_check '
         'labelstudio_projects_module_type_check',
         ''),
        ('@extschema@.labelstudio_tasks'::regclass,
         'id project conversation_log_id external_id batch_id run_id status task_id spans annotation_id annotation_updated_at '
         'error_code error_message claimed_at pushed_at finished_at',
         'labelstudio_tasks_pkey labelstudio_tasks_external_key labelstudio_tasks_one_pending_key labelstudio_tasks_conversation_idx '
         'labelstudio_tasks_pending_idx',
         'labelstudio_tasks_pkey labelstudio_tasks_external_key labelstudio_tasks_status_check labelstudio_tasks_task_check',
         ''),
        ('@extschema@.imported_conversations'::regclass,
         'source_key fingerprint conversation_log_id source imported_at',
         'imported_conversations_pkey',
         'imported_conversations_pkey',
         ''),
        ('@extschema@.job_runs'::regclass,
         'id job_name status phase items_done items_total error_code error_message details started_at finished_at',
         'job_runs_pkey job_runs_job_idx',
         'job_runs_pkey job_runs_status_check job_runs_finished_check',
         '')
    )
    SELECT o.table_id, k.object_kind, n.object_name
    FROM own o
    CROSS JOIN LATERAL (VALUES ('column', o.columns), ('index', o.indexes),
                               ('constraint', o.constraints), ('trigger', o.triggers)) AS k (object_kind, names)
    LEFT JOIN LATERAL string_to_table(nullif(k.names, ''), ' ') AS n (object_name) ON true;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_own_objects() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_own_objects() IS
    'The columns, indexes, constraints and triggers that belong to our tables; object_name is NULL for a kind that a table has none of';

CREATE FUNCTION @extschema@.tw_structure_problems(
    OUT problem text, OUT relation text, OUT found bigint, OUT example text, OUT hint text)
    RETURNS SETOF record
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH own AS (
        SELECT * FROM @extschema@.tw_own_objects()
    ), present (table_id, object_kind, object_name, enabled) AS (
        SELECT a.attrelid, 'column', a.attname::text, true FROM pg_attribute a WHERE a.attnum > 0 AND NOT a.attisdropped
        UNION ALL
        SELECT i.indrelid, 'index', c.relname::text, i.indisvalid FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
        UNION ALL
        -- NOT NULL belongs to its column; PostgreSQL 18 lists it here as well.
        SELECT k.conrelid, 'constraint', k.conname::text, true FROM pg_constraint k WHERE k.contype NOT IN ('n', 't')
        UNION ALL
        -- Those that have to fire always say so by their name; pg_restore --disable-triggers leaves them merely enabled.
        SELECT t.tgrelid, 'trigger', t.tgname::text,
               t.tgenabled = 'A' OR t.tgenabled = 'O' AND t.tgname::text !~ '_(filter|invalidate|append_only)(_truncate)?$'
        FROM pg_trigger t WHERE NOT t.tgisinternal
    ), compared AS (
        SELECT coalesce(p.table_id, o.table_id)::regclass AS relation, coalesce(p.object_kind, o.object_kind) AS object_kind,
               coalesce(p.object_name, o.object_name) AS object_name, p.enabled,
               o.object_name IS NULL AS is_foreign, p.object_name IS NULL AS is_missing
        FROM (SELECT * FROM present WHERE table_id IN (SELECT own.table_id FROM own)) p
        FULL JOIN (SELECT * FROM own WHERE own.object_name IS NOT NULL) o USING (table_id, object_kind, object_name)
    )
    SELECT CASE WHEN c.is_foreign THEN 'foreign ' WHEN c.is_missing THEN 'missing ' ELSE 'disabled ' END || c.object_kind,
           c.relation::text, 1::bigint, c.object_name,
           CASE WHEN c.is_foreign AND c.object_kind = 'column'
                THEN 'A restore of a dump will fail on this column: keep the data in a table of your own, or in metadata, and drop it.'
                WHEN c.is_foreign AND c.object_kind = 'trigger' AND NOT EXISTS (
                    SELECT FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid
                    WHERE t.tgrelid = c.relation AND t.tgname = c.object_name
                      AND EXISTS (SELECT FROM unnest(p.proconfig) k WHERE k LIKE 'search_path=%'))
                THEN 'It runs with the owner''s rights when an application captures: give its function SET search_path = pg_catalog, '
                    '<schemas>, pg_temp. And pg_dump does not carry it: keep its definition.'
                WHEN c.is_foreign
                THEN 'pg_dump does not carry it: keep its definition where you can run it again after a restore.'
                WHEN c.is_missing
                THEN 'The extension needs it: restore it from the install script of this version.'
                WHEN c.object_kind = 'trigger'
                THEN format('ALTER TABLE %s ENABLE %sTRIGGER %I;%s', c.relation, CASE WHEN c.object_name ~ '_(filter|invalidate|append_only)(_truncate)?$' THEN 'ALWAYS ' ELSE '' END, c.object_name,
                            CASE c.relation WHEN '@extschema@.conversation_logs'::regclass
                            THEN ' and then SELECT * FROM promote_missed_conversations(); for what came in meanwhile' ELSE '' END)
                ELSE format('REINDEX INDEX %I; it is not valid.', c.object_name)
           END
    FROM compared c
    WHERE c.is_foreign OR c.is_missing OR NOT c.enabled
    UNION ALL
    SELECT 'foreign parent or child', i.inhrelid::regclass::text, 1, i.inhparent::regclass::text,
           'pg_dump does not carry it, and rows that come by way of a parent are promoted by the sweep only: ALTER TABLE ... NO INHERIT or DETACH PARTITION.'
    FROM pg_inherits i
    WHERE i.inhrelid IN (SELECT own.table_id FROM own) OR i.inhparent IN (SELECT own.table_id FROM own)
    UNION ALL
    SELECT 'different owner', o.oid::regclass::text, 1, pg_get_userbyid(o.relowner),
           format('Promotion writes as the owner of conversation_logs: ALTER TABLE %s OWNER TO %I;', o.oid::regclass, pg_get_userbyid(l.relowner))
    FROM pg_class o, pg_class l
    WHERE o.oid IN (SELECT own.table_id FROM own) AND l.oid = '@extschema@.conversation_logs'::regclass AND o.relowner <> l.relowner
    UNION ALL
    SELECT g.problem, '@extschema@.conversation_logs'::regclass::text, 1, g.name, format('%s: ALTER EVENT TRIGGER %I ENABLE ALWAYS;', g.without_it, g.name)
    FROM (VALUES ('disabled drop guard', 'training_workflow_drop_guard', 'DROP EXTENSION would delete every conversation'),
                 ('disabled name guard', 'training_workflow_name_guard', 'Functions of others can keep ours from being called')) AS g (problem, name, without_it)
    WHERE NOT EXISTS (SELECT FROM pg_event_trigger e WHERE e.evtname = g.name AND e.evtenabled = 'A')
    ORDER BY 2, 1, 4;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_structure_problems() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_structure_problems() IS
    'The part of check_integrity() that looks at the catalogs: one row for each object that is foreign, missing or disabled';

CREATE FUNCTION @extschema@.check_integrity(
    OUT problem text, OUT relation text, OUT found bigint, OUT example text, OUT hint text)
    RETURNS SETOF record
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH problems (problem, relation, found, example, hint) AS (
        SELECT 'conversation not filtered', '@extschema@.conversation_logs'::regclass::text, count(*), min(c.id)::text,
               'Rows came in while triggers did not fire: SELECT * FROM promote_missed_conversations();'
        FROM @extschema@.conversation_logs c
        WHERE c.review_status IS NULL
        UNION ALL
        SELECT 'auto-approved conversation without a sample', '@extschema@.conversation_logs'::regclass::text, count(*), min(c.id)::text,
               'See job_runs for the cause, then SELECT * FROM promote_missed_conversations(''0'');'
        FROM @extschema@.conversation_logs c
        WHERE c.review_status = 'auto-approved' AND c.filter_outcome = 'auto-approved'
          AND NOT EXISTS (SELECT FROM @extschema@.training_samples s WHERE s.conversation_log_id = c.id)
          -- By a limit that was lowered since: the sweep makes none either.
          AND NOT @extschema@.tw_is_too_long(NULL::integer, c.user_message, c.nlu_intent, c.nlu_module_type,
              c.message_language, c.routed_to, c.nlu_entities)
        UNION ALL
        SELECT 'sample of a conversation that does not exist', '@extschema@.training_samples'::regclass::text, count(*), min(s.id)::text,
               'The conversation was deleted and its sample was not: delete the sample, or set its conversation_log_id to NULL.'
        FROM @extschema@.training_samples s
        WHERE s.conversation_log_id IS NOT NULL
          AND NOT EXISTS (SELECT FROM @extschema@.conversation_logs c WHERE c.id = s.conversation_log_id)
        UNION ALL
        SELECT 'live sample of a rejected conversation', '@extschema@.training_samples'::regclass::text, count(*), min(s.id)::text,
               'A model would learn what a person rejected: set the sample''s review_status to rejected.'
        FROM @extschema@.training_samples s
        JOIN @extschema@.conversation_logs c ON c.id = s.conversation_log_id
        WHERE s.review_status = 'approved' AND c.review_status IN ('rejected', 'not-applicable')
        UNION ALL
        SELECT 'approved conversation without a live sample', '@extschema@.conversation_logs'::regclass::text, count(*), min(c.id)::text,
               'What a person approved is not learned: give the verdict again with approve_conversation() or fix_conversation().'
        FROM @extschema@.conversation_logs c
        WHERE c.review_status = 'approved' AND c.filtered_at IS NOT NULL
          AND NOT EXISTS (SELECT FROM @extschema@.training_samples s
                          WHERE s.conversation_log_id = c.id AND s.review_status = 'approved')
        UNION ALL
        SELECT 'verdict that is not in the events', '@extschema@.conversation_logs'::regclass::text, count(*), min(c.id)::text,
               'review_status was changed by hand and counts in no estimate: give the verdict again with approve_, fix_ or reject_conversation().'
        FROM @extschema@.conversation_logs c
        WHERE c.review_status IN ('approved', 'rejected') AND c.filtered_at IS NOT NULL
          AND c.review_status IS DISTINCT FROM (
              SELECT e.to_status FROM @extschema@.review_events e
              WHERE e.conversation_log_id = c.id AND @extschema@.tw_is_persons_word(e.action) ORDER BY e.id DESC LIMIT 1)
        UNION ALL
        SELECT 'event of a conversation that does not exist', '@extschema@.review_events'::regclass::text, count(*), min(e.id)::text,
               'The conversation was deleted without its events.'
        FROM @extschema@.review_events e
        WHERE NOT EXISTS (SELECT FROM @extschema@.conversation_logs c WHERE c.id = e.conversation_log_id)
        UNION ALL
        SELECT 'Label Studio task of an unknown project', '@extschema@.labelstudio_tasks'::regclass::text, count(*), min(t.id)::text,
               'labelstudio_projects has no such project: restore its row, or delete the task''s.'
        FROM @extschema@.labelstudio_tasks t
        WHERE NOT EXISTS (SELECT FROM @extschema@.labelstudio_projects p WHERE p.id = t.project)
        UNION ALL
        SELECT 'unfinished task of a retired Label Studio project', '@extschema@.labelstudio_tasks'::regclass::text, count(*), min(t.id)::text,
               'Nobody will collect its verdict, and its conversation is not served: UPDATE labelstudio_tasks SET status = ''closed'' for it.'
        FROM @extschema@.labelstudio_tasks t
        JOIN @extschema@.labelstudio_projects p ON p.id = t.project
        WHERE NOT p.is_active AND @extschema@.tw_task_holds(t.status)
        UNION ALL
        SELECT 'Label Studio project of an unknown server', '@extschema@.labelstudio_projects'::regclass::text, count(*), min(p.id)::text,
               'The foreign server was dropped or renamed: create it again under this name, or SELECT labelstudio_retire_project(...);'
        FROM @extschema@.labelstudio_projects p
        WHERE p.is_active AND NOT EXISTS (SELECT FROM pg_foreign_server f WHERE f.srvname = p.server_name)
        UNION ALL
        SELECT 'sample learned by an unknown version', '@extschema@.training_samples'::regclass::text, count(*), min(s.id)::text,
               'model_versions has no such version: restore its row, or set model_version_target to NULL to train on the sample again.'
        FROM @extschema@.training_samples s
        WHERE s.model_version_target IS NOT NULL
          AND NOT EXISTS (SELECT FROM @extschema@.model_versions m WHERE m.version = s.model_version_target)
        UNION ALL
        SELECT 'version based on an unknown version', '@extschema@.model_versions'::regclass::text, count(*), min(m.version),
               'model_versions has no such base_version: restore its row, or set base_version to NULL.'
        FROM @extschema@.model_versions m
        WHERE m.base_version IS NOT NULL
          AND NOT EXISTS (SELECT FROM @extschema@.model_versions b WHERE b.version = m.base_version)
        UNION ALL
        SELECT 'deployment of an unknown version', '@extschema@.model_deployments'::regclass::text, count(*), min(d.id)::text,
               'model_versions has no such version: restore its row.'
        FROM @extschema@.model_deployments d
        WHERE NOT EXISTS (SELECT FROM @extschema@.model_versions m WHERE m.version = d.version)
        UNION ALL
        SELECT 'rollout of an unknown version', '@extschema@.rollouts'::regclass::text, count(*), min(r.id)::text,
               'model_versions has no such version or previous_version: restore its row.'
        FROM @extschema@.rollouts r
        WHERE NOT EXISTS (SELECT FROM @extschema@.model_versions m WHERE m.version = r.version)
           OR NOT EXISTS (SELECT FROM @extschema@.model_versions m WHERE m.version = r.previous_version)
        UNION ALL
        SELECT 'canary without a rollout', '@extschema@.model_versions'::regclass::text, count(*), min(m.version),
               'It has sessions and nobody watches it: restore its row of rollouts, or SELECT rollback_rollout(...) after that.'
        FROM @extschema@.model_versions m
        WHERE m.status = 'canary' AND NOT EXISTS (SELECT FROM @extschema@.rollouts r WHERE r.version = m.version AND r.status = 'running')
        UNION ALL
        SELECT 'rollout without a canary', '@extschema@.rollouts'::regclass::text, count(*), min(r.id)::text,
               'It is running, and its version is no canary: model_versions was changed by hand. UPDATE rollouts SET status = ''finished'', ended_at = now() for it.'
        FROM @extschema@.rollouts r
        WHERE r.status = 'running' AND NOT EXISTS (SELECT FROM @extschema@.model_versions m WHERE m.version = r.version AND m.status = 'canary')
        UNION ALL
        SELECT 'raised audit without a rollout', '@extschema@.audited_versions'::regclass::text, count(*), min(a.model_version),
               'Nobody waits for what the audit draws of it: DELETE FROM audited_versions for it.'
        FROM @extschema@.audited_versions a
        WHERE a.model_version <> '*' AND NOT EXISTS (SELECT FROM @extschema@.rollouts r
                          WHERE r.status IN ('running', 'watching') AND a.model_version IN (r.version, r.previous_version))
        UNION ALL
        SELECT 'check of an unknown rollout', '@extschema@.rollout_checks'::regclass::text, count(*), min(c.id)::text,
               'rollouts has no such row: restore it, or delete the looks.'
        FROM @extschema@.rollout_checks c
        WHERE NOT EXISTS (SELECT FROM @extschema@.rollouts r WHERE r.id = c.rollout_id)
        UNION ALL
        SELECT 'paired evaluation of an unknown version', '@extschema@.paired_evaluations'::regclass::text, count(*), min(p.id)::text,
               'model_versions has no such challenger or live_version: restore its row, or delete the evaluation and its disagreements.'
        FROM @extschema@.paired_evaluations p
        WHERE NOT EXISTS (SELECT FROM @extschema@.model_versions m WHERE m.version = p.challenger)
           OR NOT EXISTS (SELECT FROM @extschema@.model_versions m WHERE m.version = p.live_version)
        UNION ALL
        SELECT 'disagreement of an unknown evaluation', '@extschema@.paired_disagreements'::regclass::text, count(*), min(d.conversation_log_id)::text,
               'paired_evaluations has no such row: restore it, or delete the disagreements.'
        FROM @extschema@.paired_disagreements d
        WHERE NOT EXISTS (SELECT FROM @extschema@.paired_evaluations p WHERE p.id = d.evaluation_id)
        UNION ALL
        SELECT 'blind review without suggestions', '@extschema@.conversation_logs'::regclass::text, count(*), min(c.id)::text,
               'It waits for a choice, and blind_reviews has nothing to choose from: give the verdict with fix_ or reject_conversation().'
        FROM @extschema@.conversation_logs c
        WHERE c.review_priority IS NOT NULL AND c.review_reason = 'model disagreement'
          AND NOT EXISTS (SELECT FROM @extschema@.blind_reviews b WHERE b.conversation_log_id = c.id)
        UNION ALL
        SELECT 'artifact of an unknown version', '@extschema@.model_artifacts'::regclass::text, count(*), min(a.version),
               'model_versions has no such version: restore its row, or delete the artifact.'
        FROM @extschema@.model_artifacts a
        WHERE NOT EXISTS (SELECT FROM @extschema@.model_versions m WHERE m.version = a.version)
        UNION ALL
        SELECT 'damaged artifact', '@extschema@.model_artifacts'::regclass::text, count(*), min(a.version),
               'Its bytes do not have the SHA-256 of its row, and no session will load it: SELECT fetch_model_artifact(...) if it is in the object store, restore the row, or train again.'
        FROM @extschema@.model_artifacts a
        WHERE a.sha256 <> encode(sha256(a.bytes), 'hex') OR a.size_bytes <> octet_length(a.bytes)
        UNION ALL
        SELECT 'artifact that is not the stored one', '@extschema@.model_artifacts'::regclass::text, count(*), min(a.version),
               'Its checksum is not that of the object that was verified in the store: SELECT fetch_model_artifact(...);'
        FROM @extschema@.model_artifacts a JOIN @extschema@.model_versions m ON m.version = a.version
        WHERE m.artifact_stored_at IS NOT NULL AND a.sha256 <> m.artifact_sha256
        UNION ALL
        SELECT 'evaluation of an unknown version', '@extschema@.model_evaluations'::regclass::text, count(*), min(e.version),
               'model_versions has no such version: restore its row, or delete its answers.'
        FROM @extschema@.model_evaluations e
        WHERE NOT EXISTS (SELECT FROM @extschema@.model_versions m WHERE m.version = e.version)
        UNION ALL
        SELECT 'training job of an unknown version', '@extschema@.training_jobs'::regclass::text, count(*), min(j.id)::text,
               'model_versions has no such version: restore its row, or delete the job.'
        FROM @extschema@.training_jobs j
        WHERE j.version IS NOT NULL AND NOT EXISTS (SELECT FROM @extschema@.model_versions m WHERE m.version = j.version)
        UNION ALL
        SELECT 'version in training without a job', '@extschema@.model_versions'::regclass::text, count(*), min(m.version),
               'Nobody will finish it: UPDATE model_versions SET status = ''failed'' for it.'
        FROM @extschema@.model_versions m
        WHERE m.status = 'training'
          AND NOT EXISTS (SELECT FROM @extschema@.training_jobs j WHERE j.version = m.version
              AND j.status IN ('queued', 'running', 'handed-in'))
        UNION ALL
        SELECT 'text on both sides', '@extschema@.training_samples'::regclass::text, count(*), min(s.id)::text,
               'A text that is tested on is learned from: set split of its samples to test.'
        FROM @extschema@.training_samples s
        WHERE s.split = 'train'
          AND EXISTS (SELECT FROM @extschema@.training_samples t WHERE t.text_hash = s.text_hash AND t.split = 'test')
    )
    SELECT p.problem, p.relation, p.found, p.example, p.hint FROM problems p WHERE p.found > 0
    UNION ALL
    -- After an import with ids, on a subscriber that was promoted, or where a failed restore set it back.
    SELECT 'sequence behind its table', q.table_id::text, 1, q.most::text,
           format('The next INSERT would meet an id that exists: SELECT setval(%L, %s);', q.sequence_id::text, q.most)
    FROM (VALUES
            ('@extschema@.conversation_logs'::regclass, '@extschema@.conversation_logs_id_seq'::regclass, (SELECT max(x.id) FROM @extschema@.conversation_logs x)),
            ('@extschema@.training_samples'::regclass, '@extschema@.training_samples_id_seq'::regclass, (SELECT max(x.id) FROM @extschema@.training_samples x)),
            ('@extschema@.review_policies'::regclass, '@extschema@.review_policies_id_seq'::regclass, (SELECT max(x.id) FROM @extschema@.review_policies x)),
            ('@extschema@.review_events'::regclass, '@extschema@.review_events_id_seq'::regclass, (SELECT max(x.id) FROM @extschema@.review_events x)),
            ('@extschema@.model_deployments'::regclass, '@extschema@.model_deployments_id_seq'::regclass, (SELECT max(x.id) FROM @extschema@.model_deployments x)),
            ('@extschema@.paired_evaluations'::regclass, '@extschema@.paired_evaluations_id_seq'::regclass, (SELECT max(x.id) FROM @extschema@.paired_evaluations x)),
            ('@extschema@.rollouts'::regclass, '@extschema@.rollouts_id_seq'::regclass, (SELECT max(x.id) FROM @extschema@.rollouts x)),
            ('@extschema@.rollout_checks'::regclass, '@extschema@.rollout_checks_id_seq'::regclass, (SELECT max(x.id) FROM @extschema@.rollout_checks x)),
            ('@extschema@.training_export_jobs'::regclass, '@extschema@.training_export_jobs_id_seq'::regclass, (SELECT max(x.id) FROM @extschema@.training_export_jobs x)),
            ('@extschema@.labelstudio_projects'::regclass, '@extschema@.labelstudio_projects_id_seq'::regclass, (SELECT max(x.id) FROM @extschema@.labelstudio_projects x)),
            ('@extschema@.labelstudio_tasks'::regclass, '@extschema@.labelstudio_tasks_id_seq'::regclass, (SELECT max(x.id) FROM @extschema@.labelstudio_tasks x)),
            ('@extschema@.job_runs'::regclass, '@extschema@.job_runs_id_seq'::regclass, (SELECT max(x.id) FROM @extschema@.job_runs x)),
            ('@extschema@.training_jobs'::regclass, '@extschema@.training_jobs_id_seq'::regclass, (SELECT max(x.id) FROM @extschema@.training_jobs x)),
            ('@extschema@.model_evaluations'::regclass, '@extschema@.model_evaluations_id_seq'::regclass, (SELECT max(x.id) FROM @extschema@.model_evaluations x)),
            ('@extschema@.model_evaluations'::regclass, '@extschema@.model_evaluations_evaluation_seq'::regclass, (SELECT max(x.evaluation_id) FROM @extschema@.model_evaluations x))
        ) AS q (table_id, sequence_id, most)
    WHERE q.most > coalesce(pg_sequence_last_value(q.sequence_id), 0)
    UNION ALL
    SELECT s.problem, s.relation, s.found, s.example, s.hint FROM @extschema@.tw_structure_problems() s
    UNION ALL
    SELECT s.problem, s.relation, s.found, s.example, s.hint FROM @extschema@.tw_schema_problems() s;
END;
REVOKE ALL ON FUNCTION @extschema@.check_integrity() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.check_integrity() IS
    'One row for each kind of orphan or contradiction, and for each column, index, constraint or trigger on our tables that '
    'is foreign (pg_dump would not carry it), missing or disabled; and what others may create, or have created, in our '
    'schema; found counts the rows, example is the id or name of one, '
    'hint says what to do. Empty when all is well';
