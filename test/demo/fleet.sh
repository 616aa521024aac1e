#!/usr/bin/env bash
# fleet.sh BUILD_DIR - the demo of a fleet: two nodes capture and answer, the hub reviews, trains and rolls out.
#
# The servers run already, and are empty (test/tools/fleet.sh start).
set -euo pipefail

build=$(cd -P -- "$1" && pwd)
here=$(cd -P -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
tools=$here/../tools
cd "$here"
answers=$(mktemp -d)
trap 'rm -rf -- "$answers"' EXIT

die() { printf 'fleet: %s\n' "$*" >&2; exit 1; }
say() { printf '\n== %s\n' "$*"; }

declare -A environment
for server in hub node_1 node_2; do
    environment[$server]=$(bash "$tools/cluster.sh" env "$build" "fleet_$server") || exit 1
done

on() { # SERVER ARGUMENTS-OF-PSQL...
    local server=$1
    shift
    (
        eval "${environment[$server]}"
        PGOPTIONS='-c client_min_messages=warning' exec "$build/pg/bin/psql" --no-psqlrc --quiet \
            --set ON_ERROR_STOP=1 --pset footer=off --pset null= "$@"
    )
}
show() { # SERVER STATEMENT: the statement, and what it prints
    printf '\n%s=> %s\n' "$1" "$2"
    on "$1" -c "$2"
}
value() { on "$1" -AtX -c "$2"; }
connection() ( # SERVER: how the others reach it
    eval "${environment[$1]}"
    printf "host='%s' port=%s dbname=%s user=fleet" "$PGHOST" "$PGPORT" "$PGDATABASE"
)
wait_until() { # WHAT SERVER QUERY: until it is true, for at most two minutes
    local deadline=$((SECONDS + 120))
    until [[ $(value "$2" "$3") == t ]]; do
        if (( SECONDS >= deadline )); then
            on hub -x -c 'SELECT * FROM fleet_status' >&2
            die "waited two minutes in vain: $1 (the servers' logs: $build/fleet_*/server.log)"
        fi
        value hub 'CALL sweep_fleet(now())'
        sleep 0.2
    done
}

say 'Three servers, each with an empty database and the extension. A role that the others connect as:'
for server in hub node_1 node_2; do
    on "$server" -c 'CREATE EXTENSION training_workflow' -c 'CREATE ROLE fleet LOGIN REPLICATION' \
        -c 'CREATE ROLE chatbot LOGIN' -o /dev/null \
        -c "SELECT grant_training_role('fleet', 'fleet'), grant_training_role('chatbot', 'capture')"
done
cat <<'TEXT'
CREATE ROLE fleet LOGIN REPLICATION;
SELECT grant_training_role('fleet', 'fleet');
TEXT

say 'They become a fleet'
show hub 'SELECT set_fleet_node(0), fleet_publish()'
for n in 1 2; do
    show "node_$n" "SELECT set_fleet_node($n), fleet_publish()"
    show "node_$n" "CALL fleet_subscribe(\$\$$(connection hub)\$\$)"
    show hub "CALL fleet_subscribe(\$\$$(connection "node_$n")\$\$)"
done
wait_until 'both nodes replicate' hub \
    "SELECT count(*) FILTER (WHERE state = 'replicating' AND is_current) = 2 FROM fleet_status"
show hub 'SELECT node, state, is_current, advice FROM fleet_status'

say 'The first model is trained at the hub, on 1,500 synthetic samples'
on hub -f fleet_first.sql
wait_until 'both nodes have the first model' hub \
    "SELECT count(*) FILTER (WHERE is_current AND versions -> 'router' ? 'production') = 2 FROM fleet_status"
show hub 'SELECT node, state, versions, is_current FROM fleet_status'

say "The chatbot's conversations, each session on one node: classified and captured there"
for n in 1 2; do on "node_$n" --set node="$n" -f fleet_capture.sql; done

say 'A node decides nothing: it says who does'
approve="SELECT approve_conversation(min(id)) FROM conversation_logs WHERE review_status = 'needs-review'"
printf '\nnode_1=> %s\n' "$approve"
on node_1 --set SHOW_CONTEXT=never -c "$approve" 2>&1 && die 'a node has taken a verdict'

count='SELECT count(*) FROM conversation_logs'
captured=$(($(value node_1 "$count") + $(value node_2 "$count")))
wait_until 'the hub has all conversations and their samples' hub "
    SELECT count(*) = $captured AND count(*) FILTER (WHERE user_feedback = 'negative') = 2
           AND NOT EXISTS (SELECT FROM fleet_arrivals) FROM conversation_logs"
say 'At the hub: all of them, as the nodes captured them, and the samples of the confident ones'
on hub -f fleet_review.sql

say 'The new version is rolled out: half of the sessions, of both nodes'
show hub "SELECT set_training_setting('rollout_steps', '50,100')"
show hub "SELECT previous_version, traffic_percentage AS percent, steps
      FROM start_rollout('router-v1.1.0', 'it has learned from both nodes')"
wait_until 'both nodes know of the rollout' hub \
    "SELECT count(*) FILTER (WHERE is_current AND versions -> 'router' ? 'canary') = 2 FROM fleet_status"
for n in 1 2; do
    value "node_$n" "SELECT format('session %s: %s', s, assign_model_version('router', format('session %s', s)))
                     FROM generate_series(1, 1000) s" >"$answers/node_$n"
done
printf '\nThe versions that 1,000 sessions get from node 1, and how many of them would get another one from node 2:\n\n'
sed 's/.*: //' "$answers/node_1" | sort | uniq -c
differ=$(diff "$answers/node_1" "$answers/node_2" | grep -c '^<' || true)
printf '%7s another one from node 2\n' "$differ"
(( differ == 0 )) || die 'two nodes give a session different versions'
[[ $(sed 's/.*: //' "$answers/node_1" | sort -u | wc -l) == 2 ]] || die 'the rollout gives all sessions one version'

say 'The hub takes it to all sessions, and the new version answers on both nodes'
show hub "SELECT advance_rollout('router', 'that is enough for a demo') AS percent"
wait_until 'both nodes have the new version' hub "SELECT count(*) FILTER (
        WHERE is_current AND versions #>> '{router,production}' = 'router-v1.1.0') = 2 FROM fleet_status"
for n in 1 2; do
    show "node_$n" "SELECT intent, round(confidence::numeric, 2) AS confidence, model_version
        FROM classify_intent('mera parcel kahan hai?', version => assign_model_version('router', 'session 1'))"
done

say 'pg_cron goes on from here: every database runs its own jobs, and the hub sweep_fleet each minute'
for server in hub node_1 node_2; do
    on "$server" -c 'CREATE EXTENSION pg_cron'
    show "$server" 'SELECT job_name, schedule FROM schedule_jobs()'
done

say 'SELECT * FROM fleet_status;  (some of its columns)'
wait_until 'the last heartbeat is answered' hub 'SELECT count(lag_seconds) = 2 FROM fleet_status'
show hub 'SELECT node, state, lag_seconds AS lag, last_conversation, versions, is_current, behind_bytes, advice
      FROM fleet_status'
show node_1 'SELECT node, state, lag_seconds AS lag, versions, is_current FROM fleet_status'
for server in hub node_1 node_2; do
    show "$server" 'SELECT problem, relation, found, hint FROM check_integrity()'
    [[ $(value "$server" 'SELECT count(*) FROM check_integrity()') == 0 ]] ||
        die "check_integrity() complains on $server"
done

printf '\nThe three servers go on running. To look around:\n\n'
bash "$tools/fleet.sh" status "$build"
printf '\nTo stop them: make fleet-stop. To remove them altogether: make clean.\n'
