#!/usr/bin/env bash
# Each public header alone, in every language a user may have, without a
# warning; and HEARTLINE_DISABLE leaves nothing behind in the object code.
# headers.sh INCLUDE_FOLDER; prints TAP.
set -u
include=$1
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
warnings=(-Wall -Wextra -Wconversion -Wsign-conversion -pedantic -Werror)
count=0 failed=0

# report STATUS NAME: the compiler's words are in $work/words
report() {
    count=$((count + 1))
    if [ "$1" -eq 0 ]; then
        echo "ok $count - $2"
    else
        failed=$((failed + 1))
        echo "not ok $count - $2"
        sed 's/^/# /' "$work/words"
    fi
}

# alone COMPILER STANDARD LANGUAGE HEADER [FLAG...]
alone() {
    local compiler=$1 standard=$2 language=$3 header=$4
    shift 4
    # The second inclusion tests the guard; the typedef keeps the file from being empty.
    printf '#include <heartline/%s>\n#include <heartline/%s>\ntypedef int nothing_else;\n' \
        "$header" "$header" |
        "$compiler" "-std=$standard" "${warnings[@]}" "$@" -I"$include" -x "$language" \
            -fsyntax-only - >"$work/words" 2>&1
    report $? "$compiler $standard $header${*:+ $*}"
}

for header in "$include"/heartline/*.h; do
    for disable in '' -DHEARTLINE_DISABLE; do
        for compiler in gcc clang; do
            command -v "$compiler" >/dev/null || continue
            for standard in c11 c17 c2x; do
                alone "$compiler" "$standard" c "$(basename "$header")" $disable
            done
        done
    done
done
for header in "$include"/heartline/*.h "$include"/heartline/*.hpp; do
    for disable in '' -DHEARTLINE_DISABLE; do
        for compiler in g++ clang++; do
            command -v "$compiler" >/dev/null || continue
            for standard in c++11 c++14 c++17 c++20 c++2b; do
                alone "$compiler" "$standard" c++ "$(basename "$header")" $disable
            done
            alone "$compiler" c++11 c++ "$(basename "$header")" $disable -fno-exceptions -fno-rtti
        done
    done
done

# every_macro.c must know every macro, or the rest of this says nothing.
missing=
for macro in $(sed -n 's/^#define \(scope_[a-z_]*\|SCOPE[A-Z_]*\)(.*/\1/p' "$include/heartline/scope.h" |
    grep -v '_$' | sort -u); do
    grep -q "\b$macro(" "$here/every_macro.c" || missing="$missing $macro"
done
echo "not in every_macro.c:$missing" >"$work/words"
[ -z "$missing" ]
report $? "every_macro.c uses every macro"

for compiler in gcc clang; do
    command -v "$compiler" >/dev/null || continue
    for standard in c11 c17; do
        "$compiler" "-std=$standard" "${warnings[@]}" -I"$include" -DWITH_SCOPES \
            -c "$here/every_macro.c" -o "$work/enabled.o" >"$work/words" 2>&1
        report $? "$compiler $standard every macro, no warning"
    done
    for level in -O1 -O2 -Os; do
        {
            "$compiler" -std=c11 "${warnings[@]}" "$level" -I"$include" -DHEARTLINE_DISABLE \
                -DWITH_SCOPES -c "$here/every_macro.c" -o "$work/disabled.o" &&
                "$compiler" -std=c11 "${warnings[@]}" "$level" -I"$include" \
                    -c "$here/every_macro.c" -o "$work/without.o" &&
                cmp "$work/disabled.o" "$work/without.o"
        } >"$work/words" 2>&1
        report $? "$compiler $level disabled macros leave the same object file"
    done
    # A check of the check: enabled, the object files must differ.
    "$compiler" -std=c11 -O2 -I"$include" -DWITH_SCOPES -c "$here/every_macro.c" -o "$work/enabled.o"
    ! cmp -s "$work/enabled.o" "$work/without.o"
    report $? "$compiler enabled macros leave another object file"
done

echo "1..$count"
[ "$failed" -eq 0 ]
