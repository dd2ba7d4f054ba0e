"""Supervisors that are killed, replaced and taken over from, at many points; the machine and the host stay right."""
import os
import re
import signal
import socket
import subprocess
import time

import pytest

from support import leaks, runner
from support.machines import machinectl

COUNT = 200 if runner.LONG else 10
RECORDS = "/run/redd/machines"
COUNTER = "trap 'exit 7' TERM; i=0; while :; do echo line $i; i=$((i+1)); sleep 0.02; done"


@pytest.fixture
def control(redd):
    return machinectl(redd)


@pytest.fixture(scope="module", autouse=True)
def used_before(redd, tree):
    """What a first start writes into a tree (time zone, resolver) is there."""
    redd.run("-q", "-D", tree, "true").ok()
    yield
    for name in ("kept", "again", "shot", "alone"):
        if os.path.exists("/var/log/redd/%s.log" % name):
            os.unlink("/var/log/redd/%s.log" % name)


def note(name, kind):
    """The last value of KIND in the machine's record, or None."""
    try:
        with open(os.path.join(RECORDS, name)) as file:
            found = re.findall(r"^%s=(.*)$" % kind, file.read(), re.M)
    except OSError:
        return None
    return found[-1] if found else None


def runs(leader):
    """Neither gone nor a zombie."""
    try:
        with open("/proc/%d/stat" % leader) as file:
            return file.read().rsplit(") ", 1)[1][0] not in "ZX"
    except OSError:
        return False


class Machine:
    """NAME, in the background; its console is a file."""

    def __init__(self, redd, name, tree, *options, script=COUNTER, place, **more):
        self.name, self.path = name, os.path.join(place, name + ".out")
        with open(self.path, "wb") as out:
            self.process = redd.start("-q", "-D", tree, "-M", name, *options, "/bin/sh", "-c", script, stdout=out, stderr=out, **more)

    def ready(self, text="line 3"):
        runner.until(lambda: text in self.output() or self.process.poll() is not None)
        assert self.process.poll() is None, self.output()
        return self

    @property
    def leader(self):
        return int(note(self.name, "leader").split()[0])

    @property
    def supervisor(self):
        return int(note(self.name, "supervisor"))

    def output(self):
        with open(self.path, errors="replace") as file:
            return file.read()

    def kill(self):
        self.process.kill()
        self.process.wait(timeout=20)

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=20)


def clean(before, place, tree):
    left = leaks.settled(before, ignore=[place], directories=[os.path.dirname(tree)])
    assert not left, left


# ---- kill -9, as always: the machine ends with its supervisor ----


def test_a_machine_ends_with_its_supervisor_and_any_next_command_cleans_up(redd, control, tree, place):
    before = leaks.Picture(directories=[os.path.dirname(tree)])
    for i in range(COUNT):
        machine = Machine(redd, "gone", tree, place=place).ready()
        leader = machine.leader
        machine.kill()
        runner.until(lambda: not runs(leader))
        control.run("list" if i % 2 else "reap").ok()
        assert not os.path.exists(os.path.join(RECORDS, "gone"))
        clean(before, place, tree)


@pytest.mark.parametrize("mode", ["kill", "keep"])
def test_a_kill_at_any_moment_of_a_start_leaves_nothing_or_an_abandoned_machine(redd, control, tree, place, mode):
    before = leaks.Picture(directories=[os.path.dirname(tree)])

    def is_abandoned(seconds):
        machine = Machine(redd, "early", tree, "--on-supervisor-death=" + mode, place=place)
        time.sleep(seconds)
        machine.kill()
        # a payload that was not yet let go takes a moment to see that it is alone
        runner.until(lambda: "it is running" not in control.run("reap", "early").err)
        done = control.run("reap", "early")
        if done.code != 0:
            assert mode == "keep", done
            assert control.run("exec", "early", "--", "echo", "inside").ok().out == "inside\n"
            control.run("terminate", "early").ok()
        clean(before, place, tree)
        return done.code != 0
    abandoned = sum(is_abandoned(0.06 * i / (COUNT * 2)) for i in range(COUNT * 2))
    seconds = 0.12
    while abandoned == 0 and mode == "keep":
        assert seconds < 30, "no start got far enough"
        abandoned += is_abandoned(seconds)
        seconds *= 2


# ---- kill -9 with keep: the machine is abandoned ----


