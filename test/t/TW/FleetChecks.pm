# FleetChecks.pm - what has to be true of a fleet when everything has arrived: each node has what its clients were told,
# the hub has what the nodes have, with one sample each, and nothing is left over.

package TW::FleetChecks;

use strict;
use warnings;

use Exporter 'import';
use Test::More;
use TW::Fleet;
use TW::Util;

our @EXPORT = qw(check_fleet);

# What a node knows of a conversation and the hub does not overrule: all columns but those of the review.
use constant FACTS => q{to_jsonb(c) - '{review_status,review_priority,review_reason,is_training_candidate}'::text[]};

# Rows that the hub and a node do not have alike.
sub _differences {
    my ($n) = @_;
    my @rows = map { { map { split /\|/, $_, 2 } split /\n/, $_ } }
        rows_at(0, "c.id >= tw_first_id($n) AND c.id < tw_first_id($n + 1)", 'c.id, ' . FACTS),
        rows_at($n, 'true', 'c.id, ' . FACTS);
    my %all    = map { %$_ } @rows;
    my @differ = grep { ($rows[0]{$_} // '') ne ($rows[1]{$_} // '') } sort keys %all;
    return join "\n", map { "at the hub: $rows[0]{$_}\nat $n: $rows[1]{$_}" } grep { defined } @differ[ 0 .. 2 ];
}

# At the hub each conversation that the filter approved has one sample; one that was rejected before the sample was made
# needs none.
sub _wrong_samples {
    return at(0, <<'SQL');
        SELECT c.id, c.filter_outcome, c.review_status, count(s.id)
        FROM conversation_logs c LEFT JOIN training_samples s ON s.conversation_log_id = c.id
        GROUP BY c.id
        HAVING count(s.id) > 1
            OR count(s.id) = 0 AND c.filter_outcome = 'auto-approved' AND c.review_status <> 'rejected'
            OR bool_or(s.label_source = 'model') AND c.filter_outcome <> 'auto-approved'
        ORDER BY 1 LIMIT 10
SQL
}

# With a ledger for each database, by its number.
sub check_fleet {
    my ($name, @ledgers) = @_;
    my $once = 'that was acknowledged once';
    local $Test::Builder::Level = $Test::Builder::Level + 1;

    for my $n (1 .. $#ledgers) {
        is(at($n, $ledgers[$n]->problems($_)), '', "$name: node $n has each $_ $once, and no other")
            for qw(conversation response feedback);
        is(_differences($n), '', "$name: the hub has all of node $n, and nothing else");
        is(at($n, 'SELECT count(*) FROM training_samples'), '0', "$name: node $n makes no samples");
        my $policies = 'SELECT p FROM review_policies p ORDER BY id';
        is(at($n, $policies), at(0, $policies), "$name: node $n has the hub's policies");
    }
    is(at(0, $ledgers[0]->problems($_)), '', "$name: the hub has each $_ $once")
        for qw(event policy);
    is(at(0, <<'SQL'), '', "$name: each verdict stands");
        SELECT DISTINCT c.id, c.review_status, e.to_status, e.note FROM review_events e
        JOIN conversation_logs c ON c.id = e.conversation_log_id
        WHERE e.note LIKE 'verdict %' AND c.review_status <> e.to_status
          AND NOT EXISTS (SELECT FROM review_events x WHERE x.conversation_log_id = c.id AND x.id > e.id
                              AND x.note LIKE 'verdict %')
        ORDER BY 1 LIMIT 5
SQL
    is(_wrong_samples(), '', "$name: the hub has one sample of each conversation that is to have one");
    integrity_is_empty(server($_), BOT, "$name, $_") for 0 .. $#ledgers;
    is(at(0, q{SELECT node, state, missing_from FROM fleet_status WHERE state <> 'replicating' OR NOT is_current}),
        '', "$name: nothing is missing anywhere");
    is(at(0, q{SELECT count(*) FROM job_runs WHERE status = 'running'}), '0', "$name: no run of a job is left");
    is(at($_, q{SELECT slot_name FROM pg_replication_slots WHERE slot_name LIKE 'pg_%'}), '',
        "$name: at $_ no slot of a copy is left")
        for 0 .. $#ledgers;
    return;
}

1;
