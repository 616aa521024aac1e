#!/usr/bin/env bash
# bench.sh BUILD_DIR - what `make bench` runs: a server of its own with
# default settings but for memory, and test/bench on it.
#
# PARTS="bulk single first calls assign rollout export import scale router loop gate" chooses; the first four are
# run.sh's, the others have scripts of their own. capture (14 minutes), instructions (three), fleet (five, with
# servers of its own), growth (six), row_security (five), purge, and hot (a quarter of an hour and 6 GB, and more with
# ROWS) run only where they are named.
set -euo pipefail

build=$(cd -P -- "$1" && pwd)
here=$(cd -P -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
bench=$build/bench

if (( EUID == 0 )); then
    exec bash "$here/as-user.sh" -w "$bench" bash "$here/bench.sh" "$build"
fi

mkdir -p "$bench"
bin=$build/pg/bin
export PATH=$bin:$PATH
for variable in "${!PG@}"; do unset "$variable"; done
# Sockets have short names only.
socket=$(mktemp -d /tmp/training_workflow.XXXXXX)
cleanup() {
    "$bin/pg_ctl" -D "$bench/data" -m fast -w stop >/dev/null 2>&1 || true
    rm -rf -- "$socket" "$bench/data"
}
trap cleanup EXIT

rm -rf -- "$bench/data"
initdb -D "$bench/data" -U postgres --auth=trust --locale=C.UTF-8 -E UTF8 >"$bench/initdb.log"
cat >>"$bench/data/postgresql.conf" <<SETTINGS
listen_addresses = ''
unix_socket_directories = '$socket'
shared_buffers = 512MB
max_wal_size = 4GB
autovacuum = off
SETTINGS
pg_ctl -D "$bench/data" -l "$bench/server.log" -w start >/dev/null </dev/null

export PGHOST=$socket PGUSER=postgres
parts=" ${PARTS:-bulk single first calls assign rollout export import scale router loop gate} "
capture=
for part in bulk single first calls; do
    [[ $parts != *" $part "* ]] || capture+="$part "
done
[[ -z $capture ]] || PARTS=${capture% } bash "$here/../bench/run.sh"
[[ $parts != *" capture "* ]] || PARTS=${CAPTURE_PARTS:-single simple copy pool} bash "$here/../bench/capture.sh"
[[ $parts != *" assign "* ]] || bash "$here/../bench/assign.sh"
[[ $parts != *" rollout "* ]] || bash "$here/../bench/rollout.sh"
[[ $parts != *" export "* ]] || bash "$here/../bench/export.sh"
[[ $parts != *" import "* ]] || bash "$here/../bench/import.sh"
[[ $parts != *" scale "* ]] || bash "$here/../bench/scale.sh"
[[ $parts != *" growth "* ]] || bash "$here/../bench/growth.sh"
[[ $parts != *" row_security "* ]] || bash "$here/../bench/row_security.sh"
[[ $parts != *" purge "* ]] || bash "$here/../bench/purge.sh"
[[ $parts != *" hot "* ]] || bash "$here/../bench/hot.sh"
[[ $parts != *" fleet "* ]] || bash "$here/../bench/fleet.sh" "$bench"
# All three say why they are skipped where DATASETS names no folder with the public data.
[[ $parts != *" router "* ]] || bash "$here/../bench/router.sh"
[[ $parts != *" loop "* ]] || bash "$here/../bench/loop.sh"
[[ $parts != *" gate "* ]] || bash "$here/../bench/gate.sh"
# It stops the server.
[[ $parts != *" instructions "* ]] || bash "$here/../bench/instructions.sh" "$bench/data"
