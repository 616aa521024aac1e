#!/usr/bin/env bash
# private-tree.sh BUILD_DIR PG_CONFIG - makes BUILD_DIR/pg, a copy of this
# machine's PostgreSQL to install the extension into.
#
# PostgreSQL looks for its libraries and extensions relative to the real path of its own program: programs are copied,
# everything else is a link to the original. The layout stays, so
# `make install DESTDIR=BUILD_DIR/pg` puts things in place.
set -euo pipefail

die() { printf 'private-tree: %s\n' "$*" >&2; exit 1; }

(( $# == 2 )) || die "usage: private-tree.sh BUILD_DIR PG_CONFIG"
pg_config=$2
command -v "$pg_config" >/dev/null || die "there is no $pg_config: is PostgreSQL's development package installed?"
# Whoever runs the server has to be able to read this, whatever root's umask is.
umask 022
mkdir -p -- "$1"
build=$(cd -P -- "$1" && pwd)
tree=$build/pg

bindir=$("$pg_config" --bindir)
sharedir=$("$pg_config" --sharedir)
pkglibdir=$("$pg_config" --pkglibdir)
[[ -x $bindir/postgres && -x $bindir/initdb ]] || die "there is no server in $bindir: is its package installed?"
[[ $bindir != "$tree"/* ]] || die "$pg_config is the private tree's own: the original one is needed"
[[ -f $("$pg_config" --pgxs) ]] || die "$pg_config --pgxs names no file: is PostgreSQL's development package installed?"

# The folders may be shared with other software (/usr/bin), so programs are chosen by name.
programs=()
for program in "$bindir"/{postgres,postmaster,initdb,psql,createdb,createuser,dropdb,dropuser,clusterdb,reindexdb} \
    "$bindir"/{vacuumdb,pgbench,pg_*}; do
    [[ ! -f $program ]] || programs+=("$program")
done

# Names, sizes and times of all that is copied or linked: a new minor version or another extension package changes them.
signature=$("$pg_config" --version; {
    stat -L -c '%n %s %Y' "${programs[@]}"
    find "$sharedir" "$pkglibdir" -printf '%p %y %s %T@\n'
} | LC_ALL=C sort | cksum)
[[ ! -f $tree/.signature || $(<"$tree/.signature") != "$signature" ]] || exit 0

new=$tree.new
rm -rf -- "$new"
mkdir -p -- "$new$bindir" "$new$sharedir" "$new$pkglibdir"
cp --reflink=auto -Lp -- "${programs[@]}" "$new$bindir/"
cp -as -- "$sharedir/." "$new$sharedir/"
cp -as -- "$pkglibdir/." "$new$pkglibdir/"
# An extension of this name that is installed for the whole machine must not stand in for a file that the build left
# out, nor be written to through its link.
find "$new" -depth -name 'training_workflow*' -exec rm -rf -- {} +
# The tools and the tests say BUILD_DIR/pg/bin, whatever the distribution's layout is.
ln -s -- "${bindir#/}" "$new/bin"
printf '%s\n' "$signature" >"$new/.signature"
rm -rf -- "$tree"
mv -- "$new" "$tree"

# Where the layout gives PostgreSQL no way to find its files relative to the program, all of this would be in vain.
[[ $("$tree$bindir/pg_config" --pkglibdir) == "$tree$pkglibdir" &&
    $("$tree$bindir/pg_config" --sharedir) == "$tree$sharedir" ]] ||
    die "this PostgreSQL cannot be moved: $tree$bindir/pg_config does not find the files beside it"
