# 029_reference.pl - the reference in doc/ says what the catalog says, and every public function stands in a page.

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

$node->stop;
done_testing();
