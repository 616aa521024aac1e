# 015_export.pl - exports into files: they say what the samples say, are there
# as a whole or not at all, and only where they may be.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use Digest::SHA;
use File::Compare qw(compare);
use File::Temp;
use POSIX qw(mkfifo);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);
use TW::Database;
use TW::Util;

# Outside the data directory, unlike everything that PostgreSQL::Test makes for a node.
my $folder = File::Temp->newdir('tw_export.XXXXXX', TMPDIR => 1);
my $node = start_node('main', streaming => 1, conf => "restart_after_crash = on\n");
create_database($node, 'exports');
in_database($node, 'exports');

sub temporaries { return [ glob "$folder/*.tmp" ] }

# The newest row of training_export_jobs.
sub last_job {
    return sql(q{SELECT status || coalesce(': ' || error, '') FROM training_export_jobs ORDER BY id DESC LIMIT 1});
}

sub to_file { return "CALL export_training_samples_to_file('$folder/$_[0]'" . ($_[1] ? ", $_[1])" : ')') }

# Every character of Unicode, twelve to a text, in every place where there can be one: texts, intents, languages,
# modules, services, entities. What the import reads is as odd as it can be and still be read back the same.
sql("SELECT set_training_setting('redact', 'off')");
sql(<<'SQL');
INSERT INTO training_samples (text, intent, language, entities, review_status, source, split, module_id, module_type,
                              expected_service, label_source, quality_score, created_at)
SELECT odd || 'n' || g || 'n' || CASE g % 4 WHEN 0 THEN E'"\\' WHEN 1 THEN E'\\u0041\\"\t' WHEN 2 THEN E' \r\n'
                                      ELSE '' END,
       'intent.' || md5((g % 500)::text) || CASE WHEN g % 10 = 0 THEN odd || '.' ELSE '' END,
       CASE WHEN g % 3 = 0 THEN 'l' || odd WHEN g % 3 = 1 THEN 'en' END,
       CASE g % 5 WHEN 0 THEN jsonb_build_object(odd || 'k', odd, 'n', g / 7::numeric, 'null', NULL,
                                                 'deep', jsonb_build_array(true, odd))
            WHEN 1
            THEN jsonb_build_array(jsonb_build_object('start', 0, 'end', 3, 'label', odd, 'value', E'\\"' || odd))
            WHEN 2 THEN '[]' END,
       'approved', 'synthetic', CASE WHEN g % 10 = 3 THEN 'test' ELSE 'train' END,
       CASE WHEN g % 2 = 0 THEN (g::bigint * 7919 % 4294967296 - 2147483648)::integer END, 'm' || odd,
       CASE WHEN g % 7 = 0 THEN 's' || odd END,
       CASE WHEN g % 6 = 0 THEN 'model' ELSE 'human' END,
       CASE g % 9 WHEN 0 THEN 1 WHEN 1 THEN 0 ELSE ('0.' || abs(hashint8(g)))::float8 END,
       '2001-01-01Z'::timestamptz + g * interval '97 minutes 3.000007 seconds'
FROM (SELECT g, (SELECT string_agg(chr(c), '' ORDER BY c) FROM generate_series(12 * g - 11, 12 * g) c
                 WHERE c <= 1114111 AND c NOT BETWEEN 55296 AND 57343) AS odd
      FROM generate_series(1, 100000) g) x
WHERE odd IS NOT NULL ORDER BY g;
-- The rest of 100,000: the blocks again.
INSERT INTO training_samples (text, intent, review_status, source, split, module_type, quality_score)
SELECT chr(2304 + g % 128) || 'rest ' || g || E' "\\\b\f' || chr(127744 + g % 256), 'intent.rest', 'approved',
       'synthetic', 'train', 'rest', 1
FROM generate_series(1, 100000 - (SELECT count(*)::integer FROM training_samples)) g;
SQL
is(sql('SELECT count(*), count(DISTINCT text_hash) FROM training_samples'), '100000|100000',
    'so many texts, all of them different');
is(sql(q{SELECT count(DISTINCT c) FROM training_samples, regexp_split_to_table(text, '') c}),
    1_112_063, 'every character that a text can hold is in one');

# Round trip.
my $columns = 'text, intent, language, entities, module_id, module_type, expected_service, split, '
        . 'label_source, quality_score, created_at';
