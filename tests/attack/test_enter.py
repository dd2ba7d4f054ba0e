"""S1 to S3, S18 to S26, S36 with machinectl: what enters a running machine."""
import fcntl
import hashlib
import os
import re
import shutil
import signal
import struct
import subprocess
import time

import pytest

from support import machines, runner
from support.console import Console

from .conftest import LONG, MODES, Verdicts, compiled

VERBS = {"exec": ("exec",), "shell": ("-q", "shell")}


@pytest.fixture(scope="module")
def machinectl(redd):
    return machines.machinectl(redd)


@pytest.fixture(scope="module", params=MODES, ids=list(MODES))
def machine(request, redd, target):
    one = machines.Machine(redd, "prey", target, *MODES[request.param])
    one.mode = request.param
    yield one
    one.stop()


@pytest.fixture
def raid(machinectl, machine):
    """The probe, run inside by machinectl."""
    def run(*words, verb=("exec",), user="", **kwargs):
        return Verdicts(machinectl.run(*verb, user + machine.name, "/usr/bin/attack", *words, **kwargs))
    return run


def digest(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


# --- S1

@pytest.fixture
def evil(fresh):
    """A tree in which every way to execute something leads back to the program that executes it."""
    tree = fresh()
    loader = compiled("evil-loader", "-nostdlib", "-nostartfiles", "-ffreestanding", "-fno-stack-protector", "-fno-pic", "-no-pie")
    os.makedirs(tree + "/lib64", exist_ok=True)
    for name in ("/lib64/ld-linux-x86-64.so.2", "/usr/lib/ld-linux-x86-64.so.2"):
        shutil.copy(loader, tree + name)
    shutil.copy(compiled("evil-second"), tree + "/evil-second")
    os.makedirs(tree + "/var/log/journal", exist_ok=True)
    for name in ("/usr/bin/itself", "/usr/bin/getent", "/usr/sbin/agetty", "/usr/bin/journalctl"):
        with open(tree + name, "w") as file:
            file.write("#!/proc/self/exe\n")
        os.chmod(tree + name, 0o755)
    with open(tree + "/etc/passwd", "w") as file:
        file.write("root:x:0:0:root:/root:/usr/bin/itself\n")
    return tree


@pytest.mark.parametrize("verb", ["exec", "shell", "login"])
def test_s1_a_tree_that_executes_its_executor_never_gets_it_for_writing(redd, machinectl, evil, mode, verb):
    before = digest(machinectl.path)
    one = machines.Machine(redd, "evil", evil, *mode)
    try:
        for _ in range(30 if LONG else 3):
            console = Console(machinectl.argv(verb, "evil", *(["itself"] if verb == "exec" else [])), env=machinectl.env)
            console.wait(20)
            text = console.text()
            console.close()
            assert "FAIL" not in text, text
            # the attack itself must have been possible
            assert "loader reached" in text and "ok exe-for-writing" in text, text
    finally:
        one.stop()
    assert digest(machinectl.path) == before


def inherited(machinectl, evil, one, argv):
    """What a process says that got hold of the program of ARGV, once that is killed."""
    shutil.copy(compiled("evil-heir"), evil + "/evil-second")
    console = Console(argv, env=machinectl.env)
    console.expect("heir waits", timeout=20)
    os.kill(console.pid, signal.SIGKILL)
    console.close()
    return machines.wait_for_text(evil + "/verdict")


@pytest.mark.parametrize("verb", ["exec", "shell", "login", "logs"])
def test_s1_what_executed_a_tree_is_not_written_once_it_is_gone(redd, machinectl, evil, mode, place, verb):
    helper = shutil.copy(machinectl.path, place + "/machinectl")
    one = machines.Machine(redd, "evil", evil, *mode)
    try:
        words = machinectl.argv(verb, "evil", *(["itself"] if verb == "exec" else []))
        text = inherited(machinectl, evil, one, [helper if word == machinectl.path else word for word in words])
    finally:
        one.stop()
    assert text.startswith("ok exe-for-writing"), text


def test_s1_control_without_the_shield_the_file_could_be_written(redd, machinectl, evil, place):
    """The same loader, let in by a program that has joined the machine but hides nothing."""
    helper = shutil.copy(shutil.which("nsenter"), place + "/nsenter")
    one = machines.Machine(redd, "evil", evil, "--private-users=no")
    try:
        text = inherited(machinectl, evil, one, [helper, "-t", str(one.leader), "-m", "-p", "/usr/bin/itself"])
    finally:
        one.stop()
    assert "FAIL exe-for-writing opened" in text, text


# --- S2

def test_s2_nothing_but_stdio_is_inherited(machinectl, machine, raid, victim):
    opened = [os.open("/media", os.O_RDONLY | os.O_DIRECTORY) for _ in range(50)]
    try:
        for verb in VERBS.values():
            raid("descriptors", verb=verb, pass_fds=opened, cwd="/media").held()
    finally:
        for descriptor in opened:
            os.close(descriptor)


def test_s2_a_file_is_not_a_way_to_more_of_it(redd, machinectl, machine, place):
    path = place + "/secret"
    with open(path, "w") as file:
        file.write("given\n")
    os.chmod(path, 0o644)
    script = "read line; echo $line; echo evil >/proc/self/fd/0"
    with open(path) as file:
        done = machinectl.run("exec", machine.name, "sh", "-c", script, stdin=file)
    assert done.lines == ["given"] and open(path).read() == "given\n", done


def test_s2_control_a_file_that_is_given_as_it_is(redd, target, place):
    path = place + "/secret"
    with open(path, "w") as file:
        file.write("given\n")
    with open(path) as file:
        redd.run("-q", "-x", "--pipe", "--private-users=no", "-D", target, "sh", "-c", "echo evil >/proc/self/fd/0", stdin=file)
    assert open(path).read() == "evil\n"


@pytest.mark.parametrize("name", ["directory", "name"])
def test_s2_a_directory_is_refused(machinectl, machine, victim, name):
    descriptor = os.open("/media", os.O_PATH if name == "name" else os.O_RDONLY | os.O_DIRECTORY)
    try:
        for stream in ("stdin", "stdout", "stderr"):
            given = dict(stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **{}) | {stream: descriptor}
            done = subprocess.run(machinectl.argv("exec", machine.name, "cat", "/proc/self/fd/0/CANARY", "/proc/self/fd/1/CANARY"), env=machinectl.env, timeout=20, **given)
            assert done.returncode == 1 and b"canary" not in (done.stdout or b""), done
    finally:
        os.close(descriptor)


# --- S3

def hunted_once(redd, machinectl, target, mode, attempt, count):
    """How many the hunter has seen, and what it has caught."""
    one = machines.Machine(redd, "hunted", target, "-x", *mode)
    seconds = 600 if LONG else 8
    try:
        hunter = machinectl.start("exec", "hunted", "hunter", str(seconds))
        assert "hunting" in hunter.stdout.readline()
        end = time.monotonic() + seconds - 2
        done = 0
        while done < count and time.monotonic() < end:
            attempt(one)
            done += 1
        out, _ = hunter.communicate(timeout=seconds + 30)
    finally:
        one.stop()
    return int(re.search(r"hunted (\d+) seen", out).group(1)), [line for line in out.splitlines() if line.startswith("FAIL ")]


def hunted(redd, machinectl, target, mode, attempt, count):
    shutil.copy(compiled("hunter"), target + "/usr/bin/hunter")
    seen, caught = 0, []
    # how many of them it is fast enough for depends on what else the host does
    for _ in range(10):
        more = hunted_once(redd, machinectl, target, mode, attempt, count)
        seen, caught = seen + more[0], caught + more[1]
        if seen > 5:
            return caught
    raise AssertionError("only %d were seen at all" % seen)


def test_s3_who_comes_in_cannot_be_caught_with_anything(redd, machinectl, target, mode):
    before = digest(machinectl.path)
    caught = hunted(redd, machinectl, target, mode, lambda one: machinectl.run("-q", "exec", "hunted", "true", timeout=20), 10000 if LONG else 150)
    assert not caught, caught[:10]
    assert digest(machinectl.path) == before


def test_s3_control_who_comes_in_with_something_is_caught(redd, machinectl, target, place):
    """nsenter without any care: its descriptors and its program are the host's for a moment."""
    helper = os.path.join(place, "nsenter")
    shutil.copy(shutil.which("nsenter"), helper)
    keep = os.open(place, os.O_RDONLY | os.O_DIRECTORY)

    def attempt(one):
        try:
            subprocess.run([helper, "-t", str(one.leader), "-m", "-p", "/bin/true"], env=machinectl.env, timeout=0.3, pass_fds=[keep])
        except subprocess.TimeoutExpired:
            pass  # it stops when its child is stopped
    try:
        caught = hunted(redd, machinectl, target, ["--private-users=no"], attempt, 60)
    finally:
        os.close(keep)
    assert caught


def test_s3_everything_is_closed_and_dropped_before_the_process_is_in_sight(machinectl, machine, place):
    log = place + "/log"
    machinectl.with_prefix("strace", "-f", "-qq", "-o", log).run("exec", machine.name, "true").ok()
    lines = open(log).read().splitlines()
    joined = [number for number, line in enumerate(lines) if " setns(" in line][-1]
    joiner = lines[joined].split()[0]
    cloned = [number for number, line in enumerate(lines) if line.startswith(joiner) and "CLONE_PARENT" in line][-1]
    between = "\n".join(line for line in lines[joined:cloned] if line.startswith(joiner))
    for word in ("PR_SET_DUMPABLE, SUID_DUMP_DISABLE", "close_range(", "capset(", "PR_CAPBSET_DROP", "setresuid(", "SECCOMP_SET_MODE_FILTER"):
        assert word in between, (word, between)
    # and dumping is not switched on again by the change of ids
    assert between.rindex("SUID_DUMP_DISABLE") > between.rindex("setresuid(")


# --- S9

BENT = {
    "link": "mount -t tmpfs tmpfs /dev; ln -s /proc/self/fd /dev/pts; ln -s pts/0 /dev/ptmx",
    "directory": "mount -t tmpfs tmpfs /dev/pts; ln -s /dev/null /dev/pts/ptmx; touch /dev/pts/0 /dev/pts/1",
    "fifo": "mount -t tmpfs tmpfs /dev/pts; mkfifo /dev/pts/ptmx",
    "file": "mount -o bind /etc/passwd /dev/pts/ptmx",
}


@pytest.mark.parametrize("how", BENT)
def test_s9_a_terminal_is_never_opened_by_a_bent_path(redd, machinectl, target, mode, how):
    one = machines.Machine(redd, "bent", target, "-x", *mode)
    try:
        control = machinectl.console("exec", "bent", "tty")
        control.expect("/dev/pts/", 10)
        assert control.wait(10) == 0
        machinectl.run("exec", "bent", "sh", "-c", BENT[how])
        asked = machinectl.console("exec", "bent", "sh", "-c", "echo got-in; tty")
        assert asked.wait(10) == 1
        text = asked.text()
        asked.close()
        assert "cannot make a terminal" in text and "got-in" not in text, text
        # without one it is entered as ever
        assert machinectl.run("exec", "bent", "echo", "in").ok().out == "in\n"
    finally:
        one.stop()


# --- S18, S19, S36

def facts(text):
    found = {}
    for line in text.splitlines():
        key, _, value = line.partition(" ")
        found.setdefault(key, []).append(value)
    return found


FACTS = """for p in 1 $$; do echo "== $p"
for n in CapInh CapPrm CapEff CapBnd CapAmb Seccomp Seccomp_filters NoNewPrivs; do echo "$n $(sed -n "s/^$n:[^0-9a-f]*//p" /proc/$p/status)"; done
echo "attr $(cat /proc/$p/attr/current 2>/dev/null)"; echo "cgroup $(grep ^0: /proc/$p/cgroup)"; echo "oom $(cat /proc/$p/oom_score_adj)"
for n in user mnt pid ipc uts net cgroup time; do echo "ns $(readlink /proc/$p/ns/$n)"; done
tail -n +2 /proc/$p/limits | sed 's/  */ /g; s/^/limit /'; done"""


def number(word):
    return float("inf") if word == "unlimited" else int(word)


@pytest.mark.parametrize("verb", ["exec", "shell"])
@pytest.mark.parametrize("options", [[], ["--drop-capability=CAP_SYS_ADMIN", "--no-new-privileges=yes"], ["--rlimit=NOFILE=100:200", "--oom-score-adjust=300"],
                                     ["--system-call-filter=~mount"], ["--personality=x86"]], ids=lambda o: " ".join(o) or "plain")
def test_s19_what_enters_holds_no_more_than_pid_1(redd, machinectl, target, mode, options, verb):
    one = machines.Machine(redd, "equal", target, "-x", *mode, *options)
    try:
        if verb == "exec":
            out = machinectl.run("exec", "equal", "sh", "-c", FACTS).ok().out
        else:
            out = machinectl.run("shell", "equal", input=FACTS).ok().out
    finally:
        one.stop()
    first, second = [facts(part.partition("\n")[2]) for part in out.split("== ")[1:]]
    for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(second[name][0], 16) & ~int(first[name][0], 16) == 0, name
    assert int(second["CapInh"][0], 16) == 0
    for name in ("attr", "cgroup", "oom", "ns", "NoNewPrivs", "Seccomp", "Seccomp_filters"):
        assert first[name] == second[name], name
    assert second["Seccomp"] == ["2"]
    for one_line, two_line in zip(first["limit"], second["limit"]):
        one_words, two_words = one_line.split(), two_line.split()
        for at in (-2, -3) if one_words[-1].isalpha() and one_words[-1] != "unlimited" else (-1, -2):
            assert number(two_words[at]) <= number(one_words[at]), (one_line, two_line)


def test_s19_control_another_way_in_holds_more(redd, target):
    one = machines.Machine(redd, "equal", target, "-x")
    try:
        done = subprocess.run(["nsenter", "-a", "-t", str(one.leader), "/bin/sh", "-c", FACTS], capture_output=True, text=True, timeout=20)
    finally:
        one.stop()
    first, second = [facts(part.partition("\n")[2]) for part in done.stdout.split("== ")[1:]]
    assert int(second["CapBnd"][0], 16) & ~int(first["CapBnd"][0], 16) != 0 and second["Seccomp"] == ["0"]


def test_s18_a_file_with_inheritable_capabilities_gives_none(redd, machinectl, fresh, attack_probe):
    tree = fresh()
    path = tree + "/usr/bin/raised"
    shutil.copy(attack_probe, path)
    os.setxattr(path, "security.capability", struct.pack("<IIIII", 0x02000001, 0, 1 << 13, 0, 0))
    one = machines.Machine(redd, "raised", tree, "--private-users=no")
    try:
        done = machinectl.run("exec", "user@raised", "/usr/bin/raised", "status")
    finally:
        one.stop()
    assert "status CapPrm:\t" + "0" * 16 in done.out or "not permitted" in done.err, done


def test_s36_the_keyring_is_a_new_one(machinectl, machine, target, probe):
    shutil.copy(probe, target + "/usr/bin/probe")
    # a key of ours, which a process that kept our session keyring would find
    script = "import ctypes, os, sys; c = ctypes.CDLL(None); c.syscall(250, 1, 0); assert c.syscall(248, b'user', b'canary', b'x', 1, -3) > 0; os.execv(sys.argv[1], sys.argv[1:])"
    argv = ["python3", "-c", script, *machinectl.argv("exec", machine.name, "cat", "/proc/keys")]
    done = subprocess.run(argv, capture_output=True, text=True, env=machinectl.env, timeout=20, stdin=subprocess.DEVNULL)
    assert "canary" not in done.stdout, done
    control = subprocess.run(["python3", "-c", script, "/bin/cat", "/proc/keys"], capture_output=True, text=True, timeout=20)
    assert "canary" in control.stdout, control


# --- S20

ACCOUNTS = {
    "0x0": None, "-1": None, "4294967295": None, "4294967296": None, "65536:65536": None, "1000:": None, ":1000": None, "1000:abc": None, "2147483648": None, "00": None,
    "+0": None, " 0": None, "0 ": None, "1e3": None, "999999999999999999999": None, "root\n": None, "user:x": None, "65535": None, "wrap": None, "minus": None, "empty": None, "hex": None,
    "": (0, 0), "root": (0, 0), "0": (0, 0), "user": (1000, 1000), "1000": (1000, 1000), "12345": (777, 777),
}


@pytest.fixture(scope="module")
def accounts(redd, fresh_module):
    tree = fresh_module()
    with open(tree + "/etc/passwd", "a") as file:
        file.write("12345:x:777:777::/:/bin/sh\nnumber:x:12345:777::/:/bin/sh\nwrap:x:4294967296:4294967296::/:/bin/sh\nminus:x:-1:-1::/:/bin/sh\nempty:x:::::\nhex:x:0x10:0x10::/:/bin/sh\n:::\n")
    one = machines.Machine(redd, "accounts", tree)
    yield one
    one.stop()


@pytest.mark.parametrize("way", ["at", "uid"])
@pytest.mark.parametrize("word", ACCOUNTS, ids=repr)
def test_s20_a_user_is_who_was_meant_or_an_error(machinectl, accounts, word, way):
    who = ["exec", word + "@accounts"] if way == "at" else ["--uid=" + word, "exec", "accounts"]
    done = machinectl.run(*who, "sh", "-c", "id -u; id -g; id -G")
    expected = ACCOUNTS[word]
    if word == "12345":
        # digits are a number, never a name
        expected = (12345, 777)
    if expected is None:
        assert done.code == 1 and done.out == "", done
    else:
        assert (int(done.lines[0]), int(done.lines[1])) == expected, done
        assert set(done.lines[2].split()) <= {str(expected[1]), "29", "44"}, done


# --- S21

def make_fifo(path):
    os.mkfifo(path)


def make_sparse(path):
    with open(path, "w") as file:
        file.write("root:x:0:0::/root:/bin/sh\nuser:x:1000:1000::/:/bin/sh\n")
        file.truncate(10 << 30)


def make_link(path):
    os.symlink("/../../../media/CANARY", path)


def make_many(path):
    with open(path, "w") as file:
        file.write("".join("u%d:x:%d:1::/:/bin/sh\n" % (number, number + 2000) for number in range(1000000)) + "user:x:1000:1000::/:/bin/sh\n")


def make_directory(path):
    os.mkdir(path)


@pytest.mark.parametrize("make", [make_fifo, make_sparse, make_link, make_many, make_directory], ids=lambda make: make.__name__)
@pytest.mark.parametrize("name", ["passwd", "group"])
def test_s21_hostile_account_files(redd, machinectl, fresh, victim, make, name):
    tree = fresh()
    one = machines.Machine(redd, "hostile", tree)
    try:
        os.unlink(tree + "/etc/" + name)
        make(tree + "/etc/" + name)
        started = time.monotonic()
        done = machinectl.run("exec", "user@hostile", "id", "-u", timeout=20)
        assert time.monotonic() - started < 10
        assert "canary" not in done.out + done.err and "0\n" != done.out, done
        if name == "group" and make is make_link:
            # below the tree there is no such file: no groups
            assert done.out == "1000\n", done
        else:
            assert done.code == 1, done
        # root needs none of it
        assert machinectl.run("exec", "hostile", "echo", "in").ok().out == "in\n"
        process = machinectl.start("shell", "hostile")
        # it does not wait before the shell runs
        runner.until(lambda: process.poll() is not None or runner.children(process.pid))
        process.kill()
        process.communicate(timeout=20)
    finally:
        one.stop()


def test_s21_nothing_of_the_tree_is_loaded_by_us(redd, machinectl, fresh, place):
    tree = fresh()
    for path in ("/etc/ld.so.preload", "/usr/lib/libnss_files.so.2", "/etc/nsswitch.conf", "/usr/lib/libnss_evil.so.2", "/etc/ld.so.cache"):
        with open(tree + path, "w") as file:
            file.write("passwd: evil\n" if "nsswitch" in path else "/evil.so\n")
    one = machines.Machine(redd, "loads", tree)
    log = place + "/log"
    try:
        machinectl.with_prefix("strace", "-f", "-qq", "-o", log, "-e", "trace=open,openat,openat2,setns").run("exec", "user@loads", "true").ok()
    finally:
        one.stop()
    lines = open(log).read().splitlines()
    joined = [number for number, line in enumerate(lines) if " setns(" in line][0]
    after = [line for line in lines[joined:] if re.search(r"open\w*\(", line) and not re.search(r'"/(sys|dev|proc)/', line)]
    mine = [line for line in lines if "libnss" in line or "nsswitch" in line]
    assert not mine, mine
    assert not [line for line in after if ".so" in line or "ld.so" in line], after
    opened = [line for line in lines if '/etc/passwd"' in line or '/etc/group"' in line]
    assert opened and all(("O_PATH" in line or "O_NONBLOCK" in line) and "RESOLVE_IN_ROOT" in line for line in opened), opened


# --- S22

def test_s22_the_environment_does_not_cross(machinectl, machine):
    evil = {"SECRET": "canary", "GLIBC_TUNABLES": "glibc.malloc.check=1", "BASH_ENV": "/evil", "LD_LIBRARY_PATH": "/evil", "SSH_AUTH_SOCK": "/canary", "COLORTERM": "x"}
    for verb in VERBS.values():
        done = machinectl.run(*verb, machine.name, "env", env=evil).ok()
        for word in ("canary", "GLIBC_TUNABLES", "BASH_ENV", "LD_LIBRARY_PATH", "/evil", "COLORTERM"):
            assert word not in done.out, done


def test_s22_control_a_variable_that_was_asked_for_crosses(machinectl, machine):
    assert "SECRET=canary" in machinectl.run("-E", "SECRET", "exec", machine.name, "env", env={"SECRET": "canary"}).ok().out


# --- S23

REDIRECTIONS = ["", "</dev/null", "2>/dev/null", "| cat", ">/tmp/redd-work/out", "<&1", "</dev/null >/dev/null"]


@pytest.mark.parametrize("redirect", REDIRECTIONS, ids=lambda text: text or "plain")
@pytest.mark.parametrize("verb", list(VERBS))
def test_s23_nothing_is_typed_into_the_callers_terminal(machinectl, machine, verb, redirect):
    path = "/tmp/redd-work/PWNED"
    one = Console(["sh"], env=dict(machinectl.env, PS1="prompt% "))
    try:
        one.expect("prompt% ", 10)
        one.line(" ".join(machinectl.argv(*VERBS[verb], machine.name, "/usr/bin/attack", "inject")) + " " + redirect)
        one.expect("prompt% ", 20)
        one.line("echo fini''shed")
        one.expect("finished", 20)
        time.sleep(0.3)
        one.read(0.1)
        assert not os.path.exists(path), one.text()
        one.line("exit")
        one.wait(10)
    finally:
        one.close()
        for left in (path, "/tmp/redd-work/out"):
            if os.path.exists(left):
                os.unlink(left)


@pytest.mark.parametrize("redirect", REDIRECTIONS, ids=lambda text: text or "plain")
def test_s23_the_callers_terminal_is_never_given(machinectl, machine, redirect):
    """Not one of the descriptors, nor the controlling terminal, is the terminal of the caller."""
    script = "for n in 0 1 2; do [ -t $n ] && stat -L -c '%d %t:%T' /proc/self/fd/$n; done >/tmp/found; (stat -c '%d %t:%T' /dev/pts/0; : </dev/tty && echo has-tty) >>/tmp/found 2>&1; cat /tmp/found; cat /tmp/found >&2"
    one = Console(["sh", "-c", " ".join("'%s'" % word.replace("'", "'\\''") for word in machinectl.argv("exec", machine.name, "sh", "-c", script)) + " " + redirect], env=machinectl.env)
    device = os.stat("/dev/pts/%d" % struct.unpack("i", fcntl.ioctl(one.master, 0x80045430, b"\0" * 4))[0])  # TIOCGPTN
    one.wait(20)
    text = one.text()
    one.close()
    assert " %d:" % device.st_dev not in text and "%d %x:%x" % (device.st_dev, os.major(device.st_rdev), os.minor(device.st_rdev)) not in text, text


def test_s23_control_without_a_session_of_its_own_it_is_given(redd, machinectl, target, attack_probe):
    with open("/proc/sys/dev/tty/legacy_tiocsti") as file:
        if file.read().strip() == "0":
            pytest.skip("this kernel accepts it from nobody")
    one = Console([attack_probe, "inject"], env=machinectl.env)
    one.wait(20)
    text = one.text()
    one.close()
    assert "accepted" in text, text


# --- S24

@pytest.mark.parametrize("words", [["exec", "a\x1b]0;x\x07b", "true"], ["exec", "u\x1b[2J@%s", "true"], ["exec", "%s", "no\x1b[6nsuch\r"], ["shell", "%s", "/no\x9b2J"], ["-E", "\x1b[31m", "exec", "%s", "true"]],
                         ids=repr)
def test_s24_no_escape_reaches_the_terminal(machinectl, machine, words):
    one = machinectl.console(*[word.replace("%s", machine.name) for word in words])
    assert one.wait(10) == 1
    lines = [line for line in one.seen.split(b"\n") if b"annot" in line]
    one.close()
    assert lines
    for line in lines:
        # colours of our own around it are all that there is
        inner = re.sub(rb"^\r?(\x1b\[[0-9;]*m)?|\x1b\[0m\r?$|\r$", b"", line)
        assert not re.search(rb"[\x00-\x08\x0b-\x1f\x7f]|\xc2[\x80-\x9f]", inner), line


# --- S25

def resident(pid):
    with open("/proc/%d/smaps_rollup" % pid) as file:
        return int(re.search(r"Private_Dirty:\s+(\d+)", file.read()).group(1))


@pytest.mark.parametrize("verb", list(VERBS))
def test_s25_a_flood_with_nobody_reading_stays_bounded_and_ends_at_once(machinectl, machine, verb):
    one = machinectl.console(*VERBS[verb], machine.name, "/usr/bin/attack", "flood")
    try:
        while not one.read(0.2):
            pass
        time.sleep(0.5)
        first = resident(one.pid)
        time.sleep(0.5)
        assert resident(one.pid) <= first + 64 and first < 1024, (first, resident(one.pid))
        started = time.monotonic()
        one.send("\x1d\x1d\x1d")
        assert one.wait(10) >= 128 and time.monotonic() - started < 5
    finally:
        one.close()


def test_s25_a_flood_through_a_relay_is_ended_by_a_signal(machinectl, machine, place):
    argv = " ".join(machinectl.argv("exec", machine.name, "/usr/bin/attack", "flood"))
    one = Console(["sh", "-c", "exec %s </dev/null" % argv], env=machinectl.env)
    try:
        while not one.read(0.2):
            pass
        time.sleep(0.5)
        started = time.monotonic()
        one.kill(signal.SIGTERM)
        one.wait(10)
        assert time.monotonic() - started < 5
    finally:
        one.close()


def test_s25_a_storm_of_sizes(machinectl, machine):
    one = machinectl.console("exec", machine.name, "/usr/bin/attack", "winch")
    try:
        for size in range(1000):
            one.resize(size % 100 + 1, size % 300 + 1)
        assert one.wait(30) == 0
    finally:
        one.close()


# --- S26

def test_s26_only_descriptors_are_signalled(machinectl, machine, place):
    log = place + "/log"
    process = machinectl.with_prefix("strace", "-f", "-qq", "-o", log, "-e", "trace=kill,tkill,tgkill,rt_sigqueueinfo,pidfd_send_signal").start(
        "exec", machine.name, "sh", "-c", "echo ready; exec sleep 1000")
    assert process.stdout.readline() == "ready\n"
    os.kill(runner.children(process.pid)[0], signal.SIGUSR1)
    process.communicate(timeout=20)
    text = open(log).read()
    assert "pidfd_send_signal(" in text and not re.search(r"\b(kill|tkill|rt_sigqueueinfo)\(\d", text), text


def test_s26_a_machine_that_was_replaced_is_not_entered(redd, machinectl, target):
    """Killed and started all the time, while somebody enters: each gets in whole, or is told."""
    bystanders = [subprocess.Popen(["sleep", "600"]) for _ in range(5)]
    try:
        for number in range(200 if LONG else 12):
            one = machines.Machine(redd, "storm", target, "-x")
            running = [machinectl.start("exec", "storm", "sh", "-c", "echo $$; exec sleep 1000") for _ in range(2)]
            time.sleep(0.002 * (number % 8))
            one.process.kill()
            one.process.communicate(timeout=20)
            for process in running:
                _, err = process.communicate(timeout=20)
                assert process.returncode in (1, 137), (process.returncode, err)
            assert all(bystander.poll() is None for bystander in bystanders)
        redd.run("--cleanup", "-M", "storm")
    finally:
        for bystander in bystanders:
            bystander.kill()
            bystander.wait()


@pytest.mark.parametrize("words", [("sleep", "1"), ("no-such-program",)], ids=["ends", "never-runs"])
def test_s25_a_tracer_that_never_lets_go_holds_nobody_up(redd, machinectl, fresh, mode, words):
    tree = fresh()
    shutil.copy(compiled("tracer"), tree + "/tracer")
    one = machines.Machine(redd, "snare", tree, *mode, command="exec /tracer")
    try:
        done = machinectl.run("exec", "snare", *words, timeout=20)
        assert "cannot" in done.err, done
        # it really was caught
        assert "sleep" not in words or "traces it" in done.err, done
    finally:
        one.stop()
