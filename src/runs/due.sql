-- When a job is due. Where local time has daylight saving and pg_cron's clock has not, the entry ticks every hour, and these
-- say at which of the ticks the job runs.

CREATE FUNCTION @extschema@.tw_due_time(job text, time_zone text, at timestamptz, later boolean) RETURNS timestamptz
    LANGUAGE plpgsql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp SET timezone = 'UTC'
AS $function$
DECLARE
    weekly CONSTANT boolean := coalesce(job = 'weekly_model_training', false);
    local_time CONSTANT time := CASE WHEN weekly THEN '03:00' ELSE '02:00' END;
    days CONSTANT integer := CASE WHEN weekly THEN 7 ELSE 1 END;
    day date;
    due timestamptz;
BEGIN
    IF NOT weekly AND job IS DISTINCT FROM 'daily_training_capture' THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('job "%s" has no time of day', coalesce(job, 'NULL')),
            HINT = 'daily_training_capture and weekly_model_training have one.';
    END IF;
    IF at IS NULL OR NOT isfinite(at) THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = format('"%s" is no time at which a job could run', coalesce(at::text, 'NULL'));
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
    -- From today there, or the Sunday on or before it. What is due at a local time that
    -- does not exist is due when the clock has jumped over it; of a time that comes twice, PostgreSQL takes the one without
    -- daylight saving.
    day := at::date;
    IF weekly THEN
        day := day - extract(dow FROM day)::integer;
    END IF;
    -- More than once where a zone changed sides of the date line: then two of these are one.
    LOOP
        due := (day + local_time)::timestamptz;
        EXIT WHEN (due > at) = later;
        day := day + CASE WHEN later THEN days ELSE - days END;
    END LOOP;
    RETURN due;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_due_time(text, text, timestamptz, boolean) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_due_time(text, text, timestamptz, boolean) IS
    'When daily_training_capture (02:00) or weekly_model_training (Sunday 03:00) was last due in a time zone at a time, or is next due after it';

CREATE FUNCTION @extschema@.tw_due_since(job text, time_zone text, at timestamptz) RETURNS timestamptz
    LANGUAGE sql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
RETURN @extschema@.tw_due_time(job, time_zone, at, false);
REVOKE ALL ON FUNCTION @extschema@.tw_due_since(text, text, timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_due_since(text, text, timestamptz) IS
    'The last time, at the latest the given one, at which a job was due: daily_training_capture at 02:00, weekly_model_training on Sunday at 03:00 '
    'in that zone. Where that local time does not exist on the day of a clock change, the moment of the change; where it comes twice, one of the two. '
    'Raises 22023 for another job, an unknown zone, or no time';

CREATE FUNCTION @extschema@.tw_is_due(job text, time_zone text, at timestamptz) RETURNS boolean
    LANGUAGE plpgsql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    -- A failed run is tried again by the next hourly ticks, but not all day long: what fails three times wants a person.
    most CONSTANT integer := 3;
    since CONSTANT timestamptz := @extschema@.tw_due_since(job, time_zone, at);
    has_succeeded boolean;
    runs integer;
BEGIN
    -- One that still runs began the attempt that counts; the lock of the job keeps a second from it.
    SELECT coalesce(bool_or(r.status = 'succeeded'), false), count(*) INTO has_succeeded, runs
    FROM @extschema@.job_runs r WHERE r.job_name = job AND r.started_at >= since;
    RETURN NOT has_succeeded AND runs < most;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_is_due(text, text, timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_is_due(text, text, timestamptz) IS
    'Whether a job with a time of day has to run now: since it was last due (tw_due_since) no run has succeeded, and fewer than three have begun. '
    'So a failed run, or one that died, is tried again by the next two hourly ticks. Raises what tw_due_since() raises';
