-- CALL publish_report(): the page of training_report() as a file of the server or as an object of the store, by hand or
-- by the weekly job.

CREATE FUNCTION @extschema@.tw_write_report(path text, page text) RETURNS void
    LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'tw_write_report';
REVOKE ALL ON FUNCTION @extschema@.tw_write_report(text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_write_report(text, text) IS
    'Writes the page to a temporary file in the folder of path, and renames it when it is flushed to disk';

CREATE FUNCTION @extschema@.tw_report_location(target text, last_day date) RETURNS text
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    wanted CONSTANT text := coalesce(target, nullif(@extschema@.training_setting('report_target'::text), 'none'));
    is_model CONSTANT boolean := wanted ~ '^[^/]+/[^/]+-v[0-9]+[.][0-9]+[.][0-9]+/';
BEGIN
    IF wanted IS NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = 'it is not said where the report is to be published',
            HINT = 'Pass a target, or SELECT set_training_setting(''report_target'', ''/srv/reports/{date}.html'').';
    END IF;
    IF wanted LIKE 's3://%' OR wanted ~ '(^|/)\.\.(/|$)' OR wanted !~ '\S' OR wanted LIKE '%/' OR is_model THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('a report cannot be published to "%s"', @extschema@.tw_excerpt(wanted)),
            DETAIL = CASE WHEN is_model THEN 'Models are stored there.' ELSE 'It is neither a file nor a key.' END,
            HINT = 'Pass the absolute path of a file of the server, or the key of an object, relative to the prefix of '
                   'its server: ''reports/{date}.html''.';
    END IF;
    RETURN replace(wanted, '{date}', to_char(last_day, 'YYYY-MM-DD'));
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_report_location(text, date) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_report_location(text, date) IS
    'The target (NULL: the setting report_target) with the day in the place of {date}. Raises 55000 where there is '
    'none, 22023 for one that is neither a path nor a key';

CREATE FUNCTION @extschema@.tw_publish_report(target text, from_date date, to_date date) RETURNS text
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    today CONSTANT date := (now() AT TIME ZONE @extschema@.training_setting('time_zone'::text))::date;
    place text;
    store record;
BEGIN
    PERFORM @extschema@.tw_bound_waits();
    place := @extschema@.tw_report_location(target, coalesce(to_date, today));
    IF place LIKE '/%' THEN
        PERFORM @extschema@.tw_require_file_access();
        -- Before the page is made, which takes longer.
        PERFORM @extschema@.tw_check_export_path(place, true);
        PERFORM @extschema@.tw_write_report(place, @extschema@.training_report(from_date, to_date));
        RETURN place;
    END IF;
    PERFORM @extschema@.tw_require_acting();
    SELECT * INTO store FROM @extschema@.tw_artifact_server();
    IF store.server IS NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = coalesce(store.problem, 'no S3 server is configured'),
            HINT = 'Make a server (CREATE SERVER ... FOREIGN DATA WRAPPER training_workflow_s3), or pass the absolute '
                   'path of a file.';
    END IF;
    RETURN (@extschema@.tw_s3_put(store.server, @extschema@.tw_s3_location(store.server, place), convert_to(
        @extschema@.training_report(from_date, to_date), 'UTF8'), false)).location;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_publish_report(text, date, date) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_publish_report(text, date, date) IS
    'Does what publish_report() says, and returns where the page is';

CREATE PROCEDURE @extschema@.publish_report(
    target text DEFAULT NULL, from_date date DEFAULT NULL, to_date date DEFAULT NULL, INOUT location text DEFAULT NULL)
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $procedure$
BEGIN
    location := @extschema@.tw_publish_report(target, from_date, to_date);
END
$procedure$;
REVOKE ALL ON PROCEDURE @extschema@.publish_report(text, date, date, text) FROM PUBLIC;
COMMENT ON PROCEDURE @extschema@.publish_report(text, date, date, text) IS
    'Writes training_report(from_date, to_date) to target, replacing what is there, and returns where it is '
    '(location). '
    'target: the absolute path of a file of the server, or the key of an object in the store for models, relative to '
    'its prefix; {date} stands for the last day; NULL: the setting report_target. The page has what the caller may '
    'see. Raises 55000 where no target is set or there is no store, or on a restored copy for a store; 22023 for a '
    'target that is neither, and the errors of training_report(); 42501 for a file without the privileges of '
    'pg_write_server_files; 42602, 58P01, 42809 for its path; the errors of writing, and of tw_s3_put()';
