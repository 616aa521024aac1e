-- The triggers of conversation_logs. Their functions have neither SET nor SECURITY DEFINER, which would take 2.5 times
-- the time. They qualify every name, and act as the table's owner while they write samples.

CREATE FUNCTION @extschema@.tw_capture_filter() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'tw_capture_filter';
REVOKE ALL ON FUNCTION @extschema@.tw_capture_filter() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_capture_filter() IS
    'Trigger: filters a new conversation. Does not filter rows inserted with a review_status or with a created_on '
    '(restored rows that were not filtered yet), nor replicated rows, which wait for the sweep';

CREATE FUNCTION @extschema@.tw_capture_promote() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'tw_capture_promote';
REVOKE ALL ON FUNCTION @extschema@.tw_capture_promote() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_capture_promote() IS
    'Trigger: makes training samples of the conversations that the filter auto-approved in this statement. On failure '
    'the conversations stay, with a WARNING and a failed row in job_runs (errors of the classes 40, 53, 57 and XX, '
    'and 54001, fail the statement)';

CREATE FUNCTION @extschema@.tw_check_update() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'tw_check_update';
REVOKE ALL ON FUNCTION @extschema@.tw_check_update() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_check_update() IS
    'Trigger: refuses an UPDATE of columns that are written once, and of review_status to NULL; raises 55000 '
    '(object_not_in_prerequisite_state)';

CREATE TRIGGER conversation_logs_filter BEFORE INSERT ON @extschema@.conversation_logs
    FOR EACH ROW EXECUTE FUNCTION @extschema@.tw_capture_filter();

-- ENABLE ALWAYS: replicated rows are not filtered but get a created_on, so that they do not count as new messages when
-- a dump of them is restored.
ALTER TABLE @extschema@.conversation_logs ENABLE ALWAYS TRIGGER conversation_logs_filter;

-- A row that came in while triggers did not fire is filtered by its first UPDATE (at the latest by the sweep's).
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
    'The sweep: filters conversations that came in while triggers did not fire, then makes the missing samples of '
    'auto-approved conversations: those it has just filtered, and those filtered at least min_age ago. A failing row '
    'does not stop the others. Returns the numbers of conversations filtered, promoted, and failed again (a WARNING '
    'each); NULLs, and nothing done, for a NULL min_age. A deleted sample is made again: reject the conversation '
    'instead. Rows locked by another transaction are left for the next call. Raises 22023 for a min_age that is '
    'negative or above 1000 years, and 55P03 when lock_timeout ends a wait';

CREATE FUNCTION @extschema@.tw_promote_unsampled(ids bigint[]) RETURNS void
    LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'tw_promote_unsampled';
REVOKE ALL ON FUNCTION @extschema@.tw_promote_unsampled(bigint[]) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_promote_unsampled(bigint[]) IS
    'Makes the samples of those of these conversations that are auto-approved and have none; the caller has locked '
    'them. At a hub a verdict may come before the sweep of what arrived';

CREATE FUNCTION @extschema@.tw_sweep_conversations(
    min_age interval, OUT filtered bigint, OUT promoted bigint, OUT failed bigint, OUT locked bigint)
    LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'tw_promote_missed_conversations';
REVOKE ALL ON FUNCTION @extschema@.tw_sweep_conversations(interval) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_sweep_conversations(interval) IS
    'promote_missed_conversations() that also returns the number of conversations locked by other transactions';
