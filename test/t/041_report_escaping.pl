# 041_report_escaping.pl - training_report() with odd texts in every place, read by an XML parser: they are texts, whole
# or cut, and nothing of them is an element, an attribute, a comment or a link.

use strict;
use warnings;
use utf8;

use FindBin;
use lib $FindBin::RealBin;

use Encode qw(decode);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TW::Database;
use TW::OddTexts;
use TW::Util;

use constant ROUNDS => 3;

# Of conversations; the notes on versions, rollouts and jobs are shown with the first round.
use constant SHOWN_OF_ROUND => 90;

my $node = start_node('main');
create_database($node, 'pages');
in_database($node, 'pages');
if (($node->psql('pages', q{SELECT xmlparse(DOCUMENT '<a/>')}))[0] != 0) {
    $node->stop;
    plan skip_all => 'this server has no XML parser';
}

my $seed = $ENV{ODD_SEED} // 23;
note("seed $seed (ODD_SEED)");
my @texts = odd_texts(ROUND * ROUNDS, $seed);
my %text  = map { marker_of($_) => shown_text($_) } @texts;
is(scalar keys %text, scalar @texts, 'each text has a marker of its own');
load_odd_texts(@texts);

my $foreign = join ' or ', map { "self::$_" } ELEMENTS;
my $unknown = join ' or ', map { "name() = '$_'" } ATTRIBUTES;
sql('CREATE TABLE page (round integer PRIMARY KEY, html text, tree xml)');

for my $round (0 .. ROUNDS - 1) {
    use_odd_texts($round);
    my $day = odd_day($round);
    sql("INSERT INTO page (round, html) SELECT $round, training_report($day, $day)");
    my ($status, undef, $err) =
        $node->psql('pages', "UPDATE page SET tree = xmlparse(DOCUMENT html) WHERE round = $round");
    is($status, 0, "round $round: the page is well-formed") or diag $err;

    my %path = (
        element    => "//*[not($foreign)]",
        attribute  => "//\@*[not($unknown)]",
        value      => q{//@*[contains(., '<') or contains(., 'zq') or contains(., 'javascript')]},
        link       => q{//a[not(starts-with(@href, '#'))]},
        'no text'  => '//comment() | //processing-instruction()',
        'bdi with' => '//bdi/*',
    );
    is(sql(qq{SELECT array_length(xpath(\$x\$$path{$_}\$x\$, tree), 1) FROM page WHERE round = $round}), '',
        "round $round: no foreign $_")
        for sort keys %path;

    my @shown = split /\x1E/, decode('UTF-8', sql(<<"SQL"));
        SELECT string_agg(b.text, chr(30)) FROM page p, xmltable('//bdi' PASSING p.tree COLUMNS text text PATH '.') b
        WHERE p.round = $round
SQL
    my (%whole, %within);
    for my $shown (@shown) {
        my $marker = marker_of($shown) // next;
        (my $beginning = $shown) =~ s/\x{2026}\z//;
        (index($text{$marker}, $beginning) == 0 ? $whole{$marker} : $within{$marker})++;
    }
    cmp_ok(scalar keys %whole, '>=', SHOWN_OF_ROUND, "round $round: texts are shown as they are");
    delete @within{ keys %whole };
    note(sprintf 'round %d: %d texts by themselves, %d more within sentences', $round, scalar keys %whole,
        scalar keys %within);
}

$node->stop;
done_testing();
