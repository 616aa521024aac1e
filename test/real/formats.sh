#!/usr/bin/env bash
# formats.sh {install|start|stop} BUILD_DIR - the tools that exports are
# for, from PyPI: spaCy, datasets, a loader of YAML.
#
# install puts them into a virtual environment below BUILD_DIR/real/formats, once; it ends with 77 when PyPI cannot be
# reached, and says so on standard output. Nothing of them is a server: start only tells, in the file
# BUILD_DIR/real/run/formats/env, where the interpreter is, and stop does nothing. fastText is a package of Debian.
set -euo pipefail

# The one place that says which versions are tested.
packages=(spacy==3.8.18 datasets==5.2.0 PyYAML==6.0.3)

# shellcheck source=test/real/common.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

# shellcheck source=test/real/venv.sh
source "$here/venv.sh"

venv=$home/venv
stamp=$home/installed
log=$home/install.log

install() {
    local base want variable
    for variable in "${!PYTHON@}"; do unset "$variable"; done
    base=$(find_python) ||
        die "spaCy needs Python 3.10 or later with the modules venv and ensurepip (Debian package python3-venv)"
    want="${packages[*]}, $("$base" --version)"
    if [[ -f $stamp && $(<"$stamp") == "$want" ]]; then
        say "${packages[*]} are installed"
        return
    fi
    say "installing ${packages[*]} from PyPI (about 650 MB)"
    rm -f -- "$stamp"
    # None of them is to be compiled.
    make_venv "${packages[*]}" "$base" "$venv" "$log" --only-binary :all: "${packages[@]}"
    "$venv/bin/python" -c 'import datasets, spacy, yaml' >>"$log" 2>&1 ||
        { tail -n 30 "$log" >&2; die "what was installed cannot be used, see $log"; }
    # Written last: what it stands beside is whole.
    printf '%s\n' "$want" >"$stamp.new"
    mv -- "$stamp.new" "$stamp"
}

start() {
    [[ -f $stamp ]] || die "nothing is installed: run formats.sh install"
    command -v fasttext >/dev/null || die "there is no fasttext (Debian package fasttext)"
    printf '%s\n' "FORMATS_PYTHON=$venv/bin/python" >"$run/env"
}

stop() { rm -f -- "$run/env"; }

"$action"
