#!/usr/bin/env bash
# check.sh BUILD_DIR PG_CONFIG - real clients against a role of kind capture, each with its natural defaults.
#
# Each client has a folder NAME here with a script run.sh, which is called as an ordinary user with one argument:
#   install    puts the client, in the version that the folder pins, below $CLIENT_HOME, once (a stamp says what is
#              there); ends with 77 and one line on standard output where it cannot be had.
#   complete   runs the program that documentation shows: capture, response, feedback, many, in a transaction.
#   defaults   runs what a developer writes first; ends with 69 where a client has no defaults of its own.
# They find DATABASE_URL, PGHOST, PGPORT, PGUSER, PGPASSWORD, PGDATABASE (a role of kind capture, whose search_path has
# the extension's schema first), OPERATOR_URL (a role of kind operator), TW_SCHEMA (the extension's schema), TW_DATABASE
# (public: the extension is in schema public; own: in schema training; moved: in training, after Moving in, with the old
# table public.conversation_logs), TW_POOL (direct, transaction, session: how pgbouncer stands between), and a table
# public.orders (id, conversation, note) of the application's own.
# A program prints one line for each default that it tries, and nothing else that begins with a brace:
#   {"default": NAME, "session": TEXT, "rows": N, "id": ID or null, "error": TEXT or null, "sent": {COLUMN: VALUE}}
# rows is what the program believes to have stored in that session; sent, which may be missing, what must stand in the
# columns of its newest row; error is what the client shows a developer, with SQLSTATE, detail and hint if it has them.
# A default on one of the two relations is called "conversation_capture: NAME" or "conversation_logs: NAME".
# The file NAME/refused.tsv lists what must not succeed: default, rows stored all the same, what the error says (a
# regular expression), and, where that holds in some databases or pools only, their names. All else must be stored.
#
# verdict.pl looks as a superuser at what is stored. Output lies in BUILD_DIR/clients; results.tsv there has every line,
# and table.pl makes the table of doc/reference-clients.md from it.
# CLIENTS="pg prisma" chooses clients; WHERE="own/direct moved/direct" chooses among the databases and pools.
# Closes with "N passed, N failed, N skipped".
set -uo pipefail

