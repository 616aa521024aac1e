-- import_conversations(): import of conversations that an application logged earlier in a table of its own.
--
-- Reading and writing use different rights. The table is read with the caller's rights, because a view's functions, a
-- policy or a type's output function can be any role's code. Rows are written with the owner's rights, from text that
-- only built-in types parse.

CREATE FUNCTION @extschema@.tw_check_import_source(source regclass) RETURNS text
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    kind "char";
    schema_name text;
    table_name text;
BEGIN
    SELECT c.relkind, CASE WHEN c.relpersistence = 't' THEN 'pg_temp' ELSE n.nspname END, c.relname
    INTO kind, schema_name, table_name
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = source;
    IF source IS NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'null_value_not_allowed',
            MESSAGE = 'the table to import must not be NULL';
    ELSIF NOT FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'undefined_table',
            MESSAGE = format('there is no table with the OID %s', source::oid);
    ELSIF kind NOT IN ('r', 'p', 'v', 'm', 'f') THEN
        RAISE EXCEPTION USING
            ERRCODE = 'wrong_object_type',
            MESSAGE = format('%s is not a table or view', source);
    ELSIF EXISTS (SELECT FROM pg_depend d
                  JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid
                  WHERE e.extname = 'training_workflow' AND d.classid = 'pg_class'::regclass AND d.objid = source
                    AND d.deptype = 'e') THEN
        RAISE EXCEPTION USING
            ERRCODE = 'wrong_object_type',
            MESSAGE = format('%s belongs to training_workflow', source),
            HINT = 'Name the table of your application, with its schema, for example app.messages.';
    END IF;
    RETURN format('%I.%I', schema_name, table_name);
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_check_import_source(regclass) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_check_import_source(regclass) IS
    'The name, with schema, of a table or view that conversations can be imported from. Raises 22004 for NULL, 42P01 '
    'for an unknown OID, 42809 for other relations and for the extension''s own tables';

CREATE FUNCTION @extschema@.tw_map_import(source regclass, columns jsonb) RETURNS jsonb
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    targets CONSTANT text[] := ARRAY['id', 'session_id', 'phone_number', 'user_id', 'user_message', 'message_type',
                                     'message_language',
        'nlu_intent', 'nlu_confidence', 'nlu_module_id', 'nlu_module_type', 'nlu_provider', 'nlu_model_version',
        'nlu_entities', 'nlu_tone', 'nlu_processing_time_ms', 'routed_to', 'response_text', 'response_success',
        'user_feedback', 'user_correction', 'backend_reference',
        'metadata', 'created_at', 'idempotency_key', 'review_status', 'review_priority', 'review_reason'];
    -- What columns of ours are called elsewhere: for tables without a column of our name.
    other_names CONSTANT jsonb := '{"nlu_processing_time_ms": "processingtimems"}';
    present CONSTANT text[] := ARRAY(SELECT a.attname::text FROM pg_attribute a
                                     WHERE a.attrelid = source AND a.attnum > 0 AND NOT a.attisdropped
                                     ORDER BY a.attnum);
    mapping jsonb := '{}';
    target text;
    spelling text;
    named jsonb;
    candidates text[];
