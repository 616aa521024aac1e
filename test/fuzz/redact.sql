-- Random texts against what has to hold for redact_pii() of any text. In a
-- database with the extension, as a role that may call it:
--
--     psql -X -f test/fuzz/redact.sql                                 some 20 seconds, with a seed drawn from the clock
--     psql -X -v seed=0.25 -v seconds=5 -f test/fuzz/redact.sql       the same texts every time (seed: -1 to 1)
--
-- Ends with the number of texts, or with an error that names the seed and the text which broke a promise:
--   1. as many characters as before, each of them the same, or 0 for a digit, or x for a letter;
--   2. redacting once more changes nothing;
--   3. words around the text stay, and the text is redacted as it is alone;
--   4. two texts with ", " between them (or " | ", if the first one may end with a decimal number: two of them may
--      be a place) are redacted as each of them is alone;
--   5. a JSON string is redacted like the text.
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

-- Pieces are what the rules look at, and now and then any character at all.
CREATE FUNCTION pg_temp.random_text() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    pieces constant text[] := ARRAY[
        '9', '98', '987', '9876', '98765', '43210', '1', '2', '5', '12', '123', '1234', '12345', '123456', '10000',
        '20000', '9876543', '9876543210', '0', '00', '000', '0000', '00000', '91', '0091', '091', '020', '022', '2026',
        '2345', '6789', '411038', '4111', '1111', '4111111111111111', '234567890123', '202611231030',
        U&'\096F\096E\096D\096C\096B', U&'\096A\0969', U&'\0669', U&'\FF19',
        ' ', ' ', ' ', ' ', ' ', ' ', '-', '-', '-', '.', '.', '.', U&'\00A0', U&'\2013', U&'\200B', '(', ')', '(', ')',
        '+', '+', ', ', ' - ', '/', ':', '#', '@', '@', '@', '_', '%', E'\n', 'AWB', 'ORD', 'PH', 'NO', 'no',
        'ABCPE', 'F', 'a', 'x', 'X', 'xx', 'asha', 'okbank', 'com', 'asha@example.com', 'asha@AWB-', 'asha@AWB',
        '98765 43210', '+91 98765 43210', '4111 1111 1111 1111',
        '2345 6789 0123', '020-25651234', '987 654 3210', '10000-20000', '2024 2025 2026', 'ABCPE1234F', U&'\00E9',
        U&'\0906\0936\093E', '  ', E'\t', ',', ';', '98 76 54 32', '9 8 7 6 5 4 3 2', '67890123', '20261123', '18.5204',
        '73.8567', '18.5204, 73.8567', 'lat ', 'geo:', '/maps/', 'maps.', 'goo.gl/maps/', U&'\00B0', 'N', E'\'', '"',
        '27ABCPE1234F1Z5', 'ph#', U&'\200D', U&'\+01F44D', U&'\+01D7D7'];
    result text := '';
    code integer;
BEGIN
    FOR i IN 1 .. 1 + floor(random() * 16)::integer LOOP
        IF random() < 0.02 THEN
            code := 1 + floor(random() * x'10FFFE'::integer)::integer;
            IF code BETWEEN x'D800'::integer AND x'DFFF'::integer THEN
                code := 32;
            END IF;
            result := result || chr(code);
        ELSE
            result := result || pieces[1 + floor(random() * array_length(pieces, 1))::integer];
        END IF;
    END LOOP;
    RETURN result;
END $$;

CREATE FUNCTION pg_temp.broken(a text, b text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    once text := redact_pii(a);
    begin_ constant text := U&'\0928\092E\0938\094D\0924\0947 2: ';
    end_ constant text := ' dhanyavaad, 3';
    glue constant text := CASE WHEN a LIKE '%.%' THEN ' | ' ELSE ', ' END;
BEGIN
    IF char_length(once) <> char_length(a) THEN
        RETURN 'the length';
    ELSIF once <> a AND EXISTS (
        SELECT FROM string_to_table(a, NULL) WITH ORDINALITY AS t (c, n)
        JOIN string_to_table(once, NULL) WITH ORDINALITY AS r (c, n) USING (n)
        WHERE t.c <> r.c AND (r.c <> ALL ('{0,x}') OR t.c ~ '[ -/:-@[-`{-~]'
                              OR (t.c ~ '[0-9]') <> (r.c = '0') AND ascii(t.c) < 128)) THEN
        RETURN 'a character';
    ELSIF redact_pii(once) <> once THEN
        RETURN 'redacting twice';
    ELSIF redact_pii(begin_ || a || end_) <> begin_ || once || end_ THEN
        RETURN 'the words around';
    ELSIF redact_pii(a || glue || b) <> once || glue || redact_pii(b) THEN
        RETURN 'two texts';
    ELSIF redact_pii(jsonb_build_object('k', a)) <> jsonb_build_object('k', once) THEN
        RETURN 'JSON';
    END IF;
    RETURN NULL;
END $$;

DO $$
DECLARE
    stop timestamptz := clock_timestamp() + make_interval(secs => current_setting('fuzz.seconds')::double precision);
    previous text := '';
    message text;
    wrong text;
    texts bigint := 0;
    masked bigint := 0;
BEGIN
    PERFORM setseed(current_setting('fuzz.seed')::double precision);
    WHILE clock_timestamp() < stop LOOP
        message := pg_temp.random_text();
        wrong := pg_temp.broken(message, previous);
        IF wrong IS NOT NULL THEN
            RAISE EXCEPTION 'redact_pii() broke a promise (%), seed %, text %', wrong,
                current_setting('fuzz.seed'), texts
                USING DETAIL = format('Text: %s' || E'\n' || 'Redacted: %s' || E'\n' || 'Twice: %s' || E'\n'
                                      || 'The other text: %s', message, redact_pii(message),
                                      redact_pii(redact_pii(message)), previous);
        END IF;
        texts := texts + 1;
        masked := masked + (redact_pii(message) <> message)::integer;
        previous := message;
    END LOOP;
    RAISE NOTICE 'seed %: % texts, % of them with something to mask, none broke a promise',
        current_setting('fuzz.seed'), texts, masked;
END $$;
