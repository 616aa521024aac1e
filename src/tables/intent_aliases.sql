-- intent_aliases: the former names of intents that were renamed or merged. Models trained before answer with them,
-- applications capture them, files name them. Capture reads the table for every row (src/rules/intent_names.c).

CREATE TABLE @extschema@.intent_aliases (
    alias text NOT NULL,
    intent text NOT NULL,
    made_by text NOT NULL,
    note text,
    reviewer text NOT NULL,
    session_role text NOT NULL DEFAULT session_user,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT intent_aliases_pkey PRIMARY KEY (alias),
    CONSTRAINT intent_aliases_names_check CHECK (alias <> intent),
    CONSTRAINT intent_aliases_made_by_check CHECK (made_by IN ('rename', 'merge'))
);
REVOKE ALL ON TABLE @extschema@.intent_aliases FROM PUBLIC;
SELECT pg_extension_config_dump('@extschema@.intent_aliases', '');

COMMENT ON TABLE @extschema@.intent_aliases IS
    'Former names of intents; written by rename_intent() and merge_intents(). Captures, imports, verdicts and answers '
    'of models that use one are taken for the current name';
COMMENT ON COLUMN @extschema@.intent_aliases.alias IS 'The former name';
COMMENT ON COLUMN @extschema@.intent_aliases.intent IS 'The current name; never a former name itself';
COMMENT ON COLUMN @extschema@.intent_aliases.made_by IS
    'rename, or merge: of those, the earlier intent cannot be told from the current one any more';
COMMENT ON COLUMN @extschema@.intent_aliases.note IS 'Why, as the operator wrote; NULL = not given';
COMMENT ON COLUMN @extschema@.intent_aliases.reviewer IS
    'The person who renamed or merged it: the name that was passed, or else the calling role';
COMMENT ON COLUMN @extschema@.intent_aliases.session_role IS 'The login role';
COMMENT ON COLUMN @extschema@.intent_aliases.created_at IS 'When it was renamed or merged';

-- ENABLE ALWAYS, and one trigger a row: logical replication fires neither ordinary nor statement-level triggers.
CREATE TRIGGER intent_aliases_invalidate AFTER INSERT OR UPDATE OR DELETE ON @extschema@.intent_aliases
    FOR EACH ROW EXECUTE FUNCTION @extschema@.tw_invalidate_cache();
CREATE TRIGGER intent_aliases_invalidate_truncate AFTER TRUNCATE ON @extschema@.intent_aliases
    FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.tw_invalidate_cache();
ALTER TABLE @extschema@.intent_aliases ENABLE ALWAYS TRIGGER intent_aliases_invalidate;
ALTER TABLE @extschema@.intent_aliases ENABLE ALWAYS TRIGGER intent_aliases_invalidate_truncate;
