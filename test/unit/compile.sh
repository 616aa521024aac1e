#!/usr/bin/env bash
# compile.sh PG_CONFIG OUTPUT ARGUMENT... - builds a program over the router's core, without a server.
#
# Arguments are what the compiler takes: sources beside the core's own, and flags.
set -euo pipefail

pg_config=$1
output=$2
shift 2
here=$(cd -P -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
model=$here/../../src/model
core=()
for name in calibrate classifier crammer_singer examples features hold_out kernels number_shapes predict \
    read_model rows run softmax temperature text_kind train write_artifact; do
    core+=("$model/$name.c")
done

# As PostgreSQL is built, which relies on wrapping integers; and sums must not be contracted: see kernels.h.
"${CC:-gcc}" -std=gnu99 -Wall -Wextra -Wno-unused-parameter -Wno-missing-field-initializers -Wmissing-prototypes \
    -fno-strict-aliasing -fwrapv -fexcess-precision=standard -ffp-contract=off -D_GNU_SOURCE -g \
    -I"$here/../../src" -I"$here" -I"$("$pg_config" --includedir-server)" \
    -o "$output" "$@" "$here/backend.c" "${core[@]}" -lm
