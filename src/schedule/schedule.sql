-- schedule_jobs() and unschedule_jobs(): the entries of pg_cron that make the loop run by itself.
--
-- pg_cron is optional: statements that name its objects are built at run time. A schema that is merely called cron is
-- not taken for pg_cron: these functions also run as superusers, and would execute what another role put there.

CREATE FUNCTION @extschema@.tw_cron_server(
    OUT is_loaded boolean, OUT is_available boolean, OUT database_name text, OUT is_here boolean, OUT sees_all boolean,
    OUT launcher_runs boolean, OUT uses_workers boolean)
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    -- An owner that is not a superuser may not see everything; then no problem is assumed.
    may_see_settings CONSTANT boolean := pg_has_role('pg_read_all_settings', 'USAGE');
    may_see_workers CONSTANT boolean := pg_has_role('pg_read_all_stats', 'USAGE');
BEGIN
    -- pg_settings, unlike current_setting(), does not return settings made up in a session.
    database_name := (SELECT s.setting FROM pg_settings s WHERE s.name = 'cron.database_name');
    uses_workers := (SELECT s.setting::boolean FROM pg_settings s WHERE s.name = 'cron.use_background_workers');
    -- Installed, but not in the database that it works in: left over from an earlier configuration.
    is_here := coalesce(database_name = current_database(), true) AND EXISTS (
        SELECT FROM pg_extension e
        JOIN pg_depend d ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid AND d.deptype = 'e'
        JOIN pg_namespace n ON d.classid = 'pg_namespace'::regclass AND d.objid = n.oid
        WHERE e.extname = 'pg_cron' AND n.nspname = 'cron');
    is_loaded := database_name IS NOT NULL OR is_here AND NOT may_see_settings;
    is_available := EXISTS (SELECT FROM pg_available_extensions e WHERE e.name = 'pg_cron');
    sees_all := false;
    IF is_here THEN
        sees_all := has_schema_privilege('cron', 'USAGE') AND has_table_privilege('cron.job', 'SELECT')
                    AND NOT row_security_active('cron.job')
            AND has_table_privilege('cron.job_run_details', 'SELECT')
            AND NOT row_security_active('cron.job_run_details');
    END IF;
    launcher_runs := EXISTS (SELECT FROM pg_stat_activity a WHERE a.backend_type = 'pg_cron launcher')
                     OR NOT may_see_workers;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_cron_server() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_cron_server() IS
    'The state of pg_cron: loaded by the server, installable, the database it works in, installed in this database, '
    'whether the extension''s owner sees the entries of every role, whether its launcher runs, and whether that uses '
    'background workers';

