# 007_labelstudio_blind.pl - where two models disagree, people choose in a
# real Label Studio without seeing whose answer is whose.

use strict;
use warnings;
use utf8;

use FindBin;
use lib $FindBin::RealBin;

use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TW::Chats;
use TW::Database;
use TW::LabelStudio;
use TW::Util;

use constant {
    DATABASE => 'blind',
    REFUNDS  => 24,
    LIVE     => 'intent.shop.order.cancel',
    NEW      => 'intent.shop.order.refund'
};

my $admin = TW::LabelStudio->from_environment;
my $node  = start_node('main');
my $ascii = JSON::PP->new->ascii->canonical;
create_database($node, DATABASE);
in_database($node, DATABASE);

#-----------------------------------------------------------------------------------------------------------------------
# A live model that knows two intents, a candidate that knows a third, and messages that came after both.

my $objects = q{ARRAY['my order', 'the parcel', 'this pizza', 'it', 'order nine', 'that one', 'yesterday',
        'the food', 'my bag', 'a cab']};
sql(<<"SQL");
    CREATE SERVER ls FOREIGN DATA WRAPPER training_workflow_labelstudio OPTIONS (url '$ENV{LABEL_STUDIO_URL}');
    CREATE USER MAPPING FOR PUBLIC SERVER ls OPTIONS (token '$ENV{LABEL_STUDIO_PAT}');
    INSERT INTO review_policies (audit_rate_approved, audit_rate_review) VALUES (0, 0);
    SELECT set_training_setting('paired_max_labels', '@{[ REFUNDS ]}');
    SELECT import_training_samples((SELECT string_agg(jsonb_build_object('text', v || ' ' || o || ' please', 'intent',
                                                                         'intent.shop.order.' || v)::text, E'\\n')
        FROM unnest(ARRAY['cancel', 'track']) v, unnest($objects) o));
    SELECT train_model();
    SELECT promote_model('router-v1.0.0', 'something has to answer');
    SELECT import_training_samples((SELECT string_agg(jsonb_build_object('text', 'refund ' || o || ' please', 'intent',
                                                                         '@{[ NEW ]}')::text, E'\\n')
        FROM unnest($objects) o));
    SELECT train_model();
    INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider,
                                   nlu_model_version, response_text)
    SELECT 's' || g, 'refund new ' || g, '@{[ LIVE ]}', 0.5, 'indicbert', 'router-v1.0.0', 'It is cancelled'
    FROM generate_series(1, @{[ REFUNDS ]}) g;
    INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider,
                                   nlu_model_version)
    VALUES ('other', 'track new one', 'intent.shop.order.track', 0.5, 'indicbert', 'router-v1.0.0');
    CALL run_training_jobs();
SQL
is(sql(q{SELECT count(*) FROM training_queue WHERE review_reason = 'model disagreement'}), REFUNDS,
    'so many disagreements wait');

#-----------------------------------------------------------------------------------------------------------------------
# What Label Studio is given.

sql(q{SELECT labelstudio_create_project('Blind', max_open_tasks => 1000)});
my $project = sql('SELECT project_id FROM labelstudio_projects');
call($node, DATABASE, 'labelstudio_sync', 'the first run');
my %task = map { $_->{meta}{external_id} => $_ } $admin->tasks($project);
is(scalar(keys %task), REFUNDS + 1, 'as many tasks as conversations');

my %conversation = map { $_->{external_id} => $_ } rows($node, DATABASE,
    q{SELECT t.external_id, t.conversation_log_id AS id, c.review_reason, b.suggestions
      FROM labelstudio_tasks t JOIN conversation_logs c ON c.id = t.conversation_log_id LEFT
          JOIN blind_reviews b USING (conversation_log_id)});
