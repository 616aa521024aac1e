-- Pulling: every task that changed since the last pull, by Label Studio's own clock, a page a transaction. What was seen
-- before is known by the annotation's number and time, so that seeing it twice does nothing.

CREATE FUNCTION @extschema@.tw_labelstudio_chosen(annotations jsonb) RETURNS jsonb
    LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT a.annotation
    FROM jsonb_array_elements(CASE jsonb_typeof(annotations) WHEN 'array' THEN annotations ELSE '[]' END) AS a (annotation)
    WHERE a.annotation ->> 'was_cancelled' IS DISTINCT FROM 'true' AND jsonb_typeof(a.annotation -> 'id') = 'number'
    ORDER BY a.annotation ->> 'ground_truth' IS NOT DISTINCT FROM 'true' DESC, (a.annotation ->> 'updated_at')::timestamptz DESC NULLS LAST,
             (a.annotation ->> 'id')::bigint DESC
    LIMIT 1;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_chosen(jsonb) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_chosen(jsonb) IS
    'The annotation of a task that counts: the one marked as ground truth, else the newest; skips are none';

CREATE FUNCTION @extschema@.tw_labelstudio_own(project @extschema@.labelstudio_projects, task jsonb) RETURNS @extschema@.labelstudio_tasks
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    own @extschema@.labelstudio_tasks;
    external CONSTANT uuid := @extschema@.tw_labelstudio_external_id(task);
    conversation bigint;
