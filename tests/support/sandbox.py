"""A small world of its own for a test run.

The runner is tested as root and touches host-wide places (/run, /tmp, mounts, cgroups, loop devices). So that several runs
can share a host, that nothing can be left behind and that "nothing is left" can be asserted exactly, the whole test run lives
in private mount, pid, network and cgroup namespaces, in a cgroup of its own. Inside, "/" is shared, as on a systemd host.
"""
import ctypes
import fcntl
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

MARK = "REDD_TEST_SANDBOX"
LEAF = "tests"
# Where images are: on the disk, and each run's own.
IMAGES = ("/var/lib/machines", "/var/lib/redd")
CACHE = os.environ.get("REDD_CACHE", "/var/cache/redd-tests")
NEWNS, NEWCGROUP, NEWPID, NEWNET = 0x00020000, 0x02000000, 0x20000000, 0x40000000
MS_BIND, MS_REC, MS_PRIVATE, MS_SHARED, MS_NOSUID, MS_NODEV, MS_NOEXEC = 4096, 16384, 1 << 18, 1 << 20, 2, 4, 8

libc = ctypes.CDLL(None, use_errno=True)


def _check(result, what):
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, "%s: %s" % (what, os.strerror(code)))


def unshare(flags):
    _check(libc.unshare(flags), "unshare")


def mount(source, target, kind, flags=0, data=None):
    encode = lambda text: text.encode() if text is not None else None
    _check(libc.mount(encode(source), encode(target), encode(kind), ctypes.c_ulong(flags), encode(data)), "mount " + target)


def umount(target, flags=2):
    _check(libc.umount2(target.encode(), flags), "umount " + target)


def loopback_up():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        fcntl.ioctl(one, 0x8914, struct.pack("16sH14x", b"lo", 1))  # SIOCSIFFLAGS, IFF_UP


def cgroup_root():
    """Mount point of the v2 hierarchy, or None."""
    with open("/proc/self/mounts") as mounts:
        for line in mounts:
            field = line.split()
            if field[2] == "cgroup2" and field[1].startswith("/sys/fs/cgroup"):
                return field[1]
    return None


def own_cgroup():
    with open("/proc/self/cgroup") as file:
        for line in file:
            if line.startswith("0::"):
                return line[3:].strip()
    return None


def _remove_cgroup(path):
    for _ in range(50):
        left = False
        for directory, _, _ in os.walk(path, topdown=False):
            try:
                os.rmdir(directory)
            except OSError:
                left = True
        if not left:
            return
        try:
            with open(os.path.join(path, "cgroup.kill"), "w") as file:
                file.write("1")
        except OSError:
            pass
        time.sleep(0.02)


def _reaper(argv, environment):
    """PID 1 of the test run: adopts and reaps what the tests orphan, ends when the run ends."""
    child = os.fork()
    if child == 0:
        os.execvpe(argv[0], argv, environment)
    libc.prctl(1, signal.SIGKILL)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda n, frame: os.kill(child, n))
    while True:
        try:
            pid, status = os.wait()
        except InterruptedError:
            continue
        if pid == child:
            os._exit(os.waitstatus_to_exitcode(status) & 0xff)


def hide(place, mode, shown):
    """A fresh PLACE; those directories of SHOWN that lie in it stay where they are."""
    kept = [(path, os.open(path, os.O_PATH | os.O_DIRECTORY)) for path in shown if path.startswith(place + "/")]
    mount("tmpfs", place, "tmpfs", MS_NOSUID | MS_NODEV if place == "/run" else 0, "mode=" + mode)
    for path, fd in kept:
        os.makedirs(path, exist_ok=True)
        mount("/proc/self/fd/%d" % fd, path, None, MS_BIND)
        os.close(fd)


def own_etc():
    """A copy in memory: what one run configures on its host is not what another one finds. No overlay, since tests put one on it."""
    fd = os.open("/etc", os.O_PATH | os.O_DIRECTORY)
    mount("tmpfs", "/etc", "tmpfs", 0, "mode=0755")
    subprocess.run(["cp", "-a", "/proc/self/fd/%d/." % fd, "/etc/"], pass_fds=(fd,), check=True)
    os.close(fd)


def enter(argv, program, network=True):
    """Run ARGV in the small world and exit with its status. Returns at once when already inside.

    The repository and PROGRAM's directory can be seen there, wherever they are. NETWORK: with an empty one of its own."""
    if os.environ.get(MARK) or os.geteuid() != 0:
        return
    root, group = cgroup_root(), None
    if root:
        group = os.path.join(root, (own_cgroup() or "/").lstrip("/"), "redd-tests-%d" % os.getpid())
        try:
            os.mkdir(group)
        except OSError:
            group = None
    os.makedirs(CACHE, exist_ok=True)
    images = tempfile.mkdtemp(prefix=".images-", dir=CACHE)
    sys.stdout.flush()
    sys.stderr.flush()
    outer = os.fork()
    if outer == 0:
        # who kills the test run takes all of its world along
        libc.prctl(1, signal.SIGKILL)
        status = 125
        try:
            if group:
                with open(os.path.join(group, "cgroup.procs"), "w") as file:
                    file.write("0")
            unshare(NEWNS)
            mount(None, "/", None, MS_REC | MS_PRIVATE)
            own_etc()
            # whoever is started first after this is PID 1 there
            unshare(NEWPID | (NEWNET if network else 0) | (NEWCGROUP if group else 0))
            if network:
                loopback_up()
            if group:
                if os.environ.get("REDD_TEST_CGROUP") == "pure":
                    umount("/sys/fs/cgroup")
                    root = "/sys/fs/cgroup"
                else:
                    umount(root)
                mount("cgroup2", root, "cgroup2", MS_NOSUID | MS_NODEV | MS_NOEXEC)
                # unlike a host's, this root may not both hold processes and hand out controllers
                os.mkdir(os.path.join(root, LEAF))
                with open(os.path.join(root, LEAF, "cgroup.procs"), "w") as file:
                    file.write("0")
            repository = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
            for place, mode in (("/run", "0755"), ("/tmp", "1777"), ("/var/tmp", "1777")):
                hide(place, mode, (repository, os.path.dirname(program)))
            os.mkdir("/run/lock", 0o1777)
            for place in IMAGES:
                own = os.path.join(images, os.path.basename(place))
                os.mkdir(own, 0o700)
                os.makedirs(place, 0o700, exist_ok=True)
                mount(own, place, None, MS_BIND)
            mount(None, "/", None, MS_REC | MS_SHARED)
            first = os.fork()
            if first == 0:
                mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
                _reaper(argv, dict(os.environ, **{MARK: "1"}))
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            _, status = os.waitpid(first, 0)
            status = os.waitstatus_to_exitcode(status) & 0xff
        except BaseException as error:
            print("test sandbox:", error, file=sys.stderr)
        finally:
            os._exit(status)
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def stop(number, frame):
        try:
            os.kill(outer, signal.SIGKILL)
        except ProcessLookupError:
            pass
    signal.signal(signal.SIGTERM, stop)
    _, status = os.waitpid(outer, 0)
    if group:
        _remove_cgroup(group)
    shutil.rmtree(images, ignore_errors=True)
    os._exit(os.waitstatus_to_exitcode(status) & 0xff)
