"""machinectl: what it tells about machines, and how it ends them."""
import contextlib
import fcntl
import json
import os
import re
import signal
import stat
import struct
import subprocess
import time

import pytest

from support import runner, trees

ESCAPES = "\x1b]0;title\x07\x1b[2J\x1b[6n\u202e\x9b"


@pytest.fixture(scope="session")
def ctl(redd):
    path = os.path.join(os.path.dirname(os.path.realpath(redd.path)), "machinectl")
    assert os.access(path, os.X_OK), "no machinectl beside %s" % redd.path
    other = runner.Redd(path, env={"TZ": "UTC"})
    other.always = []
    return other


def until_running(ctl, *names):
    """What a program writes may arrive before its supervisor has noted that it runs."""
    runner.until(lambda: "opening" not in ctl.run("show", *names, "-P", "State").ok().lines)


@pytest.fixture
def machines(redd, ctl, tree):
    """machines("web", "sleep", "1000", options=[...]) starts one and waits until its program runs, and is known to."""
    with contextlib.ExitStack() as stack:
        def start(name, *command, options=(), directory=None, ready=None, boot=False):
            words = ["-b"] if boot else ["sh", "-c", "echo up; exec \"$@\"", "sh", *(command or ["sleep", "1000"])]
            shared = [] if directory else ["--read-only"]
            one = redd.start("-q", "--pipe", *shared, "-M", name, "-D", directory or tree, *options, *words)
            stack.callback(runner.terminate, one, signal.SIGTERM)
            for line in one.stdout:
                if line.strip() == (ready or "up"):
                    until_running(ctl, name)
                    return one
            pytest.fail("machine %s did not start: %s" % (name, one.stderr.read()))
        yield start


def plain(text):
    """What differs from run to run, by its kind."""
    for pattern, word in ((r"\b[0-9a-f]{32}\b", "<id>"), (r"\w{3} \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", "<time>"),
                          (r"; [\w ]*(ago|now)", "; <ago>"), (r"(Leader: |Superv\.: |─ *)\d+", r"\1<pid>"),
                          (r"(ID Shift: )\d+", r"\1<shift>"), (r"(Memory: )\S+", r"\1<size>"), (r"(CPU: )\S+", r"\1<span>")):
        text = re.sub(pattern, word, text)
    return text


def holds_pidfd(pid):
    """It has found its machine, and waits for it."""
    found = False
    for name in os.listdir("/proc/%d/fd" % pid):
        with contextlib.suppress(OSError):
            found |= "pidfd" in os.readlink("/proc/%d/fd/%s" % (pid, name))
    return found


def leader_of(ctl, name):
    return int(ctl.run("show", name, "-P", "Leader").ok().out)


def hostile(tmp_path, name, make):
    """A tree of its own whose os-release MAKE has made."""
    path = str(tmp_path / name)
    trees.unpack("busybox", path)
    os.unlink(os.path.join(path, "etc/os-release"))
    os.unlink(os.path.join(path, "usr/lib/os-release"))
    make(os.path.join(path, "etc/os-release"))
    return path


# ---- list ----

def test_no_machines_are_said_to_be_none(ctl):
    assert ctl.run().ok().out == "No machines.\n"
    assert ctl.run("list", "--no-legend").ok().out == ""
    assert json.loads(ctl.run("list", "--json=short").ok().out) == []


def test_list_shows_the_columns_of_the_reference(ctl, machines):
    machines("web")
    machines("db")
    assert ctl.run("list").ok().out == (
        "MACHINE CLASS     SERVICE        OS      VERSION ADDRESSES\n"
        "db      container systemd-nspawn busybox 1       -\n"
        "web     container systemd-nspawn busybox 1       -\n"
        "\n"
        "2 machines listed.\n")
    assert ctl.run("--no-legend", "list", "--max-addresses=0").ok().out == (
        "db  container systemd-nspawn busybox 1\n"
        "web container systemd-nspawn busybox 1\n")
    assert json.loads(ctl.run("list", "-o", "json").ok().out)[1] == {
        "machine": "web", "class": "container", "service": "systemd-nspawn", "os": "busybox", "version": "1", "addresses": None}


