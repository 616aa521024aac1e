# artifacts.pl - damaged routers, most of them under a right length and checksum, through register_model(),
# classify_intents() and evaluate_model(). Such an artifact is refused, or answers with probabilities.

use strict;
use warnings;

use MIME::Base64 qw(decode_base64 encode_base64);
use TW::Database;
use TW::Fuzz;

use constant { CHECKSUM_AT => 8, CHECKED_FROM => 16, BODY => 28, HEADER => 44 };

my $node = start_fuzz();

# A large one, and two that are so small that each of their bytes gets its turn.
my @whole = map { decode_base64($_) } map { tr/\n //dr } split /\|/, sql(<<'SQL') =~ s/\n(?=\S{20,}\|)//gr;
    SELECT string_agg(replace(encode(a, 'base64'), E'\n', ''), '|') FROM (
        SELECT bytes AS a FROM model_artifacts WHERE version = 'router-v2.0.0'
        UNION ALL
        SELECT (tw_train_router(ARRAY['veg pizza', 'veg thali', 'pizza', 'where is my parcel', 'parcel', 'track it'],
                ARRAY['food', 'food', 'food', 'track', 'track', 'track'], ARRAY['f', 'f', 'f', NULL, NULL, NULL],
                array_fill(1::float8, ARRAY[6]))).artifact
        UNION ALL
        SELECT (tw_train_router(array_agg(w || ' ' || g), array_agg(w), array_agg('m'::text),
                array_agg(1::float8))).artifact
        FROM unnest(ARRAY['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i']) w, generate_series(1, 2) g) x
SQL
die 'there are no artifacts' if @whole != 3 || grep { !/^TWrouter/ } @whole;

# FNV-1a and MurmurHash3's finaliser, as src/base/hash.h has them.
sub checksum {
    my ($bytes) = @_;
    use integer;
    my $state = -3750763034362895579;
    $state = ($state ^ $_) * 1_099_511_628_211 for unpack 'C*', $bytes;
    for my $factor (-49064778989728563, -4265267296055464877) {
        $state = ($state ^ (($state >> 33) & 0x7FFFFFFF)) * $factor;
    }
    return $state ^ (($state >> 33) & 0x7FFFFFFF);
}

sub seal {
    my ($bytes) = @_;
    return $bytes if length $bytes < BODY;
    substr($bytes, 20, 8) = pack 'q<', length $bytes if !chance(0.02);
    substr($bytes, CHECKSUM_AT, 8) = pack 'q<', checksum(substr $bytes, CHECKED_FROM) if !chance(0.02);
    return $bytes;
}
for (@whole) {
    die 'the checksum is another one' if substr($_, CHECKSUM_AT, 8) ne pack 'q<', checksum(substr $_, CHECKED_FROM);
}

sub random_bytes { return join '', map { chr below(256) } 1 .. $_[0] }

# A place in the artifact, most often near its beginning, where the counts and the labels are.
sub place {
    my ($bytes) = @_;
    my $length = length($bytes) - BODY;
    return BODY + ($length < 1 ? 0 : chance(0.3) ? below($length > 16 ? 16 : $length) : chance(0.5)
        ? below($length > 200 ? 200 : $length) : below($length));
}

my @change = (
    sub { my ($b, $at) = @_; substr($b, $at, 1) = chr below(256); return $b },
    sub { my ($b, $at) = @_; substr($b, $at, 1) = one_of("\0", "\1", "\x7f", "\x80", "\x81", "\xff"); return $b },
    sub { my ($b, $at) = @_; substr($b, $at, 1) ^= chr 1 << below(8); return $b },
    sub { my ($b, $at) = @_; substr($b, $at, 0) = random_bytes(1 + below(8)); return $b },
    sub { my ($b, $at) = @_; substr($b, $at, 1 + below(8)) = ''; return $b },
    sub { my ($b, $at) = @_; return substr $b, 0, $at },
    sub { my ($b, $at) = @_; substr($b, $at, 0) = substr $b, place($b), below(40); return $b },
    # A varint that is as long or as large as can be.
    sub { my ($b, $at) = @_; substr($b, $at, 1) = "\xff" x (1 + below(5)) . chr below(128); return $b },
    # Counts and the temperature.
    sub {
        my ($b) = @_;
        substr($b, BODY + 4 * below(4), 4) = one_of(map { pack 'l<', $_ } 0, 1, 2, 255, 65535, 65536, 262144, 2**31 - 1,
            -2**31, -1, below(2**20));
        return $b;
    },
    # Numbers that are none.
    sub {
        my ($b, $at) = @_;
        substr($b, $at, 4) = one_of(map { pack 'V', $_ } 0x7FC00000, 0x7F800000, 0xFF800000, 0x80000000, 1, 0x49742400,
            0x49742401, 0x7F7FFFFF);
        return $b;
    },
    sub { my ($b) = @_; substr($b, 16, 4) = pack 'V', one_of(0, 1, 1, 2, 2**31); return $b },
    # The beginning of one, the end of another, the middle out of nowhere.
    sub { my ($b, $at) = @_; my $o = one_of(@whole); return substr($b, 0, $at) . substr $o, place($o) },
    sub { my ($b, $at) = @_; return substr($b, 0, $at) . random_bytes(below(400)) },
);

sub artifact {
    my $bytes = one_of(@whole[ 1, 1, 2, 2, 0 ]);
    for (0 .. below(3)) {
        my $at = place($bytes);
        $bytes = one_of(@change)->($bytes, $at < length $bytes ? $at : length($bytes) - 1) if length $bytes > HEADER;
    }
    return seal($bytes);
}

my @questions = map { literal($_) } 'where is my parcel', 'veg pizza', 'a 1', '', '?', "\x{0928}\x{092E}\x{0938}",
    'a a a a a a 000';
my ($answered, $damaged) = (0, 0);

sub one {
    my ($number) = @_;
    my $bytes = encode_base64(artifact(), '');
    my @ask   = map { "SELECT rank, confidence, intent
        FROM classify_intents($_, 50, 'router', 'router-v9.0.$number') WHERE reason IS NULL" }
        @questions[ below(3), 3 + below(4) ];
    push @ask, "SELECT gate_passed FROM evaluate_model('router-v9.0.$number')" if chance(0.05);
    return (
        'BEGIN',
        "SELECT register_model('router-v9.0.$number', 'router', artifact => decode('$bytes', 'base64'))",
        @ask, 'ROLLBACK'
    );
}

sub judge {
    my ($sql, $answer) = @_;
    my ($code, $out) = @$answer;
    return if $sql !~ /^SELECT/;
    if ($code ne '00000') {
        # Of a version that was refused, nothing can be asked.
        $damaged++ if $code eq 'XX001';
        finding('another error than that it is damaged', "$code: " . substr $sql, 0, 200)
            if $code !~ /^(?:XX001|0A000|25P02)$/ && $sql !~ /evaluate_model/;
        return;
    }
    return if $sql !~ /classify_intents/;
    $answered++;
    my $sum = 0;
    for my $line (split /\n(?=\d+\|)/, $out) {
        my (undef, $confidence) = split /\|/, $line;
        finding('no probability', $out) if $confidence !~ /^(?:0|1|0?\.\d+|0\.\d+|\d(?:\.\d+)?e-\d+)$/;
        $sum += $confidence;
    }
    finding('probabilities above 1', $out) if $sum > 1.001;
    return;
}

batches(
    sub {
        my ($batch) = @_;
        my @sql = map { one($_ % 5) } 1 .. 25;
        my @answers = run_batch(\@sql, user => 'tw_operator');
        judge($sql[$_], $answers[$_]) for 0 .. $#answers;
    }
);
finding('no use', "$answered answers, $damaged refusals") if !defined $ENV{BATCH} && (!$answered || !$damaged);
finish(said => "$damaged artifacts refused, $answered answers of others");
