-- The part of check_integrity() about reviews of samples without a conversation.

CREATE FUNCTION @extschema@.tw_sample_problems(
    OUT problem text, OUT relation text, OUT found bigint, OUT example text, OUT hint text)
    RETURNS SETOF record
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH problems (problem, relation, found, example, hint) AS (
        SELECT 'event of a sample that does not exist', '@extschema@.review_events'::regclass::text, count(*),
               min(e.id)::text, 'The sample was deleted without its events.'
        FROM @extschema@.review_events e
        WHERE e.sample_id IS NOT NULL
          AND NOT EXISTS (SELECT FROM @extschema@.training_samples s WHERE s.id = e.sample_id)
        UNION ALL
        SELECT 'claim on a row that does not exist', '@extschema@.review_claims'::regclass::text, count(*),
               min(k.id)::text, 'What it holds was deleted: delete the claim.'
        FROM @extschema@.review_claims k
        WHERE NOT EXISTS (SELECT FROM @extschema@.training_samples s WHERE s.id = k.sample_id)
          AND NOT EXISTS (SELECT FROM @extschema@.conversation_logs c WHERE c.id = k.conversation_log_id)
        UNION ALL
        SELECT 'waiting task of a sample that does not exist', '@extschema@.labelstudio_tasks'::regclass::text,
               count(*), min(t.id)::text,
               'The sample was deleted: CALL labelstudio_sync() deletes the task in Label Studio.'
        FROM @extschema@.labelstudio_tasks t
        WHERE t.sample_id IS NOT NULL AND @extschema@.tw_task_is_shown(t.status)
          AND NOT EXISTS (SELECT FROM @extschema@.training_samples s WHERE s.id = t.sample_id)
        UNION ALL
        -- The daily job queues them.
        SELECT 'pending sample that nobody is asked about', '@extschema@.training_samples'::regclass::text, count(*),
               min(s.id)::text, 'It has no conversation and is in no queue for two days and more: does the daily job '
                                'run? SELECT * FROM queue_label_conflicts(); queues it.'
        FROM @extschema@.training_samples s
        WHERE s.review_status = 'pending' AND s.conversation_log_id IS NULL AND s.review_priority IS NULL
          AND s.updated_at < now() - interval '2 days'
        UNION ALL
        SELECT 'verdict on a sample that is not in force', '@extschema@.training_samples'::regclass::text, count(*),
               min(s.id)::text, 'review_status was changed by hand since: give the verdict again with approve_, fix_ '
                                'or reject_sample().'
        FROM (SELECT DISTINCT ON (e.sample_id) e.sample_id, e.to_status FROM @extschema@.review_events e
              WHERE e.sample_id IS NOT NULL ORDER BY e.sample_id, e.id DESC) v
        JOIN @extschema@.training_samples s ON s.id = v.sample_id
        WHERE s.review_status <> v.to_status
    )
    SELECT p.problem, p.relation, p.found, p.example, p.hint FROM problems p WHERE p.found > 0;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_sample_problems() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_sample_problems() IS
    'The part of check_integrity() about samples without a conversation: events, claims and tasks of rows that do not '
    'exist, pending samples in no queue, and verdicts that are not in force';
