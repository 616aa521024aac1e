# Work.pm - what the server is at when it is killed: each kind of work has statements, what is to be prepared for them,
# and what follows from their answers.

package TW::Crash::Work;

use strict;
use warnings;

use JSON::PP;
use PostgreSQL::Test::Utils;
use TW::LabelStudioTest;

use constant BULK => 2000;

# Options: actor (a function that runs SQL and gives its rows), ledger, stub, exports (a folder), samples (a file).
sub new {
    my ($class, %option) = @_;
    my $self = bless { %option, number => 0 }, $class;
    $self->{samples} = [ map { decode_json($_) } (split /\n/, slurp_file($option{samples}))[ 0 .. 399 ] ];
    return $self;
}

sub _sql { my ($self, $sql) = @_; return $self->{actor}->($sql) }
sub _quote { my ($text) = @_; return "'" . $text =~ s/'/''/gr . "'" }
sub _next { my ($self) = @_; return ++$self->{number} }

# --- capture ---------------------------------------------------------------------------------------------------------

# One statement that captures so many messages of a session: one in ten is to be reviewed, the others are promoted. They
# repeat a few texts, so that a training does not take longer and longer.
sub _insert {
    my ($self, $session, $rows) = @_;
    my $sample = $self->{samples}[ $self->_next % @{ $self->{samples} } ];
    my ($text, $intent) = map { _quote($sample->{$_}) } qw(text intent);
    return "INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider,
            nlu_model_version, metadata)
        SELECT '$session', $text || ' ' || g % 3, $intent, CASE g % 10 WHEN 7 THEN 0.6 ELSE 0.97 END, 'indicbert',
            'router-v1.0.0', jsonb_build_object('number', g)
        FROM generate_series(1, $rows) g RETURNING id" =~ s/\s+/ /gr;
}

# A statement and what its answer means: the sessions that it captures are there, or will never be.
sub _captures {
    my ($self, $begin, $end, %sessions) = @_;
    my $ledger = $self->{ledger};
    my @order  = sort keys %sessions;
    $ledger->ask('conversation', $_, $sessions{$_}) for @order;
    if ($end eq 'ROLLBACK') { $ledger->never('conversation', $_) for @order }
    my $sql = join '\; ', grep { length } $begin, (map { $self->_insert($_, $sessions{$_}) } @order), $end;
    return [
        $sql,
        sub {
            my ($rows) = @_;
            return if $end eq 'ROLLBACK';
            my @ids = @$rows;
            for my $session (@order) {
                my @own = sort { $a <=> $b } splice @ids, 0, $sessions{$session};
                $ledger->told('conversation', $session, $own[0]);
            }
        }
    ];
}

# What client number $client does next: single rows, batches, transactions, transactions that are rolled back.
sub capture {
    my ($self, $client) = @_;
    my $name = "client $client, " . $self->_next;
    my @kinds = (
        sub { $self->_captures('', '', "$name, single" => 1) },
        sub { $self->_captures('', '', "$name, batch" => 10) },
        sub { $self->_captures('BEGIN', 'COMMIT', "$name, first" => 1, "$name, second" => 5) },
        sub { $self->_captures('BEGIN', 'ROLLBACK', "$name, undone" => 5) },
    );
    return $kinds[ ($self->{number} + $client) % @kinds ]->();
}

sub capture_singles {
    my ($self) = @_;
    my $name = 'singles ' . $self->_next;
    return map { $self->_captures('', '', "$name, $_" => 1) } 1 .. 40;
}

sub capture_bulk {
    my ($self) = @_;
    return $self->_captures('', '', 'bulk ' . $self->_next => BULK);
}

# --- review ----------------------------------------------------------------------------------------------------------

