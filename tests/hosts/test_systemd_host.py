"""Machines on a systemd host: Debian's own systemd, D-Bus, machined and their clients, in a container of this machine.

The clients are those of the host (systemctl, journalctl, busctl, loginctl, systemd-run, machinectl of systemd); the
machines are Redd's. tests/hosts/nshost makes the host in less than a second.
"""
import os
import shutil
import subprocess
import sys
import time

import pytest

from support import runner

# The image is kept for the next run; what runs, runs inside of the host.
pytestmark = pytest.mark.leaky("keeps an image")

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
NSPAWN = "/redd/systemd-nspawn"
MACHINECTL = "/redd/machinectl"


class Host:
    def __init__(self, name, *binds):
        self.name = name
        arguments = " ".join("--bind-ro=%s" % bind for bind in binds)
        self.call("start", name, env=dict(os.environ, NS_ARGS=arguments))

    @staticmethod
    def call(*argv, env=None):
        done = subprocess.run([os.path.join(HERE, "nshost"), *argv], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=300, text=True, errors="replace", env=env)
        print(done.stdout)
        return done

    def argv(self, script):
        return [os.path.join(HERE, "nshost"), "exec", self.name, "sh", "-c", "cd /; " + script]

    def run(self, script, timeout=90):
        argv = self.argv(script)
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout, text=True,
                              errors="replace")
        return runner.Result([script], done)

    def start(self, script):
        return subprocess.Popen(self.argv(script), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, text=True, errors="replace")

    def until(self, script, seconds=30):
        """Wait for what no client waits for."""
        end = time.monotonic() + seconds
        while True:
            done = self.run(script)
            if done.code == 0 or time.monotonic() > end:
                return done.ok()
            time.sleep(0.1)

    def stop(self):
        self.call("stop", self.name)


def fuse2fs():
    """What a user's disk image needs, if this machine has it: it is of the same Debian."""
    program = shutil.which("fuse2fs")
    said = subprocess.run(["ldd", program], stdout=subprocess.PIPE, text=True).stdout if program else ""
    libraries = [line.split()[2] for line in said.splitlines() if "libfuse" in line]
    return ["%s:%s" % (path, path) for path in [program, *map(os.path.realpath, libraries)] if path] + [
        "%s:%s" % (os.path.realpath(path), path) for path in libraries]


@pytest.fixture(scope="module")
def host():
    where = os.environ.get("VMDIR", "/var/cache/redd-tests/hosts")
    if not os.path.exists(os.path.join(where, "img", "host.ext4")):
        subprocess.run([os.path.join(HERE, "build-image"), "-i", "systemd", "host"], check=True, timeout=600)
    script = os.path.join(TOP, "tests", "support", "trees.py")
    archives = []
    for tree in ("busybox", "bookworm"):
        made = subprocess.run([sys.executable, script, tree], check=True, stdout=subprocess.PIPE, text=True)
        archives.append(made.stdout.strip() + ".tar:/srv/%s.tar" % tree)
    build = os.path.dirname(os.path.realpath(runner.program()))
    made = Host("redd-" + os.urandom(3).hex(), build + ":/redd", *archives, *fuse2fs())
    try:
        # "other" is for those that start while a booted one is there.
        made.run("for t in busybox bookworm other; do mkdir -p /var/lib/machines/$t; a=${t#other}; "
                 "tar -C /var/lib/machines/$t -xpf /srv/${a:-bookworm}.tar || exit; done").ok()
        yield made
    finally:
        made.stop()


@pytest.fixture
def masked(host):
    """No systemd-machined, as where it is not installed."""
    units = "systemd-machined.service dbus-org.freedesktop.machine1.service"
    host.run("systemctl mask --runtime --now %s" % units).ok()
    yield
    host.run("systemctl unmask --runtime %s" % units).ok()


# One in a service's own unit, as its service unit would have it, and one from a shell.
STARTS = {
    "keep-unit": "systemd-run -q --unit=%(name)s.service -p Type=notify -p NotifyAccess=all -p Delegate=yes -p KillMode=mixed "
                 + NSPAWN + " -q --keep-unit --notify-ready=yes -b -D /var/lib/machines/%(tree)s -M %(name)s",
    "shell": "systemd-run -q --unit=from-%(name)s.service -p Type=notify -p NotifyAccess=all "
             + NSPAWN + " -q --notify-ready=yes -b -D /var/lib/machines/%(tree)s -M %(name)s",
}
UNITS = {"keep-unit": "%s.service", "shell": "%s.scope"}


