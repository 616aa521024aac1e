#!/usr/bin/env bash
# assert.sh BUILD_DIR - tests with a server that was built with assertions (--enable-cassert): unit, regression and
# isolation tests, the TAP tests on crashes, and ten minutes of capture by eight clients.
#
# SERVER=/path/to/pg_config names the server: no package and no wheel that we know of has assertions, so it is one's own
# build. SECONDS_OF_LOAD (600; SECONDS= of make) is the time of the load, PARTS="suite load" chooses, TESTS and TAP
# choose among the suite.
set -uo pipefail

here=$(cd -P -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
root=$(cd -P -- "$here/../.." && pwd)
mkdir -p -- "$1/assert" || exit 1
assert=$(cd -P -- "$1/assert" && pwd)
tree=$assert/tree
log=$assert/suite.log
tests=${TESTS:-unit regress isolation tap}
crashes=${TAP:-002_crash 009_built_in_trainer 015_export 018_rollout 019_daily_statistics 023_daily_and_weekly_job}
read -ra parts <<<"${PARTS:-suite load}"
failed=
closing=()
unset MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES PG_CONFIG PG_MAJOR ONLY TESTS TAP PAGES

[[ -n ${SERVER:-} ]] || { printf 'assert: skipped: SERVER names no server with assertions\n'; exit 0; }
pg_config=$(command -v "$SERVER") || { printf 'assert: there is no %s\n' "$SERVER" >&2; exit 1; }
rm -rf -- "$tree" && mkdir -p -- "$tree" &&
    tar -C "$root" --exclude=./build --exclude=./.git --exclude='*.o' --exclude='*.so' -cf - . |
    tar -C "$tree" -xf - || exit 1
make -C "$tree" private-install PG_CONFIG="$pg_config" >"$log" 2>&1 || { tail -n 20 "$log" >&2; exit 1; }

load() { # VARIABLE=VALUE...
    rm -rf -- "$assert/load"
    bash "$tree/test/tools/as-user.sh" -w "$assert/load" env "$@" \
        bash "$tree/test/sanitize/load.sh" "$tree/build" "$assert/load"
}
load ONLY_ASK=yes || exit 1
version=$("$pg_config" --version)

check_suite() {
    local count status traps
    printf '== suite: its output in %s\n' "$log"
    make -C "$tree" check PG_CONFIG="$pg_config" TESTS="$tests" TAP="$crashes" >>"$log" 2>&1 </dev/null
    status=$?
    # A client does not always say why its server went.
    traps=$(grep -rEl --include='*.log' '^TRAP: ' "$tree/build/check" | sort)
    if (( status != 0 )) || [[ -n $traps ]]; then
        failed=yes
        grep -E '^(not ok|test .*FAILED|broken: |make: )' "$log"
        # shellcheck disable=SC2086 # names without blanks
        [[ -z $traps ]] || grep -hE '^TRAP: ' $traps
    fi
    count=$(grep -xE '[0-9]+ passed, [0-9]+ failed, [0-9]+ skipped' "$log" | tail -n 1)
    closing+=("suite: ${count:-failed before the tests, status $status}, $(wc -w <<<"$traps") logs with assertions")
}
check_load() {
    printf '== load: its files in %s\n' "$assert/load"
    load SECONDS_OF_LOAD="${SECONDS_OF_LOAD:-600}" | tee "$assert/load.log" || failed=yes
    closing+=("load: $(tail -n 1 "$assert/load.log")")
}
for part in "${parts[@]}"; do
    case $part in
        suite | load) "check_$part" ;;
        *) printf 'assert: there is no part "%s"\n' "$part" >&2; exit 64 ;;
    esac
done
printf '%s\n' "$version with assertions" "${closing[@]}"
[[ -z $failed ]]
