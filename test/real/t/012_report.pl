# 012_report.pl - training_report() in a real browser: of the demo, of eight weeks, of an empty database, and with a
# thousand odd texts. The Nu HTML checker and axe-core find nothing; nothing is wider than a phone, out of the reach of
# the keyboard, or asked for from the network.

use strict;
use warnings;
use utf8;

use FindBin;
use lib $FindBin::RealBin;

use IPC::Run;
use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TW::Database;
use TW::EightWeeks;
use TW::OddTexts;
use TW::Util;

plan(skip_all => 'there is no browser') if !defined $ENV{BROWSER_DRIVER};
plan(skip_all => 'there is nothing that judges pages') if !defined $ENV{VALIDATORS_AXE};

use constant {
    WIDTHS   => [ 360, 768, 1280 ],
    LIMIT    => 300_000,
    ROUNDS   => 10,
    PATIENCE => 900
};

my $here   = $FindBin::RealBin;
my $folder = PostgreSQL::Test::Utils::tempdir();
my $json   = JSON::PP->new->utf8->canonical;
my $node   = start_node('main', conf => eight_weeks_conf() . "shared_preload_libraries = 'pg_cron'\n"
        . "cron.database_name = 'demo'\ncron.launch_active_jobs = off\n");
my (%page, @odd);

sub bytes_of { my ($text) = @_; utf8::encode($text); return $text }

# Programs of ours, as a file that was written or what they said.
sub run_for {
    my ($what, @command) = @_;
    my ($out, $err);
    my $ended = eval { IPC::Run::run(\@command, '<', \undef, '>', \$out, '2>', \$err, IPC::Run::timeout(PATIENCE)) };
    ok($ended, $what) or diag $@ // '', substr $err // '', 0, 2000;
    return ($out, $err);
}

sub make_page {
    my ($name, $from, $to) = @_;
    local $ENV{PGCLIENTENCODING} = 'UTF8';
    my $html = sql("SELECT training_report($from, $to)");
    cmp_ok(length $html, '<', LIMIT, "$name: the page is small") and note("$name: @{[ length $html ]} bytes");
    my $file = "$folder/$name.html";
    PostgreSQL::Test::Utils::append_to_file($file, $html);
    return $file;
}

#-----------------------------------------------------------------------------------------------------------------------
# The pages.

# The demo makes its own.
$node->safe_psql('postgres', 'CREATE DATABASE demo');
{
    local $ENV{PSQLRC} = '/dev/null';
    run_for('the demo runs', 'sh', '-c',
        'cd "$1" && exec psql -Xq -v ON_ERROR_STOP=1 -v build="$2" -d "$3" -f demo.sql', 'sh',
        "$here/../../demo", $folder, $node->connstr('demo'));
    $page{demo} = "$folder/report.html";
    ok(-s $page{demo}, 'and writes the report');
}

create_database($node, 'weeks');
in_database($node, 'weeks');
$page{empty} = make_page('empty', 'NULL', 'NULL');
load_eight_weeks();
sql('SELECT import_training_samples($own$' . team_samples() . '$own$)');
sql('SELECT train_model()');
sql(q{SELECT promote_model('router-v1.0.0', 'something has to answer')});
for my $week (1 .. WEEKS) {
    sql(week_script($week));
    sql('ANALYZE');
}
$page{weeks} = make_page('weeks', day(0), day(55));

