# 004_logical_replication.pl - a subscriber takes conversations as they come,
# and makes up for what its triggers did not do, once.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TW::Util;

# Small, so that a large transaction is streamed before it commits.
my $publisher = start_node('publisher', streaming => 'logical', conf => "logical_decoding_work_mem = 64kB\n");

# Four subscriptions at a time, and workers for their first copies.
my $subscriber = start_node(
    'subscriber',
    streaming => 'logical',
    conf      => "max_logical_replication_workers = 8\nmax_worker_processes = 16\n"
);

sub subscribe {
    my ($name, $from, $to) = @_;
    my $connection = $publisher->connstr($from) =~ s/'/''/gr;

    $subscriber->safe_psql($to,
        "CREATE SUBSCRIPTION $name CONNECTION '$connection' PUBLICATION $name WITH (streaming = on)");
    $subscriber->wait_for_subscription_sync($publisher, $name, $to);
    return;
}

sub rows_of {
    my ($node, $database, $table) = @_;
    return dump_rows($node, $database)->{$table};
}

# Replication does not move the sequences of a subscriber. check_integrity() says so, and what to do about it.
sub set_sequences {
    my ($database) = @_;
    follow_hints($subscriber, $database, 'sequence behind its table', 'SELECT setval.*');
    return;
}

sub problems {
    my ($database) = @_;
    return [ split /\n/,
        $subscriber->safe_psql($database, 'SELECT problem FROM check_integrity() ORDER BY problem, relation') ];
}

# So many messages; some of them get the built-in policy's sample.
sub capture {
    my ($rows) = @_;
    return <<"SQL";
        INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider)
        SELECT 's' || g, 'message ' || g % 7, 'intent.food.item.search', (g % 100) / 100.0,
               (ARRAY['indicbert', 'llm'])[1 + g % 2]
        FROM generate_series(1, $rows) g;
SQL
}