sql(to_file('all.jsonl', q{include_split => 'all'}));
is(last_job(), 'succeeded', 'an export into a file');
my ($rows, $bytes, $sha256, $location) = split /\|/,
    sql('SELECT row_count, byte_count, sha256, location FROM training_export_jobs');
is($rows, 100_000, 'its row counts the samples');
is($bytes, -s "$folder/all.jsonl", 'and the bytes');
is($sha256, Digest::SHA->new(256)->addfile("$folder/all.jsonl", 'b')->hexdigest, 'and has the checksum');
is($location, "$folder/all.jsonl", 'and the place');
is((stat "$folder/all.jsonl")[2] & 07777, 0600, 'nobody else can read the file');
is(@{ temporaries() }, 0, 'nothing temporary is left');

sql("CREATE TABLE before AS SELECT $columns FROM training_samples; TRUNCATE training_samples");
is(sql("SELECT inserted, existing, conflicting FROM import_training_samples(pg_read_file('$folder/all.jsonl'))"),
    '100000|0|0',
    'the import reads every line as new');
is(sql("SELECT count(*) FROM (SELECT $columns FROM training_samples EXCEPT ALL TABLE before) d"), 0,
    'nothing came out that was not put in');
is(sql("SELECT count(*) FROM (TABLE before EXCEPT ALL SELECT $columns FROM training_samples) d"), 0,
    'and nothing was lost');
sql(to_file('again.jsonl', q{include_split => 'all'}));
ok(compare("$folder/all.jsonl", "$folder/again.jsonl") == 0, 'the imported samples make the same file');

# CSV, read by somebody else.
sql(to_file('all.csv', q{format => 'csv', include_split => 'all'}));
is(sql(<<"SQL"), '0|100000', 'COPY reads the CSV with all columns as they were');
    CREATE TABLE from_csv AS SELECT * FROM training_samples WITH NO DATA;
    ALTER TABLE from_csv DROP COLUMN text_hash, DROP COLUMN normalizer, DROP COLUMN review_priority,
        DROP COLUMN review_reason;
    COPY from_csv FROM '$folder/all.csv' (FORMAT csv, HEADER MATCH);
    SELECT count(*) FILTER (WHERE c IS DISTINCT FROM s), count(*)
    FROM (SELECT id, to_jsonb(f) AS c FROM from_csv f) c
    FULL JOIN (SELECT id, to_jsonb(t) - '{text_hash,normalizer,review_priority,review_reason}'::text[] AS s
               FROM training_samples t) s USING (id);
SQL

# What psql prints is the file, byte for byte.
for my $format (qw(jsonl csv fasttext rasa huggingface openai spacy)) {
    my $filter = qq{format => '$format', languages => '{en,NULL}', "limit" => 20000};
    sql(to_file("file.$format", $filter));
    # Else psql leaves out U+1FFFE and the other last two code points of each plane above the first.
    local $ENV{PGCLIENTENCODING} = 'SQL_ASCII';
    run_program('psql', '-X', '-At', '-d', $node->connstr('exports'), '-o', "$folder/psql.$format",
        '-c', "SELECT * FROM export_training_samples($filter)");
    ok(compare("$folder/file.$format", "$folder/psql.$format") == 0, "$format: psql prints what the file holds");
    cmp_ok(-s "$folder/file.$format", '>', 1_000_000, "$format: which is much");
    is(sql('SELECT row_count FROM training_export_jobs ORDER BY id DESC LIMIT 1'), 20_000,
        "$format: samples are counted, not lines");
}
is(sql(q{SELECT count(*) FROM training_export_jobs WHERE status <> 'succeeded'}), 0, 'all of them succeeded');

# Several statuses, however a client sends them: the same file, and the same record.
my %statuses = (
    array   => q{ARRAY['approved', 'rejected']},
    literal => q{'{approved,rejected}'},
    json    => q{'["approved", "rejected"]'},
);
sql(q{UPDATE training_samples SET review_status = 'rejected' WHERE id % 1000 = 0});
for my $kind (sort keys %statuses) {
    sql(to_file("$kind.jsonl", qq{$statuses{$kind}, include_split => 'all'}));
    is(sql(q{SELECT status, row_count, filter ->> 'review_status' FROM training_export_jobs ORDER BY id DESC LIMIT 1}),
        'succeeded|100000|["approved", "rejected"]', "$kind: both statuses are exported");
    ok(compare("$folder/array.jsonl", "$folder/$kind.jsonl") == 0, "$kind: into the same file");
}
sql(to_file('one.jsonl', q{ARRAY['rejected'], include_split => 'all'}));
is(sql(q{SELECT row_count, filter ->> 'review_status' FROM training_export_jobs ORDER BY id DESC LIMIT 1}),
    '100|rejected', 'an array of one is that status');
