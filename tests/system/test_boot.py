"""Booting whole systems, untouched from mmdebstrap, with user namespaces on; stopping them in every way; starting them again."""
import os
import re
import signal
import subprocess
import time

import pytest

from support import runner

SYSTEMD = ["bookworm", "trixie"]


class Machine:
    """A booted machine with somebody at its console, and a way in that needs nothing inside."""

    def __init__(self, redd, tree, *options, size=(24, 80), env=None):
        self.redd, self.tree = redd, tree
        self.console = redd.console("-b", "-D", tree, *options, size=size, env=env)

    @property
    def leader(self):
        return runner.leader(self.console.pid)

    def enter(self, *command, timeout=30):
        leader = self.leader
        users = [] if os.readlink("/proc/%d/ns/user" % leader) == os.readlink("/proc/self/ns/user") else ["-U"]
        argv = ["nsenter", "-t", str(leader), "-m", "-u", "-i", "-n", "-p", "-C", *users, "--", *command]
        return subprocess.run(argv, capture_output=True, text=True, timeout=timeout, stdin=subprocess.DEVNULL,
                              env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "TERM": "dumb", "HOME": "/root"})

    def wait_state(self, seconds=60):
        """The word of `systemctl is-system-running` once start-up is over."""
        end = time.monotonic() + seconds
        state = ""
        while time.monotonic() < end:
            self.console.read(0.05)
            assert self.console.poll() is None, self.console.text()
            if not self.leader:
                continue
            state = self.enter("systemctl", "is-system-running").stdout.strip()
            if state in ("running", "degraded", "maintenance"):
                break
        return state

    def login(self, seconds=60):
        self.console.expect("login: ", seconds)
        self.console.line("root")
        self.console.expect(r"[#$] $", 60)
        self.console.line("export PS1='> '; stty -echo")
        self.console.expect("> ", 30)

    def close(self):
        self.console.close()


@pytest.fixture
def boot(redd):
    made = []

    def start(tree, *options, **kwargs):
        made.append(Machine(redd, tree, *options, **kwargs))
        return made[-1]
    yield start
    for machine in made:
        machine.close()


def without_password(tree):
    """root may log in at the console with no password."""
    subprocess.run(["chroot", tree, "passwd", "-d", "root"], check=True, capture_output=True)


def failed_units(machine):
    return machine.enter("systemctl", "--failed", "--no-legend", "--plain").stdout


@pytest.mark.parametrize("suite", SYSTEMD)
def test_an_untouched_tree_boots_to_running(boot, fresh, suite):
    machine = boot(fresh(suite))
    state = machine.wait_state()
    assert state == "running", (state, failed_units(machine), machine.console.text())
    assert machine.enter("systemd-detect-virt").stdout.strip() == "systemd-nspawn"
    assert machine.enter("systemd-detect-virt", "--private-users").returncode == 0
    with open("/proc/%d/uid_map" % machine.leader) as file:
        inside, outside, count = [int(word) for word in file.read().split()]
    assert inside == 0 and count == 65536 and 0x80000 <= outside <= 0x6fff0000 and outside % 65536 == 0


@pytest.mark.parametrize("options", [["--private-users=no"], ["--private-network"], ["--volatile=overlay"], ["-x"], ["--private-users=identity"],
                                     ["--notify-ready=yes"], ["--private-users=no", "--private-network"]], ids=" ".join)
def test_it_boots_to_running_with(boot, fresh, options):
    machine = boot(fresh("bookworm"), *options)
    state = machine.wait_state()
    assert state == "running", (options, state, failed_units(machine), machine.console.text())


@pytest.mark.parametrize("suite", SYSTEMD)
def test_volatile_yes_boots_from_usr_alone(boot, fresh, suite):
    machine = boot(fresh(suite), "--volatile=yes", "systemd.firstboot=no")
    state = machine.wait_state()
    # without /etc there is no password database until systemd-sysusers has run: what counts is that start-up finishes
    assert state in ("running", "degraded"), (state, machine.console.text())


