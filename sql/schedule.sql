-- Jobs: when they are due, what pg_cron is told, and how they are. The server has no pg_cron.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET training_workflow.allow_drop = on;
DROP EXTENSION IF EXISTS training_workflow CASCADE;
RESET training_workflow.allow_drop;
RESET client_min_messages;
CREATE EXTENSION training_workflow;
SET timezone = 'UTC';
SET datestyle = 'ISO';

-- Due at 02:00, whatever the clock: the last time before, in UTC. Berlin loses 02:00
-- to 03:00 on March 29th, and has it twice on October 25th.
SELECT z.zone, t.at, tw_due_since('daily_training_capture', z.zone, t.at) AS due_since
FROM (VALUES ('Europe/Berlin', '2026-03-28 00:59:59+00'), ('Europe/Berlin', '2026-03-28 01:00+00'),
             ('Europe/Berlin', '2026-03-29 00:59:59+00'),
             ('Europe/Berlin', '2026-03-29 01:00+00'), ('Europe/Berlin', '2026-03-29 23:59+00'),
             ('Europe/Berlin', '2026-03-30 00:00+00'),
             ('Europe/Berlin', '2026-10-24 00:00+00'), ('Europe/Berlin', '2026-10-25 00:59:59+00'),
             ('Europe/Berlin', '2026-10-25 01:00+00'),
             ('Europe/Berlin', '2026-10-26 00:59:59+00'), ('Europe/Berlin', '2026-10-26 01:00+00'),
             ('America/New_York', '2026-03-08 06:59:59+00'), ('America/New_York', '2026-03-08 07:00+00'),
             ('America/New_York', '2026-03-09 06:00+00'),
             ('America/New_York', '2026-11-01 06:59:59+00'), ('America/New_York', '2026-11-01 07:00+00'),
             ('America/New_York', '2026-11-02 07:00+00'),
             ('Asia/Kolkata', '2026-03-28 20:29:59+00'), ('Asia/Kolkata', '2026-03-28 20:30+00'),
             ('asia/kolkata', '2026-03-29 20:29:59+00')) AS z (zone, time)
CROSS JOIN LATERAL (SELECT z.time::timestamptz AS at) t;
SELECT z.zone, t.at, tw_due_since('weekly_model_training', z.zone, t.at) AS due_since,
       tw_due_time('weekly_model_training', z.zone, t.at, true) AS due_next
FROM (VALUES ('Europe/Berlin', '2026-03-29 00:59:59+00'), ('Europe/Berlin', '2026-03-29 01:00+00'),
             ('Europe/Berlin', '2026-10-25 01:59:59+00'),
             ('Europe/Berlin', '2026-10-25 02:00+00'), ('America/New_York', '2026-03-08 06:59:59+00'),
             ('America/New_York', '2026-03-08 07:00+00'),
             ('America/New_York', '2026-11-01 07:59:59+00'), ('America/New_York', '2026-11-01 08:00+00'),
             ('Asia/Kolkata', '2026-11-28 21:29:59+00'), ('Asia/Kolkata', '2026-11-28 21:30+00')) AS z (zone, time)
CROSS JOIN LATERAL (SELECT z.time::timestamptz AS at) t;
-- Ticks of every hour of a year: one due time for each day and week of them, always the next one, never in the future.
SELECT z.zone, j.job, count(DISTINCT t.since) AS due_times, bool_and(t.since <= g) AS in_the_past,
       bool_and(t.next > g) AS in_the_future,
       bool_and(tw_due_since(j.job, z.zone, t.next) = t.next) AS the_next_one
FROM (VALUES ('Europe/Berlin'), ('America/New_York'), ('Asia/Kolkata'), ('Australia/Lord_Howe')) AS z (zone),
     (VALUES ('daily_training_capture'), ('weekly_model_training')) AS j (job),
     generate_series('2026-01-01 00:00+00'::timestamptz, '2026-12-31 23:00+00', interval '1 hour') AS g
CROSS JOIN LATERAL (SELECT tw_due_since(j.job, z.zone, g) AS since,
                           tw_due_time(j.job, z.zone, g, true) AS next OFFSET 0) t
GROUP BY 1, 2 ORDER BY 1, 2;
-- Samoa went without December 30th, 2011.
SELECT g AS at, tw_due_since('daily_training_capture', 'Pacific/Apia', g) AS due_since,
       tw_due_time('daily_training_capture', 'Pacific/Apia', g, true) AS due_next
FROM generate_series('2011-12-29 11:59:59+00'::timestamptz, '2011-12-31 12:00+00', interval '12 hours') AS g;
SELECT current_setting('timezone') AS unchanged;

