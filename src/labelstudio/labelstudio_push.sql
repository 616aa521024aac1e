-- Pushing: claim a batch, commit, import it, look it up, record it, commit. After any failure, the next run looks up
-- which tasks of the batch Label Studio has before it sends anything again.

-- The rows are locked by now: a new snapshot shows whether they were claimed just before.
CREATE FUNCTION @extschema@.tw_labelstudio_hold(ids bigint[], project bigint, run bigint, batch uuid) RETURNS bigint
    LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH held AS (
        INSERT INTO @extschema@.labelstudio_tasks (project, conversation_log_id, batch_id, run_id, spans)
        SELECT tw_labelstudio_hold.project, c.id, batch, run,
               @extschema@.tw_entity_spans(@extschema@.tw_sample_entities(c.nlu_entities, c.user_message),
                                           char_length(c.user_message))
        FROM unnest(ids) WITH ORDINALITY AS i (id, n)
        JOIN @extschema@.conversation_logs c ON c.id = i.id
        WHERE NOT EXISTS (SELECT FROM @extschema@.review_claims k
                          WHERE k.conversation_log_id = c.id AND k.expires_at > clock_timestamp())
        ORDER BY i.n
        ON CONFLICT DO NOTHING
        RETURNING id
    )
    SELECT count(*) FROM held;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_hold(bigint[], bigint, bigint, uuid) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_hold(bigint[], bigint, bigint, uuid) IS
    'Adds the outbox rows of locked conversations, in this order, except those claimed since; returns how many';

CREATE FUNCTION @extschema@.tw_labelstudio_claim(
    project @extschema@.labelstudio_projects, run bigint, max_tasks integer, audited boolean, batch uuid) RETURNS bigint
    LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH own_modules AS MATERIALIZED (
        SELECT o.module_type FROM @extschema@.labelstudio_projects o WHERE o.is_active AND o.module_type IS NOT NULL
    ), next AS (
        SELECT c.id
        FROM @extschema@.conversation_logs c
        LEFT JOIN @extschema@.audited_versions a ON a.model_version = c.nlu_model_version AND c.created_at >= a.since
            AND c.created_at < a.until
        CROSS JOIN LATERAL (SELECT @extschema@.tw_module_type(c.nlu_module_type, c.nlu_intent) AS module_type) m
        WHERE c.review_priority IS NOT NULL AND (c.is_audit IS TRUE) = audited
          -- No other message can become a sample, whatever an import says; and very long ones cannot be reviewed.
          AND @extschema@.tw_is_learnable(c.message_type, c.user_message)
          AND NOT @extschema@.tw_is_too_long(65536, c.user_message, c.nlu_intent, c.nlu_module_type,
              c.message_language, NULL::text, c.nlu_entities)
          AND ((project).module_type = m.module_type
               OR (project).module_type IS NULL AND (m.module_type IS NULL
                                                     OR m.module_type NOT IN (SELECT o.module_type FROM own_modules o)))
          AND NOT EXISTS (SELECT FROM @extschema@.review_claims k
                          WHERE k.conversation_log_id = c.id AND k.expires_at > clock_timestamp())
          AND NOT EXISTS (SELECT FROM @extschema@.labelstudio_tasks t
                          WHERE t.conversation_log_id = c.id AND @extschema@.tw_task_holds(t.status))
        -- Disagreements of two models come first. Audited rows are in order of arrival, or the reviewed part of the
        -- audit would not be a random sample; those that a rollout waits for come first. The rest is in the order of
        -- training_queue.
        ORDER BY c.review_reason IS DISTINCT FROM 'model disagreement',
                 CASE WHEN audited THEN a.model_version IS NULL END, CASE WHEN NOT audited THEN c.review_priority END,
                 CASE WHEN NOT audited THEN c.nlu_confidence END NULLS FIRST,
                 c.created_at, c.id
        LIMIT max_tasks
        FOR UPDATE OF c SKIP LOCKED
    )
    SELECT @extschema@.tw_labelstudio_hold(array_agg(n.id), (project).id, run, batch) FROM next n;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_claim(
    @extschema@.labelstudio_projects, bigint, integer, boolean, uuid) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_claim(
    @extschema@.labelstudio_projects, bigint, integer, boolean, uuid) IS
    'Claims conversations, audited or others, for a batch, up to a limit: those that wait, belong to the project, and '
    'are neither claimed in SQL nor pushed already; returns how many';

