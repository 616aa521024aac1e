# Fault.pm - the faults of the stand-in for Label Studio: which request gets one, and what it then gets.
#
# Their names and arguments are described in LabelStudioStub.pm.

package TW::LabelStudioStub::Fault;

use strict;
use warnings;

use JSON::PP ();

use TW::LabelStudioStub::Api;

# What becomes of a request, by the name of the fault. Each is called with the server, the connection, the request, the
# arguments and a sub that does what was asked for and gives the answer.
my %HANDLERS = (
    refuse                => sub { $_[0]->refuse },
    hang_before_accepting => sub { $_[0]->pause },
    hang                  => sub { $_[4]->() if $_[3]{done} },
    drip                  => \&_drip,
    close_before_reply    => sub { $_[4]->() if $_[3]{done}; $_[0]->drop($_[1], $_[3]{reset}) },
    lose_reply            => sub { $_[4]->(); $_[0]->drop($_[1], $_[3]{reset}) },
    close_in_the_middle   => \&_close_in_the_middle,
    error_500             => \&_error_500,
    error_500_after       => sub { $_[4]->(); _error_500(@_) },
    bad_gateway           => \&_bad_gateway,
    truncated_json        => \&_truncated_json,
    wrong_ids             => \&_wrong_ids,
    too_few_ids           => \&_too_few_ids,
    not_found_page        => sub { $_[0]->reply($_[1], _error(404, 'Invalid page.')) },
    huge_body             => \&_huge_body,
    unauthorized          => sub { $_[0]->reply($_[1], _error(401, $_[3]{detail} // 'Invalid token.')) },
    redirect              => \&_redirect,
    delay                 => \&_delay,
    duplicate_import      => \&_duplicate_import,
    slow_commit           => \&_slow_commit,
    null_bytes            => \&_null_bytes,
    deep_json             => \&_deep_json,
    wrong_content_length  => \&_wrong_content_length,
    reply                 => \&_reply,
);

# Those that are a state of the whole server: without a method, path or query they begin at once.
my %AT_ONCE = map { $_ => 1 } qw(refuse hang_before_accepting);

sub new {
    my ($class) = @_;
    return bless { armed => [], next => 1 }, $class;
}

# Gives the number of the fault, or nothing if it has to begin at once.
sub arm {
    my ($self, $name, %args) = @_;
    my %fault = (name => $name, id => $self->{next}++, matched => 0, fired => 0);

    die "no such fault: $name\n" if !$HANDLERS{$name};
    for (qw(method path query)) {
        $fault{$_} = qr/$args{$_}/ if defined $args{$_};
    }
    $fault{at_once} = $AT_ONCE{$name} && !grep { defined $args{$_} } qw(method path query skip);
    $fault{skip}    = delete $args{skip} // 0;
    $fault{count}   = delete $args{count} // 1;
    $fault{left}    = $fault{at_once} ? 0 : $fault{count};
    $fault{fired}   = 1 if $fault{at_once};
    delete @args{qw(method path query)};
    $fault{args} = \%args;
    push @{ $self->{armed} }, \%fault;
    return \%fault;
}

sub heal {
    my ($self) = @_;
    $_->{left} = 0 for @{ $self->{armed} };
    return;
}

sub list {
    my ($self) = @_;
    return [ map { my $f = $_; +{ map { $_ => $f->{$_} } qw(id name matched fired left) } } @{ $self->{armed} } ];
}

# The fault that the request gets, if any: the first armed that matches, when its requests to skip are through.
sub match {
    my ($self, $request) = @_;
    for my $fault (@{ $self->{armed} }) {
        next if !$fault->{left};
        next if $fault->{method} && $request->{method} !~ /^$fault->{method}$/;
        next if $fault->{path}   && $request->{path} !~ $fault->{path};
        next if $fault->{query}  && $request->{query_text} !~ $fault->{query};
        $fault->{matched}++;
        if ($fault->{skip}) {
            $fault->{skip}--;
            next;
        }
        $fault->{left}-- if $fault->{left} ne 'always';
        $fault->{fired}++;
        return $fault;
    }
    return;
}

sub apply {
    my ($self, $fault, $server, $conn, $request) = @_;
    my $act = sub { $server->act($request) };

    # A mistake in a test's arguments must not end the server that it talks to.
    eval { $HANDLERS{ $fault->{name} }->($server, $conn, $request, $fault->{args}, $act); 1 }
        or warn "Label Studio stub, fault $fault->{name}: $@";
    return;
}

# --- what they do ----------------------------------------------------------------------------------------------------

sub _error { return TW::LabelStudioStub::Api::error(@_) }

sub _drip {
    my ($server, $conn, $request, $args, $act) = @_;
    my $answer = $act->() if $args->{done};
    my $length = $args->{length} // 1_000_000;
    my $text   = "HTTP/1.1 200 OK\r\n";

    # In the headers it never comes to their end, in the body not to that of the announced length.
    if (($args->{part} // 'body') eq 'headers') {
        $conn->{drip} = { text => $text . 'X-Drip: ', filler => 'a' };
    }
    else {
        $server->send($conn, "${text}Content-Type: application/json\r\nContent-Length: $length\r\n\r\n");
        $conn->{drip} = { text => '{"tasks": [', filler => ' ' };
    }
    $conn->{drip}{interval} = $args->{interval} // 0.1;
    $server->drip($conn);
    return;
}

sub _close_in_the_middle {
    my ($server, $conn, $request, $args, $act) = @_;
    my ($head, $body) = $server->render($act->());
    $server->send($conn, $head . substr($body, 0, int(length($body) * ($args->{at} // 0.5))));
    $server->finish($conn, $args->{reset});
    return;
}

# The traceback quotes what was sent, as that of the real server does: it must not get into a log.
sub _error_500 {
    my ($server, $conn, $request, $args) = @_;
    my $quoted = substr($request->{body}, 0, 4000);
    utf8::decode($quoted);
    my $trace = <<"TRACE";
Traceback (most recent call last):
  File "/label_studio/data_import/api.py", line 311, in sync_import
    tasks, serializer = self._save(parsed_data)
  File "/django/db/backends/utils.py", line 105, in _execute
    return self.cursor.execute(sql, params)
django.db.utils.OperationalError: database is locked
[parameters: ('$quoted',)]
TRACE
    $server->reply($conn, _error($args->{status} // 500, "database is locked: $quoted", exc_info => $trace));
    return;
}

sub _bad_gateway {
    my ($server, $conn, $request, $args, $act) = @_;
    $act->() if $args->{done};
    my $title = ($args->{status} // 502) . ' ' . ($args->{title} // 'Bad Gateway');
    $server->reply($conn, {
        status => $args->{status} // 502,
        type   => 'text/html',
        body   => "<html>\r\n<head><title>$title</title></head>\r\n<body>\r\n<center><h1>$title</h1></center>\r\n"
            . "<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
    });
    return;
}

sub _truncated_json {
    my ($server, $conn, $request, $args, $act) = @_;
    my $answer = $act->();
    my (undef, $body) = $server->render($answer);
    my $part = substr $body, 0, int(length($body) * ($args->{at} // 0.5));
    $server->reply($conn, { status => $answer->{status}, type => 'application/json', body => $part });
    return;
}

sub _wrong_ids {
    my ($server, $conn, $request, $args, $act) = @_;
    my $answer = $act->();
    my $ids    = $answer->{data}{task_ids};
    my $how    = $args->{how} // 'foreign';

    return $server->reply($conn, $answer) if !$ids;
    $answer->{data}{task_ids} =
          $args->{ids}         ? $args->{ids}
        : $how eq 'foreign'    ? [ map { $_ + ($args->{by} // 1_000_000) } @$ids ]
        : $how eq 'reversed'   ? [ reverse @$ids ]
        : $how eq 'duplicated' ? [ map { $ids->[0] } @$ids ]
        : $how eq 'strings'    ? [ map { "x$_" } @$ids ]
        :                        die "unknown way of wrong ids: $how\n";
    $server->reply($conn, $answer);
    return;
}

sub _too_few_ids {
    my ($server, $conn, $request, $args, $act) = @_;
    my $answer = $act->();
    my $drop   = $args->{drop} // 1;
    if ($drop eq 'all') {
        delete $answer->{data}{task_ids};
    }
    else {
        my $ids = $answer->{data}{task_ids} // [];
        pop @$ids for 1 .. $drop;
    }
    $server->reply($conn, $answer);
    return;
}

# Correct JSON, made while it is sent: neither side need hold it in memory.
sub _huge_body {
    my ($server, $conn, $request, $args, $act) = @_;
    $act->() if $args->{done};
    my $left    = $args->{bytes} // 200_000_000;
    my $chunked = $args->{chunked};
    my $begin   = '{"tasks": [], "padding": "';
    my $fill    = 'x' x 65_536;
    my $end     = '"}';

    $server->send($conn,
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
            . ($chunked ? "Transfer-Encoding: chunked\r\n\r\n" : "Content-Length: $left\r\n\r\n"));
    $left -= length($begin) + length $end;
    my @parts = ($begin);
    $server->stream(
        $conn,
        sub {
            my $part = shift @parts;
            if (!defined $part && $left > 0) {
                $part = $left < length $fill ? substr($fill, 0, $left) : $fill;
                $left -= length $part;
            }
            elsif (!defined $part && defined $end) {
                ($part, $end) = ($end, undef);
                push @parts, '' if $chunked;
            }
            return $part unless $chunked && defined $part;
            return sprintf "%x\r\n%s\r\n", length $part, $part;
        });
    return;
}

sub _redirect {
    my ($server, $conn, $request, $args, $act) = @_;
    $act->() if $args->{done};
    my %headers = (Location => $args->{location} // '/elsewhere/');
    $server->reply($conn, { status => $args->{status} // 302, body => '', headers => \%headers });
    return;
}

sub _delay {
    my ($server, $conn, $request, $args, $act) = @_;
    my $seconds = $args->{seconds} // 1;
    if (($args->{action} // 'before') eq 'before') {
        my $answer = $act->();
        $server->after($seconds, sub { $server->reply($conn, $answer) });
    }
    else {
        $server->after($seconds, sub { $server->reply($conn, $act->()) });
    }
    return;
}

# Everything twice, as after a proxy that repeats a request.
sub _duplicate_import {
    my ($server, $conn, $request, $args, $act) = @_;
    my @answers = ($act->(), $act->());
    $server->reply($conn, $answers[ $args->{reply_last} ? 1 : 0 ]);
    return;
}

sub _slow_commit {
    my ($server, $conn, $request, $args, $act) = @_;
    $server->after($args->{seconds} // 1, $act, pending => 1);
    return _bad_gateway($server, $conn, $request, {}, $act) if $args->{bad_gateway};
    $server->drop($conn, $args->{reset});
    return;
}

# What a parser or the database refuses, where a reviewer's note would be. The mark becomes the escapes in the text.
sub _null_bytes {
    my ($server, $conn, $request, $args, $act) = @_;
    my $answer = $act->();
    my %escape = (both => 'x\u0000y\ud800z', nul => 'x\u0000y', surrogate => 'y\ud800z');
    my $data   = $answer->{data};
    my @tasks  = ref $data eq 'HASH' && $data->{tasks} ? @{ $data->{tasks} } : ref $data eq 'HASH' ? $data : ();
    my $mark   = 'MARK-OF-NULL-BYTES';

    for my $task (@tasks) {
        my $notes = $task->{annotations} // [];
        for (@$notes) {
            my $item =
                { from_name => 'note', to_name => 'utterance', type => 'textarea', value => { text => [$mark] } };
            $_ = { %$_, result => [ @{ $_->{result} // [] }, $item ] };
        }
        next if @$notes;
        if ($task->{data}) { $task->{data} = { %{ $task->{data} }, note => $mark } }
        else               { $task->{note} = $mark }
    }
    my (undef, $body) = $server->render($answer);
    my $text = $escape{ $args->{kind} // 'both' };
    $body =~ s/$mark/$text/g;
    $server->reply($conn, { status => $answer->{status}, type => 'application/json', body => $body });
    return;
}

sub _deep_json {
    my ($server, $conn, $request, $args, $act) = @_;
    $act->() if $args->{done};
    my $depth = $args->{depth} // 100_000;
    $server->reply($conn, { status => 200, body => '{"total": 1, "tasks": ' . '[' x $depth . ']' x $depth . '}' });
    return;
}

# More is announced than comes, and the connection stays open; or less, and the rest follows the answer as rubbish.
sub _wrong_content_length {
    my ($server, $conn, $request, $args, $act) = @_;
    my ($head, $body) = $server->render($act->());
    my $length = length($body) + ($args->{by} // 100);
    $head =~ s/^Content-Length: \d+/Content-Length: $length/m;
    $server->send($conn, $head . $body);
    $server->done($conn) if $length < length $body;
    return;
}

# Whatever the test wants to have answered.
sub _reply {
    my ($server, $conn, $request, $args, $act) = @_;
    $act->() if $args->{done};
    my $body = $args->{body} // '';
    utf8::encode($body);
    $server->reply($conn,
        { status => $args->{status} // 200, body => $body, map { $_ => $args->{$_} } qw(type headers) });
    return;
}

1;
