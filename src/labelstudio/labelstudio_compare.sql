-- The sweep compares the unfinished tasks in Label Studio with the outbox: conversations whose task was deleted there
-- go back to the queue, and tasks that need no person any more, or are duplicates, are deleted there.

CREATE FUNCTION @extschema@.tw_labelstudio_take_back(server text, task bigint, external uuid) RETURNS boolean
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    there record;
    answered integer;
BEGIN
    -- Checked just before the deletion: the number may belong to another task by now, and nobody's work may be lost.
    SELECT * INTO there FROM @extschema@.tw_labelstudio_is_task(server, task, external);
    IF there.is_there AND there.is_worked_on THEN
        RETURN false;
    END IF;
    IF there.is_there THEN
        SELECT r.status INTO answered
        FROM @extschema@.tw_labelstudio_request(server, 'DELETE', format('/api/tasks/%s/', task),
                                                                                   NULL::text[], NULL::text, false) r;
        IF answered NOT BETWEEN 200 AND 299 AND answered <> 404 THEN
            PERFORM @extschema@.tw_labelstudio_refuse(server, 'delete a task', answered);
        END IF;
    END IF;
    RETURN true;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_take_back(text, bigint, uuid) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_take_back(text, bigint, uuid) IS
    'Deletes a task of this extension in Label Studio that has no annotation or draft; true when it is gone, false '
    'when somebody works on it';

CREATE FUNCTION @extschema@.tw_labelstudio_needless(listed jsonb,
    OUT task bigint, OUT external uuid, OUT own bigint)
    RETURNS SETOF record
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT (l.task ->> 'id')::bigint, l.external_id, o.id
    FROM (SELECT t.task, @extschema@.tw_labelstudio_external_id(t.task) AS external_id
          FROM jsonb_array_elements(listed) AS t (task)) l
    LEFT JOIN @extschema@.labelstudio_tasks o ON o.external_id = l.external_id
    WHERE l.external_id IS NOT NULL
      AND CASE
          -- The phase before has them.
          WHEN EXISTS (SELECT FROM @extschema@.labelstudio_erasures e WHERE e.external_id = l.external_id) THEN false
          -- Not in the outbox: only if its conversation or sample is known, and waits in another task or no longer.
          WHEN o.id IS NULL THEN num_nonnulls((@extschema@.tw_labelstudio_marked(l.task)).conversation,
                                              (@extschema@.tw_labelstudio_marked(l.task)).sample) > 0
          -- Its import is uncertain, or its annotation was just deleted and the next pull will see that.
          WHEN (o.status IN ('unusable', 'done') OR o.status = 'superseded' AND o.annotation_id IS NOT NULL)
               AND o.task_id = (l.task ->> 'id')::bigint OR o.status = 'claimed' THEN false
          -- A task that all annotators skipped is deleted after a day; its conversation returns at the end of the
          -- queue.
          WHEN @extschema@.tw_task_is_there(o.status) AND o.task_id = (l.task ->> 'id')::bigint
              THEN o.status = 'skipped' AND o.finished_at < clock_timestamp() - interval '1 day'
                   OR NOT @extschema@.tw_task_is_wanted(o.conversation_log_id, o.sample_id, o.claimed_at)
          ELSE true END
    ORDER BY 1;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_needless(jsonb) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_needless(jsonb) IS
    'The tasks, among these without annotations, that need no person: judged or deleted here since, taken back '
    'before, skipped a day ago, or duplicates';

