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

# What the errors are called in the table; the page says what each means.
my @errors = (
	[ 'write-only', qr/conversation_capture can be inserted into, not read or changed/ ],
	[ 'id', qr/an application does not choose the id/ ],
	[ 'RETURNING', qr/permission denied to return column/ ],
	[ 'read', qr/permission denied to read column/ ],
	[ 'update', qr/permission denied to (?:update|lock rows of) conversation_logs/ ],
	[ 'delete', qr/permission denied to delete from conversation_logs/ ],
	[ 'insert', qr/permission denied to insert column/ ],
	[ 'closed', qr/is closed: its conversations are in/ ],
	[ 'session', qr/permission denied for table conversation_logs/ ],
	[ 'prepared', qr/prepared statement "\w*" (?:already exists|does not exist)/ ],
	[ 'COPY', qr/cannot copy to view/ ],
	[ 'owner', qr/must be owner of|permission denied for schema|"conversation_capture" is not a table/ ],
	[ 'JSON', qr/invalid input syntax for type json/ ],
	[ 'column', qr/column "\w+" (?:of relation "\w+" )?does not exist/ ],
	[ 'table', qr/(?:relation "|table `)\S+["`] does not exist/ ]);

# Of other errors the beginning stands below the table.
sub error_name
{
	my ($text, $notes) = @_;
	for my $error (@errors)
	{
		return $error->[0] if $text =~ $error->[1];
	}
	# What differs from run to run, or between the two relations, is left out.
	$text =~ s/\b0x[0-9a-f]+/0x.../g;
	$text =~ s/ (?:LINE 1|CONTEXT|Position): .*//;
	$text =~ s/^failed to encode args\[\d+\]: //;
	$text = substr($text, 0, 197) . '...' if length $text > 200;
	my ($number) = grep { $notes->[$_] eq $text } 0 .. $#$notes;
	return $number + 1 if defined $number;
	push @$notes, $text;
	return scalar @$notes;
}

sub code
{
	my ($text) = @_;
	my $ticks = $text =~ /`/ ? '``' : '`';
	my $pad = $text =~ /^`|`$/ ? ' ' : '';
	$text =~ s/\|/\\|/g;
	return "$ticks$pad$text$pad$ticks";
}

# {client}{relation or ''}{default}{place} = outcome
my (%outcomes, %order, %notes, %skipped);
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
	$order{$client}{$name} //= keys %{ $order{$client} };
	$outcomes{$client}{$relation}{$name}{$place} = $outcome =~ /^(?:stored|works)$/ ? 'works'
		: $outcome eq 'WRONG' ? 'WRONG' : error_name($text, $notes{$client} //= []) . ($stored ? " ($stored)" : '');
}

# The rows of a default: one for each pair of outcomes, with the places of that pair where there is more than one.
sub rows
{
	my ($name, @relations) = @_;
	my (%pairs, %databases, %seen);
	for my $place (sort map { keys %{ $_ // {} } } @relations)
	{
		next if $seen{$place}++;
		my $pair = join ' | ', map { $_->{$place} // '' } @relations;
		my ($database, $pool) = split m{/}, $place;
		$pairs{$pair}{$database}{$pool} = 1;
		$databases{$database}{$pair} = 1;
	}
	my @rows;
	for my $pair (sort keys %pairs)
	{
		# Pools are named only where they differ from one another.
		my @places;
		for my $database (sort keys %{ $pairs{$pair} })
		{
			push @places, keys %{ $databases{$database} } == 1 ? $database
				: map { "$database $_" } sort keys %{ $pairs{$pair}{$database} };
		}
		push @rows, '| ' . code($name) . (keys %pairs == 1 ? '' : ' (' . join(', ', @places) . ')') . " | $pair |\n";
	}
	return @rows;
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

sub note
{
	my ($number, $text) = @_;
	my $line = "$number. " . code($text) =~ s/\\\|/|/gr;
	$line =~ s/^(.{1,116}) (.*)$/$1\n   $2/ if length $line > 118;
	return "$line\n";
}

sub section
{
	my ($client, $title) = @_;
	my $found = $outcomes{$client};
	my $complete = $found->{complete} // {};
	my @wrong = grep { my $name = $_; grep { $_ ne 'works' } values %{ $complete->{$name} } } sort keys %$complete;
	my $text = "## $title\n\n[The complete program](" . program($client) . ")"
		. (@wrong ? ' fails: ' . join(', ', map { code($_) } @wrong) . ".\n\n" : " works.\n\n");
	my (@rows, @others);
	for my $name (sort { $order{$client}{$a} <=> $order{$client}{$b} } keys %{ $order{$client} })
	{
		my @relations = map { $found->{$_}{$name} } qw(conversation_capture conversation_logs);
		push @rows, rows($name, @relations) if $relations[0] || $relations[1];
		push @others, rows($name, $found->{''}{$name}) if $found->{''}{$name};
	}
	my $head = "| default | `conversation_capture` | `conversation_logs` |\n|---|---|---|\n";
	$text .= $head . join('', @rows) . "\n" if @rows;
	$text .= "| beside these | |\n|---|---|\n" . join('', @others) . "\n" if @others;
	my $notes = $notes{$client} // [];
	$text .= join('', map { note($_, $notes->[ $_ - 1 ]) } 1 .. @$notes) . "\n" if @$notes;
	return $text;
}

open my $old, '<:encoding(UTF-8)', $page or die "$page: $!";
my $whole = do { local $/; <$old> };
close $old;
$whole =~ /^(.*\Q$begin\E\n)(.*?)(\Q$end\E\n.*)$/s or die "$page has no markers\n";
my ($before, $middle, $after) = ($1, $2, $3);
my %standing = $middle =~ /^## (.*?)\n(.*?)(?=^## |\z)/gms;

my $new = "\n";
my $differs = 0;
binmode STDOUT, ':encoding(UTF-8)';
for my $known (@clients)
{
	my ($client, $title) = @$known;
	my $stands = defined $standing{$title} ? "## $title\n$standing{$title}" : '';
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
