#!/usr/bin/env perl
# table.pl [--write] RESULTS PAGE - the table of client, default and outcome, in PAGE between the two markers.
#
# Without --write it compares, client by client; a client that was skipped keeps what stands there. Ends with 1 and the
# lines that differ where something else came out.
use strict;
use warnings;
use File::Basename qw(dirname);

my $write = @ARGV && $ARGV[0] eq '--write' && shift;
my ($results, $page) = @ARGV;
my $here = dirname(__FILE__);
my ($begin, $end) = ('<!-- made by test/clients/table.pl -->', '<!-- end of what test/clients/table.pl makes -->');

# The order and the names of the clients, and the language that highlights their programs.
my @clients = (
	[ pg => 'pg' ], [ prisma => 'Prisma' ], [ nestjs => 'NestJS with Prisma' ], [ typeorm => 'TypeORM' ],
	[ drizzle => 'Drizzle' ], [ knex => 'Knex' ], [ sequelize => 'Sequelize' ], [ sqlalchemy => 'SQLAlchemy' ],
	[ django => 'Django' ], [ psycopg => 'psycopg 3' ], [ asyncpg => 'asyncpg' ], [ pdo => 'PDO' ],
	[ laravel => 'Laravel' ], [ jdbc => 'JDBC' ], [ pgx => 'pgx' ]);

# What the errors are called in the table.
my @errors = (
	[ 'write-only', qr/conversation_capture can be inserted into, not read or changed/ ],
	[ 'no id of its own', qr/an application does not choose the id/ ],
	[ 'RETURNING', qr/permission denied to return column/ ],
	[ 'read', qr/permission denied to read column/ ],
	[ 'update', qr/permission denied to update conversation_logs/ ],
	[ 'delete', qr/permission denied to delete from conversation_logs/ ],
	[ 'closed', qr/is closed: its conversations are in/ ]);

