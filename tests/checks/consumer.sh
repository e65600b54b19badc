#!/usr/bin/env bash
# A user's program against the installed library: by pkg-config, shared and
# static, C and C++, and as a Meson subproject.
# consumer.sh SOURCE_ROOT BUILD_ROOT VERSION
set -eu
source=$1 build=$2 version=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
unset DESTDIR
for variable in $(env | sed -n 's/^\(HEARTLINE[A-Z_]*\)=.*/\1/p'); do
    unset "$variable"
done
fail() {
    echo "consumer: $*" >&2
    exit 1
}

meson install -C "$build" --no-rebuild --quiet --destdir "$work/root" >"$work/words" 2>&1 ||
    fail "install: $(cat "$work/words")"
pc=$(find "$work/root" -name heartline.pc)
[ -n "$pc" ] || fail "no heartline.pc was installed"
libdir=$(dirname "$(find "$work/root" -name libheartline.so)")
export PKG_CONFIG_PATH=${pc%/*} PKG_CONFIG_SYSROOT_DIR=$work/root

[ "$(pkg-config --modversion heartline)" = "$version" ] ||
    fail "pkg-config says version $(pkg-config --modversion heartline), the header $version"

cat >"$work/user.c" <<'END'
#include <heartline/metrics.h>
#include <heartline/monitor.h>
#include <heartline/scope.h>
#include <stdio.h>
int main(void)
{
    if (monitor_start() != 0)
        return 1;
    SCOPE("say the version");
    printf("%s\n", monitor_version_string());
    return monitor_version() == MONITOR_VERSION ? 0 : 2;
}
END
cat >"$work/user.cpp" <<'END'
#include <heartline/monitor.h>
#include <heartline/scope.hpp>
#include <iostream>
int main()
{
    heartline::scope phase("say the version");
    std::cout << monitor_version_string() << std::endl;
    return monitor_start();
}
END

# try NAME COMMAND...: prints the version, and logs a first and a final line
try() {
    local name=$1 said
    shift
    said=$("$@" 2>"$work/log") || fail "$name: exit status $?: $(cat "$work/log")"
    [ "$said" = "$version" ] || fail "$name: the library says version '$said', not $version"
    grep -q "\] start version=$version " "$work/log" || fail "$name: no start line: $(cat "$work/log")"
    grep -q '\] stop ' "$work/log" || fail "$name: no stop line: $(cat "$work/log")"
    echo "ok $name"
}

read -ra cflags <<<"$(pkg-config --cflags heartline)"
read -ra libs <<<"$(pkg-config --libs heartline)"
read -ra static_libs <<<"$(pkg-config --static --libs heartline)"

${CC:-cc} -Wall -Werror "$work/user.c" -o "$work/shared" "${cflags[@]}" "${libs[@]}"
try 'pkg-config, shared' env LD_LIBRARY_PATH="$libdir" "$work/shared"
readelf -d "$work/shared" | grep -q 'libheartline.so.0' || fail "the shared program does not need the library"

${CXX:-c++} -std=c++11 -Wall -Werror "$work/user.cpp" -o "$work/shared-cpp" "${cflags[@]}" "${libs[@]}"
try 'pkg-config, shared, C++' env LD_LIBRARY_PATH="$libdir" "$work/shared-cpp"

${CC:-cc} -static -Wall -Werror "$work/user.c" -o "$work/static" "${cflags[@]}" "${static_libs[@]}"
try 'pkg-config, static program' "$work/static"

rm "$libdir"/libheartline.so*
${CC:-cc} -Wall -Werror "$work/user.c" -o "$work/mixed" "${cflags[@]}" "${static_libs[@]}"
try 'pkg-config, static library' "$work/mixed"

mkdir -p "$work/project/subprojects"
ln -s "$source" "$work/project/subprojects/heartline"
cp "$work/user.c" "$work/project/"
cat >"$work/project/meson.build" <<'END'
project('user', 'c', meson_version: '>= 1.0')
executable('user', 'user.c', dependencies: dependency('heartline', fallback: 'heartline'))
END
for kind in shared static; do
    env -u PKG_CONFIG_PATH -u PKG_CONFIG_SYSROOT_DIR meson setup "$work/project/$kind" "$work/project" \
        -Ddefault_library=$kind >"$work/words" 2>&1 || fail "subproject: $(cat "$work/words")"
    ninja -C "$work/project/$kind" >"$work/words" 2>&1 || fail "subproject: $(cat "$work/words")"
    try "Meson subproject, $kind" "$work/project/$kind/user"
done
