-- What leads from 0.1.0 to 0.2.0 beside the functions, views and triggers of the install script, which compose.pl adds.
-- tables: a39d997e4c8081cbebe5bb395442a1bae157ad14eb30584ad61a0805b070389b

@BEGIN@
-- Closed days: three tables with their triggers become one, which is derived: the daily job counts the days again, and
-- until then the view counts them when it is read.
DROP TRIGGER conversation_logs_invalidate ON @extschema@.conversation_logs;
DROP TRIGGER conversation_logs_invalidate_truncate ON @extschema@.conversation_logs;
DROP TRIGGER training_samples_insert_invalidate ON @extschema@.training_samples;
DROP TRIGGER training_samples_update_invalidate ON @extschema@.training_samples;
DROP TRIGGER training_samples_delete_invalidate ON @extschema@.training_samples;
DROP TRIGGER training_samples_invalidate_truncate ON @extschema@.training_samples;
TRUNCATE @extschema@.daily_statistics, @extschema@.daily_statistics_changes, @extschema@.daily_statistics_closings;
DROP TABLE @extschema@.daily_statistics_changes, @extschema@.daily_statistics_closings;
DROP TRIGGER daily_statistics_filter ON @extschema@.daily_statistics;
ALTER TABLE @extschema@.daily_statistics
    DROP COLUMN needs_review_high, DROP COLUMN needs_review_medium, DROP COLUMN needs_review_low,
    ALTER COLUMN closed_at DROP DEFAULT;
ALTER TABLE @extschema@.daily_statistics RENAME COLUMN closed_at TO as_of;
ALTER TABLE @extschema@.daily_statistics
    ADD COLUMN deleted bigint NOT NULL DEFAULT 0, ADD COLUMN left_over bigint[],
    ADD COLUMN is_final boolean NOT NULL DEFAULT false;

-- The queue's index answers the counts of daily_training_stats.
DROP INDEX @extschema@.conversation_logs_queue_idx;
-- Fractions of milliseconds, and no interval, which many clients cannot read. Both tables are written anew, with their
-- indexes. The new file is a member of the extension until it takes the place of the old one, so the drop guard would
-- refuse to drop what is left.
SET LOCAL training_workflow.allow_drop = on;
ALTER TABLE @extschema@.conversation_logs ALTER COLUMN nlu_processing_time_ms TYPE double precision;
ALTER TABLE @extschema@.training_jobs ALTER COLUMN lease TYPE double precision USING extract(epoch FROM lease);
SET LOCAL training_workflow.allow_drop = off;
ALTER TABLE @extschema@.training_jobs RENAME COLUMN lease TO lease_seconds;
CREATE INDEX conversation_logs_queue_idx ON @extschema@.conversation_logs
    (review_priority, nlu_confidence NULLS FIRST, created_at, id)
    INCLUDE (created_on, review_status) WHERE review_priority IS NOT NULL;

ALTER TABLE @extschema@.conversation_logs ADD COLUMN idempotency_key text, ADD COLUMN anonymised_at timestamptz;
CREATE INDEX conversation_logs_idempotency_key_idx ON @extschema@.conversation_logs
    (created_on, idempotency_key COLLATE "C") WHERE idempotency_key IS NOT NULL;

ALTER TABLE @extschema@.training_samples ADD COLUMN pending_reason text;
CREATE INDEX training_samples_pending_reason_idx ON @extschema@.training_samples (pending_reason)
    WHERE pending_reason IS NOT NULL;
ALTER INDEX @extschema@.training_samples_test_side_idx RENAME TO training_samples_test_split_idx;
-- Of all samples.
DROP INDEX @extschema@.training_samples_text_hash_idx;
CREATE INDEX training_samples_text_hash_idx ON @extschema@.training_samples (text_hash);

