-- claim_reviews(): the next rows of the queue, each held by one reviewer.

CREATE FUNCTION @extschema@.claim_reviews(
    count integer DEFAULT 10, lease interval DEFAULT '30 minutes', reviewer text DEFAULT NULL,
    OUT conversation_log_id bigint, OUT review_priority smallint, OUT review_reason text, OUT text text,
    OUT language text, OUT intent text, OUT confidence double precision, OUT provider text, OUT module_type text,
    OUT entities jsonb, OUT is_audit boolean, OUT session_id text, OUT created_at timestamptz,
    OUT expires_at timestamptz, OUT suggestions text[], OUT user_correction text, OUT response_text text,
    OUT sample_id bigint)
    RETURNS SETOF record
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
#variable_conflict use_column
DECLARE
    reviewer_name text := @extschema@.tw_reviewer(claim_reviews.reviewer);
    -- At most half of every batch; of samples without a conversation, at most a quarter. Chance decides between
    -- rounding up and down, so that batches of one contain all kinds.
    audits integer := floor(claim_reviews.count / 2.0 + random());
    samples integer := floor(claim_reviews.count / 4.0 + random());
    taken bigint[];
    taken_samples bigint[];
BEGIN
    IF claim_reviews.count IS NULL OR claim_reviews.count NOT BETWEEN 1 AND 1000 THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = 'count must be between 1 and 1000',
            HINT = 'Claim what one person can review before the lease ends.';
    END IF;
    -- Compared before it is added to a time: the sum may overflow.
    IF lease IS NULL OR lease <= '0' OR lease > '1 day' OR extract(year FROM lease) <> 0
       OR clock_timestamp() + lease <= clock_timestamp() THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = 'lease must be above 0 and at most one day',
            HINT = 'For example ''30 minutes''.';
    END IF;

    taken := @extschema@.tw_claim_opinions(reviewer_name, lease,
                                           floor(claim_reviews.count / 10.0 + random())::integer);
    taken := taken || @extschema@.tw_claim_audited(reviewer_name, lease,
                                                   least(audits, claim_reviews.count - cardinality(taken)));
    taken := taken || @extschema@.tw_claim_disagreements(reviewer_name, lease,
                                                         claim_reviews.count - cardinality(taken));
    taken_samples := @extschema@.tw_claim_samples(reviewer_name, lease,
                                                  least(samples, claim_reviews.count - cardinality(taken)));
    taken := taken || @extschema@.tw_claim_urgent(reviewer_name, lease,
        claim_reviews.count - cardinality(taken) - cardinality(taken_samples));
    -- If nothing else waits, samples and audited rows fill the rest of the batch, and then second opinions.
    taken_samples := taken_samples || @extschema@.tw_claim_samples(reviewer_name, lease,
        claim_reviews.count - cardinality(taken) - cardinality(taken_samples));
    taken := taken || @extschema@.tw_claim_audited(reviewer_name, lease,
        claim_reviews.count - cardinality(taken) - cardinality(taken_samples));
    taken := taken || @extschema@.tw_claim_opinions(reviewer_name, lease,
        claim_reviews.count - cardinality(taken) - cardinality(taken_samples));
    RETURN QUERY
        SELECT * FROM @extschema@.tw_claimed_reviews(taken, taken_samples);
END
$function$;

-- Rows that another session is claiming are skipped. A row claimed just before is found by the key. A row sent to Label
-- Studio just before is found by this statement's snapshot, which is newer than the row lock (READ COMMITTED). In a
-- transaction with an older snapshot, both may get the row; the newer verdict stands.
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
    'Writes claims for conversations that the caller has locked; returns the ids claimed, without those that another '
    'reviewer holds or that wait in Label Studio';

