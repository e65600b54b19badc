# What memcheck.sh and helgrind.sh share: the environment of the programs, and how each is judged.
#
# Sourced, with `tool`, `build` and `here` set; leaves `status` at 1 when a suite failed.
status=0
command -v valgrind >/dev/null || { echo "reason: there is no valgrind"; exit 77; }
export HEARTLINE_INTERVAL=1s HEARTLINE_STALL=off

# suite NAME COMMAND...: where the program itself says that too little happened in this time for a
# proof, that is no fault; a report always is.
suite() {
    local name=$1 result words=$build/$tool/$1.txt
    shift
    mkdir -p "$build/$tool"
    "$here/valgrind.sh" "$tool" "$build/$tool/$name" timeout -k 5 1800 "$@" >"$words" 2>&1
    result=$?
    if [ $result -eq 0 ]; then
        echo "suite: $tool $name"
        return
    fi
    if grep -q 'this proves nothing' "$words" && ! grep -q "have reports of $tool" "$words"; then
        echo "suite: $tool $name (too slow here for its own count)"
        return
    fi
    cat "$words"
    echo "$tool: $name failed with $result"
    status=1
}