CREATE FUNCTION @extschema@.tw_labelstudio_hold_samples(ids bigint[], project bigint, run bigint, batch uuid)
    RETURNS bigint
    LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH held AS (
        INSERT INTO @extschema@.labelstudio_tasks (project, sample_id, batch_id, run_id, spans)
        SELECT tw_labelstudio_hold_samples.project, s.id, batch, run,
               @extschema@.tw_entity_spans(@extschema@.tw_sample_entities(s.entities), char_length(s.text))
        FROM unnest(ids) WITH ORDINALITY AS i (id, n)
        JOIN @extschema@.training_samples s ON s.id = i.id
        WHERE NOT EXISTS (SELECT FROM @extschema@.review_claims k
                          WHERE k.sample_id = s.id AND k.expires_at > clock_timestamp())
        ORDER BY i.n
        ON CONFLICT DO NOTHING
        RETURNING id
    )
    SELECT count(*) FROM held;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_hold_samples(bigint[], bigint, bigint, uuid) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_hold_samples(bigint[], bigint, bigint, uuid) IS
    'Adds the outbox rows of locked samples without a conversation, in this order, except those claimed since; returns '
    'how many';

CREATE FUNCTION @extschema@.tw_labelstudio_claim_samples(
    project @extschema@.labelstudio_projects, run bigint, max_tasks integer, batch uuid) RETURNS bigint
    LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH own_modules AS MATERIALIZED (
        SELECT o.module_type FROM @extschema@.labelstudio_projects o WHERE o.is_active AND o.module_type IS NOT NULL
    ), next AS (
        SELECT s.id
        FROM @extschema@.training_samples s
        WHERE s.review_priority IS NOT NULL AND NOT @extschema@.tw_is_blank(s.text)
          AND NOT @extschema@.tw_is_too_long(65536, s.text, s.intent, s.module_type, s.language, NULL::text, s.entities)
          AND ((project).module_type = s.module_type
               OR (project).module_type IS NULL AND (s.module_type IS NULL
                                                     OR s.module_type NOT IN (SELECT o.module_type FROM own_modules o)))
          AND NOT EXISTS (SELECT FROM @extschema@.review_claims k
                          WHERE k.sample_id = s.id AND k.expires_at > clock_timestamp())
          AND NOT EXISTS (SELECT FROM @extschema@.labelstudio_tasks t
                          WHERE t.sample_id = s.id AND @extschema@.tw_task_holds(t.status))
        ORDER BY s.review_priority, s.quality_score NULLS FIRST, s.created_at, s.conversation_log_id, s.id
        LIMIT max_tasks
        FOR UPDATE OF s SKIP LOCKED
    )
    SELECT @extschema@.tw_labelstudio_hold_samples(array_agg(n.id), (project).id, run, batch) FROM next n;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_claim_samples(
    @extschema@.labelstudio_projects, bigint, integer, uuid) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_claim_samples(
    @extschema@.labelstudio_projects, bigint, integer, uuid) IS
    'Claims samples without a conversation for a batch, up to a limit, as tw_labelstudio_claim() does; returns how '
    'many';

CREATE FUNCTION @extschema@.tw_labelstudio_claim_batch(project @extschema@.labelstudio_projects, run bigint)
    RETURNS bigint
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    batch CONSTANT uuid := gen_random_uuid();
    room integer;
    taken bigint;
