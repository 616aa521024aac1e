# shellcheck shell=bash
# common.sh - sourced first by NAME.sh {install|start|stop} BUILD_DIR with those arguments: die and say, the action, and
# the folders home (BUILD_DIR/real/NAME, kept) and run (BUILD_DIR/real/run/NAME), which belong to an ordinary user.
# Root's call is made again as that user.
name=$(basename -- "$0" .sh)
die() { printf '%s: %s\n' "$name" "$*" >&2; exit 1; }
say() { printf '%s: %s\n' "$name" "$*"; }

usage="usage: $name.sh {install|start|stop} BUILD_DIR"
(( $# == 2 )) || die "$usage"
# shellcheck disable=SC2034 # for whoever sources this
action=$1
[[ $1 =~ ^(install|start|stop)$ ]] || die "$usage"
[[ -d $2 ]] || die "there is no folder $2"
build=$(cd -P -- "$2" && pwd)
here=$(cd -P -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
home=$build/real/$name
run=$build/real/run/$name

if (( EUID == 0 )); then
    owned=()
    for dir in "$home" "$run"; do
        if [[ ! -e $dir ]]; then
            owned+=(-w "$dir")
        elif [[ ! $(stat -c %U -- "$dir") =~ ^(root|postgres)$ ]]; then
            die "$dir belongs to the user $(stat -c %U -- "$dir"): run this as they did, or remove it"
        fi
    done
    exec bash "$here/../tools/as-user.sh" "${owned[@]}" bash "$here/$name.sh" "$1" "$build"
fi
mkdir -p -- "$home" "$run"
[[ -O $home && -O $run ]] || die "$home or $run belongs to another user: run this as they did, or remove it"
