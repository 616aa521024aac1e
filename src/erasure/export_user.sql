-- export_user(): all that is stored of a person, for the person.

CREATE FUNCTION @extschema@.export_user_rows(
    phone_number text DEFAULT NULL, user_id text DEFAULT NULL, session_id text[] DEFAULT NULL,
    OUT relation text, OUT number bigint, OUT data jsonb)
    RETURNS SETOF record
    LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 1000
    SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' SET datestyle = 'ISO' SET intervalstyle = 'iso_8601'
AS $function$
DECLARE
    conversations bigint[];
    samples bigint[];
    erasures bigint[];
    texts text[];
    source record;
BEGIN
    SELECT coalesce(array_agg(p.row_id) FILTER (WHERE p.relation = 'conversation_logs'), '{}'),
           coalesce(array_agg(p.row_id) FILTER (WHERE p.relation = 'training_samples'), '{}')
    INTO conversations, samples
    FROM @extschema@.tw_person_rows(phone_number, user_id, session_id) p;
    samples := samples || ARRAY(SELECT s.id FROM @extschema@.training_samples s
                                WHERE s.conversation_log_id = ANY (conversations) AND s.id <> ALL (samples));
    erasures := ARRAY(SELECT r.erasure_id FROM @extschema@.receipts_of(phone_number, user_id, session_id) r);

    -- A shorter one is quoted by chance.
    texts := ARRAY(SELECT c.user_message FROM @extschema@.conversation_logs c
                   WHERE c.id = ANY (conversations) AND length(c.user_message) >= 8
                   UNION
                   SELECT s.text FROM @extschema@.training_samples s
                   WHERE s.id = ANY (samples) AND length(s.text) >= 8);

    FOR source IN SELECT * FROM @extschema@.tw_person_tables() t WHERE t.found_by IS NOT NULL LOOP
        FOR relation, number, data IN EXECUTE format(
            'SELECT %L, row_number() OVER (ORDER BY %2$s), %3$s - %4$L::text[] FROM @extschema@.%1$I t '
            'WHERE %5$s ORDER BY %2$s',
            source.relation, source.sorted_by, coalesce(source.shown, 'to_jsonb(t)'),
            coalesce(source.left_out, '{}'), source.found_by)
            USING conversations, samples, erasures, texts
        LOOP
            RETURN NEXT;
        END LOOP;
    END LOOP;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.export_user_rows(text, text, text[]) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.export_user_rows(text, text, text[]) IS
    'What export_user() puts together, one row at a time, for a person with more rows than fit into one jsonb. '
    'phone_number, user_id, session_id: the person, as for forget_user(). Returns table, number in that table from 1, '
    'and the row as jsonb. Raises 22004 without a key and 22023 for a blank one, as forget_user() does';

CREATE FUNCTION @extschema@.export_user(
    phone_number text DEFAULT NULL, user_id text DEFAULT NULL, session_id text[] DEFAULT NULL)
    RETURNS jsonb
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' SET datestyle = 'ISO'
AS $function$
DECLARE
    -- A jsonb ends at 256 MB, and takes several times its size of memory while it is made.
    most_bytes CONSTANT bigint := 100000000;
    found record;
BEGIN
    WITH person AS MATERIALIZED (
        SELECT r.relation, r.number, r.data,
               sum(pg_column_size(r.data)) OVER (ROWS UNBOUNDED PRECEDING) AS bytes
        FROM @extschema@.export_user_rows(phone_number, user_id, session_id) r
    ), grouped AS (
        SELECT p.relation, count(*) AS rows, max(p.bytes) AS bytes,
               jsonb_agg(p.data ORDER BY p.number) FILTER (WHERE p.bytes <= most_bytes) AS data
        FROM person p GROUP BY p.relation
    )
    SELECT max(g.bytes) AS bytes, sum(g.rows) AS rows,
           jsonb_object_agg(t.relation, coalesce(g.rows, 0)) AS counts,
           CASE WHEN coalesce(max(g.bytes), 0) <= most_bytes
                THEN jsonb_object_agg(t.relation, coalesce(g.data, '[]')) END AS data
    INTO found
    FROM @extschema@.tw_person_tables() t
    LEFT JOIN grouped g ON g.relation = t.relation
    WHERE t.found_by IS NOT NULL;

    IF found.bytes > most_bytes THEN
        RAISE EXCEPTION USING
            ERRCODE = 'program_limit_exceeded',
            MESSAGE = 'what is stored of this person is too long for one value',
            DETAIL = format('There are %s rows with %s bytes; the limit is %s bytes.', found.rows, found.bytes, most_bytes),
            HINT = 'SELECT relation, data FROM export_user_rows(...) with the same arguments gives them row by row.';
    END IF;
    RETURN jsonb_build_object(
        'format', 'training_workflow export_user', 'format_version', 1, 'exported_at', clock_timestamp(),
        'keys', jsonb_build_object('phone_number', phone_number, 'user_id', user_id, 'session_id', session_id),
        'counts', found.counts, 'data', found.data,
        'left_out', (SELECT jsonb_object_agg(t.relation, CASE WHEN t.found_by IS NULL
                         THEN jsonb_build_object('reason', t.reason)
                         ELSE jsonb_build_object('columns', t.left_out, 'reason', t.reason) END)
                     FROM @extschema@.tw_person_tables() t WHERE t.reason IS NOT NULL));
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.export_user(text, text, text[]) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.export_user(text, text, text[]) IS
    'All that is stored of a person, as one jsonb, for a request of access. phone_number, user_id, session_id: the '
    'person, found as forget_user() finds them; at least one. Texts are as they were stored, not redacted. Returns an '
    'object: format, format_version (1), exported_at (UTC), keys (the arguments), counts (rows for each table), data '
    '(for each table an array of its rows, in order), left_out (tables and columns that are not in it, and why). '
    'model_versions are those that learned from the person''s samples, training_export_jobs the exports that may '
    'contain them, erasure_receipts earlier erasures of the same keys. Label Studio and files are not read. Raises '
    '22004 without a key and 22023 for a blank one, as forget_user() does, and 54000 for more than 100 MB: '
    'export_user_rows() gives them row by row';
