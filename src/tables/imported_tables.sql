-- Tables that conversations were imported from: what close_old_table() and check_integrity() have to know of them.

CREATE TABLE @extschema@.imported_tables (
    source text NOT NULL,
    columns jsonb NOT NULL,
    time_zone text NOT NULL,
    id_column text NOT NULL,
    last_number bigint,
    imported_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT imported_tables_pkey PRIMARY KEY (source)
);
REVOKE ALL ON TABLE @extschema@.imported_tables FROM PUBLIC;
SELECT pg_extension_config_dump('@extschema@.imported_tables', '');
COMMENT ON TABLE @extschema@.imported_tables IS
    'Tables and views that import_conversations() has read, and how: one row for each name';
COMMENT ON COLUMN @extschema@.imported_tables.source IS 'Its name, with the schema';
COMMENT ON COLUMN @extschema@.imported_tables.columns IS 'The argument columns of the last import';
COMMENT ON COLUMN @extschema@.imported_tables.time_zone IS 'The argument time_zone of the last import';
COMMENT ON COLUMN @extschema@.imported_tables.id_column IS 'The column that identifies a row';
COMMENT ON COLUMN @extschema@.imported_tables.last_number IS
    'The highest id that the last import saw, if ids are integers; NULL if they are not, or there was no row';
COMMENT ON COLUMN @extschema@.imported_tables.imported_at IS 'Start of the transaction of the last import';
