"""Machines whose tree lies in a disk image: --image=, and NAME.raw where images are."""
import os
import shutil
import signal
import struct
import subprocess
import zlib

import pytest

from support import disks, leaks, runner, trees
from support.disks import MIB
from support.machines import machinectl

POOL = "/run/machines"


@pytest.fixture(scope="module")
def place_module(work_root):
    path = os.path.join(work_root, "disks")
    os.mkdir(path)
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="module")
def source(place_module):
    path = os.path.join(place_module, "source")
    trees.unpack("busybox", path)
    return path


@pytest.fixture(scope="module")
def parts(place_module, source):
    """File systems by name, made once; never written to."""
    made = {}

    def part(kind, name="root"):
        if (kind, name) not in made:
            tree = source
            if name != "root":
                tree = os.path.join(place_module, "of-" + name)
                os.makedirs(tree, exist_ok=True)
                with open(os.path.join(tree, "hello"), "w") as file:
                    file.write("from %s\n" % name)
            made[kind, name] = disks.filesystem(os.path.join(place_module, "%s.%s" % (name, kind)), kind, tree)
        return made[kind, name]
    return part


@pytest.fixture
def image(place, parts):
    """image("ext4"): a copy that the test may write to."""
    def copy(kind="ext4", name="disk.raw"):
        path = os.path.join(place, name)
        subprocess.run(["cp", "--sparse=always", parts(kind), path], check=True)
        return path
    return copy


@pytest.fixture
def pool():
    os.makedirs(POOL)
    yield POOL
    shutil.rmtree(POOL)


def sh(redd, path, script, *options, **more):
    return redd.run("-q", "--pipe", "-i", path, *options, "/bin/sh", "-c", script, **more)


WRITABLE, READ_ONLY = ("ext4", "btrfs", "xfs"), ("squashfs", "erofs")


@pytest.mark.parametrize("kind", WRITABLE)
def test_a_file_system_alone_is_a_tree_and_keeps_what_is_written(redd, image, kind):
    path = image(kind)
    done = sh(redd, path, "echo kept > /root/file; stat -c %u:%g /root/file /etc/passwd; id -u; mount | grep ' on / '").ok()
    assert done.lines[:3] == ["0:0", "0:0", "0"] and "type %s (rw" % kind in done.out, done
    assert sh(redd, path, "cat /root/file").ok().out == "kept\n"


@pytest.mark.parametrize("kind", READ_ONLY)
def test_a_file_system_that_cannot_be_written_is_one_too(redd, parts, kind):
    done = sh(redd, parts(kind), "id -u; stat -c %u /etc/passwd; touch /root/x; mount | grep ' on / '").ok()
    assert done.lines[:2] == ["0", "0"] and "Read-only" in done.err and "type %s (ro" % kind in done.out, done


@pytest.mark.parametrize("kind", READ_ONLY)
def test_a_file_system_that_cannot_be_written_is_shared_by_machines(redd, parts, kind):
    one = redd.start("-q", "--pipe", "-i", parts(kind), "-M", "one", "/bin/sh", "-c", "echo ready; read line", stdin=subprocess.PIPE)
    assert one.stdout.readline() == "ready\n"
    try:
        assert sh(redd, parts(kind), "echo two", "-M", "two").ok().out == "two\n"
    finally:
        one.communicate("end\n", timeout=20)


def test_partitions_are_mounted_where_they_belong(redd, place, parts):
    path = disks.table(os.path.join(place, "gpt.raw"), [
        (disks.ESP, None), (disks.ROOT, parts("ext4")), (disks.HOME, parts("ext4", "home")),
        (disks.SRV, parts("squashfs", "srv"))])
    script = "cat /home/hello /srv/hello; echo more > /home/more; stat -c %u /home/more; touch /srv/x; mount | grep -E ' on /(home|srv) '"
    done = sh(redd, path, script).ok()
    assert done.lines[:3] == ["from home", "from srv", "0"] and "Read-only" in done.err, done
    assert "/home type ext4 (rw,nodev" in done.out and "/srv type squashfs (ro,nodev" in done.out, done
    assert sh(redd, path, "cat /home/more").ok().out == "more\n"
    steps = [step for step in redd.plan("-i", path, "true") if step["kind"] == "partition"]
    assert [(step["target"], step["data"].split()[0]) for step in steps] == [("/", "ext4"), ("/home", "ext4"), ("/srv", "squashfs")]


