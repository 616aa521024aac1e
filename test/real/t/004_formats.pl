# 004_formats.pl - every format of an export, read by the tool that it is
# for: the samples are those of the table, one by one.

use strict;
use warnings;
use utf8;

use FindBin;
use lib $FindBin::RealBin;

use JSON::PP ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TW::Util;

my $python = $ENV{FORMATS_PYTHON} or plan skip_all => 'the tools that exports are for are not here';

use constant {
    DATABASE => 'exports',
    COMBINED => 1500,
    JOINER   => "\x{2060}"
};

my $json   = JSON::PP->new->canonical->ascii->allow_nonref;
my $bytes  = JSON::PP->new->utf8;
my $folder = PostgreSQL::Test::Utils::tempdir();
my $node   = start_node('main');
create_database($node, $_) for DATABASE, 'copy';

sub bytes_of { my ($text) = @_; utf8::encode($text); return $text }

# In UTF8 psql leaves out the last two code points of planes.
sub sql {
    my ($sql, $database) = @_;
    local $ENV{PGCLIENTENCODING} = 'SQL_ASCII';
    return $node->safe_psql($database // DATABASE, $sql);
}

#-----------------------------------------------------------------------------------------------------------------------
# Samples.

# What one format or another, or a tool, could take for its own.
my @odd = (
    'yes', 'No', 'on', 'true', 'null', '~', '1e3', '0o17', '0x1F', '1_000', '.5', '12:30:45', '2026-01-01', '.inf',
        '=', '<<',
    '- x', '-', '? key', 'a: b', 'key:', ': b', '{a: b}', '[x, y]', '%TAG ! x', '---', '...', '&anchor', '*alias',
        '!tag', '@at', '`tick`',
    '|', '>-', '# comment', 'a #b', '%', '100% sure', 'a%20b', '"quoted" words', "it's", q{''}, '""', 'back\\slash',
        'trailing \\',
    '\\n \\u0041 \\"', 'C:\\users\\new', ',comma;semi', '=SUM(A1)', '{{ x }}', '$x', '<b>&amp;</b>', '[a]', '[a](b)',
        '[a](b:c)', '[a]{"entity": "b"}',
    '[a][{"entity": "b"}]', '[a]{broken}', '[] (x)', '[a] (x)', '[open', 'close]', '](x)', '__label__x', '__label__',
        'a__label__b', '</s>', '</s>x',
    "\ttab\t", "line\nbreak", "two\n\nbreaks", "\n- next", "cr\rlf\r\n", "vt\x0Bff\x0C", "fs\x1Cgs\x1Drs\x1Eus\x1F",
        "nel\x{85}x", "ls\x{2028}x", "ps\x{2029}x",
    "\x{85}__label__y", "nbsp\x{A0}\x{3000}x", "\x01\b\e\x7F\x{9F}", "\x{FEFF}bom", "\x{FFFF}\x{1FFFE}\x{10FFFF}",
        "\x{2060}joined", "zero\x{200B}width\x{200D}",
    'नमस्ते दुनिया', 'मुझे पिज़्ज़ा चाहिए', '।', 'bhai pizza chahiye, jaldi!', 'कल subah milega?', '🍕🔥', '👩‍👩‍👧', '🇮🇳',
        "e\x{301}te\x{301}", "\x{301}", "שלום", "ｆｕｌｌ"
);
my @intents = (
    map({ "intent.food.item$_" } 1 .. 9), 'yes', 'No', 'null', '~', '1e3', '- x', '{a: b}', '[x](y)', '%TAG', 'a: b',
        'a #b', '100% sure', 'a%20b', ' led', "trailed\t",
    'two words', 'नमस्ते जी', '🍕', "it's", 'say "hi"', 'back\\slash', '__label__x', '</s>', "line\nbreak",
        "nel\x{85}x\x{2028}", "a\x{A0}b\x{3000}", 'x,y', '2026-01-01', '"', "\x01\x7F"
);
my @labels =
    ('city', 'dish', 'dish name', 'a:b', 'x)y(', 'j}{', '[l]', 'say "hi"', 'back\\slash', 'é', 'शहर', "line\nbreak",
    'yes', '#1');

# The same every time.
my $seed = 1;
sub any_of { $seed = ($seed * 1103515245 + 12345) % 2147483648; return $_[ int($seed / 65536) % @_ ] }

sub entities_of {
    my ($text, $number, $word) = @_;
    my $at     = index $text, $word;
    my $past   = $at + length $word;
    my $length = length $text;
    my @choice = (
        [ [ $at, $past ] ],
        [ [ 0, $length ] ],
        [ [ 0, $at ], [ $past, $length ] ],
                                        # with the white space around, and nothing where there is none
        [ [ $at, $past ], [ 0, $length ] ],                             # one in the other
        [ [ $at, $past - 1 ], [ $at, $past ], [ $at, $length ] ],       # that begin together
        [ [ $at > 3 ? $at - 3 : 0, $past - 1 ], [ $at + 1, $past ] ],    # that overlap, inside of words
        [ [ $at + 1, $past - 1 ] ],
        [ [ $at, $past ], [ $at, $past ] ],
        [ [ $at, $past ], [ $past, $past ], [ $at, $length + 1 ] ],     # two that are no spans
    );
    my $key = any_of('label', 'label', 'entity', 'type');
    # An import refuses a value that contradicts its positions: past the end, or the value stands elsewhere.
    my $value = sub {
        my ($span, $said) = @_;
        my $part = substr $text, $span->[0], $span->[1] - $span->[0];
        return $span->[1] > $length || index($text, $said) >= 0 && index($part, $said) < 0 ? () : (value => $said);
    };
    my @entities = map { {
        start => $_->[0], end => $_->[1], $key => any_of(@labels),
        $number % 2 ? ($value->($_, $word), score => 0.5) : (),
        $number % 3 ? () : (role => any_of(@labels), $value->($_, any_of(@odd))), $number % 5 ? () : (group => '1') } }
        @{ any_of(@choice) };
    return any_of(\@entities, \@entities, \@entities, \@entities, undef, [], { $key => $word }, 'scalar');
}

my @made;
for my $piece (@odd) {
    push @made,
        { text => $piece, intent => any_of(@intents),
        entities => any_of(undef, [ { start => 0, end => length $piece, label => any_of(@labels) } ]) };
}
for my $number (1 .. COMBINED) {
    my ($before, $after, $word) = (any_of(@odd), any_of(@odd), "शब्द$number");
    $word = "word$number" if $number % 2;
    my $text = any_of("$before $word", "$word $after", "$before $word $after", "$before$word$after",
        " $before $word\n", "$word, $after \t", "\r\n$word $before",
        "[$word] $after", "[$word $before] x");
    push @made, { text => $text, intent => any_of(@intents), entities => entities_of($text, $number, $word) };
}
my $number = 0;
for my $sample (@made) {
    $number++;
    $sample->{split}         = $number % 20 ? 'train' : 'test';
    $sample->{language}      = any_of(undef, 'en', 'hi', 'hinglish', 'x "y", z', '');
    $sample->{module_id}     = any_of(undef, 1, -2147483648);
    $sample->{module_type}   = any_of(undef, 'food', 'नाम');
    $sample->{quality_score} = any_of(undef, 0, 1, 0.1);
}
append_to_file("$folder/made.json", $json->encode(\@made));

sql("SELECT set_training_setting('redact', 'off')");
sql(<<"SQL");
INSERT INTO training_samples (text, intent, entities, split, language, module_id, module_type, quality_score,
                              review_status, source, created_at)
SELECT m.text, m.intent, m.entities, m.split, m.language, m.module_id, m.module_type, m.quality_score, 'approved',
       'manual', '2026-01-02 03:04:05.000006Z'
FROM ROWS FROM (jsonb_to_recordset(pg_read_file('$folder/made.json')::jsonb)
        AS (text text, intent text, entities jsonb, split text, language text, module_id integer, module_type text,
            quality_score float8)) WITH ORDINALITY
    AS m (text, intent, entities, split, language, module_id, module_type, quality_score, n)
ORDER BY m.n;
-- Of texts that are the same but for their case and signs the import would take the first one only.
DELETE FROM training_samples s USING training_samples t WHERE t.text_hash = s.text_hash AND t.id < s.id;
SQL

# The table as it is, and not as it was meant to be, is what everything is compared with.
my @table = map { $bytes->decode($_) } split /\n/,
    sql(q{SELECT row_to_json(s) FROM training_samples s WHERE split = 'train' ORDER BY id});
cmp_ok(scalar @table, '>', 1400, 'samples: ' . @table);
cmp_ok(sql(q{SELECT count(*) FROM training_samples WHERE split = 'test'}), '>', 50, 'and some that no trainer may see');

#-----------------------------------------------------------------------------------------------------------------------
# What the documentation says of a sample.

# Objects of a list with a label and whole numbers, within the text.
sub spans_of {
    my ($row) = @_;
    my %span;
    for my $entity (ref $row->{entities} eq 'ARRAY' ? @{ $row->{entities} } : ()) {
        my $label = $entity->{label} // $entity->{entity} // $entity->{type};
        my ($start, $end) = @{$entity}{qw(start end)};
        $span{"$start $end $label"} = [ $start, $end, $label ] if $start < $end && $end <= length $row->{text};
    }
    return sort { $a->[0] <=> $b->[0] || $a->[1] <=> $b->[1] || $a->[2] cmp $b->[2] } values %span;
}

# Without white space around, as Python knows it, and without overlaps: the
# first stays, of several that begin together the longest.
sub flat_spans_of {
    my ($row) = @_;
    my (@trimmed, @flat);
    for my $span (spans_of($row)) {
        my ($start, $end, $label) = @$span;
        my $value = substr $row->{text}, $start, $end - $start;
        $start += length $1 if $value =~ s/^([\s\x1C-\x1F]+)//;
        $end -= length $1   if $value =~ s/([\s\x1C-\x1F]+)\z//;
        push @trimmed, [ $start, $end, $label ] if $value ne '';
    }
    for my $span (sort { $a->[0] <=> $b->[0] || $b->[1] <=> $a->[1] } @trimmed) {
        push @flat, $span if !@flat || $flat[-1][1] <= $span->[0];
    }
    return @flat;
}

# Value, role and group of the first entity with this span and label: before white space was taken off its ends.
sub attributes_of {
    my ($row, $span) = @_;
    my ($start, $end, $label) = @$span;
    my $words = substr $row->{text}, $start, $end - $start;
    for my $entity (@{ $row->{entities} }) {
        my ($first, $past) = @{$entity}{qw(start end)};
        next if ($entity->{label} // $entity->{entity} // $entity->{type}) ne $label || $past > length $row->{text};
        my $whole = substr $row->{text}, $first, $past - $first;
        my $cut = $whole =~ /^([\s\x1C-\x1F]*)/ ? length $1 : 0;
        my $kept = $whole =~ s/^[\s\x1C-\x1F]+|[\s\x1C-\x1F]+\z//gr;
        next if $first + $cut != $start || $kept ne $words;
        my $value = $entity->{value} // '';
        return ($value eq '' || $value eq $whole ? $words : $value, $entity->{role}, $entity->{group});
    }
    return ($words, undef, undef);
}

#-----------------------------------------------------------------------------------------------------------------------
# Reading.

sub file_of { return "$folder/samples.$_[0]" }

sub load {
    my ($format) = @_;
    sql("CALL export_training_samples_to_file('" . file_of($format) . "', format => '$format')");
    my ($out, $err) = ('', '');
    my $done =
        IPC::Run::run([ $python, "$FindBin::RealBin/../load_formats.py", $format, file_of($format), "$folder/cache" ],
        '>', \$out, '2>', \$err);
    ok($done, "$format: the tool reads the file") or diag $err;
    return map { $json->decode($_) } split /\n/, $out;
}

# Both are made the same by what is said of a pair: exceptions are checked there.
sub rows_are {
    my ($format, $expected, $loaded) = @_;
    is(scalar @$loaded, scalar @$expected, "$format: as many samples as there are in the table");
    my $shown = 0;
    my $different = 0;
    for my $i (0 .. $#$expected) {
        my ($is, $should) = map { $json->encode($_) } $loaded->[$i], $expected->[$i];
        next if $is eq $should;
        $different++;
        diag "$format, sample $i:\n  has    $is\n  should $should" if $shown++ < 3;
    }
    is($different, 0, "$format: each of them is what the table says");
    return;
}

sub is_scalar { return defined $_[0] && !ref $_[0] }

# jsonl: what the import reads; absent where there is nothing.
my @loaded   = load('jsonl');
my @expected = map {
    my $row = $_;
    +{ map { $_ => $row->{$_} } grep { defined $row->{$_} && !($_ eq 'entities' && is_scalar($row->{$_})) }
            qw(text intent language entities module_id module_type expected_service split label_source quality_score
                created_at) }
} @table;
my @with_entities = grep { defined $_->{entities} } @expected;
cmp_ok(scalar(grep { is_scalar($_->{entities}) } @table), '>', 10, 'some samples have entities that are left out');
# Times are compared as points in time.
$_->{created_at} =~ s/(?:Z|\+00:00)\z/Z/ for @loaded, @expected;
rows_are('jsonl', \@expected, \@loaded);

# csv: all columns but those of the text's hash and of the review queue.
@loaded   = load('csv');
@expected = map {
    my %row = %$_;
    delete @row{qw(text_hash normalizer review_priority review_reason)};
    \%row;
} @table;
for my $row (@loaded) {
    $_ = $_ eq '' ? undef
        : $_ for @{$row}{qw(conversation_log_id expected_service pending_reason reviewed_by reviewed_at
            selection_probability model_version_target)};
    for my $column (qw(entities id module_id quality_score)) {
        $row->{$column} = $row->{$column} eq '' ? undef : $json->decode($row->{$column});
    }
    $row->{$_} =~ s/ /T/ for qw(created_at updated_at);
}
# For the csv module nothing and the empty string are one.
for my $row (@expected) {
    $row->{$_} //= '' for qw(language module_type);
}
for my $row (@loaded, @expected) {
    s/(?:Z|\+00(?::00)?)\z/Z/ for @{$row}{qw(created_at updated_at)};
}
rows_are('csv', \@expected, \@loaded);

# huggingface: all spans.
@loaded   = load('huggingface');
@expected = map { { text => $_->{text}, intent => $_->{intent}, entities => [ spans_of($_) ] } } @table;
cmp_ok(scalar(grep { @{ $_->{entities} } > 1 } @expected), '>', 100, 'many samples have several spans');
rows_are('huggingface', \@expected, \@loaded);

# openai: the entities as they are, where there are any.
@loaded   = load('openai');
@expected = map {
    my $entities = $_->{entities};
    my $any = ref $entities eq 'ARRAY' ? @$entities : ref $entities eq 'HASH' ? %$entities : 0;
    +{ text => $_->{text}, intent => $_->{intent}, $any ? (entities => $entities) : () };
} @table;
rows_are('openai', \@expected, \@loaded);

# spacy: spans that do not overlap; those that begin or end inside of a token it leaves out itself.
@loaded   = load('spacy');
@expected = map { { text => $_->{text}, intent => $_->{intent}, entities => [ flat_spans_of($_) ] } } @table;
my ($aligned, $inside) = (0, 0);
for my $row (@loaded) {
    my $unaligned = delete $row->{unaligned};
    $aligned += @{ $row->{entities} };
    # There is a word in each of the samples that were made of it, and no token ends within it.
    for my $span (@$unaligned) {
        my ($before, $value, $after) =
            (substr($row->{text}, 0, $span->[0]), substr($row->{text}, $span->[0], $span->[1] - $span->[0]),
            substr($row->{text}, $span->[1]));
        $inside++;
        fail("spacy: an entity ends at white space, yet it has no tokens: " . $json->encode([ $span, $row->{text} ]))
            if $before =~ /(?:^|[\s\x1C-\x1F])\z/ && $after =~ /^(?:[\s\x1C-\x1F]|\z)/;
    }
    $row->{entities} = [ sort { $a->[0] <=> $b->[0] } @{ $row->{entities} }, @$unaligned ];
}
cmp_ok($aligned, '>', 500, "spacy: it has tokens for $aligned entities");
cmp_ok($inside,  '>', 100, "spacy: and none for $inside, which begin or end inside of words");
rows_are('spacy', \@expected, \@loaded);

# rasa: by intent. The reader takes white space off the ends. Spans with a bracket in them, or behind an open one, are
# left out. What would be a mark is kept from it by a character that nobody sees, and then only.
@loaded = load('rasa');
my ($joined, $kept) = (0, 0);
my @by_intent = sort { bytes_of($a->{intent}) cmp bytes_of($b->{intent}) || $a->{id} <=> $b->{id} } @table;
@expected = ();
for my $i (0 .. $#by_intent) {
    my ($row, $is) = ($by_intent[$i], $loaded[$i] // {});
    my ($text, @entities) = ($row->{text});
    my ($outside, @outside) = (0);
    for my $span (flat_spans_of($row)) {
        my ($start, $end) = @$span;
        next
            if substr($text, $start,   $end - $start)     =~ /\]/
            || substr($text, $outside, $start - $outside) =~ /\[[^\]]*\z/;
        push @entities, [ @$span, attributes_of($row, $span) ];
        push @outside, substr $text, $outside, $start - $outside;
        $outside = $end;
    }
    $kept += @entities;

    push @outside, substr $text, $outside;

    # The marks that Rasa knows, and what begins like one.
    my $is_mark   = grep { /\[[^\]]+\](?:\([^:)]+(?::[^)]+)?\)|\{[^}]+\}|\[[^\n\]]*\])/ } @outside;
    my $like_mark = grep { /\[[^\]]+\][(\[{]/ } @outside;
    # The bracket of a mark, too, must not make one of what stands before it.
    my $before_mark = grep { /\[[^\]]+\]\z/ } @outside[ 0 .. $#outside - 1 ];
    my $cut = $text =~ s/^([\n\r ]+)// ? length $1 : 0;
    $text =~ s/[\n\r ]+\z//;
    $_ = [ $_->[0] - $cut, $_->[1] - $cut, @{$_}[ 2 .. 5 ] ] for @entities;

    if (defined $is->{text} && $is->{text} ne $text) {
        $joined++ if $like_mark || $before_mark;
        # Where it stands is between "]" and what follows; without it all is as it was.
        while (($like_mark || $before_mark) && $is->{text} =~ /(?<=\])@{[ JOINER ]}/g) {
            my $at = $-[0];
            next if substr($is->{text}, $at + 1, 1) !~ /[(\[{]/ && !grep { $_->[0] == $at + 1 } @{ $is->{entities} };
            substr($is->{text}, $at, 1) = '';
            $_->[0] > $at and $_->[0]-- for @{ $is->{entities} };
            $_->[1] > $at and $_->[1]-- for @{ $is->{entities} };
        }
    }
    elsif ($is_mark) {
        fail('rasa: what looks like a mark has to be told from one: ' . $json->encode($text));
    }
    push @expected, { text => $text, intent => $row->{intent}, entities => \@entities };
}
cmp_ok($joined, '>', 50, "rasa: $joined texts have a character that keeps them from being marks");
cmp_ok($kept, '>', 500, "rasa: it has $kept entities");
rows_are('rasa', \@expected, \@loaded);

# fasttext: a line each. No text has a word in it that is a label or an end, but behind a character that nobody sees.
@loaded = load('fasttext');
my $guarded = 0;
@expected = map {
    my $text = $_->{text} =~ s/[\n-\r\x1C-\x1E\x{85}\x{2028}\x{2029}]/ /gr;
    $guarded += $text =~ s/(?<![^ \t])(?=__label__|<\/s>(?:[ \t]|\z))/${\ JOINER}/g;
    +{ text => $text, intent => $_->{intent} };
} @table;
cmp_ok($guarded, '>', 50, "fasttext: $guarded words have a character that keeps them from being labels or ends");
rows_are('fasttext', \@expected, \@loaded);

sub fasttext {
    my (@arguments) = @_;
    my ($out, $err) = ('', '');
    ok(IPC::Run::run([ 'fasttext', @arguments ], '>', \$out, '2>', \$err), "fasttext: $arguments[0]") or diag $err;
    return $out;
}

# What fastText itself has read: its dictionary has each word and label with its number, and as many ends as lines.
my (%words, %labels);
for my $row (@expected) {
    $words{$_}++ for grep { $_ ne '' } split /[ \t]+/, bytes_of($row->{text});
    $labels{ bytes_of($row->{intent}) }++;
}
$words{'</s>'} = @table;
fasttext('supervised', '-input', file_of('fasttext'), '-output', "$folder/model", '-epoch', 1, '-dim', 4, '-thread', 1,
    '-verbose', 0);
my ($entries, @dictionary) = split /\n/, fasttext('dump', "$folder/model.bin", 'dict');
is($entries, keys(%words) + keys(%labels), 'fasttext: its dictionary has as many words and labels');
my %has = (word => {}, label => {});
for my $entry (@dictionary) {
    my ($name, $count, $type) = $entry =~ /^(.*) (\d+) (word|label)\z/s or die "unexpected: $entry";
    if ($type eq 'label') {
        $name =~ s/^__label__// or fail("a label without a prefix: $name");
        $name =~ s/%([0-9A-F]{2})/chr hex $1/ge;
    }
    $has{$type}{$name} = $count;
}
is_deeply($has{label}, \%labels, 'fasttext: the labels are the intents, each as often as there are samples of it');
is_deeply($has{word}, \%words, 'fasttext: the words are those of the texts, and there are as many ends as samples');
like(fasttext('test', "$folder/model.bin", file_of('fasttext')), qr/^N\t@{[ scalar @table ]}$/m,
    'fasttext: it tests as many samples');
my @predicted = split /\n/, fasttext('predict', "$folder/model.bin", file_of('fasttext'));
is(scalar @predicted, scalar @table, 'fasttext: and predicts as many intents');
is(scalar(grep { !exists $labels{ s/^__label__//r =~ s/%([0-9A-F]{2})/chr hex $1/ger } } @predicted), 0,
    'fasttext: which are ours');

#-----------------------------------------------------------------------------------------------------------------------
# Into another database.

sql("SELECT set_training_setting('redact', 'off')", 'copy');
is(sql("SELECT inserted, existing, conflicting FROM import_training_samples(pg_read_file('" . file_of('jsonl') . "'))",
        'copy'),
    "@{[ scalar @table ]}|0|0", 'another database imports every line');
my @columns = qw(text intent language entities module_id module_type expected_service split label_source
        quality_score created_at review_status text_hash);
my @copy = map { $bytes->decode($_) } split /\n/,
    sql('SELECT row_to_json(s) FROM training_samples s ORDER BY id', 'copy');
# The import takes blanks off the ends of names, the empty string for nothing, a module from the intent where there is
# none, and gives what a person labelled a full score where there is none.
@expected = map {
    my %row;
    @row{@columns} = @{$_}{@columns};
    $row{entities} = undef if is_scalar($row{entities});
    $row{language} = undef if ($row{language} // '') eq '';
    $row{intent} =~ s/^[ \t]+|[ \t]+\z//g;
    $row{module_type} //= 'food' if $row{intent} =~ /^intent\.food\./;
    $row{quality_score} //= 1;
    \%row;
} @table;
rows_are('imported', \@expected, [ map { my %row; @row{@columns} = @{$_}{@columns}; \%row } @copy ]);
integrity_is_empty($node, 'copy', 'imported');

$node->stop;
done_testing();
