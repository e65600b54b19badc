#!/usr/bin/python3
"""Runs programs that nobody here wrote, without and with `heartline run`, and compares.

    tests/reach/reach.py HEARTLINE [NAME...]

HEARTLINE is the tool, built or installed. For each program of programs.py, or those that are
named, it prints

    - whether output, exit status and results are byte for byte the same;
    - by how much the log's figures differ from those of /usr/bin/time and ps: at most 5 %;
    - the share of the monitor's thread in the program's CPU, at an interval of 1 s: below 1 %.

Ends with 1 when one of these does not hold, with 77 when no program could be run.
"""
import dataclasses
import glob
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time

import programs

MOST_DIFFERENCE = 0.05
MOST_OWN_SHARE = 0.01
LONGEST_S = 300


# ---- one run ----------------------------------------------------------------------------


class Watch(threading.Thread):
    """Asks ps, and the kernel about the monitor's thread, whenever a heartbeat is logged."""

    def __init__(self, logs):
        super().__init__(daemon=True)
        self.logs = logs
        self.seen = []  # (the heartbeat, what ps said just after it)
        self.own_ns = {}  # by process: CPU of the monitor's thread
        self.places = {}
        self.is_over = threading.Event()

    def run(self):
        while not self.is_over.wait(0.01):
            for path in glob.glob(self.logs + "/*"):
                for line in self.new_lines(path):
                    if line["record"] == "beat":
                        self.look(line)

    def new_lines(self, path):
        with open(path, encoding="utf-8") as log:
            log.seek(self.places.get(path, 0))
            text = log.read()
            whole = text.rfind("\n") + 1
            self.places[path] = log.tell() - len(text[whole:].encode())
        return [json.loads(line) for line in text[:whole].splitlines()]

    def look(self, beat):
        pid = str(beat["pid"])
        columns = ["ps", "-o", "rss=,nlwp=,pcpu=", "-p", pid]
        words = subprocess.run(columns, capture_output=True, text=True, check=False).stdout.split()
        if len(words) == 3:
            self.seen.append((beat, int(words[0]) * 1024, int(words[1]), float(words[2]) / 100))
        for task in glob.glob(f"/proc/{pid}/task/*"):
            try:
                with open(task + "/comm", encoding="utf-8") as name:
                    if name.read() == "heartline\n":
                        with open(task + "/schedstat", encoding="utf-8") as figures:
                            self.own_ns[pid] = int(figures.read().split()[0])
            except OSError:
                pass  # it has ended


def by_user(user):
    """What stands before a command that somebody else runs. Who is not root runs it himself."""
    if user and os.geteuid() == 0:
        return ["setpriv", "--reuid=" + user, "--regid=" + user, "--init-groups"]
    return []


class Run:
    """What a program of programs.py works with. Its folder has the same path in each run."""

    def __init__(self, heartline, folder, logs):
        self.heartline = heartline  # None: without
        self.folder = folder
        self.logs = logs
        self.times = logs + ".times"
        self.results = {}  # what has to be the same, by name

    def path(self, name):
        return os.path.join(self.folder, name)

    def keep(self, name, value):
        self.results[name] = value

    def measured(self, command, children=False, user=None):
        words = ["/usr/bin/time", "-q", "-a", "-o", self.times, "-f", "%U %S %M"] + by_user(user)
        if self.heartline:
            words += [self.heartline, "run", "--interval", "1s", "--format", "json"]
            words += ["--log", self.logs + "/%p"] + ["--children"] * children + ["--"]
        return words + command

    def call(self, command, name="", clean=lambda text: text, **how):
        """The one that is measured, to its end; what it says and how it ends is kept."""
        self.end(self.start(command, **how), name, clean)

    def start(self, command, **how):
        # Files, as a child that outlives it would keep a pipe open.
        with open(self.logs + ".out", "wb") as out, open(self.logs + ".err", "wb") as err:
            return subprocess.Popen(self.measured(command, **how), cwd=self.folder, stdout=out,
                                    stderr=err, stdin=subprocess.DEVNULL)

    def end(self, process, name="", clean=lambda text: text):
        self.keep(name + " status", process.wait(LONGEST_S))
        for which, end in (("output", ".out"), ("errors", ".err")):
            with open(self.logs + end, "rb") as text:
                self.keep(f"{name} {which}", clean(text.read()))

    def other(self, command, user=None, text=None):
        """One that is neither monitored nor measured: a client, say. Returns its output."""
        done = subprocess.run(by_user(user) + command, cwd=self.folder, input=text, timeout=LONGEST_S, check=False,
                              capture_output=True)
        if done.returncode:
            raise RuntimeError(f"{command} ended with {done.returncode}: {done.stderr!r}")
        return done.stdout


# ---- what came out --------------------------------------------------------------------------


@dataclasses.dataclass
class Outcome:
    results: dict
    cpu: float  # seconds, of /usr/bin/time
    peak: int  # bytes
    records: list
    watch: Watch


