-- Label Studio tasks of rows that are erased: their rows of labelstudio_tasks go, and what is needed to delete them
-- over there goes to labelstudio_erasures. Each run of the sync deletes them there, with annotations and drafts, until
-- they are seen to be gone. Requests come first and rows are written after them, so that no lock waits for a server.

CREATE FUNCTION @extschema@.tw_forget_labelstudio_tasks(erasure bigint, conversation_ids bigint[], sample_ids bigint[])
    RETURNS bigint
    LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH gone AS (
        DELETE FROM @extschema@.labelstudio_tasks t
        WHERE t.conversation_log_id = ANY (conversation_ids) OR t.sample_id = ANY (sample_ids)
        RETURNING t.project, t.external_id, t.batch_id, t.task_id, t.status
    ), asked AS (
        INSERT INTO @extschema@.labelstudio_erasures AS e (erasure_id, project, external_id, batch_id, task_id)
        SELECT erasure, g.project, g.external_id, g.batch_id, g.task_id FROM gone g WHERE g.status <> 'deleted'
        ON CONFLICT (external_id) DO UPDATE SET deleted_at = NULL, confirmed_by = NULL, task_id = excluded.task_id
        RETURNING 1
    )
    SELECT count(*) FROM asked;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_forget_labelstudio_tasks(bigint, bigint[], bigint[]) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_forget_labelstudio_tasks(bigint, bigint[], bigint[]) IS
    'Deletes the tasks of these conversations and samples from labelstudio_tasks, and asks for their deletion in Label '
    'Studio; returns how many are asked for. Called before the conversations and samples are deleted';

CREATE FUNCTION @extschema@.tw_labelstudio_listed_erased(project @extschema@.labelstudio_projects, batch uuid,
    externals uuid[], OUT task bigint, OUT external uuid)
    RETURNS SETOF record
    LANGUAGE sql VOLATILE ROWS 50 SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT (t.task ->> 'id')::bigint, x.external_id
    FROM @extschema@.tw_labelstudio_list(project, jsonb_build_array(@extschema@.tw_labelstudio_filter(
             'data.batch_id', 'equal', 'String', to_jsonb(batch))), 'id', 'id,meta', 'task_only', 1000,
             'look up tasks of erased rows') l
    CROSS JOIN LATERAL jsonb_array_elements(l.tasks) AS t (task)
    CROSS JOIN LATERAL (SELECT @extschema@.tw_labelstudio_external_id(t.task) AS external_id) x
    WHERE x.external_id = ANY (externals);
END;
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_listed_erased(@extschema@.labelstudio_projects, uuid, uuid[])
    FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_listed_erased(@extschema@.labelstudio_projects, uuid, uuid[]) IS
    'The tasks that Label Studio has of a batch, with these external ids: an import that was repeated made several';

CREATE FUNCTION @extschema@.tw_labelstudio_erase_task(server text, task bigint, external uuid) RETURNS boolean
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    answered integer;
BEGIN
    -- Looked at just before: the number may belong to another task by now. Annotations and drafts keep nothing.
    IF NOT (SELECT i.is_there FROM @extschema@.tw_labelstudio_is_task(server, task, external) i) THEN
        RETURN false;
    END IF;
    SELECT r.status INTO answered FROM @extschema@.tw_labelstudio_request(server, 'DELETE',
        format('/api/tasks/%s/', task), NULL::text[], NULL::text, false) r;
    IF answered NOT BETWEEN 200 AND 299 AND answered <> 404 THEN
        PERFORM @extschema@.tw_labelstudio_refuse(server, 'delete the task of an erased row', answered);
    END IF;
    RETURN true;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_erase_task(text, bigint, uuid) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_erase_task(text, bigint, uuid) IS
    'Deletes a task with this number and this external id in Label Studio, whoever works on it; returns whether there '
    'was one';

