-- labelstudio_create_project(), labelstudio_update_project() and labelstudio_retire_project().

CREATE FUNCTION @extschema@.tw_labelstudio_server(server text) RETURNS text
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
RETURN @extschema@.tw_endpoint_server('training_workflow_labelstudio', server, 'Label Studio',
    'CREATE SERVER label_studio FOREIGN DATA WRAPPER training_workflow_labelstudio OPTIONS (url ''https://...''); '
    'and CREATE USER MAPPING FOR PUBLIC SERVER label_studio OPTIONS (token_file ''/...'');');
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_server(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_server(text) IS
    'The Label Studio server of this name, or the only one when the name is NULL. Raises 42704 where there is none, '
    '42P08 where a name is needed';

CREATE FUNCTION @extschema@.tw_labelstudio_find(server text, title text, marker text) RETURNS bigint
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    reply jsonb;
    project jsonb;
BEGIN
    FOR page IN 1 .. 100 LOOP
        SELECT g.reply INTO reply FROM @extschema@.tw_labelstudio_get(server, '/api/projects/', ARRAY['title', title,
            'include', 'id,title,description', 'page', page::text, 'page_size', '100'], 'list projects') g;
        -- This filter matches parts of titles, in any case.
        SELECT p.project INTO project FROM jsonb_array_elements(
            CASE jsonb_typeof(reply -> 'results') WHEN 'array' THEN reply -> 'results' ELSE '[]' END) AS p (project)
        WHERE p.project ->> 'title' = title
        ORDER BY strpos(p.project ->> 'description', marker) > 0 DESC, (p.project ->> 'id')::bigint LIMIT 1;
        EXIT WHEN FOUND OR coalesce(reply ->> 'next', '') = '';
    END LOOP;
    IF project IS NOT NULL AND strpos(coalesce(project ->> 'description', ''), marker) = 0 THEN
        RAISE EXCEPTION USING
            ERRCODE = 'duplicate_object',
            MESSAGE = format('Label Studio (server "%s") has a project "%s" already, which is not ours', server,
                             @extschema@.tw_excerpt(title)),
            DETAIL = format('It is project %s there, and its description does not say that this database made it.',
                            project ->> 'id'),
            HINT = 'Choose another title: reviewers could not tell the two apart.';
    END IF;
    RETURN (project ->> 'id')::bigint;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_find(text, text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_find(text, text, text) IS
    'The number of the project with this title and this extension''s marker, NULL where there is none. Raises 42710 '
    'where a project without the marker has the title';

CREATE FUNCTION @extschema@.tw_labelstudio_check_project(title text, module_type text, max_open_tasks integer)
    RETURNS void
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    other @extschema@.labelstudio_projects;
BEGIN
    IF title IS NULL OR char_length(title) NOT BETWEEN 3 AND 50 OR title <> btrim(title) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = 'the title of a project must have 3 to 50 characters, and no space at either end',
            HINT = 'Label Studio refuses others.';
    END IF;
    IF module_type IS NOT NULL AND @extschema@.tw_is_blank(module_type) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = 'module_type must not be blank',
            HINT = 'NULL stands for all modules that have no project of their own.';
    END IF;
    IF max_open_tasks IS NULL OR max_open_tasks NOT BETWEEN 1 AND 10000 THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = 'max_open_tasks must be between 1 and 10000',
            HINT = 'It is the most tasks that wait in Label Studio at a time; further conversations wait in this '
                   'database. The default is 200.';
    END IF;
    -- A repeated request returns the same project.
    SELECT * INTO other FROM @extschema@.labelstudio_projects p
    WHERE p.is_active AND p.module_type IS NOT DISTINCT FROM tw_labelstudio_check_project.module_type
      AND p.title <> tw_labelstudio_check_project.title;
    IF FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'duplicate_object',
            MESSAGE = CASE WHEN module_type IS NULL THEN 'there is a project for all modules already'
                           ELSE format('module "%s" has a project already', @extschema@.tw_excerpt(module_type)) END,
            DETAIL = format('It is "%s" on server "%s", number %s.', other.title, other.server_name, other.id),
            HINT = format('To replace it, first run SELECT labelstudio_retire_project(%s);', other.id);
    END IF;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_check_project(text, text, integer) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_check_project(text, text, integer) IS
    'Raises 22023 for an invalid title, module or limit of a project, 42710 where the module has another project';

CREATE FUNCTION @extschema@.tw_labelstudio_make(server text, title text, marker text) RETURNS bigint
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    answer record;
    view_status integer;
BEGIN
    SELECT * INTO answer FROM @extschema@.tw_labelstudio_request(server, 'POST', '/api/projects/', NULL::text[],
        jsonb_build_object(
        'title', title, 'description', 'Messages of a chatbot that wait for a person''s verdict. ' || marker,
        'label_config', @extschema@.tw_labelstudio_config(), 'sampling', 'Sequential sampling',
        'maximum_annotations', 1, 'show_collab_predictions', true, 'show_skip_button', true,
        'enable_empty_annotation', false,
        -- With one annotator, any other choice would never show a skipped task again.
        'skip_queue', 'REQUEUE_FOR_ME')::text, false);
    IF answer.status NOT BETWEEN 200 AND 299 OR jsonb_typeof(answer.reply -> 'id') IS DISTINCT FROM 'number' THEN
        PERFORM @extschema@.tw_labelstudio_refuse(server, 'create a project', answer.status);
    END IF;
    -- A tab for people who prefer the least confident answers first. The project works without it.
    SELECT r.status INTO view_status
    FROM @extschema@.tw_labelstudio_request(server, 'POST', '/api/dm/views/', ARRAY['project', answer.reply ->> 'id'],
        jsonb_build_object('project', answer.reply -> 'id', 'data', jsonb_build_object(
            'title', 'Least confident first', 'type', 'list', 'target', 'tasks', 'ordering',
            jsonb_build_array('tasks:predictions_score'), 'filters',
            jsonb_build_object('conjunction', 'and', 'items', '[]'::jsonb)))::text, false) r;
    IF view_status NOT BETWEEN 200 AND 299 THEN
        RAISE WARNING 'Label Studio (server "%") did not make a tab "Least confident first" (HTTP %)', server,
        view_status;
    END IF;
    RETURN (answer.reply ->> 'id')::bigint;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_make(text, text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_make(text, text, text) IS
    'Creates a project in Label Studio, and returns its number';

CREATE FUNCTION @extschema@.labelstudio_create_project(
    title text, module_type text DEFAULT NULL, server text DEFAULT NULL, max_open_tasks integer DEFAULT 200,
    entity_labels text[] DEFAULT '{}') RETURNS bigint
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    on_server text := @extschema@.tw_labelstudio_server(server);
    marker text;
    number bigint;
    id bigint;
BEGIN
    PERFORM @extschema@.tw_require_acting();
    PERFORM @extschema@.tw_require_no_node();
    -- Two sessions at once would each find no project, and create one.
    PERFORM @extschema@.tw_lock('projects'::text, 0::bigint);
    PERFORM @extschema@.tw_labelstudio_check_project(title, module_type, max_open_tasks);
    SELECT p.id INTO id FROM @extschema@.labelstudio_projects p
    WHERE p.is_active AND p.server_name = on_server AND p.title = labelstudio_create_project.title
      AND p.module_type IS NOT DISTINCT FROM labelstudio_create_project.module_type;
    IF FOUND THEN
        RETURN id;
    END IF;
    -- The project of an earlier call whose transaction was rolled back, or whose answer was lost.
    marker := format('[training_workflow %s]', md5(@extschema@.tw_this_installation() || coalesce(module_type, '')));
    number := @extschema@.tw_labelstudio_find(on_server, title, marker);
    IF number IS NULL THEN
        number := @extschema@.tw_labelstudio_make(on_server, title, marker);
    END IF;
    INSERT INTO @extschema@.labelstudio_projects AS p (server_name, project_id, title, module_type, max_open_tasks,
                                                       entity_labels)
    VALUES (on_server, number, labelstudio_create_project.title, labelstudio_create_project.module_type,
            labelstudio_create_project.max_open_tasks, coalesce(labelstudio_create_project.entity_labels, '{}'))
    -- The number of a retired project: found again, or the server has been replaced.
    ON CONFLICT (server_name, project_id) DO UPDATE SET is_active = true, title = excluded.title,
                                                        module_type = excluded.module_type,
        max_open_tasks = excluded.max_open_tasks, entity_labels = excluded.entity_labels,
        created_at = excluded.created_at,
        last_push_at = NULL, last_pull_at = NULL, pulled_to = NULL
    RETURNING p.id INTO id;
    RETURN id;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.labelstudio_create_project(text, text, text, integer, text[]) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.labelstudio_create_project(text, text, text, integer, text[]) IS
    'Creates a project of this title (3 to 50 characters) in Label Studio for the conversations of a module, or '
    '(module_type NULL) of all modules without a project, and returns its number in labelstudio_projects; a repeated '
    'call returns the same project. server may be omitted where there is one. max_open_tasks: the largest number of '
    'unfinished tasks in the project, 1 to 10000; entity_labels: labels offered to reviewers beside those of recent '
    'samples. Raises 22023 for an invalid title, module or limit, 42710 where the module has another project or '
    'another project has the title, 42704 without server or user mapping, 42P08 where several servers are there and '
    'none is named, 55000 on a restored copy and on a node of a fleet, 55P03 while another session creates one, 08001, '
    '08006, 08P01, 28000 for errors of the connection and of Label Studio';

CREATE FUNCTION @extschema@.tw_labelstudio_no_project(project bigint) RETURNS void
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    RAISE EXCEPTION USING
        ERRCODE = 'no_data_found',
        MESSAGE = format('there is no active project %s', coalesce(project::text, 'NULL')),
        HINT = 'The numbers are those of labelstudio_projects: SELECT id, title, is_active FROM '
               'labelstudio_projects;';
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_no_project(bigint) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_no_project(bigint) IS
    'Raises P0002: no active project of labelstudio_projects has this number';

CREATE FUNCTION @extschema@.tw_labelstudio_renew(
    server text, task bigint, external uuid, shown jsonb) RETURNS boolean
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    answered integer;
BEGIN
    IF NOT (SELECT i.is_there FROM @extschema@.tw_labelstudio_is_task(server, task, external) i) THEN
        RETURN false;
    END IF;
    SELECT r.status INTO answered FROM @extschema@.tw_labelstudio_request(server, 'PATCH',
        format('/api/tasks/%s/', task), NULL::text[], jsonb_build_object('data', shown)::text, false) r;
    IF answered NOT BETWEEN 200 AND 299 AND answered <> 404 THEN
        PERFORM @extschema@.tw_labelstudio_refuse(server, 'change a task', answered);
    END IF;
    RETURN answered <> 404;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_renew(text, bigint, uuid, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_renew(text, bigint, uuid, jsonb) IS
    'Shows something else in the task of this number and external id; returns false where it is gone';

CREATE FUNCTION @extschema@.labelstudio_update_project(project bigint) RETURNS bigint
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    active @extschema@.labelstudio_projects;
    renewed bigint;
    answered integer;
BEGIN
    PERFORM @extschema@.tw_require_acting();
    SELECT * INTO active FROM @extschema@.labelstudio_projects p WHERE p.id = project AND p.is_active;
    IF NOT FOUND THEN
        PERFORM @extschema@.tw_labelstudio_no_project(project);
    END IF;
    -- First the tasks: what they show now also suits an earlier labelling interface, but not the other way round.
    SELECT count(*) FILTER (WHERE @extschema@.tw_labelstudio_renew(active.server_name, t.task_id, t.external_id,
                                                                   s.task -> 'data')) INTO renewed
    FROM @extschema@.tw_labelstudio_shown(ARRAY(
        SELECT t.id FROM @extschema@.labelstudio_tasks t
        WHERE t.project = active.id AND t.task_id IS NOT NULL AND @extschema@.tw_task_is_unfinished(t.status))) s
    JOIN @extschema@.labelstudio_tasks t ON t.id = s.id;
    SELECT r.status INTO answered FROM @extschema@.tw_labelstudio_request(active.server_name, 'PATCH',
        format('/api/projects/%s/', active.project_id), NULL::text[],
        jsonb_build_object('label_config', @extschema@.tw_labelstudio_config())::text, false) r;
    IF answered NOT BETWEEN 200 AND 299 THEN
        PERFORM @extschema@.tw_labelstudio_refuse(active.server_name, 'change the labelling interface', answered);
    END IF;
    RETURN renewed;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.labelstudio_update_project(bigint) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.labelstudio_update_project(bigint) IS
    'Gives the project of this number in labelstudio_projects the labelling interface of this version, in the place of '
    'the one that it has, and its unfinished tasks what that shows; returns how many tasks. Annotations and drafts '
    'stay. Raises P0002 for an unknown or retired project, 42704 where Label Studio has no such project or the user '
    'mapping is missing, 55000 on a restored copy, 08001, 08006, 08P01, 28000 for errors of the connection and of '
    'Label Studio';

CREATE FUNCTION @extschema@.labelstudio_retire_project(project bigint) RETURNS bigint
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    released bigint;
BEGIN
    UPDATE @extschema@.labelstudio_projects p
    SET is_active = false, last_error_code = NULL, last_error = NULL, last_error_at = NULL
    WHERE p.id = project AND p.is_active;
    IF NOT FOUND THEN
        PERFORM @extschema@.tw_labelstudio_no_project(project);
    END IF;
    UPDATE @extschema@.labelstudio_tasks t SET status = 'closed', finished_at = clock_timestamp()
    WHERE t.project = labelstudio_retire_project.project AND @extschema@.tw_task_is_unfinished(t.status);
    GET DIAGNOSTICS released = ROW_COUNT;
    RETURN released;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.labelstudio_retire_project(bigint) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.labelstudio_retire_project(bigint) IS
    'Retires the project of this number in labelstudio_projects: it gets no more pushes and pulls, and its unfinished '
    'conversations go back to the queue; returns how many. Deletes nothing in Label Studio, and no verdict here. CALL '
    'labelstudio_pull() first to keep its annotations. Raises P0002 for an unknown or retired project';
