#!/usr/bin/env bash
# export.sh - measures exports on the server that PGHOST, PGPORT and PGUSER
# (a superuser) name, which runs on this machine.
#
# How to run: install the extension, then `test/bench/export.sh`. It makes a database tw_export and drops it at the end.
# SAMPLES (1000000) says how many, ROUNDS (5) how often. psql is taken from PATH. KEEP=1 leaves the database.
#
# How to read: "row_to_json" is SELECT row_to_json(s) FROM training_samples s over the same samples; psql reads every
# line and throws it away. The variants take turns; a figure is the median of all rounds, a ratio the median of the
# rounds' ratios. Target: jsonl at most 1.5 x row_to_json. Memory is that of the backend at its peak (VmHWM) without
# what it shares with others, after row_to_json's or an export's query has ended, with 1/10 of the samples and with all:
# it must not grow with them.
set -euo pipefail

samples=${SAMPLES:-1000000}
rounds=${ROUNDS:-5}
here=$(cd -P -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
database=tw_export
formats=(jsonl csv fasttext rasa huggingface openai spacy)

export PGOPTIONS="-c client_min_messages=warning"
export PGDATABASE=$database
sql() { psql -X -q -A -t -v ON_ERROR_STOP=1 "$@"; }
say() { printf 'bench: %s\n' "$*" >&2; }

files=$(mktemp -d /tmp/tw_export.XXXXXX)
# The server's user may be another than ours.
chmod 1777 "$files"
drop_database() { sql -d postgres -c "DROP DATABASE IF EXISTS $database" >/dev/null; }
cleanup() {
    [[ -n ${KEEP:-} ]] || drop_database
    rm -rf -- "$files"
}
trap cleanup EXIT
drop_database
sql -d postgres -c "CREATE DATABASE $database TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C'"
say "making $samples samples"
sql -c 'CREATE EXTENSION training_workflow' -f "$here/export.sql" -v samples="$samples"

query() { # VARIANT [LIMIT]
    case $1 in
        row_to_json)
            printf "SELECT row_to_json(s) FROM training_samples s WHERE s.split = 'train'%s" "${2:+ LIMIT $2}" ;;
        file)
            printf "CALL export_training_samples_to_file('%s/samples.jsonl', overwrite => true)" "$files" ;;
        *)
            printf "SELECT export_training_samples(format => '%s', \"limit\" => %s)" "$1" "${2:-NULL}" ;;
    esac
}
median() { sort -g | awk '{v[NR] = $1} END {print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2}'; }
seconds() { # COMMAND...
    local start=$EPOCHREALTIME
    "$@"
    awk -v a="$start" -v b="$EPOCHREALTIME" 'BEGIN {printf "%.3f\n", b - a}'
}

variants=(row_to_json "${formats[@]}" file)
declare -A times ratios
for (( round = 0; round <= rounds; round++ )); do
    say "round $round of $rounds"
    for variant in "${variants[@]}"; do
        time=$(seconds sql -o /dev/null -c "$(query "$variant")")
        [[ $variant != row_to_json ]] || base=$time
        # The first round fills caches.
        (( round > 0 )) || continue
        times[$variant]+="$time "
        ratios[$variant]+="$(awk -v a="$time" -v b="$base" 'BEGIN {printf "%.4f", a / b}') "
    done
done

# What the backend needed at its peak beyond memory that is shared. Everything that the query reads is touched first, so
# that what is shared does not grow beside it; then the peak is forgotten.
peak() { # VARIANT [LIMIT]
    sql <<SQL
\o /dev/null
SELECT sum(length(s::text)) FROM training_samples s;
SET enable_seqscan = off;
SELECT count(*), max(text) FROM (SELECT * FROM training_samples ORDER BY id) s;
RESET enable_seqscan;
COPY (SELECT 5) TO '/proc/self/clear_refs';
$(query "$@");
\o
SELECT (regexp_match(t, 'VmHWM:\s+(\d+)'))[1]::integer - (regexp_match(t, 'RssShmem:\s+(\d+)'))[1]::integer
FROM (SELECT pg_read_file('/proc/self/status') AS t) s;
SQL
}

printf '\n%-12s %8s %7s %14s %14s\n' variant seconds ratio "kB of 1/10" "kB of all"
for variant in "${variants[@]}"; do
    tenth=-
    [[ $variant == file ]] || tenth=$(peak "$variant" $(( samples / 10 )))
    printf '%-12s %8.2f %7.2f %14s %14s\n' "$variant" "$(tr ' ' '\n' <<<"${times[$variant]% }" | median)" \
        "$(tr ' ' '\n' <<<"${ratios[$variant]% }" | median)" "$tenth" "$(peak "$variant")"
done
