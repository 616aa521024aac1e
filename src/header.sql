\echo Use "CREATE EXTENSION training_workflow" to load this file. \quit

-- Every object is created by its full name and every expression is parsed with this path, so that nothing which
-- somebody put into the target schema beforehand can take the place of a built-in function or operator.
SET LOCAL search_path TO pg_catalog, pg_temp;

-- Both checks come before the first CREATE: a clear refusal beats "relation already exists" halfway through.
DO $install_check$
DECLARE
    taken text;
BEGIN
    IF current_setting('server_encoding') <> 'UTF8' THEN
        RAISE EXCEPTION USING
            ERRCODE = 'feature_not_supported',
            MESSAGE = 'training_workflow needs a database whose encoding is UTF8',
            DETAIL = format('The encoding of database "%s" is %s.', current_database(),
                            current_setting('server_encoding')),
            HINT = 'Create a database with ENCODING ''UTF8'' TEMPLATE template0 and install the extension there.';
    END IF;

    SELECT string_agg(format('"%s"', c.relname), ', ' ORDER BY c.relname) INTO taken
    FROM pg_class c
    WHERE c.relnamespace = '@extschema@'::regnamespace
      AND c.relname = ANY ('{@RELATIONS@}'); -- see Makefile
    IF taken IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'duplicate_table',
            MESSAGE = format('schema %s already has relations that training_workflow would create', '@extschema@'),
            DETAIL = format('Already there: %s.', taken),
            HINT = 'Install beside them: CREATE SCHEMA training; CREATE EXTENSION training_workflow SCHEMA training; '
                   'then copy what they hold with '
                || 'SELECT * FROM training.import_conversations(''@extschema@.conversation_logs'');';
    END IF;
    IF EXISTS (SELECT FROM pg_namespace n, aclexplode(n.nspacl) a
               WHERE n.oid = '@extschema@'::regnamespace AND a.grantee = 0 AND a.privilege_type = 'CREATE') THEN
        -- CREATE EXTENSION lets no notice of its script through.
        RAISE WARNING USING
            MESSAGE = format('every role may create objects in schema "%s", where training_workflow is installed',
                '@extschema@'),
            DETAIL = 'You could then call a function of another role instead of one of the extension.',
            HINT = format('Install it in a schema of its own (CREATE SCHEMA training; '
                'CREATE EXTENSION training_workflow SCHEMA training;), '
                'or REVOKE CREATE ON SCHEMA %s FROM PUBLIC;', '@extschema@');
    END IF;
END
$install_check$;
