# 002_labelstudio.pl - conversations become tasks of a real Label Studio, and what people do there becomes verdicts.

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
    DATABASE      => 'sync',
    CONVERSATIONS => 500
};

my $admin = TW::LabelStudio->from_environment;
my $meera = $admin->create_user('meera@example.test');
my $node  = start_node('main');
my $ascii = JSON::PP->new->ascii->canonical;
create_database($node, DATABASE);
in_database($node, DATABASE);
# A second opinion that chance asks for would be one task more.
sql(q{SELECT set_training_setting('second_opinion_rate', '0')});
$_->{email} = $_->must('GET', '/api/current-user/whoami')->{email} for $admin, $meera;

sub query { my ($query) = @_; return rows($node, DATABASE, $query) }

#-----------------------------------------------------------------------------------------------------------------------
# Conversations.

my @conversations = conversations(1, CONVERSATIONS);
sql(<<'SQL');
    INSERT INTO training_samples (text, intent, review_status, source) VALUES
        ('a', 'intent.parcel.track', 'approved', 'synthetic'), ('b', 'intent.ride.book', 'approved', 'synthetic'),
        ('c', 'intent.never', 'pending', 'synthetic');
SQL
capture($node, DATABASE, @conversations);

my ($before, $want) = map { states($node, DATABASE) } 1, 2;
is(scalar(grep { defined $_->{review_priority} } values %$before), CONVERSATIONS,
    'all conversations wait for a person');
cmp_ok(scalar(grep { $_->{review_status} eq 'auto-approved' } values %$before),
    '>', 40, 'confident answers that are audited, too');

#-----------------------------------------------------------------------------------------------------------------------
# A project.

