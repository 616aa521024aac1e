# 001_server.pl - the server is a real Label Studio, and does what this project's code relies on.

use strict;
use warnings;
use utf8;

use FindBin;
use lib $FindBin::RealBin;

use JSON::PP;
use Test::More;
use TW::LabelStudio;

binmode $_, ':encoding(UTF-8)' for (Test::More->builder->output, Test::More->builder->failure_output);

my $admin    = TW::LabelStudio->from_environment;
my $personal = TW::LabelStudio->new(@ENV{qw(LABEL_STUDIO_URL LABEL_STUDIO_PAT)});

# Devanagari with combining marks, a character outside of the BMP, a
# letter with its accent apart, and one glyph of five.
my $text = "मुझे 🍕 e\x{301}clair चाहिए 👨\x{200d}👩\x{200d}👧 ok";
my @spans = map { [ index($text, $_), index($text, $_) + length $_ ] } '🍕', "e\x{301}clair", 'चाहिए',
    "👨\x{200d}👩\x{200d}👧";

my $config = <<'XML';
<View>
  <Labels name="entities" toName="utterance" value="$entity_options"/>
  <Text name="utterance" value="$text" granularity="word"/>
  <Choices name="verdict" toName="utterance" choice="single-radio" required="true">
    <Choice value="approve"/><Choice value="fix"/><Choice value="reject"/>
  </Choices>
  <Choices name="intent" toName="utterance" choice="single" layout="select" value="$intent_options"/>
  <TextArea name="note" toName="utterance" maxSubmissions="1" editable="true"/>
</View>
XML

*query = \&TW::LabelStudio::task_query;

sub status_is {    # CLIENT METHOD PATH BODY EXPECTED NAME; returns the decoded answer
    my ($client, $method, $path, $body, $expected, $name) = @_;
    my ($status, $answer, $response) = $client->request($method, $path, $body);
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    is($status, $expected, $name) or diag $response->{content};
    return $answer;
}

#-----------------------------------------------------------------------------------------------------------------------
# The server and its tokens.

my $version = $admin->must('GET', '/api/version/');
is($version->{release}, $ENV{LABEL_STUDIO_VERSION}, 'the version that is tested');
is($version->{edition}, 'Community',                'the community edition');
ok(!$admin->{is_personal},   'one token is of the old kind');
ok($personal->{is_personal}, 'the other is a personal access token');
for my $client ($admin, $personal) {
    my $kind = $client->{is_personal} ? 'personal' : 'legacy';
    is($client->must('GET', '/api/current-user/whoami')->{email}, 'admin@example.test', "$kind: whose it is");
}

sub refused {
    my ($name, $detail, @exchange) = @_;
    my ($status, $answer) = $admin->exchange(@exchange);
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    is_deeply([ $status, @$answer{qw(status_code detail)} ], [ 401, 401, $detail ], $name);
    return;
}
my ($refresh, $whoami) = ([ 'POST', '/api/token/refresh/' ], [ 'GET', '/api/current-user/whoami', undef ]);
my $nobody = 'Authentication credentials were not provided.';
refused('a personal access token that is none', 'Token is invalid', @$refresh, { refresh => 'a.b.c' });
refused('a forged one', 'Token is invalid', @$refresh, { refresh => substr($personal->{token}, 0, -4) . 'AAAA' });
refused('it is no access token', $nobody, @$whoami, Authorization => "Bearer $personal->{token}");
refused('an unknown legacy token', 'Invalid token.', @$whoami, Authorization => 'Token ' . '0' x 40);
refused('no token', $nobody, @$whoami);

my ($payload) = $personal->{access} =~ /^[^.]+\.([^.]+)\./;
my $claims = decode_json(MIME::Base64::decode_base64url($payload));
is($claims->{exp} - $claims->{iat}, 300, 'an access token is good for five minutes');
status_is($admin, 'POST', '/api/token/', undef, 409, 'there is no second personal access token');

my $settings = '/api/jwt/settings';
status_is($personal, 'POST', $settings, { legacy_api_tokens_enabled => JSON::PP::false }, 200, 'legacy tokens off');
like(
    status_is($admin, 'GET', '/api/current-user/whoami', undef, 401, 'then they are refused')->{detail},
    qr/legacy token authentication has been disabled/,
    'with the reason'
);
status_is($personal, 'POST', $settings, { legacy_api_tokens_enabled => JSON::PP::true }, 200, 'legacy tokens on');

#-----------------------------------------------------------------------------------------------------------------------
# A project and its tasks.

