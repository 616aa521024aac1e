-- redact_pii: numbers written in unusual groups, GSTIN, and locations. All numbers and places are made up.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET training_workflow.allow_drop = on;
DROP EXTENSION IF EXISTS training_workflow CASCADE;
RESET training_workflow.allow_drop;
RESET client_min_messages;
CREATE EXTENSION training_workflow;
-- No random draw in this test.
INSERT INTO review_policies (audit_rate_approved, audit_rate_review) VALUES (0, 0);
\pset null '(null)'

CREATE TEMP TABLE cases (n serial, kind text DEFAULT 'number', message text, redacted text);
INSERT INTO cases (message, redacted) VALUES
    -- several spaces
    ('98765  43210', '00000  00000'),
    ('98765   43210', '00000   00000'),
    ('98765          43210', '00000          00000'),
    (E'98765\t43210', E'00000\t00000'),
    (E'98765 \u00A0 43210', E'00000 \u00A0 00000'),
    ('+91  98765  43210', '+00  00000  00000'),
    ('91  98765  43210', '00  00000  00000'),
    ('0  98765  43210', '0  00000  00000'),
    ('987  654  3210', '000  000  0000'),
    ('9876  543  210', '0000  000  000'),
    ('022  2345  6789', '000  0000  0000'),
    ('call 98765  43210 after 5', 'call 00000  00000 after 5'),
    ('2 pizza, 98765  43210', '2 pizza, 00000  00000'),
    ('९८७६५  ४३२१०', '00000  00000'),
    ('98765 -  43210', '00000 -  00000'),
    -- a line break
    (E'98765\n43210', E'00000\n00000'),
    (E'98765\r\n43210', E'00000\r\n00000'),
    (E'98765 \n 43210', E'00000 \n 00000'),
    (E'98765-\n43210', E'00000-\n00000'),
    (E'+91\n98765 43210', E'+00\n00000 00000'),
    (E'+91 98765\n43210', E'+00 00000\n00000'),
    (E'987 654\n3210', E'000 000\n0000'),
    (E'+44 20 7946 0018\n25', E'+00 00 0000 0000\n25'),
    (E'4111 1111\n1111 1111', E'0000 0000\n0000 0000'),
    (E'2345 6789\n0123', E'0000 0000\n0000'),
    (E'९८७६५\n४३२१०', E'00000\n00000'),
    -- slashes
    ('98765/43210', '00000/00000'),
    ('98765 / 43210', '00000 / 00000'),
    ('+91/98765/43210', '+00/00000/00000'),
    ('91/9876543210', '00/0000000000'),
    ('987/654/3210', '000/000/0000'),
    ('020/25651234', '000/00000000'),
    -- pairs and single digits
    ('98 76 54 32 10', '00 00 00 00 00'),
    ('98-76-54-32-10', '00-00-00-00-00'),
    ('98  76  54  32  10', '00  00  00  00  00'),
    ('98/76/54/32/10', '00/00/00/00/00'),
    ('+91 98 76 54 32 10', '+00 00 00 00 00 00'),
    ('91 98 76 54 32 10', '00 00 00 00 00 00'),
    ('0 98 76 54 32 10', '0 00 00 00 00 00'),
    ('call 98 76 54 32 10, thanks', 'call 00 00 00 00 00, thanks'),
    ('9 8 7 6 5 4 3 2 1 0', '0 0 0 0 0 0 0 0 0 0'),
    ('9-8-7-6-5-4-3-2-1-0', '0-0-0-0-0-0-0-0-0-0'),
    ('7 0 4 2 2 1 9 8 0 3', '0 0 0 0 0 0 0 0 0 0'),
    ('0 9 8 7 6 5 4 3 2 1 0', '0 0 0 0 0 0 0 0 0 0 0'),
    ('9 1 9 8 7 6 5 4 3 2 1 0', '0 0 0 0 0 0 0 0 0 0 0 0'),
    ('+9 1 9 8 7 6 5 4 3 2 1 0', '+0 0 0 0 0 0 0 0 0 0 0 0'),
    ('+91 9 8 7 6 5 4 3 2 1 0', '+00 0 0 0 0 0 0 0 0 0 0'),
    ('९८ ७६ ५४ ३२ १०', '00 00 00 00 00'),
    ('९ ८ ७ ६ ५ ४ ३ २ १ ०', '0 0 0 0 0 0 0 0 0 0'),
    -- uneven groups
    ('2345 67890123', '0000 00000000'),
    ('2345-67890123', '0000-00000000'),
    ('aadhaar 2345 67890123 hai', 'aadhaar 0000 00000000 hai'),
    ('23456789 0123', '00000000 0000'),
    ('98 76543210', '00 00000000'),
    ('98 765 43210', '00 000 00000'),
    ('9876 5432 10', '0000 0000 00'),
    ('98 7654 3210', '00 0000 0000'),
    ('987654 3210', '000000 0000'),
    ('9876543 210', '0000000 000'),
    ('98765432 10', '00000000 00'),
    ('+91 98 765 43210', '+00 00 000 00000'),
    ('91 98 765 43210', '00 00 000 00000'),
    -- a number sign after the word for a phone or a card
    ('ph#9876543210', 'ph#0000000000'),
    ('ph #9876543210', 'ph #0000000000'),
    ('Mobile#98765 43210', 'Mobile#00000 00000'),
    ('card#4111111111111111', 'card#0000000000000000'),
    -- cards
    ('4111  1111  1111  1111', '0000  0000  0000  0000'),
    ('4111   1111 1111   1111', '0000   0000 0000   0000'),
    (E'4111\t1111\t1111\t1111', E'0000\t0000\t0000\t0000'),
    ('3782  822463  10005', '0000  000000  00000'),
    ('41111111 11111111', '00000000 00000000'),
    ('4111 11111111 1111', '0000 00000000 0000'),
    ('2345  6789  0123', '0000  0000  0000'),
    -- GSTIN
    ('27ABCPE1234F1Z5', '00xxxxx0000x0x0'),
    ('27abcpe1234f1z5', '00xxxxx0000x0x0'),
    ('GSTIN: 27ABCPE1234F1ZP, Pune', 'GSTIN: 00xxxxx0000x0xx, Pune'),
    ('GSTIN27ABCPE1234F1Z5', 'GSTIN00xxxxx0000x0x0'),
    ('बिल 27ABCPE1234F1Z5 पर', 'बिल 00xxxxx0000x0x0 पर'),
    ('27ABCPE1234F1Z5/2026', '00xxxxx0000x0x0/2026');
