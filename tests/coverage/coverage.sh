#!/usr/bin/env bash
# Which branches the tests take, and which mutants of the sources they see (./dev coverage).
#
#     tests/coverage/coverage.sh [BUILD] [--branches | --mutants] [--sample N] [--seed N]
#
# It makes builds of its own under build/, so BUILD is not needed. Counted is what the
# programs of unit, platform and story do, two of stress, and, where they are there, those
# of harm that fail each call in turn (torture, degraded). Not counted is what a process did
# that ended by a signal, and what the shared library did in one that ended with _exit (a
# forked child of a story): its counters are written at exit, and cannot be reached from outside.
#
# Ends with 1 when a figure is below its mark or a program failed, 77 when a tool is missing.
set -u -o pipefail
cd "$(dirname "$0")/../.." || exit 1
root=$PWD build=build/coverage log=build/log
branches=1 mutants=1 sample=250 seed=1 failures=0
# What takes branches that only a race takes, and those of calls that fail.
races='churn_stress scope_stress' failing='torture degraded'
while [ $# -gt 0 ]; do
    case $1 in
    --branches) mutants=0 ;;
    --mutants) branches=0 ;;
    --sample) sample=$2 && shift ;;
    --seed) seed=$2 && shift ;;
    esac
    shift
done

cannot_run() {
    echo "reason: $*"
    exit 77
}
for tool in gcc gcov gcovr meson ninja python3; do
    command -v $tool >/dev/null || cannot_run "$tool is missing"
done
mkdir -p $log

# must NAME COMMAND...: its words go to a file, and are shown when it fails
must() {
    local words=$log/coverage-$1.log
    shift
    "$@" >"$words" 2>&1 </dev/null && return
    echo "failed with $?: $*"
    tail -n 30 "$words"
    exit 1
}

# Atomic counters, because threads share them. -O0, so that branches are those of the source.
configure() {
    [ -f $build/build.ninja ] && return
    CC=gcc CXX=g++ must setup meson setup $build -Dtests=enabled -Db_coverage=true \
        -Doptimization=0 -Ddebug=true -Dc_link_args=--coverage "-Dc_args=-fprofile-update=atomic -DALWAYS_INLINE=inline -include $root/tests/coverage/exit.h"
}

# A thread that still runs while a process writes its counters leaves some of them one short,
# and the rest, which gcov computes from those, may then be below zero. gcovr stops at that.
# Such a branch counts as not taken.
make_gcov() {
    cat >$build/gcov <<'END'
#!/bin/sh
gcov "$@" || exit
find . -maxdepth 1 -name '*.gcov' -exec sed -i -E 's/taken -[0-9]+/taken 0/' {} +
END
    chmod +x $build/gcov
}

# The programs of tests/ that run below, as far as there are such.
build_programs() {
    local -a programs
    must configure ninja -C $build build.ninja # a new program is known only then
    mapfile -t programs < <(ninja -C $build -t targets all |
        sed -nE 's,^(tests/(unit/unit-tests|platform/(platform|faked)-tests|story/([^.: ]+|plugin\.so)|stress/stress-[a-z_]+|harm/[a-z]+)): .*,\1,p')
    must build ninja -C $build "${programs[@]}"
}

# run NAME COMMAND...: a test that fails is no good news, but its branches were taken.
run() {
    local words=$log/coverage-$1.log name=$1
    shift
    "$@" >"$words" 2>&1 </dev/null
    case $? in
    0) ;;
    77) echo "not run: $name ($(sed -n 's/^reason: //p' "$words"))" ;;
    *)
        echo "failed: $*"
        grep -v '^\[SKIP' "$words" | tail -n 30
        failures=$((failures + 1))
        ;;
    esac
}

run_programs() {
    local name
    # Left by builds of older sources, or by an earlier run.
    find $build -name '*.gcda' -delete
    run unit $build/tests/unit/unit-tests
    run faked $build/tests/platform/faked-tests
    run platform $build/tests/platform/platform-tests -j1
    run story $build/tests/story/story-tests -j1
    for name in $races; do
        run "$name" $build/tests/stress/stress-"$name"
    done
    for name in $failing; do
        [ ! -x $build/tests/harm/"$name" ] || run "$name" $build/tests/harm/"$name" all --short
    done
}

count_branches() {
    configure
    build_programs
    make_gcov
    run_programs
    # The library's objects, and those that unit-tests compiled anew; by-key-tests are
    # another configuration of the same lines.
    must gcovr gcovr -r . --gcov-executable "$root/$build/gcov" \
        --object-directory $build $build/monitor $build/libheartline-platform.a.p \
        $build/tests/unit/unit-tests.p --exclude-throw-branches --exclude-unreachable-branches \
        -f 'monitor/.*' -f 'platform/.*' --json $build/branches.json
    python3 tests/coverage/branches.py $build/branches.json tests/coverage/unreached |
        tee $build/branches.txt
    [ "${PIPESTATUS[0]}" -eq 0 ] && [ $failures -eq 0 ]
}

status=0
if [ $branches = 1 ]; then
    count_branches || status=1
fi
if [ $mutants = 1 ]; then
    python3 tests/coverage/mutate.py --sample "$sample" --seed "$seed" | tee build/mutants.txt
    [ "${PIPESTATUS[0]}" -eq 0 ] || status=1
fi

# last FILE: what it says in its line of figures
last() { sed -n 's/^figure: //p' "$1" 2>/dev/null | tail -n 1; }
figure=
[ $branches = 1 ] && figure="branches $(last $build/branches.txt)"
[ $mutants = 1 ] && figure="${figure:+$figure; }$(last build/mutants.txt)"
echo "figure: $figure"
exit $status
