# exports.pl - samples with odd texts, intents and entities in every format of export_training_samples(): JSON is JSON,
# CSV has as many records, and what jsonl says is, when imported again, what it was.

use strict;
use warnings;

use JSON::PP ();
use TW::Database;
use TW::Fuzz;

my $node = start_fuzz(fill => 0);
sql(<<'SQL');
    CREATE ROLE tw_operator LOGIN;
    SELECT grant_training_role('tw_operator', 'operator');
    SELECT set_training_setting('redact', 'off');
    CREATE TABLE lines (format text, line text);
SQL

my $JSON    = JSON::PP->new->allow_nonref;
my @formats = qw(jsonl csv fasttext rasa huggingface openai spacy);
my $columns = 'text, intent, language, entities, module_id, module_type, expected_service, split, label_source, '
    . 'quality_score, created_at';

# What the import leaves as it is: without blanks at its ends, and not empty.
sub name { return 'n' . random_text(3) . 'n' }

# Without numbers that a double does not hold: jsonb has them, and the import refuses them.
sub json_value {
    my ($depth) = @_;
    my $kind = below($depth > 3 ? 5 : 7);
    return
          $kind == 0 ? $JSON->encode(random_text(3) =~ tr/\0//dr)
        : $kind == 1 ? one_of(qw(0 -1 0.10 1e-30 1e300 9223372036854775808 12345678901234567890.5))
        : $kind == 2 ? one_of(qw(true false null))
        : $kind == 3 ? '"x"'
        : $kind == 4 ? '[]'
        : $kind == 5 ? '[' . join(',', map { json_value($depth + 1) } 0 .. below(3)) . ']'
        :   '{' . join(',', map { $JSON->encode(random_text(1)) . ':' . json_value($depth + 1) } 1 .. below(4)) . '}';
}

# Spans of the text, right and wrong ones; or anything.
sub entities {
    my ($text) = @_;
    return undef if chance(0.3);
    return one_of('[%s]', '{"a": %s}') =~ s/%s/json_value(0)/er if chance(0.3);
    my @spans;
    for (0 .. below(4)) {
        my $start = below(length($text) + 2) - (chance(0.1) ? 1 : 0);
        my %span  = (
            one_of('start', 'start', 'start', 'begin') => $start,
            end => $start + below(8) - (chance(0.1) ? 3 : 0), label => one_of('dish', name())
        );
        $span{value} = random_text(2) =~ tr/\0//dr if chance(0.4);
        push @spans, \%span;
    }
    return $JSON->encode(\@spans);
}

sub insert {
    my ($number) = @_;
    my $text = random_text(10) . "n${number}n" . (chance(0.3) ? random_text(4) : '');
    return "INSERT INTO training_samples ($columns, source, review_status) VALUES (" . join(', ',
        literal($text),
        literal('intent.' . name()),
        literal(chance(0.5) ? undef : name()),
        literal(entities($text)),
        one_of('NULL', below(2**31), -2147483648),
        # Without a module, the import finds one in the intent.
        literal(name()),
        literal(chance(0.7) ? undef : name()),
        one_of("'train'", "'train'", "'test'"),
        one_of("'human'", "'human'", "'model'"),
        one_of(0, 1, rand),
        "'2001-01-01Z'::timestamptz + " . below(7 * 10**8) . " * interval '1.000007 s'") . ", 'synthetic', 'approved')";
}

my ($exported, $rows) = (0, 0);

# A line of the export at a time, as JSON strings: it may hold anything.
sub export {
    return "SELECT to_json(line) FROM export_training_samples(format => '$_[0]', include_split => 'all') line";
}

sub records_of_csv {
    my ($csv) = @_;
    my $records = 0;
    while ($csv =~ /\G(?:"(?:[^"]|"")*"|[^",\n]*)(,|\r?\n|\z)/g) {
        $records++ if $1 ne ',' && $1 ne '';
        last       if $1 eq '';
    }
    return $records;
}