@pytest.mark.parametrize("suite", SYSTEMD)
def test_read_only_boots(boot, fresh, suite):
    machine = boot(fresh(suite), "--read-only", "--tmpfs=/var", "--tmpfs=/tmp")
    assert machine.wait_state() in ("running", "degraded")


@pytest.mark.parametrize("suite", SYSTEMD)
def test_files_stay_owned_as_they_are(boot, fresh, suite):
    tree = fresh(suite)
    machine = boot(tree)
    assert machine.wait_state() == "running"
    machine.enter("touch", "/root/made-inside")
    machine.console.kill(signal.SIGTERM)
    assert machine.console.wait(60) == 0
    for path in ("", "/etc/passwd", "/root/made-inside", "/var/log/journal" if os.path.isdir(tree + "/var/log/journal") else "/var/log"):
        assert os.lstat(tree + path).st_uid == 0, path


@pytest.mark.parametrize("suite", SYSTEMD)
def test_login_at_the_console(boot, fresh, suite):
    tree = fresh(suite)
    without_password(tree)
    machine = boot(tree, size=(33, 111))
    # before, its init may write between what is asked and answered
    machine.wait_state()
    machine.login()
    console = machine.console
    assert console.ask("tty") in ("/dev/console", "/dev/pts/0")
    assert console.ask("stty size") == "33 111"
    console.resize(44, 99)
    runner.until(lambda: console.ask("stty size") == "44 99")
    assert console.ask("su - nobody -s /bin/sh -c 'tty; id -un'").splitlines()[-1] == "nobody"
    assert "1" in console.ask("tmux -L t new-session -d 'sleep 60' && tmux -L t list-sessions | wc -l; tmux -L t kill-server")
    console.line("systemctl poweroff")
    # its init gives a session 90 s to end
    assert console.wait(150) == 0


def test_tmux_attaches_at_the_console(boot, fresh):
    tree = fresh("trixie")
    without_password(tree)
    machine = boot(tree)
    # before, its init may write between what is asked and answered
    machine.wait_state()
    machine.login()
    machine.console.line("stty echo; TERM=xterm tmux new-session 'echo in-tmux-$((40+2)); sleep 1'")
    machine.console.expect("in-tmux-42", 20)


def test_login_works_when_redd_itself_runs_in_tmux(redd, fresh, place):
    tree = fresh("trixie")
    without_password(tree)

    def tmux(*words):
        return subprocess.run(["tmux", "-S", os.path.join(place, "socket"), "-f", "/dev/null", *words], capture_output=True, text=True, env=dict(redd.env, HOME="/tmp"))
    command = " ".join(redd.argv("-b", "-D", tree))
    assert tmux("new-session", "-d", "-x", "90", "-y", "30", command + "; echo ended with $?; sleep 60").returncode == 0
    try:
        def screen_until(word, seconds=60):
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                text = tmux("capture-pane", "-p").stdout
                if word in text:
                    return text
                time.sleep(0.1)
            raise AssertionError((word, text))
        screen_until("login:")
        tmux("send-keys", "root", "Enter")
        screen_until("#")
        tmux("send-keys", "stty size; tty", "Enter")
        screen_until("30 90")
        tmux("send-keys", "systemctl poweroff", "Enter")
        screen_until("ended with 0", 150)
    finally:
        tmux("kill-server")


def finish(machine, code, seconds=60):
    status = machine.console.wait(seconds)
    assert status == code, (status, machine.console.text()[-3000:])


@pytest.mark.parametrize("suite", SYSTEMD)
def test_poweroff_inside_is_exit_0(boot, fresh, suite):
    machine = boot(fresh(suite))
    machine.wait_state()
    machine.enter("systemctl", "--no-block", "poweroff")
    finish(machine, 0)


@pytest.mark.parametrize("suite", SYSTEMD)
def test_exit_code_inside_is_exit_code_outside(boot, fresh, suite):
    machine = boot(fresh(suite))
    machine.wait_state()
    machine.enter("systemctl", "--no-block", "exit", "23")
    finish(machine, 23)