# (a) The publisher has the extension, and publishes its verdicts. Samples are each side's own.
{
    my $name = 'with the extension';
    create_database($publisher, 'bot');
    fill($publisher, 'bot');
    create_database($subscriber, 'copy');
    $publisher->safe_psql('bot', 'CREATE PUBLICATION logs FOR TABLE conversation_logs');
    subscribe('logs', 'bot', 'copy');

    is_deeply(
        rows_of($subscriber, 'copy', 'public.conversation_logs'),
        rows_of($publisher, 'bot', 'public.conversation_logs'),
        "$name: the first copy brings the rows as they are"
    );
    is($subscriber->safe_psql('copy', 'SELECT count(*) FROM training_samples'), 0, "$name: and makes no sample");

    $publisher->safe_psql('bot', capture(100)) for 1 .. 3;
    $publisher->safe_psql('bot', capture(5000));
    $publisher->safe_psql(
        'bot', "UPDATE conversation_logs SET routed_to = 'php', review_priority = 3
                                  WHERE session_id = 's1' AND review_status = 'needs-review'"
    );
    $publisher->safe_psql('bot', 'DELETE FROM conversation_logs WHERE id IN (-5, 0)');
    $publisher->wait_for_catchup('logs');

    is_deeply(
        rows_of($subscriber, 'copy', 'public.conversation_logs'),
        rows_of($publisher, 'bot', 'public.conversation_logs'),
        "$name: changes arrive as they are"
    );
    ok($publisher->poll_query_until('bot', "SELECT stream_txns > 0 FROM pg_stat_replication_slots
        WHERE slot_name = 'logs'"),
        "$name: the large one was streamed before it committed");
    is($subscriber->safe_psql('copy', 'SELECT count(*) FROM training_samples'), 0, "$name: and make no sample");

    # What people said, and are asked, is in tables that are not published.
    my @people = ('approved conversation without a live sample', 'blind review without suggestions',
        'verdict that is not in the events');
    set_sequences('copy');
    is_deeply(
        problems('copy'),
        [ sort @people, 'auto-approved conversation without a sample' ],
        "$name: check_integrity() says what is missing"
    );

    # The sweep makes up for it, without touching what the publisher decided.
    my $expected = $publisher->safe_psql('bot',
        "SELECT count(*) FROM conversation_logs WHERE review_status = 'auto-approved'
            AND filter_outcome = 'auto-approved' AND anonymised_at IS NULL");
    is($subscriber->safe_psql('copy', "SELECT * FROM promote_missed_conversations('0')"),
        "0|$expected|0", "$name: the sweep makes each sample");
    is($subscriber->safe_psql('copy', "SELECT * FROM promote_missed_conversations('0')"), '0|0|0', "$name: once");
    is_deeply(
        rows_of($subscriber, 'copy', 'public.conversation_logs'),
        rows_of($publisher, 'bot', 'public.conversation_logs'),
        "$name: the conversations stay as they are"
    );
    my $what = 'conversation_log_id, text, intent, module_id, module_type, entities, language, expected_service,
            review_status,
                label_source, source, selection_probability, quality_score';
    my $samples =
        "SELECT to_json(x) FROM (SELECT $what FROM training_samples WHERE label_source = 'model'
            AND conversation_log_id IN
                   (SELECT id FROM conversation_logs WHERE review_status = 'auto-approved')) x
                       ORDER BY conversation_log_id";
    is(
        $subscriber->safe_psql('copy', $samples),
        $publisher->safe_psql('bot', $samples),
        "$name: they are the publisher's samples"
    );
    is_deeply(problems('copy'), \@people, "$name: check_integrity() agrees");

    # More rows after the sweep: only theirs are missing then.
    $publisher->safe_psql('bot', capture(200));
    $publisher->wait_for_catchup('logs');
    like($subscriber->safe_psql('copy', "SELECT * FROM promote_missed_conversations('0')"),
        qr/\A0\|[1-9]\d*\|0\z/, "$name: a later sweep finds the later rows");
    set_sequences('copy');
    is_deeply(problems('copy'), \@people, "$name: and leaves nothing to do");
}

# (b) The publisher has a table of its own, with what the application knows. Nobody has filtered the rows yet.
{
    my $name = 'without the extension';
    $publisher->safe_psql('postgres', 'CREATE DATABASE plain');
    $publisher->safe_psql('plain', <<"SQL");
        CREATE TABLE conversation_logs (
            id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, session_id text NOT NULL, user_message text NOT NULL,
            message_type text, nlu_intent text, nlu_confidence double precision, nlu_provider text,
            created_at timestamptz DEFAULT now());
        CREATE PUBLICATION plain FOR TABLE conversation_logs;
        @{[ capture(50) ]}
        INSERT INTO conversation_logs (session_id, user_message, created_at) VALUES ('odd', '', NULL);
        INSERT INTO conversation_logs (session_id, user_message, message_type) VALUES ('odd', 'picture', 'image');
SQL
    create_database($subscriber, 'new');
    $subscriber->safe_psql('new',
        "INSERT INTO review_policies (module_type, approve_above, audit_rate_approved) VALUES ('food', 0.9, 0.5)");
    subscribe('plain', 'plain', 'new');
    $publisher->safe_psql('plain', capture(300));
    $publisher->wait_for_catchup('plain');

    my $verdicts =
        'SELECT count(*), count(review_status), count(filter_outcome), count(filtered_at) FROM conversation_logs';
    is($subscriber->safe_psql('new', $verdicts), '352|0|0|0', "$name: the rows arrive without a verdict");
    is($subscriber->safe_psql('new', 'SELECT count(*) FROM training_samples'), 0, "$name: and make no sample");
    is_deeply(
        problems('new'),
        [ 'conversation not filtered', 'sequence behind its table' ],
        "$name: check_integrity() says that nobody filtered them, and that the sequence stands still"
    );
    set_sequences('new');
    is(
        $subscriber->safe_psql('new', 'SELECT problem, found FROM check_integrity()'),
        'conversation not filtered|352',
        "$name: its hint about the sequence helps"
    );

    my $expected = $subscriber->safe_psql('new',
        "SELECT count(*) FROM conversation_logs WHERE nlu_confidence > 0.9 AND nlu_provider = 'indicbert'");
    cmp_ok($expected, '>', 0, "$name: some of them are confident");
    is($subscriber->safe_psql('new', "SELECT * FROM promote_missed_conversations('0')"),
        "352|$expected|0", "$name: the sweep filters all and promotes those");
    is($subscriber->safe_psql('new', "SELECT * FROM promote_missed_conversations('0')"), '0|0|0', "$name: once");
    is($subscriber->safe_psql('new', <<'SQL'), '', "$name: every row says what the filter says");
        SELECT c.id, c.review_status, c.review_priority, c.review_reason, c.filter_policy_id,
               c.selection_probability, d.*
        FROM conversation_logs c, filter_decision(c.nlu_confidence, c.nlu_provider, c.nlu_intent, c.nlu_module_type) d
        WHERE c.session_id <> 'odd'
          AND ((c.filter_outcome, c.review_status, c.filter_policy_id, c.selection_probability)
                IS DISTINCT FROM (d.review_status, d.review_status, d.filter_policy_id, d.audit_rate)
            OR (c.review_priority, c.review_reason) IS DISTINCT FROM
                (CASE WHEN c.is_audit AND d.review_status = 'auto-approved' THEN 2::smallint ELSE d.review_priority END,
                 CASE WHEN c.is_audit AND d.review_status = 'auto-approved' THEN 'audit' ELSE d.review_reason END)
            OR c.is_audit IS NULL OR c.filtered_at IS NULL OR c.created_on IS NULL OR NOT c.is_training_candidate)
SQL
    is(
        $subscriber->safe_psql(
            'new', "SELECT message_type, review_status, created_at IS NULL, created_on IS NULL FROM conversation_logs
                                       WHERE session_id = 'odd' ORDER BY id"
        ),
        "text|not-applicable|f|f\nimage|not-applicable|f|f",
        "$name: odd rows are filtered, too"
    );
    samples_match($subscriber, 'new', $name);
    integrity_is_empty($subscriber, 'new', $name);

    # The publisher goes on changing rows that the subscriber has filtered meanwhile. Its columns arrive, ours stay.
    my $ours = 'SELECT id, review_status, filter_outcome, is_audit, selection_probability, filtered_at
                FROM conversation_logs ORDER BY id';
    my $before = $subscriber->safe_psql('new', $ours);
    $publisher->safe_psql('plain', "UPDATE conversation_logs SET user_message = user_message || '!' WHERE id % 3 = 0");
    $publisher->wait_for_catchup('plain');
    is($subscriber->safe_psql('new', "SELECT bool_and((user_message LIKE '%!') = (id % 3 = 0)) FROM conversation_logs"),
        't', "$name: the publisher's later changes arrive");
    is($subscriber->safe_psql('new', $ours), $before, "$name: and leave the filter's verdicts alone");
    is($subscriber->safe_psql('new', "SELECT * FROM promote_missed_conversations('0')"),
        '0|0|0', "$name: and nothing is promoted again");

    # Rows that come after a sweep wait for the next one.
    $publisher->safe_psql('plain', capture(100));
    $publisher->wait_for_catchup('plain');
    like($subscriber->safe_psql('new', "SELECT * FROM promote_missed_conversations('0')"),
        qr/\A100\|\d+\|0\z/, "$name: later rows are swept later");
    samples_match($subscriber, 'new', "$name, later");
    set_sequences('new');
    integrity_is_empty($subscriber, 'new', "$name, later");
}

# (c) Policies and settings that come by replication are obeyed by sessions that are open already.
{
    my $name = 'replicated policy';
    create_database($publisher, 'rules');
    create_database($subscriber, 'rules');
    $publisher->safe_psql('rules', <<'SQL');
        CREATE PUBLICATION rules FOR TABLE review_policies, training_settings;
        INSERT INTO review_policies (module_type, approve_above) VALUES ('food', 0.91);
        SELECT set_training_setting('time_zone', 'Asia/Kolkata');
SQL
    my $session = $subscriber->background_psql('rules');
    my $policy  = "SELECT approve_above FROM filter_decision(0.9, 'indicbert', 'intent.food.item.search', 'food')";
    my $setting = "SELECT training_setting('time_zone')";
    my $capture = "INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider,
        created_at)
                   SELECT 'x', 'y', @{[ CONFIDENT ]}, '2024-02-29 20:00:00+00' RETURNING review_status, created_on";
    my $obeys = sub {
        my ($when, $expected_policy, $expected_setting, $expected_row) = @_;

        local $Test::Builder::Level = $Test::Builder::Level + 1;
        is($session->query_safe($policy), $expected_policy, "$name, $when: filter_decision() in an open session");
        is($session->query_safe($setting), $expected_setting, "$name, $when: training_setting() in an open session");
        is($session->query_safe($capture), $expected_row, "$name, $when: capture in an open session");
    };

    $obeys->('before', '0.85', 'UTC', 'auto-approved|2024-02-29');
    subscribe('rules', 'rules', 'rules');
    $obeys->('first copy', '0.91', 'Asia/Kolkata', 'auto-approved|2024-03-01');

    for (
        [
            'INSERT', "INSERT INTO review_policies (intent, approve_above) VALUES ('intent.food.item.search', 0.97);
                     SELECT set_training_setting('rollout_steps', '100')", '0.97', 'Asia/Kolkata',
                         'needs-review|2024-03-01'
        ],
        [
            'UPDATE', "UPDATE review_policies SET approve_above = 0.92 WHERE intent IS NOT NULL;
                     SELECT set_training_setting('time_zone', 'America/New_York')", '0.92', 'America/New_York',
            'auto-approved|2024-02-29'
        ],
        [
            'DELETE',
                "DELETE FROM review_policies WHERE intent IS NOT NULL; SELECT set_training_setting('time_zone', NULL)",
            '0.91', 'UTC', 'auto-approved|2024-02-29'
        ],
        [ 'TRUNCATE', 'TRUNCATE review_policies, training_settings', '0.85', 'UTC', 'auto-approved|2024-02-29' ]
        )
    {
        my ($change, $sql, @expected) = @$_;
        $publisher->safe_psql('rules', $sql);
        $publisher->wait_for_catchup('rules');
        $obeys->($change, @expected);
    }
    $session->quit;
}

