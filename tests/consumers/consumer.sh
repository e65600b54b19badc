#!/usr/bin/env bash
# Users' programs, C and C++, shared and static, built against Heartline and run:
#
#     consumer.sh WAY SOURCE_ROOT BUILD_ROOT VERSION PLATFORM
#
# WAY: pkg-config, cmake or meson, each against an installation in its prefix and against one
# that was moved elsewhere; wrap, as a subproject of a Meson project; or deb, with Debian packages
# in BUILD_ROOT, which are installed below a root of their own, used in all three ways, and removed.
set -eu
way=$1 source=$2 build=$3 version=$4 platform=$5
here=$source/tests/consumers
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for variable in $(env | sed -n 's/^\(HEARTLINE[A-Z_]*\|PKG_CONFIG[A-Z_]*\|CMAKE_[A-Z_]*\)=.*/\1/p'); do
    unset "$variable"
done
unset DESTDIR LD_LIBRARY_PATH MAKEFLAGS

fail() {
    echo "$way: $*" >&2
    exit 1
}
# quietly COMMAND...: its words only when it fails
quietly() {
    "$@" >"$work/words" 2>&1 || fail "$*: $(cat "$work/words")"
}
# need PROGRAM: without it nothing is shown
need() {
    command -v "$1" >/dev/null && return
    echo "there is no $1 here"
    exit 77
}

# try KIND PROGRAM: prints the version, logs a first and a final line, and is linked so
try() {
    local kind=$1 program=$2 said
    said=$("$program" 2>"$work/log") || fail "$program: exit status $?: $(cat "$work/log")"
    [ "$said" = "$version" ] || fail "$program: the library says version '$said', not $version"
    grep -q "\] start version=$version " "$work/log" || fail "$program: no start line: $(cat "$work/log")"
    grep -q '\] stop ' "$work/log" || fail "$program: no stop line: $(cat "$work/log")"
    case $kind-$(readelf -d "$program" | grep -c 'NEEDED.*\[libheartline\.so\.0\]') in
    shared-1 | static-0) echo "ok $program" ;;
    *) fail "$program is not linked $kind: $(readelf -d "$program" | grep NEEDED)" ;;
    esac
}

# Built for its prefix, and installed there; once for all ways, of which others may be at it.
in_prefix() {
    local made=$build/consumers
    mkdir -p "$made"
    exec {lock}>"$made/lock"
    ! command -v flock >/dev/null || flock $lock
    [ -f "$made/build/build.ninja" ] ||
        quietly meson setup "$made/build" "$source" --prefix="$made/prefix" --libdir=lib \
            --buildtype=debug -Dplatform="$platform" -Dtests=disabled
    quietly meson install -C "$made/build" --only-changed
    exec {lock}>&-
    prefix=$made/prefix
}

# As packagers do: installed for one prefix, and then the folder goes elsewhere.
moved() {
    local root=$work/root made
    quietly meson install -C "$build" --no-rebuild --quiet --destdir "$root"
    made=$(find "$root" -path '*/include/heartline/monitor.h')
    [ -n "$made" ] || fail "no heartline/monitor.h was installed"
    mkdir "$work/elsewhere"
    prefix="$work/elsewhere/a prefix"
    mv "${made%/include/heartline/monitor.h}" "$prefix"
    rm -r "$root"
}

# Sets pc and libdir, those of prefix, and plain_prefix: its name without a space, for pkg-config.
find_parts() {
    plain_prefix=$work/link
    ln -sfn "$prefix" "$plain_prefix"
    pc=$(find "$prefix" -name heartline.pc)
    [ -n "$pc" ] || fail "no heartline.pc was installed in $prefix"
    libdir=$(dirname "$(find "$prefix" -name libheartline.so)")
}

