#!/usr/bin/env bash
# build-deb.sh BUILD_DIR - builds Debian packages of the commit that is checked out, one for each major version of
# PostgreSQL that the distribution supports (PG_MAJOR chooses one), runs the regression and isolation tests against
# each, and lintian over all.
#
# The packages lie in BUILD_DIR/deb. DEB_BUILD_OPTIONS=nocheck leaves the tests out.
set -euo pipefail

die() { printf 'build-deb: %s\n' "$*" >&2; exit 1; }

(( $# == 1 )) || die "usage: build-deb.sh BUILD_DIR"
here=$(cd -P -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
root=$(cd -P -- "$here/.." && pwd)
umask 022
mkdir -p -- "$1"
deb=$(cd -P -- "$1" && pwd)/deb

git -C "$root" rev-parse -q --verify HEAD >/dev/null || die "$root is no clone of git, so there is no commit to pack"
git -C "$root" diff --quiet HEAD || printf 'build-deb: changes that are not committed are left out\n' >&2

version=$(git -C "$root" show HEAD:training_workflow.control | sed -n "s/^default_version *= *'\(.*\)'/\1/p")
packaged=$(git -C "$root" show HEAD:packaging/debian/changelog | sed -n '1s/.*(\(.*\)-.*/\1/p')
[[ $packaged == "$version" ]] ||
    die "training_workflow.control says version $version, packaging/debian/changelog says $packaged"

# dpkg-buildpackage puts the packages beside the folder of the source.
source=$deb/training-workflow-$version
rm -rf -- "$deb"
mkdir -p -- "$source"
git -C "$root" archive HEAD | tar -x -C "$source"
git -C "$root" archive HEAD:packaging debian | tar -x -C "$source"

# The list of the distribution's versions is postgresql-common's.
[[ -z ${PG_MAJOR:-} ]] || export PG_SUPPORTED_VERSIONS=$PG_MAJOR
as_user=(bash "$root/test/tools/as-user.sh" -w "$deb")
cd "$source"
"${as_user[@]}" pg_buildext updatecontrol
"${as_user[@]}" dpkg-buildpackage -us -uc -b
cd "$deb"
"${as_user[@]}" lintian --fail-on error --info -- *.changes
printf '%s\n' "$deb"/*.deb
