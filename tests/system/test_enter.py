"""machinectl exec, shell and login: programs that run in a running machine."""
import os
import signal
import subprocess
import time

import pytest

from support import machines, runner
from support.console import Console

MODES = {"userns": [], "host-users": ["--private-users=no"]}


@pytest.fixture(scope="module")
def machinectl(redd):
    return machines.machinectl(redd)


@pytest.fixture(scope="module", params=MODES, ids=list(MODES))
def machine(request, redd, tree):
    one = machines.Machine(redd, "enter", tree, *MODES[request.param])
    yield one
    one.stop()


@pytest.fixture
def console(machinectl):
    made = []

    def start(*args, argv=None, **kwargs):
        made.append(Console(argv, env=machinectl.env, **kwargs) if argv else machinectl.console(*args, **kwargs))
        return made[-1]
    yield start
    for one in made:
        one.close()


def quoted(argv):
    return " ".join("'%s'" % word for word in argv)


# --- exec

@pytest.mark.parametrize("code", [0, 1, 7, 127, 133, 255])
def test_the_exit_status_is_the_programs(machinectl, machine, code):
    assert machinectl.run("exec", machine.name, "--", "sh", "-c", "exit %d" % code).code == code


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGUSR1, signal.SIGSEGV])
def test_a_program_ended_by_a_signal(machinectl, machine, number):
    done = machinectl.run("exec", machine.name, "--", "sh", "-c", "kill -%d $$" % number)
    assert done.code == 128 + number and signal.Signals(number).name in done.err, done
    assert machinectl.run("-q", "exec", machine.name, "--", "sh", "-c", "kill -%d $$" % number).err == ""


def test_the_streams_are_apart(machinectl, machine):
    done = machinectl.run("exec", machine.name, "sh", "-c", "cat; echo error >&2", input="text\n").ok()
    assert (done.out, done.err) == ("text\n", "error\n")


def test_much_comes_through_whole(machinectl, machine):
    text = "".join("%d\n" % number for number in range(200000))
    assert machinectl.run("exec", machine.name, "cat", input=text).ok().out == text


def test_the_end_of_input_alone_ends_nothing(machinectl, machine):
    process = machinectl.start("exec", machine.name, "--", "sh", "-c", "cat; echo after; sleep 0.2; echo end", stdin=subprocess.PIPE)
    out, _ = process.communicate("before\n", timeout=20)
    assert out == "before\nafter\nend\n" and process.returncode == 0


def test_what_stays_behind_keeps_nobody(machinectl, machine):
    done = machinectl.run("exec", machine.name, "--", "sh", "-c", "sleep 30 >/dev/null 2>&1 & echo $!", timeout=10).ok()
    machinectl.run("exec", machine.name, "kill", done.out.strip()).ok()


def test_files_of_all_kinds(machinectl, machine, place):
    with open(place + "/in", "w") as file:
        file.write("from a file\n" * 10000)
    with open(place + "/in") as given, open(place + "/out", "w") as taken:
        subprocess.run(machinectl.argv("exec", machine.name, "cat"), stdin=given, stdout=taken, stderr=taken, env=machinectl.env, timeout=20, check=True)
    with open(place + "/in") as one, open(place + "/out") as two:
        assert one.read() == two.read()


@pytest.mark.parametrize("redirect", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_streams_that_are_closed_are_nothing(machinectl, machine, redirect):
    argv = machinectl.argv("exec", machine.name, "--", "sh", "-c", "for n in 0 1 2; do [ -e /proc/self/fd/$n ] || exit 9; done; ls /proc/self/fd | wc -l >/tmp/count; exit 5")
    done = subprocess.run(["sh", "-c", quoted(argv) .replace("''", "'") + " " + redirect], env=machinectl.env, capture_output=True, text=True, timeout=20, stdin=subprocess.DEVNULL)
    assert done.returncode == 5, done


def test_a_directory_is_not_given(machinectl, machine, place):
    directory = os.open(place, os.O_RDONLY | os.O_DIRECTORY)
    name = os.open(place, os.O_PATH)
    for descriptor in (directory, name):
        machinectl.run("exec", machine.name, "true", stdin=descriptor).failed("standard input")
        os.close(descriptor)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2])
