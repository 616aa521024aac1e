-- Verdicts: approve, fix, reject. Each has a function for one conversation and one for many; all of them call
-- tw_record_verdict(). Locks are always taken in the same order: conversations, then samples, ids ascending.

CREATE FUNCTION @extschema@.tw_check_verdict(
    ids bigint[], action text, intent text, entities jsonb, reason text, subject text) RETURNS void
    LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF ids IS NULL OR EXISTS (SELECT FROM unnest(ids) AS i (id) WHERE i.id IS NULL) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'null_value_not_allowed',
            MESSAGE = format('the id of a %s must not be NULL', subject);
    END IF;
    IF action = 'fix' AND @extschema@.tw_is_blank(intent) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = 'a fix needs the right intent',
            HINT = format('Where no intent fits, reject the %s with reason ''no-such-intent''.', subject);
    END IF;
    IF entities IS NOT NULL AND jsonb_typeof(entities) NOT IN ('object', 'array') THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('entities must be a JSON object or array, not a %s', jsonb_typeof(entities)),
            HINT = format('NULL keeps the entities that the %s, ''{}'' says that there are none.',
                          CASE subject WHEN 'sample' THEN 'sample has' ELSE 'model found' END);
    END IF;
    IF action = 'reject' AND (reason IS NULL OR reason NOT IN ('unclear', 'no-such-intent')) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('there is no reason "%s" to reject a %s',
                             coalesce(@extschema@.tw_excerpt(reason), 'NULL'), subject),
            HINT = 'The reasons are: unclear, no-such-intent.';
    END IF;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_check_verdict(bigint[], text, text, jsonb, text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_check_verdict(bigint[], text, text, jsonb, text, text) IS
    'Checks the arguments of a verdict on conversations or samples (subject: conversation or sample). Raises 22004 for '
    'a NULL id, 22023 for any other invalid argument';

CREATE FUNCTION @extschema@.tw_check_given(intent text, entities jsonb) RETURNS void
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF @extschema@.tw_is_too_long(NULL::integer, NULL::text, intent, NULL::text, NULL::text, NULL::text, entities) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = 'intent or entities are too long for a sample',
            DETAIL = format('Neither may have more than max_message_bytes, which is %s.',
                @extschema@.training_setting('max_message_bytes'::text)),
            HINT = 'Name the intent, and the entities that the message has.';
    END IF;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_check_given(text, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_check_given(text, jsonb) IS
    'Raises 22023 for an intent or entities of a verdict that are too long for a sample';

CREATE FUNCTION @extschema@.tw_lock_for_verdict(ids bigint[], action text, reviewer_name text) RETURNS void
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    problem record;
BEGIN
    PERFORM FROM @extschema@.conversation_logs c
    WHERE c.id = ANY (ids) AND @extschema@.tw_sees_module(c.nlu_module_type, c.nlu_intent) ORDER BY c.id FOR UPDATE;
    SELECT i.id INTO problem FROM unnest(ids) AS i (id)
    -- One of a module that the caller does not see gets no other error than one that there is not.
    WHERE NOT EXISTS (SELECT FROM @extschema@.conversation_logs c
                      WHERE c.id = i.id AND @extschema@.tw_sees_module(c.nlu_module_type, c.nlu_intent))
    ORDER BY i.id LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'no_data_found',
            MESSAGE = format('conversation %s does not exist', problem.id),
            HINT = 'The ids are those of conversation_logs (conversation_log_id in training_queue).';
    END IF;
    PERFORM FROM @extschema@.training_samples s WHERE s.conversation_log_id = ANY (ids) ORDER BY s.id FOR UPDATE;

    SELECT c.id INTO problem FROM @extschema@.conversation_logs c
    WHERE c.id = ANY (ids) AND c.anonymised_at IS NOT NULL ORDER BY c.id LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('conversation %s cannot be reviewed: it is anonymous', problem.id),
            DETAIL = 'Its text was deleted. A verdict that it had stands.',
            HINT = 'Leave it out.';
    END IF;

    SELECT c.id, c.review_status INTO problem FROM @extschema@.conversation_logs c
    WHERE c.id = ANY (ids) AND coalesce(c.review_status, 'not-applicable') = 'not-applicable' ORDER BY c.id LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('conversation %s cannot be reviewed', problem.id),
            DETAIL = CASE WHEN problem.review_status IS NULL THEN 'The filter has not seen it yet.'
                          ELSE 'There is nothing to learn from it: it is not a text message, or a blank one.' END,
            HINT = CASE WHEN problem.review_status IS NULL THEN 'Run promote_missed_conversations() first.'
                        ELSE 'Leave it out.' END;
    END IF;

    -- An imported row may wait for review although it contains nothing to learn: it can only be rejected.
    SELECT c.id INTO problem FROM @extschema@.conversation_logs c
    WHERE action IN ('approve', 'fix') AND c.id = ANY (ids)
      AND NOT @extschema@.tw_is_learnable(c.message_type, c.user_message) ORDER BY c.id LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('conversation %s cannot become a sample', problem.id),
            DETAIL = 'It is not a text message, or a blank one.',
            HINT = 'Reject it with reason ''unclear''.';
    END IF;

    -- Nor can a text that is not shown in full. A text may have become too long because the setting was lowered.
    SELECT c.id, octet_length(c.user_message) AS bytes INTO problem FROM @extschema@.conversation_logs c
    WHERE action IN ('approve', 'fix') AND c.id = ANY (ids)
      AND @extschema@.tw_is_too_long(NULL::integer, c.user_message, c.nlu_intent, c.nlu_module_type,
          c.message_language, c.routed_to, c.nlu_entities)
    ORDER BY c.id LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('conversation %s cannot become a sample: it is too long', problem.id),
            DETAIL = format('Its message has %s bytes; neither that nor its intent, entities, module, language or '
                            'service may have more than max_message_bytes, which is %s.',
                            problem.bytes, @extschema@.training_setting('max_message_bytes'::text)),
            HINT = 'Reject it with reason ''unclear'', or have an operator raise the setting max_message_bytes.';
    END IF;

    -- A reviewer who was not shown the answer would approve it by guessing.
    SELECT c.id, b.suggestions INTO problem
    FROM @extschema@.conversation_logs c JOIN @extschema@.blind_reviews b ON b.conversation_log_id = c.id
    LEFT JOIN @extschema@.second_opinions o ON o.conversation_log_id = c.id AND o.settled_at IS NULL
    WHERE action = 'approve' AND c.id = ANY (ids)
      AND CASE WHEN c.review_priority IS NULL THEN o.review_reason ELSE c.review_reason END = 'model disagreement'
    ORDER BY c.id LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('conversation %s cannot be approved: two models disagree about it', problem.id),
            DETAIL = format('The suggestions are, in random order: %s.',
                            array_to_string(ARRAY(SELECT CASE s WHEN '' THEN 'no answer'
                                                             ELSE @extschema@.tw_excerpt(s) END
                                                 FROM unnest(problem.suggestions) AS s), ', ')),
            HINT = 'Choose one of them, or any other intent, with fix_conversation(id, intent); or reject it as '
                   'unclear or no-such-intent.';
    END IF;

    SELECT c.id INTO problem FROM @extschema@.conversation_logs c
    WHERE action = 'approve' AND c.id = ANY (ids) AND @extschema@.tw_is_blank(c.nlu_intent) ORDER BY c.id LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('conversation %s has no predicted intent to approve', problem.id),
            HINT = 'Give it one with fix_conversation().';
    END IF;

    SELECT k.conversation_log_id AS id, k.reviewer, k.expires_at INTO problem FROM @extschema@.review_claims k
    WHERE k.conversation_log_id = ANY (ids) AND k.expires_at > clock_timestamp() AND k.reviewer <> reviewer_name
    ORDER BY k.conversation_log_id LIMIT 1;
    IF FOUND AND NOT @extschema@.tw_is_operator() THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_in_use',
            MESSAGE = format('conversation %s is claimed by "%s" until %s', problem.id,
                             @extschema@.tw_excerpt(problem.reviewer),
                             problem.expires_at),
            HINT = 'Wait for that verdict or for the end of the lease, or ask an operator.';
    END IF;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_lock_for_verdict(bigint[], text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_lock_for_verdict(bigint[], text, text) IS
    'Locks conversations and their samples, and checks that this person may give this verdict. Raises P0002 for an '
    'unknown id; 55000 where there is nothing to review or approve, where the text is too long, or where one of two '
    'suggestions must be chosen; 55006 while another reviewer holds a claim';

CREATE FUNCTION @extschema@.tw_label_samples(ids bigint[], new_intent text, new_entities jsonb, reviewer_name text)
    RETURNS void
    LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'tw_label_samples';
REVOKE ALL ON FUNCTION @extschema@.tw_label_samples(bigint[], text, jsonb, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_label_samples(bigint[], text, jsonb, text) IS
    'Inserts or updates the samples of conversations. The label is new_intent, or the predicted intent when it is '
    'NULL; it is a person''s label, or the model''s when person is NULL';

CREATE FUNCTION @extschema@.tw_record_verdict(
    ids bigint[], verdict text, new_intent text, new_entities jsonb, why text, remark text, named_reviewer text,
    given jsonb DEFAULT NULL) RETURNS bigint
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    reviewer_name text := @extschema@.tw_reviewer(named_reviewer);
    new_status text := CASE verdict WHEN 'reject' THEN 'rejected' ELSE 'approved' END;
    unseen bigint[];
    opinions bigint[];
    recorded bigint;
BEGIN
    PERFORM @extschema@.tw_check_verdict(ids, verdict, new_intent, new_entities, why, 'conversation'::text);
    PERFORM @extschema@.tw_check_given(new_intent, new_entities);
    -- A leading or trailing space would make it another intent, and the model's answer wrong.
    new_intent := btrim(new_intent, E' \t\n\r\f\x0B');
    PERFORM @extschema@.tw_lock_for_verdict(ids, verdict, reviewer_name);
    IF @extschema@.tw_fleet_role() = 'hub' THEN
        -- The sweep has not come to it yet: what it would have made is what the verdict is about.
        PERFORM @extschema@.tw_promote_unsampled(ids);
    END IF;
    -- Only now: whoever held the rows may have renamed it.
    new_intent := @extschema@.tw_resolve_intent(new_intent);

    -- Negative feedback or a correction given after the row was claimed: the reviewer has not seen it.
    SELECT coalesce(array_agg(k.conversation_log_id), '{}') INTO unseen
    FROM @extschema@.review_claims k
    WHERE k.conversation_log_id = ANY (ids) AND k.reviewer = reviewer_name
      AND EXISTS (SELECT FROM @extschema@.review_events e
                  WHERE e.conversation_log_id = k.conversation_log_id AND e.action = 'feedback'
                    AND e.created_at > k.claimed_at
                    AND (lower(e.details ->> 'feedback' COLLATE "C") = 'negative'
                         OR (e.details ->> 'corrected')::boolean));
    opinions := @extschema@.tw_take_opinions(ids, verdict, new_intent, new_entities, why, remark, reviewer_name,
                                             unseen, given);
    PERFORM @extschema@.tw_settle_opinions(opinions);
    ids := ARRAY(SELECT i.id FROM unnest(ids) AS i (id) WHERE i.id <> ALL (opinions));

    -- The event comes first: it records values that the statements after it change.
    INSERT INTO @extschema@.review_events (conversation_log_id, action, reject_reason, intent, entities, note,
                                           from_status,
        to_status, review_priority, review_reason, reviewer, calling_role, details)
    SELECT c.id, verdict, why,
           l.intent, CASE WHEN l.intent IS NOT NULL
                          THEN @extschema@.tw_sample_entities(coalesce(new_entities, c.nlu_entities),
                                                                 c.user_message) END, remark,
           c.review_status, new_status, c.review_priority, c.review_reason, reviewer_name,
           @extschema@.tw_calling_role(),
           nullif(coalesce(given, '{}') || CASE WHEN @extschema@.tw_resolve_intent(s.intent) IS DISTINCT FROM l.intent
                                                     AND s.id IS NOT NULL
                                                THEN jsonb_strip_nulls(jsonb_build_object(
                                                    'previous_intent', s.intent, 'learned_by', s.model_version_target))
                                                ELSE '{}' END, '{}')
    FROM @extschema@.conversation_logs c
    LEFT JOIN @extschema@.training_samples s ON s.conversation_log_id = c.id
    CROSS JOIN LATERAL (SELECT CASE verdict WHEN 'approve' THEN @extschema@.tw_resolve_intent(c.nlu_intent)
                                          WHEN 'fix' THEN new_intent END AS intent) l
    WHERE c.id = ANY (ids)
    ORDER BY c.id;
    GET DIAGNOSTICS recorded = ROW_COUNT;

    UPDATE @extschema@.conversation_logs c
    -- Its sample gets the current name of the intent, too.
    SET nlu_intent = @extschema@.tw_resolve_intent(c.nlu_intent), review_status = new_status,
        is_training_candidate = (new_status = 'approved'),
        review_priority = CASE WHEN c.id = ANY (unseen) THEN c.review_priority END,
        review_reason = CASE WHEN c.id = ANY (unseen) THEN c.review_reason END
    WHERE c.id = ANY (ids);
    IF verdict = 'reject' THEN
        UPDATE @extschema@.training_samples s
        SET review_status = 'rejected', pending_reason = NULL, reviewed_by = reviewer_name, reviewed_at = now()
        WHERE s.conversation_log_id = ANY (ids);
    ELSE
        PERFORM @extschema@.tw_label_samples(ids, new_intent, new_entities, reviewer_name);
    END IF;
    DELETE FROM @extschema@.review_claims k WHERE k.conversation_log_id = ANY (ids);
    PERFORM @extschema@.tw_settle_opinions(ids);
    PERFORM @extschema@.tw_draw_second_opinions(ids);
    RETURN recorded + cardinality(opinions);
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_record_verdict(bigint[], text, text, jsonb, text, text, text, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_record_verdict(bigint[], text, text, jsonb, text, text, text, jsonb) IS
    'Gives one verdict (approve, fix, reject) to conversations: event, status, sample and claim in one transaction. '
    'given is added to the details of the events and says where the verdict came from. Where a second opinion is asked '
    'for, the verdict of another person is recorded as that. Returns how many conversations';

CREATE FUNCTION @extschema@.approve_conversation(id bigint, note text DEFAULT NULL, reviewer text DEFAULT NULL)
    RETURNS bigint
    LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
RETURN @extschema@.tw_record_verdict(ARRAY[id], 'approve'::text, NULL::text, NULL::jsonb, NULL::text, note, reviewer,
    NULL::jsonb);
REVOKE ALL ON FUNCTION @extschema@.approve_conversation(bigint, text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.approve_conversation(bigint, text, text) IS
    'Approves the prediction of the conversation id: its sample gets the predicted intent as a person''s label. A '
    'verdict can be changed; the newest stands. Where a second opinion is asked for (setting second_opinion_rate), '
    'another person''s verdict is that opinion, and the majority''s label stands. note is kept with it (NULL: none). '
    'reviewer names the person behind a shared role, for operators only (NULL: the calling role). Returns 1. Raises '
    'P0002 for an unknown id, 22004 for a NULL one; 55000 where there is nothing to review or no predicted intent, '
    'the text is too long, or two models disagree (fix chooses); 55006 while another reviewer holds a claim (except '
    'for operators); 42501 if a caller who is not an operator names a reviewer, 22023 for a blank one';

CREATE FUNCTION @extschema@.approve_conversations(ids bigint[], note text DEFAULT NULL, reviewer text DEFAULT NULL)
    RETURNS bigint
    LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
RETURN @extschema@.tw_record_verdict(ids, 'approve'::text, NULL::text, NULL::jsonb, NULL::text, note, reviewer,
    NULL::jsonb);
REVOKE ALL ON FUNCTION @extschema@.approve_conversations(bigint[], text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.approve_conversations(bigint[], text, text) IS
    'Approves the prediction of the conversations ids, all or none: each sample gets the predicted intent as a '
    'person''s label. A verdict can be changed; the newest stands. note and reviewer: as in approve_conversation(). '
    'Returns how many conversations. Raises what approve_conversation() raises: P0002, 22004, 22023, 42501, 55000, '
    '55006';

CREATE FUNCTION @extschema@.fix_conversation(
    id bigint, intent text, entities jsonb DEFAULT NULL, note text DEFAULT NULL, reviewer text DEFAULT NULL)
    RETURNS bigint
    LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
RETURN @extschema@.tw_record_verdict(ARRAY[id], 'fix'::text, intent, entities, NULL::text, note, reviewer, NULL::jsonb);
REVOKE ALL ON FUNCTION @extschema@.fix_conversation(bigint, text, jsonb, text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.fix_conversation(bigint, text, jsonb, text, text) IS
    'Gives the conversation id the right intent and entities (a JSON object or array; NULL keeps the model''s): its '
    'sample gets them as a person''s label. A verdict can be changed; the newest stands. note and reviewer: as in '
    'approve_conversation(). Returns 1. Raises 22023 for a blank intent, for entities that are neither object nor '
    'array, and where either is longer than max_message_bytes; and what approve_conversation() raises: P0002, 22004, '
    '42501, 55000, 55006';

CREATE FUNCTION @extschema@.fix_conversations(
    ids bigint[], intent text, entities jsonb DEFAULT NULL, note text DEFAULT NULL, reviewer text DEFAULT NULL)
    RETURNS bigint
    LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
RETURN @extschema@.tw_record_verdict(ids, 'fix'::text, intent, entities, NULL::text, note, reviewer, NULL::jsonb);
REVOKE ALL ON FUNCTION @extschema@.fix_conversations(bigint[], text, jsonb, text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.fix_conversations(bigint[], text, jsonb, text, text) IS
    'Gives the conversations ids, all or none, the right intent and entities (a JSON object or array; NULL keeps the '
    'model''s): each sample gets them as a person''s label. A verdict can be changed; the newest stands. note and '
    'reviewer: as in approve_conversation(). Returns how many conversations. Raises what fix_conversation() raises: '
    'P0002, 22004, 22023, 42501, 55000, 55006';

CREATE FUNCTION @extschema@.reject_conversation(
    id bigint, reason text, note text DEFAULT NULL, reviewer text DEFAULT NULL)
    RETURNS bigint
    LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
RETURN @extschema@.tw_record_verdict(ARRAY[id], 'reject'::text, NULL::text, NULL::jsonb, reason, note, reviewer,
    NULL::jsonb);
REVOKE ALL ON FUNCTION @extschema@.reject_conversation(bigint, text, text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.reject_conversation(bigint, text, text, text) IS
    'Rejects the conversation id with a reason, unclear or no-such-intent: its sample is retired. A verdict can be '
    'changed; the newest stands. note and reviewer: as in approve_conversation(). Returns 1. Raises 22023 for another '
    'reason and a blank reviewer, P0002 for an unknown id, 22004 for a NULL one, 55000 where there is nothing to '
    'review, 55006 while another reviewer holds a claim (except for operators), 42501 if a caller who is not an '
    'operator names a reviewer';

CREATE FUNCTION @extschema@.reject_conversations(
    ids bigint[], reason text, note text DEFAULT NULL, reviewer text DEFAULT NULL)
    RETURNS bigint
    LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
RETURN @extschema@.tw_record_verdict(ids, 'reject'::text, NULL::text, NULL::jsonb, reason, note, reviewer, NULL::jsonb);
REVOKE ALL ON FUNCTION @extschema@.reject_conversations(bigint[], text, text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.reject_conversations(bigint[], text, text, text) IS
    'Rejects the conversations ids, all or none, with a reason, unclear or no-such-intent: each sample is retired. A '
    'verdict can be changed; the newest stands. note and reviewer: as in approve_conversation(). Returns how many '
    'conversations. Raises what reject_conversation() raises: P0002, 22004, 22023, 42501, 55000, 55006';
