# 017_labelstudio_people_and_clocks.pl - what people, clocks and other sessions do that nobody thinks of: one case for
# each way in which the synchronization with Label Studio has gone wrong before.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use JSON::PP ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);
use TW::LabelStudioStub;
use TW::LabelStudioTest;
use TW::Util;

# A loop without an end shall end as a failure.
my $node  = start_node('main', conf => "statement_timeout = '300s'\n");
my $cases = 0;
my $json  = JSON::PP->new->canonical;
my $model = 'intent.food.item.search';

# Runs a case in a database of its own, beside a stand-in of its own. Options: project => arguments of
# labelstudio_create_project() (undef: none is made), server => options of the server.
sub odd {
    my ($name, $option, $code) = @_;
    $cases++;
    note "case $cases: $name";
    my $ls = TW::LabelStudioTest->new($node, "odd$cases", server => $option->{server});
    my $project = exists $option->{project} ? $option->{project} : "'Odd'";

    local $Test::Builder::Level = $Test::Builder::Level + 1;
    $ls->sql("SELECT labelstudio_create_project($project)") if defined $project;
    eval { $code->($ls, $ls->stub); 1 } or fail("$name: goes through") or diag $@;
    integrity_is_empty($node, $ls->{database}, $name);
    $ls->disconnect;
    $ls->stub->stop;
    return;
}

# Conversations that differ in confidence, so that their order is known.
sub several {
    my ($ls, $count, %column) = @_;
    return map { $ls->converse("message $_", nlu_confidence => 0.1 + $_ / 1000, %column) } 1 .. $count;
}

