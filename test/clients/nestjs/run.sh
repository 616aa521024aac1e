#!/usr/bin/env bash
# run.sh {install|complete|defaults} - see check.sh. Its defaults are Prisma's.
set -euo pipefail
source "$(dirname -- "$0")/../node.sh"

# Generating needs no engine, yet Prisma wants to fetch one unless it is told that there is one.
export PRISMA_SCHEMA_ENGINE_BINARY=/bin/true PRISMA_HIDE_UPDATE_MESSAGE=1 CHECKPOINT_DISABLE=1
build() {
    local schema
    rm -rf -- dist generated && mkdir generated
    for schema in training public; do
        sed -e "s/\"training\"/\"$schema\"/g; s|./generated|./$schema|" -e 's/\["public", "public"\]/["public"]/' \
            schema.prisma >"generated/$schema.prisma"
        node_modules/.bin/prisma generate --schema "generated/$schema.prisma" || return 1
    done
    # The client that was generated for the place of the extension.
    cat >src/client.ts <<'CLIENT'
import type { PrismaClient as Client } from '../generated/training';
export const PrismaClient: typeof Client = require(`../generated/${process.env.TW_SCHEMA}`).PrismaClient;
CLIENT
    node_modules/.bin/tsc --project .
}
programs=dist extension=js
node_client "$1"
