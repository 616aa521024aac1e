-- What retention may take: by the settings retain_..., and not what is still needed.

CREATE FUNCTION @extschema@.tw_retention_is_set() RETURNS boolean
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
RETURN (SELECT bool_or(@extschema@.training_setting(s.name) <> 'forever')
        FROM unnest('{retain_text,retain_conversations,retain_events,retain_job_runs,retain_evaluations}'::text[])
            AS s (name));
REVOKE ALL ON FUNCTION @extschema@.tw_retention_is_set() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_retention_is_set() IS 'Whether any setting retain_... is not forever';

-- The accuracy of what is live is estimated over the last 30 days (tw_accuracy_window), with weights that are counted
-- from all conversations of these days. So none of them is deleted; where retain_conversations is less, they are made
-- anonymous at that age, which leaves every estimate as it was.
CREATE FUNCTION @extschema@.tw_retention_limits(
    at timestamptz, OUT window_from date, OUT anonymise_before date, OUT erase_before date,
    OUT events_before timestamptz, OUT evaluations_before timestamptz)
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    now CONSTANT timestamptz := coalesce(at, clock_timestamp());
    today CONSTANT date := (now AT TIME ZONE @extschema@.training_setting('time_zone'))::date;
    text_days CONSTANT integer := nullif(@extschema@.training_setting('retain_text'), 'forever');
    days CONSTANT integer := nullif(@extschema@.training_setting('retain_conversations'), 'forever');
