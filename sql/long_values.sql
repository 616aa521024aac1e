-- No error echoes a long value whole: whatever text a caller passes, message, DETAIL and HINT stay short.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET training_workflow.allow_drop = on;
DROP EXTENSION IF EXISTS training_workflow CASCADE;
RESET training_workflow.allow_drop;
RESET client_min_messages;
CREATE EXTENSION training_workflow;
SET client_min_messages = warning;

-- The rule: 200 bytes, whole characters, three dots.
SELECT n, octet_length(tw_excerpt(repeat('x', n))) AS bytes, right(tw_excerpt(repeat('x', n)), 4) AS ending
FROM unnest('{0,199,200,201,200000}'::integer[]) AS n;
SELECT octet_length(e) AS bytes, e = repeat(U&'\0915', 66) || '...' AS whole_characters
FROM tw_excerpt(repeat(U&'\0915', 70000)) AS e;

-- Long names that are stored. The text compresses so well that it fits into an index.
SELECT repeat('x', 200000) || '-agent' AS type \gset
INSERT INTO training_samples (text, intent, module_type, source, review_status, label_source)
SELECT 'text ' || i, 'intent.' || i % 2, repeat('x', 200000), 'manual', 'approved', 'human'
FROM generate_series(1, 8) AS i;
SELECT length(register_model(:'type' || '-v1.0.0', :'type', 'production')) AS registered;
SELECT length(register_model(:'type' || '-v1.1.0', :'type')) AS registered;
INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider, nlu_model_version)
VALUES (repeat('x', 200000), 'hello', repeat('x', 100000), 0.5, repeat('x', 200000), :'type' || '-v1.0.0');

-- Servers, so that functions that name an object or a project get as far as the check of the name.
CREATE SERVER store FOREIGN DATA WRAPPER training_workflow_s3
    OPTIONS (endpoint 'http://127.0.0.1:9', bucket 'models', connect_timeout '1', timeout '1');
CREATE USER MAPPING FOR PUBLIC SERVER store OPTIONS (access_key_id 'a', secret_access_key 'b');
CREATE SERVER label_studio FOREIGN DATA WRAPPER training_workflow_labelstudio
    OPTIONS (url 'http://127.0.0.1:9', connect_timeout '1', timeout '1');
CREATE USER MAPPING FOR PUBLIC SERVER label_studio OPTIONS (token '0123456789abcdef0123456789abcdef01234567');

-- Calls a statement with a text as $1, undoes it, and returns the size of the longest part of its error.
CREATE FUNCTION pg_temp.longest_part(statement text, value text, OUT bytes integer, OUT valid boolean,
                                      OUT said text)
    LANGUAGE plpgsql
AS $function$
DECLARE
    message text;
    detail text;
    hint text;
BEGIN
    BEGIN
        EXECUTE statement USING value;
        RAISE EXCEPTION 'undone';
    EXCEPTION WHEN OTHERS OR query_canceled THEN
        GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    END;
    SELECT max(octet_length(p)), bool_and(convert_from(convert_to(p, 'UTF8'), 'UTF8') = p) INTO bytes, valid
    FROM unnest(ARRAY[message, detail, hint]) AS p;
    said := left(message, 45);
END
$function$;

-- Every function and procedure with a text argument, public or internal, as its owner.
CREATE TEMP TABLE routines AS
SELECT p.oid, p.proname, p.prokind, a.number, a.type, coalesce(p.proargnames[a.number], '') AS name
FROM pg_depend d
JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND e.oid = d.refobjid
    AND e.extname = 'training_workflow'
JOIN pg_proc p ON d.classid = 'pg_proc'::regclass AND p.oid = d.objid AND d.deptype = 'e'
CROSS JOIN LATERAL unnest(p.proargtypes::regtype[]) WITH ORDINALITY AS a (type, number)
WHERE p.prorettype NOT IN ('trigger'::regtype, 'event_trigger'::regtype)
  -- What these echo are constants and checked values of the functions that call them.
  AND p.proname NOT IN ('tw_lock', 'tw_endpoint_server',
                        'tw_labelstudio_refuse', 'tw_labelstudio_try', 'tw_note_not_stored', 'tw_import_portion',
                        'tw_raise_import_error', 'tw_drop_fleet_slot');

-- Valid values for the arguments that are not tested, so that checks of later arguments are reached.
CREATE FUNCTION pg_temp.argument(type regtype, name text, is_long boolean) RETURNS text
    LANGUAGE sql
