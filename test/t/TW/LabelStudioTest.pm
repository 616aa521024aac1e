# LabelStudioTest.pm - what the tests of the synchronization with Label Studio share: a database that talks to a
# stand-in for it, what people do there, and what has to be true when nothing is in flight.
#
# Text is characters here. Numbers of conversations are those of conversation_logs,
# numbers of tasks those of the stand-in.

package TW::LabelStudioTest;

use strict;
use warnings;

use Exporter 'import';
use JSON::PP ();
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);
use TW::Database qw(start_program);
use TW::LabelStudioStub;
use TW::Util;

our @EXPORT = qw(result MARK SITE);

use constant TOKEN => 'legacyT0KENthatNobodyMaySee0123456789abcdef';

# This stands in every text of a user that add() makes: it must be in no message.
use constant MARK => 'Kartoffelpuffer';

# The requests that a sync makes, as faults pick them.
use constant SITE => {
    import   => { method => 'POST', path => qr{/import$} },
    lookup   => { path   => qr{^/api/tasks/$}, query => qr/data\.batch_id/ },
    pull     => { query  => qr/filter:tasks:updated_at/ },
    sweep    => { query  => qr/filter:tasks:total_annotations/ },
    look     => { method => 'GET', path => qr{^/api/tasks/\d+/$} },
    delete   => { method => 'DELETE' },
    people   => { path   => qr{^/api/users/$} },
    exchange => { path   => qr{/token/refresh/} },
};

