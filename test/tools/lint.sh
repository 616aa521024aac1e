#!/usr/bin/env bash
# lint.sh ROOT - what the tree promises of itself; prints "ok N - WHAT" or "not ok N - WHAT" for each promise,
# or "skipped - WHAT: WHY" (of which the command says why, and ends with status 77).
set -uo pipefail

cd "$1" || exit 1
count=0
promise() { # WHAT COMMAND...: the command's output is what is wrong
    local what=$1 wrong status
    shift
    wrong=$("$@" 2>&1)
    status=$?
    if (( status == 77 )); then
        printf 'skipped - %s: %s\n' "$what" "$wrong"
        return
    fi
    (( count += 1 ))
    if [[ -z $wrong ]]; then
        printf 'ok %d - %s\n' "$count" "$what"
    else
        printf 'not ok %d - %s\n' "$count" "$what"
        printf '# %s\n' "${wrong//$'\n'/$'\n'# }"
    fi
}

version=$(sed -n "s/^default_version *= *'\(.*\)'/\1/p" training_workflow.control)

# The specification's own validator, where somebody has it.
validated_meta() {
    command -v pgxn_meta >/dev/null || { echo "there is no pgxn_meta (cargo install pgxn_meta)"; return 77; }
    pgxn_meta META.json 2>&1 | grep -vx 'META.json is OK'
    return 0
}
debian_version() { # an archive of a release has no packaging
    [[ -d packaging ]] || { echo "there is no packaging/"; return 77; }
    head -1 packaging/debian/changelog | grep -q "^training-workflow ($version-" ||
        echo "packaging/debian/changelog does not begin with version $version"
}
changelog_version() { grep -q "^## $version " CHANGELOG.md || echo "CHANGELOG.md has no section $version"; }
# A part that the Makefile forgot would be missing in silence, and so would a test.
sql_parts() {
    local part
    for part in src/*.sql src/*/*.sql; do
        grep -q "^	$part" Makefile || echo "$part is not among SQL_PARTS"
    done
}
# Each regression test makes its own extension, whatever there was before: so it runs alone, and in any order.
test_begins() {
    local file begin='\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET training_workflow.allow_drop = on;
DROP EXTENSION IF EXISTS training_workflow CASCADE;
RESET training_workflow.allow_drop;
RESET client_min_messages;'
    for file in sql/*.sql; do
        [[ $(grep -v '^--' "$file" | head -6) == "$begin" ]] || echo "$file does not begin as sql/filter.sql does"
    done
}
# Another character would make CREATE EXTENSION fail in a database of another encoding before it can say why.
ascii_sql() { LC_ALL=C grep -nP '[^\x00-\x7F]' src/*.sql src/*/*.sql upgrade/*.sql; }
long_files() {
    wc -l src/*.c src/*/*.[ch] src/*.sql src/*/*.sql | awk '$2 != "total" && $1 > 500 {print $2 ": " $1 " lines"}'
}
# A tab counts for the four columns it is set to. What cannot be wrapped may be wider: in SQL, lines that begin as JSON,
# XML or a command of psql do; elsewhere data on a line that ends with the words "wide data", and the line of a Debian
# changelog that says who and when.
wide_lines() {
    local file
    while IFS= read -r file; do
        expand -t 4 "$file" | LC_ALL=C.UTF-8 grep -nE '^.{121,}' | grep -vE 'wide data$|^[0-9]+: -- ' |
            { [[ $file == *.sql ]] && grep -vE '^[0-9]+: *(\$\$)?[{<\\]' || cat; } | sed "s|^|$file: |"
    done < <([[ ! -d packaging ]] || find packaging -type f
        find src sql test upgrade -type f -not -name '*.o' -not -path 'upgrade/training_workflow--*' \
            -regextype posix-extended \
            -regex '.*\.([ch]|sql|p[lm]|sh|spec|py|pgbench)$')
}
spaces() {
    grep -rnIE '[[:space:]]+$' --include='*.[ch]' --include='*.sql' --include='*.sh' --include='*.p[lm]' \
        src sql test Makefile
    [[ ! -d packaging ]] || grep -rnIE '[[:space:]]+$' packaging
}
vertical_tabs() { grep -rnF --include='*.sql' '\v' src; }
version_checks() { grep -rn --include='*.[ch]' PG_VERSION_NUM src | grep -v '^src/base/compat.h:'; }
# A backend has ten places for these, for everybody.
relcache_callbacks() {
    grep -rn --include='*.c' CacheRegisterRelcacheCallback src | grep -v '^src/base/table_changes.c:'
}
sql_locks() { grep -rnE 'pg_(try_)?advisory_' --include='*.c' --include='*.sql' src; }
extern_names() { # every symbol that a library gives away is ours by name
    nm -D --defined-only "$@" | awk '$2 ~ /[TDB]/ {print $3}' |
        grep -vE '^(tw_|pg_finfo_tw_|Pg_magic_func$|_PG_init$|_init$|_fini$)'
}

