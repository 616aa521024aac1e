#!/usr/bin/env perl
# verdict.pl HERE CLIENT ACTION DATABASE POOL OUTPUT RESULTS VERDICT - compares what a program printed with what is
# stored.
#
# Writes a line "ok - ..." or "not ok - ..." for each default into VERDICT, and appends to RESULTS: client, place,
# default, outcome (stored, works, refused or WRONG), rows stored, and the error's text or what is wrong. check.sh has
# the rules.
use strict;
use warnings;
use JSON::PP;
binmode STDOUT, ':raw';

my ($here, $client, $action, $database, $pool, $output, $results, $verdict) = @ARGV;
my $schema = $database eq 'public' ? 'public' : 'training';
my $json = JSON::PP->new->utf8->canonical->allow_nonref;

# Error texts that are to come, by default.
sub refusals
{
	my %refused;
	open my $file, '<', "$here/$client/refused.tsv" or return {};
	while (my $line = <$file>)
	{
		chomp $line;
		next if $line =~ /^(#|\s*$)/;
		my ($default, $stored, $text, $where) = split /\t+/, $line;
		next if $where and !grep { $_ eq $database or $_ eq $pool or $_ eq "$database/$pool" } split /[ ,]+/, $where;
		$refused{$default} = { stored => $stored, text => $text };
	}
	return \%refused;
}

sub printed_lines
{
	my @lines;
	open my $file, '<', $output or die "$output: $!";
	while (my $line = <$file>)
	{
		next unless $line =~ /^\{/;
		my $data = eval { $json->decode($line) } or die "not JSON: $line";
		exists $data->{$_} or die "no $_: $line" for qw(default session rows id error);
		$data->{error} =~ s/\s+/ /g if defined $data->{error};
		push @lines, $data;
	}
	return @lines;
}

# For each line: how many new rows its session has, whether the id is one of them, and what was not stored as sent.
sub stored
{
	my $lines = $json->encode([ map { { session => $_->{session}, id => defined $_->{id} ? "$_->{id}" : undef,
				sent => $_->{sent} // {} } } @_ ]);
	my $query = <<SQL;
SELECT coalesce(json_agg(json_build_object('stored', n.stored, 'right', n.is_own, 'differing', d.differing)
	ORDER BY p.number), '[]')
FROM jsonb_array_elements(\$json\$$lines\$json\$::jsonb) WITH ORDINALITY p (line, number),
	LATERAL (SELECT count(*) AS stored, coalesce(bool_or(id::text = line ->> 'id'), false) AS is_own, max(id) AS newest
		FROM $schema.conversation_logs l
		WHERE session_id = line ->> 'session' AND NOT EXISTS (SELECT FROM checked.seen s WHERE s.id = l.id)) n,
	LATERAL (SELECT string_agg(format('%s is %s', key, to_jsonb(l) -> key), ', ') AS differing
		FROM jsonb_each(line -> 'sent') LEFT JOIN $schema.conversation_logs l ON l.id = n.newest
		WHERE n.stored > 0 AND CASE WHEN key = 'created_at'
			THEN l.created_at IS DISTINCT FROM (value #>> '{}')::timestamptz
			ELSE to_jsonb(l) -> key IS DISTINCT FROM value END) d
SQL
	open my $file, '>', "$output.sql" or die $!;
	print $file $query;
	close $file;
	open my $psql, '-|', "$ENV{TW_BIN}/psql", qw(-X -q -At -v ON_ERROR_STOP=1 -U postgres -h), $ENV{TW_CLUSTER},
		'-p', $ENV{TW_PORT}, '-d', $database, '-f', "$output.sql" or die "psql: $!";
	my $answer = do { local $/; <$psql> };
	close $psql or die 'psql failed';
	return @{ $json->decode($answer) };
}

# What is wrong with one line, or nothing.
sub fault
{
	my ($line, $found, $refusal) = @_;
	if ($refusal)
	{
		return "it succeeds, though refused.tsv has it ($found->{stored} stored)" unless defined $line->{error};
		return "stored $found->{stored}, not $refusal->{stored}" if $found->{stored} != $refusal->{stored};
		return "another error: $line->{error}" unless $line->{error} =~ /$refusal->{text}/i;
		return;
	}
	return "error ($found->{stored} stored): $line->{error}" if defined $line->{error};
	return "stored $found->{stored}, not $line->{rows}" if $found->{stored} != $line->{rows};
	return "$line->{id} is not the id of a row of this session" if defined $line->{id} and !$found->{right};
	return "differs from what was sent: $found->{differing}" if defined $found->{differing};
	return;
}

my $refusals = refusals();
my @lines = printed_lines();
my @found = stored(@lines);
open my $told, '>:raw', $verdict or die $!;
open my $kept, '>>:raw', $results or die $!;
my $wrong = 0;
my %tried;
sub report
{
	my ($is_right, $text) = @_;
	$wrong++ unless $is_right;
	utf8::encode($text);
	print $told $is_right ? "ok - " : "not ok - ", "$client, $database $pool: $text\n";
}
for my $number (0 .. $#lines)
{
	my ($line, $found) = ($lines[$number], $found[$number]);
	my $default = $line->{default};
	report(0, "$default is printed twice") if $tried{$default}++;
	my $fault = fault($line, $found, $refusals->{$default});
	my $outcome = defined $fault ? 'WRONG' : $refusals->{$default} ? 'refused' : $found->{stored} ? 'stored' : 'works';
	my $text = $fault // $line->{error} // '';
	report(!defined $fault, defined $fault ? "$default: $fault" : "$default: $outcome");
	my $row = join("\t", $client, "$database/$pool", $default, $outcome, $found->{stored}, $text) . "\n";
	utf8::encode($row);
	print $kept $row;
}
report(0, "$action prints nothing") unless @lines;
if ($action eq 'defaults')
{
	report(0, "refused.tsv has '$_', which nothing tries")
		for grep { !$tried{$_} and !/^complete: / } sort keys %$refusals;
}
exit($wrong ? 1 : 0);
