# 014_labelstudio_faults.pl - whatever breaks between here and Label Studio: nothing is lost, nothing is doubled, the
# error can be seen and gives nothing away, and the next run puts everything right.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use JSON::PP ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);
use TW::LabelStudioTest;
use TW::Util;

my $node = start_node('main', conf => "restart_after_crash = on\n");
my $said = '';    # everything that anybody was told, beside what the table of faults has checked

my %short = (connect_timeout => 1, timeout => 0.6, import_timeout => 0.8);
my $ls    = TW::LabelStudioTest->new($node, 'faults', server => \%short);
my $stub  = $ls->stub;
$ls->sql("SELECT labelstudio_create_project('Faults', max_open_tasks => 10000)");

#-----------------------------------------------------------------------------------------------------------------------
# Every fault, wherever it can strike. After each: the SQLSTATE, or nothing where the run is not to notice.

$ls->good('sync', 'nothing is wrong yet');
$ls->add(3);
$ls->good('sync', 'a first sync');
$ls->converged('at first');

my @everywhere = (
    [ 'hang',                  {},                                              '08006' ],
    [ 'refuse',                {},                                              '08006' ],
    [ 'drip',                  {},                                              '08006' ],
    [ 'close_before_reply',    {},                                              '08006' ],
    [ 'lose_reply',            {},                                              '08006' ],
    [ 'close_in_the_middle',   {},                                              '08006' ],
    [ 'error_500',             {},                                              '08006' ],
    [ 'truncated_json',        {},                                              '08P01' ],
    [ 'redirect',              { location => 'http://127.0.0.1:1/' },           '08P01' ],
    [ 'unauthorized',          {},                                              '28000' ],
    [ 'deep_json',             {},                                              '08P01' ],
    [ 'wrong_content_length',  { by => -10 },                                   '08P01' ],
    [ 'reply',                 { body => '[]' },                                '08P01' ],
    [ 'reply',                 { body => '{"tasks": [{"id": "' . MARK . '"}]}' }, '08P01' ],
    [ 'reply',                 { body => MARK },                                '08P01' ],
);
my @imports = (
    [ 'hang',             { done => 1 },                        '08006' ],
    [ 'drip',             { part => 'headers' },                '08006' ],
    [ 'close_before_reply', { reset => 1 },                     '08006' ],
    [ 'bad_gateway',      { count => 'always' },                '08006' ],
    [ 'wrong_content_length', {},                               '08006' ],
    [ 'error_500_after',  {},                                   '08006' ],
    [ 'bad_gateway',      { done => 1 },                        '08006' ],
    [ 'huge_body',        { done => 1 },                        '54000' ],
    [ 'huge_body',        { chunked => 1 },                     '54000' ],
    [ 'redirect',         { done => 1, status => 307 },         '08P01' ],
    [ 'not_found_page',   {},                                   '42704' ],
    [ 'reply',            { status => 408, body => '', done => 1 }, '08P01' ],
    [ 'reply',            { status => 429, body => '' },        '08P01' ],
    [ 'wrong_ids',        { how => 'foreign' } ],
    [ 'wrong_ids',        { how => 'reversed' } ],
    [ 'wrong_ids',        { how => 'duplicated' } ],
    [ 'wrong_ids',        { how => 'strings' } ],
    [ 'wrong_ids',        { ids => [] } ],
    [ 'too_few_ids',      {} ],
    [ 'too_few_ids',      { drop => 'all' } ],
    [ 'duplicate_import', {} ],
    [ 'duplicate_import', { reply_last => 1 } ],
    [ 'slow_commit',      { seconds => 0.3 },                   '08006' ],
    [ 'slow_commit',      { seconds => 1.8 },                   '08006' ],
    [ 'slow_commit',      { seconds => 1.8, bad_gateway => 1 }, '08006' ],
    [ 'slow_commit',      { seconds => 1.8, count => 2 },       '08006' ],
);
my @lists = (
    [ 'lookup', 'huge_body',      {},                                     '54000' ],
    [ 'lookup', 'not_found_page', {},                                     '08P01' ],
    [ 'lookup', 'null_bytes',     {} ],
    [ 'pull',   'huge_body',      {} ],
    [ 'pull',   'huge_body',      { count => 'always' },                  '54000' ],
    [ 'pull',   'not_found_page', {} ],
    [ 'pull',   'null_bytes',     {} ],
    [ 'pull',   'bad_gateway',    { count => 2 } ],
    [ 'pull',   'bad_gateway',    { count => 'always' },                  '08006' ],
    [ 'pull',   'drip',           { part => 'headers' },                  '08006' ],
    [ 'pull',   'wrong_content_length', {},                               '08006' ],
    [ 'sweep',  'close_before_reply', { reset => 1 },                     '08006' ],
    [ 'sweep',  'huge_body',      { chunked => 1 },                       '54000' ],
    [ 'sweep',  'not_found_page', {} ],
    [ 'sweep',  'null_bytes',     {} ],
    [ 'sweep',  'reply',          { status => 404, body => '{"detail": "No Project matches the given query."}' },
        '42704' ],
    [ 'look',   'hang',           {},                                     '08006' ],
    [ 'look',   'error_500',      {},                                     '08006' ],
    [ 'look',   'reply',          { body => '{}' } ],
    [ 'delete', 'lose_reply',     {},                                     '08006' ],
    [ 'delete', 'error_500',      {},                                     '08006' ],
    [ 'delete', 'hang',           {},                                     '08006' ],
    [ 'people', 'hang',           {},                                     '08006' ],
    [ 'people', 'error_500',      {},                                     '08006' ],
);
$said .= $ls->fault_at('at once', 'refuse',                {}, '08001');
$said .= $ls->fault_at('at once', 'hang_before_accepting', {}, '08006');
for my $where (qw(import lookup pull sweep)) {
    $said .= $ls->fault_at($where, @$_) for @everywhere;
}
$said .= $ls->fault_at('import', @$_) for @imports;
$said .= $ls->fault_at(@$_) for @lists;

