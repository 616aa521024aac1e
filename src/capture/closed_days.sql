-- Closed days: the daily job counts the days that are over and stores their figures. Nothing is triggered by it on the
-- tables of conversations and samples: what changed since the last night is found by what is there.
--
-- * The last five weeks are counted every night.
-- * Older days are counted again where the number of their conversations has changed, or where review_events has
--   something newer than a week before the last count: a verdict may have been in a transaction that was open then.
-- * A final day is never counted again: retention has begun to delete what it was counted from.
-- * The sweep, import_conversations() and erasures delete the stored row (tw_forget_days).
--   What else changes on older days, recount_days() makes good: columns or samples that an owner changes by hand, and
--   a row that came while triggers did not fire and is filtered by an UPDATE instead of the sweep.

-- Each day is found in the index from the day before, so the query reads one entry per day, not every conversation. It
-- ends with NULL, which stands for conversations without a day (loaded while triggers were disabled).
CREATE VIEW @extschema@.tw_captured_days AS
    WITH RECURSIVE days (date) AS (
        SELECT (SELECT min(c.created_on) FROM @extschema@.conversation_logs c)
        UNION ALL
        SELECT (SELECT min(c.created_on) FROM @extschema@.conversation_logs c WHERE c.created_on > d.date)
        FROM days d WHERE d.date IS NOT NULL
    )
    SELECT d.date FROM days d;
REVOKE ALL ON TABLE @extschema@.tw_captured_days FROM PUBLIC;
COMMENT ON VIEW @extschema@.tw_captured_days IS 'The days that have conversations, and one row with NULL';
COMMENT ON COLUMN @extschema@.tw_captured_days.date IS 'The day; NULL = conversations without a day';

CREATE FUNCTION @extschema@.tw_fallback_rules() RETURNS text
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT coalesce(jsonb_agg(jsonb_build_array(p.module_type, p.intent, p.fallback_providers)
                              ORDER BY p.module_type, p.intent), '[]')::text
    FROM @extschema@.review_policies p WHERE p.fallback_providers IS NOT NULL;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_fallback_rules() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_fallback_rules() IS
    'The policies that set fallback_providers, and their lists, as JSON text: the rules of is_fallback_provider()';

CREATE FUNCTION @extschema@.tw_day_figures(
    day date,
    OUT date date, OUT conversations bigint, OUT auto_approved bigint, OUT needs_review bigint,
    OUT needs_review_high bigint, OUT needs_review_medium bigint, OUT needs_review_low bigint,
    OUT not_applicable bigint, OUT audited bigint, OUT approved bigint, OUT rejected bigint, OUT promoted bigint,
    OUT fallback_rate double precision, OUT avg_latency_ms double precision, OUT p50_latency_ms double precision,
    OUT p95_latency_ms double precision, OUT positive_feedback bigint, OUT negative_feedback bigint,
    OUT feedback bigint)
    RETURNS SETOF record
    -- JIT compilation would take longer than the query.
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
               @extschema@.is_fallback_provider(c.nlu_provider, c.nlu_intent, c.nlu_module_type)::integer
               END)::double precision,
           avg(@extschema@.tw_latency_ms(c.nlu_processing_time_ms)),
           percentile_cont(0.5) WITHIN GROUP (ORDER BY @extschema@.tw_latency_ms(c.nlu_processing_time_ms)),
           percentile_cont(0.95) WITHIN GROUP (ORDER BY @extschema@.tw_latency_ms(c.nlu_processing_time_ms)),
           count(*) FILTER (WHERE lower(c.user_feedback COLLATE "C") = 'positive'),
           count(*) FILTER (WHERE lower(c.user_feedback COLLATE "C") = 'negative'),
           count(*) FILTER (WHERE c.user_feedback IS NOT NULL OR c.user_correction IS NOT NULL)
    FROM (SELECT * FROM @extschema@.conversation_logs l WHERE l.created_on = day
          UNION ALL
          SELECT * FROM @extschema@.conversation_logs l WHERE day IS NULL AND l.created_on IS NULL) c
    LEFT JOIN @extschema@.training_samples s ON s.conversation_log_id = c.id
    WHERE @extschema@.tw_sees_module(c.nlu_module_type, c.nlu_intent)
    HAVING count(*) > 0;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_day_figures(date) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_day_figures(date) IS
    'The figures of a day, counted at query time: one row, or none if the day has no conversations. NULL = the '
    'conversations without a day';

-- A stored day that somebody holds is being counted or forgotten. Nobody waits for that: if it is counted without the
-- caller's rows, the next night finds another number of them, or a day of the last five weeks.
CREATE FUNCTION @extschema@.tw_forget_days(days date[]) RETURNS void
    LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH held AS MATERIALIZED (
        SELECT s.date, s.is_final FROM @extschema@.daily_statistics s WHERE s.date = ANY (days) FOR UPDATE SKIP LOCKED
    ), reopened AS (
        UPDATE @extschema@.daily_statistics d SET left_over = NULL
        WHERE d.date IN (SELECT h.date FROM held h WHERE h.is_final) AND d.left_over IS NOT NULL
    )
    DELETE FROM @extschema@.daily_statistics d WHERE d.date IN (SELECT h.date FROM held h WHERE NOT h.is_final);
