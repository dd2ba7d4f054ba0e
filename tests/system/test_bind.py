"""machinectl bind: a path of the host in a running machine, with fitting owners, and away again."""
import os
import shutil
import stat
import subprocess

import pytest

from support import leaks, machines, sandbox

MODES = {"userns": [], "host-users": ["--private-users=no"]}


@pytest.fixture(scope="module")
def control(redd):
    return machines.machinectl(redd)


@pytest.fixture(params=MODES, ids=list(MODES))
def machine(request, redd, fresh):
    made = machines.Machine(redd, "binder", fresh(), *MODES[request.param])
    made.userns = request.param == "userns"
    yield made
    made.stop()


@pytest.fixture
def plain(redd, fresh):
    made = machines.Machine(redd, "binder", fresh())
    yield made
    made.stop()


@pytest.fixture
def shared(place):
    """A directory of the host with a file of user 1000 in it."""
    os.makedirs(place + "/data/sub")
    with open(place + "/data/file", "w") as file:
        file.write("of the host\n")
    os.chown(place + "/data/file", 1000, 33)
    return place + "/data"


def inside(control, *command):
    return control.run("exec", "binder", "--", *command)


def mounts_of(machine):
    return [line.split() for line in open("/proc/%d/mountinfo" % machine.leader)]


def at(machine, path):
    return [line for line in mounts_of(machine) if line[4] == path]


def test_a_directory_is_shown_with_fitting_owners(control, machine, shared):
    before = leaks.mounts()
    control.run("bind", "--mkdir", "binder", shared, "/srv/data").ok()
    assert inside(control, "cat", "/srv/data/file").ok().out == "of the host\n"
    assert inside(control, "stat", "-c", "%u %g", "/srv/data/file").ok().out.split() == ["1000", "33"]
    inside(control, "sh", "-c", "echo x > /srv/data/new; chown 7:8 /srv/data/new").ok()
    status = os.stat(shared + "/new")
    assert (status.st_uid, status.st_gid) == (7, 8)
    assert leaks.mounts() == before


def test_the_place_is_the_same_path_if_none_is_given(control, plain, shared):
    control.run("bind", "--mkdir", "binder", shared).ok()
    assert at(plain, shared)


def test_a_file_is_shown(control, machine, shared):
    control.run("bind", "--mkdir", "binder", shared + "/file", "/srv/file").ok()
    assert inside(control, "cat", "/srv/file").ok().out == "of the host\n"
    control.run("bind", "binder", shared + "/file", "/tmp").failed("only one of them is a directory")
    control.run("bind", "binder", shared, "/etc/passwd").failed("only one of them is a directory")


def test_a_place_is_only_made_when_that_is_asked_for(control, machine, shared):
    control.run("bind", "binder", shared, "/srv/no/such").failed("/srv/no/such", "--mkdir")
    assert inside(control, "ls", "-d", "/srv/no").code != 0
    control.run("bind", "--mkdir", "binder", shared, "/srv/no/such").ok()
    assert inside(control, "stat", "-c", "%u", "/srv/no").ok().out.strip() == "0"


def test_read_only_cannot_be_taken_back_by_the_guest(control, plain, shared):
    control.run("bind", "--mkdir", "--read-only", "binder", shared, "/srv/ro").ok()
    script = "mount -o remount,bind,rw /srv/ro; mkdir -p /tmp/again; mount -o bind /srv/ro /tmp/again; mount -o remount,bind,rw /tmp/again; " \
             "echo evil > /srv/ro/evil; echo evil > /tmp/again/evil; echo evil > /srv/ro/file; true"
    inside(control, "sh", "-c", script)
    assert sorted(os.listdir(shared)) == ["file", "sub"] and open(shared + "/file").read() == "of the host\n"


def test_control_a_writable_one_is_written_to(control, plain, shared):
    control.run("bind", "--mkdir", "binder", shared, "/srv/rw").ok()
    inside(control, "sh", "-c", "echo evil > /srv/rw/evil").ok()
    assert os.path.exists(shared + "/evil")


def test_into_a_user_namespace_there_is_neither_setuid_nor_a_device(control, machine, shared):
    control.run("bind", "--mkdir", "binder", shared, "/srv/data").ok()
    options = at(machine, "/srv/data")[-1][5].split(",")
    assert ("nosuid" in options and "nodev" in options) == machine.userns