def test_signals_are_passed_on(machinectl, machine, number):
    process = machinectl.start("exec", machine.name, "--", "sh", "-c", "trap 'echo got; exit 4' %d; echo ready; while :; do sleep 0.05; done" % number)
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    out, _ = process.communicate(timeout=20)
    assert out == "got\n" and process.returncode == 4


def test_an_ignored_signal_stays_ignored(machinectl, machine):
    process = machinectl.start("exec", machine.name, "--", "sh", "-c", "echo ready; cat", stdin=subprocess.PIPE,
                               preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGHUP)
    out, _ = process.communicate("still here\n", timeout=20)
    assert out == "still here\n" and process.returncode == 0


def watches(pid):
    """Somebody is told of changes to a file."""
    links = [os.readlink("/proc/%d/fd/%s" % (pid, name)) for name in os.listdir("/proc/%d/fd" % pid)]
    return any("inotify" in link for link in links)


@pytest.mark.parametrize("words", [["exec", "fast", "echo", "in"], ["copy-from", "fast", "/etc/passwd", "copy"], ["poweroff", "fast"]], ids=lambda words: words[0])
def test_a_program_that_is_faster_than_the_note_of_it_is_waited_for(redd, machinectl, tree, place, words):
    """Its supervisor is held where it has heard that the program runs, and has not said so yet."""
    held = redd.with_prefix("strace", "-qq", "-o", place + "/log", "-e", "trace=recvfrom", "-e", "inject=recvfrom:signal=STOP:when=1")
    process = held.start("-q", "--pipe", "-x", "-D", tree, "-M", "fast", "--kill-signal=SIGTERM", "/bin/sh", "-c", "trap 'exit 0' TERM; echo ready; while :; do sleep 0.05; done")
    asks = None
    try:
        assert process.stdout.readline() == "ready\n"
        supervisor = runner.until(lambda: runner.children(process.pid))[0]
        runner.until(lambda: "SIGSTOP" in open(place + "/log").read())
        asks = machinectl.start(*[place + "/copy" if word == "copy" else word for word in words])
        runner.until(lambda: asks.poll() is not None or watches(asks.pid))
        assert asks.poll() is None, asks.communicate()
        os.kill(supervisor, signal.SIGCONT)
        out, err = asks.communicate(timeout=20)
        assert asks.returncode == 0, (out, err)
        assert words[0] != "exec" or out == "in\n"
    finally:
        if asks is not None:
            asks.kill()
        for supervisor in runner.children(process.pid):
            os.kill(supervisor, signal.SIGTERM)
            os.kill(supervisor, signal.SIGCONT)
        process.communicate(timeout=20)


def test_the_program_dies_with_us(machinectl, machine):
    process = machinectl.start("exec", machine.name, "--", "sh", "-c", "echo $$; exec sleep 4321")
    number = process.stdout.readline().strip()
    process.kill()
    process.communicate(timeout=20)
    runner.until(lambda: machinectl.run("exec", machine.name, "test", "-d", "/proc/" + number).code != 0)


def test_the_user(machinectl, machine):
    assert machinectl.run("exec", "user@" + machine.name, "id").ok().out == "uid=1000(user) gid=1000(user) groups=29(audio),44(video)\n"
    assert machinectl.run("--uid=svc", "exec", machine.name, "id", "-un").ok().out == "svc\n"
    assert machinectl.run("--uid=svc", "exec", "1000@" + machine.name, "id", "-un").ok().out == "user\n"
    assert machinectl.run("exec", "@" + machine.name, "id", "-un").ok().out == "root\n"
    machinectl.run("exec", "nosuch@" + machine.name, "id").failed("nosuch")


