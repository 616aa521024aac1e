# 005_minio.pl - objects and models in a real MinIO: what is stored is what was sent,
# nothing else is called stored, and what goes wrong is named.

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
    DATABASE => 'store',
    PATIENCE => $PostgreSQL::Test::Utils::timeout_default,
    MB       => 1024 * 1024
};

# Everything is logged but the statements that this test makes, which have no secret in them.
my $node = start_node('main', conf =>
        "restart_after_crash = on\nlog_statement = all\nlog_min_messages = debug1\nlog_min_error_statement = debug1\n");
my $said = '';    # what anybody was told
create_database($node, DATABASE);
in_database($node, DATABASE);

sub try {
    my ($sql) = @_;
    my ($status, $out, $err) = $node->psql(DATABASE, "\\set VERBOSITY verbose\n$sql");
    $said .= "$out\n$err\n";
    return ($out, $err);
}

# A statement that has to fail; the errors it may fail with, and what it has to say.
sub fails {
    my ($sql, $sqlstate, $words, $name) = @_;
    my ($out,  $err) = try($sql);
    my ($got)  = $err =~ /ERROR:  ([0-9A-Z]{5}):/;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    is($got // "success: $out$err", $sqlstate, "$name: SQLSTATE") or diag $err;
    like($err, $words, "$name: it says so");
    return $err;
}

my $folder = PostgreSQL::Test::Utils::tempdir();

# In files, where no statement shows them.
sub keep_secret {
    my ($name, $secret) = @_;
    append_to_file("$folder/$name", '');
    open my $file, '>', "$folder/$name" or die "$folder/$name: $!";
    print {$file} $secret;
    close $file or die $!;
    return "$folder/$name";
}
my @secrets = ($minio->secret_key);

sub make_server {
    my ($name, $url, $bucket, $key_id, $secret, %option) = @_;
    my $path    = keep_secret("$name.secret", $secret);
    my $options = join '', map { ", $_ '$option{$_}'" } sort keys %option;
    push @secrets, $secret;
    sql("DROP SERVER IF EXISTS $name CASCADE;
         CREATE SERVER $name FOREIGN DATA WRAPPER training_workflow_s3 OPTIONS (endpoint '$url',
             bucket '$bucket'$options);
         CREATE USER MAPPING FOR PUBLIC SERVER $name OPTIONS (access_key_id '$key_id', secret_access_key_file '$path');
         SELECT set_training_setting('artifact_server', 'store')");
    return;
}

sub check_is {
    my ($server, $state, $words, $name) = @_;
    my ($row) = try("SELECT state, coalesce(advice, '') FROM s3_check('$server')");
    my ($got, $advice) = split /\|/, $row, 2;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    is($got, $state, "s3_check: $name") or diag $row;
    like($advice, $words, "s3_check: $name: what to do");
    return;
}

#-----------------------------------------------------------------------------------------------------------------------
# Objects.

$minio->make_bucket('training');
make_server('store', $minio->url, 'training', $minio->access_key, $minio->secret_key, prefix => 'loop');

my $text = join '', map { chr($_ % 256) } 0 .. 4095;
my $hex  = unpack 'H*', $text;
is(sql("SELECT location, byte_count, sha256 FROM tw_s3_put('store', 'a/b-1_2.bin', '\\x$hex')"),
    's3://training/loop/a/b-1_2.bin|4096|' . sha256_hex($text), 'bytes are put');
is($minio->cat('training/loop/a/b-1_2.bin'), $text, "and MinIO's own client reads them");
is(sql("SELECT encode(tw_s3_get('store', 'a/b-1_2.bin', '@{[ sha256_hex($text) ]}'), 'hex')"), $hex, 'so do we');
is(sql("SELECT * FROM tw_s3_head('store', 'a/b-1_2.bin')"), 't|4096|' . sha256_hex($text), 'and look at it');
is(sql("SELECT * FROM tw_s3_read('store', 's3://training/loop/a/b-1_2.bin')"), '4096|' . sha256_hex($text),
    'a location is a key, too');
is(sql("SELECT is_there FROM tw_s3_head('store', 'a/b-1_2')"), 'f', 'another is not there');
is(sql("SELECT * FROM tw_s3_put('store', 'empty', '')"), 's3://training/loop/empty|0|' . sha256_hex(''),
    'an empty object is one');
is(sql("SELECT length(tw_s3_get('store', 'empty', '@{[ sha256_hex('') ]}'))"), '0', 'and comes back');
sql("SELECT tw_s3_put('store', 'a/b-1_2.bin', 'shorter')");
is($minio->cat('training/loop/a/b-1_2.bin'), 'shorter', 'put again, it is the new one');
sql("SELECT tw_s3_delete('store', k) FROM unnest(ARRAY['a/b-1_2.bin', 'empty', 'never']) k");
is_deeply($minio->list('training'), [], 'and deleted');
fails("SELECT tw_s3_get('store', 'never', '@{[ sha256_hex('') ]}')", '42704',
    qr/refused GET loop\/never: NoSuchKey \(HTTP 404\)/, 'an object that is not there');
fails("SELECT tw_s3_put('store', \$\$$_->[0]\$\$, 'x')", '22023', $_->[1], "key '$_->[0]'")
    for [ '/a', qr/begins with a slash/ ], [ 'a//b', qr/two slashes/ ], [ 'a/../b', qr/two dots/ ],
        [ 'a/./b', qr/a dot/ ], [ 'a b', qr/a character/ ],
    [ 'a=b', qr/a character/ ], [ 'a?b', qr/a character/ ], [ 'a%2fb', qr/a character/ ],
        [ "a\x{c3}\x{a4}", qr/a character/ ], [ 'a/', qr/ends with a slash/ ],
    [ 's3://other/a', qr/is not in the bucket/ ], [ 'x' x 1025, qr/1024/ ];

# Two that store under one key: the first one stays, and the same bytes again are no quarrel.
sql("SELECT tw_s3_put('store', 'only-new', 'first', true)");
fails("SELECT tw_s3_put('store', 'only-new', 'second', true)", '42710', qr/has another object/,
    'another is not replaced');
is(sql("SELECT byte_count FROM tw_s3_put('store', 'only-new', 'first', true)"), 5, 'the same is as good');
is($minio->cat('training/loop/only-new'), 'first', 'it stays');

# Virtual hosts: the bucket is part of the name.
sql("ALTER SERVER store OPTIONS (ADD path_style 'off', SET endpoint 'http://localhost:@{[ $minio->port ]}')");
is(sql("SELECT location FROM tw_s3_put('store', 'host', 'virtual')"), 's3://training/loop/host',
    'the bucket in the host name');
is($minio->cat('training/loop/host'), 'virtual', 'is the same bucket');
sql("ALTER SERVER store OPTIONS (DROP path_style, SET endpoint '@{[ $minio->url ]}')");
sql("SELECT tw_s3_delete('store', 'host')");

# A file as a stream: a backend that held it in memory would grow by its size.
sub make_file {
    my ($path, $megabytes) = @_;
    open my $file, '>:raw', $path or die "$path: $!";
    my $digest = Digest::SHA->new(256);
    for my $n (1 .. $megabytes) {
        my $piece = sha256_hex($n) x (MB / 64);
        print {$file} $piece;
        $digest->add($piece);
    }
    close $file or die $!;
    return ($megabytes * MB, $digest->hexdigest);
}
sub put_file { my ($key, @file) = @_; return "SELECT tw_s3_put_file('store', '$key', '$file[0]', $file[1],
    '$file[2]')" }

my @big = ("$folder/big", make_file("$folder/big", 100));
my $peak = q{SELECT coalesce(substring(pg_read_file('/proc/self/status') FROM 'VmHWM:\s+(\d+)'), '0')::int};
my ($before, $location, $after) = split /\n/,
    sql("SELECT tw_s3_put('store', 'small', 'x') IS NULL; $peak; " . put_file('big', @big) . "; $peak") =~ s/^f\n//r;
is($location, 's3://training/loop/big', 'a file of 100 MB is put');
cmp_ok($after - $before, '<', 8 * 1024, 'in little memory') or diag "$before kB, then $after kB";
is(Digest::SHA::sha256_hex($minio->cat('training/loop/big')), $big[2], 'and is what it was');
fails(put_file('other', $big[0], $big[1] - 1, $big[2]), '22023', qr/is not a file of 104857599 bytes/,
    'a file of another length');
fails(put_file('other', $big[0], $big[1], 'f' x 64), '08P01', qr/XAmzContentSHA256Mismatch/,
    'a file with another checksum');
fails(put_file('other', "$folder/none", 1, $big[2]), '58P01', qr/could not open/, 'no file');
truncate_sparse("$folder/huge", 5 * 1024 * MB + 1);
fails(put_file('other', "$folder/huge", 5 * 1024 * MB + 1, $big[2]), '54000', qr/too large/, 'more than 5 GB');
is(sql("SELECT is_there FROM tw_s3_head('store', 'other')"), 'f', 'nothing of these is there');

sub truncate_sparse {
    my ($path, $bytes) = @_;
    open my $file, '>', $path or die "$path: $!";
    truncate $file, $bytes or die $!;
    close $file or die $!;
    return;
}

#-----------------------------------------------------------------------------------------------------------------------
# Refusals, as s3_check() and as errors.

check_is('store', 'ok', qr/^$/, 'all is well');
is(sql("SELECT endpoint, bucket, prefix, tried, abs(clock_difference_seconds) < 5, waiting_models
    FROM s3_check()"),
    $minio->url . '|training|loop|put, read, look for another, delete|t|0', 'what s3_check() tells');

make_server('wrong', $minio->url, 'training', $minio->access_key, 'n0tTheSecretOfThatKey');
check_is('wrong', 'refused', qr/SignatureDoesNotMatch.*secret_access_key/, 'a wrong secret');
fails("SELECT tw_s3_put('wrong', 'a', 'b')", '28000',
    qr/object store "wrong" refused PUT a: SignatureDoesNotMatch \(HTTP 403\)/, 'a wrong secret');
fails("SELECT tw_s3_head('wrong', 'a')", '28000', qr/refused HEAD a: HTTP 403/, 'where there is no body to tell more');
make_server('unknown', $minio->url, 'training', 'nobodyknowsthiskey', 'n0tTheSecretOfThatKey');
check_is('unknown', 'refused', qr/InvalidAccessKeyId.*access_key_id/, 'an unknown access key');
make_server('empty', $minio->url, 'not-there', $minio->access_key, $minio->secret_key);
check_is('empty', 'no bucket', qr/NoSuchBucket.*option bucket/, 'no bucket');
fails("SELECT tw_s3_put('empty', 'a', 'b')", '42704', qr/NoSuchBucket \(HTTP 404\)/, 'no bucket');

my $all = 'arn:aws:s3:::training/*';
my $secret = $minio->add_user('stranger');
make_server('stranger', $minio->url, 'training', 'stranger', $secret);
check_is('stranger', 'refused', qr/AccessDenied.*policies/, 'a user without any right');
fails("SELECT tw_s3_put('stranger', 'a', 'b')", '28000', qr/AccessDenied/, 'a user without any right');
$secret = $minio->add_user('reader', [ ['s3:GetObject'], [$all] ], [ ['s3:ListBucket'], ['arn:aws:s3:::training'] ]);
make_server('reader', $minio->url, 'training', 'reader', $secret);
check_is('reader', 'read only', qr/AccessDenied/, 'a user who may only read');
$secret = $minio->add_user('writer', [ [ 's3:PutObject', 's3:GetObject' ], [$all] ]);
make_server('writer', $minio->url, 'training', 'writer', $secret);
check_is('writer', 'ok', qr/^$/, 'a user who may not delete');
like(sql("SELECT tried FROM s3_check('writer')"), qr/delete \(refused/, 'which it tells');
$secret = $minio->add_user('blind', [ ['s3:PutObject'], [$all] ]);
make_server('blind', $minio->url, 'training', 'blind', $secret);
check_is('blind', 'refused', qr/AccessDenied/, 'a user who may only write');
fails("SELECT tw_s3_put('blind', 'blind', 'x')", '28000', qr/refused GET blind: AccessDenied/,
    'what cannot be read back is not stored');
sql('CREATE SERVER unmapped FOREIGN DATA WRAPPER training_workflow_s3 OPTIONS (endpoint \'http://127.0.0.1:1\',
    bucket \'training\')');
check_is('unmapped', 'not configured', qr/no user mapping/, 'no user mapping');
is(sql('SELECT count(*), count(DISTINCT server_name) FROM s3_check()'), '9|9', 'a row for each server');
fails("SELECT * FROM s3_check('nowhere')", '42704', qr/no S3 server "nowhere"/, 'an unknown server');
sql("DROP SERVER $_ CASCADE") for qw(wrong unknown empty stranger reader writer blind unmapped);

#-----------------------------------------------------------------------------------------------------------------------
# A server that dies in the middle of an upload.

my $mortal = TW::Minio->new(folder => "$folder/mortal");
$mortal->start or die $mortal->log;
$mortal->make_bucket('mortal');
make_server('mortal', $mortal->url, 'mortal', $mortal->access_key, $mortal->secret_key, connect_timeout => 2,
    timeout => 10);
sql("SELECT tw_s3_put('mortal', 'before', 'x')");

truncate_sparse("$folder/zeros", 1024 * MB);
my $zeros = `sha256sum $folder/zeros`;
$zeros =~ s/ .*//s;
my ($out, $err) = ('', '');
my $upload = IPC::Run::start([ 'psql', '-X', '-v', 'VERBOSITY=verbose', '-d', $node->connstr(DATABASE),
        '-c', "SELECT tw_s3_put_file('mortal', 'half', '$folder/zeros', @{[ 1024 * MB ]}, '$zeros')" ],
    '<', \undef, '>', \$out, '2>', \$err, IPC::Run::timeout(PATIENCE));
my $arrived = 0;
for (my $end = time + PATIENCE; time < $end && !$arrived && $upload->pumpable; sleep 0.005) {
    $upload->pump_nb;
    for my $file (grep { -f } glob("$folder/mortal/data/.minio.sys/tmp/*/*/part.*")) {
        $arrived = (stat $file)[7] // 0;
    }
}
$mortal->kill_hard;
$upload->finish;
$said .= "$out$err";
cmp_ok($arrived, '>', 0, 'a part of an upload had arrived when the server was killed');
cmp_ok($arrived, '<', 1024 * MB, 'and only a part');
like($err,
    qr/ERROR:  08006: the connection to server "mortal" broke while sending the request.*The request was PUT half\./s,
    'the error says how far it came')
    or diag $out;
my $start = time;
fails("SELECT tw_s3_put('mortal', 'half', 'x')", '08001', qr/nothing accepts connections there/,
    'a server that is not there');
cmp_ok(time - $start, '>', 1.2, 'which was tried again');
check_is('mortal', 'unreachable', qr/nothing accepts connections/, 'a server that is not there');
ok($mortal->start, 'the server comes back');
is_deeply($mortal->list('mortal'), ['before'], 'and has nothing of that upload');
sql("SELECT tw_s3_put('mortal', 'half', 'whole')");
is($mortal->cat('mortal/half'), 'whole', 'once more: it is stored');

# An upload that nothing takes can be cancelled.
kill STOP => $mortal->{pid};
$start = time;
fails("SET statement_timeout = '1500ms'; SELECT tw_s3_put_file('mortal', 'stuck', '$folder/zeros', @{[ 1024 * MB ]},
    '$zeros')",
    '57014', qr/statement timeout/, 'a server that hangs');
cmp_ok(time - $start, '<', 2.9, 'is left within a second');
kill CONT => $mortal->{pid};

#-----------------------------------------------------------------------------------------------------------------------
# Models.

# One that can be learned, in two modules, with a test split of 20 texts.
sub samples {
    my ($count) = @_;
    sql("SELECT import_training_samples(string_agg(jsonb_build_object('text',
        w || ' number ' || md5(w || g || '$count'), 'intent', 'intent.' || m,
            'split', CASE WHEN g > 20 THEN 'test' ELSE 'train' END)::text, E'\\n'))
        FROM (VALUES ('track', 'parcel.track'), ('order', 'food.order.place')) AS x (w, m), generate_series(1,
            $count) g");
    return;
}
sub state_of {
    my ($version) = @_;
    return sql("SELECT status, coalesce(minio_path, '-'), coalesce(artifact_error, '-') FROM model_versions
        WHERE version = '$version'");
}
samples(30);
sql("SELECT set_training_setting('min_test_samples', '10'); SELECT set_training_setting('artifact_server', 'mortal')");
$mortal->stop;

my ($trained) = try("SELECT version, status, gate_decision, gate_reason FROM train_model()");
like($trained, qr/^router-v1\.0\.0\|candidate\|passed\|.*its artifact has to be stored first/,
    'a model that passed the gate waits');
is(sql('SELECT count(*) FROM tw_unstored_versions()'), '1', 'for the store');
fails("SELECT promote_model('router-v1.0.0', 'at once')", '55000',
    qr/not in the object store.*No upload was tried yet/s, 'nobody can promote it');
my ($x, $warning) = try('CALL store_model_artifacts()');
like($warning, qr/WARNING:  08001: could not connect to server "mortal"/, 'a store that is down: a warning');
like(state_of('router-v1.0.0'),
    qr/^candidate\|-\|could not connect to server "mortal": nothing accepts connections there/,
    'it is a candidate, with the error');
is(sql("SELECT status, error_code FROM job_runs WHERE job_name = 'store_model_artifacts' ORDER BY id DESC LIMIT 1"),
    'failed|08001', 'and so is the run');
fails("SELECT promote_model('router-v1.0.0', 'at once')", '55000', qr/nothing accepts connections there/,
    'who promotes it is told why not');
fails("SELECT * FROM fetch_model_artifact('router-v1.0.0')", '55000', qr/not in the object store/,
    'nor can it be fetched');
($out) = try("SELECT waiting_models, last_error FROM s3_check('mortal')");
like($out, qr/^1\|could not connect/, 's3_check() tells of both');

$mortal->start or die $mortal->log;
sql('CALL run_training_jobs()');
is(state_of('router-v1.0.0'), 'production|s3://mortal/router/router-v1.0.0/model.bin|-',
    'the store is back: the next run stores it and makes it live');
is(sql("SELECT to_status, reason FROM model_deployments ORDER BY id DESC LIMIT 1") =~ s/stored: .*/stored/r,
    'production|the first of its type, it passed the gate, and its artifact is stored', 'as model_deployments says');
is(sha256_hex($mortal->cat('mortal/router/router-v1.0.0/model.bin')),
    sql("SELECT sha256 FROM model_artifacts WHERE version = 'router-v1.0.0'"), 'the bytes are there');
my $manifest = JSON::PP::decode_json($mortal->cat('mortal/router/router-v1.0.0/manifest.json'));
my $row = JSON::PP::decode_json(sql("SELECT to_jsonb(m) || jsonb_build_object('size', a.size_bytes, 'sum', a.sha256,
    'extension', e.extversion)
    FROM model_versions m, model_artifacts a, pg_extension e WHERE a.version = m.version
        AND e.extname = 'training_workflow'"));
is_deeply([ @{$manifest}{qw(version model_type format sha256 size_bytes extension_version sample_counts
            base_version gate_decision)} ],
    [ @{$row}{qw(version model_type)}, 'router',
        @{$row}{qw(sum size extension sample_counts base_version gate_decision)} ],
            'beside a manifest that says what it is');
is_deeply($manifest->{metrics}, { map { $_ => $row->{$_} } keys %{ $manifest->{metrics} } }, 'and how good');
is(scalar(keys %{ $manifest->{metrics} }), 9, 'in nine figures');
my $stores = q{SELECT count(*) FROM job_runs WHERE job_name = 'store_model_artifacts'};
my $runs = sql($stores);
sql('CALL store_model_artifacts(); CALL run_training_jobs()');
is(sql($stores), $runs, 'where all is stored there is nothing to do');

# Fetching.
is(sql("SELECT restored FROM fetch_model_artifact('router-v1.0.0')"), 'f', 'an artifact that is there is not fetched');
my $answer = "SELECT intent FROM classify_intent('track number 7')";
my $was = sql($answer);
sql("UPDATE model_artifacts SET bytes = set_byte(bytes, 100, 255 - get_byte(bytes, 100)), format = 'other'");
is(sql("SELECT problem, example FROM check_integrity() WHERE problem LIKE '%artifact%'"),
    'damaged artifact|router-v1.0.0', 'a damaged one is noticed');
is(sql("SELECT restored, size_bytes, sha256 FROM fetch_model_artifact('router-v1.0.0')"), "t|$row->{size}|$row->{sum}",
    'and restored');
integrity_is_empty($node, DATABASE, 'restored');
sql('DELETE FROM model_artifacts');
is(sql("SELECT restored FROM fetch_model_artifact('router-v1.0.0')"), 't', 'so is one that is lost');
is(sql($answer), $was, 'and answers as before');
sql('DELETE FROM model_artifacts');
my $bytes = $mortal->cat('mortal/router/router-v1.0.0/model.bin');
(my $forged = $bytes) =~ s/^(.{50})./$1\0/s;
$mortal->write('mortal/router/router-v1.0.0/model.bin', $forged);
fails("SELECT * FROM fetch_model_artifact('router-v1.0.0')", 'XX001', qr/was changed or is damaged/,
    'an object that somebody changed');
$mortal->remove('mortal/router/router-v1.0.0/model.bin');
fails("SELECT * FROM fetch_model_artifact('router-v1.0.0')", '42704', qr/NoSuchKey/, 'or deleted');
$mortal->write('mortal/router/router-v1.0.0/model.bin', $bytes);
is(sql("SELECT restored FROM fetch_model_artifact('router-v1.0.0')"), 't', 'put back by hand, it will do');
fails("SELECT * FROM fetch_model_artifact('router-v9.0.0')", '42704', qr/does not exist/, 'an unknown version');
sql("ALTER SERVER mortal OPTIONS (ADD prefix 'elsewhere'); DELETE FROM model_artifacts");
fails("SELECT * FROM fetch_model_artifact('router-v1.0.0')", '22023', qr/is not below the prefix/,
    'where the prefix is another now');
sql('ALTER SERVER mortal OPTIONS (DROP prefix)');
is(sql("SELECT restored FROM fetch_model_artifact('router-v1.0.0')"), 't', 'with the old one it is found');

# What others keep in the bucket is not for operators to read.
$mortal->write('mortal/other-team/payroll.csv', 'secret');
sql("ALTER SERVER mortal OPTIONS (ADD prefix 'ours');
     SELECT register_model('food-agent-v0.9.0', 'food-agent', minio_path => 's3://mortal/other-team/payroll.csv')");
try('CALL store_model_artifacts()');
is(sql("SELECT artifact_stored_at IS NULL FROM model_versions WHERE version = 'food-agent-v0.9.0'"), 't',
    'nobody looks outside the prefix');
fails("CALL export_training_samples_to_s3('s3://mortal/other-team/payroll.csv', overwrite => true)", '22023',
    qr/cannot be the key/, 'nor writes there');
fails("CALL export_training_samples_to_s3('router/router-v1.0.0/model.bin', overwrite => true)", '22023',
    qr/cannot be the key/, 'nor where models are');
is($mortal->cat('mortal/other-team/payroll.csv'), 'secret', 'it stays');
sql("DELETE FROM model_versions WHERE version = 'food-agent-v0.9.0'; ALTER SERVER mortal OPTIONS (DROP prefix)");

# Another database has stored its own at the same place.
sql("SELECT register_model('food-agent-v1.0.0', 'food-agent', artifact => 'ours')");
$mortal->write('mortal/food-agent/food-agent-v1.0.0/model.bin', 'theirs');
($x, $warning) = try('CALL store_model_artifacts()');
like($warning,
    qr/WARNING:  42710: object store "mortal" has another food-agent\/food-agent-v1\.0\.0\/model\.bin already/,
    "another's object is not overwritten");
is($mortal->cat('mortal/food-agent/food-agent-v1.0.0/model.bin'), 'theirs', 'it stays');
$mortal->remove('mortal/food-agent/food-agent-v1.0.0/model.bin');

# Models that lie there already, and models that nobody has.
$mortal->write('mortal/outside/model.onnx', 'from outside');
sql("SELECT register_model('food-agent-v1.1.0', 'food-agent', minio_path => 's3://mortal/outside/model.onnx');
     SELECT register_model('food-agent-v1.2.0', 'food-agent', minio_path => 's3://mortal/outside/nothing');
     SELECT register_model('food-agent-v1.3.0', 'food-agent', minio_path => 's3://elsewhere/model.onnx');
     SELECT register_model('food-agent-v1.4.0', 'food-agent')");
($x, $warning) = try('CALL store_model_artifacts()');
is(sql("SELECT version, minio_path, artifact_sha256 FROM model_versions WHERE model_type = 'food-agent'
    AND artifact_stored_at IS NOT NULL ORDER BY 1"),
    "food-agent-v1.0.0|s3://mortal/food-agent/food-agent-v1.0.0/model.bin|@{[ sha256_hex('ours') ]}\n"
        . "food-agent-v1.1.0|s3://mortal/outside/model.onnx|@{[ sha256_hex('from outside') ]}",
            'what is there is read and known by its checksum');
like(state_of('food-agent-v1.2.0'), qr/^candidate\|s3:.*NoSuchKey/, 'what is not there is not believed');
is(state_of('food-agent-v1.3.0'), 'candidate|s3://elsewhere/model.onnx|-',
    'what lies where we cannot look is not looked for');
fails("SELECT promote_model('food-agent-v1.3.0', 'because')", '55000', qr/is not below the prefix/,
    'neither goes live');
fails("SELECT promote_model('food-agent-v1.4.0', 'because')", '55000', qr/neither an artifact nor a minio_path/,
    'nor one without an artifact');
sql("SELECT promote_model('food-agent-v1.1.0', 'because')");
is(state_of('food-agent-v1.1.0'), 'production|s3://mortal/outside/model.onnx|-', 'the verified one does');
sql("SELECT set_training_setting('artifact_server', 'none'); SELECT promote_model('food-agent-v1.4.0', 'because')");
like(state_of('food-agent-v1.4.0'), qr/^production/, 'all do where models need not be stored');

# Several servers: which?
sql("SELECT set_training_setting('artifact_server', NULL); SELECT register_model('ride-agent-v1.0.0', 'ride-agent',
    artifact => 'ride')");
($x, $warning) = try('CALL store_model_artifacts()');
like($warning, qr/There are several S3 servers.*set_training_setting\('artifact_server', 'mortal'\)/s,
    'of several servers, one has to be named');
sql("SELECT set_training_setting('artifact_server', 'gone')");
($x, $warning) = try('CALL store_model_artifacts()');
like($warning, qr/artifact_server names "gone", which is not an S3 server/, 'one that is there');
like(state_of('ride-agent-v1.0.0'), qr/^candidate\|-\|The training setting/, 'until then they wait');
sql("DROP SERVER store CASCADE; SELECT set_training_setting('artifact_server', NULL); CALL store_model_artifacts()");
like(state_of('ride-agent-v1.0.0'), qr/^candidate\|s3:.*model\.bin\|-$/, 'the only one needs no name');
integrity_is_empty($node, DATABASE, 'at the end');

# A restored copy.
sql("SELECT register_model('ride-agent-v1.1.0', 'ride-agent', artifact => 'copy');
     UPDATE training_settings SET value = '1:1' WHERE name = 'installation'; DELETE FROM model_artifacts
         WHERE version = 'ride-agent-v1.0.0'");
($x, $warning) = try('CALL store_model_artifacts()');
like($warning, qr/restored copy/, 'a restored copy stores nothing');
fails("SELECT * FROM fetch_model_artifact('ride-agent-v1.0.0')", '55000', qr/restored copy/, 'and fetches nothing');
check_is('mortal', 'restored copy', qr/adopt_installation/, 'a restored copy');
is_deeply([ grep { /1\.1\.0/ } @{ $mortal->list('mortal/ride-agent') } ], [], 'indeed');

#-----------------------------------------------------------------------------------------------------------------------
# Secrets, and memory.

$said .= slurp_file($node->logfile);
is(scalar(grep { index($said, $_) >= 0 } @secrets), 0, 'no secret is in any message or log');
unlike($said, qr/AWS4-HMAC|Signature=/, 'nor a signature');

sql("SELECT adopt_installation()");
my ($first, $last) = split /\n/, sql("DO \$\$ BEGIN FOR i IN 1 .. 50 LOOP PERFORM tw_s3_put('mortal', 'loop',
    convert_to(repeat('x', 10000), 'UTF8')); END LOOP; END \$\$; $peak;
    DO \$\$ BEGIN FOR i IN 1 .. 500 LOOP PERFORM tw_s3_put('mortal', 'loop', convert_to(repeat('x', 10000), 'UTF8'));
        END LOOP; END \$\$; $peak");
cmp_ok($last - $first, '<=', 512, '500 objects more, each put and read back, take no more memory')
    or diag "$first kB, then $last kB";

$node->stop;
$mortal->stop;
done_testing();
