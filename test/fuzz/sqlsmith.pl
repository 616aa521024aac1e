# sqlsmith.pl ROLE - random SQL of sqlsmith (Debian: sqlsmith) as a superuser, an operator or an application's role.
#
# It rolls back whatever it does, and limits each statement to a second.

use strict;
use warnings;

use Test::More;
use TW::Database;
use TW::Fuzz;

my $kind = $ARGV[0] // 'superuser';
my $role = $kind eq 'superuser' ? 'postgres' : "tw_$kind";

if (!grep { -x "$_/sqlsmith" } split /:/, $ENV{PATH}) {
    plan skip_all => 'there is no sqlsmith';
}
my $node = start_fuzz(part => "sqlsmith_$kind");

# What would end the server, fill the disk, write into its files or only take time. No function of ours calls one of
# them.
sql(<<'SQL');
    SET allow_system_table_mods = on;
    DELETE FROM pg_proc WHERE pronamespace = 'pg_catalog'::regnamespace AND proname ~
        ('^(pg_terminate_backend|pg_cancel_backend|pg_reload_conf|pg_promote|pg_switch_wal|pg_sleep_.*|lo_.*|be_lo_.*'
         || '|pg_rotate_logfile.*|pg_stop_making_pinned_objects|pg_create_.*|pg_backup_.*|binary_upgrade_.*'
         || '|pg_logical_.*|pg_replication_.*|pg_read_.*|pg_nextoid|pg_log_.*|pg_wal_replay_.*|pg_import_.*)$');
SQL

# What a role may not call or read is hidden from sqlsmith: else hardly a statement would get past the privileges.
sql(<<"SQL") if $kind ne 'superuser';
    CREATE SCHEMA seen;
    CREATE VIEW seen.pg_proc AS SELECT * FROM pg_catalog.pg_proc
        WHERE has_function_privilege(oid, 'EXECUTE') AND has_schema_privilege(pronamespace, 'USAGE');
    CREATE VIEW seen.pg_attribute AS
        SELECT attrelid, attname, atttypid, attnum, attisdropped FROM pg_catalog.pg_attribute
        WHERE has_column_privilege(attrelid, attnum, 'SELECT') OR attnum < 0;
    GRANT USAGE ON SCHEMA seen TO PUBLIC;
    GRANT SELECT ON ALL TABLES IN SCHEMA seen TO PUBLIC;
    ALTER ROLE $role SET search_path = seen, public, pg_catalog;
SQL

my ($queries, $refused) = (0, 0);
my $minutes = $ENV{MINUTES} // 10;
my $end     = time + 60 * $minutes;
# It is started anew after a while: now and then it does not come to an end of putting a statement together.
batches(
    sub {
        my $target  = $node->connstr(DATABASE) . " user=$role";
        my $left    = $end - time;
        my $program = run_watched(
            [ 'sqlsmith', '--verbose', '--exclude-catalog', '--max-queries=2000', '--seed=' . below(2**31),
              "--target=$target" ],
            seconds => $left < 60 ? $left : 60);
        # It prints a dot for each statement, or a letter for one that was refused, ran too long or ended the session.
        my $marks = join '', $program->{err} =~ /^([.eStC]+)$/mg;
        diag substr $program->{err}, -2000 if $marks eq '';
        die "sqlsmith does not run\n"      if $marks eq '' && $left > 30;
        $queries += length $marks;
        $refused += $marks =~ tr/.//c;
        finding('a session that ended', "sqlsmith: $program->{err}") if $marks =~ /C/;
    }
);
finish(statements => $queries, refused => $refused, integrity => $kind ne 'superuser');
