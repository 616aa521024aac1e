-- Sections of training_report() about people's work: the queue, and whether reviewers agree.

CREATE FUNCTION @extschema@.tw_report_verdicts(from_date date, to_date date) RETURNS text
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    zone CONSTANT text := @extschema@.training_setting('time_zone'::text);
    unit CONSTANT text := CASE WHEN to_date - from_date > 61 THEN 'week' ELSE 'day' END;
    result record;
BEGIN
    WITH bucket AS (
        SELECT d.day::date AS day, CASE WHEN unit = 'day' THEN d.day::date
                                        ELSE greatest(from_date, date_trunc('week', d.day)::date) END AS first_day
        FROM generate_series(from_date::timestamp, to_date::timestamp, interval '1 day') d (day)
    ), verdict AS MATERIALIZED (
        SELECT (e.created_at AT TIME ZONE zone)::date AS day, e.action,
               CASE WHEN isfinite(c.created_at) THEN extract(epoch FROM e.created_at - c.created_at) END AS seconds
        FROM @extschema@.review_events e
        LEFT JOIN @extschema@.conversation_logs c ON c.id = e.conversation_log_id
        WHERE e.created_at >= from_date::timestamp AT TIME ZONE zone
          AND e.created_at < (to_date + 1)::timestamp AT TIME ZONE zone
          AND @extschema@.tw_is_verdict(e.action)
          AND (@extschema@.tw_sees_all_modules()
               OR CASE WHEN e.sample_id IS NULL THEN @extschema@.tw_sees_module(c.nlu_module_type, c.nlu_intent)
                       ELSE @extschema@.tw_sees_sample(e.sample_id) END)
    ), figures AS (
        SELECT b.first_day, count(v.action) FILTER (WHERE v.action = 'approve') AS approved,
               count(v.action) FILTER (WHERE v.action = 'fix') AS fixed,
               count(v.action) FILTER (WHERE v.action = 'reject') AS rejected
        FROM bucket b LEFT JOIN verdict v ON v.day = b.day
        GROUP BY b.first_day
    )
    SELECT array_agg(to_char(f.first_day, 'Mon FMDD') ORDER BY f.first_day) AS labels,
           array_agg(f.approved::double precision ORDER BY f.first_day)
               || array_agg(f.fixed::double precision ORDER BY f.first_day)
               || array_agg(f.rejected::double precision ORDER BY f.first_day) AS series,
           sum(f.approved + f.fixed + f.rejected) AS verdicts,
           (SELECT percentile_cont(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY x.seconds::double precision) FROM verdict x)
               AS seconds
    INTO result FROM figures f;
    IF result.verdicts = 0 THEN
        RETURN '<p class="empty">Nobody gave a verdict in these days.</p>';
    END IF;
    RETURN @extschema@.tw_svg_columns(format('Verdicts by %s', unit),
        @extschema@.tw_page_number(result.verdicts) || ' verdicts'
            || CASE WHEN result.seconds[1] >= 0 THEN format(
                        '; from the message to the verdict half of them took at most %s, and 95 %% at most %s.',
                        @extschema@.tw_page_duration(result.seconds[1]),
                        @extschema@.tw_page_duration(result.seconds[2]))
                    ELSE '. How long they took is unknown: messages carry later times than their verdicts, or none.'
                    END,
        result.labels, '{approved,fixed,rejected}'::text[], result.series, ''::text);
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_report_verdicts(date, date) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_report_verdicts(date, date) IS
    'Verdicts by day, or by week for more than 62 days, and how long they took';

CREATE FUNCTION @extschema@.tw_report_queue(from_date date, to_date date) RETURNS text
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    q record;
BEGIN
    SELECT array_agg(c.cell ORDER BY r.n, c.col) FILTER (WHERE r.n <= 20) AS cells,
           greatest(max(r.n) - 20, 0) AS more, coalesce(sum(r.waiting) FILTER (WHERE c.col = 1), 0) AS waiting,
           coalesce(sum(r.waiting) FILTER (WHERE c.col = 1 AND r.review_priority = 1), 0) AS urgent,
           coalesce(sum(r.audited) FILTER (WHERE c.col = 1), 0) AS audited, min(r.oldest) AS oldest
    INTO q
    FROM (SELECT b.*, row_number() OVER (ORDER BY b.review_priority, b.waiting DESC, b.review_reason) AS n
          FROM @extschema@.review_backlog b) r
    CROSS JOIN LATERAL (VALUES
        (1, @extschema@.tw_page_text(r.review_reason, 80)),
        (2, CASE r.review_priority WHEN 1 THEN 'high' WHEN 2 THEN 'medium' ELSE 'low' END),
        (3, @extschema@.tw_page_number(r.waiting::numeric)),
        (4, @extschema@.tw_report_age(r.oldest)),
        (5, @extschema@.tw_page_number(r.reviewed::numeric)),
        (6, CASE WHEN r.reviewed = 0 THEN ''
                 ELSE @extschema@.tw_page_duration(r.p50_time_to_review_seconds) END),
        (7, CASE WHEN r.reviewed = 0 THEN ''
                 ELSE @extschema@.tw_page_duration(r.p95_time_to_review_seconds) END)) c (col, cell);
    RETURN @extschema@.tw_page_section('queue', 'Review queue',
        CASE WHEN q.waiting = 0 THEN 'Nothing waits for review now.'
             ELSE format('%s wait for review now, %s of them with high priority and %s for the audit. The oldest has '
                         'waited %s.', @extschema@.tw_page_number(q.waiting), @extschema@.tw_page_number(q.urgent),
                         @extschema@.tw_page_number(q.audited), @extschema@.tw_report_age(q.oldest)) END,
        @extschema@.tw_report_verdicts(from_date, to_date)
        || @extschema@.tw_page_table('The queue now, and the reviews of the last 30 days',
            '{Reason,Priority,Waiting,Oldest,Reviewed,Half within,95 % within}'::text[], q.cells,
            '{3,4,5,6,7}'::integer[], q.more));
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_report_queue(date, date) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_report_queue(date, date) IS
    'Section of training_report(): depth and age of the queue, and the time to a verdict';

