-- normalize_text() and text_hash(): when two texts are the same text.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET training_workflow.allow_drop = on;
DROP EXTENSION IF EXISTS training_workflow CASCADE;
RESET training_workflow.allow_drop;
RESET client_min_messages;
CREATE EXTENSION training_workflow;

-- Not aligned: psql's versions disagree on the width of characters.
\pset format unaligned
SELECT t.input, normalize_text(t.input) AS normalized FROM (VALUES
    (1, 'Hello'), (2, '  hello!!  '), (3, E'HELLO\t\n world'), (4, '"Veg pizza milega?"'), (5, 'veg  pizza, milega'),
    (6, '?'), (7, ' !! '), (8, ''), (9, '   '), (10, 'राम, क्या हाल है?'), (11, 'राम क्या हाल है।'),
    (12, U&'\FF28\FF25\FF2C\FF2C\FF2F'),
    (13, U&'\FB01ne caf\00E9'), (14, U&'fine cafe\0301'), (15, U&'no\00A0break\3000space'),
    (16, U&'zero\200Bwidth\FEFF'),
    (17, 'don''t stop'), (18, '100%'), (19, '(ok)'), (20, '👍'), (21, 'ÀÉ'), (22, U&'H\0331'), (23, '₹500'), (24, '-5'),
    (25, 'a . b')
) AS t (n, input) ORDER BY n;
\pset format aligned

-- Equal, and not.
SELECT a, b, text_hash(a) = text_hash(b) AS same FROM (VALUES
    ('Hello!', 'hello'), ('hi', 'hii'), ('Track  ORDER', 'track order?'), ('?', '!'), (U&'caf\00E9', U&'cafe\0301'),
    ('राम', 'राम।'), ('x', 'X.')
) AS t (a, b);
-- The hash is ours and never changes: these very numbers.
SELECT text_hash(''), text_hash('hello'), text_hash('मेरा ऑर्डर कहाँ है');

-- Twice is as good as once, for texts of characters from all over Unicode, marks and compatibility forms above all.
SELECT setseed(0.42);
WITH texts AS (
    SELECT i, string_agg(chr(CASE WHEN r < 0.3 THEN 32 + (random() * 94)::integer
                                  WHEN r < 0.5 THEN 768 + (random() * 111)::integer
                                  WHEN r < 0.6 THEN 2304 + (random() * 127)::integer
                                  WHEN r < 0.7 THEN 8192 + (random() * 111)::integer
                                  WHEN r < 0.8 THEN 65281 + (random() * 100)::integer
                                  WHEN r < 0.9 THEN 192 + (random() * 400)::integer
                                  ELSE 128512 + (random() * 79)::integer END), '') AS t
    FROM generate_series(1, 20000) AS i, LATERAL (SELECT random() AS r FROM generate_series(1, 1 + i % 12)) AS x
    GROUP BY i)
SELECT count(*) AS texts, count(*) FILTER (WHERE normalize_text(normalize_text(t)) <> normalize_text(t)) AS unstable
FROM texts;
-- A letter beyond ASCII at any place, in texts of any length, is seen.
SELECT count(*) AS texts,
       count(*) FILTER (WHERE normalize_text(repeat('A', i) || U&'\FF21' || repeat('B', n - i))
                        <> repeat('a', i + 1) || repeat('b', n - i)) AS wrong
FROM generate_series(0, 40) AS n, generate_series(0, n) AS i;
-- Long ones too.
SELECT length(normalize_text(repeat(U&'Pizza \FB01 ', 100000)));

-- Samples carry it, however they come, and it follows the text.
INSERT INTO training_samples (text, intent)
VALUES ('Hello!', 'intent.general.greeting'), ('hello', 'intent.general.greeting');
INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider)
    VALUES ('s', 'HELLO...', 'intent.general.greeting', 0.99, 'indicbert');
SELECT text, text_hash = text_hash('hello') AS same, normalizer FROM training_samples ORDER BY id;
UPDATE training_samples SET text = 'bye' WHERE text = 'hello';
SELECT text, text_hash = text_hash('bye') AS same FROM training_samples WHERE text = 'bye';
-- A stored hash is not recomputed while the text stays.
UPDATE training_samples SET text_hash = 1 WHERE text = 'bye';
UPDATE training_samples SET language = 'en' WHERE text = 'bye';
SELECT text_hash FROM training_samples WHERE text = 'bye';

-- More than 30 marks in a row are broken up by an invisible character (UAX #15, Stream-Safe Text), so that the time is
-- linear. 30 are left alone, however they are written; twice is as good as once. (10: a mark of the lowest class stays
-- behind the joiner.)
SELECT n, length(normalize_text(t)) - length(normalize(t, NFKC)) AS joiners,
       normalize_text(normalize_text(t)) = normalize_text(t) AS stable,
       replace(normalize_text(t), U&'\034F', '') = normalize(t, NFKC) AS nothing_else
FROM (VALUES (1, 'x' || repeat(U&'\0301', 30)), (2, 'x' || repeat(U&'\0301', 31)), (3, 'x' || repeat(U&'\0301', 61)),
    (4, 'x' || repeat(U&'\0344', 15)), (5, 'x' || repeat(U&'\0344', 16)), (6, U&'\1F82' || repeat(U&'\0301', 27)),
    (7, U&'\1F82' || repeat(U&'\0301', 28)), (8, repeat(U&'\1F82', 100)), (9, repeat(U&'\0915\094D', 100)),
    (10, repeat(U&'\0F73', 16)), (11, repeat('x', 13) || repeat(U&'\0301', 31) || 'x'),
    (12, repeat('x', 20000) || U&'\1100\1161\11A8'), (13, repeat(U&'\1100\1161\11A8', 20000)),
    (14, repeat('x', 16383) || U&'e\0301e\0301')) AS x (n, t) ORDER BY n;
-- Long texts are normalised piece by piece: the same as at once, wherever the pieces meet.
SELECT count(*) AS texts, count(*) FILTER (WHERE normalize_text(t) <> normalize_text(normalize(t, NFKC))) AS differ
FROM (SELECT i, string_agg(chr(CASE WHEN r < 0.3 THEN 192 + (random() * 60000)::integer % 54000
                                    WHEN r < 0.6 THEN 4352 + (random() * 255)::integer
                                    WHEN r < 0.8 THEN 768 + (random() * 111)::integer
                                    ELSE 44032 + (random() * 11171)::integer END), '') AS t
      FROM generate_series(1, 20) AS i, LATERAL (SELECT random() AS r FROM generate_series(1, 40000 + i)) AS x
      GROUP BY i) AS x;
