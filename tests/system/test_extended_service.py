"""[X-Unit] and [X-Service] on a host without a service manager, and the manual's examples of definitions."""
import os
import shutil

import pytest

from support import machines, runner

from .test_manage import LOGS, host, machine, machinectl  # noqa: F401 (fixtures)

FILES = "/etc/systemd/nspawn"
STUBBORN = "#!/bin/sh\ntrap '' TERM INT USR1 USR2 37\n: >/up\nwhile :; do sleep 1000; done\n"


@pytest.fixture
def define(machinectl, machine):  # noqa: F811
    """define("web", text): its settings file. /etc is the test's own."""
    os.makedirs(FILES, exist_ok=True)

    def write(name, text):
        with open(os.path.join(FILES, name + ".nspawn"), "w") as out:
            out.write("[Network]\nVirtualEthernet=no\n" + text if "[Network]" not in text else text)
    yield write
    machinectl.run("-q", "stop", "--all")
    shutil.rmtree(FILES)


def running(machinectl):  # noqa: F811
    return sorted(line.split()[0] for line in machinectl.run("list", "--no-legend").ok().lines if line.strip())


def log_of(name):
    with open(os.path.join(LOGS, name + ".log"), errors="replace") as file:
        return file.read()


def test_what_a_machine_needs_is_started_first(machinectl, machine, define):  # noqa: F811
    machine("db")
    machine("web")
    define("web", "[X-Unit]\nRequires=db.nspawn network.target\nWants=nosuch.nspawn\n")
    done = machinectl.run("start", "web").ok()
    assert running(machinectl) == ["db", "web"] and "nosuch" in done.err


def test_without_what_it_needs_it_is_not_started(machinectl, machine, define):  # noqa: F811
    machine("web")
    define("web", "[X-Unit]\nBindsTo=nosuch.nspawn\n")
    machinectl.run("start", "web").failed("cannot start machine 'web', which needs 'nosuch'")
    define("web", "[X-Unit]\nRequires=a.nspawn\n")
    define("a", "[X-Unit]\nRequires=web.nspawn\n")
    machine("a")
    machinectl.run("start", "web").failed("in a circle")


@pytest.mark.parametrize("line", ["ConditionPathExists=/no/such", "ConditionPathExists=!/proc", "RequiresMountsFor=/no/such"])
def test_conditions(machinectl, machine, define, line):  # noqa: F811
    machine("web")
    define("web", "[X-Unit]\n%s\n" % line)
    machinectl.run("start", "web").failed("cannot start machine 'web'", line.split("=")[0])
    assert running(machinectl) == []


def test_the_time_to_stop(machinectl, machine, define):  # noqa: F811
    machine("web", init=STUBBORN)
    define("web", "[X-Service]\nTimeoutStopSec=500ms\n")
    machinectl.run("start", "web").ok()
    machinectl.run("stop", "web", timeout=20).ok()
    assert "does not stop in time" in log_of("web") and running(machinectl) == []


@pytest.mark.parametrize("policy, again", [("no", False), ("on-failure", True)])
def test_the_policy_of_restarts(machinectl, machine, define, policy, again):  # noqa: F811
    tree = machine("web", "echo start >> /starts")
    define("web", "[X-Service]\nRestart=%s\nRestartSec=100ms\n" % policy)
    machinectl.run("start", "web").ok()
    starts = os.path.join(tree, "starts")
    machines.wait_for_text(starts)
    leader = machinectl.run("show", "--property=Leader", "--value", "web").ok().out.strip()
    os.kill(int(leader), 9)
    if again:
        runner.until(lambda: open(starts).read().count("start") == 2)
    else:
        runner.until(lambda: not os.path.exists("/run/redd/detached/web"))
        assert open(starts).read() == "start\n"


WEB = """[Exec]
Boot=yes
PrivateUsers=pick
Hostname=web

[Files]
Bind=/srv/www:/var/www:idmap

[Network]
VirtualEthernet=yes
Port=tcp:8080:80

[X-Image]
Source=oci:registry.example.org/web-os:12
Root=overlay
Persist=/var/lib/nginx /var/log
Update=manual

[X-Network]
HostAddress=10.233.7.1
Address=10.233.7.2
Address=fd00:7::2/64
DNS=auto
NAT=yes

[X-Credential]
Load=tls.key:/etc/ssl/private/web.key

[X-Unit]
Requires=db.nspawn
After=db.nspawn

[X-Service]
MemoryMax=512M
CPUQuota=150%

[X-Health]
Command=/usr/bin/curl -fsS http://localhost/
Interval=10s
Retries=3
OnFailure=rollback

[X-Install]
WantedBy=machines.target
"""
DNS = """[Exec]
ProcessTwo=yes
Parameters=/bin/sh -c 'echo up; exit 7'
[X-Image]
Source=tar:https://example.org/alpine-minirootfs.tar.gz
Root=ephemeral
[X-Service]
Restart=on-failure
MemoryMax=64M
"""


def test_the_example_of_an_image_with_all_of_it(machinectl, machine, define):  # noqa: F811
    machine("db")
    with open(machine("web") + "/usr/bin/curl", "w") as out:
        out.write("#!/bin/sh\ntest -e /asked || ! : >/asked\n")
        os.chmod(out.name, 0o755)
    define("web", WEB)
    os.makedirs("/etc/ssl/private", exist_ok=True)
    made = not os.path.isdir("/srv/www")
    os.makedirs("/srv/www", exist_ok=True)
    try:
        with open("/etc/ssl/private/web.key", "w") as out:
            out.write("key")
        machinectl.run("start", "web").ok()
        assert running(machinectl) == ["db", "web"]
        seen = machinectl.run("exec", "web", "--", "sh", "-c", "hostname; ip -o addr show host0; ls -d /var/www").ok().out
        assert seen.startswith("web\n") and "10.233.7.2" in seen and "fd00:7::2" in seen and "/var/www" in seen
        shown = machinectl.run("show", "--property=Health", "--value", "web").ok().out.strip()
        assert shown == "healthy", "its start waits for that"
    finally:
        machinectl.run("-q", "stop", "--all")
        if made:
            os.rmdir("/srv/www")


def test_the_example_of_a_lone_program(redd, machine, define):  # noqa: F811
    tree = machine("dns")
    define("dns", DNS)
    done = redd.run("-q", "--pipe", "-D", tree, "-M", "dns")
    assert done.code == 7 and "up" in done.out
