# 002_disk_full.pl - a disk that is full, for the tables, for an export and for the WAL: a clear error (53100), nothing
# that was acknowledged is lost, and all goes on when there is room.
#
# The disk is a small tmpfs, which check.sh mounts as root and names in SMALL_DISK.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use Errno qw(ENOSPC);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TW::Crash::Client;
use TW::Crash::Server;
use TW::Database;
use TW::Util;

plan skip_all => $ENV{SMALL_DISK_REFUSED} if $ENV{SMALL_DISK_REFUSED};
my $small   = $ENV{SMALL_DISK} or plan skip_all => 'SMALL_DISK names no small disk: make check-crash mounts one';
my $ballast = "$small/ballast";
my $node;

# Fills the disk but for so many bytes.
sub fill_disk {
    my ($leave) = @_;
    open my $file, '>', $ballast or die "$ballast: $!";
    for my $bytes (1 << 20, 4096, 1) {
        my $zeros = "\0" x $bytes;
        # No more than the disk has, were it not small.
        for (1 .. 4096) { last if !defined syswrite $file, $zeros }
        die "$ballast: $!" if $! != ENOSPC;
    }
    truncate $file, (-s $file) - $leave or die "$ballast: $!";
    close $file;
    return;
}

sub make_room { unlink $ballast or die "$ballast: $!"; return }

sub batch {
    my ($session, $rows) = @_;
    return "INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider)
        SELECT '$session', repeat('message ' || g || ' ', 20), 'intent.number' || g % 5, 0.95, 'indicbert'
        FROM generate_series(1, $rows) g RETURNING id" =~ s/\s+/ /gr;
}

# Captures until the disk is full; gives the sessions that were acknowledged and the error.
sub capture_until_full {
    my ($name, $rows) = @_;
    my (@told, $state, $error);
    my $client = TW::Crash::Client->new(name => $name, connection => connection($node, 'full'));
    connect_all($client);
    for my $number (1 .. 5000) {
        $client->ask(batch("$name $number", $rows), sub { ($state, undef, $error) = @_ });
        TW::Crash::Client->serve(120, sub { !$client->is_busy }, $client) or die 'too slow';
        last if $state ne 'done';
        push @told, "$name $number";
    }
    TW::Crash::Client->disconnect($client);
    return ($state, $error, \@told);
}

