#!/usr/bin/env bash
# run.sh BUILD_DIR - the demo: a chatbot's conversations go in, and what the extension made of them comes out.
#
# The server runs already (cluster.sh start). The demo's database starts afresh every time.
set -euo pipefail

build=$(cd -P -- "$1" && pwd)
here=$(cd -P -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
tools=$here/../tools

eval "$(bash "$tools/cluster.sh" env "$build")"
cd "$here"
PSQLRC=/dev/null "$build/pg/bin/psql" --no-psqlrc --quiet --set ON_ERROR_STOP=1 --set build="$build" -f demo.sql

printf '\nThe same and more, as a page for the browser (training_report()): %s\n' "$build/report.html"
printf '\nThe server goes on running. To look around:\n\n'
bash "$tools/cluster.sh" status "$build" | sed -n '2,$p'
printf '\nTo stop it: make demo-stop. To remove it altogether: make clean.\n'
