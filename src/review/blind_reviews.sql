-- Blind reviews: reviewers who compare two answers are not told which model gave which. Reviewers who see the live
-- model's answer first tend to choose it: if that happens 15 % of the time, two of three equally good challengers are
-- judged worse (simulated).

-- No SET search_path: it would prevent inlining.
CREATE FUNCTION @extschema@.tw_shown_beside(value text, review_reason text) RETURNS text
    LANGUAGE sql STABLE PARALLEL SAFE
-- Either would reveal which answer was given.
RETURN CASE WHEN review_reason IS DISTINCT FROM 'model disagreement' AND btrim(value, E' \t\n\r\f\x0B') <> ''
            THEN @extschema@.tw_shown_text(value, true) END;
REVOKE ALL ON FUNCTION @extschema@.tw_shown_beside(text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_shown_beside(text, text) IS
    'The user''s correction, or the reply, as a reviewer sees it beside the message: redacted and cut like that. NULL '
    'where there is none, or only white space, and in a blind review (review_reason model disagreement)';

-- Skipped, until the next call: rows that are locked, and rows whose answer a reviewer has already been shown (claimed,
-- in Label Studio, or judged).
CREATE FUNCTION @extschema@.tw_ask_blindly(ids bigint[], firsts text[], seconds text[], OUT asked bigint[])
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    WITH locked AS MATERIALIZED (
        SELECT c.id, c.review_status, c.review_priority, c.review_reason
        FROM @extschema@.conversation_logs c
        WHERE c.id = ANY (ids) AND @extschema@.tw_is_unjudged(c.review_status) AND c.anonymised_at IS NULL
          AND c.review_reason IS DISTINCT FROM 'user correction'
          AND c.review_reason IS DISTINCT FROM 'negative feedback'
          AND NOT EXISTS (SELECT FROM @extschema@.review_events e
                          WHERE e.conversation_log_id = c.id AND @extschema@.tw_is_persons_word(e.action))
          AND NOT EXISTS (SELECT FROM @extschema@.review_claims k
                          WHERE k.conversation_log_id = c.id AND k.expires_at > clock_timestamp())
          AND NOT EXISTS (SELECT FROM @extschema@.labelstudio_tasks t
                          WHERE t.conversation_log_id = c.id AND @extschema@.tw_task_is_shown(t.status))
        ORDER BY c.id
        FOR UPDATE OF c SKIP LOCKED
    ), written AS (
        INSERT INTO @extschema@.blind_reviews (conversation_log_id, suggestions, previous_priority, previous_reason)
        SELECT l.id, ARRAY[coalesce(s.first, ''), coalesce(s.second, '')], l.review_priority, l.review_reason
        FROM locked l JOIN unnest(ids, firsts, seconds) AS s (id, first, second) ON s.id = l.id
        ON CONFLICT DO NOTHING
        RETURNING conversation_log_id
    ), event AS (
        INSERT INTO @extschema@.review_events (conversation_log_id, action, from_status, to_status, review_priority,
                                               review_reason, reviewer, calling_role)
        SELECT l.id, 'disagreement', l.review_status, l.review_status, l.review_priority, l.review_reason,
               @extschema@.tw_calling_role(), @extschema@.tw_calling_role()
        FROM locked l JOIN written w ON w.conversation_log_id = l.id
    ), queued AS (
        UPDATE @extschema@.conversation_logs c SET review_priority = 1, review_reason = 'model disagreement'
        FROM written w WHERE c.id = w.conversation_log_id
        RETURNING c.id
    )
    SELECT coalesce(array_agg(q.id), '{}') INTO asked FROM queued q;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_ask_blindly(bigint[], text[], text[]) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_ask_blindly(bigint[], text[], text[]) IS
    'Queues conversations with priority 1 and the reason model disagreement, each with two suggestions in the given '
    'order; returns the ids of those it queued';

CREATE FUNCTION @extschema@.tw_withdraw_blind(ids bigint[]) RETURNS bigint
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    held bigint[];
    released bigint;
BEGIN
    -- Locked rows are left to tw_withdraw_left_blind().
    held := ARRAY(SELECT c.id FROM @extschema@.conversation_logs c WHERE c.id IN (SELECT unnest(ids)) ORDER BY c.id
        FOR UPDATE OF c SKIP LOCKED);
    UPDATE @extschema@.conversation_logs c SET review_priority = b.previous_priority, review_reason = b.previous_reason
    FROM @extschema@.blind_reviews b
    WHERE c.id IN (SELECT unnest(held)) AND b.conversation_log_id = c.id AND c.review_priority IS NOT NULL
        AND c.review_reason = 'model disagreement';
    GET DIAGNOSTICS released = ROW_COUNT;
    -- Two kinds of rows stay: those with a choice already made, and those with an open task, whose answer is yet to be
    -- read.
    DELETE FROM @extschema@.blind_reviews b
    WHERE b.conversation_log_id = ANY (ids)
      AND b.conversation_log_id NOT IN (SELECT c.id FROM @extschema@.conversation_logs c WHERE c.id = ANY (ids)
          EXCEPT SELECT unnest(held))
      AND NOT EXISTS (SELECT FROM @extschema@.labelstudio_tasks t
                      WHERE t.conversation_log_id = b.conversation_log_id AND @extschema@.tw_task_is_shown(t.status))
      AND NOT EXISTS (SELECT FROM @extschema@.review_events e
                      WHERE e.conversation_log_id = b.conversation_log_id AND e.action IN ('fix', 'reject')
                        AND e.review_reason = 'model disagreement');
    RETURN released;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_withdraw_blind(bigint[]) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_withdraw_blind(bigint[]) IS
    'Ends blind reviews: conversations that still wait return to their previous priority and reason, or leave the '
    'queue; locked rows are skipped. Returns how many conversations were released';
