-- redact_pii: what is masked, what is left, and what holds for any text. All numbers and addresses are made up.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET training_workflow.allow_drop = on;
DROP EXTENSION IF EXISTS training_workflow CASCADE;
RESET training_workflow.allow_drop;
RESET client_min_messages;
CREATE EXTENSION training_workflow;
\pset null '(null)'

CREATE TEMP TABLE cases (n serial, message text, redacted text);
-- A case without a second text is left as it is.
INSERT INTO cases (message, redacted) VALUES
    -- Indian mobile numbers
    ('9876543210', '0000000000'),
    ('call me on 9876543210', 'call me on 0000000000'),
    ('98765 43210', '00000 00000'),
    ('00000 12345', '00000 00000'),
    ('987 654 3210', '000 000 0000'),
    ('987 6543 210', '000 0000 000'),
    ('9876 543 210', '0000 000 000'),
    ('987 6543210', '000 0000000'),
    ('9876 543210', '0000 000000'),
    ('98765 43 210', '00000 00 000'),
    ('98765-43210', '00000-00000'),
    ('98765.43210', '00000.00000'),
    (U&'98765\201343210', U&'00000\201300000'),
    (U&'98765\00A043210', U&'00000\00A000000'),
    (U&'98765\201143210', U&'00000\201100000'),
    ('98765 - 43210', '00000 - 00000'),
    ('(98765) 43210', '(00000) 00000'),
    ('+91 98765 43210', '+00 00000 00000'),
    ('+91 00000 00213', '+00 00000 00000'),
    ('+91-98765-43210', '+00-00000-00000'),
    ('+91 (98765) 43210', '+00 (00000) 00000'),
    ('(+91) 98765 43210', '(+00) 00000 00000'),
    ('+919876543210', '+000000000000'),
    ('+911234567890', '+000000000000'),
    ('+91 12345 67890', '+00 00000 00000'),
    ('+91 1234 567 890', '+00 0000 000 000'),
    ('919876543210', '000000000000'),
    ('91 9876543210', '00 0000000000'),
    ('91 98765 43210', '00 00000 00000'),
    ('91-9876543210', '00-0000000000'),
    ('09876543210', '00000000000'),
    ('0 98765 43210', '0 00000 00000'),
    ('098765 43210', '000000 00000'),
    ('0-9876543210', '0-0000000000'),
    ('00919876543210', '00000000000000'),
    ('0091 98765 43210', '0000 00000 00000'),
    ('009198765 43210', '000000000 00000'),
    ('9198765 43210', '0000000 00000'),
    (U&'\202A+91 98765 43210\202C', U&'\202A+00 00000 00000\202C'),
    (U&'+91\00A098765\00A043210', U&'+00\00A000000\00A000000'),
    -- next to words and signs
    ('ph9876543210', 'ph0000000000'),
    ('Mob.9876543210', 'Mob.0000000000'),
    ('MOB-9876543210', 'MOB-0000000000'),
    ('PH-98765 43210', 'PH-00000 00000'),
    ('TEL-9876543210, CELL-9876543211', 'TEL-0000000000, CELL-0000000000'),
    ('NO-9876543210', 'NO-0000000000'),
    ('number-9876543210', 'number-0000000000'),
    ('9876543210pe call karo', '0000000000pe call karo'),
    ('9876543210/9876543211', '0000000000/0000000000'),
    ('9876543210,9876543211', '0000000000,0000000000'),
    ('"9876543210"', '"0000000000"'),
    ('[98765 43210]', '[00000 00000]'),
    ('https://chat.example.com/919876543210', 'https://chat.example.com/000000000000'),
    ('9876543210.', '0000000000.'),
    ('call 9876543210!', 'call 0000000000!'),
    (E'9876543210\n9876543211', E'0000000000\n0000000000'),
    (U&'\+01F4DE9876543210\+01F64F', U&'\+01F4DE0000000000\+01F64F'),
    (U&'\+01F4DE 98765 43210 \+01F64F\200D\+01F468', U&'\+01F4DE 00000 00000 \+01F64F\200D\+01F468'),
    -- neighbours stay
    ('2 pizza 98765 43210', '2 pizza 00000 00000'),
    ('send 2 98765 43210', 'send 2 00000 00000'),
    ('98765 43210 2 pizza', '00000 00000 2 pizza'),
    ('2 98765 43210 3', '2 00000 00000 3'),
    ('2 9876543210 3', '2 0000000000 3'),
    ('2 987 654 3210 3', '2 000 000 0000 3'),
    ('+91 98765 43210 2', '+00 00000 00000 2'),
    ('+91 98765 43210 411038', '+00 00000 00000 411038'),
    ('411038 9876543210', '411038 0000000000'),
    ('411 038 9876543210', '411 038 0000000000'),
    ('1) 98765 43210 2) 98765 43211', '1) 00000 00000 2) 00000 00000'),
    ('1. 9876543210', '1. 0000000000'),
    ('Rs 500 9876543210', 'Rs 500 0000000000'),
    ('10:30 9876543210', '10:30 0000000000'),
    ('23-11-2026 9876543210', '23-11-2026 0000000000'),
    ('ORD-104233 9876543210 TKT-2291', 'ORD-104233 0000000000 TKT-2291'),
    -- in other countries, and landlines
    ('+1 415 555 0123', '+0 000 000 0000'),
    ('+1 (415) 555-0123', '+0 (000) 000-0000'),
    ('+1 415 555 0123 45', '+0 000 000 0000 45'),
    ('+44 20 7946 0018', '+00 00 0000 0000'),
    ('+44 (0)20 7946 0018', '+00 (0)00 0000 0000'),
    ('+44 20 7946 0018 2 pizza', '+00 00 0000 0000 2 pizza'),
    ('+971 50 000 0123', '+000 00 000 0000'),
    ('+372 600 12', '+000 000 00'),
    ('00372 600 12', '00000 000 00'),
    ('+37260012', '+00000000'),
    ('+372 600 1', NULL),
    ('0044 20 7946 0018', '0000 00 0000 0000'),
    ('+91 20 2565 1234', '+00 00 0000 0000'),
    ('+91-20-25651234', '+00-00-00000000'),
    ('+91 (20) 2565-1234', '+00 (00) 0000-0000'),
    ('020-25651234', '000-00000000'),
    ('(022) 2345 6789', '(000) 0000 0000'),
    ('(022)23456789', '(000)00000000'),
    ('0120 4567890', '0000 0000000'),
    ('02025651234', '00000000000'),
    ('020 2565 1234 2 pizza', '000 0000 0000 2 pizza'),
    -- cards
    ('4111 1111 1111 1111', '0000 0000 0000 0000'),
    ('4111-1111-1111-1111', '0000-0000-0000-0000'),
    ('1234 5678 9012 3456', '0000 0000 0000 0000'),
    ('4111111111111111', '0000000000000000'),
    ('4222222222222', '0000000000000'),
    ('378282246310005', '000000000000000'),
    ('3782 822463 10005', '0000 000000 00000'),
    ('3056 930902 5904', '0000 000000 0000'),
    ('card 4111 1111 1111 1111 exp 12/28', 'card 0000 0000 0000 0000 exp 12/28'),
    ('CARD-4111111111111111', 'CARD-0000000000000000'),
    ('4111 1111 1111 1111 500', '0000 0000 0000 0000 500'),
    ('2 4111 1111 1111 1111', '2 0000 0000 0000 0000'),
    -- Aadhaar
    ('234567890123', '000000000000'),
    ('2345 6789 0123', '0000 0000 0000'),
    ('2345-6789-0123', '0000-0000-0000'),
    ('aadhaar 2345 6789 0123 hai', 'aadhaar 0000 0000 0000 hai'),
    ('0000 0000 0000', NULL),
    -- PAN
    ('ABCPE1234F', 'xxxxx0000x'),
    ('abcpe1234f', 'xxxxx0000x'),
    ('pan ABCPE1234F.', 'pan xxxxx0000x.'),
    ('PAN:ABCPE1234F,', 'PAN:xxxxx0000x,'),
    ('PAN_ABCPE1234F', 'PAN_xxxxx0000x'),
    ('पैनABCPE1234Fहै', 'पैनxxxxx0000xहै'),
    ('ABCPE1234F ABCCE1234F', 'xxxxx0000x xxxxx0000x'),
    -- e-mail addresses
    ('asha@example.com', 'xxxx@xxxxxxx.xxx'),
    ('mail asha.k+food_1%x-y@mail.example.co.in!', 'mail xxxx.x+xxxx_0%x-x@xxxx.xxxxxxx.xx.xx!'),
    ('asha@example.com.', 'xxxx@xxxxxxx.xxx.'),
    ('<asha@example.com>', '<xxxx@xxxxxxx.xxx>'),
    ('mailto:asha@example.com', 'mailto:xxxx@xxxxxxx.xxx'),
    ('asha@1example.com', 'xxxx@0xxxxxxx.xxx'),
    ('asha@my-shop.example', 'xxxx@xx-xxxx.xxxxxxx'),
    ('asha@example.com,ravi@example.com', 'xxxx@xxxxxxx.xxx,xxxx@xxxxxxx.xxx'),
    ('आशा@example.com', 'xxx@xxxxxxx.xxx'),
    ('आशा@उदाहरण.भारत', 'xxx@xxxxxx.xxxx'),
    ('zoë@example.com', 'xxx@xxxxxxx.xxx'),
    (U&'\+01F4E7asha@example.com\+01F4E7', U&'\+01F4E7xxxx@xxxxxxx.xxx\+01F4E7'),
    -- UPI ids
    ('asha@okbank', 'xxxx@xxxxxx'),
    ('9876543210@upi', '0000000000@xxx'),
    ('asha.k-1@okbank pe bhej do', 'xxxx.x-0@xxxxxx pe bhej do'),
    ('asha@okbank.', 'xxxx@xxxxxx.'),
    ('asha@okbank.500 bhejo', 'xxxx@xxxxxx.500 bhejo'),
    ('asha@okbank, ravi@ok1bank', 'xxxx@xxxxxx, xxxx@xx0xxxx'),
    ('asha@AWB-9876543210', 'xxxx@xxx-0000000000'),
    -- scripts of digits
    ('९८७६५ ४३२१०', '00000 00000'),
    ('मेरा नंबर ९८७६५४३२१० है', 'मेरा नंबर 0000000000 है'),
    ('+९१ ९८७६५ ४३२१०', '+00 00000 00000'),
    ('নম্বর ৯৮৭৬৫৪৩২১০', 'নম্বর 0000000000'),
    ('ਨੰਬਰ ੯੮੭੬੫੪੩੨੧੦', 'ਨੰਬਰ 0000000000'),
    ('નંબર ૯૮૭૬૫૪૩૨૧૦', 'નંબર 0000000000'),
    ('୯୮୭୬୫୪୩୨୧୦', '0000000000'),
    ('எண் ௯௮௭௬௫௪௩௨௧௦', 'எண் 0000000000'),
    ('నంబర్ ౯౮౭౬౫౪౩౨౧౦', 'నంబర్ 0000000000'),
    ('ಸಂಖ್ಯೆ ೯೮೭೬೫೪೩೨೧೦', 'ಸಂಖ್ಯೆ 0000000000'),
    ('നമ്പർ ൯൮൭൬൫൪൩൨൧൦', 'നമ്പർ 0000000000'),
    (U&'\0669\0668\0667\0666\0665\0664\0663\0662\0661\0660', '0000000000'),
    (U&'\06F9\06F8\06F7\06F6\06F5\06F4\06F3\06F2\06F1\06F0', '0000000000'),
    ('９８７６５４３２１０', '0000000000'),
    ('98765 ४३२१०', '00000 00000'),
    ('मेरा नंबर 98765 43210 है, २ पिज़्ज़ा', 'मेरा नंबर 00000 00000 है, २ पिज़्ज़ा'),
    ('नंबर9876543210पर कॉल करो', 'नंबर0000000000पर कॉल करो'),
    -- several, and Hinglish
    ('Asha 9876543210 ya asha@example.com, card 4111 1111 1111 1111, aadhaar 2345 6789 0123, PAN ABCPE1234F, upi '
     'asha@okbank', 'Asha 0000000000 ya xxxx@xxxxxxx.xxx, card 0000 0000 0000 0000, aadhaar 0000 0000 0000, PAN '
                    'xxxxx0000x, upi xxxx@xxxxxx'),
    ('bhaiya 2 paneer roll Kothrud 411038 bhej do, 98765 43210 pe call karna',
     'bhaiya 2 paneer roll Kothrud 411038 bhej do, 00000 00000 pe call karna'),
    ('12345 98765 43210', '00000 00000 00000'),
    -- a rule that could make another match by its zeros
    ('9876543210 1', '0000000000 1'),
    ('98765 43210 123456', '00000 00000 123456'),
    ('12345 98765 43210 7', '00000 00000 00000 7'),
    ('९८७६५४३२१०AWB-9876543210', '0000000000AWB-9876543210'),
    ('asha@AWB-98765 43210', 'xxxx@xxx-00000 43210'),
    ('asha@AWB_98765 43210', 'xxxx@xxx_98765 43210'),
    ('zoë@éabcde-12345 67890', 'xxx@xxxxxx-00000 00000'),
    (U&'asha@okbank-10000\201320000', U&'xxxx@xxxxxx-00000\201320000'),
    (U&'2024\20132025\20132026@okbank', U&'2024\20132025\20130000@xxxxxx'),
    ('a@पुणे@example.com', 'x@xxxx@xxxxxxx.xxx'),
    -- places; redact_spacing has more
    ('18.5074, 73.8077', '00.0000, 00.0000'),
    ('18.5074 73.8077', '00.0000 00.0000'),
    ('18.5204303,73.8567437', '00.0000000,00.0000000'),
    ('18.5204303 73.8567437', '00.0000000 00.0000000'),
    ('+18.5204303 +73.8567437', '+00.0000000 +00.0000000');