ALTER TABLE @extschema@.review_events RENAME COLUMN outer_role TO calling_role;
ALTER TABLE @extschema@.review_events
    DROP CONSTRAINT review_events_action_check,
    ADD CONSTRAINT review_events_action_check CHECK (action IN ('approve', 'fix', 'reject', 'withdraw', 'feedback',
                                                                'conflict', 'disagreement', 'import', 'relabel',
                                                                'opinion')),
    DROP CONSTRAINT review_events_reject_reason_check,
    ADD CONSTRAINT review_events_reject_reason_check CHECK (
        reject_reason IN ('unclear', 'no-such-intent') AND action IN ('reject', 'opinion')
        OR reject_reason IS NULL AND action <> 'reject'),
    DROP CONSTRAINT review_events_intent_check,
    ADD CONSTRAINT review_events_intent_check CHECK (
        CASE action WHEN 'opinion' THEN num_nonnulls(intent, reject_reason) = 1
                    ELSE (intent IS NOT NULL) = (action IN ('approve', 'fix')) END);

-- Samples without a conversation are reviewed, too.
ALTER TABLE @extschema@.training_samples
    ADD COLUMN review_priority smallint,
    ADD COLUMN review_reason text,
    DROP CONSTRAINT training_samples_state_check;
DROP FUNCTION @extschema@.tw_valid_sample(text, text, text, text, double precision, double precision);
-- It returns the range of ids that an import may keep.
DROP FUNCTION @extschema@.tw_begin_import();
CREATE FUNCTION @extschema@.tw_valid_sample(
    review_status text, label_source text, source text, split text, quality_score double precision,
    selection_probability double precision, conversation_log_id bigint, review_priority smallint,
    review_reason text) RETURNS boolean
    LANGUAGE c IMMUTABLE PARALLEL SAFE CALLED ON NULL INPUT
    AS 'MODULE_PATHNAME', 'tw_valid_sample';
ALTER TABLE @extschema@.training_samples
    ADD CONSTRAINT training_samples_state_check CHECK (@extschema@.tw_valid_sample(review_status, label_source, source,
        split, quality_score, selection_probability, conversation_log_id, review_priority, review_reason));
CREATE INDEX training_samples_queue_idx ON @extschema@.training_samples
    (review_priority, quality_score NULLS FIRST, created_at, conversation_log_id)
    WHERE review_priority IS NOT NULL;
ALTER TABLE @extschema@.review_events
    ALTER COLUMN conversation_log_id DROP NOT NULL,
    ADD COLUMN sample_id bigint,
    ADD CONSTRAINT review_events_subject_check CHECK (num_nonnulls(conversation_log_id, sample_id) = 1);
CREATE INDEX review_events_sample_idx ON @extschema@.review_events (sample_id, id) WHERE sample_id IS NOT NULL;
-- Imported labels that contradicted a live one were pending where nobody saw them.
UPDATE @extschema@.training_samples s SET review_priority = 2, review_reason = 'label conflict'
WHERE s.review_status = 'pending' AND s.conversation_log_id IS NULL AND s.label_source = 'human'
  AND EXISTS (SELECT FROM @extschema@.training_samples l
              WHERE l.text_hash = s.text_hash AND l.review_status = 'approved' AND l.intent <> s.intent);
-- Written anew, like conversation_logs above.
SET LOCAL training_workflow.allow_drop = on;
ALTER TABLE @extschema@.review_claims
    DROP CONSTRAINT review_claims_pkey,
    ALTER COLUMN conversation_log_id DROP NOT NULL,
    ADD COLUMN id bigint GENERATED BY DEFAULT AS IDENTITY,
    ADD COLUMN sample_id bigint,
    ADD CONSTRAINT review_claims_pkey PRIMARY KEY (id),
    ADD CONSTRAINT review_claims_conversation_key UNIQUE (conversation_log_id),
    ADD CONSTRAINT review_claims_sample_key UNIQUE (sample_id),
    ADD CONSTRAINT review_claims_subject_check CHECK (num_nonnulls(conversation_log_id, sample_id) = 1);
SET LOCAL training_workflow.allow_drop = off;
SELECT pg_extension_config_dump('@extschema@.review_claims_id_seq', '');
ALTER TABLE @extschema@.labelstudio_tasks
    ALTER COLUMN conversation_log_id DROP NOT NULL,
    ADD COLUMN sample_id bigint,
    ADD CONSTRAINT labelstudio_tasks_subject_check CHECK (num_nonnulls(conversation_log_id, sample_id) = 1);
