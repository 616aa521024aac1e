-- When a job with a time of day is due. Its entry ticks every quarter of
-- an hour, and these say at which of the ticks it runs.

CREATE FUNCTION @extschema@.tw_due_time(job text, time_zone text, at timestamptz, later boolean) RETURNS timestamptz
    LANGUAGE plpgsql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp SET timezone = 'UTC'
AS $function$
DECLARE
    registered record;
    days integer;
    day date;
    due timestamptz;
BEGIN
    SELECT * INTO registered FROM @extschema@.tw_jobs() j WHERE j.job_name = job AND j.local_time IS NOT NULL;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('job "%s" has no time of day', coalesce(job, 'NULL')),
            HINT = (SELECT string_agg(j.job_name, ' and ') || ' have one.' FROM @extschema@.tw_jobs() j
                    WHERE j.local_time IS NOT NULL);
    END IF;
    IF at IS NULL OR NOT isfinite(at) THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
                              MESSAGE = format('"%s" is no time at which a job could run', coalesce(at::text, 'NULL'));
    END IF;
    -- Not AT TIME ZONE: that takes abbreviations before names, and then IST is Israel's time, and CET has no summer.
    -- Nor what POSIX makes of Kolkata5:30.
    BEGIN
        PERFORM set_config('timezone', time_zone, true) WHERE @extschema@.tw_named_zone(time_zone) IS NOT NULL;
        IF NOT FOUND THEN
            RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value';
        END IF;
    EXCEPTION WHEN invalid_parameter_value THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('there is no time zone "%s"', coalesce(time_zone, 'NULL')),
            HINT = 'Choose a name from pg_timezone_names, for example Asia/Kolkata.';
    END;
    -- From today there, or its day of the week on or before it. What is due at a local time that
    -- does not exist is due when the clock has jumped over it; of a time that comes
    -- twice, PostgreSQL takes the one without daylight saving.
    day := at::date;
    days := CASE WHEN registered.week_day IS NULL THEN 1 ELSE 7 END;
    day := day - coalesce((extract(dow FROM day)::integer + 7 - registered.week_day) % 7, 0);
    -- More than once where a zone changed sides of the date line: then two of these are one.
    LOOP
        due := (day + registered.local_time)::timestamptz;
        EXIT WHEN (due > at) = later;
        day := day + CASE WHEN later THEN days ELSE - days END;
    END LOOP;
    RETURN due;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_due_time(text, text, timestamptz, boolean) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_due_time(text, text, timestamptz, boolean) IS
    'When a job with a time of day was last due in a time zone at a time, or is next due after it. Where that local '
    'time does not exist on the day of a clock change, the moment of the change; where it comes twice, one of the two. '
    'Raises 22023 for another job, an unknown zone, or no time';

CREATE FUNCTION @extschema@.tw_due_since(job text, time_zone text, at timestamptz) RETURNS timestamptz
    LANGUAGE sql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
RETURN @extschema@.tw_due_time(job, time_zone, at, false);
REVOKE ALL ON FUNCTION @extschema@.tw_due_since(text, text, timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_due_since(text, text, timestamptz) IS
    'When a job with a time of day was last due, at the latest at the given time; raises what tw_due_time() raises';

CREATE FUNCTION @extschema@.tw_is_due(job text, time_zone text, at timestamptz) RETURNS boolean
    LANGUAGE plpgsql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    -- A failed run is tried again an hour later, but not all day long: what fails three times wants a person.
    max_runs CONSTANT integer := 3;
    since CONSTANT timestamptz := @extschema@.tw_due_since(job, time_zone, at);
    has_succeeded boolean;
    runs integer;
    last_run timestamptz;
BEGIN
    -- One that still runs began the attempt that counts; the lock of the job keeps a second from it.
    SELECT coalesce(bool_or(r.status = 'succeeded'), false), count(*), max(r.started_at)
    INTO has_succeeded, runs, last_run
    FROM @extschema@.job_runs r WHERE r.job_name = job AND r.started_at >= since
      -- A run that is still to come was begun before the clock was set back.
      AND r.started_at <= greatest(at, clock_timestamp());
    -- The fourth tick after one that came a little late is the one.
    RETURN NOT has_succeeded AND runs < max_runs AND coalesce(last_run <= at - interval '50 minutes', true);
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_is_due(text, text, timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_is_due(text, text, timestamptz) IS
    'Whether a job with a time of day has to run now: since it was last due (tw_due_since) no run has succeeded, fewer '
    'than three have begun, and the last of them an hour ago. So a failed run, or one that died, is tried again twice. '
    'Raises what tw_due_since() raises';
