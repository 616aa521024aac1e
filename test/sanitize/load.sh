#!/usr/bin/env bash
# load.sh BUILD_DIR DIR - capture by eight clients and the jobs beside them, for SECONDS_OF_LOAD (600), on a server of
# its own with assertions, whose files lie in DIR. Started as an ordinary user, from a private tree in BUILD_DIR/pg.
#
# Ends with "N passed, N failed, 0 skipped". A client that gets an error, a trapped assertion, a lost or doubled
# conversation, and a row of check_integrity() are failures.
set -uo pipefail

bin=$1/pg/bin
dir=$2
here=$(cd -P -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
for variable in "${!PG@}"; do unset "$variable"; done
# A socket's path may have 107 bytes.
socket=$(mktemp -d /tmp/training_workflow.XXXXXX)
export PGHOST=$socket PGPORT=54328 PGUSER=postgres PGDATABASE=load PSQLRC=/dev/null
export PGOPTIONS="-c client_min_messages=warning"
pgbench=$bin/pgbench
[[ -x $pgbench ]] || pgbench=$(command -v pgbench) || { printf 'load: there is no pgbench\n' >&2; exit 1; }
sql() { "$bin/psql" -XAtq -v ON_ERROR_STOP=1 "$@"; }
stop() {
    "$bin/pg_ctl" -D "$dir/data" -m fast -w stop >/dev/null 2>&1
    rm -rf -- "$socket"
}
trap stop EXIT
trap 'exit 143' INT TERM

passed=0 failed=0
is() { # GOT EXPECTED WHAT
    if [[ $1 == "$2" ]]; then
        printf 'ok %d - %s\n' $((passed += 1)) "$3"
    else
        printf 'not ok - %s: "%s" instead of "%s"\n' "$3" "${1:0:2000}" "$2"
        (( failed += 1 ))
    fi
}
per_script() { # FILE: how many of its transactions went through
    grep -A 2 "^SQL script [0-9]*: .*/$1.pgbench" "$dir/pgbench" | sed -n 's/^ - \([0-9]*\) transactions .*/\1/p'
}

"$bin/initdb" -D "$dir/data" -U postgres --auth=trust --no-locale -E UTF8 --no-sync >"$dir/initdb" 2>&1 &&
    printf "%s = '%s'\n" listen_addresses '' port "$PGPORT" unix_socket_directories "$socket" fsync off \
        restart_after_crash off >>"$dir/data/postgresql.conf" &&
    "$bin/pg_ctl" -D "$dir/data" -l "$dir/server.log" -w -t 120 start >"$dir/start" 2>&1 </dev/null ||
    { printf 'load: the server does not start, see %s\n' "$dir" >&2; exit 1; }
if [[ $(sql -d postgres -c 'SHOW debug_assertions') != on ]]; then
    printf 'load: the server of %s was built without assertions (SHOW debug_assertions)\n' "$1" >&2
    exit 77
fi
[[ -z ${ONLY_ASK:-} ]] || exit 0

sql -d postgres -c 'CREATE DATABASE load' || exit 1
sql -f "$here/load/setup.sql" <"$here/../demo/samples.jsonl" >"$dir/setup" || exit 1
files=()
for weighted in single@60 batch@20 undone@5 verdict@15; do files+=(-f "$here/load/${weighted/@/.pgbench@}"); done
# One thread: several count the transactions of a script without a lock, and lose some.
"$pgbench" -n -c 8 -j 1 -M prepared -T "${SECONDS_OF_LOAD:-600}" "${files[@]}" >"$dir/pgbench" 2>"$dir/pgbench.err" &
load=$!
rounds=0 wrong=0
while kill -0 "$load" 2>/dev/null; do
    sql -f "$here/load/jobs.sql" >>"$dir/jobs" 2>>"$dir/jobs.err" || (( wrong += 1 ))
    (( rounds += 1 ))
done
wait "$load"
status=$?

cat "$dir/pgbench"
printf 'jobs: %d rounds; samples: %s; verdicts: %s; models: %s\n' "$rounds" \
    "$(sql -c 'SELECT count(*) FROM training_samples')" "$(sql -c 'SELECT count(*) FROM review_events')" \
    "$(sql -c 'SELECT count(*) FROM model_versions')"
is "$status" 0 'no client got an error'
is "$wrong" 0 'no job got an error'
is "$(( rounds > 0 ))" 1 'the jobs ran beside the clients'
single=$(per_script single) batch=$(per_script batch)
is "$(sql -c 'SELECT count(*) FROM conversation_logs')" "$(( ${single:-0} + 10 * ${batch:-0} ))" \
    'every conversation is there once, and none that was undone'
is "$(sql -c 'SELECT count(*) > 0 FROM review_events')" t 'people gave verdicts'
is "$(sql -c 'SELECT * FROM check_integrity()')" '' 'check_integrity() is empty'
is "$(sql -c "SELECT job_name, error_code, error_message FROM job_runs WHERE error_code IS NOT NULL LIMIT 5")" '' \
    'no job failed'
is "$(grep -E 'TRAP|PANIC|FATAL|was terminated by' "$dir/server.log" | head -n 5)" '' 'no assertion was trapped'
head -n 5 "$dir/pgbench.err" "$dir/jobs.err"
printf '%d passed, %d failed, 0 skipped\n' "$passed" "$failed"
(( failed == 0 ))
