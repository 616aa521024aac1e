#!/usr/bin/env bash
# validators.sh {install|start|stop} BUILD_DIR - what judges pages for tests: axe-core for accessibility, and the
# Nu HTML checker of the W3C, both from npm.
#
# install puts them into BUILD_DIR/real/validators, once; it ends with 77 when npm's registry cannot be reached or there
# is no Java or no Node.js, and says so on standard output. There is no server: start names the script of axe-core and
# the archive of the checker in the file "env" of BUILD_DIR/real/run/validators, as lines NAME=value.
set -euo pipefail

# The one place that says which versions judge.
packages=(axe-core@4.14.1 vnu-jar@26.9.27)

# shellcheck source=test/real/common.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

stamp=$home/installed
log=$home/install.log
axe=$home/node_modules/axe-core/axe.min.js
checker=$home/node_modules/vnu-jar/build/dist/vnu.jar

skip() { say "skipped: $*"; exit 77; }

install() {
    command -v java >/dev/null || skip "there is no Java (Debian package default-jre-headless)"
    command -v node >/dev/null && command -v npm >/dev/null || skip "there is no Node.js with npm (Debian package npm)"
    if [[ -f $stamp && $(<"$stamp") == "${packages[*]}" ]]; then
        say "${packages[*]} are installed"
        return
    fi
    say "installing ${packages[*]} from npm (about 35 MB)"
    rm -rf -- "$stamp" "$home/node_modules"
    if ! (cd "$home" && npm_config_cache=$home/cache timeout --foreground 300 \
        npm install --no-save --no-audit --no-fund --ignore-scripts --prefix "$home" "${packages[@]}") >"$log" 2>&1
    then
        if grep -qE 'ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ETIMEDOUT|ECONNRESET|ENETUNREACH' "$log"; then
            skip "npm's registry cannot be reached, see $log"
        fi
        tail -n 20 "$log" >&2
        die "${packages[*]} cannot be installed, see $log"
    fi
    rm -rf -- "$home/cache"
    [[ -f $axe && -f $checker ]] || die "what was installed lies elsewhere, see $home/node_modules"
    java -jar "$checker" --version >>"$log" 2>&1 || { tail -n 5 "$log" >&2; die "this Java cannot run $checker"; }
    printf '%s\n' "${packages[*]}" >"$stamp"
}

start() {
    [[ -f $stamp ]] || die "the validators are not installed: run validators.sh install"
    printf '%s\n' "VALIDATORS_AXE=$axe" "VALIDATORS_CHECKER=$checker" >"$run/env"
}

stop() { rm -f -- "$run/env"; }

"$action"
