-- Due times of jobs with a time of day. Their cron entry runs every quarter of an hour; these functions decide at which
-- of these ticks the job runs.

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
            MESSAGE = format('job "%s" has no time of day', coalesce(@extschema@.tw_excerpt(job), 'NULL')),
            HINT = (SELECT format('The jobs with one are: %s.', string_agg(j.job_name, ', '))
                    FROM @extschema@.tw_jobs() j WHERE j.local_time IS NOT NULL);
    END IF;
    IF at IS NULL OR NOT isfinite(at) THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
                              MESSAGE = format('"%s" is not a time at which a job could run',
                                               coalesce(at::text, 'NULL'));
    END IF;
    -- Not AT TIME ZONE: it prefers abbreviations to names, so that IST is Israel's time and CET has no summer time.
    -- POSIX specifications such as Kolkata5:30 are refused too.
    BEGIN
        PERFORM set_config('timezone', time_zone, true) WHERE @extschema@.tw_named_zone(time_zone) IS NOT NULL;
        IF NOT FOUND THEN
            RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value';
        END IF;
    EXCEPTION WHEN invalid_parameter_value THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('there is no time zone "%s"', coalesce(@extschema@.tw_excerpt(time_zone), 'NULL')),
            HINT = 'Choose a name from pg_timezone_names, for example Asia/Kolkata.';
    END;
    -- Starts at the zone's current date, or at the job's day of the week on or before it. A local time that the clock
    -- skips is due at the change; of a time that occurs twice, PostgreSQL takes the one without daylight saving.
    day := at::date;
    days := CASE WHEN registered.week_day IS NULL THEN 1 ELSE 7 END;
    day := day - coalesce((extract(dow FROM day)::integer + 7 - registered.week_day) % 7, 0);
    -- Repeats where a zone crossed the date line: there two dates can give the same time.
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
    'The last time at or before a given time at which a job with a time of day was due in a time zone; with later, '
    'the next time after it. If a clock change skips that local time, the moment of the change; if it occurs twice, '
    'one of the two. Raises 22023 for a job without a time of day, an unknown zone, and a NULL or infinite time';

CREATE FUNCTION @extschema@.tw_due_since(job text, time_zone text, at timestamptz) RETURNS timestamptz
    LANGUAGE sql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
RETURN @extschema@.tw_due_time(job, time_zone, at, false);
REVOKE ALL ON FUNCTION @extschema@.tw_due_since(text, text, timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_due_since(text, text, timestamptz) IS
    'The last time at or before the given time at which a job with a time of day was due. Raises the errors of '
    'tw_due_time()';

CREATE FUNCTION @extschema@.tw_is_due(job text, time_zone text, at timestamptz) RETURNS boolean
    LANGUAGE plpgsql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    -- A failed run is repeated an hour later, at most twice: after three failures a person has to act.
    max_runs CONSTANT integer := 3;
    since CONSTANT timestamptz := @extschema@.tw_due_since(job, time_zone, at);
    has_succeeded boolean;
    runs integer;
    last_run timestamptz;
BEGIN
    -- A run that still runs counts as an attempt; the lock of the job prevents a second one.
    SELECT coalesce(bool_or(r.status = 'succeeded'), false), count(*), max(r.started_at)
    INTO has_succeeded, runs, last_run
    FROM @extschema@.job_runs r WHERE r.job_name = job AND r.started_at >= since
      -- A run that is still to come was begun before the clock was set back.
      AND r.started_at <= greatest(at, clock_timestamp());
    -- 50 minutes, not 60: the fourth tick counts even if the first came a little late.
    RETURN NOT has_succeeded AND runs < max_runs AND coalesce(last_run <= at - interval '50 minutes', true);
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_is_due(text, text, timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_is_due(text, text, timestamptz) IS
    'Whether a job with a time of day has to run at the given time: since it was last due (tw_due_since) no run has '
    'succeeded, fewer than three have begun, and the last of them began at least 50 minutes ago. So a failed or dead '
    'run is repeated up to twice. Raises the errors of tw_due_since()';
