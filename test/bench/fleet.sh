#!/usr/bin/env bash
# fleet.sh FOLDER - measures a fleet: a hub and three nodes, each a server of its own below FOLDER.
#
# How to run: install the extension, then test/bench/fleet.sh FOLDER as an ordinary user. initdb, psql, pgbench,
# pg_recvlogical and pg_waldump come from PATH. It takes five minutes on two cores, and removes its
# servers at the end. Needs Linux: processor time comes from /proc. Environment:
#   STEPS="publication throughput lag apply"   what is measured
#   ROUNDS=3 SECONDS_EACH=4     rounds of pgbench, and seconds of each of its runs; publication takes two rounds more
#   LAG_SECONDS=20 RATE=1000    how long lag is measured, and messages a second meanwhile
#   ROWS=100000                 conversations of each backlog
#   KEEP=1                      leaves the servers running
#
# How to read: medians of the rounds; variants take turns within each round. pgbench, the nodes and the hub share the
# processors of this machine, so that messages a second say little about machines of their own. Processor time a message
# does: it is that of the server's processes alone, without the clients.
#   publication  a node without wal_level = logical (plain), the same once more (plain again: how far they are apart is
#                noise), and one whose publication a program reads and throws away (published)
#   throughput   8 clients on one node, on two, on three. The hub takes what comes, and makes samples every two seconds;
#                its processor time counts until it has everything
#   lag          from created_at on the node to the commit at the hub, whose time is in its WAL: of every conversation.
#                Rollbacks meanwhile: from the hub's commit to that of the last node
#   apply        the hub takes a backlog of a node that was not read for a while; then the sweep makes the samples.
#                no triggers: arrivals are neither looked up nor queued. two nodes: both backlogs at once
set -euo pipefail

