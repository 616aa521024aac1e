-- near_twins(): which texts are nearly the same.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET training_workflow.allow_drop = on;
DROP EXTENSION IF EXISTS training_workflow CASCADE;
RESET training_workflow.allow_drop;
RESET client_min_messages;
CREATE EXTENSION training_workflow;
\pset null '(null)'

-- One pair each, at 0.8: a position or NULL.
SELECT t.n, (near_twins(ARRAY[t.a], ARRAY[t.b]))[1] AS twin, (near_twins(ARRAY[t.b], ARRAY[t.a]))[1] AS reverse, t.a,
       t.b FROM (VALUES
    -- 4 of 5 words, 8 of 10, 12 of 15: exactly 0.8. 3 of 4, 7 of 9, 11 of 14: less.
    (1, 'a b c d e', 'a b c d'), (2, 'a b c d e f g h i', 'a b c d e f g h j'),
    (3, 'a b c d e f g h i j k l x y z', 'l k j i h g f e d c b a'),
    (4, 'a b c d', 'a b c'), (5, 'a b c d e f g h', 'a b c d e f g i'),
    (6, 'a b c d e f g h i j k l', 'a b c d e f g h i j k m n'),
    -- Sets: neither order nor repetition matters.
    (7, 'pizza pizza order karo', 'Order karo pizza!'), (8, 'haan haan haan', 'haan'),
    -- Words of the normalised text; digits are all alike, punctuation inside separates, apostrophes do not.
    (9, 'order 12345 kahan hai', 'Order 98765 kahan hai?'), (10, 'order 12345', 'order 123456'),
    (11, 'cash-on-delivery', 'cash on delivery'),
    (12, 'don''t cancel', 'don t cancel'), (13, U&'\FF36\FF45\FF47 thali', 'veg thali'), (14, 'a '' b', 'a b'),
    -- Hindi and Hinglish.
    (15, 'मेरा ऑर्डर अभी तक नहीं आया', 'मेरा ऑर्डर अभी तक नहीं आया है।'),
    (16, 'मेरा पार्सल कहाँ है', 'मेरा ऑर्डर कहाँ है'),
    (17, 'पनीर टिक्का कितने का है भैया', 'भैया, पनीर टिक्का कितने का है?'),
    (18, 'bhaiya mera khana kab tak aayega', 'mera khana kab tak aayega'),
    (19, 'bhaiya khana kab aayega', 'bhaiya khana kab tak aayega yaar'),
    (20, 'ऑर्डर 45 cancel कर दो please', 'ऑर्डर 46 cancel कर दो please'),
    (21, '👍', '👍👍'), (22, '👍', '👍'),
    -- Without a word: no twin, not even itself.
    (23, '', ''), (24, '?', '?'), (25, ' - ', '...'), (26, 'a', '?')
) AS t (n, a, b) ORDER BY t.n;

-- The most similar one, and the first of several.
SELECT near_twins(ARRAY['a b c d e f g h i j'],
                  ARRAY['a b c d e f g h', 'a b c d e f g h i', 'b c d e f g h i j', 'a b c d e f g h i j k', 'x']);
SELECT near_twins(ARRAY['a b c d e f g h i j', 'J I H G F E D C B A'],
                  ARRAY['a b c d e f g h', 'a b c d e f g h i', 'j a b c d e f g h i', 'a b c d e f g h i j',
                        'J a b c d e f g h i!']);
-- 6 of 9 and 8 of 12 are equally similar.
SELECT near_twins(ARRAY['a b c d e f g h'], ARRAY['a b c d e f g h i j k l', 'a b c d e f x'], 0.5) AS first_longer,
       near_twins(ARRAY['a b c d e f g h'], ARRAY['a b c d e f x', 'a b c d e f g h i j k l'], 0.5) AS first_shorter;

-- NULLs, nothing, and arrays that do not start at 1.
SELECT near_twins(ARRAY['a', NULL, 'b', '', 'c'], ARRAY[NULL, 'b', NULL, 'a', '', 'b']);
SELECT near_twins('{}', '{a}') AS no_candidates, near_twins('{a,b}', '{}') AS no_texts,
       near_twins('{}', '{}') AS neither, near_twins('{NULL}', '{NULL}') AS only_nulls,
       near_twins('{?}', '{!,?}') AS no_words;
