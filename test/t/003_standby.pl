# 003_standby.pl - a streaming standby answers as the primary does, and captures like it once it is promoted.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TW::Util;

my $primary = start_node('primary', streaming => 1);
create_database($primary, 'bot');
fill($primary, 'bot');

my $standby = start_standby($primary);

sub catch_up {
    $primary->wait_for_catchup($standby, 'replay', $primary->lsn('insert'));
    return;
}

# The same question to both.
sub same_answer {
    my ($sql, $name) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $expected = $primary->safe_psql('bot', $sql);
    isnt($expected, '', "$name: the primary has an answer");
    is($standby->safe_psql('bot', $sql), $expected, "$name: so has the standby");
    return;
}

# Rows captured while the standby listens, single and in a batch.
my $id = $primary->safe_psql(
    'bot',
    "INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider)
     SELECT 'streamed', 'one', @{[ CONFIDENT ]} RETURNING id"
);
$primary->safe_psql(
    'bot',
    "INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider)
     SELECT 'streamed', 'many', 'intent.food.order.cancel', g / 1000.0, 'indicbert' FROM generate_series(1, 1000) g"
);
catch_up();

is($standby->safe_psql('bot', 'SELECT pg_is_in_recovery()'), 't', 'the standby is one');
is($standby->safe_psql('bot', "SELECT review_status FROM training_samples WHERE conversation_log_id = $id"),
    'approved', 'what the primary captures appears on the standby with its sample');

my ($on_primary, $on_standby) = map { dump_tables($_, 'bot') } $primary, $standby;
is_deeply($on_standby, $on_primary, 'the standby holds the same rows');
samples_match($standby, 'bot', 'standby');
integrity_is_empty($standby, 'bot', 'standby');

same_answer('SELECT * FROM training_queue', 'training_queue');
# A day whose figures are not stored yet is as old as the question.
same_answer("SELECT to_jsonb(d) - 'as_of' FROM daily_training_stats d ORDER BY date", 'daily_training_stats');
same_answer('SELECT * FROM model_performance_comparison', 'model_performance_comparison');
same_answer('SELECT * FROM list_training_settings()', 'list_training_settings()');
same_answer(<<'SQL', 'filter_decision()');
    SELECT m, p, c, d FROM unnest(ARRAY[NULL, 'food', 'parcel', 'audited']) m,
                           unnest(ARRAY['indicbert', 'rasa', 'llm']) p,
        unnest(ARRAY[0.1, 0.6, 0.9]) c, filter_decision(c, p, 'intent.food.order.cancel', m) d ORDER BY 1, 2, 3
SQL

# A session that is open on the standby has the policies in its memory; the primary's commit makes it forget them.
my $session  = $standby->background_psql('bot');
my $question = "SELECT review_reason, approve_above FROM filter_decision(0.9, 'indicbert', 'intent.ride.book', 'ride')";
is($session->query_safe($question), '|0.85', 'open session on the standby: the policy before');
is($session->query_safe("SELECT training_setting('min_new_samples')"), '100',
    'open session on the standby: the setting before');
$primary->safe_psql(
    'bot', "INSERT INTO review_policies (module_type, approve_above) VALUES ('ride', 0.97);
                            SELECT set_training_setting('min_new_samples', '77')"
);
catch_up();
is($session->query_safe($question), 'medium confidence|0.97', 'open session on the standby: the changed policy');
is($session->query_safe("SELECT training_setting('min_new_samples')"), '77',
    'open session on the standby: the changed setting');

# A model answers on a standby as it does on the primary, and follows a change of the live version in an open session.
same_answer("SELECT * FROM classify_intents('track number 7', 2, 'router', 'router-v2.0.0')", 'a model');
my $live = q{SELECT model_version FROM classify_intent('track number 7', 'parcel-agent')};
$primary->safe_psql('bot', q{
    SELECT register_model('parcel-agent-v' || n || '.0.0', 'parcel-agent', artifact => bytes)
    FROM model_artifacts, generate_series(5, 6) n WHERE version = 'router-v2.0.0';
    SELECT promote_model('parcel-agent-v5.0.0', 'first')});
