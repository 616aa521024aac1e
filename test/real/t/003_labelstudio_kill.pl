# 003_labelstudio_kill.pl - whatever ends a push, and wherever it ends, Label Studio then has each conversation once.
#
# A proxy stops the push at a chosen point, so that it can be killed there,
# and the real server keeps what has reached it.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TW::Chats;
use TW::Database;
use TW::LabelStudio;
use TW::Proxy;
use TW::Util;

use constant {
    DATABASE => 'killed',
    EACH     => 20,
    PATIENCE => $PostgreSQL::Test::Utils::timeout_default
};

my $admin = TW::LabelStudio->from_environment;
my $node  = start_node('main', conf => "restart_after_crash = on\n");
my $proxy = TW::Proxy->start($ENV{LABEL_STUDIO_URL});
create_database($node, DATABASE);
in_database($node, DATABASE);

my $url = $proxy->url;
sql(<<"SQL");
    CREATE SERVER ls FOREIGN DATA WRAPPER training_workflow_labelstudio OPTIONS (url '$url', import_timeout '600');
    CREATE USER MAPPING FOR PUBLIC SERVER ls OPTIONS (token '$ENV{LABEL_STUDIO_LEGACY_TOKEN}');
    SELECT labelstudio_create_project('Killed', max_open_tasks => 10000);
    SELECT set_training_setting('second_opinion_rate', '0');
SQL
my $project = sql('SELECT project_id FROM labelstudio_projects');

my $claimed = q{SELECT count(*) FROM labelstudio_tasks WHERE status = 'claimed'};
my $last    = 0;

sub capture_more {
    capture($node, DATABASE, conversations($last + 1, $last + EACH));
    $last += EACH;
    return;
}

# A run of its own; what it said is in out and err.
sub start_sync {
    my %client = (out => '', err => '');
    my $connection = $node->connstr(DATABASE);
    $client{run} = IPC::Run::start([ 'psql', '-XAtq', '-d', $connection, '-c', 'CALL labelstudio_sync()' ],
        '<', \undef, '>', \$client{out}, '2>', \$client{err}, IPC::Run::timeout(PATIENCE));
    return \%client;
}

sub sync_pid {
    return sql(q{SELECT pid FROM pg_stat_activity WHERE query = 'CALL labelstudio_sync()' AND state = 'active'});
}

