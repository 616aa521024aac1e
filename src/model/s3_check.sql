-- The state of the object stores, and of the models that wait to be stored there.

CREATE FUNCTION @extschema@.s3_check(
    server text DEFAULT NULL,
    OUT server_name text, OUT endpoint text, OUT bucket text, OUT prefix text, OUT state text, OUT tried text,
    OUT clock_difference_seconds double precision, OUT waiting_models bigint, OUT last_error text, OUT advice text)
    RETURNS SETOF record
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    problem text;
    artifacts record;
    is_copy boolean := @extschema@.tw_is_restored_copy();
BEGIN
    IF server IS NOT NULL OR @extschema@.tw_s3_servers() = '{}' THEN
        PERFORM @extschema@.tw_s3_server(server);
    END IF;
    SELECT * INTO artifacts FROM @extschema@.tw_artifact_server();
    FOREACH server_name IN ARRAY @extschema@.tw_s3_servers() LOOP
        CONTINUE WHEN server_name <> server;
        endpoint := @extschema@.tw_s3_option(server_name, 'endpoint');
        bucket := @extschema@.tw_s3_option(server_name, 'bucket');
        prefix := @extschema@.tw_s3_option(server_name, 'prefix');
        state := 'restored copy';
        IF NOT is_copy THEN
            SELECT p.state, p.tried, extract(epoch FROM p.clock_difference), p.problem
            INTO state, tried, clock_difference_seconds, problem
            FROM @extschema@.tw_s3_probe(server_name) p;
        END IF;
        waiting_models := NULL;
        last_error := NULL;
        IF artifacts.server = server_name THEN
            waiting_models := (SELECT count(*) FROM @extschema@.tw_unstored_versions());
            last_error := (SELECT m.artifact_error FROM @extschema@.model_versions m WHERE m.artifact_error IS NOT NULL
                           ORDER BY m.created_at DESC, m.version DESC LIMIT 1);
        END IF;
        advice := CASE
            WHEN is_copy
            THEN 'This database is a restored copy and contacts no server. If it takes over: SELECT '
                 'adopt_installation();'
            WHEN problem IS NOT NULL THEN problem
            WHEN artifacts.problem IS NOT NULL THEN artifacts.problem
            WHEN abs(clock_difference_seconds) > 300
            THEN 'The clocks differ: from 15 minutes on the store will refuse every request. Set them, '
                 'preferably with NTP.'
            WHEN waiting_models > 0
            THEN 'CALL store_model_artifacts(); or run_training_jobs(), which does so, too: models wait to be stored.'
            END;
        RETURN NEXT;
    END LOOP;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.s3_check(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.s3_check(text) IS
    'The state of the S3 server of that name, or of each (NULL): puts a small object '
    '<prefix>/.training_workflow_check.<pid>, reads and deletes it (tried) and returns the result (state: ok, read '
    'only, refused, no bucket, clock skew, failing, unreachable, not configured, restored copy), how many seconds its '
    'clock is ahead of the database''s (clock_difference_seconds), how many models wait to be stored there, the last '
    'error of storing one, and what to do (advice; NULL when all is well). Raises 42704 for an unknown server, and '
    'where there is none';
