"""Machines whose root is stacked from layers that they share."""
import contextlib
import hashlib
import json
import os
import shutil
import stat
import subprocess
import time

import pytest

from support import leaks, machines, runner, sandbox, trees

QUIET = ["-q", "--pipe"]


class Images:
    """A store of layers and a pool of machines that are made of them, by hand."""

    def __init__(self, store, pool, owner=None):
        self.store, self.pool, self.owner = store, pool, owner
        for path in (os.path.join(store, "layers/sha256"), pool):
            os.makedirs(path, mode=0o700, exist_ok=True)
        os.chmod(store, 0o700)
        if owner is not None:
            subprocess.run(["chown", "-R", "%d:%d" % (owner, owner), store, pool], check=True)

    def layer(self, name, fill):
        """The directory of the layer NAME, which FILL puts files into."""
        path = os.path.join(self.store, "layers/sha256", hashlib.sha256(name.encode()).hexdigest())
        if not os.path.exists(path):
            os.mkdir(path, 0o755)
            fill(path)
            if self.owner is not None:
                subprocess.run(["chown", "-Rh", "%d:%d" % (self.owner, self.owner), path], check=True)
        return path

    def busybox(self):
        """The busybox tree in three layers."""
        def parts(path, *names):
            trees.unpack("busybox", path)
            for name in names:
                whole = os.path.join(path, name)
                shutil.rmtree(whole) if os.path.isdir(whole) and not os.path.islink(whole) else os.unlink(whole)
        return [self.layer("base", lambda path: parts(path, "usr/bin", "etc")),
                self.layer("programs", lambda path: parts(path, "etc", "bin", "sbin", "lib", "usr/lib", "usr/sbin", "var", "root")),
                self.layer("settings", lambda path: parts(path, "usr", "bin", "sbin", "lib", "var", "root"))]

    def machine(self, name, layers, read_only=False):
        path = os.path.join(self.pool, name + ".mstack")
        os.mkdir(path, 0o700)
        for index, layer in enumerate(layers):
            os.symlink(layer, os.path.join(path, "layer@%d" % index))
        if not read_only:
            for part in ("rw", "rw/data", "rw/work"):
                os.mkdir(os.path.join(path, part), 0o755)
        if self.owner is not None:
            subprocess.run(["chown", "-Rh", "%d:%d" % (self.owner, self.owner), path], check=True)
        return path


def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as file:
        file.write(text)


@pytest.fixture
def images():
    """In a /var/lib of the test's own."""
    sandbox.mount("tmpfs", "/var/lib", "tmpfs", 0, "mode=0755")
    yield Images("/var/lib/redd", "/var/lib/machines")
    sandbox.umount("/var/lib")


def run(redd, *args, **more):
    return redd.run(*QUIET, *args, **more)


@pytest.mark.parametrize("options", [[], ["--private-users=no"], ["--private-users=pick", "--network-veth"], ["--volatile=overlay"],
                                     ["--volatile=state"], ["--ephemeral"], ["--read-only"]], ids=lambda o: " ".join(o) or "plain")
def test_layers_make_a_tree(redd, images, options):
    images.machine("web", images.busybox())
    done = run(redd, "-M", "web", *options, "sh", "-c",
               "stat -c '%u %a' / /etc/passwd /root /usr/bin/busybox; ls /; grep -c : /etc/passwd; readlink /bin").ok()
    assert done.lines[:4] == ["0 755", "0 644", "0 700", "0 755"], done
    assert done.lines[-2:] == ["4", "usr/bin"], done
    assert {"etc", "usr", "root", "proc", "var"} <= set(done.lines), done


def test_what_is_written_stays_in_the_machine(redd, images):
    layers = images.busybox()
    path = images.machine("web", layers)
    before = subprocess.run(["find", *layers, "-printf", "%p %T@ %C@ %s\n"], capture_output=True, check=True).stdout
    run(redd, "-M", "web", "sh", "-c", "echo new > /etc/new; rm /etc/inittab; rm -r /var; mkdir /var; echo x >> /etc/passwd").ok()
    done = run(redd, "-D", path, "sh", "-c", "cat /etc/new; ls /etc/inittab /var; tail -n 1 /etc/passwd")
    assert done.lines == ["new", "/var:", "x"] and "/etc/inittab" in done.err, done
    assert subprocess.run(["find", *layers, "-printf", "%p %T@ %C@ %s\n"], capture_output=True, check=True).stdout == before
    assert os.stat(path + "/rw/data/etc/new").st_uid == 0  # on disk as the layers' files are
    images.machine("other", layers)
    assert run(redd, "-M", "other", "ls", "/etc/new").code != 0