@pytest.mark.parametrize("suite", SYSTEMD)
def test_reboot_inside_boots_again_in_the_same_supervisor(boot, fresh, suite):
    machine = boot(fresh(suite))
    machine.wait_state()
    first, boot_id = machine.leader, machine.enter("cat", "/proc/sys/kernel/random/boot_id").stdout
    machine.enter("systemctl", "--no-block", "reboot")
    end = time.monotonic() + 60
    while machine.leader in (first, None) and time.monotonic() < end:
        machine.console.read(0.05)
        assert machine.console.poll() is None, machine.console.text()
    assert machine.wait_state() == "running"
    assert machine.enter("cat", "/proc/sys/kernel/random/boot_id").stdout != boot_id
    machine.console.kill(signal.SIGTERM)
    finish(machine, 0)


@pytest.mark.parametrize("suite", SYSTEMD)
def test_sigterm_is_an_orderly_poweroff(boot, fresh, suite):
    machine = boot(fresh(suite))
    machine.wait_state()
    machine.console.kill(signal.SIGTERM)
    finish(machine, 0)


def test_the_second_sigterm_kills(boot, fresh):
    machine = boot(fresh("bookworm"))
    machine.wait_state()
    machine.console.kill(signal.SIGTERM)
    machine.console.kill(signal.SIGTERM)
    assert machine.console.wait(10) in (0, 1)


WAYS = ["exit", "poweroff", "escape", "kill -9", "sigterm"]


@pytest.mark.parametrize("way", WAYS)
def test_a_second_start_right_after(boot, fresh, way):
    tree = fresh("bookworm")
    for _ in range(2):
        machine = boot(tree)
        state = machine.wait_state()
        assert state == "running", (way, state, failed_units(machine), machine.console.text()[-2000:])
        if way == "exit":
            machine.enter("systemctl", "--no-block", "exit")
        elif way == "poweroff":
            machine.enter("systemctl", "--no-block", "poweroff")
        elif way == "escape":
            machine.console.send("\x1d\x1d\x1d")
        elif way == "kill -9":
            machine.console.kill(signal.SIGKILL)
        else:
            machine.console.kill(signal.SIGTERM)
        expected = {"escape": 1, "kill -9": -9}.get(way, 0)
        finish(machine, expected)
    if way == "kill -9":
        # what the dead one left is taken away by the next start
        machine = boot(tree)
        assert machine.wait_state() == "running"
        machine.enter("systemctl", "--no-block", "poweroff")
        finish(machine, 0)


@pytest.mark.parametrize("suite", SYSTEMD)
def test_a_tree_in_which_nobody_can_log_in_is_said_once_with_the_ways_in(boot, fresh, suite):
    tree = fresh(suite)
    shadow = open(tree + "/etc/shadow").read()
    assert re.search(r"^root:[*!]", shadow, re.M), "the tree is not locked: the test needs it to be"
    machine = boot(tree)
    machine.wait_state()
    text = machine.console.text()
    assert text.count("passwd.hashed-password.root") == 1 and "machinectl shell" in text, text


def test_a_tree_with_a_login_says_nothing_of_it(boot, fresh):
    tree = fresh("bookworm")
    without_password(tree)
    machine = boot(tree)
    machine.wait_state()
    assert "passwd.hashed-password.root" not in machine.console.text()


def test_boot_needs_an_os_release(redd, fresh):
    tree = fresh("busybox")
    os.unlink(tree + "/usr/lib/os-release")
    os.unlink(tree + "/etc/os-release")
    redd.run("-b", "-D", tree).failed("os-release")


def test_boot_needs_an_init(redd, fresh):
    tree = fresh("busybox")
    os.unlink(tree + "/usr/sbin/init")
    redd.run("-b", "-D", tree).failed("init")