def test_the_environment(machinectl, machine):
    done = machinectl.run("-E", "A=1 2", "--setenv=PASSED", "-E", "ABSENT", "exec", "user@" + machine.name, "env", env={"PASSED": "yes", "OTHER": "no"}).ok()
    names = dict(line.split("=", 1) for line in done.lines)
    assert names["A"] == "1 2" and names["PASSED"] == "yes" and "ABSENT" not in names and "OTHER" not in names
    assert names["HOME"] == "/home/user" and names["USER"] == names["LOGNAME"] == "user" and names["container"] == "systemd-nspawn"
    assert "TERM" not in names


def test_a_missing_program_is_named(machinectl, machine):
    machinectl.run("exec", machine.name, "no-such-program").failed("no-such-program", machine.name)
    machinectl.run("exec", machine.name, "/etc/passwd").failed("/etc/passwd")
    machinectl.run("exec", "nowhere", "true").failed("nowhere")


def test_a_pty_only_where_both_ends_are_terminals(machinectl, machine, console, place):
    one = console("exec", machine.name, "--", "sh", "-c", "tty; stty size; echo error >&2", size=(33, 77))
    one.expect(r"/dev/pts/\d+", 10)
    one.expect("33 77", 10)
    one.expect("error", 10)
    assert one.wait(10) == 0
    one = console(argv=["sh", "-c", quoted(machinectl.argv("exec", machine.name, "--", "sh", "-c", "tty; echo error >&2")) + " 2>%s/err" % place])
    one.expect(r"/dev/pts/\d+", 10)
    assert one.wait(10) == 0 and open(place + "/err").read() == "error\n"
    for redirect in ("</dev/null", "| cat"):
        one = console(argv=["sh", "-c", quoted(machinectl.argv("exec", machine.name, "--", "sh", "-c", "tty; readlink /proc/self/fd/2")) + " " + redirect])
        one.expect("not a tty", 10)
        one.expect("pipe:", 10)
        one.wait(10)


def test_typing_through_a_pipe_and_its_end(machinectl, machine, console, place):
    one = console(argv=["sh", "-c", quoted(machinectl.argv("exec", machine.name, "cat")) + " >%s/out" % place])
    runner.until(lambda: os.path.exists(place + "/out"))
    one.send("typed\n")
    end = time.monotonic() + 10
    while open(place + "/out").read() != "typed\n":
        assert time.monotonic() < end
        one.read(0.05)
    one.send("\x04")
    assert one.wait(10) == 0


def test_the_size_follows(machinectl, machine, console):
    one = console("exec", machine.name, "--", "sh", "-c", "trap 'stty size' WINCH; echo ready; while :; do sleep 0.1; done")
    one.expect("ready", 10)
    one.resize(11, 22)
    one.expect("11 22", 10)


def test_control_c_reaches_what_runs(machinectl, machine, console):
    one = console("exec", machine.name, "--", "sh", "-c", "echo ready; sleep 1000; echo after")
    one.expect("ready", 10)
    one.send("\x03")
    assert one.wait(10) in (130, 0)


def test_the_output_is_whole_on_a_pty(machinectl, machine, console):
    one = console("exec", machine.name, "seq", "1", "20000")
    assert one.wait(20) == 0
    assert [line for line in one.text().split() if line.isdigit()] == [str(number) for number in range(1, 20001)]


def test_a_machine_that_ends_meanwhile(redd, machinectl, tree):
    one = machines.Machine(redd, "ends", tree, "-x")
    process = machinectl.start("exec", "ends", "--", "sh", "-c", "echo ready; exec sleep 1000")
    assert process.stdout.readline() == "ready\n"
    os.kill(one.leader, signal.SIGKILL)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 137 and "Machine ends terminated" in err, err
    one.process.communicate(timeout=20)