CREATE FUNCTION @extschema@.tw_report_agreement(from_date date, to_date date) RETURNS text
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    heads CONSTANT text[] := '{Pairs,Agreed,Agreement,Kappa,95 % interval,Remarks}';
    rows record;
BEGIN
    SELECT (array_agg(r.opinions) FILTER (WHERE r.scope = 'total'))[1] AS pairs,
           (array_agg(r.agreement) FILTER (WHERE r.scope = 'total'))[1] AS agreement,
           (array_agg(r.kappa) FILTER (WHERE r.scope = 'total'))[1] AS kappa,
           (array_agg(r.kappa_lower) FILTER (WHERE r.scope = 'total'))[1] AS kappa_lower,
           (array_agg(r.kappa_upper) FILTER (WHERE r.scope = 'total'))[1] AS kappa_upper,
           (array_agg(r.reason) FILTER (WHERE r.scope = 'total'))[1] AS reason,
           array_agg(c.cell ORDER BY r.n, c.col) FILTER (WHERE r.scope = 'reviewer' AND r.n <= 20) AS reviewers,
           greatest(0, max(r.n) FILTER (WHERE r.scope = 'reviewer') - 20) AS more_reviewers,
           array_agg(c.cell ORDER BY r.n, c.col) FILTER (WHERE r.scope = 'intent' AND r.n <= 10) AS intents,
           greatest(0, max(r.n) FILTER (WHERE r.scope = 'intent') - 10) AS more_intents
    INTO rows
    FROM (SELECT a.*, row_number() OVER (PARTITION BY a.scope
                                         ORDER BY CASE WHEN a.scope = 'intent' THEN a.agreed - a.opinions END,
                                                  a.opinions DESC, a.reviewer, a.intent) AS n
          FROM @extschema@.reviewer_agreement(from_date, to_date) a) r
    CROSS JOIN LATERAL (VALUES
        (1, @extschema@.tw_page_text(coalesce(r.reviewer, r.intent), 60)),
        (2, @extschema@.tw_page_number(r.opinions::numeric)), (3, @extschema@.tw_page_number(r.agreed::numeric)),
        (4, @extschema@.tw_page_percent(r.agreement)), (5, @extschema@.tw_page_number(r.kappa::numeric)),
        (6, @extschema@.tw_page_number(r.kappa_lower::numeric) || ' to '
            || @extschema@.tw_page_number(r.kappa_upper::numeric)),
        (7, coalesce(@extschema@.tw_html(r.reason), ''))) c (col, cell);
    RETURN @extschema@.tw_page_section('agreement', 'Agreement of reviewers',
        CASE WHEN rows.pairs IS NULL THEN 'No conversation was judged by two people: whether reviewers agree is not '
                                          'known. The setting second_opinion_rate asks for second opinions.'
             ELSE format('Two people judged the same message %s times, and gave the same label in %s. ',
                         @extschema@.tw_page_number(rows.pairs::numeric), @extschema@.tw_page_percent(rows.agreement))
                  || CASE WHEN rows.kappa IS NULL THEN format('Beyond chance that is not known: %s.',
                                                              @extschema@.tw_html(rows.reason))
                          ELSE format('Beyond chance that is a kappa of %s (95 %% interval %s to %s); 1 is full '
                                      'agreement, 0 is chance.', @extschema@.tw_page_number(rows.kappa::numeric),
                                      @extschema@.tw_page_number(rows.kappa_lower::numeric),
                                      @extschema@.tw_page_number(rows.kappa_upper::numeric)) END END,
        CASE WHEN rows.pairs IS NULL THEN '' ELSE
            @extschema@.tw_page_table('Agreement of each reviewer with the others', '{Reviewer}'::text[] || heads,
                rows.reviewers, '{2,3,4,5,6}'::integer[], rows.more_reviewers)
            || @extschema@.tw_page_table('Labels that reviewers differ about most', '{Label}'::text[] || heads,
                rows.intents, '{2,3,4,5,6}'::integer[], rows.more_intents) END);
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_report_agreement(date, date) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_report_agreement(date, date) IS
    'Section of training_report(): how far reviewers agree, from second opinions';
