#!/usr/bin/env bash
# rollout.sh - measures how often a rollout's tests err and how soon they find a loss, on the server that PGHOST,
# PGPORT and PGUSER (a superuser) name.
#
# How to run: install the extension, then `RUNS=2000 test/bench/rollout.sh`, which takes some nine minutes of one
# core. SEED chooses the random numbers: the same seed, the same tables. rollout*.c simulate, linked with the very
# sources that sequential_comparison() and sample_ratio_check() are made of, because a million looks through SQL would
# take an hour; before that, 500 random cases show that the SQL function says the same, in a database tw_rollout that
# is dropped at the end. Needs a C compiler and pg_config (PG_CONFIG), as the extension does. An arm is measured from
# TW_MEASURED_FROM sessions on, here as there.
#
# How to read the first three tables: each column is a way to decide whether the canary is worse. First the share of
# rollouts in which it ever says so, then the mean number of requests until then (until the end where it does not).
# Three steps of 6,667 requests at 10, 25 and 50 %, a look every 250.
#   this        sequential_comparison, alpha 0.05
#   alpha/3     the same at a third of alpha, as one of three guardrails
#   better      the other bound: how often the canary is called better
#   z, peeked   an ordinary z-test at each look, steps pooled
#   pooled      sequential_comparison over steps pooled
#   by message  sequential_comparison with each message taken for a session
# In the table of extremes, half as many rollouts of each kind, a look every 25.
#
# Targets for "this": equal models worse in at most 5 % everywhere; a loss of 3 points found in 99 %, after 7,000
# requests on average (flat) and 7,700 (rising), of 5 points after 3,600. The first of these is missed by 183 requests:
# the weight on large losses costs that, and finds a version that always fails after 12 sessions instead of 106. No test
# that errs in 5 % can find 3 points (flat) after less than 6,050: the optimum for exactly this loss and these steps, by
# dynamic programming.
#
# Equal models: the share of rollouts, with its standard error, in which the canary is ever called worse (at alpha,
# and at a third of it) or better (at alpha), under the traffic that is hardest for the comparison. Target: at most
# 5 % in each column; a line ends with "above 5 %" where a share is so by more than two standard errors. Lines in
# brackets are what the method is not made for, and need not pass: sessions with all their messages, which is why they
# count with the first ten, and versions that make users write ten times as much. Half as many rollouts of 5,000 Zipf
# sessions a day.
# - small shares, at base rates from 0.99 to 0.5; 50 sessions a day, a look every two
# - sessions whose lengths are as Zipf's law has them, on 1 to 200; sessions of other lengths in one arm; a base rate
#   that rises and falls with the day
# - users who come back in each step and leave after bad answers, with strata and design effect as rollout_look.sql
#   makes them; "kept": an application that keeps a session's first version
# - labels, drawn as the audit does for a rollout, four in five of them reviewed
#
# Power: what a rollout finds as it really runs, with half as many rollouts of each kind. Steps of a day as
# rollout_steps = auto chooses them, at least rollout_min_units sessions of each version (50), three guardrails of
# which one has the loss, a hundred looks a day, until 100 %. The second figure is the mean number of the canary's
# sessions until then. Target: a canary that fails always is found after ten to twelve of its sessions on average,
# and 25 at most.
#
# The split: at most 0.1 % of right ones raise an alarm.
set -euo pipefail

runs=${RUNS:-2000}
seed=${SEED:-1}
here=$(cd -P -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
source=$here/../../src
database=tw_rollout

export PGOPTIONS="-c client_min_messages=warning"
export PGDATABASE=$database
sql() { psql -X -q -v ON_ERROR_STOP=1 "$@"; }

work=$(mktemp -d "${TMPDIR:-/tmp}/tw_rollout.XXXXXX")
drop_database() { sql -d postgres -c "DROP DATABASE IF EXISTS $database" >/dev/null; }
cleanup() { rm -rf -- "$work"; drop_database; }
trap cleanup EXIT

# The private copy of PostgreSQL that "make bench" runs has no header files.
includes=
while read -r program; do
    includes=$("$program" --includedir-server)
    [[ ! -e $includes/postgres.h ]] || break
done < <({ [[ -z ${PG_CONFIG:-} ]] || printf '%s\n' "$PG_CONFIG"; type -aP pg_config; })

"${CC:-gcc}" -std=gnu99 -O2 -Wall -Wextra -ffp-contract=off -fno-strict-aliasing -fwrapv -D_GNU_SOURCE \
    -I"$here" -I"$source" -I"$includes" -o "$work/rollout" "$here"/rollout.c "$here"/rollout_*.c \
    "$source"/rollout/{sequential,sequential_boundary,sample_ratio_evidence}.c -lm

drop_database
sql -d postgres -c "CREATE DATABASE $database TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C'"
"$work/rollout" cases 500 "$seed" >"$work/cases"
different=$(sql -At -c 'CREATE EXTENSION training_workflow' -c "
    CREATE TEMP TABLE cases (alpha float8, canary_rate float8, production_rate float8, difference float8,
        lower float8, upper float8, loss float8,
        cu float8[], cn float8[], cy float8[], cnn float8[], cny float8[], cyy float8[],
        pu float8[], pn float8[], py float8[], pnn float8[], pny float8[], pyy float8[])" \
    -c "\\copy cases FROM '$work/cases'" -c "
    SELECT count(*) FILTER (WHERE greatest(abs(c.lower - s.lower), abs(c.upper - s.upper),
                                           abs(c.loss - s.minimum_detectable_loss), abs(c.difference - s.difference),
                                           abs(c.canary_rate - s.canary_rate)) < 1e-12 IS NOT TRUE)
           + 1000 * abs(count(*) - 500)
    FROM cases c,
         sequential_comparison(cu, cn, cy, cnn, cny, cyy, pu, pn, py, pnn, pny, pyy, alpha, min_units => 5) s")
if [[ $different != 0 ]]; then
    printf 'sequential_comparison() says something else than what is simulated: %s cases\n' "$different" >&2
    exit 1
fi
printf 'sequential_comparison() says the same as what is simulated in 500 of 500 cases; %s rollouts of each kind\n' \
    "$runs"
"$work/rollout" simulate "$runs" "$seed"
