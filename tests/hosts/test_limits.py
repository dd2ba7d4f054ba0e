"""Limits where the kernel enforces them: a virtual machine with full cgroup v2 and no service manager."""
import json
import os
import subprocess

import pytest

from test_hosts import HERE, PROGRAM, image, run, tree  # noqa: F401

pytestmark = pytest.mark.leaky("keeps kernels and images")

NAME = "redd-limits-" + os.urandom(4).hex()
OWN = "/sys/fs/cgroup/redd/web/"


class Host:
    def run(self, *command, seconds=60):
        done = subprocess.run([os.path.join(HERE, "vm"), "exec", "-t", str(seconds), NAME, *command], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", timeout=seconds + 30)
        print(command, done.returncode, done.stdout)
        return done

    def out(self, *command):
        done = self.run(*command)
        assert done.returncode == 0, done.stdout
        return done.stdout

    def set(self, *properties):
        self.out("machinectl", "set-property", "web", *properties)

    def guest(self, script):
        return self.run("machinectl", "exec", "web", "--", "sh", "-c", script)

    def stats(self):
        return json.loads(self.out("machinectl", "stats", "--json=short", "web"))[0]

    def share(self, seconds=2):
        """Of one CPU, how much the machine has for so long."""
        script = "a=$(sed -n 's/usage_usec //p' %scpu.stat); s=$(cut -d' ' -f1 /proc/uptime); sleep %d; " \
                 "echo $a $s $(sed -n 's/usage_usec //p' %scpu.stat) $(cut -d' ' -f1 /proc/uptime)" % (OWN, seconds, OWN)
        a, s, b, e = map(float, self.out("sh", "-c", script).split())
        return (b - a) / 1e6 / (e - s)


@pytest.fixture(scope="module")
def vm(tree):  # noqa: F811
    image("busybox")
    programs = [PROGRAM, os.path.join(os.path.dirname(PROGRAM), "machinectl")]
    assert run("vm", "start", "-k", "6.1", "-i", "busybox", NAME).returncode == 0
    try:
        for program in programs:
            assert run("vm", "put", NAME, program, "/usr/local/bin").returncode == 0
        assert run("vm", "put", NAME, tree, "/srv").returncode == 0
        host = Host()
        host.out("sh", "-c", "mkdir -p /srv/tree && tar -xpf /srv/%s -C /srv/tree" % os.path.basename(tree))
        yield host
    finally:
        run("vm", "stop", NAME)


@pytest.fixture
def host(vm):
    """With the machine 'web', which has limits from its start."""
    properties = ["--property=" + each for each in ("MemoryMax=32M", "TasksMax=20", "CPUQuota=20%", "CPUWeight=50")]
    vm.out("sh", "-c", "nspawn -q -D /srv/tree -M web %s sleep 1000 </dev/null >/srv/log 2>&1 & "
           "until machinectl exec web true 2>/dev/null; do kill -0 $! || { cat /srv/log; exit 1; }; done" % " ".join(properties))
    yield vm
    vm.out("sh", "-c", "machinectl terminate web && machinectl wait web; ! test -d " + OWN)


def test_limits_are_on_the_cgroup_above_the_guests(host):
    assert host.out("sh", "-c", "cd %s && cat memory.max pids.max cpu.max cpu.weight" % OWN).split() == \
        ["33554432", "20", "20000", "100000", "50"]
    stats = host.stats()
    assert stats["memory_max"] == 33554432 and stats["tasks_max"] == 20 and 0 < stats["memory"] < 33554432


def test_memory_is_limited_and_changes_live(host):
    hungry = "dd if=/dev/zero of=/dev/null bs=64M count=1"
    host.set("MemorySwapMax=0")
    assert host.guest(hungry).returncode in (1, 137)
    assert host.stats()["oom_kills"] >= 1
    # nothing that the guest can write takes it away
    assert host.guest("echo max >/sys/fs/cgroup/memory.max; " + hungry).returncode in (1, 137)
    host.set("MemoryMax=256M")
    assert host.guest(hungry).returncode == 0
    host.set("MemoryMax=50%")
    assert 200 << 20 < host.stats()["memory_max"] < 600 << 20
    host.set("MemoryMax=infinity")
    assert host.stats()["memory_max"] is None


def test_killing_for_want_of_memory_is_an_event(host):
    script = "machinectl events web >/srv/events & w=$!; until grep -q running /srv/events; do :; done; " \
             "machinectl exec web -- dd if=/dev/zero of=/dev/null bs=64M count=1; " \
             "i=0; until grep -q oom /srv/events || [ $i = 100 ]; do i=$((i + 1)); sleep 0.1; done; kill $w; cat /srv/events"
    events = [json.loads(line) for line in host.run("sh", "-c", script).stdout.splitlines() if line.startswith("{")]
    assert [event["event"] for event in events][:2] == ["running", "oom"] and events[1]["count"] >= 1


def test_tasks_are_limited_and_change_live(host):
    many = "for i in 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5; do sleep 1 & done; wait"
    done = host.guest(many)
    assert "fork" in done.stdout, done.stdout
    host.set("TasksMax=infinity")
    done = host.guest(many)
    assert done.returncode == 0 and "fork" not in done.stdout


def test_cpu_is_limited_and_changes_live(host):
    host.out("sh", "-c", "machinectl exec web -- sh -c 'while :; do :; done' </dev/null >/dev/null 2>&1 &")
    assert host.share() < 0.35
    assert host.stats()["cpu_throttled"] > 0
    host.set("CPUQuota=")
    assert host.share() > 0.6
    host.set("CPUQuota=10%", "CPUQuotaPeriodSec=20ms")
    assert host.out("cat", OWN + "cpu.max").split() == ["2000", "20000"]
    assert host.share() < 0.25


def test_which_cpus_are_allowed_changes_live(host):
    assert host.guest("nproc").stdout.strip() == "2"
    host.set("AllowedCPUs=1")
    assert host.guest("nproc").stdout.strip() == "1"


def test_writing_to_a_disk_is_limited(host):
    write = "dd if=/dev/zero of=/tmp-file bs=64k count=48 conv=fsync 2>/dev/null; rm -f /tmp-file"
    host.set("IOWriteBandwidthMax=/srv 1M", "MemoryMax=infinity", "CPUQuota=")
    done = host.guest("s=$(cut -d. -f1 /proc/uptime); %s; e=$(cut -d. -f1 /proc/uptime); echo $((e - s))" % write)
    assert int(done.stdout.strip()) >= 2
    assert host.stats()["written"] > 0


def test_nothing_is_set_when_one_is_refused(host):
    for wrong, why in (("Foo=1", "no property"), ("MemoryHigh=x", "not a value"), ("KillMode=none", "systemd"),
                       ("IOReadIOPSMax=/proc 5", "block device"), ("DeviceAllow=/dev/null", "while it runs")):
        done = host.run("machinectl", "set-property", "web", "MemoryMax=64M", wrong)
        assert done.returncode == 1 and why in done.stdout, done.stdout
        assert host.out("cat", OWN + "memory.max").strip() == "33554432"


def test_what_cannot_be_set_keeps_a_machine_from_starting(vm):
    done = vm.run("sh", "-c", "nspawn -q -D /srv/tree -M other --property=MemoryMax=1G --property=Slice=x true; r=$?; "
                  "test -d /sys/fs/cgroup/redd/other && exit 99; exit $r")
    assert done.returncode == 1 and "Slice=x" in done.stdout


def test_a_paused_machine_does_nothing(host):
    host.set("CPUQuota=")
    host.out("sh", "-c", "machinectl exec web -- sh -c 'while :; do :; done' </dev/null >/dev/null 2>&1 &")
    assert host.share(1) > 0.3
    host.out("machinectl", "pause", "web")
    assert host.share(1) < 0.01 and host.stats()["state"] == "paused"
    host.out("machinectl", "resume", "web")
    assert host.share(1) > 0.3 and host.stats()["state"] == "running"


def test_devices_may_be_closed_and_opened(vm):
    start = "nspawn -q -D /srv/tree -M dev --private-users=no --bind=/dev/vda %s dd if=/dev/vda of=/dev/null bs=512 count=1"
    assert vm.run("sh", "-c", start % "").returncode == 0
    closed = vm.run("sh", "-c", start % "--property=DevicePolicy=strict")
    assert closed.returncode != 0 and "not permitted" in closed.stdout, closed.stdout
    assert vm.run("sh", "-c", start % "--property=DevicePolicy=strict '--property=DeviceAllow=/dev/vda r'").returncode == 0