sub judge {
    my ($format, $out, $count) = @_;
    my @lines = map { $JSON->decode($_) } split /\n/, $out;
    $exported += @lines;
    if ($format =~ /^(?:jsonl|huggingface|openai|spacy)$/) {
        finding("a line of $format is missing", "$count samples, " . @lines . ' lines') if @lines != $count;
        for my $line (@lines) {
            my $object = eval { $JSON->decode($line) };
            finding("$format that is no JSON", $line) if ref $object ne 'HASH' && ref $object ne 'ARRAY';
            finding("$format with a line break", $line) if $line =~ /[\n\r]/;
        }
    }
    elsif ($format eq 'csv') {
        my $records = records_of_csv(join "\n", @lines, '');
        finding('another number of records of CSV', "$records of $count and a header") if $records != $count + 1;
    }
    elsif ($format eq 'fasttext') {
        finding('fasttext without labels', join "\n", @lines) if grep { !/^__label__\S/ } @lines;
    }
    return;
}

batches(
    sub {
        my @sql = ('TRUNCATE training_samples, lines', map { insert($_) } 1 .. 40);
        my $first_export = @sql;
        push @sql, map { export($_) } @formats;
        push @sql, 'SELECT count(*) FROM training_samples',
            "CREATE TEMP TABLE before AS SELECT $columns FROM training_samples",
            map({ "INSERT INTO lines SELECT '$_', string_agg(l, E'\\n' ORDER BY n) "
                    . "FROM export_training_samples(format => '$_', include_split => 'all') "
                    . 'WITH ORDINALITY AS x (l, n)' }
                @formats),
            'TRUNCATE training_samples',
            "SELECT i.* FROM lines, import_training_samples(line) i WHERE format = 'jsonl'",
            "SELECT count(*) FROM (SELECT $columns FROM training_samples EXCEPT ALL TABLE before) x",
            "SELECT count(*) FROM (TABLE before EXCEPT ALL SELECT $columns FROM training_samples) x",
            map { ('TRUNCATE training_samples',
                "SELECT i.inserted = (SELECT count(*) FROM before), i.* FROM lines, import_training_samples(line) i "
                    . "WHERE format = '$_'",
                'SELECT count(*) FROM (SELECT '
                    . ($_ eq 'fasttext' ? 'intent' : 'text, intent')
                    . ' FROM before EXCEPT ALL SELECT '
                    . ($_ eq 'fasttext' ? 'intent' : 'text, intent') . ' FROM training_samples) x') } @formats;
        my @answers = run_batch(\@sql);
        my ($count, @rest) = @answers[ $first_export + @formats .. $#answers ];
        my ($import, $more, $less, @read) = @rest[ @formats + 2 .. $#rest ];
        for (0 .. $#formats) {
            my ($code, $out) = @{ $answers[ $first_export + $_ ] // next };
            finding("an export as $formats[$_] that fails", $code) if $code ne '00000';
            judge($formats[$_], $out, $count->[1] + 0) if $code eq '00000';
        }
        return if !$less;
        for (0 .. $#formats) {
            my (undef, $counts, $missing) = @read[ 3 * $_ .. 3 * $_ + 2 ];
            finding("an export as $formats[$_] that cannot be imported", "$counts->[0] $counts->[1]")
                if $counts->[0] ne '00000' || $counts->[1] !~ /^t/;
            finding("texts or intents of $formats[$_] that are others", $missing->[1]) if $missing->[1] ne "0\n";
        }
        $rows += $count->[1];
        finding('an export that cannot be imported', "$import->[0] $import->[1]") if $import->[0] ne '00000';
        finding('an import that is not what was exported', "$import->[1]: $more->[1] other, $less->[1] missing")
            if $import->[0] eq '00000' && "$more->[1]$less->[1]" ne "0\n0\n";
    }
);
finding('no use', "$rows samples, $exported lines") if !$rows || !$exported;
finish(said => "$rows samples, $exported lines");
