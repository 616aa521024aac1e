# 003_prepared_transactions.pl - captures in prepared transactions, and a server that is killed before COMMIT PREPARED:
# each is there exactly once, with its sample, or not at all.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TW::Crash::Server;
use TW::Database;
use TW::Util;

use constant TRANSACTIONS => 12;

my $node = start_server('main', conf => "max_prepared_transactions = 50\n");
create_database($node, 'prepared');
in_database($node, 'prepared');

# Of each, ten conversations that are promoted and ten that wait, and a verdict on one of them.
sub prepare {
    my ($name) = @_;
    sql(<<"SQL");
        BEGIN;
        INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider)
        SELECT '$name', 'message ' || g, 'intent.food.item.search', CASE WHEN g > 10 THEN 0.5 ELSE 0.95 END, 'indicbert'
        FROM generate_series(1, 20) g;
        SELECT fix_conversation(max(id), 'intent.food.order.cancel', NULL, '$name') FROM conversation_logs
        WHERE session_id = '$name';
        PREPARE TRANSACTION '$name';
SQL
    return;
}

sub is_there {
    my ($session, $expected, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    is(sql(<<"SQL"), $expected, $name);
        SELECT count(*), count(DISTINCT c.id), count(s.id), count(*) FILTER (WHERE s.label_source = 'human'),
               (SELECT count(*) FROM review_events e WHERE e.note = '$session')
        FROM conversation_logs c LEFT JOIN training_samples s ON s.conversation_log_id = c.id
        WHERE c.session_id = '$session'
SQL
    return;
}

# The server is killed in each of three ways, with four prepared transactions each time.
my $number = 0;
my %names;
for my $how ('postmaster', 'backend', 'postmaster again') {
    for (1 .. TRANSACTIONS / 3) {
        my $name = 'transaction ' . ++$number;
        prepare($name);
        push @{ $names{$how} }, $name;
    }
    # In a transaction that nobody prepared.
    my $open = $node->background_psql('prepared', on_error_stop => 0);
    $open->query("BEGIN; INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence,
        nlu_provider) SELECT 'open $number', 'x', @{[ CONFIDENT ]}");
    my $pid = $open->query('SELECT pg_backend_pid()');
    if ($how eq 'backend') { kill_backend($node, $pid) or die "there is no $pid" }
    else                   { kill_postmaster($node); $node->start }
    eval { $open->quit };
    $node->poll_query_until('prepared', 'SELECT NOT pg_is_in_recovery()') or die 'the server does not come back';

    is(sql('SELECT count(*) FROM pg_prepared_xacts'), $number - (3 * int(($number - 1) / 4)), "$how: all are prepared");
    is_there($_, '0|0|0|0|0', "$how: $_ is not there yet") for @{ $names{$how} };
    is_there("open $number", '0|0|0|0|0', "$how: what was open is gone");
    is(sql(q{SELECT * FROM promote_missed_conversations('0')}), '0|0|0', "$how: there is nothing to sweep");
    integrity_is_empty($node, 'prepared', "$how, prepared");
    # One goes on waiting, so that later kills find it.
    my ($first, $second, $third) = @{ $names{$how} };
    sql("COMMIT PREPARED '$first'");
    sql("ROLLBACK PREPARED '$second'");
    kill_postmaster($node);
    $node->start;
    sql("COMMIT PREPARED '$third'");
    is_there($first,  '20|20|11|1|1', "$how: committed, then killed: everything is there once");
    is_there($second, '0|0|0|0|0',    "$how: rolled back, then killed: nothing is there");
    is_there($third,  '20|20|11|1|1', "$how: killed, then committed: everything is there once");
    samples_match($node, 'prepared', $how);
    integrity_is_empty($node, 'prepared', "$how, committed");
}

# Those that waited through later kills.
for my $how (sort keys %names) {
    my $last = $names{$how}[-1];
    sql("COMMIT PREPARED '$last'");
    is_there($last, '20|20|11|1|1', "$how: $last, which waited: everything is there once");
}
is(sql('SELECT count(*) FROM pg_prepared_xacts'), 0, 'nothing is prepared any more');
is(sql(q{SELECT * FROM promote_missed_conversations('0')}), '0|0|0', 'there is nothing to sweep');
samples_match($node, 'prepared', 'at the end');
integrity_is_empty($node, 'prepared', 'at the end');

# A prepared verdict holds its conversation: a job leaves it to the next run, and does not wait.
my $id = sql("INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider)
    VALUES ('held', 'hmm', 'intent.food.item.search', 0.5, 'indicbert') RETURNING id");
sql("BEGIN; SELECT approve_conversation($id, 'held'); PREPARE TRANSACTION 'verdict'");
kill_postmaster($node);
$node->start;
sql(q{SET statement_timeout = '60s'; CALL daily_training_capture()});
is(sql(q{SELECT status FROM job_runs WHERE job_name = 'daily_training_capture' ORDER BY id DESC LIMIT 1}), 'succeeded',
    'the daily job goes through beside a prepared verdict');
sql(q{COMMIT PREPARED 'verdict'});
is(sql("SELECT review_status FROM conversation_logs WHERE id = $id"), 'approved', 'which counts once it is committed');
integrity_is_empty($node, 'prepared', 'after the verdict');

$node->stop;
done_testing();
