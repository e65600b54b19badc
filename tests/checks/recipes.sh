#!/usr/bin/env bash
# The blocks of docs/recipes.md that have a comment right before them.
#
#     recipes.sh text SOURCE_ROOT              those that are run, and parts of the examples
#     recipes.sh units SOURCE_ROOT             systemd reads the units
#     recipes.sh cmake SOURCE_ROOT BUILD_ROOT  CMake builds the C++ program
#
# "file NAME": the block becomes that file. "run": bash runs it among these files; "ends with N" is
# its status, "with TOOL" what it needs. "prints": that is what the last one said. "parts of FILE":
# each line is in FILE. Ends with 77 where a tool is not there.
set -u
what=$1 source=$2 build=${3-}
document=$source/docs/recipes.md
. "${0%/*}/begin.sh"
unset DESTDIR LD_LIBRARY_PATH MAKEFLAGS
status=0

complain() {
    echo "docs/recipes.md: $*"
    status=1
}

need() {
    command -v "$1" >/dev/null && return
    echo "reason: there is no $1"
    exit 77
}

# Each block of the document as WORK/blocks/NUMBER, its comment as NUMBER.is, its language as NUMBER.in.
split() {
    mkdir "$work/blocks"
    awk -v to="$work/blocks/" '
        /^ *```/ && open { close(name); open = 0; next }
        /^ *```/ {
            name = sprintf("%s%03d", to, ++count)
            print comment >(name ".is")
            sub(/^ *```/, "")
            print >(name ".in")
            printf "" >name
            close(name ".is"); close(name ".in")
            open = 1
            comment = ""
            next
        }
        open { print >name; next }
        { comment = "" }
        /^<!-- .* -->$/ { comment = substr($0, 6, length($0) - 9) }
        END { exit open }' "$document" || complain "a block does not end"
}

write_files() {
    local is block name
    for is in "$work"/blocks/*.is; do
        read -r block name <"$is"
        [ "$block" = file ] || continue
        mkdir -p "$(dirname "$work/$name")"
        cp "${is%.is}" "$work/$name"
    done
}

# run BLOCK [with TOOL | ends with N]: sets said; fails where there is no TOOL
run() {
    local block=$1 expected=0 got
    case ${2-} in
    with) command -v "$3" >/dev/null || return 1 ;;
    ends) expected=$4 ;;
    esac
    said=$(cd "$work" && bash "$block" 2>&1 </dev/null)
    got=$?
    [ $got -eq "$expected" ] || complain "this ends with $got, not $expected: $(cat "$block"): $said"
    count=$((count + 1))
}

has_parts() {
    local line
    while read -r line; do
        grep -qF -- "$line" "$source/$2" || complain "$2 does not have: $line"
        count=$((count + 1))
    done <"$1"
}

check_text() {
    local is block words said='' was_run=1 count=0 name
    for is in "$work"/blocks/*.is; do
        block=${is%.is}
        read -ra words <"$is"
        case ${words[0]-} in
        run,* | run) run "$block" "${words[@]:1}"; was_run=$? ;;
        prints)
            [ $was_run -ne 0 ] || [ "$said" = "$(cat "$block")" ] ||
                complain "the block before says this: $said"
            ;;
        parts) has_parts "$block" "${words[2]}" ;;
        file | '') ;;
        *) complain "what is \"${words[*]}\"?" ;;
        esac
        [ "$(cat "$block.in")" != sh ] || bash -n "$block" || complain "no shell reads this: $(cat "$block")"
    done
    [ $count -ge 6 ] || complain "$count things to check only: is it still read rightly?"
    for name in $(grep -ohE 'HEARTLINE_[A-Z]+' "$document" | sort -u); do
        grep -q "\`$name\`" "$source/docs/configuration.md" || complain "there is no $name"
    done
    echo "$count blocks and lines"
}

# verify UNIT: says what systemd says about it, or about its drop-ins
verify() { systemd-analyze verify --man=no "$1" 2>&1 | grep -F "${1##*/}"; }

# What is started need not be there. The unit of a drop-in is made here.
check_units() {
    local unit count=0
    need systemd-analyze
    printf '[Service]\nExecStart=/bin/true\n' | tee "$work/good.service" >"$work/server.service"
    printf '[Service]\nExecStart=/bin/true\nBad=yes\n' >"$work/bad.service"
    if [ -n "$(verify "$work/good.service")" ] || [ -z "$(verify "$work/bad.service")" ]; then
        echo "reason: systemd-analyze does not verify units here"
        exit 77
    fi
    rm "$work/good.service" "$work/bad.service"
    sed -i 's|^ExecStart=/.*|ExecStart=/bin/true|' "$work"/*.service "$work"/*.service.d/*.conf
    for unit in "$work"/*.service; do
        verify "$unit" && complain "systemd does not like ${unit##*/}"
        count=$((count + 1))
    done
    [ $count -eq 2 ] || complain "$count units: is it still read rightly?"
}

check_cmake() {
    need cmake
    need c++
    cp "$source/docs/examples/pool.cpp" "$work/"
    {
        meson install -C "$build" --no-rebuild --quiet --destdir "$work/root" &&
            cmake -S "$work" -B "$work/build" \
                -DHeartline_DIR="$(dirname "$(find "$work/root" -name HeartlineConfig.cmake)")" &&
            cmake --build "$work/build" &&
            HEARTLINE_INTERVAL=500ms "$work/build/pool"
    } >"$work/words" 2>&1 || complain "$(cat "$work/words")"
    [ "$(grep -c 'as some do$' "$work/words")" -eq 4 ] && grep -q '\] stop .* stalls=0 ' "$work/words" ||
        complain "the pool says: $(cat "$work/words")"
}

split
write_files
case $what in
text) check_text ;;
units) check_units ;;
cmake) check_cmake ;;
esac
exit $status
