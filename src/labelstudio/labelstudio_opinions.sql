-- Second opinions in Label Studio: a conversation that was judged is pushed once more, as a new task.

-- Label Studio may show a task to anybody. So one goes there only while somebody else has judged there in the last 90
-- days, and once for each opinion that is asked for: if the first person answers it again, that is a change of the own
-- verdict, and the opinion is left to claim_reviews(): whoever opens that task now sees the answer.
CREATE FUNCTION @extschema@.tw_labelstudio_claim_opinions(
    project @extschema@.labelstudio_projects, run bigint, max_tasks integer, batch uuid) RETURNS bigint
    LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH own_modules AS MATERIALIZED (
        SELECT o.module_type FROM @extschema@.labelstudio_projects o WHERE o.is_active AND o.module_type IS NOT NULL
    ), people AS MATERIALIZED (
        SELECT DISTINCT e.reviewer FROM @extschema@.review_events e
        WHERE e.details ? 'labelstudio' AND e.created_at > now() - interval '90 days'
          AND EXISTS (SELECT FROM @extschema@.second_opinions o WHERE o.settled_at IS NULL)
    ), next AS (
        SELECT c.id
        FROM @extschema@.second_opinions o
        JOIN @extschema@.conversation_logs c ON c.id = o.conversation_log_id
        CROSS JOIN LATERAL (SELECT @extschema@.tw_module_type(c.nlu_module_type, c.nlu_intent) AS module_type) m
        WHERE @extschema@.tw_opinion_is_asked(o.status) AND o.settled_at IS NULL AND c.review_priority IS NULL
          AND EXISTS (SELECT FROM people p
                      WHERE p.reviewer <> o.first_reviewer AND p.reviewer IS DISTINCT FROM o.second_reviewer)
          AND @extschema@.tw_is_learnable(c.message_type, c.user_message)
          AND NOT @extschema@.tw_is_too_long(65536, c.user_message, c.nlu_intent, c.nlu_module_type,
              c.message_language, NULL::text, c.nlu_entities)
          AND ((project).module_type = m.module_type
               OR (project).module_type IS NULL AND (m.module_type IS NULL
                                                     OR m.module_type NOT IN (SELECT x.module_type FROM own_modules x)))
          AND NOT EXISTS (SELECT FROM @extschema@.review_claims k
                          WHERE k.conversation_log_id = c.id AND k.expires_at > clock_timestamp())
          AND NOT EXISTS (SELECT FROM @extschema@.labelstudio_tasks t
                          WHERE t.conversation_log_id = c.id
                            AND (@extschema@.tw_task_holds(t.status)
                                 OR t.claimed_at >= o.waiting_since AND t.status NOT IN ('superseded', 'closed')))
        ORDER BY o.waiting_since, c.id
        LIMIT max_tasks
        FOR UPDATE OF c, o SKIP LOCKED
    )
    SELECT @extschema@.tw_labelstudio_hold(array_agg(n.id), (project).id, run, batch) FROM next n;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_claim_opinions(
    @extschema@.labelstudio_projects, bigint, integer, uuid) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_claim_opinions(
    @extschema@.labelstudio_projects, bigint, integer, uuid) IS
    'Claims conversations that wait for a second or third opinion for a batch, up to a limit: those of the project '
    'that somebody else can judge in Label Studio; returns how many';
