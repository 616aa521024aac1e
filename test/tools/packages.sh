#!/usr/bin/env bash
# packages.sh [PACKAGE...] - installs the Debian packages that building and testing need, and these (MAJOR in a name
# stands for the major version of PostgreSQL; those written maybe:NAME only if apt-get knows them); does nothing when
# they are all there.
#
# PG_MAJOR chooses the major version of PostgreSQL; without it the newest one installed, or else the distribution's.
set -euo pipefail

say() { printf 'packages: %s\n' "$*"; }
die() { printf 'packages: %s\n' "$*" >&2; exit 1; }

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    say "no apt-get here: gcc, make, perl with IPC::Run, PostgreSQL with its development files" \
        "and pg_cron have to be there" >&2
    exit 0
fi

# Asked once: every start of dpkg-query reads its whole database.
installed=$(dpkg-query -W -f='${db:Status-Status} ${Package}\n' | sed -n 's/^installed //p')
# libcurl's development files come in three flavours that exclude each other; each will do.
is_installed() {
    [[ $1 == libcurl4-openssl-dev ]] && grep -qE '^libcurl4-(openssl|gnutls|nss)-dev$' <<<"$installed" && return
    grep -qxF -- "$1" <<<"$installed"
}

newest_installed() { # PREFIX: the highest N of the installed packages PREFIX-N
    sed -n "s/^$1-\([0-9][0-9]*\)\$/\1/p" <<<"$installed" | sort -n | tail -n 1
}
# apt-cache translates its words.
distribution_major() {
    LC_ALL=C apt-cache depends postgresql 2>/dev/null |
        sed -n 's/^ *Depends: postgresql-\([0-9][0-9]*\)$/\1/p' | head -n 1
}

further=("$@")
major=${PG_MAJOR:-}
# The development files come first: they are what pg_config will speak for. A server that is there already comes before
# the distribution's, as nobody who ran `make check` asked for a second one.
[[ -n $major ]] || major=$(newest_installed postgresql-server-dev)
[[ -n $major ]] || major=$(newest_installed postgresql)
[[ -z $major || $major =~ ^[0-9]+$ ]] || die "PG_MAJOR has to be a number such as 15, not '$major'"

missing=()
find_missing() {
    local package
    missing=()
    for package in gcc make perl libipc-run-perl libjansson-dev libyaml-dev libcurl4-openssl-dev \
        "postgresql-$major" "postgresql-server-dev-$major" "postgresql-$major-cron" "${further[@]//MAJOR/$major}"; do
        if [[ $package == maybe:* ]]; then
            package=${package#maybe:}
            is_installed "$package" || apt-cache show "$package" >/dev/null 2>&1 || continue
        fi
        is_installed "$package" || missing+=("$package")
    done
}
if [[ -n $major ]]; then
    find_missing
    (( ${#missing[@]} )) || exit 0
fi

become=()
if (( EUID != 0 )); then
    become=(sudo)
    if ! command -v sudo >/dev/null || ! sudo true; then
        [[ -n $major ]] || major=$(distribution_major)
        [[ -n $major ]] || major=N
        find_missing
        die "missing: ${missing[*]}
Only root can install them, and sudo is of no help here. As root:
    apt-get update && apt-get install -y --no-install-recommends ${missing[*]}"
    fi
fi

override_dir=/etc/postgresql-common/createcluster.d
override=$override_dir/training_workflow.conf
overridden=
made_dir=
forbid_main_cluster() {
    overridden=yes
    [[ -d $override_dir ]] || made_dir=yes
    # The folders stay when the packages come: they need their usual mode, whatever root's umask is.
    # shellcheck disable=SC2016 # the inner shell expands these
    "${become[@]}" sh -c 'umask 022; mkdir -p "$1"; echo "create_main_cluster = false" >"$2"' \
        sh "$override_dir" "$override"
}
allow_main_cluster() {
    [[ -n $overridden ]] || return 0
    "${become[@]}" rm -f "$override"
    [[ -z $made_dir ]] || "${become[@]}" rmdir --ignore-fail-on-non-empty "$override_dir" "$(dirname "$override_dir")"
}
# apt-get's chatter is worth reading only when it fails.
log=$(mktemp)
trap 'rm -f "$log"; allow_main_cluster' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

apt() {
    "${become[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get -q -y -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 "$@" </dev/null >>"$log" 2>&1
}
install_packages() {
    apt install --no-install-recommends "$@" || {
        cat "$log" >&2
        die "apt-get could not install: $*"
    }
}

# One broken source of packages fails the whole update, though the packages
# may come from another: let the installation judge.
apt update || say "apt-get update complained, going on" >&2
[[ -n $major ]] || major=$(distribution_major)
[[ -n $major ]] || { cat "$log" >&2; die "apt-get knows no package postgresql"; }
find_missing
say "installing ${missing[*]}"

# A first server would come with a cluster of its own, started at every boot, which nobody here needs.
if [[ " ${missing[*]} " == *" postgresql-$major "* ]]; then
    forbid_main_cluster
fi
install_packages "${missing[@]}"