CREATE UNIQUE INDEX labelstudio_tasks_one_pending_sample_key ON @extschema@.labelstudio_tasks (sample_id)
    WHERE status IN ('claimed', 'open', 'skipped', 'refused');

-- For erasures. The other tables that have such an index are new.
CREATE INDEX model_evaluations_sample_idx ON @extschema@.model_evaluations (sample_id);
CREATE INDEX imported_conversations_conversation_idx ON @extschema@.imported_conversations (conversation_log_id);
CREATE INDEX labelstudio_tasks_sample_idx ON @extschema@.labelstudio_tasks (sample_id) WHERE sample_id IS NOT NULL;

ALTER TABLE @extschema@.model_versions RENAME COLUMN training_samples TO sample_counts;
ALTER VIEW @extschema@.model_performance_comparison RENAME COLUMN training_samples TO sample_counts;
ALTER TABLE @extschema@.model_versions
    ADD COLUMN rollout_number integer NOT NULL DEFAULT 0,
    ADD COLUMN effective_test_samples double precision,
    ADD COLUMN learned_to bigint,
    ADD COLUMN location_unknown boolean NOT NULL DEFAULT false,
    ADD COLUMN nodes_learned_to bigint[];
ALTER TABLE @extschema@.model_versions
    DROP CONSTRAINT model_versions_amounts_check,
    ADD CONSTRAINT model_versions_amounts_check CHECK (
        model_size_mb >= 0 AND model_size_mb < 'Infinity' AND test_samples >= 0 AND production_conversations >= 0
        AND training_seconds >= 0 AND training_seconds < 'Infinity' AND rollout_number >= 0);

ALTER TABLE @extschema@.training_jobs
    ADD COLUMN pool bigint[],
    ADD COLUMN secret_sha256 text,
    ADD COLUMN handed_in_at timestamptz,
    ADD COLUMN handed_in jsonb,
    ADD COLUMN artifact bytea;
ALTER TABLE @extschema@.training_jobs
    DROP CONSTRAINT training_jobs_status_check,
    ADD CONSTRAINT training_jobs_status_check CHECK (status IN ('queued', 'running', 'handed-in', 'succeeded', 'failed',
                                                                'cancelled')),
    ADD CONSTRAINT training_jobs_handed_in_check CHECK ((handed_in IS NOT NULL) = (status = 'handed-in')
        AND (artifact IS NULL OR status = 'handed-in')),
    ADD CONSTRAINT training_jobs_secret_sha256_check CHECK (secret_sha256 ~ '^[0-9a-f]{64}$');

ALTER TABLE @extschema@.training_export_jobs ADD COLUMN skipped_too_long bigint;

ALTER TABLE @extschema@.rollouts
    ADD COLUMN number integer NOT NULL DEFAULT 1,
    ADD COLUMN steps_reason text,
    ADD COLUMN messages_per_session integer NOT NULL DEFAULT 10,
    ADD COLUMN superseded_version text,
    ADD COLUMN samples_taken_back bigint;
ALTER TABLE @extschema@.rollouts
    DROP CONSTRAINT rollouts_version_key,
    ADD CONSTRAINT rollouts_version_key UNIQUE (version, number),
    DROP CONSTRAINT rollouts_status_check,
    ADD CONSTRAINT rollouts_status_check
        CHECK (status IN ('running', 'watching', 'finished', 'rolled-back', 'superseded')),
    ADD CONSTRAINT rollouts_number_check
        CHECK (number >= 1 AND messages_per_session >= 1 AND samples_taken_back >= 0),
    DROP CONSTRAINT rollouts_ended_check,
    ADD CONSTRAINT rollouts_ended_check CHECK (
        (status IN ('finished', 'rolled-back', 'superseded')) = (ended_at IS NOT NULL)
        AND (status <> 'watching' OR promoted_at IS NOT NULL));

