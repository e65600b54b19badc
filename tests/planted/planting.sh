# What the checks of this folder share; `compiler` is set, $1 is the folder to work in.
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
mkdir -p "$1"
work=$(cd "$1" && pwd)
status=0 planted=0 caught=0

# build NAME SOURCE FLAG...
build() {
    local name=$1 source=$2
    shift 2
    "${CC:-$compiler}" -g -O1 "$here/$source" -o "$work/$name" -pthread "$@" || exit 1
}

# build_faultless FLAG...
build_faultless() {
    echo 'int main(void) { return 0; }' >"$work/faultless.c"
    "${CC:-$compiler}" "$work/faultless.c" -o "$work/faultless" "$@" || exit 1
}

# expect_caught WHAT REPORTS KIND COMMAND...: the harness fails, and because of a report
expect_caught() {
    local what=$1 reports=$2 kind=$3
    shift 3
    planted=$((planted + 1))
    if "$@" >"$reports.log" 2>&1; then
        echo "not caught: $what"
        status=1
    elif ! find "$reports" -type f -size +0 -exec cat {} + | grep -qE "$kind"; then
        echo "failed without a report of '$kind': $what"
        cat "$reports.log"
        status=1
    else
        echo "caught: $what"
        caught=$((caught + 1))
    fi
}

# expect_pass WHAT COMMAND...
expect_pass() {
    local what=$1
    shift
    "$@" && return
    echo "faultless, and did not pass: $what"
    status=1
}

# The last line of a check, and its end.
conclude() {
    echo "planted: $caught of $planted caught"
    exit $status
}
