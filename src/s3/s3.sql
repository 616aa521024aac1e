-- Objects in S3: the functions implemented in C, and the probe of s3_check(). Only the owner may call the functions
-- that begin with tw_s3_: they use the owner's key.

CREATE FUNCTION @extschema@.tw_s3_location(server text, key text) RETURNS text
    LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
    AS 'training_workflow_remote', 'tw_s3_location_sql';
REVOKE ALL ON FUNCTION @extschema@.tw_s3_location(text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_s3_location(text, text) IS
    'The location of the object with this key, s3://bucket/...: keys are below the server''s prefix; a location in '
    'its bucket is returned unchanged. Raises 22023 for an invalid key';

CREATE FUNCTION @extschema@.tw_s3_put(server text, key text, data bytea, only_new boolean DEFAULT false,
                                      OUT location text, OUT byte_count bigint, OUT sha256 text)
    LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
    AS 'training_workflow_remote', 'tw_s3_put_sql';
REVOKE ALL ON FUNCTION @extschema@.tw_s3_put(text, text, bytea, boolean) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_s3_put(text, text, bytea, boolean) IS
    'Stores bytes as an object and reads them back. With only_new, raises 42710 where a different object exists. '
    'Raises 28000 where the store refuses our key, 42704 where there is no bucket, 53000 or 53100 where it has no '
    'room, 08001 and 08006 where it cannot be reached, 08P01 for other refusals, XX001 where other bytes are read '
    'back';

CREATE FUNCTION @extschema@.tw_s3_put_file(
    server text, key text, path text, byte_count bigint, sha256 text, only_new boolean DEFAULT false) RETURNS text
    LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
    AS 'training_workflow_remote', 'tw_s3_put_file_sql';
REVOKE ALL ON FUNCTION @extschema@.tw_s3_put_file(text, text, text, bigint, text, boolean) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_s3_put_file(text, text, text, bigint, text, boolean) IS
    'Stores a file of the database server as an object, as tw_s3_put() does, and returns its location. Raises 22023 '
    'for a file of another length, 54000 above 5 GB';

CREATE FUNCTION @extschema@.tw_s3_get(server text, key text, sha256 text) RETURNS bytea
    LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
    AS 'training_workflow_remote', 'tw_s3_get_sql';
REVOKE ALL ON FUNCTION @extschema@.tw_s3_get(text, text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_s3_get(text, text, text) IS
    'The bytes of an object with this SHA-256 (hexadecimal). Raises XX001 for any other SHA-256, and as tw_s3_put() '
    'does';

CREATE FUNCTION @extschema@.tw_s3_read(server text, key text, OUT byte_count bigint, OUT sha256 text)
    LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
    AS 'training_workflow_remote', 'tw_s3_read_sql';
REVOKE ALL ON FUNCTION @extschema@.tw_s3_read(text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_s3_read(text, text) IS
    'Reads an object to its end, and returns its length in bytes and its SHA-256 (hexadecimal); raises as tw_s3_put() '
    'does';

CREATE FUNCTION @extschema@.tw_s3_head(server text, key text, OUT is_there boolean, OUT byte_count bigint,
                                       OUT sha256 text)
    LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
    AS 'training_workflow_remote', 'tw_s3_head_sql';
REVOKE ALL ON FUNCTION @extschema@.tw_s3_head(text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_s3_head(text, text) IS
    'Whether an object exists, with its length and the SHA-256 in its metadata; sha256 is NULL where other software '
    'stored it';

CREATE FUNCTION @extschema@.tw_s3_delete(server text, key text) RETURNS boolean
    LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
    AS 'training_workflow_remote', 'tw_s3_delete_sql';
REVOKE ALL ON FUNCTION @extschema@.tw_s3_delete(text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_s3_delete(text, text) IS
    'Deletes an object, if it exists; returns whether the bucket keeps versions, so that a former one stays';

CREATE FUNCTION @extschema@.tw_s3_ask(server text, method text, key text, data bytea, OUT status integer, OUT code text,
                                      OUT problem text,
    OUT server_time timestamptz, OUT body bytea)
    LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
    AS 'training_workflow_remote', 'tw_s3_ask_sql';
REVOKE ALL ON FUNCTION @extschema@.tw_s3_ask(text, text, text, bytea) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_s3_ask(text, text, text, bytea) IS
    'One request (PUT, GET, DELETE) and its result; a refusal is no error here';

CREATE FUNCTION @extschema@.tw_s3_servers() RETURNS text[]
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
RETURN @extschema@.tw_endpoint_servers('training_workflow_s3');
REVOKE ALL ON FUNCTION @extschema@.tw_s3_servers() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_s3_servers() IS 'The names of all S3 servers';

CREATE FUNCTION @extschema@.tw_s3_server(server text) RETURNS text
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
RETURN @extschema@.tw_endpoint_server('training_workflow_s3', server, 'S3',
    'CREATE SERVER store FOREIGN DATA WRAPPER training_workflow_s3 OPTIONS (endpoint ''https://...'', bucket ''...''); '
    'and CREATE USER MAPPING FOR PUBLIC SERVER store OPTIONS (access_key_id ''...'', secret_access_key_file '
    '''/...'');');
REVOKE ALL ON FUNCTION @extschema@.tw_s3_server(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_s3_server(text) IS
    'The S3 server of this name, or the only one when the name is NULL. Raises 42704 where there is none, 42P08 where '
    'a name is needed';

CREATE FUNCTION @extschema@.tw_s3_option(server text, option text) RETURNS text
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
RETURN (SELECT o.option_value FROM pg_foreign_server s, pg_options_to_table(s.srvoptions) o
        WHERE s.srvname = server AND o.option_name = option);
REVOKE ALL ON FUNCTION @extschema@.tw_s3_option(text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_s3_option(text, text) IS 'An option of a foreign server';

CREATE FUNCTION @extschema@.tw_s3_probe(server text, OUT state text, OUT tried text, OUT clock_difference interval,
                                        OUT problem text)
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    -- A key for this session alone: two checks at once must not collide.
    key CONSTANT text := format('.training_workflow_check.%s', pg_backend_pid());
    probe CONSTANT bytea := convert_to(format('training_workflow was here: %s', clock_timestamp()), 'UTF8');
    asked record;
    hint text;
    detail text;
BEGIN
    tried := 'put';
    SELECT * INTO asked FROM @extschema@.tw_s3_ask(server, 'PUT', key, probe);
    -- The header Date has whole seconds.
    clock_difference := date_trunc('second', asked.server_time - clock_timestamp() + interval '0.5 seconds');
    problem := asked.problem;
    IF asked.status NOT BETWEEN 200 AND 299 THEN
        state := CASE
            WHEN asked.code = 'RequestTimeTooSkewed'
                 OR asked.status IN (400, 403) AND abs(extract(epoch FROM clock_difference)) > 900 THEN 'clock skew'
            WHEN asked.code = 'NoSuchBucket' OR asked.code IS NULL AND asked.status = 404 THEN 'no bucket'
            WHEN asked.status >= 500 THEN 'failing' ELSE 'refused' END;
        IF asked.code = 'AccessDenied' AND state = 'refused' THEN
            tried := 'put, read';
            SELECT * INTO asked FROM @extschema@.tw_s3_ask(server, 'GET', key, ''::bytea);
            IF asked.status = 200 OR asked.code = 'NoSuchKey' THEN
                state := 'read only';
            END IF;
        END IF;
        RETURN;
    END IF;
    tried := 'put, read';
    SELECT * INTO asked FROM @extschema@.tw_s3_ask(server, 'GET', key, ''::bytea);
    IF asked.body IS DISTINCT FROM probe THEN
        state := CASE WHEN asked.status = 200 OR asked.status >= 500 THEN 'failing' ELSE 'refused' END;
        problem := coalesce(asked.problem,
                            'Another object came back than was stored: check for a cache before the store.');
        RETURN;
    END IF;
    tried := 'put, read, look for another';
    SELECT * INTO asked FROM @extschema@.tw_s3_ask(server, 'GET', key || '.none', ''::bytea);
    IF asked.status <> 404 THEN
        state := CASE WHEN asked.status >= 500 THEN 'failing' ELSE 'refused' END;
        problem := concat_ws(' ', asked.problem,
                             'Without s3:ListBucket on the bucket, the store also refuses objects that do not exist.');
        RETURN;
    END IF;
    tried := 'put, read, look for another, delete';
    SELECT * INTO asked FROM @extschema@.tw_s3_ask(server, 'DELETE', key, ''::bytea);
    state := 'ok';
    IF asked.status NOT BETWEEN 200 AND 299 THEN
        tried := format('put, read, look for another, delete (refused: %s stays)', key);
    END IF;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS problem = MESSAGE_TEXT, hint = PG_EXCEPTION_HINT, detail = PG_EXCEPTION_DETAIL;
    state := CASE WHEN SQLSTATE LIKE '08%' THEN 'unreachable' ELSE 'not configured' END;
    problem := concat_ws(' ', problem || '.', nullif(detail, ''), nullif(hint, ''));
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_s3_probe(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_s3_probe(text) IS
    'Puts a small object, reads it, asks for one that does not exist, deletes the first, and returns how far that '
    'succeeded';
