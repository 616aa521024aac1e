-- Arguments that nobody passes on purpose: NULL everywhere, and a megabyte of the worst text for each function.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET training_workflow.allow_drop = on;
DROP EXTENSION IF EXISTS training_workflow CASCADE;
RESET training_workflow.allow_drop;
RESET client_min_messages;
CREATE EXTENSION training_workflow;

-- An argument that passes the first checks of most functions.
CREATE FUNCTION usual_value(name text, type regtype) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT format('%L::%s', CASE
        WHEN name = 'format' THEN 'csv' WHEN name = 'review_status' THEN 'approved'
        WHEN name = 'include_split' THEN 'train' WHEN name = 'version' THEN 'router-v1.0.0'
        WHEN name = 'path' THEN '/no-such-folder/file' WHEN name = 'model_type' THEN 'router'
        WHEN name = 'method' THEN 'GET'
        WHEN name = 'sources' THEN '{manual}' WHEN name = 'source' THEN 'manual'
        WHEN type::text LIKE 'text[]' THEN '{a,b}' WHEN type::text LIKE '%int%[]' THEN '{1,2}'
        WHEN type::text LIKE 'double%[]' THEN '{1,1}' WHEN type::text LIKE '%[]' THEN '{}'
        WHEN type::text IN ('text', 'bytea', 'name') THEN 'a' WHEN type::text LIKE 'json%' THEN '{"a":"b"}'
        WHEN type::text = 'boolean' THEN 'false' WHEN type::text = 'interval' THEN '1 hour'
        WHEN type::text LIKE 'timestamp%' OR type::text = 'date' THEN '2026-01-01'
        WHEN type::text IN ('double precision', 'real', 'numeric') THEN '0.5' ELSE '1' END, type)
$$;
CREATE VIEW functions AS
    SELECT p.oid, p.proname, l.lanname, p.proisstrict, p.proargnames[1:p.pronargs] AS names,
           p.proargtypes::oid[] AS types
    FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid AND e.extname = 'training_workflow'
    JOIN pg_proc p ON p.oid = d.objid AND d.classid = 'pg_proc'::regclass AND d.deptype = 'e'
    JOIN pg_language l ON l.oid = p.prolang
    WHERE p.pronargs > 0 AND p.prokind = 'f' AND p.prorettype NOT IN ('trigger'::regtype, 'event_trigger'::regtype);
-- What a call ends with; nothing that it does stays.
CREATE FUNCTION outcome(call text, given text DEFAULT NULL) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE call USING given;
    RAISE EXCEPTION USING ERRCODE = 'TWOK1';
EXCEPTION WHEN OTHERS THEN
    RETURN CASE SQLSTATE WHEN 'TWOK1' THEN 'accepted' ELSE SQLSTATE END;
END $$;

-- Each argument NULL in turn, and all of them (0), as the owner, who may call everything.
CREATE TABLE null_calls AS
    SELECT f.proname, f.lanname, coalesce(f.names[n.i], '(all)') AS argument,
           format('SELECT * FROM %s(%s)', f.oid::regproc, (
               SELECT string_agg(CASE WHEN n.i IN (0, a.i) THEN format('NULL::%s', a.type::regtype)
                                      ELSE usual_value(f.names[a.i], a.type::regtype) END, ', ' ORDER BY a.i)
               FROM unnest(f.types) WITH ORDINALITY AS a (type, i))) AS call
    FROM functions f, generate_series(0, cardinality(f.types)) AS n (i)
    WHERE NOT f.proisstrict;
SET client_min_messages = error;
CREATE TABLE null_outcomes AS SELECT c.*, outcome(c.call) FROM null_calls c;
SELECT count(*) > 500 AS many_calls, count(*) FILTER (WHERE lanname = 'c') > 100 AS many_of_c,
       count(*) FILTER (WHERE outcome = 'accepted') > 0 AS some_accepted FROM null_outcomes;
-- No internal error, whatever is NULL.
SELECT proname, argument, outcome FROM null_outcomes WHERE outcome LIKE 'XX%' ORDER BY proname, argument;
-- The functions in C that take NULL, and where: each of these arguments has a meaning for it.
SELECT proname, string_agg(argument, ', ' ORDER BY argument) AS may_be_null
FROM null_outcomes WHERE lanname = 'c' AND outcome = 'accepted' GROUP BY proname ORDER BY proname COLLATE "C";

