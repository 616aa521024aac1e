-- The register of jobs: a new job is a row of it and a step; schedule,
-- due times, health, lock, loop and roles know it then.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET training_workflow.allow_drop = on;
DROP EXTENSION IF EXISTS training_workflow CASCADE;
RESET training_workflow.allow_drop;
RESET client_min_messages;
CREATE EXTENSION training_workflow;
SET timezone = 'UTC';
SET datestyle = 'ISO';

-- What it says of our own holds.
SELECT job_name, step, lock_number FROM tw_jobs()
WHERE lock_number NOT BETWEEN 1 AND 31 OR 60 % every_minutes <> 0 OR lock_number IS NOT NULL
    AND (to_regprocedure(format('%I(bigint, jsonb, timestamptz)', step)) IS NULL
         OR tw_job_call(job_name) <> format('CALL %s()', job_name));
SELECT job_name, lock_number, parts, local_time, week_day, tick, doing FROM tw_jobs();
SELECT tw_lock_class('job') AS class, tw_job_session('check_rollouts') AS nobody, tw_job_session('promotion') AS no_job;

-- Two more, one of them with parts.
CREATE TABLE watered (plant integer, by_whom name DEFAULT current_user);
CREATE FUNCTION water_step(run bigint, state jsonb, at timestamptz) RETURNS jsonb LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    plant integer := coalesce((state ->> 'plant')::integer, 0) + 1;
BEGIN
    INSERT INTO public.watered (plant) VALUES (plant);
    IF plant = current_setting('test.dry_from', true)::integer THEN
        RAISE EXCEPTION 'no water for plant %', plant;
    END IF;
    PERFORM public.tw_note_run(run, 'plant ' || plant, '{"watered": 1}', true);
    RETURN CASE WHEN plant < 3 THEN jsonb_build_object('plant', plant) END;
END $$;
CREATE FUNCTION sweep_step(run bigint, state jsonb, at timestamptz) RETURNS jsonb LANGUAGE sql
    SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE state ->> 'part'
        WHEN 'stairs' THEN jsonb_build_object('counted', '{"steps": 12}'::jsonb)
            || CASE WHEN state ? 'steps' THEN '{"result": "succeeded: clean"}' ELSE '{"steps": 12}' END::jsonb
        WHEN 'plants' THEN CASE WHEN state ? 'call' THEN public.tw_called_run(run, 'water_plants')
                                ELSE '{"call": "water_plants"}' END
        WHEN 'roof' THEN jsonb_build_object('error_code', '55000', 'error_message', 'it is too high') END $$;
SELECT replace(pg_get_functiondef('tw_jobs()'::regprocedure), '.tw_jobs(', '.shipped_jobs('),
       regexp_replace(pg_get_functiondef('tw_jobs()'::regprocedure), 'BEGIN ATOMIC.*', $$BEGIN ATOMIC
           SELECT * FROM shipped_jobs()
           UNION ALL VALUES
               ('water_plants', 20, 'water_step', NULL::text[], '04:30'::time, 3, NULL::integer, '*/15 * * * *',
                'watering', 'buy water', 'all'),
               ('sweep', 21, 'sweep_step', '{stairs,plants,roof,yard}', NULL, NULL, 10, '*/10 * * * *',
                'at it', NULL, 'all'); END$$)
\gexec

-- The schedule and the due times.
SET client_min_messages = warning;
SELECT job_name, schedule, command FROM schedule_jobs('Asia/Kathmandu') WHERE job_name IN ('water_plants', 'sweep');
RESET client_min_messages;
SELECT tw_due_since('water_plants', 'Asia/Kathmandu', '2026-11-25 00:00+00') AS on_wednesday,
       tw_due_time('water_plants', 'Asia/Kathmandu', '2026-11-25 00:00+00', true) AS next;
SELECT tw_due_since('sweep', 'UTC', '2026-11-25 00:00+00');
SELECT tw_is_due('water_plants', 'Asia/Kathmandu', '2026-11-25 00:00+00');
SELECT job_name, state, advice FROM job_health WHERE job_name IN ('water_plants', 'sweep');

-- The loop, as an operator, who may do nothing else with it.
CREATE ROLE regress_tw_gardener;
SELECT grant_training_role('regress_tw_gardener', 'operator');
SET ROLE regress_tw_gardener;
CALL tw_run_job('water_plants');
SELECT water_step(1, NULL, NULL);
SELECT tw_job_step(1, NULL, NULL);
CALL tw_run_job('promotion');
RESET ROLE;
SELECT plant, by_whom = current_user AS by_the_owner FROM watered;
SELECT job_name, status, phase, items_done, details, error_code FROM job_runs;
-- It is done for this week; by hand it runs whenever one likes.
CALL tw_run_job('water_plants', 'Asia/Kathmandu', '2020-01-01 00:00+00');
CALL tw_run_job('water_plants', NULL);
SELECT count(*) FROM job_runs;
SELECT state, advice, is_overdue FROM job_health WHERE job_name = 'water_plants';

-- The lock.
SELECT tw_try_job_lock(20);
CALL tw_run_job('water_plants');
INSERT INTO job_runs (job_name) VALUES ('water_plants');
SELECT state FROM job_health WHERE job_name = 'water_plants';
SELECT tw_release_job_lock(20);
SELECT state, advice FROM job_health WHERE job_name = 'water_plants';

-- An error: what the step wrote is taken back, what the ones before it wrote stays.
TRUNCATE watered, job_runs RESTART IDENTITY;
SET test.dry_from = 2;
CALL tw_run_job('water_plants');
SELECT plant FROM watered;
SELECT status, error_code, error_message, details FROM job_runs;
SELECT state, advice FROM job_health WHERE job_name = 'water_plants';

-- Parts: one that takes two steps, one that calls another job, one that fails, and one after it.
CALL tw_run_job('sweep');
SELECT id, job_name, status, items_done, items_total, error_code, error_message, jsonb_pretty(details) AS details
FROM job_runs ORDER BY id;
SELECT state, advice FROM job_health WHERE job_name = 'sweep';
BEGIN;
CALL tw_run_job('sweep');
ROLLBACK;

-- The runs of what has a time of day are history, the others noise.
UPDATE job_runs SET started_at = started_at - interval '31 days', finished_at = finished_at - interval '31 days';
INSERT INTO job_runs (job_name, status, started_at, finished_at)
SELECT job_name, status, started_at, finished_at FROM job_runs;
SELECT tw_tidy();
SELECT job_name, count(*) FROM job_runs GROUP BY 1 ORDER BY 1;

DROP OWNED BY regress_tw_gardener;
DROP ROLE regress_tw_gardener;
DROP TABLE watered;
DROP FUNCTION water_step, sweep_step;
SET training_workflow.allow_drop = on;
DROP EXTENSION training_workflow;
DROP FUNCTION shipped_jobs();
CREATE EXTENSION training_workflow;
