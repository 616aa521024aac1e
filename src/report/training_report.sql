-- training_report(): everything that the loop measures, as one page for people who look rather than query.
--
-- Each section is a function of its own, tw_report_NAME(from_date, to_date), which returns tw_page_section(). The list
-- in tw_report_sections() is their order on the page.

CREATE FUNCTION @extschema@.tw_report_sections(from_date date, to_date date, accuracy jsonb) RETURNS text
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    RETURN concat(
        @extschema@.tw_report_steps(from_date, to_date),
        @extschema@.tw_report_conversations(from_date, to_date),
        @extschema@.tw_report_accuracy(from_date, to_date, accuracy),
        @extschema@.tw_report_fallback(from_date, to_date),
        @extschema@.tw_report_queue(from_date, to_date),
        @extschema@.tw_report_agreement(from_date, to_date),
        @extschema@.tw_report_calibration(from_date, to_date),
        @extschema@.tw_report_intents(from_date, to_date),
        @extschema@.tw_report_confusions(from_date, to_date),
        @extschema@.tw_report_drift(from_date, to_date),
        @extschema@.tw_report_rollouts(from_date, to_date),
        @extschema@.tw_report_versions(from_date, to_date),
        @extschema@.tw_report_jobs(from_date, to_date));
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_report_sections(date, date, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_report_sections(date, date, jsonb) IS
    'The sections of training_report(), in their order; accuracy is the row of live_accuracy() of the whole period';

CREATE FUNCTION @extschema@.training_report(from_date date DEFAULT NULL, to_date date DEFAULT NULL) RETURNS text
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
DECLARE
    zone CONSTANT text := @extschema@.training_setting('time_zone'::text);
    today CONSTANT date := (now() AT TIME ZONE zone)::date;
    last_day CONSTANT date := coalesce(to_date, greatest(today, from_date));
    first_day CONSTANT date := coalesce(from_date, CASE WHEN isfinite(last_day)
                                        THEN last_day - @extschema@.tw_accuracy_window() + 1 ELSE last_day END);
    period text;
    accuracy jsonb;
BEGIN
    IF first_day > last_day THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('the period begins on %s, after its end on %s', first_day, last_day),
            HINT = 'Both days belong to the period; NULL, NULL stands for the last 30 days.';
    END IF;
    IF NOT isfinite(first_day) OR NOT isfinite(last_day) OR last_day - first_day >= 366 THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('the period from %s to %s is longer than a page holds', first_day, last_day),
            DETAIL = 'A page has at most 366 days.',
            HINT = 'Make a page for each year, or for each month.';
    END IF;
    period := format('%s to %s', to_char(first_day, 'FMDD Mon YYYY'), to_char(last_day, 'FMDD Mon YYYY'));
    -- The head and a section show it, and it takes a while.
    SELECT to_jsonb(a) INTO accuracy FROM @extschema@.live_accuracy(first_day, last_day, '{}'::text[]) a;
    RETURN @extschema@.tw_page(
        'Training report, ' || period,
        format(E'<h1>Training report</h1>\n<p class="period">%s</p>\n'
               '<p class="made">Made on %s, days and times in %s.%s</p>\n%s',
               period, to_char(now() AT TIME ZONE zone, 'FMDD Mon YYYY, HH24:MI'), @extschema@.tw_html(zone),
               CASE WHEN @extschema@.tw_sees_all_modules() THEN ''
                    ELSE ' It has the modules that your role sees, and no others.' END,
               @extschema@.tw_report_key_figures(first_day, last_day, accuracy)),
        @extschema@.tw_report_sections(first_day, last_day, accuracy),
        '<p>Messages are shortened, and personal data in them is masked.</p>'::text);
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.training_report(date, date) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.training_report(date, date) IS
    'One HTML page about the days from from_date to to_date (both included; NULL, NULL = the last 30 days; NULL for '
    'to_date = up to today, for from_date = 30 days). It has no script and refers to nothing outside; charts are SVG. '
    'An analyst whose role is limited to modules gets the figures of these. Raises 22023 for a period that ends before '
    'it begins, or has more than 366 days';
