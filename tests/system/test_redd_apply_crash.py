"""N21: redd apply that is killed at any step, alone or with all that runs, as when the power goes: there is the old generation or the
new one, never a mixture, and the next apply does the rest. And a hundred definitions that change and go back."""
import contextlib
import http.server
import os
import random
import re
import signal
import subprocess
import threading

import pytest

from support import declared, runner, sandbox
from support.declared import STATE, clean, host  # noqa: F401

STEPS = "rename,renameat,renameat2,symlinkat,linkat,mkdirat,mkdir,unlinkat,unlink,fsync,syncfs,write,clone3,clone,wait4,waitid,flock"
# What each part of it ends with: the generation has its name, it is the current one, all has followed.
PARTS = (r'rename.*"[0-9]+\.tmp"', r'rename.*"\.current\.tmp"', r'write\(.* end done')
POINTS = 1000000 if runner.LONG else 6
MACHINES = 100
RUNNING = MACHINES if runner.LONG else 4


def others():
    """Processes of this world but the test's own."""
    own, found = os.getpid(), []
    for entry in os.listdir("/proc"):
        try:
            with open("/proc/%s/stat" % entry if entry.isdigit() else "/dev/null") as file:
                state = file.read().rsplit(")", 1)[-1].split()
        except OSError:
            continue
        if state and state[0] != "Z" and int(entry) not in (1, own, os.getppid()):
            found.append(int(entry))
    return found


def kill_all():
    """The power goes: every process ends at once, machines' too, and nothing is cleaned up."""
    def none_is_left():
        for pid in others():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        return not others()
    runner.until(none_is_left)


def strace(log, *more):
    """The program itself; who works for it keeps the lock: see the test of a transfer that outlives it."""
    return ["strace", "-qq", "-o", log, *more]


def points(log, name):
    """Steps as (call, which of those), one of each part in turn."""
    parts, count = [[]], {}
    with open(log) as file:
        for line in file:
            found = re.match(r"(\w+)\(", line)
            if not found:
                continue
            call = found.group(1)
            count[call] = count.get(call, 0) + 1
            parts[-1].append((call, count[call]))
            if len(parts) <= len(PARTS) and re.match(PARTS[len(parts) - 1], line):
                parts.append([])
    assert len(parts) == len(PARTS) + 1 and all(parts), [len(part) for part in parts]
    chance, order = random.Random(name), []
    for part in parts:
        chance.shuffle(part)
    for step in range(max(len(part) for part in parts)):
        order += [part[step] for part in parts if step < len(part)]
    return order[:POINTS]


class Change:
    """Two sets of definitions, from one of which apply leads to the other. Each time with images that there were not yet, so that
    each apply has the same steps."""

    def __init__(self, host):
        self.host, self.serial = host, 0
        self.trees = [host.tree("tree%d" % number, files={"etc/version": "%d\n" % number}) for number in range(2)]

    def define(self, number):
        for name in ("goes0", "goes1"):
            path = os.path.join(declared.DEFINITIONS, name + ".nspawn")
            if os.path.exists(path):
                os.unlink(path)
        self.serial += 1
        for tree in self.trees:
            with open(tree + "/etc/serial", "w") as file:
                file.write("%d\n" % self.serial)
        self.host.define("web", "dir:" + self.trees[number], "Persist=/var/log", exec_=["Hostname=host%d" % number])
        self.host.define("db", "dir:" + self.trees[0], exec_=["Hostname=host%d" % number])
        self.host.define("goes%d" % number, "dir:" + self.trees[0])

    def check_whole(self, numbers):
        """What is current says one thing: definitions and images."""
        assert self.host.current() > 0
        state = self.host.state()
        number = int(re.search(r"Hostname=host(\d)", state["web"][0]).group(1))
        assert number in numbers and "Hostname=host%d" % number in state["db"][0]
        assert state["web"][2][0] == "dir:" + self.trees[number] and sorted(state) == ["db", "goes%d" % number, "web"]
        link = os.readlink(STATE + "/current/images/web.mstack")
        assert os.path.isdir(os.path.join(STATE, "current/images", link)) and state["web"][2][1].split(":")[1] in link

    def check_done(self, number):
        self.check_whole([number])
        host = self.host
        assert host.running() == ["db", "goes%d" % number, "web"]
        assert host.inside("web", "sh", "-c", "hostname; cat /etc/version") == "host%d\n%d" % (number, number)
        assert host.inside("db", "hostname") == "host%d" % number
        assert host.inside("web", "cat", "/var/log/kept") == "kept"
        host.redd("plan").ok()
        left = [name for place, _, _ in os.walk(STATE) for name in os.listdir(place)
                if place in (STATE, STATE + "/generations", STATE + "/trees") and (name.endswith(".tmp") or name.startswith("growing"))]
        assert left == [] and sorted(os.listdir("/etc/redd/enabled")) == host.running()


