-- Pulling: every task that changed since the last pull, by Label Studio's own clock, one page per transaction. An
-- annotation seen before is recognised by its number and time, so that seeing it twice changes nothing.

CREATE FUNCTION @extschema@.tw_labelstudio_chosen(annotations jsonb) RETURNS jsonb
    LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT a.annotation
    FROM jsonb_array_elements(CASE jsonb_typeof(annotations) WHEN 'array' THEN annotations
                                   ELSE '[]' END) AS a (annotation)
    WHERE a.annotation ->> 'was_cancelled' IS DISTINCT FROM 'true' AND jsonb_typeof(a.annotation -> 'id') = 'number'
    ORDER BY a.annotation ->> 'ground_truth' IS NOT DISTINCT FROM 'true' DESC,
             (a.annotation ->> 'updated_at')::timestamptz DESC NULLS LAST,
             (a.annotation ->> 'id')::bigint DESC
    LIMIT 1;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_chosen(jsonb) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_chosen(jsonb) IS
    'The annotation of a task that counts: the one marked as ground truth, else the newest; skips do not count';

CREATE FUNCTION @extschema@.tw_labelstudio_own(project @extschema@.labelstudio_projects, task jsonb)
    RETURNS @extschema@.labelstudio_tasks
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    own @extschema@.labelstudio_tasks;
    external CONSTANT uuid := @extschema@.tw_labelstudio_external_id(task);
    marked record;
