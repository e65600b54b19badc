#!/usr/bin/python3
"""What a terminal, a signal and a full disk do to a program is the same under `heartline run`.

    tests/reach/terminal.py HEARTLINE

Each scene is played twice in a bash of its own on a pseudo-terminal, without and with the tool;
what the screen shows, and what is left behind, must be the same. Ends with 77 where there is no
bash, or no pexpect.
"""
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

try:
    import pexpect
except ImportError:
    print("reason: there is no pexpect (Debian: python3-pexpect)")
    sys.exit(77)

PROMPT = "ready> "
SECONDS = 30

# What a program can see of its terminal, and of the signals that it has inherited.
LOOK = """
import os, resource, sys, time
print(*(os.isatty(n) for n in range(3)), os.get_terminal_size(), os.tcgetpgrp(0) == os.getpgrp())
print(os.getsid(0) == os.getppid(), sys.argv[1:], os.umask(0), os.getcwd())
status = dict(line.split(":\\t") for line in open("/proc/self/status").read().splitlines() if ":\\t" in line)
print(*(status[key] for key in ("SigBlk", "SigIgn", "NoNewPrivs", "Seccomp")))
of_threads = 3 << 31  # the C library's own signals, in every program with threads
print(hex(int(status["SigCgt"], 16) & ~of_threads))
print(os.open("/dev/null", os.O_RDONLY), resource.getrlimit(resource.RLIMIT_NOFILE))
time.sleep(0.1)
"""
# Says what it gets, into a file, as its terminal may have gone.
LISTEN = """
import os, signal, sys, time
def note(number, frame):
    with open(sys.argv[1], "a") as file:
        print(signal.Signals(number).name, file=file)
    if number == signal.SIGHUP:
        sys.exit(9)
for number in (signal.SIGHUP, signal.SIGCONT, signal.SIGWINCH):
    signal.signal(number, note)
print("listening", flush=True)
while True:
    time.sleep(0.05)
"""
# Fills what is left of a disk, and says how.
FILL = """
import os, sys, time
time.sleep(0.2)
written = 0
try:
    with open(sys.argv[1], "wb", buffering=0) as file:
        while True:
            written += file.write(bytes(4096))
except OSError as error:
    print("filled:", error, written > 0)
try:
    print("more", file=open("more", "w"))
except OSError as error:
    print("more:", error)
sys.exit(6)
"""


class Scene:
    """A bash on a terminal. What it shows is kept, without the command that it was given."""

    def __init__(self, folder, launcher, wrapper):
        self.folder = folder
        self.launcher = launcher
        self.shown = []
        environment = {"PATH": os.environ["PATH"], "PS1": PROMPT, "TERM": "dumb", "LC_ALL": "C",
                       "HOME": folder}
        command = wrapper + ["bash", "--norc", "--noprofile", "--noediting", "-i"]
        self.bash = pexpect.spawn(command[0], command[1:], cwd=folder, env=environment, timeout=SECONDS,
                                  encoding="utf-8", dimensions=(24, 80))
        self.await_prompt()
        self.shown.clear()

    def await_prompt(self):
        self.await_text(PROMPT)

    def await_text(self, text):
        self.bash.expect_exact(text)
        self.shown.append(self.bash.before + text)

    def run(self, command):
        """Gives bash a command, whose first word is the program; bash's echo of it is dropped."""
        self.line(self.launcher + command)

    def line(self, text):
        self.bash.sendline(text)
        self.bash.expect_exact(text + "\r\n")

    def key(self, letter):
        self.bash.sendcontrol(letter)

    def status(self):
        self.line("echo status $?")
        self.await_text("status ")
        self.await_prompt()

    def transcript(self):
        """Without what differs from run to run: the tool's name, the folder's, and process ids."""
        text = "".join(self.shown).replace(self.launcher, "").replace(self.folder, "FOLDER")
        return re.sub(r"(?m)^((?:ready> )?\[[0-9]+\]) [0-9]+\r?$", r"\1 PID", text)

    def log(self):
        """As its bash sees it: a disk may be mounted there alone."""
        for root in (f"/proc/{self.bash.pid}/root", ""):
            for name in ("run.log", "disk/run.log"):
                try:
                    with open(f"{root}{self.folder}/{name}", encoding="utf-8") as file:
                        return file.read()
                except OSError:
                    pass
        return ""

    def close(self):
        self.bash.close(force=True)