-- A run that succeeded is the day's; a failed one is tried again twice.
CREATE TEMP TABLE due (n serial, what text, is_due boolean);
CREATE FUNCTION pg_temp.note(what text) RETURNS void LANGUAGE sql AS
$$INSERT INTO due (what, is_due)
  VALUES (what, tw_is_due('daily_training_capture', 'Europe/Berlin', '2026-03-29 04:00+00'))$$;
SELECT pg_temp.note('never ran');
INSERT INTO job_runs (job_name, status, started_at, finished_at)
VALUES ('daily_training_capture', 'succeeded', '2026-03-29 00:59+00', '2026-03-29 01:30+00');
SELECT pg_temp.note('ran before it was due');
INSERT INTO job_runs (job_name, status, started_at, finished_at)
VALUES ('weekly_model_training', 'succeeded', '2026-03-29 01:01+00', '2026-03-29 01:30+00');
SELECT pg_temp.note('another job ran');
INSERT INTO job_runs (job_name, status, started_at, finished_at)
VALUES ('daily_training_capture', 'failed', '2026-03-29 01:00+00', '2026-03-29 01:30+00');
SELECT pg_temp.note('failed once');
INSERT INTO job_runs (job_name, started_at) VALUES ('daily_training_capture', '2026-03-29 02:00+00');
SELECT pg_temp.note('and died once');
INSERT INTO job_runs (job_name, status, started_at, finished_at)
VALUES ('daily_training_capture', 'failed', '2026-03-29 03:00+00', '2026-03-29 03:30+00');
SELECT pg_temp.note('and failed again');
DELETE FROM job_runs WHERE job_name = 'daily_training_capture' AND started_at > '2026-03-29 01:00+00';
INSERT INTO job_runs (job_name, status, started_at, finished_at)
VALUES ('daily_training_capture', 'succeeded', '2026-03-29 02:00+00', '2026-03-29 02:30+00');
SELECT pg_temp.note('failed, then succeeded');
SELECT what, is_due FROM due ORDER BY n;
SELECT tw_is_due('daily_training_capture', 'Europe/Berlin', '2026-03-29 23:59:59+00') AS same_day,
       tw_is_due('daily_training_capture', 'Europe/Berlin', '2026-03-30 00:00+00') AS next_day,
       tw_is_due('weekly_model_training', 'Europe/Berlin', '2026-03-30 00:00+00') AS same_week,
       tw_is_due('weekly_model_training', 'Europe/Berlin', '2026-04-05 01:00+00') AS next_week;
-- Tried again after an hour, not with the next tick; a tick may come a little late.
UPDATE job_runs SET status = 'failed', started_at = '2026-03-29 02:00:03+00';
DELETE FROM job_runs WHERE job_name <> 'daily_training_capture'
                       OR id > (SELECT min(id) FROM job_runs WHERE job_name = 'daily_training_capture');
SELECT g AS tick, tw_is_due('daily_training_capture', 'Europe/Berlin', g)
FROM generate_series('2026-03-29 02:15+00'::timestamptz, '2026-03-29 03:00+00', interval '15 minutes') g;
TRUNCATE job_runs;

