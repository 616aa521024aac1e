-- Storing of the rows that import_conversations() has read: once, with their own ids where those are free.

CREATE FUNCTION @extschema@.tw_wait_for_numbers(sequence regclass) RETURNS void
    LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'tw_wait_for_numbers';
REVOKE ALL ON FUNCTION @extschema@.tw_wait_for_numbers(regclass) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_wait_for_numbers(regclass) IS
    'Waits for the end of all transactions that have taken numbers of a sequence so far and may still use them. Obeys '
    'lock_timeout';

CREATE FUNCTION @extschema@.tw_begin_import(OUT lowest bigint, OUT highest bigint)
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    node CONSTANT integer := @extschema@.tw_fleet_node();
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION USING
            ERRCODE = 'feature_not_supported',
            MESSAGE = 'conversations are imported in READ COMMITTED transactions only',
            DETAIL = format('This one is %s: it might not see the rows of an import that has just ended.',
                            upper(current_setting('transaction_isolation'))),
            HINT = 'BEGIN ISOLATION LEVEL READ COMMITTED;';
    END IF;
    PERFORM @extschema@.tw_lock('imports'::text, 0::bigint);
    lowest := coalesce(@extschema@.tw_first_id(node), 1);
    highest := coalesce(@extschema@.tw_first_id(node + 1) - 2, 9007199254740991);
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_begin_import() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_begin_import() IS
    'Allows one import at a time: blocks others until the end of the transaction. Returns the range of ids that this '
    'database may keep: in a fleet those of its part. Raises 0A000 if this transaction could not see their rows';

CREATE FUNCTION @extschema@.tw_reserve_numbers(max_number bigint) RETURNS void
    LANGUAGE plpgsql VOLATILE STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    reached bigint;
BEGIN
    PERFORM @extschema@.tw_bound_waits();
    IF max_number > 9007199254740991 THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = 'the ids are too large for the sequence';
    END IF;
    reached := coalesce(pg_sequence_last_value('@extschema@.conversation_logs_id_seq'), 0);
    -- Only with a large distance: fewer than a million messages arrive between the check and setval, which must not set
    -- the sequence back.
    IF max_number - reached > 1000000 THEN
        reached := setval('@extschema@.conversation_logs_id_seq', max_number);
    END IF;
    WHILE reached < max_number LOOP
        reached := nextval('@extschema@.conversation_logs_id_seq');
    END LOOP;
    PERFORM @extschema@.tw_wait_for_numbers('@extschema@.conversation_logs_id_seq'::regclass);
EXCEPTION WHEN lock_not_available THEN
    RAISE EXCEPTION USING
        ERRCODE = 'lock_not_available',
        MESSAGE = 'another transaction that captured messages is still open',
        DETAIL = 'The import has to wait for the ids of its messages. Nothing was imported.',
        HINT = 'Import again when it has ended; pg_stat_activity shows sessions that are idle in transaction.';
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_reserve_numbers(bigint) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_reserve_numbers(bigint) IS
    'Moves the sequence of conversation_logs to at least this number, never back, and returns when no transaction can '
    'still insert a message with a number up to there. Raises 22023 beyond 2^53 - 1, the largest exact integer of '
    'JavaScript, 55P03 where a transaction that captured messages stays open';

CREATE FUNCTION @extschema@.tw_note_imported_table(source text, columns jsonb, time_zone text, id_column text,
                                                   last_number bigint) RETURNS void
    LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    INSERT INTO @extschema@.imported_tables AS i (source, columns, time_zone, id_column, last_number)
    VALUES (source, columns, time_zone, id_column, last_number)
    ON CONFLICT ON CONSTRAINT imported_tables_pkey DO UPDATE
    SET columns = excluded.columns, time_zone = excluded.time_zone, id_column = excluded.id_column,
        last_number = excluded.last_number, imported_at = excluded.imported_at;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_note_imported_table(text, jsonb, text, text, bigint) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_note_imported_table(text, jsonb, text, text, bigint) IS
    'The end of import_conversations(): records how a table was read, for close_old_table() and check_integrity()';

CREATE FUNCTION @extschema@.tw_import_metadata(base jsonb, additions jsonb) RETURNS jsonb
    LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
RETURN CASE
    WHEN NOT EXISTS (SELECT FROM jsonb_each(additions) a (k, v) WHERE v <> 'null') THEN base
    ELSE CASE coalesce(jsonb_typeof(base), 'null') WHEN 'object' THEN base WHEN 'null' THEN '{}'
              ELSE jsonb_build_object('metadata', base) END
         || (SELECT jsonb_object_agg(CASE WHEN jsonb_typeof(base) = 'object' AND base ? k THEN k || ' (column)'
                                          ELSE k END, v)
             FROM jsonb_each(additions) a (k, v) WHERE v <> 'null') END;