def start(host, name):
    host.run(STARTS["shell"] % {"name": name, "tree": "other"}).ok()


@pytest.fixture(scope="module", params=sorted(STARTS))
def booted(request, host):
    name = "m-" + request.param
    host.run(STARTS[request.param] % {"name": name, "tree": "bookworm"}).ok()
    yield name, UNITS[request.param] % name
    host.run("machinectl poweroff %s" % name).ok()
    host.until("! machinectl show %s" % name)


def test_a_stock_machinectl_lists_it(host, booted):
    name, unit = booted
    assert [line for line in host.run("machinectl list --no-legend").ok().lines if line.startswith(name + " ")]
    shown = host.run("machinectl show %s -p Unit -p Service -p Class -p RootDirectory" % name).ok().lines
    assert {"Unit=" + unit, "Service=systemd-nspawn", "Class=container",
            "RootDirectory=/var/lib/machines/bookworm"} <= set(shown), shown


def test_systemctl_reaches_its_service_manager(host, booted):
    name, _ = booted
    assert host.run("systemctl -M %s is-system-running --wait" % name).out.strip() in ("running", "degraded")
    assert "systemd-journald.service" in host.run("systemctl -M %s list-units" % name).ok().out
    assert name in host.run("systemctl list-machines").ok().out


def test_journalctl_reads_its_journal(host, booted):
    name, _ = booted
    assert "Startup finished" in host.run("journalctl -M %s --no-pager" % name).ok().out


def test_busctl_and_loginctl_reach_its_bus(host, booted):
    name, _ = booted
    assert "org.freedesktop.login1" in host.run("busctl --machine=%s --no-pager" % name).ok().out
    host.run("loginctl -M %s" % name).ok()


def test_systemd_run_runs_a_program_in_it(host, booted):
    name, _ = booted
    done = host.run("systemd-run -q -M %s --pipe --wait sh -c 'cat /run/host/container-manager; exit 7'" % name)
    assert (done.out.strip(), done.code) == ("systemd-nspawn", 7), done


def test_it_lives_in_its_unit(host, booted):
    name, unit = booted
    shown = host.run("systemctl status %s" % unit).ok().out
    assert "payload" in shown and "init.scope" in shown
    assert name in host.run("systemd-cgls -M %s --no-pager | cat; %s list --no-legend" % (name, MACHINECTL)).ok().out
    leader = host.run("machinectl show %s -p Leader --value" % name).ok().out.strip()
    assert host.run("ps -o machine= -p " + leader).ok().out.strip() == name


def test_nothing_is_written_beside_a_machined_that_runs(host, booted):
    name, _ = booted
    # Its own file does not name the supervisor in this version of systemd.
    assert "SUPERVISOR=" not in host.run("cat /run/systemd/machines/" + name).ok().out


def test_a_scope_has_the_slice_and_the_properties_that_were_asked_for(host):
    run = host.start("%s -q -D /var/lib/machines/busybox -M scoped --slice=web-blue --property=CPUWeight=77 "
                     "--property=MemoryMax=100M --property='DeviceAllow=/dev/null rw' sleep 60" % NSPAWN)
    try:
        host.until("systemctl is-active scoped.scope")
        shown = host.run("systemctl show scoped.scope -p Slice,ControlGroup,CPUWeight,MemoryMax,TasksMax,Delegate,"
                         "Description").ok().lines
        assert set(shown) == {"Slice=web-blue.slice", "ControlGroup=/web.slice/web-blue.slice/scoped.scope",
                              "CPUWeight=77", "MemoryMax=104857600", "TasksMax=16384", "Delegate=yes",
                              "Description=Container scoped"}
    finally:
        host.run("systemctl kill -s KILL scoped.scope")
        run.wait(timeout=30)


def test_a_property_that_systemd_does_not_take_keeps_the_container_from_starting(host):
    for value, words in (("CPUWeight=0", "no property with a value that fits"), ("Bogus=1", "no property that is known"),
                         ("KillMode=nonsense", "KillMode")):
        done = host.run("%s -q -D /var/lib/machines/busybox -M refused --property=%s true" % (NSPAWN, value))
        done.failed("cannot get a scope for machine 'refused' from systemd", words)
    host.run("! systemctl is-active refused.scope").ok()


