# imports.pl - data of all formats that is right, or nearly, for import_training_samples(), and tables of all types for
# import_conversations(); and now and then test/fuzz/import.sql and redact.sql, which know more of what has to hold.

use strict;
use warnings;

use File::Basename qw(dirname);
use TW::Database;
use TW::Fuzz;

my $node = start_fuzz();
sql(<<'SQL');
    CREATE SCHEMA odd AUTHORIZATION tw_operator;
    CREATE TYPE odd.mood AS ENUM ('approved', 'needs-review', 'REJECTED', 'x y');
    CREATE DOMAIN odd.word AS text CHECK (VALUE <> 'bad');
    CREATE TYPE odd.pair AS (a integer, b text);
SQL

# --- lines -----------------------------------------------------------------------------------------------------------

my @keys = qw(language entities module_id module_type expected_service split label_source quality_score created_at text
    intent id Text);
my @values = (
    qw(true false null {} [] 0 1 -0 0.5 1e0 1E-30 1e400 2147483648 9223372036854775808 01 .5 1. - NaN "train" "test"),
    '"model"', '"human"', '"2026-01-02"', '"2026-01-02T03:04:05.678Z"', '"294276-12-31T23:59:59Z"', '"2026-02-30"',
    '{"dish": "dosa", "n": 0.10}', '[{"start": 0, "end": 3, "label": "dish"}]', '[' x 3000,
    '{"a":' x 100 . '1' . '}' x 100,
    '[[1, {"a": null}], "x"]'
);