def test_usr_may_be_a_partition_of_its_own(redd, place, place_module, source):
    root, usr = os.path.join(place, "root"), os.path.join(place, "usr")
    subprocess.run(["cp", "-a", source, root], check=True)
    os.rename(root + "/usr", usr)
    path = disks.table(os.path.join(place, "usr.raw"), [
        (disks.USR, disks.filesystem(place + "/usr.fs", "erofs", usr)), (disks.ROOT, disks.filesystem(place + "/root.fs", "ext4", root))])
    assert sh(redd, path, "cat /etc/os-release; touch /x /usr/x; ls /x").out.startswith("ID=busybox")
    # an overlay covers one file system only
    for mode in ("yes", "state", "overlay"):
        done = sh(redd, path, "ls /usr/bin/sh && touch /etc/x; echo $?", "--volatile=" + mode).ok()
        assert done.lines == ["/usr/bin/sh", "1" if mode == "state" else "0"], done


@pytest.mark.parametrize("kind", ["gpt", "dos", "dos bootable"])
def test_one_partition_for_linux_is_the_root(redd, place, parts, kind):
    if kind == "gpt":
        rows, label = [(disks.LINUX, parts("ext4"))], "gpt"
    elif kind == "dos":
        rows, label = [("c", None), ("83", parts("ext4"))], "dos"
    else:
        rows, label = [("83", None), ("83", parts("ext4"), "bootable")], "dos"
    path = disks.table(os.path.join(place, "one.raw"), rows, label=label)
    assert sh(redd, path, "echo fine").ok().out == "fine\n"


def test_a_partition_that_its_table_marks_read_only_is(redd, place, parts):
    path = disks.table(os.path.join(place, "ro.raw"), [
        (disks.ROOT, parts("ext4")), (disks.HOME, parts("ext4", "home"), 'attrs="GUID:60"'), (disks.SRV, parts("ext4", "srv"), 'attrs="GUID:63"')])
    done = sh(redd, path, "touch /root/x; touch /home/x; ls /srv; true").ok()
    assert "/home/x" in done.err and "Read-only" in done.err and "/root/x" not in done.err and "hello" not in done.out, done


def digest(path):
    return zlib.crc32(open(path, "rb").read())


@pytest.mark.parametrize("way", ["option", "mode", "volatile", "name"])
def test_an_image_that_is_not_to_be_written_stays_as_it_is(redd, image, pool, way):
    path, options = image(), []
    if way == "option":
        options = ["--read-only"]
    elif way == "volatile":
        options = ["--volatile=overlay"]
    else:
        os.chmod(path, 0o444)
    before = digest(path)
    if way == "name":
        shutil.move(path, POOL + "/stays.raw")
        path = POOL + "/stays.raw"
        done = redd.run("-q", "--pipe", "-M", "stays", "/bin/sh", "-c", "touch /etc/new")
    else:
        done = sh(redd, path, "touch /etc/new", *options)
    assert (done.code == 0) == (way == "volatile"), done
    assert digest(path) == before


def test_a_plan_writes_nothing_to_the_image(redd, place, place_module, source, parts):
    bare = os.path.join(place, "bare")
    subprocess.run(["cp", "-a", source, bare], check=True)
    shutil.rmtree(bare + "/srv", ignore_errors=True)
    path = disks.table(os.path.join(place, "gpt.raw"), [
        (disks.ROOT, disks.filesystem(place + "/bare.fs", "ext4", bare)), (disks.HOME, parts("ext4", "home")), (disks.SRV, parts("ext4", "srv"))])
    before = digest(path)
    steps = redd.plan("-i", path, "true")
    assert digest(path) == before
    assert [step["target"] for step in steps if step["kind"] == "partition"] == ["/", "/home", "/srv"]
    # also while a machine runs from it, whose file system it would damage
    other = redd.start("-q", "--pipe", "-i", path, "-M", "first", "/bin/sh", "-c", "echo ready; read line", stdin=subprocess.PIPE)
    assert other.stdout.readline() == "ready\n"
    assert [step["target"] for step in redd.plan("-i", path, "true") if step["kind"] == "partition"] == ["/", "/home", "/srv"]
    other.communicate("go\n", timeout=30)
    assert other.returncode == 0