-- A megabyte of what is worst for some parser, matcher or normal form.
CREATE TABLE worst_texts AS
    SELECT kind, repeat(unit, 1000000 / octet_length(unit)) AS worst FROM (VALUES
        ('letters', 'a'), ('words', 'a '), ('blanks', E' \t\n'), ('digits', '1234567890'),
        ('grouped digits', '4111 1111 '),
        ('dashed digits', '1-'), ('plus', '+'), ('parentheses', '(1) '), ('at signs', 'a@'), ('dots', 'a.'),
        ('addresses', 'a@b.c'), ('colons', '1::'), ('links', 'http://'), ('IBAN', 'DE89 3704 0044 '),
        ('slashes', '1/2/'),
        ('quotes', '"'), ('backslashes', '\'), ('brackets', '['), ('objects', '{"a":'), ('lines', E'\n'),
        ('JSON lines', E'{"text":"a","intent":"b"}\n'), ('markdown', '[a](b)'), ('marks', U&'\0301\0316'),
        ('double marks', U&'\0F73'), ('letters with marks', U&'\1F82'), ('ligatures', U&'\FDFA'),
        ('jamo', U&'\1100\1161\11A8'),
        ('viramas', U&'\0915\094D'), ('joiners', U&'\200D\200B'), ('emoji', U&'\+01F468\200D'), ('control', E'\x01\x7f')
    ) AS u (kind, unit)
    UNION ALL
    SELECT 'letter and marks', 'a' || repeat(U&'\0301\0316', 250000)
    UNION ALL
    SELECT 'different words', string_agg(g::text, ' ') FROM generate_series(1, 150000) g
    UNION ALL
    SELECT 'one long line', '{"text":"' || repeat('a', 1000000) || '","intent":"b"}';
SELECT count(*) AS kinds, min(octet_length(worst)) >= 999000 AS long FROM worst_texts;

-- A live model, and something to compare with.
INSERT INTO training_samples (text, intent, module_type, review_status)
    SELECT 'veg pizza ' || g, 'intent.food.item.search', 'food', 'approved' FROM generate_series(1, 5) g
    UNION ALL SELECT 'parcel ' || g, 'intent.parcel.shipment.track', 'parcel', 'approved' FROM generate_series(1, 5) g;
SET client_min_messages = error;
SELECT register_model('router-v1.0.0', 'router', 'production', artifact => (tw_train_router(
    array_agg(text ORDER BY id), array_agg(intent ORDER BY id), array_agg(module_type ORDER BY id),
    array_agg(1::float8 ORDER BY id))).artifact) IS NOT NULL AS registered FROM training_samples;

-- Each function in C with each kind of text in its text arguments. A call that
-- is neither linear nor answers to a cancel ends the test: outcome() does not
-- catch a time-out.
SET statement_timeout = '120s';
CREATE TABLE worst_calls AS
    SELECT f.proname, w.kind, format('SELECT outcome(%L, worst) FROM worst_texts WHERE kind = %L',
           format('SELECT * FROM %s(%s)', f.oid::regproc, (
               SELECT string_agg(CASE WHEN a.type = 'text'::regtype AND a.i = n.i THEN '$1'
                                      WHEN a.type = 'bytea'::regtype AND a.i = n.i THEN 'convert_to($1, ''UTF8'')'
                                      WHEN a.type = 'text[]'::regtype AND a.i = n.i THEN 'ARRAY[$1, $1]'
                                      WHEN a.type = 'jsonb'::regtype AND a.i = n.i
                                      THEN 'jsonb_build_object(''a'', $1)'
                                      ELSE usual_value(f.names[a.i], a.type::regtype) END, ', ' ORDER BY a.i)
               FROM unnest(f.types) WITH ORDINALITY AS a (type, i))), w.kind) AS call
    FROM functions f, worst_texts w,
         LATERAL (SELECT i FROM unnest(f.types) WITH ORDINALITY AS a (type, i)
                  WHERE a.type::regtype::text IN ('text', 'bytea', 'text[]', 'jsonb')) AS n (i)
    WHERE f.lanname = 'c';
SELECT count(*) > 3000 AS many_calls, count(DISTINCT proname) > 40 AS many_functions FROM worst_calls;
CREATE TABLE worst_outcomes (proname text, kind text, outcome text);
\set ECHO none
SELECT format('INSERT INTO worst_outcomes SELECT %L, %L, (%s)', proname, kind, call) FROM worst_calls \gexec
\set ECHO all
SELECT (SELECT count(*) FROM worst_outcomes) = (SELECT count(*) FROM worst_calls) AS all_ended;
SELECT DISTINCT proname, kind, outcome FROM worst_outcomes WHERE outcome LIKE 'XX%' ORDER BY 1, 2;

-- On the whole way, too: captured as promoted and as waiting, judged, trained from, exported and imported again.
INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider)
    SELECT kind, worst, 'intent.food.item.search', 0.99, 'indicbert' FROM worst_texts ORDER BY kind;
INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider)
    SELECT kind || ', unsure', 'parcel ' || worst, 'intent.food.item.search', 0.5, 'indicbert'
    FROM worst_texts ORDER BY kind;
SELECT review_status, count(*) FROM conversation_logs GROUP BY 1 ORDER BY 1;
SELECT count(*) FROM (SELECT fix_conversation(id, 'intent.parcel.shipment.track') FROM conversation_logs
                      WHERE review_status = 'needs-review') f;
SELECT count(*) > 60 AS samples, count(DISTINCT text_hash) > 30 AS different FROM training_samples;
SELECT count(*) > 0 AS conflicts FROM label_conflicts;
SELECT count(*) > 0 AS rows FROM new_training_samples();
SELECT f, sum(length(line)) > 10000000 AS long FROM unnest(ARRAY['jsonl', 'csv', 'fasttext', 'rasa', 'spacy']) AS f,
    export_training_samples(format => f) AS line GROUP BY f ORDER BY f;
CREATE TABLE exported AS SELECT string_agg(line, E'\n') AS lines FROM export_training_samples() AS line;
SELECT i.inserted, i.conflicting, i.existing > 60 AS existed
FROM exported, import_training_samples(lines, ignore_unknown_keys => true) AS i;
SELECT count(*) > 0 AS rows FROM training_set();
SELECT count(*) > 30 AS explained
FROM conversation_logs c, explain_conversation(c.id) AS e WHERE c.session_id LIKE '%, unsure';
SELECT * FROM check_integrity();
RESET statement_timeout;

DROP TABLE null_calls, null_outcomes, worst_texts, worst_calls, worst_outcomes, exported;
DROP VIEW functions;
DROP FUNCTION outcome, usual_value;
