-- CALL purge_conversations(): what the settings retain_... say. It walks over the days from the oldest on, by the
-- index of created_on, and takes each day's conversations in small batches. Where it is stands in the state of the run:
-- a run that was interrupted is not continued, but the next one begins with the oldest day, where nothing is left to
-- do. daily_statistics.left_over keeps it from looking at anonymous conversations each night.
--
-- A batch is one transaction. It leaves out rows that somebody else has locked, and its size follows from the time that
-- the last one took, so that nobody waits for it longer than a tenth of a second. While conversations are captured, it
-- pauses between batches for nine times as long as the last one took: it works for a tenth of the time, since captures
-- need the same processors and the same write-ahead log.

CREATE FUNCTION @extschema@.tw_begin_retention(mode text) RETURNS bigint
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    erasure bigint;
BEGIN
    -- One that a run left behind when it was interrupted.
    SELECT e.id INTO erasure FROM @extschema@.erasures e
    WHERE e.kind = 'retention' AND e.mode = tw_begin_retention.mode AND e.status = 'running' ORDER BY e.id LIMIT 1;
    IF NOT FOUND THEN
        INSERT INTO @extschema@.erasures (kind, mode, reason, requested_by)
        SELECT 'retention', tw_begin_retention.mode,
               -- The settings may have changed since the run began.
               coalesce(string_agg(format('%s = %s', s.name, @extschema@.training_setting(s.name)), ', ' ORDER BY s.n),
                        'retention'),
               @extschema@.tw_calling_role()
        FROM unnest('{retain_text,retain_conversations,retain_events}'::text[]) WITH ORDINALITY AS s (name, n)
        WHERE @extschema@.training_setting(s.name) <> 'forever'
        RETURNING id INTO erasure;
    END IF;
    RETURN erasure;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_begin_retention(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_begin_retention(text) IS
    'The erasure of kind retention and this mode that is running; begins one where none is';

CREATE FUNCTION @extschema@.tw_end_retention(mode text) RETURNS void
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    PERFORM @extschema@.tw_finish_erasure(e.id)
    FROM @extschema@.erasures e
    WHERE e.kind = 'retention' AND e.mode = tw_end_retention.mode AND e.status = 'running';
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_end_retention(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_end_retention(text) IS
    'Finishes the erasure of kind retention and this mode, if one is running';

CREATE FUNCTION @extschema@.tw_purge_batch(
    mode text, day date, ids bigint[], window_from date, OUT taken bigint, OUT locked bigint, OUT kept bigint,
    OUT left_over bigint[], OUT milliseconds double precision)
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
DECLARE
    started timestamptz;
    held bigint[] := '{}';
    elsewhere bigint[];
    needed bigint[];
    done bigint[];
    erasure bigint;
BEGIN
    -- The figures of the day first: counting them takes longer than the batch. Then the lock that batches of all
    -- erasures take in turns, and only then the rows.
    IF @extschema@.tw_make_day_final(day) THEN
        PERFORM @extschema@.tw_lock('erasure'::text, 0::bigint);
        started := clock_timestamp();
        held := ARRAY(SELECT c.id FROM @extschema@.conversation_logs c
                      WHERE c.id = ANY (ids) AND (mode = 'erase' OR c.anonymised_at IS NULL)
                      ORDER BY c.id FOR UPDATE SKIP LOCKED);
    END IF;
    -- An import of samples locks samples and not their conversations.
    elsewhere := ARRAY(
        SELECT s.conversation_log_id FROM @extschema@.training_samples s
        WHERE s.conversation_log_id = ANY (held)
          AND s.id <> ALL (ARRAY(SELECT x.id FROM @extschema@.training_samples x
                                 WHERE x.conversation_log_id = ANY (held) ORDER BY x.id FOR UPDATE SKIP LOCKED)));
    -- Nobody can change the answer any more.
    needed := ARRAY(SELECT k.id FROM @extschema@.tw_kept_from_retention(held, window_from) k);
    done := @extschema@.tw_take_from(@extschema@.tw_take_from(held, elsewhere), needed);
    IF done <> '{}' THEN
        erasure := @extschema@.tw_begin_retention(mode);
        IF mode = 'erase' THEN
            PERFORM @extschema@.tw_erase_conversations(erasure, done);
            UPDATE @extschema@.daily_statistics d SET deleted = d.deleted + cardinality(done) WHERE d.date = day;
        ELSE
            PERFORM @extschema@.tw_anonymise_conversations(erasure, done);
        END IF;
    END IF;
    left_over := @extschema@.tw_take_from(ids, done);
    taken := cardinality(done);
    kept := cardinality(needed);
    locked := cardinality(ids) - taken - kept;
    milliseconds := extract(epoch FROM clock_timestamp() - started) * 1000;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_purge_batch(text, date, bigint[], date) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_purge_batch(text, date, bigint[], date) IS
    'Makes these conversations of a day anonymous or deletes them, as mode says, except those that are needed or '
    'locked (left_over); milliseconds is how long it has held their locks, NULL where the day itself was locked';

-- A quarter of the tenth of a second: the commit is not measured, and other processes may hold a batch up. Twice as
-- many rows at most, since the next ones may have more samples and events.
CREATE FUNCTION @extschema@.tw_next_batch(rows integer, milliseconds double precision) RETURNS integer
    LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
RETURN CASE WHEN milliseconds IS NULL THEN rows
            ELSE greatest(10, least(2000, 2 * rows, rows * 25 / greatest(milliseconds, 0.1)))::integer END;
REVOKE ALL ON FUNCTION @extschema@.tw_next_batch(integer, double precision) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_next_batch(integer, double precision) IS
    'The size of the next batch, from 10 to 2,000, after one of so many rows held their locks for so long: what takes '
    '25 ms; the same size where the time is NULL';

CREATE FUNCTION @extschema@.tw_purge_listed(run bigint, state jsonb, mode text, window_from date) RETURNS jsonb
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    size CONSTANT integer := state ->> 'batch';
    ids CONSTANT bigint[] := state ->> 'ids';
    newest CONSTANT bigint := pg_sequence_last_value('@extschema@.conversation_logs_id_seq'::regclass);
    started timestamptz;
    b record;
BEGIN
    IF newest > (state ->> 'seen')::bigint THEN
        PERFORM pg_sleep(least(1, 0.009 * (state ->> 'took')::double precision));
    END IF;
    started := clock_timestamp();
    SELECT * INTO b FROM @extschema@.tw_purge_batch(mode, (state ->> 'day')::date, ids[1:size], window_from);
    PERFORM @extschema@.tw_note_run(run, format('%s %s', mode, state ->> 'day'), jsonb_build_object(
        CASE mode WHEN 'erase' THEN 'conversations deleted' ELSE 'conversations anonymised' END, b.taken), true);
    RETURN state || jsonb_build_object(
        'ids', ids[size + 1:]::text, 'left', ((state ->> 'left')::bigint[] || b.left_over)::text,
        'batch', @extschema@.tw_next_batch(size, CASE WHEN cardinality(ids) >= size OR b.milliseconds > 25
                                                      THEN b.milliseconds END),
        'longest', greatest((state ->> 'longest')::double precision, b.milliseconds),
        'seen', newest, 'took', 1000 * extract(epoch FROM clock_timestamp() - started),
        'kept', @extschema@.tw_add_counts(state -> 'kept', jsonb_strip_nulls(jsonb_build_object(
            'conversations locked', nullif(b.locked, 0), 'kept, changed meanwhile', nullif(b.kept, 0)))));
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_purge_listed(bigint, jsonb, text, date) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_purge_listed(bigint, jsonb, text, date) IS
    'Takes the next batch of the conversations that the state of a run lists; returns the next state';

CREATE FUNCTION @extschema@.tw_list_more(state jsonb, mode text, window_from date) RETURNS jsonb
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    portion CONSTANT integer := 20000;
    listed CONSTANT bigint[] := @extschema@.tw_list_day(
        (state ->> 'day')::date, mode, (state ->> 'after')::bigint, (state ->> 'left_over')::bigint[], portion);
    needed bigint[];
    reasons jsonb;
BEGIN
    WITH kept AS MATERIALIZED (
        SELECT k.id, k.reason FROM @extschema@.tw_kept_from_retention(listed, window_from) k
    )
    SELECT ARRAY(SELECT k.id FROM kept k),
           coalesce((SELECT jsonb_object_agg(r.name, r.n)
                     FROM (SELECT CASE mode WHEN 'erase' THEN 'kept: ' ELSE 'text kept: ' END || k.reason AS name,
                                  count(*) AS n
                           FROM kept k GROUP BY k.reason) r), '{}')
    INTO needed, reasons;
    RETURN state || jsonb_build_object(
        'ids', @extschema@.tw_take_from(listed, needed)::text,
        'left', ((state ->> 'left')::bigint[] || needed)::text,
        'kept', @extschema@.tw_add_counts(state -> 'kept', reasons),
        'after', coalesce(listed[cardinality(listed)], (state ->> 'after')::bigint),
        'more', cardinality(listed) = portion);
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_list_more(jsonb, text, date) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_list_more(jsonb, text, date) IS
    'Adds the next conversations of the day to the state of a run: those to take (ids), those that are needed (left), '
    'and how many of these there are for each reason (kept)';

CREATE FUNCTION @extschema@.tw_purge_days(
    run bigint, state jsonb, mode text, before date, window_from date) RETURNS jsonb
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    started CONSTANT timestamptz := clock_timestamp();
    following record;
    now_at jsonb := '{"ids": "{}", "kept": {}}'::jsonb || state;
BEGIN
    -- Nor where the limit has moved since.
    IF before IS NULL OR (now_at ->> 'day')::date >= before THEN
        RETURN NULL;
    ELSIF now_at ->> 'ids' <> '{}' THEN
        RETURN @extschema@.tw_purge_listed(run, now_at, mode, window_from);
    END IF;
    LOOP
        IF NOT coalesce((now_at ->> 'more')::boolean, false) THEN
            IF mode = 'anonymise' AND now_at ? 'day' THEN
                -- A day that somebody else holds is looked at again.
                UPDATE @extschema@.daily_statistics d SET left_over = (now_at ->> 'left')::bigint[]
                WHERE d.date IN (SELECT s.date FROM @extschema@.daily_statistics s
                                 WHERE s.date = (now_at ->> 'day')::date AND s.is_final FOR UPDATE SKIP LOCKED);
            END IF;
            SELECT * INTO following FROM @extschema@.tw_next_day(mode, (now_at ->> 'day')::date, before);
            IF following.day IS NULL THEN
                PERFORM @extschema@.tw_note_run(run, mode, now_at -> 'kept', false);
                RETURN NULL;
            END IF;
            now_at := now_at || jsonb_build_object('day', following.day, 'left_over', following.left_over::text,
                                                   'after', -9223372036854775808, 'left', '{}');
        END IF;
        now_at := @extschema@.tw_list_more(now_at, mode, window_from);
        EXIT WHEN now_at ->> 'ids' <> '{}' OR clock_timestamp() > started + interval '1 second';
    END LOOP;
    RETURN now_at;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_purge_days(bigint, jsonb, text, date, date) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_purge_days(bigint, jsonb, text, date, date) IS
    'One step of an erasure by retention: takes a batch of what is listed, or lists more of the day, or of the next '
    'day before the day before; returns the next state, NULL when all days are done';

CREATE FUNCTION @extschema@.tw_purge_events(run bigint, state jsonb, before timestamptz, window_from date)
    RETURNS jsonb
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
DECLARE
    size CONSTANT integer := state ->> 'batch';
    listed bigint[];
    needed bigint[];
    last_at timestamptz;
    done bigint[];
    started timestamptz;
    milliseconds double precision;
BEGIN
    SELECT coalesce(array_agg(x.id ORDER BY x.created_at, x.id), '{}'), max(x.created_at) INTO listed, last_at
    FROM (SELECT e.id, e.created_at FROM @extschema@.review_events e
          WHERE e.created_at < tw_purge_events.before
            AND (e.created_at, e.id) > (coalesce((state ->> 'event_at')::timestamptz, '-infinity'),
                                        coalesce((state ->> 'event')::bigint, -9223372036854775808))
          ORDER BY e.created_at, e.id LIMIT size) x;
    IF listed = '{}' THEN
        RETURN NULL;
    END IF;
    PERFORM @extschema@.tw_lock('erasure'::text, 0::bigint);
    started := clock_timestamp();
    -- Not those of conversations that are needed, nor of samples that wait or are tested with.
    needed := ARRAY(SELECT k.id FROM @extschema@.tw_kept_from_retention(
        ARRAY(SELECT DISTINCT e.conversation_log_id FROM @extschema@.review_events e
              WHERE e.id = ANY (listed) AND e.conversation_log_id IS NOT NULL), tw_purge_events.window_from) k);
    done := ARRAY(
        SELECT e.id FROM @extschema@.review_events e
        WHERE e.id = ANY (listed) AND coalesce(e.conversation_log_id <> ALL (needed), true)
          AND NOT EXISTS (SELECT FROM @extschema@.training_samples s
                          WHERE s.id = e.sample_id AND (s.split = 'test' OR s.review_priority IS NOT NULL))
        ORDER BY e.id);
    IF done <> '{}' THEN
        PERFORM @extschema@.tw_erase_events(@extschema@.tw_begin_retention('erase'::text), done);
    END IF;
    milliseconds := extract(epoch FROM clock_timestamp() - started) * 1000;
    PERFORM @extschema@.tw_note_run(run, 'events', jsonb_build_object('events deleted', cardinality(done)), true);
    PERFORM @extschema@.tw_note_run(run, 'events', jsonb_build_object('events kept',
                                                                      cardinality(listed) - cardinality(done)), false);
    RETURN state || jsonb_build_object(
        'event_at', last_at, 'event', listed[cardinality(listed)],
        'batch', @extschema@.tw_next_batch(size, CASE WHEN cardinality(listed) = size OR milliseconds > 25
                                                      THEN milliseconds END),
        'longest', greatest((state ->> 'longest')::double precision, milliseconds));
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_purge_events(bigint, jsonb, timestamptz, date) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_purge_events(bigint, jsonb, timestamptz, date) IS
    'Deletes the next verdicts and feedback from before that time, oldest first, except '
    'those of conversations and samples that are needed; returns the next state, NULL when none are left';

CREATE FUNCTION @extschema@.tw_purge_evaluations(before timestamptz, max_rows integer) RETURNS bigint
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
DECLARE
    -- What is live, what it was measured against and would return to, and what may go live.
    needed CONSTANT text[] := ARRAY(
        SELECT m.version FROM @extschema@.model_versions m
        WHERE m.status IN ('training', 'candidate', 'canary', 'production')
        UNION
        SELECT m.base_version FROM @extschema@.model_versions m
        WHERE m.status IN ('training', 'candidate', 'canary', 'production') AND m.base_version IS NOT NULL
        UNION
        SELECT unnest(ARRAY[r.version, r.previous_version]) FROM @extschema@.rollouts r
        WHERE r.status IN ('running', 'watching')
        UNION
        SELECT unnest(ARRAY[p.challenger, p.live_version]) FROM @extschema@.paired_evaluations p
        WHERE p.status = 'running');
    evaluations CONSTANT bigint[] := ARRAY(
        SELECT m.evaluation_id FROM @extschema@.model_versions m
        WHERE m.version = ANY (needed) AND m.evaluation_id IS NOT NULL);
    counted bigint;
    deleted bigint;
BEGIN
    DELETE FROM @extschema@.model_evaluations e
    WHERE e.id IN (SELECT x.id FROM @extschema@.model_evaluations x
                   WHERE x.evaluated_at < before AND x.version <> ALL (needed) AND x.evaluation_id <> ALL (evaluations)
                   LIMIT max_rows FOR UPDATE SKIP LOCKED);
    GET DIAGNOSTICS deleted = ROW_COUNT;
    -- Answers have no time of their own: they are as old as the last evaluation that asked for them.
    DELETE FROM @extschema@.paired_answers a
    WHERE (a.version, a.conversation_log_id) IN (
        SELECT x.version, x.conversation_log_id FROM @extschema@.paired_answers x
        WHERE x.version <> ALL (needed)
          AND NOT EXISTS (SELECT FROM @extschema@.paired_evaluations p
                          WHERE x.version IN (p.challenger, p.live_version)
                            AND coalesce(p.decided_at, 'infinity') >= before)
        LIMIT max_rows FOR UPDATE SKIP LOCKED);
    GET DIAGNOSTICS counted = ROW_COUNT;
    deleted := deleted + counted;
    -- Of an evaluation that is over its own row has the figures. A question that still waits is needed to withdraw it.
    DELETE FROM @extschema@.paired_disagreements d
    WHERE (d.evaluation_id, d.conversation_log_id) IN (
        SELECT x.evaluation_id, x.conversation_log_id
        FROM @extschema@.paired_disagreements x
        JOIN @extschema@.paired_evaluations p ON p.id = x.evaluation_id AND p.decided_at < before
        WHERE p.challenger <> ALL (needed)
          AND NOT EXISTS (SELECT FROM @extschema@.blind_reviews b WHERE b.conversation_log_id = x.conversation_log_id)
        LIMIT max_rows FOR UPDATE OF x SKIP LOCKED);
    GET DIAGNOSTICS counted = ROW_COUNT;
    RETURN deleted + counted;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_purge_evaluations(timestamptz, integer) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_purge_evaluations(timestamptz, integer) IS
    'Deletes stored answers of models from before a time, at most max_rows of each table: of test samples, and of '
    'paired evaluations that had ended by then, with their disagreements. Those of versions that are live or may go '
    'live, of their base versions and of what is compared stay. Returns how many rows';

-- Conversations that came into a day after a run had been through it: an application may give its own created_at.
CREATE FUNCTION @extschema@.tw_reopen_days(before date) RETURNS jsonb
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
DECLARE
    nodes CONSTANT bigint[] := @extschema@.tw_newest_of_nodes();
    newest CONSTANT bigint := CASE WHEN nodes IS NULL
                                   THEN coalesce((SELECT max(c.id) FROM @extschema@.conversation_logs c), 0)
                                   ELSE @extschema@.tw_last_conversation() END;
    -- A copy of a node (fleet_resync) may bring what lies far behind: the next run looks at all of it.
    is_copied CONSTANT boolean := EXISTS (
        SELECT FROM pg_subscription_rel r
        WHERE r.srrelid = '@extschema@.conversation_logs'::regclass AND r.srsubstate NOT IN ('s', 'r'));
    known CONSTANT bigint[] := ARRAY(
        SELECT d.value::bigint FROM @extschema@.job_runs r CROSS JOIN LATERAL jsonb_each_text(r.details) d
        WHERE r.job_name = 'purge_conversations' AND r.status = 'succeeded' AND d.key LIKE 'newest %'
          AND (nodes IS NULL OR r.id = (SELECT max(l.id) FROM @extschema@.job_runs l
                                        WHERE l.job_name = 'purge_conversations' AND l.status = 'succeeded')));
BEGIN
    IF EXISTS (SELECT FROM @extschema@.daily_statistics d WHERE d.left_over IS NOT NULL) THEN
        UPDATE @extschema@.daily_statistics d SET left_over = NULL
        WHERE d.date IN (
            SELECT s.date FROM @extschema@.daily_statistics s
            WHERE s.left_over IS NOT NULL
              AND s.date IN (SELECT c.created_on
                             -- Ids are drawn before the commit.
                             FROM @extschema@.tw_later_parts(known, 10000::bigint) k
                             JOIN @extschema@.conversation_logs c ON c.id > k.after AND c.id <= k.up_to
                             WHERE c.created_on < before AND c.anonymised_at IS NULL)
            FOR UPDATE SKIP LOCKED);
    END IF;
    RETURN jsonb_build_object('newest conversation', newest)
           || coalesce((SELECT jsonb_object_agg('newest of node ' || @extschema@.tw_node_of(n), n)
                        FROM unnest(nodes) n WHERE NOT is_copied), '{}');
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_reopen_days(date) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_reopen_days(date) IS
    'Lets the run look at whole days that have got conversations since the last run; returns the newest conversation, '
    'and in a fleet that of each node, for job_runs.details';

CREATE FUNCTION @extschema@.tw_reopen_all_days() RETURNS void
    LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    UPDATE @extschema@.daily_statistics d SET left_over = NULL WHERE d.left_over IS NOT NULL;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_reopen_all_days() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_reopen_all_days() IS
    'Lets the next run look at all days as a whole: conversations of any age may come';

CREATE FUNCTION @extschema@.tw_require_delivery() RETURNS void
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    -- What the slot has kept is delivered, whatever is deleted after it. Without it nothing is.
    IF @extschema@.tw_fleet_role() = 'node' AND NOT EXISTS (
        SELECT FROM pg_replication_slots s
        WHERE s.database = current_database() AND s.slot_name ~ '^training_workflow_[0-9]+_hub$'
          AND s.wal_status <> 'lost') THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = 'nothing is deleted: the hub does not take this node''s conversations',
            DETAIL = 'It has no replication slot here, or lost it. What was deleted now would never reach the hub.',
            HINT = format('At the hub: CALL fleet_subscribe(connection), or CALL fleet_resync(%s).',
                          @extschema@.tw_fleet_node());
    END IF;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_require_delivery() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_require_delivery() IS
    'Raises 55000 on a node of a fleet whose hub has no replication slot, or a lost one: retention waits';

CREATE FUNCTION @extschema@.tw_purge_step(run bigint, state jsonb, at timestamptz) RETURNS jsonb
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    phases CONSTANT text[] := '{anonymise,erase,events,runs,evaluations}';
    limits CONSTANT record := @extschema@.tw_retention_limits(at);
    phase CONSTANT text := coalesce(state ->> 'phase', phases[1]);
    deleted bigint;
    following jsonb;
BEGIN
    IF state IS NULL THEN
        PERFORM @extschema@.tw_require_delivery();
        RETURN jsonb_build_object('phase', phase, 'batch', 100, 'longest', 0,
                                  'newest', @extschema@.tw_reopen_days(limits.anonymise_before));
    END IF;
    CASE phase
        WHEN 'anonymise' THEN
            following := @extschema@.tw_purge_days(run, state, phase, limits.anonymise_before, limits.window_from);
            IF following IS NULL THEN
                PERFORM @extschema@.tw_end_retention(phase);
            END IF;
        WHEN 'erase' THEN
            following := @extschema@.tw_purge_days(run, state, phase, limits.erase_before, limits.window_from);
        WHEN 'events' THEN
            following := CASE WHEN limits.events_before IS NOT NULL
                              THEN @extschema@.tw_purge_events(run, state, limits.events_before,
                                                                   limits.window_from) END;
            IF following IS NULL THEN
                PERFORM @extschema@.tw_end_retention('erase'::text);
            END IF;
        WHEN 'runs' THEN
            deleted := @extschema@.tw_delete_old_runs(at);
            PERFORM @extschema@.tw_note_run(run, phase, jsonb_build_object('runs deleted', deleted), true);
        WHEN 'evaluations' THEN
            deleted := @extschema@.tw_purge_evaluations(limits.evaluations_before, 5000);
            PERFORM @extschema@.tw_note_run(run, phase, jsonb_build_object('answers deleted', deleted), true);
            following := CASE WHEN deleted > 0 THEN state END;
    END CASE;
    IF following IS NULL AND phase = phases[cardinality(phases)] THEN
        PERFORM @extschema@.tw_note_run(run, phase, jsonb_build_object(
            'longest batch ms', round((state ->> 'longest')::numeric)) || (state -> 'newest'), false);
        RETURN NULL;
    END IF;
    RETURN coalesce(following, jsonb_build_object(
        'phase', phases[array_position(phases, phase) + 1], 'batch', state -> 'batch', 'longest', state -> 'longest',
        'newest', state -> 'newest'));
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_purge_step(bigint, jsonb, timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_purge_step(bigint, jsonb, timestamptz) IS
    'One step of purge_conversations(), as tw_job_step() calls it';

CREATE PROCEDURE @extschema@.purge_conversations(at timestamptz DEFAULT NULL)
    LANGUAGE plpgsql
AS $procedure$ BEGIN
    CALL @extschema@.tw_run_job('purge_conversations'::pg_catalog.text, NULL::pg_catalog.text, at);
END $procedure$;
REVOKE ALL ON PROCEDURE @extschema@.purge_conversations(timestamptz) FROM PUBLIC;
COMMENT ON PROCEDURE @extschema@.purge_conversations(timestamptz) IS
    'Deletes what is older than the settings retain_... allow: makes conversations anonymous (retain_text), then '
    'deletes conversations (retain_conversations), verdicts and feedback (retain_events), runs of jobs '
    '(retain_job_runs) and stored answers of models (retain_evaluations). Leaves as they are: conversations that wait '
    'for a person, of the test set, of a rollout, a paired evaluation or a training job that runs, audited ones of '
    'the last 30 days, and locked ones; job_runs.details says how many and why. The figures of a day are final before '
    'its first conversation is taken. Writes a receipt for each mode (anonymise, erase) that found something. Batches '
    'hold their locks for less than a tenth of a second; an interrupted run is made up for by the next one. The daily '
    'job calls it. at is the time to count as now, for tests. Commits between steps; errors are recorded in job_runs '
    'and raised as warnings. Does nothing on a standby or a restored copy. Raises 2D000 inside a transaction, 25001 '
    'inside a block with EXCEPTION, 22023 for a time in the future';
