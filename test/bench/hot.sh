#!/usr/bin/env bash
# hot.sh - measures what grows with the table of conversations, on the server that PGHOST, PGPORT and PGUSER (a
# superuser) name.
#
# How to run: install the extension, then test/bench/hot.sh. It makes databases tw_hot_ROWS and drops them at the end.
# psql, pgbench and pg_dump are taken from PATH. Each million conversations takes 350 MB. 100,000,000 of them took ten
# minutes to make, with fsync = off and wal_level = minimal meanwhile, a quarter of an hour to measure, and 42 GB.
# Environment:
#   ROWS="1000000 10000000"   the sizes; capture on each is compared with capture on the first
#   STEPS="sizes statements job capture purge dump"   what is measured
#   WAITING=20000             conversations that wait for review, in each size
#   ROUNDS=5                  how often a quick statement is timed, once its data are in memory
#   SECONDS_OF_CAPTURE=10     of each of twelve runs
#   KEEP=1                    leaves the databases, and takes those that there are
#
# How to read: one column for each size. Times are those that psql sees, "first" with whatever is in memory, others the
# median of the rounds. "of the small" compares with the first size, both measured in turn within each round, and "of
# itself" says how far chance alone goes here.
set -euo pipefail

read -ra sizes <<<"${ROWS:-1000000 10000000}"
waiting=${WAITING:-20000}
steps=${STEPS:-sizes statements job capture purge dump}
rounds=${ROUNDS:-5}
seconds=${SECONDS_OF_CAPTURE:-10}
here=$(cd -P -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
batch=500000
for size in "${sizes[@]}"; do
    (( size >= 1000000 )) || { printf 'hot.sh: ROWS must be at least 1000000 each\n' >&2; exit 64; }
done

export PGOPTIONS="-c client_min_messages=warning -c allow_system_table_mods=on"
sql() { psql -X -q -A -t -v ON_ERROR_STOP=1 "$@"; }
say() { printf 'bench: %s\n' "$*" >&2; }
now() { printf '%s' "$EPOCHREALTIME"; }
since() { awk -v a="$1" -v b="$EPOCHREALTIME" 'BEGIN {printf "%.3f", b - a}'; }
median() { sort -g | awk '{v[NR] = $1} END {print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2}'; }
exists() { [[ $(sql -d postgres -c "SELECT count(*) FROM pg_database WHERE datname = '$1'") == 1 ]]; }

files=$(mktemp -d "${TMPDIR:-/tmp}/tw_hot.XXXXXX")
cleanup() {
    rm -rf -- "$files"
    [[ -n ${KEEP:-} ]] || for size in "${sizes[@]}"; do
        sql -d postgres -c "DROP DATABASE IF EXISTS tw_hot_$size" >/dev/null
    done
}
trap cleanup EXIT

# Two sessions take turns with the batches, so that the rows lie in the order of their time.
fill() { # SIZE WHICH
    local first
    for (( first = 1 + $2 * batch; first <= $1; first += 2 * batch )); do
        printf "CALL bench.fill(%s, least(%s, %s), %s, %s, current_date::timestamp AT TIME ZONE 'UTC');\n" \
            "$first" "$(( first + batch - 1 ))" "$1" "$1" "$waiting"
    done | PGOPTIONS="$PGOPTIONS -c jit=off -c synchronous_commit=off" sql
}
make() { # SIZE
    local start first
    export PGDATABASE=tw_hot_$1
    sql -d postgres -c "CREATE DATABASE tw_hot_$1 TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C'"
    sql -c 'CREATE EXTENSION training_workflow' -c 'CREATE EXTENSION pageinspect' -f "$here/hot.sql"
    sql -c 'CALL bench.switch_triggers(false)' -c 'CALL bench.leave_out_indexes()'
    say "making $1 conversations"
    start=$(now)
    fill "$1" 0 & first=$!
    fill "$1" 1
    wait "$first"
    note 'rows made' "$(since "$start")" s
    start=$(now)
    sql -c 'REINDEX TABLE conversation_logs'
    note 'indexes of conversation_logs built' "$(since "$start")" s
    sql -c 'REINDEX TABLE training_samples' -c 'REINDEX TABLE review_events' -c 'CALL bench.switch_triggers(true)' \
        -c "SELECT setval('conversation_logs_id_seq', $1)" >/dev/null
    start=$(now)
    sql -c 'VACUUM (ANALYZE, FREEZE)'
    note 'first VACUUM, of all tables' "$(since "$start")" s
}

note() { # WHAT VALUE UNIT
    sql -c "INSERT INTO bench.times (what, value, unit) VALUES (\$\$$1\$\$, $2, '$3')"
}
milliseconds() { # STATEMENT...
    sql -c '\timing on' -o /dev/null "$@" | sed -n 's/^Time: \([0-9.]*\) ms.*/\1/p' |
        awk '{n += $1} END {printf "%.3f\n", n}'
}
# Something that takes seconds, or that changes rows: once, and nothing of it stays.
once() { # WHAT STATEMENT
    say "$1"
    note "$1" "$(milliseconds -c BEGIN -c "$2" -c ROLLBACK)" ms
}
often() { # WHAT STATEMENT
    local n
    say "$1"
    note "$1, first" "$(milliseconds -c "$2")" ms
    for (( n = 0; n < rounds; n++ )); do
        milliseconds -c "$2"
    done | median >"$files/median"
    note "$1" "$(<"$files/median")" ms
}

sizes_of_relations() {
    sql -c "INSERT INTO bench.times (what, value, unit)
        SELECT format('size of %s', c.relname), round(pg_relation_size(c.oid) / 1048576.0, 1), 'MB' FROM pg_class c
        WHERE c.relname ~ '^(conversation_logs|training_samples|review_events)' AND c.relkind IN ('r', 'i')
          AND pg_relation_size(c.oid) > 1048576 ORDER BY c.relname" \
        -c "INSERT INTO bench.times (what, value, unit)
        SELECT format('levels of %s', c.relname), m.level + 1, '' FROM pg_class c, bt_metap(c.relname) m
        WHERE c.relname ~ '^conversation_logs.*(pkey|created_on|queue)' AND c.relkind = 'i' ORDER BY c.relname"
}

captured_a_second() { # DATABASE
    pgbench -n -M prepared -c 8 -j 2 -T "$seconds" -f "$files/single" \
        -D share=60 -D message='Kothrud mein veg pizza milega kya? 2 log ke liye' -D intent=intent.food.item.search \
        -D phone='+910000000213' -D response='Kothrud mein 12 jagah veg pizza milta hai.' \
        -D entities='{"city": "Pune"}' "$1" 2>"$files/errors" | sed -n 's/^tps = \([0-9.]*\).*/\1/p'
}
# The small, the large, and the small again; in odd rounds the other way round.
capture() { # SIZE
    local round which small=tw_hot_${sizes[0]} large=tw_hot_$1
    local -A database=([small]=$small [large]=$large [again]=$small)
    say "capture"
    sed 's/:table/conversation_logs/' "$here/single.pgbench" >"$files/single"
    rm -f "$files"/{rows,bulk}_*
    for (( round = 0; round < 4; round++ )); do
        for which in $( (( round % 2 )) && echo again large small || echo small large again ); do
            captured_a_second "${database[$which]}" >>"$files/rows_$which"
            sql -d "${database[$which]}" -c 'SELECT 200000000 / bench.capture(200000)' >>"$files/bulk_$which"
        done
    done
    for which in large again; do
        paste "$files/rows_$which" "$files/rows_small" | awk '{print $1 / $2}' >"$files/rows_ratio_$which"
        paste "$files/bulk_$which" "$files/bulk_small" | awk '{print $1 / $2}' >"$files/bulk_ratio_$which"
    done
    note 'single rows captured, 8 clients' "$(median <"$files/rows_large")" 'rows/s'
    note 'the same, of the small' "$(median <"$files/rows_ratio_large")" x
    note 'the small, of itself' "$(median <"$files/rows_ratio_again")" x
    note 'rows captured by one INSERT, a second of a processor' "$(median <"$files/bulk_large")" 'rows/s'
    note 'the same, of the small' "$(median <"$files/bulk_ratio_large")" x
    note 'the small, of itself' "$(median <"$files/bulk_ratio_again")" x
}

statements() {
    often 'training_queue LIMIT 10' 'SELECT * FROM training_queue LIMIT 10'
    often 'count of the queue' "SELECT COUNT(*) FROM training_queue WHERE review_status = 'needs-review'"
    often 'daily_training_stats of 7 days' 'SELECT * FROM daily_training_stats WHERE date >= CURRENT_DATE - 7'
    often 'model_performance_comparison' 'SELECT * FROM model_performance_comparison'
    often 'training_workflow_status()' 'SELECT training_workflow_status()'
    often 'review_backlog' 'SELECT * FROM review_backlog'
    once 'claim_reviews(10)' 'SELECT * FROM claim_reviews()'
    once 'live_accuracy() of 30 days' 'SELECT * FROM live_accuracy(current_date - 29, current_date)'
    once 'import of 1000 samples' "SELECT * FROM import_training_samples((SELECT string_agg(format(
        '{\"text\": \"is order %s on its way?\", \"intent\": \"intent.food.order.track\"}', n), E'\n')
        FROM generate_series(1, 1000) n))"
    once 'check_integrity()' 'SELECT * FROM check_integrity()'
    once 'all rows read by two workers (a person without an index)' \
        "SELECT count(*) FROM conversation_logs WHERE phone_number = '+91'"
}

