-- The part of check_integrity() about the use of the extension: programs that write past it, to an old table or with
-- rights that an application should not have. Each query is bounded: by an index, by the last seven days, or by the
-- last pages of a table.

CREATE FUNCTION @extschema@.tw_last_pages(relation regclass, max_pages bigint,
                                          OUT part regclass, OUT first_page bigint)
    RETURNS SETOF record
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    -- The newest partitions first.
    SELECT p.id, greatest(p.pages - greatest(max_pages - p.pages_after, 0), 0)
    FROM (SELECT s.id, s.pages, coalesce(sum(s.pages) OVER (ORDER BY s.id DESC
                                         ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0)::bigint AS pages_after
          FROM (SELECT c.oid AS id, pg_relation_size(c.oid) / current_setting('block_size')::bigint AS pages
                FROM pg_class c
                WHERE c.relkind = 'r'
                  AND (c.oid = relation OR c.oid IN (SELECT t.relid FROM pg_partition_tree(relation) t))) s) p
    WHERE p.pages > 0 AND p.pages_after < max_pages;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_last_pages(regclass, bigint) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_last_pages(regclass, bigint) IS
    'The tables that hold the last pages of a table or of its newest partitions, and the first of these pages in each';

-- Runs with the owner's rights, so it reads types of PostgreSQL only: the output function of another type may be any
-- role's code. And it shows nothing that the caller may not read.
CREATE FUNCTION @extschema@.tw_unimported_rows(relation regclass, key name, last_number bigint,
                                               OUT new_rows bigint, OUT example text, OUT obstacle text)
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET row_security = off
    -- The text of an id is that of import_conversations().
    SET datestyle = 'ISO, MDY' SET extra_float_digits = 1 SET intervalstyle = 'postgres' SET bytea_output = 'hex'
    SET timezone = 'UTC'
AS $function$
DECLARE
    caller CONSTANT oid := @extschema@.tw_calling_role_id();
    c record;
    p record;
    rows_of_part bigint;
    example_of_part text;
BEGIN
    PERFORM @extschema@.tw_bound_waits();
    SELECT k.relrowsecurity AND NOT (r.rolsuper OR r.rolbypassrls) AS restricted, a.attnum, a.atttypid,
           a.atttypid IN ('smallint'::regtype, 'integer'::regtype, 'bigint'::regtype) AS numbered INTO c
    FROM pg_class k
    JOIN pg_roles r ON r.oid = caller
    LEFT JOIN pg_attribute a ON a.attrelid = k.oid AND a.attname = key AND a.attnum > 0 AND NOT a.attisdropped
    WHERE k.oid = relation;
    IF c.attnum IS NULL THEN
        obstacle := format('it has no column %I any more: import it again', key);
    ELSIF NOT has_column_privilege(caller, relation, c.attnum, 'SELECT') OR c.restricted THEN
        obstacle := format('role %I may not read all of it: ask an operator who may', pg_get_userbyid(caller));
    ELSIF EXISTS (WITH RECURSIVE children (id) AS (
                      SELECT h.inhrelid FROM pg_inherits h WHERE h.inhparent = relation
                      UNION ALL
                      SELECT h.inhrelid FROM children o JOIN pg_inherits h ON h.inhparent = o.id)
                  SELECT FROM children o JOIN pg_class k ON k.oid = o.id WHERE k.relkind = 'f') THEN
        obstacle := 'a part of it is a foreign table';
    ELSIF c.atttypid::bigint >= 16384 OR (SELECT t.typtype FROM pg_type t WHERE t.oid = c.atttypid) <> 'b' THEN
        obstacle := format('its ids are of type %s: import it again now and then, and see what it finds',
                           format_type(c.atttypid, NULL));
    END IF;
    IF obstacle IS NOT NULL THEN
        RETURN;
    END IF;
    new_rows := 0;
    IF c.numbered THEN
        EXECUTE format('SELECT count(*), min(n.id)::text FROM (SELECT s.%1$I AS id FROM %2$s s '
                       'WHERE $1 IS NULL OR s.%1$I > $1 ORDER BY s.%1$I LIMIT 10000) n', key, relation)
            INTO new_rows, example USING last_number;
        RETURN;
    END IF;
    FOR p IN SELECT t.part, t.first_page FROM @extschema@.tw_last_pages(relation, 10000::bigint) t LOOP
        EXECUTE format('SELECT count(*), min(s.%1$I::text) FROM ONLY %2$s s '
                       'WHERE s.ctid >= $1::tid AND s.%1$I IS NOT NULL AND NOT EXISTS '
                       '(SELECT FROM @extschema@.imported_conversations i WHERE i.source_key = s.%1$I::text)', key,
                       p.part)
            INTO rows_of_part, example_of_part USING format('(%s,0)', p.first_page);
        new_rows := new_rows + rows_of_part;
        example := least(example, example_of_part);
    END LOOP;
EXCEPTION WHEN insufficient_privilege THEN
    obstacle := format('the owner of the extension may not read it: GRANT SELECT ON %s TO %I;', relation, current_user);
WHEN lock_not_available THEN
    obstacle := 'another session has it locked: try again later';
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_unimported_rows(regclass, name, bigint) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_unimported_rows(regclass, name, bigint) IS
    'How many rows of a table came in since its import, and the id of one: with integer ids those beyond the last '
    'imported one, at most 10000; with other ids those of the last 10000 pages (80 MB) whose id was never imported. '
    'obstacle says why it could not be found out';

CREATE FUNCTION @extschema@.tw_old_table_problems(
    OUT problem text, OUT relation text, OUT found bigint, OUT example text, OUT hint text)
    RETURNS SETOF record
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    old record;
    since record;
BEGIN
    FOR old IN
        -- A name that is gone needs no watching: who still writes to it gets PostgreSQL's error.
        SELECT i.source, i.id_column::name AS id_column, i.last_number, c.oid::regclass AS id,
               EXISTS (SELECT FROM pg_trigger t
                       WHERE t.tgrelid = c.oid AND t.tgfoid = '@extschema@.tw_closed_table()'::regprocedure
                         AND t.tgenabled <> 'D') AS is_closed
        FROM @extschema@.imported_tables i
        JOIN pg_class c ON c.oid = to_regclass(i.source) AND c.relkind IN ('r', 'p') AND c.relpersistence <> 't'
        ORDER BY i.source
    LOOP
        since := @extschema@.tw_unimported_rows(old.id, old.id_column, old.last_number);
        IF since.obstacle IS NOT NULL THEN
            RETURN QUERY SELECT 'old table that cannot be checked', old.source, 1::bigint, old.source,
                format('Whether programs still write to it is unknown: %s.', rtrim(since.obstacle, '.'));
        ELSIF since.new_rows > 0 THEN
            RETURN QUERY SELECT 'old table that still gets rows', old.source, since.new_rows,
                @extschema@.tw_excerpt(since.example),
                CASE WHEN old.is_closed
                     THEN 'It is closed, and they got past that: by way of a partition, by replication, or with '
                          'triggers disabled. Find the program, and import again.'
                     ELSE format('They came in since its import, and nothing learns from them: let the application '
                                 'write to %s, import again, then SELECT close_old_table(%L); makes a program that '
                                 'still writes there fail.', '@extschema@.conversation_logs', old.source) END;
        END IF;
    END LOOP;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_old_table_problems() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_old_table_problems() IS
    'The part of check_integrity() that looks into imported tables: one row for each that got rows since, or that '
    'cannot be checked';

CREATE FUNCTION @extschema@.tw_capture_problems(
    OUT problem text, OUT relation text, OUT found bigint, OUT example text, OUT hint text)
    RETURNS SETOF record
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    logs CONSTANT regclass := '@extschema@.conversation_logs'::regclass;
    owner CONSTANT oid := (SELECT c.relowner FROM pg_class c WHERE c.oid = logs);
    zone CONSTANT text := coalesce(
        @extschema@.tw_named_zone(@extschema@.training_setting('time_zone'::text)), 'UTC');
    today CONSTANT date := (now() AT TIME ZONE zone)::date;
    advice CONSTANT text := 'An application with these rights can change and delete every conversation, and set '
                            'review_status itself. Give it a role of its own: '
                            'SELECT grant_training_role(''chatbot'', ''capture'');';
BEGIN
    -- What is seen on three days of a week is an application, and nobody who tries something or moves data once.
    RETURN QUERY
    SELECT 'conversation that came with a verdict', logs::text, count(*), min(c.id)::text,
           'On several of the last seven days such came in, and the filter did not see them: no sample, no audit, no '
           'estimate. An application leaves review_status out, and history comes by import_conversations(). If an '
           'operator inserted them on purpose there is nothing to do.'
    FROM @extschema@.conversation_logs c
    WHERE c.created_on BETWEEN today - 6 AND today
      AND c.filtered_at IS NULL AND c.review_status <> 'not-applicable'
      AND NOT EXISTS (SELECT FROM @extschema@.imported_conversations i WHERE i.conversation_log_id = c.id)
    HAVING count(DISTINCT c.created_on) >= 3;

    -- Capture refuses nothing, and its samples go to training and export as they are.
    RETURN QUERY
    SELECT 'entities that are not where their positions say', logs::text, count(*), min(c.id)::text,
           'Of conversations of the last seven days; explain_conversation() shows the entity (misplaced_entity). Have '
           'the client count from 0, the end excluded, in code points, UTF-16 code units or bytes of the message as it '
           'is captured.'
    FROM @extschema@.conversation_logs c
    WHERE c.created_on BETWEEN today - 6 AND today AND c.nlu_entities IS NOT NULL
      AND @extschema@.tw_misplaced_entity(c.nlu_entities, c.user_message) IS NOT NULL
    HAVING count(*) > 0;

    -- Nothing records who captured. Where nobody else may, it was the owner or a superuser.
    RETURN QUERY
    SELECT 'capture with the owner''s rights', logs::text, count(*), pg_get_userbyid(owner)::text,
           'On so many of the last seven days conversations came in, and only the owner and superusers may insert '
           'any. ' || advice
    FROM generate_series(0, 6) d
    -- At a hub they came from nodes.
    WHERE @extschema@.tw_fleet_role() <> 'hub'
      AND EXISTS (SELECT FROM @extschema@.conversation_logs c
                  WHERE c.created_on = today - d AND (c.filtered_at AT TIME ZONE zone)::date = today - d)
      AND NOT EXISTS (
          SELECT FROM @extschema@.tw_role_privileges() p
          JOIN pg_class t ON t.oid = p.object_id
          LEFT JOIN pg_attribute a ON a.attrelid = t.oid AND a.attname = p.column_name
          CROSS JOIN aclexplode(coalesce(t.relacl, '{}') || coalesce(a.attacl, '{}')) x
          LEFT JOIN pg_roles r ON r.oid = x.grantee
          WHERE p.kind = 'capture' AND p.object_kind = 'TABLE' AND p.privilege = 'INSERT'
            AND x.privilege_type = 'INSERT' AND x.grantee <> owner AND NOT coalesce(r.rolsuper, false))
    HAVING count(*) >= 3;

    -- An application that records feedback leaves its role there.
    RETURN QUERY
    SELECT 'feedback with the owner''s rights', '@extschema@.review_events'::regclass::text, count(*), r.rolname::text,
           'On several of the last seven days this role recorded feedback of users, as the application does. ' || advice
    FROM @extschema@.review_events e
    JOIN pg_roles r ON r.rolname = e.calling_role
    WHERE e.action = 'feedback' AND e.created_at >= now() - interval '7 days'
      AND (r.rolsuper OR pg_has_role(r.oid, owner, 'USAGE'))
    GROUP BY r.rolname
    HAVING count(DISTINCT (e.created_at AT TIME ZONE zone)::date) >= 3
    ORDER BY r.rolname;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_capture_problems() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_capture_problems() IS
    'The part of check_integrity() about who captures what in the last seven days: conversations that came with a '
    'verdict other than not-applicable and not from an import; entities that are not where their positions say; and an '
    'application that has the owner''s rights, as far as privileges and the recorded feedback show it';