CREATE FUNCTION @extschema@.tw_cron_job_name(job text) RETURNS text
    LANGUAGE sql STABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    -- A database has at most one installation. An entry's name may be a "name", of at most 63 bytes.
    WITH tries (n, name) AS (
        SELECT 0, format('training_workflow %s: %s', current_database(), job)
        UNION ALL
        SELECT g, format('training_workflow %s~%s: %s', left(current_database(), - g),
                                                             left(md5(current_database()), 8), job)
        FROM generate_series(1, 63) g
    )
    SELECT t.name FROM tries t WHERE octet_length(t.name) <= 63 ORDER BY t.n LIMIT 1;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_cron_job_name(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_cron_job_name(text) IS
    'Name of pg_cron''s entry for a job of this database: training_workflow DATABASE: JOB; a long database name is cut '
    'and gets a checksum';

CREATE FUNCTION @extschema@.tw_cron_entries(
    OUT job_name text, OUT id bigint, OUT schedule text, OUT command text, OUT role_name text, OUT is_active boolean,
    OUT run_status text, OUT run_message text, OUT run_started timestamptz)
    RETURNS SETOF record
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF NOT (SELECT c.is_here FROM @extschema@.tw_cron_server() c) OR NOT has_schema_privilege('cron', 'USAGE')
       OR NOT has_table_privilege('cron.job', 'SELECT')
       OR NOT has_table_privilege('cron.job_run_details', 'SELECT') THEN
        RETURN;
    END IF;
    -- The only index is on runid, and there may be millions of runs.
    RETURN QUERY EXECUTE $query$
        WITH entry AS (
            SELECT s.job_name, j.* FROM @extschema@.tw_jobs() s
            JOIN cron.job j ON j.jobname::text = @extschema@.tw_cron_job_name(s.job_name)
                AND j.database = current_database()
        ), run AS (
            SELECT DISTINCT ON (d.jobid) d.jobid, d.status, d.return_message, d.start_time
            FROM (SELECT * FROM cron.job_run_details r ORDER BY r.runid DESC LIMIT 3000) d
            WHERE d.jobid IN (SELECT e.jobid FROM entry e) AND d.status IN ('succeeded', 'failed')
            ORDER BY d.jobid, d.runid DESC
        )
        SELECT e.job_name, e.jobid, e.schedule, e.command, e.username, e.active,
               r.status, r.return_message, r.start_time
        FROM entry e LEFT JOIN run r USING (jobid)
    $query$;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_cron_entries() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_cron_entries() IS
    'pg_cron''s entries for this extension''s jobs that the caller may see, with the last run of each (among the '
    'server''s last 3,000)';

CREATE FUNCTION @extschema@.tw_all_cron_entries(
    OUT job_name text, OUT id bigint, OUT schedule text, OUT command text, OUT role_name text, OUT is_active boolean,
    OUT run_status text, OUT run_message text, OUT run_started timestamptz)
    RETURNS SETOF record
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    RETURN QUERY SELECT * FROM @extschema@.tw_cron_entries();
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_all_cron_entries() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_all_cron_entries() IS
    'pg_cron''s entries for this extension''s jobs that its owner may see: those of every role if the owner is a '
    'superuser';

CREATE FUNCTION @extschema@.tw_cron_plan(time_zone text, OUT job_name text, OUT schedule text, OUT command text)
    RETURNS SETOF record
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    -- Every argument has its exact type: pg_cron runs the call with the owner's rights, and a procedure that another
    -- role creates in the schema must not be a better match.
    SELECT j.job_name, j.tick,
           format('CALL %I.tw_run_job(%L::text, %L::text, NULL::timestamptz)', n.nspname, j.job_name,
                  CASE WHEN j.local_time IS NOT NULL THEN tw_cron_plan.time_zone END)
    FROM @extschema@.tw_jobs() WITH ORDINALITY j
    JOIN pg_class c ON c.oid = '@extschema@.conversation_logs'::regclass
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE j.tick IS NOT NULL AND @extschema@.tw_is_own_job(j.belongs) ORDER BY j.ordinality;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_cron_plan(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_cron_plan(text) IS
    'The pg_cron entries with which the jobs run at their times in a time zone';

CREATE FUNCTION @extschema@.tw_require_zone(time_zone text) RETURNS text
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    wanted CONSTANT text := coalesce(time_zone, @extschema@.training_setting('time_zone'));
    -- Abbreviations are refused as ambiguous: IST is Israel's.
    known CONSTANT text := (SELECT z.name FROM pg_timezone_names z WHERE lower(z.name) = lower(wanted) LIMIT 1);
BEGIN
    IF known IS NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('there is no time zone "%s"', @extschema@.tw_excerpt(wanted)),
            HINT = 'Choose a name from pg_timezone_names, for example Asia/Kolkata'
                || CASE WHEN time_zone IS NULL THEN '; this one is the value of the setting time_zone.' ELSE '.' END;
    END IF;
    RETURN known;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_require_zone(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_require_zone(text) IS
    'The name of a time zone as in pg_timezone_names; for NULL, that of the setting time_zone. Raises 22023 for an '
    'unknown one';

CREATE FUNCTION @extschema@.tw_require_scheduling() RETURNS void
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF pg_is_in_recovery() THEN
        RAISE EXCEPTION USING
            ERRCODE = 'read_only_sql_transaction',
            MESSAGE = 'jobs cannot be scheduled on a standby',
            HINT = 'Schedule them on the primary. pg_cron runs them here once this server is promoted.';
    END IF;
    PERFORM @extschema@.tw_require_acting();
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_require_scheduling() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_require_scheduling() IS 'Raises 25006 on a standby and 55000 on a restored copy';

CREATE FUNCTION @extschema@.tw_note_scheduled() RETURNS void
    LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    INSERT INTO @extschema@.training_settings AS s (name, value) VALUES ('scheduled', 'on')
    ON CONFLICT (name) DO UPDATE SET updated_at = now(), updated_by = session_user;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_note_scheduled() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_note_scheduled() IS
    'Stores when an entry was last made or changed, which pg_cron does not store: job_health needs it for jobs that '
    'never ran';

CREATE FUNCTION @extschema@.tw_require_cron_rights(is_here boolean) RETURNS void
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    grant_it text;
BEGIN
    IF NOT (SELECT r.rolcanlogin FROM pg_roles r WHERE r.rolname = current_user) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('role "%s" may not log in', current_user),
            DETAIL = 'pg_cron runs a job as the role that scheduled it, in a session of its own.',
            HINT = format('Schedule the jobs as a role that may, or run ALTER ROLE %I LOGIN.', current_user);
    END IF;
    IF NOT has_function_privilege('@extschema@.tw_run_job(text, text, timestamptz)', 'EXECUTE') THEN
        RAISE EXCEPTION USING
            ERRCODE = 'insufficient_privilege',
            MESSAGE = format('role "%s" may not run the jobs', current_user),
            DETAIL = 'pg_cron runs a job as the role that scheduled it.',
            HINT = format('Run SELECT grant_training_role(%L, ''operator''); as the owner of the extension.',
                          current_user);
    END IF;
    IF NOT is_here THEN
        RETURN;
    END IF;
    IF NOT has_schema_privilege('cron', 'USAGE') THEN
        grant_it := 'USAGE ON SCHEMA cron';
    ELSIF to_regprocedure('cron.schedule(text, text, text)') IS NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'feature_not_supported',
            MESSAGE = 'pg_cron is too old: it does not have named jobs',
            HINT = 'Install version 1.4 or later, and run ALTER EXTENSION pg_cron UPDATE.';
    ELSIF NOT has_function_privilege('cron.schedule(text, text, text)', 'EXECUTE') THEN
        grant_it := 'EXECUTE ON FUNCTION cron.schedule(text, text, text)';
    ELSIF NOT has_function_privilege('cron.unschedule(bigint)', 'EXECUTE') THEN
        grant_it := 'EXECUTE ON FUNCTION cron.unschedule(bigint)';
    ELSIF NOT has_table_privilege('cron.job', 'SELECT') THEN
        grant_it := 'SELECT ON cron.job';
    END IF;
    IF grant_it IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'insufficient_privilege',
            MESSAGE = format('role "%s" may not use pg_cron', current_user),
            HINT = format('Run GRANT %s TO %I; as a superuser.', grant_it, current_user);
    END IF;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_require_cron_rights(boolean) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_require_cron_rights(boolean) IS
    'Raises 55000 for a role that cannot log in, 42501 for a role that may not run the jobs or, where pg_cron is in '
    'this database, may not use it';

CREATE FUNCTION @extschema@.tw_notice_cron_elsewhere(server record, what text) RETURNS void
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF NOT server.is_loaded THEN
        RAISE NOTICE USING
            MESSAGE = format('this server runs without pg_cron: nothing was %s', what),
            HINT = CASE WHEN server.is_available THEN '' ELSE 'Install its package. ' END
                || format('Set shared_preload_libraries = ''pg_cron'' and cron.database_name = %L, restart, run CREATE '
                          'EXTENSION pg_cron, and call this again. ', current_database())
                || 'Or run the statements in the database that pg_cron is to work in.';
    ELSIF server.database_name = current_database() THEN
        RAISE NOTICE USING
            MESSAGE = format('pg_cron is not installed in this database: nothing was %s', what),
            HINT = 'Run CREATE EXTENSION pg_cron, and call this again.';
    ELSE
        RAISE NOTICE USING
            MESSAGE = format('pg_cron works in database "%s": nothing was %s', server.database_name, what),
            HINT = CASE what WHEN 'scheduled' THEN 'Run the statements there, as a superuser, or as a role that may: '
                                                   'cron.schedule_in_database() is not granted to PUBLIC.'
                        ELSE 'Run the statements there, as a superuser or as the role that the jobs run as.' END;
    END IF;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_notice_cron_elsewhere(record, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_notice_cron_elsewhere(record, text) IS
    'Raises a NOTICE that says why pg_cron is not available in this database, and what to do';

CREATE FUNCTION @extschema@.tw_schedule_job(cron_job text, wanted_schedule text, wanted_command text, sees_all boolean,
    OUT done boolean, OUT what text, OUT statement text)
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    entry record;
    is_same boolean;
BEGIN
    IF sees_all THEN
        SELECT * INTO entry FROM @extschema@.tw_all_cron_entries() e
        WHERE e.job_name = cron_job ORDER BY e.role_name = current_user DESC, e.is_active DESC, e.id LIMIT 1;
    ELSE
        SELECT * INTO entry FROM @extschema@.tw_cron_entries() e
        WHERE e.job_name = cron_job AND e.role_name = current_user LIMIT 1;
    END IF;
    is_same := entry.schedule = wanted_schedule AND entry.command = wanted_command;
    done := true;
    IF entry.id IS NULL THEN
        what := 'scheduled';
    ELSIF entry.role_name <> current_user THEN
        -- A second entry would find the job running, or run it twice as often.
        what := format('role "%s" has scheduled it', entry.role_name);
        done := is_same AND entry.is_active;
        IF NOT done THEN
            statement := format('SELECT cron.alter_job(%s, %L, %L, active => true);', entry.id, wanted_schedule,
                                wanted_command);
        END IF;
        RETURN;
    ELSE
        what := CASE WHEN is_same THEN 'unchanged' ELSE 'changed' END;
    END IF;
    IF what <> 'unchanged' THEN
        -- An existing entry keeps its id.
        EXECUTE 'SELECT cron.schedule($1, $2, $3)' USING @extschema@.tw_cron_job_name(cron_job), wanted_schedule,
                                                         wanted_command;
        PERFORM @extschema@.tw_note_scheduled();
    END IF;
    IF NOT entry.is_active THEN
        -- Entries switched off on purpose stay off.
        what := what || ', inactive';
        done := false;
        statement := format('SELECT cron.alter_job(%s, active => true);', entry.id);
    END IF;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_schedule_job(text, text, text, boolean) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_schedule_job(text, text, text, boolean) IS
    'Creates or corrects one entry; returns what was done: scheduled, changed, unchanged, or nothing because it is '
    'another role''s';

CREATE FUNCTION @extschema@.schedule_jobs(time_zone text DEFAULT NULL,
    OUT job_name text, OUT schedule text, OUT command text, OUT done boolean, OUT what text, OUT statement text)
    RETURNS SETOF record
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    server record;
    zone text;
BEGIN
    PERFORM @extschema@.tw_require_scheduling();
    zone := @extschema@.tw_require_zone(time_zone);
    SELECT * INTO server FROM @extschema@.tw_cron_server();
    PERFORM @extschema@.tw_require_cron_rights(server.is_here);
    IF NOT server.is_here THEN
        PERFORM @extschema@.tw_notice_cron_elsewhere(server, 'scheduled');
    END IF;
    FOR job_name, schedule, command IN
        SELECT p.job_name, p.schedule, p.command FROM @extschema@.tw_cron_plan(zone) p
    LOOP
        IF server.is_here THEN
            SELECT j.done, j.what, j.statement INTO done, what, statement
            FROM @extschema@.tw_schedule_job(job_name, schedule, command, server.sees_all) j;
        ELSE
            done := false;
            what := 'nothing';
            statement := format('SELECT cron.schedule_in_database(%L, %L, %L, %L, %L);',
                                @extschema@.tw_cron_job_name(job_name), schedule, command, current_database(),
                                current_user);
        END IF;
        RETURN NEXT;
    END LOOP;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.schedule_jobs(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.schedule_jobs(text) IS
    'Registers the five jobs with pg_cron, to run as the calling role: daily_training_capture at 02:00 and '
    'weekly_model_training on Sunday at 03:00 in the zone (NULL: the setting time_zone), both checked every 15 '
    'minutes; the others every five minutes. Returns a row for each: its entry, whether it is in place (done), what '
    'was done, and otherwise the statement to run. Further calls change only what differs. Where pg_cron is not in '
    'this database it changes nothing, and returns the statements to run where it is. Raises 22023 for an unknown '
    'zone, 42501 without the rights, 55000 for a role that cannot log in and on a restored copy, 0A000 for a pg_cron '
    'before 1.4, 25006 on a standby';

CREATE FUNCTION @extschema@.unschedule_jobs(OUT job_name text, OUT done boolean, OUT what text, OUT statement text)
    RETURNS SETOF record
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    server record;
    entry record;
BEGIN
    IF pg_is_in_recovery() THEN
        PERFORM @extschema@.tw_require_scheduling();
    END IF;
    SELECT * INTO server FROM @extschema@.tw_cron_server();
    IF NOT server.is_here THEN
        PERFORM @extschema@.tw_notice_cron_elsewhere(server, 'unscheduled');
        RETURN QUERY
            SELECT s.job_name, false, 'nothing',
                   format('SELECT cron.unschedule(jobid) FROM cron.job WHERE jobname = %L AND database = %L;',
                          @extschema@.tw_cron_job_name(s.job_name), current_database())
            FROM @extschema@.tw_jobs() WITH ORDINALITY s WHERE s.tick IS NOT NULL ORDER BY s.ordinality;
        RETURN;
    END IF;
    IF NOT has_schema_privilege('cron', 'USAGE') THEN
        RAISE EXCEPTION USING
            ERRCODE = 'insufficient_privilege',
            MESSAGE = format('role "%s" may not use pg_cron', current_user),
            HINT = format('Run GRANT USAGE ON SCHEMA cron TO %I; as a superuser.', current_user);
    END IF;
    FOR entry IN
        SELECT e.job_name, e.id, e.role_name FROM @extschema@.tw_cron_entries() e
        UNION
        SELECT e.job_name, e.id, e.role_name FROM @extschema@.tw_all_cron_entries() e
        ORDER BY id
    LOOP
        job_name := entry.job_name;
        done := entry.role_name = current_user OR has_table_privilege('cron.job', 'DELETE');
        what := format('%s of role "%s"', CASE WHEN done THEN 'unscheduled' ELSE 'it is' END, entry.role_name);
        statement := CASE WHEN NOT done THEN format('SELECT cron.unschedule(%s);', entry.id) END;
        IF done THEN
            EXECUTE 'SELECT cron.unschedule($1)' USING entry.id;
        END IF;
        RETURN NEXT;
    END LOOP;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.unschedule_jobs() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.unschedule_jobs() IS
    'Removes this database''s entries for this extension''s jobs from pg_cron, and no others. Returns a row for each, '
    'with the statement for a superuser to run where it is another role''s. Where pg_cron is not in this database it '
    'changes nothing, and returns the statements to run where it is. DROP EXTENSION leaves the entries: call this '
    'first. Raises 42501 without the rights, 25006 on a standby';
