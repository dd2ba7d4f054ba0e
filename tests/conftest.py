"""Fixtures of the system and attack tests. See support/sandbox.py for the small world that they run in."""
import os
import shutil
import signal
import stat
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import pytest

from support import leaks, network as network_support, runner, sandbox, trees


def pytest_addoption(parser):
    parser.addoption("--no-sandbox", action="store_true", help="run right here; leaks are then not looked for")


def is_of_hosts(argument):
    """Kernels and images are fetched when they are needed, and what is tested runs inside of a host that has its own network."""
    return os.path.realpath(argument.split("::")[0]).startswith(os.path.join(os.path.dirname(os.path.realpath(__file__)), "hosts"))


def pytest_configure(config):
    config.addinivalue_line("markers", "leaky(reason): the test leaves something behind on purpose")
    config.addinivalue_line("markers", "slow: takes more than some seconds")
    config.addinivalue_line("markers", "standin_fails(reason): not how Debian's program behaves")
    if config.option.collectonly or config.option.no_sandbox or os.environ.get(sandbox.MARK) or os.geteuid() != 0:
        return
    # trees need the package source, so they are made before anything is hidden
    for name in trees.NAMES:
        trees.tree(name)
    os.environ["REDD_PROGRAM"] = program = os.path.realpath(runner.program())
    capture = config.pluginmanager.getplugin("capturemanager")
    if capture:
        capture.suspend_global_capture(in_=True)
    sandbox.enter([sys.executable, "-m", "pytest", *config.invocation_params.args], program,
                  network=not all(map(is_of_hosts, config.args)))


def pytest_collection_modifyitems(config, items):
    if os.geteuid() != 0:
        skip = pytest.mark.skip(reason="needs root")
        for item in items:
            item.add_marker(skip)


@pytest.fixture(scope="session")
def redd():
    path = runner.program()
    assert os.access(path, os.X_OK), "no program to test at %s (set REDD_BUILD)" % path
    return runner.Redd(path)


@pytest.fixture(scope="session")
def busybox():
    return trees.tree("busybox")


@pytest.fixture(scope="session")
def bookworm():
    return trees.tree("bookworm")


@pytest.fixture(scope="session")
def trixie():
    return trees.tree("trixie")


@pytest.fixture(scope="session")
def work_root():
    """Where tests put their trees: in memory, gone with the sandbox."""
    path = "/tmp/redd-work"
    os.makedirs(path, exist_ok=True)
    return path


class Trees:
    def __init__(self, root):
        self.root, self.made = root, []

    def __call__(self, name="busybox", as_name=None):
        path = os.path.join(self.root, as_name or "%s-%d" % (name, len(os.listdir(self.root))))
        trees.unpack(name, path)
        self.made.append(path)
        return path

    def remove(self):
        for path in self.made:
            shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def fresh(work_root, request):
    """fresh("bookworm"): a copy of a tree that the test may change."""
    made = Trees(work_root)
    yield made
    made.remove()


@pytest.fixture(scope="module")
def fresh_module(work_root):
    made = Trees(work_root)
    yield made
    made.remove()


@pytest.fixture
def place(work_root):
    """An empty directory."""
    path = os.path.join(work_root, "place-%d" % time.monotonic_ns())
    os.mkdir(path)
    yield path
    for mounted in reversed([mount[1] for mount in leaks.mounts() if mount[1].startswith(path + "/")]):
        sandbox.umount(mounted)
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(autouse=True)
def nothing_leaks(request, work_root):
    """Mounts, cgroups, processes, loop devices, interfaces and files are the same before and after each test."""
    if not os.environ.get(sandbox.MARK) or request.node.get_closest_marker("leaky"):
        yield
        return
    watched = [work_root]
    before = leaks.Picture(directories=watched)
    yield
    left = leaks.settled(before, ignore=(work_root, "/tmp/redd-test-bin", "/tmp/pytest-of-root"), directories=watched)
    # one failure must not make the tests after it fail
    for pid in leaks.processes():
        if pid not in before.processes:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
    assert not left, "left behind:\n  " + "\n  ".join(left)


class User:
    """A normal user who exists in the sandbox only."""
    uid = gid = 4242
    name = "reddtester"
    home = "/tmp/redd-work/home"

    def prefix(self):
        return ["setpriv", "--reuid=%d" % self.uid, "--regid=%d" % self.gid, "--clear-groups", "--inh-caps=-all", "--bounding-set=+all"]

    def environment(self):
        return {"HOME": self.home, "USER": self.name, "LOGNAME": self.name, "XDG_RUNTIME_DIR": "/run/user/%d" % self.uid}


