# 006_export_to_s3.pl - exports into a real MinIO: the object is what export_training_samples()
# returns, or it is not there.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use Digest::SHA qw(sha256_hex);
use IPC::Run;
use JSON::PP ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);
use TW::Database;
use TW::Minio;
use TW::Util;

my $minio = TW::Minio->shared or plan skip_all => 'there is no MinIO here';

use constant {
    DATABASE => 'exports',
    PATIENCE => $PostgreSQL::Test::Utils::timeout_default
};

my $node = start_node('main', conf => "restart_after_crash = on\n");
create_database($node, DATABASE);
in_database($node, DATABASE);

sub last_row {
    return sql("SELECT status, coalesce(row_count::text, '-'), coalesce(error, '-') FROM training_export_jobs
        ORDER BY id DESC LIMIT 1");
}

my $mortal = TW::Minio->new(folder => PostgreSQL::Test::Utils::tempdir() . '/mortal');
$mortal->start or die $mortal->log;
$_->make_bucket('exported') for $minio, $mortal;
for ([ store => $minio ], [ mortal => $mortal ]) {
    my ($name, $there) = @$_;
    sql("CREATE SERVER $name FOREIGN DATA WRAPPER training_workflow_s3 OPTIONS (endpoint '@{[ $there->url ]}',
        bucket 'exported', prefix 'exports/');
         CREATE USER MAPPING FOR PUBLIC SERVER $name OPTIONS (access_key_id '@{[ $there->access_key ]}',
             secret_access_key '@{[ $there->secret_key ]}')");
}
sql("INSERT INTO training_samples (text, intent, language, review_status, label_source, source, split)
     SELECT 'sample ' || g || U&' \\0939\\093F\\0928\\094D\\0926\\0940 \\+01F355 ' || repeat(md5(g::text), 3),
         'intent.x.' || g % 7, (ARRAY['en', 'hi', 'hinglish'])[g % 3 + 1],
            'approved', 'human', 'synthetic', CASE g % 5 WHEN 0 THEN 'test' ELSE 'train' END
     FROM generate_series(1, 100000) g");

# What arrives is what the function returns.
for my $format (qw(jsonl csv fasttext rasa huggingface openai spacy)) {
    sql("CALL export_training_samples_to_s3('all/$format', format => '$format', server => 'store')");
    my $there = $minio->cat("exported/exports/all/$format");
    my $here  = sql("COPY (SELECT encode(sha256(string_agg(convert_to(line || E'\\n', 'UTF8'), '' ORDER BY n)), 'hex')
        FROM export_training_samples(format => '$format') WITH ORDINALITY AS e (line, n)) TO STDOUT");
    is(sha256_hex($there), $here, "$format: the object is the export");
    is(sql("SELECT location, status, row_count, byte_count, sha256 FROM training_export_jobs ORDER BY id DESC LIMIT 1"),
        "s3://exported/exports/all/$format|succeeded|80000|" . length($there) . "|$here",
            "$format: as training_export_jobs says");
}
sql("CALL export_training_samples_to_s3('mission.jsonl', languages => '{en,hinglish}', \"limit\" => 1000,
    server => 'store')");
my @lines = split /\n/, $minio->cat('exported/exports/mission.jsonl');
is(scalar(@lines), 1000, 'a part of them');
is(scalar(grep { JSON::PP::decode_json($_)->{language} =~ /^(?:en|hinglish)$/ } @lines), 1000,
    'is the part that was asked for');
is(sql("SELECT filter ->> 'languages', filter ->> 'limit', filter ->> 'server', requested_by = session_user
    FROM training_export_jobs ORDER BY id DESC LIMIT 1"),
    '["en", "hinglish"]|1000|store|t', 'and the row tells which');

# Refusals.
sqlstate_is($node, DATABASE, "CALL export_training_samples_to_s3('mission.jsonl', server => 'store')", '42710',
    'nothing is overwritten');
like(last_row(), qr/^failed\|-\|s3:\/\/exported\/exports\/mission\.jsonl exists already/, 'and the row says so');
is(scalar(split /\n/, $minio->cat('exported/exports/mission.jsonl')), 1000, 'it is as it was');
sql("CALL export_training_samples_to_s3('mission.jsonl', \"limit\" => 1, overwrite => true, server => 'store')");
is(scalar(split /\n/, $minio->cat('exported/exports/mission.jsonl')), 1, 'unless that is wanted');
my $rows = sql('SELECT count(*) FROM training_export_jobs');
sqlstate_is($node, DATABASE, "CALL export_training_samples_to_s3('../up', server => 'store')", '22023',
    'a key that is none');
sqlstate_is($node, DATABASE, "CALL export_training_samples_to_s3(NULL, server => 'store')", '22004', 'no key');
sqlstate_is($node, DATABASE, "CALL export_training_samples_to_s3('x')", '42P08', 'of two servers, one has to be named');
sqlstate_is($node, DATABASE, "CALL export_training_samples_to_s3('x', server => 'none')", '42704', 'one that is there');
sqlstate_is($node, DATABASE, "CALL export_training_samples_to_s3('x', format => 'xml', server => 'store')", '22023',
    'an unknown format');
sqlstate_is($node, DATABASE, "BEGIN; CALL export_training_samples_to_s3('x', server => 'store')", '2D000',
    'not inside a transaction');
is(sql('SELECT count(*) FROM training_export_jobs'), $rows, 'these leave no row');
sql("CREATE ROLE op LOGIN; SELECT grant_training_role('op', 'operator'); CREATE ROLE other LOGIN");
is( $node->psql(
        DATABASE, "CALL export_training_samples_to_s3('op', \"limit\" => 1, server => 'store')",
        extra_params => [ '-U', 'op' ]),
    0,
    'an operator may');
sqlstate_is($node, DATABASE, "CALL export_training_samples_to_s3('other', server => 'store')", '42501',
    'others may not', user => 'other');
sqlstate_is($node, DATABASE, "SELECT tw_run_s3_export(1)", '55000', 'a step is the procedure\'s', user => 'op');

# A server that is killed in the middle.
sql("INSERT INTO training_samples (text, intent, review_status, label_source, source, split)
     SELECT 'long ' || g || repeat(md5(g::text), 200), 'intent.x.y', 'approved', 'human', 'manual', 'train'
         FROM generate_series(1, 30000) g");
my ($out, $err) = ('', '');
my $export = IPC::Run::start([ 'psql', '-X', '-v', 'VERBOSITY=verbose', '-d', $node->connstr(DATABASE), '-c',
    "CALL export_training_samples_to_s3('half', server => 'mortal')" ],
    '<', \undef, '>', \$out, '2>', \$err, IPC::Run::timeout(PATIENCE));
my $arrived = 0;
for (my $end = time + PATIENCE; time < $end && !$arrived && $export->pumpable; sleep 0.002) {
    $export->pump_nb;
    $arrived += (stat $_)[7] // 0 for grep { -f } glob("$mortal->{folder}/data/.minio.sys/tmp/*/*/part.*");
}
$mortal->kill_hard;
$export->finish;
cmp_ok($arrived, '>', 0, 'a part of an export had arrived when the server was killed');
like($err, qr/ERROR:  080(?:06|01): .*server "mortal".*This is export \d+ of training_export_jobs/s,
    'which is an error');
like(last_row(), qr/^failed\|-\|.*server "mortal"/, 'that the row tells');
is(sql("SELECT count(*) FROM pg_ls_tmpdir()"), '0', 'no temporary file is left');
$mortal->start or die $mortal->log;
is_deeply($mortal->list('exported'), [], 'and nothing half is there');
sql("CALL export_training_samples_to_s3('half', server => 'mortal')");
like(last_row(), qr/^succeeded\|110000\|-$/, 'once more: it is whole');

# The report goes to the store for models.
sql("SELECT set_training_setting('artifact_server', 'store')");
my $day = sql("SELECT (now() AT TIME ZONE 'UTC')::date");
is(sql("CALL publish_report('reports/{date}.html')"),
    "s3://exported/exports/reports/$day.html", 'a report is published');
my $page = $minio->cat("exported/exports/reports/$day.html");
like($page, qr/^<!DOCTYPE html>.*<\/html>\s*$/s, 'the object is a whole page');
sql("CALL publish_report('reports/{date}.html', '2026-01-01', '2026-01-31')");
like($minio->cat('exported/exports/reports/2026-01-31.html'), qr/1 Jan 2026/, 'and so is one of another period');
sqlstate_is($node, DATABASE, "CALL publish_report('router/router-v1.0.0/page.html')", '22023',
    'not where models are stored');

# Cancelled, and a restored copy.
kill STOP => $mortal->{pid};
my $start = time;
sqlstate_is($node, DATABASE,
    "SET statement_timeout = '3s'; CALL export_training_samples_to_s3('stuck', server => 'mortal')", '57014',
    'a cancelled export');
cmp_ok(time - $start, '<', 4.5, 'ends at once');
kill CONT => $mortal->{pid};
like(last_row(), qr/^failed\|-\|canceling statement/, 'and its row says so');
sql("UPDATE training_settings SET value = '1:1' WHERE name = 'installation'");
sqlstate_is($node, DATABASE, "CALL export_training_samples_to_s3('copy', server => 'store')", '55000',
    'a restored copy stores nothing');

$node->stop;
$mortal->stop;
done_testing();