CREATE FUNCTION @extschema@.tw_labelstudio_adopt(project @extschema@.labelstudio_projects, listed jsonb) RETURNS bigint
    LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT count(*) FROM jsonb_array_elements(listed) AS l (task)
    CROSS JOIN LATERAL (SELECT @extschema@.tw_labelstudio_external_id(l.task) AS external_id) x
    CROSS JOIN LATERAL (SELECT EXISTS (SELECT FROM @extschema@.labelstudio_tasks t
                                       WHERE t.external_id = x.external_id) AS known OFFSET 0) k
    CROSS JOIN LATERAL (SELECT CASE WHEN NOT k.known
                                    THEN @extschema@.tw_labelstudio_own(project, l.task) END AS own OFFSET 0) o
    WHERE (o.own).external_id = x.external_id;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_adopt(@extschema@.labelstudio_projects, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_adopt(@extschema@.labelstudio_projects, jsonb) IS
    'Adds outbox rows for tasks of this extension that have none, because this database was restored from before '
    'their push; returns how many';

CREATE FUNCTION @extschema@.tw_labelstudio_take_needless(
    project @extschema@.labelstudio_projects, listed jsonb, max_tasks integer,
    OUT taken_back bigint, OUT done_to bigint)
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    item record;
    seen integer := 0;
BEGIN
    taken_back := 0;
    FOR item IN
        SELECT n.* FROM @extschema@.tw_labelstudio_needless(listed) n ORDER BY n.task LIMIT max_tasks
    LOOP
        seen := seen + 1;
        done_to := CASE WHEN seen = max_tasks THEN item.task END;
        CONTINUE WHEN NOT @extschema@.tw_labelstudio_take_back(project.server_name, item.task, item.external);
        taken_back := taken_back + 1;
        UPDATE @extschema@.labelstudio_tasks t SET status = 'closed', finished_at = clock_timestamp()
        WHERE t.id = item.own AND t.task_id = item.task AND @extschema@.tw_task_is_there(t.status);
    END LOOP;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_take_needless(@extschema@.labelstudio_projects, jsonb, integer)
    FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_take_needless(@extschema@.labelstudio_projects, jsonb, integer) IS
    'Deletes in Label Studio those of these tasks that need no person, up to a limit; returns how many, and the '
    'number of the last task checked where there may be more (NULL where there are none)';

CREATE FUNCTION @extschema@.tw_labelstudio_miss(project @extschema@.labelstudio_projects, listed jsonb, after bigint,
                                                upto bigint, max_tasks integer,
    OUT deleted bigint, OUT done_to bigint)
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    item record;
    seen integer := 0;
BEGIN
    deleted := 0;
    FOR item IN
        SELECT t.id, t.task_id, t.external_id FROM @extschema@.labelstudio_tasks t
        WHERE t.project = tw_labelstudio_miss.project.id AND @extschema@.tw_task_is_there(t.status)
          AND t.task_id > after AND t.task_id <= upto
          AND NOT EXISTS (SELECT FROM jsonb_array_elements(listed) AS l (task)
                          WHERE (l.task ->> 'id')::bigint = t.task_id
                            AND @extschema@.tw_labelstudio_external_id(l.task) = t.external_id)
        ORDER BY t.task_id LIMIT max_tasks
    LOOP
        seen := seen + 1;
        done_to := CASE WHEN seen = max_tasks THEN item.task_id END;
        -- Annotated since the pull, or deleted.
        CONTINUE WHEN (SELECT i.is_there
                       FROM @extschema@.tw_labelstudio_is_task(project.server_name, item.task_id, item.external_id) i);
        deleted := deleted + 1;
        UPDATE @extschema@.labelstudio_tasks t SET status = 'deleted', finished_at = clock_timestamp()
        WHERE t.id = item.id;
    END LOOP;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_miss(@extschema@.labelstudio_projects, jsonb, bigint, bigint, integer)
    FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_miss(@extschema@.labelstudio_projects, jsonb, bigint, bigint, integer) IS
    'Marks tasks of the outbox, with numbers in (after, upto], that no longer exist in Label Studio, so that their '
    'conversations wait again; returns how many, and the number of the last task checked where there may be more '
    '(NULL where there are none)';

CREATE FUNCTION @extschema@.tw_labelstudio_compare(project @extschema@.labelstudio_projects, cursor_state jsonb,
    OUT next_cursor jsonb, OUT counted jsonb)
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    page_size CONSTANT integer := 1000;
    -- The limit of tasks checked one by one in a transaction, with one or two requests each.
    max_tasks CONSTANT integer := 50;
    after CONSTANT bigint := coalesce((cursor_state ->> 'after')::bigint, 0);
    upto bigint := 9223372036854775807;
    list jsonb;
    adopted bigint;
    needless record;
    missed record;
    done_to bigint;
BEGIN
    SELECT l.tasks INTO list FROM @extschema@.tw_labelstudio_list(project,
        jsonb_build_array(@extschema@.tw_labelstudio_filter('total_annotations', 'equal', 'Number', '0'::jsonb),
                          @extschema@.tw_labelstudio_filter('id', 'greater', 'Number', to_jsonb(after))),
        'id', 'id,meta', 'task_only', page_size, 'list unfinished tasks') l;
    IF jsonb_array_length(list) >= page_size THEN
        SELECT max((l.task ->> 'id')::bigint) INTO upto FROM jsonb_array_elements(list) AS l (task);
    END IF;
    PERFORM @extschema@.tw_labelstudio_reappeared(project, list);
    adopted := @extschema@.tw_labelstudio_adopt(project, list);
    SELECT * INTO needless FROM @extschema@.tw_labelstudio_take_needless(project, list, max_tasks);
    SELECT * INTO missed FROM @extschema@.tw_labelstudio_miss(project, list, after, upto, max_tasks);
    counted := jsonb_build_object('adopted', adopted, 'taken back', needless.taken_back,
                                  'deleted there', missed.deleted);

    done_to := least(upto, needless.done_to, missed.done_to);
    IF done_to <= after THEN
        RAISE EXCEPTION USING
            ERRCODE = 'protocol_violation',
            MESSAGE = format('Label Studio (server "%s") lists the same unfinished tasks again and again',
                             project.server_name),
            HINT = 'It may ignore the filter or the order of the request: check that its version is supported.';
    ELSIF done_to < 9223372036854775807 THEN
        next_cursor := jsonb_build_object('after', done_to);
    END IF;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_compare(@extschema@.labelstudio_projects, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_compare(@extschema@.labelstudio_projects, jsonb) IS
    'Compares one page of unfinished tasks in Label Studio with the outbox; next_cursor is the start of the next '
    'page, NULL after the last one';