BEGIN
    SELECT * INTO own FROM @extschema@.labelstudio_tasks t WHERE t.external_id = external;
    -- A task of an erased row is nobody's: no answer is read, even where the conversation stays without its text.
    IF FOUND OR external IS NULL
       OR EXISTS (SELECT FROM @extschema@.labelstudio_erasures e WHERE e.external_id = external) THEN
        RETURN own;
    END IF;
    marked := @extschema@.tw_labelstudio_marked(task);
    -- Either this database was restored from before the push, or the import finished after it was given up and the
    -- conversation was claimed again.
    INSERT INTO @extschema@.labelstudio_tasks (project, conversation_log_id, sample_id, external_id, batch_id, status,
                                               task_id, spans, pushed_at)
    SELECT project.id, marked.conversation, marked.sample, external, gen_random_uuid(), 'open',
           (task ->> 'id')::bigint,
           @extschema@.tw_entity_spans(@extschema@.tw_sample_entities(c.nlu_entities, c.user_message),
                                       char_length(c.user_message)),
           clock_timestamp()
    FROM (SELECT l.nlu_entities, l.user_message FROM @extschema@.conversation_logs l WHERE l.id = marked.conversation
          UNION ALL
          SELECT s.entities, s.text FROM @extschema@.training_samples s
          WHERE s.id = marked.sample AND marked.conversation IS NULL) c
    ON CONFLICT DO NOTHING
    RETURNING * INTO own;
    IF NOT FOUND THEN
        SELECT * INTO own FROM @extschema@.labelstudio_tasks t
        WHERE (t.conversation_log_id = marked.conversation OR t.sample_id = marked.sample)
          AND @extschema@.tw_task_holds(t.status);
    END IF;
    RETURN own;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_own(@extschema@.labelstudio_projects, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_own(@extschema@.labelstudio_projects, jsonb) IS
    'The outbox row of a task in Label Studio: the one with its external id; else the waiting row of its '
    'conversation or sample, or a new one. NULLs for a task of another origin';

CREATE FUNCTION @extschema@.tw_labelstudio_mark(
    own @extschema@.labelstudio_tasks, status text, annotation jsonb, code text, message text) RETURNS void
    LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    UPDATE @extschema@.labelstudio_tasks t
    SET status = CASE
            -- Another task of the conversation or sample waits already.
            WHEN @extschema@.tw_task_is_there(tw_labelstudio_mark.status) AND EXISTS (
                SELECT FROM @extschema@.labelstudio_tasks o
                WHERE (o.conversation_log_id = t.conversation_log_id OR o.sample_id = t.sample_id) AND o.id <> t.id
                  AND @extschema@.tw_task_holds(o.status)) THEN 'superseded'
            ELSE tw_labelstudio_mark.status END,
        finished_at = CASE WHEN tw_labelstudio_mark.status <> 'open' THEN clock_timestamp() END,
        error_code = code, error_message = message,
        annotation_id = (annotation ->> 'id')::bigint,
        annotation_updated_at = (annotation ->> 'updated_at')::timestamptz
    WHERE t.id = own.id;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_mark(@extschema@.labelstudio_tasks, text, jsonb, text, text)
    FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_mark(@extschema@.labelstudio_tasks, text, jsonb, text, text) IS
    'Records the state of a task, and the annotation behind it (NULL: none)';

CREATE FUNCTION @extschema@.tw_labelstudio_unjudge(
    project @extschema@.labelstudio_projects, own @extschema@.labelstudio_tasks, skipped boolean,
    given_at timestamptz) RETURNS text
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    became CONSTANT text := CASE WHEN skipped THEN 'skipped' ELSE 'open' END;
    withdrawn boolean := false;
BEGIN
    IF own.status NOT IN ('open', 'skipped', 'unusable', 'done', 'superseded') OR own.status = became THEN
        RETURN NULL;
    END IF;
    IF own.annotation_id IS NOT NULL THEN
        withdrawn := @extschema@.tw_labelstudio_withdraw(project, own, given_at,
                                                         'annotation deleted or skipped in Label Studio');
    END IF;
    PERFORM @extschema@.tw_labelstudio_mark(own, became, NULL::jsonb, NULL::text, NULL::text);
    RETURN CASE WHEN withdrawn THEN 'withdrawn' WHEN skipped THEN 'skipped' END;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_unjudge(
    @extschema@.labelstudio_projects, @extschema@.labelstudio_tasks, boolean, timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_unjudge(
    @extschema@.labelstudio_projects, @extschema@.labelstudio_tasks, boolean, timestamptz) IS
    'Handles a task without an annotation, or with a skip: withdraws the verdict that came from it, if that is still '
    'the newest; returns withdrawn, skipped or NULL';

CREATE FUNCTION @extschema@.tw_labelstudio_observe(
    project @extschema@.labelstudio_projects, row_id bigint, task jsonb, skew interval, people jsonb) RETURNS text
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    own @extschema@.labelstudio_tasks;
    number CONSTANT bigint := (task ->> 'id')::bigint;
    annotation jsonb := @extschema@.tw_labelstudio_chosen(task -> 'annotations');
    given_at timestamptz := (annotation ->> 'updated_at')::timestamptz - skew;
    source CONSTANT jsonb := jsonb_build_object('project', project.project_id, 'task', number);
    newest @extschema@.review_events;
BEGIN
    -- Another task of this page may have changed the row.
    SELECT * INTO STRICT own FROM @extschema@.labelstudio_tasks t WHERE t.id = row_id;
    IF own.status = 'claimed'
       OR own.task_id IS DISTINCT FROM number AND annotation IS NOT NULL
          AND (own.annotation_id IS NULL OR (annotation ->> 'updated_at')::timestamptz > own.annotation_updated_at) THEN
        -- An import whose answer was lost; or a duplicate, and this is the one annotated last.
        UPDATE @extschema@.labelstudio_tasks t
        SET task_id = number, external_id = @extschema@.tw_labelstudio_external_id(task),
            status = CASE t.status WHEN 'claimed' THEN 'open' ELSE t.status END,
            pushed_at = coalesce(t.pushed_at, clock_timestamp())
        WHERE t.id = own.id
        RETURNING * INTO own;
    END IF;
    IF own.task_id <> number THEN
        RETURN NULL;
    END IF;
    IF annotation IS NULL THEN
        RETURN @extschema@.tw_labelstudio_unjudge(
            project, own, jsonb_path_exists(task, '$.annotations[*] ? (@.was_cancelled == true)'),
            (task ->> 'updated_at')::timestamptz - skew);
    END IF;
    IF (own.annotation_id, own.annotation_updated_at) IS NOT DISTINCT FROM
       ((annotation ->> 'id')::bigint, (annotation ->> 'updated_at')::timestamptz) THEN
        RETURN NULL;
    END IF;

    newest := @extschema@.tw_newest_verdict(own.conversation_log_id, own.sample_id);
    IF newest.details -> 'labelstudio' @> (source || jsonb_build_object('annotation', annotation -> 'id', 'updated_at',
                                                                        annotation -> 'updated_at')) THEN
        PERFORM @extschema@.tw_labelstudio_mark(own, 'done', annotation, NULL::text, NULL::text);
        RETURN NULL;
    END IF;
    -- The newest verdict stands; the time of a verdict from Label Studio is that of its annotation. This task's own
    -- earlier verdict is replaced.
    IF NOT coalesce(newest.details -> 'labelstudio' @> source, false)
       AND coalesce((newest.details -> 'labelstudio' ->> 'given_at')::timestamptz, newest.created_at) > given_at
       OR (@extschema@.tw_task_subject(own)).id IS NULL THEN
        PERFORM @extschema@.tw_labelstudio_mark(own, 'superseded', annotation, NULL::text, NULL::text);
        RETURN 'superseded';
    END IF;
    PERFORM @extschema@.tw_labelstudio_mark(own, 'done', annotation, NULL::text, NULL::text);
    RETURN @extschema@.tw_labelstudio_judge(own, annotation, @extschema@.tw_labelstudio_person(annotation, people),
        jsonb_build_object('labelstudio', source || jsonb_build_object(
            'annotation', annotation -> 'id', 'updated_at', annotation -> 'updated_at', 'given_at', given_at)));
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_observe(
    @extschema@.labelstudio_projects, bigint, jsonb, interval, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_observe(
    @extschema@.labelstudio_projects, bigint, jsonb, interval, jsonb) IS
    'Updates an outbox row, and the verdict, from its task in Label Studio; returns approve, fix, reject, skipped, '
    'withdrawn, superseded (a newer verdict was given here), or NULL where nothing changed. skew: how far Label '
    'Studio''s clock is ahead of the database''s. Raises the errors of the verdict';

CREATE FUNCTION @extschema@.tw_labelstudio_try_observe(
    project @extschema@.labelstudio_projects, row_id bigint, task jsonb, skew interval, people jsonb) RETURNS text
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    own @extschema@.labelstudio_tasks;
    annotation jsonb;
    code text;
    message text;
BEGIN
    BEGIN
        IF task -> 'too_large' = 'true' THEN
            RAISE EXCEPTION USING
                ERRCODE = 'program_limit_exceeded',
                MESSAGE = 'the task''s annotations are too large to be read';
        END IF;
        RETURN @extschema@.tw_labelstudio_observe(project, row_id, task, skew, people);
    EXCEPTION WHEN OTHERS THEN
        GET STACKED DIAGNOSTICS code = RETURNED_SQLSTATE, message = MESSAGE_TEXT;
        -- Temporary errors are tried again by the next pull; our own errors must not be blamed on the annotator.
        IF left(code, 2) IN ('40', '53', '57', '58', 'XX') OR code = '55P03' THEN
            RAISE;
        END IF;
    END;
    SELECT * INTO STRICT own FROM @extschema@.labelstudio_tasks t WHERE t.id = row_id;
    annotation := coalesce(@extschema@.tw_labelstudio_chosen(task -> 'annotations'),
                           jsonb_build_object('updated_at', task -> 'updated_at'));
    IF own.status = 'unusable' AND own.annotation_updated_at = (annotation ->> 'updated_at')::timestamptz THEN
        RETURN NULL;
    END IF;
    -- An annotation that no longer is a verdict withdraws its earlier one.
    PERFORM @extschema@.tw_labelstudio_withdraw(project, own, (annotation ->> 'updated_at')::timestamptz - skew,
                                                'annotation changed in Label Studio');
    PERFORM @extschema@.tw_labelstudio_mark(own, 'unusable', annotation, code, message);
    RETURN 'unusable';
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_try_observe(
    @extschema@.labelstudio_projects, bigint, jsonb, interval, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_try_observe(
    @extschema@.labelstudio_projects, bigint, jsonb, interval, jsonb) IS
    'tw_labelstudio_observe(), but returns unusable for an annotation that is no verdict, with the reason in '
    'error_message';

CREATE FUNCTION @extschema@.tw_labelstudio_person(annotation jsonb, people jsonb) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
-- The last person who changed it; an annotation itself only names its first author: "First Last address, id".
RETURN coalesce(
    nullif(people ->> coalesce(annotation ->> 'updated_by', annotation ->> 'completed_by'), ''),
    CASE WHEN coalesce(annotation ->> 'updated_by',
                       annotation ->> 'completed_by') IS NOT DISTINCT FROM annotation ->> 'completed_by'
         THEN substring(annotation ->> 'created_username' FROM '(\S+), \d+$') END,
    'Label Studio user ' || coalesce(annotation ->> 'updated_by', annotation ->> 'completed_by', 'unknown'));
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_person(jsonb, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_person(jsonb, jsonb) IS
    'The e-mail address of the person who last changed an annotation; people maps Label Studio''s user numbers to '
    'addresses';

CREATE FUNCTION @extschema@.tw_labelstudio_people(server text) RETURNS jsonb
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    answer record;
BEGIN
    SELECT * INTO answer FROM @extschema@.tw_labelstudio_request(server, 'GET', '/api/users/', NULL::text[],
        NULL::text, false);
    -- The token may lack the permission to list users: annotations still name their first author.
    IF answer.status NOT BETWEEN 200 AND 299 AND answer.status NOT IN (401, 403, 404) THEN
        PERFORM @extschema@.tw_labelstudio_refuse(server, 'list users', answer.status);
    END IF;
    RETURN coalesce((
        SELECT jsonb_object_agg(u.reviewer_name ->> 'id', u.reviewer_name ->> 'email')
        FROM jsonb_array_elements(CASE WHEN answer.status = 200 AND jsonb_typeof(answer.reply) = 'array'
                                       THEN answer.reply ELSE '[]' END) AS u (reviewer_name)
        WHERE u.reviewer_name ->> 'id' IS NOT NULL), '{}');
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_people(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_people(text) IS
    'The e-mail addresses of Label Studio''s users, by user number';

CREATE FUNCTION @extschema@.tw_labelstudio_changed(
    project @extschema@.labelstudio_projects, since timestamptz, size integer, one_by_one boolean,
    OUT tasks jsonb, OUT server_time timestamptz)
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    -- Includes the field names of annotations: include applies to nested objects too.
    fields CONSTANT text := 'id,meta,updated_at,annotations,result,was_cancelled,ground_truth,completed_by,updated_by,'
                            'created_username,parent_prediction';
    filters CONSTANT jsonb := jsonb_build_array(@extschema@.tw_labelstudio_filter('updated_at',
                                                                                  'greater_or_equal', 'Datetime',
        to_jsonb(to_char(since AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'))));
    what CONSTANT text := 'list changed tasks';
    light jsonb;
    task jsonb;
    found jsonb;
BEGIN
    IF NOT one_by_one THEN
        SELECT l.tasks, l.server_time INTO tasks, server_time
        FROM @extschema@.tw_labelstudio_list(project, filters, 'updated_at', fields, 'all', size, what) l;
        RETURN;
    END IF;
    -- An annotation with a huge text: the page is fetched task by task, without tasks that are too large themselves.
    SELECT l.tasks, l.server_time INTO light, server_time
    FROM @extschema@.tw_labelstudio_list(project, filters, 'updated_at', 'id,meta,updated_at', 'task_only',
                                         size, what) l;
    tasks := '[]';
    FOR task IN SELECT l.task FROM jsonb_array_elements(light) AS l (task) LOOP
        BEGIN
            SELECT l.tasks INTO found FROM @extschema@.tw_labelstudio_list(project,
                jsonb_build_array(@extschema@.tw_labelstudio_filter('id', 'equal', 'Number', task -> 'id')), 'id',
                fields, 'all', 1, what) l;
        EXCEPTION WHEN program_limit_exceeded THEN
            found := jsonb_build_array(task || '{"too_large": true}');
        END;
        -- With the time from the list: if the task has changed since, the next page should see that.
        tasks := tasks || coalesce((SELECT jsonb_agg(f.found || jsonb_build_object('updated_at', task -> 'updated_at'))
                                    FROM jsonb_array_elements(found) AS f (found)), '[]');
    END LOOP;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_changed(
    @extschema@.labelstudio_projects, timestamptz, integer, boolean) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_changed(
    @extschema@.labelstudio_projects, timestamptz, integer, boolean) IS
    'The first size tasks that changed since a time, with their annotations, and Label Studio''s time. Raises 54000 '
    'where they are too large for one reply; with one_by_one, marks the tasks that are too large instead';

CREATE FUNCTION @extschema@.tw_lock_free_rows(ids bigint[]) RETURNS bigint[]
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    held bigint[] := ARRAY(SELECT c.id FROM @extschema@.conversation_logs c WHERE c.id = ANY (ids) ORDER BY c.id
        FOR UPDATE SKIP LOCKED);
    samples bigint[] := ARRAY(SELECT s.id FROM @extschema@.training_samples s WHERE s.conversation_log_id = ANY (held)
        ORDER BY s.id FOR UPDATE SKIP LOCKED);
    claims bigint[] := ARRAY(SELECT k.conversation_log_id FROM @extschema@.review_claims k
                             WHERE k.conversation_log_id = ANY (held) ORDER BY k.conversation_log_id
                                 FOR UPDATE SKIP LOCKED);
BEGIN
    -- Deleted rows are locked by nobody.
    RETURN ARRAY(
        SELECT i.id FROM unnest(ids) AS i (id)
        WHERE (i.id = ANY (held) OR NOT EXISTS (SELECT FROM @extschema@.conversation_logs c WHERE c.id = i.id))
          AND NOT EXISTS (SELECT FROM @extschema@.training_samples s WHERE s.conversation_log_id = i.id
              AND s.id <> ALL (samples))
          AND NOT EXISTS (SELECT FROM @extschema@.review_claims k WHERE k.conversation_log_id = i.id
              AND k.conversation_log_id <> ALL (claims)));
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_lock_free_rows(bigint[]) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_lock_free_rows(bigint[]) IS
    'Locks conversations, their samples and their claims without waiting, and returns the conversations for which all '
    'locks were free';

CREATE FUNCTION @extschema@.tw_lock_free_samples(ids bigint[]) RETURNS bigint[]
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    -- A verdict changes the others of the text as well.
    wanted bigint[] := ids || @extschema@.tw_samples_of_texts(ids);
    held bigint[] := ARRAY(SELECT s.id FROM @extschema@.training_samples s WHERE s.id = ANY (wanted) ORDER BY s.id
        FOR UPDATE SKIP LOCKED);
    claims bigint[] := ARRAY(SELECT k.sample_id FROM @extschema@.review_claims k WHERE k.sample_id = ANY (held)
                             ORDER BY k.sample_id FOR UPDATE SKIP LOCKED);
BEGIN
    -- Deleted rows are locked by nobody.
    RETURN ARRAY(
        SELECT i.id FROM unnest(ids) AS i (id)
        WHERE NOT EXISTS (SELECT FROM unnest(i.id || @extschema@.tw_samples_of_texts(ARRAY[i.id])) AS o (id)
                          JOIN @extschema@.training_samples s ON s.id = o.id WHERE o.id <> ALL (held))
          AND NOT EXISTS (SELECT FROM @extschema@.review_claims k WHERE k.sample_id = i.id
              AND k.sample_id <> ALL (claims)));
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_lock_free_samples(bigint[]) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_lock_free_samples(bigint[]) IS
    'Locks samples without a conversation, the others of their texts and their claims without waiting, and returns '
    'those for which all locks were free';

CREATE FUNCTION @extschema@.tw_labelstudio_take_in(project @extschema@.labelstudio_projects, list jsonb, skew interval,
    people jsonb,
    OUT counted jsonb, OUT locked_from timestamptz)
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    rows bigint[];
    numbers bigint[];
    item record;
    became text;
    free bigint[];
    free_samples bigint[];
BEGIN
    counted := '{}';
    PERFORM @extschema@.tw_labelstudio_reappeared(project, list);
    SELECT array_agg((o.own).id), array_agg((l.task ->> 'id')::bigint) INTO rows, numbers
    FROM jsonb_array_elements(list) AS l (task)
    CROSS JOIN LATERAL (SELECT @extschema@.tw_labelstudio_own(project, l.task) AS own OFFSET 0) o
    WHERE (o.own).id IS NOT NULL
      -- Annotations seen before need no lock.
      AND CASE WHEN jsonb_path_exists(l.task, '$.annotations[*]') OR l.task ? 'too_large'
          THEN NOT EXISTS (
                   SELECT FROM (SELECT @extschema@.tw_labelstudio_chosen(l.task -> 'annotations') AS chosen) c
                   WHERE ((o.own).annotation_id, (o.own).annotation_updated_at) IS NOT DISTINCT FROM
                         ((c.chosen ->> 'id')::bigint, (c.chosen ->> 'updated_at')::timestamptz))
               OR (o.own).annotation_id IS NULL
          ELSE (o.own).status NOT IN ('open', 'closed', 'deleted') END;
    -- Lock order: all conversations, then all samples, each by id, as in all functions.
    free := @extschema@.tw_lock_free_rows(ARRAY(SELECT t.conversation_log_id FROM @extschema@.labelstudio_tasks t
        WHERE t.id = ANY (rows) AND t.sample_id IS NULL));
    free_samples := @extschema@.tw_lock_free_samples(ARRAY(SELECT t.sample_id FROM @extschema@.labelstudio_tasks t
        WHERE t.id = ANY (rows) AND t.sample_id IS NOT NULL));

    FOR item IN
        SELECT r.row_id, l.task, NOT CASE WHEN t.sample_id IS NULL THEN t.conversation_log_id = ANY (free)
                                          ELSE t.sample_id = ANY (free_samples) END AS is_locked
            FROM unnest(rows, numbers) AS r (row_id, number)
        JOIN jsonb_array_elements(list) AS l (task) ON (l.task ->> 'id')::bigint = r.number
        JOIN @extschema@.labelstudio_tasks t ON t.id = r.row_id
        ORDER BY r.row_id, r.number
    LOOP
        IF item.is_locked THEN
            -- The next pull begins at this task; tasks seen before cost it little.
            locked_from := least(locked_from, (item.task ->> 'updated_at')::timestamptz);
            counted := counted || jsonb_build_object('tasks locked',
                coalesce((counted ->> 'tasks locked')::bigint, 0) + 1);
            CONTINUE;
        END IF;
        became := @extschema@.tw_labelstudio_try_observe(project, item.row_id, item.task, skew, people);
        IF became IS NOT NULL THEN
            counted := counted || jsonb_build_object(became, coalesce((counted ->> became)::bigint, 0) + 1);
        END IF;
    END LOOP;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_take_in(@extschema@.labelstudio_projects, jsonb, interval, jsonb)
    FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_take_in(@extschema@.labelstudio_projects, jsonb, interval, jsonb) IS
    'Updates outbox and verdicts from a list of tasks; returns how many had which result, and the time of the first '
    'task whose conversation or sample is locked, which the next pull has to read again. Locks rows, and makes no '
    'request';

CREATE FUNCTION @extschema@.tw_labelstudio_pull(project @extschema@.labelstudio_projects, cursor_state jsonb,
    OUT next_cursor jsonb, OUT counted jsonb)
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    -- Rows may become visible slightly after their timestamp.
    since timestamptz := coalesce((cursor_state ->> 'since')::timestamptz, project.pulled_to - interval '60 seconds',
                                  '1970-01-01 00:00:00+00');
    size integer := coalesce((cursor_state ->> 'size')::integer, 200);
    one_by_one boolean := coalesce((cursor_state ->> 'one_by_one')::boolean, false);
    list jsonb;
    asked_at timestamptz := clock_timestamp();
    there timestamptz;
    upto timestamptz;
    skew interval;
    people jsonb := '{}';
    -- Of this page and the pages before.
    locked_from timestamptz;
BEGIN
    counted := '{}';
    BEGIN
        SELECT c.tasks, c.server_time INTO list, there
        FROM @extschema@.tw_labelstudio_changed(project, since, size, one_by_one) c;
    EXCEPTION WHEN program_limit_exceeded THEN
        IF one_by_one THEN
            RAISE;
        END IF;
        next_cursor := jsonb_build_object('since', since, 'size', 5, 'one_by_one', true, 'locked_from',
            cursor_state -> 'locked_from');
        RETURN;
    END;
    -- Label Studio's clock was ahead and has been corrected: newer changes have earlier times. Reading all tasks again
    -- does no harm.
    IF cursor_state IS NULL AND since > there + interval '1 minute' THEN
        UPDATE @extschema@.labelstudio_projects p SET pulled_to = NULL WHERE p.id = project.id;
        next_cursor := jsonb_build_object('since', '1970-01-01 00:00:00+00'::timestamptz);
        RETURN;
    END IF;
    -- HTTP's Date has whole seconds, and was written while the request was under way.
    skew := CASE WHEN there > clock_timestamp() + interval '2 seconds' THEN there - clock_timestamp()
                 WHEN there < asked_at - interval '2 seconds' THEN there - asked_at ELSE '0' END;
    IF jsonb_path_exists(list, '$[*].annotations[*]') THEN
        people := @extschema@.tw_labelstudio_people(project.server_name);
    END IF;

    SELECT t.counted, least(t.locked_from, (cursor_state ->> 'locked_from')::timestamptz) INTO counted, locked_from
    FROM @extschema@.tw_labelstudio_take_in(project, list, skew, people) t;
    SELECT max((l.task ->> 'updated_at')::timestamptz) INTO upto FROM jsonb_array_elements(list) AS l (task);
    UPDATE @extschema@.labelstudio_projects p SET pulled_to = greatest(p.pulled_to, least(upto, there, locked_from))
        WHERE p.id = project.id;
    IF jsonb_array_length(list) >= size THEN
        -- A whole page with one time, after a bulk change, for example: a larger page gets past it.
        next_cursor := CASE WHEN upto > since THEN jsonb_build_object('since', upto)
                           ELSE jsonb_build_object('since', since, 'size', size * 2, 'one_by_one', one_by_one) END
                      || jsonb_build_object('locked_from', locked_from);
        IF size > 100000 THEN
            RAISE EXCEPTION USING
                ERRCODE = 'protocol_violation',
                MESSAGE = format('Label Studio (server "%s") lists the same changed tasks again and again',
                                 project.server_name),
                HINT = 'Does it obey the filter and the order that it is asked for? Is its version one that is '
                       'supported?';
        END IF;
    END IF;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_pull(@extschema@.labelstudio_projects, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_pull(@extschema@.labelstudio_projects, jsonb) IS
    'Takes in one page of changed tasks; next_cursor is the start of the next page, NULL after the last one';
