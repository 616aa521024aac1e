-- export_training_samples(): what each format makes of odd samples, which samples it gives away, and what is refused.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET training_workflow.allow_drop = on;
DROP EXTENSION IF EXISTS training_workflow CASCADE;
RESET training_workflow.allow_drop;
RESET client_min_messages;
CREATE EXTENSION training_workflow;
-- The session's settings are not the export's.
SET timezone = 'Asia/Kolkata';
SET datestyle = 'SQL, DMY';
SET extra_float_digits = -15;

INSERT INTO training_samples (text, intent, language, entities, review_status, source, split, module_id, module_type,
                              expected_service, quality_score, label_source, created_at, updated_at) VALUES
    ('veg pizza milega?', 'intent.food.item.search', 'hinglish',
     '[{"start": 0, "end": 3, "label": "diet", "score": 0.10}, {"start": 4, "end": 9, "label": "dish:a)b}[c]"}]',
     'approved', 'synthetic', 'train', 4, 'food', 'opensearch', 0.1::float8 + 0.2, 'model', '2026-01-02 03:04:05.25Z',
     '2026-01-02Z'),
    (E' leading, [x](y) [a][b] "q", \'s\', #c: |\\n\n\r\n- next\ttab\\ ', E'odd "intent"\t% \u00a0ü', NULL,
     '{"a": [1, null, "\u0001"]}', 'approved', 'manual', 'train', NULL, NULL, NULL, 1, 'human', 'infinity',
     '-infinity'),
    ('a [bracket] before [veg pizza', 'yes', 'en', '[{"start": 20, "end": 23, "entity": "diet"}]', 'approved', 'manual',
     'train', NULL, NULL, NULL, 1, 'human', '0044-03-15 12:00:00+00 BC', '2026-01-02Z'),
    ('[veg] pizza', 'yes', '', '[{"start": 0, "end": 11, "type": "all"}, {"start": 6, "end": 9, "label": "inside"}, '
                               '{"start": 6, "end": 12, "label": "past the end"}]', 'approved', 'manual', 'train', NULL,
     NULL, NULL, 1, 'human', '9999-12-31 23:59:59.999999Z', '2026-01-02Z'),
    (E'pizza\u0085x __label__no x__label__ </s> </s>x\u2028__label__', 'intent.food.item.search', 'en', '"scalar"',
     'approved', 'manual', 'train', NULL, NULL, NULL, NULL, 'human', '2026-01-02Z', '2026-01-02Z'),
    (E'call 98765 43210 \U0001F355 \u0928\u092E\u0938\u094D\u0924\u0947', 'intent.food.item.search',
     NULL, E'[{"start": 5, "end": 16, "label": "phone", "value": "98765 43210"}, {"start": 16, "end": 19, "label": '
           '"\u00e9moji"}, {"start": 17, "end": 17, "label": "empty"}]', 'approved', 'manual', 'train', NULL, NULL,
     NULL, 1, 'human', '2026-01-02Z', '2026-01-02Z'),
    (E'- \u0001\u007f\ufeff\uffff', 'no', 'en', '[]', 'approved', 'manual', 'train', NULL, NULL, NULL, 1, 'human',
     '2026-01-02Z', '2026-01-02Z'),
    ('C:\users "a" = {b}', 'intent.general.path', 'en',
     '[{"start": 0, "end": 9, "label": "path"}, {"start": 0, "end": 2, "label": "drive"}]', 'approved', 'manual',
     'train', NULL, NULL, NULL, 1, 'human', '2026-01-02Z', '2026-01-02Z'),
    ('wanted on no side', 'intent.x', 'en', NULL, 'pending', 'manual', NULL, NULL, NULL, NULL, 1, 'human',
     '2026-01-02Z', '2026-01-02Z'),
    ('for testing', 'intent.x', 'en', NULL, 'approved', 'manual', 'test', NULL, 'x', NULL, 1, 'human', '2026-01-02Z',
     '2026-01-02Z'),
    (E' \u00a0\u200b', 'intent.x', 'en', NULL, 'approved', 'manual', 'train', NULL, NULL, NULL, 1, 'human',
     '2026-01-02Z', '2026-01-02Z'),
    -- A side that somebody stored by hand does not make a text of the test set one to learn.
    ('For testing!', 'intent.x', 'en', NULL, 'approved', 'manual', 'train', NULL, NULL, NULL, 1, 'human', '2026-01-02Z',
     '2026-01-02Z');