def run_once(program, heartline, work):
    folder, logs = work + "/folder", work + ("/with" if heartline else "/without")
    shutil.rmtree(folder, ignore_errors=True)
    for path in (folder, logs):
        os.mkdir(path)
        os.chmod(path, 0o777)
    run = Run(heartline, folder, logs)
    watch = Watch(logs)
    watch.start()
    try:
        program.run(run)
    finally:
        watch.is_over.set()
        watch.join()
    with open(run.times, encoding="utf-8") as times:
        lines = [line.split() for line in times]
    records = []
    for path in glob.glob(logs + "/*"):
        with open(path, encoding="utf-8") as log:
            records += [json.loads(line) for line in log]
    cpu = sum(float(user) + float(system) for user, system, _ in lines)
    return Outcome(run.results, cpu, max(int(peak) for _, _, peak in lines) * 1024, records, watch)


def difference(one, other):
    return abs(one - other) / max(one, other) if max(one, other) else 0.0


class Judge:
    def __init__(self):
        self.faults = []

    def same(self, without, with_it):
        for name in without.keys() | with_it.keys():
            if without.get(name) != with_it.get(name):
                self.faults.append(f"{name.strip()}: {without.get(name)!r:.300} without,"
                                   f" {with_it.get(name)!r:.300} with it")
        return f"{len(without)} results the same" if not self.faults else "NOT the same"

    def near(self, what, share):
        if share > MOST_DIFFERENCE:
            self.faults.append(f"{what} differs by {share:.1%}")
        return f"{what} {share:.1%}"

    def own(self, share):
        if share >= MOST_OWN_SHARE:
            self.faults.append(f"the monitor's own CPU is {share:.2%}")
        return f"own CPU {share:.2%}"


def cpu_so_far(records, until):
    return sum(beat["cpu_cores"] * beat["window_ms"] / 1000 for beat in records
               if beat["record"] == "beat" and beat["pid"] == until["pid"]
               and beat["elapsed_ms"] <= until["elapsed_ms"])


def judge_ps(judge, outcome):
    """Heartbeat by heartbeat; the middle one counts, as ps comes some milliseconds later."""
    seen = [one for one in outcome.watch.seen if one[0]["elapsed_ms"] >= 3000]
    if not seen:
        judge.faults.append("ps was never asked")
        return "ps: -"
    rss = statistics.median_low(difference(beat["rss_bytes"], rss) for beat, rss, _, _ in seen)
    threads = statistics.median_low(difference(beat["threads"], count) for beat, _, count, _ in seen)
    cpu = statistics.median_low(
        difference(cpu_so_far(outcome.records, beat) / beat["elapsed_ms"] * 1000, share)
        for beat, _, _, share in seen if share >= 0.05) if any(one[3] >= 0.05 for one in seen) else 0.0
    return f"ps ({len(seen)}x): " + ", ".join((judge.near("rss", rss), judge.near("threads", threads),
                                               judge.near("%cpu", cpu)))


def judge_time(judge, outcome, stops, processes):
    if len(stops) < processes:
        return f"time: cannot be compared, {processes - len(stops)} of {processes} processes left by _exit"
    cpu = sum(stop["cpu_seconds"] for stop in stops)
    peak = max((stop["peak_rss_bytes"] for stop in stops), default=0)
    return f"time ({processes} processes): " + judge.near("cpu", difference(cpu, outcome.cpu)) + ", " + \
        judge.near("peak_rss", difference(peak, outcome.peak))


def judge_all(program, without, with_it):
    judge = Judge()
    words = [judge.same(without.results, with_it.results)]
    stops = [record for record in with_it.records if record["record"] == "stop"]
    processes = len({record["pid"] for record in with_it.records})
    words += [judge_time(judge, with_it, stops, processes), judge_ps(judge, with_it)]
    told = sum(stop["self_cpu_ms"] for stop in stops) / 1000
    seen = sum(with_it.watch.own_ns.values()) / 1e9
    words.append(judge.own(max(told, seen) / with_it.cpu) +
                 f"; CPU {without.cpu:.2f} s without, {with_it.cpu:.2f} s with it")
    return judge, words


# ---- the table ----------------------------------------------------------------------------------


def main(heartline, *names):
    heartline = os.path.realpath(heartline)
    for variable in [name for name in os.environ if name.startswith("HEARTLINE")]:
        del os.environ[variable]
    known = {program.name: program for program in programs.ALL}
    unknown = [name for name in names if name not in known]
    if unknown:
        print(f"there is no program {unknown[0]!r}; there are {', '.join(known)}")
        return 1
    passed = failed = 0
    for program in [known[name] for name in names] or programs.ALL:
        missing = program.missing()
        if missing:
            print(f"{program.name:12} not run  there is no {missing}", flush=True)
            continue
        began = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="reach.") as work:
            os.chmod(work, 0o755)
            without, with_it = run_once(program, None, work), run_once(program, heartline, work)
        judge, words = judge_all(program, without, with_it)
        print(f"{program.name:12} {'FAILED' if judge.faults else 'passed'}   {words[0]}"
              f"  ({time.monotonic() - began:.0f} s)")
        for word in words[1:] + [f"WRONG: {fault}" for fault in judge.faults]:
            print(" " * 22 + word, flush=True)
        passed, failed = passed + (not judge.faults), failed + bool(judge.faults)
    print(f"\nreach: {passed} passed, {failed} failed")
    return 1 if failed else 0 if passed else 77


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