here=$(cd -P -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
build=$(cd -P -- "$1" && pwd)
home=$build/clients
if (( EUID == 0 )); then
    # Clients must not find what only root has, such as a PATH below root's home.
    exec bash "$here/../tools/as-user.sh" -w "$home" \
        env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin bash "$here/check.sh" "$build" "$2"
fi
mkdir -p -- "$home"
bin=$build/pg/bin
cluster=$home/cluster
results=$home/results.tsv
passed=0 failed=0 skipped=0

clients=("$here"/*/run.sh)
clients=("${clients[@]%/run.sh}")
clients=("${clients[@]##*/}")
[[ -z ${CLIENTS:-} ]] || read -ra clients <<<"$CLIENTS"
places=(own/direct public/direct moved/direct own/transaction own/session)
[[ -z ${WHERE:-} ]] || read -ra places <<<"$WHERE"

for variable in "${!PG@}"; do unset "$variable"; done
free_port() {
    perl -MIO::Socket::INET -e 'print IO::Socket::INET->new(Listen => 1, LocalAddr => "127.0.0.1")->sockport'
}
password=$(perl -e 'print map { sprintf "%04x", rand 65536 } 1 .. 8')
export TW_CLUSTER=$cluster

# shellcheck source=test/clients/cluster.sh
source "$here/cluster.sh"

# Jobs have process groups of their own, so that an interruption ends all of what runs, and then the servers.
set -m
job=
run_job() {
    "$@" </dev/null &
    job=$!
    wait "$job"
    local status=$?
    job=
    return "$status"
}
finish() {
    local mode
    trap '' INT TERM HUP
    if [[ -n $job ]]; then
        kill -TERM -- "-$job" 2>/dev/null
        wait "$job" 2>/dev/null
    fi
    for mode in transaction session; do stop_pool "$mode"; done
    stop_cluster
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

tell() { # not-ok-or-ok TEXT
    if [[ $1 == ok ]]; then (( passed += 1 )); else (( failed += 1 )); fi
    printf '%s - %s\n' "$1" "$2"
}
skip() {
    (( skipped += 1 ))
    printf 'skipped - %s\n' "$1"
    printf '%s\t%s\t%s\tskipped\t\t%s\n' "$2" "$3" all "$1" >>"$results"
}

# The environment of a program; all that it prints goes to a file.
run_program() { # CLIENT ACTION DATABASE POOL OUTPUT
    local address=$port
    [[ $4 == direct ]] || address=${pool_port[$4]}
    local -x CLIENT_HOME=$home/$1 TW_DATABASE=$3 TW_POOL=$4 TW_SCHEMA=training
    [[ $3 != public ]] || TW_SCHEMA=public
    local -x PGHOST=127.0.0.1 PGPORT=$address PGUSER=chatbot PGPASSWORD=$password PGDATABASE=$3
    local -x DATABASE_URL=postgresql://chatbot:$password@127.0.0.1:$address/$3
    local -x OPERATOR_URL=postgresql://shop_operator:$password@127.0.0.1:$address/$3
    timeout --foreground 300 nice bash "$here/$1/run.sh" "$2" >"$5" 2>"$5.err"
}

try_program() { # CLIENT ACTION DATABASE POOL
    local output=$home/run/$1.$2.$3.$4 status counts
    remember "$3"
    run_job run_program "$@" "$output"
    status=$?
    (( status != 69 )) || return 0
    if (( status == 77 )); then
        skip "$1 $2, $3 $4: $(tail -n 1 "$output")" "$1" "$3/$4"
        return
    fi
    if (( status != 0 )); then
        tell 'not ok' "$1 $2, $3 $4: the program ends with status $status"
        tail -n 12 "$output.err" | sed 's/^/# /'
    fi
    perl "$here/verdict.pl" "$here" "$1" "$2" "$3" "$4" "$output" "$results" "$output.verdict" || status=$?
    cat "$output.verdict"
    counts=$(grep -c '^ok ' "$output.verdict")
    (( passed += counts ))
    counts=$(grep -c '^not ok ' "$output.verdict")
    (( failed += counts ))
    (( status == 0 || counts > 0 )) || tell 'not ok' "$1 $2, $3 $4: status $status"
}

mkdir -p -- "$home/run"
rm -f -- "$home/run"/*
: >"$results"
start_cluster || exit 1
for database in public own moved; do
    make_database "$database" && continue
    tail -n 5 "$home/run/psql.log" | sed 's/^/# /'
    tell 'not ok' "the database $database"
    exit 1
done
pools=()
for place in "${places[@]}"; do
    mode=${place#*/}
    [[ $mode == direct || " ${pools[*]} " == *" $mode "* ]] || pools+=("$mode")
done
declare -A pool_port no_pool
for mode in "${pools[@]}"; do
    start_pool "$mode"
    status=$?
    if (( status == 77 )); then
        no_pool[$mode]=$(tail -n 1 "$home/run/pool.$mode.log")
    elif (( status != 0 )); then
        tail -n 5 "$home/run/pool.$mode.log" | sed 's/^/# /'
        tell 'not ok' "pgbouncer in $mode mode"
        exit 1
    fi
done

for client in "${clients[@]}"; do
    [[ -f $here/$client/run.sh ]] || { tell 'not ok' "there is no client $client"; continue; }
    mkdir -p -- "$home/$client"
    CLIENT_HOME=$home/$client run_job timeout --foreground 1800 nice bash "$here/$client/run.sh" install \
        >"$home/run/$client.install" 2>&1
    status=$?
    if (( status == 77 )); then
        skip "$client: $(tail -n 1 "$home/run/$client.install")" "$client" -
        continue
    elif (( status != 0 )); then
        tail -n 20 "$home/run/$client.install" | sed 's/^/# /'
        tell 'not ok' "$client cannot be installed, see $home/run/$client.install"
        continue
    fi
    for place in "${places[@]}"; do
        if [[ -n ${no_pool[${place#*/}]:-} ]]; then
            skip "$client, $place: ${no_pool[${place#*/}]}" "$client" "$place"
            continue
        fi
        for action in complete defaults; do
            try_program "$client" "$action" "${place%/*}" "${place#*/}"
        done
    done
done

# With a part of the clients there is only a part of the table.
if [[ -z ${CLIENTS:-}${WHERE:-} ]]; then
    page=doc/reference-clients.md
    if perl "$here/table.pl" "$results" "$here/../../$page" >"$home/run/table" 2>&1; then
        tell ok "$page has this table"
    else
        tail -n 20 "$home/run/table" | sed 's/^/# /'
        tell 'not ok' "$page has another table: perl test/clients/table.pl --write $results $page"
    fi
fi
printf '%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
(( failed == 0 && passed > 0 ))
