-- daily_statistics: the figures of past days, so that a view over years need not count every conversation.
--
-- It is derived from conversation_logs and is not dumped, except final days. A day without a row here is counted at
-- query time: in a restored copy until the daily job has run, and after a change of the whole day, which deletes its
-- row (tw_forget_days). A day is final from the moment on that retention deletes its first conversation or makes it
-- anonymous: it could not be counted again.

CREATE TABLE @extschema@.daily_statistics (
    date date NOT NULL,
    conversations bigint NOT NULL,
    auto_approved bigint NOT NULL,
    needs_review bigint NOT NULL,
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
    as_of timestamptz NOT NULL,
    -- filled by retention
    deleted bigint NOT NULL DEFAULT 0,
    left_over bigint[],
    is_final boolean NOT NULL DEFAULT false,
    CONSTRAINT daily_statistics_pkey PRIMARY KEY (date)
);
REVOKE ALL ON TABLE @extschema@.daily_statistics FROM PUBLIC;
SELECT pg_extension_config_dump('@extschema@.daily_statistics', 'WHERE is_final');

COMMENT ON TABLE @extschema@.daily_statistics IS
    'The figures of past days as the daily job counted them. Read the view daily_training_stats, which adds later '
    'changes. Not dumped, except final days: it is derived from conversation_logs';
COMMENT ON COLUMN @extschema@.daily_statistics.date IS 'The day';
COMMENT ON COLUMN @extschema@.daily_statistics.conversations IS 'Conversations captured';
COMMENT ON COLUMN @extschema@.daily_statistics.auto_approved IS 'Conversations that the filter auto-approved';
COMMENT ON COLUMN @extschema@.daily_statistics.needs_review IS 'Conversations that the filter sent to review';
COMMENT ON COLUMN @extschema@.daily_statistics.not_applicable IS
    'Conversations that models cannot learn from: not a text message, or a blank one';
COMMENT ON COLUMN @extschema@.daily_statistics.audited IS 'Conversations drawn for the audit';
COMMENT ON COLUMN @extschema@.daily_statistics.approved IS 'Conversations that a person had approved or fixed by as_of';
COMMENT ON COLUMN @extschema@.daily_statistics.rejected IS 'Conversations that a person had rejected by as_of';
COMMENT ON COLUMN @extschema@.daily_statistics.promoted IS 'Conversations that had a training sample by as_of';
COMMENT ON COLUMN @extschema@.daily_statistics.fallback_rate IS
    'Fraction of the predictions that a fallback provider made, 0 to 1; NULL = no row had a provider';
COMMENT ON COLUMN @extschema@.daily_statistics.avg_latency_ms IS
    'Mean time of an NLU call, in milliseconds; NULL = none was recorded';
COMMENT ON COLUMN @extschema@.daily_statistics.p50_latency_ms IS
    'Median time of an NLU call, in milliseconds; NULL = none was recorded';
COMMENT ON COLUMN @extschema@.daily_statistics.p95_latency_ms IS
    '95th percentile of the time of an NLU call, in milliseconds; NULL = none was recorded';
COMMENT ON COLUMN @extschema@.daily_statistics.positive_feedback IS 'Conversations with positive feedback by as_of';
COMMENT ON COLUMN @extschema@.daily_statistics.negative_feedback IS 'Conversations with negative feedback by as_of';
COMMENT ON COLUMN @extschema@.daily_statistics.feedback IS 'Conversations with any feedback or correction by as_of';
COMMENT ON COLUMN @extschema@.daily_statistics.fallback_rules IS
    'The fallback providers in force when the day was counted; if they change, the daily job counts the day again';
COMMENT ON COLUMN @extschema@.daily_statistics.as_of IS 'When the day was counted, or last found unchanged';

COMMENT ON COLUMN @extschema@.daily_statistics.deleted IS
    'Conversations of the day that purge_conversations() has deleted';
COMMENT ON COLUMN @extschema@.daily_statistics.left_over IS
    'Conversations of the day that purge_conversations() has not made anonymous, because they wait for a person, are '
    'needed elsewhere or were locked: its next run looks at them again, and not at the whole day; NULL = it looks at '
    'the whole day';
COMMENT ON COLUMN @extschema@.daily_statistics.is_final IS
    'Whether retention has begun to delete the conversations of the day or to make them anonymous: its figures stay as '
    'they are';

-- A subscriber stores its own figures: replication of all tables must not add the publisher's.
CREATE FUNCTION @extschema@.tw_local_only() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    RETURN NULL;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_local_only() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_local_only() IS
    'Trigger: skips changes from logical replication; a subscriber counts its own figures';

CREATE TRIGGER daily_statistics_local BEFORE INSERT OR UPDATE OR DELETE ON @extschema@.daily_statistics
    FOR EACH ROW WHEN (current_setting('session_replication_role') = 'replica')
    EXECUTE FUNCTION @extschema@.tw_local_only();
ALTER TABLE @extschema@.daily_statistics ENABLE ALWAYS TRIGGER daily_statistics_local;