def test_stopping_the_scope_is_an_orderly_end(host):
    start(host, "ended")
    began = time.monotonic()
    host.run("systemctl stop ended.scope").ok()
    assert time.monotonic() - began < 30
    host.until("! systemctl is-active from-ended.service")
    # Not killed: the supervisor saw its guest power off.
    assert host.run("systemctl show from-ended.service -p Result --value").ok().out.strip() == "success"


def test_stopping_the_scope_is_an_orderly_end_after_the_supervisor_was_replaced(host):
    start(host, "replaced")
    host.run("%(m)s reexec replaced && %(m)s reexec replaced" % {"m": MACHINECTL}).ok()
    # What anybody may say on the bus is no reason: systemd itself is asked.
    told = host.run("busctl list --unique --no-legend | grep \" $(systemctl show from-replaced -P MainPID) \" | "
                    "while read name rest; do echo $name; busctl emit --destination=$name "
                    "/org/freedesktop/systemd1/unit/replaced_2escope org.freedesktop.systemd1.Scope RequestStop; done").ok()
    assert told.out.startswith(":") and len(told.lines) == 1, told
    assert host.run("systemctl -M replaced is-system-running --wait").out.strip() in ("running", "degraded")
    host.run("systemctl stop replaced.scope").ok()
    host.until("! systemctl is-active from-replaced.service")
    assert host.run("systemctl show from-replaced.service -p Result --value").ok().out.strip() == "success"
    # The guest went all the way down: it was not killed.
    assert "Halting system" in host.run("journalctl --no-pager -o cat -u from-replaced").ok().out


def test_a_reboot_inside_gets_a_scope_of_its_own_again(host):
    start(host, "again")
    before = host.run("machinectl show again -p Leader --value").ok().out
    host.run("systemctl -M again reboot").ok()
    host.until("n=$(machinectl show again -p Leader --value) && [ $n != %s ]" % before.strip())
    host.until("systemctl -M again is-system-running --wait | grep -E 'running|degraded'")
    assert "payload" in host.run("systemctl status again.scope").ok().out
    host.run("machinectl terminate again").ok()
    host.until("! systemctl is-active from-again.service")


def test_without_registration_nobody_knows_the_machine(host):
    run = host.start("%s -q --register=no -D /var/lib/machines/busybox -M unknown sh -c 'sleep 60'" % NSPAWN)
    try:
        host.until("systemctl is-active unknown.scope")
        host.run("machinectl show unknown").failed("No machine 'unknown' known")
        host.run("test ! -e /run/systemd/machines/unknown").ok()
    finally:
        host.run("systemctl kill -s KILL unknown.scope")
        run.wait(timeout=30)


@pytest.mark.parametrize("users", ["pick", "no"])
def test_a_scope_that_is_refused_is_done_without(host, users):
    host.run("systemd-run -q --unit=conflict.scope --scope sleep 60 >/dev/null 2>&1 &").ok()
    try:
        host.until("systemctl is-active conflict.scope")
        script = "systemd-run -q --pipe --wait -p Delegate=yes %s" % NSPAWN
        script += " -q -D /var/lib/machines/busybox -M conflict --private-users=" + users
        done = host.run(script + " --pipe echo hello").ok()
        assert done.out == "hello\n" and "cannot get a scope for machine 'conflict' from systemd" in done.err
        assert "going on below the caller's own cgroup" in done.err
        host.run(script + " --slice=x true").failed("cannot get a scope for machine 'conflict' from systemd",
                                                    "conflict.scope")
    finally:
        host.run("systemctl kill -s KILL conflict.scope; systemctl stop conflict.scope")


# ---- a user's own service manager ----

USER_BUS = """
mkdir -p /etc/systemd/user
printf '[Socket]\\nListenStream=%%t/bus\\n' > /etc/systemd/user/dbus.socket
printf '[Unit]\\nRequires=dbus.socket\\n[Service]\\nType=notify\\nExecStart=/usr/bin/dbus-daemon --session --address=systemd: --nofork --nopidfile --systemd-activation --syslog-only\\n' > /etc/systemd/user/dbus.service
useradd -m tester && loginctl enable-linger tester && mkdir /home/tester/tree && tar -C /home/tester/tree -xpf /srv/busybox.tar && chown -R tester: /home/tester/tree
"""
AS_USER = "setpriv --reuid=tester --regid=tester --init-groups --reset-env env XDG_RUNTIME_DIR=/run/user/$(id -u tester) " \
          "PATH=/usr/sbin:/usr/bin:/sbin:/bin "


