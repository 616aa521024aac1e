#!/usr/bin/env bash
# as-user.sh [-w DIR]... COMMAND... - runs COMMAND as an ordinary user, since PostgreSQL refuses to run as root.
#
# Whoever is not root stays who they are; root becomes the system user
# postgres. Each DIR is made and given to that user.
set -euo pipefail

die() { printf 'as-user: %s\n' "$*" >&2; exit 1; }

owned=()
while getopts w: option; do
    case $option in
        w) owned+=("$OPTARG") ;;
        *) exit 64 ;;
    esac
done
shift $((OPTIND - 1))
(( $# )) || die "usage: as-user.sh [-w DIR]... COMMAND..."

if (( EUID != 0 )); then
    (( ! ${#owned[@]} )) || mkdir -p -- "${owned[@]}"
    exec "$@"
fi

user=postgres
id -u "$user" >/dev/null 2>&1 ||
    die "there is no user $user: Debian's package postgresql-common makes it (see packages.sh)"
root=$(cd -P -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd)
home=$root/build/home

for dir in "$home" "${owned[@]}"; do
    (umask 022; mkdir -p -- "$dir")
    # -h: a link among them may point anywhere, and what it points to is not ours to give away.
    chown -hR -- "$user:" "$dir"
done

drop=(setpriv "--reuid=$user" "--regid=$(id -g "$user")" --init-groups)
# The clone may lie in a folder which is closed to that user, such as root's home or one made by mktemp: then it is
# given the one capability to read past that. Without the secure bit access(2) would ignore the capability of a user
# other than root, and by access(2) PostgreSQL's programs find each other. Containers often have the second, stronger
# one alone.
tries=(
    ""
    "--securebits=+no_setuid_fixup --inh-caps=-all,+dac_read_search --ambient-caps=-all,+dac_read_search"
    "--securebits=+no_setuid_fixup --inh-caps=-all,+dac_override --ambient-caps=-all,+dac_override"
)
found=
for try in "${tries[@]}"; do
    read -ra caps <<<"$try"
    # Opening, not `test -r`: asking is not always answered as doing is.
    # shellcheck disable=SC2016 # the inner shell expands these
    if "${drop[@]}" "${caps[@]}" sh -c 'cd "$1" && cd "$2" && cd "$3" && : <"$4"' sh \
        "$PWD" "$root/build" "$root/test" "$root/test/tools/as-user.sh" 2>/dev/null; then
        found=yes
        break
    fi
done
[[ -n $found ]] || die "the user $user cannot get into $root, and this machine gives root no capability to change that.
Clone into a folder which everybody may enter, for example below /opt or /srv, or run make as an ordinary user."

export HOME=$home USER=$user LOGNAME=$user
# These name folders of root's.
unset TMPDIR XDG_RUNTIME_DIR
exec "${drop[@]}" "${caps[@]}" "$@"
