#!/usr/bin/env bash
# fuzz.sh BUILD_DIR - the fuzzers of test/fuzz, two at a time, and sqlsmith where there is one; closes with
# "N passed, N failed, N skipped".
#
# MINUTES (10) is for each, SEED repeats a run, SEED and BATCH one batch, and PARTS chooses:
# "sqlsmith_superuser sqlsmith_operator sqlsmith_capture imports artifacts replies exports". JOBS (2) run side by side.
# Output lies in BUILD_DIR/fuzz: PART.log, and in PART/tmp_check/log the server's log and the statements that found
# something.
set -uo pipefail

build=$(cd -P -- "$1" && pwd)
here=$(cd -P -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
root=$(cd -P -- "$here/../.." && pwd)
fuzz=$build/fuzz
all="sqlsmith_superuser sqlsmith_operator sqlsmith_capture imports artifacts replies exports"
read -ra parts <<<"${PARTS:-$all}"
jobs=${JOBS:-2}

for part in "${parts[@]}"; do
    [[ " $all " == *" $part "* ]] || { printf 'fuzz: there is no "%s" among: %s\n' "$part" "$all" >&2; exit 64; }
done
modules=$(ls -d "$(dirname -- "$("$build/pg/bin/pg_config" --pgxs)")"/../test/perl \
    /usr/lib/postgresql/*/lib/pgxs/src/test/perl 2>/dev/null | head -n 1)

run_part() { # PART
    local script=$1 arguments=() out=$fuzz/$1
    [[ $1 != sqlsmith_* ]] || { script=sqlsmith; arguments=("${1#*_}"); }
    rm -rf -- "$out"
    bash "$here/as-user.sh" -w "$out" env PATH="$build/pg/bin:$PATH" PERL5LIB="$root/test/t:$modules" \
        PG_REGRESS="$modules/../regress/pg_regress" TESTDIR="$out" TESTDATADIR="$out/data" TESTLOGDIR="$out/log" \
        PG_TEST_PORT_DIR="$build/fuzz-ports" ${SEED:+SEED="$SEED"} ${BATCH:+BATCH="$BATCH"} \
        MINUTES="${MINUTES:-10}" perl "$root/test/fuzz/$script.pl" "${arguments[@]}" >"$fuzz/$1.log" 2>&1 </dev/null
    printf 'status %d\n' $? >>"$fuzz/$1.log"
}

mkdir -p -- "$fuzz"
bash "$here/as-user.sh" -w "$build/fuzz-ports" true || exit 1
for part in "${parts[@]}"; do
    while (( $(jobs -pr | wc -l) >= jobs )); do wait -n; done
    printf '== %s: %s minutes, its output in %s\n' "$part" "${MINUTES:-10}" "$fuzz/$part.log"
    run_part "$part" &
done
wait

passed=0 failed=0 skipped=0 statements=0
for part in "${parts[@]}"; do
    log=$fuzz/$part.log
    bad=$(grep -c '^not ok ' "$log")
    if grep -q '^1\.\.0 # SKIP' "$log"; then
        printf '%s: skipped: %s\n' "$part" "$(sed -n 's/^1\.\.0 # SKIP //p' "$log")"
        (( skipped += 1 ))
        continue
    fi
    # A part that dies before its end has no line of this kind.
    said=$(sed -n 's/^# fuzzed: //p' "$log")
    if [[ -z $said ]] || ! grep -qE '^1\.\.[1-9]' "$log"; then
        (( bad += 1 ))
        said="$part: broken, see $fuzz/$part/tmp_check/log"
        tail -n 30 "$fuzz/$part"/tmp_check/log/regress_log_*
    fi
    (( bad == 0 )) || grep -vE '^ok |^# (fuzzed|Checking|initializing|Running|psql)' "$log" | head -n 100
    printf '%s\n' "$said"
    (( passed += $(grep -c '^ok ' "$log"), failed += bad ))
    (( statements += $(printf '%s\n' "$said" | sed -nE 's/.*, ([0-9]+) statements,.*/\1/p' | head -n 1) + 0 ))
done
printf '%d statements\n%d passed, %d failed, %d skipped\n' "$statements" "$passed" "$failed" "$skipped"
(( failed == 0 && passed > 0 ))
