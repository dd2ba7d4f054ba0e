"""Pulls, starts, copies and cleaning at the same time: no image ever lacks a layer."""
import glob
import os
import subprocess
import threading
import time

import pytest

from support import machines, oci, runner, sandbox

POOL, STORE = "/var/lib/machines", "/var/lib/redd"
SECONDS = 120 if runner.LONG else 5
# What may be said to who is too late or too early.
GONE = ("there is no", "cannot find", "No such", "in use", "is running", "it is there already", "try again", "stopped")


@pytest.fixture
def world(redd):
    sandbox.mount("tmpfs", "/var/lib", "tmpfs", 0, "mode=0755")
    server = oci.Server()
    yield machines.importctl(redd), machines.machinectl(redd), server
    server.stop()
    sandbox.umount("/var/lib")


@pytest.fixture(scope="module")
def layers(busybox):
    def packed(*parts):
        return subprocess.run(["tar", "-c", "--sort=name", "-C", busybox, *parts], check=True, capture_output=True).stdout
    return [packed("--exclude=./usr/bin", "."), packed("./usr/bin")]


class Racers:
    """Functions that are called again and again until the time is over, or one of them finds something."""

    def __init__(self):
        self.stop, self.found, self.rounds, self.threads = threading.Event(), [], {}, []

    def add(self, name, function):
        def run():
            self.rounds[name] = 0
            while not self.stop.is_set():
                try:
                    self.rounds[name] += bool(function())
                except BaseException as error:  # what an assertion says is what is found
                    self.found.append((name, repr(error)))
                    self.stop.set()
        self.threads.append(threading.Thread(target=run))

    def run(self, seconds, enough=lambda: True):
        """On a busy host until it was ENOUGH."""
        for thread in self.threads:
            thread.start()
        self.stop.wait(seconds)
        end = time.monotonic() + 90
        while not enough() and time.monotonic() < end and not self.stop.wait(0.1):
            pass
        self.stop.set()
        for thread in self.threads:
            thread.join()
        assert self.found == []


def fine(done):
    """It was done, or there was nothing to do it with."""
    assert done.code == 0 or any(word in done.err for word in GONE), done
    return done.code == 0


def whole():
    """Of every image that has a name all layers are there, as long as it has that name."""
    names = [name for name in os.listdir(POOL) if name.endswith(".mstack")] if os.path.isdir(POOL) else []
    for name in names:
        path = os.path.join(POOL, name)
        try:
            before = os.stat(path).st_ino
            links = [os.path.join(path, link) for link in os.listdir(path) if link.startswith("layer@")]
            missing = [link for link in links if not os.path.isdir(link)]
            assert not missing or os.stat(path).st_ino != before, missing
        except FileNotFoundError:
            pass  # it was removed, or renamed, meanwhile
    return len(names) > 0


def test_nothing_that_is_pulled_started_or_copied_loses_a_layer(redd, world, layers):
    importctl, machinectl, server = world
    references, own = {}, {}
    for name in ("one", "two", "held"):
        image = oci.Image([*layers, oci.tar({"etc/": None, "etc/name": name.encode()})], {"Cmd": ["/bin/sh"]})
        references[name] = server.serve(image, name)
        own[name] = "/v2/%s/blobs/%s" % (name, image.layers[2]["digest"])
    importctl.run("-m", "--keep-download=no", "pull-oci", references["held"], "held").ok()
    held = machines.Machine(redd, "held", POOL + "/held.mstack", "--settings=no")

    def starts(name):
        done = redd.run("-q", "--pipe", "--settings=no", "-M", name, "/bin/sh", "-c", "cat /etc/name; echo; ls /usr/bin | grep -c busybox; grep -c : /etc/passwd")
        if not fine(done):
            return False
        assert done.lines == [name, "1", "4"], done
        return True

    def fetched(name):
        return [path for method, path, _ in list(server.asked) if method == "GET"].count(own[name])

    def enough():
        """Layers went and came again, while all the others did something."""
        return min(fetched("one"), fetched("two")) > 1 and all(racers.rounds[name] > 0 for name in ("pull one", "pull two", "start", "clone", "clean"))

    def clone():
        """Not all the time, or there would always be one that has the layers."""
        if time.monotonic() % 3 > 1.5:
            return racers.stop.wait(0.05)
        return fine(machinectl.run("clone", "two", "two-%d" % time.monotonic_ns()))

    racers = Racers()
    try:
        for name in ("one", "two"):
            racers.add("pull " + name, lambda name=name: fine(importctl.run("-m", "--keep-download=no", "--force", "pull-oci", references[name], name)))
        racers.add("start", lambda: starts("one"))
        racers.add("clone", clone)
        racers.add("rename", lambda: fine(machinectl.run("rename", "one", "one-renamed-%d" % time.monotonic_ns())))
        racers.add("clean", lambda: racers.stop.wait(0.1) or "in use" in machinectl.run("clean", "--all").err)
        racers.add("look", whole)
        racers.run(SECONDS, enough)
        assert enough() and fetched("held") == 1, (racers.rounds, {name: fetched(name) for name in own})
        # what ran all the time has all that it had
        assert machinectl.run("exec", "held", "--", "/bin/sh", "-c", "cat /etc/name; grep -c : /etc/passwd").ok().lines == ["held4"], racers.rounds
    finally:
        held.stop()
    whole()
    for name in [os.path.basename(path)[:-7] for path in glob.glob(POOL + "/*.mstack")]:
        redd.run("-q", "--pipe", "--settings=no", "-M", name, "/bin/sh", "-c", "cat /etc/name /etc/passwd").ok()
    machinectl.run("clean", "--all").ok()
    assert os.listdir(STORE + "/layers/sha256") == []
