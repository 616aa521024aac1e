#!/usr/bin/env bash
# assign.sh - measures assign_model_version() on the server that PGHOST, PGPORT and PGUSER (a superuser) name.
#
# How to run: install the extension, then test/bench/assign.sh. It makes a database tw_assign, drops it at the end, and
# takes about a minute and a half. psql is taken from PATH. Environment:
#   ROUNDS=5                rounds of the timing
#   ASSIGNMENTS=10000000    calls in each timed statement, in millions
#   UNITS=10000000          units that walk up the steps of a rollout
#   CLOCK=cpu               processor time of the backend: for a machine that others use at the same time (Linux, same
#                           machine)
#   KEEP=1                  leaves the database
#
# How to read: each timed statement counts the answers for 10,000,000 units (a million in the form of UUIDs, ten times
# over), once by assign_model_version() and once by a function that looks at nothing. A figure is the median over the
# rounds, in each of which all ran in turn; "rounds" are the smallest and the largest. The registry has 503 versions of
# 52 types. A walk raises the canary's percentage and asks for every unit each time; whoever was in the canary must
# still be in it.
set -euo pipefail

rounds=${ROUNDS:-5}
assignments=${ASSIGNMENTS:-10000000}
units=${UNITS:-10000000}
here=$(cd -P -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
database=tw_assign
(( assignments >= 1000000 && assignments % 1000000 == 0 )) || {
    printf 'assign.sh: ASSIGNMENTS must be whole millions\n' >&2
    exit 64
}

# One session's settings, so that the server's own don't blur what is compared: no second process, no compiling.
export PGOPTIONS="-c max_parallel_workers_per_gather=0 -c jit=off -c client_min_messages=warning"
PGOPTIONS+=" -c temp_buffers=256MB -c bench.clock=${CLOCK:-wall} -c bench.assignments=$assignments"
export PGDATABASE=$database
sql() { psql -X -q -v ON_ERROR_STOP=1 "$@"; }
say() { printf 'bench: %s\n' "$*" >&2; }

drop_database() { sql -d postgres -c "DROP DATABASE IF EXISTS $database" >/dev/null; }
cleanup() { [[ -n ${KEEP:-} ]] || drop_database; }
trap cleanup EXIT
drop_database
sql -d postgres -c "CREATE DATABASE $database TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C'"
sql -c 'CREATE EXTENSION training_workflow' -f "$here/assign.sql" -c 'CALL bench.make_models()'

say "timing, $rounds rounds"
# The first round fills caches and is thrown away; odd rounds forwards, even rounds backwards.
for (( round = 0; round <= rounds; round++ )); do
    variants=(empty assign empty_again)
    (( round % 2 )) || variants=(empty_again assign empty)
    for rollout in 'production alone' 'canary at 25 %'; do
        for variant in "${variants[@]}"; do
            printf "CALL bench.measure('%s', %d, '%s', %d);\n" "$rollout" "$round" "$variant" "$assignments"
        done
    done
done | sql

say "walks up the percentages"
sql -c "CALL bench.walk($units, '{10,25,50,100}')" \
    -c "CALL bench.walk($(( units / 100 )), '{$(seq -s , 1 100)}')"

echo
sql -P footer=off -c 'TABLE bench.report' \
    -c "SELECT units, CASE WHEN cardinality(percentages) > 10 THEN '1, 2, 3 .. 100'
                           ELSE array_to_string(percentages, ', ') END AS percentages,
               assignments, left_the_canary, round(100.0 * in_canary_at_first / units, 3) AS percent_at_first
        FROM bench.walks ORDER BY units DESC" \
    -c "SELECT $units AS units, round(bench.uniformity($units)::numeric, 2) AS chi_square_in_deviations,
               '-3.3 .. 3.3' AS chance"
