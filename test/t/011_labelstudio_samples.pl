# 011_labelstudio_samples.pl - samples without a conversation in Label Studio: what is sent, what comes of the answers,
# and who else has them; with a stand-in that works.

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
my $ls   = TW::LabelStudioTest->new($node, 'samples');
my $stub = $ls->stub;
my $anna = $stub->add_user(email => 'anna@example.test', first_name => 'Anna', last_name => 'A.');
$ls->sql("SELECT labelstudio_create_project('Samples')");

# A sample that waits, as an import leaves it; gives its number.
sub sample {
    my ($text, $intent, %column) = @_;
    my %row = (
        text => $text, intent => $intent, review_status => 'pending', label_source => 'human', quality_score => 1,
        review_priority => 2, review_reason => 'label conflict', %column
    );
    my @names = sort keys %row;
    return $ls->sql(sprintf 'INSERT INTO training_samples (%s) VALUES (%s) RETURNING id', join(', ', @names),
        join(', ', map { defined $row{$_} ? "'$row{$_}'" : 'NULL' } @names));
}

# The tasks of a sample over there.
sub tasks_of {
    my ($id) = @_;
    return grep { ($_->{meta}{sample} // '') =~ /^$id@/ } @{ $stub->tasks };
}

sub task_of {
    my ($id)  = @_;
    my @tasks = grep { !@{ $_->{annotations} } } tasks_of($id);
    die "sample $id has " . @tasks . ' tasks' if @tasks != 1;
    return $tasks[0];
}

sub annotate {
    my ($id, %answer) = @_;
    my %given = map { $_ => delete $answer{$_} } grep { exists $answer{$_} } qw(was_cancelled);
    my $task = task_of($id);
    my @spans = map { [ @{ $_->{value} }{qw(start end)}, $_->{value}{labels}[0] ] }
        grep { $_->{from_name} eq 'entities' } @{ $task->{predictions}[0]{result} };
    return $stub->annotate($task->{id}, completed_by => $anna, %given, result => result(spans => \@spans, %answer));
}

sub state_of {
    my ($id) = @_;
    return $ls->sql("SELECT concat_ws(' ', review_status, intent, 'by', coalesce(reviewed_by, label_source),
        'priority ' || review_priority) FROM training_samples WHERE id = $id");
}

sub outbox {
    my ($id) = @_;
    return $ls->sql("SELECT string_agg(status, ' ' ORDER BY id) FROM labelstudio_tasks WHERE sample_id = $id");
}

#-----------------------------------------------------------------------------------------------------------------------
# What is sent.

my $text = "call 98220 54321 \x{91A}\x{93E}\x{939} pizza";
my $live = sample($text, 'intent.food.order.track', review_status => 'approved', module_type => 'food',
    language => 'hinglish');
my $new = sample($text, 'intent.food.order.cancel',
    entities =>
        '[{"start": 5, "end": 16, "label": "phone", "value": "98220 54321"},
          {"start": 21, "end": 26, "label": "dish"}]');
my $conversation = $ls->converse('a conversation');
is($ls->check->{backlog}, 3, 'two samples and a conversation wait');
$ls->good('push', 'a push');
is_deeply([ scalar tasks_of($live), scalar tasks_of($new), scalar $ls->tasks($conversation) ], [ 1, 1, 1 ],
    'brings all three');
my $sent = task_of($new);
is($sent->{data}{text}, "call 00000 00000 \x{91A}\x{93E}\x{939} pizza", 'the text is masked');
is($sent->{data}{header}, 'intent.food.order.cancel (1.000): label conflict', 'the label and why it waits');
is($sent->{data}{context}, '', 'nobody replied to it');
is_deeply(
    [ map { [ $_->{from_name}, $_->{value}{choices} // [ @{ $_->{value} }{qw(start end)}, @{ $_->{value}{labels} } ] ] }
            @{ $sent->{predictions}[0]{result} } ],
    [
        [ 'intent',   ['intent.food.order.cancel'] ],
        [ 'entities', [ 5,  16, 'phone' ] ],
        [ 'entities', [ 21, 26, 'dish' ] ]
    ],
    'the label is the suggestion, and the spans are where they were'
);
ok(!exists $sent->{meta}{conversation}, 'it has no conversation');
is(task_of($live)->{data}{module} . ' ' . task_of($live)->{data}{language}, 'food hinglish', 'module and language');
is_deeply([ @{ $ls->check }{qw(backlog open_tasks)} ], [ 0, 3 ], 'labelstudio_check() counts the three');
unlike(JSON::PP->new->allow_nonref->encode($stub->tasks), qr/98220|54321/, 'no number is over there');
is($ls->sql('SELECT count(*) FROM claim_reviews(10)'), 0, 'nothing is left to claim in SQL');
$ls->good('push', 'a second push');
is(scalar @{ $stub->tasks }, 3, 'brings nothing');

#-----------------------------------------------------------------------------------------------------------------------
# Verdicts.

annotate($new, verdict => 'approve', note => 'she wants it cancelled');
$ls->good('sync', 'a sync of an approval');
is(state_of($new),  'approved intent.food.order.cancel by anna@example.test', 'approved in the annotator\'s name');
is(state_of($live), 'rejected intent.food.order.track by human', 'and the other side is rejected');
is(outbox($new) . ', ' . outbox($live), 'done, closed', 'one task is done, the other is taken back');
is(scalar tasks_of($live), 0, 'and deleted over there');
is($ls->sql("SELECT concat_ws(' | ', action, intent, note, reviewer, details -> 'labelstudio' ->> 'task')
    FROM review_events WHERE sample_id = $new"),
    "approve | intent.food.order.cancel | she wants it cancelled | anna\@example.test | $sent->{id}", 'with an event');
$ls->good('sync', 'a sync of nothing');
is($ls->sql("SELECT count(*) FROM review_events WHERE sample_id = $new"), 1, 'seen twice, it is taken once');

# The annotation goes: the verdict goes with it, and both sides wait again.
my ($done) = tasks_of($new);
$stub->delete_annotation($done->{annotations}[0]{id});
$ls->good('sync', 'a sync without the annotation');
is(state_of($new),  'pending intent.food.order.cancel by human priority 2', 'withdrawn, it waits again');
is(state_of($live), 'approved intent.food.order.track by human priority 2', 'and so does the other side');
is(outbox($new) . ', ' . outbox($live), 'open, closed open', 'both are over there');

# A fix with other spans, to an intent that nobody had named.
annotate($new, verdict => 'fix', new_intent => 'intent.food.order.change', spans => [ [ 17, 20, 'wish' ] ]);
$ls->good('sync', 'a sync of a fix');
is(state_of($new), 'approved intent.food.order.change by anna@example.test', 'fixed');
is($ls->sql("SELECT entities FROM training_samples WHERE id = $new"),
    qq([{"end": 20, "label": "wish", "start": 17, "value": "\x{91A}\x{93E}\x{939}"}]), 'with the spans');
is(outbox($live), 'closed closed', 'and the other side is settled again');

# A rejection, a skip, and what a reviewer in SQL does meanwhile.
my ($reject, $skip, $judged, $erased) = map { sample("text $_", 'intent.a.b') } qw(reject skip judged erased);
$ls->good('sync', 'a sync of four more');
annotate($reject, verdict => 'reject', reason => 'no-such-intent');
my $skipped = annotate($skip, was_cancelled => JSON::PP::true);
$ls->sql("SELECT approve_sample($judged); DELETE FROM training_samples WHERE id = $erased");
$ls->good('sync', 'a sync of a rejection and a skip');
is(state_of($reject), 'rejected intent.a.b by anna@example.test', 'rejected');
is(outbox($skip), 'skipped', 'skipped');
is($ls->sql('SELECT sample_id FROM claim_reviews(1)'), $skip, 'a skipped one can be claimed in SQL');
is(join(' ', map { outbox($_) . scalar tasks_of($_) } $judged, $erased), 'closed0 closed0',
    'what was judged or deleted here is taken back');
$ls->sql('SELECT release_reviews()');
$stub->edit_annotation($skipped->{id}, was_cancelled => JSON::PP::false, result => result(verdict => 'approve'));
$ls->good('sync', 'a sync of an annotation in place of the skip');
is(state_of($skip), 'approved intent.a.b by anna@example.test', 'which counts');

# Claimed in SQL: not pushed.
my $held = sample('held', 'intent.a.b');
is($ls->sql('SELECT sample_id FROM claim_reviews(10)'), $held, 'claimed in SQL');
$ls->good('push', 'a push beside a claim');
is(scalar tasks_of($held), 0, 'it is left out');
$ls->sql('SELECT release_reviews()');
$ls->good('push', 'a push after it was released');
is(scalar tasks_of($held), 1, 'and brought then');

# A newer verdict in SQL stands.
annotate($held, verdict => 'reject');
$ls->sql("SELECT approve_sample($held)");
$ls->good('pull', 'a pull of an older annotation');
is(state_of($held) . ', ' . outbox($held), 'approved intent.a.b by ' . $ls->sql('SELECT session_user') . ', superseded',
    'the newer verdict stands');

# The label was changed by an import since the push: what the annotator approved is another label.
my $relabelled = sample('relabelled', 'intent.a.b');
$ls->good('sync', 'a sync of one to relabel');
$ls->sql(
    qq[UPDATE training_samples SET intent = 'intent.a.c' WHERE id = $relabelled;
       INSERT INTO review_events (sample_id, action, reviewer, calling_role, details, created_at)
       VALUES ($relabelled, 'relabel', 'importer', 'importer', '{"import": 1}', clock_timestamp())]);
annotate($relabelled, verdict => 'approve');
$ls->good('sync', 'a sync of an approval of the old label');
is(state_of($relabelled), 'pending intent.a.c by human priority 2', 'it still waits');
like(
    $ls->sql("SELECT status, error_code, error_message FROM labelstudio_tasks WHERE sample_id = $relabelled
              ORDER BY id LIMIT 1"),
    qr/^unusable\|55000\|sample \d+ got another label after it was claimed/, 'unusable, and says why');
is($ls->check->{unusable_tasks}, 1, 'labelstudio_check() counts it');
annotate($relabelled, verdict => 'approve');
$ls->good('sync', 'a sync of an approval of the new label');
is(state_of($relabelled), 'approved intent.a.c by anna@example.test', 'asked anew, it is approved');
$ls->good('sync', 'a sync after that');
is($ls->check->{unusable_tasks}, 0, 'and nobody need look any more');

#-----------------------------------------------------------------------------------------------------------------------
# What goes wrong.

# Deleted over there, and an outbox that was restored from before the push.
my ($gone, $forgotten) = map { sample($_, 'intent.a.b') } qw(gone forgotten);
$ls->good('sync', 'a sync of two more');
$stub->delete_task(task_of($gone)->{id});
my $number = task_of($forgotten)->{id};
$ls->sql("DELETE FROM labelstudio_tasks WHERE sample_id = $forgotten");
$ls->good('sync', 'a sync of a deleted task, and of one that the outbox does not know');
is(outbox($gone), 'deleted open', 'deleted, and pushed again');
is(outbox($forgotten) . ' ' . task_of($forgotten)->{id}, "open $number", 'the other is recognised');
annotate($forgotten, verdict => 'approve');

# Somebody has the sample, or one of the same text, in hand.
my $sibling = sample('Forgotten!', 'intent.a.other', review_status => 'approved', review_priority => undef,
    review_reason => undef);
my $person = $node->background_psql('samples');
$person->query_safe("BEGIN; SELECT FROM training_samples WHERE id = $sibling FOR UPDATE");
$ls->good('pull', 'a pull of a locked one');
is($ls->last_run->{details}{'tasks locked'}, 1, 'it is left') or diag explain $ls->last_run;
is(state_of($forgotten), 'pending intent.a.b by human priority 2', 'as it is');
$person->query_safe('COMMIT');
$person->quit;
$ls->good('pull', 'the next pull');
is(state_of($forgotten), 'approved intent.a.b by anna@example.test', 'takes it');
is(state_of($sibling),   'rejected intent.a.other by human', 'and settles the text');

# A project of a module.
$ls->sql("SELECT labelstudio_create_project('Food', 'food')");
my %module = map { $_ => sample("for $_", 'intent.a.b', module_type => $_) } qw(food parcel);
$ls->good('sync', 'a sync of two projects');
my %project = map { split /\|/ } split /\n/, $ls->sql('SELECT title, project_id FROM labelstudio_projects');
is_deeply([ map { task_of($module{$_})->{project} } qw(food parcel) ], [ @project{qw(Food Samples)} ],
    'each goes to its module\'s project, or to the one for all the rest');
is($ls->sql('SELECT labelstudio_retire_project(id) FROM labelstudio_projects WHERE title = \'Food\''), 1,
    'retiring the project gives back what waits there');
is($ls->sql('SELECT sample_id FROM claim_reviews(10)'), $module{food}, 'to SQL');

# What is left open is the conversation, and what waits over there.
$ls->sql('SELECT release_reviews()');
is($ls->sql("SELECT count(*) FROM check_integrity()
    WHERE problem !~ 'event of a sample'"), 0, 'check_integrity() has nothing else to say')
    or diag $ls->sql('SELECT problem, example FROM check_integrity()');
$ls->disconnect;
$node->stop;
done_testing();
