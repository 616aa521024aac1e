-- Every format of an export comes back in: what was exported and imported into an empty table is what it was.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET training_workflow.allow_drop = on;
DROP EXTENSION IF EXISTS training_workflow CASCADE;
RESET training_workflow.allow_drop;
RESET client_min_messages;
CREATE EXTENSION training_workflow;
SELECT set_training_setting('redact', 'off');

-- What one format or another could take for its own, each on its own, and before, behind and around a word that may be
-- marked. What is invisible or white space is written as its code.
CREATE TEMP TABLE pieces AS SELECT piece, n FROM unnest(ARRAY[
    'yes', '~', '- x', '-', 'a: b', 'key:', '{a: b}', '[x, y]', '%TAG', '---', '...', '&a', '*a', '!t', '|', '>-',
    '# c',
    'a #b', '100% sure', 'a%20b', '"quoted" words', '"', '""', 'it''s', 'back\slash', '\n \u0041', ',comma;semi',
    E'tab\tx',
    '=SUM(A1)', '{{ x }}', '$x', '<b>&amp;</b>', '[a]', '[a](b)', '[a](b:c)', '[a]{"entity": "b"}',
    '[a][{"entity": "b"}]',
    '[] (x)', '[a] (x)', '[open', 'close]', '](x)', '[[', ']]', ']', '[', '(', '{x}', '[a][', '__label__x', '__label__',
    'a__label__b', '</s>', '</s>x', E'\ttab\t', E'line\nbreak', E'two\n\nbreaks', E'\n- next', E'cr\rlf\r\n',
    U&'nel\0085x',
    U&'ls\2028x', U&'</s>\2028x', U&'\0001\0007\007F\009F', U&'\FEFFbom', U&'\2060joined', U&']\2060(x)',
    U&'[a]\2060(b)',
    U&'[a]\2060\2060[b]', U&'\2060__label__x', U&'\2060\2060</s>', U&'zero\200Bwidth\200D',
    U&'\0928\092E\0938\094D\0924\0947',
    U&'\092A\093F\091C\093C\093C\093E', U&'\+01F355\+01F525', U&'\+01F469\200D\+01F469\200D\+01F467', U&'e\0301te\0301',
    U&'\0301', U&'\05E9\05DC\05D5\05DD \05E2\05D5\05DC\05DD', U&'\FF46\FF55', '  two  blanks  ', U&'\00A0\3000x',
    'null', '{', '}'])
    WITH ORDINALITY AS p (piece, n);
INSERT INTO training_samples (text, intent, entities, language, review_status, source, split, module_id, module_type,
                              quality_score, created_at)
SELECT t.text, btrim(CASE WHEN t.n % 5 = 0 THEN i.piece ELSE 'intent.' || t.n % 40 END, E' \t\n\r\f\x0B') || 'i',
    e.entities,
       CASE t.n % 3 WHEN 0 THEN 'en' END, 'approved', 'synthetic', CASE t.n % 10 WHEN 0 THEN 'test' ELSE 'train' END,
       CASE t.n % 4 WHEN 0 THEN t.n END, 'm', CASE t.n % 2 WHEN 0 THEN 1 ELSE 0.1 END, '2026-01-02 03:04:05.000006Z'
FROM (SELECT row_number() OVER (ORDER BY f.kind, a.n, b.n)::integer AS n, f.kind,
             CASE f.kind WHEN 1 THEN a.piece || 'n' || a.n WHEN 2 THEN a.piece || ' w' || a.n || ' ' || b.piece
             || a.n || 'n'
                  WHEN 3 THEN a.piece || 'w' || a.n || b.piece || a.n || 'b'
                  ELSE '[' || a.piece || 'w' || a.n || '] ' || b.piece || b.n || 'c' END AS text,
             'w' || a.n AS word
      FROM generate_series(1, 4) f (kind)
      JOIN pieces a ON true JOIN pieces b ON b.n = 1 + (a.n * f.kind * 7) % (SELECT count(*) FROM pieces)
          OR b.n = 1 + (a.n * f.kind * 31) % (SELECT count(*) FROM pieces)) t
JOIN pieces i ON i.n = 1 + t.n % (SELECT count(*) FROM pieces)
CROSS JOIN LATERAL (SELECT strpos(t.text, t.word) - 1 AS first, char_length(t.word) AS long) w
CROSS JOIN LATERAL (SELECT CASE WHEN w.first < 0 OR t.n % 7 = 0 THEN NULL
    WHEN t.n % 11 = 0 THEN '{"any": [1, null, 0.10]}'::jsonb
    ELSE jsonb_build_array(jsonb_strip_nulls(jsonb_build_object('start', w.first, 'end', w.first + w.long,
        'label', CASE t.n % 3 WHEN 0 THEN 'city' WHEN 1 THEN i.piece || 'l' ELSE 'a:b)' END,
        'value', CASE t.n % 4 WHEN 0 THEN t.word WHEN 1 THEN i.piece || 'v' END,
        'role', CASE t.n % 5 WHEN 0 THEN i.piece || '}' WHEN 1 THEN 'to' END, 'group', CASE t.n % 6 WHEN 0
        THEN '1' END)))
    END AS entities) e
WHERE NOT tw_is_blank(t.text);
-- Of texts that are the same but for case and signs an import takes the first.
DELETE FROM training_samples s USING training_samples o WHERE o.text_hash = s.text_hash AND o.id < s.id;
CREATE TEMP TABLE original AS SELECT s AS sample FROM training_samples s;
SELECT count(*) > 400 AS many, count(*) FILTER (WHERE entities::text ~ '"role"') > 50 AS with_roles
    FROM training_samples;

