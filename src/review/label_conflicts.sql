-- One text, one live intent: where live samples disagree, a reviewer decides.

CREATE INDEX training_samples_text_hash_idx ON @extschema@.training_samples (text_hash)
    WHERE review_status = 'approved';

CREATE VIEW @extschema@.label_conflicts WITH (security_barrier) AS
    WITH disputed AS (
        SELECT s.text_hash
        FROM @extschema@.training_samples s
        WHERE s.review_status = 'approved' AND s.text_hash IS NOT NULL
        GROUP BY s.text_hash
        HAVING min(s.intent COLLATE "C") <> max(s.intent COLLATE "C")
    ), sides AS (
        -- Grouped by the text as well, because two texts can have the same hash.
        SELECT s.text_hash, @extschema@.normalize_text(s.text) AS normalized_text, s.intent, count(*) AS samples,
               count(*) FILTER (WHERE s.label_source = 'human') AS human, min(s.text) AS example,
               (array_agg(s.conversation_log_id
                          ORDER BY s.id) FILTER (WHERE s.conversation_log_id IS NOT NULL))[1:10] AS conversations
        FROM @extschema@.training_samples s
        WHERE s.review_status = 'approved' AND s.text_hash IN (SELECT d.text_hash FROM disputed d)
        GROUP BY s.text_hash, @extschema@.normalize_text(s.text), s.intent
    )
    SELECT v.normalized_text, min(v.example) AS example, v.text_hash,
           count(*) AS intents, sum(v.samples)::bigint AS samples, sum(v.human)::bigint AS human_labels,
           count(*) FILTER (WHERE v.human > 0) = 1 AS settled,
           CASE WHEN count(*) FILTER (WHERE v.human > 0) = 1
                THEN max(v.intent) FILTER (WHERE v.human > 0) END AS settled_intent,
           jsonb_agg(jsonb_build_object('intent', @extschema@.tw_cut_text(v.intent, 1000), 'samples', v.samples,
                                        'human', v.human,
                                        'conversations', to_jsonb(v.conversations))
                                        ORDER BY v.human DESC, v.samples DESC, v.intent) AS sides
    FROM sides v
    GROUP BY v.text_hash, v.normalized_text
    HAVING count(*) > 1
    ORDER BY settled, samples DESC, v.normalized_text;
REVOKE ALL ON TABLE @extschema@.label_conflicts FROM PUBLIC;
COMMENT ON VIEW @extschema@.label_conflicts IS
    'Texts whose live samples carry different intents, unsettled ones first; their unreviewed samples are not trained '
    'on';
COMMENT ON COLUMN @extschema@.label_conflicts.normalized_text IS 'The text, normalised';
COMMENT ON COLUMN @extschema@.label_conflicts.example IS 'The text as one sample has it';
COMMENT ON COLUMN @extschema@.label_conflicts.text_hash IS 'Hash of the normalised text';
COMMENT ON COLUMN @extschema@.label_conflicts.intents IS 'Number of different intents';
COMMENT ON COLUMN @extschema@.label_conflicts.samples IS 'Number of live samples';
COMMENT ON COLUMN @extschema@.label_conflicts.human_labels IS 'Number of live samples that a person labelled';
COMMENT ON COLUMN @extschema@.label_conflicts.settled IS
    'Whether all labels given by people name one intent, and there is at least one';
COMMENT ON COLUMN @extschema@.label_conflicts.settled_intent IS 'The intent that people gave; NULL if not settled';
COMMENT ON COLUMN @extschema@.label_conflicts.sides IS
    'For each intent: number of samples, number labelled by people, and the ids of the first ten conversations';

CREATE FUNCTION @extschema@.queue_label_conflicts(OUT queued bigint, OUT released bigint, OUT locked bigint)
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    disputed bigint[];
    few bigint[];
    wanted bigint[];
    held bigint[];
BEGIN
    -- One verdict settles a text, so three conversations of each intent are enough: one wrong label may contradict a
    -- hundred thousand samples.
    SELECT coalesce(array_agg(x.conversation_log_id), '{}'),
           coalesce(array_agg(x.conversation_log_id) FILTER (WHERE x.n <= 3), '{}')
    INTO disputed, few
    FROM (SELECT s.conversation_log_id,
                 row_number() OVER (PARTITION BY k.text_hash, k.normalized_text, s.intent ORDER BY s.id) AS n
          FROM @extschema@.label_conflicts k
          JOIN @extschema@.training_samples s ON s.text_hash = k.text_hash
              AND @extschema@.normalize_text(s.text) = k.normalized_text
          WHERE NOT k.settled AND s.review_status = 'approved' AND s.label_source = 'model'
            AND s.conversation_log_id IS NOT NULL) x;

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
    SET review_priority = CASE WHEN c.is_audit THEN 2 END, review_reason = CASE WHEN c.is_audit THEN 'audit' END
    WHERE c.id IN (SELECT unnest(held)) AND c.review_priority IS NOT NULL AND c.review_reason = 'label conflict'
      AND c.review_status <> 'needs-review'
      AND NOT EXISTS (SELECT FROM unnest(disputed) AS d (id) WHERE d.id = c.id);
    GET DIAGNOSTICS released = ROW_COUNT;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.queue_label_conflicts() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.queue_label_conflicts() IS
    'Queues unreviewed conversations of unsettled label conflicts (priority 2, reason label conflict; three of each '
    'text and intent), and removes from the queue those whose conflict a person has settled. Returns how many were '
    'queued and released, and how many were locked and wait for the next call. Conflicts between people are not queued '
    'again: see label_conflicts WHERE NOT settled AND human_labels > 1. Raises no error of its own';