INSERT INTO cases (kind, message, redacted) VALUES
    -- coordinates
    ('location', '18.5204, 73.8567', '00.0000, 00.0000'),
    ('location', '18.5204,73.8567', '00.0000,00.0000'),
    ('location', '18.5204 73.8567', '00.0000 00.0000'),
    ('location', '18.5204303 / 73.8567437', '00.0000000 / 00.0000000'),
    ('location', E'18.5204\n73.8567', E'00.0000\n00.0000'),
    ('location', '(18.5204; 73.8567)', '(00.0000; 00.0000)'),
    ('location', '-33.86882, 151.20929', '-00.00000, 000.00000'),
    ('location', '51.50735 -0.12776', '00.00000 -0.00000'),
    ('location', '[73.8567437,18.5204303]', '[00.0000000,00.0000000]'),
    ('location', 'main yahan hoon 18.520430, 73.856743 jaldi aao', 'main yahan hoon 00.000000, 00.000000 jaldi aao'),
    ('location', 'location:18.5204,73.8567.', 'location:00.0000,00.0000.'),
    ('location', '१८.५२०४, ७३.८५६७', '00.0000, 00.0000'),
    ('location', '18.5204N, 73.8567E', '00.0000N, 00.0000E'),
    ('location', '18.5204° N, 73.8567° E', '00.0000° N, 00.0000° E'),
    ('location', '18.52° N', '00.00° N'),
    ('location', 'lat 18.5204 lng 73.8567', 'lat 00.0000 lng 00.0000'),
    ('location', 'Latitude: 18.5204, Longitude: 73.8567', 'Latitude: 00.0000, Longitude: 00.0000'),
    ('location', 'lat=18.5204&lon=-73.8567', 'lat=00.0000&lon=-00.0000'),
    ('location', '{"lat": 18.5204, "lng": 73.8567}', '{"lat": 00.0000, "lng": 00.0000}'),
    ('location', '18.5204,73.8567 18.5210,73.8580', '00.0000,00.0000 00.0000,00.0000'),
    ('location', E'18°31''13"N 73°51''24"E', E'00°00''00"N 00°00''00"E'),
    ('location', E'18° 31\u2032 13.4\u2033 N', E'00° 00\u2032 00.0\u2033 N'),
    -- map links
    ('location', 'https://www.google.com/maps/@18.5204303,73.8567437,15z',
     'https://www.google.com/maps/@00.0000000,00.0000000,15z'),
    ('location', 'https://www.google.co.in/maps/place/Fort/@18.52,73.85,17z/data=!3d18.5204!4d73.8567',
     'https://www.google.co.in/maps/place/Fort/@00.00,00.00,17z/data=!3d00.0000!4d00.0000'),
    ('location', 'https://maps.google.com/?q=18.52,73.85', 'https://maps.google.com/?q=00.00,00.00'),
    ('location', 'maps.google.com/maps?q=18.5204%2C73.8567&z=17', 'maps.google.com/maps?q=00.0000%2C00.0000&z=17'),
    ('location', 'maps.google.com?lat=1.5&lng=7.3', 'maps.google.com?lat=0.0&lng=0.0'),
    ('location', 'https://maps.apple.com/?ll=18.52,73.85&q=Home', 'https://maps.apple.com/?ll=00.00,00.00&q=Home'),
    ('location', 'https://www.openstreetmap.org/#map=15/18.52/73.85',
     'https://www.openstreetmap.org/#map=15/00.00/00.00'),
    ('location', 'https://www.openstreetmap.org/?mlat=18.52&mlon=73.85#map=9/18.5/73.8',
     'https://www.openstreetmap.org/?mlat=00.00&mlon=00.00#map=9/00.0/00.0'),
    ('location', 'https://osm.org/#map=15/18.52/73.85 aao', 'https://osm.org/#map=15/00.00/00.00 aao'),
    ('location', 'geo:18.52,73.85', 'geo:00.00,00.00'),
    ('location', 'GEO:18.5204,73.8567?z=15', 'GEO:00.0000,00.0000?z=15'),
    ('location', 'https://waze.com/ul?ll=18.52%2C73.85', 'https://waze.com/ul?ll=00.00%2C00.00'),
    ('location', 'यहाँ https://maps.google.com/?q=18.52,73.85 आओ', 'यहाँ https://maps.google.com/?q=00.00,00.00 आओ'),
    ('location', 'https://maps.app.goo.gl/AbC1dEfGh', 'https://maps.app.goo.gl/xxx0xxxxx'),
    ('location', 'https://goo.gl/maps/AbCdEf dekho', 'https://goo.gl/maps/xxxxxx dekho');

