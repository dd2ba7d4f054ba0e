"""A host without a service manager whose machines are declared: definitions, state and images of its own."""
import os
import re
import shutil
import time

import pytest

from . import runner, sandbox, trees

DEFINITIONS, STATE, RUNTIME = "/etc/systemd/nspawn", "/var/lib/redd", "/run/redd"
INIT = ("#!/bin/sh\ntrap 'exit 0' TERM INT USR1 USR2 37\n%s\n"
        "while :; do sleep 100000 & wait $!; done\n")


# What commands of README's section end with that is not 0.
DEMO_STATUS = {"redd plan demo": 2, "redd drift demo": 2}


def demo():
    """The commands of README's section, each of them one string."""
    with open(os.path.join(os.path.dirname(__file__), "../../README.md")) as file:
        section = file.read().split("\n## Machines as files\n")[1].split("\n## ")[0]
    lines = [line[4:] for line in section.split("\n") if line.startswith("    ")]
    return re.findall(r"^(?:for .*?^done|\S.*?)$", "\n".join(lines), re.MULTILINE | re.DOTALL)


class Host:
    """Mounts are made by open(), in the sandbox of the test run."""

    def __init__(self, redd, root):
        self.root, self.programs = root, os.path.dirname(redd.path)
        self.mounts = []

    def open(self):
        for part in ("upper", "work"):
            os.makedirs(os.path.join(self.root, part))
        for place in ("/var/lib/machines", STATE, "/var/log"):
            os.makedirs(place, exist_ok=True)
            self.mount("tmpfs", place, "tmpfs", 0, "mode=0700")
        self.mount("overlay", "/etc", "overlay", 0, "lowerdir=/etc,upperdir=%s/upper,workdir=%s/work" % (self.root, self.root))
        for place in ("detached", "machines", "applied"):
            os.makedirs(os.path.join(RUNTIME, place), exist_ok=True)
        os.makedirs(DEFINITIONS, exist_ok=True)
        # of zones, and stays
        os.makedirs("/run/systemd/nspawn-network-zone", exist_ok=True)
        return self

    def mount(self, source, target, *rest):
        sandbox.mount(source, target, *rest)
        self.mounts.append(target)

    def close(self):
        self.machinectl("-q", "stop", "--all")
        for place in reversed(self.mounts):
            sandbox.umount(place)
        shutil.rmtree(self.root, ignore_errors=True)

    def clear(self):
        """As if nothing had ever been declared."""
        self.machinectl("-q", "stop", "--all")
        for place in (DEFINITIONS, STATE, RUNTIME + "/applied", RUNTIME + "/restarting", RUNTIME + "/detached", "/etc/redd/enabled", "/var/log/redd"):
            for name in os.listdir(place) if os.path.isdir(place) else []:
                path = os.path.join(place, name)
                shutil.rmtree(path) if os.path.isdir(path) and not os.path.islink(path) else os.unlink(path)

    def run(self, program, *words, prefix=(), timeout=120):
        one = runner.Redd(os.path.join(self.programs, program), prefix=prefix)
        one.always = []
        return one.run(*words, timeout=timeout)

    def begin(self, program, *words):
        return runner.Redd(os.path.join(self.programs, program)).start(*words)

    def redd(self, *words, **more):
        return self.run("redd", *words, **more)

    def machinectl(self, *words, **more):
        return self.run("machinectl", *words, **more)

    # ---- what there is ----

    def tree(self, name, script="", files=()):
        """A source: a small tree whose init runs SCRIPT and waits until it is told to stop."""
        path = os.path.join(self.root, name)
        if os.path.isdir(path):
            shutil.rmtree(path)
        trees.unpack("busybox", path)
        start = os.path.join(path, "usr/sbin/init")
        os.unlink(start)
        with open(start, "w") as file:
            file.write(INIT % script)
        os.chmod(start, 0o755)
        for inner, text in dict(files).items():
            os.makedirs(os.path.dirname(os.path.join(path, inner)), exist_ok=True)
            with open(os.path.join(path, inner), "w") as file:
                file.write(text)
        return path

    def define(self, name, source, *lines, install=True, exec_=()):
        """Lines outside of a section are of [X-Image]; "[X-Service] MemoryMax=1G" names its own."""
        text = ["[Exec]", "PrivateUsers=no", *exec_, "[X-Image]", "Source=" + source]
        for line in lines:
            section = re.match(r"(\[[^]]+\]) (.*)", line)
            text += list(section.groups()) if section else ["[X-Image]", line]
        if install:
            text += ["[X-Install]", "WantedBy=machines.target"]
        with open(os.path.join(DEFINITIONS, name + ".nspawn"), "w") as file:
            file.write("\n".join(text) + "\n")

    def undefine(self, name):
        os.unlink(os.path.join(DEFINITIONS, name + ".nspawn"))

    def current(self):
        """Number of the current generation; 0: there is none. Never a link to nothing."""
        link = os.path.join(STATE, "current")
        if not os.path.lexists(link):
            return 0
        target = os.readlink(link)
        assert os.path.isdir(os.path.join(STATE, target)), target
        return int(target.split("/")[1])

    def running(self):
        return sorted(name for name in os.listdir(RUNTIME + "/machines") if not name.startswith("."))

    def leader(self, name):
        return self.machinectl("show", name, "--property=Leader", "--value").ok().out.strip()

    def inside(self, name, *command):
        return self.machinectl("exec", name, "--", *command).ok().out.rstrip("\n")

    def cgroup_file(self, name, file):
        with open(os.path.join(RUNTIME, "machines", name)) as record:
            payload = [line.split()[1] for line in record if line.startswith("payload ")][-1]
        with open(sandbox.cgroup_root() + os.path.dirname(payload) + "/" + file) as found:
            return found.read().strip()

    def state(self):
        """What can be compared: of each machine its definition and image that are current, whether it runs, and what its tree says."""
        found = {}
        files = os.path.join(STATE, "current/files")
        for file in sorted(os.listdir(files)) if self.current() else []:
            name = file[:-len(".nspawn")]
            with open(os.path.join(files, file)) as text:
                found[name] = [text.read(), name in self.running()]
        with open(os.path.join(STATE, "current/images.lock")) as lock:
            for line in lock:
                fields = line.rstrip("\n").split("\t")
                found[fields[0]].append(fields[1:3])
        return found


# ---- for a test file that imports them ----

@pytest.fixture(scope="module")
def host(redd, work_root):
    one = Host(redd, os.path.join(work_root, "declared")).open()
    yield one
    one.close()


@pytest.fixture
def clean(host):
    host.clear()
    yield host
    host.clear()