sqlstate_is($node, 'exports', to_file('none.jsonl', q{ARRAY['none']}), '22023', 'an unknown status in an array');
sqlstate_is($node, 'exports', to_file('none.jsonl', q{'{}'}), '22023', 'an array without any');
ok(!-e "$folder/none.jsonl", 'write no file');
sql(q{UPDATE training_samples SET review_status = 'approved' WHERE review_status = 'rejected'});

# Who may.
sql(<<'SQL');
CREATE ROLE plain_operator LOGIN;
SELECT grant_training_role('plain_operator', 'operator');
CREATE ROLE file_operator LOGIN IN ROLE pg_write_server_files;
SELECT grant_training_role('file_operator', 'operator');
CREATE ROLE writer LOGIN IN ROLE pg_write_server_files;
CREATE ROLE noinherit LOGIN NOINHERIT IN ROLE file_operator;
SQL
my $small = q{"limit" => 10};
sqlstate_is($node, 'exports', to_file('x', $small), '42501', 'an operator who may not write files',
    user => 'plain_operator');
sqlstate_is($node, 'exports', to_file('x', $small), '42501', 'somebody who may write files, but is no operator',
    user => 'writer');
sqlstate_is($node, 'exports', to_file('x', $small), '42501', 'a member who inherits nothing', user => 'noinherit');
sqlstate_is($node, 'exports', 'SET ROLE plain_operator; ' . to_file('x', $small),
    '42501', 'the role that counts is the one of SET ROLE');
my ($status) = $node->psql('exports', to_file('allowed', $small), extra_params => [ '-U', 'file_operator' ]);
is($status, 0, 'an operator who may write files');
is(sql('SELECT requested_by FROM training_export_jobs ORDER BY id DESC LIMIT 1'), 'file_operator', 'is named');

# Where. Whatever is refused leaves no row and no file.
my $data = $node->data_dir;
my $jobs = sql('SELECT count(*) FROM training_export_jobs');
mkdir "$folder/sub"                         or die $!;
mkfifo("$folder/pipe", 0600)                or die $!;
symlink "$folder/allowed", "$folder/link"   or die $!;
symlink "$folder/gone",    "$folder/broken" or die $!;
symlink $data,             "$folder/data"   or die $!;
symlink "$data/base",      "$folder/base"   or die $!;
for my $case (
    [ 'allowed',     '',                  '58P02', 'a file that exists' ],
    [ 'link',        '',                  '42809', 'a symbolic link to a file' ],
    [ 'link',        'overwrite => true', '42809', 'the same, with overwrite' ],
    [ 'broken',      '',                  '42809', 'a symbolic link to nothing' ],
    [ 'broken',      'overwrite => true', '42809', 'the same, with overwrite' ],
    [ 'sub',         'overwrite => true', '42809', 'a folder' ],
    [ 'pipe',        'overwrite => true', '42809', 'a pipe' ],
    [ 'none/x',      '',                  '58P01', 'a folder that is not there' ],
    [ 'sub/../x',    '',                  '42602', 'a path with ".."' ],
    [ 'data/x',      '',                  '42602', 'the data directory, through a symbolic link' ],
    [ 'data/base/x', '',                  '42602', 'a folder in it, the same way' ],
    [ 'base/1/x',    '',                  '42602', 'a folder in it that a link leads into' ],
    [ 'allowed/x',   '',                  '42809', 'a file as a folder' ]
) {
    my ($name, $options, $sqlstate, $what) = @$case;
    sqlstate_is($node, 'exports', to_file($name, $options), $sqlstate, "refused: $what");
}
for my $path ("$data/x", "$data/base/x", "$data/pg_wal/x", "$data/postgresql.conf") {
    sqlstate_is($node, 'exports', "CALL export_training_samples_to_file('$path', overwrite => true)", '42602',
        "refused: $path");
}
is(sql('SELECT count(*) FROM training_export_jobs'), $jobs, 'what is refused has no row');
ok(!-e "$folder/gone", 'no link was followed');
is(@{ [ split /\n/, slurp_file("$folder/allowed") ] }, 10, 'what was there is as it was');
sqlstate_is($node, 'exports', 'BEGIN; ' . to_file('in_transaction', $small), '2D000', 'not inside a transaction');
ok(!-e "$folder/in_transaction", 'of which nothing is left');

