# 001_kills.pl - kill -9 of the postmaster and of single backends, KILLS times (1,000), in all that the extension does:
# nothing that was acknowledged is lost, nothing is doubled, check_integrity() is empty, no temporary file is left.
#
# A kill comes at a time that moves through the work from its begin to its end. Clients capture meanwhile. The database
# is a new one after every 125 kills, so that work takes as long at the end as at the beginning.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);
use TW::Crash::Checks;
use TW::Crash::Client;
use TW::Crash::Ledger;
use TW::Crash::Server;
use TW::Crash::Work;
use TW::LabelStudioStub;
use TW::Util;

use constant {
    KILLS   => $ENV{KILLS} || 1000,
    SEASON  => 125,                   # kills in one database
    INTERVAL => 25,                   # kills between two checks
    CLIENTS => 4,
    THINK   => 0.05,                  # seconds between two statements of a client that captures
};

my $node    = start_server('main');
my $exports = PostgreSQL::Test::Utils::tempdir;
my $stub    = TW::LabelStudioStub->start(token => 'crash');
my @work    = TW::Crash::Work::ALL;

my ($database, $ledger, $work, $actor, @capturing, %took);
my (%killed, %hit, $rows, $orphans, $began) = ();
($rows, $orphans, $began) = (0, 0, time);

# --- serving the clients ---------------------------------------------------------------------------------------------

