# replies.pl - Label Studio and an S3 store, by their stand-ins, through a proxy that changes some of the replies, for
# labelstudio_sync(), labelstudio_check() and whatever talks to the store.

use strict;
use warnings;

use TW::Database;
use TW::Fuzz;
use TW::LabelStudioStub;
use TW::LabelStudioTest;
use TW::MutatingProxy;
use TW::S3Stub;

my $node   = start_fuzz();
my $studio = TW::LabelStudioStub->start(token => 'aTokenOfTheOldKind0123456789abcdef012345');
my $store  = TW::S3Stub->start(echo => 'x');
my %proxy  = map { $_ => TW::MutatingProxy->start } qw(studio store);
my %port   = (studio => $studio->port, store => $store->port);

$proxy{$_}->replies(port => $port{$_}, seed => 1, share => 0) for keys %proxy;
sql(<<"SQL");
    CREATE SERVER label_studio FOREIGN DATA WRAPPER training_workflow_labelstudio OPTIONS (
        url '@{[ $proxy{studio}->url ]}', connect_timeout '2', timeout '2', import_timeout '2');
    CREATE USER MAPPING FOR PUBLIC SERVER label_studio OPTIONS (token '@{[ $studio->token ]}');
    CREATE SERVER store FOREIGN DATA WRAPPER training_workflow_s3 OPTIONS (
        endpoint '@{[ $proxy{store}->url ]}', bucket 'bucket', connect_timeout '2', timeout '2');
    CREATE USER MAPPING FOR PUBLIC SERVER store OPTIONS (access_key_id 'key', secret_access_key 'secret');
    GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO tw_operator;
    SELECT labelstudio_create_project('All the rest');
SQL

# Somebody answers some of what waits over there.
sub annotate {
    my @open = grep { !@{ $_->{annotations} } } @{ $studio->tasks };
    splice @open, 8 if @open > 8;
    for my $task (@open) {
        $studio->annotate($task->{id}, completed_by => 1 + below(2), was_cancelled => chance(0.1) ? 1 : 0,
            result => result(
                verdict => one_of('approve', 'fix', 'reject', 'other'),
                new_intent => one_of(undef, 'intent.food.item.search', random_text(3)),
                reason => one_of(undef, 'unclear', 'x'), note => one_of(undef, random_text(4)),
                spans => one_of([], [ [ 0, 3, 'dish' ] ], [ [ -1, 99, 'x' ], [ 2, 1, '' ] ])));
    }
    $studio->delete_task($_->{id}) for grep { @{ $_->{annotations} } && chance(0.3) } @{ $studio->tasks };
    return;
}

my @store_calls = map { "SELECT $_" } (
    "tw_s3_put('store', 'a/%d', convert_to(repeat('x', %d), 'UTF8'), %s)",
    "tw_s3_get('store', 'a/%d', repeat('a', 64))",
    "tw_s3_read('store', 'a/%d')", "tw_s3_head('store', 'a/%d')", "tw_s3_delete('store', 'a/%d')",
    "tw_s3_ask('store', 'GET', 'a/%d', '')", "s3_check('store')"
);

my ($syncs, $synced) = (0, 0);
batches(
    sub {
        my ($batch) = @_;
        my $share = one_of(0, 0.1, 0.3, 1);
        annotate();
        $proxy{$_}->replies(port => $port{$_}, seed => below(2**31), share => $share) for sort keys %proxy;
        my @sql = (
            "INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider)
             SELECT 's', " . literal(random_text(5) . $batch) . " || g, 'intent.food.item.search', 0.5, 'indicbert'
             FROM generate_series(1, " . (1 + below(4)) . ') g',
            'CALL labelstudio_sync()',
            'SELECT state FROM labelstudio_check()',
            (chance(0.1) ? "SELECT labelstudio_create_project('Project $batch', 'module$batch')" : ()),
            (map { sprintf one_of(@store_calls), below(5), below(100_000), one_of('true', 'false') } 1 .. 8),
            "CALL export_training_samples_to_s3('e/" . below(5) . "', overwrite => " . one_of('true', 'false') . ')',
            'CALL labelstudio_' . one_of(qw(push pull sync)) . '()',
            "SELECT status FROM job_runs WHERE job_name LIKE 'labelstudio%' ORDER BY id DESC LIMIT 1",
            # Projects of lost creations would make each sync longer.
            'UPDATE labelstudio_projects SET is_active = false WHERE id > 2 AND is_active'
        );
        my @answers = run_batch(\@sql);
        $syncs++;
        $synced++ if ($answers[-2][1] // '') eq "succeeded\n";
    }
);
finding('no use', "$synced of $syncs synchronizations succeeded") if !defined $ENV{BATCH} && !$synced;
$_->stop for values %proxy, $studio, $store;
finish(said => "$synced of $syncs last synchronizations of a batch succeeded");