INSERT INTO cases (message) VALUES
    -- prices
    ('Rs 500  600  700'), ('₹1,299  ₹2,499'), ('15000  20000'), ('60000  75000'), ('60000/75000'), ('15000/20000'),
    (E'12000\n15000'), ('5000/6000/7000'), ('700/800/1000'), ('700  800  1000'), ('1000  2000  3000  4000'),
    ('5000  6000  7000'), ('Rs 450/-'), ('99/999'), ('83.25, 90.10'), ('₹18.5204, ₹73.8567'), ('$83.1234, 90.5678'),
    ('12.50, 13.75, 14.00'), ('1250.5000, 2500.7500'), (E'9500\n411038'), ('9876543 500'), ('98765432 1500'),
    -- orders and tickets
    ('order #98765  43210'), ('order#9876543210'), ('order no#9876543210'), ('ticket#98765/43210'), ('#98 76 54 32 10'),
    ('ORD-98765  43210'), ('AB98765/43210'), ('order 87654321 10 pieces'), ('87654321/2'), ('bill 12345/67890'),
    ('12345  67890'), (E'12345\n67890'), (E'98765\n43210\n12345'), (E'4111\n1111\n1111\n1111'), (E'2345\n6789\n1234'),
    ('INV/2026/12345'), ('12345/2026'), ('FIR 123/2026'),
    -- dates and times
    ('23/11/2026'), ('23 / 11 / 2026'), ('2026/11/23'), ('23/11/2026  10:30'), (E'23-11-2026\n24-11-2026'),
    ('23/11/2026 - 24/11/2026'), ('2026-27/2027-28'), ('2024/2025/2026'), ('2023/2024/2025/2026'), ('2024  2025  2026'),
    (E'2025\n2026'), ('2026 20261123'), ('20261123 1030'), ('4500 20261123'), ('10 11 12 13 14'), ('10:30  11:30'),
    (E'10:30\n11:30'), ('0930  1030'), ('12:30:45.1234, 12:31:46.5678'), ('24/7'), ('9 - 5'),
    -- ranges, lists and quantities
    ('10 20 30'), ('10 20 30 40 50'), ('1, 2, 3, 4'), ('1 2 3 4 5'), ('1 2 3 4 5 6 7 8 9 0'), ('1 2 3 4 5 6 7 8 9 10'),
    ('10 9 8 7 6 5 4 3 2 1'), ('60 70 80 90 95'), ('65 70 75 80 85'), ('90 80 70 60 50'), ('98, 76, 54, 32, 10'),
    ('9, 8, 7, 6, 5, 4, 3, 2, 1, 0'), ('9 8 7 6'), ('98 76 54'), ('98 76 54 32'), ('1/2/3/4'), ('6 6 7 7 8 8 9 9 9 9'),
    (E'98\n76\n54\n32\n10'), (E'1\n2\n3\n4'), ('2  kg  5  kg'), ('12 x 500  ml'), ('98765, 43210'), ('98765; 43210'),
    (E'98765\n\n43210'), ('98765:43210'), ('98765 x 43210'), ('70 kg 8 bags'), ('64 128 256 512'), ('size 38/40/42'),
    -- pin codes, versions, books, addresses of computers
    ('411038  411045'), (E'411038\n411045'), ('411038/411045'), ('600001 2026'), ('560001 1234'), (E'600001\n9876'),
    ('1.10.0'), ('router-v1.10.0, router-v1.11.0'), ('98.76.54.32.10'), ('15.20 16.2 17.12'), ('192.168.100.200'),
    ('192.168.1.1/24'), ('978-81-203-4007-7'), ('ISBN 978  81  203  4007  7'), ('81-203-4007-7'), ('0-306-40615-2'),
    -- not quite a GSTIN
    ('27ABCEE1234F1Z5'), ('127ABCPE1234F1Z5'), ('27ABCPE1234F1Z'), ('27ABCPE1234F1Z55'), ('7ABCPE1234F1Z5'),
    ('27ABCPE1234F115'),
    -- not quite a place
    ('18.5204'), ('18.5204, 73'), ('18.52, 73.85'), ('18.520, 73.856'), ('218.5204, 73.8567'), ('98.5204, 93.8567'),
    ('18.5204 and 73.8567'), ('v18.5204, 73.8567'), ('18.5204kg, 73.8567kg'), ('18.5204%, 73.8567%'),
    ('0.1234, 0.5678'), ('0.1234 0.5678 0.9012'), ('12.3456, 23.4567, 34.5678'), ('score 0.8567'), ('flat 18.5'),
    ('platinum 18.5'), ('18.5204.1, 73.8567.2'), ('25° C'), ('18.5204° C'), (E'6''2" tall'), ('maps. 18.5 km'),
    ('https://example.com/maps'), ('https://maps.google.com/?q=Pune'), ('https://example.com/?v=18.52'), ('geo: 18.5'),
    ('https://example.com/AbCdEf'), ('google maps 18.5 km'), ('openstreetmap.org'), ('geography 12.5'),
    ('4.5/5, 4.25/5');