@pytest.mark.parametrize("options", [["--ephemeral"], ["--read-only"], ["--volatile=overlay"]], ids=" ".join)
def test_a_machine_is_as_it_was_afterwards(redd, images, options):
    path = images.machine("web", images.busybox())
    run(redd, "-M", "web", "sh", "-c", "echo old > /etc/old").ok()
    done = run(redd, "-M", "web", *options, "sh", "-c", "cat /etc/old; echo new > /etc/new && cat /etc/new")
    assert done.lines == (["old"] if options == ["--read-only"] else ["old", "new"]), done
    assert not os.path.exists(path + "/rw/data/etc/new")
    assert sorted(os.listdir("/var/lib/machines")) == ["web.mstack"]


def test_an_image_without_changes_is_read_only(redd, images):
    images.machine("web", images.busybox(), read_only=True)
    done = run(redd, "-M", "web", "sh", "-c", "ls /etc/passwd; touch /x")
    assert done.lines == ["/etc/passwd"] and "Read-only" in done.err, done
    run(redd, "-D", "/var/lib/machines/web.mstack", "touch", "/x").failed("Read-only")
    run(redd, "-x", "-M", "web", "touch", "/x").ok()


def test_what_the_host_gives_is_written_to_changes(redd, images):
    """The view that is planned by is read-only, the tree is not."""
    path = images.machine("web", images.busybox())
    done = run(redd, "-M", "web", "--network-veth", "cat", "/etc/resolv.conf").ok()
    assert "nameserver" in done.out and "cannot" not in done.err, done
    assert os.path.exists(path + "/rw/data/etc/resolv.conf")


def test_one_layer_is_enough(redd, images):
    layer = images.layer("all", lambda path: trees.unpack("busybox", path))
    images.machine("ro", [layer], read_only=True)
    images.machine("rw", [layer])
    run(redd, "-M", "ro", "ls", "/etc/passwd").ok()
    run(redd, "-x", "-M", "ro", "touch", "/x").ok()
    run(redd, "-M", "rw", "touch", "/x").ok()


def test_whiteouts_take_away(redd, images):
    def take_away(path):
        os.makedirs(path + "/etc")
        os.mknod(path + "/etc/inittab", stat.S_IFCHR | 0o600, 0)
        os.mkdir(path + "/var")
        os.setxattr(path + "/var", "user.overlay.opaque", b"y")
        os.mkdir(path + "/var/mine")
    images.machine("web", [*images.busybox(), images.layer("less", take_away)])
    for options in ([], ["--private-users=no"], ["-x"]):
        done = run(redd, "-M", "web", *options, "sh", "-c", "ls /var; ls /etc; getfattr -d /var 2>/dev/null; true").ok()
        assert done.lines[0] == "mine" and "inittab" not in done.lines and "passwd" in done.lines, done


def test_the_upper_layer_wins_and_facts_are_of_the_whole(redd, images):
    """A link in one layer leads to a file of another; the user stands in the topmost passwd."""
    def user(path):
        write(path + "/etc/passwd", "root:x:0:0:root:/root:/bin/sh\nonly:x:77:77::/:/bin/sh\n")
        os.unlink(path + "/etc/os-release") if os.path.lexists(path + "/etc/os-release") else None
    images.machine("web", [*images.busybox(), images.layer("user", user)])
    done = run(redd, "-M", "web", "--user=only", "id", "-u").ok()
    assert done.lines == ["77"], done

    def init(path):
        write(path + "/usr/lib/systemd/systemd", "x")
        os.chmod(path + "/usr/lib/systemd/systemd", 0o755)
    images.machine("init", [*images.busybox(), images.layer("init", init)])
    assert any(step.get("data") == "/usr/lib/systemd/systemd" for step in redd.plan("-bM", "init") if step["kind"] == "exec")


def test_a_hundred_and_more_layers(redd, images):
    layers = images.busybox()
    for number in range(130):
        layers.append(images.layer("n%d" % number, lambda path: write(path + "/srv/%d" % number, "%d" % number)))
    images.machine("tall", layers)
    for options in ([], ["-x"], ["--read-only"], ["--private-users=no"]):
        assert run(redd, "-M", "tall", *options, "sh", "-c", "ls /srv | wc -l").ok().lines == ["130"]


