-- Conversations that become anonymous. What says who spoke and what was said goes. What figures are made of stays:
-- date, intent, confidence, model version, module, latency, filter outcome, probability, verdict.

CREATE FUNCTION @extschema@.tw_session_pseudonym(session_id text, secret bytea) RETURNS text
    LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
RETURN 'anonymous-' || encode(substr(sha256(secret || convert_to(session_id, 'UTF8')), 1, 12), 'hex');
REVOKE ALL ON FUNCTION @extschema@.tw_session_pseudonym(text, bytea) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_session_pseudonym(text, bytea) IS
    'The name that a session has after it was made anonymous: equal for equal sessions, as figures count sessions, and '
    'nothing can be told from it once the secret of the erasure is gone';

CREATE FUNCTION @extschema@.tw_blank_conversations(ids bigint[], secret bytea) RETURNS bigint
    LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'tw_blank_conversations';
REVOKE ALL ON FUNCTION @extschema@.tw_blank_conversations(bigint[], bytea) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_blank_conversations(bigint[], bytea) IS
    'Removes texts, ids of persons and entities from these rows of conversation_logs, also from a column that is '
    'written once, and takes them out of the queue; returns the number of rows that were not anonymous before';

CREATE FUNCTION @extschema@.tw_blank_events(ids bigint[]) RETURNS bigint
    LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'tw_blank_events';
REVOKE ALL ON FUNCTION @extschema@.tw_blank_events(bigint[]) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_blank_events(bigint[]) IS
    'Removes note, entities and details from these rows of review_events, which is append-only for everybody else; '
    'returns their number. The caller writes their tombstones';

CREATE FUNCTION @extschema@.tw_anonymise_conversations(erasure bigint, ids bigint[]) RETURNS jsonb
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    locked bigint[];
    days date[];
    event_ids bigint[];
    counts jsonb;
    conversations bigint;
    opinions bigint;
BEGIN
    PERFORM @extschema@.tw_begin_batch(erasure);
    PERFORM @extschema@.tw_bound_waits();
    SELECT array_agg(c.id), array_agg(DISTINCT c.created_on) INTO locked, days
    FROM (SELECT x.id, x.created_on FROM @extschema@.conversation_logs x
          WHERE x.id = ANY (ids) AND x.anonymised_at IS NULL ORDER BY x.id FOR UPDATE) c;
    counts := @extschema@.tw_erase_traces(erasure, coalesce(locked, '{}'));
    -- Where people chose between two answers, figures need what they chose from.
    DELETE FROM @extschema@.blind_reviews b
    WHERE b.conversation_log_id = ANY (locked)
      AND NOT EXISTS (SELECT FROM @extschema@.review_events e
                      WHERE e.conversation_log_id = b.conversation_log_id AND @extschema@.tw_is_persons_word(e.action));
    UPDATE @extschema@.second_opinions o SET status = 'withdrawn', settled_at = clock_timestamp()
    WHERE o.conversation_log_id = ANY (locked) AND o.settled_at IS NULL;
    GET DIAGNOSTICS opinions = ROW_COUNT;
    event_ids := ARRAY(SELECT e.id FROM @extschema@.review_events e
                       WHERE e.conversation_log_id = ANY (locked)
                         AND num_nonnulls(e.note, e.entities, e.details) > 0);
    PERFORM @extschema@.tw_blank_events(event_ids);
    PERFORM @extschema@.tw_tombstone('review_events'::text, event_ids, erasure, NULL::text);
    conversations := @extschema@.tw_blank_conversations(locked, (SELECT e.session_secret FROM @extschema@.erasures e
                                                                 WHERE e.id = erasure));
    PERFORM @extschema@.tw_forget_days(days);
    RETURN @extschema@.tw_note_counts(erasure, 'conversation_logs'::text, ids, @extschema@.tw_add_counts(counts,
        jsonb_build_object('conversation_logs', coalesce(conversations, 0), 'review_events', cardinality(event_ids),
                           'second_opinions', opinions)));
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_anonymise_conversations(bigint, bigint[]) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_anonymise_conversations(bigint, bigint[]) IS
    'Makes conversations anonymous, as part of an erasure, and deletes samples, tasks and claims of them; returns the '
    'number of rows, for each table. Ids without a conversation, and conversations that are anonymous already, count '
    'nothing. Raises 55P03 when another session holds a row too long';
