#!/usr/bin/env perl
# layers.pl ROOT - prints every include and every call of src that goes up in src/LAYERS, and C that lies in another
# folder than the SQL function that it implements.
use strict;
use warnings;

my $root = shift or die "usage: layers.pl ROOT\n";
chdir $root or die "$root: $!\n";

sub slurp { my ($path) = @_; local $/ = undef; open my $file, '<', $path or die "$path: $!\n"; return scalar <$file> }

my @layers = map { /^(\w+)/ ? $1 : () } split /\n/, slurp('src/LAYERS');
my %level = map { $layers[$_] => $_ } 0 .. $#layers;
my (%text, %home, %c_home);

for my $folder (glob 'src/*/') {
    $folder =~ s{^src/|/$}{}g;
    print "src/$folder is not in src/LAYERS\n" unless exists $level{$folder};
}
for my $path (map { glob "src/$_/*" } @layers) {
    next unless $path =~ /\.(c|h|sql)$/;
    my ($folder) = $path =~ m{^src/(\w+)/};
    $text{$path} = slurp($path);
    if ($path =~ /\.sql$/) {
        # Comments, of both kinds, name what they like.
        $text{$path} =~ s/--[^\n]*//g;
        $text{$path} =~ s/^COMMENT ON .*?;\n//gms;
        $home{$2} = [ $folder, $1 ]
            while $text{$path} =~
                /CREATE (?:OR REPLACE )?(FUNCTION|PROCEDURE|VIEW|AGGREGATE|TYPE) \@extschema\@\.(\w+)/g;
    } else {
        $c_home{$1} = $folder while $text{$path} =~ /PG_FUNCTION_INFO_V1\((\w+)\)/g;
    }
}

for my $path (sort keys %text) {
    my ($folder) = $path =~ m{^src/(\w+)/};
    while ($text{$path} =~ /#include "(\w+)\/(\w+\.h)"/g) {
        next unless exists $level{$1} && -e "src/$1/$2";
        print "$path includes $1/$2\n" if $level{$1} > $level{$folder};
    }
    # Statements of C name the schema by a format.
    if ($path =~ /\.c$/) {
        while ($text{$path} =~ /%(?:1\$)?s\.(\w+)\(/g) {
            print "$path needs $1 of $home{$1}[0]\n" if $home{$1} && $level{ $home{$1}[0] } > $level{$folder};
        }
    }
    next unless $path =~ /\.sql$/;
    my %seen;
    while ($text{$path} =~ /\@extschema\@\.(\w+)/g) {
        next if $seen{$1}++ || !$home{$1};
        print "$path needs $1 of $home{$1}[0]\n" if $level{ $home{$1}[0] } > $level{$folder};
    }
    while ($text{$path} =~ /AS '\w+', '(\w+)'/g) {
        print "$path: the C of $1 lies in $c_home{$1}\n" if ($c_home{$1} // $folder) ne $folder;
    }
}