def test_list_all_shows_the_host_first(ctl, machines):
    machines("web")
    rows = json.loads(ctl.run("list", "-a", "--json=pretty").ok().out)
    assert [(row["machine"], row["class"], row["service"]) for row in rows] == [
        (".host", "host", None), ("web", "container", "systemd-nspawn")]


def test_addresses_come_from_the_machines_own_network(ctl, machines):
    machines("alone", options=["--private-network"])
    pid = str(leader_of(ctl, "alone"))
    for words in (["addr", "add", "10.1.2.3/32", "dev", "lo", "scope", "link"], ["addr", "add", "10.9.9.9/32", "dev", "lo"],
                  ["-6", "addr", "add", "fd00::7/128", "dev", "lo"]):
        subprocess.run(["nsenter", "-t", pid, "-n", "ip", *words], check=True)
    row = "alone container systemd-nspawn busybox 1 "
    assert ctl.run("list", "--no-legend").ok().out == row + "10.9.9.9…\n"
    assert ctl.run("list", "--no-legend", "--max-addresses=2").ok().lines == [row + "10.9.9.9", " " * len(row) + "fd00::7…"]
    every = [row + "10.9.9.9", " " * len(row) + "fd00::7", " " * len(row) + "10.1.2.3"]
    assert ctl.run("list", "--no-legend", "--max-addresses=all").ok().lines == every
    assert ctl.run("list", "--no-legend", "--full").ok().lines == every
    assert json.loads(ctl.run("list", "--max-addresses=all", "--json=short").ok().out)[0]["addresses"] == "10.9.9.9\nfd00::7\n10.1.2.3"
    assert "\t Address: 10.9.9.9\n\t          fd00::7\n\t          10.1.2.3\n" in ctl.run("status", "alone").ok().out
    ctl.run("list", "--max-addresses=some").failed("--max-addresses")


def test_of_a_long_list_each_has_its_own_addresses(redd, ctl, tree):
    """Long enough that several processors have a part each."""
    with contextlib.ExitStack() as stack:
        running = []
        for n in range(60):
            running.append(redd.start("-q", "--pipe", "--read-only", "--private-network", "-M", "m%02d" % n, "-D", tree,
                                      "sh", "-c", "ip addr add 10.1.2.%d/32 dev lo && echo up; exec sleep 1000" % (n + 1)))
            stack.callback(runner.terminate, running[-1], signal.SIGTERM)
        for one in running:
            assert one.stdout.readline() == "up\n"
        assert ctl.run("list", "--no-legend").ok().lines == [
            "m%02d container systemd-nspawn busybox 1 10.1.2.%d" % (n, n + 1) for n in range(60)]


# ---- whose leader it is ----


def kernels_number(pid):
    """Of the inode of its pidfds; None: this kernel has one for all of them."""
    fds = [os.pidfd_open(pid), os.pidfd_open(os.getpid())]
    numbers = [os.fstat(fd).st_ino for fd in fds]
    for fd in fds:
        os.close(fd)
    return numbers[0] if numbers[0] != numbers[1] else None


def notes_of(name):
    with open("/run/redd/machines/" + name) as record:
        return dict(line.rstrip("\n").split("=", 1) for line in record)


def test_the_kernels_number_of_the_leader_is_noted(ctl, machines):
    machines("web")
    pid = leader_of(ctl, "web")
    number = kernels_number(pid)
    assert notes_of("web").get("leader-id") == (number and "%010d %020d" % (pid, number))


