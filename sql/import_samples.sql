-- import_training_samples(): what a line may say, what is refused and how, what counts as there already.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET training_workflow.allow_drop = on;
DROP EXTENSION IF EXISTS training_workflow CASCADE;
RESET training_workflow.allow_drop;
RESET client_min_messages;
CREATE EXTENSION training_workflow;
SET timezone = 'Asia/Kolkata';
SET datestyle = 'SQL, DMY';

-- Every key; null and blank are as good as absent; blank lines, CRLF, a byte order mark, no newline at the end.
SELECT * FROM import_training_samples(U&'\FEFF' || $$
{"text": "Kothrud mein veg pizza milega?", "intent": " \tintent.food.item.search\n", "language": "hinglish", "entities": {"dish": "veg pizza", "price": 0.10, "n": [1, 2.50]}, "module_id": 4, "module_type": "meals", "expected_service": "opensearch", "split": "test", "label_source": "human", "quality_score": 0.75, "created_at": "2026-03-04T09:30:00.25+05:30"}
{"intent": "intent.parcel.shipment.track", "text": "\u092e\u0947\u0930\u093e \u092a\u093e\u0930\u094d\u0938\u0932 \ud83d\udce6", "entities": [], "label_source": "model", "created_at": "2026-03-04"}

$$ || E'   \t\n' ||
$${"text": "model, sure", "intent": "intent.ride.booking.cancel", "label_source": "model", "quality_score": 1, "module_id": 7.0, "created_at": "2026-03-04 04:00:00Z"}$$ || E'\r\n' || $$
{"text": " as it came ", "intent": "greeting", "language": null, "entities": null, "module_id": null, "module_type": "", "expected_service": "  ", "split": null, "label_source": null, "quality_score": null, "created_at": null}$$);
SELECT '"' || text || '"' AS text, intent, language, entities, module_id, module_type, expected_service AS service,
       split, label_source, quality_score,
       CASE WHEN created_at < updated_at THEN (created_at AT TIME ZONE 'UTC')::text ELSE 'now' END AS created_utc
FROM training_samples ORDER BY id;
SELECT DISTINCT review_status, source, label_source, reviewed_by = session_user AS by_me,
       reviewed_at IS NOT NULL AS reviewed, conversation_log_id,
       selection_probability, model_version_target, text_hash = text_hash(text) AS hashed, normalizer
FROM training_samples ORDER BY label_source;
SELECT * FROM check_integrity();

-- The same again changes nothing, under another source neither.

CREATE TEMP TABLE before AS TABLE training_samples;
SELECT import_training_samples($${"text": "kothrud  MEIN veg pizza milega", "intent": "intent.food.item.search"}
{"text": "Kothrud mein veg pizza milega?", "intent": "intent.food.item.search", "split": "test"}
{"text": "As it came!", "intent": "greeting", "language": "en"}$$, source) FROM unnest(ARRAY['synthetic', 'manual']) AS source;
SELECT count(*) AS changed FROM (TABLE before EXCEPT TABLE training_samples) d;
SELECT count(*) - (SELECT count(*) FROM before) AS added FROM training_samples;

-- Nothing to import.
SELECT * FROM import_training_samples('');
SELECT * FROM import_training_samples(E'\n  \r\n\t\n', 'manual', true);
SELECT * FROM import_training_samples(U&'\FEFF');

-- Arguments.
CREATE FUNCTION pg_temp.refused(data text, source text DEFAULT 'synthetic') RETURNS TABLE (error text)
    LANGUAGE plpgsql AS $$
DECLARE
    message text; detail text; hint text; samples bigint := (SELECT count(*) FROM training_samples);
BEGIN
    PERFORM import_training_samples(data, source, format => 'jsonl');
    RETURN QUERY SELECT 'not refused';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    RETURN QUERY SELECT SQLSTATE || ' ' || message;
    RETURN QUERY SELECT '      ' || detail WHERE detail <> '';
    RETURN QUERY SELECT '      ' || hint WHERE hint <> '' AND detail NOT LIKE 'The parser%';
    RETURN QUERY SELECT 'samples stayed' WHERE samples <> (SELECT count(*) FROM training_samples);
