# Api.pm - the part of Label Studio's HTTP interface that the stand-in answers, as version 1.23 does.
#
# answer() takes a request {method, path, query, headers, body} and gives {status, data} or {status, type, body}.
# Where it refuses, it dies inside with such an answer.

package TW::LabelStudioStub::Api;

use strict;
use warnings;

use JSON::PP ();
use List::Util qw(sum0);
use MIME::Base64 qw(encode_base64url);

use TW::LabelStudioStub::Query;
use TW::LabelStudioStub::Store;

use constant VERSION => '1.23.2';

my $JSON = JSON::PP->new->utf8->canonical->allow_nonref;

# Method, path, sub, whether it may be called by anybody. The last capture of the path goes to the sub.
my @ROUTES = (
    [ GET    => qr{^/health/$},                      \&_health,            1 ],
    [ GET    => qr{^/api/version/$},                 \&_version,           1 ],
    [ POST   => qr{^/api/token/refresh/$},           \&_refresh,           1 ],
    [ GET    => qr{^/api/current-user/whoami$},      \&_whoami ],
    [ GET    => qr{^/api/users/$},                   \&_users ],
    [ GET    => qr{^/api/projects/$},                \&_projects ],
    [ POST   => qr{^/api/projects/$},                \&_create_project ],
    [ GET    => qr{^/api/projects/(\d+)/$},          \&_project ],
    [ PATCH  => qr{^/api/projects/(\d+)/$},          \&_edit_project ],
    [ DELETE => qr{^/api/projects/(\d+)/$},          \&_delete_project ],
    [ POST   => qr{^/api/projects/(\d+)/import$},    \&_import ],
    [ GET    => qr{^/api/dm/views/$},                \&_views ],
    [ POST   => qr{^/api/dm/views/$},                \&_add_view ],
    [ GET    => qr{^/api/tasks/$},                   \&_tasks ],
    [ GET    => qr{^/api/tasks/(\d+)/$},             \&_task ],
    [ DELETE => qr{^/api/tasks/(\d+)/$},             \&_delete_task ],
    [ GET    => qr{^/api/tasks/(\d+)/annotations/$}, \&_annotations ],
    [ POST   => qr{^/api/tasks/(\d+)/annotations/$}, \&_annotate ],
    [ PATCH  => qr{^/api/annotations/(\d+)/$},       \&_edit_annotation ],
    [ DELETE => qr{^/api/annotations/(\d+)/$},       \&_delete_annotation ],
);

sub new {
    my ($class, %option) = @_;
    return bless {
        store    => $option{store},
        token    => $option{token},
        pat      => $option{pat},
        access   => {},                     # the access tokens given out, and when each ends (undefined: never)
        lifetime => 300,
    }, $class;
}

sub answer {
    my ($self, $request) = @_;
    my $answer = eval { $self->_route($request) };
    return $answer if $answer;
    return $@ if ref $@;

    # Label Studio too turns what it did not expect into a 500; but here it may be a defect of ours.
    warn "Label Studio stub, $request->{method} $request->{path}: $@";
    return error(500, "stub: $@");
}

sub error {
    my ($status, $detail, %more) = @_;
    my $id = join '-', map { sprintf '%0*x', $_, rand(16**$_) } 8, 4, 4, 4, 12;
    my %data = (id => $id, status_code => $status, version => VERSION, detail => $detail, exc_info => undef, %more);
    return { status => $status, data => \%data };
}

sub invalid {
    my (%errors) = @_;
    return error(400, 'Validation error', validation_errors => \%errors);
}

sub _not_found_page {
    return {
        status => 404,
        type   => 'text/html; charset=utf-8',
        body   => "<!doctype html>\n<html><head><title>404 | Label Studio</title></head>"
            . "<body>this page doesn't exist</body></html>\n"
    };
}