@pytest.mark.parametrize("wrong", ["leader", "leader-id"])
def test_of_a_stranger_with_the_leaders_number_nothing_is_shown(ctl, machines, wrong):
    machines("real", options=["--private-network"])
    pid = leader_of(ctl, "real")
    subprocess.run(["nsenter", "-t", str(pid), "-n", "ip", "addr", "add", "10.9.9.9/32", "dev", "lo"], check=True)
    notes = {key: value for key, value in notes_of("real").items() if key in ("leader", "leader-id", "runs")}
    right = ["%s=%s" % note for note in notes.items()]
    if wrong == "leader":
        # as of an older kernel, by the start time alone
        notes.pop("leader-id", None)
    start = notes.get(wrong, "%010d 1" % pid).split()[1]
    notes[wrong] = "%010d %020d" % (pid, int(start) + 1)

    def seen(name):
        row, = [row for row in json.loads(ctl.run("list", "--json=short").ok().out) if row["machine"] == name]
        return row["os"], row["addresses"]
    with forged("stranger", *right) as name:
        assert seen(name) == seen("real") == ("busybox", "10.9.9.9")
    with forged("stranger", *["%s=%s" % note for note in notes.items()]) as name:
        assert seen(name) == (None, None) and seen("real") == ("busybox", "10.9.9.9")


# ---- status and show ----

def test_status_is_as_the_reference(ctl, tree, machines):
    machines("web")
    machines("db")
    one = (
        "\t   Since: <time>; <ago>\n"
        "\t  Leader: <pid> (sleep)\n"
        "\t Superv.: <pid> (%s)\n"
        "\t Service: systemd-nspawn; class container\n"
        "\t    Root: %s\n"
        "\t      OS: Busybox tree\n"
        "\tID Shift: <shift>\n"
        "\t   State: running\n"
        "\t Manager: none\n"
        "\t   Tasks: 1\n"
        "\t  Memory: <size>\n"
        "\t     CPU: <span>\n"
        "\t\t  └─<pid> sleep 1000\n") % (os.path.basename(ctl.path.replace("machinectl", "systemd-nspawn")), tree)
    shown = re.sub(r"(Superv\.: <pid> \().*\)", r"\1systemd-nspawn)", plain(ctl.run("status", "web", "db").ok().out))
    # the log's last lines, where there is a log, come below an empty line
    assert shown == "web(<id>)\n" + one + "\ndb(<id>)\n" + one


def test_status_draws_the_tree_of_groups(ctl, machines):
    asleep = "until grep -q sleep /proc/$!/comm; do :; done"
    machines("web", "sh", "-c", "sleep 1001 & %s; mkdir /sys/fs/cgroup/low /sys/fs/cgroup/low/lower; sleep 1002 & %s; "
             "echo $! >/sys/fs/cgroup/low/lower/cgroup.procs; echo ready; wait" % (asleep, asleep), options=["--private-users=pick"], ready="ready")
    shown = plain(ctl.run("status", "web").ok().out)
    tree = shown[shown.index("\t\t  "):]
    assert re.fullmatch("\t\t  ├─<pid> sh -c sleep 1001.*wait\n"
                        "\t\t  ├─<pid> sleep 1001\n"
                        "\t\t  └─low\n"
                        "\t\t    └─lower\n"
                        "\t\t      └─<pid> sleep 1002\n", tree), tree


def test_status_as_json_is_an_object_a_machine(ctl, tree, machines):
    machines("web")
    machines("db")
    first, second = [json.loads(line) for line in ctl.run("status", "web", "db", "--json=short").ok().lines]
    assert (first["machine"], second["machine"]) == ("web", "db")
    assert (first["state"], first["root"], first["os_name"], first["addresses"]) == ("running", tree, "Busybox tree", [])
    assert [(process["pid"], process["group"], process["command"]) for process in first["processes"]] == [
        (first["leader"], "/", "sleep 1000")]


