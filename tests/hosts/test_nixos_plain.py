"""NixOS containers where there is neither systemd nor D-Bus nor nix (N26): OpenRC and runit start them, from confs and a store made by hand."""
import os
import shutil

import pytest

from test_services import Host, other, run, tool  # noqa: F401  the hosts themselves

pytestmark = pytest.mark.leaky("keeps kernels and images")

BUSYBOX = "/nix/store/%032d-busybox" % 0
# Ends when it is asked to, as systemd does; and tells whether it had a network when it began.
INIT = """#!{busybox}/bin/sh
export PATH={busybox}/bin
trap 'exit 0' 37 38
ip route | grep -q "default via" && : >/var/reached
ln -sfn {system} /run/current-system
while :; do sleep 1000 & wait $!; done
"""
SWITCH = """#!{busybox}/bin/sh
{busybox}/bin/ln -sfn {system} /run/current-system
echo switched {number} "$@"
"""
NAMES = {"openrc": "OpenRC", "runit": "runit"}
REBOOT = {"openrc": ["shutdown", "-r", "now"], "runit": ["init", "6"]}
READY = "--extra-flags=--notify-ready=no"


def system(number):
    return "/nix/store/%032d-nixos-system-web" % number


def write(path, text, mode=0o644):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as file:
        file.write(text)
    os.chmod(path, mode)


def store(directory):
    """/nix with two systems, and the busybox that they are made of."""
    programs = directory + BUSYBOX + "/bin"
    os.makedirs(programs)
    shutil.copy(shutil.which("busybox"), programs)
    for name in ("sh", "cat", "grep", "ip", "ln", "ping", "reboot", "poweroff", "readlink", "sleep", "touch", "true"):
        os.symlink("busybox", os.path.join(programs, name))
    for number in (1, 2):
        path, words = directory + system(number), dict(busybox=BUSYBOX, system=system(number), number=number)
        write(path + "/init", INIT.format(**words), 0o755)
        write(path + "/bin/switch-to-configuration", SWITCH.format(**words), 0o755)
        write(path + "/system", "x86_64-linux")
        os.symlink(BUSYBOX, path + "/sw")
    return directory + "/nix"


@pytest.fixture(scope="module")
def plain(other, tmp_path_factory):  # noqa: F811
    run(tool("vm"), "put", other.command[-1], store(str(tmp_path_factory.mktemp("store"))), "/")
    other("sh", "-c", "/etc/init.d/dbus stop; rm -rf /usr/bin/dbus-daemon /run/dbus")
    for absent in ("/run/systemd/system", "/run/dbus/system_bus_socket", "/nix/var/nix/db"):
        other("test", "!", "-e", absent)
    other("sh", "-c", "! command -v nix-env && ! command -v nix-store")
    return other


@pytest.fixture
def web(plain):
    """The container "web", made as its users make it, that runs."""
    plain("nixos-container", "create", "web", "--system-path", system(1), READY)
    plain("nixos-container", "start", "web")
    await_init(plain)
    yield plain
    plain("nixos-container", "destroy", "web")


def await_init(host, number=1):
    """A container may be up before its init has begun."""
    host.until("nixos-container", "run", "web", "--", "readlink", "/run/current-system", wanted=system(number))


def leader(host):
    return host.text("machinectl", "show", "web", "-p", "Leader", "--value")


def await_another(host, before):
    """PID 1 is another one, whose system is there."""
    host.until("sh", "-c", "new=$(machinectl show web -p Leader --value) && [ -n \"$new\" ] && [ $new != %s ] && "
               "nixos-container run web -- readlink /run/current-system" % before)


