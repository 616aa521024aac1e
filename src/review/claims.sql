-- claim_reviews(): the next rows of the queue, each held by one reviewer.

CREATE FUNCTION @extschema@.claim_reviews(
    count integer DEFAULT 10, lease interval DEFAULT '30 minutes', reviewer text DEFAULT NULL,
    OUT conversation_log_id bigint, OUT review_priority smallint, OUT review_reason text, OUT text text,
    OUT language text, OUT intent text, OUT confidence double precision, OUT provider text, OUT module_type text,
    OUT entities jsonb, OUT is_audit boolean, OUT session_id text, OUT created_at timestamptz,
    OUT expires_at timestamptz, OUT suggestions text[])
    RETURNS SETOF record
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
#variable_conflict use_column
DECLARE
    reviewer_name text := @extschema@.tw_reviewer(claim_reviews.reviewer);
    -- Half of every batch at most; an odd one is rounded up or down by chance, so that batches of one see both kinds.
    audits integer := floor(claim_reviews.count / 2.0 + random());
    taken bigint[];
BEGIN
    IF claim_reviews.count IS NULL OR claim_reviews.count NOT BETWEEN 1 AND 1000 THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = 'count must be between 1 and 1000',
            HINT = 'Claim what one person can review before the lease ends.';
    END IF;
    IF lease IS NULL OR clock_timestamp() + lease <= clock_timestamp() OR lease > '1 day' THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = 'lease must be longer than nothing and at most a day',
            HINT = 'For example ''30 minutes''.';
    END IF;

    taken := @extschema@.tw_claim_audited(reviewer_name, lease, audits);
    taken := taken || @extschema@.tw_claim_disagreements(reviewer_name, lease,
                                                         claim_reviews.count - cardinality(taken));
    taken := taken || @extschema@.tw_claim_urgent(reviewer_name, lease, claim_reviews.count - cardinality(taken));
    -- Where nothing else waits, the audit gets the rest of the batch.
    taken := taken || @extschema@.tw_claim_audited(reviewer_name, lease, claim_reviews.count - cardinality(taken));
    RETURN QUERY
        SELECT c.id, c.review_priority, c.review_reason, @extschema@.tw_shown_text(c.user_message, true),
               @extschema@.tw_cut_text(c.message_language, 1000),
               CASE WHEN NOT b.is_blind THEN @extschema@.tw_cut_text(c.nlu_intent, 1000) END, CASE WHEN NOT b.is_blind
                   THEN c.nlu_confidence END,
               CASE WHEN NOT b.is_blind THEN @extschema@.tw_cut_text(c.nlu_provider, 1000) END,
               CASE WHEN NOT b.is_blind
                    THEN @extschema@.tw_cut_text(@extschema@.tw_module_type(c.nlu_module_type, c.nlu_intent), 1000) END,
               @extschema@.tw_shown_entities(c.nlu_entities, true), c.is_audit,
                   @extschema@.tw_cut_text(c.session_id, 1000), c.created_at, k.expires_at,
               CASE WHEN b.is_blind THEN (SELECT r.suggestions FROM @extschema@.blind_reviews r
                                          WHERE r.conversation_log_id = c.id) END
        FROM @extschema@.conversation_logs c JOIN @extschema@.review_claims k ON k.conversation_log_id = c.id
        CROSS JOIN LATERAL (SELECT c.review_reason IS NOT DISTINCT FROM 'model disagreement' AS is_blind) b
        WHERE c.id = ANY (taken)
        ORDER BY c.review_priority, c.nlu_confidence NULLS FIRST, c.created_at, c.id;
END
$function$;

-- Rows that another session is claiming at this moment are skipped; one that it has just claimed is found by the key,
-- and one that has just gone to Label Studio by this statement's own snapshot, which is newer than the row's lock (in
-- READ COMMITTED; in a transaction that looks at an older state both may get it, and the newer verdict stands).
CREATE FUNCTION @extschema@.tw_hold(ids bigint[], reviewer_name text, lease interval) RETURNS bigint[]
    LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH held AS (
        INSERT INTO @extschema@.review_claims AS k (conversation_log_id, reviewer, claimed_at, expires_at)
        SELECT i.id, reviewer_name, now.at, now.at + lease
        FROM unnest(ids) AS i (id), (SELECT clock_timestamp() AS at) now
        WHERE NOT EXISTS (SELECT FROM @extschema@.labelstudio_tasks t
                          WHERE t.conversation_log_id = i.id AND @extschema@.tw_task_waits(t.status))
        ON CONFLICT (conversation_log_id) DO UPDATE
            SET reviewer = excluded.reviewer, claimed_at = excluded.claimed_at, expires_at = excluded.expires_at
            WHERE k.expires_at <= clock_timestamp()
        RETURNING k.conversation_log_id
    )
    SELECT coalesce(array_agg(h.conversation_log_id), '{}') FROM held h;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_hold(bigint[], text, interval) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_hold(bigint[], text, interval) IS
    'Writes claims for conversations that are locked, and returns those that nobody else had claimed meanwhile';

