#!/usr/bin/env bash
# check.sh BUILD_DIR PG_CONFIG - the extension inside a server: regression and isolation tests with address and
# undefined-behaviour sanitizers in both libraries, then the regression tests of its C code under valgrind's memcheck.
#
# KINDS="address memcheck" chooses among them, ONLY among the tests of "address", FILES among those of "memcheck";
# the latter starts no further file when MEMCHECK_SECONDS (1800) have passed. Each kind works on a copy of the tree
# below BUILD_DIR/sanitize.
set -uo pipefail

here=$(cd -P -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
root=$(cd -P -- "$here/../.." && pwd)
mkdir -p -- "$1/sanitize" || exit 1
sanitize=$(cd -P -- "$1/sanitize" && pwd)
pg_config=$(command -v "$2") || exit 1
only=${ONLY:-}
read -ra kinds <<<"${KINDS:-address memcheck}"
# hostile_arguments is left out: it calls every function some dozen times, which takes most of an hour here.
read -ra files <<<"${FILES:-filter promotion redact normalize near_twins training classify import_samples \
    export_samples import_conversations sequential_comparison gate rollout labelstudio}"
failed=
closing=()
unset MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES PG_CONFIG PG_MAJOR ONLY TESTS TAP PAGES
export PGCTLTIMEOUT=600

prepare() { # KIND FLAG...
    tree=$sanitize/$1 reports=$sanitize/$1-reports log=$sanitize/$1.log
    copt=${*:2}
    rm -rf -- "$tree" "$reports" && mkdir -p -- "$tree" &&
        tar -C "$root" --exclude=./build --exclude=./.git --exclude='*.o' --exclude='*.so' -cf - . |
        tar -C "$tree" -xf - &&
        make -C "$tree" private-install PG_CONFIG="$pg_config" COPT="$copt" >"$log" 2>&1 &&
        bash "$tree/test/tools/as-user.sh" -w "$reports" true && bash "$here/server.sh" "$1" "$tree" "$reports"
}
run() { # NAME=VALUE...
    make -C "$tree" check PG_CONFIG="$pg_config" COPT="$copt" "$@" 2>&1 </dev/null | tee "$tree/log" >>"$log"
    grep -xE '[0-9]+ passed, [0-9]+ failed, [0-9]+ skipped' "$tree/log" | tail -n 1
}
# Each process has a report of its own; memcheck opens one for each, and most stay empty.
found() { find "$reports" -type f -size +0; }
close() { # KIND COUNT
    local reported
    mapfile -t reported < <(found)
    if (( ${#reported[@]} )) || [[ $2 != *" 0 failed, "* ]]; then
        failed=yes
        grep -E '^(not ok|test .*FAILED|broken: |make: )' "$log"
        (( ! ${#reported[@]} )) || head -n 40 -- "${reported[@]:0:5}"
    fi
    closing+=("$1: ${2:-failed before the tests, see $log}, ${#reported[@]} reports")
}

check_address() {
    local count
    printf '== address: its output in %s\n' "$sanitize/address.log"
    printf 'int main(void) { return 0; }\n' >"$sanitize/probe.c"
    if ! "${CC:-gcc}" -fsanitize=address,undefined -o "$sanitize/probe" "$sanitize/probe.c" 2>/dev/null; then
        closing+=("address: skipped: ${CC:-gcc} cannot build with -fsanitize=address,undefined")
        return
    fi
    prepare address -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer ||
        { close address ''; return; }
    # A server without the libraries would not even load ours, and one that finds nothing has to be able to.
    nm -D "$tree/training_workflow.so" "$tree/training_workflow_remote.so" >"$sanitize/symbols"
    if (( $(grep -c ' __asan_init' "$sanitize/symbols") != 2 )); then
        close address ''
        return
    fi
    if [[ -n $only ]]; then count=$(run ONLY="$only"); else count=$(run TESTS="regress isolation"); fi
    close address "$count"
}

check_memcheck() {
    local end=$((SECONDS + ${MEMCHECK_SECONDS:-1800})) file count passed=0 failures=0 skipped=0
    printf '== memcheck: its output in %s\n' "$sanitize/memcheck.log"
    if ! command -v valgrind >/dev/null; then
        closing+=("memcheck: skipped: there is no valgrind")
        return
    fi
    prepare memcheck -g || { close memcheck ''; return; }
    for file in "${files[@]}"; do
        if (( SECONDS >= end )); then
            printf 'skipped - %s: the time is over\n' "$file"
            (( skipped += 1 ))
            continue
        fi
        # Of a name there can be an isolation test too.
        count=$(run TESTS=regress ONLY="$file")
        if [[ $count == [1-9]*" passed, 0 failed, "* ]]; then (( passed += 1 )); else (( failures += 1 )); fi
        printf '%s: %s after %d s\n' "$file" "${count:-failed before the test}" "$SECONDS"
    done
    close memcheck "$passed passed, $failures failed, $skipped skipped"
}

for kind in "${kinds[@]}"; do
    case $kind in
        address | memcheck) "check_$kind" ;;
        *) printf 'sanitize: there is no kind "%s"\n' "$kind" >&2; exit 64 ;;
    esac
done
printf '%s\n' "${closing[@]}"
[[ -z $failed ]]
