-- Verdicts on samples, by their own id. A sample of a conversation gets the verdict on its conversation. A sample
-- without one is judged itself; its label is then a person's, and settles what other samples say of its text.

CREATE FUNCTION @extschema@.tw_samples_of_texts(ids bigint[]) RETURNS bigint[]
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    -- Two searches: along the index of hashes, and through the queue. A second index for that would cost every capture
    -- more than it spares here. MATERIALIZED: normalising is for the few of equal hash.
    WITH judged AS MATERIALIZED (
        SELECT DISTINCT s.text_hash, @extschema@.normalize_text(s.text) AS normalized_text
        FROM @extschema@.training_samples s WHERE s.id = ANY (ids) AND s.text_hash IS NOT NULL
    ), alike AS MATERIALIZED (
        SELECT s.id, s.text, s.text_hash FROM judged j
        JOIN @extschema@.training_samples s ON s.text_hash = j.text_hash AND s.review_status = 'approved'
        WHERE s.conversation_log_id IS NULL
        UNION
        SELECT s.id, s.text, s.text_hash FROM judged j
        JOIN @extschema@.training_samples s ON s.text_hash = j.text_hash AND s.review_priority IS NOT NULL
    )
    SELECT coalesce(array_agg(a.id ORDER BY a.id), '{}') FROM alike a
    WHERE EXISTS (SELECT FROM judged j WHERE j.text_hash = a.text_hash
                  AND j.normalized_text = @extschema@.normalize_text(a.text));
END;
REVOKE ALL ON FUNCTION @extschema@.tw_samples_of_texts(bigint[]) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_samples_of_texts(bigint[]) IS
    'The samples without a conversation that are live or wait, and have the normalised text of one of these samples';

