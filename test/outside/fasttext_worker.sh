#!/usr/bin/env bash
# fasttext_worker.sh [MODEL_TYPE...] - a trainer outside the database: does one job of the queue with Debian's fastText.
#
#     createuser worker && psql -c "SELECT grant_training_role('worker', 'trainer')"    # once; it needs nothing more
#     PGHOST=db PGUSER=worker PGDATABASE=chat MODELS=/var/lib/models fasttext_worker.sh router
#
# The job is the oldest that waits, of these model types or of any. The status is 0 when it was done, 3 when there was
# none, 1 when it went wrong: then the database has the error, and hands the job out again, up to three times in all.
# Run it from cron, or in a loop. Where the extension has a schema of its own, PGOPTIONS='-c search_path=SCHEMA' names
# it. MODELS keeps VERSION.bin of every version for the jobs of kind evaluate, by which the gate compares a later
# candidate with a live version that lives here.
#
# An IndicBERT worker on a GPU has another train() and predict(), says "epoch 3 of 10" in its heartbeats, and puts its
# weights into an object store: minio_path instead of artifact. What it says to the database is the same.
set -euo pipefail
export LC_ALL=C PGCLIENTENCODING=UTF8

types=$*
models=$(cd -- "${MODELS:?is the folder that keeps the models}" && pwd)
worker=$HOSTNAME:$$         # what people read in training_jobs
beat=${BEAT:-60}            # seconds between heartbeats; the lease is over after 5 minutes of silence
artifact_limit=10000000     # bytes; a bigger model stays in MODELS alone
job='' secret='' pid=''

dir=$(mktemp -d)
cd -- "$dir"
trap finish EXIT
trap 'die "it was ended by a signal"' INT TERM HUP

say() { printf 'worker: %s\n' "$*"; }
die() {
    printf '%s\n' "$*" >error.txt
    exit 1
}

# Values reach SQL as psql's variables (:'name' is a quoted literal, :name is put in as it is) or through files: the
# shell never builds SQL from them. The secret of the job goes through the environment, which no list of processes
# shows. To fastText a line is one text, </s> ends one, and __label__ begins a label.
sql() {
    { printf '%s\n' '\set secret `printf %s "$TRAINING_SECRET"`'; cat; } |
        TRAINING_SECRET=$secret psql -X -q -A -t -v ON_ERROR_STOP=1 \
            -v job="$job" -v worker="$worker" -v types="$types" \
            -v line="regexp_replace(lower(t.text), '[[:cntrl:][:space:]<_]+', ' ', 'g')" "$@" 2>psql.log || {
        cp psql.log error.txt
        return 1
    }
}

# Whatever ended us, the next attempt need not wait for the end of the lease.
finish() {
    local status=$? error=''
    trap - EXIT
    [[ -z $pid ]] || { kill "$pid"; wait "$pid"; } 2>/dev/null || true
    if (( status != 0 && status != 3 )); then
        error=$(cat error.txt 2>/dev/null) || error="it ended with status $status"
        printf 'worker: %s\n' "$error" >&2
        # Where the job is not ours any more, or the server is gone, there is nothing to give back.
        [[ -z $job ]] || ! status=$(sql -v error="$error" <<<"SELECT fail_training_job(:job, :'secret', :'error')") ||
            say "job $job is $status"
        status=1
    fi
    cd / && rm -rf -- "$dir"
    exit "$status"
}

heartbeat() {
    sql -v phase="$1" >/dev/null \
        <<<"SELECT heartbeat_training_job(:job, :'secret', jsonb_build_object('phase', :'phase'))"
}

work() { # PHASE COMMAND...: runs it, with a heartbeat before it and then from time to time
    local phase=$1 next
    shift
    heartbeat "$phase"
    next=$((SECONDS + beat))
    "$@" >program.log 2>&1 &
    pid=$!
    while kill -0 "$pid" 2>/dev/null; do
        sleep 0.1
        if (( SECONDS >= next )); then
            heartbeat "$phase"      # fails with 55000 when the job was cancelled or given to another, and ends us
            next=$((SECONDS + beat))
        fi
    done
    wait "$pid" || die "$phase: $(tail -n 5 program.log)"
    pid=''
}

