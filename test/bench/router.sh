#!/usr/bin/env bash
# router.sh - measures the router beside fastText and liblinear, on the server
# that PGHOST, PGPORT and PGUSER (a superuser) name.
#
# How to run: install the extension, then `DATASETS=/folder/with/the/sets test/bench/router.sh`. It makes a database
# tw_bench_router, drops it at the end, and takes three to five minutes. psql comes from PATH; the server has to be on
# this machine, which has to be Linux. fasttext and liblinear come from Debian's packages fasttext and liblinear-tools;
# without them their columns are skipped. Needs half a gigabyte in TMPDIR. Environment:
#   DATASETS                    the folder of clinc150.tsv, hinglishtop_cs.tsv and hinglishtop_en.tsv (text, intent,
#                               domain, split, lang, divided by tabs, with a header). They are not part of the
#                               project: without them all is skipped
#   SETS="clinc150 hinglishtop_cs hinglishtop_en scale"
#                               what is measured; scale alone takes one of the minutes
#   SCALE_ROWS=100000           rows of the scale run; make_up() in router.sql says how they are made
#   ROUNDS=9 CONNECTIONS=25     rounds of classification, and new connections
#   KEEP=1                      leaves the database, with every figure in bench.figures
#
# How to read: all systems learn the same rows, those that the database learns of the set's train part (each text and
# intent once, normalised), and are tested on its val part. The router's constants and logistic regression's C were
# chosen with val in sight, which flatters both a little. A quarter of Hinglish-TOP's val texts stand in its train part
# as well, which flatters all.
#   ours            import_training_samples(), train_model(), classify_intent()
#   fastText        lr 1, 50 epochs, word bigrams, character n-grams 3 to 5, dim 50, one thread: the best of four
#                   settings. Its loss takes the rows as they come, so they come in the order of a hash
#   linear SVM      liblinear, L2-loss SVM, dual (-s 1), C = 1, on our features of the same texts
#   logistic regr.  liblinear, logistic regression, dual (-s 7), on the same, with C = 10: at C = 1 it is two to five
#                   points worse
# Processor seconds: ours without reading rows and storing the model, "in all" with everything that train_model() does;
# the others' with reading and writing files. The memory of a process: ours with what it touched of shared_buffers.
# A classification is in processor time, ours over an empty function; the first one in time that passed, the median of
# new connections (ours) or a process that predicts one text (fastText).
set -euo pipefail