def test_show_prints_properties(ctl, tree, machines):
    one = machines("web")
    shown = ctl.run("show", "web").ok().out
    assert re.sub(r"(Leader|Supervisor|Monotonic|PIDFDId)=\d+", r"\1=<n>", plain(shown)) == (
        "Name=web\nId=<id>\nTimestamp=<time>\nTimestampMonotonic=<n>\nService=systemd-nspawn\nLeader=<n>\nLeaderPIDFDId=<n>\n"
        "Supervisor=<n>\nSupervisorPIDFDId=<n>\nClass=container\nRootDirectory=%s\nVSockCID=4294967295\nState=running\nUID=0\n" % tree)
    assert "Supervisor=%d\n" % one.pid in shown
    assert ctl.run("show", "web", "-p", "State", "-p", "Unit", "-p", "Nothing").ok().out == "Unit=\nState=running\n"
    assert ctl.run("show", "web", "-P", "Class").ok().out == "container\n"
    assert ctl.run("show", "web", "--value", "-p", "Name", "-p", "UID").ok().out == "web\n0\n"
    names = [line.split("=")[0] for line in ctl.run("show", "web", "-a").ok().lines]
    assert names == ("Name Id Timestamp TimestampMonotonic Service Unit Subgroup Leader LeaderPIDFDId Supervisor SupervisorPIDFDId "
                     "Class RootDirectory NetworkInterfaces VSockCID SSHAddress SSHPrivateKeyPath State UID").split()
    assert ctl.run("show").ok().out == "PoolPath=/var/lib/machines\nPoolUsage=18446744073709551615\nPoolLimit=18446744073709551615\n"


@contextlib.contextmanager
def forged(name, *notes):
    """A record that is held, as a supervisor does."""
    path = "/run/redd/machines/" + name
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "x") as record:
        try:
            record.write("redd-record=1\ntag=0123456789abcdef\nsupervisor=%010d\n" % os.getpid())
            record.writelines(note + "\n" for note in notes)
            record.flush()
            # F_OFD_SETLK
            fcntl.fcntl(record, 37, struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 0, 0, 0))
            yield name
        finally:
            os.unlink(path)


@pytest.fixture
def starting():
    """A machine whose supervisor has just begun: nothing runs yet."""
    with forged("starting") as name:
        yield name


def test_who_comes_too_early_is_told_so(ctl, starting):
    assert "State: opening" in ctl.run("status", starting).ok().out
    for words in (["exec", starting, "true"], ["shell", starting, "/bin/true"], ["copy-to", starting, "/etc/hostname", "/x"],
                  ["bind", starting, "/etc", "/x"], ["poweroff", starting], ["reboot", starting], ["kill", starting],
                  ["pause", starting], ["resume", starting], ["set-property", starting, "TasksMax=9"], ["reexec", starting]):
        ctl.run(*words, timeout=10).failed("it is still starting (try again)")


def test_renames_anywhere_do_not_hide_what_a_machine_is(ctl, machines, place):
    """The kernel gives up a path with ".." in it when somebody renames or mounts meanwhile."""
    machines("web")
    busy = ctl.with_prefix("strace", "-f", "-qq", "-o", place + "/log", "-e", "trace=openat2", "-e", "inject=openat2:error=EAGAIN:when=1..3")
    assert "OS: Busybox tree" in busy.run("status", "web").ok().out
    with open(place + "/log") as file:
        assert "EAGAIN" in file.read()


def test_a_paused_machine_is_shown_as_such(ctl, machines):
    machines("web")
    ctl.run("pause", "web").ok()
    assert "State: paused (until 'machinectl resume web')" in ctl.run("status", "web").ok().out
    assert json.loads(ctl.run("status", "--json=short", "web").ok().out)["state"] == "paused"
    ctl.run("resume", "web").ok()
    assert "State: running" in ctl.run("status", "web").ok().out


def test_without_proc_is_told_and_ends_nothing(ctl, machines):
    one = machines("web", "sleep", "1000", options=["--on-supervisor-death=keep"])
    blind = ctl.with_prefix("unshare", "-m", "sh", "-c", "mount -t tmpfs none /proc && exec \"$@\"", "sh")
    assert "web" in blind.run("list", "--max-addresses=0").ok().out
    blind.run("list").failed("/proc")
    for words in (["status", "web"], ["exec", "web", "true"], ["kill", "web"]):
        blind.run(*words).failed("/proc")
    one.kill()
    one.wait()
    for words in (["list", "--max-addresses=0"], ["reap"]):
        blind.run(*words).ok()
    assert "abandoned" in ctl.run("status", "web").ok().out
    ctl.run("terminate", "web").ok()


