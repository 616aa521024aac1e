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
