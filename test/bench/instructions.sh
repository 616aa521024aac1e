#!/usr/bin/env bash
# instructions.sh DATA_DIRECTORY - counts the instructions that one captured message takes.
#
# How to run: install the extension; the server of DATA_DIRECTORY, which PGHOST, PGPORT and PGUSER (a superuser) name,
# is stopped, and not started again. Needs valgrind, and is skipped without. It takes two minutes.
#
# How to read: the count is the same whatever else the machine does, which times are not. An instruction is no time,
# though: waiting for memory, for the disk and for other sessions is not counted. "rows" are the same rows by plain
# INSERTs into the bare tables of setup.sql. All run in PL/pgSQL, prepared, each message its own transaction; no client
# takes part.
set -euo pipefail

data=$1
here=$(cd -P -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
database=tw_instructions
export PGDATABASE=$database PGOPTIONS="-c client_min_messages=warning"
sql() { psql -X -q -v ON_ERROR_STOP=1 "$@"; }
say() { printf 'bench: %s\n' "$*" >&2; }

if ! command -v valgrind >/dev/null; then
    say "instructions: skipped, there is no valgrind"
    exit
fi
sql -d postgres -c "DROP DATABASE IF EXISTS $database" \
    -c "CREATE DATABASE $database TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C'"
say "preparing the rows"
sql -f "$here/setup.sql" -f "$here/instructions.sql"
bin=$(dirname -- "$(command -v postgres)")
pg_ctl -D "$data" -m fast -w stop >/dev/null
unset PGOPTIONS PGDATABASE

# Of a server in one process that captures so many messages.
instructions() { # VARIANT MESSAGES SHARE
    printf "CALL bench.messages('%s', %d, %d)\n" "$1" 50 "$3" "$1" "$2" "$3" |
        valgrind --tool=callgrind --callgrind-out-file=/dev/null "$bin/postgres" --single -D "$data" \
            -c synchronous_commit=off -c fsync=off -c autovacuum=off -c plan_cache_mode=force_generic_plan \
            "$database" 2>&1 | sed -n 's/.*Collected : \([0-9]*\).*/\1/p'
}

printf '\nInstructions of one message\n%-16s %10s %10s %8s\n' '' extension rows ratio
for share in 0 100; do
    for variant in extension rows; do
        few=$(instructions "$variant" 100 "$share")
        many=$(instructions "$variant" 600 "$share")
        [[ -n $few && -n $many ]] || { say "valgrind counts nothing"; exit 1; }
        declare "$variant=$(( (many - few) / 500 ))"
    done
    # shellcheck disable=SC2154
    awk -v share="$share" -v e="$extension" -v r="$rows" \
        'BEGIN {printf "%3d %% promoted   %10d %10d %8.2f\n", share, e, r, r / e}'
done
