"""What a container may leave behind, as one comparable picture of the host."""
import glob
import os
import subprocess
import time

from . import runner, sandbox

WATCHED = ("/run", "/tmp", "/var/tmp")
# kept on purpose by an idle host: empty directories and lock files without content
KEPT = ("/run/redd", "/run/systemd", "/run/lock", "/run/user", "/run/mount")
# the number of the last transfer: none is used twice; a lock that who comes next has to find as well
KEPT_FILES = ("/redd/transfers/last", "/redd/hosts.lock")


def mounts():
    with open("/proc/self/mountinfo") as file:
        lines = []
        for line in file:
            field = line.split(" - ")
            left, right = field[0].split(), field[1].split()
            # number and peer group differ from run to run; where, what and how do not
            lines.append((left[3], left[4], left[5], right[0], right[1]))
    return lines


def cgroups():
    root = sandbox.cgroup_root()
    if not root:
        return []
    # the empty inner node "redd" may stay: it belongs to nobody
    kept = (root, os.path.join(root, "redd"), os.path.join(root, sandbox.LEAF))
    return sorted(path for path, _, _ in os.walk(root) if path not in kept)


def processes():
    """All of the sandbox: pid and command of everything that is not this run's own ancestry."""
    found = {}
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            with open("/proc/%s/stat" % entry) as file:
                stat = file.read()
            with open("/proc/%s/cmdline" % entry, "rb") as file:
                command = file.read().replace(b"\0", b" ").decode(errors="replace").strip()
        except OSError:
            continue
        name, rest = stat[stat.index("(") + 1:stat.rindex(")")], stat[stat.rindex(")") + 2:].split()
        if rest[0] in "ZX" or rest[1] in ("0", "2") and not command:
            continue
        found[int(entry)] = command or name
    return found


def loops():
    """Those on files of this sandbox: other test runs on the host have loop devices too."""
    with open("/proc/self/mountinfo") as file:
        mounted = [line.split()[2:5] for line in file]
    shared = {device for device, _, place in mounted if place == "/"}
    own = {device for device, _, _ in mounted} - shared

    def is_own(device, path):
        return device in own or device in shared and path.startswith(sandbox.IMAGES) and (path.endswith("(deleted)") or os.path.exists(path))
    result = subprocess.run(["losetup", "--list", "--noheadings", "--output", "BACK-MAJ:MIN,NAME,BACK-FILE"],
                            capture_output=True, text=True)
    lines = [line.split(None, 2) for line in result.stdout.splitlines()]
    # one that somebody lets go just then has no file any more
    return sorted("%s %s" % (name, path) for device, name, path in (each for each in lines if len(each) == 3) if is_own(device, path))


def files(places=WATCHED):
    found = set()
    for place in places:
        for directory, names, plain in os.walk(place):
            for name in plain:
                if not os.path.join(directory, name).endswith(KEPT_FILES):
                    found.add(os.path.join(directory, name))
            for name in names:
                path = os.path.join(directory, name)
                if not any(path == keep or path.startswith(keep + "/") for keep in KEPT):
                    found.add(path)
    return found


def interfaces():
    return sorted(os.listdir("/sys/class/net"))


def ipc():
    found = []
    for name in ("msg", "sem", "shm"):
        with open("/proc/sysvipc/" + name) as file:
            found += [name + line for line in file.readlines()[1:]]
    return found


def beside(directories):
    """Hidden files of the runner beside trees: locks, snapshots."""
    return {path for directory in directories for path in glob.glob(os.path.join(directory, ".#*"))}


class Picture:
    def __init__(self, own=(), directories=()):
        self.mounts, self.cgroups, self.loops = mounts(), cgroups(), loops()
        self.processes = {pid: command for pid, command in processes().items()}
        self.files, self.interfaces, self.ipc = files(), interfaces(), ipc()
        self.beside = beside(directories)

    def compare(self, before, ignore=()):
        """Sentences about what is new or gone since BEFORE."""
        out = []
        for what in ("mounts", "cgroups", "loops", "interfaces", "ipc"):
            old, new = list(getattr(before, what)), list(getattr(self, what))
            for item in list(new):
                if item in old:
                    old.remove(item)
                    new.remove(item)
            out += ["%s: new %s" % (what, item) for item in new]
            out += ["%s: gone %s" % (what, item) for item in old if what in ("mounts", "interfaces", "ipc")]
        out += ["process: new %d %s" % (pid, command) for pid, command in self.processes.items() if pid not in before.processes]
        # suites that run at once write their results below the repository, wherever that is
        ignore = (*ignore, runner.TOP)
        out += ["file: new " + path for path in sorted(self.files - before.files)
                if not any(path == place or path.startswith(place + "/") for place in ignore)]
        out += ["beside a tree: new " + path for path in sorted(self.beside - before.beside)]
        return out


def settled(before, ignore=(), directories=(), seconds=10.0):
    """The differences that remain after a moment: exits are asynchronous."""
    end = time.monotonic() + seconds
    while True:
        left = Picture(directories=directories).compare(before, ignore)
        if not left or time.monotonic() > end:
            return left
        time.sleep(0.02)
