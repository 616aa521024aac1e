-- training_workflow_status(): an overview of the whole loop on one screen.

CREATE FUNCTION @extschema@.tw_percent(share double precision) RETURNS text
    LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
RETURN coalesce(round(100 * share::numeric, 1) || ' %', 'unknown');
REVOKE ALL ON FUNCTION @extschema@.tw_percent(double precision) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_percent(double precision) IS 'A fraction (0 to 1) as a percentage, as text';

CREATE FUNCTION @extschema@.tw_status_of_capture(today date) RETURNS SETOF text
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT format('captured   %s today, %s yesterday, %s in 7 days: %s auto-approved, %s answered by the fallback',
                  coalesce(sum(d.conversations) FILTER (WHERE d.date = today), 0),
                  coalesce(sum(d.conversations) FILTER (WHERE d.date = today - 1), 0),
                  coalesce(sum(d.conversations), 0),
                  @extschema@.tw_percent((sum(d.auto_approved) / nullif(sum(d.conversations), 0))::double precision),
                  @extschema@.tw_percent(sum(d.fallback_rate * d.conversations) / nullif(
                      sum(d.conversations) FILTER (WHERE d.fallback_rate IS NOT NULL), 0)::double precision))
    FROM @extschema@.daily_training_stats d
    WHERE d.date BETWEEN today - 6 AND today
    UNION ALL
    SELECT CASE WHEN count(*) = 0 THEN 'queue      empty'
                ELSE format('queue      %s waiting: %s high, %s medium, %s low; the oldest since %s', count(*),
                            count(*) FILTER (WHERE w.review_priority = 1),
                            count(*) FILTER (WHERE w.review_priority = 2),
                            count(*) FILTER (WHERE w.review_priority = 3), min(w.day)) END
    FROM (SELECT c.review_priority, c.created_on AS day FROM @extschema@.conversation_logs c
          WHERE c.review_priority IS NOT NULL AND @extschema@.tw_sees_module(c.nlu_module_type, c.nlu_intent)
          UNION ALL
          SELECT s.review_priority, (s.created_at AT TIME ZONE @extschema@.training_setting('time_zone'))::date
          FROM @extschema@.training_samples s
          WHERE s.review_priority IS NOT NULL AND @extschema@.tw_sees_module(s.module_type, s.intent)) w
    UNION ALL
    SELECT format('samples    %s live: %s by people, %s by the model', count(*),
                  count(*) FILTER (WHERE s.label_source = 'human'),
                  count(*) FILTER (WHERE s.label_source = 'model'))
    FROM @extschema@.training_samples s
    WHERE s.review_status = 'approved' AND @extschema@.tw_sees_module(s.module_type, s.intent);
END;
REVOKE ALL ON FUNCTION @extschema@.tw_status_of_capture(date) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_status_of_capture(date) IS
    'The lines of training_workflow_status() about conversations, queue and samples';

CREATE FUNCTION @extschema@.tw_status_of_model(type text, at timestamptz) RETURNS SETOF text
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT coalesce((
        SELECT format('live       %s since %s; test set %s, production %s%s, %s %% of the sessions', m.version,
                      to_char(l.since, 'YYYY-MM-DD HH24:MI'),
                      @extschema@.tw_percent(m.test_accuracy), @extschema@.tw_percent(m.production_accuracy),
                      CASE WHEN m.production_accuracy IS NOT NULL
                           THEN format(' (%s to %s)', @extschema@.tw_percent(m.production_accuracy_lower),
                                       @extschema@.tw_percent(m.production_accuracy_upper)) END,
                      m.traffic_percentage)
        FROM @extschema@.model_versions m, @extschema@.live_model_at(type, at) l
        WHERE m.model_type = type AND m.status = 'production'), format('live       no version of %s', type))
    UNION ALL
    (SELECT format('rollout    %s %s: %s', r.version,
                   CASE r.status WHEN 'running'
                        THEN format('at %s %% (step %s of %s), %s', r.traffic_percentage, r.step,
                                    cardinality(r.steps), coalesce(r.verdict, 'not checked'))
                        ELSE r.status END, r.why)
     FROM @extschema@.rollout_status r
     WHERE r.model_type = type
     ORDER BY r.started_at DESC, r.rollout_id DESC LIMIT 1)
    UNION ALL
    SELECT format('training   %s new samples for %s since its last one; a training starts with %s, weekly with %s%s',
                  @extschema@.new_training_samples(type), type,
                  @extschema@.training_setting('training_threshold'), @extschema@.training_setting('min_new_samples'),
                  (SELECT format('; job %s is %s', j.id, j.status) FROM @extschema@.training_jobs j
                   WHERE j.model_type = type AND j.status IN ('queued', 'running', 'handed-in') ORDER BY j.id LIMIT 1))
    -- Versions may be registered of a type that is neither router nor an agent: such a one is not trained here.
    WHERE type ~ '^([a-z0-9]+(-[a-z0-9]+)*-agent|router)$'
    UNION ALL
    SELECT format('compared   %s with %s: %s messages, %s answered differently, %s of them judged and %s asked about; '
                  'about %s more labels are likely to decide', p.challenger, p.live_version, p.messages,
                  p.disagreements, p.labels,
                  (SELECT count(*) FROM @extschema@.paired_disagreements d
                   JOIN @extschema@.conversation_logs c ON c.id = d.conversation_log_id
                   WHERE d.evaluation_id = p.id AND d.asked_at IS NOT NULL AND c.review_priority IS NOT NULL
                     AND c.review_reason = 'model disagreement'),
                  @extschema@.tw_labels_needed(p))
    FROM @extschema@.paired_evaluations p
    WHERE p.model_type = type AND p.status = 'running'
    UNION ALL
    (SELECT format('           newest: %s, %s: %s', m.version, m.status,
                   coalesce(m.gate_reason, 'the gate has not evaluated it'))
     FROM @extschema@.model_versions m
     WHERE m.model_type = type AND m.status NOT IN ('production', 'training')
     ORDER BY m.created_at DESC LIMIT 1);
