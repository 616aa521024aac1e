-- training_metrics: figures for monitoring, by the naming rules of Prometheus.
--
-- It is scraped every few seconds, so it counts nothing that grows with the conversations: the queue by its index, past
-- days as the daily job stored them, accuracy as check_rollouts() stored it. What is not known has no row, and a
-- metric of its own says how old the figure is, or that there is none: an alert must not take silence for health.

CREATE FUNCTION @extschema@.tw_metrics_of_queue(
    OUT name text, OUT labels jsonb, OUT value double precision)
    RETURNS SETOF record
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp SET jit = off
BEGIN ATOMIC
    WITH waiting AS (
        SELECT c.review_priority, c.is_audit, c.created_at FROM @extschema@.conversation_logs c
        WHERE c.review_priority IS NOT NULL AND @extschema@.tw_sees_module(c.nlu_module_type, c.nlu_intent)
        UNION ALL
        SELECT s.review_priority, false, s.created_at FROM @extschema@.training_samples s
        WHERE s.review_priority IS NOT NULL AND @extschema@.tw_sees_module(s.module_type, s.intent)
    ), counted AS MATERIALIZED (
        -- Of one pass, since a scrape comes every few seconds.
        SELECT count(*) FILTER (WHERE w.review_priority = 1) AS high,
               count(*) FILTER (WHERE w.review_priority = 2) AS medium,
               count(*) FILTER (WHERE w.review_priority = 3) AS low, count(*) FILTER (WHERE w.is_audit) AS audit,
               min(w.created_at) FILTER (WHERE w.review_priority = 1 AND isfinite(w.created_at)) AS high_since,
               min(w.created_at) FILTER (WHERE w.review_priority = 2 AND isfinite(w.created_at)) AS medium_since,
               min(w.created_at) FILTER (WHERE w.review_priority = 3 AND isfinite(w.created_at)) AS low_since,
               min(w.created_at) FILTER (WHERE w.is_audit AND isfinite(w.created_at)) AS audit_since
        FROM waiting w
    ), figure AS (
        SELECT f.label, f.waiting, f.oldest
        FROM counted c
        CROSS JOIN LATERAL (VALUES ('high', c.high, c.high_since), ('medium', c.medium, c.medium_since),
                                   ('low', c.low, c.low_since), ('audit', c.audit, c.audit_since))
            AS f (label, waiting, oldest)
    )
    SELECT 'training_workflow_' || CASE f.label WHEN 'audit' THEN 'audit' ELSE 'queue' END || '_waiting',
           CASE f.label WHEN 'audit' THEN '{}' ELSE jsonb_build_object('priority', f.label) END, f.waiting
    FROM figure f
    UNION ALL
    -- An empty queue is not old: 0, so that the alert ends.
    SELECT 'training_workflow_' || CASE f.label WHEN 'audit' THEN 'audit' ELSE 'queue' END || '_oldest_seconds',
           CASE f.label WHEN 'audit' THEN '{}' ELSE jsonb_build_object('priority', f.label) END,
           coalesce(greatest(extract(epoch FROM now() - f.oldest), 0), 0)
    FROM figure f
    UNION ALL
    SELECT 'training_workflow_claims', '{}', count(*) FROM @extschema@.review_claims k
    WHERE k.expires_at > now() AND @extschema@.tw_sees_all_modules()
    HAVING @extschema@.tw_sees_all_modules();
END;
REVOKE ALL ON FUNCTION @extschema@.tw_metrics_of_queue() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_metrics_of_queue() IS 'The rows of training_metrics about the review queue';