# --- shell

def shell(console, *args, **kwargs):
    one = console("shell", *args, **kwargs)
    one.expect(r"Press \^\] three times within 1s to exit session", 10)
    one.expect("[#$] ", 10)
    return one


def test_a_login_shell_on_a_pty(machinectl, machine, console):
    one = shell(console, machine.name)
    assert one.ask("echo $0") == "-sh"
    assert one.ask("tty").startswith("/dev/pts/")
    assert one.ask("id -u; pwd; echo $TERM $HOME $SHELL").split() == ["0", "/root", "xterm", "/root", "/bin/sh"]
    assert one.ask("echo hi >/dev/tty; stat -c %u $(tty)").split() == ["hi", "0"]
    one.line("exit 9")
    one.expect("Connection to machine %s terminated" % machine.name, 10)
    assert one.wait(10) == 9


def test_a_users_shell_owns_its_terminal(machinectl, machine, console):
    one = shell(console, "user@" + machine.name)
    assert one.ask("id -un; stat -c %u $(tty); echo x >$(tty)").split() == ["user", "1000", "x"]


def test_a_shells_command(machinectl, machine, console):
    one = console("-q", "shell", machine.name, "/bin/sh", "-c", "echo $0 $1; exit 3", "zero", "--quiet")
    one.expect("zero --quiet", 10)
    assert one.wait(10) == 3 and "Connect" not in one.text()


def test_a_shell_without_a_terminal_reads_a_script(machinectl, machine):
    done = machinectl.run("shell", machine.name, input="echo $0 $TERM; exit 6\n")
    assert done.code == 6 and done.out == "-sh dumb\n" and done.err == "", done


def test_three_keys_leave(machinectl, machine, console):
    one = shell(console, machine.name)
    one.send("\x1d\x1d\x1d")
    assert one.wait(5) == 128 + signal.SIGHUP


def test_what_ignores_the_hangup_is_killed(machinectl, machine, console):
    one = console("shell", machine.name, "/bin/sh", "-c", "trap '' HUP; echo ready; exec sleep 1000")
    one.expect("ready", 10)
    one.send("\x1d\x1d\x1d")
    assert one.wait(10) == 137


def test_the_terminal_is_restored(machinectl, machine, console):
    one = console(argv=["sh", "-c", "stty -a >/tmp/redd-work/before; %s; stty -a >/tmp/redd-work/after" % quoted(machinectl.argv("-q", "shell", machine.name, "/bin/true"))])
    one.wait(10)
    before, after = [open("/tmp/redd-work/" + name).read() for name in ("before", "after")]
    assert before == after and "icanon" in before
    for name in ("before", "after"):
        os.unlink("/tmp/redd-work/" + name)


def test_the_local_host(machinectl, console):
    one = console("shell")
    one.expect("Connected to the local host", 10)
    one.expect("[#$] ", 10)
    assert one.ask("id -u; readlink /proc/self/ns/user").split() == ["0", os.readlink("/proc/self/ns/user")]
    one.line("exit 2")
    assert one.wait(10) == 2
    assert machinectl.run("exec", "nobody@.host", "id", "-un").ok().out == "nobody\n"


def test_the_local_host_makes_nobody_somebody_else(machinectl, user):
    mine = machinectl.with_prefix(*user.prefix())
    assert mine.run("shell", ".host", "/usr/bin/id", "-u").ok().out == "%d\n" % user.uid
    mine.run("shell", "root@.host", "/usr/bin/id").failed("root")


# --- login

def log_in(one, name="root"):
    one.expect("Connected to machine", 10)
    one.expect("login: ", 20)
    one.line(name)
    one.expect("# ", 20)


