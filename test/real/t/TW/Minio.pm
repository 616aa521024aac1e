# Minio.pm - a real MinIO: its server as a process of the test's, and what its own client mc does with it.
#
#   my $minio = TW::Minio->shared;                                     # the one that minio.sh started
#   my $minio = TW::Minio->new(folder => '/tmp/...');                  # one of the test's own, which it may kill
#   $minio->start, kill_hard, stop                                     # its port and data stay
#   url, port, access_key, secret_key, log
# make_bucket($name), add_user($name, $policy) (returns its secret), cat($path),
# write($path, $bytes), list($path), mc(...)
#
# Paths are bucket/key. A server of the test's own ends when the object goes.

package TW::Minio;

use strict;
use warnings;

use Carp;
use File::Path qw(make_path);
use IO::Socket::INET;
use IPC::Run;
use JSON::PP ();
use POSIX ();
use Time::HiRes qw(sleep time);

use constant PATIENCE => 60;

# Options: folder, program, access_key, secret_key.
sub new {
    my ($class, %option) = @_;
    my $folder = $option{folder} // croak 'a server needs a folder';
    make_path("$folder/data");
    return bless {
        folder     => $folder,
        program    => $option{program}    // $ENV{MINIO_PROGRAM},
        access_key => $option{access_key} // 'test' . _random(8),
        secret_key => $option{secret_key} // _random(20),
        owner      => $$,
    }, $class;
}

sub shared {
    my ($class) = @_;
    my ($port) = ($ENV{MINIO_URL} // '') =~ /:(\d+)$/ or return;
    return bless { port => $port, access_key => $ENV{MINIO_ACCESS_KEY}, secret_key => $ENV{MINIO_SECRET_KEY} }, $class;
}

sub _random {
    my ($bytes) = @_;
    open my $file, '<:raw', '/dev/urandom' or croak "/dev/urandom: $!";
    read($file, my $random, $bytes) == $bytes or croak 'no random bytes';
    return unpack 'H*', $random;
}

sub port       { return $_[0]{port} }
sub url        { return "http://127.0.0.1:$_[0]{port}" }
sub access_key { return $_[0]{access_key} }
sub secret_key { return $_[0]{secret_key} }

sub _free_port {
    my $socket = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1', LocalPort => 0) or croak "no port: $!";
    return $socket->sockport;
}

# Whether it runs and answers. A port that was another's is tried again with the next, unless it was ours before.
sub start {
    my ($self) = @_;
    my $is_new = !defined $self->{port};
    for (1 .. 3) {
        $self->{port} = _free_port() if $is_new;
        $self->_launch;
        return 1 if $self->_wait_until_healthy;
        $self->stop;
        last if !$is_new;
    }
    return 0;
}

sub _launch {
    my ($self) = @_;
    my $pid = fork // croak "fork: $!";
    if ($pid) {
        $self->{pid} = $pid;
        return;
    }
    delete @ENV{ grep { /^(?:MINIO|MC|AWS|KUBERNETES)_/ } keys %ENV };
    @ENV{qw(HOME MINIO_ROOT_USER MINIO_ROOT_PASSWORD)} = @{$self}{qw(folder access_key secret_key)};
    # It tells nobody that it runs; buckets are at names of their own as well as in paths.
    @ENV{qw(MINIO_BROWSER MINIO_UPDATE MINIO_DOMAIN)} = qw(off off localhost);
    chdir $self->{folder} or POSIX::_exit(1);
    # Before the server can be looked for; it leads a session, so that
    # a terminal's interruption is the test's to handle.
    if (open my $file, '>', 'pid') { print {$file} "$$\n"; close $file }
    POSIX::setsid();
    open STDIN,  '<',  '/dev/null';
    open STDOUT, '>>', 'server.log';
    open STDERR, '>&', \*STDOUT;
    POSIX::close($_) for 3 .. 63;
    no warnings 'exec';
    exec { $self->{program} } 'minio', 'server', '--quiet', '--address', "127.0.0.1:$self->{port}",
        "$self->{folder}/data";
    POSIX::_exit(127);
}

sub _answers {
    my ($self) = @_;
    my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $self->{port}, Timeout => 5) or return 0;
    print {$socket} "GET /minio/health/cluster HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n";
    my $line = <$socket> // '';
    return $line =~ m{^HTTP/1\.\d 200};
}

