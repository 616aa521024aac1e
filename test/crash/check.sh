#!/usr/bin/env bash
# check.sh BUILD_DIR PG_CONFIG - what `make check-crash` runs: kill -9, full disks, prepared transactions, a standby
# that is promoted, time-outs, a fleet; closes with "N passed, N failed, N skipped".
#
# KILLS=1000 is how often 001_kills.pl kills, FLEET_KILLS=50 how often 007_fleet.pl does. CRASH="002_disk_full ..."
# chooses among the files of t/. Test output lies in BUILD_DIR/crash, the whole run in BUILD_DIR/check-crash.log.
set -uo pipefail

build=$(cd -P -- "$1" && pwd)
pg_config=$2
here=$(cd -P -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
root=$(cd -P -- "$here/../.." && pwd)
crash=$build/crash
log=$build/check-crash.log

# The Makefile alone knows it.
pgxs_test=''
eval "$(make --no-print-directory -s -C "$root" test-names PG_CONFIG="$pg_config")" || exit 1

# A disk that can be full: only root can mount one. Where that is refused, the test says that it is skipped.
small=$crash/small
unmount() {
    ! mountpoint -q "$small" || umount "$small"
}
mount_small() {
    mkdir -p -- "$small"
    if (( EUID != 0 )); then
        small_refused='only root can mount a small disk'
    elif ! small_refused=$(mount -t tmpfs -o size=96m,mode=0755 training_workflow_small "$small" 2>&1); then
        small_refused="a small disk cannot be mounted: ${small_refused//$'\n'/ }"
    fi
}

# The tests have a process group of their own, so that an interruption ends them before the disk goes.
set -m
job=
finish() {
    trap '' INT TERM HUP
    if [[ -n $job ]]; then
        kill -TERM -- "-$job" 2>/dev/null
        wait "$job" 2>/dev/null
    fi
    unmount
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

prove_them() { # FILE...
    local folders=(-w "$crash")
    [[ -n $small_refused ]] || folders+=(-w "$small")
    bash "$root/test/tools/as-user.sh" "${folders[@]}" env PATH="$build/pg/bin:$PATH" \
        PERL5LIB="$here/t:$root/test/t:$pgxs_test/perl${PERL5LIB:+:$PERL5LIB}" \
        PG_REGRESS="$pgxs_test/regress/pg_regress" KILLS="${KILLS:-1000}" \
        ERASURE_KILLS="${ERASURE_KILLS:-200}" FLEET_KILLS="${FLEET_KILLS:-50}" \
        SMALL_DISK="$small" SMALL_DISK_REFUSED="$small_refused" \
        TESTDIR="$crash" TESTDATADIR="$crash/data" TESTLOGDIR="$crash/log" PG_TEST_PORT_DIR="$crash/ports" \
        prove --verbose --timer "$@" 2>&1 | tee "$log"
    return "${PIPESTATUS[0]}"
}

files=("$here"/t/*.pl)
if [[ -n ${CRASH:-} ]]; then
    read -ra files <<<"$CRASH"
    files=("${files[@]/#/$here/t/}")
    files=("${files[@]/%/.pl}")
fi
unmount
rm -rf -- "${crash:?}"
mount_small
prove_them "${files[@]}" </dev/null &
job=$!
wait "$job"
status=$?
job=

# Of a file that is left out as a whole, prove shows no line of the test itself.
skipped=$(grep -cE '^ok [0-9].*# (skip|SKIP)|\.pl \.+ skipped: ' "$log")
passed=$(($(grep -cE '^ok [0-9]' "$log") - $(grep -cE '^ok [0-9].*# (skip|SKIP)' "$log")))
failed=$(grep -cE '^not ok ' "$log")
# What dies before it can count must not look like what passed.
if (( status != 0 && failed == 0 )); then
    printf 'broken: prove ended with status %d\n' "$status"
    (( failed += 1 ))
fi
printf '%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
(( failed == 0 && passed > 0 ))
