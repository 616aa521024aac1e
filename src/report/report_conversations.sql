-- The head of training_report(), and its sections about what came: conversations and outcomes, and the fallback rate.

-- Up to two months by day; what is longer by week, or its columns would be too thin to be seen.
CREATE FUNCTION @extschema@.tw_report_days(
    from_date date, to_date date,
    OUT first_day date, OUT label text, OUT conversations bigint, OUT auto_approved bigint, OUT needs_review bigint,
    OUT not_applicable bigint, OUT other bigint, OUT audited bigint, OUT fallback_rate double precision,
    OUT positive_feedback bigint, OUT negative_feedback bigint)
    RETURNS SETOF record
    LANGUAGE sql STABLE ROWS 60 SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH bucket AS (
        SELECT d.day::date AS day, CASE WHEN to_date - from_date > 61
                                        THEN greatest(from_date, date_trunc('week', d.day)::date)
                                        ELSE d.day::date END AS first_day
        FROM generate_series(from_date::timestamp, to_date::timestamp, interval '1 day') d (day)
    ), figures AS MATERIALIZED (
        SELECT * FROM @extschema@.daily_training_stats s WHERE s.date BETWEEN from_date AND to_date
    )
    SELECT b.first_day, to_char(b.first_day, 'Mon FMDD'), coalesce(sum(f.conversations), 0)::bigint,
           coalesce(sum(f.auto_approved), 0)::bigint, coalesce(sum(f.needs_review), 0)::bigint,
           coalesce(sum(f.not_applicable), 0)::bigint,
           greatest(0, coalesce(sum(f.conversations - f.auto_approved - f.needs_review - f.not_applicable), 0))::bigint,
           coalesce(sum(f.audited), 0)::bigint,
           sum(f.fallback_rate * f.conversations)
               / nullif(sum(f.conversations) FILTER (WHERE f.fallback_rate IS NOT NULL), 0),
           coalesce(sum(f.positive_feedback), 0)::bigint, coalesce(sum(f.negative_feedback), 0)::bigint
    FROM bucket b
    LEFT JOIN figures f ON f.date = b.day
    GROUP BY b.first_day
    ORDER BY b.first_day;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_report_days(date, date) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_report_days(date, date) IS
    'The figures of daily_training_stats by day, or by week for more than 62 days: every day of the period, also '
    'without conversations';

CREATE FUNCTION @extschema@.tw_report_conversations(from_date date, to_date date) RETURNS text
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    unit CONSTANT text := CASE WHEN to_date - from_date > 61 THEN 'week' ELSE 'day' END;
    labels text[];
    series double precision[];
    total record;
BEGIN
    SELECT array_agg(d.label ORDER BY d.first_day),
           array_agg(d.auto_approved::double precision ORDER BY d.first_day)
               || array_agg(d.needs_review::double precision ORDER BY d.first_day)
               || array_agg(d.not_applicable::double precision ORDER BY d.first_day)
               || array_agg(d.other::double precision ORDER BY d.first_day) AS series,
           sum(d.conversations) AS conversations, sum(d.auto_approved) AS auto_approved,
           sum(d.needs_review) AS needs_review, sum(d.not_applicable) AS not_applicable, sum(d.other) AS other,
           sum(d.audited) AS audited, sum(d.positive_feedback) AS positive, sum(d.negative_feedback) AS negative
    INTO total FROM @extschema@.tw_report_days(from_date, to_date) d;
    labels := total.array_agg;
    series := total.series;
    IF total.conversations = 0 THEN
        RETURN @extschema@.tw_page_section('conversations', 'Conversations and outcomes',
            'No conversation was captured in these days.', '<p class="empty">Nothing to show.</p>');
    END IF;
    RETURN @extschema@.tw_page_section('conversations', 'Conversations and outcomes',
        format('%s conversations came, %s a day. The filter approved %s of them by itself and sent %s to review.%s',
               @extschema@.tw_page_number(total.conversations),
               @extschema@.tw_page_number(round(total.conversations / (to_date - from_date + 1), 1)),
               @extschema@.tw_page_percent((total.auto_approved / total.conversations)::double precision),
               @extschema@.tw_page_percent((total.needs_review / total.conversations)::double precision),
               CASE WHEN total.not_applicable > 0 THEN format(' %s were not a text that models can learn from.',
                   @extschema@.tw_page_percent((total.not_applicable / total.conversations)::double precision))
                    ELSE '' END),
        @extschema@.tw_svg_columns(format('Conversations by %s', unit), 'By what the filter decided.'::text, labels,
            -- A series of nothing but zeros would only fill the legend.
            '{auto-approved,needs review,not applicable}'::text[]
                || CASE WHEN total.other > 0 THEN '{decided elsewhere}'::text[] ELSE '{}'::text[] END,
            series[1:cardinality(labels) * CASE WHEN total.other > 0 THEN 4 ELSE 3 END], ''::text)
        || format('<p class="note">%s were drawn for the audit. Users gave %s positive and %s negative marks.</p>',
                  @extschema@.tw_page_number(total.audited), @extschema@.tw_page_number(total.positive),
                  @extschema@.tw_page_number(total.negative)));
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_report_conversations(date, date) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_report_conversations(date, date) IS
    'Section of training_report(): conversations and outcomes by day';