# The look-up is repeated by a later run: one that fails again and again loses nothing.
{
    my $annotated = $ls->prepare;
    $stub->fault('error_500_after', %{ SITE->{import} });
    $stub->fault('error_500', %{ SITE->{lookup} }, count => 'always');
    for (1 .. 3) {
        $said .= $ls->call('sync', "lost look-ups $_");
        $ls->run_is('08006', "lost look-ups $_");
    }
    is($ls->check->{uncertain_tasks}, 3, 'lost look-ups: labelstudio_check() counts what is uncertain');
    $ls->heals('lost look-ups', $annotated);
}

# What no text of PostgreSQL can hold comes as what stands for it.
{
    my $annotated = $ls->prepare;
    $stub->fault('null_bytes', %{ SITE->{pull} });
    $ls->good('sync', 'NUL bytes in a note');
    is($ls->verdict_on($annotated),
        "approve | intent.food.item.search | @{[ MARK ]}\nx\x{FFFD}y\x{FFFD}z | admin\@example.test",
        'NUL bytes in a note: U+FFFD');
    $ls->heals('NUL bytes in a note', $annotated);
}

# A project is made once, whatever becomes of the answer.
for my $fault ([ 'lose_reply', '08006' ], [ 'error_500_after', '08006' ], [ 'truncated_json', '08P01' ],
    [ 'unauthorized', '28000' ], [ 'hang', '08006' ]) {
    my ($name, $code) = @$fault;
    $stub->fault($name, method => 'POST', path => qr{^/api/projects/$});
    $said .= sqlstate_is($node, 'faults', "SELECT labelstudio_create_project('For $name', '$name')", $code,
        "creating a project: $name");
    $stub->heal;
    my $own    = $ls->sql("SELECT labelstudio_create_project('For $name', '$name')");
    my $number = $ls->sql("SELECT project_id FROM labelstudio_projects WHERE id = $own");
    is_deeply([ map { $_->{id} } grep { $_->{title} eq "For $name" } @{ $stub->projects } ], [$number],
        "creating a project: $name: asked again, it is there once");
}

