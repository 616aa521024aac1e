# 034_forget_user.pl - an erasure that is ended in its middle goes on where it was, and its receipt is true; standbys
# follow, and restored copies forget for themselves.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TW::Util;

use constant CONVERSATIONS => 3_300;

my $node = start_node('main', streaming => 1);
my $dir  = PostgreSQL::Test::Utils::tempdir;

create_database($node, 'shop');
$node->safe_psql('shop', <<'SQL');
    CREATE ROLE officer LOGIN;
    SELECT grant_training_role('officer', 'operator');
    -- Where a session stops, until it is ended or let go.
    CREATE TABLE stops (relation text, row_id bigint);
    GRANT SELECT ON stops TO PUBLIC;
    CREATE FUNCTION stop_here() RETURNS trigger LANGUAGE plpgsql SET search_path = public AS $$
    DECLARE
        affected bigint := CASE TG_OP WHEN 'DELETE' THEN OLD.id ELSE NEW.id END;
    BEGIN
        IF EXISTS (SELECT FROM stops s WHERE s.relation = TG_TABLE_NAME AND s.row_id IN (affected, 0)) THEN
            PERFORM pg_advisory_xact_lock_shared(4711);
        END IF;
        RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
    END $$;
    CREATE TRIGGER stop_here BEFORE DELETE ON conversation_logs FOR EACH ROW EXECUTE FUNCTION stop_here();
    CREATE TRIGGER stop_here BEFORE INSERT ON erasure_receipts FOR EACH ROW EXECUTE FUNCTION stop_here();
SQL

# Conversations of a person, half of them auto-approved, and as many of another; every tenth with feedback.
sub capture {
    my ($user) = @_;

    $node->safe_psql('shop', <<"SQL");
        INSERT INTO conversation_logs (session_id, user_id, user_message, nlu_intent, nlu_confidence, nlu_provider)
        SELECT '$user ' || g / 10, '$user', 'message ' || g || ' of $user', 'intent.food.order',
               CASE WHEN g % 2 = 0 THEN 0.99 ELSE 0.3 END, 'indicbert'
        FROM generate_series(1, @{[ CONVERSATIONS ]}) g;
        SELECT record_feedback(c.id, c.session_id, 'negative') FROM conversation_logs c
        WHERE c.user_id = '$user' AND c.id % 10 = 0;
SQL
    return;
}

