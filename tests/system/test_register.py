"""--register= and --slice= on a host where neither systemd nor systemd-machined runs: the file that clients read."""
import os
import shutil
import signal
import stat
import subprocess

import pytest

from support import runner, trees
from support.machines import Machine, machinectl

PLACE = "/run/systemd/machines"


@pytest.fixture(autouse=True)
def no_systemd():
    assert not os.path.exists("/run/systemd/system")
    yield
    # With the machines go their files; the directory is as empty as systemd-machined would leave it.
    assert not os.path.exists(PLACE) or os.listdir(PLACE) == []


def fields(path):
    with open(path) as file:
        lines = file.read().splitlines()
    assert lines[0] == "# This is private data. Do not parse."
    return dict(line.split("=", 1) for line in lines[1:])


@pytest.mark.parametrize("options", [[], ["--register=auto"], ["--register=yes"]], ids=" ".join)
def test_the_file_says_who_the_machine_is(redd, tree, options):
    path = os.path.join(PLACE, "known")
    machine = Machine(redd, "known", tree, *options)
    try:
        runner.until(lambda: os.path.exists(path))
        found = fields(path)
        assert found["NAME"] == "known" and found["CLASS"] == "container" and found["SERVICE"] == "systemd-nspawn"
        assert found["LEADER"] == str(machine.leader) and found["SUPERVISOR"] == str(machine.process.pid)
        assert found["ROOT"] == tree and len(found["ID"]) == 32 and found["UID"] == "0"
        assert int(found["REALTIME"]) > 0 and int(found["MONOTONIC"]) > 0
        # No unit is the machine's own here.
        assert "SCOPE" not in found and os.listdir(PLACE) == ["known"]
        assert stat.S_IMODE(os.lstat(path).st_mode) == 0o644
    finally:
        machine.stop()
    assert not os.path.exists(path)


def test_with_no_there_is_no_file(redd, tree):
    machine = Machine(redd, "unknown", tree, "--register=no")
    try:
        assert "unknown" in machinectl(redd).run("list", "--no-legend").ok().out
        # It has begun to run, as far as its supervisor knows.
        runner.until(lambda: machinectl(redd).run("exec", "unknown", "--", "true").code == 0)
        assert not os.path.exists(os.path.join(PLACE, "unknown"))
    finally:
        machine.stop()


@pytest.mark.skipif(not shutil.which("busctl"), reason="no clients of systemd here")
def test_clients_of_systemd_find_the_machine_by_it(redd, fresh):
    tree = fresh("bookworm")
    process = redd.start("-q", "-b", "-D", tree, "-M", "found", "--notify-ready=yes", stdout=subprocess.DEVNULL)
    try:
        runner.until(lambda: os.path.exists(os.path.join(PLACE, "found")))

        def running():
            done = subprocess.run(["systemctl", "-M", "found", "is-system-running"], capture_output=True, text=True)
            return done.stdout.strip() in ("running", "degraded")

        runner.until(running, 60)
        done = subprocess.run(["busctl", "--machine=found", "--no-pager"], capture_output=True, text=True)
        assert done.returncode == 0 and "org.freedesktop.systemd1" in done.stdout, done
        done = subprocess.run(["systemd-run", "-q", "-M", "found", "--pipe", "--wait", "cat", "/run/host/container-manager"],
                              capture_output=True, text=True)
        assert done.stdout.strip() == "systemd-nspawn", done
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)


def test_a_reboot_inside_changes_the_leader(redd, tree):
    machine = Machine(redd, "again", tree, "--as-pid2")
    path = os.path.join(PLACE, "again")
    try:
        runner.until(lambda: os.path.exists(path))
        before = fields(path)["LEADER"]
        os.kill(machine.leader, signal.SIGINT)
        runner.until(lambda: os.path.exists(path) and fields(path)["LEADER"] != before)
        with open("/proc/%s/status" % fields(path)["LEADER"]) as file:
            assert "PPid:\t%d\n" % machine.process.pid in file.read()
    finally:
        machine.stop()


def test_what_a_killed_supervisor_left_is_removed(redd, tree):
    machine = Machine(redd, "left", tree)
    path = os.path.join(PLACE, "left")
    runner.until(lambda: os.path.exists(path))
    machine.process.kill()
    machine.process.communicate()
    assert os.path.exists(path)
    redd.run("--cleanup", "--machine=left").ok()
    assert not os.path.exists(path)


def test_a_file_of_somebody_else_stays(redd, tree):
    machine = Machine(redd, "taken", tree)
    path = os.path.join(PLACE, "taken")
    runner.until(lambda: os.path.exists(path))
    os.unlink(path)
    with open(path, "w") as file:
        file.write("NAME=taken\nCLASS=container\nLEADER=1\n")
    machine.stop()
    with open(path) as file:
        assert "LEADER=1\n" in file.read()
    os.unlink(path)


def test_a_directory_that_cannot_be_written_is_no_obstacle_but_with_yes(redd, tree):
    shutil.rmtree(PLACE, ignore_errors=True)
    os.makedirs(os.path.dirname(PLACE), exist_ok=True)
    with open(PLACE, "w"):
        pass
    try:
        assert redd.run("-q", "-D", tree, "-M", "quiet", "--pipe", "echo", "hello").ok().out == "hello\n"
        redd.run("-q", "-D", tree, "-M", "loud", "--register=yes", "sleep", "60").failed("cannot write '%s/loud'" % PLACE)
    finally:
        os.unlink(PLACE)
        os.mkdir(PLACE)


def test_a_users_machine_is_in_the_users_directory(redd, user):
    tree, program = os.path.join(user.home, "tree"), os.path.join(user.home, "systemd-nspawn")
    trees.unpack("busybox", tree)
    subprocess.run(["chown", "-Rh", "%d:%d" % (user.uid, user.gid), tree], check=True)
    shutil.copy(redd.path, program)
    mine = runner.Redd(program, redd.always, dict(redd.env, **user.environment()), user.prefix())
    path = "/run/user/%d/systemd/machines/mine" % user.uid
    machine = Machine(mine, "mine", tree)
    try:
        runner.until(lambda: os.path.exists(path))
        found = fields(path)
        assert (found["NAME"], found["UID"], found["LEADER"]) == ("mine", str(user.uid), str(machine.leader))
        assert os.lstat(path).st_uid == user.uid
    finally:
        machine.stop()
    assert os.listdir(os.path.dirname(path)) == []
    shutil.rmtree("/run/user/%d/systemd" % user.uid)
    shutil.rmtree("/run/user/%d/redd" % user.uid)
    shutil.rmtree(tree)
    os.unlink(program)


def test_a_slice_needs_systemd(redd, tree):
    redd.run("-D", tree, "-M", "sliced", "--slice=web", "true").failed("cannot put machine 'sliced' into 'web.slice'",
                                                                      "systemd does not run here")