ALTER TABLE training_samples DISABLE TRIGGER training_samples_touch;

\pset tuples_only on
\pset format unaligned
SELECT export_training_samples();
SELECT export_training_samples(format => 'csv');
SELECT export_training_samples(format => 'fasttext');
SELECT export_training_samples(format => 'rasa');
SELECT export_training_samples(format => 'huggingface');
SELECT export_training_samples(format => 'openai');
SELECT export_training_samples(format => 'spacy');

-- In ASCII, to see what cannot be seen.
CREATE FUNCTION pg_temp.seen(line text) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(CASE WHEN ascii(c) BETWEEN 32 AND 126 THEN c ELSE '<' || to_hex(ascii(c)) || '>' END,
                      '' ORDER BY n)
    FROM regexp_split_to_table(line, '') WITH ORDINALITY AS x (c, n) $$;
SELECT pg_temp.seen(l) FROM export_training_samples(format => 'fasttext') l;
SELECT pg_temp.seen(l) FROM export_training_samples(format => 'rasa') l WHERE l LIKE '% text: %' OR l LIKE '- %';
SELECT pg_temp.seen(l) FROM export_training_samples(format => 'jsonl') l WHERE l LIKE '%\u0001%';

-- Every line is JSON, and keeps what it was made from; nothing is there twice.
SELECT f, count(*), count(DISTINCT l::jsonb)
FROM unnest('{jsonl,huggingface,openai,spacy}'::text[]) f,
     export_training_samples(format => f, include_split => 'all', review_status => NULL) l GROUP BY f ORDER BY f;
SELECT s.id FROM training_samples s
JOIN export_training_samples(format => 'jsonl', include_split => 'all', review_status => NULL) l
    ON l::jsonb ->> 'text' = redact_pii(s.text) AND l::jsonb ->> 'intent' = s.intent
        AND (l::jsonb -> 'entities' IS NOT DISTINCT FROM nullif(redact_pii(s.entities), '"scalar"'))
    AND (l::jsonb ->> 'quality_score')::float8 IS NOT DISTINCT FROM s.quality_score
    AND coalesce((l::jsonb ->> 'created_at')::timestamptz, s.created_at) = s.created_at ORDER BY s.id;
SELECT DISTINCT (SELECT string_agg(k, ' ' ORDER BY k) FROM jsonb_object_keys(l::jsonb) k)
FROM export_training_samples(format => 'huggingface') l;
-- What import_training_samples() makes of it: all of it is there already, but what only the export redacted.
SELECT import_training_samples(string_agg(l, E'\n')) FROM export_training_samples() l;

