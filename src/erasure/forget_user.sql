-- forget_user(): a person is forgotten. An erasure begins with a list of the rows, works it off in batches and ends
-- with a receipt. The function does so in one transaction, the procedure commits after each batch. What it leaves when
-- it is interrupted, finish_erasures() or the next call for the same person does.

CREATE FUNCTION @extschema@.tw_check_erasure(mode text, reason text, max_rows bigint) RETURNS void
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF mode IS NULL OR mode NOT IN ('erase', 'anonymise') THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('there is no mode "%s"', coalesce(@extschema@.tw_excerpt(mode), 'NULL')),
            HINT = 'The modes are erase, which deletes the rows, and anonymise, which deletes texts, ids of the person '
                   'and entities, so that figures stay as they are.';
    END IF;
    IF reason IS NULL OR @extschema@.tw_is_blank(reason) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = 'an erasure needs a reason',
            HINT = 'Say why, for example the number of the request. The receipt keeps it: put nothing of the person '
                   'into it.';
    END IF;
    IF max_rows IS NULL OR max_rows < 0 THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('max_rows must be 0 or more, not %s', coalesce(max_rows::text, 'NULL')),
            HINT = 'It is the number of rows above which an erasure is refused without force.';
    END IF;
    IF pg_is_in_recovery() THEN
        RAISE EXCEPTION USING
            ERRCODE = 'read_only_sql_transaction',
            MESSAGE = 'nobody can be forgotten on a standby',
            HINT = 'Call it on the primary; the standby follows.';
    END IF;
    -- Rows are locked first, and then read as they are.
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION USING
            ERRCODE = 'feature_not_supported',
            MESSAGE = format('an erasure does not run at isolation level %s', current_setting('transaction_isolation')),
            HINT = 'Call it in a transaction of level READ COMMITTED.';
    END IF;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_check_erasure(text, text, bigint) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_check_erasure(text, text, bigint) IS
    'Raises 22023 for an unknown mode, a blank reason or a max_rows below 0, 25006 on a standby, 0A000 at an isolation '
    'level above READ COMMITTED';

CREATE FUNCTION @extschema@.tw_tell_other_keys(erasure bigint, phone_number text, user_id text) RETURNS void
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    users bigint;
    phones bigint;
