"""S42: somebody has taken over the process that reads bytes from outside. What he tries in there reaches nothing; without the
sandbox the same does."""
import os
import subprocess

import pytest

from support import runner

PROBE = os.path.join(os.path.dirname(os.path.realpath(runner.program())), "tests/system/worker-probe")

# What a view is for: downloads use the host's network, gpgv is a program.
MEANT = {"tree": [], "nothing": [], "programs": ["fork", "program", "pidfd"], "network": ["tcp"]}
# Kernels may lack these, or refuse them to everybody.
MAYBE = {"bpf", "io_uring", "userfaultfd", "perf", "module", "swap", "packet-socket", "netlink-netfilter", "program"}


def probe(*words):
    done = subprocess.run([PROBE, *words], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done
    lines = [line for line in done.stdout.splitlines() if line.startswith(("ok ", "FAIL "))]
    return {line.split()[1]: line.startswith("FAIL ") for line in lines}, done.stdout


@pytest.mark.parametrize("view", MEANT)
def test_s42_a_worker_that_was_taken_over_reaches_nothing(victim, place, view):
    os.mkdir(place + "/tree")
    reached, out = probe(view, place + "/tree", "/media")
    assert len(reached) > 40, out
    assert [name for name, got in reached.items() if got and name not in MEANT[view]] == [], out
    assert os.listdir(place) == ["tree"] and set(os.listdir(place + "/tree")) <= {"evil", "renamed", "made", "link", "kmsg"}
    victim.check()


def test_s42_control_without_a_sandbox_all_of_that_is_reached(place):
    for name in ("tree", "outside"):
        os.mkdir(os.path.join(place, name))
    for name in ("CANARY", "public"):
        with open(os.path.join(place, "outside", name), "w") as file:
            file.write("canary\n")
    reached, out = probe("control", place + "/tree", place + "/outside")
    assert len(reached) > 40 and [name for name, got in reached.items() if not got and name not in MAYBE] == [], out


def test_s42_another_abi_is_no_way_round_the_filter():
    assert probe("compat")[0].get("compat") in (None, False)
    reached, out = probe("control-compat")
    assert set(reached) == {"compat"}, out
