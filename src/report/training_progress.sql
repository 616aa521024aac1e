-- training_progress: the long work that goes on now, and how far it is.
--
-- Work in one transaction (a training, an import, an export, an erasure) is seen while it runs: sessions report it
-- outside of their transaction (base/progress.c). Jobs and outside trainers commit after each step, and are seen as of
-- the last step.

CREATE FUNCTION @extschema@.tw_training_progress(
    OUT kind text, OUT item text, OUT phase text, OUT items_done bigint, OUT items_total bigint,
    OUT percent double precision, OUT started_at timestamptz, OUT estimated_end timestamptz, OUT pid integer,
    OUT reason text)
    RETURNS SETOF record
    LANGUAGE sql VOLATILE ROWS 10 SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off
BEGIN ATOMIC
    WITH session AS MATERIALIZED (
        SELECT w.* FROM @extschema@.tw_work_in_progress() w
    ), work AS (
        SELECT s.work AS kind, CASE s.work WHEN 'import' THEN s.item::regclass::text
                                           WHEN 'erasure' THEN 'erasure ' || s.item END AS item,
               NULL::text AS phase, s.done, s.total, s.started_at, s.pid, NULL::text AS reason
        FROM session s
        UNION ALL
        SELECT CASE r.job_name WHEN 'purge_conversations' THEN 'purge' WHEN 'check_rollouts' THEN 'scoring'
                               ELSE 'job' END,
               r.job_name, r.phase, r.items_done, r.items_total, r.started_at, h.pid,
               CASE WHEN h.pid IS NULL AND NOT pg_is_in_recovery()
                    THEN 'its session is gone: the next run goes on' END
        FROM @extschema@.job_runs r
        CROSS JOIN LATERAL (SELECT CASE WHEN NOT pg_is_in_recovery()
                                        THEN @extschema@.tw_job_session(r.job_name) END AS pid) h
        WHERE r.status = 'running'
          AND r.id = (SELECT max(n.id) FROM @extschema@.job_runs n WHERE n.job_name = r.job_name)
        UNION ALL
        SELECT CASE j.kind WHEN 'evaluate' THEN 'scoring' ELSE 'training' END,
               format('job %s of %s', j.id, j.model_type),
               coalesce(@extschema@.tw_excerpt(@extschema@.redact_pii(j.progress ->> 'phase')),
                        CASE j.status WHEN 'handed-in' THEN 'waits for the gate' END),
               -- What a worker sends is its own: only whole numbers are figures.
               CASE WHEN j.progress ->> 'done' ~ '^[0-9]{1,15}$' THEN (j.progress ->> 'done')::bigint END,
               CASE WHEN j.progress ->> 'total' ~ '^[0-9]{1,15}$' THEN (j.progress ->> 'total')::bigint END,
               j.started_at, NULL::integer,
               CASE WHEN j.status = 'running' AND j.lease_expires_at < now()
                    THEN 'its worker has not been heard of since ' || to_char(j.heartbeat_at, 'YYYY-MM-DD HH24:MI') END
        FROM @extschema@.training_jobs j WHERE j.status IN ('running', 'handed-in')
        UNION ALL
        SELECT 'export', format('export %s', x.id), NULL, x.row_count, NULL, x.started_at, x.backend_pid,
               CASE WHEN NOT EXISTS (SELECT FROM pg_stat_activity a WHERE a.pid = x.backend_pid
                                                                      AND a.backend_start = x.backend_start)
                    THEN 'its session is gone' END
        FROM @extschema@.training_export_jobs x
        WHERE x.status = 'running'
          AND NOT EXISTS (SELECT FROM session s WHERE s.pid = x.backend_pid AND s.work = 'export')
        UNION ALL
        SELECT 'erasure', format('erasure %s', e.id), NULL, (e.counts ->> 'conversation_logs')::bigint,
               (SELECT coalesce((e.counts ->> 'conversation_logs')::bigint, 0) + count(*)
                FROM @extschema@.erasure_rows r WHERE r.erasure_id = e.id), e.started_at, NULL,
               'no session works on it: CALL finish_erasures()'
        FROM @extschema@.erasures e
        WHERE e.status = 'running' AND e.kind = 'person'
          AND NOT EXISTS (SELECT FROM session s WHERE s.work = 'erasure' AND s.item = e.id)
    )
    SELECT w.kind, w.item, w.phase, w.done, w.total, p.percent, w.started_at,
           CASE WHEN w.reason IS NULL AND p.seconds <= 315360000
                THEN w.started_at + make_interval(secs => p.seconds) END,
           w.pid,
           coalesce(w.reason, CASE WHEN w.total IS NULL THEN 'how much there is to do is not known'
                                   WHEN w.total = 0 THEN 'there is nothing to do'
                                   WHEN w.done IS NULL THEN 'how much is done is not known'
                                   WHEN p.percent = 0 THEN 'nothing is done yet'
                                   WHEN p.seconds > 315360000 THEN 'at this pace it takes more than ten years' END)
    FROM work w
    CROSS JOIN LATERAL (
        SELECT d.percent,
               -- What it takes in all: a worker may say that it has done a millionth of a billionth.
               CASE WHEN d.percent > 0
                    THEN extract(epoch FROM clock_timestamp() - w.started_at)::double precision * 100 / d.percent
                    END AS seconds
        FROM (SELECT CASE WHEN w.total > 0 AND w.done IS NOT NULL
                          THEN least(100, 100.0 * w.done / w.total)::double precision END AS percent) d) p
    ORDER BY w.started_at, w.kind, w.item;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_training_progress() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_training_progress() IS 'The rows of the view training_progress';

CREATE VIEW @extschema@.training_progress AS
    SELECT p.kind, p.item, p.phase, p.items_done, p.items_total, p.percent, p.started_at, p.estimated_end, p.pid,
           p.reason
    FROM @extschema@.tw_training_progress() p;
REVOKE ALL ON TABLE @extschema@.training_progress FROM PUBLIC;
COMMENT ON VIEW @extschema@.training_progress IS
    'The long work that goes on now: trainings, imports, exports, erasures, purges, scoring and other jobs, with how '
    'far '
    'each is; no rows when nothing goes on. Work in one transaction is seen while it runs (unless track_activities is '
    'off in its session); jobs and outside trainers as of their last step';
COMMENT ON COLUMN @extschema@.training_progress.kind IS
    'training, import, export, erasure, purge, scoring, or job';
COMMENT ON COLUMN @extschema@.training_progress.item IS
    'What it works on: a job, a table, an erasure, an export; NULL = not known';
COMMENT ON COLUMN @extschema@.training_progress.phase IS 'The step that it is at; NULL = it has none';
COMMENT ON COLUMN @extschema@.training_progress.items_done IS 'Number of rows or steps done; NULL = not counted';
COMMENT ON COLUMN @extschema@.training_progress.items_total IS
    'Number of rows or steps that it has in all, for an export at most, for a table as of its last ANALYZE; NULL = not '
    'known';
COMMENT ON COLUMN @extschema@.training_progress.percent IS '0 to 100; NULL = not known';
COMMENT ON COLUMN @extschema@.training_progress.started_at IS 'When it began';
COMMENT ON COLUMN @extschema@.training_progress.estimated_end IS
    'When it ends if it goes on as fast as until now; NULL = not known';
COMMENT ON COLUMN @extschema@.training_progress.pid IS
    'Process of the session that works on it; NULL = a trainer outside, or none does';
COMMENT ON COLUMN @extschema@.training_progress.reason IS
    'Why percent or the estimate is not known, or why it does not go on; NULL = nothing known';