CREATE FUNCTION @extschema@.tw_report_fallback(from_date date, to_date date) RETURNS text
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    unit CONSTANT text := CASE WHEN to_date - from_date > 61 THEN 'week' ELSE 'day' END;
    total record;
BEGIN
    SELECT array_agg(d.label ORDER BY d.first_day) AS labels, array_agg(d.fallback_rate ORDER BY d.first_day) AS rates,
           sum(d.fallback_rate * d.conversations)
               / nullif(sum(d.conversations) FILTER (WHERE d.fallback_rate IS NOT NULL), 0) AS rate,
           max(d.fallback_rate) AS highest,
           (array_agg(d.label ORDER BY d.fallback_rate DESC NULLS LAST, d.first_day))[1] AS highest_label
    INTO total FROM @extschema@.tw_report_days(from_date, to_date) d;
    RETURN @extschema@.tw_page_section('fallback', 'Fallback rate',
        CASE WHEN total.rate IS NULL THEN 'No prediction of these days names its provider: the rate is unknown.'
             WHEN total.highest = 0 THEN 'No prediction came from a fallback provider.'
             ELSE format('A fallback provider made %s of the predictions; at most %s, %s %s.',
                         @extschema@.tw_page_percent(total.rate), @extschema@.tw_page_percent(total.highest),
                         CASE unit WHEN 'day' THEN 'on' ELSE 'in the week from' END, total.highest_label) END,
        CASE WHEN total.rate IS NULL THEN '<p class="note">Fill the column nlu_provider when a conversation is '
                                          'captured.</p>'
             ELSE @extschema@.tw_svg_lines(format('Fallback rate by %s', unit),
                 'Fraction of the predictions that a fallback provider made.'::text, total.labels,
                 '{fallback rate}'::text[], total.rates, NULL::double precision[], NULL::double precision[],
                 0::double precision, greatest(total.highest, 0.01), '%'::text) END);
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_report_fallback(date, date) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_report_fallback(date, date) IS
    'Section of training_report(): the fraction of predictions that a fallback provider made';

CREATE FUNCTION @extschema@.tw_report_age(since timestamptz) RETURNS text
    LANGUAGE sql STABLE CALLED ON NULL INPUT SET search_path = pg_catalog, pg_temp
RETURN CASE WHEN isfinite(since) THEN @extschema@.tw_page_duration(greatest(extract(epoch FROM now() - since), 0)
                                                                   ::double precision)
            WHEN since IS NULL THEN '' ELSE 'unknown' END;
REVOKE ALL ON FUNCTION @extschema@.tw_report_age(timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_report_age(timestamptz) IS 'How long ago a time is, as people read it';

CREATE FUNCTION @extschema@.tw_report_key_figures(from_date date, to_date date, accuracy jsonb) RETURNS text
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT '<dl class="key">' || string_agg(format(
        E'\n<div><dt>%s</dt><dd class="figure">%s</dd><dd class="note">%s</dd></div>', f.name, f.figure, f.note), ''
        ORDER BY f.n) || E'\n</dl>'
    FROM jsonb_to_record(tw_report_key_figures.accuracy) AS a (accuracy double precision, lower double precision,
                                                              upper double precision),
         (SELECT sum(t.conversations) AS conversations,
                 sum(t.fallback_rate * t.conversations)
                     / nullif(sum(t.conversations) FILTER (WHERE t.fallback_rate IS NOT NULL), 0) AS fallback_rate
          FROM @extschema@.tw_report_days(from_date, to_date) t) d,
         (SELECT coalesce(sum(b.waiting), 0) AS waiting, min(b.oldest) AS oldest FROM @extschema@.review_backlog b) q
    CROSS JOIN LATERAL (VALUES
        (1, 'Conversations', @extschema@.tw_page_number(d.conversations),
         format('in %s days', to_date - from_date + 1)),
        (2, 'Live accuracy', @extschema@.tw_page_percent(a.accuracy),
         CASE WHEN a.accuracy IS NULL THEN 'not enough audited verdicts'
              ELSE @extschema@.tw_page_interval(a.lower, a.upper) END),
        (3, 'Fallback rate', @extschema@.tw_page_percent(d.fallback_rate), 'of the predictions'),
        (4, 'Waiting for review', @extschema@.tw_page_number(q.waiting),
         CASE WHEN q.oldest IS NULL THEN 'now' ELSE 'the oldest for ' || @extschema@.tw_report_age(q.oldest) END)
        ) f (n, name, figure, note);
END;
REVOKE ALL ON FUNCTION @extschema@.tw_report_key_figures(date, date, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_report_key_figures(date, date, jsonb) IS
    'The four figures at the head of training_report(), as a list of HTML; accuracy is the row of live_accuracy() of '
    'the whole period';
