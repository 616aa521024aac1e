# 005_capture_concurrency.pl - clients that capture the same texts at once, in any order, never wait for each other;
# those that send the same calls, by idempotency_key, store each of them once.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TW::Util;

# The server tells of every wait for a lock that is longer than deadlock_timeout.
my $node = start_node('main', conf => "log_lock_waits = on\ndeadlock_timeout = 100ms\n");
my $dir  = PostgreSQL::Test::Utils::tempdir;

create_database($node, 'busy');
$node->safe_psql('busy', "CREATE ROLE tw_capture LOGIN; SELECT grant_training_role('tw_capture', 'capture')");

# 20 texts in all, so that everybody says the same; half of the rows are promoted.
sub batch {
    my ($session, $rows, $order) = @_;
    return
          "INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider) "
        . "SELECT '$session', 'text ' || g % 20, 'intent.food.item.search', 0.76 + 0.02 * (g % 10), 'indicbert' "
        . "FROM generate_series(1, $rows) g ORDER BY g % 20 $order, g;\n";
}

sub single {
    my ($session) = @_;
    return
          "\\set n random(1, 1000)\n"
        . "INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider) "
        . "VALUES ('$session', 'text ' || (:n % 20), 'intent.food.item.search', 0.76 + 0.02 * (:n % 10),
            'indicbert');\n";
}

# name, script, transactions, rows in each, how the statements are sent: 100,000 rows of eight clients.
my @clients = (
    [ 'singles 1', single('singles 1'), 8000, 1, 'prepared' ],
    [ 'singles 2', single('singles 2'), 8000, 1, 'extended' ],
    [ 'transactions', "BEGIN;\n" . single('transactions') x 5 . "COMMIT;\n", 400, 5, 'simple' ],
    [ 'batches up', batch('batches up', 500, 'ASC'), 55, 500, 'simple' ],
    [ 'batches down', batch('batches down', 500, 'DESC'), 55, 500, 'prepared' ],
    [
        'batches up, down',
        "BEGIN;\n" . batch('batches up, down', 100, 'ASC') . batch('batches up, down', 100, 'DESC') . "COMMIT;\n",
        133, 200, 'simple'
    ],
    [ 'held up', "BEGIN;\n" . batch('held up', 100, 'ASC') . "SELECT pg_sleep(2);\nCOMMIT;\n", 2, 100, 'simple' ],
    [ 'held down', "BEGIN;\n" . batch('held down', 100, 'DESC') . "SELECT pg_sleep(2);\nCOMMIT;\n", 2, 100, 'simple' ]
);
my $total = 0;
$total += $_->[2] * $_->[3] for @clients;
is($total, 100_000, 'the clients have as much to do as they should');

# Two transactions hold all of the texts for as long as the clients run:
# whoever waited for one of them would wait for ever.
$ENV{PGOPTIONS} = '-c lock_timeout=1s';
my @holders = map { $node->background_psql('busy', on_error_stop => 0, extra_params => [ '-U', 'tw_capture' ]) } 1 .. 2;
$holders[0]->query("BEGIN;\n" . batch('held throughout', 100, 'ASC'));
$holders[1]->query("BEGIN;\n" . batch('held and undone', 100, 'DESC'));
is($holders[0]{stderr} . $holders[1]{stderr}, '', 'two transactions hold all texts');

my (@running, @output);
for my $client (@clients) {
    my ($name, $script, $transactions, undef, $protocol) = @$client;
    my $file = "$dir/$name.sql";
    PostgreSQL::Test::Utils::append_to_file($file, $script);
    push @output, '';
    push @running,
        IPC::Run::start(
        [
            'pgbench', '-n', '-M', $protocol, '-c', 1, '-t', $transactions, '-U', 'tw_capture', '-f', $file,
            $node->connstr('busy')
        ],
        '<',
        \undef,
        '>&',
        \$output[-1],
        IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default)
        );
}

# A sweep in between finds nothing: rows and samples appear together.
is($node->safe_psql('busy', "SELECT * FROM promote_missed_conversations('0')"), '0|0|0',
    'a sweep in between finds nothing')
    for 1 .. 3;

for my $i (0 .. $#clients) {
    my ($name, undef, $transactions) = @{ $clients[$i] };
    ok($running[$i]->finish, "$name: no error") or diag $output[$i];
    like($output[$i], qr{actually processed: $transactions/$transactions\b}, "$name: every transaction is through");
}

$holders[0]->query_safe('COMMIT');
$holders[1]->query_safe('ROLLBACK');
$_->quit for @holders;

