#!/usr/bin/env perl
# reference.pl ROOT FOLDER - writes the reference of doc/ into FOLDER, from the catalog of the database that the
# environment names to psql.
#
# Functions and tables are grouped by the folder of src where they are defined, in the order of src/LAYERS.
use strict;
use warnings;

use JSON::PP;
use Text::Wrap;

my ($root, $folder) = @ARGV;
die "usage: reference.pl ROOT FOLDER\n" unless defined $folder;

use constant WIDTH => 120;
$Text::Wrap::columns  = WIDTH + 1;
$Text::Wrap::huge     = 'overflow';
$Text::Wrap::unexpand = 0;

# What a reader would call the folders.
my %title = (
    base        => 'Tools',
    rules       => 'Settings and rules',
    tables      => 'Tables',
    privacy     => 'Privacy',
    audit       => 'Audit trail',
    http        => 'Servers',
    runs        => 'Runs of jobs and the installation',
    capture     => 'Capture and filter',
    review      => 'Review and feedback',
    samples     => 'Training set and audit',
    exchange    => 'Import and export',
    model       => 'Models, training and the gate',
    labelstudio => 'Label Studio',
    s3          => 'Object storage',
    rollout     => 'Rollouts',
    erasure     => 'Personal data and retention',
    schedule    => 'Schedule and health of jobs',
    report      => 'Reports',
    jobs        => 'Jobs',
    governance  => 'Roles and integrity',
);
my $generated = "<!-- Written by \"make doc\" from the COMMENTs in the catalog: change those, in src/. -->\n";

sub slurp {
    my ($path) = @_;
    local $/ = undef;
    open my $file, '<:raw', $path or die "$path: $!\n";
    return scalar <$file>;
}

my @layers = map { /^(\w+)/ ? $1 : () } split /\n/, slurp("$root/src/LAYERS");
$title{$_} //= ucfirst for @layers;
my %home;
for my $path (map { glob "$root/src/$_/*.sql" } @layers) {
    my ($layer) = $path =~ m{/(\w+)/[^/]+$};
    my $text = slurp($path);
    $home{$1} //= $layer
        while $text =~ /CREATE (?:OR REPLACE )?(?:FUNCTION|PROCEDURE|VIEW|TABLE|AGGREGATE) \@extschema\@\.(\w+)/g;
}

my (%list, $json);
$json = JSON::PP->new->utf8;
open my $psql, '-|', 'psql', '-X', '-q', '-f', "$root/test/tools/reference.sql" or die "psql: $!\n";
while (<$psql>) {
    my $entry = $json->decode($_);
    # Shorter, and as people write it.
    if ($entry->{what} eq 'function') {
        s/ DEFAULT (NULL|'.*'|\S+?)::.*$/ DEFAULT $1/ for @{ $entry->{arguments} };
        s/timestamp with time zone/timestamptz/ for @{ $entry->{arguments} }, @{ $entry->{columns} }, $entry->{returns};
    }
    push @{ $list{ $entry->{what} } }, $entry;
}
close $psql or die "psql failed\n";

# Text of a COMMENT as a paragraph that Markdown shows as it stands.
sub markdown {
    my ($text) = @_;
    $text //= 'No comment.';
    $text =~ s/([\\*<\[\]|])/\\$1/g;
    $text =~ s/(?<!\w)_(?=\w)|(?<=\w)_(?!\w)/\\_/g;
    return $text;
}

