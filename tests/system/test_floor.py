"""The floor of the benchmark does what Redd does: the same namespace, mount and cgroup calls, as often."""
import os
import re

import pytest

from support import runner

FLOOR = os.path.join(runner.TOP, "tests/bench/floor.c")
CALLS = ["clone3", "unshare", "setns", "pivot_root", "mount", "umount2", "fsopen", "fsconfig", "fsmount", "move_mount", "open_tree", "mount_setattr",
         "mkdirat", "mknodat", "symlinkat", "sethostname"]


def counts(redd, place, name, command):
    """Calls that worked, by name."""
    log = os.path.join(place, name)
    done = runner.subprocess.run(["strace", "-f", "-qq", "-o", log, "-e", "trace=" + ",".join(CALLS), *command], capture_output=True, text=True,
                                 env=redd.env, stdin=runner.subprocess.DEVNULL, timeout=60)
    assert done.returncode == 0, done
    found = {}
    for line in open(log):
        call = re.match(r"\d+\s+(?:<\.\.\. )?(\w+)", line)
        if call and re.search(r"= \d", line):
            found[call.group(1)] = found.get(call.group(1), 0) + 1
    return found


def test_the_floor_makes_the_same_calls_as_redd(redd, fresh, place):
    tree = fresh()
    floor = runner.compile_static(FLOOR)
    # the first run makes what later ones find
    redd.run("-q", "-D", tree, "true").ok()
    own = counts(redd, place, "redd", redd.argv("-q", "-D", tree, "true"))
    least = counts(redd, place, "floor", [floor, tree, "/bin/true"])
    assert own == least, {name: (own.get(name, 0), least.get(name, 0)) for name in CALLS if own.get(name, 0) != least.get(name, 0)}
