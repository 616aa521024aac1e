# 001_dump_restore.pl - a dump, restored in any mode, gives the same data again, and a database that works.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TW::Util;

my $node = start_node('main');
my $dir  = PostgreSQL::Test::Utils::tempdir;

# What the filter says about these shows whether the restored policies are in force, cached or not.
my $decisions = <<'SQL';
    SELECT m, i, p, c, d
    FROM unnest(ARRAY[NULL, 'food', 'parcel', 'audited', 'other']) m,
         unnest(ARRAY[NULL, 'intent.food.item.search', 'intent.food.order.cancel', 'intent.parcel.track']) i,
         unnest(ARRAY['indicbert', 'RASA', 'llm', 'gpt "4", {x}']) p,
         unnest(ARRAY[0.1, 0.55, 0.7, 0.85, 0.9]) c,
         %s.filter_decision(c, p, i, m) d
    ORDER BY 1, 2, 3, 4
SQL

sub decisions {
    my ($database) = @_;
    my $s = schema_of($node, $database);

    # And what the model answers that fill() trained: its bytes have to come through whole.
    return $node->safe_psql($database, sprintf $decisions, $s)
        . $node->safe_psql($database, "SELECT c.* FROM $s.model_versions m, $s.classify_intents('track number 7', 2,
            'router', m.version) c
            WHERE m.version = 'router-v2.0.0'")
        # And which version answers which session.
        . $node->safe_psql($database, "SELECT m.model_type, v, count(*), md5(string_agg(u::text, ',' ORDER BY u))
            FROM (SELECT DISTINCT model_type FROM $s.model_versions) m, generate_series(1, 1000) u,
                $s.assign_model_version(m.model_type, u::text) v
            GROUP BY 1, 2 ORDER BY 1, 2");
}

# The state of a database, to be compared with that of another.
sub state_of {
    my ($database) = @_;
    return {
        rows      => dump_rows($node, $database),
        catalog   => dump_catalog($node, $database),
        decisions => decisions($database),
        audit     => $node->safe_psql($database,
            "SELECT finding, is_problem, relation, found, examples, detail
                FROM @{[ schema_of($node, $database) ]}.verify_audit()"),
    };
}

sub same_state {
    my ($got, $expected, $name) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;
    is_deeply([ sort keys %{ $got->{rows} } ], [ sort keys %{ $expected->{rows} } ],
        "$name: the same tables and sequences");
    for my $relation (sort keys %{ $expected->{rows} }) {
        is_deeply($got->{rows}{$relation}, $expected->{rows}{$relation}, "$name: the same contents of $relation");
    }
    is_deeply($got->{catalog}, $expected->{catalog}, "$name: the same owners, privileges and triggers");
    is($got->{decisions}, $expected->{decisions}, "$name: the same policies in force, the same answers of the model");
    is($got->{audit}, $expected->{audit}, "$name: the audit trail has the same head, and the same to say");
    return;
}

# That the database goes on working: the application captures, and gets what it got before.
sub works {
    my ($database, $name) = @_;
    my $s       = schema_of($node, $database);
    my $highest = $node->safe_psql($database,
        "SELECT (SELECT max(id) FROM $s.conversation_logs), (SELECT max(id) FROM $s.training_samples)");
    my ($highest_log, $highest_sample) = split /\|/, $highest;

    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $insert = "INSERT INTO $s.conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider)
                  SELECT 'after', 'hello', @{[ CONFIDENT ]} RETURNING id";
    my (undef, $id, $error) = $node->psql($database, $insert, extra_params => [ '-U', 'tw_capture' ]);
    is($error, '', "$name: the application's role can capture");
    cmp_ok($id || 0, '>', $highest_log, "$name: the next conversation gets a fresh number");
    my (undef, $seen) = $node->psql(
        $database,
        "SELECT bool_and(coalesce(module_type, split_part(intent, '.', 2)) IN ('food', '')), count(*) > 0
         FROM $s.training_samples",
        extra_params => [ '-U', 'tw_food' ]
    );
    is($seen, 't|t', "$name: a role that is limited to modules reads their samples, and no others");
    is(
        $node->safe_psql(
            $database, "SELECT review_status, count(*), min(id) > $highest_sample FROM $s.training_samples
                                     WHERE conversation_log_id = $id GROUP BY review_status"
        ),
        'approved|1|t',
        "$name: and its sample, with a fresh number"
    );
    sqlstate_is(
        $node, $database,
        "INSERT INTO $s.conversation_logs (session_id, user_message, review_status) VALUES ('x', 'y', 'approved')",
        '42501',
        "$name: the application's role still cannot hand in a verdict",
        user => 'tw_capture'
    );

    for my $table (qw(review_policies model_deployments training_export_jobs labelstudio_projects job_runs)) {
        my $identity = $node->safe_psql($database, "SELECT pg_get_serial_sequence('$s.$table', 'id')");
        is($node->safe_psql($database, "SELECT nextval('$identity') > max(id) FROM $s.$table"),
            't', "$name: the next number of $table is fresh");
    }

    samples_match($node, $database, $name);
    integrity_is_empty($node, $database, $name);
    sqlstate_is($node, $database, 'DROP EXTENSION training_workflow', '55000',
        "$name: the drop guard is back in force");
    return;
}

sub is_restored {
    my ($database, $expected, $name, %option) = @_;
    my $s = schema_of($node, $database);

    local $Test::Builder::Level = $Test::Builder::Level + 1;
    same_state(state_of($database), $expected, $name);

    # Each table was filled by its own COPY and by nothing else. Within
    # one transaction there is nothing to be seen of it.
    is(
        $node->safe_psql(
            $database,
            "SELECT (SELECT count(DISTINCT xmin::text) FROM $s.conversation_logs),
                    (SELECT count(DISTINCT xmin::text) FROM $s.training_samples),
                    EXISTS (SELECT FROM $s.conversation_logs c JOIN $s.training_samples s ON s.xmin = c.xmin)"
        ),
        $option{one_transaction} ? '1|1|t' : '1|1|f',
        "$name: no conversation was promoted again"
    );
    works($database, $name);
    return;
}

sub new_database {
    my ($database) = @_;
    $node->safe_psql('postgres', qq{CREATE DATABASE "$database"});
    return $node->connstr($database);
}

sub succeeds {
    my ($name, @command) = @_;
    my ($succeeded, undef, $stderr) = run_program(@command);

    local $Test::Builder::Level = $Test::Builder::Level + 1;
    ok($succeeded && $stderr eq '', "$name: no error and no warning") or diag $stderr;
    return;
}

create_database($node, 'source');
fill($node, 'source');
integrity_is_empty($node, 'source', 'source');
samples_match($node, 'source', 'source');
my $expected = state_of('source');
like($expected->{audit}, qr/^head\|f\|audit_chain\|[1-9]\d*\|\|\d+:[0-9a-f]{64}\n/,
    'source: the audit trail has entries');
like($expected->{audit}, qr/^anonymised\|f\|model_deployments\|1\|/m, 'source: and a tombstone');
unlike($expected->{audit}, qr/^[^|]*\|t\|/m, 'source: and no problem');
my $source   = $node->connstr('source');
my ($plain, $custom, $folder, $clean) = map { "$dir/$_" } qw(plain.sql custom.dump folder clean.sql);

succeeds('dump, plain', 'pg_dump', '-f', $plain, $source);
succeeds('dump, custom', 'pg_dump', '-Fc', '-f', $custom, $source);
succeeds('dump, directory, -j2', 'pg_dump', '-Fd', '-j2', '-f', $folder, $source);
succeeds('dump, plain, --clean', 'pg_dump', '--clean', '--if-exists', '-f', $clean, $source);

my @psql = ('psql', '-XAtq', '-o', "$dir/psql.out", '-v', 'ON_ERROR_STOP=1');
{
    my $name = 'plain';
    succeeds($name, @psql, '-f', $plain, '-d', new_database('plain'));
    is_restored('plain', $expected, $name);
}
{
    my $name = 'plain, one transaction';
    succeeds($name, @psql, '--single-transaction', '-f', $plain, '-d', new_database('plain_single'));
    is_restored('plain_single', $expected, $name, one_transaction => 1);
}
{
    my $name = 'custom';
    succeeds($name, 'pg_restore', '-d', new_database('custom'), $custom);
    is_restored('custom', $expected, $name);
}
{
    my $name = 'custom, --single-transaction';
    succeeds($name, 'pg_restore', '--single-transaction', '-d', new_database('custom_single'), $custom);
    is_restored('custom_single', $expected, $name, one_transaction => 1);
}
{
    my $name = 'directory, -j2';
    succeeds($name, 'pg_restore', '-j2', '-d', new_database('folder'), $folder);
    is_restored('folder', $expected, $name);

    # The audit trail goes on there, and finds what is changed there.
    my ($head) = $expected->{audit} =~ /\|(\d+:[0-9a-f]{64})$/m;
    my $problems = "SELECT finding, relation, found, examples FROM verify_audit('$head') WHERE is_problem";
    $node->safe_psql('folder', q{SELECT adopt_installation(); CALL seal_audit();
        INSERT INTO model_deployments (model_type, version, to_status, to_percentage)
            VALUES ('router', 'router-v1.1.0', 'production', 100);
        CALL seal_audit()});
    is($node->safe_psql('folder', "$problems; SELECT count(*) FROM verify_audit() WHERE finding = 'not sealed yet'"),
        '0', "$name: the audit trail goes on");
    $node->safe_psql('folder', q{ALTER TABLE review_events DISABLE TRIGGER ALL;
        UPDATE review_events SET note = 'never said' WHERE id = 1});
    is($node->safe_psql('folder', $problems), 'edited row|review_events|1|{1}', "$name: and finds an edited row");
}
{
    # Parallel workers may take the tables in any order; here it is the opposite one, and the sequences come first.
    my $name = 'custom, tables in the opposite order';
    my (undef, $list) = run_program('pg_restore', '-l', $custom);
    my @list = grep { /\S/ && !/^;/ } split /\n/, $list;
    my @data = grep { / (?:TABLE DATA|SEQUENCE SET) / } @list;
    my @rest = grep { !/ (?:TABLE DATA|SEQUENCE SET) / } @list;
    cmp_ok(scalar @data, '>', 10, "$name: the list has data");
    my ($extension) = grep { $rest[$_] =~ / EXTENSION - training_workflow/ } 0 .. $#rest;
    splice @rest, $extension + 1, 0, reverse @data;
    PostgreSQL::Test::Utils::append_to_file("$dir/list", join "\n", @rest, '');
    succeeds($name, 'pg_restore', '-L', "$dir/list", '-d', new_database('opposite'), $custom);
    is_restored('opposite', $expected, $name);
}
{
    my $name = 'data only, into a fresh extension';
    create_database($node, 'data_only');

    # --data-only leaves privileges to whoever makes the extension.
    for my $kind (qw(capture reviewer analyst operator)) {
        $node->safe_psql('data_only', "SELECT grant_training_role('tw_$kind', '$kind')");
    }
    $node->safe_psql('data_only', "SELECT grant_training_role('tw_food', 'reviewer')");
    succeeds($name, 'pg_restore', '--data-only', '-d', $node->connstr('data_only'), $custom);
    is_restored('data_only', $expected, $name);
}

# --clean over a database that holds other data, in which somebody is at work.
{
    my $name = '--clean';
    create_database($node, 'filled');
    fill($node, 'filled');
    $node->safe_psql('filled', "INSERT INTO review_policies (module_type, approve_above) VALUES ('only here', 0.99)");
    my $insert =
        "INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider,
            nlu_module_type)
                  SELECT 'only here', 'x', @{[ CONFIDENT ]}, 'only here' RETURNING review_status";

    # This backend has the old tables' policies, settings and plans in its memory.
    my $session = $node->background_psql('filled');
    is($session->query_safe($insert), 'needs-review', "$name: an open session captures before");
    is($session->query_safe("$insert, id \\gset\n SELECT :'review_status'"), 'needs-review', "$name: and again");

    local $ENV{PGOPTIONS} = '-c training_workflow.allow_drop=on';
    succeeds($name, @psql, '-f', $clean, '-d', $node->connstr('filled'));
    delete $ENV{PGOPTIONS};
    is_restored('filled', $expected, $name);

    is($session->query_safe($insert), 'auto-approved', "$name: the open session obeys the restored policies");
    is(
        $session->query_safe(
                  'SELECT count(*) FROM conversation_logs c JOIN training_samples s ON s.conversation_log_id = c.id '
                . "WHERE c.session_id = 'only here'"
        ),
        '1',
        "$name: and promotes into the restored tables"
    );
    $session->quit;
    samples_match($node, 'filled', "$name, open session");
}

# Without the option nothing of the target may be lost: here it holds more than the dump.
for my $mode ('stop at the first error', 'go on after errors') {
    my $name     = "--clean without the option, $mode";
    my $database = $mode =~ /stop/ ? 'guarded_stop' : 'guarded_go_on';
    new_database($database);
    succeeds($name, @psql, '-f', $plain, '-d', $node->connstr($database));
    $node->safe_psql(
        $database,
        "INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider)
         SELECT 'later', 'x' || g, @{[ CONFIDENT ]} FROM generate_series(1, 5) g;
         UPDATE review_policies SET audit_rate_review = 0.4, note = 'later' WHERE module_type = 'audited';
         SELECT set_training_setting('training_threshold', '501')"
    );
    my $before = state_of($database);

    my @command = ('psql', '-XAtq', '-o', "$dir/psql.out", '-f', $clean, '-d', $node->connstr($database));
    push @command, '-v', 'ON_ERROR_STOP=1' if $mode =~ /stop/;
    my (undef, undef, $stderr) = run_program(@command);
    like($stderr, qr/dropping training_workflow would delete the rows of/, "$name: refused");

    my $after = state_of($database);
    if ($mode =~ /go on/) {
        # setval() of the dump is not undone by the COPYs that failed.
        for my $sequence (grep { /_seq$/ } keys %{ $after->{rows} }) {
            delete $_->{rows}{$sequence} for $before, $after;
        }
    }
    same_state($after, $before, $name);

    # What cannot be prevented is at least told, with what to do about it.
    if ($mode =~ /go on/) {
        like(
            $node->safe_psql($database, 'SELECT problem, relation FROM check_integrity()'),
            qr/^sequence behind its table\|public\.conversation_logs$/m,
            "$name: check_integrity() says that sequences were set back"
        );
        follow_hints($node, $database, 'sequence behind its table', 'SELECT setval.*');
    }
    works($database, $name);
}

# An extension in a schema of its own, with a name that has to be quoted.
{
    my $name = 'odd schema';
    create_database($node, 'Odd Database', 'Odd Schema');
    fill($node, 'Odd Database');
    is(schema_of($node, 'Odd Database'), '"Odd Schema"', "$name: the extension is there");
    integrity_is_empty($node, 'Odd Database', $name);
    my $odd = state_of('Odd Database');

    succeeds($name, 'pg_dump', '-f', "$dir/odd.sql", '-d', $node->connstr('Odd Database'));
    succeeds($name, @psql, '-f', "$dir/odd.sql", '-d', new_database('odd_plain'));
    is_restored('odd_plain', $odd, $name);

    $name = 'odd schema, -j2';
    succeeds($name, 'pg_dump', '-Fd', '-f', "$dir/odd", '-d', $node->connstr('Odd Database'));
    succeeds($name, 'pg_restore', '-j2', '-d', new_database('odd_parallel'), "$dir/odd");
    is_restored('odd_parallel', $odd, $name);

    $name = 'odd schema, --clean';
    local $ENV{PGOPTIONS} = '-c training_workflow.allow_drop=on';
    succeeds($name, 'pg_restore', '--clean', '--if-exists', '-d', $node->connstr('odd_parallel'), "$dir/odd");
    delete $ENV{PGOPTIONS};
    is_restored('odd_parallel', $odd, $name);
}

# --disable-triggers switches all triggers off and on again, also those that were ENABLE ALWAYS.
{
    my $name = 'data only, --disable-triggers';
    create_database($node, 'disabled');
    succeeds($name, 'pg_restore', '--data-only', '--disable-triggers', '-d', $node->connstr('disabled'), $custom);
    is_deeply(dump_rows($node, 'disabled'), $expected->{rows}, "$name: the same contents");
    like(
        $node->safe_psql('disabled', 'SELECT problem, relation FROM check_integrity()'),
        qr/^samples without row security\|public\.training_samples$/m,
        "$name: check_integrity() says that limits to modules do not hold for samples"
    );
    for my $kind (qw(capture reviewer analyst operator)) {
        $node->safe_psql('disabled', "SELECT grant_training_role('tw_$kind', '$kind')");
    }
    $node->safe_psql('disabled', "SELECT grant_training_role(role_name, kind, modules) FROM role_modules");
    like(
        $node->safe_psql('disabled', 'SELECT problem, example FROM check_integrity()'),
        qr/^disabled trigger\|review_policies_invalidate$/m,
        "$name: check_integrity() says which triggers do not fire always"
    );
    follow_hints($node, 'disabled', 'disabled trigger', 'ALTER TABLE [^;]*');
    is_deeply(dump_catalog($node, 'disabled'), $expected->{catalog}, "$name: its hints mend that");
    works('disabled', $name);
}

# Rows that nobody has filtered yet, such as a subscriber's, are dumped like any others: a restore must not take them
# for new messages, because the samples that it would make of them stand in the way of those that come with the dump.
{
    my $name = 'rows that were not filtered yet';
    create_database($node, 'unfiltered');
    $node->safe_psql('unfiltered', <<"SQL");
        INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider)
            SELECT 'filtered', 'x' || g, @{[ CONFIDENT ]} FROM generate_series(1, 5) g;
        SET session_replication_role = replica;
        INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider)
            SELECT 'not filtered', 'x' || g, @{[ CONFIDENT ]} FROM generate_series(1, 5) g;
SQL
    my $unfiltered = state_of('unfiltered');
    succeeds($name, 'pg_dump', '-Fc', '-f', "$dir/unfiltered.dump", '-d', $node->connstr('unfiltered'));
    succeeds($name, 'pg_restore', '-d', new_database('unfiltered_restored'), "$dir/unfiltered.dump");
    same_state(state_of('unfiltered_restored'), $unfiltered, $name);
    is($node->safe_psql('unfiltered_restored', "SELECT * FROM promote_missed_conversations('0')"),
        '5|5|0', "$name: the sweep finds them after the restore as it would have before");
    samples_match($node, 'unfiltered_restored', $name);
    integrity_is_empty($node, 'unfiltered_restored', $name);
}

$node->stop;
done_testing();
