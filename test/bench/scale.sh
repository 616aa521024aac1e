#!/usr/bin/env bash
# scale.sh - measures what people look at every day over two years of conversations,
# on the server that PGHOST, PGPORT and PGUSER (a superuser) name.
#
# How to run: install the extension, then test/bench/scale.sh. It makes a database tw_scale, drops it at the end, and
# takes about six minutes and 9 GB (and as much again for WAL as max_wal_size allows). psql is taken from PATH.
# Environment:
#   ROWS=10000000     conversations, one in five hundred of which waits for review
#   ROUNDS=5          how often each statement is timed, once its data are in memory
#   KEEP=1            leaves the database
#
# How to read: milliseconds as psql sees them, each the median of the rounds. "not closed": no day's figures are stored,
# as after a restore, until the daily job has run. "closed": as on any morning; how long the count of that morning takes
# is measured, too. "in use": after a quarter of what waited got a verdict since then, rows of every age among them.
# Target: each of the first four statements in at most 200 ms, closed and in use, and training_metrics, which is scraped
# every few seconds, in 50 ms. The other two are there for comparison. That the stored figures are those
# of a count is checked at the end.
set -euo pipefail

rows=${ROWS:-10000000}
rounds=${ROUNDS:-5}
here=$(cd -P -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
database=tw_scale
batch=500000
(( rows >= 1000 )) || { printf 'scale.sh: ROWS must be at least 1000\n' >&2; exit 64; }

export PGOPTIONS="-c client_min_messages=warning -c synchronous_commit=off"
export PGDATABASE=$database
sql() { psql -X -q -A -t -v ON_ERROR_STOP=1 "$@"; }
say() { printf 'bench: %s\n' "$*" >&2; }

drop_database() { sql -d postgres -c "DROP DATABASE IF EXISTS $database" >/dev/null; }
cleanup() { [[ -n ${KEEP:-} ]] || drop_database; }
trap cleanup EXIT
drop_database
sql -d postgres -c "CREATE DATABASE $database TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C'"
sql -c 'CREATE EXTENSION training_workflow' -f "$here/scale.sql"

say "making $rows conversations"
sql -c 'CALL bench.switch_triggers(false)'
for (( first = 1; first <= rows; first += batch )); do
    last=$(( first + batch - 1 < rows ? first + batch - 1 : rows ))
    sql -c "CALL bench.fill($first, $last, $rows, $(( rows / 500 )))"
done
sql -c 'CALL bench.switch_triggers(true)' -c 'VACUUM ANALYZE'

statements=(
    "SELECT * FROM training_queue LIMIT 10"
    "SELECT COUNT(*) FROM training_queue WHERE review_status = 'needs-review'"
    "SELECT * FROM daily_training_stats WHERE date >= CURRENT_DATE - 7"
    "SELECT * FROM model_performance_comparison"
    "SELECT * FROM daily_training_stats"
    "SELECT * FROM review_backlog"
    "SELECT * FROM training_metrics"
)
measure() { # STATE ROUNDS
    local statement time n
    say "$1"
    for statement in "${statements[@]}"; do
        # The first time fills caches.
        for (( n = 0; n <= $2; n++ )); do
            time=$(sql -c '\timing on' -o /dev/null -c "$statement" | sed -n 's/^Time: \([0-9.]*\) ms.*/\1/p')
            (( n == 0 )) || sql -c "INSERT INTO bench.times VALUES ('$1', \$\$$statement\$\$, $time)"
        done
    done
}

measure 'not closed' 1
say 'closing days'
start=$EPOCHREALTIME
since=$(sql -c 'SELECT now()')
until [[ $(sql -c "SELECT tw_close_days(NULL, 30, '$since')") == 0 ]]; do :; done
closing=$(awk -v a="$start" -v b="$EPOCHREALTIME" 'BEGIN {printf "%.0f", b - a}')
start=$EPOCHREALTIME
since=$(sql -c 'SELECT now()')
until [[ $(sql -c "SELECT tw_close_days(NULL, 30, '$since')") == 0 ]]; do :; done
again=$(awk -v a="$start" -v b="$EPOCHREALTIME" 'BEGIN {printf "%.1f", b - a}')
measure closed "$rounds"
say 'verdicts'
for (( n = 0; n < 50; n++ )); do
    sql -o /dev/null -c "SELECT approve_conversations(ARRAY(
        SELECT id FROM conversation_logs WHERE review_priority IS NOT NULL AND review_status = 'needs-review'
        ORDER BY random() LIMIT $(( rows / 100000 + 1 ))))"
done
measure 'in use' "$rounds"
[[ $(sql -c 'SELECT count(*) FROM bench.wrong') == 0 ]] || {
    printf 'scale.sh: the stored figures are wrong\n' >&2
    exit 1
}

echo
psql -X -q -P footer=off -c "SELECT count(*) AS conversations,
        count(*) FILTER (WHERE review_status = 'needs-review') AS waiting, count(DISTINCT created_on) AS days,
        (SELECT count(*) FROM training_samples) AS samples, $closing AS seconds_to_close_them,
        $again AS seconds_of_the_next_night
    FROM conversation_logs" \
    -c 'TABLE bench.report'
