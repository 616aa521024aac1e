#!/usr/bin/env bash
# chroot.sh make SUITE DIR - makes a Debian of that suite in DIR, unless it is there, with nothing but git and make;
# chroot.sh run DIR COMMAND... - runs COMMAND in it, as root.
#
# For root. Where it cannot be done, prints why and ends with status 77.
set -euo pipefail

skip() { printf '%s\n' "$*"; exit 77; }

(( EUID == 0 )) || skip "only root can make a Debian of its own"
# Mounts and processes of a namespace end with its first process, however that one ends: nothing is left to clean up.
apart=(unshare --mount --pid --fork --kill-child)
"${apart[@]}" true 2>/dev/null || skip "this machine gives root no namespaces for mounts and processes"

make_debian() { # SUITE DIR
    local suite=$1 dir=$2 log=$2.log
    [[ ! -d $dir ]] || return 0
    command -v debootstrap >/dev/null || skip "there is no debootstrap"
    rm -rf -- "$dir.new"
    "${apart[@]}" debootstrap --variant=minbase --include=ca-certificates,git,make "$suite" "$dir.new" >"$log" 2>&1 ||
        skip "debootstrap could not make a Debian $suite: $(grep . "$log" | tail -n 1)"
    # Packages of servers start none here.
    printf '#!/bin/sh\nexit 101\n' >"$dir.new/usr/sbin/policy-rc.d"
    chmod 755 "$dir.new/usr/sbin/policy-rc.d"
    mv -- "$dir.new" "$dir"
}

# The namespace's first process stays a shell, for that buries processes whose parents have died.
run() { # DIR COMMAND...
    local path=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
    # shellcheck disable=SC2016 # the inner shell expands these
    "${apart[@]}" sh -c 'dir=$1 && shift && mount -t proc proc "$dir/proc" && mkdir -p "$dir/dev/shm" &&
        mount -t tmpfs -o mode=1777 tmpfs "$dir/dev/shm" && chroot "$dir" "$@"; exit $?' \
        sh "$1" env -i PATH="$path" HOME=/root "${@:2}"
}

case ${1:-} in
    make) make_debian "$2" "$3" ;;
    run) run "${@:2}" ;;
    *) printf 'usage: chroot.sh make SUITE DIR | run DIR COMMAND...\n' >&2; exit 64 ;;
esac