CREATE FUNCTION @extschema@.tw_metrics_of_capture(
    OUT name text, OUT labels jsonb, OUT value double precision)
    RETURNS SETOF record
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp SET jit = off
BEGIN ATOMIC
    SELECT 'training_workflow_conversation_ids_total', '{}'::jsonb,
           (SELECT CASE WHEN s.is_called THEN s.last_value ELSE 0 END
            FROM @extschema@.conversation_logs_id_seq s)::double precision
    WHERE @extschema@.tw_sees_all_modules()
    UNION ALL
    -- Of the newest day, the rows that came last: its index has them in the order of their places in the table. Rows of
    -- earlier days that are imported, and those of clocks that are wrong, do not stand for the newest.
    SELECT 'training_workflow_last_conversation_timestamp_seconds', '{}', extract(epoch FROM max(c.created_at))
    FROM (SELECT l.created_at FROM @extschema@.conversation_logs l
          WHERE l.created_on <= (now() AT TIME ZONE @extschema@.training_setting('time_zone'::text))::date
          ORDER BY l.created_on DESC LIMIT 5000) c
    WHERE isfinite(c.created_at) AND c.created_at <= now()
    HAVING max(c.created_at) IS NOT NULL AND @extschema@.tw_sees_all_modules()
    UNION ALL
    SELECT 'training_workflow_unfiltered_conversations', '{}', count(*)
    FROM (SELECT FROM @extschema@.conversation_logs c WHERE c.review_status IS NULL LIMIT 100000) u
    HAVING @extschema@.tw_sees_all_modules()
    UNION ALL
    SELECT 'training_workflow_day_' || f.name, f.labels, f.value
    FROM (SELECT d.* FROM @extschema@.daily_statistics d ORDER BY d.date DESC LIMIT 1) d
    CROSS JOIN LATERAL (VALUES
        ('timestamp_seconds', '{}'::jsonb, extract(epoch FROM (d.date::timestamp
            AT TIME ZONE @extschema@.training_setting('time_zone'::text)))::double precision),
        ('conversations', '{"outcome": "auto-approved"}', d.auto_approved::double precision),
        ('conversations', '{"outcome": "needs-review"}', d.needs_review::double precision),
        ('conversations', '{"outcome": "not-applicable"}', d.not_applicable::double precision),
        ('promoted', '{}', d.promoted::double precision),
        ('negative_feedback', '{}', d.negative_feedback::double precision),
        ('fallback_ratio', '{}', d.fallback_rate),
        ('latency_seconds', '{"quantile": "0.5"}', d.p50_latency_ms / 1000),
        ('latency_seconds', '{"quantile": "0.95"}', d.p95_latency_ms / 1000)) AS f (name, labels, value)
    WHERE f.value IS NOT NULL AND isfinite(d.date) AND @extschema@.tw_sees_all_modules();
END;
REVOKE ALL ON FUNCTION @extschema@.tw_metrics_of_capture() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_metrics_of_capture() IS
    'The rows of training_metrics about captured conversations; none for a caller who is limited to modules';

CREATE FUNCTION @extschema@.tw_metrics_of_models(
    OUT name text, OUT labels jsonb, OUT value double precision)
    RETURNS SETOF record
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp SET jit = off
BEGIN ATOMIC
    SELECT 'training_workflow_live_versions', jsonb_build_object('model_type', k.model_type),
           (SELECT count(*) FROM @extschema@.model_versions m
            WHERE m.model_type = k.model_type AND m.status = 'production')::double precision
    FROM (SELECT 'router' AS model_type UNION SELECT m.model_type FROM @extschema@.model_versions m) k
    UNION ALL
    SELECT 'training_workflow_version_' || f.name, jsonb_build_object('model_type', m.model_type, 'version', m.version),
           f.value
    FROM @extschema@.model_versions m
    CROSS JOIN LATERAL (VALUES
        ('traffic_ratio', m.traffic_percentage / 100.0::double precision),
        ('test_accuracy_ratio', m.test_accuracy),
        ('accuracy_ratio', m.production_accuracy), ('accuracy_lower_ratio', m.production_accuracy_lower),
        ('accuracy_upper_ratio', m.production_accuracy_upper),
        ('accuracy_known', (m.production_accuracy IS NOT NULL)::integer),
        ('accuracy_computed_timestamp_seconds', extract(epoch FROM m.production_computed_at)::double precision),
        ('fallback_ratio', m.fallback_rate),
        ('artifact_unstored', (m.artifact_error IS NOT NULL)::integer)) AS f (name, value)
    WHERE m.status IN ('production', 'canary') AND f.value IS NOT NULL
    UNION ALL
    SELECT 'training_workflow_target_accuracy_ratio', '{}',
           @extschema@.training_setting('target_accuracy'::text)::double precision
    UNION ALL
    SELECT 'training_workflow_rollouts', jsonb_build_object('model_type', r.model_type, 'version', r.version,
               'status', r.status, 'verdict', coalesce(r.verdict, 'not checked')), 1
    FROM @extschema@.rollout_status r WHERE r.status IN ('running', 'watching')
    UNION ALL
    SELECT 'training_workflow_rollback_timestamp_seconds', jsonb_build_object('model_type', r.model_type),
           extract(epoch FROM max(r.ended_at))
    FROM @extschema@.rollouts r WHERE r.status = 'rolled-back' GROUP BY r.model_type
    UNION ALL
    SELECT 'training_workflow_training_jobs', jsonb_build_object('model_type', j.model_type, 'status', j.status),
           count(*)
    FROM @extschema@.training_jobs j WHERE j.status IN ('queued', 'running', 'handed-in')
    GROUP BY j.model_type, j.status
    UNION ALL
    (SELECT 'training_workflow_training_failed', jsonb_build_object('model_type', j.model_type),
            (j.status = 'failed')::integer
     FROM (SELECT DISTINCT ON (t.model_type) t.model_type, t.status FROM @extschema@.training_jobs t
           WHERE t.status IN ('succeeded', 'failed')
           ORDER BY t.model_type, t.id DESC) j);