END $$;
SELECT import_training_samples(NULL);
SELECT import_training_samples('', NULL);
SELECT import_training_samples('', 'manual', NULL);
SELECT import_training_samples('', 'production');
SELECT import_training_samples('', 'Synthetic');

-- Broken JSON: the line and the column.
\pset tuples_only on
\pset format unaligned
SELECT import_training_samples($${"text": "a", "intent": "b"}

{"text": "a", "intent": }$$);
SELECT t.line, error FROM unnest(ARRAY[
    '{"text": "a" "intent": "b"}', '{"text": "a", "intent": "b"', '{"text": "a", "intent": "b"} {}',
    '{"text": "a", "intent": "b"},', '{"text": "a', '{"text": "a", "text": "b", "intent": "c"}',
    '{"text": "a", "entities": {"k": 1, "k": 2}, "intent": "b"}', '[', '{', '{''text'': 1}', 'text', 'NaN',
    U&'{"text": "\0939\093F\0928\094D\0926\0940", "intent": x}', E'{"text": "tab\there", "intent": "b"}',
    '{"text": "\x", "intent": "b"}', U&'{"text": "\\u12\0939\0939", "intent": "b"}',
    '{"text": "\ud800", "intent": "b"}', '{"text": "\udc00\ud800", "intent": "b"}',
    '{"text": "a\u0000b", "intent": "c"}', '{"te\u0000xt": "a", "intent": "c"}',
    '{"text": "a", "intent": "b", "module_id": 99999999999999999999}',
    '{"text": "a", "intent": "b", "quality_score": 1e999}',
    '{"text": "a", "intent": "b", "module_id": 01}']) WITH ORDINALITY AS t (line, n),
    pg_temp.refused(t.line) ORDER BY t.n;
SELECT error
FROM pg_temp.refused('{"text": "deep", "intent": "b", "entities": ' || repeat('[', 3000) || repeat(']', 3000) || '}');

-- JSON, but not an object.
SELECT t.line, error FROM unnest(ARRAY['[{"text": "a", "intent": "b"}]', '"text"', '12', '1.5', 'true',
                                       'null']) WITH ORDINALITY AS t (line, n),
    pg_temp.refused(t.line) ORDER BY t.n;

-- What is missing, blank, of another type or out of range.
SELECT error FROM unnest(ARRAY['{}', '{"text": "a"}', '{"intent": "a"}', '{"text": null, "intent": "a"}',
                               '{"text": "a", "intent": null}',
    '{"text": "", "intent": "a"}', '{"text": " \u00a0\u200b\n", "intent": "a"}', '{"text": "a", "intent": " \t"}',
    '{"text": 5, "intent": "a"}', '{"text": ["a"], "intent": "a"}',
    '{"text": "a", "intent": {"name": "a"}}']) WITH ORDINALITY AS t (line, n), pg_temp.refused(t.line) ORDER BY t.n;
SELECT t.rest, error FROM unnest(ARRAY['"language": 1', '"language": ["en"]', '"entities": "none"', '"entities": 0',
                                       '"entities": true', '"module_id": "4"', '"module_id": 4.5',
    '"module_id": 2147483648', '"module_id": -2147483649', '"module_type": 4', '"expected_service": {}',
    '"split": "dev"', '"split": "Test"', '"split": ""', '"split": 1',
    '"label_source": "llm"', '"label_source": false', '"quality_score": "0.9"', '"quality_score": 1.0000001',
    '"quality_score": -0.1', '"quality_score": 2', '"created_at": 1700000000', '"created_at": "now"',
    '"created_at": ""', '"created_at": "03/04/2026"', '"created_at": "2026-3-4"', '"created_at": "2026-02-29"',
    '"created_at": "2026-13-01"', '"created_at": "0000-01-01"', '"created_at": "2026-01-01T24:00"',
    '"created_at": "2026-01-01T10"', '"created_at": "2026-01-01T10:60"',
    '"created_at": "2026-01-01T10:00:60"', '"created_at": "2026-01-01T10:00:00."',
    '"created_at": "2026-01-01T10:00:00.1234567890"', '"created_at": "2026-01-01T10:00 Asia/Kolkata"',
    '"created_at": "2026-01-01T10:00+5"',
    '"created_at": "2026-01-01T10:00+16"', '"created_at": "2026-01-01T10:00+05:30:10"', '"created_at": "infinity"',
    '"created_at": "2026-01-01T10:00Z "']) WITH ORDINALITY AS t (rest, n),
    pg_temp.refused('{"text": "a", "intent": "b", ' || t.rest || '}') WITH ORDINALITY AS e (error, part) WHERE part <= 2
                                                                      ORDER BY t.n, e.part;
