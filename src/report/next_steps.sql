-- What a person should do next, in words: what training_report() begins with, and training_workflow_status().
--
-- tw_next_steps_now() looks at what waits or has failed, and is fast. tw_next_steps_measured() looks at the figures of
-- a period, as the sections of the report show them. What was not measured is a step too: its sentence says so.

CREATE FUNCTION @extschema@.tw_step_of_queue(at timestamptz,
    OUT rank integer, OUT area text, OUT sentence text, OUT call text)
    RETURNS SETOF record
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH waiting AS (
        SELECT c.review_priority, c.is_audit, c.created_at FROM @extschema@.conversation_logs c
        WHERE c.review_priority IS NOT NULL AND @extschema@.tw_sees_module(c.nlu_module_type, c.nlu_intent)
        UNION ALL
        SELECT s.review_priority, false, s.created_at FROM @extschema@.training_samples s
        WHERE s.review_priority IS NOT NULL AND @extschema@.tw_sees_module(s.module_type, s.intent)
    ), counted AS (
        SELECT count(*) AS waiting, count(*) FILTER (WHERE w.review_priority = 1) AS urgent,
               count(*) FILTER (WHERE w.is_audit) AS audited,
               min(w.created_at) FILTER (WHERE w.review_priority = 1) AS oldest_urgent,
               min(w.created_at) FILTER (WHERE w.is_audit) AS oldest_audited
        FROM waiting w
    )
    SELECT 20, 'queue', format('%s conversations of high priority wait for review; the oldest for %s days', c.urgent,
                               floor(extract(epoch FROM at - c.oldest_urgent) / 86400)),
           'SELECT * FROM claim_reviews(''YOUR NAME'')'
    FROM counted c WHERE c.oldest_urgent < at - interval '2 days'
    UNION ALL
    SELECT 21, 'audit', format('%s audited conversations wait for review, the oldest for %s days: accuracy is estimated '
                               'from these', c.audited, floor(extract(epoch FROM at - c.oldest_audited) / 86400)),
           'SELECT * FROM claim_reviews(''YOUR NAME'')'
    FROM counted c WHERE c.oldest_audited < at - interval '7 days'
    UNION ALL
    SELECT 22, 'queue', format('%s conversations wait for review', c.waiting),
           'SELECT * FROM claim_reviews(''YOUR NAME'')'
    FROM counted c
    WHERE c.waiting > 0 AND (c.oldest_urgent IS NULL OR c.oldest_urgent >= at - interval '2 days')
      AND (c.oldest_audited IS NULL OR c.oldest_audited >= at - interval '7 days');