SELECT near_twins('[5:7]={b,x,a}', '[-3:-1]={a,b,c}') AS positions,
       array_lower(near_twins('[5:7]={b,x,a}', '{a,b,c}'), 1) AS lower_bound;
SELECT near_twins(NULL, '{a}') AS a, near_twins('{a}', NULL) AS b, near_twins('{a}', '{a}', NULL) AS c;

-- Thresholds.
SELECT t AS threshold, near_twins(ARRAY['a b c d'], ARRAY['a b c d e'], t) AS four_of_five,
       near_twins(ARRAY['a b'], ARRAY['a c d'], t) AS one_of_four,
       near_twins(ARRAY['a b'], ARRAY['c d'], t) AS none, near_twins(ARRAY['a b'], ARRAY['b a'], t) AS all
FROM unnest(ARRAY[0.25, 0.25000000000000006, 0.7999999999999999, 0.8, 0.8000000000000002, 1]) AS t;
SELECT near_twins('{a b,c}', '{d,b c}', 5e-324) AS any_word_in_common;
-- 7 of 25: 0.28 * 25 is more than 7 in floating-point numbers.
SELECT near_twins(ARRAY['a b c d e f g h i j k l m n o p q r s t u v w x y'],
                        ARRAY['a b c d e f g'], 0.28) AS seven_of_25,
       near_twins(ARRAY['a b c d e f g'], ARRAY['a b c d e f g h i j k l m n o p q r s t u v w x y'], 0.28) AS reverse;
DO $$
DECLARE
    call text; message text; detail text; hint text;
BEGIN
    FOREACH call IN ARRAY ARRAY[
        $q$near_twins('{a}', '{a}', 0)$q$, $q$near_twins('{a}', '{a}', -0.1)$q$,
        $q$near_twins('{a}', '{a}', 1.0000000000000002)$q$,
        $q$near_twins('{a}', '{a}', 80)$q$, $q$near_twins('{a}', '{a}', 'NaN')$q$,
        $q$near_twins('{}', '{}', 'Infinity')$q$,
        $q$near_twins('{{a},{b}}', '{a}')$q$, $q$near_twins('{}', '{{{a,b}}}')$q$]
    LOOP
        BEGIN
            EXECUTE 'SELECT ' || call;
            RAISE NOTICE '%: no error', call;
        EXCEPTION WHEN OTHERS THEN
            GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
            RAISE NOTICE '%: % % % %', call, SQLSTATE, message, detail, hint;
        END;
    END LOOP;
END $$;

-- Against all pairs, computed in SQL with whole numbers. The texts are drawn
-- from few words, the frequent ones in most of them.
CREATE FUNCTION pg_temp.draw(what text) RETURNS integer LANGUAGE sql IMMUTABLE
    RETURN ('x' || substr(md5(what), 1, 7))::bit(28)::integer;
CREATE FUNCTION pg_temp.words(t text) RETURNS text[] LANGUAGE sql IMMUTABLE
    RETURN ARRAY(SELECT DISTINCT w[1] FROM regexp_matches(regexp_replace(normalize_text(t), '[0-9]', '0', 'g'),
                                                          '[^\x01-&(-/:-@\x5B-\x60\x7B-\x7F]+', 'g') AS w);
CREATE TEMP TABLE generated AS
    SELECT kind, i, (SELECT string_agg((ARRAY['hai', 'mera', 'order', 'kahan', 'को', 'है', 'मेरा', 'please', 'the',
                                              'my', '1', '42', '77', 'pizza', 'ऑर्डर',
        'cancel', 'karo', 'Kahan', 'delivery', 'don''t', 'late', 'भैया', 'refund', 'paneer', 'कब', 'aayega', '👍', 'ठीक',
        'address', 'badlo'])
        [1 + floor(30 * (pg_temp.draw(kind || i || '/' || j) / 268435456.0) ^ 2.2)::integer],
        (ARRAY[' ', ' ', '  ', ', ', '-'])[1 + pg_temp.draw(kind || i || ':' || j) % 5] ORDER BY j)
        FROM generate_series(1, CASE WHEN i % 50 = 0 THEN 60 ELSE 1 + pg_temp.draw(kind || i) % 14 END) AS j) AS t
    FROM unnest(ARRAY['candidate', 'text']) AS kind, generate_series(1, 250) AS i;
