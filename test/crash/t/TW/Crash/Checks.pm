# Checks.pm - what has to be true after kills: what the design mends by its jobs is mended by them first.

package TW::Crash::Checks;

use strict;
use warnings;

use Digest::SHA;
use Exporter 'import';
use Test::More;
use Time::HiRes qw(sleep);
use TW::Util;

our @EXPORT = qw(check_all mend);

# Jobs that make up for what was cut off. A training that was cut off is taken up after ten seconds: the clock of the
# job is set back, so that nobody has to wait for it.
sub mend {
    my ($node, $database) = @_;
    my ($status, $out, $err) = $node->psql($database, <<'SQL', on_error_stop => 0);
        SET client_min_messages = warning;
        SELECT * FROM promote_missed_conversations('0');
        UPDATE training_jobs SET started_at = started_at - interval '1 hour',
               lease_expires_at = lease_expires_at - interval '1 hour' WHERE status = 'running';
        CALL run_training_jobs();
        CALL check_rollouts();
        CALL daily_training_capture();
        CALL weekly_model_training();
SQL
    return $err . _settle($node, $database);
}

# What became of an import that was cut off is known for certain only a while later.
sub _settle {
    my ($node, $database) = @_;
    for (1 .. 300) {
        my ($status, $out, $err) = $node->psql($database, "SET client_min_messages = warning; CALL labelstudio_sync();
            SELECT count(*) FROM labelstudio_tasks WHERE status = 'claimed'");
        return $err if $out eq '0' || $err ne '';
        sleep 0.1;
    }
    return 'tasks stay uncertain';
}

sub check_all {
    my ($name, %with) = @_;
    my ($node, $database, $ledger) = @with{qw(node database ledger)};
    my $folder = $with{exports};
    my $query  = sub { return $node->safe_psql($database, $_[0]) };
    local $Test::Builder::Level = $Test::Builder::Level + 1;

    # Before anything is mended.
    for my $kind ($ledger->kinds) {
        is($query->($ledger->problems($kind)), '',
            "$name: each $kind that was acknowledged is there once, no other is");
    }
    is(mend($node, $database), '', "$name: what was cut off goes on");
    $query->(q{SELECT imported FROM import_conversations('old_logs')});
    $ledger->told('conversation', $_) for $ledger->unknown('conversation', qr/^imported /);
    $ledger->told('event', $_) for $ledger->unknown('event', qr/^annotated /);
    is($query->($ledger->problems($_)), '', "$name: and then each $_ is there") for qw(conversation event);

    samples_match($node, $database, $name);
    integrity_is_empty($node, $database, $name);
    is($query->(<<'SQL'), '', "$name: nothing is doubled, nothing runs for ever");
        SELECT 'samples of one conversation', conversation_log_id, count(*) FROM training_samples
        WHERE conversation_log_id IS NOT NULL GROUP BY 2 HAVING count(*) > 1
        UNION ALL
        SELECT 'tasks of one conversation', conversation_log_id, count(*) FROM labelstudio_tasks
        WHERE status IN ('claimed', 'open') GROUP BY 2 HAVING count(*) > 1
        UNION ALL
        SELECT 'task that is uncertain', id, 1 FROM labelstudio_tasks WHERE status = 'claimed'
        UNION ALL
        SELECT 'run of ' || job_name, id, 1 FROM job_runs WHERE status = 'running'
        UNION ALL
        SELECT 'training of ' || model_type, id, 1 FROM training_jobs
        WHERE status = 'running' AND trainer = 'built-in'
        UNION ALL
        SELECT 'version in training ' || version, 0, 1 FROM model_versions m WHERE m.status = 'training'
            AND NOT EXISTS (SELECT FROM training_jobs j
                            WHERE j.version = m.version AND j.status IN ('queued', 'running'))
SQL
    _labelstudio_matches($name, $with{stub}, $query);
    _exports_are_whole($name, $with{work}, $folder, $query);
    return;
}

# Nothing waits over there twice, and the outbox has what is there.
sub _labelstudio_matches {
    my ($name, $stub, $query) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my %times;
    my %theirs;
    for my $task (grep { $_->{meta}{conversation} && !@{ $_->{annotations} } } @{ $stub->tasks }) {
        $times{ $task->{meta}{conversation} }++;
        $theirs{ $task->{id} } = $task->{meta}{external_id};
    }
    is_deeply([ grep { $times{$_} > 1 } sort keys %times ], [], "$name: no conversation has two tasks in Label Studio");
    my %ours = map { split /\|/ } split /\n/,
        $query->("SELECT task_id, external_id FROM labelstudio_tasks WHERE status = 'open'");
    is_deeply(\%ours, \%theirs, "$name: the outbox has the tasks that are there");
    return;
}

# A file is there as a whole or not at all; it is there if that was acknowledged.
sub _exports_are_whole {
    my ($name, $work, $folder, $query) = @_;
    my @wrong;
    local $Test::Builder::Level = $Test::Builder::Level + 1;

    $query->("CALL export_training_samples_to_file('$folder/replaced.jsonl', overwrite => true)");
    my %sum = map { split /\|/ } split /\n/, $query->(q{SELECT DISTINCT ON (location) location, sha256
        FROM training_export_jobs WHERE status = 'succeeded' ORDER BY location, id DESC});
    for my $file (sort keys %{ $work->{files} }) {
        my $path = "$folder/$file";
        my $said = $sum{$path};
        if (!-e $path) {
            push @wrong, "$file is missing" if $work->{files}{$file} eq 'told' || $said;
            next;
        }
        my $text = PostgreSQL::Test::Utils::slurp_file($path);
        push @wrong, "$file is not what was recorded"
            if $said && Digest::SHA->new(256)->addfile($path)->hexdigest ne $said;
        push @wrong, "$file ends in a line" if $text !~ /\}\n\z/;
    }
    is("@wrong", '', "$name: every export is whole");
    is_deeply([ glob "$folder/*.tmp" ], [], "$name: no temporary file of an export is left");
    is($query->(q{SELECT id FROM training_export_jobs WHERE status = 'running'}), '', "$name: no export runs for ever");
    unlink map { "$folder/$_" } keys %{ $work->{files} };
    $work->{files} = {};
    return;
}

1;
