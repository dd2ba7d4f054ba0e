"""Declared machines on hosts with systemd (in a container here), OpenRC and runit (user mode Linux)."""
import json
import os
import re

import pytest

from support import declared
from test_services import Host, systemd, tester, virtual  # noqa: F401  the hosts themselves

pytestmark = pytest.mark.leaky("keeps kernels and images")

QUICKSTART = "/var/cache/redd-quickstart/bookworm"
PLACE = "/srv/declared"
MANAGERS = {"systemd": "systemd", "openrc": "OpenRC", "runit": "runit", "busybox": "Redd's own supervisor"}
# What starts at boot, as the host's boot starts it.
BOOT = {"systemd": "systemctl start machines.target", "openrc": "rc-service redd-machines restart", "runit": "cd /etc/sv/redd-machines && ./run"}


def shell(host, script, **more):
    return host("sh", "-ec", "export PATH=/usr/local/bin:$PATH; mkdir -p %s; cd %s; %s" % (PLACE, PLACE, script), **more)


def say(host, script):
    return shell(host, script).stdout.strip()


def leader(host, name):
    return say(host, "machinectl show %s --property=Leader --value" % name)


# ---- what systemd makes of it ----

def define(host, name, *lines, tree="/srv/base"):
    """A machine that starts with the host; lines are as in the file, from [X-Image] on."""
    text = ["[X-Image]", "Source=dir:" + tree, "[X-Install]", "WantedBy=machines.target", *lines]
    shell(host, "printf '%%s\\n' %s >machines/%s.nspawn" % (" ".join("'%s'" % line for line in text), name))


@pytest.fixture
def small(systemd):  # noqa: F811
    shell(systemd, "mkdir -p /srv/base machines && tar -C /srv/base -xpf /srv/busybox.tar && rm -f /srv/base/sbin/init && "
          "install -m 755 /srv/init /srv/base/sbin/init")
    yield systemd
    shell(systemd, "rm -r machines; mkdir machines; redd apply --yes machines; rmdir machines")


def show(host, name, what):
    return host.text("systemctl", "show", "-P", what, "container@" + name)


def test_limits_that_were_changed_live_are_those_of_the_generation_and_no_others(small):
    def pids():
        return say(small, "cat /sys/fs/cgroup/machine.slice/container@web.service/pids.max")
    define(small, "web", "[X-Service]", "TasksMax=100")
    shell(small, "redd apply --yes machines")
    before, counted = leader(small, "web"), "pids" in say(small, "cat /sys/fs/cgroup/cgroup.controllers").split()
    define(small, "web", "[X-Service]", "TasksMax=200", "CPUWeight=50")
    assert "live" in shell(small, "redd plan machines", check=False).stdout
    shell(small, "redd apply --yes machines")
    assert (show(small, "web", "TasksMax"), show(small, "web", "CPUWeight")) == ("200", "50")
    assert not counted or pids() == "200"
    shell(small, "redd rollback --yes")
    assert (show(small, "web", "TasksMax"), show(small, "web", "CPUWeight")) == ("100", "[not set]")
    assert not counted or pids() == "100"
    assert leader(small, "web") == before
    small("systemctl", "restart", "container@web")
    assert show(small, "web", "TasksMax") == "100" and leader(small, "web") != before
    # Another one restarts it, and says nothing of limits: they are the unit's own.
    define(small, "web", "[Exec]", "Hostname=shop")
    shell(small, "redd apply --yes machines")
    assert show(small, "web", "TasksMax") == "16384" and say(small, "machinectl exec web hostname") == "shop"
    assert say(small, "ls /run/systemd/system.control 2>/dev/null || true") == ""


def test_what_fails_leaves_the_units_of_the_generation_before(small):
    define(small, "web", "[X-Service]", "TasksMax=100")
    shell(small, "redd apply --yes machines")
    shell(small, "mkdir -p /srv/bad && cp -a /srv/base/. /srv/bad && rm /srv/bad/sbin/init")
    define(small, "web", "[X-Service]", "TasksMax=200")
    shell(small, "sed -i s,/srv/base,/srv/bad, machines/web.nspawn")
    done = shell(small, "redd apply --yes machines", check=False)
    assert done.returncode == 3 and "is current again" in done.stdout
    assert show(small, "web", "TasksMax") == "100" and show(small, "web", "ActiveState") == "active"


