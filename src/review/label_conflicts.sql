-- One text, one live intent: where live samples disagree, a reviewer decides.

CREATE INDEX training_samples_text_hash_idx ON @extschema@.training_samples (text_hash)
    WHERE review_status = 'approved';

CREATE VIEW @extschema@.label_conflicts WITH (security_barrier) AS
    WITH disputed AS (
        SELECT s.text_hash
        FROM (SELECT l.text_hash, l.intent FROM @extschema@.training_samples l
              WHERE l.review_status = 'approved' AND l.text_hash IS NOT NULL
              UNION ALL
              -- Imported labels that wait for a person's decision.
              SELECT w.text_hash, w.intent FROM @extschema@.training_samples w
              WHERE w.review_priority IS NOT NULL AND w.review_status = 'pending' AND w.text_hash IS NOT NULL) s
        GROUP BY s.text_hash
        HAVING min(s.intent COLLATE "C") <> max(s.intent COLLATE "C")
    ), sides AS (
        -- Grouped by the text as well, because two texts can have the same hash.
        SELECT s.text_hash, @extschema@.normalize_text(s.text) AS normalized_text, s.intent, count(*) AS samples,
               count(*) FILTER (WHERE s.label_source = 'human') AS human,
               count(*) FILTER (WHERE s.review_status = 'pending') AS waiting, min(s.text) AS example,
               (array_agg(s.conversation_log_id
                          ORDER BY s.id) FILTER (WHERE s.conversation_log_id IS NOT NULL))[1:10] AS conversations,
               (array_agg(s.id ORDER BY s.id) FILTER (WHERE s.conversation_log_id IS NULL))[1:10] AS sample_ids
        FROM (SELECT * FROM @extschema@.training_samples l
              WHERE l.review_status = 'approved' AND l.text_hash IN (SELECT d.text_hash FROM disputed d)
              UNION ALL
              SELECT * FROM @extschema@.training_samples w
              WHERE w.review_priority IS NOT NULL AND w.review_status = 'pending'
                AND w.text_hash IN (SELECT d.text_hash FROM disputed d)) s
        GROUP BY s.text_hash, @extschema@.normalize_text(s.text), s.intent
    )
    SELECT v.normalized_text, min(v.example) AS example, v.text_hash,
           count(*) AS intents, sum(v.samples)::bigint AS samples, sum(v.human)::bigint AS human_labels,
           count(*) FILTER (WHERE v.human > 0) = 1 AS settled,
           CASE WHEN count(*) FILTER (WHERE v.human > 0) = 1
                THEN max(v.intent) FILTER (WHERE v.human > 0) END AS settled_intent,
           jsonb_agg(jsonb_build_object('intent', @extschema@.tw_cut_text(v.intent, 1000), 'samples', v.samples,
                                        'human', v.human, 'waiting', v.waiting,
                                        'conversations', to_jsonb(v.conversations),
                                        'sample_ids', to_jsonb(v.sample_ids))
                                        ORDER BY v.human DESC, v.samples DESC, v.intent) AS sides
    FROM sides v
    GROUP BY v.text_hash, v.normalized_text
    HAVING count(*) > 1
    ORDER BY settled, samples DESC, v.normalized_text;
REVOKE ALL ON TABLE @extschema@.label_conflicts FROM PUBLIC;
COMMENT ON VIEW @extschema@.label_conflicts IS
    'Texts whose samples, live ones and imported ones that wait for review, carry different intents, unsettled ones '
    'first; their unreviewed samples are not trained on';
COMMENT ON COLUMN @extschema@.label_conflicts.normalized_text IS 'The text, normalised';
COMMENT ON COLUMN @extschema@.label_conflicts.example IS 'The text as one sample has it';
COMMENT ON COLUMN @extschema@.label_conflicts.text_hash IS 'Hash of the normalised text';
COMMENT ON COLUMN @extschema@.label_conflicts.intents IS 'Number of different intents';
COMMENT ON COLUMN @extschema@.label_conflicts.samples IS
    'Number of samples, live or waiting for review';
COMMENT ON COLUMN @extschema@.label_conflicts.human_labels IS 'How many of them a person labelled';
COMMENT ON COLUMN @extschema@.label_conflicts.settled IS
    'Whether all labels given by people name one intent, and there is at least one';
COMMENT ON COLUMN @extschema@.label_conflicts.settled_intent IS 'The intent that people gave; NULL if not settled';
COMMENT ON COLUMN @extschema@.label_conflicts.sides IS
    'For each intent: number of samples, number labelled by people, number waiting for review, and the ids of the '
    'first ten conversations and of the first ten samples without one';

-- Samples without a conversation: a label that agrees with what people decided becomes live, and whoever waits for no
-- decision leaves the queue.
CREATE FUNCTION @extschema@.tw_settle_waiting_samples(OUT released bigint, OUT locked bigint)
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    wanted bigint[];
    held bigint[];
