-- Random lines against what has to hold for import_training_samples() of any line. In a database with the extension, as
-- a superuser, and rolled back at the end:
--
--     psql -X -f test/fuzz/import.sql                                 some 20 seconds, with a seed drawn from the clock
--     psql -X -v seed=0.25 -v seconds=5 -f test/fuzz/import.sql       the same lines every time (seed: -1 to 1)
--
-- Ends with the number of lines, or with an error that names the seed and the line which broke a promise:
--   1. a line that is refused is refused with 22P02 or 22023, and the message names it;
--   2. what is not JSON to PostgreSQL is refused (text that jsonb takes may be: a key twice, numbers out of range);
--   3. what is imported is what jsonb reads from the line;
--   4. importing it again adds nothing.
\set ON_ERROR_STOP on
\set QUIET on
\if :{?seed}
\else
    SELECT round((extract(epoch FROM clock_timestamp())::numeric % 1), 6) AS seed \gset
\endif
\if :{?seconds}
\else
    \set seconds 20
\endif
SELECT set_config('fuzz.seed', :'seed', false) AS seed, set_config('fuzz.seconds', :'seconds', false) AS seconds \gset

CREATE FUNCTION pg_temp.one_of(choices text[]) RETURNS text LANGUAGE sql AS $$
    SELECT choices[1 + floor(random() * array_length(choices, 1))::integer]
$$;