# By another compiler, and by the paths through the code that gcc follows.
no_warnings_by() { # COMPILER [FLAG...]
    command -v "$1" >/dev/null || { echo "there is no $1"; return 77; }
    CC=$1 bash test/tools/warnings.sh . "${PG_CONFIG:-pg_config}" "${@:2}"
}
# The headers of other major versions, without their servers: "make check-majors" runs those.
no_warnings() { # MAJOR
    local pg_config status
    pg_config=$(bash test/tools/wheel.sh "${WHEELS:-build/majors}" "$1")
    status=$?
    (( status == 0 )) || { printf '%s\n' "$pg_config"; return "$status"; }
    bash test/tools/warnings.sh . "$pg_config"
}

# By name, an argument that is left out goes unseen; see test/t/027_overloads.pl.
named_arguments() {
    local part
    for part in src/*/*.sql; do
        sed "s/'[^']*'//g; s/--.*//" "$part" | grep -nE '[a-z_]+ => ' | grep -v make_interval | sed "s|^|$part: |"
    done
}

# Databases have been made with these scripts: whatever is different now belongs into an update script.
released_scripts() {
    local script
    sha256sum --check --quiet upgrade/SHA256SUMS
    for script in upgrade/training_workflow--*.sql; do
        grep -q "  $script\$" upgrade/SHA256SUMS || echo "$script is not in upgrade/SHA256SUMS"
    done
}
# From each released version ALTER EXTENSION UPDATE has to find a way; compose.pl refuses tables that changed without
# a step.
update_paths() {
    local steps script from
    for steps in upgrade/*--"$version".sql; do
        from=$(basename "$steps" "--$version.sql")
        [[ $from != training_workflow ]] || continue
        perl upgrade/compose.pl "$steps" "upgrade/training_workflow--$from.sql" "training_workflow--$version.sql" \
            >/dev/null
    done
    for script in upgrade/training_workflow--*.sql; do
        from=$(basename "$script" .sql)
        [[ $from =~ ^training_workflow--([^-]+)$ ]] || continue
        compgen -G "training_workflow--${BASH_REMATCH[1]}--*.sql" >/dev/null ||
            compgen -G "upgrade/training_workflow--${BASH_REMATCH[1]}--*.sql" >/dev/null ||
            echo "nothing leads from ${BASH_REMATCH[1]} to a later version"
    done
}
# pgbench would end with an error, and most benchmarks run only where they are named.
bench_variables() {
    local file name names
    names=$(grep -oE ':[a-z]+' test/bench/single.pgbench | tr -d : | sort -u |
        grep -vxE "table|$(sed -n 's/^\\set \([a-z]*\).*/\1/p' test/bench/single.pgbench | paste -sd '|')")
    for file in $(grep -l 'single\.pgbench' test/bench/*.sh); do
        for name in $names; do
            grep -q -- "-D $name=" "$file" || echo "$file does not give single.pgbench its variable $name"
        done
    done
}
# CREATE EXTENSION ... VERSION, pg_upgrade, and what runs before the update need the functions of every release.
released_functions() {
    local name given
    given=$(nm -D --defined-only training_workflow.so training_workflow_remote.so | awk '$2 == "T" {print $3}')
    grep -hoE "AS '[^']*', *'[a-z0-9_]+'" upgrade/*.sql | sed -E "s/.*'([a-z0-9_]+)'$/\1/" | sort -u |
        while read -r name; do
            grep -qx "$name" <<<"$given" || echo "$name() of a released version is missing (see src/base/retired.c)"
        done
}

promise "META.json is as PGXN Meta 1.0.0 has it, and has the version of the control file" perl test/tools/meta.pl .
promise "pgxn_meta finds nothing wrong with META.json" validated_meta
promise "the Debian changelog begins with that version" debian_version
promise "CHANGELOG.md has a section for it" changelog_version
promise "the install script takes every SQL part" sql_parts
promise "scripts of released versions are as they were released" released_scripts
promise "every released version can be updated to this one" update_paths
promise "the libraries have the functions of released versions" released_functions
promise "benchmarks give single.pgbench its variables" bench_variables
promise "every regression test begins with an extension of its own" test_begins
promise "the install script is ASCII" ascii_sql
promise "no vertical tab is written \\v, which is the letter v to older servers" vertical_tabs
promise "no file of src has more than 500 lines" long_files
promise "no line ends with white space" spaces
promise "PG_VERSION_NUM stands in compat.h alone" version_checks
promise "all caches share one relcache callback" relcache_callbacks
promise "no lock of ours is one that SQL can take" sql_locks
promise "exported symbols begin with tw_" extern_names training_workflow.so training_workflow_remote.so
promise "no call of our own names its arguments" named_arguments
promise "includes and calls go down in src/LAYERS" perl test/tools/layers.pl .
promise "no circle of includes" perl test/tools/circles.pl .
promise "no warning of clang" no_warnings_by clang
promise "nothing is found by gcc -fanalyzer" no_warnings_by gcc -fanalyzer
promise "no warning of the compiler with the headers of PostgreSQL 16" no_warnings 16
promise "no warning of the compiler with the headers of PostgreSQL 18" no_warnings 18
promise "no line is wider than 120 columns" wide_lines
promise "the C code is as the formatter would have it" perl test/tools/format.pl --check .
promise "links of README.md and doc/ resolve, pages are short and say what they answer" perl test/tools/pages.pl .