BEGIN
    -- Locked until the claim is committed: a project retired in the meantime gets no more tasks.
    SELECT least(100, p.max_open_tasks - (
        SELECT count(*) FROM @extschema@.labelstudio_tasks t
        WHERE t.project = p.id AND @extschema@.tw_task_is_shown(t.status))) INTO room
    FROM @extschema@.labelstudio_projects p WHERE p.id = project.id AND p.is_active FOR SHARE;
    IF coalesce(room, 0) <= 0 THEN
        RETURN 0;
    END IF;
    taken := @extschema@.tw_labelstudio_claim_opinions(project, run, floor(room / 10.0 + random())::integer, batch);
    -- At most half of every batch, and a quarter for samples; where nothing else waits, these get the rest.
    taken := taken + @extschema@.tw_labelstudio_claim(project, run,
        least(floor(room / 2.0 + random())::integer, room - taken::integer), true, batch);
    taken := taken + @extschema@.tw_labelstudio_claim_samples(project, run,
        least(floor(room / 4.0 + random())::integer, room - taken::integer), batch);
    taken := taken + @extschema@.tw_labelstudio_claim(project, run, room - taken::integer, false, batch);
    taken := taken + @extschema@.tw_labelstudio_claim_samples(project, run, room - taken::integer, batch);
    RETURN taken + @extschema@.tw_labelstudio_claim(project, run, room - taken::integer, true, batch);
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_claim_batch(@extschema@.labelstudio_projects, bigint) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_claim_batch(@extschema@.labelstudio_projects, bigint) IS
    'Claims the next batch of a project: second opinions for a tenth of it, audited rows for up to half, in order of '
    'arrival (those that a rollout waits for first), samples without a conversation for up to a quarter, then by '
    'priority, within max_open_tasks; returns how many';

CREATE FUNCTION @extschema@.tw_labelstudio_record_batch(project @extschema@.labelstudio_projects, batch uuid)
    RETURNS bigint
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    list jsonb;
    recorded bigint;
BEGIN
    SELECT l.tasks INTO list FROM @extschema@.tw_labelstudio_list(project,
        jsonb_build_array(@extschema@.tw_labelstudio_filter('data.batch_id', 'equal', 'String', to_jsonb(batch))),
        'id', 'id,meta', 'task_only', 1000, 'look up a batch') l;
    -- Of duplicates, the first one counts; the sweep deletes the other.
    UPDATE @extschema@.labelstudio_tasks t
    SET status = 'open', task_id = f.task_id, pushed_at = clock_timestamp()
    FROM (SELECT min((l.task ->> 'id')::bigint) AS task_id,
                 @extschema@.tw_labelstudio_external_id(l.task) AS external_id
          FROM jsonb_array_elements(list) AS l (task) GROUP BY 2) f
    WHERE t.batch_id = batch AND t.status = 'claimed' AND t.external_id = f.external_id;
    GET DIAGNOSTICS recorded = ROW_COUNT;
    RETURN recorded;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_record_batch(@extschema@.labelstudio_projects, uuid) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_record_batch(@extschema@.labelstudio_projects, uuid) IS
    'Looks up which tasks of a batch Label Studio has, records their numbers, and returns how many';

CREATE FUNCTION @extschema@.tw_labelstudio_settle(project @extschema@.labelstudio_projects, run bigint) RETURNS jsonb
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    patience CONSTANT interval := make_interval(secs => @extschema@.tw_labelstudio_import_timeout(project.server_name));
    batch record;
    recorded bigint := 0;
    released bigint := 0;
    waiting bigint := 0;
    found bigint;
