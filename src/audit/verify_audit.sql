-- verify_audit(): whether the audited rows and their entries in audit_chain are as they were when they were sealed.
--
-- What it finds: rows and entries that were edited, removed, or put in another order, by whoever got past the triggers.
-- What it cannot find by itself: a superuser who writes the whole chain anew, or cuts off its end with its rows. That
-- takes a head that was kept elsewhere; seal_audit() writes each to the server's log and to job_runs.

CREATE FUNCTION @extschema@.tw_audit_findings(
    OUT finding text, OUT is_problem boolean, OUT detail text)
    RETURNS SETOF record
    LANGUAGE sql IMMUTABLE PARALLEL SAFE ROWS 19 SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT * FROM (VALUES
        ('head', false, 'the newest entry, as NUMBER:SHA-256: keep it outside of this database, and pass it as '
                        'known_head later'),
        ('edited row', true, 'the row is not what it was when it was sealed'),
        ('removed row', true, 'the row was sealed, and is gone without a tombstone'),
        ('erased row', true, 'a tombstone says that the row was erased, and it is there'),
        ('tombstone without an erasure', true, 'the tombstone names an erasure that is not there: nobody can tell why '
                                               'the row was changed or deleted'),
        ('edited entry', true, 'the entry does not have its own hash: it was edited, or has another number'),
        ('missing entry', true, 'the entry before this one was removed'),
        ('replaced entry', true, 'the entry does not carry the hash of the one before it: that one was replaced'),
        ('removed salt', true, 'the salt is gone without a tombstone: nobody can compare the row'),
        ('unknown form', true, 'a newer version of the extension wrote the entry, or nobody did: see pg_extension'),
        ('other head', true, 'the chain does not have the known head: it was written anew, or its end was cut off'),
        ('other head of a run', true, 'the chain does not have the head that a run of seal_audit() recorded'),
        ('anonymised', false, 'changed on purpose, with a tombstone: see receipt, note and session_role of its entry'),
        ('erased', false, 'deleted on purpose, with a tombstone: see receipt, note and session_role of its entry'),
        ('sealed late', false, 'a row with a higher number was sealed before: the transaction committed late, or the '
                               'row was inserted by hand with an old number'),
        ('sealed long after its date', false, 'more than a day: nothing was sealed then (before an update, while jobs '
                                              'stood still), or the row was dated back'),
        ('dated after its sealing', false, 'the clock was set back, or the row was dated by hand'),
        ('not sealed yet', false, 'the next run of seal_audit() seals them; until then a change is not found'),
        ('unused number', false, 'a number without a row that never was sealed: a transaction was rolled back, or the '
                                 'row was deleted before it was sealed')) AS f (finding, is_problem, detail);
END;
REVOKE ALL ON FUNCTION @extschema@.tw_audit_findings() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_audit_findings() IS
    'What verify_audit() can find, in the order of its rows, and whether it is a problem';

CREATE FUNCTION @extschema@.tw_check_links(after bigint, upto bigint,
    OUT finding text, OUT relation text, OUT found_id bigint, OUT since timestamptz)
    RETURNS SETOF record
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH linked AS (
        SELECT c, c.seq, c.kind, c.relation, c.row_id, c.form, c.salt, c.receipt, c.sealed_at, c.previous,
               c.sha256,
               coalesce(lag(c.seq) OVER w, 0) AS seq_before,
               coalesce(lag(c.sha256) OVER w, decode(repeat('00', 32), 'hex')) AS sha256_before
        FROM @extschema@.audit_chain c
        -- With the entry before the first one.
        WHERE c.seq BETWEEN coalesce((SELECT max(b.seq) FROM @extschema@.audit_chain b
                                      WHERE b.seq <= tw_check_links.after), 0) AND tw_check_links.upto
        WINDOW w AS (ORDER BY c.seq)
    ), entries AS (
        SELECT l.*, EXISTS (SELECT FROM @extschema@.audit_chain t
                            WHERE t.relation = l.relation AND t.row_id = l.row_id AND t.kind <> 'row' AND t.seq > l.seq)
                    AS has_later
        FROM linked l WHERE l.seq > tw_check_links.after
    )
    SELECT f.finding, 'audit_chain', e.seq, e.sealed_at
    FROM entries e
    CROSS JOIN LATERAL (VALUES
        ('edited entry', e.sha256 <> sha256(e.previous || @extschema@.tw_entry_hash(e.c))),
        ('missing entry', e.seq <> e.seq_before + 1),
        ('replaced entry', e.seq = e.seq_before + 1 AND e.previous <> e.sha256_before),
        ('removed salt', e.salt IS NULL AND e.kind <> 'erased' AND NOT e.has_later),
        ('tombstone without an erasure', e.receipt IS NOT NULL AND NOT EXISTS (
            SELECT FROM @extschema@.erasures r WHERE r.id = e.receipt)),
        ('unknown form', NOT EXISTS (SELECT FROM @extschema@.tw_audit_forms() k
                                     WHERE k.relation = e.relation AND k.form = e.form))) AS f (finding, is_so)
    WHERE f.is_so
    UNION ALL
    SELECT CASE WHEN e.kind = 'row' THEN 'sealed late' ELSE e.kind END, e.relation, e.row_id, e.sealed_at
    FROM entries e WHERE e.kind <> 'row' OR (e.c).is_late;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_check_links(bigint, bigint) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_check_links(bigint, bigint) IS
    'What the entries of audit_chain after one number, up to another, say by themselves: one row for each finding';

