-- CALL labelstudio_push(), labelstudio_pull() and labelstudio_sync(): loops over steps, with a commit after each. A step
-- catches its errors, so that one project's trouble does not keep the others waiting.

CREATE FUNCTION @extschema@.tw_labelstudio_begin(job text, OUT run_id bigint, OUT projects bigint[])
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '5s'
AS $function$
BEGIN
    IF NOT @extschema@.tw_may_act() THEN
        RAISE WARNING USING
            MESSAGE = format('%s did nothing: this database is a restored copy', job),
            HINT = 'If it takes over, or its servers are now others (ALTER SERVER), run SELECT adopt_installation();';
        RETURN;
    END IF;
    run_id := @extschema@.tw_begin_run(job);
    IF run_id IS NULL THEN
        RAISE NOTICE '% did nothing: another session is talking to Label Studio', job;
        RETURN;
    END IF;
    projects := ARRAY(SELECT p.id FROM @extschema@.labelstudio_projects p WHERE p.is_active ORDER BY p.id);
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_begin(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_begin(text) IS
    'Begins a run, and says which projects it is about; run_id is NULL where another session is at it, or on a restored copy';

CREATE FUNCTION @extschema@.tw_labelstudio_do(project @extschema@.labelstudio_projects, run bigint, phase text, place jsonb,
    OUT next_place jsonb, OUT counted jsonb)
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    batch uuid;
BEGIN
    CASE phase
        WHEN 'settle' THEN
            counted := @extschema@.tw_labelstudio_settle(project, run);
        WHEN 'pull' THEN
            SELECT p.next_place, p.counted INTO next_place, counted FROM @extschema@.tw_labelstudio_pull(project, place) p;
            IF next_place IS NULL THEN
                UPDATE @extschema@.labelstudio_projects p SET last_pull_at = clock_timestamp() WHERE p.id = project.id;
            END IF;
        WHEN 'sweep' THEN
            SELECT s.next_place, s.counted INTO next_place, counted FROM @extschema@.tw_labelstudio_sweep(project, place) s;
        WHEN 'push' THEN
            SELECT t.batch_id INTO batch FROM @extschema@.labelstudio_tasks t
            WHERE t.project = tw_labelstudio_do.project.id AND t.run_id = run AND t.status = 'claimed' LIMIT 1;
            -- Claimed in one transaction, imported in the next.
            IF FOUND THEN
                counted := @extschema@.tw_labelstudio_import(project, batch);
                next_place := 'true';
            ELSIF @extschema@.tw_labelstudio_claim_batch(project, run) > 0 THEN
                counted := '{}';
                next_place := 'true';
            ELSE
                counted := '{}';
                UPDATE @extschema@.labelstudio_projects p SET last_push_at = clock_timestamp() WHERE p.id = project.id;
            END IF;
    END CASE;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_do(@extschema@.labelstudio_projects, bigint, text, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_do(@extschema@.labelstudio_projects, bigint, text, jsonb) IS
    'One transaction''s worth of a phase (settle, pull, sweep, push); next_place is NULL when the phase is done';

CREATE FUNCTION @extschema@.tw_labelstudio_step(run bigint, which bigint, phase text, place jsonb,
    OUT next_place jsonb, OUT failed boolean, OUT unreachable boolean)
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '5s'
AS $function$
DECLARE
    project @extschema@.labelstudio_projects;
    counted jsonb;
    code text;
    message text;
BEGIN
    PERFORM @extschema@.tw_require_run(run);
    failed := false;
    SELECT * INTO project FROM @extschema@.labelstudio_projects p WHERE p.id = which AND p.is_active;
    -- Retired since the run began.
    IF NOT FOUND THEN
        RETURN;
    END IF;
    BEGIN
        SELECT d.next_place, d.counted INTO next_place, counted FROM @extschema@.tw_labelstudio_do(project, run, phase, place) d;
        code := counted ->> 'error_code';
        message := counted ->> 'error_message';
    EXCEPTION WHEN OTHERS THEN
        GET STACKED DIAGNOSTICS code = RETURNED_SQLSTATE, message = MESSAGE_TEXT;
    END;
    PERFORM @extschema@.tw_note_run(run, format('%s, project %s', phase, which),
        coalesce(counted - ARRAY['error_code', 'error_message'], '{}'::jsonb), true);
    failed := code IS NOT NULL;
    IF failed THEN
        next_place := NULL;
        unreachable := left(code, 2) IN ('08', '28', '42');
        PERFORM @extschema@.tw_fail_run(run, code, message);
        UPDATE @extschema@.labelstudio_projects p SET last_error_code = code, last_error = message, last_error_at = clock_timestamp()
        WHERE p.id = which AND p.is_active;
        RAISE WARNING '%', message USING ERRCODE = code;
    END IF;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_step(bigint, bigint, text, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_step(bigint, bigint, text, jsonb) IS
    'One step of a run, with its errors written down instead of raised. Raises 55000 when it is not called by the run''s own session';

CREATE FUNCTION @extschema@.tw_labelstudio_end(run bigint, which bigint) RETURNS text
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '5s'
AS $function$
BEGIN
    PERFORM @extschema@.tw_require_run(run);
    IF which IS NOT NULL THEN
        UPDATE @extschema@.labelstudio_projects p SET last_error_code = NULL, last_error = NULL, last_error_at = NULL
        WHERE p.id = which AND p.last_error IS NOT NULL;
        RETURN NULL;
    END IF;
    RETURN @extschema@.tw_end_run(run);
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_end(bigint, bigint) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_end(bigint, bigint) IS 'A project went through without an error; or, without a project, the run ends';

-- No SET and no SECURITY DEFINER: a procedure with either cannot COMMIT. So every name in it is qualified.
CREATE PROCEDURE @extschema@.tw_labelstudio_run(job text, phases text[])
    LANGUAGE plpgsql
AS $procedure$
DECLARE
    run bigint;
    projects bigint[];
    project_id bigint;
    phase pg_catalog.text;
    place pg_catalog.jsonb;
    failed boolean;
    unreachable boolean;
    has_failed boolean;
BEGIN
    IF pg_catalog.pg_is_in_recovery() THEN
        RETURN;
    END IF;
    SELECT b.run_id, b.projects INTO run, projects FROM @extschema@.tw_labelstudio_begin(job) b;
    COMMIT;
    IF run IS NULL THEN
        RETURN;
    END IF;
    FOREACH project_id IN ARRAY projects LOOP
        has_failed := false;
        FOREACH phase IN ARRAY phases LOOP
            place := NULL;
            LOOP
                SELECT s.next_place, s.failed, s.unreachable INTO place, failed, unreachable FROM @extschema@.tw_labelstudio_step(run, project_id, phase, place) s;
                COMMIT;
                EXIT WHEN place IS NULL;
            END LOOP;
            has_failed := has_failed OR failed;
            -- What is wrong with a verdict need not keep others from being reviewed.
            EXIT WHEN unreachable;
        END LOOP;
        IF NOT has_failed THEN
            PERFORM @extschema@.tw_labelstudio_end(run, project_id);
        END IF;
    END LOOP;
    PERFORM @extschema@.tw_labelstudio_end(run, NULL::bigint);
    COMMIT;
END
$procedure$;
REVOKE ALL ON PROCEDURE @extschema@.tw_labelstudio_run(text, text[]) FROM PUBLIC;
COMMENT ON PROCEDURE @extschema@.tw_labelstudio_run(text, text[]) IS 'Runs phases for every active project, committing after each step. Does nothing on a standby';

CREATE PROCEDURE @extschema@.labelstudio_push()
    LANGUAGE plpgsql
AS $procedure$
BEGIN
    CALL @extschema@.tw_labelstudio_run('labelstudio_push', ARRAY['settle', 'sweep', 'push']);
END
$procedure$;
REVOKE ALL ON PROCEDURE @extschema@.labelstudio_push() FROM PUBLIC;
COMMENT ON PROCEDURE @extschema@.labelstudio_push() IS
    'Hands conversations that wait for a person to Label Studio: audited ones for up to half of each batch, then by priority, at most '
    'max_open_tasks unfinished in a project; takes back what was judged here meanwhile. Commits as it goes, so it cannot run inside a '
    'transaction. Errors are recorded in job_runs and labelstudio_projects, and warned of; nothing is lost or doubled by one';

CREATE PROCEDURE @extschema@.labelstudio_pull()
    LANGUAGE plpgsql
AS $procedure$
BEGIN
    CALL @extschema@.tw_labelstudio_run('labelstudio_pull', ARRAY['settle', 'pull']);
END
$procedure$;
REVOKE ALL ON PROCEDURE @extschema@.labelstudio_pull() FROM PUBLIC;
COMMENT ON PROCEDURE @extschema@.labelstudio_pull() IS
    'Takes in what people did in Label Studio since the last pull: new and changed annotations become verdicts in the annotator''s '
    'name, deleted ones withdraw theirs, skipped tasks return to the queue; a verdict given here that is newer stands. Commits and '
    'records errors as labelstudio_push() does';

CREATE PROCEDURE @extschema@.labelstudio_sync()
    LANGUAGE plpgsql
AS $procedure$
BEGIN
    CALL @extschema@.tw_labelstudio_run('labelstudio_sync', ARRAY['settle', 'pull', 'sweep', 'push']);
END
$procedure$;
REVOKE ALL ON PROCEDURE @extschema@.labelstudio_sync() FROM PUBLIC;
COMMENT ON PROCEDURE @extschema@.labelstudio_sync() IS 'labelstudio_pull() and labelstudio_push() in one run: for pg_cron, every few minutes';
