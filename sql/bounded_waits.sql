-- Nothing waits for good: neither for a lock nor for room in the server's queue of notifications.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET training_workflow.allow_drop = on;
DROP EXTENSION IF EXISTS training_workflow CASCADE;
RESET training_workflow.allow_drop;
RESET client_min_messages;
CREATE EXTENSION training_workflow;
SET client_min_messages = warning;

-- What runs with the owner's rights and takes a lock that others wait for, or writes
-- what others may be writing, has a bound on each wait.
WITH RECURSIVE own AS (
    SELECT p.oid, p.proname, p.prosrc || coalesce(pg_get_function_sqlbody(p.oid), '') AS body, p.prosecdef,
           p.provolatile, p.proconfig
    FROM pg_depend d JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND e.oid = d.refobjid
        AND e.extname = 'training_workflow'
    JOIN pg_proc p ON d.classid = 'pg_proc'::regclass AND p.oid = d.objid
    -- A procedure cannot have a bound itself: each of its steps has.
    WHERE d.deptype = 'e' AND p.prokind = 'f'
), reaches AS (
    SELECT o.oid, o.proname FROM own o
    WHERE o.proname IN ('tw_lock_registry', 'tw_lock_job_queue', 'tw_queue_job', 'tw_own_job')
    UNION
    SELECT o.oid, o.proname FROM reaches r JOIN own o ON o.body ~ format('\m%s\(', r.proname) AND o.oid <> r.oid
)
SELECT o.oid::regprocedure AS waits_for_good
FROM reaches r JOIN own o USING (oid)
WHERE o.prosecdef AND o.provolatile = 'v'
  AND NOT EXISTS (SELECT FROM unnest(o.proconfig) c WHERE c LIKE 'lock_timeout=%')
  AND o.body !~ '\mtw_bound_waits\(\)'
ORDER BY 1;

-- Whoever may connect can fill the queue, and then no COMMIT succeeds that notifies: a rollback does without.
RESET client_min_messages;
SELECT tw_notify_below('{"event": "rollback", "reason": "the test"}'::jsonb, 0::double precision);
SELECT pg_get_function_sqlbody('tw_notify(jsonb)'::regprocedure);

-- Nor can a worker's name or its last words be so long that nobody can be told
-- of its silence, and every later claim and run fails.
SET client_min_messages = warning;
SELECT request_training('other-agent', 'outside') IS NOT NULL AS asked;
SELECT job_id FROM claim_training_job(repeat('w', 201));
SELECT job_id FROM claim_training_job('w', '178000000 years');
SELECT job_id FROM claim_training_job('w', '5000000 years -1799999999 days -23 hours');
SELECT attempt FROM claim_training_job(repeat('w', 200));
-- As an earlier version let it.
UPDATE training_jobs SET worker = repeat('w', 268435456), attempt = 3, lease_expires_at = now() - interval '1 minute';
SELECT tw_requeue_silent_jobs();
SELECT status, length(error_message) FROM training_jobs;
SELECT request_training('other-agent', 'outside') IS NOT NULL AS asked;
SELECT fail_training_job(job_id, secret, repeat('x', 268435456), false) FROM claim_training_job('w');
SELECT status, length(error_message) FROM training_jobs ORDER BY id;
-- What a worker tells has an end as well, and what is refused costs it nothing.
SELECT request_training('third-agent', 'outside') IS NOT NULL AS asked;
SELECT job_id AS third, secret FROM claim_training_job('w') \gset
SELECT heartbeat_training_job(:third, :'secret', jsonb_build_object('log', repeat('x', 100000)));
SELECT complete_training_job(:third, :'secret', '[]', minio_path => repeat('x', 2001));
SELECT heartbeat_training_job(:third, :'secret', '{"step": 3}') > now() AS still_mine;
