#!/usr/bin/env bash
# The binary interface of the shared library, against the one that is kept in tests/checks/abi:
# symbols and their versions, parameters, types and layouts of the public headers.
#
#     abi.sh compare SHARED_LIBRARY PROCESSOR
#     abi.sh renew SHARED_LIBRARY PROCESSOR
#
# What is kept does not depend on compiler, optimisation or folders.
set -eu
what=$1 library=$2 processor=$3
root=$(cd "$(dirname "$0")/../.." && pwd)
kept=$root/tests/checks/abi/$processor.abi

skip() {
    echo "$*"
    exit 77
}
for tool in abidw abidiff readelf; do
    command -v $tool >/dev/null || skip "there is no $tool here (Debian: abigail-tools, binutils)"
done
readelf -SW "$library" | grep -q '\.debug_info' ||
    skip "this build has no debug information, so no types could be compared"
readelf -dW "$library" | grep -q 'NEEDED.*\[libc\.so\.6\]' ||
    skip "what is kept names types as glibc does, and this is another C library"

# dump: only what the public headers declare, and nothing of how and where it was built
dump() {
    abidw --headers-dir "$root/include" --drop-private-types --exported-interfaces-only \
        --drop-undefined-syms --no-elf-needed --no-show-locs --short-locs --no-corpus-path \
        --no-comp-dir-path --no-parameter-names --type-id-style hash "$library"
}

if [ "$what" = renew ]; then
    mkdir -p "${kept%/*}"
    dump >"$kept"
    echo "$kept is renewed"
    exit
fi

[ -f "$kept" ] || skip "nothing is kept for $processor yet; to do so: $0 renew $library $processor"
now=$(mktemp)
trap 'rm -f "$now"' EXIT
dump >"$now"
# Also what abidiff calls harmless, such as a new value of an enum.
differences=$(abidiff --harmless "$kept" "$now") && exit
echo "$differences"
echo
if grep -q '^Functions.* 0 Removed, 0 Changed' <<<"$differences" &&
    grep -q '^Variables.* 0 Removed, 0 Changed' <<<"$differences"; then
    echo "The binary interface has something new."
else
    echo "The binary interface is another one: what was built against the last release may break."
    echo "Take it back, or raise abi_version in meson.build and say so in CHANGELOG.md. (A field at"
    echo "the end of monitor_options, which carries its size, and a new value of an enum break nothing.)"
fi
echo "If that is meant, renew what is kept, and commit it:"
echo "    tests/checks/abi.sh renew $library $processor"
exit 1
