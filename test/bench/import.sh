#!/usr/bin/env bash
# import.sh - measures imports on the server that PGHOST, PGPORT and PGUSER (a superuser) name, which runs on this
# machine.
#
# How to run: install the extension, then `test/bench/import.sh`. It makes a database tw_import and drops it at the end.
# SAMPLES (1000000) says how many, ROUNDS (3) how often. psql is taken from PATH. KEEP=1 leaves the database. With
# FORMATS=jsonl and the library of another commit, jsonl can be compared with that commit.
#
# How to read: the same samples, exported as each format, are imported into an empty table. The formats take turns; a
# figure is the median of all rounds, a ratio the median of the rounds' ratios to jsonl. Target: csv and fasttext at
# most 1.5 x jsonl.
set -euo pipefail

samples=${SAMPLES:-1000000}
rounds=${ROUNDS:-3}
here=$(cd -P -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
database=tw_import
read -ra formats <<<"${FORMATS:-jsonl csv fasttext rasa}"

export PGOPTIONS="-c client_min_messages=warning"
export PGDATABASE=$database
sql() { psql -X -q -A -t -v ON_ERROR_STOP=1 "$@"; }
say() { printf 'bench: %s\n' "$*" >&2; }

drop_database() { sql -d postgres -c "DROP DATABASE IF EXISTS $database" >/dev/null; }
cleanup() { [[ -n ${KEEP:-} ]] || drop_database; }
trap cleanup EXIT
drop_database
sql -d postgres -c "CREATE DATABASE $database TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C'"
say "making $samples samples"
sql -c 'CREATE EXTENSION training_workflow' -f "$here/export.sql" -v samples="$samples" \
    -c 'CREATE TABLE data (format text, lines text)'
for format in "${formats[@]}"; do
    sql -c "INSERT INTO data SELECT '$format', string_agg(line, E'\n' ORDER BY n)
            FROM export_training_samples(format => '$format') WITH ORDINALITY AS e (line, n)"
done

median() { sort -g | awk '{v[NR] = $1} END {print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2}'; }
# Seconds of the import alone, into a table without samples.
import() { # FORMAT
    sql -c 'TRUNCATE training_samples' -c CHECKPOINT
    sql -c '\timing on' -c "SELECT 1 FROM data, import_training_samples(lines) i
        WHERE format = '$1' AND i.inserted = $samples" | awk '/^1$/ {done = 1} /^Time/ {ms = $2}
        END {if (!done) exit 1; printf "%.3f\n", ms / 1000}'
}

declare -A times ratios
for (( round = 1; round <= rounds; round++ )); do
    say "round $round of $rounds"
    for format in "${formats[@]}"; do
        time=$(import "$format")
        [[ $format != "${formats[0]}" ]] || base=$time
        times[$format]+="$time "
        ratios[$format]+="$(awk -v a="$time" -v b="$base" 'BEGIN {printf "%.4f", a / b}') "
    done
done

printf '\n%-12s %8s %7s\n' format seconds ratio
for format in "${formats[@]}"; do
    printf '%-12s %8.2f %7.2f\n' "$format" "$(tr ' ' '\n' <<<"${times[$format]% }" | median)" \
        "$(tr ' ' '\n' <<<"${ratios[$format]% }" | median)"
done