END;
REVOKE ALL ON FUNCTION @extschema@.tw_forget_days(date[]) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_forget_days(date[]) IS
    'Deletes the stored figures of days: daily_training_stats counts them at query time until the daily job stores '
    'them again. Those of final days stay, and retention looks at the whole day again';

CREATE FUNCTION @extschema@.tw_store_days(days date[], counted_at timestamptz, is_final boolean) RETURNS bigint
    LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH stored AS (
        INSERT INTO @extschema@.daily_statistics (date, conversations, auto_approved, needs_review, not_applicable,
            audited, approved, rejected, promoted, fallback_rate, avg_latency_ms, p50_latency_ms, p95_latency_ms,
            positive_feedback, negative_feedback, feedback, fallback_rules, as_of, is_final)
        SELECT f.date, f.conversations, f.auto_approved, f.needs_review, f.not_applicable, f.audited, f.approved,
               f.rejected, f.promoted, f.fallback_rate, f.avg_latency_ms, f.p50_latency_ms, f.p95_latency_ms,
               f.positive_feedback, f.negative_feedback, f.feedback, @extschema@.tw_fallback_rules(), counted_at,
               tw_store_days.is_final
        FROM unnest(days) AS d (date), @extschema@.tw_day_figures(d.date) f
        -- Another transaction has just stored the day.
        ON CONFLICT (date) DO NOTHING
        RETURNING 1
    )
    SELECT count(*) FROM stored;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_store_days(date[], timestamptz, boolean) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_store_days(date[], timestamptz, boolean) IS
    'Counts days and stores their figures, as of a time right before the call; returns how many were stored';

CREATE FUNCTION @extschema@.tw_make_day_final(day date) RETURNS boolean
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    counted_at CONSTANT timestamptz := clock_timestamp();
BEGIN
    -- A row that somebody else holds is being counted or forgotten, perhaps in a long transaction.
    IF EXISTS (SELECT FROM @extschema@.daily_statistics s WHERE s.date = day) THEN
        PERFORM FROM @extschema@.daily_statistics s WHERE s.date = day FOR UPDATE SKIP LOCKED;
        IF NOT FOUND THEN
            RETURN false;
        END IF;
    END IF;
    IF EXISTS (SELECT FROM @extschema@.daily_statistics s WHERE s.date = day AND s.is_final) THEN
        RETURN true;
    END IF;
    DELETE FROM @extschema@.daily_statistics s WHERE s.date = day;
    RETURN @extschema@.tw_store_days(ARRAY[day], counted_at, true) > 0;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_make_day_final(date) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_make_day_final(date) IS
    'Counts a day for the last time and keeps its figures, unless it is final already; returns false, and does '
    'nothing, where another transaction holds the day. Call it in the transaction that takes the first conversation '
    'of the day, before it';

CREATE FUNCTION @extschema@.recount_days(from_date date DEFAULT NULL, to_date date DEFAULT NULL) RETURNS bigint
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '5s'
AS $function$
DECLARE
    forgotten bigint;
    final bigint;
BEGIN
    DELETE FROM @extschema@.daily_statistics d
    WHERE (from_date IS NULL OR d.date >= from_date) AND (to_date IS NULL OR d.date <= to_date) AND NOT d.is_final;
    GET DIAGNOSTICS forgotten = ROW_COUNT;
    SELECT count(*) INTO final FROM @extschema@.daily_statistics d
    WHERE (from_date IS NULL OR d.date >= from_date) AND (to_date IS NULL OR d.date <= to_date) AND d.is_final;
    IF final > 0 THEN
        RAISE NOTICE USING
            MESSAGE = format('%s days are final and keep their figures', final),
            DETAIL = 'Retention has deleted conversations of these days, or made them anonymous.';
    END IF;
    RETURN forgotten;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.recount_days(date, date) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.recount_days(date, date) IS
    'Deletes the stored figures of the days from from_date to to_date (both included; NULL = no limit) and returns the '
    'number of days. daily_training_stats counts them at query time until the next daily job stores them again. Needed '
    'for days older than five weeks, which the daily job does not count every night, after manual changes of predicted '
    'columns or of samples. Days of which retention has taken conversations are final: a NOTICE says how many there '
    'are. Raises 55P03 where a day is locked for 5 seconds';

CREATE FUNCTION @extschema@.tw_days_to_count(last_day date, max_days integer, since timestamptz) RETURNS date[]
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET jit = off
    SET plan_cache_mode = force_custom_plan
AS $function$
DECLARE
    first_event CONSTANT timestamptz :=
        (SELECT min(s.as_of) FROM @extschema@.daily_statistics s WHERE NOT s.is_final) - interval '7 days';
    days date[];
