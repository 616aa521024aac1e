# Fuzz.pm - what the fuzzers of test/fuzz share: a server with a filled database, batches of random statements, and what
# may never come of them: a crash, an internal error of ours, a statement that goes on after its time limit.
#
# Each batch draws from SEED and its own number, so it makes the same statements again: SEED=7 BATCH=12 runs that alone.
# The statements of a batch that found something stay in the folder that its finding names.

package TW::Fuzz;

use strict;
use warnings;

use Exporter 'import';
use File::Basename qw(basename dirname);
use IPC::Run;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);
use TW::Database;
use TW::Util;

our @EXPORT = qw(start_fuzz batches run_batch run_watched finding finish below chance one_of random_text literal
    DATABASE);

use constant {
    DATABASE => 'fuzz',
    # Seconds: the server's limit of a statement, and when somebody has to ask why it is still there.
    LIMIT   => 5,
    OVERDUE => 20,
};

my ($node, $seed, $minutes, $log_at, $batch, $script, %own_function, %own_file);
my ($part, $statements, $refused, %found) = (basename($0, '.pl'), 0, 0);

# A server of its own, in which there is something of everything. Options: part => its name, fill => 0: an empty one.
sub start_fuzz {
    my (%option) = @_;
    $part    = $option{part} // $part;
    $seed    = $ENV{SEED}    // int(time) % 1_000_000;
    $minutes = $ENV{MINUTES} // 10;
    note "$part: seed $seed, $minutes minutes";

    # The server ends with us.
    $SIG{$_} = sub { exit 1 } for qw(INT TERM HUP);
    my $limit = LIMIT . 's';
    $node = start_node('main', conf => <<"CONF");
log_error_verbosity = verbose
log_min_error_statement = error
statement_timeout = '$limit'
lock_timeout = '2s'
max_wal_size = '4GB'
CONF
    create_database($node, DATABASE);
    in_database($node, DATABASE);
    if ($option{fill} // 1) {
        fill($node, DATABASE);
        _put_models_live();
    }
    %own_function = map { $_ => 1 } split /\n/, sql(<<'SQL');
        SELECT p.proname FROM pg_depend d JOIN pg_proc p ON p.oid = d.objid AND d.classid = 'pg_proc'::regclass
        JOIN pg_extension e ON e.oid = d.refobjid AND d.refclassid = 'pg_extension'::regclass
        WHERE e.extname = 'training_workflow'
SQL
    %own_file = map { basename($_) => 1 } glob dirname(__FILE__) . '/../../../src/*/*.c';
    die 'there is nothing to look for' if keys %own_function < 100 || keys %own_file < 50;
    _can_see();
    $log_at = -s $node->logfile;
    return $node;
}

# A model of the built-in trainer answers, and another is rolled out to a quarter of the users.
sub _put_models_live {
    sql(<<'SQL');
        SELECT rollback_rollout('router', 'makes room');
        SELECT promote_model('router-v2.0.0', 'for the fuzzers', true);
        SELECT register_model('router-v2.1.0', 'router', artifact => bytes)
        FROM model_artifacts WHERE version = 'router-v2.0.0';
        SELECT set_training_setting('rollout_steps', '25, 100');
        SELECT start_rollout('router-v2.1.0', 'for the fuzzers');
SQL
    return;
}

# --- chance ----------------------------------------------------------------------------------------------------------

sub below  { return int rand $_[0] }
sub chance { return rand() < $_[0] }
sub one_of { return $_[ rand @_ ] }

