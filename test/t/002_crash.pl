# 002_crash.pl - a crash in the middle of capture loses nothing that a
# client saw committed, and leaves no half-promoted row.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TW::Util;

use constant CLIENTS => 8;

# Conversations after which the crash comes, and for each client several times as much work as is needed for that.
use constant ENOUGH => 4_000;
use constant BLOCKS => 10_000;

# A crash of one backend shall be followed by recovery, as on a production server. That the test framework switches
# fsync off does not matter: what a process wrote survives it, as long as the machine does.
my $node = start_node('main', conf => "restart_after_crash = on\n");
my $dir  = PostgreSQL::Test::Utils::tempdir;

create_database($node, 'crash');

# What client number $client runs: single rows, batches, transactions of two statements, transactions that are rolled
# back. Each prints the ids that it was given; those inside a transaction count only once "committed" follows.
sub script {
    my ($client) = @_;
    my $file     = "$dir/$client.sql";
    my $single   = "INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider)
        VALUES ('client $client', 'single', 'intent.food.item.search', 0.95, 'indicbert')
            RETURNING id;\n" =~ s/\s+/ /gr . "\n";
    my $batch = "INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider)
        SELECT 'client $client', 'batch', 'intent.food.item.search', 0.5 + 0.05 * g, 'indicbert'
        FROM generate_series(1, 10) g RETURNING id;\n" =~ s/\s+/ /gr . "\n";
    my @kinds = (
        $single, $single, $batch,
        "BEGIN;\n\\echo begin\n${single}${batch}COMMIT;\n\\echo committed\n",
        "BEGIN;\n\\echo begin\n${batch}ROLLBACK;\n\\echo undone\n"
    );

    open my $script, '>', $file or die "$file: $!";
    print $script $kinds[ ($_ + $client) % @kinds ] for 1 .. BLOCKS;
    close $script or die "$file: $!";
    return $file;
}

# What the clients were told: ids of which they know that they are committed, and of which they know that they are not.
sub read_ids {
    my (@files) = @_;
    my (@committed, @undone);

    for my $file (@files) {
        my $pending;
        open my $lines, '<', $file or die "$file: $!";
        while (my $line = <$lines>) {
            chomp $line;
            if    ($line eq 'begin')     { $pending = [] }
            elsif ($line eq 'committed') { push @committed, @$pending; undef $pending }
            elsif ($line eq 'undone')    { push @undone, @$pending;    undef $pending }
            elsif ($line =~ /^\d+$/)     { push @{ $pending // \@committed }, $line }
            else                         { die "$file has an odd line: $line" }
        }
        close $lines;
    }
    return (\@committed, \@undone);
}

sub in_database {
    my ($ids) = @_;
    return $node->safe_psql('crash',
        "SELECT count(*) FROM conversation_logs WHERE id = ANY ('{" . join(',', @$ids) . "}')");
}

# Runs the clients, calls $crash when they are in the middle of it, and looks at what is left.
sub crash_while_capturing {
    my ($name, $crash) = @_;
    my @logs = map { "$dir/$_.log" } 1 .. CLIENTS;
    my @clients;
    my @errors = ('') x CLIENTS;

    for my $client (1 .. CLIENTS) {
        unlink $logs[ $client - 1 ];
        push @clients,
            IPC::Run::start(
            [ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-f', script($client), '-d', $node->connstr('crash') ],
            '<', \undef, '>', $logs[ $client - 1 ],
            '2>',
            \$errors[ $client - 1 ],
            IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default)
            );
    }

    my $before = $node->safe_psql('crash', 'SELECT count(*) FROM conversation_logs');
    ok($node->poll_query_until('crash', "SELECT count(*) > $before + @{[ ENOUGH ]} FROM conversation_logs"),
        "$name: the clients are at work");
    $crash->();

    my @survivors;
    for my $client (1 .. CLIENTS) {
        push @survivors, $client if $clients[ $client - 1 ]->finish;
    }
    is("@survivors", '', "$name: every client was cut off");
    my @other = grep { !/connection to server was lost|server closed the connection|terminating connection/ } @errors;
    is("@other", '', "$name: by the crash and by nothing else");

    $node->poll_query_until('crash', 'SELECT NOT pg_is_in_recovery()') or die 'the server did not come back';
    my ($committed, $undone) = read_ids(@logs);
    cmp_ok(scalar @$committed, '>', ENOUGH / 2, "$name: the clients know of committed conversations");
    is(in_database($committed), scalar @$committed, "$name: every one of them is there");
    cmp_ok(scalar @$undone, '>', 0, "$name: and of some that were rolled back");
    is(in_database($undone), 0, "$name: none of those is there");

    samples_match($node, 'crash', $name);
    integrity_is_empty($node, 'crash', $name);
    is(
        $node->safe_psql(
            'crash',
            'SELECT count(*) FROM conversation_logs WHERE review_status IS NULL OR filtered_at IS NULL
                OR created_on IS NULL'
        ),
        0,
        "$name: no row is half filtered"
    );

    # A batch is there as a whole or not at all.
    is(
        $node->safe_psql(
            'crash',
            "SELECT count(*) FROM (SELECT FROM conversation_logs WHERE user_message = 'batch'
                                   GROUP BY session_id, xmin::text HAVING count(*) <> 10) x"
        ),
        0,
        "$name: no batch is there in part"
    );
    is($node->safe_psql('crash', "SELECT * FROM promote_missed_conversations('0')"), '0|0|0',
        "$name: there is nothing to sweep");

    my $id = $node->safe_psql(
        'crash',
        "INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider)
         SELECT 'after', 'crash', @{[ CONFIDENT ]} RETURNING id"
    );
    # A number that was rolled back may come again: no ROLLBACK waits until the sequence's WAL is on disk.
    cmp_ok($id, '>', (sort { $b <=> $a } @$committed)[0], "$name: the next conversation gets a fresh number");
    samples_match($node, 'crash', "$name, next conversation");
    return;
}

crash_while_capturing(
    'postmaster killed',
    sub {
        my $postmaster = $node->safe_psql('postgres', "SELECT split_part(pg_read_file('postmaster.pid'), E'\\n', 1)");
        my @children = split /\n/,
            $node->safe_psql('postgres', 'SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid()');

        # The children notice by themselves and must all be gone before a new server may touch the data.
        $node->kill9;
        my $ended = wait_for_end($postmaster, @children);
        ok($ended, 'postmaster killed: all its processes end');

        # A process that nobody buries keeps its number: PostgreSQL believes its lock file. We know better.
        if ($ended && kill 0, $postmaster) {
            unlink $node->data_dir . '/postmaster.pid', $node->host . '/.s.PGSQL.' . $node->port . '.lock';
        }
        $node->start;
    }
);

crash_while_capturing(
    'backend killed',
    sub {
        my $backend = $node->safe_psql('postgres',
            "SELECT min(pid) FROM pg_stat_activity WHERE datname = 'crash' AND backend_type = 'client backend'");
        kill 9, $backend or die "kill $backend: $!";
    }
);

$node->stop;
done_testing();
