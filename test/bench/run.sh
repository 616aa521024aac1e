#!/usr/bin/env bash
# run.sh - measures what capture costs, on the server that PGHOST, PGPORT and PGUSER (a superuser) name.
#
# How to run: install the extension, then test/bench/run.sh. It makes a database tw_bench, drops it at the end, and
# takes about five minutes. psql and pgbench come from PATH. Environment:
#   ROUNDS=7                            rounds of the bulk loads and of the calls
#   SINGLE_ROUNDS=5 SINGLE_SECONDS=5    rounds of pgbench, and seconds of each of its runs
#   CONNECTIONS=50                      new connections
#   PARTS="bulk single first calls"     what is measured
#   CLOCK=cpu                           bulk loads and calls in processor time of the backend: for a machine that others
#                                       use at the same time. Needs Linux, and a server on the machine that it describes
#   KEEP=1                              leaves the database, with every single time in bench.times
#
# How to read: a figure is the median over the rounds, and all that it compares ran in turn within each round, so that
# whatever else the machine does hits both. "rounds" are the smallest and the largest figure of a round. The rows "A/A"
# compare a variant with itself: how far they are from 1.00 (or from 0 ms) is what noise alone does here, and a figure
# that misses its target by less says nothing. What runs twice a round for their sake counts with its mean elsewhere. A
# missed target does not fail the run.
#
# bulk: 200,000 rows in one INSERT ... SELECT, into empty tables with all their
# indexes, right after a checkpoint, without the commit.
#   extension    conversation_logs as it is
#   limit        the very rows that the extension wrote, by two plain INSERT ... SELECTs, into copies of both tables
#                that have the indexes and identities but neither triggers nor CHECKs: nothing that writes these rows
#                is faster
#   bare log     the first of these two alone
#   PL/pgSQL     the same logic in two row triggers, its thresholds constants; same indexes and CHECKs
# single rows: what an application does, each INSERT its own transaction. "bare table" gets the message and nothing
# else, "bare tables" the rows that the extension writes (three in five messages are promoted); capture.sh has more.
# Where commits are fast and processors few, the second INSERT alone keeps the first target out of reach: the second row
# tells what the extension itself adds. first INSERT: of a new connection, promoted, without waiting for the disk at
# commit.
set -euo pipefail

