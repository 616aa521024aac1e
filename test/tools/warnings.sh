#!/usr/bin/env bash
# warnings.sh ROOT PG_CONFIG [FLAG...] - compiles the C code of src and of the benchmarks with the headers of that
# PostgreSQL, and prints every warning. CC chooses the compiler; the server's own headers are not judged.
set -uo pipefail

cd "$1" || exit 1
printf '%s\0' src/*.c src/*/*.c test/bench/*.c |
    xargs -0 -n 1 -P "$(nproc)" "${CC:-gcc}" -std=gnu99 -O2 -fwrapv -fno-strict-aliasing -fPIC -D_GNU_SOURCE \
        -Wall -Wextra -Werror -Wno-unused-parameter -Wno-missing-field-initializers -Wmissing-prototypes \
        -Wdeclaration-after-statement -DTW_VERSION='""' -Isrc \
        -isystem "$("$2" --includedir-server)" "${@:3}" -c -o /dev/null