-- A line that may be right, and in one of two cases has some of its characters cut out, doubled or replaced.
CREATE FUNCTION pg_temp.random_line() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    words constant text[] := ARRAY['hello', ' ', '  ', '', '?', U&'\0928\092E\0938\094D\0924\0947', U&'\+01F44D', '\n',
                                   '\"', '\\', '\/', '\u0939', '\ud83d\udc4d', '\u0000',
        '\ud83d', '\t', U&'\00A0', U&'\200B', 'A.', 'track', '9', '{', '}', '[', ':', ',', '''', '\b', '\x', U&'\FEFF'];
    numbers constant text[] := ARRAY['0', '1', '-0', '0.5', '1.0', '4.0', '1e0', '1E-30', '1e400', '0.1000',
                                     '2147483647', '2147483648', '-2147483648', '9223372036854775808',
        '01', '.5', '1.', '-', '+1', 'NaN', '0.30000000000000004', '12345678901234567890.5'];
    others constant text[] := ARRAY['true', 'false', 'null', '{}', '[]', '[[1, {"a": null}], "x"]',
                                    '{"dish": "dosa", "n": 0.10}', '"train"', '"test"', '"model"', '"human"',
        '"2026-01-02"', '"2026-01-02T03:04:05.678Z"', '"2026-01-02 03:04+05:30"', '"2026-02-30"', '"now"'];
    keys constant text[] := ARRAY['language', 'entities', 'module_id', 'module_type', 'expected_service', 'split',
                                  'label_source', 'quality_score', 'created_at', 'text', 'intent', 'id'];
    value text;
    line text := '{"text": "' || pg_temp.one_of(words) || pg_temp.one_of(words) || pg_temp.one_of(words)
                 || '", "intent": "' || pg_temp.one_of(words) || pg_temp.one_of(words) || '"';
    place integer;
BEGIN
    FOR i IN 1 .. floor(random() * 4)::integer LOOP
        value := CASE WHEN random() < 0.4 THEN pg_temp.one_of(others) WHEN random() < 0.5 THEN pg_temp.one_of(numbers)
                      ELSE '"' || pg_temp.one_of(words) || pg_temp.one_of(words) || '"' END;
        line := line || ', "' || pg_temp.one_of(keys) || '": ' || value;
    END LOOP;
    line := line || '}';
    IF random() < 0.5 THEN
        RETURN line;
    END IF;
    FOR i IN 1 .. 1 + floor(random() * 2)::integer LOOP
        place := 1 + floor(random() * length(line))::integer;
        line := CASE floor(random() * 3)::integer
            WHEN 0 THEN overlay(line PLACING '' FROM place FOR 1)
            WHEN 1 THEN overlay(line PLACING pg_temp.one_of(words || numbers) FROM place FOR 0)
            ELSE overlay(line PLACING pg_temp.one_of(
                     ARRAY['{', '}', '"', ',', ' ', E'\t', E'\x01', '\', U&'\0939', '0']) FROM place FOR 1) END;
    END LOOP;
    RETURN line;
END $$;

CREATE FUNCTION pg_temp.as_jsonb(line text) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    RETURN ltrim(line, U&'\FEFF')::jsonb;
EXCEPTION WHEN OTHERS THEN
    RETURN NULL;
END $$;

CREATE FUNCTION pg_temp.is_json(line text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    RETURN ltrim(line, U&'\FEFF')::json IS NOT NULL;
EXCEPTION WHEN OTHERS THEN
    RETURN false;
END $$;

-- What is broken; NULL = nothing. Sets fuzz.imported when the line was imported.
CREATE FUNCTION pg_temp.broken(line text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    o jsonb := pg_temp.as_jsonb(line);
    counts record;
    s training_samples;
BEGIN
    BEGIN
        SELECT i.inserted, i.existing, i.conflicting INTO counts FROM import_training_samples(line) i;
    EXCEPTION
        WHEN invalid_text_representation OR invalid_parameter_value THEN
            RETURN CASE WHEN SQLERRM !~ '^line 1[ :,]' THEN 'the message: ' || SQLERRM END;
        WHEN OTHERS THEN
            RETURN 'the error: ' || SQLSTATE || ' ' || SQLERRM;
    END;
    IF line ~ '^[ \t\r]*$' THEN
        RETURN CASE WHEN counts <> ROW(0::bigint, 0::bigint, 0::bigint) THEN 'a blank line' END;
    ELSIF o IS NULL THEN
        -- A number such as 9E-303372036854775808 is JSON, and 0 as a double, but no numeric.
        RETURN CASE WHEN NOT pg_temp.is_json(line) THEN 'imported, but no JSON' END;
    END IF;
    PERFORM set_config('fuzz.imported', (current_setting('fuzz.imported')::bigint + 1)::text, false);
    SELECT * INTO STRICT s FROM training_samples;
    IF s.text <> o ->> 'text' OR s.intent <> btrim(o ->> 'intent', E' \t\n\r\f\x0B')
       OR s.entities IS DISTINCT FROM nullif(o -> 'entities', 'null')
       OR s.split IS DISTINCT FROM o ->> 'split' OR s.label_source <> coalesce(o ->> 'label_source', 'human')
       OR s.module_id IS DISTINCT FROM (o ->> 'module_id')::numeric
       OR s.quality_score IS DISTINCT FROM coalesce((o ->> 'quality_score')::double precision,
                                                    CASE s.label_source WHEN 'human' THEN 1 END)
       OR NOT tw_is_blank(o ->> 'language') AND s.language IS DISTINCT FROM o ->> 'language'
       OR o ->> 'created_at' IS NOT NULL AND s.created_at <> (o ->> 'created_at')::timestamptz THEN
        RETURN 'what is stored: ' || s::text;
    END IF;
    SELECT i.inserted, i.existing, i.conflicting INTO counts FROM import_training_samples(line) i;
    RETURN CASE WHEN counts <> ROW(0::bigint, 1::bigint, 0::bigint) THEN 'importing twice' END;
END $$;

BEGIN;
TRUNCATE training_samples;
SELECT set_training_setting('redact', 'off') AS redact \gset
DO $$
DECLARE
    stop timestamptz := clock_timestamp() + make_interval(secs => current_setting('fuzz.seconds')::double precision);
    line text;
    wrong text;
    lines bigint := 0;
BEGIN
    PERFORM setseed(current_setting('fuzz.seed')::double precision), set_config('fuzz.imported', '0', false);
    WHILE clock_timestamp() < stop LOOP
        line := pg_temp.random_line();
        DELETE FROM training_samples;
        wrong := CASE WHEN line !~ E'\n' THEN pg_temp.broken(line) END;
        IF wrong IS NOT NULL THEN
            RAISE EXCEPTION 'import_training_samples() broke a promise (%), seed %, line %', wrong,
                current_setting('fuzz.seed'), lines USING DETAIL = line;
        END IF;
        lines := lines + 1;
    END LOOP;
    RAISE NOTICE 'seed %: % lines, % of them imported, none broke a promise',
        current_setting('fuzz.seed'), lines, current_setting('fuzz.imported');
END $$;
ROLLBACK;
