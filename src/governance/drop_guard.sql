-- DROP EXTENSION needs no CASCADE to drop our tables with all their rows: refuse it while there are any. So are the other
-- commands that can end in it: ALTER TABLE, because DROP COLUMN ... CASCADE drops a view of ours, and with it the extension.

CREATE FUNCTION @extschema@.tw_drop_guard() RETURNS event_trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'tw_drop_guard';
REVOKE ALL ON FUNCTION @extschema@.tw_drop_guard() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_drop_guard() IS
    'Event trigger: loads the library, whose hook refuses to drop conversation_logs or training_samples while they hold rows';

CREATE EVENT TRIGGER training_workflow_drop_guard ON ddl_command_start
    WHEN TAG IN ('DROP EXTENSION', 'DROP SCHEMA', 'DROP OWNED', 'DROP LANGUAGE', 'ALTER TABLE')
    EXECUTE FUNCTION @extschema@.tw_drop_guard();
COMMENT ON EVENT TRIGGER training_workflow_drop_guard IS
    'Refuses to drop the extension while it holds conversations or samples, unless training_workflow.allow_drop is on';
