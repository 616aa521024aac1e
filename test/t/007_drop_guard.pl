# 007_drop_guard.pl - no command drops the extension's tables while they hold rows, unless a superuser allows it.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TW::Database;
use TW::Util;

# What happens when the library is missing is not tested: its file belongs to all tests that use this installation.

my $node  = start_node('main');
my $allow = 'training_workflow.allow_drop';
my $drop  = 'DROP EXTENSION training_workflow';

# A schema of its own and an owner of its own: the bootstrap superuser's objects cannot be dropped by DROP OWNED.
sub new_database {
    my ($database) = @_;
    $node->safe_psql('postgres', "CREATE DATABASE $database");
    $node->safe_psql($database, <<'SQL');
        SELECT 'CREATE ROLE tw_owner SUPERUSER LOGIN'
        WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'tw_owner') \gexec
        ALTER ROLE tw_owner SUPERUSER;
        SET ROLE tw_owner;
        CREATE SCHEMA training;
        CREATE EXTENSION training_workflow SCHEMA training;
SQL
    return;
}

sub add_row {
    my ($database) = @_;
    $node->safe_psql($database, <<"SQL");
        INSERT INTO training.conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider)
        SELECT 's', 'x', @{[ CONFIDENT ]} FROM generate_series(1, 3)
SQL
    return;
}

sub has_extension {
    my ($database) = @_;
    return $node->safe_psql($database, "SELECT count(*) FROM pg_extension WHERE extname = 'training_workflow'");
}

# For the owner of the extension, once that is an ordinary role.
sub owner_gets {
    my ($sqlstate, $sql, $name) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;
    sqlstate_is($node, 'option', $sql, $sqlstate, "ordinary owner: $name", user => 'tw_owner');
    return;
}

# Everything that ends in DROP TABLE, by way of the extension.
my @commands = (
    $drop,
    "$drop CASCADE",
    'DROP EXTENSION IF EXISTS plpgsql, training_workflow CASCADE',
    'DROP SCHEMA training CASCADE',
    'DROP OWNED BY tw_owner',
    'DROP OWNED BY tw_owner CASCADE',
    'DROP EXTENSION plpgsql CASCADE',
    "DO \$\$ BEGIN EXECUTE '$drop'; END \$\$",
    "BEGIN; SET CONSTRAINTS ALL DEFERRED; $drop",
    "BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT 1; $drop",
);

new_database('guarded');
fill($node, 'guarded');
my $rows    = dump_rows($node, 'guarded');
my $catalog = dump_catalog($node, 'guarded');

# Each in a connection of its own: none of them has the library loaded.
for my $command (@commands) {
    my $said = sqlstate_is($node, 'guarded', $command, '55000', "refused: $command");
    like($said, qr/would delete the rows of "\w+".*HINT:.*SET $allow = on/s, "... with what to do about it: $command");
}

# The CASCADE of a column reaches the extension by way of a view. PostgreSQL itself
# would refuse that, too, because ALTER TABLE uses the table.
for my $column (
    'conversation_logs DROP COLUMN nlu_provider',
    'model_versions DROP COLUMN test_accuracy',
    'training_samples DROP COLUMN text'
    )
{
    my ($status, undef, $stderr) =
        $node->psql('guarded', "\\set VERBOSITY verbose\nALTER TABLE training.$column CASCADE");
    like($stderr, qr/ERROR:  (?:55000|55006):/, "refused: ALTER TABLE training.$column CASCADE");
}

# A language that somebody took out of its extension can be dropped by itself.
$node->safe_psql('guarded', 'ALTER EXTENSION plpgsql DROP LANGUAGE plpgsql');
sqlstate_is($node, 'guarded', 'DROP LANGUAGE plpgsql CASCADE', '55000', 'refused: DROP LANGUAGE plpgsql CASCADE');
$node->safe_psql('guarded', 'ALTER EXTENSION plpgsql ADD LANGUAGE plpgsql');