def test_what_is_mounted_below_comes_along_and_nothing_travels_back(control, plain, shared):
    sandbox.mount("tmpfs", shared + "/sub", "tmpfs")
    open(shared + "/sub/deep", "w").close()
    try:
        control.run("bind", "--mkdir", "binder", shared, "/srv/data").ok()
        assert inside(control, "ls", "/srv/data/sub").ok().out.split() == ["deep"]
        before = leaks.mounts()
        inside(control, "mount", "-t", "tmpfs", "guest", "/srv/data/sub").ok()
        assert leaks.mounts() == before
        sandbox.mount("tmpfs", shared + "/sub", "tmpfs")
        assert "guest" in at(plain, "/srv/data/sub")[-1]
        sandbox.umount(shared + "/sub")
    finally:
        sandbox.umount(shared + "/sub")


def test_a_bind_is_removed_and_only_ours(control, machine, shared):
    control.run("bind", "--mkdir", "binder", shared, "/srv/data").ok()
    control.run("bind", "--mkdir", "binder", shared + "/file", "/srv/file").ok()
    for path in ("/proc", "/tmp", "/srv", "/", "/nowhere"):
        control.run("bind", "--remove", "binder", path).failed("has put nothing there")
    control.run("bind", "--remove", "binder", "/srv/data").ok()
    assert not at(machine, "/srv/data") and at(machine, "/srv/file")
    control.run("bind", "--remove", "binder", "/srv/file").ok()
    assert not at(machine, "/srv/file")
    control.run("bind", "--remove", "binder", "/srv/file").failed("has put nothing there")
    assert at(machine, "/proc")


def test_what_the_guest_mounts_over_it_is_not_removed(control, plain, shared):
    control.run("bind", "--mkdir", "binder", shared, "/srv/data").ok()
    inside(control, "mount", "-t", "tmpfs", "guest", "/srv/data").ok()
    control.run("bind", "--remove", "binder", "/srv/data").failed("has put nothing there")
    inside(control, "umount", "/srv/data").ok()
    control.run("bind", "--remove", "binder", "/srv/data").ok()


def test_one_place_can_have_several(control, plain, shared):
    for _ in range(3):
        control.run("bind", "--mkdir", "binder", shared, "/srv/data").ok()
    for left in (2, 1, 0):
        control.run("bind", "--remove", "binder", "/srv/data").ok()
        assert len(at(plain, "/srv/data")) == left


def test_nothing_is_left_of_the_notes(redd, control, fresh, shared):
    made = machines.Machine(redd, "binder", fresh())
    control.run("bind", "--mkdir", "binder", shared, "/srv/data").ok()
    assert ".binder.binds" in os.listdir("/run/redd/machines")
    assert stat.S_IMODE(os.stat("/run/redd/machines/.binder.binds").st_mode) == 0o600
    made.stop()
    assert ".binder.binds" not in os.listdir("/run/redd/machines")


def test_what_cannot_be_is_said(control, plain, shared):
    control.run("bind", "binder", shared, "/").failed("that is its root")
    control.run("bind", "binder", shared, "srv").failed("not absolute")
    control.run("bind", "binder", "/no/such", "/srv").failed("/no/such")
    control.run("bind", "--mkdir", "binder", "/proc", "/srv/proc").failed("cannot map owners", "/proc")
    control.run("bind", "nobody", shared, "/srv").failed("nobody")
    control.run("bind", "--remove", "binder", "/a", "/b").failed("two paths")


def test_without_root(mine, user, ids):
    os.makedirs(user.home + "/data")
    with open(user.home + "/data/file", "w") as file:
        file.write("mine\n")
    subprocess.run(["chown", "-Rh", "%d:%d" % (user.uid, user.gid), user.home + "/data"], check=True)
    control = machines.machinectl(mine)
    made = machines.Machine(mine, "binder", mine.tree)
    try:
        assert (sum(int(line.split()[2]) for line in open("/proc/%d/uid_map" % made.leader)) == 1) == (ids == "single")
        control.run("bind", "--mkdir", "binder", user.home + "/data", "/srv/data").ok()
        assert inside(control, "stat", "-c", "%u", "/srv/data/file").ok().out.strip() == "0"
        inside(control, "sh", "-c", "echo x > /srv/data/new").ok()
        control.run("bind", "--mkdir", "--read-only", "binder", user.home + "/data/file", "/srv/ro").ok()
        inside(control, "sh", "-c", "mount -o remount,bind,rw /srv/ro; echo evil > /srv/ro")
        assert open(user.home + "/data/file").read() == "mine\n" and os.path.exists(user.home + "/data/new")
        control.run("bind", "--remove", "binder", "/srv/data").ok()
        control.run("bind", "--remove", "binder", "/srv/ro").ok()
    finally:
        made.stop()
        shutil.rmtree(user.home + "/data")