def test_two_machines_share_layers(redd, images):
    layers = images.busybox()
    for name in ("one", "two"):
        images.machine(name, layers)
    first = machines.Machine(redd, "one", "/var/lib/machines/one.mstack")
    second = machines.Machine(redd, "two", "/var/lib/machines/two.mstack")
    control = machines.machinectl(redd)
    try:
        control.run("exec", "one", "--", "sh", "-c", "echo 1 > /etc/who").ok()
        control.run("exec", "two", "--", "sh", "-c", "test ! -e /etc/who && echo 2 > /etc/who").ok()
        assert control.run("exec", "one", "--", "cat", "/etc/who").ok().out.strip() == "1"
        run(redd, "-M", "one", "true").failed("one of this name is running")
        run(redd, "-M", "third", "-D", "/var/lib/machines/one.mstack", "true").failed("in use")
        # a throw-away copy of what is written to is made of what it shows
        assert run(redd, "-x", "-D", "/var/lib/machines/one.mstack", "cat", "/etc/who").ok().lines == ["1"]
    finally:
        first.stop()
        second.stop()


def test_differences_are_told(redd, images):
    control = machines.machinectl(redd)
    for options in ([], ["-x"], ["--volatile=overlay"]):
        made = machines.Machine(redd, "web", images.machine("web%d" % len("".join(options)), images.busybox()), "--resolv-conf=off", *options)
        try:
            assert control.run("diff", "web").ok().out == ""
            control.run("exec", "web", "--", "sh", "-c", "echo x > /etc/new; rm /etc/rcS; chmod 600 /etc/group").ok()
            assert control.run("diff", "web").ok().out.splitlines() == ["M /etc/group", "A /etc/new", "D /etc/rcS"]
        finally:
            made.stop()


def test_the_tree_is_locked_against_the_guest(redd, images):
    images.machine("web", images.busybox())
    done = run(redd, "-M", "web", "sh", "-c", "umount -l /; umount /; mount -o remount,bind,dev / && echo remounted; cat /proc/self/mountinfo")
    root = [line for line in done.lines if line.split()[4:5] == ["/"]]
    assert "remounted" not in done.lines and len(root) == 1 and " overlay " in root[0], done


def test_a_missing_layer_has_a_name(redd, images):
    path = images.machine("web", images.busybox())
    os.unlink(path + "/layer@1")
    os.symlink("/nowhere", path + "/layer@1")
    run(redd, "-M", "web", "true").failed("web.mstack/layer@1", "cannot open the layer")


def test_owners_of_layers_are_not_changed(redd, images):
    images.machine("web", images.busybox())
    run(redd, "-M", "web", "--private-users=pick", "--private-users-ownership=chown", "true").failed("layers", "--private-users-ownership=")


def test_a_user_has_layers_too(mine, user):
    images = Images(user.home + "/.local/state/redd", user.home + "/.local/state/machines", user.uid)
    subprocess.run(["chown", "-R", "%d:%d" % (user.uid, user.uid), user.home + "/.local"], check=True)
    try:
        layers = images.busybox()

        def take_away(path):
            os.makedirs(path + "/etc")
            os.mknod(path + "/etc/inittab", stat.S_IFCHR | 0o600, 0)
        images.machine("web", [*layers, images.layer("less", take_away)])
        images.machine("ro", layers, read_only=True)
        done = run(mine, "-M", "web", "sh", "-c", "ls /etc; echo x > /etc/new; chown 5 /etc/new; rm -r /var; mkdir /var").ok()
        assert "passwd" in done.lines and "inittab" not in done.lines, done
        assert run(mine, "-M", "web", "sh", "-c", "cat /etc/new; stat -c %u /etc/new; ls /var").ok().lines == ["x", "5"]
        assert run(mine, "-x", "-M", "web", "sh", "-c", "echo y > /etc/new; cat /etc/new").ok().lines == ["y"]
        assert run(mine, "-M", "web", "cat", "/etc/new").ok().lines == ["x"]
        run(mine, "-M", "ro", "touch", "/x").failed("Read-only")
        assert any(step["kind"] == "layers" for step in mine.plan("-M", "web"))
    finally:
        shutil.rmtree(user.home + "/.local")