sub _wait_until_healthy {
    my ($self) = @_;
    for (my $end = time + PATIENCE; time < $end; sleep 0.1) {
        my $answers = $self->_answers;
        return 0 if waitpid($self->{pid}, POSIX::WNOHANG()) != 0;
        return 1 if $answers;
    }
    return 0;
}

sub _end {
    my ($self, $signal) = @_;
    my $pid = delete $self->{pid} // return;
    local $?;
    kill $signal, $pid;
    for (my $end = time + 15; time < $end; sleep 0.05) {
        return if waitpid($pid, POSIX::WNOHANG()) != 0;
    }
    kill KILL => $pid;
    waitpid $pid, 0;
    return;
}
sub stop      { my ($self) = @_; return $self->_end('TERM') }
sub kill_hard { my ($self) = @_; return $self->_end('KILL') }

# For minio.sh, which knows the process by the file "pid".
sub leave_running { my ($self) = @_; delete $self->{pid}; return }

sub DESTROY {
    my ($self) = @_;
    $self->stop if defined $self->{pid} && $self->{owner} == $$;
    return;
}

sub log {    ## no critic (it is a method)
    my ($self) = @_;
    open my $file, '<', "$self->{folder}/server.log" or return '';
    local $/;
    return <$file>;
}

# --- the client ------------------------------------------------------------------------------------------------------

# Runs mc with the server's owner's key; in => what it reads. What it says is returned; it has to succeed.
sub mc {
    my ($self, $option, @command) = @_;
    my $home = $ENV{TESTDATADIR} // $ENV{TESTDIR} // '/tmp';
    make_path("$home/mc");
    # Not among the arguments, which everybody may read.
    local $ENV{MC_HOST_it} = "http://$self->{access_key}:$self->{secret_key}\@127.0.0.1:$self->{port}";
    local $ENV{MC_CONFIG_DIR} = "$home/mc";
    my ($out, $err) = ('', '');
    IPC::Run::run([ $ENV{MINIO_CLIENT}, '--quiet', '--disable-pager', @command ],
        '<', \($option->{in} // ''), '>', \$out, '2>', \$err, IPC::Run::timeout(PATIENCE))
        or croak "mc $command[0] failed: $out$err";
    return $out;
}

sub make_bucket { my ($self, $name) = @_; return $self->mc({}, 'mb', "it/$name") }
sub cat         { my ($self, $path) = @_; return $self->mc({}, 'cat', "it/$path") }
sub write       { my ($self, $path, $bytes) = @_; return $self->mc({ in => $bytes }, 'pipe',
    "it/$path") }    ## no critic
sub remove      { my ($self, $path) = @_; return $self->mc({}, 'rm', '--force', "it/$path") }

sub list {
    my ($self, $path) = @_;
    my @keys = map { JSON::PP::decode_json($_)->{key} } split /\n/,
        $self->mc({}, 'ls', '--recursive', '--json', "it/$path");
    return [ sort @keys ];
}

# A user who may do what statements of a policy allow, as [actions, resources] each.
sub add_user {
    my ($self, $name, @statements) = @_;
    my $secret = _random(20);
    my $home   = $ENV{TESTDATADIR} // $ENV{TESTDIR} // '/tmp';
    my $policy = {
        Version   => '2012-10-17',
        Statement => [ map { { Effect => 'Allow', Action => $_->[0], Resource => $_->[1] } } @statements ]
    };
    $self->mc({ in => "$name\n$secret\n" }, 'admin', 'user', 'add', 'it');
    if (@statements) {
        open my $file, '>', "$home/mc/$name.json" or croak "$home/mc/$name.json: $!";
        print {$file} JSON::PP::encode_json($policy);
        close $file or croak $!;
        $self->mc({}, 'admin', 'policy', 'create', 'it', "policy-$name", "$home/mc/$name.json");
        $self->mc({}, 'admin', 'policy', 'attach', 'it', "policy-$name", '--user', $name);
    }
    return $secret;
}

1;
