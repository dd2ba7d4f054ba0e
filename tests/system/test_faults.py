"""Programs that are killed, and calls that fail, at every step of what makes, changes and removes images: what can be seen is
what was there before or what was wanted, the next command takes the rest away, and the same once more works."""
import fcntl
import hashlib
import json
import os
import random
import re
import shutil
import stat
import subprocess
import tarfile

import pytest

from support import machines, oci, pool as pools, runner, sandbox
from support.pool import POOL

SETTINGS = "/etc/systemd/nspawn"
STORE = "/var/lib/redd"
CHANGING = ("rename,renameat,renameat2,link,linkat,symlink,symlinkat,unlink,unlinkat,mkdir,mkdirat,rmdir,mknodat,fsync,syncfs,ftruncate,"
            "write,pwrite64,fchmod,fchmodat,fchownat,ioctl,flock,copy_file_range,sendfile")
NAMES = ("rename", "link", "unlink", "mkdir", "rmdir", "sync", "ioctl")  # what others can see
POINTS = 1000000 if runner.LONG else 4
FAULTS = ["signal=KILL", "error=EIO"] + ["error=ENOSPC"] * runner.LONG


def mark(fd):
    """Whether what it is cannot be changed."""
    flags = bytearray(8)
    fcntl.ioctl(fd, 0x80086601, flags)  # FS_IOC_GETFLAGS
    return bool(flags[0] & 0x10)  # FS_IMMUTABLE_FL


def tree_of(path):
    """What is there, as one digest: names, kinds, modes, links and bytes."""
    found = hashlib.sha256()

    def add(one):
        status = os.lstat(one)
        found.update(repr((os.path.relpath(one, path), status.st_mode, status.st_uid)).encode())
        if stat.S_ISLNK(status.st_mode):
            found.update(os.readlink(one).encode())
        elif stat.S_ISREG(status.st_mode):
            with open(one, "rb") as file:
                found.update(file.read())

    add(path)
    for directory, names, files in os.walk(path):
        names.sort()
        for name in sorted(names + files):
            add(os.path.join(directory, name))
    return found.hexdigest()[:12]


def picture():
    """All that is to be seen: images and what belongs to them."""
    seen = {}
    for directory in (POOL, SETTINGS):
        for name in sorted(os.listdir(directory) if os.path.isdir(directory) else []):
            path = os.path.join(directory, name)
            if name.startswith(".#"):
                continue
            immutable = False
            if os.path.isdir(path) and not os.path.islink(path):
                fd = os.open(path, os.O_RDONLY)
                immutable = mark(fd)
                os.close(fd)
            seen[path] = (tree_of(path), immutable)
    return seen


def images():
    """Those that a name finds, as list-images tells them: a directory is found before a file. What gets its mark against
    changes gets it a moment later than its name."""
    seen, found = picture(), {}
    for name in {os.path.basename(path).split(".")[0] for path in seen if path.startswith(POOL + "/")}:
        paths = [POOL + "/" + name + ending for ending in ("", ".raw", ".mstack")]
        found.update([(name, (path, seen[path][0])) for path in paths if path in seen][:1])
    return found


def left_hidden():
    """What nobody works on any more; marks of layers and locks of what is there are none of that."""
    found = []
    for directory in (POOL, SETTINGS, STORE + "/layers/sha256", STORE + "/blobs/sha256", STORE + "/images", "/run/redd/transfers"):
        if os.path.isdir(directory):
            found += [os.path.join(directory, name) for name in os.listdir(directory) if name.startswith(".#")]
    kept = {os.path.join(POOL, ".#%s%s" % (name, end)) for name in os.listdir(POOL) for end in (".lck", ".base")}
    return sorted(set(found) - kept)


def check_store():
    for name in os.listdir(STORE + "/blobs/sha256") if os.path.isdir(STORE + "/blobs/sha256") else []:
        if not name.startswith(".#"):
            with open(os.path.join(STORE, "blobs/sha256", name), "rb") as file:
                assert hashlib.sha256(file.read()).hexdigest() == name