# A database with the extension, a stand-in of its own, and a server and mapping that lead to it. Options: stub (one
# that is there already), pat => 1 (a personal access token instead of a legacy one), server => { options of the server
# }.
sub new {
    my ($class, $node, $database, %option) = @_;
    my $stub = $option{stub} // TW::LabelStudioStub->start(token => TOKEN, pat => $option{pat});
    my $self = bless { node => $node, database => $database, stub => $stub, clock => 0 }, $class;
    my %server = (connect_timeout => 5, timeout => 10, import_timeout => 10, %{ $option{server} // {} });
    my $options = join ', ', map { "$_ '$server{$_}'" } sort keys %server;
    my $token   = $option{pat} ? $stub->pat : TOKEN;

    create_database($node, $database);
    $self->sql(<<"SQL");
        CREATE SERVER label_studio FOREIGN DATA WRAPPER training_workflow_labelstudio OPTIONS (
            url '@{[ $stub->url ]}', $options);
        CREATE USER MAPPING FOR PUBLIC SERVER label_studio OPTIONS (token '$token');
        -- Nothing is left to chance: all of module audited is audited, nothing else, and nobody is asked twice.
        INSERT INTO review_policies (module_type, audit_rate_approved, audit_rate_review)
        VALUES (NULL, 0, 0), ('audited', 1, 1);
        SELECT set_training_setting('second_opinion_rate', '0');
SQL
    return $self;
}

sub stub { return $_[0]{stub} }

# The same with another database that is there: a copy.
sub beside {
    my ($self, $database) = @_;
    return bless { %$self, database => $database, session => undef }, ref $self;
}

# --- the database ----------------------------------------------------------------------------------------------------

sub _bytes {
    my ($text) = @_;
    utf8::encode($text) if utf8::is_utf8($text);
    return $text;
}

sub _characters {
    my ($text) = @_;
    utf8::decode($text);
    return $text;
}

# In a session that stays: a connection for each question would take most of the time.
sub sql {
    my ($self, $sql) = @_;
    no warnings qw(redefine once);
    local *PostgreSQL::Test::BackgroundPsql::note = sub { };
    my $session = $self->{session} //= $self->{node}->background_psql($self->{database}, on_error_stop => 0);
    $session->{stderr} = '';
    my $answer = $session->query(_bytes($sql));
    die "$session->{stderr}in: $sql" if $session->{stderr} =~ /ERROR|FATAL/;
    return _characters($answer);
}

# After a crash, or before the server is stopped.
sub disconnect {
    my ($self) = @_;
    my $session = delete $self->{session} or return;
    eval { $session->quit };
    return;
}

# A string for SQL.
sub _literal {
    my ($text) = @_;
    return 'NULL' if !defined $text;
    return "'" . $text =~ s/'/''/gr . "'";
}

# A conversation; what is not given is what waits for review: a low confidence. Gives its number.
sub converse {
    my ($self, $message, %column) = @_;
    my %row = (
        session_id   => 'SESSION-of-the-user', phone_number => '+91 98220 12345', user_id => 'USER-of-the-application',
        user_message => $message,              nlu_intent   => 'intent.food.item.search', nlu_confidence => 0.5,
        nlu_provider => 'indicbert',           %column
    );
    my @names = sort keys %row;
    return $self->sql(sprintf 'INSERT INTO conversation_logs (%s) VALUES (%s) RETURNING id',
        join(', ', @names), join(', ', map { _literal($row{$_}) } @names));
}

# CALL labelstudio_sync() or another; it must not raise. Gives what psql said beside it.
sub call {
    my ($self, $what, $name) = @_;
    my ($status, $stdout, $stderr) =
        $self->{node}
            ->psql($self->{database}, "\\set VERBOSITY verbose\nCALL labelstudio_$what();", on_error_stop => 1);

    local $Test::Builder::Level = $Test::Builder::Level + 1;
    ok($status == 0 && $stderr !~ /ERROR/, ($name // $what) . ': the CALL does not raise') or diag $stderr;
    return $stderr;
}

# A call that has to go through without a complaint.
sub good {
    my ($self, $what, $name) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my ($status, $stdout, $stderr) = $self->{node}->psql($self->{database}, "CALL labelstudio_$what();");
    is("$status$stderr", '0', $name // $what);
    return;
}

# The same in the background: {run, out, err}. Options: before => SQL that comes first.
sub start {
    my ($self, $sql, %option) = @_;
    my @command = ('psql', '-XAtq', '-v', 'VERBOSITY=verbose', '-v', 'ON_ERROR_STOP=1', '-d',
        $self->{node}->connstr($self->{database}));
    push @command, '-c', $option{before} if defined $option{before};
    return start_program([ @command, '-c', $sql ]);
}

# The number of the process that runs a CALL, once it is there.
sub backend {
    my ($self) = @_;
    for (1 .. 500) {
        my $pid = $self->sql("SELECT pid FROM pg_stat_activity WHERE datname = '$self->{database}'
            AND query LIKE 'CALL %' AND state = 'active'");
        return $pid if $pid;
        sleep 0.02;
    }
    die 'nobody calls';
}

# The newest outbox row of a conversation: status and SQLSTATE.
sub outbox {
    my ($self, $id) = @_;
    return $self->sql("SELECT concat_ws(' ', status, error_code) FROM labelstudio_tasks
        WHERE conversation_log_id = $id ORDER BY id DESC LIMIT 1");
}

# What there is to be said of a conversation: its status, what it waits for, its sample.
sub state_of {
    my ($self, $id) = @_;
    return $self->sql(<<"SQL");
        SELECT concat_ws(' | ', c.review_status || coalesce(', priority ' || c.review_priority, ''),
                         s.review_status || ' ' || s.intent || ' by ' || coalesce(s.reviewed_by, s.label_source))
        FROM conversation_logs c LEFT JOIN training_samples s ON s.conversation_log_id = c.id WHERE c.id = $id
SQL
}

# The newest verdict: action, reason, note, by whom.
sub verdict_on {
    my ($self, $id) = @_;
    return $self->sql(<<"SQL");
        SELECT concat_ws(' | ', action, reject_reason, intent, note, reviewer) FROM review_events
        WHERE conversation_log_id = $id AND action <> 'feedback' ORDER BY id DESC LIMIT 1
SQL
}

# The row of labelstudio_check() as a hash.
sub check {
    my ($self) = @_;
    return JSON::PP->new->decode($self->sql('SELECT to_json(c) FROM labelstudio_check() c'));
}

sub last_run {
    my ($self) = @_;
    return JSON::PP->new->decode(
        $self->sql("SELECT to_json(r) FROM job_runs r WHERE job_name LIKE 'labelstudio%' ORDER BY id DESC LIMIT 1"));
}

# --- over there ------------------------------------------------------------------------------------------------------

# The tasks of a conversation, or all of ours.
sub tasks {
    my ($self, $id) = @_;
    return grep { ($_->{meta}{conversation} // '') =~ (defined $id ? qr/^\Q$id\E@/ : qr/@/) } @{ $self->{stub}->tasks };
}

# The conversations of the tasks over there, in the tasks' order.
sub conversations {
    my ($self) = @_;
    return map { (split /@/, $_->{meta}{conversation})[0] } $self->tasks;
}

# The only task of a conversation.
sub task {
    my ($self, $id) = @_;
    my @tasks = $self->tasks($id);
    die "conversation $id has " . @tasks . ' tasks' if @tasks != 1;
    return $tasks[0];
}

# What an annotation holds: verdict, intent, new_intent, reason, note, spans => [[start, end, label], ...].
sub result {
    my (%answer) = @_;
    my %item = (to_name => 'utterance');
    my %name = (reason => 'reject_reason');
    my @items;

    for (grep { defined $answer{$_} } qw(verdict intent reason)) {
        push @items,
            { %item, from_name => $name{$_} // $_, type => 'choices', value => { choices => [ $answer{$_} ] } };
    }
    for (grep { defined $answer{$_} } qw(new_intent note)) {
        push @items, { %item, from_name => $_, type => 'textarea', value => { text => [ $answer{$_} ] } };
    }
    for (@{ $answer{spans} // [] }) {
        my %value = (start => $_->[0], end => $_->[1], labels => [ $_->[2] ]);
        push @items, { %item, from_name => 'entities', type => 'labels', value => \%value };
    }
    return \@items;
}

# The spans that the model had marked in a task, as somebody sees them who annotates it.
sub _spans_of {
    my ($task) = @_;
    return [ map { [ @{ $_->{value} }{qw(start end)}, $_->{value}{labels}[0] ] }
            grep { $_->{from_name} eq 'entities' } @{ $task->{predictions}[0]{result} } ];
}

# Somebody annotates the only task of a conversation: what result() takes, and who (number of a user), updated_at,
# was_cancelled, ground_truth. Spans that are not given stay as the model had them. Gives the annotation.
sub annotate {
    my ($self, $id, %answer) = @_;
    my $task  = $self->task($id);
    my %given = map { $_ => delete $answer{$_} }
        grep { exists $answer{$_} } qw(updated_at was_cancelled ground_truth parent_prediction);
    my $who   = delete $answer{who} // 1;

    return $self->{stub}
        ->annotate($task->{id}, completed_by => $who, %given, result => result(spans => _spans_of($task), %answer));
}

# --- what has to be true when nothing is in flight
# ---------------------------------------------------------------------

# Every conversation that waits is over there exactly once, except those named,
# and so says the outbox; nothing else waits there.
sub converged {
    my ($self, $name, %except) = @_;
    my %times;
    $times{$_}++ for map { (split /@/, $_->{meta}{conversation})[0] } grep { !@{ $_->{annotations} } } $self->tasks;
    my @waiting = grep { !$except{$_} } split /\n/,
        $self->sql('SELECT id FROM conversation_logs WHERE review_priority IS NOT NULL ORDER BY id');

    local $Test::Builder::Level = $Test::Builder::Level + 1;
    is_deeply(\%times, { map { $_ => 1 } @waiting }, "$name: each conversation that waits is over there exactly once");
    my %theirs = map { $_->{id} => $_->{meta}{external_id} } grep { !@{ $_->{annotations} } } $self->tasks;
    my %ours = map { split /\|/ } split /\n/,
        $self->sql("SELECT task_id, external_id FROM labelstudio_tasks WHERE status = 'open'");
    is_deeply(\%ours, \%theirs, "$name: the outbox has what is there");
    is($self->sql("SELECT count(*) FROM labelstudio_tasks WHERE status = 'claimed'"), 0, "$name: nothing is uncertain");
    return;
}

# Calls labelstudio_sync() until a run has gone through and left nothing uncertain; gives how many calls that took.
sub settle {
    my ($self, $name) = @_;
    my $end = time + 30;
    my $stderr = '';

    local $Test::Builder::Level = $Test::Builder::Level + 1;
    for my $calls (1 .. 1000) {
        # Whatever is still to land has to be there before the call.
        my $pending = $self->{stub}->pending;
        (undef, undef, $stderr) = $self->{node}->psql($self->{database}, 'CALL labelstudio_sync();');
        my $settled = $self->sql("SELECT r.status = 'succeeded' AND NOT EXISTS (SELECT FROM labelstudio_tasks t
            WHERE t.status = 'claimed')
                                  FROM job_runs r WHERE r.job_name = 'labelstudio_sync' ORDER BY r.id DESC LIMIT 1");
        if (!$pending && $settled eq 't') {
            pass("$name: settled");
            return $calls;
        }
        last if time > $end;
        sleep 0.1;
    }
    fail("$name: settled");
    diag $stderr;
    return;
}

# --- faults ----------------------------------------------------------------------------------------------------------

sub add {
    my ($self, $count) = @_;
    return map { $self->converse("veg @{[ MARK ]} $_", response_text => MARK, user_correction => MARK) } 1 .. $count;
}

# Gives a sync something to do in every phase: of what waits over there, one is annotated there and the others are
# judged here; three more wait here. Gives the one that is annotated.
sub prepare {
    my ($self) = @_;

    # What an earlier case left behind shall not fail this one.
    $self->sql("SELECT reject_conversations(array_agg(c.id), 'unclear') FROM conversation_logs c
                WHERE c.review_priority IS NOT NULL
                AND EXISTS(SELECT FROM labelstudio_tasks t WHERE t . conversation_log_id = c . id AND t . status =
                        'refused')
                HAVING count(*) > 0");
    my ($annotated, @judged) =
        map { (split /@/, $_->{meta}{conversation})[0] } grep { !@{ $_->{annotations} } } $self->tasks;
    $self->annotate($annotated, verdict => 'approve', note => MARK) if $annotated;
    $self->sql("SELECT reject_conversations('{" . join(',', @judged) . "}', 'unclear')") if @judged;
    $self->add(3);
    return $annotated;
}

# The last run ended with this SQLSTATE, or without an error; gives the message.
sub run_is {
    my ($self, $code, $name) = @_;
    my $run = $self->last_run;

    local $Test::Builder::Level = $Test::Builder::Level + 1;
    if (!defined $code) {
        is_deeply([ @$run{qw(status error_code error_message)} ], [ 'succeeded', undef, undef ],
            "$name: the run succeeds");
        return;
    }
    is("$run->{status} " . ($run->{error_code} // ''), "failed $code", "$name: job_runs has the error")
        or diag $run->{error_message} // '';
    cmp_ok(length($run->{error_message} // ''), '>', 10, "$name: in words");
    return $run->{error_message};
}

# Without the fault, runs put everything right.
sub heals {
    my ($self, $name, $annotated) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;
    $self->{stub}->heal;
    $self->settle($name);
    $self->converged($name);
    like($self->state_of($annotated), qr/^approved \| approved /, "$name: the verdict that waited there has arrived")
        if $annotated;
    my $check = $self->check;
    is_deeply([ @$check{qw(state last_error uncertain_tasks)} ], [ 'ok', undef, 0 ],
        "$name: labelstudio_check() is content again");

    # What is done is nobody's business any more, and its number may be given again.
    $self->{stub}->delete_task($_->{id}) for grep { @{ $_->{annotations} } } $self->tasks;
    return;
}

# A sync that meets a fault at one of its requests, or as soon as it begins. The run fails with this SQLSTATE, or does
# not notice; later runs put everything right. Gives what was said of it.
sub fault_at {
    my ($self, $where, $fault, $args, $code) = @_;
    my $name      = "$where: $fault" . join('', map { ", $_ $args->{$_}" } sort keys %$args);
    my $annotated = $self->prepare;
    my $number    = $self->{stub}->fault($fault, %{ SITE->{$where} // {} }, %$args);

    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $said    = $self->call('sync', $name);
    my $message = $self->run_is($code, $name);
    if (defined $code) {
        my $check = $self->check;
        my $state = $fault =~ /^(?:refuse|hang_before_accepting)$/ ? 'unreachable' : 'failing';
        is_deeply([ @$check{qw(state last_error)} ], [ $state, $message ], "$name: and labelstudio_check()")
            or diag explain $check;
        $said .= JSON::PP->new->encode($check);
    }
    my ($armed) = grep { $_->{id} == $number } @{ $self->{stub}->faults };
    cmp_ok($armed->{fired}, '>', 0, "$name: the fault came to pass");
    $self->heals($name, $annotated);
    return $said;
}

1;
