#!/usr/bin/env bash
# run.sh {install|complete|defaults} - see check.sh.
set -euo pipefail
client=$(cd -P -- "$(dirname -- "$0")" && pwd)
driver=/usr/share/java/postgresql.jar

case ${1:-} in
    install)
        command -v javac >/dev/null || { echo "there is no javac (Debian package default-jdk-headless)"; exit 77; }
        [[ -f $driver ]] || { echo "there is no $driver (Debian package libpostgresql-jdbc-java)"; exit 77; }
        want=$(sha256sum "$driver" "$client"/*.java; javac -version)
        if [[ ! -f $CLIENT_HOME/installed || $(<"$CLIENT_HOME/installed") != "$want" ]]; then
            rm -rf -- "$CLIENT_HOME/installed" "$CLIENT_HOME/classes"
            javac -Xlint:all,-classfile -d "$CLIENT_HOME/classes" -cp "$driver" "$client"/*.java
            printf '%s\n' "$want" >"$CLIENT_HOME/installed"
        fi
        ;;
    complete | defaults) exec java -cp "$CLIENT_HOME/classes:$driver" "${1^}" ;;
    *) echo "usage: run.sh {install|complete|defaults}" >&2; exit 64 ;;
esac
