"""Prints which share of the branches was taken, file by file, and judges it.

    branches.py BRANCHES.json UNREACHED

BRANCHES.json is what gcovr --json writes. UNREACHED lists lines with branches that no test
can take, one in a line: FILE | the line of the source | which branches | why. "Which" is how
many of the line's branches that is about. It is an error when there is no such line with so many
that were not taken: then the source has changed, or a test takes one after all.

Ends with 1 when less than 95 % of the branches was taken, or less than all of a file of EXACT.
"""
import json
import sys

MARK = 95.0
# What a user reads is made by these, of what anybody may have written.
EXACT = {'monitor/' + name for name in ('json.c', 'line.c', 'text.c', 'verdict.c', 'wait_words.c')}
EXACT |= {'platform/linux/' + name for name in ('calls.c', 'parse.c', 'shape.c')}


def read_unreached(path):
    unreached = {}
    with open(path, encoding='utf-8') as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip() or line.startswith('#'):
                continue
            parts = line.rstrip('\n').split(' | ')
            if len(parts) < 4 or not parts[2].isdigit():
                sys.exit(f'{path}:{number}: not FILE | LINE | COUNT | REASON')
            source = ' | '.join(parts[1:-2]).strip()
            unreached[parts[0].strip(), source] = int(parts[-2])
    return unreached


class File:
    """The branches of one source file."""

    def __init__(self, entry, unreached):
        self.name = entry['file']
        self.taken = self.total = self.excused = 0
        self.missing = []
        with open(self.name, encoding='utf-8') as lines:
            self.source = [line.strip() for line in lines]
        for line in entry['lines']:
            self.add(line, unreached)

    def add(self, line, unreached):
        branches = line['branches']
        missing = sum(branch['count'] == 0 for branch in branches)
        text = self.source[line['line_number'] - 1]
        excuse = unreached.get((self.name, text), 0)
        if 0 < excuse <= missing:
            unreached[self.name, text] = 0  # seen
        else:
            excuse = 0
        self.total += len(branches)
        self.taken += len(branches) - missing
        self.excused += excuse
        if missing > excuse:
            self.missing.append((line['line_number'], missing - excuse, text))

    def percent(self):
        return percent(self.taken, self.total - self.excused)


def percent(taken, total):
    """Down, so that 100.0 is all."""
    return int(1000 * taken / total) / 10 if total else 100.0


def main():
    unreached = read_unreached(sys.argv[2])
    with open(sys.argv[1], encoding='utf-8') as report:
        files = [File(entry, unreached) for entry in json.load(report)['files']]
    stale = [f'{key[0]}: {key[1]}' for key, count in unreached.items() if count]
    if stale:
        sys.exit('\n'.join([f'to be taken out of {sys.argv[2]}:'] + stale))

    files = [file for file in files if file.total]
    for file in sorted(files, key=lambda file: file.name):
        excused = f', {file.excused} excused' if file.excused else ''
        print(f'{file.percent():5.1f} %  {file.name} ({file.taken} of {file.total}{excused})')
        for number, count, text in file.missing:
            print(f'             {number}: {count} of {text}')
    if not EXACT <= {file.name for file in files}:
        sys.exit('not all of the files that need 100 % were seen')

    taken, total, excused = (sum(getattr(file, name) for file in files)
                             for name in ('taken', 'total', 'excused'))
    exact = [file for file in files if file.name in EXACT]
    exact_percent = percent(sum(file.taken for file in exact),
                            sum(file.total - file.excused for file in exact))
    everything = percent(taken, total - excused)
    print(f'figure: {everything} % (text, JSON, parsers, verdict {exact_percent:g} %; '
          f'{excused} of {total} cannot be taken)')
    return 0 if everything >= MARK and exact_percent == 100 else 1


sys.exit(main())