def test_an_apply_that_ended_before_systemd_knew_of_it_goes_on(small):
    links = []
    for tasks in ("100", "200"):
        define(small, "web", "[X-Service]", "TasksMax=" + tasks)
        shell(small, "redd apply --yes machines")
        links.append(say(small, "readlink /var/lib/redd/current"))
    # What it would have left: the next generation is current, and systemd has read the one before.
    shell(small, "cd /var/lib/redd; ln -sfn %s current; systemctl daemon-reload; ln -sfn %s current; sed -i 1q current/log" % tuple(links))
    assert show(small, "web", "TasksMax") == "100"
    shell(small, "redd apply --yes machines")
    assert show(small, "web", "TasksMax") == "200"


@pytest.mark.parametrize("key", ["Requires", "BindsTo"])
def test_who_needs_a_machine_that_restarts_goes_on(small, key):
    """systemd would stop it as well, and start it no more: the plan says nothing of it."""
    define(small, "db")
    define(small, "web", "[X-Unit]", key + "=db.nspawn", "After=db.nspawn")
    shell(small, "redd apply --yes machines")
    before = {name: leader(small, name) for name in ("db", "web")}
    assert "container@db.service" in show(small, "web", key)
    define(small, "db", "[Exec]", "Hostname=other")
    shell(small, "redd apply --yes machines")
    assert leader(small, "web") == before["web"] and leader(small, "db") != before["db"]
    # Nothing is left to do.
    shell(small, "redd plan machines")


def test_who_needs_a_machine_that_never_works_is_not_started(small):
    define(small, "db", "[X-Health]", "Command=false", "Interval=100ms", "Retries=1", "OnFailure=stop")
    define(small, "web", "[X-Unit]", "Requires=db.nspawn", "After=db.nspawn")
    shell(small, "redd apply --yes --no-start machines")
    assert small("systemctl", "start", "container@web", check=False).returncode != 0
    assert (show(small, "db", "ActiveState"), show(small, "web", "ActiveState")) == ("failed", "inactive")


def test_a_condition_that_is_not_met_is_no_failure(small):
    define(small, "db", "[X-Health]", "Command=true", "[X-Unit]", "ConditionPathExists=/srv/flag")
    define(small, "web")
    done = shell(small, "redd apply --yes machines")
    assert "db: skipped" in done.stdout and say(small, "machinectl list --no-legend").split()[0] == "web"
    assert "a condition of 'container@db.service' is not met" in shell(small, "machinectl start db", check=False).stdout
    shell(small, "touch /srv/flag; redd apply --yes machines")
    assert show(small, "db", "ActiveState") == "active"


def test_without_the_bus_nothing_is_changed(small):
    define(small, "web")
    shell(small, "redd apply --yes machines")
    before = leader(small, "web"), say(small, "readlink /var/lib/redd/current")
    define(small, "web", "[Exec]", "Hostname=shop")
    small("systemctl", "stop", "dbus.socket", "dbus.service")
    try:
        done = shell(small, "redd apply --yes machines", check=False)
    finally:
        small("systemctl", "start", "dbus.socket", "dbus.service")
    assert done.returncode == 1 and "cannot reach the host's service manager" in done.stdout
    assert (leader(small, "web"), say(small, "readlink /var/lib/redd/current")) == before


def test_a_users_machines_have_what_is_declared_of_them_too(tester):
    user = Host(*tester.command, "env", "HOME=/home/tester")

    def of_unit(what):
        return user.text("systemctl", "--user", "show", "-P", what, "container@web")

    def apply(tasks, *more, code=0):
        lines = ["[X-Image]", "Source=dir:/home/tester/.local/state/machines/mine", "[X-Service]", "TasksMax=" + tasks, *more]
        done = user("sh", "-c", "cd; mkdir -p d; printf '%s\\n' \"$@\" >d/web.nspawn; redd apply --yes d", "sh", *lines, check=False)
        assert done.returncode == code
    apply("300", "[X-Install]", "WantedBy=machines.target")
    assert of_unit("ActiveState") == "active" and of_unit("TasksMax") == "300"
    assert "container@web.service" in user.text("systemctl", "--user", "show", "-P", "Wants", "default.target")
    before = of_unit("MainPID")
    apply("400", "[X-Install]", "WantedBy=machines.target")
    assert of_unit("TasksMax") == "400" and of_unit("MainPID") == before
    user("redd", "rollback", "--yes")
    user("systemctl", "--user", "restart", "container@web")
    assert of_unit("TasksMax") == "300" and of_unit("MainPID") != before
    user("sh", "-c", "cd; rm d/web.nspawn; redd apply --yes d")
    assert of_unit("ActiveState") == "inactive" and "container@web" not in user.text("systemctl", "--user", "show", "-P", "Wants", "default.target")


