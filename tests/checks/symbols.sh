#!/usr/bin/env bash
# What the linker sees. symbols.sh SHARED_LIBRARY STATIC_LIBRARY PREFIX
# A static library that has a model of a system in it also has globals with that prefix.
set -u
shared=$1 archive=$2 prefix=$3
status=0

complain() {
    echo "$1:"
    echo "$2"
    status=1
}

exported=$(nm -D --defined-only "$shared" | awk '$2 != "A" { sub("@.*", "", $3); print $3 }')
[ -n "$exported" ] || complain "the shared library exports nothing" "$shared"
found=$(grep -v '^monitor_' <<<"$exported")
[ -z "$found" ] || complain "exported, but not monitor_*" "$found"

# All that the headers promise is there.
for name in $("$(dirname "$0")/declared.sh"); do
    grep -qx "$name" <<<"$exported" || complain "declared, but not exported" "$name"
done

# Sanitizers add globals of their own; those builds are not what is installed.
found=$(nm -g --defined-only "$archive" 2>/dev/null | awk 'NF == 3 { print $3 }' |
    grep -vE "^(monitor_|hl_|$prefix)" | grep -vE '^(__asan|__odr_asan|__tsan|__ubsan|__gcov|__llvm)' | sort -u)
[ -z "$found" ] || complain "a global of the static library, but neither monitor_* nor hl_*" "$found"

flags=$(readelf -dW "$shared")
for flag in NODELETE NOW; do
    grep -qE "FLAGS(_1)?\).*\b$flag\b" <<<"$flags" || complain "flag missing" "$flag"
done
grep -q 'SONAME.*\[libheartline\.so\.0\]' <<<"$flags" || complain "wrong soname" "$(grep SONAME <<<"$flags")"
found=$(grep NEEDED <<<"$flags" | grep -vE '\[(libc\.so|libc\.musl|libpthread\.so|ld-linux|libasan|libubsan|libtsan)')
[ -z "$found" ] || complain "needs more than libc" "$found"
readelf -lW "$shared" | grep -q 'GNU_RELRO' || complain "flag missing" "relro"
readelf -lW "$shared" | grep 'GNU_STACK' | grep -q 'RWE' && complain "flag missing" "noexecstack"

exit $status