sub json_string {
    my ($text) = @_;
    return '"' . join('', map {
        my $code = ord;
          /["\\]/     ? (chance(0.98) ? "\\$_" : $_)
        : $code < 32  ? (chance(0.9) ? sprintf('\\u%04x', $code) : $_)
        : chance(0.02) && $code < 65536 ? sprintf('\\u%04x', $code)
        :               $_
    } split //, $text) . '"';
}

sub line {
    my @pairs = ('"text": ' . json_string(random_text(8)), '"intent": ' . json_string(random_text(3)));
    for (1 .. below(5)) {
        push @pairs, '"' . one_of(@keys) . '": ' . (chance(0.7) ? one_of(@values) : json_string(random_text(3)));
    }
    return broken('{' . join(', ', @pairs) . '}');
}

# Now and then with something missing, added, or another.
sub broken {
    my ($data) = @_;
    for (1 .. (chance(0.4) ? 1 + below(3) : 0)) {
        my $at = below(length $data);
        my $how = below(4);
        substr($data, $at, 1) = '' if $how == 0;
        substr($data, $at, 0) = one_of(qw({ } [ ] : ), '"', '\\', ',', "\n", random_text(1)) if $how == 1;
        substr($data, $at, 1) = chr(32 + below(95)) if $how == 2;
        $data = substr $data, 0, $at if $how == 3;
    }
    return $data;
}

sub span {
    my $start = below(9);
    my $end = $start + below(6);
    return one_of("[$start, $end, \"x\"]", qq({"start": $start, "end": $end, "label": "x", "text": "y"}),
        '{"token_start": 0, "token_end": 1, "label": "x"}', one_of(@values));
}

# An object as other tools write it.
sub foreign_object {
    my ($text, $intent) = (json_string(random_text(6)), json_string(random_text(2)));
    my $spans = '[' . join(', ', map { span() } 1 .. below(3)) . ']';
    return one_of(
        qq({"text": $text, "label": $intent, "entities": $spans}),
        qq({"text": $text, "cats": {$intent: 1.0, "other": 0.0}, "entities": $spans}),
        qq({"tokens": [$text, {"text": $text, "ws": false}], "label": [$intent], "spans": $spans}),
        qq({"text": $text, "accept": [$intent], "answer": ) . one_of('"accept"', '"reject"', one_of(@values)) . '}',
        qq({"messages": [{"role": "user", "content": $text}, {"role": "assistant", "content": )
            . one_of($intent, json_string(line())) . '}]}',
        qq({"data": {"text": $text}, "annotations": [{"result": [{"from_name": "intent", "value": {"choices": )
            . qq([$intent]}}, {"value": {"start": 0, "end": 3, "text": "x", "labels": ["y"]}}]}]}),
        qq({"name": $intent, "userSays": [{"data": [{"text": $text, "alias": "x"}, {"text": $text, "meta": "\@y"}]}]}),
    );
}

sub csv {
    my $separator = one_of(',', ';', "\t");
    my $field = sub { my $word = random_text(4); chance(0.5) ? '"' . $word =~ s/"/""/gr . '"' : $word };
    return join one_of("\n", "\r\n"), join($separator, one_of('text', 'Text', 'utterance'), one_of('intent', 'label'),
        one_of(@keys)), map { join $separator, map { $field->() } 1 .. one_of(3, 3, 3, 2, 4) } 0 .. below(4);
}

sub example {
    my $mark = one_of('', '(x)', '(x:y)', '{"entity": "x", "role": "y"}', '[{"entity": "x"}, {"entity": "y"}]', '{x}');
    return random_text(3) =~ tr/\n//dr . '[' . random_text(1) =~ tr/\n//dr . "]$mark" . random_text(2) =~ tr/\n//dr;
}

sub yaml {
    return "version: \"3.1\"\nnlu:\n" . join '', map {
        my $key = one_of('intent', 'intent', 'synonym', 'lookup');
        "- $key: " . one_of('a', json_string(random_text(2)), '*x', '&x y') . "\n  examples:"
            . (chance(0.5) ? " |\n" . join('', map { '    - ' . example() . "\n" } 0 .. below(3))
                : "\n" . join('', map { '  - text: ' . json_string(example()) . "\n" } 0 .. below(3)))
    } 0 .. below(3);
}

# Data of a format, and of which, as arguments.
sub foreign_data {
    my ($kind) = one_of(qw(objects array csv fasttext yaml));
    my $data =
          $kind eq 'objects'  ? join "\n", map { broken(foreign_object()) } 0 .. below(3)
        : $kind eq 'array'    ? broken('[' . join(",\n", map { foreign_object() } 0 .. below(3)) . ']')
        : $kind eq 'csv'      ? broken(csv())
        : $kind eq 'fasttext' ? broken(join "\n",
            map { '__label__' . random_text(1) . ' ' . random_text(5) } 0 .. below(3))
        :                       broken(yaml());
    my $format = chance(0.7) ? 'auto' : one_of(qw(jsonl csv fasttext rasa huggingface openai spacy prodigy labelstudio
            dialogflow));
    my $columns = chance(0.8) ? 'NULL' : "'" . one_of('{"intent": {"value": "x"}}', '{"text": "label"}',
        '{"intent": {"names": ["a", "b"]}}', '{"language": null}') . "'";
    return (literal($data), "format => '$format', columns => $columns, bad_lines => '" . one_of(qw(refuse skip)) . "'");
}

sub lines_batch {
    my @sql = map {
        my ($data, $more) = chance(0.5) ? foreign_data()
            : (literal(join one_of("\n", "\r\n", "\n\n"), map { line() } 0 .. below(4)), "format => 'auto'");
        "SELECT * FROM import_training_samples($data, '" . one_of(qw(synthetic manual)) . "', "
            . one_of(qw(true false)) . ", $more)"
    } 1 .. 40;
    my @answers = run_batch(\@sql, user => 'tw_operator');
    for (0 .. $#answers) {
        my $code = $answers[$_][0];
        finding('an undocumented error of import_training_samples()', "$code: $sql[$_]")
            if $code !~ /^(?:00000|22P02|22023|42703|54000|54001)$/;
    }
    return;
}

# --- tables ----------------------------------------------------------------------------------------------------------

my @columns = qw(id session_id sessionId phone_number user_id userMessage user_message message_type messageLanguage
    nlu_intent nluConfidence nlu_confidence nlu_module_id nlu_module_type nlu_provider nlu_model_version nlu_entities
    nlu_tone nlu_processing_time_ms processing_time_ms processingTimeMs routed_to response_text response_success
    user_feedback user_correction metadata
    created_at createdAt review_status reviewPriority review_reason tenant x"y a%sb %I $1);
my @types = (
    'numeric(30,10)',
    qw(text varchar(40) "char" char(5) name integer bigint smallint real float8 numeric boolean json jsonb
        xml bytea uuid inet cidr macaddr money interval date time timetz timestamp timestamp(0) timestamptz point box
        circle path bit(3) varbit tsvector tsquery jsonpath int4range nummultirange tstzrange oid regclass regtype
        pg_lsn txid_snapshot xid tid odd.mood odd.word odd.pair text[] integer[] jsonb[] odd.pair[] odd.mood[]),
);
my @given = (
    'NULL', '1', '0', '-1', '2', '0.95', '1e300', "'NaN'", "'Infinity'", "'-infinity'", "'infinity'", "'x'",
    "''", "'a b'",
    "'true'", "'2026-01-02'", "'2026-01-02 03:04:05.6789'", "'294276-12-31 23:59:59'", "'4713-01-01 00:00:00 BC'",
    "'{}'", "'[]'", "'{\"a\": [1, null]}'", "'{1,2}'", "'(1,2)'", "'[1,5)'", "'{[1,2]}'", "'<a/>'",
    "'\\x00ff'", "'101'",
    "'127.0.0.1'", "'12:34:56'", "'1 day'", "'needs-review'", "'approved'", "'REJECTED'", "'\$12.50'", "'0/1'",
    "'1:2:'",
    "'00000000-0000-0000-0000-00000000000' || 1", "'pg_class'", '9223372036854775807', '-9223372036854775808',
    "'{\"(1,x)\"}'", "'08:00:2b:01:02:03'", "'<(0,0),1>'", "'a & b'", "'\$.a'", "'(0,1)'"
);

sub quoted { my ($name) = @_; return '"' . $name =~ s/"/""/gr . '"' }

my $imported = 0;

sub table_batch {
    my ($batch) = @_;
    my @sql = ('SET search_path = odd, public', 'SET client_min_messages = error');
    for my $number (1 .. 6) {
        my $name = "odd.t${batch}_$number";
        # Most columns are as applications have them, some of any type.
        my $oddity = one_of(0, 0.1, 0.5);
        my %type   = (id => one_of(qw(bigint integer text uuid numeric)), session_id => 'text', user_message => 'text');
        $type{ one_of(@columns) } = '' for 1 .. below(8);
        for (sort keys %type) {
            $type{$_} = one_of(@types) if chance($oddity);
            $type{$_} ||= /confidence/i ? 'real' : /metadata|entities/ ? 'json' : /created/ ? 'timestamptz' : 'text';
        }
        for (['session_id', 'sessionId'], ['user_message', 'userMessage'], ['created_at', 'createdAt']) {
            delete $type{ $_->[0] } if exists $type{ $_->[1] } && chance(0.9);
        }
        delete $type{ one_of(sort keys %type) } if chance(0.1);
        my @names = sort keys %type;
        my $keys = $type{id} && chance(0.8) ? ', PRIMARY KEY (id)' : '';
        push @sql, "CREATE TABLE $name (" . join(', ', map { quoted($_) . " $type{$_}" } @names) . "$keys)";
        for (1 .. 6) {
            push @sql, "INSERT INTO $name VALUES (" . join(', ', map { value($type{$_}) } @names) . ')';
        }
        my $columns = chance(0.8) ? '{}' : sprintf '{"%s": %s}',
            one_of(qw(id session_id user_message metadata x created_at)),
            chance(0.2) ? 'null' : json_string(one_of(@names));
        my $source = chance(0.1) ? "odd.v${batch}_$number" : $name;
        push @sql, "CREATE VIEW $source AS SELECT * FROM $name" if $source ne $name;
        my $import = "SELECT * FROM import_conversations('$source', " . literal($columns) . ', '
            . one_of(map { "'$_'" } (qw(not-applicable needs-review)) x 5, qw(approved x)) . ', '
            . one_of(("'UTC'", "'Asia/Kolkata'") x 5, "'nowhere'") . ', ' . one_of(qw(true false)) . ')';
        push @sql, $import, $import, "DROP TABLE $name CASCADE";
    }
    my @answers = run_batch(\@sql, user => 'tw_operator');
    for (grep { $sql[$_] =~ /import_conversations/ } 0 .. $#answers) {
        my $code = $answers[$_][0];
        # What only a query that is put together wrongly gives.
        finding('a wrong query of import_conversations()', "$code: $sql[$_]")
            if $code =~ /^(?:42601|42883|42804|42P18|42725|42846|P0004)$/;
        $imported++ if $code eq '00000' && $answers[$_][1] =~ /^[1-9]/;
    }
    return;
}

# Mostly what the type takes.
sub value {
    my ($type) = @_;
    return 'NULL' if chance(0.02);
    my $near =
          $type =~ /^(?:text|varchar|name|odd.word)/ ? literal(substr random_text(3), 0, 30)
        : $type =~ /int|numeric|real|float|oid|xid$/ ? below(1000) . ''
        : $type =~ /json/ && $type !~ /path|\[/      ? "'" . one_of('{}', '[1]', '{"a":"b"}', '"x"', '1', 'null') . "'"
        : $type eq 'uuid'                            ? 'gen_random_uuid()'
        : $type =~ /time|date/                       ? "'2026-01-0" . (1 + below(9)) . " 0" . below(10) . ":00'"
        :                                              one_of(@given);
    return chance(0.85) ? $near : one_of(@given);
}

# --- what knows more -------------------------------------------------------------------------------------------------

sub promises_batch {
    my ($file) = @_;
    my $random  = rand;
    my $program = run_watched(
        [ 'env', 'PGOPTIONS=-c statement_timeout=0', 'psql', '-X', '-d', $node->connstr(DATABASE),
          '-v', "seed=$random", '-v', 'seconds=3', '-f', dirname(__FILE__) . "/$file" ]);
    finding("a promise that $file holds", $program->{err}) if $program->{status};
    return;
}

batches(
    sub {
        my ($batch) = @_;
        return promises_batch(one_of('import.sql', 'redact.sql')) if $batch % 50 == 0;
        return $batch % 2 ? lines_batch() : table_batch($batch);
    }
);
finding('no use', 'nothing was imported') if !$imported && !defined $ENV{BATCH};
finish(said => "$imported tables imported");
