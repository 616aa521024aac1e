# 028_plpgsql_check.pl - plpgsql_check has nothing to say about any PL/pgSQL function of the extension.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TW::Database;
use TW::Util;

# What it says although nothing is wrong: [function, message, why]. Both are patterns.
my @excepted = (
    [ '^import_conversations\(', 'record "item" is not assigned yet|never read variable "item"',
        'the record of a dynamic query' ],
    [ '^tw_notice_cron_elsewhere\(', 'record "server" is not assigned yet|unused parameter "server"',
        'an argument of type record' ],
    [ '_step\(', 'unused parameter "(run|state|at)"', 'all steps of jobs take the same arguments' ],
    [ '^(export_|tw_export_)', 'name of parameter "limit" is reserved', 'a name that its callers know' ],
    # What plpgsql_check 2.8 and later say beside.
    [ '^import_conversations\(', '^cannot determinate a result of dynamic SQL', 'the record of a dynamic query' ],
    [ '^tw_(check_figures|check_model_type|check_verdict|no_such_conversation|read_predictions)\(',
        '^routine is marked as IMMUTABLE, but expression is STABLE', 'format() or a cast in the message of an error' ],
    [ '^tw_(daily_sync|due_time|first_advice|is_due|sequence_problems|waiting_rollout)\(',
        '^routine is marked as STABLE, but expression is VOLATILE', 'it asks the clock, a setting or a sequence' ],
    [ '^tw_(labelstudio_changed|sequence_problems)\(', '"found" (shadows|is shadowed)', 'they do not ask FOUND' ],
    # Settings are text, as are results that are assigned to a variable of their own type: its input function is meant.
    [ '.', '^target type is different type than source type: cast "text" value to ', 'a text becomes a value' ],
);

my ($found, $sharedir) = run_program('pg_config', '--sharedir');
chomp $sharedir;
for my $extension ('pg_cron', 'plpgsql_check') {
    plan skip_all => "$extension is not installed" unless -e "$sharedir/extension/$extension.control";
}

my $node = start_node('main', conf => "shared_preload_libraries = 'pg_cron'\ncron.database_name = 'checked'\n");
create_database($node, 'checked');
in_database($node, 'checked');

# Functions ask pg_cron's tables, too.
sql('CREATE EXTENSION pg_cron; CREATE EXTENSION plpgsql_check SCHEMA pg_catalog');

# A trigger's function is checked with each table that it is a trigger of; that of close_old_table() with one of ours.
sql(<<'SQL');
    CREATE TABLE public.old_logs (id integer);
    CREATE TRIGGER closed BEFORE INSERT OR UPDATE ON public.old_logs FOR EACH STATEMENT
        EXECUTE FUNCTION tw_closed_table();
    CREATE VIEW public.checked_functions AS
        SELECT p.oid, t.tgrelid, t.tgoldtable, t.tgnewtable,
               p.prorettype <> 'trigger'::regtype OR t.tgrelid IS NOT NULL AS can_be_checked
        FROM pg_depend d
        JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND e.oid = d.refobjid
            AND e.extname = 'training_workflow'
        JOIN pg_proc p ON d.classid = 'pg_proc'::regclass AND p.oid = d.objid
        JOIN pg_language l ON l.oid = p.prolang AND l.lanname = 'plpgsql'
        LEFT JOIN (SELECT DISTINCT tgfoid, tgrelid, tgoldtable, tgnewtable FROM pg_trigger) t ON t.tgfoid = p.oid
        WHERE d.deptype = 'e';
    CREATE VIEW public.found AS
        SELECT f.oid::regprocedure AS name, c.lineno, c.level, concat_ws(': ', c.message, c.detail) AS message
        FROM public.checked_functions f,
             LATERAL plpgsql_check_function_tb(f.oid, coalesce(f.tgrelid, 0), fatal_errors => false,
                                               oldtable => f.tgoldtable, newtable => f.tgnewtable) c
        WHERE f.can_be_checked
SQL

# Those that no exception is made for.
sub found {
    my @found = split /\n/,
        sql(q{SELECT concat_ws('|', name, coalesce(lineno, 0), level, message) FROM public.found ORDER BY 1});
    return join "\n", grep {
        my ($name, undef, undef, $message) = split /\|/, $_, 4;
        !grep { $name =~ $_->[0] && $message =~ $_->[1] } @excepted
    } @found;
}

cmp_ok(sql('SELECT count(*) FROM public.checked_functions WHERE can_be_checked'), '>', 100,
    'there are many functions to look at');
is(sql(q{SELECT string_agg(oid::regprocedure::text, ' ') FROM public.checked_functions WHERE NOT can_be_checked}),
    '', 'and none of them is the function of a trigger that no table has');
is(found(), '', 'nothing is wrong with any of them');

# The check sees what it is to see.
sql(<<'SQL');
    CREATE FUNCTION public.careless() RETURNS bigint LANGUAGE plpgsql AS $$
    DECLARE
        unused integer;
        counted bigint;
    BEGIN
        SELECT no_such_column FROM public.conversation_logs INTO counted;
    END $$;
    CREATE FUNCTION public.careless_trigger() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        NEW.no_such_field := 1;
        RETURN NEW;
    END $$;
    CREATE TABLE public.own ();
    CREATE TRIGGER careless BEFORE INSERT ON public.own FOR EACH ROW EXECUTE FUNCTION public.careless_trigger();
    ALTER EXTENSION training_workflow ADD FUNCTION public.careless();
    ALTER EXTENSION training_workflow ADD FUNCTION public.careless_trigger();
SQL
my $careless = found();
like($careless, qr/^careless\(\)\|\d+\|error\|column "no_such_column" does not exist/m,
    'a column that does not exist is seen');
like($careless, qr/^careless\(\)\|\d+\|warning[^|]*\|unused variable "unused"/m, 'a variable that nobody uses as well');
like($careless, qr/^careless_trigger\(\)\|\d+\|error\|record "new" has no field "no_such_field"/m,
    'and the field of a row in a trigger');

$node->stop;
done_testing();