sub paragraph {
    my ($text, $first, $other) = @_;
    $text =~ s/\s+/ /g;
    my $wrapped = wrap($first // '', $other // '', $text);
    # What begins a list or heading at the beginning of a line, but is only text.
    $wrapped =~ s/\n(\s*)(?=[-+#>] )/\n$1\\/g;
    $wrapped =~ s/\n(\s*\d+)(?=[.)] )/\n$1\\/g;
    return "$wrapped\n";
}

sub write_page {
    my ($name, $text) = @_;
    utf8::encode($text);
    open my $file, '>:raw', "$folder/$name" or die "$folder/$name: $!\n";
    print {$file} $text;
    close $file or die "$folder/$name: $!\n";
}

# Groups of entries: [ layer, entries of each name ]...
sub grouped {
    my @groups;
    for my $layer (@layers) {
        my @names;
        for (@_) {
            next if ($home{ $_->{name} } // die "$_->{name} is defined nowhere in src\n") ne $layer;
            push @names, [] if !@names || $names[-1][0]{name} ne $_->{name};
            push @{ $names[-1] }, $_;
        }
        push @groups, [ $layer, @names ] if @names;
    }
    return @groups;
}

sub contents {
    my ($groups, $mark) = @_;
    my $text = '';
    for (@$groups) {
        my ($layer, @names) = @$_;
        my $links = join ",\n", map { "[$_->[0]{name}](#$_->[0]{name})" } @names;
        # Wrapped between links only.
        my ($out, $line) = ('', "- **$title{$layer}**: ");
        for my $link (split /\n/, $links) {
            if (length("$line$link") > WIDTH - 1) { $out .= $line =~ s/ $/\n/r; $line = '  ' }
            $line .= "$link ";
        }
        $text .= $out . ($line =~ s/ $/\n/r);
    }
    return "$text\n";
}

sub signature {
    my ($f) = @_;
    my @arguments = @{ $f->{arguments} // [] };
    my @columns   = @{ $f->{columns}   // [] };
    my $is_row  = @columns > 1 || @columns && $f->{set};
    my $returns = $f->{procedure} ? '' : ' RETURNS ';
    if ($is_row) { $returns .= ($f->{set} ? 'TABLE ' : '') . '(' . join(', ', @columns) . ')' }
    elsif ($returns) { $returns .= ($f->{set} ? 'SETOF ' : '') . $f->{returns} }
    my $head = ($f->{procedure} ? 'CALL ' : '') . $f->{name} . '(';
    my $line = $head . join(', ', @arguments) . ")$returns";
    return "$line\n" if length($line) <= 100;
    $line = $head . join(', ', @arguments) . ')';
    $line = "$head\n    " . join(",\n    ", @arguments) . ')' if length($line) > 101;
    return "$line\n" if $f->{procedure};
    $returns =~ s/^ //;
    # A name and its type stay in one line.
    $returns = 'RETURNS ' . ($f->{set} ? 'TABLE ' : '') . "(\n"
        . wrap('    ', '    ', join ', ', map { s/ /\x{1}/gr } @columns) . ')'
        if $is_row;
    return "$line\n" . ($returns =~ s/\x{1}/ /gr) . "\n";
}

# Functions.
my @groups = grouped(@{ $list{function} });
my $page = "# Reference: functions and procedures\n\n$generated\n"
    . paragraph('What does a function take and return, what does it raise, and which kind of role may call it? '
        . 'Kinds are those of [grant_training_role](#grant_training_role); the owner of the extension and superusers '
        . 'may call everything. Tables and views are in [reference-tables.md](reference-tables.md), settings in '
        . '[reference-settings.md](reference-settings.md).')
    . "\n" . contents(\@groups);
for (@groups) {
    my ($layer, @names) = @$_;
    $page .= "## $title{$layer}\n\n";
    for my $overloads (@names) {
        $page .= "### $overloads->[0]{name}\n\n";
        for my $f (@$overloads) {
            my $who = $f->{everybody} ? 'everybody' : join(', ', @{ $f->{kinds} // [] }) || 'the owner alone';
            $page .= "```\n" . signature($f) . "```\n\n" . paragraph(markdown($f->{comment}))
                . "\nMay be called by: $who.\n\n";
        }
    }
}
write_page('reference.md', $page =~ s/\n+\z/\n/r);

# Tables and views.
@groups = grouped(sort { $a->{name} cmp $b->{name} } @{ $list{table} }, @{ $list{view} });
$page = "# Reference: tables and views\n\n$generated\n"
    . paragraph('What does a table or view hold, what does each column mean, and which kind of role may read it? '
        . 'Functions are in [reference.md](reference.md), settings in '
        . '[reference-settings.md](reference-settings.md).')
    . "\n" . contents(\@groups);
for (@groups) {
    my ($layer, @names) = @$_;
    $page .= "## $title{$layer}\n\n";
    for my $t (map { $_->[0] } @names) {
        $page .= "### $t->{name}\n\n"
            . paragraph(ucfirst("$t->{what}. ") . markdown($t->{comment})) . "\n"
            . paragraph('May be used by: ' . (join(', ', @{ $t->{kinds} // [] }) || 'the owner alone') . '.') . "\n";
        $page .= paragraph("`$_->{name}` " . markdown("$_->{type}: " . ($_->{comment} // 'no comment')), '- ', '  ')
            for @{ $t->{columns} };
        $page .= "\n";
    }
}
write_page('reference-tables.md', $page =~ s/\n+\z/\n/r);

# Settings and parameters.
$page = "# Reference: settings\n\n$generated\n"
    . paragraph('What can be set, to which values, and what is the default? '
        . 'Functions are in [reference.md](reference.md), tables and views in '
        . '[reference-tables.md](reference-tables.md).')
    . "\n## Training settings\n\n"
    . paragraph('They belong to a database: [list_training_settings](reference.md#list_training_settings) shows them, '
        . 'and [set_training_setting](reference.md#set_training_setting) changes them; NULL goes back to the default.')
    . "\n";
sub setting {
    my ($s) = @_;
    my $default = ($s->{default} // '') eq '' ? 'empty' : "`$s->{default}`";
    my $who     = $s->{context} ? ", set by: $s->{context}" : '';
    my $head    = "`$s->{name}` (" . markdown($s->{type}) . ", default $default$who): ";
    return paragraph($head . markdown($s->{comment}), '- ', '  ');
}
$page .= setting($_) for @{ $list{setting} };
$page .= "\n## Parameters of the server\n\n"
    . paragraph('They are set as any parameter of PostgreSQL is, with SET or in postgresql.conf; "superuser" can be '
        . 'set by superusers alone.')
    . "\n";
$page .= setting($_) for @{ $list{parameter} // [] };
write_page('reference-settings.md', $page);
