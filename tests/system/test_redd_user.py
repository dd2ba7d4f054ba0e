"""redd as a normal user: definitions, state and machines of the user's own."""
import json
import os
import shutil
import subprocess

import pytest

from support import disks, machines, oci, runner, trees
from support.declared import INIT

KINDS = ["dir", "tar", "raw", "oci-layout"]
pytestmark = pytest.mark.usefixtures("fuse")


class Mine:
    """A user's host. redd(...), control(...): the programs as the user calls them."""

    def __init__(self, mine, user):
        self.user = user
        self.definitions = user.home + "/.config/systemd/nspawn"
        self.state = user.home + "/.local/state/redd"
        self.tools = {}
        for name in ("redd", "machinectl"):
            self.tools[name] = machines.tool(mine, name)
            self.tools[name].always = []
        self.sh("mkdir", "-p", self.definitions)

    def sh(self, *argv):
        subprocess.run([*self.user.prefix(), *argv], check=True, env=dict(os.environ, **self.user.environment()), cwd=self.user.home)

    def redd(self, *words):
        return self.tools["redd"].run(*words, timeout=120)

    def control(self, *words):
        return self.tools["machinectl"].run(*words)

    def define(self, name, source, *lines, install=True):
        text = "[X-Image]\nSource=%s\n%s%s" % (
            source, "".join(line + "\n" for line in lines), "[X-Install]\nWantedBy=machines.target\n" if install else "")
        with open(self.definitions + "/%s.nspawn" % name, "w") as file:
            file.write(text)

    def running(self):
        return [row["machine"] for row in json.loads(self.control("list", "--json=short").ok().out)]

    def inside(self, name, *command):
        return self.control("exec", name, "--", *command).ok().out.rstrip("\n")


@pytest.fixture
def host(mine, user):
    programs = os.path.dirname(mine.path)
    os.link(mine.path, programs + "/nspawn")
    shutil.copy(os.path.join(os.path.dirname(runner.program()), "redd"), programs)
    one = Mine(mine, user)
    yield one
    one.control("-q", "stop", "--all")
    one.redd("gc", "--keep=1", "--quiet")
    shutil.rmtree(user.environment()["XDG_RUNTIME_DIR"] + "/redd/applied", ignore_errors=True)
    # what belongs to subordinate ids is the user's only inside
    for path in (user.home + "/.local", user.home + "/.config"):
        shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def sources(user, place):
    """source("raw", "1"): where something of this version comes from. A directory is the user's own, the rest is root's inside."""
    tree = trees.unpack("busybox", place + "/tree")
    start = tree + "/usr/sbin/init"
    os.unlink(start)
    with open(start, "w") as file:
        file.write(INIT % "")
    os.chmod(start, 0o755)

    def make(kind, version):
        with open(tree + "/etc/version", "w") as file:
            file.write(version + "\n")
        path = "%s/%s-%s" % (place, kind, version)
        if kind == "dir":
            subprocess.run(["cp", "-a", tree, path], check=True)
            subprocess.run(["chown", "-Rh", "%d:%d" % (user.uid, user.gid), path], check=True)
        elif kind == "tar":
            subprocess.run(["tar", "-C", tree, "-cf", path, "."], check=True)
        elif kind == "raw":
            disks.table(path, [(disks.ROOT, disks.filesystem(path + ".ext4", "ext4", tree))])
        else:
            archive = subprocess.run(["tar", "-C", tree, "-c", "."], check=True, capture_output=True).stdout
            oci.Image([archive], {"Cmd": ["/usr/sbin/init"]}).layout(path)
        subprocess.run(["chmod", "-R", "a+rX", path], check=True)
        return "%s:%s" % (kind, path)
    os.chmod(place, 0o755)
    return make


@pytest.mark.parametrize("kind", KINDS)
def test_a_user_applies_changes_and_goes_back(host, ids, sources, kind):
    one, two = sources(kind, "1"), sources(kind, "2")
    host.define("web", one, "Persist=/var/log")
    host.redd("apply").ok()
    assert host.running() == ["web"] and host.inside("web", "cat", "/etc/version") == "1"
    assert host.redd("plan").ok().out.endswith("Nothing to do.\n")
    host.inside("web", "sh", "-c", "echo kept >/var/log/note; echo mine >/root/note")
    host.define("web", two, "Persist=/var/log")
    assert "recreate" in host.redd("plan").failed(code=2).out
    host.redd("apply").ok()
    assert host.inside("web", "cat", "/etc/version", "/var/log/note") == "2\nkept"
    host.redd("rollback").ok()
    assert host.inside("web", "cat", "/etc/version", "/var/log/note", "/root/note") == "1\nkept\nmine"
    assert host.redd("drift").code == 2
    host.redd("gc", "--keep=1").ok()
    assert host.inside("web", "cat", "/etc/version") == "1"
    os.unlink(host.definitions + "/web.nspawn")
    host.redd("apply").ok()
    assert host.running() == [] and os.listdir(host.state + "/persist") == []
    host.define("web", two, "Persist=/var/log")
    host.redd("apply").ok()
    assert host.inside("web", "cat", "/etc/version", "/var/log/note") == "2\nkept" and os.listdir(host.state + "/trash") == []
    os.unlink(host.definitions + "/web.nspawn")
    host.redd("apply").ok()
    assert len(os.listdir(host.state + "/trash")) == 1
    host.redd("gc", "--keep=1", "--forget").ok()
    assert os.listdir(host.state + "/trash") == []


