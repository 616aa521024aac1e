# 029_reference.pl - the reference in doc/ says what the catalog says, every public function stands in a page, and no
# COMMENT leaves out an argument, the errors, or what a NULL means.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use PostgreSQL::Test::Utils;
use Test::More;
use TW::Util;

my $root = "$FindBin::RealBin/../..";
my $new  = PostgreSQL::Test::Utils::tempdir;
my $node = start_node('reference');
create_database($node, 'bot');

{
    local @ENV{qw(PGHOST PGPORT PGDATABASE)} = ($node->host, $node->port, 'bot');
    my ($written, undef, $stderr) = run_program($^X, "$root/test/tools/reference.pl", $root, $new);
    ok($written, 'the reference is written') or diag $stderr;
}

my @pages = map { s{.*/}{}r } glob "$new/*.md";
for my $page (@pages) {
    my $same = -e "$root/doc/$page" && slurp_file("$root/doc/$page") eq slurp_file("$new/$page");
    ok($same, "doc/$page says what the catalog says") and next;
    my (undef, $difference) = run_program('diff', '-u', "$root/doc/$page", "$new/$page");
    diag $difference, "\nA COMMENT, a signature, a privilege or a setting has changed: ",
        'run "make doc", and look at what it changes.';
}

# By name, as a page says it: in code or before a parenthesis.
my %prose = map { s{.*/}{}r => slurp_file($_) } "$root/README.md", glob "$root/doc/*.md";
my $reference = join '', delete @prose{@pages};
my (@missing, @reference_alone);
for my $name (split /\n/, $node->safe_psql('bot', <<'SQL')) {
    SELECT DISTINCT p.proname FROM pg_proc p JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid
    JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid
    WHERE d.deptype = 'e' AND e.extname = 'training_workflow' AND p.proname !~ '^tw_' ORDER BY 1
SQL
    next if grep { /\b$name\b/ } values %prose;
    push @reference_alone, $name;
    push @missing,         $name if $reference !~ /^### $name$/m;
}
is("@missing", '', 'every public function stands in a page');
note 'in no page but the reference: ', join ', ', @reference_alone;

my $members = <<'SQL';
    FROM pg_depend d JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid
SQL
is($node->safe_psql('bot', <<"SQL"), '', 'the COMMENT of every public function names each of its arguments');
    SELECT p.oid::regprocedure || ': ' || string_agg(a.name, ', ' ORDER BY a.place) $members
    JOIN pg_proc p ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid
    CROSS JOIN LATERAL unnest(p.proargnames, p.proargmodes) WITH ORDINALITY AS a (name, mode, place)
    WHERE d.deptype = 'e' AND e.extname = 'training_workflow' AND p.proname !~ '^tw_'
      AND coalesce(a.mode, 'i') IN ('i', 'b', 'v') AND a.name <> ''
      AND coalesce(obj_description(p.oid, 'pg_proc'), '') !~ ('\\m' || a.name || '\\M')
    GROUP BY p.oid ORDER BY 1
SQL
is($node->safe_psql('bot', <<"SQL"), '', 'the COMMENT of every public function says what it raises');
    SELECT p.oid::regprocedure $members
    JOIN pg_proc p ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid
    WHERE d.deptype = 'e' AND e.extname = 'training_workflow' AND p.proname !~ '^tw_'
      AND coalesce(obj_description(p.oid, 'pg_proc'), '') !~* '\\mraises\\M' ORDER BY 1
SQL
is($node->safe_psql('bot', <<"SQL"), '', 'the COMMENT of every column that may be NULL says what NULL means');
    SELECT c.relname || '.' || a.attname $members
    JOIN pg_class c ON d.classid = 'pg_class'::regclass AND d.objid = c.oid
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    WHERE d.deptype = 'e' AND e.extname = 'training_workflow' AND c.relkind = 'r' AND NOT a.attnotnull
      AND coalesce(col_description(c.oid, a.attnum), '') !~ 'NULL' ORDER BY 1
SQL

$node->stop;
done_testing();
