"""Machines as services of other hosts: systemd (in a container here), OpenRC and runit (user mode Linux)."""
import contextlib
import os
import shutil
import subprocess
import sys
import time

import pytest

pytestmark = pytest.mark.leaky("keeps kernels and images")

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
BUILD = os.environ.get("REDD_BUILD", os.path.join(TOP, "build"))
KERNEL = os.environ.get("REDD_KERNEL", "uml-sid")
INIT = """#!/bin/sh
trap 'exit 0' TERM INT USR1 USR2 37
: >/up
while :; do sleep 1000 & wait $!; done
"""


def run(*argv, seconds=300, check=True, **options):
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=seconds,
                          text=True, errors="replace", **options)
    print("$", " ".join(argv[2:]), "->", done.returncode, "\n" + done.stdout[-3000:])
    if check:
        assert done.returncode == 0, done.stdout[-3000:]
    return done


def tool(name):
    return os.path.join(HERE, name)


def image(kind):
    where = os.environ.get("VMDIR", "/var/cache/redd-tests/hosts")
    name = "host" if kind == "systemd" else kind
    if not os.path.exists(os.path.join(where, "img", name + ".ext4")):
        run(tool("build-image"), "-i", kind, name, seconds=600)
    return name


def archive(kind):
    script = os.path.join(TOP, "tests", "support", "trees.py")
    made = subprocess.run([sys.executable, script, kind], check=True, stdout=subprocess.PIPE, text=True)
    return made.stdout.strip() + ".tar"


def staged(directory):
    """What 'meson install' gives, as an archive."""
    root, path = os.path.join(directory, "root"), os.path.join(directory, "redd.tar")
    subprocess.run(["meson", "install", "-C", BUILD, "--no-rebuild", "--quiet"], check=True, env=dict(os.environ, DESTDIR=root))
    # Hosts are small: the packages would bring these.
    programs = [os.path.join(BUILD, name) for name in ("redd", "importctl")]
    needed = subprocess.run(["ldd", *programs], check=True, stdout=subprocess.PIPE, text=True).stdout.split()
    for library in {word for word in needed if word.startswith("/lib/") and not word.endswith("/libc.so.6")}:
        os.makedirs(root + "/usr" + os.path.dirname(library), exist_ok=True)
        shutil.copy(library, root + "/usr" + library)
    subprocess.run(["tar", "-C", root, "-cf", path, "usr"], check=True)
    return path


class Host:
    """A host that commands can be run on, by its name."""

    def __init__(self, *command):
        self.command = command

    def __call__(self, *words, check=True, seconds=120):
        return run(*self.command, *words, check=check, seconds=seconds)

    def text(self, *words):
        return self(*words).stdout.strip()

    def until(self, *words, wanted="", seconds=90):
        """The command succeeds (and prints WANTED) within a time; commands on another host cannot be waited for."""
        deadline = time.monotonic() + seconds
        while True:
            done = self(*words, check=False)
            if done.returncode == 0 and wanted in done.stdout:
                return done.stdout
            assert time.monotonic() < deadline, done.stdout
            time.sleep(0.1)


# ---- systemd ----

@pytest.fixture(scope="module")
def systemd(tmp_path_factory):
    directory = str(tmp_path_factory.mktemp("systemd"))
    name = "services-" + os.urandom(3).hex()
    run(tool("nshost"), "start", "-i", image("systemd"), name)
    host = Host(tool("nshost"), "exec", name)
    try:
        where = os.path.join(os.environ.get("VMDIR", "/var/cache/redd-tests/hosts"), "run", "ns-" + name)
        with open(os.path.join(where, "leader")) as file:
            root = "/proc/%s/root" % file.read().strip()
        run("tar", "-C", root, "-xf", staged(directory))
        os.makedirs(root + "/var/lib/machines/c1")
        os.chmod(root + "/var/lib/machines", 0o700)
        run("tar", "-C", root + "/var/lib/machines/c1", "-xf", archive("bookworm"))
        shutil.copy(archive("busybox"), root + "/srv/busybox.tar")
        with open(root + "/srv/init", "w") as file:
            file.write(INIT)
        host("systemctl", "daemon-reload")
        yield host
    finally:
        run(tool("nshost"), "stop", name, check=False)