def test_what_is_removed_takes_its_layers_along(redd, images):
    layers = images.busybox()
    own = images.layer("own", lambda path: write(path + "/srv/own", "x" * 100000))
    images.machine("one", layers)
    images.machine("two", [*layers, own])
    control, importctl = machines.machinectl(redd), machines.importctl(redd)
    rows = {(row["type"], row["name"]): row for row in json.loads(importctl.run("disk-usage", "--json=short").ok().out)}
    shared, alone = [rows["layer", "sha256:" + os.path.basename(path)] for path in (layers[0], own)]
    assert "sha256:%s " % os.path.basename(own)[:12] in importctl.run("disk-usage").ok().out
    assert shared["held-by"].split(", ") == ["one", "two"] and shared["exclusive"] == 0 and shared["size"] > 1000
    assert alone["held-by"] == "two" and alone["shared"] == 0 and alone["size"] >= 100000
    assert rows["layered", "two"]["exclusive"] >= alone["size"] and rows["layered", "two"]["shared"] == rows["layered", "one"]["shared"]
    one = machines.Machine(redd, "one", "/var/lib/machines/one.mstack")
    try:
        assert "1 layers" in control.run("remove", "two").ok().err
        assert not os.path.exists(own) and all(map(os.path.exists, layers))
        control.run("remove", "one").failed("in use")
        control.run("exec", "one", "--", "cat", "/etc/passwd").ok()
    finally:
        one.stop()
    # one that runs from another directory holds its layers too
    os.rename("/var/lib/machines/one.mstack", "/var/lib/else.mstack")
    one = machines.Machine(redd, "one", "/var/lib/else.mstack")
    try:
        images.machine("three", layers[:1])
        control.run("remove", "three").ok()
        assert all(map(os.path.exists, layers))
    finally:
        one.stop()
    images.machine("three", layers[:1])
    control.run("remove", "three").ok()
    assert not any(map(os.path.exists, layers))


# ---- create ----

def test_create_tells_sources_apart(redd, images, place):
    shutil.copy(os.path.join(os.path.dirname(redd.path), "machinectl"), place)
    control = runner.Redd(place + "/machinectl", env=redd.env)
    write(place + "/importctl", '#!/bin/sh\nprintf "%s\\n" "$@"\n')
    os.chmod(place + "/importctl", 0o755)
    for name in ("tree", "layout"):
        os.mkdir(os.path.join(place, name))
    for name in ("layout/oci-layout", "a.tar.xz", "disk.qcow2", "disk.raw.gz", "strange"):
        write(os.path.join(place, name), "")
    for source, verb, given in (
            ("https://example.org/a.tar.xz", "pull-tar", None), ("https://example.org/disk.raw.zst?x=1", "pull-raw", None),
            ("docker://alpine", "pull-oci", None), ("alpine", "pull-oci", None), ("localhost:5000/a/b@sha256:" + 64 * "0", "pull-oci", None),
            ("oci:layout", "import-oci", "layout"), ("docker-archive:/x.tar", "import-oci", "/x.tar"), ("./layout", "import-oci", None),
            ("./tree", "import-fs", None), ("tree", "import-fs", None), ("a.tar.xz", "import-tar", None), ("./disk.qcow2", "import-raw", None),
            ("disk.raw.gz", "import-raw", None)):
        done = control.run("create", "web", "--image=" + source, "--force", cwd=place).ok()
        assert done.lines == ["--class=machine", "--force", verb, "--", given or source, "web"], done
    control.run("create", "web").failed("--image=")
    control.run("create", "web", "--image=./strange", cwd=place).failed("cannot tell what './strange' is")
    control.run("create", "web", "--image=strange", cwd=place).failed("cannot tell what 'strange' is")
    control.run("create", "web", "--image=/nowhere", cwd=place).failed("cannot find '/nowhere'")
    control.run("create", "web", "--image=No Such", cwd=place).failed("cannot find 'No Such'")
    # what has the form of a reference may as well be a name that was mistyped
    for source, told in (("bsae", True), ("docker://bsae", False)):
        done = control.run("create", "web", "--image=" + source, cwd=place).ok()
        assert ("There is neither an image nor a file 'bsae': it is looked for in a registry." in done.err) == told, done


def test_create_clones_what_is_here(redd, images):
    images.machine("base", images.busybox())
    control = machines.machinectl(redd)
    control.run("create", "web", "--image=base").ok()
    run(redd, "-M", "web", "sh", "-c", "echo x > /etc/new").ok()
    assert run(redd, "-M", "base", "ls", "/etc/new").code != 0
    control.run("create", "web", "--image=base").failed("there is an image of this name")
    control.run("remove", "web", "base").ok()
    assert os.listdir("/var/lib/redd/layers/sha256") == []