use_pkg-config() {
    local pkg_config=(pkg-config) kind
    find_parts
    export PKG_CONFIG_PATH=${pc%/*}
    # What was moved: whoever asks must say where to, unless it was built with
    # -Dpkgconfig.relocatable=true.
    [ "$(pkg-config --variable=prefix heartline)" = "$prefix" ] ||
        pkg_config+=("--define-variable=prefix=$plain_prefix")
    [ "$("${pkg_config[@]}" --modversion heartline)" = "$version" ] ||
        fail "pkg-config says version $(pkg-config --modversion heartline), the header $version"
    cp -r "$here" "$work/$1"
    quietly make -C "$work/$1/pkg-config" PKG_CONFIG="${pkg_config[*]}"
    export LD_LIBRARY_PATH=$libdir
    for kind in shared static; do
        try $kind "$work/$1/pkg-config/c-$kind"
        try $kind "$work/$1/pkg-config/cpp-$kind"
    done
    unset LD_LIBRARY_PATH
    use_tool
}

# The tool finds the library wherever both are moved to, and says so where it is not there, or
# where the loader would not find it: a space ends a path for it.
use_tool() {
    local tool=$prefix/bin/heartline said
    [ "$platform" = linux ] || [ "$way" = deb ] || return 0
    if [[ $prefix == *' '* ]]; then
        said=$("$tool" run printf 'it ran' 2>&1) && fail "below a path with a space: $said"
        grep -q '^heartline: .* cannot be preloaded: ' <<<"$said" || fail "below a path with a space: $said"
        cp -r "$prefix" "$work/tool"
        tool=$work/tool/bin/heartline
    fi
    said=$("$tool" run printf '%s\n' "$version" 2>"$work/log") || fail "$tool: $(cat "$work/log")"
    [ "$said" = "$version" ] || fail "$tool run printf: $said"
    grep -q "\] start version=$version " "$work/log" || fail "$tool: no start line: $(cat "$work/log")"
    [ -n "$(find "$prefix" -name 'heartline.1*')" ] || fail 'no manual page of the tool'
    cp -r "$prefix" "$work/without"
    find "$work/without" -name 'libheartline.so*' -delete
    said=$("$work/without/bin/heartline" run printf 'it ran' 2>&1) && fail "without a library: $said"
    grep -q '^heartline: there is no library at .*; install' <<<"$said" || fail "without a library: $said"
    rm -r "$work/without"
    echo "ok $tool"
}

# refused WORDS ARGUMENT...: find_package says no, with these words
refused() {
    local words=$1
    shift
    ! cmake -S "$here/cmake" -B "$work/refused" -DCMAKE_PREFIX_PATH="$prefix" "$@" >"$work/words" 2>&1 ||
        fail "find_package took $*"
    tr -s '[:space:]' ' ' <"$work/words" | grep -q "$words" || fail "$*: $(cat "$work/words")"
    rm -rf "$work/refused"
}

use_cmake() {
    local kind asked
    for asked in "$version" 0 "0...<1"; do
        quietly cmake -S "$here/cmake" -B "$work/$1" -DCMAKE_PREFIX_PATH="$prefix" -DVERSION="$asked"
    done
    quietly cmake --build "$work/$1"
    for kind in shared static; do
        try $kind "$work/$1/c-$kind"
        try $kind "$work/$1/cpp-$kind"
    done
    for asked in 99 0.99 "0...<$version"; do
        refused "HeartlineConfig.cmake, version: $version" -DVERSION="$asked"
    done
    cp -r "$prefix" "$work/without"
    find "$work/without" -name libheartline.a -delete
    prefix=$work/without refused "Heartline has no component 'static'"
    rm -r "$work/without"
}

# build_meson NAME KIND: with Meson, where the library's kind is KIND if nothing is said
build_meson() {
    local folder=$work/$1/$2 default=$2 kind
    quietly meson setup "$folder" "$work/$1/meson" -Ddefault_library="$default" "${options[@]}"
    quietly ninja -C "$folder"
    try "$default" "$folder/c-default"
    for kind in shared static; do
        try $kind "$folder/c-$kind"
        try $kind "$folder/cpp-$kind"
    done
}

use_meson() {
    local options=(--wrap-mode=nofallback)
    find_parts
    cp -r "$here" "$work/$1"
    # Meson asks pkg-config, which is told here where the prefix is now.
    sed "s|^prefix=.*|prefix=$plain_prefix|" "$pc" >"$work/$1/heartline.pc"
    export PKG_CONFIG_PATH=$work/$1
    build_meson "$1" shared
}

use_wrap() {
    local options=(--wrap-mode=forcefallback -Dheartline:platform="$platform") kind
    cp -r "$here" "$work/wrap"
    mkdir "$work/wrap/meson/subprojects/packagefiles"
    tar -C "$source" --exclude=./build --exclude=./.git --transform 's|^\.|heartline|' \
        -cf "$work/wrap/meson/subprojects/packagefiles/heartline.tar" .
    for kind in shared static; do
        build_meson wrap $kind
    done
}

# install_debs ROOT: below ROOT, where nothing is but the C library that they want
install_debs() {
    local root=$1 data=$1/var/lib/dpkg libc processor
    libc=$(dpkg-query -W -f '${Version}' libc6) && processor=$(dpkg --print-architecture) ||
        fail "there is no package libc6 here"
    mkdir -p "$data/info" "$data/updates" "$data/triggers"
    printf '%s\n' 'Package: libc6' 'Status: install ok installed' "Version: $libc" \
        "Architecture: $processor" 'Multi-Arch: same' 'Maintainer: nobody' 'Description: here already' \
        >"$data/status"
    : >"$data/info/libc6:$processor.list"
    : >"$data/info/libc6:$processor.md5sums"
    quietly "${become[@]}" dpkg --root="$root" -i "$build"/libheartline0_*.deb \
        "$build"/libheartline-dev_*.deb "$build"/heartline_*.deb
    quietly dpkg --root="$root" --audit
    [ ! -s "$work/words" ] || fail "$(cat "$work/words")"
    ! find "$root" -xtype l | grep . || fail "these links lead nowhere"
}

use_deb() {
    local root=$work/root become=()
    if [ "$(id -u)" -ne 0 ]; then
        become=(unshare --map-root-user)
        "${become[@]}" true 2>/dev/null || { echo "dpkg needs root, or user namespaces"; exit 77; }
    fi
    install_debs "$root"
    prefix=$root/usr
    use_pkg-config by-pkg-config
    # As on Debian: CMake finds the package by the link, from where the headers are elsewhere.
    ln -s usr/lib "$root/lib"
    prefix=$root use_cmake by-cmake
    rm "$root/lib"
    use_meson by-meson
    quietly "${become[@]}" dpkg --root="$root" --purge heartline libheartline-dev libheartline0
    ! find "$root" -mindepth 1 -not -path "$root/var*" | grep . || fail "dpkg left these behind"
    echo "ok installed and removed"
}

need readelf
case $way in
deb) need dpkg && need pkg-config && need make && need cmake ;;
pkg-config) need pkg-config && need make ;;
cmake) need cmake ;;
esac
case $way in
wrap | deb) "use_$way" ;;
*)
    for place in in_prefix moved; do
        $place
        "use_$way" $place
    done
    ;;
esac
