"""Limits where the kernel enforces them: virtual machines with full cgroup v2, one without a service manager, one with systemd."""
import json
import os
import subprocess
import sys

import pytest

from support import runner
from test_hosts import HERE, PROGRAM, image, run, tree  # noqa: F401

pytestmark = pytest.mark.leaky("keeps kernels and images")

DYNAMIC = os.path.join(os.path.dirname(runner.program()), "nspawn")  # the static one has no bus
OWN = "/sys/fs/cgroup/redd/web/"


class Host:
    def __init__(self, kind, program, tree, kernel="6.1"):  # noqa: F811
        self.made_of = (kind, program, tree, kernel)
        self.make()

    def make(self):
        kind, program, tree, kernel = self.made_of  # noqa: F811
        self.name = "redd-limits-" + os.urandom(4).hex()
        image(kind)
        assert run("vm", "start", "-k", kernel, "-i", kind, self.name).returncode == 0
        for file in (program, os.path.join(os.path.dirname(program), "machinectl"), tree):
            assert run("vm", "put", self.name, file, "/srv").returncode == 0
        self.out("sh", "-c", "mkdir -p /srv/tree && tar -xpf /srv/%s -C /srv/tree" % os.path.basename(tree))

    def answers(self):
        return self.run("true", seconds=20).returncode == 0

    def start(self, *options):
        """The machine 'web', until it can be entered. An emulated processor stands still now and then, and the kernel with
        it: such a host, which runs nothing more at all, is replaced."""
        command = ("sh", "-c", "nspawn -q -D /srv/tree -M web %s sleep 1000 </dev/null >/srv/log 2>&1 & "
                   "until machinectl exec web true 2>/dev/null; do kill -0 $! || { cat /srv/log; exit 1; }; done" % " ".join(options))
        done = self.run(*command)
        if done.returncode in (124, 125) and not self.answers():
            self.stop()
            self.make()
            done = self.run(*command)
        assert done.returncode == 0, done.stdout

    def stop(self):
        run("vm", "stop", self.name)

    def run(self, *command, seconds=60):
        done = subprocess.run([os.path.join(HERE, "vm"), "exec", "-t", str(seconds), self.name, "env",
                               "PATH=/srv:/usr/sbin:/usr/bin:/sbin:/bin", *command], stdin=subprocess.DEVNULL,
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
    host = Host("busybox", PROGRAM, tree)
    yield host
    host.stop()


@pytest.fixture
def host(vm):
    """With the machine 'web', which has limits from its start."""
    vm.start(*("--property=" + each for each in ("MemoryMax=32M", "TasksMax=20", "CPUQuota=20%", "CPUWeight=50")))
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
    start = "nspawn -q -D /srv/tree -M dev --private-users=no --bind=/dev/vda %s sh -c ': </dev/vda'"
    assert vm.run("sh", "-c", start % "").returncode == 0
    closed = vm.run("sh", "-c", start % "--property=DevicePolicy=strict")
    assert closed.returncode != 0 and "not permitted" in closed.stdout, closed.stdout
    assert vm.run("sh", "-c", start % "--property=DevicePolicy=strict '--property=DeviceAllow=/dev/vda r'").returncode == 0


@pytest.fixture(scope="module")
def bookworm():
    script = os.path.join(os.path.dirname(HERE), "support", "trees.py")
    return subprocess.run([sys.executable, script, "bookworm"], check=True, stdout=subprocess.PIPE, text=True).stdout.strip() + ".tar"


@pytest.mark.parametrize("kind,program", [("busybox", PROGRAM), ("host", DYNAMIC)])
def test_who_enters_a_guest_with_cgroups_of_its_own_is_held_and_ended_with_it(kind, program, bookworm):
    """systemd in the machine has no process in the cgroup that it was given, and controllers below: nobody can go there."""
    host = Host(kind, program, bookworm, "uml-sid")
    try:
        done = host.run("sh", "-c", "mkfifo /srv/events; machinectl events web >/srv/events 2>/dev/null & nspawn -q -D /srv/tree -M web -b "
                        "--notify-ready=yes --property=MemoryMax=256M --property=MemorySwapMax=0 </dev/null >/srv/log 2>&1 & "
                        "grep -Em1 'ready|ended' /srv/events; tail /srv/log", seconds=200)
        assert '"ready"' in done.stdout
        assert {"memory", "pids"} <= set(host.guest("cat /sys/fs/cgroup/cgroup.subtree_control").stdout.split())
        for verb in ("exec web --", "shell -q web"):
            host.out("sh", "-c", "machinectl %s /bin/sleep 1234 </dev/null >/dev/null 2>&1 & "
                     "until pgrep -f '^/bin/sleep 1234' >/srv/entered; do kill -0 $! || exit; done" % verb)
            top = host.out("sh", "-c", "cat /proc/$(cat /srv/entered)/cgroup").strip()[len("0::"):]
            assert "/web" in top and "/payload/" in top, top
            host.out("sh", "-c", "kill $(cat /srv/entered); while kill -0 $(cat /srv/entered) 2>/dev/null; do :; done")
        done = host.guest("dd if=/dev/zero of=/dev/null bs=400M count=1")
        stats = host.stats()
        assert done.returncode == 137 and (stats["oom_kills"] or 0) >= 1, (done, stats)
        # until the machine ends
        host.out("sh", "-c", "machinectl exec web -- /bin/sleep 1234 </dev/null >/dev/null 2>&1 & w=$!; "
                 "until pgrep -f '^/bin/sleep 1234' >/srv/entered; do kill -0 $w || exit; done; machinectl terminate web; wait $w; "
                 "test $? = 137 && ! kill -0 $(cat /srv/entered)")
        assert host.out("machinectl", "list", "--no-legend") == ""
    finally:
        host.stop()


def test_on_a_systemd_host_the_scope_has_the_limits(tree):  # noqa: F811
    host = Host("host", DYNAMIC, tree)
    try:
        host.start("--property=MemoryMax=32M", "--property=TasksMax=20")
        hungry = "dd if=/dev/zero of=/dev/null bs=64M count=1"
        assert host.out("systemctl", "show", "--value", "-p", "MemoryMax", "web.scope").strip() == "33554432"
        assert host.guest(hungry).returncode == 137 and host.stats()["oom_kills"] >= 1
        host.set("MemoryMax=256M", "TasksMax=30")
        assert host.out("systemctl", "show", "--value", "-p", "MemoryMax", "-p", "TasksMax", "web.scope").split() == ["268435456", "30"]
        assert host.guest(hungry).returncode == 0 and host.stats()["tasks_max"] == 30
        done = host.run("machinectl", "set-property", "web", "MemoryMax=64M", "Foo=1")
        assert done.returncode == 1 and "Foo=1" in done.stdout and host.stats()["memory_max"] == 268435456
        host.out("machinectl", "pause", "web")
        assert host.stats()["state"] == "paused"
        host.out("machinectl", "resume", "web")
        assert "web.scope" in host.out("machinectl", "logs", "web")
        host.out("machinectl", "terminate", "web")
        # a node that is not bound is closed, unless it is allowed
        look = "nspawn -q -D /srv/tree -M dev --private-users=no --bind=/dev:/hostdev %s sh -c ': </hostdev/vda'"
        assert "not permitted" in host.run("sh", "-c", look % "").stdout
        assert host.run("sh", "-c", look % "'--property=DeviceAllow=/dev/vda r'").returncode == 0
    finally:
        host.stop()