@pytest.mark.parametrize("options", [[], ["--read-only"]], ids=["", "read-only"])
def test_a_damaged_image_does_not_stop_the_host(redd, image, options):
    path = image()
    disks.run("tune2fs", "-e", "panic", path)
    assert "errors=remount-ro" in sh(redd, path, "grep ' / / ' /proc/self/mountinfo", *options).ok().out


@pytest.mark.parametrize("several", [False, True])
def test_ephemeral_leaves_the_image_as_it_is_and_may_run_twice(redd, place, image, parts, several):
    path = image()
    if several:
        path = disks.table(os.path.join(place, "gpt.raw"), [(disks.ROOT, parts("ext4")), (disks.HOME, parts("ext4", "home"))])
    before = digest(path)
    script = "echo mine > /etc/mine; echo mine > /home/mine; echo ready; read line; cat /etc/mine"
    others = [redd.start("-q", "--pipe", "-x", "-i", path, "/bin/sh", "-c", "mkdir -p /home; " + script, stdin=subprocess.PIPE) for _ in range(2)]
    for other in others:
        assert other.stdout.readline() == "ready\n", other.communicate()
    for other in others:
        out, err = other.communicate("go\n", timeout=30)
        assert out == "mine\n" and other.returncode == 0, err
    assert digest(path) == before


def test_an_image_is_locked_while_it_is_written(redd, image):
    path = image()
    first = redd.start("-q", "--pipe", "-i", path, "-M", "first", "/bin/sh", "-c", "echo ready; read line", stdin=subprocess.PIPE)
    assert first.stdout.readline() == "ready\n"
    sh(redd, path, "true", "-M", "second").failed("cannot use the tree", "it is in use")
    first.communicate("go\n", timeout=30)
    assert first.returncode == 0


def test_a_block_device_is_an_image(redd, place, image, parts):
    path = disks.table(os.path.join(place, "gpt.raw"), [(disks.ROOT, parts("ext4"))])
    device = disks.run("losetup", "--find", "--show", path, text=True).stdout.strip()
    try:
        sh(redd, device, "echo kept > /root/file", "-M", "device").ok()
        assert sh(redd, device, "cat /root/file", "-M", "device", "--read-only").ok().out == "kept\n"
    finally:
        disks.run("losetup", "--detach", device)


def test_it_boots_reboots_and_stops_by_name(redd, image, pool):
    shutil.move(image(), pool + "/disky.raw")
    console = redd.console("-q", "-b", "-M", "disky")
    console.expect("rcS: started")
    console.line("")
    assert console.ask("echo stays > /root/stays; cat /proc/1/comm") == "init"
    console.line("reboot")
    console.expect("rcS: started")
    console.line("")
    assert console.ask("cat /root/stays") == "stays"
    console.line("poweroff")
    assert console.wait() == 0


def test_what_is_in_an_image_is_told_where_it_may_be_read(redd, image, pool):
    path, control, before = pool + "/disky.raw", machinectl(redd), leaks.loops()
    shutil.move(image(), path)
    sum_before = digest(path)
    assert "\t      OS: " in control.run("image-status", "disky").ok().out
    assert digest(path) == sum_before and leaks.loops() == before
    runner.until(lambda: leaks.loops() == before, 10)
    other = redd.start("-q", "--pipe", "-M", "disky", "/bin/sh", "-c", "echo ready; read line", stdin=subprocess.PIPE)
    assert other.stdout.readline() == "ready\n"
    assert "OS: " not in control.run("image-status", "disky").ok().out
    other.communicate("go\n", timeout=30)
    # it is not the image that its maker has vouched for
    with open(pool + "/disky.roothash", "w") as file:
        file.write("0" * 64 + "\n")
    assert "OS: " not in control.run("image-status", "disky").ok().out