# Each client captures, thinks, and captures again; what is acknowledged is in the ledger before it goes on.
sub keep_capturing {
    for my $number (1 .. CLIENTS) {
        my $client = $capturing[ $number - 1 ];
        next if !$client->is_connected || $client->is_busy || time < ($client->{next} // 0);
        my ($sql, $then) = @{ $work->capture($number) };
        $client->ask($sql, sub {
            my ($state, $answer, $error) = @_;
            $client->{next} = time + THINK;
            $then->($answer) if $state eq 'done';
            fail("capture: $error") if $state !~ /^(?:done|lost|57P0[1-3])$/;
        });
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
    $actor->ask($sql, sub { ($state, $answer, $error) = @_ });
    serve(120, sub { !$actor->is_busy }) or die "too slow: $sql";
    die "$state $error\nin: $sql" if $state ne 'done';
    return $answer;
}

# --- a database ------------------------------------------------------------------------------------------------------

sub new_season {
    my ($number) = @_;
    $database = "season_$number";
    create_database($node, $database);
    $ledger    = TW::Crash::Ledger->new;
    $actor     = TW::Crash::Client->new(name => 'actor', connection => connection($node, $database));
    @capturing = map { TW::Crash::Client->new(name => "client $_", connection => connection($node, $database)) }
        1 .. CLIENTS;
    $work = TW::Crash::Work->new(actor => \&ask, ledger => $ledger, stub => $stub, exports => $exports,
        samples => "$FindBin::RealBin/../../demo/samples.jsonl");
    my $samples = join "\n", (split /\n/, slurp_file("$FindBin::RealBin/../../demo/samples.jsonl"))[ 0 .. 299 ];
    $node->safe_psql($database, <<"SQL");
        SELECT set_training_setting('min_test_samples', '20'), set_training_setting('min_new_samples', '5'),
               set_training_setting('training_threshold', '50'), set_training_setting('rollout_steps', '10,50,100'),
               set_training_setting('target_accuracy', '0.1'), set_training_setting('auto_deploy', 'off');
        CREATE TABLE old_logs (id text, "sessionId" text, "userMessage" text, "createdAt" timestamp);
        CREATE FUNCTION crash_refuse() RETURNS trigger LANGUAGE plpgsql AS
            \$\$ BEGIN RAISE EXCEPTION USING ERRCODE = 'P0001', MESSAGE = 'no samples today'; END \$\$;
        CREATE SERVER label_studio FOREIGN DATA WRAPPER training_workflow_labelstudio OPTIONS (
            url '@{[ $stub->url ]}', connect_timeout '5', timeout '10', import_timeout '10');
        CREATE USER MAPPING FOR PUBLIC SERVER label_studio OPTIONS (token 'crash');
        SELECT labelstudio_create_project('Crash $number', max_open_tasks => 150);
        SELECT inserted FROM import_training_samples(\$samples\$$samples\$samples\$);
        SELECT version FROM train_model();
        SELECT promote_model('router-v1.0.0', 'the first') WHERE NOT EXISTS (
            SELECT FROM model_versions WHERE status = 'production');
SQL
    connect_all($actor, @capturing);
    for (@work) {
        my ($name, $method) = @$_;
        my $start = time;
        $_->[1]->(ask($_->[0])) for $work->$method;
        $took{$name} //= time - $start;
    }
    note 'seconds of work: ', join ', ', map { sprintf '%s %.2f', $_, $took{$_} } sort keys %took;
    return;
}

# --- a kill ----------------------------------------------------------------------------------------------------------

# Begins the work, and comes back after so many seconds, or when it is done; says whether it still runs.
sub work_for {
    my ($seconds, $name, @statements) = @_;
    my $start = time;
    my ($step, $failed);
    $step = sub {
        my ($sql, $then, $allowed) = @{ shift @statements or return };
        $actor->ask($sql, sub {
            my ($state, $answer, $error) = @_;
            $then->($answer) if $state eq 'done';
            $failed = "$state $error" if $state !~ /^(?:done|lost|57P0[1-3])$/ && !($allowed && $state =~ $allowed);
            $step->() if $state ne 'lost' && $actor->is_connected;
        });
    };
    $step->();
    serve($seconds, sub { !$actor->is_busy && !@statements });
    my $is_running = $actor->is_busy;
    @statements = ();
    $took{$name} = 0.7 * $took{$name} + 0.3 * (time - $start) if !$is_running;
    is($failed, undef, "$name does not fail") if $failed;
    return $is_running;
}

sub kill_once {
    my ($number) = @_;
    my ($name, $method) = @{ $work[ $number % @work ] };
    my $round = int $number / @work;
    # The golden ratio spreads the times of the kills evenly, however many there are.
    my $part = $round * 0.618034 - int($round * 0.618034);
    my $whom = ('postmaster', 'its backend', 'postmaster', 'another backend')[ ($number + $round) % 4 ];

    my @statements = $work->$method;
    my $is_running = work_for($part * 1.05 * $took{$name}, $name, @statements);
    if ($whom eq 'postmaster') {
        $orphans += kill_postmaster($node);
    }
    else {
        my $victim = $whom eq 'its backend' ? $actor : $capturing[ $round % CLIENTS ];
        kill_backend($node, $victim->backend) or die "$whom: there is no process " . $victim->backend;
    }
    my @all = ($actor, @capturing);
    TW::Crash::Client->disconnect(@all);
    $node->start if $whom eq 'postmaster';
    connect_all(@all);
    my $left = orphaned_temporary_files($node);
    is("@$left", '', "kill $number, $whom in $name: no temporary file of the server is left") if @$left;
    $killed{$whom}++;
    $hit{$name}{ $is_running ? 'in the middle' : 'at the end' }++;
    return;
}

# --- the loop --------------------------------------------------------------------------------------------------------

sub check {
    my ($name) = @_;
    TW::Crash::Client->serve(60, sub { !grep { $_->is_busy } @capturing }, @capturing) or die 'a client hangs';
    check_all($name, node => $node, database => $database, ledger => $ledger, work => $work, stub => $stub,
        exports => $exports);
    return;
}

for my $number (0 .. KILLS - 1) {
    new_season(1 + $number / SEASON) if $number % SEASON == 0;
    kill_once($number);
    check(sprintf '%d kills', $number + 1) if ($number + 1) % INTERVAL == 0 || $number + 1 == KILLS;
    if (($number + 1) % SEASON == 0 || $number + 1 == KILLS) {
        $rows += $ledger->rows;
        TW::Crash::Client->disconnect($actor, @capturing);
        $stub->delete_task($_->{id}) for @{ $stub->tasks };
        note sprintf '%d kills in %d s, %d rows acknowledged', $number + 1, time - $began, $rows;
    }
}

my $killed = 0;
$killed += $_ for values %killed;
is($killed, KILLS, 'so many were killed');
note "killed: $_, $killed{$_}" for sort keys %killed;

for my $name (sort keys %hit) {
    note "kills in $name: ", join ', ', map { "$hit{$name}{$_} $_" } sort keys %{ $hit{$name} };
}
note "processes that outlived their postmaster and were killed as well: $orphans";
note sprintf '%d rows acknowledged, %d s', $rows, time - $began;
$stub->stop;
$node->stop;
done_testing();