REVOKE ALL ON FUNCTION @extschema@.tw_import_metadata(jsonb, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_import_metadata(jsonb, jsonb) IS
    'metadata plus the unmatched columns under their names, except nulls. An existing key stays, and the column is '
    'then called "NAME (column)"';

CREATE FUNCTION @extschema@.tw_import_status(value text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
RETURN (SELECT s FROM unnest(@extschema@.tw_review_statuses()) s
        WHERE s = translate(lower(value COLLATE "C"), '_ ', '--'));
REVOKE ALL ON FUNCTION @extschema@.tw_import_status(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_import_status(text) IS
    'The review_status for an application''s spelling (NEEDS_REVIEW is needs-review); NULL for an unknown status';

CREATE FUNCTION @extschema@.tw_import_priority(value text) RETURNS smallint
    LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
RETURN CASE lower(value COLLATE "C") WHEN '1' THEN 1 WHEN 'high' THEN 1 WHEN '2' THEN 2 WHEN 'medium' THEN 2
            WHEN '3' THEN 3 WHEN 'low' THEN 3 END;
REVOKE ALL ON FUNCTION @extschema@.tw_import_priority(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_import_priority(text) IS
    'The review_priority for an application''s spelling: 1 to 3, high, medium or low; NULL for others';

CREATE FUNCTION @extschema@.tw_raise_import_error(source text, mapping jsonb, keys text[], vals jsonb[], extras jsonb[])
    RETURNS void
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET datestyle = 'ISO, MDY'
AS $function$
DECLARE
    at text;
    item record;
BEGIN
    FOR i IN 1 .. cardinality(keys) LOOP
        BEGIN
            FOREACH at IN ARRAY ARRAY['session_id', 'user_message'] LOOP
                IF vals[i] ->> at IS NULL THEN
                    RAISE EXCEPTION USING ERRCODE = 'not_null_violation', MESSAGE = 'it is NULL';
                END IF;
            END LOOP;
            at := 'id';
            IF coalesce(octet_length(keys[i]), 1001) > 1000 THEN
                RAISE EXCEPTION USING ERRCODE = 'string_data_right_truncation',
                                      MESSAGE = 'it is NULL, or longer than 1000 bytes';
            END IF;
            at := 'nlu_confidence';
            PERFORM (vals[i] ->> at)::double precision;
            at := 'nlu_module_id';
            PERFORM (vals[i] ->> at)::integer;
            at := 'nlu_processing_time_ms';
            PERFORM (vals[i] ->> at)::double precision;
            at := 'nlu_entities';
            PERFORM (vals[i] ->> at)::jsonb;
            at := 'response_success';
            PERFORM (vals[i] ->> at)::boolean;
            at := 'created_at';
            PERFORM (vals[i] ->> at)::timestamptz;
            at := 'metadata';
            PERFORM (vals[i] ->> at)::jsonb;
            FOR item IN SELECT * FROM jsonb_each_text(extras[i] -> 'json') LOOP
                at := item.key;
                PERFORM item.value::jsonb;
            END LOOP;
        EXCEPTION WHEN OTHERS THEN
            RAISE EXCEPTION USING
                ERRCODE = SQLSTATE,
                MESSAGE = format('the row of %s with id %s cannot be imported', source,
                                 @extschema@.tw_excerpt(keys[i])),
                DETAIL = format('Column "%s": %s.', @extschema@.tw_excerpt(coalesce(mapping ->> at, at)),
                                @extschema@.tw_cut_text(SQLERRM, 1000)),
                HINT = 'Nothing was imported. Correct the row, or import a view that corrects it.';
        END;
    END LOOP;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_raise_import_error(text, jsonb, text[], jsonb[], jsonb[]) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_raise_import_error(text, jsonb, text[], jsonb[], jsonb[]) IS
    'Finds the first row and column that cannot be stored, and raises an error for it; returns if there is none';

CREATE FUNCTION @extschema@.tw_import_portion(
    source text, mapping jsonb, keys text[], vals jsonb[], extras jsonb[], default_status text, zone text,
    keep_upto bigint, OUT imported bigint, OUT differing bigint, OUT ids_kept bigint, OUT queued bigint,
    OUT first_id bigint, OUT last_id bigint, OUT differing_key text)
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog,
                                                   pg_temp SET timezone = 'UTC' SET datestyle = 'ISO, MDY'
    -- Plans are kept from when the tables were small.
    SET enable_seqscan = off
AS $function$
DECLARE
    -- In a fleet, ids of another part are another database's.
    own CONSTANT integer := @extschema@.tw_fleet_node();
    days date[];
BEGIN
    -- Undone when the function ends, as it names the setting.
    PERFORM set_config('timezone', zone, true);
    WITH given AS MATERIALIZED (
        SELECT r.key, r.v, r.n, (r.v ->> 'created_at')::timestamptz AS said_at,
               @extschema@.tw_import_status(r.v ->> 'review_status') AS status,
               coalesce(r.e -> 'columns', '{}') || coalesce((SELECT jsonb_object_agg(j.key, j.value::jsonb)
                                                             FROM jsonb_each_text(r.e -> 'json') j), '{}') AS additions,
               CASE WHEN r.key ~ '^[1-9][0-9]{0,15}$' THEN r.key::bigint END AS own_id
        FROM ROWS FROM (unnest(keys), unnest(vals), unnest(extras)) WITH ORDINALITY AS r (key, v, e, n)
        -- Longer values do not fit into an index; tw_raise_import_error() reports them.
        WHERE 1 / (coalesce(octet_length(r.key), 1001) <= 1000)::integer = 1
    ), marked AS MATERIALIZED (
        SELECT g.*, substring(sha256(convert_to(jsonb_build_array(left(g.v ->> 'session_id', 16777216), m.message,
            g.said_at AT TIME ZONE 'UTC')::text, 'UTF8')) FOR 16) AS fingerprint
        FROM given g
        -- JSON that spells the longest messages would have more than the 1 GB that a value can have.
        CROSS JOIN LATERAL (SELECT CASE WHEN octet_length(g.v ->> 'user_message') <= 16777216
                                        THEN g.v ->> 'user_message'
                                        ELSE encode(sha256(convert_to(g.v ->> 'user_message', 'UTF8')),
                                            'hex') END AS message) m
    ), known AS MATERIALIZED (
        SELECT m.*,
               EXISTS (SELECT FROM @extschema@.imported_conversations i
                       WHERE i.source_key = m.key AND i.fingerprint = m.fingerprint) AS same,
               EXISTS (SELECT FROM @extschema@.imported_conversations i
                       WHERE i.source_key = m.key AND i.source = tw_import_portion.source) AS other,
               -- Copied by hand earlier, or read through a view of our own table.
               EXISTS (SELECT FROM @extschema@.conversation_logs c
                       WHERE c.id = m.own_id AND c.session_id = m.v ->> 'session_id'
                         AND c.user_message = m.v ->> 'user_message'
                         AND c.created_at = coalesce(m.said_at, c.created_at)) AS copied
        FROM marked m
    ), fresh AS MATERIALIZED (
        SELECT m.*, w.learnable, w.own_id IS NOT NULL AS keeps,
               CASE WHEN w.own_id IS NULL THEN nextval('@extschema@.conversation_logs_id_seq') ELSE w.own_id END AS id,
               CASE WHEN m.status IS NOT NULL THEN m.status WHEN w.learnable THEN default_status
                    ELSE 'not-applicable' END AS new_status
        FROM known m
        CROSS JOIN LATERAL (
            SELECT @extschema@.tw_is_learnable(m.v ->> 'message_type', m.v ->> 'user_message') AS learnable,
                   CASE WHEN m.own_id <= keep_upto
                             AND (own IS NULL OR @extschema@.tw_node_of(m.own_id) = own)
                             AND m.own_id <= pg_sequence_last_value('@extschema@.conversation_logs_id_seq')
                             AND NOT EXISTS (SELECT FROM @extschema@.conversation_logs c WHERE c.id = m.own_id)
                             -- Nor the remains of a deleted conversation.
                             AND NOT EXISTS (SELECT FROM @extschema@.training_samples s
                                             WHERE s.conversation_log_id = m.own_id)
                             AND NOT EXISTS (SELECT FROM @extschema@.review_events e
                                             WHERE e.conversation_log_id = m.own_id)
                             AND NOT EXISTS (SELECT FROM @extschema@.labelstudio_tasks t
                                             WHERE t.conversation_log_id = m.own_id) THEN m.own_id END AS own_id
            OFFSET 0) w
        WHERE NOT (m.same OR m.other OR m.copied)
        ORDER BY m.n
    ), inserted AS (
        INSERT INTO @extschema@.conversation_logs (id, session_id, phone_number, user_id, user_message, message_type,
                                                   message_language,
            nlu_intent, nlu_confidence, nlu_module_id, nlu_module_type, nlu_provider, nlu_model_version,
            nlu_entities, nlu_tone, nlu_processing_time_ms, routed_to, response_text, response_success, user_feedback,
            user_correction, backend_reference, metadata, created_at, idempotency_key, review_status, review_priority,
            review_reason)
        SELECT f.id, f.v ->> 'session_id', f.v ->> 'phone_number', f.v ->> 'user_id', f.v ->> 'user_message',
               f.v ->> 'message_type', f.v ->> 'message_language',
               @extschema@.tw_resolve_intent(f.v ->> 'nlu_intent'),
               (f.v ->> 'nlu_confidence')::double precision,
               (f.v ->> 'nlu_module_id')::integer, f.v ->> 'nlu_module_type', f.v ->> 'nlu_provider',
               f.v ->> 'nlu_model_version',
               (f.v ->> 'nlu_entities')::jsonb, f.v ->> 'nlu_tone',
               (f.v ->> 'nlu_processing_time_ms')::double precision,
               f.v ->> 'routed_to', f.v ->> 'response_text', (f.v ->> 'response_success')::boolean,
               f.v ->> 'user_feedback', f.v ->> 'user_correction', f.v ->> 'backend_reference',
               -- Original status and priority, where they differ from the values understood.
               @extschema@.tw_import_metadata((f.v ->> 'metadata')::jsonb, f.additions
                   || CASE WHEN f.status IS NULL AND f.v ->> 'review_status' IS NOT NULL
                           THEN jsonb_build_object(mapping ->> 'review_status', f.v ->> 'review_status') ELSE '{}' END
                   || CASE WHEN f.v ->> 'review_priority' IS NOT NULL
                                AND (f.new_status <> 'needs-review'
                                     OR @extschema@.tw_import_priority(f.v ->> 'review_priority') IS NULL)
                           THEN jsonb_build_object(mapping ->> 'review_priority', f.v ->> 'review_priority')
                           ELSE '{}' END),
               f.said_at, f.v ->> 'idempotency_key', f.new_status,
               CASE WHEN f.new_status = 'needs-review'
                    THEN coalesce(@extschema@.tw_import_priority(f.v ->> 'review_priority'),
                                  CASE WHEN l.is_too_long THEN 3 ELSE d.review_priority END, 3) END,
               coalesce(f.v ->> 'review_reason', CASE WHEN f.new_status = 'needs-review' THEN CASE WHEN l.is_too_long
                   THEN 'too long' ELSE coalesce(d.review_reason, 'imported') END END)
        FROM fresh f
        CROSS JOIN LATERAL (SELECT f.learnable AND @extschema@.tw_is_too_long(NULL::integer, f.v ->> 'user_message',
                                                              f.v ->> 'nlu_intent', f.v ->> 'nlu_module_type',
                                                              f.v ->> 'message_language', f.v ->> 'routed_to',
                                                                  (f.v ->> 'nlu_entities')::jsonb) AS is_too_long) l
        LEFT JOIN LATERAL @extschema@.filter_decision((f.v ->> 'nlu_confidence')::double precision,
                                                      f.v ->> 'nlu_provider',
                                                      f.v ->> 'nlu_intent',
                                                      f.v ->> 'nlu_module_type') d ON f.new_status = 'needs-review'
                                                          AND f.learnable
        ORDER BY f.n
        RETURNING created_on
    ), recorded AS (
        INSERT INTO @extschema@.imported_conversations (source_key, fingerprint, conversation_log_id, source)
        SELECT f.key, f.fingerprint, f.id, tw_import_portion.source FROM fresh f ORDER BY f.n
    )
    SELECT count(*), count(*) FILTER (WHERE f.keeps), count(*) FILTER (WHERE f.new_status = 'needs-review'),
           min(f.id), max(f.id),
           (SELECT count(*) FROM known k WHERE k.other AND NOT k.same),
           (SELECT k.key FROM known k WHERE k.other AND NOT k.same ORDER BY k.n LIMIT 1),
           ARRAY(SELECT DISTINCT i.created_on FROM inserted i)
    INTO imported, ids_kept, queued, first_id, last_id, differing, differing_key, days
    FROM fresh f;
    PERFORM @extschema@.tw_forget_days(days);
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_import_portion(text, jsonb, text[], jsonb[], jsonb[], text, text, bigint)
    FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_import_portion(text, jsonb, text[], jsonb[], jsonb[], text, text, bigint) IS
    'A step of import_conversations(): stores rows that were read, except known ones, and counts them. Values and '
    'extras are text by the name of our column; ids up to keep_upto are kept where they are free. Raises the error of '
    'a value that does not fit';
