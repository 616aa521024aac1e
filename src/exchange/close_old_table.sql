-- close_old_table(): the last step of moving in. A program that still writes to the old table fails from then on, with
-- a message that says where to write; reads go on.

-- Runs with the rights of the stale writer, who may use nothing of this schema: it calls built-in functions only.
CREATE FUNCTION @extschema@.tw_closed_table() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    -- An UPDATE inside another trigger is mostly the ON DELETE SET NULL of a foreign key: who deletes a user must not
    -- fail here.
    IF TG_OP = 'UPDATE' AND pg_trigger_depth() > 1 THEN
        RETURN NULL;
    END IF;
    RAISE EXCEPTION USING
        ERRCODE = 'object_not_in_prerequisite_state',
        MESSAGE = format('table %I.%I is closed: its conversations are in %s now', TG_TABLE_SCHEMA, TG_TABLE_NAME,
                         '@extschema@.conversation_logs'),
        DETAIL = format('What this %s writes would be neither filtered, nor reviewed, nor learned from.', TG_OP),
        HINT = format('Write to %s, the model of an ORM to %s. A program that ran before the move has to be restarted; '
                      'one that names the schema %I has to name %s. To open the table again, as its owner: '
                      'DROP TRIGGER %I ON %I.%I;', '@extschema@.conversation_logs', '@extschema@.conversation_capture',
                      TG_TABLE_SCHEMA, '@extschema@', TG_NAME, TG_TABLE_SCHEMA, TG_TABLE_NAME);
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_closed_table() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_closed_table() IS
    'Trigger of a table that close_old_table() closed: raises 55000 for INSERT and UPDATE, whoever writes';

CREATE FUNCTION @extschema@.tw_check_old_table(source regclass) RETURNS text
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    c record;
    what text;
    remedy text;
BEGIN
    IF source IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'null_value_not_allowed', MESSAGE = 'the table to close must not be NULL';
    END IF;
    SELECT k.relkind, k.relpersistence, k.relispartition, k.relname, n.nspname INTO c
    FROM pg_class k JOIN pg_namespace n ON n.oid = k.relnamespace WHERE k.oid = source;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'undefined_table',
            MESSAGE = format('there is no table with the OID %s', source::oid);
    END IF;
    IF c.relkind IN ('v', 'm') THEN
        what := 'is a view';
        remedy := format('Close the table that it reads: SELECT @extschema@.close_old_table(''app.messages'', '
                         'imported_through => %L);', format('%I.%I', c.nspname, c.relname));
    ELSIF c.relkind = 'f' THEN
        what := 'is a foreign table: others write to it on its own server';
        remedy := 'Close it there: REVOKE INSERT, UPDATE on it from the roles of the application.';
    ELSIF c.relkind NOT IN ('r', 'p') THEN
        what := 'is not a table';
    ELSIF c.relpersistence = 't' THEN
        what := 'is a temporary table';
        remedy := 'Only this session writes to it, and it goes with the session.';
    ELSIF EXISTS (SELECT FROM pg_depend d
                  JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid
                  WHERE e.extname = 'training_workflow' AND d.classid = 'pg_class'::regclass AND d.objid = source
                    AND d.deptype = 'e') THEN
        what := 'belongs to training_workflow';
        remedy := 'Name the table of your application, with its schema, for example app.messages.';
    ELSIF c.relispartition THEN
        what := 'is a partition';
        remedy := format('Close the table that it is a part of: SELECT @extschema@.close_old_table(%L);',
                         pg_partition_root(source));
    END IF;
    IF what IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'wrong_object_type',
            MESSAGE = format('%s cannot be closed: it %s', source, what),
            HINT = coalesce(remedy, 'Name the table of your application, with its schema, for example app.messages.');
    END IF;
    IF NOT has_table_privilege(source, 'TRIGGER') THEN
        RAISE EXCEPTION USING
            ERRCODE = 'insufficient_privilege',
            MESSAGE = format('permission denied to close %s', source),
            HINT = format('Its owner and superusers may, and roles with this privilege: GRANT TRIGGER ON %I.%I TO %I;',
                          c.nspname, c.relname, current_user);
    END IF;
    RETURN format('%I.%I', c.nspname, c.relname);
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_check_old_table(regclass) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_check_old_table(regclass) IS
    'The name, with schema, of a table that the caller may close. Raises 22004 for NULL, 42P01 for an unknown OID, '
    '42809 for what cannot be closed, 42501 without the privilege TRIGGER';

CREATE FUNCTION @extschema@.tw_add_closing_trigger(source regclass, closed_name text) RETURNS boolean
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    writer record;
BEGIN
    IF EXISTS (SELECT FROM pg_trigger t
               WHERE t.tgrelid = source AND t.tgfoid = '@extschema@.tw_closed_table()'::regprocedure) THEN
        EXECUTE format('ALTER TABLE %s ENABLE TRIGGER training_workflow_closed', source);
        RETURN true;
    END IF;
    EXECUTE format('CREATE TRIGGER training_workflow_closed BEFORE INSERT OR UPDATE ON %s FOR EACH STATEMENT '
                   'EXECUTE FUNCTION @extschema@.tw_closed_table()', source);
    -- DROP EXTENSION then needs no CASCADE, and opens the table.
    IF (SELECT pg_has_role(c.relowner, 'USAGE') FROM pg_class c WHERE c.oid = source) THEN
        EXECUTE format('ALTER TRIGGER training_workflow_closed ON %s DEPENDS ON EXTENSION training_workflow', source);
    END IF;
    RETURN true;
