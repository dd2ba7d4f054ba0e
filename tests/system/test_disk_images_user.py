"""Machines of a normal user whose tree lies in a disk image: no loop devices, but programs that show file systems (FUSE)."""
import fcntl
import json
import os
import random
import shutil
import signal
import stat
import subprocess

import pytest

from support import disks, runner, sandbox, trees
from support.machines import machinectl, tool

from .test_faults import count

pytestmark = pytest.mark.usefixtures("fuse")


@pytest.fixture(scope="module")
def parts(work_root):
    """File systems by name, made once; never written to."""
    made, place = {}, os.path.join(work_root, "parts")
    os.mkdir(place)
    trees.unpack("busybox", place + "/source")

    def part(kind, name="root"):
        if (kind, name) not in made:
            tree = place + "/source"
            if name != "root":
                tree = os.path.join(place, name)
                os.makedirs(tree, exist_ok=True)
                with open(tree + "/hello", "w") as file:
                    file.write("from %s\n" % name)
            made[kind, name] = disks.filesystem(os.path.join(place, "%s.%s" % (name, kind)), kind, tree)
        return made[kind, name]
    yield part
    shutil.rmtree(place)


@pytest.fixture
def give(user):
    """give(PATH): a copy of the file that is the user's, removed after the test."""
    made = []

    def give(source, name="disk.raw"):
        path = os.path.join(user.home, name)
        subprocess.run(["cp", "--sparse=always", source, path], check=True)
        os.chown(path, user.uid, user.gid)
        made.append(path)
        return path
    yield give
    for path in made:
        if os.path.exists(path):
            os.unlink(path)


def servers(word=None):
    """Process numbers of what serves a file system; the programs only: "/image"."""
    found = []
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/cmdline" % entry, "rb") as file:
                words = file.read().split(b"\0")
        except OSError:
            continue
        if b"/image" in words or word is None and words[1:2] == [b"serve"]:
            found.append(int(entry))
    return found


@pytest.fixture(autouse=True)
def nothing_left(fuse):
    yield
    runner.until(lambda: servers() == [], 10)


def sh(mine, path, script, *options, **more):
    return mine.run("-q", "--pipe", "-i", path, *options, "/bin/sh", "-c", script, **more)


def test_a_file_system_alone_is_a_tree_and_keeps_what_is_written(mine, give, parts):
    path = give(parts("ext4"))
    done = sh(mine, path, "echo kept > /root/file; stat -c %u:%g /root/file /etc/passwd; id -u; mount | grep ' on / '").ok()
    assert done.lines[:3] == ["0:0", "0:0", "0"] and "type fuse.ext4 (rw" in done.out, done
    assert servers() == []
    disks.run("e2fsck", "-f", "-n", path)
    # also from where the user may not look
    assert sh(mine, path, "cat /root/file", cwd="/root").ok().out == "kept\n"


def test_a_file_system_that_cannot_be_written_is_one_too(mine, give, parts):
    done = sh(mine, give(parts("squashfs")), "id -u; stat -c %u /etc/passwd; touch /root/x; mount | grep ' on / '").ok()
    assert done.lines[:2] == ["0", "0"] and "Read-only" in done.err and "type fuse.squashfs (ro" in done.out, done


def test_partitions_are_mounted_where_they_belong(mine, give, parts, place):
    path = give(disks.table(place + "/gpt.raw", [
        (disks.ESP, None), (disks.ROOT, parts("ext4")), (disks.HOME, parts("ext4", "home")), (disks.SRV, parts("squashfs", "srv"))]))
    script = "cat /home/hello /srv/hello; echo more > /home/more; stat -c %u /home/more; touch /srv/x; mount | grep -E ' on /(home|srv) '"
    done = sh(mine, path, script).ok()
    assert done.lines[:3] == ["from home", "from srv", "0"] and "Read-only" in done.err, done
    assert "/home type fuse.ext4 (rw,nodev" in done.out and "/srv type fuse.squashfs (ro,nodev" in done.out, done
    assert sh(mine, path, "cat /home/more").ok().out == "more\n"
    steps = [step for step in mine.plan("-i", path, "true") if step["kind"] == "partition"]
    assert [(step["target"], step["data"].split()[0], step["data"].split()[-1]) for step in steps] == [
        ("/", "ext4", "fuse2fs"), ("/home", "ext4", "fuse2fs"), ("/srv", "squashfs", "squashfuse_ll")]