@pytest.mark.parametrize("paths", [[], ["/usr/sbin/getty", "/usr/bin/login"], ["/usr/bin/login"]], ids=["busybox", "getty", "login"])
def test_login_in_a_small_guest(redd, machinectl, fresh, console, paths):
    tree = fresh()
    for path in paths:
        os.symlink("/usr/bin/busybox", tree + path)
    one = machines.Machine(redd, "small", tree)
    try:
        asked = console("login", "small")
        log_in(asked)
        assert asked.ask("tty").startswith("/dev/pts/")
        asked.line("exit")
        assert asked.wait(10) == 0
        assert "Connection to machine small terminated" in asked.text()
    finally:
        one.stop()


def test_login_where_there_is_none(redd, machinectl, fresh, console):
    tree = fresh()
    os.rename(tree + "/usr/bin/busybox", tree + "/usr/bin/busybox.real")
    for name in os.listdir(tree + "/usr/bin"):
        if name != "busybox.real":
            os.unlink(tree + "/usr/bin/" + name)
    for name in ("sh", "sleep"):
        os.symlink("busybox.real", tree + "/usr/bin/" + name)
    one = machines.Machine(redd, "bare", tree)
    try:
        asked = console("login", "bare")
        assert asked.wait(10) == 1 and "getty" in asked.text() and "machinectl shell" in asked.text()
    finally:
        one.stop()


def test_what_login_refuses(machinectl, machine, console):
    machinectl.run("login", machine.name).failed("terminal")
    one = console("--uid=user", "login", machine.name)
    assert one.wait(10) == 1 and "--uid" in one.text()


# --- whole systems

@pytest.mark.parametrize("name", ["bookworm", "openrc", "sysvinit"])
def test_a_system_is_entered_and_logged_in_to(redd, machinectl, fresh, console, name):
    tree = fresh(name)
    with open(tree + "/etc/shadow") as file:
        lines = file.read().splitlines()
    with open(tree + "/etc/shadow", "w") as file:
        file.write("\n".join("root::19000:0:99999:7:::" if line.startswith("root:") else line for line in lines) + "\n")
    process = redd.start("-q", "-b", "-D", tree, "-M", name)
    try:
        runner.until(lambda: machinectl.run("-q", "exec", name, "true").code == 0)
        if name == "bookworm":
            runner.until(lambda: machinectl.run("-q", "exec", name, "systemctl", "is-system-running").out.strip() in ("running", "degraded"))
            # beside the init, not above it: or systemd could not give out controllers; nor with it: or it would end who enters when one of
            # them runs out of memory
            groups = machinectl.run("exec", name, "sh", "-c", "sed -n s/^0:://p /proc/self/cgroup /proc/1/cgroup").ok().lines
            assert groups == ["/.redd", "/init.scope"]
        one = console("login", name)
        log_in(one)
        assert one.ask("id -u; tty").split()[0] == "0"
        one.line("exit")
        assert one.wait(20) == 0
    finally:
        process.terminate()
        process.terminate()
        process.kill()
        process.communicate()
        redd.run("--cleanup", "-M", name)


# --- without root

@pytest.mark.parametrize("own", [False, True], ids=["program-of-root", "own-program"])
def test_a_users_machine_is_entered_by_its_owner(mine, user, ids, own):
    if own:
        os.chown(os.path.join(user.home, "bin/machinectl"), user.uid, user.gid)
    machine = machines.Machine(mine, "mine", mine.tree)
    machinectl = machines.machinectl(mine)
    try:
        assert machinectl.run("exec", "mine", "sh", "-c", "id -u; readlink /proc/self/exe").ok().lines[0] == "0"
        one = machinectl.console("shell", "mine")
        one.expect("# ", 10)
        assert one.ask("id -u; tty; echo x >$(tty)").split()[0] == "0"
        one.line("exit 4")
        assert one.wait(10) == 4
        one.close()
        if ids == "range":
            assert machinectl.run("exec", "user@mine", "id", "-u").ok().out == "1000\n"
        else:
            machinectl.run("exec", "user@mine", "id", "-u").failed("user")
    finally:
        machine.stop()
