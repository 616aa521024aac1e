-- training_workflow_status(): psql shows each line in 100 columns, whatever stands in it, and what waits for
-- a person is on top with a statement that is whole.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET training_workflow.allow_drop = on;
DROP EXTENSION IF EXISTS training_workflow CASCADE;
RESET training_workflow.allow_drop;
RESET client_min_messages;
CREATE EXTENSION training_workflow;
SET datestyle = 'ISO';
SELECT count(set_training_setting('time_zone', 'UTC'));

-- tw_wrap(): words, long words, wide letters (two columns), letters without width, control characters, directions.
CREATE FUNCTION wrapped(line text) RETURNS TABLE (part text) LANGUAGE sql AS $$
    SELECT string_to_table(tw_wrap(line), E'\n') $$;
SELECT part FROM wrapped('captured   1 today');
SELECT part FROM wrapped('');
SELECT part FROM wrapped('training   ' || repeat('new samples ', 20));
SELECT length(part), left(part, 15) AS begins FROM wrapped('x ' || repeat('a', 250));
SELECT length(part), left(part, 3) AS begins FROM wrapped(repeat(U&'\6F22', 120));
SELECT length(part) FROM wrapped(repeat(U&'\0915\0941', 100));
SELECT part FROM wrapped(E'a\tb\r\n\n\u0001\u009bc\u202ed\u2066e');
SELECT count(*), max(length(part)), right(string_agg(part, ''), 6) AS ends FROM wrapped(repeat('word ', 1000));
SELECT count(*), max(length(part)), bool_and(part = ltrim(part) OR part ~ '^ {11}\S') FROM wrapped(repeat('z', 100000));
SELECT tw_wrap(NULL) IS NULL AS is_null;
-- 699, 700 and 701 columns: only the last is cut.
SELECT n, length(replace(replace(tw_wrap(repeat('x', n)), E'\n', ''), ' ', '')) AS letters,
       tw_wrap(repeat('x', n)) ~ '\.'
FROM unnest('{699,700,701}'::int[]) n;

-- Columns as psql counts them are not known here: what the Unicode standard calls wide, counted twice.
CREATE FUNCTION widest() RETURNS integer LANGUAGE sql AS $$
    SELECT max(length(l) + length(regexp_replace(l,
                                                 '[^\u1100-\u115F\u2E80-\uA4CF\uAC00-\uD7A3\uF900-\uFAFF\uFF00-\uFF60'
                                                     || U&'\+01F300-\+01FAFF' || ']', '', 'g')))::int
    FROM string_to_table(training_workflow_status(), E'\n') l $$;
CREATE FUNCTION to_do() RETURNS TABLE (line text) LANGUAGE sql AS $$
    SELECT l FROM string_to_table(training_workflow_status(), E'\n') WITH ORDINALITY s (l, n)
    WHERE n > 1 AND n < (SELECT min(n) FROM string_to_table(training_workflow_status(), E'\n') WITH ORDINALITY t (l, n)
                         WHERE l LIKE 'captured %') ORDER BY n $$;
SELECT widest() <= 98 AS fits;

-- Versions, types, reasons and errors as long and as odd as they are stored.
INSERT INTO model_versions (version, model_type, gate_decision, gate_reason)
SELECT repeat(t, 60) || '-agent-v1.0.' || n, repeat(t, 60) || '-agent', 'passed', repeat(r || ' ', 200)
FROM (VALUES ('x', 'because it is so', 1), ('y', U&'\6F22\5B57', 2), ('z', E'tab\t\nline', 3)) v (t, r, n);
SELECT widest() <= 98 AS fits, training_workflow_status() ~ '[\u0001-\u0009\u000b-\u001f]' AS has_control_characters;
INSERT INTO job_runs (job_name, status, finished_at, error_code, error_message)
VALUES ('daily_training_capture', 'failed', now(), 'XX000', repeat('the disk is full and ', 300));
SELECT widest() <= 98 AS fits;
-- Each has its statement, and it is not cut in the middle.
SELECT bool_and(step ~ ' -> \S.*\S$') AS all_have_one, count(*) BETWEEN 1 AND 8 AS few
FROM regexp_split_to_table((SELECT string_agg(regexp_replace(line, '^(to do)? +', '', ''), ' ') FROM to_do()),
                           ' (?=\d\. )') step
WHERE step !~ '^and \d+ more$';
SELECT count(*) FROM to_do() WHERE line LIKE '%SELECT * FROM job_health%';

-- A version of a type that is not trained here.
INSERT INTO model_versions (version, model_type) VALUES ('ranker-v1.0.0', 'ranker');
SELECT line FROM string_to_table(training_workflow_status(), E'\n') line WHERE line ~ 'ranker'
ORDER BY line COLLATE "C";
