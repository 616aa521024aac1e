# shellcheck shell=bash
# python.sh - sourced by run.sh of a client of Python: python_client ACTION REQUIREMENT...

client=$(cd -P -- "$(dirname -- "$0")" && pwd)
python=$CLIENT_HOME/venv/bin/python

install_client() { # REQUIREMENT...
    local want
    command -v python3 >/dev/null || { echo "there is no python3"; exit 77; }
    want="$* $(python3 --version)"
    [[ ! -f $CLIENT_HOME/installed || $(<"$CLIENT_HOME/installed") != "$want" ]] || return 0
    rm -rf -- "$CLIENT_HOME/installed" "$CLIENT_HOME/venv"
    python3 -m venv "$CLIENT_HOME/venv" || { echo "python3 makes no venv (Debian package python3-venv)"; exit 77; }
    if ! "$python" -m pip install --quiet --disable-pip-version-check --cache-dir "$CLIENT_HOME/../pip" "$@" \
        >"$CLIENT_HOME/pip.log" 2>&1; then
        if grep -qE 'NewConnectionError|Temporary failure in name resolution|Network is unreachable|timed out' \
            "$CLIENT_HOME/pip.log"; then
            echo "the registry of Python's packages cannot be reached"
            exit 77
        fi
        tail -n 20 "$CLIENT_HOME/pip.log" >&2
        exit 1
    fi
    printf '%s\n' "$want" >"$CLIENT_HOME/installed"
}

python_client() { # ACTION REQUIREMENT...
    case $1 in
        install) install_client "${@:2}" ;;
        # Whatever a program loads stays as it is in the tree: nothing is written beside it.
        complete | defaults) exec "$python" -B "$client/$1.py" ;;
        *) echo "usage: run.sh {install|complete|defaults}" >&2; exit 64 ;;
    esac
}
