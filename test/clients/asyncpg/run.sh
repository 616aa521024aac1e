#!/usr/bin/env bash
# run.sh {install|complete|defaults} - see check.sh.
set -euo pipefail
source "$(dirname -- "$0")/../python.sh"
python_client "$1" "asyncpg==0.32.0"