-- Messages repeat no more than the beginning of what was written.
SELECT error FROM pg_temp.refused('{"text": "a", "intent": "b", "split": "' || repeat(U&'\0939', 100000) || '"}');
-- Keys that there are not.
SELECT error FROM unnest(ARRAY['"id": 1', '"source": "manual"', '"Text": "b"', '"": 1', '"review_status": null',
                               U&'"\0939\093F\0928\094D\0926\0940": 1', '"' || repeat('k', 1000) || '": 1'])
    WITH ORDINALITY AS t (rest, n),
         pg_temp.refused('{"text": "a", "intent": "b", ' || t.rest || '}') WITH ORDINALITY AS e (error, part)
                                                                           WHERE part = 1 ORDER BY t.n;
SELECT error FROM pg_temp.refused('{"text": "a", "intent": "b", "id": 1}');
\pset format aligned
\pset tuples_only off
SELECT * FROM import_training_samples('{"text": "with others", "intent": "b", "id": 1, "meta": {"a": [1, null]}, '
                                      '"Text": "x"}', ignore_unknown_keys => true);
SELECT text, intent FROM training_samples WHERE text = 'with others';
-- Known ones are still looked at.
SELECT import_training_samples('{"text": "with others", "intent": "b", "id": 1, "split": "dev"}',
                               ignore_unknown_keys => true);

-- A bad last line: nothing of the call stays, and blank lines count.
SELECT count(*) AS samples FROM training_samples \gset
SELECT import_training_samples(string_agg('{"text": "good ' || i || '", "intent": "b"}', E'\n\r\n' ORDER BY i)
                               || E'\n{"text": "bad"}') FROM generate_series(1, 1000) AS i;
SELECT count(*) - :samples AS stayed FROM training_samples;

-- Times: what ISO 8601 allows; without a zone they are the session's.
BEGIN;
SELECT import_training_samples(string_agg(format('{"text": "time %s", "intent": "t", "created_at": "%s"}', t.n, t.at),
                                          E'\n' ORDER BY t.n))
FROM unnest(ARRAY['2024-02-29', '0001-01-01T00:00:00Z', '9999-12-31T23:59:59.999999999Z', '2026-01-02T03:04',
                  '2026-01-02t03:04:05z', '2026-01-02 03:04:05.123456-0330',
                  '2026-01-02T03:04:05+00', '2026-01-02T03:04:05.5-15:59']) WITH ORDINALITY AS t (at, n);
SET LOCAL datestyle = 'ISO, YMD';
-- What has yet to come is now.
SELECT text, CASE WHEN created_at < now() THEN created_at AT TIME ZONE 'UTC' END AS utc, created_at = now() AS now
FROM training_samples WHERE intent = 't' ORDER BY id;
ROLLBACK;

-- Entities keep the digits that they were written with.
SELECT import_training_samples('{"text": "digits", "intent": "d", "enti\u0074ies": {"a": 0.1, "b": 1.00, "c": '
                               '12345.678901234567890123, "d": 1e3, "e": -0.0, "f": "\ud83d\ude00", "g": {"h": [true, '
                               'null]}}}');
SELECT entities FROM training_samples WHERE text = 'digits';
-- Nor is a whole number too large: what an export wrote, can be imported.
INSERT INTO training_samples (text, intent, module_type, entities, review_status, source)
VALUES ('large', 'intent.a.b', 'a', '{"n": [99999999999999999999, 1e25, -12345678901234567890123]}', 'approved',
        'manual');
CREATE TEMP TABLE large AS
    SELECT line FROM export_training_samples(include_split => 'all') line WHERE line ~ '"large"';
