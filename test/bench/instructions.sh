#!/usr/bin/env bash
# instructions.sh DATA_DIRECTORY - counts the instructions that one captured message takes, and a row of a bulk load.
#
# How to run: install the extension; the server of DATA_DIRECTORY, which PGHOST, PGPORT and PGUSER (a superuser) name,
# is stopped, and not started again. Needs valgrind, and is skipped without. It takes three minutes.
#
# How to read: the count is the same whatever else the machine does, which times are not. An instruction is no time,
# though: waiting for memory, for the disk and for other sessions is not counted. "rows" are the same rows by plain
# INSERTs into the bare tables of setup.sql. All run in PL/pgSQL, prepared, each message its own transaction, and the
# rows of a bulk load in one INSERT; no client takes part.
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

# Of a server in one process that runs a procedure of instructions.sql for so many rows.
instructions() { # PROCEDURE VARIANT ROWS SHARE
    printf "CALL bench.%s('%s', %d, %d)\n" "$1" "$2" 50 "$4" "$1" "$2" "$3" "$4" |
        valgrind --tool=callgrind --callgrind-out-file=/dev/null "$bin/postgres" --single -D "$data" \
            -c synchronous_commit=off -c fsync=off -c autovacuum=off -c plan_cache_mode=force_generic_plan \
            -c max_parallel_workers_per_gather=0 "$database" 2>&1 | sed -n 's/.*Collected : \([0-9]*\).*/\1/p'
}

compare() { # PROCEDURE ROWS MORE_ROWS SHARE...
    local procedure=$1 from=$2 to=$3 share variant few many
    declare -A count
    shift 3
    for share; do
        for variant in extension rows; do
            few=$(instructions "$procedure" "$variant" "$from" "$share")
            many=$(instructions "$procedure" "$variant" "$to" "$share")
            [[ -n $few && -n $many ]] || { say "valgrind counts nothing"; exit 1; }
            count[$variant]=$(( (many - few) / (to - from) ))
        done
        awk -v share="$share" -v e="${count[extension]}" -v r="${count[rows]}" \
            'BEGIN {printf "%3d %% promoted   %10d %10d %8.2f %8.2f\n", share, e, r, r / e, e / r}'
    done
}

printf '\n%-16s %10s %10s %8s %8s\nInstructions of one message\n' '' extension rows "rows/ext" "ext/rows"
compare messages 100 600 0 100
printf 'Instructions of one row of a bulk load\n'
compare bulk 1000 6000 12 60
