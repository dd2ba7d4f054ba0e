"""The floor that starts are measured against makes the calls that Redd makes, and no others."""
import os
import re
import subprocess
from collections import Counter

from support import runner

CALLS = "unshare clone3 setns mount umount2 move_mount open_tree fsopen fsconfig fsmount mount_setattr pivot_root".split()


def calls(log, command):
    subprocess.run(["strace", "-f", "-qq", "-e", "trace=" + ",".join(CALLS), "-o", log] + command,
                   check=True, stdin=subprocess.DEVNULL)
    with open(log) as file:
        return Counter(name for name in re.findall(r"^\d+ +(\w+)\(", file.read(), re.M))


def test_the_floor_makes_the_calls_of_redd(redd, fresh, place):
    tree = fresh("busybox")
    floor = runner.compile_static(os.path.join(os.path.dirname(__file__), "floor.c"))
    log = os.path.join(place, "log")
    ours = calls(log, [redd.path, "-q", "-D", tree, "true"])
    assert calls(log, [floor, tree, "/bin/true"]) == ours