-- Ordered by arrival: if ordered by priority or confidence, the reviewed part of an unfinished audit would not be a
-- random sample (simulated: live_accuracy 2.7 points too low at two thirds of the audit). Versions and periods that a
-- rollout waits for may come first, because that treats both versions of the rollout alike.
CREATE FUNCTION @extschema@.tw_claim_audited(reviewer_name text, lease interval, max_reviews integer) RETURNS bigint[]
    LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH next AS (
        SELECT c.id
        FROM @extschema@.conversation_logs c
        LEFT JOIN @extschema@.audited_versions a ON a.model_version = c.nlu_model_version AND c.created_at >= a.since
            AND c.created_at < a.until
        WHERE c.review_priority IS NOT NULL AND c.is_audit
          AND @extschema@.tw_sees_module(c.nlu_module_type, c.nlu_intent)
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
    'Claims at most max_reviews audited rows of the queue that nobody holds: first those that a rollout waits for, '
    'then the others, each in order of arrival; returns their ids';

CREATE FUNCTION @extschema@.tw_claim_disagreements(reviewer_name text, lease interval, max_reviews integer)
    RETURNS bigint[]
    LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    -- At most a few dozen rows; a new model waits for each of them.
    WITH next AS (
        SELECT c.id
        FROM @extschema@.blind_reviews b JOIN @extschema@.conversation_logs c ON c.id = b.conversation_log_id
        WHERE c.review_priority IS NOT NULL AND c.review_reason = 'model disagreement'
          AND @extschema@.tw_sees_module(c.nlu_module_type, c.nlu_intent)
          AND NOT EXISTS (SELECT FROM @extschema@.review_claims k
                          WHERE k.conversation_log_id = c.id AND k.expires_at > clock_timestamp())
          AND NOT EXISTS (SELECT FROM @extschema@.labelstudio_tasks t
                          WHERE t.conversation_log_id = c.id AND @extschema@.tw_task_waits(t.status))
        -- At a hub, ids are in order of arrival within a node alone.
        ORDER BY CASE WHEN @extschema@.tw_fleet_role() = 'hub' THEN c.created_at END, c.id
        LIMIT max_reviews
        FOR UPDATE OF c SKIP LOCKED
    )
    SELECT @extschema@.tw_hold(array_agg(n.id), reviewer_name, lease) FROM next n;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_claim_disagreements(text, interval, integer) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_claim_disagreements(text, interval, integer) IS
    'Claims at most max_reviews conversations about which two models disagree and that nobody holds, in order of '
    'arrival; returns their ids';

CREATE FUNCTION @extschema@.tw_claim_urgent(reviewer_name text, lease interval, max_reviews integer) RETURNS bigint[]
    LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH next AS (
        SELECT c.id
        FROM @extschema@.conversation_logs c
        WHERE c.review_priority IS NOT NULL AND c.is_audit IS NOT TRUE
          AND @extschema@.tw_sees_module(c.nlu_module_type, c.nlu_intent)
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
    'Claims at most max_reviews rows of the queue that nobody holds and that are not audited, in the order of '
    'training_queue; returns their ids';

REVOKE ALL ON FUNCTION @extschema@.claim_reviews(integer, interval, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.claim_reviews(integer, interval, text) IS
    'Returns the next rows of the queue, at most count of them, claimed for the caller (or for the reviewer that an '
    'operator names) until a verdict or the end of the lease. Up to half are audited rows (those that a running '
    'rollout waits for first, then by arrival), then those about which two models disagree, then up to a quarter '
    'samples without a conversation, then the rest in the order of training_queue. A tenth are conversations that '
    'another person has judged (setting second_opinion_rate), shown as they were to that person. A row with a '
    'conversation_log_id is judged by approve_, fix_ and reject_conversation(), one with a sample_id by approve_, '
    'fix_ and reject_sample(). Rows that are claimed or wait in Label Studio are left out. For the reason model '
    'disagreement the answer given is not shown, nor correction and reply: suggestions has both answers in random '
    'order, and fix_conversation() '
    'chooses. Texts are redacted while the setting redact is on, and cut at the setting max_message_bytes. Raises '
    '22023 if count is not between 1 and 1000, lease is not positive and at most a day, or reviewer is blank, 42501 if '
    'a caller who is not an operator names a reviewer';

CREATE FUNCTION @extschema@.release_reviews(
    ids bigint[] DEFAULT NULL, reviewer text DEFAULT NULL, sample_ids bigint[] DEFAULT NULL) RETURNS bigint
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    reviewer_name text := @extschema@.tw_reviewer(release_reviews.reviewer);
    released bigint;
BEGIN
    DELETE FROM @extschema@.review_claims k
    WHERE k.reviewer = reviewer_name
      AND (ids IS NULL AND sample_ids IS NULL OR k.conversation_log_id = ANY (ids) OR k.sample_id = ANY (sample_ids));
    GET DIAGNOSTICS released = ROW_COUNT;
    RETURN released;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.release_reviews(bigint[], text, bigint[]) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.release_reviews(bigint[], text, bigint[]) IS
    'Releases claims before their lease ends: those of the caller (or of the reviewer that an operator names) on the '
    'conversations in ids and the samples in sample_ids, or all of them when both are NULL. Returns how many. Raises '
    '42501 if a caller who is not an operator names a reviewer, 22023 for a blank one';
