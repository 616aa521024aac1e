# 006_transaction_ids.pl - capture takes one subtransaction a statement;
# it loses no conversation and swallows no grave error.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TW::Database;
use TW::Util;

my $node = start_node('main');
create_database($node, 'ids');
in_database($node, 'ids');
$node->safe_psql('ids', <<'SQL');
    CREATE ROLE tw_capture LOGIN;
    SELECT grant_training_role('tw_capture', 'capture');
    -- Raises what this setting of the test's says, for the texts that it says.
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF NEW.text LIKE current_setting('test.texts') THEN
            RAISE EXCEPTION USING ERRCODE = current_setting('test.sqlstate'),
                                  MESSAGE = 'refused by the user''s trigger';
        END IF;
        RETURN NEW;
    END $$;
    CREATE FUNCTION doze() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(3600); RETURN NEW; END $$;
    CREATE FUNCTION refuse_record() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        RAISE EXCEPTION 'no record either';
    END $$;
SQL

sub insert {
    my ($text, $rows) = @_;
    return "INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider)
            SELECT 's', '$text', @{[ CONFIDENT ]} FROM generate_series(1, @{[ $rows // 1 ]});\n";
}

# Runs SQL; returns how many transaction ids it took, and what it said.
# Asking for the number of the next one takes none.
sub transaction_ids {
    my ($sql) = @_;
    my $next = 'SELECT pg_snapshot_xmax(pg_current_snapshot());';
    my ($status, $stdout, $stderr) = $node->psql('ids', "$next $sql\n; $next", on_error_stop => 1);
    my ($before, $after) = ($stdout =~ /\A(\d+)\n(?:.*\n)?(\d+)\z/s) or die "$stdout\n$stderr";
    return ($after - $before, $stderr);
}

sub count_rows {
    my ($text) = @_;
    return $node->safe_psql(
        'ids', "SELECT count(*), count(s.id) FROM conversation_logs c
        LEFT JOIN training_samples s ON s.conversation_log_id = c.id WHERE c.user_message LIKE '$text'"
    );
}

# One statement, many rows.
{
    my ($ids) = transaction_ids(insert('many', 120_000));
    cmp_ok($ids, '<', 10, 'an INSERT of 120,000 rows takes a handful of transaction ids');
    is(count_rows('many'), '120000|120000', 'and promotes all of them');

    my ($copied) = transaction_ids(
              "COPY conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider)
                  FROM STDIN;\n"
            . "s\tcopied\tintent.food.item.search\t0.95\tindicbert\n" x 5000
            . "\\.\n");
    cmp_ok($copied, '<', 10, 'so does a COPY');
    is(count_rows('copied'), '5000|5000', 'which promotes, too');
}

# A sample that cannot be made does not take the conversation along.
{
    my $refuse = "SET test.sqlstate = 'P0001'; SET test.texts = '%'; ";
    $node->safe_psql('ids',
        'CREATE TRIGGER refuse BEFORE INSERT ON training_samples FOR EACH ROW EXECUTE FUNCTION refuse()');

    my ($ids, $stderr) = transaction_ids($refuse . insert('refused', 3000));
    cmp_ok($ids, '<', 10, 'a promotion of 3,000 rows that fails takes a handful of transaction ids');
    like(
        $stderr,
        qr/WARNING:.*could not make training samples of 3000 captured conversations: refused by the user's trigger/,
        'the client is warned'
    );
    like($stderr, qr/DETAIL:.*The conversations are kept, and the failure is recorded in job_runs/,
        'and told where to look');
    is(count_rows('refused'), '3000|0', 'the conversations stay');
    my $runs = 'SELECT job_name, status, items_done, items_total, error_code, error_message, finished_at IS NOT NULL
                FROM job_runs ORDER BY id DESC LIMIT 1';
    is(
        $node->safe_psql('ids', $runs),
        "promotion|failed|0|3000|P0001|refused by the user's trigger|t",
        'job_runs has a row about it'
    );
    like(
        $node->safe_psql('ids', 'SELECT problem, found FROM check_integrity()'),
        qr/auto-approved conversation without a sample\|3000\nforeign trigger\|1/,
        'so has check_integrity()'
    );

    # The transaction goes on, and is the same user's as before.
    my ($status, $stdout, $error) = $node->psql('ids',
              "SET test.sqlstate = '23514'; SET test.texts = 'bad'; SET ROLE tw_capture; BEGIN; "
            . insert('good')
            . insert('bad')
            . insert('better')
            . 'SELECT current_user; COMMIT; SELECT current_user; RESET ROLE; SELECT current_user = session_user');
    is($stdout, "tw_capture\ntw_capture\nt", 'the transaction goes on, as the same user');
    is(count_rows('good') . ' ' . count_rows('better') . ' ' . count_rows('bad'),
        '1|1 1|1 1|0', 'what is fine is promoted, before and after');
    sqlstate_is(
        $node, 'ids',
            "SET test.sqlstate = '23514'; SET test.texts = '%'; " . insert('bad') . 'SELECT * FROM training_samples',
        '42501',
        'a failed promotion leaves no rights behind',
        user => 'tw_capture'
    );

    # What cannot even be recorded is kept all the same.
    $node->safe_psql('ids',
        'CREATE TRIGGER refuse_record BEFORE INSERT ON job_runs FOR EACH ROW EXECUTE FUNCTION refuse_record()');
    my (undef, $twice) = transaction_ids($refuse . insert('not recorded'));
    like(
        $twice,
        qr/WARNING:.*could not make a training sample of 1 .*DETAIL:  The conversations are kept\./s,
        'no record either: the warning says only what is true'
    );
    is(count_rows('not recorded'), '1|0', 'no record either: the conversation stays');
    $node->safe_psql('ids', 'DROP TRIGGER refuse_record ON job_runs');

    # The sweep: nothing that is fresh unless it is asked for, and one bad row stops no other.
    is($node->safe_psql('ids', "$refuse SELECT * FROM promote_missed_conversations()"),
        '0|0|0', 'the sweep leaves fresh rows alone');
    my ($failed) = $node->safe_psql(
        'ids', "SET client_min_messages = error; SET test.sqlstate = '23514'; SET test.texts = 'bad';
                                            SELECT * FROM promote_missed_conversations('0')"
    );
    is($failed, '0|3001|2', 'a sweep while one text is still refused promotes the others');
    $node->safe_psql('ids', 'DROP TRIGGER refuse ON training_samples');
    is($node->safe_psql('ids', "SELECT * FROM promote_missed_conversations('0')"),
        '0|2|0', 'once the trigger is gone the sweep promotes the rest');
    is($node->safe_psql('ids', "SELECT * FROM promote_missed_conversations('0')"), '0|0|0',
        'and then there is nothing left');

    # Rows that came in while triggers did not fire, many of them.
    $node->safe_psql('ids', 'SET session_replication_role = replica; ' . insert('late', 5000));
    my ($swept) = transaction_ids("SELECT promote_missed_conversations('0')");
    cmp_ok($swept, '<', 20, 'a sweep of 5,000 rows takes a handful of transaction ids');
    is(count_rows('late'), '5000|5000', 'and filters and promotes all of them');
    samples_match($node, 'ids', 'swept');
    integrity_is_empty($node, 'ids', 'swept');
    sqlstate_is($node, 'ids', "SELECT promote_missed_conversations('-1 s')", '22023', 'a negative age is refused');
}

# Errors that are not about the sample fail the statement: nothing of it stays.
{
    my $runs = $node->safe_psql('ids', 'SELECT count(*) FROM job_runs');
    $node->safe_psql('ids',
        'CREATE TRIGGER refuse BEFORE INSERT ON training_samples FOR EACH ROW EXECUTE FUNCTION refuse()');
    for my $sqlstate (qw(40001 40P01 40003 53000 53100 53200 57014 57000 54001 XX000 XX001 XX002)) {
        sqlstate_is($node, 'ids', "SET test.sqlstate = '$sqlstate'; SET test.texts = '%'; "
            . insert("fatal $sqlstate", 2),
            $sqlstate, "$sqlstate fails the INSERT");
    }
    is(count_rows('fatal %'), '0|0', 'and nothing of it stays');

    # Whoever has a savepoint comes back to it, as the user that they were.
    my (undef, $after) = $node->psql(
        'ids',
        "SET test.sqlstate = '40001'; SET test.texts = 'fatal%'; SET ROLE tw_capture; BEGIN; "
            . insert('first')
            . 'SAVEPOINT s; '
            . insert('fatal again')
            . 'ROLLBACK TO s; SELECT current_user; '
            . insert('second')
            . 'COMMIT',
        on_error_stop => 0
    );
    is($after, 'tw_capture', 'a savepoint brings back the user');
    is(count_rows('first') . ' ' . count_rows('fatal again') . ' ' . count_rows('second'), '1|1 0|0 1|1',
        'and the transaction');

    # Others of the neighbouring classes are about the sample.
    for my $sqlstate (qw(23505 22003 42501 55P03 0A000 58030 P0002)) {
        my ($status, undef, $stderr) =
            $node->psql('ids', "SET test.sqlstate = '$sqlstate'; SET test.texts = '%'; " . insert("kept $sqlstate"));
        is($status, 0, "$sqlstate fails only the sample");
    }
    is(count_rows('kept %'), '7|0', 'and the conversations stay');
    is($node->safe_psql('ids', 'SELECT count(*) FROM job_runs') - $runs, 7,
        'job_runs knows of these, and of no others');
    $node->safe_psql('ids', "DROP TRIGGER refuse ON training_samples; SELECT promote_missed_conversations('0')");
}

# Somebody who wants the statement to stop is obeyed, although it is a promotion that is at work.
{
    $node->safe_psql('ids',
        'CREATE TRIGGER doze BEFORE INSERT ON training_samples FOR EACH ROW EXECUTE FUNCTION doze()');
    my $sleeper = "SELECT pid FROM pg_stat_activity WHERE datname = 'ids' AND wait_event = 'PgSleep'";

    for my $how ('pg_cancel_backend', 'pg_terminate_backend') {
        my $client = start_psql(insert("stopped by $how"));
        ok($node->poll_query_until('ids', "SELECT EXISTS ($sleeper)"), "$how: the promotion is at work");
        $node->safe_psql('ids', "SELECT $how(pid) FROM ($sleeper) x");
        ok(!$client->{run}->finish, "$how: the client sees an error");
        like($client->{err}, $how =~ /cancel/ ? qr/ERROR:  57014:/ : qr/FATAL:  57P01:/,
            "$how: the one that it should");
    }
    sqlstate_is($node, 'ids', "SET statement_timeout = '200ms'; " . insert('stopped by statement_timeout'),
        '57014', 'statement_timeout is obeyed');
    is(count_rows('stopped%'), '0|0', 'nothing of what was stopped stays');
    $node->safe_psql('ids', 'DROP TRIGGER doze ON training_samples');
    is($node->safe_psql('ids', "SELECT * FROM promote_missed_conversations('0')"), '0|0|0',
        'nor is there anything to sweep');
    integrity_is_empty($node, 'ids', 'in the end');
}

$node->stop;
done_testing();