@pytest.mark.parametrize("words", [["copy-to", ".host", "/etc/hostname", "/x"], ["bind", ".host", "/etc", "/x"], ["pause", ".host"],
                                   ["logs", ".host"], ["diff", ".host"], ["set-property", ".host", "TasksMax=9"]])
def test_the_host_is_no_machine_for_the_rest(ctl, words):
    ctl.run(*words).failed("that is the host itself, not a machine")


def test_the_host_can_be_looked_at_and_not_ended(ctl):
    shown = ctl.run("status", ".host").ok().out
    assert "\t   Class: host\n" in shown and "\t    Unit: -.slice\n" in shown and "\t    Root: /\n" in shown
    assert ctl.run("show", ".host", "-p", "Class", "-p", "Leader").ok().out == "Leader=1\nClass=host\n"
    for verb in ("poweroff", "reboot", "terminate", "kill", "wait"):
        done = ctl.run(verb, ".host").failed("that is the host itself")
        assert len(done.err.splitlines()) == 1


# ---- what a guest makes up (classes S21, S24) ----

def test_escapes_of_a_guest_are_shown_escaped(ctl, machines, tmp_path):
    def make(path):
        with open(path, "wb") as file:
            file.write(("ID=a\nID='%s'\nVERSION_ID='%s'\nPRETTY_NAME='%s'\n" % ((ESCAPES,) * 3)).encode() + b"\n")
    machines("evil", "sh", "-c", "sleep 1000; true", ESCAPES, directory=hostile(tmp_path, "evil", make))
    for words in (["list"], ["status", "evil"], ["show", "evil", "-a"], ["list", "--json=pretty"], ["status", "evil", "--json=short"]):
        done = ctl.run(*words).ok()
        bad = [char for char in done.out + done.err if ord(char) < 32 and char not in "\n\t" or 127 <= ord(char) < 160 or ord(char) == 0x202e]
        assert not bad, done
    assert "\\x1b]0;title" in ctl.run("list").ok().out
    shown = ctl.run("status", "evil").ok().out
    assert "\t      OS: \\x1b]0;title" in shown and re.search(r"─ *\d+ sh -c sleep 1000; true \\x1b\]0;title", shown), shown


@pytest.mark.parametrize("kind", ["fifo", "huge", "device", "link", "loop", "directory", "nul"])
def test_an_os_release_that_is_none_is_left_out(ctl, machines, tmp_path, kind):
    canary = tmp_path / "canary"
    canary.write_text("ID=canary\nVERSION_ID=canary\n")
    directory = hostile(tmp_path, kind, lambda path: open(path, "w").write("ID=x\n"))
    machines("odd", directory=directory)
    path = os.path.join(directory, "etc/os-release")
    os.unlink(path)
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "huge":
        with open(path, "w") as file:
            file.write("ID=huge\n")
            file.truncate(1 << 40)
    elif kind == "device":
        os.mknod(path, 0o666 | stat.S_IFCHR, os.makedev(1, 5))
    elif kind == "link":
        os.symlink(str(canary), path)
    elif kind == "loop":
        os.symlink("os-release", path)
    elif kind == "directory":
        os.mkdir(path)
    else:
        with open(path, "wb") as file:
            file.write(b"ID=nul\n\0\n")
    assert ctl.run("list", "--no-legend", timeout=5).ok().out == "odd container systemd-nspawn - - -\n"
    assert "OS:" not in ctl.run("status", "odd", timeout=5).ok().out


def test_a_guest_with_many_processes_and_groups_is_shown_bounded(ctl, machines):
    machines("many", "sh", "-c", "i=0; while [ $i -lt 600 ]; do mkdir /sys/fs/cgroup/g$i; i=$((i+1)); done; sleep 1000 & "
             "echo $! >/sys/fs/cgroup/g599/cgroup.procs; echo ready; wait", options=["--private-users=pick"], ready="ready")
    started = time.monotonic()
    assert len(ctl.run("status", "many").ok().lines) < 700
    assert time.monotonic() - started < 10


# ---- ending ----

