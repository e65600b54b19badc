#!/usr/bin/env bash
# The names of all functions that the public headers declare, one a line.
cat "$(dirname "$0")"/../../include/heartline/*.h | tr '\n' ' ' |
    grep -oE 'MONITOR_API [^;(]*\bmonitor_[a-z_]+\(' | grep -oE 'monitor_[a-z_]+\($' | tr -d '(' | sort -u
