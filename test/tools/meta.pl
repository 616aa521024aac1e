#!/usr/bin/env perl
# meta.pl ROOT - prints what is wrong with META.json by PGXN Meta 1.0.0 (https://pgxn.org/spec/), in the fields that it
# uses, and where it differs from the control file.
use strict;
use warnings;

use JSON::PP;

my $root = shift or die "usage: meta.pl ROOT\n";
chdir $root or die "$root: $!\n";

sub slurp {
    my ($path) = @_;
    local $/ = undef;
    open my $file, '<:raw', $path or die "$path: $!\n";
    return scalar <$file>;
}
my $meta = eval { JSON::PP->new->utf8->decode(slurp('META.json')) };
if (ref $meta ne 'HASH') { print 'META.json is no JSON object: ', $@ || 'something else', "\n"; exit }
my ($version) = slurp('training_workflow.control') =~ /^default_version *= *'(.*)'/m;

# Semantic Versioning 2.0.0.
my $number = qr/(?:0|[1-9][0-9]*)/;
my $part   = qr/(?:$number|[0-9]*[A-Za-z-][0-9A-Za-z-]*)/;
my $semver = qr/$number\.$number\.$number(?:-$part(?:\.$part)*)?(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?/;
my $range  = qr/(?:(?:[<>]=?|==|!=)?\s*$semver|0)/;
my %is_licence = map { $_ => 1 } qw(
  agpl_3 apache_1_1 apache_2_0 artistic_1 artistic_2 bsd freebsd gfdl_1_2 gfdl_1_3 gpl_1 gpl_2 gpl_3 lgpl_2_1 lgpl_3_0
  mit mozilla_1_0 mozilla_1_1 openssl perl_5 postgresql qpl_1_0 ssleay sun zlib open_source restricted unrestricted
  unknown);

sub is_text { my ($value) = @_; return defined $value && !ref $value && $value =~ /\S/ }
sub is_term { my ($value) = @_; return is_text($value) && $value =~ m{\A[^[:space:][:cntrl:]/\\]{2,}\z} }
sub is_tag  { my ($value) = @_; return is_text($value) && $value =~ m{\A[^[:cntrl:]/\\]{1,256}\z} }
sub is_version { my ($value) = @_; return is_text($value) && $value =~ /\A$semver\z/ }
sub is_ranges { my ($value) = @_; return is_text($value) && $value =~ /\A$range(?:,\s*$range)*\z/ }
sub is_url { my ($value) = @_; return is_text($value) && $value =~ m{\A[a-z][a-z0-9+.-]*://[^/\s]+\S*\z}i }
sub is_file { my ($value) = @_; return is_text($value) && $value !~ m{\A/|(?:\A|/)\.\.(?:/|\z)} && -f $value }
sub all_of { my ($test, $value) = @_; return ref $value eq 'ARRAY' && @$value && !grep { !$test->($_) } @$value }
sub one_or_all { my ($test, $value) = @_; return $test->($value) || all_of($test, $value) }

# A map of maps: what is wrong with each field, by its path.
my %known;
sub field {
    my ($map, $path, $name, $required, $test, $wanted) = @_;
    $known{$path}{$name} = 1;
    my $where = $path eq '' ? $name : "$path/$name";
    if (!exists $map->{$name}) { print "META.json: $where is missing\n" if $required }
    elsif (!$test->($map->{$name})) { print "META.json: $where is not $wanted\n" }
}
sub unknown_fields {
    my ($map, $path) = @_;
    for my $name (sort keys %$map) {
        next if $known{$path}{$name} || $name =~ /^x_/i;
        print 'META.json: ', $path eq '' ? $name : "$path/$name", " is no field of the specification\n";
    }
}
sub map_of {
    my ($value, $path) = @_;
    return $value if ref $value eq 'HASH' && %$value;
    print "META.json: $path is no map with something in it\n" if defined $value;
    return {};
}

field($meta, '', 'name', 1, \&is_term, 'a term (two characters, no space, no slash)');
field($meta, '', 'version', 1, \&is_version, 'a semantic version');
field($meta, '', 'abstract', 1, \&is_text, 'text');
field($meta, '', 'description', 0, \&is_text, 'text');
field($meta, '', 'generated_by', 0, \&is_text, 'text');
field($meta, '', 'maintainer', 1, sub { one_or_all(\&is_text, @_) }, 'text or a list of texts');
field($meta, '', 'license', 1, sub { one_or_all(sub { is_text($_[0]) && $is_licence{ $_[0] } }, @_) },
    "one of the specification's names");
field($meta, '', 'release_status', 0, sub { is_text($_[0]) && $_[0] =~ /\A(?:stable|testing|unstable)\z/ },
    'stable, testing or unstable');
field($meta, '', 'tags', 0, sub { one_or_all(\&is_tag, @_) }, 'a list of tags (1 to 256 characters, no slash)');
for my $name (qw(provides meta-spec prereqs resources no_index)) {
    field($meta, '', $name, scalar($name =~ /provides|meta-spec/), sub { ref $_[0] eq 'HASH' }, 'a map');
}
unknown_fields($meta, '');

my $spec = map_of($meta->{'meta-spec'}, 'meta-spec');
field($spec, 'meta-spec', 'version', 1, sub { is_text($_[0]) && $_[0] eq '1.0.0' }, '1.0.0');
field($spec, 'meta-spec', 'url', 0, \&is_url, 'a URL');
unknown_fields($spec, 'meta-spec');

my $provides = map_of($meta->{provides}, 'provides');
for my $extension (sort keys %$provides) {
    my $path = "provides/$extension";
    my $one  = map_of($provides->{$extension}, $path);
    print "META.json: $path is not a term\n" if !is_term($extension);
    field($one, $path, 'file', 1, \&is_file, 'a file of the distribution');
    field($one, $path, 'version', 1, \&is_version, 'a semantic version');
    field($one, $path, 'abstract', 0, \&is_text, 'text');
    field($one, $path, 'docfile', 0, \&is_file, 'a file of the distribution');
    unknown_fields($one, $path);
}

my $prereqs = map_of($meta->{prereqs}, 'prereqs');
for my $phase (sort keys %$prereqs) {
    print "META.json: prereqs/$phase is no phase\n" if $phase !~ /\A(?:configure|build|test|runtime|develop)\z/;
    my $relations = map_of($prereqs->{$phase}, "prereqs/$phase");
    for my $relation (sort keys %$relations) {
        my $path = "prereqs/$phase/$relation";
        print "META.json: $path is no relation\n" if $relation !~ /\A(?:requires|recommends|suggests|conflicts)\z/;
        my $needs = map_of($relations->{$relation}, $path);
        for my $need (sort keys %$needs) {
            print "META.json: $path/$need is not a term\n" if !is_term($need);
            print "META.json: $path/$need is no range of versions\n" if !is_ranges($needs->{$need});
        }
    }
}

# What this extension has to say there.
my %ours = (
    'name' => [ $meta->{name}, 'training_workflow' ],
    'version' => [ $meta->{version}, $version ],
    'license' => [ $meta->{license}, 'postgresql' ],
    'provides/training_workflow/version' => [ $provides->{training_workflow}{version}, $version ],
    'prereqs/runtime/requires/PostgreSQL' => [ $prereqs->{runtime}{requires}{PostgreSQL}, '15.0.0' ],
);
for my $path (sort keys %ours) {
    my ($is, $should) = @{ $ours{$path} };
    print "META.json: $path is ", $is // 'missing', ", and should be $should\n" if ($is // '') ne $should;
}
