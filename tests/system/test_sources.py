"""Each source of an image ends as a machine that runs: for root and for a user, as a program and as a service."""
import gzip
import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile

import pytest

from support import disks, leaks, machines, oci, runner, sandbox, trees

POOL = "/var/lib/machines"
DISKS = ("raw", "qcow2")
SAYS = "#!/bin/sh\necho it runs in $(cat /etc/made-of)\n"


@pytest.fixture(scope="module")
def registry(work_root):
    one = oci.Registry(work_root + "/registry")
    yield one
    one.stop()
    shutil.rmtree(one.place)


@pytest.fixture(scope="module")
def source(work_root, registry):
    """source("tar"): what an image is made of there: the words of importctl for it. Everything says what it is when it boots or runs."""
    base = work_root + "/sources"
    tree = trees.unpack("busybox", base + "/tree")

    def say(kind):
        for path, text in (("/etc/rcS", SAYS), ("/etc/made-of", kind + "\n")):
            with open(tree + path, "w") as file:
                file.write(text)

    def image():
        archive = subprocess.run(["tar", "-C", tree, "-c", "."], check=True, capture_output=True).stdout
        return oci.Image([archive], {"Cmd": ["/bin/sh", "-c", "sh /etc/rcS; while :; do sleep 1000; done"]},
                         compress=lambda data: gzip.compress(data, 1))

    def make(kind):
        path = "%s/%s" % (base, kind)
        say(kind)
        if kind == "tar":
            subprocess.run(["tar", "-C", tree, "--zstd", "-cf", path, "."], check=True)
        elif kind == "raw":
            disks.table(path, [(disks.ROOT, disks.filesystem(path + ".ext4", "ext4", tree))])
        elif kind == "qcow2":
            disks.filesystem(path + ".ext4", "ext4", tree)
            disks.run("qemu-img", "convert", "-c", "-O", "qcow2", path + ".ext4", path)
        else:
            layout = image().layout(path if kind == "layout" else path + ".layout")
            if kind == "docker-archive":
                oci.skopeo("copy", "oci:" + layout, "docker-archive:%s:x:1" % path)
            elif kind == "registry":
                oci.skopeo("copy", "--dest-tls-verify=false", "oci:" + layout, "docker://%s/x:1" % registry.host)
                return ["pull-oci", registry.host + "/x:1"]
        subprocess.run(["chmod", "-R", "a+rX", path], check=True)
        return ["import-tar" if kind == "tar" else "import-raw" if kind in DISKS else "import-oci", path]
    made = {}

    def get(kind):
        if kind not in made:
            made[kind] = make(kind)
        return made[kind]
    yield get
    shutil.rmtree(base)


SOURCES = ["tar", "raw", "qcow2", "docker-archive", "layout", "registry"]
TYPES = {"tar": "directory", "raw": "raw", "qcow2": "raw"}


@pytest.fixture
def roots():
    for path in ("/var/lib", "/var/log"):
        sandbox.mount("tmpfs", path, "tmpfs", 0, "mode=0755")
    os.makedirs("/run/redd/detached", exist_ok=True)
    os.makedirs("/run/redd/machines", exist_ok=True)
    yield
    for path in ("/var/log", "/var/lib"):
        sandbox.umount(path)


def check_runs(redd, kind):
    """As a program, and started by name; what it said is in its log."""
    control = machines.machinectl(redd)
    control.always = []
    done = redd.run("-q", "--pipe", "-x", "-M", "web", "/bin/sh", "-c", "echo it runs in $(cat /etc/made-of) as $(id -u)").ok()
    assert done.lines[-1] == "it runs in %s as 0" % kind, done
    try:
        control.run("start", "web").ok()
        runner.until(lambda: "it runs in %s\n" % kind in control.run("logs", "web", "-n", "100").out.replace("\r", ""))
        assert control.run("exec", "web", "cat", "/etc/made-of").ok().out == kind + "\n"
        # a system boots, what an image says is run runs
        assert control.run("exec", "web", "cat", "/proc/1/comm").ok().out == ("init\n" if kind in TYPES else "sh\n")
    finally:
        control.run("-q", "terminate", "web")
        runner.until(lambda: control.run("list").out == "No machines.\n")