BEGIN
    -- A refused task may be tried again after a day, unless its subject was judged since.
    UPDATE @extschema@.labelstudio_tasks t SET status = 'closed', finished_at = clock_timestamp()
    WHERE t.project = tw_labelstudio_settle.project.id AND t.status = 'refused'
      AND (t.finished_at < clock_timestamp() - interval '1 day'
           OR NOT @extschema@.tw_task_is_wanted(t.conversation_log_id, t.sample_id, t.claimed_at));
    UPDATE @extschema@.labelstudio_tasks t SET status = 'superseded', finished_at = clock_timestamp()
    WHERE t.project = tw_labelstudio_settle.project.id AND t.status = 'unusable'
      AND NOT @extschema@.tw_task_is_wanted(t.conversation_log_id, t.sample_id, t.claimed_at);
    FOR batch IN
        SELECT t.batch_id, max(t.claimed_at) AS claimed_at, count(*) AS size FROM @extschema@.labelstudio_tasks t
        WHERE t.project = tw_labelstudio_settle.project.id AND t.status = 'claimed' AND t.run_id IS DISTINCT FROM run
        GROUP BY t.batch_id ORDER BY 2
    LOOP
        found := @extschema@.tw_labelstudio_record_batch(project, batch.batch_id);
        recorded := recorded + found;
        IF found > 0 OR batch.claimed_at + patience < clock_timestamp() THEN
            -- An import is atomic: a missing task was not imported.
            DELETE FROM @extschema@.labelstudio_tasks t WHERE t.batch_id = batch.batch_id AND t.status = 'claimed';
            released := released + batch.size - found;
        ELSE
            -- Label Studio may still be processing the import.
            waiting := waiting + batch.size;
        END IF;
    END LOOP;
    RETURN jsonb_build_object('recorded late', recorded, 'released', released, 'uncertain', waiting);
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_settle(@extschema@.labelstudio_projects, bigint) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_settle(@extschema@.labelstudio_projects, bigint) IS
    'Resolves batches whose result earlier runs did not see: recorded where Label Studio has them, free to be claimed '
    'again where it does not and import_timeout has passed. Returns counts';

CREATE FUNCTION @extschema@.tw_labelstudio_refused(project @extschema@.labelstudio_projects, batch uuid, reply jsonb)
    RETURNS jsonb
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    -- One entry for each task, in order: an empty object for a valid one. The text is not stored: it quotes the task.
    entries jsonb := CASE jsonb_typeof(reply -> 'validation_errors' -> 'non_field_errors')
                     WHEN 'array' THEN reply -> 'validation_errors' -> 'non_field_errors' ELSE '[]' END;
    size bigint := (SELECT count(*) FROM @extschema@.labelstudio_tasks t
                    WHERE t.batch_id = batch AND t.status = 'claimed');
    named bigint := (SELECT count(*) FROM jsonb_array_elements(entries) AS e (entry)
                     WHERE jsonb_typeof(e.entry) = 'string');
    accepted_at timestamptz := coalesce((SELECT max(t.pushed_at) FROM @extschema@.labelstudio_tasks t
                                         WHERE t.project = tw_labelstudio_refused.project.id), '-infinity');
    refused bigint := 0;
    released bigint := 0;
