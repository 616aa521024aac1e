#!/usr/bin/env bash
# run.sh {install|complete|defaults} - see check.sh.
set -euo pipefail
source "$(dirname -- "$0")/../node.sh"
node_client "$1"