def remove_locks():
    shutil.rmtree("/run/systemd/nspawn/locks", ignore_errors=True)


class World:
    """A directory of images and what a command needs beside it, new for each try."""

    def __init__(self, redd, place, server):
        self.machinectl, self.importctl = machines.machinectl(redd), machines.importctl(redd)
        self.place, self.server = place, server
        os.makedirs(place + "/tree/etc")
        for name, text in (("etc/hostname", "inside\n"), ("etc/os-release", "ID=demo\n"), ("large", "x" * 70000)):
            with open(os.path.join(place, "tree", name), "w") as file:
                file.write(text)
        subprocess.run(["tar", "-C", place + "/tree", "-cf", place + "/new.tar", "."], check=True)
        for name, text in (("disk.raw", "disk" * 5000), ("new.nspawn", "[Exec]\nBoot=no\n")):
            with open(os.path.join(place, name), "w") as file:
                file.write(text)
        subprocess.run(["qemu-img", "convert", "-q", "-f", "raw", "-O", "qcow2", "-c", place + "/disk.raw", place + "/disk.qcow2"], check=True)
        config = {"Cmd": ["/bin/sh"], "Env": ["A=b"]}
        self.image = oci.Image([oci.tar({"etc/": None, "etc/%d" % i: b"text" * 1000}) for i in range(2)], config)
        self.image.layout(place + "/layout")
        self.reference = server.serve(self.image, "demo")

    def control(self, words):
        return self.importctl if words[0] in ("-m", "export-oci") else self.machinectl

    def fill(self, words):
        return [word.format(place=self.place, reference=self.reference) for word in words]

    def make(self, kind):
        """An image "old" with what belongs to it."""
        if kind == "raw":
            shutil.copy(self.place + "/disk.raw", POOL + "/old.raw")
        elif kind is not None:
            shutil.copytree(self.place + "/tree", POOL + "/old")
            with open(POOL + "/old/etc/old", "w") as file:
                file.write("old\n")
            for path in ("/old/etc/old", "/old/etc", "/old"):
                os.utime(POOL + path, (1, 1))  # what is exported is the same each time
            if kind == "marked":
                self.machinectl.run("read-only", "old").ok()
        if kind is not None:
            for path in (POOL + "/old.nspawn", POOL + "/old.roothash", SETTINGS + "/old.nspawn"):
                with open(path, "w") as file:
                    file.write("# old\n")


@pytest.fixture(scope="module")
def server():
    one = oci.Server()
    yield one
    one.stop()


@pytest.fixture
def world(redd, place, server):
    return World(redd, place, server)


class Try:
    """One command in a world of its own, on a file system of its own."""

    def __init__(self, world, kind, words, options=""):
        self.world, self.words = world, world.fill(words)
        sandbox.mount("tmpfs", "/var/lib", "tmpfs", 0, "mode=0755" + options)
        sandbox.mount("tmpfs", "/etc/systemd", "tmpfs", 0, "mode=0755")
        os.makedirs(POOL, mode=0o700)
        os.makedirs(SETTINGS)
        world.make(kind)
        self.before = picture()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for place in ("/etc/systemd", "/var/lib"):
            sandbox.umount(place)
        remove_locks()

    def run(self, *prefix):
        return self.world.control(self.words).with_prefix(*prefix).run(*self.words, timeout=60)

    def rest(self):
        """What a command is that has nothing to do with it: it repairs."""
        remove_locks()
        self.world.machinectl.run("clean").ok()
        assert self.world.importctl.run("list-transfers").ok().out == "No transfers.\n"


