# 016_object_store_faults.pl - what a store does wrong, or says oddly, is noticed and named, and gives nothing away.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);
use TW::Database;
use TW::S3Stub;
use TW::Util;

use constant {
    DATABASE => 'store',
    KEY_ID   => 'KEYIDthatnobodymaysee',
    SECRET   => 'secretthatnobodymaysee0123456789'
};

my $node = start_node('main', conf => "log_min_messages = debug1\nlog_min_error_statement = debug1\n");
my $stub = TW::S3Stub->start(echo => 'http://127.0.0.1/' . SECRET . ' or ' . KEY_ID);
my $said = '';
create_database($node, DATABASE);
in_database($node, DATABASE);
sql(<<"SQL");
    CREATE SERVER store FOREIGN DATA WRAPPER training_workflow_s3 OPTIONS (
        endpoint '@{[ $stub->url ]}', bucket 'bucket', timeout '1', connect_timeout '1');
    CREATE USER MAPPING
        FOR PUBLIC SERVER store OPTIONS (access_key_id '@{[ KEY_ID ]}', secret_access_key '@{[ SECRET ]}');
SQL

sub put { my ($key) = @_; return "SELECT tw_s3_put('store', '$key', 'some bytes')" }

# A statement that has to fail; the SQLSTATE, and what it has to say.
sub fails {
    my ($sql, $sqlstate, $words, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $err = sqlstate_is($node, DATABASE, $sql, $sqlstate, "$name: SQLSTATE");
    $said .= $err;
    like($err, $words, "$name: it says so");
    return $err;
}

# How requests look.
sql(put('plain'));
my @requests = $stub->requests('plain');
like($requests[0],
    qr/^PUT (?=.*\bAuthorization\b)(?=.*\bX-Amz-Date\b)(?=.*\bx-amz-content-sha256\b)(?=.*\bx-amz-meta-sha256\b)/i,
    'a PUT is signed, with its checksum');
unlike($requests[0], qr/Expect|Transfer-Encoding/, 'nothing is sent in chunks');
like($requests[1], qr/^GET (?=.*\bAuthorization\b)(?=.*\bx-amz-content-sha256\b)/i, 'and read back');
is(scalar(@requests), 2, 'and that is all');

# Bytes that come back otherwise.
fails(put($_), 'XX001', qr/does not hold what was stored as $_\n/, $_) for qw(corrupt longer shorter nothing endless);
fails(put('cut'), '08006', qr/broke while receiving the reply.*The request was GET cut\./s,
    'a connection that ends in the middle of the object');
sql(put('meta') . '; ' . put('plain'));
is(sql("SELECT is_there, sha256 IS NULL FROM tw_s3_head('store', 'meta')"), 't|t',
    'a checksum that is none is not believed');
is(sql("SELECT is_there, sha256 IS NULL FROM tw_s3_head('store', 'plain')"), 't|f', 'but one is');

# Clocks.
fails(put('skew-3725'), '28000',
    qr/RequestTimeTooSkewed\ \(HTTP\ 403\)\n
        DETAIL:\ \ The\ store's\ clock\ is\ 1\ h\ 2\ min\ \d+\ s\ ahead\ of\ this\ machine's\.
        \ The\ store\ says:\ Too\ skewed\.\n
        HINT:\ \ Set\ the\ clocks/x,
    'a store whose clock is ahead');
fails(put('skew--7000'), '28000', qr/clock is 1 h 56 min \d+ s behind this machine's/, 'behind');
fails(put('denied-skew-4000'), '28000', qr/AccessDenied.*clock is 1 h 6 min/s, 'a store that does not say why');
unlike(fails(put('denied-skew-100'), '28000', qr/AccessDenied/, 'a small difference'), qr/clock/, 'is no reason');

# s3_check(), about a key of its own.
my %state = (
    'skew-3725'                     => 'clock skew',
    'skew--7000'                    => 'clock skew',
    'denied-skew-100'               => 'refused',
    'slow'                          => 'failing',
    'corrupt'                       => 'failing',
    'longer'                        => 'failing',
    'hang'                          => 'unreachable',
    'drop'                          => 'unreachable',
    'garbage'                       => 'unreachable',
    'code-404-NoSuchBucket'         => 'no bucket',
    'code-403-SignatureDoesNotMatch' => 'refused',
    'redirect'                      => 'refused',
    'narrow'                        => 'refused',
    'fine'                          => 'ok'
);
sql(q{ALTER SERVER store OPTIONS (ADD prefix 'none')});
for my $prefix (sort keys %state) {
    sql("ALTER SERVER store OPTIONS (SET prefix '$prefix')");
    my ($state, $advice) = split /\|/, sql('SELECT state, advice FROM s3_check()'), 2;
    is($state, $state{$prefix}, "s3_check: $prefix") or diag $advice;
    $said .= $advice;
    like($advice, $prefix eq 'fine' ? qr/^$/ : qr/\w+/, "s3_check: $prefix: says what to do");
}
is(sql("ALTER SERVER store OPTIONS (SET prefix 'skew-3725'); SELECT trunc(clock_difference_seconds / 60)
    FROM s3_check()"), '62', 'how far the clocks differ');
sql('ALTER SERVER store OPTIONS (DROP prefix)');

# What passes is tried again, and what does not pass is not.
my $start = time;
is(sql("SELECT sha256 IS NOT NULL FROM tw_s3_put('store', 'slow-2', 'x')"), 't', 'a store that is busy twice');
cmp_ok(time - $start, '>', 1.2, 'is asked again, after a while');
is(scalar(grep { /^PUT/ } $stub->requests('slow-2')), 3, 'three times');
fails(put('slow'), '53000', qr/refused PUT slow: SlowDown \(HTTP 503\)/, 'a store that is always busy');
is(scalar($stub->requests('slow')), 3, 'is not asked a fourth time');
fails(put('code-403-AccessDenied'), '28000', qr/AccessDenied/, 'no right');
is(scalar($stub->requests('code-403-AccessDenied')), 1, 'is not asked for twice');
$start = time;
fails("SET statement_timeout = '500ms'; " . put('slow'), '57014', qr/statement timeout/, 'cancelled between two tries');
cmp_ok(time - $start, '<', 1.5, 'at once');

# A store that says nothing.
$start = time;
fails(put('hang'), '08006',
    qr/took\ too\ long:\ no\ data\ for\ 1\ s\ while\ waiting\ for\ the\ reply.*
        The\ request\ was\ PUT\ hang\.\ It\ may\ have\ been\ carried\ out/sx, 'a store that hangs');
cmp_ok(time - $start, '<', 3, 'is left');
$start = time;
fails("SET statement_timeout = '500ms'; " . put('hang'), '57014', qr/statement timeout/,
    'or before, when it is cancelled');
cmp_ok(time - $start, '<', 1.5, 'within a second');
fails(put('drop'), '08006', qr/broke while|GET drop|PUT drop/, 'a connection that ends');
fails(put('garbage'), '08006', qr/does not speak HTTP|broke/, 'what is no HTTP');

# Refusals and their words.
my %refusal = (
    'code-413-EntityTooLarge'             => '54000',
    'code-507-XMinioStorageFull'          => '53100',
    'code-400-AuthorizationHeaderMalformed' => '28000',
    'code-404-NoSuchBucket'               => '42704',
    'code-400-XAmzContentSHA256Mismatch'  => '08P01',
    'code-400-SomethingElse'              => '08P01',
    'code-500-InternalError'              => '08006',
    'redirect'                            => '08P01',
    'html'                                => '28000',
    'empty'                               => '28000',
);
fails(put($_), $refusal{$_}, qr/refused PUT $_: .*HTTP \d+.*HINT: /s, $_) for sort keys %refusal;
my $err = fails(put('words'), '28000', qr/refused PUT words: HTTP 403\n/, 'a code that is none');
like($err, qr/^DETAIL:  The store says: a <b> &amp; &#65; \?\?\?\?\[31m end\.$/m,
    'a message of all kinds of characters');
$err = fails(put('long-message'), '28000', qr/says: y+\.\.\./, 'a long message');
cmp_ok(length $err, '<', 1000, 'is cut');
$err = fails(put('long'), '28000', qr/AccessDenied/, 'a message that begins far behind');
cmp_ok(length $err, '<', 1000, 'is cut, too');
$err = fails(put('entities'), '28000', qr/refused PUT entities: HTTP 403\n/, 'a document that declares entities');
unlike($err, qr/DETAIL/, 'is not read');
fails(put('flood'), '54000', qr/too large/, 'a document that is too large');
$err = fails(put('echo'), '28000', qr/AccessDenied/, 'a message with the secret in it');
unlike($err, qr/DETAIL/, 'is not told');

# Objects that are fetched are not believed either.
my $sum = 'f' x 64;
sql(put('plain'));
fails("SELECT tw_s3_get('store', 'plain', '$sum')", 'XX001', qr/was changed or is damaged.*It has 10 bytes/s,
    'an object with another checksum');
fails("SELECT tw_s3_get('store', 'plain', 'F')", '22023', qr/64 hexadecimal digits/, 'a checksum that is none');

# The names of files and servers.
fails("SELECT tw_s3_put_file('store', 'a', '/', 10, '$sum')", '22023', qr/is not a file/, 'a folder');
fails("SELECT tw_s3_put('nowhere', 'a', 'b')", '42704', qr/there is no server "nowhere"/, 'no server');

$said .= slurp_file($node->logfile);
is(index($said, SECRET), -1, 'the secret is in no message and no log');
is(index($said, KEY_ID), -1, 'nor is the access key');
unlike($said, qr/Signature=|AWS4-HMAC/, 'nor a signature');
is(sql('SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()'), '1', 'no session is left behind');

$node->stop;
$stub->stop;
done_testing();