def test_an_abandoned_machine_lives_and_is_adopted(redd, control, tree, place):
    before = leaks.Picture(directories=[os.path.dirname(tree)])
    for i in range(COUNT):
        machine = Machine(redd, "kept", tree, "--on-supervisor-death=keep", place=place).ready()
        leader, directory = machine.leader, note("kept", "keep")
        machine.kill()
        assert "kept" in control.run("list").ok().out
        control.run("reap", "kept").failed("without a supervisor")
        redd.run("-D", tree, "-M", "kept", "true").failed("machinectl adopt kept", "machinectl terminate kept")
        last = int(re.findall(r"line (\d+)\r?\n", machine.output())[-1])
        # what it says goes on where it stopped: no line is lost, and it is not hung up
        runner.until(lambda: os.path.exists(directory + "/console") and "line %d" % (last + 10) in open(directory + "/console").read())
        said = machine.output() + open(directory + "/console").read()
        numbers = [int(n) for n in re.findall(r"line (\d+)\r?\n", said)]
        assert numbers == list(range(len(numbers))), numbers
        control.run("adopt", "kept").ok()
        control.run("adopt", "kept").failed("it has a supervisor")
        assert machine.leader == leader and runs(leader)
        assert control.run("exec", "kept", "--", "echo", "inside").ok().out == "inside\n"
        if i % 2:
            # once more, with the new supervisor
            os.kill(machine.supervisor, signal.SIGKILL)
            runner.until(lambda: control.run("adopt", "kept").code == 0)
        control.run("terminate", "kept").ok()
        clean(before, place, tree)


def test_an_abandoned_machine_that_ends_is_cleaned_up_after(redd, control, tree, place):
    before = leaks.Picture(directories=[os.path.dirname(tree)])
    for _ in range(COUNT):
        machine = Machine(redd, "ends", tree, "-x", "--on-supervisor-death=keep", place=place).ready()
        machine.kill()
        os.kill(machine.leader, signal.SIGKILL)
        clean(before, place, tree)


def test_without_its_holder_an_abandoned_machine_can_be_ended(redd, control, tree, place):
    before = leaks.Picture(directories=[os.path.dirname(tree)])
    machine = Machine(redd, "alone", tree, "--on-supervisor-death=keep", script="trap '' HUP; " + COUNTER, place=place).ready()
    leader = machine.leader

    def holder():
        found = [pid for pid in runner.children(machine.process.pid) if pid != leader]
        return found[0] if found else None
    first = holder()
    os.kill(first, signal.SIGKILL)
    # the supervisor makes another one
    runner.until(lambda: holder() not in (None, first))
    second = holder()
    machine.process.send_signal(signal.SIGSTOP)
    os.kill(second, signal.SIGKILL)
    machine.kill()
    assert runs(leader)
    control.run("adopt", "alone").failed("nobody holds its console")
    assert control.run("exec", "alone", "--", "echo", "inside").ok().out == "inside\n"
    control.run("terminate", "alone").ok()
    clean(before, place, tree)


@pytest.mark.parametrize("turn", range(6))
def test_a_reboot_after_an_adoption_starts_the_machine_again_or_ends_it(redd, control, tree, place, turn):
    before = leaks.Picture(directories=[os.path.dirname(tree)])
    machine = Machine(redd, "again", tree, "--on-supervisor-death=keep", "--setenv=GREETING=hello", place=place).ready()
    machine.kill()
    control.run("adopt", "again").ok()
    leader = machine.leader
    control.run("exec", "again", "--", "reboot", "-f")
    # whoever inherited the leader may reap it before its supervisor has looked: then a reboot is an end
    runner.until(lambda: note("again", "runs") is None or int(note("again", "runs") or 0) not in (0, leader))
    if note("again", "runs"):
        assert control.run("exec", "again", "--", "true").code == 0
        with open("/proc/%d/environ" % machine.leader, "rb") as file:
            assert b"GREETING=hello" in file.read().split(b"\0")
        # from here on it is the supervisor's child
        leader = machine.leader
        control.run("exec", "again", "--", "reboot", "-f")
        runner.until(lambda: int(note("again", "runs") or 0) not in (0, leader))
        control.run("terminate", "again").ok()
    clean(before, place, tree)


# ---- re-exec ----