@pytest.mark.parametrize("power", [False, True], ids=["killed", "power"])
def test_whatever_kills_it_the_next_one_does_the_rest(clean, place, power):
    change, log = Change(clean), place + "/calls"
    change.define(0)
    clean.redd("apply").ok()
    clean.inside("web", "sh", "-c", "echo kept >/var/log/kept; sync")
    change.define(1)
    clean.redd("apply", prefix=strace(log, "-e", "trace=" + STEPS)).ok()
    number, missed, all_points = 1, [], points(log, "power" if power else "killed")
    for call, when in all_points:
        before, number = number, 1 - number
        change.define(number)
        done = clean.redd("apply", prefix=strace(place + "/log", "-e", "trace=" + call, "-e", "inject=%s:signal=KILL:when=%d" % (call, when)))
        if done.code != -signal.SIGKILL:
            missed.append((call, when, done))
        if power:
            kill_all()
        try:
            change.check_whole([before, number])
            clean.redd("generations").ok()
            clean.redd("apply").ok()
            change.check_done(number)
        except AssertionError as error:
            raise AssertionError("%s number %d: %s" % (call, when, done)) from error
    # Some calls are made only if somebody else is faster.
    assert len(missed) * 5 <= len(all_points), missed


class Held(http.server.BaseHTTPRequestHandler):
    """An archive that is asked for, and comes when it is let go."""

    def log_message(self, *words):
        pass

    def do_GET(self):
        self.server.asked.set()
        self.server.go.wait(60)
        self.send_response(200 if self.path == "/t.tar" else 404)
        self.send_header("Content-Length", str(len(self.server.data) if self.path == "/t.tar" else 0))
        self.end_headers()
        if self.path == "/t.tar":
            self.wfile.write(self.server.data)

    do_HEAD = do_GET


@pytest.fixture
def held(clean, place):
    """A server of the archive of a tree that says "late"."""
    tree = clean.tree("late", files={"etc/version": "late\n"})
    subprocess.run(["tar", "-C", tree, "-cf", place + "/t.tar", "."], check=True)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Held)
    server.daemon_threads, server.asked, server.go = True, threading.Event(), threading.Event()
    with open(place + "/t.tar", "rb") as file:
        server.data = file.read()
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield server
    server.go.set()
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("with_front_end", [False, True], ids=["redd", "importctl"])
def test_who_fetches_for_a_killed_one_keeps_the_next_one_waiting(clean, held, with_front_end):
    """Its image is not taken for another machine's, and nothing of it stays."""
    source = "tar:http://127.0.0.1:%d/t.tar" % held.server_port
    clean.define("web", source, "Verify=no")
    first = clean.begin("redd", "apply", "--yes")
    assert held.asked.wait(60)
    front_ends = runner.children(first.pid)
    assert front_ends
    first.kill()
    first.wait()
    for pid in front_ends if with_front_end else []:
        os.kill(pid, signal.SIGKILL)
    clean.undefine("web")
    clean.define("two", "dir:" + clean.tree("soon", files={"etc/version": "soon\n"}))
    second = clean.begin("redd", "apply", "--yes")
    said = second.stderr.readline()
    assert "Waiting for what process %d, which has ended, left at work" % first.pid in said
    assert second.poll() is None and clean.current() == 0
    held.go.set()
    _, errors = second.communicate(timeout=60)
    assert second.returncode == 0, errors
    assert clean.inside("two", "cat", "/etc/version") == "soon"
    digest = clean.state()["two"][2][1]
    assert [name for name in os.listdir(STATE + "/trees") if name[0] != "."] == [digest.split(":")[1]]
    clean.define("web", source, "Verify=no")
    clean.redd("apply").ok()
    assert clean.inside("web", "cat", "/etc/version") == "late" and clean.state()["two"][2][1] == digest