SELECT tw_due_since('check_rollouts', 'UTC', now());
SELECT tw_due_since(NULL, 'UTC', now());
SELECT tw_due_since('daily_training_capture', 'Europe/Atlantis', now());
SELECT tw_due_since('daily_training_capture', 'IST', now());
SELECT tw_due_since('daily_training_capture', 'Kolkata5:30', now());
SELECT tw_due_since('weekly_model_training', $$UTC'; select 1$$, now());
CALL daily_training_capture(due_in => '<+0530>-05:30');
SELECT tw_due_since('daily_training_capture', NULL, now());
SELECT tw_due_since('daily_training_capture', 'UTC', 'infinity');
SELECT tw_is_due('daily_training_capture', 'UTC', NULL);

-- What pg_cron is told: the same for every zone, which is the first argument of what has a time of day.
SELECT w.zone, p.schedule, p.command
FROM (VALUES ('Asia/Kathmandu'), ('Europe/Berlin')) AS w (zone), tw_cron_plan(w.zone) p
WHERE p.job_name = 'weekly_model_training' ORDER BY w.zone;
-- Of its ticks in a year one is the time that it is due at, whatever the offset of the zone and its changes: of half an
-- hour (Lord Howe), and of times that do not exist, or come twice.
SELECT w.zone, j.job, count(*) AS due_times, bool_and(extract(epoch FROM g.due)::bigint % 900 = 0) AS ticks
FROM (VALUES ('Asia/Kolkata'), ('Asia/Kathmandu'), ('Pacific/Kiritimati'), ('Europe/Berlin'), ('America/St_Johns'),
             ('Australia/Lord_Howe'),
             ('Australia/Eucla')) AS w (zone),
     (VALUES ('daily_training_capture'), ('weekly_model_training')) AS j (job),
     LATERAL (SELECT DISTINCT tw_due_since(j.job, w.zone, h) AS due
              FROM generate_series('2026-01-01 00:00+00'::timestamptz, '2026-12-31 12:00+00', interval '12 hours') h) g
GROUP BY 1, 2 ORDER BY 1, 2;

-- No pg_cron here: the statements, and nothing else. (What it says beside them is about the server.)
SET client_min_messages = warning;
SELECT job_name, schedule, command, done, what,
       replace(replace(statement, quote_literal(current_user), '(me)'), current_database(), '(here)') AS statement
FROM schedule_jobs('asia/kolkata');
SELECT job_name, schedule, command FROM schedule_jobs('Europe/Berlin');
SELECT set_training_setting('time_zone', 'America/Bogota');
SELECT job_name, schedule FROM schedule_jobs();
SELECT job_name, done, what, replace(statement, current_database(), '(here)') AS statement FROM unschedule_jobs();
SELECT * FROM schedule_jobs('Europe/Atlantis');
SELECT * FROM schedule_jobs('IST');
UPDATE training_settings SET value = 'Europe/Atlantis' WHERE name = 'time_zone';
SELECT * FROM schedule_jobs();
SELECT set_training_setting('time_zone', NULL);
-- A schema that is merely called cron is not pg_cron.
CREATE SCHEMA cron;
CREATE TABLE cron.job (jobid bigint, jobname text, schedule text, command text, database text, username text,
                       active boolean);
CREATE FUNCTION cron.schedule(text, text, text) RETURNS bigint LANGUAGE plpgsql AS $$BEGIN RAISE EXCEPTION 'trapped';
END$$;
SELECT DISTINCT done FROM schedule_jobs();
SELECT DISTINCT done FROM unschedule_jobs();
SELECT state IN ('no pg_cron', 'pg_cron elsewhere') AS not_here FROM job_health WHERE job_name = 'all';
DROP SCHEMA cron CASCADE;

-- The names of entries: one for each job and database, never longer than a name can be.
SELECT replace(tw_cron_job_name('check_rollouts'), current_database(), '(here)') AS name;
CREATE DATABASE "regress tw été: a name as long as the name of a database may "
    TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C';
\set here :DBNAME
\c "regress tw été: a name as long as the name of a database may "
SET client_min_messages = warning;
CREATE EXTENSION training_workflow;
SELECT tw_cron_job_name(job_name), octet_length(tw_cron_job_name(job_name)) FROM tw_jobs() WHERE tick IS NOT NULL;
SELECT count(DISTINCT statement) FROM schedule_jobs();
\c :here
\set SHOW_CONTEXT never
DROP DATABASE "regress tw été: a name as long as the name of a database may ";
SET timezone = 'UTC';
SET datestyle = 'ISO';
SET client_min_messages = warning;

-- Who may.
CREATE ROLE "regress tw operator";
CREATE ROLE regress_tw_half LOGIN;
GRANT EXECUTE ON FUNCTION schedule_jobs(text), tw_require_scheduling(), tw_require_zone(text), tw_cron_server(),
              tw_require_cron_rights(boolean),
    training_setting(text) TO regress_tw_half;
SELECT grant_training_role('regress tw operator', 'operator');
SET ROLE regress_tw_half;
SELECT count(*) FROM schedule_jobs();
SELECT count(*) FROM unschedule_jobs();
SELECT * FROM job_health;
SELECT * FROM tw_job_health();
SET ROLE "regress tw operator";
SELECT count(*) FROM schedule_jobs();
RESET ROLE;
ALTER ROLE "regress tw operator" LOGIN;
SET ROLE "regress tw operator";
SELECT count(*) AS jobs, count(*) FILTER (WHERE statement ~ ', ''regress tw operator''\);$') AS as_the_operator
FROM schedule_jobs();
SELECT count(*) FROM unschedule_jobs();
SELECT job_name, state, schedule, scheduled_by FROM job_health WHERE job_name <> 'all';
RESET ROLE;

-- How they are.
SELECT job_name, state, advice, schedule, time_zone, next_run, is_overdue, scheduled_by FROM job_health
WHERE job_name <> 'all';
SELECT state IN ('no pg_cron', 'pg_cron elsewhere') AS not_here, advice ~ 'schedule_jobs' AS says_what_to_do, is_overdue
FROM job_health WHERE job_name = 'all';
-- As of a Wednesday, 12:00: the daily job ran in time, the weekly one too early,
-- one is late, one failed and one runs by its row alone.
INSERT INTO job_runs (job_name, status, started_at, finished_at, error_code, error_message, items_done, items_total)
VALUES
    ('daily_training_capture', 'failed', '2026-11-24 02:00+00', '2026-11-24 02:05+00', '57014', 'canceled', 1, 4),
    ('daily_training_capture', 'succeeded', '2026-11-25 02:00+00', '2026-11-25 02:05+00', NULL, NULL, 4, 4),
    ('weekly_model_training', 'succeeded', '2026-11-22 02:59+00', '2026-11-22 03:10+00', NULL, NULL, NULL, NULL),
    ('labelstudio_sync', 'succeeded', '2026-11-25 11:50+00', '2026-11-25 11:51+00', NULL, NULL, NULL, NULL),
    ('labelstudio_sync', 'failed', '2026-11-25 11:55+00', '2026-11-25 11:56+00', '08006', 'no answer', NULL, NULL),
    ('run_training_jobs', 'succeeded', '2026-11-25 11:44:59+00', '2026-11-25 11:45+00', NULL, NULL, NULL, NULL);
INSERT INTO job_runs (job_name, phase, started_at, items_done, items_total)
VALUES ('check_rollouts', 'looking', '2026-11-25 11:55+00', 1, 2);
SELECT job_name, state, advice, is_overdue FROM tw_job_health('2026-11-25 12:00+00') WHERE job_name <> 'all';
SELECT job_name, last_success, last_failure, last_error_code, last_error, running_since, phase, items_done, items_total
FROM tw_job_health('2026-11-25 12:00+00');
-- A grace of two hours for the daily and the weekly job, of fifteen minutes for the others.
SELECT t.at, h.job_name, h.state, h.is_overdue
FROM (VALUES ('2026-11-26 03:59+00'::timestamptz), ('2026-11-26 04:00+00')) AS t (at), tw_job_health(t.at) h
WHERE h.job_name = 'daily_training_capture';
SELECT t.at, h.job_name, h.state, h.is_overdue
FROM (VALUES ('2026-11-25 11:59:59+00'::timestamptz), ('2026-11-25 12:00+00')) AS t (at), tw_job_health(t.at) h
WHERE h.job_name = 'run_training_jobs';
-- While it is held, the lock shows a living run.
SELECT tw_try_job_lock(3);
SELECT job_name, state, advice, running_since, phase, items_done, items_total FROM tw_job_health('2026-11-25 12:00+00')
WHERE job_name = 'check_rollouts';
SELECT tw_release_job_lock(3);
SELECT state FROM tw_job_health('2026-11-25 12:00+00') WHERE job_name = 'check_rollouts';
-- Anybody's advisory lock of the same numbers does not.
SELECT pg_advisory_lock('conversation_logs'::regclass::oid::integer, 3);
SELECT state FROM tw_job_health('2026-11-25 12:00+00') WHERE job_name = 'check_rollouts';
SELECT pg_advisory_unlock_all();
DELETE FROM job_runs WHERE status = 'running';
-- Something else runs them in time: then nothing is wrong but what fails.
INSERT INTO job_runs (job_name, status, started_at, finished_at)
    SELECT j, 'succeeded', '2026-11-25 11:55+00', '2026-11-25 11:56+00'
    FROM unnest(ARRAY['weekly_model_training', 'run_training_jobs', 'check_rollouts', 'seal_audit']) AS j;
SELECT job_name, state, advice, is_overdue FROM tw_job_health('2026-11-25 12:00+00');
-- Failures; a promotion's until the daily job has swept.
INSERT INTO job_runs (job_name, status, started_at, finished_at, error_code, error_message) VALUES
    ('promotion', 'failed', '2026-11-25 00:30+00', '2026-11-25 00:30+00', 'P0001', 'no'),
    ('store_model_artifacts', 'failed', '2026-11-25 11:00+00', '2026-11-25 11:01+00', '28000', 'AccessDenied'),
    ('check_rollouts', 'failed', '2026-11-25 11:58+00', '2026-11-25 11:59+00', 'XX000', 'oops');
SELECT job_name, state, advice, last_error_code, schedule FROM tw_job_health('2026-11-25 12:00+00');
UPDATE job_runs SET status = 'succeeded' WHERE job_name = 'labelstudio_sync';
SELECT job_name, state, advice FROM tw_job_health('2026-11-25 12:00+00') WHERE job_name = 'all';
UPDATE job_runs SET status = 'succeeded' WHERE job_name = 'check_rollouts';
SELECT job_name, state, advice FROM tw_job_health('2026-11-25 12:00+00') WHERE job_name = 'all';
UPDATE job_runs SET status = 'succeeded' WHERE job_name = 'store_model_artifacts';
SELECT job_name, state, advice FROM tw_job_health('2026-11-25 12:00+00') WHERE job_name IN ('all', 'promotion');
UPDATE job_runs SET finished_at = '2026-11-25 01:30+00' WHERE job_name = 'promotion';
SELECT job_name, state, advice FROM tw_job_health('2026-11-25 12:00+00') WHERE job_name IN ('all', 'promotion');
DELETE FROM job_runs WHERE job_name IN ('promotion', 'store_model_artifacts');
SELECT job_name, state, advice FROM tw_job_health('2026-11-25 12:00+00') WHERE job_name = 'all';
SELECT state IN ('no pg_cron', 'pg_cron elsewhere') AS not_here, is_overdue FROM tw_job_health('2026-11-25 12:30+00')
WHERE job_name = 'all';

-- The zone in which an entry is due, also of one that somebody wrote by hand.
SELECT c.command, t.time_zone, t.next_run, t.expected_since FROM (VALUES
    (1, 'CALL s.daily_training_capture(''Europe/Berlin''::text, NULL::timestamptz)'),
    (2, 'CALL s.daily_training_capture(NULL::text, NULL::timestamptz)'),
    (3, 'CALL s.daily_training_capture()'),
    (4, 'CALL s.daily_training_capture(due_in => ''Europe/Berlin'')'),
    (5, 'call s.daily_training_capture( ''Europe/Berlin'' )'),
    (6, 'CALL s.daily_training_capture(due_in=>''Europe/Berlin'')'),
    (7, 'CALL s.daily_training_capture(at => now(), due_in := ''Europe/Berlin'')'),
    (8,
     'CALL s.tw_run_job(''daily_training_capture''::text, ''Europe/Berlin''::text, NULL::timestamptz)')) c (n, command),
    tw_job_times('daily_training_capture', '*/15 * * * *', c.command, '2026-11-25 12:00+00') t
ORDER BY c.n;
-- What runs every few minutes, by our entry and by somebody's own.
SELECT s.schedule, t.* FROM (VALUES (1, '*/5 * * * *'), (2, '0 * * * *'), (3, NULL)) s (n, schedule),
    tw_job_times('check_rollouts', s.schedule, 'CALL s.check_rollouts()', '2026-11-25 12:05+00') t ORDER BY s.n;

-- What to do about each kind of failure.
SELECT tw_failure_advice(f.job, f.code, f.message, f.role, f.workers) AS advice
FROM (VALUES (1, 'check_rollouts', NULL, 'connection failed', 'a role', false),
             (2, 'check_rollouts', NULL, 'connection lost', 'a role', false),
             (3, 'check_rollouts', NULL,
              'could not start background process; more details may be available in the server log', 'a role', true),
             (4, 'labelstudio_sync', NULL, 'FATAL: database "bot" does not exist', 'a role', true),
             (5, 'labelstudio_sync', NULL, 'ERROR:  permission denied for procedure labelstudio_sync', 'a role', false),
             (6, 'labelstudio_sync', '42501', 'permission denied for table t', 'a role', NULL),
             (7, 'labelstudio_sync', '42501', 'permission denied for table t', NULL, NULL),
             (8, 'labelstudio_sync', '08006', 'connection failed', 'a role', false),
             (9, 'store_model_artifacts', '08006', 'connection failed', NULL, false),
             (10, 'promotion', 'P0001', 'no', NULL, false),
             (11, 'weekly_model_training', '57014', 'canceled', 'a role',
              false)) AS f (n, job, code, message, role, workers) ORDER BY f.n;

-- A restored copy schedules nothing, and says what to do.
INSERT INTO training_settings (name, value) VALUES ('installation', 'another one') ON CONFLICT (name) DO UPDATE
SET value = excluded.value;
SELECT * FROM schedule_jobs();
SELECT state, advice FROM job_health WHERE job_name = 'all';
SELECT adopt_installation();
SELECT count(*) FROM schedule_jobs();
SELECT state, advice FROM tw_job_health('2026-11-25 12:00+00') WHERE job_name = 'all';
DROP OWNED BY "regress tw operator", regress_tw_half;
DROP ROLE "regress tw operator", regress_tw_half;
