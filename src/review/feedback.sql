-- What follows the NLU call: the reply and the user's feedback.

CREATE FUNCTION @extschema@.tw_requeue_on_feedback() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF NOT @extschema@.tw_decides_feedback() THEN
        RETURN NEW;
    END IF;
    NEW.review_priority := 1;
    NEW.review_reason := CASE WHEN OLD.user_correction IS DISTINCT FROM NEW.user_correction
                                   AND btrim(NEW.user_correction, E' \t\n\r\f\x0B') <> ''
                              THEN 'user correction' ELSE 'negative feedback' END;
    RETURN NEW;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_requeue_on_feedback() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_requeue_on_feedback() IS
    'Trigger: queues a conversation again with priority 1 when new feedback contradicts the model; an existing verdict '
    'stays';

CREATE FUNCTION @extschema@.tw_record_feedback_event() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    who text := @extschema@.tw_calling_role();
BEGIN
    IF NOT @extschema@.tw_decides_feedback() THEN
        RETURN NULL;
    END IF;
    -- Here the role is that of the subscription; the application's is known to the node alone.
    IF current_setting('session_replication_role') = 'replica' THEN
        who := format('node %s', @extschema@.tw_node_of(NEW.id));
    END IF;
    -- The text of the correction is stored in the conversation only, where it can be erased.
    INSERT INTO @extschema@.review_events (conversation_log_id, action, from_status, to_status, review_priority,
                                           review_reason,
        reviewer, calling_role, details)
    VALUES (NEW.id, 'feedback', OLD.review_status, NEW.review_status, OLD.review_priority, OLD.review_reason,
        who, who,
        jsonb_build_object('feedback', NEW.user_feedback, 'corrected', NOT @extschema@.tw_is_blank(NEW.user_correction))
            || CASE WHEN OLD.user_feedback IS NOT NULL OR OLD.user_correction IS NOT NULL
                    THEN jsonb_build_object('before', jsonb_build_object('feedback', OLD.user_feedback)) ELSE '{}' END);
    -- Set by the BEFORE trigger when it queued the row.
    IF NEW.review_reason IN ('negative feedback', 'user correction') THEN
        -- Samples pending for another reason get this one too: it still stands when the other reason is gone.
        UPDATE @extschema@.training_samples s SET review_status = 'pending', pending_reason = NEW.review_reason
        WHERE s.conversation_log_id = NEW.id AND s.review_status IN ('approved', 'pending')
          AND s.label_source = 'model';
    END IF;
    RETURN NULL;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_record_feedback_event() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_record_feedback_event() IS
    'Trigger: records feedback in review_events, and sets an unreviewed sample that it contradicts back to pending';

CREATE TRIGGER conversation_logs_requeue BEFORE UPDATE ON @extschema@.conversation_logs
    FOR EACH ROW WHEN (
        NEW.review_status <> 'not-applicable'
        AND (OLD.user_feedback IS DISTINCT FROM NEW.user_feedback AND lower(NEW.user_feedback COLLATE "C") = 'negative'
             OR OLD.user_correction IS DISTINCT FROM NEW.user_correction
             AND btrim(NEW.user_correction, E' \t\n\r\f\x0B') <> ''))
    EXECUTE FUNCTION @extschema@.tw_requeue_on_feedback();
-- ENABLE ALWAYS: at a hub, feedback comes by replication (tw_decides_feedback).
ALTER TABLE @extschema@.conversation_logs ENABLE ALWAYS TRIGGER conversation_logs_requeue;
CREATE TRIGGER conversation_logs_feedback AFTER UPDATE ON @extschema@.conversation_logs
    FOR EACH ROW WHEN (
        (OLD.user_feedback IS DISTINCT FROM NEW.user_feedback
         OR OLD.user_correction IS DISTINCT FROM NEW.user_correction)
        -- An erasure is no feedback.
        AND NEW.anonymised_at IS NULL)
    EXECUTE FUNCTION @extschema@.tw_record_feedback_event();
ALTER TABLE @extschema@.conversation_logs ENABLE ALWAYS TRIGGER conversation_logs_feedback;