@pytest.fixture
def stopped(systemd):
    yield systemd
    systemd("/usr/local/bin/machinectl", "disable", "c1", check=False)
    systemd("systemctl", "stop", "container@c1", check=False)
    systemd("systemctl", "reset-failed", check=False)


def start_c1(host):
    done = host("/usr/local/bin/machinectl", "start", "c1")
    assert "Started machine 'c1' by systemd." in done.stdout
    host.until("systemctl", "-M", "c1", "is-system-running", wanted="running")


def main_pid(host):
    return int(host.text("systemctl", "show", "-P", "MainPID", "container@c1"))


def test_systemd_starts_stops_and_shows_a_machine(stopped):
    start_c1(stopped)
    status = stopped.text("systemctl", "status", "container@c1")
    assert "active (running)" in status and "Container c1" in status and "payload" in status
    assert "c1" in stopped.text("machinectl", "list")
    assert stopped.text("systemctl", "is-active", "systemd-nspawn@c1") == "active", "the original's name is the same unit"
    begin = time.monotonic()
    assert "Stopped machine 'c1' by systemd." in stopped("/usr/local/bin/machinectl", "stop", "c1").stdout
    assert time.monotonic() - begin < 30
    assert stopped("systemctl", "is-active", "container@c1", check=False).stdout.strip() == "inactive"
    assert stopped.text("systemctl", "show", "-P", "Result", "container@c1") == "success"


def test_systemd_restarts_a_machine(stopped):
    start_c1(stopped)
    before = main_pid(stopped)
    stopped("systemctl", "restart", "container@c1")
    assert main_pid(stopped) not in (0, before)
    stopped.until("systemctl", "-M", "c1", "is-system-running", wanted="running")


def test_a_reboot_from_inside_is_a_new_start_of_the_unit(stopped):
    start_c1(stopped)
    before = main_pid(stopped)
    stopped("systemctl", "-M", "c1", "reboot", check=False)
    stopped.until("sh", "-c", "systemctl is-active container@c1 && [ $(systemctl show -P NRestarts container@c1) = 1 ]")
    stopped.until("systemctl", "-M", "c1", "is-system-running", wanted="running")
    assert main_pid(stopped) not in (0, before)


def test_a_poweroff_from_inside_is_the_end(stopped):
    start_c1(stopped)
    stopped("systemctl", "-M", "c1", "poweroff", check=False)
    stopped.until("sh", "-c", "[ $(systemctl show -P ActiveState container@c1) = inactive ]")
    assert stopped.text("systemctl", "show", "-P", "Result", "container@c1") == "success"


def test_a_machine_survives_daemon_reload_and_reexec(stopped):
    start_c1(stopped)
    before = main_pid(stopped)
    stopped("systemctl", "daemon-reload")
    stopped("systemctl", "daemon-reexec")
    assert stopped.text("systemctl", "is-active", "container@c1") == "active"
    assert main_pid(stopped) == before
    assert stopped.text("systemctl", "-M", "c1", "is-system-running") == "running"


def test_enabling_makes_the_link_that_systemd_makes(stopped):
    done = stopped("/usr/local/bin/machinectl", "enable", "c1")
    assert "Created symlink /etc/systemd/system/machines.target.wants/container@c1.service" in done.stdout
    assert stopped.text("systemctl", "is-enabled", "container@c1") == "enabled"
    assert "container@c1.service" in stopped.text("systemctl", "show", "-P", "Wants", "machines.target")
    done = stopped("/usr/local/bin/machinectl", "disable", "c1")
    assert 'Removed "/etc/systemd/system/machines.target.wants/container@c1.service".' in done.stdout
    assert stopped("systemctl", "is-enabled", "container@c1", check=False).stdout.strip() == "disabled"


