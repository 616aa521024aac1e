#!/usr/bin/env bash
# pgbouncer.sh start FOLDER MODE PORT SERVER_PORT USER... | pgbouncer.sh stop FOLDER
#
# A pgbouncer on 127.0.0.1:PORT in front of the server on 127.0.0.1:SERVER_PORT, in pool mode MODE (transaction or
# session), for these users, each with the password PGPASSWORD. Ends with 77 where there is no pgbouncer.
set -euo pipefail

die() { printf 'pgbouncer: %s\n' "$*" >&2; exit 1; }
here=$(cd -P -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
tools=$here/../tools

action=${1:?}
folder=${2:?}
# It may lie where an ordinary user's PATH does not lead.
PATH=$PATH:/usr/sbin
if [[ $action == start ]] && ! command -v pgbouncer >/dev/null; then
    printf 'pgbouncer: there is none: install the package pgbouncer\n'
    exit 77
fi
# Like the server, it refuses to run as root.
if (( EUID == 0 )); then
    exec bash "$tools/as-user.sh" -w "$folder" bash "$here/pgbouncer.sh" "$@"
fi

write_settings() { # MODE PORT SERVER_PORT USER...
    local mode=$1 port=$2 server_port=$3 user
    shift 3
    (umask 077; for user in "$@"; do printf '"%s" "%s"\n' "$user" "$PGPASSWORD"; done >"$folder/users")
    cat >"$folder/pgbouncer.ini" <<SETTINGS
[databases]
* = host=127.0.0.1 port=$server_port
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = $port
unix_socket_dir =
auth_type = scram-sha-256
auth_file = $folder/users
pool_mode = $mode
default_pool_size = 5
max_client_conn = 100
logfile = $folder/log
pidfile = $folder/pid
; JDBC sends it at every start.
ignore_startup_parameters = extra_float_digits
SETTINGS
}

# The dead stay in a container's list of processes.
lives() { [[ $(ps -o stat= -o comm= -p "$1") =~ ^[^Z].*pgbouncer ]]; }
answers() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

case $action in
    start)
        (( $# >= 6 )) || die "usage: pgbouncer.sh start FOLDER MODE PORT SERVER_PORT USER..."
        mkdir -p -- "$folder"
        write_settings "${@:3}"
        pgbouncer -q -d "$folder/pgbouncer.ini" </dev/null >"$folder/start.log" 2>&1 || {
            cat "$folder/start.log" >&2
            die "it does not start"
        }
        for (( tries = 0; tries < 100; tries++ )); do
            answers "$4" && exit 0
            sleep 0.1
        done
        die "it does not answer on port $4, see $folder/log"
        ;;
    stop)
        [[ -f $folder/pid ]] || exit 0
        pid=$(<"$folder/pid")
        # A process of that number is ours only if it is a pgbouncer.
        lives "$pid" || exit 0
        kill -TERM "$pid"
        for (( tries = 0; tries < 100; tries++ )); do
            lives "$pid" || exit 0
            sleep 0.1
        done
        kill -KILL "$pid"
        ;;
    *) die "usage: pgbouncer.sh {start|stop} FOLDER ..." ;;
esac