END;
REVOKE ALL ON FUNCTION @extschema@.tw_metrics_of_models() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_metrics_of_models() IS
    'The rows of training_metrics about versions, rollouts and trainings';

CREATE FUNCTION @extschema@.tw_metrics_of_jobs(
    OUT name text, OUT labels jsonb, OUT value double precision)
    RETURNS SETOF record
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp SET jit = off
BEGIN ATOMIC
    WITH health AS MATERIALIZED (
        SELECT j.* FROM @extschema@.job_health j
    )
    SELECT 'training_workflow_' || f.name, f.labels, f.value
    FROM (VALUES ('restored_copy', '{}'::jsonb, @extschema@.tw_is_restored_copy()::integer::double precision),
                 ('standby', '{}', pg_is_in_recovery()::integer)) AS f (name, labels, value)
    UNION ALL
    SELECT 'training_workflow_info',
           jsonb_build_object('extension_version', e.extversion, 'database', current_database()), 1
    FROM pg_extension e WHERE e.extname = 'training_workflow'
    UNION ALL
    SELECT 'training_workflow_job_' || f.name, jsonb_build_object('job_name', h.job_name), f.value
    FROM health h
    CROSS JOIN LATERAL (VALUES
        ('failing', (h.state IN ('failing', 'dead', 'no login', 'blocked', 'inactive'))::integer::double precision),
        ('overdue', h.is_overdue::integer),
        ('scheduled', CASE WHEN h.schedule IS NOT NULL AND h.schedule <> 'unknown'
                           THEN (h.schedule <> 'not scheduled')::integer END),
        ('running_seconds', CASE WHEN h.running_since IS NOT NULL
                                 THEN extract(epoch FROM now() - h.running_since)::double precision END),
        ('last_success_timestamp_seconds', extract(epoch FROM h.last_success)::double precision),
        ('last_failure_timestamp_seconds', extract(epoch FROM h.last_failure)::double precision)) AS f (name, value)
    WHERE h.job_name <> 'all' AND f.value IS NOT NULL
    UNION ALL
    SELECT 'training_workflow_jobs_healthy', jsonb_build_object('state', h.state),
           (h.state IN ('ok', 'running', 'waiting', 'standby'))::integer
    FROM health h WHERE h.job_name = 'all';
END;
REVOKE ALL ON FUNCTION @extschema@.tw_metrics_of_jobs() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_metrics_of_jobs() IS
    'The rows of training_metrics about the installation and its jobs';

