"""kill -9 of the supervisor at every step, then the next start: nothing is left."""
import os
import re
import signal
import subprocess
import time

import pytest

from support import leaks, machines, runner, trees

# the calls that change the world; a kill before and after each is a kill at every step of the plan
CHANGING = "clone,clone3,unshare,mount,umount2,move_mount,open_tree,fsopen,fsconfig,fsmount,mount_setattr,mkdir,mkdirat,mknodat,symlinkat,renameat,renameat2,unlinkat," \
           "linkat,fchownat,fchown,write,pwrite64,sendmsg,recvmsg,socket,bind,setns,pidfd_send_signal,flock,fcntl,rmdir,ioctl,waitid,epoll_wait,execve"
OPTIONS = [[], ["-x"], ["--private-network"], ["--private-users=no"], ["--volatile=overlay"], ["--bind=:/mnt/x", "--overlay=/etc::/mnt/y"]]


def count_calls(redd, tree, options, place):
    log = os.path.join(place, "calls")
    done = redd.with_prefix("strace", "-qq", "-e", "trace=" + CHANGING, "-o", log).run("-q", "--pipe", "-D", tree, *options, "true")
    assert done.code == 0, done
    with open(log) as file:
        return [line.split("(")[0] for line in file if "(" in line]


def killed(redd, tree, options, call, when, place):
    """Run with the supervisor killed at its WHEN-th CALL."""
    return redd.with_prefix("strace", "-qq", "-o", os.path.join(place, "log"), "-e", "trace=" + call, "-e", "inject=%s:signal=KILL:when=%d" % (call, when)).run(
        "-q", "--pipe", "-D", tree, *options, "true", timeout=30)


