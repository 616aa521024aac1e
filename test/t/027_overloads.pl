# 027_overloads.pl - whoever may create functions in the extension's schema gets none of its calls.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TW::Database;
use TW::Util;

my $node = start_node('main');
my $list = PostgreSQL::Test::Utils::tempdir() . '/overloads.sql';

# Some need types that the extension makes, and some are its own.
sub create_overloads {
    IPC::Run::run([ 'psql', '-X', '-q', '-U', 'outsider', '-d', $node->connstr('captured'), '-f', $list ], '<', \undef,
        '>', \my $out, '2>', \my $err);
    return;
}

create_database($node, 'reference');
in_database($node, 'reference');
sql(slurp_file("$FindBin::RealBin/../fixtures/overloads.sql"));
my $overloads = sql('SELECT * FROM overloads.overloads()');
open my $file, '>', $list or die "$list: $!";
print {$file} "$overloads\n";
close $file or die "$list: $!";
chmod 0644, $list;
cmp_ok(scalar(() = $overloads =~ /^CREATE/mg), '>', 5000, 'there are so many ways to try');

# The schema is open to all, as public is in clusters upgraded from PostgreSQL 14 or older, and they were there first.
sql('CREATE ROLE outsider LOGIN');
sql('CREATE DATABASE captured');
in_database($node, 'captured');
sql('GRANT CREATE ON SCHEMA public TO PUBLIC');
create_overloads();
my $theirs = q{SELECT count(*) FROM pg_proc WHERE proowner = 'outsider'::regrole};
cmp_ok(sql($theirs), '>', 5000, 'the outsider has created them');
my ($status, $out, $err) = $node->psql('captured', 'CREATE EXTENSION training_workflow');
is($status, 0, 'the extension is created beside them') or diag $err;
like($err, qr/WARNING: .*every role may create objects in schema "public"/m,
    'and says that every role may create objects in its schema');
like($err, qr/^HINT: .*CREATE SCHEMA/m, 'and what to do');
like(sql('SELECT problem, example, hint FROM check_integrity() ORDER BY problem'),
    qr/^function\ of\ others\ with\ a\ name\ or\ type\ of\ ours\|.*\n
        schema\ in\ which\ others\ may\ create\ objects\|PUBLIC\|.*REVOKE\ CREATE\ ON\ SCHEMA\ public\ FROM\ PUBLIC;$/x,
    'check_integrity() reports both');
my $before = sql($theirs);
create_overloads();
cmp_ok(sql($theirs), '>', $before, 'then the outsider creates the others');

# What is bound when it is created: SQL functions, views, defaults, constraints.
is(sql(<<'SQL'), '', 'no object of the extension depends on one of theirs');
    SELECT DISTINCT pg_describe_object(d.classid, d.objid, d.objsubid) || ' calls ' || p.oid::regprocedure
    FROM pg_depend d JOIN pg_proc p ON d.refclassid = 'pg_proc'::regclass AND p.oid = d.refobjid
    WHERE p.proowner = 'outsider'::regrole
SQL

# What is looked up when it is run: PL/pgSQL.
SKIP: {
    skip 'there is no plpgsql_check here', 3
        if sql(q{SELECT count(*) FROM pg_available_extensions WHERE name = 'plpgsql_check'}) eq '0';
    sql(slurp_file("$FindBin::RealBin/../fixtures/overloads.sql"));
    sql('CREATE EXTENSION plpgsql_check SCHEMA pg_catalog');
    is(sql(q{SELECT string_agg(caller || ' calls ' || called, E'\n' ORDER BY 1) FROM overloads.captured()}),
        '', 'no call of a PL/pgSQL function resolves to one of theirs');
    cmp_ok(sql(q{SELECT count(*) FROM overloads.own WHERE language = 'plpgsql'}), '>', 200,
        'and all of these were looked at');
    # The check sees what it is to see.
    sql(<<'SQL');
        CREATE FUNCTION public.careless() RETURNS void LANGUAGE plpgsql AS $$ BEGIN
            PERFORM public.near_twins('{a}', '{b}');
            PERFORM public.training_setting('x');
        END $$;
        ALTER EXTENSION training_workflow ADD FUNCTION public.careless();
SQL
    is(sql('SELECT * FROM overloads.captured()'), 'careless()|near_twins(text,text)', 'a careless call is seen');
    sql('ALTER EXTENSION training_workflow DROP FUNCTION public.careless(); DROP FUNCTION public.careless()');
}

# What C code asks for as text, and what is put together when it is run. The test's own calls have exact types as well.
sql(<<'SQL');
    INSERT INTO public.conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider)
        SELECT 's' || g, 'message ' || g, 'intent.shop.order.' || CASE WHEN g % 2 = 0 THEN 'track' ELSE 'cancel' END,
               0.3 + g % 7 / 10.0, 'indicbert'
        FROM generate_series(1, 60) g;
    SELECT public.import_training_samples((SELECT string_agg(
        jsonb_build_object('text', v || ' order ' || g, 'intent', 'intent.shop.order.' || v)::text, E'\n')
        FROM unnest(ARRAY['track', 'cancel']) v, generate_series(1, 20) g), 'manual'::text, false, 'auto'::text,
        'review'::text, 'human'::text, 'refuse'::text, NULL::jsonb);
    SELECT * FROM public.train_model('router'::text, false);
    SELECT public.promote_model('router-v1.0.0'::text, 'something has to answer'::text, false);
    SELECT * FROM public.classify_intent('track order 3'::text, 'router'::text, NULL::text);
    SELECT count(*) FROM public.claim_reviews(10, interval '1 hour', 'someone'::text);
    SELECT public.approve_conversation((SELECT min(id) FROM public.conversation_logs), NULL::text, 'someone'::text);
    SELECT count(*) FROM public.export_training_samples('approved'::text, NULL::text[], NULL::text[], NULL::text[],
                                                        NULL::timestamptz, NULL::bigint, 'rasa'::text, 'train'::text);
    SELECT * FROM public.promote_missed_conversations(interval '0');
SQL
# As pg_cron is told to run them, in zones without and with daylight saving.
for my $zone (qw(UTC Europe/Berlin)) {
    my @commands = split /\n/, sql(qq{SELECT command FROM public.tw_cron_plan('$zone'::text) ORDER BY schedule});
    is(scalar(@commands), 6, "$zone: six jobs");
    sql($_) for @commands;
}
is(sql(q{SELECT DISTINCT job_name, status, error_message FROM public.job_runs WHERE status <> 'succeeded'}), '',
    'the jobs run as ever');
for my $view (split /\n/, sql(q{SELECT c.relname FROM pg_depend d JOIN pg_class c ON d.classid = 'pg_class'::regclass
    AND c.oid = d.objid AND c.relkind = 'v'
                                            JOIN pg_extension e ON e.oid = d.refobjid WHERE d.deptype = 'e'
                                                AND e.extname = 'training_workflow' ORDER BY 1})) {
    my ($status, undef, $error) = $node->psql('captured', "SELECT * FROM public.$view");
    if ($view eq 'conversation_capture') { like($error, qr/$view can be inserted into/, "$view has its own error") }
    else                                 { is($status, 0, "$view can be read") }
}

$node->stop;
done_testing();
