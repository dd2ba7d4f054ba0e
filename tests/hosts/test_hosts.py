"""The static runner on other kernels and hosts: tests/hosts/smoke inside of virtual machines.

Software emulation of real Debian kernels by default, the oldest that Redd supports and the newest there is.
REDD_LONG=1 adds what lies between, user mode Linux, and hosts with cgroup v1.
"""
import os
import subprocess
import sys

import pytest

# Kernels and images are kept for the next run; what runs, runs inside of a machine.
pytestmark = pytest.mark.leaky("keeps kernels and images")

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
LONG = os.environ.get("REDD_LONG") == "1"
PROGRAM = os.environ.get("REDD_STATIC", os.path.join(TOP, "build-static", "nspawn"))
MACHINECTL = os.path.join(os.path.dirname(PROGRAM), "machinectl")
GONE = (125, 126)  # vmrun's: the machine did not come up, or is no more
HYBRID = ["-a", "systemd.unified_cgroup_hierarchy=0"]
LEGACY = ["-a", "systemd.unified_cgroup_hierarchy=0 systemd.legacy_systemd_cgroup_controller=1"]

# (image, kernel, further options of vmrun)
# User mode Linux has no packet filter: what then does not work is told once.
SHORT = [("busybox", "6.1", []), ("busybox", "sid", []), ("busybox", "uml-sid", [])]
FURTHER = [("busybox", "6.12", []), ("busybox", "uml-6.1", []), ("host", "6.1", []),
           ("host", "6.1", HYBRID), ("host", "6.1", LEGACY)]


def name(host):
    return " ".join([host[0], host[1], *host[2][1:]])


def run(*argv, seconds=600):
    done = subprocess.run([os.path.join(HERE, argv[0]), *argv[1:]], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=seconds, text=True, errors="replace")
    print(done.stdout)
    return done


@pytest.fixture(scope="session")
def tree():
    """The busybox tree of the system tests, as an archive."""
    script = os.path.join(TOP, "tests", "support", "trees.py")
    made = subprocess.run([sys.executable, script, "busybox"], check=True, stdout=subprocess.PIPE, text=True)
    return made.stdout.strip() + ".tar"


def image(kind):
    where = os.environ.get("VMDIR", "/var/cache/redd-tests/hosts")
    if not os.path.exists(os.path.join(where, "img", kind + ".ext4")):
        assert run("build-image", "-i", "systemd" if kind == "host" else kind, kind).returncode == 0


def vmrun(host, tree, *command, puts=()):
    kind, kernel, options = host
    image(kind)
    assert os.path.exists(PROGRAM), "%s is missing: meson setup build-static -Dstatic=true" % PROGRAM
    files = [PROGRAM + ":/usr/local/bin", MACHINECTL + ":/usr/local/bin", os.path.join(HERE, "smoke") + ":/srv", tree + ":/srv"]
    arguments = [word for file in files for word in ("-p", file)]
    for _ in range(3):
        done = run("vmrun", "-k", kernel, "-i", kind, "-c", "-t", "400", *options, *arguments, *command)
        if done.returncode not in GONE:
            break
        # Emulated machines end by themselves now and then, seldom twice: what Redd does to them it does again.
    return done


@pytest.mark.parametrize("host", SHORT + (FURTHER if LONG else []), ids=name)
def test_everything_of_the_short_list_works(host, tree):
    done = vmrun(host, tree, "sh", "/srv/smoke", "/usr/local/bin/nspawn", "/srv/" + os.path.basename(tree))
    assert not [line for line in done.stdout.splitlines() if line.startswith("not ok")]
    assert done.returncode == 0


def test_a_kernel_that_is_too_old_is_refused_with_a_sentence(tree):
    done = vmrun(("busybox", "5.10", []), tree, "sh", "-c",
                 "mkdir -p /srv/tree && tar -xpf /srv/%s -C /srv/tree && nspawn -q -D /srv/tree true"
                 % os.path.basename(tree))
    assert done.returncode == 1
    assert "5.15" in done.stdout