rounds=${ROUNDS:-7}
single_rounds=${SINGLE_ROUNDS:-5}
single_seconds=${SINGLE_SECONDS:-5}
connections=${CONNECTIONS:-50}
parts=${PARTS:-bulk single first calls}
here=$(cd -P -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
database=tw_bench

# One session's settings, so that the server's own don't blur what is compared: no second process, no compiling.
export PGOPTIONS="-c max_parallel_workers_per_gather=0 -c jit=off -c client_min_messages=warning"
PGOPTIONS+=" -c bench.clock=${CLOCK:-wall}"
export PGDATABASE=$database
sql() { psql -X -q -v ON_ERROR_STOP=1 "$@"; }
has_part() { [[ " $parts " == *" $1 "* ]]; }
say() { printf 'bench: %s\n' "$*" >&2; }

drop_database() { sql -d postgres -c "DROP DATABASE IF EXISTS $database" >/dev/null; }
drop_database
files=$(mktemp -d)
cleanup() {
    rm -rf -- "$files"
    [[ -n ${KEEP:-} ]] || drop_database
}
trap cleanup EXIT
# A locale of its own would make the indexes' comparisons a matter of the machine.
sql -d postgres -c "CREATE DATABASE $database TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C'"
say "preparing the rows"
sql -f "$here/setup.sql"
sql -f "$here/plpgsql.sql"

# Odd rounds forwards, even rounds backwards: what comes first in a round is not always the same.
in_turn() { # ROUND VARIANT...
    local round=$1
    shift
    if (( round % 2 )); then
        printf '%s\n' "$@"
    else
        printf '%s\n' "$@" | tac
    fi
}

bulk() {
    local round share variant
    for share in 12 60; do
        say "bulk, $share % promoted"
        sql -c "CALL bench.prepare_written($share)"
        # The first round fills caches and is thrown away.
        for (( round = 0; round <= rounds; round++ )); do
            for variant in $(in_turn "$round" extension limit bare_log plpgsql limit_again); do
                printf "CALL bench.measure(%d, %d, '%s');\n" "$round" "$share" "$variant"
            done
        done | sql
    done
}

single() {
    local round variant tps
    say "single rows, $single_rounds rounds of 4 x $single_seconds s"
    sed 's/:table/conversation_logs/' "$here/single.pgbench" >"$files/extension"
    sed 's/:table/bench.bare_logs/' "$here/single.pgbench" >"$files/bare"
    cp "$files/bare" "$files/bare_again"
    cp "$here/single_limit.pgbench" "$files/limit"
    for (( round = 1; round <= single_rounds; round++ )); do
        for variant in $(in_turn "$round" bare limit extension bare_again); do
            sql -c "CALL bench.empty_tables()" -c CHECKPOINT
            tps=$(pgbench -n -M prepared -c 8 -j 2 -T "$single_seconds" -f "$files/$variant" -D share=60 \
                -D message='Kothrud mein veg pizza milega kya? 2 log ke liye' -D intent=intent.food.item.search \
                -D phone='+910000000213' -D response='Kothrud mein 12 jagah veg pizza milta hai.' \
                -D entities='{"city": "Pune", "area": "Kothrud", "dish": "veg pizza"}' "$database" 2>"$files/errors" |
                sed -n 's/^tps = \([0-9.]*\).*/\1/p')
            [[ -n $tps ]] || { cat "$files/errors" >&2; return 1; }
            sql -c "INSERT INTO bench.times VALUES ('single', $round, '$variant', $tps)"
        done
    done
}

first() {
    local n variant table ms
    say "first capture, $connections connections each"
    for (( n = 1; n <= connections; n++ )); do
        for variant in $(in_turn "$n" bare extension bare_again); do
            table=bench.bare_logs
            [[ $variant != extension ]] || table=conversation_logs
            # Without waiting for the disk at commit, which is no part of the difference and noisier than it.
            ms=$(sed "s/:table/$table/" "$here/first.sql" |
                PGOPTIONS="$PGOPTIONS -c synchronous_commit=off" sql -f - | sed -n 's/^Time: \([0-9.]*\) ms.*/\1/p')
            printf "('first', %d, '%s', %s)\n" "$n" "$variant" "$ms"
        done
    done | paste -s -d, | { printf 'INSERT INTO bench.times VALUES '; cat; } | sql
}

calls() {
    local round variant policies
    for policies in 0 200; do
        say "calls, $policies policies"
        sql -c "CALL bench.make_policies($policies)"
        for (( round = 0; round <= rounds; round++ )); do
            for variant in $(in_turn "$round" empty filter_decision empty_of_three is_fallback_provider empty_again); do
                printf "CALL bench.measure_calls(%d, %d, '%s');\n" "$round" "$policies" "$variant"
            done
        done | sql
    done
}

for part in bulk single first calls; do
    ! has_part "$part" || "$part"
done

echo
load=$(sed 's/^\([^ ]* [^ ]* [^ ]*\).*/, load \1 at the end/' /proc/loadavg 2>/dev/null) || load=
printf 'Machine: %s cores, %s clock%s\n' "$(nproc)" "${CLOCK:-wall}" "$load"
sql -At -c "SELECT 'PostgreSQL ' || current_setting('server_version') || ', '
           || string_agg(name || ' = ' || current_setting(name), ', ' ORDER BY name)
    FROM pg_settings
    WHERE name IN ('fsync', 'shared_buffers', 'synchronous_commit', 'max_wal_size', 'debug_assertions')"
echo
sql -P footer=off -f "$here/report.sql"