# ---- the scenes -----------------------------------------------------------------------------


def looks_around(scene):
    scene.run(f"{sys.executable} look.py 'a b' '' --log=x")
    scene.await_prompt()
    scene.status()


def is_interrupted(scene):
    """Ctrl-C: one that does not care, one that handles it, and Ctrl-\\."""
    scene.run("sleep 100")
    time.sleep(0.3)
    scene.key("c")
    scene.await_prompt()
    scene.status()
    scene.run(f"{sys.executable} -c 'import time; print(1, flush=True); time.sleep(100)'")
    scene.await_text("1\r\n")
    scene.key("c")
    scene.await_prompt()
    scene.status()
    scene.line("ulimit -c 0")
    scene.await_prompt()
    scene.run("sleep 100")
    time.sleep(0.3)
    scene.key("\\")
    scene.await_prompt()
    scene.status()


def is_stopped(scene):
    """Ctrl-Z, jobs, fg and bg; what is typed reaches the program in between."""
    scene.run("cat")
    scene.bash.sendline("before")
    scene.await_text("before\r\nbefore\r\n")
    scene.key("z")
    scene.await_prompt()
    scene.status()
    scene.line("jobs")
    scene.await_prompt()
    scene.line("fg")
    scene.await_text("cat")
    scene.bash.sendline("behind")
    scene.await_text("behind\r\nbehind\r\n")
    scene.key("d")
    scene.await_prompt()
    scene.status()
    scene.run("sleep 1")
    time.sleep(0.3)
    scene.key("z")
    scene.await_prompt()
    scene.line("bg; wait %1; echo waited $?")
    scene.await_text("waited ")
    scene.await_prompt()


def reads_from_behind(scene):
    """A background process that reads from the terminal is stopped by it."""
    scene.run(f"{sys.executable} -c 'import sys, time; time.sleep(0.2); sys.stdin.read()' &")
    scene.await_prompt()
    time.sleep(0.7)
    scene.line("jobs; kill %1; fg; true")
    scene.await_prompt()


def is_killed(scene):
    for name in ("KILL", "TERM", "SEGV", "USR1"):
        scene.run("sleep 100 &")
        scene.await_prompt()
        time.sleep(0.3)
        scene.line(f"kill -{name} $!; wait $!; echo status $?")
        scene.await_text("status ")
        scene.await_prompt()


def is_resized(scene):
    scene.run(f"{sys.executable} listen.py heard")
    scene.await_text("listening\r\n")
    scene.bash.setwinsize(40, 100)
    await_line(scene, "heard", "SIGWINCH")
    scene.key("z")
    scene.await_prompt()
    scene.line("fg")
    await_line(scene, "heard", "SIGCONT")
    scene.key("c")
    scene.await_prompt()


def loses_its_terminal(scene):
    """One that handles SIGHUP, and one in the background that does not."""
    scene.run("sleep 100 & echo $! >sleeper")
    scene.await_prompt()
    scene.run(f"{sys.executable} listen.py heard")
    scene.await_text("listening\r\n")
    scene.bash.close(force=False)  # closes the terminal
    await_line(scene, "heard", "SIGHUP")
    with open(os.path.join(scene.folder, "sleeper"), encoding="utf-8") as file:
        sleeper = int(file.read())
    until = time.monotonic() + SECONDS
    while os.path.exists(f"/proc/{sleeper}") and state_of(sleeper) != "Z" and time.monotonic() < until:
        time.sleep(0.02)
    scene.shown.append("the sleeper lives on" if state_of(sleeper) not in ("", "Z") else "both have gone")


