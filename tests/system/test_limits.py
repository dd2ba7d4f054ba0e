"""What machines use, pausing them, and limits that this machine cannot keep."""
import json
import os
import re
import signal
import termios

import pytest

from support import machines, runner


@pytest.fixture
def machinectl(redd):
    return machines.machinectl(redd)


@pytest.fixture
def web(redd, tree):
    """A running machine with a network of its own."""
    machine = machines.Machine(redd, "limits-web", tree, "--private-network")
    yield machine
    machine.stop()


def stats(machinectl, name):
    return json.loads(machinectl.run("stats", "--json=short", name).ok().out)[0]


def test_numbers_of_a_machine(machinectl, web):
    numbers = stats(machinectl, web.name)
    assert numbers["machine"] == web.name and numbers["state"] == "running"
    assert numbers["tasks"] >= 1 and 0 < numbers["memory"] < 1 << 30 and 0 < numbers["cpu"] < 60e6
    assert numbers["received"] == 0 and numbers["sent"] == 0
    before = numbers["cpu"]
    machinectl.run("exec", web.name, "--", "sh", "-c", "i=0; while [ $i -lt 20000 ]; do i=$((i + 1)); done").ok()
    assert stats(machinectl, web.name)["cpu"] > before
    header, row = machinectl.run("stats", web.name).ok().lines[:2]
    assert header.split() == "MACHINE STATE MEMORY SWAP TASKS CPU READ WRITTEN RECEIVED SENT".split()
    assert row.split()[:2] == [web.name, "running"] and row.split()[8:] == ["0B", "0B"]


def test_the_hosts_network_is_not_the_machines(redd, tree, machinectl):
    machine = machines.Machine(redd, "limits-shared", tree)
    try:
        assert stats(machinectl, machine.name)["received"] is None
    finally:
        machine.stop()


def test_openmetrics(machinectl, web):
    lines = machinectl.run("stats", "--format=openmetrics").ok().lines
    assert lines[-1] == "# EOF" and "" not in lines
    family, seen = None, set()
    for line in lines[:-1]:
        if line.startswith("# TYPE "):
            family, kind = line.split()[2:]
            assert family not in seen and kind in ("gauge", "counter")
            seen.add(family)
        elif line.startswith("# "):
            assert line.split()[2] == family
            if line.startswith("# UNIT "):
                assert family.endswith("_" + line.split()[3])
        else:
            match = re.fullmatch(r'(redd_machine_[a-z_]+)\{machine="[^"]+"(,resource="[a-z]+")?\} [0-9.]+', line)
            assert match and match[1] == family + ("_total" if kind == "counter" else ""), line
    assert [line for line in lines if line.startswith('redd_machine_cpu_seconds_total{machine="%s"}' % web.name)]
    machinectl.run("stats", "--format=xml").failed("openmetrics")


def test_pause_and_resume(machinectl, web):
    count = "i=0; while :; do i=$((i + 1)); echo $i; done"
    process = machinectl.start("exec", web.name, "--", "sh", "-c", count, bufsize=0)
    try:
        assert process.stdout.readline() == "1\n"
        machinectl.run("pause", web.name).ok()
        assert stats(machinectl, web.name)["state"] == "paused"
        before = stats(machinectl, web.name)["cpu"]
        assert stats(machinectl, web.name)["cpu"] == before
        machinectl.run("pause", web.name).ok()  # already is
        waits = machinectl.start("exec", web.name, "--", "echo", "entered")
        assert waits.stderr.readline() == "machine '%s' is paused, and so is who enters it until 'machinectl resume %s'\n" % (web.name, web.name)
        machinectl.run("resume", web.name).ok()
        assert waits.communicate(timeout=30) == ("entered\n", "")
        assert stats(machinectl, web.name)["state"] == "running"
    finally:
        runner.terminate(process)
    machinectl.run("pause", "limits-nobody").failed("limits-nobody")


REFUSED = [("Foo=1", "no property"), ("MemoryMax=x", "not a value"), ("KillMode=none", "systemd"), ("IOReadIOPSMax=/proc 5", "block device"),
           ("CPUQuotaPeriodSec=10ms", "CPUQuota"), ("CPUQuota=0.01%", "0.1%"), ("DeviceAllow=/etc/passwd", "device node"),
           ("DeviceAllow=char-nobody", "/proc/devices"), ("DevicePolicy=open", "closed"), ("Delegate=no", "cgroup")]


@pytest.mark.parametrize("text,why", REFUSED)
def test_what_cannot_be_set_keeps_a_machine_from_starting(redd, tree, text, why):
    done = redd.run("-D", tree, "-M", "limits-not", "--property=" + text, "echo", "started").failed(text.split("=")[0], why)
    assert "started" not in done.out


def test_what_cannot_be_set_is_refused_while_it_runs(machinectl, web):
    for text, why in REFUSED:
        machinectl.run("set-property", web.name, text).failed(text.split("=")[0], why)
    machinectl.run("set-property", web.name, "DeviceAllow=/dev/null").failed("while it runs", "--property=")
    machinectl.run("set-property", web.name, "MemoryMax").failed("MemoryMax", "not a value")


