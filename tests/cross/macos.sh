#!/usr/bin/env bash
# What was built for macOS, seen from outside. macos.sh BUILD arm64|x86_64
#
# zig's linker exports every symbol, also those that are hidden; Apple's does not. So
# what would be exported is read from the objects, where the compiler has written it.
set -u
here=$(cd "$(dirname "$0")" && pwd)
build=$1 processor=$2
library=$build/libheartline.0.dylib archive=$build/libheartline.a
status=0

complain() {
    echo "$1:"
    echo "$2"
    status=1
}

programs=("$build"/docs/examples/{demo,minimal,progress} "$build/tests/selftest/heartline-selftest")

# ---- each file ----

# header FILE: magic, processor, kind, one line
header() { llvm-objdump --macho --private-header "$1" | awk '/^MH_MAGIC/ { print toupper($1), $2, $5 }'; }

# look FILE KIND
look() {
    local expected="MH_MAGIC_64 ${processor^^} $2" found
    found=$(header "$1")
    [ "$found" = "$expected" ] || complain "$1 is not $expected" "$found"
    found=$(llvm-objdump --macho --dylibs-used "$1" | tail -n +2 | awk '{ print $1 }' |
        grep -vxE '/usr/lib/libSystem\.B\.dylib|@rpath/libheartline\.0\.dylib')
    [ -z "$found" ] || complain "$1 needs more than macOS has" "$found"
    # Without a signature, Apple's own processors start nothing.
    [ "$processor" != arm64 ] || llvm-objdump --macho --private-headers "$1" | grep -q LC_CODE_SIGNATURE ||
        complain "no signature" "$1"
}

look "$library" DYLIB
for program in "${programs[@]}"; do
    look "$program" EXECUTE
done
found=$(llvm-objdump --macho --dylib-id "$library" | tail -n 1)
[ "$found" = @rpath/libheartline.0.dylib ] || complain "wrong name inside the library" "$found"

# ---- symbols ----

globals=$(llvm-nm -m --defined-only "$archive" 2>/dev/null | grep ' external _' | grep -v 'private external' |
    awk '{ print $NF }' | sed 's/^_//' | sort -u)
[ -n "$globals" ] || complain "the library exports nothing" "$archive"
found=$(grep -v '^monitor_' <<<"$globals")
[ -z "$found" ] || complain "exported, but not monitor_*" "$found"
for name in $("$here/../checks/declared.sh"); do
    grep -qx "$name" <<<"$globals" || complain "declared, but not exported" "$name"
done
found=$(llvm-nm -m --defined-only "$archive" 2>/dev/null | grep 'private external _' | awk '{ print $NF }' |
    sed 's/^_//' | grep -vE '^(monitor_|hl_)' | sort -u)
[ -z "$found" ] || complain "a global of the static library, but neither monitor_* nor hl_*" "$found"

# ---- the C++ header ----

target=${processor/arm64/aarch64}-macos
zig c++ -target "$target" -std=c++11 -Wall -Wextra -Werror -I "$here/../../include" \
    -x c++ -c "$here/../../include/heartline/scope.hpp" -o "$build/scope.o" ||
    complain "the C++ header does not compile" scope.hpp

# ---- the control: what is absent must not link ----

found=$("$here/macos-cc" "$target" "$here/absent.c" -o "$build/absent" 2>&1) &&
    complain "a call of a function that macOS does not have links" "$here/absent.c"
grep -q heartline_is_not_part_of_macos <<<"$found" || complain "it failed for another reason" "$found"
found=$("$here/macos-cc" "$target" -DHAS_NONE "$here/absent.c" -o "$build/absent" 2>&1) ||
    complain "without that call it does not link either" "$found"

exit $status