@pytest.fixture(scope="module")
def tester(host):
    """The host, with the user of AS_USER and a service manager and bus of theirs."""
    host.run(USER_BUS).ok()
    host.until(AS_USER + "systemctl --user is-system-running")
    host.run(AS_USER + "systemctl --user daemon-reload && " + AS_USER + "systemctl --user start dbus.socket dbus.service").ok()
    host.until(AS_USER + "busctl --user status org.freedesktop.systemd1")
    return host


def test_a_users_machine_is_a_scope_of_the_users_manager(tester):
    host = tester
    run = host.start(AS_USER + NSPAWN + " -q -D /home/tester/tree -M mine --slice=web --property=CPUWeight=50 sleep 60")
    try:
        host.until(AS_USER + "systemctl --user is-active mine.scope")
        shown = host.run(AS_USER + "systemctl --user show mine.scope -p ControlGroup -p CPUWeight").ok().out
        assert "/user@1000.service/web.slice/mine.scope" in shown and "CPUWeight=50" in shown
        host.until("test -e /run/user/1000/systemd/machines/mine")
    finally:
        host.run(AS_USER + "systemctl --user kill -s KILL mine.scope").ok()
        run.wait(timeout=30)
    host.run("test -z \"$(ls /run/user/1000/systemd/machines)\"").ok()


def test_what_serves_a_users_disk_image_is_in_the_machines_scope(tester):
    """systemd moves it there with the leader, which a user who is logged in could not; and a stop of the scope loses nothing."""
    host = tester
    if host.run("command -v fuse2fs").code != 0:
        pytest.skip("this machine has no fuse2fs to show the host")
    host.run("truncate -s 24M /home/tester/disk.raw && mkfs.ext4 -q -d /var/lib/machines/busybox /home/tester/disk.raw && chown tester /home/tester/disk.raw").ok()
    host.run("chmod 666 /dev/fuse").ok()
    script = "trap 'echo kept > /root/kept; exit 0' USR1; echo up; while :; do sleep 1000 & wait $!; done"
    run = host.start(AS_USER + NSPAWN + " -q --pipe -i /home/tester/disk.raw -M disky --kill-signal=SIGUSR1 sh -c "
                     '"%s"' % script.replace("$", "\\$"))
    try:
        assert run.stdout.readline() == "up\n"
        group = host.run(AS_USER + "systemctl --user show disky.scope -p ControlGroup --value").ok().out.strip()
        where = "$(findmnt -n -o TARGET -t cgroup2 | head -n 1)" + group
        served = host.run("cat %s/served/cgroup.procs" % where).ok().out.split()
        assert len(served) == 2 and host.run("cat %s/cgroup.procs" % where).ok().out == ""
        assert "fuse2fs" in host.run("cat /proc/%s/comm /proc/%s/comm" % tuple(served)).ok().out
        host.run(AS_USER + "systemctl --user stop disky.scope").ok()
        run.communicate(timeout=30)
        assert run.returncode == 0
        host.until("! pgrep -x fuse2fs")
        host.run("e2fsck -f -n /home/tester/disk.raw && debugfs -R 'cat /root/kept' /home/tester/disk.raw | grep kept").ok()
    finally:
        host.run(AS_USER + "systemctl --user kill -s KILL disky.scope")
        run.wait(timeout=30)


def test_stopping_a_users_scope_is_an_orderly_end_after_the_supervisor_was_replaced(tester):
    host, script = tester, "trap 'echo down; exit 0' USR1; echo up; while :; do sleep 1000 & wait $!; done"
    run = host.start(AS_USER + NSPAWN + " -q --pipe -D /home/tester/tree -M mine --kill-signal=SIGUSR1 sh -c "
                     '"%s"' % script.replace("$", "\\$"))
    try:
        assert run.stdout.readline() == "up\n"
        host.run(AS_USER + MACHINECTL + " reexec mine").ok()
        host.run(AS_USER + "systemctl --user stop mine.scope").ok()
        assert run.communicate(timeout=30)[0].endswith("down\n") and run.returncode == 0
    finally:
        host.run(AS_USER + "systemctl --user kill -s KILL mine.scope")
        run.wait(timeout=30)


