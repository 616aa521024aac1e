#!/usr/bin/env perl
# compose.pl STEPS OLD_SCRIPT NEW_SCRIPT - writes an update script: ALTER EXTENSION leads from the release that
# OLD_SCRIPT installs to what NEW_SCRIPT installs.
# compose.pl --tables OLD_SCRIPT NEW_SCRIPT - the checksum of what STEPS has to do by hand.
#
# STEPS, written by hand, changes what holds rows, and drops what cannot be replaced. Everything else comes from
# NEW_SCRIPT: functions, views and triggers with CREATE OR REPLACE, so that they keep their OIDs, the privileges that
# people gave, and what people built on them; and tables that OLD_SCRIPT does not have. So only a change of a table
# needs a step. STEPS names the checksum of the statements that are left out: whoever changes one of them is asked for
# its step.

use strict;
use warnings;
use Digest::SHA;

sub slurp {
    my ($path) = @_;
    open my $file, '<', $path or die "compose: $path: $!\n";
    local $/;
    return scalar <$file>;
}

# The statements of a script, without the comments between them. Within BEGIN ATOMIC a semicolon ends none.
sub statements {
    my ($script) = @_;
    my ($statement, $depth, @statements) = ('', 0);

    $script =~ s/^\\.*\n//mg;
    while ($script =~ /\G(--[^\n]*|'(?:[^']|'')*'|"[^"]*"|(\$\w*\$).*?\2|\b\w+\b|;|\s+|.)/gs) {
        my $token = $1;
        if ($token =~ /^--/ || $token =~ /^\s/) {
            $statement .= $token =~ /^--/ && $statement eq '' ? '' : $token if $statement ne '';
            next;
        }
        $depth += $token =~ /^(?:CASE|ATOMIC)$/ ? 1 : $token eq 'END' && $depth ? -1 : 0;
        if ($token eq ';' && !$depth) {
            push @statements, $statement;
            $statement = '';
            next;
        }
        $statement .= $token;
    }
    die "compose: the last statement has no end: $statement\n" if $statement =~ /\S/;
    return @statements;
}

# Without comments and differences in white space.
sub canonical {
    my ($statement) = @_;
    my $canonical = '';
    while ($statement =~ /\G(--[^\n]*|'(?:[^']|'')*'|"[^"]*"|\s+|.)/gs) {
        my $token = $1;
        $canonical .= $token =~ /^(?:--|\s)/ ? ' ' : $token;
    }
    $canonical =~ s/ +/ /g;
    return $canonical;
}

my $name = qr/\@extschema\@\.(\w+)/;

# What each statement of the new script becomes: the statement that replaces it, '' if the generic parts of an update
# do it, or nothing if it is up to STEPS.
sub replacement {
    my ($statement, $old_tables) = @_;
    my $is_old = sub { $statement =~ /^(?:CREATE TABLE|ALTER TABLE|CREATE (?:UNIQUE )?INDEX .*? ON) $name/s
            && $old_tables->{$1} };

    return "CREATE OR REPLACE $1" if $statement =~ /^CREATE ((?:FUNCTION|PROCEDURE|VIEW|TRIGGER)\b.*)/s;
    return $statement =~ s/^(CREATE EVENT TRIGGER (\w+))/DROP EVENT TRIGGER IF EXISTS $2;\n$1/r
        if $statement =~ /^CREATE EVENT TRIGGER/;
    return $statement if $statement =~ /^(?:COMMENT ON|ALTER EVENT TRIGGER|SELECT pg_extension_config_dump)\b/;
    return $statement if $statement =~ /^ALTER TABLE $name ENABLE (?:ALWAYS|REPLICA) TRIGGER/;
    # end.sql takes EXECUTE and all else from PUBLIC where an object is new: a REVOKE in the script of an extension
    # would make people's own grants part of the extension, and pg_dump would leave them out.
    return '' if $statement =~ /^REVOKE ALL ON .* FROM PUBLIC$/s;
    return '' if $statement =~ /^DO \$install_check\$/;
    return $statement if $statement =~ /^DO \$(?:check|comments)\$/;
    return $statement =~ s/CREATE (?=FUNCTION)/CREATE OR REPLACE /r if $statement =~ /^DO \$inventory\$/;
    return $statement if $statement =~ /^SET LOCAL search_path/;
    return $statement if $statement =~ /^CREATE (?:TABLE|UNIQUE INDEX|INDEX)\b|^ALTER TABLE\b/ && !$is_old->();
    return;
}

my ($steps, $old_script, $new_script) = @ARGV;
die "usage: compose.pl {STEPS|--tables} OLD_SCRIPT NEW_SCRIPT\n" if @ARGV != 3;
my %old_tables = map { /^CREATE TABLE $name/ ? ($1 => 1) : () } statements(slurp($old_script));
my ($composed, $by_hand, @revoked) = ('', '');

for my $statement (statements(slurp($new_script))) {
    my $replacement = replacement($statement, \%old_tables);
    push @revoked, $1 if $statement =~ /^REVOKE ALL ON (.*) FROM PUBLIC$/s;
    if (defined $replacement) { $composed .= "$replacement;\n" if $replacement ne '' }
    else                      { $by_hand .= canonical($statement) . ";\n" }
}
my $checksum = Digest::SHA::sha256_hex($by_hand);
if ($steps eq '--tables') {
    print "$checksum\n";
    exit;
}

my $folder = $steps =~ s{[^/]*$}{}r;
my $script = slurp($steps);
my ($known) = $script =~ /^-- tables: ([0-9a-f]{64})$/m;
die "compose: tables, indexes or constraints of the install script have changed: add what ALTER EXTENSION UPDATE has\n"
    . "to do about it to $steps, and make its line \"-- tables: $checksum\"\n"
    if ($known // '') ne $checksum;
my %part = (
    BEGIN          => slurp("${folder}begin.sql"),
    INSTALL_SCRIPT => $composed,
    END            => slurp("${folder}end.sql"),
    REVOKED        => join(",\n", map { "        '" . ($_ =~ s/\s+/ /gr) . "'" } @revoked),
);
$script =~ s/^(?:--.*\n)+\n//;
$script =~ s/^\@(BEGIN|INSTALL_SCRIPT|END)\@\n/$part{$1}/mg;
$script =~ s/\@REVOKED\@/$part{REVOKED}/;
print $script;
