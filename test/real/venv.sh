# shellcheck shell=bash
# venv.sh - sourced by what installs packages of PyPI for tests. Its user defines die.

# Debian's own comes first: every user of the machine can run it.
find_python() {
    local candidate
    for candidate in /usr/bin/python3 python3 python3.{14,13,12,11,10}; do
        if "$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 10))' >/dev/null 2>&1; then
            command -v "$candidate"
            return
        fi
    done
    return 1
}

# No connection is a reason to skip; anything else that stops pip is an error. pip says the same of a package which it
# finds nowhere as of an index which it cannot reach, but tells of each connection that it had to try again.
no_connection() { # LOG
    local broken='NewConnectionError|ConnectTimeoutError|ReadTimeoutError|NameResolutionError|ProxyError'
    broken+='|RemoteDisconnected|ConnectionResetError'
    grep -qE "after connection broken by '?($broken|ProtocolError.*(RemoteDisconnected|ConnectionResetError))" "$1" &&
        grep '^ERROR:' "$1" | tail -n 2 |
        grep -qE "from versions: none|Could not install packages due to an OSError: HTTPS?ConnectionPool|$broken"
}

# Makes FOLDER a virtual environment with the packages REQUIREMENT... in it; ends with 77 when PyPI cannot be reached.
# The folder of wheels beside it is there for whoever tries again.
make_venv() { # WHAT PYTHON FOLDER LOG REQUIREMENT...
    local what=$1 base=$2 venv=$3 log=$4
    shift 4
    rm -rf -- "$venv"
    "$base" -m venv "$venv" >"$log" 2>&1 || { cat "$log" >&2; die "$base cannot make a virtual environment"; }
    # In the foreground timeout stays in our process group, and ends with it. Long paths break the first line of a
    # script: the interpreter is always named.
    if ! timeout --foreground 1800 "$venv/bin/python" -m pip install --no-input --progress-bar off \
        --retries 3 --timeout 30 --cache-dir "$venv.wheels" "$@" >>"$log" 2>&1; then
        if no_connection "$log"; then
            printf 'skipped: %s could not be installed: PyPI cannot be reached\n' "$what"
            exit 77
        fi
        tail -n 30 "$log" >&2
        die "$what could not be installed, see $log"
    fi
    rm -rf -- "$venv.wheels"
}