RETURN CASE
    WHEN is_long THEN CASE type::text WHEN 'text' THEN '$1' WHEN 'text[]' THEN 'ARRAY[$1]'
                                      WHEN 'jsonb' THEN 'jsonb_build_object($1, $1)' END
    WHEN type = 'text'::regtype THEN quote_literal(CASE name
        WHEN 'version' THEN 'router-v1.0.0' WHEN 'review_status' THEN 'approved' WHEN 'format' THEN 'jsonl'
        WHEN 'include_split' THEN 'train' WHEN 'source' THEN 'manual' WHEN 'trainer' THEN 'outside'
        WHEN 'feedback' THEN 'positive' WHEN 'time_zone' THEN 'UTC' WHEN 'action' THEN 'fix' WHEN 'verdict' THEN 'fix'
        WHEN 'kind' THEN 'capture' WHEN 'path' THEN '/nonexistent/folder/file' WHEN 'status' THEN 'candidate'
        WHEN 'data' THEN '{"text": "a", "intent": "b"}' WHEN 'key' THEN 'exports/a.jsonl' ELSE 'router' END) || '::text'
    ELSE coalesce(CASE type::text WHEN 'text[]' THEN quote_literal('{router}') WHEN 'jsonb' THEN quote_literal('{}')
        WHEN 'bigint' THEN '1' WHEN 'integer' THEN '1' WHEN 'boolean' THEN 'true' WHEN 'smallint' THEN '1'
        WHEN 'double precision' THEN '0.5' WHEN 'interval' THEN quote_literal('1 hour') WHEN 'bytea' THEN '''\x00'''
        WHEN 'bigint[]' THEN quote_literal('{1}') WHEN 'regclass' THEN quote_literal('pg_class')
        WHEN 'timestamp with time zone' THEN quote_literal('2026-01-01 00:00:00+00') END, 'NULL')
        || '::' || type END;

CREATE FUNCTION pg_temp.call(routine oid, long_number bigint) RETURNS text
    LANGUAGE sql
RETURN (
    SELECT format('%s %s.%I(%s)', CASE min(r.prokind) WHEN 'p' THEN 'CALL' ELSE 'SELECT' END,
                  (SELECT p.pronamespace::regnamespace FROM pg_proc p WHERE p.oid = routine), min(r.proname),
                  string_agg(pg_temp.argument(r.type, r.name, r.type IN ('text', 'text[]', 'jsonb')
                                              AND coalesce(r.number = long_number, true)), ', ' ORDER BY r.number))
    FROM routines r WHERE r.oid = routine);

-- Each such argument alone, then all of them at once, with texts of several forms.
CREATE TEMP TABLE results AS
WITH calls AS (
    SELECT r.oid, r.number, pg_temp.call(r.oid, r.number) AS statement
    FROM routines r WHERE r.type IN ('text', 'text[]', 'jsonb')
    UNION ALL
    SELECT DISTINCT r.oid, NULL::bigint, pg_temp.call(r.oid, NULL)
    FROM routines r WHERE r.type IN ('text', 'text[]', 'jsonb')
), shapes (shape, value) AS (VALUES
    ('name', repeat('x', 200000)), ('type', :'type'), ('version', :'type' || '-v1.1.0'),
    ('location', 's3://' || repeat('x', 200000)), ('path', '/' || repeat('x', 200000)),
    ('letters of three bytes', repeat(U&'\0915', 70000)))
SELECT c.oid::regprocedure AS routine, c.number, s.shape, l.*
FROM calls c CROSS JOIN shapes s CROSS JOIN LATERAL pg_temp.longest_part(c.statement, s.value) l
WHERE c.number IS NULL OR s.shape IN ('name', 'version', 'location');
SELECT count(DISTINCT routine) > 100 AS routines, count(*) > 1000 AS calls FROM results;
SELECT routine, number, shape, bytes FROM results WHERE bytes > 2000 OR NOT valid ORDER BY routine::text, number, shape;

-- Statements on the tables.
INSERT INTO review_policies (module_type, intent) VALUES (repeat('x', 100000), repeat('x', 100000));
SELECT l.bytes <= 2000 AND l.valid AS is_short, l.said
FROM unnest(ARRAY[
    'INSERT INTO conversation_logs (session_id, user_message, review_status) VALUES ($1, $1, $1)',
    'INSERT INTO training_samples (text, intent, source, review_status, label_source) VALUES ($1, $1, $1, $1, $1)',
    'UPDATE model_versions SET status = $1',
    'UPDATE model_versions SET version = $1',
    'INSERT INTO review_policies (module_type, intent) VALUES ($1, $1)',
    'INSERT INTO review_policies (module_type, intent, approve_above, review_below) VALUES ($1, $1, 0.1, 0.9)',
    'INSERT INTO review_policies (trusted_providers) VALUES (ARRAY[$1, '''', $1])']) AS statement
CROSS JOIN LATERAL pg_temp.longest_part(statement, repeat('x', 100000)) AS l;

DROP SERVER label_studio, store CASCADE;
