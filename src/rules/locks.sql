-- Locks that nobody can take from SQL: locks.h has the register. Only functions of ours, with the owner's rights,
-- reach these.

CREATE FUNCTION @extschema@.tw_take_lock(kind text, object bigint) RETURNS void
    LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'tw_take_lock';
REVOKE ALL ON FUNCTION @extschema@.tw_take_lock(text, bigint) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_take_lock(text, bigint) IS
    'Waits for a lock of the installation, no longer than lock_timeout and than the kind allows. In pg_locks: '
    'advisory, classid the OID of '
    'conversation_logs, objid the lower half of object, objsubid the class of the kind';

CREATE FUNCTION @extschema@.tw_try_lock(kind text, object bigint) RETURNS boolean
    LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'tw_try_lock';
REVOKE ALL ON FUNCTION @extschema@.tw_try_lock(text, bigint) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_try_lock(text, bigint) IS
    'Takes a lock of the installation until the end of the transaction where nobody else has it; returns whether it '
    'did';

-- With a SET of its own it would bound nothing but itself.
CREATE FUNCTION @extschema@.tw_bound_waits() RETURNS void
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'tw_bound_waits';
REVOKE ALL ON FUNCTION @extschema@.tw_bound_waits() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_bound_waits() IS
    'Until the function that calls it returns, no lock is waited for longer than five seconds; a shorter lock_timeout '
    'of the caller''s stands, '
    'which SET lock_timeout of a function would override. The calling function needs a SET, for example of search_path';

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
    -- A prepared transaction has no session, and outlives the server.
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
                       WHEN holder.pid IS NULL THEN format('the lock of the %s was not to be had in time', kind)
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
    'tw_take_lock() whose error, 55P03 where it waited in vain, says which session or prepared transaction '
    'has the lock';
