# LabelStudio.pm - a client of Label Studio: what an annotator does, and what the server then holds.

package TW::LabelStudio;

use strict;
use warnings;

use HTTP::Tiny;
use JSON::PP;
use MIME::Base64;
use Test::More ();

use constant {
    TIMEOUT => 60,

    # Of the annotators that create_user() makes.
    PASSWORD => 'annotators-passw0rd'
};

my $json = JSON::PP->new->utf8->canonical->allow_nonref;

# A client with the address and the token of the running server; without a server the whole test is skipped.
sub from_environment {
    my ($class) = @_;
    Test::More::plan(skip_all => 'there is no Label Studio') if !defined $ENV{LABEL_STUDIO_URL};
    return $class->new(@ENV{qw(LABEL_STUDIO_URL LABEL_STUDIO_LEGACY_TOKEN)});
}

# Tokens of both kinds; which one it is can be seen.
sub new {
    my ($class, $url, $token) = @_;
    $url =~ s{/+\z}{};
    my (undef, $payload) = split /\./, $token;
    my $claims = defined $payload ? eval { $json->decode(MIME::Base64::decode_base64url($payload)) } : undef;

    # The environment's proxy is not for loopback, nor are redirections for an API.
    my $http = HTTP::Tiny->new(
        timeout      => TIMEOUT,
        max_redirect => 0,
        proxy        => undef,
        http_proxy   => undef,
        https_proxy  => undef
    );
    return bless {
        url         => $url,
        token       => $token,
        is_personal => ref $claims eq 'HASH' && ($claims->{token_type} // '') eq 'refresh',
        http        => $http
    }, $class;
}

# One exchange without any credentials but the headers given: status,
# decoded body (undef where it is no JSON), response.
sub exchange {
    my ($self, $method, $path, $body, %headers) = @_;
    my %request = (headers => {%headers});
    if (defined $body) {
        $request{content} = $json->encode($body);
        $request{headers}{'Content-Type'} = 'application/json';
    }
    my $response = $self->{http}->request($method, "$self->{url}$path", \%request);
    my $answer   = eval { $json->decode($response->{content}) };
    return ($response->{status}, $answer, $response);
}

sub request {
    my ($self, $method, $path, $body) = @_;
    return $self->exchange($method, $path, $body, Authorization => "Token $self->{token}") if !$self->{is_personal};

    my @answer;
    for my $attempt (1, 2) {
        $self->{access} //= $self->_refresh;
        @answer = $self->exchange($method, $path, $body, Authorization => "Bearer $self->{access}");
        last if $answer[0] != 401;
        delete $self->{access};
    }
    return @answer;
}

# A personal access token is good for nothing but getting tokens that are good for minutes.
sub _refresh {
    my ($self) = @_;
    my ($status, $answer) = $self->exchange('POST', '/api/token/refresh/', { refresh => $self->{token} });
    die "the personal access token was not accepted: $status" if $status != 200;
    return $answer->{access};
}

sub get    { my ($self, @rest) = @_; return $self->request('GET',    @rest); }
sub post   { my ($self, @rest) = @_; return $self->request('POST',   @rest); }
sub patch  { my ($self, @rest) = @_; return $self->request('PATCH',  @rest); }
sub delete { my ($self, @rest) = @_; return $self->request('DELETE', @rest); }

# The answer to a request that has to succeed.
sub must {
    my ($self, $method, $path, $body) = @_;
    my ($status, $answer, $response) = $self->request($method, $path, $body);
    die "$method $path: $status $response->{content}" if $status !~ /^2/;
    return $answer;
}

sub escape {
    my ($text) = @_;
    utf8::encode($text);
    $text =~ s/([^A-Za-z0-9_.~-])/sprintf '%%%02X', ord $1/ge;
    return $text;
}

# The query of a list of tasks. The server decodes the filters' text twice: a % in it is written in JSON's way. Options:
# filters => [[column, operator, type, value], ...], conjunction, ordering => column, page, page_size, fields, include.
sub task_query {
    my ($project, %option) = @_;
    my @items =
        map { { filter => "filter:tasks:$_->[0]", operator => $_->[1], type => $_->[2], value => $_->[3] } }
        @{ $option{filters} // [] };
    my $query = JSON::PP->new->ascii->canonical->encode({
        filters => { conjunction => $option{conjunction} // 'and', items => \@items },
        defined $option{ordering} ? (ordering => [ $option{ordering} ]) : ()
    });
    $query =~ s/%/\\u0025/g;
    my %parameter = (
        project     => $project,
        page        => 1,
        page_size   => 100,
        fields      => 'all',
        resolve_uri => 'false',
        query       => $query,
        map { defined $option{$_} ? ($_ => $option{$_}) : () } qw(page page_size fields include)
    );
    return '/api/tasks/?' . join '&', map { "$_=" . escape($parameter{$_}) } sort keys %parameter;
}

# All tasks of a project, with their annotations and predictions, in the order of their numbers.
sub tasks {
    my ($self, $project, %option) = @_;
    my @tasks;
    for (my $page = 1 ;; ++$page) {
        my $answer =
            $self->must('GET', task_query($project, ordering => 'tasks:id', page_size => 100, %option, page => $page));
        push @tasks, @{ $answer->{tasks} };
        last if @tasks >= $answer->{total} || !@{ $answer->{tasks} };
    }
    return @tasks;
}

sub task {
    my ($self, $task) = @_;
    return $self->must('GET', "/api/tasks/$task/?resolve_uri=false");
}

# The result of an annotation as the front end sends it: intent => ..., entities =>
# [[start, end, label], ...], note => ..., text => the task's.
sub result {
    my (%said) = @_;
    my $number = 0;
    my $item   = sub {
        my ($name, $type, $value) = @_;
        return { id => 'r' . ++$number, from_name => $name, to_name => 'utterance', type => $type, value => $value,
            origin => 'manual' };
    };
    my @result;
    push @result, $item->('verdict', 'choices', { choices => [ $said{verdict} ] }) if defined $said{verdict};
    push @result, $item->('intent', 'choices', { choices => [ $said{intent} ] }) if defined $said{intent};
    for (@{ $said{entities} // [] }) {
        my ($start, $end, $label) = @$_;
        my %value = (start => $start, end => $end, labels => [$label]);
        $value{text} = substr $said{text}, $start, $end - $start if defined $said{text};
        push @result, $item->('entities', 'labels', \%value);
    }
    push @result, $item->('note', 'textarea', { text => [ $said{note} ] }) if defined $said{note};
    return \@result;
}

sub _annotation {
    my ($self, $task, %said) = @_;
    $said{text} //= $self->task($task)->{data}{text} if $said{entities};
    return {
        result        => $said{result} // result(%said),
        was_cancelled => $said{was_cancelled} ? JSON::PP::true : JSON::PP::false,
        lead_time     => $said{lead_time} // 1.5
    };
}

# An annotator's submission: verdict => 'fix', and what else result() takes;
# was_cancelled => 1 skips the task. Returns the annotation.
sub annotate {
    my ($self, $task, %said) = @_;
    return $self->must('POST', "/api/tasks/$task/annotations/", $self->_annotation($task, %said));
}

sub edit {
    my ($self, $annotation, %said) = @_;
    my $task = $said{entities} ? $self->must('GET', "/api/annotations/$annotation/")->{task} : undef;
    return $self->must('PATCH', "/api/annotations/$annotation/", $self->_annotation($task, %said));
}

sub delete_annotation {
    my ($self, $annotation) = @_;
    return $self->must('DELETE', "/api/annotations/$annotation/");
}

sub delete_task {
    my ($self, $task) = @_;
    return $self->must('DELETE', "/api/tasks/$task/");
}

# Another annotator, who follows the invitation as a person would; returns a client of theirs.
sub create_user {
    my ($self, $email) = @_;
    my ($path) = $self->must('GET', '/api/invite')->{invite_url} =~ m{(/user/signup/.*)}
        or die 'there is no invitation';
    my $page = ($self->exchange('GET', $path))[2];
    my ($csrf) = _cookies($page) =~ /csrftoken=([^;]+)/ or die "the invitation sets no cookie: $page->{status}";
    my $form = $self->{http}->post_form(
        "$self->{url}$path",
        {
            csrfmiddlewaretoken => $page->{content} =~ /name="csrfmiddlewaretoken" value="([^"]+)"/ ? $1 : $csrf,
            email               => $email,
            password            => PASSWORD
        },
        { headers => { Cookie => "csrftoken=$csrf", Referer => "$self->{url}$path" } }
    );
    die "$email could not sign up: $form->{status}" if $form->{status} != 302;
    my ($status, $answer) = $self->exchange('GET', '/api/current-user/token', undef, Cookie => _cookies($form));
    die "$email has no token: $status" if $status != 200;
    return (ref $self)->new($self->{url}, $answer->{token});
}

sub _cookies {
    my ($response) = @_;
    my $set = $response->{headers}{'set-cookie'} // [];
    return join '; ', map { /^([^;]+)/ } ref $set ? @$set : $set;
}

1;