my $validate = '/api/projects/validate/';
status_is($admin, 'POST', $validate, { label_config => $config },                204, 'lists may come with the task');
status_is($admin, 'POST', $validate, { label_config => '<View><Text/></View>' }, 400,
    'not every configuration is valid');
my $made =
    status_is($admin, 'POST', '/api/projects/', { title => 'Server', label_config => $config }, 201, 'a project');
my $project = $made->{id};
my $import  = "/api/projects/$project/import?return_task_ids=true";

sub task_data {
    my ($name, %data) = @_;
    return {
        text           => $text,
        external_id    => $name,
        batch_id       => 'first',
        intent_options => [ { value => 'intent.a' }, { value => 'intent.b' } ],
        entity_options => [ { value => 'food' }, { value => 'other' } ],
        %data
    };
}

sub prediction {
    my ($score, $intent, @entities) = @_;
    my $result = TW::LabelStudio::result(text => $text, intent => $intent, entities => \@entities);
    delete $_->{origin} for @$result;
    return [ { model_version => 'tests', score => $score, result => $result } ];
}

my @labelled = map { [ @$_, 'food' ] } @spans;
my $imported = status_is(
    $admin, 'POST', $import,
    [
        { data => task_data('a'),                       predictions => prediction(0.42, 'intent.a', @labelled) },
        { data => task_data('b'),                       predictions => prediction(0.9) },
        { data => task_data('c') },
        { data => task_data('d', batch_id => 'second'), predictions => prediction(0.1, 'intent.b') }
    ],
    201,
    'tasks with predictions from their own lists, one of them empty'
);
is_deeply([ @$imported{qw(task_count prediction_count)} ], [ 4, 3 ], 'all are there');
my %id;
@id{qw(a b c d)} = @{ $imported->{task_ids} };
my @tasks = $admin->tasks($project);
is_deeply({ map { $_->{data}{external_id} => $_->{id} } @tasks }, \%id,
    'their numbers came back in the order of the tasks');
is($tasks[0]{data}{text}, $text, 'a text comes back as it went');
is_deeply(
    $tasks[0]{predictions}[0]{result},
    prediction(0, 'intent.a', @labelled)->[0]{result},
    'so does a prediction with its spans'
);

# Nothing checks a prediction: what is sent has to be right.
for my $case (
    [ 'an intent that is not in the list',  prediction(0.5, 'intent.unknown') ],
    [ 'a label that is not in the list',    prediction(0.5, 'intent.a', [ 0, 1, 'unknown' ]) ],
    [ 'a span that ends beyond the text',   prediction(0.5, 'intent.a', [ 0, 9999, 'food' ]) ],
    [ 'a score that is no confidence',      prediction(1.4) ]
) {
    my ($what, $predictions) = @$case;
    status_is($admin, 'POST', $import, [ { data => task_data('odd'), predictions => $predictions } ],
        201, "accepted: $what");
}
my $missing = task_data('missing');
delete $missing->{entity_options};
my $before  = $admin->tasks($project);
my $refused = status_is($admin, 'POST', $import, [ { data => task_data('good') }, { data => $missing } ],
    400, 'a task without a list is refused');
like(
    $refused->{validation_errors}{non_field_errors}[1],
    qr/^Error at item 1: "entity_options" key is expected/,
    'with its place'
);
is(scalar($admin->tasks($project)), $before, 'and the good one with it');
status_is($admin, 'POST', $import, [], 400, 'an import of nothing is refused');
my $nul = status_is($admin, 'POST', $import, [ { data => task_data('nul', text => "a\0b") } ], 201, 'U+0000 is not');
is($admin->task($nul->{task_ids}[0])->{data}{text}, "a\0b", 'it comes back in JSON');
$admin->delete_task($_->{id}) for grep { $_->{data}{external_id} =~ /^(odd|nul)$/ } $admin->tasks($project);

#-----------------------------------------------------------------------------------------------------------------------
# Lists of tasks.

sub list {    # the names of the tasks on one page
    my (%option) = @_;
    my $answer = $admin->must('GET', query($project, ordering => 'tasks:id', %option));
    return join ' ', map { $_->{data}{external_id} } @{ $answer->{tasks} };
}
my @two     = @id{qw(a c)};
my $fields  = 'id,data,updated_at,annotations';
my $include = $admin->must('GET', query($project, include => $fields));
is(join(' ', sort keys %{ $include->{tasks}[0] }), 'annotations data id updated_at',
    'fields=all and include= together');
is(list(),                                                                              'a b c d', 'all tasks');
is(list(filters => [ [ 'data.batch_id', 'equal', 'String', 'second' ] ]),               'd',       'those of a batch');
is(list(filters => [ [ 'data.batch_id', 'equal', 'String', 'secon' ] ]),                '',
           'equal is not contains');
