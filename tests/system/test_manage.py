"""machinectl start, stop, enable, disable where no service manager runs: Redd's own supervisor."""
import contextlib
import os
import re
import shutil
import signal

import pytest

from support import runner, sandbox, trees
from support.console import Console

MACHINES, LIST, LOGS = "/var/lib/machines", "/etc/redd/enabled", "/var/log/redd"
INIT = "#!/bin/sh\ntrap 'exit 0' TERM INT USR1 USR2 37\n%s\n: >/up\nwhile :; do sleep 1000 & wait $!; done\n"


@pytest.fixture(scope="module")
def host(work_root):
    """A host without a service manager: machines, configuration and logs of its own."""
    shadow = os.path.join(work_root, "host")
    for part in ("etc", "upper", "work"):
        os.makedirs(os.path.join(shadow, part))
    os.makedirs(MACHINES, exist_ok=True)
    sandbox.mount("tmpfs", MACHINES, "tmpfs", 0, "mode=0700")
    sandbox.mount("tmpfs", "/var/log", "tmpfs", 0, "mode=0755")
    sandbox.mount("overlay", "/etc", "overlay", 0, "lowerdir=/etc,upperdir=%s/upper,workdir=%s/work" % (shadow, shadow))
    os.makedirs("/run/redd/detached", exist_ok=True)
    os.makedirs("/run/redd/machines", exist_ok=True)
    yield shadow
    for path in ("/etc", "/var/log", MACHINES):
        sandbox.umount(path)
    shutil.rmtree(shadow, ignore_errors=True)


@pytest.fixture
def machinectl(redd, host):
    made = runner.Redd(os.path.join(os.path.dirname(redd.path), "machinectl"))
    made.always = []
    yield made
    # an assertion that failed in between leaves nothing for the next test
    made.run("-q", "stop", "--all")
    shutil.rmtree(LIST, ignore_errors=True)


@pytest.fixture
def machine(host):
    """machine("web", "echo hello"): a tree whose init runs the script and then waits until it is told to stop."""
    made = []

    def make(name, script="", init=None):
        path = os.path.join(MACHINES, name)
        trees.unpack("busybox", path)
        start = os.path.join(path, "sbin/init")
        if os.path.lexists(start):
            os.unlink(start)
        os.makedirs(os.path.dirname(start), exist_ok=True)
        with open(start, "w") as file:
            file.write(init or INIT % script)
        os.chmod(start, 0o755)
        made.append(path)
        return path
    yield make
    for path in made:
        shutil.rmtree(path, ignore_errors=True)
        for log in (".log", ".log.1"):
            if os.path.exists(os.path.join(LOGS, os.path.basename(path) + log)):
                os.unlink(os.path.join(LOGS, os.path.basename(path) + log))


def records():
    """Without what lies beside them."""
    return sorted(name for name in os.listdir("/run/redd/machines") if not name.startswith("."))


def supervisor(name):
    with open("/run/redd/detached/" + name) as file:
        return int(file.readline())


def log(name, suffix=".log"):
    try:
        with open(os.path.join(LOGS, name + suffix), errors="replace") as file:
            return file.read()
    except FileNotFoundError:
        return ""


def private_memory(pid):
    """KiB. Clean pages are the program's file in the cache, which goes whenever somebody needs the room."""
    with open("/proc/%d/smaps_rollup" % pid) as file:
        return sum(int(line.split()[1]) for line in file if line.startswith("Private_Dirty"))


def gone(name):
    return not os.path.exists("/run/redd/detached/" + name) and not os.path.exists("/run/redd/machines/" + name)


def abandoned(machinectl, name):
    return "abandoned" in machinectl.run("show", name, "--property=State", "--value").out


def holds_pidfd(pid):
    with contextlib.suppress(FileNotFoundError):
        return any("pidfd" in os.readlink("/proc/%d/fd/%s" % (pid, fd)) for fd in os.listdir("/proc/%d/fd" % pid))


