# 040_publish_report.pl - the report in a file or in the store: the whole of it, only where it may be, and a place that
# cannot be reached ends nothing else.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use File::Temp;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TW::Database;
use TW::S3Stub;
use TW::Util;

# Outside the data directory, unlike everything that PostgreSQL::Test makes for a node.
my $folder = File::Temp->newdir('tw_report.XXXXXX', TMPDIR => 1);
my $node   = start_node('main', streaming => 1, conf => "log_min_messages = error\n");
my $stub   = TW::S3Stub->start(echo => 'no');
create_database($node, 'chat');
in_database($node, 'chat');
sql(<<'SQL');
    CREATE ROLE officer LOGIN;
    SELECT grant_training_role('officer', 'operator');
    CREATE ROLE filer LOGIN;
    SELECT grant_training_role('filer', 'operator');
    GRANT pg_write_server_files TO filer;
    CREATE ROLE watcher LOGIN;
    SELECT grant_training_role('watcher', 'analyst');
    INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider)
    SELECT 's' || g, E'wo ist mein p\u00e4ckchen ' || g, 'intent.parcel', 0.95, 'indicbert'
    FROM generate_series(1, 20) g;
SQL

# Fails as this role, with this SQLSTATE, and says so.
sub refused {
    my ($role, $sql, $sqlstate, $words, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my (undef, undef, $err) = $node->psql('chat', "\\set VERBOSITY verbose\n$sql", extra_params => [ '-U', $role ]);
    return like($err, qr/^(?:psql:\S+ )?ERROR:  $sqlstate: .*$words/ms, $name);
}
sub temporaries { return scalar(() = glob "$folder/*.tmp") }
sub mode { return sprintf '%o', (stat $_[0])[2] & 07777 }

# A file.
my $file = "$folder/report.html";
is(sql_as('filer', "CALL publish_report('$file', CURRENT_DATE - 6, CURRENT_DATE)"), $file, 'it says where the page is');
my $page = slurp_file($file);
is(mode($file), '600', 'a new file is for the server alone');
like($page, qr/\A<!DOCTYPE html>.*<\/html>\s*\z/s, 'the whole page is there');
like($page, qr/intent\.parcel/, 'with what was captured');
is(temporaries(), 0, 'and nothing else');
chmod 0644, $file;
open my $old, '>>', $file or die $!;
print {$old} 'x' x 500_000;
close $old;
sql_as('filer', "CALL publish_report('$file')");
ok(-s $file < 300_000, 'a longer one is replaced, not overwritten in parts');
is(mode($file), '644', 'and whoever could read it still can');
is( sql_as('filer', "CALL publish_report('$folder/{date}.html', '2026-01-01', '2026-01-31')"),
    "$folder/2026-01-31.html", '{date} is the last day');
ok(-s "$folder/2026-01-31.html", 'and that file is there');

# Where it may not be.
symlink $file, "$folder/link.html";
my $data = $node->data_dir;
refused('officer', "CALL publish_report('$folder/other.html')", '42501', 'pg_write_server_files',
    'an operator who may not write files');
refused('watcher', "CALL publish_report('$folder/other.html')", '42501', 'permission denied', 'an analyst');
refused('filer', "CALL publish_report('$data/postgresql.auto.conf')", '42602', 'data directory',
    'a file of the server');
refused('filer', "CALL publish_report('$folder/nowhere/report.html')", '58P01', 'no such folder', 'no such folder');
refused('filer', "CALL publish_report('$folder/link.html')", '42809', 'symbolic link', 'a symbolic link');
refused('filer', "CALL publish_report('$folder')", '42809', 'folder', 'a folder');
refused('filer', "CALL publish_report('$folder/')", '22023', 'cannot be published', 'a name that ends with a slash');
refused('filer', "CALL publish_report('$folder/../report.html')", '22023', 'cannot be published', 'a way up');
refused('filer', "CALL publish_report('/dev/full')", '42809', 'no regular file', 'a device');
refused('filer', "CALL publish_report(E'$folder/\\na\\n.html', '2026-02-01', '2026-01-01')", '22023', '',
    'a period that ends before it begins');
ok(!-e "$folder/other.html" && temporaries() == 0, 'nothing was written');
refused('filer', 'CALL publish_report()', '55000', 'not said where', 'no target at all');
refused('filer', "CALL publish_report('reports/a.html')", '55000', 'no S3 server', 'a key without a store');

# A page that cannot be renamed to leaves no temporary file.
mkdir "$folder/full";
SKIP: {
    skip 'this user may write to every folder', 1 if $> == 0;
    chmod 0555, "$folder/full";
    refused('filer', "CALL publish_report('$folder/full/report.html')", '42501', 'temporary file',
        'a folder that is closed');
    chmod 0755, "$folder/full";
}

# The store.
sql(<<"SQL");
    CREATE SERVER store FOREIGN DATA WRAPPER training_workflow_s3 OPTIONS (
        endpoint '@{[ $stub->url ]}', bucket 'bucket', timeout '5', connect_timeout '2');
    CREATE USER MAPPING FOR PUBLIC SERVER store OPTIONS (access_key_id 'a', secret_access_key 'b');
SQL
is(sql_as('officer', "CALL publish_report('reports/{date}.html', to_date => '2026-01-31')"),
    's3://bucket/reports/2026-01-31.html', 'an operator publishes to the store');
like(join(' ', $stub->requests('reports/2026-01-31.html')), qr/^PUT .*GET /, 'it was put there, and read back');
sql_as('officer', "CALL publish_report('reports/{date}.html', to_date => '2026-01-31')");
is(scalar(() = $stub->requests('reports/2026-01-31.html')), 4, 'and it is put again');
for my $key ('router/router-v1.0.0/model.bin', 'router/router-v1.0.0/report.html') {
    refused('officer', "CALL publish_report('$key')", '22023', 'Models are stored there', "a model: $key");
    is(scalar(() = $stub->requests($key)), 0, 'nothing was sent');
}
refused('officer', "CALL publish_report('s3://bucket/x')", '22023', 'cannot be published', 'a location');
refused('officer', "CALL publish_report('code-503-Down/x')", '\w{5}', 'Down', 'a store that is down says so');

# The setting: a file only by those who may write it, for the job may have more rights than they.
refused('officer', "SELECT set_training_setting('report_target', '$folder/weekly.html')", '42501',
    'pg_write_server_files',
    'an operator cannot have the job write a file');
refused('officer', "SELECT set_training_setting('report_target', '$_')", '22023', 'invalid value', "no target: \"$_\"")
    for '', '/srv/', 's3://bucket/x', '/srv/../x', ' x';
is(sql_as('officer', "SELECT set_training_setting('report_target', 'weekly/{date}.html')"), 'weekly/{date}.html',
    'but an object');

# The week. Its report is about the days up to yesterday.
sub weekly {
    my (undef, undef, $err) = $node->psql('chat', 'CALL weekly_model_training()');
    return "$err\n" . sql("SELECT status, error_code, details -> 'parts' ->> 'rollout' ~ '^succeeded',
        details -> 'parts' ->> 'report' FROM job_runs WHERE job_name = 'weekly_model_training'
        ORDER BY id DESC LIMIT 1");
}
my $yesterday = sql("SELECT (now() AT TIME ZONE 'UTC')::date - 1");
is(weekly(), "\nsucceeded||t|succeeded: s3://bucket/weekly/$yesterday.html", 'the week publishes it');
sql("SELECT set_training_setting('report_target', 'code-503-Down/x')");
like(weekly(), qr/WARNING:  weekly_model_training: part report failed: .*^failed\|\w{5}\|t\|failed: .*Down/ms,
    'a store that is down fails this part, and no other');
is(sql_as('filer', "SELECT set_training_setting('report_target', '$folder/weekly.html')"), "$folder/weekly.html",
    'who may write files sets one');
is(weekly(), "\nsucceeded||t|succeeded: $folder/weekly.html", 'and the week writes it');
ok(-s "$folder/weekly.html", 'it is there');
sql('TRUNCATE training_settings');
is(weekly(), "\nsucceeded||t|skipped: report_target is none", 'without a target it is left out');

# A standby writes files only.
sql("SELECT set_training_setting('report_target', '$folder/weekly.html')");
my $standby = start_standby($node);
$node->wait_for_catchup($standby);
my ($status, $out, $err) = $standby->psql('chat', "CALL publish_report('$folder/standby.html')");
is($out, "$folder/standby.html", 'a standby writes a file') or diag $err;
ok(-s "$folder/standby.html", 'with the page');
(undef, undef, $err) = $standby->psql('chat', "CALL publish_report('reports/standby.html')");
like($err, qr/ERROR/, 'and stores nothing');
is(scalar(() = $stub->requests('reports/standby.html')), 0, 'not a request');
($status, $out, $err) =
    $standby->psql('chat', 'SELECT count(*) FROM training_progress; SELECT training_workflow_status()');
is($status, 0, 'progress and status can be read there') or diag $err;
$standby->stop;
$node->stop;

done_testing();
