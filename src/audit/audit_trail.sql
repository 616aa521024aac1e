-- The audit trail: canonical forms of rows, and entries of audit_chain.

CREATE FUNCTION @extschema@.tw_audit_forms(OUT relation text, OUT form smallint, OUT columns text[])
    RETURNS SETOF record
    LANGUAGE sql IMMUTABLE PARALLEL SAFE ROWS 3 SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    -- A table that gets a column gets a form more; forms that entries were written with stay. A column that is renamed
    -- is renamed here: names are not part of a hash.
    SELECT f.relation, f.form::smallint, f.columns::text[]
    FROM (VALUES
        ('review_events', 1, '{id,conversation_log_id,action,reject_reason,intent,entities,note,from_status,to_status,'
                             'review_priority,review_reason,reviewer,session_role,calling_role,details,created_at,'
                             'sample_id}'),
        ('model_deployments', 1, '{id,model_type,version,previous_version,from_status,to_status,from_percentage,'
                                 'to_percentage,actor,reason,figures,created_at}'),
        ('erasure_receipts', 1, '{id,erasure_id,kind,mode,reason,requested_by,session_role,key_salt,key_hashes,counts,'
                                'models,exports,labelstudio_tasks,started_at,created_at}'))
        AS f (relation, form, columns);
END;
REVOKE ALL ON FUNCTION @extschema@.tw_audit_forms() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_audit_forms() IS
    'The audited tables, and the columns that the hash of a row covers, in their order: a list for each form '
    '(version). The highest form of a table is that of new entries; older entries do not cover columns that were added '
    'later';

