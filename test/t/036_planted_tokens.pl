# 036_planted_tokens.pl - after forget_user() nothing of a person is left in any table, TOAST and statistics included,
# nor in the files once the tables were written anew; after anonymising, what stays is what is meant to. All of it is in
# export_user() before.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TW::Tokens;
use TW::Util;

my $node = start_node('main');
my $dir  = PostgreSQL::Test::Utils::tempdir;

# The person who asks, and another, of whom nothing may be lost.
use constant { ASHA => 'zqasha', OTHER => 'zqother' };
my %PHONE = (ASHA, '+91 98765 43210', OTHER, '+91 91234 56789');

sub new_database {
    my ($database) = @_;
    create_database($node, $database);
    prepare($node, $database);
    plant($node, $database, ASHA,  $PHONE{ +ASHA },  "$dir/$database-1.jsonl");
    plant($node, $database, OTHER, $PHONE{ +OTHER }, "$dir/$database-2.jsonl");
    return;
}

sub list { my ($found) = @_; return join "\n", map { "$_: $found->{$_}" } sort keys %$found }

# The same without the statistics, of which ANALYZE draws other rows every time.
sub stored { my ($found) = @_; return list($found) =~ s/ ?\bpg_statistic\b//gr }

# Every word that the person's planting has.
sub planted {
    my $text = slurp_file("$FindBin::RealBin/TW/Tokens.pm");
    my %word = map { ASHA . $_ => 1 } $text =~ /\$\{p\}([a-z]+)/g;
    return sort keys %word;
}

sub forget {
    my ($database, $mode) = @_;
    return $node->safe_psql($database, "SELECT * FROM forget_user(phone_number => '0091 98765-43210',
        user_id => '@{[ ASHA ]}user', mode => '$mode')");
}

# --- erase -----------------------------------------------------------------------------------------------------------

new_database('erase');
my $before = tokens_in_tables($node, 'erase', ASHA);
my $others = tokens_in_tables($node, 'erase', OTHER);
is_deeply([ grep { !$before->{$_} } planted() ], [], 'every word stands in a table before');
note list($before);
ok(scalar(grep { /pg_statistic/ } values %$before), 'words stand in the statistics');
ok(scalar(grep { /TOAST/ } values %$before),     'words stand in TOAST');

my $exported = $node->safe_psql('erase', "SELECT export_user(phone_number => '0091 98765-43210',
    user_id => '@{[ ASHA ]}user')");
is_deeply([ grep { $exported !~ /$_\b/ } planted() ], [], 'export_user() has all of them');
is_deeply([ $exported =~ /(@{[ OTHER ]}\w+)/g ], [], 'export_user() has none of another person');


note forget('erase', 'erase');
$node->safe_psql('erase', 'VACUUM (ANALYZE)');
is(list(tokens_in_tables($node, 'erase', ASHA)), '', 'erased: no table has a word of the person');
is(stored(tokens_in_tables($node, 'erase', OTHER)), stored($others),
    'erased: of the other person every word is where it was');
integrity_is_empty($node, 'erase', 'erased');
is($node->safe_psql('erase', 'CALL seal_audit(); SELECT * FROM verify_audit() WHERE is_problem'), '',
    'erased: verify_audit() finds no problem');

# VACUUM makes room, and leaves in it what nothing has overwritten yet.
my $left = tokens_in_files($node, 'erase', ASHA);
note 'after VACUUM, bytes that nothing refers to are left in files: ', scalar(keys %$left), ' words';
rewrite_tables($node, 'erase');
is(list(tokens_in_files($node, 'erase', ASHA)), '', 'erased: no file has a word, once the tables were written anew');
isnt(list(tokens_in_files($node, 'erase', OTHER)), '', 'this way of looking finds words');

is($node->safe_psql('erase', 'SELECT location, status FROM erasure_exports ORDER BY 1'),
    join("\n", map { "$dir/erase-$_.jsonl|listed" } 1, 2), 'erased: the exports that may have them are listed');

# --- anonymise -------------------------------------------------------------------------------------------------------

# What is not the person's, but the application's: it stays with the date, the intent and the verdict.
my %stays = map { ASHA . $_ => 1 } qw(routed laterouted challenger live paired);

new_database('anonymise');
$others = tokens_in_tables($node, 'anonymise', OTHER);
note forget('anonymise', 'anonymise');
$node->safe_psql('anonymise', 'VACUUM (ANALYZE)');
my $after = tokens_in_tables($node, 'anonymise', ASHA);
is(join(' ', sort keys %$after), join(' ', sort keys %stays), 'anonymised: only the words of the application are left');
is(stored(tokens_in_tables($node, 'anonymise', OTHER)), stored($others),
    'anonymised: of the other person every word is where it was');
integrity_is_empty($node, 'anonymise', 'anonymised');
is($node->safe_psql('anonymise', 'CALL seal_audit(); SELECT * FROM verify_audit() WHERE is_problem'), '',
    'anonymised: verify_audit() finds no problem');
rewrite_tables($node, 'anonymise');
is_deeply([ grep { !$stays{$_} } sort keys %{ tokens_in_files($node, 'anonymise', ASHA) } ], [],
    'anonymised: no file has another word, once the tables were written anew');

$node->stop;
done_testing();
