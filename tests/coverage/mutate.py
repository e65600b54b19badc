"""Changes the sources in small ways, one at a time, and sees whether a test fails.

    mutate.py [--sample N] [--seed N] [--list] [--memory-order] [FILE...]

Each mutant is compiled in a copy of the tree and run against unit-tests (platform-tests for
what only these have): first the tests that name the file's header, then all. One that hangs is
killed as well. FILES are monitor/*.c and the pure files of platform/linux by default.

A survivor that no test can see is listed with its reason in tests/coverage/survivors, a line
each: FILE | OPERATOR | line of the source | what it became | why. It is not counted. What
would do the same everywhere is not made (without_effect). All is built so that undefined
behaviour, a look past an array above all, ends the program.
Mutants of memory orders are a sample of their own (--memory-order): on x86 most of them are
the same instructions, and tests/litmus judges the protocol.

Ends with 1 when less than 90 % were killed.
"""
import argparse
import collections
import errno
import glob
import os
import random
import re
import resource
import shutil
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
MARK = 90
PURE = [f'platform/linux/{name}.c' for name in ('parse', 'shape', 'calls')]
STORY = ['story-tests', 'act', 'loader', 'sinks', 'storm', 'plain', 'instrumented',
         'instrumented-static', 'instrumented-module.so']
PROGRAMS = {'unit': ['tests/unit/unit-tests'], 'platform': ['tests/platform/platform-tests'],
            'faked': ['tests/platform/faked-tests'],
            'story': [f'tests/story/{name}' for name in STORY] + ['monitor/tool/heartline']}
# The thread, start, stop and fork are seen in real programs only.
LIVES = '@(lifecycle|forks|output|pauses|launcher)/*'
SLOWEST = ('report', 'wake', 'stall')  # suites; they come last

TOKEN = re.compile(r'''(?P<skip>/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|
    ^[ ]*\#(?:\\\n|[^\n])*)|(?P<name>[A-Za-z_]\w*)|(?P<number>\d\w*)|
    (?P<mark><<=?|>>=?|->|\+\+|--|&&|\|\||[-+*/<>=!&|^%]=|[^\s\w])''', re.S | re.M | re.X)
COMPARISONS = {'<': '<=', '<=': '<', '>': '>=', '>=': '>', '==': '!=', '!=': '=='}
ARITHMETIC = {'+': '-', '-': '+', '+=': '-=', '-=': '+=', '++': '--', '--': '++'}
LOGIC = {'&&': '||', '||': '&&'}
ORDERS = {'hl_acquire': 'hl_get', 'hl_release': 'hl_put',
          'memory_order_acquire': 'memory_order_relaxed',
          'memory_order_release': 'memory_order_relaxed'}
STATEMENT = re.compile(r'^[ ]+(?!return\b|goto\b|struct\b|case\b|do\b|else\b)'
                       r'[\w*][\w\->.\[\]*]*(?:\(.*\)| [-+|&]?= [^{]*|\+\+|--);$')

# Of two that are equal it does not matter which is taken; nor which element's size.
CHOICE = re.compile(r'(?:return |= |[(\[]|, |&& |\|\| )([^?:;=&|\n]+?) [<>]=? ([^?:;=&|\n]+?) \?\s'
                    r'(?:\(\w+\))?(?:\1 : \2|\2 : \1|\1 - \2 : 0)(?=[;,)\]])')
HIGHEST = re.compile(r'if \(([\w>.\-]+) [<>] ([\w>.\-]+)\)\s+(?:\1 = \2|\2 = \1);')
SIZE = re.compile(r'sizeof [\w>.\-*]*\[\d+\]')
# What is fetched ahead of its use only comes faster.
AHEAD = re.compile(r'^\w[^\n]*\b(?:\w+_)?fetch(?:_\w+)?\([^;{]*\)\n\{.*?^\}', re.S | re.M)

Mutant = collections.namedtuple('Mutant', 'file operator at end text')


def matching(tokens, first):
    """The index of the bracket that closes the one at `first`."""
    depth = 0
    for index in range(first, len(tokens)):
        depth += {'(': 1, ')': -1}.get(tokens[index].group(), 0)
        if depth == 0:
            return index
    return None


def without_effect(source):
    """Places at which a mutant would do the same."""
    alike = set()
    for ahead in AHEAD.finditer(source):
        alike.update(range(*ahead.span()))
    for choice in CHOICE.finditer(source):
        alike.add(choice.end(1) + 1)
    for highest in HIGHEST.finditer(source):
        alike.add(highest.end(1) + 1)
    for size in SIZE.finditer(source):
        alike.add(source.rindex('[', 0, size.end()) + 1)
    return alike


