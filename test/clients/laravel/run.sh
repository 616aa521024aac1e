#!/usr/bin/env bash
# run.sh {install|complete|defaults} - see check.sh.
set -euo pipefail
client=$(cd -P -- "$(dirname -- "$0")" && pwd)

case ${1:-} in
    install)
        # Debian's illuminate/database: the layer alone, without the framework around it.
        command -v php >/dev/null && php -r 'exit(extension_loaded("pdo_pgsql") ? 0 : 1);' &&
            php -r 'exit(stream_resolve_include_path("Illuminate/Database/autoload.php") ? 0 : 1);' ||
            { echo "there is no illuminate/database (Debian packages php-pgsql and php-illuminate-database)"; exit 77; }
        ;;
    complete | defaults) exec php "$client/$1.php" ;;
    *) echo "usage: run.sh {install|complete|defaults}" >&2; exit 64 ;;
esac
