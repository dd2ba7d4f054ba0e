"""PID 1 as it is, compared with what the manual promises: descriptors, mounts, capabilities, namespaces, limits, environment.
And the supervisor as the kernel sees it: what it executes, connects to and reads."""
import os
import re
import time

import pytest

from support import runner

MODES = {"plain": [], "host-users": ["--private-users=no"], "private-network": ["--private-network"], "pid2": ["-a"], "user": ["-u", "user"]}

MOUNTS = r"""/ /sys/firmware /proc /proc/sys /proc/sys/net /proc/(kallsyms|kcore|keys|sysrq-trigger|timer_list|kpage(cgroup|count|flags)|mtrr|pagetypeinfo|slabinfo|vmallocinfo|acpi|apm|asound|bus|fs|irq|scsi|kmsg)
/proc/sys/kernel/random/boot_id /sys /sys/(block|bus|class|dev|devices|kernel) /sys/fs/(cgroup|selinux) /dev /dev/(shm|pts|mqueue|console|null|zero|full|random|urandom|tty|fuse)
/dev/net/tun /run /run/host /run/host/(os-release|incoming|unix-export|notify|credentials|inaccessible) /tmp /etc/(resolv.conf|localtime)""".split()


@pytest.fixture(params=MODES, ids=list(MODES))
def payload(request, redd, tree):
    """What PID 1 (or 2) of a running command looks like, from inside and from outside."""
    mode = request.param
    process = redd.start("--pipe", "-D", tree, *MODES[mode], "/usr/bin/probe", "all", "maps", "sleep", env={"SECRET": "canary"})
    lines, end = [], time.monotonic() + 10
    while time.monotonic() < end:
        line = process.stdout.readline().rstrip("\n")
        lines.append(line)
        if line.startswith("setgroups ") or not line:
            break
    yield mode, lines, runner.leader(process.pid), process.pid
    process.terminate()
    process.communicate(timeout=10)


def all_of(lines, word):
    return [line[len(word) + 1:] for line in lines if line.startswith(word + " ")]


def test_descriptors(payload):
    mode, lines, leader, _ = payload
    assert [line.split()[0] for line in all_of(lines, "fd")] == ["0", "1", "2"]
    for number in os.listdir("/proc/%d/fd" % leader):
        assert int(number) < 3, os.readlink("/proc/%d/fd/%s" % (leader, number))


def test_environment(payload):
    mode, lines, _, _ = payload
    names = {line.split("=")[0] for line in all_of(lines, "env")}
    allowed = {"PATH", "container", "TERM", "HOME", "USER", "LOGNAME", "container_uuid", "NOTIFY_SOCKET", "LANG"}
    assert allowed - {"TERM"} <= names and {n for n in names if not n.startswith("container_host_")} <= allowed, names


def test_mounts(payload):
    mode, lines, _, _ = payload
    for line in all_of(lines, "mount"):
        path = line.split()[4]
        assert any(re.fullmatch(pattern, path) for pattern in MOUNTS), line


def test_namespaces(payload):
    mode, lines, leader, supervisor = payload
    for name in ("mnt", "pid", "ipc", "uts", "cgroup", "user", "net"):
        inside, outside = os.readlink("/proc/%d/ns/%s" % (leader, name)), os.readlink("/proc/self/ns/" + name)
        shared = name == "net" and mode != "private-network" or name == "user" and mode == "host-users"
        assert (inside == outside) == shared, name
    # the supervisor itself goes back to the host once the payload needs it no more
    runner.until(lambda: os.readlink("/proc/%d/ns/mnt" % supervisor) == os.readlink("/proc/self/ns/mnt"))
    for name in ("mnt", "pid", "ipc", "uts", "user", "net"):
        assert os.readlink("/proc/%d/ns/%s" % (supervisor, name)) == os.readlink("/proc/self/ns/" + name), name


def test_status(payload):
    mode, lines, leader, _ = payload
    status = dict(line.split(":\t", 1) for line in all_of(lines, "status") if ":\t" in line)
    assert int(status["CapAmb"], 16) == 0
    if mode == "user":
        assert int(status["CapEff"], 16) == int(status["CapInh"], 16) == 0
    else:
        assert status["CapEff"] == status["CapPrm"] == status["CapBnd"]
    assert status["Seccomp"].strip() == "2" and status["NoNewPrivs"].strip() == "0" and status["TracerPid"].strip() == "0"
    assert status["SigBlk"].strip() == "0" * 16 and status["SigIgn"].strip() == "0" * 16, (status["SigBlk"], status["SigIgn"])
    if mode != "user":
        assert status["Groups"].strip() in ("", "0")


def test_the_rest(payload):
    mode, lines, leader, _ = payload
    one = {line.split()[0]: line.split()[1:] for line in lines if line and line.split()[0] in
           ("pdeathsig", "dumpable", "keepcaps", "securebits", "nonewprivs", "umask", "pid", "personality")}
    assert one["umask"] == ["022"] and one["keepcaps"] == ["0"] and one["securebits"] == ["0"] and one["nonewprivs"] == ["0"] and one["personality"] == ["0"]
    assert one["pid"] == ["2" if mode == "pid2" else "1"]
    if mode != "pid2":
        assert one["pdeathsig"] == ["9"]
    with open("/proc/%d/cgroup" % leader) as file:
        assert [line for line in file if line.startswith("0::") and "/redd/" in line]
    assert all_of(lines, "cwd") == ["/"]
    assert not [line for line in lines if line.startswith(("signal blocked", "signal ignored"))]


