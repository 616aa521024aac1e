# Fleet.pm - one hub and some nodes, each in a server of its own, and what the tests of fleets ask of them. Number 0 is
# the hub. Nothing here waits for a time: what is waited for is a position in the log, or a state.

package TW::Fleet;

use strict;
use warnings;

use Exporter 'import';
use File::Path;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::RecursiveCopy;
use PostgreSQL::Test::Utils;
use Test::More;
use TW::Util;

our @EXPORT = qw(
    start_server make_database start_fleet server at at_fails
    connection_to subscribe_sql join_node
    becomes caught_up copied all_caught_up sweep_hub beat
    state_of_node rows_at restore_files rebuild_server
    BOT
);

use constant BOT => 'bot';

# Workers for the streams of all databases that may be in one server, and for their first copies; started again soon.
my $conf = <<'CONF';
timezone = 'UTC'
max_worker_processes = 24
max_logical_replication_workers = 16
max_sync_workers_per_subscription = 8
max_replication_slots = 16
max_wal_senders = 16
wal_retrieve_retry_interval = 100ms
CONF

my $roles = join ' ', map { "CREATE ROLE tw_$_ LOGIN;" } qw(app reviewer operator);
my (@servers, @conf_of, $passfile);

sub server { my ($n) = @_; return $servers[$n] }

