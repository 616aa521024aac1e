\echo Use "CREATE EXTENSION training_workflow" to load this file. \quit

-- Every object is created by its full name and every expression is parsed with this path, so that nothing which
-- somebody put into the target schema beforehand can take the place of a built-in function or operator.
SET LOCAL search_path TO pg_catalog, pg_temp;

-- Both checks come before the first CREATE: a clear refusal beats "relation already exists" halfway through.
DO $install_check$
DECLARE
    taken text;
BEGIN
    IF current_setting('server_encoding') <> 'UTF8' THEN
        RAISE EXCEPTION USING
            ERRCODE = 'feature_not_supported',
            MESSAGE = 'training_workflow needs a database whose encoding is UTF8',
            DETAIL = format('The encoding of database "%s" is %s.', current_database(), current_setting('server_encoding')),
            HINT = 'Create a database with ENCODING ''UTF8'' TEMPLATE template0 and install the extension there.';
    END IF;

    SELECT string_agg(format('"%s"', c.relname), ', ' ORDER BY c.relname) INTO taken
    FROM pg_class c
    WHERE c.relnamespace = '@extschema@'::regnamespace
      AND regexp_replace(c.relname, '_(id|evaluation)_seq$', '') IN ('conversation_logs', 'training_samples', 'review_policies', 'training_settings',
                        'model_versions', 'model_deployments', 'rollouts', 'rollout_checks', 'rollout_status', 'job_health', 'training_export_jobs', 'labelstudio_projects', 'labelstudio_tasks',
                        'job_runs', 'review_events', 'review_claims', 'training_queue', 'daily_training_stats', 'model_performance_comparison',
                        'label_conflicts', 'review_backlog', 'reviewer_activity', 'model_artifacts', 'model_evaluations', 'training_jobs',
                        'live_accuracy_by_model', 'daily_statistics', 'daily_statistics_changes', 'daily_statistics_closings',
                        'tw_captured_days', 'tw_fallback_rules', 'tw_closed_days', 'imported_conversations');
    IF taken IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'duplicate_table',
            MESSAGE = format('schema %s already has relations that training_workflow would create', '@extschema@'),
            DETAIL = format('Already there: %s.', taken),
            HINT = 'Install beside them: CREATE SCHEMA training; CREATE EXTENSION training_workflow SCHEMA training; then copy what they hold with '
                || 'SELECT * FROM training.import_conversations(''@extschema@.conversation_logs'');';
    END IF;
END
$install_check$;
-- Trigger functions that several tables share.

CREATE FUNCTION @extschema@.tw_append_only() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'tw_append_only';
REVOKE ALL ON FUNCTION @extschema@.tw_append_only() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_append_only() IS
    'Trigger: refuses UPDATE, DELETE and TRUNCATE of a table that only grows; raises 55000 (object_not_in_prerequisite_state)';

CREATE FUNCTION @extschema@.tw_touch_updated_at() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'tw_touch_updated_at';
REVOKE ALL ON FUNCTION @extschema@.tw_touch_updated_at() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_touch_updated_at() IS
    'Trigger: sets updated_at, and updated_by where there is one, whenever a row is updated';

CREATE FUNCTION @extschema@.tw_invalidate_cache() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'tw_invalidate_cache';
REVOKE ALL ON FUNCTION @extschema@.tw_invalidate_cache() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_invalidate_cache() IS
    'Trigger: tells every backend, when the change commits, to forget what it has cached of the table';
-- training_settings: what the jobs obey. Settings and not GUCs, because a session's SET would not reach pg_cron's session.

CREATE TABLE @extschema@.training_settings (
    name text NOT NULL,
    value text NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now(),
    updated_by text NOT NULL DEFAULT session_user,
    CONSTRAINT training_settings_pkey PRIMARY KEY (name)
);
REVOKE ALL ON TABLE @extschema@.training_settings FROM PUBLIC;
SELECT pg_extension_config_dump('@extschema@.training_settings', '');

COMMENT ON TABLE @extschema@.training_settings IS
    'Settings that differ from their default; write it through set_training_setting(), read it through list_training_settings()';
COMMENT ON COLUMN @extschema@.training_settings.name IS 'One of the names that list_training_settings() knows';
COMMENT ON COLUMN @extschema@.training_settings.value IS 'The value in its canonical spelling';
COMMENT ON COLUMN @extschema@.training_settings.updated_at IS 'When it was last set';
COMMENT ON COLUMN @extschema@.training_settings.updated_by IS 'The login role that set it';

-- ENABLE ALWAYS, and one trigger a row: logical replication fires neither ordinary nor statement-level triggers.
CREATE TRIGGER training_settings_invalidate AFTER INSERT OR UPDATE OR DELETE ON @extschema@.training_settings
    FOR EACH ROW EXECUTE FUNCTION @extschema@.tw_invalidate_cache();
CREATE TRIGGER training_settings_invalidate_truncate AFTER TRUNCATE ON @extschema@.training_settings
    FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.tw_invalidate_cache();
ALTER TABLE @extschema@.training_settings ENABLE ALWAYS TRIGGER training_settings_invalidate;
ALTER TABLE @extschema@.training_settings ENABLE ALWAYS TRIGGER training_settings_invalidate_truncate;

CREATE FUNCTION @extschema@.set_training_setting(name text, value text) RETURNS text
    LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'tw_set_training_setting';
REVOKE ALL ON FUNCTION @extschema@.set_training_setting(text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.set_training_setting(text, text) IS
    'Sets a setting, or resets it to its default when value is NULL; returns the value now in force. Raises 42704 '
    '(undefined_object) for an unknown name, 22023 (invalid_parameter_value) for a value that does not fit';

CREATE FUNCTION @extschema@.training_setting(name text) RETURNS text
    LANGUAGE c STABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'tw_training_setting';
REVOKE ALL ON FUNCTION @extschema@.training_setting(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.training_setting(text) IS
    'The value of a setting that is in force, its default included. Raises 42704 (undefined_object) for an unknown name';

CREATE FUNCTION @extschema@.list_training_settings(
    OUT name text, OUT value text, OUT default_value text, OUT is_default boolean, OUT value_type text, OUT description text)
    RETURNS SETOF record
    LANGUAGE c STABLE PARALLEL SAFE ROWS 20 SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'tw_list_training_settings';
REVOKE ALL ON FUNCTION @extschema@.list_training_settings() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.list_training_settings() IS
    'Every setting: the value in force, its default, whether they are the same, its type, and what it governs';
-- The interval of a share, for everything that reports one.

CREATE FUNCTION @extschema@.tw_wilson(share double precision, n double precision, OUT lower double precision, OUT upper double precision)
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT greatest(0, (share + zz / (2 * n) - root) / (1 + zz / n)), least(1, (share + zz / (2 * n) + root) / (1 + zz / n))
    FROM (SELECT (1.959963984540054 ^ 2)::double precision AS zz) z,
         LATERAL (SELECT sqrt(zz * (share * (1 - share) / n + zz / (4 * n * n))) AS root) r
    WHERE n > 0;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_wilson(double precision, double precision) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_wilson(double precision, double precision) IS
    'Wilson''s 95 % interval of a share that was measured on n samples; n may be an effective number';
-- Redaction of personal data.

CREATE FUNCTION @extschema@.redact_pii(text) RETURNS text
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'tw_redact_pii_text';
REVOKE ALL ON FUNCTION @extschema@.redact_pii(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.redact_pii(text) IS
    'The text with phone, payment card and Aadhaar numbers, PAN, e-mail addresses and UPI ids masked: digits become 0, letters x, '
    'everything else stays, and so does the number of characters. Redacting twice changes nothing more';

CREATE FUNCTION @extschema@.redact_pii(jsonb) RETURNS jsonb
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'tw_redact_pii_jsonb';
REVOKE ALL ON FUNCTION @extschema@.redact_pii(jsonb) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.redact_pii(jsonb) IS
    'The document with its strings redacted as redact_pii(text) does; a number whose digits would be masked becomes 0. '
    'Keys and everything else stay';
-- What leaves conversation_logs: a message and its entities, redacted while the setting redact is on.

CREATE FUNCTION @extschema@.tw_sample_text(message text) RETURNS text
    LANGUAGE c STABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'tw_sample_text';
REVOKE ALL ON FUNCTION @extschema@.tw_sample_text(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_sample_text(text) IS
    'The message as samples hold it: redact_pii(message) while the setting redact is on, else as it is';

CREATE FUNCTION @extschema@.tw_sample_entities(entities jsonb) RETURNS jsonb
    LANGUAGE c STABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'tw_sample_entities';
REVOKE ALL ON FUNCTION @extschema@.tw_sample_entities(jsonb) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_sample_entities(jsonb) IS
    'The entities as samples hold them: redact_pii(entities) while the setting redact is on, else as they are';
-- When two texts are the same text, and when one says nothing.

CREATE FUNCTION @extschema@.tw_is_blank(text text) RETURNS boolean
    LANGUAGE c IMMUTABLE PARALLEL SAFE CALLED ON NULL INPUT
    AS 'MODULE_PATHNAME', 'tw_is_blank';
REVOKE ALL ON FUNCTION @extschema@.tw_is_blank(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_is_blank(text) IS
    'Whether a text is NULL, empty, or nothing but white space and characters without width';

CREATE FUNCTION @extschema@.normalize_text(text text) RETURNS text
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'tw_normalize_text';
REVOKE ALL ON FUNCTION @extschema@.normalize_text(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.normalize_text(text) IS
    'The text by which equal texts are recognised: NFKC, ASCII letters lowered, white space collapsed, outer punctuation '
    'dropped (unless there is nothing else); the same on every machine, and stable when applied twice';

CREATE FUNCTION @extschema@.text_hash(text text) RETURNS bigint
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'tw_text_hash';
REVOKE ALL ON FUNCTION @extschema@.text_hash(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.text_hash(text) IS
    'A 64-bit hash of normalize_text(text) (FNV-1a with murmur3''s finaliser); stored hashes are never recomputed';

CREATE FUNCTION @extschema@.tw_fill_text_hash() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'tw_fill_text_hash';
REVOKE ALL ON FUNCTION @extschema@.tw_fill_text_hash() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_fill_text_hash() IS
    'Trigger: fills text_hash and normalizer of a sample that came without them, or whose text changed';
-- job_runs: what ran, when, and how it ended.

CREATE TABLE @extschema@.job_runs (
    id bigint GENERATED BY DEFAULT AS IDENTITY,
    job_name text NOT NULL,
    status text NOT NULL DEFAULT 'running',
    phase text,
    items_done bigint,
    items_total bigint,
    error_code text,
    error_message text,
    details jsonb,
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    finished_at timestamptz,
    CONSTRAINT job_runs_pkey PRIMARY KEY (id),
    CONSTRAINT job_runs_status_check CHECK (status IN ('running', 'succeeded', 'failed')),
    CONSTRAINT job_runs_finished_check CHECK ((status = 'running') = (finished_at IS NULL))
);
REVOKE ALL ON TABLE @extschema@.job_runs FROM PUBLIC;
SELECT pg_extension_config_dump('@extschema@.job_runs', '');
SELECT pg_extension_config_dump('@extschema@.job_runs_id_seq', '');

-- "When did this job last run, and how did it end?"
CREATE INDEX job_runs_job_idx ON @extschema@.job_runs (job_name, started_at);

COMMENT ON TABLE @extschema@.job_runs IS 'Runs of jobs, and promotions that failed inside a capturing statement (job_name promotion)';
COMMENT ON SEQUENCE @extschema@.job_runs_id_seq IS 'Numbers of job_runs';
COMMENT ON COLUMN @extschema@.job_runs.id IS 'Number of the run';
COMMENT ON COLUMN @extschema@.job_runs.job_name IS 'Which job: daily_training_capture, weekly_model_training, run_training_jobs, check_rollouts, store_model_artifacts, labelstudio_push, labelstudio_pull, labelstudio_sync; promotion for samples that a capturing statement could not make';
COMMENT ON COLUMN @extschema@.job_runs.status IS 'running, succeeded or failed';
COMMENT ON COLUMN @extschema@.job_runs.phase IS 'What it is doing';
COMMENT ON COLUMN @extschema@.job_runs.items_done IS 'How many items are done';
COMMENT ON COLUMN @extschema@.job_runs.items_total IS 'How many items there are';
COMMENT ON COLUMN @extschema@.job_runs.error_code IS 'SQLSTATE of the error that ended it';
COMMENT ON COLUMN @extschema@.job_runs.error_message IS 'Message of the error that ended it';
COMMENT ON COLUMN @extschema@.job_runs.details IS 'Results of its parts';
COMMENT ON COLUMN @extschema@.job_runs.started_at IS 'When it began';
COMMENT ON COLUMN @extschema@.job_runs.finished_at IS 'When it ended';
-- How a job runs: under a lock that only one session has, with a row of job_runs that others see while it runs. A procedure
-- that commits between its steps calls these; it is a plain loop, since a procedure that commits can neither have SET or
-- SECURITY DEFINER nor catch an error.

CREATE FUNCTION @extschema@.tw_notify(event jsonb) RETURNS void
    LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
-- A payload has less than 8,000 bytes.
RETURN pg_notify('training_workflow', (
    SELECT CASE WHEN octet_length(x.whole::text) < 7900 THEN x.whole
                -- A type's or a version's name may be as long as somebody likes.
                ELSE (SELECT jsonb_object_agg(e.key, CASE jsonb_typeof(e.value) WHEN 'string' THEN to_jsonb(left(e.value #>> '{}', 100)) ELSE e.value END)
                      FROM jsonb_each(x.whole) e) END::text
    FROM (SELECT event || jsonb_build_object('reason', left(event ->> 'reason', 1000)) AS whole) x));
REVOKE ALL ON FUNCTION @extschema@.tw_notify(jsonb) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_notify(jsonb) IS 'Tells whoever listens on channel training_workflow, at the commit, what happened: a JSON object with event and reason';

CREATE FUNCTION @extschema@.tw_try_job_lock(job integer) RETURNS boolean
    LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'tw_try_job_lock';
REVOKE ALL ON FUNCTION @extschema@.tw_try_job_lock(integer) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_try_job_lock(integer) IS
    'Takes the lock of a job for this session; false where somebody, or this session itself, has it. An error that ends a transaction releases it. '
    'In pg_locks: advisory, classid the OID of conversation_logs, objid the number of the job, objsubid 3. Raises 25001 inside a subtransaction';

CREATE FUNCTION @extschema@.tw_release_job_lock(job integer) RETURNS void
    LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'tw_release_job_lock';
REVOKE ALL ON FUNCTION @extschema@.tw_release_job_lock(integer) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_release_job_lock(integer) IS 'Releases the lock of a job that tw_try_job_lock() took';

CREATE FUNCTION @extschema@.tw_holds_job_lock(job integer) RETURNS boolean
    LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'tw_holds_job_lock';
REVOKE ALL ON FUNCTION @extschema@.tw_holds_job_lock(integer) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_holds_job_lock(integer) IS 'Whether this session holds the lock of a job';

CREATE FUNCTION @extschema@.tw_job_number(job_name text) RETURNS integer
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
RETURN CASE WHEN job_name IN ('labelstudio_push', 'labelstudio_pull', 'labelstudio_sync') THEN 1
            WHEN job_name = 'store_model_artifacts' THEN 2
            WHEN job_name = 'check_rollouts' THEN 3
            WHEN job_name = 'daily_training_capture' THEN 4
            WHEN job_name = 'weekly_model_training' THEN 5
            WHEN job_name = 'run_training_jobs' THEN 6 END;
REVOKE ALL ON FUNCTION @extschema@.tw_job_number(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_job_number(text) IS
    'The second key of a job''s lock, beside the OID of conversation_logs; jobs of one number exclude each other';

CREATE FUNCTION @extschema@.tw_notify_failure(job text, run_id bigint, code text, reason text) RETURNS void
    LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
RETURN @extschema@.tw_notify(jsonb_build_object('event', 'job failed', 'job', job, 'run', run_id, 'code', code, 'reason', reason));
REVOKE ALL ON FUNCTION @extschema@.tw_notify_failure(text, bigint, text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_notify_failure(text, bigint, text, text) IS 'Tells whoever listens that a run of a job failed';

CREATE FUNCTION @extschema@.tw_begin_run(job text) RETURNS bigint
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    number CONSTANT integer := @extschema@.tw_job_number(job);
    run_id bigint;
    dead record;
BEGIN
    IF number IS NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('there is no job "%s"', coalesce(job, 'NULL'));
    END IF;
    IF NOT @extschema@.tw_try_job_lock(number) THEN
        RETURN NULL;
    END IF;
    -- We have the lock, so nobody works on these: their session died, or an error ended it (a cancel, for one).
    FOR dead IN
        UPDATE @extschema@.job_runs r
        SET status = 'failed', finished_at = clock_timestamp(), error_code = coalesce(r.error_code, '57P01'),
            error_message = coalesce(r.error_message, 'the session that ran it ended or was cancelled')
        WHERE r.status = 'running' AND @extschema@.tw_job_number(r.job_name) = number
        RETURNING r.id, r.job_name, r.error_code, r.error_message
    LOOP
        PERFORM @extschema@.tw_notify_failure(dead.job_name, dead.id, dead.error_code, dead.error_message);
    END LOOP;
    INSERT INTO @extschema@.job_runs (job_name, details) VALUES (job, '{}') RETURNING id INTO run_id;
    RETURN run_id;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_begin_run(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_begin_run(text) IS
    'Takes the lock of a job, marks its runs that died as failed, and returns the id of a new run; NULL where the job is running already. Raises 22023 for an unknown job';

CREATE FUNCTION @extschema@.tw_require_run(run_id bigint) RETURNS void
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF NOT coalesce((SELECT r.status = 'running' AND @extschema@.tw_holds_job_lock(@extschema@.tw_job_number(r.job_name))
                     FROM @extschema@.job_runs r WHERE r.id = run_id), false) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('run %s is not a run of this session', coalesce(run_id::text, 'NULL')),
            HINT = 'This is a step of a job: call the job''s procedure.';
    END IF;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_require_run(bigint) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_require_run(bigint) IS 'Refuses, with 55000, to do a step of a run that this session has not begun';

CREATE FUNCTION @extschema@.tw_note_run(run_id bigint, phase text, counted jsonb, counts_items boolean DEFAULT true) RETURNS void
    LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    -- Numbers of the same name add up over the steps.
    UPDATE @extschema@.job_runs r
    SET phase = tw_note_run.phase,
        items_done = coalesce(r.items_done, 0)
            + CASE WHEN counts_items THEN (SELECT coalesce(sum(c.value::bigint), 0) FROM jsonb_each_text(counted) c) ELSE 0 END,
        details = r.details || (SELECT coalesce(jsonb_object_agg(c.key, coalesce((r.details ->> c.key)::bigint, 0) + c.value::bigint), '{}')
                                FROM jsonb_each_text(counted) c)
    WHERE r.id = run_id;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_note_run(bigint, text, jsonb, boolean) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_note_run(bigint, text, jsonb, boolean) IS 'Writes down what a run is doing, and adds to what it counts (an object of whole numbers), which are its items unless counts_items is false';

CREATE FUNCTION @extschema@.tw_fail_run(run_id bigint, code text, message text) RETURNS void
    LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    -- The first error stands; the run goes on with what does not depend on it.
    UPDATE @extschema@.job_runs r SET error_code = code, error_message = message WHERE r.id = run_id AND r.error_code IS NULL;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_fail_run(bigint, text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_fail_run(bigint, text, text) IS 'Writes down an error of a run that goes on; tw_end_run() ends it as failed';

CREATE FUNCTION @extschema@.tw_end_run(run_id bigint) RETURNS text
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    run @extschema@.job_runs;
BEGIN
    PERFORM @extschema@.tw_require_run(run_id);
    UPDATE @extschema@.job_runs r
    SET status = CASE WHEN r.error_code IS NULL THEN 'succeeded' ELSE 'failed' END, finished_at = clock_timestamp(), phase = NULL
    WHERE r.id = run_id
    RETURNING * INTO run;
    IF run.status = 'failed' THEN
        PERFORM @extschema@.tw_notify_failure(run.job_name, run.id, run.error_code, run.error_message);
    END IF;
    PERFORM @extschema@.tw_release_job_lock(@extschema@.tw_job_number(run.job_name));
    RETURN run.status;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_end_run(bigint) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_end_run(bigint) IS 'Ends a run, as failed where an error was written down, which whoever listens is told, and releases the lock of its job; returns the status. Raises 55000 when it is not called by the run''s own session';

CREATE FUNCTION @extschema@.tw_begin_job(job text, due_in text DEFAULT NULL, at timestamptz DEFAULT NULL) RETURNS bigint
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    run_id bigint;
BEGIN
    IF due_in IS NOT NULL AND NOT @extschema@.tw_is_due(job, due_in, coalesce(at, clock_timestamp())) THEN
        RETURN NULL;
    END IF;
    IF NOT @extschema@.tw_may_act() THEN
        RAISE WARNING USING
            MESSAGE = format('%s did nothing: this database is a restored copy', job),
            HINT = 'If it takes over, run SELECT adopt_installation();';
        RETURN NULL;
    END IF;
    run_id := @extschema@.tw_begin_run(job);
    IF run_id IS NULL THEN
        RAISE NOTICE '% did nothing: another session is at it', job;
    END IF;
    RETURN run_id;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_begin_job(text, text, timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_begin_job(text, text, timestamptz) IS
    'Begins a run of a job as tw_begin_run() does; NULL as well on a restored copy, and where due_in names a time zone in which the job is not due at that time';

CREATE FUNCTION @extschema@.tw_begin_part(run_id bigint, part text) RETURNS void
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    PERFORM @extschema@.tw_require_run(run_id);
    UPDATE @extschema@.job_runs r SET phase = part WHERE r.id = run_id;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_begin_part(bigint, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_begin_part(bigint, text) IS
    'Writes down which part of a run begins, in a transaction before it, so that others see it. Raises 55000 when it is not called by the run''s own session';

CREATE FUNCTION @extschema@.tw_note_part(run_id bigint, part text, result text) RETURNS void
    LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    UPDATE @extschema@.job_runs r
    SET details = jsonb_set(r.details, '{parts}', coalesce(r.details -> 'parts', '{}') || jsonb_build_object(part, result)),
        items_done = coalesce(r.items_done, 0) + 1
    WHERE r.id = run_id;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_note_part(bigint, text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_note_part(bigint, text, text) IS 'Writes down how a part of a run ended; each part is one of its items';
-- When a job is due. Where local time has daylight saving and pg_cron's clock has not, the entry ticks every hour, and these
-- say at which of the ticks the job runs.

CREATE FUNCTION @extschema@.tw_due_time(job text, time_zone text, at timestamptz, later boolean) RETURNS timestamptz
    LANGUAGE plpgsql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp SET timezone = 'UTC'
AS $function$
DECLARE
    weekly CONSTANT boolean := coalesce(job = 'weekly_model_training', false);
    local_time CONSTANT time := CASE WHEN weekly THEN '03:00' ELSE '02:00' END;
    days CONSTANT integer := CASE WHEN weekly THEN 7 ELSE 1 END;
    day date;
    due timestamptz;
BEGIN
    IF NOT weekly AND job IS DISTINCT FROM 'daily_training_capture' THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('job "%s" has no time of day', coalesce(job, 'NULL')),
            HINT = 'daily_training_capture and weekly_model_training have one.';
    END IF;
    IF at IS NULL OR NOT isfinite(at) THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = format('"%s" is no time at which a job could run', coalesce(at::text, 'NULL'));
    END IF;
    -- Not AT TIME ZONE: that takes abbreviations before names, and then IST is Israel's time, and CET has no summer.
    BEGIN
        PERFORM set_config('timezone', time_zone, true) WHERE time_zone IS NOT NULL;
        IF NOT FOUND THEN
            RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value';
        END IF;
    EXCEPTION WHEN invalid_parameter_value THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('there is no time zone "%s"', coalesce(time_zone, 'NULL')),
            HINT = 'Choose a name from pg_timezone_names, for example Asia/Kolkata.';
    END;
    -- From today there, or the Sunday on or before it. What is due at a local time that
    -- does not exist is due when the clock has jumped over it; of a time that comes twice, PostgreSQL takes the one without
    -- daylight saving.
    day := at::date;
    IF weekly THEN
        day := day - extract(dow FROM day)::integer;
    END IF;
    -- More than once where a zone changed sides of the date line: then two of these are one.
    LOOP
        due := (day + local_time)::timestamptz;
        EXIT WHEN (due > at) = later;
        day := day + CASE WHEN later THEN days ELSE - days END;
    END LOOP;
    RETURN due;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_due_time(text, text, timestamptz, boolean) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_due_time(text, text, timestamptz, boolean) IS
    'When daily_training_capture (02:00) or weekly_model_training (Sunday 03:00) was last due in a time zone at a time, or is next due after it';

CREATE FUNCTION @extschema@.tw_due_since(job text, time_zone text, at timestamptz) RETURNS timestamptz
    LANGUAGE sql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
RETURN @extschema@.tw_due_time(job, time_zone, at, false);
REVOKE ALL ON FUNCTION @extschema@.tw_due_since(text, text, timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_due_since(text, text, timestamptz) IS
    'The last time, at the latest the given one, at which a job was due: daily_training_capture at 02:00, weekly_model_training on Sunday at 03:00 '
    'in that zone. Where that local time does not exist on the day of a clock change, the moment of the change; where it comes twice, one of the two. '
    'Raises 22023 for another job, an unknown zone, or no time';

CREATE FUNCTION @extschema@.tw_is_due(job text, time_zone text, at timestamptz) RETURNS boolean
    LANGUAGE plpgsql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    -- A failed run is tried again by the next hourly ticks, but not all day long: what fails three times wants a person.
    most CONSTANT integer := 3;
    since CONSTANT timestamptz := @extschema@.tw_due_since(job, time_zone, at);
    has_succeeded boolean;
    runs integer;
BEGIN
    -- One that still runs began the attempt that counts; the lock of the job keeps a second from it.
    SELECT coalesce(bool_or(r.status = 'succeeded'), false), count(*) INTO has_succeeded, runs
    FROM @extschema@.job_runs r WHERE r.job_name = job AND r.started_at >= since;
    RETURN NOT has_succeeded AND runs < most;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_is_due(text, text, timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_is_due(text, text, timestamptz) IS
    'Whether a job with a time of day has to run now: since it was last due (tw_due_since) no run has succeeded, and fewer than three have begun. '
    'So a failed run, or one that died, is tried again by the next two hourly ticks. Raises what tw_due_since() raises';
-- Which database this is. A copy that was restored elsewhere knows everything about production, its endpoints included: it
-- must not push tasks, collect verdicts or start jobs until somebody says that it has taken over.

CREATE FUNCTION @extschema@.tw_this_installation() RETURNS text
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
RETURN (SELECT format('%s:%s', s.system_identifier, d.oid) FROM pg_control_system() s, pg_database d WHERE d.datname = current_database());
REVOKE ALL ON FUNCTION @extschema@.tw_this_installation() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_this_installation() IS 'System identifier of this cluster and OID of this database: no dump carries them';

CREATE FUNCTION @extschema@.tw_is_restored_copy() RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
RETURN coalesce((SELECT s.value <> @extschema@.tw_this_installation() FROM @extschema@.training_settings s WHERE s.name = 'installation'), false);
REVOKE ALL ON FUNCTION @extschema@.tw_is_restored_copy() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_is_restored_copy() IS
    'Whether another database did the first remote or scheduled act of this data. A physical copy cannot be told apart';

CREATE FUNCTION @extschema@.tw_may_act() RETURNS boolean
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    INSERT INTO @extschema@.training_settings (name, value) VALUES ('installation', @extschema@.tw_this_installation())
    ON CONFLICT (name) DO NOTHING;
    RETURN NOT @extschema@.tw_is_restored_copy();
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_may_act() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_may_act() IS
    'Whether this database may talk to others and run jobs; the first call stores which database this is';

CREATE FUNCTION @extschema@.tw_require_acting() RETURNS void
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF NOT @extschema@.tw_may_act() THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = 'this database is a restored copy: it does not talk to other servers',
            DETAIL = 'Another database did so with the same data, and may still do.',
            HINT = 'If this one takes over, or its servers are now others (ALTER SERVER), run SELECT adopt_installation();';
    END IF;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_require_acting() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_require_acting() IS 'Refuses, with 55000, to act from a restored copy';

CREATE FUNCTION @extschema@.adopt_installation() RETURNS boolean
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    adopted boolean := @extschema@.tw_is_restored_copy();
BEGIN
    INSERT INTO @extschema@.training_settings AS s (name, value) VALUES ('installation', @extschema@.tw_this_installation())
    ON CONFLICT (name) DO UPDATE SET value = excluded.value, updated_at = now(), updated_by = session_user
        WHERE s.value <> excluded.value;
    RETURN adopted;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.adopt_installation() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.adopt_installation() IS
    'Says that this database, a restored copy, talks to Label Studio and runs jobs from now on; returns whether it was one. '
    'For a copy beside production: first point its servers elsewhere (ALTER SERVER) or drop them. Needed after pg_upgrade too, '
    'which gives the cluster a new identifier';
-- labelstudio_projects: the Label Studio projects that people review in.

CREATE TABLE @extschema@.labelstudio_projects (
    id bigint GENERATED BY DEFAULT AS IDENTITY,
    server_name text NOT NULL,
    project_id bigint NOT NULL,
    title text NOT NULL,
    module_type text,
    max_open_tasks integer NOT NULL DEFAULT 200,
    entity_labels text[] NOT NULL DEFAULT '{}',
    is_active boolean NOT NULL DEFAULT true,
    created_at timestamptz NOT NULL DEFAULT now(),
    last_push_at timestamptz,
    last_pull_at timestamptz,
    pulled_to timestamptz,
    last_error_code text,
    last_error text,
    last_error_at timestamptz,
    CONSTRAINT labelstudio_projects_pkey PRIMARY KEY (id),
    CONSTRAINT labelstudio_projects_project_key UNIQUE (server_name, project_id),
    CONSTRAINT labelstudio_projects_max_open_tasks_check CHECK (max_open_tasks BETWEEN 1 AND 10000),
    CONSTRAINT labelstudio_projects_module_type_check CHECK (module_type <> '')
);
REVOKE ALL ON TABLE @extschema@.labelstudio_projects FROM PUBLIC;
SELECT pg_extension_config_dump('@extschema@.labelstudio_projects', '');
SELECT pg_extension_config_dump('@extschema@.labelstudio_projects_id_seq', '');

-- Every conversation goes to one project: its module's, or the one for all the rest.
CREATE UNIQUE INDEX labelstudio_projects_one_active_key ON @extschema@.labelstudio_projects ((coalesce(module_type, ''))) WHERE is_active;

COMMENT ON TABLE @extschema@.labelstudio_projects IS 'Label Studio projects that conversations are reviewed in';
COMMENT ON SEQUENCE @extschema@.labelstudio_projects_id_seq IS 'Numbers of labelstudio_projects';
COMMENT ON COLUMN @extschema@.labelstudio_projects.id IS 'Our number of the project';
COMMENT ON COLUMN @extschema@.labelstudio_projects.server_name IS 'The foreign server that names the Label Studio installation';
COMMENT ON COLUMN @extschema@.labelstudio_projects.project_id IS 'Label Studio''s number of the project';
COMMENT ON COLUMN @extschema@.labelstudio_projects.title IS 'Title of the project';
COMMENT ON COLUMN @extschema@.labelstudio_projects.module_type IS 'The module it is for; NULL = all modules that have no project of their own';
COMMENT ON COLUMN @extschema@.labelstudio_projects.max_open_tasks IS 'How many unfinished tasks it may hold, so that urgent ones do not wait behind a backlog';
COMMENT ON COLUMN @extschema@.labelstudio_projects.entity_labels IS 'Entity labels that reviewers are offered beside those of recent samples';
COMMENT ON COLUMN @extschema@.labelstudio_projects.is_active IS 'Whether it is pushed to and pulled from; labelstudio_retire_project() ends that';
COMMENT ON COLUMN @extschema@.labelstudio_projects.created_at IS 'When it was made';
COMMENT ON COLUMN @extschema@.labelstudio_projects.last_push_at IS 'When a push last went through';
COMMENT ON COLUMN @extschema@.labelstudio_projects.last_pull_at IS 'When a pull last went through';
COMMENT ON COLUMN @extschema@.labelstudio_projects.pulled_to IS 'Up to which change over there verdicts were pulled (updated_at of a task, by Label Studio''s clock)';
COMMENT ON COLUMN @extschema@.labelstudio_projects.last_error_code IS 'SQLSTATE of last_error';
COMMENT ON COLUMN @extschema@.labelstudio_projects.last_error IS 'What went wrong in the last run; NULL once a run went through';
COMMENT ON COLUMN @extschema@.labelstudio_projects.last_error_at IS 'When';
-- labelstudio_tasks: the outbox. A row is written and committed before Label Studio hears of it, and what became of an import
-- is looked up before anything is sent again.

CREATE TABLE @extschema@.labelstudio_tasks (
    id bigint GENERATED BY DEFAULT AS IDENTITY,
    project bigint NOT NULL,
    conversation_log_id bigint NOT NULL,
    external_id uuid NOT NULL DEFAULT gen_random_uuid(),
    batch_id uuid NOT NULL,
    run_id bigint,
    status text NOT NULL DEFAULT 'claimed',
    task_id bigint,
    spans jsonb NOT NULL DEFAULT '[]',
    annotation_id bigint,
    annotation_updated_at timestamptz,
    error_code text,
    error_message text,
    claimed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    pushed_at timestamptz,
    finished_at timestamptz,
    CONSTRAINT labelstudio_tasks_pkey PRIMARY KEY (id),
    CONSTRAINT labelstudio_tasks_external_key UNIQUE (external_id),
    CONSTRAINT labelstudio_tasks_status_check CHECK (
        status IN ('claimed', 'open', 'skipped', 'unusable', 'refused', 'done', 'superseded', 'closed', 'deleted')),
    -- What is over there has a number there.
    CONSTRAINT labelstudio_tasks_task_check CHECK (
        task_id IS NOT NULL OR status IN ('claimed', 'refused', 'closed', 'deleted'))
);
REVOKE ALL ON TABLE @extschema@.labelstudio_tasks FROM PUBLIC;
SELECT pg_extension_config_dump('@extschema@.labelstudio_tasks', '');
SELECT pg_extension_config_dump('@extschema@.labelstudio_tasks_id_seq', '');

-- A conversation is out once at most.
CREATE UNIQUE INDEX labelstudio_tasks_one_pending_key ON @extschema@.labelstudio_tasks (conversation_log_id)
    WHERE status IN ('claimed', 'open', 'skipped', 'refused');
CREATE INDEX labelstudio_tasks_conversation_idx ON @extschema@.labelstudio_tasks (conversation_log_id);
-- What a project still has before it: few rows of many.
CREATE INDEX labelstudio_tasks_pending_idx ON @extschema@.labelstudio_tasks (project, id)
    WHERE status IN ('claimed', 'open', 'skipped', 'unusable', 'refused');

COMMENT ON TABLE @extschema@.labelstudio_tasks IS
    'Conversations that were handed to Label Studio: one row for each task, written before the task is made';
COMMENT ON SEQUENCE @extschema@.labelstudio_tasks_id_seq IS 'Numbers of labelstudio_tasks';
COMMENT ON COLUMN @extschema@.labelstudio_tasks.id IS 'Our number of the task';
COMMENT ON COLUMN @extschema@.labelstudio_tasks.project IS 'The project (labelstudio_projects.id)';
COMMENT ON COLUMN @extschema@.labelstudio_tasks.conversation_log_id IS 'The conversation';
COMMENT ON COLUMN @extschema@.labelstudio_tasks.external_id IS 'What the task carries over there, so that it is known again whatever its number';
COMMENT ON COLUMN @extschema@.labelstudio_tasks.batch_id IS 'The import that it belongs to';
COMMENT ON COLUMN @extschema@.labelstudio_tasks.run_id IS 'The run (job_runs.id) that claimed it; the import of another run''s batch is looked up before it is tried again';
COMMENT ON COLUMN @extschema@.labelstudio_tasks.status IS
    'claimed: chosen, Label Studio may have it or not; open: there, waiting; skipped: an annotator passed it on; unusable: its '
    'annotation is no verdict (error_message says why), and the conversation waits again; refused: Label Studio did not take it; done: its annotation is a verdict '
    'here; superseded: a newer verdict was given here; closed: taken back, as it need not be reviewed any more; deleted: somebody deleted it over there';
COMMENT ON COLUMN @extschema@.labelstudio_tasks.task_id IS 'Label Studio''s number of the task; it may give a deleted one''s number again';
COMMENT ON COLUMN @extschema@.labelstudio_tasks.spans IS 'The entity spans that were sent: [[start, end, label], ...], in code points';
COMMENT ON COLUMN @extschema@.labelstudio_tasks.annotation_id IS 'The annotation that was last looked at';
COMMENT ON COLUMN @extschema@.labelstudio_tasks.annotation_updated_at IS 'When that annotation was last changed, by Label Studio''s clock';
COMMENT ON COLUMN @extschema@.labelstudio_tasks.error_code IS 'SQLSTATE of error_message';
COMMENT ON COLUMN @extschema@.labelstudio_tasks.error_message IS 'Why it is unusable or refused';
COMMENT ON COLUMN @extschema@.labelstudio_tasks.claimed_at IS 'When it was chosen';
COMMENT ON COLUMN @extschema@.labelstudio_tasks.pushed_at IS 'When its import was recorded';
COMMENT ON COLUMN @extschema@.labelstudio_tasks.finished_at IS 'When it came to its status, other than claimed and open';

-- conversation_logs: one row for every call of the chatbot's language understanding.

-- A CHECK is parsed anew for every statement, so that its rules are in C. Whoever may insert has to be able to call it, and
-- it reads nothing: this is one of three functions that stay open to PUBLIC.
CREATE FUNCTION @extschema@.tw_valid_conversation(
    review_status text, review_priority smallint, is_training_candidate boolean, filter_outcome text,
    filtered_at timestamptz, is_audit boolean, selection_probability double precision) RETURNS boolean
    LANGUAGE c IMMUTABLE PARALLEL SAFE CALLED ON NULL INPUT
    AS 'MODULE_PATHNAME', 'tw_valid_conversation';
COMMENT ON FUNCTION @extschema@.tw_valid_conversation(text, smallint, boolean, text, timestamptz, boolean, double precision) IS
    'CHECK of conversation_logs: true, or 23514 (check_violation) that says which columns do not go together';

CREATE TABLE @extschema@.conversation_logs (
    id bigint GENERATED BY DEFAULT AS IDENTITY,
    -- what the application knows when it asks the model
    session_id text NOT NULL,
    phone_number text,
    user_id text,
    user_message text NOT NULL,
    message_type text DEFAULT 'text',
    message_language text,
    nlu_intent text,
    nlu_confidence double precision,
    nlu_module_id integer,
    nlu_module_type text,
    nlu_provider text,
    nlu_model_version text,
    nlu_entities jsonb,
    nlu_tone text,
    nlu_processing_time_ms integer,
    -- what becomes of it afterwards
    routed_to text,
    response_text text,
    response_success boolean,
    user_feedback text,
    user_correction text,
    backend_reference text,
    metadata jsonb,
    -- what the extension fills
    is_training_candidate boolean,
    review_status text,
    review_priority smallint,
    review_reason text,
    filter_outcome text,
    filter_policy_id bigint,
    is_audit boolean,
    selection_probability double precision,
    filtered_at timestamptz,
    created_at timestamptz DEFAULT now(),
    created_on date,
    CONSTRAINT conversation_logs_pkey PRIMARY KEY (id),
    CONSTRAINT conversation_logs_state_check CHECK (@extschema@.tw_valid_conversation(review_status, review_priority,
        is_training_candidate, filter_outcome, filtered_at, is_audit, selection_probability))
);
REVOKE ALL ON TABLE @extschema@.conversation_logs FROM PUBLIC;
SELECT pg_extension_config_dump('@extschema@.conversation_logs', '');
SELECT pg_extension_config_dump('@extschema@.conversation_logs_id_seq', '');

-- Days: daily_training_stats reads ranges of them.
CREATE INDEX conversation_logs_created_on_idx ON @extschema@.conversation_logs (created_on);
-- The queue, in the order in which training_queue and reviewers take it.
CREATE INDEX conversation_logs_queue_idx ON @extschema@.conversation_logs
    (review_priority, nlu_confidence NULLS FIRST, created_at, id) WHERE review_priority IS NOT NULL;
-- Rows that came in while triggers did not fire (logical replication): normally empty, and so costs capture nothing.
CREATE INDEX conversation_logs_unfiltered_idx ON @extschema@.conversation_logs (id) WHERE review_status IS NULL;

COMMENT ON TABLE @extschema@.conversation_logs IS
    'Every NLU call of the chatbot: what was said, what the model answered, and what the filter made of it';
COMMENT ON SEQUENCE @extschema@.conversation_logs_id_seq IS 'Numbers of conversation_logs';
COMMENT ON COLUMN @extschema@.conversation_logs.id IS 'Number of the conversation; never changes';
COMMENT ON COLUMN @extschema@.conversation_logs.session_id IS 'The chat session that the message belongs to';
COMMENT ON COLUMN @extschema@.conversation_logs.phone_number IS 'The user''s phone number; no view shows it';
COMMENT ON COLUMN @extschema@.conversation_logs.user_id IS 'The application''s id of the user';
COMMENT ON COLUMN @extschema@.conversation_logs.user_message IS 'What the user said, as it came';
COMMENT ON COLUMN @extschema@.conversation_logs.message_type IS 'text (the default, also when NULL is handed in), image, audio, ...; only text is learned from';
COMMENT ON COLUMN @extschema@.conversation_logs.message_language IS 'Language of the message: en, hi, hinglish, ...';
COMMENT ON COLUMN @extschema@.conversation_logs.nlu_intent IS 'The intent that the model predicted, for example intent.food.item.search';
COMMENT ON COLUMN @extschema@.conversation_logs.nlu_confidence IS 'The model''s confidence, kept as it came; a number in [0, 1] when it is valid';
COMMENT ON COLUMN @extschema@.conversation_logs.nlu_module_id IS 'The application''s number of the module, for example 4 for food';
COMMENT ON COLUMN @extschema@.conversation_logs.nlu_module_type IS 'The module: food, parcel, ...; policies match on it (on the intent''s second part when it is missing)';
COMMENT ON COLUMN @extschema@.conversation_logs.nlu_provider IS 'Who answered: indicbert (the router model), llm (the fallback), ...; compared without regard to ASCII case';
COMMENT ON COLUMN @extschema@.conversation_logs.nlu_model_version IS 'The model version that this session was assigned, also when the fallback answered';
COMMENT ON COLUMN @extschema@.conversation_logs.nlu_entities IS 'The entities that the model found';
COMMENT ON COLUMN @extschema@.conversation_logs.nlu_tone IS 'The tone that the model heard: neutral, angry, ...';
COMMENT ON COLUMN @extschema@.conversation_logs.nlu_processing_time_ms IS 'How long the NLU call took, in milliseconds';
COMMENT ON COLUMN @extschema@.conversation_logs.routed_to IS 'The service that handled the request: opensearch, php, ...';
COMMENT ON COLUMN @extschema@.conversation_logs.response_text IS 'What the chatbot replied';
COMMENT ON COLUMN @extschema@.conversation_logs.response_success IS 'Whether the service could do what was asked';
COMMENT ON COLUMN @extschema@.conversation_logs.user_feedback IS 'positive, negative, or whatever else the application records';
COMMENT ON COLUMN @extschema@.conversation_logs.user_correction IS 'What the user said was meant';
COMMENT ON COLUMN @extschema@.conversation_logs.backend_reference IS 'The backend''s order or ticket that came of it';
COMMENT ON COLUMN @extschema@.conversation_logs.metadata IS 'The application''s own data; the extension does not read it';
COMMENT ON COLUMN @extschema@.conversation_logs.is_training_candidate IS 'True exactly for auto-approved, needs-review and approved';
COMMENT ON COLUMN @extschema@.conversation_logs.review_status IS 'auto-approved, needs-review, approved, rejected or not-applicable; hand it in (restore, import) and the row is left as it is';
COMMENT ON COLUMN @extschema@.conversation_logs.review_priority IS '1 high, 2 medium, 3 low; the row is in the review queue exactly while this is not NULL';
COMMENT ON COLUMN @extschema@.conversation_logs.review_reason IS 'Why it is in the queue: missing prediction, invalid confidence, llm fallback, low confidence, untrusted provider, medium confidence, audit, ...';
COMMENT ON COLUMN @extschema@.conversation_logs.filter_outcome IS 'The review_status that the filter gave; written once; NULL for rows that arrived with a review_status';
COMMENT ON COLUMN @extschema@.conversation_logs.filter_policy_id IS 'The most specific review_policies row that applied, NULL for the built-in policy; written once';
COMMENT ON COLUMN @extschema@.conversation_logs.is_audit IS 'Drawn at random for the audit, from which live accuracy is estimated; written once';
COMMENT ON COLUMN @extschema@.conversation_logs.selection_probability IS 'The probability with which the audit draw could take this row, at that time; written once; NULL where nothing was drawn';
COMMENT ON COLUMN @extschema@.conversation_logs.filtered_at IS 'Start of the transaction in which the filter decided; written once; NULL for rows that arrived with a review_status';
COMMENT ON COLUMN @extschema@.conversation_logs.created_at IS 'When the message came (default: start of the transaction, also when NULL is handed in); never changes';
COMMENT ON COLUMN @extschema@.conversation_logs.created_on IS 'The day of created_at in the time zone that the setting time_zone names; written once';
-- training_samples: what models learn from.

-- In C and open to PUBLIC for the same reasons as tw_valid_conversation().
CREATE FUNCTION @extschema@.tw_valid_sample(
    review_status text, label_source text, source text, split text, quality_score double precision,
    selection_probability double precision) RETURNS boolean
    LANGUAGE c IMMUTABLE PARALLEL SAFE CALLED ON NULL INPUT
    AS 'MODULE_PATHNAME', 'tw_valid_sample';
COMMENT ON FUNCTION @extschema@.tw_valid_sample(text, text, text, text, double precision, double precision) IS
    'CHECK of training_samples: true, or 23514 (check_violation) that says which column holds what it cannot';

CREATE TABLE @extschema@.training_samples (
    id bigint GENERATED BY DEFAULT AS IDENTITY,
    conversation_log_id bigint,
    text text NOT NULL,
    text_hash bigint,
    normalizer smallint,
    intent text NOT NULL,
    module_id integer,
    module_type text,
    entities jsonb,
    language text,
    expected_service text,
    review_status text NOT NULL DEFAULT 'pending',
    label_source text NOT NULL DEFAULT 'human',
    reviewed_by text,
    reviewed_at timestamptz,
    source text NOT NULL DEFAULT 'manual',
    split text,
    selection_probability double precision,
    quality_score double precision,
    model_version_target text,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT training_samples_pkey PRIMARY KEY (id),
    -- The only unique key that capture meets: two chats never share a conversation, so capture never waits for it.
    CONSTRAINT training_samples_conversation_log_id_key UNIQUE (conversation_log_id),
    CONSTRAINT training_samples_state_check CHECK (@extschema@.tw_valid_sample(review_status, label_source, source, split,
        quality_score, selection_probability))
);
REVOKE ALL ON TABLE @extschema@.training_samples FROM PUBLIC;
SELECT pg_extension_config_dump('@extschema@.training_samples', '');
SELECT pg_extension_config_dump('@extschema@.training_samples_id_seq', '');

-- What the next training run has not seen yet, in the order of training_queue: its first column is the priority, which they have not.
CREATE INDEX training_samples_untrained_idx ON @extschema@.training_samples
    (nullif(normalizer, normalizer), quality_score NULLS FIRST, created_at, conversation_log_id)
    WHERE review_status = 'approved' AND model_version_target IS NULL AND split IS DISTINCT FROM 'test';

CREATE TRIGGER training_samples_touch BEFORE UPDATE ON @extschema@.training_samples
    FOR EACH ROW EXECUTE FUNCTION @extschema@.tw_touch_updated_at();
CREATE TRIGGER training_samples_fill_hash BEFORE INSERT ON @extschema@.training_samples
    FOR EACH ROW WHEN (NEW.text_hash IS NULL) EXECUTE FUNCTION @extschema@.tw_fill_text_hash();
CREATE TRIGGER training_samples_refill_hash BEFORE UPDATE ON @extschema@.training_samples
    FOR EACH ROW WHEN (OLD.text <> NEW.text) EXECUTE FUNCTION @extschema@.tw_fill_text_hash();

COMMENT ON TABLE @extschema@.training_samples IS 'Labelled texts that models learn from: promoted conversations, synthetic and manual ones';
COMMENT ON SEQUENCE @extschema@.training_samples_id_seq IS 'Numbers of training_samples';
COMMENT ON COLUMN @extschema@.training_samples.id IS 'Number of the sample';
COMMENT ON COLUMN @extschema@.training_samples.conversation_log_id IS 'The conversation it came from, at most one sample each; NULL for synthetic and manual samples';
COMMENT ON COLUMN @extschema@.training_samples.text IS 'The text to learn';
COMMENT ON COLUMN @extschema@.training_samples.text_hash IS 'text_hash(text); filled by a trigger where it is not handed in, and never recomputed while the text stays';
COMMENT ON COLUMN @extschema@.training_samples.normalizer IS 'Number of the normalisation behind text_hash';
COMMENT ON COLUMN @extschema@.training_samples.intent IS 'The label';
COMMENT ON COLUMN @extschema@.training_samples.module_id IS 'The application''s number of the module';
COMMENT ON COLUMN @extschema@.training_samples.module_type IS 'The module: the conversation''s, or the intent''s second part when that has none';
COMMENT ON COLUMN @extschema@.training_samples.entities IS 'Entities in the text';
COMMENT ON COLUMN @extschema@.training_samples.language IS 'Language of the text';
COMMENT ON COLUMN @extschema@.training_samples.expected_service IS 'The service that should handle such a request (routed_to of the conversation)';
COMMENT ON COLUMN @extschema@.training_samples.review_status IS 'pending, approved (live) or rejected';
COMMENT ON COLUMN @extschema@.training_samples.label_source IS 'model: auto-approved, nobody looked; human: a person gave or confirmed the label';
COMMENT ON COLUMN @extschema@.training_samples.reviewed_by IS 'The person who reviewed it';
COMMENT ON COLUMN @extschema@.training_samples.reviewed_at IS 'When it was reviewed';
COMMENT ON COLUMN @extschema@.training_samples.source IS 'production (a conversation), synthetic or manual';
COMMENT ON COLUMN @extschema@.training_samples.split IS 'train or test; NULL until the first training run that sees the text decides';
COMMENT ON COLUMN @extschema@.training_samples.selection_probability IS 'The conversation''s audit probability';
COMMENT ON COLUMN @extschema@.training_samples.quality_score IS '0.00 to 1.00: the confidence for a model''s label, 1.00 for a person''s';
COMMENT ON COLUMN @extschema@.training_samples.model_version_target IS 'The model version that first learned from it; NULL = not yet trained';
COMMENT ON COLUMN @extschema@.training_samples.created_at IS 'When the sample was made';
COMMENT ON COLUMN @extschema@.training_samples.updated_at IS 'When the sample last changed';
-- review_policies: overrides of the filter's thresholds, providers and audit rates, per module and/or intent.
-- The built-in policy lives in code and not in a row: a row inserted here would collide with itself at restore.

CREATE TABLE @extschema@.review_policies (
    id bigint GENERATED BY DEFAULT AS IDENTITY,
    module_type text,
    intent text,
    review_below double precision,
    approve_above double precision,
    trusted_providers text[],
    fallback_providers text[],
    audit_rate_approved double precision,
    audit_rate_review double precision,
    note text,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    updated_by text NOT NULL DEFAULT session_user,
    CONSTRAINT review_policies_pkey PRIMARY KEY (id)
);
REVOKE ALL ON TABLE @extschema@.review_policies FROM PUBLIC;
SELECT pg_extension_config_dump('@extschema@.review_policies', '');
SELECT pg_extension_config_dump('@extschema@.review_policies_id_seq', '');

-- UNIQUE (module_type, intent) would take ('food', NULL) twice; NULLS NOT DISTINCT needs PostgreSQL 15.
CREATE UNIQUE INDEX review_policies_scope_key ON @extschema@.review_policies (coalesce(module_type, ''), coalesce(intent, ''));

COMMENT ON TABLE @extschema@.review_policies IS
    'Overrides of the filter; the most specific row wins (module and intent, intent, module, neither), and a NULL setting inherits from the next less specific one, at last from the built-in policy';
COMMENT ON SEQUENCE @extschema@.review_policies_id_seq IS 'Numbers of review_policies';
COMMENT ON COLUMN @extschema@.review_policies.id IS 'Number of the policy; conversation_logs.filter_policy_id points here';
COMMENT ON COLUMN @extschema@.review_policies.module_type IS 'The module it is for; NULL = every module';
COMMENT ON COLUMN @extschema@.review_policies.intent IS 'The intent it is for; NULL = every intent';
COMMENT ON COLUMN @extschema@.review_policies.review_below IS 'Confidences below this are low: needs-review with priority 1 (built-in: 0.70)';
COMMENT ON COLUMN @extschema@.review_policies.approve_above IS 'Confidences above this are high: auto-approved when the provider is trusted (built-in: 0.85)';
COMMENT ON COLUMN @extschema@.review_policies.trusted_providers IS 'Providers whose confident answers are auto-approved (built-in: indicbert); ASCII case does not matter';
COMMENT ON COLUMN @extschema@.review_policies.fallback_providers IS 'Providers whose answers always need review (built-in: llm); ASCII case does not matter';
COMMENT ON COLUMN @extschema@.review_policies.audit_rate_approved IS 'Share of auto-approved rows drawn for the audit (built-in: 0.05)';
COMMENT ON COLUMN @extschema@.review_policies.audit_rate_review IS 'Share of needs-review rows drawn for the audit (built-in: 0.10)';
COMMENT ON COLUMN @extschema@.review_policies.note IS 'Why this policy exists';
COMMENT ON COLUMN @extschema@.review_policies.created_at IS 'When it was made';
COMMENT ON COLUMN @extschema@.review_policies.updated_at IS 'When it last changed';
COMMENT ON COLUMN @extschema@.review_policies.updated_by IS 'The login role that last changed it';

CREATE FUNCTION @extschema@.tw_policy_lock() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'tw_policy_lock';
REVOKE ALL ON FUNCTION @extschema@.tw_policy_lock() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_policy_lock() IS
    'Trigger: lets one transaction at a time change policies, so that two changes that are fine alone cannot contradict each other';

CREATE FUNCTION @extschema@.tw_policy_check_row() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'tw_policy_check_row';
REVOKE ALL ON FUNCTION @extschema@.tw_policy_check_row() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_policy_check_row() IS
    'Trigger: refuses a policy whose own values cannot be right (22023), or that exists already (23505)';

CREATE FUNCTION @extschema@.tw_policy_check_all() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'tw_policy_check_all';
REVOKE ALL ON FUNCTION @extschema@.tw_policy_check_all() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_policy_check_all() IS
    'Trigger: refuses a change after which some module and intent would inherit review_below above approve_above (22023)';

CREATE TRIGGER review_policies_lock BEFORE INSERT OR UPDATE OR DELETE ON @extschema@.review_policies
    FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.tw_policy_lock();
CREATE TRIGGER review_policies_check_row BEFORE INSERT OR UPDATE ON @extschema@.review_policies
    FOR EACH ROW EXECUTE FUNCTION @extschema@.tw_policy_check_row();
CREATE TRIGGER review_policies_check_all AFTER INSERT OR UPDATE OR DELETE ON @extschema@.review_policies
    FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.tw_policy_check_all();
CREATE TRIGGER review_policies_touch BEFORE UPDATE ON @extschema@.review_policies
    FOR EACH ROW EXECUTE FUNCTION @extschema@.tw_touch_updated_at();

-- ENABLE ALWAYS, and one trigger a row: logical replication fires neither ordinary nor statement-level triggers.
CREATE TRIGGER review_policies_invalidate AFTER INSERT OR UPDATE OR DELETE ON @extschema@.review_policies
    FOR EACH ROW EXECUTE FUNCTION @extschema@.tw_invalidate_cache();
CREATE TRIGGER review_policies_invalidate_truncate AFTER TRUNCATE ON @extschema@.review_policies
    FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.tw_invalidate_cache();
ALTER TABLE @extschema@.review_policies ENABLE ALWAYS TRIGGER review_policies_invalidate;
ALTER TABLE @extschema@.review_policies ENABLE ALWAYS TRIGGER review_policies_invalidate_truncate;
-- The filter's SQL face: what it would decide, without a row.

CREATE FUNCTION @extschema@.filter_decision(
    confidence double precision, provider text, intent text, module_type text,
    OUT review_status text, OUT review_priority smallint, OUT review_reason text,
    OUT review_below double precision, OUT approve_above double precision,
    OUT audit_rate double precision, OUT filter_policy_id bigint)
    LANGUAGE c STABLE PARALLEL SAFE CALLED ON NULL INPUT
    AS 'MODULE_PATHNAME', 'tw_filter_decision';
REVOKE ALL ON FUNCTION @extschema@.filter_decision(double precision, text, text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.filter_decision(double precision, text, text, text) IS
    'What the filter would decide about a text message with this prediction, and why: status, priority and reason, the '
    'thresholds and audit rate in force, and the most specific policy behind them (NULL = the built-in one). Takes NULLs as capture does';

CREATE FUNCTION @extschema@.is_fallback_provider(provider text, intent text, module_type text) RETURNS boolean
    LANGUAGE c STABLE PARALLEL SAFE CALLED ON NULL INPUT
    AS 'MODULE_PATHNAME', 'tw_is_fallback_provider';
REVOKE ALL ON FUNCTION @extschema@.is_fallback_provider(text, text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.is_fallback_provider(text, text, text) IS
    'Whether the policy for this module and intent counts the provider as a fallback (built-in: llm); false for NULL';

CREATE FUNCTION @extschema@.intent_module_type(intent text) RETURNS text
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'tw_intent_module_type';
REVOKE ALL ON FUNCTION @extschema@.intent_module_type(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.intent_module_type(text) IS
    'The second part of a dotted intent, its module: food for intent.food.item.search; NULL where there is none';
-- The triggers of conversation_logs. Their functions carry neither SET nor SECURITY DEFINER, which would cost 2.5 times
-- the time: they qualify every name, and act as the table's owner for as long as the samples are written.

CREATE FUNCTION @extschema@.tw_capture_filter() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'tw_capture_filter';
REVOKE ALL ON FUNCTION @extschema@.tw_capture_filter() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_capture_filter() IS
    'Trigger: decides what becomes of a new conversation; leaves rows that arrive with a review_status, or with a created_on '
    '(restored before they were filtered), as they are, and rows that replication brings for the sweep';

CREATE FUNCTION @extschema@.tw_capture_promote() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'tw_capture_promote';
REVOKE ALL ON FUNCTION @extschema@.tw_capture_promote() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_capture_promote() IS
    'Trigger: makes training samples of the conversations that this statement''s filter auto-approved; on failure the '
    'conversations stay, with a WARNING and a failed row in job_runs (errors of the classes 40, 53, 57 and XX, and 54001, '
    'fail the statement)';

CREATE FUNCTION @extschema@.tw_check_update() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'tw_check_update';
REVOKE ALL ON FUNCTION @extschema@.tw_check_update() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_check_update() IS
    'Trigger: refuses an UPDATE of what capture wrote once, and of a verdict to none; raises 55000 (object_not_in_prerequisite_state)';

CREATE TRIGGER conversation_logs_filter BEFORE INSERT ON @extschema@.conversation_logs
    FOR EACH ROW EXECUTE FUNCTION @extschema@.tw_capture_filter();

-- ENABLE ALWAYS: rows that replication brings are not filtered, but marked as having come (created_on), so that a dump of
-- them does not look like a new message when it is restored.
ALTER TABLE @extschema@.conversation_logs ENABLE ALWAYS TRIGGER conversation_logs_filter;

-- A row that came in while triggers did not fire is filtered by the first UPDATE that touches it (the sweep's, at the latest).
CREATE TRIGGER conversation_logs_filter_late BEFORE UPDATE ON @extschema@.conversation_logs
    FOR EACH ROW WHEN (OLD.review_status IS NULL AND OLD.filtered_at IS NULL AND NEW.review_status IS NULL)
    EXECUTE FUNCTION @extschema@.tw_capture_filter();

CREATE TRIGGER conversation_logs_promote AFTER INSERT ON @extschema@.conversation_logs
    REFERENCING NEW TABLE AS captured
    FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.tw_capture_promote();

CREATE TRIGGER conversation_logs_check_update AFTER UPDATE ON @extschema@.conversation_logs
    FOR EACH ROW EXECUTE FUNCTION @extschema@.tw_check_update();

CREATE FUNCTION @extschema@.promote_missed_conversations(
    min_age interval DEFAULT '1 hour',
    OUT filtered bigint, OUT promoted bigint, OUT failed bigint)
    LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'tw_promote_missed_conversations';
REVOKE ALL ON FUNCTION @extschema@.promote_missed_conversations(interval) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.promote_missed_conversations(interval) IS
    'The sweep: filters conversations that came in while triggers did not fire, then makes the samples of auto-approved '
    'conversations that have none: of those it has just filtered, and of those that were filtered at least min_age ago. One '
    'bad row stops no other. Returns how many were filtered, promoted, and failed again (a WARNING each). A sample that '
    'somebody deleted comes back: reject the conversation instead. Raises 22023 for a negative min_age';
-- review_events: every verdict and every feedback, as it was given. Append-only.

CREATE TABLE @extschema@.review_events (
    id bigint GENERATED BY DEFAULT AS IDENTITY,
    conversation_log_id bigint NOT NULL,
    action text NOT NULL,
    reject_reason text,
    intent text,
    entities jsonb,
    note text,
    from_status text,
    to_status text,
    review_priority smallint,
    review_reason text,
    reviewer text NOT NULL,
    session_role text NOT NULL DEFAULT session_user,
    outer_role text NOT NULL,
    details jsonb,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT review_events_pkey PRIMARY KEY (id),
    CONSTRAINT review_events_action_check CHECK (action IN ('approve', 'fix', 'reject', 'withdraw', 'feedback', 'conflict')),
    CONSTRAINT review_events_reject_reason_check CHECK (
        reject_reason IN ('unclear', 'no-such-intent') AND action = 'reject' OR reject_reason IS NULL AND action <> 'reject'),
    -- A verdict that gives a label names it.
    CONSTRAINT review_events_intent_check CHECK ((intent IS NOT NULL) = (action IN ('approve', 'fix')))
);
REVOKE ALL ON TABLE @extschema@.review_events FROM PUBLIC;
SELECT pg_extension_config_dump('@extschema@.review_events', '');
SELECT pg_extension_config_dump('@extschema@.review_events_id_seq', '');

-- The newest verdict on a conversation.
CREATE INDEX review_events_conversation_idx ON @extschema@.review_events (conversation_log_id, id);
-- What reviewers did in the last days.
CREATE INDEX review_events_created_at_idx ON @extschema@.review_events (created_at);

CREATE TRIGGER review_events_append_only BEFORE UPDATE OR DELETE ON @extschema@.review_events
    FOR EACH ROW EXECUTE FUNCTION @extschema@.tw_append_only();
CREATE TRIGGER review_events_append_only_truncate BEFORE TRUNCATE ON @extschema@.review_events
    FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.tw_append_only();
-- ENABLE ALWAYS: no setting of a session opens it.
ALTER TABLE @extschema@.review_events ENABLE ALWAYS TRIGGER review_events_append_only;
ALTER TABLE @extschema@.review_events ENABLE ALWAYS TRIGGER review_events_append_only_truncate;

COMMENT ON TABLE @extschema@.review_events IS
    'Every verdict of a person and every feedback of a user, in the order in which they came (id); the newest verdict stands; append-only';
COMMENT ON SEQUENCE @extschema@.review_events_id_seq IS 'Numbers of review_events';
COMMENT ON COLUMN @extschema@.review_events.id IS 'Number of the event';
COMMENT ON COLUMN @extschema@.review_events.conversation_log_id IS 'The conversation it is about';
COMMENT ON COLUMN @extschema@.review_events.action IS 'approve, fix or reject (verdicts of a person), withdraw (takes them back), feedback (of the user), conflict (queued for a label conflict)';
COMMENT ON COLUMN @extschema@.review_events.reject_reason IS 'unclear: nobody can tell what was meant; no-such-intent: the model was wrong and no intent fits';
COMMENT ON COLUMN @extschema@.review_events.intent IS 'The label that an approve or fix gave';
COMMENT ON COLUMN @extschema@.review_events.entities IS 'The entities that an approve or fix gave';
COMMENT ON COLUMN @extschema@.review_events.note IS 'What the reviewer remarked';
COMMENT ON COLUMN @extschema@.review_events.from_status IS 'review_status of the conversation before';
COMMENT ON COLUMN @extschema@.review_events.to_status IS 'review_status of the conversation after';
COMMENT ON COLUMN @extschema@.review_events.review_priority IS 'Its priority in the queue before; NULL when it was not in the queue';
COMMENT ON COLUMN @extschema@.review_events.review_reason IS 'Why it was in the queue before';
COMMENT ON COLUMN @extschema@.review_events.reviewer IS 'The person: who is named by an operator, else the role that asked';
COMMENT ON COLUMN @extschema@.review_events.session_role IS 'The role that logged in';
COMMENT ON COLUMN @extschema@.review_events.outer_role IS 'The role in force when the function was called (SET ROLE)';
COMMENT ON COLUMN @extschema@.review_events.details IS 'previous_intent and learned_by (the model version that had learned it) when a verdict changed a sample''s label; labelstudio (project, task, annotation, updated_at by its clock, given_at by ours) when it came from there; feedback when a user gave some';
COMMENT ON COLUMN @extschema@.review_events.created_at IS 'When';
-- review_claims: which conversations a reviewer has taken to look at, and until when.

CREATE TABLE @extschema@.review_claims (
    conversation_log_id bigint NOT NULL,
    reviewer text NOT NULL,
    claimed_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    CONSTRAINT review_claims_pkey PRIMARY KEY (conversation_log_id),
    CONSTRAINT review_claims_lease_check CHECK (expires_at > claimed_at)
);
REVOKE ALL ON TABLE @extschema@.review_claims FROM PUBLIC;
SELECT pg_extension_config_dump('@extschema@.review_claims', '');

COMMENT ON TABLE @extschema@.review_claims IS 'Conversations that a reviewer holds until a verdict or the end of the lease; a claim past its end is as good as none';
COMMENT ON COLUMN @extschema@.review_claims.conversation_log_id IS 'The conversation';
COMMENT ON COLUMN @extschema@.review_claims.reviewer IS 'Who holds it';
COMMENT ON COLUMN @extschema@.review_claims.claimed_at IS 'Since when';
COMMENT ON COLUMN @extschema@.review_claims.expires_at IS 'Until when';
-- Who is asking: the role behind SECURITY DEFINER functions, and the person behind a shared role.

-- By its OID: the setting "role" keeps the name that was given to SET ROLE, which may by now be another role's.
CREATE FUNCTION @extschema@.tw_outer_role_id() RETURNS oid
    LANGUAGE c STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'tw_outer_role_id';
REVOKE ALL ON FUNCTION @extschema@.tw_outer_role_id() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_outer_role_id() IS
    'The role that a caller acts as (SET ROLE, or the one that logged in), also within functions that run with their owner''s rights';

CREATE FUNCTION @extschema@.tw_outer_role() RETURNS name
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
RETURN pg_get_userbyid(@extschema@.tw_outer_role_id());
REVOKE ALL ON FUNCTION @extschema@.tw_outer_role() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_outer_role() IS
    'The name of the role that a caller acts as';

CREATE FUNCTION @extschema@.tw_is_operator() RETURNS boolean
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
RETURN has_function_privilege(@extschema@.tw_outer_role_id(), '@extschema@.set_training_setting(text, text)'::regprocedure, 'EXECUTE');
REVOKE ALL ON FUNCTION @extschema@.tw_is_operator() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_is_operator() IS
    'Whether the caller may do what operators may (superusers and the owner may)';

CREATE FUNCTION @extschema@.tw_reviewer(reviewer text) RETURNS text
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF reviewer IS NULL THEN
        RETURN @extschema@.tw_outer_role();
    END IF;
    IF @extschema@.tw_is_blank(reviewer) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = 'reviewer must not be blank',
            HINT = 'Name the person, or pass NULL for the role that you are.';
    END IF;
    IF NOT @extschema@.tw_is_operator() THEN
        RAISE EXCEPTION USING
            ERRCODE = 'insufficient_privilege',
            MESSAGE = 'permission denied to act for another reviewer',
            DETAIL = format('Role "%s" is not an operator.', @extschema@.tw_outer_role()),
            HINT = 'Leave the reviewer out to act as the role that you are.';
    END IF;
    RETURN reviewer;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_reviewer(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_reviewer(text) IS
    'The person that a verdict or claim belongs to: the one named, by operators only (else 42501), or the role that asks';
-- Verdicts: approve, fix, reject. Each comes for one conversation and for many; all of them end in tw_record_verdict().
-- Locks are taken everywhere in the same order: conversations, then samples, ids ascending.

CREATE FUNCTION @extschema@.tw_check_verdict(ids bigint[], action text, intent text, entities jsonb, reason text) RETURNS void
    LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF ids IS NULL OR EXISTS (SELECT FROM unnest(ids) AS i (id) WHERE i.id IS NULL) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'null_value_not_allowed',
            MESSAGE = 'the id of a conversation must not be NULL';
    END IF;
    IF action = 'fix' AND @extschema@.tw_is_blank(intent) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = 'a fix needs the right intent',
            HINT = 'Where no intent fits, reject the conversation with reason ''no-such-intent''.';
    END IF;
    IF entities IS NOT NULL AND jsonb_typeof(entities) NOT IN ('object', 'array') THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('entities must be a JSON object or array, not a %s', jsonb_typeof(entities)),
            HINT = 'NULL keeps the entities that the model found, ''{}'' says that there are none.';
    END IF;
    IF action = 'reject' AND (reason IS NULL OR reason NOT IN ('unclear', 'no-such-intent')) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('there is no reason "%s" to reject a conversation', coalesce(reason, 'NULL')),
            HINT = 'The reasons are: unclear, no-such-intent.';
    END IF;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_check_verdict(bigint[], text, text, jsonb, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_check_verdict(bigint[], text, text, jsonb, text) IS
    'Refuses what no verdict can be, whatever the conversations: 22004 for a NULL id, 22023 for the rest';

CREATE FUNCTION @extschema@.tw_lock_for_verdict(ids bigint[], action text, person text) RETURNS void
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    problem record;
BEGIN
    PERFORM FROM @extschema@.conversation_logs c WHERE c.id = ANY (ids) ORDER BY c.id FOR UPDATE;
    PERFORM FROM @extschema@.training_samples s WHERE s.conversation_log_id = ANY (ids) ORDER BY s.id FOR UPDATE;

    SELECT i.id INTO problem FROM unnest(ids) AS i (id)
    WHERE NOT EXISTS (SELECT FROM @extschema@.conversation_logs c WHERE c.id = i.id) ORDER BY i.id LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'no_data_found',
            MESSAGE = format('conversation %s does not exist', problem.id),
            HINT = 'The ids are those of conversation_logs (conversation_log_id in training_queue).';
    END IF;

    SELECT c.id, c.review_status INTO problem FROM @extschema@.conversation_logs c
    WHERE c.id = ANY (ids) AND coalesce(c.review_status, 'not-applicable') = 'not-applicable' ORDER BY c.id LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('conversation %s cannot be reviewed', problem.id),
            DETAIL = CASE WHEN problem.review_status IS NULL THEN 'The filter has not seen it yet.'
                          ELSE 'There is nothing to learn from it: it is not a text message, or a blank one.' END,
            HINT = CASE WHEN problem.review_status IS NULL THEN 'Run promote_missed_conversations() first.'
                        ELSE 'Leave it out.' END;
    END IF;

    -- An imported row may say that it waits for review although there is nothing to learn: it can only be rejected.
    SELECT c.id INTO problem FROM @extschema@.conversation_logs c
    WHERE action IN ('approve', 'fix') AND c.id = ANY (ids)
      AND (lower(c.message_type COLLATE "C") <> 'text' OR @extschema@.tw_is_blank(c.user_message)) ORDER BY c.id LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('conversation %s cannot become a sample', problem.id),
            DETAIL = 'It is not a text message, or a blank one.',
            HINT = 'Reject it with reason ''unclear''.';
    END IF;

    SELECT c.id INTO problem FROM @extschema@.conversation_logs c
    WHERE action = 'approve' AND c.id = ANY (ids) AND @extschema@.tw_is_blank(c.nlu_intent) ORDER BY c.id LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('conversation %s has no predicted intent to approve', problem.id),
            HINT = 'Give it one with fix_conversation().';
    END IF;

    SELECT k.conversation_log_id AS id, k.reviewer, k.expires_at INTO problem FROM @extschema@.review_claims k
    WHERE k.conversation_log_id = ANY (ids) AND k.expires_at > clock_timestamp() AND k.reviewer <> person
    ORDER BY k.conversation_log_id LIMIT 1;
    IF FOUND AND NOT @extschema@.tw_is_operator() THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_in_use',
            MESSAGE = format('conversation %s is claimed by "%s" until %s', problem.id, problem.reviewer, problem.expires_at),
            HINT = 'Wait for that verdict or for the end of the lease, or ask an operator.';
    END IF;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_lock_for_verdict(bigint[], text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_lock_for_verdict(bigint[], text, text) IS
    'Locks conversations and their samples, and refuses those that cannot have this verdict from this person: P0002 for an '
    'unknown id, 55000 where there is nothing to review or approve, 55006 while somebody else holds it';

CREATE FUNCTION @extschema@.tw_label_samples(ids bigint[], new_intent text, new_entities jsonb, person text) RETURNS void
    LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    INSERT INTO @extschema@.training_samples AS s (conversation_log_id, text, intent, module_id, module_type,
        entities, language, expected_service, review_status, label_source, reviewed_by, reviewed_at, source,
        selection_probability, quality_score)
    SELECT c.id, @extschema@.tw_sample_text(c.user_message), l.intent,
           -- A label of another module takes neither the module nor the service from the prediction that was wrong.
           CASE WHEN l.intent = c.nlu_intent OR m.module_type = c.nlu_module_type THEN c.nlu_module_id END,
           m.module_type, @extschema@.tw_sample_entities(coalesce(new_entities, c.nlu_entities)), c.message_language,
           CASE WHEN l.intent = c.nlu_intent THEN c.routed_to END,
           'approved', 'human', person, now(), 'production', c.selection_probability, 1
    FROM @extschema@.conversation_logs c
    CROSS JOIN LATERAL (SELECT coalesce(new_intent, c.nlu_intent) AS intent) l
    CROSS JOIN LATERAL (SELECT CASE WHEN l.intent = c.nlu_intent
        THEN coalesce(nullif(c.nlu_module_type, ''), @extschema@.intent_module_type(l.intent))
        ELSE coalesce(@extschema@.intent_module_type(l.intent), nullif(c.nlu_module_type, '')) END AS module_type) m
    WHERE c.id = ANY (ids)
    ORDER BY c.id
    ON CONFLICT (conversation_log_id) DO UPDATE SET
        intent = excluded.intent, module_id = excluded.module_id, module_type = excluded.module_type,
        entities = excluded.entities, expected_service = excluded.expected_service, review_status = excluded.review_status,
        label_source = excluded.label_source, reviewed_by = excluded.reviewed_by, reviewed_at = excluded.reviewed_at,
        quality_score = excluded.quality_score,
        -- Another label is new to the model that learned the old one.
        model_version_target = CASE WHEN s.intent = excluded.intent THEN s.model_version_target END;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_label_samples(bigint[], text, jsonb, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_label_samples(bigint[], text, jsonb, text) IS
    'Makes or updates the samples of conversations with a person''s label: new_intent, or what was predicted when it is NULL';

CREATE FUNCTION @extschema@.tw_record_verdict(
    ids bigint[], verdict text, new_intent text, new_entities jsonb, why text, remark text, named_reviewer text,
    given jsonb DEFAULT NULL) RETURNS bigint
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    person text := @extschema@.tw_reviewer(named_reviewer);
    new_status text := CASE verdict WHEN 'reject' THEN 'rejected' ELSE 'approved' END;
    unseen bigint[];
    recorded bigint;
BEGIN
    PERFORM @extschema@.tw_check_verdict(ids, verdict, new_intent, new_entities, why);
    -- A space beside it would make it another intent, and the model's answer wrong.
    new_intent := btrim(new_intent, E' \t\n\r\f\v');
    PERFORM @extschema@.tw_lock_for_verdict(ids, verdict, person);

    -- Feedback against the model that came after the reviewer had claimed the row: somebody has yet to see it.
    SELECT coalesce(array_agg(k.conversation_log_id), '{}') INTO unseen
    FROM @extschema@.review_claims k
    WHERE k.conversation_log_id = ANY (ids) AND k.reviewer = person
      AND EXISTS (SELECT FROM @extschema@.review_events e
                  WHERE e.conversation_log_id = k.conversation_log_id AND e.action = 'feedback' AND e.created_at > k.claimed_at
                    AND (lower(e.details ->> 'feedback' COLLATE "C") = 'negative' OR (e.details ->> 'corrected')::boolean));

    -- The event comes first: it keeps what the statements after it change.
    INSERT INTO @extschema@.review_events (conversation_log_id, action, reject_reason, intent, entities, note, from_status,
        to_status, review_priority, review_reason, reviewer, outer_role, details)
    SELECT c.id, verdict, why, l.intent, CASE WHEN l.intent IS NOT NULL THEN @extschema@.tw_sample_entities(coalesce(new_entities, c.nlu_entities)) END, remark,
           c.review_status, new_status, c.review_priority, c.review_reason, person, @extschema@.tw_outer_role(),
           nullif(coalesce(given, '{}') || CASE WHEN s.intent IS DISTINCT FROM l.intent AND s.id IS NOT NULL
                THEN jsonb_strip_nulls(jsonb_build_object('previous_intent', s.intent, 'learned_by', s.model_version_target)) ELSE '{}' END, '{}')
    FROM @extschema@.conversation_logs c
    LEFT JOIN @extschema@.training_samples s ON s.conversation_log_id = c.id
    CROSS JOIN LATERAL (SELECT CASE verdict WHEN 'approve' THEN c.nlu_intent WHEN 'fix' THEN new_intent END AS intent) l
    WHERE c.id = ANY (ids)
    ORDER BY c.id;
    GET DIAGNOSTICS recorded = ROW_COUNT;

    UPDATE @extschema@.conversation_logs c
    SET review_status = new_status, is_training_candidate = (new_status = 'approved'),
        review_priority = CASE WHEN c.id = ANY (unseen) THEN c.review_priority END,
        review_reason = CASE WHEN c.id = ANY (unseen) THEN c.review_reason END
    WHERE c.id = ANY (ids);
    IF verdict = 'reject' THEN
        UPDATE @extschema@.training_samples s
        SET review_status = 'rejected', reviewed_by = person, reviewed_at = now()
        WHERE s.conversation_log_id = ANY (ids);
    ELSE
        PERFORM @extschema@.tw_label_samples(ids, new_intent, new_entities, person);
    END IF;
    DELETE FROM @extschema@.review_claims k WHERE k.conversation_log_id = ANY (ids);
    RETURN recorded;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_record_verdict(bigint[], text, text, jsonb, text, text, text, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_record_verdict(bigint[], text, text, jsonb, text, text, text, jsonb) IS
    'Gives one verdict (approve, fix, reject) to conversations: event, status, sample and claim in one transaction; returns how '
    'many. given goes into the details of the events: where the verdict came from';

CREATE FUNCTION @extschema@.approve_conversation(id bigint, note text DEFAULT NULL, reviewer text DEFAULT NULL)
    RETURNS bigint
    LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
RETURN @extschema@.tw_record_verdict(ARRAY[id], 'approve', NULL, NULL, NULL, note, reviewer);
REVOKE ALL ON FUNCTION @extschema@.approve_conversation(bigint, text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.approve_conversation(bigint, text, text) IS
    'Approves the prediction of a conversation: its sample carries the predicted intent as a persons label. A verdict can be changed; the newest stands. Returns 1. '
    'reviewer names the person behind a shared role, for operators only. Raises 55000 where there is no predicted intent, '
    'P0002 for an unknown id, 55000 where there is nothing to review, 55006 while somebody else holds a claim, 42501 for a '
    'reviewer named by others than operators';

CREATE FUNCTION @extschema@.approve_conversations(ids bigint[], note text DEFAULT NULL, reviewer text DEFAULT NULL)
    RETURNS bigint
    LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
RETURN @extschema@.tw_record_verdict(ids, 'approve', NULL, NULL, NULL, note, reviewer);
REVOKE ALL ON FUNCTION @extschema@.approve_conversations(bigint[], text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.approve_conversations(bigint[], text, text) IS
    'Approves the prediction of conversations: each sample carries the predicted intent as a persons label. A verdict can be changed; the newest stands. Returns how many conversations that were. '
    'reviewer names the person behind a shared role, for operators only. Raises 55000 where there is no predicted intent, '
    'P0002 for an unknown id, 55000 where there is nothing to review, 55006 while somebody else holds a claim, 42501 for a '
    'reviewer named by others than operators';

CREATE FUNCTION @extschema@.fix_conversation(id bigint, intent text, entities jsonb DEFAULT NULL, note text DEFAULT NULL, reviewer text DEFAULT NULL)
    RETURNS bigint
    LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
RETURN @extschema@.tw_record_verdict(ARRAY[id], 'fix', intent, entities, NULL, note, reviewer);
REVOKE ALL ON FUNCTION @extschema@.fix_conversation(bigint, text, jsonb, text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.fix_conversation(bigint, text, jsonb, text, text) IS
    'Gives a conversation the right intent and entities (NULL keeps the models): its sample carries them as a persons label. A verdict can be changed; the newest stands. Returns 1. '
    'reviewer names the person behind a shared role, for operators only. Raises 22023 for a blank intent or entities that are neither object nor array, '
    'P0002 for an unknown id, 55000 where there is nothing to review, 55006 while somebody else holds a claim, 42501 for a '
    'reviewer named by others than operators';

CREATE FUNCTION @extschema@.fix_conversations(ids bigint[], intent text, entities jsonb DEFAULT NULL, note text DEFAULT NULL, reviewer text DEFAULT NULL)
    RETURNS bigint
    LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
RETURN @extschema@.tw_record_verdict(ids, 'fix', intent, entities, NULL, note, reviewer);
REVOKE ALL ON FUNCTION @extschema@.fix_conversations(bigint[], text, jsonb, text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.fix_conversations(bigint[], text, jsonb, text, text) IS
    'Gives conversations the right intent and entities (NULL keeps the models): each sample carries them as a persons label. A verdict can be changed; the newest stands. Returns how many conversations that were. '
    'reviewer names the person behind a shared role, for operators only. Raises 22023 for a blank intent or entities that are neither object nor array, '
    'P0002 for an unknown id, 55000 where there is nothing to review, 55006 while somebody else holds a claim, 42501 for a '
    'reviewer named by others than operators';

CREATE FUNCTION @extschema@.reject_conversation(id bigint, reason text, note text DEFAULT NULL, reviewer text DEFAULT NULL)
    RETURNS bigint
    LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
RETURN @extschema@.tw_record_verdict(ARRAY[id], 'reject', NULL, NULL, reason, note, reviewer);
REVOKE ALL ON FUNCTION @extschema@.reject_conversation(bigint, text, text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.reject_conversation(bigint, text, text, text) IS
    'Rejects a conversation with reason unclear or no-such-intent: its sample is retired. A verdict can be changed; the newest stands. Returns 1. '
    'reviewer names the person behind a shared role, for operators only. Raises 22023 for another reason, '
    'P0002 for an unknown id, 55000 where there is nothing to review, 55006 while somebody else holds a claim, 42501 for a '
    'reviewer named by others than operators';

CREATE FUNCTION @extschema@.reject_conversations(ids bigint[], reason text, note text DEFAULT NULL, reviewer text DEFAULT NULL)
    RETURNS bigint
    LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
RETURN @extschema@.tw_record_verdict(ids, 'reject', NULL, NULL, reason, note, reviewer);
REVOKE ALL ON FUNCTION @extschema@.reject_conversations(bigint[], text, text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.reject_conversations(bigint[], text, text, text) IS
    'Rejects conversations with reason unclear or no-such-intent: each sample is retired. A verdict can be changed; the newest stands. Returns how many conversations that were. '
    'reviewer names the person behind a shared role, for operators only. Raises 22023 for another reason, '
    'P0002 for an unknown id, 55000 where there is nothing to review, 55006 while somebody else holds a claim, 42501 for a '
    'reviewer named by others than operators';
-- withdraw_verdict(): a person takes a verdict back, and the conversation waits again.

CREATE FUNCTION @extschema@.tw_withdraw_verdict(conversation bigint, remark text, named_reviewer text, given jsonb) RETURNS bigint
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    person text := @extschema@.tw_reviewer(named_reviewer);
    first @extschema@.review_events;
    new_status text;
BEGIN
    PERFORM @extschema@.tw_check_verdict(ARRAY[conversation], 'withdraw', NULL, NULL, NULL);
    PERFORM @extschema@.tw_lock_for_verdict(ARRAY[conversation], 'withdraw', person);
    -- A verdict that was changed is withdrawn with what it changed: back to how it was before anybody judged.
    SELECT * INTO first FROM @extschema@.review_events e
    WHERE e.conversation_log_id = conversation AND e.action IN ('approve', 'fix', 'reject')
      AND e.id > coalesce((SELECT max(w.id) FROM @extschema@.review_events w
                           WHERE w.conversation_log_id = conversation AND w.action = 'withdraw'), 0)
    ORDER BY e.id LIMIT 1;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('conversation %s has no verdict to withdraw', conversation),
            HINT = 'review_events has every verdict that was given.';
    END IF;
    new_status := CASE first.from_status WHEN 'auto-approved' THEN 'auto-approved' ELSE 'needs-review' END;

    INSERT INTO @extschema@.review_events (conversation_log_id, action, note, from_status, to_status, review_priority, review_reason,
        reviewer, outer_role, details)
    SELECT c.id, 'withdraw', remark, c.review_status, new_status, c.review_priority, c.review_reason, person, @extschema@.tw_outer_role(),
           nullif(coalesce(given, '{}') || coalesce(jsonb_strip_nulls(jsonb_build_object('previous_intent', s.intent, 'learned_by', s.model_version_target)), '{}'), '{}')
    FROM @extschema@.conversation_logs c
    LEFT JOIN @extschema@.training_samples s ON s.conversation_log_id = c.id
    WHERE c.id = conversation;
    UPDATE @extschema@.conversation_logs c
    SET review_status = new_status, is_training_candidate = true,
        review_priority = coalesce(c.review_priority, first.review_priority, 2),
        review_reason = CASE WHEN c.review_priority IS NOT NULL THEN c.review_reason
                             WHEN first.review_priority IS NOT NULL THEN first.review_reason ELSE 'verdict withdrawn' END
    WHERE c.id = conversation;
    -- The sample of a confident answer is the model's again, unless a user had contradicted it; any other waits for a label.
    UPDATE @extschema@.training_samples s
    SET review_status = CASE WHEN restored.by_model AND coalesce(first.review_reason, 'audit') = 'audit' THEN 'approved' ELSE 'pending' END,
        label_source = CASE WHEN restored.by_model THEN 'model' ELSE s.label_source END,
        intent = CASE WHEN restored.by_model THEN c.nlu_intent ELSE s.intent END,
        entities = CASE WHEN restored.by_model THEN @extschema@.tw_sample_entities(c.nlu_entities) ELSE s.entities END,
        module_id = CASE WHEN restored.by_model THEN c.nlu_module_id ELSE s.module_id END,
        module_type = CASE WHEN restored.by_model THEN coalesce(nullif(c.nlu_module_type, ''), @extschema@.intent_module_type(c.nlu_intent))
                      ELSE s.module_type END,
        expected_service = CASE WHEN restored.by_model THEN c.routed_to ELSE s.expected_service END,
        quality_score = CASE WHEN restored.by_model THEN c.nlu_confidence ELSE s.quality_score END,
        model_version_target = CASE WHEN NOT restored.by_model OR s.intent = c.nlu_intent THEN s.model_version_target END,
        reviewed_by = NULL, reviewed_at = NULL
    FROM @extschema@.conversation_logs c, (SELECT new_status = 'auto-approved' AS by_model) restored
    WHERE c.id = conversation AND s.conversation_log_id = c.id;
    DELETE FROM @extschema@.review_claims k WHERE k.conversation_log_id = conversation;
    RETURN 1;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_withdraw_verdict(bigint, text, text, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_withdraw_verdict(bigint, text, text, jsonb) IS
    'withdraw_verdict(), with what the event shall say of where it came from';

CREATE FUNCTION @extschema@.withdraw_verdict(id bigint, note text DEFAULT NULL, reviewer text DEFAULT NULL) RETURNS bigint
    LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
RETURN @extschema@.tw_withdraw_verdict(id, note, reviewer, NULL);
REVOKE ALL ON FUNCTION @extschema@.withdraw_verdict(bigint, text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.withdraw_verdict(bigint, text, text) IS
    'Takes the verdict on a conversation back: it waits again with the priority and reason that it had, its sample is not learned '
    'from until somebody judges (that of a confident answer is the model''s again), and it counts in no estimate. Returns 1. '
    'reviewer names the person behind a shared role, for operators only. Raises P0002 for an unknown id, 55000 where there is no '
    'verdict, 55006 while somebody else holds a claim, 42501 for a reviewer named by others than operators';
-- claim_reviews(): the next rows of the queue, each held by one reviewer.

CREATE FUNCTION @extschema@.claim_reviews(
    count integer DEFAULT 10, lease interval DEFAULT '30 minutes', reviewer text DEFAULT NULL,
    OUT conversation_log_id bigint, OUT review_priority smallint, OUT review_reason text, OUT text text, OUT language text,
    OUT intent text, OUT confidence double precision, OUT provider text, OUT module_type text, OUT entities jsonb,
    OUT is_audit boolean, OUT session_id text, OUT created_at timestamptz, OUT expires_at timestamptz)
    RETURNS SETOF record
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
#variable_conflict use_column
DECLARE
    person text := @extschema@.tw_reviewer(claim_reviews.reviewer);
    -- Half of every batch at most; an odd one is rounded up or down by chance, so that batches of one see both kinds.
    audits integer := floor(claim_reviews.count / 2.0 + random());
    taken bigint[];
BEGIN
    IF claim_reviews.count IS NULL OR claim_reviews.count NOT BETWEEN 1 AND 1000 THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = 'count must be between 1 and 1000',
            HINT = 'Claim what one person can review before the lease ends.';
    END IF;
    IF lease IS NULL OR clock_timestamp() + lease <= clock_timestamp() OR lease > '1 day' THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = 'lease must be longer than nothing and at most a day',
            HINT = 'For example ''30 minutes''.';
    END IF;

    taken := @extschema@.tw_claim_audited(person, lease, audits);
    taken := taken || @extschema@.tw_claim_urgent(person, lease, claim_reviews.count - cardinality(taken));
    -- Where nothing else waits, the audit gets the rest of the batch.
    taken := taken || @extschema@.tw_claim_audited(person, lease, claim_reviews.count - cardinality(taken));
    RETURN QUERY
        SELECT c.id, c.review_priority, c.review_reason, @extschema@.tw_sample_text(c.user_message), c.message_language, c.nlu_intent, c.nlu_confidence,
               c.nlu_provider, coalesce(nullif(c.nlu_module_type, ''), @extschema@.intent_module_type(c.nlu_intent)),
               @extschema@.tw_sample_entities(c.nlu_entities), c.is_audit, c.session_id, c.created_at, k.expires_at
        FROM @extschema@.conversation_logs c JOIN @extschema@.review_claims k ON k.conversation_log_id = c.id
        WHERE c.id = ANY (taken)
        ORDER BY c.review_priority, c.nlu_confidence NULLS FIRST, c.created_at, c.id;
END
$function$;

-- Rows that another session is claiming at this moment are skipped; one that it has just claimed is found by the key, and one
-- that has just gone to Label Studio by this statement's own snapshot, which is newer than the row's lock (in READ COMMITTED;
-- in a transaction that looks at an older state both may get it, and the newer verdict stands).
CREATE FUNCTION @extschema@.tw_hold(ids bigint[], person text, lease interval) RETURNS bigint[]
    LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH held AS (
        INSERT INTO @extschema@.review_claims AS k (conversation_log_id, reviewer, claimed_at, expires_at)
        SELECT i.id, person, now.at, now.at + lease FROM unnest(ids) AS i (id), (SELECT clock_timestamp() AS at) now
        WHERE NOT EXISTS (SELECT FROM @extschema@.labelstudio_tasks t WHERE t.conversation_log_id = i.id AND t.status IN ('claimed', 'open'))
        ON CONFLICT (conversation_log_id) DO UPDATE
            SET reviewer = excluded.reviewer, claimed_at = excluded.claimed_at, expires_at = excluded.expires_at
            WHERE k.expires_at <= clock_timestamp()
        RETURNING k.conversation_log_id
    )
    SELECT coalesce(array_agg(h.conversation_log_id), '{}') FROM held h;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_hold(bigint[], text, interval) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_hold(bigint[], text, interval) IS
    'Writes claims for conversations that are locked, and returns those that nobody else had claimed meanwhile';

-- In the order in which they came: by priority or confidence, the part of the audit that is done so far would be no
-- random sample (simulated: live_accuracy 2.7 points too low at two thirds of the audit).
CREATE FUNCTION @extschema@.tw_claim_audited(person text, lease interval, most integer) RETURNS bigint[]
    LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH next AS (
        SELECT c.id
        FROM @extschema@.conversation_logs c
        WHERE c.review_priority IS NOT NULL AND c.is_audit
          AND NOT EXISTS (SELECT FROM @extschema@.review_claims k
                          WHERE k.conversation_log_id = c.id AND k.expires_at > clock_timestamp())
          AND NOT EXISTS (SELECT FROM @extschema@.labelstudio_tasks t
                          WHERE t.conversation_log_id = c.id AND t.status IN ('claimed', 'open'))
        ORDER BY c.created_at, c.id
        LIMIT most
        FOR UPDATE OF c SKIP LOCKED
    )
    SELECT @extschema@.tw_hold(array_agg(n.id), person, lease) FROM next n;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_claim_audited(text, interval, integer) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_claim_audited(text, interval, integer) IS
    'Claims at most so many audited rows of the queue that nobody holds, in the order in which they came';

CREATE FUNCTION @extschema@.tw_claim_urgent(person text, lease interval, most integer) RETURNS bigint[]
    LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH next AS (
        SELECT c.id
        FROM @extschema@.conversation_logs c
        WHERE c.review_priority IS NOT NULL AND c.is_audit IS NOT TRUE
          AND NOT EXISTS (SELECT FROM @extschema@.review_claims k
                          WHERE k.conversation_log_id = c.id AND k.expires_at > clock_timestamp())
          AND NOT EXISTS (SELECT FROM @extschema@.labelstudio_tasks t
                          WHERE t.conversation_log_id = c.id AND t.status IN ('claimed', 'open'))
        ORDER BY c.review_priority, c.nlu_confidence NULLS FIRST, c.created_at, c.id
        LIMIT most
        FOR UPDATE OF c SKIP LOCKED
    )
    SELECT @extschema@.tw_hold(array_agg(n.id), person, lease) FROM next n;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_claim_urgent(text, interval, integer) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_claim_urgent(text, interval, integer) IS
    'Claims at most so many rows of the queue that nobody holds and the audit did not draw, in the order of training_queue';

REVOKE ALL ON FUNCTION @extschema@.claim_reviews(integer, interval, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.claim_reviews(integer, interval, text) IS
    'The next rows of the queue, at most count of them, held by the caller (or by the reviewer that an operator names) until a '
    'verdict or the end of the lease: audited rows for up to half of them, in the order in which they came, and the rest as '
    'training_queue orders it. Rows that '
    'somebody holds or that wait in Label Studio are left out; texts are redacted while the setting redact is on. Raises 22023 for a count that is not between 1 and 1000 or a lease that is not between nothing and a day, 42501 for a reviewer named by others '
    'than operators';

CREATE FUNCTION @extschema@.release_reviews(ids bigint[] DEFAULT NULL, reviewer text DEFAULT NULL) RETURNS bigint
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    person text := @extschema@.tw_reviewer(release_reviews.reviewer);
    released bigint;
BEGIN
    DELETE FROM @extschema@.review_claims k
    WHERE k.reviewer = person AND (ids IS NULL OR k.conversation_log_id = ANY (ids));
    GET DIAGNOSTICS released = ROW_COUNT;
    RETURN released;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.release_reviews(bigint[], text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.release_reviews(bigint[], text) IS
    'Gives claims back before their lease ends: those of the caller (or of the reviewer that an operator names) on these '
    'conversations, or all of them when ids is NULL; returns how many. Raises 42501 for a reviewer named by others than operators';
-- What comes after the NLU call: the reply, and what the user thought of it.

CREATE FUNCTION @extschema@.tw_requeue_on_feedback() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    NEW.review_priority := 1;
    NEW.review_reason := CASE WHEN OLD.user_correction IS DISTINCT FROM NEW.user_correction AND btrim(NEW.user_correction, E' \t\n\r\f\v') <> ''
                              THEN 'user correction' ELSE 'negative feedback' END;
    RETURN NEW;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_requeue_on_feedback() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_requeue_on_feedback() IS
    'Trigger: queues a conversation again, with priority 1, when new feedback contradicts the model; the verdict of a person stays';

CREATE FUNCTION @extschema@.tw_record_feedback_event() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    -- The correction itself stays in the conversation alone, where it can be erased.
    INSERT INTO @extschema@.review_events (conversation_log_id, action, from_status, to_status, review_priority, review_reason,
        reviewer, outer_role, details)
    VALUES (NEW.id, 'feedback', OLD.review_status, NEW.review_status, OLD.review_priority, OLD.review_reason,
        @extschema@.tw_outer_role(), @extschema@.tw_outer_role(),
        jsonb_build_object('feedback', NEW.user_feedback, 'corrected', NOT @extschema@.tw_is_blank(NEW.user_correction)));
    -- What the BEFORE trigger queued again.
    IF NEW.review_reason IN ('negative feedback', 'user correction') THEN
        UPDATE @extschema@.training_samples s SET review_status = 'pending'
        WHERE s.conversation_log_id = NEW.id AND s.review_status = 'approved' AND s.label_source = 'model';
    END IF;
    RETURN NULL;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_record_feedback_event() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_record_feedback_event() IS
    'Trigger: records feedback in review_events, and sets an unreviewed sample that it contradicts back to pending';

CREATE TRIGGER conversation_logs_requeue BEFORE UPDATE ON @extschema@.conversation_logs
    FOR EACH ROW WHEN (
        NEW.review_status <> 'not-applicable'
        AND (OLD.user_feedback IS DISTINCT FROM NEW.user_feedback AND lower(NEW.user_feedback COLLATE "C") = 'negative'
             OR OLD.user_correction IS DISTINCT FROM NEW.user_correction AND btrim(NEW.user_correction, E' \t\n\r\f\v') <> ''))
    EXECUTE FUNCTION @extschema@.tw_requeue_on_feedback();
CREATE TRIGGER conversation_logs_feedback AFTER UPDATE ON @extschema@.conversation_logs
    FOR EACH ROW WHEN (
        OLD.user_feedback IS DISTINCT FROM NEW.user_feedback OR OLD.user_correction IS DISTINCT FROM NEW.user_correction)
    EXECUTE FUNCTION @extschema@.tw_record_feedback_event();

CREATE FUNCTION @extschema@.tw_no_such_conversation(id bigint) RETURNS void
    LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    RAISE EXCEPTION USING
        ERRCODE = 'no_data_found',
        MESSAGE = format('there is no conversation %s in this session', coalesce(id::text, 'NULL')),
        HINT = 'Pass the id that INSERT ... RETURNING id gave, and the session_id of the same row.';
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_no_such_conversation(bigint) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_no_such_conversation(bigint) IS
    'Raises P0002; the same for an id that does not exist and for one of another session, so that nobody can probe for ids';

CREATE FUNCTION @extschema@.record_response(
    id bigint, session_id text, response_text text DEFAULT NULL, response_success boolean DEFAULT NULL, routed_to text DEFAULT NULL,
    backend_reference text DEFAULT NULL) RETURNS void
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    UPDATE @extschema@.conversation_logs c SET
        response_text = coalesce(record_response.response_text, c.response_text),
        response_success = coalesce(record_response.response_success, c.response_success),
        routed_to = coalesce(record_response.routed_to, c.routed_to),
        backend_reference = coalesce(record_response.backend_reference, c.backend_reference)
    WHERE c.id = record_response.id AND c.session_id = record_response.session_id;
    IF NOT FOUND THEN
        PERFORM @extschema@.tw_no_such_conversation(record_response.id);
    END IF;
    -- Promotion came before the service was known.
    UPDATE @extschema@.training_samples s SET expected_service = record_response.routed_to
    WHERE s.conversation_log_id = record_response.id AND s.label_source = 'model'
      AND s.expected_service IS DISTINCT FROM coalesce(record_response.routed_to, s.expected_service);
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.record_response(bigint, text, text, boolean, text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.record_response(bigint, text, text, boolean, text, text) IS
    'Adds the reply, its success, the service and the backend''s reference to a conversation; NULL leaves a column as it is. '
    'Raises P0002 when the id does not belong to the session';

CREATE FUNCTION @extschema@.record_feedback(id bigint, session_id text, feedback text, correction text DEFAULT NULL) RETURNS void
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF feedback NOT IN ('positive', 'negative') OR (feedback IS NULL AND @extschema@.tw_is_blank(correction)) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('feedback must be positive or negative, not "%s"', coalesce(feedback, 'NULL')),
            HINT = 'NULL is fine together with a correction.';
    END IF;
    UPDATE @extschema@.conversation_logs c SET
        user_feedback = coalesce(record_feedback.feedback, c.user_feedback),
        user_correction = CASE WHEN @extschema@.tw_is_blank(record_feedback.correction) THEN c.user_correction
                               ELSE record_feedback.correction END
    WHERE c.id = record_feedback.id AND c.session_id = record_feedback.session_id;
    IF NOT FOUND THEN
        PERFORM @extschema@.tw_no_such_conversation(record_feedback.id);
    END IF;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.record_feedback(bigint, text, text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.record_feedback(bigint, text, text, text) IS
    'Adds the user''s feedback (positive or negative) and/or correction to a conversation. Negative feedback and corrections '
    'that are new queue it again with priority 1 and set an unreviewed sample back to pending; they never overrule a person. Raises P0002 '
    'when the id does not belong to the session, 22023 for other feedback';
-- One text, one live intent: where live samples disagree, a person has to say.

CREATE INDEX training_samples_text_hash_idx ON @extschema@.training_samples (text_hash) WHERE review_status = 'approved';

CREATE VIEW @extschema@.label_conflicts WITH (security_barrier) AS
    WITH disputed AS (
        SELECT s.text_hash
        FROM @extschema@.training_samples s
        WHERE s.review_status = 'approved' AND s.text_hash IS NOT NULL
        GROUP BY s.text_hash
        HAVING min(s.intent COLLATE "C") <> max(s.intent COLLATE "C")
    ), sides AS (
        -- By the text itself as well: two texts can have one hash.
        SELECT s.text_hash, @extschema@.normalize_text(s.text) AS normalized_text, s.intent, count(*) AS samples,
               count(*) FILTER (WHERE s.label_source = 'human') AS human, min(s.text) AS example,
               (array_agg(s.conversation_log_id ORDER BY s.id) FILTER (WHERE s.conversation_log_id IS NOT NULL))[1:10] AS conversations
        FROM @extschema@.training_samples s
        WHERE s.review_status = 'approved' AND s.text_hash IN (SELECT d.text_hash FROM disputed d)
        GROUP BY s.text_hash, @extschema@.normalize_text(s.text), s.intent
    )
    SELECT v.normalized_text, min(v.example) AS example, v.text_hash,
           count(*) AS intents, sum(v.samples)::bigint AS samples, sum(v.human)::bigint AS human_labels,
           count(*) FILTER (WHERE v.human > 0) = 1 AS settled,
           CASE WHEN count(*) FILTER (WHERE v.human > 0) = 1 THEN max(v.intent) FILTER (WHERE v.human > 0) END AS settled_intent,
           jsonb_agg(jsonb_build_object('intent', v.intent, 'samples', v.samples, 'human', v.human,
                                        'conversations', to_jsonb(v.conversations)) ORDER BY v.human DESC, v.samples DESC, v.intent) AS sides
    FROM sides v
    GROUP BY v.text_hash, v.normalized_text
    HAVING count(*) > 1
    ORDER BY settled, samples DESC, v.normalized_text;
REVOKE ALL ON TABLE @extschema@.label_conflicts FROM PUBLIC;
COMMENT ON VIEW @extschema@.label_conflicts IS
    'Texts whose live samples carry different intents, the unsettled ones first; none of their unreviewed samples may be trained on';
COMMENT ON COLUMN @extschema@.label_conflicts.normalized_text IS 'The text, normalised';
COMMENT ON COLUMN @extschema@.label_conflicts.example IS 'The text as somebody wrote it';
COMMENT ON COLUMN @extschema@.label_conflicts.text_hash IS 'Its hash';
COMMENT ON COLUMN @extschema@.label_conflicts.intents IS 'Number of different intents';
COMMENT ON COLUMN @extschema@.label_conflicts.samples IS 'Number of live samples';
COMMENT ON COLUMN @extschema@.label_conflicts.human_labels IS 'Number of them that a person labelled';
COMMENT ON COLUMN @extschema@.label_conflicts.settled IS 'Whether people labelled it, and with one intent only';
COMMENT ON COLUMN @extschema@.label_conflicts.settled_intent IS 'That intent';
COMMENT ON COLUMN @extschema@.label_conflicts.sides IS 'For each intent: how many samples, how many by people, and the first ten conversations';

CREATE FUNCTION @extschema@.queue_label_conflicts(OUT queued bigint, OUT released bigint)
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    disputed bigint[];
    few bigint[];
BEGIN
    -- One verdict settles a text: a few of each side are enough, where one stray label may contradict a hundred thousand.
    SELECT coalesce(array_agg(x.conversation_log_id), '{}'), coalesce(array_agg(x.conversation_log_id) FILTER (WHERE x.n <= 3), '{}')
    INTO disputed, few
    FROM (SELECT s.conversation_log_id, row_number() OVER (PARTITION BY k.text_hash, k.normalized_text, s.intent ORDER BY s.id) AS n
          FROM @extschema@.label_conflicts k
          JOIN @extschema@.training_samples s ON s.text_hash = k.text_hash AND @extschema@.normalize_text(s.text) = k.normalized_text
          WHERE NOT k.settled AND s.review_status = 'approved' AND s.label_source = 'model' AND s.conversation_log_id IS NOT NULL) x;

    -- The rows of both steps at once, ascending: in two passes this would meet a verdict on a row of each the wrong way round.
    PERFORM FROM @extschema@.conversation_logs c
    WHERE c.id IN (SELECT unnest(few)
                   UNION
                   SELECT q.id FROM @extschema@.conversation_logs q
                   WHERE q.review_priority IS NOT NULL AND q.review_reason = 'label conflict')
    ORDER BY c.id
    FOR UPDATE OF c;

    -- What waits already keeps its place and its reason; what a person decided about meanwhile is disputed no more.
    WITH next AS (
        SELECT c.id, c.review_status
        FROM @extschema@.conversation_logs c
        WHERE c.id IN (SELECT unnest(few)) AND c.review_priority IS NULL AND c.review_status = 'auto-approved'
    ), event AS (
        INSERT INTO @extschema@.review_events (conversation_log_id, action, from_status, to_status, reviewer, outer_role)
        SELECT n.id, 'conflict', n.review_status, n.review_status, @extschema@.tw_outer_role(), @extschema@.tw_outer_role() FROM next n
    )
    UPDATE @extschema@.conversation_logs c SET review_priority = 2, review_reason = 'label conflict'
    FROM next n WHERE c.id = n.id;
    GET DIAGNOSTICS queued = ROW_COUNT;

    -- A person has settled it: the others need no look, but for those drawn for the audit.
    UPDATE @extschema@.conversation_logs c
    SET review_priority = CASE WHEN c.is_audit THEN 2 END, review_reason = CASE WHEN c.is_audit THEN 'audit' END
    WHERE c.review_priority IS NOT NULL AND c.review_reason = 'label conflict' AND c.review_status <> 'needs-review'
      AND NOT EXISTS (SELECT FROM unnest(disputed) AS d (id) WHERE d.id = c.id);
    GET DIAGNOSTICS released = ROW_COUNT;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.queue_label_conflicts() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.queue_label_conflicts() IS
    'Queues unreviewed conversations of unsettled label conflicts (priority 2, label conflict; three of each text and intent), '
    'and takes those out of the queue again whose conflict a person has settled since; returns how many of each. Where people '
    'disagree with one another nobody is asked again: see label_conflicts WHERE NOT settled AND human_labels > 1';
-- live_accuracy(): how often the model is right in production, estimated without bias from the audit.
--
-- Population: the conversations that our filter saw and that can be learned from (selection_probability is not NULL).
-- Strata h: (filter_outcome, filter_policy_id); rows whose audit rate was 0 are strata of their own, of which nothing can
-- be known. W_h is a stratum's share of the population, known exactly. A label is an audited row whose newest verdict
-- says right or wrong; it weighs w = 1 / selection_probability (Hajek 1971), because rates may change over time.
--
--   p_h = sum(w right) / sum(w)              p  = sum(W_h p_h)                the estimate
--   q_h = sum(w^2) / sum(w)                                                  the weight of a typical label
--   s_h = (sum(w right) + q_h) / (sum(w) + 2 q_h)     s = sum(W_h s_h)
--   v_h = (sum(w^2 (right - s_h)^2) + q_h^2 ((1 - s_h)^2 + s_h^2)) / (sum(w) + 2 q_h)^2
--   V   = sum(W_h^2 v_h)
--   n   = s (1 - s) / V * (z / t)^2          t: Student's quantile of (labels - strata) degrees of freedom
--   lower, upper = (p + z^2 / 2n -+ z sqrt(p (1 - p) / n + z^2 / 4n^2)) / (1 + z^2 / n)
--
-- That is Wilson's interval (1927) on the effective sample size with the degrees-of-freedom correction of Korn and Graubard
-- (Survey Methodology 24, 1998, 193-201; compared with its rivals by Franco, Little, Louis and Slud, Journal of Survey
-- Statistics and Methodology 7, 2019, 334-364). Their variance is 0 where all labels of a stratum agree. So each stratum gets
-- one right and one wrong label more, of typical weight, for the variance alone: Agresti and Caffo's way with two samples
-- (The American Statistician 54, 2000, 280-288). With equal weights v_h is s_h (1 - s_h) / (n_h + 2): nothing collapses,
-- and no case needs a rule of its own. The variance is that of a sample, without a correction for the part of the
-- population that was seen: the audit is small, and a full one still says something about the model only within chance.
-- test/bench/live_accuracy.sh measures how often the interval covers the truth.

CREATE FUNCTION @extschema@.tw_check_accuracy_request(from_date date, to_date date, by text[]) RETURNS text[]
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    names CONSTANT text[] := ARRAY['model_version', 'module_type', 'intent', 'day', 'week', 'month'];
    name text;
BEGIN
    IF from_date > to_date THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('the period begins on %s, after its end on %s', from_date, to_date),
            HINT = 'Both days belong to the period; NULL leaves an end open.';
    END IF;
    FOREACH name IN ARRAY coalesce(by, '{}') LOOP
        IF name IS NULL OR name <> ALL (names) THEN
            RAISE EXCEPTION USING
                ERRCODE = 'invalid_parameter_value',
                MESSAGE = format('live_accuracy cannot group by "%s"', coalesce(name, 'NULL')),
                HINT = format('It groups by any of: %s.', array_to_string(names, ', '));
        END IF;
    END LOOP;
    IF cardinality(array_positions(by, 'day') || array_positions(by, 'week') || array_positions(by, 'month')) > 1 THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = 'live_accuracy can group by one of day, week and month only',
            HINT = 'Each of them is the column period: ask once for each.';
    END IF;
    RETURN coalesce(by, '{}');
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_check_accuracy_request(date, date, text[]) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_check_accuracy_request(date, date, text[]) IS
    'The names to group by, or 22023 for an unknown name, for two units of time, or for a period that ends before it begins';

CREATE FUNCTION @extschema@.live_accuracy(
    from_date date DEFAULT NULL, to_date date DEFAULT NULL, by text[] DEFAULT '{}',
    OUT model_version text, OUT module_type text, OUT intent text, OUT period date,
    OUT conversations bigint, OUT labels bigint,
    OUT accuracy double precision, OUT lower double precision, OUT upper double precision, OUT effective_labels double precision,
    OUT naive_accuracy double precision, OUT naive_labels bigint, OUT unclear_share double precision,
    OUT strata jsonb, OUT reason text)
    RETURNS SETOF record
    -- Compiling the many expressions would take longer than running them.
    LANGUAGE sql STABLE ROWS 20 SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off
BEGIN ATOMIC
    WITH request AS MATERIALIZED (
        SELECT r.names, 'model_version' = ANY (r.names) AS by_version, 'module_type' = ANY (r.names) AS by_module,
               'intent' = ANY (r.names) AS by_intent,
               (SELECT n FROM unnest(r.names) AS n WHERE n IN ('day', 'week', 'month')) AS unit
        FROM (SELECT @extschema@.tw_check_accuracy_request(live_accuracy.from_date, live_accuracy.to_date, live_accuracy.by) AS names) r
    ), scope AS NOT MATERIALIZED (
        SELECT c.id, c.filter_outcome, c.filter_policy_id, d.can_be_drawn, c.is_audit, c.nlu_intent,
               CASE WHEN c.is_audit AND d.can_be_drawn THEN 1 / c.selection_probability END AS w,
               CASE WHEN r.by_version THEN c.nlu_model_version END AS model_version,
               CASE WHEN r.by_module THEN
                   coalesce(nullif(c.nlu_module_type, ''), @extschema@.intent_module_type(c.nlu_intent)) END AS module_type,
               CASE WHEN r.by_intent THEN c.nlu_intent END AS intent,
               CASE WHEN r.unit IS NOT NULL THEN date_trunc(r.unit, c.created_on::timestamp)::date END AS period
        FROM @extschema@.conversation_logs c
        CROSS JOIN request r
        -- A rate below one in a billion is as good as none, and its weight would be too large a number.
        CROSS JOIN LATERAL (SELECT c.selection_probability > 1e-9 AS can_be_drawn) d
        WHERE c.selection_probability IS NOT NULL
          AND c.created_on BETWEEN coalesce(live_accuracy.from_date, '-infinity') AND coalesce(live_accuracy.to_date, 'infinity')
    ), judged AS (
        SELECT DISTINCT ON (s.id) s.*, e.action AS verdict, e.reject_reason IS NOT DISTINCT FROM 'unclear' AS is_unclear,
               e.action = 'approve' OR e.action = 'fix' AND e.intent IS NOT DISTINCT FROM s.nlu_intent AS is_right
        FROM scope s
        JOIN @extschema@.review_events e ON e.conversation_log_id = s.id
        WHERE e.action IN ('approve', 'fix', 'reject', 'withdraw')
        ORDER BY s.id, e.id DESC
    ), tally AS (
        -- What one pass over the conversations counts, and what the far fewer verdicts add to it.
        SELECT u.model_version, u.module_type, u.intent, u.period, u.filter_outcome, u.filter_policy_id, u.can_be_drawn,
               sum(u.size) AS size, sum(u.audited) AS audited,
               count(u.w) FILTER (WHERE NOT u.is_unclear) AS labels,
               count(u.w) FILTER (WHERE u.is_unclear) AS unclear,
               sum(u.w) FILTER (WHERE NOT u.is_unclear) AS w,
               sum(u.w * u.w) FILTER (WHERE NOT u.is_unclear) AS w2,
               coalesce(sum(u.w) FILTER (WHERE NOT u.is_unclear AND u.is_right), 0) AS right_w,
               coalesce(sum(u.w * u.w) FILTER (WHERE NOT u.is_unclear AND u.is_right), 0) AS right_w2,
               coalesce(sum(u.w) FILTER (WHERE u.is_unclear), 0) AS unclear_w,
               count(*) FILTER (WHERE NOT u.is_unclear) AS naive_labels,
               count(*) FILTER (WHERE NOT u.is_unclear AND u.is_right) AS naive_right
        FROM (SELECT s.model_version, s.module_type, s.intent, s.period, s.filter_outcome, s.filter_policy_id, s.can_be_drawn,
                     1 AS size, CASE WHEN s.is_audit THEN 1 ELSE 0 END AS audited,
                     NULL::double precision AS w, NULL::boolean AS is_unclear, NULL::boolean AS is_right
              FROM scope s
              UNION ALL
              SELECT j.model_version, j.module_type, j.intent, j.period, j.filter_outcome, j.filter_policy_id, j.can_be_drawn,
                     0, 0, j.w, j.is_unclear, j.is_right
              FROM judged j WHERE j.verdict <> 'withdraw') u
        GROUP BY u.model_version, u.module_type, u.intent, u.period, u.filter_outcome, u.filter_policy_id, u.can_be_drawn
    ), stratum AS (
        SELECT t.*, t.labels >= 5 AS is_known, t.right_w / t.w AS p, m.s,
               (t.right_w2 * (1 - m.s) ^ 2 + (t.w2 - t.right_w2) * m.s ^ 2 + q.q ^ 2 * ((1 - m.s) ^ 2 + m.s ^ 2))
                   / (t.w + 2 * q.q) ^ 2 AS v,
               t.unclear_w / nullif(t.unclear_w + coalesce(t.w, 0), 0) AS unclear_share,
               t.size / sum(t.size) OVER (PARTITION BY t.model_version, t.module_type, t.intent, t.period) AS weight,
               t.filter_outcome || ' under ' || coalesce('policy ' || t.filter_policy_id, 'the built-in policy') AS name
        FROM tally t
        CROSS JOIN LATERAL (SELECT t.w2 / t.w AS q) q
        CROSS JOIN LATERAL (SELECT (t.right_w + q.q) / (t.w + 2 * q.q) AS s) m
    ), grouped AS (
        SELECT h.model_version, h.module_type, h.intent, h.period,
               sum(h.size)::bigint AS conversations, sum(h.labels)::bigint AS labels,
               bool_and(h.is_known) AS is_known,
               -- Over the known strata, each weighing its share of them.
               sum(h.weight) FILTER (WHERE h.is_known)::double precision AS known,
               (sum(h.labels) FILTER (WHERE h.is_known) - count(*) FILTER (WHERE h.is_known))::double precision AS freedom,
               sum(h.size * h.p) FILTER (WHERE h.is_known) / sum(h.size) FILTER (WHERE h.is_known) AS p,
               sum(h.size * h.s) FILTER (WHERE h.is_known) / sum(h.size) FILTER (WHERE h.is_known) AS s,
               sum(h.size::double precision ^ 2 * h.v) FILTER (WHERE h.is_known)
                   / (sum(h.size) FILTER (WHERE h.is_known))::double precision ^ 2 AS v,
               sum(h.naive_right)::double precision / nullif(sum(h.naive_labels), 0) AS naive_accuracy,
               sum(h.naive_labels)::bigint AS naive_labels,
               sum(h.size * h.unclear_share) / sum(h.size) FILTER (WHERE h.unclear_share IS NOT NULL) AS unclear_share,
               jsonb_agg(jsonb_build_object(
                   'filter_outcome', h.filter_outcome, 'policy', h.filter_policy_id, 'conversations', h.size,
                   'weight', round(h.weight, 6), 'audited', h.audited, 'reviewed', h.labels + h.unclear, 'labelled', h.labels,
                   'accuracy', round(h.p::numeric, 6))
                   ORDER BY h.filter_outcome, h.filter_policy_id NULLS FIRST, h.can_be_drawn) AS strata,
               format('%s of %s strata (%s %% of the conversations) %s fewer than 5 labels: %s',
                   count(*) FILTER (WHERE NOT h.is_known), count(*),
                   round(100 * sum(h.weight) FILTER (WHERE NOT h.is_known), 1),
                   CASE count(*) FILTER (WHERE NOT h.is_known) WHEN 1 THEN 'has' ELSE 'have' END,
                   array_to_string((array_agg(
                       CASE WHEN h.can_be_drawn THEN format('%s has %s (%s audited)', h.name, h.labels, h.audited)
                            ELSE format('%s was never drawn from (audit rate 0)', h.name) END
                       ORDER BY h.size DESC, h.name) FILTER (WHERE NOT h.is_known))[1:5], ', ')
                   || CASE WHEN count(*) FILTER (WHERE NOT h.is_known) > 5 THEN ', ...' ELSE '' END) AS gap
        FROM stratum h
        GROUP BY h.model_version, h.module_type, h.intent, h.period
    )
    SELECT g.model_version, g.module_type, g.intent, g.period, coalesce(g.conversations, 0), coalesce(g.labels, 0),
           CASE WHEN g.is_known THEN g.p END,
           -- Whatever the accuracy of the unknown strata may be; never beside the estimate by a rounding error.
           g.known * least(w.lower, greatest(g.p, 0)),
           1 - g.known * (1 - greatest(w.upper, least(g.p, 1))),
           n.n, g.naive_accuracy, coalesce(g.naive_labels, 0), g.unclear_share, coalesce(g.strata, '[]'),
           CASE WHEN g.conversations IS NULL THEN 'no conversations that the filter saw'
                WHEN NOT g.is_known THEN g.gap END
    FROM request r
    LEFT JOIN grouped g ON true
    CROSS JOIN LATERAL (SELECT 1.959963984540054::double precision AS z) z
    -- Student's quantile by its expansion around the normal one (Abramowitz and Stegun 26.7.5): to 0.01 from 4 degrees on.
    CROSS JOIN LATERAL (SELECT z.z + (z.z ^ 3 + z.z) / (4 * g.freedom)
        + (5 * z.z ^ 5 + 16 * z.z ^ 3 + 3 * z.z) / (96 * g.freedom ^ 2)
        + (3 * z.z ^ 7 + 19 * z.z ^ 5 + 17 * z.z ^ 3 - 15 * z.z) / (384 * g.freedom ^ 3) AS t) t
    CROSS JOIN LATERAL (SELECT g.s * (1 - g.s) / g.v * (z.z / t.t) ^ 2 AS n) n
    CROSS JOIN LATERAL @extschema@.tw_wilson(g.p, n.n) w
    -- All in one row, even where there is nothing.
    WHERE g.conversations IS NOT NULL OR cardinality(r.names) = 0
    ORDER BY g.period, g.model_version, g.module_type, g.intent;
END;
REVOKE ALL ON FUNCTION @extschema@.live_accuracy(date, date, text[]) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.live_accuracy(date, date, text[]) IS
    'Share of the conversations from from_date to to_date (both included, NULL is open) that the model understood: accuracy with '
    'its 95 % interval (lower, upper), estimated from audited rows that a person judged (labels; as certain as effective_labels '
    'drawn at random from all). One row for all, or one for each value of what by lists: model_version, module_type, intent, and '
    'one of day, week, month (period is its first day). approve and a fix to the same intent are right, other fixes and '
    'no-such-intent wrong; unclear is left out, and unclear_share estimates how many that are. accuracy is NULL where a stratum '
    'has fewer than 5 labels: reason says which, and lower and upper hold whatever its accuracy is. naive_accuracy is the share '
    'right among all naive_labels verdicts, audited or not; it misleads, since doubtful rows are reviewed most. strata has the '
    'size, weight and audit completion of each. Raises 22023 for an unknown name or a period that ends before it begins';

CREATE VIEW @extschema@.live_accuracy_by_model AS
    SELECT a.model_version, a.module_type, a.conversations, a.labels, a.accuracy, a.lower, a.upper, a.effective_labels,
           a.naive_accuracy, a.naive_labels, a.unclear_share, a.strata, a.reason
    FROM (SELECT (now() AT TIME ZONE @extschema@.training_setting('time_zone'))::date AS today) t
    CROSS JOIN LATERAL @extschema@.live_accuracy(t.today - 29, t.today, '{model_version,module_type}') a
    ORDER BY a.model_version, a.module_type;
REVOKE ALL ON TABLE @extschema@.live_accuracy_by_model FROM PUBLIC;
COMMENT ON VIEW @extschema@.live_accuracy_by_model IS 'live_accuracy() of each model version and module, over the last 30 days';
COMMENT ON COLUMN @extschema@.live_accuracy_by_model.model_version IS 'The version that the sessions were assigned; NULL where the application named none';
COMMENT ON COLUMN @extschema@.live_accuracy_by_model.module_type IS 'The module';
COMMENT ON COLUMN @extschema@.live_accuracy_by_model.conversations IS 'Conversations that the filter saw, without those not applicable';
COMMENT ON COLUMN @extschema@.live_accuracy_by_model.labels IS 'Audited conversations that a person found right or wrong';
COMMENT ON COLUMN @extschema@.live_accuracy_by_model.accuracy IS 'Estimated share of all conversations that the model understood, 0 to 1; NULL where labels are missing, see reason';
COMMENT ON COLUMN @extschema@.live_accuracy_by_model.lower IS 'Lower end of its 95 % interval';
COMMENT ON COLUMN @extschema@.live_accuracy_by_model.upper IS 'Upper end of its 95 % interval';
COMMENT ON COLUMN @extschema@.live_accuracy_by_model.effective_labels IS 'How large a simple random sample would be as certain';
COMMENT ON COLUMN @extschema@.live_accuracy_by_model.naive_accuracy IS 'Share right among everything that was reviewed: misleading, for comparison';
COMMENT ON COLUMN @extschema@.live_accuracy_by_model.naive_labels IS 'Number of reviewed conversations behind naive_accuracy';
COMMENT ON COLUMN @extschema@.live_accuracy_by_model.unclear_share IS 'Estimated share of conversations of which nobody can tell what was meant, 0 to 1';
COMMENT ON COLUMN @extschema@.live_accuracy_by_model.strata IS 'For each filter outcome and policy: conversations, weight, audited, reviewed, labelled, accuracy';
COMMENT ON COLUMN @extschema@.live_accuracy_by_model.reason IS 'Why accuracy is NULL';
-- import_training_samples(): labelled texts from outside.

CREATE FUNCTION @extschema@.import_training_samples(
    data text, source text DEFAULT 'synthetic', ignore_unknown_keys boolean DEFAULT false,
    OUT inserted bigint, OUT existing bigint, OUT conflicting bigint)
    LANGUAGE c VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'tw_import_training_samples';
REVOKE ALL ON FUNCTION @extschema@.import_training_samples(text, text, boolean) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.import_training_samples(text, text, boolean) IS
    'Reads training samples from JSONL: one object a line with text and intent, and perhaps language, entities, module_id, '
    'module_type, expected_service, split (pins the text to train or test), label_source, quality_score and created_at (one in the future counts as now). Texts '
    'are redacted as captured ones are. Returns how many lines became live samples; how many were there already, with the same '
    'text and intent; and how many name another intent than a live sample of the same text, which wait as pending. A bad line '
    'refuses the call and is named: 22P02 for broken JSON, 22023 for values and keys that do not fit and for a text that would '
    'change sides. Raises 22004 for a NULL argument, 40001 where a sample changed meanwhile that a line pins';
-- imported_conversations, and how what import_conversations() has read is stored: once, and with its own number where that is free.

CREATE TABLE @extschema@.imported_conversations (
    source_key text NOT NULL,
    fingerprint bytea NOT NULL,
    conversation_log_id bigint NOT NULL,
    source text NOT NULL,
    imported_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT imported_conversations_pkey PRIMARY KEY (source_key, fingerprint)
);
REVOKE ALL ON TABLE @extschema@.imported_conversations FROM PUBLIC;
SELECT pg_extension_config_dump('@extschema@.imported_conversations', '');
COMMENT ON TABLE @extschema@.imported_conversations IS
    'Where imported conversations came from: no row is imported twice, whatever becomes of its conversation, and old ids find the new ones';
COMMENT ON COLUMN @extschema@.imported_conversations.source_key IS 'The id in the earlier table, as text';
COMMENT ON COLUMN @extschema@.imported_conversations.fingerprint IS
    'Half a SHA-256 of session, message and time: the same id in another table is another message';
COMMENT ON COLUMN @extschema@.imported_conversations.conversation_log_id IS 'Its id in conversation_logs';
COMMENT ON COLUMN @extschema@.imported_conversations.source IS 'The table, as it was called then';
COMMENT ON COLUMN @extschema@.imported_conversations.imported_at IS 'Start of the transaction that imported it';

CREATE FUNCTION @extschema@.tw_wait_for_numbers(sequence regclass) RETURNS void
    LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'tw_wait_for_numbers';
REVOKE ALL ON FUNCTION @extschema@.tw_wait_for_numbers(regclass) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_wait_for_numbers(regclass) IS
    'Returns once the transactions are over that have taken numbers of a sequence so far and may yet use them. Obeys lock_timeout';

CREATE FUNCTION @extschema@.tw_begin_import() RETURNS void
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION USING
            ERRCODE = 'feature_not_supported',
            MESSAGE = 'conversations are imported in READ COMMITTED transactions only',
            DETAIL = format('This one is %s, and might not see what another import has just copied.', upper(current_setting('transaction_isolation'))),
            HINT = 'BEGIN ISOLATION LEVEL READ COMMITTED;';
    END IF;
    PERFORM pg_advisory_xact_lock('@extschema@.conversation_logs'::regclass::oid::integer, 12);
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_begin_import() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_begin_import() IS
    'One import at a time: holds the others back until the end of the transaction. Raises 0A000 where this transaction could not see what they did';

CREATE FUNCTION @extschema@.tw_reserve_numbers(most bigint) RETURNS void
    LANGUAGE plpgsql VOLATILE STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    reached bigint;
BEGIN
    IF most > 9007199254740991 THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = 'the sequence would come near its end';
    END IF;
    reached := coalesce(pg_sequence_last_value('@extschema@.conversation_logs_id_seq'), 0);
    -- Far away: no million messages come between the look and the jump, which would then be one back.
    IF most - reached > 1000000 THEN
        reached := setval('@extschema@.conversation_logs_id_seq', most);
    END IF;
    WHILE reached < most LOOP
        reached := nextval('@extschema@.conversation_logs_id_seq');
    END LOOP;
    PERFORM @extschema@.tw_wait_for_numbers('@extschema@.conversation_logs_id_seq');
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_reserve_numbers(bigint) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_reserve_numbers(bigint) IS
    'Moves the sequence of conversation_logs to a number at least, never back, and returns once no message can come any more that has '
    'one up to there and is not in the table yet. Raises 22023 beyond 2^53 - 1, which is where JavaScript stops counting';

CREATE FUNCTION @extschema@.tw_import_metadata(base jsonb, additions jsonb) RETURNS jsonb
    LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
RETURN CASE
    WHEN NOT EXISTS (SELECT FROM jsonb_each(additions) a (k, v) WHERE v <> 'null') THEN base
    ELSE CASE coalesce(jsonb_typeof(base), 'null') WHEN 'object' THEN base WHEN 'null' THEN '{}' ELSE jsonb_build_object('metadata', base) END
         || (SELECT jsonb_object_agg(CASE WHEN jsonb_typeof(base) = 'object' AND base ? k THEN k || ' (column)' ELSE k END, v)
             FROM jsonb_each(additions) a (k, v) WHERE v <> 'null') END;
REVOKE ALL ON FUNCTION @extschema@.tw_import_metadata(jsonb, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_import_metadata(jsonb, jsonb) IS
    'metadata with the columns that have no other place under their names (but nulls). A key that is there stays as it is, and the column is then called "NAME (column)"';

CREATE FUNCTION @extschema@.tw_import_status(value text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
RETURN (SELECT s FROM unnest(ARRAY['auto-approved', 'needs-review', 'approved', 'rejected', 'not-applicable']) s
        WHERE s = translate(lower(value COLLATE "C"), '_ ', '--'));
REVOKE ALL ON FUNCTION @extschema@.tw_import_status(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_import_status(text) IS
    'The review_status that an application''s spelling means (NEEDS_REVIEW is needs-review); NULL for what is none of the five';

CREATE FUNCTION @extschema@.tw_import_priority(value text) RETURNS smallint
    LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
RETURN CASE lower(value COLLATE "C") WHEN '1' THEN 1 WHEN 'high' THEN 1 WHEN '2' THEN 2 WHEN 'medium' THEN 2 WHEN '3' THEN 3 WHEN 'low' THEN 3 END;
REVOKE ALL ON FUNCTION @extschema@.tw_import_priority(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_import_priority(text) IS 'The review_priority that an application''s spelling means: 1 to 3, high, medium or low; else NULL';

CREATE FUNCTION @extschema@.tw_raise_import_error(source text, mapping jsonb, keys text[], vals jsonb[], extras jsonb[]) RETURNS void
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET datestyle = 'ISO, MDY'
AS $function$
DECLARE
    at text;
    item record;
BEGIN
    FOR i IN 1 .. cardinality(keys) LOOP
        BEGIN
            FOREACH at IN ARRAY ARRAY['session_id', 'user_message'] LOOP
                IF vals[i] ->> at IS NULL THEN
                    RAISE EXCEPTION USING ERRCODE = 'not_null_violation', MESSAGE = 'it is NULL';
                END IF;
            END LOOP;
            at := 'id';
            IF coalesce(octet_length(keys[i]), 1001) > 1000 THEN
                RAISE EXCEPTION USING ERRCODE = 'string_data_right_truncation', MESSAGE = 'it is NULL, or longer than 1000 bytes';
            END IF;
            at := 'nlu_confidence';
            PERFORM (vals[i] ->> at)::double precision;
            at := 'nlu_module_id';
            PERFORM (vals[i] ->> at)::integer;
            at := 'nlu_processing_time_ms';
            PERFORM (vals[i] ->> at)::numeric::integer;
            at := 'nlu_entities';
            PERFORM (vals[i] ->> at)::jsonb;
            at := 'response_success';
            PERFORM (vals[i] ->> at)::boolean;
            at := 'created_at';
            PERFORM (vals[i] ->> at)::timestamptz;
            at := 'metadata';
            PERFORM (vals[i] ->> at)::jsonb;
            FOR item IN SELECT * FROM jsonb_each_text(extras[i] -> 'json') LOOP
                at := item.key;
                PERFORM item.value::jsonb;
            END LOOP;
        EXCEPTION WHEN OTHERS THEN
            RAISE EXCEPTION USING
                ERRCODE = SQLSTATE,
                MESSAGE = format('the row of %s with id %s cannot be imported', source, keys[i]),
                DETAIL = format('Column "%s": %s.', coalesce(mapping ->> at, at), SQLERRM),
                HINT = 'Nothing was imported. Correct the row, or import a view of the table that does.';
        END;
    END LOOP;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_raise_import_error(text, jsonb, text[], jsonb[], jsonb[]) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_raise_import_error(text, jsonb, text[], jsonb[], jsonb[]) IS
    'Finds the first row and column that cannot be stored, and raises what is wrong with it; returns where nothing is';

CREATE FUNCTION @extschema@.tw_import_portion(
    source text, mapping jsonb, keys text[], vals jsonb[], extras jsonb[], default_status text, zone text, keep_upto bigint,
    OUT imported bigint, OUT differing bigint, OUT ids_kept bigint, OUT queued bigint, OUT first_id bigint, OUT last_id bigint,
    OUT differing_key text)
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' SET datestyle = 'ISO, MDY'
    -- Plans are kept from when the tables were small.
    SET enable_seqscan = off
AS $function$
BEGIN
    -- Undone when the function ends, as it names the setting.
    PERFORM set_config('timezone', zone, true);
    WITH given AS MATERIALIZED (
        SELECT r.key, r.v, r.n, (r.v ->> 'created_at')::timestamptz AS said_at,
               @extschema@.tw_import_status(r.v ->> 'review_status') AS status,
               coalesce(r.e -> 'columns', '{}') || coalesce((SELECT jsonb_object_agg(j.key, j.value::jsonb) FROM jsonb_each_text(r.e -> 'json') j), '{}') AS additions,
               CASE WHEN r.key ~ '^[1-9][0-9]{0,15}$' THEN r.key::bigint END AS own_id
        FROM ROWS FROM (unnest(keys), unnest(vals), unnest(extras)) WITH ORDINALITY AS r (key, v, e, n)
        -- An index has no place for longer ones; tw_raise_import_error() says so.
        WHERE 1 / (coalesce(octet_length(r.key), 1001) <= 1000)::integer = 1
    ), marked AS MATERIALIZED (
        SELECT g.*, substring(sha256(convert_to(jsonb_build_array(g.v ->> 'session_id', g.v ->> 'user_message', g.said_at AT TIME ZONE 'UTC')::text, 'UTF8')) FOR 16) AS fingerprint
        FROM given g
    ), known AS MATERIALIZED (
        SELECT m.*,
               EXISTS (SELECT FROM @extschema@.imported_conversations i WHERE i.source_key = m.key AND i.fingerprint = m.fingerprint) AS same,
               EXISTS (SELECT FROM @extschema@.imported_conversations i WHERE i.source_key = m.key AND i.source = tw_import_portion.source) AS other,
               -- Copied by hand before, or read through a view of our own table.
               EXISTS (SELECT FROM @extschema@.conversation_logs c
                       WHERE c.id = m.own_id AND c.session_id = m.v ->> 'session_id' AND c.user_message = m.v ->> 'user_message'
                         AND c.created_at = coalesce(m.said_at, c.created_at)) AS copied
        FROM marked m
    ), fresh AS MATERIALIZED (
        SELECT m.*, w.learnable, w.own_id IS NOT NULL AS keeps,
               CASE WHEN w.own_id IS NULL THEN nextval('@extschema@.conversation_logs_id_seq') ELSE w.own_id END AS id,
               CASE WHEN m.status IS NOT NULL THEN m.status WHEN w.learnable THEN default_status ELSE 'not-applicable' END AS new_status
        FROM known m
        CROSS JOIN LATERAL (
            SELECT lower(coalesce(m.v ->> 'message_type', 'text') COLLATE "C") = 'text' AND NOT @extschema@.tw_is_blank(m.v ->> 'user_message') AS learnable,
                   CASE WHEN m.own_id <= keep_upto AND m.own_id <= pg_sequence_last_value('@extschema@.conversation_logs_id_seq')
                             AND NOT EXISTS (SELECT FROM @extschema@.conversation_logs c WHERE c.id = m.own_id)
                             -- Nor what is left of a conversation that was deleted.
                             AND NOT EXISTS (SELECT FROM @extschema@.training_samples s WHERE s.conversation_log_id = m.own_id)
                             AND NOT EXISTS (SELECT FROM @extschema@.review_events e WHERE e.conversation_log_id = m.own_id)
                             AND NOT EXISTS (SELECT FROM @extschema@.labelstudio_tasks t WHERE t.conversation_log_id = m.own_id) THEN m.own_id END AS own_id
            OFFSET 0) w
        WHERE NOT (m.same OR m.other OR m.copied)
        ORDER BY m.n
    ), inserted AS (
        INSERT INTO @extschema@.conversation_logs (id, session_id, phone_number, user_id, user_message, message_type, message_language,
            nlu_intent, nlu_confidence, nlu_module_id, nlu_module_type, nlu_provider, nlu_model_version, nlu_entities, nlu_tone,
            nlu_processing_time_ms, routed_to, response_text, response_success, user_feedback, user_correction, backend_reference,
            metadata, created_at, review_status, is_training_candidate, review_priority, review_reason)
        SELECT f.id, f.v ->> 'session_id', f.v ->> 'phone_number', f.v ->> 'user_id', f.v ->> 'user_message', f.v ->> 'message_type',
               f.v ->> 'message_language', f.v ->> 'nlu_intent', (f.v ->> 'nlu_confidence')::double precision,
               (f.v ->> 'nlu_module_id')::integer, f.v ->> 'nlu_module_type', f.v ->> 'nlu_provider', f.v ->> 'nlu_model_version',
               (f.v ->> 'nlu_entities')::jsonb, f.v ->> 'nlu_tone', (f.v ->> 'nlu_processing_time_ms')::numeric::integer,
               f.v ->> 'routed_to', f.v ->> 'response_text', (f.v ->> 'response_success')::boolean, f.v ->> 'user_feedback',
               f.v ->> 'user_correction', f.v ->> 'backend_reference',
               -- What the status and priority said, where it is not what we understood.
               @extschema@.tw_import_metadata((f.v ->> 'metadata')::jsonb, f.additions
                   || CASE WHEN f.status IS NULL AND f.v ->> 'review_status' IS NOT NULL
                           THEN jsonb_build_object(mapping ->> 'review_status', f.v ->> 'review_status') ELSE '{}' END
                   || CASE WHEN f.v ->> 'review_priority' IS NOT NULL AND (f.new_status <> 'needs-review' OR @extschema@.tw_import_priority(f.v ->> 'review_priority') IS NULL)
                           THEN jsonb_build_object(mapping ->> 'review_priority', f.v ->> 'review_priority') ELSE '{}' END),
               f.said_at, f.new_status, f.new_status IN ('auto-approved', 'needs-review', 'approved'),
               CASE WHEN f.new_status = 'needs-review' THEN coalesce(@extschema@.tw_import_priority(f.v ->> 'review_priority'), d.review_priority, 3) END,
               coalesce(f.v ->> 'review_reason', CASE WHEN f.new_status = 'needs-review' THEN coalesce(d.review_reason, 'imported') END)
        FROM fresh f
        LEFT JOIN LATERAL @extschema@.filter_decision((f.v ->> 'nlu_confidence')::double precision, f.v ->> 'nlu_provider',
                                                      f.v ->> 'nlu_intent', f.v ->> 'nlu_module_type') d ON f.new_status = 'needs-review' AND f.learnable
        ORDER BY f.n
    ), recorded AS (
        INSERT INTO @extschema@.imported_conversations (source_key, fingerprint, conversation_log_id, source)
        SELECT f.key, f.fingerprint, f.id, tw_import_portion.source FROM fresh f ORDER BY f.n
    )
    SELECT count(*), count(*) FILTER (WHERE f.keeps), count(*) FILTER (WHERE f.new_status = 'needs-review'), min(f.id), max(f.id),
           (SELECT count(*) FROM known k WHERE k.other AND NOT k.same),
           (SELECT k.key FROM known k WHERE k.other AND NOT k.same ORDER BY k.n LIMIT 1)
    INTO imported, ids_kept, queued, first_id, last_id, differing, differing_key
    FROM fresh f;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_import_portion(text, jsonb, text[], jsonb[], jsonb[], text, text, bigint) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_import_portion(text, jsonb, text[], jsonb[], jsonb[], text, text, bigint) IS
    'A step of import_conversations(): stores rows that were read, but those that are known, and counts. Values and extras are text by '
    'the name of our column; ids up to keep_upto are kept where they are free. Raises whatever a value that does not fit raises';
-- import_conversations(): the conversations that an application logged in a table of its own before it had ours.
--
-- Reading and writing have different rights. The table is read with the caller's: a view's functions, a policy, the output
-- function of a type are somebody's code. Rows are written with the owner's, from text that built-in types alone parse.

CREATE FUNCTION @extschema@.tw_check_import_source(source regclass) RETURNS text
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    kind "char";
    schema_name text;
    table_name text;
BEGIN
    SELECT c.relkind, CASE WHEN c.relpersistence = 't' THEN 'pg_temp' ELSE n.nspname END, c.relname INTO kind, schema_name, table_name
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = source;
    IF source IS NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'null_value_not_allowed',
            MESSAGE = 'the table to import must not be NULL';
    ELSIF NOT FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'undefined_table',
            MESSAGE = format('there is no table with the OID %s', source::oid);
    ELSIF kind NOT IN ('r', 'p', 'v', 'm', 'f') THEN
        RAISE EXCEPTION USING
            ERRCODE = 'wrong_object_type',
            MESSAGE = format('%s is not a table or view', source);
    ELSIF EXISTS (SELECT FROM pg_depend d JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid
                  WHERE e.extname = 'training_workflow' AND d.classid = 'pg_class'::regclass AND d.objid = source AND d.deptype = 'e') THEN
        RAISE EXCEPTION USING
            ERRCODE = 'wrong_object_type',
            MESSAGE = format('%s belongs to training_workflow', source),
            HINT = 'Name the table that your application made earlier, with its schema: public.conversation_logs, for example.';
    END IF;
    RETURN format('%I.%I', schema_name, table_name);
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_check_import_source(regclass) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_check_import_source(regclass) IS
    'The name, with its schema, of a table or view that conversations can be imported from. Raises 22004 for NULL, 42P01 for an unknown '
    'OID, 42809 for what is no table or view and for our own tables';

CREATE FUNCTION @extschema@.tw_map_import(source regclass, columns jsonb) RETURNS jsonb
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    targets CONSTANT text[] := ARRAY['id', 'session_id', 'phone_number', 'user_id', 'user_message', 'message_type', 'message_language',
        'nlu_intent', 'nlu_confidence', 'nlu_module_id', 'nlu_module_type', 'nlu_provider', 'nlu_model_version', 'nlu_entities', 'nlu_tone',
        'nlu_processing_time_ms', 'routed_to', 'response_text', 'response_success', 'user_feedback', 'user_correction', 'backend_reference',
        'metadata', 'created_at', 'review_status', 'review_priority', 'review_reason'];
    present CONSTANT text[] := ARRAY(SELECT a.attname::text FROM pg_attribute a
                                     WHERE a.attrelid = source AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum);
    mapping jsonb := '{}';
    target text;
    named jsonb;
    candidates text[];
BEGIN
    IF jsonb_typeof(columns) IS DISTINCT FROM 'object' THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = 'columns must be a JSON object',
            HINT = 'Our column first, then the table''s: {"session_id": "chatId"}; null for one that is not to be filled.';
    END IF;
    FOR target, named IN SELECT c.key, c.value FROM jsonb_each(columns) AS c (key, value) LOOP
        IF target <> ALL (targets) THEN
            RAISE EXCEPTION USING
                ERRCODE = 'invalid_parameter_value',
                MESSAGE = format('there is no column "%s" to import into', target),
                DETAIL = format('These can be filled: %s.', array_to_string(targets, ', ')),
                HINT = 'Our column first, then the table''s: {"session_id": "chatId"}.';
        ELSIF jsonb_typeof(named) NOT IN ('string', 'null') THEN
            RAISE EXCEPTION USING
                ERRCODE = 'invalid_parameter_value',
                MESSAGE = format('columns names no column for "%s": %s', target, named),
                HINT = 'A string with the name of a column of the table, or null.';
        ELSIF jsonb_typeof(named) = 'string' AND (named #>> '{}') <> ALL (present) THEN
            RAISE EXCEPTION USING
                ERRCODE = 'undefined_column',
                MESSAGE = format('%s has no column "%s"', source, named #>> '{}'),
                DETAIL = format('It has: %s.', array_to_string(present, ', '));
        END IF;
    END LOOP;

    FOREACH target IN ARRAY targets LOOP
        IF columns ? target THEN
            mapping := mapping || jsonb_strip_nulls(jsonb_build_object(target, columns -> target));
            CONTINUE;
        END IF;
        -- What columns says is for another column is not for the one of its name.
        candidates := ARRAY(SELECT p FROM unnest(present) p
                            WHERE lower(replace(p, '_', '') COLLATE "C") = replace(target, '_', '')
                              AND NOT EXISTS (SELECT FROM jsonb_each_text(columns) c WHERE c.value = p));
        IF cardinality(candidates) > 1 THEN
            RAISE EXCEPTION USING
                ERRCODE = 'ambiguous_column',
                MESSAGE = format('several columns of %s could be %s: %s', source, target, array_to_string(candidates, ', ')),
                HINT = format('Say which: columns => %L.', jsonb_build_object(target, candidates[1]));
        ELSIF cardinality(candidates) = 1 THEN
            mapping := mapping || jsonb_build_object(target, candidates[1]);
        END IF;
    END LOOP;

    FOREACH target IN ARRAY ARRAY['id', 'session_id', 'user_message'] LOOP
        IF NOT mapping ? target THEN
            RAISE EXCEPTION USING
                ERRCODE = 'undefined_column',
                MESSAGE = format('%s has no column for %s', source, target),
                DETAIL = format('It has: %s.', array_to_string(present, ', ')),
                HINT = CASE target WHEN 'id' THEN 'By its id a row is known when it is imported again. ' ELSE '' END
                    || format('Say which column it is: columns => ''{"%s": "..."}''.', target);
        END IF;
    END LOOP;
    RETURN mapping;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_map_import(regclass, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_map_import(regclass, jsonb) IS
    'Which column of a table fills which of ours: by name, without regard to case and underscores, but where columns says otherwise. '
    'Raises 22023 for columns of another form or of unknown names of ours, 42703 for unknown names of the table''s and where id, session_id or '
    'user_message is missing, 42702 where several would fit';

CREATE FUNCTION @extschema@.tw_import_query(source regclass, mapping jsonb, OUT query text, OUT into_metadata text[], OUT numbered boolean)
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    names text;
    texts text;
    other text;
    json_names text;
    json_texts text;
BEGIN
    numbered := (SELECT a.atttypid IN ('smallint'::regtype, 'integer'::regtype, 'bigint'::regtype)
                 FROM pg_attribute a WHERE a.attrelid = source AND a.attname = mapping ->> 'id');
    -- As text; but what is neither text nor JSON already becomes JSON where our column is.
    SELECT string_agg(quote_literal(m.key), ', ' ORDER BY m.key),
           string_agg(CASE WHEN m.key IN ('metadata', 'nlu_entities') AND a.atttypid NOT IN ('json'::regtype, 'jsonb'::regtype) AND t.typcategory <> 'S'
                           THEN format('to_jsonb(s.%I)::text', m.value) ELSE format('s.%I::text', m.value) END, ', ' ORDER BY m.key)
    INTO names, texts
    FROM jsonb_each_text(mapping) m
    JOIN pg_attribute a ON a.attrelid = source AND a.attname = m.value
    JOIN pg_type t ON t.oid = a.atttypid
    WHERE m.key <> 'id';

    -- json, unlike jsonb, may hold what jsonb cannot: that is for tw_raise_import_error() to say.
    SELECT array_agg(a.attname::text ORDER BY a.attnum),
           string_agg(format('s.%I', a.attname), ', ' ORDER BY a.attnum) FILTER (WHERE a.atttypid <> 'json'::regtype),
           string_agg(quote_literal(a.attname), ', ' ORDER BY a.attnum) FILTER (WHERE a.atttypid = 'json'::regtype),
           string_agg(format('s.%I::text', a.attname), ', ' ORDER BY a.attnum) FILTER (WHERE a.atttypid = 'json'::regtype)
    INTO into_metadata, other, json_names, json_texts
    FROM pg_attribute a
    WHERE a.attrelid = source AND a.attnum > 0 AND NOT a.attisdropped
      AND NOT EXISTS (SELECT FROM jsonb_each_text(mapping) m WHERE m.value = a.attname);

    query := format('SELECT s.%I::text AS key, jsonb_object(ARRAY[%s], ARRAY[%s]) AS vals, jsonb_build_object(''columns'', %s, ''json'', %s) AS extras FROM %s s ORDER BY %s',
        mapping ->> 'id', names, texts,
        coalesce('(SELECT to_jsonb(x.*) FROM (SELECT ' || other || ') x)', '''{}''::jsonb'),
        coalesce('jsonb_object(ARRAY[' || json_names || '], ARRAY[' || json_texts || '])', '''{}''::jsonb'),
        source,
        CASE WHEN NOT numbered AND mapping ? 'created_at' THEN format('s.%I, ', mapping ->> 'created_at') ELSE '' END || format('s.%I', mapping ->> 'id'));
    into_metadata := coalesce(into_metadata, '{}');
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_import_query(regclass, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_import_query(regclass, jsonb) IS
    'The query that reads a table as tw_import_portion() takes it, the columns that have no other place than metadata, and whether its ids are integers';

CREATE FUNCTION @extschema@.tw_check_import_keys(source regclass, key_column name) RETURNS void
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET row_security = off
AS $function$
DECLARE
    twice text;
    missing bigint := 0;
BEGIN
    -- Mostly it is a primary key, and nothing has to be read.
    IF EXISTS (SELECT FROM pg_index i JOIN pg_attribute a ON a.attrelid = source AND a.attname = key_column
               WHERE i.indrelid = source AND i.indisunique AND i.indisvalid AND i.indimmediate AND i.indnkeyatts = 1 AND i.indkey[0] = a.attnum
                 AND i.indpred IS NULL AND a.attnotnull)
       -- A parent's key says nothing of its children, unless they are partitions.
       AND NOT EXISTS (SELECT FROM pg_inherits h JOIN pg_class p ON p.oid = h.inhparent AND p.relkind = 'r' WHERE h.inhparent = source) THEN
        RETURN;
    END IF;
    EXECUTE format('SELECT count(*) FROM %s s WHERE s.%I IS NULL', source, key_column) INTO missing;
    EXECUTE format('SELECT s.%1$I::text FROM %2$s s GROUP BY s.%1$I::text HAVING count(*) > 1 ORDER BY 1 LIMIT 1', key_column, source) INTO twice;
    IF missing > 0 OR twice IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = CASE WHEN missing > 0 THEN 'not_null_violation' ELSE 'unique_violation' END,
            MESSAGE = CASE WHEN missing > 0 THEN format('%s of the rows of %s have no %s', missing, source, quote_ident(key_column))
                           ELSE format('several rows of %s have the %s %s', source, quote_ident(key_column), twice) END,
            HINT = 'By its id a row is known when it is imported again: name a column that is different in each row with columns => ''{"id": "..."}''.';
    END IF;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_check_import_keys(regclass, name) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_check_import_keys(regclass, name) IS
    'Refuses a table whose rows cannot be told apart by this column: 23502 where it is NULL, 23505 where it repeats';

CREATE FUNCTION @extschema@.import_conversations(
    source regclass, columns jsonb DEFAULT '{}', review_status text DEFAULT 'not-applicable', time_zone text DEFAULT 'UTC',
    keep_ids boolean DEFAULT true,
    OUT imported bigint, OUT skipped bigint, OUT differing bigint, OUT ids_kept bigint, OUT queued bigint,
    OUT first_id bigint, OUT last_id bigint, OUT into_metadata text[])
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET row_security = off SET datestyle = 'ISO, MDY' SET extra_float_digits = 1
    -- The text of an id must not depend on who imports.
    SET intervalstyle = 'postgres' SET bytea_output = 'hex' SET timezone = 'UTC'
AS $function$
DECLARE
    source_name CONSTANT text := @extschema@.tw_check_import_source(source);
    mapping jsonb;
    reading record;
    keep_upto bigint;
    item record;
    stored record;
    keys text[] := '{}';
    vals jsonb[] := '{}';
    extras jsonb[] := '{}';
    held integer := 0;
    held_bytes bigint := 0;
    seen bigint := 0;
    example text;
    more boolean := true;
    rows_of refcursor;
BEGIN
    IF review_status IS NULL OR review_status NOT IN ('not-applicable', 'needs-review') THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('imported rows cannot all be "%s"', coalesce(review_status, 'NULL')),
            HINT = 'not-applicable: history that nobody is asked about. needs-review: into the review queue. Rows that have a review_status of ours keep it.';
    END IF;
    IF time_zone IS NULL OR NOT EXISTS (SELECT FROM pg_timezone_names z WHERE lower(z.name) = lower(time_zone)) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('there is no time zone "%s"', coalesce(time_zone, 'NULL')),
            HINT = 'Name the one in which times without a zone were written, as in pg_timezone_names: UTC (Prisma), Asia/Kolkata, ...';
    END IF;
    IF keep_ids IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'null_value_not_allowed', MESSAGE = 'keep_ids must not be NULL';
    END IF;
    mapping := @extschema@.tw_map_import(source, columns);
    reading := @extschema@.tw_import_query(source, mapping);
    PERFORM @extschema@.tw_begin_import();
    PERFORM @extschema@.tw_check_import_keys(source, mapping ->> 'id');
    IF keep_ids AND reading.numbered THEN
        EXECUTE format('SELECT max(s.%1$I) FROM %2$s s WHERE s.%1$I BETWEEN 1 AND 9007199254740991', mapping ->> 'id', source) INTO keep_upto;
        PERFORM @extschema@.tw_reserve_numbers(keep_upto);
    END IF;

    imported := 0; differing := 0; ids_kept := 0; queued := 0;
    BEGIN
        OPEN rows_of NO SCROLL FOR EXECUTE reading.query;
        WHILE more LOOP
            FETCH rows_of INTO item;
            more := FOUND;
            IF more THEN
                keys := keys || item.key;
                vals := vals || item.vals;
                extras := extras || item.extras;
                held := held + 1;
                held_bytes := held_bytes + pg_column_size(item.vals) + pg_column_size(item.extras);
            END IF;
            -- In portions, so that memory does not grow with the table.
            IF held >= 1000 OR held_bytes >= 4000000 OR NOT more AND held > 0 THEN
                stored := @extschema@.tw_import_portion(source_name, mapping, keys, vals, extras, review_status, time_zone, keep_upto);
                imported := imported + stored.imported;
                differing := differing + stored.differing;
                ids_kept := ids_kept + stored.ids_kept;
                queued := queued + stored.queued;
                first_id := least(first_id, stored.first_id);
                last_id := greatest(last_id, stored.last_id);
                example := coalesce(example, stored.differing_key);
                seen := seen + held;
                keys := '{}'; vals := '{}'; extras := '{}'; held := 0; held_bytes := 0;
            END IF;
        END LOOP;
        CLOSE rows_of;
    EXCEPTION WHEN data_exception OR not_null_violation OR feature_not_supported THEN
        PERFORM @extschema@.tw_raise_import_error(source_name, mapping, keys, vals, extras);
        RAISE;
    END;
    skipped := seen - imported;
    into_metadata := reading.into_metadata;
    IF differing > 0 THEN
        RAISE WARNING USING
            MESSAGE = format('%s rows of %s were imported before under the same id, but with another session, message or time', differing, source),
            DETAIL = format('They were skipped. The first has the id %s.', example),
            HINT = 'If they are other messages, which a new table of the same name holds, import a view of it: that has a name of its own.';
    END IF;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.import_conversations(regclass, jsonb, text, text, boolean) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.import_conversations(regclass, jsonb, text, text, boolean) IS
    'Copies the conversations of a table or view that an application made earlier, in this transaction; the caller has to be able to read all of it. '
    'Columns are found by name, without regard to case and underscores (sessionId), or named: columns => ''{"session_id": "chatId"}''; what has no '
    'other place goes into metadata. Nothing is filtered, promoted or drawn for the audit. A review_status of ours stays; the other rows become '
    'not-applicable, or on request needs-review, with the priority that the filter would give. Times without a zone are in time_zone. '
    'Integer ids are kept where they are free (imported_conversations has old and new ones), for which it waits for transactions that are capturing '
    'right now. A row is copied once, however often this is called; differing counts those that changed since. Raises 22023 for arguments, 42703 for '
    'columns that are missing, and for a row that does not fit what is wrong with it, naming row and column; then nothing is imported';
-- model_versions: the registry of models. Training and register_model() write it; a trigger keeps statuses on their way.

CREATE TABLE @extschema@.model_versions (
    version text NOT NULL,
    model_type text NOT NULL,
    status text NOT NULL DEFAULT 'candidate',
    traffic_percentage integer NOT NULL DEFAULT 0,
    minio_path text,
    model_size_mb double precision,
    training_accuracy double precision,
    test_accuracy double precision,
    test_accuracy_lower double precision,
    test_accuracy_upper double precision,
    test_samples integer,
    macro_f1 double precision,
    calibration_error double precision,
    gate_decision text,
    gate_reason text,
    base_version text,
    base_accuracy double precision,
    mcnemar_p double precision,
    evaluation_id bigint,
    training_samples jsonb,
    training_seconds double precision,
    production_accuracy double precision,
    production_accuracy_lower double precision,
    production_accuracy_upper double precision,
    production_conversations bigint,
    fallback_rate double precision,
    p50_latency_ms double precision,
    p95_latency_ms double precision,
    production_computed_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    deployed_at timestamptz,
    retired_at timestamptz,
    artifact_sha256 text,
    artifact_stored_at timestamptz,
    artifact_error text,
    CONSTRAINT model_versions_pkey PRIMARY KEY (version),
    CONSTRAINT model_versions_version_check CHECK (
        version ~ '^[a-z0-9]+(-[a-z0-9]+)*-v(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)$'
        AND regexp_replace(version, '-v[0-9.]+$', '') = model_type),
    CONSTRAINT model_versions_status_check CHECK (
        status IN ('training', 'candidate', 'rejected', 'failed', 'canary', 'production', 'retired', 'rolled-back')),
    CONSTRAINT model_versions_traffic_percentage_check CHECK (traffic_percentage BETWEEN 0 AND 100),
    -- Only a live version carries traffic.
    CONSTRAINT model_versions_traffic_status_check CHECK (traffic_percentage = 0 OR status IN ('canary', 'production')),
    CONSTRAINT model_versions_rates_check CHECK (
        training_accuracy BETWEEN 0 AND 1 AND test_accuracy BETWEEN 0 AND 1 AND macro_f1 BETWEEN 0 AND 1
        AND calibration_error BETWEEN 0 AND 1 AND production_accuracy BETWEEN 0 AND 1 AND fallback_rate BETWEEN 0 AND 1
        AND test_accuracy_lower BETWEEN 0 AND 1 AND test_accuracy_upper BETWEEN 0 AND 1 AND base_accuracy BETWEEN 0 AND 1
        AND mcnemar_p BETWEEN 0 AND 1 AND production_accuracy_lower BETWEEN 0 AND 1 AND production_accuracy_upper BETWEEN 0 AND 1),
    CONSTRAINT model_versions_gate_decision_check CHECK (gate_decision IN ('passed', 'failed', 'undecided')),
    -- Nothing is said to be stored without saying what and where.
    CONSTRAINT model_versions_stored_check CHECK (
        artifact_stored_at IS NULL OR minio_path IS NOT NULL AND artifact_sha256 IS NOT NULL AND artifact_error IS NULL),
    CONSTRAINT model_versions_amounts_check CHECK (
        model_size_mb >= 0 AND model_size_mb < 'Infinity' AND test_samples >= 0 AND production_conversations >= 0
        AND training_seconds >= 0 AND training_seconds < 'Infinity')
);
REVOKE ALL ON TABLE @extschema@.model_versions FROM PUBLIC;
SELECT pg_extension_config_dump('@extschema@.model_versions', '');

CREATE UNIQUE INDEX model_versions_one_production_key ON @extschema@.model_versions (model_type) WHERE status = 'production';
CREATE UNIQUE INDEX model_versions_one_canary_key ON @extschema@.model_versions (model_type) WHERE status = 'canary';

CREATE FUNCTION @extschema@.tw_check_model_status() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'tw_check_model_status';
REVOKE ALL ON FUNCTION @extschema@.tw_check_model_status() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_check_model_status() IS
    'Trigger: a version and its type never change, and its status moves only forward along its way; raises 55000 '
    '(object_not_in_prerequisite_state)';
CREATE TRIGGER model_versions_check_status BEFORE UPDATE ON @extschema@.model_versions
    FOR EACH ROW WHEN (OLD.status <> NEW.status OR OLD.version <> NEW.version OR OLD.model_type <> NEW.model_type)
    EXECUTE FUNCTION @extschema@.tw_check_model_status();

-- What is cached is which version is live (classify_intent) and which shares of the sessions they have (assign_model_version), and
-- nothing else of the row: writing a statistic reloads nothing.
-- One trigger a row and ENABLE ALWAYS: logical replication fires neither ordinary nor statement-level triggers.
CREATE TRIGGER model_versions_invalidate AFTER INSERT OR DELETE OR UPDATE OF version, model_type, status, traffic_percentage ON @extschema@.model_versions
    FOR EACH ROW EXECUTE FUNCTION @extschema@.tw_invalidate_cache();
CREATE TRIGGER model_versions_invalidate_truncate AFTER TRUNCATE ON @extschema@.model_versions
    FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.tw_invalidate_cache();
ALTER TABLE @extschema@.model_versions ENABLE ALWAYS TRIGGER model_versions_invalidate;
ALTER TABLE @extschema@.model_versions ENABLE ALWAYS TRIGGER model_versions_invalidate_truncate;

COMMENT ON TABLE @extschema@.model_versions IS 'Every model version with its measurements; at most one production and one canary version of each type';
COMMENT ON COLUMN @extschema@.model_versions.version IS '<model_type>-v<major>.<minor>.<patch>, for example router-v1.0.0';
COMMENT ON COLUMN @extschema@.model_versions.model_type IS 'router, food-agent, ...';
COMMENT ON COLUMN @extschema@.model_versions.status IS 'training, candidate, rejected, failed, canary, production, retired or rolled-back';
COMMENT ON COLUMN @extschema@.model_versions.traffic_percentage IS 'Share of the sessions it is given, in percent; more than 0 only for canary and production';
COMMENT ON COLUMN @extschema@.model_versions.minio_path IS 'Where its artifact lies in the object store: set when it was verified there (artifact_stored_at); until then, of a model registered from outside, what was said';
COMMENT ON COLUMN @extschema@.model_versions.model_size_mb IS 'Size of its artifact in megabytes';
COMMENT ON COLUMN @extschema@.model_versions.training_accuracy IS 'Share of its training samples that it gets right, 0 to 1';
COMMENT ON COLUMN @extschema@.model_versions.test_accuracy IS 'Weighted accuracy on the frozen test set, 0 to 1';
COMMENT ON COLUMN @extschema@.model_versions.test_accuracy_lower IS 'Lower end of the 95 % interval of test_accuracy';
COMMENT ON COLUMN @extschema@.model_versions.test_accuracy_upper IS 'Upper end of the 95 % interval of test_accuracy';
COMMENT ON COLUMN @extschema@.model_versions.test_samples IS 'Number of test samples behind test_accuracy';
COMMENT ON COLUMN @extschema@.model_versions.macro_f1 IS 'Mean of the F1 scores of the intents, 0 to 1';
COMMENT ON COLUMN @extschema@.model_versions.calibration_error IS 'Expected calibration error, 0 to 1';
COMMENT ON COLUMN @extschema@.model_versions.gate_decision IS 'What the gate decided: passed, failed, or undecided (a person may decide, or a later look)';
COMMENT ON COLUMN @extschema@.model_versions.gate_reason IS 'Why the gate decided so';
COMMENT ON COLUMN @extschema@.model_versions.base_version IS 'The live version that it was compared with';
COMMENT ON COLUMN @extschema@.model_versions.base_accuracy IS 'Weighted accuracy of base_version on the same test samples at the same time, 0 to 1';
COMMENT ON COLUMN @extschema@.model_versions.mcnemar_p IS 'Two-sided p-value of the exact McNemar test of the two on these samples';
COMMENT ON COLUMN @extschema@.model_versions.evaluation_id IS 'The evaluation behind these figures (model_evaluations)';
COMMENT ON COLUMN @extschema@.model_versions.training_samples IS 'Number of training samples by label source, for example {"human": 812, "model": 4010}';
COMMENT ON COLUMN @extschema@.model_versions.training_seconds IS 'How long training took, in seconds';
COMMENT ON COLUMN @extschema@.model_versions.production_accuracy IS 'Estimated accuracy in production, 0 to 1 (live_accuracy() over its last 30 days with traffic); NULL while there are too few audited labels';
COMMENT ON COLUMN @extschema@.model_versions.production_accuracy_lower IS 'Lower end of the 95 % interval of production_accuracy';
COMMENT ON COLUMN @extschema@.model_versions.production_accuracy_upper IS 'Upper end of the 95 % interval of production_accuracy';
COMMENT ON COLUMN @extschema@.model_versions.production_conversations IS 'How many conversations of these days named the version';
COMMENT ON COLUMN @extschema@.model_versions.fallback_rate IS 'Share of them that the fallback answered, 0 to 1';
COMMENT ON COLUMN @extschema@.model_versions.p50_latency_ms IS 'Median time of their NLU calls, in milliseconds';
COMMENT ON COLUMN @extschema@.model_versions.p95_latency_ms IS '95th percentile of the time of their NLU calls, in milliseconds';
COMMENT ON COLUMN @extschema@.model_versions.production_computed_at IS 'When the figures from production were computed';
COMMENT ON COLUMN @extschema@.model_versions.created_at IS 'When the version was registered';
COMMENT ON COLUMN @extschema@.model_versions.deployed_at IS 'When it first received traffic';
COMMENT ON COLUMN @extschema@.model_versions.retired_at IS 'When it last stopped receiving traffic';
COMMENT ON COLUMN @extschema@.model_versions.artifact_sha256 IS 'SHA-256 of the artifact in the object store, in lower-case hexadecimal';
COMMENT ON COLUMN @extschema@.model_versions.artifact_stored_at IS 'When that artifact was verified by reading it; where an S3 server is configured, no version goes live before';
COMMENT ON COLUMN @extschema@.model_versions.artifact_error IS 'Why it could not be stored or verified the last time';
-- model_deployments: every change of what is live. Append-only.

CREATE TABLE @extschema@.model_deployments (
    id bigint GENERATED BY DEFAULT AS IDENTITY,
    model_type text NOT NULL,
    version text NOT NULL,
    previous_version text,
    from_status text,
    to_status text NOT NULL,
    from_percentage integer,
    to_percentage integer NOT NULL,
    actor text NOT NULL DEFAULT session_user,
    reason text,
    figures jsonb,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT model_deployments_pkey PRIMARY KEY (id),
    CONSTRAINT model_deployments_percentages_check CHECK (
        from_percentage BETWEEN 0 AND 100 AND to_percentage BETWEEN 0 AND 100)
);
REVOKE ALL ON TABLE @extschema@.model_deployments FROM PUBLIC;
SELECT pg_extension_config_dump('@extschema@.model_deployments', '');
SELECT pg_extension_config_dump('@extschema@.model_deployments_id_seq', '');

-- "Which version was live at that time?"
CREATE INDEX model_deployments_time_idx ON @extschema@.model_deployments (model_type, created_at);

CREATE TRIGGER model_deployments_append_only BEFORE UPDATE OR DELETE ON @extschema@.model_deployments
    FOR EACH ROW EXECUTE FUNCTION @extschema@.tw_append_only();
CREATE TRIGGER model_deployments_append_only_truncate BEFORE TRUNCATE ON @extschema@.model_deployments
    FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.tw_append_only();
-- ENABLE ALWAYS: no setting of a session opens it.
ALTER TABLE @extschema@.model_deployments ENABLE ALWAYS TRIGGER model_deployments_append_only;
ALTER TABLE @extschema@.model_deployments ENABLE ALWAYS TRIGGER model_deployments_append_only_truncate;

COMMENT ON TABLE @extschema@.model_deployments IS 'Every change of what is live: from, to, who or what, and why; append-only';
COMMENT ON SEQUENCE @extschema@.model_deployments_id_seq IS 'Numbers of model_deployments';
COMMENT ON COLUMN @extschema@.model_deployments.id IS 'Number of the change';
COMMENT ON COLUMN @extschema@.model_deployments.model_type IS 'The type of the model';
COMMENT ON COLUMN @extschema@.model_deployments.version IS 'The version that changed';
COMMENT ON COLUMN @extschema@.model_deployments.previous_version IS 'The version that was live before';
COMMENT ON COLUMN @extschema@.model_deployments.from_status IS 'Its status before';
COMMENT ON COLUMN @extschema@.model_deployments.to_status IS 'Its status after';
COMMENT ON COLUMN @extschema@.model_deployments.from_percentage IS 'Its share of the sessions before, in percent';
COMMENT ON COLUMN @extschema@.model_deployments.to_percentage IS 'Its share of the sessions after, in percent';
COMMENT ON COLUMN @extschema@.model_deployments.actor IS 'The login role, or the job, that made the change';
COMMENT ON COLUMN @extschema@.model_deployments.reason IS 'Why';
COMMENT ON COLUMN @extschema@.model_deployments.figures IS 'The measurements behind the decision';
COMMENT ON COLUMN @extschema@.model_deployments.created_at IS 'When';
-- rollouts: the way of each version from its first canary sessions to all of them, or back. rollout_checks: every look at it.

CREATE TABLE @extschema@.rollouts (
    id bigint GENERATED BY DEFAULT AS IDENTITY,
    model_type text NOT NULL,
    version text NOT NULL,
    previous_version text NOT NULL,
    status text NOT NULL DEFAULT 'running',
    -- What the proof rests on is taken from the settings once: changed under way, it would prove nothing.
    steps integer[] NOT NULL,
    alpha double precision NOT NULL,
    margin double precision NOT NULL,
    -- When each step so far began; there are as many as steps were begun.
    step_times timestamptz[] NOT NULL,
    reason text,
    started_by text NOT NULL DEFAULT session_user,
    started_at timestamptz NOT NULL,
    promoted_at timestamptz,
    ended_at timestamptz,
    end_reason text,
    CONSTRAINT rollouts_pkey PRIMARY KEY (id),
    -- Which sessions a canary gets is a matter of its version's name alone: no version is rolled out twice.
    CONSTRAINT rollouts_version_key UNIQUE (version),
    CONSTRAINT rollouts_status_check CHECK (status IN ('running', 'watching', 'finished', 'rolled-back')),
    CONSTRAINT rollouts_steps_check CHECK (
        cardinality(steps) > 0 AND cardinality(step_times) BETWEEN 1 AND cardinality(steps)
        AND 1 <= ALL (steps) AND 100 >= ALL (steps)),
    CONSTRAINT rollouts_levels_check CHECK (alpha > 0 AND alpha <= 0.5 AND margin >= 0 AND margin < 1),
    CONSTRAINT rollouts_ended_check CHECK (
        (status IN ('finished', 'rolled-back')) = (ended_at IS NOT NULL) AND (status <> 'watching' OR promoted_at IS NOT NULL))
);
REVOKE ALL ON TABLE @extschema@.rollouts FROM PUBLIC;
SELECT pg_extension_config_dump('@extschema@.rollouts', '');
SELECT pg_extension_config_dump('@extschema@.rollouts_id_seq', '');

-- At most one of a type is under way, and at most one that has arrived is still watched.
CREATE UNIQUE INDEX rollouts_one_running_key ON @extschema@.rollouts (model_type) WHERE status = 'running';
CREATE UNIQUE INDEX rollouts_one_watching_key ON @extschema@.rollouts (model_type) WHERE status = 'watching';

COMMENT ON TABLE @extschema@.rollouts IS 'The rollouts: which share of the sessions each version was given when, and how that ended; start_rollout() and the others write it';
COMMENT ON SEQUENCE @extschema@.rollouts_id_seq IS 'Numbers of rollouts';
COMMENT ON COLUMN @extschema@.rollouts.id IS 'Number of the rollout';
COMMENT ON COLUMN @extschema@.rollouts.model_type IS 'The type of the model';
COMMENT ON COLUMN @extschema@.rollouts.version IS 'The version that is rolled out, the canary; its name decides which sessions it is given';
COMMENT ON COLUMN @extschema@.rollouts.previous_version IS 'The production version that it is compared with, and that answers again if it is rolled back';
COMMENT ON COLUMN @extschema@.rollouts.status IS 'running, watching (it has all sessions, and is still looked at), finished or rolled-back';
COMMENT ON COLUMN @extschema@.rollouts.steps IS 'Shares of the sessions, in percent, step by step';
COMMENT ON COLUMN @extschema@.rollouts.alpha IS 'How likely it may be rolled back although it is as good, over all looks and guardrails';
COMMENT ON COLUMN @extschema@.rollouts.margin IS 'Which loss counts as none where non-inferiority is required, 0 to 1';
COMMENT ON COLUMN @extschema@.rollouts.step_times IS 'When each step so far began';
COMMENT ON COLUMN @extschema@.rollouts.reason IS 'Why it was started, where a person did';
COMMENT ON COLUMN @extschema@.rollouts.started_by IS 'The login role, or the job, that started it';
COMMENT ON COLUMN @extschema@.rollouts.started_at IS 'When it started';
COMMENT ON COLUMN @extschema@.rollouts.promoted_at IS 'When it reached all sessions';
COMMENT ON COLUMN @extschema@.rollouts.ended_at IS 'When nobody looked at it any more, or it was rolled back';
COMMENT ON COLUMN @extschema@.rollouts.end_reason IS 'Why it ended';

CREATE TABLE @extschema@.rollout_checks (
    id bigint GENERATED BY DEFAULT AS IDENTITY,
    rollout_id bigint NOT NULL,
    model_type text NOT NULL,
    version text NOT NULL,
    step integer NOT NULL,
    traffic_percentage integer NOT NULL,
    verdict text NOT NULL,
    reason text NOT NULL,
    canary_units bigint NOT NULL,
    production_units bigint NOT NULL,
    sample_ratio_evidence double precision,
    metrics jsonb NOT NULL,
    checked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT rollout_checks_pkey PRIMARY KEY (id),
    CONSTRAINT rollout_checks_verdict_check CHECK (verdict IN ('rollback', 'hold', 'advance')),
    CONSTRAINT rollout_checks_units_check CHECK (canary_units >= 0 AND production_units >= 0)
);
REVOKE ALL ON TABLE @extschema@.rollout_checks FROM PUBLIC;
SELECT pg_extension_config_dump('@extschema@.rollout_checks', '');
SELECT pg_extension_config_dump('@extschema@.rollout_checks_id_seq', '');

-- The newest look at a rollout.
CREATE INDEX rollout_checks_rollout_idx ON @extschema@.rollout_checks (rollout_id, id);

COMMENT ON TABLE @extschema@.rollout_checks IS 'Every look at a rollout, with its figures';
COMMENT ON SEQUENCE @extschema@.rollout_checks_id_seq IS 'Numbers of rollout_checks';
COMMENT ON COLUMN @extschema@.rollout_checks.id IS 'Number of the look';
COMMENT ON COLUMN @extschema@.rollout_checks.rollout_id IS 'The rollout';
COMMENT ON COLUMN @extschema@.rollout_checks.model_type IS 'The type of the model';
COMMENT ON COLUMN @extschema@.rollout_checks.version IS 'The version that is rolled out';
COMMENT ON COLUMN @extschema@.rollout_checks.step IS 'The step that it was in, from 1';
COMMENT ON COLUMN @extschema@.rollout_checks.traffic_percentage IS 'Its share of the sessions in that step, in percent';
COMMENT ON COLUMN @extschema@.rollout_checks.verdict IS 'rollback, hold or advance';
COMMENT ON COLUMN @extschema@.rollout_checks.reason IS 'Why, in words';
COMMENT ON COLUMN @extschema@.rollout_checks.canary_units IS 'Sessions of the version in that step';
COMMENT ON COLUMN @extschema@.rollout_checks.production_units IS 'Sessions of the previous version in that step';
COMMENT ON COLUMN @extschema@.rollout_checks.sample_ratio_evidence IS 'Evidence that the sessions are not shared out as they should be (sample_ratio_check); 1,000 and more hold the rollout';
COMMENT ON COLUMN @extschema@.rollout_checks.metrics IS
    'One object for each metric: what it is (guardrail or signal), rates of the two, difference with its bounds, verdict; differences are in the share of good outcomes, positive where the new version is better';
COMMENT ON COLUMN @extschema@.rollout_checks.checked_at IS 'When';
-- model_artifacts: the bytes of models.

CREATE TABLE @extschema@.model_artifacts (
    version text NOT NULL,
    format text NOT NULL,
    sha256 text NOT NULL,
    size_bytes bigint NOT NULL,
    bytes bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT model_artifacts_pkey PRIMARY KEY (version),
    -- That the bytes have this checksum is verified whenever they are loaded, not here: a restore must not fail over it.
    CONSTRAINT model_artifacts_sha256_check CHECK (sha256 ~ '^[0-9a-f]{64}$')
);
-- Quantised weights do not compress.
ALTER TABLE @extschema@.model_artifacts ALTER COLUMN bytes SET STORAGE EXTERNAL;
REVOKE ALL ON TABLE @extschema@.model_artifacts FROM PUBLIC;
SELECT pg_extension_config_dump('@extschema@.model_artifacts', '');

CREATE TRIGGER model_artifacts_invalidate AFTER INSERT OR UPDATE OR DELETE ON @extschema@.model_artifacts
    FOR EACH ROW EXECUTE FUNCTION @extschema@.tw_invalidate_cache();
CREATE TRIGGER model_artifacts_invalidate_truncate AFTER TRUNCATE ON @extschema@.model_artifacts
    FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.tw_invalidate_cache();
ALTER TABLE @extschema@.model_artifacts ENABLE ALWAYS TRIGGER model_artifacts_invalidate;
ALTER TABLE @extschema@.model_artifacts ENABLE ALWAYS TRIGGER model_artifacts_invalidate_truncate;

COMMENT ON TABLE @extschema@.model_artifacts IS 'The bytes of models, with their checksum; written by training, register_model() and complete_training_job()';
COMMENT ON COLUMN @extschema@.model_artifacts.version IS 'The version that they are';
COMMENT ON COLUMN @extschema@.model_artifacts.format IS 'router: what classify_intent() can load; other: kept for whoever knows it';
COMMENT ON COLUMN @extschema@.model_artifacts.sha256 IS 'SHA-256 of the bytes in lower-case hexadecimal, verified at each load';
COMMENT ON COLUMN @extschema@.model_artifacts.size_bytes IS 'Number of bytes';
COMMENT ON COLUMN @extschema@.model_artifacts.bytes IS 'The artifact';
COMMENT ON COLUMN @extschema@.model_artifacts.created_at IS 'When it was stored';
-- model_evaluations: what each version answered to each test sample, as it was scored.

CREATE TABLE @extschema@.model_evaluations (
    id bigint GENERATED BY DEFAULT AS IDENTITY,
    evaluation_id bigint NOT NULL,
    version text NOT NULL,
    sample_id bigint NOT NULL,
    text_hash bigint NOT NULL,
    intent text NOT NULL,
    weight double precision NOT NULL,
    predicted_intent text,
    confidence double precision,
    evaluated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT model_evaluations_pkey PRIMARY KEY (id),
    CONSTRAINT model_evaluations_sample_key UNIQUE (version, evaluation_id, sample_id),
    CONSTRAINT model_evaluations_weight_check CHECK (weight > 0 AND weight < 'Infinity'),
    CONSTRAINT model_evaluations_confidence_check CHECK (confidence BETWEEN 0 AND 1)
);
REVOKE ALL ON TABLE @extschema@.model_evaluations FROM PUBLIC;
SELECT pg_extension_config_dump('@extschema@.model_evaluations', '');
SELECT pg_extension_config_dump('@extschema@.model_evaluations_id_seq', '');

-- What a version that lives outside answered to a text.
CREATE INDEX model_evaluations_answers_idx ON @extschema@.model_evaluations (version, text_hash, id);

-- The numbers of evaluations: the two models of one comparison share one.
CREATE SEQUENCE @extschema@.model_evaluations_evaluation_seq;
REVOKE ALL ON SEQUENCE @extschema@.model_evaluations_evaluation_seq FROM PUBLIC;
SELECT pg_extension_config_dump('@extschema@.model_evaluations_evaluation_seq', '');

COMMENT ON TABLE @extschema@.model_evaluations IS 'What each version answered to each test sample when it was scored; the two models of one comparison share evaluation_id';
COMMENT ON SEQUENCE @extschema@.model_evaluations_id_seq IS 'Numbers of model_evaluations';
COMMENT ON SEQUENCE @extschema@.model_evaluations_evaluation_seq IS 'Numbers of evaluations (evaluation_id)';
COMMENT ON COLUMN @extschema@.model_evaluations.id IS 'Number of the answer';
COMMENT ON COLUMN @extschema@.model_evaluations.evaluation_id IS 'The evaluation that it belongs to';
COMMENT ON COLUMN @extschema@.model_evaluations.version IS 'The version that answered';
COMMENT ON COLUMN @extschema@.model_evaluations.sample_id IS 'The test sample';
COMMENT ON COLUMN @extschema@.model_evaluations.text_hash IS 'Hash of its text';
COMMENT ON COLUMN @extschema@.model_evaluations.intent IS 'Its label at the time';
COMMENT ON COLUMN @extschema@.model_evaluations.weight IS 'What it counted for: the sum of 1/selection_probability';
COMMENT ON COLUMN @extschema@.model_evaluations.predicted_intent IS 'What the version answered; NULL where it had no answer';
COMMENT ON COLUMN @extschema@.model_evaluations.confidence IS 'With which confidence, 0 to 1';
COMMENT ON COLUMN @extschema@.model_evaluations.evaluated_at IS 'When';
-- training_jobs: what is to be trained or evaluated, by the built-in trainer or by workers outside.

CREATE TABLE @extschema@.training_jobs (
    id bigint GENERATED BY DEFAULT AS IDENTITY,
    model_type text NOT NULL,
    kind text NOT NULL DEFAULT 'train',
    trainer text NOT NULL DEFAULT 'built-in',
    status text NOT NULL DEFAULT 'queued',
    version text,
    parameters jsonb NOT NULL DEFAULT '{}',
    requested_by text NOT NULL DEFAULT session_user,
    worker text,
    attempt integer NOT NULL DEFAULT 0,
    lease interval,
    lease_expires_at timestamptz,
    heartbeat_at timestamptz,
    progress jsonb,
    cutoff timestamptz,
    test_samples bigint[],
    result jsonb,
    error_code text,
    error_message text,
    created_at timestamptz NOT NULL DEFAULT now(),
    started_at timestamptz,
    finished_at timestamptz,
    CONSTRAINT training_jobs_pkey PRIMARY KEY (id),
    CONSTRAINT training_jobs_model_type_check CHECK (model_type ~ '^[a-z0-9]+(-[a-z0-9]+)*$'),
    CONSTRAINT training_jobs_kind_check CHECK (kind IN ('train', 'evaluate')),
    CONSTRAINT training_jobs_trainer_check CHECK (trainer IN ('built-in', 'outside')),
    CONSTRAINT training_jobs_status_check CHECK (status IN ('queued', 'running', 'succeeded', 'failed', 'cancelled')),
    CONSTRAINT training_jobs_version_check CHECK (kind = 'train' OR version IS NOT NULL),
    CONSTRAINT training_jobs_running_check CHECK (
        status <> 'running' OR worker IS NOT NULL AND lease_expires_at IS NOT NULL AND started_at IS NOT NULL),
    CONSTRAINT training_jobs_finished_check CHECK ((finished_at IS NOT NULL) = (status IN ('succeeded', 'failed', 'cancelled')))
);
REVOKE ALL ON TABLE @extschema@.training_jobs FROM PUBLIC;
SELECT pg_extension_config_dump('@extschema@.training_jobs', '');
SELECT pg_extension_config_dump('@extschema@.training_jobs_id_seq', '');

-- Two trainings of one type would race for a version number, and for what "new" means.
CREATE UNIQUE INDEX training_jobs_one_running_key ON @extschema@.training_jobs (model_type) WHERE status = 'running';
-- Asking twice is asking once.
CREATE UNIQUE INDEX training_jobs_one_queued_key ON @extschema@.training_jobs (model_type, kind, trainer, coalesce(version, ''))
    WHERE status = 'queued';
CREATE INDEX training_jobs_finished_idx ON @extschema@.training_jobs (model_type, finished_at) WHERE kind = 'train' AND cutoff IS NOT NULL;

COMMENT ON TABLE @extschema@.training_jobs IS 'Jobs to train or evaluate a model; at most one of each model type runs at a time';
COMMENT ON SEQUENCE @extschema@.training_jobs_id_seq IS 'Numbers of training_jobs';
COMMENT ON COLUMN @extschema@.training_jobs.id IS 'Number of the job';
COMMENT ON COLUMN @extschema@.training_jobs.model_type IS 'The type of the model: router, food-agent, ...';
COMMENT ON COLUMN @extschema@.training_jobs.kind IS 'train, or evaluate: score a version that lives outside on the test set';
COMMENT ON COLUMN @extschema@.training_jobs.trainer IS 'built-in, or outside: a worker that calls claim_training_job()';
COMMENT ON COLUMN @extschema@.training_jobs.status IS 'queued, running, succeeded, failed or cancelled; succeeded says that the model was trained and scored, not that it passed the gate';
COMMENT ON COLUMN @extschema@.training_jobs.version IS 'The version that the job trains (given when it starts) or evaluates';
COMMENT ON COLUMN @extschema@.training_jobs.parameters IS 'Handed to the worker as they are; "major": true asks for a new major version';
COMMENT ON COLUMN @extschema@.training_jobs.requested_by IS 'The login role that asked for it';
COMMENT ON COLUMN @extschema@.training_jobs.worker IS 'Who works on it, or did last';
COMMENT ON COLUMN @extschema@.training_jobs.attempt IS 'How often it was begun; a job whose worker falls silent is begun at most three times';
COMMENT ON COLUMN @extschema@.training_jobs.lease IS 'How long the worker may be silent';
COMMENT ON COLUMN @extschema@.training_jobs.lease_expires_at IS 'When the job is taken from a worker who does not send a heartbeat before';
COMMENT ON COLUMN @extschema@.training_jobs.heartbeat_at IS 'When the worker was last heard of';
COMMENT ON COLUMN @extschema@.training_jobs.progress IS 'What the worker said of its progress';
COMMENT ON COLUMN @extschema@.training_jobs.cutoff IS 'The time up to which samples were learned; later ones are new to the next job';
COMMENT ON COLUMN @extschema@.training_jobs.test_samples IS 'The test samples that an outside worker has to predict, fixed when it takes the job';
COMMENT ON COLUMN @extschema@.training_jobs.result IS 'Figures of the finished job';
COMMENT ON COLUMN @extschema@.training_jobs.error_code IS 'SQLSTATE of the last failure, where it had one';
COMMENT ON COLUMN @extschema@.training_jobs.error_message IS 'What the last failure said';
COMMENT ON COLUMN @extschema@.training_jobs.created_at IS 'When it was asked for';
COMMENT ON COLUMN @extschema@.training_jobs.started_at IS 'When it was last begun';
COMMENT ON COLUMN @extschema@.training_jobs.finished_at IS 'When it ended';
-- near_twins(): texts that are nearly the same, so that a model is not tested on what it has learned from.

CREATE FUNCTION @extschema@.near_twins(candidates text[], texts text[], threshold double precision DEFAULT 0.8) RETURNS integer[]
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'tw_near_twins';
REVOKE ALL ON FUNCTION @extschema@.near_twins(text[], text[], double precision) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.near_twins(text[], text[], double precision) IS
    'For each candidate, in their order, which of the texts (the first is 1) is most nearly the same: the one with the highest '
    'Jaccard similarity of their sets of words (of the normalised text, every digit as 0), the first of several; NULL where none '
    'reaches the threshold, for a NULL, and for a text without a word. Exact. Raises 22023 for a threshold that is not above 0 '
    'and at most 1, 2202E for arrays of several dimensions';
-- Sides: whether a text is learned or tested on is decided once, for all its samples, by the first training run that sees it.

CREATE INDEX training_samples_test_side_idx ON @extschema@.training_samples (text_hash) WHERE split = 'test';

CREATE FUNCTION @extschema@.tw_model_text(text text) RETURNS text
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'tw_model_text';
REVOKE ALL ON FUNCTION @extschema@.tw_model_text(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_model_text(text) IS
    'A text as models see it, in training and when they serve: redacted, whatever the setting redact says, and normalised';

-- What decides about the texts that no run has seen yet, in this order:
-- a text keeps the side that any of its samples has; one seen 20 times or more is learned ("hi" must be learnable); a text of
-- which an audited conversation still waits for its verdict stays undecided, because which rows people get to first is not
-- random; a hashed half of the texts of audited, human-labelled rows is for testing, but for near-twins of texts that were
-- seen 20 times or that a model has learned: the live model would know them by heart, and its successor could not learn them;
-- all others are learned.
CREATE FUNCTION @extschema@.tw_new_sides(OUT text_hash bigint, OUT side text) RETURNS SETOF record
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH undecided AS MATERIALIZED (
        SELECT DISTINCT s.text_hash FROM @extschema@.training_samples s WHERE s.split IS NULL AND s.review_status = 'approved'
    ), seen AS MATERIALIZED (
        SELECT s.text_hash, min(@extschema@.tw_model_text(s.text)) FILTER (WHERE s.review_status = 'approved') AS text,
               count(*) FILTER (WHERE s.review_status = 'approved') AS times,
               CASE WHEN bool_or(s.split = 'test') THEN 'test' ELSE min(s.split) END AS known,
               coalesce(bool_or(s.review_status = 'approved' AND s.label_source = 'human' AND c.is_audit), false) AS audited,
               coalesce(bool_or(s.review_status = 'approved' AND s.label_source = 'model' AND c.is_audit), false) AS awaited
        FROM @extschema@.training_samples s
        LEFT JOIN @extschema@.conversation_logs c ON c.id = s.conversation_log_id
        WHERE s.text_hash IN (SELECT u.text_hash FROM undecided u)
        GROUP BY s.text_hash
    ), wanted AS (
        SELECT n.text_hash, n.text,
               CASE WHEN n.known IS NOT NULL THEN n.known
                    WHEN n.times >= 20 OR n.text_hash & 1 = 0 THEN 'train'
                    WHEN n.audited THEN 'test'
                    WHEN NOT n.awaited THEN 'train' END AS side,
               n.known IS NULL AS is_new
        FROM seen n
    ), heads AS (
        SELECT coalesce(array_agg(h.text), '{}') AS texts
        FROM (SELECT min(@extschema@.tw_model_text(s.text)) AS text
              FROM @extschema@.training_samples s
              WHERE s.review_status = 'approved'
              GROUP BY s.text_hash
              HAVING (count(*) >= 20 OR bool_or(s.model_version_target IS NOT NULL)) AND NOT coalesce(bool_or(s.split = 'test'), false)) h
    ), tested AS (
        SELECT coalesce(array_agg(w.text_hash ORDER BY w.text_hash), '{}') AS hashes,
               coalesce(array_agg(w.text ORDER BY w.text_hash), '{}') AS texts
        FROM wanted w WHERE w.is_new AND w.side = 'test'
    ), twins AS (
        SELECT x.text_hash
        FROM tested t, heads h, unnest(t.hashes, @extschema@.near_twins(t.texts, h.texts)) AS x (text_hash, twin)
        WHERE x.twin IS NOT NULL
    )
    SELECT w.text_hash, CASE WHEN w.text_hash IN (SELECT x.text_hash FROM twins x) THEN 'train' ELSE w.side END
    FROM wanted w
    WHERE w.side IS NOT NULL;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_new_sides() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_new_sides() IS
    'The side (train or test) of each live text that has samples without one; a text whose audit is not finished is not among them';

CREATE FUNCTION @extschema@.tw_decide_sides() RETURNS bigint
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    hashes bigint[];
    sides text[];
    decided bigint;
BEGIN
    -- Two runs at once could see different halves of one text's history; and so could a run and an import that pins one.
    PERFORM pg_advisory_xact_lock('@extschema@.conversation_logs'::regclass::oid::integer, 7);
    SELECT array_agg(n.text_hash), array_agg(n.side) INTO hashes, sides FROM @extschema@.tw_new_sides() n;
    -- In the order of everybody who locks samples.
    PERFORM FROM @extschema@.training_samples s
    WHERE s.split IS NULL AND s.review_status = 'approved' AND s.text_hash IN (SELECT unnest(hashes))
    ORDER BY s.id FOR NO KEY UPDATE;
    UPDATE @extschema@.training_samples s SET split = n.side
    FROM unnest(hashes, sides) AS n (text_hash, side)
    WHERE s.text_hash = n.text_hash AND s.split IS NULL AND s.review_status = 'approved';
    GET DIAGNOSTICS decided = ROW_COUNT;
    RETURN decided;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_decide_sides() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_decide_sides() IS
    'Stores the side of every live sample that has none yet, and returns how many it stored; what is stored never changes';
-- The training set and the frozen test set of a model type, and what is new since the last training.

CREATE FUNCTION @extschema@.tw_check_model_type(model_type text) RETURNS text
    LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF model_type IS NULL OR model_type !~ '^([a-z0-9]+(-[a-z0-9]+)*-agent|router)$' THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('there is no model type "%s"', coalesce(model_type, 'NULL')),
            HINT = 'The types are router, and <module>-agent for each module, for example food-agent.';
    END IF;
    RETURN regexp_replace(model_type, '-agent$', '');
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_check_model_type(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_check_model_type(text) IS
    'The module whose samples a model type learns (router: all of them), or 22023 (invalid_parameter_value)';

CREATE FUNCTION @extschema@.tw_training_texts(
    model_type text,
    OUT text text, OUT intent text, OUT example text, OUT module_type text, OUT language text, OUT entities jsonb,
    OUT samples bigint, OUT label_source text, OUT weight double precision, OUT sample_ids bigint[], OUT excluded text)
    RETURNS SETOF record
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH live AS (
        SELECT s.*, @extschema@.tw_model_text(s.text) AS model_text
        FROM @extschema@.training_samples s
        WHERE s.review_status = 'approved'
    ), disputed AS (
        SELECT l.model_text FROM live l GROUP BY l.model_text HAVING min(l.intent COLLATE "C") <> max(l.intent COLLATE "C")
    ), tested AS MATERIALIZED (
        -- Whatever became of the sample since: who was tested on a text must not learn it.
        SELECT s.text_hash, @extschema@.tw_model_text(s.text) AS model_text FROM @extschema@.training_samples s WHERE s.split = 'test'
    ), candidates AS MATERIALIZED (
        SELECT l.*,
               CASE WHEN @extschema@.tw_is_blank(l.model_text) OR @extschema@.tw_is_blank(l.intent) THEN 'blank'
                    WHEN l.text_hash IN (SELECT t.text_hash FROM tested t)
                      OR l.model_text IN (SELECT t.model_text FROM tested t) THEN 'test side'
                    WHEN l.split IS NULL THEN 'side not decided'
                    WHEN l.label_source = 'model' AND l.model_text IN (SELECT d.model_text FROM disputed d) THEN 'label conflict'
               END AS excluded
        FROM live l
        WHERE tw_training_texts.model_type = 'router' OR l.module_type || '-agent' = tw_training_texts.model_type
    ), texts AS (
        SELECT array_agg(x.model_text) AS texts
        FROM (SELECT DISTINCT c.model_text FROM candidates c WHERE c.excluded IS NULL) x
    ), twins AS MATERIALIZED (
        SELECT x.model_text
        FROM texts a,
             unnest(a.texts, @extschema@.near_twins(a.texts, ARRAY(SELECT DISTINCT t.model_text FROM tested t))) AS x (model_text, twin)
        WHERE x.twin IS NOT NULL
    ), judged AS (
        SELECT c.*, coalesce(c.excluded, CASE WHEN c.model_text IN (SELECT w.model_text FROM twins w) THEN 'near-twin of a test text' END) AS why
        FROM candidates c
    )
    SELECT j.model_text, j.intent, (array_agg(j.text ORDER BY j.id))[1],
           mode() WITHIN GROUP (ORDER BY j.module_type COLLATE "C"), mode() WITHIN GROUP (ORDER BY j.language COLLATE "C"),
           (array_agg(j.entities ORDER BY j.label_source = 'human' DESC, j.id) FILTER (WHERE j.entities IS NOT NULL))[1],
           count(*), CASE WHEN bool_or(j.label_source = 'human') THEN 'human' ELSE 'model' END,
           CASE WHEN bool_or(j.label_source = 'human') THEN 1 ELSE 0.3 END * (1 + ln(count(*)::double precision)),
           array_agg(j.id ORDER BY j.id), j.why
    FROM judged j
    GROUP BY j.model_text, j.intent, j.why;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_training_texts(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_training_texts(text) IS
    'Every live text of a model type with each of its intents, its weight, its samples, and why it is not trained on: blank, test '
    'side, side not decided, label conflict, near-twin of a test text; NULL = it is';

CREATE FUNCTION @extschema@.training_set(
    model_type text DEFAULT 'router',
    OUT text text, OUT intent text, OUT module_type text, OUT language text, OUT entities jsonb, OUT label_source text,
    OUT samples bigint, OUT weight double precision)
    RETURNS SETOF record
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT t.example, t.intent, t.module_type, t.language, t.entities, t.label_source, t.samples, t.weight
    FROM @extschema@.tw_training_texts(model_type) t
    WHERE @extschema@.tw_check_model_type(model_type) IS NOT NULL AND t.excluded IS NULL
    ORDER BY t.text COLLATE "C", t.intent COLLATE "C";
END;
REVOKE ALL ON FUNCTION @extschema@.training_set(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.training_set(text) IS
    'What a model of this type learns now, for trainers outside: each text and intent once, with how many samples stand behind it '
    'and its weight, (1, or 0.3 where no person looked) * (1 + ln samples). Test-side texts and their near-twins, texts whose side no '
    'training run has decided yet, and unreviewed samples of label conflicts are left out. Raises 22023 for an unknown model type';

CREATE FUNCTION @extschema@.model_test_set(
    model_type text DEFAULT 'router',
    OUT sample_id bigint, OUT text text, OUT intent text, OUT module_type text, OUT weight double precision, OUT pinned boolean,
    OUT text_hash bigint)
    RETURNS SETOF record
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    -- The newest label of a text stands, and speaks for all its samples: together they weigh what they stand for.
    SELECT DISTINCT ON (s.text_hash)
           s.id, s.text, s.intent, s.module_type,
           sum(CASE WHEN s.conversation_log_id IS NOT NULL THEN 1 / s.selection_probability ELSE 0 END) OVER texts
           + max((s.conversation_log_id IS NULL)::integer) OVER texts,
           bool_or(s.conversation_log_id IS NULL) OVER texts, s.text_hash
    FROM @extschema@.training_samples s
    LEFT JOIN @extschema@.conversation_logs c ON c.id = s.conversation_log_id
    WHERE @extschema@.tw_check_model_type(model_type) IS NOT NULL AND s.split = 'test' AND s.review_status = 'approved' AND s.label_source = 'human'
      AND (s.conversation_log_id IS NULL AND s.source <> 'production' OR c.is_audit AND s.selection_probability > 0)
      AND (model_test_set.model_type = 'router' OR s.module_type || '-agent' = model_test_set.model_type)
    WINDOW texts AS (PARTITION BY s.text_hash)
    ORDER BY s.text_hash, s.reviewed_at DESC NULLS LAST, s.id DESC;
END;
REVOKE ALL ON FUNCTION @extschema@.model_test_set(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.model_test_set(text) IS
    'The frozen test set of a model type: test-side texts that people labelled in the audit (weight: the sum of '
    '1/selection_probability of their samples) or that an import pinned (weight 1), one row a text with its newest label. '
    'Raises 22023 for an unknown model type';

CREATE FUNCTION @extschema@.new_training_samples(model_type text DEFAULT 'router') RETURNS bigint
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT count(*)
    FROM @extschema@.training_samples s
    WHERE @extschema@.tw_check_model_type(model_type) IS NOT NULL AND s.review_status = 'approved' AND s.split IS DISTINCT FROM 'test'
      AND greatest(s.created_at, s.reviewed_at) > coalesce((
          SELECT j.cutoff FROM @extschema@.training_jobs j
          WHERE j.model_type = new_training_samples.model_type AND j.kind = 'train' AND j.cutoff IS NOT NULL
            -- One that found nothing to learn would find nothing tomorrow.
            AND (j.status = 'succeeded' OR j.status = 'failed' AND j.error_code = '55000')
          ORDER BY j.finished_at DESC, j.id DESC LIMIT 1), '-infinity')
      AND (new_training_samples.model_type = 'router' OR s.module_type || '-agent' = new_training_samples.model_type)
      AND NOT EXISTS (SELECT FROM @extschema@.training_samples t WHERE t.text_hash = s.text_hash AND t.split = 'test');
END;
REVOKE ALL ON FUNCTION @extschema@.new_training_samples(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.new_training_samples(text) IS
    'How many live train-side samples were made or relabelled since the cutoff of the last finished training of a model type, '
    'whatever its gate said: what the training threshold is compared with. One whose transaction was open when that training began is not '
    'counted, and is learned by the next all the same. Raises 22023 for an unknown model type';
-- Serving: the intent of a text, from the live version of a model type or from a version that is named.

CREATE FUNCTION @extschema@.classify_intent(
    text text, model_type text DEFAULT 'router', version text DEFAULT NULL,
    OUT intent text, OUT confidence double precision, OUT module_type text, OUT model_version text)
    LANGUAGE c STABLE CALLED ON NULL INPUT PARALLEL SAFE COST 100
    AS 'MODULE_PATHNAME', 'tw_classify_intent';
REVOKE ALL ON FUNCTION @extschema@.classify_intent(text, text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.classify_intent(text, text, text) IS
    'The most likely intent of a text, its calibrated probability (0 to 1), the intent''s module, and the version that answered: the live '
    'one of the model type unless a version is named. The intent is NULL with confidence 0 where the model knows nothing in the text '
    '(an empty one, say), and all is NULL for a NULL text. The first 16 kB of a text are looked at. A model is loaded once a session, and checked against its '
    'checksum. Raises 42704 for a type without a live version and for an unknown version, 55000 for a version that does not live in '
    'the database, XX001 (data_corrupted) for a damaged artifact, 0A000 for one of a newer format';

CREATE FUNCTION @extschema@.classify_intents(
    text text, k integer DEFAULT 3, model_type text DEFAULT 'router', version text DEFAULT NULL,
    OUT rank integer, OUT intent text, OUT confidence double precision, OUT module_type text, OUT model_version text)
    RETURNS SETOF record
    LANGUAGE c STABLE CALLED ON NULL INPUT PARALLEL SAFE COST 100 ROWS 3
    AS 'MODULE_PATHNAME', 'tw_classify_intents';
REVOKE ALL ON FUNCTION @extschema@.classify_intents(text, integer, text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.classify_intents(text, integer, text, text) IS
    'The k most likely intents of a text, best first, as classify_intent() gives the best one; no row where the model knows nothing '
    'in the text. Raises 22023 for a k below 1, and what classify_intent() raises';
-- How good a list of answers is. Nothing here reads a table.
--
-- weighted accuracy      a = sum(w right) / sum(w)
-- effective samples      n = sum(w)^2 / sum(w^2)                              (Kish, Survey Sampling, 1965)
-- interval               Wilson's of a and n, z = 1.959964                    (Wilson, JASA 22, 1927)
-- calibration error      sum over 15 equal bins of confidence: share of the weight in it * |its accuracy - its mean confidence|
--                        (Naeini, Cooper and Hauskrecht, AAAI 2015)
-- F1 of an intent        2 tp / (2 tp + fp + fn), by weight; macro-F1 is the mean over every intent that is a label or an answer
-- McNemar                with b and c samples that only one of two models has right: 2 P(X <= min(b, c)), X ~ Binomial(b + c, 1/2),
--                        at most 1: the exact form (McNemar, Psychometrika 12, 1947)

CREATE FUNCTION @extschema@.mcnemar_p(only_first bigint, only_second bigint) RETURNS double precision
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'tw_mcnemar_p';
REVOKE ALL ON FUNCTION @extschema@.mcnemar_p(bigint, bigint) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.mcnemar_p(bigint, bigint) IS
    'Two-sided p-value of the exact McNemar test, 0 to 1, from the numbers of samples that only the first and only the second of two '
    'models gets right. Raises 22023 for a negative number';

CREATE FUNCTION @extschema@.tw_intent_scores(
    labels text[], answers text[], weights double precision[],
    OUT intent text, OUT samples bigint, OUT answered bigint, OUT "precision" double precision, OUT recall double precision,
    OUT f1 double precision)
    RETURNS SETOF record
    LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH answers AS (
        SELECT * FROM unnest(labels, answers, weights) AS a (label, answer, weight)
    ), counted AS (
        SELECT a.label AS intent, 1 AS labelled, 0 AS answered, a.weight AS is_label, 0.0::double precision AS is_answer,
               CASE WHEN a.label = a.answer THEN a.weight ELSE 0 END AS is_both FROM answers a
        UNION ALL
        SELECT a.answer, 0, 1, 0, a.weight, 0 FROM answers a WHERE a.answer IS NOT NULL
    )
    SELECT c.intent, sum(c.labelled), sum(c.answered), sum(c.is_both) / nullif(sum(c.is_answer), 0), sum(c.is_both) / nullif(sum(c.is_label), 0),
           2 * sum(c.is_both) / (sum(c.is_label) + sum(c.is_answer))
    FROM counted c
    GROUP BY c.intent;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_intent_scores(text[], text[], double precision[]) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_intent_scores(text[], text[], double precision[]) IS
    'Precision, recall and F1 of each intent, weighted; precision is NULL where nothing was answered so, recall where nothing is labelled so';

CREATE FUNCTION @extschema@.tw_scores(
    labels text[], answers text[], confidences double precision[], weights double precision[],
    OUT samples bigint, OUT accuracy double precision, OUT lower double precision, OUT upper double precision,
    OUT macro_f1 double precision, OUT calibration_error double precision)
    LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH answers AS (
        SELECT a.weight, coalesce(a.confidence, 0) AS confidence, (a.answer IS NOT DISTINCT FROM a.label)::integer AS is_right
        FROM unnest(labels, answers, confidences, weights) AS a (label, answer, confidence, weight)
    ), total AS (
        SELECT count(*) AS samples, sum(a.weight) AS weight, sum(a.weight * a.is_right) / sum(a.weight) AS accuracy,
               sum(a.weight) ^ 2 / sum(a.weight ^ 2) AS effective
        FROM answers a
    ), bins AS (
        SELECT sum(a.weight) AS weight, abs(sum(a.weight * a.is_right) - sum(a.weight * a.confidence)) AS gap
        FROM answers a
        GROUP BY least(floor(a.confidence * 15), 14)
    )
    -- Rounding must not make a share of 1.0000000000000002; and least() would make 1 of nothing.
    SELECT t.samples, CASE WHEN t.samples > 0 THEN least(t.accuracy, 1) END, w.lower, w.upper,
           CASE WHEN t.samples > 0 THEN (SELECT least(avg(i.f1), 1) FROM @extschema@.tw_intent_scores(labels, answers, weights) i) END,
           CASE WHEN t.samples > 0 THEN (SELECT least(sum(b.gap) / t.weight, 1) FROM bins b) END
    FROM total t
    LEFT JOIN LATERAL @extschema@.tw_wilson(least(t.accuracy, 1), t.effective) w ON true;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_scores(text[], text[], double precision[], double precision[]) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_scores(text[], text[], double precision[], double precision[]) IS
    'Weighted accuracy with its 95 % interval, macro-F1 and calibration error of answers to labelled samples; an answer of NULL is wrong; '
    'all NULL without samples';
-- The registry: version numbers, models trained elsewhere, and making a version live by hand.

CREATE FUNCTION @extschema@.next_model_version(model_type text DEFAULT 'router', major boolean DEFAULT false) RETURNS text
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT format('%s-v%s', model_type,
                  coalesce((SELECT CASE WHEN major THEN format('%s.0.0', n[1] + 1) ELSE format('%s.%s.0', n[1], n[2] + 1) END
                            FROM (SELECT string_to_array(regexp_replace(m.version, '^.*-v', ''), '.')::numeric[] AS n
                                  FROM @extschema@.model_versions m WHERE m.model_type = next_model_version.model_type) v
                            ORDER BY n DESC LIMIT 1), '1.0.0'))
    WHERE @extschema@.tw_check_model_type(model_type) IS NOT NULL;
END;
REVOKE ALL ON FUNCTION @extschema@.next_model_version(text, boolean) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.next_model_version(text, boolean) IS
    'The version that the next training of a type makes: v1.0.0 at first, then the highest one''s minor number plus one, or its major '
    'number plus one on request. Raises 22023 for an unknown model type';

CREATE FUNCTION @extschema@.tw_lock_registry() RETURNS void
    LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT pg_advisory_xact_lock('@extschema@.conversation_logs'::regclass::oid::integer, 9);
END;
REVOKE ALL ON FUNCTION @extschema@.tw_lock_registry() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_lock_registry() IS
    'Held until the end of the transaction by whoever changes what is live, from before the look at what is live now';

CREATE FUNCTION @extschema@.tw_check_figures(training_accuracy double precision, training_seconds double precision, model_size_mb double precision)
    RETURNS void
    LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF training_accuracy NOT BETWEEN 0 AND 1 OR training_seconds < 0 OR training_seconds >= 'Infinity'
       OR model_size_mb < 0 OR model_size_mb >= 'Infinity' THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = 'a figure of the model is out of range',
            DETAIL = format('training_accuracy is %s, training_seconds %s, model_size_mb %s.', coalesce(training_accuracy::text, 'NULL'),
                            coalesce(training_seconds::text, 'NULL'), coalesce(model_size_mb::text, 'NULL')),
            HINT = 'An accuracy is from 0 to 1; seconds and megabytes are finite and not negative. NULL is unknown.';
    END IF;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_check_figures(double precision, double precision, double precision) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_check_figures(double precision, double precision, double precision) IS 'Raises 22023 for a figure that no model can have';

CREATE FUNCTION @extschema@.tw_make_live(version text, why text, figures jsonb DEFAULT NULL, at timestamptz DEFAULT NULL, actor text DEFAULT session_user)
    RETURNS text
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    promoted @extschema@.model_versions;
    previous @extschema@.model_versions;
    changed timestamptz;
BEGIN
    PERFORM @extschema@.tw_lock_registry();
    -- Not the transaction's time, which may be before a change that it waited for.
    SELECT * INTO promoted FROM @extschema@.model_versions m WHERE m.version = tw_make_live.version FOR UPDATE;
    -- Nor the clock's, where that was set back: live_model_at() goes by the order of these times.
    changed := coalesce(at, greatest(clock_timestamp(), (SELECT max(d.created_at) FROM @extschema@.model_deployments d WHERE d.model_type = promoted.model_type)));
    SELECT * INTO previous FROM @extschema@.model_versions m
    WHERE m.model_type = promoted.model_type AND m.status = 'production' FOR UPDATE;
    PERFORM @extschema@.tw_end_watch(promoted.model_type, format('%s went live', promoted.version), changed);

    IF previous.version IS NOT NULL THEN
        UPDATE @extschema@.model_versions m SET status = 'retired', traffic_percentage = 0, retired_at = changed
        WHERE m.version = previous.version;
        INSERT INTO @extschema@.model_deployments (model_type, version, previous_version, from_status, to_status, from_percentage, to_percentage,
                                                   actor, reason, created_at)
        VALUES (previous.model_type, previous.version, NULL, previous.status, 'retired', previous.traffic_percentage, 0, actor,
                'superseded by ' || promoted.version, changed);
    END IF;
    UPDATE @extschema@.model_versions m
    SET status = 'production', traffic_percentage = 100, deployed_at = coalesce(m.deployed_at, changed), retired_at = NULL
    WHERE m.version = promoted.version;
    INSERT INTO @extschema@.model_deployments (model_type, version, previous_version, from_status, to_status, from_percentage, to_percentage,
                                               actor, reason, figures, created_at)
    VALUES (promoted.model_type, promoted.version, previous.version, promoted.status, 'production', promoted.traffic_percentage, 100, actor, why,
            coalesce(figures, jsonb_strip_nulls(jsonb_build_object('test_accuracy', promoted.test_accuracy, 'test_samples', promoted.test_samples,
                     'base_version', promoted.base_version, 'base_accuracy', promoted.base_accuracy))), changed);
    RETURN previous.version;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_make_live(text, text, jsonb, timestamptz, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_make_live(text, text, jsonb, timestamptz, text) IS
    'Makes a version the production version of its type, retires the one before it, records both in model_deployments as of a time and '
    'in the name of an actor (default: now, whoever logged in), and returns the version before';

CREATE FUNCTION @extschema@.promote_model(version text, reason text) RETURNS text
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    kind text;
    state text;
    canary text;
BEGIN
    PERFORM @extschema@.tw_lock_registry();
    SELECT r.model_type, r.status INTO kind, state FROM @extschema@.tw_require_version(promote_model.version) r;
    canary := (SELECT m.version FROM @extschema@.model_versions m WHERE m.model_type = kind AND m.status = 'canary');
    IF @extschema@.tw_is_blank(reason) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = 'promoting a model by hand needs a reason',
            HINT = 'It is kept in model_deployments: say why you do not leave it to the gate.';
    END IF;
    IF state <> 'candidate' THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('model "%s" is %s, not a candidate', version, state),
            HINT = CASE state WHEN 'rejected' THEN 'The gate rejected it: train again, or register the model under another version if you know better.'
                              ELSE 'Only candidates can be promoted by hand.' END;
    END IF;
    IF canary IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('"%s" is being rolled out', canary),
            HINT = 'Finish or roll back that rollout first.';
    END IF;
    PERFORM @extschema@.tw_require_stored(version);
    RETURN @extschema@.tw_make_live(version, reason);
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.promote_model(text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.promote_model(text, text) IS
    'Makes a candidate the production version of its type at once, by a person''s decision, and returns the version that it replaced '
    '(NULL: none). The reason is kept in model_deployments. Raises 42704 for an unknown version, 55000 for one that is no '
    'candidate or is yet to be stored by store_model_artifacts(), or while another is rolled out, 22023 without a reason';

CREATE FUNCTION @extschema@.tw_artifact_format(bytes bytea) RETURNS text
    LANGUAGE c STABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'tw_artifact_format';
REVOKE ALL ON FUNCTION @extschema@.tw_artifact_format(bytea) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_artifact_format(bytea) IS
    'router for an artifact that classify_intent() can load, other for bytes of another kind. Raises XX001 (data_corrupted) for an '
    'artifact of ours that is damaged, 0A000 for one of a newer format';

CREATE FUNCTION @extschema@.tw_store_artifact(version text, bytes bytea) RETURNS void
    LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    INSERT INTO @extschema@.model_artifacts (version, format, sha256, size_bytes, bytes)
    VALUES (version, @extschema@.tw_artifact_format(bytes), encode(sha256(bytes), 'hex'), octet_length(bytes), bytes);
    UPDATE @extschema@.model_versions m SET model_size_mb = octet_length(bytes) / 1e6 WHERE m.version = tw_store_artifact.version;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_store_artifact(text, bytea) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_store_artifact(text, bytea) IS 'Keeps the bytes of a version with their checksum, after a look inside';

CREATE FUNCTION @extschema@.register_model(
    version text, model_type text, status text DEFAULT 'candidate', artifact bytea DEFAULT NULL, minio_path text DEFAULT NULL,
    training_samples jsonb DEFAULT NULL, training_accuracy double precision DEFAULT NULL,
    training_seconds double precision DEFAULT NULL, model_size_mb double precision DEFAULT NULL, base_version text DEFAULT NULL)
    RETURNS text
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    PERFORM @extschema@.tw_check_model_type(model_type);
    PERFORM @extschema@.tw_check_figures(training_accuracy, training_seconds, model_size_mb);
    PERFORM @extschema@.tw_lock_registry();
    IF version IS NULL OR version !~ '-v(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)$' OR regexp_replace(version, '-v[0-9.]+$', '') <> model_type THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('"%s" is no version of model type "%s"', coalesce(version, 'NULL'), model_type),
            HINT = format('A version is the type and three numbers, for example %s-v1.0.0; the next one is %s.', model_type,
                          @extschema@.next_model_version(model_type));
    END IF;
    IF status IS NULL OR status NOT IN ('candidate', 'production') THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('a model cannot be registered as "%s"', coalesce(status, 'NULL')),
            HINT = 'Register it as candidate, or as production where it is what answers today.';
    END IF;
    IF EXISTS (SELECT FROM @extschema@.model_versions m WHERE m.version = register_model.version) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'duplicate_object',
            MESSAGE = format('model version "%s" exists already', version),
            HINT = format('A version never changes. The next one is %s.', @extschema@.next_model_version(model_type));
    END IF;
    IF status = 'production' AND EXISTS (SELECT FROM @extschema@.model_versions m
                                         WHERE m.model_type = register_model.model_type AND m.status IN ('production', 'canary')) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('model type "%s" has a live version already', model_type),
            HINT = 'Register it as candidate, then promote_model(version, reason).';
    END IF;
    IF base_version IS NOT NULL THEN
        PERFORM @extschema@.tw_require_version(base_version);
    END IF;

    INSERT INTO @extschema@.model_versions (version, model_type, status, minio_path, training_samples, training_accuracy, training_seconds, model_size_mb, base_version)
    VALUES (version, model_type, 'candidate', minio_path, training_samples, training_accuracy, training_seconds, model_size_mb, base_version);
    IF artifact IS NOT NULL THEN
        PERFORM @extschema@.tw_store_artifact(version, artifact);
    END IF;
    IF status = 'production' THEN
        PERFORM @extschema@.tw_make_live(version, 'registered as the live version');
    END IF;
    RETURN version;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.register_model(text, text, text, bytea, text, jsonb, double precision, double precision, double precision, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.register_model(text, text, text, bytea, text, jsonb, double precision, double precision, double precision, text) IS
    'Registers a model that was trained elsewhere and returns its version: as candidate, or as production where it is what answers '
    'today and the type has no live version yet. An artifact of the built-in trainer can be served here, any other is kept. '
    'training_samples counts by label source, model_size_mb is in megabytes (an artifact''s own size stands above it), accuracy is '
    'from 0 to 1. Raises 22023 for a version that does not match its type and for figures out of range, 42710 for one that exists, 55000 for a second live '
    'version, 42704 for an unknown base_version, XX001 for a damaged artifact';
-- The gate: whether a candidate is better than the live model, both scored now on the same samples.

CREATE FUNCTION @extschema@.tw_is_servable(version text) RETURNS boolean
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
RETURN EXISTS (SELECT FROM @extschema@.model_artifacts a WHERE a.version = tw_is_servable.version AND a.format = 'router');
REVOKE ALL ON FUNCTION @extschema@.tw_is_servable(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_is_servable(text) IS 'Whether the database itself can answer with this version';

CREATE FUNCTION @extschema@.tw_answers(
    version text, model_type text,
    OUT sample_id bigint, OUT text_hash bigint, OUT intent text, OUT weight double precision,
    OUT predicted_intent text, OUT confidence double precision, OUT is_answered boolean)
    RETURNS SETOF record
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF @extschema@.tw_is_servable(version) THEN
        RETURN QUERY
            SELECT t.sample_id, t.text_hash, t.intent, t.weight, c.intent, c.confidence, true
            FROM @extschema@.model_test_set(tw_answers.model_type) t
            CROSS JOIN LATERAL @extschema@.classify_intent(t.text, tw_answers.model_type, tw_answers.version) c;
    ELSE
        -- A version never changes, and so neither does its answer to a text.
        RETURN QUERY
            SELECT t.sample_id, t.text_hash, t.intent, t.weight, e.predicted_intent, e.confidence, e.id IS NOT NULL
            FROM @extschema@.model_test_set(tw_answers.model_type) t
            LEFT JOIN LATERAL (SELECT m.id, m.predicted_intent, m.confidence FROM @extschema@.model_evaluations m
                               WHERE m.version = tw_answers.version AND m.text_hash = t.text_hash
                               ORDER BY m.id DESC LIMIT 1) e ON true;
    END IF;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_answers(text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_answers(text, text) IS
    'What a version answers to the test set of a model type: classified now, or for a version outside, as its worker reported; '
    'is_answered is false where it never did';

CREATE FUNCTION @extschema@.tw_require_version(version text, OUT model_type text, OUT status text)
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    SELECT m.model_type, m.status INTO model_type, status FROM @extschema@.model_versions m WHERE m.version = tw_require_version.version;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'undefined_object',
            MESSAGE = format('model version "%s" does not exist', coalesce(version, 'NULL')),
            HINT = 'SELECT version, status FROM model_versions; shows those that do.';
    END IF;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_require_version(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_require_version(text) IS 'Type and status of a version, or 42704 (undefined_object)';

CREATE FUNCTION @extschema@.compare_models(
    first text, second text,
    OUT samples bigint,
    OUT first_accuracy double precision, OUT first_lower double precision, OUT first_upper double precision,
    OUT second_accuracy double precision, OUT second_lower double precision, OUT second_upper double precision,
    OUT first_macro_f1 double precision, OUT second_macro_f1 double precision,
    OUT first_calibration_error double precision, OUT second_calibration_error double precision,
    OUT only_first_right bigint, OUT only_second_right bigint, OUT mcnemar_p double precision, OUT unanswered bigint)
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    first_type text := (@extschema@.tw_require_version(first)).model_type;
    second_type text := (@extschema@.tw_require_version(second)).model_type;
    answers record;
BEGIN
    IF first_type <> second_type THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('"%s" and "%s" are models of different types', first, second),
            HINT = 'Only versions of one type have a test set in common.';
    END IF;
    SELECT array_agg(a.intent ORDER BY a.sample_id) AS labels, array_agg(a.weight ORDER BY a.sample_id) AS weights,
           array_agg(a.predicted_intent ORDER BY a.sample_id) AS intents_a, array_agg(b.predicted_intent ORDER BY a.sample_id) AS intents_b,
           array_agg(a.confidence ORDER BY a.sample_id) AS confidences_a, array_agg(b.confidence ORDER BY a.sample_id) AS confidences_b,
           count(*) FILTER (WHERE a.intent = a.predicted_intent AND a.intent IS DISTINCT FROM b.predicted_intent) AS only_a,
           count(*) FILTER (WHERE a.intent = b.predicted_intent AND a.intent IS DISTINCT FROM a.predicted_intent) AS only_b
    INTO answers
    FROM @extschema@.tw_answers(first, first_type) a
    JOIN @extschema@.tw_answers(second, first_type) b USING (sample_id)
    WHERE a.is_answered AND b.is_answered;

    SELECT one.samples, one.accuracy, one.lower, one.upper, other.accuracy, other.lower, other.upper, one.macro_f1, other.macro_f1,
           one.calibration_error, other.calibration_error, answers.only_a, answers.only_b,
           @extschema@.mcnemar_p(answers.only_a, answers.only_b),
           (SELECT count(*) FROM @extschema@.model_test_set(first_type)) - one.samples
    INTO samples, first_accuracy, first_lower, first_upper, second_accuracy, second_lower, second_upper, first_macro_f1, second_macro_f1,
         first_calibration_error, second_calibration_error, only_first_right, only_second_right, mcnemar_p, unanswered
    FROM @extschema@.tw_scores(answers.labels, answers.intents_a, answers.confidences_a, answers.weights) one,
         @extschema@.tw_scores(answers.labels, answers.intents_b, answers.confidences_b, answers.weights) other;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.compare_models(text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.compare_models(text, text) IS
    'Two versions of one type on the same test samples, scored now: weighted accuracy with 95 % interval, macro-F1, calibration error, '
    'how many samples only one of them gets right, and the two-sided p-value of the exact McNemar test. unanswered counts the '
    'samples left out because a version that lives outside was never asked. Changes nothing. Raises 42704 for an unknown '
    'version, 22023 for versions of different types';

-- What the gate says of a candidate whose figures are known. The order matters: what a person has to know first comes first.
CREATE FUNCTION @extschema@.tw_gate_decision(
    samples bigint, accuracy double precision, live_version text, live_accuracy double precision,
    min_samples integer, target double precision, OUT decision text, OUT reason text)
    LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT d.decision, d.reason
    FROM (SELECT round(accuracy::numeric, 4) AS mine, round(live_accuracy::numeric, 4) AS its, round(target::numeric, 4) AS goal) r,
         LATERAL (VALUES
            (1, coalesce(samples, 0) < min_samples, 'undecided',
             format('too few test samples: %s of at least %s', coalesce(samples, 0), min_samples)),
            (2, accuracy <= live_accuracy, 'failed',
             format('not better than %s: %s against %s on %s samples', live_version, r.mine, r.its, samples)),
            (3, accuracy < target AND (live_accuracy IS NULL OR live_accuracy >= target), 'failed',
             format('below the target accuracy: %s of %s on %s samples', r.mine, r.goal, samples)),
            (4, live_version IS NOT NULL, 'passed',
             format('better than %s: %s against %s on %s samples', live_version, r.mine, r.its, samples)),
            (5, true, 'passed',
             format('reaches the target accuracy: %s of %s on %s samples; there is no live version', r.mine, r.goal, samples))
         ) AS d (number, applies, decision, reason)
    WHERE d.applies
    ORDER BY d.number
    LIMIT 1;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_gate_decision(bigint, double precision, text, double precision, integer, double precision) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_gate_decision(bigint, double precision, text, double precision, integer, double precision) IS
    'The gate''s rule: enough samples, a higher weighted accuracy than the live version, and the target accuracy unless the live '
    'version is itself below it; without a live version the target alone';

CREATE FUNCTION @extschema@.tw_store_answers(evaluation_id bigint, version text, model_type text) RETURNS void
    LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    INSERT INTO @extschema@.model_evaluations (evaluation_id, version, sample_id, text_hash, intent, weight, predicted_intent, confidence)
    SELECT tw_store_answers.evaluation_id, tw_store_answers.version, a.sample_id, a.text_hash, a.intent, a.weight, a.predicted_intent, a.confidence
    FROM @extschema@.tw_answers(version, model_type) a
    WHERE a.is_answered
    ORDER BY a.sample_id;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_store_answers(bigint, text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_store_answers(bigint, text, text) IS 'Keeps what a version answers now to each test sample';

CREATE FUNCTION @extschema@.tw_stored_scores(
    evaluation_id bigint, version text, beside text,
    OUT samples bigint, OUT accuracy double precision, OUT lower double precision, OUT upper double precision,
    OUT macro_f1 double precision, OUT calibration_error double precision, OUT only_right bigint)
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT s.samples, s.accuracy, s.lower, s.upper, s.macro_f1, s.calibration_error, a.only_right
    FROM (SELECT array_agg(e.intent ORDER BY e.sample_id) AS labels, array_agg(e.predicted_intent ORDER BY e.sample_id) AS answers,
                 array_agg(e.confidence ORDER BY e.sample_id) AS confidences, array_agg(e.weight ORDER BY e.sample_id) AS weights,
                 count(*) FILTER (WHERE e.intent = e.predicted_intent AND o.intent IS DISTINCT FROM o.predicted_intent) AS only_right
          FROM @extschema@.model_evaluations e
          JOIN @extschema@.model_evaluations o ON o.evaluation_id = e.evaluation_id AND o.version = beside AND o.sample_id = e.sample_id
          WHERE e.evaluation_id = tw_stored_scores.evaluation_id AND e.version = tw_stored_scores.version) a,
         LATERAL @extschema@.tw_scores(a.labels, a.answers, a.confidences, a.weights) s;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_stored_scores(bigint, text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_stored_scores(bigint, text, text) IS
    'The scores of a version in an evaluation, on the samples that the version beside it (or itself) answered as well, and how many '
    'only the first of them got right';

CREATE FUNCTION @extschema@.tw_run_gate(candidate text, OUT decision text, OUT reason text)
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    kind text := (@extschema@.tw_require_version(candidate)).model_type;
    live text := (SELECT m.version FROM @extschema@.model_versions m WHERE m.model_type = kind AND m.status = 'production');
    min_samples integer := @extschema@.training_setting('min_test_samples');
    evaluation bigint := nextval('@extschema@.model_evaluations_evaluation_seq');
    own record;
    its record;
BEGIN
    PERFORM @extschema@.tw_store_answers(evaluation, candidate, kind);
    SELECT * INTO own FROM @extschema@.tw_stored_scores(evaluation, candidate, candidate);
    IF live IS NOT NULL THEN
        PERFORM @extschema@.tw_store_answers(evaluation, live, kind);
    END IF;
    -- All NULL, and no sample, where nothing is live.
    SELECT s.*, (@extschema@.tw_stored_scores(evaluation, candidate, live)).only_right AS only_own_right
    INTO its FROM @extschema@.tw_stored_scores(evaluation, live, candidate) s;

    IF live IS NOT NULL AND its.samples < own.samples AND own.samples >= min_samples THEN
        decision := 'undecided';
        reason := format('%s lives outside and has to be evaluated first: job %s', live, @extschema@.tw_queue_evaluation(live));
    ELSE
        SELECT g.decision, g.reason INTO decision, reason
        FROM @extschema@.tw_gate_decision(own.samples, own.accuracy, live, its.accuracy, min_samples,
                                          @extschema@.training_setting('target_accuracy')::double precision) g;
    END IF;

    IF decision = 'passed' AND live IS NULL AND NOT @extschema@.tw_is_stored(candidate) THEN
        reason := reason || '; its artifact has to be stored first (store_model_artifacts)';
    END IF;

    -- The registry's lock comes before its rows, as everywhere.
    PERFORM @extschema@.tw_lock_registry();
    UPDATE @extschema@.model_versions m
    SET status = CASE tw_run_gate.decision WHEN 'failed' THEN 'rejected' ELSE 'candidate' END,
        test_accuracy = own.accuracy, test_accuracy_lower = own.lower, test_accuracy_upper = own.upper, test_samples = own.samples,
        macro_f1 = own.macro_f1, calibration_error = own.calibration_error, base_version = live, evaluation_id = evaluation,
        -- The figures of the two stand beside one another only where they are of the same samples.
        base_accuracy = CASE WHEN its.samples = own.samples THEN its.accuracy END,
        mcnemar_p = CASE WHEN live IS NOT NULL AND its.samples = own.samples THEN @extschema@.mcnemar_p(its.only_own_right, its.only_right) END,
        gate_decision = tw_run_gate.decision, gate_reason = tw_run_gate.reason
    WHERE m.version = candidate;

    -- There is nothing to compare the first of its type with in production, and nothing that it could take traffic from.
    -- One that is not in the object store yet waits: store_model_artifacts() makes it live.
    IF decision = 'passed' AND live IS NULL AND @extschema@.training_setting('auto_deploy') = 'on' AND @extschema@.tw_is_stored(candidate) THEN
        -- Somebody may have made another one live while this one was scored.
        IF NOT EXISTS (SELECT FROM @extschema@.model_versions m WHERE m.model_type = kind AND m.status = 'production') THEN
            PERFORM @extschema@.tw_make_live(candidate, 'the first of its type, and it passed the gate: ' || reason);
        END IF;
    END IF;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_run_gate(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_run_gate(text) IS
    'Scores a candidate and the live version on the test set as it is now, keeps every answer, decides, and moves the candidate''s '
    'status; the first version of a type that passes goes live while auto_deploy is on';

CREATE FUNCTION @extschema@.model_intent_scores(
    version text, evaluation_id bigint DEFAULT NULL,
    OUT intent text, OUT samples bigint, OUT answered bigint, OUT "precision" double precision, OUT recall double precision,
    OUT f1 double precision)
    RETURNS SETOF record
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT i.intent, i.samples, i.answered, i."precision", i.recall, i.f1
    FROM (SELECT array_agg(e.intent ORDER BY e.id) AS labels, array_agg(e.predicted_intent ORDER BY e.id) AS answers,
                 array_agg(e.weight ORDER BY e.id) AS weights
          FROM @extschema@.model_versions m
          JOIN @extschema@.model_evaluations e
            ON e.version = m.version AND e.evaluation_id = coalesce(model_intent_scores.evaluation_id, m.evaluation_id)
          WHERE m.version = model_intent_scores.version
            AND (@extschema@.tw_require_version(model_intent_scores.version)).status IS NOT NULL) a,
         LATERAL @extschema@.tw_intent_scores(a.labels, a.answers, a.weights) i
    ORDER BY i.samples DESC, i.intent COLLATE "C";
END;
REVOKE ALL ON FUNCTION @extschema@.model_intent_scores(text, bigint) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.model_intent_scores(text, bigint) IS
    'Precision, recall and F1 of each intent, 0 to 1 and weighted, from the evaluation behind a version''s figures, or from another '
    'one that it took part in (the one of its successor, say); samples counts the labels, answered the answers. Raises 42704 for an '
    'unknown version';

CREATE FUNCTION @extschema@.evaluate_model(version text, OUT gate_decision text, OUT gate_reason text)
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF (@extschema@.tw_require_version(version)).status <> 'candidate' THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('model "%s" is not a candidate', version),
            HINT = 'The gate decides about candidates; compare_models() compares any two versions and changes nothing.';
    END IF;
    SELECT g.decision, g.reason INTO gate_decision, gate_reason FROM @extschema@.tw_run_gate(version) g;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.evaluate_model(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.evaluate_model(text) IS
    'Takes a candidate through the gate again, for one that was undecided: on the test set and against the live version of now. A '
    'candidate that fails is rejected. Raises 42704 for an unknown version, 55000 for one that is no candidate';
-- train_model(): the built-in trainer, from the samples of a model type to a version that went through the gate.

CREATE FUNCTION @extschema@.tw_train_router(
    texts text[], intents text[], modules text[], weights double precision[],
    OUT artifact bytea, OUT temperature double precision, OUT training_accuracy double precision, OUT held_out integer,
    OUT held_out_accuracy double precision, OUT features integer, OUT cpu_seconds double precision, OUT peak_bytes bigint)
    LANGUAGE c VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'tw_train_router_sql';
REVOKE ALL ON FUNCTION @extschema@.tw_train_router(text[], text[], text[], double precision[]) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_train_router(text[], text[], text[], double precision[]) IS
    'Trains a router on texts (as tw_model_text() gives them) with their intents, modules and weights, four arrays of one length. '
    'The same rows give the same artifact, in whatever order they come. held_out is the number of texts that the temperature was '
    'fitted on, features the number of rows of the matrix. Raises 22023 where there is nothing to learn';

CREATE FUNCTION @extschema@.tw_nothing_to_learn(model_type text, intents bigint) RETURNS void
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    what text := (SELECT string_agg(format('%s: %s', w.why, w.n), ', ' ORDER BY w.why)
                  FROM (SELECT coalesce(t.excluded, 'to learn') AS why, sum(t.samples) AS n
                        FROM @extschema@.tw_training_texts(model_type) t GROUP BY 1) w);
BEGIN
    RAISE EXCEPTION USING
        ERRCODE = 'object_not_in_prerequisite_state',
        MESSAGE = CASE intents WHEN 0 THEN format('there is nothing to learn for model type "%s"', model_type)
                  ELSE format('all samples of model type "%s" have one intent', model_type) END,
        DETAIL = format('Live samples of its module: %s.', coalesce(what, 'none')),
        HINT = CASE WHEN model_type <> 'router' AND what IS NULL
                    THEN format('Samples whose module_type is %L are missing: import or approve some, or train router, which learns from all.',
                                regexp_replace(model_type, '-agent$', ''))
                    ELSE 'A classifier needs samples of at least two intents: import_training_samples() brings in some, and so do verdicts on the queue.' END;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_nothing_to_learn(text, bigint) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_nothing_to_learn(text, bigint) IS 'Raises 55000 and says what is missing for a training';

CREATE FUNCTION @extschema@.tw_mark_learned(version text, sample_ids bigint[], sample_intents text[]) RETURNS bigint
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    marked bigint;
BEGIN
    -- In the order of everybody who locks samples. A label that changed while the model was trained is still new.
    PERFORM FROM @extschema@.training_samples s
    WHERE s.id = ANY (sample_ids) AND s.model_version_target IS NULL
    ORDER BY s.id FOR NO KEY UPDATE;
    UPDATE @extschema@.training_samples s SET model_version_target = tw_mark_learned.version
    FROM unnest(sample_ids, sample_intents) AS l (id, intent)
    WHERE s.id = l.id AND s.intent = l.intent AND s.review_status = 'approved' AND s.model_version_target IS NULL;
    GET DIAGNOSTICS marked = ROW_COUNT;
    RETURN marked;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_mark_learned(text, bigint[], text[]) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_mark_learned(text, bigint[], text[]) IS
    'Stores which version first learned from samples that still carry the label it learned; returns how many were new to any';

CREATE FUNCTION @extschema@.tw_start_version(model_type text, major boolean) RETURNS text
    LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    INSERT INTO @extschema@.model_versions (version, model_type, status)
    VALUES (@extschema@.next_model_version(model_type, coalesce(major, false)), model_type, 'training')
    RETURNING version;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_start_version(text, boolean) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_start_version(text, boolean) IS 'Takes the next version number of a type, with status training';

-- What both kinds of trainer end with.
CREATE FUNCTION @extschema@.tw_finish_training(
    job_id bigint, sample_ids bigint[], sample_intents text[], learned_until timestamptz, figures jsonb,
    OUT gate_decision text, OUT gate_reason text)
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    job @extschema@.training_jobs;
    fresh bigint;
BEGIN
    SELECT * INTO STRICT job FROM @extschema@.training_jobs j WHERE j.id = job_id;
    fresh := @extschema@.tw_mark_learned(job.version, sample_ids, sample_intents);
    UPDATE @extschema@.model_versions m
    SET training_samples = (SELECT jsonb_object_agg(x.label_source, x.n)
                            FROM (SELECT s.label_source, count(*) AS n FROM @extschema@.training_samples s
                                  WHERE s.id = ANY (sample_ids) GROUP BY s.label_source) x)
    WHERE m.version = job.version;
    SELECT g.decision, g.reason INTO gate_decision, gate_reason FROM @extschema@.tw_run_gate(job.version) g;
    UPDATE @extschema@.training_jobs j
    SET status = 'succeeded', finished_at = clock_timestamp(), cutoff = learned_until, error_code = NULL, error_message = NULL,
        result = figures || jsonb_build_object('samples', cardinality(sample_ids), 'first_learned', fresh,
                                               'gate_decision', gate_decision, 'gate_reason', gate_reason)
    WHERE j.id = job_id;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_finish_training(bigint, bigint[], text[], timestamptz, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_finish_training(bigint, bigint[], text[], timestamptz, jsonb) IS
    'What follows the training of a version, wherever it was trained: samples marked as learned, gate, job closed';

CREATE FUNCTION @extschema@.tw_train_job(job_id bigint) RETURNS void
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    job @extschema@.training_jobs;
    t record;
    trained record;
    began CONSTANT timestamptz := clock_timestamp();
BEGIN
    SELECT * INTO STRICT job FROM @extschema@.training_jobs j WHERE j.id = job_id;
    -- One statement, so that what is marked as learned is what was learned.
    WITH x AS MATERIALIZED (
        SELECT * FROM @extschema@.tw_training_texts(job.model_type) y WHERE y.excluded IS NULL
    )
    SELECT array_agg(x.text) AS texts, array_agg(x.intent) AS intents, array_agg(x.module_type) AS modules, array_agg(x.weight) AS weights,
           count(DISTINCT x.intent) AS intent_count, coalesce(sum(x.samples), 0) AS samples,
           (SELECT array_agg(i.id) FROM x, unnest(x.sample_ids) AS i (id)) AS sample_ids,
           (SELECT array_agg(x.intent) FROM x, unnest(x.sample_ids)) AS sample_intents
    INTO t
    FROM x;
    IF t.intent_count < 2 THEN
        PERFORM @extschema@.tw_nothing_to_learn(job.model_type, t.intent_count);
    END IF;

    RAISE NOTICE 'training % on % samples: % texts, % intents', job.version, t.samples, cardinality(t.texts), t.intent_count;
    SELECT * INTO trained FROM @extschema@.tw_train_router(t.texts, t.intents, t.modules, t.weights);
    -- It was not locked while that took its time. What train_model() made is not committed: nobody else can have seen it.
    IF job.worker <> 'train_model' THEN
        PERFORM @extschema@.tw_lock_job_queue();
    END IF;
    SELECT * INTO STRICT job FROM @extschema@.training_jobs j WHERE j.id = job_id FOR UPDATE;
    IF job.status <> 'running' THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('training job %s was %s meanwhile', job_id, job.status);
    END IF;
    PERFORM @extschema@.tw_store_artifact(job.version, trained.artifact);
    UPDATE @extschema@.model_versions m
    SET training_accuracy = trained.training_accuracy, training_seconds = extract(epoch FROM clock_timestamp() - began)
    WHERE m.version = job.version;

    PERFORM @extschema@.tw_finish_training(job_id, t.sample_ids, t.sample_intents,
        -- What transactions make or relabel that begin later is new to the next job; a claimed job's time is that of its sides.
        coalesce(job.cutoff, now()), (to_jsonb(trained) - 'artifact') || jsonb_build_object('texts', cardinality(t.texts), 'intents', t.intent_count));
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_train_job(bigint) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_train_job(bigint) IS
    'Trains the version of a job with the built-in trainer on the texts whose side is decided, keeps its artifact, and takes it through the gate; raises 55000 where there is nothing to learn';

CREATE FUNCTION @extschema@.train_model(
    model_type text DEFAULT 'router', major boolean DEFAULT false,
    OUT version text, OUT status text, OUT gate_decision text, OUT gate_reason text,
    OUT test_accuracy double precision, OUT base_version text, OUT base_accuracy double precision, OUT test_samples integer,
    OUT training_samples bigint, OUT training_seconds double precision, OUT job_id bigint)
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    running bigint;
BEGIN
    PERFORM @extschema@.tw_check_model_type(model_type);
    -- An older snapshot would not show the version numbers and sides that others have committed since.
    IF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
        RAISE EXCEPTION USING
            ERRCODE = 'active_sql_transaction',
            MESSAGE = format('train_model() cannot run in a %s transaction', current_setting('transaction_isolation')),
            HINT = 'Run it in READ COMMITTED, or request_training() and CALL run_training_jobs().';
    END IF;
    SELECT j.id INTO running FROM @extschema@.training_jobs j WHERE j.model_type = train_model.model_type AND j.status = 'running';
    IF running IS NOT NULL OR NOT @extschema@.tw_try_model_type(model_type) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_in_use',
            MESSAGE = format('a job of model type "%s" is running', model_type),
            DETAIL = CASE WHEN running IS NOT NULL THEN format('It is job %s.', running) ELSE 'Another session is at it in an open transaction.' END,
            HINT = 'Wait for it, or end it with cancel_training_job().';
    END IF;
    INSERT INTO @extschema@.training_jobs (model_type, status, parameters, worker, attempt, lease_expires_at, started_at)
    VALUES (model_type, 'running', jsonb_build_object('major', coalesce(major, false)), 'train_model', 1, 'infinity', clock_timestamp())
    RETURNING id INTO job_id;
    UPDATE @extschema@.training_jobs j SET version = @extschema@.tw_start_version(train_model.model_type, major) WHERE j.id = job_id;
    PERFORM @extschema@.tw_decide_sides();
    PERFORM @extschema@.tw_train_job(job_id);
    SELECT m.version, m.status, m.gate_decision, m.gate_reason, m.test_accuracy, m.base_version, m.base_accuracy, m.test_samples,
           (j.result ->> 'samples')::bigint, m.training_seconds
    INTO STRICT version, status, gate_decision, gate_reason, test_accuracy, base_version, base_accuracy, test_samples, training_samples, training_seconds
    FROM @extschema@.training_jobs j JOIN @extschema@.model_versions m ON m.version = j.version
    WHERE j.id = job_id;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.train_model(text, boolean) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.train_model(text, boolean) IS
    'Trains the next version of a model type (router, or <module>-agent) on all its live samples, old and new, scores it and the live '
    'version on the frozen test set, and keeps it as candidate if it is better, as rejected if not. Everything happens in the '
    'caller''s transaction; CALL run_training_jobs() commits on the way. major asks for a new major version. Raises 22023 for an unknown '
    'model type, 55000 where there is nothing to learn, 55006 while another job of the type runs, 25001 in a REPEATABLE READ or SERIALIZABLE transaction';
-- The queue of training jobs: for the built-in trainer, and for workers outside that speak nothing but SQL.
--
-- A job is queued, running, and then succeeded, failed or cancelled. A worker that falls silent loses it: the job is queued
-- again, and fails when that happened three times. Locks are taken in this order: that of the sides (tw_decide_sides);
-- the queue's, by everybody who begins or ends a job that others can see; then rows. That of a model type is only ever tried.

CREATE FUNCTION @extschema@.tw_lock_job_queue() RETURNS void
    LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT pg_advisory_xact_lock('@extschema@.conversation_logs'::regclass::oid::integer, 10);
END;
REVOKE ALL ON FUNCTION @extschema@.tw_lock_job_queue() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_lock_job_queue() IS 'Held until the end of the transaction by whoever moves a job between queued and running';

CREATE FUNCTION @extschema@.tw_try_model_type(model_type text) RETURNS boolean
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    key CONSTANT bigint := hashtextextended('training_workflow ' || model_type, '@extschema@.conversation_logs'::regclass::oid::bigint);
BEGIN
    IF pg_try_advisory_xact_lock(key) THEN
        RETURN true;
    END IF;
    -- A transaction lets go of its locks one after the other: whoever has just waited for one may be too early for this one.
    PERFORM pg_sleep(0.05);
    RETURN pg_try_advisory_xact_lock(key);
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_try_model_type(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_try_model_type(text) IS
    'Whether nobody else begins, in a transaction that is still open, a job of this model type; true holds it until the end of the transaction';

CREATE FUNCTION @extschema@.tw_queue_job(job_type text, job_kind text, job_trainer text, job_version text, job_parameters jsonb) RETURNS bigint
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    job_id bigint;
BEGIN
    -- Without the queue's lock: a gate comes here with samples locked. Asking twice is asking once by a unique index.
    LOOP
        SELECT j.id INTO job_id FROM @extschema@.training_jobs j
        WHERE j.model_type = job_type AND j.kind = job_kind AND j.trainer = job_trainer AND j.status = 'queued'
          AND (job_kind = 'train' OR j.version = job_version)
        ORDER BY j.id LIMIT 1;
        EXIT WHEN FOUND;
        INSERT INTO @extschema@.training_jobs (model_type, kind, trainer, version, parameters)
        VALUES (job_type, job_kind, job_trainer, job_version, coalesce(job_parameters, '{}'))
        ON CONFLICT DO NOTHING
        RETURNING id INTO job_id;
        EXIT WHEN FOUND;
    END LOOP;
    RETURN job_id;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_queue_job(text, text, text, text, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_queue_job(text, text, text, text, jsonb) IS 'The job of this kind that waits already, or a new one';

CREATE FUNCTION @extschema@.request_training(
    model_type text DEFAULT 'router', trainer text DEFAULT 'built-in', parameters jsonb DEFAULT '{}') RETURNS bigint
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    PERFORM @extschema@.tw_check_model_type(model_type);
    IF trainer IS NULL OR trainer NOT IN ('built-in', 'outside') THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('there is no trainer "%s"', coalesce(trainer, 'NULL')),
            HINT = 'The trainers are built-in, which CALL run_training_jobs() runs, and outside, for workers that call claim_training_job().';
    END IF;
    IF jsonb_typeof(parameters) <> 'object' OR jsonb_typeof(parameters -> 'major') <> 'boolean' THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = 'parameters must be a JSON object, and "major" in it true or false',
            HINT = 'For example ''{"major": true, "epochs": 25}''; all but "major" are the worker''s to understand.';
    END IF;
    RETURN @extschema@.tw_queue_job(model_type, 'train', trainer, NULL, parameters);
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.request_training(text, text, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.request_training(text, text, jsonb) IS
    'Queues a training of a model type and returns the job''s id; where such a job waits already, that one''s. parameters reach an '
    'outside worker as they are; "major": true asks for a new major version. Raises 22023 for an unknown type or trainer, or odd parameters';

CREATE FUNCTION @extschema@.tw_queue_evaluation(version text) RETURNS bigint
    LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
RETURN @extschema@.tw_queue_job((@extschema@.tw_require_version(version)).model_type, 'evaluate', 'outside', version, '{}');
REVOKE ALL ON FUNCTION @extschema@.tw_queue_evaluation(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_queue_evaluation(text) IS 'Queues the evaluation of a version that lives outside';

CREATE FUNCTION @extschema@.request_evaluation(version text) RETURNS bigint
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    PERFORM @extschema@.tw_require_version(version);
    IF @extschema@.tw_is_servable(version) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('model "%s" lives in the database', version),
            HINT = 'Nobody outside has to answer for it: compare_models() and evaluate_model() ask it directly.';
    END IF;
    RETURN @extschema@.tw_queue_evaluation(version);
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.request_evaluation(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.request_evaluation(text) IS
    'Queues a job that has a version which lives outside answer the test set, and returns its id. The gate asks for it by itself. '
    'Raises 42704 for an unknown version, 55000 for one that the database can serve';

CREATE FUNCTION @extschema@.tw_end_job(job_id bigint, how text, code text, message text) RETURNS void
    LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    UPDATE @extschema@.model_versions m SET status = 'failed'
    FROM @extschema@.training_jobs j
    WHERE j.id = job_id AND j.kind = 'train' AND m.version = j.version AND m.status = 'training';
    UPDATE @extschema@.training_jobs j
    SET status = how, finished_at = clock_timestamp(), error_code = code, error_message = message
    WHERE j.id = job_id;
    SELECT @extschema@.tw_notify(jsonb_build_object('event', 'training job failed', 'job', j.id, 'model_type', j.model_type, 'version', j.version,
                                                    'code', code, 'reason', message))
    FROM @extschema@.training_jobs j
    WHERE j.id = job_id AND how = 'failed';
END;
REVOKE ALL ON FUNCTION @extschema@.tw_end_job(bigint, text, text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_end_job(bigint, text, text, text) IS 'Ends a job that came to nothing (failed or cancelled), and the version that it was training; of a failure whoever listens is told';

CREATE FUNCTION @extschema@.tw_retry_job(job_id bigint, code text, message text) RETURNS text
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    most CONSTANT integer := 3;
    job @extschema@.training_jobs;
BEGIN
    SELECT * INTO STRICT job FROM @extschema@.training_jobs j WHERE j.id = job_id;
    -- Where another of its kind was asked for meanwhile, that one is the retry.
    IF job.attempt >= most OR EXISTS (
        SELECT FROM @extschema@.training_jobs o
        WHERE o.status = 'queued' AND o.model_type = job.model_type AND o.kind = job.kind AND o.trainer = job.trainer
          AND (job.kind = 'train' OR o.version = job.version))
    THEN
        PERFORM @extschema@.tw_end_job(job_id, 'failed', code, message);
        RETURN 'failed';
    END IF;
    UPDATE @extschema@.training_jobs j
    SET status = 'queued', lease_expires_at = NULL, error_code = code, error_message = message, progress = NULL
    WHERE j.id = job_id;
    RETURN 'queued';
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_retry_job(bigint, text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_retry_job(bigint, text, text) IS
    'Queues a job again that was begun fewer than three times, else ends it as failed; returns its new status';

CREATE FUNCTION @extschema@.tw_requeue_silent_jobs() RETURNS bigint
    LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT @extschema@.tw_lock_job_queue();
    WITH silent AS MATERIALIZED (
        SELECT j.id, j.worker, j.attempt FROM @extschema@.training_jobs j
        WHERE j.status = 'running'
          AND CASE j.trainer WHEN 'outside' THEN j.lease_expires_at < clock_timestamp()
              -- The backend that trains holds this lock; the moment between the two transactions of a job is not silence.
              ELSE j.started_at < clock_timestamp() - interval '10 seconds'
                   AND pg_try_advisory_xact_lock('@extschema@.conversation_logs'::regclass::oid::integer, (- (j.id % 2000000000))::integer) END
        ORDER BY j.id FOR UPDATE SKIP LOCKED
    )
    SELECT count(@extschema@.tw_retry_job(s.id, NULL, format('worker "%s" fell silent (attempt %s)', s.worker, s.attempt))) FROM silent s;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_requeue_silent_jobs() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_requeue_silent_jobs() IS 'Takes jobs from workers that fell silent; returns how many';

CREATE FUNCTION @extschema@.tw_claim_job(of_trainer text, by_worker text, for_time interval, of_types text[]) RETURNS @extschema@.training_jobs
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    job @extschema@.training_jobs;
BEGIN
    PERFORM @extschema@.tw_requeue_silent_jobs();
    FOR job IN
        SELECT * FROM @extschema@.training_jobs j
        WHERE j.status = 'queued' AND j.trainer = of_trainer AND (of_types IS NULL OR j.model_type = ANY (of_types))
          AND NOT EXISTS (SELECT FROM @extschema@.training_jobs r WHERE r.model_type = j.model_type AND r.status = 'running')
        ORDER BY j.id
    LOOP
        EXIT WHEN @extschema@.tw_try_model_type(job.model_type);
        job := NULL;
    END LOOP;
    IF job.id IS NULL THEN
        RETURN NULL;
    END IF;
    IF job.version IS NULL THEN
        job.version := @extschema@.tw_start_version(job.model_type, (job.parameters ->> 'major')::boolean);
    END IF;
    UPDATE @extschema@.training_jobs j
    SET status = 'running', version = job.version, worker = by_worker, attempt = j.attempt + 1, lease = for_time,
        lease_expires_at = CASE WHEN for_time IS NULL THEN 'infinity' ELSE clock_timestamp() + for_time END, heartbeat_at = clock_timestamp(),
        started_at = clock_timestamp(), cutoff = CASE j.kind WHEN 'train' THEN now() END
    WHERE j.id = job.id
    RETURNING * INTO job;
    RETURN job;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_claim_job(text, text, interval, text[]) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_claim_job(text, text, interval, text[]) IS
    'Gives the oldest waiting job of a trainer, whose model type has none running, to a worker; a row of NULLs where there is none';

CREATE FUNCTION @extschema@.cancel_training_job(job_id bigint, reason text DEFAULT NULL) RETURNS text
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    job @extschema@.training_jobs;
BEGIN
    PERFORM @extschema@.tw_lock_job_queue();
    SELECT * INTO job FROM @extschema@.training_jobs j WHERE j.id = job_id FOR UPDATE;
    IF NOT FOUND OR job.status NOT IN ('queued', 'running') THEN
        RAISE EXCEPTION USING
            ERRCODE = CASE WHEN job.id IS NULL THEN 'no_data_found' ELSE 'object_not_in_prerequisite_state' END,
            MESSAGE = CASE WHEN job.id IS NULL THEN format('training job %s does not exist', coalesce(job_id::text, 'NULL'))
                           ELSE format('training job %s is %s', job_id, job.status) END,
            HINT = 'Jobs can be cancelled while they wait or run: SELECT id, status FROM training_jobs;';
    END IF;
    PERFORM @extschema@.tw_end_job(job_id, 'cancelled', NULL, reason);
    RETURN job.status;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.cancel_training_job(bigint, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.cancel_training_job(bigint, text) IS
    'Cancels a job that waits or runs, and returns what it was doing; a worker learns of it from its next heartbeat, the built-in '
    'trainer when it is done. Raises P0002 for an unknown job, 55000 for one that has ended';
-- What a trainer outside the database calls: claim, heartbeat, complete, fail. It needs nothing but SQL, and one role.

CREATE FUNCTION @extschema@.claim_training_job(
    worker text, lease interval DEFAULT '5 minutes', model_types text[] DEFAULT NULL,
    OUT job_id bigint, OUT kind text, OUT model_type text, OUT version text, OUT parameters jsonb, OUT attempt integer,
    OUT lease_expires_at timestamptz, OUT test_samples integer)
    RETURNS SETOF record
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    job @extschema@.training_jobs;
BEGIN
    IF @extschema@.tw_is_blank(worker) OR lease IS NULL OR lease < interval '1 second' OR lease > interval '1 day' THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = 'a claim needs the name of a worker and a lease of one second to one day',
            HINT = 'Choose a name that no other worker has, such as its host and process, and send a heartbeat before each lease is over.';
    END IF;
    -- Sides are for a training that begins, not for a worker who only asks.
    IF NOT EXISTS (SELECT FROM @extschema@.training_jobs j
                   WHERE j.trainer = 'outside' AND (j.status = 'queued' OR j.status = 'running' AND j.lease_expires_at < clock_timestamp())
                   AND (model_types IS NULL OR j.model_type = ANY (model_types))) THEN
        RETURN;
    END IF;
    PERFORM @extschema@.tw_decide_sides();
    job := @extschema@.tw_claim_job('outside', worker, lease, model_types);
    IF job.id IS NULL THEN
        RETURN;
    END IF;
    UPDATE @extschema@.training_jobs j SET test_samples = ARRAY(SELECT t.sample_id FROM @extschema@.model_test_set(j.model_type) t ORDER BY t.sample_id)
    WHERE j.id = job.id
    RETURNING * INTO job;
    RETURN QUERY SELECT job.id, job.kind, job.model_type, job.version, job.parameters, job.attempt, job.lease_expires_at,
                        cardinality(job.test_samples);
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.claim_training_job(text, interval, text[]) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.claim_training_job(text, interval, text[]) IS
    'Gives the oldest waiting job for trainers outside (of these model types, NULL: any) to a worker, or no row. The worker reads '
    'training_set(model_type) (kind train) and training_job_test_set(job_id), sends heartbeat_training_job() before each lease is '
    'over, and ends with complete_ or fail_training_job(). Raises 22023 for a blank worker or an odd lease';

CREATE FUNCTION @extschema@.tw_own_job(job_id bigint, worker text) RETURNS @extschema@.training_jobs
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    job @extschema@.training_jobs;
BEGIN
    SELECT * INTO job FROM @extschema@.training_jobs j WHERE j.id = job_id FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'no_data_found',
            MESSAGE = format('training job %s does not exist', coalesce(job_id::text, 'NULL')),
            HINT = 'The id is what claim_training_job() returned.';
    END IF;
    IF job.status <> 'running' OR job.worker IS DISTINCT FROM worker THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('training job %s is not worker "%s"''s any more', job_id, coalesce(worker, 'NULL')),
            DETAIL = format('It is %s%s.', job.status, CASE job.status WHEN 'running' THEN format(', by "%s"', job.worker) ELSE '' END),
            HINT = 'Stop, drop the work, and claim another job; send heartbeats more often, or ask for a longer lease.';
    END IF;
    RETURN job;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_own_job(bigint, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_own_job(bigint, text) IS 'Locks a running job of this worker: P0002 for an unknown job, 55000 for one that is not (or no more) the worker''s';

CREATE FUNCTION @extschema@.heartbeat_training_job(job_id bigint, worker text, progress jsonb DEFAULT NULL) RETURNS timestamptz
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    expires timestamptz;
BEGIN
    PERFORM @extschema@.tw_own_job(job_id, worker);
    UPDATE @extschema@.training_jobs j
    SET heartbeat_at = clock_timestamp(), lease_expires_at = clock_timestamp() + j.lease,
        progress = coalesce(heartbeat_training_job.progress, j.progress)
    WHERE j.id = job_id
    RETURNING j.lease_expires_at INTO expires;
    RETURN expires;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.heartbeat_training_job(bigint, text, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.heartbeat_training_job(bigint, text, jsonb) IS
    'Says that a worker is still at it, with its progress as it likes to tell it, and returns the end of its lease. Raises P0002 for '
    'an unknown job, 55000 when the job is not the worker''s any more: then it has to stop';

CREATE FUNCTION @extschema@.training_job_test_set(job_id bigint, OUT sample_id bigint, OUT text text) RETURNS SETOF record
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT s.id, s.text
    FROM @extschema@.training_jobs j
    JOIN @extschema@.training_samples s ON s.id = ANY (j.test_samples)
    WHERE j.id = job_id AND s.review_status = 'approved'
    ORDER BY s.id;
END;
REVOKE ALL ON FUNCTION @extschema@.training_job_test_set(bigint) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.training_job_test_set(bigint) IS
    'The texts that the worker of a job has to predict, as they were fixed when it took the job; without their labels';

CREATE FUNCTION @extschema@.tw_read_predictions(
    predictions jsonb, OUT sample_id bigint, OUT intent text, OUT confidence double precision)
    RETURNS SETOF record
    LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    wrong record;
BEGIN
    IF predictions IS NULL OR jsonb_typeof(predictions) <> 'array' THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = 'predictions must be a JSON array',
            HINT = 'For example ''[{"sample_id": 7, "intent": "intent.food.item.search", "confidence": 0.91}]''.';
    END IF;
    SELECT p.value, p.ordinality INTO wrong
    FROM jsonb_array_elements(predictions) WITH ORDINALITY AS p (value, ordinality)
    WHERE (jsonb_typeof(p.value) = 'object'
           AND jsonb_typeof(p.value -> 'sample_id') = 'number' AND p.value ->> 'sample_id' ~ '^[0-9]{1,18}$'
           AND coalesce(jsonb_typeof(p.value -> 'intent'), 'null') IN ('string', 'null')
           AND CASE coalesce(jsonb_typeof(p.value -> 'confidence'), 'null')
               WHEN 'null' THEN true WHEN 'number' THEN (p.value -> 'confidence')::numeric BETWEEN 0 AND 1 ELSE false END) IS NOT TRUE
    ORDER BY p.ordinality LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('prediction %s is none', wrong.ordinality),
            DETAIL = left(wrong.value::text, 200),
            HINT = 'Each has sample_id (of training_job_test_set), intent (text, or null for no answer) and confidence (0 to 1, or null).';
    END IF;
    RETURN QUERY SELECT (p.value ->> 'sample_id')::bigint, nullif(p.value ->> 'intent', ''), round((p.value ->> 'confidence')::numeric, 15)::double precision
                 FROM jsonb_array_elements(predictions) AS p (value);
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_read_predictions(jsonb) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_read_predictions(jsonb) IS 'The predictions of a worker as rows, or 22023 that shows the first that is none';

CREATE FUNCTION @extschema@.tw_store_predictions(job @extschema@.training_jobs, predictions jsonb) RETURNS bigint
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    evaluation bigint := nextval('@extschema@.model_evaluations_evaluation_seq');
    strange bigint;
    doubled bigint;
    missing bigint[];
BEGIN
    SELECT min(p.sample_id) FILTER (WHERE NOT p.sample_id = ANY (job.test_samples)), min(p.sample_id) FILTER (WHERE p.n > 1)
    INTO strange, doubled
    FROM (SELECT r.sample_id, count(*) AS n FROM @extschema@.tw_read_predictions(predictions) r GROUP BY r.sample_id) p;
    -- What was rejected or deleted meanwhile need not be answered.
    SELECT array_agg(t.sample_id ORDER BY t.sample_id) INTO missing
    FROM @extschema@.training_job_test_set(job.id) t
    WHERE NOT EXISTS (SELECT FROM @extschema@.tw_read_predictions(predictions) p WHERE p.sample_id = t.sample_id);
    IF strange IS NOT NULL OR doubled IS NOT NULL OR missing IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('the predictions do not fit the test set of training job %s', job.id),
            DETAIL = concat_ws(' ',
                CASE WHEN missing IS NOT NULL THEN format('Missing are %s, the first of them sample %s.', cardinality(missing), missing[1]) END,
                CASE WHEN strange IS NOT NULL THEN format('Sample %s is not in it.', strange) END,
                CASE WHEN doubled IS NOT NULL THEN format('Sample %s was answered more than once.', doubled) END),
            HINT = 'Answer every row of training_job_test_set(job_id) once; where the model has no answer, with intent null.';
    END IF;

    INSERT INTO @extschema@.model_evaluations (evaluation_id, version, sample_id, text_hash, intent, weight, predicted_intent, confidence)
    SELECT evaluation, job.version, t.sample_id, t.text_hash, t.intent, t.weight, p.intent, p.confidence
    FROM @extschema@.tw_read_predictions(predictions) p
    JOIN @extschema@.training_samples s ON s.id = p.sample_id
    JOIN @extschema@.model_test_set(job.model_type) t ON t.text_hash = s.text_hash
    ORDER BY t.sample_id;
    RETURN evaluation;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_store_predictions(@extschema@.training_jobs, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_store_predictions(@extschema@.training_jobs, jsonb) IS
    'Keeps the predictions of a job''s worker beside the labels of today; 22023 unless each test sample of the job is answered once';

CREATE FUNCTION @extschema@.complete_training_job(
    job_id bigint, worker text, predictions jsonb, artifact bytea DEFAULT NULL, minio_path text DEFAULT NULL,
    training_accuracy double precision DEFAULT NULL, training_seconds double precision DEFAULT NULL,
    OUT version text, OUT gate_decision text, OUT gate_reason text)
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    job @extschema@.training_jobs;
    waiting text;
    l record;
BEGIN
    PERFORM @extschema@.tw_lock_job_queue();
    job := @extschema@.tw_own_job(job_id, worker);
    version := job.version;
    PERFORM @extschema@.tw_check_figures(training_accuracy, training_seconds, NULL);
    PERFORM @extschema@.tw_store_predictions(job, predictions);
    IF job.kind = 'train' THEN
        IF artifact IS NOT NULL THEN
            PERFORM @extschema@.tw_store_artifact(job.version, artifact);
        END IF;
        UPDATE @extschema@.model_versions m
        SET minio_path = complete_training_job.minio_path, training_accuracy = complete_training_job.training_accuracy,
            training_seconds = complete_training_job.training_seconds
        WHERE m.version = job.version;
        -- What the worker can have read.
        SELECT array_agg(i.id) AS ids, array_agg(x.intent) AS intents INTO l
        FROM @extschema@.tw_training_texts(job.model_type) x, unnest(x.sample_ids) AS i (id), @extschema@.training_samples s
        WHERE x.excluded IS NULL AND s.id = i.id AND greatest(s.created_at, s.reviewed_at) <= job.cutoff;
        SELECT f.gate_decision, f.gate_reason INTO gate_decision, gate_reason
        FROM @extschema@.tw_finish_training(job_id, coalesce(l.ids, '{}'), coalesce(l.intents, '{}'), job.cutoff, '{}') f;
    ELSE
        UPDATE @extschema@.training_jobs j SET status = 'succeeded', finished_at = clock_timestamp(), error_code = NULL, error_message = NULL
        WHERE j.id = job_id;
        -- The candidates that were waiting for this.
        FOR waiting IN
            SELECT m.version FROM @extschema@.model_versions m
            WHERE m.model_type = job.model_type AND m.status = 'candidate' AND m.gate_decision = 'undecided' AND m.base_version = job.version
            ORDER BY m.created_at, m.version
        LOOP
            version := waiting;
            SELECT g.decision, g.reason INTO gate_decision, gate_reason FROM @extschema@.tw_run_gate(waiting) g;
        END LOOP;
    END IF;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.complete_training_job(bigint, text, jsonb, bytea, text, double precision, double precision) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.complete_training_job(bigint, text, jsonb, bytea, text, double precision, double precision) IS
    'Ends a worker''s job with its predictions, a JSON array of {"sample_id", "intent", "confidence"} that answers every row of '
    'training_job_test_set(job_id) once. The database computes the accuracy from them and runs the gate, for a train job on its version, for an '
    'evaluate job on the candidates that waited for it; it returns the version that was decided about, and how. artifact is kept, minio_path says where the model lies. Raises P0002 and '
    '55000 as heartbeat_training_job() does, 22023 where predictions are missing, strange or doubled, or figures out of range: the job stays the worker''s';

CREATE FUNCTION @extschema@.fail_training_job(job_id bigint, worker text, error text, retry boolean DEFAULT true) RETURNS text
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    PERFORM @extschema@.tw_lock_job_queue();
    PERFORM @extschema@.tw_own_job(job_id, worker);
    IF retry IS NOT FALSE THEN
        RETURN @extschema@.tw_retry_job(job_id, NULL, error);
    END IF;
    PERFORM @extschema@.tw_end_job(job_id, 'failed', NULL, error);
    RETURN 'failed';
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.fail_training_job(bigint, text, text, boolean) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.fail_training_job(bigint, text, text, boolean) IS
    'Gives a worker''s job back with an error: queued again unless retry is false or it was begun three times. Returns its new status, '
    'queued or failed. Raises P0002 and 55000 as heartbeat_training_job() does';
-- CALL run_training_jobs(): the built-in trainer works through the queue, with a commit before and after each training.

CREATE FUNCTION @extschema@.tw_start_built_in_job(run bigint DEFAULT NULL, OUT job_id bigint, OUT attempt integer)
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    job @extschema@.training_jobs;
    code text;
    message text;
BEGIN
    IF run IS NOT NULL THEN
        PERFORM @extschema@.tw_require_run(run);
    END IF;
    BEGIN
        -- Sides are decided in this short transaction, so that no verdict has to wait for the training.
        IF EXISTS (SELECT FROM @extschema@.training_jobs j WHERE j.trainer = 'built-in'
                   AND (j.status = 'queued' OR j.status = 'running' AND j.started_at < clock_timestamp() - interval '10 seconds')) THEN
            PERFORM @extschema@.tw_decide_sides();
            job := @extschema@.tw_claim_job('built-in', format('backend %s', pg_backend_pid()), NULL, NULL);
        END IF;
    EXCEPTION WHEN OTHERS THEN
        IF run IS NULL THEN
            RAISE;
        END IF;
        GET STACKED DIAGNOSTICS code = RETURNED_SQLSTATE, message = MESSAGE_TEXT;
        job := NULL;
    END;
    IF code IS NOT NULL THEN
        RAISE WARNING 'run_training_jobs: no job could be begun: %', message USING ERRCODE = code;
        PERFORM @extschema@.tw_fail_run(run, code, message);
    END IF;
    job_id := job.id;
    attempt := job.attempt;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_start_built_in_job(bigint) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_start_built_in_job(bigint) IS 'First transaction of run_training_jobs(): takes a waiting job, NULL where there is none';

CREATE FUNCTION @extschema@.tw_run_built_in_job(id bigint, attempt integer) RETURNS text
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    job @extschema@.training_jobs;
    code text;
    message text;
BEGIN
    -- While it is held, the job counts as alive; a crash or a cancel lets go of it.
    PERFORM pg_advisory_xact_lock('@extschema@.conversation_logs'::regclass::oid::integer, (- (id % 2000000000))::integer);
    SELECT * INTO job FROM @extschema@.training_jobs j WHERE j.id = tw_run_built_in_job.id;
    IF job.id IS NULL OR job.trainer <> 'built-in' OR job.status <> 'running'
       OR job.attempt IS DISTINCT FROM tw_run_built_in_job.attempt THEN
        RETURN job.status;
    END IF;
    BEGIN
        PERFORM @extschema@.tw_train_job(job.id);
        RETURN 'succeeded';
    EXCEPTION WHEN OTHERS THEN
        GET STACKED DIAGNOSTICS code = RETURNED_SQLSTATE, message = MESSAGE_TEXT;
    END;
    PERFORM @extschema@.tw_lock_job_queue();
    -- Cancelled meanwhile: that is its end, and no failure.
    SELECT * INTO job FROM @extschema@.training_jobs j WHERE j.id = tw_run_built_in_job.id FOR UPDATE;
    IF job.status <> 'running' THEN
        RETURN job.status;
    END IF;
    RAISE WARNING 'training job % failed: %', job.id, message USING ERRCODE = code;
    -- Another try only helps against what passes.
    IF left(code, 2) IN ('40', '53', '55') AND code <> '55000' THEN
        RETURN @extschema@.tw_retry_job(job.id, code, message);
    END IF;
    PERFORM @extschema@.tw_end_job(job.id, 'failed', code, message);
    RETURN 'failed';
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_run_built_in_job(bigint, integer) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_run_built_in_job(bigint, integer) IS
    'Second transaction of run_training_jobs(): trains what a job asks for, or records why not; returns the job''s new status';

CREATE FUNCTION @extschema@.tw_training_begin() RETURNS bigint
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    run_id CONSTANT bigint := @extschema@.tw_begin_job('run_training_jobs');
BEGIN
    UPDATE @extschema@.job_runs r
    SET items_done = 0, items_total = (SELECT count(*) FROM @extschema@.training_jobs j WHERE j.trainer = 'built-in' AND j.status = 'queued')
    WHERE r.id = run_id;
    RETURN run_id;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_training_begin() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_training_begin() IS 'Begins a run of run_training_jobs(); NULL where another session is at it, or on a restored copy';

CREATE FUNCTION @extschema@.tw_training_note(run bigint, job_id bigint, outcome text) RETURNS void
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    job @extschema@.training_jobs;
BEGIN
    PERFORM @extschema@.tw_require_run(run);
    SELECT * INTO job FROM @extschema@.training_jobs j WHERE j.id = job_id;
    IF outcome IS NULL THEN
        PERFORM @extschema@.tw_note_run(run, format('job %s: %s %s', job_id, job.kind, coalesce(job.version, job.model_type)), '{}');
        RETURN;
    END IF;
    PERFORM @extschema@.tw_note_run(run, NULL, jsonb_build_object(outcome, 1));
    IF outcome = 'failed' THEN
        PERFORM @extschema@.tw_fail_run(run, job.error_code, format('training job %s: %s', job_id, job.error_message));
    END IF;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_training_note(bigint, bigint, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_training_note(bigint, bigint, text) IS
    'Writes down that a run begins a training job (outcome NULL), or how that ended. Raises 55000 when it is not called by the run''s own session';

-- No SET and no SECURITY DEFINER: a procedure with either cannot COMMIT. So every name in it is qualified.
CREATE PROCEDURE @extschema@.run_training_jobs()
    LANGUAGE plpgsql
AS $procedure$
DECLARE
    run bigint;
    job_id bigint;
    attempt integer;
    outcome pg_catalog.text;
BEGIN
    IF pg_catalog.pg_is_in_recovery() THEN
        RETURN;
    END IF;
    run := @extschema@.tw_training_begin();
    COMMIT;
    IF run IS NULL THEN
        RETURN;
    END IF;
    LOOP
        SELECT s.job_id, s.attempt INTO job_id, attempt FROM @extschema@.tw_start_built_in_job(run) s;
        EXIT WHEN job_id IS NULL;
        PERFORM @extschema@.tw_training_note(run, job_id, NULL);
        COMMIT;
        outcome := @extschema@.tw_run_built_in_job(job_id, attempt);
        PERFORM @extschema@.tw_training_note(run, job_id, outcome);
        COMMIT;
    END LOOP;
    PERFORM @extschema@.tw_end_run(run);
    COMMIT;
    -- What was trained now, and what an earlier run could not store.
    IF @extschema@.tw_artifacts_wait() THEN
        CALL @extschema@.store_model_artifacts();
    END IF;
END
$procedure$;
REVOKE ALL ON PROCEDURE @extschema@.run_training_jobs() FROM PUBLIC;
COMMENT ON PROCEDURE @extschema@.run_training_jobs() IS
    'Runs the waiting jobs of the built-in trainer one after the other, committing between them; failures are recorded in '
    'training_jobs and job_runs and do not end it. Then stores the artifacts that wait (store_model_artifacts). For pg_cron, every 5 minutes. '
    'Does nothing while another session is at it, on a standby or on a restored copy';
-- Who answers whom: the version of a model that a session gets, while a canary takes its share and otherwise.

CREATE FUNCTION @extschema@.assign_model_version(model_type text, unit_id text) RETURNS text
    LANGUAGE c STABLE CALLED ON NULL INPUT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'tw_assign_model_version';
REVOKE ALL ON FUNCTION @extschema@.assign_model_version(text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.assign_model_version(text, text) IS
    'The version of this type of model that answers the unit, which is the session: the canary where there is one and the unit''s '
    'rollout_bucket() is below 100 times its traffic_percentage, the production version otherwise. A unit keeps its version until the rollout moves, '
    'and raising the percentage takes no unit out of the canary. Any text is a unit, the empty one as well, compared byte by byte. A change '
    'of model_versions counts in every session from its commit on, in open transactions too. NULL where nothing of the type is live (candidates '
    'only, say): then whatever answered before goes on. Raises 22004 for a NULL, 42704 for a type without any version in model_versions';

CREATE FUNCTION @extschema@.rollout_bucket(version text, unit_id text) RETURNS integer
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'tw_rollout_bucket';
REVOKE ALL ON FUNCTION @extschema@.rollout_bucket(text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.rollout_bucket(text, text) IS
    'The bucket, 0 to 9999, of a unit in the rollout of a version (of any name, known or not): the version is the unit''s while it is the canary '
    'with more than bucket / 100 percent of the traffic. mix(mix(fnv(unit_id)) XOR mix(fnv(version))) modulo 10000 in unsigned 64 bits, where fnv '
    'is FNV-1a over the bytes in UTF-8 and mix the finaliser of MurmurHash3; that never changes. NULL for a NULL';
-- sequential_comparison: the canary against production, as often as one likes.

CREATE FUNCTION @extschema@.sequential_comparison(
    canary_units double precision[], canary_n double precision[], canary_y double precision[],
    canary_nn double precision[], canary_ny double precision[], canary_yy double precision[],
    production_units double precision[], production_n double precision[], production_y double precision[],
    production_nn double precision[], production_ny double precision[], production_yy double precision[],
    alpha double precision DEFAULT 0.05, margin double precision DEFAULT 0.02, min_units integer DEFAULT 100, design_effect double precision DEFAULT 1,
    OUT canary_rate double precision, OUT production_rate double precision, OUT difference double precision,
    OUT lower double precision, OUT upper double precision, OUT detectable_loss double precision, OUT verdict text)
    LANGUAGE c IMMUTABLE PARALLEL SAFE CALLED ON NULL INPUT
    AS 'MODULE_PATHNAME', 'tw_sequential_comparison';
REVOKE ALL ON FUNCTION @extschema@.sequential_comparison(
    double precision[], double precision[], double precision[], double precision[], double precision[], double precision[],
    double precision[], double precision[], double precision[], double precision[], double precision[], double precision[],
    double precision, double precision, integer, double precision) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.sequential_comparison(
    double precision[], double precision[], double precision[], double precision[], double precision[], double precision[],
    double precision[], double precision[], double precision[], double precision[], double precision[], double precision[],
    double precision, double precision, integer, double precision) IS
    'The canary''s share of good outcomes less that of concurrent production, with bounds that hold at every look together: '
    'an asymptotic confidence sequence (Waudby-Smith et al., Annals of Statistics 52, 2024), stratified by step, with a '
    'truncated normal mixture as boundary (Robbins 1970; Howard et al., Annals of Statistics 49, 2021). Assumes that sessions '
    'are independent and that in a step both arms draw from the same traffic. Takes, by arm, arrays with one element a step: '
    'units (sessions with n > 0) and the sums over them of n, y, n*n, n*y and y*y, where a session has n trials and y good '
    'ones, 0 <= y <= n, weights of any scale; design_effect is how many sessions count as one (1 where each is in one step only). A step without sessions in one of the arms adds nothing. Returns the rates and '
    'their difference, as means over steps of the same weights; lower and upper, each wrong at any look with probability at '
    'most alpha; detectable_loss, the loss that would be called worse if it were observed now; '
    'and verdict: worse (upper < 0), better (lower > 0), non-inferior (lower > -margin), undecided, or too few, without '
    'bounds, where an arm has fewer than min_units. Raises 22004 for NULLs, and 22023 for arrays of different lengths, '
    'numbers that are negative or not finite, sums that no sessions can have, alpha outside (0, 0.5], margin outside '
    '[0, 1), min_units below 1 and design_effect outside [1, 1e6]';
-- sample_ratio_check: whether sessions are divided between the arms as they should be.

CREATE FUNCTION @extschema@.sample_ratio_check(
    canary_units bigint[], production_units bigint[], canary_share double precision[], alpha double precision DEFAULT 0.001,
    OUT evidence double precision, OUT expected_share double precision, OUT observed_share double precision, OUT mismatch boolean)
    LANGUAGE c IMMUTABLE PARALLEL SAFE CALLED ON NULL INPUT
    AS 'MODULE_PATHNAME', 'tw_sample_ratio_check';
REVOKE ALL ON FUNCTION @extschema@.sample_ratio_check(bigint[], bigint[], double precision[], double precision) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.sample_ratio_check(bigint[], bigint[], double precision[], double precision) IS
    'Whether the canary gets the share of sessions that it should, at every look together: the beta mixture martingale of '
    'Lindon and Malek (Anytime-valid inference for multinomial count data, NeurIPS 35, 2022), multiplied over steps and averaged over three '
    'priors. Assumes that sessions are independent. Takes arrays with one element a step: distinct sessions by the arm of their first assignment '
    'in the step, and the share of the canary, above 0 and below 1. Returns the evidence against that share (an e-value, at most '
    '1e300), expected and observed share over all steps (NULL without sessions), and mismatch: the evidence is at least '
    '1/alpha, which happens at any look of a correct split with probability at most alpha. Raises 22004 for NULLs, and 22023 '
    'for arrays of different lengths, negative numbers or more than 1e12 sessions, a share outside (0, 1), and alpha outside (0, 0.5]';
-- live_model_at(): what was live when, from the record of changes.

CREATE FUNCTION @extschema@.live_model_at(
    model_type text, "time" timestamptz DEFAULT now(),
    OUT version text, OUT since timestamptz, OUT reason text, OUT canary_version text, OUT canary_percentage integer)
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF NOT EXISTS (SELECT FROM @extschema@.model_versions m WHERE m.model_type = live_model_at.model_type) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'undefined_object',
            MESSAGE = format('there is no model of type "%s"', coalesce(model_type, 'NULL')),
            HINT = 'SELECT DISTINCT model_type FROM model_versions; shows the types.';
    END IF;
    SELECT d.version, d.created_at, d.reason INTO version, since, reason
    FROM @extschema@.model_deployments d
    WHERE d.model_type = live_model_at.model_type AND d.created_at <= "time" AND d.to_status = 'production'
    ORDER BY d.created_at DESC, d.id DESC LIMIT 1;
    -- The last change of a canary says whether it still is one.
    SELECT c.version, c.to_percentage INTO canary_version, canary_percentage
    FROM (SELECT DISTINCT ON (d.version) d.version, d.to_status, d.to_percentage
          FROM @extschema@.model_deployments d
          WHERE d.model_type = live_model_at.model_type AND d.created_at <= "time"
          ORDER BY d.version, d.created_at DESC, d.id DESC) c
    WHERE c.to_status = 'canary';
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.live_model_at(text, timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.live_model_at(text, timestamptz) IS
    'Which version of a type was in production at a time, since when and why, and which canary had how many percent of the sessions beside '
    'it; NULL where there was none. Raises 42704 for a type of which there is no version';
-- start_rollout(), advance_rollout(), rollback_rollout(): what changes the share of a version. Each holds the registry's lock
-- from before its first look to the end of the transaction, so that two of them, or one and check_rollouts(), follow one another.

CREATE FUNCTION @extschema@.tw_change_time(at timestamptz, earlier timestamptz) RETURNS timestamptz
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF at < earlier OR at IN ('infinity', '-infinity') THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('%s is no time for this change', at),
            DETAIL = format('The change before it was at %s.', coalesce(earlier::text, 'no time')),
            HINT = 'Leave "at" out: it is the time to count as now in tests and simulations.';
    END IF;
    -- Not the transaction's time: it may have waited for the lock. A clock that was set back does not turn the order round.
    RETURN coalesce(at, greatest(clock_timestamp(), earlier));
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_change_time(timestamptz, timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_change_time(timestamptz, timestamptz) IS 'The time of a change: at, or now; 22023 for one before the change that came earlier';

CREATE FUNCTION @extschema@.tw_set_share(canary text, percentage integer, why text, figures jsonb, at timestamptz, actor text) RETURNS void
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    before @extschema@.model_versions;
    live @extschema@.model_versions;
BEGIN
    SELECT * INTO STRICT before FROM @extschema@.model_versions m WHERE m.version = canary FOR UPDATE;
    SELECT * INTO STRICT live FROM @extschema@.model_versions m WHERE m.model_type = before.model_type AND m.status = 'production' FOR UPDATE;
    UPDATE @extschema@.model_versions m
    SET status = 'canary', traffic_percentage = percentage, deployed_at = coalesce(m.deployed_at, at)
    WHERE m.version = canary;
    UPDATE @extschema@.model_versions m SET traffic_percentage = 100 - percentage WHERE m.version = live.version;
    INSERT INTO @extschema@.model_deployments (model_type, version, previous_version, from_status, to_status, from_percentage, to_percentage,
                                               actor, reason, figures, created_at)
    VALUES (before.model_type, canary, live.version, before.status, 'canary', before.traffic_percentage, percentage, actor, why, figures, at);
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_set_share(text, integer, text, jsonb, timestamptz, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_set_share(text, integer, text, jsonb, timestamptz, text) IS
    'Gives a canary a share of the sessions, the production version the others, and records it';

CREATE FUNCTION @extschema@.tw_end_watch(type text, why text, at timestamptz) RETURNS void
    LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    UPDATE @extschema@.rollouts r SET status = 'finished', ended_at = at, end_reason = why
    WHERE r.model_type = type AND r.status = 'watching';
END;
REVOKE ALL ON FUNCTION @extschema@.tw_end_watch(text, text, timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_end_watch(text, text, timestamptz) IS 'Nobody looks any longer at the rollout of a type that reached all sessions';

CREATE FUNCTION @extschema@.tw_require_rollable(version text, reason text) RETURNS void
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    m @extschema@.model_versions;
    other text;
BEGIN
    PERFORM @extschema@.tw_require_version(version);
    SELECT * INTO m FROM @extschema@.model_versions x WHERE x.version = tw_require_rollable.version;
    IF m.status <> 'candidate' THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('model "%s" is %s, not a candidate', version, m.status),
            HINT = CASE m.status WHEN 'canary' THEN 'It is being rolled out: see rollout_status; advance_rollout() takes it a step further.'
                                 WHEN 'production' THEN 'It has all sessions already.'
                                 WHEN 'rejected' THEN 'The gate rejected it: train again.'
                                 WHEN 'retired' THEN 'A later version superseded it: train again.'
                                 WHEN 'rolled-back' THEN 'A version is rolled out once: train again.'
                                 ELSE 'See gate_reason in model_versions, and training_jobs.' END;
    END IF;
    IF m.gate_decision IS DISTINCT FROM 'passed' AND @extschema@.tw_is_blank(reason) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('model "%s" has not passed the gate: rolling it out needs a reason', version),
            DETAIL = coalesce(m.gate_reason, 'The gate has not looked at it.'),
            HINT = 'evaluate_model() takes it through the gate; or say in the argument reason why it should meet customers.';
    END IF;
    IF NOT EXISTS (SELECT FROM @extschema@.model_versions x WHERE x.model_type = m.model_type AND x.status = 'production') THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('model type "%s" has no live version that "%s" could be compared with', m.model_type, version),
            HINT = 'Make the first one live with promote_model(version, reason).';
    END IF;
    SELECT x.version INTO other FROM @extschema@.model_versions x WHERE x.model_type = m.model_type AND x.status = 'canary';
    IF FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('"%s" is being rolled out', other),
            HINT = format('One at a time: wait, or SELECT rollback_rollout(%L, ''...'');', m.model_type);
    END IF;
    PERFORM @extschema@.tw_require_stored(version);
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_require_rollable(text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_require_rollable(text, text) IS 'Raises what start_rollout() says of a version that cannot be rolled out';

CREATE FUNCTION @extschema@.tw_start_rollout(version text, reason text, at timestamptz, actor text) RETURNS bigint
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    m @extschema@.model_versions;
    live text;
    shares CONSTANT integer[] := string_to_array(@extschema@.training_setting('rollout_steps'), ',')::integer[];
    said CONSTANT text := CASE WHEN NOT @extschema@.tw_is_blank(reason) THEN reason END;
    began timestamptz;
    why text;
    rollout bigint;
BEGIN
    PERFORM @extschema@.tw_lock_registry();
    PERFORM @extschema@.tw_require_rollable(version, reason);
    SELECT * INTO m FROM @extschema@.model_versions x WHERE x.version = tw_start_rollout.version;
    -- FOR UPDATE: under an older snapshot, in which nobody has started another one, this is a serialization failure.
    SELECT x.version INTO live FROM @extschema@.model_versions x WHERE x.model_type = m.model_type AND x.status = 'production' FOR UPDATE;
    began := @extschema@.tw_change_time(at, (SELECT max(d.created_at) FROM @extschema@.model_deployments d WHERE d.model_type = m.model_type));
    why := coalesce(said, 'passed the gate: ' || m.gate_reason);

    PERFORM @extschema@.tw_end_watch(m.model_type, format('"%s" is rolled out', version), began);
    -- Older ones that passed are superseded: were this one rolled back, they would be next.
    UPDATE @extschema@.model_versions x SET status = 'retired', retired_at = began
    WHERE x.model_type = m.model_type AND x.status = 'candidate' AND x.gate_decision = 'passed' AND x.created_at < m.created_at;
    INSERT INTO @extschema@.rollouts (model_type, version, previous_version, steps, alpha, margin, step_times, reason, started_by, started_at)
    VALUES (m.model_type, version, live, shares, @extschema@.training_setting('rollout_alpha')::double precision,
            @extschema@.training_setting('rollout_margin')::double precision, ARRAY[began], said, actor, began)
    RETURNING id INTO rollout;
    IF shares[1] = 100 THEN
        PERFORM @extschema@.tw_promote_canary(rollout, why, NULL, began, actor);
    ELSE
        PERFORM @extschema@.tw_set_share(version, shares[1], why,
            jsonb_strip_nulls(jsonb_build_object('rollout', rollout, 'steps', shares, 'test_accuracy', m.test_accuracy, 'base_version', m.base_version,
                                                 'base_accuracy', m.base_accuracy, 'test_samples', m.test_samples)), began, actor);
    END IF;
    RETURN rollout;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_start_rollout(text, text, timestamptz, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_start_rollout(text, text, timestamptz, text) IS 'start_rollout() in the name of an actor; returns the rollout''s id';

CREATE FUNCTION @extschema@.tw_promote_canary(rollout bigint, why text, figures jsonb, at timestamptz, actor text) RETURNS void
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    r @extschema@.rollouts;
    watched CONSTANT boolean := @extschema@.training_setting('rollback_watch')::integer > 0;
BEGIN
    SELECT * INTO STRICT r FROM @extschema@.rollouts x WHERE x.id = rollout;
    PERFORM @extschema@.tw_make_live(r.version, why, figures, at, actor);
    UPDATE @extschema@.rollouts x
    SET status = CASE WHEN watched THEN 'watching' ELSE 'finished' END, promoted_at = at,
        ended_at = CASE WHEN NOT watched THEN at END, end_reason = CASE WHEN NOT watched THEN 'rollback_watch is 0' END
    WHERE x.id = rollout;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_promote_canary(bigint, text, jsonb, timestamptz, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_promote_canary(bigint, text, jsonb, timestamptz, text) IS 'Gives the version of a rollout all sessions; from then on it is watched';

CREATE FUNCTION @extschema@.tw_advance_rollout(rollout bigint, why text, figures jsonb, at timestamptz, actor text) RETURNS integer
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    r @extschema@.rollouts;
    next_share integer;
BEGIN
    UPDATE @extschema@.rollouts x SET step_times = x.step_times || at WHERE x.id = rollout RETURNING * INTO STRICT r;
    next_share := r.steps[cardinality(r.step_times)];
    IF next_share = 100 THEN
        PERFORM @extschema@.tw_promote_canary(rollout, why, figures, at, actor);
    ELSE
        PERFORM @extschema@.tw_set_share(r.version, next_share, why, figures, at, actor);
    END IF;
    RETURN next_share;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_advance_rollout(bigint, text, jsonb, timestamptz, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_advance_rollout(bigint, text, jsonb, timestamptz, text) IS 'Begins the next step of a running rollout and returns its percentage';

CREATE FUNCTION @extschema@.tw_end_canary(rollout bigint, why text, figures jsonb, at timestamptz, actor text) RETURNS void
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    r @extschema@.rollouts;
    canary @extschema@.model_versions;
BEGIN
    UPDATE @extschema@.rollouts x SET status = 'rolled-back', ended_at = at, end_reason = why WHERE x.id = rollout RETURNING * INTO STRICT r;
    SELECT * INTO STRICT canary FROM @extschema@.model_versions m WHERE m.version = r.version FOR UPDATE;
    UPDATE @extschema@.model_versions m SET status = 'rolled-back', traffic_percentage = 0, retired_at = at WHERE m.version = r.version;
    UPDATE @extschema@.model_versions m SET traffic_percentage = 100 WHERE m.model_type = r.model_type AND m.status = 'production';
    INSERT INTO @extschema@.model_deployments (model_type, version, previous_version, from_status, to_status, from_percentage, to_percentage,
                                               actor, reason, figures, created_at)
    VALUES (r.model_type, r.version, r.previous_version, canary.status, 'rolled-back', canary.traffic_percentage, 0, actor, why, figures, at);
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_end_canary(bigint, text, jsonb, timestamptz, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_end_canary(bigint, text, jsonb, timestamptz, text) IS 'Rolls a running rollout back: its sessions return to the production version';

CREATE FUNCTION @extschema@.tw_reinstate(bad text, good text, why text, figures jsonb, at timestamptz, actor text) RETURNS void
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    type text;
BEGIN
    -- One after the other: there is one production version at any time.
    UPDATE @extschema@.model_versions m SET status = 'rolled-back', traffic_percentage = 0, retired_at = at WHERE m.version = bad
    RETURNING m.model_type INTO STRICT type;
    UPDATE @extschema@.model_versions m SET status = 'production', traffic_percentage = 100, retired_at = NULL WHERE m.version = good;
    INSERT INTO @extschema@.model_deployments (model_type, version, previous_version, from_status, to_status, from_percentage, to_percentage,
                                               actor, reason, figures, created_at)
    VALUES (type, bad, NULL, 'production', 'rolled-back', 100, 0, actor, why, figures, at),
           (type, good, bad, 'retired', 'production', 0, 100, actor, format('%s was rolled back', bad), NULL, at);
    UPDATE @extschema@.rollouts r SET status = 'rolled-back', ended_at = at, end_reason = why WHERE r.version = bad;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_reinstate(text, text, text, jsonb, timestamptz, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_reinstate(text, text, text, jsonb, timestamptz, text) IS 'Rolls a production version back to the one before it';

CREATE FUNCTION @extschema@.tw_version_before(version text) RETURNS text
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    -- One that was rolled back itself does not return.
    SELECT d.previous_version
    FROM @extschema@.model_deployments d
    JOIN @extschema@.model_versions p ON p.version = d.previous_version AND p.status = 'retired'
    WHERE d.version = tw_version_before.version AND d.to_status = 'production'
    ORDER BY d.id DESC LIMIT 1;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_version_before(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_version_before(text) IS 'The version that a production version replaced and that can take its place again; NULL where there is none';

CREATE FUNCTION @extschema@.tw_require_meant(type text, version text, only_version text, is_live boolean) RETURNS void
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    last_change @extschema@.model_deployments;
BEGIN
    IF only_version IS DISTINCT FROM version AND only_version IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('"%s" is not what would be rolled back', only_version),
            DETAIL = coalesce(format('That is "%s".', version), format('Nothing of model type "%s" is live.', type)),
            HINT = 'See rollout_status and live_model_at(): somebody, or check_rollouts(), may have rolled it back already.';
    END IF;
    SELECT * INTO last_change FROM @extschema@.model_deployments d WHERE d.model_type = type ORDER BY d.id DESC LIMIT 1;
    -- Two people who see the same trouble must not take two versions back.
    IF only_version IS NULL AND is_live AND (last_change.to_status = 'rolled-back' OR last_change.from_status = 'retired') THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('the last change of model type "%s" was a rollback already', type),
            DETAIL = format('At %s, by %s: %s.', last_change.created_at, last_change.actor, rtrim(last_change.reason, '.')),
            HINT = format('"%s" answers now. To take it back as well, name it: rollback_rollout(..., only_version => %L).', version, version);
    END IF;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_require_meant(text, text, text, boolean) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_require_meant(text, text, text, boolean) IS
    'Raises 55000 where a rollback would take back another version than it names, or one that it does not name right after another rollback';

CREATE FUNCTION @extschema@.tw_roll_back(type text, why text, figures jsonb, at timestamptz, actor text, only_version text,
                                         OUT version text, OUT live_version text)
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    running bigint;
BEGIN
    SELECT r.id, r.version INTO running, version FROM @extschema@.rollouts r WHERE r.model_type = type AND r.status = 'running';
    IF running IS NULL THEN
        SELECT m.version INTO version FROM @extschema@.model_versions m WHERE m.model_type = type AND m.status = 'production';
    END IF;
    PERFORM @extschema@.tw_require_meant(type, version, only_version, running IS NULL);
    IF running IS NOT NULL THEN
        PERFORM @extschema@.tw_end_canary(running, why, figures, at, actor);
    ELSE
        live_version := @extschema@.tw_version_before(version);
        IF live_version IS NULL THEN
            RAISE EXCEPTION USING
                ERRCODE = 'object_not_in_prerequisite_state',
                MESSAGE = format('there is no rollout of model type "%s" to roll back', type),
                DETAIL = coalesce(format('"%s" is live, and there is no earlier version to return to.', version), 'It has no live version.'),
                HINT = 'SELECT * FROM model_deployments; shows what was live when. Another candidate goes live with promote_model(version, reason).';
        END IF;
        PERFORM @extschema@.tw_reinstate(version, live_version, why, figures, at, actor);
    END IF;
    SELECT m.version INTO live_version FROM @extschema@.model_versions m WHERE m.model_type = type AND m.status = 'production';
    PERFORM @extschema@.tw_notify(jsonb_build_object('event', 'rollback', 'model_type', type, 'version', version, 'live_version', live_version,
                                                     'actor', actor, 'at', at, 'reason', why));
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_roll_back(text, text, jsonb, timestamptz, text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_roll_back(text, text, jsonb, timestamptz, text, text) IS
    'Rolls back the running rollout of a type, or else its production version, and tells whoever listens';

CREATE FUNCTION @extschema@.tw_running_rollout(type text) RETURNS @extschema@.rollouts
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    r @extschema@.rollouts;
BEGIN
    IF NOT EXISTS (SELECT FROM @extschema@.model_versions m WHERE m.model_type = type) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'undefined_object',
            MESSAGE = format('there is no model of type "%s"', coalesce(type, 'NULL')),
            HINT = 'SELECT DISTINCT model_type FROM model_versions; shows the types.';
    END IF;
    SELECT * INTO r FROM @extschema@.rollouts x WHERE x.model_type = type AND x.status = 'running';
    RETURN r;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_running_rollout(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_running_rollout(text) IS 'The rollout of a type that is running, NULL where none is; 42704 for an unknown type';

CREATE FUNCTION @extschema@.start_rollout(
    version text, reason text DEFAULT NULL, at timestamptz DEFAULT NULL,
    OUT model_type text, OUT previous_version text, OUT traffic_percentage integer, OUT steps integer[], OUT rollout_id bigint)
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    rollout_id := @extschema@.tw_start_rollout(version, reason, at, session_user);
    SELECT r.model_type, r.previous_version, r.steps[1], r.steps INTO STRICT model_type, previous_version, traffic_percentage, steps
    FROM @extschema@.rollouts r WHERE r.id = rollout_id;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.start_rollout(text, text, timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.start_rollout(text, text, timestamptz) IS
    'Gives a candidate the first share of the sessions that the setting rollout_steps names, beside the production version of its type; '
    'assign_model_version() follows from the commit on, check_rollouts() watches. A candidate that did not pass the gate needs a reason. at is '
    'the time to count as now, for tests. Raises 42704 for an unknown version, 55000 for one that is no candidate or is yet to be stored, '
    'while another is rolled out, or without a production version, 22023 for a missing reason or a time before the last change';

CREATE FUNCTION @extschema@.advance_rollout(
    model_type text, reason text DEFAULT NULL, at timestamptz DEFAULT NULL, only_from integer DEFAULT NULL) RETURNS integer
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    r @extschema@.rollouts;
BEGIN
    PERFORM @extschema@.tw_lock_registry();
    r := @extschema@.tw_running_rollout(model_type);
    IF r.id IS NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('no version of model type "%s" is being rolled out', model_type),
            HINT = 'SELECT * FROM start_rollout(version); starts one with a candidate.';
    END IF;
    IF only_from <> r.steps[cardinality(r.step_times)] THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('the rollout of "%s" is at %s %%, not at %s %%', r.version, r.steps[cardinality(r.step_times)], only_from),
            HINT = 'Somebody, or check_rollouts(), was faster: see rollout_status.';
    END IF;
    RETURN @extschema@.tw_advance_rollout(r.id, CASE WHEN @extschema@.tw_is_blank(reason) THEN 'advanced by hand' ELSE reason END,
        (SELECT jsonb_build_object('check', c.id, 'verdict', c.verdict, 'reason', c.reason, 'metrics', c.metrics)
         FROM @extschema@.rollout_checks c WHERE c.rollout_id = r.id ORDER BY c.id DESC LIMIT 1),
        @extschema@.tw_change_time(at, r.step_times[cardinality(r.step_times)]), session_user);
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.advance_rollout(text, text, timestamptz, integer) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.advance_rollout(text, text, timestamptz, integer) IS
    'Takes the rollout of a model type to its next step by hand, whatever check_rollouts() waits for, and returns the new percentage; 100 '
    'makes the version the production version. only_from is the percentage that it must be at, so that two people do not take two steps. The '
    'reason is kept in model_deployments. at is the time to count as now, for tests. Raises '
    '42704 for an unknown type, 55000 where nothing is rolled out or it is at another percentage, 22023 for a time before the last change';

CREATE FUNCTION @extschema@.rollback_rollout(
    model_type text, reason text, at timestamptz DEFAULT NULL, only_version text DEFAULT NULL, OUT version text, OUT live_version text)
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    PERFORM @extschema@.tw_lock_registry();
    PERFORM @extschema@.tw_running_rollout(model_type);
    IF @extschema@.tw_is_blank(reason) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = 'rolling a model back needs a reason',
            HINT = 'It is kept in model_deployments, and sent to whoever listens.';
    END IF;
    SELECT b.version, b.live_version INTO version, live_version
    FROM @extschema@.tw_roll_back(model_type, reason, NULL, @extschema@.tw_change_time(at,
        (SELECT max(d.created_at) FROM @extschema@.model_deployments d WHERE d.model_type = rollback_rollout.model_type)), session_user, only_version) b;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.rollback_rollout(text, text, timestamptz, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.rollback_rollout(text, text, timestamptz, text) IS
    'Takes the sessions back at once from the version of a model type that is being rolled out; where none is, from the production version, '
    'which its predecessor replaces, however long ago it went live. only_version says which version is meant, so that two people do not roll '
    'back two; it is needed right after another rollback. Returns the version that was rolled back and the one that is live now, '
    'and sends NOTIFY training_workflow. at is the time to count as now, for tests. Raises 42704 for an unknown type, 55000 where there is '
    'nothing to return to or another version is meant, 22023 without a reason or for a time before the last change';
-- What a look at a rollout sees: how its sessions did, beside those of the production version in the same steps.
--
-- The unit is the session in a step, in the arm of its first message there, with all its messages of that step (as assigned,
-- not as answered: an arm that depends on what happened meanwhile would be no random one). Each metric is a ratio of sums over
-- sessions; strata are the steps, as both arms share a step's days and mixing days of different steps would be Simpson's
-- paradox; sequential_comparison() does the rest.
--
-- Sessions that go on over several steps, with a session_id that lasts for weeks, say, are strata of their own: by the step
-- in which they were first seen. An application that keeps a session's first version deals the old ones by an earlier share
-- than the new ones, and who stays for long may be easier to please. And they make strata dependent. So each metric has a
-- design effect (Kish, Survey Sampling, 1965): the variance of the linearised, stratified difference with the whole session
-- as the cluster, over that with its steps taken as independent. It is 1 where sessions end within a step.

CREATE FUNCTION @extschema@.tw_rollout_messages(
    rollout_id bigint, at timestamptz,
    OUT step integer, OUT session_id text, OUT id bigint, OUT created_at timestamptz, OUT is_canary boolean, OUT latency_ms integer,
    OUT label_weight double precision, OUT is_right boolean, OUT is_success boolean, OUT is_own_answer boolean, OUT is_complaint boolean)
    RETURNS SETOF record
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    -- The audited messages alone have labels that do not depend on the model: see live_accuracy(). Step 0 is the day before.
    SELECT width_bucket(c.created_at, r.step_times), c.session_id, c.id, c.created_at, c.nlu_model_version = r.version, c.nlu_processing_time_ms,
           v.weight, v.is_right, c.response_success,
           CASE WHEN c.nlu_provider IS NOT NULL THEN NOT @extschema@.is_fallback_provider(c.nlu_provider, c.nlu_intent, c.nlu_module_type) END,
           lower(c.user_feedback COLLATE "C") = 'negative' IS TRUE OR c.user_correction IS NOT NULL
    FROM @extschema@.rollouts r
    -- It ends with the time of the look, and with sessions on both sides.
    CROSS JOIN LATERAL (SELECT least(r.promoted_at, r.ended_at, tw_rollout_messages.at) AS ended) span
    JOIN @extschema@.conversation_logs c ON c.created_at >= r.started_at - interval '1 day' AND c.created_at < span.ended
        -- The index knows days, of whatever time zone.
        AND c.created_on BETWEEN (r.started_at - interval '3 days')::date AND (span.ended + interval '2 days')::date
        AND c.nlu_model_version IN (r.version, r.previous_version)
    LEFT JOIN LATERAL (
        SELECT 1 / c.selection_probability AS weight, e.action = 'approve' OR e.action = 'fix' AND e.intent IS NOT DISTINCT FROM c.nlu_intent AS is_right,
               e.action = 'withdraw' OR e.reject_reason IS NOT DISTINCT FROM 'unclear' AS says_nothing
        FROM @extschema@.review_events e
        WHERE c.is_audit AND c.selection_probability > 1e-9
          AND e.conversation_log_id = c.id AND e.action IN ('approve', 'fix', 'reject', 'withdraw')
        ORDER BY e.id DESC LIMIT 1) v ON NOT v.says_nothing
    WHERE r.id = tw_rollout_messages.rollout_id;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_rollout_messages(bigint, timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_rollout_messages(bigint, timestamptz) IS
    'The messages of both versions since a rollout began, with what is known of each; as step 0 those of the day before';

CREATE FUNCTION @extschema@.tw_look_at_rollout(
    rollout_id bigint, at timestamptz,
    OUT step integer, OUT percentage integer, OUT canary_units bigint, OUT production_units bigint,
    OUT sample_ratio_evidence double precision, OUT sample_ratio_problem text, OUT metrics jsonb)
    -- Compiling the many expressions would take longer than running them.
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp SET jit = off
BEGIN ATOMIC
    WITH r AS (
        SELECT * FROM @extschema@.rollouts x WHERE x.id = tw_look_at_rollout.rollout_id
    ), steps AS MATERIALIZED (
        -- The last one has all sessions and nothing to compare them with.
        SELECT t.number::integer AS step, r.steps[t.number] AS percentage
        FROM r, unnest(r.step_times) WITH ORDINALITY AS t (began, number)
        WHERE r.steps[t.number] < 100
    ), messages AS MATERIALIZED (
        SELECT m.* FROM @extschema@.tw_rollout_messages(tw_look_at_rollout.rollout_id, tw_look_at_rollout.at) m
    ), units AS MATERIALIZED (
        SELECT m.step, m.session_id, (array_agg(m.is_canary ORDER BY m.created_at, m.id))[1] AS is_canary,
               row_number() OVER (PARTITION BY m.session_id ORDER BY m.step) = 1 AS is_new,
               min(m.step) OVER (PARTITION BY m.session_id) AS first_step,
               count(*) AS messages, count(*) FILTER (WHERE NOT m.is_complaint) AS content,
               coalesce(sum(m.label_weight), 0) AS labelled, coalesce(sum(m.label_weight) FILTER (WHERE m.is_right), 0) AS right_labels,
               count(m.is_success) AS answered, count(*) FILTER (WHERE m.is_success) AS succeeded,
               count(m.is_own_answer) AS predicted, count(*) FILTER (WHERE m.is_own_answer) AS own
        FROM messages m
        GROUP BY m.step, m.session_id
    ), metric (name, kind, number) AS (
        VALUES ('accuracy', 'guardrail', 1), ('failure rate', 'guardrail', 2), ('fallback rate', 'guardrail', 3), ('negative feedback', 'signal', 4)
    ), scored AS MATERIALIZED (
        -- n trials of a session, and y good ones.
        SELECT u.step, u.first_step, u.session_id, u.is_canary, s.name, s.n, s.y
        FROM units u
        CROSS JOIN LATERAL (VALUES ('accuracy', u.labelled, u.right_labels),
                                   ('failure rate', u.answered::double precision, u.succeeded::double precision),
                                   ('fallback rate', u.predicted::double precision, u.own::double precision),
                                   ('negative feedback', u.messages::double precision, u.content::double precision)) AS s (name, n, y)
        WHERE u.step > 0 AND s.n > 0
    ), cells AS MATERIALIZED (
        SELECT c.name, c.step, c.first_step, c.is_canary, count(*)::double precision AS units, sum(c.n) AS n, sum(c.y) AS y,
               sum(c.n * c.n) AS nn, sum(c.n * c.y) AS ny, sum(c.y * c.y) AS yy
        FROM scored c
        GROUP BY c.name, c.step, c.first_step, c.is_canary
    ), residuals AS (
        -- The difference by its terms: what each session adds to it, weighted as a step with equal variances in it would be.
        SELECT c.name, c.session_id,
               (CASE WHEN c.is_canary THEN 1 ELSE -1 END) * (c.y - a.y / a.n * c.n) / a.n * (a.units * b.units / (a.units + b.units)) AS z
        FROM scored c
        JOIN cells a ON a.name = c.name AND a.step = c.step AND a.first_step = c.first_step AND a.is_canary = c.is_canary
        JOIN cells b ON b.name = c.name AND b.step = c.step AND b.first_step = c.first_step AND b.is_canary <> c.is_canary
        -- Where nobody comes back there is nothing to correct.
        WHERE EXISTS (SELECT FROM units u WHERE u.step > 1 AND NOT u.is_new)
    ), effects AS (
        SELECT w.name, greatest(1, sum(w.whole * w.whole) / nullif(sum(w.parts), 0)) AS effect
        FROM (SELECT d.name, sum(d.z) AS whole, sum(d.z * d.z) AS parts FROM residuals d GROUP BY d.name, d.session_id) w
        GROUP BY w.name
    ), strata AS (
        SELECT m.name, m.kind, m.number, coalesce(e.effect, 1) AS effect,
               array_agg(coalesce(c.units, 0) ORDER BY s.step, f.first_step) AS cu, array_agg(coalesce(c.n, 0) ORDER BY s.step, f.first_step) AS cn,
               array_agg(coalesce(c.y, 0) ORDER BY s.step, f.first_step) AS cy, array_agg(coalesce(c.nn, 0) ORDER BY s.step, f.first_step) AS cnn,
               array_agg(coalesce(c.ny, 0) ORDER BY s.step, f.first_step) AS cny, array_agg(coalesce(c.yy, 0) ORDER BY s.step, f.first_step) AS cyy,
               array_agg(coalesce(p.units, 0) ORDER BY s.step, f.first_step) AS pu, array_agg(coalesce(p.n, 0) ORDER BY s.step, f.first_step) AS pn,
               array_agg(coalesce(p.y, 0) ORDER BY s.step, f.first_step) AS py, array_agg(coalesce(p.nn, 0) ORDER BY s.step, f.first_step) AS pnn,
               array_agg(coalesce(p.ny, 0) ORDER BY s.step, f.first_step) AS pny, array_agg(coalesce(p.yy, 0) ORDER BY s.step, f.first_step) AS pyy,
               coalesce(sum(c.units), 0)::bigint AS canary_units, coalesce(sum(p.units), 0)::bigint AS production_units
        FROM metric m
        CROSS JOIN steps s
        CROSS JOIN LATERAL generate_series(0, s.step) AS f (first_step)
        LEFT JOIN cells c ON c.name = m.name AND c.step = s.step AND c.first_step = f.first_step AND c.is_canary
        LEFT JOIN cells p ON p.name = m.name AND p.step = s.step AND p.first_step = f.first_step AND NOT p.is_canary
        LEFT JOIN effects e ON e.name = m.name
        GROUP BY m.name, m.kind, m.number, e.effect
    ), compared AS (
        -- The guardrails share alpha; a signal, which can only hold, has one of its own. Rates of bad things are shown as such.
        SELECT t.number, jsonb_build_object(
                   'metric', t.name, 'kind', t.kind, 'alpha', a.alpha, 'verdict', q.verdict,
                   'canary', round((CASE WHEN t.number = 1 THEN q.canary_rate ELSE 1 - q.canary_rate END)::numeric, 6),
                   'production', round((CASE WHEN t.number = 1 THEN q.production_rate ELSE 1 - q.production_rate END)::numeric, 6),
                   'difference', round(q.difference::numeric, 6), 'lower', round(q.lower::numeric, 6), 'upper', round(q.upper::numeric, 6),
                   'detectable_loss', round(q.detectable_loss::numeric, 6),
                   'canary_units', t.canary_units, 'production_units', t.production_units, 'design_effect', round(t.effect::numeric, 3)) AS figures
        FROM strata t
        CROSS JOIN r
        CROSS JOIN LATERAL (SELECT CASE t.kind WHEN 'guardrail' THEN r.alpha / 3 ELSE r.alpha END AS alpha) a
        CROSS JOIN LATERAL @extschema@.sequential_comparison(t.cu, t.cn, t.cy, t.cnn, t.cny, t.cyy, t.pu, t.pn, t.py, t.pnn, t.pny, t.pyy,
                                                             alpha => a.alpha, margin => r.margin, design_effect => t.effect) q
    ), latency AS (
        -- Within the step that is on, as days differ.
        SELECT percentile_cont(0.95) WITHIN GROUP (ORDER BY m.latency_ms) FILTER (WHERE m.is_canary) AS canary,
               percentile_cont(0.95) WITHIN GROUP (ORDER BY m.latency_ms) FILTER (WHERE NOT m.is_canary) AS production,
               count(m.latency_ms) FILTER (WHERE m.is_canary) AS canary_count, count(m.latency_ms) FILTER (WHERE NOT m.is_canary) AS production_count
        FROM messages m
        WHERE m.step = (SELECT max(s.step) FROM steps s)
    ), shares AS (
        -- A session is counted once, in the step and arm of its first message; one that was talking before the rollout, not at all.
        SELECT array_agg(coalesce(u.canary, 0) ORDER BY s.step) AS canary, array_agg(coalesce(u.production, 0) ORDER BY s.step) AS production,
               array_agg(s.percentage / 100.0::double precision ORDER BY s.step) AS share
        FROM steps s
        LEFT JOIN (SELECT x.step, count(*) FILTER (WHERE x.is_canary) AS canary, count(*) FILTER (WHERE NOT x.is_canary) AS production
                   FROM units x WHERE x.is_new GROUP BY x.step) u ON u.step = s.step
    )
    SELECT s.step, s.percentage,
           (SELECT count(*) FROM units u WHERE u.step = s.step AND u.is_canary),
           (SELECT count(*) FROM units u WHERE u.step = s.step AND NOT u.is_canary),
           q.evidence,
           CASE WHEN q.mismatch THEN format('%s %% of the new sessions were the canary''s, and it should be %s %%: somewhere between assign_model_version() '
               'and the INSERT sessions are lost or given the other version (evidence %s to 1)',
               round(100 * q.observed_share::numeric, 1), round(100 * q.expected_share::numeric, 1), round(least(q.evidence, 1e15)::numeric)) END,
           (SELECT jsonb_agg(c.figures ORDER BY c.number) FROM compared c)
               || jsonb_build_object('metric', 'latency p95', 'kind', 'signal', 'canary', round(l.canary::numeric, 1), 'production', round(l.production::numeric, 1),
                  'canary_units', l.canary_count, 'production_units', l.production_count,
                  'verdict', CASE WHEN least(l.canary_count, l.production_count) < 100 THEN 'too few'
                                  WHEN l.canary > greatest(l.production * @extschema@.training_setting('rollout_latency_ratio')::double precision,
                                                           l.production + 10) THEN 'worse'
                                  ELSE 'not worse' END)
    FROM (SELECT x.* FROM steps x ORDER BY x.step DESC LIMIT 1) s
    CROSS JOIN latency l
    CROSS JOIN shares h
    CROSS JOIN LATERAL @extschema@.sample_ratio_check(h.canary, h.production, h.share) q;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_look_at_rollout(bigint, timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_look_at_rollout(bigint, timestamptz) IS
    'The figures of a rollout as of a time: its sessions in the step that is on, evidence against the shares they should have, and each metric '
    'over all steps (see rollout_checks.metrics); no row where the first step had all sessions';
-- The figures of versions in production, kept in model_versions beside those of the gate.

CREATE FUNCTION @extschema@.tw_production_figures_wait(at timestamptz) RETURNS boolean
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT coalesce(bool_or(m.production_computed_at IS NULL
                            OR m.production_computed_at <= coalesce(tw_production_figures_wait.at, now()) - interval '1 hour'), false)
    FROM @extschema@.model_versions m WHERE m.status IN ('production', 'canary');
END;
REVOKE ALL ON FUNCTION @extschema@.tw_production_figures_wait(timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_production_figures_wait(timestamptz) IS 'Whether the figures of a live version are an hour old';

CREATE FUNCTION @extschema@.tw_production_figures(
    today date, OUT version text, OUT conversations bigint, OUT fallback_rate double precision, OUT p50_latency_ms double precision,
    OUT p95_latency_ms double precision, OUT accuracy double precision, OUT lower double precision, OUT upper double precision)
    RETURNS SETOF record
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp SET jit = off
BEGIN ATOMIC
    SELECT c.nlu_model_version, c.conversations, c.fallback_rate, c.p50, c.p95, a.accuracy, a.lower, a.upper
    FROM (SELECT l.nlu_model_version, count(*) AS conversations,
                 avg(CASE WHEN l.nlu_provider IS NOT NULL THEN
                     @extschema@.is_fallback_provider(l.nlu_provider, l.nlu_intent, l.nlu_module_type)::integer END)::double precision AS fallback_rate,
                 percentile_cont(0.5) WITHIN GROUP (ORDER BY l.nlu_processing_time_ms) AS p50,
                 percentile_cont(0.95) WITHIN GROUP (ORDER BY l.nlu_processing_time_ms) AS p95
          FROM @extschema@.conversation_logs l
          WHERE l.created_on BETWEEN today - 29 AND today AND l.nlu_model_version IS NOT NULL
          GROUP BY l.nlu_model_version) c
    LEFT JOIN @extschema@.live_accuracy(today - 29, today, '{model_version}') a ON a.model_version = c.nlu_model_version;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_production_figures(date) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_production_figures(date) IS 'What the 30 days up to today say of each version that conversations name';

CREATE FUNCTION @extschema@.tw_measure_production(at timestamptz) RETURNS integer
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    measured_at CONSTANT timestamptz := coalesce(at, now());
    -- First the reading, which takes a while, then the registry's lock.
    figures CONSTANT jsonb := (SELECT jsonb_agg(to_jsonb(f))
                               FROM @extschema@.tw_production_figures((measured_at AT TIME ZONE @extschema@.training_setting('time_zone'))::date) f);
    measured integer;
BEGIN
    PERFORM @extschema@.tw_lock_registry();
    UPDATE @extschema@.model_versions m
    SET production_accuracy = f.accuracy, production_accuracy_lower = f.lower, production_accuracy_upper = f.upper,
        production_conversations = f.conversations, fallback_rate = f.fallback_rate, p50_latency_ms = f.p50_latency_ms, p95_latency_ms = f.p95_latency_ms,
        production_computed_at = measured_at
    FROM jsonb_to_recordset(figures) AS f (version text, conversations bigint, fallback_rate double precision, p50_latency_ms double precision,
                                           p95_latency_ms double precision, accuracy double precision, lower double precision, upper double precision)
    WHERE m.version = f.version;
    GET DIAGNOSTICS measured = ROW_COUNT;
    -- A live version that nobody named has been looked at as well.
    UPDATE @extschema@.model_versions m SET production_computed_at = measured_at, production_conversations = coalesce(m.production_conversations, 0)
    WHERE m.status IN ('production', 'canary') AND m.production_computed_at IS DISTINCT FROM measured_at;
    RETURN measured;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_measure_production(timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_measure_production(timestamptz) IS
    'Measures every version that conversations of the last 30 days name, writes it into model_versions, and returns how many there are; versions without '
    'traffic in these days keep their last figures';
-- CALL check_rollouts(): looks at every rollout, and rolls back, holds or advances it; starts the rollouts that wait.

CREATE FUNCTION @extschema@.tw_loss_in_words(figures jsonb, beside text) RETURNS text
    LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
RETURN CASE WHEN figures ? 'upper'
    THEN format('%s %s against %s of %s: worse by at least %s points, whatever the number of looks (level %s)', figures ->> 'metric',
                round((figures ->> 'canary')::numeric, 4), round((figures ->> 'production')::numeric, 4), beside,
                round(-100 * (figures ->> 'upper')::numeric, 2), round((figures ->> 'alpha')::numeric, 4))
    ELSE format('%s %s ms against %s ms of %s', figures ->> 'metric', figures ->> 'canary', figures ->> 'production', beside) END;
REVOKE ALL ON FUNCTION @extschema@.tw_loss_in_words(jsonb, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_loss_in_words(jsonb, text) IS 'A metric that is worse, as a sentence for rollout_checks.reason';

-- The verdict of a look, from its figures alone. What a person has to know first comes first.
CREATE FUNCTION @extschema@.tw_rollout_verdict(
    rollout @extschema@.rollouts, canary_units bigint, production_units bigint, sample_ratio_problem text, metrics jsonb, at timestamptz,
    OUT verdict text, OUT reason text)
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    worse CONSTANT text := (SELECT string_agg(@extschema@.tw_loss_in_words(f, rollout.previous_version), '; ')
                            FROM jsonb_array_elements(metrics) f WHERE f ->> 'kind' = 'guardrail' AND f ->> 'verdict' = 'worse');
    step CONSTANT integer := cardinality(rollout.step_times);
    hours CONSTANT integer := @extschema@.training_setting('rollout_min_hours');
    units CONSTANT integer := @extschema@.training_setting('rollout_min_units');
    days CONSTANT integer := @extschema@.training_setting('rollback_watch');
    passed CONSTANT numeric := extract(epoch FROM at - rollout.step_times[step]) / 3600;
    is_proof_wanted CONSTANT boolean := @extschema@.training_setting('rollout_require_noninferiority') = 'on';
BEGIN
    IF worse IS NOT NULL THEN
        verdict := 'rollback';
        reason := worse;
        RETURN;
    END IF;
    IF rollout.status = 'watching' THEN
        verdict := CASE WHEN at >= rollout.promoted_at + make_interval(days => days) THEN 'advance' ELSE 'hold' END;
        reason := CASE verdict WHEN 'advance' THEN format('watched for %s days, and no loss was seen', days)
                               ELSE format('it has all sessions; watched until %s for what is still reviewed', rollout.promoted_at + make_interval(days => days)) END;
        RETURN;
    END IF;
    reason := concat_ws('; ', sample_ratio_problem,
        (SELECT string_agg(@extschema@.tw_loss_in_words(f, rollout.previous_version), '; ')
         FROM jsonb_array_elements(metrics) f WHERE f ->> 'kind' = 'signal' AND f ->> 'verdict' = 'worse'),
        -- That is a fault of ours, and no proof of anything.
        (SELECT 'no verdict about ' || string_agg(f ->> 'metric', ', ')
         FROM jsonb_array_elements(metrics) f WHERE f ->> 'kind' = 'guardrail' AND f ->> 'verdict' IS NULL HAVING count(*) > 0),
        -- A metric without any data in an arm is one that this application does not report.
        (SELECT 'not yet shown to lose less than ' || round(100 * rollout.margin::numeric, 2) || ' points: ' || string_agg(f ->> 'metric', ', ')
         FROM jsonb_array_elements(metrics) f
         WHERE is_proof_wanted AND f ->> 'kind' = 'guardrail' AND f ->> 'verdict' NOT IN ('non-inferior', 'better')
           AND (f ->> 'canary_units')::bigint > 0 AND (f ->> 'production_units')::bigint > 0
         HAVING count(*) > 0),
        CASE WHEN passed < hours THEN format('step %s has lasted %s of %s hours', step, trunc(passed, 1), hours) END,
        CASE WHEN least(canary_units, production_units) < units
             THEN format('step %s has had %s and %s of %s sessions of the two', step, canary_units, production_units, units) END);
    verdict := CASE reason WHEN '' THEN 'advance' ELSE 'hold' END;
    reason := coalesce(nullif(reason, ''), format('step %s of %s is done: %s hours, %s and %s sessions, and no loss was seen', step, cardinality(rollout.steps),
                                                  trunc(passed, 1), canary_units, production_units));
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_rollout_verdict(@extschema@.rollouts, bigint, bigint, text, jsonb, timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_rollout_verdict(@extschema@.rollouts, bigint, bigint, text, jsonb, timestamptz) IS
    'rollback where a guardrail is worse; hold while sessions are shared out wrongly, a signal is worse, or the step has not had its hours and '
    'sessions (and, where that is asked for, while a guardrail is not shown to be non-inferior); advance otherwise';

CREATE FUNCTION @extschema@.tw_act_on_rollout(r @extschema@.rollouts, check_id bigint, verdict text, why text, at timestamptz) RETURNS text
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    figures CONSTANT jsonb := (SELECT jsonb_build_object('check', c.id, 'metrics', c.metrics) FROM @extschema@.rollout_checks c WHERE c.id = check_id);
BEGIN
    IF verdict = 'rollback' THEN
        PERFORM @extschema@.tw_roll_back(r.model_type, why, figures, at, 'check_rollouts', r.version);
        RETURN 'rolled back';
    ELSIF verdict = 'advance' AND r.status = 'watching' THEN
        PERFORM @extschema@.tw_end_watch(r.model_type, why, at);
        RETURN 'finished';
    ELSIF verdict = 'advance' THEN
        PERFORM @extschema@.tw_advance_rollout(r.id, why, figures, at, 'check_rollouts');
        RETURN 'advanced';
    END IF;
    RETURN 'held';
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_act_on_rollout(@extschema@.rollouts, bigint, text, text, timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_act_on_rollout(@extschema@.rollouts, bigint, text, text, timestamptz) IS 'Does what a verdict says, and returns what was done';

CREATE FUNCTION @extschema@.tw_check_rollout(which bigint, at timestamptz) RETURNS text
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    r @extschema@.rollouts;
    is_same boolean;
    look record;
    verdict text;
    why text;
    looked_at timestamptz;
    check_id bigint;
BEGIN
    SELECT * INTO r FROM @extschema@.rollouts x WHERE x.id = which AND x.status IN ('running', 'watching');
    IF NOT FOUND THEN
        RETURN 'ended';
    END IF;
    looked_at := @extschema@.tw_change_time(at, greatest(r.step_times[cardinality(r.step_times)], r.promoted_at));
    -- Without a lock: it may take a while, and an operator must be able to roll back meanwhile.
    SELECT * INTO look FROM @extschema@.tw_look_at_rollout(which, looked_at);
    SELECT v.verdict, v.reason INTO verdict, why
    FROM @extschema@.tw_rollout_verdict(r, coalesce(look.canary_units, 0), coalesce(look.production_units, 0), look.sample_ratio_problem,
                                        coalesce(look.metrics, '[]'), looked_at) v;

    -- Only a mistyped time, or a clock that was ahead, can have led to this.
    IF at IS NULL AND r.status = 'running' AND looked_at > clock_timestamp() + interval '1 minute' AND verdict = 'hold' THEN
        why := format('it counts sessions from %s on, which is in the future: roll it back', looked_at);
    END IF;

    PERFORM @extschema@.tw_lock_registry();
    SELECT x.status = r.status AND x.step_times = r.step_times INTO is_same FROM @extschema@.rollouts x WHERE x.id = which FOR UPDATE;
    -- Somebody changed it during the look, which says nothing about what it is now.
    IF is_same IS NOT TRUE THEN
        RETURN 'ended';
    END IF;
    INSERT INTO @extschema@.rollout_checks (rollout_id, model_type, version, step, traffic_percentage, verdict, reason, canary_units, production_units,
                                            sample_ratio_evidence, metrics, checked_at)
    VALUES (which, r.model_type, r.version, cardinality(r.step_times), r.steps[cardinality(r.step_times)], verdict, why,
            coalesce(look.canary_units, 0), coalesce(look.production_units, 0), look.sample_ratio_evidence, coalesce(look.metrics, '[]'), looked_at)
    RETURNING id INTO check_id;
    -- What follows from it begins now, not when the look began: sessions were dealt by the old share while it took its time or waited.
    RETURN @extschema@.tw_act_on_rollout(r, check_id, verdict, why, coalesce(at, greatest(looked_at, clock_timestamp())));
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_check_rollout(bigint, timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_check_rollout(bigint, timestamptz) IS 'Looks at a rollout, writes the look down, does what it says, and returns what that was';

CREATE FUNCTION @extschema@.tw_note_failed_look(which bigint, message text, at timestamptz) RETURNS void
    LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    INSERT INTO @extschema@.rollout_checks (rollout_id, model_type, version, step, traffic_percentage, verdict, reason, canary_units, production_units,
                                            metrics, checked_at)
    SELECT r.id, r.model_type, r.version, cardinality(r.step_times), r.steps[cardinality(r.step_times)], 'hold',
           'the look failed, and nobody watches until that is mended: ' || message, 0, 0, '[]', coalesce(at, clock_timestamp())
    FROM @extschema@.rollouts r WHERE r.id = which AND r.status IN ('running', 'watching');
END;
REVOKE ALL ON FUNCTION @extschema@.tw_note_failed_look(bigint, text, timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_note_failed_look(bigint, text, timestamptz) IS 'Writes down a look that came to nothing, so that rollout_status says so; nothing where the task was no look (which is NULL)';

CREATE FUNCTION @extschema@.tw_waiting_rollout(type text) RETURNS text
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT m.version
    FROM @extschema@.model_versions m
    WHERE m.model_type = type AND m.status = 'candidate' AND m.gate_decision = 'passed'
      AND EXISTS (SELECT FROM @extschema@.model_versions p WHERE p.model_type = type AND p.status = 'production')
      AND NOT EXISTS (SELECT FROM @extschema@.rollouts r WHERE r.model_type = type AND r.status IN ('running', 'watching'))
      AND NOT EXISTS (SELECT FROM @extschema@.model_versions c WHERE c.model_type = type AND c.status = 'canary')
    ORDER BY m.created_at DESC, string_to_array(regexp_replace(m.version, '^.*-v', ''), '.')::numeric[] DESC
    LIMIT 1;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_waiting_rollout(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_waiting_rollout(text) IS 'The newest candidate of a type that passed the gate and may start while no other is rolled out or watched';

CREATE FUNCTION @extschema@.tw_start_waiting_rollout(type text, at timestamptz) RETURNS boolean
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    waiting text := @extschema@.tw_waiting_rollout(type);
    live text;
BEGIN
    IF waiting IS NULL OR @extschema@.training_setting('auto_deploy') <> 'on' OR NOT @extschema@.tw_is_stored(waiting) THEN
        RETURN false;
    END IF;
    SELECT m.version INTO live FROM @extschema@.model_versions m WHERE m.model_type = type AND m.status = 'production';
    -- What is live has changed since it passed: the gate has to look again. It fails, or is undecided, or passes against this one.
    IF live IS DISTINCT FROM (SELECT m.base_version FROM @extschema@.model_versions m WHERE m.version = waiting) THEN
        BEGIN
            IF (@extschema@.tw_run_gate(waiting)).decision <> 'passed' THEN
                RETURN false;
            END IF;
        EXCEPTION WHEN object_not_in_prerequisite_state THEN
            -- Somebody started or promoted it while it was scored.
            RETURN false;
        END;
    END IF;
    PERFORM @extschema@.tw_lock_registry();
    IF waiting IS DISTINCT FROM @extschema@.tw_waiting_rollout(type)
       OR live IS DISTINCT FROM (SELECT m.version FROM @extschema@.model_versions m WHERE m.model_type = type AND m.status = 'production') THEN
        RETURN false;
    END IF;
    PERFORM @extschema@.tw_start_rollout(waiting, NULL, at, 'check_rollouts');
    RETURN true;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_start_waiting_rollout(text, timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_start_waiting_rollout(text, timestamptz) IS
    'Starts the rollout of the candidate of a type that waits for it, while auto_deploy is on; returns whether it did';

CREATE FUNCTION @extschema@.tw_rollouts_begin(at timestamptz, OUT run_id bigint, OUT tasks jsonb)
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    run_id := @extschema@.tw_begin_job('check_rollouts');
    IF run_id IS NULL THEN
        RETURN;
    END IF;
    tasks := (SELECT jsonb_agg(t.task ORDER BY t.place, t.name)
              FROM (SELECT 1 AS place, lpad(r.id::text, 20) AS name, jsonb_build_object('check', r.id) AS task
                    FROM @extschema@.rollouts r WHERE r.status IN ('running', 'watching')
                    UNION ALL
                    SELECT 2, x.model_type, jsonb_build_object('start', x.model_type)
                    FROM (SELECT DISTINCT m.model_type FROM @extschema@.model_versions m WHERE m.status = 'candidate') x
                    UNION ALL
                    SELECT 3, '', '{"measure": true}'
                    WHERE @extschema@.tw_production_figures_wait(at)) t);
    UPDATE @extschema@.job_runs j SET items_done = 0, items_total = coalesce(jsonb_array_length(tasks), 0) WHERE j.id = run_id;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_rollouts_begin(timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_rollouts_begin(timestamptz) IS
    'Begins a run of check_rollouts() and says what there is to do; run_id is NULL where another session is at it, or on a restored copy';

CREATE FUNCTION @extschema@.tw_rollouts_step(run bigint, task jsonb, at timestamptz) RETURNS text
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    done text;
    code text;
    message text;
BEGIN
    PERFORM @extschema@.tw_require_run(run);
    BEGIN
        CASE
            WHEN task ? 'check' THEN
                done := @extschema@.tw_check_rollout((task ->> 'check')::bigint, at);
            WHEN task ? 'start' THEN
                done := CASE WHEN @extschema@.tw_start_waiting_rollout(task ->> 'start', at) THEN 'started' ELSE 'nothing to start' END;
            ELSE
                PERFORM @extschema@.tw_measure_production(at);
                done := 'measured';
        END CASE;
    EXCEPTION WHEN OTHERS THEN
        GET STACKED DIAGNOSTICS code = RETURNED_SQLSTATE, message = MESSAGE_TEXT;
    END;
    IF code IS NOT NULL THEN
        RAISE WARNING 'check_rollouts: % failed: %', task, message USING ERRCODE = code;
        PERFORM @extschema@.tw_fail_run(run, code, message);
        BEGIN
            PERFORM @extschema@.tw_note_failed_look((task ->> 'check')::bigint, message, at);
        EXCEPTION WHEN OTHERS THEN
            RAISE WARNING 'check_rollouts: that % failed could not be written down: %', task, SQLERRM;
        END;
        done := 'failed';
    END IF;
    PERFORM @extschema@.tw_note_run(run, done, jsonb_build_object(done, 1));
    RETURN done;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_rollouts_step(bigint, jsonb, timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_rollouts_step(bigint, jsonb, timestamptz) IS
    'One task of check_rollouts(), with its error written down instead of raised; returns what was done. Raises 55000 when it is not called by the run''s own session';

-- No SET and no SECURITY DEFINER: a procedure with either cannot COMMIT. So every name in it is qualified.
CREATE PROCEDURE @extschema@.check_rollouts(at timestamptz DEFAULT NULL)
    LANGUAGE plpgsql
AS $procedure$
DECLARE
    run bigint;
    tasks pg_catalog.jsonb;
    task pg_catalog.jsonb;
BEGIN
    IF pg_catalog.pg_is_in_recovery() THEN
        RETURN;
    END IF;
    SELECT b.run_id, b.tasks INTO run, tasks FROM @extschema@.tw_rollouts_begin(at) b;
    COMMIT;
    IF run IS NULL THEN
        RETURN;
    END IF;
    -- Not in a loop over a query: its cursor would end with the first COMMIT.
    WHILE pg_catalog.jsonb_array_length(tasks) OPERATOR(pg_catalog.>) 0 LOOP
        task := tasks OPERATOR(pg_catalog.->) 0;
        tasks := tasks OPERATOR(pg_catalog.-) 0;
        PERFORM @extschema@.tw_rollouts_step(run, task, at);
        COMMIT;
    END LOOP;
    PERFORM @extschema@.tw_end_run(run);
    COMMIT;
END
$procedure$;
REVOKE ALL ON PROCEDURE @extschema@.check_rollouts(timestamptz) FROM PUBLIC;
COMMENT ON PROCEDURE @extschema@.check_rollouts(timestamptz) IS
    'Looks at every rollout and writes the look into rollout_checks: rolls back what a guardrail shows to be worse, holds, or takes the next '
    'step; starts the rollout of the newest candidate that passed the gate, while auto_deploy is on and nothing else of its type is rolled out or '
    'watched; once an hour measures versions in production. For pg_cron, every 5 minutes. at is the time to count as now, for tests. Commits as '
    'it goes, so it cannot run inside a transaction; errors are recorded in job_runs and warned of. Does nothing on a standby or a restored copy';
-- training_export_jobs: what left the database, and where to.

CREATE TABLE @extschema@.training_export_jobs (
    id bigint GENERATED BY DEFAULT AS IDENTITY,
    format text NOT NULL,
    filter jsonb NOT NULL DEFAULT '{}',
    location text,
    status text NOT NULL DEFAULT 'running',
    row_count bigint,
    byte_count bigint,
    sha256 text,
    error text,
    requested_by text NOT NULL DEFAULT session_user,
    started_at timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz,
    backend_pid integer,
    backend_start timestamptz,
    CONSTRAINT training_export_jobs_pkey PRIMARY KEY (id),
    CONSTRAINT training_export_jobs_format_check CHECK (
        format IN ('jsonl', 'csv', 'fasttext', 'rasa', 'huggingface', 'openai', 'spacy')),
    CONSTRAINT training_export_jobs_status_check CHECK (status IN ('running', 'succeeded', 'failed')),
    CONSTRAINT training_export_jobs_finished_check CHECK ((status = 'running') = (finished_at IS NULL)),
    -- No row says done without saying what was done.
    CONSTRAINT training_export_jobs_done_check CHECK (status <> 'succeeded'
        OR row_count IS NOT NULL AND byte_count IS NOT NULL AND sha256 IS NOT NULL AND location IS NOT NULL AND finished_at IS NOT NULL)
);
REVOKE ALL ON TABLE @extschema@.training_export_jobs FROM PUBLIC;
SELECT pg_extension_config_dump('@extschema@.training_export_jobs', '');
SELECT pg_extension_config_dump('@extschema@.training_export_jobs_id_seq', '');

COMMENT ON TABLE @extschema@.training_export_jobs IS 'Exports of training samples to files and object stores: filter, size, checksum, where, who, when';
COMMENT ON SEQUENCE @extschema@.training_export_jobs_id_seq IS 'Numbers of training_export_jobs';
COMMENT ON COLUMN @extschema@.training_export_jobs.id IS 'Number of the export';
COMMENT ON COLUMN @extschema@.training_export_jobs.format IS 'jsonl, csv, fasttext, rasa, huggingface, openai or spacy';
COMMENT ON COLUMN @extschema@.training_export_jobs.filter IS 'What was asked for: the arguments of export_training_samples() and, for a file, overwrite';
COMMENT ON COLUMN @extschema@.training_export_jobs.location IS 'File or object that was written';
COMMENT ON COLUMN @extschema@.training_export_jobs.status IS 'running, succeeded or failed';
COMMENT ON COLUMN @extschema@.training_export_jobs.row_count IS 'Number of samples written';
COMMENT ON COLUMN @extschema@.training_export_jobs.byte_count IS 'Number of bytes written';
COMMENT ON COLUMN @extschema@.training_export_jobs.sha256 IS 'SHA-256 of the bytes, in hexadecimal';
COMMENT ON COLUMN @extschema@.training_export_jobs.error IS 'What went wrong';
COMMENT ON COLUMN @extschema@.training_export_jobs.requested_by IS 'The login role that asked for it';
COMMENT ON COLUMN @extschema@.training_export_jobs.started_at IS 'When it began';
COMMENT ON COLUMN @extschema@.training_export_jobs.finished_at IS 'When it ended';
COMMENT ON COLUMN @extschema@.training_export_jobs.backend_pid IS 'The process that runs it';
COMMENT ON COLUMN @extschema@.training_export_jobs.backend_start IS 'When that process began: numbers of processes come again';
-- export_training_samples(): training samples as lines of a format that a trainer loads.

-- What every export asks for; export_samples.c reads these arguments in this order.
CREATE FUNCTION @extschema@.tw_check_export(
    review_status text, languages text[], module_types text[], sources text[], since timestamptz, "limit" bigint, format text,
    include_split text) RETURNS void
    LANGUAGE c IMMUTABLE SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'tw_check_export';
REVOKE ALL ON FUNCTION @extschema@.tw_check_export(text, text[], text[], text[], timestamptz, bigint, text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_check_export(text, text[], text[], text[], timestamptz, bigint, text, text) IS
    'Refuses arguments that mean nothing to an export, with 22023';

CREATE FUNCTION @extschema@.tw_decide_export_sides() RETURNS void
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    -- Where nothing can be written (a standby), or the snapshot may be older than what others decided, the undecided stay out.
    IF current_setting('transaction_read_only') = 'off' AND current_setting('transaction_isolation') IN ('read committed', 'read uncommitted')
       AND EXISTS (SELECT FROM @extschema@.training_samples s WHERE s.split IS NULL AND s.review_status = 'approved') THEN
        PERFORM @extschema@.tw_decide_sides();
    END IF;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_decide_export_sides() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_decide_export_sides() IS
    'Decides about the sides of new texts, as a training run does, so that an export knows what it may give away. Does nothing in a '
    'transaction that can only read, or that looks at an older state of the data';

-- Without JIT: loading its compiler takes 60 MB, and there is nothing worth compiling.
CREATE FUNCTION @extschema@.export_training_samples(
    review_status text DEFAULT 'approved', languages text[] DEFAULT NULL, module_types text[] DEFAULT NULL, sources text[] DEFAULT NULL,
    since timestamptz DEFAULT NULL, "limit" bigint DEFAULT NULL, format text DEFAULT 'jsonl', include_split text DEFAULT 'train')
    RETURNS SETOF text
    LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER ROWS 100000 SET search_path = pg_catalog, pg_temp SET jit = off
    AS 'MODULE_PATHNAME', 'tw_export_training_samples';
REVOKE ALL ON FUNCTION @extschema@.export_training_samples(text, text[], text[], text[], timestamptz, bigint, text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.export_training_samples(text, text[], text[], text[], timestamptz, bigint, text, text) IS
    'Training samples as lines of jsonl (import_training_samples() reads it), csv, fasttext, rasa (NLU YAML), huggingface, openai or '
    'spacy, in the order of their ids (rasa: intents first). A NULL review_status, languages, module_types or sources asks for all; a '
    'NULL in languages or module_types for samples without one; since for what was made or reviewed from then on; limit for the first '
    'ones. include_split: train (default), test, or all. Sides of new texts are decided first, as by a training run; what waits for '
    'its audit is on no side. Texts and entities are redacted while the setting redact is on. Raises 22023 for arguments that mean nothing';

CREATE FUNCTION @extschema@.tw_export_temporary(
    review_status text, languages text[], module_types text[], sources text[], since timestamptz, "limit" bigint, format text,
    include_split text, OUT path text, OUT row_count bigint, OUT byte_count bigint, OUT sha256 text)
    LANGUAGE c VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp SET jit = off
    AS 'MODULE_PATHNAME', 'tw_export_temporary';
REVOKE ALL ON FUNCTION @extschema@.tw_export_temporary(text, text[], text[], text[], timestamptz, bigint, text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_export_temporary(text, text[], text[], text[], timestamptz, bigint, text, text) IS
    'tw_export_to_temporary() with the arguments of export_training_samples()';

CREATE FUNCTION @extschema@.tw_export_to_temporary(
    filter jsonb, format text, OUT path text, OUT row_count bigint, OUT byte_count bigint, OUT sha256 text)
    LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT t.path, t.row_count, t.byte_count, t.sha256
    FROM jsonb_to_record(filter) AS f (review_status text, languages text[], module_types text[], sources text[], since timestamptz,
                                       "limit" bigint, include_split text)
    CROSS JOIN LATERAL @extschema@.tw_export_temporary(f.review_status, f.languages, f.module_types, f.sources, f.since, f."limit",
                                                       tw_export_to_temporary.format, f.include_split) t;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_export_to_temporary(jsonb, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_export_to_temporary(jsonb, text) IS
    'Writes what tw_export_filter() describes to a temporary file that goes away with the transaction; path is relative to the data '
    'directory. Decides about no sides: tw_begin_export() did';

CREATE FUNCTION @extschema@.tw_export_filter(
    review_status text, languages text[], module_types text[], sources text[], since timestamptz, "limit" bigint, format text,
    include_split text) RETURNS jsonb
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    PERFORM @extschema@.tw_check_export(review_status, languages, module_types, sources, since, "limit", format, include_split);
    RETURN jsonb_build_object('review_status', review_status, 'languages', languages, 'module_types', module_types, 'sources', sources,
                              'since', since, 'limit', "limit", 'include_split', include_split);
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_export_filter(text, text[], text[], text[], timestamptz, bigint, text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_export_filter(text, text[], text[], text[], timestamptz, bigint, text, text) IS
    'The arguments of an export, checked, as training_export_jobs.filter keeps them; the format stands beside it';

-- An export that leaves the server is three transactions: begin, write, and the end, which is written with it. Others see the
-- row while it runs.
CREATE FUNCTION @extschema@.tw_begin_export(filter jsonb, format text, location text) RETURNS bigint
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    export_id bigint;
BEGIN
    IF pg_is_in_recovery() THEN
        RAISE EXCEPTION USING
            ERRCODE = 'read_only_sql_transaction',
            MESSAGE = 'a standby cannot record an export',
            HINT = 'Write what export_training_samples() returns to a file of your own, or export on the primary.';
    END IF;
    -- Whoever ran these is gone, or, if it was this session, has come to an end without saying so.
    UPDATE @extschema@.training_export_jobs j
    SET status = 'failed', finished_at = clock_timestamp(), error = 'the session that ran it ended or was cancelled; what it wrote may be there all the same'
    WHERE j.status = 'running' AND NOT EXISTS (
        SELECT FROM pg_stat_activity a
        WHERE a.pid = j.backend_pid AND a.pid <> pg_backend_pid() AND coalesce(a.backend_start = j.backend_start, true));
    IF filter ->> 'include_split' <> 'all' THEN
        PERFORM @extschema@.tw_decide_export_sides();
    END IF;
    INSERT INTO @extschema@.training_export_jobs AS j (format, filter, location, backend_pid, backend_start)
    SELECT tw_begin_export.format, tw_begin_export.filter, tw_begin_export.location, a.pid, a.backend_start
    FROM pg_stat_get_activity(pg_backend_pid()) a
    RETURNING j.id INTO STRICT export_id;
    RETURN export_id;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_begin_export(jsonb, text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_begin_export(jsonb, text, text) IS
    'First transaction of an export: marks exports whose sessions died as failed, decides about sides, and returns the id of a running row';

CREATE FUNCTION @extschema@.tw_require_export(export_id bigint, to_store boolean) RETURNS @extschema@.training_export_jobs
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    job @extschema@.training_export_jobs;
BEGIN
    SELECT * INTO job FROM @extschema@.training_export_jobs j
    WHERE j.id = export_id AND j.status = 'running' AND j.filter ? 'server' = to_store
      -- Begun and committed: what leaves the server stays written down, whatever becomes of this transaction.
      AND j.xmin IS DISTINCT FROM pg_current_xact_id_if_assigned()::xid
      AND (j.backend_pid, j.backend_start) = (SELECT a.pid, a.backend_start FROM pg_stat_get_activity(pg_backend_pid()) a);
    IF NOT FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('export %s is not a running export of this session', coalesce(export_id::text, 'NULL')),
            HINT = 'This is a step of an export: call the procedure, such as export_training_samples_to_file().';
    END IF;
    RETURN job;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_require_export(bigint, boolean) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_require_export(bigint, boolean) IS 'The row of an export, to an object store or not, that this session began and committed; raises 55000 for any other';

CREATE FUNCTION @extschema@.tw_end_export(export_id bigint, row_count bigint, byte_count bigint, sha256 text, error text DEFAULT NULL)
    RETURNS void
    LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    UPDATE @extschema@.training_export_jobs j
    SET status = CASE WHEN tw_end_export.error IS NULL THEN 'succeeded' ELSE 'failed' END, finished_at = clock_timestamp(),
        row_count = tw_end_export.row_count, byte_count = tw_end_export.byte_count, sha256 = tw_end_export.sha256, error = tw_end_export.error
    WHERE j.id = export_id AND j.status = 'running';
END;
REVOKE ALL ON FUNCTION @extschema@.tw_end_export(bigint, bigint, bigint, text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_end_export(bigint, bigint, bigint, text, text) IS
    'Ends an export: as failed where there is an error, else as succeeded, with what was written';
-- CALL export_training_samples_to_file(): an export into a file of the server, which is there as a whole or not at all.

CREATE FUNCTION @extschema@.tw_check_export_path(path text, overwrite boolean) RETURNS void
    LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'tw_check_export_path';
REVOKE ALL ON FUNCTION @extschema@.tw_check_export_path(text, boolean) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_check_export_path(text, boolean) IS
    'Refuses a file that no export may be written to: relative, with .., inside the data directory, there already, no regular file';

CREATE FUNCTION @extschema@.tw_export_file(
    review_status text, languages text[], module_types text[], sources text[], since timestamptz, "limit" bigint, format text,
    include_split text, path text, overwrite boolean, id bigint, OUT row_count bigint, OUT byte_count bigint, OUT sha256 text)
    LANGUAGE c VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp SET jit = off
    AS 'MODULE_PATHNAME', 'tw_export_file';
REVOKE ALL ON FUNCTION @extschema@.tw_export_file(text, text[], text[], text[], timestamptz, bigint, text, text, text, boolean, bigint) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_export_file(text, text[], text[], text[], timestamptz, bigint, text, text, text, boolean, bigint) IS
    'Writes an export to a temporary file beside its place, and moves it there when it is whole and safe on disk';

CREATE FUNCTION @extschema@.tw_require_file_access() RETURNS void
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF NOT pg_has_role(@extschema@.tw_outer_role_id(), 'pg_write_server_files', 'USAGE') THEN
        RAISE EXCEPTION USING
            ERRCODE = 'insufficient_privilege',
            MESSAGE = 'permission denied to write a file of the server',
            DETAIL = format('Role "%s" has not the privileges of pg_write_server_files.', @extschema@.tw_outer_role()),
            HINT = 'Write what export_training_samples() returns to a file of your own (psql -At -o file), or have the role granted.';
    END IF;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_require_file_access() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_require_file_access() IS 'Refuses, with 42501, callers who may not write files of the server';

CREATE FUNCTION @extschema@.tw_begin_file_export(path text, filter jsonb, format text, overwrite boolean) RETURNS bigint
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    PERFORM @extschema@.tw_require_file_access();
    IF path IS NULL OR overwrite IS NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'null_value_not_allowed',
            MESSAGE = format('%s must not be NULL', CASE WHEN path IS NULL THEN 'path' ELSE 'overwrite' END);
    END IF;
    PERFORM @extschema@.tw_check_export_path(path, overwrite);
    RETURN @extschema@.tw_begin_export(filter || jsonb_build_object('overwrite', overwrite), format, path);
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_begin_file_export(text, jsonb, text, boolean) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_begin_file_export(text, jsonb, text, boolean) IS
    'First transaction of export_training_samples_to_file(): refuses what cannot be done, else returns the id of a running row';

CREATE FUNCTION @extschema@.tw_run_file_export(export_id bigint, OUT error_code text, OUT error_message text, OUT error_hint text)
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    job @extschema@.training_export_jobs;
    written record;
BEGIN
    PERFORM @extschema@.tw_require_file_access();
    job := @extschema@.tw_require_export(export_id, false);
    BEGIN
        SELECT w.* INTO STRICT written
        FROM jsonb_to_record(job.filter) AS f (review_status text, languages text[], module_types text[], sources text[],
                                               since timestamptz, "limit" bigint, include_split text, overwrite boolean)
        CROSS JOIN LATERAL @extschema@.tw_export_file(f.review_status, f.languages, f.module_types, f.sources, f.since, f."limit",
                                                      job.format, f.include_split, job.location, f.overwrite, job.id) w;
    -- OTHERS are all but a cancel, of which the row shall tell as well.
    EXCEPTION WHEN OTHERS OR query_canceled THEN
        GET STACKED DIAGNOSTICS error_code = RETURNED_SQLSTATE, error_message = MESSAGE_TEXT, error_hint = PG_EXCEPTION_HINT;
        PERFORM @extschema@.tw_end_export(export_id, NULL, NULL, NULL, error_message);
        RETURN;
    END;
    PERFORM @extschema@.tw_end_export(export_id, written.row_count, written.byte_count, written.sha256);
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_run_file_export(bigint) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_run_file_export(bigint) IS
    'Second transaction of export_training_samples_to_file(): writes the file and ends the row; returns the error that it met, if any';

-- No SET and no SECURITY DEFINER: a procedure with either cannot COMMIT. So every name in it is qualified.
CREATE PROCEDURE @extschema@.export_training_samples_to_file(
    path text, review_status text DEFAULT 'approved', languages text[] DEFAULT NULL, module_types text[] DEFAULT NULL,
    sources text[] DEFAULT NULL, since timestamptz DEFAULT NULL, "limit" bigint DEFAULT NULL, format text DEFAULT 'jsonl',
    include_split text DEFAULT 'train', overwrite boolean DEFAULT false)
    LANGUAGE plpgsql
AS $procedure$
DECLARE
    export_id bigint;
    code text;
    message text;
    hint text;
BEGIN
    export_id := @extschema@.tw_begin_file_export(path,
        @extschema@.tw_export_filter(review_status, languages, module_types, sources, since, "limit", format, include_split),
        format, overwrite);
    COMMIT;
    SELECT r.error_code, r.error_message, r.error_hint INTO code, message, hint FROM @extschema@.tw_run_file_export(export_id) r;
    COMMIT;
    -- It is written down: an error now takes nothing back.
    IF code IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = code,
            MESSAGE = message,
            HINT = pg_catalog.concat_ws(' ', nullif(hint, ''), pg_catalog.format('This is export %s of training_export_jobs.', export_id));
    END IF;
END
$procedure$;
REVOKE ALL ON PROCEDURE @extschema@.export_training_samples_to_file(text, text, text[], text[], text[], timestamptz, bigint, text, text, boolean) FROM PUBLIC;
COMMENT ON PROCEDURE @extschema@.export_training_samples_to_file(text, text, text[], text[], text[], timestamptz, bigint, text, text, boolean) IS
    'Writes what export_training_samples() returns to a file of the server, as a whole or not at all, and records it in '
    'training_export_jobs, failures too. For operators with the privileges of pg_write_server_files (else 42501). path is absolute, without '
    '"..", outside the data directory, and names nothing that exists, or a file, with overwrite. Commits, so it cannot run inside a transaction';
-- Foreign servers: where Label Studio and S3 are, and the functions that talk to them. They live in a library of their own,
-- which loads libcurl.

CREATE FUNCTION @extschema@.tw_labelstudio_options(options text[], catalog oid) RETURNS void
    LANGUAGE c STRICT SET search_path = pg_catalog, pg_temp
    AS 'training_workflow_remote', 'tw_labelstudio_options';
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_options(text[], oid) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_options(text[], oid) IS
    'Refuses options that a server or a user mapping of training_workflow_labelstudio cannot have';

CREATE FUNCTION @extschema@.tw_s3_options(options text[], catalog oid) RETURNS void
    LANGUAGE c STRICT SET search_path = pg_catalog, pg_temp
    AS 'training_workflow_remote', 'tw_s3_options';
REVOKE ALL ON FUNCTION @extschema@.tw_s3_options(text[], oid) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_s3_options(text[], oid) IS
    'Refuses options that a server or a user mapping of training_workflow_s3 cannot have';

CREATE FOREIGN DATA WRAPPER training_workflow_labelstudio NO HANDLER VALIDATOR @extschema@.tw_labelstudio_options;
COMMENT ON FOREIGN DATA WRAPPER training_workflow_labelstudio IS
    'Label Studio installations. Server: url, ca_file, verify_tls, connect_timeout, timeout, import_timeout (seconds). '
    'User mapping of the extension''s owner or of PUBLIC: token or token_file';

CREATE FOREIGN DATA WRAPPER training_workflow_s3 NO HANDLER VALIDATOR @extschema@.tw_s3_options;
COMMENT ON FOREIGN DATA WRAPPER training_workflow_s3 IS
    'Object stores that speak S3. Server: endpoint, region, bucket, prefix, path_style, ca_file, verify_tls, connect_timeout, timeout '
    '(seconds). User mapping of the extension''s owner or of PUBLIC: access_key_id and secret_access_key, each or its _file';

CREATE FUNCTION @extschema@.tw_endpoint_servers(wrapper text) RETURNS text[]
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
RETURN ARRAY(SELECT s.srvname::text FROM pg_foreign_server s JOIN pg_foreign_data_wrapper w ON w.oid = s.srvfdw
             WHERE w.fdwname = wrapper ORDER BY s.srvname);
REVOKE ALL ON FUNCTION @extschema@.tw_endpoint_servers(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_endpoint_servers(text) IS 'The names of all servers of a wrapper';

CREATE FUNCTION @extschema@.tw_endpoint_server(wrapper text, server text, kind text, how_to_make_one text) RETURNS text
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    servers CONSTANT text[] := @extschema@.tw_endpoint_servers(wrapper);
BEGIN
    IF server IS NULL AND cardinality(servers) = 1 THEN
        RETURN servers[1];
    END IF;
    IF server IS NULL OR server <> ALL (servers) THEN
        RAISE EXCEPTION USING
            ERRCODE = CASE WHEN server IS NULL AND cardinality(servers) > 1 THEN 'ambiguous_parameter' ELSE 'undefined_object' END,
            MESSAGE = CASE WHEN server IS NOT NULL THEN format('there is no %s server "%s"', kind, server)
                           WHEN cardinality(servers) = 0 THEN format('there is no %s server', kind)
                           ELSE format('there is more than one %s server', kind) END,
            HINT = CASE WHEN cardinality(servers) = 0 THEN how_to_make_one
                        ELSE format('Name one of: %s.', array_to_string(servers, ', ')) END;
    END IF;
    RETURN server;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_endpoint_server(text, text, text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_endpoint_server(text, text, text, text) IS
    'The server of this name and wrapper, or the only one when it is NULL; 42704 where there is none, 42P08 where a name is needed';

-- Nobody but the owner calls these two: whoever could would act over there with the owner's token.
CREATE FUNCTION @extschema@.tw_labelstudio_request(server text, method text, path text, parameters text[] DEFAULT NULL,
    body text DEFAULT NULL, is_import boolean DEFAULT false, OUT status integer, OUT reply jsonb, OUT server_time timestamptz)
    LANGUAGE c VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
    AS 'training_workflow_remote', 'tw_labelstudio_request';
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_request(text, text, text, text[], text, boolean) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_request(text, text, text, text[], text, boolean) IS
    'One request to the Label Studio of a foreign server, with its token: path and parameters (names and values in turn) make the '
    'address, body is JSON. NULL as the reply: there was none, or none in JSON. server_time is the clock over there';

CREATE FUNCTION @extschema@.tw_labelstudio_token_kind(server text) RETURNS text
    LANGUAGE c STRICT VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
    AS 'training_workflow_remote', 'tw_labelstudio_token_kind';
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_token_kind(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_token_kind(text) IS
    'legacy token or personal access token: which of them the user mapping of that server holds';
-- Talking to Label Studio: errors that say what to do, and the two look-ups that everything rests on.

CREATE FUNCTION @extschema@.tw_labelstudio_refuse(server text, what text, status integer) RETURNS void
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    -- The answer's body is not quoted: it may repeat a message of a user.
    RAISE EXCEPTION USING
        ERRCODE = CASE WHEN status IN (401, 403) THEN 'invalid_authorization_specification'
                       WHEN status = 404 THEN 'undefined_object'
                       WHEN status >= 500 THEN 'connection_failure' ELSE 'protocol_violation' END,
        MESSAGE = format('Label Studio (server "%s") answered HTTP %s when asked to %s', server, status, what),
        HINT = CASE
            WHEN status = 401 AND @extschema@.tw_labelstudio_token_kind(server) = 'legacy token'
                THEN 'The token of the user mapping is wrong, or legacy tokens are disabled for the organization: use a personal access token.'
            WHEN status = 401 THEN 'The personal access token of the user mapping is wrong, revoked or expired: make a new one on the account page.'
            WHEN status = 403 THEN 'The token''s user may not do this: see the user''s role in Label Studio.'
            WHEN status = 404 THEN 'It is not there (any more), or belongs to another organization than the token''s user; is the server''s url that of Label Studio? '
                'A project that was deleted there: SELECT labelstudio_retire_project(...);'
            WHEN status >= 500 THEN 'See Label Studio''s own log. The next run tries again; nothing is lost.'
            ELSE 'Is the server''s url that of Label Studio, and its version one that is supported?' END;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_refuse(text, text, integer) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_refuse(text, text, integer) IS
    'Raises what an HTTP status means: 28000 for 401 and 403, 42704 for 404, 08006 for 5xx, 08P01 for any other';

CREATE FUNCTION @extschema@.tw_labelstudio_get(server text, path text, parameters text[], what text,
    OUT reply jsonb, OUT server_time timestamptz)
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    answer record;
BEGIN
    SELECT * INTO answer FROM @extschema@.tw_labelstudio_request(server, 'GET', path, parameters);
    IF answer.status NOT BETWEEN 200 AND 299 THEN
        PERFORM @extschema@.tw_labelstudio_refuse(server, what, answer.status);
    END IF;
    reply := answer.reply;
    server_time := answer.server_time;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_get(text, text, text[], text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_get(text, text, text[], text) IS
    'What Label Studio answers to a GET, and when by its clock; raises as tw_labelstudio_request() and tw_labelstudio_refuse() do';

CREATE FUNCTION @extschema@.tw_labelstudio_list(
    project @extschema@.labelstudio_projects, filters jsonb, ordering text, include text, fields text, page_size integer, what text,
    OUT tasks jsonb, OUT server_time timestamptz)
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    answer record;
BEGIN
    -- Always the first page of what a filter leaves: pages would shift under the hands of those who annotate.
    SELECT * INTO answer FROM @extschema@.tw_labelstudio_request(project.server_name, 'GET', '/api/tasks/', ARRAY[
        'project', project.project_id::text, 'page', '1', 'page_size', page_size::text, 'fields', fields, 'include', include,
        'resolve_uri', 'false',
        'query', jsonb_build_object('filters', jsonb_build_object('conjunction', 'and', 'items', filters),
                                    'ordering', jsonb_build_array('tasks:' || ordering))::text]);
    server_time := answer.server_time;
    -- Some versions say so of an empty list.
    IF answer.status = 404 AND answer.reply ->> 'detail' = 'Invalid page.' THEN
        tasks := '[]';
        RETURN;
    END IF;
    IF answer.status NOT BETWEEN 200 AND 299 THEN
        PERFORM @extschema@.tw_labelstudio_refuse(project.server_name, what, answer.status);
    END IF;
    tasks := answer.reply -> 'tasks';
    IF jsonb_typeof(tasks) IS DISTINCT FROM 'array' OR EXISTS (
        SELECT FROM jsonb_array_elements(tasks) AS t (task) WHERE jsonb_typeof(t.task -> 'id') IS DISTINCT FROM 'number')
    THEN
        RAISE EXCEPTION USING
            ERRCODE = 'protocol_violation',
            MESSAGE = format('Label Studio (server "%s") answered with no list of tasks when asked to %s', project.server_name, what),
            HINT = 'Is the server''s url that of Label Studio, and its version one that is supported?';
    END IF;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_list(@extschema@.labelstudio_projects, jsonb, text, text, text, integer, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_list(@extschema@.labelstudio_projects, jsonb, text, text, text, integer, text) IS
    'The first page_size tasks of a project that meet all filters, in the order of one column, with the fields named; 08P01 for an answer that is none';

CREATE FUNCTION @extschema@.tw_labelstudio_filter(name text, operator text, type text, value jsonb) RETURNS jsonb
    LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
RETURN jsonb_build_object('filter', 'filter:tasks:' || name, 'operator', operator, 'type', type, 'value', value);
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_filter(text, text, text, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_filter(text, text, text, jsonb) IS 'One filter on a column of tasks, as Label Studio''s Data Manager has it';

CREATE FUNCTION @extschema@.tw_labelstudio_is_task(server text, task bigint, external uuid, OUT is_there boolean, OUT is_worked_on boolean)
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    answer record;
BEGIN
    SELECT * INTO answer FROM @extschema@.tw_labelstudio_request(server, 'GET', format('/api/tasks/%s/', task), ARRAY['resolve_uri', 'false']);
    IF answer.status NOT BETWEEN 200 AND 299 AND answer.status <> 404 THEN
        PERFORM @extschema@.tw_labelstudio_refuse(server, 'look at a task', answer.status);
    END IF;
    -- A deleted task's number may be another task's by now.
    is_there := answer.status <> 404 AND coalesce(@extschema@.tw_labelstudio_external_id(answer.reply) = external, false);
    is_worked_on := is_there AND (coalesce(answer.reply ->> 'total_annotations', '0') <> '0' OR answer.reply -> 'draft_exists' = 'true'
                                  OR jsonb_path_exists(answer.reply, '$.drafts[*]'));
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_is_task(text, bigint, uuid) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_is_task(text, bigint, uuid) IS
    'Whether a task of this number is there and carries this external id, and whether it has annotations (skips are none) or drafts of them';

CREATE FUNCTION @extschema@.tw_labelstudio_import_timeout(server text) RETURNS double precision
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
RETURN coalesce((SELECT o.option_value::double precision FROM pg_foreign_server f, pg_options_to_table(f.srvoptions) o
                 WHERE f.srvname = server AND o.option_name = 'import_timeout'), 120);
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_import_timeout(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_import_timeout(text) IS 'For how many seconds an import of this server may go on';

CREATE FUNCTION @extschema@.tw_labelstudio_conversation(conversation @extschema@.conversation_logs) RETURNS text
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
-- With the time of capture: after a restore from an older dump, its number may be another conversation's.
RETURN format('%s@%s', conversation.id, extract(epoch FROM conversation.created_at));
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_conversation(@extschema@.conversation_logs) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_conversation(@extschema@.conversation_logs) IS
    'What a task carries to name its conversation, so that a database restored from before the push knows it again';

CREATE FUNCTION @extschema@.tw_labelstudio_external_id(task jsonb) RETURNS uuid
    LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
RETURN CASE WHEN task -> 'meta' ->> 'external_id' ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN (task -> 'meta' ->> 'external_id')::uuid END;
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_external_id(jsonb) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_external_id(jsonb) IS 'Our id that a task over there carries; NULL for a task that is not ours';

CREATE FUNCTION @extschema@.tw_labelstudio_marked(task jsonb) RETURNS bigint
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT c.id FROM @extschema@.conversation_logs c
    WHERE c.id = CASE WHEN task -> 'meta' ->> 'conversation' ~ '^-?[0-9]{1,18}@' THEN split_part(task -> 'meta' ->> 'conversation', '@', 1)::bigint END
      AND @extschema@.tw_labelstudio_conversation(c) = task -> 'meta' ->> 'conversation';
END;
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_marked(jsonb) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_marked(jsonb) IS 'The conversation that a task over there is about, by its number and time; NULL where this database has none such';
-- Entities as spans of text, and back: what Label Studio can show of nlu_entities, and what a person made of it.
-- Positions are code points from 0, the end excluded, there as here; redaction keeps their number.

CREATE FUNCTION @extschema@.tw_entity_spans(entities jsonb, text_length integer) RETURNS jsonb
    LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT coalesce(jsonb_agg(jsonb_build_array(s.first, s.past, s.label) ORDER BY s.first, s.past, s.label COLLATE "C"), '[]')
    FROM (SELECT DISTINCT n.first, n.past, l.label
          FROM jsonb_array_elements(CASE jsonb_typeof(entities) WHEN 'array' THEN entities ELSE '[]' END) AS e (entity)
          CROSS JOIN LATERAL (SELECT CASE WHEN e.entity ->> 'start' ~ '^[0-9]{1,9}$' THEN (e.entity ->> 'start')::integer END AS first,
                                     CASE WHEN e.entity ->> 'end' ~ '^[0-9]{1,9}$' THEN (e.entity ->> 'end')::integer END AS past) n
          CROSS JOIN LATERAL (SELECT nullif(coalesce(e.entity ->> 'label', e.entity ->> 'entity', e.entity ->> 'type'), '') AS label) l
          WHERE l.label IS NOT NULL AND n.first < n.past AND n.past <= text_length) s;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_entity_spans(jsonb, integer) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_entity_spans(jsonb, integer) IS
    'The entities that are spans of a text of so many code points, as [[start, end, label], ...]: objects of an array with whole '
    'numbers start < end and a label (or entity, or type). What is none is left out';

CREATE FUNCTION @extschema@.tw_entities_of_spans(spans jsonb, entities jsonb, message text) RETURNS jsonb
    LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH had AS (
        SELECT e.entity, e.n, @extschema@.tw_entity_spans(jsonb_build_array(e.entity), char_length(message)) -> 0 AS span
        FROM jsonb_array_elements(CASE jsonb_typeof(entities) WHEN 'array' THEN entities ELSE '[]' END) WITH ORDINALITY AS e (entity, n)
    ), wanted AS (
        SELECT w.span, coalesce(
                   -- What the model said of a span that stayed is kept with it.
                   (SELECT h.entity FROM had h WHERE h.span = w.span ORDER BY h.n LIMIT 1),
                   jsonb_build_object('start', w.span -> 0, 'end', w.span -> 1, 'label', w.span -> 2,
                                      'value', substr(message, (w.span ->> 0)::integer + 1, (w.span ->> 1)::integer - (w.span ->> 0)::integer))) AS entity
        FROM jsonb_array_elements(spans) AS w (span)
    )
    SELECT coalesce((SELECT jsonb_agg(w.entity ORDER BY (w.span ->> 0)::integer, (w.span ->> 1)::integer, (w.span ->> 2) COLLATE "C") FROM wanted w), '[]')
        -- Nobody was shown what is no span of the text.
        || coalesce((SELECT jsonb_agg(h.entity ORDER BY h.n) FROM had h WHERE h.span IS NULL), '[]');
END;
REVOKE ALL ON FUNCTION @extschema@.tw_entities_of_spans(jsonb, jsonb, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_entities_of_spans(jsonb, jsonb, text) IS
    'The entities of a message after a person marked these spans [[start, end, label], ...]: those that the model had found as they were, '
    'new ones as {start, end, label, value}';

CREATE FUNCTION @extschema@.tw_labelstudio_spans(result jsonb, text_length integer) RETURNS jsonb
    LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT @extschema@.tw_entity_spans(coalesce(jsonb_agg(jsonb_build_object(
               'start', r.item -> 'value' -> 'start', 'end', r.item -> 'value' -> 'end', 'label', l.label)), '[]'), text_length)
    FROM jsonb_array_elements(CASE jsonb_typeof(result) WHEN 'array' THEN result ELSE '[]' END) AS r (item)
    CROSS JOIN LATERAL jsonb_array_elements_text(CASE jsonb_typeof(r.item -> 'value' -> 'labels') WHEN 'array' THEN r.item -> 'value' -> 'labels' ELSE '[]' END) AS l (label)
    WHERE r.item ->> 'from_name' = 'entities';
END;
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_spans(jsonb, integer) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_spans(jsonb, integer) IS 'The spans that an annotation marks, as tw_entity_spans() has them';

CREATE FUNCTION @extschema@.tw_labelstudio_text(message text) RETURNS text
    LANGUAGE sql STABLE STRICT SET search_path = pg_catalog, pg_temp
-- A browser makes one line feed of carriage return and line feed; as many characters as before keep the spans in place.
RETURN replace(replace(@extschema@.tw_sample_text(message), E'\r\n', E' \n'), E'\r', E'\n');
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_text(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_text(text) IS
    'The message as Label Studio gets it: redacted while the setting redact is on, with plain line feeds, of the same length';
-- What Label Studio is told: the labelling interface of a project, and the tasks of a batch.

CREATE FUNCTION @extschema@.tw_labelstudio_config() RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
-- Intents and labels come with each task, so that a new one needs no change of the project.
RETURN '<View>
  <Style>.htx-text{ white-space: pre-wrap; }</Style>
  <Header value="$header"/>
  <Labels name="entities" toName="utterance" value="$entity_labels" showInline="true"/>
  <Text name="utterance" value="$text" granularity="symbol"/>
  <Header value="$context" size="5"/>
  <Choices name="verdict" toName="utterance" choice="single-radio" showInline="true" required="true" requiredMessage="Choose approve, fix or reject">
    <Choice value="approve" hotkey="a"/>
    <Choice value="fix" hotkey="f"/>
    <Choice value="reject" hotkey="r"/>
  </Choices>
  <Choices name="intent" toName="utterance" choice="single" layout="select" value="$intent_options" visibleWhen="choice-selected" whenTagName="verdict" whenChoiceValue="fix"/>
  <TextArea name="new_intent" toName="utterance" rows="1" maxSubmissions="1" editable="true" placeholder="Or the name of a new intent" visibleWhen="choice-selected" whenTagName="verdict" whenChoiceValue="fix"/>
  <Choices name="reject_reason" toName="utterance" choice="single-radio" showInline="true" visibleWhen="choice-selected" whenTagName="verdict" whenChoiceValue="reject">
    <Choice value="unclear" hotkey="u"/>
    <Choice value="no-such-intent" hotkey="n"/>
  </Choices>
  <TextArea name="note" toName="utterance" rows="2" maxSubmissions="1" editable="true" placeholder="Note (optional)"/>
</View>';
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_config() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_config() IS
    'The labelling interface: keys a, f and r approve, fix and reject; u and n say why it is rejected (unclear, when nothing is said)';

CREATE FUNCTION @extschema@.tw_labelstudio_prediction(conversation @extschema@.conversation_logs, spans jsonb) RETURNS jsonb
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
RETURN jsonb_build_object(
    -- The same for all models: Label Studio shows only predictions of the version that a project saw first.
    'model_version', 'training_workflow',
    -- Least confident first: whatever is no valid confidence deserves a look before all others.
    'score', CASE WHEN conversation.nlu_confidence BETWEEN 0 AND 1 THEN conversation.nlu_confidence ELSE 0 END,
    'result',
    CASE WHEN @extschema@.tw_is_blank(conversation.nlu_intent) THEN '[]' ELSE jsonb_build_array(jsonb_build_object(
        'id', 'intent', 'from_name', 'intent', 'to_name', 'utterance', 'type', 'choices',
        'value', jsonb_build_object('choices', jsonb_build_array(conversation.nlu_intent)))) END
    || coalesce((SELECT jsonb_agg(jsonb_build_object(
            'id', 'entity' || s.n, 'from_name', 'entities', 'to_name', 'utterance', 'type', 'labels',
            'value', jsonb_build_object('start', s.span -> 0, 'end', s.span -> 1, 'labels', jsonb_build_array(s.span -> 2))) ORDER BY s.n)
        FROM jsonb_array_elements(spans) WITH ORDINALITY AS s (span, n)), '[]'));
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_prediction(@extschema@.conversation_logs, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_prediction(@extschema@.conversation_logs, jsonb) IS
    'What the model said of a conversation, as a prediction of Label Studio: the intent, the entities as spans, the confidence as score';

CREATE FUNCTION @extschema@.tw_labelstudio_context(conversation @extschema@.conversation_logs) RETURNS text
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
RETURN concat_ws(E'\n',
    'The user''s correction: ' || CASE WHEN NOT @extschema@.tw_is_blank(conversation.user_correction) THEN @extschema@.tw_labelstudio_text(conversation.user_correction) END,
    'The chatbot replied: ' || CASE WHEN NOT @extschema@.tw_is_blank(conversation.response_text) THEN left(@extschema@.tw_labelstudio_text(conversation.response_text), 1000) END);
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_context(@extschema@.conversation_logs) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_context(@extschema@.conversation_logs) IS
    'What helps a person to judge, beside the message: the user''s correction and the chatbot''s reply, redacted as the message is';

CREATE FUNCTION @extschema@.tw_labelstudio_payload(batch uuid) RETURNS jsonb
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH intents AS MATERIALIZED (
        SELECT DISTINCT s.intent FROM @extschema@.training_samples s WHERE s.review_status = 'approved'
    ), recent AS MATERIALIZED (
        SELECT s.entities FROM @extschema@.training_samples s
        WHERE jsonb_typeof(s.entities) = 'array' AND s.entities <> '[]' ORDER BY s.id DESC LIMIT 2000
    ), labels AS MATERIALIZED (
        SELECT DISTINCT p.span ->> 2 AS label
        FROM recent r, jsonb_array_elements(@extschema@.tw_entity_spans(r.entities, 1000000000)) AS p (span)
    )
    SELECT jsonb_agg(jsonb_build_object(
        'data', jsonb_build_object(
            'text', @extschema@.tw_labelstudio_text(c.user_message),
            'header', concat_ws(': ', CASE WHEN @extschema@.tw_is_blank(c.nlu_intent) THEN 'no answer'
                ELSE format('%s (%s)', c.nlu_intent, coalesce(round(c.nlu_confidence::numeric, 3)::text, 'no confidence')) END, c.review_reason),
            'context', @extschema@.tw_labelstudio_context(c),
            'intent_options', coalesce((
                -- The model's answer first, then those of its module.
                SELECT jsonb_agg(jsonb_build_object('value', i.intent) ORDER BY i.intent = c.nlu_intent DESC,
                                 @extschema@.intent_module_type(i.intent) IS NOT DISTINCT FROM m.module_type DESC, i.intent COLLATE "C")
                FROM (SELECT n.intent FROM intents n
                      UNION SELECT c.nlu_intent WHERE NOT @extschema@.tw_is_blank(c.nlu_intent)) i), '[]'),
            'entity_labels', coalesce((
                SELECT jsonb_agg(jsonb_build_object('value', l.label) ORDER BY l.label COLLATE "C")
                FROM (SELECT n.label FROM labels n
                      UNION SELECT unnest(p.entity_labels)
                      UNION SELECT s.span ->> 2 FROM jsonb_array_elements(t.spans) AS s (span)) l), '[]'),
            'external_id', t.external_id, 'batch_id', t.batch_id,
            'priority', c.review_priority::text, 'reason', c.review_reason, 'module', m.module_type, 'language', c.message_language),
        'meta', jsonb_build_object('external_id', t.external_id, 'conversation', @extschema@.tw_labelstudio_conversation(c)),
        'predictions', jsonb_build_array(@extschema@.tw_labelstudio_prediction(c, t.spans))) ORDER BY t.id)
    FROM @extschema@.labelstudio_tasks t
    JOIN @extschema@.labelstudio_projects p ON p.id = t.project
    JOIN @extschema@.conversation_logs c ON c.id = t.conversation_log_id
    CROSS JOIN LATERAL (SELECT coalesce(nullif(c.nlu_module_type, ''), @extschema@.intent_module_type(c.nlu_intent)) AS module_type) m
    WHERE t.batch_id = batch AND t.status = 'claimed';
END;
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_payload(uuid) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_payload(uuid) IS
    'The tasks of a batch as Label Studio imports them, in the order in which they should be served; NULL where none is left';
-- Pushing: claim a batch, commit, import it, look it up, record it, commit. Whatever happens in between, the next run looks
-- up what Label Studio has of the batch before it sends anything again.

-- The rows are locked by now: this looks with a snapshot of its own whether somebody took them just before.
CREATE FUNCTION @extschema@.tw_labelstudio_hold(ids bigint[], project bigint, run bigint, batch uuid) RETURNS bigint
    LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH held AS (
        INSERT INTO @extschema@.labelstudio_tasks (project, conversation_log_id, batch_id, run_id, spans)
        SELECT tw_labelstudio_hold.project, c.id, batch, run,
               @extschema@.tw_entity_spans(@extschema@.tw_sample_entities(c.nlu_entities), char_length(c.user_message))
        FROM unnest(ids) WITH ORDINALITY AS i (id, n)
        JOIN @extschema@.conversation_logs c ON c.id = i.id
        WHERE NOT EXISTS (SELECT FROM @extschema@.review_claims k WHERE k.conversation_log_id = c.id AND k.expires_at > clock_timestamp())
        ORDER BY i.n
        ON CONFLICT DO NOTHING
        RETURNING id
    )
    SELECT count(*) FROM held;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_hold(bigint[], bigint, bigint, uuid) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_hold(bigint[], bigint, bigint, uuid) IS
    'Writes the outbox rows of conversations that are locked, in this order, except those that somebody took meanwhile; returns how many';

CREATE FUNCTION @extschema@.tw_labelstudio_claim(project @extschema@.labelstudio_projects, run bigint, most integer, audited boolean, batch uuid) RETURNS bigint
    LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH own_modules AS MATERIALIZED (
        SELECT o.module_type FROM @extschema@.labelstudio_projects o WHERE o.is_active AND o.module_type IS NOT NULL
    ), next AS (
        SELECT c.id
        FROM @extschema@.conversation_logs c
        CROSS JOIN LATERAL (SELECT coalesce(nullif(c.nlu_module_type, ''), @extschema@.intent_module_type(c.nlu_intent)) AS module_type) m
        WHERE c.review_priority IS NOT NULL AND (c.is_audit IS TRUE) = audited
          -- Nothing else can become a sample, whatever an import says of it; and nobody reads a book in a text field.
          AND lower(c.message_type COLLATE "C") = 'text' AND NOT @extschema@.tw_is_blank(c.user_message)
          AND octet_length(c.user_message) <= 65536
          AND ((project).module_type = m.module_type
               OR (project).module_type IS NULL AND (m.module_type IS NULL OR m.module_type NOT IN (SELECT o.module_type FROM own_modules o)))
          AND NOT EXISTS (SELECT FROM @extschema@.review_claims k
                          WHERE k.conversation_log_id = c.id AND k.expires_at > clock_timestamp())
          AND NOT EXISTS (SELECT FROM @extschema@.labelstudio_tasks t
                          WHERE t.conversation_log_id = c.id AND t.status IN ('claimed', 'open', 'skipped', 'refused'))
        -- Audited rows as they came, or what is done of the audit would be no random sample; the rest as training_queue has it.
        ORDER BY CASE WHEN NOT audited THEN c.review_priority END, CASE WHEN NOT audited THEN c.nlu_confidence END NULLS FIRST,
                 c.created_at, c.id
        LIMIT most
        FOR UPDATE OF c SKIP LOCKED
    )
    SELECT @extschema@.tw_labelstudio_hold(array_agg(n.id), (project).id, run, batch) FROM next n;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_claim(@extschema@.labelstudio_projects, bigint, integer, boolean, uuid) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_claim(@extschema@.labelstudio_projects, bigint, integer, boolean, uuid) IS
    'Claims at most so many audited, or other, conversations for a batch: those that wait, belong to the project, and neither are '
    'claimed in SQL nor were handed over already; returns how many';

CREATE FUNCTION @extschema@.tw_labelstudio_claim_batch(project @extschema@.labelstudio_projects, run bigint) RETURNS bigint
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    batch CONSTANT uuid := gen_random_uuid();
    room integer;
    taken bigint;
BEGIN
    -- Locked until the claim is committed: a project that is retired meanwhile gets nothing any more.
    SELECT least(100, p.max_open_tasks - (
        SELECT count(*) FROM @extschema@.labelstudio_tasks t WHERE t.project = p.id AND t.status IN ('claimed', 'open', 'skipped'))) INTO room
    FROM @extschema@.labelstudio_projects p WHERE p.id = project.id AND p.is_active FOR SHARE;
    IF coalesce(room, 0) <= 0 THEN
        RETURN 0;
    END IF;
    -- Half of every batch at most; where nothing else waits, the audit gets the rest.
    taken := @extschema@.tw_labelstudio_claim(project, run, floor(room / 2.0 + random())::integer, true, batch);
    taken := taken + @extschema@.tw_labelstudio_claim(project, run, room - taken::integer, false, batch);
    RETURN taken + @extschema@.tw_labelstudio_claim(project, run, room - taken::integer, true, batch);
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_claim_batch(@extschema@.labelstudio_projects, bigint) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_claim_batch(@extschema@.labelstudio_projects, bigint) IS
    'Claims the next batch of a project: audited rows for up to half of it, as they came, then by priority, within max_open_tasks; returns how many';

CREATE FUNCTION @extschema@.tw_labelstudio_record_batch(project @extschema@.labelstudio_projects, batch uuid) RETURNS bigint
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    list jsonb;
    recorded bigint;
BEGIN
    SELECT l.tasks INTO list FROM @extschema@.tw_labelstudio_list(project,
        jsonb_build_array(@extschema@.tw_labelstudio_filter('data.batch_id', 'equal', 'String', to_jsonb(batch))),
        'id', 'id,meta', 'task_only', 1000, 'look up a batch') l;
    -- Should it be there twice, the first one counts; the sweep takes the other away.
    UPDATE @extschema@.labelstudio_tasks t
    SET status = 'open', task_id = f.task_id, pushed_at = clock_timestamp()
    FROM (SELECT min((l.task ->> 'id')::bigint) AS task_id, @extschema@.tw_labelstudio_external_id(l.task) AS external_id
          FROM jsonb_array_elements(list) AS l (task) GROUP BY 2) f
    WHERE t.batch_id = batch AND t.status = 'claimed' AND t.external_id = f.external_id;
    GET DIAGNOSTICS recorded = ROW_COUNT;
    RETURN recorded;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_record_batch(@extschema@.labelstudio_projects, uuid) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_record_batch(@extschema@.labelstudio_projects, uuid) IS
    'Looks up which tasks of a batch Label Studio has, records their numbers, and returns how many';

CREATE FUNCTION @extschema@.tw_labelstudio_settle(project @extschema@.labelstudio_projects, run bigint) RETURNS jsonb
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    patience CONSTANT interval := make_interval(secs => @extschema@.tw_labelstudio_import_timeout(project.server_name));
    batch record;
    recorded bigint := 0;
    released bigint := 0;
    waiting bigint := 0;
    found bigint;
BEGIN
    -- What Label Studio refused may be tried again after a day; what was judged meanwhile need not be.
    UPDATE @extschema@.labelstudio_tasks t SET status = 'closed', finished_at = clock_timestamp()
    WHERE t.project = tw_labelstudio_settle.project.id AND t.status = 'refused'
      AND (t.finished_at < clock_timestamp() - interval '1 day' OR NOT EXISTS (
          SELECT FROM @extschema@.conversation_logs c WHERE c.id = t.conversation_log_id AND c.review_priority IS NOT NULL));
    UPDATE @extschema@.labelstudio_tasks t SET status = 'superseded', finished_at = clock_timestamp()
    WHERE t.project = tw_labelstudio_settle.project.id AND t.status = 'unusable'
      AND NOT EXISTS (SELECT FROM @extschema@.conversation_logs c WHERE c.id = t.conversation_log_id AND c.review_priority IS NOT NULL);
    FOR batch IN
        SELECT t.batch_id, max(t.claimed_at) AS claimed_at, count(*) AS size FROM @extschema@.labelstudio_tasks t
        WHERE t.project = tw_labelstudio_settle.project.id AND t.status = 'claimed' AND t.run_id IS DISTINCT FROM run
        GROUP BY t.batch_id ORDER BY 2
    LOOP
        found := @extschema@.tw_labelstudio_record_batch(project, batch.batch_id);
        recorded := recorded + found;
        IF found > 0 OR batch.claimed_at + patience < clock_timestamp() THEN
            -- An import is done as a whole or not at all: what is not there by now was not imported.
            DELETE FROM @extschema@.labelstudio_tasks t WHERE t.batch_id = batch.batch_id AND t.status = 'claimed';
            released := released + batch.size - found;
        ELSE
            -- Label Studio may still be at it, with nobody waiting for its answer.
            waiting := waiting + batch.size;
        END IF;
    END LOOP;
    RETURN jsonb_build_object('recorded late', recorded, 'released', released, 'uncertain', waiting);
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_settle(@extschema@.labelstudio_projects, bigint) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_settle(@extschema@.labelstudio_projects, bigint) IS
    'Finds out what became of batches that earlier runs did not see the end of: recorded where Label Studio has them, claimable again '
    'where it does not and had import_timeout to finish. Returns counts';

CREATE FUNCTION @extschema@.tw_labelstudio_refused(project @extschema@.labelstudio_projects, batch uuid, reply jsonb) RETURNS jsonb
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    -- One entry for each task, in order: an empty object for a good one. What it says is not kept: it quotes the task.
    entries jsonb := CASE jsonb_typeof(reply -> 'validation_errors' -> 'non_field_errors')
                     WHEN 'array' THEN reply -> 'validation_errors' -> 'non_field_errors' ELSE '[]' END;
    size bigint := (SELECT count(*) FROM @extschema@.labelstudio_tasks t WHERE t.batch_id = batch AND t.status = 'claimed');
    named bigint := (SELECT count(*) FROM jsonb_array_elements(entries) AS e (entry) WHERE jsonb_typeof(e.entry) = 'string');
    accepted_at timestamptz := coalesce((SELECT max(t.pushed_at) FROM @extschema@.labelstudio_tasks t
                                         WHERE t.project = tw_labelstudio_refused.project.id), '-infinity');
    refused bigint := 0;
    released bigint := 0;
BEGIN
    IF size = 1 OR named > 0 AND named < size THEN
        UPDATE @extschema@.labelstudio_tasks t
        SET status = 'refused', finished_at = clock_timestamp(), error_code = '22023', error_message = 'Label Studio refused the task'
        FROM (SELECT c.id, row_number() OVER (ORDER BY c.id) AS n
              FROM @extschema@.labelstudio_tasks c WHERE c.batch_id = batch AND c.status = 'claimed') o
        WHERE t.id = o.id AND (size = 1 OR jsonb_typeof(entries -> (o.n - 1)::integer) = 'string');
        GET DIAGNOSTICS refused = ROW_COUNT;
    END IF;
    -- Several in a row, each on its own, cannot all be odd: it is the project that has changed, and they shall go there when it
    -- is right again.
    IF size = 1 AND (SELECT count(*) FROM @extschema@.labelstudio_tasks t
                     WHERE t.project = tw_labelstudio_refused.project.id AND t.status = 'refused' AND t.finished_at > accepted_at) > 3 THEN
        DELETE FROM @extschema@.labelstudio_tasks t
        WHERE t.project = tw_labelstudio_refused.project.id AND t.status = 'refused' AND t.finished_at > accepted_at;
        RETURN jsonb_build_object('error_code', '22023', 'error_message',
            format('Label Studio (server "%s") refuses the tasks of project %s: was its labelling interface changed?', project.server_name, project.project_id));
    END IF;
    IF refused = 0 THEN
        -- It does not say which, or all, by something that need not be theirs: half of them go on alone, the rest is claimed again later.
        DELETE FROM @extschema@.labelstudio_tasks t
        USING (SELECT c.id, row_number() OVER (ORDER BY c.id) AS n
               FROM @extschema@.labelstudio_tasks c WHERE c.batch_id = batch AND c.status = 'claimed') o
        WHERE t.id = o.id AND o.n > size / 2;
        GET DIAGNOSTICS released = ROW_COUNT;
    END IF;
    RETURN jsonb_build_object('refused', refused, 'released', released);
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_refused(@extschema@.labelstudio_projects, uuid, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_refused(@extschema@.labelstudio_projects, uuid, jsonb) IS
    'After HTTP 400 or 413: marks the tasks that Label Studio refused, or halves the batch where it does not name them; the rest stays '
    'claimed, to be sent again. Where it refuses one after the other, that is an error, and nothing more is sent';

CREATE FUNCTION @extschema@.tw_labelstudio_import(project @extschema@.labelstudio_projects, batch uuid) RETURNS jsonb
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    payload jsonb;
    answered integer := 0;
    answer jsonb;
    recorded bigint;
    code text;
    message text;
BEGIN
    -- Somebody may have judged or deleted them since they were claimed.
    UPDATE @extschema@.labelstudio_tasks t SET status = 'closed', finished_at = clock_timestamp()
    WHERE t.batch_id = batch AND t.status = 'claimed'
      AND NOT EXISTS (SELECT FROM @extschema@.conversation_logs c WHERE c.id = t.conversation_log_id AND c.review_priority IS NOT NULL);
    payload := @extschema@.tw_labelstudio_payload(batch);
    IF payload IS NULL THEN
        RETURN '{}';
    END IF;
    BEGIN
        SELECT r.status, r.reply INTO answered, answer FROM @extschema@.tw_labelstudio_request(project.server_name, 'POST',
            format('/api/projects/%s/import', project.project_id), ARRAY['return_task_ids', 'true', 'commit_to_project', 'true'],
            payload::text, true) r;
        IF answered NOT BETWEEN 200 AND 299 AND answered NOT IN (400, 413) THEN
            PERFORM @extschema@.tw_labelstudio_refuse(project.server_name, 'import tasks', answered);
        END IF;
    EXCEPTION WHEN OTHERS THEN
        GET STACKED DIAGNOSTICS code = RETURNED_SQLSTATE, message = MESSAGE_TEXT;
        -- Refused (408 may come after the deed), or never sent: then nothing of it is there, and nobody has to look.
        IF answered BETWEEN 400 AND 499 AND answered <> 408
           OR answered = 0 AND (code = '08001' OR left(code, 2) IN ('22', '28', '42')) THEN
            DELETE FROM @extschema@.labelstudio_tasks t WHERE t.batch_id = batch AND t.status = 'claimed';
            RETURN jsonb_build_object('error_code', code, 'error_message', message);
        END IF;
        RAISE;
    END;
    IF answered IN (400, 413) THEN
        RETURN @extschema@.tw_labelstudio_refused(project, batch, answer);
    END IF;
    -- The numbers that it answered with are not relied on: what carries our ids is ours.
    recorded := @extschema@.tw_labelstudio_record_batch(project, batch);
    -- Of those that were claimed when it was sent; labelstudio_retire_project() may have closed some since.
    IF EXISTS (SELECT FROM @extschema@.labelstudio_tasks t WHERE t.batch_id = batch AND t.status = 'claimed') THEN
        RETURN jsonb_build_object('pushed', recorded, 'error_code', '08P01', 'error_message',
            format('Label Studio (server "%s") has %s of %s tasks that it said it imported', project.server_name, recorded, jsonb_array_length(payload)));
    END IF;
    RETURN jsonb_build_object('pushed', recorded);
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_import(@extschema@.labelstudio_projects, uuid) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_import(@extschema@.labelstudio_projects, uuid) IS
    'Imports a batch that this run claimed and that nobody has sent yet, looks it up and records it; returns counts, with error_code and '
    'error_message where it was not imported. Any other error leaves it claimed: Label Studio may have it';
-- What an annotation says, and what becomes of it here.

CREATE FUNCTION @extschema@.tw_labelstudio_answers(result jsonb, name text) RETURNS text[]
    LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT array_agg(btrim(v.answer, E' \t\n\r\f\v') ORDER BY r.n, v.n) FILTER (WHERE NOT @extschema@.tw_is_blank(v.answer))
    FROM jsonb_array_elements(CASE jsonb_typeof(result) WHEN 'array' THEN result ELSE '[]' END) WITH ORDINALITY AS r (item, n)
    CROSS JOIN LATERAL (SELECT coalesce(r.item -> 'value' -> 'choices', r.item -> 'value' -> 'text') AS value) g
    CROSS JOIN LATERAL jsonb_array_elements_text(CASE jsonb_typeof(g.value) WHEN 'array' THEN g.value WHEN 'string' THEN jsonb_build_array(g.value) ELSE '[]' END)
        WITH ORDINALITY AS v (answer, n)
    WHERE r.item ->> 'from_name' = name;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_answers(jsonb, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_answers(jsonb, text) IS
    'What an annotation''s result has for one control (choices or text), trimmed, blank ones left out; NULL where there is none';

CREATE FUNCTION @extschema@.tw_labelstudio_judge(task @extschema@.labelstudio_tasks, annotation jsonb, person text, given jsonb) RETURNS text
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    c @extschema@.conversation_logs;
    result CONSTANT jsonb := annotation -> 'result';
    verdicts text[] := @extschema@.tw_labelstudio_answers(result, 'verdict');
    intent text := coalesce((@extschema@.tw_labelstudio_answers(result, 'new_intent'))[1], (@extschema@.tw_labelstudio_answers(result, 'intent'))[1]);
    reason text := coalesce((@extschema@.tw_labelstudio_answers(result, 'reject_reason'))[1], 'unclear');
    note text := array_to_string(@extschema@.tw_labelstudio_answers(result, 'note'), E'\n');
    spans jsonb;
    entities jsonb;
BEGIN
    SELECT * INTO c FROM @extschema@.conversation_logs l WHERE l.id = task.conversation_log_id;
    spans := @extschema@.tw_labelstudio_spans(result, char_length(c.user_message));
    IF cardinality(verdicts) IS DISTINCT FROM 1 OR verdicts[1] NOT IN ('approve', 'fix', 'reject') OR reason NOT IN ('unclear', 'no-such-intent') THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = 'the annotation has no verdict, or more than one',
            HINT = 'Choose one of approve, fix and reject.';
    END IF;
    -- Without a prediction to begin from, the annotator was not shown any spans: leaving them out says nothing.
    IF spans <> task.spans AND (spans <> '[]' OR jsonb_typeof(annotation -> 'parent_prediction') = 'number') THEN
        entities := @extschema@.tw_entities_of_spans(spans, c.nlu_entities, @extschema@.tw_sample_text(c.user_message));
        -- To approve the intent and change the spans is to fix it to the same intent.
        IF verdicts[1] = 'approve' AND NOT @extschema@.tw_is_blank(c.nlu_intent) THEN
            verdicts[1] := 'fix';
            intent := c.nlu_intent;
        END IF;
        intent := coalesce(intent, c.nlu_intent);
    END IF;
    -- The task is the annotator's claim: feedback that came after it was made has yet to be seen by somebody.
    INSERT INTO @extschema@.review_claims AS k (conversation_log_id, reviewer, claimed_at, expires_at)
    VALUES (c.id, person, task.claimed_at, clock_timestamp() + interval '1 minute')
    ON CONFLICT (conversation_log_id) DO UPDATE SET reviewer = excluded.reviewer, claimed_at = excluded.claimed_at, expires_at = excluded.expires_at;
    PERFORM @extschema@.tw_record_verdict(ARRAY[task.conversation_log_id], verdicts[1],
        CASE WHEN verdicts[1] = 'fix' THEN intent END, CASE WHEN verdicts[1] = 'fix' THEN entities END,
        CASE WHEN verdicts[1] = 'reject' THEN reason END, nullif(note, ''), person, given);
    RETURN verdicts[1];
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_judge(@extschema@.labelstudio_tasks, jsonb, text, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_judge(@extschema@.labelstudio_tasks, jsonb, text, jsonb) IS
    'Gives the verdict of an annotation, in the annotator''s name, and returns it; an approval with changed spans is a fix to the same '
    'intent. Raises 22023 for an annotation that is no verdict, and as approve_, fix_ and reject_conversation() do';

CREATE FUNCTION @extschema@.tw_labelstudio_withdraw(
    project @extschema@.labelstudio_projects, task @extschema@.labelstudio_tasks, given_at timestamptz, why text) RETURNS boolean
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    newest @extschema@.review_events;
BEGIN
    SELECT * INTO newest FROM @extschema@.review_events e
    WHERE e.conversation_log_id = task.conversation_log_id AND e.action IN ('approve', 'fix', 'reject', 'withdraw')
    ORDER BY e.id DESC LIMIT 1;
    -- A newer verdict stands, whoever gave it.
    IF newest.id IS NULL OR newest.action = 'withdraw'
       OR (newest.details -> 'labelstudio' -> 'project', newest.details -> 'labelstudio' -> 'task')
          IS DISTINCT FROM (to_jsonb(project.project_id), to_jsonb(task.task_id))
       OR NOT EXISTS (SELECT FROM @extschema@.conversation_logs c WHERE c.id = task.conversation_log_id) THEN
        RETURN false;
    END IF;
    PERFORM @extschema@.tw_withdraw_verdict(task.conversation_log_id, why, newest.reviewer,
        jsonb_build_object('labelstudio', jsonb_build_object('project', project.project_id, 'task', task.task_id, 'given_at', given_at)));
    RETURN true;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_withdraw(@extschema@.labelstudio_projects, @extschema@.labelstudio_tasks, timestamptz, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_withdraw(@extschema@.labelstudio_projects, @extschema@.labelstudio_tasks, timestamptz, text) IS
    'Withdraws the verdict on a conversation if it came from this task; returns whether it did';
-- Pulling: every task that changed since the last pull, by Label Studio's own clock, a page a transaction. What was seen
-- before is known by the annotation's number and time, so that seeing it twice does nothing.

CREATE FUNCTION @extschema@.tw_labelstudio_chosen(annotations jsonb) RETURNS jsonb
    LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT a.annotation
    FROM jsonb_array_elements(CASE jsonb_typeof(annotations) WHEN 'array' THEN annotations ELSE '[]' END) AS a (annotation)
    WHERE a.annotation ->> 'was_cancelled' IS DISTINCT FROM 'true' AND jsonb_typeof(a.annotation -> 'id') = 'number'
    ORDER BY a.annotation ->> 'ground_truth' IS NOT DISTINCT FROM 'true' DESC, (a.annotation ->> 'updated_at')::timestamptz DESC NULLS LAST,
             (a.annotation ->> 'id')::bigint DESC
    LIMIT 1;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_chosen(jsonb) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_chosen(jsonb) IS
    'The annotation of a task that counts: the one marked as ground truth, else the newest; skips are none';

CREATE FUNCTION @extschema@.tw_labelstudio_own(project @extschema@.labelstudio_projects, task jsonb) RETURNS @extschema@.labelstudio_tasks
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    own @extschema@.labelstudio_tasks;
    external CONSTANT uuid := @extschema@.tw_labelstudio_external_id(task);
    conversation bigint;
BEGIN
    SELECT * INTO own FROM @extschema@.labelstudio_tasks t WHERE t.external_id = external;
    IF FOUND OR external IS NULL THEN
        RETURN own;
    END IF;
    conversation := @extschema@.tw_labelstudio_marked(task);
    -- Pushed by a database that this one was restored from before the push; or by an import that came to its end after
    -- everybody had given it up, and whose conversation was claimed again since.
    INSERT INTO @extschema@.labelstudio_tasks (project, conversation_log_id, external_id, batch_id, status, task_id, spans, pushed_at)
    SELECT project.id, c.id, external, gen_random_uuid(), 'open', (task ->> 'id')::bigint,
           @extschema@.tw_entity_spans(@extschema@.tw_sample_entities(c.nlu_entities), char_length(c.user_message)), clock_timestamp()
    FROM @extschema@.conversation_logs c
    WHERE c.id = conversation
    ON CONFLICT DO NOTHING
    RETURNING * INTO own;
    IF NOT FOUND THEN
        SELECT * INTO own FROM @extschema@.labelstudio_tasks t
        WHERE t.conversation_log_id = conversation AND t.status IN ('claimed', 'open', 'skipped', 'refused');
    END IF;
    RETURN own;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_own(@extschema@.labelstudio_projects, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_own(@extschema@.labelstudio_projects, jsonb) IS
    'The outbox row of a task over there: the one whose external id it carries, a new one for a task that only its conversation '
    'knows, or the one that waits for that conversation; NULLs for a task that is not ours';

CREATE FUNCTION @extschema@.tw_labelstudio_mark(own @extschema@.labelstudio_tasks, status text, annotation jsonb, code text, message text) RETURNS void
    LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    UPDATE @extschema@.labelstudio_tasks t
    SET status = CASE
            -- Another task of the conversation waits already.
            WHEN tw_labelstudio_mark.status IN ('open', 'skipped') AND EXISTS (
                SELECT FROM @extschema@.labelstudio_tasks o
                WHERE o.conversation_log_id = t.conversation_log_id AND o.id <> t.id
                  AND o.status IN ('claimed', 'open', 'skipped', 'refused')) THEN 'superseded'
            ELSE tw_labelstudio_mark.status END,
        finished_at = CASE WHEN tw_labelstudio_mark.status <> 'open' THEN clock_timestamp() END,
        error_code = code, error_message = message,
        annotation_id = (annotation ->> 'id')::bigint, annotation_updated_at = (annotation ->> 'updated_at')::timestamptz
    WHERE t.id = own.id;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_mark(@extschema@.labelstudio_tasks, text, jsonb, text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_mark(@extschema@.labelstudio_tasks, text, jsonb, text, text) IS
    'Writes down what became of a task, and which annotation says so (NULL: none does)';

CREATE FUNCTION @extschema@.tw_labelstudio_unjudge(
    project @extschema@.labelstudio_projects, own @extschema@.labelstudio_tasks, skipped boolean, given_at timestamptz) RETURNS text
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    became CONSTANT text := CASE WHEN skipped THEN 'skipped' ELSE 'open' END;
    withdrawn boolean := false;
BEGIN
    IF own.status NOT IN ('open', 'skipped', 'unusable', 'done', 'superseded') OR own.status = became THEN
        RETURN NULL;
    END IF;
    IF own.annotation_id IS NOT NULL THEN
        withdrawn := @extschema@.tw_labelstudio_withdraw(project, own, given_at, 'annotation deleted or skipped in Label Studio');
    END IF;
    PERFORM @extschema@.tw_labelstudio_mark(own, became, NULL, NULL, NULL);
    RETURN CASE WHEN withdrawn THEN 'withdrawn' WHEN skipped THEN 'skipped' END;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_unjudge(@extschema@.labelstudio_projects, @extschema@.labelstudio_tasks, boolean, timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_unjudge(@extschema@.labelstudio_projects, @extschema@.labelstudio_tasks, boolean, timestamptz) IS
    'A task has no annotation (any more), or a skip: withdraws the verdict that came from it, if that still stands; returns withdrawn, skipped or NULL';

CREATE FUNCTION @extschema@.tw_labelstudio_observe(
    project @extschema@.labelstudio_projects, row_id bigint, task jsonb, skew interval, people jsonb) RETURNS text
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    own @extschema@.labelstudio_tasks;
    number CONSTANT bigint := (task ->> 'id')::bigint;
    annotation jsonb := @extschema@.tw_labelstudio_chosen(task -> 'annotations');
    given_at timestamptz := (annotation ->> 'updated_at')::timestamptz - skew;
    source CONSTANT jsonb := jsonb_build_object('project', project.project_id, 'task', number);
    newest @extschema@.review_events;
BEGIN
    -- Another task of this page may have changed it.
    SELECT * INTO STRICT own FROM @extschema@.labelstudio_tasks t WHERE t.id = row_id;
    IF own.status = 'claimed'
       OR own.task_id IS DISTINCT FROM number AND annotation IS NOT NULL
          AND (own.annotation_id IS NULL OR (annotation ->> 'updated_at')::timestamptz > own.annotation_updated_at) THEN
        -- An import whose answer never came; or there twice, and this is the one that was worked on last.
        UPDATE @extschema@.labelstudio_tasks t
        SET task_id = number, external_id = @extschema@.tw_labelstudio_external_id(task), status = CASE t.status WHEN 'claimed' THEN 'open' ELSE t.status END,
            pushed_at = coalesce(t.pushed_at, clock_timestamp())
        WHERE t.id = own.id
        RETURNING * INTO own;
    END IF;
    IF own.task_id <> number THEN
        RETURN NULL;
    END IF;
    IF annotation IS NULL THEN
        RETURN @extschema@.tw_labelstudio_unjudge(project, own, jsonb_path_exists(task, '$.annotations[*] ? (@.was_cancelled == true)'),
                                                  (task ->> 'updated_at')::timestamptz - skew);
    END IF;
    IF (own.annotation_id, own.annotation_updated_at) IS NOT DISTINCT FROM
       ((annotation ->> 'id')::bigint, (annotation ->> 'updated_at')::timestamptz) THEN
        RETURN NULL;
    END IF;

    SELECT * INTO newest FROM @extschema@.review_events e
    WHERE e.conversation_log_id = own.conversation_log_id AND e.action IN ('approve', 'fix', 'reject', 'withdraw')
    ORDER BY e.id DESC LIMIT 1;
    IF newest.details -> 'labelstudio' @> (source || jsonb_build_object('annotation', annotation -> 'id', 'updated_at', annotation -> 'updated_at')) THEN
        PERFORM @extschema@.tw_labelstudio_mark(own, 'done', annotation, NULL, NULL);
        RETURN NULL;
    END IF;
    -- The newest verdict stands, and one that came from there is as old as its annotation. What this very task said before is
    -- what it says no more.
    IF NOT coalesce(newest.details -> 'labelstudio' @> source, false)
       AND coalesce((newest.details -> 'labelstudio' ->> 'given_at')::timestamptz, newest.created_at) > given_at
       OR NOT EXISTS (SELECT FROM @extschema@.conversation_logs c WHERE c.id = own.conversation_log_id) THEN
        PERFORM @extschema@.tw_labelstudio_mark(own, 'superseded', annotation, NULL, NULL);
        RETURN 'superseded';
    END IF;
    PERFORM @extschema@.tw_labelstudio_mark(own, 'done', annotation, NULL, NULL);
    RETURN @extschema@.tw_labelstudio_judge(own, annotation, @extschema@.tw_labelstudio_person(annotation, people),
        jsonb_build_object('labelstudio', source || jsonb_build_object(
            'annotation', annotation -> 'id', 'updated_at', annotation -> 'updated_at', 'given_at', given_at)));
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_observe(@extschema@.labelstudio_projects, bigint, jsonb, interval, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_observe(@extschema@.labelstudio_projects, bigint, jsonb, interval, jsonb) IS
    'Brings an outbox row, and the verdict, to what its task over there says: approve, fix, reject, skipped, withdrawn, superseded (a '
    'newer verdict was given here), or NULL where nothing changed. skew: how much Label Studio''s clock is ahead of ours. Raises what the verdict raises';

CREATE FUNCTION @extschema@.tw_labelstudio_try_observe(
    project @extschema@.labelstudio_projects, row_id bigint, task jsonb, skew interval, people jsonb) RETURNS text
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    own @extschema@.labelstudio_tasks;
    annotation jsonb;
    code text;
    message text;
BEGIN
    BEGIN
        IF task -> 'too_large' = 'true' THEN
            RAISE EXCEPTION USING
                ERRCODE = 'program_limit_exceeded',
                MESSAGE = 'the task''s annotations are too large to be read';
        END IF;
        RETURN @extschema@.tw_labelstudio_observe(project, row_id, task, skew, people);
    EXCEPTION WHEN OTHERS THEN
        GET STACKED DIAGNOSTICS code = RETURNED_SQLSTATE, message = MESSAGE_TEXT;
        -- What passes is tried again by the next pull; what is our own fault must not be laid at the annotator's door.
        IF left(code, 2) IN ('40', '53', '57', '58', 'XX') OR code = '55P03' THEN
            RAISE;
        END IF;
    END;
    SELECT * INTO STRICT own FROM @extschema@.labelstudio_tasks t WHERE t.id = row_id;
    annotation := coalesce(@extschema@.tw_labelstudio_chosen(task -> 'annotations'), jsonb_build_object('updated_at', task -> 'updated_at'));
    IF own.status = 'unusable' AND own.annotation_updated_at = (annotation ->> 'updated_at')::timestamptz THEN
        RETURN NULL;
    END IF;
    -- An annotation that was a verdict and is none any more takes it back.
    PERFORM @extschema@.tw_labelstudio_withdraw(project, own, (annotation ->> 'updated_at')::timestamptz - skew, 'annotation changed in Label Studio');
    PERFORM @extschema@.tw_labelstudio_mark(own, 'unusable', annotation, code, message);
    RETURN 'unusable';
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_try_observe(@extschema@.labelstudio_projects, bigint, jsonb, interval, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_try_observe(@extschema@.labelstudio_projects, bigint, jsonb, interval, jsonb) IS
    'tw_labelstudio_observe(), or unusable: the annotation is no verdict, and error_message says why';

CREATE FUNCTION @extschema@.tw_labelstudio_person(annotation jsonb, people jsonb) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
-- Whoever changed it last; an annotation itself names only who began it: "First Last address, id".
RETURN coalesce(
    nullif(people ->> coalesce(annotation ->> 'updated_by', annotation ->> 'completed_by'), ''),
    CASE WHEN coalesce(annotation ->> 'updated_by', annotation ->> 'completed_by') IS NOT DISTINCT FROM annotation ->> 'completed_by'
         THEN substring(annotation ->> 'created_username' FROM '(\S+), \d+$') END,
    'Label Studio user ' || coalesce(annotation ->> 'updated_by', annotation ->> 'completed_by', 'unknown'));
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_person(jsonb, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_person(jsonb, jsonb) IS
    'Who gave an annotation: the e-mail address of whoever changed it last; people maps Label Studio''s numbers of users to addresses';

CREATE FUNCTION @extschema@.tw_labelstudio_people(server text) RETURNS jsonb
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    answer record;
BEGIN
    SELECT * INTO answer FROM @extschema@.tw_labelstudio_request(server, 'GET', '/api/users/');
    -- A token may not be allowed to list users: annotations still say who began them.
    IF answer.status NOT BETWEEN 200 AND 299 AND answer.status NOT IN (401, 403, 404) THEN
        PERFORM @extschema@.tw_labelstudio_refuse(server, 'list users', answer.status);
    END IF;
    RETURN coalesce((
        SELECT jsonb_object_agg(u.person ->> 'id', u.person ->> 'email')
        FROM jsonb_array_elements(CASE WHEN answer.status = 200 AND jsonb_typeof(answer.reply) = 'array' THEN answer.reply ELSE '[]' END) AS u (person)
        WHERE u.person ->> 'id' IS NOT NULL), '{}');
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_people(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_people(text) IS 'The e-mail addresses of Label Studio''s users by number';

CREATE FUNCTION @extschema@.tw_labelstudio_changed(project @extschema@.labelstudio_projects, since timestamptz, size integer, one_by_one boolean,
    OUT tasks jsonb, OUT server_time timestamptz)
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    -- The names of an annotation's own fields too: include reaches into it.
    fields CONSTANT text := 'id,meta,updated_at,annotations,result,was_cancelled,ground_truth,completed_by,updated_by,created_username,parent_prediction';
    filters CONSTANT jsonb := jsonb_build_array(@extschema@.tw_labelstudio_filter('updated_at', 'greater_or_equal', 'Datetime',
        to_jsonb(to_char(since AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'))));
    what CONSTANT text := 'list changed tasks';
    light jsonb;
    task jsonb;
    found jsonb;
BEGIN
    IF NOT one_by_one THEN
        SELECT l.tasks, l.server_time INTO tasks, server_time
        FROM @extschema@.tw_labelstudio_list(project, filters, 'updated_at', fields, 'all', size, what) l;
        RETURN;
    END IF;
    -- Somebody pasted a book into an annotation: the page is fetched task by task, without those that are too large themselves.
    SELECT l.tasks, l.server_time INTO light, server_time
    FROM @extschema@.tw_labelstudio_list(project, filters, 'updated_at', 'id,meta,updated_at', 'task_only', size, what) l;
    tasks := '[]';
    FOR task IN SELECT l.task FROM jsonb_array_elements(light) AS l (task) LOOP
        BEGIN
            SELECT l.tasks INTO found FROM @extschema@.tw_labelstudio_list(project,
                jsonb_build_array(@extschema@.tw_labelstudio_filter('id', 'equal', 'Number', task -> 'id')), 'id', fields, 'all', 1, what) l;
        EXCEPTION WHEN program_limit_exceeded THEN
            found := jsonb_build_array(task || '{"too_large": true}');
        END;
        -- With the time that it was listed with: it may have changed in between, and the next page should see that.
        tasks := tasks || coalesce((SELECT jsonb_agg(f.found || jsonb_build_object('updated_at', task -> 'updated_at')) FROM jsonb_array_elements(found) AS f (found)), '[]');
    END LOOP;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_changed(@extschema@.labelstudio_projects, timestamptz, integer, boolean) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_changed(@extschema@.labelstudio_projects, timestamptz, integer, boolean) IS
    'The first size tasks that changed since then, with their annotations, and Label Studio''s time. Raises 54000 where they are '
    'too much for one reply, unless one_by_one, which marks what is too large itself';

CREATE FUNCTION @extschema@.tw_labelstudio_take_in(project @extschema@.labelstudio_projects, list jsonb, skew interval, people jsonb) RETURNS jsonb
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    rows bigint[];
    numbers bigint[];
    item record;
    became text;
    counted jsonb := '{}';
BEGIN
    SELECT array_agg((o.own).id), array_agg((l.task ->> 'id')::bigint) INTO rows, numbers
    FROM jsonb_array_elements(list) AS l (task)
    CROSS JOIN LATERAL (SELECT @extschema@.tw_labelstudio_own(project, l.task) AS own OFFSET 0) o
    WHERE (o.own).id IS NOT NULL
      -- What was seen before needs no lock.
      AND CASE WHEN jsonb_path_exists(l.task, '$.annotations[*]') OR l.task ? 'too_large'
          THEN NOT EXISTS (
                   SELECT FROM (SELECT @extschema@.tw_labelstudio_chosen(l.task -> 'annotations') AS chosen) c
                   WHERE ((o.own).annotation_id, (o.own).annotation_updated_at) IS NOT DISTINCT FROM
                         ((c.chosen ->> 'id')::bigint, (c.chosen ->> 'updated_at')::timestamptz))
               OR (o.own).annotation_id IS NULL
          ELSE (o.own).status NOT IN ('open', 'closed', 'deleted') END;
    -- All conversations, then all samples, each in the order of their ids, as everybody does.
    PERFORM FROM @extschema@.conversation_logs c
    WHERE c.id IN (SELECT t.conversation_log_id FROM @extschema@.labelstudio_tasks t WHERE t.id = ANY (rows)) ORDER BY c.id FOR UPDATE;
    PERFORM FROM @extschema@.training_samples s
    WHERE s.conversation_log_id IN (SELECT t.conversation_log_id FROM @extschema@.labelstudio_tasks t WHERE t.id = ANY (rows)) ORDER BY s.id FOR UPDATE;

    FOR item IN
        SELECT r.row_id, l.task FROM unnest(rows, numbers) AS r (row_id, number)
        JOIN jsonb_array_elements(list) AS l (task) ON (l.task ->> 'id')::bigint = r.number
        ORDER BY r.row_id, r.number
    LOOP
        became := @extschema@.tw_labelstudio_try_observe(project, item.row_id, item.task, skew, people);
        IF became IS NOT NULL THEN
            counted := counted || jsonb_build_object(became, coalesce((counted ->> became)::bigint, 0) + 1);
        END IF;
    END LOOP;
    RETURN counted;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_take_in(@extschema@.labelstudio_projects, jsonb, interval, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_take_in(@extschema@.labelstudio_projects, jsonb, interval, jsonb) IS
    'Brings outbox and verdicts to what a list of tasks says; returns how many of what came of it. Locks rows, and asks nobody';

CREATE FUNCTION @extschema@.tw_labelstudio_pull(project @extschema@.labelstudio_projects, place jsonb,
    OUT next_place jsonb, OUT counted jsonb)
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    -- Rows may become visible a little after their time.
    since timestamptz := coalesce((place ->> 'since')::timestamptz, project.pulled_to - interval '60 seconds', '1970-01-01 00:00:00+00');
    size integer := coalesce((place ->> 'size')::integer, 200);
    one_by_one boolean := coalesce((place ->> 'one_by_one')::boolean, false);
    list jsonb;
    asked_at timestamptz := clock_timestamp();
    there timestamptz;
    upto timestamptz;
    skew interval;
    people jsonb := '{}';
BEGIN
    counted := '{}';
    BEGIN
        SELECT c.tasks, c.server_time INTO list, there FROM @extschema@.tw_labelstudio_changed(project, since, size, one_by_one) c;
    EXCEPTION WHEN program_limit_exceeded THEN
        IF one_by_one THEN
            RAISE;
        END IF;
        next_place := jsonb_build_object('since', since, 'size', 5, 'one_by_one', true);
        RETURN;
    END;
    -- Its clock was ahead and has been set right: what was done since is older than what was seen. Seeing all again does no harm.
    IF place IS NULL AND since > there + interval '1 minute' THEN
        UPDATE @extschema@.labelstudio_projects p SET pulled_to = NULL WHERE p.id = project.id;
        next_place := jsonb_build_object('since', '1970-01-01 00:00:00+00'::timestamptz);
        RETURN;
    END IF;
    -- HTTP's Date has no fractions, and was written at some time while we waited.
    skew := CASE WHEN there > clock_timestamp() + interval '2 seconds' THEN there - clock_timestamp()
                 WHEN there < asked_at - interval '2 seconds' THEN there - asked_at ELSE '0' END;
    IF jsonb_path_exists(list, '$[*].annotations[*]') THEN
        people := @extschema@.tw_labelstudio_people(project.server_name);
    END IF;

    counted := @extschema@.tw_labelstudio_take_in(project, list, skew, people);
    SELECT max((l.task ->> 'updated_at')::timestamptz) INTO upto FROM jsonb_array_elements(list) AS l (task);
    UPDATE @extschema@.labelstudio_projects p SET pulled_to = greatest(p.pulled_to, least(upto, there)) WHERE p.id = project.id;
    IF jsonb_array_length(list) >= size THEN
        -- A whole page of one time, such as a change of many at once leaves: a larger page gets past it.
        next_place := CASE WHEN upto > since THEN jsonb_build_object('since', upto)
                           ELSE jsonb_build_object('since', since, 'size', size * 2, 'one_by_one', one_by_one) END;
        IF size > 100000 THEN
            RAISE EXCEPTION USING
                ERRCODE = 'protocol_violation',
                MESSAGE = format('Label Studio (server "%s") lists the same changed tasks again and again', project.server_name),
                HINT = 'Does it obey the filter and the order that it is asked for? Is its version one that is supported?';
        END IF;
    END IF;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_pull(@extschema@.labelstudio_projects, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_pull(@extschema@.labelstudio_projects, jsonb) IS
    'Takes in one page of changed tasks; next_place is where the next page begins, NULL after the last one';
-- The sweep compares the unfinished tasks over there with the outbox: what somebody deleted there goes back to the queue, and
-- what needs no person any more, or is there twice, is taken back.

CREATE FUNCTION @extschema@.tw_labelstudio_take_back(server text, task bigint, external uuid) RETURNS boolean
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    there record;
    answered integer;
BEGIN
    -- Looked at right before: its number may be another task's by now, and nobody's work is thrown away.
    SELECT * INTO there FROM @extschema@.tw_labelstudio_is_task(server, task, external);
    IF there.is_there AND there.is_worked_on THEN
        RETURN false;
    END IF;
    IF there.is_there THEN
        SELECT r.status INTO answered FROM @extschema@.tw_labelstudio_request(server, 'DELETE', format('/api/tasks/%s/', task)) r;
        IF answered NOT BETWEEN 200 AND 299 AND answered <> 404 THEN
            PERFORM @extschema@.tw_labelstudio_refuse(server, 'delete a task', answered);
        END IF;
    END IF;
    RETURN true;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_take_back(text, bigint, uuid) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_take_back(text, bigint, uuid) IS
    'Deletes a task of ours over there that nobody has annotated or begun to; true when it is gone, false when somebody works on it after all';

CREATE FUNCTION @extschema@.tw_labelstudio_needless(listed jsonb,
    OUT task bigint, OUT external uuid, OUT own bigint)
    RETURNS SETOF record
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT (l.task ->> 'id')::bigint, l.external_id, o.id
    FROM (SELECT t.task, @extschema@.tw_labelstudio_external_id(t.task) AS external_id FROM jsonb_array_elements(listed) AS t (task)) l
    LEFT JOIN @extschema@.labelstudio_tasks o ON o.external_id = l.external_id
    WHERE l.external_id IS NOT NULL
      AND CASE
          -- Not in the outbox: only where its conversation waits in another task, or for nobody any more.
          WHEN o.id IS NULL THEN @extschema@.tw_labelstudio_marked(l.task) IS NOT NULL
          -- Its import is not settled, or its annotation has just gone and the pull has yet to see it.
          WHEN (o.status IN ('unusable', 'done') OR o.status = 'superseded' AND o.annotation_id IS NOT NULL)
               AND o.task_id = (l.task ->> 'id')::bigint OR o.status = 'claimed' THEN false
          -- One that was passed on by all who saw it makes room, and comes back behind the others.
          WHEN o.status IN ('open', 'skipped') AND o.task_id = (l.task ->> 'id')::bigint
              THEN o.status = 'skipped' AND o.finished_at < clock_timestamp() - interval '1 day' OR NOT EXISTS (
                  SELECT FROM @extschema@.conversation_logs c WHERE c.id = o.conversation_log_id AND c.review_priority IS NOT NULL)
          ELSE true END
    ORDER BY 1;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_needless(jsonb) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_needless(jsonb) IS
    'Which of these tasks, all without annotations, need no person: judged or deleted here meanwhile, taken back before, skipped a day ago, or there twice';

CREATE FUNCTION @extschema@.tw_labelstudio_adopt(project @extschema@.labelstudio_projects, listed jsonb) RETURNS bigint
    LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT count(*) FROM jsonb_array_elements(listed) AS l (task)
    CROSS JOIN LATERAL (SELECT @extschema@.tw_labelstudio_external_id(l.task) AS external_id) x
    CROSS JOIN LATERAL (SELECT EXISTS (SELECT FROM @extschema@.labelstudio_tasks t WHERE t.external_id = x.external_id) AS known OFFSET 0) k
    CROSS JOIN LATERAL (SELECT CASE WHEN NOT k.known THEN @extschema@.tw_labelstudio_own(project, l.task) END AS own OFFSET 0) o
    WHERE (o.own).external_id = x.external_id;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_adopt(@extschema@.labelstudio_projects, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_adopt(@extschema@.labelstudio_projects, jsonb) IS
    'Writes outbox rows for tasks of ours that have none: pushed by a database that this one was restored from before the push; returns how many';

CREATE FUNCTION @extschema@.tw_labelstudio_take_needless(project @extschema@.labelstudio_projects, listed jsonb, most integer,
    OUT taken_back bigint, OUT done_to bigint)
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    item record;
    seen integer := 0;
BEGIN
    taken_back := 0;
    FOR item IN
        SELECT n.* FROM @extschema@.tw_labelstudio_needless(listed) n ORDER BY n.task LIMIT most
    LOOP
        seen := seen + 1;
        done_to := CASE WHEN seen = most THEN item.task END;
        CONTINUE WHEN NOT @extschema@.tw_labelstudio_take_back(project.server_name, item.task, item.external);
        taken_back := taken_back + 1;
        UPDATE @extschema@.labelstudio_tasks t SET status = 'closed', finished_at = clock_timestamp()
        WHERE t.id = item.own AND t.task_id = item.task AND t.status IN ('open', 'skipped');
    END LOOP;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_take_needless(@extschema@.labelstudio_projects, jsonb, integer) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_take_needless(@extschema@.labelstudio_projects, jsonb, integer) IS
    'Takes back those of these tasks that need no person, at most so many; returns how many, and the number of the last one looked at '
    'where there may be more (NULL where there are none)';

CREATE FUNCTION @extschema@.tw_labelstudio_miss(project @extschema@.labelstudio_projects, listed jsonb, after bigint, upto bigint, most integer,
    OUT deleted bigint, OUT done_to bigint)
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    item record;
    seen integer := 0;
BEGIN
    deleted := 0;
    FOR item IN
        SELECT t.id, t.task_id, t.external_id FROM @extschema@.labelstudio_tasks t
        WHERE t.project = tw_labelstudio_miss.project.id AND t.status IN ('open', 'skipped') AND t.task_id > after AND t.task_id <= upto
          AND NOT EXISTS (SELECT FROM jsonb_array_elements(listed) AS l (task)
                          WHERE (l.task ->> 'id')::bigint = t.task_id AND @extschema@.tw_labelstudio_external_id(l.task) = t.external_id)
        ORDER BY t.task_id LIMIT most
    LOOP
        seen := seen + 1;
        done_to := CASE WHEN seen = most THEN item.task_id END;
        -- Annotated since the pull, or deleted.
        CONTINUE WHEN (SELECT i.is_there FROM @extschema@.tw_labelstudio_is_task(project.server_name, item.task_id, item.external_id) i);
        deleted := deleted + 1;
        UPDATE @extschema@.labelstudio_tasks t SET status = 'deleted', finished_at = clock_timestamp() WHERE t.id = item.id;
    END LOOP;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_miss(@extschema@.labelstudio_projects, jsonb, bigint, bigint, integer) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_miss(@extschema@.labelstudio_projects, jsonb, bigint, bigint, integer) IS
    'Marks tasks of the outbox, with numbers in (after, upto], that are not over there any more, so that their conversations wait again; '
    'returns how many, and the number of the last one looked at where there may be more (NULL where there are none)';

CREATE FUNCTION @extschema@.tw_labelstudio_sweep(project @extschema@.labelstudio_projects, place jsonb,
    OUT next_place jsonb, OUT counted jsonb)
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    page_size CONSTANT integer := 1000;
    -- What is looked at one by one, each with a request or two, in one transaction.
    most CONSTANT integer := 50;
    after CONSTANT bigint := coalesce((place ->> 'after')::bigint, 0);
    upto bigint := 9223372036854775807;
    list jsonb;
    adopted bigint;
    needless record;
    missed record;
    done_to bigint;
BEGIN
    SELECT l.tasks INTO list FROM @extschema@.tw_labelstudio_list(project,
        jsonb_build_array(@extschema@.tw_labelstudio_filter('total_annotations', 'equal', 'Number', '0'),
                          @extschema@.tw_labelstudio_filter('id', 'greater', 'Number', to_jsonb(after))),
        'id', 'id,meta', 'task_only', page_size, 'list unfinished tasks') l;
    IF jsonb_array_length(list) >= page_size THEN
        SELECT max((l.task ->> 'id')::bigint) INTO upto FROM jsonb_array_elements(list) AS l (task);
    END IF;
    adopted := @extschema@.tw_labelstudio_adopt(project, list);
    SELECT * INTO needless FROM @extschema@.tw_labelstudio_take_needless(project, list, most);
    SELECT * INTO missed FROM @extschema@.tw_labelstudio_miss(project, list, after, upto, most);
    counted := jsonb_build_object('adopted', adopted, 'taken back', needless.taken_back, 'deleted there', missed.deleted);

    done_to := least(upto, needless.done_to, missed.done_to);
    IF done_to <= after THEN
        RAISE EXCEPTION USING
            ERRCODE = 'protocol_violation',
            MESSAGE = format('Label Studio (server "%s") lists the same unfinished tasks again and again', project.server_name),
            HINT = 'Does it obey the filter and the order that it is asked for? Is its version one that is supported?';
    ELSIF done_to < 9223372036854775807 THEN
        next_place := jsonb_build_object('after', done_to);
    END IF;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_sweep(@extschema@.labelstudio_projects, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_sweep(@extschema@.labelstudio_projects, jsonb) IS
    'Compares one page of unfinished tasks over there with the outbox; next_place is where the next page begins, NULL after the last one';
-- CALL labelstudio_push(), labelstudio_pull() and labelstudio_sync(): loops over steps, with a commit after each. A step
-- catches its errors, so that one project's trouble does not keep the others waiting.

CREATE FUNCTION @extschema@.tw_labelstudio_begin(job text, OUT run_id bigint, OUT projects bigint[])
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF NOT @extschema@.tw_may_act() THEN
        RAISE WARNING USING
            MESSAGE = format('%s did nothing: this database is a restored copy', job),
            HINT = 'If it takes over, or its servers are now others (ALTER SERVER), run SELECT adopt_installation();';
        RETURN;
    END IF;
    run_id := @extschema@.tw_begin_run(job);
    IF run_id IS NULL THEN
        RAISE NOTICE '% did nothing: another session is talking to Label Studio', job;
        RETURN;
    END IF;
    projects := ARRAY(SELECT p.id FROM @extschema@.labelstudio_projects p WHERE p.is_active ORDER BY p.id);
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_begin(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_begin(text) IS
    'Begins a run, and says which projects it is about; run_id is NULL where another session is at it, or on a restored copy';

CREATE FUNCTION @extschema@.tw_labelstudio_do(project @extschema@.labelstudio_projects, run bigint, phase text, place jsonb,
    OUT next_place jsonb, OUT counted jsonb)
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    batch uuid;
BEGIN
    CASE phase
        WHEN 'settle' THEN
            counted := @extschema@.tw_labelstudio_settle(project, run);
        WHEN 'pull' THEN
            SELECT p.next_place, p.counted INTO next_place, counted FROM @extschema@.tw_labelstudio_pull(project, place) p;
            IF next_place IS NULL THEN
                UPDATE @extschema@.labelstudio_projects p SET last_pull_at = clock_timestamp() WHERE p.id = project.id;
            END IF;
        WHEN 'sweep' THEN
            SELECT s.next_place, s.counted INTO next_place, counted FROM @extschema@.tw_labelstudio_sweep(project, place) s;
        WHEN 'push' THEN
            SELECT t.batch_id INTO batch FROM @extschema@.labelstudio_tasks t
            WHERE t.project = tw_labelstudio_do.project.id AND t.run_id = run AND t.status = 'claimed' LIMIT 1;
            -- Claimed in one transaction, imported in the next.
            IF FOUND THEN
                counted := @extschema@.tw_labelstudio_import(project, batch);
                next_place := 'true';
            ELSIF @extschema@.tw_labelstudio_claim_batch(project, run) > 0 THEN
                counted := '{}';
                next_place := 'true';
            ELSE
                counted := '{}';
                UPDATE @extschema@.labelstudio_projects p SET last_push_at = clock_timestamp() WHERE p.id = project.id;
            END IF;
    END CASE;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_do(@extschema@.labelstudio_projects, bigint, text, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_do(@extschema@.labelstudio_projects, bigint, text, jsonb) IS
    'One transaction''s worth of a phase (settle, pull, sweep, push); next_place is NULL when the phase is done';

CREATE FUNCTION @extschema@.tw_labelstudio_step(run bigint, which bigint, phase text, place jsonb,
    OUT next_place jsonb, OUT failed boolean, OUT unreachable boolean)
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    project @extschema@.labelstudio_projects;
    counted jsonb;
    code text;
    message text;
BEGIN
    PERFORM @extschema@.tw_require_run(run);
    failed := false;
    SELECT * INTO project FROM @extschema@.labelstudio_projects p WHERE p.id = which AND p.is_active;
    -- Retired since the run began.
    IF NOT FOUND THEN
        RETURN;
    END IF;
    BEGIN
        SELECT d.next_place, d.counted INTO next_place, counted FROM @extschema@.tw_labelstudio_do(project, run, phase, place) d;
        code := counted ->> 'error_code';
        message := counted ->> 'error_message';
    EXCEPTION WHEN OTHERS THEN
        GET STACKED DIAGNOSTICS code = RETURNED_SQLSTATE, message = MESSAGE_TEXT;
    END;
    PERFORM @extschema@.tw_note_run(run, format('%s, project %s', phase, which), coalesce(counted - ARRAY['error_code', 'error_message'], '{}'));
    failed := code IS NOT NULL;
    IF failed THEN
        next_place := NULL;
        unreachable := left(code, 2) IN ('08', '28', '42');
        PERFORM @extschema@.tw_fail_run(run, code, message);
        UPDATE @extschema@.labelstudio_projects p SET last_error_code = code, last_error = message, last_error_at = clock_timestamp()
        WHERE p.id = which AND p.is_active;
        RAISE WARNING '%', message USING ERRCODE = code;
    END IF;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_step(bigint, bigint, text, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_step(bigint, bigint, text, jsonb) IS
    'One step of a run, with its errors written down instead of raised. Raises 55000 when it is not called by the run''s own session';

CREATE FUNCTION @extschema@.tw_labelstudio_end(run bigint, which bigint) RETURNS text
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    PERFORM @extschema@.tw_require_run(run);
    IF which IS NOT NULL THEN
        UPDATE @extschema@.labelstudio_projects p SET last_error_code = NULL, last_error = NULL, last_error_at = NULL
        WHERE p.id = which AND p.last_error IS NOT NULL;
        RETURN NULL;
    END IF;
    RETURN @extschema@.tw_end_run(run);
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_end(bigint, bigint) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_end(bigint, bigint) IS 'A project went through without an error; or, without a project, the run ends';

-- No SET and no SECURITY DEFINER: a procedure with either cannot COMMIT. So every name in it is qualified.
CREATE PROCEDURE @extschema@.tw_labelstudio_run(job text, phases text[])
    LANGUAGE plpgsql
AS $procedure$
DECLARE
    run bigint;
    projects bigint[];
    project_id bigint;
    phase pg_catalog.text;
    place pg_catalog.jsonb;
    failed boolean;
    unreachable boolean;
    has_failed boolean;
BEGIN
    IF pg_catalog.pg_is_in_recovery() THEN
        RETURN;
    END IF;
    SELECT b.run_id, b.projects INTO run, projects FROM @extschema@.tw_labelstudio_begin(job) b;
    COMMIT;
    IF run IS NULL THEN
        RETURN;
    END IF;
    FOREACH project_id IN ARRAY projects LOOP
        has_failed := false;
        FOREACH phase IN ARRAY phases LOOP
            place := NULL;
            LOOP
                SELECT s.next_place, s.failed, s.unreachable INTO place, failed, unreachable FROM @extschema@.tw_labelstudio_step(run, project_id, phase, place) s;
                COMMIT;
                EXIT WHEN place IS NULL;
            END LOOP;
            has_failed := has_failed OR failed;
            -- What is wrong with a verdict need not keep others from being reviewed.
            EXIT WHEN unreachable;
        END LOOP;
        IF NOT has_failed THEN
            PERFORM @extschema@.tw_labelstudio_end(run, project_id);
        END IF;
    END LOOP;
    PERFORM @extschema@.tw_labelstudio_end(run, NULL);
    COMMIT;
END
$procedure$;
REVOKE ALL ON PROCEDURE @extschema@.tw_labelstudio_run(text, text[]) FROM PUBLIC;
COMMENT ON PROCEDURE @extschema@.tw_labelstudio_run(text, text[]) IS 'Runs phases for every active project, committing after each step. Does nothing on a standby';

CREATE PROCEDURE @extschema@.labelstudio_push()
    LANGUAGE plpgsql
AS $procedure$
BEGIN
    CALL @extschema@.tw_labelstudio_run('labelstudio_push', ARRAY['settle', 'sweep', 'push']);
END
$procedure$;
REVOKE ALL ON PROCEDURE @extschema@.labelstudio_push() FROM PUBLIC;
COMMENT ON PROCEDURE @extschema@.labelstudio_push() IS
    'Hands conversations that wait for a person to Label Studio: audited ones for up to half of each batch, then by priority, at most '
    'max_open_tasks unfinished in a project; takes back what was judged here meanwhile. Commits as it goes, so it cannot run inside a '
    'transaction. Errors are recorded in job_runs and labelstudio_projects, and warned of; nothing is lost or doubled by one';

CREATE PROCEDURE @extschema@.labelstudio_pull()
    LANGUAGE plpgsql
AS $procedure$
BEGIN
    CALL @extschema@.tw_labelstudio_run('labelstudio_pull', ARRAY['settle', 'pull']);
END
$procedure$;
REVOKE ALL ON PROCEDURE @extschema@.labelstudio_pull() FROM PUBLIC;
COMMENT ON PROCEDURE @extschema@.labelstudio_pull() IS
    'Takes in what people did in Label Studio since the last pull: new and changed annotations become verdicts in the annotator''s '
    'name, deleted ones withdraw theirs, skipped tasks return to the queue; a verdict given here that is newer stands. Commits and '
    'records errors as labelstudio_push() does';

CREATE PROCEDURE @extschema@.labelstudio_sync()
    LANGUAGE plpgsql
AS $procedure$
BEGIN
    CALL @extschema@.tw_labelstudio_run('labelstudio_sync', ARRAY['settle', 'pull', 'sweep', 'push']);
END
$procedure$;
REVOKE ALL ON PROCEDURE @extschema@.labelstudio_sync() FROM PUBLIC;
COMMENT ON PROCEDURE @extschema@.labelstudio_sync() IS 'labelstudio_pull() and labelstudio_push() in one run: for pg_cron, every few minutes';
-- labelstudio_create_project() and labelstudio_retire_project().

CREATE FUNCTION @extschema@.tw_labelstudio_server(server text) RETURNS text
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
RETURN @extschema@.tw_endpoint_server('training_workflow_labelstudio', server, 'Label Studio',
    'CREATE SERVER label_studio FOREIGN DATA WRAPPER training_workflow_labelstudio OPTIONS (url ''https://...''); '
    'and CREATE USER MAPPING FOR PUBLIC SERVER label_studio OPTIONS (token_file ''/...'');');
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_server(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_server(text) IS
    'The Label Studio server of this name, or the only one when it is NULL; 42704 where there is none, 42P08 where a name is needed';

CREATE FUNCTION @extschema@.tw_labelstudio_find(server text, title text, marker text) RETURNS bigint
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    reply jsonb;
    project jsonb;
BEGIN
    FOR page IN 1 .. 100 LOOP
        SELECT g.reply INTO reply FROM @extschema@.tw_labelstudio_get(server, '/api/projects/', ARRAY['title', title,
            'include', 'id,title,description', 'page', page::text, 'page_size', '100'], 'list projects') g;
        -- It matches parts of titles, in any case.
        SELECT p.project INTO project FROM jsonb_array_elements(
            CASE jsonb_typeof(reply -> 'results') WHEN 'array' THEN reply -> 'results' ELSE '[]' END) AS p (project)
        WHERE p.project ->> 'title' = title ORDER BY strpos(p.project ->> 'description', marker) > 0 DESC, (p.project ->> 'id')::bigint LIMIT 1;
        EXIT WHEN FOUND OR coalesce(reply ->> 'next', '') = '';
    END LOOP;
    IF project IS NOT NULL AND strpos(coalesce(project ->> 'description', ''), marker) = 0 THEN
        RAISE EXCEPTION USING
            ERRCODE = 'duplicate_object',
            MESSAGE = format('Label Studio (server "%s") has a project "%s" already, which is not ours', server, title),
            DETAIL = format('It is project %s there, and its description does not say that this database made it.', project ->> 'id'),
            HINT = 'Choose another title: reviewers could not tell the two apart.';
    END IF;
    RETURN (project ->> 'id')::bigint;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_find(text, text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_find(text, text, text) IS
    'The number of the project of this title that carries our marker, NULL where there is none; 42710 where another has the title';

CREATE FUNCTION @extschema@.tw_labelstudio_check_project(title text, module_type text, max_open_tasks integer) RETURNS void
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    other @extschema@.labelstudio_projects;
BEGIN
    IF title IS NULL OR char_length(title) NOT BETWEEN 3 AND 50 OR title <> btrim(title) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = 'the title of a project has 3 to 50 characters, and no space at either end',
            HINT = 'Label Studio refuses others.';
    END IF;
    IF module_type IS NOT NULL AND @extschema@.tw_is_blank(module_type) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = 'module_type must not be blank',
            HINT = 'NULL stands for all modules that have no project of their own.';
    END IF;
    IF max_open_tasks IS NULL OR max_open_tasks NOT BETWEEN 1 AND 10000 THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = 'max_open_tasks must be between 1 and 10000',
            HINT = 'So many tasks may wait over there before an urgent one has to wait here; 200 is the default.';
    END IF;
    -- The same request again is answered with the same project.
    SELECT * INTO other FROM @extschema@.labelstudio_projects p
    WHERE p.is_active AND p.module_type IS NOT DISTINCT FROM tw_labelstudio_check_project.module_type AND p.title <> tw_labelstudio_check_project.title;
    IF FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'duplicate_object',
            MESSAGE = CASE WHEN module_type IS NULL THEN 'there is a project for all modules already' ELSE format('module "%s" has a project already', module_type) END,
            DETAIL = format('It is "%s" on server "%s", number %s.', other.title, other.server_name, other.id),
            HINT = format('To begin anew: SELECT labelstudio_retire_project(%s);', other.id);
    END IF;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_check_project(text, text, integer) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_check_project(text, text, integer) IS
    'Refuses what no project can be: 22023 for its title, module or limit, 42710 where its module has another';

CREATE FUNCTION @extschema@.tw_labelstudio_make(server text, title text, marker text) RETURNS bigint
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    answer record;
    view_status integer;
BEGIN
    SELECT * INTO answer FROM @extschema@.tw_labelstudio_request(server, 'POST', '/api/projects/', NULL, jsonb_build_object(
        'title', title, 'description', 'Messages of a chatbot that wait for a person''s verdict. ' || marker,
        'label_config', @extschema@.tw_labelstudio_config(), 'sampling', 'Sequential sampling', 'maximum_annotations', 1,
        'show_collab_predictions', true, 'show_skip_button', true, 'enable_empty_annotation', false,
        -- With one annotator, any other choice would never show a skipped task again.
        'skip_queue', 'REQUEUE_FOR_ME')::text);
    IF answer.status NOT BETWEEN 200 AND 299 OR jsonb_typeof(answer.reply -> 'id') IS DISTINCT FROM 'number' THEN
        PERFORM @extschema@.tw_labelstudio_refuse(server, 'create a project', answer.status);
    END IF;
    -- A tab for those who would rather see what the model is least sure of. The project is fine without it.
    SELECT r.status INTO view_status FROM @extschema@.tw_labelstudio_request(server, 'POST', '/api/dm/views/', ARRAY['project', answer.reply ->> 'id'],
        jsonb_build_object('project', answer.reply -> 'id', 'data', jsonb_build_object(
            'title', 'Least confident first', 'type', 'list', 'target', 'tasks', 'ordering', jsonb_build_array('tasks:predictions_score'),
            'filters', jsonb_build_object('conjunction', 'and', 'items', '[]'::jsonb)))::text) r;
    IF view_status NOT BETWEEN 200 AND 299 THEN
        RAISE WARNING 'Label Studio (server "%") did not make a tab "Least confident first" (HTTP %)', server, view_status;
    END IF;
    RETURN (answer.reply ->> 'id')::bigint;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_make(text, text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_make(text, text, text) IS 'Makes a project over there, and returns its number';

CREATE FUNCTION @extschema@.labelstudio_create_project(
    title text, module_type text DEFAULT NULL, server text DEFAULT NULL, max_open_tasks integer DEFAULT 200,
    entity_labels text[] DEFAULT '{}') RETURNS bigint
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    on_server text := @extschema@.tw_labelstudio_server(server);
    marker text;
    number bigint;
    id bigint;
BEGIN
    PERFORM @extschema@.tw_require_acting();
    -- Two at once would each find no project, and make one.
    PERFORM pg_advisory_xact_lock('@extschema@.conversation_logs'::regclass::oid::integer, 11);
    PERFORM @extschema@.tw_labelstudio_check_project(title, module_type, max_open_tasks);
    SELECT p.id INTO id FROM @extschema@.labelstudio_projects p
    WHERE p.is_active AND p.server_name = on_server AND p.title = labelstudio_create_project.title
      AND p.module_type IS NOT DISTINCT FROM labelstudio_create_project.module_type;
    IF FOUND THEN
        RETURN id;
    END IF;
    -- A call whose transaction was rolled back, or whose answer was lost, left a project that carries this.
    marker := format('[training_workflow %s]', md5(@extschema@.tw_this_installation() || coalesce(module_type, '')));
    number := @extschema@.tw_labelstudio_find(on_server, title, marker);
    IF number IS NULL THEN
        number := @extschema@.tw_labelstudio_make(on_server, title, marker);
    END IF;
    INSERT INTO @extschema@.labelstudio_projects AS p (server_name, project_id, title, module_type, max_open_tasks, entity_labels)
    VALUES (on_server, number, labelstudio_create_project.title, labelstudio_create_project.module_type,
            labelstudio_create_project.max_open_tasks, coalesce(labelstudio_create_project.entity_labels, '{}'))
    -- A number that a retired project had: found again, or the server is another one by now.
    ON CONFLICT (server_name, project_id) DO UPDATE SET is_active = true, title = excluded.title, module_type = excluded.module_type,
        max_open_tasks = excluded.max_open_tasks, entity_labels = excluded.entity_labels, created_at = excluded.created_at,
        last_push_at = NULL, last_pull_at = NULL, pulled_to = NULL
    RETURNING p.id INTO id;
    RETURN id;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.labelstudio_create_project(text, text, text, integer, text[]) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.labelstudio_create_project(text, text, text, integer, text[]) IS
    'Makes a project in Label Studio for the conversations of a module, or (module_type NULL) of all that have none of their own, '
    'and returns its number in labelstudio_projects; asked again, it finds the same one. server may be left out where there is one. '
    'max_open_tasks: how many unfinished tasks it may hold; entity_labels: labels that reviewers are offered beside those of recent '
    'samples. Raises 22023 for an odd title, module or limit, 42710 where the module has another project or the title is somebody '
    'else''s, 42704 without server or user mapping, 55000 on a restored copy, 08001, 08006, 08P01, 28000 when Label Studio does not answer as it should';

CREATE FUNCTION @extschema@.labelstudio_retire_project(project bigint) RETURNS bigint
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    released bigint;
BEGIN
    UPDATE @extschema@.labelstudio_projects p SET is_active = false, last_error_code = NULL, last_error = NULL, last_error_at = NULL
    WHERE p.id = project AND p.is_active;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'no_data_found',
            MESSAGE = format('there is no active project %s', coalesce(project::text, 'NULL')),
            HINT = 'The numbers are those of labelstudio_projects: SELECT id, title, is_active FROM labelstudio_projects;';
    END IF;
    UPDATE @extschema@.labelstudio_tasks t SET status = 'closed', finished_at = clock_timestamp()
    WHERE t.project = labelstudio_retire_project.project AND t.status IN ('claimed', 'open', 'skipped', 'unusable', 'refused');
    GET DIAGNOSTICS released = ROW_COUNT;
    RETURN released;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.labelstudio_retire_project(bigint) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.labelstudio_retire_project(bigint) IS
    'Ends the use of a project: it is neither pushed to nor pulled from any more, and its unfinished conversations go back to the '
    'queue; returns how many. Nothing is deleted in Label Studio, and no verdict here. CALL labelstudio_pull() first for what was '
    'annotated there. Raises P0002 for an unknown or retired project';
-- labelstudio_check(): one row that tells at 2 AM whether reviews flow, and what to do when they do not.

CREATE FUNCTION @extschema@.tw_labelstudio_ask(server text,
    OUT reachable boolean, OUT version text, OUT account text, OUT token_kind text, OUT problem text)
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    hint text;
BEGIN
    reachable := false;
    token_kind := @extschema@.tw_labelstudio_token_kind(server);
    SELECT g.reply ->> 'release' INTO version FROM @extschema@.tw_labelstudio_get(server, '/api/version/', NULL, 'say its version') g;
    reachable := true;
    SELECT g.reply ->> 'email' INTO account FROM @extschema@.tw_labelstudio_get(server, '/api/current-user/whoami', NULL, 'say who the token''s user is') g;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS problem = MESSAGE_TEXT, hint = PG_EXCEPTION_HINT;
    -- It answered, if only to refuse the token.
    reachable := reachable OR SQLSTATE = '28000';
    problem := concat_ws('. ', problem, nullif(hint, ''));
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_ask(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_ask(text) IS 'What a Label Studio server says of itself and of our token; problem says why it does not';

CREATE FUNCTION @extschema@.tw_labelstudio_backlog(server text) RETURNS bigint
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT count(*)
    FROM @extschema@.conversation_logs c
    CROSS JOIN LATERAL (SELECT coalesce(nullif(c.nlu_module_type, ''), @extschema@.intent_module_type(c.nlu_intent)) AS module_type) m
    WHERE c.review_priority IS NOT NULL
      AND NOT EXISTS (SELECT FROM @extschema@.labelstudio_tasks t WHERE t.conversation_log_id = c.id AND t.status IN ('claimed', 'open'))
      AND server = (SELECT p.server_name FROM @extschema@.labelstudio_projects p
                    WHERE p.is_active AND (p.module_type IS NULL OR p.module_type = m.module_type) ORDER BY p.module_type NULLS LAST LIMIT 1);
END;
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_backlog(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_backlog(text) IS 'How many conversations wait for a person that belong to projects of this server and are not over there';

CREATE FUNCTION @extschema@.tw_labelstudio_died() RETURNS timestamptz
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
RETURN (SELECT r.started_at FROM @extschema@.job_runs r
        WHERE r.status = 'running' AND @extschema@.tw_job_number(r.job_name) = 1
          AND NOT EXISTS (SELECT FROM pg_locks l
                          WHERE l.locktype = 'advisory' AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
                            AND l.classid = '@extschema@.conversation_logs'::regclass AND l.objid = 1 AND l.objsubid = 3)
        ORDER BY r.id DESC LIMIT 1);
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_died() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_died() IS 'When the run began that a cancel or a crash ended, so that it could not say so itself; NULL where there is none';

CREATE FUNCTION @extschema@.tw_labelstudio_stand(server text,
    OUT projects text, OUT last_push_at timestamptz, OUT last_pull_at timestamptz, OUT open_tasks bigint, OUT uncertain_tasks bigint,
    OUT unusable_tasks bigint, OUT last_error text, OUT last_error_at timestamptz)
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    SELECT string_agg(format('%s (%s%s)', p.title, p.project_id, ', ' || p.module_type), '; ' ORDER BY p.id), min(p.last_push_at), min(p.last_pull_at)
    INTO projects, last_push_at, last_pull_at
    FROM @extschema@.labelstudio_projects p WHERE p.is_active AND p.server_name = server;
    SELECT count(*) FILTER (WHERE t.status = 'open'), count(*) FILTER (WHERE t.status = 'claimed'),
           count(*) FILTER (WHERE t.status IN ('unusable', 'refused'))
    INTO open_tasks, uncertain_tasks, unusable_tasks
    FROM @extschema@.labelstudio_tasks t JOIN @extschema@.labelstudio_projects p ON p.id = t.project
    WHERE p.is_active AND p.server_name = server AND t.status IN ('claimed', 'open', 'skipped', 'unusable', 'refused');
    SELECT e.last_error, e.last_error_at INTO last_error, last_error_at
    FROM (SELECT p.last_error, p.last_error_at FROM @extschema@.labelstudio_projects p
          WHERE p.is_active AND p.server_name = server AND p.last_error IS NOT NULL
          UNION ALL
          SELECT 'the last run ended or was cancelled before it was done', d.at
          FROM (SELECT @extschema@.tw_labelstudio_died() AS at) d WHERE d.at IS NOT NULL AND projects IS NOT NULL) e
    ORDER BY e.last_error_at DESC LIMIT 1;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_stand(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_stand(text) IS 'How things stand with the projects of a server, as far as this database knows';

CREATE FUNCTION @extschema@.labelstudio_check(
    server text DEFAULT NULL,
    OUT server_name text, OUT url text, OUT state text, OUT version text, OUT account text, OUT token_kind text,
    OUT projects text, OUT last_push_at timestamptz, OUT last_pull_at timestamptz, OUT lag interval,
    OUT open_tasks bigint, OUT uncertain_tasks bigint, OUT unusable_tasks bigint, OUT backlog bigint,
    OUT last_error text, OUT last_error_at timestamptz, OUT advice text)
    RETURNS SETOF record
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    reachable boolean;
    problem text;
    is_copy boolean := @extschema@.tw_is_restored_copy();
BEGIN
    FOR server_name, url IN
        SELECT s.srvname, (SELECT o.option_value FROM pg_options_to_table(s.srvoptions) o WHERE o.option_name = 'url')
        FROM pg_foreign_server s JOIN pg_foreign_data_wrapper w ON w.oid = s.srvfdw
        WHERE w.fdwname = 'training_workflow_labelstudio'
          AND (server IS NULL OR s.srvname = @extschema@.tw_labelstudio_server(server))
        ORDER BY s.srvname
    LOOP
        IF NOT is_copy THEN
            SELECT a.reachable, a.version, a.account, a.token_kind, a.problem INTO reachable, version, account, token_kind, problem
            FROM @extschema@.tw_labelstudio_ask(server_name) a;
        END IF;
        SELECT s.* INTO projects, last_push_at, last_pull_at, open_tasks, uncertain_tasks, unusable_tasks, last_error, last_error_at
        FROM @extschema@.tw_labelstudio_stand(server_name) s;
        lag := clock_timestamp() - last_pull_at;
        backlog := @extschema@.tw_labelstudio_backlog(server_name);
        state := CASE WHEN is_copy THEN 'restored copy' WHEN NOT reachable THEN 'unreachable' WHEN problem IS NOT NULL THEN 'refused'
                      WHEN projects IS NULL THEN 'no project' WHEN last_error IS NOT NULL THEN 'failing' ELSE 'ok' END;
        advice := CASE
            WHEN is_copy THEN 'This database is a restored copy and talks to nobody. If it takes over: SELECT adopt_installation();'
            WHEN problem IS NOT NULL THEN problem
            WHEN projects IS NULL THEN 'SELECT labelstudio_create_project(''a title'');'
            WHEN last_error IS NOT NULL THEN 'The last run failed: see last_error and job_runs. The next one goes on where it stopped.'
            WHEN last_pull_at IS NULL OR lag > '1 hour' THEN 'Nobody has pulled for a while: CALL labelstudio_sync(), or schedule it.'
            WHEN unusable_tasks > 0 THEN 'Some annotations are no verdicts, or tasks were refused: see error_message in labelstudio_tasks '
                'where status is unusable or refused; their conversations wait again.'
            END;
        RETURN NEXT;
    END LOOP;
    IF server_name IS NULL THEN
        -- Says that there is no server, and how to make one.
        PERFORM @extschema@.tw_labelstudio_server(server);
    END IF;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.labelstudio_check(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.labelstudio_check(text) IS
    'How things stand with a Label Studio server, or with each: whether it answers (state: ok, failing, no project, refused, unreachable, '
    'restored copy), its version, our account and kind of token, the projects, when pushes and pulls last went through (the oldest of '
    'its projects), how long ago verdicts were last pulled (lag), tasks that wait there (open), whose import is not settled (uncertain), '
    'that need a look (unusable), conversations that wait here (backlog), the last error, and what to do (advice; NULL when all is well). '
    'Raises 42704 where there is no such server';
-- Objects in S3: what C does with them, and s3_check(). Nobody but the owner calls the functions that begin with tw_s3_:
-- whoever could would act over there with the owner's key.

CREATE FUNCTION @extschema@.tw_s3_location(server text, key text) RETURNS text
    LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
    AS 'training_workflow_remote', 'tw_s3_location_sql';
REVOKE ALL ON FUNCTION @extschema@.tw_s3_location(text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_s3_location(text, text) IS
    'Where the object of this key is, s3://bucket/...: keys are below the server''s prefix; a location in its bucket stands for itself. '
    'Raises 22023 for what cannot be a key';

CREATE FUNCTION @extschema@.tw_s3_put(server text, key text, data bytea, only_new boolean DEFAULT false, OUT location text, OUT byte_count bigint, OUT sha256 text)
    LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
    AS 'training_workflow_remote', 'tw_s3_put_sql';
REVOKE ALL ON FUNCTION @extschema@.tw_s3_put(text, text, bytea, boolean) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_s3_put(text, text, bytea, boolean) IS
    'Stores bytes as an object and reads it back; only_new: unless another is there (42710). Raises 28000 where the store refuses our key, 42704 where there is no bucket, 53000 or '
    '53100 where it has no room, 08001 and 08006 where it cannot be reached, 08P01 for other refusals, XX001 where other bytes come back';

CREATE FUNCTION @extschema@.tw_s3_put_file(server text, key text, path text, byte_count bigint, sha256 text, only_new boolean DEFAULT false) RETURNS text
    LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
    AS 'training_workflow_remote', 'tw_s3_put_file_sql';
REVOKE ALL ON FUNCTION @extschema@.tw_s3_put_file(text, text, text, bigint, text, boolean) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_s3_put_file(text, text, text, bigint, text, boolean) IS
    'Stores a file of the server as an object, as tw_s3_put() does, and returns its location. Raises 22023 for a file of another length, 54000 above 5 GB';

CREATE FUNCTION @extschema@.tw_s3_get(server text, key text, sha256 text) RETURNS bytea
    LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
    AS 'training_workflow_remote', 'tw_s3_get_sql';
REVOKE ALL ON FUNCTION @extschema@.tw_s3_get(text, text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_s3_get(text, text, text) IS
    'The bytes of an object, which have to have this SHA-256, else XX001; errors as with tw_s3_put()';

CREATE FUNCTION @extschema@.tw_s3_read(server text, key text, OUT byte_count bigint, OUT sha256 text)
    LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
    AS 'training_workflow_remote', 'tw_s3_read_sql';
REVOKE ALL ON FUNCTION @extschema@.tw_s3_read(text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_s3_read(text, text) IS
    'Reads an object to its end, and says how long it is and what its SHA-256 is; errors as with tw_s3_put()';

CREATE FUNCTION @extschema@.tw_s3_head(server text, key text, OUT is_there boolean, OUT byte_count bigint, OUT sha256 text)
    LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
    AS 'training_workflow_remote', 'tw_s3_head_sql';
REVOKE ALL ON FUNCTION @extschema@.tw_s3_head(text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_s3_head(text, text) IS
    'Whether there is such an object, and what it says of itself; sha256 is NULL where it was not stored by us';

CREATE FUNCTION @extschema@.tw_s3_delete(server text, key text) RETURNS void
    LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
    AS 'training_workflow_remote', 'tw_s3_delete_sql';
REVOKE ALL ON FUNCTION @extschema@.tw_s3_delete(text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_s3_delete(text, text) IS
    'Deletes an object, if it is there';

CREATE FUNCTION @extschema@.tw_s3_ask(server text, method text, key text, data bytea, OUT status integer, OUT code text, OUT problem text,
    OUT server_time timestamptz, OUT body bytea)
    LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
    AS 'training_workflow_remote', 'tw_s3_ask_sql';
REVOKE ALL ON FUNCTION @extschema@.tw_s3_ask(text, text, text, bytea) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_s3_ask(text, text, text, bytea) IS
    'One request (PUT, GET, DELETE) and how it ended: a refusal is no error here';

CREATE FUNCTION @extschema@.tw_s3_servers() RETURNS text[]
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
RETURN @extschema@.tw_endpoint_servers('training_workflow_s3');
REVOKE ALL ON FUNCTION @extschema@.tw_s3_servers() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_s3_servers() IS 'The names of all S3 servers';

CREATE FUNCTION @extschema@.tw_s3_server(server text) RETURNS text
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
RETURN @extschema@.tw_endpoint_server('training_workflow_s3', server, 'S3',
    'CREATE SERVER store FOREIGN DATA WRAPPER training_workflow_s3 OPTIONS (endpoint ''https://...'', bucket ''...''); '
    'and CREATE USER MAPPING FOR PUBLIC SERVER store OPTIONS (access_key_id ''...'', secret_access_key_file ''/...'');');
REVOKE ALL ON FUNCTION @extschema@.tw_s3_server(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_s3_server(text) IS
    'The S3 server of this name, or the only one when it is NULL; 42704 where there is none, 42P08 where a name is needed';

CREATE FUNCTION @extschema@.tw_s3_option(server text, option text) RETURNS text
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
RETURN (SELECT o.option_value FROM pg_foreign_server s, pg_options_to_table(s.srvoptions) o WHERE s.srvname = server AND o.option_name = option);
REVOKE ALL ON FUNCTION @extschema@.tw_s3_option(text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_s3_option(text, text) IS 'An option of a foreign server';

CREATE FUNCTION @extschema@.tw_s3_probe(server text, OUT state text, OUT tried text, OUT clock_difference interval, OUT problem text)
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    -- Of this session alone: two checks at once must not meet.
    key CONSTANT text := format('.training_workflow_check.%s', pg_backend_pid());
    probe CONSTANT bytea := convert_to(format('training_workflow was here: %s', clock_timestamp()), 'UTF8');
    asked record;
    hint text;
    detail text;
BEGIN
    tried := 'put';
    SELECT * INTO asked FROM @extschema@.tw_s3_ask(server, 'PUT', key, probe);
    -- That header has whole seconds.
    clock_difference := date_trunc('second', asked.server_time - clock_timestamp() + interval '0.5 seconds');
    problem := asked.problem;
    IF asked.status NOT BETWEEN 200 AND 299 THEN
        state := CASE
            WHEN asked.code = 'RequestTimeTooSkewed' OR asked.status IN (400, 403) AND abs(extract(epoch FROM clock_difference)) > 900 THEN 'clock skew'
            WHEN asked.code = 'NoSuchBucket' OR asked.code IS NULL AND asked.status = 404 THEN 'no bucket'
            WHEN asked.status >= 500 THEN 'failing' ELSE 'refused' END;
        IF asked.code = 'AccessDenied' AND state = 'refused' THEN
            tried := 'put, read';
            SELECT * INTO asked FROM @extschema@.tw_s3_ask(server, 'GET', key, '');
            IF asked.status = 200 OR asked.code = 'NoSuchKey' THEN
                state := 'read only';
            END IF;
        END IF;
        RETURN;
    END IF;
    tried := 'put, read';
    SELECT * INTO asked FROM @extschema@.tw_s3_ask(server, 'GET', key, '');
    IF asked.body IS DISTINCT FROM probe THEN
        state := CASE WHEN asked.status = 200 OR asked.status >= 500 THEN 'failing' ELSE 'refused' END;
        problem := coalesce(asked.problem, 'What was put came back as something else: is there a cache before the store?');
        RETURN;
    END IF;
    tried := 'put, read, look for another';
    SELECT * INTO asked FROM @extschema@.tw_s3_ask(server, 'GET', key || '.none', '');
    IF asked.status <> 404 THEN
        state := CASE WHEN asked.status >= 500 THEN 'failing' ELSE 'refused' END;
        problem := concat_ws(' ', asked.problem, 'Without s3:ListBucket on the bucket, what is not there looks as if it were forbidden.');
        RETURN;
    END IF;
    tried := 'put, read, look for another, delete';
    SELECT * INTO asked FROM @extschema@.tw_s3_ask(server, 'DELETE', key, '');
    state := 'ok';
    IF asked.status NOT BETWEEN 200 AND 299 THEN
        tried := format('put, read, look for another, delete (refused: %s stays)', key);
    END IF;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS problem = MESSAGE_TEXT, hint = PG_EXCEPTION_HINT, detail = PG_EXCEPTION_DETAIL;
    state := CASE WHEN SQLSTATE LIKE '08%' THEN 'unreachable' ELSE 'not configured' END;
    problem := concat_ws(' ', problem || '.', nullif(detail, ''), nullif(hint, ''));
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_s3_probe(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_s3_probe(text) IS 'Puts a small object, reads it, looks for one that is not there, deletes the first, and says how far that went';

CREATE FUNCTION @extschema@.s3_check(
    server text DEFAULT NULL,
    OUT server_name text, OUT endpoint text, OUT bucket text, OUT prefix text, OUT state text, OUT tried text, OUT clock_difference interval,
    OUT waiting_models bigint, OUT last_error text, OUT advice text)
    RETURNS SETOF record
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    problem text;
    artifacts record;
    is_copy boolean := @extschema@.tw_is_restored_copy();
BEGIN
    IF server IS NOT NULL OR @extschema@.tw_s3_servers() = '{}' THEN
        PERFORM @extschema@.tw_s3_server(server);
    END IF;
    SELECT * INTO artifacts FROM @extschema@.tw_artifact_server();
    FOREACH server_name IN ARRAY @extschema@.tw_s3_servers() LOOP
        CONTINUE WHEN server_name <> server;
        endpoint := @extschema@.tw_s3_option(server_name, 'endpoint');
        bucket := @extschema@.tw_s3_option(server_name, 'bucket');
        prefix := @extschema@.tw_s3_option(server_name, 'prefix');
        state := 'restored copy';
        IF NOT is_copy THEN
            SELECT p.state, p.tried, p.clock_difference, p.problem INTO state, tried, clock_difference, problem
            FROM @extschema@.tw_s3_probe(server_name) p;
        END IF;
        waiting_models := NULL;
        last_error := NULL;
        IF artifacts.server = server_name THEN
            waiting_models := (SELECT count(*) FROM @extschema@.tw_unstored_versions());
            last_error := (SELECT m.artifact_error FROM @extschema@.model_versions m WHERE m.artifact_error IS NOT NULL
                           ORDER BY m.created_at DESC, m.version DESC LIMIT 1);
        END IF;
        advice := CASE
            WHEN is_copy THEN 'This database is a restored copy and talks to nobody. If it takes over: SELECT adopt_installation();'
            WHEN problem IS NOT NULL THEN problem
            WHEN artifacts.problem IS NOT NULL THEN artifacts.problem
            WHEN abs(extract(epoch FROM clock_difference)) > 300 THEN 'The clocks differ: from 15 minutes on the store will refuse every request. Set them, best by NTP.'
            WHEN waiting_models > 0 THEN 'CALL store_model_artifacts(); or run_training_jobs(), which does so, too: models wait to be stored.'
            END;
        RETURN NEXT;
    END LOOP;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.s3_check(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.s3_check(text) IS
    'How things stand with an S3 server, or with each: puts a small object <prefix>/.training_workflow_check.<pid>, reads and deletes it (tried) and '
    'tells how that went (state: ok, read only, refused, no bucket, clock skew, failing, unreachable, not configured, restored copy), how far '
    'its clock is ahead of ours (clock_difference), how many models wait to be stored there and the last error of storing one, and what to do '
    '(advice; NULL when all is well). Raises 42704 where there is no such server';
-- Models in the object store: each version that the gate has not rejected is stored before it can go live, and can be fetched back.

CREATE FUNCTION @extschema@.tw_artifact_server(OUT is_wanted boolean, OUT server text, OUT problem text)
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    setting CONSTANT text := @extschema@.training_setting('artifact_server');
    servers CONSTANT text[] := @extschema@.tw_s3_servers();
BEGIN
    is_wanted := setting <> 'none' AND (setting <> 'auto' OR cardinality(servers) > 0);
    IF NOT is_wanted THEN
        RETURN;
    ELSIF setting = ANY (servers) THEN
        server := setting;
    ELSIF setting <> 'auto' THEN
        problem := format('The training setting artifact_server names "%s", which is no S3 server.', setting);
    ELSIF cardinality(servers) = 1 THEN
        server := servers[1];
    ELSE
        problem := format('There are several S3 servers: name the one for models, as in SELECT set_training_setting(''artifact_server'', %L);', servers[1]);
    END IF;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_artifact_server() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_artifact_server() IS
    'Whether models have to be in an object store before they go live, and which server that is; problem says why none can be told';

CREATE FUNCTION @extschema@.tw_can_be_verified(location text) RETURNS boolean
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
RETURN (SELECT coalesce(starts_with(location, format('s3://%s/%s', @extschema@.tw_s3_option(a.server, 'bucket'),
                                                 regexp_replace(@extschema@.tw_s3_option(a.server, 'prefix'), '/*$', '/'))), false)
        FROM @extschema@.tw_artifact_server() a);
REVOKE ALL ON FUNCTION @extschema@.tw_can_be_verified(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_can_be_verified(text) IS 'Whether a model that somebody else stored lies where we can look: in the bucket, and below the prefix, of the store for models';

CREATE FUNCTION @extschema@.tw_is_stored(version text) RETURNS boolean
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
RETURN NOT (@extschema@.tw_artifact_server()).is_wanted
       OR EXISTS (SELECT FROM @extschema@.model_versions m WHERE m.version = tw_is_stored.version AND m.artifact_stored_at IS NOT NULL
                  AND @extschema@.tw_can_be_verified(m.minio_path));
REVOKE ALL ON FUNCTION @extschema@.tw_is_stored(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_is_stored(text) IS 'Whether a version may go live as far as the object store is concerned: its artifact was verified there, or there is no store';

CREATE FUNCTION @extschema@.tw_require_stored(version text) RETURNS void
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    m @extschema@.model_versions;
BEGIN
    IF @extschema@.tw_is_stored(version) THEN
        RETURN;
    END IF;
    SELECT * INTO m FROM @extschema@.model_versions x WHERE x.version = tw_require_stored.version;
    RAISE EXCEPTION USING
        ERRCODE = 'object_not_in_prerequisite_state',
        MESSAGE = format('the artifact of model "%s" is not in the object store', version),
        DETAIL = CASE WHEN EXISTS (SELECT FROM @extschema@.model_artifacts a WHERE a.version = m.version) OR @extschema@.tw_can_be_verified(m.minio_path)
                      THEN coalesce(m.artifact_error, 'It was not tried yet.')
                      WHEN m.minio_path IS NULL THEN 'It was registered with neither an artifact nor a minio_path.'
                      ELSE format('%s is not below the prefix of the store for models, where it could be verified.', m.minio_path) END,
        HINT = 'CALL store_model_artifacts(); then try again. Where models need not be stored: SELECT set_training_setting(''artifact_server'', ''none'');';
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_require_stored(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_require_stored(text) IS 'Refuses, with 55000, a version that may not go live before its artifact is stored';

CREATE FUNCTION @extschema@.tw_unstored_versions() RETURNS SETOF @extschema@.model_versions
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    -- A candidate that the gate left undecided is among them: a person may still promote it. The newest comes first and goes live.
    SELECT m.* FROM @extschema@.model_versions m
    -- Another store may be the one for models by now.
    WHERE m.status IN ('candidate', 'canary', 'production') AND (m.artifact_stored_at IS NULL
           OR (@extschema@.tw_artifact_server()).server IS NOT NULL AND NOT @extschema@.tw_can_be_verified(m.minio_path))
      AND (EXISTS (SELECT FROM @extschema@.model_artifacts a WHERE a.version = m.version) OR @extschema@.tw_can_be_verified(m.minio_path))
    ORDER BY m.created_at DESC, string_to_array(regexp_replace(m.version, '^.*-v', ''), '.')::numeric[] DESC;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_unstored_versions() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_unstored_versions() IS 'Candidates and live versions whose artifact is yet to be verified in the store';

CREATE FUNCTION @extschema@.tw_artifacts_wait() RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
RETURN (@extschema@.tw_artifact_server()).is_wanted AND EXISTS (SELECT FROM @extschema@.tw_unstored_versions());
REVOKE ALL ON FUNCTION @extschema@.tw_artifacts_wait() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_artifacts_wait() IS 'Whether store_model_artifacts() has something to do';

CREATE FUNCTION @extschema@.tw_artifact_manifest(version text) RETURNS text
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT jsonb_pretty(jsonb_build_object(
        'version', m.version, 'model_type', m.model_type, 'format', a.format, 'sha256', a.sha256, 'size_bytes', a.size_bytes,
        'created_at', to_char(m.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
        'extension_version', (SELECT e.extversion FROM pg_extension e WHERE e.extname = 'training_workflow'),
        'base_version', m.base_version, 'training_samples', m.training_samples, 'training_seconds', m.training_seconds,
        'gate_decision', m.gate_decision, 'gate_reason', m.gate_reason,
        'metrics', jsonb_build_object(
            'training_accuracy', m.training_accuracy, 'test_accuracy', m.test_accuracy, 'test_accuracy_lower', m.test_accuracy_lower,
            'test_accuracy_upper', m.test_accuracy_upper, 'test_samples', m.test_samples, 'macro_f1', m.macro_f1,
            'calibration_error', m.calibration_error, 'base_accuracy', m.base_accuracy, 'mcnemar_p', m.mcnemar_p))) || E'\n'
    FROM @extschema@.model_versions m JOIN @extschema@.model_artifacts a ON a.version = m.version
    WHERE m.version = tw_artifact_manifest.version;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_artifact_manifest(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_artifact_manifest(text) IS 'What lies beside an artifact in the store, as JSON: what it is, what it learned from, how good it is';

CREATE FUNCTION @extschema@.tw_upload_artifact(server text, artifact @extschema@.model_artifacts, model_type text, OUT location text, OUT sha256 text)
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    folder CONSTANT text := format('%s/%s', model_type, artifact.version);
    there record;
BEGIN
    IF artifact.sha256 <> encode(sha256(artifact.bytes), 'hex') THEN
        RAISE EXCEPTION USING
            ERRCODE = 'data_corrupted',
            MESSAGE = format('the artifact of model "%s" is damaged', artifact.version),
            HINT = 'Restore its row of model_artifacts from a backup, or train again.';
    END IF;
    SELECT * INTO there FROM @extschema@.tw_s3_head(server, folder || '/model.bin');
    IF there.is_there AND there.sha256 IS NULL THEN
        -- What it says of itself is lost when a bucket is restored by other tools.
        there.sha256 := (@extschema@.tw_s3_read(server, folder || '/model.bin')).sha256;
    END IF;
    IF there.is_there AND there.sha256 IS DISTINCT FROM artifact.sha256 THEN
        RAISE EXCEPTION USING
            ERRCODE = 'duplicate_object',
            MESSAGE = format('object store "%s" has another %s/model.bin already', server, folder),
            DETAIL = format('Ours has the SHA-256 %s, that one %s.', artifact.sha256, there.sha256),
            HINT = 'Another database stores its models in this place: give each a prefix of its own (ALTER SERVER), or move that object away.';
    END IF;
    SELECT p.location, p.sha256 INTO location, sha256 FROM @extschema@.tw_s3_put(server, folder || '/model.bin', artifact.bytes, true) p;
    PERFORM @extschema@.tw_s3_put(server, folder || '/manifest.json', convert_to(@extschema@.tw_artifact_manifest(artifact.version), 'UTF8'));
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_upload_artifact(text, @extschema@.model_artifacts, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_upload_artifact(text, @extschema@.model_artifacts, text) IS
    'Stores an artifact and its manifest below <prefix>/<model_type>/<version>, verified by reading them back. Raises 42710 where another is '
    'there, XX001 for a damaged one, and as tw_s3_put() does';

CREATE FUNCTION @extschema@.tw_verify_artifact(server text, claimed text, OUT location text, OUT sha256 text)
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    said text := (@extschema@.tw_s3_head(server, claimed)).sha256;
BEGIN
    location := claimed;
    sha256 := (@extschema@.tw_s3_read(server, claimed)).sha256;
    IF said <> sha256 THEN
        RAISE EXCEPTION USING
            ERRCODE = 'data_corrupted',
            MESSAGE = format('%s in store "%s" was changed or is damaged', claimed, server),
            DETAIL = format('It has the SHA-256 %s and says %s.', sha256, said);
    END IF;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_verify_artifact(text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_verify_artifact(text, text) IS
    'Reads the object of a model that somebody else stored, and returns its checksum; XX001 where that is not what the object says of itself';

CREATE FUNCTION @extschema@.tw_go_live_when_stored(version text) RETURNS boolean
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    m @extschema@.model_versions;
BEGIN
    SELECT * INTO STRICT m FROM @extschema@.model_versions x WHERE x.version = tw_go_live_when_stored.version;
    -- What the gate would have done, had it been stored by then.
    IF m.status <> 'candidate' OR m.gate_decision IS DISTINCT FROM 'passed' OR m.base_version IS NOT NULL
       OR @extschema@.training_setting('auto_deploy') <> 'on'
       OR EXISTS (SELECT FROM @extschema@.model_versions o WHERE o.model_type = m.model_type AND o.status IN ('production', 'canary')) THEN
        RETURN false;
    END IF;
    PERFORM @extschema@.tw_make_live(version, 'the first of its type, it passed the gate, and its artifact is stored: ' || split_part(m.gate_reason, ';', 1));
    RETURN true;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_go_live_when_stored(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_go_live_when_stored(text) IS 'Makes the first version of a type live that passed the gate and waited for the store; returns whether it did';

CREATE FUNCTION @extschema@.tw_store_begin() RETURNS bigint
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    run bigint;
BEGIN
    IF NOT @extschema@.tw_artifacts_wait() THEN
        RETURN NULL;
    END IF;
    IF NOT @extschema@.tw_may_act() THEN
        RAISE WARNING USING
            MESSAGE = 'store_model_artifacts did nothing: this database is a restored copy',
            HINT = 'If it takes over, or its servers are now others (ALTER SERVER), run SELECT adopt_installation();';
        RETURN NULL;
    END IF;
    run := @extschema@.tw_begin_run('store_model_artifacts');
    IF run IS NULL THEN
        RAISE NOTICE 'store_model_artifacts did nothing: another session is at it';
    END IF;
    RETURN run;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_store_begin() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_store_begin() IS
    'Begins a run of store_model_artifacts(); NULL where there is nothing to store, another session is at it, or on a restored copy';

CREATE FUNCTION @extschema@.tw_note_stored(which text, at_location text, with_sha256 text) RETURNS boolean
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    PERFORM @extschema@.tw_lock_registry();
    UPDATE @extschema@.model_versions m
    SET minio_path = at_location, artifact_sha256 = with_sha256, artifact_stored_at = clock_timestamp(), artifact_error = NULL
    WHERE m.version = which;
    RETURN @extschema@.tw_go_live_when_stored(which);
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_note_stored(text, text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_note_stored(text, text, text) IS 'Writes down where a version lies, verified, and makes it live if it waited for that; returns whether it did';

CREATE FUNCTION @extschema@.tw_note_not_stored(run bigint, which text, tried text[], code text, message text) RETURNS boolean
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    -- The others would only wait for the same.
    is_over CONSTANT boolean := which IS NULL OR left(code, 2) IN ('08', '53');
BEGIN
    PERFORM @extschema@.tw_lock_registry();
    UPDATE @extschema@.model_versions m SET artifact_error = message
    FROM @extschema@.tw_unstored_versions() u
    WHERE u.version = m.version AND m.artifact_stored_at IS NULL AND (u.version = which OR is_over AND u.version <> ALL (tried));
    PERFORM @extschema@.tw_fail_run(run, code, message);
    RAISE WARNING '%', message USING ERRCODE = code;
    RETURN NOT is_over;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_note_not_stored(bigint, text, text[], text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_note_not_stored(bigint, text, text[], text, text) IS
    'Writes down why a version, or each that is left, could not be stored, and returns whether it makes sense to go on with the next';

CREATE FUNCTION @extschema@.tw_store_step(run bigint, tried text[], OUT version text, OUT goes_on boolean)
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    store record;
    m @extschema@.model_versions;
    artifact @extschema@.model_artifacts;
    at_location text;
    with_sha256 text;
    code text;
    message text;
    detail text;
    hint text;
BEGIN
    PERFORM @extschema@.tw_require_run(run);
    SELECT * INTO store FROM @extschema@.tw_artifact_server();
    IF store.problem IS NOT NULL THEN
        PERFORM @extschema@.tw_note_not_stored(run, NULL, tried, '55000', store.problem);
        RETURN;
    END IF;
    SELECT * INTO m FROM @extschema@.tw_unstored_versions() u WHERE u.version <> ALL (tried) AND store.is_wanted LIMIT 1;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    version := m.version;
    -- Nothing is locked while the store is talked to.
    BEGIN
        SELECT * INTO artifact FROM @extschema@.model_artifacts a WHERE a.version = m.version;
        IF FOUND THEN
            SELECT u.location, u.sha256 INTO at_location, with_sha256 FROM @extschema@.tw_upload_artifact(store.server, artifact, m.model_type) u;
        ELSE
            SELECT v.location, v.sha256 INTO at_location, with_sha256 FROM @extschema@.tw_verify_artifact(store.server, m.minio_path) v;
        END IF;
    EXCEPTION WHEN OTHERS THEN
        GET STACKED DIAGNOSTICS code = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
        message := concat_ws('. ', message, nullif(rtrim(detail, '.'), ''), nullif(hint, ''));
    END;
    IF code IS NOT NULL THEN
        goes_on := @extschema@.tw_note_not_stored(run, version, tried, code, message);
        RETURN;
    END IF;
    PERFORM @extschema@.tw_note_run(run, version, jsonb_build_object(
        'stored', 1, 'live', @extschema@.tw_note_stored(version, at_location, with_sha256)::integer));
    goes_on := true;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_store_step(bigint, text[]) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_store_step(bigint, text[]) IS
    'Stores the next version that waits and was not tried, with its errors written down instead of raised; version is NULL when there is none. '
    'Raises 55000 when it is not called by the run''s own session';

-- No SET and no SECURITY DEFINER: a procedure with either cannot COMMIT. So every name in it is qualified.
CREATE PROCEDURE @extschema@.store_model_artifacts()
    LANGUAGE plpgsql
AS $procedure$
DECLARE
    run bigint;
    tried pg_catalog.text[] := '{}';
    version pg_catalog.text;
    goes_on boolean;
BEGIN
    IF pg_catalog.pg_is_in_recovery() THEN
        RETURN;
    END IF;
    run := @extschema@.tw_store_begin();
    COMMIT;
    IF run IS NULL THEN
        RETURN;
    END IF;
    LOOP
        SELECT s.version, s.goes_on INTO version, goes_on FROM @extschema@.tw_store_step(run, tried) s;
        COMMIT;
        EXIT WHEN version IS NULL OR NOT goes_on;
        tried := pg_catalog.array_append(tried, version);
    END LOOP;
    PERFORM @extschema@.tw_end_run(run);
    COMMIT;
END
$procedure$;
REVOKE ALL ON PROCEDURE @extschema@.store_model_artifacts() FROM PUBLIC;
COMMENT ON PROCEDURE @extschema@.store_model_artifacts() IS
    'Stores the artifacts of all candidates and live versions that are not in the object store yet, each with a manifest, and reads them back; '
    'of models that lie there already, it reads the object. Sets minio_path, artifact_sha256 and artifact_stored_at of those that were '
    'verified, artifact_error of the others. The first version of a type that passed the gate then goes live while auto_deploy is on. '
    'Commits as it goes, so it cannot run inside a transaction; does nothing without an S3 server, or on a standby';

CREATE FUNCTION @extschema@.tw_server_of_artifact(location text) RETURNS text
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    wanted CONSTANT text := substring(location FROM '^s3://([^/]+)/');
    found text := (SELECT s.name FROM unnest(@extschema@.tw_s3_servers()) AS s (name)
                   WHERE @extschema@.tw_s3_option(s.name, 'bucket') = wanted
                   ORDER BY s.name IS DISTINCT FROM (@extschema@.tw_artifact_server()).server, s.name LIMIT 1);
BEGIN
    IF found IS NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('no S3 server has the bucket of %s', location),
            HINT = format('CREATE SERVER ... FOREIGN DATA WRAPPER training_workflow_s3 OPTIONS (endpoint ''...'', bucket %L);', wanted);
    END IF;
    RETURN found;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_server_of_artifact(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_server_of_artifact(text) IS 'The S3 server that has the bucket of a location, 55000 where there is none';

CREATE FUNCTION @extschema@.fetch_model_artifact(version text, OUT restored boolean, OUT size_bytes bigint, OUT sha256 text)
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    m @extschema@.model_versions;
    fetched bytea;
BEGIN
    PERFORM @extschema@.tw_require_version(version);
    SELECT * INTO m FROM @extschema@.model_versions x WHERE x.version = fetch_model_artifact.version;
    IF m.artifact_stored_at IS NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('the artifact of model "%s" is not in the object store', version),
            DETAIL = coalesce(m.artifact_error, 'It was not tried yet.'),
            HINT = 'CALL store_model_artifacts() stores those of candidates and live versions.';
    END IF;
    sha256 := m.artifact_sha256;
    size_bytes := (SELECT octet_length(a.bytes) FROM @extschema@.model_artifacts a
                   WHERE a.version = m.version AND a.sha256 = m.artifact_sha256 AND encode(sha256(a.bytes), 'hex') = m.artifact_sha256
                     AND a.size_bytes = octet_length(a.bytes));
    restored := size_bytes IS NULL;
    IF NOT restored THEN
        RETURN;
    END IF;
    PERFORM @extschema@.tw_require_acting();
    fetched := @extschema@.tw_s3_get(@extschema@.tw_server_of_artifact(m.minio_path), m.minio_path, m.artifact_sha256);
    size_bytes := octet_length(fetched);
    INSERT INTO @extschema@.model_artifacts AS a (version, format, sha256, size_bytes, bytes)
    VALUES (m.version, @extschema@.tw_artifact_format(fetched), m.artifact_sha256, octet_length(fetched), fetched)
    ON CONFLICT ON CONSTRAINT model_artifacts_pkey DO UPDATE
    SET format = excluded.format, sha256 = excluded.sha256, size_bytes = excluded.size_bytes, bytes = excluded.bytes;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.fetch_model_artifact(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.fetch_model_artifact(text) IS
    'Fetches the artifact of a version from the object store where its row of model_artifacts is missing or damaged (restored), with the '
    'checksum of the time when it was stored. Raises 42704 for an unknown version, 55000 for one that is not stored, XX001 where the object '
    'is not what was stored, and what the store answers as s3_check() explains it';
-- CALL export_training_samples_to_s3(): an export as an object of a store, which is there as a whole, verified, or not at all.

CREATE FUNCTION @extschema@.tw_begin_s3_export(key text, filter jsonb, format text, overwrite boolean, server text)
    RETURNS bigint
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    store text;
BEGIN
    PERFORM @extschema@.tw_require_acting();
    IF key IS NULL OR overwrite IS NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'null_value_not_allowed',
            MESSAGE = format('%s must not be NULL', CASE WHEN key IS NULL THEN 'key' ELSE 'overwrite' END);
    END IF;
    IF key LIKE 's3://%' OR key ~ '^[^/]+/[^/]+-v[0-9]+[.][0-9]+[.][0-9]+/' THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('"%s" cannot be the key of an export', key),
            DETAIL = CASE WHEN key LIKE 's3://%' THEN 'Keys are below the server''s prefix.' ELSE 'Models are stored there.' END,
            HINT = 'For example ''exports/samples.jsonl''.';
    END IF;
    store := @extschema@.tw_s3_server(server);
    RETURN @extschema@.tw_begin_export(filter || jsonb_build_object('overwrite', overwrite, 'server', store), format,
                                       @extschema@.tw_s3_location(store, key));
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_begin_s3_export(text, jsonb, text, boolean, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_begin_s3_export(text, jsonb, text, boolean, text) IS
    'First transaction of export_training_samples_to_s3(): refuses what cannot be done, else returns the id of a running row';

CREATE FUNCTION @extschema@.tw_put_export(job @extschema@.training_export_jobs, OUT row_count bigint, OUT byte_count bigint, OUT sha256 text)
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    server CONSTANT text := job.filter ->> 'server';
    written record;
BEGIN
    IF NOT (job.filter ->> 'overwrite')::boolean AND (@extschema@.tw_s3_head(server, job.location)).is_there THEN
        RAISE EXCEPTION USING
            ERRCODE = 'duplicate_object',
            MESSAGE = format('%s exists already', job.location),
            HINT = 'Choose another key, or pass overwrite => true.';
    END IF;
    SELECT * INTO STRICT written FROM @extschema@.tw_export_to_temporary(job.filter, job.format);
    PERFORM @extschema@.tw_s3_put_file(server, job.location, written.path, written.byte_count, written.sha256, NOT (job.filter ->> 'overwrite')::boolean);
    row_count := written.row_count;
    byte_count := written.byte_count;
    sha256 := written.sha256;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_put_export(@extschema@.training_export_jobs) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_put_export(@extschema@.training_export_jobs) IS
    'Writes an export to a temporary file, stores that and reads it back. Raises 42710 for an object that is there, and as tw_s3_put_file() does';

CREATE FUNCTION @extschema@.tw_run_s3_export(export_id bigint, OUT error_code text, OUT error_message text, OUT error_detail text, OUT error_hint text)
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    job @extschema@.training_export_jobs;
    stored record;
BEGIN
    job := @extschema@.tw_require_export(export_id, true);
    BEGIN
        SELECT * INTO STRICT stored FROM @extschema@.tw_put_export(job);
    -- OTHERS are all but a cancel, of which the row shall tell as well.
    EXCEPTION WHEN OTHERS OR query_canceled THEN
        GET STACKED DIAGNOSTICS error_code = RETURNED_SQLSTATE, error_message = MESSAGE_TEXT, error_detail = PG_EXCEPTION_DETAIL, error_hint = PG_EXCEPTION_HINT;
        IF left(error_code, 2) IN ('08', '57') AND error_code <> '08001' THEN
            error_detail := concat_ws(' ', nullif(error_detail, ''), 'The object may be there all the same: overwrite => true replaces it.');
        END IF;
        PERFORM @extschema@.tw_end_export(export_id, NULL, NULL, NULL, concat_ws('. ', error_message, nullif(error_detail, '')));
        RETURN;
    END;
    PERFORM @extschema@.tw_end_export(export_id, stored.row_count, stored.byte_count, stored.sha256);
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_run_s3_export(bigint) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_run_s3_export(bigint) IS
    'Second transaction of export_training_samples_to_s3(): stores the object and ends the row; returns the error that it met, if any. No row is locked meanwhile';

-- No SET and no SECURITY DEFINER: a procedure with either cannot COMMIT. So every name in it is qualified.
CREATE PROCEDURE @extschema@.export_training_samples_to_s3(
    key text, review_status text DEFAULT 'approved', languages text[] DEFAULT NULL, module_types text[] DEFAULT NULL,
    sources text[] DEFAULT NULL, since timestamptz DEFAULT NULL, "limit" bigint DEFAULT NULL, format text DEFAULT 'jsonl',
    include_split text DEFAULT 'train', overwrite boolean DEFAULT false, server text DEFAULT NULL)
    LANGUAGE plpgsql
AS $procedure$
DECLARE
    export_id bigint;
    code text;
    message text;
    detail text;
    hint text;
BEGIN
    export_id := @extschema@.tw_begin_s3_export(key,
        @extschema@.tw_export_filter(review_status, languages, module_types, sources, since, "limit", format, include_split),
        format, overwrite, server);
    COMMIT;
    SELECT r.error_code, r.error_message, r.error_detail, r.error_hint INTO code, message, detail, hint FROM @extschema@.tw_run_s3_export(export_id) r;
    COMMIT;
    -- It is written down: an error now takes nothing back.
    IF code IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = code,
            MESSAGE = message,
            DETAIL = pg_catalog.concat_ws(' ', nullif(detail, ''), pg_catalog.format('This is export %s of training_export_jobs.', export_id)),
            HINT = coalesce(nullif(hint, ''), 'SELECT * FROM training_export_jobs shows every export.');
    END IF;
END
$procedure$;
REVOKE ALL ON PROCEDURE @extschema@.export_training_samples_to_s3(text, text, text[], text[], text[], timestamptz, bigint, text, text, boolean, text) FROM PUBLIC;
COMMENT ON PROCEDURE @extschema@.export_training_samples_to_s3(text, text, text[], text[], text[], timestamptz, bigint, text, text, boolean, text) IS
    'Stores what export_training_samples() returns as an object of an S3 server (NULL: the only one), below the server''s prefix, reads it back, and '
    'records it in training_export_jobs, failures too. Refuses (42710) an object that is there, unless overwrite. Raises 22023 for what '
    'cannot be a key, 42704 where there is no server, 55000 on a restored copy, and what the store answers as s3_check() explains it. '
    'Commits, so it cannot run inside a transaction';
-- training_queue: everything on its way to the next training run.

-- Both halves are sorted as the whole is, each along its index: the first rows come without reading the others.
-- security_barrier: a reader's own function must not be shown rows that the view leaves out.
CREATE VIEW @extschema@.training_queue WITH (security_barrier) AS
    (SELECT 'waiting for review'::text AS stage,
           c.id AS conversation_log_id, s.id AS sample_id,
           c.review_status, c.review_priority, c.review_reason,
           @extschema@.tw_sample_text(c.user_message) AS text, c.message_language AS language,
           c.nlu_intent AS intent, c.nlu_confidence AS confidence, c.nlu_provider AS provider,
           c.nlu_model_version AS model_version,
           coalesce(nullif(c.nlu_module_type, ''), @extschema@.intent_module_type(c.nlu_intent)) AS module_type,
           s.label_source, c.is_audit, c.session_id, c.created_at
    FROM @extschema@.conversation_logs c
    LEFT JOIN @extschema@.training_samples s ON s.conversation_log_id = c.id
    WHERE c.review_priority IS NOT NULL
    ORDER BY 5 NULLS LAST, 10 NULLS FIRST, 17, 2)
    UNION ALL
    -- No priority. A constant NULL would do, were it not that no index is sorted by a constant.
    (SELECT 'ready to train', s.conversation_log_id, s.id,
           'approved', nullif(s.normalizer, s.normalizer), NULL,
           s.text, s.language,
           s.intent, s.quality_score, NULL, NULL,
           s.module_type,
           s.label_source, NULL, NULL, s.created_at
    FROM @extschema@.training_samples s
    WHERE s.review_status = 'approved' AND s.model_version_target IS NULL AND s.split IS DISTINCT FROM 'test'
    ORDER BY 5 NULLS LAST, 10 NULLS FIRST, 17, 2)
    ORDER BY 5 NULLS LAST, 10 NULLS FIRST, 17, 2;
REVOKE ALL ON TABLE @extschema@.training_queue FROM PUBLIC;

COMMENT ON VIEW @extschema@.training_queue IS
    'What waits for a person, and what is approved and not yet trained on; high priority first, then least confident, then oldest';
COMMENT ON COLUMN @extschema@.training_queue.stage IS 'waiting for review, or ready to train; an audited conversation that was auto-approved is in both; so is one whose label is in conflict, which no model learns until it is settled';
COMMENT ON COLUMN @extschema@.training_queue.conversation_log_id IS 'The conversation; NULL for synthetic and manual samples';
COMMENT ON COLUMN @extschema@.training_queue.sample_id IS 'The training sample, where there is one';
COMMENT ON COLUMN @extschema@.training_queue.review_status IS 'The conversation''s while it waits (needs-review, auto-approved for an audit, ...); approved once it is ready to train';
COMMENT ON COLUMN @extschema@.training_queue.review_priority IS '1 high, 2 medium, 3 low; NULL once it is ready to train';
COMMENT ON COLUMN @extschema@.training_queue.review_reason IS 'Why a person should look';
COMMENT ON COLUMN @extschema@.training_queue.text IS 'What the user said, redacted while the setting redact is on';
COMMENT ON COLUMN @extschema@.training_queue.language IS 'Language of the text';
COMMENT ON COLUMN @extschema@.training_queue.intent IS 'The predicted intent, or the sample''s label';
COMMENT ON COLUMN @extschema@.training_queue.confidence IS 'The model''s confidence, or the sample''s quality score';
COMMENT ON COLUMN @extschema@.training_queue.provider IS 'Who predicted';
COMMENT ON COLUMN @extschema@.training_queue.model_version IS 'The model version assigned to the session';
COMMENT ON COLUMN @extschema@.training_queue.module_type IS 'The module';
COMMENT ON COLUMN @extschema@.training_queue.label_source IS 'model or human, where there is a sample';
COMMENT ON COLUMN @extschema@.training_queue.is_audit IS 'Whether it was drawn for the audit';
COMMENT ON COLUMN @extschema@.training_queue.session_id IS 'The chat session';
COMMENT ON COLUMN @extschema@.training_queue.created_at IS 'When the message came, or the sample was made';
-- daily_statistics: the figures of days that are over, so that a view over years need not count every conversation.
--
-- They are as exact as if they were counted on the spot. Whatever changes on such a day afterwards is appended to
-- daily_statistics_changes in the transaction that changes it, and whoever reads adds it up. tw_close_days() takes both into
-- the stored figures, each time in one statement: what its snapshot sees is counted and its changes are removed, what it does
-- not see keeps its changes.
--
-- None of the three tables is dumped, or filled by replication. They say nothing that conversation_logs does not; a restored copy counts on the spot until
-- the daily job has been there.

CREATE TABLE @extschema@.daily_statistics (
    date date NOT NULL,
    conversations bigint NOT NULL,
    auto_approved bigint NOT NULL,
    needs_review bigint NOT NULL,
    needs_review_high bigint NOT NULL,
    needs_review_medium bigint NOT NULL,
    needs_review_low bigint NOT NULL,
    not_applicable bigint NOT NULL,
    audited bigint NOT NULL,
    approved bigint NOT NULL,
    rejected bigint NOT NULL,
    promoted bigint NOT NULL,
    fallback_rate double precision,
    avg_latency_ms double precision,
    p50_latency_ms double precision,
    p95_latency_ms double precision,
    positive_feedback bigint NOT NULL,
    negative_feedback bigint NOT NULL,
    feedback bigint NOT NULL,
    fallback_rules text NOT NULL,
    closed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT daily_statistics_pkey PRIMARY KEY (date)
);
REVOKE ALL ON TABLE @extschema@.daily_statistics FROM PUBLIC;

COMMENT ON TABLE @extschema@.daily_statistics IS 'The figures of daily_training_stats for days that are over, as they were when they were counted; read the view, which adds what changed since. Not dumped: it is made again from conversation_logs';
COMMENT ON COLUMN @extschema@.daily_statistics.date IS 'The day';
COMMENT ON COLUMN @extschema@.daily_statistics.conversations IS 'As in daily_training_stats';
COMMENT ON COLUMN @extschema@.daily_statistics.auto_approved IS 'As in daily_training_stats';
COMMENT ON COLUMN @extschema@.daily_statistics.needs_review IS 'As in daily_training_stats';
COMMENT ON COLUMN @extschema@.daily_statistics.needs_review_high IS 'As in daily_training_stats';
COMMENT ON COLUMN @extschema@.daily_statistics.needs_review_medium IS 'As in daily_training_stats';
COMMENT ON COLUMN @extschema@.daily_statistics.needs_review_low IS 'As in daily_training_stats';
COMMENT ON COLUMN @extschema@.daily_statistics.not_applicable IS 'As in daily_training_stats';
COMMENT ON COLUMN @extschema@.daily_statistics.audited IS 'As in daily_training_stats';
COMMENT ON COLUMN @extschema@.daily_statistics.approved IS 'As in daily_training_stats';
COMMENT ON COLUMN @extschema@.daily_statistics.rejected IS 'As in daily_training_stats';
COMMENT ON COLUMN @extschema@.daily_statistics.promoted IS 'As in daily_training_stats';
COMMENT ON COLUMN @extschema@.daily_statistics.fallback_rate IS 'As in daily_training_stats';
COMMENT ON COLUMN @extschema@.daily_statistics.avg_latency_ms IS 'As in daily_training_stats';
COMMENT ON COLUMN @extschema@.daily_statistics.p50_latency_ms IS 'As in daily_training_stats';
COMMENT ON COLUMN @extschema@.daily_statistics.p95_latency_ms IS 'As in daily_training_stats';
COMMENT ON COLUMN @extschema@.daily_statistics.positive_feedback IS 'As in daily_training_stats';
COMMENT ON COLUMN @extschema@.daily_statistics.negative_feedback IS 'As in daily_training_stats';
COMMENT ON COLUMN @extschema@.daily_statistics.feedback IS 'As in daily_training_stats';
COMMENT ON COLUMN @extschema@.daily_statistics.fallback_rules IS 'Which providers were fallbacks when the day was counted; the row is of no use under other rules';
COMMENT ON COLUMN @extschema@.daily_statistics.closed_at IS 'When the day was counted';

-- No key and no index: two transactions that write here never meet.
CREATE TABLE @extschema@.daily_statistics_changes (
    created_on date,
    conversation_log_id bigint,
    recount boolean NOT NULL,
    needs_review_high smallint NOT NULL,
    needs_review_medium smallint NOT NULL,
    needs_review_low smallint NOT NULL,
    approved smallint NOT NULL,
    rejected smallint NOT NULL,
    promoted smallint NOT NULL,
    positive_feedback smallint NOT NULL,
    negative_feedback smallint NOT NULL,
    feedback smallint NOT NULL
)
-- It is emptied every night: giving the pages back takes a lock that readers, on a standby above all, would have to wait for.
WITH (vacuum_truncate = off);
REVOKE ALL ON TABLE @extschema@.daily_statistics_changes FROM PUBLIC;

COMMENT ON TABLE @extschema@.daily_statistics_changes IS 'What changed on days whose figures are stored or about to be: written by triggers, taken into daily_statistics by the daily job; not dumped';
COMMENT ON COLUMN @extschema@.daily_statistics_changes.created_on IS 'The day; NULL: that of the conversation, and where there is none either, every day';
COMMENT ON COLUMN @extschema@.daily_statistics_changes.conversation_log_id IS 'The conversation whose sample came or went';
COMMENT ON COLUMN @extschema@.daily_statistics_changes.recount IS 'Whether the day has to be counted anew: conversations came, went, or changed what the model said';
COMMENT ON COLUMN @extschema@.daily_statistics_changes.needs_review_high IS 'What to add to the stored figure';
COMMENT ON COLUMN @extschema@.daily_statistics_changes.needs_review_medium IS 'What to add to the stored figure';
COMMENT ON COLUMN @extschema@.daily_statistics_changes.needs_review_low IS 'What to add to the stored figure';
COMMENT ON COLUMN @extschema@.daily_statistics_changes.approved IS 'What to add to the stored figure';
COMMENT ON COLUMN @extschema@.daily_statistics_changes.rejected IS 'What to add to the stored figure';
COMMENT ON COLUMN @extschema@.daily_statistics_changes.promoted IS 'What to add to the stored figure';
COMMENT ON COLUMN @extschema@.daily_statistics_changes.positive_feedback IS 'What to add to the stored figure';
COMMENT ON COLUMN @extschema@.daily_statistics_changes.negative_feedback IS 'What to add to the stored figure';
COMMENT ON COLUMN @extschema@.daily_statistics_changes.feedback IS 'What to add to the stored figure';

CREATE TABLE @extschema@.daily_statistics_closings (
    closed_to date NOT NULL,
    announced_by xid8 NOT NULL,
    horizon xid8
);
REVOKE ALL ON TABLE @extschema@.daily_statistics_closings FROM PUBLIC;

COMMENT ON TABLE @extschema@.daily_statistics_closings IS 'Up to which day figures may be stored: from its commit on, changes of those days are written down; not dumped';
COMMENT ON COLUMN @extschema@.daily_statistics_closings.closed_to IS 'The last of the days';
COMMENT ON COLUMN @extschema@.daily_statistics_closings.announced_by IS 'The transaction that announced it';
COMMENT ON COLUMN @extschema@.daily_statistics_closings.horizon IS 'Transactions below this may not have noticed: nothing is counted before they have ended';

-- ENABLE ALWAYS, here and below: what replication brings counts, too.
CREATE TRIGGER daily_statistics_closings_invalidate AFTER INSERT OR UPDATE OR DELETE ON @extschema@.daily_statistics_closings
    FOR EACH ROW EXECUTE FUNCTION @extschema@.tw_invalidate_cache();
CREATE TRIGGER daily_statistics_closings_invalidate_truncate AFTER TRUNCATE ON @extschema@.daily_statistics_closings
    FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.tw_invalidate_cache();
ALTER TABLE @extschema@.daily_statistics_closings ENABLE ALWAYS TRIGGER daily_statistics_closings_invalidate;
ALTER TABLE @extschema@.daily_statistics_closings ENABLE ALWAYS TRIGGER daily_statistics_closings_invalidate_truncate;

CREATE FUNCTION @extschema@.tw_local_only() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'tw_local_only';
REVOKE ALL ON FUNCTION @extschema@.tw_local_only() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_local_only() IS
    'Trigger: passes over what replication brings; a subscriber writes down for itself what changes';

CREATE TRIGGER daily_statistics_filter BEFORE INSERT OR UPDATE OR DELETE ON @extschema@.daily_statistics
    FOR EACH ROW EXECUTE FUNCTION @extschema@.tw_local_only();
CREATE TRIGGER daily_statistics_changes_filter BEFORE INSERT OR UPDATE OR DELETE ON @extschema@.daily_statistics_changes
    FOR EACH ROW EXECUTE FUNCTION @extschema@.tw_local_only();
CREATE TRIGGER daily_statistics_closings_filter BEFORE INSERT OR UPDATE OR DELETE ON @extschema@.daily_statistics_closings
    FOR EACH ROW EXECUTE FUNCTION @extschema@.tw_local_only();
ALTER TABLE @extschema@.daily_statistics ENABLE ALWAYS TRIGGER daily_statistics_filter;
ALTER TABLE @extschema@.daily_statistics_changes ENABLE ALWAYS TRIGGER daily_statistics_changes_filter;
ALTER TABLE @extschema@.daily_statistics_closings ENABLE ALWAYS TRIGGER daily_statistics_closings_filter;
-- Or nothing could be deleted there while all tables are published.
ALTER TABLE @extschema@.daily_statistics_changes REPLICA IDENTITY FULL;
ALTER TABLE @extschema@.daily_statistics_closings REPLICA IDENTITY FULL;

CREATE FUNCTION @extschema@.tw_conversation_changed() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'tw_conversation_changed';
REVOKE ALL ON FUNCTION @extschema@.tw_conversation_changed() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_conversation_changed() IS
    'Trigger: writes down what an UPDATE, DELETE or TRUNCATE of conversations changes in the figures of closed days; what an INSERT changes is tw_capture_filter()''s to say';

CREATE FUNCTION @extschema@.tw_sample_changed() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'tw_sample_changed';
REVOKE ALL ON FUNCTION @extschema@.tw_sample_changed() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_sample_changed() IS
    'Trigger: writes down that conversations have a sample now, or none any more';

-- Whoever may insert a sample has to be able to call it, and it reads nothing: open to PUBLIC like the CHECKs' functions.
CREATE FUNCTION @extschema@.tw_is_late_sample() RETURNS boolean
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'tw_is_late_sample';
COMMENT ON FUNCTION @extschema@.tw_is_late_sample() IS
    'False where capture makes the sample of a conversation in the statement that brings it: the conversation alone is written down then';

CREATE TRIGGER conversation_logs_invalidate AFTER UPDATE OR DELETE ON @extschema@.conversation_logs
    FOR EACH ROW EXECUTE FUNCTION @extschema@.tw_conversation_changed();
CREATE TRIGGER conversation_logs_invalidate_truncate AFTER TRUNCATE ON @extschema@.conversation_logs
    FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.tw_conversation_changed();
ALTER TABLE @extschema@.conversation_logs ENABLE ALWAYS TRIGGER conversation_logs_invalidate;
ALTER TABLE @extschema@.conversation_logs ENABLE ALWAYS TRIGGER conversation_logs_invalidate_truncate;

CREATE TRIGGER training_samples_insert_invalidate AFTER INSERT ON @extschema@.training_samples
    FOR EACH ROW WHEN (@extschema@.tw_is_late_sample()) EXECUTE FUNCTION @extschema@.tw_sample_changed();
CREATE TRIGGER training_samples_update_invalidate AFTER UPDATE ON @extschema@.training_samples
    FOR EACH ROW WHEN (OLD.conversation_log_id IS DISTINCT FROM NEW.conversation_log_id)
    EXECUTE FUNCTION @extschema@.tw_sample_changed();
CREATE TRIGGER training_samples_delete_invalidate AFTER DELETE ON @extschema@.training_samples
    FOR EACH ROW EXECUTE FUNCTION @extschema@.tw_sample_changed();
CREATE TRIGGER training_samples_invalidate_truncate AFTER TRUNCATE ON @extschema@.training_samples
    FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.tw_sample_changed();
ALTER TABLE @extschema@.training_samples ENABLE ALWAYS TRIGGER training_samples_insert_invalidate;
ALTER TABLE @extschema@.training_samples ENABLE ALWAYS TRIGGER training_samples_update_invalidate;
ALTER TABLE @extschema@.training_samples ENABLE ALWAYS TRIGGER training_samples_delete_invalidate;
ALTER TABLE @extschema@.training_samples ENABLE ALWAYS TRIGGER training_samples_invalidate_truncate;

CREATE FUNCTION @extschema@.tw_next_transaction_id() RETURNS xid8
    LANGUAGE c VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'tw_next_transaction_id';
REVOKE ALL ON FUNCTION @extschema@.tw_next_transaction_id() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_next_transaction_id() IS 'A transaction id above every one that was given out';

-- Each day is looked up in the index by the one before it: a walk over the days, not over the conversations. It ends with
-- NULL, which stands for conversations without a day (loaded while triggers were disabled).
CREATE VIEW @extschema@.tw_captured_days AS
    WITH RECURSIVE days (date) AS (
        SELECT (SELECT min(c.created_on) FROM @extschema@.conversation_logs c)
        UNION ALL
        SELECT (SELECT min(c.created_on) FROM @extschema@.conversation_logs c WHERE c.created_on > d.date) FROM days d WHERE d.date IS NOT NULL
    )
    SELECT d.date FROM days d;
REVOKE ALL ON TABLE @extschema@.tw_captured_days FROM PUBLIC;
COMMENT ON VIEW @extschema@.tw_captured_days IS 'The days that have conversations, and NULL';
COMMENT ON COLUMN @extschema@.tw_captured_days.date IS 'The day';

CREATE VIEW @extschema@.tw_fallback_rules AS
    SELECT coalesce(jsonb_agg(jsonb_build_array(p.module_type, p.intent, p.fallback_providers) ORDER BY p.module_type, p.intent)
                    FILTER (WHERE p.fallback_providers IS NOT NULL), '[]')::text AS rules,
           string_agg(p.id || ' ' || p.xmin, ',' ORDER BY p.id) AS versions
    FROM @extschema@.review_policies p;
REVOKE ALL ON TABLE @extschema@.tw_fallback_rules FROM PUBLIC;
COMMENT ON VIEW @extschema@.tw_fallback_rules IS 'What is_fallback_provider() goes by';
COMMENT ON COLUMN @extschema@.tw_fallback_rules.rules IS 'Which policies name fallback providers, and which';
COMMENT ON COLUMN @extschema@.tw_fallback_rules.versions IS 'Changes with every change of a policy';

CREATE FUNCTION @extschema@.tw_day_figures(
    day date,
    OUT date date, OUT conversations bigint, OUT auto_approved bigint, OUT needs_review bigint, OUT needs_review_high bigint,
    OUT needs_review_medium bigint, OUT needs_review_low bigint, OUT not_applicable bigint, OUT audited bigint, OUT approved bigint,
    OUT rejected bigint, OUT promoted bigint, OUT fallback_rate double precision, OUT avg_latency_ms double precision,
    OUT p50_latency_ms double precision, OUT p95_latency_ms double precision, OUT positive_feedback bigint,
    OUT negative_feedback bigint, OUT feedback bigint)
    RETURNS SETOF record
    -- Compiling the query would take longer than a day takes.
    LANGUAGE sql STABLE SECURITY DEFINER ROWS 1 SET search_path = pg_catalog, pg_temp SET jit = off
BEGIN ATOMIC
    SELECT day,
           count(*),
           count(*) FILTER (WHERE coalesce(c.filter_outcome, c.review_status) = 'auto-approved'),
           count(*) FILTER (WHERE coalesce(c.filter_outcome, c.review_status) = 'needs-review'),
           count(*) FILTER (WHERE c.review_status = 'needs-review' AND c.review_priority = 1),
           count(*) FILTER (WHERE c.review_status = 'needs-review' AND c.review_priority = 2),
           count(*) FILTER (WHERE c.review_status = 'needs-review' AND c.review_priority = 3),
           count(*) FILTER (WHERE coalesce(c.filter_outcome, c.review_status) = 'not-applicable'),
           count(*) FILTER (WHERE c.is_audit),
           count(*) FILTER (WHERE c.review_status = 'approved'),
           count(*) FILTER (WHERE c.review_status = 'rejected'),
           count(s.conversation_log_id),
           avg(CASE WHEN c.nlu_provider IS NOT NULL THEN
               @extschema@.is_fallback_provider(c.nlu_provider, c.nlu_intent, c.nlu_module_type)::integer END)::double precision,
           avg(c.nlu_processing_time_ms)::double precision,
           percentile_cont(0.5) WITHIN GROUP (ORDER BY c.nlu_processing_time_ms),
           percentile_cont(0.95) WITHIN GROUP (ORDER BY c.nlu_processing_time_ms),
           count(*) FILTER (WHERE lower(c.user_feedback COLLATE "C") = 'positive'),
           count(*) FILTER (WHERE lower(c.user_feedback COLLATE "C") = 'negative'),
           count(*) FILTER (WHERE c.user_feedback IS NOT NULL OR c.user_correction IS NOT NULL)
    FROM (SELECT * FROM @extschema@.conversation_logs l WHERE l.created_on = day
          UNION ALL
          SELECT * FROM @extschema@.conversation_logs l WHERE day IS NULL AND l.created_on IS NULL) c
    LEFT JOIN @extschema@.training_samples s ON s.conversation_log_id = c.id
    HAVING count(*) > 0;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_day_figures(date) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_day_figures(date) IS
    'The figures of a day, counted on the spot: one row, or none where it has no conversations. NULL: the conversations without a day';

-- A sample's change counts for the day of its conversation as the reader sees it: the two may come and go in different transactions.
CREATE FUNCTION @extschema@.tw_daily_changes(
    OUT date date, OUT recount boolean, OUT needs_review_high bigint, OUT needs_review_medium bigint, OUT needs_review_low bigint,
    OUT approved bigint, OUT rejected bigint, OUT promoted bigint, OUT positive_feedback bigint, OUT negative_feedback bigint, OUT feedback bigint)
    RETURNS SETOF record
    -- Compiling the query would take longer than the query.
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off
BEGIN ATOMIC
    SELECT d.date, bool_or(d.recount), sum(d.needs_review_high), sum(d.needs_review_medium), sum(d.needs_review_low), sum(d.approved),
           sum(d.rejected), sum(d.promoted), sum(d.positive_feedback), sum(d.negative_feedback), sum(d.feedback)
    FROM (SELECT CASE WHEN x.conversation_log_id IS NULL THEN x.created_on
                      ELSE (SELECT c.created_on FROM @extschema@.conversation_logs c WHERE c.id = x.conversation_log_id) END AS date, x.*
          FROM @extschema@.daily_statistics_changes x) d
    GROUP BY d.date;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_daily_changes() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_daily_changes() IS 'What to add to the stored figures of each day, and which days have to be counted anew';

CREATE VIEW @extschema@.tw_closed_days AS
    SELECT s.date, s.conversations, s.auto_approved, s.needs_review,
           s.needs_review_high + coalesce(x.needs_review_high, 0) AS needs_review_high,
           s.needs_review_medium + coalesce(x.needs_review_medium, 0) AS needs_review_medium,
           s.needs_review_low + coalesce(x.needs_review_low, 0) AS needs_review_low,
           s.not_applicable, s.audited,
           s.approved + coalesce(x.approved, 0) AS approved,
           s.rejected + coalesce(x.rejected, 0) AS rejected,
           s.promoted + coalesce(x.promoted, 0) AS promoted,
           s.fallback_rate, s.avg_latency_ms, s.p50_latency_ms, s.p95_latency_ms,
           s.positive_feedback + coalesce(x.positive_feedback, 0) AS positive_feedback,
           s.negative_feedback + coalesce(x.negative_feedback, 0) AS negative_feedback,
           s.feedback + coalesce(x.feedback, 0) AS feedback
    FROM @extschema@.daily_statistics s
    LEFT JOIN @extschema@.tw_daily_changes() x ON x.date = s.date
    WHERE x.recount IS NOT TRUE
      AND s.fallback_rules = (SELECT f.rules FROM @extschema@.tw_fallback_rules f)
      AND NOT EXISTS (SELECT FROM @extschema@.daily_statistics_changes e WHERE e.created_on IS NULL AND e.conversation_log_id IS NULL);
REVOKE ALL ON TABLE @extschema@.tw_closed_days FROM PUBLIC;
COMMENT ON VIEW @extschema@.tw_closed_days IS 'The days whose stored figures hold, with what changed since';
COMMENT ON COLUMN @extschema@.tw_closed_days.date IS 'As in daily_training_stats';
COMMENT ON COLUMN @extschema@.tw_closed_days.conversations IS 'As in daily_training_stats';
COMMENT ON COLUMN @extschema@.tw_closed_days.auto_approved IS 'As in daily_training_stats';
COMMENT ON COLUMN @extschema@.tw_closed_days.needs_review IS 'As in daily_training_stats';
COMMENT ON COLUMN @extschema@.tw_closed_days.needs_review_high IS 'As in daily_training_stats';
COMMENT ON COLUMN @extschema@.tw_closed_days.needs_review_medium IS 'As in daily_training_stats';
COMMENT ON COLUMN @extschema@.tw_closed_days.needs_review_low IS 'As in daily_training_stats';
COMMENT ON COLUMN @extschema@.tw_closed_days.not_applicable IS 'As in daily_training_stats';
COMMENT ON COLUMN @extschema@.tw_closed_days.audited IS 'As in daily_training_stats';
COMMENT ON COLUMN @extschema@.tw_closed_days.approved IS 'As in daily_training_stats';
COMMENT ON COLUMN @extschema@.tw_closed_days.rejected IS 'As in daily_training_stats';
COMMENT ON COLUMN @extschema@.tw_closed_days.promoted IS 'As in daily_training_stats';
COMMENT ON COLUMN @extschema@.tw_closed_days.fallback_rate IS 'As in daily_training_stats';
COMMENT ON COLUMN @extschema@.tw_closed_days.avg_latency_ms IS 'As in daily_training_stats';
COMMENT ON COLUMN @extschema@.tw_closed_days.p50_latency_ms IS 'As in daily_training_stats';
COMMENT ON COLUMN @extschema@.tw_closed_days.p95_latency_ms IS 'As in daily_training_stats';
COMMENT ON COLUMN @extschema@.tw_closed_days.positive_feedback IS 'As in daily_training_stats';
COMMENT ON COLUMN @extschema@.tw_closed_days.negative_feedback IS 'As in daily_training_stats';
COMMENT ON COLUMN @extschema@.tw_closed_days.feedback IS 'As in daily_training_stats';

CREATE FUNCTION @extschema@.tw_announce_closing(last_day date) RETURNS boolean
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF coalesce((SELECT max(c.closed_to) FROM @extschema@.daily_statistics_closings c), '-infinity') < last_day THEN
        INSERT INTO @extschema@.daily_statistics_closings (closed_to, announced_by) VALUES (last_day, pg_current_xact_id());
        RETURN true;
    END IF;
    -- Everybody sees a committed announcement: who may have missed it has a transaction id by now.
    UPDATE @extschema@.daily_statistics_closings c SET horizon = @extschema@.tw_next_transaction_id()
    WHERE c.horizon IS NULL AND c.announced_by <> pg_current_xact_id();
    RETURN FOUND;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_announce_closing(date) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_announce_closing(date) IS
    'First and second step of closing days, in transactions of their own: announces the days up to one, then notes who may not have noticed. Returns whether there was anything to do';

CREATE FUNCTION @extschema@.tw_closable_to() RETURNS date
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    closable date;
BEGIN
    -- Captures in flight end within milliseconds. Who takes longer is waited for by the next run.
    FOR attempt IN 1..100 LOOP
        closable := (
            SELECT max(c.closed_to) FROM @extschema@.daily_statistics_closings c
            WHERE c.horizon <= pg_snapshot_xmax(pg_current_snapshot())
              AND NOT EXISTS (SELECT FROM pg_snapshot_xip(pg_current_snapshot()) i WHERE i < c.horizon));
        EXIT WHEN closable >= (SELECT max(c.closed_to) FROM @extschema@.daily_statistics_closings c WHERE c.horizon IS NOT NULL);
        EXIT WHEN NOT EXISTS (SELECT FROM @extschema@.daily_statistics_closings c WHERE c.horizon IS NOT NULL);
        PERFORM pg_sleep(0.02);
    END LOOP;
    DELETE FROM @extschema@.daily_statistics_closings c WHERE c.closed_to < closable;
    RETURN closable;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_closable_to() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_closable_to() IS
    'Up to which day figures can be stored now; NULL: none. Waits two seconds at most for transactions that are older than the announcement';

CREATE FUNCTION @extschema@.tw_take_in_changes() RETURNS void
    LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    -- TRUNCATE: nothing that is stored holds.
    WITH everything AS (
        DELETE FROM @extschema@.daily_statistics_changes x WHERE x.created_on IS NULL AND x.conversation_log_id IS NULL RETURNING 1
    )
    DELETE FROM @extschema@.daily_statistics s WHERE EXISTS (SELECT FROM everything);

    WITH taken AS (
        DELETE FROM @extschema@.daily_statistics_changes x
        WHERE NOT x.recount AND (x.created_on IS NOT NULL OR x.conversation_log_id IS NOT NULL)
        RETURNING CASE WHEN x.conversation_log_id IS NULL THEN x.created_on
                       ELSE (SELECT c.created_on FROM @extschema@.conversation_logs c WHERE c.id = x.conversation_log_id) END AS date, x.*
    ), summed AS (
        SELECT t.date, sum(t.needs_review_high) AS high, sum(t.needs_review_medium) AS medium, sum(t.needs_review_low) AS low,
               sum(t.approved) AS approved, sum(t.rejected) AS rejected, sum(t.promoted) AS promoted,
               sum(t.positive_feedback) AS positive, sum(t.negative_feedback) AS negative, sum(t.feedback) AS feedback
        FROM taken t GROUP BY t.date
    )
    UPDATE @extschema@.daily_statistics s SET
        needs_review_high = s.needs_review_high + x.high, needs_review_medium = s.needs_review_medium + x.medium,
        needs_review_low = s.needs_review_low + x.low, approved = s.approved + x.approved, rejected = s.rejected + x.rejected,
        promoted = s.promoted + x.promoted, positive_feedback = s.positive_feedback + x.positive,
        negative_feedback = s.negative_feedback + x.negative, feedback = s.feedback + x.feedback
    FROM summed x WHERE s.date = x.date;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_take_in_changes() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_take_in_changes() IS 'Adds what changed on closed days to their stored figures';

CREATE FUNCTION @extschema@.tw_reload_policies() RETURNS void
    LANGUAGE c VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'tw_reload_policies';
REVOKE ALL ON FUNCTION @extschema@.tw_reload_policies() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_reload_policies() IS 'Has this session read the policies anew when it next asks for them';

CREATE FUNCTION @extschema@.tw_store_days(days date[]) RETURNS void
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    versions CONSTANT text := (SELECT f.versions FROM @extschema@.tw_fallback_rules f);
BEGIN
    -- A change of policies can be seen a moment before this session is told of it.
    PERFORM @extschema@.tw_reload_policies();
    WITH seen AS (
        DELETE FROM @extschema@.daily_statistics_changes x
        WHERE CASE WHEN x.conversation_log_id IS NULL THEN x.created_on
                   ELSE (SELECT c.created_on FROM @extschema@.conversation_logs c WHERE c.id = x.conversation_log_id) END = ANY (days)
           -- Changes of days without stored figures are of no use: whoever counts those sees them.
           OR x.recount AND x.created_on IS NOT NULL AND NOT EXISTS (SELECT FROM @extschema@.daily_statistics s WHERE s.date = x.created_on)
    ), figures AS MATERIALIZED (
        SELECT f.* FROM unnest(days) AS d (date), @extschema@.tw_day_figures(d.date) f
    ), emptied AS (
        DELETE FROM @extschema@.daily_statistics s
        WHERE s.date = ANY (days) AND NOT EXISTS (SELECT FROM figures f WHERE f.date = s.date)
    )
    INSERT INTO @extschema@.daily_statistics AS s (date, conversations, auto_approved, needs_review, needs_review_high, needs_review_medium,
        needs_review_low, not_applicable, audited, approved, rejected, promoted, fallback_rate, avg_latency_ms, p50_latency_ms, p95_latency_ms,
        positive_feedback, negative_feedback, feedback, fallback_rules)
    SELECT f.*, r.rules FROM figures f, @extschema@.tw_fallback_rules r
    ON CONFLICT (date) DO UPDATE SET
        conversations = excluded.conversations, auto_approved = excluded.auto_approved, needs_review = excluded.needs_review,
        needs_review_high = excluded.needs_review_high, needs_review_medium = excluded.needs_review_medium,
        needs_review_low = excluded.needs_review_low, not_applicable = excluded.not_applicable, audited = excluded.audited,
        approved = excluded.approved, rejected = excluded.rejected, promoted = excluded.promoted, fallback_rate = excluded.fallback_rate,
        avg_latency_ms = excluded.avg_latency_ms, p50_latency_ms = excluded.p50_latency_ms, p95_latency_ms = excluded.p95_latency_ms,
        positive_feedback = excluded.positive_feedback, negative_feedback = excluded.negative_feedback, feedback = excluded.feedback,
        fallback_rules = excluded.fallback_rules, closed_at = excluded.closed_at;
    -- Policies are in force from their commit on, also in the middle of a statement: which of them were used is not known then.
    IF versions IS DISTINCT FROM (SELECT f.versions FROM @extschema@.tw_fallback_rules f) THEN
        UPDATE @extschema@.daily_statistics s SET fallback_rules = 'unknown' WHERE s.date = ANY (days);
    END IF;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_store_days(date[]) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_store_days(date[]) IS 'Counts days and stores their figures; those of a day without conversations are removed';

CREATE FUNCTION @extschema@.tw_close_days(at timestamptz DEFAULT NULL, most integer DEFAULT 30) RETURNS integer
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    yesterday CONSTANT date := (coalesce(at, clock_timestamp()) AT TIME ZONE @extschema@.training_setting('time_zone'))::date - 1;
    closable date;
    days date[];
BEGIN
    IF most IS NULL OR most < 1 OR NOT isfinite(yesterday) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('cannot close %s days as of %s', coalesce(most::text, 'NULL'), coalesce(at::text, 'now')),
            HINT = 'most is a whole number from 1, at a point in time.';
    END IF;
    IF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
        RAISE EXCEPTION USING
            ERRCODE = 'feature_not_supported',
            MESSAGE = 'days are closed in READ COMMITTED transactions only',
            DETAIL = format('This one is %s: its snapshot may be older than what another closing has taken in, and than the policies in force.',
                            upper(current_setting('transaction_isolation'))),
            HINT = 'BEGIN ISOLATION LEVEL READ COMMITTED;';
    END IF;
    -- Nothing could be stored: tw_local_only().
    IF current_setting('session_replication_role') = 'replica' THEN
        RETURN 0;
    END IF;
    -- One at a time, and with a snapshot that is younger than the other's end. Readers and triggers do not meet this lock.
    LOCK TABLE @extschema@.daily_statistics IN SHARE ROW EXCLUSIVE MODE;
    IF @extschema@.tw_announce_closing(yesterday) THEN
        RETURN 1;
    END IF;
    closable := @extschema@.tw_closable_to();
    IF closable IS NULL THEN
        RETURN 0;
    END IF;
    PERFORM @extschema@.tw_take_in_changes();
    days := ARRAY(
        SELECT d.date FROM (
            SELECT c.date FROM @extschema@.tw_captured_days c WHERE c.date <= closable
            UNION
            SELECT s.date FROM @extschema@.daily_statistics s) d
        WHERE NOT EXISTS (SELECT FROM @extschema@.tw_closed_days k WHERE k.date = d.date)
        ORDER BY d.date DESC LIMIT most);
    PERFORM @extschema@.tw_store_days(days);
    RETURN cardinality(days);
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_close_days(timestamptz, integer) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_close_days(timestamptz, integer) IS
    'A step of the daily job: stores the figures of up to `most` days that are over (by `at`, or now) and not stored as they are now, newest first. '
    'Returns how many it did, 1 for a step of preparation; 0: nothing is left, or an older transaction is in the way. Call it in transactions of '
    'their own until it returns 0, as statements of their own. Raises 22023 for a most below 1 or an infinite time, 0A000 in a REPEATABLE READ or '
    'SERIALIZABLE transaction';
-- daily_training_stats: what a day brought. Stored figures where they hold (daily_statistics.sql), the others counted on the spot.

CREATE VIEW @extschema@.daily_training_stats AS
    WITH closed AS MATERIALIZED (SELECT * FROM @extschema@.tw_closed_days)
    SELECT k.date, k.conversations, k.auto_approved, k.needs_review, k.needs_review_high, k.needs_review_medium, k.needs_review_low,
           k.not_applicable, k.audited, k.approved, k.rejected, k.promoted, k.fallback_rate, k.avg_latency_ms, k.p50_latency_ms,
           k.p95_latency_ms, k.positive_feedback, k.negative_feedback, k.feedback
    FROM closed k
    UNION ALL
    SELECT d.date, f.conversations, f.auto_approved, f.needs_review, f.needs_review_high, f.needs_review_medium, f.needs_review_low,
           f.not_applicable, f.audited, f.approved, f.rejected, f.promoted, f.fallback_rate, f.avg_latency_ms, f.p50_latency_ms,
           f.p95_latency_ms, f.positive_feedback, f.negative_feedback, f.feedback
    FROM @extschema@.tw_captured_days d
    CROSS JOIN LATERAL @extschema@.tw_day_figures(d.date) f
    WHERE NOT EXISTS (SELECT FROM closed k WHERE k.date = d.date)
    ORDER BY 1 DESC;
REVOKE ALL ON TABLE @extschema@.daily_training_stats FROM PUBLIC;

COMMENT ON VIEW @extschema@.daily_training_stats IS 'One row a day (in the time zone of the setting time_zone), newest first';
COMMENT ON COLUMN @extschema@.daily_training_stats.date IS 'The day';
COMMENT ON COLUMN @extschema@.daily_training_stats.conversations IS 'Conversations captured';
COMMENT ON COLUMN @extschema@.daily_training_stats.auto_approved IS 'Conversations that the filter auto-approved';
COMMENT ON COLUMN @extschema@.daily_training_stats.needs_review IS 'Conversations that the filter sent to people, reviewed by now or not';
COMMENT ON COLUMN @extschema@.daily_training_stats.needs_review_high IS 'Still waiting, priority 1';
COMMENT ON COLUMN @extschema@.daily_training_stats.needs_review_medium IS 'Still waiting, priority 2';
COMMENT ON COLUMN @extschema@.daily_training_stats.needs_review_low IS 'Still waiting, priority 3';
COMMENT ON COLUMN @extschema@.daily_training_stats.not_applicable IS 'Conversations with nothing to learn from: no text, or a blank one';
COMMENT ON COLUMN @extschema@.daily_training_stats.audited IS 'Conversations drawn for the audit';
COMMENT ON COLUMN @extschema@.daily_training_stats.approved IS 'Conversations that a person approved or fixed';
COMMENT ON COLUMN @extschema@.daily_training_stats.rejected IS 'Conversations that a person rejected';
COMMENT ON COLUMN @extschema@.daily_training_stats.promoted IS 'Conversations that have a training sample';
COMMENT ON COLUMN @extschema@.daily_training_stats.fallback_rate IS 'Share of the predictions that a fallback provider made, 0 to 1; rows without a provider do not count. By the policies as they are now: naming another fallback changes past days as well';
COMMENT ON COLUMN @extschema@.daily_training_stats.avg_latency_ms IS 'Mean time of an NLU call, in milliseconds';
COMMENT ON COLUMN @extschema@.daily_training_stats.p50_latency_ms IS 'Median time of an NLU call, in milliseconds';
COMMENT ON COLUMN @extschema@.daily_training_stats.p95_latency_ms IS '95th percentile of the time of an NLU call, in milliseconds';
COMMENT ON COLUMN @extschema@.daily_training_stats.positive_feedback IS 'Conversations with feedback positive';
COMMENT ON COLUMN @extschema@.daily_training_stats.negative_feedback IS 'Conversations with feedback negative';
COMMENT ON COLUMN @extschema@.daily_training_stats.feedback IS 'Conversations with any feedback or correction';
-- model_performance_comparison: the versions side by side. check_rollouts() measures them in production, once an hour.

CREATE VIEW @extschema@.model_performance_comparison AS
    SELECT m.model_type, m.version, m.status, m.traffic_percentage, m.base_version,
           m.test_accuracy, m.test_accuracy_lower, m.test_accuracy_upper, m.test_samples,
           m.base_accuracy, m.test_accuracy - m.base_accuracy AS test_accuracy_gain, m.mcnemar_p,
           m.macro_f1, m.calibration_error, m.training_accuracy, m.gate_decision, m.gate_reason,
           m.production_accuracy,
           m.production_accuracy_lower, m.production_accuracy_upper, m.production_conversations,
           m.fallback_rate, m.p50_latency_ms, m.p95_latency_ms,
           m.production_computed_at,
           m.training_samples, m.training_seconds, m.model_size_mb,
           m.created_at, m.deployed_at, m.retired_at
    FROM @extschema@.model_versions m
    ORDER BY m.model_type, m.created_at DESC, m.version DESC;
REVOKE ALL ON TABLE @extschema@.model_performance_comparison FROM PUBLIC;

COMMENT ON VIEW @extschema@.model_performance_comparison IS 'Every model version beside the others of its type, newest first';
COMMENT ON COLUMN @extschema@.model_performance_comparison.model_type IS 'router, food-agent, ...';
COMMENT ON COLUMN @extschema@.model_performance_comparison.version IS 'The version';
COMMENT ON COLUMN @extschema@.model_performance_comparison.status IS 'Its status';
COMMENT ON COLUMN @extschema@.model_performance_comparison.traffic_percentage IS 'Share of the sessions it is given, in percent';
COMMENT ON COLUMN @extschema@.model_performance_comparison.base_version IS 'The version it is compared with';
COMMENT ON COLUMN @extschema@.model_performance_comparison.test_accuracy IS 'Weighted accuracy on the frozen test set, 0 to 1';
COMMENT ON COLUMN @extschema@.model_performance_comparison.test_samples IS 'Number of test samples';
COMMENT ON COLUMN @extschema@.model_performance_comparison.test_accuracy_lower IS 'Lower end of its 95 % interval';
COMMENT ON COLUMN @extschema@.model_performance_comparison.test_accuracy_upper IS 'Upper end of its 95 % interval';
COMMENT ON COLUMN @extschema@.model_performance_comparison.base_accuracy IS 'Weighted accuracy of base_version on the same test samples at the same time, 0 to 1';
COMMENT ON COLUMN @extschema@.model_performance_comparison.test_accuracy_gain IS 'test_accuracy less base_accuracy';
COMMENT ON COLUMN @extschema@.model_performance_comparison.mcnemar_p IS 'Two-sided p-value of the exact McNemar test of the two';
COMMENT ON COLUMN @extschema@.model_performance_comparison.macro_f1 IS 'Mean of the intents'' F1 scores, 0 to 1';
COMMENT ON COLUMN @extschema@.model_performance_comparison.calibration_error IS 'Expected calibration error, 0 to 1';
COMMENT ON COLUMN @extschema@.model_performance_comparison.training_accuracy IS 'Accuracy on its own training samples, 0 to 1';
COMMENT ON COLUMN @extschema@.model_performance_comparison.gate_decision IS 'What the gate decided';
COMMENT ON COLUMN @extschema@.model_performance_comparison.gate_reason IS 'Why';
COMMENT ON COLUMN @extschema@.model_performance_comparison.production_accuracy IS 'Estimated accuracy in production over 30 days (live_accuracy()), 0 to 1; NULL while there are too few audited labels';
COMMENT ON COLUMN @extschema@.model_performance_comparison.production_accuracy_lower IS 'Lower end of its 95 % interval';
COMMENT ON COLUMN @extschema@.model_performance_comparison.production_accuracy_upper IS 'Upper end of its 95 % interval';
COMMENT ON COLUMN @extschema@.model_performance_comparison.production_conversations IS 'How many conversations of these days named it: its traffic';
COMMENT ON COLUMN @extschema@.model_performance_comparison.fallback_rate IS 'Share of them that the fallback answered, 0 to 1';
COMMENT ON COLUMN @extschema@.model_performance_comparison.p50_latency_ms IS 'Median time of their NLU calls, in milliseconds';
COMMENT ON COLUMN @extschema@.model_performance_comparison.p95_latency_ms IS '95th percentile of the time of their NLU calls, in milliseconds';
COMMENT ON COLUMN @extschema@.model_performance_comparison.production_computed_at IS 'When the figures from production were computed';
COMMENT ON COLUMN @extschema@.model_performance_comparison.training_samples IS 'Number of training samples by label source';
COMMENT ON COLUMN @extschema@.model_performance_comparison.training_seconds IS 'How long training took, in seconds';
COMMENT ON COLUMN @extschema@.model_performance_comparison.model_size_mb IS 'Size of its artifact in megabytes';
COMMENT ON COLUMN @extschema@.model_performance_comparison.created_at IS 'When it was registered';
COMMENT ON COLUMN @extschema@.model_performance_comparison.deployed_at IS 'When it first received traffic';
COMMENT ON COLUMN @extschema@.model_performance_comparison.retired_at IS 'When it last stopped receiving traffic';
-- rollout_status: where each rollout stands, and why it is not further.

CREATE FUNCTION @extschema@.tw_detectable_losses(metrics jsonb) RETURNS text
    LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT string_agg(format('%s %s', f.value ->> 'metric',
               CASE WHEN f.value ->> 'detectable_loss' IS NOT NULL THEN round(100 * (f.value ->> 'detectable_loss')::numeric, 1) || ' points'
                    ELSE format('unknown (%s and %s sessions have data)', f.value ->> 'canary_units', f.value ->> 'production_units') END), ', ' ORDER BY f.number)
    FROM jsonb_array_elements(metrics) WITH ORDINALITY AS f (value, number)
    WHERE f.value ->> 'kind' = 'guardrail';
END;
REVOKE ALL ON FUNCTION @extschema@.tw_detectable_losses(jsonb) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_detectable_losses(jsonb) IS 'For each guardrail of a look the smallest loss that would have been seen by then, in words';

CREATE VIEW @extschema@.rollout_status AS
    SELECT r.model_type, r.version, r.previous_version, r.status,
           cardinality(r.step_times) AS step, r.steps, coalesce(r.steps[cardinality(r.step_times)], 100) AS traffic_percentage,
           r.step_times[cardinality(r.step_times)] AS in_step_since,
           c.canary_units, c.production_units, c.verdict, c.checked_at,
           CASE WHEN r.status IN ('finished', 'rolled-back') THEN r.end_reason
                WHEN c.id IS NULL AND cardinality(r.step_times) > 1 THEN format('step %s began, and nobody has looked since', cardinality(r.step_times))
                WHEN c.id IS NULL THEN 'nobody has looked yet: CALL check_rollouts(), or schedule_jobs() for every 5 minutes'
                ELSE c.reason END AS why,
           @extschema@.tw_detectable_losses(c.metrics) AS loss_seen_from,
           r.started_at, r.promoted_at, r.ended_at, r.started_by, r.id AS rollout_id
    FROM @extschema@.rollouts r
    LEFT JOIN LATERAL (SELECT k.* FROM @extschema@.rollout_checks k WHERE k.rollout_id = r.id AND k.step = cardinality(r.step_times) ORDER BY k.id DESC LIMIT 1) c ON true
    ORDER BY r.started_at DESC, r.id DESC;
REVOKE ALL ON TABLE @extschema@.rollout_status FROM PUBLIC;
COMMENT ON VIEW @extschema@.rollout_status IS 'Where each rollout stands and why it is not further, newest first';
COMMENT ON COLUMN @extschema@.rollout_status.model_type IS 'The type of the model';
COMMENT ON COLUMN @extschema@.rollout_status.version IS 'The version that is or was rolled out';
COMMENT ON COLUMN @extschema@.rollout_status.previous_version IS 'The version that it is compared with';
COMMENT ON COLUMN @extschema@.rollout_status.status IS 'running, watching (it has all sessions, and is still looked at), finished or rolled-back';
COMMENT ON COLUMN @extschema@.rollout_status.step IS 'The step that it is in or ended in, from 1';
COMMENT ON COLUMN @extschema@.rollout_status.steps IS 'Shares of the sessions, in percent, step by step';
COMMENT ON COLUMN @extschema@.rollout_status.traffic_percentage IS 'The share of that step';
COMMENT ON COLUMN @extschema@.rollout_status.in_step_since IS 'When that step began';
COMMENT ON COLUMN @extschema@.rollout_status.canary_units IS 'Sessions of the version in that step, at the last look';
COMMENT ON COLUMN @extschema@.rollout_status.production_units IS 'Sessions of the previous version in that step, at the last look';
COMMENT ON COLUMN @extschema@.rollout_status.verdict IS 'What the last look said: rollback, hold or advance';
COMMENT ON COLUMN @extschema@.rollout_status.checked_at IS 'When the last look was';
COMMENT ON COLUMN @extschema@.rollout_status.why IS 'Why it is where it is: what the last look waits for, or why it ended';
COMMENT ON COLUMN @extschema@.rollout_status.loss_seen_from IS 'The smallest loss that the last look would have seen, for each guardrail: smaller ones may still be there';
COMMENT ON COLUMN @extschema@.rollout_status.started_at IS 'When it started';
COMMENT ON COLUMN @extschema@.rollout_status.promoted_at IS 'When it reached all sessions';
COMMENT ON COLUMN @extschema@.rollout_status.ended_at IS 'When it ended';
COMMENT ON COLUMN @extschema@.rollout_status.started_by IS 'The login role, or the job, that started it';
COMMENT ON COLUMN @extschema@.rollout_status.rollout_id IS 'Its number, for rollout_checks';
-- CALL daily_training_capture(): the housekeeping of the loop. Its parts do not depend on one another: what fails in one is
-- written down, and the others run. Each works on what there is to do, not on the last 24 hours, so that a missed night is made up for.

CREATE FUNCTION @extschema@.tw_trainer_of(model_type text) RETURNS text
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    -- Who trained it last; else outside, where what is live lives outside.
    SELECT coalesce(
        (SELECT j.trainer FROM @extschema@.training_jobs j
         WHERE j.model_type = tw_trainer_of.model_type AND j.kind = 'train' AND j.status = 'succeeded' ORDER BY j.id DESC LIMIT 1),
        (SELECT CASE WHEN @extschema@.tw_is_servable(m.version) THEN 'built-in' ELSE 'outside' END
         FROM @extschema@.model_versions m WHERE m.model_type = tw_trainer_of.model_type AND m.status = 'production'),
        'built-in');
END;
REVOKE ALL ON FUNCTION @extschema@.tw_trainer_of(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_trainer_of(text) IS 'Who trains a model type when a job asks for it: built-in or outside';

CREATE FUNCTION @extschema@.tw_request_due_trainings(least_samples integer) RETURNS integer
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    kind text;
    requested integer := 0;
BEGIN
    FOR kind IN
        SELECT t.model_type FROM (SELECT 'router' AS model_type UNION SELECT m.model_type FROM @extschema@.model_versions m) t
        -- One that waits or runs will learn them.
        WHERE NOT EXISTS (SELECT FROM @extschema@.training_jobs j
                          WHERE j.model_type = t.model_type AND j.kind = 'train' AND j.status IN ('queued', 'running'))
        ORDER BY t.model_type
    LOOP
        IF @extschema@.new_training_samples(kind) >= least_samples THEN
            PERFORM @extschema@.request_training(kind, @extschema@.tw_trainer_of(kind));
            requested := requested + 1;
        END IF;
    END LOOP;
    RETURN requested;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_request_due_trainings(integer) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_request_due_trainings(integer) IS
    'Asks for a training of each model type that has so many new samples and no training waiting or running; returns how many it asked for';

CREATE FUNCTION @extschema@.tw_tidy() RETURNS bigint
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    tidied bigint;
BEGIN
    -- Five jobs a day are history; hundreds are noise. The newest of each job and outcome stays whatever its age.
    DELETE FROM @extschema@.job_runs r
    WHERE r.job_name IN ('labelstudio_sync', 'labelstudio_push', 'labelstudio_pull', 'run_training_jobs', 'check_rollouts', 'store_model_artifacts')
      AND r.finished_at < now() - interval '30 days'
      AND r.id < (SELECT max(n.id) FROM @extschema@.job_runs n WHERE n.job_name = r.job_name AND n.status = r.status);
    GET DIAGNOSTICS tidied = ROW_COUNT;
    DELETE FROM @extschema@.review_claims c WHERE c.expires_at < now() - interval '30 days';
    RETURN tidied;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_tidy() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_tidy() IS
    'Deletes runs of the jobs that run every few minutes when they are 30 days old, but for the newest of each outcome, and claims that ran out so long ago; returns how many runs';

CREATE FUNCTION @extschema@.tw_daily_part(part text, at timestamptz, OUT counted jsonb, OUT result text, OUT goes_on boolean)
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    closed integer;
    last_sync @extschema@.job_runs;
BEGIN
    goes_on := false;
    result := 'succeeded';
    CASE part
        WHEN 'promotions' THEN
            SELECT jsonb_build_object('filtered', p.filtered, 'promoted', p.promoted, 'not promoted', p.failed) INTO counted
            FROM @extschema@.promote_missed_conversations() p;
            -- It warns and goes on, so that one bad message does not keep the others from being made up for.
            IF (counted ->> 'not promoted')::bigint > 0 THEN
                result := format('failed: %s samples could not be made, see SELECT * FROM promote_missed_conversations(''0'')', counted ->> 'not promoted');
            END IF;
        WHEN 'conflicts' THEN
            SELECT jsonb_build_object('conflicts queued', q.queued, 'conflicts released', q.released) INTO counted
            FROM @extschema@.queue_label_conflicts() q;
        WHEN 'labelstudio' THEN
            -- The next step is the sync itself; after it, this part comes once more for its result.
            SELECT * INTO last_sync FROM @extschema@.job_runs r WHERE r.job_name = 'labelstudio_sync' ORDER BY r.id DESC LIMIT 1;
            IF NOT EXISTS (SELECT FROM @extschema@.labelstudio_projects p WHERE p.is_active) THEN
                result := 'skipped: no project';
            -- Where nothing else runs it, a failure of last night must not be the last word. Whether one is at it only its lock knows.
            ELSIF last_sync.status = 'failed' AND last_sync.started_at > clock_timestamp() - interval '1 hour' THEN
                result := 'skipped: it is failing, see labelstudio_check()';
            ELSE
                goes_on := true;
            END IF;
        WHEN 'statistics' THEN
            closed := @extschema@.tw_close_days(at);
            counted := jsonb_build_object('days closed', closed);
            goes_on := closed > 0;
        WHEN 'threshold' THEN
            counted := jsonb_build_object('trainings requested',
                @extschema@.tw_request_due_trainings(@extschema@.training_setting('training_threshold')::integer));
        WHEN 'tidy' THEN
            counted := jsonb_build_object('runs deleted', @extschema@.tw_tidy());
    END CASE;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_daily_part(text, timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_daily_part(text, timestamptz) IS 'One transaction''s worth of a part of daily_training_capture(): what it counts, how it ended, and whether there is more';

CREATE FUNCTION @extschema@.tw_daily_begin(due_in text, at timestamptz) RETURNS bigint
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    run CONSTANT bigint := @extschema@.tw_begin_job('daily_training_capture', due_in, at);
BEGIN
    UPDATE @extschema@.job_runs r SET items_done = 0, items_total = 6 WHERE r.id = run;
    RETURN run;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_daily_begin(text, timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_daily_begin(text, timestamptz) IS 'Begins a run of daily_training_capture(); NULL where it has nothing to do';

CREATE FUNCTION @extschema@.tw_daily_step(run bigint, part text, at timestamptz) RETURNS boolean
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    done record;
    code text;
    message text;
BEGIN
    PERFORM @extschema@.tw_require_run(run);
    BEGIN
        SELECT * INTO STRICT done FROM @extschema@.tw_daily_part(part, at);
    EXCEPTION WHEN OTHERS THEN
        GET STACKED DIAGNOSTICS code = RETURNED_SQLSTATE, message = MESSAGE_TEXT;
    END;
    IF code IS NOT NULL THEN
        RAISE WARNING 'daily_training_capture: part % failed: %', part, message USING ERRCODE = code;
        PERFORM @extschema@.tw_fail_run(run, code, format('%s: %s', part, message));
        PERFORM @extschema@.tw_note_part(run, part, 'failed: ' || message);
        RETURN false;
    END IF;
    PERFORM @extschema@.tw_note_run(run, part, coalesce(done.counted, '{}'), false);
    IF done.result LIKE 'failed: %' THEN
        PERFORM @extschema@.tw_fail_run(run, '55000', format('%s: %s', part, substr(done.result, 9)));
    END IF;
    IF NOT done.goes_on THEN
        PERFORM @extschema@.tw_note_part(run, part, done.result);
    END IF;
    RETURN done.goes_on;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_daily_step(bigint, text, timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_daily_step(bigint, text, timestamptz) IS
    'One transaction of a part of daily_training_capture(), with its error written down instead of raised; returns whether the part goes on. Raises '
    '55000 when it is not called by the run''s own session';

CREATE FUNCTION @extschema@.tw_daily_synced(run bigint) RETURNS void
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    sync @extschema@.job_runs;
BEGIN
    PERFORM @extschema@.tw_require_run(run);
    SELECT r.* INTO sync FROM @extschema@.job_runs r, @extschema@.job_runs own
    WHERE own.id = run AND r.job_name = 'labelstudio_sync' AND r.id > own.id ORDER BY r.id DESC LIMIT 1;
    -- What failed is a matter of that run, which says so itself.
    PERFORM @extschema@.tw_note_part(run, 'labelstudio', CASE WHEN sync.id IS NULL THEN 'skipped: it is running'
                                                              ELSE format('%s: run %s', sync.status, sync.id) END);
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_daily_synced(bigint) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_daily_synced(bigint) IS 'Writes down how the Label Studio sync of a daily run ended. Raises 55000 when it is not called by the run''s own session';

-- No SET and no SECURITY DEFINER: a procedure with either cannot COMMIT. So every name in it is qualified.
CREATE PROCEDURE @extschema@.daily_training_capture(due_in text DEFAULT NULL, at timestamptz DEFAULT NULL)
    LANGUAGE plpgsql
AS $procedure$
DECLARE
    run bigint;
    part pg_catalog.text;
    goes_on boolean;
BEGIN
    IF pg_catalog.pg_is_in_recovery() THEN
        RETURN;
    END IF;
    run := @extschema@.tw_daily_begin(due_in, at);
    COMMIT;
    IF run IS NULL THEN
        RETURN;
    END IF;
    FOREACH part IN ARRAY ARRAY['promotions', 'conflicts', 'labelstudio', 'statistics', 'threshold', 'tidy'] LOOP
        PERFORM @extschema@.tw_begin_part(run, part);
        COMMIT;
        -- tw_close_days() takes no other level, and the database's default may be one. Right after each COMMIT: even EXIT WHEN takes a snapshot.
        SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
        LOOP
            goes_on := @extschema@.tw_daily_step(run, part, at);
            COMMIT;
            SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
            EXIT WHEN NOT goes_on;
            IF part OPERATOR(pg_catalog.=) 'labelstudio' THEN
                CALL @extschema@.labelstudio_sync();
                PERFORM @extschema@.tw_daily_synced(run);
                COMMIT;
                EXIT;
            END IF;
        END LOOP;
    END LOOP;
    PERFORM @extschema@.tw_end_run(run);
    COMMIT;
END
$procedure$;
REVOKE ALL ON PROCEDURE @extschema@.daily_training_capture(text, timestamptz) FROM PUBLIC;
COMMENT ON PROCEDURE @extschema@.daily_training_capture(text, timestamptz) IS
    'The daily job, in independent parts whose results are in job_runs.details: missed promotions, label conflicts, Label Studio (unless it is '
    'running or failing), statistics of closed days, a training of each model type with training_threshold new samples (run_training_jobs() runs it), '
    'tidying up. due_in, for pg_cron in time zones with daylight saving, makes it do nothing unless 02:00 there has passed since its last run; at is the '
    'time to count as now, for tests. Commits as it goes, so it cannot run inside a transaction; errors are recorded and warned of. Does nothing on a '
    'standby or a restored copy';
-- CALL weekly_model_training(): export, training, gate, store, rollout, in this order.

CREATE FUNCTION @extschema@.tw_weekly_begin(due_in text, at timestamptz) RETURNS bigint
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    run CONSTANT bigint := @extschema@.tw_begin_job('weekly_model_training', due_in, at);
BEGIN
    UPDATE @extschema@.job_runs r SET items_done = 0, items_total = 4 WHERE r.id = run;
    RETURN run;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_weekly_begin(text, timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_weekly_begin(text, timestamptz) IS 'Begins a run of weekly_model_training(); NULL where it has nothing to do';

CREATE FUNCTION @extschema@.tw_weekly_export(INOUT export_id bigint, at timestamptz, OUT result text, OUT code text, OUT message text)
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    store record;
    failed record;
BEGIN
    -- The second time its row is there, for others to see.
    IF export_id IS NOT NULL THEN
        SELECT * INTO STRICT failed FROM @extschema@.tw_run_s3_export(export_id);
        -- Returned, not raised: its row says the same, and stays.
        code := failed.error_code;
        message := format('export %s: %s', export_id, failed.error_message);
        result := format('succeeded: export %s', export_id);
        export_id := NULL;
        RETURN;
    END IF;
    SELECT * INTO store FROM @extschema@.tw_artifact_server();
    IF store.server IS NULL THEN
        result := 'skipped: ' || coalesce(store.problem, 'no S3 server is configured');
        RETURN;
    END IF;
    export_id := @extschema@.tw_begin_s3_export(
        format('exports/weekly/%s.jsonl', to_char(coalesce(at, now()) AT TIME ZONE @extschema@.training_setting('time_zone'), 'YYYY-MM-DD')),
        @extschema@.tw_export_filter('approved', NULL, NULL, NULL, NULL, NULL, 'jsonl', 'train'), 'jsonl', true, store.server);
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_weekly_export(bigint, timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_weekly_export(bigint, timestamptz) IS
    'Begins the weekly export of the training set to the store for models (export_id NULL), or runs it; result is NULL where it goes on, code and '
    'message are those of an export that failed';

CREATE FUNCTION @extschema@.tw_weekly_result(run bigint, job text, OUT result text, OUT code text, OUT message text)
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT CASE WHEN r.id IS NULL THEN 'skipped: it is running' ELSE format('%s: run %s', r.status, r.id) END, CASE r.status WHEN 'failed' THEN r.error_code END,
           format('%s (run %s): %s', job, r.id, r.error_message)
    FROM (SELECT) one
    LEFT JOIN LATERAL (SELECT x.* FROM @extschema@.job_runs x WHERE x.job_name = job AND x.id > run ORDER BY x.id DESC LIMIT 1) r ON true;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_weekly_result(bigint, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_weekly_result(bigint, text) IS 'How another job ended that this run called, and the error of one that failed';

CREATE FUNCTION @extschema@.tw_weekly_step(run bigint, part text, place bigint, at timestamptz) RETURNS bigint
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    next_place bigint := NULL;
    result text;
    code text;
    message text;
BEGIN
    PERFORM @extschema@.tw_require_run(run);
    BEGIN
        CASE part
            WHEN 'export' THEN
                SELECT e.export_id, e.result, e.code, e.message INTO next_place, result, code, message FROM @extschema@.tw_weekly_export(place, at) e;
            WHEN 'request' THEN
                result := format('succeeded: %s asked for',
                                 @extschema@.tw_request_due_trainings(@extschema@.training_setting('min_new_samples')::integer));
            WHEN 'training' THEN
                SELECT r.result, r.code, r.message INTO result, code, message FROM @extschema@.tw_weekly_result(run, 'run_training_jobs') r;
            WHEN 'rollout' THEN
                SELECT r.result, r.code, r.message INTO result, code, message FROM @extschema@.tw_weekly_result(run, 'check_rollouts') r;
        END CASE;
    EXCEPTION WHEN OTHERS THEN
        GET STACKED DIAGNOSTICS code = RETURNED_SQLSTATE, message = MESSAGE_TEXT;
    END;
    IF code IS NOT NULL THEN
        RAISE WARNING 'weekly_model_training: part % failed: %', part, message USING ERRCODE = code;
        PERFORM @extschema@.tw_fail_run(run, code, format('%s: %s', part, message));
        result := 'failed: ' || message;
        -- An export writes down that it was cancelled, and so catches that; whoever cancelled it meant the whole run.
        next_place := CASE code WHEN '57014' THEN -1 END;
    END IF;
    PERFORM @extschema@.tw_note_run(run, part, '{}', false);
    IF coalesce(next_place, -1) < 0 THEN
        PERFORM @extschema@.tw_note_part(run, part, result);
    END IF;
    RETURN next_place;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_weekly_step(bigint, text, bigint, timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_weekly_step(bigint, text, bigint, timestamptz) IS
    'One transaction of a part of weekly_model_training(), with its error written down instead of raised; returns where the part goes on, NULL when '
    'it is done, -1 where it was cancelled. Raises 55000 when it is not called by the run''s own session';

-- No SET and no SECURITY DEFINER: a procedure with either cannot COMMIT. So every name in it is qualified.
CREATE PROCEDURE @extschema@.weekly_model_training(due_in text DEFAULT NULL, at timestamptz DEFAULT NULL)
    LANGUAGE plpgsql
AS $procedure$
DECLARE
    run bigint;
    part pg_catalog.text;
    place bigint;
BEGIN
    IF pg_catalog.pg_is_in_recovery() THEN
        RETURN;
    END IF;
    run := @extschema@.tw_weekly_begin(due_in, at);
    COMMIT;
    IF run IS NULL THEN
        RETURN;
    END IF;
    FOREACH part IN ARRAY ARRAY['export', 'request', 'training', 'rollout'] LOOP
        PERFORM @extschema@.tw_begin_part(run, part);
        COMMIT;
        IF part OPERATOR(pg_catalog.=) 'training' THEN
            CALL @extschema@.run_training_jobs();
        ELSIF part OPERATOR(pg_catalog.=) 'rollout' THEN
            CALL @extschema@.check_rollouts(at);
        END IF;
        place := NULL;
        LOOP
            place := @extschema@.tw_weekly_step(run, part, place, at);
            COMMIT;
            EXIT WHEN place IS NULL;
            IF place OPERATOR(pg_catalog.<) 0 THEN
                PERFORM @extschema@.tw_end_run(run);
                COMMIT;
                RAISE EXCEPTION USING ERRCODE = 'query_canceled', MESSAGE = 'weekly_model_training was cancelled during its export';
            END IF;
        END LOOP;
    END LOOP;
    PERFORM @extschema@.tw_end_run(run);
    COMMIT;
END
$procedure$;
REVOKE ALL ON PROCEDURE @extschema@.weekly_model_training(text, timestamptz) FROM PUBLIC;
COMMENT ON PROCEDURE @extschema@.weekly_model_training(text, timestamptz) IS
    'The weekly job: exports the training set to the store for models where there is one (recorded in training_export_jobs), asks for a training of each '
    'model type with min_new_samples new samples, runs it (gate and store included), and starts the rollout of what passed while auto_deploy is on. Results '
    'of these parts are in job_runs.details. due_in, for pg_cron in time zones with daylight saving, makes it do nothing unless Sunday 03:00 there has '
    'passed since its last run; at is the time to count as now, for tests. Commits as it goes, so it cannot run inside a transaction; errors are recorded '
    'and warned of. Does nothing on a standby or a restored copy';
-- schedule_jobs() and unschedule_jobs(): the entries of pg_cron that make the loop run by itself.
--
-- Nothing here needs pg_cron: what names its objects is put together at run time. Nor is a schema that merely is called cron
-- taken for it: these functions also run as superusers, and would do what somebody else put there.

CREATE FUNCTION @extschema@.tw_cron_server(
    OUT is_loaded boolean, OUT is_available boolean, OUT database_name text, OUT time_zone text, OUT is_here boolean, OUT sees_all boolean,
    OUT launcher_runs boolean, OUT uses_workers boolean)
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    -- An owner that is no superuser may not look everywhere; then no trouble is taken for granted.
    may_see_settings CONSTANT boolean := pg_has_role('pg_read_all_settings', 'USAGE');
    may_see_workers CONSTANT boolean := pg_has_role('pg_read_all_stats', 'USAGE');
BEGIN
    -- pg_settings, unlike current_setting(), does not know a value that somebody merely made up for their session.
    database_name := (SELECT s.setting FROM pg_settings s WHERE s.name = 'cron.database_name');
    -- Before 1.5 it knew GMT alone.
    time_zone := coalesce((SELECT s.setting FROM pg_settings s WHERE s.name = 'cron.timezone'), 'GMT');
    uses_workers := (SELECT s.setting::boolean FROM pg_settings s WHERE s.name = 'cron.use_background_workers');
    -- Installed, but not where it works: left over from when it did.
    is_here := coalesce(database_name = current_database(), true) AND EXISTS (
        SELECT FROM pg_extension e
        JOIN pg_depend d ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid AND d.deptype = 'e'
        JOIN pg_namespace n ON d.classid = 'pg_namespace'::regclass AND d.objid = n.oid
        WHERE e.extname = 'pg_cron' AND n.nspname = 'cron');
    is_loaded := database_name IS NOT NULL OR is_here AND NOT may_see_settings;
    is_available := EXISTS (SELECT FROM pg_available_extensions e WHERE e.name = 'pg_cron');
    sees_all := false;
    IF is_here THEN
        sees_all := has_schema_privilege('cron', 'USAGE') AND has_table_privilege('cron.job', 'SELECT') AND NOT row_security_active('cron.job')
            AND has_table_privilege('cron.job_run_details', 'SELECT') AND NOT row_security_active('cron.job_run_details');
    END IF;
    launcher_runs := EXISTS (SELECT FROM pg_stat_activity a WHERE a.backend_type = 'pg_cron launcher') OR NOT may_see_workers;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_cron_server() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_cron_server() IS
    'What there is of pg_cron: loaded by the server, installable, the database it works in, the zone it thinks in, installed in this database, '
    'whether the extension''s owner sees the entries of every role, whether its launcher runs, and whether that uses background workers';

CREATE FUNCTION @extschema@.tw_cron_job_name(job text) RETURNS text
    LANGUAGE sql STABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    -- A database has at most one installation. An entry's name may be a "name", of at most 63 bytes.
    WITH tries (n, name) AS (
        SELECT 0, format('training_workflow %s: %s', current_database(), job)
        UNION ALL
        SELECT g, format('training_workflow %s~%s: %s', left(current_database(), - g), left(md5(current_database()), 8), job)
        FROM generate_series(1, 63) g
    )
    SELECT t.name FROM tries t WHERE octet_length(t.name) <= 63 ORDER BY t.n LIMIT 1;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_cron_job_name(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_cron_job_name(text) IS
    'What pg_cron''s entry for a job of this database is called: training_workflow DATABASE: JOB, a long database''s name cut and with a checksum';

CREATE FUNCTION @extschema@.tw_cron_entries(
    OUT job_name text, OUT id bigint, OUT schedule text, OUT command text, OUT role_name text, OUT is_active boolean, OUT run_status text,
    OUT run_message text, OUT run_started timestamptz)
    RETURNS SETOF record
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF NOT (SELECT c.is_here FROM @extschema@.tw_cron_server() c) OR NOT has_schema_privilege('cron', 'USAGE')
       OR NOT has_table_privilege('cron.job', 'SELECT') OR NOT has_table_privilege('cron.job_run_details', 'SELECT') THEN
        RETURN;
    END IF;
    -- There is no index but that on runid, and there may be millions of runs.
    RETURN QUERY EXECUTE $query$
        WITH entry AS (
            SELECT s.ordinal, s.job_name, j.* FROM @extschema@.tw_scheduled_jobs() s
            JOIN cron.job j ON j.jobname::text = @extschema@.tw_cron_job_name(s.job_name) AND j.database = current_database()
        ), run AS (
            SELECT DISTINCT ON (d.jobid) d.jobid, d.status, d.return_message, d.start_time
            FROM (SELECT * FROM cron.job_run_details r ORDER BY r.runid DESC LIMIT 3000) d
            WHERE d.jobid IN (SELECT e.jobid FROM entry e) AND d.status IN ('succeeded', 'failed')
            ORDER BY d.jobid, d.runid DESC
        )
        SELECT e.job_name, e.jobid, e.schedule, e.command, e.username, e.active, r.status, r.return_message, r.start_time
        FROM entry e LEFT JOIN run r USING (jobid)
        ORDER BY e.ordinal, e.jobid
    $query$;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_cron_entries() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_cron_entries() IS
    'pg_cron''s entries for our jobs that the caller may see, with the last run of each (of the server''s last 3,000)';

CREATE FUNCTION @extschema@.tw_all_cron_entries(
    OUT job_name text, OUT id bigint, OUT schedule text, OUT command text, OUT role_name text, OUT is_active boolean, OUT run_status text,
    OUT run_message text, OUT run_started timestamptz)
    RETURNS SETOF record
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    RETURN QUERY SELECT * FROM @extschema@.tw_cron_entries();
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_all_cron_entries() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_all_cron_entries() IS
    'pg_cron''s entries for our jobs that the extension''s owner may see: those of every role, where that is a superuser';

CREATE FUNCTION @extschema@.tw_scheduled_jobs(OUT ordinal integer, OUT job_name text, OUT local_time time, OUT week_day integer)
    RETURNS SETOF record
    LANGUAGE sql IMMUTABLE PARALLEL SAFE ROWS 5 SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    VALUES (1, 'daily_training_capture', '02:00'::time, NULL::integer),
           (2, 'weekly_model_training', '03:00', 0),
           (3, 'labelstudio_sync', NULL, NULL),
           (4, 'run_training_jobs', NULL, NULL),
           (5, 'check_rollouts', NULL, NULL);
END;
REVOKE ALL ON FUNCTION @extschema@.tw_scheduled_jobs() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_scheduled_jobs() IS
    'The jobs that schedule_jobs() registers; those without a time of day run every five minutes. week_day 0 is Sunday';

CREATE FUNCTION @extschema@.tw_utc_offsets(time_zone text, since timestamptz) RETURNS integer[]
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET timezone = 'UTC'
AS $function$
BEGIN
    PERFORM set_config('timezone', time_zone, true);
    RETURN (SELECT array_agg((extract(epoch FROM (since + d * interval '24 hours')::timestamp)
                              - extract(epoch FROM since + d * interval '24 hours'))::integer / 60 ORDER BY d)
            FROM generate_series(0, 730) AS d);
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_utc_offsets(text, timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_utc_offsets(text, timestamptz) IS
    'How many minutes a zone is ahead of UTC on each day of two years. Raises 22023 for an unknown zone';

CREATE FUNCTION @extschema@.tw_cron_plan(wanted_zone text, cron_zone text, since timestamptz,
    OUT job_name text, OUT schedule text, OUT command text)
    RETURNS SETOF record
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    schema_name CONSTANT name := (SELECT n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                                  WHERE c.oid = '@extschema@.conversation_logs'::regclass);
    wanted CONSTANT integer[] := @extschema@.tw_utc_offsets(wanted_zone, since);
    cron CONSTANT integer[] := @extschema@.tw_utc_offsets(cron_zone, since);
    -- Of a clock that changes, pg_cron's as well, some hours do not exist on some day, and others come twice.
    is_fixed CONSTANT boolean := wanted[1] = ALL (wanted) AND cron[1] = ALL (cron);
    job record;
    minute integer;
BEGIN
    FOR job IN SELECT * FROM @extschema@.tw_scheduled_jobs() j ORDER BY j.ordinal LOOP
        job_name := job.job_name;
        command := format('CALL %I.%I()', schema_name, job_name);
        IF job.local_time IS NULL THEN
            schedule := '*/5 * * * *';
        ELSIF is_fixed THEN
            -- Of the week, which begins with pg_cron's day 0.
            minute := (coalesce(job.week_day, 0) * 1440 + extract(epoch FROM job.local_time)::integer / 60 + cron[1] - wanted[1] + 2 * 10080) % 10080;
            schedule := format('%s %s * * %s', minute % 60, minute / 60 % 24, CASE WHEN job.week_day IS NULL THEN '*' ELSE (minute / 1440)::text END);
        ELSE
            schedule := (SELECT string_agg(m::text, ',' ORDER BY m) || ' * * * *'
                         FROM (SELECT DISTINCT ((c - w) % 60 + 60) % 60 FROM unnest(cron, wanted) AS o (c, w)) AS minutes (m));
            command := format('CALL %I.%I(due_in => %L)', schema_name, job_name, wanted_zone);
        END IF;
        RETURN NEXT;
    END LOOP;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_cron_plan(text, text, timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_cron_plan(text, text, timestamptz) IS
    'What pg_cron, thinking in one zone, has to be told for the jobs to run at their times in another, seen over two years: an exact entry, or, where a clock '
    'changes, one that ticks every hour at that zone''s full hour and leaves it to the procedure to see whether it is due';

CREATE FUNCTION @extschema@.tw_require_zone(time_zone text) RETURNS text
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    wanted CONSTANT text := coalesce(time_zone, @extschema@.training_setting('time_zone'));
    -- No abbreviations: IST is Israel's.
    known CONSTANT text := (SELECT z.name FROM pg_timezone_names z WHERE lower(z.name) = lower(wanted) LIMIT 1);
BEGIN
    IF known IS NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('there is no time zone "%s"', wanted),
            HINT = 'Choose a name from pg_timezone_names, for example Asia/Kolkata'
                || CASE WHEN time_zone IS NULL THEN '; this one is the value of the setting time_zone.' ELSE '.' END;
    END IF;
    RETURN known;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_require_zone(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_require_zone(text) IS
    'The name of a zone as pg_timezone_names spells it, NULL for that of the setting time_zone. Raises 22023 for an unknown one';

CREATE FUNCTION @extschema@.tw_require_scheduling() RETURNS void
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF pg_is_in_recovery() THEN
        RAISE EXCEPTION USING
            ERRCODE = 'read_only_sql_transaction',
            MESSAGE = 'jobs cannot be scheduled on a standby',
            HINT = 'Schedule them on the primary; pg_cron goes on here by itself once this server is promoted.';
    END IF;
    PERFORM @extschema@.tw_require_acting();
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_require_scheduling() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_require_scheduling() IS 'Refuses to schedule from a standby (25006) and from a restored copy (55000)';

CREATE FUNCTION @extschema@.tw_note_scheduled() RETURNS void
    LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    INSERT INTO @extschema@.training_settings AS s (name, value) VALUES ('scheduled', 'on')
    ON CONFLICT (name) DO UPDATE SET updated_at = now(), updated_by = session_user;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_note_scheduled() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_note_scheduled() IS
    'Stores when an entry was last made or changed, which pg_cron does not: so job_health knows since when a job that never ran should have';

CREATE FUNCTION @extschema@.tw_require_cron_rights(is_here boolean) RETURNS void
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    denied text;
    grant_it text;
BEGIN
    IF NOT (SELECT r.rolcanlogin FROM pg_roles r WHERE r.rolname = current_user) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('role "%s" may not log in', current_user),
            DETAIL = 'pg_cron runs a job as the role that scheduled it, in a session of its own.',
            HINT = format('Schedule the jobs as a role that may, or run ALTER ROLE %I LOGIN.', current_user);
    END IF;
    denied := (SELECT s.job_name FROM @extschema@.tw_scheduled_jobs() s
               WHERE NOT coalesce((SELECT bool_or(has_function_privilege(p.oid, 'EXECUTE')) FROM pg_proc p
                                   JOIN pg_class c ON c.oid = '@extschema@.conversation_logs'::regclass
                                   WHERE p.proname = s.job_name AND p.pronamespace = c.relnamespace), false)
               ORDER BY s.ordinal LIMIT 1);
    IF denied IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'insufficient_privilege',
            MESSAGE = format('role "%s" may not run %s()', current_user, denied),
            DETAIL = 'pg_cron runs a job as the role that scheduled it.',
            HINT = format('The extension''s owner lets it by SELECT grant_training_role(%L, ''operator'').', current_user);
    END IF;
    IF NOT is_here THEN
        RETURN;
    END IF;
    IF NOT has_schema_privilege('cron', 'USAGE') THEN
        grant_it := 'USAGE ON SCHEMA cron';
    ELSIF to_regprocedure('cron.schedule(text, text, text)') IS NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'feature_not_supported',
            MESSAGE = 'pg_cron is too old: it takes no named entries',
            HINT = 'Version 1.4 is the first that does: install it, and run ALTER EXTENSION pg_cron UPDATE.';
    ELSIF NOT has_function_privilege('cron.schedule(text, text, text)', 'EXECUTE') THEN
        grant_it := 'EXECUTE ON FUNCTION cron.schedule(text, text, text)';
    ELSIF NOT has_function_privilege('cron.unschedule(bigint)', 'EXECUTE') THEN
        grant_it := 'EXECUTE ON FUNCTION cron.unschedule(bigint)';
    ELSIF NOT has_table_privilege('cron.job', 'SELECT') THEN
        grant_it := 'SELECT ON cron.job';
    END IF;
    IF grant_it IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'insufficient_privilege',
            MESSAGE = format('role "%s" may not use pg_cron', current_user),
            HINT = format('A superuser lets it by GRANT %s TO %I;', grant_it, current_user);
    END IF;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_require_cron_rights(boolean) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_require_cron_rights(boolean) IS
    'Refuses a role that cannot log in (55000), may not run the jobs or, where pg_cron is in this database, may not use that (42501)';

CREATE FUNCTION @extschema@.tw_notice_cron_elsewhere(server record, what text) RETURNS void
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF NOT server.is_loaded THEN
        RAISE NOTICE USING
            MESSAGE = format('this server runs without pg_cron: nothing was %s', what),
            HINT = CASE WHEN server.is_available THEN '' ELSE 'Install its package. ' END
                || format('Set shared_preload_libraries = ''pg_cron'' and cron.database_name = %L, restart, run CREATE EXTENSION pg_cron, and call '
                          'this again. ', current_database())
                || 'Or run the statements in the database that pg_cron is to work in.';
    ELSIF server.database_name = current_database() THEN
        RAISE NOTICE USING
            MESSAGE = format('pg_cron is not installed in this database: nothing was %s', what),
            HINT = 'Run CREATE EXTENSION pg_cron, and call this again.';
    ELSE
        RAISE NOTICE USING
            MESSAGE = format('pg_cron works in database "%s": nothing was %s', server.database_name, what),
            HINT = CASE what WHEN 'scheduled' THEN 'Run the statements there, as a superuser, or as a role that may: cron.schedule_in_database() is not '
                                 'granted to PUBLIC.'
                             ELSE 'Run the statements there, as a superuser or as the role that the jobs run as.' END;
    END IF;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_notice_cron_elsewhere(record, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_notice_cron_elsewhere(record, text) IS 'Says why pg_cron is not at hand here, and what to do';

CREATE FUNCTION @extschema@.tw_schedule_job(which text, wanted_schedule text, wanted_command text, sees_all boolean,
    OUT done boolean, OUT what text, OUT statement text)
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    entry record;
    is_same boolean;
BEGIN
    IF sees_all THEN
        SELECT * INTO entry FROM @extschema@.tw_all_cron_entries() e
        WHERE e.job_name = which ORDER BY e.role_name = current_user DESC, e.is_active DESC, e.id LIMIT 1;
    ELSE
        SELECT * INTO entry FROM @extschema@.tw_cron_entries() e WHERE e.job_name = which AND e.role_name = current_user LIMIT 1;
    END IF;
    is_same := entry.schedule = wanted_schedule AND entry.command = wanted_command;
    done := true;
    IF entry.id IS NULL THEN
        what := 'scheduled';
    ELSIF entry.role_name <> current_user THEN
        -- A second entry of ours beside it would only find the job running, or run it twice as often.
        what := format('role "%s" has scheduled it', entry.role_name);
        done := is_same AND entry.is_active;
        IF NOT done THEN
            statement := format('SELECT cron.alter_job(%s, %L, %L, active => true);', entry.id, wanted_schedule, wanted_command);
        END IF;
        RETURN;
    ELSE
        what := CASE WHEN is_same THEN 'unchanged' ELSE 'changed' END;
    END IF;
    IF what <> 'unchanged' THEN
        -- Of an entry that there is already, this keeps the id.
        EXECUTE 'SELECT cron.schedule($1, $2, $3)' USING @extschema@.tw_cron_job_name(which), wanted_schedule, wanted_command;
        PERFORM @extschema@.tw_note_scheduled();
    END IF;
    IF NOT entry.is_active THEN
        -- Somebody switched it off on purpose.
        what := what || ', inactive';
        done := false;
        statement := format('SELECT cron.alter_job(%s, active => true);', entry.id);
    END IF;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_schedule_job(text, text, text, boolean) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_schedule_job(text, text, text, boolean) IS
    'Makes one entry what it should be, and says what that took: it was scheduled, changed or unchanged, or another role''s';

CREATE FUNCTION @extschema@.schedule_jobs(time_zone text DEFAULT NULL,
    OUT job_name text, OUT schedule text, OUT command text, OUT done boolean, OUT what text, OUT statement text)
    RETURNS SETOF record
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    server record;
    zone text;
BEGIN
    PERFORM @extschema@.tw_require_scheduling();
    zone := @extschema@.tw_require_zone(time_zone);
    SELECT * INTO server FROM @extschema@.tw_cron_server();
    PERFORM @extschema@.tw_require_cron_rights(server.is_here);
    IF NOT server.is_here THEN
        PERFORM @extschema@.tw_notice_cron_elsewhere(server, 'scheduled');
    END IF;
    FOR job_name, schedule, command IN
        SELECT p.job_name, p.schedule, p.command FROM @extschema@.tw_cron_plan(zone, server.time_zone, now()) p
    LOOP
        IF server.is_here THEN
            SELECT j.done, j.what, j.statement INTO done, what, statement FROM @extschema@.tw_schedule_job(job_name, schedule, command, server.sees_all) j;
        ELSE
            done := false;
            what := 'nothing';
            statement := format('SELECT cron.schedule_in_database(%L, %L, %L, %L, %L);',
                                @extschema@.tw_cron_job_name(job_name), schedule, command, current_database(), current_user);
        END IF;
        RETURN NEXT;
    END LOOP;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.schedule_jobs(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.schedule_jobs(text) IS
    'Registers the five jobs with pg_cron, to run as the calling role: daily_training_capture at 02:00 and weekly_model_training on Sunday at 03:00 in the zone (NULL: '
    'the setting time_zone), the others every five minutes. Returns a row for each: its entry, whether it is in place (done), what was done, and otherwise the statement '
    'that does it. Called again it changes what differs. Where pg_cron is not in this database it does nothing, and returns the statements to run where it is. '
    'Raises 22023 for an unknown zone, 42501 without the rights, 55000 for a role that cannot log in and on a restored copy, 25006 on a standby';

CREATE FUNCTION @extschema@.unschedule_jobs(OUT job_name text, OUT done boolean, OUT what text, OUT statement text)
    RETURNS SETOF record
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    server record;
    entry record;
BEGIN
    IF pg_is_in_recovery() THEN
        PERFORM @extschema@.tw_require_scheduling();
    END IF;
    SELECT * INTO server FROM @extschema@.tw_cron_server();
    IF NOT server.is_here THEN
        PERFORM @extschema@.tw_notice_cron_elsewhere(server, 'unscheduled');
        RETURN QUERY
            SELECT s.job_name, false, 'nothing', format('SELECT cron.unschedule(jobid) FROM cron.job WHERE jobname = %L AND database = %L;',
                                                        @extschema@.tw_cron_job_name(s.job_name), current_database())
            FROM @extschema@.tw_scheduled_jobs() s ORDER BY s.ordinal;
        RETURN;
    END IF;
    IF NOT has_schema_privilege('cron', 'USAGE') THEN
        RAISE EXCEPTION USING
            ERRCODE = 'insufficient_privilege',
            MESSAGE = format('role "%s" may not use pg_cron', current_user),
            HINT = format('A superuser lets it by GRANT USAGE ON SCHEMA cron TO %I;', current_user);
    END IF;
    FOR entry IN
        SELECT e.job_name, e.id, e.role_name FROM @extschema@.tw_cron_entries() e
        UNION
        SELECT e.job_name, e.id, e.role_name FROM @extschema@.tw_all_cron_entries() e
        ORDER BY id
    LOOP
        job_name := entry.job_name;
        done := entry.role_name = current_user OR has_table_privilege('cron.job', 'DELETE');
        what := format('%s of role "%s"', CASE WHEN done THEN 'unscheduled' ELSE 'it is' END, entry.role_name);
        statement := CASE WHEN NOT done THEN format('SELECT cron.unschedule(%s);', entry.id) END;
        IF done THEN
            EXECUTE 'SELECT cron.unschedule($1)' USING entry.id;
        END IF;
        RETURN NEXT;
    END LOOP;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.unschedule_jobs() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.unschedule_jobs() IS
    'Removes this database''s entries for our jobs from pg_cron, and no others: a row for each, with the statement that a superuser has to run where it is another role''s. '
    'Where pg_cron is not in this database it does nothing, and returns the statements to run where it is. DROP EXTENSION leaves the entries: call this before. '
    'Raises 42501 without the rights, 25006 on a standby';
-- job_health: how each job is, and, in the first row, what to do first.

CREATE FUNCTION @extschema@.tw_cron_field(field text, lowest integer, highest integer) RETURNS integer[]
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    part text;
    m text[];
    numbers integer[] := '{}';
BEGIN
    FOREACH part IN ARRAY string_to_array(field, ',') LOOP
        m := regexp_match(part, '^(?:\*|(\d{1,2})(?:-(\d{1,2}))?)(?:/(\d{1,2}))?$');
        IF m IS NULL OR m[3]::integer = 0 THEN
            RETURN NULL;
        END IF;
        numbers := numbers || ARRAY(SELECT generate_series(coalesce(m[1]::integer, lowest),
            coalesce(m[2]::integer, CASE WHEN m[3] IS NULL THEN m[1]::integer END, highest), coalesce(m[3]::integer, 1)));
    END LOOP;
    RETURN (SELECT array_agg(DISTINCT n ORDER BY n) FROM unnest(numbers) AS n WHERE n BETWEEN lowest AND highest);
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_cron_field(text, integer, integer) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_cron_field(text, integer, integer) IS
    'The numbers that a field of a cron entry stands for (lists, ranges and steps), ascending; NULL where it is something else';

CREATE FUNCTION @extschema@.tw_cron_tick(schedule text, time_zone text, at timestamptz, later boolean) RETURNS timestamptz
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET timezone = 'UTC'
AS $function$
DECLARE
    fields CONSTANT text[] := regexp_split_to_array(btrim(schedule), '\s+');
    minutes integer[] := @extschema@.tw_cron_field(fields[1], 0, 59);
    hours integer[] := @extschema@.tw_cron_field(fields[2], 0, 23);
    week_days CONSTANT integer[] := @extschema@.tw_cron_field(fields[5], 0, 7);
    step CONSTANT integer := CASE WHEN later THEN 1 ELSE -1 END;
    day date;
    hour integer;
    minute integer;
    tick timestamptz;
BEGIN
    -- Days of the month are nothing that we write.
    IF cardinality(fields) <> 5 OR minutes IS NULL OR hours IS NULL OR week_days IS NULL OR fields[3] <> '*' OR fields[4] <> '*' THEN
        RETURN NULL;
    END IF;
    PERFORM set_config('timezone', time_zone, true);
    IF NOT later THEN
        minutes := ARRAY(SELECT n FROM unnest(minutes) AS n ORDER BY n DESC);
        hours := ARRAY(SELECT n FROM unnest(hours) AS n ORDER BY n DESC);
    END IF;
    FOR d IN 0..8 LOOP
        day := at::date + d * step;
        CONTINUE WHEN extract(dow FROM day)::integer <> ALL (week_days) AND (extract(dow FROM day) > 0 OR 7 <> ALL (week_days));
        FOREACH hour IN ARRAY hours LOOP
            FOREACH minute IN ARRAY minutes LOOP
                tick := (day + make_time(hour, minute, 0))::timestamptz;
                IF (tick > at) = later THEN
                    RETURN tick;
                END IF;
            END LOOP;
        END LOOP;
    END LOOP;
    RETURN NULL;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_cron_tick(text, text, timestamptz, boolean) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_cron_tick(text, text, timestamptz, boolean) IS
    'When an entry of pg_cron next ticks after a time, or last did by then, in the zone that pg_cron thinks in; NULL for one that goes by days of the month';

CREATE FUNCTION @extschema@.tw_last_runs(
    OUT ordinal integer, OUT job_name text, OUT last_run timestamptz, OUT last_success timestamptz, OUT last_failure timestamptz, OUT last_error_code text,
    OUT last_error text, OUT running_since timestamptz, OUT phase text, OUT items_done bigint, OUT items_total bigint, OUT is_held boolean)
    RETURNS SETOF record
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT j.ordinal, j.job_name, newest.started_at, success.finished_at, failure.finished_at, failure.error_code, failure.error_message,
           running.started_at, running.phase, running.items_done, running.items_total,
           running.started_at IS NOT NULL AND (pg_is_in_recovery() OR EXISTS (
               SELECT FROM pg_locks l
               WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 3 AND l.classid = '@extschema@.conversation_logs'::regclass::oid
                 AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
                 AND l.objid = @extschema@.tw_job_number(j.job_name)::oid))
    FROM (SELECT s.ordinal, s.job_name FROM @extschema@.tw_scheduled_jobs() s
          UNION ALL VALUES (6, 'store_model_artifacts'), (7, 'promotion')) AS j (ordinal, job_name)
    LEFT JOIN LATERAL (SELECT r.* FROM @extschema@.job_runs r WHERE r.job_name = j.job_name ORDER BY r.started_at DESC LIMIT 1) newest ON true
    LEFT JOIN LATERAL (SELECT r.* FROM @extschema@.job_runs r WHERE r.job_name = j.job_name AND r.status = 'succeeded'
                       ORDER BY r.started_at DESC LIMIT 1) success ON true
    LEFT JOIN LATERAL (SELECT r.* FROM @extschema@.job_runs r WHERE r.job_name = j.job_name AND r.status = 'failed'
                       ORDER BY r.started_at DESC LIMIT 1) failure ON true
    LEFT JOIN LATERAL (SELECT r.* FROM @extschema@.job_runs r WHERE r.job_name = j.job_name AND r.status = 'running'
                       ORDER BY r.started_at DESC LIMIT 1) running ON true
    WHERE j.ordinal <= 5 OR newest.id IS NOT NULL;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_last_runs() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_last_runs() IS
    'What job_runs says of each job: its last run, success and failure, and the one that is not over; is_held: some session has the lock that a '
    'living run holds';

CREATE FUNCTION @extschema@.tw_job_times(job text, entry_schedule text, entry_command text, cron_zone text, at timestamptz,
    OUT time_zone text, OUT next_run timestamptz, OUT expected_since timestamptz)
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    has_time_of_day CONSTANT boolean := (SELECT s.local_time IS NOT NULL FROM @extschema@.tw_scheduled_jobs() s WHERE s.job_name = job);
    due_in CONSTANT text := substring(entry_command FROM 'due_in => ''([^'']+)''');
    -- A tick that is missed is made up for at the next, an hour later.
    grace CONSTANT interval := CASE WHEN has_time_of_day THEN '2 hours' ELSE '15 minutes' END;
BEGIN
    IF entry_schedule IS NOT NULL AND due_in IS NULL THEN
        time_zone := cron_zone;
        next_run := @extschema@.tw_cron_tick(entry_schedule, cron_zone, at, true);
        expected_since := @extschema@.tw_cron_tick(entry_schedule, cron_zone, at - grace, false);
    ELSIF has_time_of_day THEN
        time_zone := due_in;
        next_run := CASE WHEN entry_schedule IS NOT NULL THEN @extschema@.tw_due_time(job, due_in, at, true) END;
        expected_since := @extschema@.tw_due_since(job, coalesce(due_in, @extschema@.training_setting('time_zone')), at - grace);
    ELSE
        expected_since := at - grace;
    END IF;
EXCEPTION WHEN invalid_parameter_value THEN
    -- Somebody's own entry, or a zone that this server no longer knows.
    RETURN;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_job_times(text, text, text, text, timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_job_times(text, text, text, text, timestamptz) IS
    'By which zone an entry goes, when it next runs, and since when, with a grace, a run of it ought to have begun; without an entry, as if '
    'schedule_jobs() had made one';

CREATE FUNCTION @extschema@.tw_failure_advice(job text, code text, message text, role_name text, uses_workers boolean) RETURNS text
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
RETURN CASE
    WHEN code IS NULL AND message ~ '^(connection (failed|lost)|job startup timeout|could not start background process|FATAL)'
        THEN format(CASE WHEN uses_workers THEN 'pg_cron cannot start a session as %s: see last_error and the server''s log, and whether max_worker_processes is enough'
                         ELSE 'pg_cron cannot log in as %s: let it in by pg_hba.conf from cron.host, or set cron.use_background_workers = on and restart' END,
                    role_name)
    WHEN coalesce(code, '42501') = '42501' AND message ~ 'permission denied' AND role_name IS NOT NULL
        THEN format('the role %s of the entry lacks a right: SELECT grant_training_role(%L, ''operator'')', role_name, role_name)
    WHEN job = 'labelstudio_sync' THEN 'Label Studio is failing: SELECT * FROM labelstudio_check()'
    WHEN job = 'store_model_artifacts' THEN 'the object store is failing: SELECT * FROM s3_check()'
    WHEN job = 'promotion' THEN 'samples are missing: see last_error, then SELECT * FROM promote_missed_conversations(''0'')'
    ELSE format('see last_error; to run it now: CALL %s()', job) END;
REVOKE ALL ON FUNCTION @extschema@.tw_failure_advice(text, text, text, text, boolean) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_failure_advice(text, text, text, text, boolean) IS 'What to do about a job whose last run failed; code is NULL for an error that pg_cron met';

CREATE FUNCTION @extschema@.tw_job_states(at timestamptz,
    OUT ordinal integer, OUT job_name text, OUT state text, OUT advice text, OUT last_success timestamptz, OUT last_failure timestamptz,
    OUT last_error_code text, OUT last_error text, OUT running_since timestamptz, OUT phase text, OUT items_done bigint, OUT items_total bigint,
    OUT schedule text, OUT time_zone text, OUT next_run timestamptz, OUT is_overdue boolean, OUT scheduled_by text)
    RETURNS SETOF record
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH entries AS (
        -- Of entries of several roles, one that is active.
        SELECT DISTINCT ON (e.job_name) e.*, coalesce(e.run_status = 'failed', false) AS run_failed
        FROM @extschema@.tw_all_cron_entries() e ORDER BY e.job_name, e.is_active DESC, e.id
    ), seen AS (
        SELECT r.*, e.id AS entry, e.is_active, e.schedule, e.role_name, c.sees_all AND r.ordinal <= 5 AS is_known, c.uses_workers,
               t.time_zone, t.next_run, t.expected_since,
               -- pg_cron says that a procedure succeeded which wrote down an error of its own.
               -- Where it could not even connect, it notes no time.
               coalesce(e.run_failed AND coalesce(e.run_started, 'infinity') > coalesce(r.last_run, '-infinity'), false) AS cron_failed,
               e.run_message, e.run_started, coalesce(r.last_success, CASE WHEN r.last_run IS NULL AND e.run_status = 'succeeded'
                   AND r.ordinal BETWEEN 3 AND 5 THEN e.run_started END) AS succeeded,
               greatest(r.last_run, CASE WHEN r.ordinal BETWEEN 3 AND 5 THEN e.run_started END) AS ran,
               (SELECT g.updated_at FROM @extschema@.training_settings g WHERE g.name = 'scheduled' AND e.is_active) AS scheduled_at
        FROM @extschema@.tw_last_runs() r
        CROSS JOIN @extschema@.tw_cron_server() c
        LEFT JOIN entries e USING (job_name)
        CROSS JOIN LATERAL @extschema@.tw_job_times(r.job_name, e.schedule, e.command, c.time_zone, tw_job_states.at) t
    ), judged AS (
        SELECT s.*, s.ordinal <= 5 AND coalesce(s.ran, s.scheduled_at) < s.expected_since AND NOT s.is_held AS overdue,
               CASE WHEN s.cron_failed THEN s.run_started ELSE s.last_failure END AS failed,
               CASE WHEN NOT s.cron_failed THEN s.last_error_code END AS code,
               CASE WHEN s.cron_failed THEN s.run_message ELSE s.last_error END AS error
        FROM seen s
    ), named AS (
        SELECT j.*, CASE
            WHEN j.is_held THEN 'running'
            WHEN j.running_since IS NOT NULL THEN 'dead'
            WHEN j.is_known AND j.entry IS NULL THEN 'not scheduled'
            WHEN NOT j.is_active THEN 'inactive'
            WHEN j.entry IS NOT NULL AND NOT coalesce((SELECT l.rolcanlogin FROM pg_roles l WHERE l.rolname = j.role_name), false) THEN 'no login'
            WHEN j.job_name = 'promotion' THEN CASE WHEN EXISTS (
                -- The daily job makes up for those that are an hour old.
                SELECT FROM @extschema@.tw_last_runs() d WHERE d.job_name = 'daily_training_capture' AND d.last_success > j.failed + interval '1 hour')
                THEN 'ok' ELSE 'failing' END
            WHEN j.cron_failed OR j.failed > coalesce(j.succeeded, '-infinity') THEN 'failing'
            WHEN j.overdue THEN 'overdue'
            WHEN j.ran IS NULL THEN 'never ran'
            ELSE 'ok' END AS state
        FROM judged j
    )
    SELECT n.ordinal, n.job_name, n.state, CASE n.state
               WHEN 'dead' THEN format('its session is gone: the next run says so and goes on; to run it now: CALL %s()', n.job_name)
               WHEN 'not scheduled' THEN 'SELECT * FROM schedule_jobs()'
               WHEN 'inactive' THEN format('somebody switched it off: SELECT cron.alter_job(%s, active => true)', n.entry)
               WHEN 'no login' THEN format('pg_cron runs it as role %1$I, which cannot log in: ALTER ROLE %1$I LOGIN, or schedule the jobs as another role',
                                           n.role_name)
               WHEN 'failing' THEN @extschema@.tw_failure_advice(n.job_name, n.code, n.error, n.role_name, n.uses_workers)
               WHEN 'overdue' THEN CASE WHEN n.is_active THEN 'pg_cron has not run it when it should have: see the server''s log, and whether a restart helps'
                                        ELSE format('nothing has run it when it should have; to run it now: CALL %s()', n.job_name) END
               WHEN 'never ran' THEN format('to run it now: CALL %s()', n.job_name) END,
           n.succeeded, n.failed, n.code, n.error, n.running_since, n.phase, n.items_done, n.items_total,
           CASE WHEN n.ordinal > 5 THEN NULL WHEN n.entry IS NOT NULL THEN n.schedule WHEN n.is_known THEN 'not scheduled' ELSE 'unknown' END,
           n.time_zone, CASE WHEN n.is_active THEN n.next_run END, n.overdue,
           CASE WHEN n.entry IS NOT NULL THEN n.role_name WHEN n.ordinal <= 5 AND NOT n.is_known THEN 'unknown' END
    FROM named n;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_job_states(timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_job_states(timestamptz) IS 'The rows of job_health about single jobs, as of a time';

CREATE FUNCTION @extschema@.tw_first_advice(job_states text[], job_advice text[], OUT state text, OUT advice text)
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    server record;
    -- Of several troubles, the one that causes most of the others; the first job's of its kind.
    worst CONSTANT integer := (SELECT s.i FROM unnest(job_states) WITH ORDINALITY AS s (state, i) WHERE s.state NOT IN ('ok', 'running')
                               ORDER BY array_position(ARRAY['not scheduled', 'inactive', 'no login', 'failing', 'dead', 'overdue', 'never ran'], s.state), s.i LIMIT 1);
BEGIN
    SELECT * INTO server FROM @extschema@.tw_cron_server();
    IF pg_is_in_recovery() THEN
        state := 'standby';
        advice := 'standby: jobs run on the primary';
    ELSIF @extschema@.tw_is_restored_copy() THEN
        state := 'restored copy';
        advice := 'restored copy: SELECT adopt_installation()';
    ELSIF worst IS NULL THEN
        state := 'ok';
    ELSIF server.is_here AND NOT server.is_loaded THEN
        state := 'pg_cron stopped';
        advice := 'pg_cron is installed but not loaded: set shared_preload_libraries = ''pg_cron'' and restart';
    ELSIF server.is_here AND NOT server.launcher_runs THEN
        state := 'pg_cron stopped';
        advice := 'pg_cron''s launcher does not run: see the server''s log, and whether max_worker_processes is enough';
    ELSIF ARRAY['overdue', 'never ran'] && job_states AND NOT server.is_loaded THEN
        state := 'no pg_cron';
        advice := format('this server runs without pg_cron: %sset shared_preload_libraries = ''pg_cron'' and cron.database_name = %L, restart, '
                         'CREATE EXTENSION pg_cron, SELECT * FROM schedule_jobs()',
                         CASE WHEN server.is_available THEN '' ELSE 'install its package, ' END, current_database());
    ELSIF ARRAY['overdue', 'never ran'] && job_states AND NOT server.is_here AND server.database_name = current_database() THEN
        state := 'no pg_cron';
        advice := 'pg_cron is loaded but not installed: CREATE EXTENSION pg_cron; SELECT * FROM schedule_jobs()';
    ELSIF job_states[worst] IN ('overdue', 'never ran') AND NOT server.is_here THEN
        state := 'pg_cron elsewhere';
        advice := format('pg_cron works in database "%s": run there, unless that was done, what SELECT statement FROM schedule_jobs() returns', server.database_name);
    ELSIF job_states[worst] = 'never ran' THEN
        state := 'waiting';
        advice := 'scheduled; not every job has had its time yet';
    ELSE
        state := job_states[worst];
        advice := job_advice[worst];
    END IF;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_first_advice(text[], text[]) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_first_advice(text[], text[]) IS 'The first row of job_health, from the states and advices of the jobs';

CREATE FUNCTION @extschema@.tw_job_health(at timestamptz DEFAULT NULL,
    OUT job_name text, OUT state text, OUT advice text, OUT last_success timestamptz, OUT last_failure timestamptz,
    OUT last_error_code text, OUT last_error text, OUT running_since timestamptz, OUT phase text, OUT items_done bigint, OUT items_total bigint,
    OUT schedule text, OUT time_zone text, OUT next_run timestamptz, OUT is_overdue boolean, OUT scheduled_by text)
    RETURNS SETOF record
    LANGUAGE sql STABLE SECURITY DEFINER ROWS 8 SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH jobs AS MATERIALIZED (
        SELECT * FROM @extschema@.tw_job_states(coalesce(tw_job_health.at, now()))
    ), overall AS (
        SELECT f.state, f.advice, (SELECT min(j.next_run) FROM jobs j) AS next_run, (SELECT bool_or(j.is_overdue) FROM jobs j) AS is_overdue
        FROM (SELECT array_agg(j.state ORDER BY j.ordinal) AS states, array_agg(j.advice ORDER BY j.ordinal) AS advices FROM jobs j) a
        CROSS JOIN LATERAL @extschema@.tw_first_advice(a.states, a.advices) f
    ), rows AS (
        SELECT 0 AS ordinal, 'all' AS job_name, o.state, o.advice, NULL::timestamptz AS last_success, NULL::timestamptz AS last_failure,
               NULL AS last_error_code, NULL AS last_error, NULL::timestamptz AS running_since, NULL AS phase, NULL::bigint AS items_done,
               NULL::bigint AS items_total, NULL AS schedule, NULL AS time_zone, o.next_run, o.is_overdue, NULL AS scheduled_by
        FROM overall o
        UNION ALL
        SELECT * FROM jobs
    )
    SELECT r.job_name, r.state, r.advice, r.last_success, r.last_failure, r.last_error_code, r.last_error, r.running_since, r.phase,
           r.items_done, r.items_total, r.schedule, r.time_zone, r.next_run, r.is_overdue, r.scheduled_by
    FROM rows r ORDER BY r.ordinal;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_job_health(timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_job_health(timestamptz) IS
    'The rows of job_health as of a time. With the owner''s rights, since pg_cron shows its entries only to the roles that made them; of those it '
    'tells ours alone';

CREATE VIEW @extschema@.job_health AS
    SELECT h.job_name, h.state, h.advice, h.last_success, h.last_failure, h.last_error_code, h.last_error, h.running_since, h.phase,
           h.items_done, h.items_total, h.schedule, h.time_zone, h.next_run, h.is_overdue, h.scheduled_by
    FROM @extschema@.tw_job_health() h;
REVOKE ALL ON TABLE @extschema@.job_health FROM PUBLIC;
COMMENT ON VIEW @extschema@.job_health IS
    'How the jobs are: first a row "all" that says what to do first, then a row for each job. It works with pg_cron here, elsewhere, or nowhere';
COMMENT ON COLUMN @extschema@.job_health.job_name IS
    'The job; "all" for the first row, "promotion" for samples that a capturing statement could not make';
COMMENT ON COLUMN @extschema@.job_health.state IS
    'ok, running, dead (it runs by job_runs, but no session holds its lock), not scheduled, inactive, no login (of the entry''s role), failing, overdue, never ran; of all: also standby, restored copy, '
    'no pg_cron, pg_cron elsewhere, pg_cron stopped, waiting';
COMMENT ON COLUMN @extschema@.job_health.advice IS 'What to do about it; NULL when there is nothing to do';
COMMENT ON COLUMN @extschema@.job_health.last_success IS 'When it last ended well; for a job that writes no rows of job_runs, when pg_cron says so';
COMMENT ON COLUMN @extschema@.job_health.last_failure IS 'When it last failed';
COMMENT ON COLUMN @extschema@.job_health.last_error_code IS 'SQLSTATE of that; NULL where pg_cron could not start it';
COMMENT ON COLUMN @extschema@.job_health.last_error IS 'Message of that';
COMMENT ON COLUMN @extschema@.job_health.running_since IS 'When the run that is not over began';
COMMENT ON COLUMN @extschema@.job_health.phase IS 'What it is doing';
COMMENT ON COLUMN @extschema@.job_health.items_done IS 'How many items it has done';
COMMENT ON COLUMN @extschema@.job_health.items_total IS 'How many items there are';
COMMENT ON COLUMN @extschema@.job_health.schedule IS 'pg_cron''s entry; "not scheduled", or "unknown" where it cannot be seen from here';
COMMENT ON COLUMN @extschema@.job_health.time_zone IS 'The zone by which its time of day is meant: pg_cron''s for an exact entry, else that of due_in';
COMMENT ON COLUMN @extschema@.job_health.next_run IS 'When it runs next; NULL where that is unknown';
COMMENT ON COLUMN @extschema@.job_health.is_overdue IS
    'Whether it has not run when it should have: with a grace of 15 minutes for what runs every few minutes, and of 2 hours for what has a time of day; '
    'NULL when it never ran, and nobody knows since when it should';
COMMENT ON COLUMN @extschema@.job_health.scheduled_by IS 'The role that pg_cron runs it as; "unknown" where it cannot be seen from here';
-- training_workflow_status(): the whole loop on one screen.

CREATE FUNCTION @extschema@.tw_percent(share double precision) RETURNS text
    LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
RETURN coalesce(round(100 * share::numeric, 1) || ' %', 'unknown');
REVOKE ALL ON FUNCTION @extschema@.tw_percent(double precision) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_percent(double precision) IS 'A share for people to read';

CREATE FUNCTION @extschema@.tw_status_of_capture(today date) RETURNS SETOF text
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT format('captured   %s today, %s yesterday, %s in 7 days: %s auto-approved, %s answered by the fallback',
                  coalesce(sum(d.conversations) FILTER (WHERE d.date = today), 0), coalesce(sum(d.conversations) FILTER (WHERE d.date = today - 1), 0),
                  coalesce(sum(d.conversations), 0), @extschema@.tw_percent((sum(d.auto_approved) / nullif(sum(d.conversations), 0))::double precision),
                  @extschema@.tw_percent(sum(d.fallback_rate * d.conversations) / nullif(sum(d.conversations) FILTER (WHERE d.fallback_rate IS NOT NULL), 0)::double precision))
    FROM @extschema@.daily_training_stats d
    WHERE d.date BETWEEN today - 6 AND today
    UNION ALL
    SELECT CASE WHEN count(*) = 0 THEN 'queue      empty'
                ELSE format('queue      %s waiting: %s high, %s medium, %s low; the oldest since %s', count(*),
                            count(*) FILTER (WHERE c.review_priority = 1), count(*) FILTER (WHERE c.review_priority = 2),
                            count(*) FILTER (WHERE c.review_priority = 3), min(c.created_on)) END
    FROM @extschema@.conversation_logs c
    WHERE c.review_priority IS NOT NULL
    UNION ALL
    SELECT format('samples    %s live: %s by people, %s by the model', count(*), count(*) FILTER (WHERE s.label_source = 'human'),
                  count(*) FILTER (WHERE s.label_source = 'model'))
    FROM @extschema@.training_samples s
    WHERE s.review_status = 'approved';
END;
REVOKE ALL ON FUNCTION @extschema@.tw_status_of_capture(date) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_status_of_capture(date) IS 'The lines of training_workflow_status() about conversations, queue and samples';

CREATE FUNCTION @extschema@.tw_status_of_model(type text, at timestamptz) RETURNS SETOF text
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT coalesce((
        SELECT format('live       %s since %s; test set %s, production %s%s, %s %% of the sessions', m.version, to_char(l.since, 'YYYY-MM-DD HH24:MI'),
                      @extschema@.tw_percent(m.test_accuracy), @extschema@.tw_percent(m.production_accuracy),
                      CASE WHEN m.production_accuracy IS NOT NULL
                           THEN format(' (%s to %s)', @extschema@.tw_percent(m.production_accuracy_lower), @extschema@.tw_percent(m.production_accuracy_upper)) END,
                      m.traffic_percentage)
        FROM @extschema@.model_versions m, @extschema@.live_model_at(type, at) l
        WHERE m.model_type = type AND m.status = 'production'), format('live       no version of %s', type))
    UNION ALL
    (SELECT format('rollout    %s %s: %s', r.version, CASE r.status WHEN 'running' THEN format('at %s %% (step %s of %s), %s', r.traffic_percentage, r.step,
                                                                                            cardinality(r.steps), coalesce(r.verdict, 'not looked at'))
                                                           ELSE r.status END, r.why)
     FROM @extschema@.rollout_status r
     WHERE r.model_type = type
     ORDER BY r.started_at DESC, r.rollout_id DESC LIMIT 1)
    UNION ALL
    SELECT format('training   %s new samples for %s since its last one; a training starts with %s, weekly with %s%s', @extschema@.new_training_samples(type), type,
                  @extschema@.training_setting('training_threshold'), @extschema@.training_setting('min_new_samples'),
                  (SELECT format('; job %s is %s', j.id, j.status) FROM @extschema@.training_jobs j
                   WHERE j.model_type = type AND j.status IN ('queued', 'running') ORDER BY j.id LIMIT 1))
    UNION ALL
    (SELECT format('           newest: %s, %s: %s', m.version, m.status, coalesce(m.gate_reason, 'the gate has not looked at it'))
     FROM @extschema@.model_versions m
     WHERE m.model_type = type AND m.status NOT IN ('production', 'training')
     ORDER BY m.created_at DESC LIMIT 1);
END;
REVOKE ALL ON FUNCTION @extschema@.tw_status_of_model(text, timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_status_of_model(text, timestamptz) IS 'The lines of training_workflow_status() about a model type';

CREATE FUNCTION @extschema@.training_workflow_status(at timestamptz DEFAULT NULL) RETURNS text
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH today AS (
        SELECT n.at, (n.at AT TIME ZONE @extschema@.training_setting('time_zone'))::date AS today
        FROM (SELECT coalesce(training_workflow_status.at, now()) AS at) n
    ), lines (place, name, line) AS (
        SELECT 1, '', c.line FROM today t, @extschema@.tw_status_of_capture(t.today) c (line)
        UNION ALL
        SELECT 2, k.model_type, x.line
        FROM today t, (SELECT 'router' AS model_type UNION SELECT m.model_type FROM @extschema@.model_versions m) k, @extschema@.tw_status_of_model(k.model_type, t.at) x (line)
        UNION ALL
        SELECT 3, '', format('jobs       %s', coalesce(h.state || ': ' || h.advice, h.state)) FROM @extschema@.job_health h WHERE h.job_name = 'all'
        UNION ALL
        SELECT 4, lpad(h.number::text, 3), format('           %s %s%s', rpad(h.job_name, 23), h.state, coalesce(', next ' || to_char(h.next_run, 'YYYY-MM-DD HH24:MI'), ''))
        FROM (SELECT j.*, row_number() OVER () AS number FROM @extschema@.job_health j) h
        WHERE h.job_name NOT IN ('all', 'promotion')
    )
    SELECT format(E'training_workflow in database %s, %s\n', current_database(), t.today) || string_agg(l.line, E'\n' ORDER BY l.place, l.name, l.number)
    FROM today t, (SELECT x.*, row_number() OVER () AS number FROM lines x) l
    GROUP BY t.today;
END;
REVOKE ALL ON FUNCTION @extschema@.training_workflow_status(timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.training_workflow_status(timestamptz) IS
    'The whole loop on one screen of text: captured, queue, samples, and for each model type what is live, its rollout and its training, then the jobs. at is the time '
    'to count as now for what is live and for the days, for tests';
-- review_backlog and reviewer_activity: how much waits, for how long, and who does what about it.

CREATE VIEW @extschema@.review_backlog AS
    WITH waiting AS (
        SELECT c.review_priority, c.review_reason, count(*) AS waiting, count(*) FILTER (WHERE c.is_audit) AS audited,
               count(k.conversation_log_id) AS claimed, min(c.created_at) AS oldest
        FROM @extschema@.conversation_logs c
        LEFT JOIN @extschema@.review_claims k ON k.conversation_log_id = c.id AND k.expires_at > clock_timestamp()
        WHERE c.review_priority IS NOT NULL
        GROUP BY c.review_priority, c.review_reason
    ), reviewed AS (
        SELECT e.review_priority, e.review_reason, count(*) AS reviewed,
               percentile_cont(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY extract(epoch FROM e.created_at - c.created_at)::double precision) AS seconds
        FROM @extschema@.review_events e
        JOIN @extschema@.conversation_logs c ON c.id = e.conversation_log_id
        WHERE e.created_at > now() - interval '30 days' AND e.action IN ('approve', 'fix', 'reject')
          AND e.review_priority IS NOT NULL AND isfinite(c.created_at)
        GROUP BY e.review_priority, e.review_reason
    )
    SELECT review_priority, review_reason, coalesce(w.waiting, 0) AS waiting, coalesce(w.audited, 0) AS audited,
           coalesce(w.claimed, 0) AS claimed, w.oldest, coalesce(r.reviewed, 0) AS reviewed,
           make_interval(secs => r.seconds[1]) AS p50_time_to_review, make_interval(secs => r.seconds[2]) AS p95_time_to_review
    FROM waiting w
    FULL JOIN reviewed r USING (review_priority, review_reason)
    ORDER BY review_priority, waiting DESC, review_reason;
REVOKE ALL ON TABLE @extschema@.review_backlog FROM PUBLIC;
COMMENT ON VIEW @extschema@.review_backlog IS 'The queue by priority and reason: how much waits and since when, and how fast such rows were reviewed in the last 30 days';
COMMENT ON COLUMN @extschema@.review_backlog.review_priority IS '1 high, 2 medium, 3 low';
COMMENT ON COLUMN @extschema@.review_backlog.review_reason IS 'Why they are in the queue';
COMMENT ON COLUMN @extschema@.review_backlog.waiting IS 'Conversations that wait';
COMMENT ON COLUMN @extschema@.review_backlog.audited IS 'Those of them that were drawn for the audit';
COMMENT ON COLUMN @extschema@.review_backlog.claimed IS 'Those of them that somebody holds';
COMMENT ON COLUMN @extschema@.review_backlog.oldest IS 'When the oldest of them came';
COMMENT ON COLUMN @extschema@.review_backlog.reviewed IS 'Verdicts of the last 30 days on such rows';
COMMENT ON COLUMN @extschema@.review_backlog.p50_time_to_review IS 'Median time from the message to such a verdict';
COMMENT ON COLUMN @extschema@.review_backlog.p95_time_to_review IS '95th percentile of that time';

CREATE VIEW @extschema@.reviewer_activity AS
    SELECT (e.created_at AT TIME ZONE @extschema@.training_setting('time_zone'))::date AS date, e.reviewer,
           count(*) AS verdicts,
           count(*) FILTER (WHERE e.action = 'approve') AS approved,
           count(*) FILTER (WHERE e.action = 'fix') AS fixed,
           count(*) FILTER (WHERE e.action = 'reject') AS rejected,
           make_interval(secs => percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM e.created_at - c.created_at)::double precision)
               FILTER (WHERE isfinite(c.created_at))) AS p50_time_to_review,
           make_interval(secs => percentile_cont(0.95) WITHIN GROUP (ORDER BY extract(epoch FROM e.created_at - c.created_at)::double precision)
               FILTER (WHERE isfinite(c.created_at))) AS p95_time_to_review
    FROM @extschema@.review_events e
    LEFT JOIN @extschema@.conversation_logs c ON c.id = e.conversation_log_id
    WHERE e.action IN ('approve', 'fix', 'reject')
    GROUP BY 1, e.reviewer
    ORDER BY 1 DESC, e.reviewer;
REVOKE ALL ON TABLE @extschema@.reviewer_activity FROM PUBLIC;
COMMENT ON VIEW @extschema@.reviewer_activity IS 'What each reviewer did on each day (in the time zone of the setting time_zone), newest first';
COMMENT ON COLUMN @extschema@.reviewer_activity.date IS 'The day';
COMMENT ON COLUMN @extschema@.reviewer_activity.reviewer IS 'The person, or the role';
COMMENT ON COLUMN @extschema@.reviewer_activity.verdicts IS 'Verdicts given, changed ones included';
COMMENT ON COLUMN @extschema@.reviewer_activity.approved IS 'Approvals';
COMMENT ON COLUMN @extschema@.reviewer_activity.fixed IS 'Fixes';
COMMENT ON COLUMN @extschema@.reviewer_activity.rejected IS 'Rejections';
COMMENT ON COLUMN @extschema@.reviewer_activity.p50_time_to_review IS 'Median time from the message to the verdict';
COMMENT ON COLUMN @extschema@.reviewer_activity.p95_time_to_review IS '95th percentile of that time';
-- explain_conversation(): from an answer to its cause, in one query.

CREATE FUNCTION @extschema@.explain_conversation(id bigint) RETURNS jsonb
    LANGUAGE sql STABLE STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT jsonb_build_object(
        'conversation', jsonb_strip_nulls(to_jsonb(c) - ARRAY['phone_number', 'user_id', 'metadata', 'user_message', 'response_text',
            'user_correction', 'filter_outcome', 'filter_policy_id', 'is_audit', 'selection_probability', 'filtered_at'])
            || jsonb_build_object('user_message', @extschema@.tw_sample_text(c.user_message),
                                  'nlu_entities', @extschema@.tw_sample_entities(c.nlu_entities)),
        'filter', jsonb_build_object(
            'outcome', c.filter_outcome, 'filtered_at', c.filtered_at, 'is_audit', c.is_audit,
            'selection_probability', c.selection_probability, 'policy_id', c.filter_policy_id,
            'policy_as_it_is_now', (SELECT to_jsonb(p) FROM @extschema@.review_policies p WHERE p.id = c.filter_policy_id),
            'would_be_decided_now', CASE WHEN c.review_status <> 'not-applicable' THEN
                (SELECT to_jsonb(d) FROM @extschema@.filter_decision(c.nlu_confidence, c.nlu_provider, c.nlu_intent, c.nlu_module_type) d) END),
        'claim', (SELECT jsonb_build_object('reviewer', k.reviewer, 'expires_at', k.expires_at) FROM @extschema@.review_claims k
                  WHERE k.conversation_log_id = c.id AND k.expires_at > clock_timestamp()),
        'labelstudio', (SELECT jsonb_agg(jsonb_strip_nulls(jsonb_build_object('project', p.title, 'task', t.task_id, 'status', t.status,
                                'pushed_at', t.pushed_at, 'finished_at', t.finished_at, 'error', t.error_message)) ORDER BY t.id)
                        FROM @extschema@.labelstudio_tasks t LEFT JOIN @extschema@.labelstudio_projects p ON p.id = t.project
                        WHERE t.conversation_log_id = c.id),
        'events', coalesce((SELECT jsonb_agg(to_jsonb(e) - ARRAY['conversation_log_id', 'note']
                                || jsonb_build_object('note', @extschema@.tw_sample_text(e.note)) ORDER BY e.id)
                            FROM @extschema@.review_events e WHERE e.conversation_log_id = c.id), '[]'),
        'sample', (SELECT to_jsonb(s) - 'conversation_log_id' FROM @extschema@.training_samples s WHERE s.conversation_log_id = c.id),
        'split', (SELECT s.split FROM @extschema@.training_samples s WHERE s.conversation_log_id = c.id),
        'learned_by', (SELECT coalesce(jsonb_agg(v.version ORDER BY v.version), '[]') FROM (
            SELECT s.model_version_target AS version FROM @extschema@.training_samples s
            WHERE s.conversation_log_id = c.id AND s.model_version_target IS NOT NULL
            UNION
            SELECT e.details ->> 'learned_by' FROM @extschema@.review_events e
            WHERE e.conversation_log_id = c.id AND e.details ? 'learned_by') v))
    FROM @extschema@.conversation_logs c
    WHERE c.id = explain_conversation.id;
END;
REVOKE ALL ON FUNCTION @extschema@.explain_conversation(bigint) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.explain_conversation(bigint) IS
    'Everything that the loop did with a conversation: what the filter decided and would decide now, tasks in Label Studio, events, sample, split, and '
    'the versions that learned from it; texts as samples show them, without phone number, user and correction. NULL for an unknown id';
-- check_integrity(): what foreign keys would guarantee, had a parallel restore not lost rows to them, and what was added
-- to our tables that no dump would carry.

CREATE FUNCTION @extschema@.tw_own_objects(
    OUT table_id oid, OUT object_kind text, OUT object_name text)
    RETURNS SETOF record
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH own (table_id, columns, indexes, constraints, triggers) AS (VALUES
        ('@extschema@.conversation_logs'::regclass,
         'id session_id phone_number user_id user_message message_type message_language nlu_intent nlu_confidence '
         'nlu_module_id nlu_module_type nlu_provider nlu_model_version nlu_entities nlu_tone nlu_processing_time_ms '
         'routed_to response_text response_success user_feedback user_correction backend_reference metadata '
         'is_training_candidate review_status review_priority review_reason filter_outcome filter_policy_id is_audit '
         'selection_probability filtered_at created_at created_on',
         'conversation_logs_pkey conversation_logs_created_on_idx conversation_logs_queue_idx '
         'conversation_logs_unfiltered_idx',
         'conversation_logs_pkey conversation_logs_state_check',
         'conversation_logs_filter conversation_logs_filter_late conversation_logs_promote '
         'conversation_logs_check_update conversation_logs_requeue conversation_logs_feedback conversation_logs_invalidate '
         'conversation_logs_invalidate_truncate'),
        ('@extschema@.training_samples'::regclass,
         'id conversation_log_id text text_hash normalizer intent module_id module_type entities language '
         'expected_service review_status label_source reviewed_by reviewed_at source split selection_probability '
         'quality_score model_version_target created_at updated_at',
         'training_samples_pkey training_samples_conversation_log_id_key training_samples_untrained_idx '
         'training_samples_text_hash_idx training_samples_test_side_idx',
         'training_samples_pkey training_samples_conversation_log_id_key training_samples_state_check',
         'training_samples_touch training_samples_fill_hash training_samples_refill_hash training_samples_insert_invalidate '
         'training_samples_update_invalidate training_samples_delete_invalidate training_samples_invalidate_truncate'),
        ('@extschema@.daily_statistics'::regclass,
         'date conversations auto_approved needs_review needs_review_high needs_review_medium needs_review_low not_applicable audited '
         'approved rejected promoted fallback_rate avg_latency_ms p50_latency_ms p95_latency_ms positive_feedback negative_feedback '
         'feedback fallback_rules closed_at',
         'daily_statistics_pkey',
         'daily_statistics_pkey',
         'daily_statistics_filter'),
        ('@extschema@.daily_statistics_changes'::regclass,
         'created_on conversation_log_id recount needs_review_high needs_review_medium needs_review_low approved rejected promoted '
         'positive_feedback negative_feedback feedback',
         '',
         '',
         'daily_statistics_changes_filter'),
        ('@extschema@.daily_statistics_closings'::regclass,
         'closed_to announced_by horizon',
         '',
         '',
         'daily_statistics_closings_filter daily_statistics_closings_invalidate daily_statistics_closings_invalidate_truncate'),
        ('@extschema@.review_policies'::regclass,
         'id module_type intent review_below approve_above trusted_providers fallback_providers audit_rate_approved '
         'audit_rate_review note created_at updated_at updated_by',
         'review_policies_pkey review_policies_scope_key',
         'review_policies_pkey',
         'review_policies_lock review_policies_check_row review_policies_check_all review_policies_touch '
         'review_policies_invalidate review_policies_invalidate_truncate'),
        ('@extschema@.training_settings'::regclass,
         'name value updated_at updated_by',
         'training_settings_pkey',
         'training_settings_pkey',
         'training_settings_invalidate training_settings_invalidate_truncate'),
        ('@extschema@.review_events'::regclass,
         'id conversation_log_id action reject_reason intent entities note from_status to_status review_priority '
         'review_reason reviewer session_role outer_role details created_at',
         'review_events_pkey review_events_conversation_idx review_events_created_at_idx',
         'review_events_pkey review_events_action_check review_events_reject_reason_check review_events_intent_check',
         'review_events_append_only review_events_append_only_truncate'),
        ('@extschema@.review_claims'::regclass,
         'conversation_log_id reviewer claimed_at expires_at',
         'review_claims_pkey',
         'review_claims_pkey review_claims_lease_check',
         ''),
        ('@extschema@.model_versions'::regclass,
         'version model_type status traffic_percentage minio_path model_size_mb training_accuracy test_accuracy '
         'test_accuracy_lower test_accuracy_upper test_samples macro_f1 calibration_error gate_decision gate_reason '
         'base_version base_accuracy mcnemar_p evaluation_id training_samples training_seconds production_accuracy '
         'production_accuracy_lower production_accuracy_upper production_conversations fallback_rate p50_latency_ms p95_latency_ms production_computed_at created_at deployed_at retired_at artifact_sha256 artifact_stored_at artifact_error',
         'model_versions_pkey model_versions_one_production_key model_versions_one_canary_key',
         'model_versions_pkey model_versions_version_check model_versions_status_check '
         'model_versions_traffic_percentage_check model_versions_traffic_status_check model_versions_rates_check '
         'model_versions_gate_decision_check model_versions_stored_check model_versions_amounts_check',
         'model_versions_check_status model_versions_invalidate model_versions_invalidate_truncate'),
        ('@extschema@.model_artifacts'::regclass,
         'version format sha256 size_bytes bytes created_at',
         'model_artifacts_pkey',
         'model_artifacts_pkey model_artifacts_sha256_check',
         'model_artifacts_invalidate model_artifacts_invalidate_truncate'),
        ('@extschema@.model_evaluations'::regclass,
         'id evaluation_id version sample_id text_hash intent weight predicted_intent confidence evaluated_at',
         'model_evaluations_pkey model_evaluations_sample_key model_evaluations_answers_idx',
         'model_evaluations_pkey model_evaluations_sample_key model_evaluations_weight_check model_evaluations_confidence_check',
         ''),
        ('@extschema@.training_jobs'::regclass,
         'id model_type kind trainer status version parameters requested_by worker attempt lease lease_expires_at heartbeat_at '
         'progress cutoff test_samples result error_code error_message created_at started_at finished_at',
         'training_jobs_pkey training_jobs_one_running_key training_jobs_one_queued_key training_jobs_finished_idx',
         'training_jobs_pkey training_jobs_model_type_check training_jobs_kind_check training_jobs_trainer_check '
         'training_jobs_status_check training_jobs_version_check training_jobs_running_check training_jobs_finished_check',
         ''),
        ('@extschema@.model_deployments'::regclass,
         'id model_type version previous_version from_status to_status from_percentage to_percentage actor reason '
         'figures created_at',
         'model_deployments_pkey model_deployments_time_idx',
         'model_deployments_pkey model_deployments_percentages_check',
         'model_deployments_append_only model_deployments_append_only_truncate'),
        ('@extschema@.rollouts'::regclass,
         'id model_type version previous_version status steps alpha margin step_times reason started_by started_at promoted_at '
         'ended_at end_reason',
         'rollouts_pkey rollouts_version_key rollouts_one_running_key rollouts_one_watching_key',
         'rollouts_pkey rollouts_version_key rollouts_status_check rollouts_steps_check rollouts_levels_check rollouts_ended_check',
         ''),
        ('@extschema@.rollout_checks'::regclass,
         'id rollout_id model_type version step traffic_percentage verdict reason canary_units production_units '
         'sample_ratio_evidence metrics checked_at',
         'rollout_checks_pkey rollout_checks_rollout_idx',
         'rollout_checks_pkey rollout_checks_verdict_check rollout_checks_units_check',
         ''),
        ('@extschema@.training_export_jobs'::regclass,
         'id format filter location status row_count byte_count sha256 error requested_by started_at finished_at '
         'backend_pid backend_start',
         'training_export_jobs_pkey',
         'training_export_jobs_pkey training_export_jobs_format_check training_export_jobs_status_check '
         'training_export_jobs_finished_check training_export_jobs_done_check',
         ''),
        ('@extschema@.labelstudio_projects'::regclass,
         'id server_name project_id title module_type max_open_tasks entity_labels is_active created_at last_push_at '
         'last_pull_at pulled_to last_error_code last_error last_error_at',
         'labelstudio_projects_pkey labelstudio_projects_project_key labelstudio_projects_one_active_key',
         'labelstudio_projects_pkey labelstudio_projects_project_key labelstudio_projects_max_open_tasks_check '
         'labelstudio_projects_module_type_check',
         ''),
        ('@extschema@.labelstudio_tasks'::regclass,
         'id project conversation_log_id external_id batch_id run_id status task_id spans annotation_id annotation_updated_at '
         'error_code error_message claimed_at pushed_at finished_at',
         'labelstudio_tasks_pkey labelstudio_tasks_external_key labelstudio_tasks_one_pending_key labelstudio_tasks_conversation_idx '
         'labelstudio_tasks_pending_idx',
         'labelstudio_tasks_pkey labelstudio_tasks_external_key labelstudio_tasks_status_check labelstudio_tasks_task_check',
         ''),
        ('@extschema@.imported_conversations'::regclass,
         'source_key fingerprint conversation_log_id source imported_at',
         'imported_conversations_pkey',
         'imported_conversations_pkey',
         ''),
        ('@extschema@.job_runs'::regclass,
         'id job_name status phase items_done items_total error_code error_message details started_at finished_at',
         'job_runs_pkey job_runs_job_idx',
         'job_runs_pkey job_runs_status_check job_runs_finished_check',
         '')
    )
    SELECT o.table_id, k.object_kind, n.object_name
    FROM own o
    CROSS JOIN LATERAL (VALUES ('column', o.columns), ('index', o.indexes),
                               ('constraint', o.constraints), ('trigger', o.triggers)) AS k (object_kind, names)
    LEFT JOIN LATERAL string_to_table(nullif(k.names, ''), ' ') AS n (object_name) ON true;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_own_objects() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_own_objects() IS
    'The columns, indexes, constraints and triggers that belong to our tables; object_name is NULL for a kind that a table has none of';

CREATE FUNCTION @extschema@.tw_structure_problems(
    OUT problem text, OUT relation text, OUT found bigint, OUT example text, OUT hint text)
    RETURNS SETOF record
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH own AS (
        SELECT * FROM @extschema@.tw_own_objects()
    ), present (table_id, object_kind, object_name, enabled) AS (
        SELECT a.attrelid, 'column', a.attname::text, true FROM pg_attribute a WHERE a.attnum > 0 AND NOT a.attisdropped
        UNION ALL
        SELECT i.indrelid, 'index', c.relname::text, i.indisvalid FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
        UNION ALL
        -- NOT NULL belongs to its column; PostgreSQL 18 lists it here as well.
        SELECT k.conrelid, 'constraint', k.conname::text, true FROM pg_constraint k WHERE k.contype NOT IN ('n', 't')
        UNION ALL
        -- Those that have to fire always say so by their name; pg_restore --disable-triggers leaves them merely enabled.
        SELECT t.tgrelid, 'trigger', t.tgname::text,
               t.tgenabled = 'A' OR t.tgenabled = 'O' AND t.tgname::text !~ '_(filter|invalidate|append_only)(_truncate)?$'
        FROM pg_trigger t WHERE NOT t.tgisinternal
    ), compared AS (
        SELECT coalesce(p.table_id, o.table_id)::regclass AS relation, coalesce(p.object_kind, o.object_kind) AS object_kind,
               coalesce(p.object_name, o.object_name) AS object_name, p.enabled,
               o.object_name IS NULL AS is_foreign, p.object_name IS NULL AS is_missing
        FROM (SELECT * FROM present WHERE table_id IN (SELECT own.table_id FROM own)) p
        FULL JOIN (SELECT * FROM own WHERE own.object_name IS NOT NULL) o USING (table_id, object_kind, object_name)
    )
    SELECT CASE WHEN c.is_foreign THEN 'foreign ' WHEN c.is_missing THEN 'missing ' ELSE 'disabled ' END || c.object_kind,
           c.relation::text, 1::bigint, c.object_name,
           CASE WHEN c.is_foreign AND c.object_kind = 'column'
                THEN 'A restore of a dump will fail on this column: keep the data in a table of your own, or in metadata, and drop it.'
                WHEN c.is_foreign AND c.object_kind = 'trigger' AND NOT EXISTS (
                    SELECT FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid
                    WHERE t.tgrelid = c.relation AND t.tgname = c.object_name
                      AND EXISTS (SELECT FROM unnest(p.proconfig) k WHERE k LIKE 'search_path=%'))
                THEN 'It runs with the owner''s rights when an application captures: give its function SET search_path = pg_catalog, '
                    '<schemas>, pg_temp. And pg_dump does not carry it: keep its definition.'
                WHEN c.is_foreign
                THEN 'pg_dump does not carry it: keep its definition where you can run it again after a restore.'
                WHEN c.is_missing
                THEN 'The extension needs it: restore it from the install script of this version.'
                WHEN c.object_kind = 'trigger'
                THEN format('ALTER TABLE %s ENABLE %sTRIGGER %I;%s', c.relation, CASE WHEN c.object_name ~ '_(filter|invalidate|append_only)(_truncate)?$' THEN 'ALWAYS ' ELSE '' END, c.object_name,
                            CASE c.relation WHEN '@extschema@.conversation_logs'::regclass
                            THEN ' and then SELECT * FROM promote_missed_conversations(); for what came in meanwhile' ELSE '' END)
                ELSE format('REINDEX INDEX %I; it is not valid.', c.object_name)
           END
    FROM compared c
    WHERE c.is_foreign OR c.is_missing OR NOT c.enabled
    UNION ALL
    SELECT 'foreign parent or child', i.inhrelid::regclass::text, 1, i.inhparent::regclass::text,
           'pg_dump does not carry it, and rows that come by way of a parent are promoted by the sweep only: ALTER TABLE ... NO INHERIT or DETACH PARTITION.'
    FROM pg_inherits i
    WHERE i.inhrelid IN (SELECT own.table_id FROM own) OR i.inhparent IN (SELECT own.table_id FROM own)
    UNION ALL
    SELECT 'different owner', o.oid::regclass::text, 1, pg_get_userbyid(o.relowner),
           format('Promotion writes as the owner of conversation_logs: ALTER TABLE %s OWNER TO %I;', o.oid::regclass, pg_get_userbyid(l.relowner))
    FROM pg_class o, pg_class l
    WHERE o.oid IN (SELECT own.table_id FROM own) AND l.oid = '@extschema@.conversation_logs'::regclass AND o.relowner <> l.relowner
    UNION ALL
    SELECT 'disabled drop guard', '@extschema@.conversation_logs'::regclass::text, 1, 'training_workflow_drop_guard',
           'DROP EXTENSION would delete every conversation: ALTER EVENT TRIGGER training_workflow_drop_guard ENABLE ALWAYS;'
    WHERE NOT EXISTS (SELECT FROM pg_event_trigger e WHERE e.evtname = 'training_workflow_drop_guard' AND e.evtenabled = 'A')
    ORDER BY 2, 1, 4;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_structure_problems() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_structure_problems() IS
    'The part of check_integrity() that looks at the catalogs: one row for each object that is foreign, missing or disabled';

CREATE FUNCTION @extschema@.check_integrity(
    OUT problem text, OUT relation text, OUT found bigint, OUT example text, OUT hint text)
    RETURNS SETOF record
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH problems (problem, relation, found, example, hint) AS (
        SELECT 'conversation not filtered', '@extschema@.conversation_logs'::regclass::text, count(*), min(c.id)::text,
               'Rows came in while triggers did not fire: SELECT * FROM promote_missed_conversations();'
        FROM @extschema@.conversation_logs c
        WHERE c.review_status IS NULL
        UNION ALL
        SELECT 'auto-approved conversation without a sample', '@extschema@.conversation_logs'::regclass::text, count(*), min(c.id)::text,
               'See job_runs for the cause, then SELECT * FROM promote_missed_conversations(''0'');'
        FROM @extschema@.conversation_logs c
        WHERE c.review_status = 'auto-approved' AND c.filter_outcome = 'auto-approved'
          AND NOT EXISTS (SELECT FROM @extschema@.training_samples s WHERE s.conversation_log_id = c.id)
        UNION ALL
        SELECT 'sample of a conversation that does not exist', '@extschema@.training_samples'::regclass::text, count(*), min(s.id)::text,
               'The conversation was deleted and its sample was not: delete the sample, or set its conversation_log_id to NULL.'
        FROM @extschema@.training_samples s
        WHERE s.conversation_log_id IS NOT NULL
          AND NOT EXISTS (SELECT FROM @extschema@.conversation_logs c WHERE c.id = s.conversation_log_id)
        UNION ALL
        SELECT 'live sample of a rejected conversation', '@extschema@.training_samples'::regclass::text, count(*), min(s.id)::text,
               'A model would learn what a person rejected: set the sample''s review_status to rejected.'
        FROM @extschema@.training_samples s
        JOIN @extschema@.conversation_logs c ON c.id = s.conversation_log_id
        WHERE s.review_status = 'approved' AND c.review_status IN ('rejected', 'not-applicable')
        UNION ALL
        SELECT 'approved conversation without a live sample', '@extschema@.conversation_logs'::regclass::text, count(*), min(c.id)::text,
               'What a person approved is not learned: give the verdict again with approve_conversation() or fix_conversation().'
        FROM @extschema@.conversation_logs c
        WHERE c.review_status = 'approved' AND c.filtered_at IS NOT NULL
          AND NOT EXISTS (SELECT FROM @extschema@.training_samples s
                          WHERE s.conversation_log_id = c.id AND s.review_status = 'approved')
        UNION ALL
        SELECT 'verdict that is not in the events', '@extschema@.conversation_logs'::regclass::text, count(*), min(c.id)::text,
               'review_status was changed by hand and counts in no estimate: give the verdict again with approve_, fix_ or reject_conversation().'
        FROM @extschema@.conversation_logs c
        WHERE c.review_status IN ('approved', 'rejected') AND c.filtered_at IS NOT NULL
          AND c.review_status IS DISTINCT FROM (
              SELECT e.to_status FROM @extschema@.review_events e
              WHERE e.conversation_log_id = c.id AND e.action IN ('approve', 'fix', 'reject', 'withdraw') ORDER BY e.id DESC LIMIT 1)
        UNION ALL
        SELECT 'event of a conversation that does not exist', '@extschema@.review_events'::regclass::text, count(*), min(e.id)::text,
               'The conversation was deleted without its events.'
        FROM @extschema@.review_events e
        WHERE NOT EXISTS (SELECT FROM @extschema@.conversation_logs c WHERE c.id = e.conversation_log_id)
        UNION ALL
        SELECT 'Label Studio task of an unknown project', '@extschema@.labelstudio_tasks'::regclass::text, count(*), min(t.id)::text,
               'labelstudio_projects has no such project: restore its row, or delete the task''s.'
        FROM @extschema@.labelstudio_tasks t
        WHERE NOT EXISTS (SELECT FROM @extschema@.labelstudio_projects p WHERE p.id = t.project)
        UNION ALL
        SELECT 'unfinished task of a retired Label Studio project', '@extschema@.labelstudio_tasks'::regclass::text, count(*), min(t.id)::text,
               'Nobody will collect its verdict, and its conversation is not served: UPDATE labelstudio_tasks SET status = ''closed'' for it.'
        FROM @extschema@.labelstudio_tasks t
        JOIN @extschema@.labelstudio_projects p ON p.id = t.project
        WHERE NOT p.is_active AND t.status IN ('claimed', 'open', 'skipped', 'refused')
        UNION ALL
        SELECT 'Label Studio project of an unknown server', '@extschema@.labelstudio_projects'::regclass::text, count(*), min(p.id)::text,
               'The foreign server was dropped or renamed: create it again under this name, or SELECT labelstudio_retire_project(...);'
        FROM @extschema@.labelstudio_projects p
        WHERE p.is_active AND NOT EXISTS (SELECT FROM pg_foreign_server f WHERE f.srvname = p.server_name)
        UNION ALL
        SELECT 'sample learned by an unknown version', '@extschema@.training_samples'::regclass::text, count(*), min(s.id)::text,
               'model_versions has no such version: restore its row, or set model_version_target to NULL to train on the sample again.'
        FROM @extschema@.training_samples s
        WHERE s.model_version_target IS NOT NULL
          AND NOT EXISTS (SELECT FROM @extschema@.model_versions m WHERE m.version = s.model_version_target)
        UNION ALL
        SELECT 'version based on an unknown version', '@extschema@.model_versions'::regclass::text, count(*), min(m.version),
               'model_versions has no such base_version: restore its row, or set base_version to NULL.'
        FROM @extschema@.model_versions m
        WHERE m.base_version IS NOT NULL
          AND NOT EXISTS (SELECT FROM @extschema@.model_versions b WHERE b.version = m.base_version)
        UNION ALL
        SELECT 'deployment of an unknown version', '@extschema@.model_deployments'::regclass::text, count(*), min(d.id)::text,
               'model_versions has no such version: restore its row.'
        FROM @extschema@.model_deployments d
        WHERE NOT EXISTS (SELECT FROM @extschema@.model_versions m WHERE m.version = d.version)
        UNION ALL
        SELECT 'rollout of an unknown version', '@extschema@.rollouts'::regclass::text, count(*), min(r.id)::text,
               'model_versions has no such version or previous_version: restore its row.'
        FROM @extschema@.rollouts r
        WHERE NOT EXISTS (SELECT FROM @extschema@.model_versions m WHERE m.version = r.version)
           OR NOT EXISTS (SELECT FROM @extschema@.model_versions m WHERE m.version = r.previous_version)
        UNION ALL
        SELECT 'canary without a rollout', '@extschema@.model_versions'::regclass::text, count(*), min(m.version),
               'It has sessions and nobody watches it: restore its row of rollouts, or SELECT rollback_rollout(...) after that.'
        FROM @extschema@.model_versions m
        WHERE m.status = 'canary' AND NOT EXISTS (SELECT FROM @extschema@.rollouts r WHERE r.version = m.version AND r.status = 'running')
        UNION ALL
        SELECT 'rollout without a canary', '@extschema@.rollouts'::regclass::text, count(*), min(r.id)::text,
               'It is running, and its version is no canary: model_versions was changed by hand. UPDATE rollouts SET status = ''finished'', ended_at = now() for it.'
        FROM @extschema@.rollouts r
        WHERE r.status = 'running' AND NOT EXISTS (SELECT FROM @extschema@.model_versions m WHERE m.version = r.version AND m.status = 'canary')
        UNION ALL
        SELECT 'check of an unknown rollout', '@extschema@.rollout_checks'::regclass::text, count(*), min(c.id)::text,
               'rollouts has no such row: restore it, or delete the looks.'
        FROM @extschema@.rollout_checks c
        WHERE NOT EXISTS (SELECT FROM @extschema@.rollouts r WHERE r.id = c.rollout_id)
        UNION ALL
        SELECT 'artifact of an unknown version', '@extschema@.model_artifacts'::regclass::text, count(*), min(a.version),
               'model_versions has no such version: restore its row, or delete the artifact.'
        FROM @extschema@.model_artifacts a
        WHERE NOT EXISTS (SELECT FROM @extschema@.model_versions m WHERE m.version = a.version)
        UNION ALL
        SELECT 'damaged artifact', '@extschema@.model_artifacts'::regclass::text, count(*), min(a.version),
               'Its bytes do not have the SHA-256 of its row, and no session will load it: SELECT fetch_model_artifact(...) if it is in the object store, restore the row, or train again.'
        FROM @extschema@.model_artifacts a
        WHERE a.sha256 <> encode(sha256(a.bytes), 'hex') OR a.size_bytes <> octet_length(a.bytes)
        UNION ALL
        SELECT 'artifact that is not the stored one', '@extschema@.model_artifacts'::regclass::text, count(*), min(a.version),
               'Its checksum is not that of the object that was verified in the store: SELECT fetch_model_artifact(...);'
        FROM @extschema@.model_artifacts a JOIN @extschema@.model_versions m ON m.version = a.version
        WHERE m.artifact_stored_at IS NOT NULL AND a.sha256 <> m.artifact_sha256
        UNION ALL
        SELECT 'evaluation of an unknown version', '@extschema@.model_evaluations'::regclass::text, count(*), min(e.version),
               'model_versions has no such version: restore its row, or delete its answers.'
        FROM @extschema@.model_evaluations e
        WHERE NOT EXISTS (SELECT FROM @extschema@.model_versions m WHERE m.version = e.version)
        UNION ALL
        SELECT 'training job of an unknown version', '@extschema@.training_jobs'::regclass::text, count(*), min(j.id)::text,
               'model_versions has no such version: restore its row, or delete the job.'
        FROM @extschema@.training_jobs j
        WHERE j.version IS NOT NULL AND NOT EXISTS (SELECT FROM @extschema@.model_versions m WHERE m.version = j.version)
        UNION ALL
        SELECT 'version in training without a job', '@extschema@.model_versions'::regclass::text, count(*), min(m.version),
               'Nobody will finish it: UPDATE model_versions SET status = ''failed'' for it.'
        FROM @extschema@.model_versions m
        WHERE m.status = 'training'
          AND NOT EXISTS (SELECT FROM @extschema@.training_jobs j WHERE j.version = m.version AND j.status IN ('queued', 'running'))
        UNION ALL
        SELECT 'text on both sides', '@extschema@.training_samples'::regclass::text, count(*), min(s.id)::text,
               'A text that is tested on is learned from: set split of its samples to test.'
        FROM @extschema@.training_samples s
        WHERE s.split = 'train'
          AND EXISTS (SELECT FROM @extschema@.training_samples t WHERE t.text_hash = s.text_hash AND t.split = 'test')
    )
    SELECT p.problem, p.relation, p.found, p.example, p.hint FROM problems p WHERE p.found > 0
    UNION ALL
    -- After an import with ids, on a subscriber that was promoted, or where a failed restore set it back.
    SELECT 'sequence behind its table', q.table_id::text, 1, q.most::text,
           format('The next INSERT would meet an id that exists: SELECT setval(%L, %s);', q.sequence_id::text, q.most)
    FROM (VALUES
            ('@extschema@.conversation_logs'::regclass, '@extschema@.conversation_logs_id_seq'::regclass, (SELECT max(x.id) FROM @extschema@.conversation_logs x)),
            ('@extschema@.training_samples'::regclass, '@extschema@.training_samples_id_seq'::regclass, (SELECT max(x.id) FROM @extschema@.training_samples x)),
            ('@extschema@.review_policies'::regclass, '@extschema@.review_policies_id_seq'::regclass, (SELECT max(x.id) FROM @extschema@.review_policies x)),
            ('@extschema@.review_events'::regclass, '@extschema@.review_events_id_seq'::regclass, (SELECT max(x.id) FROM @extschema@.review_events x)),
            ('@extschema@.model_deployments'::regclass, '@extschema@.model_deployments_id_seq'::regclass, (SELECT max(x.id) FROM @extschema@.model_deployments x)),
            ('@extschema@.rollouts'::regclass, '@extschema@.rollouts_id_seq'::regclass, (SELECT max(x.id) FROM @extschema@.rollouts x)),
            ('@extschema@.rollout_checks'::regclass, '@extschema@.rollout_checks_id_seq'::regclass, (SELECT max(x.id) FROM @extschema@.rollout_checks x)),
            ('@extschema@.training_export_jobs'::regclass, '@extschema@.training_export_jobs_id_seq'::regclass, (SELECT max(x.id) FROM @extschema@.training_export_jobs x)),
            ('@extschema@.labelstudio_projects'::regclass, '@extschema@.labelstudio_projects_id_seq'::regclass, (SELECT max(x.id) FROM @extschema@.labelstudio_projects x)),
            ('@extschema@.labelstudio_tasks'::regclass, '@extschema@.labelstudio_tasks_id_seq'::regclass, (SELECT max(x.id) FROM @extschema@.labelstudio_tasks x)),
            ('@extschema@.job_runs'::regclass, '@extschema@.job_runs_id_seq'::regclass, (SELECT max(x.id) FROM @extschema@.job_runs x)),
            ('@extschema@.training_jobs'::regclass, '@extschema@.training_jobs_id_seq'::regclass, (SELECT max(x.id) FROM @extschema@.training_jobs x)),
            ('@extschema@.model_evaluations'::regclass, '@extschema@.model_evaluations_id_seq'::regclass, (SELECT max(x.id) FROM @extschema@.model_evaluations x)),
            ('@extschema@.model_evaluations'::regclass, '@extschema@.model_evaluations_evaluation_seq'::regclass, (SELECT max(x.evaluation_id) FROM @extschema@.model_evaluations x))
        ) AS q (table_id, sequence_id, most)
    WHERE q.most > coalesce(pg_sequence_last_value(q.sequence_id), 0)
    UNION ALL
    SELECT s.problem, s.relation, s.found, s.example, s.hint FROM @extschema@.tw_structure_problems() s;
END;
REVOKE ALL ON FUNCTION @extschema@.check_integrity() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.check_integrity() IS
    'One row for each kind of orphan or contradiction, and for each column, index, constraint or trigger on our tables that '
    'is foreign (pg_dump would not carry it), missing or disabled; found counts the rows, example is the id or name of one, '
    'hint says what to do. Empty when all is well';
-- grant_training_role() and revoke_training_role(): what each kind of role may do, in one list.

CREATE FUNCTION @extschema@.tw_role_privileges(
    OUT kind text, OUT object_kind text, OUT object_id oid, OUT column_name text, OUT privilege text)
    RETURNS SETOF record
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH tables (kind, object_id, privileges) AS (VALUES
        ('reviewer', '@extschema@.training_queue'::regclass, ARRAY['SELECT']),
        ('reviewer', '@extschema@.training_samples'::regclass, ARRAY['SELECT']),
        ('reviewer', '@extschema@.label_conflicts'::regclass, ARRAY['SELECT']),
        ('reviewer', '@extschema@.review_backlog'::regclass, ARRAY['SELECT']),
        ('analyst', '@extschema@.label_conflicts'::regclass, ARRAY['SELECT']),
        ('analyst', '@extschema@.review_backlog'::regclass, ARRAY['SELECT']),
        ('analyst', '@extschema@.reviewer_activity'::regclass, ARRAY['SELECT']),
        ('analyst', '@extschema@.live_accuracy_by_model'::regclass, ARRAY['SELECT']),
        ('operator', '@extschema@.live_accuracy_by_model'::regclass, ARRAY['SELECT']),
        ('operator', '@extschema@.review_events'::regclass, ARRAY['SELECT']),
        ('operator', '@extschema@.review_claims'::regclass, ARRAY['SELECT']),
        ('operator', '@extschema@.label_conflicts'::regclass, ARRAY['SELECT']),
        ('operator', '@extschema@.review_backlog'::regclass, ARRAY['SELECT']),
        ('operator', '@extschema@.reviewer_activity'::regclass, ARRAY['SELECT']),
        ('analyst', '@extschema@.training_queue'::regclass, ARRAY['SELECT']),
        ('analyst', '@extschema@.daily_training_stats'::regclass, ARRAY['SELECT']),
        ('analyst', '@extschema@.model_performance_comparison'::regclass, ARRAY['SELECT']),
        ('operator', '@extschema@.conversation_logs'::regclass, ARRAY['SELECT']),
        ('operator', '@extschema@.training_samples'::regclass, ARRAY['SELECT']),
        ('operator', '@extschema@.review_policies'::regclass, ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']),
        ('operator', '@extschema@.training_settings'::regclass, ARRAY['SELECT']),
        ('operator', '@extschema@.model_versions'::regclass, ARRAY['SELECT']),
        ('operator', '@extschema@.model_deployments'::regclass, ARRAY['SELECT']),
        ('operator', '@extschema@.rollouts'::regclass, ARRAY['SELECT']),
        ('operator', '@extschema@.rollout_checks'::regclass, ARRAY['SELECT']),
        ('analyst', '@extschema@.rollout_status'::regclass, ARRAY['SELECT']),
        ('operator', '@extschema@.rollout_status'::regclass, ARRAY['SELECT']),
        ('operator', '@extschema@.model_artifacts'::regclass, ARRAY['SELECT']),
        ('operator', '@extschema@.model_evaluations'::regclass, ARRAY['SELECT']),
        ('operator', '@extschema@.training_jobs'::regclass, ARRAY['SELECT']),
        ('operator', '@extschema@.training_export_jobs'::regclass, ARRAY['SELECT']),
        ('operator', '@extschema@.labelstudio_projects'::regclass, ARRAY['SELECT']),
        ('operator', '@extschema@.labelstudio_tasks'::regclass, ARRAY['SELECT']),
        ('operator', '@extschema@.job_runs'::regclass, ARRAY['SELECT']),
        ('operator', '@extschema@.imported_conversations'::regclass, ARRAY['SELECT']),
        ('operator', '@extschema@.job_health'::regclass, ARRAY['SELECT']),
        ('operator', '@extschema@.training_queue'::regclass, ARRAY['SELECT']),
        ('operator', '@extschema@.daily_training_stats'::regclass, ARRAY['SELECT']),
        ('operator', '@extschema@.model_performance_comparison'::regclass, ARRAY['SELECT'])
    ), columns (kind, object_id, column_name, privilege) AS (
        -- What an application knows. None of the columns that the extension fills, or it could approve itself.
        SELECT 'capture', '@extschema@.conversation_logs'::regclass, c, 'INSERT'
        FROM unnest(ARRAY[
            'session_id', 'phone_number', 'user_id', 'user_message', 'message_type', 'message_language', 'nlu_intent',
            'nlu_confidence', 'nlu_module_id', 'nlu_module_type', 'nlu_provider', 'nlu_model_version', 'nlu_entities',
            'nlu_tone', 'nlu_processing_time_ms', 'routed_to', 'response_text', 'response_success', 'user_feedback',
            'user_correction', 'backend_reference', 'metadata', 'created_at']) AS c
        UNION ALL
        -- An operator may import with a verdict, but not hand in the marks that honest numbers rest on, nor a sample of a
        -- conversation that is yet to come.
        SELECT 'operator', '@extschema@.conversation_logs'::regclass, c, 'INSERT'
        FROM unnest(ARRAY[
            'session_id', 'phone_number', 'user_id', 'user_message', 'message_type', 'message_language', 'nlu_intent',
            'nlu_confidence', 'nlu_module_id', 'nlu_module_type', 'nlu_provider', 'nlu_model_version', 'nlu_entities',
            'nlu_tone', 'nlu_processing_time_ms', 'routed_to', 'response_text', 'response_success', 'user_feedback',
            'user_correction', 'backend_reference', 'metadata', 'created_at', 'review_status', 'review_priority',
            'review_reason', 'is_training_candidate']) AS c
        UNION ALL
        SELECT 'operator', '@extschema@.training_samples'::regclass, c, 'INSERT'
        FROM unnest(ARRAY[
            'text', 'intent', 'module_id', 'module_type', 'entities', 'language', 'expected_service', 'review_status',
            'label_source', 'reviewed_by', 'reviewed_at', 'source', 'split', 'quality_score']) AS c
        UNION ALL
        -- INSERT ... RETURNING id needs to read it.
        VALUES ('capture', '@extschema@.conversation_logs'::regclass, 'id', 'SELECT')
        UNION ALL
        -- What comes after the NLU call.
        SELECT 'operator', '@extschema@.conversation_logs'::regclass, c, 'UPDATE'
        FROM unnest(ARRAY['routed_to', 'response_text', 'response_success', 'user_feedback', 'user_correction', 'backend_reference',
                          'metadata']) AS c
    ), functions (kind, object_id) AS (VALUES
        ('capture', '@extschema@.classify_intent(text, text, text)'::regprocedure),
        ('capture', '@extschema@.classify_intents(text, integer, text, text)'::regprocedure),
        ('reviewer', '@extschema@.classify_intent(text, text, text)'::regprocedure),
        ('reviewer', '@extschema@.classify_intents(text, integer, text, text)'::regprocedure),
        ('operator', '@extschema@.classify_intent(text, text, text)'::regprocedure),
        ('operator', '@extschema@.classify_intents(text, integer, text, text)'::regprocedure),
        ('trainer', '@extschema@.claim_training_job(text, interval, text[])'::regprocedure),
        ('trainer', '@extschema@.heartbeat_training_job(bigint, text, jsonb)'::regprocedure),
        ('trainer', '@extschema@.training_set(text)'::regprocedure),
        ('trainer', '@extschema@.training_job_test_set(bigint)'::regprocedure),
        ('trainer', '@extschema@.complete_training_job(bigint, text, jsonb, bytea, text, double precision, double precision)'::regprocedure),
        ('trainer', '@extschema@.fail_training_job(bigint, text, text, boolean)'::regprocedure),
        ('analyst', '@extschema@.compare_models(text, text)'::regprocedure),
        ('analyst', '@extschema@.model_intent_scores(text, bigint)'::regprocedure),
        ('analyst', '@extschema@.mcnemar_p(bigint, bigint)'::regprocedure),
        ('operator', '@extschema@.compare_models(text, text)'::regprocedure),
        ('operator', '@extschema@.model_intent_scores(text, bigint)'::regprocedure),
        ('operator', '@extschema@.mcnemar_p(bigint, bigint)'::regprocedure),
        ('operator', '@extschema@.near_twins(text[], text[], double precision)'::regprocedure),
        ('operator', '@extschema@.import_training_samples(text, text, boolean)'::regprocedure),
        ('operator', '@extschema@.import_conversations(regclass, jsonb, text, text, boolean)'::regprocedure),
        ('operator', '@extschema@.tw_check_import_source(regclass)'::regprocedure),
        ('operator', '@extschema@.tw_map_import(regclass, jsonb)'::regprocedure),
        ('operator', '@extschema@.tw_import_query(regclass, jsonb)'::regprocedure),
        ('operator', '@extschema@.tw_check_import_keys(regclass, name)'::regprocedure),
        ('operator', '@extschema@.tw_raise_import_error(text, jsonb, text[], jsonb[], jsonb[])'::regprocedure),
        ('operator', '@extschema@.tw_begin_import()'::regprocedure),
        ('operator', '@extschema@.tw_reserve_numbers(bigint)'::regprocedure),
        ('operator', '@extschema@.tw_import_portion(text, jsonb, text[], jsonb[], jsonb[], text, text, bigint)'::regprocedure),
        ('operator', '@extschema@.export_training_samples(text, text[], text[], text[], timestamptz, bigint, text, text)'::regprocedure),
        ('operator', '@extschema@.export_training_samples_to_file(text, text, text[], text[], text[], timestamptz, bigint, text, text, boolean)'::regprocedure),
        ('operator', '@extschema@.tw_check_export(text, text[], text[], text[], timestamptz, bigint, text, text)'::regprocedure),
        ('operator', '@extschema@.tw_export_filter(text, text[], text[], text[], timestamptz, bigint, text, text)'::regprocedure),
        ('operator', '@extschema@.tw_begin_file_export(text, jsonb, text, boolean)'::regprocedure),
        ('operator', '@extschema@.tw_run_file_export(bigint)'::regprocedure),
        ('operator', '@extschema@.train_model(text, boolean)'::regprocedure),
        ('operator', '@extschema@.training_set(text)'::regprocedure),
        ('operator', '@extschema@.model_test_set(text)'::regprocedure),
        ('operator', '@extschema@.new_training_samples(text)'::regprocedure),
        ('operator', '@extschema@.next_model_version(text, boolean)'::regprocedure),
        ('operator', '@extschema@.register_model(text, text, text, bytea, text, jsonb, double precision, double precision, double precision, text)'::regprocedure),
        ('operator', '@extschema@.promote_model(text, text)'::regprocedure),
        ('operator', '@extschema@.evaluate_model(text)'::regprocedure),
        ('operator', '@extschema@.request_training(text, text, jsonb)'::regprocedure),
        ('operator', '@extschema@.request_evaluation(text)'::regprocedure),
        ('operator', '@extschema@.cancel_training_job(bigint, text)'::regprocedure),
        ('operator', '@extschema@.training_job_test_set(bigint)'::regprocedure),
        ('operator', '@extschema@.tw_start_built_in_job(bigint)'::regprocedure),
        ('operator', '@extschema@.tw_run_built_in_job(bigint, integer)'::regprocedure),
        ('operator', '@extschema@.run_training_jobs()'::regprocedure),
        ('capture', '@extschema@.assign_model_version(text, text)'::regprocedure),
        ('operator', '@extschema@.assign_model_version(text, text)'::regprocedure),
        ('capture', '@extschema@.rollout_bucket(text, text)'::regprocedure),
        ('analyst', '@extschema@.rollout_bucket(text, text)'::regprocedure),
        ('operator', '@extschema@.rollout_bucket(text, text)'::regprocedure),
        ('analyst', '@extschema@.live_model_at(text, timestamptz)'::regprocedure),
        ('operator', '@extschema@.live_model_at(text, timestamptz)'::regprocedure),
        -- The view rollout_status calls it with the rights of whoever reads.
        ('analyst', '@extschema@.tw_detectable_losses(jsonb)'::regprocedure),
        ('operator', '@extschema@.tw_detectable_losses(jsonb)'::regprocedure),
        ('analyst', '@extschema@.sequential_comparison(double precision[], double precision[], double precision[], double precision[], double precision[], double precision[], double precision[], double precision[], double precision[], double precision[], double precision[], double precision[], double precision, double precision, integer, double precision)'::regprocedure),
        ('operator', '@extschema@.sequential_comparison(double precision[], double precision[], double precision[], double precision[], double precision[], double precision[], double precision[], double precision[], double precision[], double precision[], double precision[], double precision[], double precision, double precision, integer, double precision)'::regprocedure),
        ('analyst', '@extschema@.sample_ratio_check(bigint[], bigint[], double precision[], double precision)'::regprocedure),
        ('operator', '@extschema@.sample_ratio_check(bigint[], bigint[], double precision[], double precision)'::regprocedure),
        ('analyst', '@extschema@.training_workflow_status(timestamptz)'::regprocedure),
        ('operator', '@extschema@.training_workflow_status(timestamptz)'::regprocedure),
        ('operator', '@extschema@.start_rollout(text, text, timestamptz)'::regprocedure),
        ('operator', '@extschema@.advance_rollout(text, text, timestamptz, integer)'::regprocedure),
        ('operator', '@extschema@.rollback_rollout(text, text, timestamptz, text)'::regprocedure),
        ('operator', '@extschema@.check_rollouts(timestamptz)'::regprocedure),
        ('operator', '@extschema@.tw_rollouts_begin(timestamptz)'::regprocedure),
        ('operator', '@extschema@.tw_rollouts_step(bigint, jsonb, timestamptz)'::regprocedure),
        ('operator', '@extschema@.tw_training_begin()'::regprocedure),
        ('operator', '@extschema@.tw_training_note(bigint, bigint, text)'::regprocedure),
        ('operator', '@extschema@.daily_training_capture(text, timestamptz)'::regprocedure),
        ('operator', '@extschema@.tw_daily_begin(text, timestamptz)'::regprocedure),
        ('operator', '@extschema@.tw_begin_part(bigint, text)'::regprocedure),
        ('operator', '@extschema@.tw_daily_step(bigint, text, timestamptz)'::regprocedure),
        ('operator', '@extschema@.tw_daily_synced(bigint)'::regprocedure),
        ('operator', '@extschema@.weekly_model_training(text, timestamptz)'::regprocedure),
        ('operator', '@extschema@.tw_weekly_begin(text, timestamptz)'::regprocedure),
        ('operator', '@extschema@.tw_weekly_step(bigint, text, bigint, timestamptz)'::regprocedure),
        ('operator', '@extschema@.schedule_jobs(text)'::regprocedure),
        ('operator', '@extschema@.unschedule_jobs()'::regprocedure),
        ('operator', '@extschema@.tw_cron_server()'::regprocedure),
        ('operator', '@extschema@.tw_cron_job_name(text)'::regprocedure),
        ('operator', '@extschema@.tw_cron_entries()'::regprocedure),
        ('operator', '@extschema@.tw_all_cron_entries()'::regprocedure),
        ('operator', '@extschema@.tw_scheduled_jobs()'::regprocedure),
        ('operator', '@extschema@.tw_utc_offsets(text, timestamptz)'::regprocedure),
        ('operator', '@extschema@.tw_cron_plan(text, text, timestamptz)'::regprocedure),
        ('operator', '@extschema@.tw_require_zone(text)'::regprocedure),
        ('operator', '@extschema@.tw_require_scheduling()'::regprocedure),
        ('operator', '@extschema@.tw_require_cron_rights(boolean)'::regprocedure),
        ('operator', '@extschema@.tw_note_scheduled()'::regprocedure),
        ('operator', '@extschema@.tw_notice_cron_elsewhere(record, text)'::regprocedure),
        ('operator', '@extschema@.tw_schedule_job(text, text, text, boolean)'::regprocedure),
        ('operator', '@extschema@.tw_job_health(timestamptz)'::regprocedure),
        ('operator', '@extschema@.labelstudio_create_project(text, text, text, integer, text[])'::regprocedure),
        ('operator', '@extschema@.labelstudio_retire_project(bigint)'::regprocedure),
        ('operator', '@extschema@.labelstudio_check(text)'::regprocedure),
        ('operator', '@extschema@.labelstudio_push()'::regprocedure),
        ('operator', '@extschema@.labelstudio_pull()'::regprocedure),
        ('operator', '@extschema@.labelstudio_sync()'::regprocedure),
        ('operator', '@extschema@.tw_labelstudio_run(text, text[])'::regprocedure),
        ('operator', '@extschema@.tw_labelstudio_begin(text)'::regprocedure),
        ('operator', '@extschema@.tw_labelstudio_step(bigint, bigint, text, jsonb)'::regprocedure),
        ('operator', '@extschema@.tw_labelstudio_end(bigint, bigint)'::regprocedure),
        ('operator', '@extschema@.s3_check(text)'::regprocedure),
        ('operator', '@extschema@.store_model_artifacts()'::regprocedure),
        ('operator', '@extschema@.tw_artifacts_wait()'::regprocedure),
        ('operator', '@extschema@.tw_store_begin()'::regprocedure),
        ('operator', '@extschema@.tw_store_step(bigint, text[])'::regprocedure),
        ('operator', '@extschema@.tw_end_run(bigint)'::regprocedure),
        ('operator', '@extschema@.fetch_model_artifact(text)'::regprocedure),
        ('operator', '@extschema@.export_training_samples_to_s3(text, text, text[], text[], text[], timestamptz, bigint, text, text, boolean, text)'::regprocedure),
        ('operator', '@extschema@.tw_begin_s3_export(text, jsonb, text, boolean, text)'::regprocedure),
        ('operator', '@extschema@.tw_run_s3_export(bigint)'::regprocedure),
        ('operator', '@extschema@.adopt_installation()'::regprocedure),
        ('capture', '@extschema@.record_response(bigint, text, text, boolean, text, text)'::regprocedure),
        ('capture', '@extschema@.record_feedback(bigint, text, text, text)'::regprocedure),
        ('reviewer', '@extschema@.approve_conversation(bigint, text, text)'::regprocedure),
        ('reviewer', '@extschema@.approve_conversations(bigint[], text, text)'::regprocedure),
        ('reviewer', '@extschema@.fix_conversation(bigint, text, jsonb, text, text)'::regprocedure),
        ('reviewer', '@extschema@.fix_conversations(bigint[], text, jsonb, text, text)'::regprocedure),
        ('reviewer', '@extschema@.reject_conversation(bigint, text, text, text)'::regprocedure),
        ('reviewer', '@extschema@.reject_conversations(bigint[], text, text, text)'::regprocedure),
        ('reviewer', '@extschema@.withdraw_verdict(bigint, text, text)'::regprocedure),
        ('operator', '@extschema@.withdraw_verdict(bigint, text, text)'::regprocedure),
        ('reviewer', '@extschema@.claim_reviews(integer, interval, text)'::regprocedure),
        ('reviewer', '@extschema@.release_reviews(bigint[], text)'::regprocedure),
        ('reviewer', '@extschema@.explain_conversation(bigint)'::regprocedure),
        ('operator', '@extschema@.approve_conversation(bigint, text, text)'::regprocedure),
        ('operator', '@extschema@.approve_conversations(bigint[], text, text)'::regprocedure),
        ('operator', '@extschema@.fix_conversation(bigint, text, jsonb, text, text)'::regprocedure),
        ('operator', '@extschema@.fix_conversations(bigint[], text, jsonb, text, text)'::regprocedure),
        ('operator', '@extschema@.reject_conversation(bigint, text, text, text)'::regprocedure),
        ('operator', '@extschema@.reject_conversations(bigint[], text, text, text)'::regprocedure),
        ('operator', '@extschema@.claim_reviews(integer, interval, text)'::regprocedure),
        ('operator', '@extschema@.release_reviews(bigint[], text)'::regprocedure),
        ('operator', '@extschema@.explain_conversation(bigint)'::regprocedure),
        ('operator', '@extschema@.record_response(bigint, text, text, boolean, text, text)'::regprocedure),
        ('operator', '@extschema@.record_feedback(bigint, text, text, text)'::regprocedure),
        ('operator', '@extschema@.queue_label_conflicts()'::regprocedure),
        ('analyst', '@extschema@.live_accuracy(date, date, text[])'::regprocedure),
        ('operator', '@extschema@.live_accuracy(date, date, text[])'::regprocedure),
        ('reviewer', '@extschema@.filter_decision(double precision, text, text, text)'::regprocedure),
        ('operator', '@extschema@.filter_decision(double precision, text, text, text)'::regprocedure),
        -- The views call these with the rights of whoever reads them.
        ('reviewer', '@extschema@.normalize_text(text)'::regprocedure),
        ('analyst', '@extschema@.normalize_text(text)'::regprocedure),
        ('operator', '@extschema@.normalize_text(text)'::regprocedure),
        ('analyst', '@extschema@.tw_day_figures(date)'::regprocedure),
        ('operator', '@extschema@.tw_day_figures(date)'::regprocedure),
        ('analyst', '@extschema@.tw_daily_changes()'::regprocedure),
        ('operator', '@extschema@.tw_daily_changes()'::regprocedure),
        ('operator', '@extschema@.tw_close_days(timestamptz, integer)'::regprocedure),
        ('analyst', '@extschema@.training_setting(text)'::regprocedure),
        ('reviewer', '@extschema@.tw_sample_text(text)'::regprocedure),
        ('analyst', '@extschema@.tw_sample_text(text)'::regprocedure),
        ('operator', '@extschema@.tw_sample_text(text)'::regprocedure),
        ('reviewer', '@extschema@.redact_pii(text)'::regprocedure),
        ('analyst', '@extschema@.redact_pii(text)'::regprocedure),
        ('operator', '@extschema@.redact_pii(text)'::regprocedure),
        ('operator', '@extschema@.redact_pii(jsonb)'::regprocedure),
        ('reviewer', '@extschema@.intent_module_type(text)'::regprocedure),
        ('analyst', '@extschema@.intent_module_type(text)'::regprocedure),
        ('operator', '@extschema@.intent_module_type(text)'::regprocedure),
        ('analyst', '@extschema@.is_fallback_provider(text, text, text)'::regprocedure),
        ('operator', '@extschema@.is_fallback_provider(text, text, text)'::regprocedure),
        ('operator', '@extschema@.set_training_setting(text, text)'::regprocedure),
        ('operator', '@extschema@.training_setting(text)'::regprocedure),
        ('operator', '@extschema@.list_training_settings()'::regprocedure),
        ('operator', '@extschema@.promote_missed_conversations(interval)'::regprocedure),
        ('operator', '@extschema@.check_integrity()'::regprocedure)
    )
    SELECT k, 'SCHEMA', '@extschema@'::regnamespace::oid, NULL::text, 'USAGE'
    FROM unnest(ARRAY['capture', 'reviewer', 'analyst', 'trainer', 'operator']) AS k
    UNION ALL
    SELECT t.kind, 'TABLE', t.object_id, NULL, p FROM tables t, unnest(t.privileges) AS p
    UNION ALL
    SELECT c.kind, 'TABLE', c.object_id, c.column_name, c.privilege FROM columns c
    UNION ALL
    SELECT f.kind, 'ROUTINE', f.object_id, NULL, 'EXECUTE' FROM functions f;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_role_privileges() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_role_privileges() IS
    'The privileges that each kind of role has; grant_training_role() and revoke_training_role() work from this list';

CREATE FUNCTION @extschema@.tw_check_role_request(role text, kind text) RETURNS oid
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    kinds CONSTANT text[] := ARRAY['capture', 'reviewer', 'analyst', 'trainer', 'operator'];
    role_id oid := (SELECT r.oid FROM pg_roles r WHERE r.rolname = role);
    owner name := (SELECT pg_get_userbyid(c.relowner) FROM pg_class c WHERE c.oid = '@extschema@.conversation_logs'::regclass);
BEGIN
    IF kind IS NULL OR kind <> ALL (kinds) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('there is no kind of training role "%s"', coalesce(kind, 'NULL')),
            HINT = format('The kinds are: %s.', array_to_string(kinds, ', '));
    END IF;
    IF role_id IS NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'undefined_object',
            MESSAGE = format('role "%s" does not exist', coalesce(role, 'NULL')),
            HINT = 'Name one role as pg_roles spells it; nothing is granted to PUBLIC.';
    END IF;
    -- GRANT by somebody else would only warn, and leave a role that cannot do its work.
    IF NOT pg_has_role(current_user, owner, 'USAGE') THEN
        RAISE EXCEPTION USING
            ERRCODE = 'insufficient_privilege',
            MESSAGE = 'permission denied to change training roles',
            HINT = format('Only the owner of the extension''s tables ("%s") and superusers may.', owner);
    END IF;
    RETURN role_id;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_check_role_request(text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_check_role_request(text, text) IS
    'The OID of the role, or an error: 22023 for an unknown kind, 42704 for an unknown role, 42501 for a caller who may not grant';

CREATE FUNCTION @extschema@.tw_change_role(role text, kind text, grants boolean) RETURNS void
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    p record;
BEGIN
    FOR p IN
        SELECT r.privilege || coalesce(' (' || quote_ident(r.column_name) || ')', '') AS what,
               r.object_kind || ' ' || CASE r.object_kind
                   WHEN 'TABLE' THEN r.object_id::regclass::text
                   WHEN 'ROUTINE' THEN r.object_id::regprocedure::text
                   ELSE r.object_id::regnamespace::text END AS whereon
        FROM @extschema@.tw_role_privileges() r
        WHERE r.kind = tw_change_role.kind
          -- The schema may hold other things that the role was let in for; USAGE alone opens none of ours.
          AND (tw_change_role.grants OR r.object_kind <> 'SCHEMA')
    LOOP
        IF grants THEN
            EXECUTE format('GRANT %s ON %s TO %I', p.what, p.whereon, role);
        ELSE
            EXECUTE format('REVOKE %s ON %s FROM %I', p.what, p.whereon, role);
        END IF;
    END LOOP;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_change_role(text, text, boolean) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_change_role(text, text, boolean) IS
    'Grants or revokes everything of one kind; called by grant_training_role() and revoke_training_role()';

CREATE FUNCTION @extschema@.tw_role_kinds(role_id oid) RETURNS SETOF text
    LANGUAGE sql STABLE STRICT SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT p.kind
    FROM @extschema@.tw_role_privileges() p
    LEFT JOIN pg_class c ON p.object_kind = 'TABLE' AND c.oid = p.object_id
    LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = p.column_name
    LEFT JOIN pg_proc f ON p.object_kind = 'ROUTINE' AND f.oid = p.object_id
    WHERE p.object_kind <> 'SCHEMA'
    GROUP BY p.kind
    HAVING bool_and(EXISTS (
        SELECT FROM aclexplode(CASE WHEN p.column_name IS NOT NULL THEN a.attacl
                                    WHEN p.object_kind = 'TABLE' THEN c.relacl
                                    ELSE f.proacl END) x
        WHERE x.grantee = role_id AND x.privilege_type = p.privilege));
END;
REVOKE ALL ON FUNCTION @extschema@.tw_role_kinds(oid) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_role_kinds(oid) IS
    'The kinds whose privileges a role was granted itself, all of them, not through membership';

CREATE FUNCTION @extschema@.grant_training_role(role text, kind text) RETURNS void
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    PERFORM @extschema@.tw_check_role_request(role, kind);
    PERFORM @extschema@.tw_change_role(role, kind, true);
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.grant_training_role(text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.grant_training_role(text, text) IS
    'Lets a role do a kind of work: capture (insert conversations and read nothing but their id), reviewer, analyst (views '
    'without phone numbers), trainer (a worker that trains outside) or operator. Raises 22023 for an unknown kind, 42704 for an unknown role, 42501 for callers '
    'other than the owner of the extension''s tables';

CREATE FUNCTION @extschema@.revoke_training_role(role text, kind text) RETURNS void
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    role_id oid := @extschema@.tw_check_role_request(role, kind);
    -- A kind that is wholly part of the revoked one (an operator may do all that an analyst may) cannot be told apart from
    -- it and goes as well: taking too much can be mended, leaving something behind might not be noticed.
    others text[] := ARRAY(
        SELECT k FROM @extschema@.tw_role_kinds(role_id) k
        WHERE EXISTS (
            SELECT p.object_id, p.column_name, p.privilege FROM @extschema@.tw_role_privileges() p
            WHERE p.kind = k AND p.object_kind <> 'SCHEMA'
            EXCEPT
            SELECT p.object_id, p.column_name, p.privilege FROM @extschema@.tw_role_privileges() p
            WHERE p.kind = revoke_training_role.kind));
    other text;
BEGIN
    PERFORM @extschema@.tw_change_role(role, kind, false);
    -- Kinds overlap: give back what the role has for another reason.
    FOREACH other IN ARRAY others LOOP
        PERFORM @extschema@.tw_change_role(role, other, true);
    END LOOP;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.revoke_training_role(text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.revoke_training_role(text, text) IS
    'Takes a kind of work away again; what the role may do for another kind stays, unless that kind is wholly part of this one '
    '(operator contains reviewer and analyst), and so does USAGE of the schema. Raises as grant_training_role() does';
-- DROP EXTENSION needs no CASCADE to drop our tables with all their rows: refuse it while there are any, and so the other
-- commands whose CASCADE can end in it (ALTER TABLE, because DROP COLUMN ... CASCADE drops a view of ours, and with it the
-- extension; DROP TABLE, because somebody may have made our table its child).

CREATE FUNCTION @extschema@.tw_drop_guard() RETURNS event_trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'tw_drop_guard';
REVOKE ALL ON FUNCTION @extschema@.tw_drop_guard() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_drop_guard() IS
    'Event trigger: loads the library, whose hook refuses to drop any of our tables while it holds rows';

CREATE EVENT TRIGGER training_workflow_drop_guard ON ddl_command_start
    WHEN TAG IN ('DROP EXTENSION', 'DROP SCHEMA', 'DROP OWNED', 'DROP LANGUAGE', 'ALTER TABLE', 'ALTER TYPE', 'DROP TABLE',
                 'DROP TYPE', 'DROP DOMAIN', 'DROP VIEW', 'DROP MATERIALIZED VIEW', 'DROP FOREIGN TABLE', 'DROP FUNCTION',
                 'DROP PROCEDURE', 'DROP ROUTINE', 'DROP AGGREGATE', 'DROP OPERATOR', 'DROP COLLATION', 'DROP ACCESS METHOD')
    EXECUTE FUNCTION @extschema@.tw_drop_guard();
-- No setting of a session gets round it.
ALTER EVENT TRIGGER training_workflow_drop_guard ENABLE ALWAYS;
COMMENT ON EVENT TRIGGER training_workflow_drop_guard IS
    'Refuses to drop the extension while its tables hold rows, unless training_workflow.allow_drop is on';
