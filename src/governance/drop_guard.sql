-- Protection of tables with rows: DROP EXTENSION drops our tables with all their rows, even without CASCADE. Other
-- commands whose CASCADE can reach the extension are refused as well: ALTER TABLE, because DROP COLUMN ... CASCADE
-- drops a view of ours and with it the extension; DROP TABLE, because our table may be a child of the dropped one.

CREATE FUNCTION @extschema@.tw_drop_guard() RETURNS event_trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'tw_drop_guard';
REVOKE ALL ON FUNCTION @extschema@.tw_drop_guard() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_drop_guard() IS
    'Event trigger: loads the library, whose hook refuses to drop tables of the extension that contain rows';

CREATE EVENT TRIGGER training_workflow_drop_guard ON ddl_command_start
    WHEN TAG IN ('DROP EXTENSION', 'DROP SCHEMA', 'DROP OWNED', 'DROP LANGUAGE', 'ALTER TABLE', 'ALTER TYPE',
                 'DROP TABLE', 'DROP TYPE', 'DROP DOMAIN', 'DROP VIEW', 'DROP MATERIALIZED VIEW', 'DROP FOREIGN TABLE',
                 'DROP FUNCTION', 'DROP PROCEDURE', 'DROP ROUTINE', 'DROP AGGREGATE', 'DROP OPERATOR', 'DROP COLLATION',
                 'DROP ACCESS METHOD')
    EXECUTE FUNCTION @extschema@.tw_drop_guard();
-- ALWAYS, so that no session setting disables it.
ALTER EVENT TRIGGER training_workflow_drop_guard ENABLE ALWAYS;
COMMENT ON EVENT TRIGGER training_workflow_drop_guard IS
    'Refuses to drop the extension while its tables hold rows, unless training_workflow.allow_drop is on';