-- The entities of a sample as a format carries them: spans, perhaps with what Rasa knows of them.
CREATE FUNCTION pg_temp.spans(entities jsonb, words text, attributes boolean) RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_agg(CASE WHEN attributes THEN s.span || jsonb_build_array(
        coalesce(e.entity ->> 'value', substr(words, (s.span ->> 0)::integer + 1,
                                              (s.span ->> 1)::integer - (s.span ->> 0)::integer)),
        e.entity ->> 'role', e.entity ->> 'group') ELSE s.span END ORDER BY n)
    FROM jsonb_array_elements(CASE jsonb_typeof(entities) WHEN 'array' THEN entities ELSE '[]' END)
             WITH ORDINALITY AS e (entity, n)
    CROSS JOIN LATERAL (SELECT tw_entity_spans(jsonb_build_array(e.entity), char_length(words)) -> 0 AS span) s
    WHERE s.span <> 'null' $$;
-- Rasa marks nothing behind a bracket that is open.
CREATE FUNCTION pg_temp.is_open(words text, first integer) RETURNS boolean LANGUAGE sql AS $$
    SELECT coalesce(substring(left(words, first) FROM '.*([][])') = '[', false) $$;
CREATE FUNCTION pg_temp.carried(format text, s training_samples) RETURNS text LANGUAGE sql AS $$
    SELECT CASE
        WHEN format IN ('jsonl', 'csv')
            THEN (to_jsonb(s) - '{id,created_at,updated_at,reviewed_at,reviewed_by}'::text[])::text
                                             || s.created_at
        WHEN format = 'openai' THEN to_jsonb(ARRAY[s.text, s.intent, s.entities::text])::text
        WHEN format IN ('huggingface', 'spacy') THEN to_jsonb(ARRAY[s.text, s.intent,
                                                                    pg_temp.spans(s.entities, s.text,
                                                                    false)::text])::text
        WHEN format = 'rasa' THEN to_jsonb(ARRAY[s.text, s.intent,
            CASE WHEN NOT pg_temp.is_open(s.text, (s.entities #>> '{0,start}')::integer)
                 THEN pg_temp.spans(s.entities, s.text, true)::text END])::text
        ELSE to_jsonb(ARRAY[regexp_replace(s.text, U&'[\000A-\000D\001C-\001E\0085\2028\2029]', ' ', 'g'),
        s.intent])::text
    END $$;
CREATE TEMP TABLE lines (format text, n bigint, line text);
INSERT INTO lines SELECT f, x.n, x.l FROM unnest('{jsonl,csv,fasttext,rasa,huggingface,openai,spacy}'::text[]) f,
    export_training_samples(format => f, include_split => 'all') WITH ORDINALITY AS x (l, n);
CREATE FUNCTION pg_temp.trip(given text, named text, OUT inserted bigint, OUT others bigint, OUT more bigint,
    OUT fewer bigint)
LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM training_samples;
    SELECT i.inserted, i.existing + i.conflicting + i.skipped INTO inserted, others
    FROM import_training_samples((SELECT string_agg(l.line, E'\n' ORDER BY l.n) FROM lines l WHERE l.format = given),
    'synthetic',
                                 format => named) i;
    inserted := inserted - (SELECT count(*) FROM original);
    SELECT count(*) INTO more FROM (SELECT pg_temp.carried(given, s) FROM training_samples s
                                    EXCEPT ALL SELECT pg_temp.carried(given, o.sample) FROM original o) x;
    SELECT count(*) INTO fewer FROM (SELECT pg_temp.carried(given, o.sample) FROM original o
                                     EXCEPT ALL SELECT pg_temp.carried(given, s) FROM training_samples s) x;
END $$;
-- Nothing is new, missing, or another than it was: whether the format is named or found.
SELECT f.format, named, t.*
FROM unnest('{jsonl,csv,fasttext,rasa,huggingface,openai,spacy}'::text[]) WITH ORDINALITY AS f (format, n)
CROSS JOIN LATERAL unnest(ARRAY[f.format, 'auto']) named CROSS JOIN LATERAL pg_temp.trip(f.format, named) t
ORDER BY f.n, named;
-- The comparison sees what a format loses: fasttext the line breaks and the entities, spacy roles.
SELECT f.format, f.by, pg_temp.trip(f.format, 'auto') IS NOT NULL AS read,
       (SELECT count(*) > 10 FROM (SELECT pg_temp.carried(f.by, o.sample) FROM original o
                                   EXCEPT ALL SELECT pg_temp.carried(f.by, s) FROM training_samples s) x) AS lost
FROM (VALUES ('fasttext', 'openai'), ('spacy', 'rasa'), ('rasa', 'openai')) AS f (format, by);
-- Exported again, the lines are the same, byte for byte.
SELECT f.format, (SELECT pg_temp.trip(f.format, 'auto')) IS NOT NULL AS read,
       (SELECT count(*) FROM (SELECT l.line FROM lines l WHERE l.format = f.format
        EXCEPT ALL SELECT e FROM export_training_samples(format => f.format,
        include_split => 'all') e) x) AS lines_differ
FROM unnest('{fasttext,rasa,huggingface,spacy}'::text[]) AS f (format);
SELECT * FROM check_integrity();