-- Which samples.
SELECT string_agg(l::jsonb ->> 'text', ', ') FROM export_training_samples(include_split => 'test') l;
SELECT count(*) FROM export_training_samples(NULL, include_split => 'all');
SELECT string_agg(l::jsonb ->> 'text', ', ') FROM export_training_samples('pending', include_split => 'all') l;
-- Several statuses: as an array, as its literal, and as JSON, which a client may send for one into a text.
PREPARE export_text (text) AS SELECT count(*) FROM export_training_samples($1, include_split => 'all');
PREPARE export_array (text[]) AS SELECT count(*) FROM export_training_samples($1, include_split => 'all');
PREPARE export_any AS SELECT count(*) FROM export_training_samples(review_status => $1, include_split => 'all');
SELECT parameter_types FROM pg_prepared_statements WHERE name = 'export_any';
EXECUTE export_text('pending');
EXECUTE export_text('{pending}');
EXECUTE export_text('["pending"]');
EXECUTE export_array('{pending}');
EXECUTE export_any('{"pending"}');
EXECUTE export_text('{approved,pending}');
EXECUTE export_text(E' [ "approved",\n"pending"]');
EXECUTE export_text('[0:1]={approved,pending}');
EXECUTE export_array('[0:1]={approved,pending}');
EXECUTE export_array('{{approved},{pending}}');
EXECUTE export_text(NULL);
EXECUTE export_array(NULL);
SELECT count(*) FROM export_training_samples(ARRAY['approved', 'pending']::varchar[], include_split => 'all');
SELECT count(*) = (SELECT count(*) FROM export_training_samples()) FROM export_training_samples(ARRAY['approved']);
-- And what none of them means.
EXECUTE export_text('approved,pending');
EXECUTE export_text('');
EXECUTE export_text('{approved,none}');
EXECUTE export_text('["approved", null]');
EXECUTE export_text('["approved", 1]');
EXECUTE export_text('["approved", ["pending"]]');
EXECUTE export_text('["approved"');
EXECUTE export_text('{approved');
EXECUTE export_text('{}');
EXECUTE export_text('[]');
EXECUTE export_text('[');
EXECUTE export_text(repeat('{', 1001));
EXECUTE export_array('{}');
EXECUTE export_array('{approved,NULL}');
-- An object store gets them in the same ways.
CALL export_training_samples_to_s3('k', ARRAY['approved']);
CALL export_training_samples_to_s3('k', '{approved}');
CALL export_training_samples_to_s3('k', ARRAY['none']);
DEALLOCATE export_text;
DEALLOCATE export_array;
DEALLOCATE export_any;
-- What is stored of it.
SELECT tw_export_filter(given, NULL, NULL, NULL, NULL, NULL, 'jsonl', 'all') -> 'review_status' AS stored
FROM unnest(ARRAY['approved', '{approved}', '["pending", "approved"]', '{rejected,pending}', NULL]) given;
SELECT count(*) FROM export_training_samples('pending');
SELECT count(*) FROM export_training_samples('rejected');
SELECT count(*) FROM export_training_samples(languages => '{en,hinglish}');
SELECT count(*) FROM export_training_samples(languages => '{hinglish,NULL}');
SELECT count(*) FROM export_training_samples(languages => '{}');
SELECT count(*) FROM export_training_samples(module_types => '{food}');
SELECT count(*) FROM export_training_samples(sources => '{synthetic,production}');
SELECT count(*) FROM export_training_samples(since => '2026-01-02 03:04:05.25Z');
SELECT count(*) FROM export_training_samples(since => 'infinity');
-- A limit means the same samples in every format, whatever its order.
SELECT string_agg(left(l, 25), ' ') FROM export_training_samples("limit" => 2) l;
SELECT l FROM export_training_samples("limit" => 2, format => 'rasa') l;
SELECT l FROM export_training_samples("limit" => 0, format => 'rasa') l;
SELECT count(*) FROM export_training_samples("limit" => 0, format => 'csv');
SELECT count(*) FROM export_training_samples("limit" => 0);
-- The call of the README.
SELECT count(*) FROM export_training_samples('approved', languages => '{en,hinglish}', "limit" => 1000);

-- Redaction is of the moment of the export.
SELECT set_training_setting('redact', 'off');
SELECT l FROM export_training_samples(format => 'fasttext') l WHERE l LIKE '%call%';
SELECT l::jsonb -> 'entities' -> 0 FROM export_training_samples() l WHERE l LIKE '%call%';
SELECT set_training_setting('redact', NULL);

-- Sides are decided by the first export as by the first training, but not where
-- nothing can be written, or where the snapshot is old.
INSERT INTO review_policies (module_type, audit_rate_approved) VALUES ('audited', 1), ('food', 0);
INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider, nlu_module_type)
    SELECT 's', m || ' ' || g, 'intent.x.y', 0.95, 'indicbert', m
    FROM unnest('{audited,food}'::text[]) m, generate_series(1, 10) g;
