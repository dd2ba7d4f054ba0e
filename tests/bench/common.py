"""What the benchmarks share: trees, a place to run in, a table at the end."""
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.dont_write_bytecode = True

from support import runner, sandbox, trees  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
LONG = runner.LONG


def enter():
    """Everything runs where crun and runc can: pure cgroup2, private mounts, a cgroup of its own. Trees are made before."""
    if os.geteuid() != 0:
        sys.exit("benchmarks need root")
    os.environ["REDD_TEST_CGROUP"] = "pure"
    os.environ["REDD_PROGRAM"] = program = os.path.realpath(runner.program())
    if not os.access(program, os.X_OK):
        sys.exit("no program to measure at %s (set REDD_BUILD)" % program)
    sandbox.enter([sys.executable, *sys.argv], program)


def need(*names):
    """A peer that is missing is a failure, not a gap in the table."""
    found = [shutil.which(name) for name in names]
    missing = [name for name, path in zip(names, found) if not path]
    if missing:
        sys.exit("missing, so nothing can be compared: " + ", ".join(missing))
    return found


def hyperfine(commands, runs, warmup=3):
    """One run over all commands (NAME: argv), by the medians in milliseconds."""
    with tempfile.NamedTemporaryFile(suffix=".json") as export:
        argv = ["hyperfine", "-N", "--style", "none", "--warmup", str(warmup), "--runs", str(runs), "--export-json", export.name]
        for name, command in commands.items():
            argv += ["--command-name", name, " ".join(command)]
        done = subprocess.run(argv, capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit("hyperfine failed:\n" + done.stdout + done.stderr)
        document = json.load(open(export.name))
    return {result["command"]: result["median"] * 1000 for result in document["results"]}


def at_rest(commands, runs, pause=0.1):
    """Medians in milliseconds, by name: until the command's first byte, and until its end. Each run finds the host at rest:
    for some tens of milliseconds after a container the kernel still tidies up, and what waits for all processors is fast."""
    first = runner.compile_static(os.path.join(HERE, "first.c"))
    found = {name: [] for name in commands}
    for _ in range(runs):
        for name, command in commands.items():
            time.sleep(pause)
            done = subprocess.run([first, "1", *command], capture_output=True, text=True)
            if done.returncode != 0:
                sys.exit("%s does not run:\n%s" % (name, done.stderr))
            found[name].append([float(word) for word in done.stdout.split()])
    return {name: [median([row[i] for row in rows]) for i in (0, 1)] for name, rows in found.items()}


NOISE = 1.5


def noise_here(measured, usual):
    """What a short run allows to milliseconds on this machine: NOISE, and as much more as it took for what is not Redd's, in the
    same run, than the USUAL time (that of the machine for which the limits are). At most four times that."""
    return NOISE * min(4, max(1, measured / usual))


class Limits:
    """Collects what was promised and whether it holds."""

    def __init__(self):
        self.lines, self.broken = [], 0

    def check(self, text, value, limit, unit="", noisy=False, floor=None, noise=NOISE):
        """noisy: a time, measured beside whatever else the machine does. The few runs of a short benchmark may be off by
        NOISE before they fail (less where both sides of a ratio had the same weather); what is printed is the limit itself, and --long allows nothing. floor: what even the bare
        kernel calls take; a limit below that is reported and cannot be broken."""
        word = "ok" if value <= limit else "OVER"
        if word == "OVER" and floor is not None and floor > limit:
            word, text = "----", "%s (the floor alone: %.3f)" % (text, floor)
        elif word == "OVER" and noisy and not LONG and value <= limit * noise:
            word = "near"
        self.broken += word == "OVER"
        self.lines.append("%-4s %-62s %9.3f of %.3f%s" % (word, text, value, limit, " " + unit if unit else ""))

    def chances(self, judge, *arguments):
        """JUDGE(Limits, *ARGUMENTS) measures and checks. A short run shares its machine with whatever else is going on: what it
        judges gets a second and a third chance."""
        for _ in range(1 if LONG else 3):
            tried = Limits()
            result = judge(tried, *arguments)
            if not tried.broken:
                break
        self.lines += tried.lines
        self.broken += tried.broken
        return result

    def done(self):
        print()
        print("\n".join(self.lines))
        sys.exit(1 if self.broken else 0)


def memory(pid):
    """KiB: private dirty and proportional size of a process."""
    found = {}
    with open("/proc/%d/smaps_rollup" % pid) as file:
        for line in file:
            word = line.split()
            if word[0] in ("Private_Dirty:", "Pss:", "Rss:"):
                found[word[0][:-1]] = int(word[1])
    return found


def descriptors(pid):
    return len(os.listdir("/proc/%d/fd" % pid))


def median(values):
    return statistics.median(values)
