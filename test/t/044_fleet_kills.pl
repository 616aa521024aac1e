# 044_fleet_kills.pl - one hub and three nodes; kill -9 of each kind of process while clients capture, people decide and
# the hub's job runs: nothing that was acknowledged is lost or doubled, neither on its node nor at the hub. A node and
# the hub are away for a while as well. `make check-crash` has the long form.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin, "$FindBin::RealBin/../crash/t";

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TW::Fleet;
use TW::FleetKills;

use constant KILLS => 8;

start_fleet(TW::FleetKills::NODES, conf => TW::FleetKills::CONF);
my $trial = TW::FleetKills->new(samples => "$FindBin::RealBin/../demo/samples.jsonl");

$trial->kill_one($_) for 0 .. KILLS - 1;
$trial->check(KILLS . ' kills');
is(scalar(keys %{ $trial->killed }), KILLS, 'each was another kind of process');

$trial->node_away(3, bulks => 1, heartbeats => 1800);
$trial->check('node 3 was away');
$trial->hub_away(bulks => 1);
$trial->check('the hub was away');

note 'rows acknowledged: ', $trial->rows;
$trial->stop;
done_testing();