CREATE FUNCTION @extschema@.tw_no_such_conversation(id bigint) RETURNS void
    LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    RAISE EXCEPTION USING
        ERRCODE = 'no_data_found',
        MESSAGE = format('there is no conversation %s in this session', coalesce(id::text, 'NULL')),
        HINT = 'Pass the id that INSERT ... RETURNING id gave, and the session_id of the same row.';
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_no_such_conversation(bigint) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_no_such_conversation(bigint) IS
    'Raises P0002, with the same message for an unknown id and for an id of another session, so that callers cannot '
    'probe for ids';

-- PL/pgSQL keeps the plan: a statement in SQL with a SET clause would be planned at each call.
CREATE FUNCTION @extschema@.tw_note_service(id bigint, service text) RETURNS void
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    -- The sample was promoted before the service was known.
    UPDATE @extschema@.training_samples s SET expected_service = service
    WHERE s.conversation_log_id = tw_note_service.id AND s.label_source = 'model'
      AND s.expected_service IS DISTINCT FROM service;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_note_service(bigint, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_note_service(bigint, text) IS
    'Records the service that handled a conversation in the sample that was made of it';

CREATE FUNCTION @extschema@.record_response(
    id bigint, session_id text, response_text text DEFAULT NULL, response_success boolean DEFAULT NULL,
    routed_to text DEFAULT NULL, backend_reference text DEFAULT NULL) RETURNS bigint
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    UPDATE @extschema@.conversation_logs c SET
        response_text = coalesce(record_response.response_text, c.response_text),
        response_success = coalesce(record_response.response_success, c.response_success),
        routed_to = coalesce(record_response.routed_to, c.routed_to),
        backend_reference = coalesce(record_response.backend_reference, c.backend_reference)
    WHERE c.id = record_response.id AND c.session_id = record_response.session_id;
    IF NOT FOUND THEN
        PERFORM @extschema@.tw_no_such_conversation(record_response.id);
    END IF;
    IF routed_to IS NOT NULL THEN
        PERFORM @extschema@.tw_note_service(id, routed_to);
    END IF;
    RETURN record_response.id;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.record_response(bigint, text, text, boolean, text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.record_response(bigint, text, text, boolean, text, text) IS
    'Adds response_text (the reply), response_success, routed_to (the service) and backend_reference (the backend''s '
    'order or ticket) to the conversation id, and returns that id; a NULL leaves its column unchanged. session_id must '
    'be that of the conversation. Raises P0002 when the id does not belong to the session';

CREATE FUNCTION @extschema@.record_feedback(id bigint, session_id text, feedback text, correction text DEFAULT NULL)
    RETURNS bigint
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF feedback NOT IN ('positive', 'negative') OR (feedback IS NULL AND @extschema@.tw_is_blank(correction)) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('feedback must be positive or negative, not "%s"',
                             coalesce(@extschema@.tw_excerpt(feedback), 'NULL')),
            HINT = 'NULL is allowed together with a correction.';
    END IF;
    UPDATE @extschema@.conversation_logs c SET
        user_feedback = coalesce(record_feedback.feedback, c.user_feedback),
        user_correction = CASE WHEN @extschema@.tw_is_blank(record_feedback.correction) THEN c.user_correction
                               ELSE record_feedback.correction END
    WHERE c.id = record_feedback.id AND c.session_id = record_feedback.session_id;
    IF NOT FOUND THEN
        PERFORM @extschema@.tw_no_such_conversation(record_feedback.id);
    END IF;
    RETURN record_feedback.id;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.record_feedback(bigint, text, text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.record_feedback(bigint, text, text, text) IS
    'Adds the user''s feedback (positive or negative; NULL: none), a correction (NULL or blank: none), or both to the '
    'conversation id, whose session_id must be given, and returns that id. New negative feedback and new corrections '
    'queue it again with priority 1 and set an unreviewed sample back to pending; they never overrule a reviewer. '
    'Raises P0002 when the id does not belong to the session, 22023 for other feedback, and for neither feedback nor '
    'correction';
