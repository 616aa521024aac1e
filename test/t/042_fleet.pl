# 042_fleet.pl - one hub and two nodes: how they join and leave, what a node does and refuses, what arrives at the hub
# and what the hub keeps, and how each way of losing something is noticed and made good.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TW::Fleet;
use TW::Util;

my $dir = PostgreSQL::Test::Utils::tempdir;

# The first id of a part of the range, and whether ids are of it.
sub first_id { my ($n) = @_; return ($n << 43) + 1 }

# Captures as the application does; returns the id. Columns beside the defaults as name => SQL.
sub capture {
    my ($n, %column) = @_;
    %column = (
        session_id     => q{'s'},
        user_message   => q{'veg pizza'},
        nlu_intent     => q{'intent.food.item.search'},
        nlu_confidence => '0.95',
        nlu_provider   => q{'indicbert'},
        %column
    );
    my @names = sort keys %column;
    return at(
        $n,
        sprintf('INSERT INTO conversation_logs (%s) SELECT %s FROM generate_series(1, 1) g RETURNING id',
            join(', ', @names), join(', ', map { $column{$_} } @names)),
        user => 'tw_app'
    );
}

# The problems that check_integrity() finds.
sub problems {
    my ($n) = @_;
    return at($n, "SELECT string_agg(problem, ', ' ORDER BY problem) FROM check_integrity()");
}

sub same_rows {
    my ($n, $where, $name) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $rows = rows_at($n, $where);
    isnt($rows, '', "$name: there are rows");
    is(rows_at(0, $where), $rows, $name);
    return;
}

# (a) Outside of a fleet, and what cannot be in one.
start_server($_) for 0, 1;
start_server(2, conf => "wal_level = replica\n");
make_database($_) for 0 .. 2;
{
    my $name = 'no fleet';
    at_fails(0, "SELECT set_fleet_node($_)", '22023', "$name: $_ is no number") for 'NULL', -1, 1024;
    at_fails(0, 'SELECT fleet_publish()',    '55000', "$name: nothing to publish");
    at_fails(0, subscribe_sql(1),            '55000', "$name: nothing to subscribe to");
    at_fails(0, 'CALL fleet_resync(1)',      '55000', "$name: nothing to copy");
    at_fails(0, 'CALL fleet_leave()',        '55000', "$name: nothing to leave");
    is(at(0, 'SELECT count(*) FROM fleet_status'), 0, "$name: no status");

    create_database(server(0), 'other');
    at(0, "INSERT INTO conversation_logs (session_id, user_message) VALUES ('s', 'x')", database => 'other');
    at_fails(0, 'SELECT set_fleet_node(1)', '55000', 'a database that has captured is no node', database => 'other');
    is(at(0, 'SELECT set_fleet_node(0)', database => 'other'), 'hub', 'but may be a hub');
    at(0, 'DROP DATABASE other', database => 'postgres');
    create_database(server(0), 'other');
    at(0, "SELECT register_model('router-v1.0.0', 'router')", database => 'other');
    at_fails(0, 'SELECT set_fleet_node(1)', '55000', 'nor is one with models', database => 'other');
}

# (b) Numbers and publications.
is(at(0, 'SELECT set_fleet_node(0)'),  'hub',  'number 0 is the hub');
is(at($_, "SELECT set_fleet_node($_)"), 'node', "number $_ is a node") for 1, 2;
is(at(0, "SELECT training_setting('fleet_role'), training_setting('fleet_node')"), 'hub|0', 'which it stores');
at_fails(0, "SELECT set_training_setting('fleet_node', '7')", '55P02', 'and no setting changes');
is(problems($_), 'table that is not published', "check_integrity() of $_ wants a publication") for 0 .. 2;
is(at($_, 'SELECT fleet_publish()'), 'training_workflow', "$_ publishes") for 0, 1;
is(at(0,  'SELECT fleet_publish()'), 'training_workflow', 'twice is once');
at_fails(2, 'SELECT fleet_publish()', '55000', 'without wal_level = logical nothing is published');

