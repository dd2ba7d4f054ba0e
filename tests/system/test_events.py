"""machinectl events: one JSON object a line, for everything that happens to machines."""
import contextlib
import os
import pathlib
import signal
import subprocess

import pytest

from support import machines, runner


@pytest.fixture
def watch(redd, tree):
    """watch(NAME…): the events of these machines, once the watch has begun."""
    started = []

    def begin(*names):
        # A machine that is there already shows when it listens.
        mark = machines.Machine(redd, "events-mark", tree, "--ephemeral")
        started.append(mark)
        events = machines.Events(machines.machinectl(redd), "events-mark", *names)
        started.append(events)
        assert [event["event"] for event in events.upto("running")] == ["running"]
        mark.stop()
        assert [event["event"] for event in events.upto("ended")] == ["ended"]
        return events

    yield begin
    for each in started:
        if isinstance(each, machines.Events):
            runner.terminate(each.process)
        else:
            each.stop()


def holds_pidfd(pid):
    """It has found its machine, and waits for it."""
    with contextlib.suppress(FileNotFoundError):
        return any("pidfd" in os.readlink("/proc/%d/fd/%s" % (pid, name)) for name in os.listdir("/proc/%d/fd" % pid))


def names(events):
    return [event["event"] for event in events]


def test_the_life_of_a_machine(redd, tree, watch):
    events = watch("events-a")
    process = redd.start("-q", "--pipe", "-D", tree, "-M", "events-a", "sh", "-c", "read line; exit 7", stdin=subprocess.PIPE)
    seen = events.upto("started")
    process.communicate("go\n", timeout=30)
    assert process.returncode == 7
    seen += events.upto("ended")
    assert names(seen) == ["opening", "started", "ended"] and {event["machine"] for event in seen} == {"events-a"}
    assert seen[1]["leader"] > 1 and seen[2].get("status", 7) == 7


def test_machines_that_were_there_and_others_that_are_not_asked_for(redd, tree, watch):
    machine = machines.Machine(redd, "events-b", tree)
    try:
        events = machines.Events(machines.machinectl(redd), "events-b")
        first = events.next()
        assert (first["event"], first["machine"], first["leader"]) == ("running", "events-b", machine.leader)
        redd.run("-q", "-D", tree, "--ephemeral", "-M", "events-c", "true").ok()
        machine.stop()
        assert names(events.upto("ended")) == ["ended"]
    finally:
        machine.stop()
        runner.terminate(events.process)


def test_pausing_and_a_supervisor_that_dies(redd, tree, watch):
    machinectl, events = machines.machinectl(redd), watch("events-d")
    machine = machines.Machine(redd, "events-d", tree)
    assert names(events.upto("started")) == ["opening", "started"]
    machinectl.run("pause", "events-d").ok()
    # what begins and ends before anybody looks is not told
    assert names(events.upto("paused")) == ["paused"]
    machinectl.run("resume", "events-d").ok()
    assert names(events.upto("resumed")) == ["resumed"]
    machine.process.kill()
    machine.process.communicate()
    assert names(events.upto("ended"))[-1] == "ended"
    machinectl.run("reap", "events-d")


def test_a_reboot_keeps_the_machine(redd, tree, watch):
    events = watch("events-e")
    process = redd.start("-q", "-D", tree, "-M", "events-e", "--console=pipe", "sh", "-c",
                         "test -e /etc/once && exec sleep 1000; : >/etc/once; read line; exec reboot -f", stdin=subprocess.PIPE)
    try:
        assert names(events.upto("started")) == ["opening", "started"]
        process.stdin.write("go\n")
        process.stdin.flush()
        assert names(events.upto("rebooted")) == ["rebooted"]
    finally:
        runner.terminate(process, signal.SIGTERM)
        os.unlink(os.path.join(tree, "etc/once"))
    assert names(events.upto("ended")) == ["ended"]


def test_a_supervisor_that_is_asked_to_end_it(redd, tree, watch):
    events = watch("events-s")
    process = redd.start("-q", "-D", tree, "-M", "events-s", "--kill-signal=SIGUSR1", "sh", "-c",
                         "trap 'until [ -e /etc/seen ]; do sleep 0.02; done; exit 5' USR1; echo up; while :; do sleep 1000 & wait $!; done")
    try:
        assert process.stdout.readline().strip() == "up"
        waiting = machines.machinectl(redd).start("wait", "events-s")
        while not holds_pidfd(waiting.pid):
            assert waiting.poll() is None, waiting.communicate()
        process.send_signal(signal.SIGTERM)
        seen = events.upto("stopping")
        assert names(seen) == ["opening", "started", "stopping"] and seen[2]["leader"] == seen[1]["leader"]
        open(os.path.join(tree, "etc/seen"), "w").close()
        assert names(events.upto("ended")) == ["ended"]
        out, err = waiting.communicate(timeout=20)
        assert (waiting.returncode, out, err) == (0, "", "")
    finally:
        runner.terminate(process)
        pathlib.Path(tree, "etc/seen").unlink(missing_ok=True)


def test_no_machine_name(redd):
    machines.machinectl(redd).run("events", "../x").failed("no machine name")


def test_many_at_once_are_all_told(redd, tree, watch):
    wanted = ["events-n%d" % i for i in range(6)]
    events = watch(*wanted)
    processes = [redd.start("-q", "-D", tree, "--ephemeral", "-M", name, "true") for name in wanted]
    for process in processes:
        process.communicate(timeout=60)
    ended = set()
    told = {name: [] for name in wanted}
    while ended != set(wanted):
        event = events.next()
        told[event["machine"]].append(event["event"])
        if event["event"] == "ended":
            ended.add(event["machine"])
    for name, seen in told.items():
        assert seen[0] == "opening" and seen[-1] == "ended" and seen.count("ended") == 1, (name, seen)


def test_the_guest_says_that_it_is_ready_once(redd, tree, watch):
    events = watch("events-r")
    process = redd.start("-q", "--pipe", "-D", tree, "-M", "events-r", "sh", "-c",
                         "probe notify READY=1; probe notify READY=1; exec probe notify READY=1 sleep")
    try:
        assert names(events.upto("ready")) == ["opening", "started", "ready"]
    finally:
        runner.terminate(process, signal.SIGTERM)
    assert names(events.upto("ended")) == ["ended"]
