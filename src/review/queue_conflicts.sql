-- queue_label_conflicts(): the daily search for label conflicts, and for samples that nobody is asked about.

CREATE FUNCTION @extschema@.tw_disputed_samples(
    OUT id bigint, OUT conversation_log_id bigint, OUT by_model boolean, OUT n bigint)
    RETURNS SETOF record
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT s.id, s.conversation_log_id, s.label_source = 'model',
           -- Those of conversations, and those without, each by themselves.
           row_number() OVER (PARTITION BY k.text_hash, k.normalized_text, s.intent, s.label_source,
                              s.conversation_log_id IS NULL ORDER BY s.id)
    FROM @extschema@.label_conflicts k
    JOIN @extschema@.training_samples s ON s.text_hash = k.text_hash
        AND @extschema@.normalize_text(s.text) = k.normalized_text
    WHERE NOT k.settled AND s.review_status = 'approved';
END;
REVOKE ALL ON FUNCTION @extschema@.tw_disputed_samples() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_disputed_samples() IS
    'The live samples of unsettled label conflicts, numbered within their text, intent, source of the label and kind '
    '(with or without a conversation)';

CREATE FUNCTION @extschema@.tw_queue_conflicting_samples(
    few bigint[], disputed bigint[], OUT queued bigint, OUT released bigint, OUT locked bigint)
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    wanted bigint[];
    held bigint[];
BEGIN
    -- Pending samples too: an import that found a contradiction left them, and they are in no view.
    wanted := ARRAY(SELECT unnest(few)
                    UNION
                    SELECT s.id FROM @extschema@.training_samples s
                    WHERE s.review_status = 'pending' AND s.conversation_log_id IS NULL AND s.review_priority IS NULL
                    UNION
                    SELECT s.id FROM @extschema@.training_samples s
                    WHERE s.review_priority IS NOT NULL AND s.review_reason = 'label conflict'
                      AND s.review_status = 'approved');
    held := ARRAY(SELECT s.id FROM @extschema@.training_samples s WHERE s.id IN (SELECT unnest(wanted)) ORDER BY s.id
        FOR UPDATE OF s SKIP LOCKED);
    locked := cardinality(wanted) - cardinality(held);

    WITH next AS (
        SELECT s.id, s.review_status,
               EXISTS (SELECT FROM @extschema@.training_samples o
                       WHERE o.text_hash = s.text_hash AND o.review_status = 'approved' AND o.intent <> s.intent
                         AND @extschema@.normalize_text(o.text) = @extschema@.normalize_text(s.text)) AS is_conflict
        FROM @extschema@.training_samples s
        WHERE s.id IN (SELECT unnest(held)) AND s.review_priority IS NULL AND s.conversation_log_id IS NULL
          AND (s.review_status = 'pending' OR s.review_status = 'approved' AND s.label_source = 'model'
               AND s.id IN (SELECT unnest(few)))
    ), event AS (
        INSERT INTO @extschema@.review_events (sample_id, action, from_status, to_status, reviewer, calling_role)
        SELECT n.id, 'conflict', n.review_status, n.review_status, @extschema@.tw_calling_role(),
               @extschema@.tw_calling_role() FROM next n ORDER BY n.id
    )
    UPDATE @extschema@.training_samples s
    SET review_priority = 2, review_reason = CASE WHEN n.is_conflict THEN 'label conflict' ELSE 'pending sample' END
    FROM next n WHERE s.id = n.id;
    GET DIAGNOSTICS queued = ROW_COUNT;

    UPDATE @extschema@.training_samples s SET review_priority = NULL, review_reason = NULL
    WHERE s.id IN (SELECT unnest(held)) AND s.review_reason = 'label conflict' AND s.review_status = 'approved'
      AND NOT EXISTS (SELECT FROM unnest(disputed) AS d (id) WHERE d.id = s.id);
    GET DIAGNOSTICS released = ROW_COUNT;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_queue_conflicting_samples(bigint[], bigint[]) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_queue_conflicting_samples(bigint[], bigint[]) IS
    'The part of queue_label_conflicts() about samples without a conversation: queues a few live ones of models and '
    'all pending ones, and releases live ones that are no longer among the disputed. Returns how many of each, and how '
    'many were locked';

CREATE FUNCTION @extschema@.tw_settle_waiting_samples(OUT released bigint, OUT locked bigint)
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    wanted bigint[];
    held bigint[];
