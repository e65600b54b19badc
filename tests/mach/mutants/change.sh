#!/usr/bin/env bash
# change.sh SOURCE RESULT NAME TEST [WHAT BY_WHAT]...: a copy of SOURCE with each WHAT replaced.
# Each has to be in it exactly once: a mutant that is none any more must not go unnoticed.
set -u
source=$1 result=$2
shift 4
text=$(<"$source") || exit 1
while [ $# -gt 1 ]; do
    case $text in
    *"$1"*"$1"*) echo "more than once in $source: $1" && exit 1 ;;
    *"$1"*) text=${text/"$1"/"$2"} ;;
    *) echo "not in $source any more: $1" && exit 1 ;;
    esac
    shift 2
done
printf '#line 1 "%s"\n%s\n' "${source##*/}" "$text" >"$result"
