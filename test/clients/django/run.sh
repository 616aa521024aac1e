#!/usr/bin/env bash
# run.sh {install|complete|defaults} - see check.sh.
set -euo pipefail
source "$(dirname -- "$0")/../python.sh"
python_client "$1" "django==5.2.19" "psycopg[binary]==3.3.9"