def test_where_the_state_is_mounted_late_its_machines_start_then(small):
    define(small, "web", "[X-Service]", "TasksMax=100")
    shell(small, "redd apply --yes --no-start machines")
    # As at boot, before /var is there.
    shell(small, "mv /var/lib/redd /srv/later; systemctl daemon-reload")
    try:
        assert show(small, "web", "TasksMax") == "16384"
        shell(small, "mv /srv/later /var/lib/redd; systemctl start redd-declared")
        small.until("/usr/local/bin/machinectl", "exec", "web", "true")
        assert show(small, "web", "TasksMax") == "100"
    finally:
        shell(small, "test ! -e /srv/later || mv /srv/later /var/lib/redd; systemctl stop redd-declared; systemctl daemon-reload", check=False)


# ---- the three of them ----

def made(host, kind, tree):
    """With README's tree in its place."""
    host.kind = kind
    host("sh", "-c", "mkdir -p %s && mv %s %s && rm -f %s/etc/hostname" % (os.path.dirname(QUICKSTART), tree, QUICKSTART, QUICKSTART))
    return host


@pytest.fixture(scope="module", params=["systemd", "openrc", "runit"])
def host(request, tmp_path_factory):
    if request.param == "systemd":
        yield made(request.getfixturevalue("systemd"), "systemd", "/var/lib/machines/c1")
        return
    with virtual(request.param, str(tmp_path_factory.mktemp(request.param))) as one:
        yield made(one, request.param, "/var/lib/machines/a")


def boot(host, how=""):
    # runit has found the service that is for that.
    host.until("test", "!", "-e", "/run/redd/redd-machines.new")
    shell(host, "{ %s; }%s" % (BOOT[host.kind], how))


def reboot(host):
    """Once the service for that has been found, by runit."""
    host.until("test", "!", "-e", "/run/redd/redd-machines.new")
    before = host.text("cat", "/proc/sys/kernel/random/boot_id")
    # The agent that answers goes down as well, and what is asked meanwhile gets no answer.
    again = Host(*host.command[:2], "-t", "10", host.command[-1])
    again("reboot", check=False)
    again.until("sh", "-c", "[ $(cat /proc/sys/kernel/random/boot_id) != %s ]" % before)


def test_the_demo_of_the_readme(host):
    first = {}
    for command in declared.demo():
        done = shell(host, command, check=False, seconds=200)
        name = command.split("#")[0].strip()
        assert done.returncode == declared.DEMO_STATUS.get(name, 0), command
        if name == "redd plan demo":
            assert re.search("restart +hostname", done.stdout) and re.search("live +tasks max", done.stdout)
        elif name == "redd apply --yes demo" and not first:
            first = {name: leader(host, name) for name in ("db", "web", "dns")}
            assert "Manager: %s\n" % MANAGERS[host.kind] in shell(host, "machinectl status web").stdout
        elif name == "redd apply --yes demo":
            assert say(host, "machinectl exec web hostname") == "shop"
            assert (leader(host, "db"), leader(host, "dns")) == (first["db"], first["dns"]) and leader(host, "web") != first["web"]
            if host.kind == "systemd":
                assert host.text("systemctl", "show", "-P", "TasksMax", "container@web") == "500"
    assert say(host, "machinectl exec web hostname") == "web" and leader(host, "db") == first["db"]
    if host.kind == "systemd":
        assert host.text("systemctl", "show", "-P", "TasksMax", "container@web") == "16384"
    # They start with the host, as what was rolled back to says.
    if host.kind == "systemd":
        shell(host, "systemctl stop machines.target 'container@*'")
        assert say(host, "machinectl list --no-legend") == ""
        boot(host)
    else:
        reboot(host)
    for name in first:
        host.until("/usr/local/bin/machinectl", "exec", name, "true")
    assert say(host, "machinectl exec web hostname") == "web"
    # What is declared no more goes, and starts with the host no more.
    shell(host, "rm demo/*; redd apply --yes demo")
    assert say(host, "machinectl list --no-legend") == ""
    boot(host)
    assert say(host, "machinectl list --no-legend") == ""


def test_at_boot_who_needs_a_machine_waits_until_it_works(host):
    shell(host, "mkdir -p machines")
    define(host, "db", "[X-Health]", "Command=/bin/sh -c \"echo >>/tries; test -e /works\"", "Interval=100ms", "StartPeriod=5min", tree=QUICKSTART)
    define(host, "web", "[X-Unit]", "Requires=db.nspawn", "After=db.nspawn", tree=QUICKSTART)
    shell(host, "redd apply --yes --no-start machines")
    boot(host, " >/dev/null 2>&1 &")
    host.until("/usr/local/bin/machinectl", "exec", "db", "--", "sh", "-c", "[ $(wc -l </tries) -gt 2 ]")
    assert [line.split()[0] for line in say(host, "machinectl list --no-legend").splitlines()] == ["db"]
    assert say(host, "machinectl show db --property=Health --value") == "starting"
    shell(host, "machinectl exec db -- touch /works")
    host.until("/usr/local/bin/machinectl", "exec", "web", "true")
    assert say(host, "machinectl show db --property=Health --value") == "healthy"
    shell(host, "rm machines/*; redd apply --yes machines; rmdir machines")