def test_the_supervisor_is_replaced_again_and_again(redd, control, tree, place):
    before = leaks.Picture(directories=[os.path.dirname(tree)])
    console = redd.console("-q", "-D", tree, "-M", "twin", "/bin/sh", "-c", "echo re''ady; while read x; do echo got $x; done")
    console.expect("ready")
    runner.until(lambda: note("twin", "leader"))
    pid = console.pid
    for i in range(COUNT):
        console.line("word%d" % i)
        console.expect("got word%d\\b" % i)
        control.run("reexec", "twin").ok()
        assert b"--resume=" in open("/proc/%d/cmdline" % pid, "rb").read()
        assert len(os.listdir("/proc/%d/fd" % pid)) <= 12
    console.line("last")
    console.expect("got last")
    console.send("\x1d\x1d\x1d")
    assert console.wait() != 0
    # the terminal is as it was
    import termios
    assert console.attributes()[3] & termios.ICANON
    console.close()
    clean(before, place, tree)


def test_input_typed_during_a_replacement_is_not_lost(redd, control, tree, place):
    console = redd.console("-q", "-D", tree, "-M", "typed", "/bin/sh", "-c", "stty -echo; echo re''ady; while read x; do echo got $x; done")
    console.expect("ready")
    runner.until(lambda: note("typed", "leader"))
    for i in range(COUNT):
        replacing = control.start("reexec", "typed")
        for j in range(20):
            console.line("w%d.%d" % (i, j))
        for j in range(20):
            console.expect("got w%d\\.%d\\b" % (i, j))
        assert replacing.wait(timeout=20) == 0, replacing.communicate()
    console.close()


def test_the_exit_status_of_a_replaced_supervisor_is_the_payloads(redd, control, tree, place):
    before = leaks.Picture(directories=[os.path.dirname(tree)])
    for code in (0, 9):
        machine = Machine(redd, "status", tree, "--kill-signal=SIGUSR1", script="trap 'exit %d' USR1; %s" % (code, COUNTER), place=place).ready()
        control.run("reexec", "status").ok()
        assert machine.stop() == code
    clean(before, place, tree)


@pytest.mark.parametrize("options", [[], ["-x"], ["--private-users=no"], ["--bind=:/mnt/x"], ["--as-pid2"], ["--private-network"]], ids=lambda o: " ".join(o) or "plain")
def test_a_reboot_after_a_replacement_starts_the_same_machine(redd, control, tree, place, options):
    os.makedirs(os.path.join(tree, "mnt"), exist_ok=True)
    before = leaks.Picture(directories=[os.path.dirname(tree)])
    machine = Machine(redd, "same", tree, *options, "--setenv=GREETING=hello", place=place, cwd=place).ready()
    control.run("exec", "same", "--", "sh", "-c", "mkdir -p /mnt/x; echo stays > /mnt/x/kept").ok()
    uid_map = open("/proc/%d/uid_map" % machine.leader).read()
    supervisor = machine.supervisor
    control.run("reexec", "same").ok()
    for _ in range(2):
        leader = machine.leader
        control.run("exec", "same", "--", "reboot", "-f")
        runner.until(lambda: machine.leader != leader)
        runner.until(lambda: control.run("exec", "same", "--", "true").code == 0)
        assert open("/proc/%d/uid_map" % machine.leader).read() == uid_map
        assert b"GREETING=hello" in open("/proc/%d/environ" % machine.leader, "rb").read().split(b"\0") or "--as-pid2" in options
        assert control.run("exec", "same", "--", "cat", "/mnt/x/kept").ok().out == "stays\n"
        assert machine.supervisor == supervisor
        control.run("reexec", "same").ok()
    assert machine.stop() != 0
    subprocess.run(["rm", "-rf", os.path.join(tree, "mnt/x")], check=True)
    clean(before, place, tree)


def test_two_replacements_at_the_same_time(redd, control, tree, place):
    machine = Machine(redd, "both", tree, place=place).ready()
    for _ in range(COUNT):
        many = [control.start("-q", "reexec", "both") for _ in range(3)]
        for one in many:
            out, err = one.communicate(timeout=30)
            assert one.returncode == 0, (out, err)
    assert runs(machine.leader)
    machine.stop()


