-- Locks that no SQL function of PostgreSQL can take; locks.h lists them. Only functions of the extension, with the
-- owner's rights, call these functions; operators as well tw_bound_waits(), which concerns the caller's waits alone.

CREATE FUNCTION @extschema@.tw_take_lock(kind text, object bigint) RETURNS void
    LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'tw_take_lock';
REVOKE ALL ON FUNCTION @extschema@.tw_take_lock(text, bigint) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_take_lock(text, bigint) IS
    'Takes a lock of the installation until the end of the transaction; waits no longer than lock_timeout and the '
    'limit of the kind. In pg_locks: advisory, classid the OID of conversation_logs, objid the lower half of object, '
    'objsubid the class of the kind. Raises 55P03 when the wait times out';

CREATE FUNCTION @extschema@.tw_try_lock(kind text, object bigint) RETURNS boolean
    LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'tw_try_lock';
REVOKE ALL ON FUNCTION @extschema@.tw_try_lock(text, bigint) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_try_lock(text, bigint) IS
    'Takes a lock of the installation until the end of the transaction without waiting; returns false if another '
    'session holds it';

-- No SET clause here: with one, the limit would end with this function.
CREATE FUNCTION @extschema@.tw_bound_waits() RETURNS void
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'tw_bound_waits';
REVOKE ALL ON FUNCTION @extschema@.tw_bound_waits() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_bound_waits() IS
    'Limits each lock wait to five seconds until the calling function returns. A shorter lock_timeout of the caller '
    'stays in force, which a function''s SET lock_timeout would override. The calling function needs a SET clause, '
    'for example of search_path';

CREATE FUNCTION @extschema@.tw_lock_class(kind text) RETURNS integer
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'tw_lock_class';
REVOKE ALL ON FUNCTION @extschema@.tw_lock_class(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_lock_class(text) IS 'The class (pg_locks.objsubid) of a kind of lock';

CREATE FUNCTION @extschema@.tw_lock(kind text, object bigint) RETURNS void
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    holder record;
BEGIN
    PERFORM @extschema@.tw_take_lock(kind, object);
EXCEPTION WHEN lock_not_available THEN
    -- A prepared transaction has no session, and survives a restart of the server.
    SELECT l.pid, coalesce(a.usename, x.owner) AS role,
           date_trunc('second', coalesce(a.xact_start, x.prepared)) AS since, x.gid INTO holder
    FROM pg_locks l
    LEFT JOIN pg_stat_activity a ON a.pid = l.pid
    LEFT JOIN pg_prepared_xacts x ON l.pid IS NULL AND l.virtualtransaction = '-1/' || x.transaction::text
    WHERE l.locktype = 'advisory' AND l.granted AND l.pid IS DISTINCT FROM pg_backend_pid()
      AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
      AND l.classid = '@extschema@.conversation_logs'::regclass::oid AND l.objid = (object & 4294967295)::oid
      AND l.objsubid = @extschema@.tw_lock_class(kind)
    LIMIT 1;
    RAISE EXCEPTION USING
        ERRCODE = 'lock_not_available',
        MESSAGE = CASE WHEN holder.gid IS NOT NULL
                       THEN format('prepared transaction "%s" (role "%s") holds the lock of the %s since %s',
                                   holder.gid, holder.role, kind, holder.since)
                       WHEN holder.pid IS NULL THEN format('could not obtain the lock of the %s in time', kind)
                       ELSE format('session %s (role "%s") holds the lock of the %s, in a transaction since %s',
                                   holder.pid, holder.role, kind, holder.since) END,
        HINT = CASE WHEN holder.gid IS NOT NULL
                    THEN format('End it: COMMIT PREPARED %L; or ROLLBACK PREPARED %L;', holder.gid, holder.gid)
                    WHEN holder.pid IS NULL THEN 'Try again.'
                    ELSE format('Wait for its end, or end it: SELECT pg_terminate_backend(%s);', holder.pid) END;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_lock(text, bigint) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_lock(text, bigint) IS
    'tw_take_lock() whose error on a timeout (55P03) names the session or prepared transaction that holds the lock';