EXCEPTION WHEN duplicate_object THEN
    -- Another session closed the table meanwhile; or a trigger of the owner's own has this name.
    IF NOT EXISTS (SELECT FROM pg_trigger t
                   WHERE t.tgrelid = source AND t.tgfoid = '@extschema@.tw_closed_table()'::regprocedure) THEN
        RAISE;
    END IF;
    RETURN false;
WHEN lock_not_available THEN
    SELECT a.pid, a.usename, date_trunc('second', a.xact_start) AS since INTO writer
    FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid
    WHERE l.relation = source AND l.locktype = 'relation' AND l.granted AND l.mode LIKE '%Exclusive%'
      AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
      AND l.pid <> pg_backend_pid()
    ORDER BY a.xact_start LIMIT 1;
    RAISE EXCEPTION USING
        ERRCODE = 'lock_not_available',
        MESSAGE = format('could not close %s in time: a transaction that writes to it is open', closed_name),
        DETAIL = CASE WHEN writer.pid IS NOT NULL
                      THEN format('Session %s (role "%s"), since %s.', writer.pid, writer.usename, writer.since) END,
        HINT = CASE WHEN writer.pid IS NULL THEN 'Try again; pg_locks and pg_prepared_xacts show what holds it.'
                    ELSE format('Wait for its end, or end it: SELECT pg_terminate_backend(%s);', writer.pid) END;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_add_closing_trigger(regclass, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_add_closing_trigger(regclass, text) IS
    'Makes the trigger that closes a table, or enables it, once no transaction is writing to the table; others wait '
    'with their writes until this transaction ends. Returns false if another session made it meanwhile. Raises 55P03 '
    'where a transaction that writes stays open';

CREATE FUNCTION @extschema@.close_old_table(source regclass, imported_through regclass DEFAULT NULL) RETURNS boolean
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    closed_name CONSTANT text := @extschema@.tw_check_old_table(source);
    read_from CONSTANT regclass := coalesce(imported_through, source);
    read_name CONSTANT text := @extschema@.tw_check_import_source(read_from);
    how record;
    is_closed boolean;
    rest record;
    import_call text;
BEGIN
    PERFORM @extschema@.tw_bound_waits();
    SELECT i.columns, i.time_zone INTO how FROM @extschema@.imported_tables i WHERE i.source = read_name;
    IF EXISTS (SELECT FROM pg_trigger t
               WHERE t.tgrelid = source AND t.tgfoid = '@extschema@.tw_closed_table()'::regprocedure
                 AND t.tgenabled <> 'D') THEN
        is_closed := true;
    ELSIF how.columns IS NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('%s was never imported under this name', read_name),
            DETAIL = 'A table is closed when all of its rows have been imported.',
            HINT = format('Import it first: SELECT * FROM @extschema@.import_conversations(%L); Rows that were '
                          'imported under another name are skipped. If only a view of it can be imported, name that '
                          'view: imported_through => ''app.view''.', read_name);
    ELSE
        is_closed := NOT @extschema@.tw_add_closing_trigger(source, closed_name);
    END IF;
    IF is_closed THEN
        RAISE NOTICE '% is closed already', closed_name;
        RETURN false;
    END IF;
    -- Nobody writes from here on. What this import finds came in since the last one; the error below undoes it.
    rest := @extschema@.import_conversations(read_from, how.columns, 'not-applicable'::text, how.time_zone, false);
    IF rest.imported > 0 THEN
        import_call := format('SELECT * FROM @extschema@.import_conversations(%L%s);', read_name,
            CASE WHEN how.columns <> '{}'
                 THEN format(', %L', @extschema@.tw_cut_text(how.columns::text, 1000)) ELSE '' END
            || CASE WHEN how.time_zone <> 'UTC' THEN format(', time_zone => %L', how.time_zone) ELSE '' END);
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('%s %s of %s not imported yet', rest.imported,
                             CASE rest.imported WHEN 1 THEN 'row' ELSE 'rows' END,
                             closed_name || CASE rest.imported WHEN 1 THEN ' is' ELSE ' are' END),
            DETAIL = 'Nothing was imported now, and the table is not closed.',
            HINT = format('Import again: %s Then close the table. If rows go on coming, do both in one transaction '
                          'that begins with: BEGIN; LOCK TABLE %s IN SHARE ROW EXCLUSIVE MODE;', import_call,
                          closed_name);
    END IF;
    RETURN true;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.close_old_table(regclass, regclass) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.close_old_table(regclass, regclass) IS
    'Closes source, a table that import_conversations() has copied: from then on INSERT and UPDATE of it fail with an '
    'error that says where to write (55000), whoever runs them; SELECT, DELETE and TRUNCATE go on. imported_through is '
    'the view that was imported in its place, if there is one. It waits until no transaction is writing to source, '
    'and checks as an import does that no row is left; the caller must be able to read all of it. To open it again: '
    'DROP TRIGGER training_workflow_closed. Returns whether it closed it; false, with a notice, if it was closed. '
    'Raises 22004 for NULL, 42P01 for an unknown OID, 42809 for views, foreign and temporary tables, partitions and '
    'the extension''s own tables, 42501 without the privilege TRIGGER on source, 55000 if it was never imported or '
    'rows are not imported yet, 55P03 if a transaction that writes to it stays open, and the errors of '
    'import_conversations()';
