-- Section of training_report(): live accuracy, estimated from the audit, against the naive figure.

CREATE FUNCTION @extschema@.tw_report_accuracy_lead(accuracy jsonb) RETURNS text
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT CASE
        WHEN a.conversations = 0 THEN 'No conversation of these days passed the filter, so that there is nothing to '
                                      'estimate.'
        WHEN a.accuracy IS NULL THEN 'How many conversations were understood is <strong>unknown</strong>'
            || coalesce(': ' || @extschema@.tw_page_text(a.reason, 400), '') || '.'
        ELSE format('An estimated <strong>%s</strong> of all conversations were understood, with 95 %% confidence %s, '
                    'from %s audited verdicts.', @extschema@.tw_page_percent(a.accuracy),
                    @extschema@.tw_page_interval(a.lower, a.upper), @extschema@.tw_page_number(a.labels::numeric))
        END
        || CASE WHEN a.naive_accuracy IS NULL THEN ''
                WHEN a.accuracy IS NULL THEN format(
                    ' Of the %s reviewed conversations %s were right; since doubtful ones are reviewed first, that '
                    'says nothing about all of them.', @extschema@.tw_page_number(a.naive_labels::numeric),
                    @extschema@.tw_page_percent(a.naive_accuracy))
                ELSE format(' The naive figure, the fraction right among all %s reviewed conversations, would be %s: '
                            'doubtful ones are reviewed first.', @extschema@.tw_page_number(a.naive_labels::numeric),
                            @extschema@.tw_page_percent(a.naive_accuracy)) END
        || CASE WHEN a.accuracy IS NOT NULL AND a.reason IS NOT NULL
                THEN format(' It may be off by more than its interval: %s.',
                            @extschema@.tw_page_text(a.reason, 600)) ELSE '' END
    FROM jsonb_to_record(tw_report_accuracy_lead.accuracy) AS a (
        conversations bigint, labels bigint, accuracy double precision, lower double precision, upper double precision,
        naive_accuracy double precision, naive_labels bigint, reason text);
END;
REVOKE ALL ON FUNCTION @extschema@.tw_report_accuracy_lead(jsonb) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_report_accuracy_lead(jsonb) IS
    'Live accuracy in words, as HTML, from the row of live_accuracy() of the whole period';

CREATE FUNCTION @extschema@.tw_report_accuracy_chart(from_date date, to_date date) RETURNS text
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    -- A day has few labels.
    unit CONSTANT text := CASE WHEN to_date - from_date < 14 THEN 'day' WHEN to_date - from_date < 190 THEN 'week'
                               ELSE 'month' END;
    a record;
BEGIN
    SELECT array_agg(to_char(greatest(l.period, from_date), 'Mon FMDD') ORDER BY l.period) AS labels,
           array_agg(l.accuracy ORDER BY l.period) || array_agg(l.naive_accuracy ORDER BY l.period) AS series,
           -- Bounds without an estimate hold for any accuracy of what is unknown.
           array_agg(CASE WHEN l.accuracy IS NOT NULL THEN l.lower END ORDER BY l.period) AS lower,
           array_agg(CASE WHEN l.accuracy IS NOT NULL THEN l.upper END ORDER BY l.period) AS upper,
           array_agg(NULL::double precision) AS nothing,
           least(min(l.accuracy), min(l.naive_accuracy), min(l.lower) FILTER (WHERE l.accuracy IS NOT NULL)) AS least
    INTO a FROM @extschema@.live_accuracy(from_date, to_date, ARRAY[unit]) l;
    RETURN @extschema@.tw_svg_lines(format('Live accuracy by %s', unit),
        'The band is the 95 % interval; where a line is broken, there are too few labels.'::text,
        a.labels, '{live accuracy,naive figure}'::text[], a.series,
        a.lower || a.nothing, a.upper || a.nothing, least(a.least, 0.9), 1::double precision, '%'::text);
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_report_accuracy_chart(date, date) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_report_accuracy_chart(date, date) IS
    'Live accuracy with its interval and the naive figure, by day, week or month';

CREATE FUNCTION @extschema@.tw_report_accuracy(from_date date, to_date date, accuracy jsonb) RETURNS text
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    cells text[];
    more bigint;
BEGIN
    SELECT array_agg(c.cell ORDER BY r.n, c.col) FILTER (WHERE r.n <= 20), greatest(max(r.n) - 20, 0) INTO cells, more
    FROM (SELECT a.*, row_number() OVER (ORDER BY v.created_at DESC NULLS LAST, a.model_version,
                                                  a.conversations DESC, a.module_type) AS n
          FROM @extschema@.live_accuracy(from_date, to_date, '{model_version,module_type}'::text[]) a
          LEFT JOIN @extschema@.model_versions v ON v.version = a.model_version) r
    CROSS JOIN LATERAL (VALUES
        (1, @extschema@.tw_page_text(r.model_version, 60)),
        (2, @extschema@.tw_page_text(r.module_type, 60)),
        (3, @extschema@.tw_page_number(r.conversations::numeric)),
        (4, @extschema@.tw_page_number(r.labels::numeric)),
        (5, @extschema@.tw_page_percent(r.accuracy)),
        (6, @extschema@.tw_page_interval(r.lower, r.upper)),
        (7, @extschema@.tw_page_percent(r.naive_accuracy)),
        (8, CASE WHEN r.reason IS NULL THEN '' ELSE @extschema@.tw_page_text(r.reason, 80) END)) c (col, cell);
    RETURN @extschema@.tw_page_section('accuracy', 'Live accuracy',
        @extschema@.tw_report_accuracy_lead(accuracy),
        CASE WHEN cells IS NULL THEN '' ELSE @extschema@.tw_report_accuracy_chart(from_date, to_date) END
        || @extschema@.tw_page_table('Live accuracy by version and module',
            '{Version,Module,Conversations,Labels,Accuracy,95 % interval,Naive,Remarks}'::text[], cells,
            '{3,4,5,6,7}'::integer[], more)
        || '<p class="note">The view live_accuracy_by_model has the remarks at full length.</p>');
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_report_accuracy(date, date, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_report_accuracy(date, date, jsonb) IS
    'Section of training_report(): live accuracy with its interval against the naive figure, by version and module; '
    'accuracy is the row of live_accuracy() of the whole period';
