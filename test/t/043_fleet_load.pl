# 043_fleet_load.pl - eight clients capture on three nodes, answer, and say what they think of it, while people judge at
# the hub. Then the hub is the union of its nodes, and its figures are those of one database that was fed the same.
#
# FLEET_CONVERSATIONS is their number; 100,000 unless it is set, which take a minute and a quarter on two cores.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TW::Fleet;
use TW::Util;

use constant {
    NODES   => 3,
    CLIENTS => 8,
    ROWS    => 5,    # a transaction of the script below
};

my $conversations = $ENV{FLEET_CONVERSATIONS} || 100_000;
my $transactions  = int($conversations / (CLIENTS * ROWS)) || 1;
my $total         = $transactions * CLIENTS * ROWS;
my $dir           = PostgreSQL::Test::Utils::tempdir;

# What the hub decides. The rest is the node's.
my $decided = '{review_status,review_priority,review_reason,is_training_candidate}';

# A hub judges by these; the draw of one module is left to chance.
my $policies = <<'SQL';
    SELECT set_training_setting('second_opinion_rate', '0'), set_training_setting('review_budget_per_day', '0');
    INSERT INTO review_policies (module_type, audit_rate_approved, audit_rate_review) VALUES
        (NULL, 0, 0), ('all', 1, 1), ('drawn', 0.3, 0.2);
SQL

start_fleet(NODES, conf => "shared_buffers = 64MB\nmax_wal_size = 1GB\nmax_connections = 40\n");
at(0, $policies);
all_caught_up();

# One message; four more; and what follows the message of the transaction before: always a response, often feedback.
append_to_file("$dir/client.sql", <<'SQL');
\set s :s + 1
\set t random(1, 5000)
\set c random(0, 99)
\set m random(0, 2)
\set f random(1, 100)
INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider, nlu_module_type,
                               nlu_model_version, nlu_processing_time_ms)
VALUES ('client ' || :me || ', ' || :s, 'text ' || :t, 'intent.food.item.search', :c / 99.0, 'indicbert',
        (ARRAY['plain', 'all', 'drawn'])[1 + :m], 'router-v1.0.' || :t % 3, :t) RETURNING id AS new \gset
INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider, nlu_module_type,
                               nlu_model_version, nlu_processing_time_ms)
SELECT 'client ' || :me || ', ' || :s, 'text ' || :t || ' and ' || g, 'intent.food.order.place',
       (:c + 23 * g) % 100 / 99.0, 'indicbert', (ARRAY['plain', 'all', 'drawn'])[1 + (:m + g) % 3],
       'router-v1.0.' || g % 3, :t + g FROM generate_series(1, 4) g;
\if :old > 0
SELECT record_response(:old, 'client ' || :me || ', ' || :s - 1, 'reply ' || :t, :f % 10 <> 0, 'service ' || :f % 5);
\endif
\if :old > 0 AND :f <= 20
SELECT record_feedback(:old, 'client ' || :me || ', ' || :s - 1,
                       CASE WHEN :f <= 12 THEN 'negative' ELSE 'positive' END, CASE WHEN :f <= 4 THEN 'no, ' || :t END);
\endif
\set old :new
SQL

my (@clients, @output);
for my $client (1 .. CLIENTS) {
    my $node = server(1 + $client % NODES);
    push @output, '';
    push @clients,
        IPC::Run::start(
        [
            'pgbench', '-n', '-c', 1, '-t', $transactions, '-U', 'tw_app', '-D', "me=$client", '-D', 's=0',
            '-D', 'old=0', '-f', "$dir/client.sql", $node->connstr(BOT)
        ],
        '<',
        \undef,
        '>&',
        \$output[-1],
        IPC::Run::timeout(10 * $PostgreSQL::Test::Utils::timeout_default)
        );
}

# Meanwhile samples are made, and people judge: some of what they judge has no sample yet, and gets feedback later.
sub review {
    my ($count) = @_;
    return at(0, <<"SQL", user => 'tw_reviewer');
        WITH c AS MATERIALIZED (SELECT conversation_log_id AS id FROM claim_reviews($count))
        SELECT count(CASE c.id % 3 WHEN 0 THEN approve_conversation(c.id)
                     WHEN 1 THEN fix_conversation(c.id, 'intent.parcel.track')
                     ELSE reject_conversation(c.id, 'unclear') END) FROM c
SQL
}