END;
REVOKE ALL ON FUNCTION @extschema@.tw_status_of_model(text, timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_status_of_model(text, timestamptz) IS
    'The lines of training_workflow_status() about a model type';

CREATE FUNCTION @extschema@.tw_wrap(line text) RETURNS text
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'tw_wrap';
REVOKE ALL ON FUNCTION @extschema@.tw_wrap(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_wrap(text) IS
    'The line in lines of at most 98 columns of a screen, the later ones indented, at most 700 columns in all';

CREATE FUNCTION @extschema@.training_workflow_status(at timestamptz DEFAULT NULL) RETURNS text
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH today AS (
        SELECT n.at, (n.at AT TIME ZONE @extschema@.training_setting('time_zone'))::date AS today
        FROM (SELECT coalesce(training_workflow_status.at, now()) AS at) n
    ), step AS MATERIALIZED (
        SELECT n.rank, n.sentence, n.call, row_number() OVER (ORDER BY n.rank, n.sentence) AS n, count(*) OVER () AS all
        FROM today t, @extschema@.tw_next_steps_now(t.at) n
    ), lines (section, name, line) AS (
        SELECT 0, lpad(s.n::text, 3),
               format('%s%s. %s -> %s', CASE s.n WHEN 1 THEN 'to do      ' ELSE '           ' END, s.n,
                                             CASE WHEN length(s.sentence) > 450 THEN left(s.sentence, 447) || '...'
                                         ELSE s.sentence END, s.call)
        FROM step s WHERE s.n <= 7
        UNION ALL
        SELECT 0, 'z', format('           and %s more', max(s.all) - 7) FROM step s HAVING max(s.all) > 7
        UNION ALL
        SELECT 0, '', 'to do      nothing waits for a person; integrity is not checked here: check_integrity()'
        WHERE NOT EXISTS (SELECT FROM step)
        UNION ALL
        SELECT 1, '', c.line FROM today t, @extschema@.tw_status_of_capture(t.today) c (line)
        UNION ALL
        SELECT 2, k.model_type, x.line
        FROM today t, (SELECT 'router' AS model_type UNION SELECT m.model_type FROM @extschema@.model_versions m) k,
             @extschema@.tw_status_of_model(k.model_type, t.at) x (line)
        UNION ALL
        SELECT 3, '', format('jobs       %s', coalesce(h.state || ': ' || h.advice, h.state))
        FROM @extschema@.job_health h WHERE h.job_name = 'all'
        UNION ALL
        SELECT 3, 'z', format('erasure    %s tasks of erased rows wait for their deletion in Label Studio since %s',
                              e.waiting, to_char(e.since, 'YYYY-MM-DD HH24:MI'))
        FROM @extschema@.tw_labelstudio_erasures_of(NULL::text) e WHERE e.waiting > 0
        UNION ALL
        SELECT 3, 'z', format('erasure    %s exports of erased rows wait for their deletion in the store since %s',
                              count(DISTINCT e.export_id), to_char(min(e.listed_at), 'YYYY-MM-DD HH24:MI'))
        FROM @extschema@.erasure_exports e WHERE e.status = 'pending' HAVING count(*) > 0
        UNION ALL
        SELECT 4, lpad(h.number::text, 3), format('           %s %s%s', rpad(h.job_name, 23), CASE h.state
            WHEN 'blocked' THEN 'blocked: ' || h.advice ELSE h.state END,
            coalesce(', next ' || to_char(h.next_run, 'YYYY-MM-DD HH24:MI'), ''))
        FROM (SELECT j.*, row_number() OVER () AS number FROM @extschema@.job_health j) h
        WHERE h.job_name NOT IN ('all', 'promotion')
    )
    SELECT @extschema@.tw_wrap(format('training_workflow in database %s, %s', current_database(), t.today)) || E'\n'
           || string_agg(@extschema@.tw_wrap(l.line), E'\n' ORDER BY l.section, l.name, l.number)
    FROM today t, (SELECT x.*, row_number() OVER () AS number FROM lines x) l
    GROUP BY t.today;
END;
REVOKE ALL ON FUNCTION @extschema@.training_workflow_status(timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.training_workflow_status(timestamptz) IS
    'An overview of the loop as text on one screen, which psql shows in 100 columns: first what waits for a person, '
    'with the statement that helps; captured, queue, samples; for each model type the live version, its rollout and '
    'its training; then the jobs. at: the time to use as now for live versions and days, for tests (NULL: now). '
    'Raises no error of its own';
