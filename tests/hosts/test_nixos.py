"""NixOS containers on a systemd host without nix: units made from confs, by the names that people know."""
import os
import subprocess

import pytest

import test_nixos_plain
from test_services import archive, run, systemd  # noqa: F401  the host itself

pytestmark = pytest.mark.leaky("keeps kernels and images")

PLACES = "/etc/nixos-containers /nix/store /etc/systemd/nspawn /var/lib/nixos-containers/n1".split()
SYSTEM = "/nix/store/%032d-nixos-system-n1"
INIT = """#!/bin/sh
ip route | grep -q "default via 10.233.1.1 dev eth0" && : >/var/reached
ln -sfn %s /run/current-system
exec /lib/systemd/systemd
"""
SWITCH = """#!/bin/sh
/bin/ln -sfn %s /run/current-system
echo switched "$@"
"""


def root_of(host):
    """The host's tree, as it is seen from here."""
    where = os.path.join(os.environ.get("VMDIR", "/var/cache/redd-tests/hosts"), "run", "ns-" + host.command[-1])
    with open(os.path.join(where, "leader")) as file:
        return "/proc/%s/root" % file.read().strip()


def add_system(root, number):
    path = SYSTEM % number
    os.makedirs(root + path + "/bin")
    for name, text in (("init", INIT), ("bin/switch-to-configuration", SWITCH)):
        with open(os.path.join(root + path, name), "w") as file:
            file.write(text % path)
        os.chmod(os.path.join(root + path, name), 0o755)
    with open(root + path + "/system", "w") as file:
        file.write("x86_64-linux")
    return path


def write_conf(root, **keys):
    with open(root + "/etc/nixos-containers/n1.conf", "w") as file:
        file.write("".join("%s=%s\n" % pair for pair in keys.items()))


KEYS = dict(PRIVATE_NETWORK=1, HOST_ADDRESS="10.233.1.1", LOCAL_ADDRESS="10.233.1.2", AUTO_START=0)


@pytest.fixture(scope="module")
def nixos(systemd):  # noqa: F811
    root = root_of(systemd)
    for place in PLACES:
        os.makedirs(root + place, exist_ok=True)
    run("tar", "-C", root + "/var/lib/nixos-containers/n1", "-xf", archive("bookworm"))
    systems = [add_system(root, 1), add_system(root, 2)]
    write_conf(root, SYSTEM_PATH=systems[0], **KEYS)
    systemd("systemctl", "daemon-reload")
    yield systemd, root, systems
    systemd("systemctl", "stop", "container@n1", check=False)


def show(host, name):
    return host.text("systemctl", "show", "-P", name, "container@n1")


def inside(host, *words):
    return host.text("/usr/local/bin/machinectl", "exec", "n1", "--", *words)


def test_what_is_created_is_a_unit_at_once(nixos, tmp_path):
    """Whether it starts at boot or not; by systemctl as well."""
    host, root, systems = nixos
    run("cp", "-a", test_nixos_plain.store(str(tmp_path)) + "/.", root + "/nix")
    system = test_nixos_plain.system(1)
    host("/usr/local/bin/nixos-container", "create", "n2", "--system-path", system, test_nixos_plain.READY)
    try:
        host("systemctl", "start", "container@n2")
        assert host.text("/usr/local/bin/nixos-container", "status", "n2") == "up"
        host.until("/usr/local/bin/nixos-container", "run", "n2", "--", "readlink", "/run/current-system", wanted=system)
    finally:
        host("/usr/local/bin/nixos-container", "destroy", "n2")
    assert host("systemctl", "is-active", "container@n2", check=False).returncode != 0


def test_the_unit_of_a_conf(nixos):
    host, root, systems = nixos
    done = host("/usr/local/bin/machinectl", "start", "n1")
    assert "Started machine 'n1' by systemd." in done.stdout
    assert show(host, "SourcePath") == "/etc/nixos-containers/n1.conf"
    assert show(host, "FragmentPath").startswith("/run/systemd/generator/")
    assert "active (running)" in host.text("systemctl", "status", "container@n1")
    assert host.text("/usr/local/bin/nixos-container", "status", "n1") == "up"
    # it was ready, so its init is: and that had a network before it did anything
    assert inside(host, "ls", "/var/reached") == "/var/reached"
    assert inside(host, "readlink", "/run/current-system") == systems[0]
    assert show(host, "Slice") == "machine.slice" and show(host, "Delegate") == "yes" and show(host, "TasksMax") == "16384"


