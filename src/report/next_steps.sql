-- What a person should do next, in words: what training_report() begins with, and training_workflow_status().
--
-- tw_next_steps_now() looks at what waits or has failed, and is fast. tw_next_steps() (measured_steps.sql) adds the
-- figures of a period, as the sections of the report show them. What was not measured is a step too: its sentence
-- says so.

CREATE FUNCTION @extschema@.tw_counted(n bigint, one text, many text) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
RETURN to_char(n, 'FM999,999,999,999,990') || ' ' || CASE WHEN n = 1 THEN one ELSE many END;
REVOKE ALL ON FUNCTION @extschema@.tw_counted(bigint, text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_counted(bigint, text, text) IS 'A number with its noun: 1 day, 2 days';

CREATE FUNCTION @extschema@.tw_step_of_jobs(
    OUT rank integer, OUT area text, OUT sentence text, OUT call text)
    RETURNS SETOF record
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH job AS MATERIALIZED (
        SELECT h.job_name, h.state, @extschema@.redact_pii(h.advice) AS advice FROM @extschema@.job_health h
    )
    -- A standby runs no jobs, and one that is scheduled and was not due yet needs nobody.
    SELECT 1, 'jobs', format('the state of the jobs is "%s"%s', j.state, coalesce(': ' || j.advice, '')),
           'SELECT * FROM job_health'
    FROM job j WHERE j.job_name = 'all' AND j.state NOT IN ('ok', 'running', 'waiting', 'standby')
    UNION ALL
    -- The first row has the worst; others fail at the same time.
    SELECT 2, 'jobs', format('the state of the job %s is "%s"%s', j.job_name, j.state, coalesce(': ' || j.advice, '')),
           'SELECT * FROM job_health'
    FROM job j
    JOIN job w ON w.job_name = 'all' AND w.state NOT IN ('standby', 'restored copy')
    WHERE j.job_name <> 'all' AND j.state IN ('failing', 'dead', 'blocked', 'no login', 'inactive')
      AND (j.state <> w.state OR j.advice IS DISTINCT FROM w.advice);
END;
REVOKE ALL ON FUNCTION @extschema@.tw_step_of_jobs() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_step_of_jobs() IS 'The steps of tw_next_steps_now() about jobs';

CREATE FUNCTION @extschema@.tw_step_of_capture(at timestamptz,
    OUT rank integer, OUT area text, OUT sentence text, OUT call text)
    RETURNS SETOF record
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    -- The newest of each of the last days: one of a later time, or of no finite one, would hide that nothing comes.
    SELECT 10, 'capture',
           CASE WHEN c.newest IS NULL THEN 'no conversation has been captured'
                ELSE format('no conversation has been captured since %s', to_char(
                    c.newest AT TIME ZONE @extschema@.training_setting('time_zone'::text), 'YYYY-MM-DD HH24:MI')) END,
           'INSERT INTO conversation_capture ...'
    FROM (SELECT max(l.created_at) AS newest FROM @extschema@.conversation_logs l
          WHERE l.created_on >= (SELECT d.created_on FROM @extschema@.conversation_logs d
                                 WHERE d.created_on <= at::date + 1 AND isfinite(d.created_on) AND d.created_at <= at
                                 ORDER BY d.created_on DESC LIMIT 1) - 1
            AND l.created_on <= at::date + 1 AND l.created_at <= at) c
    WHERE c.newest IS NULL OR c.newest < at - interval '1 day';
END;
REVOKE ALL ON FUNCTION @extschema@.tw_step_of_capture(timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_step_of_capture(timestamptz) IS
    'The step of tw_next_steps_now() about conversations that no longer come';

CREATE FUNCTION @extschema@.tw_step_of_queue(at timestamptz,
    OUT rank integer, OUT area text, OUT sentence text, OUT call text)
    RETURNS SETOF record
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH waiting AS (
        SELECT c.review_priority, c.is_audit, c.review_reason, c.created_at FROM @extschema@.conversation_logs c
        WHERE c.review_priority IS NOT NULL AND @extschema@.tw_sees_module(c.nlu_module_type, c.nlu_intent)
        UNION ALL
        SELECT s.review_priority, false, s.review_reason, s.created_at FROM @extschema@.training_samples s
        WHERE s.review_priority IS NOT NULL AND @extschema@.tw_sees_module(s.module_type, s.intent)
    ), counted AS (
        SELECT count(*) AS waiting, count(*) FILTER (WHERE w.review_priority = 1) AS urgent,
               count(*) FILTER (WHERE w.is_audit) AS audited,
               count(*) FILTER (WHERE w.review_reason = 'label conflict') AS disputed,
               min(w.created_at) FILTER (WHERE w.review_priority = 1 AND isfinite(w.created_at)) AS oldest_urgent,
               min(w.created_at) FILTER (WHERE w.is_audit AND isfinite(w.created_at)) AS oldest_audited
        FROM waiting w
    ), days AS (
        SELECT c.*, floor(extract(epoch FROM at - c.oldest_urgent) / 86400)::bigint AS urgent_days,
               floor(extract(epoch FROM at - c.oldest_audited) / 86400)::bigint AS audited_days
        FROM counted c
    )
    SELECT 20, 'queue', format('of the review queue, %s of high priority; the oldest has waited for %s',
                               @extschema@.tw_counted(d.urgent, 'item is'::text, 'items are'::text),
                               @extschema@.tw_counted(d.urgent_days, 'day'::text, 'days'::text)),
           'SELECT * FROM claim_reviews(20)'
    FROM days d WHERE d.urgent_days >= 2
    UNION ALL
    SELECT 21, 'audit', format('%s for review, the oldest for %s: accuracy is estimated from these, and so lags behind',
                               @extschema@.tw_counted(d.audited, 'audited conversation waits'::text,
                                                      'audited conversations wait'::text),
                               @extschema@.tw_counted(d.audited_days, 'day'::text, 'days'::text)),
           'SELECT * FROM claim_reviews(20)'
    FROM days d WHERE d.audited_days >= 7
    UNION ALL
    SELECT 22, 'queue', format('%s for review',
                               @extschema@.tw_counted(d.waiting, 'item waits'::text, 'items wait'::text)),
           'SELECT * FROM claim_reviews(20)'
    FROM days d
    WHERE d.waiting > 0 AND coalesce(d.urgent_days, 0) < 2 AND coalesce(d.audited_days, 0) < 7
    UNION ALL
    -- What the daily job queued: the view itself compares all samples, which takes its time.
    SELECT 23, 'labels', format('%s in the review queue because samples of the same text have another intent',
                                @extschema@.tw_counted(d.disputed, 'item is'::text, 'items are'::text)),
           'SELECT * FROM label_conflicts WHERE NOT settled'
    FROM days d WHERE d.disputed > 0;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_step_of_queue(timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_step_of_queue(timestamptz) IS
    'The steps of tw_next_steps_now() about what waits for reviewers: high priority for 2 days or more, audited '
    'conversations for 7 days or more, else how many items there are';

CREATE FUNCTION @extschema@.tw_step_of_models(at timestamptz,
    OUT rank integer, OUT area text, OUT sentence text, OUT call text)
    RETURNS SETOF record
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT 30, 'rollout', format('the last check of the rollout of %s says: roll back: %s', r.version, r.why),
           format('SELECT rollback_rollout(%L, ''WHY'')', r.model_type)
    FROM @extschema@.rollout_status r WHERE r.status IN ('running', 'watching') AND r.verdict = 'rollback'
    UNION ALL
    SELECT 31, 'rollout', format('the rollout of %s was rolled back on %s: %s', r.version,
                                 to_char(r.ended_at, 'YYYY-MM-DD'), r.why),
           format('SELECT * FROM rollout_status WHERE version = %L', r.version)
    FROM @extschema@.rollout_status r WHERE r.status = 'rolled-back' AND r.ended_at > at - interval '7 days'
    UNION ALL
    SELECT 32, 'rollout', format('the rollout of %s has been at %s %% since %s: %s', r.version, r.traffic_percentage,
                                 to_char(r.in_step_since, 'YYYY-MM-DD'), r.why), 'SELECT * FROM rollout_status'
    FROM @extschema@.rollout_status r
    WHERE r.status = 'running' AND r.in_step_since < at - interval '14 days' AND r.verdict IS DISTINCT FROM 'rollback'
    UNION ALL
    SELECT 33, 'model', format('no version of %s is live: sessions are assigned none, and new versions have nothing to '
                               'be compared with', k.type),
           CASE WHEN EXISTS (SELECT FROM @extschema@.model_versions m WHERE m.model_type = k.type)
                THEN format('SELECT * FROM model_performance_comparison WHERE model_type = %L', k.type)
                ELSE format('SELECT request_training(%L)', k.type) END
    FROM (SELECT 'router' AS type UNION SELECT m.model_type FROM @extschema@.model_versions m) k
    WHERE NOT EXISTS (SELECT FROM @extschema@.model_versions m WHERE m.model_type = k.type AND m.status = 'production')
    UNION ALL
    (SELECT 34, 'training', format('training job %s of %s failed; its message may quote samples, and is for operators',
                                   j.id, j.model_type),
            format('SELECT error_message FROM training_jobs WHERE id = %s', j.id)
     FROM (SELECT DISTINCT ON (t.model_type) t.* FROM @extschema@.training_jobs t
           ORDER BY t.model_type, t.id DESC) j
     WHERE j.status = 'failed')
    UNION ALL
    SELECT 35, 'comparison', format('%s and %s answer differently: about %s likely to decide which is better',
                                    p.challenger, p.live_version,
                                    @extschema@.tw_counted(@extschema@.tw_labels_needed(p)::bigint,
                                                            'more label is'::text,
                                                           'more labels are'::text)),
           'SELECT * FROM claim_reviews(20)'
    FROM @extschema@.paired_evaluations p WHERE p.status = 'running' AND p.disagreements > 0
    UNION ALL
    SELECT 36, 'accuracy', format('the accuracy of %s in production is not known', m.version),
           'SELECT * FROM live_accuracy_by_model'
    FROM @extschema@.model_versions m WHERE m.status = 'production' AND m.production_accuracy IS NULL
    UNION ALL
    SELECT 37, 'erasure', format('version %s learned from %s of people who were forgotten since', f.version,
                                 coalesce(@extschema@.tw_counted(f.samples, 'sample'::text, 'samples'::text),
                                          'samples, nobody knows how many,')),
           format('SELECT retrain_without(%L)', f.version)
    FROM @extschema@.forgotten_since f WHERE f.status IN ('production', 'canary');
END;
REVOKE ALL ON FUNCTION @extschema@.tw_step_of_models(timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_step_of_models(timestamptz) IS
    'The steps of tw_next_steps_now() about rollouts, versions and trainings';

CREATE FUNCTION @extschema@.tw_next_steps_now(at timestamptz,
    OUT rank integer, OUT area text, OUT sentence text, OUT call text)
    RETURNS SETOF record
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT j.rank, j.area, j.sentence, j.call FROM @extschema@.tw_step_of_jobs() j
    UNION ALL
    SELECT c.rank, c.area, c.sentence, c.call FROM @extschema@.tw_step_of_capture(at) c
    UNION ALL
    SELECT q.rank, q.area, q.sentence, q.call FROM @extschema@.tw_step_of_queue(at) q
    UNION ALL
    SELECT m.rank, m.area, m.sentence, m.call FROM @extschema@.tw_step_of_models(at) m
    UNION ALL
    SELECT 40, 'erasure', format('%s not deleted yet',
                                 @extschema@.tw_counted(count(DISTINCT e.export_id),
                                     'export with rows of people who were forgotten is'::text,
                                     'exports with rows of people who were forgotten are'::text)),
           'CALL delete_erased_exports()'
    FROM @extschema@.erasure_exports e WHERE e.status = 'pending' HAVING count(*) > 0
    UNION ALL
    SELECT 41, 'erasure', format('%s not deleted in Label Studio yet', @extschema@.tw_counted(
                                     e.waiting, 'task of people who were forgotten is'::text,
                                     'tasks of people who were forgotten are'::text)),
           'CALL labelstudio_sync()'
    FROM @extschema@.tw_labelstudio_erasures_of(NULL::text) e WHERE e.waiting > 0
    ORDER BY 1, 3;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_next_steps_now(timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_next_steps_now(timestamptz) IS
    'What a person should do next about what waits or has failed, most urgent first: a sentence and the call that '
    'helps. Fast: it reads no history';
