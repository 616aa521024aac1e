#!/usr/bin/env bash
# audit_problems.sh - measures how often live_accuracy() says what is wrong with an audit, and how often it says so of
# an audit that has no fault, on the server that PGHOST, PGPORT and PGUSER (a superuser) name.
#
# How to run: install the extension, then `test/bench/audit_problems.sh`. It makes a database tw_audit_problems and
# drops it at the end. MONTHS is the number of months of each scenario and size (200), SCENARIOS chooses;
# audit_problems.sql says what they are.
#
# How to read: clean, waiting and arriving have no fault, so uneven_by_day and uneven_by_confidence are false alarms
# (target: at most 2 % each). For the others reason_given is the power. bounds_cover: how often the truth is
# between accuracy_low and accuracy_high.
set -euo pipefail

months=${MONTHS:-200}
scenarios=${SCENARIOS:-clean waiting arriving half errs lenient unclear skipped surest sure holiday}
here=$(cd -P -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
database=tw_audit_problems

export PGOPTIONS="-c client_min_messages=warning -c work_mem=64MB -c synchronous_commit=off"
export PGDATABASE=$database
sql() { psql -X -q -v ON_ERROR_STOP=1 "$@"; }
drop_database() { sql -d postgres -c "DROP DATABASE IF EXISTS $database" >/dev/null; }
trap drop_database EXIT
drop_database
sql -d postgres -c "CREATE DATABASE $database TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C'"
sql -c 'CREATE EXTENSION training_workflow' -f "$here/audit_problems.sql"

for scenario in $scenarios; do
    for size in 100 1000; do
        printf 'bench: %s, %s a day\n' "$scenario" "$size" >&2
        sql -c 'SELECT setseed(0.21)' -c "CALL bench.run('$scenario', $size, $months)" >/dev/null
    done
done
sql -P footer=off -c 'TABLE bench.report'
