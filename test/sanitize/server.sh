#!/usr/bin/env bash
# server.sh {address|memcheck} TREE REPORTS - lets the server of TREE/build/pg run under the sanitizers or valgrind,
# with what they find written to files in REPORTS.
#
# The program postgres becomes postgres.real, and a script takes its place. What initdb starts runs as it is: it loads
# no extension. A server that has not ended after LIMIT seconds (3600) is shut down.
set -euo pipefail

kind=$1
bin=$(cd -P -- "$2/build/pg/bin" && pwd -P)
reports=$3
here=$(cd -P -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
limit=${LIMIT:-3600}

[[ -f $bin/postgres.real ]] || mv -- "$bin/postgres" "$bin/postgres.real"
{
    printf '#!/bin/bash\n'
    # shellcheck disable=SC2016 # expanded when it runs
    printf '[[ ${1:-} == -D ]] || exec -a "$0" %q "$@"\n' "$bin/postgres.real"
    case $kind in
        # Both libraries have to be loaded first, as the server itself is built without them. It frees nothing at its
        # end, which is no leak.
        address)
            asan=$("${CC:-gcc}" -print-file-name=libasan.so)
            ubsan=$("${CC:-gcc}" -print-file-name=libubsan.so)
            untranslated=$(dirname -- "$reports")/untranslated.so
            "${CC:-gcc}" -shared -fPIC -O1 -fno-builtin -o "$untranslated" "$here/untranslated.c"
            printf 'exec timeout -s INT %d env %q %q %q %q "$@"\n' "$limit" \
                "LD_PRELOAD=$(readlink -f "$asan"):$(readlink -f "$ubsan"):$untranslated" \
                "ASAN_OPTIONS=detect_leaks=0:abort_on_error=1:log_path=$reports/asan" \
                "UBSAN_OPTIONS=print_stacktrace=1:abort_on_error=1:log_path=$reports/ubsan" "$bin/postgres.real"
            ;;
        memcheck)
            printf 'exec timeout -s INT %d valgrind --quiet --leak-check=no --num-callers=25 %q %q %q "$@"\n' "$limit" \
                "--suppressions=$here/postgresql.supp" "--log-file=$reports/memcheck.%p" "$bin/postgres.real"
            ;;
        *) exit 64 ;;
    esac
} >"$bin/postgres.new"
chmod 755 "$bin/postgres.new"
mv -- "$bin/postgres.new" "$bin/postgres"
