"""Probes, canaries and swappers for the attack tests."""
import os
import shutil
import subprocess

import pytest

from support import runner, sandbox, trees

HERE = os.path.dirname(os.path.abspath(__file__))
MODES = {"userns": [], "host-users": ["--private-users=no"]}
LONG = runner.LONG


def compiled(name, *flags):
    output = os.path.join("/tmp/redd-test-bin", "attack-" + name)
    os.makedirs(os.path.dirname(output), exist_ok=True)
    if not os.path.exists(output):
        subprocess.run(["cc", "-O1", "-static", "-Wall", "-Wextra", "-Wno-unused-result", "-D_GNU_SOURCE", "-I", HERE, *flags, "-o", output,
                        os.path.join(HERE, name + ".c")], check=True)
    return output


@pytest.fixture(scope="session")
def attack_probe():
    return compiled("probe", os.path.join(HERE, "probe-mounts.c"))


@pytest.fixture(scope="session")
def swapper():
    return compiled("swapper")


@pytest.fixture
def swap(swapper):
    """swap(a, b): exchange the two names all the time until the test ends."""
    running = []

    def start(one, two):
        running.append(subprocess.Popen([swapper, one, two]))
    yield start
    for process in running:
        process.kill()
        process.wait()


class Victim:
    """A part of the host with a canary: nobody reads or changes it."""

    def __init__(self, path):
        self.path = path
        for name, mode in (("CANARY", 0o600), ("public", 0o644)):
            with open(os.path.join(path, name), "w") as file:
                file.write("canary\n")
            os.chmod(os.path.join(path, name), mode)
        for name in ("pts", "shm", "b", "sub"):
            os.mkdir(os.path.join(path, name))
        self.before = self.picture()

    def picture(self):
        found = {}
        for directory, names, files in os.walk(self.path):
            for name in names + files:
                path = os.path.join(directory, name)
                status = os.lstat(path)
                content = open(path).read() if os.path.isfile(path) and not os.path.islink(path) else None
                found[path] = (status.st_mode, status.st_uid, status.st_size, status.st_nlink, content)
        mounts = [line.split()[4] for line in open("/proc/self/mountinfo") if line.split()[4].startswith(self.path + "/")]
        return found, mounts

    def check(self):
        assert self.picture() == self.before


@pytest.fixture
def victim():
    """/media, hidden behind a file system of the sandbox."""
    assert os.environ.get(sandbox.MARK), "only in the sandbox"
    sandbox.mount("tmpfs", "/media", "tmpfs", 0, "mode=755")
    made = Victim("/media")
    yield made
    try:
        made.check()
    finally:
        subprocess.run(["umount", "-R", "/media"], check=True)


@pytest.fixture(scope="session")
def target(work_root, attack_probe):
    """The tree that the probes run in."""
    path = os.path.join(work_root, "target")
    trees.unpack("busybox", path)
    shutil.copy(attack_probe, path + "/usr/bin/attack")
    os.makedirs(path + "/evil-nodes")
    return path


class Verdicts:
    def __init__(self, result):
        self.result = result
        self.lines = [line for line in result.lines if line.startswith(("ok ", "FAIL "))]

    @property
    def failed(self):
        return [line for line in self.lines if line.startswith("FAIL ")]

    def held(self, *allowed):
        """Every probe reported, none got through. ALLOWED: words that are fine in a FAIL line, with a reason at the call."""
        assert self.lines, self.result
        left = [line for line in self.failed if not any(word in line for word in allowed)]
        assert not left, "\n".join(left)
        return self

    def got_through(self, *words):
        """A weakened run: the probe must notice."""
        assert [line for line in self.failed if all(word in line for word in words)], ("the probe did not notice", words, self.result)


@pytest.fixture
def attack(redd, target):
    def run(*classes, options=(), env=None, tree=None, timeout=60, pipe=True, **kwargs):
        console = ["--pipe"] if pipe else []
        return Verdicts(redd.run("-q", *console, "-D", tree or target, *options, "/usr/bin/attack", *classes, env=env, timeout=timeout, **kwargs))
    return run


@pytest.fixture(params=MODES, ids=list(MODES))
def mode(request):
    return MODES[request.param]