BEGIN
    IF jsonb_typeof(columns) IS DISTINCT FROM 'object' THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = 'columns must be a JSON object',
            HINT = 'Each key is a column of conversation_logs, its value a column of the table: '
                   '{"session_id": "chatId"}. The value null leaves the column empty.';
    END IF;
    FOR target, named IN SELECT c.key, c.value FROM jsonb_each(columns) AS c (key, value) LOOP
        IF target <> ALL (targets) THEN
            RAISE EXCEPTION USING
                ERRCODE = 'invalid_parameter_value',
                MESSAGE = format('there is no column "%s" to import into', @extschema@.tw_excerpt(target)),
                DETAIL = format('These can be filled: %s.', array_to_string(targets, ', ')),
                HINT = 'Each key is a column of conversation_logs, its value a column of the table: '
                       '{"session_id": "chatId"}.';
        ELSIF jsonb_typeof(named) NOT IN ('string', 'null') THEN
            RAISE EXCEPTION USING
                ERRCODE = 'invalid_parameter_value',
                MESSAGE = format('the column for "%s" must be a string or null, not %s', target,
                                 @extschema@.tw_excerpt(named::text)),
                HINT = 'Name a column of the table, or pass null to leave the column empty.';
        ELSIF jsonb_typeof(named) = 'string' AND (named #>> '{}') <> ALL (present) THEN
            RAISE EXCEPTION USING
                ERRCODE = 'undefined_column',
                MESSAGE = format('%s has no column "%s"', source, @extschema@.tw_excerpt(named #>> '{}')),
                DETAIL = format('It has: %s.', @extschema@.tw_cut_text(array_to_string(present, ', '), 1000));
        END IF;
    END LOOP;

    FOREACH target IN ARRAY targets LOOP
        IF columns ? target THEN
            mapping := mapping || jsonb_strip_nulls(jsonb_build_object(target, columns -> target));
            CONTINUE;
        END IF;
        -- A column that the argument columns assigns to one target is not matched to another by its name.
        FOREACH spelling IN ARRAY ARRAY[replace(target, '_', ''), other_names ->> target] LOOP
            candidates := ARRAY(SELECT p FROM unnest(present) p
                                WHERE lower(replace(p, '_', '') COLLATE "C") = spelling
                                  AND NOT EXISTS (SELECT FROM jsonb_each_text(columns) c WHERE c.value = p));
            EXIT WHEN candidates <> '{}';
        END LOOP;
        IF cardinality(candidates) > 1 THEN
            RAISE EXCEPTION USING
                ERRCODE = 'ambiguous_column',
                MESSAGE = format('several columns of %s could be %s: %s', source, target,
                                 array_to_string(candidates, ', ')),
                HINT = format('Name one of them: columns => %L.', jsonb_build_object(target, candidates[1]));
        ELSIF cardinality(candidates) = 1 THEN
            mapping := mapping || jsonb_build_object(target, candidates[1]);
        END IF;
    END LOOP;

    FOREACH target IN ARRAY ARRAY['id', 'session_id', 'user_message'] LOOP
        IF NOT mapping ? target THEN
            RAISE EXCEPTION USING
                ERRCODE = 'undefined_column',
                MESSAGE = format('%s has no column for %s', source, target),
                DETAIL = format('It has: %s.', @extschema@.tw_cut_text(array_to_string(present, ', '), 1000)),
                HINT = CASE target WHEN 'id' THEN 'The id identifies a row that is imported again. ' ELSE '' END
                    || format('Name the column: columns => ''{"%s": "..."}''.', target);
        END IF;
    END LOOP;
    RETURN mapping;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_map_import(regclass, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_map_import(regclass, jsonb) IS
    'Which column of a table fills which column of conversation_logs: by name, ignoring case and underscores '
    '(processing_time_ms fills nlu_processing_time_ms), unless columns says otherwise. Raises 22023 if columns is '
    'malformed or has an unknown target, 42703 for unknown columns of the table and where id, session_id or '
    'user_message is missing, 42702 where several columns match';

CREATE FUNCTION @extschema@.tw_import_query(source regclass, mapping jsonb, OUT query text, OUT into_metadata text[],
                                            OUT numbered boolean)
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    names text;
    texts text;
    other text;
    json_names text;
    json_texts text;
    sorted_by text;
    ordering text[] := '{}';
BEGIN
    numbered := (SELECT a.atttypid IN ('smallint'::regtype, 'integer'::regtype, 'bigint'::regtype)
                 FROM pg_attribute a WHERE a.attrelid = source AND a.attname = mapping ->> 'id');
    -- As text; values other than text and JSON are converted to JSON if the target column is JSON.
    SELECT string_agg(quote_literal(m.key), ', ' ORDER BY m.key),
           string_agg(CASE WHEN m.key IN ('metadata', 'nlu_entities')
                                AND a.atttypid NOT IN ('json'::regtype, 'jsonb'::regtype) AND t.typcategory <> 'S'
                           THEN format('to_jsonb(s.%I)::text', m.value) ELSE format('s.%I::text', m.value) END, ', '
                           ORDER BY m.key)
    INTO names, texts
    FROM jsonb_each_text(mapping) m
    JOIN pg_attribute a ON a.attrelid = source AND a.attname = m.value
    JOIN pg_type t ON t.oid = a.atttypid
    WHERE m.key <> 'id';

    -- json, unlike jsonb, may contain values that jsonb rejects: tw_raise_import_error() reports those.
    SELECT array_agg(a.attname::text ORDER BY a.attnum),
           string_agg(format('s.%I', a.attname), ', ' ORDER BY a.attnum) FILTER (WHERE a.atttypid <> 'json'::regtype),
           string_agg(quote_literal(a.attname), ', ' ORDER BY a.attnum) FILTER (WHERE a.atttypid = 'json'::regtype),
           string_agg(format('s.%I::text', a.attname),
                      ', ' ORDER BY a.attnum) FILTER (WHERE a.atttypid = 'json'::regtype)
    INTO into_metadata, other, json_names, json_texts
    FROM pg_attribute a
    WHERE a.attrelid = source AND a.attnum > 0 AND NOT a.attisdropped
      AND NOT EXISTS (SELECT FROM jsonb_each_text(mapping) m WHERE m.value = a.attname);

    -- A type without an order, such as point, is sorted as text.
    FOREACH sorted_by IN ARRAY CASE WHEN NOT numbered AND mapping ? 'created_at'
                                    THEN ARRAY[mapping ->> 'created_at', mapping ->> 'id']
                                    ELSE ARRAY[mapping ->> 'id'] END LOOP
        BEGIN
            EXECUTE format('SELECT FROM %s s ORDER BY s.%I LIMIT 0', source, sorted_by);
            ordering := ordering || format('s.%I', sorted_by);
        EXCEPTION WHEN undefined_function THEN
            ordering := ordering || format('s.%I::text', sorted_by);
        END;
    END LOOP;
    query := format('SELECT s.%I::text AS key, jsonb_object(ARRAY[%s], ARRAY[%s]) AS vals, '
                    'jsonb_build_object(''columns'', %s, ''json'', %s) AS extras FROM %s s ORDER BY %s',
        mapping ->> 'id', names, texts,
        coalesce('(SELECT to_jsonb(x.*) FROM (SELECT ' || other || ') x)', '''{}''::jsonb'),
        coalesce('jsonb_object(ARRAY[' || json_names || '], ARRAY[' || json_texts || '])', '''{}''::jsonb'),
        source, array_to_string(ordering, ', '));
    into_metadata := coalesce(into_metadata, '{}');
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_import_query(regclass, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_import_query(regclass, jsonb) IS
    'The query that reads a table for tw_import_portion(), the columns that go to metadata, and whether the ids are '
    'integers';

CREATE FUNCTION @extschema@.tw_check_import_keys(source regclass, key_column name) RETURNS void
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET row_security = off
AS $function$
DECLARE
    twice text;
    missing bigint := 0;
BEGIN
    -- Usually the column is a primary key, and no rows have to be read.
    IF EXISTS (SELECT FROM pg_index i JOIN pg_attribute a ON a.attrelid = source AND a.attname = key_column
               WHERE i.indrelid = source AND i.indisunique AND i.indisvalid AND i.indimmediate AND i.indnkeyatts = 1
                 AND i.indkey[0] = a.attnum
                 AND i.indpred IS NULL AND a.attnotnull)
       -- A parent's key does not cover its children, unless they are partitions.
       AND NOT EXISTS (SELECT FROM pg_inherits h JOIN pg_class p ON p.oid = h.inhparent AND p.relkind = 'r'
                       WHERE h.inhparent = source) THEN
        RETURN;
    END IF;
    EXECUTE format('SELECT count(*) FROM %s s WHERE s.%I IS NULL', source, key_column) INTO missing;
    EXECUTE format('SELECT s.%1$I::text FROM %2$s s GROUP BY s.%1$I::text HAVING count(*) > 1 ORDER BY 1 LIMIT 1',
                   key_column, source) INTO twice;
    IF missing > 0 OR twice IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = CASE WHEN missing > 0 THEN 'not_null_violation' ELSE 'unique_violation' END,
            MESSAGE = CASE WHEN missing > 0
                           THEN format('%s of the rows of %s have no %s', missing, source, quote_ident(key_column))
                           ELSE format('several rows of %s have the %s %s', source, quote_ident(key_column),
                                       @extschema@.tw_excerpt(twice)) END,
            HINT = 'The id identifies a row that is imported again: name a column that is different in each row, with '
                   'columns => ''{"id": "..."}''.';
    END IF;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_check_import_keys(regclass, name) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_check_import_keys(regclass, name) IS
    'Raises an error if this column does not identify the rows of a table: 23502 for NULLs, 23505 for duplicates';

CREATE FUNCTION @extschema@.import_conversations(
    source regclass, columns jsonb DEFAULT '{}', review_status text DEFAULT 'not-applicable',
    time_zone text DEFAULT 'UTC', keep_ids boolean DEFAULT true,
    OUT imported bigint, OUT skipped bigint, OUT differing bigint, OUT ids_kept bigint, OUT queued bigint,
    OUT first_id bigint, OUT last_id bigint, OUT into_metadata text[])
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog,
                                  pg_temp SET row_security = off SET datestyle = 'ISO, MDY' SET extra_float_digits = 1
    -- The text of an id must not depend on the settings of the importing session.
    SET intervalstyle = 'postgres' SET bytea_output = 'hex' SET timezone = 'UTC'
AS $function$
DECLARE
    source_name CONSTANT text := @extschema@.tw_check_import_source(source);
    mapping jsonb;
    reading record;
    ours record;
    keep_upto bigint;
    item record;
    stored record;
    keys text[] := '{}';
    vals jsonb[] := '{}';
    extras jsonb[] := '{}';
    held integer := 0;
    held_bytes bigint := 0;
    seen bigint := 0;
    -- As many rows as the last ANALYZE found; NULL = not known, or a view.
    in_table CONSTANT bigint := (SELECT nullif(greatest(c.reltuples, 0), 0)::bigint FROM pg_class c
                                 WHERE c.oid = source);
    example text;
    last_key text;
    more boolean := true;
    rows_of refcursor;
BEGIN
    IF review_status IS NULL OR review_status NOT IN ('not-applicable', 'needs-review') THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('imported rows cannot have the review status "%s"',
                             coalesce(@extschema@.tw_excerpt(review_status), 'NULL')),
            HINT = 'Pass not-applicable to keep the rows out of the review queue, needs-review to put them into it. '
                   'Rows with a valid review_status of their own keep it.';
    END IF;
    IF time_zone IS NULL OR NOT EXISTS (SELECT FROM pg_timezone_names z WHERE lower(z.name) = lower(time_zone)) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('there is no time zone "%s"', coalesce(@extschema@.tw_excerpt(time_zone), 'NULL')),
            HINT = 'Pass the zone of the times that have none, by its name in pg_timezone_names: UTC (Prisma) or '
                   'Asia/Kolkata, for example.';
    END IF;
    IF keep_ids IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'null_value_not_allowed', MESSAGE = 'keep_ids must not be NULL';
    END IF;
    mapping := @extschema@.tw_map_import(source, columns);
    reading := @extschema@.tw_import_query(source, mapping);
    ours := @extschema@.tw_begin_import();
    PERFORM @extschema@.tw_check_import_keys(source, (mapping ->> 'id')::name);
    IF keep_ids AND reading.numbered THEN
        EXECUTE format('SELECT max(s.%1$I) FROM %2$s s WHERE s.%1$I BETWEEN %3$s AND %4$s', mapping ->> 'id', source,
                       ours.lowest, ours.highest) INTO keep_upto;
        PERFORM @extschema@.tw_reserve_numbers(keep_upto);
    END IF;

    imported := 0; differing := 0; ids_kept := 0; queued := 0;
    BEGIN
        OPEN rows_of NO SCROLL FOR EXECUTE reading.query;
        WHILE more LOOP
            FETCH rows_of INTO item;
            more := FOUND;
            IF more THEN
                keys := keys || item.key;
                last_key := item.key;
                vals := vals || item.vals;
                extras := extras || item.extras;
                held := held + 1;
                held_bytes := held_bytes + pg_column_size(item.vals) + pg_column_size(item.extras);
            END IF;
            -- In portions, so that memory does not grow with the table.
            IF held >= 1000 OR held_bytes >= 4000000 OR NOT more AND held > 0 THEN
                stored := @extschema@.tw_import_portion(source_name, mapping, keys, vals, extras, review_status,
                                                        time_zone, keep_upto);
                imported := imported + stored.imported;
                differing := differing + stored.differing;
                ids_kept := ids_kept + stored.ids_kept;
                queued := queued + stored.queued;
                first_id := least(first_id, stored.first_id);
                last_id := greatest(last_id, stored.last_id);
                example := coalesce(example, stored.differing_key);
                seen := seen + held;
                PERFORM @extschema@.tw_report_progress('import'::text, source::oid::bigint, seen, in_table);
                keys := '{}'; vals := '{}'; extras := '{}'; held := 0; held_bytes := 0;
            END IF;
        END LOOP;
        CLOSE rows_of;
        PERFORM @extschema@.tw_report_progress(NULL::text, NULL::bigint, NULL::bigint, NULL::bigint);
    EXCEPTION WHEN data_exception OR not_null_violation OR feature_not_supported THEN
        PERFORM @extschema@.tw_raise_import_error(source_name, mapping, keys, vals, extras);
        RAISE;
    END;
    -- Integer ids are read in their order.
    PERFORM @extschema@.tw_note_imported_table(source_name, columns, time_zone, mapping ->> 'id',
                                               CASE WHEN reading.numbered THEN last_key END::bigint);
    skipped := seen - imported;
    into_metadata := reading.into_metadata;
    IF differing > 0 THEN
        RAISE WARNING USING
            MESSAGE = format('%s rows of %s were imported before under the same id, but with another session, message '
                             'or time', differing, source),
            DETAIL = format('They were skipped. The first has the id %s.', @extschema@.tw_excerpt(example)),
            HINT = 'If another table with other messages now has that name, import a view of it, which has a name '
                   'of its own.';
    END IF;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.import_conversations(regclass, jsonb, text, text, boolean) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.import_conversations(regclass, jsonb, text, text, boolean) IS
    'Copies the conversations of source, a table or view that an application made earlier, in this transaction; the '
    'caller must be able to read all of it. Columns are matched by name, ignoring case and underscores (sessionId, and '
    'processing_time_ms for nlu_processing_time_ms), or given: columns => ''{"session_id": "chatId"}''; unmatched '
    'columns go into metadata. Rows are not filtered, promoted or drawn for the audit. A valid review_status stays; '
    'other rows become not-applicable, or on request needs-review, with the priority that the filter would give. Times '
    'without a zone are in time_zone. With keep_ids, integer ids are kept where they are free and, in a fleet, of '
    'this database''s part (imported_conversations has old and new ids); for that it waits for transactions that are '
    'capturing. A row is copied once, also in '
    'repeated calls; differing counts the rows that changed since. Raises 22023 for invalid arguments and 22004 for '
    'NULL ones, 42P01 and 42809 for a source that is no table or view or is of the extension, 42703 for missing '
    'columns, 42702 for ambiguous ones, 23502 and 23505 for ids that are NULL or not unique, 55P03 while a capturing '
    'transaction does not end, 0A000 in a REPEATABLE READ or SERIALIZABLE transaction, and for an invalid row the '
    'error with row and column; then nothing is imported';