# A folder that is the server's to read only: known when the file is made, and written down.
SKIP: {
    skip 'the server runs as somebody who may write everywhere', 2 if $> == 0;
    chmod 0500, "$folder/sub";
    sqlstate_is($node, 'exports', to_file('sub/x', $small), '42501', 'a folder that nobody may write to');
    like(last_job(), qr/^failed: could not create the temporary file .*: Permission denied$/,
        'is recorded as a failure');
    chmod 0700, "$folder/sub";
}

my $inode = (stat "$folder/allowed")[1];
chmod 0640, "$folder/allowed";
sql(to_file('allowed', q{"limit" => 5, overwrite => true}));
is(@{ [ split /\n/, slurp_file("$folder/allowed") ] }, 5, 'overwrite replaces a file');
isnt((stat "$folder/allowed")[1], $inode, 'by another, so that who reads the old one reads on');
is((stat "$folder/allowed")[2] & 0777, 0640, 'which the same people may read');

# A tablespace is the server's own, wherever it lies.
mkdir "$folder/space" or die "mkdir: $!";
sql("CREATE TABLESPACE exports LOCATION '$folder/space'");
my ($own) = glob "$folder/space/PG_*";
sqlstate_is($node, 'exports', "CALL export_training_samples_to_file('$own/x.jsonl')", '42602', 'not into a tablespace');
sql('DROP TABLESPACE exports');

# In the middle. A lock keeps the export from reading samples, when its
# temporary file is there; sides are not asked for.
sub with_blocked_export {
    my ($name, $then) = @_;
    my $blocker = $node->background_psql('exports');
    $blocker->query_safe('BEGIN; LOCK TABLE training_samples;');

    my $call = "\\set VERBOSITY verbose\nSELECT pg_backend_pid();\n"
        . to_file($name, q{include_split => 'all', "limit" => 10}) . ";\n";
    my ($out, $err) = ('', '');
    my $export = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('exports') ],
        '<', \$call, '>', \$out, '2>', \$err, IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
    for (1 .. 10 * $PostgreSQL::Test::Utils::timeout_default) {
        $export->pump_nb;
        last if @{ temporaries() } && $out =~ /^\d+$/m;
        sleep 0.1;
    }
    my ($pid) = $out =~ /^(\d+)$/m;
    my $began = time;
    $then->($pid, $blocker);
    $export->finish;
    my $took = time - $began;
    # A crash takes it along.
    eval { $blocker->quit };
    return ($err, $took);
}

sub release { return $_[1]->query_safe('ROLLBACK') }

my ($error, $took) = with_blocked_export('middle', sub {
    my ($pid) = @_;
    is(@{ temporaries() }, 1, 'an export that runs has a temporary file');
    ok(!-e "$folder/middle", 'and none in its place');
    is(last_job(), 'running', 'and a row that others see');
    like(temporaries()->[0], qr{/training_workflow_export_\d+_$pid\.tmp$}, 'which is named after both');
    is((stat temporaries()->[0])[2] & 07777, 0600, 'and which nobody else can read');
    sql("SELECT pg_cancel_backend($pid)");
});
like($error, qr/57014/, 'cancelled in the middle');
cmp_ok($took, '<', 5, 'at once');
is_deeply(temporaries(), [], 'no temporary file is left');
ok(!-e "$folder/middle", 'and no other');
is(last_job(), 'failed: canceling statement due to user request', 'the row says so');

($error) = with_blocked_export('middle', sub { sql("SELECT pg_terminate_backend($_[0], 30000)") });
is_deeply(temporaries(), [], 'terminated: no temporary file is left');
ok(!-e "$folder/middle", 'and no other');
is(last_job(), 'running', 'the row is nobody\'s');

