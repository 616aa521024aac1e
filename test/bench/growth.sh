#!/usr/bin/env bash
# growth.sh - the mission's plan day by day, with all defaults: when is
# a better version live, and after how many verdicts?
#
# How to run: install the extension, then `test/bench/growth.sh` on the server that PGHOST, PGPORT and PGUSER (a
# superuser) name. VOLUMES="100 1000" are the messages a day, RUNS=10 the seeds of each, DAYS=21. It makes databases
# tw_growth_VOLUME_SEED, one at a time, and drops them. A run of 100 a day takes some five seconds, of 1,000 half a
# minute.
#
# The chatbot, its messages and its reviewers are those of the eight weeks (test/fixtures). The first model knows
# SAMPLES of each 12 of the demo's samples and is made live by a person. Reviewers answer four fifths of what they are
# asked, in three sittings a day, the most urgent first; one verdict in a hundred is wrong. Nothing is changed from the
# defaults.
#
# How to read: the day on which the gate first passed a successor, on which it was live for all, verdicts until then;
# then, for that day, the share of answers that were right (truth) in the week before and after, and what passed it.
# Below it, week by week: the version that was live at its end, truth and estimate of the week's answers, verdicts so
# far, and what the gate said of the version. Targets: 100 a day: live by day 14 in 8 of 10 runs, at most 500 verdicts
# by then; 1,000 a day: by day 9.
set -euo pipefail

volumes=${VOLUMES:-100 1000}
runs=${RUNS:-10}
days=${DAYS:-21}
samples=${SAMPLES:-8}
here=$(cd -P -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
fixtures=$here/../fixtures

export PGOPTIONS="-c client_min_messages=error -c synchronous_commit=off -c training_workflow.allow_future_times=on"
sql() { psql -X -q -v ON_ERROR_STOP=1 "$@"; }
work=$(mktemp -d "${TMPDIR:-/tmp}/tw_growth.XXXXXX")
database=
drop() { sql -d postgres -c "DROP DATABASE IF EXISTS $database" >/dev/null; }
cleanup() {
    rm -rf -- "$work"
    [[ -z $database || -n ${KEEP:-} ]] || drop
}
trap cleanup EXIT

awk -v n="$samples" 'NR % 12 < n' "$here/../demo/samples.jsonl" >"$work/own.jsonl"
for volume in $volumes; do
    for (( seed = 1; seed <= runs; seed++ )); do
        database=tw_growth_${volume}_$seed
        drop
        sql -d postgres -c "CREATE DATABASE $database TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C'" >/dev/null
        perl "$fixtures/eight_weeks_stream.pl" 2040-01-02 "$volume" "$seed" >"$work/stream.tsv"
        {
            echo 'CREATE EXTENSION training_workflow;'
            cat "$fixtures/eight_weeks.sql" "$here/growth.sql"
            echo "\\copy eight_weeks.stream FROM '$work/stream.tsv'"
            echo "ANALYZE eight_weeks.stream;"
            echo "\\set own \`cat $work/own.jsonl\`"
            echo "SELECT import_training_samples(:'own');"
            echo "SELECT version FROM train_model();"
            echo "SELECT promote_model('router-v1.0.0', 'something has to answer');"
            for (( day = 0; day < days; day++ )); do
                from="timestamptz '2040-01-02 00:00+00' + interval '$day days'"
                echo "CALL daily_training_capture(at => $from + interval '2 hours');"
                (( day % 7 != 6 )) || echo "CALL weekly_model_training(at => $from + interval '3 hours');"
                for hour in 6 12 18; do
                    until="$from + interval '$((hour + 6)) hours'"
                    echo "CALL run_training_jobs();"
                    echo "SELECT eight_weeks.serve($from + interval '$hour hours', $until);"
                    echo "CALL run_training_jobs();"
                    echo "SELECT eight_weeks.review_share(0.8); CALL run_training_jobs();"
                    echo "CALL check_rollouts($until);"
                done
                echo "INSERT INTO eight_weeks.days
                      SELECT $day, (SELECT count(*) FROM review_events WHERE action IN ('approve', 'fix', 'reject')),
                             (SELECT min(version) FROM model_versions WHERE gate_decision = 'passed'),
                             (SELECT version FROM model_versions WHERE status = 'production');"
                echo "ANALYZE;"
            done
        } >"$work/run.sql"
        sql -d "$database" -f "$work/run.sql" >/dev/null
        sql -At -F ' | ' -d "$database" -c "SELECT '$volume a day', 'run $seed', * FROM eight_weeks.growth()"
        sql -At -F ' | ' -d "$database" -c "SELECT '   ', * FROM eight_weeks.weeks()"
        [[ -n ${KEEP:-} ]] || drop
    done
done