def test_root_of_the_payload_is_the_tree_and_nothing_above(payload):
    mode, lines, leader, _ = payload
    with open("/proc/%d/mountinfo" % leader) as file:
        fields = [line.split() for line in file]
    ids, roots = {field[0] for field in fields}, [field for field in fields if field[4] == "/"]
    assert len([field for field in fields if field[1] not in ids]) == 1, "more than one topmost mount"
    assert len(roots) == 1, roots


def trace(redd, place, *arguments, calls):
    log = os.path.join(place, "log")
    done = redd.with_prefix("strace", "-f", "-qq", "-y", "-s", "256", "-e", "trace=" + calls, "-o", log).run(*arguments)
    assert done.code == 0, done
    with open(log, errors="replace") as file:
        return file.read().splitlines()


def until_payload(lines):
    """Only what the runner does: up to the exec of the payload."""
    out = []
    for line in lines:
        if re.search(r'execve\("(/usr/bin/|/bin/)?true"', line) and "= 0" in line:
            break
        out.append(line)
    return out


@pytest.mark.parametrize("options", [[], ["--private-users=no"], ["--private-network"], ["-x"], ["-u", "user"], ["--capability=all"], ["-a"]], ids=lambda o: " ".join(o) or "plain")
def test_no_helper_is_executed(redd, tree, place, options):
    lines = trace(redd, place, "-q", "--pipe", "-D", tree, *options, "true", calls="execve,execveat")
    programs = [line for line in lines if re.search(r"execve(at)?\(", line) and "= -1" not in line]
    # the program itself, the payload; with -a the payload's stub from a sealed memfd
    allowed = [os.path.basename(redd.path), "true", "memfd:"]
    for line in programs:
        assert any(word in line for word in allowed), line
    assert len(programs) <= 3, programs


def test_no_bus_and_no_other_socket_is_connected_to(redd, tree, place):
    lines = trace(redd, place, "-q", "--pipe", "-D", tree, "true", calls="connect,socket,sendto,sendmsg")
    assert not [line for line in lines if "connect(" in line], lines
    assert not [line for line in lines if re.search(r"socket\(AF_INET", line)], lines


READ_ALLOWED = [r"/etc/ld\.so\.(cache|preload)", r"/(usr/)?lib(64)?/.*\.so[.0-9]*", r"/etc/systemd/nspawn/.*", r"/run/systemd/nspawn/.*", r"/run/systemd/nspawn-uid.*", r"/run/systemd/machines", r"/run/redd.*",
                r"/proc/.*", r"/sys/fs/cgroup.*", r"/sys/fs/selinux.*", r"/dev/(null|zero|full|random|urandom|tty|fuse|net/tun|pts/ptmx|console).*", r"/etc/os-release", r"/usr/lib/os-release",
                r"/etc/localtime", r"/usr/share/zoneinfo/.*", r"/etc/resolv\.conf", r"/run/systemd/resolve/.*", r"/etc/passwd", r"/etc/group", r"/etc/\.pwd\.lock", r"/etc/login\.defs",
                r"/", r"/run", r"/run/systemd", r"/tmp/redd-work(/.*)?", r"/var/tmp.*", r"/tmp", r"/etc/subuid", r"/etc/subgid"]


def test_no_file_is_read_that_the_plan_does_not_name(redd, tree, place):
    planned = redd.run("--print-plan", "-D", tree, "true").ok().out
    lines = until_payload(trace(redd, place, "-q", "--pipe", "-D", tree, "true", calls="open,openat,openat2"))
    for line in lines:
        found = re.search(r'open(?:at2?)?\((?:AT_FDCWD<[^>]*>, |)"(/[^"]*)"', line)
        if not found or "= -1" in line:
            continue
        path = found.group(1)
        assert any(re.fullmatch(pattern, path) for pattern in READ_ALLOWED) or path in planned, line


def test_nothing_of_the_tree_is_loaded_or_executed_for_the_user_lookup(redd, fresh, place):
    tree = fresh()
    lines = trace(redd, place, "-q", "--pipe", "-D", tree, "-u", "user", "true", calls="open,openat,openat2,execve")
    assert not [line for line in until_payload(lines) if tree in line and "O_PATH" not in line and (".so" in line or "getent" in line)]


def test_the_supervisor_holds_few_descriptors(redd, tree):
    one = redd.console("-D", tree, "sh", "-c", "echo ready; sleep 68")
    try:
        one.expect("ready", 10)
        fds = {number: os.readlink("/proc/%d/fd/%s" % (one.pid, number)) for number in os.listdir("/proc/%d/fd" % one.pid)}
        assert len(fds) <= 12, fds
    finally:
        one.send("\x1d\x1d\x1d")
        one.wait(10)
        one.close()


def test_the_supervisor_stands_in_no_place_that_pins_a_mount(redd, tree, place):
    os.mkdir(place + "/m")
    import subprocess
    subprocess.run(["mount", "-t", "tmpfs", "x", place + "/m"], check=True)
    process = redd.start("--pipe", "-D", tree, "sh", "-c", "echo ready; sleep 69", cwd=place + "/m")
    try:
        assert process.stdout.readline() == "ready\n"
        assert "/m" not in os.readlink("/proc/%d/root" % process.pid)
    finally:
        process.terminate()
        process.communicate()
        subprocess.run(["umount", place + "/m"], check=True)