# ---- without machined ----


@pytest.fixture
def filed(host, masked):
    start(host, "filed")
    yield "filed"
    host.run("systemctl stop filed.scope").ok()
    host.until("! systemctl is-active from-filed.service")
    # With the machine go its file and its link.
    host.run("! ls -a /run/systemd/machines | grep filed").ok()


def test_the_clients_find_it_by_its_file(host, filed):
    assert host.run("systemctl -M filed is-system-running --wait").out.strip() in ("running", "degraded")
    assert "systemd-journald.service" in host.run("systemctl -M filed list-units").ok().out
    assert "org.freedesktop.login1" in host.run("busctl --machine=filed --no-pager").ok().out
    host.run("loginctl -M filed").ok()
    done = host.run("systemd-run -q -M filed --pipe --wait sh -c 'echo here; exit 7'")
    assert (done.out.strip(), done.code) == ("here", 7), done


def test_the_file_and_the_link_of_its_unit_say_all(host, filed):
    text = host.run("cat /run/systemd/machines/filed").ok().lines
    fields = dict(line.split("=", 1) for line in text[1:])
    assert text[0] == "# This is private data. Do not parse."
    assert {"NAME", "UID", "SCOPE", "SERVICE", "ROOT", "ID", "LEADER", "SUPERVISOR", "CLASS", "REALTIME",
            "MONOTONIC"} <= set(fields)
    assert fields["SCOPE"] == "filed.scope" and fields["CLASS"] == "container"
    assert host.run("stat -c '%a' /run/systemd/machines/filed").ok().out.strip() == "644"
    assert host.run("readlink /run/systemd/machines/unit:filed.scope").ok().out.strip() == "filed"
    assert host.run("ps -o machine= -p " + fields["LEADER"]).ok().out.strip() == "filed"


def test_what_a_killed_supervisor_left_is_removed(host, masked):
    start(host, "left")
    host.run("systemctl kill -s KILL from-left.service; systemctl reset-failed from-left.service; true").ok()
    host.run("test -e /run/systemd/machines/left").ok()
    host.until("! systemctl is-active left.scope")
    host.run("%s --cleanup --machine=left" % NSPAWN).ok()
    host.run("! ls -a /run/systemd/machines | grep left").ok()


def test_a_registration_that_is_demanded_must_succeed(host, masked):
    done = host.run("%s -q --register=yes -D /var/lib/machines/busybox -M demanded true" % NSPAWN)
    done.failed("cannot register machine 'demanded' with systemd-machined", "try --register=no")
    host.run("test ! -e /run/systemd/machines/demanded").ok()


def test_without_a_bus_the_container_runs_below_the_callers_own_cgroup(host):
    script = "systemd-run -q --pipe --wait -p Delegate=yes -p InaccessiblePaths=/run/dbus %s" % NSPAWN
    done = host.run("%s -q -D /var/lib/machines/busybox -M lone echo hello" % script).ok()
    assert done.out.strip() == "hello"
    host.run("%s -q -D /var/lib/machines/busybox -M lone --slice=x echo hello" % script).failed(
        "cannot get a scope for machine 'lone' from systemd")


# ---- networks ----

BOUND = """mkdir -p /srv/bin && cat >/srv/bin/bound <<'END' && chmod 755 /srv/bin/bound
#!/bin/sh
[ "$1" = bound ] || exit 0
ip address add "$ip/$mask" dev "$interface" && ip route add default via "$router"
END
"""
DHCP = "ip link set host0 up && busybox udhcpc -q -n -f -i host0 -t 60 -T 1 -s /srv/bin/bound 2>/dev/null; "
# The library, where libc looks for it, named as the package names it.
PLUGIN = r"cp /redd/src/nss/libnss_redd.so.2 $(dirname $(ldd /bin/true | sed -n 's/.*=> \(.*libc.so.6\).*/\1/p')) && " \
         r"sed -i 's/^hosts:.*/hosts: files redd/' /etc/nsswitch.conf"
OURS = ("10.213.",)
THEIRS = ("192.168.", "172.", "10.0.")


