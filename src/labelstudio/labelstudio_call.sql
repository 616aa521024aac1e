-- Requests to Label Studio: errors with advice, and the two queries that all else uses.

CREATE FUNCTION @extschema@.tw_labelstudio_refuse(server text, what text, status integer) RETURNS void
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    -- The answer's body is not quoted: it may contain a user's message.
    RAISE EXCEPTION USING
        ERRCODE = CASE WHEN status IN (401, 403) THEN 'invalid_authorization_specification'
                       WHEN status = 404 THEN 'undefined_object'
                       WHEN status >= 500 THEN 'connection_failure' ELSE 'protocol_violation' END,
        MESSAGE = format('Label Studio (server "%s") answered HTTP %s when asked to %s', server, status, what),
        HINT = CASE
            WHEN status = 401 AND @extschema@.tw_labelstudio_token_kind(server) = 'legacy token'
                THEN 'The token of the user mapping is wrong, or legacy tokens are disabled for the organization: use '
                     'a personal access token.'
            WHEN status = 401 THEN 'The personal access token of the user mapping is wrong, revoked or expired: make a '
                                   'new one on the account page.'
            WHEN status = 403 THEN 'The token''s user may not do this: see the user''s role in Label Studio.'
            WHEN status = 404 THEN 'It does not exist (any more), or belongs to another organization than the token''s '
                                   'user, or the option url of the server is wrong. If the project was deleted in '
                                   'Label Studio, run SELECT labelstudio_retire_project(...);'
            WHEN status >= 500 THEN 'See Label Studio''s own log. The next run tries again; nothing is lost.'
            ELSE 'Check the option url of the server, and that the version of Label Studio is supported.' END;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_refuse(text, text, integer) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_refuse(text, text, integer) IS
    'Raises the error for an HTTP status: 28000 for 401 and 403, 42704 for 404, 08006 for 5xx, 08P01 for any other';

