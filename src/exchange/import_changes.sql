-- What import_training_samples() changes in stored samples and conversations, and what it reports.

CREATE FUNCTION @extschema@.tw_next_import() RETURNS bigint
    LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
RETURN nextval('@extschema@.sample_imports_id_seq'::regclass);
REVOKE ALL ON FUNCTION @extschema@.tw_next_import() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_next_import() IS 'Draws the number of an import';

CREATE FUNCTION @extschema@.tw_lock_imported(ids bigint[]) RETURNS void
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    locked bigint;
BEGIN
    -- A session that holds one of them for longer has probably forgotten it.
    PERFORM @extschema@.tw_bound_waits();
    PERFORM FROM @extschema@.conversation_logs c
    WHERE c.id IN (SELECT s.conversation_log_id FROM @extschema@.training_samples s WHERE s.id = ANY (ids))
    ORDER BY c.id FOR UPDATE;
    PERFORM FROM @extschema@.training_samples s WHERE s.id = ANY (ids) ORDER BY s.id FOR UPDATE;
    GET DIAGNOSTICS locked = ROW_COUNT;
    IF locked <> (SELECT count(DISTINCT i) FROM unnest(ids) i) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'serialization_failure',
            MESSAGE = 'samples changed while the data was imported',
            DETAIL = 'Nothing of it was imported.',
            HINT = 'Import it again.';
    END IF;
EXCEPTION WHEN lock_not_available THEN
    RAISE EXCEPTION USING
        ERRCODE = 'lock_not_available',
        MESSAGE = 'samples or conversations that the import changes are locked by another session',
        DETAIL = 'Nothing of the data was imported.',
        HINT = 'Wait for the end of that transaction, or end it (pg_stat_activity has them), and import again.';
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_lock_imported(bigint[]) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_lock_imported(bigint[]) IS
    'Locks samples and their conversations, conversations first, ids ascending. Raises 55P03 where one is locked for '
    '5 seconds, 40001 where one is gone or not visible';

CREATE FUNCTION @extschema@.tw_pin_imported(ids bigint[], splits text[]) RETURNS void
    LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    UPDATE @extschema@.training_samples s SET split = p.split FROM unnest(ids, splits) AS p (id, split)
    WHERE s.id = p.id AND s.split IS NULL;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_pin_imported(bigint[], text[]) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_pin_imported(bigint[], text[]) IS 'Gives samples that have no split one';

CREATE FUNCTION @extschema@.tw_label_imported(
    import bigint, ids bigint[], intents text[], languages text[], new_entities jsonb[], module_ids integer[],
    module_types text[], services text[]) RETURNS void
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    -- The event comes first: it records values that the statement after it changes. Conversations keep their verdicts.
    INSERT INTO @extschema@.review_events (conversation_log_id, sample_id, action, from_status, to_status,
                                           review_priority, review_reason, reviewer, calling_role, details)
    SELECT s.conversation_log_id, CASE WHEN s.conversation_log_id IS NULL THEN s.id END,
           CASE WHEN s.intent = n.intent THEN 'import' ELSE 'relabel' END,
           coalesce(c.review_status, s.review_status),
           CASE WHEN s.conversation_log_id IS NULL THEN 'approved' ELSE c.review_status END,
           coalesce(c.review_priority, s.review_priority), coalesce(c.review_reason, s.review_reason), session_user,
           @extschema@.tw_calling_role(),
           jsonb_strip_nulls(jsonb_build_object(
               'import', import, 'label_source', CASE WHEN s.label_source <> 'human' THEN s.label_source END,
               'previous_intent', CASE WHEN s.intent <> n.intent THEN s.intent END,
               'intent', CASE WHEN s.intent <> n.intent THEN n.intent END,
               'learned_by', CASE WHEN s.intent <> n.intent THEN s.model_version_target END))
    FROM unnest(ids, intents) AS n (id, intent)
    JOIN @extschema@.training_samples s ON s.id = n.id
    LEFT JOIN @extschema@.conversation_logs c ON c.id = s.conversation_log_id
    WHERE s.intent <> n.intent OR s.label_source <> 'human' OR s.review_status <> 'approved'
    ORDER BY s.id;

    -- Opinions about a label that was replaced settle nothing.
    UPDATE @extschema@.second_opinions o SET status = 'superseded', settled_at = clock_timestamp()
    FROM unnest(ids, intents) AS n (id, intent)
    JOIN @extschema@.training_samples s ON s.id = n.id
    WHERE o.conversation_log_id = s.conversation_log_id AND o.settled_at IS NULL AND s.intent <> n.intent;
    -- The conflict is settled.
    UPDATE @extschema@.conversation_logs c SET review_priority = NULL, review_reason = NULL
    FROM @extschema@.training_samples s
    WHERE s.id = ANY (ids) AND c.id = s.conversation_log_id AND c.review_status = 'approved'
      AND c.review_priority IS NOT NULL AND c.review_reason = 'label conflict' AND s.label_source = 'human';

    -- A changed label is new to a model that learned the old one.
    UPDATE @extschema@.training_samples s
    SET intent = n.intent, language = coalesce(n.language, s.language), entities = coalesce(n.entities, s.entities),
        module_id = CASE WHEN s.intent = n.intent THEN coalesce(n.module_id, s.module_id) ELSE n.module_id END,
        module_type = CASE WHEN s.intent = n.intent THEN coalesce(nullif(n.module_type, ''), s.module_type)
                           ELSE @extschema@.tw_module_type(n.module_type, n.intent) END,
        expected_service = CASE WHEN s.intent = n.intent THEN coalesce(n.service, s.expected_service)
                                ELSE n.service END,
        model_version_target = CASE WHEN s.intent = n.intent THEN s.model_version_target END,
        review_status = 'approved', pending_reason = NULL, label_source = 'human', reviewed_by = session_user,
        reviewed_at = now(), quality_score = 1, review_priority = NULL, review_reason = NULL
    FROM unnest(ids, intents, languages, new_entities, module_ids, module_types, services)
        AS n (id, intent, language, entities, module_id, module_type, service)
    WHERE s.id = n.id AND (s.intent <> n.intent OR s.label_source <> 'human' OR s.review_status <> 'approved'
                           OR s.review_reason = 'label conflict');
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_label_imported(bigint, bigint[], text[], text[], jsonb[], integer[], text[],
    text[]) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_label_imported(bigint, bigint[], text[], text[], jsonb[], integer[], text[],
    text[]) IS
    'Gives samples the label of lines of an import, as a person''s: event import where the intent is the same, relabel '
    'where it is another. Their rows are locked';