BEGIN
    -- Without a live sample, what was the only label of its text still waits for a person.
    wanted := ARRAY(
        SELECT s.id FROM @extschema@.training_samples s
        WHERE s.review_priority IS NOT NULL AND s.review_reason = 'label conflict'
          AND s.review_status = 'pending' AND s.label_source = 'human'
          AND NOT EXISTS (SELECT FROM @extschema@.label_conflicts k
                          WHERE k.text_hash = s.text_hash AND NOT k.settled
                            AND k.normalized_text = @extschema@.normalize_text(s.text))
          AND EXISTS (SELECT FROM @extschema@.training_samples l
                      WHERE l.text_hash = s.text_hash AND l.review_status = 'approved'
                        AND @extschema@.normalize_text(l.text) = @extschema@.normalize_text(s.text)));
    held := ARRAY(SELECT s.id FROM @extschema@.training_samples s WHERE s.id IN (SELECT unnest(wanted)) ORDER BY s.id
        FOR UPDATE OF s SKIP LOCKED);
    locked := cardinality(wanted) - cardinality(held);
    WITH settled AS MATERIALIZED (
        SELECT s.id, s.review_status, s.review_priority, s.review_reason FROM @extschema@.training_samples s
        WHERE s.id IN (SELECT unnest(held)) AND s.review_status = 'pending' AND s.review_reason = 'label conflict'
    ), event AS (
        INSERT INTO @extschema@.review_events (sample_id, action, from_status, to_status, review_priority,
                                               review_reason, reviewer, calling_role)
        SELECT s.id, 'import', s.review_status, 'approved', s.review_priority, s.review_reason,
               @extschema@.tw_calling_role(), @extschema@.tw_calling_role()
        FROM settled s ORDER BY s.id
    )
    UPDATE @extschema@.training_samples s
    SET review_priority = NULL, review_reason = NULL, review_status = 'approved', reviewed_at = now()
    FROM settled d WHERE s.id = d.id;
    GET DIAGNOSTICS released = ROW_COUNT;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_settle_waiting_samples() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_settle_waiting_samples() IS
    'Imported labels of people that waited because of a label conflict become live where people have decided for them. '
    'Returns how many, and how many were locked';

CREATE FUNCTION @extschema@.queue_label_conflicts(OUT queued bigint, OUT released bigint, OUT locked bigint)
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    disputed bigint[];
    few bigint[];
    disputed_samples bigint[];
    few_samples bigint[];
    wanted bigint[];
    held bigint[];
    samples record;
    settled record;
BEGIN
    -- One verdict settles a text, so three conversations of each intent are enough: one wrong label may contradict a
    -- hundred thousand samples.
    SELECT coalesce(array_agg(x.conversation_log_id) FILTER (WHERE x.conversation_log_id IS NOT NULL), '{}'),
           coalesce(array_agg(x.conversation_log_id) FILTER (WHERE x.conversation_log_id IS NOT NULL AND x.by_model
                                                             AND x.n <= 3), '{}'),
           coalesce(array_agg(x.id) FILTER (WHERE x.conversation_log_id IS NULL), '{}'),
           coalesce(array_agg(x.id) FILTER (WHERE x.conversation_log_id IS NULL AND x.by_model AND x.n <= 3), '{}')
    INTO disputed, few, disputed_samples, few_samples
    FROM @extschema@.tw_disputed_samples() x;

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

    SELECT s.queued, s.released, s.locked INTO samples
    FROM @extschema@.tw_queue_conflicting_samples(few_samples, disputed_samples) s;
    queued := queued + samples.queued;
    released := released + samples.released;
    SELECT w.released, w.locked INTO settled FROM @extschema@.tw_settle_waiting_samples() w;
    released := released + settled.released;
    locked := locked + samples.locked + settled.locked;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.queue_label_conflicts() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.queue_label_conflicts() IS
    'Queues unreviewed conversations and samples of unsettled label conflicts (priority 2, reason label conflict; '
    'three of each text and intent), and pending samples without a conversation that are in no queue (reason pending '
    'sample where nothing contradicts them); and removes from the queue what is live and whose conflict a person has '
    'settled; an imported label that agrees with the decision becomes live. Returns how many were queued and released, '
    'and how many were locked and wait for the next call. Conflicts between people are not queued again: see '
    'label_conflicts WHERE NOT settled AND human_labels > 1. '
    'Raises no error of its own';