def test_what_serves_an_erofs_is_called_as_it_expects(mine, give, place, parts):
    """erofsfuse has options of its own. Debian 12 does not have it: then somebody in its place says how it was called."""
    path = give(disks.table(place + "/gpt.raw", [(disks.ROOT, parts("erofs"))]))
    if shutil.which("erofsfuse"):
        done = sh(mine, path, "id -u; touch /root/x; mount | grep ' on / '").ok()
        assert done.lines[0] == "0" and "Read-only" in done.err and "type fuse.erofs (ro" in done.out, done
        return
    sh(mine, path, "true").failed("'erofsfuse' shows, and that is not installed", "package 'erofsfuse'")
    program = "/usr/local/bin/erofsfuse"
    shutil.copy(runner.compile_static(os.path.join(runner.TOP, "tests/system/serve-words.c")), program)
    try:
        sh(mine, path, "true").failed("'%s' failed: -f --offset=1048576 /image /tree" % program)
    finally:
        os.unlink(program)


def test_usr_is_of_its_partition_and_what_firmware_reads_is_left_out(mine, give, parts, place, ids):
    trees.unpack("busybox", place + "/tree")
    usr = disks.filesystem(place + "/usr.squashfs", "squashfs", place + "/tree/usr")
    shutil.rmtree(place + "/tree/usr")
    os.makedirs(place + "/tree/usr")
    os.makedirs(place + "/tree/boot")
    root = disks.filesystem(place + "/root.ext4", "ext4", place + "/tree")
    path = give(disks.table(place + "/gpt.raw", [(disks.ROOT, root), (disks.USR, usr), (disks.XBOOTLDR, None)]))
    done = sh(mine, path, "stat -c %u /usr/bin /usr; touch /usr/x; echo more > /root/more; mount | grep -cE ' on /(boot|efi) '")
    assert done.lines == ["0", "0", "0"] and "Read-only" in done.err, done
    assert len(servers()) == 0 and sh(mine, path, "cat /root/more").ok().out == "more\n"


def test_a_large_image_needs_no_more_memory_than_a_server_has(mine, give, place):
    trees.unpack("busybox", place + "/tree")
    path = disks.blank(place + "/large.ext4", 1 << 40)
    disks.run("mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=1,lazy_journal_init=1", "-T", "largefile4", "-d", place + "/tree", path)
    script = "dd if=/dev/zero of=/root/some bs=1M count=100 2>/dev/null; wc -c < /root/some"
    assert sh(mine, give(path), script).ok().out == "%d\n" % (100 * disks.MIB)


def test_owners_are_those_of_the_container(mine, give, parts, ids):
    path = give(parts("ext4"))
    done = sh(mine, path, "chown 5:6 /etc/passwd; chmod 2750 /etc; stat -c %u:%g:%a /etc/passwd /etc; ln -s a /b; ln /etc/passwd /c; mkfifo /d; "
              "mv /c /e; rm /b; truncate -s 9000000 /f; stat -c %h:%s /e /f")
    assert done.lines[1] == "0:0:2750" and done.lines[2].startswith("2:") and done.lines[3] == "1:9000000", done
    # of one id there is nobody else
    assert done.lines[0].startswith("5:6:" if ids == "range" else "0:0:"), done
    disks.run("e2fsck", "-f", "-n", path)


@pytest.mark.parametrize("way", ["option", "mode", "volatile", "ephemeral", "several", "squashfs"])
def test_an_image_that_is_not_to_be_written_stays_as_it_is(mine, give, parts, place, way):
    path = give(parts("ext4"))
    if way == "several":
        path = give(disks.table(place + "/gpt.raw", [(disks.ROOT, parts("ext4")), (disks.HOME, parts("ext4", "home"))]))
    elif way == "squashfs":
        path = give(disks.table(place + "/gpt.raw", [(disks.ROOT, parts("ext4")), (disks.SRV, parts("squashfs", "srv"))]))
    elif way == "mode":
        os.chmod(path, 0o444)
    options = {"option": ["--read-only"], "volatile": ["--volatile=overlay"], "ephemeral": ["-x"], "several": ["-x"], "squashfs": ["-x"]}.get(way, [])
    with open(path, "rb") as file:
        before = file.read()
    done = sh(mine, path, "echo mine > /etc/new && cat /etc/new", *options)
    assert (done.code == 0 and done.out == "mine\n") == (way not in ("option", "mode")), done
    with open(path, "rb") as file:
        assert file.read() == before