sub all_are_there {
    my ($told, $rows, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    cmp_ok(scalar @$told, '>', 0, "$name: some were acknowledged before");
    is(sql('SELECT count(*), count(DISTINCT (session_id, user_message)) FROM conversation_logs WHERE session_id = ANY (
        ARRAY[' . join(',', map { "'$_'" } @$told) . '])'), join('|', ($rows * @$told) x 2),
        "$name: each is there once");
    my ($prefix) = $told->[0] =~ /^(.*) \d+$/;
    is(sql("SELECT session_id, count(*) FROM conversation_logs WHERE session_id LIKE '$prefix %' GROUP BY 1
        HAVING count(*) <> $rows"), '', "$name: none is there in part");
    samples_match($node, 'full', $name);
    integrity_is_empty($node, 'full', $name);
    return;
}

sub is_full_error {
    my ($error, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    like($error, qr/53100: .*No space left on device/s, "$name: the error says that the disk is full");
    return;
}

# --- tables ----------------------------------------------------------------------------------------------------------

mkdir "$small/$_" or die "$small/$_: $!" for qw(tables exports);
# Sorts of the test itself do not need the small disk.
$node = start_server('tables', conf => "temp_tablespaces = 'pg_default'\n");
$node->safe_psql('postgres', "CREATE TABLESPACE small LOCATION '$small/tables'");
$node->safe_psql('postgres', 'CREATE DATABASE "full" TABLESPACE small');
in_database($node, 'full');
sql('CREATE EXTENSION training_workflow');
sql(q{SELECT set_training_setting('target_accuracy', '0.1'), set_training_setting('min_test_samples', '10');
      INSERT INTO review_policies (audit_rate_approved, audit_rate_review) VALUES (0, 0)});
sql(q{INSERT INTO training_samples (text, intent, review_status, source)
      SELECT md5(g::text) || ' ' || md5((g % 97)::text) || ' ' || md5((g + 1)::text), 'intent.number' || g % 5,
             'approved', 'synthetic' FROM generate_series(1, 4000) g});

fill_disk(2 << 20);
my ($state, $error, $told) = capture_until_full('capture', 100);
is($state, '53100', 'capture: it fails when the disk is full');
is_full_error($error, 'capture');
all_are_there($told, 100, 'capture, while the disk is full');
make_room();
sql(batch('capture later', 100));
all_are_there([ @$told, 'capture later' ], 100, 'capture, with room again') if $told->[0] =~ /^capture \d/;
is(sql(q{SELECT * FROM promote_missed_conversations('0')}), '0|0|0', 'capture: there is nothing to sweep');

# The fuller the disk, the earlier a training ends: at its begin, or when it stores its model.
for my $leave (0, 16_384, 65_536) {
    my $name = "training, $leave bytes left";
    my $job  = sql(q{SELECT request_training('router')});
    sql('CHECKPOINT');
    fill_disk($leave);
    my (undef, undef, $said) =
        $node->psql('full', "\\set VERBOSITY verbose\nSELECT version FROM train_model('router')");
    is_full_error($said, "$name, train_model()");
    (undef, undef, $said) = $node->psql('full', "\\set VERBOSITY verbose\nCALL run_training_jobs()");
    is_full_error($said, "$name, run_training_jobs()");
    is(sql("SELECT count(*) FROM model_artifacts a JOIN training_jobs j USING (version) WHERE j.id = $job"), 0,
        "$name: there is no model");
    integrity_is_empty($node, 'full', $name);
    make_room();
    # A job that could not even be marked as failed is as if its trainer had died.
    sql("UPDATE training_jobs SET started_at = started_at - interval '1 hour' WHERE id = $job AND status = 'running'");
    note "$name: the job is ", sql("SELECT concat_ws(', ', status, error_code, error_message) FROM training_jobs
        WHERE id = $job");
    sql("SELECT request_training('router') FROM training_jobs WHERE id = $job AND status = 'failed';
         CALL run_training_jobs()");
    is(sql(q{SELECT status FROM training_jobs ORDER BY id DESC LIMIT 1}), 'succeeded', "$name: it succeeds with room");
    is(sql(q{SELECT count(*) FROM job_runs WHERE status = 'running'}), 0, "$name: no run is left");
    integrity_is_empty($node, 'full', "$name, with room again");
}

# --- exports ---------------------------------------------------------------------------------------------------------

my $to_file = "CALL export_training_samples_to_file('$small/exports/samples.jsonl', include_split => 'all')";
fill_disk(100_000);
my (undef, undef, $said) = $node->psql('full', "\\set VERBOSITY verbose\n$to_file");
is_full_error($said, 'export');
is_deeply([ glob "$small/exports/*" ], [], 'export: neither a file nor a part of one is left');
make_room();
is(sql('SELECT count(*) FILTER (WHERE error ~ $$No space left on device$$), count(*) FROM training_export_jobs'), '1|1',
    'export: its row says why');
sql($to_file);
is(sql('SELECT status FROM training_export_jobs ORDER BY id DESC LIMIT 1'), 'succeeded', 'export: goes on with room');
is(-s "$small/exports/samples.jsonl", sql('SELECT byte_count FROM training_export_jobs ORDER BY id DESC LIMIT 1'),
    'export: the file is whole');
integrity_is_empty($node, 'full', 'export');
unlink "$small/exports/samples.jsonl";
$node->safe_psql('postgres', 'DROP DATABASE "full"');
$node->safe_psql('postgres', 'DROP TABLESPACE small');
$node->stop;

# --- the WAL ---------------------------------------------------------------------------------------------------------

# Without room for its log the server stops; what it has acknowledged is there when it starts again.
$node = PostgreSQL::Test::Cluster->new('wal');
$node->init(extra => [ '--encoding=UTF8', '--no-locale', "--waldir=$small/wal", '--wal-segsize=1' ]);
$node->append_conf('postgresql.conf', <<'CONF');
autovacuum = off
log_statement = none
restart_after_crash = on
shared_buffers = 16MB
min_wal_size = 2MB
max_wal_size = 8MB
wal_recycle = off
wal_init_zero = on
CONF
$node->start;
create_database($node, 'full');
in_database($node, 'full');
sql('INSERT INTO review_policies (audit_rate_approved, audit_rate_review) VALUES (0, 0); CHECKPOINT');
fill_disk(4 << 20);
($state, $error, $told) = capture_until_full('wal', 100);
is($state, 'lost', 'WAL: the server stops when there is no room for its log');
like(slurp_file($node->logfile), qr/PANIC: .*No space left on device/, 'WAL: and its log says why');
# It may be trying to come back, or have given up.
kill_postmaster($node) if -e $node->data_dir . '/postmaster.pid';
make_room();
$node->{_pid} = undef;
$node->start;
all_are_there($told, 100, 'WAL, with room again');
is(sql(q{SELECT * FROM promote_missed_conversations('0')}), '0|0|0', 'WAL: there is nothing to sweep');
sql(batch('wal later', 100));
sql('SELECT version FROM train_model()');
integrity_is_empty($node, 'full', 'WAL: captures and training go on');
$node->stop;
done_testing();