# Replication tools work like this, and ordinary event triggers do not fire for them.
sqlstate_is($node, 'guarded', "SET session_replication_role = replica; $drop",
    '55000', "refused: $drop, under session_replication_role = replica");

# A session that has the library loaded already is guarded as well.
sqlstate_is($node, 'guarded', "SELECT training.training_setting('time_zone'); $drop",
    '55000', 'refused in a session that used the extension');

is_deeply(dump_rows($node, 'guarded'), $rows, 'after all of these no row is lost');
is_deeply(dump_catalog($node, 'guarded'), $catalog, 'nor any privilege or trigger');
integrity_is_empty($node, 'guarded', 'guarded');

# What has nothing to do with our tables goes on as ever.
$node->safe_psql('guarded', <<'SQL');
    CREATE SCHEMA other; CREATE TABLE other.conversation_logs (id int); INSERT INTO other.conversation_logs VALUES (1);
    CREATE ROLE tw_guest; GRANT SELECT ON training.training_queue TO tw_guest;
    CREATE TABLE other.mine (id int); ALTER TABLE other.mine OWNER TO tw_guest;
    DROP OWNED BY tw_guest; DROP ROLE tw_guest;
    ALTER TABLE other.conversation_logs DROP COLUMN id CASCADE;
    DROP SCHEMA other CASCADE;
SQL
pass('other schemas, tables and roles can be dropped');

# Each table is guarded by itself: a sample without a conversation is imported, and somebody's work.
new_database('little');
for my $insert (
    "conversation_logs (session_id, user_message) VALUES ('x', 'y')",
    "training_samples (text, intent) VALUES ('x', 'y')",
    "review_policies (module_type) VALUES ('food')",
    "training_settings (name, value) VALUES ('time_zone', 'Asia/Kolkata')",
    "model_versions (version, model_type) VALUES ('router-v1.0.0', 'router')"
    )
{
    my ($table) = $insert =~ /^(\w+)/;
    $node->safe_psql('little', "INSERT INTO training.$insert");
    my $said = sqlstate_is($node, 'little', $drop, '55000', "refused while there is only a row of $table");
    like($said, qr/delete the rows of "$table"/, '... which it names');
    $node->safe_psql('little', "DELETE FROM training.$table");
}
$node->safe_psql('little', $drop);
is(has_extension('little'), 0, 'allowed once the rows are deleted');

# Every command is allowed when there is nothing to lose, and when a superuser allows it.
for my $command (grep { !/^BEGIN/ } @commands) {
    for my $way ('empty', 'allow_drop') {
        new_database('dropped');
        add_row('dropped') if $way eq 'allow_drop';
        my ($status, undef, $stderr) =
            $node->psql('dropped', ($way eq 'allow_drop' ? "SET $allow = on; " : '') . $command);
        is($status, 0, "$way: allowed: $command") or diag $stderr;
        is(has_extension('dropped'), 0, "$way: done: $command");
        $node->safe_psql('postgres', 'DROP DATABASE dropped');
    }
}

# The option is in force in its session, and off by default everywhere else.
{
    new_database('option');
    add_row('option');
    my ($status) = $node->psql('option', "BEGIN; SET LOCAL $allow = on; $drop; ROLLBACK");
    is($status, 0, 'SET LOCAL allows it');
    is(has_extension('option'), 1, 'and ROLLBACK takes it back');
    is($node->safe_psql('option', 'SELECT count(*) FROM training.conversation_logs'), 3, 'with all rows');
    sqlstate_is($node, 'option', "SET $allow = on; RESET $allow; $drop", '55000', 'RESET closes it again');
    sqlstate_is($node, 'option', $drop, '55000', 'another session does not see it');
    sqlstate_is($node, 'option', "SET $allow = perhaps; $drop",
        '55000', 'a value that is none does not count, if it is set before the library is loaded');
}

