#!/usr/bin/env bash
# capture.sh - measures what a captured message costs, one by one, on the server that PGHOST, PGPORT and PGUSER (a
# superuser) name.
#
# How to run: install the extension, then test/bench/capture.sh. It makes a database tw_capture, drops it at the end,
# and takes about a quarter of an hour. psql and pgbench come from PATH. Environment:
#   ROUNDS=5 SECONDS_EACH=2             rounds, and seconds of each run of pgbench
#   CLIENTS="1 2 8" COMMITS="on off"    how many clients, and settings of synchronous_commit
#   SHARES="12 60"                      percentages of the messages that are promoted
#   PARTS="single simple copy pool"     what is measured
#
# How to read: all that a figure compares runs in turn within each round; a figure is the median over the rounds.
#   limit        the same rows, as plain INSERTs into copies of both tables that have the indexes and identities but
#                neither triggers nor CHECKs. It runs twice a round: "A/A" compares it with itself, which is what noise
#                alone does here
#   bare         the message alone, into the copy of conversation_logs
#   PL/pgSQL     the same logic in two row triggers
# "processor" compares the time that the server's processes had a processor for. Where others use the machine it says
# more than the throughput. It needs Linux, and a server on the machine that it describes.
# simple: each statement is planned anew. copy: COPY of 50,000 rows, a file for each table. pool: through pgbouncer in
# transaction mode, where the machine has one.
set -euo pipefail