close_days() { # WHAT
    local start since
    say "$1"
    start=$(now)
    since=$(sql -c 'SELECT now()')
    until [[ $(sql -c "SELECT tw_close_days(NULL, 30, '$since')") == 0 ]]; do :; done
    note "$1" "$(awk -v s="$(since "$start")" 'BEGIN {print s * 1000}')" ms
}
daily_job() {
    once 'daily job: promotions' "SELECT * FROM tw_sweep_conversations('1 hour')"
    once 'daily job: rollbacks' "SELECT * FROM tw_settle_samples(NULL, '30 days', NULL)"
    once 'daily job: audit' 'SELECT * FROM tw_audit_by_budget(NULL)'
    once 'daily job: conflicts' 'SELECT * FROM queue_label_conflicts()'
    once 'daily job: threshold' "SELECT tw_request_due_trainings(training_setting('training_threshold')::integer)"
    once 'daily job: tidy' 'SELECT tw_tidy()'
    close_days 'daily job: statistics'
}

purge() {
    local start rows
    for way in AUTO ON; do
        say "purge of a day, VACUUM (INDEX_CLEANUP $way)"
        start=$(now)
        rows=$(sql -c 'CALL bench.purge_oldest_day(0)')
        note "day purged, before INDEX_CLEANUP $way" "$(since "$start")" s
        note 'its conversations a second' "$(awk -v r="$rows" -v s="$(since "$start")" 'BEGIN {print r / s}')" 'rows/s'
        note "VACUUM (INDEX_CLEANUP $way) conversation_logs" \
            "$(milliseconds -c "VACUUM (INDEX_CLEANUP $way) conversation_logs")" ms
    done
}
dump() {
    local start bytes
    say pg_dump
    start=$(now)
    bytes=$(pg_dump -Fp | wc -c)
    note 'pg_dump of the database' "$(since "$start")" s
    note 'bytes of it' "$(awk -v b="$bytes" 'BEGIN {print b / 1e6}')" MB
}

for size in "${sizes[@]}"; do
    exists "tw_hot_$size" && [[ -n ${KEEP:-} ]] || {
        sql -d postgres -c "DROP DATABASE IF EXISTS tw_hot_$size"
        make "$size"
    }
done
for size in "${sizes[@]}"; do
    export PGDATABASE=tw_hot_$size
    say "$size conversations"
    for step in $steps; do
        case $step in
            sizes) sizes_of_relations ;;
            statements) close_days 'first count of all days'; statements ;;
            job) daily_job ;;
            capture) capture "$size" ;;
            purge) purge ;;
            dump) dump ;;
        esac
    done
done

for size in "${sizes[@]}"; do
    printf '\n%s conversations\n' "$size"
    PGDATABASE=tw_hot_$size psql -X -q -P footer=off -c 'SELECT what, value, unit FROM bench.times ORDER BY n'
done