# The outbox rows of a conversation, the oldest first.
sub history {
    my ($ls, $id) = @_;
    return $ls->sql("SELECT string_agg(concat_ws(' ', status, error_code), ', ' ORDER BY id) FROM labelstudio_tasks
        WHERE conversation_log_id = $id");
}

# How many requests a sync makes that has to go through.
sub requests_of {
    my ($ls, $name) = @_;
    $ls->stub->clear_requests;
    $ls->good('sync', $name);
    return scalar @{ $ls->stub->requests };
}

# A session that stays, for what must not raise and what may.
sub session {
    my ($ls, @params) = @_;
    return $node->background_psql($ls->{database}, on_error_stop => 0, extra_params => \@params);
}

#-----------------------------------------------------------------------------------------------------------------------
# What annotations hold.

odd 'whole numbers of more than 64 bits', {}, sub {
    my ($ls, $stub) = @_;
    my @ids = several($ls, 3);
    $ls->good('sync', 'three tasks');
    $ls->annotate($_, verdict => 'reject') for @ids;

    # The stand-in would write them as strings.
    my @tasks   = $ls->tasks;
    my @numbers = ('99999999999999999999', '7' x 400, '-1e0');
    for my $i (0 .. 2) {
        push @{ $tasks[$i]{annotations}[0]{result} },
            { from_name => 'rating', type => 'number', value => { number => "NUMBER-$i-" } };
    }
    my $body = $json->encode({ total => 3, tasks => \@tasks }) =~ s/"NUMBER-(\d)-"/$numbers[$1]/gr;
    $stub->fault('reply', query => qr/filter:tasks:updated_at/, body => $body, count => 'always');
    $ls->good('sync', 'a number of 20 digits and one of 400 in annotations');
    is($ls->state_of($_), 'rejected', 'the verdict counts') for @ids;
    $stub->heal;
    $ls->good('sync', 'and the next sync');
};

odd 'notes of 17 MB, and one above 32', { server => { timeout => 250 } }, sub {
    my ($ls, $stub) = @_;
    my @ids = several($ls, 5);
    $ls->good('sync', 'five tasks');
    my %task = map { $_ => $ls->task($_)->{id} } @ids;
    my $note = sub {
        my ($id, $megabytes) = @_;
        $stub->annotate($task{$id}, result => result(verdict => 'approve', note => 'n' x ($megabytes * 1_000_000)));
    };
    my %large = (0 => 17, 1 => 17, 2 => 34, 3 => 0);
    $note->($ids[$_], $large{$_}) for sort keys %large;
    $stub->clear_requests;
    $ls->call('sync', 'two that are too large together, one that is too large alone, and one behind them');
    cmp_ok(scalar @{ $stub->requests }, '<', 40, 'that takes a bounded number of requests');
    like($ls->state_of($ids[$_]), qr/^approved \| approved /, "the verdict with a note of $large{$_} MB counts")
        for 0, 1, 3;
    like(history($ls, $ids[2]), qr/^unusable 54000\b/, 'the one that is too large is unusable');
    is($ls->state_of($ids[2]), 'needs-review, priority 1', 'and its conversation waits');
    $stub->annotate($task{ $ids[4] }, result => result(verdict => 'reject'));
    cmp_ok(requests_of($ls, 'the next sync does not fail'), '<', 40, 'nor loop');
    is($ls->state_of($ids[4]), 'rejected', 'and brings a later verdict');
};

odd 'all spans taken away', {}, sub {
    my ($ls, $stub) = @_;
    my @spans = (nlu_entities => '[{"start": 0, "end": 7, "label": "dish"}]');
    my ($approved, $from_nothing) = map { $ls->converse('message', @spans) } 1 .. 2;
    $ls->good('sync', 'two tasks with spans');
    $ls->annotate($approved,     verdict => 'approve', spans => [], parent_prediction => 1);
    $ls->annotate($from_nothing, verdict => 'approve', spans => []);
    $ls->good('sync', 'approved without them');
    my $entities = "SELECT jsonb_array_length(entities) FROM training_samples WHERE conversation_log_id =";
    is($ls->verdict_on($approved), "fix | $model | admin\@example.test", 'where they were shown, that is a fix');
    is($ls->sql("$entities $approved"), 0, 'without spans');
    is($ls->verdict_on($from_nothing), "approve | $model | admin\@example.test",
        'where they were not, it is an approval');
    is($ls->sql("$entities $from_nothing"), 1, 'which leaves them alone');
};

#-----------------------------------------------------------------------------------------------------------------------
# Verdicts that come and go.

odd 'a verdict in a race with a withdrawal', {}, sub {
    my ($ls, $stub) = @_;
    my ($id) = several($ls, 1);
    $ls->good('sync', 'one task');
    my $first = $ls->annotate($id, verdict => 'approve');
    $ls->good('sync', 'approved');
    $stub->delete_annotation($first->{id});
    $stub->fault('delay', query => qr/filter:tasks:updated_at/, seconds => 2);
    my $sync = $ls->start('CALL labelstudio_sync()');
    ok($stub->wait_for_requests(fault => 'delay'), 'its annotation deleted, and the list is under way');
    $ls->annotate($id, verdict => 'fix', intent => 'intent.in.between');
    ok($sync->{run}->finish, 'a sync that does not see the new annotation') or diag $sync->{err};
    $ls->good('sync', 'one that does');
    is($ls->verdict_on($id), 'fix | intent.in.between | admin@example.test', 'the new verdict counts');
};

odd 'an annotation that says nothing any more', {}, sub {
    my ($ls, $stub) = @_;
    my ($id) = several($ls, 1);
    $ls->good('sync', 'one task');
    my $annotation = $ls->annotate($id, verdict => 'approve');
    $ls->good('sync', 'approved');
    $stub->edit_annotation($annotation->{id}, result => []);
    $ls->good('sync', 'emptied');
    like($ls->verdict_on($id), qr/^withdraw /, 'the verdict is withdrawn');
    like(history($ls, $id), qr/^unusable 22023, open$/, 'the annotation is unusable, and the conversation there again');
    like($ls->state_of($id), qr/^needs-review, priority 1\b/, 'it waits');
    $stub->delete_annotation($annotation->{id});
    $ls->good('sync', 'then deleted');
    $ls->good('sync', 'once more');
    $ls->converged('deleted after it was emptied');
};

odd 'the newer of two annotations deleted', {}, sub {
    my ($ls, $stub) = @_;
    my ($id) = several($ls, 1);
    $ls->good('sync', 'one task');
    $ls->annotate($id, verdict => 'fix', intent => 'intent.the.older');
    sleep 0.01;
    my $newer = $ls->annotate($id, verdict => 'reject');
    $ls->good('sync', 'two annotations');
    is($ls->state_of($id), 'rejected', 'the newer one counts');
    $stub->delete_annotation($newer->{id});
    $ls->good('sync', 'it is deleted');
    is($ls->verdict_on($id), 'fix | intent.the.older | admin@example.test', 'the older one counts');
    $ls->good('sync', 'one more sync');
    is($ls->state_of($id), 'approved | approved intent.the.older by admin@example.test', 'and stands');
};

odd 'a clock that was 30 days ahead', {}, sub {
    my ($ls, $stub) = @_;
    my @ids = several($ls, 4);
    $ls->good('sync', 'four tasks');
    $stub->advance_clock(30 * 86_400);
    $ls->annotate($ids[0], verdict => 'reject');
    $ls->good('sync', 'a verdict from the future');
    is($ls->state_of($ids[0]), 'rejected', 'counts');
    $stub->advance_clock(-30 * 86_400);
    $ls->annotate($_, verdict => 'reject') for @ids[ 1, 2 ];
    cmp_ok(requests_of($ls, 'the clock is set right'), '<', 20, 'takes few requests');
    is($ls->state_of($_), 'rejected', 'verdicts arrive at once') for @ids[ 1, 2 ];
    $ls->annotate($ids[3], verdict => 'reject');
    cmp_ok(requests_of($ls, 'one more verdict'), '<', 20, 'takes few requests');
    is($ls->state_of($ids[3]), 'rejected', 'and arrives');
    $ls->converged('clock');
};

odd 'hundreds of tasks stamped in the future', { project => "'Odd', max_open_tasks => 1000" }, sub {
    my ($ls, $stub) = @_;
    $stub->advance_clock(30 * 86_400);
    my @ids = split /\n/, $ls->sql("INSERT INTO conversation_logs (session_id, user_message, nlu_intent,
        nlu_confidence, nlu_provider)
        SELECT 's', 'bulk ' || g, '$model', 0.5, 'indicbert' FROM generate_series(1, 230) g RETURNING id");
    $ls->good('sync', '230 tasks');
    my %task = map { (split /@/, $_->{meta}{conversation})[0] => $_->{id} } $ls->tasks;
    my $reject = sub { $stub->annotate($task{$_}, result => result(verdict => 'reject')) for @ids[ $_[0] .. $_[1] ] };
    $reject->(0, 9);
    $ls->good('sync', 'ten verdicts from the future');
    $stub->advance_clock(-30 * 86_400);
    $reject->(10, 19);
    cmp_ok(requests_of($ls, 'the clock is set right'), '<', 30, 'takes few requests');
    $reject->(20, 29);
    cmp_ok(requests_of($ls, 'ten more'), '<', 30, 'takes few requests');
    is($ls->sql("SELECT count(*) FROM conversation_logs WHERE review_status = 'rejected'"), 30,
        'all verdicts arrive at once');
};

odd 'samples that somebody holds', {}, sub {
    my ($ls, $stub) = @_;
    my @ids = several($ls, 2);

    # The later conversation has the earlier sample.
    for my $id (reverse @ids) {
        $ls->sql("SELECT approve_conversation($id)");
        $ls->sql("SELECT record_feedback($id, 'SESSION-of-the-user', 'negative')");
    }
    $ls->good('sync', 'two tasks');
    $ls->annotate($_, verdict => 'fix', intent => 'intent.a.b') for @ids;
    my @samples = map { $ls->sql("SELECT id FROM training_samples WHERE conversation_log_id = $_") } @ids;
    cmp_ok($samples[1], '<', $samples[0], 'conversations and their samples come in opposite orders');

    my $person = session($ls);
    my $lock   = sub { return $person->query("SELECT id FROM training_samples WHERE id = $_[0] FOR UPDATE") };
    $person->query('BEGIN');
    $lock->($samples[1]);
    $ls->good('sync', 'a pull beside it');
    is($ls->last_run->{details}{'tasks locked'}, 1, 'the pull leaves one out, and says so');
    is($ls->verdict_on($ids[0]), 'fix | intent.a.b | admin@example.test', 'the other verdict comes in');
    is($lock->($samples[0]), $samples[0], 'the other session gets the next one');
    is($person->{stderr}, '', 'without a deadlock');
    $person->query('COMMIT');
    $ls->good('sync', 'the next pull');
    is_deeply([ map { $ls->verdict_on($_) } @ids ], [ ('fix | intent.a.b | admin@example.test') x 2 ],
        'and both verdicts count');
    $person->quit;
};

odd 'nobody may list users', {}, sub {
    my ($ls, $stub) = @_;
    my $anna = $stub->add_user(email => 'anna@example.test');
    my @ids  = several($ls, 2);
    $ls->good('sync', 'two tasks');
    $stub->fault('reply', path => qr{^/api/users/$}, status => 403, body => '{"detail": "no"}');
    $ls->annotate($ids[0], verdict => 'reject', who => $anna);
    $ls->good('sync', '403 for the list of users');
    is($ls->verdict_on($ids[0]), 'reject | unclear | anna@example.test', 'the address comes with the annotation');
    $stub->fault('error_500', path => qr{^/api/users/$});
    $ls->annotate($ids[1], verdict => 'reject', who => $anna);
    $ls->call('sync', '500 for the list of users');
    $ls->run_is('08006', '500 for the list of users');
    is($ls->outbox($ids[1]), 'open', 'the verdict is not taken in');
    $ls->good('sync', 'the next sync');
    is($ls->verdict_on($ids[1]), 'reject | unclear | anna@example.test', 'brings it');
};

#-----------------------------------------------------------------------------------------------------------------------
# What is handed over, refused and taken back.

odd 'some tasks are refused by name', {}, sub {
    my ($ls, $stub) = @_;
    my @ids = map { $ls->converse($_ % 5 < 2 ? "odd $_" : "even $_", nlu_confidence => 0.1 + $_ / 100) } 1 .. 10;
    my %odd = map { $_ => 1 }
        $ls->sql("SELECT string_agg(id::text, ' ') FROM conversation_logs WHERE user_message LIKE 'odd %'") =~ /\d+/g;
    is(scalar keys %odd, 4, 'four of ten');
    $stub->refuse_items(text => qr/^odd /);
    $ls->good('sync', 'four of ten are refused');
    is(join(' ', $ls->conversations), join(' ', grep { !$odd{$_} } @ids), 'the others arrive in the same run');
    is($ls->outbox($_), 'refused 22023', 'one that is refused says so') for sort keys %odd;
    is(requests_of($ls, 'the next sync'), requests_of($ls, 'and one more'), 'does not try them again');
    is($ls->check->{unusable_tasks}, 4, 'labelstudio_check() counts them');
    $stub->heal;
    $ls->sql("UPDATE labelstudio_tasks SET finished_at = finished_at - interval '25 hours' WHERE status = 'refused'");
    $ls->good('sync', 'a day later');
    $ls->converged('refused');
};

odd 'a batch that is too large', {}, sub {
    my ($ls, $stub) = @_;
    several($ls, 10);
    $stub->fault('reply', method => 'POST', path => qr{/import$}, status => 413, body => '<html>413</html>',
        type => 'text/html');
    $ls->good('sync', '413 for an import');
    is_deeply([ map { $_->{status} } @{ $stub->requests(path => qr{/import$}) } ], [ 413, 201, 201 ], 'it is halved');
    $ls->converged('413');
};

odd 'tasks that cannot be deleted', {}, sub {
    my ($ls, $stub) = @_;
    several($ls, 60);
    $ls->good('sync', '60 tasks');
    $ls->sql("SELECT reject_conversations(array_agg(id), 'unclear') FROM conversation_logs");
    $stub->fault('reply', method => 'DELETE', status => 204, body => '', count => 'always');
    cmp_ok(requests_of($ls, '204 for a DELETE that does nothing'), '<', 300, 'the sync ends');
    cmp_ok(requests_of($ls, 'the next sync'), '<', 300, 'so does the next');
    $stub->heal;
    $ls->good('sync', 'when it works again');
    is(scalar $ls->tasks, 0, 'all are taken back');
};

odd 'a task that somebody has begun to annotate', {}, sub {
    my ($ls, $stub) = @_;
    my @ids  = several($ls, 2);
    $ls->good('sync', 'two tasks');
    my %task = map { $_ => $ls->task($_) } @ids;
    $ls->sql("SELECT approve_conversations('{$ids[0], $ids[1]}')");

    # The stand-in knows no drafts.
    my ($begun, $saved) = map { { %{ $task{$_} }, annotations => [] } } @ids;
    $begun->{draft_exists} = JSON::PP::true;
    $saved->{drafts} = [ { id => 1, result => result(verdict => 'reject') } ];
    $stub->fault('reply', method => 'GET', path => qr{^/api/tasks/$_->{id}/$}, body => $json->encode($_),
        count => 'always')
        for $begun, $saved;
    $ls->good('sync', 'judged in SQL, with drafts over there');
    is_deeply([ map { scalar $ls->tasks($_) } @ids ], [ 1, 1 ], 'they are not deleted');
    $stub->heal;
    $ls->good('sync', 'without drafts');
    is(scalar $ls->tasks, 0, 'they are');
};

odd 'tasks that everybody skips', { project => "'Odd', max_open_tasks => 2" }, sub {
    my ($ls, $stub) = @_;
    my @ids = several($ls, 3);
    $ls->good('sync', 'room for two of three');
    $ls->annotate($ids[0], was_cancelled => JSON::PP::true);
    $ls->good('sync', 'one is skipped');
    is($ls->outbox($ids[0]), 'skipped', 'and known to be');
    is(scalar $ls->tasks, 2, 'it still takes its place');
    my $before = $ls->task($ids[0])->{meta}{external_id};
    $ls->sql("UPDATE labelstudio_projects SET max_open_tasks = 10;
              UPDATE labelstudio_tasks SET finished_at = finished_at - interval '25 hours' WHERE status = 'skipped'");
    $ls->good('sync', 'a day later');
    $ls->good('sync', 'and once more');
    is(history($ls, $ids[0]), 'closed, open', 'it was taken back and pushed anew');
    isnt($ls->task($ids[0])->{meta}{external_id}, $before, 'as another task');
    $ls->converged('skipped');
};

odd 'tasks of their own', {}, sub {
    my ($ls, $stub) = @_;
    several($ls, 2);
    my $own = $stub->import_tasks($stub->projects->[0]{id}, [
        { data => { map { $_ => 'their own' } qw(text header context intent_options entity_labels) } },
        { data => { text => 'their own' }, meta => { external_id => 'theirs', conversation => '1' } },
        { data => { text => 'their own' }, meta => { external_id => 7, conversation => '99@1' } },
        { data => { text => 'their own' } },
    ]);
    $ls->good('sync', 'beside tasks of their own');
    $stub->annotate($own->[3], result => result(verdict => 'reject'));
    $ls->good('sync', 'one of theirs annotated');
    $ls->good('sync', 'once more');
    my %there = map { $_->{id} => 1 } @{ $stub->tasks };
    is_deeply([ map { $there{$_} } @$own ], [ 1, 1, 1, 1 ], 'theirs are left alone');
    is($ls->sql('SELECT count(*) FROM labelstudio_tasks'), 2, 'and not ours');
};

#-----------------------------------------------------------------------------------------------------------------------
# Projects and locks.

odd 'a project retired during a run', { project => undef }, sub {
    my ($ls, $stub) = @_;
    my ($food, $parcel) = map { $ls->sql("SELECT labelstudio_create_project('Project $_', '$_')") } qw(food parcel);
    $ls->converse('for food', nlu_module_type => 'food');
    my @ids = several($ls, 3, nlu_module_type => 'parcel');
    $stub->fault('delay', path => qr{/import$}, seconds => 2);
    my $sync = $ls->start('CALL labelstudio_sync()');
    ok($stub->wait_for_requests(fault => 'delay'), 'the import into the first project hangs');
    $ls->sql("SELECT labelstudio_retire_project($parcel)");
    ok($sync->{run}->finish, 'the second one is retired') or diag $sync->{err};
    is($sync->{err}, '', 'the run goes through');
    is($ls->sql("SELECT count(*) FROM labelstudio_tasks WHERE project = $parcel AND status IN ('claimed', 'open',
        'skipped', 'refused')"), 0, 'nothing goes there');
    is($ls->sql('SELECT string_agg(conversation_log_id::text, \' \') FROM claim_reviews(10)'), "@ids",
        'its conversations can be claimed in SQL');
    $ls->sql('SELECT release_reviews()');

    # While its own import is under way.
    is($ls->sql("SELECT labelstudio_create_project('Project parcel', 'parcel')"), $parcel, 'taken up again');
    $stub->clear_requests;
    $stub->fault('delay', path => qr{/import$}, seconds => 2);
    $sync = $ls->start('CALL labelstudio_sync()');
    ok($stub->wait_for_requests(fault => 'delay', seconds => 10), 'its own import hangs');
    $ls->sql("SELECT labelstudio_retire_project($parcel)");
    ok($sync->{run}->finish, 'and it is retired meanwhile') or diag $sync->{err};
    is($sync->{err}, '', 'the run goes through');
    is($ls->sql('SELECT count(*) FROM claim_reviews(10)'), 3, 'its conversations can be claimed in SQL');
};

odd 'another server whose numbers begin anew', { project => "'Food', 'food'" }, sub {
    my ($ls, $stub) = @_;
    $ls->converse('for food', nlu_module_type => 'food');
    $ls->good('sync', 'a task in the first server');
    my $retired = $ls->sql("SELECT id FROM labelstudio_projects WHERE is_active");
    $ls->sql("SELECT labelstudio_retire_project($retired)");
    $stub->stop;
    $ls->{stub} = TW::LabelStudioStub->start(token => TW::LabelStudioTest::TOKEN);
    $ls->sql("ALTER SERVER label_studio OPTIONS (SET url '@{[ $ls->stub->url ]}')");
    my $new = $ls->sql("SELECT labelstudio_create_project('Parcels', 'parcel', max_open_tasks => 7)");
    is($ls->sql("SELECT concat_ws(' ', project_id, title, module_type, max_open_tasks, is_active)
        FROM labelstudio_projects WHERE id = $new"),
        '1 Parcels parcel 7 t', 'a project of the new server is what was asked for');
    my $id = $ls->converse('for parcels', nlu_module_type => 'parcel');
    $ls->good('sync', 'a task in the second server');
    $ls->annotate($id, verdict => 'reject');
    $ls->good('sync', 'annotated');
    is($ls->state_of($id), 'rejected', 'counts');
};

odd 'a project that takes long to make', {}, sub {
    my ($ls, $stub) = @_;
    my ($pushed, $here) = several($ls, 2);
    $stub->fault('delay', path => qr{^/api/projects/$}, method => 'GET', seconds => 5);
    my $create = $ls->start("SELECT labelstudio_create_project('Slow', 'slow')");
    ok($stub->wait_for_requests(fault => 'delay'), 'a project is looked for, which takes long');
    $ls->good('sync', 'a sync of another project meanwhile');
    $ls->sql("SELECT approve_conversation($here)");
    is($ls->sql("SELECT count(*) FROM pg_stat_activity WHERE datname = '$ls->{database}' AND state = 'active'
        AND query LIKE 'SELECT labelstudio_create%'"),
        1, 'and a verdict have waited for nothing');
    ok($create->{run}->finish, 'the project is made in the end') or diag $create->{err};
    is(scalar $ls->tasks($pushed), 1, 'the sync has pushed');
};

odd 'a CALL inside a transaction', {}, sub {
    my ($ls) = @_;
    my %caught = (
        'inside a block with EXCEPTION' => [
            q{DO $$ BEGIN CALL labelstudio_sync(); EXCEPTION WHEN OTHERS THEN RAISE NOTICE '%: ERROR:  %: %',
                'caught', SQLSTATE, SQLERRM; END $$} ],
        'after SAVEPOINT' => [ 'BEGIN', 'SAVEPOINT s', 'CALL labelstudio_sync()', 'ROLLBACK TO SAVEPOINT s' ],
        'after BEGIN'     => [ 'BEGIN', 'CALL labelstudio_sync()' ],
        'in a function' =>
            [ 'CREATE FUNCTION pg_temp.f() RETURNS void LANGUAGE plpgsql AS $$ BEGIN CALL labelstudio_sync(); END $$',
            'SELECT pg_temp.f()' ],
    );
    for my $where (sort keys %caught) {
        my $session = session($ls, '-v', 'VERBOSITY=verbose');
        $session->query($_) for @{ $caught{$where} };
        like($session->{stderr}, qr/ERROR:  (?:25001|2D000): \S/, "$where: a clear error");
        my $id = $ls->converse($where);
        $ls->good('sync', "$where: another session syncs");
        is(scalar $ls->tasks($id), 1, "$where: with effect");
        $session->query('ROLLBACK');
        $session->{stderr} = '';
        $session->query('CALL labelstudio_sync()');
        is($session->{stderr}, '', "$where: and so does this one, on its own");
        $session->quit;
    }
};

odd 'locks of somebody who may do nothing', {}, sub {
    my ($ls) = @_;
    $node->safe_psql('postgres', 'CREATE ROLE nobody LOGIN');
    my $oid     = $ls->sql("SELECT 'conversation_logs'::regclass::oid");
    my $session = session($ls, '-U', 'nobody');
    for my $number (1 .. 5) {
        $session->query("SELECT pg_advisory_lock($oid, $number), pg_advisory_lock((${oid}::bigint << 32) | $number),
            pg_advisory_lock($number)");
    }
    is($session->query("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()"), 15,
        'a role without any grant holds locks');
    my $id = $ls->converse('beside locks');
    $ls->good('sync', 'a sync beside them');
    is(scalar $ls->tasks($id), 1, 'does its work');
    $session->quit;
};

$node->stop;
done_testing();