UPDATE cases SET redacted = message WHERE redacted IS NULL;

SELECT n, message, redacted AS expected, redact_pii(message) AS result FROM cases
WHERE redact_pii(message) IS DISTINCT FROM redacted;
SELECT count(*) >= 150 AS many,
       count(*) FILTER (WHERE message = redacted) * 2 >= count(*) AS half_of_them_stay FROM cases;
SELECT count(*) AS cases, count(*) FILTER (WHERE message <> redacted) AS masked FROM cases;

-- What holds for any text.
CREATE FUNCTION pg_temp.broken(message text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    once text := redact_pii(message);
BEGIN
    IF char_length(once) <> char_length(message) THEN
        RETURN 'length';
    ELSIF redact_pii(once) <> once THEN
        RETURN 'not idempotent: ' || once;
    END IF;
    RETURN NULL;
END $$;
SELECT message, pg_temp.broken(message) AS broken FROM cases WHERE pg_temp.broken(message) IS NOT NULL;
SELECT message, redact_pii(p || message || s) AS result
FROM cases, (VALUES ('please: ', ' thanks'), ('नमस्ते, ', ' धन्यवाद'), (U&'\+01F44D ', U&' \+01F44D'),
                    ('{', '}')) AS around (p, s)
WHERE redact_pii(p || message || s) <> p || redacted || s;
SELECT a.message, b.message, redact_pii(a.message || ' | ' || b.message) AS result
FROM cases a, cases b
WHERE (a.n * 31 + b.n * 17) % 5 = 0
  AND redact_pii(a.message || ' | ' || b.message) <> a.redacted || ' | ' || b.redacted;
SELECT a.message, b.message, glue, pg_temp.broken(a.message || glue || b.message) AS broken
FROM cases a, cases b, unnest('{"  ",/,", ","\n","@"}'::text[]) AS glue
WHERE (a.n * 31 + b.n * 17) % 7 = 0 AND pg_temp.broken(a.message || glue || b.message) IS NOT NULL;

-- Texts made of what the rules look at, the same ones in every run.
CREATE FUNCTION pg_temp.generated(seed integer) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT string_agg(piece[1 + ((hashint4extended(i, seed) % array_length(piece, 1))
                                 + array_length(piece, 1)) % array_length(piece, 1)], '' ORDER BY i)
    FROM generate_series(1, 3 + seed % 20) i,
         (VALUES (ARRAY['9', '8', '7', '0', '98', '76', '54', '10', '18', '73', '180', '987', '9876', '98765', '5204',
                        '8567', '2345', '6789', '67890123', '20261123', '4111', '11111111', '9876543210', '91', '020',
                        '5204303', '18.5204', '73.8567', '98 76 54 32', '9 8 7 6 5 4 3 2', '४३२१०', ' ', ' ', ' ', '  ',
                        '-', '/', '/', '.', '.', E'\n', E'\t', ', ', ',', ';', '#', '@', '@', '+', '(', ')', '°', 'N',
                        E'\'', '"', 'lat ', 'lng:', 'geo:', 'maps.', '/maps/', 'ph', 'AWB', '27', 'ABCPE', 'F1Z5', 'F',
                        'upi', 'okbank', 'x', '0000', '00', 'asha', U&'\200B', 'é', '₹'])) AS p (piece)
$$;
SELECT pg_temp.generated(n) AS message, pg_temp.broken(pg_temp.generated(n)) AS broken
FROM generate_series(1, 8000) n
WHERE pg_temp.broken(pg_temp.generated(n)) IS NOT NULL;
SELECT count(*) AS generated, count(*) FILTER (WHERE redact_pii(m) <> m) > 1500 AS many_masked
FROM (SELECT pg_temp.generated(n) AS m FROM generate_series(1, 8000) n) g;

-- Documents: a coordinate is a number of its own there.
SELECT redact_pii('{"lat": 18.5204, "Longitude": "73.8567", "n": 18.5204, "at": {"coordinates": [73.8567, 18.5204]},
    "lng": "home", "location": "18.5204, 73.8567", "others": [18.5204, 73.8567], "deep": {"lat": [1.5, 2.5]}}'::jsonb);
SELECT redact_pii(redact_pii(d)) = redact_pii(d) AS idempotent
FROM (SELECT jsonb_agg(to_jsonb(cases)) AS d FROM cases) t;

-- The worst texts of each kind take time that grows with their length: were it the square, this would take hours.
CREATE TEMP TABLE long AS
    SELECT what, repeat(piece, 1000000 / octet_length(piece)) AS message
    FROM (VALUES ('spaces', ' '), ('digit and spaces', '9         '), ('lines', E'9\n'), ('slashes', '9/'),
                 ('slashes of five', '98765/'), ('pairs', '98 '), ('decimals', '18.5204 '), ('commas', '18.5204,'),
                 ('points', '1.'), ('geo', 'geo:'), ('maps', 'maps.'), ('link', '/maps/18.5'), ('degrees', '1°'),
                 ('minutes', E'1°1'''), ('labels', 'lat '), ('label and number', 'lat:18.5204'), ('signs', '-+'),
                 ('number signs', 'ph#'), ('GSTIN', '27ABCPE1234F1Z5'), ('quotes', 'lat"')) AS t (what, piece);
SET statement_timeout = '5min';
SELECT what FROM long WHERE char_length(redact_pii(message)) <> char_length(message)
    OR redact_pii(redact_pii(message)) <> redact_pii(message);
SELECT redact_pii('/maps/' || repeat('a', 500000) || '18.52') = '/maps/' || repeat('a', 500000) || '00.00' AS one_link,
       redact_pii('98765' || repeat(' ', 500000) || '43210') = '00000' || repeat(' ', 500000) || '00000' AS one_number,
       redact_pii('18.5204' || repeat(' ', 500000) || '73.8567') = '18.5204' || repeat(' ', 500000) || '73.8567'
           AS far_apart;
RESET statement_timeout;

-- The same text on every way out of the conversation, and the setting for locations.
CREATE TEMP TABLE given AS
    SELECT string_agg(message, ' | ' ORDER BY n) AS message, string_agg(redacted, ' | ' ORDER BY n) AS redacted,
           string_agg(CASE kind WHEN 'location' THEN message ELSE redacted END, ' | ' ORDER BY n) AS with_locations
    FROM cases;
INSERT INTO labelstudio_projects (server_name, project_id, title) VALUES ('none', 1, 'all');
CREATE PROCEDURE pg_temp.capture() LANGUAGE plpgsql AS $$
DECLARE
    given record;
    done bigint;
BEGIN
    DELETE FROM training_samples;
    DELETE FROM labelstudio_tasks;
    DELETE FROM review_claims;
    DELETE FROM conversation_logs;
    SELECT * INTO given FROM given;
    INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider, nlu_entities)
    VALUES ('done', given.message, 'intent.a', 0.95, 'indicbert', jsonb_build_object('e', given.message))
    RETURNING id INTO done;
    INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider, response_text,
                                   user_correction)
    VALUES ('waiting', given.message, 'intent.a', 0.5, 'indicbert', given.message, given.message);
    PERFORM approve_conversation(done, given.message, 'asha');
    PERFORM import_training_samples(jsonb_build_object('text', given.message, 'intent', 'intent.b', 'entities',
                                                       jsonb_build_array(given.message))::text, 'manual');
    PERFORM tw_labelstudio_claim_batch(p, 1) FROM labelstudio_projects p;
    UPDATE labelstudio_tasks SET batch_id = '00000000-0000-4000-8000-000000000002';
    -- One more for claim_reviews(), which leaves out what waits in Label Studio.
    INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider)
    VALUES ('to claim', given.message, 'intent.a', 0.5, 'indicbert');