-- In the order in which they came: by priority or confidence, the part of the audit that is done so far would be no
-- random sample (simulated: live_accuracy 2.7 points too low at two thirds of the audit). Which version answered, and
-- when, is another matter: what a rollout waits for comes first, and of both its versions alike.
CREATE FUNCTION @extschema@.tw_claim_audited(reviewer_name text, lease interval, max_reviews integer) RETURNS bigint[]
    LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH next AS (
        SELECT c.id
        FROM @extschema@.conversation_logs c
        LEFT JOIN @extschema@.audited_versions a ON a.model_version = c.nlu_model_version AND c.created_at >= a.since
            AND c.created_at < a.until
        WHERE c.review_priority IS NOT NULL AND c.is_audit
          AND NOT EXISTS (SELECT FROM @extschema@.review_claims k
                          WHERE k.conversation_log_id = c.id AND k.expires_at > clock_timestamp())
          AND NOT EXISTS (SELECT FROM @extschema@.labelstudio_tasks t
                          WHERE t.conversation_log_id = c.id AND @extschema@.tw_task_waits(t.status))
        ORDER BY a.model_version IS NULL, c.created_at, c.id
        LIMIT max_reviews
        FOR UPDATE OF c SKIP LOCKED
    )
    SELECT @extschema@.tw_hold(array_agg(n.id), reviewer_name, lease) FROM next n;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_claim_audited(text, interval, integer) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_claim_audited(text, interval, integer) IS
    'Claims at most so many audited rows of the queue that nobody holds: those that a rollout waits for, then the '
    'others, in the order in which they came';

CREATE FUNCTION @extschema@.tw_claim_disagreements(reviewer_name text, lease interval, max_reviews integer)
    RETURNS bigint[]
    LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    -- A few dozen at most: a new model waits for each of them.
    WITH next AS (
        SELECT c.id
        FROM @extschema@.blind_reviews b JOIN @extschema@.conversation_logs c ON c.id = b.conversation_log_id
        WHERE c.review_priority IS NOT NULL AND c.review_reason = 'model disagreement'
          AND NOT EXISTS (SELECT FROM @extschema@.review_claims k
                          WHERE k.conversation_log_id = c.id AND k.expires_at > clock_timestamp())
          AND NOT EXISTS (SELECT FROM @extschema@.labelstudio_tasks t
                          WHERE t.conversation_log_id = c.id AND @extschema@.tw_task_waits(t.status))
        ORDER BY c.id
        LIMIT max_reviews
        FOR UPDATE OF c SKIP LOCKED
    )
    SELECT @extschema@.tw_hold(array_agg(n.id), reviewer_name, lease) FROM next n;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_claim_disagreements(text, interval, integer) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_claim_disagreements(text, interval, integer) IS
    'Claims at most so many conversations about which two models disagree and that nobody holds, as they came';

CREATE FUNCTION @extschema@.tw_claim_urgent(reviewer_name text, lease interval, max_reviews integer) RETURNS bigint[]
    LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH next AS (
        SELECT c.id
        FROM @extschema@.conversation_logs c
        WHERE c.review_priority IS NOT NULL AND c.is_audit IS NOT TRUE
          AND NOT EXISTS (SELECT FROM @extschema@.review_claims k
                          WHERE k.conversation_log_id = c.id AND k.expires_at > clock_timestamp())
          AND NOT EXISTS (SELECT FROM @extschema@.labelstudio_tasks t
                          WHERE t.conversation_log_id = c.id AND @extschema@.tw_task_waits(t.status))
        ORDER BY c.review_priority, c.nlu_confidence NULLS FIRST, c.created_at, c.id
        LIMIT max_reviews
        FOR UPDATE OF c SKIP LOCKED
    )
    SELECT @extschema@.tw_hold(array_agg(n.id), reviewer_name, lease) FROM next n;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_claim_urgent(text, interval, integer) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_claim_urgent(text, interval, integer) IS
    'Claims at most so many rows of the queue that nobody holds and the audit did not draw, in the order of '
    'training_queue';

REVOKE ALL ON FUNCTION @extschema@.claim_reviews(integer, interval, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.claim_reviews(integer, interval, text) IS
    'The next rows of the queue, at most count of them, held by the caller (or by the reviewer that an operator names) '
    'until a verdict or the end of the lease: audited rows for up to half of them (those that a running rollout waits '
    'for, then the others, as they came), then those about which two models disagree, and the rest as training_queue '
    'orders it. Rows that somebody holds or that wait in Label Studio are left out; where two models disagree (reason '
    'model disagreement) the answer that was given is not shown: suggestions has both, in random order, and '
    'fix_conversation() chooses. Texts are redacted while the setting redact is on, and cut where they are longer than '
    'the setting max_message_bytes. Raises 22023 for a count that is not between 1 and 1000 or a lease that is not '
    'between nothing and a day, 42501 for a reviewer named by others than operators';

CREATE FUNCTION @extschema@.release_reviews(ids bigint[] DEFAULT NULL, reviewer text DEFAULT NULL) RETURNS bigint
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    reviewer_name text := @extschema@.tw_reviewer(release_reviews.reviewer);
    released bigint;
BEGIN
    DELETE FROM @extschema@.review_claims k
    WHERE k.reviewer = reviewer_name AND (ids IS NULL OR k.conversation_log_id = ANY (ids));
    GET DIAGNOSTICS released = ROW_COUNT;
    RETURN released;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.release_reviews(bigint[], text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.release_reviews(bigint[], text) IS
    'Gives claims back before their lease ends: those of the caller (or of the reviewer that an operator names) on '
    'these conversations, or all of them when ids is NULL; returns how many. Raises 42501 for a reviewer named by '
    'others than operators';