def test_it_boots_reboots_and_stops(mine, give, parts):
    path = give(parts("ext4"))
    console = mine.console("-q", "-b", "-i", path, "-M", "disky")
    console.expect("rcS: started")
    console.line("")
    assert console.ask("echo stays > /root/stays; cat /proc/1/comm") == "init"
    console.line("reboot")
    console.expect("rcS: started")
    console.line("")
    assert console.ask("cat /root/stays") == "stays"
    console.line("poweroff")
    assert console.wait() == 0
    assert servers() == []


def test_what_was_written_last_is_there(mine, give, parts):
    """By a machine that stops at once, some times: in its server's memory it is nothing."""
    path, control = give(parts("ext4")), machinectl(mine)
    for number in range(5):
        other = mine.start("-q", "--pipe", "-i", path, "-M", "last", "/bin/sh", "-c", "trap 'exit 0' TERM; echo ready; sleep 1000 & wait")
        assert other.stdout.readline() == "ready\n", other.communicate()
        runner.until(lambda: control.run("exec", "last", "--", "cat", "/etc/passwd").code == 0)
        control.run("exec", "last", "--", "sh", "-c", "echo %d >/etc/passwd" % number).ok()
        other.terminate()
        other.communicate(timeout=30)
        assert sh(mine, path, "cat /etc/passwd").ok().out == "%d\n" % number
    disks.run("e2fsck", "-f", "-n", path)


WAITS = "echo ready; trap 'exit 0' TERM; while :; do sleep 0.1; done"


def start(mine, path, *options, **more):
    other = mine.start("--pipe", "-i", path, *options, "/bin/sh", "-c", WAITS, **more)
    assert other.stdout.readline() == "ready\n", other.communicate()
    return other


def test_nothing_is_left_after_it_is_killed_and_the_next_start_waits(mine, give, parts):
    path = give(parts("ext4"))
    other = start(mine, path, "-M", "killed")
    assert len(servers()) == 2
    control = machinectl(mine)
    control.run("exec", "killed", "--", "sh", "-c", "echo late > /root/late").ok()
    other.send_signal(signal.SIGKILL)
    other.communicate(timeout=20)
    assert sh(mine, path, "cat /root/late", "-M", "killed").ok().out == "late\n"
    runner.until(lambda: servers() == [], 10)
    disks.run("e2fsck", "-f", "-n", path)


def test_that_a_server_has_ended_is_said(mine, give, parts):
    other = start(mine, give(parts("ext4")), "-M", "lost")
    os.kill(servers("/image")[0], signal.SIGKILL)
    runner.until(lambda: servers() == [], 10)
    machinectl(mine).run("terminate", "lost")
    assert "'/usr/bin/fuse2fs' ended before the machine did (signal 9)" in other.communicate(timeout=20)[1]


def test_a_machine_whose_server_is_killed_can_be_ended(mine, give, parts):
    path = give(parts("ext4"))
    other = start(mine, path, "-M", "orphan")
    for number in servers():
        os.kill(number, signal.SIGKILL)
    runner.until(lambda: servers() == [], 10)
    machinectl(mine).run("terminate", "orphan")  # or its shell has found no program any more
    other.communicate(timeout=20)
    assert sh(mine, path, "echo again", "-M", "orphan").ok().out == "again\n"


@pytest.mark.parametrize("way", ["clone", "export", "start", "ephemeral"])
def test_whoever_reads_an_image_waits_for_what_is_still_written(mine, give, parts, user, way):
    control, pool = machinectl(mine), user.home + "/.local/state/machines"
    os.makedirs(pool, mode=0o700)
    subprocess.run(["chown", "-R", "%d:%d" % (user.uid, user.gid), user.home + "/.local"], check=True)
    path = give(parts("ext4"), ".local/state/machines/late.raw")
    # What answers asks for nothing more: who waits for a server that has read what was asked cannot be killed before that is.
    other = mine.start("-q", "--pipe", "-i", path, "-M", "late", "/bin/sh", "-c", "echo late > /root/late; exec cat", stdin=subprocess.PIPE)
    other.stdin.write("ready\n")
    other.stdin.flush()
    assert other.stdout.readline() == "ready\n"
    serving = servers("/image")
    os.kill(serving[0], signal.SIGSTOP)
    other.kill()
    other.communicate(timeout=20)
    copy = pool + "/copy.raw"
    words = {"clone": (control, "clone", "late", "copy"), "export": (tool(mine, "importctl"), "-m", "export-raw", "late", copy),
             "start": (mine, "-q", "--pipe", "-i", path, "cat", "/root/late"),
             "ephemeral": (mine, "-q", "--pipe", "-x", "-i", path, "cat", "/root/late")}[way]
    process = words[0].start(*words[1:])
    try:
        assert "still writes" in process.stderr.readline()
        os.kill(serving[0], signal.SIGCONT)
        said = process.communicate(timeout=20)
        assert process.returncode == 0, said
        if way in ("clone", "export"):
            disks.run("e2fsck", "-f", "-n", copy)
            assert sh(mine, copy, "cat /root/late").ok().out == "late\n"
        else:
            assert said[0] == "late\n", said
    finally:
        process.kill()
        for pid in servers():
            os.kill(pid, signal.SIGKILL)
        control.run("list").ok()
        shutil.rmtree(user.home + "/.local")


