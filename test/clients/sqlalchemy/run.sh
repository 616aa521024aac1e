#!/usr/bin/env bash
# run.sh {install|complete|defaults} - see check.sh.
set -euo pipefail
source "$(dirname -- "$0")/../python.sh"
python_client "$1" "sqlalchemy[asyncio]==2.1.9" "psycopg[binary]==3.3.9" "asyncpg==0.32.0"
