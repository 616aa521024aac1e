-- Requests to Label Studio.

-- Only the owner may call these two functions: they use the owner's token.
CREATE FUNCTION @extschema@.tw_labelstudio_request(server text, method text, path text, parameters text[] DEFAULT NULL,
    body text DEFAULT NULL, is_import boolean DEFAULT false, OUT status integer, OUT reply jsonb,
    OUT server_time timestamptz)
    LANGUAGE c VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
    AS 'training_workflow_remote', 'tw_labelstudio_request';
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_request(text, text, text, text[], text, boolean) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_request(text, text, text, text[], text, boolean) IS
    'One request to the Label Studio of a foreign server, with its token: path and parameters (alternating names and '
    'values) form the address, body is JSON. reply is NULL without a reply in JSON. server_time is Label Studio''s '
    'clock';

CREATE FUNCTION @extschema@.tw_labelstudio_token_kind(server text) RETURNS text
    LANGUAGE c STRICT VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
    AS 'training_workflow_remote', 'tw_labelstudio_token_kind';
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_token_kind(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_token_kind(text) IS
    'The kind of token in the user mapping of that server: legacy token or personal access token';