($error) = with_blocked_export('middle', sub {
    is(sql(q{SELECT status || ': ' || error FROM training_export_jobs ORDER BY id DESC OFFSET 1 LIMIT 1}),
        'failed: the session that ran it ended or was cancelled; the file or object may exist all the same',
            'the next export says what became of it');
    append_to_file("$folder/middle", "somebody else's\n");
    release(@_);
});
like($error, qr/58P02/, 'a file that came meanwhile is not replaced');
is(slurp_file("$folder/middle"), "somebody else's\n", 'it is as it was');
is_deeply(temporaries(), [], 'no temporary file is left');
like(last_job(), qr/^failed: .*the file exists$/, 'the row says so');
unlink "$folder/middle";

# Two at once: a running export of a living session is not taken for a dead one.
($error) = with_blocked_export('middle', sub {
    my ($status, $out, $err) =
        $node->psql('exports', "SET statement_timeout = 300;\n" . to_file('beside', q{include_split => 'all'}));
    like($err, qr/statement timeout/, 'a second export waits as well');
    is(sql(q{SELECT string_agg(status, ' ' ORDER BY id DESC) FROM (SELECT * FROM training_export_jobs
        ORDER BY id DESC LIMIT 2) j}),
        'failed running', 'and leaves the first one alone');
    release(@_);
});
is($error, '', 'which goes on');
is(last_job() . ' ' . sql(q{SELECT status FROM training_export_jobs ORDER BY id DESC OFFSET 1 LIMIT 1}),
    'failed: canceling statement due to statement timeout succeeded', 'to its end');
is(@{ [ split /\n/, slurp_file("$folder/middle") ] }, 10, 'and has written its file');
unlink "$folder/middle";

# A crash of the whole server.
($error) = with_blocked_export('middle', sub { kill 'KILL', $_[0] });
$node->poll_query_until('exports', 'SELECT true') or die 'the server does not come back';
is(@{ temporaries() }, 1, 'killed: the temporary file stays, with a name that says what it is');
ok(!-e "$folder/middle", 'nothing is in its place');
is(last_job(), 'running', 'no row says done');
append_to_file("$folder/training_workflow_export_x_1.tmp", 'of somebody else');
sql(to_file('middle', $small));
is_deeply(temporaries(), ["$folder/training_workflow_export_x_1.tmp"], 'the next export removes it, and no other');
is(sql(q{SELECT string_agg(status, ' ' ORDER BY id DESC) FROM (SELECT * FROM training_export_jobs
    ORDER BY id DESC LIMIT 2) j}),
    'succeeded failed', 'the next export marks it, and succeeds');
unlink @{ temporaries() };

# Interrupted anywhere.
for my $timeout (1, 20, 60, 120) {
    my ($status, $out, $err) = $node->psql('exports',
        "SET statement_timeout = $timeout;\n" . to_file("timeout_$timeout", q{include_split => 'all'}));
    my $done = sql(
        "SELECT count(*) FROM training_export_jobs WHERE location LIKE '%/timeout_$timeout' AND status = 'succeeded'");
    is($done, $status == 0 ? 1 : 0, "after $timeout ms: a row says done if it is");
    is(-e "$folder/timeout_$timeout" ? 1 : 0, $done, 'and then there is a file');
    is_deeply(temporaries(), [], 'and nothing temporary');
}

# On a standby lines come out as well; texts on no side stay inside.
sql(q{INSERT INTO training_samples (text, intent, review_status, source) VALUES ('undecided', 'intent.new',
    'approved', 'manual')});
my $standby = start_standby($node);
$node->wait_for_catchup($standby);
is($standby->safe_psql('exports', q{SELECT count(*) FROM export_training_samples(sources => '{manual}')}),
    0, 'a standby decides about no side');
is($standby->safe_psql('exports', q{SELECT count(*) FROM export_training_samples(sources => '{manual}',
    include_split => 'all')}),
    1, 'and exports what it is asked for');
sqlstate_is($standby, 'exports', to_file('standby'), '25006', 'but cannot record an export');
ok(!-e "$folder/standby", 'and so makes none');
is(sql(q{SELECT count(*) FROM export_training_samples(sources => '{manual}')}), 1, 'the primary decides');

integrity_is_empty($node, 'exports', 'after all of it');
$standby->stop;
$node->stop;
done_testing();