def test_the_kernel_reads_no_file_system_to_tell_what_is_in_an_image(redd, image, pool, place):
    """Not as root either."""
    control = machinectl(redd).with_prefix("strace", "-f", "-qq", "-o", place + "/log", "-e", "trace=fsopen,mount,ioctl")
    for kind, told in (("ext4", True), ("squashfs", True), ("btrfs", False), ("xfs", False)):
        shutil.move(image(kind), pool + "/disky.raw")
        assert ("OS: Busybox tree" in control.run("image-status", "disky").ok().out) == told, kind
        with open(place + "/log") as file:
            log = file.read()
        assert ('fsopen("fuse"' in log) == told and not any(word in log for word in ('fsopen("%s"' % kind, "LOOP_", 'mount("/dev')), log


def test_nothing_is_left_after_it_is_killed(redd, image):
    path, before = image(), leaks.loops()
    other = redd.start("-q", "--pipe", "-i", path, "-M", "killed", "/bin/sh", "-c", "echo ready; read line", stdin=subprocess.PIPE)
    assert other.stdout.readline() == "ready\n" and len(leaks.loops()) == len(before) + 1
    other.send_signal(signal.SIGKILL)
    other.communicate(timeout=20)
    redd.run("--cleanup", "-M", "killed").ok()
    runner.until(lambda: leaks.loops() == before, 10)
    assert sh(redd, path, "echo again", "-M", "killed").ok().out == "again\n"


WAITS = "echo ready; trap 'exit 0' TERM; while :; do sleep 0.1; done"


def note(name, kind):
    with open("/run/redd/machines/" + name) as file:
        return [line.split("=", 1)[1] for line in file.read().splitlines() if line.startswith(kind + "=")][-1]


def reboot(control, name):
    leader = note(name, "leader")
    control.run("exec", name, "--", "reboot", "-f")
    runner.until(lambda: note(name, "leader") != leader)
    runner.until(lambda: control.run("exec", name, "--", "true").code == 0)


@pytest.mark.parametrize("options", [[], ["-x"]], ids=["", "ephemeral"])
def test_a_reboot_after_the_supervisor_was_replaced_goes_on_with_the_same_disk(redd, place, parts, options):
    path = disks.table(os.path.join(place, "gpt.raw"), [(disks.ROOT, parts("ext4")), (disks.HOME, parts("ext4", "home"))])
    control, before = machinectl(redd), digest(path)
    other = redd.start("-q", "--pipe", "-i", path, "-M", "same", *options, "/bin/sh", "-c", WAITS)
    assert other.stdout.readline() == "ready\n", other.communicate()
    runner.until(lambda: control.run("exec", "same", "--", "sh", "-c", "echo stays > /root/stays; echo too > /home/stays").code == 0)
    for _ in range(2):
        control.run("reexec", "same").ok()
        reboot(control, "same")
        assert control.run("exec", "same", "--", "cat", "/root/stays", "/home/stays").ok().out == "stays\ntoo\n"
    other.terminate()
    other.communicate(timeout=20)
    assert (digest(path) == before) == bool(options)


def test_an_abandoned_machine_keeps_its_disk_and_is_adopted(redd, image):
    path, control, before = image(), machinectl(redd), leaks.loops()
    other = redd.start("-q", "--pipe", "-i", path, "-M", "kept", "--on-supervisor-death=keep", "/bin/sh", "-c", WAITS)
    assert other.stdout.readline() == "ready\n", other.communicate()
    runner.until(lambda: control.run("exec", "kept", "--", "true").code == 0)
    other.kill()
    other.wait(timeout=20)  # its output is the machine's, too
    control.run("exec", "kept", "--", "sh", "-c", "echo stays > /root/stays").ok()
    control.run("adopt", "kept").ok()
    assert control.run("exec", "kept", "--", "cat", "/root/stays").ok().out == "stays\n"
    sh(redd, path, "true", "-M", "another").failed("it is in use")
    control.run("terminate", "kept").ok()
    other.communicate(timeout=20)
    runner.until(lambda: leaks.loops() == before, 10)
    assert sh(redd, path, "cat /root/stays", "-M", "kept").ok().out == "stays\n"


def test_machinectl_starts_an_image_by_name(redd, image, pool):
    shutil.move(image(), pool + "/byname.raw")
    control = machinectl(redd)
    control.run("start", "byname").ok()
    try:
        runner.until(lambda: control.run("exec", "byname", "--", "true").code == 0)
        assert control.run("exec", "byname", "--", "cat", "/proc/1/comm").ok().out == "init\n"
    finally:
        control.run("terminate", "byname")
        runner.until(lambda: not os.path.exists("/run/redd/machines/byname"))