def mutants_of(path, source):
    alike = without_effect(source)
    tokens = [token for token in TOKEN.finditer(source) if not token['skip']]
    depth = 0
    for index, token in enumerate(tokens):
        text = token.group()
        depth += {'{': 1, '}': -1}.get(text, 0)
        if depth == 0 or token.start() in alike:
            continue
        before = tokens[index - 1] if index else None
        is_after_value = before and (before['name'] or before['number'] or before.group() in ')]')

        def mutant(operator, replacement, end=token.end(), at=token.start()):
            return Mutant(path, operator, at, end, replacement)

        if text in COMPARISONS and is_after_value:
            yield mutant('comparison', COMPARISONS[text])
        elif text in LOGIC:
            yield mutant('logic', LOGIC[text])
        elif text in ARITHMETIC and (is_after_value or text in ('++', '--')):
            yield mutant('arithmetic', ARITHMETIC[text])
        elif token['number'] and re.fullmatch(r'\d+', text):
            yield mutant('constant', str(int(text) + 1))
        elif text in vars(errno):
            yield mutant('errno', 'ENOMEM' if text == 'EINVAL' else 'EINVAL')
        elif text in ORDERS:
            yield mutant('memory order', ORDERS[text])
        elif text in ('if', 'while') and tokens[index + 1].group() == '(':
            close = matching(tokens, index + 1)
            begin, end = tokens[index + 1].start(), tokens[close].end()
            yield mutant('condition', f'(!{source[begin:end]})', end, begin)
    at = 0
    for line in source.splitlines(keepends=True):
        if STATEMENT.match(line.rstrip('\n')) and is_outside_comment(source, at) and at not in alike:
            yield Mutant(path, 'statement', at, at + len(line.rstrip('\n')), '    ;')
        at += len(line)


def is_outside_comment(source, at):
    return source.rfind('/*', 0, at) <= source.rfind('*/', 0, at)


def line_of(source, mutant):
    begin = source.rfind('\n', 0, mutant.at + 1) + 1
    return ' '.join(source[begin:source.find('\n', mutant.at + 1)].split())


def changed_line(source, mutant):
    begin = source.rfind('\n', 0, mutant.at + 1) + 1
    changed = source[begin:mutant.at] + mutant.text + source[mutant.end:]
    return ' '.join(changed[:changed.find('\n', len(mutant.text) + mutant.at - begin)].split())


def identity_of(mutant, sources):
    source = sources[mutant.file]
    return ' | '.join((mutant.file, mutant.operator, line_of(source, mutant),
                       changed_line(source, mutant)))


class Workshop:
    """A copy of the tree with a build of its own."""

    def __init__(self, folder):
        self.folder = folder
        self.build = os.path.join(folder, 'build')
        shutil.rmtree(folder, ignore_errors=True)
        listed = self.output(['git', '-C', ROOT, 'ls-files', '-co', '--exclude-standard'])
        for name in listed.splitlines():
            if os.path.isfile(os.path.join(ROOT, name)):
                os.makedirs(os.path.dirname(os.path.join(folder, name)), exist_ok=True)
                shutil.copy2(os.path.join(ROOT, name), os.path.join(folder, name))
        self.output(['meson', 'setup', self.build, folder, '-Dtests=enabled',
                     '-Doptimization=0', '-Ddebug=false', '-Dwerror=false',
                     '-Dc_args=-fsanitize=undefined -fsanitize-undefined-trap-on-error'])

    @staticmethod
    def output(command):
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        if result.returncode:
            sys.exit(f'{" ".join(command)}: {result.stdout}{result.stderr}')
        return result.stdout

    def compiles(self, program):
        return subprocess.run(['ninja', '-C', self.build, *PROGRAMS[program]],
                              capture_output=True, check=False).returncode == 0

    def passes(self, program, tests, at_most_s, cpu_s):
        """Not when it takes longer, or one of its processes more CPU time: then it hangs."""
        command = [f'{self.build}/{PROGRAMS[program][0]}', '--quiet', '--fail-fast',
                   '--filter', tests] + (['-j1'] if program in ('platform', 'story') else [])
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                 stderr=subprocess.DEVNULL, start_new_session=True,
                                 preexec_fn=lambda: resource.setrlimit(
                                     resource.RLIMIT_CPU, (cpu_s, cpu_s)))
        try:
            return child.wait(at_most_s) == 0
        except subprocess.TimeoutExpired:
            return False
        finally:
            try:  # whatever it left behind
                os.killpg(child.pid, 9)
            except ProcessLookupError:
                pass
            child.wait()


