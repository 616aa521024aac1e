#!/usr/bin/env bash
# label_studio.sh {install|start|stop} BUILD_DIR - a real Label Studio
# from PyPI for tests, on loopback, with its own state.
#
# install puts it into a virtual environment below BUILD_DIR/real/label_studio, once; it ends with 77 when PyPI cannot
# be reached, and says so on standard output. start runs a server whose data lie in BUILD_DIR/real/run/label_studio,
# made anew every time; what its clients need to know is then in the file "env" there, as lines NAME=value. stop may be
# repeated.
set -euo pipefail

# The one place that says which version is tested.
version=1.23.2

# shellcheck source=test/real/common.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"
# shellcheck source=test/real/venv.sh
source "$here/venv.sh"

venv=$home/venv
prepared=$home/data
stamp=$home/installed
log=$home/install.log
# Long paths break the first line of a script: its interpreter is always named.
python=$venv/bin/python

#-----------------------------------------------------------------------------------------------------------------------
# Installing.

# Nothing of the caller's settings reaches Label Studio, which reads many variables with common names.
clean_environment() {
    local variable
    for variable in $(compgen -e); do
        case $variable in
            PATH | HOME) ;;
            *) unset "$variable" ;;
        esac
    done
    # Its log says at once what happens, such as that the port is another's.
    export PYTHONUNBUFFERED=1
    export LANG=C.UTF-8 LOG_LEVEL=WARNING DJANGO_DB=sqlite LABEL_STUDIO_BASE_DATA_DIR=$1
    # It tells nobody that it runs.
    export COLLECT_ANALYTICS=false LATEST_VERSION_CHECK=false SENTRY_DSN='' FRONTEND_SENTRY_DSN=''
}

# Its two hundred migrations take longer than everything else at a first
# start. This command runs them and makes no user.
prepare_data() {
    rm -rf -- "$prepared"
    mkdir -m 700 -- "$prepared"
    (
        cd "$prepared"
        clean_environment "$prepared"
        exec timeout --foreground 600 "$python" "$venv/bin/label-studio" version
    ) </dev/null >>"$log" 2>&1 || { tail -n 30 "$log" >&2; die "Label Studio could not make its database, see $log"; }
    [[ -s $prepared/label_studio.sqlite3 ]] || die "Label Studio made no database, see $log"
}

install() {
    local base want
    for variable in "${!PYTHON@}"; do unset "$variable"; done
    base=$(find_python) ||
        die "Label Studio needs Python 3.10 or later with the modules venv and ensurepip (Debian package python3-venv)"
    want="label-studio $version, $("$base" --version)"
    if [[ -f $stamp && $(<"$stamp") == "$want" ]]; then
        say "Label Studio $version is installed"
        return
    fi
    say "installing Label Studio $version from PyPI (about 1 GB)"
    rm -f -- "$stamp"
    make_venv "Label Studio $version" "$base" "$venv" "$log" "label-studio==$version"
    [[ $("$python" -c 'import importlib.metadata as m; print(m.version("label-studio"))') == "$version" ]] ||
        die "pip installed another version, see $log"
    prepare_data
    # Written last: what it stands beside is whole.
    printf '%s\n' "$want" >"$stamp.new"
    mv -- "$stamp.new" "$stamp"
}

#-----------------------------------------------------------------------------------------------------------------------
# Running.

# A process of that number is our server only if it works in our folder.
server_pid() {
    local pid
    pid=$(cat "$run/pid" 2>/dev/null) || return 1
    [[ $pid =~ ^[0-9]+$ && $(readlink "/proc/$pid/cwd") == "$run" ]] || return 1
    ! grep -q '^State:[[:space:]]*Z' "/proc/$pid/status" 2>/dev/null || return 1
    printf '%s' "$pid"
}