-- From PostgreSQL 18 on, NOT NULL is a constraint, named after the column as it was.
DO $not_null$
DECLARE
    c record;
BEGIN
    FOR c IN
        SELECT k.conrelid::regclass AS relation, r.old_name, r.new_name
        FROM (VALUES ('@extschema@.daily_statistics'::regclass, 'daily_statistics_closed_at_not_null',
                      'daily_statistics_as_of_not_null'),
                     ('@extschema@.review_events', 'review_events_outer_role_not_null',
                      'review_events_calling_role_not_null')) AS r (relation, old_name, new_name)
        JOIN pg_constraint k ON k.conrelid = r.relation AND k.conname = r.old_name
    LOOP
        EXECUTE format('ALTER TABLE %s RENAME CONSTRAINT %I TO %I', c.relation, c.old_name, c.new_name);
    END LOOP;
END
$not_null$;

-- Rows. Triggers would set updated_at, which is not for an update of the extension to say; those that invalidate caches
-- fire all the same.
SET LOCAL session_replication_role = replica;
-- A version was rolled out once at most; another rollout of it is its second.
UPDATE @extschema@.model_versions m SET rollout_number = 1
WHERE m.version IN (SELECT r.version FROM @extschema@.rollouts r);
-- Rollouts counted all messages of a session. One that goes on counts its first ten from now on.
UPDATE @extschema@.rollouts r SET messages_per_session = 2147483647 WHERE r.status NOT IN ('running', 'watching');
UPDATE @extschema@.rollout_checks k
SET metrics = (
    SELECT jsonb_agg(f.value - 'detectable_loss'
        || CASE WHEN f.value ? 'detectable_loss'
                THEN jsonb_build_object('minimum_detectable_loss', f.value -> 'detectable_loss') ELSE '{}' END
        || jsonb_build_object('state', s.state, 'verdict', CASE WHEN s.state = 'compared' THEN f.value -> 'verdict' END)
        ORDER BY f.number)
    FROM jsonb_array_elements(k.metrics) WITH ORDINALITY AS f (value, number)
    CROSS JOIN LATERAL (
        SELECT CASE WHEN (f.value ->> 'canary_units')::bigint + (f.value ->> 'production_units')::bigint = 0
                    THEN 'no data'
                    WHEN f.value ->> 'verdict' IN ('worse', 'better') THEN 'compared'
                    WHEN f.value ->> 'verdict' = 'too few' OR (f.value ->> 'detectable_loss')::double precision >= 1
                    THEN 'not measured'
                    ELSE 'compared' END AS state) s)
WHERE jsonb_typeof(k.metrics) = 'array' AND k.metrics <> '[]';
UPDATE @extschema@.training_samples s SET pending_reason = c.review_reason
FROM @extschema@.conversation_logs c
WHERE c.id = s.conversation_log_id AND s.review_status = 'pending' AND s.label_source = 'model'
  AND c.review_reason IN ('negative feedback', 'user correction');
-- Fewer sessions are no measurement.
UPDATE @extschema@.training_settings s SET value = '5'
WHERE s.name = 'rollout_min_units' AND s.value IN ('1', '2', '3', '4');
SET LOCAL session_replication_role = origin;

-- Views and functions that are gone, or whose columns, parameters or results are others.
DROP VIEW @extschema@.tw_closed_days, @extschema@.tw_fallback_rules, @extschema@.rollout_status,
    @extschema@.review_backlog, @extschema@.reviewer_activity, @extschema@.live_accuracy_by_model;
