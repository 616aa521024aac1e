#!/usr/bin/env bash
# purge.sh - retention in a steady state: how long it takes and holds locks, what it does to capture, and how the
# tables grow, on the server that PGHOST, PGPORT and PGUSER (a superuser) name. Best without autovacuum, whose rules it
# follows.
#
# How to run: install the extension, then test/bench/purge.sh. It makes a database tw_purge and drops it at the end.
# psql and pgbench come from PATH. Environment:
#   PER_DAY=50000     conversations a day
#   KEPT=31           retain_conversations; none of the last 30 days is deleted
#   DAYS=20           days of the steady state
#   ROUNDS=5 SECONDS_EACH=10 CLIENTS=4    rounds of pgbench, seconds of each of its runs, its clients
#   KEEP=1            leaves the database
#
# How to read: one line a day, once the first KEPT days are captured and judged. vacuumed: dead rows of
# conversation_logs had passed the limit at which autovacuum would have begun (50 + 20 %), and VACUUM followed, of all
# tables. longest: the longest time that a batch held its locks, in milliseconds, as the run itself measured it, without
# the commit. Then capture: single-row INSERTs by CLIENTS clients while a purge deletes, and without one, in turn; the
# ratio is the median of those of the rounds. Target: 0.9 or more, and batches of at most 100 ms. A purge that is not
# done when a round ends is cancelled, and the next one goes on.
set -euo pipefail

per_day=${PER_DAY:-50000}
kept=${KEPT:-31}
days=${DAYS:-20}
rounds=${ROUNDS:-5}
seconds=${SECONDS_EACH:-10}
clients=${CLIENTS:-4}
here=$(cd -P -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
database=tw_purge

export PGOPTIONS="-c client_min_messages=error -c training_workflow.allow_future_times=on"
export PGDATABASE=$database
sql() { psql -X -q -A -t -v ON_ERROR_STOP=1 "$@"; }
say() { printf 'bench: %s\n' "$*" >&2; }
files=$(mktemp -d "${TMPDIR:-/tmp}/tw_purge.XXXXXX")
purge=
drop_database() { sql -d postgres -c "DROP DATABASE IF EXISTS $database" >/dev/null; }
cleanup() {
    [[ -z $purge ]] || kill "$purge" 2>/dev/null || true
    rm -rf -- "$files"
    [[ -n ${KEEP:-} ]] || drop_database
}
trap cleanup EXIT
drop_database
sql -d postgres -c "CREATE DATABASE $database TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C'"
sql -c 'CREATE EXTENSION training_workflow' -f "$here/purge.sql" \
    -c "SELECT set_training_setting('retain_conversations', '$kept'),
               set_training_setting('review_budget_per_day', '0')" >/dev/null

# Day 0 is the first that is purged after; all lie before today.
midnight() { printf "(date_trunc('day', now(), 'UTC') - interval '%s days')" $(( days + 2 - $1 )); }
live_day() { # NUMBER
    sql -c "SET synchronous_commit = off; CALL bench.capture_day($(midnight "$1"), $per_day)" -c 'CALL bench.judge()'
}
say "capturing the first $kept days"
for (( day = -kept; day < 0; day++ )); do
    live_day "$day"
done
sql -c 'CALL seal_audit()' -c 'VACUUM ANALYZE'
for (( day = 0; day < days; day++ )); do
    live_day "$day"
    sql -c "CALL purge_conversations($(midnight $(( day + 1 ))) + interval '2 hours')" -c 'CALL seal_audit()'
    sql -c "CALL bench.note($day, $(midnight $(( day + 1 ))), $per_day)"
    if [[ $(sql -c "SELECT dead > 50 + 0.2 * rows FROM bench.days WHERE day = $day") == t ]]; then
        sql -c 'VACUUM ANALYZE' -c "UPDATE bench.days SET vacuumed = true WHERE day = $day"
    fi
done

# Enough of a backlog that a purge does not end before the round does.
say "capture with and without a purge"
sql -c 'VACUUM ANALYZE' -c CHECKPOINT
sed 's/:table/conversation_logs/' "$here/single.pgbench" >"$files/insert"
deleted() { sql -c "SELECT coalesce(sum(deleted), 0) FROM daily_statistics"; }
round() { # ROUND PURGING
    local before after
    before=$(deleted)
    if [[ $2 == true ]]; then
        sql -c "CALL purge_conversations(now() + interval '$(( $1 * 6 )) days')" 2>"$files/purge" &
        purge=$!
        until [[ $(deleted) != "$before" ]]; do sleep 0.1; done
        before=$(deleted)
    fi
    pgbench -n -M prepared -c "$clients" -j 1 -T "$seconds" -f "$files/insert" \
        -D share=60 -D message='Kothrud mein veg pizza milega kya? 2 log ke liye' -D intent=intent.food.item.search \
        -D phone='+910000000213' -D response='Kothrud mein 12 jagah veg pizza milta hai.' \
        -D entities='{"city": "Pune", "area": "Kothrud", "dish": "veg pizza"}' "$database" \
        >"$files/out" 2>"$files/errors"
    after=$(deleted)
    if [[ $2 == true ]]; then
        kill -0 "$purge" 2>/dev/null || say "round $1: the purge was over before the round"
        sql -c "SELECT pg_cancel_backend(tw_job_session('purge_conversations'))" >/dev/null
        wait "$purge" || true
        purge=
    fi
    sql -c "INSERT INTO bench.throughput VALUES ($1, $2,
        $(sed -n 's/^tps = \([0-9.]*\).*/\1/p' "$files/out"),
        $(sed -n 's/^latency average = \([0-9.]*\).*/\1/p' "$files/out"), $after - $before)"
}
for (( n = 1; n <= rounds; n++ )); do
    if (( n % 2 )); then round "$n" false; round "$n" true; else round "$n" true; round "$n" false; fi
done

show() { psql -X -q -P footer=off "$@"; }
show -c "SELECT day, rows, deleted, kept, milliseconds AS ms, longest_batch_ms AS longest, dead, vacuumed, log_mb,
            log_index_mb, sample_mb, sample_index_mb, event_mb, chain_mb FROM bench.days ORDER BY day" \
    -c "SELECT purging, round(percentile_cont(0.5) WITHIN GROUP (ORDER BY tps)::numeric) AS tps,
            round(min(tps)) AS least, round(max(tps)) AS most,
            round(percentile_cont(0.5) WITHIN GROUP (ORDER BY average_ms)::numeric, 2) AS average_ms,
            round(avg(purged) / $seconds) AS purged_a_second
        FROM bench.throughput GROUP BY purging ORDER BY purging" \
    -c "SELECT round(percentile_cont(0.5) WITHIN GROUP (ORDER BY p.tps / q.tps)::numeric, 2) AS ratio,
            round(min(p.tps / q.tps), 2) AS least, round(max(p.tps / q.tps), 2) AS most
        FROM bench.throughput p JOIN bench.throughput q USING (round) WHERE p.purging AND NOT q.purging"