def test_what_is_killed_while_it_fetches_costs_an_error_and_nothing_else(clean, held):
    """The transfer itself, below the program that redd has started."""
    clean.define("web", "tar:http://127.0.0.1:%d/t.tar" % held.server_port, "Verify=no")
    first = clean.begin("redd", "apply", "--yes")
    assert held.asked.wait(60)
    jobs = [job for front_end in runner.children(first.pid) for job in runner.children(front_end)]
    assert jobs
    for job in jobs:
        os.kill(job, signal.SIGKILL)
    _, errors = first.communicate(timeout=60)
    assert first.returncode == 1 and "cannot fetch the image of machine 'web'" in errors
    assert clean.current() == 0
    held.go.set()
    clean.redd("apply").ok()
    assert clean.inside("web", "cat", "/etc/version") == "late"
    assert [name for name in os.listdir(STATE + "/trees") if name[0] != "."] == [clean.state()["web"][2][1].split(":")[1]]


def killed_while_it_waits(clean, *lines, exec_=()):
    """The new definition's machine runs, and does not say yet that it works: who waits for that ends, with all that it has begun."""
    good, new = clean.tree("good", files={"etc/works": "", "etc/version": "1\n"}), clean.tree("new", files={"etc/version": "2\n"})
    for name in ("goes", "hand", "web"):
        clean.define(name, "dir:" + good, install=name != "hand")
    clean.redd("apply").ok()
    clean.machinectl("start", "hand").ok()
    for name in ("goes", "hand"):
        clean.undefine(name)
    clean.define("web", "dir:" + new, *lines, exec_=exec_)
    apply = clean.begin("redd", "apply", "--yes")
    runner.until(lambda: clean.running() == ["web"] and clean.machinectl("exec", "web", "--", "cat", "/etc/version").out == "2\n")
    for pid in [apply.pid, *runner.children(apply.pid)]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    apply.communicate(timeout=60)
    assert clean.current() == 2 and clean.running() == ["web"]


def went_back(clean):
    """Also what had stopped by then, of which nothing that runs tells."""
    assert clean.current() == 1 and clean.inside("web", "cat", "/etc/version") == "1" and clean.running() == ["goes", "hand", "web"]


@pytest.mark.parametrize("works", [False, True])
def test_what_began_before_it_was_killed_is_waited_for_by_the_next_one(clean, works):
    """And not taken for what works since it runs."""
    period = "[X-Health] StartPeriod=" + ("1min" if works else "6s")
    killed_while_it_waits(clean, "[X-Health] Command=test -e /etc/works", "[X-Health] Interval=100ms", period, "[X-Health] Retries=1")
    leader = clean.leader("web")
    if works:
        clean.inside("web", "touch", "/etc/works")
        clean.redd("apply").ok()
        assert clean.leader("web") == leader and clean.current() == 2
        assert clean.machinectl("show", "web", "--property=Health", "--value").ok().out == "healthy\n"
    else:
        clean.redd("apply").failed("it is not healthy", "generation 1 is current again", code=3)
        went_back(clean)


def test_what_was_not_ready_when_it_was_killed_is_started_again(clean):
    killed_while_it_waits(clean, "[X-Service] TimeoutStartSec=5s", exec_=["NotifyReady=yes"])
    clean.redd("apply").failed("it is not ready in time", "generation 1 is current again", code=3)
    went_back(clean)


class LiveChange:
    """Each step adds a bind, exchanges the ports of two machines, and changes a limit: nothing starts again."""

    def __init__(self, host):
        self.host, self.tree = host, host.tree("tree")
        for number in range(2 * POINTS + 2 if not runner.LONG else 500):
            os.makedirs("%s/share%d" % (host.root, number), exist_ok=True)

    def define(self, number):
        for name, port in (("db", number % 2), ("web", 1 - number % 2)):
            binds = ["[Files] Bind=%s/share%d:/srv/share%d" % (self.host.root, one, one) for one in range(number + 1)]
            self.host.define(name, "dir:" + self.tree, "[Network] VirtualEthernet=yes", "[Network] Port=tcp:%d:80" % (18080 + port),
                             "[X-Service] TasksMax=%d" % (500 + number), *binds)

    def leaders(self):
        return [self.host.leader(name) for name in ("db", "web")]

    def check_done(self, number, leaders):
        host = self.host
        assert host.running() == ["db", "web"] and self.leaders() == leaders
        for name, port in (("db", number % 2), ("web", 1 - number % 2)):
            mounts = host.inside(name, "grep", "-o", " /srv/share[0-9]* ", "/proc/self/mountinfo").split()
            assert sorted(mounts) == sorted("/srv/share%d" % one for one in range(number + 1))
            ports = host.machinectl("port", "list", name, "--no-legend").ok().out
            assert str(18080 + port) in ports and str(18081 - port) not in ports, ports
            if has_pids():
                assert host.cgroup_file(name, "pids.max") == str(500 + number)
        assert host.redd("plan").ok().out.endswith("Nothing to do.\n")


