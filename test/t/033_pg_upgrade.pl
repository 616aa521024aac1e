# 033_pg_upgrade.pl - pg_upgrade carries 0.1.0 and this version to a newer PostgreSQL, and the update works there.
#
# OTHER_PG_CONFIG names pg_config of a newer server that has the extension, as "make private-install" makes one in
# another copy of this tree: build/pg/bin/pg_config.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TW::Catalog;
use TW::Util;

plan skip_all => 'OTHER_PG_CONFIG names no newer server' if !$ENV{OTHER_PG_CONFIG};

my $old     = start_node('old');
my $dir     = PostgreSQL::Test::Utils::tempdir;
my $fixture = "$FindBin::RealBin/../fixtures/upgrade/0.1.0.dump";
chomp(my $new_bin = `$ENV{OTHER_PG_CONFIG} --bindir`);
chomp(my $old_bin = `pg_config --bindir`);
my ($major) = `$ENV{OTHER_PG_CONFIG} --version` =~ /(\d+)/;

# A server that PostgreSQL::Test::Cluster of the old version need not know.
package NewNode {
    sub psql      { my ($self, $database) = @_; return ('psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d',
            "host=$self->{dir} port=$self->{port} dbname='$database'", '-f', '-') }
    sub safe_psql {
        my ($self, $database, $sql) = @_;
        my ($out, $err) = ('', '');
        IPC::Run::run([ $self->psql($database) ], '<', \$sql, '>', \$out, '2>', \$err) or die "$sql: $err";
        chomp $out;
        return $out;
    }
}

my $state = q{SELECT md5(string_agg(assign_model_version('router', 's' || g), ',' ORDER BY g)) FROM
        generate_series(1, 1000) g;
    SELECT * FROM classify_intents('track red pink now', 2);
    SELECT md5(string_agg(c::text, ',' ORDER BY id)) FROM conversation_logs c;
    SELECT count(*), md5(string_agg(concat_ws('|', id, text, text_hash, intent, review_status), ',' ORDER BY id))
        FROM training_samples;
    SELECT id, action, intent, note, reviewer, created_at FROM review_events ORDER BY id;
    SELECT version, status, traffic_percentage, artifact_sha256 FROM model_versions ORDER BY 1;
    SELECT id, status, steps, step_times FROM rollouts ORDER BY id};

$old->safe_psql('postgres', "SET timezone = 'UTC'; " . join ';',
    map { "CREATE ROLE tw_$_ LOGIN" } qw(capture reviewer analyst trainer operator both own));
for my $database (qw(first newest)) {
    $old->safe_psql('postgres', "CREATE DATABASE $database");
    $old->safe_psql($database,  "ALTER DATABASE $database SET timezone = 'UTC'");
    $old->safe_psql($database,  "CREATE EXTENSION training_workflow VERSION '0.1.0'");
    my ($succeeded, undef, $error) =
        run_program('psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-o', "$dir/out", '-f', $fixture, '-d',
        $old->connstr($database));
    ok($succeeded, "$database: a dump of 0.1.0 is restored") or diag $error;
}
$old->safe_psql('newest', 'ALTER EXTENSION training_workflow UPDATE');
$old->safe_psql('newest', 'SELECT adopt_installation(); CALL seal_audit()');
my $trail     = 'SELECT finding, is_problem, relation, found, examples, detail FROM verify_audit()';
my $old_trail = $old->safe_psql('newest', $trail);
like($old_trail, qr/^head\|f\|audit_chain\|[1-9]/, 'before pg_upgrade: the audit trail has entries');
$old->safe_psql('newest', q{CREATE TABLE old_logs (id integer PRIMARY KEY, session_id text, user_message text);
    SELECT import_conversations('old_logs'); SELECT close_old_table('old_logs')});
my %before = map { ($_ => $old->safe_psql($_, $state)) } qw(first newest);
is($before{first}, $before{newest}, 'before pg_upgrade: the update has kept everything');
$old->stop;

my $new = bless { dir => "$dir", port => $old->port }, 'NewNode';
mkdir "$dir/upgrade";
{
    my @checksums = $major >= 18 ? '--no-data-checksums' : ();
    my ($succeeded, undef, $error) =
        run_program("$new_bin/initdb", '-D', "$dir/data", '-E', 'UTF8', '--no-locale', '-A', 'trust', '-N', @checksums);
    ok($succeeded, "initdb of PostgreSQL $major") or diag $error;
    chdir "$dir/upgrade";
    ($succeeded, my $out, $error) = run_program("$new_bin/pg_upgrade", '-b', $old_bin, '-B', $new_bin, '-d',
        $old->data_dir, '-D', "$dir/data", '-s', $dir, '-p', $old->port, '-P', $old->port + 1);
    ok($succeeded, "pg_upgrade to PostgreSQL $major") or diag $out . $error;
    ($succeeded, undef, $error) = run_program("$new_bin/pg_ctl", '-D', "$dir/data", '-w', '-l', "$dir/log", '-o',
        "-p @{[ $old->port ]} -k $dir -c listen_addresses=''", 'start');
    ok($succeeded, "PostgreSQL $major starts") or diag $error;
}

eval {
    is($new->safe_psql('first',  $state), $before{first},  '0.1.0: the rows, and the answers of the models');
    is($new->safe_psql('newest', $state), $before{newest}, 'this version: the rows, and the answers of the models');
    is($new->safe_psql('newest', $trail), $old_trail, 'this version: the audit trail has the same head and no problem');
    $new->safe_psql('first', "SET ROLE tw_capture; INSERT INTO conversation_logs (session_id, user_message, nlu_intent,
        nlu_confidence, nlu_provider) SELECT 'after', 'hello', @{[ CONFIDENT ]}");
    is($new->safe_psql('first', "SELECT count(*) FROM conversation_logs c JOIN training_samples s
        ON s.conversation_log_id = c.id WHERE c.session_id = 'after'"), '1', '0.1.0: captures and promotes there');
    eval { $new->safe_psql('newest', q{INSERT INTO old_logs VALUES (1, 's', 'x')}) };
    like($@, qr/table public\.old_logs is closed/, 'this version: a closed table is closed there');
    $new->safe_psql('first', 'ALTER EXTENSION training_workflow UPDATE');
    # pg_upgrade carries which privileges are the extension's own only where they are not the default, and prints
    # what it carries of expressions and bodies in its own words: here that of functions of this version.
    my ($updated, $carried) =
        map { [ grep { !/^(?:initial privilege|routine|view|trigger) / } @{ catalog_of($new, $_) } ] } qw(first newest);
    is_deeply($updated, $carried, 'the update gives the same catalogs there');
    $new->safe_psql('postgres', 'CREATE DATABASE fresh');
    $new->safe_psql('fresh',    'CREATE EXTENSION training_workflow');
    my ($routines, $fresh) =
        map { [ grep { /^(?:routine|view|trigger) / } @{ catalog_of($new, $_) } ] } qw(first fresh);
    is_deeply($routines, $fresh, 'and the functions, views and triggers of a new installation');
    for my $database (qw(first newest)) {
        $new->safe_psql($database, 'SELECT adopt_installation()');
        is($new->safe_psql($database, 'SELECT * FROM check_integrity()'), '', "$database: check_integrity() is empty");
    }
    1;
} or fail("a statement failed: $@");
run_program("$new_bin/pg_ctl", '-D', "$dir/data", '-w', '-m', 'fast', 'stop');
chdir '/';

done_testing();