# (d) Everything is published: the samples come along, and nothing is left to sweep.
{
    my $name = 'all tables';
    create_database($publisher, 'everything');
    create_database($subscriber, 'everything');
    fill($publisher, 'everything');
    $publisher->safe_psql('everything', 'CREATE PUBLICATION everything FOR ALL TABLES');
    subscribe('everything', 'everything', 'everything');
    $publisher->safe_psql('everything', capture(500));
    $publisher->wait_for_catchup('everything');

    my ($expected, $got) = map { dump_tables($_, 'everything') } $publisher, $subscriber;
    is_deeply($got, $expected, "$name: the same rows on both sides");
    is($subscriber->safe_psql('everything', "SELECT * FROM promote_missed_conversations('0')"),
        '0|0|0', "$name: nothing is left to sweep");
    samples_match($subscriber, 'everything', $name);

    # A person who is forgotten there is forgotten here, with the events, which nobody else can delete.
    for my $mode (qw(anonymise erase)) {
        $publisher->safe_psql('everything', "SELECT count(*) FROM forget_user(user_id => 'interrupted',
            session_id => '{of interrupted}', mode => '$mode')");
        $publisher->wait_for_catchup('everything');
        ($expected, $got) = map { dump_tables($_, 'everything') } $publisher, $subscriber;
        is_deeply($got, $expected, "$name: the same rows on both sides after forget_user(), $mode");
    }

    # The publisher is gone, and the subscriber takes over.
    $subscriber->safe_psql('everything', 'DROP SUBSCRIPTION everything');
    set_sequences('everything');
    # Roles and privileges are not replicated.
    like(
        $subscriber->safe_psql('everything', 'SELECT problem FROM check_integrity()'),
        qr/^limit of a role that does not exist\nsamples without row security$/,
        "$name: check_integrity() says that the limit of a role does not hold yet"
    );
    $subscriber->safe_psql('everything',
        'CREATE ROLE tw_food; SELECT grant_training_role(role_name, kind, modules) FROM role_modules');
    integrity_is_empty($subscriber, 'everything', $name);
    my $insert = "INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider)
                  SELECT 'promoted', 'x', @{[ CONFIDENT ]} RETURNING id";
    my $highest = $subscriber->safe_psql('everything', 'SELECT max(id) FROM conversation_logs');
    cmp_ok($subscriber->safe_psql('everything', $insert), '>', $highest,
        "$name: after a failover the next number is fresh");
    samples_match($subscriber, 'everything', "$name, after a failover");
}

for ([ 'logs', 'copy' ], [ 'plain', 'new' ], [ 'rules', 'rules' ]) {
    $subscriber->safe_psql($_->[1], "DROP SUBSCRIPTION $_->[0]");
}
$subscriber->stop;
$publisher->stop;
done_testing();