def test_n25_limits_are_changed_live_and_drift_tells_what_was_done_by_hand(host):
    """Where the controllers are: in virtual machines, which after a reboot may have mounted none."""
    shell(host, "mountpoint -q /sys/fs/cgroup || mount -t cgroup2 cgroup2 /sys/fs/cgroup")
    if "pids" not in host.text("cat", "/sys/fs/cgroup/cgroup.controllers").split():
        pytest.skip("this host has no pids controller")

    def pids():
        return say(host, "g=$(sed -n s/^0:://p /proc/%s/cgroup); cat /sys/fs/cgroup${g%%%%/payload*}/pids.max" % leader(host, "web"))

    shell(host, "mkdir -p machines")
    define(host, "web", "[X-Service]", "TasksMax=100", tree=QUICKSTART)
    shell(host, "redd apply --yes machines")
    before = leader(host, "web")
    assert pids() == "100"
    define(host, "web", "[X-Service]", "TasksMax=200", tree=QUICKSTART)
    shell(host, "redd apply --yes machines")
    assert pids() == "200" and leader(host, "web") == before
    shell(host, "redd drift machines")
    shell(host, "machinectl set-property web TasksMax=300")
    assert pids() == "300"
    done = shell(host, "redd drift --json=short machines", check=False)
    row = json.loads(done.stdout)[0]
    assert done.returncode == 2 and [row[key] for key in ("machine", "what", "applied", "running")] == [
        "web", "[X-Service] TasksMax", "200", "300 (pids.max)"]
    # Nothing is declared anew: an apply makes what runs what is declared, and no generation.
    done = shell(host, "redd plan --json=short machines", check=False)
    plan = json.loads(done.stdout)
    assert done.returncode == 2 and plan["pending"] == [] and [
        (line["machine"], line["act"], line["key"], line["old"], line["new"]) for line in plan["changes"]] == [
        ("web", "live", "TasksMax", "300 (pids.max)", "200")]
    current = say(host, "readlink /var/lib/redd/current")
    assert "was changed by hand" in shell(host, "redd apply --yes machines").stdout
    assert pids() == "200" and leader(host, "web") == before and say(host, "readlink /var/lib/redd/current") == current
    shell(host, "redd plan machines; redd drift machines")
    # Also one that something else of it is declared of.
    shell(host, "machinectl set-property web TasksMax=300")
    define(host, "web", "[X-Service]", "TasksMax=200", "[X-Unit]", "Description=x", tree=QUICKSTART)
    shell(host, "redd apply --yes machines")
    assert pids() == "200" and leader(host, "web") == before
    shell(host, "redd rollback --yes")
    assert pids() == "200" and leader(host, "web") == before
    shell(host, "rm machines/*; redd apply --yes machines; rmdir machines")


def ask_doctor(host):
    done = shell(host, "redd doctor --json", check=False)
    answer = json.loads(done.stdout)
    by = {(check["area"], check["check"]): check for check in answer["checks"]}
    assert answer["can_start"] and done.returncode == 0
    assert by["services", "service manager"]["found"] == MANAGERS[host.kind]
    assert (("services", "machines at boot") in by) == (host.kind != "systemd")
    bus = host("test", "-S", "/run/dbus/system_bus_socket", check=False).returncode == 0
    assert by["services", "D-Bus"]["state"] == ("yes" if bus else "less")
    # User mode Linux has no packet filter.
    filters = by["network", "nftables"]
    assert filters["state"] == ("yes" if host.kind == "systemd" else "no") and bool(filters["lost"]) == (filters["state"] == "no")
    # Where nobody mounted it there is none, as with runit after a boot.
    found = host("cat", "/sys/fs/cgroup/cgroup.controllers", check=False)
    assert by["cgroups", "cgroup v2"]["state"] == ("yes" if found.returncode == 0 else "no")
    for name in ("memory", "pids", "cpu", "io") if found.returncode == 0 else ():
        assert by["cgroups", name + " controller"]["state"] == ("yes" if name in found.stdout.split() else "no"), name


def test_doctor_knows_the_host(host):
    ask_doctor(host)


def test_doctor_knows_a_host_without_a_service_manager(tmp_path):
    with virtual("busybox", str(tmp_path)) as host:
        ask_doctor(host)
