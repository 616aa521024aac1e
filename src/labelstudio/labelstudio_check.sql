-- labelstudio_check(): one row that tells at 2 AM whether reviews work, and what to do if not.

CREATE FUNCTION @extschema@.tw_labelstudio_ask(server text,
    OUT reachable boolean, OUT version text, OUT account text, OUT token_kind text, OUT problem text)
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    hint text;
BEGIN
    reachable := false;
    token_kind := @extschema@.tw_labelstudio_token_kind(server);
    SELECT g.reply ->> 'release' INTO version
    FROM @extschema@.tw_labelstudio_get(server, '/api/version/', NULL, 'say its version') g;
    reachable := true;
    SELECT g.reply ->> 'email' INTO account
    FROM @extschema@.tw_labelstudio_get(server, '/api/current-user/whoami', NULL, 'say who the token''s user is') g;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS problem = MESSAGE_TEXT, hint = PG_EXCEPTION_HINT;
    -- A server that refuses the token is reachable.
    reachable := reachable OR SQLSTATE = '28000';
    problem := concat_ws('. ', problem, nullif(hint, ''));
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_ask(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_ask(text) IS
    'The version of a Label Studio server and the account of our token; problem is the error (NULL: none)';

CREATE FUNCTION @extschema@.tw_labelstudio_backlog(server text) RETURNS bigint
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT count(*)
    FROM (SELECT @extschema@.tw_module_type(c.nlu_module_type, c.nlu_intent) AS module_type
          FROM @extschema@.conversation_logs c
          WHERE c.review_priority IS NOT NULL
            AND NOT EXISTS (SELECT FROM @extschema@.labelstudio_tasks t
                            WHERE t.conversation_log_id = c.id AND @extschema@.tw_task_waits(t.status))
          UNION ALL
          SELECT s.module_type
          FROM @extschema@.training_samples s
          WHERE s.review_priority IS NOT NULL
            AND NOT EXISTS (SELECT FROM @extschema@.labelstudio_tasks t
                            WHERE t.sample_id = s.id AND @extschema@.tw_task_waits(t.status))) m
    WHERE server = (SELECT p.server_name FROM @extschema@.labelstudio_projects p
                    WHERE p.is_active AND (p.module_type IS NULL OR p.module_type = m.module_type)
                    ORDER BY p.module_type NULLS LAST LIMIT 1);
END;
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_backlog(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_backlog(text) IS
    'How many conversations and samples of this server''s projects wait for a person and have no task in Label Studio';

CREATE FUNCTION @extschema@.tw_labelstudio_died() RETURNS timestamptz
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
RETURN (SELECT r.started_at FROM @extschema@.job_runs r
        WHERE r.status = 'running'
          AND @extschema@.tw_job_number(r.job_name) = @extschema@.tw_job_number('labelstudio_sync'::text)
          AND @extschema@.tw_job_session('labelstudio_sync'::text) IS NULL
        ORDER BY r.id DESC LIMIT 1);
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_died() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_died() IS
    'The start of the last run that a cancel or a crash ended before it could record an error; NULL where there is '
    'none';

CREATE FUNCTION @extschema@.tw_labelstudio_stand(server text,
    OUT projects text, OUT last_push_at timestamptz, OUT last_pull_at timestamptz, OUT open_tasks bigint,
    OUT uncertain_tasks bigint, OUT unusable_tasks bigint, OUT last_error text, OUT last_error_at timestamptz)
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    SELECT string_agg(format('%s (%s%s)', p.title, p.project_id, ', ' || p.module_type), '; ' ORDER BY p.id),
           min(p.last_push_at), min(p.last_pull_at)
    INTO projects, last_push_at, last_pull_at
    FROM @extschema@.labelstudio_projects p WHERE p.is_active AND p.server_name = server;
    SELECT count(*) FILTER (WHERE t.status = 'open'), count(*) FILTER (WHERE t.status = 'claimed'),
           count(*) FILTER (WHERE t.status IN ('unusable', 'refused'))
    INTO open_tasks, uncertain_tasks, unusable_tasks
    FROM @extschema@.labelstudio_tasks t JOIN @extschema@.labelstudio_projects p ON p.id = t.project
    WHERE p.is_active AND p.server_name = server AND @extschema@.tw_task_is_unfinished(t.status);
    SELECT e.last_error, e.last_error_at INTO last_error, last_error_at
    FROM (SELECT p.last_error, p.last_error_at FROM @extschema@.labelstudio_projects p
          WHERE p.is_active AND p.server_name = server AND p.last_error IS NOT NULL
          UNION ALL
          SELECT 'the last run ended or was cancelled before it was done', d.at
          FROM (SELECT @extschema@.tw_labelstudio_died() AS at) d WHERE d.at IS NOT NULL AND projects IS NOT NULL) e
    ORDER BY e.last_error_at DESC LIMIT 1;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_stand(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_stand(text) IS
    'The state of a server''s projects, from this database alone';

CREATE FUNCTION @extschema@.labelstudio_check(
    server text DEFAULT NULL,
    OUT server_name text, OUT url text, OUT state text, OUT version text, OUT account text, OUT token_kind text,
    OUT projects text, OUT last_push_at timestamptz, OUT last_pull_at timestamptz,
    OUT lag_seconds double precision, OUT open_tasks bigint, OUT uncertain_tasks bigint, OUT unusable_tasks bigint,
    OUT backlog bigint, OUT last_error text, OUT last_error_at timestamptz, OUT advice text,
    OUT erasures_waiting bigint, OUT erasures_since timestamptz)
    RETURNS SETOF record
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    reachable boolean;
    problem text;
    is_copy boolean := @extschema@.tw_is_restored_copy();
    erasures record;
    found_any boolean := false;
BEGIN
    FOR server_name, url IN
        SELECT s.srvname, (SELECT o.option_value FROM pg_options_to_table(s.srvoptions) o WHERE o.option_name = 'url')
        FROM pg_foreign_server s JOIN pg_foreign_data_wrapper w ON w.oid = s.srvfdw
        WHERE w.fdwname = 'training_workflow_labelstudio'
          AND (server IS NULL OR s.srvname = @extschema@.tw_labelstudio_server(server))
        ORDER BY s.srvname
    LOOP
        IF NOT is_copy THEN
            SELECT a.reachable, a.version, a.account, a.token_kind, a.problem
            INTO reachable, version, account, token_kind, problem
            FROM @extschema@.tw_labelstudio_ask(server_name) a;
        END IF;
        SELECT s.* INTO projects, last_push_at, last_pull_at, open_tasks, uncertain_tasks, unusable_tasks, last_error,
                        last_error_at
        FROM @extschema@.tw_labelstudio_stand(server_name) s;
        SELECT * INTO erasures FROM @extschema@.tw_labelstudio_erasures_of(server_name) e;
        erasures_waiting := erasures.waiting;
        erasures_since := erasures.since;
        lag_seconds := extract(epoch FROM clock_timestamp() - last_pull_at);
        backlog := @extschema@.tw_labelstudio_backlog(server_name);
        state := CASE WHEN is_copy THEN 'restored copy' WHEN NOT reachable THEN 'unreachable'
                      WHEN problem IS NOT NULL THEN 'refused'
                      WHEN projects IS NULL THEN 'no project' WHEN last_error IS NOT NULL THEN 'failing' ELSE 'ok' END;
        advice := CASE
            WHEN is_copy
            THEN 'This database is a restored copy and contacts no server. If it takes over: SELECT '
                 'adopt_installation();'
            WHEN problem IS NOT NULL THEN problem
            WHEN erasures.failed > 0
            THEN format('%s tasks of erased rows could not be deleted in Label Studio: see last_error in '
                        'labelstudio_erasures. The next run tries again. If the project is gone there: SELECT '
                        'labelstudio_confirm_deleted(...);', erasures.failed)
            WHEN projects IS NULL AND erasures.waiting > 0
            THEN format('%s tasks of erased rows wait in retired projects: CALL labelstudio_sync() deletes them.',
                        erasures.waiting)
            WHEN projects IS NULL THEN 'SELECT labelstudio_create_project(''a title'');'
            WHEN last_error IS NOT NULL
            THEN 'The last run failed: see last_error and job_runs. The next one goes on where it stopped.'
            WHEN last_pull_at IS NULL
                 OR lag_seconds > 3600 THEN 'The last pull is too long ago: CALL labelstudio_sync(), or schedule it.'
            WHEN unusable_tasks > 0
            THEN 'Some annotations have no valid verdict, or tasks were refused: see error_message in '
                 'labelstudio_tasks where status is unusable or refused; their conversations wait again.'
            END;
        found_any := true;
        RETURN NEXT;
    END LOOP;
    -- What waits for a server that was dropped or renamed.
    FOR server_name, erasures_waiting, erasures_since IN
        SELECT coalesce(p.server_name, format('project %s', e.project)), count(*), min(e.asked_at)
        FROM @extschema@.labelstudio_erasures e LEFT JOIN @extschema@.labelstudio_projects p ON p.id = e.project
        WHERE e.deleted_at IS NULL AND server IS NULL
          AND NOT EXISTS (SELECT FROM pg_foreign_server f WHERE f.srvname = p.server_name)
        GROUP BY 1 ORDER BY 1
    LOOP
        url := NULL;
        version := NULL;
        account := NULL;
        token_kind := NULL;
        SELECT s.* INTO projects, last_push_at, last_pull_at, open_tasks, uncertain_tasks, unusable_tasks, last_error,
                        last_error_at
        FROM @extschema@.tw_labelstudio_stand(server_name) s;
        lag_seconds := NULL;
        backlog := 0;
        state := 'no server';
        advice := format('%s tasks of erased rows wait for their deletion, and the server is gone: create it again '
                         'under this name (CREATE SERVER), or, when the tasks are gone, run SELECT '
                         'labelstudio_confirm_deleted(...) with the project''s number.', erasures_waiting);
        found_any := true;
        RETURN NEXT;
    END LOOP;
    IF NOT found_any THEN
        -- One row without a server, with the advice to create one.
        PERFORM @extschema@.tw_labelstudio_server(server);
    END IF;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.labelstudio_check(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.labelstudio_check(text) IS
    'The state of the Label Studio server of that name, or of each (NULL): whether it answers (state: ok, failing, no '
    'project, refused, unreachable, restored copy, no server: it was dropped and deletions wait for it), its version, '
    'our account and kind of token, the projects, the '
    'times of the last successful push and pull (the oldest of its projects), the seconds since the last pull '
    '(lag_seconds), tasks there that wait (open), have an unknown import result (uncertain), or have an invalid '
    'annotation (unusable), conversations and samples that wait here (backlog), the last error, what to do (advice; '
    'NULL when all is well), and how many tasks of erased rows wait for their deletion there (erasures_waiting), the '
    'oldest since when (erasures_since). Raises 42704 for an unknown server, and where there is none';