def running(name):
    return runner.children(supervisor(name))


def test_start_returns_when_it_is_ready_and_says_who_runs_it(machinectl, machine):
    machine("web", "echo hello from $$")
    done = machinectl.run("start", "web").ok()
    assert "Started machine 'web' by Redd's own supervisor." in done.err
    assert os.path.exists("/run/redd/machines/web")
    runner.until(lambda: "hello from 1" in log("web"))
    done = machinectl.run("stop", "web").ok()
    assert "Stopped machine 'web' by Redd's own supervisor." in done.err
    assert gone("web")


def test_stop_ends_a_machine_whose_runner_was_killed_just_before(machinectl, machine):
    """Its supervisor does not know yet, and leaves it alone as soon as it does."""
    machine("web")
    machinectl.run("start", "web").ok()
    one, (killed,) = supervisor("web"), running("web")
    leader = runner.leader(killed)
    os.kill(one, signal.SIGSTOP)
    try:
        os.kill(killed, signal.SIGKILL)
        runner.until(lambda: abandoned(machinectl, "web"))
        stop = machinectl.start("stop", "web")
        runner.until(lambda: holds_pidfd(stop.pid))
    finally:
        os.kill(one, signal.SIGCONT)
    _, err = stop.communicate(timeout=60)
    assert stop.returncode == 0 and "to power off" in err, err
    runner.until(lambda: not os.path.exists("/proc/%d" % leader))
    # who holds what it had cleans up
    runner.until(lambda: gone("web"))


def test_quiet_says_nothing(machinectl, machine):
    machine("web")
    for verb in ("start", "start", "stop"):
        done = machinectl.run("-q", verb, "web").ok()
        assert done.err == "" and done.out == ""


def test_a_running_one_is_left_alone(machinectl, machine):
    machine("web")
    machinectl.run("start", "web").ok()
    before = supervisor("web")
    assert "running already" in machinectl.run("start", "web").ok().err
    assert supervisor("web") == before


@pytest.mark.parametrize("name", ["../etc", ".host", "a/b", "", "-x.", "a..b", "x" * 65, "we\x1bb"])
def test_a_bad_name_is_refused(machinectl, name):
    done = machinectl.run("--", "start", name)
    assert done.code == 1 and "\x1b" not in done.err and "name" in done.err, done


def test_a_missing_image_is_told_in_the_known_words(machinectl):
    machinectl.run("start", "nosuch").failed("Machine image 'nosuch' does not exist.")
    machinectl.run("enable", "nosuch").failed("Machine image 'nosuch' does not exist.")


@pytest.mark.parametrize("option", ["-V", "--runner=vmspawn"])
def test_virtual_machines_are_refused(machinectl, machine, option):
    machine("web")
    machinectl.run(option, "start", "web").failed("vmspawn")


def test_a_start_that_fails_tells_the_last_line_and_is_not_tried_again(machinectl, machine):
    os.unlink(os.path.join(machine("web"), "sbin/init"))
    done = machinectl.run("start", "web").failed("cannot start machine 'web': ", "init")
    assert len(done.err.strip().splitlines()) == 1
    assert gone("web")


def test_the_supervisor_is_a_process_of_its_own_and_small(machinectl, machine):
    machine("web")
    machinectl.run("start", "web").ok()
    pid = supervisor("web")
    assert os.getsid(pid) != os.getsid(0)
    opened = [os.readlink("/proc/%d/fd/%s" % (pid, fd)) for fd in os.listdir("/proc/%d/fd" % pid)]
    assert sorted(set(path for path in opened if path.startswith("/"))) == \
        ["/dev/null", "/run/redd/detached/web", "/var/log/redd/web.log"]
    # it gives back what only the start needed once it has told that the machine is ready
    if "libasan" not in open("/proc/%d/maps" % pid).read():
        runner.until(lambda: private_memory(pid) < 150)
        print("private memory: %d KiB" % private_memory(pid))