def has_pids():
    with open(sandbox.cgroup_root() + "/cgroup.controllers") as file:
        return "pids" in file.read().split()


def test_a_live_change_that_is_killed_is_done_by_the_next_one_without_a_restart(clean, place):
    change = LiveChange(clean)
    change.define(0)
    clean.redd("apply").ok()
    leaders = change.leaders()
    change.define(1)
    clean.redd("apply").ok()
    change.check_done(1, leaders)
    number, killed = 1, []
    for call, when in [("clone3", 1), ("clone3", 2), ("clone3", 3), ("waitid", 1), ("waitid", 2)]:
        number += 1
        change.define(number)
        done = clean.redd("apply", prefix=strace(place + "/log", "-e", "trace=" + call, "-e", "inject=%s:signal=KILL:when=%d" % (call, when)))
        killed.append(done.code == -signal.SIGKILL)
        try:
            clean.redd("apply").ok()
            change.check_done(number, leaders)
        except AssertionError as error:
            raise AssertionError("%s number %d: %s" % (call, when, done)) from error
    assert sum(killed) >= 4, killed


def test_live_changes_of_which_one_fails_are_taken_back(clean):
    """The limit and the port are changed before the bind, whose source is gone, fails."""
    tree = clean.tree("tree")

    def define(port, *lines):
        clean.define("web", "dir:" + tree, "[Network] VirtualEthernet=yes", "[Network] Port=tcp:%d:80" % port, *lines)

    define(18080)
    clean.redd("apply").ok()
    define(18081, "[Files] Bind=%s/nowhere:/srv/nowhere" % clean.root)
    assert clean.redd("apply").code != 0
    ports = clean.machinectl("port", "list", "web", "--no-legend").ok().out
    assert "18080" in ports and "18081" not in ports, ports
    assert clean.current() == 1 and clean.running() == ["web"]
    define(18080)
    assert clean.redd("plan").ok().out == "Nothing to do.\n"


def test_a_hundred_definitions_change_and_go_back(clean):
    """After each of ten rounds what runs, and what is current, is what a fresh apply of the same definitions makes."""
    chance = random.Random(100)
    trees = [clean.tree("tree%d" % number, files={"etc/version": "%d\n" % number}) for number in range(2)]
    definitions = {}

    def define(name, tree, host, runs):
        definitions[name] = (tree, host, runs)
        clean.define(name, "dir:" + trees[tree], install=runs, exec_=["Hostname=h%d" % host])

    def check(wanted):
        assert clean.running() == sorted(name for name, (_, _, runs) in wanted.items() if runs)
        state = clean.state()
        assert sorted(state) == sorted(wanted)
        for name, (tree, host, runs) in wanted.items():
            assert "Hostname=h%d\n" % host in state[name][0] and state[name][2][0] == "dir:" + trees[tree]
            if runs:
                assert clean.inside(name, "sh", "-c", "hostname; cat /etc/version") == "h%d\n%d" % (host, tree)

    for number in range(MACHINES):
        define("m%02d" % number, number % 2, 0, number < RUNNING)
    clean.redd("apply").ok()
    check(definitions)
    for round_ in range(10 if runner.LONG else 3):
        before = dict(definitions)
        for name in chance.sample(sorted(definitions), 12) + ["m00"]:
            tree, host, runs = definitions[name]
            define(name, chance.randrange(2), round_ + 1, runs)
        clean.redd("apply").ok()
        check(definitions)
        clean.redd("plan").ok()
        clean.redd("rollback").ok()
        check(before)
        clean.redd("apply").ok()
        check(definitions)
    state = clean.state()
    clean.clear()
    for name in sorted(definitions):
        define(name, *definitions[name])
    clean.redd("apply").ok()
    assert clean.state() == state