@pytest.mark.parametrize("kind", SOURCES)
def test_it_runs_for_root(redd, roots, source, kind):
    control = machines.importctl(redd)
    control.run("-m", *source(kind), "web").ok()
    row, = json.loads(control.run("-mj", "list-images").ok().out)
    assert (row["name"], row["type"]) == ("web", TYPES.get(kind, "mstack"))
    status = machines.machinectl(redd).run("image-status", "web").ok().out
    assert "\t      OS: Busybox tree\n" in status, status
    check_runs(redd, kind)


@pytest.fixture
def users(mine, user):
    programs = os.path.dirname(mine.path)
    os.link(mine.path, programs + "/nspawn")
    shutil.copy(os.path.join(os.path.dirname(runner.program()), "redd-dissect"), programs)
    yield mine
    shutil.rmtree(user.home + "/.local", ignore_errors=True)


@pytest.mark.parametrize("kind", SOURCES)
def test_it_runs_for_a_user(users, user, ids, source, kind):
    control = machines.importctl(users)
    control.run("-m", *source(kind), "web").ok()
    row, = json.loads(control.run("-mj", "list-images").ok().out)
    assert (row["name"], row["type"]) == ("web", TYPES.get(kind, "mstack"))
    before = leaks.loops()
    check_runs(users, kind)
    assert leaks.loops() == before
    if kind in DISKS:
        control.run("-m", "export-raw", "web", user.home + "/out.raw").ok()
        os.unlink(user.home + "/out.raw")


# ---- Debian ----

def check_boots(redd):
    control = machines.machinectl(redd)
    control.always = []
    try:
        control.run("start", "deb").ok()
        # its bus has to be there first
        runner.until(lambda: control.run("exec", "deb", "systemctl", "is-system-running", "--wait").out in ("running\n", "degraded\n"))
        assert control.run("exec", "deb", "cat", "/proc/1/comm").ok().out == "systemd\n"
        control.run("poweroff", "deb").ok()
        control.run("wait", "deb").ok()
    finally:
        control.run("-q", "terminate", "deb")


@pytest.mark.slow
def test_debian_boots_from_a_docker_archive(redd, roots, place):
    control = machines.importctl(redd)
    layer = os.path.join(trees.CACHE, "bookworm.tar")
    with open(layer, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    config = {"architecture": "amd64", "os": "linux", "config": {}, "rootfs": {"type": "layers", "diff_ids": ["sha256:" + digest]}}
    with tarfile.open(place + "/deb.tar", "w") as archive:
        archive.add(layer, "layer.tar")
        for name, document in (("config.json", config), ("manifest.json", [{"Config": "config.json", "RepoTags": ["deb:1"], "Layers": ["layer.tar"]}])):
            entry, text = tarfile.TarInfo(name), json.dumps(document).encode()
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text))
    control.run("-m", "import-oci", place + "/deb.tar").ok()
    with open(POOL + "/deb.nspawn") as file:
        assert "Boot=yes" in file.read()
    os.unlink(place + "/deb.tar")
    check_boots(redd)


@pytest.fixture
def delegated(user):
    """Words before a command that is to run in a cgroup of the user's, as a service manager gives one to a session."""
    root = sandbox.cgroup_root()
    group = root and os.path.join(root, "session")
    if not group:
        pytest.skip("this host has no cgroup2")
    os.makedirs(group + "/shell")
    for path in (group, group + "/shell", *(group + "/" + name for name in ("cgroup.procs", "cgroup.subtree_control", "shell/cgroup.procs"))):
        os.chown(path, user.uid, user.gid)
    yield ["sh", "-ec", 'echo 0 >%s/shell/cgroup.procs; exec "$@"' % group, "sh"]
    with open(group + "/cgroup.events") as events:
        runner.until(lambda: events.seek(0) == 0 and "populated 0" in events.read())
    for directory, _, _ in os.walk(group, topdown=False):
        os.rmdir(directory)


@pytest.mark.slow
def test_debian_boots_for_a_user(users, user, delegated):
    control = machines.importctl(users)
    with open(os.path.join(trees.CACHE, "bookworm.tar"), "rb") as file:
        control.run("-m", "import-tar", "-", "deb", stdin=file).ok()
    check_boots(users.with_prefix(*delegated))