my $verdicts = 0;
while (grep { $_->pumpable } @clients) {
    my ($said, $sweep) = ('');
    $sweep = IPC::Run::start([ 'psql', '-XAtq', '-d', server(0)->connstr(BOT), '-c', 'CALL sweep_fleet(now())' ],
        '<', \undef, '>&', \$said, IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
    $verdicts += review(50);
    $sweep->finish or fail("a sweep: $said");
    $_->pump_nb for grep { $_->pumpable } @clients;
}
for my $i (0 .. $#clients) {
    ok($clients[$i]->finish, "client $i has said all that it had to say") or diag $output[$i];
}
cmp_ok($verdicts, '>', 0, 'people have judged meanwhile');
all_caught_up();
$verdicts += review(200);
for (1 .. 100) {
    sweep_hub();
    last if at(0, 'SELECT count(*) FROM fleet_arrivals') == 0;
}
note "$total conversations, $verdicts verdicts";

# The lines of a query, whatever their number; the first difference is shown.
sub lines_of {
    my ($n, $sql, %option) = @_;
    return [ split /\n/, at($n, $sql, %option) ];
}

sub same_lines {
    my ($got, $expected, $name) = @_;
    my $last = $#$got > $#$expected ? $#$got : $#$expected;
    my ($at) = grep { ($got->[$_] // '') ne ($expected->[$_] // '') } 0 .. $last;

    local $Test::Builder::Level = $Test::Builder::Level + 1;
    ok(!defined $at, $name) or diag sprintf "%d and %d lines; line %d\n     got: %s\nexpected: %s", scalar @$got,
        scalar @$expected, $at, $got->[$at] // '', $expected->[$at] // '';
    return;
}

# (a) The hub is the union of the nodes, in every column that the nodes decide; in the others, where nobody has judged.
is(at(0, 'SELECT count(*) FROM conversation_logs'), $total, 'the hub has all conversations');
my $judged = 'SELECT e.conversation_log_id FROM review_events e WHERE e.conversation_log_id IS NOT NULL';
my %is_judged = map { $_ => 1 } @{ lines_of(0, $judged) };
cmp_ok(scalar keys %is_judged, '<', $total, 'nobody has judged most of them');
for my $n (1 .. NODES) {
    my $theirs = "SELECT c.id, md5((to_jsonb(c) - '$decided'::text[])::text) FROM conversation_logs c
                  WHERE tw_node_of(c.id) = $n ORDER BY c.id";
    my $ours = "SELECT c.id, c.review_status, c.review_priority, c.review_reason, c.is_training_candidate
                FROM conversation_logs c WHERE tw_node_of(c.id) = $n ORDER BY c.id";
    same_lines(lines_of(0, $theirs), lines_of($n, $theirs), "node $n: every row and column");
    same_lines((map { [ grep { !$is_judged{ (split /\|/)[0] } } @{ lines_of($_, $ours) } ] } 0, $n),
        "node $n: what waits, where nobody has judged");
    is(at($n, 'SELECT count(*) FROM training_samples'), 0, "node $n has no samples");
}

# (b) Samples, once.
samples_match(server(0), BOT, 'hub');
is(
    at(0, "SELECT count(*), count(DISTINCT c.id) FROM training_samples s JOIN conversation_logs c
               ON c.id = s.conversation_log_id WHERE c.filter_outcome = 'auto-approved'"),
    join('|', (at(0, "SELECT count(*) FROM conversation_logs WHERE filter_outcome = 'auto-approved'")) x 2),
    'each auto-approved conversation has one sample'
);
integrity_is_empty(server($_), BOT, $_ ? "node $_" : 'hub') for 0 .. NODES;

# (c) One big database, in which the filter decides itself about the same messages, but for the module whose draw is
# left to chance: it gets what was drawn. Then what people and users said, in the order in which the hub has it.
create_database(server(0), 'big');
my %big = (database => 'big');
at(0, $policies, %big);
my $said = 'id, session_id, user_message, nlu_intent, nlu_confidence, nlu_provider, nlu_module_type, nlu_model_version,
    nlu_processing_time_ms, created_at';
my $drawn = 'is_training_candidate, review_status, review_priority, review_reason, filter_outcome, filter_policy_id,
    is_audit, selection_probability, filtered_at, created_on';
for my $n (1 .. NODES) {
    at($n, "COPY (SELECT $said FROM conversation_logs WHERE nlu_module_type <> 'drawn') TO '$dir/said$n';
            COPY (SELECT $said, $drawn FROM conversation_logs WHERE nlu_module_type = 'drawn') TO '$dir/drawn$n';
            COPY (SELECT id, session_id, response_text, response_success, routed_to, user_feedback, user_correction
                  FROM conversation_logs WHERE response_text IS NOT NULL) TO '$dir/later$n'");
    at(0, "COPY conversation_logs ($said) FROM '$dir/said$n'; SET session_replication_role = replica;
           COPY conversation_logs ($said, $drawn) FROM '$dir/drawn$n'", %big);
}
at(0, "COPY (SELECT id, conversation_log_id, action, intent, reject_reason FROM review_events) TO '$dir/events'");
at(0, <<"SQL", %big);
    SELECT * FROM promote_missed_conversations('0');
    CREATE TABLE later (id bigint PRIMARY KEY, session_id text, response_text text, response_success boolean,
                        routed_to text, user_feedback text, user_correction text);
    @{[ join ' ', map { "COPY later FROM '$dir/later$_';" } 1 .. NODES ]}
    CREATE TABLE said (number bigint PRIMARY KEY, id bigint, action text, intent text, reject_reason text);
    COPY said FROM '$dir/events';
    ANALYZE;
    SELECT count(record_response(id, session_id, response_text, response_success, routed_to)) FROM later;
    DO \$\$
    DECLARE
        s record;
    BEGIN
        FOR s IN SELECT e.*, l.session_id, l.user_feedback, l.user_correction FROM said e LEFT JOIN later l USING (id)
                 ORDER BY e.number LOOP
            CASE s.action
                WHEN 'feedback' THEN PERFORM record_feedback(s.id, s.session_id, s.user_feedback, s.user_correction);
                WHEN 'approve' THEN PERFORM approve_conversation(s.id, NULL, 'tw_reviewer');
                WHEN 'fix' THEN PERFORM fix_conversation(s.id, s.intent, NULL, NULL, 'tw_reviewer');
                WHEN 'reject' THEN PERFORM reject_conversation(s.id, s.reject_reason, NULL, 'tw_reviewer');
            END CASE;
        END LOOP;
    END
    \$\$;
SQL
for (
    [
        'conversations' => "SELECT c.id, md5((to_jsonb(c) - '{filtered_at}'::text[])::text) FROM conversation_logs c
                            ORDER BY c.id"
    ],
    # A sample that a person has judged keeps the service that was known then.
    [
        'samples' => q{SELECT s.conversation_log_id, CASE s.label_source WHEN 'model' THEN s.expected_service END,
                              to_jsonb(s) - '{id,created_at,updated_at,reviewed_at,expected_service}'::text[]
                       FROM training_samples s ORDER BY s.conversation_log_id}
    ],
    [
        'events' => q{SELECT e.conversation_log_id, e.action, e.intent, e.from_status, e.to_status, e.review_priority,
                             e.review_reason, e.details
                      FROM review_events e ORDER BY e.conversation_log_id, e.id}
    ],
    [ 'daily_training_stats' => q{SELECT to_jsonb(d) - 'as_of' FROM daily_training_stats d} ],
    [
        'live_accuracy()' =>
            q{SELECT to_jsonb(a) FROM live_accuracy() a
              UNION ALL SELECT to_jsonb(a) FROM live_accuracy(by => '{model_version,module_type}') a ORDER BY 1}
    ],
    [ 'live_accuracy_by_model' => q{SELECT to_jsonb(a) FROM live_accuracy_by_model a ORDER BY 1} ],
    [
        'training_queue' => q{SELECT stage, review_status, review_priority, review_reason, count(*) FROM training_queue
                              GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4}
    ],
    # A database on its own takes the highest id for the newest message; the hub looks at each node's.
    [ 'intents' => q{SELECT to_jsonb(i) - 'last_seen' FROM intents i ORDER BY 1} ]
    )
{
    my ($what, $sql) = @$_;
    my $got = lines_of(0, $sql);
    cmp_ok(scalar @$got, '>', 0, "$what: there is something to compare");
    same_lines($got, lines_of(0, $sql, %big), "$what: as in one big database");
}

# Nothing had to be tried again.
unlike(slurp_file(server($_)->logfile), qr/ (?:ERROR|FATAL|PANIC): /, "$_: no error in the log") for 0 .. NODES;

done_testing();
