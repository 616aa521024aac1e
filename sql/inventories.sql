-- Lists of the extension's own objects, held to the catalogs: the names that CREATE EXTENSION refuses to find taken,
-- what the kinds of roles are granted, and what belongs to our tables.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET training_workflow.allow_drop = on;
DROP EXTENSION IF EXISTS training_workflow CASCADE;
RESET training_workflow.allow_drop;
RESET client_min_messages;
CREATE EXTENSION training_workflow;

-- Who may: every right once.
SELECT kind, object_kind, object_id, column_name, privilege FROM tw_role_privileges()
GROUP BY 1, 2, 3, 4, 5 HAVING count(*) > 1;
-- An operator may do all that reviewers and analysts may.
SELECT object_kind, object_id, column_name, privilege FROM tw_role_privileges() WHERE kind IN ('reviewer', 'analyst')
EXCEPT
SELECT object_kind, object_id, column_name, privilege FROM tw_role_privileges() WHERE kind = 'operator';

-- What has a name of one of our tables, views or sequences is refused before anything is created: all of them.
CREATE TEMP TABLE own AS
    SELECT c.relname FROM pg_class c JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid
    WHERE d.deptype = 'e' AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'training_workflow')
      AND c.relkind IN ('r', 'v', 'S');
SET training_workflow.allow_drop = on;
DROP EXTENSION training_workflow;
RESET training_workflow.allow_drop;
CREATE SCHEMA taken;
DO $$
DECLARE
    r record;
    detail text;
BEGIN
    FOR r IN SELECT relname FROM own LOOP
        EXECUTE format('CREATE TABLE taken.%I ()', r.relname);
    END LOOP;
    CREATE EXTENSION training_workflow SCHEMA taken;
EXCEPTION WHEN duplicate_table THEN
    GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
    RAISE WARNING 'all of % are named: %', (SELECT count(*) > 40 FROM own),
        detail = (SELECT format('Already there: %s.', string_agg(format('"%s"', relname), ', ' ORDER BY relname))
                  FROM own);
END
$$;
DROP SCHEMA taken;

-- What belongs to our tables: not the trigger that somebody's event trigger puts on a new table.
CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$ BEGIN RETURN NEW; END $$;
CREATE FUNCTION stamp_tables() RETURNS event_trigger LANGUAGE plpgsql AS $$
DECLARE
    r record;
BEGIN
    FOR r IN SELECT * FROM pg_event_trigger_ddl_commands() WHERE object_identity LIKE '%.review_claims' LOOP
        EXECUTE format('CREATE TRIGGER stamp BEFORE INSERT ON %s FOR EACH ROW EXECUTE FUNCTION public.stamp()',
                       r.object_identity);
    END LOOP;
END
$$;
CREATE EVENT TRIGGER stamp_tables ON ddl_command_end WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION stamp_tables();
CREATE EXTENSION training_workflow;
DROP EVENT TRIGGER stamp_tables;
SELECT problem, relation, example, hint FROM check_integrity();
DROP TRIGGER stamp ON review_claims;
DROP FUNCTION stamp(), stamp_tables();
SELECT * FROM check_integrity();
