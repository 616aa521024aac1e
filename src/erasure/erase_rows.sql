-- What an erasure does to rows. Both ways begin with tw_erase_traces(), which deletes what hangs on the conversations:
-- then the conversations and their events are deleted, or lose what says who spoke and what was said
-- (anonymise_rows.sql). All runs in the caller's transaction, a batch of about a thousand rows at a time.

CREATE FUNCTION @extschema@.tw_begin_batch(erasure bigint) RETURNS void
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    -- Whoever had the lock may have finished it.
    PERFORM @extschema@.tw_lock('erasure'::text, 0::bigint);
    IF NOT EXISTS (SELECT FROM @extschema@.erasures e WHERE e.id = erasure AND e.status = 'running') THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('there is no erasure %s that is running', coalesce(erasure::text, 'NULL')),
            HINT = 'A person is forgotten with forget_user().';
    END IF;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_begin_batch(bigint) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_begin_batch(bigint) IS
    'Begins a batch of an erasure: batches of two erasures take turns, each until the end of its transaction. Raises '
    '55000 for an erasure that is not running, 55P03 when another session holds the lock too long';

CREATE FUNCTION @extschema@.tw_delete_events(ids bigint[]) RETURNS bigint
    LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'tw_delete_events';
REVOKE ALL ON FUNCTION @extschema@.tw_delete_events(bigint[]) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_delete_events(bigint[]) IS
    'Deletes these rows of review_events, which is append-only for everybody else; returns their number. The caller '
    'writes their tombstones';

CREATE FUNCTION @extschema@.tw_add_counts(counts jsonb, more jsonb) RETURNS jsonb
    LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
RETURN coalesce((SELECT jsonb_object_agg(n.name, n.rows ORDER BY n.name COLLATE "C")
                 FROM (SELECT x.key AS name, sum(x.value::bigint) AS rows
                       FROM (SELECT * FROM jsonb_each(counts) UNION ALL SELECT * FROM jsonb_each(more)) x
                       GROUP BY x.key) n
                 WHERE n.rows > 0), '{}');