# (c) What a subscription refuses.
{
    my $name = 'subscribing';
    at_fails(0, subscribe_sql(2), '55000', "$name: wal_level is replica there");
    server(2)->append_conf('postgresql.conf', 'wal_level = logical');
    server(2)->restart;
    my $said = at_fails(0, subscribe_sql(2), '55000', "$name: nothing is published there");
    like($said, qr/publishes nothing/, "$name: and it says so");
    at(2, 'SELECT fleet_publish()');
    is(problems($_), '', "check_integrity() of $_ is empty") for 0 .. 2;

    at_fails(0, subscribe_sql(0), '55000', "$name: a hub is no node of a hub");
    at_fails(1, subscribe_sql(2), '55000', "$name: a node is no hub of a node");
    at_fails(0, 'BEGIN; ' . subscribe_sql(1) . '; COMMIT', '2D000', "$name: not inside a transaction");
    at_fails(0, subscribe_sql(1, port => 1), '08006', "$name: nobody answers");
    append_to_file("$dir/wrong", "*:*:*:tw_fleet:wrong\n");
    chmod 0600, "$dir/wrong";
    at_fails(0, subscribe_sql(1, passfile => "$dir/wrong"),     '08006', "$name: the password is wrong");
    at_fails(0, subscribe_sql(1, database => 'postgres'),       '42704', "$name: no extension there");
    at_fails(1, subscribe_sql(0, user     => 'tw_reviewer'),    '08006', "$name: a role without REPLICATION");
    at(1, 'ALTER ROLE tw_app REPLICATION');
    at_fails(0, subscribe_sql(1, user => 'tw_app'), '42501', "$name: a role without grant_training_role(..., 'fleet')");
    at(1, 'ALTER ROLE tw_app NOREPLICATION');

    server(1)->safe_psql('postgres', 'CREATE DATABASE other');
    at(1, "CREATE SCHEMA elsewhere; CREATE EXTENSION training_workflow SCHEMA elsewhere;
        SELECT elsewhere.set_fleet_node(7), elsewhere.fleet_publish(),
               elsewhere.grant_training_role('tw_fleet', 'fleet')", database => 'other');
    $said = at_fails(0, subscribe_sql(1, database => 'other'), '55000', "$name: another schema");
    like($said, qr/schema elsewhere there/, "$name: and it says so");
    at(1, "UPDATE pg_extension SET extversion = '0.0.1' WHERE extname = 'training_workflow'");
    $said = at_fails(0, subscribe_sql(1), '55000', "$name: another version");
    like($said, qr/version 0\.0\.1 there/, "$name: and it says so");
    at(1, "UPDATE pg_extension e SET extversion = v.default_version FROM pg_available_extensions v
           WHERE e.extname = v.name AND e.extname = 'training_workflow'");

    is(at($_, 'SELECT count(*) FROM pg_replication_slots'), 0, "$name: no slot is left at $_") for 0 .. 2;
    is(at($_, 'SELECT count(*) FROM pg_subscription'), 0, "$name: no subscription is left at $_") for 0 .. 2;
    at_fails(0, 'CALL fleet_resync(1)', '42704', 'copying: there is no subscription');
    at_fails(0, 'CALL fleet_leave(1)',  '42704', 'leaving: there is no subscription');

    is(at(0, "SELECT rolsuper FROM pg_roles WHERE rolname = 'tw_fleet'"), 'f',
        'the role at the publisher is no superuser');
    join_node($_) for 1, 2;
    is(at(0, "SELECT count(*) FROM pg_subscription WHERE subconninfo LIKE '%secret%'"), 0,
        'the password stands in no catalog');
    at_fails(0, subscribe_sql(1), '42710', "$name: once is enough at the hub");
    at_fails(1, subscribe_sql(0), '42710', "$name: once is enough on a node");
    at_fails(1, 'SELECT set_fleet_node(3)', '55000', 'a node in a fleet keeps its number');
    at_fails(0, 'CALL fleet_resync()',      '22023', 'copying: the hub has to say from where');
    at_fails(1, 'CALL fleet_resync(1)',     '22023', 'copying: a node has no number to give');
    at_fails(1, 'CALL fleet_leave(1)',      '22023', 'leaving: a node has no number to give');
    at_fails(0, 'CALL fleet_leave(7)',      '42704', 'leaving: there is no node 7');
    at_fails(0, "BEGIN; CALL $_; COMMIT",   '2D000', "$_: not inside a transaction")
        for 'fleet_resync(1)', 'fleet_leave(1)';
}
beat() for 1, 2;
is(at(0, 'SELECT node, state, is_current, lag_seconds IS NOT NULL, advice FROM fleet_status'),
    "1|replicating|t|t|\n2|replicating|t|t|", 'the hub sees both nodes');
is(at(1, 'SELECT node, state, is_current FROM fleet_status'), '0|replicating|t', 'a node sees the hub');

# (d) The hub learns, and its nodes answer with what it has learned.
at(0, <<'SQL');
    SELECT set_training_setting('min_test_samples', '10'), set_training_setting('time_zone', 'Asia/Kolkata');
    SELECT import_training_samples(string_agg(jsonb_build_object('text', w || ' number ' || md5(w || g),
            'intent', 'intent.' || m, 'split', CASE WHEN g > 20 THEN 'test' ELSE 'train' END)::text, E'\n'))
    FROM (VALUES ('track', 'parcel.track'), ('order', 'food.order.place')) AS x (w, m), generate_series(1, 30) g;
    SELECT train_model();
SQL
all_caught_up();
my $question = "SELECT intent, confidence, model_version, reason FROM classify_intent('track number 5')";
like(at(1, $question), qr/^intent\.parcel\.track\|.*\|router-v1\.0\.0\|$/, 'a node answers with the model of the hub');
is(at($_, $question), at(0, $question), "node $_ answers as the hub does") for 1, 2;
beat();
is(at(0, 'SELECT node, is_current, versions FROM fleet_status'),
    join("\n", map { qq({$_|t|{"router": {"production": "router-v1.0.0"}}) =~ s/^\{//r } 1, 2),
    'both nodes have said so');

# (e) What a node does not do.
my $waits = capture(1, nlu_confidence => '0.2', nlu_intent => q{'intent.parcel.track'});
{
    my $name = 'on a node';
    at(1, <<'SQL');
        CREATE SERVER label_studio FOREIGN DATA WRAPPER training_workflow_labelstudio
            OPTIONS (url 'http://127.0.0.1:1');
        CREATE USER MAPPING FOR PUBLIC SERVER label_studio OPTIONS (token 'x');
SQL
    for (
        [ "SELECT approve_conversation($waits)",                     'approval',   'tw_reviewer' ],
        [ "SELECT fix_conversation($waits, 'intent.a.b')",           'correction', 'tw_reviewer' ],
        [ "SELECT reject_conversation($waits, 'unclear')",           'rejection',  'tw_reviewer' ],
        [ 'SELECT count(*) FROM claim_reviews()',                    'claim',      'tw_reviewer' ],
        [ "INSERT INTO review_policies (module_type) VALUES ('x')",  'policy' ],
        [ 'UPDATE model_versions SET test_accuracy = 1',             'change of a version' ],
        [ "SELECT train_model()",                                    'training' ],
        [ "SELECT request_training('router')",                       'request for training' ],
        [ "SELECT register_model('router-v9.0.0', 'router')",        'registration' ],
        [ "SELECT rename_intent('intent.parcel.track', 'intent.y')", 'rename' ],
        [ "SELECT merge_intents('{intent.parcel.track}', 'intent.food.order.place')", 'merge' ],
        [ "SELECT set_training_setting('target_accuracy', '0.9')",   'common setting' ],
        [ q{SELECT import_training_samples('{"text": "x", "intent": "intent.a.b"}')}, 'import of samples' ],
        [ "SELECT labelstudio_create_project('a title')",            'project in Label Studio' ]
        )
    {
        my ($sql, $what, $role) = @$_;
        at_fails(1, $sql, '55000', "$name: no $what", user => $role);
    }
    at(1, 'DROP SERVER label_studio CASCADE');
    is(at(1, "SELECT set_training_setting('retain_job_runs', '90')"), '90', "$name: a setting of its own");

    # (f) And what it does.
    my $app = capture(1, user_message => q{'by the application'}, idempotency_key => q{'key 1'});
    cmp_ok($app, '>=', first_id(1), "$name: ids of its part");
    cmp_ok($app, '<',  first_id(2), "$name: and of no other");
    is(capture(1, user_message => q{'by the application'}, idempotency_key => q{'key 1'}),
        $app, "$name: a message that is sent again is stored once");
    is(at(1, "SELECT created_on = (created_at AT TIME ZONE 'Asia/Kolkata')::date
        FROM conversation_logs WHERE id = $app"),
        't', "$name: days are those of the hub's time zone");
    is(at(1, 'SELECT count(*) FROM training_samples'), 0, "$name: no samples");

    for my $job (qw(weekly_model_training labelstudio_sync run_training_jobs check_rollouts sweep_fleet)) {
        my ($status, undef, $said) = server(1)->psql(BOT, "CALL $job()");
        is($status, 0, "$name: $job() is no error");
        like($said, qr/$job did nothing: it belongs to the hub/, "$name: $job() says that it is the hub's");
    }
    is(at(1, 'SELECT count(*) FROM job_runs'), 0, "$name: and did not run");
    unlike(at(1, 'SELECT job_name FROM job_health'), qr/weekly_model_training|sweep_fleet|check_rollouts/,
        "$name: job_health does not miss them");
    at(1, 'CALL daily_training_capture()', user => 'tw_operator');
    is(
        at(1, "SELECT string_agg(p.key, ' ' ORDER BY p.key) FROM job_runs r, jsonb_each(r.details -> 'parts') p
               WHERE r.job_name = 'daily_training_capture' AND p.value::text LIKE '%the hub does it%'"),
        'audit conflicts labelstudio rollbacks threshold',
        "$name: the daily job leaves parts of it to the hub"
    );
    is(at(1, "SELECT status FROM job_runs WHERE job_name = 'daily_training_capture'"), 'succeeded',
        "$name: and succeeds");
    like(at(0, 'SELECT job_name FROM job_health'), qr/sweep_fleet/, 'the hub has its job');
}

# (g) What arrives is what the node has, in every column, with every answer of the draw; the hub makes the samples.
{
    my $name = 'arrival';
    at(0, <<'SQL');
        INSERT INTO review_policies (module_type, approve_above, audit_rate_approved, audit_rate_review) VALUES
            (NULL, NULL, 0, 0), ('drawn', 0.75, 0.5, 0.25);
SQL
    all_caught_up();
    for my $n (1, 2) {
        at($n, <<"SQL", user => 'tw_app');
            INSERT INTO conversation_logs (session_id, phone_number, user_id, user_message, message_language,
                    nlu_intent,
                    nlu_confidence, nlu_module_id, nlu_module_type, nlu_provider, nlu_model_version, nlu_entities,
                    nlu_tone,
                    nlu_processing_time_ms, metadata, created_at)
            SELECT 'drawn', '+91 98765 43210', 'u' || g, 'veg pizza ' || g, 'hinglish', 'intent.food.item.search',
                   (g % 100) / 99.0, 4, 'drawn', 'indicbert', 'router-v1.0.0',
                   '[{"start": 0, "end": 3, "label": "diet"}]',
                   'neutral', g, jsonb_build_object('long', repeat(md5(g::text), g)), now() - g * interval '1 second'
            FROM generate_series(1, 200) g;
SQL
        caught_up($n, 0);
        same_rows($n, "c.session_id = 'drawn' AND tw_node_of(c.id) = $n", "$name from $n: every column");
        is(at(0, "SELECT count(DISTINCT (c.is_audit, c.filter_outcome)), count(DISTINCT c.selection_probability),
                         bool_and(c.filter_policy_id = (SELECT id FROM review_policies WHERE module_type = 'drawn'))
                  FROM conversation_logs c WHERE c.session_id = 'drawn' AND tw_node_of(c.id) = $n"),
            '4|2|t', "$name from $n: drawn both ways, with the node's probability, by the hub's policy");
    }
    my $queued = at(0, 'SELECT count(*) FROM fleet_arrivals');
    cmp_ok($queued, '>', 100, "$name: the auto-approved ones wait for the sweep");
    is(at(0, "SELECT problem FROM check_integrity()"), '', "$name: which is no problem");
    my $before = rows_at(0, 'true');
    sweep_hub();
    is(at(0, 'SELECT count(*) FROM fleet_arrivals'), 0, "$name: it takes them all");
    is(rows_at(0, 'true'), $before, "$name: and changes no conversation");
    samples_match(server(0), BOT, $name);
    is(at(0, "SELECT count(*) FROM training_samples WHERE conversation_log_id IS NOT NULL"), $queued, "$name: once");
    sweep_hub();
    is(at(0, "SELECT count(*) FROM training_samples WHERE conversation_log_id IS NOT NULL"), $queued,
        "$name: only once");
    is(at(0, "SELECT * FROM promote_missed_conversations('0')"), '0|0|0', "$name: nothing is left to the daily sweep");
}

# (h) A verdict between the capture and what the application says later.
{
    my $name  = 'verdict in between';
    my $asked = capture(1, session_id => q{'asked'}, nlu_confidence => '0.3');
    my $sure  = capture(1, session_id => q{'sure'});
    my $fixed = capture(2, session_id => q{'fixed'}, nlu_confidence => '0.3');
    my $wrong = capture(2, session_id => q{'wrong'}, nlu_confidence => '0.3');
    all_caught_up();
    sweep_hub();
    at(0, "SELECT approve_conversation($asked), fix_conversation($fixed, 'intent.parcel.track'),
                  reject_conversation($wrong, 'unclear')", user => 'tw_reviewer');
    my $decided = "jsonb_build_array(c.review_status, c.is_training_candidate, c.nlu_intent, c.filter_outcome,
        c.is_audit,
        c.selection_probability, c.filter_policy_id, c.filtered_at, c.created_at)";
    my $these  = "c.id IN ($asked, $sure, $fixed, $wrong)";
    my $before = rows_at(0, $these, $decided);

    for ([ 1, $asked, 'asked' ], [ 1, $sure, 'sure' ], [ 2, $fixed, 'fixed' ], [ 2, $wrong, 'wrong' ]) {
        my ($n, $id, $session) = @$_;
        at($n, "SELECT record_response($id, '$session', 'Yes, we have', true, 'service $session', 'order 7')",
            user => 'tw_app');
    }
    all_caught_up();
    is(rows_at(0, $these, $decided), $before, "$name: a response changes nothing of it");
    is(rows_at(0, $these, "concat_ws('|', c.response_text, c.response_success, c.routed_to, c.backend_reference)"),
        join("\n", map { "Yes, we have|t|service $_|order 7" } qw(asked sure fixed wrong)), "$name: and arrives");
    is(at(0, "SELECT count(*) FROM conversation_logs c WHERE $these AND c.review_priority IS NOT NULL"),
        0, "$name: and queues nothing");
    is(at(0, "SELECT expected_service FROM training_samples WHERE conversation_log_id = $sure"),
        'service sure', "$name: the sample expects the service that answered");

    at(1, "SELECT record_feedback($asked, 'asked', 'negative', 'no, a parcel'),
                  record_feedback($sure, 'sure', 'negative')",
        user => 'tw_app');
    at(2, "SELECT record_feedback($fixed, 'fixed', 'positive')", user => 'tw_app');
    all_caught_up();
    is(rows_at(0, $these, $decided), $before, "$name: nor does feedback");
    is(
        rows_at(0, $these,
            "concat_ws('|', c.session_id, c.review_priority, c.review_reason, c.user_feedback, c.user_correction)"),
        "asked|1|user correction|negative|no, a parcel\nsure|1|negative feedback|negative\nfixed|positive\nwrong",
        "$name: feedback that contradicts queues the conversation again"
    );
    is(
        at(0, "SELECT e.conversation_log_id = $asked, e.conversation_log_id = $fixed, e.reviewer, e.calling_role,
                      e.details ->> 'feedback'
               FROM review_events e WHERE e.action = 'feedback' ORDER BY e.conversation_log_id"),
        "t|f|node 1|node 1|negative\nf|f|node 1|node 1|negative\nf|t|node 2|node 2|positive",
        "$name: with an event by its node"
    );
    is(at(0, "SELECT review_status, pending_reason FROM training_samples WHERE conversation_log_id = $sure"),
        'pending|negative feedback', "$name: an unreviewed sample is pending again");
    is(at($_, 'SELECT count(*) FROM review_events'), 0, "$name: node $_ has no events") for 1, 2;

    # Both before the sample is made.
    my $early = capture(1, session_id => q{'early'}, nlu_module_type => q{'drawn'});
    my $felt  = capture(1, session_id => q{'felt'});
    at(1, "SELECT record_feedback($felt, 'felt', 'negative')", user => 'tw_app');
    caught_up(1, 0);
    at(0, "SELECT reject_conversation($early, 'unclear')", user => 'tw_reviewer');
    sweep_hub();
    is(
        at(0, "SELECT c.session_id, s.review_status, s.pending_reason, s.label_source
               FROM training_samples s JOIN conversation_logs c ON c.id = s.conversation_log_id
               WHERE c.id IN ($early, $felt) ORDER BY c.id"),
        "early|rejected||model\nfelt|pending|negative feedback|model",
        "$name: a verdict and feedback that come before the sample find it all the same"
    );
    is(at(0, "SELECT details ->> 'previous_intent' FROM review_events WHERE conversation_log_id = $early"),
        'intent.food.item.search', "$name: and the event says what it was");
    is(at(1, "SELECT count(*) FROM conversation_logs c WHERE $these AND review_reason LIKE '%feedback%'"), 0,
        "$name: and decides nothing");
    is(problems($_), '', "$name: check_integrity() of $_ is empty") for 0 .. 2;
}

# (i) Rows that came to a node while triggers did not fire.
{
    my $name = 'not filtered yet';
    at(1, <<'SQL');
        SET session_replication_role = replica;
        INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider,
                                       nlu_module_type)
        SELECT 'unfiltered', 'x' || g, 'intent.food.item.search', g / 20.0, 'indicbert', 'drawn'
        FROM generate_series(1, 20) g;
SQL
    caught_up(1, 0);
    sweep_hub();
    is(at(0, "SELECT * FROM promote_missed_conversations('0')"), '0|0|0', "$name: the hub leaves them to the node");
    is(at(0, "SELECT count(*), count(review_status), count(is_audit) FROM conversation_logs
              WHERE session_id = 'unfiltered'"),
        '20|0|0', "$name: and has not drawn");
    is(at(1, "SELECT * FROM promote_missed_conversations('0')"), '20|0|0',
        "$name: the node filters them, and promotes none");
    caught_up(1, 0);
    same_rows(1, "c.session_id = 'unfiltered'", "$name: the hub takes what the node decided");
    sweep_hub();
    is(
        at(0, "SELECT count(*) = (SELECT count(*) FROM conversation_logs
                                  WHERE session_id = 'unfiltered' AND filter_outcome = 'auto-approved')
               FROM training_samples s JOIN conversation_logs c ON c.id = s.conversation_log_id
               WHERE c.session_id = 'unfiltered'"),
        't', "$name: and makes the samples"
    );
    samples_match(server(0), BOT, $name);
}

# (j) What a node's retention takes stays at the hub.
{
    my $name = 'retention of a node';
    my @ids  = map { capture(1, session_id => "'$_ days'", created_at => "now() - interval '$_ days'") } 100, 50, 10;
    my $ids  = join ', ', @ids;
    caught_up(1, 0);
    my $before = rows_at(0, "c.id IN ($ids)");
    at(1, "SELECT set_training_setting('retain_conversations', '60'), set_training_setting('retain_text', '40')");
    at(1, 'CALL purge_conversations()', user => 'tw_operator');
    is(
        rows_at(1, "c.id IN ($ids)",
            "concat_ws('|', c.session_id = '50 days', c.user_message, c.anonymised_at IS NULL)"),
        "f||f\nf|veg pizza|t", "$name: one is deleted, one anonymous, one stays"
    );
    at(1, "SELECT record_response($ids[2], '10 days', 'later')");
    caught_up(1, 0);
    is(rows_at(0, "c.id IN ($ids[0], $ids[1])"), join("\n", (split /\n/, $before)[ 0, 1 ]), "$name: the hub keeps all");
    is(at(0, "SELECT response_text FROM conversation_logs WHERE id = $ids[2]"), 'later', "$name: and goes on");
    at(1, "SELECT set_training_setting('retain_conversations', NULL), set_training_setting('retain_text', NULL)");
    at(0, 'CALL fleet_resync(1)');
    copied(0, 1);
    is(rows_at(0, "c.id IN ($ids[0], $ids[1])"), join("\n", (split /\n/, $before)[ 0, 1 ]),
        "$name: also when it copies anew");
}

# (k) What the hub has made anonymous stays so.
{
    my $name = 'forgotten at the hub';
    my $id   = capture(2, session_id => q{'forgotten'}, user_id => q{'u'}, phone_number => q{'+911234567890'});
    caught_up(2, 0);
    sweep_hub();
    at(0, "SELECT * FROM forget_user(session_id => '{forgotten}', mode => 'anonymise')");
    my $before = rows_at(0, "c.id = $id");
    unlike($before, qr/veg pizza|1234567890/, "$name: the hub has forgotten");
    at(2, "SELECT record_response($id, 'forgotten', 'Dear Asha', true, 'php', 'order 9'),
                  record_feedback($id, 'forgotten', 'negative', 'my number is 12')", user => 'tw_app');
    caught_up(2, 0);
    is(rows_at(0, "c.id = $id"), $before, "$name: a later change does not bring it back");
    at(0, 'CALL fleet_resync(2)');
    copied(0, 2);
    is(rows_at(0, "c.id = $id"), $before, "$name: nor does a new copy");
    sweep_hub();
    is(at(0, "SELECT count(*) FROM training_samples WHERE conversation_log_id = $id"), 0, "$name: it has no sample");
    is(at(2, "SELECT user_message FROM conversation_logs WHERE id = $id"), 'veg pizza',
        "$name: the node forgets on its own");
    at(2, "SELECT * FROM forget_user(session_id => '{forgotten}', mode => 'anonymise')");
    caught_up(2, 0);
    is(rows_at(0, "c.id = $id"), $before, "$name: which changes nothing at the hub");
    is(problems($_), '', "$name: check_integrity() of $_ is empty") for 0 .. 2;
}

# (l) Sessions that are open obey the hub at once.
{
    my $name    = 'open session of a node';
    my $session = server(1)->background_psql(BOT);
    my $obeys   = sub {
        my ($sql, $expected, $query, $what) = @_;
        at(0, $sql);
        caught_up(0, 1);
        is($session->query_safe($query), $expected, "$name: $what");
    };
    my $policy = "SELECT approve_above FROM filter_decision(0.9, 'indicbert', 'intent.food.item.search', 'grocery')";
    my $row    = "INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider,
        nlu_module_type) VALUES ('open', 'x', 'intent.food.item.search', 0.9, 'indicbert', 'grocery')
        RETURNING review_status";
    my $answer = "SELECT intent FROM classify_intent('track number 5')";
    is($session->query_safe("$policy; $row; $answer; SELECT training_setting('target_accuracy')"),
        "0.85\nauto-approved\nintent.parcel.track\n0.85", "$name: before");
    $obeys->("INSERT INTO review_policies (module_type, approve_above) VALUES ('grocery', 0.97)", '0.97', $policy,
        'a policy');
    is($session->query_safe($row), 'needs-review', "$name: which the filter obeys");
    $obeys->("UPDATE review_policies SET approve_above = 0.89 WHERE module_type = 'grocery'", '0.89', $policy,
        'its change');
    $obeys->("DELETE FROM review_policies WHERE module_type = 'grocery'", '0.85', $policy, 'its end');
    $obeys->("SELECT set_training_setting('target_accuracy', '0.8')", '0.8',
        "SELECT training_setting('target_accuracy')",
        'a setting');
    $obeys->("SELECT set_training_setting('target_accuracy', NULL)", '0.85',
        "SELECT training_setting('target_accuracy')",
        'its default');
    is($session->query_safe("SELECT training_setting('fleet_role'), training_setting('retain_job_runs')"), 'node|90',
        "$name: its own settings stay");
    $obeys->("SELECT count(*) FROM rename_intent('intent.parcel.track', 'intent.parcel.where')", 'intent.parcel.where',
        $answer, 'an alias');
    $obeys->('TRUNCATE review_policies', '0.85', $policy, 'a table that is empty');
    at(0, 'INSERT INTO review_policies (audit_rate_approved, audit_rate_review) VALUES (0, 0)');
    all_caught_up();
    $session->quit;

    at(1, 'CALL daily_training_capture()', user => 'tw_operator');
    is(at(1, "SELECT status, error_message FROM job_runs WHERE job_name = 'daily_training_capture'
              ORDER BY id DESC LIMIT 1"),
        'succeeded|', 'the daily job of a node has nothing to do with former names');
}

done_testing();