(( $# == 1 )) || { printf 'usage: fleet.sh FOLDER\n' >&2; exit 64; }
steps=" ${STEPS:-publication throughput lag apply} "
rounds=${ROUNDS:-3}
seconds=${SECONDS_EACH:-4}
lag_seconds=${LAG_SECONDS:-20}
rate=${RATE:-1000}
rows=${ROWS:-100000}
clients=8
folder=$1/fleet
here=$(cd -P -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
declare -A port=([hub]=6401 [n1]=6402 [n2]=6403 [n3]=6404 [plain]=6405 [plain_again]=6406 [published]=6407)
nodes=(n1 n2 n3)
ticks_a_second=$(getconf CLK_TCK)

export PGUSER=postgres PGDATABASE=tw_fleet TZ=UTC
PGHOST=$(mktemp -d /tmp/training_workflow.XXXXXX)
export PGHOST PGOPTIONS="-c client_min_messages=warning"
at() { local server=$1; shift; PGPORT=${port[$server]} psql -X -q -A -t -v ON_ERROR_STOP=1 "$@"; }
say() { printf 'bench: %s\n' "$*" >&2; }
since() { awk -v a="$1" -v b="$EPOCHREALTIME" 'BEGIN {printf "%.3f", b - a}'; }
number() { awk "BEGIN {printf \"%.6g\", $1}"; }
note() { # STEP VARIANT WHAT VALUE
    at hub -c "INSERT INTO bench.found VALUES ('$1', '$2', '$3', $4)"
}

files=$(mktemp -d)
stop_servers() {
    local server
    for server in "$@"; do
        [[ -e $folder/$server/postmaster.pid ]] || continue
        pg_ctl -D "$folder/$server" -m immediate -w stop >/dev/null 2>&1 || true
    done
}
cleanup() {
    rm -f -- "$files/sweeping"
    if [[ -n ${KEEP:-} ]]; then
        say "the servers run on, at PGHOST=$PGHOST, below $folder"
    else
        stop_servers "${!port[@]}"
        rm -rf -- "$PGHOST" "$folder"
    fi
    rm -rf -- "$files"
}
trap cleanup EXIT

start_server() { # SERVER WAL_LEVEL
    initdb -D "$folder/$1" -U postgres --auth=trust --locale=C.UTF-8 -E UTF8 --no-sync >/dev/null
    cat >>"$folder/$1/postgresql.conf" <<SETTINGS
listen_addresses = ''
unix_socket_directories = '$PGHOST'
port = ${port[$1]}
wal_level = $2
shared_buffers = 256MB
max_wal_size = 8GB
checkpoint_timeout = 1h
autovacuum = off
max_worker_processes = 20
max_logical_replication_workers = 12
log_timezone = UTC
timezone = UTC
SETTINGS
    pg_ctl -D "$folder/$1" -l "$folder/$1.log" -w start >/dev/null </dev/null
    at "$1" -d postgres -c "CREATE DATABASE tw_fleet TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C'"
    at "$1" -c 'CREATE EXTENSION training_workflow' -f "$here/fleet.sql"
}
start_all() { # WAL_LEVEL SERVER...
    local level=$1 server pid pids=()
    shift
    for server in "$@"; do
        start_server "$server" "$level" &
        pids+=("$!")
    done
    for pid in "${pids[@]}"; do wait "$pid"; done
}
wait_until() { # SERVER CONDITION
    local n
    for (( n = 0; n < 600; n++ )); do
        [[ $(at "$1" -c "SELECT $2") != t ]] || return 0
        sleep 0.1
    done
    say "in vain: $2 on $1"
    return 1
}
make_fleet() {
    local node server
    say 'a hub and three nodes'
    start_all logical hub "${nodes[@]}"
    at hub -c 'SELECT set_fleet_node(0), fleet_publish()' >/dev/null
    for node in "${nodes[@]}"; do
        at "$node" -o /dev/null -c "SELECT set_fleet_node(${node#n})" -c 'SELECT fleet_publish()' \
            -c "CALL fleet_subscribe('host=$PGHOST port=${port[hub]} dbname=tw_fleet user=postgres')"
        at hub -c "CALL fleet_subscribe('host=$PGHOST port=${port[$node]} dbname=tw_fleet user=postgres')"
    done
    for server in hub "${nodes[@]}"; do
        wait_until "$server" "bool_and(state = 'replicating') FROM fleet_status"
    done
}

# Processor time of a server so far: of all its processes, those that ended included, and of some kinds of them.
ticks() { # SERVER
    local postmaster
    postmaster=$(head -n 1 "$folder/$1/postmaster.pid")
    {
        at "$1" -F ' ' -c "SELECT 'kind', pid, replace(backend_type, ' ', '_') FROM pg_stat_activity"
        cat /proc/[0-9]*/stat 2>/dev/null || true
    } | awk -v postmaster="$postmaster" '
        $1 == "kind" {kind[$2] = $3; next}
        {
            pid = $1
            sub(/^.*\) /, "")
            if (pid != postmaster && $2 != postmaster)
                next
            ticks = $12 + $13 + (pid == postmaster ? $14 + $15 : 0)
            all += ticks
            of[pid == postmaster ? "postmaster" : pid in kind ? kind[pid] : "other"] += ticks
        }
        END {
            print "all", all + 0
            for (k in of)
                print k, of[k]
        }'
}
before() { local server; for server in "$@"; do ticks "$server" >"$files/before.$server"; done; }
after() { local server; for server in "$@"; do ticks "$server" >"$files/after.$server"; done; }
spent() { # KIND SERVER...: processor seconds between the two
    local kind=$1 server
    shift
    for server in "$@"; do
        cat "$files/after.$server"
        sed 's/ / -/' "$files/before.$server"
    done | awk -v kind="$kind" -v hz="$ticks_a_second" '$1 == kind {n += $2} END {print n / hz}'
}
microseconds() { number "1e6 * ($1) / ($2)"; } # SECONDS MESSAGES
lsn() { at "$1" -c "SELECT pg_current_wal_insert_lsn() - '0/0'"; }

in_turn() { # ROUND VARIANT...
    local round=$1
    shift
    if (( round % 2 )); then printf '%s\n' "$@"; else printf '%s\n' "$@" | tac; fi
}

sed 's/:table/conversation_logs/' "$here/single.pgbench" >"$files/single"
capture() { # SERVER SECONDS CLIENTS [PGBENCH OPTION...]: messages
    local server=$1 time=$2 count=$3
    shift 3
    PGPORT=${port[$server]} pgbench -n -M prepared -c "$count" -j 1 -T "$time" -f "$files/single" "$@" \
        -D share=60 -D message='Kothrud mein veg pizza milega kya? 2 log ke liye' -D intent=intent.food.item.search \
        -D phone='+910000000213' -D response='Kothrud mein 12 jagah veg pizza milta hai.' \
        -D entities='{"city": "Pune", "area": "Kothrud", "dish": "veg pizza"}' tw_fleet >"$files/said.$server" 2>&1 ||
        { cat "$files/said.$server" >&2; return 1; }
    sed -n 's/^number of transactions actually processed: \([0-9]*\).*/\1/p' "$files/said.$server" \
        >"$files/count.$server"
}
capture_on() { # SECONDS CLIENTS OPTIONS SERVER...
    local time=$1 count=$2 server pid pids=()
    read -ra options <<<"$3"
    shift 3
    for server in "$@"; do
        capture "$server" "$time" "$count" "${options[@]}" &
        pids+=("$!")
    done
    for pid in "${pids[@]}"; do wait "$pid"; done
    messages=$(for server in "$@"; do cat "$files/count.$server"; done | awk '{n += $1} END {print n}')
}
catch_up() { # NODE...: waits until the hub has everything of them
    local node id
    for node in "$@"; do
        id=$(at "$node" -c "INSERT INTO conversation_logs (session_id, user_message) VALUES ('s', 'm') RETURNING id")
        at hub -c "SET statement_timeout = '3min'" -c "CALL bench.wait_for($id)"
    done
}
# The job of the hub, as it runs by itself: every two seconds, in one session.
begin_sweep() {
    : >"$files/sweeping"
    { while [[ -e $files/sweeping ]]; do echo 'CALL sweep_fleet(now());'; sleep 2; done; } | at hub &
    sweep=$!
}
end_sweep() {
    rm -f -- "$files/sweeping"
    wait "$sweep"
    at hub -c 'CALL sweep_fleet(now())'
}

publication() {
    local round variant start wal reader
    start_all replica plain plain_again
    start_all logical published
    for variant in plain plain_again published; do
        at "$variant" -o /dev/null -c 'SELECT set_fleet_node(9)'
    done
    at published -o /dev/null -c 'SELECT fleet_publish()' \
        -c "SELECT pg_create_logical_replication_slot('bench', 'pgoutput')"
    PGPORT=${port[published]} pg_recvlogical -n -d tw_fleet --slot=bench --start -f /dev/null -o proto_version=1 \
        -o publication_names=training_workflow &
    reader=$!
    # The first round fills caches and is thrown away.
    for (( round = 0; round <= rounds + 2; round++ )); do
        say "publication, round $round of $(( rounds + 2 ))"
        for variant in $(in_turn "$round" plain published plain_again); do
            before "$variant"
            wal=$(lsn "$variant")
            start=$EPOCHREALTIME
            capture_on $(( (seconds + 1) / 2 )) "$clients" '' "$variant"
            start=$(since "$start")
            after "$variant"
            (( round > 0 )) || continue
            note publication "$variant" 'messages a second' "$(number "$messages / $start")"
            note publication "$variant" 'µs of processor a message' \
                "$(microseconds "$(spent all "$variant")" "$messages")"
            note publication "$variant" 'µs of that, walsender' \
                "$(microseconds "$(spent walsender "$variant")" "$messages")"
            note publication "$variant" 'bytes of WAL a message' \
                "$(number "($(lsn "$variant") - $wal) / $messages")"
        done
    done
    kill "$reader"
    wait "$reader" || true
    stop_servers plain plain_again published
}

note_costs() { # VARIANT MESSAGES NODE...
    local variant=$1 count=$2
    shift 2
    note throughput "$variant" 'node: µs of processor a message' "$(microseconds "$(spent all "$@")" "$count")"
    note throughput "$variant" 'node: µs of that, walsender' "$(microseconds "$(spent walsender "$@")" "$count")"
    note throughput "$variant" 'node: µs of that, walwriter' "$(microseconds "$(spent walwriter "$@")" "$count")"
    note throughput "$variant" 'hub: µs of processor a message' "$(microseconds "$(spent all hub)" "$count")"
    note throughput "$variant" 'hub: µs of that, apply workers' \
        "$(microseconds "$(spent logical_replication_worker hub)" "$count")"
    # The sweep is what has sessions here, and the postmaster has the time of those that ended.
    note throughput "$variant" 'hub: µs of that, sweep' \
        "$(microseconds "$(spent client_backend hub) + $(spent postmaster hub)" "$count")"
}

throughput() {
    local round count start late used wal hub_wal node
    # What this fills are caches.
    capture_on 1 "$clients" '' "${nodes[@]}"
    catch_up "${nodes[@]}"
    for (( round = 1; round <= rounds; round++ )); do
        say "throughput, round $round of $rounds"
        for count in $(in_turn "$round" 1 2 3); do
            used=("${nodes[@]:0:count}")
            before hub "${used[@]}"
            wal=0
            for node in "${used[@]}"; do wal=$(( wal - $(lsn "$node") )); done
            hub_wal=$(lsn hub)
            begin_sweep
            start=$EPOCHREALTIME
            capture_on "$seconds" $(( (clients + count - 1) / count )) '' "${used[@]}"
            start=$(since "$start")
            for node in "${used[@]}"; do wal=$(( wal + $(lsn "$node") )); done
            late=$EPOCHREALTIME
            catch_up "${used[@]}"
            late=$(since "$late")
            end_sweep
            after hub "${used[@]}"
            note throughput "$count" 'messages a second' "$(number "$messages / $start")"
            note throughput "$count" 'seconds until the hub has all' "$late"
            note throughput "$count" 'node: bytes of WAL a message' "$(number "$wal / $messages")"
            note throughput "$count" 'hub: bytes of WAL a message' "$(number "($(lsn hub) - $hub_wal) / $messages")"
            note_costs "$count" "$messages" "${used[@]}"
        done
    done
}

# The commits of a server, from its WAL: their time here and, of transactions that came from another one, there.
read_commits() { # STEP SERVER FROM
    local to here='tx: +([0-9]+),.* COMMIT ([-0-9:. ]+) UTC' there='origin: .*, at ([-0-9:. ]+) UTC'
    to=$(at "$2" -c 'SELECT pg_current_wal_flush_lsn()')
    pg_waldump --path="$folder/$2/pg_wal" --rmgr=Transaction --start="$3" --end="$to" 2>"$files/errors" |
        sed -nE "s/.*$here.* $there.*/$1\t$2\t\1\t\2+0\t\3+0/p
            t
            s/.*$here.*/$1\t$2\t\1\t\2+0\t\\\\N/p" |
        at hub -c "\\copy bench.commits FROM STDIN"
}
rollbacks() { # COUNT: the transaction of each
    local n canary=food-agent-v1.1.0
    for (( n = 1; n <= $1; n++ )); do
        at hub -o /dev/null -c "SELECT start_rollout('$canary', 'a benchmark')"
        sleep 0.5
        at hub -c "SELECT pg_current_xact_id() FROM rollback_rollout('food-agent', 'a benchmark', NULL, '$canary')"
        sleep 0.5
    done
}
lag() {
    local count used server start rolling
    declare -A from
    at hub -o /dev/null \
        -c "SELECT register_model('food-agent-v1.0.0', 'food-agent', 'production', minio_path => 's3://bench/1')" \
        -c "SELECT register_model('food-agent-v1.1.0', 'food-agent', minio_path => 's3://bench/2')"
    for count in 1 3; do
        say "lag at $rate messages a second, $count of the nodes"
        used=("${nodes[@]:0:count}")
        for server in hub "${nodes[@]}"; do
            from[$server]=$(at "$server" -c 'SELECT pg_current_wal_insert_lsn()')
        done
        start=$(at hub -c 'SELECT now()')
        begin_sweep
        rollbacks $(( lag_seconds / 2 )) >"$files/rollbacks" & rolling=$!
        capture_on "$lag_seconds" $(( (clients + count - 1) / count )) "--rate=$(( rate / count ))" "${used[@]}"
        wait "$rolling"
        catch_up "${used[@]}"
        end_sweep
        note lag "$count" 'messages a second' "$(number "$messages / $lag_seconds")"
        for server in hub "${nodes[@]}"; do
            read_commits "$count" "$server" "${from[$server]}"
        done
        at hub -c "INSERT INTO bench.found
            SELECT 'lag', '$count', v.what, v.value FROM (
                SELECT count(*) AS n, percentile_cont(ARRAY[0.5, 0.99, 1]) WITHIN GROUP (
                    ORDER BY 1000 * extract(epoch FROM c.committed_at - l.created_at)) AS ms
                FROM conversation_logs l JOIN bench.commits c ON c.xid = l.xmin::text::bigint
                WHERE l.created_at >= '$start' AND c.step = '$count' AND c.server = 'hub') s,
            LATERAL (VALUES ('conversations', s.n), ('lag, ms: p50', s.ms[1]), ('lag, ms: p99', s.ms[2]),
                            ('lag, ms: largest', s.ms[3])) v (what, value)" \
            -c "INSERT INTO bench.found
            SELECT 'lag', '$count', 'rollback, ms: in force on all nodes',
                   1000 * extract(epoch FROM max(n.committed_at) - h.committed_at)
            FROM bench.commits h JOIN bench.commits n ON n.origin_at = h.committed_at AND n.step = h.step
            WHERE h.step = '$count' AND h.server = 'hub' AND h.xid IN ($(paste -s -d, "$files/rollbacks"))
              AND n.server <> 'hub'
            GROUP BY h.xid, h.committed_at HAVING count(*) = ${#nodes[@]}"
    done
}

switch() { # ENABLE|DISABLE NODE...
    local node
    for node in "${@:2}"; do
        at hub -c "DO \$\$ BEGIN EXECUTE format('ALTER SUBSCRIPTION %I $1', tw_fleet_subscription(${node#n})); END \$\$"
    done
}
drain() { # VARIANT BY NODE...: one backlog for each node, in transactions of BY rows
    local variant=$1 by=$2 node start taken swept pid pids=()
    shift 2
    say "apply: $variant"
    switch DISABLE "$@"
    for node in "$@"; do
        PGOPTIONS="$PGOPTIONS -c synchronous_commit=off" at "$node" -c "CALL bench.fill($rows, $by)" &
        pids+=("$!")
    done
    for pid in "${pids[@]}"; do wait "$pid"; done
    for node in "$@"; do wait_until hub "count(*) = 0 FROM pg_stat_subscription
        WHERE subname = tw_fleet_subscription(${node#n}) AND pid IS NOT NULL"; done
    before hub "$@"
    start=$EPOCHREALTIME
    switch ENABLE "$@"
    catch_up "$@"
    taken=$(since "$start")
    after hub "$@"
    note apply "$variant" 'rows a second' "$(number "$# * $rows / $taken")"
    note apply "$variant" 'hub: µs of the apply workers a row' \
        "$(microseconds "$(spent logical_replication_worker hub)" "$# * $rows")"
    note apply "$variant" 'node: µs of the walsender a row' \
        "$(microseconds "$(spent walsender "$@")" "$# * $rows")"
    before hub
    start=$EPOCHREALTIME
    at hub -c 'CALL sweep_fleet(now())'
    swept=$(since "$start")
    after hub
    [[ $variant == *'no triggers'* ]] || {
        note apply "$variant" 'sweep, rows a second' "$(number "$# * $rows / $swept")"
        note apply "$variant" 'hub: µs of the sweep a row' "$(microseconds "$(spent all hub)" "$# * $rows")"
    }
}
apply() {
    drain 'single rows' 1 n1
    drain 'transactions of 10000' 10000 n2
    at hub -c 'CALL bench.switch_arrivals(false)'
    drain 'single rows, no triggers' 1 n2
    drain 'transactions of 10000, no triggers' 10000 n1
    at hub -c 'CALL bench.switch_arrivals(true)'
    drain 'single rows, two nodes' 1 n1 n2
}

report() { # STEP
    local columns
    columns=$(at hub -c "
        SELECT string_agg(format('max(value) FILTER (WHERE variant = %L) AS %I', variant, variant), ', '
                          ORDER BY variant)
        FROM (SELECT DISTINCT variant FROM bench.found WHERE step = '$1') v")
    echo
    PGPORT=${port[hub]} psql -X -q -P footer=off -c "SELECT what AS \"$1\", $columns FROM (
        SELECT what, variant,
               value || CASE WHEN low = high THEN '' ELSE format(' (%s to %s)', low, high) END AS value
        FROM (
            SELECT what, variant, round(value::numeric, 1) AS value, round(low::numeric, 1) AS low,
                   round(high::numeric, 1) AS high
            FROM bench.medians WHERE step = '$1') m) f
        GROUP BY what ORDER BY what"
}

rm -rf -- "$folder"
mkdir -p -- "$folder"
make_fleet
for step in publication throughput lag apply; do
    [[ $steps != *" $step "* ]] || "$step"
done
at hub -c 'SELECT count(*) FROM conversation_logs' >"$files/at_hub"
for node in "${nodes[@]}"; do at "$node" -c 'SELECT count(*) FROM conversation_logs'; done |
    awk '{n += $1} END {print n}' >"$files/at_nodes"
[[ $(<"$files/at_hub") == "$(<"$files/at_nodes")" ]] || {
    printf 'fleet.sh: %s conversations at the hub, %s on the nodes\n' "$(<"$files/at_hub")" "$(<"$files/at_nodes")" >&2
    exit 1
}

echo
printf 'Machine: %s cores%s\n' "$(nproc)" "$(sed 's/^\([^ ]* [^ ]* [^ ]*\).*/, load \1 at the end/' /proc/loadavg)"
at hub -c "SELECT format('Hub: %s conversations, %s bytes each with their indexes, %s more for each of %s samples',
        c.n, pg_total_relation_size('conversation_logs') / nullif(c.n, 0),
        pg_total_relation_size('training_samples') / s.n, s.n)
    FROM (SELECT count(*) AS n FROM conversation_logs) c, (SELECT greatest(count(*), 1) AS n FROM training_samples) s"
for step in publication throughput lag apply; do
    [[ $steps != *" $step "* ]] || report "$step"
done
