#!/usr/bin/env perl
# pages.pl ROOT - prints what is wrong with README.md and doc/: links that lead nowhere, and pages that are too long or
# too wide, or do not begin with their title and what they answer.
use strict;
use warnings;

my $root = shift or die "usage: pages.pl ROOT\n";
chdir $root or die "$root: $!\n";
use constant { LINES => 400, WIDTH => 120 };

sub slurp {
    my ($path) = @_;
    local $/ = undef;
    open my $file, '<:encoding(UTF-8)', $path or die "$path: $!\n";
    return scalar <$file>;
}

my @pages = (grep({ -e } qw(README.md ARCHITECTURE.md CONTRIBUTING.md)), sort glob 'doc/*.md');
my (%anchors, %prose);

# What GitHub makes of a heading.
sub anchor {
    my ($heading) = @_;
    $heading =~ s/\[([^\]]*)\]\([^)]*\)/$1/g;
    $heading = lc $heading;
    $heading =~ s/[^\w\- ]//g;
    return $heading =~ tr/ /-/r;
}

for my $page (@pages) {
    my ($inside, %times);
    for (split /\n/, slurp($page)) {
        if (/^\s*```/) { $inside = !$inside; $prose{$page} .= "\n"; next }
        $prose{$page} .= $inside ? "\n" : s/(`+).*?\1//gr . "\n";
        next if $inside;
        if (/^#+ +(.*?)\s*$/) {
            my $anchor = anchor($1);
            my $number = $times{$anchor}++;
            $anchors{$page}{ $number ? "$anchor-$number" : $anchor } = 1;
        }
        $anchors{$page}{$1} = 1 while /<a (?:name|id)="([^"]+)"/g;
    }
    print "$page: a fenced block is not closed\n" if $inside;
}

sub check_link {
    my ($page, $line, $target) = @_;
    return if $target =~ m{^(?:[a-z]+:)?//|^mailto:};
    my ($path, $anchor) = $target =~ /^([^#]*)(?:#(.*))?$/;
    my ($folder) = $page =~ m{^(.*/)};
    my $file = $path eq '' ? $page : ($folder // '') . $path;
    1 while $file =~ s{(^|/)(?!\.\./)[^/]+/\.\./}{$1};
    if (!-e $file) { print "$page:$line: there is no $file\n"; return }
    return if !defined $anchor;
    if ($file !~ /\.md$/) { print "$page:$line: $file has no anchors\n" }
    elsif (!$anchors{$file}{$anchor}) { print "$page:$line: $file has no heading #$anchor\n" }
}

for my $page (@pages) {
    my $text = $prose{$page};
    while ($text =~ /\]\(\s*<?([^)\s>]+)|^\[[^\]]+\]:\s+(\S+)|\b(?:src|srcset|href)="([^"]+)"/gm) {
        my $target = $1 // $2 // $3;
        check_link($page, 1 + (substr($text, 0, $-[0]) =~ tr/\n//), $target);
    }
    next if $page !~ m{^doc/};
    my @lines = split /\n/, slurp($page);
    my ($first, @rest) = grep { !/^\s*$/ } @lines;
    print "$page: the first line is no title (\"# ...\")\n" if $first !~ /^# \S/;
    # Comments are not shown.
    my $opening = join ' ', @rest;
    1 while $opening =~ s/^\s*<!--.*?-->//;
    print "$page: the title is not followed by what the page answers: a question, or \"This page answers\"\n"
        if $opening !~ /^\s*[^#|`\-\s]/ || $opening !~ /^[^#`|]{0,400}(?:\?|answers)/;
    for (0 .. $#lines) {
        print "$page:@{[ $_ + 1 ]}: @{[ length $lines[$_] ]} characters\n" if length $lines[$_] > WIDTH;
    }
    # The reference is for looking up, with a table of contents.
    print "$page: @{[ scalar @lines ]} lines\n" if @lines > LINES && $page !~ m{^doc/reference};
}