@pytest.fixture
def group(user):
    """A cgroup that is the user's."""
    path = os.path.join(sandbox.cgroup_root() or pytest.skip("this host has no cgroup2"), "unit")
    os.mkdir(path)
    for name in (".", "cgroup.procs", "cgroup.subtree_control"):
        os.chown(os.path.join(path, name), user.uid, user.gid)
    yield path
    for directory, _, _ in os.walk(path, topdown=False):
        os.rmdir(directory)


def members(group, name="."):
    with open(os.path.join(group, name, "cgroup.procs")) as file:
        return sorted(int(line) for line in file)


def inside(mine, group):
    return mine.with_prefix("sh", "-c", 'echo $$ > "$0"/cgroup.procs && exec "$@"', group)


def test_in_a_unit_servers_leave_its_cgroup_to_the_guest(mine, give, parts, group):
    other = start(inside(mine, group), give(parts("ext4")), "-M", "unit", "--keep-unit", "--register=no")
    assert members(group) == [] and members(group, "supervisor") == sorted([other.pid, *servers()])
    other.terminate()
    other.communicate(timeout=20)
    runner.until(lambda: servers() == [], 20)


def test_servers_are_held_by_the_machines_limits_and_not_by_its_init(mine, give, parts, place, group):
    path = give(disks.table(place + "/gpt.raw", [(disks.ROOT, parts("ext4")), (disks.SRV, parts("squashfs", "srv"))]))
    other = start(inside(mine, group), path, "-M", "held", "--register=no")
    assert members(group) == [other.pid] and members(group, "redd-held") == []
    assert len(servers()) == 4 and members(group, "redd-held/served") == sorted(servers())
    other.terminate()
    other.communicate(timeout=20)
    assert os.listdir(group).count("redd-held") == 0
    runner.until(lambda: servers() == [], 20)


def test_servers_are_held_after_a_reboot_as_before(mine, give, parts, group):
    console = inside(mine, group).console("-q", "-b", "-i", give(parts("ext4")), "-M", "again", "--register=no")
    for word in ("reboot", "poweroff"):
        console.expect("rcS: started")
        console.line("")
        assert console.ask("cat /proc/1/comm") == "init"
        assert len(servers()) == 2 and members(group, "redd-again/served") == sorted(servers())
        console.line(word)
    assert console.wait() == 0 and "redd-again" not in os.listdir(group)


def test_who_cleans_up_after_a_machine_does_not_end_who_still_writes(mine, give, parts, group):
    path, control = give(parts("ext4")), machinectl(mine)
    other = inside(mine, group).start("-q", "--pipe", "-i", path, "-M", "late", "--register=no", "/bin/sh", "-c", "echo late > /root/late; exec cat", stdin=subprocess.PIPE)
    other.stdin.write("ready\n")
    other.stdin.flush()
    assert other.stdout.readline() == "ready\n"
    serving = servers()
    assert members(group, "redd-late/served") == sorted(serving)
    # neither returns, nor is ended
    for pid in serving:
        os.kill(pid, signal.SIGSTOP)
    other.kill()
    other.communicate(timeout=20)
    runner.until(lambda: "cannot clean up" in control.run("list").ok().err)
    assert members(group, "redd-late/payload") == [] and members(group, "redd-late/served") == sorted(serving)
    for pid in serving:
        os.kill(pid, signal.SIGCONT)
    runner.until(lambda: servers() == [], 20)
    assert control.run("list").ok().err == "" and "redd-late" not in os.listdir(group)
    assert sh(mine, path, "cat /root/late").ok().out == "late\n"
    disks.run("e2fsck", "-f", "-n", path)


def test_an_image_is_locked_while_it_is_written(mine, give, parts):
    path = give(parts("ext4"))
    other = start(mine, path, "-M", "first")
    sh(mine, path, "true", "-M", "second").failed("it is in use")
    # nobody ends there, so nobody is waited for
    done = sh(mine, path, "true", "-M", "second", env={"SYSTEMD_NSPAWN_LOCK": "0"}, timeout=20).failed("is in use")
    assert "not all there" not in done.err and "waiting" not in done.err, done
    assert [step["kind"] for step in mine.plan("-i", path, "true")].count("partition") == 1
    other.terminate()
    other.communicate(timeout=20)