BEGIN READ ONLY;
SELECT count(*) FROM export_training_samples(sources => '{production}');
SELECT count(*) FROM export_training_samples(sources => '{production}', include_split => 'all');
COMMIT;
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT count(*) FROM export_training_samples(sources => '{production}');
COMMIT;
SELECT count(*) FROM export_training_samples(sources => '{production}', include_split => 'all');
SELECT count(*) FROM training_samples WHERE source = 'production' AND split IS NOT NULL;
-- What waits for its audit stays out, unless its text can only be on the side of learning.
SELECT count(*) = count(*) FILTER (WHERE module_type = 'food' OR text_hash & 1 = 0) FROM training_samples s
JOIN export_training_samples(sources => '{production}') l ON l::jsonb ->> 'text' = s.text;
SELECT module_type, count(*) FILTER (WHERE split IS NULL AND text_hash & 1 = 0) AS late,
       bool_or(split = 'test') AS tested FROM training_samples WHERE source = 'production' GROUP BY 1 ORDER BY 1;
SELECT approve_conversations(array_agg(id)) IS NOT NULL FROM conversation_logs WHERE is_audit;
SELECT count(*) = (SELECT count(*) FROM training_samples WHERE source = 'production' AND split = 'train')
FROM export_training_samples(sources => '{production}');
SELECT count(*) FROM training_samples WHERE source = 'production' AND split IS NULL;
SELECT count(*) > 0 AND bool_and(text_hash & 1 = 1) FROM training_samples s
JOIN export_training_samples(sources => '{production}', include_split => 'test') l ON l::jsonb ->> 'text' = s.text;

-- Refused.
SELECT export_training_samples(format => 'json');
SELECT export_training_samples(format => NULL);
SELECT export_training_samples('live');
SELECT export_training_samples(sources => '{manual,import}');
SELECT export_training_samples(sources => '{NULL}');
SELECT export_training_samples(include_split => 'both');
SELECT export_training_samples(include_split => NULL);
SELECT export_training_samples("limit" => -1);

-- Files: what is refused before there is one. (Written ones are tested where there is a folder for them.)
CALL export_training_samples_to_file('samples.jsonl');
CALL export_training_samples_to_file('');
CALL export_training_samples_to_file(NULL);
CALL export_training_samples_to_file('/tmp/x', overwrite => NULL);
CALL export_training_samples_to_file('/tmp/../etc/samples.jsonl');
CALL export_training_samples_to_file('/..');
CALL export_training_samples_to_file('/tmp/');
CALL export_training_samples_to_file('/tmp/.');
CALL export_training_samples_to_file('/tmp');
CALL export_training_samples_to_file('/');
CALL export_training_samples_to_file('/dev/null');
CALL export_training_samples_to_file('/dev/null', overwrite => true);
CALL export_training_samples_to_file('/no such folder/samples.jsonl');
CALL export_training_samples_to_file('/dev/null/samples.jsonl');
CALL export_training_samples_to_file('/tmp/x', format => 'xml');
BEGIN;
CALL export_training_samples_to_file('/tmp');
ROLLBACK;
SELECT count(*) FROM training_export_jobs;
-- Steps are steps of a procedure.
SELECT tw_run_file_export(1);
INSERT INTO training_export_jobs (format, location) VALUES ('jsonl', '/tmp/x');
SELECT tw_run_file_export(id) FROM training_export_jobs;
SELECT tw_begin_export(tw_export_filter(NULL, '{en,NULL}', NULL, '{manual}', '2026-01-02Z', 3, 'csv', 'all'), 'csv',
                       'somewhere') > 0;
SELECT format, location, status, error, finished_at IS NOT NULL, backend_pid = pg_backend_pid()
FROM training_export_jobs ORDER BY id;
SELECT filter - 'since' FROM training_export_jobs WHERE location = 'somewhere';
-- A temporary file, as an export to an object store has it: it is the server's own, and goes away.
BEGIN;
SELECT t.path, t.row_count, t.sha256 = encode(sha256(pg_read_binary_file(t.path)), 'hex') AS right_sum,
       t.byte_count = (pg_stat_file(t.path)).size AS right_size,
       pg_read_file(t.path) = (SELECT string_agg(l || E'\n', '' ORDER BY n) FROM export_training_samples(
           NULL, '{en,NULL}', NULL, '{manual}', '2026-01-02Z', 3, 'csv', 'all') WITH ORDINALITY AS x (l, n)) AS same
