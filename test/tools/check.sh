#!/usr/bin/env bash
# check.sh BUILD_DIR PG_CONFIG - runs every test that needs no other server,
# and closes with "N passed, N failed, N skipped".
#
# Test output lies in BUILD_DIR/check. ONLY="filter policy_conflict 013_labelstudio_sync lint" chooses tests of any
# kind, and whole kinds, by name; TESTS="lint unit regress isolation tap" kinds alone, and TAP="001_dump_restore …"
# among the TAP tests. JOBS=1 runs one test after the other.
set -uo pipefail

build=$(cd -P -- "$1" && pwd)
pg_config=$2
here=$(cd -P -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
root=$(cd -P -- "$here/../.." && pwd)
check=$build/check
as_user=(bash "$here/as-user.sh")

# The Makefile alone knows these.
regress='' isolation='' major='' pgxs_test=''
eval "$(make --no-print-directory -s -C "$root" test-names PG_CONFIG="$pg_config")" || exit 1

read -ra regress_tests <<<"$regress"
read -ra isolation_tests <<<"$isolation"
tap_tests=("$root"/test/t/*.pl)
tap_tests=("${tap_tests[@]##*/}")
tap_tests=("${tap_tests[@]%.pl}")
kinds=(lint unit regress isolation tap)

# A name may be one of several kinds, then all of them are meant: there
# is a daily_statistics in SQL and one of two sessions.
choose() { # NAME...
    local name kind known chosen=()
    declare -A is_wanted
    known=" ${kinds[*]} ${regress_tests[*]} ${isolation_tests[*]} ${tap_tests[*]} "
    for name; do
        if [[ $known != *" $name "* ]]; then
            printf 'check: there is no test "%s". These are there:\n' "$name"
            printf '  %s: %s\n' kinds "${kinds[*]}" regress "${regress_tests[*]}" \
                isolation "${isolation_tests[*]}" tap "${tap_tests[*]}"
            exit 1
        fi >&2
        is_wanted[$name]=yes
    done
    for kind in "${kinds[@]}"; do
        if [[ -z ${is_wanted[$kind]:-} && $kind != lint && $kind != unit ]]; then
            declare -n tests=${kind}_tests
            local all=("${tests[@]}")
            tests=()
            for name in "${all[@]}"; do [[ -z ${is_wanted[$name]:-} ]] || tests+=("$name"); done
            (( ${#tests[@]} == 0 )) || is_wanted[$kind]=yes
        fi
        [[ -z ${is_wanted[$kind]:-} ]] || chosen+=("$kind")
    done
    kinds=("${chosen[@]}")
}
read -ra only <<<"${ONLY:-}"
if (( ${#only[@]} )); then
    choose "${only[@]}"
else
    [[ -z ${TESTS:-} ]] || read -ra kinds <<<"$TESTS"
    [[ -z ${TAP:-} ]] || read -ra tap_tests <<<"$TAP"
fi

# The kinds of one part of a check, where a check runs parts beside each other.
if [[ -n ${PART:-} ]]; then
    all=("${kinds[@]}")
    kinds=()
    for kind in "${all[@]}"; do [[ " $PART " != *" $kind "* ]] || kinds+=("$kind"); done
fi

passed=0 failed=0 skipped=0
# A part that dies before it can count must not look like one that passed.
broken=()

expected_dir() { # pg_regress of 15 has no such option
    [[ $major == 15 ]] || printf -- '--expecteddir=%s' "$1"
}

# Both pg_regress and pg_isolation_regress print "test NAME ... ok 12 ms", from 16 on "ok 1 - NAME 12 ms".
run_regress() { # KIND PROGRAM INPUT_DIR TEST...
    local kind=$1 program=$2 input=$3 log=$build/check-$1.log option ok bad
    shift 3
    option=$(expected_dir "$input")
    printf '== %s\n' "$kind"
    rm -rf -- "${check:?}/$kind"
    "${as_user[@]}" -w "$check/$kind" "$program" --bindir="$build/pg/bin" --temp-instance="$check/$kind/instance" \
        --inputdir="$input" ${option:+"$option"} --outputdir="$check/$kind" \
        --no-locale --encoding=UTF8 "$@" 2>&1 | tee "$log"
    ok=$(grep -cE '^(test .*\.\.\. ok|ok [0-9])' "$log")
    bad=$(grep -cE '^(test .*\.\.\. FAILED|not ok [0-9])' "$log")
    (( passed += ok, failed += bad ))
    (( ok + bad == $# )) || broken+=("$kind: $((ok + bad)) of $# tests reported")
    (( bad == 0 )) || cat "$check/$kind/regression.diffs"
}

# PostgreSQL's modules for TAP tests. A server without them takes those of the newest other one: they serve any server.
perl_modules() {
    local folder
    for folder in "$pgxs_test/perl" $(printf '%s\n' /usr/lib/postgresql/*/lib/pgxs/src/test/perl | sort -rV); do
        [[ ! -f $folder/PostgreSQL/Test/Cluster.pm ]] || { printf '%s' "$folder"; return; }
    done
}

run_tap() { # FILE...
    local log=$build/check-tap.log status ok bad skip modules
    printf '== tap\n'
    modules=$(perl_modules)
    if [[ -z $modules ]]; then
        printf "skipped - %d TAP tests: PostgreSQL's Perl modules for tests are not here\n" $#
        (( skipped += $# ))
        return
    fi
    rm -rf -- "${check:?}/tap"
    # PG_CONFIG: that of the private tree, which comes first in PATH, knows of no header files.
    "${as_user[@]}" -w "$check/tap" env PATH="$build/pg/bin:$PATH" PG_CONFIG="$(command -v "$pg_config")" \
        PERL5LIB="$root/test/t:$modules${PERL5LIB:+:$PERL5LIB}" \
        PG_REGRESS="$pgxs_test/regress/pg_regress" TESTDIR="$check/tap" TESTDATADIR="$check/tap/data" \
        TESTLOGDIR="$check/tap/log" PG_TEST_PORT_DIR="$check/tap/ports" \
        bash "$here/tap.sh" "$check/tap" "$@" 2>&1 | tee "$log"
    status=${PIPESTATUS[0]}
    # Of a file that is left out as a whole, prove shows no line of the test itself.
    skip=$(grep -cE '^ok .*# (skip|SKIP)|^[^ ]+\.pl \.+ skipped: ' "$log")
    ok=$(($(grep -cE '^ok ' "$log") - $(grep -cE '^ok .*# (skip|SKIP)' "$log")))
    bad=$(grep -cE '^not ok ' "$log")
    (( passed += ok, failed += bad, skipped += skip ))
    (( status == 0 )) || broken+=("tap: ended with status $status")
}

run_lint() {
    local log=$build/check-lint.log
    printf '== lint\n'
    PG_CONFIG=$pg_config bash "$here/lint.sh" "$root" | tee "$log"
    (( passed += $(grep -c '^ok ' "$log"), failed += $(grep -c '^not ok ' "$log") ))
    (( skipped += $(grep -c '^skipped ' "$log") ))
    grep -q '^ok ' "$log" || broken+=("lint: nothing was looked at")
}

run_unit() {
    local log=$build/check-unit.log
    printf '== unit\n'
    bash "$root/test/unit/run.sh" "$build" "$pg_config" | tee "$log"
    (( passed += $(grep -c '^ok ' "$log"), failed += $(grep -c '^not ok ' "$log") ))
    (( skipped += $(grep -c '^skipped ' "$log") ))
    grep -qE '^(ok|not ok|skipped) ' "$log" || broken+=("unit: nothing was tested")
}

# Runs two parts at once, and prints the output of each as one piece. Each uses one core, and regression tests take
# about as long as the other kinds but TAP, of which files run beside each other.
run_parts() { # PART...
    local outputs=$check/parts part
    rm -rf -- "${outputs:?}"
    mkdir -p -- "$outputs"
    # shellcheck disable=SC2016 # the inner shell expands these
    printf '%s\0' "$@" | xargs -0 -P 2 -n 1 bash -c '
        PART=$4 bash "$0" "$1" "$2" >"$3/$4" 2>&1
        flock "$3" sed -E "\${/^[0-9]+ passed, /d}" "$3/$4"' "$here/check.sh" "$build" "$pg_config" "$outputs"
    for part; do
        if [[ $(tail -n 1 "$outputs/$part") =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed,\ ([0-9]+)\ skipped$ ]]; then
            (( passed += BASH_REMATCH[1], failed += BASH_REMATCH[2], skipped += BASH_REMATCH[3] ))
        else
            broken+=("$part: did not end with a count")
        fi
    done
}
others=()
for kind in "${kinds[@]}"; do [[ $kind == regress || $kind == tap ]] || others+=("$kind"); done
if [[ -z ${PART:-} && ${JOBS:-3} != 1 && " ${kinds[*]} " == *" regress "* ]] && (( ${#others[@]} )); then
    run_parts regress "${others[*]}"
    [[ " ${kinds[*]} " == *" tap "* ]] && kinds=(tap) || kinds=()
fi

for part in "${kinds[@]}"; do
    case $part in
        lint) run_lint ;;
        unit) run_unit ;;
        regress) run_regress regress "$pgxs_test/regress/pg_regress" "$root" "${regress_tests[@]}" ;;
        isolation)
            run_regress isolation "$pgxs_test/isolation/pg_isolation_regress" "$root/test" "${isolation_tests[@]}" ;;
        tap)
            files=("${tap_tests[@]/#/$root/test/t/}")
            files=("${files[@]/%/.pl}")
            run_tap "${files[@]}"
            ;;
        *) broken+=("there is no part \"$part\"") ;;
    esac
done

for what in "${broken[@]}"; do
    printf 'broken: %s\n' "$what"
    (( failed += 1 ))
done
printf '%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
(( failed == 0 && passed > 0 ))