BEGIN
    days := ARRAY(SELECT c.date FROM @extschema@.tw_captured_days c
                  WHERE c.date <= last_day AND isfinite(c.date)
                    AND NOT EXISTS (SELECT FROM @extschema@.daily_statistics s WHERE s.date = c.date)
                  ORDER BY c.date DESC LIMIT max_days);
    IF days <> '{}' THEN
        RETURN days;
    END IF;
    -- The last five weeks first, so that all conversations are counted once a night and not with every step.
    days := ARRAY(SELECT s.date FROM @extschema@.daily_statistics s
                  WHERE s.date > last_day - 35 AND NOT s.is_final
                    AND (s.as_of < since OR s.as_of > greatest(clock_timestamp(), since))
                  ORDER BY s.date DESC LIMIT max_days FOR UPDATE SKIP LOCKED);
    IF days <> '{}' THEN
        RETURN days;
    END IF;
    days := ARRAY(
        SELECT s.date
        FROM @extschema@.daily_statistics s
        LEFT JOIN (SELECT c.created_on, count(*) AS conversations FROM @extschema@.conversation_logs c
                   GROUP BY c.created_on) n ON n.created_on = s.date
        LEFT JOIN (SELECT c.created_on, max(e.created_at) AS last_event
                   FROM @extschema@.review_events e JOIN @extschema@.conversation_logs c ON c.id = e.conversation_log_id
                   WHERE e.created_at >= first_event
                   GROUP BY c.created_on) v ON v.created_on = s.date
        -- The clock may have been set back, since that count or since the run began.
        WHERE NOT s.is_final AND (s.as_of < since OR s.as_of > greatest(clock_timestamp(), since))
          AND (n.conversations IS DISTINCT FROM s.conversations
               OR s.fallback_rules <> @extschema@.tw_fallback_rules()
               OR v.last_event >= s.as_of - interval '7 days')
        ORDER BY s.date DESC LIMIT max_days);
    -- What somebody forgets at the moment is counted by the next run.
    RETURN ARRAY(SELECT s.date FROM @extschema@.daily_statistics s WHERE s.date = ANY (days) FOR UPDATE SKIP LOCKED);
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_days_to_count(date, integer, timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_days_to_count(date, integer, timestamptz) IS
    'At most max_days days, newest first: first the days up to last_day that are not stored, then those stored before '
    'since that are of the last five weeks or have changed. Days that another transaction holds are left out';

CREATE FUNCTION @extschema@.tw_close_days(at timestamptz, max_days integer, since timestamptz) RETURNS integer
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    yesterday CONSTANT date :=
        (coalesce(at, clock_timestamp()) AT TIME ZONE @extschema@.training_setting('time_zone'))::date - 1;
    counted_at timestamptz;
    days date[];
BEGIN
    IF max_days IS NULL OR max_days < 1 OR NOT isfinite(yesterday) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('cannot close %s days as of %s', coalesce(max_days::text, 'NULL'),
                             coalesce(at::text, 'now')),
            HINT = 'max_days must be at least 1, and "at" a finite time.';
    END IF;
    IF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
        RAISE EXCEPTION USING
            ERRCODE = 'feature_not_supported',
            MESSAGE = 'days are closed in READ COMMITTED transactions only',
            DETAIL = format('This one is %s: its figures may be older than the time that is stored with them.',
                            upper(current_setting('transaction_isolation'))),
            HINT = 'BEGIN ISOLATION LEVEL READ COMMITTED;';
    END IF;
    -- A day that is not over: the setting time_zone has changed.
    PERFORM @extschema@.tw_forget_days(ARRAY(SELECT s.date FROM @extschema@.daily_statistics s
                                             WHERE s.date > greatest(yesterday, (clock_timestamp() AT TIME ZONE
                                                 @extschema@.training_setting('time_zone'))::date - 1)));
    counted_at := greatest(clock_timestamp(), since);
    days := @extschema@.tw_days_to_count(yesterday, max_days, since);
    IF days = '{}' THEN
        UPDATE @extschema@.daily_statistics d SET as_of = counted_at
        WHERE d.date IN (SELECT s.date FROM @extschema@.daily_statistics s WHERE s.as_of < since AND NOT s.is_final
                         FOR UPDATE SKIP LOCKED);
        RETURN 0;
    END IF;
    DELETE FROM @extschema@.daily_statistics s WHERE s.date = ANY (days);
    -- Right before the snapshot that is counted under: what is said from here on, the view adds.
    counted_at := greatest(clock_timestamp(), since);
    PERFORM @extschema@.tw_store_days(days, counted_at, false);
    RETURN cardinality(days);
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_close_days(timestamptz, integer, timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_close_days(timestamptz, integer, timestamptz) IS
    'A step of the daily job: counts up to max_days days that are over (by at, or now) and returns how many, 0 when '
    'nothing is left. A day is counted once for one value of since, the start of the run: call it in transactions of '
    'their own, with the same since, until it returns 0. Raises 22023 for a max_days below 1 or an infinite time, '
    '0A000 in a REPEATABLE READ or SERIALIZABLE transaction';
