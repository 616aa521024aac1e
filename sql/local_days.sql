-- created_on: the day of each time where the clock of the settings is, whatever came before.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET training_workflow.allow_drop = on;
DROP EXTENSION IF EXISTS training_workflow CASCADE;
RESET training_workflow.allow_drop;
RESET client_min_messages;
CREATE EXTENSION training_workflow;
SET client_min_messages = warning;

-- Times around each change of the clock, and far from any: three days before and after, at every seventh minute.
CREATE TABLE times (zone text, at timestamptz);
INSERT INTO times
SELECT zone, day + minute * interval '7 minutes' + interval '0.25 seconds'
FROM (VALUES
    ('UTC', '2024-03-01'), ('Asia/Kolkata', '2024-03-01'), ('Asia/Kathmandu', '1985-12-31'),
    ('Europe/Berlin', '2024-03-31'), ('Europe/Berlin', '2024-10-27'), ('America/New_York', '2024-03-10'),
    -- At midnight; by half an hour; a whole day left out; an offset of 44 minutes and 30 seconds, which ends.
    ('America/Havana', '2024-03-10'), ('America/Havana', '2024-11-03'), ('Australia/Lord_Howe', '2024-04-07'),
    ('Pacific/Apia', '2011-12-30'), ('Africa/Monrovia', '1972-01-07'), ('America/Sao_Paulo', '2018-11-04'),
    -- Beyond the table of the zone's changes.
    ('Europe/Berlin', '2090-03-26'))
    AS zones (zone, change),
    generate_series(change::timestamptz - interval '3 days', change::timestamptz + interval '3 days', '1 day') AS day,
    generate_series(0, 205) AS minute;

CREATE FUNCTION wrong_days(direction text) RETURNS TABLE (messages bigint, wrong bigint) LANGUAGE plpgsql AS $$
DECLARE
    z text;
BEGIN
    TRUNCATE conversation_logs CASCADE;
    FOR z IN SELECT DISTINCT zone FROM times ORDER BY zone LOOP
        PERFORM set_training_setting('time_zone', z);
        EXECUTE format('INSERT INTO conversation_logs (session_id, user_message, created_at) SELECT zone, ''Hi'', at
                        FROM times WHERE zone = $1 ORDER BY %s', direction) USING z;
    END LOOP;
    RETURN QUERY SELECT count(*), count(*) FILTER (WHERE created_on <> (created_at AT TIME ZONE session_id)::date)
        FROM conversation_logs;
END $$;
SELECT * FROM wrong_days('at');
SELECT * FROM wrong_days('at DESC');
SELECT * FROM wrong_days('md5(at::text)');
SELECT * FROM wrong_days('extract(minute FROM at), at');

SELECT set_training_setting('time_zone', 'UTC');
-- Times without a day, and the first and the last that there are.
INSERT INTO conversation_logs (session_id, user_message, created_at) VALUES
    ('edge', 'Hi', '-infinity'), ('edge', 'Hi', '4713-01-01 00:00+00 BC'), ('edge', 'Hi', '4713-01-01 23:00+00 BC'),
    ('edge', 'Hi', '4713-01-03 00:00+00 BC'), ('edge', 'Hi', '294276-12-31 00:00+00'), ('edge', 'Hi', 'infinity')
RETURNING created_on;

DROP FUNCTION wrong_days(text);
DROP TABLE times;
