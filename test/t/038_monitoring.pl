# 038_monitoring.pl - contrib/monitoring fits the view training_metrics: no alert and no panel asks for a metric that
# does not exist, no label is lost on the way, and every query runs as the role that it is for.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use JSON::PP ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TW::Database;
use TW::Util;

my $folder = "$FindBin::RealBin/../../contrib/monitoring";
my $node   = start_node('main');
create_database($node, 'chat');
in_database($node, 'chat');

# A database in which each figure is known.
sql(<<'SQL');
    CREATE ROLE monitor LOGIN;
    SELECT grant_training_role('monitor', 'analyst');
    INSERT INTO review_policies (audit_rate_approved, audit_rate_review) VALUES (1, 1);
    SELECT register_model('router-v1.0.0', 'router', 'production');
    INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider,
                                   nlu_model_version, nlu_processing_time_ms, created_at)
    SELECT 's' || n, 'message ' || n, 'intent.food.order', 0.9, CASE WHEN n % 4 = 0 THEN 'llm' ELSE 'indicbert' END,
           'router-v1.0.0', 20, now() - n * interval '1 hour' FROM generate_series(1, 60) n;
    SELECT approve_conversations(ARRAY(SELECT id FROM conversation_logs WHERE id <= 30));
    SELECT recount_days();
    CALL seal_audit();
    CALL check_rollouts();
SQL

my %known = map { $_ => 1 } split /\n/, sql('SELECT name FROM tw_metric_names()');
ok(keys %known > 30, 'the metrics have names');
is(sql(<<'SQL'), 't', 'every row of the view has a name, labels that are texts, a value, help and a type');
    SELECT bool_and(name ~ '^training_workflow_[a-z_]+$' AND jsonb_typeof(labels) = 'object' AND value IS NOT NULL
        AND help <> '' AND type IN ('gauge', 'counter') AND (type = 'counter') = (name LIKE '%\_total')
        AND NOT EXISTS (SELECT FROM jsonb_each(labels) l WHERE jsonb_typeof(l.value) <> 'string'))
    FROM training_metrics
SQL
is(sql('SELECT count(*) FROM (SELECT name, labels FROM training_metrics GROUP BY 1, 2 HAVING count(*) > 1) d'),
    0, 'no metric is given twice');
my $source = slurp_file("$folder/../../src/report/training_metrics.sql");
is_deeply([ grep { !$known{"training_workflow_$_"} } $source =~ /SELECT 'training_workflow_([a-z_]+)',/g ],
    [], 'each metric that is made has help and a type');
is(sql(<<'SQL'), '', 'and so has each row');
    SELECT string_agg(p.name, ' ') FROM (
        SELECT name FROM tw_metrics_of_jobs() UNION ALL SELECT name FROM tw_metrics_of_queue()
        UNION ALL SELECT name FROM tw_metrics_of_capture() UNION ALL SELECT name FROM tw_metrics_of_models()
        UNION ALL SELECT name FROM tw_metrics_of_stores()) p
    WHERE p.name NOT IN (SELECT name FROM tw_metric_names())
SQL

for my $file (qw(training_workflow.rules.yml training_workflow.rules_test.yml grafana-prometheus.json)) {
    my $text  = slurp_file("$folder/$file");
    my @asked = $text =~ /(training_workflow_[a-z_]+)/g;
    ok(@asked > 10, "$file asks for metrics");
    is_deeply([ grep { !$known{$_} } @asked ], [], "$file asks for none that does not exist");
}

# Each link of an alert leads to a heading.
my $page  = slurp_file("$folder/../../doc/monitoring.md");
my %there = map { lc =~ s/[^a-z0-9 -]//gr =~ s/ /-/gr => 1 } $page =~ /^#+ (.+)$/mg;
my @links = slurp_file("$folder/training_workflow.rules.yml") =~ m{runbook: doc/monitoring\.md#(\S+)}g;
ok(@links > 10, 'alerts have runbooks');
is_deeply([ grep { !$there{$_} } @links ], [], 'each runbook is a section of the page');

# The exporter passes on every label.
my $exporter = slurp_file("$folder/postgres_exporter.yml");
my %passed   = map { $_ => 1 } $exporter =~ /labels ->> '([a-z_]+)'/g;
my @made     = $source =~ /jsonb_build_object\(([^;]*?)\)[,\s]/g;
my %label    = map { $_ => 1 } (map { /'([a-z_]+)',/g } @made), $source =~ /\{"([a-z_]+)":/g;
ok(keys %label > 8, 'labels were found');
is_deeply([ grep { !$passed{$_} } sort keys %label ], [], 'no label is lost in the exporter');
is(sql("SELECT string_agg(DISTINCT l.key, ' ') FROM training_metrics m, jsonb_object_keys(m.labels) l (key)
        WHERE l.key <> ALL ('{@{[ join ',', keys %passed ]}}')"), '', 'and none of the view');

my ($query) = $exporter =~ /query: >-\n((?:    .*\n)+?)  metrics:/;
$query =~ s/training\.training_metrics/training_metrics/;
is(sql_as('monitor', "SELECT count(*) = (SELECT count(*) FROM training_metrics) FROM ($query) q"),
    't', 'the query of the exporter gives every row to an analyst');

my $board = JSON::PP->new->decode(slurp_file("$folder/grafana-postgresql.json"));
my @panels = @{ $board->{panels} };
ok(@panels > 10, 'the dashboard has panels');
for my $panel (@panels) {
    for my $target (@{ $panel->{targets} }) {
        my $sql = $target->{rawSql} =~ s/\btraining\.//gr =~ s/\$__timeFrom\(\)/(now() - interval '30 days')/gr
            =~ s/\$__timeTo\(\)/now()/gr;
        my ($status, $out, $err) =
            $node->psql('chat', $sql, extra_params => [ '-U', 'monitor', '-v', 'ON_ERROR_STOP=1' ]);
        is($status, 0, "panel \"$panel->{title}\" runs as an analyst") or diag $err;
    }
}

# What an analyst of one module sees tells nothing of the others.
sql(q{CREATE ROLE food LOGIN; SELECT grant_training_role('food', 'analyst', '{parcel}')});
is( sql_as('food', q{SELECT coalesce(sum(value), 0) FROM training_metrics
                     WHERE name ~ '_(conversation_ids_total|day_|queue_waiting|audit_waiting|claims|last_conv)'}),
    0, 'an analyst of another module sees no figure of these conversations');
$node->stop;

done_testing();