def test_poweroff_and_reboot_ask_the_init(ctl, machines):
    one = machines("web", boot=True, ready="rcS: started")
    before = leader_of(ctl, "web")
    assert ctl.run("reboot", "web").ok().out == ""
    for line in one.stdout:
        if line.strip() == "rcS: started":
            break
    until_running(ctl, "web")
    assert leader_of(ctl, "web") != before
    ctl.run("poweroff", "web").ok()
    ctl.run("wait", "web", timeout=20)
    assert one.wait(timeout=20) == 0


def test_the_stub_is_an_init_too(ctl, machines):
    one = machines("web", options=["-a"])
    ctl.run("poweroff", "web").ok()
    assert one.wait(timeout=20) == 0


def test_a_lone_command_is_not_asked(ctl, machines):
    machines("web")
    for verb in ("poweroff", "reboot"):
        ctl.run(verb, "web").failed("it runs a lone command", "machinectl terminate web")
    two = machines("db", "sh", "-c", "trap 'exit 7' INT; echo ready; while :; do sleep 0.1; done", options=["--kill-signal=INT"], ready="ready")
    ctl.run("reboot", "db").failed("it runs a lone command")
    ctl.run("poweroff", "db").ok()
    assert two.wait(timeout=20) == 7


@pytest.mark.parametrize("who", ["machinectl", "supervisor"])
def test_an_init_that_does_not_listen_yet_is_asked_once_it_does(ctl, machines, who):
    one = machines("slow", "sh", "-c", "echo early; sleep 0.4; trap 'exit 7' USR1; while :; do sleep 0.1; done", options=["--kill-signal=USR1"],
                   ready="early")
    if who == "machinectl":
        ctl.run("poweroff", "slow").ok()
    else:
        one.terminate()
    assert one.wait(timeout=20) == 7


def test_terminate_returns_when_nothing_is_left(ctl, machines):
    one = machines("web", "sh", "-c", "trap '' TERM; sleep 1000 & wait")
    pid = leader_of(ctl, "web")
    ctl.run("terminate", "web").ok()
    assert not os.path.exists("/run/redd/machines/web") and not os.path.exists("/proc/%d/cwd" % pid)
    assert ctl.run("list").ok().out == "No machines.\n"
    assert one.wait(timeout=20) != 0


def test_several_names_are_worked_on_in_order_until_one_fails(ctl, machines):
    machines("a")
    machines("c")
    done = ctl.run("terminate", "a", "nosuch", "c").failed("cannot find machine 'nosuch'")
    assert len(done.err.splitlines()) == 1
    assert [row["machine"] for row in json.loads(ctl.run("--json=short").ok().out)] == ["c"]


def test_terminate_at_the_same_time_is_no_failure_of_either(ctl, machines):
    for _ in range(3):
        machines("web")
        both = [ctl.start("terminate", "web") for _ in range(4)]
        for one in both:
            out, err = one.communicate(timeout=20)
            assert one.returncode == 0 or "none of this name is running" in err, (out, err)
        assert ctl.run("list").ok().out == "No machines.\n"


def test_kill_reaches_who_was_named(ctl, machines):
    note = "trap 'echo got %s' USR1; echo ready; while :; do sleep 0.1; done"
    one = machines("web", "sh", "-c", "(%s) & %s" % (note % "child", note % "leader"), ready="ready")
    assert one.stdout.readline().strip() == "ready"
    ctl.run("kill", "-s", "USR1", "--kill-whom=leader", "web").ok()
    assert one.stdout.readline().strip() == "got leader"
    ctl.run("kill", "--signal=SIGUSR1", "web").ok()
    assert {one.stdout.readline().strip() for _ in range(2)} == {"got leader", "got child"}
    ctl.run("kill", "--kill-whom=supervisor", "web").ok()
    one.communicate(timeout=20)
    assert "15     SIGTERM" in ctl.run("kill", "--signal=list").ok().lines
    ctl.run("kill", "--signal=NOSUCH", "web").failed("--signal")
    ctl.run("kill", "--kill-whom=nobody", "web").failed("--kill-whom")


def test_kill_reaches_nobody_outside(ctl, machines):
    machines("web")
    other = machines("web2")
    ctl.run("kill", "-s", "KILL", "web").ok()
    ctl.run("wait", "web", timeout=20)
    assert other.poll() is None and leader_of(ctl, "web2")