END;
REVOKE ALL ON FUNCTION @extschema@.tw_step_of_queue(timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_step_of_queue(timestamptz) IS
    'The steps of tw_next_steps_now() about what waits for reviewers';

CREATE FUNCTION @extschema@.tw_step_of_models(at timestamptz,
    OUT rank integer, OUT area text, OUT sentence text, OUT call text)
    RETURNS SETOF record
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT 30, 'rollout', format('the rollout of %s would be rolled back: %s', r.version, r.why),
           format('SELECT rollback_rollout(%L)', r.model_type)
    FROM @extschema@.rollout_status r WHERE r.status IN ('running', 'watching') AND r.verdict = 'rollback'
    UNION ALL
    SELECT 31, 'rollout', format('the rollout of %s was rolled back on %s: %s', r.version,
                                 to_char(r.ended_at, 'YYYY-MM-DD'), r.why),
           'SELECT * FROM intent_confusions'
    FROM @extschema@.rollout_status r WHERE r.status = 'rolled-back' AND r.ended_at > at - interval '7 days'
    UNION ALL
    SELECT 32, 'rollout', format('the rollout of %s has been at %s %% since %s: %s', r.version, r.traffic_percentage,
                                 to_char(r.in_step_since, 'YYYY-MM-DD'), r.why), 'SELECT * FROM rollout_status'
    FROM @extschema@.rollout_status r
    WHERE r.status = 'running' AND r.in_step_since < at - interval '14 days' AND r.verdict IS DISTINCT FROM 'rollback'
    UNION ALL
    SELECT 33, 'model', format('no version of %s is live: nothing is classified, and nothing can be compared', k.type),
           CASE WHEN EXISTS (SELECT FROM @extschema@.model_versions m WHERE m.model_type = k.type)
                THEN format('SELECT * FROM model_performance_comparison WHERE model_type = %L', k.type)
                ELSE 'SELECT request_training(''router'')' END
    FROM (SELECT 'router' AS type UNION SELECT m.model_type FROM @extschema@.model_versions m) k
    WHERE NOT EXISTS (SELECT FROM @extschema@.model_versions m WHERE m.model_type = k.type AND m.status = 'production')
    UNION ALL
    (SELECT 34, 'training', format('training job %s of %s failed: %s', j.id, j.model_type,
                                   coalesce(@extschema@.redact_pii(j.error_message), 'no message')),
            format('SELECT request_training(%L)', j.model_type)
     FROM (SELECT DISTINCT ON (t.model_type) t.* FROM @extschema@.training_jobs t
           ORDER BY t.model_type, t.id DESC) j
     WHERE j.status = 'failed')
    UNION ALL
    SELECT 35, 'comparison', format('%s and %s answer differently: about %s more labels are likely to decide which is '
                                    'better', p.challenger, p.live_version, @extschema@.tw_labels_needed(p)),
           'SELECT * FROM claim_reviews(''YOUR NAME'')'
    FROM @extschema@.paired_evaluations p WHERE p.status = 'running' AND @extschema@.tw_labels_needed(p) > 0
    UNION ALL
    SELECT 36, 'accuracy', format('the accuracy of %s in production is not known', m.version),
           'SELECT * FROM live_accuracy_by_model'
    FROM @extschema@.model_versions m WHERE m.status = 'production' AND m.production_accuracy IS NULL
    UNION ALL
    SELECT 37, 'erasure', format('version %s learned from %s samples of people who were forgotten since', f.version,
                                 f.samples), format('SELECT retrain_without(%L)', f.version)
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
    SELECT 1, 'jobs', coalesce(@extschema@.redact_pii(h.advice), 'the jobs are ' || h.state),
           'SELECT * FROM job_health'
    FROM @extschema@.job_health h
    WHERE h.job_name = 'all' AND (h.advice IS NOT NULL OR h.state NOT IN ('ok', 'running', 'waiting'))
    UNION ALL
    (SELECT 10, 'capture', CASE WHEN c.newest IS NULL THEN 'no conversation has been captured'
                                ELSE format('no conversation has been captured since %s',
                                            to_char(c.newest, 'YYYY-MM-DD HH24:MI')) END,
            'INSERT INTO conversation_capture ...'
     FROM (SELECT max(l.created_at) AS newest FROM @extschema@.conversation_logs l
           WHERE l.created_on = (SELECT max(d.created_on) FROM @extschema@.conversation_logs d)) c
     WHERE c.newest IS NULL OR c.newest < at - interval '1 day')
    UNION ALL
    SELECT q.rank, q.area, q.sentence, q.call FROM @extschema@.tw_step_of_queue(at) q
    UNION ALL
    SELECT m.rank, m.area, m.sentence, m.call FROM @extschema@.tw_step_of_models(at) m
    UNION ALL
    SELECT 40, 'erasure', format('%s exports with rows of people who were forgotten are not deleted yet',
                                 count(DISTINCT e.export_id)), 'CALL delete_erased_exports()'
    FROM @extschema@.erasure_exports e WHERE e.status = 'pending' HAVING count(*) > 0
    UNION ALL
    SELECT 41, 'erasure', format('%s Label Studio tasks of people who were forgotten are not deleted there yet',
                                 e.waiting), 'SELECT labelstudio_sync()'
    FROM @extschema@.tw_labelstudio_erasures_of(NULL::text) e WHERE e.waiting > 0
    ORDER BY 1, 3;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_next_steps_now(timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_next_steps_now(timestamptz) IS
    'What a person should do next about what waits or has failed, most urgent first: a sentence and the call that '
    'helps';