# The owner of everything, who is an ordinary role now, may drop the extension as far as PostgreSQL is concerned.
{
    $node->safe_psql('option', 'ALTER ROLE tw_owner NOSUPERUSER');
    my $load = "SELECT training.training_setting('time_zone');";

    owner_gets('55000', $drop, 'refused');
    owner_gets('42501', "$load SET $allow = on", 'cannot set the option');
    owner_gets('42501', "$load SELECT set_config('$allow', 'on', false)", 'nor by set_config()');
    owner_gets('42501', "$load ALTER ROLE tw_owner SET $allow = on", 'nor for later sessions');

    # A setting of a library that is not loaded yet is not checked by anybody. It must not count once it is.
    owner_gets('55000', "SET $allow = on; $drop", 'the option set before the library is loaded does not count');
    owner_gets('55000', "BEGIN; SET LOCAL $allow = on; $drop", 'nor does SET LOCAL');
    owner_gets('55000', "SELECT set_config('$allow', 'on', true); $drop", 'nor does set_config()');
    $node->safe_psql('option', "CREATE SCHEMA tw_owner AUTHORIZATION tw_owner");
    my ($status, undef, $stderr) = $node->psql(
        'option', "\\set VERBOSITY verbose
        CREATE FUNCTION tw_owner.f() RETURNS void LANGUAGE plpgsql SET $allow = on AS 'BEGIN EXECUTE ''$drop''; END';
        SELECT tw_owner.f()", extra_params => [ '-U', 'tw_owner' ]
    );
    like($stderr, qr/ERROR:  (?:42501|55000):/,
        'ordinary owner: nor does the SET of a function, where one can be made');
    {
        local $ENV{PGOPTIONS} = "-c $allow=on";
        owner_gets('55000', $drop, 'nor do connection options');
    }
    {
        # A superuser can open it for a role, as for any setting.
        $node->safe_psql('option', "ALTER ROLE tw_owner SET $allow = on");
        my ($status, undef, $stderr) =
            $node->psql('option', "BEGIN; $drop; ROLLBACK", extra_params => [ '-U', 'tw_owner' ]);
        is($status, 0, 'ordinary owner: allowed when a superuser set the option for the role') or diag $stderr;
        $node->safe_psql('option', "ALTER ROLE tw_owner RESET $allow");
    }
    is($node->safe_psql('option', 'SELECT count(*) FROM training.conversation_logs'), 3,
        'ordinary owner: no row is lost');
    $node->safe_psql('option', 'ALTER ROLE tw_owner SUPERUSER');
}

# A DROP that waits for somebody who captures sees what was captured meanwhile.
{
    new_database('race');
    in_database($node, 'race');
    my $session = $node->background_psql('race');
    $session->query_safe("BEGIN; INSERT INTO training.conversation_logs (session_id, user_message) VALUES ('x', 'y')");
    my $client = start_psql($drop);
    ok(
        $node->poll_query_until(
            'race', "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND mode = 'AccessExclusiveLock')"
        ),
        'DROP EXTENSION waits for a transaction that captures'
    );
    $session->query_safe('COMMIT');
    ok(!$client->{run}->finish, 'and fails');
    like($client->{err}, qr/ERROR:  55000:/, 'because there is a row now');
    is($node->safe_psql('race', 'SELECT count(*) FROM training.conversation_logs'), 1, 'which is kept');

    # A transaction that began before may not see that row itself.
    $node->safe_psql('race', 'DELETE FROM training.conversation_logs');
    my $old = $node->background_psql('race', on_error_stop => 0);
    is($old->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM training.conversation_logs'),
        0, 'a snapshot without rows');
    $session->query_safe("INSERT INTO training.conversation_logs (session_id, user_message) VALUES ('x', 'y')");
    $old->query("$drop;\nCOMMIT");
    like(
        $old->{stderr},
        qr/dropping training_workflow would delete the rows/,
        'does not hide from DROP EXTENSION what came later'
    );
    is($node->safe_psql('race', 'SELECT count(*) FROM training.conversation_logs'), 1, 'which is kept, too');
    $_->quit for $old, $session;
}

$node->stop;
done_testing();