def test_a_failed_machine_is_started_again_after_a_pause(machinectl, machine):
    machine("web", "n=$(cat /count 2>/dev/null || echo 0)\nn=$((n + 1)); echo $n >/count\n"
            "[ $n -ge 3 ] || { sleep 0.2; exit 7; }")
    machinectl.run("start", "web").ok()
    runner.until(lambda: "status 7" in log("web") and log("web").count("starting it again in") == 2)
    assert re.findall(r"again in (\d+) ms", log("web")) == ["100", "200"]
    runner.until(lambda: running("web"))
    machinectl.run("stop", "web").ok()
    assert gone("web")


def test_a_powered_off_machine_stays_off(machinectl, machine):
    machine("web", init="#!/bin/sh\nsleep 0.3\nexit 0\n")
    machinectl.run("start", "web").ok()
    runner.until(lambda: gone("web"))
    assert "again" not in log("web")


def test_a_machine_whose_runner_was_killed_lives_on_and_can_be_stopped(machinectl, machine):
    machine("web")
    machinectl.run("start", "web").ok()
    pid = supervisor("web")
    runner.until(lambda: running("web"))
    os.kill(running("web")[0], signal.SIGKILL)
    runner.until(lambda: "lives on" in log("web") and not os.path.exists("/proc/%d" % pid))
    assert "web" in machinectl.run("list").ok().out
    machinectl.run("stop", "web").ok()
    runner.until(lambda: "web" not in machinectl.run("list").ok().out)
    machinectl.run("reap").ok()
    assert gone("web")


def test_a_stop_while_it_waits_to_start_again_is_a_stop(machinectl, machine):
    machine("web", init="#!/bin/sh\nsleep 0.1\nexit 7\n")
    machinectl.run("start", "web").ok()
    runner.until(lambda: "in 1600 ms" in log("web"))
    machinectl.run("stop", "web").ok()
    runner.until(lambda: gone("web"))


def test_a_machine_of_nobody_is_asked_itself(machinectl, machine, redd):
    """Started by hand, in a terminal: there is no supervisor of ours to tell."""
    path = machine("web")
    process = redd.start("-q", "-b", "-D", path, "-M", "web")
    runner.until(lambda: os.path.exists(os.path.join(path, "up")))
    done = machinectl.run("stop", "web")
    assert done.code == 0, done
    process.communicate(timeout=30)


def test_the_log_is_bounded(machinectl, machine):
    line = "0123456789" * 10
    machine("web", "i=0; while [ $i -lt 30000 ]; do echo %s; i=$((i + 1)); done; echo the-end" % line)
    machinectl.run("start", "web").ok()
    runner.until(lambda: "the-end" in log("web") or "the-end" in log("web", ".log.1"), seconds=60)
    # what came between a look at the size and the cut is the slack
    assert os.stat(os.path.join(LOGS, "web.log")).st_size < 2 * 1024 * 1024
    assert 1024 * 1024 <= os.stat(os.path.join(LOGS, "web.log.1")).st_size < 2 * 1024 * 1024


def test_a_log_on_a_terminal_has_no_carriage_returns_of_others(machinectl, host):
    """The guest's terminal adds one to each line, and that of who starts it by hand another one. A prompt at the end is a line."""
    os.makedirs(LOGS, exist_ok=True)
    with open(os.path.join(LOGS, "web.log"), "w") as file:
        file.write("one\r\r\ntwo\r\x1b[31m\r\n\r\nthree")
    shown = Console(machinectl.argv("logs", "web"), env=machinectl.env)
    shown.wait(10)
    assert shown.text() == "one\ntwo\\x0d\\x1b[31m\n\nthree\n", shown.seen
    assert machinectl.run("logs", "web", text=False).out == b"one\r\r\ntwo\r\x1b[31m\r\n\r\nthree"
    os.unlink(os.path.join(LOGS, "web.log"))


