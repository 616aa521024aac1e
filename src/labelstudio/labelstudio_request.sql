-- Requests to Label Studio.

-- Nobody but the owner calls these two: whoever could would act over there with the owner's token.
CREATE FUNCTION @extschema@.tw_labelstudio_request(server text, method text, path text, parameters text[] DEFAULT NULL,
    body text DEFAULT NULL, is_import boolean DEFAULT false, OUT status integer, OUT reply jsonb,
    OUT server_time timestamptz)
    LANGUAGE c VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
    AS 'training_workflow_remote', 'tw_labelstudio_request';
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_request(text, text, text, text[], text, boolean) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_request(text, text, text, text[], text, boolean) IS
    'One request to the Label Studio of a foreign server, with its token: path and parameters (names and values in '
    'turn) make the address, body is JSON. NULL as the reply: there was none, or none in JSON. server_time is the '
    'clock over there';

CREATE FUNCTION @extschema@.tw_labelstudio_token_kind(server text) RETURNS text
    LANGUAGE c STRICT VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
    AS 'training_workflow_remote', 'tw_labelstudio_token_kind';
REVOKE ALL ON FUNCTION @extschema@.tw_labelstudio_token_kind(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labelstudio_token_kind(text) IS
    'legacy token or personal access token: which of them the user mapping of that server holds';
