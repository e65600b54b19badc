#!/usr/bin/env bash
# A log that the real logrotate rotates while it is written: by renaming, and by emptying.
#
#     tests/checks/rotation.sh ACT
#
# ACT is tests/story/act. Every line must be whole, and every heartbeat that the program counted
# must stand in one of the files. Only with copytruncate may logrotate lose some: what is written
# between its copy and its truncation. So the program is also held still for that time, and then
# none may be missing. Ends with 77 where there is no logrotate.
set -u
act=$1
command -v logrotate >/dev/null || PATH=$PATH:/usr/sbin:/sbin
command -v logrotate >/dev/null || { echo "reason: there is no logrotate"; exit 77; }
. "${0%/*}/begin.sh"
pid=
trap '[ -z "$pid" ] || kill -KILL "$pid" 2>/dev/null; rm -rf "$work"' EXIT
fail() {
    echo "rotation: $name: $*"
    exit 1
}

# start NAME: the program begins to write, 100 heartbeats a second
start() {
    name=$1
    folder=$work/${name// /-}
    log=$folder/run.log
    mkdir "$folder" && mkfifo "$folder/tell" || exit 1
    HEARTLINE_LOG=$log HEARTLINE_FORMAT=json HEARTLINE_INTERVAL=10ms \
        "$act" start push work hear pop stop <"$folder/tell" >"$folder/facts" &
    pid=$!
    exec {tell}>"$folder/tell"
    grow
}

# The file with the log's name gets more lines; within 20 s also on a busy machine.
grow() {
    local turn before
    before=$(count "$log")
    for turn in {1..2000}; do
        [ "$(count "$log")" -gt $((before + 5)) ] && return
        sleep 0.01
    done
    fail "nothing more was written after rotation ${1:-0}"
}

count() { { grep -c '"record":"beat"' "$1" || :; } 2>/dev/null | grep . || echo 0; }

# rotate HOW...: once, by the real one, with these directives
rotate() {
    printf '%s\n' "$log {" "rotate 9" "$@" "}" >"$folder/conf"
    chmod 600 "$folder/conf"
    logrotate --force --state "$folder/state" "$folder/conf" >"$folder/words" 2>&1 ||
        fail "logrotate failed: $(cat "$folder/words")"
}

stop() {
    echo >&"$tell"
    exec {tell}>&-
    wait "$pid" || fail "the program ended with $?"
    pid=
}

# whole FILE...: each line is one record, from its first byte to its last
whole() {
    local file
    for file in "$@"; do
        awk -v file="$file" '
            !/^\{"schema":1,"ts":"[^"]*","pid":[0-9]+,"record":"[A-Za-z]+",.*\}$/ ||
            gsub(/"schema"/, "") != 1 { print file ": line " NR ": " $0; bad = 1 }
            END { exit bad }' "$file" || fail "a line that is torn"
        [ "$(tail -c 1 "$file" | od -An -tx1 | tr -d ' ')" = 0a ] || fail "$file: its last line is torn"
        [ "$(tr -d '\0' <"$file" | wc -c)" = "$(wc -c <"$file")" ] || fail "$file has a hole"
    done
}

# Sets found and counted: heartbeats in all files, and by the program's own account.
tally() {
    local file
    found=0
    for file in "$log"*; do
        found=$((found + $(count "$file")))
    done
    counted=$(sed -n 's/.*"record":"stop".*"beats":\([0-9]*\).*"dropped":0,.*/\1/p' "$log")
    [ -n "$counted" ] || fail "no stop, or lines were dropped: $(tail -n 1 "$log")"
}

# none_missing HOW...: two rotations, after which every heartbeat is there
none_missing() {
    local turn files
    for turn in 1 2; do
        rotate "$@"
        grow $turn
    done
    stop
    files=("$log"*)
    [ ${#files[@]} -eq 3 ] || fail "${#files[@]} files, not 3"
    whole "${files[@]}"
    tally
    [ "$found" -eq "$counted" ] || fail "$found heartbeats in the files, the program wrote $counted"
    echo "$name: 2 rotations, $found of $counted heartbeats there, no line torn"
}

start 'renamed, and made anew by logrotate'
none_missing 'create 0600'
start 'renamed, and made anew by Heartline'
none_missing nocreate
[ "$(stat -c %a "$log")" = 600 ] || fail "made with mode $(stat -c %a "$log")"
start 'emptied while the program stands still'
hold="kill -STOP $pid; while grep -L 'State:.T' /proc/$pid/task/*/status | grep -q .; do sleep 0.01; done"
none_missing copytruncate prerotate "$hold" endscript postrotate "kill -CONT $pid" endscript

# The copy may end within a line, as logrotate says: only there.
start 'emptied while it writes'
for turn in 1 2; do
    rotate copytruncate
    grow $turn
    sed -i '${/}$/!d}' "$log.1"
done
stop
whole "$log"*
tally
[ "$found" -le "$counted" ] && [ "$found" -gt 10 ] || fail "$found of $counted heartbeats"
echo "$name: 2 rotations, $found of $counted heartbeats there, no line torn"
