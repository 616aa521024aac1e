# 037_erased_tasks.pl - tasks of erased rows are deleted in Label Studio: whatever breaks between here and there, they
# are gone in the end, and nobody else's task is.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);
use TW::LabelStudioTest;
use TW::Util;

my $node = start_node('main');
my $ls   = TW::LabelStudioTest->new($node, 'erased',
    server => { connect_timeout => 1, timeout => 0.6, import_timeout => 0.8 });
my $stub = $ls->stub;
my $own  = $ls->sql("SELECT labelstudio_create_project('Erased', max_open_tasks => 10000)");
my $there = $ls->sql('SELECT project_id FROM labelstudio_projects');

sub erasure {
    my ($mode) = @_;
    return $ls->sql("INSERT INTO erasures (kind, mode, reason, requested_by, key_salt, key_hashes)
        VALUES ('person', '$mode', 'test', 'test', '\\x00', '{}') RETURNING id");
}

sub erase {
    my ($mode, @ids) = @_;
    my $what = $mode eq 'erase' ? 'tw_erase_conversations' : 'tw_anonymise_conversations';
    return $ls->sql("SELECT $what(@{[ erasure($mode) ]}, '{" . join(',', @ids) . "}')");
}
sub waiting { return $ls->sql('SELECT count(*) FROM labelstudio_erasures WHERE deleted_at IS NULL') }
sub said_of { return $ls->sql("SELECT coalesce(string_agg(DISTINCT $_[0]\::text, ' '), '-') FROM labelstudio_erasures
    WHERE deleted_at IS NULL") }

# Until none waits; a sync that fails is called again.
sub gone {
    my ($name, @ids) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    $stub->heal;
    for (1 .. 100) {
        $node->psql('erased', 'CALL labelstudio_sync()');
        last if waiting() eq '0' && !$stub->pending;
        sleep 0.1;
    }
    is(waiting(), 0, "$name: no deletion waits");
    is(scalar(map { $ls->tasks($_) } @ids), 0, "$name: nothing of it is over there");
    return;
}

# Tasks that were worked on are deleted as well; no answer becomes a verdict; the others stay.
for my $mode (qw(erase anonymise)) {
    my @ids = $ls->add(5);
    $ls->good('sync', "$mode: pushed");
    my $annotated = $ls->annotate($ids[0], verdict => 'approve', note => MARK);
    $ls->good('sync', "$mode: a verdict was read");
    $ls->annotate($ids[1], verdict => 'fix', intent => 'intent.x.y');
    $ls->annotate($ids[2], was_cancelled => 1);
    my $verdicts = $ls->sql("SELECT count(*) FROM review_events WHERE action IN ('approve', 'fix', 'reject')");
    erase($mode, @ids[ 0 .. 3 ]);
    my $left = $ls->sql("SELECT count(*) FROM review_events WHERE action IN ('approve', 'fix', 'reject')");
    is($ls->check->{erasures_waiting}, 4, "$mode: labelstudio_check() counts them");
    like($ls->check->{erasures_since}, qr/^\d{4}-/, "$mode: and says since when");
    $ls->good($mode eq 'erase' ? 'push' : 'pull', "$mode: one run deletes them");
    is(waiting(), 0, "$mode: no deletion waits");
    is(scalar(map { $ls->tasks($_) } @ids[ 0 .. 3 ]), 0, "$mode: the tasks are gone, annotated or not");
    is(scalar($ls->tasks($ids[4])), 1, "$mode: the other's is not");
    $ls->good('sync', "$mode: another sync");
    is($ls->sql("SELECT count(*) FROM review_events WHERE action IN ('approve', 'fix', 'reject')"), $left,
        "$mode: no answer became a verdict ($verdicts before)");
    is($ls->check->{erasures_waiting}, 0, "$mode: labelstudio_check() is content");
}

# An answer that comes while the deletion waits.
for my $mode (qw(erase anonymise)) {
    my ($id) = $ls->add(1);
    $ls->good('sync', "$mode, answered: pushed");
    my $task = $ls->task($id);
    erase($mode, $id);
    $stub->fault('error_500', %{ SITE->{delete} }, count => 'always');
    $ls->call('sync', "$mode, answered: a sync that cannot delete");
    is(waiting(), 1, "$mode, answered: it waits");
    is(said_of('last_error_code'), '08006', "$mode, answered: with its error");
    is(said_of('attempts'), 1, "$mode, answered: and attempts");
    $stub->annotate($task->{id}, completed_by => 1, result => result(verdict => 'approve'));
    $stub->heal;
    $stub->fault('error_500', %{ SITE->{delete} });
    $ls->call('sync', "$mode, answered: an answer comes");
    $ls->sql("UPDATE labelstudio_erasures SET deleted_at = clock_timestamp() WHERE deleted_at IS NULL");
    $ls->good('sync', "$mode, answered: an answer to a task that counted as gone is no error");
    is(waiting(), 1, "$mode, answered: its deletion is asked for again");
    is($ls->sql("SELECT count(*) FROM review_events WHERE conversation_log_id = $id AND action = 'approve'"), 0,
        "$mode, answered: no verdict");
    is($ls->sql("SELECT count(*) FROM labelstudio_tasks WHERE conversation_log_id = $id"), 0,
        "$mode, answered: no task of it here");
    gone("$mode, answered", $id);
}

# Whatever breaks.
my @faults = (
    [ 'delete', 'error_500', {}, '08006' ], [ 'delete', 'lose_reply', {}, '08006' ], [ 'delete', 'hang', {}, '08006' ],
    [ 'delete', 'reply', { status => 404, body => '{}' }, undef ],
    [ 'delete', 'reply', { status => 204, body => '' }, '08P01' ],
    [ 'delete', 'unauthorized', { count => 'always' }, '28000' ],
    [ 'look', 'hang', {}, '08006' ], [ 'look', 'error_500', {}, '08006' ], [ 'look', 'truncated_json', {}, '08P01' ],
    [ 'lookup', 'hang', {}, '08006' ], [ 'lookup', 'error_500', {}, '08006' ],
    [ 'lookup', 'reply', { body => '[]' }, '08P01' ]
);
for (@faults) {
    my ($where, $fault, $args, $code) = @$_;
    my $name = "$where: $fault" . join('', map { ", $_ $args->{$_}" } sort keys %$args);
    my @ids  = $ls->add(3);
    $ls->good('sync', "$name: pushed");
    erase('erase', @ids);
    my $number = $stub->fault($fault, %{ SITE->{$where} }, %$args);
    my $said   = $ls->call('push', $name);
    my ($armed) = grep { $_->{id} == $number } @{ $stub->faults };
    cmp_ok($armed->{fired}, '>', 0, "$name: the fault came to pass");
    if (defined $code) {
        $ls->run_is($code, $name);
        cmp_ok(waiting(), '>', 0, "$name: it waits");
        is(said_of('last_error_code'), $code, "$name: with its error");
        is($ls->check->{state}, 'failing', "$name: labelstudio_check() says failing");
    }
    unlike($said, qr/@{[ MARK ]}/, "$name: nothing of it is said");
    gone($name, @ids);
}

# One that cannot be deleted keeps no other waiting.
{
    my @ids = $ls->add(4);
    $ls->good('sync', 'a stubborn one: pushed');
    my $stubborn = $ls->task($ids[0])->{id};
    erase('erase', @ids);
    $stub->fault('error_500', method => 'DELETE', path => qr{/api/tasks/$stubborn/}, count => 'always');
    $ls->call('sync', "a stubborn one: sync $_") for 1 .. 5;
    is(waiting(), 1, 'a stubborn one: it waits alone');
    is(said_of('task_id'), $stubborn, 'a stubborn one: that one');
    gone('a stubborn one', @ids);
}

# The number belongs to another task by now: that one stays.
{
    my ($id) = $ls->add(1);
    $ls->good('sync', 'a reused number: pushed');
    my $number = $ls->task($id)->{id};
    $stub->delete_task($number);
    my ($other) = @{ $stub->import_tasks($there, [ { data => { text => 'of others' }, meta => {} } ]) };
    erase('erase', $id);
    $ls->sql("UPDATE labelstudio_erasures SET task_id = $other WHERE deleted_at IS NULL");
    $ls->good('sync', 'a reused number: a sync');
    is(waiting(), 0, 'a reused number: no deletion waits');
    is(scalar(grep { $_->{id} == $other } @{ $stub->tasks }), 1, "a reused number: the other's task stays");
    $stub->delete_task($other);
}

# Tasks in flight: the import comes after the erasure. Twice, as an import that is repeated does.
for my $fault ([ 'slow_commit', { seconds => 0.5 } ], [ 'duplicate_import', {} ], [ 'hang', { done => 1 } ],
    [ 'hang', {} ]) {
    my ($fault, $args) = @$fault;
    my $name = "in flight: $fault" . join('', map { ", $_ $args->{$_}" } sort keys %$args);
    my @ids  = $ls->add(2);
    $stub->fault($fault, %{ SITE->{import} }, %$args);
    $ls->call('push', $name);
    erase('erase', @ids);
    cmp_ok(waiting(), '>=', 2, "$name: they wait");
    gone($name, @ids);
}

# Label Studio is down for days: nothing is lost, and everybody says so.
{
    my @ids = $ls->add(2);
    $ls->good('sync', 'down: pushed');
    $stub->fault('refuse');
    erase('erase', @ids);
    is($ls->sql("SELECT count(*) FROM conversation_logs WHERE id IN ($ids[0], $ids[1])"), 0, 'down: gone here');
    $ls->call('sync', "down: sync $_") for 1 .. 3;
    is(said_of('attempts'), 3, 'down: every attempt counts');
    $ls->sql("UPDATE labelstudio_erasures SET asked_at = asked_at - interval '7 days' WHERE deleted_at IS NULL");
    is($ls->check->{erasures_waiting}, 2, 'down: labelstudio_check() counts them');
    like($ls->sql("SELECT advice FROM job_health WHERE job_name = 'labelstudio_sync'"),
        qr/2 tasks of erased rows wait for their deletion there since \d{4}-/, 'down: job_health says so');
    like($ls->sql('SELECT training_workflow_status()'),
        qr/^erasure    2 tasks of erased rows wait for their deletion in Label Studio since \d{4}-/m,
            'down: training_workflow_status() says so');
    like($ls->sql("SELECT string_agg(problem, '; ') FROM check_integrity()"),
        qr/task of an erased row that is still in Label Studio/, 'down: and so does check_integrity()');
    gone('down', @ids);
}

# A retired project: its tasks are deleted all the same. One that is gone over there, and a server that is gone here.
{
    my $second = $ls->sql("SELECT labelstudio_create_project('Second', 'second')");
    my $number = $ls->sql("SELECT project_id FROM labelstudio_projects WHERE id = $second");
    my @ids = map { $ls->converse("second @{[ MARK ]} $_", nlu_module_type => 'second') } 1 .. 3;
    $ls->good('sync', 'retired: pushed');
    $ls->sql("SELECT labelstudio_retire_project($second)");
    erase('erase', $ids[0]);
    $ls->good('sync', 'retired: a sync');
    is(waiting(), 0, 'retired: no deletion waits');
    is(scalar($ls->tasks($ids[0])), 0, 'retired: the task is gone');
    is(scalar(grep { $_->{project} == $number } map { $ls->tasks($_) } @ids[ 1, 2 ]), 2, 'retired: others are not');
    erase('erase', $ids[1]);
    $stub->delete_project($number);
    $ls->call('sync', 'retired and deleted there: a sync');
    $ls->run_is('42704', 'retired and deleted there');
    like($ls->check->{advice}, qr/labelstudio_confirm_deleted/, 'retired and deleted there: the way out');
    like($ls->sql("SELECT string_agg(problem || hint, '; ') FROM check_integrity()"),
        qr/still in Label Studio.*labelstudio_confirm_deleted/, 'retired and deleted there: check_integrity() has it');
    is($ls->sql("SELECT labelstudio_confirm_deleted($second)"), 1, 'retired and deleted there: confirmed');
    is($ls->sql("SELECT count(*) FROM labelstudio_erasures WHERE confirmed_by IS NOT NULL"), 1, 'and who did is known');
    sqlstate_is($node, 'erased', "SELECT labelstudio_confirm_deleted($second)", 'P0002', 'once is enough');
    $ls->good('sync', 'retired and deleted there: a sync after that');
    erase('erase', $ids[2]);
    $ls->sql("UPDATE labelstudio_projects SET server_name = 'dropped' WHERE id = $second");
    is($ls->sql("SELECT state || erasures_waiting FROM labelstudio_check() WHERE server_name = 'dropped'"),
        'no server1', 'a server that is gone: labelstudio_check() says so');
    like($ls->sql("SELECT string_agg(problem || hint, '; ') FROM check_integrity()"),
        qr/server is gone.*labelstudio_confirm_deleted/, 'a server that is gone: so does check_integrity()');
    $ls->sql("SELECT labelstudio_confirm_deleted($second)");
    $ls->sql("UPDATE labelstudio_projects SET server_name = 'label_studio' WHERE id = $second");
}

# A restored copy asks nobody for anything.
{
    my ($id) = $ls->add(1);
    $ls->good('sync', 'a copy: pushed');
    erase('erase', $id);
    $ls->sql("UPDATE training_settings SET value = '1:1' WHERE name = 'installation'");
    $ls->call('sync', 'a copy: a sync');
    is(waiting(), 1, 'a copy: the deletion waits');
    is(scalar($ls->tasks($id)), 1, 'a copy: the task of the other installation stays');
    $ls->sql('SELECT adopt_installation()');
    gone('a copy that has taken over', $id);
}

integrity_is_empty($node, 'erased', 'erased');
$node->stop;
done_testing();