def state_of(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            return file.read().rsplit(")", 1)[1].split()[0]
    except OSError:
        return ""


def fills_the_disk(scene):
    """Its log is on the disk that the program fills."""
    scene.line("cd disk")
    scene.await_prompt()
    scene.run(f"{sys.executable} ../fill.py all")
    scene.await_prompt()
    scene.status()
    scene.line("ls all more")
    scene.await_prompt()


def await_line(scene, name, line):
    path, until = os.path.join(scene.folder, name), time.monotonic() + SECONDS
    while time.monotonic() < until:
        if os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                if line in file.read().split():
                    scene.shown.append(f"{name}: {line}\n")
                    return
        time.sleep(0.02)
    scene.shown.append(f"{name}: no {line}\n")


SCENES = [looks_around, is_interrupted, is_stopped, reads_from_behind, is_killed, is_resized,
          loses_its_terminal, fills_the_disk]


# ---- playing them -------------------------------------------------------------------------------

# A disk of its own, in a mount namespace of its own, so that nothing is left behind.
SMALL_DISK = ["unshare", "--mount"] + ["--map-root-user"] * (os.geteuid() != 0) + [
    "sh", "-c", 'mount -t tmpfs -o size=256k none disk && exec "$@"', "sh"]


def has_small_disk(folder):
    os.makedirs(folder + "/disk", exist_ok=True)
    return subprocess.run(SMALL_DISK + ["true"], cwd=folder, capture_output=True, check=False).returncode == 0


def play(scene_of, heartline, folder):
    """Returns what was seen, and the log."""
    on_disk = scene_of is fills_the_disk
    os.makedirs(folder + "/disk")
    for name, text in (("look.py", LOOK), ("listen.py", LISTEN), ("fill.py", FILL)):
        with open(f"{folder}/{name}", "w", encoding="utf-8") as file:
            file.write(text)
    log = folder + ("/disk" if on_disk else "") + "/run.log"
    launcher = f"{heartline} run --interval 20ms --log {log} " if heartline else ""
    scene = Scene(folder, launcher, SMALL_DISK if on_disk else [])
    try:
        scene_of(scene)
        return scene.transcript(), scene.log()
    except (pexpect.TIMEOUT, pexpect.EOF):
        return scene.transcript() + f"\nand then waited in vain: {scene.bash.buffer!r}", scene.log()
    finally:
        scene.close()


def play_afresh(scene_of, heartline):
    with tempfile.TemporaryDirectory(prefix="scene.") as work:
        return play(scene_of, heartline, work + "/here")


def main(heartline):
    heartline = os.path.realpath(heartline)
    failed = played = 0
    with tempfile.TemporaryDirectory(prefix="scene.") as work:
        scenes = [scene for scene in SCENES if scene is not fills_the_disk or has_small_disk(work)]
    for scene in [scene for scene in SCENES if scene not in scenes]:
        print(f"not run: {scene.__name__} (a small disk may not be mounted here)")
    for scene in scenes:
        (without, _), (with_it, log) = play_afresh(scene, None), play_afresh(scene, heartline)
        played += 1
        if without == with_it and " beat " in log and "in vain" not in without:
            print(f"the same: {scene.__name__}")
            continue
        failed += 1
        print(f"NOT the same: {scene.__name__}\n---- without\n{without}\n---- with it\n{with_it}"
              f"\n---- log\n{log[:2000]}")
    print(f"terminal: {played - failed} of {played} scenes are the same")
    return 1 if failed or not played else 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    if not shutil.which("bash"):
        print("reason: there is no bash")
        sys.exit(77)
    # Who starts this in the background has some of them ignored, and that is handed on.
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU):
        signal.signal(number, signal.SIG_DFL)
    sys.exit(main(sys.argv[1]))