CREATE FUNCTION @extschema@.tw_queue_imported(import bigint, ids bigint[]) RETURNS void
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    -- Rows already queued keep their priority and reason.
    INSERT INTO @extschema@.review_events (conversation_log_id, sample_id, action, from_status, to_status,
                                           reviewer, calling_role, details)
    SELECT s.conversation_log_id, CASE WHEN s.conversation_log_id IS NULL THEN s.id END, 'import',
           coalesce(c.review_status, s.review_status), coalesce(c.review_status, s.review_status), session_user,
           @extschema@.tw_calling_role(), jsonb_build_object('import', import)
    FROM @extschema@.training_samples s
    LEFT JOIN @extschema@.conversation_logs c ON c.id = s.conversation_log_id
    WHERE s.id = ANY (ids) AND s.review_priority IS NULL AND c.review_priority IS NULL
    ORDER BY s.id;
    UPDATE @extschema@.conversation_logs c SET review_priority = 2, review_reason = 'label conflict'
    FROM @extschema@.training_samples s
    WHERE s.id = ANY (ids) AND c.id = s.conversation_log_id AND c.review_priority IS NULL;
    UPDATE @extschema@.training_samples s SET review_priority = 2, review_reason = 'label conflict'
    WHERE s.id = ANY (ids) AND s.conversation_log_id IS NULL AND s.review_priority IS NULL;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_queue_imported(bigint, bigint[]) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_queue_imported(bigint, bigint[]) IS
    'Queues samples, or their conversations, with priority 2 and the reason label conflict: people gave a text '
    'different intents. Their rows are locked or new';

CREATE FUNCTION @extschema@.tw_record_import(
    import bigint, source text, format text, on_conflict text, label_source text, bad_lines text, lines bigint,
    counts bigint[], numbers bigint[], outcomes text[], reasons text[], samples bigint[]) RETURNS void
    LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    INSERT INTO @extschema@.sample_imports (id, imported_by, source, format, on_conflict, label_source, bad_lines,
        lines, inserted, existing, conflicting, upgraded, replaced, kept, pinned, not_pinned, skipped)
    VALUES (import, @extschema@.tw_calling_role(), source, format, on_conflict, label_source, bad_lines, lines,
            counts[1], counts[2], counts[3], counts[4], counts[5], counts[6], counts[7], counts[8], counts[9]);
    INSERT INTO @extschema@.sample_import_lines (import_id, line, outcome, reason, sample_id)
    SELECT import, n.line, n.outcome, n.reason, n.sample_id
    FROM unnest(numbers, outcomes, reasons, samples) AS n (line, outcome, reason, sample_id);
END;
REVOKE ALL ON FUNCTION @extschema@.tw_record_import(bigint, text, text, text, text, text, bigint, bigint[], bigint[],
    text[], text[], bigint[]) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_record_import(bigint, text, text, text, text, text, bigint, bigint[], bigint[],
    text[], text[], bigint[]) IS
    'Stores the report of an import: its arguments, its counts in the order of the columns, and its lines';

CREATE FUNCTION @extschema@.import_report(
    import_id bigint DEFAULT NULL,
    OUT line bigint, OUT outcome text, OUT reason text, OUT sample_id bigint)
    RETURNS SETOF record
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    wanted bigint := coalesce(import_report.import_id, (
        SELECT max(i.id) FROM @extschema@.sample_imports i
        WHERE i.imported_by = @extschema@.tw_calling_role()));
BEGIN
    IF import_report.import_id IS NOT NULL
       AND NOT EXISTS (SELECT FROM @extschema@.sample_imports i WHERE i.id = wanted) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'no_data_found',
            MESSAGE = format('import %s does not exist', wanted),
            HINT = 'The numbers are import_id of import_training_samples(), and id of sample_imports.';
    END IF;
    RETURN QUERY
    SELECT l.line, l.outcome, l.reason, l.sample_id FROM @extschema@.sample_import_lines l
    WHERE l.import_id = wanted ORDER BY l.line, l.outcome COLLATE "C";
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.import_report(bigint) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.import_report(bigint) IS
    'The lines of the import import_id (NULL: the caller''s newest) that did more, or less, than to insert a sample or '
    'to find it there: each with its outcome (conflicting, upgraded, replaced, kept, pinned, not pinned, skipped), the '
    'reason, and the sample that waits, was changed or stands. A line may have several rows. Raises P0002 for an '
    'unknown import';
