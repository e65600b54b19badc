"""The programs that reach.py runs: each for some seconds, with results that can be compared."""
import dataclasses
import glob
import hashlib
import os
import re
import shutil
import sys
import time
from typing import Callable


@dataclasses.dataclass
class Program:
    name: str
    needs: list
    run: Callable

    def missing(self):
        return next((tool for tool in self.needs if not find(tool)), None)


def find(tool):
    """Also where Debian keeps PostgreSQL's."""
    homes = sorted(glob.glob(f"/usr/lib/postgresql/*/bin/{tool}"))
    return homes[-1] if homes else shutil.which(tool, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")


def masked(text):
    """Without what differs from run to run: numbers, and the blanks that make room for them."""
    return re.sub(rb"[ \t]+", b" ", re.sub(rb"[0-9]+(\.[0-9]+)?", b"N", text))


def write(run, name, text):
    with open(run.path(name), "w", encoding="utf-8") as file:
        file.write(text)
    return name


def digest(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def keep_files(run, pattern):
    for path in sorted(glob.glob(run.path(pattern))):
        run.keep(os.path.basename(path), digest(path))


# ---- programs that compute, and end ---------------------------------------------------------

NOISE = """
import random, sys
random.seed(7)
words = [bytes(random.choices(range(97, 123), k=random.randint(2, 9))) for _ in range(5000)]
with open(sys.argv[1], "wb") as out:
    for _ in range(int(sys.argv[2])):
        out.write(b" ".join(random.choices(words, k=4000)) + b"\\n")
"""


def xz(run):
    run.other([sys.executable, "-c", NOISE, run.path("text"), "700"])
    run.call(["xz", "-T0", "-k", "--verbose", "--block-size=4MiB", "text"], clean=masked)
    keep_files(run, "text.xz")


PYTHON = """
import hashlib, queue, threading
jobs, sums, block = queue.Queue(), {}, bytes(60_000_000)
for job in range(400):
    jobs.put(job)
def work():
    while True:
        try:
            job = jobs.get_nowait()
        except queue.Empty:
            return
        sums[job] = hashlib.sha256(memoryview(block)[job:]).hexdigest()
threads = [threading.Thread(target=work) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(*sorted(sums.items()), sep="\\n")
raise SystemExit(3)
"""


def python(run):
    run.call([sys.executable, write(run, "work.py", PYTHON)])


NODE = """
const { Worker, isMainThread, parentPort, workerData } = require('worker_threads');
const crypto = require('crypto');
if (isMainThread) {
    const sums = [];
    for (let i = 0; i < 3; i++)
        new Worker(__filename, { workerData: i }).on('message', (sum) => {
            sums.push(sum);
            if (sums.length === 3) {
                console.log(sums.sort().join('\\n'));
                console.error('done');
                process.exitCode = 4;
            }
        });
} else {
    let sum = String(workerData);
    for (let i = 0; i < 3000000; i++)
        sum = crypto.createHash('sha256').update(sum).digest('hex');
    parentPort.postMessage(sum);
}
"""


def node(run):
    run.call(["node", write(run, "work.js", NODE)])


BASH = """
trap 'echo "interrupted"' USR1
trap 'echo "the end"' EXIT
sum=0 much=$(seq 2000000)
for ((i = 0; i < 3600000; i++)); do
    ((sum = (sum * 31 + i) % 1000003))
done
echo "sum $sum ${#much}"
(kill -USR1 $$; exit 5)
echo "subshell $?"
printf '%s\\n' b a c | sort | tr a-z A-Z | while read -r line; do echo "<$line>"; done
cat <<END
$(seq 5 | paste -sd+)
END
env | grep -c '^LD_PRELOAD=' || true
no-such-command
false || ls /nowhere
exit 7
"""


def bash(run):
    # A child's first instruction finds the environment as it was: the grep counts nothing.
    run.call(["bash", write(run, "work.sh", BASH)])


def image(run):
    run.call(["convert", "-size", "2600x2600", "gradient:red-blue", "-wave", "40x300", "-swirl", "90",
              "-blur", "0x12", "-resize", "50%", "-define", "png:exclude-chunks=date,time", "picture.png"])
    keep_files(run, "*.png")


def stress(run):
    run.call(["stress-ng", "--cpu", "2", "--cpu-method", "matrixprod", "--cpu-ops", "4000", "--vm", "1",
              "--vm-bytes", "64M", "--vm-ops", "200000", "--verify"], clean=masked, children=True)


UNIT = """
#include <math.h>
struct point_{n} {{ double x, y, z; }};
{functions}
double total_{n}(const struct point_{n} *points, int count)
{{
    double sum = 0;
    for (int i = 0; i < count; i++)
        sum += {calls};
    return sum;
}}
"""
FUNCTION = """
static double f{i}_{n}(const struct point_{n} *p, int turns)
{{
    double a = p->x, b = p->y + {i}, c = p->z;
    for (int t = 0; t < turns; t++) {{
        switch ((t * {i} + 3) % 7) {{
        case 0: a = sin(a) * c - b; break;
        case 1: b += a > c ? cos(b) : sqrt(fabs(c)); break;
        case 2: c = a * b + c / (1 + fabs(b)); break;
        case 3: if (a < b) {{ double d = a; a = b; b = d; }} break;
        default: a += b * {i} - c;
        }}
    }}
    return a + b + c;
}}
"""
MAKEFILE = """
objects = $(patsubst %.c,%.o,$(sort $(wildcard unit*.c)))
program: $(objects) main.o
\t$(CC) -o $@ $^ -lm
%.o: %.c
\t$(CC) -O2 -Wall -Wunused -g -c -o $@ $<
"""


def make(run):
    units, functions = 16, 60
    for n in range(units):
        text = UNIT.format(n=n, functions="".join(FUNCTION.format(i=i, n=n) for i in range(functions)),
                           calls=" + ".join(f"f{i}_{n}(&points[i], i)" for i in range(functions)))
        write(run, f"unit{n:02}.c", text)
    write(run, "main.c", "int unused(void) { int nothing; return 0; }\nint main(void) { return 0; }\n")
    write(run, "Makefile", MAKEFILE)
    run.call(["make", "-j2", "--output-sync", "CC=gcc"], children=True,
             clean=lambda text: b"\n".join(sorted(text.splitlines())))
    keep_files(run, "*.o")
    keep_files(run, "program")


# ---- servers ----------------------------------------------------------------------------------


def await_it(what, run):
    until = time.monotonic() + 60
    while True:
        try:
            return run.other(what)
        except RuntimeError:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)


def redis(run):
    socket = run.path("redis.socket")
    client = ["redis-cli", "-s", socket]
    server = run.start(["redis-server", "--port", "0", "--unixsocket", socket, "--save", "", "--appendonly",
                        "no", "--enable-debug-command", "local", "--io-threads", "2"])
    await_it(client + ["ping"], run)
    run.other(["redis-benchmark", "-s", socket, "-q", "-c", "20", "-n", "60000", "-P", "4", "-t",
               "set,get,incr,lpush,rpush,lpop,sadd,hset,zadd,mset"])
    for question in (["debug", "digest"], ["dbsize"], ["llen", "mylist"], ["strlen", "counter:__rand_int__"],
                     ["config", "get", "maxclients"]):
        run.keep(" ".join(question), run.other(client + question))
    time.sleep(3)  # at rest
    run.other(client + ["shutdown", "nosave"])
    run.end(server, clean=masked)


def postgres(run):
    user, data = "postgres", run.path("data")
    at = ["-h", run.folder, "-p", "5999"]
    run.call([find("initdb"), "-D", data, "--auth=trust", "--no-sync", "--locale=C", "-E", "UTF8", "-U", user],
             "initdb", children=True, user=user)
    server = run.start([find("postgres"), "-D", data, "-k", run.folder, "-p", "5999", "-c", "listen_addresses=",
                        "-c", "fsync=off", "-c", "autovacuum=off", "-c", "logging_collector=off"],
                       children=True, user=user)
    await_it([find("pg_isready")] + at, run)
    bench = [find("pgbench"), "-U", user] + at
    run.other(bench + ["-i", "-s", "5", "-q", user], user=user)
    run.other(bench + ["-c", "4", "-j", "2", "-t", "5000", "--random-seed=7", "-n", user], user=user)
    dump = run.other([find("pg_dump"), "-U", user, "--exclude-table-data=pgbench_history"] + at + [user], user=user)
    # Rows lie in the order in which four clients came, and a dump has a random word of its own.
    lines = sorted(line for line in dump.splitlines() if b"restrict" not in line)
    run.keep("dump", hashlib.sha256(b"\n".join(lines)).hexdigest())
    asked = "select count(*), sum(tid), sum(bid), sum(aid), sum(delta) from pgbench_history"
    run.keep("history", run.other([find("psql"), "-U", user, "-Atc", asked] + at + [user], user=user))
    time.sleep(3)
    run.other([find("pg_ctl"), "-D", data, "-m", "fast", "stop"], user=user)
    run.end(server, "postgres", lambda text: masked(re.sub(rb"(?m)^[^L]*(LOG|HINT|FATAL|ERROR)", rb"\1", text)))


ALL = [
    Program("xz", ["xz"], xz),
    Program("python3", [], python),
    Program("node", ["node"], node),
    Program("bash", ["bash", "paste"], bash),
    Program("make", ["make", "gcc"], make),
    Program("imagemagick", ["convert"], image),
    Program("stress-ng", ["stress-ng"], stress),
    Program("redis", ["redis-server", "redis-benchmark", "redis-cli"], redis),
    Program("postgresql", ["initdb", "postgres", "pgbench", "psql", "setpriv"], postgres),
]
