# 019_daily_statistics.pl - stored figures of closed days are right in a
# restored copy, on a standby and on a subscriber, too.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TW::Util;

my $dir       = PostgreSQL::Test::Utils::tempdir;
my $publisher = start_node('publisher', streaming => 'logical');
my $as_of     = "'2026-05-11 02:00+00'";

# Rows of ten days, so many a day.
sub capture {
    my ($count) = @_;
    return <<"SQL";
        INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider,
                                       nlu_processing_time_ms, created_at)
        SELECT 's' || g, 'message ' || g, 'intent.food.item.search', (g % 97) / 96.0,
               (ARRAY['indicbert', 'llm'])[1 + g % 2], g, timestamptz '2026-05-01 12:00+00' + g % 10 * interval '1 day'
        FROM generate_series(1, 10 * $count) g;
SQL
}

# Every way in which a closed day changes.
my $changes = <<'SQL';
    SELECT approve_conversations(ARRAY(SELECT id FROM conversation_logs WHERE review_status = 'needs-review'
                                       ORDER BY id LIMIT 20));
    SELECT reject_conversations(ARRAY(SELECT id FROM conversation_logs WHERE review_status = 'needs-review' ORDER BY id
                                      LIMIT 20), 'unclear');
    SELECT record_feedback(id, session_id, 'negative') FROM conversation_logs WHERE review_status = 'auto-approved'
    ORDER BY id LIMIT 5;
    DELETE FROM conversation_logs WHERE id IN (SELECT max(id) FROM conversation_logs);
    INSERT INTO training_samples (conversation_log_id, text, intent)
        SELECT id, 'by hand', 'intent.food.other' FROM conversation_logs WHERE review_status = 'rejected' AND id NOT IN
            (SELECT conversation_log_id FROM training_samples WHERE conversation_log_id IS NOT NULL)
            ORDER BY id LIMIT 3;
SQL

my $verdicts = <<'SQL';
    SELECT fix_conversations(ARRAY(SELECT id FROM conversation_logs WHERE review_status = 'needs-review'
                                   ORDER BY id DESC LIMIT 10), 'intent.x');
    SELECT record_feedback(id, session_id, 'positive') FROM conversation_logs WHERE review_status = 'approved'
    ORDER BY id LIMIT 5;
SQL

sub close_days {
    my ($node, $database) = @_;
    my $since = $node->safe_psql($database, 'SELECT clock_timestamp()');
    for (1 .. 50) {
        return if $node->safe_psql($database, "SELECT tw_close_days($as_of, 30, '$since')") == 0;
    }
    die 'closing does not end';
}

# Days in all, days whose figures are stored, and days whose figures are not those of a plain count.
sub days {
    my ($node, $database) = @_;
    return $node->safe_psql($database, <<'SQL');
        SELECT (SELECT count(*) FROM daily_training_stats), (SELECT count(*) FROM daily_statistics), count(*)
        FROM (SELECT date, conversations, needs_review_high, needs_review_medium, approved, rejected, promoted,
                     feedback, p50_latency_ms
              FROM daily_training_stats
              EXCEPT
              SELECT c.created_on, count(*),
                     count(*) FILTER (WHERE c.review_status = 'needs-review' AND c.review_priority = 1),
                     count(*) FILTER (WHERE c.review_status = 'needs-review' AND c.review_priority = 2),
                     count(*) FILTER (WHERE c.review_status = 'approved'),
                     count(*) FILTER (WHERE c.review_status = 'rejected'),
                     count(s.id), count(c.user_feedback),
                     percentile_cont(0.5) WITHIN GROUP (ORDER BY c.nlu_processing_time_ms)
              FROM conversation_logs c LEFT JOIN training_samples s ON s.conversation_log_id = c.id
              GROUP BY c.created_on) x
SQL
}

create_database($publisher, 'bot');
$publisher->safe_psql('bot', capture(30));
close_days($publisher, 'bot');
is(days($publisher, 'bot'), '10|10|0', 'ten days are closed');

# A subscriber of all tables, with the extension and closed days of its own.
my $subscriber = start_node('subscriber', streaming => 'logical');
create_database($subscriber, 'copy');
$publisher->safe_psql('bot', 'CREATE PUBLICATION everything FOR ALL TABLES');
my $connection = $publisher->connstr('bot') =~ s/'/''/gr;
$subscriber->safe_psql('copy', "CREATE SUBSCRIPTION everything CONNECTION '$connection' PUBLICATION everything");
$subscriber->wait_for_subscription_sync($publisher, 'everything', 'copy');
is(days($subscriber, 'copy'), '10|0|0', 'the first copy brings no stored figures');
close_days($subscriber, 'copy');
is(days($subscriber, 'copy'), '10|10|0', 'the subscriber closes days itself');