DELETE FROM training_samples WHERE text = 'large';
SELECT i.* FROM large, import_training_samples(line) i;
SELECT entities FROM training_samples WHERE text = 'large';
DELETE FROM training_samples WHERE text = 'large';

-- Long ones: a text of 1 MB, a line of 10 MB.
SELECT set_training_setting('max_message_bytes', '16777216');
SELECT import_training_samples(jsonb_build_object('text', repeat('long ', 200000), 'intent', 'long')::text);
SELECT import_training_samples(jsonb_build_object('text', 'long line', 'intent', 'long', 'entities',
                                                  jsonb_build_object('a', repeat('x', 10000000)))::text);
SELECT left(text, 10) AS text, length(text), length(entities ->> 'a') FROM training_samples WHERE intent = 'long'
ORDER BY id;
SELECT set_training_setting('max_message_bytes', NULL);
-- What jsonb alone refuses names the line, too.
\set SHOW_CONTEXT errors
SELECT import_training_samples(E'\n\n{"text": "small", "intent": "d", "entities": [1e-20000]}');
\set SHOW_CONTEXT never

-- Redaction, and none when the setting is off.
SELECT import_training_samples('{"text": "call 98765 43210 or asha@example.com", "intent": "intent.general.callback", '
                               '"entities": {"phone": "+91 98765 43210", "dish": "dosa"}}');
SELECT text, entities, text_hash = text_hash(text) AS hashed FROM training_samples
WHERE intent = 'intent.general.callback';
-- What is compared is the redacted text: another number, the same sample.
SELECT import_training_samples('{"text": "Call 98765 43211 or ravi@example.org!", "intent": '
                               '"intent.general.callback"}');
SELECT import_training_samples('{"text": "Call 98765 43211 or ravi@example.com!", "intent": '
                               '"intent.general.callback"}');
SELECT set_training_setting('redact', 'off');
SELECT import_training_samples('{"text": "call 98765 43210 now", "intent": "intent.general.callback2", "entities": '
                               '["+91 98765 43210"]}');
SELECT text, entities FROM training_samples WHERE intent = 'intent.general.callback2';
SELECT set_training_setting('redact', NULL);

-- A person's line beats a model's label; of two lines of people, the first is live and the other waits.
INSERT INTO review_policies (audit_rate_approved, audit_rate_review) VALUES (0, 0);
INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider) VALUES
    ('s', 'ok', 'intent.general.acknowledge', 0.99, 'indicbert'),
    ('s', 'cancel', 'intent.food.order.cancel', 0.5, 'indicbert');
CREATE TEMP VIEW labels AS
    SELECT text, intent, review_status, label_source, source, split, conversation_log_id IS NOT NULL AS captured,
           quality_score, reviewed_by IS NOT NULL AND reviewed_at IS NOT NULL AS reviewed
    FROM training_samples WHERE id > (SELECT id FROM training_samples WHERE intent = 'intent.general.callback2')
    ORDER BY id;
\set data '{"text": "OK!", "intent": "intent.general.thanks"}\n{"text": "Ok", "intent": "intent.general.acknowledge"}\n{"text": "ok", "intent": "intent.general.thanks"}\n{"text": "cancel", "intent": "intent.ride.booking.cancel"}\n{"text": "Cancel.", "intent": "intent.food.order.cancel"}\n{"text": "cancel", "intent": "intent.ride.booking.cancel", "label_source": "model"}'
SELECT * FROM import_training_samples(E:'data', 'manual');
SELECT * FROM labels;
SELECT * FROM import_training_samples(E:'data', 'manual');
-- What is live is there, whatever its source.
SELECT * FROM import_training_samples('{"text": "ok", "intent": "intent.general.thanks"}', 'synthetic');
-- What waits is there, too; a rejected sample is no sample.
UPDATE training_samples SET review_status = 'pending' WHERE intent = 'intent.general.acknowledge';
SELECT * FROM import_training_samples('{"text": "ok", "intent": "intent.general.acknowledge"}');
UPDATE training_samples SET review_status = 'rejected', review_priority = NULL, review_reason = NULL
WHERE text = 'cancel' AND review_status = 'approved';
SELECT * FROM import_training_samples('{"text": "cancel", "intent": "intent.ride.booking.cancel"}');
SELECT * FROM labels;

