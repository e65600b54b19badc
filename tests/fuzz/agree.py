"""Reads pairs of lines: one that Heartline wrote, and what jansson made of it.

Python's own parser must get the same from both. Ends with 1 at the first that differs.
"""

import json
import math
import sys


def refuse(what):
    raise ValueError("not JSON: " + what)


def unique(pairs):
    keys = [key for key, _ in pairs]
    if len(keys) != len(set(keys)):
        raise ValueError("a key twice")
    return dict(pairs)


def read(line):
    return json.loads(line, object_pairs_hook=unique, parse_constant=refuse)


def same(a, b):
    if isinstance(a, dict) and isinstance(b, dict):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    if isinstance(a, (int, float)) and isinstance(b, (int, float)):
        return math.isclose(a, b, rel_tol=1e-12, abs_tol=1e-12)
    return type(a) is type(b) and a == b


def main(path):
    with open(path, "rb") as file:
        lines = file.read().split(b"\n")
    if lines.pop() != b"" or len(lines) % 2 or not lines:
        sys.exit("no samples, or half a one")
    for ours, theirs in zip(lines[::2], lines[1::2]):
        try:
            agree = same(read(ours.decode("utf-8", "strict")), read(theirs.decode("ascii")))
        except ValueError as error:
            sys.exit(f"{error}: {ours!r}")
        if not agree:
            sys.exit(f"not the same:\n{ours!r}\n{theirs!r}")
    print(f"2 parsers of JSON agree on {len(lines) // 2} lines")


main(sys.argv[1])