rounds=${ROUNDS:-5}
seconds=${SECONDS_EACH:-2}
clients=${CLIENTS:-1 2 8}
commits=${COMMITS:-on off}
shares=${SHARES:-12 60}
parts=${PARTS:-single simple copy pool}
here=$(cd -P -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
database=tw_capture

export PGDATABASE=$database
export PGOPTIONS="-c client_min_messages=warning"
sql() { psql -X -q -v ON_ERROR_STOP=1 "$@"; }
say() { printf 'bench: %s\n' "$*" >&2; }
has_part() { [[ " $parts " == *" $1 "* ]]; }

files=$(mktemp -d)
cleanup() {
    [[ ! -f $files/pool/pid ]] || kill "$(<"$files/pool/pid")" || true
    sql -d postgres -c "DROP DATABASE IF EXISTS $database WITH (FORCE)" >/dev/null
    rm -rf -- "$files"
}
trap cleanup EXIT
sql -d postgres -c "DROP DATABASE IF EXISTS $database" \
    -c "CREATE DATABASE $database TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C'"
say "preparing the rows"
sql -f "$here/setup.sql" -f "$here/plpgsql.sql"
for table in extension:conversation_logs bare:bench.bare_logs plpgsql:bench.plpgsql_logs; do
    sed "s/:table/${table#*:}/" "$here/single.pgbench" >"$files/${table%:*}"
done
cp "$here/single_limit.pgbench" "$files/limit"
cp "$here/single_limit.pgbench" "$files/limit_again"

# Milliseconds of processor time of the server's processes that have ended; 0 where that is not known.
processor() {
    local stat
    stat=$(sql -At 2>/dev/null \
        -c "SELECT pg_read_file('/proc/' || split_part(pg_read_file('postmaster.pid'), E'\n', 1) || '/stat')") ||
        { echo 0; return; }
    read -r -a stat <<<"$stat"
    echo $(( (stat[15] + stat[16]) * 1000 / $(getconf CLK_TCK) ))
}

in_turn() { # ROUND VARIANT...
    local round=$1
    shift
    if (( round % 2 )); then printf '%s\n' "$@"; else printf '%s\n' "$@" | tac; fi
}

# For a while, messages of one kind by pgbench.
messages() { # PART ROUND VARIANT CLIENTS PROTOCOL SHARE [OPTION OF PGBENCH...]
    local part=$1 round=$2 variant=$3 number=$4 protocol=$5 share=$6 before after tps count q=
    shift 6
    # There pgbench puts values into the text as they are.
    [[ $protocol != simple ]] || q="'"
    sql -c "CALL bench.empty_tables()" -c CHECKPOINT
    before=$(processor)
    pgbench -n -M "$protocol" -c "$number" -j $(( number < 2 ? 1 : 2 )) -T "$seconds" -f "$files/$variant" \
        -D share="$share" -D message="${q}Kothrud mein veg pizza milega kya? 2 log ke liye$q" \
        -D intent="${q}intent.food.item.search$q" -D phone="$q+910000000213$q" \
        -D response="${q}Kothrud mein 12 jagah veg pizza milta hai.$q" \
        -D entities="$q"'{"city": "Pune", "area": "Kothrud", "dish": "veg pizza"}'"$q" "$@" \
        >"$files/out" 2>"$files/errors" || { cat "$files/errors" >&2; return 1; }
    tps=$(sed -n 's/^tps = \([0-9.]*\).*/\1/p' "$files/out")
    count=$(sed -n 's/.*actually processed: \([0-9]*\).*/\1/p' "$files/out")
    [[ -n $tps ]] || { cat "$files/errors" >&2; return 1; }
    # The backends end after pgbench.
    sleep 0.1
    after=$(processor)
    sql -c "INSERT INTO bench.times VALUES ('$part', $round, '$variant', 1e6 / $tps),
        ('$part', $round, '$variant cpu', 1000.0 * ($after - $before) / $count)"
}

single() {
    local number commit share round variant
    for number in $clients; do
        for commit in $commits; do
            for share in $shares; do
                say "single rows: $number clients, synchronous_commit = $commit, $share % promoted"
                for (( round = 1; round <= rounds; round++ )); do
                    for variant in $(in_turn "$round" limit extension bare plpgsql limit_again); do
                        PGOPTIONS="$PGOPTIONS -c synchronous_commit=$commit" messages \
                            "$(printf '%d clients, commit %s, %d %% promoted' "$number" "$commit" "$share")" \
                            "$round" "$variant" "$number" prepared "$share"
                    done
                done
            done
        done
    done
}

simple() {
    local round variant
    say "simple protocol"
    for (( round = 1; round <= rounds; round++ )); do
        for variant in $(in_turn "$round" limit extension bare plpgsql limit_again); do
            PGOPTIONS="$PGOPTIONS -c synchronous_commit=off" messages \
                'simple protocol, 8 clients, commit off, 60 % promoted' "$round" "$variant" 8 simple 60
        done
    done
}

pool() {
    local round variant
    PATH=$PATH:/usr/sbin
    if ! command -v pgbouncer >/dev/null; then
        say "through a pool: skipped, there is no pgbouncer"
        return
    fi
    say "through pgbouncer in transaction mode"
    mkdir "$files/pool"
    cat >"$files/pool/ini" <<SETTINGS
[databases]
$database = host=$PGHOST port=${PGPORT:-5432} user=$PGUSER
[pgbouncer]
listen_addr =
unix_socket_dir = $files/pool
listen_port = 6432
auth_type = any
pool_mode = transaction
default_pool_size = 8
ignore_startup_parameters = options
logfile = $files/pool/log
pidfile = $files/pool/pid
SETTINGS
    pgbouncer -q -d "$files/pool/ini" </dev/null >/dev/null 2>"$files/pool/errors"
    for (( round = 1; round <= rounds; round++ )); do
        for variant in $(in_turn "$round" limit extension bare plpgsql limit_again); do
            messages 'pool in transaction mode, 8 clients, commit on, 60 % promoted' "$round" "$variant" 8 simple 60 \
                -h "$files/pool" -p 6432
        done
    done
    # The pool keeps its connections, so that nobody knows the processor time.
    sql -c "DELETE FROM bench.times WHERE part LIKE 'pool %' AND variant LIKE '% cpu'"
}

copy_in() { # TABLE FILE
    printf '\\copy %s FROM %s\n' "$1" "$2"
}

copy() {
    local round variant columns before cpu
    columns=$(sql -At -c "SELECT bench.application_columns()")
    say "COPY"
    sql -c "CALL bench.prepare_written(60)"
    sql -c "\\copy (SELECT $columns FROM bench.source_60 LIMIT 50000) TO $files/messages" \
        -c "\\copy (SELECT * FROM bench.written_logs WHERE id <= 50000) TO $files/logs" \
        -c "\\copy (SELECT * FROM bench.written_samples WHERE conversation_log_id <= 50000) TO $files/samples"
    copy_in "conversation_logs ($columns)" "$files/messages" >"$files/copy_extension"
    copy_in "bench.plpgsql_logs ($columns)" "$files/messages" >"$files/copy_plpgsql"
    copy_in bench.bare_logs "$files/logs" >"$files/copy_bare"
    { cat "$files/copy_bare"; copy_in bench.bare_samples "$files/samples"; } >"$files/copy_limit"
    cp "$files/copy_limit" "$files/copy_limit_again"
    for (( round = 1; round <= rounds; round++ )); do
        for variant in $(in_turn "$round" limit extension bare plpgsql limit_again); do
            sql -c "CALL bench.empty_tables()" -c CHECKPOINT
            cpu=$(processor)
            before=$EPOCHREALTIME
            sql -f "$files/copy_$variant" >/dev/null
            sql -c "INSERT INTO bench.times VALUES ('COPY of 50,000 rows, 60 % promoted', $round, '$variant',
                (${EPOCHREALTIME/,/.} - ${before/,/.}) * 1e6 / 50000)"
            sleep 0.1
            sql -c "INSERT INTO bench.times VALUES ('COPY of 50,000 rows, 60 % promoted', $round, '$variant cpu',
                ($(processor) - $cpu) * 1e3 / 50000)"
        done
    done
}

for part in single simple copy pool; do
    ! has_part "$part" || "$part"
done

echo
load=$(sed 's/^\([^ ]* [^ ]* [^ ]*\).*/, load \1 at the end/' /proc/loadavg 2>/dev/null) || load=
printf 'Machine: %s cores%s\n\n' "$(nproc)" "$load"
sql -P footer=off -f "$here/capture.sql"