-- Pins. A text never changes sides, whatever its intent, its status and the line that says so: the line is imported
-- without the pin, and reported.
SELECT import_training_samples(E'{"text": "pin 1", "intent": "p", "split": "test"}\n{"text": "pin 2", "intent": "p", '
                               '"split": "train"}\n{"text": "pin 3", "intent": "p"}\n{"text": "pin 4", "intent": "p"}');
SELECT import_training_samples(E'{"text": "other", "intent": "p"}\n{"text": "Pin 1!", "intent": "p", "split": '
                               '"train"}');
SELECT import_training_samples('{"text": "pin 2", "intent": "q", "split": "test"}');
SELECT import_training_samples(E'{"text": "pin 5", "intent": "p", "split": "train"}\n{"text": "pin 5", "intent": '
                               '"p"}\n{"text": "PIN 5", "intent": "q", "split": "test"}');
SELECT line, outcome, reason FROM import_report();
UPDATE training_samples SET review_status = 'rejected' WHERE text = 'pin 2';
SELECT import_training_samples('{"text": "pin 2", "intent": "p", "split": "test"}');
UPDATE training_samples SET review_status = 'approved' WHERE text = 'pin 2';
-- A stored sample without a side gets the one that a line pins, and so do the other lines.
SELECT * FROM import_training_samples(E'{"text": "pin 3", "intent": "p", "split": "train"}\n{"text": "pin 3", '
                                      '"intent": "q"}\n{"text": "pin 4", "intent": "p", "split": "test"}\n{"text": '
                                      '"pin 4", "intent": "q", "split": "test"}');
-- So does a line before it in the call.
SELECT * FROM import_training_samples(E'{"text": "pin 6", "intent": "p"}\n{"text": "pin 6", "intent": "p", "split": '
                                      '"test"}\n{"text": "pin 6", "intent": "p", "split": "test"}');
-- So does the sample of a conversation; since test sets have none but audited ones, the text gets one of its own.
INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider)
VALUES ('s', 'pin 7', 'p', 0.99, 'indicbert');
SELECT * FROM import_training_samples('{"text": "pin 7", "intent": "p", "split": "test"}');
SELECT text, intent, review_status, split, conversation_log_id IS NOT NULL AS captured FROM training_samples
WHERE text ILIKE 'pin%' ORDER BY text, id;

-- A larger import, in several statements and in the order of its lines; half of it again.
SELECT string_agg(format('{"text": "number %s please", "intent": "intent.shop%s.item.search"}', i, i % 7),
                  E'\n' ORDER BY i) AS data FROM generate_series(1, 25000) AS i \gset
SELECT * FROM import_training_samples(:'data');
SELECT count(*), count(DISTINCT text_hash) AS texts, bool_and(id > before) AS in_order FROM (
    SELECT id, text_hash, coalesce(lag(id) OVER (ORDER BY split_part(text, ' ', 2)::integer), 0) AS before
    FROM training_samples WHERE text LIKE 'number % please') AS s;
SELECT string_agg(format('{"text": "Number  %s please!", "intent": "intent.shop%s.item.search"}', i, i % 7),
                  E'\n' ORDER BY i) AS data FROM generate_series(12501, 37500) AS i \gset
SELECT * FROM import_training_samples(:'data');

