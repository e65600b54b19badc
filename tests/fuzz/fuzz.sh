#!/usr/bin/env bash
# Fuzzes the parsers, the writers, the options, the scopes, limits, looks and programs.
#
#     tests/fuzz/fuzz.sh BUILD [SECONDS [NAME...]]
#
# Each fuzz_NAME.c is built with clang's libFuzzer, AddressSanitizer and UBSan under
# BUILD/fuzz, and runs for so many seconds (60; HARM_FUZZ_SECONDS has the last word), two at
# a time. It starts from corpus/NAME and what earlier runs have found; what is new stays in
# BUILD/fuzz/found/NAME. An input that breaks something is kept, and how to run it again
# is said; it is run again at once, to be sure of it. At the end another parser of JSON
# (Python's) reads every line that the writer has made of those inputs.
#
# Ends with 1 when something was found, with 77 where there is nothing to do it with.
set -u
cd "$(dirname "$0")/../.." || exit 1
folder=$1/fuzz
seconds=${HARM_FUZZ_SECONDS:-${2:-60}}
shift $(($# < 2 ? $# : 2))

if [[ ! $seconds =~ ^[1-9][0-9]*$ ]]; then
    echo "$seconds: give whole seconds" >&2
    exit 1
fi
for tool in clang clang++ meson ninja python3; do
    command -v $tool >/dev/null || { echo "reason: there is no $tool here"; exit 77; }
done
if ! echo 'int LLVMFuzzerTestOneInput(const void *d, unsigned long n) { return d && n > 1u << 30; }' |
    clang -fsanitize=fuzzer,address,undefined -x c - -o /dev/null 2>/dev/null; then
    echo "reason: this clang has no libFuzzer (libclang-rt-dev)"
    exit 77
fi

for file in tests/fuzz/fuzz_*.c; do
    name=${file##*/fuzz_}
    all+=("${name%.c}")
done
[ $# -gt 0 ] || set -- "${all[@]}"
build=$folder/build
mkdir -p "$folder"

# Another compiler's warnings have a step of their own.
options=(-Dtests=enabled -Db_lundef=false '-Db_sanitize=address,undefined'
    '-Dc_args=-fsanitize=fuzzer-no-link -fno-omit-frame-pointer -fno-sanitize-recover=all')
build_all() {
    local targets=() name
    if [ ! -f "$build/build.ninja" ]; then
        rm -rf "$build"
        CC=clang CXX=clang++ meson setup "$build" "${options[@]}" || return 1
    fi
    for name in "$@"; do
        targets+=("tests/fuzz/fuzz-$name" "tests/fuzz/replay-$name")
    done
    ninja -C "$build" "${targets[@]}"
}
if ! build_all "$@" >"$folder/build.log" 2>&1 </dev/null; then
    tail -n 40 "$folder/build.log"
    exit 1
fi

export ASAN_OPTIONS=abort_on_error=1:detect_leaks=1:detect_stack_use_after_return=1
export UBSAN_OPTIONS=print_stacktrace=1

# fuzz NAME: 0 = nothing found
fuzz() {
    local name=$1 found=$folder/found/$1 broken=$folder/broken/$1
    local words=$folder/$name.log
    mkdir -p "$found" "$broken"
    "$build/tests/fuzz/fuzz-$name" -max_total_time="$seconds" -timeout=120 -rss_limit_mb=2048 \
        -max_len=4096 -len_control=50 -use_value_profile=1 -print_final_stats=1 \
        -artifact_prefix="$broken/" "$found" "tests/fuzz/corpus/$name" >"$words" 2>&1 </dev/null
}

# of NAME WORD: a number of its final statistics
of() { sed -n "s/^stat::$2: *//p" "$folder/$1.log" | tail -n 1; }

# tell NAME: what it has found, and how to see it again
tell() {
    local name=$1 input
    input=$(sed -n 's/.*Test unit written to //p' "$folder/$name.log" | tail -n 1)
    echo "fuzz-$name found something:"
    grep -vE '^(#|INFO:|stat::|[[:space:]]*NEW_FUNC)' "$folder/$name.log" | head -n 15 | sed 's/^/    /'
    if [ -z "$input" ]; then
        echo "    all of it: $folder/$name.log"
        return
    fi
    echo "    the input: $input"
    echo "    again:     $build/tests/fuzz/replay-$name $input"
    if { "$build/tests/fuzz/replay-$name" "$input"; } >/dev/null 2>&1 </dev/null; then
        echo "    (run alone it does nothing: it may hang on what ran before)"
    fi
}

declare -A name_of
findings=0 executions=0
# harvest: waits for one of them
harvest() {
    local pid status
    wait -n -p pid
    status=$?
    if [ $status -ne 0 ]; then
        findings=$((findings + 1))
        tell "${name_of[$pid]}"
    fi
}
running=0
for name in "$@"; do
    if [ $running -eq 2 ]; then
        harvest
        running=1
    fi
    fuzz "$name" 2>/dev/null & # what bash says of a death
    name_of[$!]=$name
    running=$((running + 1))
done
while [ $running -gt 0 ]; do
    harvest
    running=$((running - 1))
done

said=
for name in "$@"; do
    count=$(of "$name" number_of_executed_units)
    executions=$((executions + ${count:-0}))
    said+="${said:+, }$name ${count:-?}"
    if [ -z "$count" ] || [ "$count" -lt 100 ]; then
        echo "fuzz-$name ran ${count:-no} inputs in $seconds s: see $folder/$name.log"
        findings=$((findings + 1))
    fi
done

# Both parsers of JSON must get the same from each line.
agreed=
if [[ " $* " == *' write '* ]]; then
    samples=$folder/samples
    rm -f "$samples"
    FUZZ_SAMPLES=$samples "$build/tests/fuzz/replay-write" "$folder/found/write" \
        tests/fuzz/corpus/write >"$folder/samples.log" 2>&1
    if ! agreed=$(python3 tests/fuzz/agree.py "$samples" 2>&1); then
        echo "$agreed" | tail -n 20
        findings=$((findings + 1))
        agreed='the parsers of JSON disagree'
    fi
fi

echo "figure: $findings findings in $executions inputs, $seconds s each ($said)${agreed:+; $agreed}"
[ $findings -eq 0 ]