sql("CREATE SERVER ls FOREIGN DATA WRAPPER training_workflow_labelstudio OPTIONS (url '$ENV{LABEL_STUDIO_URL}');
     CREATE USER MAPPING FOR PUBLIC SERVER ls OPTIONS (token '$ENV{LABEL_STUDIO_PAT}')");
$admin->must('POST', '/api/projects/', { title => $_ }) for 'Their chats', 'Chats of others';
my $labels = q{U&'{drink,"\091c\093c\093f\0932\093e"}'};
my $create = "SELECT labelstudio_create_project('Chats', max_open_tasks => 1000, entity_labels => $labels)";
sqlstate_is($node, DATABASE, q{SELECT labelstudio_create_project('Their chats')},
    '42710', 'a title that a project of others has is refused');
sql("BEGIN; $create; ROLLBACK");
my $own = sql($create);
is(sql($create), $own, 'asked for twice, there is one project');
my @there =
    map { $_->{id} }
        grep { $_->{title} eq 'Chats' } @{ $admin->must('GET', '/api/projects/?page_size=100')->{results} };
is(scalar(@there), 1, 'over there, too, though the first transaction was rolled back');
my $project = $there[0];
is(sql("SELECT project_id FROM labelstudio_projects WHERE id = $own"), $project, 'its number is known');
is($admin->must('GET', "/api/dm/views/?project=$project")->[0]{data}{ordering}[0],
    'tasks:predictions_score', 'it has a tab in which the least confident come first');

my %check = (
    server_name     => 'ls',
    url             => $ENV{LABEL_STUDIO_URL},
    state           => 'ok',
    version         => $ENV{LABEL_STUDIO_VERSION},
    account         => 'admin@example.test',
    token_kind      => 'personal access token',
    projects        => "Chats ($project)",
    uncertain_tasks => 0,
    unusable_tasks  => 0,
    last_error      => undef,
    advice          => undef
);

sub check_is {
    my ($name, %expected) = @_;
    my ($check) = query('SELECT * FROM labelstudio_check()');
    %expected = (%check, %expected);
    my $advice = delete $expected{advice};
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    is_deeply({ map { $_ => $check->{$_} } keys %expected }, \%expected, "labelstudio_check() $name")
        or diag $ascii->encode($check);
    like($check->{advice} // '', $advice // qr/^$/, 'with its advice');
    return;
}
check_is(
    'before the first run',
    open_tasks => 0,
    backlog    => CONVERSATIONS,
    advice     => qr/labelstudio_sync/
);

#-----------------------------------------------------------------------------------------------------------------------
# Pushing.

note sprintf 'pushing %d conversations: %.1f s', CONVERSATIONS,
    call($node, DATABASE, 'labelstudio_sync', 'the first run');
my @tasks = $admin->tasks($project);
is(scalar(@tasks), CONVERSATIONS, 'as many tasks as conversations');
$_->{tasks} = 'open' for values %$want;
unlike($ascii->encode(\@tasks), TW::Chats::PRIVATE, 'no number, user or session of anybody is over there');
my %outbox = map { $_->{external_id} => $_ } query('SELECT * FROM labelstudio_tasks');
sub module_of { my ($intent) = @_; return (split /\./, $intent)[1] // '' }

sub intent_options {
    my ($c) = @_;
    my $own    = $c->{nlu_intent}      // '';
    my $module = $c->{nlu_module_type} // module_of($own);
    my @model  = map { $_->{sample} ? $_->{sample}{intent} : () } values %$before;
    my %intent = map { $_ => 1 } grep { $_ ne '' } $own, @model, qw(intent.parcel.track intent.ride.book);
    my @sorted = sort {
        ($b eq $own) <=> ($a eq $own) || (module_of($b) eq $module) <=> (module_of($a) eq $module) || $a cmp $b
    } keys %intent;
    return [ map { { value => $_ } } @sorted ];
}
my %known_label = map { $_ => 1 } 'drink', 'ज़िला',
    map { $_->[2] } map { @{ $_->{spans} } } grep { $before->{ $_->{id} }{sample} } @conversations;

sub expected_task {
    my ($c) = @_;
    my %label  = (%known_label, map { $_->[2] => 1 } @{ $c->{spans} });
    my $result = TW::LabelStudio::result(intent => $c->{nlu_intent}, entities => $c->{spans});
    delete @$_{qw(id origin)} for @$result;
    return {
        predictions    => 1,
        result         => $result,
        score          => ($c->{nlu_confidence} // 2) <= 1 ? $c->{nlu_confidence} : 0,
        text           => shown($c->{user_message}),
        intent_options => intent_options($c),
        entity_labels  => [ map { { value => $_ } } sort keys %label ],
        context        => defined $c->{response_text} ? 'The chatbot replied: We call you on 00000 00000 🙏' : '',
        spans          => $c->{spans}
    };
}

my (%pushed, %task);
for my $task (@tasks) {
    my $row = $outbox{ $task->{meta}{external_id} } // next;
    next if $row->{task_id} != $task->{id} || $row->{status} ne 'open';
    my ($prediction) = @{ $task->{predictions} };
    delete $_->{id} for @{ $prediction->{result} };
    $task{ $row->{conversation_log_id} }   = $task;
    $pushed{ $row->{conversation_log_id} } = {
        predictions => scalar @{ $task->{predictions} },
        spans       => $row->{spans},
        map({ $_ => $prediction->{$_} } qw(result score)),
        map({ $_ => $task->{data}{$_} } qw(text context)),
        map {
            $_ => [ map { { value => $_->{value} } } @{ $task->{data}{$_} } ]
        } qw(intent_options entity_labels)
    };
}
all_alike(\%pushed, { map { $_->{id} => expected_task($_) } @conversations }, 'the tasks');
my %rank = map { $_->{id} => $_->{rank} } query(
    'SELECT id, row_number() OVER (ORDER BY review_priority, nlu_confidence NULLS FIRST, created_at, id) AS rank
     FROM conversation_logs WHERE NOT is_audit'
);
my @served = grep { defined } map { $rank{ $outbox{ $_->{meta}{external_id} }{conversation_log_id} } } @tasks;
is_deeply(\@served, [ sort { $a <=> $b } @served ], 'in the order of their numbers, the most urgent come first');
check_is('when they are there', open_tasks => CONVERSATIONS, backlog => 0);

my $snapshot = snapshot($node, DATABASE);
call($node, DATABASE, 'labelstudio_sync', 'another run');
is_deeply(snapshot($node, DATABASE), $snapshot, 'finds nothing to do');
is(scalar($admin->tasks($project)), CONVERSATIONS, 'and pushes nothing twice');

# All tasks change at one instant: more than the pull has on a page.
sub act_on_all {
    my ($action) = @_;
    $admin->must('POST', "/api/dm/actions/?id=$action&project=$project",
        { selectedItems => { all => JSON::PP::true, excluded => [] }, filters => { conjunction => 'and',
            items => [] } });
    my %times = map { $_->{updated_at} => 1 } $admin->tasks($project);
    note "$action: ", scalar(keys %times), ' different times';
    return;
}
my $statuses = 'SELECT status, error_code, count(*) FROM labelstudio_tasks GROUP BY 1, 2';
act_on_all('predictions_to_annotations');
call($node, DATABASE, 'labelstudio_pull', 'annotations that somebody made of all predictions');
is(sql($statuses), 'unusable|22023|' . CONVERSATIONS, 'are no verdicts, and none was passed over');
act_on_all('delete_tasks_annotations');
call($node, DATABASE, 'labelstudio_pull', 'they are deleted');
is(sql($statuses), 'open||' . CONVERSATIONS, 'the tasks are open again');

#-----------------------------------------------------------------------------------------------------------------------
# What is to come of a verdict.

# Of an annotation (undef: in SQL): its action, and intent, entities, reject_reason, note, reviewer.
sub expect {
    my ($c, $annotation, $action, %said) = @_;
    my $w          = $want->{ $c->{id} };
    my $status     = $action eq 'reject' ? 'rejected' : 'approved';
    my $old_intent = $w->{sample} ? $w->{sample}{intent} : undef;
    my $there      = $annotation
        && { project => $project, annotation => $annotation->{id},
            map { $_ => $annotation->{$_} } qw(task updated_at) };
    my %label;
    %label = (intent => $said{intent} // $c->{nlu_intent}, entities => $said{entities} // masked($c->{nlu_entities}))
        if $action ne 'reject';
    $w->{event} = {
        action          => $action,
        intent          => $label{intent},
        entities        => $label{entities},
        from_status     => $w->{review_status},
        to_status       => $status,
        previous_intent => ($old_intent // '') ne ($label{intent} // '') ? $old_intent : undef,
        there           => $there,
        given_at        => $there && moment($annotation->{updated_at}),
        map { $_ => $said{$_} } qw(note reject_reason reviewer)
    };
    ++$w->{events};
    @$w{qw(review_status review_priority)} = ($status, undef);
    $w->{tasks}  = 'done' if $annotation;
    $w->{sample} = { text => masked($c->{user_message}), label_source => 'human', %label } if %label;
    @{ $w->{sample} }{qw(review_status reviewed_by)} = ($status, $said{reviewer}) if $w->{sample};
    return;
}

# All is as before, but for the sample that only a person's label had made.
sub expect_withdrawal {
    my ($c, $tasks) = @_;
    my ($w, $was) = ($want->{ $c->{id} }, $before->{ $c->{id} });
    $w->{event} = {
        map({ $_ => undef } qw(intent entities reject_reason)),
        action          => 'withdraw',
        note            => 'annotation deleted or skipped in Label Studio',
        reviewer        => $w->{event}{reviewer},
        from_status     => $w->{review_status},
        to_status       => $was->{review_status},
        previous_intent => $w->{sample} ? $w->{sample}{intent} : undef,
        there           => { project => $project, task => $task{ $c->{id} }{id} },
        given_at        => moment($admin->task($task{ $c->{id} }{id})->{updated_at})
    };
    $w->{sample} = $was->{sample} // { %{ $w->{sample} }, review_status => 'pending', reviewed_by => undef }
        if $w->{sample};
    ++$w->{events};
    @$w{qw(review_status review_priority tasks)} = (@$was{qw(review_status review_priority)}, $tasks);
    return;
}

my %annotation;    # by conversation

sub annotate {
    my ($who, $c, @said) = @_;
    my $path = "/api/tasks/$task{ $c->{id} }{id}/annotations/";
    return $annotation{ $c->{id} } = $who->must('POST', $path, { lead_time => 2.5, @said });
}

# That an annotation began with the prediction: only then it says something that there are no spans in it.
sub from_prediction { my ($c) = @_; return (parent_prediction => $task{ $c->{id} }{predictions}[0]{id}) }

sub edit {
    my ($who, $c, @said) = @_;
    return $who->edit($annotation{ $c->{id} }{id}, @said);
}
sub unusable { my ($c, $code) = @_; $want->{ $c->{id} }{tasks} = "unusable $code"; return }

# An approval, which stands only where there is something to approve.
sub approved {
    my ($c, $annotation, %more) = @_;
    return unusable($c, '55000') if !defined $c->{nlu_intent};
    return expect($c, $annotation, 'approve', %more);
}

sub rejected {
    my ($c, $annotation, $who, %more) = @_;
    return expect($c, $annotation, 'reject', reject_reason => 'unclear', reviewer => $who->{email}, %more);
}

#-----------------------------------------------------------------------------------------------------------------------
# What people do, each kind of it to every 25th conversation: what a kind gets is a conversation, and two people.

my $me = sql('SELECT current_user');
my (@kinds, @sql_first, @sql_then);
sub kind { push @kinds, [@_]; return }

kind('left alone' => sub { });
kind('approved, with the spans that were shown' => sub {
    my ($c, $who) = @_;
    approved($c, annotate($who, $c, said(verdict => 'approve', entities => $c->{spans}), from_prediction($c)),
        reviewer => $who->{email});
});
for my $name ('approved, without spans', 'approved, to be edited', 'approved, to be deleted',
    'approved, to be skipped') {
    kind($name => sub {
        my ($c, $who) = @_;
        my %note = (note => 'हाँ 🍕');
        approved($c, annotate($who, $c, said(verdict => 'approve', %note)), reviewer => $who->{email}, %note);
    });
}
for my $verdict (qw(approve fix)) {
    kind("$verdict, other spans alone" => sub {
        my ($c, $who) = @_;
        my $spans      = other_spans($c);
        my $annotation = annotate($who, $c, said(verdict => $verdict, entities => $spans));
        return unusable($c, $verdict eq 'fix' ? '22023' : '55000') if !defined $c->{nlu_intent};
        expect($c, $annotation, 'fix', entities => entities_of($c, @$spans), reviewer => $who->{email});
    });
}
kind('another intent, other spans' => sub {
    my ($c, $who) = @_;
    my ($spans, %more) = (other_spans($c), intent => 'intent.ride.book', note => 'Not that');
    my $annotation = annotate($who, $c, said(verdict => 'fix', entities => $spans, %more));
    expect($c, $annotation, 'fix', entities => entities_of($c, @$spans), reviewer => $who->{email}, %more);
});
kind('a new intent, no spans' => sub {
    my ($c, $who) = @_;
    my @shown      = $c->{id} % 2 ? () : from_prediction($c);
    my @said       = said(verdict => 'fix', intent => 'intent.ride.book', new_intent => ' intent.नया.यह ');
    my $annotation = annotate($who, $c, @said, @shown);
    my $entities   = @shown && @{ $c->{spans} } ? entities_of($c) : masked($c->{nlu_entities});
    expect($c, $annotation, 'fix', intent => 'intent.नया.यह', entities => $entities, reviewer => $who->{email});
});
for my $reason (qw(unclear no-such-intent), undef) {
    kind('rejected, ' . ($reason // 'no reason') => sub {
        my ($c, $who) = @_;
        my $annotation = annotate($who, $c, said(verdict => 'reject', reject_reason => $reason));
        expect($c, $annotation, 'reject', reject_reason => $reason // 'unclear', reviewer => $who->{email});
    });
}
for my $name ('skipped', 'skipped, to be judged in SQL') {
    kind($name => sub {
        my ($c, $who) = @_;
        annotate($who, $c, said(), was_cancelled => 1);
        $want->{ $c->{id} }{tasks} = 'skipped';
    });
}
kind('skipped, then not' => sub {
    my ($c, $who) = @_;
    annotate($who, $c, said(verdict => 'reject'), was_cancelled => 1);
    approved($c, edit($who, $c, said(verdict => 'approve')), reviewer => $who->{email});
});
kind('changed by somebody else' => sub {
    my ($c, $who, $other) = @_;
    annotate($who, $c, said(verdict => 'approve'));
    my $annotation = edit($other, $c, said(verdict => 'reject', note => 'No'));
    rejected($c, $annotation, $other, note => 'No');
});
kind('deleted before the pull' => sub {
    my ($c, $who) = @_;
    $who->delete_annotation(annotate($who, $c, said(verdict => 'reject'))->{id});
});
for my $edited (0, 1) {
    kind('two annotators, ' . ($edited ? 'the first edits later' : 'one after the other') => sub {
        my ($c, $who, $other) = @_;
        annotate($who, $c, said(verdict => 'approve'));
        my $second =
            $other->annotate($task{ $c->{id} }{id}, said(verdict => 'reject', reject_reason => 'no-such-intent'));
        return expect($c, $second, 'reject', reject_reason => 'no-such-intent', reviewer => $other->{email})
            if !$edited;
        my %more = (intent => 'intent.ride.book', reviewer => $who->{email});
        expect($c, edit($who, $c, said(verdict => 'fix', entities => $c->{spans}, %more)), 'fix', %more);
    });
}
for my $verdict (undef, 'maybe') {
    kind('no verdict: ' . ($verdict // 'nothing') =>
            sub { my ($c, $who) = @_; annotate($who, $c, said(verdict => $verdict)); unusable($c, '22023') });
}
my %in_sql = (reject_reason => 'no-such-intent', note => 'in SQL', reviewer => $me);
kind('judged in SQL before' => sub {
    my ($c, $who) = @_;
    expect($c, undef, 'reject', %in_sql);
    push @sql_first, [ $c, sub {
        my %more = (intent => 'intent.ride.book', reviewer => $who->{email});
        expect($c, annotate($who, $c, said(verdict => 'fix', entities => $c->{spans}, %more)), 'fix', %more);
    } ];
});
for my $name ('judged in SQL after', 'judged in SQL alone') {
    kind($name => sub {
        my ($c, $who) = @_;
        annotate($who, $c, said(verdict => 'approve')) if $name =~ /after/;
        push @sql_then, [$c];
        expect($c, undef, 'reject', %in_sql);
        $want->{ $c->{id} }{tasks} = 'superseded' if $name =~ /after/;
    });
}

sub reject_in_sql {
    return sql(sprintf q{SELECT reject_conversations('{%s}', 'no-such-intent', 'in SQL')}, join ',',
        map { $_->[0]{id} } @_);
}

for my $c (@conversations) {
    my @people = $c->{id} % 2 ? ($admin, $meera) : ($meera, $admin);
    $c->{kind} = $kinds[ $c->{id} % @kinds ][0];
    $kinds[ $c->{id} % @kinds ][1]->($c, @people);
}
reject_in_sql(@sql_first);
$_->[1]->() for @sql_first;
reject_in_sql(@sql_then);
is(scalar(@kinds), 25, 'kinds of what people do');

#-----------------------------------------------------------------------------------------------------------------------
# Pulling.

note sprintf 'pulling what was done to %d tasks: %.1f s', scalar keys %annotation,
    call($node, DATABASE, 'labelstudio_pull', 'a pull');
all_alike(states($node, DATABASE), $want, 'conversations, samples, events and outbox after it');
$snapshot = snapshot($node, DATABASE);
call($node, DATABASE, 'labelstudio_pull', 'another one');
is_deeply(snapshot($node, DATABASE), $snapshot, 'changes nothing');
sql('UPDATE labelstudio_projects SET pulled_to = NULL');
call($node, DATABASE, 'labelstudio_pull', 'and one from the beginning of time');
is_deeply(snapshot($node, DATABASE), $snapshot, 'nothing, either');

sub conversations_whose { my ($which) = @_; return join ' ',
    grep { $which->($want->{$_}) } map { $_->{id} } @conversations }
is(
    sql(q{SELECT string_agg(conversation_log_id::text, ' ' ORDER BY conversation_log_id) FROM claim_reviews(1000)}),
    conversations_whose(sub { $_[0]{tasks} =~ /skipped|unusable/ }),
    'what was skipped, or has no verdict, can be claimed in SQL'
);
sql('SELECT release_reviews()');

# With the other kind of token, what people did is undone.
sql("ALTER USER MAPPING FOR PUBLIC SERVER ls OPTIONS (SET token '$ENV{LABEL_STUDIO_LEGACY_TOKEN}')");
my @skipped_in_sql;

sub again {
    my ($name, $do) = @_;
    my @some = grep { $_->{kind} eq $name } @conversations;
    is(scalar(@some), CONVERSATIONS / @kinds, "again: $name");
    $do->($_, $want->{ $_->{id} }) for @some;
    return;
}
again('approved, to be edited' => sub {
    my ($c) = @_;
    rejected($c, edit($admin, $c, said(verdict => 'reject')), $admin);
});
again('approved, to be deleted' => sub {
    my ($c, $w) = @_;
    $admin->delete_annotation($annotation{ $c->{id} }{id});
    defined $c->{nlu_intent} ? expect_withdrawal($c, 'open') : ($w->{tasks} = 'open');
});
again('approved, to be skipped' => sub {
    my ($c, $w) = @_;
    edit($admin, $c, said(verdict => 'approve'), was_cancelled => 1);
    defined $c->{nlu_intent} ? expect_withdrawal($c, 'skipped') : ($w->{tasks} = 'skipped');
});
again('skipped, to be judged in SQL' => sub {
    my ($c, $w) = @_;
    expect($c, undef, 'reject', %in_sql);
    $w->{tasks} = 'closed';
    push @skipped_in_sql, [$c];
});
again('judged in SQL after' => sub {
    my ($c) = @_;
    approved($c, edit($meera, $c, said(verdict => 'approve')), reviewer => $meera->{email});
});
again('judged in SQL alone' => sub { my ($c, $w) = @_; $w->{tasks} = 'closed' });
again('left alone' => sub {
    my ($c, $w) = @_;
    $admin->delete_task($task{ $c->{id} }{id});
    $w->{tasks} = 'deleted, open';
});
again('rejected, unclear'   => sub { my ($c) = @_; $admin->delete_task($task{ $c->{id} }{id}) });
again('no verdict: nothing' => sub {
    my ($c) = @_;
    rejected($c, edit($meera, $c, said(verdict => 'reject')), $meera);
});
reject_in_sql(@skipped_in_sql);

# What has no verdict is pushed anew; its task over there remains, and may still become one.
$_->{tasks} .= ', open' for grep { $_->{tasks} =~ /^unusable/ && defined $_->{review_priority} } values %$want;
call($node, DATABASE, 'labelstudio_sync', 'a run with a legacy token');
all_alike(states($node, DATABASE), $want, 'the same, after it');
my @gone = grep { $_->{kind} =~ /^rejected, unclear|^skipped, to be|SQL alone/ } @conversations;
my %there = map { $_->{meta}{external_id} => 1 } $admin->tasks($project);
is(
    sql('SELECT count(*) FROM labelstudio_tasks') - keys %there,
    @gone + CONVERSATIONS / @kinds,
    'as many tasks are gone as were deleted there or judged here'
);
my @unfinished = query(q{SELECT external_id FROM labelstudio_tasks WHERE status IN ('open', 'skipped', 'unusable')});
is_deeply([ grep { !$there{ $_->{external_id} } } @unfinished ], [], 'what is not finished is there');

#-----------------------------------------------------------------------------------------------------------------------
# The rest.

check_is(
    'with the other token',
    token_kind     => 'legacy token',
    open_tasks     => scalar(grep { $_->{tasks} =~ /open$/ } values %$want),
    unusable_tasks => scalar(grep { $_->{tasks} =~ /^unusable/ } values %$want),
    backlog        => scalar(grep { defined $_->{review_priority} && $_->{tasks} !~ /open$/ } values %$want),
    advice         => qr/no valid verdict/
);

# Somebody's own tasks in the project, all of one time, are none of ours, and nothing stays hidden behind them.
my %empty = (header => '', context => '', intent_options => [], entity_labels => [], verdicts => []);
$admin->must('POST', "/api/projects/$project/import",
    [ map { { data => { text => "by hand $_", %empty } } } 1 .. 450 ]);
my $theirs = $admin->must('GET', "/api/tasks/?project=$project&page_size=1")->{total};
my ($last) = grep { $_->{kind} eq 'deleted before the pull' } @conversations;
$_->{tasks} =~ s/^unusable (\d+)$/superseded $1/ for values %$want;    # judged here since
rejected($last, annotate($admin, $last, said(verdict => 'reject')), $admin);
call($node, DATABASE, 'labelstudio_sync', 'a run with 450 tasks of others in the project');
all_alike(states($node, DATABASE), $want, 'the same, with one verdict more');
is($admin->must('GET', "/api/tasks/?project=$project&page_size=1")->{total}, $theirs, 'they are still there');
integrity_is_empty($node, DATABASE, 'at the end');
$node->stop;
done_testing();
