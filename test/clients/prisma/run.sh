#!/usr/bin/env bash
# run.sh {install|complete|defaults} - see check.sh.
set -euo pipefail
source "$(dirname -- "$0")/../node.sh"

# One generated client for each place of the extension, generated/RELATION.SCHEMA, and those that a developer writes
# first: without @@schema, generated/RELATION.unnamed.
build() {
    local relation schema file
    rm -rf -- generated
    for relation in conversation_capture conversation_logs; do
        for schema in training public unnamed; do
            file=generated/$relation.$schema.prisma
            mkdir -p -- generated
            sed -e "s/conversation_capture/$relation/; s/\"training\"/\"$schema\"/g" \
                -e "s|./generated|./$relation.$schema|" -e 's/\["public", "public"\]/["public"]/' schema.prisma >"$file"
            [[ $schema != unnamed ]] || sed -i '/@@schema/d; /schemas  =/d' "$file"
            node_modules/.bin/prisma generate --schema "$file" >>generate.log 2>&1 ||
                { cat generate.log >&2; return 1; }
        done
    done
}
# What the complete program imports: the client that was generated for this place.
cat >"${CLIENT_HOME:?}/client.cjs" <<<"module.exports = require(
  './generated/conversation_capture.' + process.env.TW_SCHEMA);"
# Generating needs no engine, yet Prisma wants to fetch one unless it is told that there is one.
export PRISMA_SCHEMA_ENGINE_BINARY=/bin/true PRISMA_HIDE_UPDATE_MESSAGE=1 CHECKPOINT_DISABLE=1
node_client "$1"
