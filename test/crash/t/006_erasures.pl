# 006_erasures.pl - a person who is forgotten, and a purge, are cut off in the middle, ERASURE_KILLS times (200), while
# clients capture: by kill -9 of the postmaster or of a backend, and by SIGTERM. The next run finishes them, receipts
# count what is gone, nothing of others is lost, check_integrity() is empty, verify_audit() finds no problem.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);
use TW::Crash::Client;
use TW::Crash::Server;
use TW::Util;

use constant {
    KILLS    => $ENV{ERASURE_KILLS} || 200,
    SEASON   => 50,                           # kills in one database
    INTERVAL => 10,                           # kills between two checks of the whole
    CLIENTS  => 3,
    THINK    => 0.05,                         # seconds between two statements of a client that captures
    ROWS     => 3000,                         # conversations of a person: some batches
};

my $node = start_server('main');
my ($database, $actor, @capturing, %told, %asked, %took);
my ($statements, $number, $acknowledged, $orphans) = (0, 0, 0, 0);
my (%killed, %hit);

# --- serving the clients ---------------------------------------------------------------------------------------------

# Each client captures, thinks, and captures again; what is acknowledged is noted before it goes on.
sub keep_capturing {
    for my $client (@capturing) {
        next if !$client->is_connected || $client->is_busy || time < ($client->{next} // 0);
        my $session = 'client ' . ++$statements;
        my $rows    = 1 + $statements % 7;
        $asked{$session} = $rows;
        $client->ask(
            "INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider)
                SELECT '$session', 'message ' || g, @{[ CONFIDENT ]} FROM generate_series(1, $rows) g" =~ s/\s+/ /gr,
            sub {
                my ($state, $answer, $error) = @_;
                $client->{next} = time + THINK;
                $told{$session} = $rows if $state eq 'done';
                fail("capture: $error") if $state !~ /^(?:done|lost|57P0[1-3])$/;
            }
        );
    }
    return;
}

sub serve {
    my ($seconds, $enough) = @_;
    return TW::Crash::Client->serve($seconds, sub { keep_capturing(); return $enough->() }, $actor, @capturing);
}

# Runs SQL that nothing interrupts.
sub ask {
    my ($sql) = @_;
    my ($state, $answer, $error) = ('lost');
    $actor->ask($sql =~ s/\s+/ /gr, sub { ($state, $answer, $error) = @_ });
    serve(300, sub { !$actor->is_busy }) or die "too slow: $sql";
    die "$state $error\nin: $sql" if $state ne 'done';
    return join "\n", @$answer;
}

# --- what is erased --------------------------------------------------------------------------------------------------

# Conversations of a person: one in ten waits for a verdict, some have one; the others are promoted.
sub new_person {
    my ($name, $days) = @_;
    ask("INSERT INTO conversation_logs (session_id, user_id, user_message, nlu_intent, nlu_confidence, nlu_provider,
            response_text, created_at)
        SELECT '$name, ' || g % 40, '$name', '$name says ' || g, 'intent.food.item.search',
               CASE g % 10 WHEN 7 THEN 0.6 ELSE 0.97 END, 'indicbert', '$name hears ' || g,
               now() - interval '$days days'
        FROM generate_series(1, @{[ ROWS ]}) g");
    ask("SELECT approve_conversations(array_agg(id), 'of $name') FROM (SELECT id FROM conversation_logs
        WHERE user_id = '$name' AND review_status = 'needs-review' ORDER BY id LIMIT 50) c");
    return;
}

# What is there of somebody, for each table.
sub rows_of {
    my ($name) = @_;
    return ask("SELECT (SELECT count(*) FROM conversation_logs WHERE user_id = '$name' OR session_id LIKE '$name, %'
                            OR user_message LIKE '$name says %' OR response_text LIKE '$name hears %'),
                       (SELECT count(*) FROM training_samples WHERE text LIKE '$name says %'),
                       (SELECT count(*) FROM review_events WHERE note = 'of $name')");
}

# Rows that a retention of 30 days may delete, with all that hangs on them.
sub old_rows {
    return ask("SELECT (SELECT count(*) FROM conversation_logs WHERE user_id LIKE 'old %'),
                       (SELECT count(*) FROM training_samples WHERE text LIKE 'old % says %'),
                       (SELECT count(*) FROM review_events WHERE note LIKE 'of old %')");
}

# Sums of the receipts that a condition chooses.
sub receipts {
    my ($condition) = @_;
    return ask("SELECT " . join(', ', map { "coalesce(sum((counts ->> '$_')::bigint), 0)" }
            qw(conversation_logs training_samples review_events)) . " FROM erasure_receipts WHERE $condition");
}

my %statement = (
    erase     => sub { "CALL forget_user_in_batches(user_id => '$_[0]', reason => '$_[0]')" },
    anonymise => sub { "CALL forget_user_in_batches(user_id => '$_[0]', reason => '$_[0]', mode => 'anonymise')" },
    purge     => sub { 'CALL purge_conversations()' },
);

# --- a database ------------------------------------------------------------------------------------------------------

sub new_season {
    my ($season) = @_;
    $database = "season_$season";
    create_database($node, $database);
    (%told, %asked) = ();
    $node->safe_psql($database, <<'SQL');
        INSERT INTO review_policies (id, audit_rate_approved, audit_rate_review) VALUES (0, 0, 0);
        SELECT set_training_setting('retain_conversations', '30');
SQL
    $actor     = TW::Crash::Client->new(name => 'actor', connection => connection($node, $database));
    @capturing = map { TW::Crash::Client->new(name => "client $_", connection => connection($node, $database)) }
        1 .. CLIENTS;
    connect_all($actor, @capturing);
    for my $kind (sort keys %statement) {
        next if $took{$kind};
        my $name = $kind eq 'purge' ? 'old measured' : "measured $kind";
        new_person($name, $kind eq 'purge' ? 60 : 0);
        my $start = time;
        ask($statement{$kind}->($name));
        $took{$kind} = time - $start;
    }
    note 'seconds without a kill: ', join ', ', map { sprintf '%s %.2f', $_, $took{$_} } sort keys %took;
    return;
}

# --- a kill ----------------------------------------------------------------------------------------------------------

# Kills, and connects everybody again; says whom.
sub kill_somebody {
    my $whom = ('postmaster', 'its backend', 'its backend, by SIGTERM', 'another backend')[ $number % 4 ];
    if ($whom eq 'postmaster') {
        $orphans += kill_postmaster($node);
    }
    elsif ($whom =~ /SIGTERM/) {
        kill 'TERM', $actor->backend;
        serve(60, sub { !$actor->is_connected }) if $actor->is_busy;
    }
    else {
        my $victim = $whom eq 'its backend' ? $actor : $capturing[ $number % CLIENTS ];
        kill_backend($node, $victim->backend) or die "$whom: there is no process " . $victim->backend;
    }
    my @all = ($actor, @capturing);
    TW::Crash::Client->disconnect(@all);
    $node->start if $whom eq 'postmaster';
    connect_all(@all);
    $killed{$whom}++;
    return $whom;
}

sub kill_once {
    my $kind  = (qw(erase anonymise purge))[ $number % 3 ];
    my $name  = ($kind eq 'purge' ? 'old ' : 'person ') . $number;
    my $round = int $number / 3;
    # The golden ratio spreads the times of the kills evenly, however many there are.
    my $part = $round * 0.618034 - int($round * 0.618034);
    new_person($name, $kind eq 'purge' ? 60 : 0);
    my $before     = $kind eq 'purge' ? old_rows() : rows_of($name);
    my $condition  = $kind eq 'purge' ? "kind = 'retention'" : "reason = '$name'";
    my $receipts   = receipts($condition);

    my $said;
    $actor->ask($statement{$kind}->($name), sub { my ($state, undef, $error) = @_; $said = "$state $error" });
    serve($part * 0.95 * $took{$kind}, sub { !$actor->is_busy });
    my $is_running = $actor->is_busy;
    my $title      = "kill $number, " . kill_somebody() . " in $kind";
    $hit{$kind}{ $is_running ? 'in the middle' : 'at the end' }++;
    like($said, qr/^(?:done|lost|57P0[1-3]) /, "$title: the call was done or lost") if $said !~ /^(?:done|lost) /;

    # The next run: the same call, or the one that finishes whatever is there, and then the same call if nothing was.
    ask('CALL finish_erasures()') if $kind ne 'purge' && $round % 2;
    ask($statement{$kind}->($name)) if $kind eq 'purge' || rows_of($name) ne '0|0|0';

    my $after = $kind eq 'purge' ? old_rows() : rows_of($name);
    is($after, '0|0|0', "$title: nothing of the person is left") if $kind ne 'purge';
    ok((split /\|/, $after)[0] < (split /\|/, $before)[0], "$title: old conversations are gone") if $kind eq 'purge';
    is(minus(receipts($condition), $receipts), minus($before, $after), "$title: receipts count what is gone");
    return;
}

# The difference of two lists of figures.
sub minus {
    my ($more, $less) = map { [ split /\|/ ] } @_;
    return join '|', map { $more->[$_] - $less->[$_] } 0 .. $#$more;
}

# --- checks of the whole ---------------------------------------------------------------------------------------------

sub check {
    my ($name) = @_;
    TW::Crash::Client->serve(60, sub { !grep { $_->is_busy } @capturing }, @capturing) or die 'a client hangs';
    my %there = map { split /\|/ } split /\n/, $node->safe_psql($database,
        q{SELECT session_id, count(*) FROM conversation_logs WHERE session_id LIKE 'client %' GROUP BY 1});
    is_deeply([ grep { ($there{$_} // 0) != $told{$_} } sort keys %told ], [],
        "$name: what was acknowledged of others is there");
    is_deeply([ grep { !defined $asked{$_} || $there{$_} != $asked{$_} } sort keys %there ], [],
        "$name: statements of others are there as a whole or not at all");
    is($node->safe_psql($database, q{SELECT count(*) FROM conversation_logs c WHERE session_id LIKE 'client %'
        AND NOT EXISTS (SELECT FROM training_samples s WHERE s.conversation_log_id = c.id)}), '0',
        "$name: their samples are there");
    is($node->safe_psql($database, q{SELECT (SELECT count(*) FROM erasure_rows),
        (SELECT count(*) FROM erasures WHERE status = 'running')}), '0|0', "$name: no erasure is left to do");
    is($node->safe_psql($database, q{SELECT e.id FROM erasures e FULL JOIN erasure_receipts r ON r.erasure_id = e.id
        WHERE e.counts IS DISTINCT FROM r.counts}), '', "$name: every erasure has one receipt, with its counts");
    integrity_is_empty($node, $database, $name);
    is($node->safe_psql($database, 'CALL seal_audit(); SELECT finding, relation, detail FROM verify_audit()
        WHERE is_problem'), '', "$name: verify_audit() finds no problem");
    return;
}

for (1 .. KILLS) {
    new_season(1 + $number / SEASON) if $number % SEASON == 0;
    kill_once();
    $number++;
    check("$number kills") if $number % INTERVAL == 0 || $number == KILLS;
    if ($number % SEASON == 0 || $number == KILLS) {
        TW::Crash::Client->disconnect($actor, @capturing);
        $acknowledged += $_ for values %told;
    }
}

my $killed = 0;
$killed += $_ for values %killed;
is($killed, KILLS, 'so many were killed');
note "killed: $_, $killed{$_}" for sort keys %killed;
for my $kind (sort keys %hit) {
    note "kills in $kind: ", join ', ', map { "$hit{$kind}{$_} $_" } sort keys %{ $hit{$kind} };
}
note "$acknowledged rows of others acknowledged; processes that outlived their postmaster: $orphans";
$node->stop;
done_testing();
