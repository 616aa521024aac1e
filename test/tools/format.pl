#!/usr/bin/env perl
# format.pl --check|--apply|--typedefs ROOT - the C code in the format of
# PostgreSQL's own, by the program that pgindent runs.
#
# --check prints what differs and fails where something does, --apply writes it. Debian packages the program
# (pg-bsd-indent) without pgindent, whose treatment of what the program cannot read is repeated here as far as our code
# needs it.
#
# The program has to be told which names are types. Those of our own are found by their declarations; those of others
# are in typedefs.list, which --typedefs writes anew from the debugging information of the built objects.
use strict;
use warnings;

use File::Temp;
use IPC::Open2;

my ($mode, $root) = @ARGV;
die "format.pl --check|--apply|--typedefs ROOT\n" unless defined $root && $mode =~ /^--(check|apply|typedefs)$/;
chdir $root or die "$root: $!\n";
my $list = 'test/tools/typedefs.list';

# pgindent's options, with our lines of 120 characters.
my @options =
    qw(-bad -bap -bbb -bc -bl -cli1 -cp33 -cdb -nce -d0 -di12 -nfc1 -i4 -l121 -lp -lpl -nip -npro -sac -tpg -ts4);

sub slurp { my ($name) = @_; open my $in, '<', $name or die "$name: $!\n"; local $/ = undef; return scalar <$in> }

sub spew
{
    my ($name, $text) = @_;
    open my $out, '>', $name or die "$name: $!\n";
    print {$out} $text;
    close $out or die "$name: $!\n";
    return;
}

my %source = map { $_ => slurp($_) } glob 'src/*.c src/*/*.[ch] test/unit/*.[ch] test/bench/*.[ch]';

my %own;
for my $text (values %source)
{
    $own{$1} = 1 while $text =~ /^\}\s*(\w+);$/mg;
    $own{$1} = 1 while $text =~ /^typedef\s[^;{(]*?(\w+)(?:\s+__attribute__[^;]*)?;/mg;
    $own{$1} = 1 while $text =~ /^typedef\s[^;{(]*\(\*(\w+)\)/mg;
}

sub typedefs
{
    my %word = map { $_ => 1 } map { /\w+/g } values %source;
    my %type = (bool => 1);
    my $pg_config = $ENV{PG_CONFIG} || 'pg_config';
    chomp(my $server = `$pg_config --includedir-server`);
    my $object = File::Temp->new;
    for my $name (grep { /\.c$/ } sort keys %source)
    {
        my @compile =
            ('gcc', '-g', '-w', '-Isrc', '-Itest/unit', "-I$server", '-D_GNU_SOURCE', '-DTW_VERSION=""', '-c', '-o',
            "$object", $name);
        die "typedefs.list: $name cannot be compiled\n" if system @compile;
        my $debug = `objdump --dwarf=info $object`;
        $type{$1} = 1 while $debug =~ /\(DW_TAG_typedef\)\n[^\n]*DW_AT_name\s*:\s*(?:\([^)]*\):\s*)?(\w+)/g;
    }
    spew($list, join '', map { "$_\n" } sort grep { $word{$_} && !$own{$_} } keys %type);
    return;
}

sub stand_in { my ($number, $length) = @_; return "V$number" . '_' x ($length - 2 - length $number) . 'V' }

# The file's text as it should be. What the program cannot read hides behind something of the same length.
sub formatted
{
    my ($name, $types) = @_;
    my $text = $source{$name};
    my @hidden;
    my $hide = sub { push @hidden, $_[0]; return stand_in($#hidden, length $_[0]) };
    # A comment that begins with dashes keeps its lines.
    $text =~ s{/\* +---}{/*---X_X}g;
    # Values in braces amid an expression, and floating-point numbers in hexadecimal.
    $text =~ s/((?:\((?!void)\w+(?:\[\])?\) |(?:return|=) \(\w+\)\n\s*))(\{(?:[^{}]++|(?2))*\})/$1 . $hide->($2)/ge;
    $text =~ s/\b(0x[0-9a-f.]+p[+-]?\d+)/$hide->($1)/gie;
    # As a type, text is the type of a pointer; else it is somebody's name.
    $text =~ s/\btext\b(?! \*)/teXt/g;
    # The program would write a number in the place of this byte.
    $text =~ tr/\x80/\xfe/;

    my $pid = open2(my $out, my $in, 'pg_bsd_indent', @options, "-U$types");
    # It reads everything before it writes.
    print {$in} $text;
    close $in;
    $text = do { local $/ = undef; <$out> };
    waitpid $pid, 0;
    die "$name: pg_bsd_indent ended with status $?\n" if $?;

    # A value goes on further to the right than the variable that it is for; from 2.1.2 on the program knows.
    my $begins = qr/(\t*)(?![^\n]*\/\*)[^\s#][^\n]* =(?:| [^\n]*[^\s;{},])/;
    $text =~ s/^($begins)\n((?=\2(?!V\d)[^\s{}])[^;{}]*?;\n)/"$1\n" . deeper($3)/gme;
    $text =~ s/(\)\n)\t(?=\t*V\d+_+V;)/$1/g;
    $text =~ tr/\xfe/\x80/;
    $text =~ s/\bteXt\b/text/g;
    $text =~ s/\bV(\d+)_+V\b/$hidden[$1]/g while $text =~ /\bV\d+_+V\b/;
    $text =~ s{/\*---X_X}{/* ---}g;
    $text =~ s/,(?=\.\w+ = |\.\.\.\))/, /g;
    $text =~ s/^((?:static )?void)\n(pg_attribute_noreturn\(\))$/$1 $2/gm;
    # Two comments in one line, and the pointer that a function returns.
    $text =~ s{\*/(/\*.*\*/)$}{*/\t$1}gm;
    $text =~ s{^([A-Za-z_]\S*)[ \t]+\*$}{$1 *}gm;
    return $text;
}

sub deeper { my ($lines) = @_; $lines =~ s/^(?=.)/\t/gm; return $lines }

if ($mode eq '--typedefs')
{
    typedefs();
    exit;
}
# Each version has a format of its own.
my $version = `pg_bsd_indent --version 2>&1` || 'missing';
if ($version !~ /^pg_bsd_indent 2\.1\.1\b/)
{
    chomp $version;
    print "it takes pg_bsd_indent 2.1.1, and here it is $version\n";
    exit 77;
}
my $types = File::Temp->new;
print {$types} slurp($list), map { "$_\n" } sort keys %own;
close $types;
my $differ = 0;
for my $name (sort keys %source)
{
    my $text = formatted($name, $types->filename);
    next if $text eq $source{$name};
    $differ = 1;
    if ($mode eq '--apply')
    {
        spew($name, $text);
        next;
    }
    my $new = File::Temp->new;
    spew($new->filename, $text);
    system 'diff', '-u', '--label', $name, '--label', "$name as formatted", $name, $new->filename;
}
exit($mode eq '--check' ? $differ : 0);