# What a database of the fleet says; options are those of psql().
sub at {
    my ($n, $sql, %option) = @_;
    my @user = defined $option{user} ? (extra_params => [ '-U', $option{user} ]) : ();
    return $servers[$n]->safe_psql($option{database} // BOT, $sql, @user);
}

# The same for what has to fail with this SQLSTATE.
sub at_fails {
    my ($n, $sql, $sqlstate, $name, %option) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return sqlstate_is($servers[$n], $option{database} // BOT, $sql, $sqlstate, $name, %option);
}

# The roles of applications and people, and the one that other databases connect as: no superuser, with a password.
sub _make_roles {
    my ($n)    = @_;
    my $server = $servers[$n];
    my $hba    = $server->data_dir . '/pg_hba.conf';
    my $lines  = slurp_file($hba);

    unlink $hba;
    append_to_file($hba, "local all tw_fleet scram-sha-256\n$lines");
    $server->reload;
    $server->safe_psql('postgres', "$roles CREATE ROLE tw_fleet LOGIN REPLICATION PASSWORD 'secret of the fleet'");
    return;
}

# A running server with the number n; options are those of start_node().
sub start_server {
    my ($n, %option) = @_;

    $conf_of[$n] = $conf . ($option{conf} // '');
    $servers[$n] = start_node($n == 0 ? 'hub' : "node$n", streaming => 'logical', conf => $conf_of[$n]);
    _make_roles($n);
    return;
}

# A database of this number with the extension, and with what its roles may do.
sub make_database {
    my ($n) = @_;

    create_database($servers[$n], BOT);
    at($n, <<'SQL');
        SELECT grant_training_role('tw_app', 'capture');
        SELECT grant_training_role('tw_reviewer', 'reviewer');
        SELECT grant_training_role('tw_operator', 'operator');
        SELECT grant_training_role('tw_fleet', 'fleet');
SQL
    return;
}

# What a subscriber is told of the database with this number.
sub connection_to {
    my ($n, %option) = @_;

    if (!defined $passfile) {
        $passfile = PostgreSQL::Test::Utils::tempdir . '/passwords';
        append_to_file($passfile, "*:*:*:tw_fleet:secret of the fleet\n");
        chmod 0600, $passfile;
    }
    return sprintf
        "host=%s port=%s dbname=%s user=%s passfile=%s",
        $servers[$n]->host, $option{port} // $servers[$n]->port, $option{database} // BOT,
        $option{user} // 'tw_fleet', $option{passfile} // $passfile;
}

sub subscribe_sql {
    my ($to, %option) = @_;
    my $connection = connection_to($to, %option) =~ s/'/''/gr;
    return "CALL fleet_subscribe('$connection')";
}

# Both streams between the hub and a node, which have their numbers and publications.
sub join_node {
    my ($n) = @_;
    at($n, subscribe_sql(0));
    at(0,  subscribe_sql($n));
    copied($n, 0);
    copied(0,  $n);
    return;
}

# So many nodes beside the hub, joined.
sub start_fleet {
    my ($nodes, %option) = @_;

    for my $n (0 .. $nodes) {
        start_server($n, %option);
        make_database($n);
        at($n, "SELECT set_fleet_node($n); SELECT fleet_publish()");
    }
    join_node($_) for 1 .. $nodes;
    return;
}

# Waits until a query says true.
sub becomes {
    my ($n, $sql, $what) = @_;
    $servers[$n]->poll_query_until(BOT, $sql) or die "in vain: $what at $n";
    return;
}

# Waits until all that is committed at one end has been applied at the other.
sub caught_up {
    my ($from, $to) = @_;
    my $name = $to == 0 ? 'hub' : "node_$to";

    # The commit of a message writes what workers committed before, which do not wait for that themselves.
    my $position = at($from, q{SELECT pg_logical_emit_message(true, 'test', '')});
    becomes($from,
        "SELECT r.replay_lsn >= '$position' FROM pg_replication_slots s
         JOIN pg_stat_replication r ON r.pid = s.active_pid
         WHERE s.database = current_database() AND s.slot_name ~ '_$name\$'", "applied at $to"
    );
    return;
}

# Waits until the tables of a stream are copied.
sub copied {
    my ($to, $from) = @_;
    my $name = $from == 0 ? 'training_workflow_hub' : "training_workflow_node_$from";

    becomes($to,
        "SELECT count(*) > 0 AND bool_and(r.srsubstate IN ('r', 's'))
         FROM pg_subscription s JOIN pg_subscription_rel r ON r.srsubid = s.oid WHERE s.subname = '$name'",
        "copied from $from"
    );
    caught_up($from, $to);
    return;
}

# The nodes that are given, or all.
sub all_caught_up {
    my @nodes = @_ ? @_ : 1 .. $#servers;
    for my $n (@nodes) {
        caught_up($n, 0);
        caught_up(0,  $n);
    }
    return;
}

# The hub's job, once.
sub sweep_hub {
    at(0, 'CALL sweep_fleet(now())');
    return;
}

# A heartbeat, and its answers.
sub beat {
    my @nodes = @_ ? @_ : 1 .. $#servers;
    sweep_hub();
    for my $n (@nodes) {
        caught_up(0,  $n);
        caught_up($n, 0);
    }
    return;
}

# What fleet_status says of another database.
sub state_of_node {
    my ($n, $of) = @_;
    return at($n, "SELECT state FROM fleet_status WHERE node = $of");
}

# Conversations as JSON, a line each, by id. columns: an expression over the row c.
sub rows_at {
    my ($n, $where, $columns) = @_;
    $columns //= 'to_jsonb(c)';
    return at($n, "SELECT $columns FROM conversation_logs c WHERE $where ORDER BY c.id");
}

# The server dies, and its files come back from this backup.
sub restore_files {
    my ($n, $backup) = @_;
    my $server = $servers[$n];

    $server->stop('immediate');
    rmtree($server->data_dir);
    PostgreSQL::Test::RecursiveCopy::copypath($server->backup_dir . "/$backup", $server->data_dir);
    chmod 0700, $server->data_dir;
    $server->start;
    return;
}

# The server dies, and a new one at the same address gets this dump (of pg_dump -Fc).
sub rebuild_server {
    my ($n, $dump) = @_;
    my $server = $servers[$n];

    $server->stop('immediate');
    rmtree($server->data_dir);
    $server->init(extra => [ '--encoding=UTF8', '--no-locale' ], allows_streaming => 'logical');
    $server->append_conf('postgresql.conf', "autovacuum = off\nlog_statement = none\n$conf_of[$n]");
    $server->start;
    _make_roles($n);
    $server->safe_psql('postgres', 'CREATE DATABASE ' . BOT);
    my ($succeeded, undef, $error) =
        run_program('pg_restore', '-e', '-d', $server->connstr(BOT), $dump);
    $succeeded or die $error;
    return;
}

1;