@pytest.mark.slow
@pytest.mark.parametrize("options", OPTIONS, ids=lambda o: " ".join(o) or "plain")
def test_kill_at_every_step(redd, fresh, place, options):
    tree = fresh()
    calls = count_calls(redd, tree, options, place)
    redd.run("-q", "-D", tree, *options, "true").ok()
    before = leaks.Picture(directories=[os.path.dirname(tree)])
    number, points = {}, []
    for call in calls:
        number[call] = number.get(call, 0) + 1
        points.append((call, number[call]))
    step = 1 if runner.LONG else max(1, len(points) // 40)
    for call, when in points[::step]:
        killed(redd, tree, options, call, when, place)
        # the next start works at once and takes away what the dead one left
        done = redd.run("-q", "-D", tree, *options, "true")
        assert done.code == 0, (call, when, done)
        left = leaks.settled(before, ignore=[place], directories=[os.path.dirname(tree)])
        assert not left, (call, when, left)


@pytest.mark.parametrize("options", OPTIONS, ids=lambda o: " ".join(o) or "plain")
def test_kill_while_running_and_the_next_start_reaps(redd, fresh, options):
    tree = fresh()
    redd.run("-q", "-D", tree, *options, "true").ok()
    before = leaks.Picture(directories=[os.path.dirname(tree)])
    process = redd.start("--pipe", "-D", tree, *options, "sh", "-c", "(trap '' TERM HUP; sleep 64) & echo ready; sleep 64")
    assert process.stdout.readline() == "ready\n", process.communicate()
    process.kill()
    process.communicate()
    redd.run("-q", "-D", tree, *options, "true").ok()
    left = leaks.settled(before, directories=[os.path.dirname(tree)])
    assert not left, left


def test_a_payload_that_cleared_its_death_signal_is_killed_by_the_next_start(redd, fresh):
    tree = fresh()
    import shutil
    source = "/tmp/redd-test-bin/stubborn.c"
    os.makedirs(os.path.dirname(source), exist_ok=True)
    with open(source, "w") as file:
        file.write("#include <sys/prctl.h>\n#include <unistd.h>\nint main(void) { prctl(PR_SET_PDEATHSIG, 0); write(1, \"ready\\n\", 6); for (;;) pause(); }\n")
    shutil.copy(runner.compile_static(source), tree + "/usr/bin/stubborn")
    process = redd.start("--pipe", "-D", tree, "stubborn")
    assert process.stdout.readline() == "ready\n"
    leader = runner.leader(process.pid)
    process.kill()
    process.wait()
    # the payload still holds the other ends
    process.stdout.close()
    process.stderr.close()
    redd.run("-D", tree, "true").ok()
    runner.until(lambda: not os.path.exists("/proc/%d/exe" % leader))


def test_cleanup_takes_away_everything(redd, fresh):
    tree = fresh()
    redd.run("-q", "-D", tree, "true").ok()
    before = leaks.Picture(directories=[os.path.dirname(tree)])
    for _ in range(5):
        process = redd.start("--pipe", "-x", "-D", tree, "sh", "-c", "echo ready; sleep 65")
        assert process.stdout.readline() == "ready\n"
        process.kill()
        process.communicate()
    redd.run("--cleanup").ok()
    left = leaks.settled(before, directories=[os.path.dirname(tree)])
    assert not left, left


def test_cleanup_leaves_the_living_alone(redd, fresh):
    tree = fresh()
    process = redd.start("--pipe", "-x", "-D", tree, "sh", "-c", "echo ready; read x; echo alive", stdin=subprocess.PIPE)
    assert process.stdout.readline() == "ready\n"
    redd.run("--cleanup").ok()
    redd.run("--cleanup", "-D", tree).ok()
    assert process.poll() is None
    assert process.communicate("\n", timeout=10)[0] == "alive\n"


def test_cleanup_of_one_machine_leaves_the_others(redd, fresh):
    trees = {name: fresh() for name in ("one", "two")}
    processes = [redd.start("--pipe", "-M", name, "-D", tree, "sh", "-c", "echo ready; sleep 65") for name, tree in trees.items()]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.kill()
        process.communicate()
    redd.run("--cleanup", "-M", "one").ok()
    assert os.listdir("/run/redd/machines") == ["two"]
    redd.run("--cleanup", "-D", trees["one"]).ok()
    assert os.listdir("/run/redd/machines") == ["two"]
    redd.run("--cleanup").ok()
    assert os.listdir("/run/redd/machines") == []


def test_cleanup_of_the_directory_of_a_machine(redd, fresh):
    tree = fresh()
    process = redd.start("--pipe", "-D", tree, "sh", "-c", "echo ready; sleep 65")
    assert process.stdout.readline() == "ready\n"
    redd.run("--cleanup", "-D", tree).failed("is running")
    process.kill()
    process.communicate()
    redd.run("--cleanup", "-D", tree).ok()
    assert os.listdir("/run/redd/machines") == []


def test_cleanup_says_what_it_cannot_do(redd, tree):
    redd.run("--cleanup", "-x", "-D", tree).failed("--ephemeral")
    record = "/run/redd/machines/broken"
    redd.run("-q", "-D", tree, "true").ok()
    with open(record, "w") as file:
        file.write("redd-record=1\ntag=0123456789abcdef\nsupervisor=2147483646\ntemporary=/etc\n")
    try:
        redd.run("--cleanup").failed("clean up")
        redd.run("--cleanup", "--machine=broken").failed("broken")
    finally:
        os.unlink(record)


def test_a_failing_start_leaves_nothing(redd, fresh):
    tree = fresh()
    for options in (["--bind=/no/such:/mnt"], ["-u", "nobody-here"], ["--inaccessible=/no/such"], ["--chdir=/no/such"], ["--private-users=pick", "--bind=/etc/passwd:/etc"]):
        assert redd.run("-D", tree, *options, "true").code == 1
        assert redd.run("-x", "-D", tree, *options, "true").code == 1
        assert redd.run("-D", tree, "--volatile=overlay", *options, "true").code == 1


def test_a_hundred_starts_leave_nothing(redd, tree):
    for _ in range(100 if runner.LONG else 20):
        redd.run("-q", "-D", tree, "true").ok()


def test_two_starts_at_once_of_one_tree(redd, tree):
    processes = [redd.start("-q", "--pipe", "-D", tree, "sleep", "0.2") for _ in range(6)]
    codes = []
    for process in processes:
        process.communicate(timeout=20)
        codes.append(process.returncode)
    assert codes.count(0) >= 1 and set(codes) <= {0, 1}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT])
def test_signals_in_the_middle_of_a_start(redd, tree, number):
    for delay in range(0, 20, 2):
        process = redd.start("-q", "--pipe", "-D", tree, "sleep", "66")
        time.sleep(delay / 1000)
        process.send_signal(number)
        try:
            process.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            process.send_signal(number)
            process.communicate(timeout=10)
    # one that came before it was waited for has killed it: the next command cleans up
    machines.machinectl(redd).run("list").ok()
