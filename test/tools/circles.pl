#!/usr/bin/env perl
# circles.pl ROOT - prints every circle of includes among the files of src; a source and its header are one.
use strict;
use warnings;

my $root = shift or die "usage: circles.pl ROOT\n";
chdir $root or die "$root: $!\n";
my %uses;

for my $path (glob 'src/*/*.[ch]') {
    my ($unit) = $path =~ m{^src/(.*)\.[ch]$};
    $uses{$unit} ||= {};
    open my $file, '<', $path or die "$path: $!\n";
    while (my $line = <$file>) {
        next unless $line =~ /^#include "(\w+\/\w+)\.h"/ && -e "src/$1.h";
        $uses{$unit}{$1} = 1 unless $1 eq $unit;
    }
    close $file or die "$path: $!\n";
}

# What uses nothing that is left is in no circle, and goes.
while (my @free = grep { my $u = $uses{$_}; !grep { $uses{$_} } keys %$u } keys %uses) {
    delete @uses{@free};
}
# Nor what nothing that is left uses.
my %used = map { $_ => 1 } map { keys %$_ } values %uses;
while (my @free = grep { !$used{$_} } keys %uses) {
    delete @uses{@free};
    %used = map { $_ => 1 } map { keys %$_ } values %uses;
}
print "$_ uses ", join(' ', sort grep { $uses{$_} } keys %{ $uses{$_} }), "\n" for sort keys %uses;