CREATE FUNCTION @extschema@.tw_check_sealed_rows(relation text, after bigint, upto bigint,
    OUT finding text, OUT found_id bigint, OUT since timestamptz)
    RETURNS SETOF record
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    -- The newest entry of a row is in force; a tombstone says what became of the row that the earlier ones saw.
    FOR finding, found_id, since IN EXECUTE format($query$
        SELECT f.finding, c.row_id, c.sealed_at
        FROM @extschema@.audit_chain c
        JOIN @extschema@.tw_audit_forms() k ON k.relation = c.relation AND k.form = c.form
        LEFT JOIN @extschema@.%1$I t ON t.id = c.row_id
        CROSS JOIN LATERAL (VALUES
            (CASE WHEN c.kind = 'erased' THEN CASE WHEN t.id IS NOT NULL THEN 'erased row' END
                  WHEN t.id IS NULL THEN 'removed row'
                  WHEN sha256(c.salt || @extschema@.tw_canonical_row(t, k.columns)) <> c.row_sha256
                  THEN 'edited row' END),
            (CASE WHEN c.kind <> 'row' THEN NULL
                  WHEN t.created_at < c.sealed_at - interval '1 day' THEN 'sealed long after its date'
                  WHEN t.created_at > c.sealed_at THEN 'dated after its sealing' END)) AS f (finding)
        WHERE c.seq > $1 AND c.seq <= $2 AND c.relation = %1$L AND f.finding IS NOT NULL
          AND NOT EXISTS (SELECT FROM @extschema@.audit_chain later
                          WHERE later.relation = %1$L AND later.row_id = c.row_id AND later.kind <> 'row'
                            AND later.seq > c.seq)
        $query$, relation) USING after, upto
    LOOP
        RETURN NEXT;
    END LOOP;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_check_sealed_rows(text, bigint, bigint) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_check_sealed_rows(text, bigint, bigint) IS
    'Compares the rows of one table with their entries after one number of audit_chain, up to another: one row for '
    'each finding';

CREATE FUNCTION @extschema@.tw_check_entries(after bigint, upto bigint,
    OUT finding text, OUT relation text, OUT found bigint, OUT examples bigint[], OUT since timestamptz)
    RETURNS SETOF record
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH findings (finding, relation, found_id, since) AS (
        SELECT l.finding, l.relation, l.found_id, l.since
        FROM @extschema@.tw_check_links(tw_check_entries.after, tw_check_entries.upto) l
        UNION ALL
        SELECT r.finding, k.relation, r.found_id, r.since
        FROM (SELECT DISTINCT f.relation FROM @extschema@.tw_audit_forms() f) k
        CROSS JOIN LATERAL @extschema@.tw_check_sealed_rows(k.relation, tw_check_entries.after, tw_check_entries.upto) r
    )
    SELECT f.finding, f.relation, count(*), (array_agg(f.found_id ORDER BY f.found_id))[:10], min(f.since)
    FROM findings f GROUP BY f.finding, f.relation;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_check_entries(bigint, bigint) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_check_entries(bigint, bigint) IS
    'What is found about the entries of audit_chain after one number, up to another: one row for each kind of finding '
    'and table, with the lowest ids';