# A project that somebody deletes over there keeps no other waiting.
{
    my $annotated = $ls->prepare;
    my $there = $ls->sql("SELECT project_id FROM labelstudio_projects WHERE module_type = 'hang'");
    my $lost  = $ls->converse("in a project @{[ MARK ]}", nlu_module_type => 'hang');
    $ls->good('sync', 'before a project is deleted');
    $stub->delete_project($there);
    $ls->add(1);
    $said .= $ls->call('sync', 'a project is deleted');
    like($ls->run_is('42704', 'a project is deleted'), qr/404/, 'a project is deleted: and how');
    is($ls->sql("SELECT count(*) FROM labelstudio_projects WHERE is_active AND last_error IS NOT NULL"), 1,
        'a project is deleted: the error is its own');
    is($ls->sql("SELECT labelstudio_retire_project(id) FROM labelstudio_projects WHERE module_type = 'hang'"), 1,
        'a project is deleted: retired');
    $ls->heals('a project is deleted', $annotated);
    is($ls->task($lost)->{project}, $ls->sql('SELECT project_id FROM labelstudio_projects WHERE module_type IS NULL'),
        'a project is deleted: what waited there waits elsewhere');
}

#-----------------------------------------------------------------------------------------------------------------------
# Tasks that Label Studio does not take.