# What is stored of a user: conversations, their samples, their events.
sub stored {
    my ($user, $on) = @_;

    return ($on // $node)->safe_psql('shop', <<"SQL");
        SELECT count(*), count(s.id), coalesce(sum((SELECT count(*) FROM review_events e
                                                    WHERE e.conversation_log_id = c.id)), 0)
        FROM conversation_logs c LEFT JOIN training_samples s ON s.conversation_log_id = c.id
        WHERE c.user_id = '$user'
SQL
}

# The counts of the newest erasure or receipt, in the same form.
sub counted {
    my ($relation) = @_;

    return $node->safe_psql('shop', <<"SQL");
        SELECT coalesce(counts ->> 'conversation_logs', '0'), coalesce(counts ->> 'training_samples', '0'),
               coalesce(counts ->> 'review_events', '0')
        FROM $relation ORDER BY id DESC LIMIT 1
SQL
}

sub sum_of {
    my ($first, $second) = map { [ split /\|/ ] } @_;

    return join '|', map { $first->[$_] + $second->[$_] } 0 .. 2;
}

# Starts SQL in a session that stops at a row, ends that session there, and returns what its client said.
sub end_at {
    my ($sql, $relation, $row, $name) = @_;
    my ($out, $err) = ('', '');

    $node->safe_psql('shop', "INSERT INTO stops VALUES ('$relation', $row)");
    my $keeper = $node->background_psql('shop');
    $keeper->query_safe('SELECT pg_advisory_lock(4711)');
    my $client = IPC::Run::start(
        [ 'psql', '-XAtq', '-U', 'officer', '-d', $node->connstr('shop'), '-c', $sql ],
        '<', \undef, '>', \$out, '2>', \$err
    );
    my $waits = "pid FROM pg_stat_activity WHERE usename = 'officer' AND wait_event_type = 'Lock'
                 AND wait_event = 'advisory'";
    ok($node->poll_query_until('shop', "SELECT count(*) = 1 FROM (SELECT $waits) x"), "$name: it stops there");
    $node->safe_psql('shop', "SELECT pg_terminate_backend(x.pid) FROM (SELECT $waits) x");
    $client->finish;
    ok($node->poll_query_until('shop', "SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE usename = 'officer')"),
        "$name: its session has ended");
    $keeper->quit;
    $node->safe_psql('shop', 'DELETE FROM stops');
    return $err;
}

sub row_of {
    my ($user, $place) = @_;

    return $node->safe_psql('shop',
        "SELECT id FROM conversation_logs WHERE user_id = '$user' ORDER BY id OFFSET $place LIMIT 1");
}

# The triggers above are this test's.
sub is_whole {
    my ($database, $name) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;
    is($node->safe_psql($database, "SELECT * FROM check_integrity() WHERE problem <> 'foreign trigger'"),
        '', "$name: check_integrity() finds nothing");
    return;
}

capture($_) for qw(asha ravi);
my $of_asha = stored('asha');
my $of_ravi = stored('ravi');
like($of_asha, qr/^@{[ CONVERSATIONS ]}\|[1-9]\d*\|[1-9]/, 'there are conversations with samples and events');

# The function: all or nothing.
like(
    end_at("SELECT * FROM forget_user(user_id => 'asha')", 'conversation_logs', row_of('asha', 2500), 'function'),
    qr/terminating connection/,
    'function: its session was ended'
);
is(stored('asha'),                                                  $of_asha, 'function: nothing has happened');
is($node->safe_psql('shop', 'SELECT count(*) FROM erasures'),        '0', 'function: and nothing says that it has');
is($node->safe_psql('shop', 'SELECT count(*) FROM erasure_rows'),    '0', 'function: no work is left');

# The procedure: in the first, second and last batch, and where it writes the receipt.
my $begin = "CALL forget_user_in_batches(user_id => 'asha', reason => 'request 17')";
my @ends  = (
    [ $begin,                   'conversation_logs', 0,    0,    'first batch' ],
    [ 'CALL finish_erasures()', 'conversation_logs', 1500, 1000, 'second batch, by finish_erasures()' ],
    [ $begin,                   'conversation_logs', 2299, 3000, 'last batch, by a second call' ],
    [ 'CALL finish_erasures()', 'erasure_receipts',  undef, CONVERSATIONS, 'receipt' ],
);
for (@ends) {
    my ($sql, $relation, $place, $done, $name) = @$_;

    end_at($sql, $relation, defined $place ? row_of('asha', $place) : 0, $name);
    is($node->safe_psql('shop', 'SELECT count(*), min(status) FROM erasures'),
        '1|running', "$name: it is not finished");
    like(counted('erasures'), qr/^$done\|/, "$name: $done conversations are done");
    is(sum_of(counted('erasures'), stored('asha')), $of_asha, "$name: what is counted is what is gone");
    is($node->safe_psql('shop', 'SELECT count(*) FROM erasure_rows'),
        CONVERSATIONS - $done, "$name: the rest is listed");
    is($node->safe_psql('shop', 'SELECT count(*) FROM erasure_receipts'), '0', "$name: there is no receipt yet");
}
my ($status, $said) = $node->psql('shop', $begin, extra_params => [ '-U', 'officer' ]);
is($status,                                       0,        'a last call finishes it');
my $receipt = $node->safe_psql('shop', 'SELECT id FROM erasure_receipts');
is($said,                                         $receipt, 'and gives the receipt');
is(counted('erasure_receipts'),                   $of_asha, 'the receipt says what was there before the first call');
is(stored('asha'),                                '0|0|0',  'nothing is left of her');
is(stored('ravi'),                                $of_ravi, 'of another everything is left');
is($node->safe_psql('shop', 'SELECT count(*) FROM erasure_rows'), '0', 'no work is left');
is(
    $node->safe_psql('shop', 'SELECT r.reason, r.requested_by, e.session_secret IS NULL
                              FROM erasure_receipts r JOIN erasures e ON e.id = r.erasure_id'),
    'request 17|officer|t',
    'the receipt says who and why; the secret is gone'
);
is_whole('shop', 'after it');

# The audit trail, and a copy of it all, made in the middle of an erasure.
my $problems = "SELECT finding, relation, found FROM verify_audit() WHERE is_problem";
$node->safe_psql('shop', 'CALL seal_audit()');
is($node->safe_psql('shop', $problems), '', 'the audit trail has no problem');
$node->safe_psql('shop', 'SELECT tw_may_act()');
capture('meera');
my $of_meera = stored('meera');
end_at("CALL forget_user_in_batches(user_id => 'meera')", 'conversation_logs', row_of('meera', 1200), 'before a dump');
like(counted('erasures'), qr/^1000\|/, 'before a dump: it is in its middle');
my $head = $node->safe_psql('shop', "SELECT detail FROM verify_audit() WHERE finding = 'head'");
ok((run_program('pg_dump', '-Fc', '-f', "$dir/shop", '-d', $node->connstr('shop')))[0], 'dumped');
$node->safe_psql('postgres', 'CREATE DATABASE copy');
my @restored = run_program('pg_restore', '-j2', '-d', $node->connstr('copy'), "$dir/shop");
ok($restored[0], 'restored') or diag $restored[2];
is($node->safe_psql('copy', 'SELECT tw_is_restored_copy()'), 't', 'copy: it knows that it is one');
is($node->safe_psql('copy', $problems),                      '',  'copy: its audit trail has no problem');
is($node->safe_psql('copy', "SELECT detail FROM verify_audit() WHERE finding = 'head'"),
    $head, 'copy: and the same head');
is($node->safe_psql('copy', "SELECT id FROM receipts_of(user_id => 'asha')"), $receipt, 'copy: it has her receipt');
for my $database (qw(shop copy)) {
    $node->safe_psql($database, 'CALL finish_erasures()');
    is($node->safe_psql($database, "SELECT count(*) FROM conversation_logs WHERE user_id = 'meera'"),
        '0', "$database: the interrupted erasure is finished");
    is(
        $node->safe_psql($database, "SELECT counts ->> 'conversation_logs', counts ->> 'training_samples',
            counts ->> 'review_events' FROM receipts_of(user_id => 'meera')"),
        $of_meera, "$database: with a true receipt");
    like($node->safe_psql($database, "SELECT receipt, found FROM forget_user(user_id => 'ravi')
            WHERE relation = 'conversation_logs'"),
        qr/^\d+\|@{[ CONVERSATIONS ]}$/, "$database: it forgets another");
    $node->safe_psql($database, 'CALL seal_audit()') if $database eq 'shop';
    is($node->safe_psql($database, $problems), '', "$database: the audit trail has no problem");
    is_whole($database, $database);
}

# A standby follows, says what the primary says, and sends those who would erase there to the primary.
my $standby = start_standby($node);
capture('kiran');
$node->safe_psql('shop', "SELECT forget_user(user_id => 'kiran')");
$node->wait_for_catchup($standby, 'replay', $node->lsn('insert'));
is(stored('kiran', $standby), '0|0|0', 'standby: nothing is left there either');
is($standby->safe_psql('shop', "SELECT counts ->> 'conversation_logs' FROM receipts_of(user_id => 'kiran')"),
    CONVERSATIONS, 'standby: it has the receipt');
for my $sql ("SELECT forget_user(user_id => 'kiran')", "SELECT forget_user(user_id => 'kiran', dry_run => true)",
    "CALL forget_user_in_batches(user_id => 'kiran')", "SELECT retrain_without('router-v1.0.0')")
{
    sqlstate_is($standby, 'shop', $sql, $sql =~ /retrain/ ? '42704' : '25006', "standby: $sql is refused");
}
$standby->stop;
$node->stop;

done_testing();