def test_boot_parameters_go_to_init(redd, fresh):
    tree = fresh("busybox")
    os.unlink(tree + "/usr/sbin/init")
    with open(tree + "/usr/sbin/init", "w") as file:
        file.write("#!/bin/sh\necho \"args: $*\"; echo \"FOO=$FOO\"; echo \"a0=$0 pid=$$\"; exit 3\n")
    os.chmod(tree + "/usr/sbin/init", 0o755)
    done = redd.run("--pipe", "-b", "-D", tree, "single", "FOO=bar", "a.b=c")
    assert done.code == 3
    assert "args: single a.b=c" in done.lines and "FOO=bar" in done.lines and any(line.endswith("pid=1") for line in done.lines), done


def test_the_notification_of_readiness_comes_from_inside(redd, fresh, place):
    import socket
    path = os.path.join(place, "notify")
    receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    receiver.bind(path)
    receiver.settimeout(60)
    console = redd.console("-b", "-D", fresh("bookworm"), "--notify-ready=yes", env={"NOTIFY_SOCKET": path})
    try:
        got, end = [], time.monotonic() + 60
        while time.monotonic() < end and not any("READY=1" in message for message in got):
            console.read(0.05)
            receiver.settimeout(0.2)
            try:
                got.append(receiver.recv(4096).decode())
            except TimeoutError:
                pass
        console.expect("Reached target|login:", 10)
        assert any("READY=1" in message for message in got), got
        assert not any(key in message for message in got for key in ("MAINPID=", "X_SYSTEMD_", "FDSTORE", "WATCHDOG")), got
        console.kill(signal.SIGTERM)
        assert console.wait(60) == 0
    finally:
        console.close()
        receiver.close()


# --- other inits

def console_getty(tree):
    """The tree as its package leaves it has gettys on virtual terminals, which containers do not have."""
    path = tree + "/etc/inittab"
    with open(path) as file:
        text = re.sub(r"(?m)^([0-9]:.*getty.*)$", r"#\1", file.read())
    with open(path, "w") as file:
        file.write(text + "\nco:2345:respawn:/sbin/getty --noclear 38400 console\n")


@pytest.mark.parametrize("name", ["openrc"])
def test_a_tree_without_systemd_boots_and_powers_off(boot, fresh, name):
    tree = fresh(name)
    console_getty(tree)
    without_password(tree)
    machine = boot(tree)
    machine.login(90)
    assert machine.console.ask("cat /proc/1/comm") == "init"
    machine.console.kill(signal.SIGTERM)
    finish(machine, 0, 90)


@pytest.mark.parametrize("name", ["openrc"])
def test_a_tree_without_systemd_reboots(boot, fresh, name):
    tree = fresh(name)
    console_getty(tree)
    without_password(tree)
    machine = boot(tree)
    machine.login(90)
    machine.console.line("reboot")
    machine.login(120)
    machine.console.line("poweroff")
    finish(machine, 0, 90)


def test_an_ephemeral_machine_keeps_its_changes_over_a_reboot(boot, fresh):
    """The kernel marks changes that are not written out as not to be used again; here nothing got lost between."""
    machine = boot(fresh("busybox"), "-x")
    for there in ("No such file", "root:x:"):
        machine.console.expect("rcS: started", 30)
        machine.console.expect("# ", 20)
        machine.console.line("cat /there; cp /etc/passwd /there")
        machine.console.expect(there, 10)
        machine.console.line("kill -TERM 1")
    machine.console.expect("rcS: started", 30)
    machine.console.kill(signal.SIGTERM)
    finish(machine, 0, 30)


def test_busybox_init_boots_powers_off_and_reboots(boot, fresh):
    machine = boot(fresh("busybox"))
    machine.console.expect("rcS: started", 20)
    machine.console.expect("# ", 20)
    machine.console.line("kill -TERM 1")
    machine.console.expect("rcS: started", 30)
    machine.console.expect("# ", 20)
    machine.console.kill(signal.SIGTERM)
    finish(machine, 0, 30)