COMMANDS = [
    ("import-tar", None, ["-m", "import-tar", "{place}/new.tar"]),
    ("import-tar --read-only", None, ["-m", "--read-only", "import-tar", "{place}/new.tar"]),
    ("import-tar --force", "tree", ["-m", "--force", "import-tar", "{place}/new.tar", "old"]),
    ("import-tar --force, marked", "marked", ["-m", "--force", "--read-only", "import-tar", "{place}/new.tar", "old"]),
    ("import-tar --force, other form", "raw", ["-m", "--force", "import-tar", "{place}/new.tar", "old"]),
    ("import-raw", None, ["-m", "import-raw", "{place}/disk.raw"]),
    ("import-raw, qcow2", None, ["-m", "import-raw", "{place}/disk.qcow2"]),
    ("import-fs", None, ["-m", "import-fs", "{place}/tree", "new"]),
    ("import-oci", None, ["-m", "import-oci", "{place}/layout", "web"]),
    ("pull-raw", None, ["-m", "--verify=no", "--keep-download=no", "pull-raw", "file://{place}/disk.raw"]),
    ("pull-tar", None, ["-m", "--verify=no", "--keep-download=no", "pull-tar", "file://{place}/new.tar"]),
    ("pull-tar --force", "tree", ["-m", "--verify=no", "--keep-download=no", "--force", "pull-tar", "file://{place}/new.tar", "old"]),
    ("pull-oci", None, ["-m", "pull-oci", "{reference}", "web"]),
    ("pull-oci --force", "tree", ["-m", "--force", "pull-oci", "{reference}", "old"]),
    ("create", None, ["create", "web", "--image={place}/new.tar"]),
    ("clone", "tree", ["clone", "old", "new"]),
    ("clone --copy", "tree", ["clone", "--copy", "--read-only", "old", "new"]),
    ("clone, raw", "raw", ["clone", "old", "new"]),
    ("rename", "tree", ["rename", "old", "new"]),
    ("rename, marked", "marked", ["rename", "old", "new"]),
    ("read-only", "tree", ["read-only", "old"]),
    ("writable again", "marked", ["read-only", "old", "no"]),
    ("clean --all", "tree", ["clean", "--all"]),
    ("remove", "tree", ["remove", "old"]),
    ("remove, raw", "raw", ["remove", "old"]),
]


def count(log):
    """How often each process made each call: the most of each, with the names of calls."""
    most, each = {}, {}
    with open(log) as file:
        for line in file:
            found = re.match(r"(\d+) +(\w+)\(", line)
            if found:
                each[found.groups()] = each.get(found.groups(), 0) + 1
    for (_, call), number in each.items():
        most[call] = max(most.get(call, 0), number)
    return most


def choose(name, most):
    """Some points of all: what others can see first."""
    points = [(call, number + 1) for call in sorted(most) for number in range(min(most[call], 200))]
    seen = [point for point in points if any(word in point[0] for word in NAMES)]
    chance = random.Random(name)
    chance.shuffle(seen)
    others = [point for point in points if point not in seen]
    chance.shuffle(others)
    return (seen + others if runner.LONG else seen[:POINTS - 1] + others[:1])[:POINTS]


def strace(log, *more):
    return ["strace", "-f", "-qq", "-o", log, *more]


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("name,kind,words", COMMANDS, ids=[command[0] for command in COMMANDS])
def test_whatever_fails_there_is_the_old_or_the_new(world, place, name, kind, words, fault):
    log = place + "/calls"
    with Try(world, kind, words) as one:
        done = one.run(*strace(log, "-e", "trace=" + CHANGING)).ok()
        one.rest()
        after, images_after, before = picture(), images(), one.before
        assert after != before and left_hidden() == [], done
    for call, number in choose(name + fault, count(log)):
        at = "%s, %s of %s number %d" % (name, fault, call, number)
        with Try(world, kind, words) as one:
            images_before = images()
            done = one.run(*strace(place + "/log", "-e", "trace=" + call, "-e", "inject=%s:%s:when=%d" % (call, fault, number)))
            seen = images()
            assert seen in (images_before, images_after), (at, done, seen, images_before, images_after)
            check_store()
            one.rest()
            repaired = picture()
            # What was seen before the repair is what is there after it, with all that belongs to it.
            expected = [before] * (seen == images_before) + [after] * (seen == images_after)
            if "going on without" in done.err:  # it was said that something stays behind
                assert repaired.items() <= {**before, **after}.items() and images() == seen, (at, done, repaired)
                assert left_hidden() == [], (at, done)
                continue
            assert repaired in expected, (at, done, repaired, expected)
            assert left_hidden() == [], at
            assert done.code != 0 or seen == images_after, (at, done)
            again = one.run()
            if seen == images_before:
                assert again.code == 0, (at, again)
            one.rest()
            assert picture() == after and left_hidden() == [], (at, again, picture(), after)