catch_up();
is($session->query_safe($live), 'parcel-agent-v5.0.0', 'open session on the standby: the live version');
$primary->safe_psql('bot', q{SELECT promote_model('parcel-agent-v6.0.0', 'second')});
catch_up();
is($session->query_safe($live), 'parcel-agent-v6.0.0', 'open session on the standby: its successor');
sqlstate_is($standby, 'bot', q{SELECT train_model('food-agent')}, '25006', 'standby: training is refused');
is($standby->psql('bot', 'CALL run_training_jobs()'), 0, 'standby: jobs do nothing');

# A rollout deals its units there as it does here, and an open session follows its steps.
my $assigned = q{SELECT v, count(*), md5(string_agg(u::text, ',' ORDER BY u))
    FROM (SELECT u, assign_model_version('cart-agent', 'session-' || u) AS v FROM generate_series(1, 1000) u) x
        GROUP BY v ORDER BY v};
my $canaries = q{SELECT count(*) FROM generate_series(1, 1000) u WHERE assign_model_version('cart-agent',
    'session-' || u) = 'cart-agent-v1.1.0'};
$primary->safe_psql('bot', q{INSERT INTO model_versions (version, model_type, status, traffic_percentage)
    VALUES ('cart-agent-v1.0.0', 'cart-agent', 'production', 100), ('cart-agent-v1.1.0', 'cart-agent', 'candidate',
        0)});
$primary->safe_psql('bot', q{SELECT set_training_setting('rollout_steps', '10,50,100'); SELECT rollout_id
    FROM start_rollout('cart-agent-v1.1.0', 'test')});
catch_up();
cmp_ok($session->query_safe($canaries), '<', 150, 'open session on the standby: the canary has its share');
same_answer($assigned, 'a rollout');
$primary->safe_psql('bot', q{SELECT advance_rollout('cart-agent')});
catch_up();
cmp_ok($session->query_safe($canaries), '>', 400, 'open session on the standby: its next step');
same_answer($assigned, 'the next step of a rollout');

# What writes is refused as on any standby.
sqlstate_is($standby, 'bot', "INSERT INTO conversation_logs (session_id, user_message) VALUES ('x', 'y')",
    '25006', 'standby: capture is refused');
sqlstate_is($standby, 'bot', "SELECT promote_missed_conversations('0')", '25006', 'standby: the sweep is refused');
sqlstate_is($standby, 'bot', "SELECT set_training_setting('min_new_samples', '78')", '25006',
    'standby: a setting is refused');
sqlstate_is($standby, 'bot', 'DROP EXTENSION training_workflow', '25006', 'standby: DROP EXTENSION is refused');

# Fail over. The open session stays, and captures with what it has in its memory.
my $highest =
    $standby->safe_psql('bot',
        'SELECT (SELECT max(id) FROM conversation_logs), (SELECT max(id) FROM training_samples)');
my ($highest_log, $highest_sample) = split /\|/, $highest;
$primary->stop;
$standby->promote;

my $insert = "INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider,
    nlu_module_type)
              SELECT 'promoted', 'x', @{[ CONFIDENT ]}, m FROM unnest(ARRAY['food', 'ride']) m RETURNING id";
for my $who ('the open session', 'a new session') {
    my $answer = $who =~ /open/ ? $session->query_safe($insert) : $standby->safe_psql('bot', $insert);
    my ($food, $ride) = split /\n/, $answer;
    cmp_ok($food, '>', $highest_log, "promoted, $who: the next conversation gets a fresh number");
    is(
        $standby->safe_psql(
            'bot', "SELECT count(*), min(id) > $highest_sample FROM training_samples WHERE conversation_log_id = $food"
        ),
        '1|t',
        "promoted, $who: and a sample"
    );
    is(
        $standby->safe_psql('bot', "SELECT review_reason FROM conversation_logs WHERE id = $ride"),
        'medium confidence',
        "promoted, $who: the replicated policy is obeyed"
    );
    $highest_log = $ride;
}
$session->quit;
samples_match($standby, 'bot', 'promoted');
integrity_is_empty($standby, 'bot', 'promoted');
sqlstate_is($standby, 'bot', 'DROP EXTENSION training_workflow', '55000', 'promoted: the drop guard is in force');

$standby->stop;
done_testing();