def test_two_starts_at_once_make_one_machine(machinectl, machine):
    machine("web")
    both = [machinectl.start("start", "web") for _ in range(4)]
    codes = []
    for process in both:
        _, err = process.communicate(timeout=60)
        codes.append(process.returncode)
        assert process.returncode == 0 or "supervisor already" in err, err
    assert codes.count(0) >= 1
    assert len(records()) == 1


def test_enabled_machines_are_started_together_in_their_order(machinectl, machine):
    for name in ("db", "web", "cache"):
        machine(name)
    done = machinectl.run("enable", "db", "web", "cache").ok()
    assert "Created /etc/redd/enabled/db." in done.err
    assert sorted(os.listdir(LIST)) == ["cache", "db", "web"]
    assert machinectl.run("-q", "enable", "db").ok().err.count("Created") == 0
    with open(os.path.join(LIST, "cache"), "w") as file:
        file.write("After=web\n")
    with open(os.path.join(LIST, "web"), "w") as file:
        file.write("After=db nosuch\n")
    done = machinectl.run("start", "--all").ok()
    assert re.findall(r"Started machine '(\w+)'", done.err) == ["db", "web", "cache"]
    machinectl.run("stop", "--all").ok()
    assert gone("db") and gone("web") and gone("cache")
    assert "Removed /etc/redd/enabled/web." in machinectl.run("disable", "web").ok().err
    machinectl.run("disable", "web").ok()
    assert sorted(os.listdir(LIST)) == ["cache", "db"]


def test_an_order_that_is_a_circle_is_told_and_starts_all(machinectl, machine):
    for name in ("a", "b"):
        machine(name)
    machinectl.run("-q", "enable", "a", "b").ok()
    for name, other in (("a", "b"), ("b", "a")):
        with open(os.path.join(LIST, name), "w") as file:
            file.write("After=%s\n" % other)
    done = machinectl.run("start", "--all").ok()
    assert "circle" in done.err and done.err.count("Started machine") == 2


def test_one_that_fails_keeps_no_other_from_starting(machinectl, machine):
    for name in ("a", "b"):
        machine(name)
    os.unlink(os.path.join(MACHINES, "a", "sbin/init"))
    machinectl.run("start", "a", "b").failed("cannot start machine 'a'", "Started machine 'b'")


def test_enable_and_disable_now(machinectl, machine):
    machine("web")
    machinectl.run("enable", "--now", "web").ok()
    assert os.path.exists("/run/redd/machines/web")
    machinectl.run("disable", "--now", "web").ok()
    assert gone("web") and os.listdir(LIST) == []


def test_what_is_neither_enabled_nor_there_cannot_be_disabled(machinectl):
    machinectl.run("disable", "absent").failed("Machine image 'absent' does not exist.")
    os.makedirs(LIST, exist_ok=True)
    open(LIST + "/left", "w").close()
    assert LIST + "/left" in machinectl.run("disable", "left").ok().err
    assert not os.path.exists(LIST + "/left")


def test_all_and_names_exclude_each_other(machinectl, machine):
    machine("web")
    for words in (("start",), ("stop",), ("start", "--all", "web"), ("stop", "-a", "web")):
        machinectl.run(*words).failed("cannot")


@pytest.mark.slow
def test_many_at_once_are_all_ready(machinectl, machine):
    names = ["m%d" % n for n in range(20)]
    machine("m0")
    for name in names[1:]:
        machine(name)
    all_of_them = [machinectl.start("-q", "start", name) for name in names]
    for process in all_of_them:
        _, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
    assert records() == sorted(names)
    machinectl.run("-q", "stop", "--all").ok()
    assert all(gone(name) for name in names)


def test_the_supervisor_ends_with_nothing_left_when_everybody_is_told_to_end(machinectl, machine):
    """As init programs do at shutdown: SIGTERM to all processes at once."""
    machine("web")
    machinectl.run("start", "web").ok()
    pid = supervisor("web")
    for one in [pid, *running("web")]:
        os.kill(one, signal.SIGTERM)
    runner.until(lambda: gone("web"))
    assert "again" not in log("web")
