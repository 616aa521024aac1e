# 048_formed_rows.pl - a captured row lies in its table, byte for byte, as the server forms it.
#
# Capture copies the application's columns as they came (form_row.c). The same values in a copy of the table without
# triggers are what the server makes of them.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TW::Database;
use TW::Util;

my $sharedir = `$ENV{PG_CONFIG} --sharedir`;
chomp $sharedir;
plan skip_all => 'pageinspect is not installed' unless -e "$sharedir/extension/pageinspect.control";

my $node = start_node('main');
create_database($node, 'formed');
in_database($node, 'formed');
my $columns = join ', ', qw(session_id phone_number user_id user_message message_type message_language nlu_intent
    nlu_confidence nlu_module_id nlu_module_type nlu_provider nlu_model_version nlu_entities nlu_processing_time_ms
    response_text response_success metadata created_at);
$node->safe_psql('formed', <<'SQL');
    CREATE EXTENSION pageinspect;
    -- A text: empty, long, long and hard to compress, short, or NULL.
    CREATE FUNCTION some_text(n int, share double precision) RETURNS text LANGUAGE sql VOLATILE AS $$
        SELECT CASE WHEN random() < share THEN NULL WHEN random() < 0.1 THEN ''
            WHEN random() < 0.05 THEN repeat('x', 9000)
            WHEN random() < 0.05 THEN (SELECT string_agg(md5(random()::text || n), '') FROM generate_series(1, 200))
            ELSE left(repeat(md5(n::text), 8), (random() * 255)::int) END
    $$;
    -- By the id, which is the first column. Whatever is stored outside the row has another address in the copy.
    CREATE FUNCTION inline_rows(relation regclass)
        RETURNS TABLE (id bytea, length int2, mask int, bits text, data bytea) LANGUAGE sql AS $$
        SELECT substr(t_data, 1, 8), lp_len, t_infomask & 7, t_bits, t_data
        FROM generate_series(0, pg_relation_size(relation) / current_setting('block_size')::int - 1) AS b,
            LATERAL heap_page_items(get_raw_page(relation::text, b::int))
        WHERE t_infomask & 4 = 0
    $$;
SQL

# Rows with this share of NULLs, however they come in.
sub make_rows {
    my ($share) = @_;
    $node->safe_psql(
        'formed', <<SQL);
        DROP TABLE IF EXISTS given;
        SELECT setseed(0.5);
        CREATE TABLE given AS
        SELECT n AS id, coalesce(some_text(n, 0), 's') AS session_id, some_text(n, $share) AS phone_number,
            some_text(n, $share) AS user_id, coalesce(some_text(n, $share), '') AS user_message,
            (ARRAY['text', 'audio', NULL])[1 + n % 3] AS message_type, some_text(n, $share) AS message_language,
            CASE WHEN random() > $share THEN 'intent.' || n % 5 END AS nlu_intent,
            CASE WHEN random() > $share THEN random() END AS nlu_confidence,
            CASE WHEN random() > $share THEN n % 9 END AS nlu_module_id,
            CASE WHEN random() > $share THEN 'food' END AS nlu_module_type,
            CASE WHEN random() > $share THEN 'indicbert' END AS nlu_provider,
            CASE WHEN random() > $share THEN 'router-' || n END AS nlu_model_version,
            CASE WHEN random() > $share THEN
                (ARRAY['{"a": [1, 2.5, "x"]}', '[]', 'null', '"{\\"b\\": 1}"'])[1 + n % 4]::jsonb END AS nlu_entities,
            CASE WHEN random() > $share THEN (random() * 1000)::int END AS nlu_processing_time_ms,
            some_text(n, $share) AS response_text,
            CASE WHEN random() > $share THEN random() < 0.5 END AS response_success,
            CASE WHEN random() > $share THEN jsonb_build_object('m', some_text(n, 0.5)) END AS metadata,
            CASE WHEN random() > $share THEN now() - n * interval '37 minutes' END AS created_at
        FROM generate_series(1, 1500) AS n;
SQL
    return;
}

# Inserts them by this statement, and compares the rows with those of a copy.
sub formed_alike {
    my ($statement, $what) = @_;
    $node->safe_psql('formed', "TRUNCATE conversation_logs CASCADE; DROP TABLE IF EXISTS copy; $statement;");
    # Old versions of the rows may be in the way.
    $node->safe_psql('formed', 'VACUUM conversation_logs');
    $node->safe_psql('formed', <<'SQL');
        CREATE TABLE copy (LIKE conversation_logs INCLUDING STORAGE INCLUDING COMPRESSION);
        DO $$ BEGIN EXECUTE (SELECT format('INSERT INTO copy SELECT %s FROM conversation_logs ORDER BY ctid',
            string_agg(CASE WHEN attlen = -1 THEN format('CASE WHEN true THEN %I END', attname)
                            ELSE quote_ident(attname) END, ', ' ORDER BY attnum))
            FROM pg_attribute WHERE attrelid = 'conversation_logs'::regclass AND attnum > 0 AND NOT attisdropped);
        END $$;
SQL
    my $counts = $node->safe_psql('formed', <<'SQL');
        SELECT count(*) > 1000,
            count(*) FILTER (WHERE (a.length, a.mask, a.bits, a.data) IS DISTINCT FROM
                (b.length, b.mask, b.bits, b.data))
        FROM inline_rows('conversation_logs') AS a JOIN inline_rows('copy') AS b USING (id);
SQL
    is($counts, 't|0', $what);
    values_are_there($what);
    return;
}

