#!/usr/bin/env bash
# The library, the tool and the examples with musl: built without a warning, and used.
#
#     tests/checks/musl.sh SOURCE_ROOT
#
# Ends with 77 where there is no musl-gcc. The kernel's headers are those of the system.
set -u
source=$1
command -v musl-gcc >/dev/null || { echo "reason: there is no musl-gcc"; exit 77; }
. "${0%/*}/begin.sh"
unset CC CFLAGS CPPFLAGS LDFLAGS LD_PRELOAD
fail() {
    echo "musl: $*"
    exit 1
}
# quietly COMMAND...: its words only when it fails
quietly() {
    "$@" >"$work/words" 2>&1 || fail "$*: $(cat "$work/words")"
}

compiler="musl-gcc -idirafter /usr/include -idirafter /usr/include/$(gcc -print-multiarch)"
quietly env CC="$compiler" meson setup "$work/build" "$source" --werror -Dplatform=linux -Dtests=disabled
quietly meson compile -C "$work/build"
quietly $compiler -std=c11 -I "$source/include" "$source/tests/consumers/program.c" -o "$work/program" \
    -L "$work/build" -Wl,-rpath,"$work/build" -lheartline
readelf -d "$work/program" "$work/build/libheartline.so.0" | grep 'NEEDED.*\[libc\.so\.6\]' &&
    fail "that is linked with glibc"

# Started by the program, and by the tool.
for by in "" "$work/build/monitor/tool/heartline run"; do
    HEARTLINE_INTERVAL=1h $by "$work/program" >"$work/words" 2>"$work/log" ||
        fail "$by: the program ended with $?: $(cat "$work/words" "$work/log")"
    for word in start stop; do
        [ "$(grep -c "\] $word " "$work/log")" = 1 ] || fail "$by: not one $word line: $(cat "$work/log")"
    done
done