def test_a_controller_that_is_missing_is_named(redd, tree, machinectl):
    with open("/proc/cgroups") as file:
        v1 = {line.split()[0] for line in file if line.split()[1] != "0"}
    if "memory" not in v1:
        pytest.skip("cgroup v2 has the memory controller here: tests/hosts/test_limits.py")
    redd.run("-D", tree, "-M", "limits-not", "--property=MemoryMax=1G", "true").failed("'memory' controller", "cgroup v1")
    machine = machines.Machine(redd, "limits-web", tree)
    try:
        machinectl.run("set-property", machine.name, "MemoryMax=1G").failed("'memory' controller", "cgroup v1")
    finally:
        machine.stop()


def test_devices_are_closed_but_those_that_are_allowed(redd, tree):
    look = ["-D", tree, "--private-users=no", "-M", "limits-dev"]
    redd.run(*look, "sh", "-c", ": </dev/fuse").ok()
    closed = redd.run(*look, "--property=DevicePolicy=strict", "sh", "-c", ": </dev/fuse").failed()
    assert "not permitted" in closed.out
    redd.run(*look, "--property=DevicePolicy=strict", "--property=DeviceAllow=/dev/fuse r", "sh", "-c", ": </dev/fuse").ok()


def test_top_shows_what_is_busy_and_restores_the_terminal(machinectl, web):
    machinectl.run("top").failed("stats")
    for end in (b"q", b"\x03", signal.SIGTERM):
        console = machinectl.console("top")
        try:
            while b"MACHINE" not in console.seen:
                assert console.read(10)
            assert console.seen.startswith(b"\x1b[?1049h")
            console.expect(r"MACHINE +STATE +CPU%.*")
            console.expect(web.name + r" +running +[0-9]+\.[0-9]")
            assert not console.attributes()[3] & termios.ICANON
            console.resize(5, 30)
            while len(console.expect(rb"(MACHINE[^\r]*)\r\n").group(1)) > 30:
                pass
            if isinstance(end, bytes):
                os.write(console.master, end)
            else:
                os.kill(console.pid, end)
            assert console.wait() == 0
            assert console.seen.endswith(b"\x1b[?1049l")
        finally:
            console.close()


def test_logs_of_the_guests_files_are_shown_escaped(machinectl, web):
    text = "one\\ntwo\\tx\\n\\033]0;title\\007three\\n"
    machinectl.run("exec", web.name, "--", "sh", "-c", "mkdir -p /var/log; rm -f /var/log/messages; printf '%s' >/var/log/messages" % text).ok()
    assert machinectl.run("logs", "-n", "2", web.name).ok().out == "two\tx\n\x1b]0;title\x07three\n"
    assert machinectl.run("logs", "-n", "0", web.name).ok().out == ""
    console = machinectl.console("logs", web.name)
    assert console.wait() == 0
    assert b"one\r\n" in console.seen and b"\\x1b]0;title\\x07three" in console.seen and b"\x1b" not in console.seen
    # what is no file is not waited for
    machinectl.run("exec", web.name, "--", "sh", "-c", "rm /var/log/messages; mkfifo /var/log/messages").ok()
    machinectl.run("logs", web.name, timeout=10).failed("keeps")
    machinectl.run("exec", web.name, "--", "sh", "-c", "rm /var/log/messages; ln -s /dev/console /var/log/messages").ok()
    machinectl.run("logs", web.name, timeout=10).failed("keeps")
    machinectl.run("exec", web.name, "--", "rm", "/var/log/messages").ok()


def test_logs_are_followed(machinectl, web):
    machinectl.run("exec", web.name, "--", "sh", "-c", "mkdir -p /var/log; echo first >/var/log/messages").ok()
    process = machinectl.start("logs", "--follow", web.name)
    try:
        assert process.stdout.readline() == "first\n"
        machinectl.run("exec", web.name, "--", "sh", "-c", "echo second >>/var/log/messages").ok()
        assert process.stdout.readline() == "second\n"
    finally:
        runner.terminate(process)
        machinectl.run("exec", web.name, "--", "rm", "/var/log/messages").ok()


def test_a_paused_machine_can_be_ended(redd, tree, machinectl):
    machine = machines.Machine(redd, "limits-paused", tree)
    try:
        machinectl.run("pause", machine.name).ok()
        machinectl.run("terminate", machine.name, timeout=20).ok()
        assert machine.process.wait(timeout=20) is not None
    finally:
        machinectl.run("resume", machine.name)
        machine.stop()


def test_without_a_cgroup_pausing_is_refused_and_numbers_are_summed(redd, tree, machinectl):
    # a hierarchy that cannot be written to is none
    mount = "mount --bind -o ro /sys/fs/cgroup/unified /sys/fs/cgroup/unified 2>/dev/null || mount -o remount,bind,ro /sys/fs/cgroup; exec \"$@\""
    alone = redd.with_prefix("unshare", "-m", "--propagation", "private", "sh", "-c", mount, "sh")
    machine = machines.Machine(alone, "limits-none", tree)
    try:
        numbers = stats(machinectl, machine.name)
        assert numbers["tasks"] >= 2 and numbers["memory"] > 0 and numbers["cpu"] is not None
        machinectl.run("pause", machine.name).failed("it has none", "cgroup v2")
        machinectl.run("set-property", machine.name, "TasksMax=5").failed("it has none")
        alone.run("-D", tree, "-x", "--property=TasksMax=5", "true").failed("TasksMax=5", "no cgroup")
    finally:
        machine.stop()