# ---- what is refused ----

def refused(redd, path, *words, options=()):
    before = leaks.loops()
    done = sh(redd, path, "true", *options).failed("cannot", *words)
    assert done.err.count("\n") == 1 and leaks.loops() == before, done


def gpt_again(path, change):
    """CHANGE(header, entries) with sums that are right again."""
    with open(path, "r+b") as file:
        file.seek(512)
        header = bytearray(file.read(92))
        file.seek(1024)
        entries = bytearray(file.read(128 * 128))
        change(header, entries)
        struct.pack_into("<I", header, 88, zlib.crc32(entries))
        header[16:20] = bytes(4)
        struct.pack_into("<I", header, 16, zlib.crc32(header))
        file.seek(512)
        file.write(header)
        file.seek(1024)
        file.write(entries)


def overlapping(header, entries):
    entries[128 + 32:128 + 48] = entries[32:48]


def absurd(header, entries):
    struct.pack_into("<QQ", entries, 32, 2 ** 62, 2 ** 63)


def backwards(header, entries):
    struct.pack_into("<QQ", entries, 32, 4096, 2048)


def many(header, entries):
    struct.pack_into("<I", header, 80, 2 ** 31)


@pytest.mark.parametrize("change, words", [
    (overlapping, "overlap"), (absurd, "do not fit"), (backwards, "damaged"), (many, "damaged")], ids=lambda value: getattr(value, "__name__", ""))
def test_a_table_that_cannot_be_is_refused(redd, place, parts, change, words):
    path = disks.table(os.path.join(place, "bad.raw"), [(disks.ROOT, parts("ext4")), (disks.HOME, parts("ext4", "home"))])
    gpt_again(path, change)
    refused(redd, path, words)


def test_a_table_with_a_wrong_sum_is_refused(redd, place, parts):
    path = disks.table(os.path.join(place, "bad.raw"), [(disks.ROOT, parts("ext4"))])
    with open(path, "r+b") as file:
        file.seek(1024 + 56)
        file.write(b"x")
    refused(redd, path, "its partition table is damaged")


@pytest.mark.parametrize("what, words", [
    ("empty", "neither a partition table"), ("noise", "neither a partition table"), ("short table", "do not fit"),
    ("short file system", "larger than its place"), ("no root", "no partition with a root"), ("foreign", "another kind of processor"),
    ("two roots", "several partitions"), ("two for linux", "several partitions"), ("unknown", "no file system that is known"),
    ("luks", "encrypted"), ("fifo", "neither a file nor a block device"), ("directory", "--directory="), ("missing", "No such file")])
def test_what_is_no_image_is_refused(redd, place, parts, what, words):
    path = os.path.join(place, "bad.raw")
    luks = disks.blank(path + ".luks", MIB)
    with open(luks, "r+b") as file:
        file.write(b"LUKS\xba\xbe\0\1")
    tables = {"no root": [(disks.HOME, parts("ext4"))], "foreign": [(disks.ARM, parts("ext4"))],
              "two roots": [(disks.ROOT, parts("ext4"))] * 2, "two for linux": [(disks.LINUX, parts("ext4"))] * 2,
              "unknown": [(disks.ROOT, None)], "luks": [(disks.ROOT, luks)], "short table": [(disks.ROOT, parts("ext4"))]}
    if what in tables:
        disks.table(path, tables[what])
    if what == "short table":
        os.truncate(path, 8 * MIB)
    elif what == "short file system":
        shutil.copy(parts("ext4"), path)
        os.truncate(path, 8 * MIB)
    elif what == "empty":
        disks.blank(path, 0)
    elif what == "noise":
        with open(path, "wb") as file:
            file.write(bytes(range(256)) * 4096)
    elif what == "fifo":
        os.mkfifo(path)
    elif what == "directory":
        os.mkdir(path)
    refused(redd, path, words)