END $$;
CREATE FUNCTION pg_temp.ways() RETURNS TABLE (way text, value text) LANGUAGE sql AS $$
    SELECT 'sample, ' || s.source, s.text FROM training_samples s
    UNION ALL SELECT 'entities, ' || s.source, coalesce(s.entities ->> 'e', s.entities ->> 0) FROM training_samples s
    UNION ALL SELECT 'queue, ' || q.stage, q.text FROM training_queue q
    UNION ALL SELECT 'Label Studio, text', t -> 'data' ->> 'text'
        FROM jsonb_array_elements(tw_labelstudio_payload('00000000-0000-4000-8000-000000000002')) t
    UNION ALL SELECT 'history', explain_conversation(c.id) -> 'conversation' ->> 'user_message'
        FROM conversation_logs c
    UNION ALL SELECT 'note of an event', e ->> 'note'
        FROM conversation_logs c, jsonb_array_elements(explain_conversation(c.id) -> 'events') e
    UNION ALL SELECT 'export', l::jsonb ->> 'text' FROM export_training_samples(format => 'jsonl') l
    UNION ALL SELECT 'claim', c.text FROM claim_reviews(10) c
$$;
-- Label Studio's line ends are "\n" alone.
CREATE FUNCTION pg_temp.lines(value text) RETURNS text LANGUAGE sql
    RETURN replace(value, E'\r\n', E' \n');