def test_an_image_that_somebody_else_locks_is_refused_soon(mine, give, parts):
    path = give(parts("ext4"))
    with open(path, "rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        done = sh(mine, path, "true", timeout=20).failed("is in use")
    assert "not all there" not in done.err and "waiting" not in done.err, done
    sh(mine, path, "true").ok()


def flags_of_image(pid):
    """How a process has the disk image open, each time."""
    found = []
    for number in os.listdir("/proc/%d/fd" % pid):
        if os.readlink("/proc/%d/fd/%s" % (pid, number)).endswith(".raw"):
            with open("/proc/%d/fdinfo/%s" % (pid, number)) as file:
                found.append(int(dict(line.split(":") for line in file.read().splitlines()[:3])["flags"], 8) & os.O_ACCMODE)
    return found


def test_what_is_never_written_is_not_open_for_that_and_is_shared(mine, give, parts, place):
    path = give(parts("squashfs"))
    one, two = (start(mine, path, "-M", name) for name in ("one", "two"))
    assert [flags_of_image(pid) for pid in servers("/image")] == [[os.O_RDONLY]] * 2
    path = give(disks.table(place + "/gpt.raw", [(disks.ROOT, parts("ext4")), (disks.SRV, parts("squashfs", "srv"))]), "gpt.raw")
    three = start(mine, path, "-M", "three")
    assert sorted(flags_of_image(pid) for pid in servers("/image"))[2:] == [[os.O_RDONLY], [os.O_RDWR]]
    for process in (one, two, three):
        process.terminate()
        process.communicate(timeout=20)


def test_where_an_image_lies_is_not_told_inside(mine, give, parts):
    done = sh(mine, give(parts("ext4")), "cat /proc/self/mountinfo").ok()
    assert " disk.raw " in done.out and mine.tree.rpartition("/")[0] not in done.out, done


def test_it_outlives_its_supervisor(mine, give, parts):
    path, control = give(parts("ext4")), machinectl(mine)
    other = start(mine, path, "-M", "kept", "--on-supervisor-death=keep")
    control.run("reexec", "kept").ok()
    other.kill()
    other.wait(timeout=20)
    control.run("exec", "kept", "--", "sh", "-c", "echo stays > /root/stays").ok()
    control.run("adopt", "kept").ok()
    assert control.run("exec", "kept", "--", "cat", "/root/stays").ok().out == "stays\n"
    control.run("terminate", "kept").ok()
    other.communicate(timeout=20)
    runner.until(lambda: servers() == [], 10)
    disks.run("e2fsck", "-f", "-n", path)
    assert sh(mine, path, "cat /root/stays").ok().out == "stays\n"


def test_what_is_done_to_machines_is_done_to_one_in_a_disk_image(mine, give, parts, user):
    """Of such a tree the kernel tells nothing to processes that are not in the machine."""
    control, here = machinectl(mine), os.path.join(user.home, "here")
    other = start(mine, give(parts("ext4")), "-M", "disk")
    os.makedirs(here)
    with open(here + "/in", "w") as file:
        file.write("in\n" * 50000)
    subprocess.run(["chown", "-R", "%d:%d" % (user.uid, user.gid), here], check=True)
    try:
        assert control.run("list", "--no-legend").ok().out.split()[3:5] == ["busybox", "1"]
        assert "OS: Busybox tree" in control.run("status", "disk").ok().out
        control.run("copy-to", "disk", here, "/root/d").ok()
        control.run("exec", "disk", "--", "sh", "-c", "chmod 640 /root/d/in; ln -s in /root/d/link; : >/root/d/empty").ok()
        control.run("copy-from", "disk", "/root/d/in", here + "/one").ok()
        control.run("copy-from", "disk", "/root/d", here + "/all").ok()
        for path in (here + "/one", here + "/all/in"):
            assert open(path).read() == "in\n" * 50000 and os.stat(path).st_mode & 0o777 == 0o640, path
        assert os.readlink(here + "/all/link") == "in" and os.path.getsize(here + "/all/empty") == 0
        control.run("bind", "--mkdir", "disk", here, "/mnt/here").ok()
        assert control.run("exec", "disk", "--", "cat", "/mnt/here/in").ok().out == "in\n" * 50000
        control.run("bind", "--remove", "disk", "/mnt/here").ok()
    finally:
        other.terminate()
        other.communicate(timeout=20)
        shutil.rmtree(here)


def test_what_cannot_be_shown_is_refused_with_what_to_do(mine, give, parts):
    path = give(parts("btrfs"))
    sh(mine, path, "true").failed("btrfs, which no program shows", "run as root", "import-tar")
    path = give(parts("ext4"))
    with open(path[:-4] + ".roothash", "w") as file:
        file.write("00" * 32)
    sh(mine, path, "true").failed("root hash")
    os.unlink(path[:-4] + ".roothash")
    subprocess.run(["debugfs", "-w", "-R", "set_super_value state 2", path], check=True, capture_output=True)
    subprocess.run(["debugfs", "-w", "-R", "clri <2>", path], check=True, capture_output=True)
    done = sh(mine, path, "true")
    assert done.code != 0 and "cannot" in done.err, done
    subprocess.run(["mount", "--bind", "/dev/null", "/usr/bin/fuse2fs"], check=True)
    try:
        sh(mine, give(parts("ext4")), "true").failed("'fuse2fs' shows, and that is not installed", "package 'fuse2fs'")
    finally:
        sandbox.umount("/usr/bin/fuse2fs")


def test_without_the_device_it_is_refused(mine, give, parts, place):
    node = place + "/fuse"
    os.mknod(node, stat.S_IFCHR | 0o600, os.stat("/dev/fuse").st_rdev)
    subprocess.run(["mount", "--bind", node, "/dev/fuse"], check=True)
    try:
        sh(mine, give(parts("ext4")), "true").failed("'/dev/fuse' may not be opened", "chmod 666")
    finally:
        sandbox.umount("/dev/fuse")


@pytest.mark.parametrize("way", ["import-raw", "qcow2", "qcow2-gpt", "pull-raw"])
def test_what_comes_in_is_started_by_name(mine, give, parts, place, way):
    path = give(parts("ext4"))
    if way == "qcow2-gpt":
        path = give(disks.table(place + "/gpt.raw", [(disks.ROOT, parts("ext4")), (disks.SRV, parts("squashfs", "srv"))]))
    if way.startswith("qcow2"):
        subprocess.run(["qemu-img", "convert", "-O", "qcow2", path, place + "/disk.qcow2"], check=True)
        path = give(place + "/disk.qcow2", "disk.qcow2")
    control = machinectl(mine)
    come = runner.Redd(os.path.join(os.path.dirname(mine.path), "importctl"), env=mine.env, prefix=mine.prefix)
    words = ["pull-raw", "--verify=no", "file://" + path] if way == "pull-raw" else ["import-raw", path]
    come.run("-m", *words, "byname").ok()
    shutil.copy(mine.path, os.path.join(os.path.dirname(mine.path), "nspawn"))
    try:
        control.run("start", "byname").ok()
        runner.until(lambda: control.run("exec", "byname", "--", "true").code == 0)
        assert control.run("exec", "byname", "--", "cat", "/proc/1/comm").ok().out == "init\n"
        if way == "qcow2-gpt":
            assert control.run("exec", "byname", "--", "cat", "/srv/hello").ok().out == "from srv\n"
        control.run("terminate", "byname").ok()
        runner.until(lambda: servers() == [], 20)
    finally:
        control.run("terminate", "byname")
        control.run("remove", "byname")


@pytest.fixture
def pool(mine, user):
    path = user.home + "/.local/state/machines"
    os.makedirs(path, mode=0o700, exist_ok=True)
    subprocess.run(["chown", "-R", "%d:%d" % (user.uid, user.gid), user.home + "/.local"], check=True)
    yield ".local/state/machines/"
    shutil.rmtree(user.home + "/.local")


@pytest.mark.parametrize("kind", ["ext4", "squashfs", "gpt", "btrfs"])
def test_what_is_in_an_image_is_told_to_a_user(mine, give, parts, place, pool, kind):
    source, control = parts("ext4" if kind == "gpt" else kind), machinectl(mine)
    if kind == "gpt":  # with what nobody shows, and that has nothing to do with it
        source = disks.table(place + "/gpt.raw", [(disks.ROOT, source), (disks.HOME, parts("btrfs", "home"))])
    path = give(source, pool + "disky.raw")
    assert ("\t      OS: Busybox tree\n" in control.run("image-status", "disky").ok().out) == (kind != "btrfs")
    assert (json.loads(control.run("image-status", "--json=short", "disky").ok().out)["os"] == "busybox") == (kind != "btrfs")
    runner.until(lambda: servers() == [], 10)
    if kind == "ext4":
        other = start(mine, path, "-M", "disky")
        assert "OS: " not in control.run("image-status", "disky", timeout=5).ok().out
        other.terminate()
        other.communicate(timeout=20)


# ---- signals, and programs that do not answer ----

@pytest.fixture
def stall(give, parts):
    """stall(HOW): a disk image whose program is tests/system/serve-stall.c instead."""
    program = runner.compile_static(os.path.join(runner.TOP, "tests/system/serve-stall.c"))
    subprocess.run(["mount", "--bind", program, "/usr/bin/fuse2fs"], check=True)

    def stall(how):
        path = give(parts("ext4"), how + ".raw")
        disks.run("tune2fs", "-L", how, path)
        return path
    yield stall
    sandbox.umount("/usr/bin/fuse2fs")


SAVES = "trap 'echo asked; read line; echo saved > /root/saved; exit 0' TERM; echo ready; while :; do sleep 0.1; done"


def test_signals_to_all_do_not_take_the_file_system_away(mine, give, parts):
    path = give(parts("ext4"))
    other = mine.start("-q", "--pipe", "--kill-signal=SIGTERM", "-i", path, "/bin/sh", "-c", SAVES, stdin=subprocess.PIPE, start_new_session=True)
    assert other.stdout.readline() == "ready\n"
    serving = servers()
    assert len(serving) == 2
    os.killpg(other.pid, signal.SIGTERM)
    assert other.stdout.readline() == "asked\n"
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1):
        for pid in serving:
            os.kill(pid, number)
    said = other.communicate("go on\n", timeout=20)
    assert other.returncode == 0 and "ended before" not in said[1], said
    disks.run("e2fsck", "-f", "-n", path)
    assert sh(mine, path, "cat /root/saved").ok().out == "saved\n"


