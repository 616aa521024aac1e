# Database.pm - the database that a test is about: SQL in it, and programs that run beside it.

package TW::Database;

use strict;
use warnings;

use Exporter 'import';
use IPC::Run;
use PostgreSQL::Test::Utils;

our @EXPORT = qw(in_database sql sql_as start_program start_psql says_in_time waits_for_lock);

my ($node, $database);

# What follows is about this one.
sub in_database {
    ($node, $database) = @_;
    return;
}

# Options: database => another one, user => a role.
sub sql {
    my ($sql, %option) = @_;
    my @user = defined $option{user} ? (extra_params => [ '-U', $option{user} ]) : ();
    return $node->safe_psql($option{database} // $database, $sql, @user);
}

sub sql_as {
    my ($role, $sql) = @_;
    return sql($sql, user => $role);
}

# A program that runs by itself; what it said is in out and err. Options: env => variables of its own.
sub start_program {
    my ($command, %option) = @_;
    my %program = (out => '', err => '');
    local %ENV = (%ENV, %{ $option{env} // {} });
    $program{run} = IPC::Run::start($command, '<', \undef, '>', \$program{out}, '2>', \$program{err},
        IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
    return \%program;
}

# Options: user => a role.
sub start_psql {
    my ($sql, %option) = @_;
    my @user = defined $option{user} ? ('-U', $option{user}) : ();
    return start_program(
        [ 'psql', '-XAtq', '-v', 'VERBOSITY=verbose', @user, '-d', $node->connstr($database), '-c', $sql ]);
}

# Whether a program that runs complains of this before it ends.
sub says_in_time {
    my ($program, $what) = @_;

    for (1 .. 20 * $PostgreSQL::Test::Utils::timeout_default) {
        return 1 if $program->{err} =~ $what;
        last     if !$program->{run}->pumpable;
        $program->{run}->pump_nb;
        select undef, undef, undef, 0.05;
    }
    return $program->{err} =~ $what;
}

# Whether a statement that begins like this comes to wait for a lock.
sub waits_for_lock {
    my ($query) = @_;
    return $node->poll_query_until($database,
        "SELECT count(*) = 1 FROM pg_stat_activity
         WHERE datname = '$database' AND query LIKE '$query%' AND wait_event_type = 'Lock'"
    );
}

1;
