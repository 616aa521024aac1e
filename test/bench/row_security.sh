#!/usr/bin/env bash
# row_security.sh - measures what limits to modules cost readers and captures, on the server that PGHOST, PGPORT and
# PGUSER (a superuser) name.
#
# How to run: install the extension, then test/bench/row_security.sh. It makes a database tw_row_security, drops it at
# the end with its roles, and takes about five minutes and 2 GB. psql and pgbench come from PATH. Environment:
#   ROWS=1000000 WAITING=20000    conversations, and how many of them wait for review
#   ROUNDS=7                      how often each statement is timed
#   SINGLE_SECONDS=5              seconds of each run of pgbench
#   KEEP=1                        leaves the database
#
# How to read: milliseconds as psql sees them (pgbench: conversations a second), each the median of the rounds; the
# states take turns within each round.
#   none        no role is limited
#   others      another role is limited, the reader sees everything
#   limited     the reader sees one of four modules, and so a quarter of the rows
# Captures are those of a role of kind capture, which is never limited.
set -euo pipefail

rows=${ROWS:-1000000}
waiting=${WAITING:-20000}
rounds=${ROUNDS:-7}
seconds=${SINGLE_SECONDS:-5}
here=$(cd -P -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
database=tw_row_security
batch=250000

export PGOPTIONS="-c client_min_messages=warning -c synchronous_commit=off -c jit=off"
export PGDATABASE=$database
sql() { psql -X -q -A -t -v ON_ERROR_STOP=1 "$@"; }
say() { printf 'bench: %s\n' "$*" >&2; }

drop_database() {
    sql -d postgres -c "DROP DATABASE IF EXISTS $database" \
        -c 'DROP ROLE IF EXISTS tw_bench_reader, tw_bench_other, tw_bench_chat' >/dev/null
}
files=$(mktemp -d)
cleanup() {
    rm -rf -- "$files"
    [[ -n ${KEEP:-} ]] || drop_database
}
trap cleanup EXIT
drop_database
sql -d postgres -c "CREATE DATABASE $database TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C'"
sql -c "CREATE EXTENSION training_workflow ${EXTENSION_VERSION:+VERSION '$EXTENSION_VERSION'}" -f "$here/scale.sql" \
    -c 'CREATE ROLE tw_bench_reader' -c 'CREATE ROLE tw_bench_other' -c 'CREATE ROLE tw_bench_chat' \
    -c "SELECT grant_training_role('tw_bench_chat', 'capture')" \
    -c "SELECT grant_training_role('tw_bench_reader', 'reviewer')" \
    -c "SELECT grant_training_role('tw_bench_reader', 'analyst')" \
    -c 'CREATE TABLE bench.found (state text, statement text, value numeric)' >/dev/null
say "making $rows conversations"
sql -c 'CALL bench.switch_triggers(false)'
for (( first = 1; first <= rows; first += batch )); do
    last=$(( first + batch - 1 < rows ? first + batch - 1 : rows ))
    sql -c "CALL bench.fill($first, $last, $rows, $waiting)"
done
sql -c 'CALL bench.switch_triggers(true)' -c 'VACUUM ANALYZE' -c "SELECT tw_close_days(now(), 10000, now())" >/dev/null

enter() { # STATE
    local kind
    for kind in reviewer analyst; do
        case $1 in
            none) sql -c "SELECT revoke_training_role('tw_bench_other', '$kind')" \
                -c "SELECT grant_training_role('tw_bench_reader', '$kind')" ;;
            others) sql -c "SELECT grant_training_role('tw_bench_other', '$kind', '{parcel}')" \
                -c "SELECT grant_training_role('tw_bench_reader', '$kind')" ;;
            limited) sql -c "SELECT grant_training_role('tw_bench_reader', '$kind', '{food}')" ;;
        esac >/dev/null
    done
}

capture="INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider)
    SELECT 's', 'message ' || g, 'intent.food.item.search', CASE WHEN g % 5 < 3 THEN 0.97 ELSE 0.4 END, 'indicbert'
    FROM generate_series(1, 50000) g"
statements=(
    "SELECT * FROM training_queue LIMIT 10"
    "SELECT COUNT(*) FROM training_queue WHERE review_status = 'needs-review'"
    "SELECT count(*) FROM claim_reviews(10)"
    "SELECT count(*) FROM training_samples"
    "SELECT * FROM review_backlog"
    "SELECT * FROM daily_training_stats WHERE date >= CURRENT_DATE - 7"
    "SELECT * FROM live_accuracy(CURRENT_DATE - 29)"
)
note() { # STATE STATEMENT VALUE
    printf "INSERT INTO bench.found VALUES ('%s', \$s\$%s\$s\$, %s);\n" "$1" "$2" "$3" | sql
}

read -ra states <<<"${STATES:-none others limited}"
sed 's/:table/conversation_logs/' "$here/single.pgbench" >"$files/single"
time_of() { # ROLE STATEMENT
    # Twice: the first time fills the caches of the session.
    printf '%s\n' "SET ROLE $1;" 'BEGIN;' "$2;" 'ROLLBACK;' 'BEGIN;' '\timing on' "$2;" '\timing off' 'ROLLBACK;' |
        sql -o /dev/null | sed -n 's/^Time: \([0-9.]*\) ms.*/\1/p'
}

# Readers first: captures make the tables larger. The first round fills caches and is thrown away.
for (( round = 0; round <= rounds; round++ )); do
    say "readers, round $round of $rounds"
    for state in "${states[@]}"; do
        enter "$state"
        for statement in "${statements[@]}"; do
            ms=$(time_of tw_bench_reader "$statement")
            (( round == 0 )) || note "$state" "$statement" "$ms"
        done
    done
done
for (( round = 1; round <= rounds; round++ )); do
    say "captures, round $round of $rounds"
    for state in "${states[@]}"; do
        enter "$state"
        note "$state" 'INSERT of 50,000 rows' "$(time_of tw_bench_chat "$capture")"
        tps=$(PGOPTIONS="$PGOPTIONS -c role=tw_bench_chat" pgbench -n -M prepared -c 8 -j 2 -T "$seconds" \
            -f "$files/single" -D share=60 -D message='Kothrud mein veg pizza milega kya?' \
            -D intent=intent.food.item.search -D phone='+910000000213' -D response='Kothrud mein 12 jagah.' \
            -D entities='{"city": "Pune"}' "$database" |
            sed -n 's/^tps = \([0-9.]*\).*/\1/p')
        note "$state" 'single INSERTs, 8 clients (a second)' "$tps"
    done
done

echo
psql -X -P footer=off -c "
    SELECT statement, max(value) FILTER (WHERE state = 'none') AS \"none\",
           max(value) FILTER (WHERE state = 'others') AS others, max(value) FILTER (WHERE state = 'limited') AS limited
    FROM (SELECT statement, state, round(percentile_cont(0.5) WITHIN GROUP (ORDER BY value)::numeric, 1) AS value
          FROM bench.found GROUP BY statement, state) f
    GROUP BY statement ORDER BY statement"