@pytest.mark.parametrize("how, number", [("never", signal.SIGINT), ("never", signal.SIGTERM), ("never", signal.SIGKILL),
                                         ("mute", signal.SIGKILL)])
def test_a_start_that_is_ended_while_its_server_begins_leaves_nothing(mine, stall, how, number):
    path = stall(how)
    other = mine.start("-q", "--pipe", "-i", path, "/bin/true")
    try:
        runner.until(lambda: len(servers()) == (3 if how == "never" else 2))
        other.send_signal(number)
        # whoever waits for an answer, not even that ends; but who serves hears of no end either
        runner.until(lambda: servers() == [], 10 if how == "never" else 30)
        assert other.wait(timeout=10) == -number
    finally:
        other.kill()
        other.communicate(timeout=30)
    # one that has no command line any more may still be about to close its files
    subprocess.run(["flock", "--exclusive", "--wait", "10", path, "true"], check=True)
    assert machinectl(mine).run("list", "--no-legend").ok().out == ""


@pytest.mark.parametrize("how", ["never", "mute"] if runner.LONG else ["mute"])
def test_a_start_whose_server_does_not_answer_fails_in_time(mine, stall, how):
    done = sh(mine, stall(how), "true", timeout=75 if how == "never" else 35)
    done.failed("cannot")
    assert ("wait any longer" in done.err) == (how == "never"), done
    assert servers() == []