@pytest.mark.parametrize("where", ["file", "attribute", "option"])
def test_an_image_with_a_root_hash_is_not_run_without_it_unless_that_is_asked_for(redd, image, where):
    path, options = image(), []
    if where == "file":
        with open(path[:-len(".raw")] + ".roothash", "w") as file:
            file.write("00" * 32 + "\n")
    elif where == "option":
        options = ["--root-hash=" + "00" * 32]
    else:
        try:
            os.setxattr(path, "user.verity.roothash", b"00" * 32)
        except OSError:
            pytest.skip("this file system has no such attributes")
    refused(redd, path, "no partitions of it belong to the root hash", "--verity-data=", options=options)
    if where != "option":
        assert sh(redd, path, "echo fine", env={"SYSTEMD_DISSECT_VERITY": "0"}).ok().out == "fine\n"


@pytest.mark.skipif(os.path.exists("/dev/mapper/control"), reason="here it works, as tests/hosts/test_verity.py tries")
@pytest.mark.parametrize("where", ["beside", "options", "partition"])
def test_where_nothing_can_be_verified_nothing_is_run(redd, place, parts, image, where):
    path = image()
    tree = path[:-len(".raw")] + ".verity"
    root_hash = disks.hashes(tree, path, "--data-block-size=1024")
    options = []
    if where == "beside":
        with open(path[:-len(".raw")] + ".roothash", "w") as file:
            file.write(root_hash.upper())
    elif where == "options":
        os.rename(tree, place + "/elsewhere")
        options = ["--root-hash=" + root_hash, "--verity-data=" + place + "/elsewhere"]
    else:
        ids = disks.halves(root_hash)
        path = disks.table(place + "/gpt.raw", [(disks.ROOT, parts("ext4")), (disks.ROOT, path, "uuid=" + ids[0]), (disks.ROOT_VERITY, tree, "uuid=" + ids[1])])
        refused(redd, path, "several partitions")
        options = ["--root-hash=" + root_hash]
    refused(redd, path, "no device-mapper", "modprobe dm-verity", options=options)


def test_hashes_that_cannot_be_right_are_refused(redd, place, image):
    path = image()
    other = disks.blank(place + "/other", 32 * MIB)
    tree, hash_file = path[:-len(".raw")] + ".verity", path[:-len(".raw")] + ".roothash"
    root_hash = disks.hashes(tree, path)
    refused(redd, path, "there is no root hash")
    for text, words in (("x" * 64, "16 bytes in hexadecimal"), ("00", "16 bytes in hexadecimal"), (root_hash + " x", "16 bytes in hexadecimal"),
                        ("0" * 2000, "File too large"), ("00" * 16, "not the length of sha256")):
        with open(hash_file, "w") as file:
            file.write(text)
        refused(redd, path, words)
    given = ["--root-hash=" + root_hash]
    for name, words in (("none", "No such file"), ("", "neither a file nor"), ("noise", "hashes are damaged"), ("md5", "not known to be safe"),
                        ("larger", "not of this image")):
        data = place + "/" + name
        if name == "noise":
            disks.blank(data, MIB)
        elif name == "md5":
            disks.hashes(data, path, "--hash=md5")
        elif name == "larger":
            disks.hashes(data, other)
        refused(redd, path, words, options=[*given, "--verity-data=" + data])
    redd.run("-q", "--pipe", "-D", place, *given, "true").failed("it is for a disk image", "--image=")


def test_what_looks_into_images_can_do_nothing_else(redd, place, parts):
    """Its last words before it reads show that the walls are there."""
    program = os.path.join(os.path.dirname(redd.path), "redd-dissect")
    with open(parts("ext4"), "rb") as image:
        done = subprocess.run(["strace", "-f", "-o", place + "/log", program], stdin=image, capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.startswith("fine\nroot ext4 rw 0 "), done
    with open(place + "/log") as log:
        lines = [line.split(None, 1)[1] for line in log]
    first = next(i for i, line in enumerate(lines) if line.startswith("pread64(0,") or line.startswith("read(0,"))
    before = "\n".join(lines[:first])
    for word in ("CLONE_NEWUSER", "CLONE_NEWNET", "CLONE_NEWPID", "PR_SET_NO_NEW_PRIVS", "SECCOMP_SET_MODE_FILTER"):
        assert word in before, word
    after = {line.split("(")[0] for line in lines[first:] if "(" in line and not line.startswith(("+++", "---", "<..."))}
    assert after <= {"pread64", "write", "exit_group", "wait4"}, after
