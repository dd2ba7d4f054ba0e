"""The same program for a normal user: subordinate ids if there are some, else one id."""
import os
import shutil
import subprocess

import pytest

from support import machines, runner, trees
from support.console import Console


@pytest.fixture
def mine(redd, user, probe):
    """The program as the user runs it, with a tree that the user owns."""
    tree = os.path.join(user.home, "tree")
    trees.unpack("busybox", tree)
    shutil.copy(probe, tree + "/usr/bin/probe")
    subprocess.run(["chown", "-Rh", "%d:%d" % (user.uid, user.gid), tree], check=True)
    program = os.path.join(user.home, "systemd-nspawn")
    shutil.copy(redd.path, program)
    os.chmod(program, 0o755)
    one = runner.Redd(program, redd.always, dict(redd.env, **user.environment()), user.prefix())
    one.tree = tree
    yield one
    shutil.rmtree(tree, ignore_errors=True)


@pytest.fixture
def single(user):
    """Without subordinate ids."""
    for name in ("subuid", "subgid"):
        with open("/etc/" + name) as file:
            text = file.read()
        with open("/etc/" + name, "w") as file:
            file.write("".join(line + "\n" for line in text.splitlines() if not line.startswith(user.name)))
    yield
    for name in ("subuid", "subgid"):
        with open("/etc/" + name, "a") as file:
            file.write("%s:1000000:65536\n" % user.name)


@pytest.mark.parametrize("code", [0, 3, 133])
def test_a_command_runs(mine, code):
    assert mine.run("-D", mine.tree, "sh", "-c", "exit %d" % code).code == (1 if code == 133 else code)


def test_it_is_root_inside_with_a_range_of_ids(mine):
    done = mine.run("-q", "--pipe", "-D", mine.tree, "sh", "-c", "id -u; cat /proc/self/uid_map; touch /root/x; stat -c %u /root/x; chown 1000 /root/x && stat -c %u /root/x").ok()
    lines = [line.split() for line in done.lines]
    assert lines[0] == ["0"] and lines[-2] == ["0"] and lines[-1] == ["1000"], done
    assert os.stat(mine.tree + "/root/x").st_uid >= 1000000


def test_one_id_is_enough(mine, single):
    done = mine.run("-q", "--pipe", "-D", mine.tree, "sh", "-c", "id -u; cat /proc/self/uid_map; touch /root/x; stat -c %u /root/x").ok()
    assert done.lines[0] == "0" and done.lines[-1] == "0" and done.lines[1].split()[2] == "1", done
    assert os.stat(mine.tree + "/root/x").st_uid == 4242


def test_the_rung_is_in_the_plan(mine, single):
    assert "one id" in mine.run("--print-plan", "-D", mine.tree, "true").ok().out


def test_the_subordinate_rung_is_in_the_plan(mine):
    assert "newuidmap" in mine.run("--print-plan", "-D", mine.tree, "true").ok().out


def test_the_api_file_systems_are_there(mine):
    done = mine.run("-q", "--pipe", "-D", mine.tree, "sh", "-c",
                    "ls /proc/self/fd >/dev/null && echo proc; echo x > /dev/null && echo null; ls /sys/kernel >/dev/null && echo sys; touch /run/x /tmp/x && echo run; "
                    "head -c 1 /dev/urandom | wc -c; exec 5<>/dev/ptmx && echo ptmx").ok()
    assert done.lines == ["proc", "null", "sys", "run", "1", "ptmx"], done


def test_a_console(mine):
    one = Console(mine.argv("-q", "-D", mine.tree, "sh", "-c", "tty; stty size; exit 6"), env=mine.env, size=(33, 77))
    try:
        one.expect("/dev/", 10)
        one.expect("33 77", 10)
        assert one.wait(10) == 6
    finally:
        one.close()


@pytest.mark.parametrize("options", [["--private-network"], ["-x"], ["--read-only"], ["--volatile=yes"], ["--volatile=overlay"], ["--tmpfs=/mnt"], ["-a"],
                                     ["--bind=/etc:/mnt"], ["--user=user"], ["--as-pid2", "--private-network"]], ids=" ".join)
def test_options(mine, options):
    mine.run("-q", "--pipe", "-D", mine.tree, *options, "true").ok()


def test_a_payload_dies_with_its_supervisor(mine):
    process = mine.start("--pipe", "-D", mine.tree, "sh", "-c", "echo ready; sleep 63")
    assert process.stdout.readline() == "ready\n", process.communicate()
    for child in [process.pid]:
        os.kill(child, 9)
    process.wait()
    process.communicate()
    # The record tells the next command what to clean up; that nothing is left then is checked by the fixture.
    mine.run("-q", "--pipe", "-D", mine.tree, "true").ok()


def test_the_tree_is_locked_against_umount(mine):
    done = mine.run("-q", "--pipe", "-D", mine.tree, "sh", "-c", "umount /dev/shm 2>&1; umount /run/host 2>&1; mount -o remount,rw /run/host 2>&1")
    assert "nvalid" in done.out or "denied" in done.out or "permitted" in done.out, done


def delegated_cgroup(uid):
    """What a service manager gives to a user: systemd as init needs a cgroup that it may write."""
    top = "/sys/fs/cgroup/unified" if os.path.isdir("/sys/fs/cgroup/unified") else "/sys/fs/cgroup"
    group = top + "/redd-test-user"
    os.makedirs(group, exist_ok=True)
    for name in (".", "cgroup.procs", "cgroup.subtree_control", "cgroup.threads"):
        os.chown(os.path.join(group, name), uid, uid)
    return group