# A string for SQL; NUL is no character of a text there.
sub literal {
    my ($text) = @_;
    return 'NULL' if !defined $text;
    $text =~ tr/\0//d;
    return "E'" . $text =~ s/(['\\])/\\$1/gr . "'" if $text =~ /\\/;
    return "'" . $text =~ s/'/''/gr . "'";
}

my @odd = map { chr } 1 .. 31, 0x7F, 0x85, 0xA0, 0xAD, 0x300, 0x301, 0x316, 0x345, 0x3A3, 0x130, 0xDF, 0x1E9E, 0x61C,
    0x93C, 0x94D, 0xF73, 0x1100, 0x1161, 0x11A8, 0x115F, 0x1F82, 0x200B .. 0x200F, 0x2028, 0x2029, 0x202E, 0x2060,
    0x3000, 0xFDFA, 0xFE0F, 0xFEFF, 0xFFFD, 0xFFFF, 0x1D7D7, 0x1F1EE, 0x1F468, 0x1F44D, 0x1F3FF, 0xE0020, 0x10FFFF;
my @words = (
    qw(veg pizza order track parcel 98765 43210 4111 asha@example.com intent null true NaN -0 1e400 {} [] __label__ -
        :),
    '"', "'", '\\', '\\u0000', '\\.', '\\N', '```', '---', '<b>', '&amp;', '%s', '$1', '[a](b)', ' ', '  ', "\n", "\t",
    "\x{0928}\x{092E}\x{0938}\x{094D}\x{0924}\x{0947}"
);

# Words, odd characters, and any character at all: `most` pieces.
sub random_text {
    my ($most) = @_;
    my $text = '';
    for (0 .. below($most)) {
        my $kind = rand;
        my $code = 1 + below(0x10FFFF);
        $text .=
              $kind < 0.5  ? one_of(@words)
            : $kind < 0.7  ? ' '
            : $kind < 0.9  ? one_of(@odd)
            : $kind < 0.92 ? one_of(@odd) x below(300)
            : $code >= 0xD800 && $code <= 0xDFFF ? 'x'
            :                                      chr $code;
    }
    return $text;
}

# --- batches ---------------------------------------------------------------------------------------------------------

# Calls the function with the number of each batch until the time is over, or for BATCH alone.
sub batches {
    my ($do) = @_;
    my $end = time + 60 * $minutes;
    for ($batch = $ENV{BATCH} // 1; time < $end; $batch++) {
        srand($seed * 100_003 + $batch);
        $do->($batch);
        last if $found{crash} || defined $ENV{BATCH};
    }
    return;
}

# Runs statements one after the other in one session; gives for each [SQLSTATE, what it returned]. Options: user.
sub run_batch {
    my ($list, %option) = @_;
    my @answers;
    $script = '';
    for my $number (0 .. $#$list) {
        $script .= "$list->[$number];\n\\echo =TW= $number :SQLSTATE\n";
    }
    utf8::encode($script);
    _keep_script(_script_file());
    my $program = run_watched(
        [ 'psql', '-XAtq', '-U', $option{user} // 'postgres', '-d', $node->connstr(DATABASE), '-f', _script_file() ],
        seconds => LIMIT * @$list + 60);
    my $rest = $program->{out};
    utf8::decode($rest);
    while ($rest =~ s/\A(.*?)^=TW= (\d+) (\w{5})\n//ms) {
        $answers[$2] = [ $3, $1 ];
        $statements++;
        $refused++ if $3 ne '00000';
    }
    finding('a session that ended', "psql ended with $program->{status}: $program->{err}") if @answers < @$list;
    read_log();
    return @answers;
}

sub _script_file { return "$PostgreSQL::Test::Utils::tmp_check/batch.sql" }

sub _keep_script {
    my ($file) = @_;
    open my $out, '>', $file or die "$file: $!";
    print {$out} $script;
    close $out or die "$file: $!";
    return;
}

# Runs a program, and looks at the server meanwhile. Options: seconds => when it is ended.
sub run_watched {
    my ($command, %option) = @_;
    my %program = (out => '', err => '');
    my $began   = time;
    my $looked  = $began;
    $program{run} = IPC::Run::start($command, '<', \undef, '>', \$program{out}, '2>', \$program{err});
    while ($program{run}->pumpable) {
        $program{run}->pump_nb;
        sleep 0.005;
        if (time > $looked + 2) {
            $looked = time;
            _look_for_overdue();
            read_log();
        }
        if (defined $option{seconds} && time > $began + $option{seconds} || $found{crash}) {
            $program{run}->kill_kill(grace => 5);
            last;
        }
    }
    eval { $program{run}->finish };
    $program{status} = $?;
    return \%program;
}

# Whoever is still at work long after its limit is ended, so that the others come to their turn.
sub _look_for_overdue {
    my $overdue = OVERDUE;
    my ($status, $out, $err) = $node->psql('postgres', <<"SQL");
        SELECT pid, clock_timestamp() - query_start, wait_event, left(query, 1000), pg_terminate_backend(pid)
        FROM pg_stat_activity
        WHERE backend_type = 'client backend' AND state = 'active' AND pid <> pg_backend_pid()
          AND query_start < clock_timestamp() - interval '$overdue s'
SQL
    return finding('crash', "the server does not answer: $err") if $status;
    return finding('a statement that ignores its time limit', $out) if $out ne '';
    return;
}

# Says what was found, and keeps the statements that found it.
sub finding {
    my ($kind, $what) = @_;
    my $file = "$PostgreSQL::Test::Utils::log_path/$part-" . ($batch // 0) . '.sql';
    utf8::encode($what) if utf8::is_utf8($what);
    $found{$kind}++;
    return if $found{$kind} > 20;
    diag "$part: $kind; SEED=$seed BATCH=" . ($batch // 0) . ($script ? ", $file" : '') . "\n" . substr $what, 0, 3000;
    _keep_script($file) if $script;
    return;
}

# --- the server's log ------------------------------------------------------------------------------------------------

# What came since the last look, one message of a process with its LOCATION, CONTEXT and STATEMENT at a time.
sub read_log {
    open my $file, '<', $node->logfile or die "the log: $!";
    seek $file, $log_at, 0;
    local $/;
    my $new = <$file> // '';
    # What is still being written is read next time.
    $new =~ s/[^\n]*\z//;
    $log_at += length $new;
    my $message = '';
    for my $line (split /^/, $new) {
        if ($line =~ /^\d{4}-\d\d-\d\d [^\[\n]*\[\d+\] .*?\b(?:ERROR|WARNING|FATAL|PANIC|LOG|NOTICE|DEBUG\d):  /) {
            _judge($message);
            $message = '';
        }
        elsif ($line =~ /^TRAP: /) {
            finding('crash', $line);
        }
        $message .= $line if length $message < 20_000;
    }
    _judge($message);
    return;
}

sub _judge {
    my ($message) = @_;
    my $kind = _kind_of($message);
    return defined $kind ? finding($kind, $message) : undef;
}

# What kind of finding a message is, if it is one.
sub _kind_of {
    my ($message) = @_;
    return 'crash'
        if $message =~ /PANIC:  | was terminated by signal |terminating any other active server processes/;
    my ($code) = $message =~ /\A.*(?:ERROR|FATAL|WARNING):  (XX\d{3}): / or return;
    my ($place) = $message =~ /\bLOCATION:  \w+, ([\w.]+):\d+/;
    # So ends what meets a damaged artifact, or a store that gives back other bytes; here they are made on purpose.
    return
        if $code eq 'XX001'
        && (($place // '') eq 'read_model.c' ||
            $message =~ /does not hold what was stored as|was changed or is damaged/);
    return 'damaged data' if $code eq 'XX001';
    my ($context) = $message =~ /\bCONTEXT:  (.*?)(?:\n\d{4}-|\z)/s;
    my $is_ours = $own_file{ $place // '' }
        || grep { $own_function{$_} } ($context // '') =~ /\bfunction "?(?:\w+\.)?(\w+)/g;
    return $is_ours ? 'an internal error of ours' : undef;
}

# A fuzzer that sees nothing finds nothing.
sub _can_see {
    my $ours = 'an internal error of ours';
    is(_kind_of("2026 [1] ERROR:  XX000: x\n2026 [1] LOCATION:  a, export_file.c:1\n"), $ours, "$part: by its file");
    is(_kind_of("2026 [1] ERROR:  XX000: x\n2026 [1] CONTEXT:  PL/pgSQL function train_model(text) line 1 at RAISE\n"
            . "2026-01-01 [1] LOCATION:  a, mac.c:1\n"), $ours, "$part: by the function that was at work");
    is(_kind_of("2026 [1] ERROR:  XX000: x\n2026 [1] LOCATION:  a, mac.c:1\n"), undef,
        "$part: others are PostgreSQL's");
    is(_kind_of("2026 [1] LOG:  00000: server process (PID 2) was terminated by signal 11: x\n"), 'crash',
        "$part: a crash is seen");
    return;
}

# --- the end ---------------------------------------------------------------------------------------------------------

# The tests, and the line that fuzz.sh reads. Options: statements, refused => counts of another program's, integrity =>
# 0: rows may be damaged; said => what else is to be said.
sub finish {
    my (%option) = @_;
    $statements += $option{statements} // 0;
    $refused    += $option{refused}    // 0;
    undef $script;
    read_log();
    cmp_ok($statements, '>', 0, "$part: there were statements");
    for my $kind ('crash', 'a session that ended', 'an internal error of ours', 'damaged data',
        'a statement that ignores its time limit') {
        ok(!delete $found{$kind}, "$part: not found: $kind");
    }
    my ($status, $problems, $error) = $node->psql(DATABASE,
        'SET statement_timeout = 0; SELECT * FROM check_integrity()');
    is("$status$problems", '0', "$part: check_integrity() is empty") or diag $error if $option{integrity} // 1;
    my ($state, $codes) = $node->psql(DATABASE,
        q{SELECT job_name, error_code, error_message FROM job_runs WHERE error_code LIKE 'XX%'});
    is("$state$codes", '0', "$part: no job had an internal error");
    fail("$part: found $found{$_} times: $_") for sort keys %found;
    note "fuzzed: $part: seed $seed, $statements statements, $refused of them refused"
        . (defined $option{said} ? "; $option{said}" : '');
    done_testing();
    $node->stop($status ? 'immediate' : 'fast', fail_ok => 1);
    return;
}

1;
