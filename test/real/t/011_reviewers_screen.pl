# 011_reviewers_screen.pl - a reviewer in a real browser before a real Label Studio: tasks of every kind are seen
# without scrolling and judged by keys alone, and the verdicts are in the database after the next sync.

use strict;
use warnings;
use utf8;

use FindBin;
use lib $FindBin::RealBin;

use IPC::Run;
use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TW::Chats;
use TW::Database;
use TW::LabelStudio;
use TW::Util;

use constant {
    DATABASE => 'screen',
    EMAIL    => 'screen@example.test',
    PATIENCE => 300,
    LONG     => 10_000
};

plan(skip_all => 'there is no browser') if !defined $ENV{BROWSER_DRIVER};
my $admin = TW::LabelStudio->from_environment;
my $node  = start_node('main');
my $json  = JSON::PP->new->utf8->canonical;
my $here  = $FindBin::RealBin;
create_database($node, DATABASE);
in_database($node, DATABASE);

# Works through tasks of a project (see browser/review.js); returns what was seen, by name.
sub review {
    my ($project, $shots, $tasks, %option) = @_;
    my %plan = (
        url     => $ENV{LABEL_STUDIO_URL},
        project => $project,
        email   => EMAIL,
        password => TW::LabelStudio::PASSWORD,
        shots   => $shots,
        tasks   => $tasks,
        %option
    );
    my $file = PostgreSQL::Test::Utils::tempdir() . '/plan.json';
    PostgreSQL::Test::Utils::append_to_file($file, $json->encode(\%plan));
    my ($out, $err);
    my $ended = eval {
        IPC::Run::run([ 'node', "$here/../browser/review.js", $file ], '<', \undef, '>', \$out, '2>', \$err,
            IPC::Run::timeout(PATIENCE));
    };
    ok($ended, "$shots: the browser worked through the tasks") or diag $@ // '', $err // '';
    my $seen = eval { $json->decode($out // '') } // {};
    is_deeply([ $seen->{unknown}, $seen->{problems} ], [ undef, [] ], 'no other task was served, and no script failed');
    my %done = map { $_->{name} => $_ } @{ $seen->{done} // [] };
    is_deeply([ sort keys %done ], [ sort keys %$tasks ], 'each task was served once');
    return \%done;
}

#-----------------------------------------------------------------------------------------------------------------------
# Conversations of every kind, and 144 intents in 12 modules.

my %message = (
    plain    => 'Where is my veg pizza? I ordered it an hour ago',
    audit    => 'Book a table for two',
    entities => 'Send two paneer tikka to Kothrud before 8 pm',
    hindi    => 'मुझे कोथरुड में पनीर टिक्का चाहिए, कब तक आएगा?',
    arabic   => 'أين طلبي؟ طلبت بيتزا منذ ساعة إلى Kothrud, رقم 47',
    none     => 'asdf qwer',
    markup   => '<script>document.title="x"</script> <b>bold</b> $text & "quotes"',
    long     => 'The longest: ' . 'my order has not come, and nobody answers the phone. ' x 200,
    blind    => 'refund my parcel, it never came',
    third    => 'book a cab to the airport'
);
$message{long} = substr $message{long}, 0, LONG;
my %values = map { $_ => q{'} . $message{$_} =~ s/'/''/gr . q{'} } keys %message;

sql(<<"SQL");
    CREATE SERVER ls FOREIGN DATA WRAPPER training_workflow_labelstudio OPTIONS (url '$ENV{LABEL_STUDIO_URL}');
    CREATE USER MAPPING FOR PUBLIC SERVER ls OPTIONS (token '$ENV{LABEL_STUDIO_PAT}');
    INSERT INTO review_policies (module_type, audit_rate_approved, audit_rate_review) VALUES (NULL, 0, 0),
        ('hotel', 1, 1);
    INSERT INTO training_samples (text, intent, review_status, quality_score, entities)
    SELECT concat_ws(' ', m, o, v), format('intent.%s.%s.%s', m, o, v), 'approved', 1,
        '[{"start": 0, "end": 1, "label": "date"}, {"start": 0, "end": 1, "label": "food"},
          {"start": 0, "end": 1, "label": "place"}]'
    FROM unnest('{account,flight,food,generic,health,hotel,parcel,pay,ride,shop,support,wallet}'::text[]) m,
        unnest('{booking,item,order,refund}'::text[]) o, unnest('{cancel,search,track}'::text[]) v;
    CREATE FUNCTION said(kind text, message text, intent text, correction text DEFAULT NULL, reply text DEFAULT NULL,
                         entities jsonb DEFAULT NULL, confidence double precision DEFAULT 0.5) RETURNS bigint
    LANGUAGE sql AS \$\$
        INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider,
                                       nlu_model_version, user_correction, response_text, nlu_entities)
        VALUES (kind, message, intent, confidence, 'indicbert', 'router-v1', correction, reply, entities) RETURNING id
    \$\$;
    SELECT said('plain', $values{plain}, 'intent.food.order.track', NULL, 'It is on its way');
    SELECT said('audit', $values{audit}, 'intent.hotel.booking.search', NULL, 'Here are 12 hotels', NULL, 0.99);
    SELECT said('entities', $values{entities}, 'intent.food.order.cancel', 'No! I want to ORDER it', 'Cancelled',
                '[{"start": 9, "end": 21, "label": "food"}, {"start": 25, "end": 32, "label": "place"}]');
    SELECT said('hindi', $values{hindi}, 'intent.food.item.search', 'पनीर टिक्का कब?', NULL,
                '[{"start": 5, "end": 11, "label": "place"}]');
    SELECT said('arabic', $values{arabic}, 'intent.food.order.track', 'لا', 'طلبك في الطريق');
    SELECT said('none', $values{none}, NULL, NULL, 'Sorry?');
    SELECT said('markup', $values{markup}, 'intent.food.order.track', '<img src=x onerror=alert(1)>', '<i>reply</i>');
    SELECT said('long', $values{long}, 'intent.food.order.track', repeat('Not what I asked. ', 50),
                repeat('Please wait for me. ', 50));
    SELECT tw_ask_blindly(ARRAY[said('blind', $values{blind}, 'intent.parcel.order.track', NULL, 'On its way'),
                                said('third', $values{third}, 'intent.parcel.item.track')],
                          '{intent.parcel.order.track,intent.parcel.item.track}',
                          '{intent.parcel.refund.track,intent.ride.order.track}');
    SELECT labelstudio_create_project('Screen');
SQL
is(sql('SELECT count(*) FROM conversation_logs WHERE review_priority IS NOT NULL'), scalar(keys %message), 'all wait')
    or diag sql('SELECT session_id, review_reason FROM conversation_logs');
my $project = sql('SELECT project_id FROM labelstudio_projects');
call($node, DATABASE, 'labelstudio_sync', 'the first run');
$admin->create_user(EMAIL);

#-----------------------------------------------------------------------------------------------------------------------
# The reviewer sees them and judges them.

my $right = sql(q{SELECT array_position(suggestions, 'intent.parcel.refund.track') FROM blind_reviews b
    JOIN conversation_logs c ON c.id = b.conversation_log_id WHERE session_id = 'blind'});
my $submit = 'Control+Enter';
my ($from) = $message{entities} =~ /^(.*)8 pm/ ? length $1 : die;
my %keys = (
    plain    => ['a'],
    audit    => [ 'f', '1' ],
    # The third label, and the words that it is for.
    entities => [ 'q', 'select:' . join(':', $from, $from + 4), 'a' ],
    hindi    => [ 'r', 'n' ],
    # The first intent that is found, and out of the field again.
    arabic   => [ 'f', 'i', 'text:parcel.refund', 'Enter', 'Tab' ],
    none     => [ 'f', '9' ],
    markup   => ['a'],
    long     => [ 'r', 'u' ],
    blind    => [$right],
    third    => [ 'f', 'i', 'text:ride.booking', 'Enter', 'Tab' ]
);
my $done = review($project, 'screen',
    {   map {
            $_ => {
                begins => substr($message{$_}, 0, 12), keys => [ @{ $keys{$_} }, $submit ],
                shows  => [ '.tw-verdict .lsf-choice', '.tw-intents .lsf-choice', '.tw-said', '.tw-reason .lsf-choice' ]
            }
        } keys %message
    }
);
for my $name (sort keys %$done) {
    my $d = $done->{$name};
    is($d->{text} =~ s/\n//gr, $message{$name} =~ s/\n//gr, "$name: the whole message is there");
    for my $when (qw(before after)) {
        my $g = $d->{$when};
        is_deeply([ @$g{qw(scrolls)}, grep { !$_ } map { @$_ } @$g{qw(verdicts fields boxes)} ], [ [] ],
            "$name, $when the choice: everything is in the window, and nothing scrolls but boxes of their own")
            or diag $json->encode($g);
    }
    cmp_ok($d->{before}{size}, '>=', $name eq 'long' ? 15 : 22, "$name: the message is large");
    cmp_ok($d->{before}{scroll}, '<=', 1, "$name: the message is there without scrolling") if $name ne 'long';
}
note "$_: shown again after $done->{$_}{milliseconds} ms" for grep { $done->{$_}{milliseconds} } sort keys %$done;
note "long: the message is $done->{long}{before}{scroll} times as high as its box";

is_deeply($done->{none}{shown}[0], [ 'fix[f]', 'reject[r]' ], 'nothing can be approved where there is no answer');
is_deeply($done->{blind}{shown}[2], [], 'a blind task shows no reply');
is_deeply([ map { s/\n/: /r } @{ $done->{markup}{shown}[2] } ],
    [ "The user's correction: <img src=x onerror=alert(1)>", "The chatbot's reply: <i>reply</i>" ],
    'markup is text, beside the message');
is_deeply([ @{ $done->{audit}{shown}[1] }[ 0 .. 2 ] ],
    [   "The model's answer\nintent.hotel.booking.search", "hotel\n1\nintent.hotel.booking.cancel",
        "2\nintent.hotel.booking.track"
    ],
    'the intents are under their modules, the answer and its module first')
    or diag $json->encode($done->{audit}{shown}[1]);
is(scalar(@{ $done->{audit}{shown}[1] }), 144, 'all of them');
is_deeply(
    $done->{arabic}{shown}[1],
    [ map {"intent.parcel.refund.$_"} qw(cancel search track) ],
    'the search leaves those that have its words'
);

#-----------------------------------------------------------------------------------------------------------------------
# And the verdicts arrive.

call($node, DATABASE, 'labelstudio_sync', 'the verdicts');
is_deeply(
    {   map { $_->{session_id} => join ' ', map { $_ // '-' } @$_{qw(action intent reject_reason reviewer)} }
            rows($node, DATABASE, q{SELECT c.session_id, e.action, e.intent, e.reject_reason, e.reviewer
                FROM review_events e JOIN conversation_logs c ON c.id = e.conversation_log_id
                WHERE e.action IN ('approve', 'fix', 'reject')})
    },
    {   plain    => 'approve intent.food.order.track - ' . EMAIL,
        audit    => 'fix intent.hotel.booking.cancel - ' . EMAIL,
        entities => 'fix intent.food.order.cancel - ' . EMAIL,
        hindi    => 'reject - no-such-intent ' . EMAIL,
        arabic   => 'fix intent.parcel.refund.cancel - ' . EMAIL,
        none     => 'fix intent.account.order.track - ' . EMAIL,
        markup   => 'approve intent.food.order.track - ' . EMAIL,
        long     => 'reject - unclear ' . EMAIL,
        blind    => 'fix intent.parcel.refund.track - ' . EMAIL,
        third    => 'fix intent.ride.booking.cancel - ' . EMAIL
    },
    'each key is the verdict that it means'
);
is(sql(q{SELECT jsonb_path_query_array(s.entities, '$[*].label'), s.entities -> 2 ->> 'value' FROM training_samples s
        JOIN conversation_logs c ON c.id = s.conversation_log_id WHERE c.session_id = 'entities'}),
    '["food", "place", "date"]|8 pm', 'and the words that were marked are an entity');

#-----------------------------------------------------------------------------------------------------------------------
# A project of version 0.1.0 goes on, with its tasks and with new ones, and can be given this screen.

my ($old_screen) = slurp_file("$here/../../../upgrade/training_workflow--0.1.0.sql") =~
    /tw_labelstudio_config\(\) RETURNS text.*?RETURN '(.*?)';\n/s;
$old_screen =~ s/''/'/g;
sql(q{SELECT labelstudio_create_project('Old screen', 'shop')});
my $old = sql(q{SELECT project_id FROM labelstudio_projects WHERE module_type = 'shop'});
$admin->must('PATCH', "/api/projects/$old/", { label_config => $old_screen });
sub shop {
    my (@kinds) = @_;
    sql("SELECT said('$_', 'the message of $_', 'intent.shop.order.track', 'no', 'reply')") for @kinds;
    call($node, DATABASE, 'labelstudio_sync', "pushed: @kinds");
    my %task = map { (split / /, $_->{data}{text})[-1] => $_ } $admin->tasks($old);
    return @task{@kinds};
}
for my $task (shop(qw(first kept drafted))) {
    my $data = $task->{data};
    delete @$data{qw(size correction reply verdicts)};
    $_ = { value => $_->{value} } for map { @{ $data->{$_} } } qw(intent_options entity_labels);
    $admin->must('PATCH', "/api/tasks/$task->{id}/", { data => $data });
}
shop('new');
sub tasks_of {
    my (%keys) = @_;
    return { map { $_ => { begins => "the message of $_", keys => [ @{ $keys{$_} }, $submit ], shows => ['.tw-said'] } }
            keys %keys };
}

# A reviewer's draft is not lost.
my ($drafted) = grep { $_->{data}{text} =~ /drafted/ } $admin->tasks($old);
$admin->must('POST', "/api/tasks/$drafted->{id}/drafts", { result => TW::LabelStudio::result(verdict => 'reject'),
        lead_time => 1 });
review($old, 'old', tasks_of(first => ['a']));
is(sql('SELECT labelstudio_update_project(id) FROM labelstudio_projects WHERE module_type = \'shop\''), 3 + 1,
    'the project gets the screen, and its unfinished tasks what that shows');
my $now = $admin->must('GET', "/api/projects/$old/")->{label_config};
is($now, sql('SELECT tw_labelstudio_config()'), 'it has it');
is(scalar(grep { $_->{draft_exists} } $admin->tasks($old)), 1, 'the draft is there');
my $renewed =
    review($old, 'renewed', tasks_of(kept => [ 'f', '1' ], drafted => [ 'f', '2' ], new => [ 'r', 'n' ]),
    theme => 'Dark');
is_deeply([ map { s/\n/: /r } @{ $renewed->{kept}{shown}[0] } ],
    [ "The user's correction: no", "The chatbot's reply: reply" ], 'an old task shows what a new one does');
call($node, DATABASE, 'labelstudio_sync', 'the verdicts of both screens');
is(sql(q{SELECT string_agg(concat_ws(' ', c.session_id, e.action, e.intent, e.reject_reason), ', ' ORDER BY c.id)
        FROM review_events e JOIN conversation_logs c ON c.id = e.conversation_log_id
        WHERE c.session_id IN ('first', 'kept', 'drafted', 'new') AND e.action IN ('approve', 'fix', 'reject')}),
    'first approve intent.shop.order.track, kept fix intent.shop.booking.cancel, '
        . 'drafted fix intent.shop.booking.search, new reject no-such-intent',
    'arrive');
sqlstate_is($node, DATABASE, 'SELECT labelstudio_update_project(-1)', 'P0002', 'a project that is none');
$admin->must('DELETE', "/api/projects/$old/");
sqlstate_is($node, DATABASE, q{SELECT labelstudio_update_project(id) FROM labelstudio_projects
    WHERE module_type = 'shop'}, '42704', 'and one that was deleted there');
is(sql('SELECT count(*) FROM check_integrity()'), 0, 'check_integrity() is empty')
    or diag sql('SELECT problem, example FROM check_integrity()');

$node->stop;
done_testing();