BEGIN
    wanted := ARRAY(
        SELECT s.id FROM @extschema@.training_samples s
        WHERE s.review_priority IS NOT NULL AND s.review_reason = 'label conflict'
          AND NOT EXISTS (SELECT FROM @extschema@.label_conflicts k
                          WHERE k.text_hash = s.text_hash AND NOT k.settled
                            AND k.normalized_text = @extschema@.normalize_text(s.text))
          -- What was the only label of its text still waits for a person.
          AND (s.review_status = 'approved' OR EXISTS (
              SELECT FROM @extschema@.training_samples l
              WHERE l.text_hash = s.text_hash AND l.review_status = 'approved'
                AND @extschema@.normalize_text(l.text) = @extschema@.normalize_text(s.text))));
    held := ARRAY(SELECT s.id FROM @extschema@.training_samples s WHERE s.id IN (SELECT unnest(wanted)) ORDER BY s.id
        FOR UPDATE OF s SKIP LOCKED);
    locked := cardinality(wanted) - cardinality(held);
    INSERT INTO @extschema@.review_events (sample_id, action, from_status, to_status, review_priority, review_reason,
                                           reviewer, calling_role)
    SELECT s.id, 'import', s.review_status, 'approved', s.review_priority, s.review_reason,
           @extschema@.tw_calling_role(), @extschema@.tw_calling_role()
    FROM @extschema@.training_samples s
    WHERE s.id IN (SELECT unnest(held)) AND s.review_status = 'pending' AND s.label_source = 'human'
    ORDER BY s.id;
    UPDATE @extschema@.training_samples s
    SET review_priority = NULL, review_reason = NULL,
        review_status = CASE WHEN s.review_status = 'pending' AND s.label_source = 'human' THEN 'approved'
                             ELSE s.review_status END,
        reviewed_at = CASE WHEN s.review_status = 'pending' AND s.label_source = 'human' THEN now()
                           ELSE s.reviewed_at END
    WHERE s.id IN (SELECT unnest(held)) AND s.review_reason = 'label conflict';
    GET DIAGNOSTICS released = ROW_COUNT;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_settle_waiting_samples() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_settle_waiting_samples() IS
    'Removes samples without a conversation from the queue whose label conflict is settled; one that waited and agrees '
    'with the people''s label becomes live. Returns how many, and how many were locked';

CREATE FUNCTION @extschema@.queue_label_conflicts(OUT queued bigint, OUT released bigint, OUT locked bigint)
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    disputed bigint[];
    few bigint[];
    wanted bigint[];
    held bigint[];
    settled record;
BEGIN
    -- One verdict settles a text, so three conversations of each intent are enough: one wrong label may contradict a
    -- hundred thousand samples.
    SELECT coalesce(array_agg(x.conversation_log_id), '{}'),
           coalesce(array_agg(x.conversation_log_id) FILTER (WHERE x.n <= 3 AND x.label_source = 'model'), '{}')
    INTO disputed, few
    FROM (SELECT s.conversation_log_id, s.label_source,
                 row_number() OVER (PARTITION BY k.text_hash, k.normalized_text, s.intent, s.label_source
                                    ORDER BY s.id) AS n
          FROM @extschema@.label_conflicts k
          JOIN @extschema@.training_samples s ON s.text_hash = k.text_hash
              AND @extschema@.normalize_text(s.text) = k.normalized_text
          -- People's labels are disputed where an import queued them.
          WHERE NOT k.settled AND s.review_status = 'approved' AND s.conversation_log_id IS NOT NULL) x;

    -- The rows of both steps are locked at once, ids ascending: two passes could deadlock with a verdict on one row of
    -- each. Locked rows wait for the next call, so that an application that forgot to end its transaction blocks
    -- nobody.
    wanted := ARRAY(SELECT unnest(few)
                    UNION
                    SELECT q.id FROM @extschema@.conversation_logs q
                    WHERE q.review_priority IS NOT NULL AND q.review_reason = 'label conflict');
    held := ARRAY(SELECT c.id FROM @extschema@.conversation_logs c WHERE c.id IN (SELECT unnest(wanted)) ORDER BY c.id
        FOR UPDATE OF c SKIP LOCKED);
    locked := cardinality(wanted) - cardinality(held);

    -- Rows already queued keep their priority and reason. Rows with a verdict since then are no longer disputed.
    WITH next AS (
        SELECT c.id, c.review_status
        FROM @extschema@.conversation_logs c
        WHERE c.id IN (SELECT unnest(few) INTERSECT SELECT unnest(held)) AND c.review_priority IS NULL
            AND c.review_status = 'auto-approved'
    ), event AS (
        INSERT INTO @extschema@.review_events (conversation_log_id, action, from_status, to_status, reviewer,
                                               calling_role)
        SELECT n.id, 'conflict', n.review_status, n.review_status, @extschema@.tw_calling_role(),
               @extschema@.tw_calling_role() FROM next n
    )
    UPDATE @extschema@.conversation_logs c SET review_priority = 2, review_reason = 'label conflict'
    FROM next n WHERE c.id = n.id;
    GET DIAGNOSTICS queued = ROW_COUNT;

    -- The conflict is settled: the other rows leave the queue, except those drawn for the audit.
    UPDATE @extschema@.conversation_logs c
    SET review_priority = CASE WHEN c.is_audit AND c.review_status = 'auto-approved' THEN 2 END,
        review_reason = CASE WHEN c.is_audit AND c.review_status = 'auto-approved' THEN 'audit' END
    WHERE c.id IN (SELECT unnest(held)) AND c.review_priority IS NOT NULL AND c.review_reason = 'label conflict'
      AND c.review_status <> 'needs-review'
      AND NOT EXISTS (SELECT FROM unnest(disputed) AS d (id) WHERE d.id = c.id);
    GET DIAGNOSTICS released = ROW_COUNT;

    SELECT * INTO settled FROM @extschema@.tw_settle_waiting_samples();
    released := released + settled.released;
    locked := locked + settled.locked;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.queue_label_conflicts() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.queue_label_conflicts() IS
    'Queues unreviewed conversations of unsettled label conflicts (priority 2, reason label conflict; three of each '
    'text and intent), and removes from the queue those whose conflict a person has settled, as well as imported '
    'samples; one of these that agrees with the decision becomes live. Returns how many were queued and released, and '
    'how many were locked and wait for the next call. Conflicts between verdicts of people are not queued again: see '
    'label_conflicts WHERE NOT settled AND human_labels > 1. Raises no error of its own';