CREATE FUNCTION @extschema@.tw_metrics_of_stores(
    OUT name text, OUT labels jsonb, OUT value double precision)
    RETURNS SETOF record
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp SET jit = off
BEGIN ATOMIC
    SELECT 'training_workflow_unstored_artifacts', '{}'::jsonb, count(*)::double precision
    FROM @extschema@.model_versions m WHERE m.artifact_error IS NOT NULL
    UNION ALL
    SELECT 'training_workflow_export_failed', '{}', (j.status = 'failed')::integer
    FROM (SELECT x.status FROM @extschema@.training_export_jobs x WHERE x.status <> 'running'
          ORDER BY x.id DESC LIMIT 1) j
    UNION ALL
    SELECT 'training_workflow_labelstudio_' || f.name,
           jsonb_build_object('project', p.server_name || '/' || p.project_id), f.value
    FROM @extschema@.labelstudio_projects p
    CROSS JOIN LATERAL (VALUES
        ('failing', (p.last_error IS NOT NULL)::integer::double precision),
        ('last_push_timestamp_seconds', extract(epoch FROM p.last_push_at)::double precision),
        ('last_pull_timestamp_seconds', extract(epoch FROM p.last_pull_at)::double precision)) AS f (name, value)
    WHERE p.is_active AND f.value IS NOT NULL AND @extschema@.tw_sees_module(p.module_type, NULL::text)
    UNION ALL
    SELECT 'training_workflow_erasures_waiting', '{"what": "exports"}', count(*)
    FROM @extschema@.erasure_exports e WHERE e.status = 'pending'
    UNION ALL
    SELECT 'training_workflow_erasures_waiting', '{"what": "labelstudio"}', count(*)
    FROM @extschema@.labelstudio_erasures e WHERE e.deleted_at IS NULL
    UNION ALL
    SELECT 'training_workflow_erasures_waiting', '{"what": "rows"}', count(*)
    FROM @extschema@.erasures e WHERE e.status = 'running'
    UNION ALL
    SELECT 'training_workflow_audit_sealed_timestamp_seconds', '{}', extract(epoch FROM h.sealed_at)
    FROM @extschema@.tw_audit_head() h WHERE h.sealed_at IS NOT NULL
    UNION ALL
    SELECT 'training_workflow_audit_problems', '{}', s.problems
    FROM @extschema@.tw_last_full_sealing() s WHERE s.problems IS NOT NULL;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_metrics_of_stores() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_metrics_of_stores() IS
    'The rows of training_metrics about stores, erasures and the audit trail';

CREATE FUNCTION @extschema@.tw_metric_names(OUT name text, OUT type text, OUT help text) RETURNS SETOF record
    LANGUAGE sql IMMUTABLE ROWS 50 SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT 'training_workflow_' || v.name, v.type, v.help
    FROM (VALUES
    ('info', 'gauge', '1; its labels are the version of the extension and the database'),
    ('restored_copy', 'gauge', '1 in a restored copy, whose jobs do nothing until adopt_installation()'),
    ('standby', 'gauge', '1 on a standby'),
    ('jobs_healthy', 'gauge', '1 if the jobs are ok, running or waiting, or this is a standby; state says more'),
    ('job_failing', 'gauge', '1 if the job failed, is dead, blocked or switched off, or its role cannot log in'),
    ('job_overdue', 'gauge', '1 if a due run of the job is missing'),
    ('job_scheduled', 'gauge', '0 if pg_cron has no entry for the job'),
    ('job_running_seconds', 'gauge', 'How long the unfinished run of the job has been going on'),
    ('job_last_success_timestamp_seconds', 'gauge', 'When the job last succeeded'),
    ('job_last_failure_timestamp_seconds', 'gauge', 'When the job last failed'),
    ('queue_waiting', 'gauge', 'Conversations and samples that wait for review'),
    ('queue_oldest_seconds', 'gauge', 'Age of the oldest one that waits for review; 0 if none does'),
    ('audit_waiting', 'gauge', 'Audited conversations that wait for review'),
    ('audit_oldest_seconds', 'gauge', 'Age of the oldest audited conversation that waits for review; 0 if none does'),
    ('claims', 'gauge', 'Reviews that somebody holds'),
    ('conversation_ids_total', 'counter', 'Ids of conversations drawn, those of failed statements included'),
    ('last_conversation_timestamp_seconds', 'gauge', 'created_at of the newest conversation, times to come left out'),
    ('unfiltered_conversations', 'gauge', 'Conversations that the filter has not seen, at most 100000'),
    ('day_timestamp_seconds', 'gauge', 'Begin of the newest day whose figures are stored; the other day_ metrics are '
                                       'of that day'),
    ('day_conversations', 'gauge', 'Conversations of that day by outcome of the filter'),
    ('day_promoted', 'gauge', 'Conversations of that day that had a training sample when it was counted'),
    ('day_negative_feedback', 'gauge', 'Conversations of that day with negative feedback when it was counted'),
    ('day_fallback_ratio', 'gauge', 'Fraction of the answers of that day that a fallback provider gave'),
    ('day_latency_seconds', 'gauge', 'Quantiles of the time of an NLU call on that day'),
    ('live_versions', 'gauge', 'Number of versions in production: 0 or 1'),
    ('version_traffic_ratio', 'gauge', 'Fraction of the sessions that the version has'),
    ('version_test_accuracy_ratio', 'gauge', 'Accuracy on the frozen test set'),
    ('version_accuracy_ratio', 'gauge', 'Estimated accuracy in production over 30 days'),
    ('version_accuracy_lower_ratio', 'gauge', 'Lower end of its 95 % interval'),
    ('version_accuracy_upper_ratio', 'gauge', 'Upper end of its 95 % interval'),
    ('version_accuracy_known', 'gauge', '0 if the accuracy in production is not known'),
    ('version_accuracy_computed_timestamp_seconds', 'gauge', 'When the accuracy in production was last computed'),
    ('target_accuracy_ratio', 'gauge', 'The setting target_accuracy, which a version must reach'),
    ('version_fallback_ratio', 'gauge', 'Fraction of the answers that a fallback provider gave'),
    ('version_artifact_unstored', 'gauge', '1 if the artifact could not be stored in the object store'),
    ('rollouts', 'gauge', '1 for each rollout that runs or is watched; verdict is that of its newest check'),
    ('rollback_timestamp_seconds', 'gauge', 'When a version of the type was last rolled back'),
    ('training_jobs', 'gauge', 'Training jobs that are queued, running or handed in'),
    ('training_failed', 'gauge', '1 if the newest training job of the type that ended failed'),
    ('unstored_artifacts', 'gauge', 'Artifacts that could not be stored in the object store'),
    ('export_failed', 'gauge', '1 if the newest finished export failed'),
    ('labelstudio_failing', 'gauge', '1 if the last run with this project failed'),
    ('labelstudio_last_push_timestamp_seconds', 'gauge', 'When tasks were last pushed to this project'),
    ('labelstudio_last_pull_timestamp_seconds', 'gauge', 'When verdicts were last pulled from this project'),
    ('erasures_waiting', 'gauge', 'What erasures have still to do: running ones (rows), exports and Label Studio tasks '
                                  'to delete'),
    ('audit_sealed_timestamp_seconds', 'gauge', 'When the newest entry of the audit trail was written'),
    ('audit_problems', 'gauge', 'Problems that the last full run of seal_audit() found')) AS v (name, type, help);
