-- From an annotation to a verdict.

CREATE FUNCTION @extschema@.tw_labelstudio_answers(result jsonb, name text) RETURNS text[]
    LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT array_agg(btrim(v.answer, E' \t\n\r\f\x0B') ORDER BY r.n,
                                                              v.n) FILTER (WHERE NOT @extschema@.tw_is_blank(v.answer))
    FROM jsonb_array_elements(CASE jsonb_typeof(result) WHEN 'array' THEN result
                                   ELSE '[]' END) WITH ORDINALITY AS r (item, n)
    CROSS JOIN LATERAL (SELECT coalesce(r.item -> 'value' -> 'choices', r.item -> 'value' -> 'text') AS value) g
    CROSS JOIN LATERAL jsonb_array_elements_text(CASE jsonb_typeof(g.value) WHEN 'array' THEN g.value
                                                      WHEN 'string' THEN jsonb_build_array(g.value) ELSE '[]' END)
        WITH ORDINALITY AS v (answer, n)
    WHERE r.item ->> 'from_name' = name;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_answers(jsonb, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_answers(jsonb, text) IS
    'The values of an annotation''s result for one control (choices or text), trimmed, without blank ones; NULL where '
    'there are none';

CREATE FUNCTION @extschema@.tw_labelstudio_record(
    task @extschema@.labelstudio_tasks, verdict text, intent text, entities jsonb, reason text, note text,
    reviewer_name text, given jsonb) RETURNS void
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    until CONSTANT timestamptz := clock_timestamp() + interval '1 minute';
BEGIN
    -- The task is the annotator's claim: feedback that came after it still has to be reviewed.
    IF task.sample_id IS NULL THEN
        INSERT INTO @extschema@.review_claims AS k (conversation_log_id, reviewer, claimed_at, expires_at)
        VALUES (task.conversation_log_id, reviewer_name, task.claimed_at, until)
        ON CONFLICT (conversation_log_id) DO UPDATE SET reviewer = excluded.reviewer, claimed_at = excluded.claimed_at,
                                                        expires_at = excluded.expires_at;
        PERFORM @extschema@.tw_record_verdict(ARRAY[task.conversation_log_id], verdict, intent, entities, reason, note,
                                              reviewer_name, given);
    ELSE
        INSERT INTO @extschema@.review_claims AS k (sample_id, reviewer, claimed_at, expires_at)
        VALUES (task.sample_id, reviewer_name, task.claimed_at, until)
        ON CONFLICT (sample_id) DO UPDATE SET reviewer = excluded.reviewer, claimed_at = excluded.claimed_at,
                                              expires_at = excluded.expires_at;
        PERFORM @extschema@.tw_record_sample_verdict(ARRAY[task.sample_id], verdict, intent, entities, reason, note,
                                                     reviewer_name, given);
    END IF;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_record(
    @extschema@.labelstudio_tasks, text, text, jsonb, text, text, text, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_record(
    @extschema@.labelstudio_tasks, text, text, jsonb, text, text, text, jsonb) IS
    'Gives the verdict of an annotation, in the annotator''s name, to the conversation or the sample of a task';

CREATE FUNCTION @extschema@.tw_labelstudio_judge(
    task @extschema@.labelstudio_tasks, annotation jsonb, reviewer_name text, given jsonb) RETURNS text
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    c @extschema@.conversation_logs;
    result CONSTANT jsonb := annotation -> 'result';
    verdicts text[] := @extschema@.tw_labelstudio_answers(result, 'verdict');
    intent text := coalesce((@extschema@.tw_labelstudio_answers(result, 'new_intent'))[1],
                            (@extschema@.tw_labelstudio_answers(result, 'intent'))[1]);
    reason text := coalesce((@extschema@.tw_labelstudio_answers(result, 'reject_reason'))[1], 'unclear');
    chosen text;
    note text := array_to_string(@extschema@.tw_labelstudio_answers(result, 'note'), E'\n');
    spans jsonb;
    entities jsonb;
BEGIN
    c := @extschema@.tw_task_subject(task);
    spans := @extschema@.tw_labelstudio_spans(result, char_length(c.user_message));
    -- Where two models disagree, the verdict is one of the answers, or a word for none of them.
    IF cardinality(verdicts) = 1 AND NOT @extschema@.tw_is_verdict(verdicts[1])
       AND EXISTS (SELECT FROM @extschema@.blind_reviews b,
                               jsonb_array_elements(@extschema@.tw_labelstudio_verdicts(b.suggestions, true)) o
                   -- The task may show the former name of an intent that was renamed since.
                   WHERE b.conversation_log_id = task.conversation_log_id
                     AND @extschema@.tw_resolve_intent(o ->> 'value') = @extschema@.tw_resolve_intent(verdicts[1])) THEN
        chosen := verdicts[1];
        verdicts[1] := CASE WHEN chosen IN ('unclear', 'no such intent', 'no answer') THEN 'reject' ELSE 'fix' END;
        reason := CASE chosen WHEN 'unclear' THEN 'unclear' ELSE 'no-such-intent' END;
        intent := CASE WHEN chosen = 'another intent' THEN intent ELSE chosen END;
    END IF;
    IF cardinality(verdicts) IS DISTINCT FROM 1 OR NOT @extschema@.tw_is_verdict(verdicts[1])
       OR reason NOT IN ('unclear', 'no-such-intent') THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = 'the annotation has no verdict, or more than one',
            HINT = 'Choose one of the verdicts that the task offers.';
    END IF;
    -- Without a prediction, the annotator was not shown any spans: missing ones mean nothing.
    IF spans <> task.spans AND (spans <> '[]' OR jsonb_typeof(annotation -> 'parent_prediction') = 'number') THEN
        entities := @extschema@.tw_entities_of_spans(
            spans, @extschema@.tw_fitting_entities(c.nlu_entities, c.user_message),
            @extschema@.tw_sample_text(c.user_message));
        -- An approved intent with changed spans is a fix to the same intent.
        IF verdicts[1] = 'approve' AND NOT @extschema@.tw_is_blank(c.nlu_intent) THEN
            verdicts[1] := 'fix';
            intent := c.nlu_intent;
        END IF;
        intent := coalesce(intent, CASE WHEN chosen IS NULL THEN c.nlu_intent END);
    END IF;
    PERFORM @extschema@.tw_labelstudio_record(task, verdicts[1],
        CASE WHEN verdicts[1] = 'fix' THEN intent END, CASE WHEN verdicts[1] = 'fix' THEN entities END,
        CASE WHEN verdicts[1] = 'reject' THEN reason END, nullif(note, ''), reviewer_name, given);
    RETURN verdicts[1];
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_judge(@extschema@.labelstudio_tasks, jsonb, text, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_judge(@extschema@.labelstudio_tasks, jsonb, text, jsonb) IS
    'Records the verdict of an annotation, in the annotator''s name, and returns it; an approval with changed spans '
    'is a fix to the same intent. Raises 22023 for an annotation that is no verdict, and as approve_, fix_ and '
    'reject_conversation() do';

CREATE FUNCTION @extschema@.tw_labelstudio_withdraw(
    project @extschema@.labelstudio_projects, task @extschema@.labelstudio_tasks, given_at timestamptz,
    why text) RETURNS boolean
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    newest @extschema@.review_events;
    given jsonb;
BEGIN
    newest := @extschema@.tw_newest_verdict(task.conversation_log_id, task.sample_id);
    -- A newer verdict stands, whoever gave it.
    IF newest.id IS NULL OR newest.action IN ('withdraw', 'relabel')
       OR (newest.details -> 'labelstudio' -> 'project', newest.details -> 'labelstudio' -> 'task')
          IS DISTINCT FROM (to_jsonb(project.project_id), to_jsonb(task.task_id))
       OR (@extschema@.tw_task_subject(task)).id IS NULL THEN
        RETURN false;
    END IF;
    given := jsonb_build_object('labelstudio', jsonb_build_object('project', project.project_id, 'task', task.task_id,
                                                                  'given_at', given_at));
    IF task.sample_id IS NULL THEN
        PERFORM @extschema@.tw_withdraw_verdict(task.conversation_log_id, why, newest.reviewer, given);
    ELSE
        PERFORM @extschema@.tw_withdraw_sample_verdict(task.sample_id, why, newest.reviewer, given);
    END IF;
    RETURN true;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_withdraw(
    @extschema@.labelstudio_projects, @extschema@.labelstudio_tasks, timestamptz, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_withdraw(
    @extschema@.labelstudio_projects, @extschema@.labelstudio_tasks, timestamptz, text) IS
    'Withdraws the newest verdict on a conversation or sample if it came from this task; returns whether it did';
