# 008_labelstudio_samples.pl - samples without a conversation become tasks of
# a real Label Studio, and what people do there becomes verdicts on them.

use strict;
use warnings;
use utf8;

use FindBin;
use lib $FindBin::RealBin;

use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TW::Chats;
use TW::Database;
use TW::LabelStudio;
use TW::Util;

use constant DATABASE => 'samples';

my $admin = TW::LabelStudio->from_environment;
my $node  = start_node('main');
my $ascii = JSON::PP->new->ascii->canonical;
create_database($node, DATABASE);
in_database($node, DATABASE);

# Two people contradict one another about a text; of four more texts, one has spans and a number.
sql(<<"SQL");
    CREATE SERVER ls FOREIGN DATA WRAPPER training_workflow_labelstudio OPTIONS (url '$ENV{LABEL_STUDIO_URL}');
    CREATE USER MAPPING FOR PUBLIC SERVER ls OPTIONS (token '$ENV{LABEL_STUDIO_PAT}');
    INSERT INTO training_samples (id, text, intent, review_status, quality_score, review_priority, review_reason,
                                  entities) VALUES
        (1, 'cancel kar do', 'intent.order.track', 'approved', 1, 2, 'label conflict', NULL),
        (2, 'Cancel kar do!', 'intent.order.cancel', 'pending', 1, 2, 'label conflict', NULL),
        (3, U&'\\091a\\093e\\0939\\093f\\090f pizza, 98220 54321', 'intent.order.place', 'pending', 1, 2,
         'label conflict', '[{"start": 6, "end": 11, "label": "dish"}, {"start": 13, "end": 24, "label": "phone"}]'),
        (4, 'to be rejected', 'intent.a.b', 'pending', 1, 2, 'label conflict', NULL),
        (5, 'to be skipped', 'intent.a.b', 'pending', 1, 2, 'label conflict', NULL),
        (6, 'to be judged here', 'intent.a.b', 'pending', 1, 2, 'label conflict', NULL);
    SELECT setval('training_samples_id_seq', 6);
    SELECT labelstudio_create_project('Samples');
SQL
my $project = sql('SELECT project_id FROM labelstudio_projects');
call($node, DATABASE, 'labelstudio_sync', 'the first run');

# The tasks over there, by sample.
sub there { return map { (split /@/, $_->{meta}{sample})[0] => $_ } $admin->tasks($project) }
my %task = there();
is_deeply([ sort keys %task ], [ 1 .. 6 ], 'each sample has its task');
is($task{3}{data}{text}, "\x{91a}\x{93e}\x{939}\x{93f}\x{90f} pizza, 00000 00000", 'the number is masked');
is_deeply([ map { $_->{value} } @{ $task{2}{data}{verdicts} } ], [qw(approve fix reject)], 'what can be said of it');
unlike($ascii->encode([ values %task ]), qr/98220|54321/, 'no number is over there');

my $approval = $admin->annotate($task{2}{id}, verdict => 'approve', note => 'asked');
$admin->annotate($task{3}{id}, verdict => 'approve', entities => [ [ 0, 5, 'wish' ], [ 6, 11, 'dish' ] ]);
$admin->annotate($task{4}{id}, verdict => 'reject');
$admin->annotate($task{5}{id}, verdict => 'approve', was_cancelled => 1);
sql('SELECT reject_sample(6, \'no-such-intent\')');
call($node, DATABASE, 'labelstudio_sync', 'the answers');
my $states = q{SELECT s.id, s.review_status, s.review_priority, string_agg(t.status, ' ' ORDER BY t.id)
    FROM training_samples s LEFT JOIN labelstudio_tasks t ON t.sample_id = s.id GROUP BY 1 ORDER BY 1};
is(sql($states),
    "1|rejected||closed\n2|approved||done\n3|approved||done\n4|rejected||done\n5|pending|2|skipped\n6|rejected||closed",
    'each answer is the verdict that it means, and the other side of the conflict is settled');
is(sql('SELECT reviewed_by, label_source FROM training_samples WHERE id = 2'), 'admin@example.test|human',
    'in the annotator\'s name');
is(sql(q{SELECT jsonb_path_query_array(entities, '$[*].label'), entities -> 0 ->> 'value' = left(text, 5)
    FROM training_samples WHERE id = 3}), '["wish", "dish"]|t', 'the spans are where they were marked');
is_deeply([ sort keys %{ { there() } } ], [ 2 .. 5 ], 'what needs no person any more is gone over there');

# Taken back there, judged again, and deleted there.
$admin->delete_annotation($approval->{id});
$admin->delete_task($task{5}{id});
call($node, DATABASE, 'labelstudio_sync', 'a run after an annotation and a task are deleted');
is(sql($states),
    "1|approved|2|closed open\n2|pending|2|open\n3|approved||done\n4|rejected||done\n5|pending|2|deleted open\n"
        . '6|rejected||closed',
    'both sides wait again, and so does what was deleted');
%task = there();
$admin->annotate($task{2}{id}, verdict => 'fix', intent => 'intent.order.track');
call($node, DATABASE, 'labelstudio_sync', 'the second thought');
is(sql('SELECT string_agg(concat_ws(\' \', id, review_status, intent), \', \' ORDER BY id) FROM training_samples
        WHERE id <= 2'),
    '1 approved intent.order.track, 2 approved intent.order.track', 'which agrees with the other side');
is(sql('SELECT count(*) FROM training_samples WHERE id <= 2 AND review_priority IS NOT NULL'), 0, 'neither waits');
is(sql('SELECT backlog, open_tasks, uncertain_tasks FROM labelstudio_check()'), '0|1|0', 'labelstudio_check() counts');
is(sql('SELECT count(*) FROM check_integrity()'), 0, 'check_integrity() is empty')
    or diag sql('SELECT problem, example FROM check_integrity()');

$node->stop;
done_testing();