def test_its_life(plain):
    said = plain("nixos-container", "create", "web", "--system-path", system(1), READY).stdout
    assert "host IP is 10.233.1.1, container IP is 10.233.1.2" in said
    assert plain.text("nixos-container", "status", "web") == "down"
    plain("nixos-container", "start", "web")
    assert plain.text("nixos-container", "status", "web") == "up"
    assert plain.text("nixos-container", "list") == "web"
    assert plain.text("nixos-container", "show-ip", "web") == "10.233.1.2"
    assert "\n\t Manager: %s\n" % NAMES[plain.kind] in plain("machinectl", "status", "web").stdout
    await_init(plain)
    # both ends were there before the first instruction
    plain("nixos-container", "run", "web", "--", "cat", "/var/reached")
    plain("nixos-container", "run", "web", "--", "ping", "-c", "1", "-W", "9", "10.233.1.1")
    assert plain("nixos-container", "run", "web", "--", "sh", "-c", "exit 7", check=False).returncode == 7
    before = leader(plain)
    plain("nixos-container", "restart", "web")
    assert leader(plain) != before
    plain("nixos-container", "stop", "web")
    assert plain.text("nixos-container", "status", "web") == "down"
    plain("nixos-container", "start", "web")
    plain("nixos-container", "destroy", "web")
    gone = plain("nixos-container", "status", "web", check=False)
    assert gone.returncode == 1 and gone.stdout.startswith("gone\n")
    plain("nixos-container", "destroy", "web")
    plain("sh", "-c", "! ls -d /etc/nixos-containers/web.conf /var/lib/nixos-containers/web /nix/var/nix/profiles/per-container/web "
          "/nix/var/nix/gcroots/per-container/web /sys/class/net/ve-web")


def test_reload_keeps_the_leader(web):
    before = leader(web)
    assert "switched 2 test" in web.text("nixos-container", "switch", "web", system(2))
    assert web.text("nixos-container", "run", "web", "--", "readlink", "/run/current-system") == system(2)
    web("sh", "-c", "echo SYSTEM_PATH=%s >>/etc/nixos-containers/web.conf" % system(1))
    assert "switched 1 test" in web.text("nixos-container", "reload", "web")
    assert leader(web) == before


def test_reboot_and_a_crash_restart_and_poweroff_stays(web):
    """N13"""
    before = leader(web)
    # the conf is read again then
    web("sh", "-c", "echo SYSTEM_PATH=%s >>/etc/nixos-containers/web.conf" % system(2))
    web("nixos-container", "run", "web", "--", "reboot", "-f", check=False)
    await_another(web, before)
    await_init(web, 2)
    before = leader(web)
    web("kill", "-9", before)
    await_another(web, before)
    web("nixos-container", "run", "web", "--", "poweroff", "-f", check=False)
    web.until("sh", "-c", "[ $(nixos-container status web) = down ]")
    # nobody starts it again, and whoever wants to can
    web("nixos-container", "start", "web")
    assert web.text("nixos-container", "status", "web") == "up"


def test_a_runner_that_is_killed(web):
    """N13: runit starts the container anew, under Redd's own supervisor it just goes on; it can be stopped either way."""
    before = leader(web)
    web("sh", "-c", "kill -9 $(cut -d' ' -f4 /proc/%s/stat)" % before)
    if web.kind == "runit":
        await_another(web, before)
    else:
        web.until("machinectl", "show", "web", "-p", "State", "--value", wanted="abandoned")
        assert leader(web) == before and web.text("nixos-container", "status", "web") == "up"
        web("nixos-container", "start", "web")
        assert leader(web) == before
    web("nixos-container", "stop", "web")
    assert web.text("nixos-container", "status", "web") == "down"
    web("nixos-container", "start", "web")
    web("nixos-container", "run", "web", "--", "ping", "-c", "1", "-W", "9", "10.233.1.1")


def test_what_starts_at_boot(plain):
    """What create notes, and what just has the key; others do not."""
    plain("nixos-container", "create", "web", "--system-path", system(1), "--auto-start", READY)
    plain("nixos-container", "create", "lazy", "--system-path", system(1), READY)
    plain("sh", "-c", "printf 'AUTO_START=1\\nSYSTEM_PATH=%s\\nEXTRA_NSPAWN_FLAGS=--notify-ready=no\\n' >/etc/nixos-containers/by-hand.conf"
          % system(2))
    before = plain.text("cat", "/proc/sys/kernel/random/boot_id")
    # The agent that answers goes down as well.
    run(tool("vm"), "exec", "-t", "10", plain.command[-1], *REBOOT[plain.kind], check=False)
    again = Host(tool("vm"), "exec", "-t", "10", plain.command[-1])
    again.until("sh", "-c", "[ $(cat /proc/sys/kernel/random/boot_id) != %s ]" % before)
    for name, number in (("web", 1), ("by-hand", 2)):
        again.until("nixos-container", "run", name, "--", "readlink", "/run/current-system", wanted=system(number))
        assert plain.text("nixos-container", "status", name) == "up"
    assert plain.text("nixos-container", "status", "lazy") == "down"
    for name in ("web", "by-hand", "lazy"):
        plain("nixos-container", "destroy", name)