@pytest.mark.parametrize("root", ["copy", "ephemeral", "direct"])
def test_roots_of_a_disk_image(host, user, sources, root):
    source = sources("raw", "1")
    if root == "direct":
        shutil.move(source[len("raw:"):], user.home + "/disk.raw")
        source = "raw:%s/disk.raw" % user.home
        os.chown(user.home + "/disk.raw", user.uid, user.gid)
    host.define("web", source, "Root=" + root)
    host.redd("apply").ok()
    assert host.inside("web", "cat", "/etc/version") == "1"
    host.inside("web", "sh", "-c", "echo mine >/etc/version")
    host.control("stop", "web").ok()
    host.redd("apply").ok()
    assert host.inside("web", "cat", "/etc/version") == ("1" if root == "ephemeral" else "mine")


def test_what_a_user_cannot_have_is_said(host, sources):
    host.define("web", sources("dir", "1"))
    host.define("mail", "nix:/nix/store/0123456789abcdfghijklmnpqrsvwxyz-system")
    host.redd("apply").failed("machine 'mail' without root")
    assert host.running() == [] and not os.path.exists(host.state + "/generations/1")


NOT_FOR_USERS = """[Exec]
PrivateUsers=no
[Files]
Bind=/srv:/srv:idmap
Bind=/srv:/data:noidmap
[Network]
Bridge=br0
VirtualEthernetExtra=a:b
[X-Image]
Source=dir:/srv
[X-Network]
NAT=no
[X-Service]
OOMScoreAdjust=-100
OOMScoreAdjust=100
MemoryMax=1G
"""


def test_plan_tells_what_only_root_may_have(host):
    with open(host.definitions + "/web.nspawn", "w") as file:
        file.write(NOT_FOR_USERS)
    rows = json.loads(host.redd("plan", "--json=short").failed(code=2).out)["not_honoured"]
    assert [(row["section"], row["key"], row["value"]) for row in rows if row["why"] == "not without root"] == [
        ("Exec", "PrivateUsers", "no"), ("Files", "Bind", "/srv:/srv:idmap"), ("Network", "Bridge", "br0"),
        ("Network", "VirtualEthernetExtra", "a:b"), ("X-Network", "NAT", "no")]
    # and so the runner has it
    host.define("web", "dir:" + host.user.home + "/tree", "[Network]", "Bridge=br0")
    host.redd("apply").failed("without root", code=3)


def test_limits_need_a_cgroup_of_the_users(host, user):
    """The one in which the user begins, if it was given to the user."""
    host.define("web", "dir:/srv", "[X-Service]", "TasksMax=100")
    rows = json.loads(host.redd("plan", "--json=short").failed(code=2).out)["not_honoured"]
    assert [(row["key"], row["why"]) for row in rows] == [("TasksMax", "no cgroup of yours")]


def test_credentials_are_changed_while_it_runs(host, sources):
    source = sources("dir", "1")
    for text in ("one", "two", "three"):
        host.define("web", source, "[X-Credential]", "Set=key:" + text)
        host.redd("apply", "--yes").ok()
        leader = host.control("show", "web", "--property=Leader", "--value").ok().out if text == "one" else leader
        assert host.inside("web", "cat", "/run/host/credentials/key") == text
        assert host.inside("web", "stat", "-c", "%u %a", "/run/host/credentials/key") == "0 400"
    assert host.control("show", "web", "--property=Leader", "--value").ok().out == leader


def test_a_registry_is_asked_by_a_user_too(host, ids, sources):
    """As which manifest a tree was fetched is noted where it belongs to other ids of the user's, or to one."""
    def image(version):
        tree = sources("dir", version)[len("dir:"):]
        layer = subprocess.run(["tar", "-c", "--sort=name", "-C", tree, "."], check=True, capture_output=True).stdout
        return oci.Image([layer], {"Cmd": ["/usr/sbin/init"]})

    server = oci.Server()
    try:
        digests = []
        for version in ("1", "2"):
            one = image(version)
            digests.append(oci.sha256(json.dumps(one.manifest).encode()))
            reference = server.serve(one, "web", "1")
            host.define("web", "oci:" + reference, "Update=digest", install=False)
            if version == "2":
                line, = json.loads(host.redd("plan", "--json=short").failed(code=2).out)["changes"]
                assert (line["old"], line["new"]) == tuple(digests)
            host.redd("apply").ok()
            assert host.redd("plan").ok().out.endswith("Nothing to do.\n")
    finally:
        server.stop()


def test_names_are_changed_while_it_runs(host, sources):
    source = sources("dir", "1")
    host.define("web", source, "[X-Network]", "Names=www")
    host.redd("apply").ok()
    leader = host.control("show", "web", "--property=Leader", "--value").ok().out
    host.define("web", source, "[X-Network]", "Names=shop data")
    assert "live" in host.redd("plan").failed(code=2).out
    assert "going on" not in host.redd("apply").ok().err
    host.redd("plan").ok()
    assert host.control("show", "web", "--property=Leader", "--value").ok().out == leader