# Where a verdict here would be newer than one over there, which then does not count.
sub _not_annotated {
    my ($self, $column) = @_;
    return "$column <> ALL ('{" . join(',', sort keys %{ $self->{annotated} // {} }) . "}')";
}

# Numbers of conversations that wait, captured for that if there are too few.
sub _waiting {
    my ($self, $count) = @_;
    my $ask = "SELECT id FROM conversation_logs WHERE review_priority IS NOT NULL AND nlu_intent IS NOT NULL
        AND @{[ $self->_not_annotated('id') ]} ORDER BY id DESC LIMIT $count";
    my $ids = $self->_sql($ask);
    return @$ids if @$ids >= $count;
    my ($sql, $then) = @{ $self->_captures('', '', 'to review ' . $self->_next => 10 * $count) };
    $then->($self->_sql($sql));
    return @{ $self->_sql($ask) };
}

sub verdicts {
    my ($self) = @_;
    my @ids    = $self->_waiting(40);
    my $ledger = $self->{ledger};
    my @statements;
    for my $verdict (
        q{approve_conversations('{%s}', '%s')},
        q{fix_conversations('{%s}', 'intent.food.order.cancel', NULL, '%s')},
        q{reject_conversations('{%s}', 'unclear', '%s')}
        )
    {
        for my $half (1, 2) {
            my $note = 'verdict ' . $self->_next;
            my @some = splice @ids, 0, 6;
            $ledger->ask('event', $note, scalar @some);
            push @statements,
                [ 'SELECT ' . sprintf($verdict, join(',', @some), $note), sub { $ledger->told('event', $note) } ];
        }
    }
    return @statements;
}

# Conversations without samples: their triggers did not fire, or the samples were refused.
sub sweep {
    my ($self) = @_;
    my $session = 'missed ' . $self->_next;
    my ($sql, $then) = @{ $self->_captures('', '', $session => 300) };
    if ($self->{number} % 2) {
        # The trigger would have set it.
        $sql = "SET session_replication_role = replica\\; $sql\\; RESET session_replication_role";
    }
    else {
        $sql = "SET client_min_messages = error\\; BEGIN\\; CREATE TRIGGER refuse BEFORE INSERT ON training_samples
            FOR EACH ROW EXECUTE FUNCTION crash_refuse()\\; $sql\\; DROP TRIGGER refuse ON training_samples\\; COMMIT\\;
            RESET client_min_messages";
    }
    $then->($self->_sql($sql =~ s/\s+/ /gr));
    return [ q{SELECT * FROM promote_missed_conversations('0')}, sub { } ];
}

# --- models ----------------------------------------------------------------------------------------------------------

sub training {
    my ($self)  = @_;
    my $ledger  = $self->{ledger};
    my $request = 'training ' . $self->_next;
    $ledger->ask('request', $request, 1);
    my @statements = (
        [
            qq(SELECT request_training('router', 'built-in', '{"request": "$request"}')),
            # A job that waits already is taken for this one.
            sub { }
        ],
        [ 'CALL run_training_jobs()', sub { } ]
    );
    unshift @statements, [ 'SELECT version FROM train_model()', sub { }, qr/^55006$/ ] if $self->{number} % 2;
    return @statements;
}

# What a worker outside hands in, and a candidate of ours that is judged again.
sub gate {
    my ($self) = @_;
    my $waits = $self->_sql(q{SELECT 1 FROM training_jobs WHERE model_type = 'food-agent' AND status = 'handed-in'});
    if (!@$waits) {
        # A worker that was cut off is not waited for.
        $self->_sql(q{SELECT cancel_training_job(id, 'cut off') FROM training_jobs
            WHERE model_type = 'food-agent' AND status IN ('queued', 'running')});
        $self->_sql(q{SELECT request_training('food-agent', 'outside')});
        my ($claimed) = @{ $self->_sql(q{SELECT job_id, secret FROM claim_training_job('worker',
            model_types => '{food-agent}')}) };
        my ($job, $secret) = split /\|/, $claimed;
        $self->_sql(qq{SELECT status FROM complete_training_job($job, '$secret',
            (SELECT coalesce(jsonb_agg(jsonb_build_object('sample_id', sample_id, 'intent', 'intent.food.item.search',
                                                          'confidence', 0.5)), '[]')
             FROM training_job_test_set($job, '$secret')), '\\x00ff')});
    }
    my $version = $self->_candidate;
    return (
        [ 'CALL run_training_jobs()', sub { } ],
        # The run before may have decided about it.
        [ "SELECT gate_decision FROM evaluate_model('$version')", sub { }, qr/^55000$/ ],
    );
}

# A copy of the router that is there.
sub _candidate {
    my ($self) = @_;
    my $number = $self->_next;
    $self->_sql("SELECT register_model('router-v9.$number.0', 'router', artifact => bytes)
        FROM model_artifacts WHERE version = 'router-v1.0.0'");
    return "router-v9.$number.0";
}

sub rollout {
    my ($self)  = @_;
    my $ledger  = $self->{ledger};
    my ($canary) = @{ $self->_sql(q{SELECT version FROM model_versions
        WHERE model_type = 'router' AND status = 'canary'}) };
    $self->_sql("SELECT version FROM rollback_rollout('router', 'the next one', only_version => '$canary')") if $canary;
    my $version = $self->_candidate;
    my $change  = sub {
        my ($sql) = @_;
        my $reason = 'crash ' . $self->_next;
        $ledger->ask('deployment', $reason, 1);
        return [ sprintf($sql, $reason), sub { $ledger->told('deployment', $reason) } ];
    };
    my @statements = (
        $change->("SELECT rollout_id FROM start_rollout('$version', '%s')"),
        [ 'CALL check_rollouts()', sub { } ],
        $change->(q{SELECT advance_rollout('router', '%s')}),
        [ 'CALL check_rollouts()', sub { } ],
        [ 'CALL seal_audit()', sub { } ],
    );
    push @statements, $self->{number} % 3
        ? $change->("SELECT version FROM rollback_rollout('router', '%s', only_version => '$version')")
        : $change->(q{SELECT advance_rollout('router', '%s')});
    return @statements;
}

# --- jobs ------------------------------------------------------------------------------------------------------------

sub daily  { return [ 'CALL daily_training_capture()', sub { } ] }
sub weekly { return [ 'CALL weekly_model_training()',  sub { } ] }

# --- imports and exports ---------------------------------------------------------------------------------------------

sub import_conversations {
    my ($self)  = @_;
    my $ledger  = $self->{ledger};
    my $session = 'imported ' . $self->_next;
    $self->_sql("INSERT INTO old_logs SELECT '$session, ' || g, '$session', 'from before ' || g, '2025-12-31 23:30'
        FROM generate_series(1, 200) g");
    $ledger->ask('conversation', $session, 200);
    return [
        q{SELECT imported FROM import_conversations('old_logs')},
        # It brings what an earlier one may not have brought.
        sub { $ledger->told('conversation', $_) for $ledger->unknown('conversation', qr/^imported /) }
    ];
}

sub import_samples {
    my ($self) = @_;
    my $ledger = $self->{ledger};
    my @names  = ($ledger->unknown('sample', qr/^import /), 'import ' . $self->_next);
    $ledger->ask('sample', $_, 150) for @names;
    return map {
        my $name = $_;
        my @lines = map { encode_json({ text => "$name, line $_ " . $_ * 7919, intent => 'intent.number' . $_ % 9 }) }
            1 .. 150;
        [
            'SELECT inserted FROM import_training_samples(' . _quote(join "\n", @lines) . ')',
            sub { $ledger->told('sample', $name) }
        ]
    } @names;
}

# A file of its own, and one that is replaced again and again.
sub export {
    my ($self) = @_;
    my $name = 'export_' . $self->_next . '.jsonl';
    $self->{files}{$name} = 'unknown';
    return (
        [
            "CALL export_training_samples_to_file('$self->{exports}/$name', include_split => 'all')",
            sub { $self->{files}{$name} = 'told' }
        ],
        [
            "CALL export_training_samples_to_file('$self->{exports}/replaced.jsonl', overwrite => true)",
            sub { $self->{files}{'replaced.jsonl'} = 'told' }
        ]
    );
}

# --- Label Studio ----------------------------------------------------------------------------------------------------

sub push_tasks {
    my ($self) = @_;
    # There is room for new ones where some are judged here, and deleted over there.
    $self->_sql(q{SELECT reject_conversations(array_agg(conversation_log_id), 'unclear')
        FROM (SELECT conversation_log_id FROM labelstudio_tasks WHERE status = 'open' AND }
        . $self->_not_annotated('conversation_log_id') . ' ORDER BY id LIMIT 30) t HAVING count(*) > 0');
    $self->_waiting(30);
    return [ 'CALL labelstudio_push()', sub { } ];
}

# Some are annotated over there: whatever becomes of this call, each comes once.
sub sync_tasks {
    my ($self) = @_;
    my $ledger = $self->{ledger};
    my @open   = grep { !@{ $_->{annotations} } && $_->{meta}{conversation} } @{ $self->{stub}->tasks };
    for my $task (grep { defined } @open[ 0 .. 4 ]) {
        my $note = 'annotated ' . $self->_next;
        $ledger->ask('event', $note, 1);
        $self->{annotated}{ (split /@/, $task->{meta}{conversation})[0] } = 1;
        $self->{stub}->annotate($task->{id}, result => result(verdict => 'reject', reason => 'unclear', note => $note));
    }
    return [
        'CALL labelstudio_sync()',
        sub { $ledger->told('event', $_) for $ledger->unknown('event', qr/^annotated /) }
    ];
}

# --- all of it -------------------------------------------------------------------------------------------------------

# Name and method of each kind of work.
use constant ALL => (
    [ 'capture, single rows'  => 'capture_singles' ],
    [ 'capture, bulk'         => 'capture_bulk' ],
    [ 'verdicts'              => 'verdicts' ],
    [ 'promotion sweep'       => 'sweep' ],
    [ 'training'              => 'training' ],
    [ 'gate'                  => 'gate' ],
    [ 'rollout'               => 'rollout' ],
    [ 'daily job'             => 'daily' ],
    [ 'weekly job'            => 'weekly' ],
    [ 'import, conversations' => 'import_conversations' ],
    [ 'import, samples'       => 'import_samples' ],
    [ 'export to a file'      => 'export' ],
    [ 'Label Studio, push'    => 'push_tasks' ],
    [ 'Label Studio, sync'    => 'sync_tasks' ],
);

1;
