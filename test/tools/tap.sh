#!/usr/bin/env bash
# tap.sh FOLDER FILE... - runs TAP tests, JOBS at a time (3 unless it says otherwise), and prints the output of each as
# one piece.
#
# Most of a file's time is waiting for servers that start and end. Each file has servers, ports and folders of its own.
# What a file has printed so far is in FOLDER/outputs.
# A file that dies between its tests, or after them, counts as a failed test.
set -uo pipefail

outputs=$1/outputs
shift
mkdir -p -- "$outputs"

run_file() { # FILE
    local output status
    output=$outputs/$(basename "$1" .pl)
    prove --verbose "$1" >"$output" 2>&1
    status=$?
    (( status == 0 )) || grep -q '^not ok ' "$output" ||
        printf '\nnot ok - %s: prove ended with status %d\n' "$1" "$status" >>"$output"
    flock "$outputs" cat "$output"
}
export -f run_file
export outputs

# shellcheck disable=SC2016 # the inner shell expands these
printf '%s\0' "$@" | xargs -0 -P "${JOBS:-3}" -n 1 bash -c 'run_file "$1"' bash