EXPORTS = [
    ("export-tar", "tree", ["export-tar", "old", "/var/lib/out/old.tar"]),
    ("export-tar.zst", "tree", ["export-tar", "old", "/var/lib/out/old.tar.zst"]),
    ("export-raw", "raw", ["export-raw", "old", "/var/lib/out/old.raw"]),
    ("export-oci", "tree", ["export-oci", "old", "/var/lib/out/old.oci.tar"]),
]


def exported(directory):
    """What came out; of an OCI archive its layers, since it also says when it was made."""
    path = os.path.join(directory, os.listdir(directory)[0])
    if "oci" not in path:
        return tree_of(directory)
    with tarfile.open(path) as archive:
        def document(name):
            return json.load(archive.extractfile(name))
        manifest = document("blobs/sha256/" + document("index.json")["manifests"][0]["digest"].split(":")[1])
        return [(layer["digest"], hashlib.sha256(archive.extractfile("blobs/sha256/" + layer["digest"][7:]).read()).hexdigest())
                for layer in manifest["layers"]]


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("name,kind,words", EXPORTS, ids=[command[0] for command in EXPORTS])
def test_an_export_that_failed_leaves_nothing_and_one_that_was_killed_can_be_repeated(world, place, name, kind, words, fault):
    log, out = place + "/calls", "/var/lib/out"
    with Try(world, kind, words) as one:
        os.mkdir(out)
        one.run(*strace(log, "-e", "trace=" + CHANGING)).ok()
        wanted = exported(out)
    for call, number in choose(name + fault, count(log)):
        at = "%s, %s of %s number %d" % (name, fault, call, number)
        with Try(world, kind, words) as one:
            os.mkdir(out)
            done = one.run(*strace(place + "/log", "-e", "trace=" + call, "-e", "inject=%s:%s:when=%d" % (call, fault, number)))
            if done.code == 0:
                assert exported(out) == wanted, (at, done)
            elif "KILL" not in fault:
                assert os.listdir(out) == [], (at, done)
            assert picture() == one.before, (at, done)
            one.rest()
            again = one.run().ok()
            assert exported(out) == wanted, (at, again, os.listdir(out))
            one.rest()
            assert picture() == one.before and left_hidden() == [], at


# ---- no room ----

def fill_disk(what):
    """All that is left of /var/lib: of its bytes, or of its files."""
    if what == "bytes":
        with open("/var/lib/filler", "wb", 0) as file:
            try:
                while True:
                    file.write(bytes(65536))
            except OSError:
                pass
        return
    for number in range(100000):
        try:
            os.mknod("/var/lib/filler-%d" % number)
        except OSError:
            return


def empty_disk():
    for name in os.listdir("/var/lib"):
        if name.startswith("filler"):
            os.unlink("/var/lib/" + name)


@pytest.mark.parametrize("what,options", [("bytes", ",size=600k"), ("inodes", ",nr_inodes=60")], ids=["bytes", "inodes"])
@pytest.mark.parametrize("name,kind,words", COMMANDS, ids=[command[0] for command in COMMANDS])
def test_where_there_is_no_room_all_stays_as_it_is_and_can_be_removed(world, name, kind, words, what, options):
    with Try(world, kind, words, options) as one:
        images_before = images()
        fill_disk(what)
        done = one.run()
        if done.code == 0:
            assert words[0] in ("remove", "rename", "clone", "read-only", "clean") or what == "bytes" and "raw" in name, done
        else:
            assert words[0] not in ("remove", "clean"), done
            assert "No space left on device" in done.err and images() == images_before, done
            assert left_hidden() == [], done
            empty_disk()
            one.run().ok()
        one.rest()
        assert left_hidden() == [] and picture() != one.before