DROP ROUTINE
    @extschema@.claim_reviews(integer, interval, text),
    @extschema@.claim_training_job(text, interval, text[]),
    @extschema@.classify_intent(text, text, text),
    @extschema@.classify_intents(text, integer, text, text),
    @extschema@.compare_models(text, text),
    @extschema@.complete_training_job(bigint, text, jsonb, bytea, text, double precision, double precision),
    @extschema@.fail_training_job(bigint, text, text, boolean),
    @extschema@.grant_training_role(text, text),
    @extschema@.heartbeat_training_job(bigint, text, jsonb),
    @extschema@.import_training_samples(text, text, boolean),
    @extschema@.labelstudio_check(text),
    @extschema@.live_accuracy(date, date, text[]),
    @extschema@.promote_model(text, text),
    @extschema@.queue_label_conflicts(),
    @extschema@.record_feedback(bigint, text, text, text),
    @extschema@.record_response(bigint, text, text, boolean, text, text),
    @extschema@.release_reviews(bigint[], text),
    @extschema@.register_model(text, text, text, bytea, text, jsonb, double precision, double precision, double 
        precision, text),
    @extschema@.revoke_training_role(text, text),
    @extschema@.s3_check(text),
    @extschema@.sequential_comparison(double precision[], double precision[], double precision[], double precision[], 
        double precision[], double precision[], double precision[], double precision[], double precision[], double 
        precision[], double precision[], double precision[], double precision, double precision, integer, double 
        precision),
    @extschema@.training_job_test_set(bigint),
    @extschema@.tw_announce_closing(date),
    @extschema@.tw_begin_job(text, text, timestamptz),
    @extschema@.tw_begin_part(bigint, text),
    @extschema@.tw_begin_run(text),
    @extschema@.tw_check_rollout(bigint, timestamptz),
    @extschema@.tw_check_verdict(bigint[], text, text, jsonb, text),
    @extschema@.tw_claim_audited(text, interval, integer),
    @extschema@.tw_claim_urgent(text, interval, integer),
    @extschema@.tw_closable_to(),
    @extschema@.tw_close_days(timestamptz, integer),
    @extschema@.tw_conversation_changed(),
    @extschema@.tw_cron_field(text, integer, integer),
    @extschema@.tw_cron_plan(text, text, timestamptz),
    @extschema@.tw_cron_server(),
    @extschema@.tw_cron_tick(text, text, timestamptz, boolean),
    @extschema@.tw_daily_begin(text, timestamptz),
    @extschema@.tw_daily_changes(),
    @extschema@.tw_daily_part(text, timestamptz),
    @extschema@.tw_daily_step(bigint, text, timestamptz),
    @extschema@.tw_daily_synced(bigint),
    @extschema@.tw_decide_export_sides(),
    @extschema@.tw_decide_sides(),
    @extschema@.tw_detectable_losses(jsonb),
    @extschema@.tw_end_canary(bigint, text, jsonb, timestamptz, text),
    @extschema@.tw_end_export(bigint, bigint, bigint, text, text),
    @extschema@.tw_export_file(text, text[], text[], text[], timestamptz, bigint, text, text, text, boolean, bigint),
    @extschema@.tw_export_temporary(text, text[], text[], text[], timestamptz, bigint, text, text),
    @extschema@.tw_export_to_temporary(jsonb, text),
    @extschema@.tw_gate_decision(bigint, double precision, text, double precision, integer, double precision),
    @extschema@.tw_hold(bigint[], text, interval),
    @extschema@.tw_is_late_sample(),
    @extschema@.tw_job_times(text, text, text, text, timestamptz),
    @extschema@.tw_label_samples(bigint[], text, jsonb, text),
    @extschema@.tw_labelstudio_begin(text),
    @extschema@.tw_labelstudio_claim(@extschema@.labelstudio_projects, bigint, integer, boolean, uuid),
    @extschema@.tw_labelstudio_context(@extschema@.conversation_logs),
    @extschema@.tw_labelstudio_do(@extschema@.labelstudio_projects, bigint, text, jsonb),
    @extschema@.tw_labelstudio_end(bigint, bigint),
    @extschema@.tw_labelstudio_marked(jsonb),
    @extschema@.tw_labelstudio_judge(@extschema@.labelstudio_tasks, jsonb, text, jsonb),
    @extschema@.tw_labelstudio_miss(@extschema@.labelstudio_projects, jsonb, bigint, bigint, integer),
    @extschema@.tw_labelstudio_prediction(@extschema@.conversation_logs, jsonb),
    @extschema@.tw_labelstudio_pull(@extschema@.labelstudio_projects, jsonb),
    @extschema@.tw_labelstudio_run(text, text[]),
    @extschema@.tw_labelstudio_step(bigint, bigint, text, jsonb),
    @extschema@.tw_labelstudio_sweep(@extschema@.labelstudio_projects, jsonb),
    @extschema@.tw_labelstudio_take_in(@extschema@.labelstudio_projects, jsonb, interval, jsonb),
    @extschema@.tw_labelstudio_take_needless(@extschema@.labelstudio_projects, jsonb, integer),
    @extschema@.tw_last_runs(),
    @extschema@.tw_lock_for_verdict(bigint[], text, text),
    @extschema@.tw_mark_learned(text, bigint[], text[]),
    @extschema@.tw_new_sides(),
    @extschema@.tw_next_transaction_id(),
    @extschema@.tw_note_failed_look(bigint, text, timestamptz),
    @extschema@.tw_note_not_stored(bigint, text, text[], text, text),
    @extschema@.tw_note_part(bigint, text, text),
    @extschema@.tw_note_stored(text, text, text),
    @extschema@.tw_outer_role(),
    @extschema@.tw_outer_role_id(),
    @extschema@.tw_own_job(bigint, text),
    @extschema@.tw_own_objects(),
    @extschema@.tw_put_export(@extschema@.training_export_jobs),
    @extschema@.tw_reload_policies(),
    @extschema@.tw_require_meant(text, text, text, boolean),
    @extschema@.tw_reserve_numbers(bigint),
    @extschema@.tw_rollout_messages(bigint, timestamptz),
    @extschema@.tw_rollouts_begin(timestamptz),
    @extschema@.tw_rollouts_step(bigint, jsonb, timestamptz),
    @extschema@.tw_s3_delete(text, text),
    @extschema@.tw_sample_changed(),
    @extschema@.tw_schedule_job(text, text, text, boolean),
    @extschema@.tw_scheduled_jobs(),
    @extschema@.tw_start_rollout(text, text, timestamptz, text),
    @extschema@.tw_store_begin(),
    @extschema@.tw_store_days(date[]),
    @extschema@.tw_store_predictions(@extschema@.training_jobs, jsonb),
    @extschema@.tw_store_step(bigint, text[]),
    @extschema@.tw_stored_scores(bigint, text, text),
    @extschema@.tw_take_in_changes(),
    @extschema@.tw_training_begin(),
    @extschema@.tw_utc_offsets(text, timestamptz),
    @extschema@.tw_waiting_rollout(text),
    @extschema@.tw_weekly_begin(text, timestamptz),
    @extschema@.tw_weekly_export(bigint, timestamptz),
    @extschema@.tw_weekly_result(bigint, text),
    @extschema@.tw_weekly_step(bigint, text, bigint, timestamptz);

CREATE UNLOGGED SEQUENCE @extschema@.conversation_logs_lastval_seq
    MINVALUE -9223372036854775808 MAXVALUE 9223372036854775807 START 1 CYCLE;

@INSTALL_SCRIPT@
ALTER TABLE @extschema@.conversation_logs ALTER COLUMN created_on SET DEFAULT @extschema@.tw_load_library();

@END@
-- The zone that an entry was made for is not always in it, so whoever made the entries renews them.
DO $cron$
BEGIN
    IF EXISTS (SELECT FROM @extschema@.tw_cron_entries() e
               WHERE NOT EXISTS (SELECT FROM @extschema@.tw_cron_plan(@extschema@.training_setting('time_zone'::text)) p
                                 WHERE p.job_name = e.job_name AND p.schedule = e.schedule AND p.command = e.command))
    THEN
        SET LOCAL client_min_messages = notice;
        RAISE NOTICE USING
            MESSAGE = 'the entries of pg_cron are those of training_workflow 0.1.0',
            DETAIL = 'They go on running the jobs at the same times.',
            HINT = 'SELECT * FROM schedule_jobs(); as the role that made them brings them up to date.';
    END IF;
END
$cron$;