INSERT INTO cases (message) VALUES
    -- orders and tickets
    ('ORD-104233'), ('TKT-2291'), ('#9876543210'), ('order #98765 43210'), ('AB9876543210'), ('AWB-9876543210'),
    ('AWB_9876543210'), ('ORDER-9876543210'), ('TXN234567890123'), ('RID-30562'), ('txn9876543210'), ('X1NO9876543210'),
    -- places, prices, times, dates
    ('411038'), ('411 038'), ('Rs 1,250.50'), ('₹12,34,567'), ('99999'), ('₹ 99999'), ('Rs.450/-'), ('1250.50 2500.75'),
    ('budget 10000-20000'), ('15000 - 25000 ke beech'), ('12345.67890'),
    ('10:30'), ('9 : 30 am'), ('10.30'), ('10.30-11.30'), ('10:30:45.123456'), ('0930 1030'),
    ('23-11-2026'), ('2026-11-23 10:30'), ('2026-11-23T10:30:00.123456Z'), ('23/11/2026'), ('23.11.2026'),
    ('23 11 2026'),
    ('23-11-2026 23-12-2026'), ('2024 2025 2026'), ('2024-2025-2026'), ('1999-2000'), ('202611231030'),
    ('20261123103000'),
    ('1764000000'), ('1764000000000'), ('1764000000000000'),
    -- single coordinates and other measures
    ('18.520430299999998'), ('73.856743712345'), ('score 0.9876543210'), ('0.98765 43210'),
    ('2 kg'), ('1-2 pizza'), ('12 x 500 ml'), ('OTP 4821'), ('OTP 482 913'), ('12345678'), ('1234 5678'), ('2026'),
    ('flight 6E 2134'), ('train 12123'), ('12123 Deccan Queen'), ('50%'), ('12.5 %'), ('router-v1.10.0'),
    ('192.168.100.200'),
    ('10.0.0.1:5432'), ('1800 123 4567'), ('123456789'), ('12345678901'), ('1234567890'), ('4111111111111112'),
    ('98765432109876543210987'), ('123456789012'), ('1234 5678 9012'), ('12345678901 12'), ('500+98765432'),
    ('1 2 3 4 5 6 7 8 9 0'), ('10 20 30 40 50'),
    -- a group that only touches another
    ('98765, 43210'), ('98765:43210'), ('98765 x 43210'),
    ('15000 (20000 extra)'),
    -- not quite a PAN
    ('ABCEE1234F'), ('ABCPE12345F'), ('ABCPE1234'), ('XABCPE1234F'), ('ABCPE1234FX'), ('1ABCPE1234F'),
    ('BCPE1234F'), ('order2026a'),
    -- mentions
    ('@asha'), ('meet @ 5'), ('hi @asha, ok?'), ('asha @ example.com'), ('ok.@asha'), ('5 pm @5'), ('2kg@50'),
    ('pizza@99 each'),
    ('2kg@10.50'), ('pizza@Rs.500'), ('@'), ('@@'), ('a@'), ('a@b'), ('a@bc'), ('a@1bc'), ('...@asha'),
    ('a@-bcd'), ('a@.com'),
    -- words
    (''), (' '), ('hi'), ('नमस्ते'), ('कोई है?'), (U&'\+01F44D'), ('cancel kar do bhai'), ('2 पिज़्ज़ा और १ कोक'),
    ('+'), ('+91'), ('+12345'),
    ('(022)'), ('()'), ('- - -'), ('9'), ('9 8 7 6');
