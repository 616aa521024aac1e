# 032_upgrade.pl - ALTER EXTENSION UPDATE leads from 0.1.0 to what a new installation has, and keeps what is stored.
#
# fixtures/upgrade/0.1.0.dump is of a database that 0.1.0 and its own library filled.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TW::Catalog;
use TW::Util;

my $node    = start_node('main');
my $dir     = PostgreSQL::Test::Utils::tempdir;
my $fixture = "$FindBin::RealBin/../fixtures/upgrade/0.1.0.dump";
my @psql    = ('psql', '-XAtq', '-v', 'ON_ERROR_STOP=1');

sub sql { my ($database, $sql, %option) = @_; return $node->safe_psql($database, $sql, %option) }

sub succeeds {
    my ($name, @command) = @_;
    my ($succeeded, undef, $stderr) = run_program(@command);
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    ok($succeeded && $stderr eq '', $name) or diag $stderr;
    return;
}

# The rows of each table of the extension by its name, as JSON. Columns can be left out, and renamed.
sub rows_of {
    my ($database, $left_out, $renamed) = @_;
    my $list = sql(
        $database, q{SELECT c.relname FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid
            AND d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e' AND e.extname = 'training_workflow'
            JOIN pg_class c ON d.classid = 'pg_class'::regclass AND c.oid = d.objid AND c.relkind = 'r' ORDER BY 1}
    );
    my %rows;
    for my $table (split /\n/, $list) {
        my $row = 'to_jsonb(t)';
        $row .= " - '$_'" for @{ $left_out->{$table} // [] };
        while (my ($new, $old) = each %{ $renamed->{$table} // {} }) {
            $row = "$row - '$new' || jsonb_build_object('$old', to_jsonb(t) -> '$new')";
        }
        $rows{$table} = [ split /\n/, sql($database, "SET timezone = 'UTC'; SELECT $row FROM $table t ORDER BY 1") ];
    }
    return \%rows;
}

# What applications get.
sub answers_of {
    my ($database) = @_;
    return sql(
        $database, q{SELECT md5(string_agg(assign_model_version('router', 's' || g), ',' ORDER BY g)), count(*) FILTER
            (WHERE assign_model_version('router', 's' || g) = 'router-v1.1.0') FROM generate_series(1, 10000) g;
        SELECT rank, intent, confidence, module_type, model_version
        FROM unnest(ARRAY['track red pink now', 'order a cup']) t, classify_intents(t, 2);
        SELECT * FROM filter_decision(0.6, 'rasa', 'intent.x', 'parcel')}
    );
}

my $figures = 'SELECT date, conversations, auto_approved, needs_review, needs_review_high, needs_review_medium,
    needs_review_low, not_applicable, audited, approved, rejected, promoted, fallback_rate, avg_latency_ms,
    p50_latency_ms, p95_latency_ms, positive_feedback, negative_feedback, feedback
    FROM daily_training_stats ORDER BY date';

my %added = (
    conversation_logs    => [qw(idempotency_key anonymised_at)],
    model_versions       => [qw(rollout_number effective_test_samples learned_to location_unknown nodes_learned_to)],
    rollouts             => [qw(number steps_reason messages_per_session superseded_version samples_taken_back)],
    training_export_jobs => ['skipped_too_long'],
    training_jobs        => [qw(pool secret_sha256 handed_in_at handed_in artifact lease_seconds)],
    training_samples     => [qw(pending_reason review_priority review_reason)],
    labelstudio_tasks    => ['sample_id'],
    review_claims        => [qw(id sample_id)],
    review_events        => ['sample_id'],
);
my %renamed = (
    model_versions => { sample_counts => 'training_samples' },
    review_events  => { calling_role  => 'outer_role' },
);

my @kinds = qw(capture reviewer analyst trainer operator);
sql('postgres', join ';', map { "CREATE ROLE tw_$_ LOGIN" } @kinds, 'both', 'own');

# The way that doc/operations.md names for a dump of an older version.
sql('postgres', 'CREATE DATABASE old');
sql('old',      "CREATE EXTENSION training_workflow VERSION '0.1.0'");
{
    my ($succeeded, undef, $stderr) = run_program(@psql, '-o', "$dir/out", '-f', $fixture, '-d', $node->connstr('old'));
    ok($succeeded, 'a dump of 0.1.0 is restored') or diag $stderr;
}
integrity_is_empty($node, 'old', '0.1.0');
sql('postgres', "CREATE DATABASE $_ TEMPLATE old") for qw(between refused other_owner);

# Between the installation of the files and the update, this library works with the tables of 0.1.0.
{
    my $insert = 'INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider)';
    my $values = "SELECT 'between', 'hello ' || g, @{[ CONFIDENT ]}";
    my @as     = (extra_params => [ '-U', 'tw_capture' ]);
    is(answers_of('between'), answers_of('old'), 'between: assignment and models answer');
    sql('between', "$insert $values FROM generate_series($_, $_) g RETURNING id", @as) for 1 .. 3;
    sql('between', "$insert $values FROM generate_series(4, 60) g",               @as);
    sql('between', "COPY conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider) FROM
        STDIN;\n" . join('', map { "between\thello $_\tintent.a.b\t0.95\tindicbert\n" } 61 .. 70) . "\\.\n");
    my $captured = q{SELECT count(*), count(*) FILTER (WHERE c.filter_outcome = 'auto-approved'), count(s.id)
        FROM conversation_logs c LEFT JOIN training_samples s ON s.conversation_log_id = c.id
        WHERE c.session_id = 'between'};
    is(sql('between', $captured), '70|70|70', 'between: conversations are captured and promoted');
    my $id = sql('between', "SELECT min(id) FROM conversation_logs WHERE session_id = 'between'");
    sql('between', "SELECT reject_conversation($id, 'unclear');
        SELECT record_feedback($id + 1, 'between', 'negative')");
    sql('between', "DELETE FROM training_samples WHERE conversation_log_id = $id + 2;
        DELETE FROM conversation_logs WHERE id = $id + 2");
    for my $call (q{import_training_samples('{"text": "a", "intent": "b"}')}, "promote_missed_conversations('0')",
        'count(*) FROM export_training_samples()') {
        my (undef, undef, $error) = $node->psql('between', "\\set VERBOSITY verbose\nSELECT $call");
        like($error, qr/ERROR:  55000: .*HINT:.*ALTER EXTENSION training_workflow UPDATE/s, "between: $call says so");
    }
    sql('between', 'SELECT adopt_installation()');
    my (undef, undef, $error) = $node->psql('between', 'CALL daily_training_capture()');
    like($error, qr/part statistics failed: training_workflow of this database is older than its library/,
        'between: so does the daily job');
    sql('between', 'ALTER EXTENSION training_workflow UPDATE');
    is(sql('between', $captured), '69|69|69', 'between: all of it is there after the update');
    is(sql('between', "SELECT pending_reason FROM training_samples WHERE conversation_log_id = $id + 1"),
        'negative feedback', 'between: a sample that waits says why');
    integrity_is_empty($node, 'between', 'between');
    is(sql('between', q{UPDATE labelstudio_projects SET is_active = false; CALL daily_training_capture();
        SELECT status FROM job_runs WHERE job_name = 'daily_training_capture' ORDER BY id DESC LIMIT 1}),
        'succeeded', 'between: the daily job works again');
}

# Nothing of a person's is dropped, and nothing comes to belong to another role.
sql('refused', 'CREATE VIEW own.rollouts AS SELECT version, why FROM rollout_status');
my $refused = catalog_of($node, 'refused');
sqlstate_is($node, 'refused', 'ALTER EXTENSION training_workflow UPDATE', '2BP01',
    'a view that would be lost is named');
is_deeply(catalog_of($node, 'refused'), $refused, 'and nothing has changed');
sql('refused', 'DROP VIEW own.rollouts; ALTER EXTENSION training_workflow UPDATE');
sql('postgres', 'CREATE ROLE another SUPERUSER LOGIN');
sqlstate_is($node, 'other_owner', 'ALTER EXTENSION training_workflow UPDATE', '42501', 'its owner updates it',
    user => 'another');

# The update.
sql('old', 'CREATE INDEX own_session_idx ON conversation_logs (session_id)');
my $identities = q{SELECT 'training_queue'::regclass::oid, 'daily_training_stats'::regclass::oid,
    'approve_conversation(bigint, text, text)'::regprocedure::oid};
my ($rows, $answers, $stats, $oids) =
    (rows_of('old', { training_jobs => ['lease'] }), answers_of('old'), sql('old', $figures), sql('old', $identities));
my $leases = sql('old', 'SELECT id, extract(epoch FROM lease)::float8 FROM training_jobs ORDER BY 1');
like($leases, qr{^2\|3600$}m, '0.1.0: a worker has a lease of an hour');
my $models = sql('old', 'SELECT * FROM own.models ORDER BY 1');
like($answers, qr/\|25\d\d$/m, '0.1.0: a quarter of the sessions has the canary');
succeeds('the update', @psql, '-c', 'ALTER EXTENSION training_workflow UPDATE', '-d', $node->connstr('old'));

create_database($node, 'fresh');
sql('fresh', join ';', map { "SELECT grant_training_role('tw_$_', '$_')" } @kinds);
sql('fresh', "SELECT grant_training_role('tw_both', k) FROM unnest('{capture,analyst}'::text[]) k");
my @own = grep { /^privilege .* tw_own / } @{ catalog_of($node, 'old') };
is_deeply(
    [ map { /^privilege public\.(.*) postgres$/ } @own ],
    [
        'approve_conversation(bigint,text,text) tw_own EXECUTE f',
        'claim_reviews(integer,interval,text) tw_own EXECUTE f',
        'conversation_logs tw_own SELECT f',
        'conversation_logs.id tw_own SELECT t',
        'conversation_logs.metadata tw_own UPDATE t',
        'conversation_logs.session_id tw_own SELECT t',
        'promote_model(text,text,boolean) tw_own EXECUTE f',
        'rollout_status tw_own SELECT f',
        'training_queue tw_own SELECT f',
    ],
    'a role keeps what was granted to it, on what was made anew as well'
);

sub same_catalog {
    my ($database, $name) = @_;
    my @lines = grep { !/^privilege .* tw_own | own_session_idx / } @{ catalog_of($node, $database) };
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    is_deeply(\@lines, catalog_of($node, 'fresh'), "$name: the catalogs are those of a new installation");
    return;
}
same_catalog('old', 'updated');
is(sql('old', $identities), $oids, 'updated: functions and views keep their OIDs');
is(sql('old', 'SELECT count(*) > 0 FROM own.queue'), 't', 'updated: a view on a view works');
is(sql('old', 'SELECT * FROM own.models ORDER BY 1'), $models, 'updated: and one on a column with a new name');
is(sql('old', 'SELECT problem, example FROM check_integrity()'),
    'foreign index|own_session_idx', 'updated: check_integrity() finds the index that is not ours, and nothing else');

my $updated = rows_of('old', \%added, \%renamed);
for my $table (grep { !/^daily_statistics|^rollout_checks$|^training_settings$/ } sort keys %$rows) {
    is_deeply($updated->{$table}, $rows->{$table}, "updated: the rows of $table");
    ok(@{ $rows->{$table} } > 0, "updated: $table has rows");
}
is(sql('old', 'SELECT id, lease_seconds FROM training_jobs ORDER BY 1'),
    $leases, 'updated: leases are numbers of seconds');
is_deeply(
    $updated->{training_settings},
    [ map { s/("name": "rollout_min_units".*"value": )"1"/$1"5"/r } @{ $rows->{training_settings} } ],
    'updated: the rows of training_settings, with the least number of sessions that there is'
);
is(
    sql(
        'old', q{SELECT string_agg(concat_ws(' ', f ->> 'metric', f ->> 'state', f ->> 'verdict'), ', ' ORDER BY n)
            FROM rollout_checks, jsonb_array_elements(metrics) WITH ORDINALITY AS x (f, n)}
    ),
    'accuracy no data, failure rate not measured, fallback rate not measured, negative feedback not measured, '
      . 'latency p95 no data',
    'updated: checks of a rollout say what was measured'
);
is(sql('old', 'SELECT version, rollout_number FROM model_versions WHERE rollout_number > 0 ORDER BY 1'),
    "router-v1.1.0|1\nrouter-v1.2.0|1", 'updated: the next rollout of a version is its second');
is(answers_of('old'),    $answers, 'updated: the same sessions have the canary, models and policies answer the same');
is(sql('old', $figures), $stats,   'updated: daily_training_stats has the same figures');

# After dump and restore.
succeeds('dump', 'pg_dump', '-f', "$dir/updated.sql", $node->connstr('old'));
sql('postgres', 'CREATE DATABASE restored');
succeeds('restore', @psql, '-o', "$dir/out", '-f', "$dir/updated.sql", '-d', $node->connstr('restored'));
same_catalog('restored', 'restored');
is_deeply([ grep { /^privilege .* tw_own / } @{ catalog_of($node, 'restored') } ],
    \@own, 'restored: a role keeps what was granted to it');
is_deeply(rows_of('restored'), rows_of('old'), 'restored: the same rows');
is(answers_of('restored'), $answers, 'restored: the same answers');
integrity_is_empty($node, 'restored', 'restored');

# The first run of its job seals the rows of before the update.
sql('old', 'SELECT adopt_installation(); CALL seal_audit()');
is(
    sql('old', q{SELECT relation, count(*) FROM audit_chain WHERE kind = 'row' GROUP BY 1 ORDER BY 1}),
    sql('old', q{SELECT 'model_deployments', count(*) FROM model_deployments UNION ALL
        SELECT 'review_events', count(*) FROM review_events}),
    'updated: the audit trail has as many rows as were there'
);
is(sql('old', q{SELECT finding FROM verify_audit() WHERE is_problem OR finding = 'not sealed yet'}),
    '', 'updated: and they are what they were');

# It goes on. A step lasts a day, and the dump is older: the rollout's steps begin anew.
sql('old', q{UPDATE rollouts SET step_times = ARRAY[now() - interval '2 hours', now() - interval '1 hour']
    WHERE version = 'router-v1.1.0' AND status = 'running'});
sql('old', q{DROP INDEX own_session_idx; SELECT adopt_installation();
    UPDATE labelstudio_projects SET is_active = false; CALL daily_training_capture(); CALL check_rollouts();
    CALL run_training_jobs()});
is(sql('old', "SELECT job_name FROM job_health WHERE state = 'failing'"), 'labelstudio_sync',
    'updated: no job fails but the one without a project');
is(sql('old', $figures), $stats, 'updated: counted again, the days have the same figures');
is(sql('old', q{SELECT step, traffic_percentage, status FROM rollout_status WHERE version = 'router-v1.1.0'}),
    '2|25|running', 'updated: the rollout goes on at 25 %');
sql('old', q{SELECT rollback_rollout('router', 'enough')});
sql('old', q{SELECT start_rollout('router-v1.2.0', 'again')});
is(sql('old', q{SELECT version, number FROM rollout_status WHERE status = 'running'}),
    'router-v1.2.0|2', 'updated: a version that was rolled back can be tried again');
is(sql('old', "SELECT * FROM check_integrity() WHERE problem !~ 'retired Label Studio project'"),
    '', 'updated: after a day, check_integrity() finds the tasks of the project that was retired, and nothing else');

done_testing();
