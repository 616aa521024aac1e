#!/usr/bin/env bash
# browser.sh {install|start|stop} BUILD_DIR - a real browser for tests: Debian's Chromium without a window, driven by
# playwright-core from npm.
#
# install puts playwright-core into BUILD_DIR/real/browser, once; it ends with 77 when npm's registry cannot be reached
# or there is no Chromium or no Node.js, and says so on standard output. There is no server: start empties the folder
# for screenshots, BUILD_DIR/real/run/browser/screenshots, and names it, the browser and the driver in the file "env"
# of BUILD_DIR/real/run/browser, as lines NAME=value. Each test starts and ends a browser of its own.
set -euo pipefail

# The one place that says which version drives the browser.
version=1.65.1

# shellcheck source=test/real/common.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

stamp=$home/installed
log=$home/install.log
shots=$run/screenshots

skip() { say "skipped: $*"; exit 77; }

find_chromium() {
    local candidate
    for candidate in chromium chromium-browser google-chrome; do
        if command -v "$candidate"; then
            return
        fi
    done
    return 1
}

install() {
    find_chromium >/dev/null || skip "there is no Chromium (Debian package chromium)"
    command -v node >/dev/null && command -v npm >/dev/null || skip "there is no Node.js with npm (Debian package npm)"
    if [[ -f $stamp && $(<"$stamp") == "$version" ]]; then
        say "playwright-core $version is installed"
        return
    fi
    say "installing playwright-core $version from npm (about 10 MB)"
    rm -rf -- "$stamp" "$home/node_modules"
    # Its browsers are not fetched: they come from elsewhere, and Debian has one.
    if ! (cd "$home" && PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD=1 npm_config_cache=$home/cache timeout 300 \
        npm install --no-save --no-audit --no-fund --prefix "$home" "playwright-core@$version") >"$log" 2>&1; then
        if grep -qE 'ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ETIMEDOUT|ECONNRESET|ENETUNREACH' "$log"; then
            skip "npm's registry cannot be reached, see $log"
        fi
        tail -n 20 "$log" >&2
        die "playwright-core cannot be installed, see $log"
    fi
    rm -rf -- "$home/cache"
    printf '%s\n' "$version" >"$stamp"
}

start() {
    local chromium
    [[ -f $stamp ]] || die "the browser's driver is not installed: run browser.sh install"
    chromium=$(find_chromium) || die "there is no Chromium"
    rm -rf -- "$shots"
    mkdir -p -- "$shots"
    printf '%s\n' "BROWSER_EXECUTABLE=$chromium" "BROWSER_DRIVER=$home/node_modules/playwright-core" \
        "BROWSER_SCREENSHOTS=$shots" "BROWSER_HOME=$run" >"$run/env"
    say "screenshots lie in $shots"
}

stop() { rm -f -- "$run/env"; }

"$action"
