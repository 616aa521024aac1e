# 049_make_fleet.pl - what "make fleet" starts and shows: twice, since the second time it finds a fleet that runs.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use Cwd qw(realpath);
use PostgreSQL::Test::Utils;
use Test::More;
use TW::Util;

my $root  = realpath("$FindBin::RealBin/../..");
my $build = PostgreSQL::Test::Utils::tempdir_short;
my ($libraries) = run_command([ 'pg_config', '--pkglibdir' ]);
plan(skip_all => 'this server has no pg_cron, which the demo shows') if !-e "$libraries/pg_cron.so";

# The fleet is one of its own, beside one that somebody may have started; its programs are those of this test.
my ($bin) = run_command([ 'pg_config', '--bindir' ]);
symlink realpath("$bin/.."), "$build/pg" or die "$build/pg: $!";

# Also when the test is stopped, its servers end with it.
$SIG{TERM} = $SIG{INT} = sub { die "stopped\n" };

sub fleet {
    my ($action) = @_;
    my ($worked) = run_program('bash', "$root/test/tools/fleet.sh", $action, $build);
    return ok($worked, "fleet.sh $action");
}

for my $time ('first', 'second') {
    fleet('start') or last;
    my ($worked, $out) = run_program('bash', "$root/test/demo/fleet.sh", $build);
    ok($worked, "the demo, the $time time: it ends well, and its own checks hold");
    my @conversations = $out =~ /^ +[12] \| +(\d+) \| +\d+ \| +\d+ \| +\d+ \| +\d+$/mg;
    is(scalar(@conversations), 2, 'conversations of both nodes arrive at the hub');
    like($out, qr/^ERROR:  table "review_events" is not written on a node of a fleet$/m, 'a node takes no verdict');
    like($out, qr/^ +0 another one from node 2$/m, 'both nodes give every session the same version');
    is(scalar(() = $out =~ /^node_[12]=> SELECT intent.*?\n.*?router-v1\.1\.0$/msg), 2,
        'the new version answers on both nodes');
    is(scalar(() = $out =~ /^ +[12] \| replicating \| +\S+ \| .*"router-v1\.1\.0".* \| t +\|/mg), 2,
        'fleet_status shows both');
}
fleet('stop');
my ($worked, $out) = run_program('bash', "$root/test/tools/fleet.sh", 'status', $build);
unlike($out, qr/psql -h/, 'nothing runs any more');

done_testing();

END { system('bash', "$root/test/tools/fleet.sh", 'stop', $build) if $build && -d "$build/fleet_hub" }