CREATE FUNCTION @extschema@.tw_unsealed_rows(relation text, from_id bigint, rows integer,
    OUT present bigint, OUT unsealed bigint, OUT examples bigint[], OUT since timestamptz, OUT lowest bigint,
    OUT highest bigint)
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    EXECUTE format($query$
        SELECT count(*), count(*) FILTER (WHERE x.is_new),
               (array_agg(x.id ORDER BY x.id) FILTER (WHERE x.is_new))[:10],
               min(x.created_at) FILTER (WHERE x.is_new), min(x.id), max(x.id)
        FROM (SELECT t.id, t.created_at,
                     NOT EXISTS (SELECT FROM @extschema@.audit_chain c
                                 WHERE c.relation = %1$L AND c.row_id = t.id) AS is_new
              FROM @extschema@.%1$I t WHERE t.id >= $1 ORDER BY t.id LIMIT $2) x
        $query$, relation) INTO present, unsealed, examples, since, lowest, highest USING from_id, rows;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_unsealed_rows(text, bigint, integer) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_unsealed_rows(text, bigint, integer) IS
    'Of so many rows of an audited table, from from_id on: how many there are, how many of them have no entry in '
    'audit_chain yet, ten of those, the oldest date among them; the lowest and the highest id of all';

CREATE FUNCTION @extschema@.tw_check_unsealed(relation text,
    OUT finding text, OUT how_many bigint, OUT examples bigint[], OUT since timestamptz)
    RETURNS SETOF record
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    portion record;
    next_id bigint := -9223372036854775808;
    present bigint := 0;
    gone bigint;
    lowest bigint;
    highest bigint;