UPDATE cases SET redacted = message WHERE redacted IS NULL;

SELECT n, message, redacted AS expected, redact_pii(message) AS result FROM cases
WHERE redact_pii(message) IS DISTINCT FROM redacted;
SELECT count(*) AS cases, count(*) FILTER (WHERE message <> redacted) AS masked FROM cases;
SELECT redact_pii(NULL::text) AS text, redact_pii(NULL::jsonb) AS jsonb;

-- What holds for any text. A character either stays, or is a digit that became 0, or something else that became x.
CREATE FUNCTION pg_temp.broken(message text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    once text := redact_pii(message);
BEGIN
    IF char_length(once) <> char_length(message) THEN
        RETURN 'length';
    ELSIF redact_pii(once) <> once THEN
        RETURN 'not idempotent: ' || once;
    ELSIF EXISTS (
        SELECT FROM string_to_table(message, NULL) WITH ORDINALITY AS a (c, n)
        JOIN string_to_table(once, NULL) WITH ORDINALITY AS b (c, n) USING (n)
        WHERE a.c <> b.c AND (b.c NOT IN ('0', 'x') OR a.c COLLATE "C" ~ '[[:space:][:punct:]]')) THEN
        RETURN 'character: ' || once;
    END IF;
    RETURN NULL;
END $$;

SELECT message, pg_temp.broken(message) AS broken FROM cases WHERE pg_temp.broken(message) IS NOT NULL;
-- Between words, a text is redacted as it is on its own, and the words stay.
SELECT message, redact_pii(p || message || s) AS result
FROM cases, (VALUES ('please: ', ' thanks'), ('नमस्ते, ', ' धन्यवाद'), (U&'\+01F44D ', U&' \+01F44D'),
                    (E'\n', E'\n')) AS around (p, s)
WHERE redact_pii(p || message || s) <> p || redacted || s;
-- Two texts with a comma and a space between them have nothing to do with each other, unless a number with decimals
-- ends the one and begins the other: those two would be a place.
SELECT a.message, b.message, redact_pii(a.message || ', ' || b.message) AS result
FROM cases a, cases b
WHERE (a.n * 31 + b.n * 17) % 5 = 0 AND redact_pii(a.message || ', ' || b.message) <> a.redacted || ', ' || b.redacted
  AND NOT (a.message ~ '[.][0-9]{4,}$' AND b.message ~ '^[+]?[0-9]{1,3}[.][0-9]{4,}');
-- With only a space they may make a number together, but never an unstable one.
SELECT a.message, b.message, glue, pg_temp.broken(a.message || glue || b.message) AS broken
FROM cases a, cases b, (VALUES (' '), ('-'), ('')) AS g (glue)
WHERE (a.n * 31 + b.n * 17) % 7 = 0 AND pg_temp.broken(a.message || glue || b.message) IS NOT NULL;

-- Texts made of what the rules look at, the same ones in every run.
CREATE FUNCTION pg_temp.generated(seed integer) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT string_agg(piece[1 + ((hashint4extended(i, seed) % array_length(piece, 1))
                                 + array_length(piece, 1)) % array_length(piece, 1)], '' ORDER BY i)
    FROM generate_series(1, 3 + seed % 20) i,
         (VALUES (ARRAY['9', '98', '987', '9876', '98765', '1234', '12345', '10000', '9876543', '9876543210', '0', '00',
                        '91', '0091', '091', '020', '2026', '2345', '411038', '4111', '4111111111111111',
                        '234567890123', '९८७६५', '४३२१०', '٩٨٧٦', ' ', ' ', ' ', ' ', '-', '-', '.', '.', U&'\00A0',
                        U&'\2013', U&'\200B', '(', ')', '+', ', ', ' - ', '#', '@', '@', '_', '%',
                        'AWB', 'PH', 'no', 'ABCPE', 'F', 'a', 'x', 'asha', 'okbank', 'com', 'é', 'आशा', U&'\200D',
                        U&'\+01F44D'])) AS p (piece)
$$;
SELECT pg_temp.generated(n) AS message, pg_temp.broken(pg_temp.generated(n)) AS broken
FROM generate_series(1, 8000) n
WHERE pg_temp.broken(pg_temp.generated(n)) IS NOT NULL;
SELECT count(*) AS generated, count(*) FILTER (WHERE redact_pii(m) <> m) > 1500 AS many_masked
FROM (SELECT pg_temp.generated(n) AS m FROM generate_series(1, 8000) n) g;

-- Documents: strings and numbers, not keys.
SELECT redact_pii('{"phone": "98765 43210", "9876543210": "asha@example.com", "n": 9876543210,
    "m": [1, 2.5, "hi", 4111111111111111, null, true],
    "deep": {"a": [{"b": "call 9876543210"}]}, "order": "ORD-104233", "quantity": 2, "empty": [{}, []]}'::jsonb);
SELECT d, redact_pii(d) FROM (VALUES ('"9876543210"'::jsonb), ('9876543210'), ('9.87654321e9'), ('-9876543210'),
                                     ('9876543210.50'), ('0.9876543210'),
    ('73.856743712345'), ('18.520430299999998'), ('1764000000000'), ('411038'), ('"hi"'), ('1.10'), ('null'), ('true'),
    ('[]'), ('{}'), ('["98765 43210"]'),
    ('[[["a@b.cd"]]]')) AS t (d);
SELECT message FROM cases WHERE redact_pii(to_jsonb(message)) <> to_jsonb(redacted);
SELECT count(*) FROM cases WHERE redact_pii(jsonb_build_object('k', jsonb_build_array(message)))
                                     <> jsonb_build_object('k', jsonb_build_array(redacted));
SELECT redact_pii(redact_pii(d)) = redact_pii(d) AS idempotent
FROM (SELECT jsonb_agg(to_jsonb(cases)) AS d FROM cases) t;

-- Long texts, stored ones included, take time that grows with their length and no faster.
CREATE TEMP TABLE long AS
    SELECT what, repeat(piece, 1000000 / octet_length(piece)) AS message
    FROM (VALUES ('word', 'hello '), ('digits', '9'), ('pairs', '98765 43210 '), ('ones', '1 '), ('at', '@'),
                 ('name', 'a'), ('addresses', 'a@bcd.e@'),
                 ('host', 'a.'), ('parentheses', '(1'), ('plus', '+1 '), ('invisible', U&'\200B'),
                 ('numbers', U&'1\200B'), ('pan', 'ABCPE1234F'),
                 ('hindi', 'नमस्ते ')) AS t (what, piece);
ALTER TABLE long ADD COLUMN redacted text;
UPDATE long SET redacted = redact_pii(message);
SELECT what FROM long WHERE char_length(redacted) <> char_length(message) OR redact_pii(redacted) <> redacted;
SELECT what FROM long WHERE redacted <> message;
SELECT redact_pii(repeat('a', 500000) || '@' || repeat('b.', 200000) || 'com') = repeat('x', 500000) || '@'
       || repeat('x.', 200000) || 'xxx' AS one_address;
SELECT redact_pii('9' || repeat(U&'\200B', 300000) || '876543210') = '9' || repeat(U&'\200B', 300000)
       || '876543210' AS far_apart;

-- However long it is, it can be cancelled.
CREATE TEMP TABLE huge AS SELECT repeat('1 ', 10000000) AS message;
SET statement_timeout = '100ms';
SELECT char_length(redact_pii(message)) FROM huge;
RESET statement_timeout;

-- Not for everybody.
SELECT proacl IS NOT NULL AND NOT EXISTS (SELECT FROM aclexplode(proacl) WHERE grantee = 0) AS closed, provolatile,
       proisstrict, proparallel
FROM pg_proc WHERE proname = 'redact_pii';
