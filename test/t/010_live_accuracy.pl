# 010_live_accuracy.pl - live_accuracy() tells the truth about months of conversations whose truth is known.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TW::Util;

# The draws are the server's own and differ in every run: each bound fails by chance less than once in 10^9 runs, and is
# wide for that. Of 4,000 conversations 277 are audited on average, 8 standard deviations more than are asked for.
# test/bench/live_accuracy.sh measures the same with 1,000 replays of 20,000 conversations.
use constant REPLAYS => 100;
use constant ROWS    => 4000;

my $node = start_node('main', conf => "synchronous_commit = off\n");
create_database($node, 'replays');
$node->safe_psql('replays', slurp_file("$FindBin::RealBin/../bench/live_accuracy.sql"));

for my $scenario (qw(usual surer rollout budget)) {
    $node->safe_psql('replays', "CALL bench.replay('$scenario', 1, @{[ REPLAYS ]}, @{[ ROWS ]}, '{90,150}', 300)");
}

# scenario, labels, largest bias of the mean over all replays (7 standard errors), in points. A coverage of 93 % leaves
# fewer than 71 of 100 with a probability below 10^-10.
for my $case ([ 'usual', 90, 3.0 ], [ 'usual', 150, 2.2 ], [ 'surer', 90, 1.5 ], [ 'surer', 150, 1.2 ], [ 'rollout',
    90, 3.6 ], [ 'rollout', 150, 2.8 ],
    [ 'budget', 90, 3.6 ], [ 'budget', 150, 2.8 ]) {
    my ($scenario, $size, $largest) = @$case;
    my ($estimates, $labels, $bias, $covered, $narrow, $naive) = split /\|/, $node->safe_psql('replays', <<"SQL");
        SELECT count(accuracy), min(labels) || '-' || max(labels), 100 * avg(accuracy - truth),
               count(*) FILTER (WHERE truth BETWEEN lower AND upper),
               count(*) FILTER (WHERE upper - lower < 0.01 OR accuracy NOT BETWEEN lower AND upper OR lower < 0
                                  OR upper > 1),
               100 * avg(naive_accuracy - truth)
        FROM bench.replays WHERE scenario = '$scenario' AND size = $size
SQL
    my $name = "$scenario, $size labels";
    is($estimates, REPLAYS, "$name: every replay has an estimate");
    is($labels, "$size-$size", "$name: made of so many labels");
    cmp_ok(abs($bias), '<', $largest, "$name: without bias");
    cmp_ok($covered, '>=', 71, "$name: the intervals hold the truth");
    is($narrow, 0, "$name: no interval is empty, out of range or beside its estimate");
    cmp_ok($naive, '<', $scenario eq 'surer' ? -2 : $scenario =~ /rollout|budget/ ? -8 : -10,
        "$name: the naive figure is far off");
    note("bias $bias, covered $covered, naive $naive");
}

# The index on days is enough for a period, however long the history is.
$node->safe_psql('replays', 'VACUUM ANALYZE conversation_logs');
my $scans  = q{SELECT seq_scan FROM pg_stat_user_tables WHERE relname = 'conversation_logs'};
my $before = $node->safe_psql('replays', $scans);
$node->safe_psql('replays', q{SELECT * FROM live_accuracy('2026-07-01', '2026-07-30')});
is($node->safe_psql('replays', $scans), $before, 'a period does not scan the whole table');

$node->stop;
done_testing();