def test_a_debian_boots(redd, user, mine):
    tree = os.path.join(user.home, "debian")
    # files owned by subordinate ids, as an unpacker in the user's namespace leaves them
    trees.unpack("trixie", tree)
    subprocess.run("find . -print0 | xargs -0 chown -h --from=0:0 4242:4242", shell=True, cwd=tree, check=True)
    for number in (5, 8, 42, 43):
        subprocess.run("find . -gid %d -print0 | xargs -0 -r chgrp -h %d" % (number, 1000000 + number - 1), shell=True, cwd=tree, check=True)
    group = delegated_cgroup(4242)
    one = Console(["sh", "-c", 'echo $$ > "$0"/cgroup.procs && exec "$@"', group] + mine.argv("-b", "-D", tree), env=mine.env)
    try:
        one.expect("(Reached target|login:|Startup finished)", 60)
        one.expect("login:", 60)
        os.kill(one.pid, 15)
        assert one.wait(60) == 0
    finally:
        one.close()
        os.rmdir(group)
        shutil.rmtree(tree, ignore_errors=True)


def test_only_newuidmap_and_newgidmap_are_executed(mine, place):
    log = place + "/log"
    os.chmod(place, 0o777)
    mine.with_prefix("strace", "-f", "-qq", "-e", "trace=execve,execveat", "-o", log).run("--pipe", "-D", mine.tree, "true")
    programs = set()
    for line in open(log):
        if "execve" in line and "ENOENT" not in line and '"' in line:
            programs.add(os.path.basename(line.split('"')[1]))
    assert programs <= {"setpriv", "systemd-nspawn", "newuidmap", "newgidmap", "true", ""}, programs


def test_without_a_runtime_directory_of_the_session(mine):
    environment = {name: value for name, value in mine.env.items() if name != "XDG_RUNTIME_DIR"}
    place = "/tmp/redd-4242"
    try:
        done = subprocess.run(mine.argv("-q", "--pipe", "-D", mine.tree, "true"), env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done
        assert os.stat(place).st_uid == 4242
        # somebody else was there first
        shutil.rmtree(place)
        os.mkdir(place)
        os.chmod(place, 0o777)
        done = subprocess.run(mine.argv("-q", "--pipe", "-D", mine.tree, "true"), env=environment, capture_output=True, text=True)
        assert done.returncode == 1 and "belongs to somebody else" in done.stderr, done
    finally:
        shutil.rmtree(place, ignore_errors=True)


INIT = "#!/bin/sh\ntrap 'exit 0' TERM INT USR1 USR2 37\nwhile :; do sleep 1000 & wait $!; done\n"


def test_machinectl_starts_enters_and_stops_what_is_the_users(mine, user):
    home, tree = user.home, os.path.join(user.home, ".local/state/machines/own")
    os.makedirs(os.path.dirname(tree))
    os.rename(mine.tree, tree)
    if os.path.lexists(tree + "/sbin/init"):
        os.unlink(tree + "/sbin/init")
    for path, text in ((tree + "/sbin/init", INIT), (home + "/note", "hello\n")):
        with open(path, "w") as file:
            file.write(text)
        os.chmod(path, 0o755)
    os.link(mine.path, home + "/nspawn")
    shutil.copy(os.path.join(os.path.dirname(runner.program()), "machinectl"), home)
    subprocess.run(["chown", "-Rh", "%d:%d" % (user.uid, user.gid), home], check=True)
    control = machines.machinectl(mine)
    control.always = []
    try:
        control.run("start", "own").ok()
        assert control.run("list", "--no-legend").ok().out.startswith("own ")
        assert "UID: %d\n" % user.uid in control.run("status", "own").ok().out
        assert control.run("exec", "own", "id", "-u").ok().out == "0\n"
        assert control.run("shell", "own", input="echo $HOME\n").ok().out == "/root\n"
        control.run("copy-to", "own", home + "/note", "/root/").ok()
        control.run("copy-from", "own", "/root/note", home + "/back").ok()
        assert open(home + "/back").read() == "hello\n" and os.stat(home + "/back").st_uid == user.uid
        control.run("bind", "--mkdir", "own", home + "/note", "/mnt/note").ok()
        assert control.run("exec", "own", "cat", "/mnt/note").ok().out == "hello\n"
        control.run("bind", "--remove", "own", "/mnt/note").ok()
        assert control.run("exec", "own", "cat", "/mnt/note").ok().out == ""
        control.run("enable", "own").ok()
        control.run("disable", "own").ok()
        # the host's journal is root's: nothing is tried that cannot work
        assert "journal" not in control.run("logs", "own").out
        control.run("--system", "status", "own").failed("cannot find machine 'own'")
        control.run("stop", "own").ok()
        assert control.run("list").ok().out == "No machines.\n"
    finally:
        control.run("-q", "terminate", "own")


def test_machines_of_root_are_said_to_be_anothers(mine, user, tree):
    control = machines.machinectl(runner.Redd(runner.program()))
    theirs = machines.Machine(runner.Redd(runner.program()), "roots", tree)
    try:
        asked = control.with_prefix(*user.prefix())
        for words in (["status", "roots"], ["exec", "roots", "true"], ["terminate", "roots"]):
            asked.run("--system", *words).failed("cannot reach machine 'roots': it is another user's (try as root)")
        asked.run("status", "roots").failed("cannot find machine 'roots'")
    finally:
        theirs.stop()
