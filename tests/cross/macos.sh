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

programs=("$build"/docs/examples/{demo,minimal,progress} "$build/tests/selftest/heartline-selftest"
    "$build/monitor/tool/heartline")

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

# ---- heartline run: what it would say of these files ----

sources=$here/../../platform
cc -std=c11 -Wall -Wextra -Werror "$here/examine.c" "$sources"/program.c "$sources"/darwin/{macho,program}.c \
    -o "$build/examine" || complain "the tool's eye does not compile" "$here/examine.c"

# says MACHINE PROGRAM WORDS
says() {
    local found
    found=$("$build/examine" "$1" "$library" "$2")
    grep -qF -- "$3" <<<"$found" || complain "of $2 on $1, not \"$3\"" "$found"
}

# made NAME TARGET < SOURCE
made() {
    "$here/macos-cc" "$2" -x c - -o "$build/$1" || complain "cannot be compiled" "$1"
}

for program in "${programs[@]}"; do
    says apple "$program" 'can be monitored' # with Rosetta, where it is not its own
    says rosetta "$program" 'can be monitored'
done
made for-arm64 aarch64-macos <<<'int main(void) { return 0; }'
made for-x86_64 x86_64-macos <<<'int main(void) { return 0; }'
made restricted "$target" <<<'__attribute__((section("__RESTRICT,__restrict"), used)) static int word = 1;
int main(void) { return 0; }'
lipo=$(compgen -c llvm-lipo | sort | head -n 1)
"${lipo:-llvm-lipo}" -create "$build"/for-{arm64,x86_64} -output "$build/for-both" ||
    complain "no file for both processors can be made" "$build/for-both"

if [ "$processor" = arm64 ]; then
    says intel "${programs[0]}" 'built for another processor'
    says apple "$build/for-x86_64" 'runs as x86_64'
    says rosetta "$build/for-x86_64" 'is built for arm64'
    says apple "$build/for-both" 'can be monitored'
    says rosetta "$build/for-both" 'runs as x86_64'
    says intel "$build/for-both" 'runs as x86_64'
else
    says intel "${programs[0]}" 'can be monitored'
    says intel "$build/for-arm64" 'built for another processor'
    says apple "$build/for-arm64" 'is built for x86_64'
    says apple "$build/for-both" 'runs as arm64'
    says rosetta "$build/for-both" 'can be monitored'
    says intel "$build/for-both" 'can be monitored'
fi
says apple "$build/restricted" '__RESTRICT segment'
chmod +x "$library" "$build"/monitor/tool/heartline.p/run.c.o
says apple "$library" 'is no program, but a library'
says apple "$build/monitor/tool/heartline.p/run.c.o" 'a piece of one'

# Signed by zig, with entitlements. It knows no flags; they are put into the signature's first
# directory afterwards, for which a signature that is right is not needed.

# signed NAME FLAGS [ENTITLEMENT]...: FLAGS as printf has four bytes
signed() {
    local name=$1 flags=$2 at
    shift 2
    {
        echo '<plist version="1.0"><dict>'
        [ $# -eq 0 ] || printf '<key>com.apple.security.cs.%s</key>\n\t<true/>\n' "$@"
        echo '</dict></plist>'
    } >"$build/entitlements"
    echo 'int main(void) { return 0; }' >"$build/signed.c"
    zig build-exe -target "$target" -lc --entitlements "$build/entitlements" -femit-bin="$build/$name" \
        "$build/signed.c" || complain "cannot be compiled with entitlements" "$name"
    at=$(LC_ALL=C grep -obUaP '\xfa\xde\x0c\x02' "$build/$name" | head -n 1 | cut -d : -f 1)
    printf '%b' "$flags" | dd of="$build/$name" bs=1 seek=$((at + 12)) conv=notrunc status=none
}

allow=allow-dyld-environment-variables foreign=disable-library-validation
plain='\x00\x02\x00\x02' restricted='\x00\x02\x08\x02' validating='\x00\x02\x20\x02' hardened='\x00\x01\x00\x02'
signed signed $plain
says apple "$build/signed" 'can be monitored'
signed signed $restricted $allow $foreign
says apple "$build/signed" 'signed as restricted'
signed signed $validating $allow
says apple "$build/signed" 'no library of another signer'
signed signed $validating $foreign
says apple "$build/signed" 'can be monitored'
signed signed $hardened $foreign
says apple "$build/signed" 'hardened runtime'
signed signed $hardened $allow
says apple "$build/signed" 'no library of another signer'
signed signed $hardened $allow $foreign
says apple "$build/signed" 'can be monitored'

exit $status
