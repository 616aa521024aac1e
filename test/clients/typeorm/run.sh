#!/usr/bin/env bash
# run.sh {install|complete|defaults} - see check.sh.
set -euo pipefail
source "$(dirname -- "$0")/../node.sh"
build() { rm -rf -- dist && node_modules/.bin/tsc --project .; }
programs=dist extension=js
node_client "$1"