# Of other errors the server's message alone, where it can be found in what the client makes of it.
sub error_name
{
	my ($text) = @_;
	for my $error (@errors)
	{
		return $error->[0] if $text =~ $error->[1];
	}
	return code($1) if $text =~ /((?:permission denied|invalid input syntax) [^|`]*[^|` ])/;
	return code($1) if $text =~ /((?:column|relation) "[^|]*does not exist)/;
	return code($1) if $text =~ /The (table `[^`]*` does not exist)/;
	$text =~ s/^\w+: //;
	$text = substr($text, 0, 87) . '...' if length $text > 90;
	return code($text);
}

sub code
{
	my ($text) = @_;
	my $ticks = $text =~ /`/ ? '``' : '`';
	my $pad = $text =~ /^`|`$/ ? ' ' : '';
	$text =~ s/\|/\\|/g;
	return "$ticks$pad$text$pad$ticks";
}

# {client}{relation or ''}{default}{outcome} = [places]
my (%outcomes, %order, %skipped, %places);
open my $file, '<:encoding(UTF-8)', $results or die "$results: $!";
while (my $line = <$file>)
{
	chomp $line;
	my ($client, $place, $default, $outcome, $stored, $text) = split /\t/, $line, 6;
	if ($outcome eq 'skipped')
	{
		$skipped{$client} = 1 if $place eq '-';
		next;
	}
	my ($relation, $name) = $default =~ /^(conversation_\w+|complete): (.*)/ ? ($1, $2) : ('', $default);
	my $shown = $outcome eq 'stored' || $outcome eq 'works' ? 'works'
		: $outcome eq 'refused' ? error_name($text) . ($stored ? " ($stored)" : '') : "WRONG: $text";
	$order{$client}{$name} //= keys %{ $order{$client} };
	$places{$client}{$place} = 1;
	push @{ $outcomes{$client}{$relation}{$name}{$shown} }, $place;
}

# "stored", or where outcomes differ "own, moved: closed; public: stored".
sub cell
{
	my ($found) = @_;
	return '' unless $found;
	my @outcomes = sort keys %$found;
	return $outcomes[0] if @outcomes == 1;
	my @texts;
	for my $outcome (@outcomes)
	{
		my %seen;
		my @databases = grep { !$seen{$_}++ } map { m{(.*)/} } @{ $found->{$outcome} };
		push @texts, join(', ', @databases) . ": $outcome";
	}
	return join '; ', @texts;
}

sub program
{
	my ($client) = @_;
	my ($path) = grep { -e } map { "$here/$client/$_" } qw(src/conversation-capture.service.ts src/complete.ts
		complete.mjs complete.py complete.php Complete.java complete/main.go complete/complete.go);
	return '' unless $path;
	$path =~ s{^\Q$here\E/}{../test/clients/};
	return $path;
}

# One row for what has the same outcomes on both relations; those that work come first.
sub section
{
	my ($client, $title) = @_;
	my $found = $outcomes{$client};
	my @wrong = grep { cell($found->{complete}{$_}) ne 'works' } sort keys %{ $found->{complete} };
	my $text = "### $title\n\n[The complete program](" . program($client) . ")"
		. (@wrong ? ": " . join(', ', map { "$_: " . cell($found->{complete}{$_}) } @wrong) . ".\n\n" : " works.\n\n");
	my (%rows, @row_order);
	for my $name (sort { $order{$client}{$a} <=> $order{$client}{$b} } keys %{ $order{$client} })
	{
		my @cells = map { cell($found->{$_}{$name}) } qw(conversation_capture conversation_logs);
		my @rows = $cells[0] . $cells[1] eq '' ? () : (join ' | ', @cells);
		# What concerns neither relation alone has one outcome.
		push @rows, cell($found->{''}{$name}) . ' |' if $found->{''}{$name};
		for my $row (@rows)
		{
			push @row_order, $row unless $rows{$row};
			push @{ $rows{$row} }, code($name);
		}
	}
	my %rank = ('works | works' => 0, 'works |' => 1);
	my %place = map { $row_order[$_] => $_ } 0 .. $#row_order;
	@row_order = sort { ($rank{$a} // 2) <=> ($rank{$b} // 2) or $place{$a} <=> $place{$b} } @row_order;
	return $text unless @row_order;
	return $text . "| default | `conversation_capture` | `conversation_logs` |\n|---|---|---|\n"
		. join('', map { '| ' . join('<br>', @{ $rows{$_} }) . " | $_ |\n" } @row_order) . "\n";
}

open my $old, '<:encoding(UTF-8)', $page or die "$page: $!";
my $whole = do { local $/; <$old> };
close $old;
$whole =~ /^(.*\Q$begin\E\n)(.*?)(\Q$end\E\n.*)$/s or die "$page has no markers\n";
my ($before, $middle, $after) = ($1, $2, $3);
my %standing = $middle =~ /^### (.*?)\n(.*?)(?=^### |\z)/gms;

my $new = "\n";
my $differs = 0;
binmode STDOUT, ':encoding(UTF-8)';
for my $known (@clients)
{
	my ($client, $title) = @$known;
	my $stands = defined $standing{$title} ? "### $title\n$standing{$title}" : '';
	my $section = $outcomes{$client} ? section($client, $title) : $skipped{$client} ? $stands : '';
	$new .= $section;
	next if $section eq $stands;
	$differs = 1;
	my %is_old = map { $_ => 1 } split /\n/, $stands;
	my %is_new = map { $_ => 1 } split /\n/, $section;
	print "$title:\n", (map { "- $_\n" } grep { !$is_new{$_} } split /\n/, $stands),
		(map { "+ $_\n" } grep { !$is_old{$_} } split /\n/, $section);
}
delete @outcomes{ map { $_->[0] } @clients };
die "table.pl does not know: " . join(', ', sort keys %outcomes) . "\n" if %outcomes;
exit($differs) unless $write;
open my $out, '>:encoding(UTF-8)', $page or die "$page: $!";
print $out $before, $new, $after;
