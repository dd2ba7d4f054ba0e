"""S25, S38: a file system of the guest that never answers, and who looks at it from outside."""
import contextlib
import os
import shutil
import signal
import subprocess

import pytest

from support import machines

from .conftest import compiled


@pytest.fixture(scope="module")
def control(redd):
    return machines.machinectl(redd)


@pytest.fixture
def stalled(redd, fresh):
    """stalled(place): a machine whose guest has mounted something there that never answers."""
    made = []

    def start(place, *options):
        tree = fresh()
        shutil.copy(compiled("stall"), tree + "/stall-server")
        one = machines.Machine(redd, "stalled", tree, *options, command="exec /stall-server " + place)
        made.append(one)
        return one
    yield start
    for one in made:
        if one.process.poll() is None:
            # the leader is dead before its supervisor has said so
            with contextlib.suppress(ProcessLookupError):
                os.kill(one.leader, signal.SIGKILL)
        one.stop()


@pytest.mark.parametrize("direction", ["copy-from", "copy-to"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["INT", "TERM"])
def test_s25_a_copy_that_is_stopped_ends(control, stalled, place, direction, number):
    one = stalled("/stall")
    with open(place + "/file", "w") as file:
        file.write("text")
    paths = ("/stall/file", place + "/copy") if direction == "copy-from" else (place + "/file", "/stall/file")
    process = subprocess.Popen(control.argv(direction, "stalled", *paths), env=control.env, stderr=subprocess.PIPE, text=True)
    # one of its processes asks, and gets no answer
    while "asked" not in one.process.stdout.readline():
        pass
    process.send_signal(number)
    try:
        assert process.wait(timeout=10) == 1
    finally:
        process.kill()
        os.kill(one.leader, signal.SIGKILL)
        # now what was left behind ends, too
        said = process.communicate(timeout=10)[1]
    assert "stopped" in said and "hangs" in said, said


@pytest.mark.parametrize("place", ["/etc", "/dev/pts", "/var/log"])
def test_s25_nobody_who_looks_waits_for_it(control, stalled, place):
    """With ids of its own: the kernel lets nobody else be caught."""
    one = stalled(place)
    with pytest.raises(PermissionError):
        os.listdir("/proc/%d/root%s" % (one.leader, place))
    for words in ("list",), ("status", "stalled"), ("show", "stalled"), ("stats",), ("kill", "--signal=CONT", "stalled"), ("logs", "stalled"), ("terminate", "stalled"):
        done = control.run(*words, timeout=10)
        assert done.code == 0 or words[0] == "logs", done


def test_s25_nobody_who_looks_at_a_guest_of_the_hosts_root_waits_for_it(control, stalled):
    """Without ids of its own the kernel would let us be caught: it is a mount, so nobody goes there."""
    one = stalled("/etc", "--private-users=no")
    caught = subprocess.Popen(["ls", "/proc/%d/root/etc" % one.leader], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while "asked" not in one.process.stdout.readline():
            pass
        for words in ("list",), ("status", "stalled"), ("show", "stalled"), ("stats",):
            assert control.run(*words, timeout=10).code == 0, words
        assert caught.poll() is None
        control.run("terminate", "stalled", timeout=10).ok()
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(one.leader, signal.SIGKILL)
        caught.wait(timeout=10)