is(list(filters => [ [ 'data.nothing', 'equal', 'String', 'a' ] ]),                     '',
           'a key that no task has');
is(list(filters => [ [ 'data.external_id', 'in_list', 'String', [qw(d x a)] ] ]),       'a d',
        'in_list of a data key');
is(list(filters => [ [ 'data.external_id', 'in_list', 'String', [] ] ]),                '',
           'in_list of nothing');
is(list(filters => [ [ 'id', 'in_list', 'Number', \@two ] ]),                           'a c',
        'in_list of numbers');
is(list(ordering => 'tasks:predictions_score'),                                         'd a b c',
    'by score, none last');
is(list(page_size => 2, page => 2),                                                     'c d',     'a second page');
my $past = status_is($admin, 'GET', query($project, page => 2), undef, 404, 'a page past the end');
is($past->{detail}, 'Invalid page.', 'is told apart');
$past = status_is($admin, 'GET', query(999_999), undef, 404, 'from a project that is not there');
isnt($past->{detail}, 'Invalid page.', 'by the detail');
my @since = (filters => [ [ 'updated_at', 'greater_or_equal', 'Datetime', '2099-01-01T00:00:00.000000Z' ] ]);
is(list(@since), '', 'nothing is newer');
$since[1][0][3] = '2000-01-01T00:00:00Z';
status_is($admin, 'GET', query($project, @since),
    undef, 500, 'a time without its fraction is an error');

#-----------------------------------------------------------------------------------------------------------------------
# What annotators do, and what moves updated_at.

my $seen = '';

sub moves {    # MOVES NAME: since it was called last
    my ($moves, $name) = @_;
    my $now = $admin->task($id{a})->{updated_at};
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    is(($now cmp $seen) > 0 ? 1 : 0, $moves, $name . ($moves ? ' moves updated_at' : ' does not move updated_at'));
    like($now, qr/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z\z/, "$name: the form of updated_at");
    $seen = $now;
    return;
}
moves(1, 'importing');
$admin->must('GET', "/api/tasks/$id{a}/annotations/");
moves(0, 'reading');
my $annotation =
    $admin->annotate($id{a}, verdict => 'fix', intent => 'intent.b', entities => \@labelled, note => 'हाँ 🍕');
moves(1, 'annotating');
my ($own) = $admin->tasks($project, filters => [ [ 'id', 'equal', 'Number', $id{a} ] ]);
is_deeply([ map { $_->{id} } @{ $own->{annotations} } ], [ $annotation->{id} ], 'the list shows the annotation');
is_deeply(
    $own->{annotations}[0]{result},
    TW::LabelStudio::result(verdict => 'fix', intent => 'intent.b', entities => \@labelled, note => 'हाँ 🍕',
        text => $text),
    'with its spans as they went'
);
is(list(filters => [ [ 'id', 'in_list', 'Number', \@two ], [ 'total_annotations', 'equal', 'Number', 0 ] ]),
    'c', 'in_list, and no annotation');
$admin->edit($annotation->{id}, verdict => 'approve');
moves(1, 'editing');
$admin->must('PATCH', "/api/annotations/$annotation->{id}/", { was_cancelled => JSON::PP::true });
moves(1, 'skipping');
($own) = $admin->tasks($project, filters => [ [ 'id', 'equal', 'Number', $id{a} ] ]);
ok($own->{annotations}[0]{was_cancelled}, 'a skip is in the list');
is("$own->{total_annotations} $own->{cancelled_annotations}", '0 1', 'and counted apart');
$admin->must('PATCH', "/api/annotations/$annotation->{id}/", { was_cancelled => JSON::PP::false });
moves(1, 'taking it back');
$admin->must('POST', "/api/tasks/$id{a}/drafts", { result => [] });
moves(0, 'a draft');
$admin->must('PATCH', "/api/projects/$project/", { description => 'changed' });
moves(0, 'changing the project');
$admin->annotate($id{b}, verdict => 'approve');
moves(0, 'annotating another task');
$admin->must('POST', '/api/predictions/', { task => $id{a}, result => [], score => 0.3, model_version => 'tests' });
moves(1, 'a prediction');
$admin->delete_annotation($annotation->{id});
moves(1, 'deleting the annotation');
status_is($admin, 'DELETE', "/api/annotations/$annotation->{id}/", undef, 404, 'it is gone');