def test_wait_ends_with_the_machine(ctl, machines):
    one = machines("web")
    two = machines("db")
    waiting = ctl.start("wait", "web", "db")
    while not holds_pidfd(waiting.pid):
        assert waiting.poll() is None
    runner.terminate(one, signal.SIGTERM)
    with pytest.raises(subprocess.TimeoutExpired):
        waiting.wait(timeout=0.3)
    runner.terminate(two, signal.SIGTERM)
    assert waiting.wait(timeout=20) == 0
    waiting.communicate()


def test_a_supervisor_that_was_killed_leaves_nothing_after_a_terminate(ctl, machines):
    one = machines("web")
    os.kill(one.pid, signal.SIGKILL)
    one.wait(timeout=20)
    # its machine died with it, and only its record may be left
    ctl.run("terminate", "web")
    assert ctl.run("list").ok().out == "No machines.\n"


@pytest.mark.parametrize("verb", ["poweroff", "terminate", "kill"])
def test_an_abandoned_machine_is_shown_and_can_be_ended(ctl, machines, verb):
    one = machines("web", boot=True, ready="rcS: started", options=["--on-supervisor-death=keep"])
    pid = leader_of(ctl, "web")
    os.kill(one.pid, signal.SIGKILL)
    one.wait(timeout=20)
    assert ctl.run("show", "web", "-p", "State", "-p", "Leader", "-p", "Supervisor").ok().out == (
        "Leader=%d\nSupervisor=0\nState=abandoned\n" % pid)
    shown = ctl.run("status", "web").ok().out
    assert "Superv." not in shown and "\t   State: abandoned (" in shown and "'machinectl adopt web')" in shown
    assert [row["machine"] for row in json.loads(ctl.run("--json=short").ok().out)] == ["web"]
    ctl.run("reboot", "web").failed("it has no supervisor", "machinectl adopt web")
    ctl.run("kill", "--kill-whom=supervisor", "web").failed("it has none")
    waiting = ctl.start("wait", "web")
    ctl.run(verb, *(["-s", "KILL"] if verb == "kill" else []), "web").ok()
    out, err = waiting.communicate(timeout=20)
    assert waiting.returncode == 0 or "none of this name is running" in err, (out, err)
    assert ctl.run("list").ok().out == "No machines.\n" and not os.path.exists("/run/redd/machines/web")


@pytest.mark.parametrize("name", ["../web", "/etc/passwd", ".", "..", "", "a/b", "x" * 65, "-a", "a_b", "web\n", "\x1b[2J", "é"])
def test_what_is_no_name_is_refused(ctl, name):
    for verb in ("status", "show", "poweroff", "reboot", "terminate", "kill", "wait"):
        done = ctl.run(verb, "--", name).failed("this is no machine name")
        assert len(done.err.splitlines()) == 1 and "\x1b" not in done.err


# ---- many ----

def test_a_hundred_machines_are_started_listed_entered_and_ended_at_once(redd, ctl, tree):
    count = 100
    running = [redd.start("-q", "--pipe", "--read-only", "-M", "many%d" % n, "-D", tree, "sh", "-c", "echo up; exec sleep 1000")
               for n in range(count)]
    try:
        assert [one.stdout.readline() for one in running] == ["up\n"] * count
        assert len(json.loads(ctl.run("list", "--json=short").ok().out)) == count
        until_running(ctl, *["many%d" % n for n in range(count)])
        inside = [ctl.start("exec", "many%d" % n, "--", "sh", "-c", "echo $$") for n in range(count)]
        for one in inside:
            out, err = one.communicate(timeout=60)
            assert one.returncode == 0 and out.strip().isdigit(), (out, err)
        ending = [ctl.start("terminate", "many%d" % n) for n in range(count)]
        for one in ending:
            assert one.communicate(timeout=60)[1] == "" and one.returncode == 0
        assert ctl.run("list").ok().out == "No machines.\n"
    finally:
        for one in running:
            runner.terminate(one, signal.SIGTERM)