BEGIN
    SELECT count(DISTINCT c.user_id) FILTER (WHERE c.user_id <> coalesce(tw_tell_other_keys.user_id, '')),
           count(DISTINCT d.digits) FILTER (
               WHERE d.digits <> coalesce(@extschema@.phone_digits(tw_tell_other_keys.phone_number), ''))
    INTO users, phones
    FROM @extschema@.erasure_rows r
    JOIN @extschema@.conversation_logs c ON c.id = r.row_id
    CROSS JOIN LATERAL (SELECT @extschema@.phone_digits(c.phone_number) AS digits) d
    WHERE r.erasure_id = erasure AND r.relation = 'conversation_logs';
    -- Once they are gone, nothing leads from one key to the other.
    IF users + phones > 0 THEN
        RAISE NOTICE USING
            MESSAGE = format('the rows of this person also name %s user ids and %s phone numbers that were not given',
                             users, phones),
            DETAIL = 'Other rows of these are not part of it, unless the keys that were given find them too.',
            HINT = 'Look at user_id and phone_number of the rows, and pass those of this person as well.';
    END IF;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_tell_other_keys(bigint, text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_tell_other_keys(bigint, text, text) IS
    'A NOTICE if the conversations that an erasure has listed name users or phone numbers that its caller did not give';

CREATE FUNCTION @extschema@.tw_tell_fleet() RETURNS void
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    role CONSTANT text := @extschema@.tw_fleet_role();
BEGIN
    IF role = 'node' OR role = 'hub' AND EXISTS (SELECT FROM @extschema@.fleet_replies) THEN
        RAISE NOTICE USING
            MESSAGE = CASE role WHEN 'hub' THEN 'the nodes of the fleet have conversations of this person, too'
                                ELSE 'the hub of the fleet has conversations of this person, too' END,
            DETAIL = 'An erasure deletes what is in this database.',
            HINT = 'Forget the person on every node first, and then at the hub: what is on its way arrives before.';
    END IF;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_tell_fleet() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_tell_fleet() IS
    'In a fleet, says that an erasure concerns this database alone';

CREATE FUNCTION @extschema@.tw_begin_erasure(
    phone_number text, user_id text, session_id text[], mode text, reason text, delete_exports boolean, max_rows bigint,
    force boolean) RETURNS bigint
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    salt bytea;
    erasure bigint;
    found_rows bigint;
BEGIN
    PERFORM @extschema@.tw_check_person(phone_number, user_id, session_id);
    PERFORM @extschema@.tw_check_erasure(mode, reason, max_rows);
    PERFORM @extschema@.tw_lock('erasure'::text, 0::bigint);
    -- One that was interrupted goes on, with what came since.
    SELECT e.id INTO erasure FROM @extschema@.erasures e
    WHERE e.kind = 'person' AND e.status = 'running' AND e.mode = tw_begin_erasure.mode
      AND e.key_hashes = @extschema@.tw_key_hashes(phone_number, user_id, session_id, e.key_salt)
    ORDER BY e.id LIMIT 1;
    IF erasure IS NULL THEN
        salt := uuid_send(gen_random_uuid());
        INSERT INTO @extschema@.erasures (kind, mode, reason, requested_by, key_salt, key_hashes, delete_exports)
        VALUES ('person', mode, reason, @extschema@.tw_calling_role(), salt,
                @extschema@.tw_key_hashes(phone_number, user_id, session_id, salt), coalesce(delete_exports, false))
        RETURNING id INTO erasure;
    ELSIF delete_exports THEN
        UPDATE @extschema@.erasures e SET delete_exports = true WHERE e.id = erasure;
        UPDATE @extschema@.erasure_exports x SET status = 'pending'
        FROM @extschema@.training_export_jobs j
        WHERE x.erasure_id = erasure AND x.status = 'listed' AND j.id = x.export_id AND j.filter ? 'server'
          AND NOT @extschema@.tw_is_restored_copy();
    END IF;
    INSERT INTO @extschema@.erasure_rows (erasure_id, relation, row_id)
    SELECT erasure, r.relation, r.row_id
    FROM @extschema@.tw_person_rows(phone_number, user_id, session_id) r
    ON CONFLICT DO NOTHING;
    SELECT count(*) INTO found_rows FROM @extschema@.erasure_rows r WHERE r.erasure_id = erasure;
    IF found_rows > max_rows AND force IS NOT TRUE THEN
        RAISE EXCEPTION USING
            ERRCODE = 'program_limit_exceeded',
            MESSAGE = format('the keys match %s rows, more than max_rows, which is %s', found_rows, max_rows),
            DETAIL = 'Nothing was deleted. A key that many people share, such as a default user, matches them all.',
            HINT = 'Look at what it matches with dry_run => true, force => true; pass force => true if it is one '
                   'person, and for so many rows use CALL forget_user_in_batches(...).';
    END IF;
    PERFORM @extschema@.tw_tell_other_keys(erasure, phone_number, user_id);
    PERFORM @extschema@.tw_tell_fleet();
    RETURN erasure;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_begin_erasure(text, text, text[], text, text, boolean, bigint, boolean)
    FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_begin_erasure(text, text, text[], text, text, boolean, bigint, boolean) IS
    'Begins the erasure of a person, or finds the one that was interrupted, and lists its rows; returns its number. '
    'Raises what forget_user() raises';

CREATE FUNCTION @extschema@.tw_erase_batch(erasure bigint) RETURNS boolean
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    e @extschema@.erasures;
    batch record;
BEGIN
    PERFORM @extschema@.tw_lock('erasure'::text, 0::bigint);
    PERFORM @extschema@.tw_bound_waits();
    SELECT * INTO e FROM @extschema@.erasures x WHERE x.id = erasure AND x.kind = 'person' AND x.status = 'running';
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    SELECT r.relation, array_agg(r.row_id ORDER BY r.row_id) AS ids INTO batch
    FROM (SELECT x.relation, x.row_id FROM @extschema@.erasure_rows x WHERE x.erasure_id = erasure
          ORDER BY x.relation, x.row_id LIMIT 1000) r
    GROUP BY r.relation ORDER BY r.relation LIMIT 1;
    IF NOT FOUND THEN
        PERFORM @extschema@.tw_finish_erasure(erasure);
        PERFORM @extschema@.tw_report_progress(NULL::text, NULL::bigint, NULL::bigint, NULL::bigint);
        RETURN false;
    END IF;
    IF batch.relation = 'training_samples' THEN
        PERFORM @extschema@.tw_erase_samples(erasure, batch.ids);
    ELSIF e.mode = 'erase' THEN
        PERFORM @extschema@.tw_erase_conversations(erasure, batch.ids);
    ELSE
        PERFORM @extschema@.tw_anonymise_conversations(erasure, batch.ids);
    END IF;
    PERFORM @extschema@.tw_report_progress('erasure'::text, erasure, p.done, p.done + p.waiting)
    FROM (SELECT coalesce((x.counts ->> 'conversation_logs')::bigint, 0) AS done,
                 (SELECT count(*) FROM @extschema@.erasure_rows r WHERE r.erasure_id = erasure) AS waiting
          FROM @extschema@.erasures x WHERE x.id = erasure) p;
    RETURN true;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_erase_batch(bigint) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_erase_batch(bigint) IS
    'Does the next thousand rows of an erasure, or writes its receipt when none is left; returns whether to go on. '
    'Raises 55P03 when another session holds a row too long';

CREATE FUNCTION @extschema@.tw_erasure_lines(erasure bigint, OUT relation text, OUT found bigint, OUT detail text)
    RETURNS SETOF record
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH e AS (SELECT * FROM @extschema@.erasures x WHERE x.id = erasure),
    lines (place, relation, found, detail) AS (
        SELECT 1, c.key, c.value::bigint,
               CASE WHEN c.key <> 'labelstudio_tasks' THEN NULL
                    WHEN @extschema@.tw_is_restored_copy()
                    THEN 'this is a restored copy: the tasks belong to another database, which deletes them'
                    ELSE 'deleted in Label Studio by the next syncs: see labelstudio_erasures' END
        FROM e, jsonb_each_text(e.counts) c
        UNION ALL
        SELECT 1, 'conversation_logs', 0, 'nothing is stored of such a person'
        FROM e WHERE e.counts = '{}'
        UNION ALL
        SELECT 2, 'erasure_models', m.samples,
               format('version %s learned from them: see retrain_without()', m.version)
        FROM @extschema@.erasure_models m WHERE m.erasure_id = erasure
        UNION ALL
        SELECT 3, 'erasure_exports', 1,
               format(CASE x.status WHEN 'listed' THEN 'export %s may contain them: %s'
                                    ELSE 'export %s may contain them and is deleted: %s' END, x.export_id, x.location)
        FROM @extschema@.erasure_exports x WHERE x.erasure_id = erasure
    )
    SELECT l.relation, l.found, l.detail FROM lines l
    ORDER BY l.place, l.relation = 'conversation_logs' DESC, l.relation COLLATE "C", l.detail COLLATE "C";
END;
REVOKE ALL ON FUNCTION @extschema@.tw_erasure_lines(bigint) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_erasure_lines(bigint) IS
    'What forget_user() returns of an erasure: a row for each table, each version that learned, and each export';

CREATE FUNCTION @extschema@.forget_user(
    phone_number text DEFAULT NULL, user_id text DEFAULT NULL, session_id text[] DEFAULT NULL,
    mode text DEFAULT 'erase', reason text DEFAULT 'request of the person', dry_run boolean DEFAULT false,
    delete_exports boolean DEFAULT false, max_rows bigint DEFAULT 10000, force boolean DEFAULT false,
    OUT receipt bigint, OUT relation text, OUT found bigint, OUT detail text)
    RETURNS SETOF record
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER ROWS 20 SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    erasure bigint;
    lines jsonb;
BEGIN
    IF dry_run IS NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'null_value_not_allowed',
            MESSAGE = 'dry_run is NULL',
            HINT = 'Pass true to see what would be done, false to do it.';
    END IF;
    -- What a dry run says is what would be done: it is done, and undone.
    BEGIN
        erasure := @extschema@.tw_begin_erasure(phone_number, user_id, session_id, mode, reason, delete_exports,
                                                max_rows, force);
        -- Another erasure is waited for longer than a row.
        PERFORM @extschema@.tw_bound_waits();
        IF dry_run THEN
            WHILE EXISTS (SELECT FROM @extschema@.erasure_rows r WHERE r.erasure_id = erasure) LOOP
                PERFORM @extschema@.tw_erase_batch(erasure);
            END LOOP;
            lines := (SELECT jsonb_agg(l) FROM @extschema@.tw_erasure_lines(erasure) l);
            RAISE EXCEPTION USING ERRCODE = 'TW000', MESSAGE = 'a dry run is undone';
        END IF;
        WHILE @extschema@.tw_erase_batch(erasure) LOOP
            NULL;
        END LOOP;
    EXCEPTION WHEN SQLSTATE 'TW000' THEN
        NULL;
    END;
    IF lines IS NULL THEN
        SELECT r.id INTO receipt FROM @extschema@.erasure_receipts r WHERE r.erasure_id = erasure;
        lines := (SELECT jsonb_agg(l) FROM @extschema@.tw_erasure_lines(erasure) l);
    END IF;
    RETURN QUERY SELECT receipt, l ->> 'relation', (l ->> 'found')::bigint, l ->> 'detail'
                 FROM jsonb_array_elements(lines) WITH ORDINALITY AS x (l, n) ORDER BY n;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.forget_user(text, text, text[], text, text, boolean, boolean, bigint, boolean)
    FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.forget_user(text, text, text[], text, text, boolean, boolean, bigint, boolean) IS
    'Forgets the person who has phone_number (its digits are compared), user_id, or one of the sessions session_id, '
    'with all that hangs on their conversations, in one transaction. mode: erase (rows are deleted) or anonymise '
    '(texts, ids and entities are deleted; date, intent, outcome, probability and verdict stay). reason: kept in the '
    'receipt. dry_run: says what would be done, and undoes it. delete_exports: export objects in the object store that '
    'may contain the rows are deleted. More than max_rows rows are refused without force. Returns the number of the '
    'receipt (erasure_receipts; NULL of a dry run), and for each table (relation) how many rows were found, then the '
    'models that learned from them and the exports that may contain them (detail). A NOTICE says how many users and '
    'phone numbers the rows name that were not given. Raises 22004 without any key or '
    'with dry_run NULL, 22023 for a blank key, an unknown mode, a blank reason or a max_rows below 0, 54000 for more '
    'than max_rows rows, 25006 on a standby, 0A000 at an isolation level above READ COMMITTED, 55P03 when another '
    'session holds a row too long';

-- No SET and no SECURITY DEFINER: a procedure with either cannot COMMIT, so every name is qualified.
CREATE PROCEDURE @extschema@.forget_user_in_batches(
    phone_number text DEFAULT NULL, user_id text DEFAULT NULL, session_id text[] DEFAULT NULL,
    mode text DEFAULT 'erase', reason text DEFAULT 'request of the person', delete_exports boolean DEFAULT false,
    max_rows bigint DEFAULT 10000, force boolean DEFAULT false, INOUT receipt bigint DEFAULT NULL)
    LANGUAGE plpgsql
AS $procedure$
DECLARE
    erasure bigint;
    is_done boolean := false;
BEGIN
    -- Inside a transaction it fails here, before anything is looked for.
    COMMIT;
    SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
    erasure := @extschema@.tw_begin_erasure(phone_number, user_id, session_id, mode, reason, delete_exports, max_rows,
                                            force);
    WHILE NOT is_done LOOP
        COMMIT;
        SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
        is_done := NOT @extschema@.tw_erase_batch(erasure);
    END LOOP;
    COMMIT;
    receipt := @extschema@.tw_receipt_number(erasure);
END
$procedure$;
REVOKE ALL ON PROCEDURE @extschema@.forget_user_in_batches(text, text, text[], text, text, boolean, bigint, boolean,
    bigint) FROM PUBLIC;
COMMENT ON PROCEDURE @extschema@.forget_user_in_batches(text, text, text[], text, text, boolean, bigint, boolean,
    bigint) IS
    'Like forget_user(), with the same phone_number, user_id, session_id, mode, reason, delete_exports, max_rows and '
    'force, but commits after each thousand rows, so that no lock is held long: for persons with many rows. Returns '
    'the number of the receipt as receipt. If it is interrupted, the next call for the same person goes on, and so do '
    'CALL finish_erasures() and the daily job. Raises what forget_user() raises, and 2D000 inside a transaction';

CREATE FUNCTION @extschema@.tw_receipt_number(erasure bigint) RETURNS bigint
    LANGUAGE sql STABLE STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp
RETURN (SELECT r.id FROM @extschema@.erasure_receipts r WHERE r.erasure_id = erasure);
REVOKE ALL ON FUNCTION @extschema@.tw_receipt_number(bigint) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_receipt_number(bigint) IS
    'The number of the receipt of an erasure; NULL = it is not finished';

CREATE FUNCTION @extschema@.tw_unfinished_erasure() RETURNS bigint
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
RETURN (SELECT min(e.id) FROM @extschema@.erasures e WHERE e.kind = 'person' AND e.status = 'running');
REVOKE ALL ON FUNCTION @extschema@.tw_unfinished_erasure() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_unfinished_erasure() IS
    'The oldest erasure of a person that is not finished; NULL = there is none';

CREATE PROCEDURE @extschema@.finish_erasures()
    LANGUAGE plpgsql
AS $procedure$
DECLARE
    erasure bigint;
BEGIN
    LOOP
        COMMIT;
        SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
        erasure := @extschema@.tw_unfinished_erasure();
        EXIT WHEN erasure IS NULL;
        PERFORM @extschema@.tw_erase_batch(erasure);
    END LOOP;
END
$procedure$;
REVOKE ALL ON PROCEDURE @extschema@.finish_erasures() FROM PUBLIC;
COMMENT ON PROCEDURE @extschema@.finish_erasures() IS
    'Finishes erasures of persons that were interrupted, a thousand rows a transaction, and writes their receipts; the '
    'daily job does so too. Raises 2D000 inside a transaction, 55P03 when another session holds a row too long';

CREATE FUNCTION @extschema@.tw_finish_erasures_part() RETURNS jsonb
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    erasure CONSTANT bigint := @extschema@.tw_unfinished_erasure();
BEGIN
    IF erasure IS NULL THEN
        RETURN '{"counted": {"erasures finished": 0}, "result": "succeeded"}';
    END IF;
    RETURN jsonb_build_object('counted', jsonb_build_object('erasures finished',
        (NOT @extschema@.tw_erase_batch(erasure))::integer));
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_finish_erasures_part() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_finish_erasures_part() IS
    'A step of the daily job: the next thousand rows of an erasure that was interrupted';