END;
REVOKE ALL ON FUNCTION @extschema@.tw_metric_names() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_metric_names() IS 'Each metric of training_metrics, with its type and what it says';

CREATE FUNCTION @extschema@.tw_training_metrics(
    OUT name text, OUT labels jsonb, OUT value double precision, OUT help text, OUT type text)
    RETURNS SETOF record
    LANGUAGE sql STABLE ROWS 100 SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off
BEGIN ATOMIC
    SELECT m.name, m.labels, m.value, n.help, n.type
    FROM (SELECT j.name, j.labels, j.value FROM @extschema@.tw_metrics_of_jobs() j
          UNION ALL SELECT q.name, q.labels, q.value FROM @extschema@.tw_metrics_of_queue() q
          UNION ALL SELECT c.name, c.labels, c.value FROM @extschema@.tw_metrics_of_capture() c
          UNION ALL SELECT v.name, v.labels, v.value FROM @extschema@.tw_metrics_of_models() v
          UNION ALL SELECT s.name, s.labels, s.value FROM @extschema@.tw_metrics_of_stores() s) m
    JOIN @extschema@.tw_metric_names() n ON n.name = m.name
    ORDER BY m.name, m.labels::text COLLATE "C";
END;
REVOKE ALL ON FUNCTION @extschema@.tw_training_metrics() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_training_metrics() IS 'The rows of the view training_metrics';

CREATE VIEW @extschema@.training_metrics AS
    SELECT m.name, m.labels, m.value, m.help, m.type FROM @extschema@.tw_training_metrics() m;
REVOKE ALL ON TABLE @extschema@.training_metrics FROM PUBLIC;
COMMENT ON VIEW @extschema@.training_metrics IS
    'Figures for monitoring, one a row, named as Prometheus names them: jobs, queue, capture, versions, rollouts, '
    'stores. A figure that is not known has no row. Those of captured conversations are for roles that see all modules';
COMMENT ON COLUMN @extschema@.training_metrics.name IS 'The metric, training_workflow_...';
COMMENT ON COLUMN @extschema@.training_metrics.labels IS 'Its labels, an object of texts; {} = none';
COMMENT ON COLUMN @extschema@.training_metrics.value IS
    'The figure: seconds, fractions from 0 to 1, seconds since 1970 in ..._timestamp_seconds';
COMMENT ON COLUMN @extschema@.training_metrics.help IS 'What it says';
COMMENT ON COLUMN @extschema@.training_metrics.type IS 'gauge or counter';