def test_a_replacement_during_start_and_stop(redd, control, tree, place):
    before = leaks.Picture(directories=[os.path.dirname(tree)])
    for i in range(COUNT):
        machine = Machine(redd, "edge", tree, "--kill-signal=SIGUSR1", script="trap 'sleep 0.05; exit 7' USR1; echo ready; while :; do sleep 0.01; done",
                          place=place)
        # at any moment from its record on; a refusal is one that says to try again
        runner.until(lambda: note("edge", "supervisor"))
        done = control.run("reexec", "edge")
        assert done.code == 0 or "still starting" in done.err or "cannot find" in done.err, done
        machine.ready("ready")
        stopping = control.start("reexec", "edge")
        time.sleep(0.01 * i / COUNT)
        assert machine.stop() == 7
        stopping.communicate(timeout=30)
    clean(before, place, tree)


def test_a_kill_during_a_replacement(redd, control, tree, place):
    before = leaks.Picture(directories=[os.path.dirname(tree)])
    for i in range(COUNT):
        mode = "keep" if i % 2 else "kill"
        machine = Machine(redd, "shot", tree, "--on-supervisor-death=" + mode, place=place).ready()
        leader = machine.leader
        replacing = control.start("reexec", "shot")
        time.sleep(0.03 * i / COUNT)
        machine.kill()
        replacing.communicate(timeout=30)
        if mode == "keep":
            assert runs(leader)
            control.run("adopt", "shot").ok()
            assert control.run("exec", "shot", "--", "echo", "inside").ok().out == "inside\n"
            control.run("terminate", "shot").ok()
        else:
            runner.until(lambda: not runs(leader))
            control.run("reap").ok()
        clean(before, place, tree)


def test_a_program_that_cannot_take_over_does_not_get_the_machine(redd, control, tree, place):
    """The path that was noted is replaced by something else, as an upgrade would."""
    copy = os.path.join(place, "systemd-nspawn")
    subprocess.run(["cp", redd.path, copy], check=True)
    other = runner.Redd(copy, env=redd.env)
    machine = Machine(other, "stay", tree, place=place).ready()

    def put(text, mode):
        with open(copy + ".new", "w") as file:
            file.write(text)
        os.chmod(copy + ".new", mode)
        os.rename(copy + ".new", copy)

    for text, mode in (("#!/bin/sh\nexit 1\n", 0o755), ("nothing that runs", 0o755), ("#!/bin/sh\nexit 0\n", 0o777), ("#!/bin/sh\nexit 0\n", 0o644)):
        put(text, mode)
        control.run("reexec", "stay").failed("goes on with the old program")
        assert runs(machine.leader) and machine.process.poll() is None
    os.unlink(copy)
    control.run("reexec", "stay").failed("goes on with the old program")
    subprocess.run(["cp", redd.path, copy], check=True)
    control.run("reexec", "stay").ok()
    last = machine.output()
    runner.until(lambda: len(machine.output()) > len(last))
    machine.stop()


def test_readiness_reaches_the_service_manager_after_a_replacement(redd, control, bookworm, fresh, place):
    tree = fresh("bookworm")
    address = os.path.join(place, "notify")
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.bind(address)
    manager.settimeout(60)
    process = redd.start("-q", "-b", "--notify-ready=yes", "-D", tree, "-M", "tells", env={"NOTIFY_SOCKET": address}, stdout=subprocess.DEVNULL)
    runner.until(lambda: int(note("tells", "runs") or 0) > 0)
    control.run("reexec", "tells").ok()
    said = ""
    while "READY=1" not in said.split("\n"):
        said += manager.recv(4096).decode() + "\n"
    control.run("reexec", "tells").ok()
    process.send_signal(signal.SIGTERM)
    while "STOPPING=1" not in said.split("\n"):
        said += manager.recv(4096).decode() + "\n"
    assert process.wait(timeout=60) == 0, process.communicate()
    process.communicate()
    manager.close()


def test_a_machine_without_root_is_adopted_and_its_supervisor_replaced(mine, place):
    control = machinectl(mine)
    out = open(os.path.join(place, "out"), "wb")
    process = mine.start("-q", "--on-supervisor-death=keep", "-D", mine.tree, "-M", "mine", "/bin/sh", "-c", COUNTER, stdout=out, stderr=out)
    runner.until(lambda: b"line 3" in open(os.path.join(place, "out"), "rb").read() or process.poll() is not None)
    control.run("reexec", "mine").ok()
    process.kill()
    process.wait()
    control.run("adopt", "mine").ok()
    control.run("reexec", "mine").ok()
    assert control.run("exec", "mine", "--", "echo", "inside").ok().out == "inside\n"
    control.run("terminate", "mine").ok()
