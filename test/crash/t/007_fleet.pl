# 007_fleet.pl - kill -9 in a fleet of one hub and three nodes, FLEET_KILLS times (50): postmasters, backends,
# walsenders, workers that apply and that copy, and administrators cut off in the middle; after every ten kills the
# databases are compared with what clients were told.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);
use TW::Fleet;
use TW::FleetKills;

use constant {
    KILLS    => $ENV{FLEET_KILLS} || 50,
    INTERVAL => 10,                        # kills between two checks
};

my $began = time;
start_fleet(TW::FleetKills::NODES, conf => TW::FleetKills::CONF);
my $trial = TW::FleetKills->new(samples => "$FindBin::RealBin/../../demo/samples.jsonl");

for my $number (1 .. KILLS) {
    $trial->kill_one($number - 1);
    $trial->check("$number kills") if $number % INTERVAL == 0 || $number == KILLS;
}
my %killed = %{ $trial->killed };
my $killed = 0;
$killed += $_ for values %killed;
is($killed, KILLS, 'so many were killed');
note "killed: $_, $killed{$_}" for sort keys %killed;

# An hour: a heartbeat every two seconds.
for my $n (1 .. TW::FleetKills::NODES) {
    $trial->node_away($n, bulks => 5, heartbeats => 1800);
    $trial->check("node $n was away");
}
$trial->hub_away(bulks => 10);
$trial->check('the hub was away');

note sprintf '%d rows acknowledged, %d s', $trial->rows, time - $began;
$trial->stop;
done_testing();