CREATE FUNCTION pg_temp.alike(wanted text) RETURNS TABLE (way text, number bigint, alike boolean) LANGUAGE sql AS $$
    SELECT w.way, count(*), bool_and(pg_temp.lines(w.value) = pg_temp.lines(wanted)) FROM pg_temp.ways() w
    GROUP BY w.way ORDER BY w.way COLLATE "C"
$$;
CALL pg_temp.capture();
SELECT a.* FROM given g, pg_temp.alike(g.redacted) a;
SELECT t -> 'data' ->> 'context' ~ 'correction: 00000' AS correction,
       t -> 'data' ->> 'context' ~ 'replied: 00000  00000' AS reply
FROM jsonb_array_elements(tw_labelstudio_payload('00000000-0000-4000-8000-000000000002')) t;

SELECT set_training_setting('redact_locations', 'off');
CALL pg_temp.capture();
SELECT way FROM given g, pg_temp.alike(g.with_locations) WHERE alike IS DISTINCT FROM true;
-- What models see has no locations in any case, as redact_pii() has none.
SELECT tw_model_text('18.5204, 73.8567') AS model, redact_pii('18.5204, 73.8567') AS function;
SELECT set_training_setting('redact', 'off');
CALL pg_temp.capture();
SELECT way FROM given g, pg_temp.alike(g.message) WHERE alike IS DISTINCT FROM true;
SELECT set_training_setting('redact_locations', NULL);
-- Without redact, the setting says nothing.
SELECT way FROM given g, pg_temp.alike(g.message) WHERE alike IS DISTINCT FROM true;
SELECT set_training_setting('redact', NULL);
-- A sample stays as it was made; what is shown and exported follows the setting.
SELECT a.way, a.alike AS masked FROM given g, pg_temp.alike(g.redacted) a;