# What people say shows at once, and what came late or is gone with the next count.
$publisher->safe_psql('bot', $changes);
$publisher->safe_psql('bot', capture(1));
close_days($publisher, 'bot');
is(days($publisher, 'bot'), '10|10|0', 'closed again while all tables are published');
$publisher->safe_psql('bot', $verdicts);
is(days($publisher, 'bot'), '10|10|0', 'verdicts since then show at once');
$publisher->wait_for_catchup('everything');
is((split /\|/, days($subscriber, 'copy'))[2], 10, 'the subscriber has not counted yet what came late');
close_days($subscriber, 'copy');
is(days($subscriber, 'copy'), '10|10|0', 'it counts what replication has brought');
$publisher->safe_psql('bot', $verdicts);
$publisher->wait_for_catchup('everything');
is(days($subscriber, 'copy'), '10|10|0', 'verdicts that replication brings show at once over there, too');
is($subscriber->safe_psql('copy', "SELECT md5(string_agg((to_jsonb(d) - 'as_of')::text, \$\$,\$\$))
    FROM daily_training_stats d"),
    $publisher->safe_psql('bot',
        "SELECT md5(string_agg((to_jsonb(d) - 'as_of')::text, \$\$,\$\$)) FROM daily_training_stats d"),
    'and it shows what the publisher shows');

# A standby reads what is stored.
$publisher->backup('now');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($publisher, 'now', has_streaming => 1);
$standby->start;
$publisher->wait_for_catchup($standby, 'replay', $publisher->lsn('insert'));
is(days($standby, 'bot'), '10|10|0', 'a standby shows stored figures and what people said since');
$standby->stop;

# A restored copy counts on the spot until its days are closed.
my $figures = q{SELECT to_jsonb(d) - 'as_of' FROM daily_training_stats d};
my $before  = $publisher->safe_psql('bot', $figures);
my ($dumped) = run_program('pg_dump', '-Fc', '--no-publications', '-f', "$dir/dump", '-d', $publisher->connstr('bot'));
ok($dumped, 'dumped');
$publisher->safe_psql('postgres', 'CREATE DATABASE restored');
my ($restored) = run_program('pg_restore', '-d', $publisher->connstr('restored'), "$dir/dump");
ok($restored, 'restored');
is($publisher->safe_psql('restored', $figures), $before, 'a restored copy has the same figures');
is(days($publisher, 'restored'), '10|0|0', 'though nothing is stored');
close_days($publisher, 'restored');
is(days($publisher, 'restored'), '10|10|0', 'and closes its days');
integrity_is_empty($publisher, 'restored', 'restored');

# Stored figures survive a crash.
$publisher->stop('immediate');
$publisher->start;
is(days($publisher, 'bot'), '10|10|0', 'after a crash');

# Retention takes what three days were counted from: their figures are final, and dumped.
$before = $publisher->safe_psql('bot', $figures);
is($publisher->safe_psql('bot', <<'SQL'), 't', 'retention deletes most of three days');
    SELECT sum(b.taken) > 0
    FROM (SELECT created_on, array_agg(id ORDER BY id) AS ids FROM conversation_logs
          WHERE created_on < '2026-05-04' AND review_priority IS NULL GROUP BY created_on) d
    CROSS JOIN LATERAL tw_purge_batch('erase', d.created_on, d.ids, d.created_on + 1) b
SQL
is($publisher->safe_psql('bot', $figures), $before, 'the figures of all days are as before');
close_days($publisher, 'bot');
is($publisher->safe_psql('bot', $figures), $before, 'also after the next count');
($dumped) = run_program('pg_dump', '-Fc', '--no-publications', '-f', "$dir/final", '-d', $publisher->connstr('bot'));
ok($dumped, 'dumped again');
$publisher->safe_psql('postgres', 'CREATE DATABASE again');
($restored) = run_program('pg_restore', '-d', $publisher->connstr('again'), "$dir/final");
ok($restored, 'restored again');
is($publisher->safe_psql('again', $figures), $before, 'a restored copy has the figures of days that are gone');
is($publisher->safe_psql('again', 'SELECT count(*) FROM daily_statistics WHERE is_final'), '3', 'as stored ones');
close_days($publisher, 'again');
is($publisher->safe_psql('again', $figures), $before, 'and keeps them');

$subscriber->safe_psql('copy', 'DROP SUBSCRIPTION everything');
done_testing();