FROM training_export_jobs j, tw_export_to_temporary(j.filter, j.format) t
WHERE j.location = 'somewhere' \gset temporary_
\echo :temporary_row_count :temporary_right_sum :temporary_right_size :temporary_same
COMMIT;
SELECT pg_stat_file(:'temporary_path', true) IS NULL;
SELECT tw_end_export(id, 3, 99, 'ab') FROM training_export_jobs WHERE location = 'somewhere';
SELECT tw_end_export(id, NULL, NULL, NULL, 'too late') FROM training_export_jobs WHERE location = 'somewhere';
SELECT status, row_count, error FROM training_export_jobs WHERE location = 'somewhere';

-- In a transaction of several statements the stream decides nothing, and leaves out what is undecided.
INSERT INTO training_samples (text, intent, review_status, source)
VALUES ('not decided yet', 'intent.a.b', 'approved', 'manual');
BEGIN;
SELECT count(*) FROM export_training_samples() e WHERE e ~ 'not decided yet';
ROLLBACK;
SELECT split IS NULL FROM training_samples WHERE text = 'not decided yet';
SELECT count(*) FROM export_training_samples() e WHERE e ~ 'not decided yet';
SELECT split FROM training_samples WHERE text = 'not decided yet';
DELETE FROM training_samples WHERE text = 'not decided yet';

-- For operators, and nobody else.
CREATE ROLE regress_tw_exporter;
SELECT grant_training_role('regress_tw_exporter', 'trainer');
SET ROLE regress_tw_exporter;
SELECT count(*) FROM export_training_samples();
RESET ROLE;
SELECT grant_training_role('regress_tw_exporter', 'operator');
SET ROLE regress_tw_exporter;
SELECT count(*) > 8 FROM export_training_samples();
CALL export_training_samples_to_file('/tmp/x');
RESET ROLE;
SELECT revoke_training_role('regress_tw_exporter', 'operator');
SELECT revoke_training_role('regress_tw_exporter', 'trainer');
DROP OWNED BY regress_tw_exporter;
DROP ROLE regress_tw_exporter;
ALTER TABLE training_samples ENABLE TRIGGER training_samples_touch;
DELETE FROM training_samples WHERE text = 'For testing!';
SELECT * FROM check_integrity();

-- A search_path with operators and types of its own changes no error that an export raises after its COMMIT.
CREATE SERVER store FOREIGN DATA WRAPPER training_workflow_s3
    OPTIONS (endpoint 'http://127.0.0.1:9', bucket 'models', connect_timeout '1', timeout '1');
CREATE USER MAPPING FOR PUBLIC SERVER store OPTIONS (access_key_id 'a', secret_access_key 'b');
CREATE SCHEMA trap;
CREATE FUNCTION trap.equals(text, text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'trapped'; END $$;
CREATE OPERATOR trap.= (LEFTARG = text, RIGHTARG = text, FUNCTION = trap.equals);
CREATE OPERATOR trap.<> (LEFTARG = text, RIGHTARG = text, FUNCTION = trap.equals);
CREATE DOMAIN trap.text AS integer;
\c -
SET search_path = trap, pg_catalog;
-- The address of a service where there is none; and a folder in which nobody can make a file.
\set VERBOSITY sqlstate
CALL public.export_training_samples_to_s3('exports/samples.jsonl');
CALL public.export_training_samples_to_file('/proc/samples.jsonl');
\set VERBOSITY default
RESET search_path;
SELECT status, finished_at IS NOT NULL AS ended FROM training_export_jobs ORDER BY id DESC LIMIT 2;
SET client_min_messages = warning;
DROP SCHEMA trap CASCADE;
DROP SERVER store CASCADE;
