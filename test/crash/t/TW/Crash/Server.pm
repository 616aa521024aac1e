# Server.pm - a server that is killed: kill -9 of the postmaster or of one backend, by its number, and what has to be
# true of its files afterwards.
#
# fsync is off, as the test framework has it: what a process has written outlives the process, for the kernel has it.
# Only a crash of the machine loses that, and kill -9 is none.

package TW::Crash::Server;

use strict;
use warnings;

use Exporter 'import';
use PostgreSQL::Test::Utils;
use Time::HiRes qw(sleep);
use TW::Crash::Client;
use TW::Util;

our @EXPORT = qw(start_server connection kill_postmaster kill_backend children connect_all orphaned_temporary_files);

# A small memory and short sorts: recovery is quick, and temporary files are there to be left behind.
sub start_server {
    my ($name, %option) = @_;
    return start_node($name, %option, conf => <<"CONF" . ($option{conf} // ''));
restart_after_crash = on
shared_buffers = 16MB
work_mem = 64kB
max_wal_size = 128MB
log_checkpoints = off
log_min_messages = error
CONF
}

sub connection {
    my ($node, $database) = @_;
    return $node->connstr($database);
}

sub _postmaster {
    my ($node) = @_;
    my ($line) = split /\n/, slurp_file($node->data_dir . '/postmaster.pid');
    return $line;
}

# The processes whose parent this is.
sub children {
    my ($parent) = @_;
    my @children;
    for my $stat (glob '/proc/[0-9]*/stat') {
        open my $file, '<', $stat or next;
        my $line = <$file> // '';
        push @children, $1 if $line =~ /^(\d+) \(.*\) \S (\d+)/s && $2 == $parent;
    }
    return @children;
}

# The children end by themselves when they notice; what computes may not notice for long, and would keep the next server
# from starting: that is killed as well. Returns how many those were.
sub kill_postmaster {
    my ($node) = @_;
    my $postmaster = _postmaster($node);
    my @children   = children($postmaster);
    my $late       = 0;

    $node->kill9;
    for (1 .. 15) {
        last if !grep { is_alive($_) } @children;
        sleep 0.02;
    }
    $late += kill 9, $_ for grep { is_alive($_) } @children;
    wait_for_end($postmaster, @children) or die 'processes of the killed server do not end';
    # A process that nobody buries keeps its number: PostgreSQL believes its lock file. We know better.
    if (kill 0, $postmaster) {
        unlink $node->data_dir . '/postmaster.pid', $node->host . '/.s.PGSQL.' . $node->port . '.lock';
    }
    return $late;
}

sub is_alive {
    my ($pid) = @_;
    open my $file, '<', "/proc/$pid/stat" or return 0;
    my $line = <$file> // '';
    return $line !~ /^\d+ \(.*\) Z/s;
}

# Only a process of this server: a number may be given again. All its processes end before it recovers.
sub kill_backend {
    my ($node, $pid) = @_;
    my @children = children(_postmaster($node));
    return 0 if !grep { $_ == $pid } @children;
    my $done = kill 9, $pid;
    for (1 .. 6000) {
        last if !grep { is_alive($_) } @children;
        sleep 0.01;
    }
    return $done;
}

# Connects clients, as soon as the server lets them.
sub connect_all {
    my (@clients) = @_;
    for my $client (@clients) {
        for (1 .. 20 * $PostgreSQL::Test::Utils::timeout_default) {
            $client->connect if !$client->is_connected;
            TW::Crash::Client->serve(60, sub { !$client->is_busy }, $client);
            last if $client->backend && $client->is_connected;
            sleep 0.05;
        }
        die "$client->{name} cannot connect" if !$client->backend;
    }
    return;
}

# Files in pgsql_tmp that belong to no process of this server.
sub orphaned_temporary_files {
    my ($node) = @_;
    my %living = map { $_ => 1 } children(_postmaster($node));
    my @files  = glob $node->data_dir . '/base/pgsql_tmp/*';
    return [ grep { !(m{/pgsql_tmp(\d+)\.} && $living{$1}) } @files ];
}

1;