def stages_of(path):
    """Pairs of program and tests, those first that are likely to see the file's mutants."""
    if path.startswith('platform/') and path not in PURE and path != 'platform/frames.c':
        return [('faked', '*/*'), ('platform', '*/*')]
    name = os.path.basename(path)[:-2]
    own, others = set(), set()
    for test in glob.glob(os.path.join(ROOT, 'tests/unit/test_*.c')):
        with open(test, encoding='utf-8') as text:
            source = text.read()
        suites = set(re.findall(r'^(?:Parameterized)?Test\((\w+),', source, re.M))
        if test.endswith(f'/test_{name}.c'):
            own |= suites
        elif f'/{name}.h"' in source:
            others |= suites - set(SLOWEST)
    steps = [f'@({"|".join(sorted(suites))})/*' for suites in (own, others) if suites]
    steps += [f'!({"|".join(SLOWEST)})/*', f'@({"|".join(SLOWEST)})/*']
    stages = [('unit', step) for step in steps]
    return stages[:1] + [('story', LIVES)] + stages[1:] if name in ('monitor', 'preload') else stages


def cpu_of_children():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def read_explained():
    explained = set()
    with open(os.path.join(ROOT, 'tests/coverage/survivors'), encoding='utf-8') as lines:
        for line in lines:
            if line.strip() and not line.startswith('#'):
                mutant, _, reason = line.strip().rpartition(' | ')
                if mutant.count(' | ') < 3 or not reason:
                    sys.exit(f'tests/coverage/survivors: not five parts: {line}')
                explained.add(mutant)
    return explained


class Trial:
    def __init__(self, sources):
        self.sources = sources
        self.workshop = Workshop(os.path.join(ROOT, 'build', f'mutants-{os.getpid()}'))
        self.limits = {}
        for program in sorted({stage[0] for path in sources for stage in stages_of(path)}):
            self.measure(program)

    def measure(self, program):
        """So long it may take with a mutant; a test that fails without one would kill them all."""
        if not self.workshop.compiles(program):
            sys.exit(f'{program}-tests do not compile')
        began, used = time.monotonic(), cpu_of_children()
        if not self.workshop.passes(program, LIVES if program == 'story' else '*/*', 3600, 3600):
            sys.exit(f'{program}-tests fail without a mutant')
        self.limits[program] = (60 + 10 * (time.monotonic() - began),
                                10 + int(cpu_of_children() - used))

    def fate(self, mutant):
        """killed, survived, or nothing where it does not compile."""
        path = os.path.join(self.workshop.folder, mutant.file)
        source = self.sources[mutant.file]
        try:
            with open(path, 'w', encoding='utf-8') as file:
                file.write(source[:mutant.at] + mutant.text + source[mutant.end:])
            for program, tests in stages_of(mutant.file):
                if not self.workshop.compiles(program):
                    return None
                if not self.workshop.passes(program, tests, *self.limits[program]):
                    return 'killed'
            return 'survived'
        finally:
            with open(path, 'w', encoding='utf-8') as file:
                file.write(source)


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument('--sample', type=int, default=250)
    arguments.add_argument('--seed', type=int, default=1)
    arguments.add_argument('--list', action='store_true')
    arguments.add_argument('--memory-order', action='store_true')
    arguments.add_argument('files', nargs='*')
    options = arguments.parse_args()
    os.chdir(ROOT)
    sources = {}
    for path in options.files or sorted(glob.glob('monitor/*.c')) + PURE:
        with open(path, encoding='utf-8') as file:
            sources[path] = file.read()

    everything = [mutant for path, source in sources.items() for mutant in mutants_of(path, source)
                  if (mutant.operator == 'memory order') == options.memory_order]
    chosen = random.Random(options.seed).sample(everything, min(options.sample, len(everything)))
    print(f'{len(chosen)} of {len(everything)} mutants, seed {options.seed}', flush=True)
    explained = read_explained()
    if options.list:
        for mutant in chosen:
            print(identity_of(mutant, sources))
        return 0
    trial = Trial(sources)

    fates = collections.defaultdict(collections.Counter)
    log = open('build/mutants.log', 'w', encoding='utf-8')  # each of them
    for mutant in chosen:
        identity = identity_of(mutant, sources)
        fate = 'explained' if identity in explained else trial.fate(mutant)
        fates[mutant.file][fate] += 1
        print(fate or 'not compiled', identity, file=log, flush=True)
        if fate == 'survived':
            print('survived:', identity, flush=True)
    log.close()
    shutil.rmtree(trial.workshop.folder)

    for path, counts in sorted(fates.items()):
        print(f'{counts["killed"]:4} of {counts["killed"] + counts["survived"]:<4} {path}')
    total = sum(fates.values(), collections.Counter())
    judged = total['killed'] + total['survived']
    print(f'{total["explained"]} explained, {total[None]} do not compile')
    print(f'figure: {total["killed"]} of {judged} mutants killed (seed {options.seed})')
    return 0 if judged and total['killed'] * 100 >= judged * MARK else 1


sys.exit(main())
