#!/usr/bin/env bash
# live_accuracy.sh - measures whether live_accuracy() tells the truth, on the
# server that PGHOST, PGPORT and PGUSER (a superuser) name.
#
# How to run: install the extension, then `REPLAYS=1000 test/bench/live_accuracy.sh`. It makes a database
# tw_live_accuracy and drops it at the end. A hundred replays (the default) of the scenario "usual" take about a minute,
# the other scenarios together as much. psql is taken from PATH. KEEP=1 leaves the database, with every replay in
# bench.replays. SCENARIOS="usual rollout budget rates surer doubtful behind" chooses; live_accuracy.sql says what they
# are. OTHERS is the number of replays of those beside "usual".
#
# How to read: a replay is a month of 20,000 conversations of which 70, then 200, then 900 audited ones get a label, and
# 1,500 doubtful ones besides, for the training's sake. bias: estimate less truth, in points. coverage: how often the
# 95 % interval holds the truth. naive_bias: the same for the share right among everything that was reviewed.
# Targets for "usual", "rollout" and "budget": coverage 93 to 98 %, bias below 0.5 points; for "usual" also a naive
# figure that is off by more than 10 points in every replay. "doubtful" and "behind" are no test of the function: they
# show what becomes of an estimate when the audit is not done in random order, and when reviewers do not get beyond what
# a rollout waits for.
set -euo pipefail

replays=${REPLAYS:-100}
others=${OTHERS:-$replays}
scenarios=${SCENARIOS:-usual rollout budget rates surer doubtful behind}
here=$(cd -P -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
database=tw_live_accuracy
# So many months are captured and estimated at a time.
batch=50

export PGOPTIONS="-c client_min_messages=warning -c work_mem=64MB -c synchronous_commit=off"
export PGDATABASE=$database
sql() { psql -X -q -v ON_ERROR_STOP=1 "$@"; }
say() { printf 'bench: %s\n' "$*" >&2; }

drop_database() { sql -d postgres -c "DROP DATABASE IF EXISTS $database" >/dev/null; }
cleanup() { [[ -n ${KEEP:-} ]] || drop_database; }
trap cleanup EXIT
drop_database
sql -d postgres -c "CREATE DATABASE $database TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C'"
sql -c 'CREATE EXTENSION training_workflow' -f "$here/live_accuracy.sql"

for scenario in $scenarios; do
    count=$others
    [[ $scenario != usual ]] || count=$replays
    say "$scenario, $count replays"
    for (( first = 1; first <= count; first += batch )); do
        last=$(( first + batch - 1 < count ? first + batch - 1 : count ))
        goals='{70,200,900}'
        # There the goal is a share of the audit.
        [[ ! $scenario =~ ^(doubtful|behind)$ ]] || goals='{0}'
        sql -c "SELECT setseed($first / 100000.0)" \
            -c "CALL bench.replay('$scenario', $first, $last, 20000, '$goals', 1500)" >/dev/null
    done
done

echo
sql -P footer=off -c 'TABLE bench.report'