BEGIN
    IF size = 1 OR named > 0 AND named < size THEN
        UPDATE @extschema@.labelstudio_tasks t
        SET status = 'refused', finished_at = clock_timestamp(), error_code = '22023',
            error_message = 'Label Studio refused the task'
        FROM (SELECT c.id, row_number() OVER (ORDER BY c.id) AS n
              FROM @extschema@.labelstudio_tasks c WHERE c.batch_id = batch AND c.status = 'claimed') o
        WHERE t.id = o.id AND (size = 1 OR jsonb_typeof(entries -> (o.n - 1)::integer) = 'string');
        GET DIAGNOSTICS refused = ROW_COUNT;
    END IF;
    -- Several refused single tasks in a row point to a change of the project; they are sent again when that is
    -- corrected.
    IF size = 1 AND (SELECT count(*) FROM @extschema@.labelstudio_tasks t
                     WHERE t.project = tw_labelstudio_refused.project.id AND t.status = 'refused'
                       AND t.finished_at > accepted_at) > 3 THEN
        DELETE FROM @extschema@.labelstudio_tasks t
        WHERE t.project = tw_labelstudio_refused.project.id AND t.status = 'refused' AND t.finished_at > accepted_at;
        RETURN jsonb_build_object('error_code', '22023', 'error_message',
            format('Label Studio (server "%s") refuses the tasks of project %s: was its labelling interface changed?',
                   project.server_name, project.project_id));
    END IF;
    IF refused = 0 THEN
        -- Label Studio named no task, or all of them, perhaps for another reason: half of the batch is sent alone, the
        -- rest is claimed again later.
        DELETE FROM @extschema@.labelstudio_tasks t
        USING (SELECT c.id, row_number() OVER (ORDER BY c.id) AS n
               FROM @extschema@.labelstudio_tasks c WHERE c.batch_id = batch AND c.status = 'claimed') o
        WHERE t.id = o.id AND o.n > size / 2;
        GET DIAGNOSTICS released = ROW_COUNT;
    END IF;
    RETURN jsonb_build_object('refused', refused, 'released', released);
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_refused(@extschema@.labelstudio_projects, uuid, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_refused(@extschema@.labelstudio_projects, uuid, jsonb) IS
    'After HTTP 400 or 413: marks the tasks that Label Studio refused, or halves the batch where it names none; the '
    'rest stays claimed, to be sent again. Several refused single tasks in a row are an error that ends the push';

CREATE FUNCTION @extschema@.tw_labelstudio_import(project @extschema@.labelstudio_projects, batch uuid) RETURNS jsonb
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    payload jsonb;
    answered integer := 0;
    answer jsonb;
    recorded bigint;
    code text;
    message text;
BEGIN
    -- Some may have been judged or deleted since the claim.
    UPDATE @extschema@.labelstudio_tasks t SET status = 'closed', finished_at = clock_timestamp()
    WHERE t.batch_id = batch AND t.status = 'claimed'
      AND NOT @extschema@.tw_task_is_wanted(t.conversation_log_id, t.sample_id, t.claimed_at);
    payload := @extschema@.tw_labelstudio_payload(batch);
    IF payload IS NULL THEN
        RETURN '{}';
    END IF;
    BEGIN
        SELECT r.status, r.reply INTO answered, answer
        FROM @extschema@.tw_labelstudio_request(project.server_name, 'POST',
            format('/api/projects/%s/import', project.project_id),
            ARRAY['return_task_ids', 'true', 'commit_to_project', 'true'],
            payload::text, true) r;
        IF answered NOT BETWEEN 200 AND 299 AND answered NOT IN (400, 413) THEN
            PERFORM @extschema@.tw_labelstudio_refuse(project.server_name, 'import tasks', answered);
        END IF;
    EXCEPTION WHEN OTHERS THEN
        GET STACKED DIAGNOSTICS code = RETURNED_SQLSTATE, message = MESSAGE_TEXT;
        -- Refused (but 408 may come after the import), or never sent: Label Studio has none of it, and no lookup is
        -- needed.
        IF answered BETWEEN 400 AND 499 AND answered <> 408
           OR answered = 0 AND (code = '08001' OR left(code, 2) IN ('22', '28', '42')) THEN
            DELETE FROM @extschema@.labelstudio_tasks t WHERE t.batch_id = batch AND t.status = 'claimed';
            RETURN jsonb_build_object('error_code', code, 'error_message', message);
        END IF;
        RAISE;
    END;
    IF answered IN (400, 413) THEN
        RETURN @extschema@.tw_labelstudio_refused(project, batch, answer);
    END IF;
    -- The numbers in the answer are not used: a task is identified by its external id.
    recorded := @extschema@.tw_labelstudio_record_batch(project, batch);
    -- Only rows that are still claimed: labelstudio_retire_project() may have closed some since.
    IF EXISTS (SELECT FROM @extschema@.labelstudio_tasks t WHERE t.batch_id = batch AND t.status = 'claimed') THEN
        RETURN jsonb_build_object('pushed', recorded, 'error_code', '08P01', 'error_message',
            format('Label Studio (server "%s") has %s of %s tasks that it said it imported', project.server_name,
                   recorded, jsonb_array_length(payload)));
    END IF;
    RETURN jsonb_build_object('pushed', recorded);
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_import(@extschema@.labelstudio_projects, uuid) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_import(@extschema@.labelstudio_projects, uuid) IS
    'Imports a batch that this run claimed and nobody has sent yet, looks it up and records it; returns counts, with '
    'error_code and error_message where it was not imported. After any other error the batch stays claimed: Label '
    'Studio may have it';