def in_network(host, name, options, script):
    """What a machine says that ends with its script."""
    return host.run("%s -q --pipe -x -D /var/lib/machines/busybox --bind-ro=/srv/bin:/srv/bin:idmap -M %s %s sh -c '%s'"
                    % (NSPAWN, name, options, script), timeout=60)


@pytest.fixture
def networkd(host):
    host.run(BOUND + "systemctl start systemd-networkd").ok()
    yield host
    host.run("rm -f /etc/systemd/network/80-container-*; systemctl stop systemd-networkd.socket systemd-networkd").ok()
    # Neither link nor rule of ours, whoever configured it.
    host.until("! ip -o link | grep -E ' v[ebz]-' && ! nft list tables | grep redd && [ -z \"$(find /run/redd ! -type d | grep -e /network/ -e /hosts/ -e '[.]network$')\" ]", 5)


@pytest.mark.parametrize("options", ["--network-veth", "--network-zone=z"])
def test_a_link_that_networkd_configures_is_left_to_it(networkd, options):
    done = in_network(networkd, "dhcp", options, "ip -o -4 address show dev host0 >&2; " + DHCP +
                      "ip -o -4 address show dev host0; set -- $(ip route show default); busybox ping -c 1 -W 5 $3 >/dev/null").ok()
    assert done.err == "", "no address of ours, and no warning"
    assert done.out.split()[3].startswith(THEIRS), done


@pytest.mark.parametrize("kind", ["ve", "vz"])
@pytest.mark.parametrize("how", ["masked", "unmanaged"])
def test_a_link_that_networkd_does_not_configure_has_addresses_of_ours(networkd, kind, how):
    name = "/etc/systemd/network/80-container-%s.network" % kind
    says = {"masked": "ln -s /dev/null %s", "unmanaged": "printf '[Match]\\nName=%s-*\\n[Link]\\nUnmanaged=yes\\n' >%%s" % kind}[how]
    networkd.run("mkdir -p /etc/systemd/network && %s && networkctl reload" % (says % name)).ok()
    done = in_network(networkd, "own", "-n" if kind == "ve" else "--network-zone=z",
                      "ip -o -4 address show dev host0; gateway=$(sed -n \"s/^nameserver \\(10.*\\)/\\1/p\" /etc/resolv.conf); "
                      "for i in 1 2 3; do busybox ping -c 1 -W 3 $gateway >/dev/null && exit; done; ip neighbour >&2; exit 1").ok()
    assert done.out.split()[3].startswith(OURS), done


@pytest.fixture
def names(host):
    host.run("cp /etc/nsswitch.conf /srv && " + PLUGIN).ok()
    yield host
    host.run("cp /srv/nsswitch.conf /etc").ok()


def ends(host, name):
    host.run("%s terminate %s" % (MACHINECTL, name)).ok()
    host.until("! systemctl is-active from-%s.service" % name)
    assert host.run("getent hosts " + name).code == 2


def test_a_guest_with_networkd_has_its_address_of_the_hosts_and_its_name(networkd, names):
    host = networkd
    host.run(STARTS["shell"].replace(" -b ", " -b -n ") % {"name": "guest", "tree": "other"}).ok()
    host.run("systemctl -M guest start systemd-networkd").ok()
    told = host.until("%s exec guest -- ip -o -4 address show dev host0 | grep inet" % MACHINECTL).out.split()[3].split("/")[0]
    assert told.startswith(THEIRS), told
    # Names follow what the guest was given.
    assert host.until("getent ahostsv4 guest").out.split()[0] == told
    assert host.run("getent hosts " + told).ok().out.split()[1] == "guest"
    ends(host, "guest")


def test_the_host_finds_a_machine_by_name(names):
    host = names
    host.run(STARTS["shell"].replace(" -b ", " -b --network-zone=z ") % {"name": "named", "tree": "other"}).ok()
    told = host.run("%s exec named -- ip -o -4 address show dev host0" % MACHINECTL).ok().out.split()[3].split("/")[0]
    assert told.startswith(OURS)
    for name in ("named", "named.machine"):
        assert host.run("getent ahostsv4 " + name).ok().out.split()[0] == told
        assert host.run("getent hosts " + name).ok().out.split()[1] == name
    assert host.run("getent hosts " + told).ok().out.split()[1] == "named"
    host.run("setpriv --reuid=65534 --regid=65534 --clear-groups ping -c 1 named || busybox ping -c 1 -W 5 named").ok()
    ends(host, "named")