# Who it was.
my $second  = $admin->create_user('second@example.test');
my $theirs  = $second->annotate($id{a}, verdict => 'reject', was_cancelled => 1);
my $user_id = $second->must('GET', '/api/current-user/whoami')->{id};
isnt($user_id, 1, 'there is a second annotator');
moves(1, 'a skip at once');
($own) = $admin->tasks($project, filters => [ [ 'id', 'equal', 'Number', $id{a} ] ]);
is($own->{annotations}[0]{completed_by}, $user_id, 'the list shows a number');
is($own->{annotations}[0]{created_username}, " second\@example.test, $user_id", 'and the address, behind the names');
is($admin->task($id{a})->{annotations}[0]{completed_by}{email}, 'second@example.test',
    'the task alone shows the address');
is_deeply(
    { map { $_->{id} => $_->{email} } @{ $admin->must('GET', '/api/users/') } },
    { 1 => 'admin@example.test', $user_id => 'second@example.test' },
    'and so does the list of users'
);

# Annotations are not checked either, nor do they need a result.
my $bare = $admin->must('POST', "/api/tasks/$id{c}/annotations/", {});
($own) = $admin->tasks($project, filters => [ [ 'id', 'equal', 'Number', $id{c} ] ]);
is($own->{annotations}[0]{result}, undef, 'a result may be null');
my $odd = $admin->annotate($id{c}, verdict => 'maybe', note => "a\0b");
is($odd->{result}[0]{value}{choices}[0], 'maybe', 'a verdict may be none of ours');
$admin->delete_annotation($odd->{id});

#-----------------------------------------------------------------------------------------------------------------------
# Deletions, and changes of the configuration.

sub import_one {
    my ($name) = @_;
    return $admin->must('POST', $import, [ { data => task_data($name) } ])->{task_ids}[0];
}
my $newest = import_one('gone');
status_is($admin, 'DELETE', "/api/tasks/$newest/", undef, 204, 'deleting a task');
status_is($admin, 'DELETE', "/api/tasks/$newest/", undef, 404, 'once more');
status_is($admin, 'GET',    "/api/tasks/$newest/", undef, 404, 'it is gone');
is(import_one('next'), $newest, 'an import uses the number of a deleted task again: the number alone says nothing');
$bare = $admin->annotate($newest, verdict => 'fix');
$admin->delete_annotation($bare->{id});
my $again = $admin->annotate($newest, verdict => 'fix', intent => 'intent.b', entities => \@labelled);
cmp_ok($again->{id}, '>', $bare->{id}, 'that of a deleted annotation is not used again');

(my $wider = $config) =~ s{</View>}{<TextArea name="more" toName="utterance"/></View>};
status_is($admin, 'POST', "/api/projects/$project/validate/", { label_config => $wider },
    200, 'what was chosen from the lists of tasks need not stand in the configuration');
status_is($admin, 'PATCH', "/api/projects/$project/", { label_config => $wider }, 200,
    'which can grow beside annotations');
my $static = $admin->must(
    'POST',
    '/api/projects/',
    {
        title        => 'Static',
        label_config => '<View><Text name="utterance" value="$text"/><Choices name="verdict" toName="utterance">'
            . '<Choice value="approve"/><Choice value="fix"/></Choices></View>'
    }
);
$import = "/api/projects/$static->{id}/import?return_task_ids=true";
my $used = $admin->must('POST', $import, [ { data => { text => 'x' } } ]);
$admin->annotate($used->{task_ids}[0], verdict => 'fix');
(my $without = $static->{label_config}) =~ s{<Choice value="fix"/>}{};
$refused = status_is($admin, 'POST', "/api/projects/$static->{id}/validate/",
    { label_config => $without }, 400, 'a used choice is missed');
like(
    $refused->{validation_errors}{non_field_errors}[0],
    qr/These labels still exist in annotations or drafts/,
    'by validation'
);
status_is($admin, 'PATCH', "/api/projects/$static->{id}/",
    { label_config => $without }, 200, 'though not by the change itself');

# The tab in which the least certain comes first.
my $view = status_is(
    $admin, 'POST',
    "/api/dm/views/?project=$project",
    {
        project => $project,
        data    => {
            title    => 'Least certain first',
            type     => 'list',
            target   => 'tasks',
            ordering => ['tasks:predictions_score'],
            filters  => { conjunction => 'and', items => [] }
        }
    },
    201,
    'a view of its own order'
);
is_deeply(
    [ map { $_->{data}{external_id} } @{ $admin->must('GET', "/api/tasks/?view=$view->{id}")->{tasks} } ],
    [qw(d a b c next)],
    'its tasks'
);

done_testing();