# ---- as a service ----

@pytest.fixture
def service(redd, images):
    """machinectl where no service manager runs."""
    sandbox.mount("tmpfs", "/var/log", "tmpfs", 0, "mode=0755")
    os.makedirs("/run/redd/detached", exist_ok=True)
    os.makedirs("/run/redd/machines", exist_ok=True)
    control = machines.machinectl(redd)
    yield control
    control.run("-q", "stop", "--all")
    sandbox.umount("/var/log")


def test_an_application_runs_as_a_service_and_a_system_boots(images, service):
    images.machine("app", images.busybox())
    write("/var/lib/machines/app.nspawn", "[Exec]\nBoot=no\nUser=svc\nEnvironment=WORD=hello\nWorkingDirectory=/tmp\nKillSignal=SIGUSR1\nParameters=sh -c "
          "\"trap 'echo bye $WORD; exit 0' USR1; echo $WORD from $(id -u) in $(pwd); while :; do sleep 1000 & wait $!; done\"\n")
    images.machine("os", images.busybox())
    service.run("start", "app", "os").ok()
    log = runner.until(lambda: [line for line in service.run("logs", "app").out.splitlines() if "hello" in line])
    assert "hello from 33 in /tmp" in log[0], log
    assert service.run("exec", "os", "--", "cat", "/proc/1/comm").ok().out.strip() == "init"
    service.run("stop", "app").ok()
    assert "bye hello" in service.run("logs", "app").out


# ---- at the same time, and killed ----

def hammer(command, seconds):
    return subprocess.Popen(["timeout", str(seconds), "sh", "-c", "while :; do %s; done" % command],
                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def test_nothing_is_lost_between_starts_copies_and_collections(redd, images):
    """While layers come and go and images are removed, each copy has all of its layers."""
    images.machine("web", images.busybox())
    control = machines.machinectl(redd)
    build = os.path.dirname(redd.path)
    seconds = 60 if runner.LONG else 4
    others = [hammer("%s/machinectl -q clean" % build, seconds + 90),
              hammer("%s/machinectl -q clone web tmp && %s/machinectl -q remove tmp" % (build, build), seconds + 90)]
    end = time.monotonic() + seconds
    try:
        turns = 0
        while turns < 4 or time.monotonic() < end:
            assert others[0].poll() is None
            control.run("clone", "web", "next").ok()
            control.run("remove", "web").ok() if turns % 2 else None
            if turns % 2:
                control.run("rename", "next", "web").ok()
            else:
                assert run(redd, "-M", "next", "cat", "/etc/passwd").ok().lines
                control.run("remove", "next").ok()
            assert run(redd, "-x", "-M", "web", "sh", "-c", "test -x /usr/bin/busybox && cat /etc/passwd").ok().lines
            turns += 1
    finally:
        for one in others:
            one.terminate()  # which timeout(1) hands on to its shell
            one.communicate()

    def is_machinectl(pid):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError), open("/proc/%d/comm" % pid) as file:
            return "machinectl" in file.read()
    runner.until(lambda: not any(map(is_machinectl, leaks.processes())))
    control.run("remove", *[name[:-len(".mstack")] for name in os.listdir(images.pool) if name.endswith(".mstack")]).ok()
    assert os.listdir("/var/lib/redd/layers/sha256") == []


def test_whoever_is_killed_leaves_a_store_that_works(redd, images):
    layers = images.busybox()
    images.machine("web", layers)
    control = machines.machinectl(redd)
    for number in range(20 if runner.LONG else 6):
        extra = images.layer("extra%d" % number, lambda path: [write(path + "/srv/%d" % i, "x") for i in range(300)])
        images.machine("gone", [*layers, extra])
        one = control.start("remove", "gone")
        runner.until(lambda: one.poll() is not None or not os.path.exists(extra) or number == 0, 10)
        one.kill()
        one.communicate()
        control.run("clean").ok()
        assert all(map(os.path.exists, layers))
        if not os.path.exists("/var/lib/machines/gone.mstack"):
            assert sorted(os.listdir("/var/lib/redd/layers/sha256")) == sorted(map(os.path.basename, layers))
        else:
            control.run("remove", "gone").ok()
    assert run(redd, "-M", "web", "cat", "/etc/passwd").ok().lines
