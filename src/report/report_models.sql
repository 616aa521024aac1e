-- Sections of training_report() about rollouts, versions and jobs.

CREATE FUNCTION @extschema@.tw_report_rollout(rollout bigint, version text) RETURNS text
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH look AS (
        SELECT k.step, k.checked_at AT TIME ZONE @extschema@.training_setting('time_zone'::text) AS checked_at,
               g.metric, g.difference, g.lower, g.upper, g.alpha, k.id
        FROM @extschema@.rollout_checks k
        CROSS JOIN LATERAL (SELECT f.value ->> 'metric' AS metric, (f.value ->> 'difference')::double precision
                                       AS difference, (f.value ->> 'lower')::double precision AS lower,
                                   (f.value ->> 'upper')::double precision AS upper,
                                   (f.value ->> 'alpha')::numeric AS alpha
                            FROM jsonb_array_elements(k.metrics) AS f (value)
                            WHERE f.value ->> 'kind' = 'guardrail') g
        WHERE k.rollout_id = tw_report_rollout.rollout
    ), shown AS (
        -- A check every few minutes: the last of each day and step says enough.
        SELECT DISTINCT ON (l.metric, l.step, date_trunc('day', l.checked_at)) l.* FROM look l
        ORDER BY l.metric, l.step, date_trunc('day', l.checked_at), l.id DESC
    ), numbered AS (
        SELECT s.*, row_number() OVER (PARTITION BY s.metric ORDER BY s.id DESC) AS back FROM shown s
    )
    SELECT coalesce(string_agg(m.html, '' ORDER BY m.metric), '')
    FROM (SELECT n.metric, @extschema@.tw_svg_bounds(
              format('%s of %s: how much better it is', initcap("left"(n.metric, 1)) || substr(n.metric, 2),
                     @extschema@.tw_page_words(tw_report_rollout.version, 60)),
              format('In percentage points; above 0 it is better than the version that was live, whatever the metric. '
                     'The last look of each day and step (the step in brackets), at most 20, with bounds that hold at '
                     'all looks together (level %s).',
                     round(max(n.alpha), 4)),
              array_agg(format('%s (%s)', to_char(n.checked_at, 'MM-DD'), n.step) ORDER BY n.id),
              array_agg(n.difference ORDER BY n.id), array_agg(n.lower ORDER BY n.id), array_agg(n.upper ORDER BY n.id),
              '%'::text) AS html
          FROM numbered n WHERE n.back <= 20 GROUP BY n.metric) m;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_report_rollout(bigint, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_report_rollout(bigint, text) IS
    'For each guardrail of a rollout, its looks with their bounds, as pictures';

CREATE FUNCTION @extschema@.tw_report_all_modules() RETURNS text
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
RETURN CASE WHEN @extschema@.tw_sees_all_modules() THEN ''
            ELSE ' Figures of a version are of all its conversations, also those of modules that your role does not '
                 'see.' END;
REVOKE ALL ON FUNCTION @extschema@.tw_report_all_modules() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_report_all_modules() IS
    'The sentence that tells somebody who is limited to modules that figures of versions are not';

CREATE FUNCTION @extschema@.tw_report_rollouts(from_date date, to_date date) RETURNS text
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH zone AS (
        SELECT @extschema@.training_setting('time_zone'::text) AS name
    ), shown AS MATERIALIZED (
        SELECT r.*, row_number() OVER (ORDER BY r.started_at DESC, r.rollout_id DESC) AS n, count(*) OVER () AS all
        FROM @extschema@.rollout_status r, zone z
        WHERE (r.started_at AT TIME ZONE z.name)::date <= to_date
          AND (r.ended_at IS NULL OR (r.ended_at AT TIME ZONE z.name)::date >= from_date)
    )
    SELECT @extschema@.tw_page_section('rollouts', 'Rollouts',
        CASE WHEN NOT EXISTS (SELECT FROM shown s) THEN 'No version was rolled out in the period.'
             ELSE (SELECT format('%s in the period. The newest, %s, is %s: %s.%s',
                                 @extschema@.tw_counted(s.all, 'rollout'::text, 'rollouts'::text),
                                 @extschema@.tw_page_text(s.version, 60), s.status,
                                 @extschema@.tw_page_text(coalesce(s.why, 'no reason is recorded'), 400),
                                 @extschema@.tw_report_all_modules())
                   FROM shown s WHERE s.n = 1) END,
        @extschema@.tw_page_table('Rollouts, newest first',
            '{Version,State,Its share,Begun,Its sessions,Beside it,Why}'::text[],
            (SELECT array_agg(c.html ORDER BY s.n, c.n)
             FROM shown s CROSS JOIN zone z
             CROSS JOIN LATERAL unnest(ARRAY[
                 format('%s <span class="note">against</span> %s', @extschema@.tw_page_text(s.version, 60),
                        @extschema@.tw_page_text(s.previous_version, 60)),
                 s.status, s.traffic_percentage || ' %',
                 to_char(s.started_at AT TIME ZONE z.name, 'YYYY-MM-DD'),
                 @extschema@.tw_page_number(s.canary_units::numeric),
                 @extschema@.tw_page_number(s.production_units::numeric), @extschema@.tw_page_text(s.why, 200)])
                 WITH ORDINALITY AS c (html, n)
             WHERE s.n <= 10),
            '{3,4,5,6}'::integer[], greatest(0, (SELECT count(*) FROM shown s) - 10))
        || coalesce((SELECT string_agg(format('<h3>%s</h3>%s', @extschema@.tw_page_text(s.version, 60), d.html), ''
                                       ORDER BY s.n)
                     FROM shown s CROSS JOIN LATERAL @extschema@.tw_report_rollout(s.rollout_id, s.version) AS d (html)
                     WHERE s.n <= 3 AND d.html <> ''), ''));
END;
REVOKE ALL ON FUNCTION @extschema@.tw_report_rollouts(date, date) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_report_rollouts(date, date) IS 'The section of training_report() about rollouts';

CREATE FUNCTION @extschema@.tw_report_versions(from_date date, to_date date) RETURNS text
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH zone AS (
        SELECT @extschema@.training_setting('time_zone'::text) AS name
    ), shown AS MATERIALIZED (
        SELECT m.*, row_number() OVER (ORDER BY m.model_type COLLATE "C", m.created_at DESC, m.version DESC) AS n
        FROM @extschema@.model_performance_comparison m
    ), dated AS (
        SELECT replace(s.version, 'router-', '') AS version, s.test_accuracy, s.test_accuracy_lower,
               s.test_accuracy_upper, s.production_accuracy,
               -- So few labels that the estimate is withheld have an interval all the same.
               CASE WHEN s.production_accuracy IS NOT NULL THEN s.production_accuracy_lower END
                   AS production_accuracy_lower,
               CASE WHEN s.production_accuracy IS NOT NULL THEN s.production_accuracy_upper END
                   AS production_accuracy_upper,
               row_number() OVER (ORDER BY s.created_at DESC, s.version DESC) AS back
        FROM shown s
        WHERE s.model_type = 'router' AND num_nonnulls(s.test_accuracy, s.production_accuracy) > 0
    ), bounds AS (
        SELECT least(0.5, floor(10 * min(least(d.test_accuracy_lower, d.production_accuracy_lower))) / 10) AS low
        FROM dated d WHERE d.back <= 20
    )
    SELECT @extschema@.tw_page_section('versions', 'Versions',
        coalesce((SELECT string_agg(format('Live of %s is %s: %s on its test set, %s.',
                             @extschema@.tw_page_text(s.model_type, 40), @extschema@.tw_page_text(s.version, 60),
                             CASE WHEN s.test_accuracy IS NULL THEN 'not measured'
                                  ELSE @extschema@.tw_page_percent(s.test_accuracy) END,
                             CASE WHEN num_nonnulls(s.production_accuracy, s.production_accuracy_lower) = 0
                                  THEN 'not known in production: too few labels'
                                  ELSE @extschema@.tw_report_estimate(s.production_accuracy,
                                           s.production_accuracy_lower, s.production_accuracy_upper)
                                       || ' in production' END),
                             ' ' ORDER BY s.n)
                  FROM (SELECT x.* FROM shown x WHERE x.status = 'production' ORDER BY x.n LIMIT 5) s),
                 'No version is live.') || @extschema@.tw_report_all_modules(),
        coalesce((SELECT @extschema@.tw_svg_lines('Accuracy of the routers, in the order in which they were made',
                      'Each on the test set of its day, which grows, and in production over its last 30 days with '
                      'sessions; with 95 % intervals. Compare versions by the gate, which takes the same texts.',
                      array_agg(d.version ORDER BY d.back DESC), '{test set,production}'::text[],
                      array_agg(d.test_accuracy ORDER BY d.back DESC)
                          || array_agg(d.production_accuracy ORDER BY d.back DESC),
                      array_agg(d.test_accuracy_lower ORDER BY d.back DESC)
                          || array_agg(d.production_accuracy_lower ORDER BY d.back DESC),
                      array_agg(d.test_accuracy_upper ORDER BY d.back DESC)
                          || array_agg(d.production_accuracy_upper ORDER BY d.back DESC),
                      b.low, 1::double precision, '%'::text)
                  FROM dated d, bounds b WHERE d.back <= 20 GROUP BY b.low), '')
        || @extschema@.tw_page_table('Versions, newest first',
            '{Version,State,Test set,In production,Made,First traffic}'::text[],
            (SELECT array_agg(c.html ORDER BY s.n, c.n)
             FROM shown s CROSS JOIN zone z
             CROSS JOIN LATERAL unnest(ARRAY[
                 @extschema@.tw_page_text(s.version, 60), s.status,
                 @extschema@.tw_report_estimate(s.test_accuracy, s.test_accuracy_lower, s.test_accuracy_upper),
                 @extschema@.tw_report_estimate(s.production_accuracy, s.production_accuracy_lower,
                                                s.production_accuracy_upper),
                 to_char(s.created_at AT TIME ZONE z.name, 'YYYY-MM-DD'),
                 coalesce(to_char(s.deployed_at AT TIME ZONE z.name, 'YYYY-MM-DD'), 'never')])
                 WITH ORDINALITY AS c (html, n)
             WHERE s.n <= 15),
            '{3,4,5,6}'::integer[], greatest(0, (SELECT count(*) FROM shown s) - 15))
        || @extschema@.tw_page_table('What the gate said of the newest',
            '{Version,Decision,Reason}'::text[],
            (SELECT array_agg(c.html ORDER BY s.n, c.n)
             FROM (SELECT x.* FROM shown x WHERE x.gate_decision IS NOT NULL ORDER BY x.n LIMIT 5) s
             CROSS JOIN LATERAL unnest(ARRAY[
                 @extschema@.tw_page_text(s.version, 60), s.gate_decision,
                 @extschema@.tw_page_text(s.gate_reason, 400)]) WITH ORDINALITY AS c (html, n)),
            '{}'::integer[], greatest(0, (SELECT count(*) FROM shown s WHERE s.gate_decision IS NOT NULL) - 5))
        || '<p class="note">The versions are those of now, whatever the period is.</p>');
END;
REVOKE ALL ON FUNCTION @extschema@.tw_report_versions(date, date) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_report_versions(date, date) IS 'The section of training_report() about versions';

-- Error messages stay with operators: they may quote what a job worked on.
CREATE FUNCTION @extschema@.tw_report_jobs(from_date date, to_date date) RETURNS text
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH zone AS (
        SELECT @extschema@.training_setting('time_zone'::text) AS name
    ), job AS MATERIALIZED (
        SELECT h.*, row_number() OVER () AS n FROM @extschema@.job_health h
    ), runs AS (
        SELECT r.job_name, count(*) FILTER (WHERE r.status = 'succeeded') AS succeeded,
               count(*) FILTER (WHERE r.status = 'failed') AS failed
        FROM @extschema@.job_runs r, zone z
        WHERE (r.started_at AT TIME ZONE z.name)::date BETWEEN from_date AND to_date
        GROUP BY r.job_name
    )
    SELECT @extschema@.tw_page_section('jobs', 'Jobs',
        (SELECT format('All together: %s. %s', j.state,
                       @extschema@.tw_page_text(coalesce(j.advice, 'There is nothing to do') || '.', 400))
         FROM job j WHERE j.job_name = 'all'),
        @extschema@.tw_page_table('Jobs now, and their runs in the period',
            '{Job,State,Last success,Last failure,Next run,Succeeded,Failed}'::text[],
            (SELECT array_agg(c.html ORDER BY j.n, c.n)
             FROM job j CROSS JOIN zone z LEFT JOIN runs r ON r.job_name = j.job_name
             CROSS JOIN LATERAL unnest(ARRAY[
                 @extschema@.tw_page_text(j.job_name, 60), @extschema@.tw_html(j.state),
                 coalesce(to_char(j.last_success AT TIME ZONE z.name, 'YYYY-MM-DD HH24:MI'), 'none known'),
                 coalesce(to_char(j.last_failure AT TIME ZONE z.name, 'YYYY-MM-DD HH24:MI'), 'none known'),
                 coalesce(to_char(j.next_run AT TIME ZONE z.name, 'YYYY-MM-DD HH24:MI'), 'unknown'),
                 @extschema@.tw_page_number(coalesce(r.succeeded, 0)::numeric),
                 @extschema@.tw_page_number(coalesce(r.failed, 0)::numeric)]) WITH ORDINALITY AS c (html, n)
             WHERE j.job_name <> 'all'), '{3,4,5,6,7}'::integer[], 0::bigint));
END;
REVOKE ALL ON FUNCTION @extschema@.tw_report_jobs(date, date) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_report_jobs(date, date) IS 'The section of training_report() about jobs';
