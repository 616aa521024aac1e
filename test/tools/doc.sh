#!/usr/bin/env bash
# doc.sh BUILD_DIR - what `make doc` runs: writes the generated pages of doc/ anew, from a server of its own.
set -euo pipefail

build=$(cd -P -- "$1" && pwd)
here=$(cd -P -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
root=$(cd -P -- "$here/../.." && pwd)
work=$build/doc

# Whoever runs the server may not write into the tree.
if [[ ${2:-} != --inside ]]; then
    rm -rf -- "$work"
    mkdir -p -- "$work"
    bash "$here/as-user.sh" -w "$work" bash "$here/doc.sh" "$build" --inside
    mkdir -p -- "$root/doc"
    for page in "$work"/*.md; do
        cat -- "$page" >"$root/doc/${page##*/}"
    done
    exit
fi

export PATH=$build/pg/bin:$PATH
for variable in "${!PG@}"; do unset "$variable"; done
# Sockets have short names only.
socket=$(mktemp -d /tmp/training_workflow.XXXXXX)
cleanup() {
    pg_ctl -D "$work/data" -m fast -w stop >/dev/null 2>&1 || true
    rm -rf -- "$socket" "$work/data"
}
trap cleanup EXIT

initdb -D "$work/data" -U postgres --auth=trust --locale=C -E UTF8 --no-sync >"$work/initdb.log"
printf "listen_addresses = ''\nunix_socket_directories = '%s'\n" "$socket" >>"$work/data/postgresql.conf"
pg_ctl -D "$work/data" -l "$work/server.log" -w start >/dev/null </dev/null
export PGHOST=$socket PGUSER=postgres PGDATABASE=postgres
psql -X -q -c 'SET client_min_messages = warning; CREATE EXTENSION training_workflow'
perl "$here/reference.pl" "$root" "$work"