# What the application gave is there. Entities are unwrapped, and defaults take the place of NULL.
sub values_are_there {
    my ($what) = @_;
    my $changed = $node->safe_psql('formed', <<'SQL');
        SELECT count(*) FROM (SELECT session_id, phone_number, user_id, user_message, nlu_intent, nlu_confidence,
            nlu_provider, nlu_model_version, response_text, response_success, metadata FROM given
            EXCEPT ALL
            SELECT session_id, phone_number, user_id, user_message, nlu_intent, nlu_confidence,
            nlu_provider, nlu_model_version, response_text, response_success, metadata FROM conversation_logs) AS x;
SQL
    is($changed, '0', "$what: all values are there");
    return;
}

for my $share (0, 0.3, 0.95) {
    make_rows($share);
    formed_alike("INSERT INTO conversation_logs ($columns) SELECT $columns FROM given", "INSERT, $share of NULLs");
}
make_rows(0.3);
$node->safe_psql('formed', <<"SQL");
    CREATE FUNCTION one_by_one() RETURNS void LANGUAGE plpgsql AS \$\$
    DECLARE r given;
    BEGIN
        FOR r IN SELECT * FROM given LOOP
            INSERT INTO conversation_logs ($columns) SELECT $columns FROM (SELECT r.*) AS x;
        END LOOP;
    END \$\$;
SQL
formed_alike('SELECT one_by_one()', 'one by one');
my $file = "$node->{_basedir}/rows";
$node->safe_psql('formed', "COPY (SELECT $columns FROM given) TO '$file'");
formed_alike("COPY conversation_logs ($columns) FROM '$file'", 'COPY');

# Rows that are filtered late, by an UPDATE.
formed_alike("SET session_replication_role = replica;
    INSERT INTO conversation_logs ($columns) SELECT $columns FROM given;
    RESET session_replication_role;
    SELECT promote_missed_conversations('0')", 'rows that are filtered late');
is($node->safe_psql('formed', 'SELECT count(*) FROM conversation_logs WHERE filtered_at IS NULL'), '0',
    'rows that are filtered late: all of them are');

# Rows of a table of the same shape come as they lie there, with what is stored outside them.
$node->safe_psql('formed', "CREATE TABLE twin (LIKE conversation_logs INCLUDING STORAGE);
    INSERT INTO twin (id, $columns) SELECT id + 100000, $columns FROM given");
formed_alike('INSERT INTO conversation_logs SELECT * FROM twin', 'rows of a table of the same shape');

# A column of the user's, which both tables get now: the rows that lie in the other one do not have it.
$node->safe_psql('formed', "ALTER TABLE $_ ADD COLUMN own uuid") for qw(conversation_logs twin);
formed_alike('INSERT INTO conversation_logs SELECT * FROM twin', 'rows without the last column');
is($node->safe_psql('formed', 'SELECT own IS NULL, count(*) FROM conversation_logs GROUP BY 1'),
    't|1500', 'rows without the last column: it is empty');
# Where it has a value, the row is not formed here.
formed_alike("INSERT INTO conversation_logs ($columns) SELECT $columns FROM given", 'a column of the user, empty');
formed_alike("INSERT INTO conversation_logs ($columns, own) SELECT $columns, md5(id::text)::uuid FROM given",
    'a column of the user');
$node->safe_psql('formed', 'ALTER TABLE conversation_logs DROP COLUMN own');
formed_alike("INSERT INTO conversation_logs ($columns) SELECT $columns FROM given", 'a column of the user, gone');
$node->safe_psql('formed', 'ALTER TABLE conversation_logs ALTER COLUMN metadata SET STORAGE PLAIN,
    ALTER COLUMN review_status SET STORAGE PLAIN');
# Here the copy would not be the measure: a value that is computed is packed before the server looks at the column.
$node->safe_psql('formed',
    "TRUNCATE conversation_logs CASCADE; INSERT INTO conversation_logs ($columns) SELECT $columns FROM given");
values_are_there('columns that are stored plain');

# Whoever looks at the whole row sees what the filter made of it: a later trigger, and RETURNING.
my $seen = $node->safe_psql('formed', <<'SQL');
    CREATE FUNCTION look() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE whole conversation_logs := NEW;
    BEGIN
        NEW.metadata := jsonb_build_object('before', to_jsonb(whole) -> 'review_status');
        RETURN NEW;
    END $$;
    CREATE TRIGGER zz_look BEFORE INSERT ON conversation_logs FOR EACH ROW EXECUTE FUNCTION look();
    CREATE TABLE kept (whole conversation_logs);
    WITH captured AS (
        INSERT INTO conversation_logs (session_id, user_message) VALUES ('s', 'Book a cab'), ('t', 'Two, please')
        RETURNING conversation_logs AS whole)
    INSERT INTO kept SELECT whole FROM captured;
    SELECT count(*), bool_and((k.whole).metadata ->> 'before' = c.review_status AND k.whole = c),
        string_agg(c.review_status, ' ')
    FROM kept AS k JOIN conversation_logs AS c ON c.id = (k.whole).id;
SQL
is($seen, '2|t|needs-review needs-review', 'the whole row in a later trigger, in RETURNING, and stored as a value');

$node->stop;
done_testing();