-- Memory that jansson takes is given back when a call fails, whatever fails it: 300
-- times 2 MB and more. (The backend's resident pages, on Linux.)
CREATE FUNCTION pg_temp.resident_mb() RETURNS bigint LANGUAGE sql AS
    $$SELECT split_part(pg_read_file('/proc/self/statm'), ' ', 2)::bigint * 4096 / 1048576$$;
CREATE FUNCTION pg_temp.fail(times integer) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    failed integer := 0;
    filler text := '"entities": [' || repeat('[1],', 20000) || '0]';
BEGIN
    FOR i IN 1 .. times LOOP
        BEGIN
            PERFORM import_training_samples((ARRAY['{"text": "a", "intent": "b", ' || filler || ', "id": 1}',
                                                   '{"text": "a", ' || filler || '}',
                '{"text": "a", "intent": "b", ' || filler || ', "split": 1}', '[' || filler,
                '["x", {' || filler || '}]'])[1 + i % 5]);
        EXCEPTION WHEN invalid_parameter_value OR invalid_text_representation THEN
            failed := failed + 1;
        END;
    END LOOP;
    RETURN failed;
END $$;
SELECT pg_temp.fail(50);
SELECT pg_temp.resident_mb() AS before \gset
SELECT pg_temp.fail(300);
SELECT pg_temp.resident_mb() - :before < 100 AS given_back;

-- A long line can be cancelled.
CREATE TEMP TABLE long_line AS SELECT '{"intent": "a", "text": "' || repeat('x', 50000000) || '"}' AS data;
SET statement_timeout = '200ms';
SELECT import_training_samples(data) FROM long_line;
RESET statement_timeout;

-- For operators, who need no right to the tables.
CREATE ROLE regress_importer;
SET ROLE regress_importer;
SELECT import_training_samples('');
RESET ROLE;
GRANT EXECUTE ON FUNCTION import_training_samples TO regress_importer;
SET ROLE regress_importer;
SELECT import_training_samples('{"text": "by an importer", "intent": "intent.general.greeting"}');
RESET ROLE;
SELECT reviewed_by = session_user AS by_session_user FROM training_samples WHERE text = 'by an importer';
REVOKE EXECUTE ON FUNCTION import_training_samples FROM regress_importer;
DROP ROLE regress_importer;
SELECT * FROM check_integrity();
-- The next test drops the extension, maybe before this session's temporary objects are gone.
DROP VIEW labels;

-- Bad lines can be left out: the others are imported.
CREATE TABLE mixed (data text);
INSERT INTO mixed VALUES ($$
{"text": "first good one", "intent": "intent.a.b"}
{"text": "  ", "intent": "intent.a.b"}
{"text": "no intent"}
{"text": "broken", "intent": }
{"text": "own key", "intent": "intent.a.b", "id": 1}
["an array"]
{"text": "too small a number", "intent": "intent.a.b", "entities": {"n": [1, 1e-20000]}}

{"text": "second good one", "intent": "intent.a.b"}$$);
SELECT inserted, existing, skipped FROM mixed, import_training_samples(data, bad_lines => 'skip');
SELECT inserted, existing, skipped
FROM mixed, import_training_samples(data, ignore_unknown_keys => true, bad_lines => 'skip');
SELECT import_training_samples(data, bad_lines => 'refuse') FROM mixed;
SELECT text FROM training_samples WHERE intent = 'intent.a.b' AND text ~ 'good one|own key' ORDER BY id;
-- Nothing but bad lines, and a cancelled one is no bad line.
SELECT inserted, skipped FROM import_training_samples(repeat(E'{}\n', 1000), bad_lines => 'skip');
SET statement_timeout = 200;
SELECT import_training_samples(repeat('{"text": 1}' || E'\n', 20000000), bad_lines => 'skip');
RESET statement_timeout;
SELECT import_training_samples('', bad_lines => 'ignore');
SELECT import_training_samples('', format => 'yaml');
SELECT import_training_samples('', columns => '{"text": "utterance"}');
SELECT import_training_samples('', bad_lines => NULL);

-- A few texts are looked up in the index, among samples of every status: the table may have millions.
INSERT INTO training_samples (text, intent, review_status)
SELECT 'one of many ' || i || md5(i::text), 'intent.a.b', (ARRAY['approved', 'rejected', 'pending'])[1 + i % 3]
FROM generate_series(1, 20000) i;
ANALYZE training_samples;
BEGIN;
SELECT seq_scan AS before FROM pg_stat_xact_user_tables WHERE relid = 'training_samples'::regclass \gset
SELECT existing, inserted
FROM import_training_samples('{"text": "one of many 3' || md5('3') || '", "intent": "intent.a.b"}');
SELECT seq_scan - :before AS table_scans FROM pg_stat_xact_user_tables WHERE relid = 'training_samples'::regclass;
COMMIT;
