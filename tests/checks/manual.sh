#!/usr/bin/env bash
# The manual pages of docs/man.
#
#     manual.sh names SOURCE_ROOT BUILD_ROOT   everything public has a page, under its own name
#     manual.sh form SOURCE_ROOT               mandoc and groff have nothing to say about them
set -u
what=$1 source=$2 build=${3-}
cd "$source/docs/man" || exit 1
status=0

complain() {
    echo "$*"
    status=1
}

# names_of PAGE: those of its section NAME
names_of() { sed -n '/^\.Sh NAME/,/^\.Nd/s/^\.Nm \([^ ]*\).*/\1/p' "$1"; }

# All that the headers declare: functions, macros, and the classes of C++.
public() {
    "$source/tests/checks/declared.sh"
    sed -n 's/^#define \(scope_[a-z_]*\|SCOPE[A-Z_]*\|MONITOR_VERSION[A-Z_]*\)\b.*/\1/p' \
        "$source"/include/heartline/*.h | grep -v '_$'
    sed -n 's/^class \([a-z_]*\).*/heartline::\1/p' "$source/include/heartline/scope.hpp"
}

check_names() {
    local page name all public variable record
    public=$(public | sort -u)
    all=$(for page in *.3; do names_of "$page"; done)
    for name in $public; do
        grep -qx -- "$name" <<<"$all" || complain "$name has no manual page: docs/man"
    done
    [ "$(wc -l <<<"$public")" -ge 40 ] ||
        complain "the headers declare $(wc -l <<<"$public") names only: are they still read rightly?"
    for name in $all; do
        grep -qx -- "$name" <<<"$public" || complain "$name has a manual page, and is not in the headers"
    done
    for page in *.[1-9]; do
        for name in $(names_of "$page"); do
            [ "$name.${page##*.}" = "$page" ] || [ -f "$build/docs/man/$name.${page##*.}" ] ||
                complain "$page has the name $name, which docs/man/meson.build does not know"
        done
        sed -n 's/^\.Xr \([^ ]*\) \([1-9]\).*/\1 \2/p' "$page" | while read -r name section; do
            case $name in
            monitor_* | scope_* | SCOPE* | heartline*)
                [ -f "$name.$section" ] || [ -f "$build/docs/man/$name.$section" ] ||
                    echo "$page refers to $name($section), which is not there"
                ;;
            esac
        done | grep . && status=1
    done
    for variable in $(grep -ohE '^\| .*`HEARTLINE[A-Z_]*`' "$source/docs/configuration.md" | grep -oE 'HEARTLINE[A-Z_]*'); do
        grep -qx "\.It Ev $variable" heartline.7 || complain "heartline.7 does not know the variable $variable"
    done
    for record in $(sed -n 's/^## `\([A-Za-z]*\)`.*/\1/p' "$source/docs/reading-the-log.md"); do
        grep -qx "\.It Li $record" heartline.7 || complain "heartline.7 does not know the record $record"
    done
}

check_form() {
    local page words tool
    for tool in mandoc groff; do
        command -v $tool >/dev/null && continue
        echo "there is no $tool here"
        exit 77
    done
    for page in *.[1-9]; do
        # It says so to every page that is not of a BSD, or names a page that is not installed.
        words=$(mandoc -T lint -W style "$page" 2>&1 |
            grep -vE 'operating system explicitly specified|referenced manual not found|outdated mandoc.db')
        [ -z "$words" ] || complain "$words"
        words=$(groff -ww -mdoc -T utf8 -z "$page" 2>&1)
        [ -z "$words" ] || complain "$page: $words"
    done
}

case $what in
names) check_names ;;
form) check_form ;;
esac
exit $status
