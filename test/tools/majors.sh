#!/usr/bin/env bash
# majors.sh BUILD_DIR - "make check" with other major versions of PostgreSQL, each on a copy of the tree below
# BUILD_DIR/majors, and a closing line for each.
#
# SERVERS="16-wheel 17-trixie" chooses among them; ONLY, TESTS, TAP and PAGES choose tests, as in "make check".
# A Debian gets both commands of the README, with nothing installed but git and make.
set -uo pipefail

here=$(cd -P -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
root=$(cd -P -- "$here/../.." && pwd)
mkdir -p -- "$1/majors" || exit 1
majors=$(cd -P -- "$1/majors" && pwd)
read -ra servers <<<"${SERVERS:-16-wheel 17-trixie 18-wheel 18-sid}"
closing=()
failed=

chosen=()
for variable in ONLY TESTS TAP PAGES; do
    [[ -z ${!variable:-} ]] || chosen+=("$variable=${!variable}")
done
# What the calling make was told is not for the copies.
unset MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES PG_CONFIG PG_MAJOR

copy_tree() { # DIR
    rm -rf -- "$1" && mkdir -p -- "$1" &&
        tar -C "$root" --exclude=./build --exclude=./.git --exclude='*.o' --exclude='*.so' -cf - . | tar -C "$1" -xf -
}

# Both print a reason and end with 77 where there is no such server; everything else goes to the log.
check_wheel() { # MAJOR LOG
    local pg_config tree=$majors/$1-wheel/tree
    pg_config=$(bash "$here/wheel.sh" "$majors" "$1") || { echo "$pg_config"; return 77; }
    copy_tree "$tree" || return
    LD_LIBRARY_PATH=$(echo "$majors/$1-wheel"/*.libs) WHEELS=$majors \
        make -C "$tree" check COPT=-Werror PG_CONFIG="$pg_config" "${chosen[@]}" >"$2" 2>&1 </dev/null
}
check_debian() { # SUITE DIR LOG
    local tree=/srv/training_workflow why
    why=$(bash "$here/chroot.sh" make "$1" "$2") || { echo "$why"; return 77; }
    copy_tree "$2$tree" || return
    bash "$here/chroot.sh" run "$2" sh -c 'cd "$1" && shift && make demo && make demo-stop && make check "$@"' \
        sh "$tree" COPT=-Werror "${chosen[@]}" >"$3" 2>&1 </dev/null
}

for server in "${servers[@]}"; do
    log=$majors/$server.log
    printf '== %s: make check, its output in %s\n' "$server" "$log"
    rm -f -- "$log"
    case $server in
        16-wheel | 18-wheel) why=$(check_wheel "${server%-*}" "$log") ;;
        17-trixie | 18-sid) why=$(check_debian "${server#*-}" "$majors/$server" "$log") ;;
        *) printf 'majors: there is no server "%s"\n' "$server" >&2; exit 64 ;;
    esac
    status=$?
    if (( status == 77 )); then
        closing+=("$server: skipped: ${why##*$'\n'}")
        continue
    fi
    if (( status != 0 )); then
        failed=yes
        grep -E '^(not ok|test .*FAILED|broken: |make: |# )' "$log" | tail -n 100
    fi
    count=$(grep -xE '[0-9]+ passed, [0-9]+ failed, [0-9]+ skipped' "$log" | tail -n 1)
    closing+=("$server: ${count:-failed before the tests, status $status}")
done
printf '%s\n' "${closing[@]}"
[[ -z $failed ]]