sets=${SETS:-clinc150 hinglishtop_cs hinglishtop_en scale}
scale_rows=${SCALE_ROWS:-100000}
rounds=${ROUNDS:-9}
connections=${CONNECTIONS:-25}
calls=20000
here=$(cd -P -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
root=$(cd -P -- "$here/../.." && pwd)
database=tw_bench_router
public_sets=(clinc150 hinglishtop_cs hinglishtop_en)

say() { printf 'bench: %s\n' "$*" >&2; }
skip() { printf 'skipped: %s\n' "$*"; }

[[ -n ${DATASETS:-} ]] || { skip "DATASETS names no folder with the public data (router.sh says which)"; exit 0; }
for set in "${public_sets[@]}"; do
    [[ -r $DATASETS/$set.tsv ]] || { skip "there is no $DATASETS/$set.tsv"; exit 0; }
done

export PGOPTIONS="-c max_parallel_workers_per_gather=0 -c jit=off -c client_min_messages=warning"
export PGDATABASE=$database
sql() { psql -X -q -v ON_ERROR_STOP=1 "$@"; }
rows() { sql -At -F $'\t' "$@"; }

files=$(mktemp -d)
drop_database() { sql -d postgres -c "DROP DATABASE IF EXISTS $database" >/dev/null; }
cleanup() {
    rm -rf -- "$files"
    [[ -n ${KEEP:-} ]] || drop_database
}
trap cleanup EXIT
drop_database
sql -d postgres -c "CREATE DATABASE $database TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C'"
sql -f "$here/router.sql"

# What stands beside ours, as far as it is here.
skipped=()
skip_systems() { # REASON SYSTEM...
    local system
    skipped+=("$1")
    shift
    for system; do sql -c "INSERT INTO bench.skipped VALUES ('$system')"; done
}
with_headers() { # the first pg_config that comes with the server's headers: the private tree's does not
    local pg_config
    for pg_config in ${PG_CONFIG:+"$PG_CONFIG"} $(type -ap pg_config); do
        [[ -f $("$pg_config" --includedir-server)/postgres.h ]] || continue
        printf '%s\n' "$pg_config"
        return
    done
    echo "no pg_config whose --includedir-server has the server's headers" >&2
    return 1
}
build_router_tool() {
    local pg_config
    pg_config=$(with_headers) || return 1
    bash "$root/test/unit/compile.sh" "$pg_config" "$files/router_tool" "$root/test/unit/router_tool.c" -O2
}
has_fasttext=
has_liblinear=
if ! gcc -O2 -o "$files/measured" "$here/measured.c" 2>"$files/errors"; then
    skip_systems "fastText and liblinear: no gcc to build measured.c" fasttext svm logistic
else
    if command -v fasttext >/dev/null; then
        has_fasttext=yes
    else
        skip_systems "fastText: no program fasttext (Debian's package fasttext)" fasttext
    fi
    if ! command -v liblinear-train >/dev/null; then
        skip_systems "liblinear: no program liblinear-train (Debian's package liblinear-tools)" svm logistic
    elif ! build_router_tool 2>"$files/errors"; then
        cat "$files/errors" >&2
        skip_systems "liblinear: router_tool, which writes its features, does not build" svm logistic
    else
        has_liblinear=yes
    fi
fi

figure() { # SET SYSTEM WHAT VALUE
    sql -c "INSERT INTO bench.figures VALUES ('$1', '$2', '$3', $4)"
}
measured() { # COMMAND...: leaves cpu, passed and peak
    "$files/measured" "$files/measures" "$@" </dev/null >"$files/output" 2>&1 || { cat "$files/output" >&2; return 1; }
    read -r cpu passed peak <"$files/measures"
}
accuracy() { # SET SYSTEM LABELS: of $files/answers
    local all new
    read -r all new < <(paste "$files/answers" "$3" "$files/val.is_new" | awk -F '\t' '
        { texts++; right += $1 == $2 }
        $3 == "t" { others++; others_right += $1 == $2 }
        END { print 100 * right / texts, 100 * others_right / others }')
    figure "$1" "$2" accuracy "$all"
    figure "$1" "$2" new_accuracy "$new"
}
megabytes() { awk -v bytes="$(stat -c %s "$1")" 'BEGIN { print bytes / 1e6 }'; }

ours() { # SET
    local round variant n ms text
    sql -c "CALL bench.train('$1')"
    [[ $1 != scale ]] || return 0
    sql -c "CALL bench.answer('$1')" -c "CALL bench.prepare_calls('$1', $calls)"
    # The first round loads the model and reads the table, and is thrown away.
    for (( round = 0; round <= rounds; round++ )); do
        printf "CALL bench.measure_calls('$1', $round, '%s');\n" classify empty
    done | sql
    text=$(rows -c "SELECT quote_literal(text) FROM bench.calls LIMIT 1")
    for (( n = 1; n <= connections; n++ )); do
        for variant in classify empty; do
            ms=$(printf '%s\n' '\timing on' "SELECT ${variant/classify/classify_intent}($text);" |
                sed 's/SELECT empty/SELECT bench.empty/' | sql -f - | sed -n 's/^Time: \([0-9.]*\) ms.*/\1/p')
            printf "('%s', 'first %s', %s)\n" "$1" "$variant" "$ms"
        done
    done | paste -s -d, | { printf 'INSERT INTO bench.times VALUES '; cat; } | sql
    sql -c "CALL bench.take_medians('$1')"
}

# What ours has learned, in an order that means nothing; the texts and intents to test; and the texts to classify.
write_rows() { # SET
    rows -c "SELECT text, intent FROM tw_training_texts('router') WHERE excluded IS NULL
        ORDER BY md5(text), text, intent" >"$files/train"
    rows -c "SELECT tw_model_text(d.text), d.intent, bench.is_new(d) FROM bench.data d
        WHERE d.set = '$1' AND d.split = 'val' ORDER BY d.id" >"$files/val"
    rows -c "SELECT tw_model_text(text) FROM bench.calls" >"$files/calls"
    cut -f 1 "$files/val" >"$files/val.texts"
    cut -f 2 "$files/val" >"$files/val.intents"
    cut -f 3 "$files/val" >"$files/val.is_new"
}

fasttext_beside() { # SET
    local first
    sed 's/\(.*\)\t\(.*\)/__label__\2 \1/' "$files/train" >"$files/fasttext.train"
    measured fasttext supervised -input "$files/fasttext.train" -output "$files/fasttext" -lr 1 -epoch 50 \
        -wordNgrams 2 -minn 3 -maxn 5 -dim 50 -thread 1
    figure "$1" fasttext train "$cpu"
    figure "$1" fasttext process_peak "$peak"
    figure "$1" fasttext size "$(megabytes "$files/fasttext.bin")"
    measured fasttext predict "$files/fasttext.bin" "$files/val.texts"
    sed 's/^__label__//' "$files/output" >"$files/answers"
    accuracy "$1" fasttext "$files/val.intents"
    head -n 1 "$files/calls" >"$files/one"
    measured fasttext predict "$files/fasttext.bin" "$files/one"
    figure "$1" fasttext cold "$passed * 1000"
    first=$cpu
    measured fasttext predict "$files/fasttext.bin" "$files/calls"
    figure "$1" fasttext warm "($cpu - $first) * 1e6 / ($calls - 1)"
    rm -f "$files"/fasttext.*
}

liblinear_beside() { # SET
    local solver system number cost
    # Numbered without gaps: liblinear allocates a weight for every number up to the largest.
    { printf 'text\tintent\n'; cat "$files/train"; } >"$files/train.tsv"
    { printf 'text\tintent\n'; cat "$files/val"; } >"$files/val.tsv"
    "$files/router_tool" features "$files/train.tsv" >"$files/train.features"
    "$files/router_tool" features "$files/train.tsv" "$files/val.tsv" >"$files/val.features"
    cut -d ' ' -f 1 "$files/val.features" >"$files/val.labels"
    for solver in 'svm 1 1' 'logistic 7 10'; do
        read -r system number cost <<<"$solver"
        measured liblinear-train -q -s "$number" -c "$cost" "$files/train.features" "$files/liblinear"
        figure "$1" "$system" train "$cpu"
        figure "$1" "$system" process_peak "$peak"
        figure "$1" "$system" size "$(megabytes "$files/liblinear")"
        measured liblinear-predict "$files/val.features" "$files/liblinear" "$files/answers"
        accuracy "$1" "$system" "$files/val.labels"
    done
}

say "reading the sets"
for set in "${public_sets[@]}"; do
    # Without quoting: no text holds the character that is named here.
    sql -c "COPY bench.data (text, intent, domain, split, lang) FROM STDIN
            (FORMAT csv, DELIMITER E'\t', QUOTE E'\x01', HEADER)" \
        <"$DATASETS/$set.tsv"
    sql -c "UPDATE bench.data SET set = '$set' WHERE set IS NULL"
done

sql -c 'ANALYZE bench.data'
for set in $sets; do
    say "$set: ours"
    [[ $set != scale ]] || sql -c "CALL bench.make_up($scale_rows)"
    sql -c "CALL bench.import('$set')" -c 'ANALYZE training_samples'
    ours "$set"
    [[ $set != scale ]] || continue
    write_rows "$set"
    if [[ -n $has_fasttext ]]; then
        say "$set: fastText"
        fasttext_beside "$set"
    fi
    if [[ -n $has_liblinear ]]; then
        say "$set: liblinear"
        liblinear_beside "$set"
    fi
done

echo
(( ! ${#skipped[@]} )) || for reason in "${skipped[@]}"; do skip "$reason"; done
cat <<'TEXT'
Router, on the val parts. The goals beside it are for the test parts, which are not here: a figure may miss or meet
them by chance (standard error of an accuracy: 0.4 points on CLINC150, 0.9 on Hinglish-TOP). In brackets: measured
there before.
TEXT
load=$(sed 's/^\([^ ]* [^ ]* [^ ]*\).*/, load \1 at the end/' /proc/loadavg 2>/dev/null) || load=
printf 'Machine: %s cores%s\n' "$(nproc)" "$load"
echo
sql -P footer=off -c 'TABLE bench.report'
