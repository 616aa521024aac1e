-- Protection against ambiguous calls: a routine in our schema with the name and the parameters of one of ours, plus
-- parameters with defaults, fits the same calls. The call then fails as "not unique", and casts do not help. So no such
-- routine may be created.

CREATE FUNCTION @extschema@.tw_name_guard() RETURNS event_trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    found text;
BEGIN
    found := (SELECT min(n.name COLLATE "C") FROM pg_event_trigger_ddl_commands() c
              JOIN @extschema@.tw_namesakes() n ON c.classid = 'pg_proc'::regclass AND n.id = c.objid
              WHERE n.has_defaults AND NOT c.in_extension);
    IF found IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'duplicate_function',
            MESSAGE = format('%s would make calls of training_workflow ambiguous', found),
            DETAIL = 'It is in the schema of the extension, has the name of one of its functions, and parameters with '
                     'defaults.',
            HINT = 'Create it in another schema, under another name, or without defaults.';
    END IF;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_name_guard() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_name_guard() IS
    'Event trigger: refuses routines that would make calls of the extension ambiguous';

-- Existing routines of this kind: with them the extension would not work.
DO $check$
DECLARE
    names text := (SELECT string_agg(n.name, ', ' ORDER BY n.name COLLATE "C") FROM @extschema@.tw_namesakes() n
                   WHERE n.has_defaults);
BEGIN
    IF names IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'duplicate_function',
            MESSAGE = 'schema "@extschema@" has routines that would make calls of training_workflow ambiguous',
            DETAIL = format('Already there: %s.', names),
            HINT = format('Drop them: DROP ROUTINE %s; or install in a schema of its own: CREATE SCHEMA training; '
                          'CREATE EXTENSION training_workflow SCHEMA training;', names);
    END IF;
END
$check$;

CREATE EVENT TRIGGER training_workflow_name_guard ON ddl_command_end
    WHEN TAG IN ('CREATE FUNCTION', 'CREATE PROCEDURE', 'ALTER FUNCTION', 'ALTER PROCEDURE', 'ALTER ROUTINE')
    EXECUTE FUNCTION @extschema@.tw_name_guard();
ALTER EVENT TRIGGER training_workflow_name_guard ENABLE ALWAYS;
COMMENT ON EVENT TRIGGER training_workflow_name_guard IS
    'Refuses routines of others that would make calls of the extension ambiguous';
