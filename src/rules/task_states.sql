-- What the status of a task in Label Studio (labelstudio_tasks) means, from narrow to wide. No SET search_path: it
-- would keep them from being inlined. The predicates of the table's partial indexes spell out the same lists, since an
-- index must not change its meaning with a function; the test "rules" sees to it that they match.

CREATE FUNCTION @extschema@.tw_task_is_there(status text) RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN status IN ('open', 'skipped');
REVOKE ALL ON FUNCTION @extschema@.tw_task_is_there(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_task_is_there(text) IS
    'Whether Label Studio is known to have the task, without an annotation';

CREATE FUNCTION @extschema@.tw_task_waits(status text) RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN status IN ('claimed', 'open');
REVOKE ALL ON FUNCTION @extschema@.tw_task_waits(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_task_waits(text) IS
    'Whether somebody in Label Studio may be about to judge it: nobody else is given the conversation';

CREATE FUNCTION @extschema@.tw_task_is_shown(status text) RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN status IN ('claimed', 'open', 'skipped');
REVOKE ALL ON FUNCTION @extschema@.tw_task_is_shown(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_task_is_shown(text) IS
    'Whether an annotator may see it, or has seen it and passed it on: it takes room in the project';

CREATE FUNCTION @extschema@.tw_task_holds(status text) RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN status IN ('claimed', 'open', 'skipped', 'refused');
REVOKE ALL ON FUNCTION @extschema@.tw_task_holds(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_task_holds(text) IS
    'Whether the conversation is not handed over again: it has one such task at most';

CREATE FUNCTION @extschema@.tw_task_is_unfinished(status text) RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN status IN ('claimed', 'open', 'skipped', 'unusable', 'refused');
REVOKE ALL ON FUNCTION @extschema@.tw_task_is_unfinished(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_task_is_unfinished(text) IS
    'Whether the project still has it before it (labelstudio_tasks_pending_idx)';