sub _route {
    my ($self, $request) = @_;
    my $known = 0;

    # A missing slash is repaired inside, without a redirect.
    for my $path ($request->{path}, "$request->{path}/") {
        for (@ROUTES) {
            my ($method, $pattern, $sub, $public) = @$_;
            my ($id) = $path =~ $pattern or next;
            $known = 1;
            next if $method ne $request->{method};
            $self->_authenticate($request) unless $public;
            return $self->$sub($request, $id);
        }
    }
    return $known ? error(405, "Method \"$request->{method}\" not allowed.") : _not_found_page();
}

sub _authenticate {
    my ($self, $request) = @_;
    my ($kind, $secret) = ($request->{headers}{authorization} // '') =~ /^(Token|Bearer)\s+(\S+)$/;

    die error(401, 'Authentication credentials were not provided.') if !defined $kind;
    if ($kind eq 'Token') {
        die error(401, 'Invalid token.') unless defined $self->{token} && $secret eq $self->{token};
        return;
    }
    my $access = $self->{access}{$secret};
    die error(401, 'Authentication credentials were not provided.')
        unless $access && (!defined $access->{exp} || $access->{exp} > $self->{store}->now / 1_000_000);
    return;
}

sub _body {
    my ($request) = @_;
    my $body = eval { $JSON->decode($request->{body}) };
    die error(400, 'JSON parse error - Expecting value: line 1 column 1 (char 0)') if !defined $body || !ref $body;
    return $body;
}

sub _object {
    my ($request) = @_;
    my $body = _body($request);
    die invalid(non_field_errors => ['Invalid data. Expected a dictionary, but got list.']) if ref $body ne 'HASH';
    return $body;
}

sub _ok {
    return { status => 200, data => $_[0] };
}

# --- who and what ----------------------------------------------------------------------------------------------------

sub _health {
    return { status => 200, type => 'text/html; charset=utf-8', body => '{"status": "UP"}' };
}

sub _version {
    return _ok({
        release                   => VERSION,
        'label-studio-os-package' =>
            { version => VERSION, short_version => '1.23', current_version_is_outdated => JSON::PP::false },
        'label-studio-os-backend' => { version => VERSION . '+0.stub', branch => '', commit => '0' x 40 },
        'label-studio-converter'  => { version => '2.1.2' },
        edition                   => 'Community'
    });
}

sub _whoami {
    my ($self) = @_;
    my @permissions = qw(projects.create projects.view tasks.create tasks.view);
    return _ok({ %{ $self->{store}{users}{1} }, permissions => \@permissions });
}

sub _users {
    my ($self) = @_;
    my $users = $self->{store}{users};
    return _ok([ map { $users->{$_} } sort { $a <=> $b } keys %$users ]);
}

# A token as Label Studio makes them; nothing here checks the signature, so it is a made-up one.
sub make_token {
    my (%claims) = @_;
    my $jti = join '', map { sprintf '%08x', rand(2**32) } 1 .. 4;
    return join '.', map { encode_base64url($_) } $JSON->encode({ alg => 'HS256', typ => 'JWT' }),
        $JSON->encode({ jti => $jti, user_id => '1', %claims }), "signature $jti";
}

sub _refresh {
    my ($self, $request) = @_;
    my $given = _object($request)->{refresh};

    die invalid(refresh => ['This field is required.']) if !defined $given;
    die error(401, 'Token is invalid') unless defined $self->{pat} && $given eq $self->{pat};
    my $now   = int($self->{store}->now / 1_000_000);
    my $exp   = $self->{exp} // $now + $self->{lifetime};
    my $token = make_token(token_type => 'access', iat => $now, exp => $exp);
    $self->{access}{$token} = { exp => $exp };
    return _ok({ access => $token });
}

# --- projects --------------------------------------------------------------------------------------------------------

# The given page of a list: a page past the end is an error, an empty first one is not.
sub _page {
    my ($request, $list, $default, $max) = @_;
    my $page = $request->{query}{page}      // 1;
    my $size = $request->{query}{page_size} // $default;

    $size = $default if $size !~ /^\d+$/ || $size == 0;
    $size = $max     if defined $max && $size > $max;
    die error(404, 'Invalid page.') if $page !~ /^\d+$/ || $page < 1 || ($page > 1 && ($page - 1) * $size >= @$list);
    my $last = $page * $size > @$list ? $#$list : $page * $size - 1;
    return ([ @$list[ ($page - 1) * $size .. $last ] ], $page, $last < $#$list);
}

sub _projects {
    my ($self, $request) = @_;
    my $store   = $self->{store};
    my $title   = lc($request->{query}{title} // '');
    my @include = split /,/, $request->{query}{include} // '';

    # Newest first, as there.
    my $projects = $store->{projects};
    my @all = grep { index(lc $projects->{$_}{title}, $title) >= 0 } sort { $b <=> $a } keys %$projects;
    my ($ids, $page, $more) = _page($request, \@all, 30, 100);
    my @projects = map { $store->project_json($_) } @$ids;
    if (@include) {
        @projects = map { my $p = $_; +{ map { $_ => $p->{$_} } grep { exists $p->{$_} } @include } } @projects;
    }
    my $url = sub { "http://$request->{headers}{host}/api/projects/?page=$_[0]" };
    return _ok({
        count    => scalar @all,
        next     => $more     ? $url->($page + 1) : undef,
        previous => $page > 1 ? $url->($page - 1) : undef,
        results  => \@projects
    });
}

sub _check_project {
    my ($body) = @_;
    my $title = $body->{title} // return;
    die invalid(title => ['Ensure this field has at least 3 characters.'])          if length $title < 3;
    die invalid(title => ['Ensure this field has no more than 50 characters.']) if length $title > 50;
    return;
}

sub _create_project {
    my ($self, $request) = @_;
    my $body = _object($request);
    _check_project($body);
    my $json = $self->{store}->project_json($self->{store}->create_project(%$body));

    # The counters come from the query of a list, which the answer to a POST does not make.
    $json->{$_} = undef for grep { /_number$|^num_/ } keys %$json;
    return { status => 201, data => $json };
}

sub _need {
    my ($self, $kind, $id) = @_;
    my $what = { projects => 'Project', tasks => 'Task', annotations => 'Annotation' }->{$kind};
    return $self->{store}{$kind}{$id} // die error(404, "No $what matches the given query.");
}

sub _project {
    my ($self, $request, $id) = @_;
    $self->_need(projects => $id);
    return _ok($self->{store}->project_json($id + 0));
}

sub _edit_project {
    my ($self, $request, $id) = @_;
    $self->_need(projects => $id);
    my $body = _object($request);
    _check_project($body);
    $self->{store}->edit_project($id, %$body);
    return _ok($self->{store}->project_json($id + 0));
}

sub _delete_project {
    my ($self, $request, $id) = @_;
    $self->_need(projects => $id);
    $self->{store}->delete_project($id);
    return { status => 204 };
}

# All or nothing.
sub _import {
    my ($self, $request, $id) = @_;
    my $store = $self->{store};

    # The repaired slash makes the 404 of this one a page for people.
    return _not_found_page() unless $store->{projects}{$id};
    my $items = _body($request);
    $items = [$items] if ref $items eq 'HASH';
    die invalid(non_field_errors => ['load_tasks: No tasks added']) if !@$items;
    die error(500, "argument of type 'int' is not iterable") if grep { ref ne 'HASH' } @$items;
    my $complaints = $store->complaints($id, $items);
    die invalid(non_field_errors => $complaints) if $complaints;

    my $ids = $store->import_tasks($id, $items);
    return {
        status => 201,
        data   => {
            task_count       => scalar @$ids,
            annotation_count => 0,
            prediction_count => sum0(map { scalar @{ $store->{tasks}{$_}{predictions} } } @$ids),
            duration         => 0.0125,
            file_upload_ids  => [],
            could_be_tasks_list => JSON::PP::false,
            found_formats       => [],
            data_columns        => [],
            ($request->{query}{return_task_ids} // '') =~ /^(?:true|1|yes|on)$/i ? (task_ids => $ids) : ()
        }
    };
}

sub _views {
    my ($self, $request) = @_;
    return _ok([ $self->{store}->views_of($request->{query}{project}) ]);
}

sub _add_view {
    my ($self, $request) = @_;
    my $body    = _object($request);
    my $project = $body->{project} // $request->{query}{project}
        // die error(404, 'No Project matches the given query.');
    $self->_need(projects => $project);
    return { status => 201, data => $self->{store}->add_view($project + 0, $body->{data}) };
}

# --- tasks and annotations -------------------------------------------------------------------------------------------

sub _tasks {
    my ($self, $request) = @_;
    my $store   = $self->{store};
    my $query   = $request->{query};
    my $project = $query->{project}
        // return { status => 404, data => { detail => 'Neither project nor view id specified' } };

    $self->_need(projects => $project);
    my @tasks = TW::LabelStudioStub::Query::select_tasks($store, $project, $query->{query});
    my ($page) = _page($request, \@tasks, 100);
    my @include = split /,/, $query->{include} // '';
    my @shown = map { $store->task_json($_, all => ($query->{fields} // '') eq 'all') } @$page;
    _narrow($_, \@include) for @include ? @shown : ();
    return _ok({
        total             => scalar @tasks,
        total_annotations => sum0(map { $store->_counts($_)->{total} } @tasks),
        total_predictions => sum0(map { scalar @{ $_->{predictions} } } @tasks),
        tasks             => \@shown
    });
}

# The real server narrows what is in the task, the annotations and predictions, by the same names.
sub _narrow {
    my ($object, $include) = @_;
    my %keep = map { $_ => 1 } @$include;
    delete @$object{ grep { !$keep{$_} } keys %$object };
    for my $list (grep { $object->{$_} } qw(annotations predictions)) {
        my @narrowed = map { {%$_} } @{ $object->{$list} };
        for my $one (@narrowed) { delete @$one{ grep { !$keep{$_} } keys %$one } }
        $object->{$list} = \@narrowed;
    }
    return;
}

sub _task {
    my ($self, $request, $id) = @_;
    return _ok($self->{store}->task_json($self->_need(tasks => $id), all => 1, people => 1));
}

sub _delete_task {
    my ($self, $request, $id) = @_;
    $self->_need(tasks => $id);
    $self->{store}->delete_task($id);
    return { status => 204 };
}

sub _annotations {
    my ($self, $request, $id) = @_;
    my $task = $self->_need(tasks => $id);
    return _ok([ map { $self->{store}->annotation_json($_) } grep { !$_->{was_cancelled} } @{ $task->{annotations} } ]);
}

sub _annotation_body {
    my ($request) = @_;
    my $body = _object($request);
    die invalid(result => ['annotation "result" field in annotation must be list'])
        if exists $body->{result} && ref $body->{result} ne 'ARRAY';
    delete @$body{qw(updated_at updated_by)};    # not for clients to say
    return %$body;
}

sub _annotate {
    my ($self, $request, $id) = @_;
    $self->_need(tasks => $id);
    return { status => 201, data => $self->{store}->annotate($id, result => undef, _annotation_body($request)) };
}

sub _edit_annotation {
    my ($self, $request, $id) = @_;
    $self->_need(annotations => $id);
    return _ok($self->{store}->edit_annotation($id, _annotation_body($request), updated_by => 1));
}

sub _delete_annotation {
    my ($self, $request, $id) = @_;
    $self->_need(annotations => $id);
    $self->{store}->delete_annotation($id);
    return { status => 204 };
}

1;
