#!/usr/bin/env bash
# run.sh BUILD_DIR [PG_CONFIG] - unit tests of the router's core, built with sanitizers and run without a server.
#
# Prints a line for each test: "ok N - WHAT", "not ok N - WHAT", or "skipped - WHAT: WHY".
set -uo pipefail

build=$1/unit
pg_config=${2:-pg_config}
here=$(cd -P -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
sanitize=(-O1 -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover)
tests=("$here"/main.c "$here"/toy.c "$here"/test_*.c)
end='the unit tests ran to their end'

mkdir -p "$build" || exit 1
remark() { sed 's/^/# /' "$1"; }

# A machine without the sanitizers' libraries is no failure of ours, but neither is it a test that passed.
printf 'int main(void) { return 0; }\n' >"$build/probe.c"
if ! { "${CC:-gcc}" "${sanitize[@]}" -o "$build/probe" "$build/probe.c" && "$build/probe"; } >"$build/log" 2>&1; then
    printf 'skipped - unit tests of the router: %s cannot build with -fsanitize=address,undefined\n' "${CC:-gcc}"
    remark "$build/log"
    exit 0
fi

if ! bash "$here/compile.sh" "$pg_config" "$build/tests" "${tests[@]}" "${sanitize[@]}" >"$build/log" 2>&1; then
    printf 'not ok 1 - the unit tests can be built\n'
    remark "$build/log"
    exit 1
fi
failed=0
"$build/tests" 2>"$build/log" | tee "$build/out" || failed=1
count=$(grep -cE '^(not )?ok [0-9]' "$build/out")
if ! grep -qF -- "- $end" "$build/out" || [[ -s $build/log ]]; then
    printf 'not ok %d - %s, and nothing was wrong with their memory\n' $((count += 1)) "$end"
    remark "$build/log"
    failed=1
fi

# The same core, built otherwise, has to write the same router.
agree() { # WHAT FLAG...
    local what=$1
    shift
    if bash "$here/compile.sh" "$pg_config" "$build/other" "${tests[@]}" "$@" >"$build/log" 2>&1 &&
        "$build/tests" "$build/router" 2>>"$build/log" && "$build/other" "$build/other_router" 2>>"$build/log" &&
        cmp "$build/router" "$build/other_router" >>"$build/log" 2>&1; then
        printf 'ok %d - %s\n' $((count += 1)) "$what"
    else
        printf 'not ok %d - %s\n' $((count += 1)) "$what"
        remark "$build/log"
        failed=1
    fi
}
agree 'an optimised build writes the same router' -O2
if grep -qw avx2 /proc/cpuinfo 2>/dev/null; then
    agree 'a build without AVX2 writes the same router' -O2 -DTW_WITHOUT_AVX2
else
    printf 'skipped - a build without AVX2 writes the same router: this processor has no AVX2\n'
fi
# Only benchmarks run it, and they do without it where it does not build.
if bash "$here/compile.sh" "$pg_config" "$build/router_tool" "$here/router_tool.c" >"$build/log" 2>&1; then
    printf 'ok %d - the tool of the benchmark of the router builds\n' $((count += 1))
else
    printf 'not ok %d - the tool of the benchmark of the router builds\n' $((count += 1))
    remark "$build/log"
    failed=1
fi
exit "$failed"
