#!/usr/bin/env bash
# check.sh BUILD_DIR PG_CONFIG - tests with the real servers of others; closes with "N passed, N failed, N skipped".
#
# Each of those servers has a script NAME.sh here that can "install", "start" and "stop" it. It ends with 77 when the
# server cannot be had for want of a network, and leaves what clients need to know, variables NAME_..., in the file
# BUILD_DIR/real/run/NAME/env. Test output lies in BUILD_DIR/real/run. REAL="001_server ..." chooses among the tests.
set -uo pipefail

servers=(label_studio minio formats prometheus browser validators)

build=$(cd -P -- "$1" && pwd)
pg_config=$2
here=$(cd -P -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
root=$(cd -P -- "$here/../.." && pwd)
tap=$build/real/run/tap
log=$build/check-real.log

# The Makefile alone knows it.
pgxs_test=''
eval "$(make --no-print-directory -s -C "$root" test-names PG_CONFIG="$pg_config")" || exit 1

passed=0 failed=0 skipped=0
# A part that dies before it can count must not look like one that passed.
broken=()
# Servers that cannot be had on this machine now.
missing=()

# Jobs have process groups of their own, so that an interruption ends all of what runs, at once, and then the servers.
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
    local server
    trap '' INT TERM HUP
    if [[ -n $job ]]; then
        kill -TERM -- "-$job" 2>/dev/null
        wait "$job" 2>/dev/null
    fi
    for server in "${servers[@]}"; do
        bash "$here/$server.sh" stop "$build"
    done
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

provide() { # SERVER
    local status line variable file=$build/real/run/$1/env
    # The caller's own server is not for tests.
    for variable in $(compgen -e "${1^^}_"); do unset "$variable"; done
    run_job bash "$here/$1.sh" install "$build"
    status=$?
    if (( status == 77 )); then
        missing+=("$1")
        return
    fi
    if (( status != 0 )) || ! run_job bash "$here/$1.sh" start "$build"; then
        broken+=("$1: the server cannot be used")
        return
    fi
    # In the environment, not among the arguments, which everybody may read.
    while IFS= read -r line; do export "${line?}"; done <"$file" || broken+=("$1: there is no $file")
}

prove_them() { # FILE...
    bash "$root/test/tools/as-user.sh" -w "$tap" env PATH="$build/pg/bin:$PATH" \
        PERL5LIB="$here/t:$root/test/t:$pgxs_test/perl${PERL5LIB:+:$PERL5LIB}" \
        PG_REGRESS="$pgxs_test/regress/pg_regress" \
        TESTDIR="$tap" TESTDATADIR="$tap/data" TESTLOGDIR="$tap/log" PG_TEST_PORT_DIR="$tap/ports" \
        prove --verbose "$@" 2>&1 | tee "$log"
    return "${PIPESTATUS[0]}"
}

run_tap() { # FILE...
    local status ok bad skip whole file
    rm -rf -- "${tap:?}"
    run_job prove_them "$@"
    status=$?
    # Of a file that is left out as a whole, prove shows no line of the test itself.
    whole=$(grep -cE '^[^ ]+\.pl \.+ skipped: ' "$log")
    skip=$((whole + $(grep -cE '^ok .*# (skip|SKIP)' "$log")))
    ok=$(($(grep -cE '^ok ' "$log") - $(grep -cE '^ok .*# (skip|SKIP)' "$log")))
    bad=$(grep -cE '^not ok ' "$log")
    (( passed += ok, failed += bad, skipped += skip ))
    (( status == 0 || bad > 0 )) || broken+=("tap: prove ended with status $status")
    # With all servers there is no reason to leave out a whole file.
    (( whole == 0 || ${#missing[@]} + ${#broken[@]} > 0 )) ||
        broken+=("tap: $whole files skipped, though all servers run")
    for file in "$@"; do
        grep -qF -- "$file .." "$log" || broken+=("tap: $file never ran")
    done
}

files=("$here"/t/*.pl)
if [[ -n ${REAL:-} ]]; then
    read -ra files <<<"$REAL"
    files=("${files[@]/#/$here/t/}")
    files=("${files[@]/%/.pl}")
fi
for server in "${servers[@]}"; do
    provide "$server"
done
run_tap "${files[@]}"

for what in "${broken[@]}"; do
    printf 'broken: %s\n' "$what"
    (( failed += 1 ))
done
printf '%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
# Where a server cannot be had, all may be skipped.
(( failed == 0 && passed + skipped > 0 ))
