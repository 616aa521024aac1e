-- CALL seal_audit(): gives the committed rows of the audited tables their entries in audit_chain.
--
-- Nobody waits for it: it reads rows with a snapshot, and its lock is taken by itself and by erasure alone. Ids are
-- drawn before the commit, so that a row with a lower id may appear after one with a higher id was sealed. Each run
-- looks at all rows above the id of the 10,000th sealed row from the end, and a full run, once a day, at all rows.

CREATE FUNCTION @extschema@.tw_sealing_start(relation text, is_full boolean) RETURNS bigint
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
RETURN coalesce((SELECT c.row_id FROM @extschema@.audit_chain c
                 WHERE c.relation = tw_sealing_start.relation AND NOT is_full
                 -- By rank, not by number: a row that somebody inserted with a huge id hides nothing.
                 ORDER BY c.row_id DESC OFFSET 9999 LIMIT 1), -9223372036854775808);
REVOKE ALL ON FUNCTION @extschema@.tw_sealing_start(text, boolean) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_sealing_start(text, boolean) IS
    'The id from which a run looks for rows that are not sealed yet';

CREATE FUNCTION @extschema@.tw_last_full_sealing(OUT at timestamptz, OUT problems bigint)
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT r.finished_at, (r.details ->> 'problems')::bigint
    FROM @extschema@.job_runs r
    WHERE r.job_name = 'seal_audit' AND r.details ? 'problems' AND r.finished_at IS NOT NULL
    ORDER BY r.id DESC LIMIT 1;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_last_full_sealing() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_last_full_sealing() IS
    'When the last full run of seal_audit() ended, and how many problems it found; NULL = there was none';

CREATE FUNCTION @extschema@.tw_finish_sealing(run bigint) RETURNS jsonb
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    this_run @extschema@.job_runs;
    head record;
    problems bigint;
BEGIN
    SELECT * INTO this_run FROM @extschema@.job_runs r WHERE r.id = run;
    SELECT * INTO head FROM @extschema@.tw_audit_head();
    IF head.seq > 0 THEN
        UPDATE @extschema@.job_runs r
        SET details = r.details || jsonb_build_object('head', head.seq || ':' || encode(head.sha256, 'hex'))
        WHERE r.id = run;
    END IF;
    IF this_run.items_done > 0 THEN
        -- A log that is collected elsewhere keeps heads where no superuser of this server can change them.
        RAISE LOG 'training_workflow: head of the audit trail of database "%": %:%', current_database(), head.seq,
            encode(head.sha256, 'hex');
    END IF;
    -- Until a full run finds none, each run says so.
    problems := coalesce((this_run.details ->> 'problems')::bigint,
                         (SELECT f.problems FROM @extschema@.tw_last_full_sealing() f));
    RETURN CASE WHEN problems > 0 THEN jsonb_build_object('error_code', 'XX001', 'error_message',
        format('problems of the audit trail: %s; SELECT * FROM verify_audit() WHERE is_problem', problems)) END;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_finish_sealing(bigint) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_finish_sealing(bigint) IS
    'The last step of seal_audit(): records the head of the chain in job_runs and in the server''s log; an error if '
    'the last full run found problems';

CREATE FUNCTION @extschema@.tw_seal_step(run bigint, state jsonb, at timestamptz) RETURNS jsonb
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    relations CONSTANT text[] := ARRAY(SELECT DISTINCT f.relation FROM @extschema@.tw_audit_forms() f ORDER BY 1);
    relation text := state ->> 'relation';
    is_full boolean := (state ->> 'is_full')::boolean;
    after CONSTANT bigint := coalesce((state ->> 'after')::bigint, 0);
    problems bigint := coalesce((state ->> 'problems')::bigint, 0);
    portion record;
    upto bigint;
BEGIN
    IF state IS NULL THEN
        is_full := coalesce((SELECT f.at <= coalesce(tw_seal_step.at, clock_timestamp())
                                    - CASE WHEN f.problems > 0 THEN interval '1 hour' ELSE interval '23 hours' END
                             FROM @extschema@.tw_last_full_sealing() f), true);
        relation := relations[1];
    END IF;
    IF relation IS NOT NULL THEN
        SELECT * INTO portion FROM @extschema@.tw_seal_portion(relation, coalesce((state ->> 'from')::bigint,
            @extschema@.tw_sealing_start(relation, is_full)), 10000);
        PERFORM @extschema@.tw_note_run(run, 'sealing ' || relation, jsonb_build_object('rows sealed', portion.sealed),
                                        true);
        RETURN jsonb_strip_nulls(jsonb_build_object('is_full', is_full, 'from', portion.next_id, 'relation',
            CASE WHEN portion.next_id IS NULL THEN relations[array_position(relations, relation) + 1]
                 ELSE relation END));
    END IF;
    IF NOT is_full THEN
        RETURN @extschema@.tw_finish_sealing(run);
    END IF;
    upto := @extschema@.tw_next_page(after, 10000);
    IF upto IS NULL THEN
        SELECT problems + coalesce(sum(h.found), 0) INTO problems FROM @extschema@.tw_check_heads() h;
        PERFORM @extschema@.tw_note_run(run, 'verifying', jsonb_build_object('problems', problems), false);
        RETURN '{"is_full": false}';
    END IF;
    SELECT problems + coalesce(sum(e.found), 0) INTO problems
    FROM @extschema@.tw_check_entries(after, upto) e
    JOIN @extschema@.tw_audit_findings() f ON f.finding = e.finding WHERE f.is_problem;
    PERFORM @extschema@.tw_note_run(run, 'verifying', '{}'::jsonb, false);
    RETURN jsonb_build_object('is_full', true, 'after', upto, 'problems', problems);
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_seal_step(bigint, jsonb, timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_seal_step(bigint, jsonb, timestamptz) IS
    'One step of seal_audit(), as tw_job_step() calls it';

CREATE PROCEDURE @extschema@.seal_audit(at timestamptz DEFAULT NULL)
    LANGUAGE plpgsql
AS $procedure$ BEGIN
    CALL @extschema@.tw_run_job('seal_audit'::pg_catalog.text, NULL::pg_catalog.text, at);
END $procedure$;
REVOKE ALL ON PROCEDURE @extschema@.seal_audit(timestamptz) FROM PUBLIC;
COMMENT ON PROCEDURE @extschema@.seal_audit(timestamptz) IS
    'Gives the committed rows of review_events, model_deployments and erasure_receipts their entries in audit_chain, '
    '10,000 rows a '
    'transaction, and waits for no session that writes them. Once a day it looks at every row, and compares all rows '
    'with their entries; problems fail this run and the next ones, until a comparison, which is then made every hour, '
    'finds none. The head of the chain is recorded in job_runs.details and, when there are new entries, in the '
    'server''s log. For pg_cron, every 5 minutes. at is the time to count as now, for tests. Commits between steps; '
    'errors are recorded in job_runs and raised as warnings. Does nothing on a standby or a restored copy. Raises '
    '2D000 inside a transaction, 25001 inside a block with EXCEPTION, 22023 for a time in the future';
