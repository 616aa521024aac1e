-- withdraw_sample_verdict(): a person takes a verdict on a sample back, and the sample waits again.

CREATE FUNCTION @extschema@.tw_settled_samples(sample bigint) RETURNS bigint[]
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT coalesce(array_agg(DISTINCT i.id::bigint), '{}')
    FROM @extschema@.review_events e
    CROSS JOIN LATERAL jsonb_array_elements_text(e.details -> 'settled') AS i (id)
    WHERE e.sample_id = sample AND @extschema@.tw_is_verdict(e.action) AND e.details ? 'settled';
END;
REVOKE ALL ON FUNCTION @extschema@.tw_settled_samples(bigint) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_settled_samples(bigint) IS
    'The samples that verdicts on this one have rejected, because they said something else of its text';

CREATE FUNCTION @extschema@.tw_unsettle_texts(sample bigint, reviewer_name text) RETURNS void
    LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    -- What the verdict settled is open again, unless something else was decided about it since.
    WITH settled AS MATERIALIZED (
        SELECT s.id, e.from_status, e.review_priority, e.review_reason
        FROM @extschema@.training_samples s
        CROSS JOIN LATERAL (SELECT n.action, n.from_status, n.review_priority, n.review_reason, n.details
                            FROM @extschema@.review_events n WHERE n.sample_id = s.id ORDER BY n.id DESC LIMIT 1) e
        WHERE s.id = ANY (@extschema@.tw_settled_samples(sample)) AND s.review_status = 'rejected'
          AND e.action = 'conflict' AND e.details -> 'settled_by' = to_jsonb(sample)
    ), event AS (
        INSERT INTO @extschema@.review_events (sample_id, action, from_status, to_status, reviewer, calling_role)
        SELECT s.id, 'conflict', 'rejected', s.from_status, reviewer_name, @extschema@.tw_calling_role()
        FROM settled s ORDER BY s.id
    )
    UPDATE @extschema@.training_samples s
    SET review_status = o.from_status, review_priority = coalesce(o.review_priority, 2),
        review_reason = coalesce(o.review_reason, 'label conflict')
    FROM settled o WHERE s.id = o.id;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_unsettle_texts(bigint, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_unsettle_texts(bigint, text) IS
    'Brings back, and queues, the samples that a verdict on this sample had rejected by settling a label conflict';

CREATE FUNCTION @extschema@.tw_withdraw_sample_verdict(sample bigint, remark text, named_reviewer text, given jsonb)
    RETURNS bigint
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    reviewer_name text := @extschema@.tw_reviewer(named_reviewer);
    conversation bigint;
    first @extschema@.review_events;
    before jsonb;
BEGIN
    PERFORM @extschema@.tw_check_verdict(ARRAY[sample], 'withdraw', NULL::text, NULL::jsonb, NULL::text,
                                         'sample'::text);
    SELECT s.conversation_log_id INTO conversation FROM @extschema@.training_samples s
    WHERE s.id = sample AND @extschema@.tw_sees_module(s.module_type, s.intent);
    IF NOT FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'no_data_found',
            MESSAGE = format('sample %s does not exist', sample),
            HINT = 'The ids are those of training_samples (sample_id in training_queue).';
    ELSIF conversation IS NOT NULL THEN
        RETURN @extschema@.tw_withdraw_verdict(conversation, remark, named_reviewer, given);
    END IF;
    PERFORM @extschema@.tw_lock_samples(sample || @extschema@.tw_settled_samples(sample), 'withdraw'::text,
                                        reviewer_name);
    -- As in withdraw_verdict(), the state before the first verdict returns. A label that an import has changed since is
    -- no verdict's any more.
    SELECT * INTO first FROM @extschema@.review_events e
    WHERE e.sample_id = sample AND @extschema@.tw_is_verdict(e.action)
      AND e.id > coalesce((SELECT max(w.id) FROM @extschema@.review_events w
                           WHERE w.sample_id = sample AND w.action IN ('withdraw', 'relabel')
                             AND NOT coalesce(w.details ? 'rename', false)), 0)
    ORDER BY e.id LIMIT 1;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('sample %s has no verdict to withdraw', sample),
            HINT = 'review_events has every verdict that was given.';
    END IF;
    before := coalesce(first.details -> 'sample_before', '{}');
    -- The intent may have been renamed since.
    before := before || jsonb_build_object(
        'intent', @extschema@.tw_resolve_intent(before ->> 'intent'),
        'module_type', @extschema@.tw_new_module(before ->> 'module_type', before ->> 'intent',
                                                 @extschema@.tw_resolve_intent(before ->> 'intent')));

    INSERT INTO @extschema@.review_events (sample_id, action, note, from_status, to_status, review_priority,
                                           review_reason, reviewer, calling_role, details)
    SELECT s.id, 'withdraw', remark, s.review_status, first.from_status, s.review_priority, s.review_reason,
           reviewer_name, @extschema@.tw_calling_role(),
           nullif(coalesce(given, '{}') || CASE WHEN s.intent IS DISTINCT FROM before ->> 'intent'
                                                THEN jsonb_strip_nulls(jsonb_build_object(
                                                    'previous_intent', s.intent, 'learned_by', s.model_version_target))
                                                ELSE '{}' END, '{}')
    FROM @extschema@.training_samples s WHERE s.id = sample;
    UPDATE @extschema@.training_samples s
    SET review_status = first.from_status,
        review_priority = coalesce(s.review_priority, first.review_priority, 2),
        review_reason = coalesce(s.review_reason, first.review_reason, 'verdict withdrawn'),
        intent = coalesce(before ->> 'intent', s.intent),
        entities = CASE WHEN before ? 'entities' THEN nullif(before -> 'entities', 'null') ELSE s.entities END,
        label_source = coalesce(before ->> 'label_source', s.label_source),
        quality_score = (before ->> 'quality_score')::double precision,
        module_id = (before ->> 'module_id')::integer, module_type = before ->> 'module_type',
        expected_service = before ->> 'expected_service', reviewed_by = before ->> 'reviewed_by',
        reviewed_at = (before ->> 'reviewed_at')::timestamptz,
        model_version_target = CASE WHEN s.intent = before ->> 'intent' THEN s.model_version_target END
    WHERE s.id = sample;
    PERFORM @extschema@.tw_unsettle_texts(sample, reviewer_name);
    DELETE FROM @extschema@.review_claims k WHERE k.sample_id = sample;
    RETURN 1;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_withdraw_sample_verdict(bigint, text, text, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_withdraw_sample_verdict(bigint, text, text, jsonb) IS
    'withdraw_sample_verdict(), with details for the event that say where the withdrawal came from';

CREATE FUNCTION @extschema@.withdraw_sample_verdict(id bigint, note text DEFAULT NULL, reviewer text DEFAULT NULL)
    RETURNS bigint
    LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
RETURN @extschema@.tw_withdraw_sample_verdict(id, note, reviewer, NULL::jsonb);
REVOKE ALL ON FUNCTION @extschema@.withdraw_sample_verdict(bigint, text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.withdraw_sample_verdict(bigint, text, text) IS
    'Withdraws the verdict on the sample id (on its conversation, if it has one): it has its earlier label and status '
    'again, and waits with its earlier priority and reason. Samples that the verdict had rejected, because they said '
    'something else of the same text, come back and wait too. note and reviewer: as in approve_sample(). Returns 1. '
    'Raises P0002 for an unknown id, 22004 for a NULL one, 55000 where there is no verdict, 55006 while another '
    'reviewer holds a claim (except for operators), 42501 if a caller who is not an operator names a reviewer, 22023 '
    'for a blank one';