@pytest.mark.parametrize("how", ["never", "mute"])
def test_whoever_looks_into_an_image_waits_for_no_answer_for_long(mine, stall, pool, how):
    path = stall(how)
    os.rename(path, os.path.join(os.path.dirname(path), pool, "stall.raw"))
    done = machinectl(mine).run("image-status", "stall", timeout=20).ok()
    assert "Type: raw" in done.out and "OS: " not in done.out, done
    runner.until(lambda: servers() == [], 10)


@pytest.fixture
def silence():
    """silence(): servers take what they are asked from now on, and do not answer. Who waits then cannot even be killed."""
    made = []

    def tracers(pid):
        for task in os.listdir("/proc/%d/task" % pid):
            with open("/proc/%d/task/%s/status" % (pid, task)) as file:
                yield "TracerPid:\t0\n" not in file.read()

    def silence():
        for pid in servers("/image"):
            made.append(subprocess.Popen(["strace", "-f", "-qq", "-o", "/dev/null", "-e", "inject=writev:error=EAGAIN:signal=STOP", "-p", str(pid)]))
            runner.until(lambda: all(tracers(pid)))
    yield silence
    for process in made:
        process.kill()
        process.wait()


def waiting():
    """How many processes wait for the answer of a file system."""
    count = 0
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/wchan" % entry) as file:
                count += "request_wait_answer" in file.read()
        except OSError:
            continue
    return count