BEGIN
    SELECT * INTO own FROM @extschema@.labelstudio_tasks t WHERE t.external_id = external;
    IF FOUND OR external IS NULL THEN
        RETURN own;
    END IF;
    conversation := @extschema@.tw_labelstudio_marked(task);
    -- Pushed by a database that this one was restored from before the push; or by an import that came to its end after
    -- everybody had given it up, and whose conversation was claimed again since.
    INSERT INTO @extschema@.labelstudio_tasks (project, conversation_log_id, external_id, batch_id, status, task_id, spans, pushed_at)
    SELECT project.id, c.id, external, gen_random_uuid(), 'open', (task ->> 'id')::bigint,
           @extschema@.tw_entity_spans(@extschema@.tw_sample_entities(c.nlu_entities), char_length(c.user_message)), clock_timestamp()
    FROM @extschema@.conversation_logs c
    WHERE c.id = conversation
    ON CONFLICT DO NOTHING
    RETURNING * INTO own;
    IF NOT FOUND THEN
        SELECT * INTO own FROM @extschema@.labelstudio_tasks t
        WHERE t.conversation_log_id = conversation AND t.status IN ('claimed', 'open', 'skipped', 'unusable', 'refused');
    END IF;
    RETURN own;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_own(@extschema@.labelstudio_projects, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_own(@extschema@.labelstudio_projects, jsonb) IS
    'The outbox row of a task over there: the one whose external id it carries, a new one for a task that only its conversation '
    'knows, or the one that waits for that conversation; NULLs for a task that is not ours';

CREATE FUNCTION @extschema@.tw_labelstudio_unjudge(project @extschema@.labelstudio_projects, task @extschema@.labelstudio_tasks, skipped boolean) RETURNS text
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    newest @extschema@.review_events;
    withdrawn boolean := false;
BEGIN
    IF task.status NOT IN ('open', 'skipped', 'unusable', 'done', 'superseded') OR task.status = (CASE WHEN skipped THEN 'skipped' ELSE 'open' END) THEN
        RETURN NULL;
    END IF;
    IF task.status = 'done' THEN
        SELECT * INTO newest FROM @extschema@.review_events e
        WHERE e.conversation_log_id = task.conversation_log_id AND e.action IN ('approve', 'fix', 'reject', 'withdraw')
        ORDER BY e.id DESC LIMIT 1;
        -- Its annotation is gone, or has become a skip: so is the verdict, unless there is a newer one.
        IF newest.action <> 'withdraw' AND newest.details -> 'labelstudio' ->> 'annotation' = task.annotation_id::text
           AND EXISTS (SELECT FROM @extschema@.conversation_logs c WHERE c.id = task.conversation_log_id) THEN
            PERFORM @extschema@.tw_withdraw_verdict(task.conversation_log_id, 'annotation deleted or skipped in Label Studio', newest.reviewer,
                jsonb_build_object('labelstudio', jsonb_build_object('project', project.project_id, 'task', task.task_id)));
            withdrawn := true;
        END IF;
    END IF;
    UPDATE @extschema@.labelstudio_tasks t
    SET status = CASE WHEN EXISTS (SELECT FROM @extschema@.labelstudio_tasks o
                                   WHERE o.conversation_log_id = t.conversation_log_id AND o.id <> t.id
                                     AND o.status IN ('claimed', 'open', 'skipped', 'unusable', 'refused')) THEN 'superseded'
                      WHEN skipped THEN 'skipped' ELSE 'open' END,
        annotation_id = NULL, annotation_updated_at = NULL, error_code = NULL, error_message = NULL, finished_at = NULL
    WHERE t.id = task.id;
    RETURN CASE WHEN withdrawn THEN 'withdrawn' WHEN skipped THEN 'skipped' END;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_unjudge(@extschema@.labelstudio_projects, @extschema@.labelstudio_tasks, boolean) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_unjudge(@extschema@.labelstudio_projects, @extschema@.labelstudio_tasks, boolean) IS
    'A task has no annotation (any more), or a skip: withdraws the verdict that came from it and stands still; returns withdrawn, skipped or NULL';

CREATE FUNCTION @extschema@.tw_labelstudio_observe(
    project @extschema@.labelstudio_projects, own @extschema@.labelstudio_tasks, task jsonb, skew interval, people jsonb) RETURNS text
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    number CONSTANT bigint := (task ->> 'id')::bigint;
    annotation jsonb := @extschema@.tw_labelstudio_chosen(task -> 'annotations');
    given_at timestamptz := (annotation ->> 'updated_at')::timestamptz - skew;
    newest timestamptz;
BEGIN
    -- Another task of this page may have changed it.
    SELECT * INTO own FROM @extschema@.labelstudio_tasks t WHERE t.id = own.id;
    IF own.status = 'claimed'
       OR own.task_id IS DISTINCT FROM number AND annotation IS NOT NULL
          AND (own.annotation_id IS NULL OR (annotation ->> 'updated_at')::timestamptz > own.annotation_updated_at) THEN
        -- An import whose answer never came; or there twice, and this is the one that was worked on last.
        UPDATE @extschema@.labelstudio_tasks t
        SET task_id = number, status = CASE t.status WHEN 'claimed' THEN 'open' ELSE t.status END,
            pushed_at = coalesce(t.pushed_at, clock_timestamp())
        WHERE t.id = own.id
        RETURNING * INTO own;
    END IF;
    IF own.task_id <> number THEN
        RETURN NULL;
    END IF;
    IF annotation IS NULL THEN
        RETURN @extschema@.tw_labelstudio_unjudge(project, own, EXISTS (
            SELECT FROM jsonb_array_elements(CASE jsonb_typeof(task -> 'annotations') WHEN 'array' THEN task -> 'annotations' ELSE '[]' END) AS a (annotation)
            WHERE a.annotation ->> 'was_cancelled' = 'true'));
    END IF;
    IF (own.annotation_id, own.annotation_updated_at) IS NOT DISTINCT FROM
       ((annotation ->> 'id')::bigint, (annotation ->> 'updated_at')::timestamptz) THEN
        RETURN NULL;
    END IF;

    -- The newest verdict stands; one that came from there is as old as its annotation.
    SELECT coalesce((e.details -> 'labelstudio' ->> 'given_at')::timestamptz, e.created_at) INTO newest
    FROM @extschema@.review_events e
    WHERE e.conversation_log_id = own.conversation_log_id AND e.action IN ('approve', 'fix', 'reject', 'withdraw')
    ORDER BY e.id DESC LIMIT 1;
    IF newest > given_at OR NOT EXISTS (SELECT FROM @extschema@.conversation_logs c WHERE c.id = own.conversation_log_id) THEN
        UPDATE @extschema@.labelstudio_tasks t
        SET status = 'superseded', finished_at = clock_timestamp(), error_code = NULL, error_message = NULL,
            annotation_id = (annotation ->> 'id')::bigint, annotation_updated_at = (annotation ->> 'updated_at')::timestamptz
        WHERE t.id = own.id;
        RETURN 'superseded';
    END IF;
    RETURN @extschema@.tw_labelstudio_try_judge(own, annotation, @extschema@.tw_labelstudio_person(annotation, people),
        jsonb_build_object('labelstudio', jsonb_build_object(
            'project', project.project_id, 'task', number, 'annotation', annotation -> 'id', 'given_at', given_at)));
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_observe(@extschema@.labelstudio_projects, @extschema@.labelstudio_tasks, jsonb, interval, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_observe(@extschema@.labelstudio_projects, @extschema@.labelstudio_tasks, jsonb, interval, jsonb) IS
    'Brings an outbox row, and the verdict, to what its task over there says: approve, fix, reject, unusable, skipped, withdrawn, '
    'superseded (a newer verdict was given here), or NULL where nothing changed. skew: how much Label Studio''s clock is ahead of ours';

CREATE FUNCTION @extschema@.tw_labelstudio_person(annotation jsonb, people jsonb) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
-- Whoever changed it last; an annotation itself names only who began it: "First Last address, id".
RETURN coalesce(
    nullif(people ->> coalesce(annotation ->> 'updated_by', annotation ->> 'completed_by'), ''),
    CASE WHEN coalesce(annotation ->> 'updated_by', annotation ->> 'completed_by') IS NOT DISTINCT FROM annotation ->> 'completed_by'
         THEN substring(annotation ->> 'created_username' FROM '(\S+), \d+$') END,
    'Label Studio user ' || coalesce(annotation ->> 'updated_by', annotation ->> 'completed_by', 'unknown'));
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_person(jsonb, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_person(jsonb, jsonb) IS
    'Who gave an annotation: the e-mail address of whoever changed it last; people maps Label Studio''s numbers of users to addresses';

CREATE FUNCTION @extschema@.tw_labelstudio_people(server text) RETURNS jsonb
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    answer record;
BEGIN
    SELECT * INTO answer FROM @extschema@.tw_labelstudio_request(server, 'GET', '/api/users/');
    -- A token may not be allowed to list users: annotations still say who began them.
    RETURN coalesce((
        SELECT jsonb_object_agg(u.person ->> 'id', u.person ->> 'email')
        FROM jsonb_array_elements(CASE WHEN answer.status = 200 AND jsonb_typeof(answer.reply) = 'array' THEN answer.reply ELSE '[]' END) AS u (person)
        WHERE u.person ->> 'id' IS NOT NULL), '{}');
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_people(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_people(text) IS 'The e-mail addresses of Label Studio''s users by number';

CREATE FUNCTION @extschema@.tw_labelstudio_pull(project @extschema@.labelstudio_projects, place jsonb,
    OUT next_place jsonb, OUT counted jsonb)
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    -- Rows may become visible a little after their time.
    since timestamptz := coalesce((place ->> 'since')::timestamptz, project.pulled_to - interval '60 seconds', '1970-01-01 00:00:00+00');
    size integer := coalesce((place ->> 'size')::integer, 200);
    list jsonb;
    at timestamptz;
    upto timestamptz;
    skew interval;
    people jsonb := '{}';
    item record;
    became text;
BEGIN
    counted := '{}';
    BEGIN
        SELECT l.tasks, l.server_time INTO list, at FROM @extschema@.tw_labelstudio_list(project,
            jsonb_build_array(@extschema@.tw_labelstudio_filter('updated_at', 'greater_or_equal', 'Datetime',
                to_jsonb(to_char(since AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')))),
            -- The names of an annotation's own fields too: include reaches into it.
            'updated_at', 'id,meta,updated_at,annotations,result,was_cancelled,ground_truth,completed_by,updated_by,created_username',
            'all', size, 'list changed tasks') l;
    EXCEPTION WHEN program_limit_exceeded THEN
        IF size = 1 THEN
            RAISE;
        END IF;
        next_place := jsonb_build_object('since', since, 'size', size / 2);
        RETURN;
    END;
    -- HTTP's Date has no fractions: less than two seconds says nothing.
    skew := coalesce(at - clock_timestamp(), '0');
    IF skew BETWEEN '-2 seconds' AND '2 seconds' THEN
        skew := '0';
    END IF;
    IF jsonb_path_exists(list, '$[*].annotations[*]') THEN
        people := @extschema@.tw_labelstudio_people(project.server_name);
    END IF;

    -- From here on rows are locked, conversations in ascending order, and nobody is asked any more.
    FOR item IN
        SELECT l.task, o.own
        FROM jsonb_array_elements(list) AS l (task)
        CROSS JOIN LATERAL (SELECT @extschema@.tw_labelstudio_own(project, l.task) AS own OFFSET 0) o
        WHERE (o.own).id IS NOT NULL
        ORDER BY (o.own).conversation_log_id, (l.task ->> 'id')::bigint
    LOOP
        became := @extschema@.tw_labelstudio_observe(project, item.own, item.task, skew, people);
        IF became IS NOT NULL THEN
            counted := counted || jsonb_build_object(became, coalesce((counted ->> became)::bigint, 0) + 1);
        END IF;
    END LOOP;

    SELECT max((l.task ->> 'updated_at')::timestamptz) INTO upto FROM jsonb_array_elements(list) AS l (task);
    UPDATE @extschema@.labelstudio_projects p SET pulled_to = greatest(p.pulled_to, upto) WHERE p.id = project.id;
    IF jsonb_array_length(list) >= size THEN
        -- A whole page of one time, such as an import leaves: a larger page gets past it.
        next_place := jsonb_build_object('since', upto, 'size', CASE WHEN upto > since THEN size ELSE size * 2 END);
        IF size > 100000 THEN
            RAISE EXCEPTION USING
                ERRCODE = 'protocol_violation',
                MESSAGE = format('Label Studio (server "%s") lists the same changed tasks again and again', project.server_name),
                HINT = 'Does it obey the filter and the order that it is asked for? Is its version one that is supported?';
        END IF;
    END IF;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_pull(@extschema@.labelstudio_projects, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_pull(@extschema@.labelstudio_projects, jsonb) IS
    'Takes in one page of changed tasks; next_place is where the next page begins, NULL after the last one';