CREATE FUNCTION @extschema@.tw_newest_form(relation text) RETURNS smallint
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
RETURN (SELECT max(f.form) FROM @extschema@.tw_audit_forms() f WHERE f.relation = tw_newest_form.relation);
REVOKE ALL ON FUNCTION @extschema@.tw_newest_form(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_newest_form(text) IS
    'The form of new entries for a table; NULL for a table that is not audited';

-- One function for each table, so that a call has exactly the types of its function: PostgreSQL does not take a row for
-- a record exactly. No SET clause here and in tw_entry_hash(), which would take longer than the functions: these run no
-- SQL, and the names in that one were looked up when it was created.
CREATE FUNCTION @extschema@.tw_canonical_row(row_value @extschema@.review_events, columns text[]) RETURNS bytea
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'tw_canonical_row';
REVOKE ALL ON FUNCTION @extschema@.tw_canonical_row(@extschema@.review_events, text[]) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_canonical_row(@extschema@.review_events, text[]) IS
    'The values of these columns, in this order, as bytes that depend on no setting, no version of the server and no '
    'other column: n for NULL, else the number of bytes, a colon and the value. Times are microseconds since '
    '2000-01-01 UTC. Raises 42703 for a column that the row does not have, 0A000 for a type without a form';

CREATE FUNCTION @extschema@.tw_canonical_row(row_value @extschema@.model_deployments, columns text[]) RETURNS bytea
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'tw_canonical_row';
REVOKE ALL ON FUNCTION @extschema@.tw_canonical_row(@extschema@.model_deployments, text[]) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_canonical_row(@extschema@.model_deployments, text[]) IS
    'The values of these columns, in this order, as bytes that depend on no setting, no version of the server and no '
    'other column: n for NULL, else the number of bytes, a colon and the value. Times are microseconds since '
    '2000-01-01 UTC. Raises 42703 for a column that the row does not have, 0A000 for a type without a form';

CREATE FUNCTION @extschema@.tw_canonical_row(row_value @extschema@.erasure_receipts, columns text[]) RETURNS bytea
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'tw_canonical_row';
REVOKE ALL ON FUNCTION @extschema@.tw_canonical_row(@extschema@.erasure_receipts, text[]) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_canonical_row(@extschema@.erasure_receipts, text[]) IS
    'The values of these columns, in this order, as bytes that depend on no setting, no version of the server and no '
    'other column: n for NULL, else the number of bytes, a colon and the value. Times are microseconds since '
    '2000-01-01 UTC. Raises 42703 for a column that the row does not have, 0A000 for a type without a form';

CREATE FUNCTION @extschema@.tw_canonical_row(row_value @extschema@.audit_chain, columns text[]) RETURNS bytea
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'tw_canonical_row';
REVOKE ALL ON FUNCTION @extschema@.tw_canonical_row(@extschema@.audit_chain, text[]) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_canonical_row(@extschema@.audit_chain, text[]) IS
    'The values of these columns, in this order, as bytes that depend on no setting, no version of the server and no '
    'other column: n for NULL, else the number of bytes, a colon and the value. Times are microseconds since '
    '2000-01-01 UTC. Raises 42703 for a column that the row does not have, 0A000 for a type without a form';

CREATE FUNCTION @extschema@.tw_entry_hash(entry @extschema@.audit_chain) RETURNS bytea
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN sha256(@extschema@.tw_canonical_row(entry,
    '{seq,kind,relation,row_id,form,row_sha256,is_late,receipt,note,session_role,sealed_at}'::text[]));
REVOKE ALL ON FUNCTION @extschema@.tw_entry_hash(@extschema@.audit_chain) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_entry_hash(@extschema@.audit_chain) IS
    'SHA-256 of what an entry says; with the hash of the entry before it, its sha256';

CREATE FUNCTION @extschema@.tw_audit_head(OUT seq bigint, OUT sha256 bytea, OUT sealed_at timestamptz)
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT coalesce(max(h.seq), 0), coalesce((array_agg(h.sha256))[1], decode(repeat('00', 32), 'hex')),
           max(h.sealed_at)
    FROM (SELECT c.seq, c.sha256, c.sealed_at FROM @extschema@.audit_chain c ORDER BY c.seq DESC LIMIT 1) h;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_audit_head() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_audit_head() IS
    'Number, hash and time of the newest entry; 0, 32 zero bytes and NULL without one';

CREATE FUNCTION @extschema@.tw_append_entries(entries @extschema@.audit_chain[]) RETURNS bigint
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    head record;
    own bytea;
    newest bytea;
    chain bytea[] := '{}';
    appended bigint;
BEGIN
    -- The lock comes before the statement that reads the newest entry. If it ever failed, the primary key would refuse
    -- a second entry of the same number.
    PERFORM @extschema@.tw_lock('audit trail'::text, 0::bigint);
    SELECT * INTO head FROM @extschema@.tw_audit_head();
    newest := head.sha256;
    FOR own IN
        SELECT @extschema@.tw_entry_hash(ROW(head.seq + e.n, e.kind, e.relation, e.row_id, e.form, e.row_sha256, NULL,
            e.is_late, e.receipt, e.note, e.session_role, e.sealed_at, NULL, NULL)::@extschema@.audit_chain)
        FROM unnest(entries) WITH ORDINALITY AS e (seq, kind, relation, row_id, form, row_sha256, salt, is_late,
            receipt, note, session_role, sealed_at, previous, sha256, n)
        ORDER BY e.n
    LOOP
        newest := sha256(newest || own);
        chain := chain || newest;
    END LOOP;
    INSERT INTO @extschema@.audit_chain (seq, kind, relation, row_id, form, row_sha256, salt, is_late, receipt, note,
                                         session_role, sealed_at, previous, sha256)
    SELECT head.seq + e.n, e.kind, e.relation, e.row_id, e.form, e.row_sha256, e.salt, e.is_late, e.receipt, e.note,
           e.session_role, e.sealed_at, CASE WHEN e.n = 1 THEN head.sha256 ELSE lag(c.sha256) OVER (ORDER BY e.n) END,
           c.sha256
    FROM unnest(entries) WITH ORDINALITY AS e (seq, kind, relation, row_id, form, row_sha256, salt, is_late, receipt,
        note, session_role, sealed_at, previous, sha256, n)
    JOIN unnest(chain) WITH ORDINALITY AS c (sha256, n) USING (n)
    ORDER BY e.n;
    GET DIAGNOSTICS appended = ROW_COUNT;
    RETURN appended;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_append_entries(@extschema@.audit_chain[]) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_append_entries(@extschema@.audit_chain[]) IS
    'Appends entries, in their order, to the chain: gives them their numbers and hashes; returns how many. The lock of '
    'the audit trail is held until the end of the transaction. Raises 55P03 when another session holds it too long';

CREATE FUNCTION @extschema@.tw_seal_portion(relation text, from_id bigint, rows integer, OUT sealed bigint,
                                            OUT next_id bigint)
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    newest_form CONSTANT smallint := @extschema@.tw_newest_form(relation);
    covered CONSTANT text[] := (SELECT f.columns FROM @extschema@.tw_audit_forms() f
                                WHERE f.relation = tw_seal_portion.relation AND f.form = newest_form);
    highest bigint;
    upto bigint;
    entries @extschema@.audit_chain[];
BEGIN
    PERFORM @extschema@.tw_lock('audit trail'::text, 0::bigint);
    sealed := 0;
    EXECUTE format('SELECT max(x.id) FROM (SELECT t.id FROM @extschema@.%I t WHERE t.id >= $1 ORDER BY t.id LIMIT $2) '
                   'x', relation) INTO upto USING from_id, rows;
    IF upto IS NULL THEN
        RETURN;
    END IF;
    -- Of those that the sequence gave: after a row that somebody inserted with a huge id, not all others are late.
    SELECT max(c.row_id) INTO highest FROM @extschema@.audit_chain c
    WHERE c.relation = tw_seal_portion.relation
      AND c.row_id <= pg_sequence_last_value(pg_get_serial_sequence(
          format('%s.%I', '@extschema@', tw_seal_portion.relation), 'id')::regclass);
    EXECUTE format($query$
        WITH fresh AS MATERIALIZED (
            SELECT t.id, uuid_send(gen_random_uuid()) AS salt, @extschema@.tw_canonical_row(t, $3) AS content
            FROM @extschema@.%1$I t
            WHERE t.id BETWEEN $1 AND $2
              AND NOT EXISTS (SELECT FROM @extschema@.audit_chain c WHERE c.relation = %1$L AND c.row_id = t.id)
        )
        SELECT array_agg(ROW(NULL, 'row', %1$L, f.id, $4, sha256(f.salt || f.content), f.salt,
                             coalesce(f.id < $5, false), NULL, NULL, NULL, clock_timestamp(), NULL,
                             NULL)::@extschema@.audit_chain ORDER BY f.id)
        FROM fresh f
        $query$, relation)
    INTO entries USING from_id, upto, covered, newest_form, highest;
    IF entries IS NOT NULL THEN
        sealed := @extschema@.tw_append_entries(entries);
    END IF;
    next_id := nullif(upto, 9223372036854775807) + 1;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_seal_portion(text, bigint, integer) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_seal_portion(text, bigint, integer) IS
    'Seals those of so many rows of a table, from from_id on, that have no entry yet. Returns how many, and the id '
    'from which to continue; NULL = there is no row from from_id on';

CREATE FUNCTION @extschema@.tw_remove_salts(relation text, ids bigint[]) RETURNS bigint
    LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'tw_remove_salts';
REVOKE ALL ON FUNCTION @extschema@.tw_remove_salts(text, bigint[]) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_remove_salts(text, bigint[]) IS
    'Removes the salts of all entries of these rows, so that nobody can guess from the hashes what the rows held; '
    'returns the number of entries. tw_tombstone() calls it';

CREATE FUNCTION @extschema@.tw_tombstone(relation text, ids bigint[], receipt bigint, note text) RETURNS bigint
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    newest_form CONSTANT smallint := @extschema@.tw_newest_form(relation);
    covered CONSTANT text[] := (SELECT f.columns FROM @extschema@.tw_audit_forms() f
                                WHERE f.relation = tw_tombstone.relation AND f.form = newest_form);
    entries @extschema@.audit_chain[];
BEGIN
    IF newest_form IS NULL OR ids IS NULL OR num_nonnulls(receipt, nullif(btrim(note), '')) = 0 THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = CASE WHEN newest_form IS NULL THEN format('table "%s" is not audited',
                                                               coalesce(@extschema@.tw_excerpt(relation), 'NULL'))
                           WHEN ids IS NULL THEN 'the ids of the rows are NULL'
                           ELSE 'a tombstone needs a receipt or a note' END,
            HINT = format('Audited are: %s. A tombstone has the receipt of an erasure, or a note that says why.',
                          (SELECT string_agg(DISTINCT f.relation, ', ') FROM @extschema@.tw_audit_forms() f));
    END IF;
    PERFORM @extschema@.tw_lock('audit trail'::text, 0::bigint);
    EXECUTE format($query$
        WITH asked AS MATERIALIZED (
            SELECT i.id, uuid_send(gen_random_uuid()) AS salt FROM (SELECT DISTINCT unnest($1) AS id) i
            WHERE i.id IS NOT NULL
        ), now AS MATERIALIZED (
            SELECT a.id, t.id IS NOT NULL AS is_there, a.salt,
                   @extschema@.tw_canonical_row(t, $2) AS content
            FROM asked a LEFT JOIN @extschema@.%1$I t ON t.id = a.id
            -- Of a row that is gone and never was sealed, or has its tombstone, there is nothing to tell.
            WHERE t.id IS NOT NULL OR (SELECT c.kind FROM @extschema@.audit_chain c
                                       WHERE c.relation = %1$L AND c.row_id = a.id ORDER BY c.seq DESC LIMIT 1)
                                      <> 'erased'
        )
        SELECT array_agg(ROW(NULL, CASE WHEN n.is_there THEN 'anonymised' ELSE 'erased' END, %1$L, n.id, $3,
                             CASE WHEN n.is_there THEN sha256(n.salt || n.content) END,
                             CASE WHEN n.is_there THEN n.salt END, false, $4, $5, session_user, clock_timestamp(), NULL,
                             NULL)::@extschema@.audit_chain ORDER BY n.id)
        FROM now n
        $query$, relation)
    INTO entries USING ids, covered, newest_form, receipt, note;
    IF entries IS NULL THEN
        RETURN 0;
    END IF;
    PERFORM @extschema@.tw_remove_salts(relation, ids);
    RETURN @extschema@.tw_append_entries(entries);
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_tombstone(text, bigint[], bigint, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_tombstone(text, bigint[], bigint, text) IS
    'Records in the audit trail that rows of an audited table were changed or deleted on purpose; called after that, '
    'in the same transaction, which must be READ COMMITTED. For each of ids, an entry of kind anonymised with the hash '
    'of the row as it is now, or erased if there is none; earlier entries of the row keep their hashes and lose their '
    'salts. receipt: the receipt of the erasure; note: why, where there is none. Returns the number of entries: ids '
    'without row and entry have none. Raises 22023 for a table that is not audited, for NULL ids and without receipt '
    'and note, 55P03 when another session holds the lock of the audit trail too long';