CREATE FUNCTION @extschema@.tw_labelstudio_get(server text, path text, parameters text[], what text,
    OUT reply jsonb, OUT server_time timestamptz)
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    answer record;
BEGIN
    SELECT * INTO answer FROM @extschema@.tw_labelstudio_request(server, 'GET', path, parameters, NULL::text, false);
    IF answer.status NOT BETWEEN 200 AND 299 THEN
        PERFORM @extschema@.tw_labelstudio_refuse(server, what, answer.status);
    END IF;
    reply := answer.reply;
    server_time := answer.server_time;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_get(text, text, text[], text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_get(text, text, text[], text) IS
    'Label Studio''s answer to a GET, and its clock''s time; raises as tw_labelstudio_request() and '
    'tw_labelstudio_refuse() do';

CREATE FUNCTION @extschema@.tw_labelstudio_list(
    project @extschema@.labelstudio_projects, filters jsonb, ordering text, include text, fields text,
    page_size integer, what text, OUT tasks jsonb, OUT server_time timestamptz)
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    answer record;
BEGIN
    -- Always the first page of a filter's result: later pages would shift while people annotate.
    SELECT * INTO answer FROM @extschema@.tw_labelstudio_request(project.server_name, 'GET', '/api/tasks/', ARRAY[
        'project', project.project_id::text, 'page', '1', 'page_size', page_size::text, 'fields', fields,
        'include', include, 'resolve_uri', 'false',
        'query', jsonb_build_object('filters', jsonb_build_object('conjunction', 'and', 'items', filters),
                                    'ordering', jsonb_build_array('tasks:' || ordering))::text], NULL::text, false);
    server_time := answer.server_time;
    -- Some versions answer this for an empty list.
    IF answer.status = 404 AND answer.reply ->> 'detail' = 'Invalid page.' THEN
        tasks := '[]';
        RETURN;
    END IF;
    IF answer.status NOT BETWEEN 200 AND 299 THEN
        PERFORM @extschema@.tw_labelstudio_refuse(project.server_name, what, answer.status);
    END IF;
    tasks := answer.reply -> 'tasks';
    IF jsonb_typeof(tasks) IS DISTINCT FROM 'array' OR EXISTS (
        SELECT FROM jsonb_array_elements(tasks) AS t (task)
        WHERE jsonb_typeof(t.task -> 'id') IS DISTINCT FROM 'number')
    THEN
        RAISE EXCEPTION USING
            ERRCODE = 'protocol_violation',
            MESSAGE = format('Label Studio (server "%s") answered with no list of tasks when asked to %s',
                             project.server_name, what),
            HINT = 'Check the option url of the server, and that the version of Label Studio is supported.';
    END IF;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_list(
    @extschema@.labelstudio_projects, jsonb, text, text, text, integer, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_list(
    @extschema@.labelstudio_projects, jsonb, text, text, text, integer, text) IS
    'The first page_size tasks of a project that meet all filters, ordered by one column, with the fields named. '
    'Raises 08P01 for an answer that is no such list';

CREATE FUNCTION @extschema@.tw_labelstudio_filter(name text, operator text, type text, value jsonb) RETURNS jsonb
    LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
RETURN jsonb_build_object('filter', 'filter:tasks:' || name, 'operator', operator, 'type', type, 'value', value);
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_filter(text, text, text, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_filter(text, text, text, jsonb) IS
    'A filter on a column of tasks, in the format of Label Studio''s Data Manager';

CREATE FUNCTION @extschema@.tw_labelstudio_is_task(
    server text, task bigint, external uuid, OUT is_there boolean, OUT is_worked_on boolean)
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    answer record;
BEGIN
    SELECT * INTO answer FROM @extschema@.tw_labelstudio_request(server, 'GET', format('/api/tasks/%s/', task),
        ARRAY['resolve_uri', 'false'],
        NULL::text, false);
    IF answer.status NOT BETWEEN 200 AND 299 AND answer.status <> 404 THEN
        PERFORM @extschema@.tw_labelstudio_refuse(server, 'look at a task', answer.status);
    END IF;
    -- Label Studio may have given a deleted task's number to another task.
    is_there := answer.status <> 404
                AND coalesce(@extschema@.tw_labelstudio_external_id(answer.reply) = external, false);
    is_worked_on := is_there AND (coalesce(answer.reply ->> 'total_annotations', '0') <> '0'
                                  OR answer.reply -> 'draft_exists' = 'true'
                                  OR jsonb_path_exists(answer.reply, '$.drafts[*]'));
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_is_task(text, bigint, uuid) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_is_task(text, bigint, uuid) IS
    'Whether a task of this number exists and has this external id, and whether it has annotations (skips do not '
    'count) or drafts';

CREATE FUNCTION @extschema@.tw_labelstudio_import_timeout(server text) RETURNS double precision
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
RETURN coalesce((SELECT o.option_value::double precision FROM pg_foreign_server f, pg_options_to_table(f.srvoptions) o
                 WHERE f.srvname = server AND o.option_name = 'import_timeout'), 120);
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_import_timeout(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_import_timeout(text) IS
    'The longest time, in seconds, that an import of this server may take';

CREATE FUNCTION @extschema@.tw_labelstudio_conversation(conversation @extschema@.conversation_logs) RETURNS text
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
-- With the time of capture: after a restore from an older dump, the number may belong to another conversation.
RETURN format('%s@%s', conversation.id, extract(epoch FROM conversation.created_at));
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_conversation(@extschema@.conversation_logs) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_conversation(@extschema@.conversation_logs) IS
    'The identity of a task''s conversation, stored in the task, so that a database restored from before the push '
    'recognises it';

CREATE FUNCTION @extschema@.tw_labelstudio_sample(sample @extschema@.training_samples) RETURNS text
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
RETURN format('%s@%s', sample.id, extract(epoch FROM sample.created_at));
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_sample(@extschema@.training_samples) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_sample(@extschema@.training_samples) IS
    'The identity of a task''s sample, if it has no conversation; as tw_labelstudio_conversation()';

CREATE FUNCTION @extschema@.tw_sample_as_conversation(sample @extschema@.training_samples)
    RETURNS @extschema@.conversation_logs
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
-- What people judge is the same of both: a text, and the label that it has.
RETURN jsonb_populate_record(NULL::@extschema@.conversation_logs, jsonb_build_object(
    'id', sample.id, 'user_message', sample.text, 'message_type', 'text', 'message_language', sample.language,
    'nlu_intent', sample.intent, 'nlu_confidence', sample.quality_score, 'nlu_module_type', sample.module_type,
    'nlu_entities', sample.entities, 'review_status', sample.review_status,
    'review_priority', sample.review_priority, 'review_reason', sample.review_reason, 'created_at', sample.created_at));
REVOKE ALL ON FUNCTION @extschema@.tw_sample_as_conversation(@extschema@.training_samples) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_sample_as_conversation(@extschema@.training_samples) IS
    'A sample without a conversation in the form of one, with its label as the prediction; id is that of the sample';

CREATE FUNCTION @extschema@.tw_task_subject(task @extschema@.labelstudio_tasks) RETURNS @extschema@.conversation_logs
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    subject @extschema@.conversation_logs;
BEGIN
    IF task.sample_id IS NULL THEN
        SELECT * INTO subject FROM @extschema@.conversation_logs c WHERE c.id = task.conversation_log_id;
    ELSE
        SELECT c.* INTO subject
        FROM @extschema@.training_samples s CROSS JOIN LATERAL @extschema@.tw_sample_as_conversation(s) c
        WHERE s.id = task.sample_id;
    END IF;
    RETURN subject;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_task_subject(@extschema@.labelstudio_tasks) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_task_subject(@extschema@.labelstudio_tasks) IS
    'The conversation of a task, or its sample in the form of one; NULLs where it was deleted';

CREATE FUNCTION @extschema@.tw_task_is_wanted(conversation bigint, sample bigint, claimed_at timestamptz)
    RETURNS boolean
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
RETURN EXISTS (SELECT FROM @extschema@.conversation_logs c WHERE c.id = conversation AND c.review_priority IS NOT NULL)
    OR EXISTS (SELECT FROM @extschema@.training_samples s WHERE s.id = sample AND s.review_priority IS NOT NULL)
    OR EXISTS (SELECT FROM @extschema@.second_opinions o
               WHERE o.conversation_log_id = conversation AND @extschema@.tw_opinion_is_asked(o.status)
                 AND o.waiting_since <= tw_task_is_wanted.claimed_at);
REVOKE ALL ON FUNCTION @extschema@.tw_task_is_wanted(bigint, bigint, timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_task_is_wanted(bigint, bigint, timestamptz) IS
    'Whether a task that was claimed at a time has something to be judged: its conversation or sample waits in the '
    'queue, or the task was made for a second opinion that is still missing';

CREATE FUNCTION @extschema@.tw_newest_verdict(conversation bigint, sample bigint) RETURNS @extschema@.review_events
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT n.event FROM (
        SELECT e AS event, e.id FROM @extschema@.review_events e
        WHERE e.conversation_log_id = conversation AND @extschema@.tw_is_persons_word(e.action)
        UNION ALL
        -- A person's import may have changed the label of a sample since, as a verdict does.
        SELECT e, e.id FROM @extschema@.review_events e
        WHERE e.sample_id = sample AND (@extschema@.tw_is_persons_word(e.action)
                                        OR e.action = 'relabel' AND NOT coalesce(e.details ? 'rename', false))) n
    ORDER BY n.id DESC LIMIT 1;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_newest_verdict(bigint, bigint) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_newest_verdict(bigint, bigint) IS
    'The newest event of a conversation or sample that says what a person thinks of it: a verdict, a withdrawal, or a '
    'new label from an import; NULLs where there is none';

CREATE FUNCTION @extschema@.tw_labelstudio_external_id(task jsonb) RETURNS uuid
    LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
RETURN CASE WHEN task -> 'meta' ->> 'external_id' ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
            THEN (task -> 'meta' ->> 'external_id')::uuid END;
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_external_id(jsonb) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_external_id(jsonb) IS
    'The external id that a task in Label Studio has from this extension; NULL for any other task';

CREATE FUNCTION @extschema@.tw_labelstudio_marked(task jsonb, OUT conversation bigint, OUT sample bigint)
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT (SELECT c.id FROM @extschema@.conversation_logs c
            WHERE c.id = CASE WHEN task -> 'meta' ->> 'conversation' ~ '^-?[0-9]{1,18}@'
                              THEN split_part(task -> 'meta' ->> 'conversation', '@', 1)::bigint END
              AND c.anonymised_at IS NULL
              AND @extschema@.tw_labelstudio_conversation(c) = task -> 'meta' ->> 'conversation'),
           (SELECT s.id FROM @extschema@.training_samples s
            WHERE s.id = CASE WHEN task -> 'meta' ->> 'sample' ~ '^-?[0-9]{1,18}@'
                              THEN split_part(task -> 'meta' ->> 'sample', '@', 1)::bigint END
              AND s.conversation_log_id IS NULL
              AND @extschema@.tw_labelstudio_sample(s) = task -> 'meta' ->> 'sample');
END;
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_marked(jsonb) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_marked(jsonb) IS
    'The conversation of a task in Label Studio, or its sample, found by its number and time; NULLs where this '
    'database has none';