-- Two candidates of three are a text with words put before it or taken from its end.
UPDATE generated c
SET t = CASE c.i % 3 WHEN 1 THEN 'badlo 9 ' || t.t ELSE regexp_replace(t.t, '[^ ]+( +[^ ]+)?$', 'yaar') END
FROM generated t WHERE c.kind = 'candidate' AND t.kind = 'text' AND t.i = c.i AND c.i % 3 > 0;
CREATE TEMP TABLE sets AS SELECT kind, i, pg_temp.words(t) AS words FROM generated;
CREATE TEMP TABLE pairs AS
    SELECT c.i AS candidate, t.i AS text, cardinality(c.words) + cardinality(t.words) AS both,
           (SELECT count(*) FROM unnest(c.words) AS w WHERE w = ANY (t.words)) AS common
    FROM sets c, sets t WHERE c.kind = 'candidate' AND t.kind = 'text';
SELECT count(*) AS pairs, min(p.both), max(p.both), count(*) FILTER (WHERE common > 0) AS with_common_words
FROM pairs p;
WITH thresholds (part, whole) AS (
    VALUES (1, 20), (3, 10), (1, 3), (1, 2), (3, 5), (2, 3), (7, 10), (3, 4), (4, 5), (5, 6), (9, 10), (1, 1)
), naive AS (
    SELECT h.part, h.whole, p.candidate,
           count(*) FILTER (WHERE p.common * h.whole = h.part * (p.both - p.common)) AS exact,
           (array_agg(p.text ORDER BY p.common::numeric / (p.both - p.common) DESC, p.text)
            FILTER (WHERE p.common * h.whole >= h.part * (p.both - p.common)))[1] AS twin
    FROM thresholds h, pairs p GROUP BY h.part, h.whole, p.candidate
), found AS (
    SELECT h.part, h.whole, f.candidate, f.twin
    FROM thresholds h, unnest(near_twins((SELECT array_agg(t ORDER BY i) FROM generated WHERE kind = 'candidate'),
                                         (SELECT array_agg(t ORDER BY i) FROM generated WHERE kind = 'text'),
                                         h.part / h.whole::double precision)) WITH ORDINALITY AS f (twin, candidate)
)
SELECT n.part || '/' || n.whole AS threshold, sum(n.exact) AS pairs_at_it, count(n.twin) AS twins,
       count(f.twin) AS found, count(*) FILTER (WHERE n.twin IS DISTINCT FROM f.twin) AS wrong
FROM naive n FULL JOIN found f USING (part, whole, candidate)
GROUP BY n.part, n.whole ORDER BY n.part::numeric / n.whole;

-- Repeated words take no room, and long words are words.
SELECT near_twins(ARRAY[repeat('ha ', 200000) || 'ok', repeat('x', 300000)], ARRAY[repeat('x', 300000), 'ok ha']);
-- More different words than any list starts with.
SELECT near_twins(ARRAY[w, w || ' more'], ARRAY['other', w], 0.9)
FROM (SELECT string_agg(chr(97 + i / 676) || chr(97 + i / 26 % 26) || chr(97 + i % 26), ' ') AS w
      FROM generate_series(1, 15000) AS i) AS x;

-- It can be cancelled. All of these texts share all of their words but one, and every pair is as similar as any other.
CREATE TEMP TABLE many AS
    SELECT array_agg('ek veg pizza aur do coke bhejo ' || translate(i::text, '0123456789', 'abcdefghij')) AS candidates,
           array_agg('ek veg pizza aur do coke bhejo '
                     || translate(i::text, '0123456789', 'klmnopqrst')) FILTER (WHERE i <= 20000) AS texts
    FROM generate_series(1, 100000) AS i;
SELECT cardinality(array_remove(near_twins(candidates, texts), NULL)) AS twins FROM many;
SELECT clock_timestamp() AS started \gset
SET statement_timeout = '100ms';
SELECT cardinality(near_twins(candidates, texts, 0.5)) FROM many;
RESET statement_timeout;
SELECT clock_timestamp() - :'started' < '2 seconds' AS at_once;

-- Nobody may call it unasked.
CREATE ROLE regress_stranger;
SELECT has_function_privilege('regress_stranger', 'near_twins(text[], text[], double precision)', 'EXECUTE');
DROP ROLE regress_stranger;