BEGIN
    finding := 'not sealed yet';
    how_many := 0;
    WHILE next_id IS NOT NULL LOOP
        SELECT * INTO portion FROM @extschema@.tw_unsealed_rows(relation, next_id, 10000);
        present := present + portion.present;
        how_many := how_many + portion.unsealed;
        examples := (examples || portion.examples)[:10];
        since := least(since, portion.since);
        lowest := coalesce(lowest, portion.lowest);
        highest := coalesce(portion.highest, highest);
        next_id := nullif(portion.highest, 9223372036854775807) + 1;
    END LOOP;
    IF how_many > 0 THEN
        RETURN NEXT;
    END IF;
    -- Sealed rows that are gone, with a tombstone or without one. Numbers may be further apart than a bigint counts.
    EXECUTE format($query$
        SELECT count(*), least($1, min(c.row_id)), greatest($2, max(c.row_id))
        FROM (SELECT DISTINCT e.row_id FROM @extschema@.audit_chain e WHERE e.relation = %1$L) c
        WHERE NOT EXISTS (SELECT FROM @extschema@.%1$I t WHERE t.id = c.row_id)
        $query$, relation) INTO gone, lowest, highest USING lowest, highest;
    finding := 'unused number';
    examples := NULL;
    since := NULL;
    how_many := CASE WHEN lowest IS NOT NULL
                     THEN least(highest::numeric - lowest + 1 - present - gone, 9223372036854775807) END;
    IF how_many > 0 THEN
        RETURN NEXT;
    END IF;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_check_unsealed(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_check_unsealed(text) IS
    'The rows of an audited table that are not sealed yet, and the numbers between its lowest and its highest that no '
    'row has and none had that was sealed';

CREATE FUNCTION @extschema@.tw_is_in_chain(head text) RETURNS boolean
    LANGUAGE sql STABLE STRICT SET search_path = pg_catalog, pg_temp
RETURN CASE WHEN head ~ '^[1-9][0-9]{0,17}:[0-9a-f]{64}$' THEN EXISTS (
           SELECT FROM @extschema@.audit_chain c
           WHERE c.seq = split_part(head, ':', 1)::bigint AND c.sha256 = decode(split_part(head, ':', 2), 'hex')) END;
REVOKE ALL ON FUNCTION @extschema@.tw_is_in_chain(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_is_in_chain(text) IS
    'Whether the chain has the entry that a head (NUMBER:SHA-256) names; NULL for what is no head';

CREATE FUNCTION @extschema@.tw_check_heads(
    OUT finding text, OUT relation text, OUT found bigint, OUT examples bigint[], OUT since timestamptz)
    RETURNS SETOF record
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT 'other head of a run', 'job_runs', count(*), (array_agg(r.id ORDER BY r.id))[:10], min(r.started_at)
    FROM @extschema@.job_runs r
    WHERE r.job_name = 'seal_audit' AND r.details ? 'head'
      AND @extschema@.tw_is_in_chain(r.details ->> 'head') IS NOT TRUE
    HAVING count(*) > 0;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_check_heads() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_check_heads() IS
    'The runs of seal_audit() whose recorded head is not in the chain; no row if there is none';

CREATE FUNCTION @extschema@.tw_next_page(after bigint, rows integer) RETURNS bigint
    LANGUAGE sql STABLE STRICT SET search_path = pg_catalog, pg_temp
RETURN (SELECT max(p.seq) FROM (SELECT c.seq FROM @extschema@.audit_chain c WHERE c.seq > tw_next_page.after
                                ORDER BY c.seq LIMIT tw_next_page.rows) p);
REVOKE ALL ON FUNCTION @extschema@.tw_next_page(bigint, integer) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_next_page(bigint, integer) IS
    'The number of the last of so many entries of audit_chain after one; NULL = there is none';

CREATE FUNCTION @extschema@.tw_all_audit_findings(
    OUT finding text, OUT relation text, OUT found bigint, OUT examples bigint[], OUT since timestamptz)
    RETURNS SETOF record
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    after bigint := 0;
    upto bigint := @extschema@.tw_next_page(0::bigint, 10000);
BEGIN
    -- Page by page, in bounded memory, all under the snapshot of the calling statement.
    WHILE upto IS NOT NULL LOOP
        RETURN QUERY SELECT p.finding, p.relation, p.found, p.examples, p.since
                     FROM @extschema@.tw_check_entries(after, upto) p;
        after := upto;
        upto := @extschema@.tw_next_page(after, 10000);
    END LOOP;
    RETURN QUERY SELECT u.finding, k.relation, u.how_many, u.examples, u.since
                 FROM (SELECT DISTINCT f.relation FROM @extschema@.tw_audit_forms() f) k
                 CROSS JOIN LATERAL @extschema@.tw_check_unsealed(k.relation) u;
    RETURN QUERY SELECT h.finding, h.relation, h.found, h.examples, h.since FROM @extschema@.tw_check_heads() h;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_all_audit_findings() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_all_audit_findings() IS
    'All findings of verify_audit() but those about the head, several rows a kind: one for each 10,000 entries';

CREATE FUNCTION @extschema@.verify_audit(known_head text DEFAULT NULL,
    OUT finding text, OUT is_problem boolean, OUT relation text, OUT found bigint, OUT examples bigint[],
    OUT since timestamptz, OUT detail text)
    RETURNS SETOF record
    LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 8 SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF known_head IS NOT NULL AND @extschema@.tw_is_in_chain(known_head) IS NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('"%s" is no head of an audit trail', @extschema@.tw_excerpt(known_head)),
            HINT = 'A head is what verify_audit() returned as detail of its row "head", and seal_audit() wrote to the '
                   'server''s log: NUMBER:SHA-256.';
    END IF;
    RETURN QUERY
        WITH findings AS (
            SELECT a.finding, a.relation, a.found, a.examples, a.since FROM @extschema@.tw_all_audit_findings() a
            UNION ALL
            SELECT 'other head', 'audit_chain', 1, ARRAY[split_part(known_head, ':', 1)::bigint], NULL
            WHERE NOT @extschema@.tw_is_in_chain(known_head)
        ), kinds AS (
            SELECT f.finding, f.relation, sum(f.found)::bigint AS found, min(f.since) AS since,
                   (SELECT array_agg(x.id ORDER BY x.id) FROM (
                        SELECT unnest(g.examples) AS id FROM findings g
                        WHERE g.finding = f.finding AND g.relation = f.relation ORDER BY 1 LIMIT 10) x) AS examples
            FROM findings f GROUP BY f.finding, f.relation
            UNION ALL
            SELECT 'head', 'audit_chain', (SELECT count(*) FROM @extschema@.audit_chain), h.sealed_at, NULL
            FROM @extschema@.tw_audit_head() h
        )
        SELECT d.finding, d.is_problem, k.relation, k.found, k.examples, k.since,
               CASE WHEN d.finding <> 'head' THEN d.detail
                    ELSE (SELECT h.seq || ':' || encode(h.sha256, 'hex') FROM @extschema@.tw_audit_head() h
                          WHERE h.seq > 0) END
        FROM kinds k
        JOIN (SELECT t.*, row_number() OVER () AS n FROM @extschema@.tw_audit_findings() t) d ON d.finding = k.finding
        ORDER BY d.n, k.relation COLLATE "C";
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.verify_audit(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.verify_audit(text) IS
    'Compares the rows of review_events, model_deployments and erasure_receipts with the audit trail, and its entries '
    'with each other. The first row, head, has the number and the SHA-256 of the newest entry as detail; then one row '
    'for each kind of finding and table: is_problem (an edited, removed or replaced row or entry; false: a note, such as rows that are '
    'not sealed yet, were sealed late, or were erased), found (how many), examples (ids of ten; of audit_chain: seq), '
    'since (the time of the earliest: when it was sealed; of rows not sealed yet: their date), detail (what it means). '
    'known_head: a head of earlier, kept elsewhere; NULL = none. Without one, a superuser who wrote the whole chain '
    'anew is not found. Raises 22023 for a known_head that is none';
