#!/usr/bin/env bash
# run.sh {install|complete|defaults} - see check.sh. go.mod has the versions.
set -euo pipefail
client=$(cd -P -- "$(dirname -- "$0")" && pwd)
# Where Go lies when it did not come from the distribution.
PATH=$PATH:/usr/local/go/bin

build() {
    local log=$CLIENT_HOME/build.log
    if ! (cd "$client" && go build -o "$CLIENT_HOME/" ./complete ./defaults) >"$log" 2>&1; then
        if grep -qE 'dial tcp|no such host|i/o timeout|connection refused|module lookup disabled' "$log"; then
            echo "the proxy of Go's modules cannot be reached"
            exit 77
        elif grep -qE 'requires go >=|invalid go version|toolchain not available|unknown directive' "$log"; then
            echo "Go is too old: pgx 5.13 needs 1.25"
            exit 77
        fi
        tail -n 20 "$log" >&2
        exit 1
    fi
}

case ${1:-} in
    install)
        command -v go >/dev/null || { echo "there is no Go 1.25 or newer"; exit 77; }
        export HOME=$CLIENT_HOME GOCACHE=$CLIENT_HOME/cache GOPATH=$CLIENT_HOME/go GOFLAGS='-buildvcs=false -modcacherw'
        export GOTOOLCHAIN=local
        want=$(find "$client" -type f -exec sha256sum {} + | sort; go version)
        if [[ ! -f $CLIENT_HOME/installed || $(<"$CLIENT_HOME/installed") != "$want" ]]; then
            rm -f -- "$CLIENT_HOME/installed"
            build
            printf '%s\n' "$want" >"$CLIENT_HOME/installed"
        fi
        ;;
    complete | defaults) exec "$CLIENT_HOME/$1" ;;
    *) echo "usage: run.sh {install|complete|defaults}" >&2; exit 64 ;;
esac