{
    my $annotated = $ls->prepare;
    my $odd = $ls->converse("an odd @{[ MARK ]}");
    $stub->refuse_items(text => 'an odd');
    $said .= $ls->call('sync', 'one refused');
    $ls->run_is(undef, 'one refused');
    is($ls->outbox($odd), 'refused 22023', 'one refused: so says the outbox');
    $ls->converged('one refused', $odd => 1);
    is($ls->check->{unusable_tasks}, 1, 'one refused: labelstudio_check() counts it');
    like($ls->check->{advice} // '', qr/refused/, 'one refused: and says where to look');
    is($ls->sql('SELECT conversation_log_id FROM claim_reviews(1)'), $odd, 'one refused: it can be reviewed in SQL');
    $ls->sql("SELECT reject_conversation($odd, 'unclear')");
    $stub->heal;
    $ls->good('sync', 'one refused: the next sync');
    is($ls->check->{unusable_tasks}, 0, 'one refused: judged here, it is not counted any more');
    is($ls->check->{advice}, undef, 'one refused: and all is well');
}
{
    my $annotated = $ls->prepare;
    my %odd = map { $ls->converse("an odd @{[ MARK ]}", nlu_confidence => 0.1) => 1 } 1 .. 6;
    $stub->refuse_items(text => 'an odd');
    $said .= $ls->call('sync', 'six of nine refused');
    $ls->run_is(undef, 'six of nine refused');
    $ls->converged('six of nine refused', %odd);
    $ls->sql("SELECT reject_conversations('{" . join(',', keys %odd) . "}', 'unclear')");
    $ls->heals('six of nine refused', $annotated);
}
for my $all ([ 'all named', sub { $stub->refuse_items(text => '.') } ],
    [ 'none named', sub { $stub->fault('reply', %{ SITE->{import} }, count => 'always', status => 400,
        body => '{"detail": "' . MARK . '"}') } ])
{
    my ($name, $break) = @$all;
    my $annotated = $ls->prepare;
    $ls->add(7);
    $break->();
    for (1 .. 2) {
        $said .= $ls->call('sync', "$name $_");
        like($ls->run_is('22023', "$name $_"), qr/labelling interface/, "$name $_: and what may be the cause");
    }
    $ls->heals($name, $annotated);
}
{
    my $annotated = $ls->prepare;
    $stub->fault('reply', %{ SITE->{import} }, status => 400, body => '{"detail": "try again"}');
    $said .= $ls->call('sync', 'once 400');
    $ls->run_is(undef, 'once 400');
    $ls->heals('once 400', $annotated);
}

#-----------------------------------------------------------------------------------------------------------------------
# Personal access tokens: what one renews is no error.

my $pat = TW::LabelStudioTest->new($node, 'pat', pat => 1, server => \%short);
my $valid = $pat->stub->pat;
$pat->sql("SELECT labelstudio_create_project('Faults')");
$pat->add(3);
$pat->good('sync', 'with a personal access token');
$said .= $pat->fault_at($_, 'unauthorized', {}) for grep { $_ ne 'exchange' } sort keys %{ +SITE };
$said .= $pat->fault_at($_, 'unauthorized', { count => 'always' }, '28000') for qw(import pull);
{
    my $session = $node->background_psql('pat');
    $session->query_safe('CALL labelstudio_sync()');
    my $annotated = $pat->prepare;
    $pat->stub->revoke_access;
    $session->query_safe('CALL labelstudio_sync()');
    $pat->run_is(undef, 'revoked access');
    $pat->heals('revoked access', $annotated);
    $session->quit;
}
$said .= $pat->fault_at('exchange', @$_)
    for [ 'hang', {}, '08006' ], [ 'error_500', {}, '08P01' ], [ 'truncated_json', {}, '08P01' ],
    [ 'reply', { body => '{"access": "a\r\nX: y"}' }, '08P01' ], [ 'huge_body', { count => 'always' }, '54000' ],
        [ 'bad_gateway', { count => 2 } ],
    [ 'redirect', {}, '08P01' ];
{
    my $annotated = $pat->prepare;
    $pat->stub->set_pat(undef);
    $pat->stub->revoke_access;
    $said .= $pat->call('sync', 'revoked');
    $pat->run_is('28000', 'revoked');

    # In a session that has no access token yet, even the version cannot be asked for.
    $pat->disconnect;
    my $check = $pat->check;
    is($check->{state}, 'refused', 'revoked: labelstudio_check() says refused');
    like($check->{advice}, qr/personal access token.*revoked or expired/, 'revoked: and what to do');
    $said .= JSON::PP->new->encode($check);
    $pat->stub->set_pat($valid);
    $pat->heals('revoked', $annotated);
}

#-----------------------------------------------------------------------------------------------------------------------
# Whoever waits can be stopped: by a cancel, a time-out, a terminated session, a crash.

sub patience {
    my ($seconds) = @_;
    $ls->sql(join '; ', map { "ALTER SERVER label_studio OPTIONS (SET $_ '$seconds')" } qw(timeout import_timeout));
    return;
}

# Starts a sync, and stops it at the request that hangs; gives what it said last.
sub stop_at {
    my ($where, $args, $name, $stop, %option) = @_;
    my $annotated = $ls->prepare;
    patience(30);
    my $fault  = delete $args->{fault} // 'hang';
    $stub->clear_requests;
    my $number = $stub->fault($fault, %{ SITE->{$where} }, %$args);
    my $began  = time;
    my $client = $ls->start('CALL labelstudio_sync()', %option);
    ok($stub->wait_for_requests(fault => $fault), "$name: the request hangs");
    $began = time if $stop;
    $stop->($ls->backend) if $stop;
    ok(!$client->{run}->finish, "$name: the CALL fails");
    my $took = time - $began;
    note sprintf '%s: %.3f s', $name, $took;
    cmp_ok($took, '<', 5, "$name: soon");
    $said .= $client->{err};
    return ($client->{err}, $annotated);
}

# The lock is free, and the next run says what became of the dead one.
sub goes_on {
    my ($name, $annotated) = @_;
    my $dead = $ls->last_run;
    is($dead->{status}, 'running', "$name: the run is still there as running");
    unlike($ls->call('sync', "$name: next"), qr/did nothing/, "$name: another session can go on at once");
    is($ls->sql("SELECT concat_ws(' ', status, error_code, error_message) FROM job_runs WHERE id = $dead->{id}"),
        'failed 57P01 the session that ran it ended or was cancelled',
            "$name: and says of the dead run that it failed");
    patience(0.8);
    $ls->heals($name, $annotated);
    return;
}

my @stops = ([ 'import', {} ], [ 'import', { done => 1 } ], [ 'pull', { fault => 'drip' } ], [ 'lookup', {} ],
    [ 'sweep', { fault => 'hang_before_accepting' } ]);
for (@stops) {
    my ($where, $args) = @$_;
    my $name = "pg_cancel_backend, $where" . join('', map { ", $_ $args->{$_}" } sort keys %$args);
    my ($err, $annotated) = stop_at($where, {%$args}, $name, sub { $ls->sql("SELECT pg_cancel_backend($_[0])") });
    like($err, qr/ERROR:  57014: canceling statement due to user request/, "$name: 57014");
    $stub->heal;
    goes_on($name, $annotated);
}
{
    my ($err, $annotated) =
        stop_at('import', {}, 'statement_timeout', undef, before => "SET statement_timeout = '500ms'");
    like($err, qr/ERROR:  57014: canceling statement due to statement timeout/, 'statement_timeout: 57014');
    $stub->heal;
    goes_on('statement_timeout', $annotated);
}
for ([ 'import', {} ], [ 'import', { done => 1 } ]) {
    my ($where, $args) = @$_;
    my $name = "pg_terminate_backend, $where" . join('', map { ", $_ $args->{$_}" } sort keys %$args);
    my ($err, $annotated) = stop_at($where, {%$args}, $name, sub { $ls->sql("SELECT pg_terminate_backend($_[0])") });
    like($err, qr/57P01/, "$name: 57P01");
    $stub->heal;
    goes_on($name, $annotated);
}
for ([ 'import', {} ], [ 'import', { done => 1 } ], [ 'lookup', {} ], [ 'delete', { done => 1 } ]) {
    my ($where, $args) = @$_;
    my $name = "kill -9, $where" . join('', map { ", $_ $args->{$_}" } sort keys %$args);
    my (undef, $annotated) = stop_at($where, {%$args}, $name, sub { kill 9, $_[0] or die "kill $_[0]: $!" });
    $_->disconnect for $ls, $pat;
    $node->poll_query_until('faults', 'SELECT NOT pg_is_in_recovery()') or die 'the server did not come back';
    $stub->heal;
    goes_on($name, $annotated);
}

# The session itself goes on after a cancel, too.
{
    my $annotated = $ls->prepare;
    my $session = $node->background_psql('faults', on_error_stop => 0);
    $stub->fault('hang', %{ SITE->{import} });
    $session->query("SET statement_timeout = '300ms'");
    $session->query('CALL labelstudio_sync()');
    like($session->{stderr}, qr/canceling statement due to statement timeout/, 'a session is cancelled');
    $session->{stderr} = '';
    $stub->heal;
    $session->query('RESET statement_timeout');
    $session->query('CALL labelstudio_sync()');
    is($session->{stderr}, '', 'and can call again');
    $session->quit;
    $ls->heals('the same session', $annotated);
}

#-----------------------------------------------------------------------------------------------------------------------
# Steps are for the procedure alone.

my ($project, $finished) = split /\|/,
    $ls->sql("SELECT p.id, r.id FROM labelstudio_projects p, job_runs r ORDER BY r.id DESC LIMIT 1");
my $hanging = $stub->fault('hang', %{ SITE->{pull} });
patience(30);
$stub->clear_requests;
my $other = $ls->start('CALL labelstudio_sync()');
ok($stub->wait_for_requests(fault => 'hang'), 'somebody is at it');
my $running = $ls->last_run->{id};
for my $run ([ 'finished', $finished ], [ 'running', $running ], [ 'unknown', -1 ], [ 'NULL', 'NULL' ]) {
    my ($what, $id) = @$run;
    sqlstate_is($node, 'faults', "SELECT $_", '55000', "a step of a run that is $what: $_")
        for "tw_job_step($id, NULL, NULL)", qq{tw_job_step($id, '{"projects": [$project], "phases": ["push"]}', NULL)},
            "tw_end_run($id)";
}
sqlstate_is($node, 'faults', "SELECT tw_begin_job('nonsense', NULL, NULL)", '22023', 'a run of no job');
$stub->heal;
patience(0.8);
ok($other->{run}->finish, 'who was at it ends');
$said .= $other->{err};
$ls->heals('steps');

#-----------------------------------------------------------------------------------------------------------------------
# 10,000 requests cost nothing that stays.

{
    my $session = $node->background_psql('faults', timeout => 2 * $PostgreSQL::Test::Utils::timeout_default);
    my $pid = $session->query_safe('SELECT pg_backend_pid()');
    my $usage = sub {
        my ($kb) = slurp_file("/proc/$pid/status") =~ /^VmRSS:\s+(\d+) kB/m;
        opendir my $dir, "/proc/$pid/fd" or die "/proc/$pid/fd: $!";
        return ($kb, scalar grep { /^\d+$/ } readdir $dir);
    };
    my $ask = sub {
        return $session->query_safe("SELECT count(*) FROM generate_series(1, $_[0]) g,
            tw_labelstudio_request('label_studio', 'GET', '/api/version/', ARRAY['n', g::text])");
    };
    my $began = time;
    $stub->clear_requests;
    $ask->(1000);
    my ($memory, $files) = $usage->();
    is($ask->(9000), 9000, '9,000 more requests');
    my ($more_memory, $more_files) = $usage->();
    note sprintf 'VmRSS %d kB, then %d kB; %d descriptors, then %d; %.1f s', $memory, $more_memory, $files,
        $more_files, time - $began;
    cmp_ok($more_memory - $memory, '<', 1024, 'leave memory as it was after 1,000');
    is($more_files, $files, 'and descriptors');
    is(scalar @{ $stub->requests(path => qr{^/api/version/$}) }, 10_000, 'all of them came');
    $session->quit;
}

#-----------------------------------------------------------------------------------------------------------------------
# Nothing of this told anybody a secret, or what a user had said.

for my $one ($ls, $pat) {
    my %told = (
        'job_runs' => $one->sql('SELECT r FROM job_runs r'),
        'labelstudio_projects' => $one->sql('SELECT p FROM labelstudio_projects p'),
        'labelstudio_tasks'    => $one->sql('SELECT t FROM labelstudio_tasks t'),
    );
    for (sort keys %told) {
        cmp_ok(length $told{$_}, '>', 50, "$one->{database}: there is something in $_");
        ok(index($told{$_}, MARK) < 0, "$one->{database}: no text of a user in $_");
        unlike($told{$_}, qr/eyJ|@{[ TW::LabelStudioTest::TOKEN ]}/, "$one->{database}: no token in $_");
    }
}
my $log = slurp_file($node->logfile);
for ([ 'the server\'s log', $log ], [ 'what was said', $said ]) {
    my ($where, $text) = @$_;
    cmp_ok(length $text, '>', 1000, "there is something in $where");
    my ($line) = $text =~ /^(.*@{[ MARK ]}.*)$/m;
    is($line, undef, "no text of a user in $where");
    ($line) = $text =~ /^(.*(?:eyJ|@{[ TW::LabelStudioTest::TOKEN ]}).*)$/m;
    is($line, undef, "no token in $where");
}
integrity_is_empty($node, $_, $_) for qw(faults pat);

$node->stop;
done_testing();