# fastText knows no weights: a text is repeated once for each 0.3 of its weight. One sample that no person looked at
# weighs 0.3 and comes once, one that a person labelled weighs 1 and comes three times. Shuffled, but equal rows always
# come in equal order. The label is the intent as a JSON string without spaces: so any intent comes back as it went, and
# the model needs no list of them.
fetch_training_set() {
    sql -v type="$type" >train.txt <<'SQL'
SELECT '__label__' || replace(to_json(t.intent)::text, ' ', '\u0020') || ' ' || :line
FROM training_set(:'type') t, generate_series(1, greatest(1, round(t.weight / 0.3)::integer)) AS n
ORDER BY md5(n || t.intent || ' ' || t.text), n, t.text COLLATE "C", t.intent COLLATE "C";
SQL
}

# Repeatable: one thread, one seed. 20,000 buckets of 32 floats bound the model to a few megabytes.
train() {
    exec fasttext supervised -input train.txt -output model -minn 2 -maxn 4 -wordNgrams 2 -bucket 20000 -dim 32 \
        -lr 0.5 -epoch "$epochs" -loss softmax -thread 1 -seed 1 -verbose 0
}
predict() { exec fasttext predict-prob "$model" texts.txt 1 >answers.txt; }

fetch_test_set() {
    sql -F $'\t' >test.txt \
        <<<"SELECT t.sample_id, :line FROM training_job_test_set(:job, :'secret') t ORDER BY t.sample_id"
    cut -f 1 test.txt >ids.txt
    cut -f 2 test.txt >texts.txt
}

# An empty line is no answer. fastText's rounding says 1.00001 at times.
write_predictions() {
    (( $(wc -l <answers.txt) == $(wc -l <ids.txt) )) ||
        die "fastText gave $(wc -l <answers.txt) answers to $(wc -l <ids.txt) texts"
    paste ids.txt answers.txt | awk '
        { sub(/^__label__/, "", $2); printf "%s{\"sample_id\": %s", (NR > 1 ? ",\n" : "["), $1 }
        NF > 1 { printf ", \"intent\": %s, \"confidence\": %s", $2, ($3 > 1 ? 1 : $3) }
        { printf "}" }
        END { print (NR > 0 ? "]" : "[]") }' >predictions.json
}

claimed=$(sql -F ' ' <<'SQL'
SELECT c.job_id, c.kind, c.model_type, c.version,
       coalesce(substring(c.parameters ->> 'epochs' FROM '^[1-9][0-9]{0,3}$'), '25'), c.secret
FROM claim_training_job(:'worker', '5 minutes', nullif(string_to_array(:'types', ' '), '{}')) c;
SQL
)
[[ -n $claimed ]] || { say "no job waits"; exit 3; }
read -r job kind type version epochs secret <<<"$claimed"
say "job $job: $kind $version"
model=$models/$version.bin
began=$EPOCHREALTIME

: >artifact.hex
if [[ $kind == train ]]; then
    fetch_training_set
    work training train
    mv -- model.bin "$model"
    (( $(stat -c %s -- "$model") > artifact_limit )) || od -An -v -tx1 -- "$model" | tr -d ' \n' >artifact.hex
elif [[ ! -f $model ]]; then
    die "there is no $model: $version has to be evaluated where it was trained"
fi
trained=$EPOCHREALTIME
fetch_test_set
work predicting predict
write_predictions

receipt=$(sql -v began="$began" -v trained="$trained" <<'SQL'
\set predictions `cat predictions.json`
\set artifact `cat artifact.hex`
SELECT format('%s: %s predictions, %s of them no answer', c.status, c.predictions_read, c.without_answer)
FROM complete_training_job(:job, :'secret', :'predictions', nullif(decode(:'artifact', 'hex'), ''),
                           training_seconds => :trained - :began) c;
SQL
)
say "job $job is $receipt"
