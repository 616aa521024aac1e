# 004_standby_promoted.pl - a streaming standby is promoted in mid-load, when the primary is killed: what has come over
# is consistent, captures go on, jobs go on.
#
# Replication is asynchronous, as it is by default: what the primary acknowledged last may not have come over. It is
# there as a whole or not at all. In the second round, with synchronous_commit = remote_apply, all of it is there.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TW::Crash::Client;
use TW::Crash::Server;
use TW::Util;

use constant { CLIENTS => 4, ENOUGH => 400 };

# What a client asks for: a batch of ten, of which nine are promoted; a session for each.
sub batch {
    my ($session) = @_;
    return "INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider)
        SELECT '$session', 'message ' || g, 'intent.food.item.search', CASE g WHEN 7 THEN 0.5 ELSE 0.95 END, 'indicbert'
        FROM generate_series(1, 10) g" =~ s/\s+/ /gr;
}

# Clients capture and judge until it is enough or they are cut off. Gives the sessions that were acknowledged.
sub load {
    my ($node, $round, $enough) = @_;
    my @clients = map { TW::Crash::Client->new(name => "client $_", connection => connection($node, 'bot')) }
        1 .. CLIENTS;
    my (%told, $number, @errors);
    connect_all(@clients);
    TW::Crash::Client->serve(
        300,
        sub {
            for my $client (grep { $_->is_connected && !$_->is_busy } @clients) {
                my $session = "$round, " . ++$number;
                my $verdict = q{SELECT count(reject_conversation(id, 'unclear'))
                    FROM (SELECT id FROM conversation_logs WHERE review_priority IS NOT NULL LIMIT 1
                          FOR UPDATE SKIP LOCKED) c};
                my $sql = $number % 3 ? batch($session) : "BEGIN\\; " . batch($session) . "\\; $verdict\\; COMMIT";
                $client->ask($sql =~ s/\s+/ /gr, sub {
                    my ($state, undef, $error) = @_;
                    if    ($state eq 'done') { $told{$session} = 1 }
                    elsif ($state ne 'lost') { push @errors, $error }
                });
            }
            return $enough->(scalar keys %told);
        },
        @clients
    ) or die 'it takes too long';
    TW::Crash::Client->disconnect(@clients);
    is("@errors", '', "$round: nothing fails");
    return sort keys %told;
}

sub fail_over {
    my ($round, %option) = @_;
    my $primary = start_server("primary_$round", streaming => 1);
    create_database($primary, 'bot');
    fill($primary, 'bot');
    # Those could not succeed: their samples have one intent.
    $primary->safe_psql('bot', "SELECT cancel_training_job(id, 'nothing to learn') FROM training_jobs
        WHERE status = 'queued' AND trainer = 'built-in'");
    my $standby = PostgreSQL::Test::Cluster->new("standby_$round");
    $primary->backup('backup');
    $standby->init_from_backup($primary, 'backup', has_streaming => 1);
    $standby->start;
    $primary->wait_for_catchup($standby);
    if ($option{synchronous}) {
        $primary->append_conf('postgresql.conf',
            "synchronous_standby_names = '*'\nsynchronous_commit = remote_apply\n");
        $primary->reload;
        $primary->poll_query_until('bot', q{SELECT sync_state = 'sync' FROM pg_stat_replication})
            or die 'the standby does not become synchronous';
    }

    # In mid-load the primary is killed; the clients of now capture on the new one.
    my $is_killed;
    my @told = load(
        $primary, $round,
        sub {
            return 0 if $_[0] < ENOUGH;
            kill_postmaster($primary) if !$is_killed;
            return $is_killed = 1;
        }
    );
    cmp_ok(scalar @told, '>=', ENOUGH, "$round: clients captured");
    $standby->promote;

    my $came = $standby->safe_psql('bot',
        'SELECT count(DISTINCT session_id) FROM conversation_logs WHERE session_id = ANY (ARRAY['
            . join(',', map { "'$_'" } @told) . '])');
    note "$round: $came of " . @told . ' acknowledged sessions came over';
    if ($option{synchronous}) {
        is($came, scalar @told, "$round: all that was acknowledged is there");
    }
    else {
        cmp_ok($came, '>', 0, "$round: much of it is there");
    }
    is($standby->safe_psql('bot', "SELECT session_id, count(*) FROM conversation_logs WHERE session_id LIKE '$round, %'
        GROUP BY 1 HAVING count(*) <> 10 OR count(DISTINCT user_message) <> 10"), '',
        "$round: no batch is there in part");
    samples_match($standby, 'bot', $round);
    integrity_is_empty($standby, 'bot', $round);

    my @later = load($standby, "$round later", sub { return $_[0] >= 100 });
    is($standby->safe_psql('bot', "SELECT count(*), count(DISTINCT (session_id, user_message)) FROM conversation_logs
        WHERE session_id = ANY (ARRAY[" . join(',', map { "'$_'" } @later) . '])'),
        join('|', (10 * @later) x 2), "$round: captures go on, each is there once");
    for my $job (qw(daily_training_capture weekly_model_training run_training_jobs check_rollouts)) {
        $standby->safe_psql('bot', "SET client_min_messages = error; CALL $job()");
        is(
            $standby->safe_psql('bot',
                "SELECT status FROM job_runs WHERE job_name = '$job' ORDER BY id DESC LIMIT 1"), 'succeeded',
            "$round: $job() goes on"
        ) or diag $standby->safe_psql('bot',
            "SELECT error_message, details FROM job_runs WHERE job_name = '$job' ORDER BY id DESC LIMIT 1");
    }
    samples_match($standby, 'bot', "$round, later");
    integrity_is_empty($standby, 'bot', "$round, later");
    $standby->stop;
    return;
}

fail_over('asynchronous');
fail_over('synchronous', synchronous => 1);
done_testing();
