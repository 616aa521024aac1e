-- DROP EXTENSION needs no CASCADE to drop our tables with all their rows: refuse it while there are any, and so the
-- other commands whose CASCADE can end in it (ALTER TABLE, because DROP COLUMN ... CASCADE drops a view of ours, and
-- with it the extension; DROP TABLE, because somebody may have made our table its child).

CREATE FUNCTION @extschema@.tw_drop_guard() RETURNS event_trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'tw_drop_guard';
REVOKE ALL ON FUNCTION @extschema@.tw_drop_guard() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_drop_guard() IS
    'Event trigger: loads the library, whose hook refuses to drop any of our tables while it holds rows';

CREATE EVENT TRIGGER training_workflow_drop_guard ON ddl_command_start
    WHEN TAG IN ('DROP EXTENSION', 'DROP SCHEMA', 'DROP OWNED', 'DROP LANGUAGE', 'ALTER TABLE', 'ALTER TYPE',
                 'DROP TABLE', 'DROP TYPE', 'DROP DOMAIN', 'DROP VIEW', 'DROP MATERIALIZED VIEW', 'DROP FOREIGN TABLE',
                 'DROP FUNCTION', 'DROP PROCEDURE', 'DROP ROUTINE', 'DROP AGGREGATE', 'DROP OPERATOR', 'DROP COLLATION',
                 'DROP ACCESS METHOD')
    EXECUTE FUNCTION @extschema@.tw_drop_guard();
-- No setting of a session gets round it.
ALTER EVENT TRIGGER training_workflow_drop_guard ENABLE ALWAYS;
COMMENT ON EVENT TRIGGER training_workflow_drop_guard IS
    'Refuses to drop the extension while its tables hold rows, unless training_workflow.allow_drop is on';
