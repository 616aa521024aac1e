#!/usr/bin/env bash
# minio.sh {install|start|stop} BUILD_DIR - a real MinIO for tests, on loopback, with its own data.
#
# install compiles it, and its client mc, from the modules of Go's proxy into BUILD_DIR/real/minio, once; it ends with
# 77 when they cannot be reached or there is no Go, and says so on standard output. start runs a server whose data lie
# in BUILD_DIR/real/run/minio, made anew every time; what its clients need to know is then in the file "env" there, as
# lines NAME=value. stop may be repeated.
set -euo pipefail

# The one place that says which versions are tested.
server_version=v0.0.0-20260212201848-7aac2a2c5b7c
client_version=v0.0.0-20250313080218-cf909e1063a9
# What they need; a Go that is older fetches this one, as a module.
go_version=1.24.8

# shellcheck source=test/real/common.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

server=$home/bin/minio
client=$home/bin/mc
work=$home/work
stamp=$home/installed
log=$home/install.log

#-----------------------------------------------------------------------------------------------------------------------
# Installing.

find_go() {
    local candidate
    for candidate in go /usr/local/go/bin/go /usr/lib/go/bin/go; do
        if command -v "$candidate" >/dev/null && "$candidate" version >/dev/null 2>&1; then
            command -v "$candidate"
            return
        fi
    done
    return 1
}

no_connection() {
    local words='dial tcp|no such host|i/o timeout|TLS handshake timeout|connection re(fused|set)'
    grep -qE "$words|network is unreachable|Client.Timeout" "$log"
}

# In the foreground timeout stays in our process group, and ends with it.
compile() { # GO ARGUMENT...
    local go=$1
    shift
    (
        # How modules are had is the caller's to say, all else is not.
        for variable in $(compgen -e GO); do
            [[ $variable =~ ^GO(PROXY|SUMDB|NOSUMDB|NOSUMCHECK|PRIVATE|NOPROXY|INSECURE)$ ]] || unset "$variable"
        done
        # Without the last, nobody could remove what was fetched.
        export CGO_ENABLED=0 GOBIN=$home/bin GOPATH=$work/path GOCACHE=$work/cache GOTOOLCHAIN=auto \
            GOFLAGS='-buildvcs=false -trimpath -modcacherw'
        cd "$work"
        exec nice timeout --foreground 3000 "$go" "$@"
    ) </dev/null >>"$log" 2>&1 && return
    if no_connection; then
        printf 'skipped: MinIO could not be installed: the modules of Go cannot be reached\n'
        exit 77
    fi
    tail -n 30 "$log" >&2
    die "MinIO could not be installed, see $log"
}

# The name of a toolchain's module and folder.
platform() { "$1" env GOOS GOARCH | paste -sd -; }

# Go before 1.21 does not fetch a newer one by itself; but that is a module like
# any other, but for its programs, which may not be run.
newer_go() { # GO: leaves the path of one that is new enough in $newer
    local version folder
    newer=$1
    version=$("$1" env GOVERSION)
    [[ $version =~ ^go1\.([0-9]+) ]] || die "$1 does not say its version"
    (( BASH_REMATCH[1] < 21 )) || return 0
    say "fetching Go $go_version, as $version is too old"
    version=v0.0.1-go$go_version.$(platform "$1")
    compile "$1" mod download "golang.org/toolchain@$version"
    folder=$work/path/pkg/mod/golang.org/toolchain@$version
    find "$folder/bin" "$folder/pkg/tool" -type f -exec chmod +x {} +
    newer=$folder/bin/go
}

install() {
    local go newer want="minio $server_version, mc $client_version"
    if [[ -f $stamp && $(<"$stamp") == "$want" ]]; then
        say "MinIO $server_version is installed"
        return
    fi
    if ! go=$(find_go); then
        printf 'skipped: MinIO could not be installed: there is no Go (Debian package golang-go)\n'
        exit 77
    fi
    say "compiling MinIO $server_version (some minutes, and 3 GB until it is done)"
    rm -f -- "$stamp"
    rm -rf -- "$work" "${home:?}/bin"
    mkdir -- "$work"
    : >"$log"
    newer_go "$go"
    compile "$newer" install "github.com/minio/minio@$server_version"
    compile "$newer" install "github.com/minio/mc@$client_version"
    [[ -x $server && -x $client ]] || die "nothing was installed, see $log"
    rm -rf -- "$work"
    # Written last: what it stands beside is whole.
    printf '%s\n' "$want" >"$stamp.new"
    mv -- "$stamp.new" "$stamp"
}

#-----------------------------------------------------------------------------------------------------------------------
# Running.

# The number of our server's process, if it runs. A number may be another process's by now.
server_pid() {
    local pid
    pid=$(cat "$run/pid" 2>/dev/null) || return 1
    [[ $pid =~ ^[0-9]+$ && $(readlink "/proc/$pid/cwd" 2>/dev/null) == "$run" ]] || return 1
    # The dead that nobody buries.
    ! grep -q '^State:[[:space:]]*Z' "/proc/$pid/status" 2>/dev/null || return 1
    printf '%s' "$pid"
}

stop() {
    local pid signal
    for signal in TERM KILL; do
        for _ in {1..50}; do
            pid=$(server_pid) || break 2
            kill -s "$signal" -- "$pid" 2>/dev/null || true
            sleep 0.2
        done
    done
    ! pid=$(server_pid) || die "process $pid does not end"
    rm -f -- "$run/pid" "$run/env"
}

random_hex() { od -An -N "$1" -tx1 /dev/urandom | tr -d ' \n'; }

start() {
    [[ -f $stamp ]] || die "MinIO is not installed: run minio.sh install"
    stop
    find "$run" -mindepth 1 -delete
    chmod 700 -- "$run"
    MINIO_ACCESS_KEY=test$(random_hex 8)
    MINIO_SECRET_KEY=$(random_hex 20)
    export MINIO_ACCESS_KEY MINIO_SECRET_KEY
    # The tests' own module starts it, as they do with servers that are to be killed.
    # shellcheck disable=SC2016 # those are perl's
    timeout --foreground 120 perl -I "$here/t" -MTW::Minio -e '
        my $minio = TW::Minio->new(program => $ARGV[0], folder => $ARGV[1],
            access_key => $ENV{MINIO_ACCESS_KEY}, secret_key => $ENV{MINIO_SECRET_KEY});
        $minio->start or exit 1;
        $minio->leave_running;
        open my $file, ">", "$ARGV[1]/url" or die "$ARGV[1]/url: $!\n";
        print {$file} $minio->url, "\n";
        close $file or die $!' "$server" "$run" || {
        tail -n 20 "$run/server.log" >&2
        die "MinIO does not start, see $run/server.log"
    }
    (umask 077; printf '%s\n' "MINIO_VERSION=$server_version" "MINIO_URL=$(<"$run/url")" \
        "MINIO_ACCESS_KEY=$MINIO_ACCESS_KEY" "MINIO_SECRET_KEY=$MINIO_SECRET_KEY" \
        "MINIO_PROGRAM=$server" "MINIO_CLIENT=$client" >"$run/env")
    say "MinIO $server_version runs at $(<"$run/url")"
}

"$action"