def _etc(name, text, binds):
    path = os.path.join("/run/lock", "etc-" + name)
    shutil.copy2(os.path.join("/etc", name), path) if os.path.exists(os.path.join("/etc", name)) else open(path, "w").close()
    with open(path, "a") as file:
        file.write(text)
    sandbox.mount(path, os.path.join("/etc", name), None, sandbox.MS_BIND)
    binds.append(os.path.join("/etc", name))


@pytest.fixture(scope="module")
def user(work_root):
    """A normal user with subordinate ids. /etc of the host stays as it is: the names are bound over it in the sandbox."""
    assert os.environ.get(sandbox.MARK), "only in the sandbox"
    made, binds = User(), []
    _etc("passwd", "%s:x:%d:%d::%s:/bin/sh\n" % (made.name, made.uid, made.gid, made.home), binds)
    _etc("group", "%s:x:%d:\n" % (made.name, made.gid), binds)
    _etc("subuid", "%s:1000000:65536\n" % made.name, binds)
    _etc("subgid", "%s:1000000:65536\n" % made.name, binds)
    for path in (made.home, "/run/user/%d" % made.uid):
        os.makedirs(path, exist_ok=True)
        os.chown(path, made.uid, made.gid)
        os.chmod(path, 0o700)
    yield made
    for path in binds:
        sandbox.umount(path)
        os.unlink(os.path.join("/run/lock", "etc-" + os.path.basename(path)))
    shutil.rmtree(made.home, ignore_errors=True)
    shutil.rmtree("/run/user/%d" % made.uid, ignore_errors=True)


@pytest.fixture(scope="module")
def fuse(work_root):
    """As udev makes it on every host: for everybody."""
    if not os.path.exists("/dev/fuse"):
        pytest.skip("this kernel has no fuse")
    node = os.path.join(work_root, "fuse")
    os.mknod(node, stat.S_IFCHR | 0o666, os.stat("/dev/fuse").st_rdev)
    os.chmod(node, 0o666)
    subprocess.run(["mount", "--bind", node, "/dev/fuse"], check=True)
    yield
    sandbox.umount("/dev/fuse")
    os.unlink(node)


@pytest.fixture(params=["range", "single"])
def ids(request, user):
    """What user ids the user has: a subordinate range too, or only the one."""
    kept = {}
    for name in ("/etc/subuid", "/etc/subgid") if request.param == "single" else ():
        with open(name) as file:
            kept[name] = file.read()
        with open(name, "w") as file:
            file.write("".join(line for line in kept[name].splitlines(True) if user.name not in line))
    yield request.param
    for name, text in kept.items():
        with open(name, "w") as file:
            file.write(text)


def _mine(redd, user):
    tree, programs = os.path.join(user.home, "tree"), os.path.join(user.home, "bin")
    trees.unpack("busybox", tree)
    subprocess.run(["chown", "-Rh", "%d:%d" % (user.uid, user.gid), tree], check=True)
    os.makedirs(programs)
    for name in ("systemd-nspawn", "machinectl", "importctl", "redd-dissect"):
        shutil.copy(os.path.join(os.path.dirname(redd.path), name), programs)
    one = runner.Redd(programs + "/systemd-nspawn", redd.always, dict(redd.env, **user.environment()), user.prefix())
    one.tree = tree
    yield one
    shutil.rmtree(tree)
    shutil.rmtree(programs)


@pytest.fixture
def mine(redd, user):
    """The programs as the user calls them, and a busybox tree of the user's: mine.tree."""
    yield from _mine(redd, user)


@pytest.fixture(scope="module")
def mine_module(redd, user):
    """The same for all tests of a file, which leave the tree as it is."""
    yield from _mine(redd, user)


@pytest.fixture(scope="session")
def probe():
    """tests/system/probe.c: small questions that a tree without tools cannot answer."""
    return runner.compile_static(os.path.join(runner.TOP, "tests/system/probe.c"), libraries=["-lresolv"])


@pytest.fixture(scope="session")
def tree(work_root, probe):
    """The busybox tree with the probe in it. Tests may write to places of their own in it."""
    path = os.path.join(work_root, "tree")
    trees.unpack("busybox", path)
    shutil.copy(probe, os.path.join(path, "usr/bin/probe"))
    return path


@pytest.fixture
def tell(redd, tree):
    """tell("fds", "env", options=[...]): the probe's lines, as (key, rest) pairs."""
    def ask(*words, options=(), code=0, **kwargs):
        done = redd.run("-q", "--pipe", "-D", tree, *options, "/usr/bin/probe", *words, **kwargs)
        assert done.code == code, done
        return [tuple(line.split(" ", 1)) if " " in line else (line, "") for line in done.lines]
    return ask


def _network():
    made = network_support.Network()
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def network():
    """Hosts with networks of their own: see support/network.py."""
    yield from _network()


@pytest.fixture(scope="module")
def network_module():
    yield from _network()