def test_a_machine_that_does_not_stop_is_killed_in_time(stopped):
    """With a shorter limit than the unit's two minutes."""
    stopped("sh", "-c", "mkdir -p /run/systemd/system/container@c1.service.d && printf '[Service]\\nTimeoutStopSec=3\\n' "
            ">/run/systemd/system/container@c1.service.d/time.conf && systemctl daemon-reload")
    try:
        start_c1(stopped)
        # a process of the machine that holds up its shutdown
        stopped("systemd-run", "-q", "-M", "c1", "-p", "TimeoutStopSec=600", "-p", "KillSignal=SIGCONT", "-p", "SendSIGKILL=no",
                "-p", "ExecStop=/bin/sleep 600", "sleep", "1000")
        begin = time.monotonic()
        stopped("/usr/local/bin/machinectl", "stop", "c1", check=False)
        assert 2 < time.monotonic() - begin < 20
        assert stopped("systemctl", "is-active", "container@c1", check=False).stdout.strip() != "active"
        stopped.until("sh", "-c", "! machinectl list --no-legend | grep -q c1")
    finally:
        stopped("sh", "-c", "rm -r /run/systemd/system/container@c1.service.d; systemctl daemon-reload")


def test_the_last_lines_of_its_log_are_shown(stopped):
    start_c1(stopped)
    own = "/usr/local/bin/machinectl"
    # Nothing else is said there: a moment after the boot, a login program greets.
    stopped("systemctl", "-M", "c1", "stop", "console-getty")
    # What a program of the machine says on the console goes to the journal of the unit.
    stopped(own, "exec", "c1", "--", "sh", "-c", "for i in 1 2 3; do echo said-$i >/dev/console; done")
    stopped.until("sh", "-c", "journalctl -u container@c1 -o cat | grep -q said-3")
    status = stopped.text(own, "status", "-n", "2", "c1")
    assert "\t    Unit: container@c1.service\n\t   State: running\n\t Manager: systemd\n" in status
    tree, log = status.split("\n\n", 1)
    assert "payload" not in log and [line.split(": ", 1)[1] for line in log.splitlines()] == ["said-2", "said-3"]
    assert "said" not in tree and "said" not in stopped.text(own, "status", "-n", "0", "c1")
    assert [line.split(": ", 1)[1] for line in stopped.text(own, "logs", "-n", "1", "c1").splitlines()] == ["said-3"]
    assert stopped.text(own, "logs", "-o", "cat", "-n", "2", "c1") == "said-2\nsaid-3"
    stopped(own, "stop", "c1")
    assert "said-3" in stopped.text(own, "logs", "-n", "100", "c1"), "the journal of a machine that has ended"


USER = """
mkdir -p /etc/systemd/user
printf '[Socket]\\nListenStream=%%t/bus\\n' >/etc/systemd/user/dbus.socket
printf '[Unit]\\nRequires=dbus.socket\\n[Service]\\nType=notify\\nExecStart=/usr/bin/dbus-daemon --session --address=systemd: --nofork --nopidfile --systemd-activation --syslog-only\\n' >/etc/systemd/user/dbus.service
useradd -m tester && loginctl enable-linger tester && d=/home/tester/.local/state/machines/mine && mkdir -p $d && tar -C $d -xpf /srv/busybox.tar &&
rm -f $d/sbin/init && install -m 755 /srv/init $d/sbin/init && chown -R tester: /home/tester
"""


