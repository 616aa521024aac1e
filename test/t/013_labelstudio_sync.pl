# 013_labelstudio_sync.pl - what is handed to Label Studio, in which order,
# and what comes of the answers; with a stand-in that works.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use JSON::PP ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TW::LabelStudioTest;
use TW::Util;

my $node = start_node('main', streaming => 1);

sub imports {
    my ($ls) = @_;
    return scalar @{ $ls->stub->requests(method => 'POST', path => qr{/import$}) };
}

#-----------------------------------------------------------------------------------------------------------------------
# Order, limits, batches, routing, and who else has a conversation.

my $queue   = TW::LabelStudioTest->new($node, 'queue');
my $general = $queue->sql("SELECT labelstudio_create_project('All the rest', max_open_tasks => 6)");
is($queue->sql("SELECT labelstudio_create_project('All the rest', max_open_tasks => 6)"), $general,
    'asked again, it is the same project');
is(scalar @{ $queue->stub->projects }, 1, 'which is there once');
my %id = map { $_->[0] => $queue->converse("message $_->[0]", %{ $_->[1] }) } (
    [ a1 => { nlu_module_type => 'audited', nlu_confidence => 0.6 } ],
    [ m1 => { nlu_confidence  => 0.80 } ],
    [ l1 => { nlu_confidence  => 0.50 } ],
    [ a2 => { nlu_module_type => 'audited', nlu_confidence => 0.99 } ],
    [ l2 => { nlu_confidence  => 0.30 } ],
    [ a3 => { nlu_module_type => 'audited', nlu_confidence => 0.1 } ],
    [ m2 => { nlu_confidence  => 0.75 } ],
    [ a4 => { nlu_module_type => 'audited', nlu_confidence => 0.2 } ],
    [ l3 => { nlu_confidence  => 0.50 } ],
);
my %name_of = reverse %id;
sub names { return join ' ', map { $name_of{$_} // $_ } @_ }

$queue->good('push', 'a push');
is(names($queue->conversations), 'a1 a2 a3 l2 l1 l3',
    'audited ones as they came for half of the batch, then by priority and confidence');
$queue->good('push', 'a push into a full project');
is(names($queue->conversations), 'a1 a2 a3 l2 l1 l3', 'brings nothing');
$queue->sql('UPDATE labelstudio_projects SET max_open_tasks = 1000');
$queue->good('push', 'a push with room');
is(names($queue->conversations), 'a1 a2 a3 l2 l1 l3 a4 m2 m1', 'brings the rest in that order');
is($queue->sql('SELECT count(*) FROM claim_reviews(10)'), 0, 'nothing is left to claim in SQL');
$queue->converged('order');
is(imports($queue), 2, 'two imports did it');

# 230 more make three imports.
$queue->sql("INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider)
             SELECT 's', 'bulk ' || g, 'intent.food.item.search', 0.5, 'indicbert' FROM generate_series(1, 230) g");
$queue->good('push', 'a push of 230');
is(imports($queue), 5, '100 at most in one import');
$queue->converged('batches');
$queue->sql(
    "SELECT reject_conversations(array_agg(id), 'unclear') FROM conversation_logs WHERE review_priority IS NOT NULL");
$queue->good('push', 'a push after all was judged here');
$queue->converged('judged here');
is(scalar $queue->tasks, 0, 'takes 239 tasks back');

# A project for one module.
my $food = $queue->sql("SELECT labelstudio_create_project('Food', 'food')");
my %module = map { $_ => $queue->converse("for $_", nlu_module_type => $_) } 'food', 'parcel';
$module{'by intent'} = $queue->converse('by its intent', nlu_module_type => undef);
$module{none}        = $queue->converse('nothing known', nlu_intent      => undef);
$queue->good('sync', 'a sync of two projects');
my %number = map { split /\|/ } split /\n/, $queue->sql('SELECT id, project_id FROM labelstudio_projects');
is_deeply(
    { map { $_ => $queue->task($module{$_})->{project} } keys %module },
    { food => $number{$food}, 'by intent' => $number{$food}, parcel => $number{$general}, none => $number{$general} },
    'each goes to its module\'s project, or to the one for all the rest'
);
sqlstate_is($node, 'queue', "SELECT labelstudio_create_project('More food', 'food')", '42710',
    'one project for a module');
sqlstate_is($node, 'queue', "SELECT labelstudio_create_project('xy')", '22023', 'too short a title');

# Claims in SQL.
my $held = $queue->converse('held in SQL');
is($queue->sql('SELECT conversation_log_id FROM claim_reviews(10)'), $held,
    'claim_reviews() leaves out what waits over there');
my $free = $queue->converse('free');
$queue->good('push', 'a push beside a claim');
is_deeply([ scalar $queue->tasks($held), scalar $queue->tasks($free) ], [ 0, 1 ], 'what is claimed in SQL is left out');
$queue->sql('SELECT release_reviews()');
$queue->good('push', 'a push after it was released');
is(scalar $queue->tasks($held), 1, 'brings it');

# Both at once: whoever comes second leaves out what the first has not committed yet.
my @both   = map { $queue->converse("both $_", nlu_confidence => 0.1 * $_) } 1 .. 4;
my $person = $node->background_psql('queue');
is( $person->query(
        'BEGIN; SELECT string_agg(conversation_log_id::text, \' \' ORDER BY confidence) FROM claim_reviews(2)'),
    "@both[0, 1]",
    'a person is claiming two');
$queue->good('push', 'a push meanwhile');
is(names(grep { my $one = $_; grep { $one == $_ } @both } $queue->conversations), "@both[2, 3]", 'takes the other two');
$person->query_safe('COMMIT');
$queue->good('push', 'a push after that');
is(names(grep { my $one = $_; grep { $one == $_ } @both } $queue->conversations), "@both[2, 3]", 'nothing more');
$queue->sql('SELECT release_reviews()');
$person->query_safe("BEGIN; SELECT tw_labelstudio_claim_batch(p, NULL) FROM labelstudio_projects p WHERE p.id = $food");
is($queue->sql('SELECT count(*) FROM claim_reviews(10)'), 0,
    'a push is claiming them: claim_reviews() leaves them out');
$person->query_safe('ROLLBACK');
is($queue->sql('SELECT string_agg(conversation_log_id::text, \' \') FROM claim_reviews(10)'), "@both[0, 1]",
    'until it is rolled back');
$person->quit;

# Retiring a project, and taking it up again.
$queue->sql('SELECT release_reviews()');
$queue->good('sync', 'a sync before the project is retired');
my $released = $queue->sql("SELECT labelstudio_retire_project($food)");
is($released, scalar(grep { $_->{project} == $number{$food} } $queue->tasks),
    'retiring a project gives back what waits there');
sqlstate_is($node, 'queue', "SELECT labelstudio_retire_project($food)", 'P0002', 'once');
$queue->stub->clear_requests;
$queue->good('pull', 'a pull without that project');
is(scalar(grep { ($_->{query}{project} // '') eq $number{$food} } @{ $queue->stub->requests }), 0,
    'does not ask for it');
is($queue->sql("SELECT labelstudio_create_project('Food', 'food')"), $food, 'made again, it is the same one');
$queue->good('sync', 'a sync after that');
$queue->converged('taken up again');
$queue->disconnect;

#-----------------------------------------------------------------------------------------------------------------------
# Personal data.

my $private = TW::LabelStudioTest->new($node, 'private');
$private->sql("SELECT labelstudio_create_project('Private')");
my $text = "call 98220 54321 for pizza \x{1F355}";
my $secret = $private->converse($text,
    nlu_entities => '[{"start": 5, "end": 16, "label": "phone", "value": "98220 54321"},
            {"start": 21, "end": 26, "label": "dish"}]',
    response_text => 'We call 98220 54321', user_correction => 'no, 98220 54321');
$private->good('sync', 'a sync of personal data');
my $sent = $private->task($secret);
is($sent->{data}{text}, "call 00000 00000 for pizza \x{1F355}", 'the number is masked, everything else stays');
is_deeply(
    [ map { [ substr($sent->{data}{text}, $_->{value}{start}, $_->{value}{end} - $_->{value}{start}),
        @{ $_->{value}{labels} } ] }
            grep { $_->{from_name} eq 'entities' } @{ $sent->{predictions}[0]{result} } ],
    [ [ '00000 00000', 'phone' ], [ 'pizza', 'dish' ] ],
    'the spans are where they were'
);
my $everything =
    JSON::PP->new->canonical->allow_nonref->encode([ map { $private->stub->$_ } qw(tasks projects views requests) ]);
# When a request came, in seconds, may have any digits.
$everything =~ s/"at":[^,}]+//g;
unlike($everything, qr/98220|54321|12345|SESSION-of|USER-of/,
    'no number, session or user is over there, or in any address');
like($everything, qr/no, 00000 00000/, 'the correction is, masked');

#-----------------------------------------------------------------------------------------------------------------------
# Verdicts.

my $verdict = TW::LabelStudioTest->new($node, 'verdict');
my $stub    = $verdict->stub;
my $anna    = $stub->add_user(email => 'anna@example.test', first_name => 'Anna', last_name => 'A.');
my $ben     = $stub->add_user(email => 'ben@example.test');
$verdict->sql("SELECT labelstudio_create_project('Verdicts')");

# What a person says of conversations, each with its text, columns, answer, and what becomes of state and verdict.
my $predicted = 'intent.food.item.search';
# A pizza of one character outside of the BMP; e and its accent apart; Devanagari with vowel signs.
my $mixed = "\x{1F355} e\x{301}clair \x{91A}\x{93E}\x{939}\x{93F}\x{90F} ok";
my @cases = (
    [ 'approve', {}, { verdict => 'approve', note => 'right' }, "approved | approved $predicted by anna\@example.test",
        "approve | $predicted | right | anna\@example.test" ],
    [ 'fix with an intent', {}, { verdict => 'fix', intent => 'intent.parcel.track' },
        'approved | approved intent.parcel.track by anna@example.test',
            'fix | intent.parcel.track | anna@example.test' ],
    [ 'fix with a new intent', {}, { verdict => 'fix', intent => 'intent.parcel.track',
        new_intent => ' intent.ride.book ' },
        'approved | approved intent.ride.book by anna@example.test', 'fix | intent.ride.book | anna@example.test' ],
    [ 'reject', {}, { verdict => 'reject' }, 'rejected', 'reject | unclear | anna@example.test' ],
    [ 'reject with a reason', {}, { verdict => 'reject', reason => 'no-such-intent', note => "\x{91A}\x{93E}\x{939}" },
        'rejected', "reject | no-such-intent | \x{91A}\x{93E}\x{939} | anna\@example.test" ],
    [ 'fix where nothing was predicted', { nlu_intent => undef }, { verdict => 'fix', new_intent => 'intent.a.b' },
        'approved | approved intent.a.b by anna@example.test', 'fix | intent.a.b | anna@example.test' ],
    [ 'approve with other spans', { nlu_entities => '[]' }, { verdict => 'approve', spans => [ [ 2, 9, 'dish' ], [ 0,
        1, 'sign' ], [ 10, 15, 'verb' ] ] },
        "approved | approved $predicted by anna\@example.test", "fix | $predicted | anna\@example.test" ],
    [ 'fix with the spans alone',
        { nlu_entities => '[{"start": 0, "end": 1, "label": "sign", "score": 0.7},
                {"start": 2, "end": 4, "label": "dish"}]' },
        { verdict => 'fix', spans => [ [ 0, 1, 'sign' ], [ 2, 9, 'dish' ] ] },
        "approved | approved $predicted by anna\@example.test", "fix | $predicted | anna\@example.test" ],
    [ 'fix that takes all spans away', { nlu_entities => '[{"start": 2, "end": 9, "label": "dish"}]' },
        { verdict => 'fix', intent => $predicted, spans => [], parent_prediction => 1 },
        "approved | approved $predicted by anna\@example.test", "fix | $predicted | anna\@example.test" ],
    [ 'approve without any span shown', { nlu_entities => '[{"start": 2, "end": 9, "label": "dish"}]' },
        { verdict => 'approve', spans => [] },
        "approved | approved $predicted by anna\@example.test", "approve | $predicted | anna\@example.test" ],
);
$_->[5] = $verdict->converse("$mixed", %{ $_->[1] }) for @cases;
$verdict->good('sync', 'a sync with verdicts to come');
$verdict->annotate($_->[5], %{ $_->[2] }, who => $anna) for @cases;
$verdict->good('sync', 'a sync with verdicts');
for (@cases) {
    my ($name, undef, undef, $state, $event, $id) = @$_;
    is($verdict->state_of($id),   $state, "$name: its state");
    is($verdict->verdict_on($id), $event, "$name: the verdict");
    is($verdict->outbox($id), 'done', "$name: the task is done");
}

sub entities {
    my ($name) = @_;
    my ($case) = grep { $_->[0] eq $name } @cases;
    return JSON::PP->new->decode(
        $verdict->sql("SELECT to_json(entities) FROM training_samples WHERE conversation_log_id = $case->[5]"));
}
is_deeply(
    entities('approve with other spans'),
    [
        { start => 0,  end => 1,  label => 'sign', value => "\x{1F355}" },
        { start => 2,  end => 9,  label => 'dish', value => "e\x{301}clair" },
        { start => 10, end => 15, label => 'verb', value => "\x{91A}\x{93E}\x{939}\x{93F}\x{90F}" }
    ],
    'spans of emoji, combining marks and Devanagari are at the right code points'
);
is_deeply(
    entities('fix with the spans alone'),
    [ { start => 0, end => 1, label => 'sign', score => 0.7 },
        { start => 2, end => 9, label => 'dish', value => "e\x{301}clair" } ],
    'a span that stayed is what the model had made of it'
);
is_deeply(entities('fix that takes all spans away'), [], 'none is left');
is(scalar @{ entities('approve without any span shown') }, 1, 'an approval leaves the model\'s spans alone');
integrity_is_empty($node, 'verdict', 'verdicts');

# What became of the one before, an annotation that changes.
my $changing = $verdict->converse('changing', nlu_module_type => 'audited');
$verdict->good('sync', 'a sync of one to change');
my $waiting = $verdict->state_of($changing);
is($waiting, 'needs-review, priority 1', 'it waits');
my $labels = 'SELECT labels FROM live_accuracy()';
my $before = $verdict->sql($labels);
my $first = $verdict->annotate($changing, verdict => 'approve', who => $anna);
$verdict->good('sync', 'a sync of an approval');
is($verdict->verdict_on($changing), "approve | $predicted | anna\@example.test", 'an annotation');
is($verdict->sql($labels), $before + 1, 'counts in live_accuracy()');
$stub->edit_annotation($first->{id}, result => result(verdict => 'fix', intent => 'intent.x.y'), updated_by => $ben);
$verdict->good('sync', 'a sync of a change');
is($verdict->verdict_on($changing), 'fix | intent.x.y | ben@example.test',
    'changed by somebody else: the verdict is theirs');
my $events = $verdict->sql("SELECT count(*) FROM review_events WHERE conversation_log_id = $changing");
$verdict->good('sync', 'a sync of nothing');
is($verdict->sql("SELECT count(*) FROM review_events WHERE conversation_log_id = $changing"), $events,
    'seen twice, it is taken once');
$stub->edit_annotation($first->{id}, result => result(verdict => 'approve'), updated_by => $anna);
$verdict->good('sync', 'a sync of a change back');
is($verdict->verdict_on($changing), "approve | $predicted | anna\@example.test", 'changed back');

# Two annotations: ground truth first, else the newest.
my $second = $verdict->annotate($changing, verdict => 'reject', who => $ben);
$verdict->good('sync', 'a sync of a second annotation');
is($verdict->verdict_on($changing), 'reject | unclear | ben@example.test', 'the newer of two annotations counts');
$stub->edit_annotation($first->{id}, ground_truth => JSON::PP::true, updated_by => $anna);
$verdict->good('sync', 'a sync of a ground truth');
is($verdict->verdict_on($changing), "approve | $predicted | anna\@example.test",
    'unless the other is the ground truth');
$stub->edit_annotation($second->{id}, result => result(verdict => 'fix', intent => 'intent.never'), updated_by => $ben);
$verdict->good('sync', 'a sync of a change beside the ground truth');
is($verdict->verdict_on($changing), "approve | $predicted | anna\@example.test",
    'also when the other is changed later');
$stub->delete_annotation($first->{id});
$verdict->good('sync', 'a sync without the ground truth');
is($verdict->verdict_on($changing), 'fix | intent.never | ben@example.test',
    'when it is deleted, the other one counts');

# Deleted: withdrawn.
$stub->delete_annotation($second->{id});
$verdict->good('sync', 'a sync without any annotation');
is($verdict->state_of($changing) =~ s/ \| .*//r, $waiting, 'without annotations it waits again');
like($verdict->verdict_on($changing), qr/^withdraw /, 'the verdict is withdrawn');
is($verdict->sql("SELECT coalesce((SELECT review_status FROM training_samples WHERE conversation_log_id = $changing),
    'none')"),
    'pending', 'and nothing is learned from its sample');
is($verdict->sql($labels), $before, 'it does not count any more in live_accuracy()');
is( $verdict->sql(
        "SELECT count(*) FROM training_queue WHERE stage = 'waiting for review' AND conversation_log_id = $changing"),
    1,
    'it is in the queue');
integrity_is_empty($node, 'verdict', 'withdrawn');
is($verdict->outbox($changing), 'open', 'its task waits');
$verdict->annotate($changing, verdict => 'approve', who => $ben);
$verdict->good('sync', 'a sync of another annotation');
is($verdict->verdict_on($changing), "approve | $predicted | ben\@example.test", 'which counts');

# A confident answer that was audited: the model's label comes back when the verdict goes.
my $confident = $verdict->converse('confident', nlu_module_type => 'audited', nlu_confidence => 0.95);
my $its_model = $verdict->state_of($confident);
$verdict->good('sync', 'a sync of a confident answer');
my $wrong = $verdict->annotate($confident, verdict => 'fix', intent => 'intent.other');
$verdict->good('sync', 'a sync of its correction');
is($verdict->state_of($confident), 'approved | approved intent.other by admin@example.test', 'a person corrects it');
$stub->delete_annotation($wrong->{id});
$verdict->good('sync', 'a sync without the correction');
is($verdict->state_of($confident), $its_model, 'without the correction, it is as it was');
integrity_is_empty($node, 'verdict', 'audited');

# A skip hands the conversation back to SQL; whoever annotates the task later still counts.
my $skipped = $verdict->converse('skipped', nlu_confidence => 0.01);
$verdict->good('sync', 'a sync of one to skip');
my $skip = $verdict->annotate($skipped, was_cancelled => JSON::PP::true, who => $anna);
$verdict->good('sync', 'a sync of a skip');
is($verdict->outbox($skipped), 'skipped', 'a skipped task');
is($verdict->sql('SELECT conversation_log_id FROM claim_reviews(1)'), $skipped, 'can be claimed in SQL');
$verdict->sql('SELECT release_reviews()');
$stub->edit_annotation($skip->{id}, was_cancelled => JSON::PP::false, result => result(verdict => 'reject'));
$verdict->good('sync', 'a sync of an annotation instead');
is($verdict->state_of($skipped), 'rejected', 'and annotated');

# A task that is deleted over there is pushed again, whatever number the new one gets.
my $deleted = $verdict->converse('deleted');
$verdict->good('sync', 'a sync of one to delete');
my $gone = $verdict->task($deleted);
$stub->delete_task($gone->{id});
$verdict->good('sync', 'a sync of a deleted task');
is( $verdict->sql(
        "SELECT string_agg(status, ' ' ORDER BY id) FROM labelstudio_tasks WHERE conversation_log_id = $deleted"),
    'deleted open',
    'deleted, and pushed again');
is($verdict->task($deleted)->{id}, $gone->{id}, 'under the number that it had');
isnt($verdict->task($deleted)->{meta}{external_id}, $gone->{meta}{external_id}, 'but as another task');

# Judged in SQL, and deleted in SQL: nobody need look any more.
my ($judged, $erased) = map { $verdict->converse($_) } qw(judged erased);
$verdict->good('sync', 'a sync of two to take back');
$verdict->sql("SELECT approve_conversation($judged); DELETE FROM conversation_logs WHERE id = $erased");
$verdict->good('sync', 'a sync that takes back');
is(join(' ', map { scalar $verdict->tasks($_) } $judged, $erased), '0 0',
    'what was judged or deleted here is closed over there');
is($verdict->outbox($judged) . ' ' . $verdict->outbox($erased), 'closed closed', 'and in the outbox');
$verdict->converged('taken back');

# Feedback that nobody has seen yet.
my $unseen = $verdict->converse('unseen');
$verdict->good('sync', 'a sync before feedback');
$verdict->sql("SELECT record_feedback($unseen, 'SESSION-of-the-user', 'negative')");
$verdict->annotate($unseen, verdict => 'approve');
$verdict->good('pull', 'a pull after feedback');
like($verdict->state_of($unseen), qr/^approved, priority 1 /, 'feedback after the push keeps it in the queue');
$verdict->good('sync', 'a sync after that');
is(scalar(grep { !@{ $_->{annotations} } } $verdict->tasks($unseen)), 1, 'it is pushed once more');
my ($again) = grep { !@{ $_->{annotations} } } $verdict->tasks($unseen);
$stub->annotate($again->{id}, result => result(verdict => 'fix', intent => 'intent.seen'));
$verdict->good('sync', 'a sync of the second verdict');
is($verdict->state_of($unseen), 'approved | approved intent.seen by admin@example.test',
    'and the second verdict is the last');
$verdict->sql("SELECT record_feedback($unseen, 'SESSION-of-the-user', 'negative', 'still wrong')");
$verdict->good('sync', 'a sync after a correction of one that was done');
is(scalar(grep { !@{ $_->{annotations} } } $verdict->tasks($unseen)), 1,
    'feedback on one that is done brings it there again');
like($verdict->state_of($unseen), qr/^approved, priority 1 /, 'and its old annotations are not taken for new verdicts');
$verdict->converged('feedback');

# Annotations that are no verdicts.
my @unusable = (
    [ 'no verdict', {}, { intent => 'intent.a.b' }, { verdict => 'reject' } ],
    [ 'fix without an intent', { nlu_intent => undef }, { verdict => 'fix' },
        { verdict => 'fix', new_intent => 'intent.a.b' } ],
    [ 'approve without a predicted intent', { nlu_intent => undef }, { verdict => 'approve' },
        { verdict => 'reject', reason => 'no-such-intent' } ],
);
$_->[4] = $verdict->converse($_->[0], %{ $_->[1] }) for @unusable;
$verdict->good('sync', 'a sync of some to annotate badly');
$_->[5] = $verdict->annotate($_->[4], %{ $_->[2] }) for @unusable;
$verdict->good('sync', 'a sync of bad annotations');
my %message = ('no verdict' => qr/no verdict/, 'fix without an intent' => qr/needs the right intent/,
    'approve without a predicted intent' => qr/has no predicted intent/);
for (@unusable) {
    my ($name, $id) = @$_[ 0, 4 ];
    like($verdict->sql("SELECT status, error_code, error_message FROM labelstudio_tasks
        WHERE conversation_log_id = $id ORDER BY id LIMIT 1"),
        qr/^unusable\|[0-9A-Z]{5}\|.*$message{$name}/, "$name: unusable, and says why");
    is($verdict->outbox($id), 'open', "$name: pushed anew");
    like($verdict->state_of($id), qr/^needs-review, priority 1$/, "$name: still waits");
}
is($verdict->check->{unusable_tasks}, 3, 'labelstudio_check() counts them');
like($verdict->check->{advice}, qr/no valid verdict/, 'and says where to look');
$stub->edit_annotation($_->[5]{id}, result => result(%{ $_->[3] })) for @unusable;
$verdict->good('sync', 'a sync of corrected annotations');
is_deeply(
    [   map {
            $verdict->sql(
                "SELECT string_agg(status, ' ' ORDER BY id) FROM labelstudio_tasks WHERE conversation_log_id = $_->[4]")
        } @unusable ],
    [ ('done closed') x 3 ],
    'corrected, they count, and the new tasks are taken back'
);
my $check = $verdict->check;
is_deeply([ @$check{qw(state unusable_tasks last_error advice account version token_kind)} ],
    [ 'ok', 0, undef, undef, 'admin@example.test', '1.23.2', 'legacy token' ], 'labelstudio_check() is content');
integrity_is_empty($node, 'verdict', 'unusable');

# One that is not corrected, but judged in SQL: nobody has to look any more. Queued again, it goes there again.
my $useless = $verdict->converse('useless');
$verdict->good('sync', 'a sync of one to annotate badly');
$verdict->annotate($useless, verdict => undef, note => 'hm');
$verdict->good('sync', 'a sync of a bad annotation');
is($verdict->check->{unusable_tasks}, 1, 'an annotation without a verdict');
$verdict->sql("SELECT approve_conversation($useless)");
$verdict->good('sync', 'a sync after it was judged here');
is($verdict->check->{unusable_tasks}, 0, 'is not counted when its conversation is judged here');
$verdict->sql("SELECT record_feedback($useless, 'SESSION-of-the-user', 'negative')");
$verdict->good('sync', 'a sync after feedback');
is(scalar(grep { !@{ $_->{annotations} } } $verdict->tasks($useless)), 1, 'with new feedback it is pushed again');

#-----------------------------------------------------------------------------------------------------------------------
# Two clocks: the newer verdict stands.

for my $skew (600, -600) {
    my $clock = TW::LabelStudioTest->new($node, 'clock' . abs($skew) . ($skew > 0 ? 'ahead' : 'behind'));
    my $name  = sprintf 'clock %+d', $skew;
    $clock->stub->advance_clock($skew);
    $clock->sql("SELECT labelstudio_create_project('Clock')");
    my ($older, $newer) = map { $clock->converse($_) } qw(older newer);
    $clock->good('sync', "$name: a sync");

    # A minute before, and some seconds after the verdict here.
    my $at = sub {
        return $clock->sql(sprintf q{SELECT to_char((clock_timestamp() + interval '%d s') AT TIME ZONE 'UTC',
            'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')}, $skew + $_[0]);
    };
    $clock->annotate($older, verdict => 'reject', updated_at => $at->(-60));
    $clock->sql("SELECT approve_conversations('{$older, $newer}')");
    $clock->annotate($newer, verdict => 'reject', updated_at => $at->(5));
    $clock->good('sync', "$name: a sync of verdicts on both sides");
    like($clock->verdict_on($older), qr/^approve /, "$name: a verdict in SQL that is newer stands");
    is($clock->outbox($older), 'superseded', "$name: and the outbox says so");
    like($clock->verdict_on($newer), qr/^reject /, "$name: one that is older gives way");
    $clock->good('sync', "$name: one more sync");
    like($clock->verdict_on($older), qr/^approve /, "$name: that is the end of it");
    $clock->converged($name);
    integrity_is_empty($node, $clock->{database}, $name);
    $clock->disconnect;
}

#-----------------------------------------------------------------------------------------------------------------------
# Restored copies.

my $production = TW::LabelStudioTest->new($node, 'production');
$production->sql("SELECT labelstudio_create_project('Production')");
my @early = map { $production->converse("early $_") } 1 .. 4;
$production->sql('UPDATE labelstudio_projects SET max_open_tasks = 1');
$production->good('sync', 'a sync before the dump');
my $dump = PostgreSQL::Test::Utils::tempdir . '/dump';
my ($dumped) = run_program('pg_dump', '-Fc', '-f', $dump, $node->connstr('production'));
ok($dumped, 'a dump');
my @late = map { $production->converse("late $_") } 1 .. 2;
$production->sql('UPDATE labelstudio_projects SET max_open_tasks = 200');
$production->good('sync', 'production goes on');
$production->annotate($early[1], verdict => 'reject');
$production->good('sync', 'and gets a verdict');
$production->annotate($early[2], verdict => 'approve');

$node->safe_psql('postgres', 'CREATE DATABASE copy');
my ($restored) = run_program('pg_restore', '-d', $node->connstr('copy'), $dump);
ok($restored, 'restored beside it');
my $copy = $production->beside('copy');
$copy->stub->clear_requests;
for my $what (qw(sync push pull)) {
    like($copy->call($what), qr/labelstudio_$what did nothing: this database is a restored copy/,
        "$what on the copy says that it does nothing");
}
sqlstate_is($node, 'copy', "SELECT labelstudio_create_project('Copy')", '55000', 'the copy creates no project');
is($copy->check->{state}, 'restored copy', 'labelstudio_check() says what it is');
is(scalar @{ $copy->stub->requests }, 0, 'and nothing is asked of Label Studio');
is($copy->sql("SELECT count(*) FROM job_runs WHERE started_at > (SELECT max(started_at) FROM job_runs
    WHERE job_name = 'labelstudio_sync')"), 0, 'no run is recorded');

# It takes over. What came after the dump is not known to it; its own conversations are.
my %tasks = map { $_->{id} => $_->{meta}{conversation} } $copy->tasks;
is($copy->sql('SELECT adopt_installation()'), 't', 'it takes over');
$copy->good('sync', 'the first sync after that');
is_deeply({ map { $_->{id} => $_->{meta}{conversation} } $copy->tasks }, \%tasks,
    'doubles nothing and takes nothing back');
is($copy->verdict_on($early[1]), 'reject | unclear | admin@example.test', 'a verdict that production had got arrives');
is($copy->verdict_on($early[2]), "approve | $predicted | admin\@example.test", 'and one that it had not');
is_deeply([ map { $copy->outbox($_) } @early ], [qw(open done done open)],
    'the tasks of its conversations are in its outbox');
$copy->annotate($early[3], verdict => 'reject');
$copy->good('sync', 'the second');
is($copy->verdict_on($early[3]), 'reject | unclear | admin@example.test', 'and later verdicts arrive');
is_deeply({ map { $_->{id} => $_->{meta}{conversation} } $copy->tasks }, \%tasks, 'with nothing doubled');
integrity_is_empty($node, 'copy', 'copy');
$_->disconnect for $private, $verdict, $production, $copy;

#-----------------------------------------------------------------------------------------------------------------------
# Tokens, two at once, a standby.

my $personal = TW::LabelStudioTest->new($node, 'personal', pat => 1);
$personal->sql("SELECT labelstudio_create_project('Personal')");
my $by_pat = $personal->converse('by a personal access token');
$personal->good('sync', 'a sync with a personal access token');
$personal->annotate($by_pat, verdict => 'approve');
my $session = $node->background_psql('personal');
$session->query_safe('CALL labelstudio_sync()');
like($personal->state_of($by_pat), qr/^approved /, 'brings verdicts');
is($personal->check->{token_kind}, 'personal access token', 'labelstudio_check() names its kind');
$personal->stub->clear_requests;
$session->query_safe('CALL labelstudio_sync()');
my $exchanges = sub { return scalar @{ $personal->stub->requests(path => qr/refresh/) } };
is($exchanges->(), 0, 'the session keeps its access token');
$personal->converse('after the access token');
$personal->stub->advance_clock(400);
$session->query_safe('CALL labelstudio_sync()');
is($exchanges->(), 1, 'until it has expired');
is(scalar(grep { ($_->{status} // 0) == 401 } @{ $personal->stub->requests }), 1, 'over there alone');
$personal->converged('expired');

# In the middle of a run: whatever it is doing, it goes on with a new one.
$personal->converse('in the middle');
$personal->stub->clear_requests;
$personal->stub->fault('unauthorized', method => 'POST', path => qr{/import$});
$session->query_safe('CALL labelstudio_sync()');
is($exchanges->(), 1, 'expired before the import');
is(imports($personal), 2, 'which is done again');
$personal->converged('expired before the import');
$session->quit;

$personal->stub->fault('delay', seconds => 2, path => qr{/import$});
my $by_operator = $personal->converse('slow');
my $slow = $personal->start('CALL labelstudio_sync()');
ok($personal->stub->wait_for_requests(fault => 'delay'), 'a sync is at it');
like($personal->call('sync'),
    qr/NOTICE:  00000: labelstudio_sync did nothing: another session is talking to Label Studio/,
    'the second does nothing');
ok($slow->{run}->finish, 'the first ends') or diag $slow->{err};
is($slow->{err}, '', 'without a complaint');
$personal->converged('two at once');

# An operator needs neither the tables nor the token.
$node->safe_psql('postgres', 'CREATE ROLE operator LOGIN');
$personal->sql("SELECT grant_training_role('operator', 'operator')");
$personal->annotate($by_operator, verdict => 'reject', who => $personal->stub->add_user(email => 'anna@example.test'));
is( $node->safe_psql(
        'personal', 'CALL labelstudio_sync(); SELECT state FROM labelstudio_check()',
        extra_params => [ '-U', 'operator' ]),
    'ok',
    'an operator syncs');
is($personal->verdict_on($by_operator), 'reject | unclear | anna@example.test', 'for the annotator');

my $standby = start_standby($node);
$personal->converse('for the standby');
$node->wait_for_catchup($standby, 'replay', $node->lsn('insert'));
$personal->stub->clear_requests;
is(join('', $standby->psql('personal', "CALL labelstudio_$_();")), '0', "$_ on a standby does nothing")
    for qw(sync push pull);
is(scalar @{ $personal->stub->requests }, 0, 'and asks nothing');
$standby->stop;

$node->stop;
done_testing();
