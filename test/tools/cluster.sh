#!/usr/bin/env bash
# cluster.sh {start|stop|status|env} BUILD_DIR [NAME] - a demo's own PostgreSQL server,
# run from BUILD_DIR/pg with its data in BUILD_DIR/NAME (demo, unless it is given).
#
# start and stop may be repeated. env prints what a shell has to export to reach the server; status ends with 0 when it
# runs, else with 3. TW_PORT sets the port, which is no more than a part of the socket's name: the server listens on
# nothing else. TW_SETTINGS has further lines for the server's configuration.
set -euo pipefail

die() { printf 'cluster: %s\n' "$*" >&2; exit 1; }
say() { printf 'cluster: %s\n' "$*"; }

usage="usage: cluster.sh {start|stop|status|env} BUILD_DIR [NAME]"
(( $# == 2 || $# == 3 )) || die "$usage"
action=$1
[[ $action =~ ^(start|stop|status|env)$ ]] || die "$usage"
[[ -d $2 ]] || die "there is no folder $2"
build=$(cd -P -- "$2" && pwd)
name=${3:-demo}
[[ $name =~ ^[a-z0-9_]+$ ]] || die "$usage"
demo=$build/$name
data=$demo/data
here=$(cd -P -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)

if [[ -e $demo ]]; then
    owner=$(stat -c %U -- "$demo")
    # Giving the files of a running server to another user would break it.
    (( EUID != 0 )) && [[ -O $demo ]] || { (( EUID == 0 )) && [[ $owner =~ ^(root|postgres)$ ]]; } ||
        die "$demo belongs to the user $owner: run this as they did, or remove it"
fi
if (( EUID == 0 )); then
    exec "$here/as-user.sh" -w "$demo" bash "$here/cluster.sh" "$action" "$build" "$name"
fi

# The caller's settings for another server would find their way into this one's tools.
port=${TW_PORT:-54329}
for variable in "${!PG@}"; do unset "$variable"; done
bin=$build/pg/bin
[[ -x $bin/postgres ]] || die "there is no $bin/postgres: private-tree.sh makes it"
# Where the path of BUILD_DIR is too long for a socket, this file names the folder that stands in for it.
short=$demo/socket-folder

# postmaster.pid tells where the running server is, whatever TW_PORT says
# now: its fourth line the port, its fifth the folder.
pid_line() { sed -n "$1p" "$data/postmaster.pid" 2>/dev/null; }

# A process of that number is our server only if it works in the data directory, as every server does: after a crash of
# the machine the number may be another process's. One that can't be looked into gets the benefit of the doubt, except
# the dead: a container's first process may never bury them.
process_is_ours() {
    local pid folder
    pid=$(pid_line 1)
    [[ $pid =~ ^[0-9]+$ ]] && kill -0 "$pid" 2>/dev/null || return 1
    ! grep -q '^State:[[:space:]]*Z' "/proc/$pid/status" || return 1
    folder=$(readlink "/proc/$pid/cwd") || return 0
    [[ $folder == "$data" ]]
}
is_running() { process_is_ours && "$bin/pg_isready" -q -h "$(pid_line 5)" -p "$(pid_line 4)"; }

choose_socket_folder() {
    local bytes
    # The system's limit is 107 bytes, not characters.
    bytes=$(printf %s "$demo/.s.PGSQL.$port" | wc -c)
    socket=$demo
    if (( bytes > 107 )); then
        socket=
        [[ ! -f $short ]] || socket=$(<"$short")
        if [[ ! -d $socket || ! -O $socket ]]; then
            socket=$(mktemp -d /tmp/training_workflow.XXXXXX)
            printf '%s\n' "$socket" >"$short"
        fi
    fi
}
forget_socket_folder() {
    [[ -f $short ]] || return 0
    rm -rf -- "$(<"$short")" "$short"
}

quoted() { printf "'%s'" "${1//\'/\'\'}"; }
write_settings() {
    cat >"$demo/demo.conf" <<SETTINGS
# Written by cluster.sh at every start.
listen_addresses = ''
port = $port
unix_socket_directories = $(quoted "\"$socket\"")
unix_socket_permissions = 0700
shared_preload_libraries = 'pg_cron'
cron.database_name = 'demo'
cron.host = $(quoted "$socket")
${TW_SETTINGS:-}
SETTINGS
}

make_data() {
    say "making a new database cluster"
    # Made beside its place and moved there when it is whole: what is in place can be started.
    rm -rf -- "$data" "$data.new"
    "$bin/initdb" -D "$data.new" -U postgres --auth=trust --locale=C.UTF-8 -E UTF8 --no-sync >"$demo/initdb.log" 2>&1 ||
        { cat "$demo/initdb.log" >&2; die "initdb failed"; }
    # pg_cron's launcher wants its database from its first moment on.
    printf 'CREATE DATABASE demo;\n' | "$bin/postgres" --single -F -D "$data.new" template1 >>"$demo/initdb.log" 2>&1 ||
        { cat "$demo/initdb.log" >&2; die "the database demo could not be made"; }
    printf "include '../demo.conf'\n" >>"$data.new/postgresql.conf"
    mv -- "$data.new" "$data"
}

# How a person reaches the server: their own psql where there is one.
print_psql() {
    local psql=psql
    command -v psql >/dev/null || psql=$bin/psql
    printf '    %q -h %q -p %q -U postgres demo\n' "$psql" "$(pid_line 5)" "$(pid_line 4)"
}

stop_server() {
    if process_is_ours; then
        "$bin/pg_ctl" -D "$data" -m fast -w stop >/dev/null || die "the server does not stop, see $demo/server.log"
    fi
    forget_socket_folder
}

case $action in
    start)
        mkdir -p -- "$demo"
        chmod 700 -- "$demo"
        major=$("$bin/postgres" --version | sed 's/^[^0-9]*\([0-9]*\).*/\1/')
        if [[ -f $data/PG_VERSION && $(<"$data/PG_VERSION") != "$major" ]]; then
            say "the demo's data are of PostgreSQL $(<"$data/PG_VERSION"), this is $major: making them anew"
            stop_server
            rm -rf -- "$data"
        fi
        # Programs and libraries of two minor versions do not belong into one server.
        if process_is_ours && [[ $(readlink "/proc/$(pid_line 1)/exe") == *' (deleted)' ]]; then
            say "PostgreSQL was updated: restarting the server"
            stop_server
        fi
        if ! is_running; then
            choose_socket_folder
            [[ -f $data/PG_VERSION ]] || make_data
            write_settings
            # PostgreSQL itself only asks whether a process of that number exists, in both of its lock files.
            process_is_ours || rm -f -- "$data/postmaster.pid" "$socket/.s.PGSQL.$port.lock"
            "$bin/pg_ctl" -D "$data" -l "$demo/server.log" -w -t 120 start >/dev/null </dev/null || {
                tail -n 20 "$demo/server.log" >&2
                die "the server does not start, see $demo/server.log"
            }
        fi
        say "PostgreSQL runs. To look at it:"
        print_psql
        ;;
    stop)
        stop_server
        say "PostgreSQL is stopped"
        ;;
    status)
        if is_running; then
            say "PostgreSQL runs. To look at it:"
            print_psql
        else
            say "PostgreSQL does not run"
            exit 3
        fi
        ;;
    env)
        is_running || { printf 'cluster: PostgreSQL does not run\n' >&2; exit 3; }
        printf 'export PGHOST=%q PGPORT=%q PGUSER=postgres PGDATABASE=demo\n' "$(pid_line 5)" "$(pid_line 4)"
        ;;
esac