REVOKE ALL ON FUNCTION @extschema@.tw_add_counts(jsonb, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_add_counts(jsonb, jsonb) IS
    'The sums of two objects of numbers, without those that are 0';

CREATE FUNCTION @extschema@.tw_note_counts(erasure bigint, relation text, ids bigint[], counts jsonb) RETURNS jsonb
    LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    DELETE FROM @extschema@.erasure_rows r
    WHERE r.erasure_id = erasure AND r.relation = tw_note_counts.relation AND r.row_id = ANY (ids)
      -- What is left of a long list is not read for each part of it.
      AND r.row_id BETWEEN (SELECT min(i) FROM unnest(ids) i) AND (SELECT max(i) FROM unnest(ids) i);
    UPDATE @extschema@.erasures e SET counts = @extschema@.tw_add_counts(e.counts, tw_note_counts.counts)
    WHERE e.id = erasure;
    SELECT @extschema@.tw_add_counts(tw_note_counts.counts, '{}'::jsonb);
END;
REVOKE ALL ON FUNCTION @extschema@.tw_note_counts(bigint, text, bigint[], jsonb) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_note_counts(bigint, text, bigint[], jsonb) IS
    'Takes rows off what an erasure has left to do, adds to its counts, and returns those that are not 0';

CREATE FUNCTION @extschema@.tw_quoted_forms(words text) RETURNS SETOF text
    LANGUAGE sql IMMUTABLE ROWS 3 SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT tw_quoted_forms.words
    UNION
    SELECT substr(j.form, 2, length(j.form) - 2) FROM (SELECT to_jsonb(tw_quoted_forms.words)::text AS form) j
    UNION
    -- Many writers of JSON leave nothing but ASCII; beyond 16 bits they write two halves.
    SELECT string_agg(CASE WHEN ascii(x.c) < 128 THEN x.c
                           WHEN ascii(x.c) < 65536 THEN '\u' || lpad(to_hex(ascii(x.c)), 4, '0')
                           ELSE format('\u%s\u%s', to_hex(55296 + (ascii(x.c) - 65536) / 1024),
                                       to_hex(56320 + (ascii(x.c) - 65536) % 1024)) END, '' ORDER BY x.n)
    FROM (SELECT to_jsonb(tw_quoted_forms.words)::text AS form) j,
         string_to_table(substr(j.form, 2, length(j.form) - 2), NULL) WITH ORDINALITY AS x (c, n)
    WHERE octet_length(tw_quoted_forms.words) > length(tw_quoted_forms.words);
END;
REVOKE ALL ON FUNCTION @extschema@.tw_quoted_forms(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_quoted_forms(text) IS
    'A text as messages quote it: as it is, as JSON, and as JSON of ASCII alone';

CREATE FUNCTION @extschema@.tw_without_quotes(message text, parts text[]) RETURNS text
    LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    part text;
BEGIN
    -- The longest first: a shorter one may be its beginning.
    FOR part IN SELECT p FROM unnest(parts) p ORDER BY length(p) DESC LOOP
        IF strpos(message, part) > 0 THEN
            -- What follows sixty characters is the person's, too, and nobody knows how much of it.
            IF length(part) >= 60 THEN
                RETURN '(erased)';
            END IF;
            message := replace(message, part, '(erased)');
        END IF;
    END LOOP;
    RETURN message;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_without_quotes(text, text[]) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_without_quotes(text, text[]) IS
    'A message with (erased) in the place of each of these parts, or instead of it all where a part may go on';

-- Messages of errors may quote what a person wrote. Of short texts, which stand in many messages by chance, nothing is
-- looked for; of long ones the beginning, because messages quote no more.
CREATE FUNCTION @extschema@.tw_erase_quotes(texts text[]) RETURNS jsonb
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    parts CONSTANT text[] := ARRAY(
        SELECT f FROM (SELECT DISTINCT left(t, 60) AS words FROM unnest(texts) t WHERE length(t) >= 6) d,
                      @extschema@.tw_quoted_forms(d.words) f);
    runs bigint;
    trainings bigint;
    exports bigint;
BEGIN
    -- A thousand runs are searched at once, and those of them where something was found, one by one.
    WITH block AS MATERIALIZED (
        SELECT array_agg(r.id) AS ids, string_agg(concat(r.error_message, r.details), ' ') AS messages
        FROM @extschema@.job_runs r
        WHERE r.status = 'failed' OR r.error_message IS NOT NULL
        GROUP BY r.id / 1000
    ), hit AS MATERIALIZED (
        SELECT b.ids, array_agg(p) AS parts
        FROM block b JOIN unnest(parts) p ON strpos(b.messages, p) > 0 GROUP BY b.ids
    )
    UPDATE @extschema@.job_runs r
    SET error_message = @extschema@.tw_without_quotes(r.error_message, h.parts),
        details = CASE WHEN NOT EXISTS (SELECT FROM unnest(h.parts) p WHERE strpos(r.details::text, p) > 0)
                       THEN r.details END
    FROM hit h
    WHERE r.id = ANY (h.ids)
      AND EXISTS (SELECT FROM unnest(h.parts) p WHERE strpos(concat(r.error_message, r.details), p) > 0);
    GET DIAGNOSTICS runs = ROW_COUNT;
    UPDATE @extschema@.training_jobs j
    SET error_message = @extschema@.tw_without_quotes(j.error_message, parts),
        progress = CASE WHEN NOT EXISTS (SELECT FROM unnest(parts) p WHERE strpos(j.progress::text, p) > 0)
                        THEN j.progress END
    WHERE num_nonnulls(j.error_message, j.progress) > 0
      AND EXISTS (SELECT FROM unnest(parts) p WHERE strpos(concat(j.error_message, j.progress), p) > 0);
    GET DIAGNOSTICS trainings = ROW_COUNT;
    UPDATE @extschema@.training_export_jobs j SET error = @extschema@.tw_without_quotes(j.error, parts)
    WHERE j.error IS NOT NULL AND EXISTS (SELECT FROM unnest(parts) p WHERE strpos(j.error, p) > 0);
    GET DIAGNOSTICS exports = ROW_COUNT;
    UPDATE @extschema@.labelstudio_projects l SET last_error = @extschema@.tw_without_quotes(l.last_error, parts)
    WHERE l.last_error IS NOT NULL AND EXISTS (SELECT FROM unnest(parts) p WHERE strpos(l.last_error, p) > 0);
    RETURN jsonb_build_object('job_runs', runs, 'training_jobs', trainings, 'training_export_jobs', exports);
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_erase_quotes(text[]) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_erase_quotes(text[]) IS
    'Takes quotes of these texts (of six characters or more, by the first sixty, as they are or as JSON) out of the '
    'messages of failed jobs; returns the number of rows, for each table';

CREATE FUNCTION @extschema@.tw_without_predictions(handed_in jsonb, ids bigint[]) RETURNS jsonb
    LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
RETURN CASE WHEN jsonb_typeof(handed_in -> 'predictions') = 'array' THEN jsonb_set(
    handed_in, '{predictions}',
    (SELECT coalesce(jsonb_agg(p.value ORDER BY p.ordinality), '[]')
     FROM jsonb_array_elements(handed_in -> 'predictions') WITH ORDINALITY AS p (value, ordinality)
     WHERE (p.value ->> 'sample_id')::bigint <> ALL (ids))) ELSE handed_in END;
REVOKE ALL ON FUNCTION @extschema@.tw_without_predictions(jsonb, bigint[]) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_without_predictions(jsonb, bigint[]) IS
    'training_jobs.handed_in without the predictions of these ids; a conversation of a comparison has its number '
    'negated there';

CREATE FUNCTION @extschema@.tw_erase_of_samples(sample_ids bigint[]) RETURNS jsonb
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    evaluations bigint;
    lines bigint;
    samples bigint;
BEGIN
    DELETE FROM @extschema@.model_evaluations m WHERE m.sample_id = ANY (sample_ids);
    GET DIAGNOSTICS evaluations = ROW_COUNT;
    UPDATE @extschema@.sample_import_lines l SET sample_id = NULL WHERE l.sample_id = ANY (sample_ids);
    GET DIAGNOSTICS lines = ROW_COUNT;
    -- A worker outside is not asked about them any more, and what it answered goes. Their numbers stay in the list of
    -- what it was asked, so that it can hand in what it has: an answer to a deleted sample is left out.
    UPDATE @extschema@.training_jobs j SET handed_in = @extschema@.tw_without_predictions(j.handed_in, sample_ids)
    WHERE j.status = 'handed-in' AND j.test_samples && sample_ids;
    DELETE FROM @extschema@.training_samples s WHERE s.id = ANY (sample_ids);
    GET DIAGNOSTICS samples = ROW_COUNT;
    RETURN jsonb_build_object('model_evaluations', evaluations, 'sample_import_lines', lines,
                              'training_samples', samples);
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_erase_of_samples(bigint[]) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_erase_of_samples(bigint[]) IS
    'Deletes samples with the answers that models gave to them; returns the number of rows, for each table';

CREATE FUNCTION @extschema@.tw_erase_traces(erasure bigint, ids bigint[]) RETURNS jsonb
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    sample_ids CONSTANT bigint[] := ARRAY(SELECT s.id FROM @extschema@.training_samples s
                                          WHERE s.conversation_log_id = ANY (ids) ORDER BY s.id FOR UPDATE);
    counts jsonb := '{}';
    texts text[];
    tasks bigint;
    claims bigint;
    imported bigint;
    event_ids bigint[];
BEGIN
    PERFORM @extschema@.tw_note_learned(erasure, sample_ids);
    PERFORM @extschema@.tw_note_exports(erasure, sample_ids);
    tasks := @extschema@.tw_forget_labelstudio_tasks(erasure, ids, sample_ids);
    IF (SELECT e.kind = 'person' FROM @extschema@.erasures e WHERE e.id = erasure) THEN
        SELECT array_agg(t) INTO texts
        FROM @extschema@.conversation_logs c,
             unnest(ARRAY[c.user_message, c.phone_number, c.user_id, c.session_id, c.idempotency_key]) t
        WHERE c.id = ANY (ids) AND t <> '';
        counts := @extschema@.tw_erase_quotes(texts);
    END IF;
    DELETE FROM @extschema@.review_claims c WHERE c.conversation_log_id = ANY (ids);
    GET DIAGNOSTICS claims = ROW_COUNT;
    -- Key and fingerprint were made of the row that was imported. Imported again, it would be a new conversation.
    DELETE FROM @extschema@.imported_conversations i WHERE i.conversation_log_id = ANY (ids);
    GET DIAGNOSTICS imported = ROW_COUNT;
    UPDATE @extschema@.training_jobs j
    SET handed_in = @extschema@.tw_without_predictions(j.handed_in, ARRAY(SELECT - i FROM unnest(ids) i))
    WHERE j.status = 'handed-in' AND j.pool && ids;
    -- Of the time when the samples had no conversation yet.
    event_ids := ARRAY(SELECT e.id FROM @extschema@.review_events e WHERE e.sample_id = ANY (sample_ids));
    PERFORM @extschema@.tw_delete_events(event_ids);
    PERFORM @extschema@.tw_tombstone('review_events'::text, event_ids, erasure, NULL::text);
    RETURN @extschema@.tw_add_counts(
        @extschema@.tw_add_counts(counts, @extschema@.tw_erase_of_samples(sample_ids)),
        jsonb_build_object('labelstudio_tasks', tasks, 'review_claims', claims, 'imported_conversations', imported,
                           'review_events', cardinality(event_ids)));
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_erase_traces(bigint, bigint[]) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_erase_traces(bigint, bigint[]) IS
    'Of conversations that the caller has locked, deletes samples, tasks, claims and the record of their import, '
    'and messages of failed jobs that quote them, if the erasure is of a person; notes which models learned from the '
    'samples and which exports may have them. Returns the number of rows, for each table';

CREATE FUNCTION @extschema@.tw_erase_conversations(erasure bigint, ids bigint[]) RETURNS jsonb
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    locked bigint[];
    days date[];
    event_ids bigint[];
    counts jsonb;
    conversations bigint;
    opinions bigint;
    disagreements bigint;
    answers bigint;
BEGIN
    PERFORM @extschema@.tw_begin_batch(erasure);
    PERFORM @extschema@.tw_bound_waits();
    -- A verdict or a sweep that holds a row is waited for; the statements after this one see what it did.
    SELECT array_agg(c.id), array_agg(DISTINCT c.created_on) INTO locked, days
    FROM (SELECT x.id, x.created_on FROM @extschema@.conversation_logs x
          WHERE x.id = ANY (ids) ORDER BY x.id FOR UPDATE) c;
    counts := @extschema@.tw_erase_traces(erasure, coalesce(locked, '{}'));
    DELETE FROM @extschema@.blind_reviews b WHERE b.conversation_log_id = ANY (locked);
    DELETE FROM @extschema@.fleet_arrivals f WHERE f.conversation_log_id = ANY (locked);
    DELETE FROM @extschema@.second_opinions o WHERE o.conversation_log_id = ANY (locked);
    GET DIAGNOSTICS opinions = ROW_COUNT;
    DELETE FROM @extschema@.paired_disagreements d WHERE d.conversation_log_id = ANY (locked);
    GET DIAGNOSTICS disagreements = ROW_COUNT;
    DELETE FROM @extschema@.paired_answers a WHERE a.conversation_log_id = ANY (locked);
    GET DIAGNOSTICS answers = ROW_COUNT;
    event_ids := ARRAY(SELECT e.id FROM @extschema@.review_events e WHERE e.conversation_log_id = ANY (locked));
    PERFORM @extschema@.tw_delete_events(event_ids);
    PERFORM @extschema@.tw_tombstone('review_events'::text, event_ids, erasure, NULL::text);
    DELETE FROM @extschema@.conversation_logs c WHERE c.id = ANY (locked);
    GET DIAGNOSTICS conversations = ROW_COUNT;
    PERFORM @extschema@.tw_forget_days(days);
    RETURN @extschema@.tw_note_counts(erasure, 'conversation_logs'::text, ids, @extschema@.tw_add_counts(counts,
        jsonb_build_object('conversation_logs', conversations, 'review_events', cardinality(event_ids),
                           'second_opinions', opinions, 'paired_disagreements', disagreements,
                           'paired_answers', answers)));
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_erase_conversations(bigint, bigint[]) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_erase_conversations(bigint, bigint[]) IS
    'Deletes conversations and all that hangs on them, as part of an erasure; returns the number of rows, for each '
    'table. Ids without a conversation count nothing. Raises 55P03 when another session holds a row too long';

CREATE FUNCTION @extschema@.tw_erase_samples(erasure bigint, ids bigint[]) RETURNS jsonb
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    locked bigint[];
    event_ids bigint[];
    counts jsonb := '{}';
    tasks bigint;
    claims bigint;
BEGIN
    PERFORM @extschema@.tw_begin_batch(erasure);
    PERFORM @extschema@.tw_bound_waits();
    locked := ARRAY(SELECT s.id FROM @extschema@.training_samples s
                    WHERE s.id = ANY (ids) AND s.conversation_log_id IS NULL ORDER BY s.id FOR UPDATE);
    PERFORM @extschema@.tw_note_learned(erasure, locked);
    PERFORM @extschema@.tw_note_exports(erasure, locked);
    tasks := @extschema@.tw_forget_labelstudio_tasks(erasure, '{}'::bigint[], locked);
    IF (SELECT e.kind = 'person' FROM @extschema@.erasures e WHERE e.id = erasure) THEN
        counts := @extschema@.tw_erase_quotes(ARRAY(SELECT s.text FROM @extschema@.training_samples s
                                                    WHERE s.id = ANY (locked)));
    END IF;
    DELETE FROM @extschema@.review_claims c WHERE c.sample_id = ANY (locked);
    GET DIAGNOSTICS claims = ROW_COUNT;
    event_ids := ARRAY(SELECT e.id FROM @extschema@.review_events e WHERE e.sample_id = ANY (locked));
    PERFORM @extschema@.tw_delete_events(event_ids);
    PERFORM @extschema@.tw_tombstone('review_events'::text, event_ids, erasure, NULL::text);
    counts := @extschema@.tw_add_counts(counts, @extschema@.tw_erase_of_samples(locked));
    RETURN @extschema@.tw_note_counts(erasure, 'training_samples'::text, ids, @extschema@.tw_add_counts(counts,
        jsonb_build_object('labelstudio_tasks', tasks, 'review_claims', claims,
                           'review_events', cardinality(event_ids))));
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_erase_samples(bigint, bigint[]) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_erase_samples(bigint, bigint[]) IS
    'Deletes samples without a conversation and all that hangs on them, as part of an erasure; returns the number of '
    'rows, for each table. Other ids count nothing. Raises 55P03 when another session holds a row too long';

CREATE FUNCTION @extschema@.tw_erase_events(erasure bigint, ids bigint[]) RETURNS jsonb
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    events bigint;
BEGIN
    PERFORM @extschema@.tw_begin_batch(erasure);
    PERFORM @extschema@.tw_bound_waits();
    events := @extschema@.tw_delete_events(ids);
    PERFORM @extschema@.tw_tombstone('review_events'::text, ids, erasure, NULL::text);
    RETURN @extschema@.tw_note_counts(erasure, 'review_events'::text, '{}'::bigint[],
                                      jsonb_build_object('review_events', events));
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_erase_events(bigint, bigint[]) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_erase_events(bigint, bigint[]) IS
    'Deletes rows of review_events, as part of an erasure; returns their number as {"review_events": n}';