@pytest.fixture
def tester(systemd):
    """A normal user with a service manager, who has the machine 'mine'."""
    systemd("sh", "-c", USER)
    uid = systemd.text("id", "-u", "tester")
    user = Host(*systemd.command, "setpriv", "--reuid=tester", "--regid=tester", "--init-groups", "--reset-env", "env",
                "XDG_RUNTIME_DIR=/run/user/" + uid, "PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
    try:
        systemd.until("test", "-S", "/run/user/%s/systemd/private" % uid)
        user("sh", "-c", "systemctl --user daemon-reload && systemctl --user start dbus.socket dbus.service")
        user.until("busctl", "--user", "status", "org.freedesktop.systemd1")
        yield user
    finally:
        systemd("sh", "-c", "loginctl disable-linger tester; loginctl terminate-user tester; systemctl stop user@%s; userdel -rf tester" % uid,
                check=False)


def test_a_users_machines_are_services_of_the_users_manager(tester):
    assert "Started machine 'mine' by systemd." in tester("machinectl", "start", "mine").stdout
    tester.until("test", "-e", "/home/tester/.local/state/machines/mine/up")
    assert "active (running)" in tester("systemctl", "--user", "status", "container@mine").stdout
    status = tester.text("machinectl", "status", "mine")
    assert "Unit: container@mine.service\n" in status and "Manager: systemd\n" in status
    # Who enters comes from a part of the tree that is not the user's, and is held by the machine's part all the same.
    assert tester.text("machinectl", "exec", "mine", "id", "-u") == "0"
    tester("sh", "-c", "machinectl exec mine -- sleep 1234 </dev/null >/dev/null 2>&1 & until p=$(pgrep -xf 'sleep 1234'); do "
           "kill -0 $! || exit; done; grep -x '0::.*/user@.*/container@mine.service/payload' /proc/$p/cgroup; r=$?; kill $p; exit $r")
    # as any unit
    before = tester.text("systemctl", "--user", "show", "-P", "MainPID", "container@mine")
    tester("systemctl", "--user", "restart", "container@mine")
    assert tester.text("systemctl", "--user", "show", "-P", "MainPID", "container@mine") not in ("0", before)
    assert "Stopped machine 'mine' by systemd." in tester("machinectl", "stop", "mine").stdout
    assert tester.text("systemctl", "--user", "show", "-P", "Result", "container@mine") == "success"
    assert tester.text("machinectl", "list") == "No machines."
    assert "default.target.wants/container@mine.service" in tester("machinectl", "enable", "mine").stdout
    assert tester.text("systemctl", "--user", "is-enabled", "container@mine") == "enabled"
    assert "Removed" in tester("machinectl", "disable", "mine").stdout
    assert tester("systemctl", "--user", "is-enabled", "container@mine", check=False).stdout.strip() == "disabled"


def test_a_user_whose_manager_does_not_know_the_unit_has_redds_own_supervisor(tester):
    tester("systemctl", "--user", "mask", "--runtime", "container@.service", "container@any.service")
    assert "Started machine 'mine' by Redd's own supervisor." in tester("machinectl", "start", "mine").stdout
    assert "Manager: Redd\n" in tester.text("machinectl", "status", "mine")
    assert tester.text("machinectl", "exec", "mine", "id", "-u") == "0"
    assert "Stopped machine 'mine' by Redd's own supervisor." in tester("machinectl", "stop", "mine").stdout


def test_a_machine_without_an_image_is_refused(systemd):
    done = systemd("/usr/local/bin/machinectl", "start", "nosuch", check=False)
    assert done.returncode == 1 and "Machine image 'nosuch' does not exist." in done.stdout


def test_one_machine_is_run_by_one_program_at_a_time(stopped):
    """The lock files are the same as those of the program of the same name in Debian."""
    start_c1(stopped)
    done = stopped("/usr/bin/systemd-nspawn", "-q", "-D", "/var/lib/machines/c1", "-M", "other", "true", check=False)
    assert done.returncode != 0 and "busy" in done.stdout
    stopped("/usr/local/bin/machinectl", "stop", "c1")
    stopped("systemd-run", "-q", "--unit=original", "-p", "Type=notify", "-p", "Delegate=yes", "-p", "KillMode=mixed",
            "/usr/bin/systemd-nspawn", "-q", "--keep-unit", "-b", "-D", "/var/lib/machines/c1", "-M", "c1", "--settings=no")
    try:
        done = stopped("/usr/local/bin/nspawn", "-q", "-D", "/var/lib/machines/c1", "-M", "other", "true", check=False)
        assert done.returncode == 1 and "/var/lib/machines/c1" in done.stdout and "use" in done.stdout
    finally:
        stopped("systemctl", "stop", "original")


# ---- OpenRC and runit ----

@contextlib.contextmanager
def virtual(kind, directory):
    """A virtual machine with that init, Redd and the machines a and b."""
    name = "%s-%s" % (kind, os.urandom(3).hex())
    run(tool("vm"), "start", "-c", "-k", KERNEL, "-i", image(kind), name, seconds=600)
    host = Host(tool("vm"), "exec", "-t", "100", name)
    host.kind = kind
    try:
        tree = archive("busybox")
        init = os.path.join(directory, "init")
        with open(init, "w") as file:
            file.write(INIT)
        for path, where in ((staged(directory), "/srv"), (tree, "/srv"), (init, "/srv")):
            run(tool("vm"), "put", name, path, where)
        host("tar", "-C", "/", "-xf", "/srv/redd.tar")
        host("sh", "-c", "mkdir -p /sys/fs/cgroup; mountpoint -q /sys/fs/cgroup || mount -t cgroup2 cgroup2 /sys/fs/cgroup; "
             "mkdir -p /var/lib/machines; chmod 700 /var/lib/machines; for n in a b; do mkdir /var/lib/machines/$n; "
             "tar -C /var/lib/machines/$n -xf /srv/%s; rm -f /var/lib/machines/$n/sbin/init; "
             "install -m 755 /srv/init /var/lib/machines/$n/sbin/init; done" % os.path.basename(tree))
        yield host
    finally:
        run(tool("vm"), "stop", name, check=False)


@pytest.fixture(scope="module", params=["openrc", "runit"])
def other(request, tmp_path_factory):
    with virtual(request.param, str(tmp_path_factory.mktemp(request.param))) as host:
        yield host


NAMES = {"openrc": "OpenRC", "runit": "runit"}
STATUS = {"openrc": "rc-service redd.a status", "runit": "sv status redd.a | grep ^run:"}


def started(host):
    return host("sh", "-c", STATUS[host.kind], check=False).returncode == 0


@pytest.fixture
def off(other):
    yield other
    for name in "ab":
        other("machinectl", "disable", "--now", name, check=False)
        other("rm", "-f", "/var/lib/machines/%s/up" % name)


def test_a_service_is_made_started_and_stopped(off):
    assert "Started machine 'a' by %s." % NAMES[off.kind] in off("machinectl", "start", "a").stdout
    assert started(off)
    off.until("test", "-e", "/var/lib/machines/a/up")
    assert "a" in off.text("machinectl", "list", "--no-legend").split()
    off("machinectl", "start", "a")
    assert "\n\t Manager: %s\n" % NAMES[off.kind] in off("machinectl", "status", "a").stdout
    assert "Stopped machine 'a' by %s." % NAMES[off.kind] in off("machinectl", "stop", "a").stdout
    assert not started(off)
    assert off.text("machinectl", "list", "--no-legend") == ""


def test_what_the_manager_does_not_hold_is_told(off):
    off("sh", "-c", "nspawn -q -b -M b </dev/null >/dev/null 2>&1 & until machinectl exec b true 2>/dev/null; do :; done")
    assert "\n\t Manager: none\n" in off("machinectl", "status", "b").stdout
    assert "Asked machine 'b' itself to power off: nobody else runs it." in off("machinectl", "stop", "b").stdout
    off.until("sh", "-c", "[ -z \"$(machinectl list --no-legend)\" ]")
    # by the supervisor of Redd that OpenRC's service would use
    off("env", "RC_SVCNAME=redd.b", "machinectl", "start", "b")
    assert "\n\t Manager: Redd\n" in off("machinectl", "status", "b").stdout
    assert "Stopped machine 'b' by Redd's own supervisor." in off("machinectl", "stop", "b").stdout


def test_the_manager_itself_restarts_a_machine(off):
    off("machinectl", "start", "a")
    off.until("test", "-e", "/var/lib/machines/a/up")
    off("rm", "/var/lib/machines/a/up")
    off("sh", "-c", "rc-service redd.a restart" if off.kind == "openrc" else "sv -w 30 restart redd.a")
    off.until("test", "-e", "/var/lib/machines/a/up")
    assert started(off)


def test_a_machine_that_ended_by_itself_can_be_started_again(off):
    off("machinectl", "start", "a")
    off.until("test", "-e", "/var/lib/machines/a/up")
    off("machinectl", "poweroff", "a")
    off.until("sh", "-c", "[ -z \"$(machinectl list --no-legend)\" ]")
    off("machinectl", "start", "a")
    assert started(off)


def test_what_is_enabled_is_started_by_the_one_boot_service(off):
    off("machinectl", "enable", "a", "b")
    off("sh", "-c", "echo After=b >/etc/redd/enabled/a")
    if off.kind == "openrc":
        assert "redd-machines" in off.text("rc-update", "show", "default")
        off("rc-service", "redd-machines", "start")
    else:
        # runsvdir has found it, and the host is up already: nothing starts by that.
        off.until("sh", "-c", "[ ! -e /run/redd/redd-machines.new ] && sv status redd-machines | grep ^down:")
        assert off.text("machinectl", "list", "--no-legend") == ""
        off("sh", "-c", "cd /etc/sv/redd-machines && ./run")
    assert sorted(line.split()[0] for line in off.text("machinectl", "list", "--no-legend").splitlines()) == ["a", "b"]


def test_a_failing_machine_is_told(off):
    off("mv", "/var/lib/machines/b/sbin/init", "/var/lib/machines/b/sbin/away")
    try:
        done = off("machinectl", "start", "b", check=False)
        assert done.returncode == 1 and "cannot start machine 'b'" in done.stdout
    finally:
        off("mv", "/var/lib/machines/b/sbin/away", "/var/lib/machines/b/sbin/init")


# ---- inits that are no service managers ----

INITTAB = """::once:/usr/local/bin/machinectl -q start --all
::shutdown:/usr/local/bin/machinectl -q stop --all
"""
TELLS = "trap 'sleep 3; : >/down; exit 0' USR2 37\n"  # longer than busybox waits when it ends everybody


@pytest.mark.parametrize("kind", ["sysvinit", "busybox"])
def test_what_is_enabled_is_there_after_a_boot_and_stopped_before(kind, tmp_path):
    with virtual(kind, str(tmp_path)) as host:
        host("sh", "-c", "printf '%s' >/srv/tells; sed -i '2r /srv/tells' /var/lib/machines/[ab]/sbin/init" % TELLS.replace("'", "'\\''"))
        done = host("machinectl", "enable", "--now", "a")
        if kind == "sysvinit":
            assert "Created symlink /etc/init.d/redd-machines" in done.stdout
        else:
            # As the manual tells, and the notice tells to read it.
            assert "Nothing here runs services at boot" in done.stdout and "redd-units(7)" in done.stdout
            host("sh", "-c", "printf '%s' >/srv/lines; sed -i '1r /srv/lines' /etc/inittab; kill -HUP 1" % INITTAB)
        host("machinectl", "start", "b")
        for name in "ab":
            host.until("test", "-e", "/var/lib/machines/%s/up" % name)
        assert "Manager: Redd\n" in host("machinectl", "status", "a").stdout
        before = host.text("cat", "/proc/sys/kernel/random/boot_id")
        host("rm", "/var/lib/machines/a/up", "/var/lib/machines/b/up")
        # The agent that answers goes down as well.
        run(tool("vm"), "exec", "-t", "10", host.command[-1], *(["shutdown", "-r", "now"] if kind == "sysvinit" else ["busybox", "reboot"]),
            check=False)
        # What is asked while it goes down gets no answer, and is asked again.
        again = Host(tool("vm"), "exec", "-t", "10", host.command[-1])
        again.until("sh", "-c", "[ $(cat /proc/sys/kernel/random/boot_id) != %s ]" % before)
        again.until("test", "-e", "/var/lib/machines/a/up")
        assert host.text("machinectl", "list", "--no-legend").split()[0] == "a"
        assert len(host.text("machinectl", "list", "--no-legend").splitlines()) == 1
        # Both were asked to, and neither just killed; what had not been enabled was left alone.
        host("test", "-e", "/var/lib/machines/a/down", "-a", "-e", "/var/lib/machines/b/down", "-a", "!", "-e", "/var/lib/machines/b/up")
        host("machinectl", "disable", "--now", "a")