def begin_to_end(mine, way, process):
    """What has to end then."""
    if way == "twice":
        process.terminate()
        while "Trying to halt" not in process.stderr.readline():
            pass
        process.terminate()
    elif way in ("killed", "abandoned"):
        process.kill()
        process.wait(timeout=10)
    return [process] if way in ("twice", "killed") else [process, machinectl(mine).start("terminate", way)]


def test_a_machine_whose_server_gives_no_answer_ends_however_that_is_asked_for(mine, give, parts, silence):
    ways = {"terminate": [], "twice": [], "killed": [], "abandoned": ["--on-supervisor-death=keep"]}
    machines, ends = {}, []
    for way, options in ways.items():
        machines[way] = start(mine, give(parts("ext4"), way + ".raw"), "-M", way, "--kill-signal=SIGTERM", *options, env={"SYSTEMD_LOG_LEVEL": "debug"})
    assert len(servers()) == 2 * len(ways)
    silence()
    # each shell begins a program after the other
    runner.until(lambda: waiting() >= len(ways))
    for way, process in machines.items():
        ends += begin_to_end(mine, way, process)
    for process in ends:
        said = process.communicate(timeout=120)
        assert process.returncode in (0, 1, -signal.SIGKILL), (process.args, said)
    runner.until(lambda: servers() == [], 30)
    assert machinectl(mine).run("list", "--no-legend").ok().out == ""


def spent(pid):
    """Clock ticks that a process has had."""
    with open("/proc/%d/stat" % pid) as file:
        return sum(int(word) for word in file.read().rpartition(")")[2].split()[11:13])


def endless(place, directory):
    trees.unpack("busybox", place + "/tree")
    os.makedirs(place + "/tree/" + directory, exist_ok=True)
    return disks.endless(place + "/endless.ext4", place + "/tree", "/" + directory)


def test_an_image_that_its_server_reads_for_ever_ends_with_its_machine(mine, give, place, group):
    """Until then the machine's limits hold the server."""
    other = start(inside(mine, group), give(endless(place, "endless")), "-M", "endless", "--register=no", "--kill-signal=SIGTERM")
    program, control = servers("/image")[0], machinectl(mine)
    reading = inside(control, group).start("exec", "endless", "--", "cat", "/endless/none")
    runner.until(lambda: spent(program) > 100 or reading.poll() is not None)
    assert reading.poll() is None, reading.communicate()
    assert members(group, "redd-endless/served") == sorted(servers())
    control.run("terminate", "endless", timeout=100)
    for process in (other, reading):
        process.communicate(timeout=60)
    runner.until(lambda: servers() == [], 30)
    assert "redd-endless" not in os.listdir(group) and control.run("list", "--no-legend").ok().out == ""


def test_whoever_looks_into_an_image_that_is_read_for_ever_is_back_soon(mine, give, place, pool):
    give(endless(place, "etc"), pool + "endless.raw")
    assert "OS: " not in machinectl(mine).run("image-status", "endless", timeout=20).ok().out
    runner.until(lambda: servers() == [], 10)


STEPS = ("openat,unshare,setns,socketpair,timerfd_create,sendmsg,recvmsg,fsopen,fsconfig,fsmount,move_mount,mount,pivot_root,setsid,execve,"
         "seccomp,prctl,ioctl,write,fcntl,flock,poll,vfork,clone,clone3")


def test_a_start_that_is_killed_anywhere_leaves_nothing_and_the_next_one_works(mine, give, parts, place):
    """Each time one process of it is: the runner, what waits for a server, the server, or the guest's."""
    path, log = give(parts("ext4")), place + "/calls"

    def traced(*words):
        return sh(mine.with_prefix("strace", "-f", "-qq", "-o", log, *words), path, "echo more >> /root/file", timeout=100)
    traced("-e", "trace=" + STEPS).ok()
    points = [(call, number + 1) for call, most in sorted(count(log).items()) for number in range(min(most, 200))]
    if not runner.LONG:
        points = random.Random(0).sample(points, 15)
    codes = set()
    for call, number in points:
        done = traced("-e", "trace=" + call, "-e", "inject=%s:signal=KILL:when=%d" % (call, number))
        at = "%s number %d: %s" % (call, number, done)
        runner.until(lambda: servers() == [], 90)
        assert machinectl(mine).run("list", "--no-legend").ok().out == "", at
        # a server that was killed itself leaves what it was writing
        assert subprocess.run(["e2fsck", "-f", "-y", path], capture_output=True).returncode in (0, 1), at
        assert sh(mine, path, "echo more >> /root/file").code == 0, at
        codes.add(done.code)
    assert len(codes) > 1, codes
