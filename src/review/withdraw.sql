-- withdraw_verdict(): a person takes a verdict back, and the conversation waits again.

CREATE FUNCTION @extschema@.tw_withdraw_verdict(conversation bigint, remark text, named_reviewer text, given jsonb)
    RETURNS bigint
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    reviewer_name text := @extschema@.tw_reviewer(named_reviewer);
    first @extschema@.review_events;
    new_status text;
    by_model boolean;
    waits_for text;
BEGIN
    PERFORM @extschema@.tw_check_verdict(ARRAY[conversation], 'withdraw', NULL::text, NULL::jsonb, NULL::text,
                                         'conversation'::text);
    PERFORM @extschema@.tw_lock_for_verdict(ARRAY[conversation], 'withdraw', reviewer_name);
    -- Withdrawing a changed verdict also withdraws the earlier ones: the state before the first verdict returns.
    SELECT * INTO first FROM @extschema@.review_events e
    WHERE e.conversation_log_id = conversation AND @extschema@.tw_is_verdict(e.action)
      AND e.id > coalesce((SELECT max(w.id) FROM @extschema@.review_events w
                           WHERE w.conversation_log_id = conversation AND w.action = 'withdraw'), 0)
    ORDER BY e.id LIMIT 1;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('conversation %s has no verdict to withdraw', conversation),
            HINT = 'review_events has every verdict that was given.';
    END IF;
    by_model := first.from_status IS NOT DISTINCT FROM 'auto-approved';
    new_status := CASE WHEN by_model THEN 'auto-approved' ELSE 'needs-review' END;

    INSERT INTO @extschema@.review_events (conversation_log_id, action, note, from_status, to_status, review_priority,
                                           review_reason,
        reviewer, calling_role, details)
    SELECT c.id, 'withdraw', remark, c.review_status, new_status, c.review_priority, c.review_reason, reviewer_name,
           @extschema@.tw_calling_role(), nullif(coalesce(given, '{}') || coalesce(jsonb_strip_nulls(
               jsonb_build_object('previous_intent', s.intent, 'learned_by', s.model_version_target)), '{}'), '{}')
    FROM @extschema@.conversation_logs c
    LEFT JOIN @extschema@.training_samples s ON s.conversation_log_id = c.id
    WHERE c.id = conversation;
    UPDATE @extschema@.conversation_logs c
    SET nlu_intent = @extschema@.tw_resolve_intent(c.nlu_intent), review_status = new_status,
        is_training_candidate = true,
        review_priority = coalesce(c.review_priority, first.review_priority, 2),
        review_reason = CASE WHEN c.review_priority IS NOT NULL THEN c.review_reason
                             WHEN first.review_priority IS NOT NULL THEN first.review_reason
                             ELSE 'verdict withdrawn' END
    WHERE c.id = conversation;
    -- The sample of a confident answer gets the model's label again, unless a user contradicted it or the model was
    -- rolled back. Any other sample waits for a label.
    SELECT CASE WHEN coalesce(first.review_reason, 'audit') <> 'audit' THEN first.review_reason
                WHEN @extschema@.tw_standing_rollback(c.nlu_model_version) IS NOT NULL
                THEN @extschema@.tw_rollback_reason(c.nlu_model_version) END
    INTO waits_for
    FROM @extschema@.conversation_logs c WHERE c.id = conversation;
    IF by_model AND EXISTS (SELECT FROM @extschema@.training_samples s WHERE s.conversation_log_id = conversation) THEN
        PERFORM @extschema@.tw_label_samples(ARRAY[conversation], NULL::text, NULL::jsonb, NULL::text);
    END IF;
    UPDATE @extschema@.training_samples s
    SET review_status = CASE WHEN by_model AND waits_for IS NULL THEN 'approved' ELSE 'pending' END,
        pending_reason = CASE WHEN by_model THEN waits_for END,
        reviewed_by = NULL, reviewed_at = NULL
    WHERE s.conversation_log_id = conversation;
    DELETE FROM @extschema@.review_claims k WHERE k.conversation_log_id = conversation;
    PERFORM @extschema@.tw_settle_opinions(ARRAY[conversation]);
    RETURN 1;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_withdraw_verdict(bigint, text, text, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_withdraw_verdict(bigint, text, text, jsonb) IS
    'withdraw_verdict(), with details for the event that say where the withdrawal came from';

CREATE FUNCTION @extschema@.withdraw_verdict(id bigint, note text DEFAULT NULL, reviewer text DEFAULT NULL)
    RETURNS bigint
    LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
RETURN @extschema@.tw_withdraw_verdict(id, note, reviewer, NULL::jsonb);
REVOKE ALL ON FUNCTION @extschema@.withdraw_verdict(bigint, text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.withdraw_verdict(bigint, text, text) IS
    'Withdraws the verdict on the conversation id: it waits again with its previous priority and reason, and counts in '
    'no estimate. Its sample is not learned from until the next verdict (that of a confident answer has the model''s '
    'label again). note and reviewer: as in approve_conversation(). Returns 1. Raises P0002 for an unknown id, 22004 '
    'for a NULL one, 55000 where there is no verdict, 55006 while another reviewer holds a claim (except for '
    'operators), 42501 if a caller who is not an operator names a reviewer, 22023 for a blank one';