my (%first, @blind, $plain);
for my $id (sort { $task{$a}{id} <=> $task{$b}{id} } keys %task) {
    my $row = $conversation{$id};
    if ($row->{review_reason} ne 'model disagreement') {
        $plain = $task{$id};
        next;
    }
    push @blind, { task => $task{$id}, id => $row->{id}, suggestions => $row->{suggestions} };
    ++$first{ $task{$id}{data}{verdicts}[0]{value} };
}
is(scalar(@blind), REFUNDS, 'each disagreement has its task');
is_deeply([ map { $_->{value} } @{ $plain->{data}{verdicts} } ], [qw(approve fix reject)], 'the other task is as ever');
ok(!grep({ $_->{task}{id} > $plain->{id} } @blind), 'disagreements come first');
# Each order has a probability of one half: all 24 alike, once in 8 million runs.
is_deeply([ sort keys %first ], [ LIVE, NEW ], 'either answer stands first, as the draw has it');
for my $b (@blind) {
    my $data = $b->{task}{data};
    is_deeply([ map { $_->{value} } @{ $data->{verdicts} } ],
        [ @{ $b->{suggestions} }, 'another intent', 'no such intent', 'unclear' ],
            "task of $b->{id}: both answers in their order, and no approval")
        or diag $ascii->encode($data);
}
my @told = grep {
    my %other = (%{ $_->{task}{data} }, verdicts => [], intent_options => []);
    $ascii->encode([ \%other, $_->{task}{meta}, map({ $_->{result} } @{ $_->{task}{predictions} }) ]) =~
        /order\.(?:cancel|refund)|It is cancelled|indicbert|0\.5\b/;
} @blind;
is(scalar(@told), 0, 'nothing else of the task tells the answer, the reply, the provider or the confidence')
    or diag $ascii->encode($told[0]{task});
is(scalar(grep { @{ $_->{task}{predictions} } && $_->{task}{predictions}[0]{score} } @blind), 0, 'nor does a score');

#-----------------------------------------------------------------------------------------------------------------------
# People choose.

sub result_of {
    my ($verdict, $intent) = @_;
    return TW::LabelStudio::result(verdict => $verdict, defined $intent ? (intent => $intent) : ());
}
my @said = (
    (map { [NEW] } 1 .. 18),
    [LIVE], [ 'another intent', 'intent.shop.order.track' ], ['no such intent'], ['unclear'], ['approve'],
        ['no verdict that is offered']
);
for my $n (0 .. $#said) {
    $admin->annotate($blind[$n]{task}{id}, result => result_of(@{ $said[$n] }));
}
call($node, DATABASE, 'labelstudio_pull', 'the answers');
is(sql('SELECT status, error_code, count(*) FROM labelstudio_tasks GROUP BY 1, 2 ORDER BY 1'),
    "done||22\nopen||1\nunusable|22023|1\nunusable|55000|1",
    'what was offered is taken, what was not is refused');
my %verdict = map { $_->{id} => $_ } rows($node, DATABASE,
    q{SELECT conversation_log_id AS id, action, intent, reject_reason FROM review_events
        WHERE action <> 'disagreement'});
is_deeply(
    [   map {
            join ' ', map { $_ // '-' } @{ $verdict{ $_->{id} } }{qw(action intent reject_reason)}
        } @blind[ 17 .. 21 ] ],
    [
        'fix ' . NEW . ' -', 'fix ' . LIVE . ' -', 'fix intent.shop.order.track -', 'reject - no-such-intent',
            'reject - unclear'
    ],
    'each answer is the verdict that it means'
);
sql('CALL run_training_jobs()');
is(sql('SELECT status FROM paired_evaluations'), 'better', 'the candidate is better by them');
is(sql(q{SELECT gate_decision || ': ' || split_part(gate_reason, ' on ', 1) FROM model_versions
    WHERE version = 'router-v1.1.0'}),
    'passed: paired review: better than router-v1.0.0', 'and passes the gate');
is(sql('SELECT count(*) FROM check_integrity()'), 0, 'check_integrity() is empty');

$node->stop;
done_testing();
