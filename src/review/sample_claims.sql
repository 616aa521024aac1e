-- claim_reviews(): samples without a conversation, and what a reviewer sees of a claimed row.

-- As tw_hold(). The caller has locked the samples.
CREATE FUNCTION @extschema@.tw_hold_samples(ids bigint[], reviewer_name text, lease interval) RETURNS bigint[]
    LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH held AS (
        INSERT INTO @extschema@.review_claims AS k (sample_id, reviewer, claimed_at, expires_at)
        SELECT i.id, reviewer_name, now.at, now.at + lease
        FROM unnest(ids) AS i (id), (SELECT clock_timestamp() AS at) now
        WHERE NOT EXISTS (SELECT FROM @extschema@.labelstudio_tasks t
                          WHERE t.sample_id = i.id AND @extschema@.tw_task_waits(t.status))
        ON CONFLICT (sample_id) DO UPDATE
            SET reviewer = excluded.reviewer, claimed_at = excluded.claimed_at, expires_at = excluded.expires_at
            WHERE k.expires_at <= clock_timestamp()
        RETURNING k.sample_id
    )
    SELECT coalesce(array_agg(h.sample_id), '{}') FROM held h;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_hold_samples(bigint[], text, interval) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_hold_samples(bigint[], text, interval) IS
    'Writes claims for samples that the caller has locked; returns the ids claimed, without those that another '
    'reviewer holds or that wait in Label Studio';

CREATE FUNCTION @extschema@.tw_claim_samples(reviewer_name text, lease interval, max_reviews integer) RETURNS bigint[]
    LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH next AS (
        SELECT s.id
        FROM @extschema@.training_samples s
        WHERE s.review_priority IS NOT NULL AND @extschema@.tw_sees_module(s.module_type, s.intent)
          AND NOT EXISTS (SELECT FROM @extschema@.review_claims k
                          WHERE k.sample_id = s.id AND k.expires_at > clock_timestamp())
          AND NOT EXISTS (SELECT FROM @extschema@.labelstudio_tasks t
                          WHERE t.sample_id = s.id AND @extschema@.tw_task_waits(t.status))
        ORDER BY s.review_priority, s.quality_score NULLS FIRST, s.created_at, s.conversation_log_id, s.id
        LIMIT max_reviews
        FOR UPDATE OF s SKIP LOCKED
    )
    SELECT @extschema@.tw_hold_samples(array_agg(n.id), reviewer_name, lease) FROM next n;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_claim_samples(text, interval, integer) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_claim_samples(text, interval, integer) IS
    'Claims at most max_reviews samples without a conversation that wait and that nobody holds, in the order of '
    'training_queue; returns their ids';

CREATE FUNCTION @extschema@.tw_claimed_reviews(
    conversations bigint[], samples bigint[],
    OUT conversation_log_id bigint, OUT review_priority smallint, OUT review_reason text, OUT text text,
    OUT language text, OUT intent text, OUT confidence double precision, OUT provider text, OUT module_type text,
    OUT entities jsonb, OUT is_audit boolean, OUT session_id text, OUT created_at timestamptz,
    OUT expires_at timestamptz, OUT suggestions text[], OUT user_correction text, OUT response_text text,
    OUT sample_id bigint)
    RETURNS SETOF record
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT c.id, q.review_priority, q.review_reason, @extschema@.tw_shown_text(c.user_message, true),
           @extschema@.tw_cut_text(c.message_language, 1000),
           CASE WHEN NOT b.is_blind THEN @extschema@.tw_cut_text(c.nlu_intent, 1000) END,
           CASE WHEN NOT b.is_blind THEN c.nlu_confidence END,
           CASE WHEN NOT b.is_blind THEN @extschema@.tw_cut_text(c.nlu_provider, 1000) END,
           CASE WHEN NOT b.is_blind
                THEN @extschema@.tw_cut_text(@extschema@.tw_module_type(c.nlu_module_type, c.nlu_intent), 1000) END,
           @extschema@.tw_shown_entities(c.nlu_entities, true), c.is_audit,
           @extschema@.tw_cut_text(c.session_id, 1000), c.created_at, k.expires_at,
           CASE WHEN b.is_blind THEN (SELECT r.suggestions FROM @extschema@.blind_reviews r
                                      WHERE r.conversation_log_id = c.id) END,
           @extschema@.tw_shown_beside(c.user_correction, q.review_reason),
           @extschema@.tw_shown_beside(c.response_text, q.review_reason), NULL
    FROM @extschema@.conversation_logs c JOIN @extschema@.review_claims k ON k.conversation_log_id = c.id
    CROSS JOIN LATERAL @extschema@.tw_shown_place(c) q
    CROSS JOIN LATERAL (SELECT q.review_reason IS NOT DISTINCT FROM 'model disagreement' AS is_blind) b
    WHERE c.id = ANY (conversations)
    UNION ALL
    SELECT NULL, s.review_priority, s.review_reason, @extschema@.tw_shown_text(s.text, true),
           @extschema@.tw_cut_text(s.language, 1000), @extschema@.tw_cut_text(s.intent, 1000), s.quality_score, NULL,
           @extschema@.tw_cut_text(s.module_type, 1000), @extschema@.tw_shown_entities(s.entities, true), NULL, NULL,
           s.created_at, k.expires_at, NULL, NULL, NULL, s.id
    FROM @extschema@.training_samples s JOIN @extschema@.review_claims k ON k.sample_id = s.id
    WHERE s.id = ANY (samples)
    ORDER BY 2, 7 NULLS FIRST, 13, 1, 18;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_claimed_reviews(bigint[], bigint[]) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_claimed_reviews(bigint[], bigint[]) IS
    'What claim_reviews() returns of claimed conversations and samples, in the order of training_queue';