BEGIN
    window_from := today - @extschema@.tw_accuracy_window() + 1;
    erase_before := least(today - days, window_from);
    IF days IS NULL THEN
        erase_before := NULL;
    END IF;
    anonymise_before := greatest(today - text_days, CASE WHEN today - days > window_from THEN today - days END);
    events_before := now - make_interval(days => nullif(@extschema@.training_setting('retain_events'),
                                                        'forever')::integer);
    evaluations_before := now - make_interval(days => nullif(@extschema@.training_setting('retain_evaluations'),
                                                             'forever')::integer);
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_retention_limits(timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_retention_limits(timestamptz) IS
    'What the settings retain_... say at a time (NULL: now): conversations of days before anonymise_before are made '
    'anonymous, those of days before erase_before deleted, as are events and evaluations from before the other two; '
    'NULL = never. window_from: the first day of tw_accuracy_window()';

-- Called for at most some ten thousand ids: each is looked up in the indexes.
CREATE FUNCTION @extschema@.tw_kept_from_retention(ids bigint[], window_from date, OUT id bigint, OUT reason text)
    RETURNS SETOF record
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp SET jit = off
BEGIN ATOMIC
    SELECT k.id, k.reason
    FROM (
        SELECT c.id, CASE
            WHEN c.review_priority IS NOT NULL
                 OR EXISTS (SELECT FROM @extschema@.review_claims x
                            WHERE x.conversation_log_id = c.id AND x.expires_at >= clock_timestamp())
                 OR EXISTS (SELECT FROM @extschema@.blind_reviews x WHERE x.conversation_log_id = c.id)
                 OR EXISTS (SELECT FROM @extschema@.second_opinions x
                            WHERE x.conversation_log_id = c.id AND x.settled_at IS NULL)
                 OR EXISTS (SELECT FROM @extschema@.labelstudio_tasks x
                            WHERE x.conversation_log_id = c.id AND @extschema@.tw_task_is_unfinished(x.status))
            THEN 'waits for a person'
            WHEN EXISTS (SELECT FROM @extschema@.training_samples x
                         WHERE x.conversation_log_id = c.id AND x.split = 'test')
            THEN 'test set'
            WHEN c.is_audit AND c.created_on >= window_from THEN 'audit'
            -- As far back as tw_rollout_messages() looks.
            WHEN EXISTS (SELECT FROM @extschema@.rollouts x
                         WHERE x.status IN ('running', 'watching')
                           AND c.nlu_model_version IN (x.version, x.previous_version)
                           AND c.created_at >= x.started_at - interval '1 day')
            THEN 'rollout'
            WHEN EXISTS (SELECT FROM @extschema@.paired_evaluations x
                         WHERE x.status = 'running'
                           AND (c.id > CASE WHEN x.nodes_scored_to IS NULL THEN x.scored_to
                                            ELSE @extschema@.tw_position(x.scored_to || x.nodes_scored_to,
                                                                         @extschema@.tw_node_of(c.id)) END
                                OR EXISTS (SELECT FROM @extschema@.paired_disagreements y
                                           WHERE y.evaluation_id = x.id AND y.conversation_log_id = c.id)))
            THEN 'paired evaluation'
            WHEN EXISTS (SELECT FROM @extschema@.training_jobs x
                         WHERE x.status IN ('running', 'handed-in') AND c.id = ANY (x.pool))
            THEN 'training job'
        END AS reason
        FROM @extschema@.conversation_logs c
        WHERE c.id = ANY (ids)) k
    WHERE k.reason IS NOT NULL;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_kept_from_retention(bigint[], date) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_kept_from_retention(bigint[], date) IS
    'Which of these conversations retention leaves as they are, and why: waits for a person, test set, audit (drawn '
    'for it, from window_from on), rollout, paired evaluation, training job';

CREATE FUNCTION @extschema@.tw_take_from(ids bigint[], kept bigint[]) RETURNS bigint[]
    LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
RETURN ARRAY(SELECT i.id FROM unnest(ids) AS i (id)
             WHERE NOT EXISTS (SELECT FROM unnest(kept) AS k (id) WHERE k.id = i.id) ORDER BY i.id);
REVOKE ALL ON FUNCTION @extschema@.tw_take_from(bigint[], bigint[]) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_take_from(bigint[], bigint[]) IS 'The ids that are not among kept, in their order';

-- The next ids of a day. "id + 0" is no column of the primary key: that would be read from the smallest id of the day
-- to the largest, with all other days that lie between after an import.
CREATE FUNCTION @extschema@.tw_list_day(day date, mode text, after bigint, left_over bigint[], max_rows integer)
    RETURNS bigint[]
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp SET jit = off
BEGIN ATOMIC
    SELECT coalesce(array_agg(x.id ORDER BY x.id), '{}')
    FROM (SELECT l.id FROM (
              SELECT c.id FROM @extschema@.conversation_logs c
              WHERE left_over IS NULL AND c.created_on = day AND c.id + 0 > after
                AND (mode = 'erase' OR c.anonymised_at IS NULL)
              UNION ALL
              SELECT c.id FROM @extschema@.conversation_logs c
              WHERE c.id = ANY (left_over) AND c.id > after AND (mode = 'erase' OR c.anonymised_at IS NULL)) l
          ORDER BY l.id LIMIT max_rows) x;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_list_day(date, text, bigint, bigint[], integer) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_list_day(date, text, bigint, bigint[], integer) IS
    'Conversations of a day with a larger id than after, at most max_rows, that an erasure of this mode has to look '
    'at; where left_over is not NULL, only those among it';

CREATE FUNCTION @extschema@.tw_next_day(mode text, after date, before date, OUT day date, OUT left_over bigint[])
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    -- One entry of the index for each day, and not each conversation.
    day := after;
    LOOP
        day := (SELECT min(c.created_on) FROM @extschema@.conversation_logs c
                WHERE c.created_on > coalesce(day, '-infinity') AND c.created_on < before);
        left_over := NULL;
        EXIT WHEN day IS NULL OR mode = 'erase';
        left_over := (SELECT s.left_over FROM @extschema@.daily_statistics s WHERE s.date = day AND s.is_final);
        -- Nothing of the day is left to make anonymous.
        EXIT WHEN left_over IS DISTINCT FROM '{}';
    END LOOP;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_next_day(text, date, date) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_next_day(text, date, date) IS
    'The next day after one (NULL: the first) and before another that an erasure of this mode has to look at, and '
    'what an earlier run left of it (NULL: the whole day); NULLs after the last one';
