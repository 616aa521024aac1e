#!/usr/bin/env bash
# run.sh {install|complete|defaults} - see check.sh.
set -euo pipefail
client=$(cd -P -- "$(dirname -- "$0")" && pwd)

case ${1:-} in
    install)
        command -v php >/dev/null && php -r 'exit(extension_loaded("pdo_pgsql") ? 0 : 1);' ||
            { echo "there is no php with pdo_pgsql (Debian packages php-cli and php-pgsql)"; exit 77; }
        ;;
    complete | defaults) exec php "$client/$1.php" ;;
    *) echo "usage: run.sh {install|complete|defaults}" >&2; exit 64 ;;
esac
