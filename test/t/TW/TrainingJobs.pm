# TrainingJobs.pm - what the tests of the queue of training jobs share: a
# database with a worker and an operator, and their calls.

package TW::TrainingJobs;

use strict;
use warnings;

use Exporter 'import';
use Test::More;
use TW::Database;
use TW::Util;

our @EXPORT = qw(start_queue as_worker as_operator request job_is let_time_pass);

# A server of its own, with a database in which both do all that they do through the privileges of their kind.
sub start_queue {
    my ($database) = @_;
    my $node = start_node('main', conf => "restart_after_crash = on\n");
    create_database($node, $database);
    in_database($node, $database);
    sql(<<'SQL');
        CREATE ROLE worker LOGIN;
        CREATE ROLE operator LOGIN;
        SELECT grant_training_role('worker', 'trainer'), grant_training_role('operator', 'operator');
        SELECT set_training_setting('min_test_samples', '3');
SQL
    return $node;
}

sub as_worker   { my ($sql) = @_; return sql_as('worker',   $sql) }
sub as_operator { my ($sql) = @_; return sql_as('operator', $sql) }

sub request {
    my ($type, $trainer) = @_;
    return as_operator("SELECT request_training('$type', '$trainer')");
}

sub job_is {
    my ($job, $expected, $name) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;
    is(
        sql(
            "SELECT j.status, j.attempt, j.version, m.status FROM training_jobs j LEFT
                JOIN model_versions m USING (version)
             WHERE j.id = $job"
        ),
        $expected,
        $name
    );
    return;
}

# Sets the clock of a running job back, so that nobody has to wait for it.
sub let_time_pass {
    my ($job) = @_;
    sql("UPDATE training_jobs
         SET started_at = started_at - interval '1 hour', heartbeat_at = heartbeat_at - interval '1 hour',
             lease_expires_at = lease_expires_at - interval '1 hour'
         WHERE id = $job AND status = 'running'"
    );
    return;
}

1;
