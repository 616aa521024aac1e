#!/usr/bin/env bash
# gate.sh - measures what the paired gate makes of challengers whose truth is known,
# on the server that PGHOST, PGPORT and PGUSER (a superuser) name.
#
# How to run: install the extension, then `DATASETS=FOLDER RUNS=20 test/bench/gate.sh`. The data are public and no part
# of the project: FOLDER holds hinglishtop_cs.tsv and hinglishtop_en.tsv as loop.sh says. Without them it says so and
# ends with 0. A run takes some seconds, in a database tw_gate of its own, which is dropped. KINDS="equal more stranger"
# chooses; gate.sql says what they are.
#
# How to read: the true difference in points over the pool, the share of its messages on which the two differ, labels
# until the decision (median and most), the share of runs by decision, and what passed the gate. Targets: equal
# challengers pass in at most 5 %, strangers in at most 1 %, those with a thousand samples more in at least 95 %, with a
# median of at most 60 labels.
set -euo pipefail

data=${DATASETS:-}
skip() { printf 'skipped: %s\n' "$*"; exit 0; }
[[ -n $data ]] || skip "DATASETS names no folder with the public data"
for part in cs en; do
    [[ -r $data/hinglishtop_$part.tsv ]] || skip "there is no $data/hinglishtop_$part.tsv"
done

runs=${RUNS:-20}
kinds=${KINDS:-equal more stranger}
here=$(cd -P -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
export PGOPTIONS="-c client_min_messages=error -c synchronous_commit=off -c jit=off"
export PGDATABASE=tw_gate
sql() { psql -X -q -v ON_ERROR_STOP=1 "$@"; }
results=$(mktemp "${TMPDIR:-/tmp}/tw_gate.XXXXXX")
drop() { sql -d postgres -c "DROP DATABASE IF EXISTS $1" >/dev/null; }
cleanup() { rm -f -- "$results"; drop tw_gate; drop tw_gate_template; }
trap cleanup EXIT

drop tw_gate_template
sql -d postgres -c "CREATE DATABASE tw_gate_template TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C'"
sql -d tw_gate_template -c 'CREATE EXTENSION training_workflow' -f "$here/gate.sql"
# No quoting in these files: a character that they do not have stands in for the quote.
options="FORMAT csv, DELIMITER E'\\t', QUOTE E'\\b', HEADER"
for part in cs en; do
    sql -d tw_gate_template -c "\\copy bench.rows FROM '$data/hinglishtop_$part.tsv' ($options)"
done
for kind in $kinds; do
    printf 'bench: %s, %s runs\n' "$kind" "$runs" >&2
    for (( run = 1; run <= runs; run++ )); do
        drop tw_gate
        sql -d postgres -c 'CREATE DATABASE tw_gate TEMPLATE tw_gate_template'
        sql -c "CALL bench.run('$kind', $run)"
        sql -c '\copy bench.results TO STDOUT' >>"$results"
    done
done
sql -d tw_gate_template -c "\\copy bench.results FROM '$results'"
sql -d tw_gate_template -P footer=off <<'SQL'
SELECT kind, count(*) AS runs, round(100 * avg(difference)::numeric, 1) AS difference,
       round(100.0 * sum(disagreements) / sum(messages), 1) AS "differ, %",
       percentile_cont(0.5) WITHIN GROUP (ORDER BY labels) AS labels, max(labels) AS most,
       round(100.0 * count(*) FILTER (WHERE status = 'better') / count(*), 1) AS "better, %",
       round(100.0 * count(*) FILTER (WHERE status = 'worse') / count(*), 1) AS "worse, %",
       round(100.0 * count(*) FILTER (WHERE status = 'non-inferior') / count(*), 1) AS "non-inferior, %",
       round(100.0 * count(*) FILTER (WHERE gate = 'passed') / count(*), 1) AS "passed, %"
FROM bench.results GROUP BY kind ORDER BY kind;
SQL
