# 030_pages.pl - what README.md and the pages of doc/ say to run works, in order, and prints what they show.
#
# A block ```sql is run in one session of psql, in the page's own database, which holds nothing except the extension
# (and not even that where the page creates it itself). A block ```text or ``` right after it is what it prints; a block
# without one need only succeed. Where an ERROR is shown, the block has to fail with it; messages come after the rows.
# Compared are words and lines: widths of columns, "(N rows)", dates, times and durations do not count. "…" stands for
# anything in a line, and a line with nothing else for any lines.
#
# HTML comments, which readers do not see, right before a block or anywhere on a line of their own:
#     <!-- not run: REASON -->       the next block is not run
#     <!-- run: SQL -->              SQL that is run in the order of the page, such as what a block needs to be there
use strict;
use warnings;
use utf8;

use Encode qw(decode encode);
use FindBin;
use lib $FindBin::RealBin;

use PostgreSQL::Test::Utils;
use Test::More;
use TW::Util;

my $root = "$FindBin::RealBin/../..";
my $node = start_node('pages', conf => "timezone = 'UTC'\nlc_messages = 'C'\nwal_level = logical\n");

# The blocks and comments of a page: { line, kind => sql, text, run or skip, text }.
sub parts {
    my ($page) = @_;
    my @lines = split /\n/, decode('UTF-8', slurp_file("$root/$page"));
    my @parts;
    for (my $n = 0; $n < @lines; $n++) {
        my $line = $n + 1;
        if ($lines[$n] =~ /^(\s*)```(\S*)\s*$/) {
            my ($indent, $language, @text) = ($1, $2);
            push @text, $lines[$n] =~ s/^$indent//r while ++$n < @lines && $lines[$n] !~ /^\s*```\s*$/;
            my $kind = $language eq 'sql' ? 'sql' : $language =~ /^(?:text)?$/ ? 'text' : 'other';
            push @parts, { line => $line, kind => $kind, text => join("\n", @text) . "\n" };
        }
        elsif ($lines[$n] =~ /^\s*<!-- (not run|run):\s*(.*)/) {
            my ($kind, $text) = ($1 eq 'run' ? 'run' : 'skip', $2);
            $text .= "\n$lines[$n]" while $text !~ /-->/ && ++$n < @lines;
            $text =~ s/\s*-->.*//s;
            push @parts, { line => $line, kind => $kind, text => $text };
        }
        elsif ($lines[$n] =~ /\S/ && @parts) {
            # Prose between a block and the next parts it from what follows.
            push @parts, { kind => 'prose' } if $parts[-1]{kind} ne 'prose';
        }
    }
    return @parts;
}

sub run_sql {
    my ($database, $sql) = @_;
    my ($stdout, $stderr) = ('', '');
    my $input = encode('UTF-8', "\\pset null ''\n\\pset linestyle ascii\n$sql");
    my $succeeded = IPC::Run::run([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr($database) ],
        '<', \$input, '>', \$stdout, '2>', \$stderr, IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
    return ($succeeded, decode('UTF-8', $stdout), decode('UTF-8', $stderr));
}

# What does not count is left out or spelled alike.
sub comparable {
    my @lines;
    for (split /\n/, $_[0]) {
        s/\b\d{4,}-\d\d-\d\d(?:[ T]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d(?::?\d\d)?)?)?(?![\d-])/<time>/g;
        s/\b(?:\d+ days? )?\d\d:\d\d:\d\d(?:\.\d+)?/<duration>/g;
        s/\b\d+(?:\.\d+)? ms\b/<duration>/g;
        s/^[-+]{3,}$/---/;
        s/\s+/ /g;
        s/^ | $//g;
        push @lines, $_ if length && !/^\(\d+ rows?\)$/;
    }
    return @lines;
}

sub matches {
    my ($expected, @got) = @_;
    my $pattern = join '', map {
        $_ eq '…' ? '(?:[^\n]*\n)*' : join('[^\n]*?', map { quotemeta } split /…/, $_, -1) . '\n'
    } @$expected;
    my $got = join '', map { "$_\n" } @got;
    return $got =~ /\A$pattern\z/;
}

sub check_page {
    my ($page) = @_;
    my @parts    = parts($page);
    my $database = $page =~ s{[^a-z]+}{_}gri;
    $node->safe_psql('postgres', "CREATE DATABASE \"$database\"");

    my $create  = qr/^\s*CREATE EXTENSION (?:IF NOT EXISTS )?training_workflow\b/im;
    my $creates = grep { $_->{kind} =~ /^(?:sql|run)$/ && $_->{text} =~ $create } @parts;
    $node->safe_psql($database, 'CREATE EXTENSION training_workflow') if !$creates;

    my ($blocks, $ran, $skip) = (0, 0, undef);
    for my $n (0 .. $#parts) {
        my ($part, $next) = @parts[ $n, $n + 1 ];
        my $kind = $part->{kind};
        if ($kind eq 'skip') {
            $skip = $part->{text};
            fail("$page:$part->{line}: not run for no reason") if $skip !~ /\w{2}.*\w{2}/;
            fail("$page:$part->{line}: no SQL block follows what is not run") if !$next || $next->{kind} ne 'sql';
        }
        elsif ($kind eq 'run') {
            my ($succeeded, undef, $stderr) = run_sql($database, $part->{text});
            ok($succeeded, "$page:$part->{line}: the hidden SQL") or diag encode('UTF-8', $stderr);
        }
        elsif ($kind eq 'sql') {
            $blocks++;
            if (defined $skip) { note encode('UTF-8', "$page:$part->{line}: not run: $skip"); $skip = undef; next }
            $ran++;
            my $shown = $next && $next->{kind} eq 'text' ? $next->{text} : undef;
            my ($succeeded, $stdout, $stderr) = run_sql($database, $part->{text});
            my $fails = defined $shown && $shown =~ /^ERROR: /m;
            if (!$succeeded != !!$fails) {
                fail("$page:$part->{line}: the SQL " . ($fails ? 'fails' : 'works'));
                diag encode('UTF-8', $stderr || $stdout);
            }
            elsif (defined $shown) {
                my @expected = comparable($shown);
                my @got      = comparable("$stdout\n$stderr");
                ok(matches(\@expected, @got), "$page:$part->{line}: prints what the page shows")
                    or diag encode('UTF-8', "the page shows:\n${shown}psql printed:\n$stdout$stderr");
            }
            else { pass("$page:$part->{line}: the SQL works") }
        }
    }
    note "$page: $ran of $blocks SQL blocks were run";

    # Roles are the cluster's: the next page begins without this one's.
    $node->safe_psql('postgres', "DROP DATABASE \"$database\"");
    $node->safe_psql('postgres', q{SELECT format('DROP ROLE %I', rolname) FROM pg_roles WHERE oid >= 16384 \gexec});
    return;
}

# PAGES="doc/review.md" make check TESTS=tap TAP=030_pages: these alone.
my @pages = $ENV{PAGES} ? split(' ', $ENV{PAGES}) : ('README.md', map { s{^\Q$root\E/}{}r } sort glob "$root/doc/*.md");
check_page($_) for grep { !m{^doc/reference} } @pages;

$node->stop;
plan skip_all => "there is no SQL in $ENV{PAGES}" if Test::More->builder->current_test == 0;
done_testing();
