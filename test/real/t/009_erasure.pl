# 009_erasure.pl - what was erased is nowhere: not in the files of the database, of Label Studio, and of MinIO.
#
# A word is planted in every text of a conversation, and looked for in the raw files before and after.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use File::Find;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TW::Database;
use TW::LabelStudio;
use TW::Minio;
use TW::Util;

use constant DATABASE => 'erasure';

my $admin  = TW::LabelStudio->from_environment;
my $folder = $ENV{LABEL_STUDIO_FOLDER};
plan skip_all => 'there is no MinIO' if !defined $ENV{MINIO_PROGRAM};
my $minio = TW::Minio->new(folder => PostgreSQL::Test::Utils::tempdir() . '/minio');
$minio->start or die $minio->log;
$minio->make_bucket('exported');

my $node = start_node('main');
create_database($node, DATABASE);
in_database($node, DATABASE);
sql(<<"SQL");
SELECT set_training_setting('second_opinion_rate', '0');
SELECT set_training_setting('redact', 'off');
CREATE SERVER ls FOREIGN DATA WRAPPER training_workflow_labelstudio OPTIONS (url '$ENV{LABEL_STUDIO_URL}',
    timeout '20', import_timeout '60');
CREATE USER MAPPING FOR PUBLIC SERVER ls OPTIONS (token '$ENV{LABEL_STUDIO_PAT}');
CREATE SERVER store FOREIGN DATA WRAPPER training_workflow_s3 OPTIONS (endpoint '@{[ $minio->url ]}',
    bucket 'exported', prefix 'e/');
CREATE USER MAPPING FOR PUBLIC SERVER store OPTIONS (access_key_id '@{[ $minio->access_key ]}',
    secret_access_key '@{[ $minio->secret_key ]}');
SQL

# The files in which a word stands.
sub files_with {
    my ($word, @folders) = @_;
    my @files;
    find({ no_chdir => 1, wanted => sub {
        return if !-f || $_ eq "$folder/env";
        push @files, $_ if index(slurp_file($_), $word) >= 0;
    } }, @folders);
    return @files;
}
sub database_files {
    my $oid = sql('SELECT oid FROM pg_database WHERE datname = current_database()');
    return $node->data_dir . "/base/$oid";
}

# Four conversations of a person, and one of another. Letters alone: nothing is masked.
sub planted { my ($name) = @_; return "Qplanted$name" }
my %person = map { $_ => planted($_) } qw(message response correction entity metadata reference session user tone
    draft note fixed);
