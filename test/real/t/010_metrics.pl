# 010_metrics.pl - the view training_metrics through the real postgres_exporter into a real Prometheus, with the files
# of contrib/monitoring: what Prometheus has is what the view says, and its alerts fire.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use HTTP::Tiny;
use IPC::Run;
use JSON::PP ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);
use TW::Util;

my $bin = $ENV{PROMETHEUS_BIN} or plan skip_all => 'there is no Prometheus here';

use constant PATIENCE => $PostgreSQL::Test::Utils::timeout_default;

my $folder = "$FindBin::RealBin/../../../contrib/monitoring";
my $work   = PostgreSQL::Test::Utils::tempdir();
my $http   = HTTP::Tiny->new(timeout => 10);

my ($out, $err);
ok(IPC::Run::run([ "$bin/promtool", 'check', 'rules', "$folder/training_workflow.rules.yml" ], '>&', \$out),
    'promtool accepts the rules') or diag $out;
ok(IPC::Run::run([ "$bin/promtool", 'test', 'rules', "$folder/training_workflow.rules_test.yml" ], '>&', \$out),
    'each alert fires where it should, and is silent where all is well') or diag $out;

my $node = start_node('main');
$node->safe_psql('postgres', 'CREATE DATABASE chat');
$node->safe_psql('chat', <<'SQL');
    CREATE SCHEMA training;
    CREATE EXTENSION training_workflow SCHEMA training;
    SET search_path = training;
    CREATE ROLE monitor LOGIN;
    SELECT grant_training_role('monitor', 'analyst');
    INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider, created_at)
    SELECT 's' || n, 'message ' || n, 'intent.food.order', 0.3, 'indicbert', now() - interval '9 days'
    FROM generate_series(1, 40) n;
    SELECT recount_days();
    CALL seal_audit();
SQL

# A port that nobody has: asked for, and given back at once.
sub free_port {
    return PostgreSQL::Test::Cluster::get_free_port();
}
my ($exporter_port, $prometheus_port) = (free_port(), free_port());

my %running;
sub launch {
    my ($name, $command, %env) = @_;
    local %ENV = (%ENV, %env);
    open my $log, '>', "$work/$name.log" or die $!;
    $running{$name} = IPC::Run::start($command, '<', \undef, '>&', $log);
    return;
}
END { local $?; $_->kill_kill(grace => 5) for values %running }

# Asks until the answer is what the caller waits for; the last answer.
sub ask_until {
    my ($url, $wanted) = @_;
    my $answer;
    for (1 .. 4 * PATIENCE) {
        $answer = $http->get($url);
        last if $answer->{success} && $wanted->($answer->{content});
        sleep 0.25;
    }
    return $answer->{content};
}

my $uri = sprintf 'postgresql://monitor@/chat?host=%s&port=%s&sslmode=disable', $node->host =~ s{/}{%2F}gr, $node->port;
launch('exporter', [ "$bin/prometheus-postgres-exporter", "--web.listen-address=127.0.0.1:$exporter_port",
        "--extend.query-path=$folder/postgres_exporter.yml", '--disable-default-metrics',
        '--disable-settings-metrics' ], DATA_SOURCE_NAME => $uri);
my $scraped = ask_until("http://127.0.0.1:$exporter_port/metrics", sub { $_[0] =~ /training_workflow_queue_waiting/ });
like($scraped, qr/^training_workflow_row_value\{.*metric="training_workflow_queue_waiting".*priority="high".*\} 40$/m,
    'the exporter gives the queue') or diag slurp_file("$work/exporter.log");

# The configuration of the page, with the ports of this test and a shorter interval.
my $config = slurp_file("$folder/prometheus.yml");
$config =~ s/127\.0\.0\.1:9187/127.0.0.1:$exporter_port/;
$config =~ s/scrape_interval: 30s/scrape_interval: 1s/;
append_to_file("$work/prometheus.yml", $config);
append_to_file("$work/training_workflow.rules.yml",
    slurp_file("$folder/training_workflow.rules.yml") =~ s/^        for: .*\n//mgr);
append_to_file("$work/prometheus.yml", "global:\n  evaluation_interval: 1s\n");
ok(IPC::Run::run([ "$bin/promtool", 'check', 'config', "$work/prometheus.yml" ], '>&', \$out),
    'promtool accepts the configuration') or diag $out;
launch('prometheus', [ "$bin/prometheus", "--config.file=$work/prometheus.yml", "--storage.tsdb.path=$work/data",
        "--web.listen-address=127.0.0.1:$prometheus_port", '--web.console.templates=/nonexistent' ]);

my $api = "http://127.0.0.1:$prometheus_port/api/v1";
ask_until("$api/query?query=training_workflow_info", sub { $_[0] =~ /"extension_version"/ });

# Every row of the view is in Prometheus, by its own name and with its own labels.
my $series = JSON::PP->new->decode(
    $http->get("$api/query?query=" . '%7B__name__%3D~%22training_workflow_.%2B%22%7D')->{content});
my %found;
for my $one (@{ $series->{data}{result} }) {
    my %label = %{ $one->{metric} };
    my $name  = delete $label{__name__};
    delete @label{qw(instance job server)};
    $found{"$name " . JSON::PP->new->canonical->encode(\%label)} = $one->{value}[1];
}
my @rows = split /\n/, $node->safe_psql('chat', <<'SQL');
    SELECT name || '|' || labels || '|' || value FROM training.training_metrics
SQL
my $different = 0;
for my $row (@rows) {
    my ($name, $labels, $value) = $row =~ /^([^|]+)\|(.*)\|([^|]+)$/;
    my $key = "$name " . JSON::PP->new->canonical->encode(JSON::PP->new->decode($labels));
    if (!exists $found{$key}) {
        diag "not in Prometheus: $key";
        $different++;
        next;
    }
    # Ages grow between two looks.
    next if $name =~ /_seconds$/;
    $different++, diag "$key: $found{$key}, not $value" if abs($found{$key} - $value) > 1e-9;
}
ok(@rows > 25, 'the view has rows');
is($different, 0, 'Prometheus has every row of the view, with its labels and its value');

my $alerts = ask_until("$api/alerts", sub { $_[0] =~ /TrainingWorkflowQueueTooOld.*"firing"/s });
like($alerts, qr/TrainingWorkflowQueueTooOld/,   'the alert about an old queue fires');
like($alerts, qr/TrainingWorkflowNoConversations/, 'and the one about silence');
unlike($alerts, qr/TrainingWorkflowRestoredCopy|TrainingWorkflowNoMetrics/, 'others do not');

done_testing();