CREATE FUNCTION @extschema@.tw_lost_samples(ids bigint[], new_intent text, OUT lost bigint, OUT settled_by bigint)
    RETURNS SETOF record
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT s.id, min(j.id)
    FROM @extschema@.training_samples s
    JOIN (SELECT x.id, x.text_hash, @extschema@.normalize_text(x.text) AS normalized_text,
                 coalesce(new_intent, x.intent) AS intent
          FROM @extschema@.training_samples x WHERE x.id = ANY (ids)) j
        ON j.text_hash = s.text_hash AND j.normalized_text = @extschema@.normalize_text(s.text)
    WHERE s.id = ANY (@extschema@.tw_samples_of_texts(ids)) AND s.id <> ALL (ids) AND s.intent <> j.intent
      AND (s.review_status = 'approved' OR s.review_reason = 'label conflict')
    GROUP BY s.id;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_lost_samples(bigint[], text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_lost_samples(bigint[], text) IS
    'The samples without a conversation that lose when these get new_intent (NULL: their own) as a person''s label: '
    'those that are live, or wait because of a label conflict, with the same text and another intent';

CREATE FUNCTION @extschema@.tw_check_sample_claims(ids bigint[], action text, reviewer_name text) RETURNS void
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    problem record;
BEGIN
    SELECT k.sample_id AS id, k.reviewer, k.expires_at INTO problem FROM @extschema@.review_claims k
    WHERE k.sample_id = ANY (ids) AND k.expires_at > clock_timestamp() AND k.reviewer <> reviewer_name
    ORDER BY k.sample_id LIMIT 1;
    IF FOUND AND NOT @extschema@.tw_is_operator() THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_in_use',
            MESSAGE = format('sample %s is claimed by "%s" until %s', problem.id,
                             @extschema@.tw_excerpt(problem.reviewer), problem.expires_at),
            HINT = 'Wait for that verdict or for the end of the lease, or ask an operator.';
    END IF;

    -- Approving is about the label that the reviewer was shown. A renamed intent is the same label.
    SELECT k.sample_id AS id INTO problem FROM @extschema@.review_claims k
    WHERE action = 'approve' AND k.sample_id = ANY (ids) AND k.reviewer = reviewer_name
      AND EXISTS (SELECT FROM @extschema@.review_events e
                  WHERE e.sample_id = k.sample_id AND e.action = 'relabel' AND e.created_at > k.claimed_at
                    AND NOT coalesce(e.details ? 'rename', false))
    ORDER BY k.sample_id LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('sample %s got another label after it was claimed', problem.id),
            HINT = 'Look at it again: release and claim it, or name the right intent with fix_sample().';
    END IF;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_check_sample_claims(bigint[], text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_check_sample_claims(bigint[], text, text) IS
    'Raises 55006 while another reviewer holds a claim on one of the samples, and 55000 where the label that is to be '
    'approved was changed after the reviewer claimed it';

CREATE FUNCTION @extschema@.tw_check_labels(ids bigint[], labels text[]) RETURNS void
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    changed bigint := (SELECT min(s.id) FROM unnest(ids, labels) AS l (id, intent)
                       JOIN @extschema@.training_samples s ON s.id = l.id
                       WHERE @extschema@.tw_resolve_intent(s.intent) <> @extschema@.tw_resolve_intent(l.intent));
BEGIN
    IF changed IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('sample %s got another label while it was to be approved', changed),
            HINT = 'Look at it again, or name the right intent with fix_sample().';
    END IF;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_check_labels(bigint[], text[]) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_check_labels(bigint[], text[]) IS
    'Raises 55000 where one of these samples no longer has its label of before: another session changed it while this '
    'one waited for the row';

CREATE FUNCTION @extschema@.tw_lock_samples(ids bigint[], action text, reviewer_name text) RETURNS void
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    problem record;
BEGIN
    -- With the others of the same text, ids ascending: whoever judges one of them changes the others.
    PERFORM FROM @extschema@.training_samples s
    WHERE s.id IN (SELECT unnest(ids) UNION SELECT unnest(@extschema@.tw_samples_of_texts(ids)))
    ORDER BY s.id FOR UPDATE;

    -- Nor can a text that is not shown in full. A text may have become too long because the setting was lowered.
    SELECT s.id, octet_length(s.text) AS bytes, @extschema@.tw_is_blank(s.text) AS is_blank INTO problem
    FROM @extschema@.training_samples s
    WHERE action IN ('approve', 'fix') AND s.id = ANY (ids)
      AND (@extschema@.tw_is_blank(s.text)
           OR @extschema@.tw_is_too_long(NULL::integer, s.text, CASE action WHEN 'approve' THEN s.intent END,
               s.module_type, s.language, s.expected_service, s.entities))
    ORDER BY s.id LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('sample %s cannot be learned: %s', problem.id,
                             CASE WHEN problem.is_blank THEN 'it is blank' ELSE 'it is too long' END),
            DETAIL = CASE WHEN NOT problem.is_blank
                THEN format('Its text has %s bytes; neither that nor its intent, entities, module, language or service '
                            'may have more than max_message_bytes, which is %s.', problem.bytes,
                            @extschema@.training_setting('max_message_bytes'::text))
                ELSE 'A model cannot learn from a text without characters.' END,
            HINT = 'Reject it with reason ''unclear''.';
    END IF;

    SELECT s.id INTO problem FROM @extschema@.training_samples s
    WHERE action = 'approve' AND s.id = ANY (ids) AND @extschema@.tw_is_blank(s.intent) ORDER BY s.id LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('sample %s has no intent to approve', problem.id),
            HINT = 'Give it one with fix_sample().';
    END IF;

    -- Each would settle what the other says.
    SELECT min(s.id) AS id, max(s.id) AS other INTO problem FROM @extschema@.training_samples s
    WHERE action = 'approve' AND s.id = ANY (ids)
    GROUP BY s.text_hash, @extschema@.normalize_text(s.text)
    HAVING min(s.intent COLLATE "C") <> max(s.intent COLLATE "C") ORDER BY 1 LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('samples %s and %s have the same text and different intents', problem.id, problem.other),
            HINT = 'Approve the one whose intent is right: that rejects the other.';
    END IF;
    PERFORM @extschema@.tw_check_sample_claims(ids, action, reviewer_name);
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_lock_samples(bigint[], text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_lock_samples(bigint[], text, text) IS
    'Locks samples without a conversation, with the others of their texts, and checks that this person may give this '
    'verdict. Raises 55000 where there is nothing to learn or approve, where the text is too long, or where the label '
    'has changed since the claim; 22023 where two of them contradict one another; 55006 while another reviewer holds a '
    'claim';

CREATE FUNCTION @extschema@.tw_settle_texts(ids bigint[], reviewer_name text) RETURNS void
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    agreed bigint[];
BEGIN
    -- The others of a text lose: live ones, and those that wait because of the conflict.
    WITH lost AS MATERIALIZED (
        SELECT s.id, s.review_status, s.review_priority, s.review_reason, l.settled_by
        FROM @extschema@.tw_lost_samples(ids, NULL::text) l JOIN @extschema@.training_samples s ON s.id = l.lost
    ), event AS (
        INSERT INTO @extschema@.review_events (sample_id, action, from_status, to_status, review_priority,
                                               review_reason, reviewer, calling_role, details)
        SELECT l.id, 'conflict', l.review_status, 'rejected', l.review_priority, l.review_reason, reviewer_name,
               @extschema@.tw_calling_role(), jsonb_build_object('settled_by', l.settled_by)
        FROM lost l ORDER BY l.id
    ), unheld AS (
        DELETE FROM @extschema@.review_claims k WHERE k.sample_id IN (SELECT l.id FROM lost l)
    )
    UPDATE @extschema@.training_samples s
    SET review_status = 'rejected', pending_reason = NULL, review_priority = NULL, review_reason = NULL
    FROM lost l WHERE s.id = l.id;

    -- What agrees need not be asked about. A locked conversation waits for queue_label_conflicts().
    UPDATE @extschema@.training_samples s SET review_priority = NULL, review_reason = NULL
    WHERE s.id = ANY (@extschema@.tw_samples_of_texts(ids)) AND s.review_status = 'approved'
      AND s.review_reason = 'label conflict';
    agreed := ARRAY(
        SELECT c.id FROM @extschema@.training_samples j
        JOIN @extschema@.training_samples s ON s.text_hash = j.text_hash AND s.review_status = 'approved'
            AND s.intent = j.intent
        JOIN @extschema@.conversation_logs c ON c.id = s.conversation_log_id
        WHERE j.id = ANY (ids) AND @extschema@.normalize_text(s.text) = @extschema@.normalize_text(j.text)
          AND c.review_priority IS NOT NULL AND c.review_reason = 'label conflict' AND c.review_status <> 'needs-review'
        ORDER BY c.id FOR UPDATE OF c SKIP LOCKED);
    UPDATE @extschema@.conversation_logs c
    SET review_priority = CASE WHEN c.is_audit AND c.review_status = 'auto-approved' THEN 2 END,
        review_reason = CASE WHEN c.is_audit AND c.review_status = 'auto-approved' THEN 'audit' END
    WHERE c.id = ANY (agreed) AND c.review_reason = 'label conflict';
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_settle_texts(bigint[], text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_settle_texts(bigint[], text) IS
    'After an approval or fix of samples without a conversation: rejects the other samples without one that say '
    'something else of their texts, with an event, and takes what agrees out of the queue';

CREATE FUNCTION @extschema@.tw_question_conversations(ids bigint[], reviewer_name text) RETURNS void
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    disagreeing bigint[];
BEGIN
    -- A few are enough: their verdicts show who is right. A locked conversation is being judged.
    disagreeing := ARRAY(
        SELECT c.id FROM @extschema@.training_samples j
        JOIN @extschema@.training_samples s ON s.text_hash = j.text_hash AND s.review_status = 'approved'
            AND s.label_source = 'human' AND s.intent <> j.intent
        JOIN @extschema@.conversation_logs c ON c.id = s.conversation_log_id
        WHERE j.id = ANY (ids) AND @extschema@.normalize_text(s.text) = @extschema@.normalize_text(j.text)
          AND c.review_priority IS NULL AND c.review_status = 'approved'
        ORDER BY c.id LIMIT 3 * cardinality(ids) FOR UPDATE OF c SKIP LOCKED);
    INSERT INTO @extschema@.review_events (conversation_log_id, action, from_status, to_status, reviewer, calling_role)
    SELECT c.id, 'conflict', c.review_status, c.review_status, reviewer_name, @extschema@.tw_calling_role()
    FROM @extschema@.conversation_logs c WHERE c.id = ANY (disagreeing) ORDER BY c.id;
    UPDATE @extschema@.conversation_logs c SET review_priority = 2, review_reason = 'label conflict'
    WHERE c.id = ANY (disagreeing);
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_question_conversations(bigint[], text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_question_conversations(bigint[], text) IS
    'After an approval or fix of samples without a conversation: queues conversations, three for each sample, to which '
    'people gave another intent for the same text (priority 2, reason label conflict)';

CREATE FUNCTION @extschema@.tw_judge_samples(
    ids bigint[], verdict text, new_intent text, new_entities jsonb, why text, remark text, reviewer_name text,
    given jsonb) RETURNS bigint
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    new_status text := CASE verdict WHEN 'reject' THEN 'rejected' ELSE 'approved' END;
    labels text[] := ARRAY(SELECT s.intent FROM unnest(ids) WITH ORDINALITY AS i (id, n)
                           JOIN @extschema@.training_samples s ON s.id = i.id ORDER BY i.n);
    recorded bigint;
BEGIN
    PERFORM @extschema@.tw_lock_samples(ids, verdict, reviewer_name);
    -- Only now: whoever held the rows may have renamed it.
    new_intent := @extschema@.tw_resolve_intent(new_intent);
    IF verdict = 'approve' THEN
        PERFORM @extschema@.tw_check_labels(ids, labels);
    END IF;
    -- The event comes first: it records values that the statement after it changes, so that withdrawing can bring them
    -- back.
    INSERT INTO @extschema@.review_events (sample_id, action, reject_reason, intent, entities, note, from_status,
                                           to_status, review_priority, review_reason, reviewer, calling_role, details)
    SELECT s.id, verdict, why, CASE verdict WHEN 'approve' THEN s.intent WHEN 'fix' THEN new_intent END,
           CASE WHEN verdict <> 'reject'
                THEN coalesce(@extschema@.tw_sample_entities(new_entities, s.text), s.entities) END,
           remark, s.review_status, new_status, s.review_priority, s.review_reason, reviewer_name,
           @extschema@.tw_calling_role(),
           coalesce(given, '{}') || coalesce(l.settled, '{}') || CASE WHEN s.intent <> new_intent
                                         THEN jsonb_strip_nulls(jsonb_build_object(
                                             'previous_intent', s.intent, 'learned_by', s.model_version_target))
                                         ELSE '{}' END
               || jsonb_build_object('sample_before', jsonb_build_object(
                   'intent', s.intent, 'label_source', s.label_source, 'quality_score', s.quality_score, 'module_id',
                   s.module_id, 'module_type', s.module_type, 'expected_service', s.expected_service, 'reviewed_by',
                   s.reviewed_by, 'reviewed_at', s.reviewed_at)
                   || CASE WHEN new_entities IS NOT NULL THEN jsonb_build_object('entities', s.entities)
                           ELSE '{}' END)
    FROM @extschema@.training_samples s
    LEFT JOIN (SELECT x.settled_by, jsonb_build_object('settled', jsonb_agg(x.lost ORDER BY x.lost)) AS settled
               FROM @extschema@.tw_lost_samples(ids, new_intent) x
               WHERE verdict <> 'reject' GROUP BY x.settled_by) l ON l.settled_by = s.id
    WHERE s.id = ANY (ids) ORDER BY s.id;
    GET DIAGNOSTICS recorded = ROW_COUNT;

    -- A label of another module does not keep the module and service of the wrong one. A changed label is new to a
    -- model that learned the old one.
    UPDATE @extschema@.training_samples s
    SET review_status = new_status, pending_reason = NULL, review_priority = NULL, review_reason = NULL,
        reviewed_by = reviewer_name, reviewed_at = now(),
        label_source = CASE verdict WHEN 'reject' THEN s.label_source ELSE 'human' END,
        quality_score = CASE verdict WHEN 'reject' THEN s.quality_score ELSE 1 END,
        intent = l.intent, entities = coalesce(@extschema@.tw_sample_entities(new_entities, s.text), s.entities),
        module_type = l.module_type,
        module_id = CASE WHEN l.module_type IS NOT DISTINCT FROM s.module_type THEN s.module_id END,
        expected_service = CASE WHEN l.intent = s.intent THEN s.expected_service END,
        model_version_target = CASE WHEN l.intent = s.intent THEN s.model_version_target END
    FROM @extschema@.training_samples o
    CROSS JOIN LATERAL (
        SELECT coalesce(new_intent, o.intent) AS intent,
               CASE WHEN new_intent <> o.intent
                    THEN coalesce(@extschema@.intent_module_type(new_intent), o.module_type)
                    ELSE o.module_type END AS module_type) l
    WHERE s.id = ANY (ids) AND o.id = s.id;
    IF verdict <> 'reject' THEN
        PERFORM @extschema@.tw_settle_texts(ids, reviewer_name);
        PERFORM @extschema@.tw_question_conversations(ids, reviewer_name);
    END IF;
    DELETE FROM @extschema@.review_claims k WHERE k.sample_id = ANY (ids);
    RETURN recorded;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_judge_samples(bigint[], text, text, jsonb, text, text, text, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_judge_samples(bigint[], text, text, jsonb, text, text, text, jsonb) IS
    'Gives one verdict to samples without a conversation: event, label, status, claim and what it settles, in one '
    'transaction. Returns how many samples';

CREATE FUNCTION @extschema@.tw_judge_their_conversations(
    ids bigint[], verdict text, new_intent text, new_entities jsonb, why text, remark text, named_reviewer text)
    RETURNS bigint
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    conversations bigint[] := ARRAY(SELECT s.conversation_log_id FROM @extschema@.training_samples s
                                    WHERE s.id = ANY (ids) ORDER BY 1);
    other record;
    recorded bigint := 0;
BEGIN
    IF verdict <> 'approve' THEN
        RETURN @extschema@.tw_record_verdict(conversations, verdict, new_intent, new_entities, why, remark,
                                             named_reviewer, NULL::jsonb);
    END IF;
    PERFORM FROM @extschema@.conversation_logs c WHERE c.id = ANY (conversations) ORDER BY c.id FOR UPDATE;
    -- The label of the sample is approved. Where a person gave it another than the model predicted, that is a fix.
    FOR other IN
        SELECT s.conversation_log_id AS id, s.intent, s.entities
        FROM @extschema@.training_samples s JOIN @extschema@.conversation_logs c ON c.id = s.conversation_log_id
        WHERE s.id = ANY (ids) AND s.label_source = 'human'
          AND s.intent IS DISTINCT FROM @extschema@.tw_resolve_intent(c.nlu_intent)
          AND NOT @extschema@.tw_is_blank(s.intent)
        ORDER BY s.conversation_log_id
    LOOP
        recorded := recorded + @extschema@.tw_record_verdict(ARRAY[other.id], 'fix'::text, other.intent,
            CASE WHEN jsonb_typeof(other.entities) IN ('object', 'array') THEN other.entities END, NULL::text, remark,
            named_reviewer, NULL::jsonb);
        conversations := array_remove(conversations, other.id);
    END LOOP;
    RETURN recorded + @extschema@.tw_record_verdict(conversations, 'approve'::text, NULL::text, NULL::jsonb, NULL::text,
                                                    remark, named_reviewer, NULL::jsonb);
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_judge_their_conversations(bigint[], text, text, jsonb, text, text, text)
    FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_judge_their_conversations(bigint[], text, text, jsonb, text, text, text) IS
    'Gives a verdict on the conversations of these samples; returns how many. Raises as approve_, fix_ and '
    'reject_conversation() do';

CREATE FUNCTION @extschema@.tw_record_sample_verdict(
    ids bigint[], verdict text, new_intent text, new_entities jsonb, why text, remark text, named_reviewer text,
    given jsonb) RETURNS bigint
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    reviewer_name text := @extschema@.tw_reviewer(named_reviewer);
    unknown bigint;
    alone bigint[];
    others bigint[];
    recorded bigint := 0;
BEGIN
    PERFORM @extschema@.tw_check_verdict(ids, verdict, new_intent, new_entities, why, 'sample'::text);
    PERFORM @extschema@.tw_check_given(new_intent, new_entities);
    new_intent := btrim(new_intent, E' \t\n\r\f\x0B');
    SELECT min(i.id) INTO unknown FROM unnest(ids) AS i (id)
    WHERE NOT EXISTS (SELECT FROM @extschema@.training_samples s
                      WHERE s.id = i.id AND @extschema@.tw_sees_module(s.module_type, s.intent));
    IF unknown IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'no_data_found',
            MESSAGE = format('sample %s does not exist', unknown),
            HINT = 'The ids are those of training_samples (sample_id in training_queue).';
    END IF;
    SELECT coalesce(array_agg(s.id ORDER BY s.id) FILTER (WHERE s.conversation_log_id IS NULL), '{}'),
           coalesce(array_agg(s.id ORDER BY s.id) FILTER (WHERE s.conversation_log_id IS NOT NULL), '{}')
    INTO alone, others
    FROM @extschema@.training_samples s WHERE s.id = ANY (ids);
    -- Conversations are locked before samples.
    IF others <> '{}' THEN
        recorded := @extschema@.tw_judge_their_conversations(others, verdict, new_intent, new_entities, why, remark,
                                                             named_reviewer);
    END IF;
    IF alone <> '{}' THEN
        recorded := recorded + @extschema@.tw_judge_samples(alone, verdict, new_intent, new_entities, why, remark,
                                                            reviewer_name, given);
    END IF;
    RETURN recorded;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_record_sample_verdict(bigint[], text, text, jsonb, text, text, text, jsonb)
    FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_record_sample_verdict(bigint[], text, text, jsonb, text, text, text, jsonb) IS
    'Gives one verdict (approve, fix, reject) to samples, or to their conversations where they have one. given is '
    'added to the details of the events and says where the verdict came from. Returns how many';