create_database($node, 'odd');
in_database($node, 'odd');
my @texts = odd_texts(ROUND * ROUNDS, $ENV{ODD_SEED} // 2);
my %text  = map { marker_of($_) => shown_text($_) } @texts;
load_odd_texts(@texts);
for my $round (0 .. ROUNDS - 1) {
    use_odd_texts($round);
    push @odd, make_page("odd$round", odd_day($round), odd_day($round));
}
$page{odd} = $odd[0];

#-----------------------------------------------------------------------------------------------------------------------
# What the Nu HTML checker says. It advises against the slash of void elements, which XML needs, and wants texts of
# others
# in Unicode's form C, and none to begin with a mark; they are shown as they came.

my ($out, $err) = run_for('the Nu HTML checker finds no error', 'java', '-jar', $ENV{VALIDATORS_CHECKER}, '--format',
    'json', values %page, @odd[ 1 .. $#odd ]);
my @said = map { "$_->{type} $_->{url}: $_->{message}: " . ($_->{extract} // '') }
    grep { $_->{message} !~ /^Trailing slash on void elements has no effect|^Text run (?:is not in|starts with)/ }
    @{ (eval { $json->decode($err) } // { messages => [ { type => 'no answer', url => '', message => $err } ] })
        ->{messages} };
is(scalar @said, 0, 'and nothing to warn of') or diag bytes_of(join "\n", grep { defined } @said[ 0 .. 9 ]);

#-----------------------------------------------------------------------------------------------------------------------
# What the browser shows.

my %plan = (
    pages      => \%page,
    brief      => { map { ("odd$_", $odd[$_]) } 1 .. $#odd },
    widths     => WIDTHS,
    elements   => [ELEMENTS],
    attributes => [ATTRIBUTES]
);
PostgreSQL::Test::Utils::append_to_file("$folder/plan.json", $json->encode(\%plan));
($out) = run_for('the browser opens the pages', 'node', "$here/../browser/report.js", "$folder/plan.json");
my $seen = eval { $json->decode($out) } // {};
is_deeply([ sort keys %$seen ], [ sort keys %page, keys %{ $plan{brief} } ], 'all of them');

my $font_of_title = 2.5 * 16 . 'px';
my $nowhere = { page => 0, elements => [] };
for my $name (sort keys %$seen) {
    my $it = $seen->{$name};
    subtest bytes_of($name) => sub {
        for my $view (@{ $it->{views} }) {
            my $what = "$view->{width} $view->{theme}";
            is_deeply($view->{overflow}, $nowhere, "$what: nothing is wider than the window");
            is_deeply($view->{unfolded}, $nowhere, "$what: nor is what was folded");
            is_deeply([ @{ $view->{violations} }, @{ $view->{undecided} } ], [], "$what: axe-core finds nothing");
            cmp_ok($view->{rules}, '>=', 20, "$what: it had rules to apply");
            is_deeply($view->{contrast}{faint}, [], "$what: all that is read has contrast");
        }
        is_deeply($it->{foreign}{found}, [], 'no element, attribute or link that is not ours');
        is($it->{foreign}{compat}, 'CSS1Compat', 'in standards mode');
        is_deeply([ $it->{requests}, $it->{problems} ], [ [], [] ], 'nothing was asked for, and nothing failed');
        return if $plan{brief}{$name};
        is_deeply($it->{policy}, { problems => [], font => $font_of_title },
            'a policy that forbids all but its own style sheet leaves it as it is');
        is_deeply($it->{keys}{unseen}, [], 'what has the focus shows it');
        is($it->{keys}{first}, 'a.skip', 'the first leads to the content');
        is($it->{keys}{count}, $it->{keys}{reachable}, 'the Tab key reaches each link and each box that scrolls');
        is_deeply($it->{print}{overflow}, $nowhere, 'printed, nothing is wider than the paper');
        is_deeply([ @{ $it->{print}{violations} }, @{ $it->{print}{contrast}{faint} } ], [], 'and all can be read');
        cmp_ok(-s $it->{print}{pdf}, '>', 10_000, 'it was printed');
    };
}

# Whole, or cut: a text is shown as it is. In sentences it stands between other words.
my (%whole, @other);
for my $name (grep { /^odd/ } sort keys %$seen) {
    for my $shown (@{ $seen->{$name}{foreign}{texts} }) {
        my $marker = marker_of($shown->{text}) // next;
        (my $beginning = $shown->{text}) =~ s/\x{2026}\z//;
        if (index($text{$marker}, $beginning) == 0) {
            $whole{$marker} = 1;
        }
        elsif ($shown->{section} !~ /^(steps|rollouts|jobs)$/) {
            push @other, "$shown->{section}: $shown->{text}";
        }
    }
}
is_deeply([ map { bytes_of($_) } @other ], [], 'no text is shown otherwise than it is');
cmp_ok(scalar keys %whole, '>=', 90 * ROUNDS, 'texts are shown');
note(scalar keys %whole, ' of ', scalar @texts, ' texts are shown by themselves');

$node->stop;
done_testing();