CREATE FUNCTION @extschema@.tw_labelstudio_note_erased(
    externals uuid[], gone uuid[], failed uuid[], code text, message text) RETURNS void
    LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    UPDATE @extschema@.labelstudio_erasures e
    SET attempts = e.attempts + 1, tried_at = clock_timestamp(),
        deleted_at = CASE WHEN e.external_id = ANY (gone) THEN clock_timestamp() END,
        last_error_code = CASE WHEN e.external_id = ANY (failed) THEN code END,
        last_error = CASE WHEN e.external_id = ANY (failed) THEN message END
    WHERE e.external_id = ANY (externals) AND e.deleted_at IS NULL;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_note_erased(uuid[], uuid[], uuid[], text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_note_erased(uuid[], uuid[], uuid[], text, text) IS
    'Notes what an attempt to delete tasks of erased rows came to: which were tried, which are gone, which failed and '
    'why';

CREATE FUNCTION @extschema@.tw_labelstudio_erase(project @extschema@.labelstudio_projects, cursor_state jsonb,
    OUT next_cursor jsonb, OUT counted jsonb)
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    -- The limits of tasks in a transaction, with two requests each, and of transactions in a run.
    max_tasks CONSTANT integer := 50;
    max_steps CONSTANT integer := 100;
    since CONSTANT timestamptz := coalesce((cursor_state ->> 'since')::timestamptz, clock_timestamp());
    steps CONSTANT integer := coalesce((cursor_state ->> 'steps')::integer, 0) + 1;
    patience CONSTANT interval := make_interval(secs => @extschema@.tw_labelstudio_import_timeout(project.server_name));
    batch uuid;
    externals uuid[];
    listed uuid[];
    seen uuid[];
    tried uuid[] := '{}';
    failed uuid[];
    taken uuid[] := '{}';
    gone uuid[];
    item record;
    code text;
    message text;
BEGIN
    -- Those that were tried least recently come first: one that fails again and again keeps no other waiting.
    SELECT e.batch_id INTO batch FROM @extschema@.labelstudio_erasures e
    WHERE e.project = tw_labelstudio_erase.project.id AND e.deleted_at IS NULL AND coalesce(e.tried_at < since, true)
    ORDER BY e.tried_at NULLS FIRST, e.id LIMIT 1;
    counted := '{}';
    IF NOT FOUND OR steps > max_steps THEN
        RETURN;
    END IF;
    externals := ARRAY(SELECT e.external_id FROM @extschema@.labelstudio_erasures e
        WHERE e.project = tw_labelstudio_erase.project.id AND e.batch_id = batch AND e.deleted_at IS NULL
          AND coalesce(e.tried_at < since, true)
        ORDER BY e.tried_at NULLS FIRST, e.id LIMIT max_tasks);
    failed := externals;
    BEGIN
        FOR item IN
            SELECT n.task, n.external FROM (
                SELECT l.task, l.external
                FROM @extschema@.tw_labelstudio_listed_erased(project, batch, externals) l
                UNION
                SELECT e.task_id, e.external_id FROM @extschema@.labelstudio_erasures e
                WHERE e.external_id = ANY (externals) AND e.task_id IS NOT NULL) n
            ORDER BY array_position(externals, n.external), n.task
        LOOP
            tried := array_append(array_remove(tried, item.external), item.external);
            failed := ARRAY[item.external];
            IF @extschema@.tw_labelstudio_erase_task(project.server_name, item.task, item.external) THEN
                taken := array_append(taken, item.external);
            END IF;
        END LOOP;
        failed := externals;
        seen := tried;
        tried := externals;
        listed := ARRAY(SELECT l.external FROM @extschema@.tw_labelstudio_listed_erased(project, batch, externals) l
                        WHERE cardinality(taken) > 0);
        IF cardinality(listed) > 0 THEN
            failed := listed;
            RAISE EXCEPTION USING
                ERRCODE = 'protocol_violation',
                MESSAGE = format('Label Studio (server "%s") still has tasks that it said it deleted',
                                 project.server_name);
        END IF;
    EXCEPTION WHEN OTHERS THEN
        GET STACKED DIAGNOSTICS code = RETURNED_SQLSTATE, message = MESSAGE_TEXT;
    END;
    IF code IS NOT NULL THEN
        tried := CASE WHEN cardinality(tried) = 0 THEN externals ELSE tried END;
        -- What was asked for before the failure and was not there; the rest is looked at again.
        gone := ARRAY(SELECT t.external_id FROM unnest(tried) AS t (external_id)
                      WHERE t.external_id <> ALL (failed) AND t.external_id <> ALL (taken));
        PERFORM @extschema@.tw_labelstudio_note_erased(tried, gone, failed, code, message);
        counted := jsonb_build_object('erased', cardinality(gone), 'error_code', code, 'error_message', message);
        RETURN;
    END IF;
    -- What has no number yet may be part of an import that Label Studio is still processing.
    gone := ARRAY(SELECT e.external_id FROM @extschema@.labelstudio_erasures e
                  WHERE e.external_id = ANY (externals)
                    AND (e.task_id IS NOT NULL OR e.external_id = ANY (seen)
                         OR e.asked_at + patience < clock_timestamp()));
    PERFORM @extschema@.tw_labelstudio_note_erased(externals, gone, '{}'::uuid[], NULL::text, NULL::text);
    counted := jsonb_build_object('erased', cardinality(gone));
    next_cursor := jsonb_build_object('since', since, 'steps', steps);
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_erase(@extschema@.labelstudio_projects, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_erase(@extschema@.labelstudio_projects, jsonb) IS
    'Deletes tasks of erased rows in Label Studio, some of one batch, and notes which of them are gone; next_cursor is '
    'NULL when all of the project were tried, after an error, and when the run has done enough. Nothing is raised: '
    'counted has error_code and error_message';

CREATE FUNCTION @extschema@.tw_labelstudio_reappeared(project @extschema@.labelstudio_projects, listed jsonb)
    RETURNS bigint
    LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH there AS (
        SELECT (l.task ->> 'id')::bigint AS task, @extschema@.tw_labelstudio_external_id(l.task) AS external_id
        FROM jsonb_array_elements(listed) AS l (task)
    ), again AS (
        UPDATE @extschema@.labelstudio_erasures e
        SET deleted_at = NULL, confirmed_by = NULL, task_id = t.task, project = (tw_labelstudio_reappeared.project).id
        FROM there t
        WHERE e.external_id = t.external_id AND (e.deleted_at IS NOT NULL OR e.task_id IS NULL)
        RETURNING 1
    )
    SELECT count(*) FROM again;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_reappeared(@extschema@.labelstudio_projects, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_reappeared(@extschema@.labelstudio_projects, jsonb) IS
    'Asks again for the deletion of tasks of erased rows that Label Studio lists, such as those of an import that came '
    'very late; returns how many';

CREATE FUNCTION @extschema@.labelstudio_confirm_deleted(project bigint) RETURNS bigint
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    confirmed bigint;
BEGIN
    UPDATE @extschema@.labelstudio_erasures e
    SET deleted_at = clock_timestamp(), confirmed_by = @extschema@.tw_calling_role()
    WHERE e.project = labelstudio_confirm_deleted.project AND e.deleted_at IS NULL;
    GET DIAGNOSTICS confirmed = ROW_COUNT;
    IF confirmed = 0 THEN
        RAISE EXCEPTION USING
            ERRCODE = 'no_data_found',
            MESSAGE = format('no deletion of project %s waits', coalesce(project::text, 'NULL')),
            HINT = 'SELECT project, count(*) FROM labelstudio_erasures WHERE deleted_at IS NULL GROUP BY project shows '
                   'those that wait.';
    END IF;
    RETURN confirmed;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.labelstudio_confirm_deleted(bigint) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.labelstudio_confirm_deleted(bigint) IS
    'States that the tasks of erased rows are gone where the sync cannot see it, because the project (its number in '
    'labelstudio_projects) or the whole Label Studio was deleted; returns how many were waiting. labelstudio_erasures '
    'has the role that said so. Raises P0002 where none waits';

CREATE FUNCTION @extschema@.tw_labelstudio_erasures_of(server text,
    OUT waiting bigint, OUT since timestamptz, OUT failed bigint, OUT retired bigint)
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT count(*), min(e.asked_at), count(e.last_error), count(*) FILTER (WHERE NOT coalesce(p.is_active, false))
    FROM @extschema@.labelstudio_erasures e
    LEFT JOIN @extschema@.labelstudio_projects p ON p.id = e.project
    WHERE e.deleted_at IS NULL AND (server IS NULL OR p.server_name = server);
END;
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_erasures_of(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_erasures_of(text) IS
    'How many tasks of erased rows wait for their deletion on a Label Studio server (NULL: on any), since when, how '
    'many of them failed at the last attempt, and how many are of retired projects';