sub is_back {
    my ($name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    ok($node->poll_query_until(DATABASE, 'SELECT NOT pg_is_in_recovery()'), "$name: PostgreSQL is there");
    return;
}

# A batch of which nothing is to be seen is given up once its import has had the time that the server's option says.
sub next_run_after_import_timeout {
    my ($name) = @_;
    sql(q{ALTER SERVER ls OPTIONS (SET import_timeout '2')});
    $node->poll_query_until(DATABASE,
        q{SELECT NOT EXISTS (SELECT FROM labelstudio_tasks
                             WHERE status = 'claimed' AND claimed_at > clock_timestamp() - interval '2 s')});
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    call($node, DATABASE, 'labelstudio_sync', $name);
    sql(q{ALTER SERVER ls OPTIONS (SET import_timeout '600')});
    return;
}

# Each conversation is over there once, and where the outbox says it is; asked of the server itself.
sub exactly_once {
    my ($name) = @_;
    my %there = map { $_->{id} => $_->{meta}{external_id} } $admin->tasks($project, include => 'id,meta');
    my @rows  = rows($node, DATABASE, 'SELECT * FROM labelstudio_tasks');
    my %here  = map { $_->{task_id} // "no number $_->{id}" => $_->{external_id} } @rows;
    my %once  = map { $_->{conversation_log_id} => 1 } @rows;

    local $Test::Builder::Level = $Test::Builder::Level + 1;
    is_deeply(\%there, \%here, "$name: the tasks over there are those of the outbox");
    is_deeply([ scalar keys %once, scalar @rows ], [ $last, $last ], "$name: each conversation is in it once");
    is(sql(q{SELECT string_agg(DISTINCT status, ' ') FROM labelstudio_tasks}), 'open', "$name: none is uncertain");
    return;
}

# The points at which a push can end, and whether Label Studio then has the batch.
my $import  = '^POST /api/projects/\d+/import';
my $look_up = '^GET /api/tasks/.*data\.batch_id';
my @points  = (
    [ 'before a byte of the import has left',         0, before   => $import ],
    [ 'in the middle of the import',                  0, half     => $import ],
    [ 'when the import is done, before its answer',   1, answered => $import ],
    [ 'in the middle of the answer',                  1, part     => $import ],
    [ 'after the answer, before the look-up',         1, before   => $look_up ],
    [ 'in the middle of what the look-up answers',    1, part     => $look_up ],
    [ 'after the look-up, before the commit',         1, answered => $import, 'lock' ]
);
my %ends = (
    'kill -9' => sub {
        my ($pid) = @_;
        kill 9, $pid;
    },
    'pg_terminate_backend' => sub {
        my ($pid) = @_;
        sql("SELECT pg_terminate_backend($pid)");
    },
    'immediate restart' => sub {
        $node->stop('immediate');
        $node->start;
    }
);

# Another session has the row of the run, which every step writes to at
# its end: the look-up is done, nothing is committed.
sub wait_at_lock {
    my ($pid) = @_;
    my $other = $node->background_psql(DATABASE, on_error_stop => 0);
    $other->query_safe(q{BEGIN; SELECT FROM job_runs WHERE status = 'running' FOR UPDATE});
    my $looked_up = $proxy->seen($look_up);
    $proxy->release;
    ok($node->poll_query_until(DATABASE, "SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = $pid"),
        'the run waits for a lock');
    is($proxy->seen($look_up), $looked_up + 1, 'after it has looked the batch up');
    return $other;
}

for my $end (sort keys %ends) {
    for (@points) {
        my ($where, $is_there, $stop, $which, $lock) = @$_;
        my $name = "$end, $where";
        capture_more();
        $proxy->hold($stop, $which);
        my $client = start_sync();
        ok($proxy->wait_held, "$name: the run is there") or die 'there is nothing to kill';
        my $pid   = sync_pid();
        my $other = $lock ? wait_at_lock($pid) : undef;
        is(sql($claimed), EACH, 'with its conversations claimed');
        is(scalar($admin->tasks($project, include => 'id')), $last - ($is_there ? 0 : EACH),
            'what the server has of them');

        $ends{$end}->($pid);
        ok(!$client->{run}->finish, 'it is over') or diag $client->{out}, $client->{err};
        is_back($name);
        eval { $other->quit } if $other;
        ok($proxy->wait_dropped, 'and so is its request');
        $proxy->release;

        # What it left is looked up first. What is not there may still be on its way.
        my $imports = $proxy->seen($import);
        call($node, DATABASE, 'labelstudio_sync', "$name: the next run");
        is(sql(q{SELECT status, error_code FROM job_runs WHERE status <> 'succeeded' ORDER BY id DESC LIMIT 1}),
            'failed|57P01', 'writes down that the one before was cut off');
        is($proxy->seen($import), $imports, 'and sends nothing again');
        if (!$is_there) {
            is(sql($claimed), EACH, 'as it waits for what may come late');
            next_run_after_import_timeout('until import_timeout is over');
        }
        exactly_once($name);
    }
}

#-----------------------------------------------------------------------------------------------------------------------
# An import that was given up and comes late after all: the network had kept it.

sub run_outcome {
    return sql(q{SELECT status, error_code FROM job_runs ORDER BY id DESC LIMIT 1});
}

capture_more();
$proxy->keep;
$proxy->hold(before => $import);
my $client = start_sync();
ok($proxy->wait_held, 'late: a run is there');
kill 9, sync_pid();
ok(!$client->{run}->finish, 'it is over');
is_back('late');
ok($proxy->wait_dropped, 'and so is its connection, but not what it had sent');
next_run_after_import_timeout('another run gives it up and sends the conversations again');
exactly_once('late: before it comes');
my %known = map { $_->{external_id} => 1 } rows($node, DATABASE, 'SELECT external_id FROM labelstudio_tasks');
$proxy->release;

sub tasks_there { return $admin->tasks($project, include => 'id,meta') }
for (1 .. 10 * PATIENCE) {
    last if tasks_there() == $last + EACH;
    select undef, undef, undef, 0.1;
}
is(scalar(my @both = tasks_there()), $last + EACH, 'then it comes: the server has them twice');

# Somebody is quick to work on one of those.
my ($late) = grep { !$known{ $_->{meta}{external_id} } } @both;
my ($conversation) = $late->{meta}{conversation} =~ /^(\d+)@/;
$admin->annotate($late->{id}, verdict => 'reject');
for my $run ('the next run', 'one more') {
    call($node, DATABASE, 'labelstudio_sync', $run);
    is(
        sql("SELECT review_status, (SELECT count(*) FROM review_events WHERE conversation_log_id = c.id)
             FROM conversation_logs c WHERE id = $conversation"
        ),
        'rejected|1',
        'a verdict that was given to one counts, once'
    );
}
my @left = tasks_there();
my %once = map { $_->{meta}{conversation} => 1 } @left;
is_deeply([ scalar keys %once, scalar @left ], [ $last, $last ], 'and the server has each conversation once');
my @rows =
    rows($node, DATABASE, q{SELECT task_id FROM labelstudio_tasks WHERE status IN ('open', 'done') ORDER BY task_id});
is_deeply([ map { $_->{task_id} } @rows ], [ sort { $a <=> $b } map { $_->{id} } @left ],
    'which is what the outbox says');

#-----------------------------------------------------------------------------------------------------------------------
# Label Studio cannot be reached for a while.

capture_more();
$proxy->refuse;
for my $try (1, 2) {
    my ($status, $out, $err) = $node->psql(DATABASE, 'CALL labelstudio_sync()');
    is($status, 0, "unreachable: run $try ends");
    like($err, qr/^psql:.*WARNING:  could not connect to server "ls"/, 'with a warning');
    is(run_outcome(), 'failed|08001', 'it is written down');
}
is(sql('SELECT state, last_error IS NOT NULL, advice IS NOT NULL FROM labelstudio_check()'),
    'unreachable|t|t', 'labelstudio_check() says so');
is(sql('SELECT last_error_code FROM labelstudio_projects'), '08001', 'and the project');
$proxy->accept;
call($node, DATABASE, 'labelstudio_sync', 'when it is back, a run');
is(run_outcome(), 'succeeded|', 'goes through');
is(sql('SELECT state, last_error, open_tasks, uncertain_tasks, backlog FROM labelstudio_check()'),
    "ok||@{[ $last - 1 ]}|0|0", 'labelstudio_check() says that, too');
is(scalar(tasks_there()), $last, 'all conversations are there');

# And refuses connections from one moment to the next, after a batch was claimed.
capture_more();
$proxy->hold(before => $import);
$client = start_sync();
ok($proxy->wait_held, 'broken off: a run is there');
$proxy->refuse;
ok($client->{run}->finish, 'it ends');
like($client->{err}, qr/WARNING:  the connection to server "ls" broke/, 'with a warning');
is(run_outcome(), 'failed|08006', 'it is written down');
$proxy->accept;
call($node, DATABASE, 'labelstudio_sync', 'the next run');
is(sql($claimed), EACH, 'does not know yet what became of it');
next_run_after_import_timeout('one after import_timeout sends it again');
is(scalar(tasks_there()), $last, 'all conversations are there');
is(sql(q{SELECT count(DISTINCT conversation_log_id), count(*) FROM labelstudio_tasks WHERE status IN ('open', 'done')}),
    "$last|$last", 'each of them once');
integrity_is_empty($node, DATABASE, 'at the end');

$proxy->stop;
$node->stop;
done_testing();