def test_reload_keeps_the_leader_and_restart_does_not(nixos):
    """N12"""
    host, root, systems = nixos
    host("systemctl", "start", "container@n1")
    leader = host.text("/usr/local/bin/machinectl", "show", "n1", "-p", "Leader", "--value")
    write_conf(root, SYSTEM_PATH=systems[1], **KEYS)
    host("systemctl", "reload", "container@n1")
    assert inside(host, "readlink", "/run/current-system") == systems[1]
    assert host.text("/usr/local/bin/machinectl", "show", "n1", "-p", "Leader", "--value") == leader
    host("systemctl", "restart", "container@n1")
    assert host.text("/usr/local/bin/machinectl", "show", "n1", "-p", "Leader", "--value") != leader
    assert inside(host, "readlink", "/run/current-system") == systems[1]


def test_what_the_companion_says_now_is_followed_or_refused(nixos):
    """Limits are systemd's own; all else takes a restart, and a reload says so."""
    host, root, systems = nixos
    path = root + "/etc/systemd/nspawn/n1.nspawn"

    def leader():
        return host.text("/usr/local/bin/machinectl", "show", "n1", "-p", "Leader", "--value")

    def say(text):
        with open(path, "w") as file:
            file.write(text)
        host("systemctl", "daemon-reload")

    host("systemctl", "restart", "container@n1")
    before = leader()
    try:
        say("[X-Service]\nTasksMax=1234\n")
        assert show(host, "TasksMax") == "1234"
        host("systemctl", "reload", "container@n1")
        say("[X-Service]\nTasksMax=1234\n[Exec]\nEnvironment=A=1\n")
        assert host("systemctl", "reload", "container@n1", check=False).returncode != 0 and leader() == before
        said = host.text("journalctl", "-b", "-u", "container@n1", "-n", "20", "-o", "cat")
        assert "cannot reload container 'n1': [Exec] Environment= of '/etc/systemd/nspawn/n1.nspawn' is not what it was started with" in said
        host("/usr/local/bin/nixos-container", "reload", "n1")
        assert leader() != before
        host("systemctl", "reload", "container@n1")
    finally:
        os.unlink(path)
        host("systemctl", "daemon-reload")


def test_reboot_restarts_poweroff_stays_and_a_crash_restarts(nixos):
    """N13"""
    host, root, systems = nixos
    host("systemctl", "start", "container@n1")
    before = show(host, "MainPID")
    host("/usr/local/bin/machinectl", "exec", "n1", "--", "systemctl", "reboot", check=False)
    host.until("sh", "-c", "[ $(systemctl show -P MainPID container@n1) -gt 0 ] && [ $(systemctl show -P MainPID container@n1) != %s ]"
               % before)
    host.until("systemctl", "is-active", "container@n1")
    before = show(host, "MainPID")
    host("kill", "-9", before)
    host.until("sh", "-c", "[ $(systemctl show -P MainPID container@n1) -gt 0 ] && [ $(systemctl show -P MainPID container@n1) != %s ]"
               % before)
    host.until("systemctl", "is-active", "container@n1")
    host("/usr/local/bin/machinectl", "exec", "n1", "--", "systemctl", "poweroff", check=False)
    host.until("sh", "-c", "[ $(systemctl is-active container@n1) = inactive ]")
    assert show(host, "Result") == "success"


def test_what_starts_at_boot_and_what_the_companion_adds(nixos):
    host, root, systems = nixos
    write_conf(root, SYSTEM_PATH=systems[0], **dict(KEYS, AUTO_START=1))
    with open(root + "/etc/systemd/nspawn/n1.nspawn", "w") as file:
        file.write("[X-Service]\nMemoryMax=300M\n")
    try:
        host("systemctl", "daemon-reload")
        assert "container@n1.service" in host.text("systemctl", "show", "-P", "Wants", "machines.target")
        assert show(host, "MemoryMax") == str(300 << 20)
        # as multi-user.target wants it at boot
        host("systemctl", "stop", "container@n1")
        host("systemctl", "restart", "machines.target")
        host.until("systemctl", "is-active", "container@n1")
        assert host.text("/usr/local/bin/nixos-container", "status", "n1") == "up"
        host("systemctl", "stop", "container@n1")
    finally:
        os.unlink(root + "/etc/systemd/nspawn/n1.nspawn")
        os.unlink(root + "/etc/nixos-containers/n1.conf")
    host("systemctl", "daemon-reload")
    assert "container@n1.service" not in host.text("systemctl", "show", "-P", "Wants", "machines.target")
    assert "SourcePath=\n" in subprocess.run([*host.command, "systemctl", "show", "-p", "SourcePath", "container@n1"],
                                             stdout=subprocess.PIPE, text=True, check=True).stdout