my $keep = planted('keep');
sub converse {
    my ($message, $number, %said) = @_;
    return sql(<<"SQL");
INSERT INTO conversation_logs (session_id, user_id, phone_number, user_message, nlu_intent, nlu_confidence,
    nlu_provider, nlu_entities, nlu_tone, response_text, user_correction, backend_reference, metadata)
VALUES ('$said{session} $number', '$said{user}', '+91 98220 12345', 'where is $message $number', 'intent.food.track',
    0.4, 'indicbert', '[{"start": 0, "end": 5, "label": "x", "value": "where", "note": "$said{entity}"}]',
    '$said{tone}', '$said{response}', '$said{correction}', '$said{reference}', '{"a": "$said{metadata}"}') RETURNING id
SQL
}
my @ids = map { converse($person{message}, $_, %person) } 1 .. 4;
my $other = converse($keep, 9, map { $_ => $keep } keys %person);
sql("INSERT INTO training_samples (text, intent, review_status, label_source, source, split)
     VALUES ('where is $person{message} 1', 'intent.food.track', 'approved', 'human', 'manual', 'train')");

# Over there: a draft, an answer with a note, an answer that nobody reads, and a task that nobody has opened.
sql("SELECT labelstudio_create_project('Erasure')");
my $project = sql('SELECT project_id FROM labelstudio_projects');
sql('CALL labelstudio_sync()');
my %task = map { ((split /@/, $_->{meta}{conversation})[0] => $_->{id}) } $admin->tasks($project);
is_deeply([ sort { $a <=> $b } keys %task ], [ sort { $a <=> $b } @ids, $other ], 'all are over there');
$admin->must('POST', "/api/tasks/$task{$ids[0]}/drafts",
    { result => TW::LabelStudio::result(verdict => 'approve', note => $person{draft}), lead_time => 1 });
$admin->annotate($task{ $ids[1] }, verdict => 'approve', note => $person{note});
sql('CALL labelstudio_pull()');
is(sql("SELECT count(*) FROM review_events WHERE note LIKE '%$person{note}%'"), 1, 'a verdict with a note was read');
$admin->annotate($task{ $ids[2] }, verdict => 'approve', note => $person{fixed});

# Exports, to an object and to a file.
my $file = PostgreSQL::Test::Utils::tempdir() . '/samples.jsonl';
sql("CALL export_training_samples_to_s3('samples.jsonl', include_split => 'all', server => 'store')");
sql("CALL export_training_samples_to_s3('of-tests.jsonl', sources => '{synthetic}', server => 'store')");
sql("CALL export_training_samples_to_file('$file', include_split => 'all')");
is_deeply($minio->list('exported'), [ 'e/of-tests.jsonl', 'e/samples.jsonl' ], 'two exports are in the store');

# The search finds what is there.
sql('CHECKPOINT');
for my $name (sort keys %person) {
    next if $name =~ /^(?:draft|fixed)$/;
    ok(scalar(files_with($person{$name}, database_files())), "before: $name is in the database's files");
}
ok(scalar(files_with($person{$_}, $folder)), "before: $_ is in Label Studio's files")
    for qw(message response correction draft note fixed);
ok(scalar(files_with($person{$_}, "$minio->{folder}/data")), "before: $_ is in MinIO's files") for qw(message);

# Label Studio does not answer while the person is erased.
open my $pid_file, '<', "$folder/pid" or die "$folder/pid: $!";
chomp(my $pid = <$pid_file>);
close $pid_file;
sql(q{ALTER SERVER ls OPTIONS (SET timeout '2')});
kill STOP => $pid or die "kill: $!";
my $erasure;
my $erased = eval {
    sql("SELECT count(*) FROM forget_user(user_id => '$person{user}', delete_exports => true)");
    $erasure = sql('SELECT max(id) FROM erasures');
    $node->psql(DATABASE, 'CALL labelstudio_sync()');
    1;
};
my $error = $@;
kill CONT => $pid;
ok($erased, 'erased while Label Studio does not answer') or diag $error;
is(sql('SELECT count(*) FROM labelstudio_erasures WHERE deleted_at IS NULL AND last_error IS NOT NULL'), 4,
    'its tasks wait, with an error');
is(sql("SELECT string_agg(x.status || ' ' || j.format, ',' ORDER BY x.export_id)
    FROM erasure_exports x JOIN training_export_jobs j ON j.id = x.export_id"), 'pending jsonl,listed jsonl',
    'the object is to be deleted, the file is listed, and the export of other samples is not');
sql(q{ALTER SERVER ls OPTIONS (SET timeout '20')});
for (1 .. 10) {
    $node->psql(DATABASE, 'CALL labelstudio_sync()');
    last if sql('SELECT count(*) FROM labelstudio_erasures WHERE deleted_at IS NULL') eq '0';
}
is(sql('SELECT count(*) FROM labelstudio_erasures WHERE deleted_at IS NULL'), 0, 'it answers: they are gone');
is_deeply([ map { $_->{id} } $admin->tasks($project) ], [ $task{$other} ], "the other's task stays");
sql('CALL delete_erased_exports()');
is(sql("SELECT string_agg(status || coalesce(last_error, ''), ',' ORDER BY export_id) FROM erasure_exports"),
    'deleted,listed', 'the object is deleted');
is_deeply($minio->list('exported'), ['e/of-tests.jsonl'], 'so says the store');
# MinIO puts what is deleted into .minio.sys/tmp/.trash, and empties that later, or when it starts.
$minio->stop;
$minio->start or die $minio->log;
for (my $end = time + 120; time < $end && files_with($person{message}, "$minio->{folder}/data");) {
    sleep 1;
}

# Statistics of columns hold values of them, until the next ANALYZE; dead rows stay until VACUUM.
sql('VACUUM (FULL, ANALYZE)');
sql('CHECKPOINT');
for my $name (sort keys %person) {
    is_deeply([ files_with($person{$name}, database_files()) ], [], "after: $name is not in the database's files");
    is_deeply([ files_with($person{$name}, $folder) ], [], "after: $name is not in Label Studio's files");
    is_deeply([ files_with($person{$name}, "$minio->{folder}/data") ], [], "after: $name is not in MinIO's files");
}
ok(scalar(files_with($keep, database_files())), "the other's conversation is in the database's files");
ok(scalar(files_with($keep, $folder)), "and in Label Studio's");

# A bucket that keeps versions.
sql("INSERT INTO training_samples (text, intent, review_status, label_source, source, split)
     VALUES ('versioned', 'intent.food.track', 'approved', 'human', 'manual', 'train')");
$minio->mc({}, 'version', 'enable', 'it/exported');
sql("CALL export_training_samples_to_s3('versioned.jsonl', include_split => 'all', server => 'store')");
$erasure = sql("INSERT INTO erasures (kind, mode, reason, requested_by, key_salt, key_hashes, delete_exports)
    VALUES ('person', 'erase', 'test', 'test', '\\x00', '{}', true) RETURNING id");
sql("SELECT tw_erase_samples($erasure, ARRAY(SELECT id FROM training_samples WHERE text = 'versioned'))");
sql('CALL finish_erasures()');
sql('CALL delete_erased_exports()');
is_deeply($minio->list('exported'), ['e/of-tests.jsonl'], 'versions: the object is gone from the list');
like(sql("SELECT status || ': ' || last_error FROM erasure_exports
    WHERE erasure_id = $erasure AND location LIKE 's3:%'"),
    qr/^listed: the bucket keeps former versions/, 'versions: a person has to see to the former one');

$node->stop;
$minio->stop;
done_testing();
