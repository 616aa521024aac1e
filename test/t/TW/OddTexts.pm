# OddTexts.pm - texts from outside that a page could take for its own: in every place that training_report() shows, and
# the elements and attributes that its pages may have.

package TW::OddTexts;

use strict;
use warnings;
use utf8;

use Exporter 'import';
use TW::Database;

our @EXPORT = qw(ELEMENTS ATTRIBUTES ROUND odd_texts load_odd_texts use_odd_texts odd_day shown_text marker_of);

use constant ELEMENTS => qw(html head meta title style body div a header h1 h2 h3 p dl dt dd nav ul ol li main section
    figure figcaption strong em br svg desc path rect circle text g bdi span code details summary table caption thead
    tbody tr th td footer);
use constant ATTRIBUTES => qw(lang charset name content class id href aria-labelledby aria-hidden role tabindex scope
    viewBox d x y cx cy r width height);

# Texts of a day.
use constant ROUND => 126;

# What ends or begins an element, an attribute, a comment, a style sheet or a script in one language or another; what
# SQL's format() and regular expressions could take for theirs; and what cannot be seen, or moves what can.
my @parts = (
    '<script>alert(1)</script>', '<img src=x onerror=alert(1)>', '<svg onload=alert(1)>', '</bdi></td></tr></table>',
    '"><a href="//example.test/">', q{' onmouseover='alert(1)}, '</title></style></head>', '<!--', '-->', '<![CDATA[',
    ']]>', '<?xml version="1.0"?>', '<!DOCTYPE x [<!ENTITY e "e">]>', '&e;', '&lt;b&gt;', '&#x3c;b&#x3e;', '&nbsp',
    '&amp;amp;', '<link rel=stylesheet href=//example.test/x>', '<base href=//example.test/>',
    '<meta http-equiv=refresh content=0>', '<iframe srcdoc="<p>">', '<form action=//example.test/><input autofocus>',
    '<b', '</', '<', '>', '&', '"', q{'}, '`', 'javascript:alert(1)', 'url(//example.test/)', '</svg><style>*{}', '}',
    '{{x}}', '${x}', '%s', '%1$s', '%L', '%%', '\\1', '\\&', '$1', '\\', 'E\'\\\'', '--', '$$',
    "\x01", "\x08", "\x0B\x0C", "\x1B[31m", "\x7F", "\x{85}", "\x{9F}", "\t", "\n", "\r\n", "\x{FFFE}", "\x{FDD0}",
    "\x{1FFFE}", "\x{10FFFF}", "\x{FFFD}", "\x{FEFF}", "\x{202E}evil\x{202C}", "\x{202E}", "\x{202D}", "\x{2066}",
    "\x{2067}", "\x{2069}", "\x{200F}", "\x{200E}", "\x{061C}", "\x{200D}", "\x{200B}", "\x{2028}", "\x{E0001}",
    'שלום', 'مرحبا', 'नमस्ते', '🍕', '👩‍👩‍👧', "\x{301}\x{302}\x{303}", 'ﷺ', 'ordinary', 'words', ' '
);

# Four letters, which no rule for personal data knows, between four more.
sub _marker {
    my ($n) = @_;
    return 'zq' . join('', map { chr(97 + int($n / 26**$_) % 26) } 0 .. 3) . 'qz';
}

sub marker_of { my ($text) = @_; return $text =~ /(zq[a-z]{4}qz)/ ? $1 : undef }

# As many texts, each with a marker of its own, the same for the same seed.
sub odd_texts {
    my ($count, $seed) = @_;
    my $state = $seed;
    my $below = sub { $state = ($state * 1103515245 + 12345) % 2**31; return int($state / 2**16) % $_[0] };
    return map {
        my @own = map { $parts[ $below->(scalar @parts) ] } 0 .. 1 + $below->(5);
        splice @own, $below->(2), 0, _marker($_);
        join '', @own;
    } 0 .. $count - 1;
}

# What a page shows of it, unless it is cut.
sub shown_text {
    my ($text) = @_;
    $text =~ s/[\x01-\x08\x0B-\x1F\x7F-\x9F\x{202A}-\x{202E}\x{2066}-\x{2069}\x{FDD0}-\x{FDEF}]/\x{FFFD}/g;
    return join '', map { (ord($_) & 0xFFFE) == 0xFFFE ? "\x{FFFD}" : $_ } split //, $text;
}

# Puts them into the table odd (n, value). psql would leave out what is no character.
sub load_odd_texts {
    my (@texts) = @_;
    my $n      = 0;
    my @values = map { utf8::encode(my $bytes = $_); sprintf q{(%d, '%s')}, $n++, unpack 'H*', $bytes } @texts;
    sql('CREATE TABLE odd (n integer PRIMARY KEY, value text NOT NULL)');
    sql(q{INSERT INTO odd SELECT n, convert_from(decode(hex, 'hex'), 'UTF8') FROM (VALUES } . join(', ', @values)
            . ') v (n, hex)');
    return;
}

sub odd_day { my ($round) = @_; return "(DATE '2026-03-02' + 2 * $round)" }

# Uses ROUND of them, from ROUND * round on, as intents, modules, providers, versions, messages, reviewers and notes of
# conversations of odd_day(round). What is said of versions, rollouts and jobs has the texts of the first round.
sub use_odd_texts {
    my ($round) = @_;
    my $first   = ROUND * $round;
    my $day     = odd_day($round);
    my $odd     = sub { my ($from, $n) = @_; return "(SELECT value FROM odd WHERE n = $first + $from + $n)" };

    # 20 intents, ten of which stand for ten others; each three times, with three messages for each of the ten.
    sql(<<"SQL");
        WITH added AS (
            INSERT INTO conversation_logs (session_id, user_message, review_status, filter_outcome, is_audit,
                selection_probability, filtered_at, nlu_intent, nlu_confidence, nlu_module_type, nlu_model_version,
                nlu_provider, created_at)
            SELECT 's' || k, @{[ $odd->(30, 'k') ]}, 'approved', 'auto-approved', true, 0.5, now(),
                   @{[ $odd->(0, 'k % 20') ]}, 0.9, @{[ $odd->(60, 'k % 10') ]}, @{[ $odd->(70, 'k % 10') ]},
                   @{[ $odd->(80, 'k % 10') ]}, $day + interval '12 hours' + k * interval '1 minute'
            FROM generate_series(0, 29) k RETURNING id, created_at, session_id
        ), judged AS (
            SELECT a.id, a.created_at, substr(a.session_id, 2)::integer AS k FROM added a
        ), verdicts AS (
            INSERT INTO review_events (conversation_log_id, action, intent, note, reviewer, calling_role, created_at)
            SELECT j.id, 'fix', @{[ $odd->(20, 'j.k % 10') ]}, @{[ $odd->(100, 'j.k % 10') ]},
                   @{[ $odd->(90, 'j.k % 10') ]}, 'somebody', j.created_at + interval '1 hour'
            FROM judged j
        )
        INSERT INTO second_opinions (conversation_log_id, status, rate, first_event, first_reviewer, first_label,
            second_event, second_reviewer, second_label, agrees, asked_at, settled_at)
        SELECT j.id, 'settled', 1, 1, @{[ $odd->(90, 'j.k % 10') ]}, @{[ $odd->(20, 'j.k % 10') ]}, 2,
               @{[ $odd->(110, 'j.k % 10') ]}, @{[ $odd->(0, 'j.k % 20') ]}, false, j.created_at,
               j.created_at + interval '2 hours'
        FROM judged j
SQL
    return if $round > 0;
    sql(<<"SQL");
        INSERT INTO model_versions (version, model_type, status, gate_decision, gate_reason, artifact_error, created_at)
        SELECT 'router-v1.0.' || k, 'router', 'rejected', 'failed', @{[ $odd->(120, 'k') ]}, @{[ $odd->(120, 'k') ]},
               $day + k * interval '1 hour'
        FROM generate_series(0, 5) k;
        INSERT INTO rollouts (model_type, version, previous_version, status, steps, alpha, margin, step_times, reason,
            started_at, ended_at, end_reason, steps_reason)
        SELECT 'router', 'router-v1.0.' || k, 'router-v1.0.0', 'rolled-back', '{100}', 0.05, 0.02,
               ARRAY[$day + interval '1 hour'], @{[ $odd->(120, 'k') ]}, $day + interval '1 hour',
               $day + interval '20 hours', @{[ $odd->(120, 'k') ]}, @{[ $odd->(120, 'k') ]}
        FROM generate_series(1, 5) k;
        INSERT INTO job_runs (job_name, status, phase, error_code, error_message, started_at, finished_at)
        SELECT j, 'failed', NULL, 'XX000', @{[ $odd->(120, 'n::integer') ]}, now(), now()
        FROM unnest(ARRAY['daily_training_capture', 'weekly_model_training', 'labelstudio_sync', 'check_rollouts'])
             WITH ORDINALITY u (j, n);
SQL
    return;
}

1;