my %expected = map { $_->[0] => $_->[2] * $_->[3] } @clients;
is_deeply(
    {
        map { split /\|/ } split /\n/,
        $node->safe_psql('busy', 'SELECT session_id, count(*) FROM conversation_logs GROUP BY session_id')
    },
    { %expected, 'held throughout' => 100 },
    'every row is there once, and none that was rolled back'
);
is($node->safe_psql('busy', 'SELECT count(DISTINCT user_message) FROM conversation_logs'), 20,
    'the clients said the same things');
is($node->safe_psql('busy', "SELECT count(*) BETWEEN 45000 AND 55100 FROM training_samples"),
    't', 'about half of the rows were promoted');
samples_match($node, 'busy', 'busy');
integrity_is_empty($node, 'busy', 'busy');
is($node->safe_psql('busy', 'SELECT count(*) FROM job_runs'), 0, 'no promotion failed');

# A session hands in its statistics when it ends, which may be a moment after its client did.
my $sessions =
    "SELECT FROM pg_stat_activity WHERE datname = 'busy' AND backend_type = 'client backend'
        AND pid <> pg_backend_pid()";
ok($node->poll_query_until('busy', "SELECT NOT EXISTS ($sessions)"), 'all sessions have ended');
is($node->safe_psql('busy', "SELECT deadlocks FROM pg_stat_database WHERE datname = 'busy'"), 0, 'no deadlock');
my $log   = PostgreSQL::Test::Utils::slurp_file($node->logfile);
my @waits = $log =~ /(still waiting for .*)/g;
is_deeply([ grep { !/on extension of relation/ } @waits ], [], 'nobody waited for anybody, but for a file to grow');
unlike($log, qr/deadlock detected|lock timeout/, 'the log knows of no deadlock and of no time-out');

# Retries: eight clients send the same 500 calls in random order, one or several in a transaction, some of which they
# roll back. Each call is one conversation with one sample, and whoever sent it got the id of that.
create_database($node, 'retried');
$node->safe_psql(
    'retried', q{
    SELECT grant_training_role('tw_capture', 'capture');
    CREATE TABLE answers (key int, id bigint);
    GRANT INSERT ON answers TO tw_capture;
    INSERT INTO review_policies (audit_rate_approved, audit_rate_review) VALUES (0, 0);
});
my $call =
      "\\set k random(1, 100)\n"
    . "INSERT INTO conversation_capture (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider, "
    . "idempotency_key) VALUES ('s', 'call ' || :k, 'intent.food.item.search', 0.95, 'indicbert', 'key ' || :k) "
    . "RETURNING id \\gset\n"
    . "INSERT INTO answers VALUES (:k, :id);\n";
# Keys in one order, so that nobody waits in a circle. Each of the hundred is drawn some forty times: none is left out.
my $ordered =
      "\\set k random(1, 99)\n\\set l :k + 1\n"
    . "INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider, "
    . "idempotency_key) VALUES ('s', 'call ' || :k, 'intent.food.item.search', 0.95, 'indicbert', 'key ' || :k), "
    . "('s', 'call ' || :l, 'intent.food.item.search', 0.95, 'indicbert', 'key ' || :l);\n";
my %scripts = ('one' => $call, 'rolled back' => "BEGIN;\n${call}ROLLBACK;\n", 'two rows' => $ordered);
PostgreSQL::Test::Utils::append_to_file("$dir/$_.sql", $scripts{$_}) for keys %scripts;
$node->command_ok(
    [
        'pgbench', '-n', '-M', 'prepared', '-c', 8, '-j', 2, '-t', 500, '-U', 'tw_capture', '--max-tries', 1,
        ( map { ('-f', "$dir/$_.sql") } sort keys %scripts ), $node->connstr('retried')
    ],
    'eight clients send the same calls'
);
is($node->safe_psql('retried', "SELECT count(*), count(DISTINCT idempotency_key), count(DISTINCT user_message)
        FROM conversation_logs"), '100|100|100', 'each call is one conversation');
is($node->safe_psql('retried', "SELECT count(*), count(DISTINCT conversation_log_id) FROM training_samples"),
    '100|100', 'with one sample');
is($node->safe_psql('retried', "SELECT count(*) FROM answers a WHERE NOT EXISTS (SELECT FROM conversation_logs c
        WHERE c.id = a.id AND c.idempotency_key = 'key ' || a.key)"), 0, 'and every caller was given its id');
is($node->safe_psql('retried', 'SELECT count(*) > 1000 FROM answers'), 't', 'also those that sent it again');
integrity_is_empty($node, 'retried', 'retried');

$node->stop;
done_testing();
