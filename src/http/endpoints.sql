-- Foreign servers: the addresses of Label Studio and S3, and the functions that connect to them. The functions are in a
-- separate library, which loads libcurl.

CREATE FUNCTION @extschema@.tw_labelstudio_options(options text[], catalog oid) RETURNS void
    LANGUAGE c STRICT SET search_path = pg_catalog, pg_temp
    AS 'training_workflow_remote', 'tw_labelstudio_options';
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_options(text[], oid) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_options(text[], oid) IS
    'Validator of training_workflow_labelstudio: raises an error for invalid options of a server or a user mapping';

CREATE FUNCTION @extschema@.tw_s3_options(options text[], catalog oid) RETURNS void
    LANGUAGE c STRICT SET search_path = pg_catalog, pg_temp
    AS 'training_workflow_remote', 'tw_s3_options';
REVOKE ALL ON FUNCTION @extschema@.tw_s3_options(text[], oid) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_s3_options(text[], oid) IS
    'Validator of training_workflow_s3: raises an error for invalid options of a server or a user mapping';

CREATE FOREIGN DATA WRAPPER training_workflow_labelstudio NO HANDLER VALIDATOR @extschema@.tw_labelstudio_options;
COMMENT ON FOREIGN DATA WRAPPER training_workflow_labelstudio IS
    'Label Studio installations. Server: url, ca_file, verify_tls, connect_timeout, timeout, import_timeout (seconds). '
    'User mapping of the extension''s owner or of PUBLIC: token or token_file';

CREATE FOREIGN DATA WRAPPER training_workflow_s3 NO HANDLER VALIDATOR @extschema@.tw_s3_options;
COMMENT ON FOREIGN DATA WRAPPER training_workflow_s3 IS
    'Object stores with the S3 protocol. Server: endpoint, region, bucket, prefix, path_style, ca_file, verify_tls, '
    'connect_timeout, timeout (seconds). User mapping of the extension''s owner or of PUBLIC: access_key_id and '
    'secret_access_key, or each with the suffix _file';

CREATE FUNCTION @extschema@.tw_endpoint_servers(wrapper text) RETURNS text[]
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
RETURN ARRAY(SELECT s.srvname::text FROM pg_foreign_server s JOIN pg_foreign_data_wrapper w ON w.oid = s.srvfdw
             WHERE w.fdwname = wrapper ORDER BY s.srvname);
REVOKE ALL ON FUNCTION @extschema@.tw_endpoint_servers(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_endpoint_servers(text) IS 'The names of all servers of a wrapper';

CREATE FUNCTION @extschema@.tw_endpoint_server(wrapper text, server text, kind text, how_to_make_one text) RETURNS text
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    servers CONSTANT text[] := @extschema@.tw_endpoint_servers(wrapper);
BEGIN
    IF server IS NULL AND cardinality(servers) = 1 THEN
        RETURN servers[1];
    END IF;
    IF server IS NULL OR server <> ALL (servers) THEN
        RAISE EXCEPTION USING
            ERRCODE = CASE WHEN server IS NULL AND cardinality(servers) > 1 THEN 'ambiguous_parameter'
                           ELSE 'undefined_object' END,
            MESSAGE = CASE WHEN server IS NOT NULL THEN format('there is no %s server "%s"', kind,
                                                             @extschema@.tw_excerpt(server))
                           WHEN cardinality(servers) = 0 THEN format('there is no %s server', kind)
                           ELSE format('there is more than one %s server', kind) END,
            HINT = CASE WHEN cardinality(servers) = 0 THEN how_to_make_one
                        ELSE format('Name one of: %s.',
                                    @extschema@.tw_cut_text(array_to_string(servers, ', '), 1000)) END;
    END IF;
    RETURN server;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_endpoint_server(text, text, text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_endpoint_server(text, text, text, text) IS
    'The server of this name and wrapper, or the only one when the name is NULL. Raises 42704 where there is none, '
    '42P08 where a name is needed';
