-- Foreign servers of our wrappers: which options they may have, how they
-- are found, and what is said when one is not there.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET training_workflow.allow_drop = on;
DROP EXTENSION IF EXISTS training_workflow CASCADE;
RESET training_workflow.allow_drop;
RESET client_min_messages;
CREATE EXTENSION training_workflow;
SET client_min_messages = warning;

-- Runs the statement and shows how it ends. What libcurl says of a connection is not ours to promise.
CREATE FUNCTION pg_temp.outcome(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    message text;
    detail text;
    hint text;
BEGIN
    EXECUTE statement;
    RETURN 'done';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    detail := replace(regexp_replace(detail, ' libcurl says: .*', ''), current_setting('data_directory'), 'DATA');
    RETURN concat_ws(' / ', SQLSTATE, message, nullif(detail, ''), nullif(hint, ''));
END
$$;

-- The wrappers themselves take no options.
ALTER FOREIGN DATA WRAPPER training_workflow_labelstudio OPTIONS (ADD url 'http://127.0.0.1');
ALTER FOREIGN DATA WRAPPER training_workflow_s3 OPTIONS (ADD bucket 'training');

-- Label Studio's servers.
CREATE SERVER label_studio FOREIGN DATA WRAPPER training_workflow_labelstudio;
CREATE SERVER label_studio FOREIGN DATA WRAPPER training_workflow_labelstudio OPTIONS (uri 'http://127.0.0.1');
CREATE SERVER label_studio FOREIGN DATA WRAPPER training_workflow_labelstudio OPTIONS (
    url 'http://127.0.0.1', token 'abc');
SELECT url, pg_temp.outcome(format('CREATE SERVER tried FOREIGN DATA WRAPPER training_workflow_labelstudio OPTIONS '
                                   '(url %L)', url))
FROM unnest(ARRAY['', 'label-studio', 'label-studio.example.org:8080', 'ftp://example.org', 'file:///etc/passwd',
                  'http://', 'http:///api', 'http:/example.org', 'http:example.org', 'http://:80/',
                  'http://example.org:99999', 'http://ci:secret@example.org', 'http://ci@example.org/',
                  'http://example.org/?', 'http://example.org/?token=secret', 'http://example.org/#top',
                  'http://example.org/a b', E'http://example.org/\r\nX: y',
                  'http://example.org\@127.0.0.1/', U&'http://b\00FCcher.example']) AS url;
SELECT url, pg_temp.outcome(format('CREATE SERVER tried FOREIGN DATA WRAPPER training_workflow_labelstudio OPTIONS '
                                   '(url %L)', url)),
       pg_temp.outcome('DROP SERVER tried') AS dropped
FROM unnest(ARRAY['http://127.0.0.1:8080', 'https://example.org//', 'HTTPS://example.org/label/studio/',
                  'http://[::1]:8080', 'http://example.org/a@b']) AS url;
SELECT options, pg_temp.outcome('CREATE SERVER tried FOREIGN DATA WRAPPER training_workflow_labelstudio OPTIONS '
                                || format('(url ''http://127.0.0.1:1'', %s)', options)) AS outcome
FROM unnest(ARRAY['timeout ''0''', 'timeout ''-1''', 'timeout ''3601''', 'timeout ''30s''', 'timeout ''''',
                  'timeout ''.''', 'timeout ''1.2.3''', 'timeout ''NaN''', 'connect_timeout ''1e3''',
                  'import_timeout ''0x10''', 'verify_tls ''perhaps''', 'ca_file ''ca.pem''']) AS options;
CREATE SERVER label_studio FOREIGN DATA WRAPPER training_workflow_labelstudio OPTIONS (
    url 'http://127.0.0.1:1/sub/', timeout '2.5', connect_timeout '.5', import_timeout '3600', verify_tls 'off',
    ca_file '/etc/ssl/ca.pem');
ALTER SERVER label_studio OPTIONS (DROP url);
ALTER SERVER label_studio OPTIONS (DROP ca_file);

-- Its tokens: neither message nor hint shows one.
CREATE USER MAPPING FOR PUBLIC SERVER label_studio;
CREATE USER MAPPING FOR PUBLIC SERVER label_studio OPTIONS (password 'abc');
CREATE USER MAPPING FOR PUBLIC SERVER label_studio OPTIONS (token 'abc', token_file '/etc/token');
SELECT pg_temp.outcome(format('CREATE USER MAPPING FOR PUBLIC SERVER label_studio OPTIONS (token %L)', token))
FROM unnest(ARRAY['', E'secret\r\nX-Injected: 1', E'secret\n', 'sec ret', E'secret\t', E'secret\x7f',
                  U&'secr\00E9t']) AS token;
CREATE USER MAPPING FOR PUBLIC SERVER label_studio OPTIONS (token_file 'token');

-- S3.
CREATE SERVER store FOREIGN DATA WRAPPER training_workflow_s3 OPTIONS (bucket 'training');
CREATE SERVER store FOREIGN DATA WRAPPER training_workflow_s3 OPTIONS (endpoint 'http://127.0.0.1:1');
CREATE SERVER store FOREIGN DATA WRAPPER training_workflow_s3 OPTIONS (
    endpoint 'http://127.0.0.1:1', bucket 'training', acl 'public');
CREATE SERVER store FOREIGN DATA WRAPPER training_workflow_s3 OPTIONS (
    endpoint 'http://127.0.0.1:1/training', bucket 'training');
SELECT options, pg_temp.outcome('CREATE SERVER tried FOREIGN DATA WRAPPER training_workflow_s3 OPTIONS '
                                || format('(endpoint ''http://127.0.0.1:1'', %s)', options)) AS outcome
FROM unnest(ARRAY['bucket ''ab''', 'bucket ''Training''', 'bucket ''-training''', 'bucket ''training.''',
                  'bucket ''a..b''', 'bucket ''10.0.0.1''', format('bucket %L', repeat('a', 64)), 'bucket ''a/b''',
                  'bucket ''abc'', prefix ''/a''', 'bucket ''abc'', prefix ''a/../b''',
                  'bucket ''abc'', prefix ''a b''', 'bucket ''abc'', prefix ''''', 'bucket ''abc'', region ''''',
                  'bucket ''abc'', region ''US''', 'bucket ''abc'', path_style ''x''']) AS options;
CREATE SERVER store FOREIGN DATA WRAPPER training_workflow_s3 OPTIONS (
    endpoint 'https://127.0.0.1:1/', bucket 'training.2026-01',
    prefix 'exports/loop_1/', region 'eu-central-1', path_style 'off', timeout '60');
CREATE USER MAPPING FOR PUBLIC SERVER store OPTIONS (access_key_id 'AKIA');
CREATE USER MAPPING
    FOR PUBLIC SERVER store OPTIONS (access_key_id 'AKIA', secret_access_key 'abc', secret_access_key_file '/etc/key');
CREATE USER MAPPING FOR PUBLIC SERVER store OPTIONS (access_key_id 'AKIA', token 'abc');
CREATE USER MAPPING FOR PUBLIC SERVER store OPTIONS (access_key_id 'AKIA', secret_access_key_file '/etc/key');

-- Files of the server are not for everybody to name.
CREATE ROLE regress_endpoints;
GRANT USAGE ON FOREIGN DATA WRAPPER training_workflow_labelstudio TO regress_endpoints;
SET ROLE regress_endpoints;
CREATE SERVER theirs FOREIGN DATA WRAPPER training_workflow_labelstudio OPTIONS (
    url 'http://127.0.0.1:1', ca_file '/etc/ssl/ca.pem');
CREATE SERVER theirs FOREIGN DATA WRAPPER training_workflow_labelstudio OPTIONS (url 'http://127.0.0.1:1');
CREATE USER MAPPING FOR regress_endpoints SERVER theirs OPTIONS (token_file '/etc/passwd');
CREATE USER MAPPING FOR regress_endpoints SERVER theirs OPTIONS (token 'abc');
SELECT tw_labelstudio_token_kind('theirs');
RESET ROLE;
GRANT pg_read_server_files TO regress_endpoints;
SET ROLE regress_endpoints;
ALTER USER MAPPING FOR regress_endpoints SERVER theirs OPTIONS (DROP token, ADD token_file '/etc/token');
RESET ROLE;

-- Finding a server and its mapping: the extension owner's, or PUBLIC's, and nobody else's.
SELECT tw_labelstudio_token_kind('nowhere');
SELECT tw_labelstudio_token_kind('store');
SELECT pg_temp.outcome($$SELECT tw_labelstudio_token_kind('theirs')$$)
           LIKE '42704 / there is no user mapping for server "theirs" / That of the extension''s owner % is used, or '
                'else that of PUBLIC. / CREATE USER MAPPING FOR % SERVER theirs OPTIONS (token ''...'') or OPTIONS '
                '(token_file ''/path''); or the same FOR PUBLIC.' AS as_it_should;
CREATE USER MAPPING FOR PUBLIC SERVER label_studio OPTIONS (token '0123456789abcdef');
SELECT tw_labelstudio_token_kind('label_studio');
CREATE USER MAPPING FOR CURRENT_USER SERVER label_studio OPTIONS (token 'e30.eyJ0b2tlbl90eXBlIjoicmVmcmVzaCJ9.x');
SELECT tw_labelstudio_token_kind('label_studio');
-- Other JSON Web Tokens, and what only looks like one.
SELECT token, pg_temp.outcome(format('ALTER USER MAPPING FOR CURRENT_USER SERVER label_studio OPTIONS (SET token %L)',
                                     token)) AS changed,
       tw_labelstudio_token_kind('label_studio')
FROM unnest(ARRAY['e30.eyJ0b2tlbl90eXBlIjoiYWNjZXNzIn0.x', 'e30.bm8ganNvbg.x', 'e30.W10.x', 'e30.!.x', 'a.b',
                  'a.eyJ0b2tlbl90eXBlIjoicmVmcmVzaCJ9.b.c', '..']) AS token;

-- A file with the token: read when it is used.
SELECT current_setting('data_directory') || '/regress_token' AS token_file \gset
CREATE TEMP TABLE contents (line text);
ALTER USER MAPPING FOR CURRENT_USER SERVER label_studio OPTIONS (DROP token, ADD token_file :'token_file');
SELECT pg_temp.outcome($$SELECT tw_labelstudio_token_kind('label_studio')$$);
INSERT INTO contents VALUES ('e30.eyJ0b2tlbl90eXBlIjoicmVmcmVzaCJ9.x'), (' '), ('');
COPY contents TO :'token_file';
SELECT tw_labelstudio_token_kind('label_studio');
SELECT content IS NOT NULL AS written,
       pg_temp.outcome(format('COPY (SELECT %L) TO %L', content, :'token_file')) AS written_as,
       pg_temp.outcome($$SELECT tw_labelstudio_token_kind('label_studio')$$) AS outcome
FROM unnest(ARRAY['', '  ', E'secret\x01', 'sec ret', repeat('s', 65537), repeat('s', 65000)]) AS content;
ALTER USER MAPPING FOR CURRENT_USER SERVER label_studio OPTIONS (SET token_file '/dev/null');
SELECT pg_temp.outcome($$SELECT tw_labelstudio_token_kind('label_studio')$$);
ALTER USER MAPPING FOR CURRENT_USER SERVER label_studio OPTIONS (DROP token_file, ADD token '0123456789abcdef');
-- The program reads its line first: the server would mind if it went before that.
SELECT pg_temp.outcome(format('COPY (SELECT) TO PROGRAM %L', format('cat >/dev/null; rm -f "%s"', :'token_file')))
    AS removed;

-- Requests: what cannot be asked, and nobody at home. A GET is tried three times.
SELECT tw_labelstudio_request(NULL, 'GET', '/');
SELECT tw_labelstudio_request('label_studio', 'get', '/');
SELECT path, pg_temp.outcome(format($$SELECT tw_labelstudio_request('label_studio', 'GET', %L)$$, path))
FROM unnest(ARRAY['', 'api/version/', '/a?b', '/a#b', '/a b', E'/a\r\nX: y', '/%2e']) AS path;
SELECT pg_temp.outcome(format($$SELECT tw_labelstudio_request('label_studio', 'GET', '/', %L)$$, parameters))
FROM unnest(ARRAY['{page}', '{page,NULL}']) AS parameters;
SELECT pg_temp.outcome($$SELECT tw_labelstudio_request('label_studio', 'POST', '/api/projects/', NULL, '{}')$$);
SELECT pg_temp.outcome($$SELECT tw_labelstudio_request('label_studio', 'GET', '/api/projects/', '{title,secret}')$$);
-- Cancelled between two tries.
SET statement_timeout = '200ms';
SELECT tw_labelstudio_request('label_studio', 'GET', '/api/projects/');
RESET statement_timeout;
-- Not for everybody.
SET ROLE regress_endpoints;
SELECT tw_labelstudio_request('theirs', 'GET', '/');
RESET ROLE;

DROP SERVER label_studio, store, theirs CASCADE;
DROP OWNED BY regress_endpoints;
DROP ROLE regress_endpoints;
