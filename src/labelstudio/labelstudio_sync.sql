-- CALL labelstudio_push(), labelstudio_pull() and labelstudio_sync(): their steps. A step catches its errors, so that
-- an error in one project does not stop the others.

CREATE FUNCTION @extschema@.tw_labelstudio_do(
    project @extschema@.labelstudio_projects, run bigint, phase text, cursor_state jsonb,
    OUT next_cursor jsonb, OUT counted jsonb)
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    batch uuid;
BEGIN
    CASE phase
        WHEN 'settle' THEN
            counted := @extschema@.tw_labelstudio_settle(project, run);
        WHEN 'erase' THEN
            SELECT e.next_cursor, e.counted INTO next_cursor, counted
            FROM @extschema@.tw_labelstudio_erase(project, cursor_state) e;
        WHEN 'pull' THEN
            SELECT p.next_cursor, p.counted INTO next_cursor, counted
            FROM @extschema@.tw_labelstudio_pull(project, cursor_state) p;
            IF next_cursor IS NULL THEN
                UPDATE @extschema@.labelstudio_projects p SET last_pull_at = clock_timestamp() WHERE p.id = project.id;
            END IF;
        WHEN 'sweep' THEN
            SELECT s.next_cursor, s.counted INTO next_cursor, counted
            FROM @extschema@.tw_labelstudio_compare(project, cursor_state) s;
        WHEN 'push' THEN
            SELECT t.batch_id INTO batch FROM @extschema@.labelstudio_tasks t
            WHERE t.project = tw_labelstudio_do.project.id AND t.run_id = run AND t.status = 'claimed' LIMIT 1;
            -- Claimed in one transaction, imported in the next.
            IF FOUND THEN
                counted := @extschema@.tw_labelstudio_import(project, batch);
                next_cursor := 'true';
            ELSIF @extschema@.tw_labelstudio_claim_batch(project, run) > 0 THEN
                counted := '{}';
                next_cursor := 'true';
            ELSE
                counted := '{}';
                UPDATE @extschema@.labelstudio_projects p SET last_push_at = clock_timestamp() WHERE p.id = project.id;
            END IF;
    END CASE;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_do(@extschema@.labelstudio_projects, bigint, text, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_do(@extschema@.labelstudio_projects, bigint, text, jsonb) IS
    'One transaction of a phase (settle, erase, pull, sweep, push); next_cursor is NULL when the phase is done';

CREATE FUNCTION @extschema@.tw_labelstudio_try(
    project @extschema@.labelstudio_projects, run bigint, phase text, cursor_state jsonb,
    OUT next_cursor jsonb, OUT failed boolean, OUT unreachable boolean)
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    counted jsonb;
    code text;
    message text;
BEGIN
    BEGIN
        SELECT d.next_cursor, d.counted INTO next_cursor, counted
        FROM @extschema@.tw_labelstudio_do(project, run, phase, cursor_state) d;
        code := counted ->> 'error_code';
        message := counted ->> 'error_message';
    EXCEPTION WHEN OTHERS THEN
        GET STACKED DIAGNOSTICS code = RETURNED_SQLSTATE, message = MESSAGE_TEXT;
    END;
    PERFORM @extschema@.tw_note_run(run, format('%s, project %s', phase, project.id),
        coalesce(counted - ARRAY['error_code', 'error_message'], '{}'::jsonb), true);
    failed := code IS NOT NULL;
    unreachable := coalesce(left(code, 2) IN ('08', '28', '42'), false);
    IF failed THEN
        next_cursor := NULL;
        PERFORM @extschema@.tw_fail_run(run, code, message);
        UPDATE @extschema@.labelstudio_projects p
        SET last_error_code = code, last_error = message, last_error_at = clock_timestamp()
        WHERE p.id = project.id AND p.is_active;
        RAISE WARNING '%', message USING ERRCODE = code;
    END IF;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_try(@extschema@.labelstudio_projects, bigint, text, jsonb)
    FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_try(@extschema@.labelstudio_projects, bigint, text, jsonb) IS
    'tw_labelstudio_do(), with errors recorded, not raised';

CREATE FUNCTION @extschema@.tw_labelstudio_step(run bigint, state jsonb, at timestamptz) RETURNS jsonb
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    phases CONSTANT jsonb := (SELECT CASE r.job_name WHEN 'labelstudio_push' THEN '["settle", "erase", "sweep", "push"]'
                                                     WHEN 'labelstudio_pull' THEN '["settle", "erase", "pull"]'
                                                     ELSE '["settle", "erase", "pull", "sweep", "push"]' END
                              FROM @extschema@.job_runs r WHERE r.id = run);
    projects jsonb := state -> 'projects';
    phases_left jsonb := state -> 'phases';
    has_failed boolean := coalesce((state ->> 'failed')::boolean, false);
    project @extschema@.labelstudio_projects;
    done record;
BEGIN
    IF state IS NULL THEN
        projects := (SELECT jsonb_agg(p.id ORDER BY p.id) FROM @extschema@.labelstudio_projects p
                     WHERE p.is_active OR EXISTS (SELECT FROM @extschema@.labelstudio_erasures e
                                                  WHERE e.project = p.id AND e.deleted_at IS NULL));
        RETURN CASE WHEN projects IS NOT NULL THEN jsonb_build_object('projects', projects, 'phases', phases) END;
    END IF;
    SELECT * INTO project FROM @extschema@.labelstudio_projects p WHERE p.id = (projects ->> 0)::bigint;
    -- Of a retired project, tasks of erased rows are deleted, and nothing else happens.
    IF FOUND AND NOT project.is_active THEN
        phases_left := jsonb_path_query_array(phases_left, '$[*] ? (@ == "erase")');
    END IF;
    IF FOUND AND jsonb_array_length(phases_left) > 0 THEN
        SELECT * INTO done FROM @extschema@.tw_labelstudio_try(project, run, phases_left ->> 0, state -> 'cursor');
        IF done.next_cursor IS NOT NULL THEN
            RETURN state || jsonb_build_object('cursor', done.next_cursor);
        END IF;
        has_failed := has_failed OR done.failed;
        -- An error in a verdict need not stop other reviews.
        phases_left := CASE WHEN done.unreachable THEN '[]' ELSE phases_left - 0 END;
        IF jsonb_array_length(phases_left) > 0 THEN
            RETURN jsonb_build_object('projects', projects, 'phases', phases_left, 'failed', has_failed);
        END IF;
    END IF;
    IF NOT has_failed THEN
        UPDATE @extschema@.labelstudio_projects p SET last_error_code = NULL, last_error = NULL, last_error_at = NULL
        WHERE p.id = (projects ->> 0)::bigint AND p.last_error IS NOT NULL;
    END IF;
    projects := projects - 0;
    RETURN CASE WHEN jsonb_array_length(projects) > 0
                THEN jsonb_build_object('projects', projects, 'phases', phases) END;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_step(bigint, jsonb, timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_step(bigint, jsonb, timestamptz) IS
    'One step of labelstudio_push(), labelstudio_pull() or labelstudio_sync(), as tw_job_step() calls it: one '
    'transaction of a phase of a project';

CREATE PROCEDURE @extschema@.labelstudio_push()
    LANGUAGE plpgsql
AS $procedure$
BEGIN
    CALL @extschema@.tw_run_job('labelstudio_push'::pg_catalog.text, NULL::pg_catalog.text,
                                NULL::pg_catalog.timestamptz);
END
$procedure$;
REVOKE ALL ON PROCEDURE @extschema@.labelstudio_push() FROM PUBLIC;
COMMENT ON PROCEDURE @extschema@.labelstudio_push() IS
    'Sends conversations that wait for a person to Label Studio: audited ones for up to half of each batch, then by '
    'priority, at most max_open_tasks unfinished ones in a project; deletes tasks there that were judged here since, '
    'and those of erased rows, also in retired projects. '
    'Commits between steps. Errors are recorded in job_runs and labelstudio_projects, and raised as warnings; none of '
    'them loses or duplicates a task. Raises 2D000 inside a transaction, 25001 inside a block with EXCEPTION';

CREATE PROCEDURE @extschema@.labelstudio_pull()
    LANGUAGE plpgsql
AS $procedure$
BEGIN
    CALL @extschema@.tw_run_job('labelstudio_pull'::pg_catalog.text, NULL::pg_catalog.text,
                                NULL::pg_catalog.timestamptz);
END
$procedure$;
REVOKE ALL ON PROCEDURE @extschema@.labelstudio_pull() FROM PUBLIC;
COMMENT ON PROCEDURE @extschema@.labelstudio_pull() IS
    'Reads all annotations that changed in Label Studio since the last pull: new and changed ones become verdicts in '
    'the annotator''s name, deleted ones withdraw theirs, skipped tasks return to the queue; a newer verdict given '
    'here stands. Deletes the tasks of erased rows there. Commits, records errors and raises as labelstudio_push() '
    'does';

CREATE PROCEDURE @extschema@.labelstudio_sync()
    LANGUAGE plpgsql
AS $procedure$
BEGIN
    CALL @extschema@.tw_run_job('labelstudio_sync'::pg_catalog.text, NULL::pg_catalog.text,
                                NULL::pg_catalog.timestamptz);
END
$procedure$;
REVOKE ALL ON PROCEDURE @extschema@.labelstudio_sync() FROM PUBLIC;
COMMENT ON PROCEDURE @extschema@.labelstudio_sync() IS
    'labelstudio_pull() and labelstudio_push() in one run: for pg_cron, every few minutes. Raises as '
    'labelstudio_push() does';