stop() {
    local pid signal
    for signal in TERM KILL; do
        for _ in {1..50}; do
            pid=$(server_pid) || break 2
            # It leads a session, and so a group, of its own.
            kill -s "$signal" -- "-$pid" 2>/dev/null || true
            sleep 0.2
        done
    done
    ! pid=$(server_pid) || die "process $pid does not end"
    rm -f -- "$run/pid" "$run/env"
}

random_hex() { od -An -N "$1" -tx1 /dev/urandom | tr -d ' \n'; }
free_port() {
    perl -MIO::Socket::INET -e '
        print IO::Socket::INET->new(Listen => 1, LocalAddr => "127.0.0.1", LocalPort => 0)->sockport'
}

launch() { # PORT TOKEN
    rm -rf -- "$run/data"
    cp -a -- "$prepared" "$run/data"
    (
        cd "$run"
        clean_environment "$run/data"
        export LABEL_STUDIO_USERNAME=admin@example.test LABEL_STUDIO_USER_TOKEN=$2
        export LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN=true
        LABEL_STUDIO_PASSWORD=$(random_hex 12)
        export LABEL_STUDIO_PASSWORD LABEL_STUDIO_DISABLE_SIGNUP_WITHOUT_LINK=true
        # Before it has a group of its own: whoever interrupts us ends it with us, or finds its number.
        printf '%s\n' "$BASHPID" >"$run/pid"
        exec setsid "$python" "$venv/bin/label-studio" start --no-browser --internal-host 127.0.0.1 -p "$1"
    ) </dev/null >"$run/server.log" 2>&1 &
}

# Only the server that was given the token just made answers to it: a program that took the port meanwhile does not.
answers() { # runs a method of the tests' client, with the server's address and token in the environment
    # shellcheck disable=SC2016 # those are perl's
    timeout --foreground 20 perl -I "$here/t" -MTW::LabelStudio -e '
        my $client = TW::LabelStudio->new($ENV{LABEL_STUDIO_URL}, $ENV{LABEL_STUDIO_LEGACY_TOKEN});
        my ($status, $answer) = $client->request(@ARGV);
        exit 1 if $status !~ /^2/;
        print $answer->{token} if ref $answer && defined $answer->{token};' "$@"
}

wait_for_answer() { # ends with 2 when the port was another's
    local pid=$! end=$((SECONDS + 120))
    while (( SECONDS < end )); do
        ! answers GET /api/current-user/whoami >/dev/null || return 0
        ! grep -qE 'is in use|already in use' "$run/server.log" || return 2
        kill -0 "$pid" 2>/dev/null || return 1
        sleep 0.5
    done
    return 1
}

start() {
    local status port token
    [[ -f $stamp ]] || die "Label Studio is not installed: run label_studio.sh install"
    stop
    find "$run" -mindepth 1 -delete
    chmod 700 -- "$run"
    LABEL_STUDIO_LEGACY_TOKEN=$(random_hex 20)
    export LABEL_STUDIO_URL LABEL_STUDIO_LEGACY_TOKEN
    for _ in 1 2 3; do
        port=$(free_port)
        LABEL_STUDIO_URL=http://127.0.0.1:$port
        launch "$port" "$LABEL_STUDIO_LEGACY_TOKEN"
        status=0
        wait_for_answer || status=$?
        (( status != 0 )) || break
        stop
        (( status == 2 )) || break
    done
    (( status == 0 )) || { tail -n 20 "$run/server.log" >&2; die "Label Studio does not start, see $run/server.log"; }
    token=$(answers POST /api/token/) || { stop; die "Label Studio gave no personal access token"; }
    (umask 077; printf '%s\n' "LABEL_STUDIO_VERSION=$version" "LABEL_STUDIO_URL=$LABEL_STUDIO_URL" \
        "LABEL_STUDIO_LEGACY_TOKEN=$LABEL_STUDIO_LEGACY_TOKEN" "LABEL_STUDIO_PAT=$token" \
        "LABEL_STUDIO_FOLDER=$run" >"$run/env")
    say "Label Studio $version runs at $LABEL_STUDIO_URL"
}

"$action"
