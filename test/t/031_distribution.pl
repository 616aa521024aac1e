# 031_distribution.pl - the archive that "make dist" makes for PGXN: what is in it, and that it builds and installs.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use Cwd qw(realpath);
use File::Find;
use PostgreSQL::Test::Utils;
use Test::More;
use TW::Util;

my $root   = realpath("$FindBin::RealBin/../..");
my $folder = PostgreSQL::Test::Utils::tempdir;

for my $program (qw(git unzip)) {
    plan(skip_all => "there is no $program") if !grep { -x "$_/$program" } split /:/, $ENV{PATH};
}
# The clone may be another user's.
@ENV{qw(GIT_CONFIG_COUNT GIT_CONFIG_KEY_0 GIT_CONFIG_VALUE_0)} = (1, 'safe.directory', '*');
plan(skip_all => 'this is no clone of git') if !-e "$root/.git";
delete @ENV{qw(MAKEFLAGS MAKELEVEL MFLAGS)};

my ($version) = slurp_file("$root/training_workflow.control") =~ /^default_version *= *'(.*)'/m;
my $name = "training_workflow-$version";

sub works {
    my ($what, @command) = @_;
    my ($worked, $out) = run_program(@command);
    ok($worked, $what) or die "$what: nothing after this can be tested\n";
    return $out;
}

# The paths of the files below a folder.
sub files {
    my ($top) = @_;
    my @files;
    find({ no_chdir => 1, wanted => sub { push @files, s{^\Q$top\E/}{}r if -f } }, $top);
    return sort @files;
}

works('make dist', 'make', '-C', $root, 'dist', "DIST_DIR=$folder");
works('its archive is a zip, named by the version', 'unzip', '-q', "$folder/$name.zip", '-d', "$folder/unpacked");

opendir my $unpacked, "$folder/unpacked" or die $!;
is_deeply([ grep { !/^\.\.?$/ } readdir $unpacked ], [$name], 'everything is in one folder of that name');
my $tree = "$folder/unpacked/$name";
my @tree = files($tree);
my %is_there = map { $_ => 1 } @tree;
is_deeply([ grep { !$is_there{$_} } qw(META.json Makefile README.md CHANGELOG.md LICENSE training_workflow.control) ],
    [], 'what PGXN shows is there');
is_deeply([ grep { m{^(?:\.|packaging/)|\.(?:o|so|bc)$} } @tree ],
    [], 'nothing that only a clone needs, nothing built');
is(works('META.json can be read there', $^X, "$root/test/tools/meta.pl", $tree), '', 'META.json names files of it');

# Without optimization: it is quicker, and nothing here is run.
works('it builds', 'make', '-s', '-C', $tree, '-j2', "PG_CONFIG=$ENV{PG_CONFIG}", 'COPT=-O0');
works('it installs', 'make', '-s', '-C', $tree, 'install', "PG_CONFIG=$ENV{PG_CONFIG}", 'COPT=-O0',
    "DESTDIR=$folder/installed");
my @installed = map { s{.*/(?=[^/]+$)}{}r } files("$folder/installed");
is_deeply(
    [ grep { my $file = $_; !grep { $_ eq $file } @installed }
          'training_workflow.so', 'training_workflow_remote.so', 'training_workflow.control',
        "training_workflow--$version.sql", map { s{.*/}{}r } glob "$root/doc/*.md" ],
    [], 'libraries, install script, control file and pages are installed');

done_testing();
