-- rename_intent() and merge_intents(): an intent gets another name, or several become one.
--
-- What is labelled or waits gets the new name at once; the former name stays in intent_aliases. Conversations that do
-- not wait, events and evaluations keep the name of their time: whoever compares them asks tw_resolve_intent(). So does
-- whatever reads samples, because a transaction that was open at the time may have written the former name:
-- tw_settle_intents(), in the daily job, gives these rows the current one. It does the same for rows that stayed locked
-- (a training by hand keeps those whose split it decided until its end).
--
-- Lock order: intents, conversations, samples, policies.

CREATE FUNCTION @extschema@.tw_intent_exists(name text) RETURNS boolean
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
RETURN EXISTS (SELECT FROM @extschema@.training_samples s WHERE s.intent = name)
    OR EXISTS (SELECT FROM @extschema@.review_policies p WHERE p.intent = name)
    OR EXISTS (SELECT FROM @extschema@.intent_aliases a WHERE a.intent = name)
    OR EXISTS (SELECT FROM @extschema@.conversation_logs c WHERE c.review_priority IS NOT NULL AND c.nlu_intent = name);
REVOKE ALL ON FUNCTION @extschema@.tw_intent_exists(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_intent_exists(text) IS
    'Whether a sample, a policy, a waiting conversation or a former name has this intent';

CREATE FUNCTION @extschema@.tw_check_intent_names(sources text[], target text) RETURNS void
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    source text;
    current_name text;
BEGIN
    IF target IS NULL OR sources IS NULL OR array_position(sources, NULL) IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'null_value_not_allowed',
            MESSAGE = 'the name of an intent must not be NULL',
            HINT = 'SELECT intent FROM intents; shows those that there are.';
    END IF;
    IF cardinality(sources) = 0 OR array_ndims(sources) > 1 OR @extschema@.tw_is_blank(target) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = CASE WHEN @extschema@.tw_is_blank(target) THEN 'the new name of an intent must not be blank'
                           ELSE 'the intents to merge must be a list of names' END,
            HINT = 'For example merge_intents(ARRAY[''intent.food.find'', ''intent.food.look''], '
                   '''intent.food.item.search'').';
    END IF;
    IF @extschema@.tw_is_too_long(NULL::integer, NULL::text, target, NULL::text, NULL::text, NULL::text,
        NULL::jsonb) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = 'the new name of the intent is too long for a sample',
            DETAIL = format('It may have at most max_message_bytes, which is %s.',
                @extschema@.training_setting('max_message_bytes'::text));
    END IF;
    FOREACH source IN ARRAY sources LOOP
        IF source = target THEN
            RAISE EXCEPTION USING
                ERRCODE = 'invalid_parameter_value',
                MESSAGE = format('intent "%s" cannot become itself', @extschema@.tw_excerpt(target)),
                HINT = 'Name the intents that become another one, and the other one once.';
        END IF;
        current_name := @extschema@.tw_resolve_intent(source);
        IF current_name <> source OR NOT @extschema@.tw_intent_exists(source) THEN
            RAISE EXCEPTION USING
                ERRCODE = 'undefined_object',
                MESSAGE = format('there is no intent "%s"', @extschema@.tw_excerpt(source)),
                DETAIL = CASE WHEN current_name <> source
                              THEN format('It is a former name of "%s".', @extschema@.tw_excerpt(current_name))
                              ELSE 'No sample, no policy and no waiting conversation has it.' END,
                HINT = 'SELECT intent FROM intents; shows those that there are.';
        END IF;
    END LOOP;
    -- A former name may return, but only as the name of what it stands for: models trained before answer with it.
    current_name := @extschema@.tw_resolve_intent(target);
    IF current_name <> target AND current_name <> ALL (sources) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'duplicate_object',
            MESSAGE = format('"%s" is a former name of intent "%s"', @extschema@.tw_excerpt(target),
                             @extschema@.tw_excerpt(current_name)),
            DETAIL = 'Models trained before answer with it.',
            HINT = 'Choose another name.';
    END IF;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_check_intent_names(text[], text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_check_intent_names(text[], text) IS
    'Checks that these intents exist and may become this one. Raises 22004 for a NULL, 22023 for a blank or too long '
    'name, no name and an intent that becomes itself, 42704 for an intent that does not exist, 42710 for a former name '
    'of another intent';

CREATE FUNCTION @extschema@.tw_new_module(module_type text, intent text, new_intent text) RETURNS text
    LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
RETURN CASE WHEN module_type IS NOT DISTINCT FROM @extschema@.intent_module_type(intent)
            THEN @extschema@.intent_module_type(new_intent) ELSE module_type END;
REVOKE ALL ON FUNCTION @extschema@.tw_new_module(text, text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_new_module(text, text, text) IS
    'The module after an intent was renamed: the one that the new name has where the module was that of the old name; '
    'any other module stays';

CREATE FUNCTION @extschema@.tw_give_current_names(
    conversation_ids bigint[], sample_ids bigint[], remark text, reviewer_name text) RETURNS void
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    -- The events come first: they record values that the statements after them change.
    WITH relabelled AS (
        SELECT s.conversation_log_id, s.id AS sample_id, s.intent, a.intent AS new_intent, s.model_version_target
        FROM @extschema@.training_samples s JOIN @extschema@.intent_aliases a ON a.alias = s.intent
        WHERE s.id IN (SELECT unnest(sample_ids))
        UNION ALL
        SELECT c.id, NULL, c.nlu_intent, a.intent, NULL
        FROM @extschema@.conversation_logs c JOIN @extschema@.intent_aliases a ON a.alias = c.nlu_intent
        WHERE c.id IN (SELECT unnest(conversation_ids))
          AND NOT EXISTS (SELECT FROM @extschema@.training_samples s
                          JOIN @extschema@.intent_aliases x ON x.alias = s.intent
                          WHERE s.conversation_log_id = c.id)
    )
    INSERT INTO @extschema@.review_events (conversation_log_id, sample_id, action, note, from_status, to_status,
        review_priority, review_reason, reviewer, calling_role, details)
    SELECT r.conversation_log_id, CASE WHEN r.conversation_log_id IS NULL THEN r.sample_id END, 'relabel', remark,
           coalesce(c.review_status, s.review_status), coalesce(c.review_status, s.review_status),
           coalesce(c.review_priority, s.review_priority), coalesce(c.review_reason, s.review_reason), reviewer_name,
           @extschema@.tw_calling_role(),
           jsonb_strip_nulls(jsonb_build_object(
               'previous_intent', r.intent, 'learned_by', r.model_version_target,
               'rename', jsonb_build_object('from', r.intent, 'to', r.new_intent)))
    FROM relabelled r
    LEFT JOIN @extschema@.conversation_logs c ON c.id = r.conversation_log_id
    LEFT JOIN @extschema@.training_samples s ON s.id = r.sample_id
    ORDER BY r.conversation_log_id, r.sample_id;

    UPDATE @extschema@.conversation_logs c SET nlu_intent = a.intent
    FROM @extschema@.intent_aliases a
    WHERE c.id IN (SELECT unnest(conversation_ids)) AND a.alias = c.nlu_intent;

    -- model_version_target stays: the version that learned the former name answers with the current one.
    UPDATE @extschema@.training_samples s
    SET intent = a.intent, module_type = m.module_type,
        module_id = CASE WHEN m.module_type IS NOT DISTINCT FROM s.module_type THEN s.module_id END
    FROM @extschema@.intent_aliases a, @extschema@.training_samples x
    LEFT JOIN @extschema@.conversation_logs c ON c.id = x.conversation_log_id
    CROSS JOIN LATERAL (
        -- A module that the application named stays.
        SELECT CASE WHEN c.nlu_module_type <> '' AND c.nlu_module_type = x.module_type THEN x.module_type
                    ELSE @extschema@.tw_new_module(x.module_type, x.intent, @extschema@.tw_resolve_intent(x.intent))
               END AS module_type) m
    WHERE s.id IN (SELECT unnest(sample_ids)) AND a.alias = s.intent AND x.id = s.id;

    UPDATE @extschema@.blind_reviews b
    SET suggestions = ARRAY(SELECT @extschema@.tw_resolve_intent(x.suggestion)
                            FROM unnest(b.suggestions) WITH ORDINALITY AS x (suggestion, n) ORDER BY x.n)
    FROM @extschema@.conversation_logs c
    WHERE c.id = b.conversation_log_id AND c.review_priority IS NOT NULL AND c.review_reason = 'model disagreement'
      AND b.suggestions && ARRAY(SELECT a.alias FROM @extschema@.intent_aliases a);
    -- Two answers that have become one are no question any more.
    PERFORM @extschema@.tw_withdraw_blind(ARRAY(
        SELECT b.conversation_log_id FROM @extschema@.blind_reviews b
        JOIN @extschema@.conversation_logs c ON c.id = b.conversation_log_id
        WHERE b.suggestions[1] = b.suggestions[2] AND c.review_priority IS NOT NULL
          AND c.review_reason = 'model disagreement' ORDER BY 1));
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_give_current_names(bigint[], bigint[], text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_give_current_names(bigint[], bigint[], text, text) IS
    'Gives locked conversations and samples with a former name of their intent the current one, with an event for '
    'each; also the suggestions of blind reviews';

CREATE FUNCTION @extschema@.tw_lock_named(
    names text[], waits boolean, OUT conversation_ids bigint[], OUT sample_ids bigint[], OUT locked bigint)
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF waits THEN
        BEGIN
            conversation_ids := ARRAY(
                SELECT c.id FROM @extschema@.conversation_logs c
                WHERE c.review_priority IS NOT NULL AND c.nlu_intent = ANY (names) ORDER BY c.id FOR UPDATE);
            sample_ids := ARRAY(
                SELECT s.id FROM @extschema@.training_samples s WHERE s.intent = ANY (names) ORDER BY s.id FOR UPDATE);
            locked := 0;
            RETURN;
        EXCEPTION WHEN lock_not_available THEN
            NULL;
        END;
    END IF;
    conversation_ids := ARRAY(
        SELECT c.id FROM @extschema@.conversation_logs c
        WHERE c.review_priority IS NOT NULL AND c.nlu_intent = ANY (names) ORDER BY c.id FOR UPDATE SKIP LOCKED);
    sample_ids := ARRAY(
        SELECT s.id FROM @extschema@.training_samples s
        WHERE s.intent = ANY (names) ORDER BY s.id FOR UPDATE SKIP LOCKED);
    locked := greatest(0, (SELECT count(*) FROM @extschema@.conversation_logs c
                           WHERE c.review_priority IS NOT NULL AND c.nlu_intent = ANY (names))
                          + (SELECT count(*) FROM @extschema@.training_samples s WHERE s.intent = ANY (names))
                          - cardinality(conversation_ids) - cardinality(sample_ids));
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_lock_named(text[], boolean) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_lock_named(text[], boolean) IS
    'Locks the waiting conversations and the samples with one of these intents. Rows that others hold for longer than '
    'the limit of waits, or at all where waits is false, are left out and counted (locked)';

CREATE FUNCTION @extschema@.tw_rename_policies(names text[]) RETURNS bigint
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    clash record;
    renamed bigint;
BEGIN
    -- Two policies of one scope would contradict each other, and only a person knows which one is meant.
    SELECT min(p.id) AS id, max(p.id) AS other, n.module_type, n.intent INTO clash
    FROM @extschema@.review_policies p
    CROSS JOIN LATERAL (
        SELECT @extschema@.tw_resolve_intent(p.intent) AS intent,
               -- NULL would be every module.
               CASE WHEN p.module_type IS NOT NULL AND p.intent = ANY (names) THEN coalesce(
                   @extschema@.tw_new_module(p.module_type, p.intent, @extschema@.tw_resolve_intent(p.intent)),
                   p.module_type) ELSE p.module_type END AS module_type) n
    WHERE p.intent IS NOT NULL
    GROUP BY n.module_type, n.intent HAVING count(*) > 1 ORDER BY 1 LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'unique_violation',
            MESSAGE = format('two review policies would be for %s, intent %s',
                             coalesce('module ' || @extschema@.tw_excerpt(clash.module_type), 'every module'),
                             @extschema@.tw_excerpt(clash.intent)),
            DETAIL = format('They have the ids %s and %s.', clash.id, clash.other),
            HINT = 'DELETE FROM review_policies the one that should no longer hold, then try again.';
    END IF;
    UPDATE @extschema@.review_policies p
    SET intent = @extschema@.tw_resolve_intent(p.intent),
        module_type = CASE WHEN p.module_type IS NOT NULL THEN coalesce(
            @extschema@.tw_new_module(p.module_type, p.intent, @extschema@.tw_resolve_intent(p.intent)),
            p.module_type) END
    WHERE p.intent = ANY (names);
    GET DIAGNOSTICS renamed = ROW_COUNT;
    RETURN renamed;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_rename_policies(text[]) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_rename_policies(text[]) IS
    'Gives policies of former names the current ones; returns how many. Raises 23505 if there would be two for one '
    'module and intent';

CREATE FUNCTION @extschema@.tw_rename_intents(
    sources text[], target text, how text, remark text, named_reviewer text,
    OUT samples bigint, OUT conversations bigint, OUT policies bigint, OUT open_tasks bigint,
    OUT locked bigint)
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    reviewer_name text := @extschema@.tw_reviewer(named_reviewer);
    names text[];
    conversation_ids bigint[];
    sample_ids bigint[];
BEGIN
    PERFORM @extschema@.tw_require_no_node();
    PERFORM @extschema@.tw_bound_waits();
    PERFORM @extschema@.tw_lock('intents'::text, 0::bigint);
    PERFORM @extschema@.tw_check_intent_names(sources, target);
    IF how = 'rename' AND @extschema@.tw_resolve_intent(target) = target AND @extschema@.tw_intent_exists(target) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'duplicate_object',
            MESSAGE = format('there is already an intent "%s"', @extschema@.tw_excerpt(target)),
            HINT = format('To make one of the two: SELECT * FROM merge_intents(ARRAY[%L], %L);', sources[1], target);
    END IF;

    -- Chains stay flat, and a former name that returns is none any more: there are no cycles.
    DELETE FROM @extschema@.intent_aliases a WHERE a.alias = target;
    UPDATE @extschema@.intent_aliases a SET intent = target WHERE a.intent = ANY (sources);
    INSERT INTO @extschema@.intent_aliases (alias, intent, made_by, note, reviewer)
    SELECT DISTINCT s.name, target, how, remark, reviewer_name FROM unnest(sources) AS s (name);
    names := ARRAY(SELECT a.alias FROM @extschema@.intent_aliases a WHERE a.intent = target);

    SELECT l.conversation_ids, l.sample_ids, l.locked INTO conversation_ids, sample_ids, locked
    FROM @extschema@.tw_lock_named(names, true) l;
    PERFORM @extschema@.tw_give_current_names(conversation_ids, sample_ids, remark, reviewer_name);
    policies := @extschema@.tw_rename_policies(names);
    samples := cardinality(sample_ids);
    conversations := cardinality(conversation_ids);
    open_tasks := (SELECT count(*) FROM @extschema@.labelstudio_tasks t
                   WHERE @extschema@.tw_task_is_shown(t.status));
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_rename_intents(text[], text, text, text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_rename_intents(text[], text, text, text, text) IS
    'rename_intent() and merge_intents(): how is rename or merge';

CREATE FUNCTION @extschema@.rename_intent(
    old text, new text, note text DEFAULT NULL, reviewer text DEFAULT NULL,
    OUT samples bigint, OUT conversations bigint, OUT policies bigint, OUT open_tasks bigint,
    OUT locked bigint)
    LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT r.samples, r.conversations, r.policies, r.open_tasks, r.locked
    FROM @extschema@.tw_rename_intents(ARRAY[old], btrim(new, E' \t\n\r\f\x0B'), 'rename'::text, note, reviewer) r;
END;
REVOKE ALL ON FUNCTION @extschema@.rename_intent(text, text, text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.rename_intent(text, text, text, text) IS
    'Renames the intent old to new: samples, waiting conversations, blind questions and policies get the new name, '
    'with an event relabel for each sample and conversation, and old becomes a former name (intent_aliases). '
    'Captures, imports, verdicts, Label Studio answers and answers of models trained before that use old are taken '
    'for new, so nothing has to be trained again. A module that followed from the old name follows from the new one. '
    'note is kept with the events (NULL: none). reviewer names the person behind a shared role (NULL: the calling '
    'role). Returns how many samples, waiting conversations and policies were renamed; open_tasks, the tasks in Label'
    ' Studio that may still offer the old name; and locked, the rows that another session held for more than five '
    'seconds: the daily job renames them, and until then they count as new all the same. Renaming back is renaming. '
    'Raises 22004 for a NULL name, 22023 for a blank or too long new name and for old = new, 42704 for an intent that'
    ' nothing has, 42710 where new is an intent (merge_intents() makes them one) or a former name of another one, '
    '23505 where two policies would be for one module and intent, 55000 on a node of a fleet, 55P03 while another '
    'rename goes on';

CREATE FUNCTION @extschema@.merge_intents(
    "from" text[], "into" text, note text DEFAULT NULL, reviewer text DEFAULT NULL,
    OUT samples bigint, OUT conversations bigint, OUT policies bigint, OUT open_tasks bigint,
    OUT locked bigint)
    LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT r.samples, r.conversations, r.policies, r.open_tasks, r.locked
    FROM @extschema@.tw_rename_intents("from", btrim("into", E' \t\n\r\f\x0B'), 'merge'::text, note, reviewer) r;
END;
REVOKE ALL ON FUNCTION @extschema@.merge_intents(text[], text, text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.merge_intents(text[], text, text, text) IS
    'Makes all intents of from the intent into, which may exist or be new; what rename_intent() does for one. Cannot '
    'be undone: afterwards nothing but the events (details: previous_intent) tells them apart. Probabilities of merged '
    'intents are added where a model trained before answers, and blind questions between them are withdrawn. note, '
    'reviewer and what is returned: as in rename_intent(). Raises what rename_intent() raises, but 42710 only for a '
    'former name of another intent, and 22023 also for an empty from and where from contains into';

CREATE FUNCTION @extschema@.tw_settle_intents(OUT renamed bigint, OUT locked bigint)
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    names CONSTANT text[] := ARRAY(SELECT a.alias FROM @extschema@.intent_aliases a);
    found record;
BEGIN
    renamed := 0;
    locked := 0;
    IF cardinality(names) = 0 THEN
        RETURN;
    END IF;
    SELECT * INTO found FROM @extschema@.tw_lock_named(names, false);
    renamed := cardinality(found.conversation_ids) + cardinality(found.sample_ids);
    locked := found.locked;
    IF renamed > 0 THEN
        PERFORM @extschema@.tw_give_current_names(found.conversation_ids, found.sample_ids, NULL::text,
                                                  @extschema@.tw_calling_role()::text);
    END IF;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_settle_intents() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_settle_intents() IS
    'Gives the current name to samples and waiting conversations with a former one: written by transactions that were '
    'open when the intent was renamed, or locked at that time. Returns how many, and how many are locked and wait for '
    'the next call';
