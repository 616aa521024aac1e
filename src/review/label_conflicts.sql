-- One text, one live intent: where live samples disagree, a person has to say.

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
        -- By the text itself as well: two texts can have one hash.
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
    'Texts whose live samples carry different intents, the unsettled ones first; none of their unreviewed samples may '
    'be trained on';
COMMENT ON COLUMN @extschema@.label_conflicts.normalized_text IS 'The text, normalised';
COMMENT ON COLUMN @extschema@.label_conflicts.example IS 'The text as somebody wrote it';
COMMENT ON COLUMN @extschema@.label_conflicts.text_hash IS 'Its hash';
COMMENT ON COLUMN @extschema@.label_conflicts.intents IS 'Number of different intents';
COMMENT ON COLUMN @extschema@.label_conflicts.samples IS 'Number of live samples';
COMMENT ON COLUMN @extschema@.label_conflicts.human_labels IS 'Number of them that a person labelled';
COMMENT ON COLUMN @extschema@.label_conflicts.settled IS 'Whether people labelled it, and with one intent only';
COMMENT ON COLUMN @extschema@.label_conflicts.settled_intent IS 'That intent';
COMMENT ON COLUMN @extschema@.label_conflicts.sides IS
    'For each intent: how many samples, how many by people, and the first ten conversations';

CREATE FUNCTION @extschema@.queue_label_conflicts(OUT queued bigint, OUT released bigint, OUT locked bigint)
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    disputed bigint[];
    few bigint[];
    wanted bigint[];
    held bigint[];
BEGIN
    -- One verdict settles a text: a few of each side are enough, where
    -- one stray label may contradict a hundred thousand.
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

    -- The rows of both steps at once, ascending: in two passes this would meet a verdict on a row of each the wrong way
    -- round. What somebody else holds can wait for the next time, but nobody for an application that forgot its
    -- transaction.
    wanted := ARRAY(SELECT unnest(few)
                    UNION
                    SELECT q.id FROM @extschema@.conversation_logs q
                    WHERE q.review_priority IS NOT NULL AND q.review_reason = 'label conflict');
    held := ARRAY(SELECT c.id FROM @extschema@.conversation_logs c WHERE c.id IN (SELECT unnest(wanted)) ORDER BY c.id
        FOR UPDATE OF c SKIP LOCKED);
    locked := cardinality(wanted) - cardinality(held);

    -- What waits already keeps its place and its reason; what a person decided about meanwhile is disputed no more.
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

    -- A person has settled it: the others need no look, but for those drawn for the audit.
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
    'Queues unreviewed conversations of unsettled label conflicts (priority 2, label conflict; three of each text and '
    'intent), and takes those out of the queue again whose conflict a person has settled since; returns how many of '
    'each, and how many somebody held, which wait for the next time. Where people disagree with one another nobody is '
    'asked again: see label_conflicts WHERE NOT settled AND human_labels > 1';
