-- Label Studio tasks of rows that are erased: their rows of labelstudio_tasks go. What is needed to delete them over
-- there goes to labelstudio_erasures.

CREATE FUNCTION @extschema@.tw_forget_labelstudio_tasks(erasure bigint, conversation_ids bigint[], sample_ids bigint[])
    RETURNS bigint
    LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH gone AS (
        DELETE FROM @extschema@.labelstudio_tasks t
        WHERE t.conversation_log_id = ANY (conversation_ids) OR t.sample_id = ANY (sample_ids)
        RETURNING t.project, t.external_id, t.batch_id, t.task_id, t.status
    ), asked AS (
        INSERT INTO @extschema@.labelstudio_erasures (erasure_id, project, external_id, batch_id, task_id)
        SELECT erasure, g.project, g.external_id, g.batch_id, g.task_id FROM gone g WHERE g.status <> 'deleted'
        RETURNING 1
    )
    SELECT count(*) FROM asked;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_forget_labelstudio_tasks(bigint, bigint[], bigint[]) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_forget_labelstudio_tasks(bigint, bigint[], bigint[]) IS
    'Deletes the tasks of these conversations and samples from labelstudio_tasks, and asks for their deletion in Label '
    'Studio; returns how many are asked for. Called before the conversations and samples are deleted';
