-- Sets of statuses of a Label Studio task (labelstudio_tasks), from narrow to wide. No SET search_path: it would
-- prevent inlining. The predicates of the table's partial indexes repeat the lists, since an index must not change its
-- meaning with a function; the test "rules" compares them.

CREATE FUNCTION @extschema@.tw_task_is_there(status text) RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN status IN ('open', 'skipped');
REVOKE ALL ON FUNCTION @extschema@.tw_task_is_there(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_task_is_there(text) IS
    'Whether a task of this status is known to be in Label Studio, without an annotation';

CREATE FUNCTION @extschema@.tw_task_waits(status text) RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN status IN ('claimed', 'open');
REVOKE ALL ON FUNCTION @extschema@.tw_task_waits(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_task_waits(text) IS
    'Whether an annotator in Label Studio may be about to judge the task: its conversation is not given to another '
    'reviewer';

CREATE FUNCTION @extschema@.tw_task_is_shown(status text) RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN status IN ('claimed', 'open', 'skipped');
REVOKE ALL ON FUNCTION @extschema@.tw_task_is_shown(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_task_is_shown(text) IS
    'Whether an annotator can see the task or has skipped it: it counts towards max_open_tasks of the project';

CREATE FUNCTION @extschema@.tw_task_holds(status text) RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN status IN ('claimed', 'open', 'skipped', 'refused');
REVOKE ALL ON FUNCTION @extschema@.tw_task_holds(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_task_holds(text) IS
    'Whether the task keeps its conversation from being pushed again: a conversation has at most one such task';

CREATE FUNCTION @extschema@.tw_task_is_unfinished(status text) RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN status IN ('claimed', 'open', 'skipped', 'unusable', 'refused');
REVOKE ALL ON FUNCTION @extschema@.tw_task_is_unfinished(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_task_is_unfinished(text) IS
    'Whether the task is still unfinished in its project (labelstudio_tasks_pending_idx)';
