"""[X-Health]: the check of a machine, what is known of it, and what its supervisor does."""
import json
import os
import re
import socket

import pytest

from support import machines, runner

NAME = "healthy"
FILE = "/etc/systemd/nspawn/%s.nspawn" % NAME
COMMAND = "trap 'exit 0' TERM; echo start >> /log; sleep 100000 & echo ready; wait"


@pytest.fixture
def machinectl(redd):
    return machines.machinectl(redd)


@pytest.fixture
def started(redd, fresh):
    """started(lines): a machine with this [X-Health] section; its check is whether there is a file /good."""
    tree, made, there = fresh("busybox", as_name=NAME), [], os.path.isdir(os.path.dirname(FILE))
    os.makedirs(os.path.dirname(FILE), exist_ok=True)

    def start(text, *options, env=None):
        with open(FILE, "w") as out:
            out.write("[Exec]\nKillSignal=TERM\n[X-Health]\nInterval=100ms\nTimeout=2s\n" + text)
        made.append(machines.Machine(redd, NAME, tree, *options, command=COMMAND, env=env))
        return made[-1]
    start.good = os.path.join(tree, "good")
    start.log = os.path.join(tree, "log")
    yield start
    for machine in made:
        machine.stop()
    os.unlink(FILE)
    if not there:
        os.rmdir(os.path.dirname(FILE))


def health(machinectl):
    done = machinectl.run("show", "--property=Health", "--value", NAME)
    return done.out.strip() if done.code == 0 else "gone"


def be(machinectl, state):
    runner.until(lambda: health(machinectl) == state)


@pytest.mark.parametrize("users", ["pick", "no"])
def test_health_follows_the_check(machinectl, started, users):
    started("Command=test -e /good\nRetries=2\nStartPeriod=1min\n", "--private-users=" + users)
    assert health(machinectl) == "starting"
    open(started.good, "w").close()
    be(machinectl, "healthy")
    assert "Health: healthy; checked" in machinectl.run("status", NAME).ok().out
    os.unlink(started.good)
    be(machinectl, "unhealthy")
    shown = json.loads(machinectl.run("status", "--json=short", NAME).ok().out)
    assert shown["health"] == "unhealthy" and shown["state"] == "running"
    open(started.good, "w").close()
    be(machinectl, "healthy")


def test_what_is_not_checked_has_no_health(machinectl, started):
    started("")
    assert health(machinectl) == ""
    assert json.loads(machinectl.run("status", "--json=short", NAME).ok().out)["health"] is None


def test_failures_at_the_start_do_not_count_at_once(machinectl, started):
    started("Command=sh -c 'echo x >> /tries; false'\nStartPeriod=1min\nRetries=1\n")
    tries = os.path.join(os.path.dirname(started.good), "tries")
    runner.until(lambda: os.path.exists(tries) and len(open(tries).readlines()) >= 3)
    assert health(machinectl) == "starting"


@pytest.mark.parametrize("command", ["sleep 1000", "/no/such/program", "sh -c 'kill -9 $$'"])
def test_a_check_that_cannot_be_good(machinectl, started, command):
    started("Timeout=200ms\nRetries=1\nCommand=%s\n" % command)
    be(machinectl, "unhealthy")


def test_a_check_runs_in_the_machines_cgroup_as_its_root(machinectl, started):
    started("Command=sh -c 'cat /proc/self/cgroup /proc/1/cgroup > /seen; id -u >> /seen; test -e /good'\n",
            "--private-users=pick")
    seen = os.path.join(os.path.dirname(started.good), "seen")
    runner.until(lambda: os.path.exists(seen) and open(seen).read().endswith("\n0\n"))
    groups = [line for line in open(seen).read().splitlines() if line.startswith("0::")]
    assert len(set(groups)) == 1 and ".." not in groups[0]


def test_stop(machinectl, started):
    machine = started("Command=test -e /good\nRetries=1\nOnFailure=stop\n")
    out, err = machine.process.communicate(timeout=15)
    assert machine.process.returncode == 0 and "does not work" in err
    assert open(started.log).read() == "start\n"


@pytest.mark.parametrize("word", ["restart", "rollback"])
def test_restart(machinectl, started, word):
    started("Command=test -e /good\nRetries=1\nOnFailure=%s\n" % word)
    runner.until(lambda: open(started.log).read().count("start") >= 2)
    open(started.good, "w").close()
    be(machinectl, "healthy")


def test_a_machine_that_is_to_end_is_not_started_again(machinectl, started):
    machine = started("Command=test -e /good\nRetries=1\nOnFailure=restart\nStartPeriod=1min\n")
    machine.process.terminate()
    assert machine.process.wait(timeout=15) == 0
    assert open(started.log).read() == "start\n"


def test_a_new_supervisor_checks_on(machinectl, started):
    started("Command=test -e /good\nRetries=1\n")
    open(started.good, "w").close()
    be(machinectl, "healthy")
    machinectl.run("reexec", NAME).ok()
    be(machinectl, "healthy")
    os.unlink(started.good)
    be(machinectl, "unhealthy")


class Listener:
    """For what the runner tells a service manager."""

    def __init__(self, path):
        self.path, self.heard = path, ""
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(path)
        self.socket.settimeout(15)

    def until(self, word):
        while word not in self.heard:
            self.heard += self.socket.recv(4096).decode() + "\n"


@pytest.fixture
def notified(place):
    one = Listener(os.path.join(place, "notify"))
    yield one
    one.socket.close()


def test_it_is_ready_when_it_works(machinectl, started, notified):
    """And asks for the time that its checks may take: StartPeriod=, and one more than Retries= of them."""
    started("Command=test -e /good\nStartPeriod=1min\nRetries=2\n", env={"NOTIFY_SOCKET": notified.path})
    notified.until("EXTEND_TIMEOUT_USEC=")
    assert int(re.search("EXTEND_TIMEOUT_USEC=([0-9]+)", notified.heard).group(1)) >= 60000000 + 3 * 2100000
    assert "X_NSPAWN_LEADER_PID=" in notified.heard and "READY=1" not in notified.heard
    assert health(machinectl) == "starting"
    open(started.good, "w").close()
    notified.until("READY=1")
    assert health(machinectl) == "healthy"


def test_it_is_ready_when_it_is_known_not_to_work_and_nothing_follows(machinectl, started, notified):
    started("Command=test -e /good\nRetries=1\n", env={"NOTIFY_SOCKET": notified.path})
    notified.until("READY=1")
    assert health(machinectl) == "unhealthy"


def test_a_new_supervisor_tells_that_it_is_ready(machinectl, started, notified):
    started("Command=test -e /good\nStartPeriod=1min\nRetries=1\n", env={"NOTIFY_SOCKET": notified.path})
    notified.until("EXTEND_TIMEOUT_USEC=")
    machinectl.run("reexec", NAME).ok()
    assert "READY=1" not in notified.heard
    open(started.good, "w").close()
    notified.until("READY=1")


@pytest.mark.parametrize("word", ["restart", "stop", "rollback"])
def test_a_start_that_somebody_waits_for_fails_if_it_never_works(machinectl, started, notified, word):
    machine = started("Command=test -e /good\nStartPeriod=500ms\nRetries=1\nOnFailure=%s\n" % word, env={"NOTIFY_SOCKET": notified.path})
    out, err = machine.process.communicate(timeout=15)
    assert machine.process.returncode == 1 and "container '%s' has not worked since it was started" % NAME in err
    assert open(started.log).read() == "start\n" and "READY=1" not in notified.heard
