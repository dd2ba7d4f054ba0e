"""importctl: what comes in and goes out, and the transfers that do it."""
import gzip
import hashlib
import json
import os
import shutil
import signal
import stat
import subprocess
import tarfile

import pytest

from support import machines, pool as pools, runner, trees
from support.archives import directory, entry, header, tar
from support.console import Console
from support.pool import POOL

OS_RELEASE = "ID=demo\nVERSION_ID=1\n"
TRANSFERS = "/run/redd/transfers"


@pytest.fixture(scope="module")
def control(redd):
    return machines.importctl(redd)


@pytest.fixture(scope="module", params=pools.KINDS)
def disk(request, work_root):
    kind, image = request.param, os.path.join(work_root, "transfers-" + request.param)
    pools.make(kind, image)
    yield kind, image
    if os.path.exists(image):
        os.unlink(image)


@pytest.fixture
def pool(disk):
    pools.mount(*disk)
    yield disk[0]
    pools.empty()
    pools.unmount()


@pytest.fixture
def plain():
    """The directory in memory."""
    pools.mount("tmpfs", None)
    yield POOL
    pools.unmount()


@pytest.fixture
def no_transfers():
    """None is left, and none is noted."""
    yield
    assert not os.path.isdir(TRANSFERS) or [name for name in os.listdir(TRANSFERS) if name != "last"] == []


def full_tree(path, attributes=True):
    """A tree with all that an archive must keep."""
    os.makedirs(path + "/usr/lib")
    os.makedirs(path + "/etc")
    os.makedirs(path + "/var/empty", mode=0o500)
    with open(path + "/usr/lib/os-release", "w") as file:
        file.write(OS_RELEASE)
    with open(path + "/etc/hostname", "w") as file:
        file.write("inside\n")
    os.link(path + "/etc/hostname", path + "/etc/other-name")
    os.chown(path + "/etc/hostname", 7, 8)
    os.symlink("../usr/lib/os-release", path + "/etc/os-release")
    os.mkfifo(path + "/etc/fifo", 0o640)
    os.mknod(path + "/etc/null", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    with open(path + "/var/holes", "wb") as file:
        file.truncate(8 << 20)
        file.seek(4 << 20)
        file.write(b"middle")
    with open(path + "/usr/lib/suid", "wb") as file:
        file.write(os.urandom(300000))
    os.chmod(path + "/usr/lib/suid", 0o4755)
    if attributes:
        os.setxattr(path + "/etc/hostname", "user.note", b"kept\0too")
        os.setxattr(path + "/usr/lib/suid", "security.capability", bytes.fromhex("0100000200040000000000000000000000000000"))
        subprocess.run(["setfacl", "-m", "u:17:r", path + "/etc/hostname"], check=True)
        subprocess.run(["setfacl", "-d", "-m", "g:18:rx", path + "/etc"], check=True)
    for name in ("etc/hostname", "usr/lib", "etc", ""):
        os.utime(os.path.join(path, name), ns=(1234567890123456789, 1234567890987654321))


@pytest.fixture(scope="module")
def source(work_root):
    path = os.path.join(work_root, "import-source")
    full_tree(path, attributes=False)
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="module")
def archive(work_root, source):
    path = os.path.join(work_root, "web.tar")
    subprocess.run(["tar", "-C", source, "--numeric-owner", "--sparse", "-cf", path, "."], check=True)
    yield path
    os.unlink(path)


def transfers(control, *options):
    return json.loads(control.run("list-transfers", "--json=short", *options).ok().out)


class Held:
    """A transfer that has begun to read from a pipe, and waits for more."""

    def __init__(self, control, place, *words, given=b""):
        self.path = os.path.join(place, "held-%d" % len(os.listdir(place)))
        os.mkfifo(self.path)
        self.process = control.start(*[self.path if word == "FILE" else word for word in words])
        self.pipe = os.open(self.path, os.O_WRONLY)
        os.write(self.pipe, given)
        self.entry = runner.until(lambda: [one for one in transfers(control) if one["local"] == words[-1]])[0]
        with open("%s/%d" % (TRANSFERS, self.entry["id"])) as file:
            self.pid = int(dict(line.strip().split("=", 1) for line in file if "=" in line)["PID"])

    def worker(self):
        return runner.until(lambda: runner.children(self.pid))[0]

    def end(self, code):
        """The front end's exit status."""
        if self.pipe >= 0:
            os.close(self.pipe)
        self.pipe = -1
        out, err = self.process.communicate(timeout=30)
        assert self.process.returncode == code, (self.process.returncode, out, err)
        return out, err


# ---- lists ----

def test_none_are_none(control, plain):
    assert control.run().ok().out == "No transfers.\n"
    assert control.run("list-transfers", "--no-legend").ok().out == ""
    assert control.run("-j").ok().out == "[]\n"
    assert control.run("list-images").ok().out == "No images.\n"
    assert control.run("list-images", "--json=short").ok().out == "[]\n"


def test_images_of_all_classes_are_listed(control, plain):
    os.makedirs(POOL + "/web")
    os.makedirs(POOL + "/.hidden")
    os.makedirs("/var/lib/extensions/tool")
    with open("/var/lib/portables-test", "w"):
        pass
    os.unlink("/var/lib/portables-test")
    try:
        lines = control.run("list-images").ok().lines
        assert lines[0].split() == ["CLASS", "NAME", "TYPE", "PATH", "RO", "CRTIME", "MTIME", "USAGE", "LIMIT"]
        assert [line.split()[:5] for line in lines[1:3]] == [["machine", "web", "directory", POOL + "/web", "rw"],
                                                             ["sysext", "tool", "directory", "/var/lib/extensions/tool", "rw"]]
        assert lines[-1] == "2 images listed."
        found = json.loads(control.run("list-images", "--json=short").ok().out)
        assert found[0]["ro"] is False and found[0]["usage-exclusive"] is None and len(found[0]) == 11
        assert [one["name"] for one in json.loads(control.run("-Sj", "list-images").ok().out)] == ["tool"]
        assert json.loads(control.run("--class=confext", "-j", "list-images").ok().out) == []
    finally:
        shutil.rmtree("/var/lib/extensions")


def test_what_a_transfer_does_is_listed(control, plain, place, no_transfers):
    held = Held(control, place, "-m", "import-tar", "FILE", "web")
    lines = control.run("list-transfers").ok().lines
    assert lines[0].split() == ["ID", "PROGRESS", "TYPE", "CLASS", "LOCAL", "REMOTE"]
    assert lines[1].split() == [str(held.entry["id"]), "-", "import-tar", "machine", "web", "-"]
    assert lines[-1] == "1 transfers listed."
    assert held.entry == {"id": held.entry["id"], "progress": None, "type": "import-tar", "class": "machine", "local": "web", "remote": None}
    assert transfers(control, "--class=sysext") == []
    assert len(pools.hidden()) == 1
    held.end(1)
    assert pools.hidden() == [] and os.listdir(POOL) == []


# ---- words ----

@pytest.mark.parametrize("words,said", [
    (["import-fs", "SOURCE"], "without a class (try --class=machine, or -m)"),
    (["export-tar", "web"], "without a class"),
    (["-m", "import-tar", "-"], "cannot tell what to call the image"),
    (["-m", "import-tar", "/nowhere.tar"], "cannot open '/nowhere.tar'"),
    (["-m", "import-tar", "SOURCE"], "it is a directory (try import-fs)"),
    (["-m", "import-fs", "/nowhere"], "cannot open the directory '/nowhere'"),
    (["-m", "import-fs", "/"], "cannot tell what to call an image of '/'"),
    (["-m", "import-fs", "SOURCE", ".#x"], "cannot use '.#x' as the name of an image"),
    (["-m", "import-fs", "SOURCE", "a/b"], "cannot use 'a/b' as the name of an image"),
    (["-m", "export-tar", "none"], "cannot find the image 'none'"),
    (["-m", "export-tar", "a/b"], "cannot use 'a/b' as the name of an image"),
    (["--class=thing", "list-images"], "--class"),
    (["--format=rar", "export-tar", "x"], "--format"),
    (["--keep-download=maybe", "list-images"], "--keep-download"),
    (["--user", "list-images"], "root's images are those of the system"),
    (["cancel-transfer", "x"], "cannot use 'x' as a transfer: it is no number"),
    (["cancel-transfer", "4000000000"], "cannot find transfer 4000000000: there is none"),
    (["cancel-transfer"], "cancel-transfer"),
    (["import-thing", "x"], "no such command"),
], ids=lambda value: " ".join(value) if isinstance(value, list) else "")
def test_what_cannot_be_done_is_said_in_a_sentence(control, plain, source, words, said):
    done = control.run(*[source if word == "SOURCE" else word for word in words]).failed(said)
    assert len(done.err.strip().splitlines()) == 1 and done.out == ""
    assert os.listdir(POOL) == []


def test_values_of_options_are_listed(control):
    assert control.run("--class=help").ok().lines == ["machine", "portable", "sysext", "confext"]
    assert control.run("--verify=help").ok().lines == ["signature", "checksum", "no"]
    assert control.run("--format=help").ok().lines[0] == "uncompressed"
    assert control.run("--version").ok().out.startswith("importctl (Redd) ")
    assert "--keep-download=BOOL" in control.run("--help").ok().out
    assert control.run("help").ok().out == control.run("-h").ok().out


# ---- import-fs, import-tar, export-tar ----

def test_a_name_in_a_notice_is_one_line(control, plain, place):
    """Class S24: of the archive nothing can look like what importctl says itself."""
    with open(place + "/x.tar", "wb") as file:
        file.write(tar(directory(b"usr/"), entry(b"a\nDone\x1b[2J", kind=b"Z")))
    done = control.run("-m", "import-tar", place + "/x.tar").ok()
    assert len(done.err.splitlines()) == 1 and "a\\x0aDone\\x1b[2J" in done.err, done.err


def test_a_tree_comes_in_and_goes_out_as_it_is(control, pool, place, no_transfers):
    tree = os.path.join(POOL, "source")
    full_tree(tree, attributes=pool != "tmpfs")
    control.run("-m", "import-fs", tree, "first").ok()
    assert pools.differences(tree, POOL + "/first") == ""
    control.run("-m", "export-tar", "first", place + "/out.tar.zst").ok()
    control.run("-m", "import-tar", place + "/out.tar.zst", "second").ok()
    assert pools.differences(tree, POOL + "/second") == ""
    for name in ("", "etc", "etc/hostname", "usr/lib/suid"):
        one, other = os.lstat(os.path.join(tree, name)), os.lstat(os.path.join(POOL, "second", name))
        assert one.st_mtime_ns == other.st_mtime_ns, name
    assert os.stat(POOL + "/second/var/holes").st_blocks < 2000
    assert os.stat(POOL + "/second/etc/null").st_rdev == os.makedev(1, 3)
    kind = {row["name"]: row["type"] for row in json.loads(control.run("-mj", "list-images").ok().out)}
    expected = "subvolume" if pool == "btrfs" else "directory"
    assert kind["first"] == kind["second"] == expected
    assert pools.hidden() == [] and stat.S_IMODE(os.stat(POOL).st_mode) == 0o700


def test_owners_of_all_ranges_stay(control, pool, place):
    """Those of users in large directories, and of trees that belong to the range of a container."""
    owners = [0, 65533, 65535, 268304384, 524288, 1879048191, 1879048192, 2000200000, 0x7FFE0001, 0x7FFFFFFE]
    os.makedirs(POOL + "/web/usr")
    for owner in owners:
        path = "%s/web/usr/%d" % (POOL, owner)
        open(path, "w").close()
        os.mknod(path + "-node", stat.S_IFCHR | 0o600, os.makedev(1, 3))
        for one in (path, path + "-node"):
            os.chown(one, owner, owner)
    control.run("-m", "export-tar", "web", place + "/web.tar").ok()
    with tarfile.open(place + "/web.tar") as archive:
        assert {int(entry.name.split("/")[-1].split("-")[0]): (entry.uid, entry.gid) for entry in archive if entry.name[-1].isdigit()} == \
            {owner: (owner, owner) for owner in owners}
    assert "owners" not in control.run("-m", "import-tar", place + "/web.tar", "back").ok().err
    assert pools.differences(POOL + "/web", POOL + "/back") == ""


def test_a_whole_system_goes_out_and_comes_in_as_it_is(control, work_root, plain, place):
    """Debian's tree, whose owners, times, links and capabilities are what real ones have."""
    os.symlink(trees.tree("bookworm"), POOL + "/bookworm")
    control.run("-m", "export-tar", "bookworm", place + "/out.tar").ok()
    control.run("-m", "import-tar", place + "/out.tar", "again").ok()
    assert pools.differences(trees.tree("bookworm"), POOL + "/again") == ""
    assert sorted(os.listdir(POOL)) == ["again", "bookworm"]


def test_a_bomb_leaves_nothing(control, plain, place, no_transfers):
    path, size = place + "/bomb.tar.zst", 300 << 20
    with subprocess.Popen(["zstd", "-q", "-o", path], stdin=subprocess.PIPE) as pipe:
        pipe.stdin.write(header(b"zeros", size=size))
        for _ in range(size >> 20):
            pipe.stdin.write(bytes(1 << 20))
    control.run("-m", "import-tar", path, "bomb").failed("made to fill the disk")
    assert os.listdir(POOL) == []


@pytest.mark.parametrize("command,ending", [("gzip", ".tar.gz"), ("xz -0", ".tar.xz"), ("zstd", ".tar.zst"), ("bzip2", ".tar.bz2"), ("lz4", ".tar.lz4"), ("cat", ".tar")])
def test_compression_is_known_by_content(control, plain, source, archive, place, command, ending):
    for name in ("web" + ending, "misleading.tar"):
        subprocess.run("%s <%s >%s" % (command, archive, os.path.join(place, name)), shell=True, check=True)
        control.run("-m", "import-tar", os.path.join(place, name)).ok()
    assert sorted(os.listdir(POOL)) == ["misleading", "web"]
    assert pools.differences(source, POOL + "/web") == ""


@pytest.mark.parametrize("form,ending,magic", [(None, "", b"ustar"), ("gzip", "", b"\x1f\x8b"), (None, ".tar.xz", b"\xfd7zXZ"), ("zstd", ".tar.gz", b"\x28\xb5\x2f\xfd"),
                                              (None, ".bz2", b"BZh"), ("uncompressed", ".gz", b"ustar")])
def test_the_form_of_an_export_is_an_option_or_an_ending(control, plain, source, place, form, ending, magic):
    control.run("-m", "import-fs", source, "web").ok()
    path = os.path.join(place, "out" + ending)
    control.run("-m", *(["--format=" + form] if form else []), "export-tar", "web", path).ok()
    with open(path, "rb") as file:
        file.seek(257 if magic == b"ustar" else 0)
        assert file.read(len(magic)) == magic


def test_standard_input_and_output_do(control, plain, source, archive):
    with open(archive, "rb") as file:
        control.run("-m", "import-tar", "-", "web", input=file.read(), text=False).ok()
    done = control.run("-m", "export-tar", "web", text=False).ok()
    assert done.err == b""
    control.run("-m", "import-tar", "-", "again", input=done.out, text=False).ok()
    assert pools.differences(source, POOL + "/again") == ""
    done = control.run("-m", "--json=short", "export-tar", "web", "-", text=False).ok()
    assert json.loads(done.err.splitlines()[-1])["event"] == "done" and done.out[257:262] == b"ustar"


def test_a_directory_around_the_tree_is_left_out(control, plain, source, place):
    subprocess.run(["tar", "-C", os.path.dirname(source), "-cf", place + "/around.tar", os.path.basename(source)], check=True)
    control.run("-m", "import-tar", place + "/around.tar").ok()
    assert pools.differences(source, POOL + "/around") == ""


def test_a_directory_is_called_as_it_is(control, plain, source):
    control.run("-m", "import-fs", source).ok()
    control.run("-m", "import-fs", "-", cwd=source).failed("there already")
    assert os.listdir(POOL) == [os.path.basename(source)]


def test_a_directory_that_holds_the_image_has_an_end(control, plain, source):
    control.run("-m", "import-fs", source, "one").ok()
    control.run("-m", "import-fs", POOL, "all", timeout=30).ok()
    assert sorted(os.listdir(POOL)) == ["all", "one"] and os.listdir(POOL + "/all") == ["one"]
    subprocess.run(["diff", "-r", "--no-dereference", POOL + "/one/usr", POOL + "/all/one/usr"], check=True)


def test_classes_have_directories_of_their_own(control, plain, source):
    try:
        control.run("-S", "import-fs", source, "tool").ok()
        assert os.path.isdir("/var/lib/extensions/tool/etc") and os.listdir(POOL) == []
        control.run("--class=sysext", "export-tar", "tool", "/dev/null").ok()
        control.run("-m", "export-tar", "tool").failed("cannot find the image 'tool'")
    finally:
        shutil.rmtree("/var/lib/extensions", ignore_errors=True)


def test_a_read_only_image_cannot_be_changed(control, pool, source):
    control.run("-m", "--read-only", "import-fs", source, "web").ok()
    with pytest.raises(OSError):
        open(POOL + "/web/new", "w")
    assert json.loads(control.run("-mj", "list-images").ok().out)[0]["ro"] is True
    control.run("-m", "--force", "import-fs", source, "web").ok()
    open(POOL + "/web/new", "w").close()
    assert pools.hidden() == []


def test_an_export_of_what_is_removed_meanwhile_fails(redd, control, plain, place, no_transfers):
    os.makedirs(POOL + "/web/usr")
    for number in range(40):
        with open(POOL + "/web/usr/%d" % number, "wb") as file:
            file.write(os.urandom(1 << 20))
    os.mkfifo(place + "/out")
    one = control.start("-m", "export-tar", "web", place + "/out")
    with open(place + "/out", "rb") as pipe:
        assert pipe.read(1)
        machines.machinectl(redd).run("remove", "web").ok()
        while pipe.read(1 << 20):
            pass
    assert "cannot copy 'web': it was removed or replaced meanwhile" in one.communicate(timeout=30)[1] and one.returncode == 1


@pytest.mark.parametrize("how", ["clone", "import-fs", "export-oci"])
def test_a_copy_of_what_is_removed_meanwhile_is_whole_or_none(redd, control, plain, place, no_transfers, how):
    other = machines.machinectl(redd)
    for number in range(3000):
        os.makedirs(POOL + "/web/usr/%d" % number)
        with open(POOL + "/web/usr/%d/file" % number, "wb") as file:
            file.write(b"x" * 5000)
    if how == "clone":
        one = other.start("clone", "--copy", "web", "copy")
    elif how == "import-fs":
        one = control.start("-m", "import-fs", POOL + "/web", "copy")
    else:
        one = control.start("export-oci", "web", "oci-archive:" + place + "/copy")
    runner.until(lambda: one.poll() is not None or any(name.startswith(".#") for name in os.listdir(POOL)) or how == "export-oci")
    other.run("remove", "web").ok()
    err = one.communicate(timeout=30)[1]
    if one.returncode == 0:
        if how == "export-oci":
            control.run("-m", "import-oci", place + "/copy", "copy").ok()
            control.run("-m", "export-tar", "copy", place + "/copy.tar").ok()
            with tarfile.open(place + "/copy.tar") as archive:
                assert len(archive.getnames()) >= 6002
        else:
            assert len(os.listdir(POOL + "/copy/usr")) == 3000
    else:
        assert "web" in err and not os.path.exists(POOL + "/copy") and not os.path.exists(place + "/copy"), err
    assert pools.hidden() == []


def test_what_is_there_is_replaced_by_force_only(control, plain, source, archive):
    os.makedirs(POOL + "/web/old")
    control.run("-m", "import-tar", archive).failed("cannot make image 'web': it is there already", "--force")
    assert os.listdir(POOL + "/web") == ["old"]
    control.run("-m", "--force", "import-tar", archive).ok()
    assert pools.differences(source, POOL + "/web") == "" and pools.hidden() == []


@pytest.mark.parametrize("other", ["import-raw", "clone"])
def test_two_at_once_do_not_get_one_name(redd, control, plain, place, source, archive, no_transfers, other):
    """In different forms, which no rename tells apart: who comes last is told."""
    control.run("-m", "import-fs", source, "original").ok()
    with open(archive, "rb") as file:
        held = Held(control, place, "-m", "import-tar", "FILE", "web", given=file.read(512))
        if other == "clone":
            machines.machinectl(redd).run("clone", "original", "web").ok()
        else:
            with open(place + "/disk.raw", "wb") as disk:
                disk.write(b"disk" * 1000)
            control.run("-m", "import-raw", place + "/disk.raw", "web").ok()
        os.write(held.pipe, file.read())
    assert "cannot make image 'web': it is there already, as '%s/web%s'" % (POOL, ".raw" if other == "import-raw" else ".mstack") in held.end(1)[1]
    found = [one["name"] for one in json.loads(control.run("-mj", "list-images").ok().out)]
    assert found == ["original", "web"] and not os.path.exists(POOL + "/web")
    machines.machinectl(redd).run("remove", "web").ok()
    machines.machinectl(redd).run("image-status", "web").failed("cannot find the image 'web'")
    assert pools.hidden() == []


def test_an_image_in_use_stays(redd, control, plain, fresh, archive):
    shutil.copytree(fresh(), POOL + "/web", symlinks=True)
    running = machines.Machine(redd, "web", POOL + "/web")
    try:
        control.run("-m", "--force", "import-tar", archive).failed("in use")
    finally:
        running.stop()
    assert os.path.exists(POOL + "/web/usr/bin/busybox") or os.path.exists(POOL + "/web/bin")
    control.run("-m", "--force", "import-tar", archive).ok()


def test_a_name_elsewhere_is_taken_too(control, plain, source):
    os.makedirs("/run/machines/web")
    try:
        control.run("-m", "import-fs", source, "web").failed("'/run/machines/web'")
    finally:
        shutil.rmtree("/run/machines")


def test_variables_of_the_original_are_known(control, pool, source):
    control.run("-m", "import-fs", source, "web", env={"SYSTEMD_IMPORT_BTRFS_SUBVOL": "no", "SYSTEMD_IMPORT_SYNC": "0"}).ok()
    assert json.loads(control.run("-mj", "list-images").ok().out)[0]["type"] == "directory"


# ---- import-raw, export-raw ----

def test_a_disk_image_comes_in_and_goes_out(control, pool, place, no_transfers):
    path = os.path.join(POOL, "given.img")
    with open(path, "wb") as file:
        file.write(os.urandom(1 << 20))
        file.truncate(32 << 20)
        file.seek(20 << 20)
        file.write(b"end")
    control.run("-m", "import-raw", path, "disk").ok()
    made = os.stat(POOL + "/disk.raw")
    assert stat.S_IMODE(made.st_mode) == 0o644 and made.st_size == 32 << 20 and made.st_blocks < 8 << 11
    control.run("-m", "export-raw", "disk", place + "/out.raw.zst").ok()
    control.run("-m", "--read-only", "import-raw", place + "/out.raw.zst", "again").ok()
    assert stat.S_IMODE(os.stat(POOL + "/again.raw").st_mode) == 0o444
    for name in ("disk.raw", "again.raw"):
        subprocess.run(["cmp", path, os.path.join(POOL, name)], check=True)
    control.run("-m", "export-tar", "disk").failed("it is a disk image (try export-raw)")
    os.unlink(path)


def test_an_exported_disk_image_has_its_holes(control, plain, place):
    with open(place + "/given.img", "wb") as file:
        for at in (0, 5 << 20, (64 << 20) - 4096):
            file.seek(at)
            file.write(os.urandom(10000)[:4096 if at else 10000])
        file.truncate((64 << 20) + 100)
    control.run("-m", "import-raw", place + "/given.img", "disk").ok()
    control.run("-m", "export-raw", "disk", place + "/out").ok()
    with open(place + "/stdout", "wb") as out:
        control.start("-m", "export-raw", "disk", stdout=out).wait(30)
        out.flush()
    with open(place + "/stdout", "ab") as out:  # behind what is there
        control.start("-m", "export-raw", "disk", stdout=out).wait(30)
    for name, times in (("out", 1), ("stdout", 2)):
        with open(place + "/" + name, "rb") as one, open(place + "/given.img", "rb") as other:
            assert one.read() == other.read() * times
    assert os.stat(place + "/out").st_blocks * 512 < 1 << 20
    subprocess.run(["sh", "-c", '("$@"; echo end) >' + place + "/both", "sh", *control.argv("-m", "export-raw", "disk")], env=control.env, check=True)
    with open(place + "/both", "rb") as one, open(place + "/given.img", "rb") as other:
        assert one.read() == other.read() + b"end\n"
    assert os.stat(place + "/both").st_blocks * 512 < 1 << 20


def test_an_image_is_not_exported_over_itself(control, plain, place):
    with open(place + "/given.img", "wb") as file:
        file.write(os.urandom(1 << 20))
    control.run("-m", "import-raw", place + "/given.img", "disk").ok()
    os.symlink(POOL + "/disk.raw", place + "/link")
    for path in (POOL + "/disk.raw", place + "/link"):
        control.run("-m", "export-raw", "disk", path).failed("cannot export to '%s': that is the image itself" % path)
        subprocess.run(["cmp", place + "/given.img", POOL + "/disk.raw"], check=True)
    # anything else is written over, and no longer than what was exported
    shutil.copy(place + "/given.img", place + "/longer")
    os.truncate(place + "/longer", 2 << 20)
    control.run("-m", "export-raw", "disk", place + "/longer").ok()
    subprocess.run(["cmp", place + "/given.img", place + "/longer"], check=True)


def test_qcow2_is_converted(control, plain, place):
    raw = place + "/a.raw"
    with open(raw, "wb") as file:
        file.write(os.urandom(300000))
        file.truncate(4 << 20)
    subprocess.run(["qemu-img", "convert", "-c", "-O", "qcow2", raw, place + "/disk.qcow2"], check=True)
    control.run("-m", "import-raw", place + "/disk.qcow2").ok()
    subprocess.run(["cmp", raw, POOL + "/disk.raw"], check=True)
    with open(place + "/disk.qcow2", "rb") as file:
        control.run("-m", "import-raw", "-", "piped", input=file.read(), text=False).ok()
    subprocess.run(["cmp", raw, POOL + "/piped.raw"], check=True)


@pytest.mark.parametrize("form", ["raw", "gz", "qcow2", "tar"])
def test_a_sum_is_that_of_the_bytes_that_were_read(control, pool, archive, place, form):
    """In every way in which they are read: blocks that are shared, a pipe, a file that is read here and there."""
    path, verb = POOL + "/.source", "import-tar" if form == "tar" else "import-raw"
    if form == "tar":
        shutil.copy(archive, path)
    else:
        with open(path, "wb") as file:
            file.write(os.urandom(300000) + bytes(1 << 20))
    if form == "gz":
        with open(path, "rb") as file:
            packed = gzip.compress(file.read())
        with open(path, "wb") as file:
            file.write(packed)
    elif form == "qcow2":
        subprocess.run(["qemu-img", "convert", "-O", "qcow2", path, place + "/disk.qcow2"], check=True)
        shutil.move(place + "/disk.qcow2", path)
    with open(path, "rb") as file:
        sum_ = hashlib.sha256(file.read()).hexdigest()
    control.run("-m", "--verify=" + sum_, verb, path, "good").ok()
    control.run("-m", "--verify=" + "0" * 64, verb, path, "bad").failed("it is 'sha256:%s', and not 'sha256:000" % sum_)
    assert not [name for name in os.listdir(POOL) if "bad" in name]
    os.unlink(path)


def test_a_tree_is_no_disk_image(control, plain, source):
    control.run("-m", "import-fs", source, "web").ok()
    control.run("-m", "export-raw", "web").failed("it is a directory tree (try export-tar)")


# ---- what people and programs see ----

def test_json_lines_tell_all(control, plain, archive):
    lines = [json.loads(line) for line in control.run("-mj", "import-tar", archive).ok().lines]
    assert [line["event"] for line in lines][0::len(lines) - 1] == ["begun", "done"]
    assert {line["type"] for line in lines} == {"import-tar"} and {line["local"] for line in lines} == {"web"}
    last = [line for line in lines if line["event"] == "progress"][-1]
    assert last["done"] == last["total"] == os.path.getsize(archive) and last["part"] is None
    lines = control.run("-mj", "import-tar", "/etc/passwd", "bad").failed("/etc/passwd").lines
    assert json.loads(lines[-1])["event"] == "failed"


def test_without_a_terminal_nothing_is_said(control, plain, archive):
    done = control.run("-m", "import-tar", archive).ok()
    assert done.out == "" and done.err == ""


def test_a_terminal_shows_bars_and_no_data(control, plain, place, archive):
    os.mkfifo(place + "/slow")
    one = Console(control.argv("-m", "import-tar", place + "/slow", "web"), env=control.env, size=(24, 80))
    try:
        pipe = os.open(place + "/slow", os.O_WRONLY)
        one.expect("Ctrl-C leaves it going", 10)
        with open(archive, "rb") as file:
            text = file.read()
        os.write(pipe, text[:20480])
        os.close(pipe)
        assert one.wait(20) == 1
    finally:
        one.close()
    one = Console(control.argv("-m", "import-tar", "-", "web"), env=control.env, size=(24, 80))
    try:
        one.expect("it is a terminal", 10)
        assert one.wait(10) == 1
    finally:
        one.close()


# ---- jobs ----

def begin(control, place, archive, name, share=0.5):
    with open(archive, "rb") as file:
        text = file.read()
    return Held(control, place, "-m", "import-tar", "FILE", name, given=text[:min(60000, int(len(text) * share))])


def test_an_interrupted_front_end_leaves_it_going(control, plain, place, source, archive, no_transfers):
    with open(archive, "rb") as file:
        text = file.read()
    held = Held(control, place, "-m", "import-tar", "FILE", "web", given=text[:4096])
    held.process.send_signal(signal.SIGINT)
    out, err = held.process.communicate(timeout=10)
    assert held.process.returncode == 1 and "importctl cancel-transfer %d" % held.entry["id"] in err, err
    assert os.getsid(held.pid) == held.pid
    assert transfers(control)[0]["local"] == "web"
    with os.fdopen(held.pipe, "wb") as pipe:
        pipe.write(text[4096:])
    runner.until(lambda: not transfers(control))
    assert pools.differences(source, POOL + "/web") == "" and pools.hidden() == []


def test_a_cancelled_transfer_leaves_nothing(control, plain, place, archive, no_transfers):
    one, other = begin(control, place, archive, "one"), begin(control, place, archive, "other")
    assert len(pools.hidden()) == 2
    control.run("cancel-transfer", one.entry["id"]).ok()
    assert len(pools.hidden()) == 1 and [entry["local"] for entry in transfers(control)] == ["other"]
    assert "it was canceled" in one.end(1)[1]
    control.run("cancel-transfer", one.entry["id"], other.entry["id"]).failed("cannot find transfer %d" % one.entry["id"])
    control.run("cancel-transfer", other.entry["id"]).ok()
    other.end(1)
    assert os.listdir(POOL) == []


@pytest.mark.parametrize("verb", ["export-tar", "export-oci"])
def test_a_cancelled_export_leaves_no_file(control, plain, place, no_transfers, verb):
    """Also where nobody waits for it any more."""
    os.makedirs(POOL + "/web/usr")
    for number in range(60):
        with open(POOL + "/web/usr/%d" % number, "wb") as file:
            file.write(os.urandom(1 << 20))
    for name, was in (("new", None), ("old", b"old")):
        if was is not None:
            with open(place + "/" + name, "wb") as file:
                file.write(was)
        words = [*(["-m", "--format=xz"] if verb == "export-tar" else []), verb, "web", ("" if verb == "export-tar" else "oci-archive:") + name]
        one = control.start(*words, cwd=place)
        entry = runner.until(lambda: transfers(control))[0]
        one.send_signal(signal.SIGINT)
        assert one.wait(10) == 1
        control.run("cancel-transfer", entry["id"]).ok()
        assert os.path.exists(place + "/" + name) == (was is not None)
    assert pools.hidden() == []


@pytest.mark.parametrize("victim", ["job", "worker"])
@pytest.mark.parametrize("share", [0, 0.02, 0.9], ids=["begin", "middle", "end"])
def test_a_killed_one_leaves_nothing_visible(control, plain, place, archive, no_transfers, victim, share):
    held = begin(control, place, archive, "web", share)
    if victim == "job":
        # Nobody is there who could clean up.
        held.process.kill()
        held.process.wait()
        os.kill(held.pid, signal.SIGKILL)
        runner.until(lambda: not os.path.exists("/proc/%d" % held.pid))
        assert control.run("-m", "export-tar", "web").failed("cannot find the image 'web'")
        assert control.run("list-transfers").ok().out == "No transfers.\n"
        os.close(held.pipe)
    else:
        os.kill(held.worker(), signal.SIGKILL)
        assert held.end(1)[1].count("\n") == 1
    assert os.listdir(POOL) == []


def test_machinectl_removes_what_was_left_too(redd, control, plain, place, source, archive):
    control.run("-m", "import-fs", source, "first").ok()
    held = begin(control, place, archive, "web")
    busy = begin(control, place, archive, "busy")
    held.process.kill()
    held.process.wait()
    os.kill(held.pid, signal.SIGKILL)
    runner.until(lambda: not os.path.exists("/proc/%d" % held.pid))
    machines.machinectl(redd).run("rename", "first", "second").ok()
    assert [".busy." in name for name in pools.hidden()] == [True]
    busy.end(1)
    os.close(held.pipe)
    assert control.run("list-transfers").ok().out == "No transfers.\n"
    assert os.listdir(POOL) == ["second"]


# ---- no room ----

@pytest.mark.parametrize("options", [",size=200k", ",nr_inodes=12"], ids=["bytes", "inodes"])
@pytest.mark.parametrize("verb", ["import-tar", "import-fs", "import-raw"])
def test_a_full_disk_is_told_and_stays_clean(control, source, archive, no_transfers, options, verb):
    if verb == "import-raw" and "inodes" in options:
        pytest.skip("one file is enough")
    pools.mount("tmpfs", None, options)
    try:
        done = control.run("-m", verb, source if verb == "import-fs" else archive, "web")
        done.failed("No space left on device")
        assert os.listdir(POOL) == []
    finally:
        pools.unmount()


def test_a_full_output_is_told(control, plain, source, place):
    control.run("-m", "import-fs", source, "web").ok()
    control.run("-m", "export-tar", "web", "/dev/full").failed("No space left on device")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=100k", "small", place], check=True)
    try:
        control.run("-m", "export-tar", "web", place + "/out.tar").failed("No space left on device")
        assert os.listdir(place) == []
    finally:
        subprocess.run(["umount", place], check=True)


def test_a_write_that_fails_half_way_is_told(control, plain, archive, no_transfers):
    limited = control.with_prefix("prlimit", "--fsize=100000")
    for words in (["import-tar", archive, "web"], ["import-raw", archive, "web"]):
        done = limited.run("-m", *words)
        assert done.code == 1 and len(done.err.strip().splitlines()) == 1, done
        assert os.listdir(POOL) == []


# ---- elsewhere ----

def test_the_same_is_said_on_another_host(control, place):
    with open(place + "/ssh", "w") as file:
        file.write('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    os.chmod(place + "/ssh", 0o755)
    environment = {"PATH": place + ":" + control.env["PATH"]}
    done = control.run("-H", "me@far:22", "-q", "--class=sysext", "list-images", env=environment).ok()
    assert done.lines == ["-p", "22", "me@far", "--", "'importctl'", "'--quiet'", "'--class=sysext'", "'list-images'"]
    control.run("-H", "far", "import-tar", "x.tar", env=environment).failed("it works on files of this host")
    control.run("-M", "web", "list-images", env={"PATH": place}).failed("there is no machinectl")


def test_machinectl_knows_the_same_words(redd, control, plain, source, archive):
    other = machines.machinectl(redd)
    other.run("import-tar", archive).ok()
    assert pools.differences(source, POOL + "/web") == ""
    other.run("import-tar", archive).failed("there already")
    assert other.run("list-transfers").ok().out == "No transfers.\n"


# ---- without root ----

def test_a_users_transfer_is_his_to_end(mine, user, ids, place, no_transfers):
    control = machines.importctl(mine)
    pool = os.path.join(user.home, ".local/state/machines")
    os.chmod(place, 0o777)
    runtime = "/run/user/%d/redd/transfers" % user.uid
    try:
        held = control.start("-m", "import-tar", "-", "web", stdin=subprocess.PIPE)
        entry = runner.until(lambda: transfers(control))[0]
        runner.until(lambda: os.path.isdir(pool) and len(os.listdir(pool)) == 1)
        assert transfers(machines.importctl(runner.Redd(runner.program()))) == []
        control.run("cancel-transfer", entry["id"]).ok()
        assert held.wait(10) == 1 and os.listdir(pool) == [] and os.listdir(runtime) == ["last"]
        held.communicate()
    finally:
        shutil.rmtree(user.home + "/.local", ignore_errors=True)


def test_a_users_images_are_his(mine, user, ids, place, no_transfers):
    control = machines.importctl(mine)
    pool = os.path.join(user.home, ".local/state/machines")
    try:
        control.run("-m", "import-fs", mine.tree, "web").ok()
        assert os.stat(pool).st_uid == user.uid and stat.S_IMODE(os.stat(pool).st_mode) == 0o700
        assert os.stat(pool + "/web").st_uid == user.uid
        out = os.path.join(user.home, "out.tar.gz")
        control.run("-m", "export-tar", "web", out).ok()
        control.run("-m", "import-tar", out, "again").ok()
        assert pools.differences(pool + "/web", pool + "/again") == ""
        assert [row["name"] for row in json.loads(control.run("-mj", "list-images").ok().out)] == ["again", "web"]
        control.run("--system", "list-images").failed("only root can")
        machines.machinectl(mine).run("remove", "web", "again").ok()
        if ids == "single":
            os.mkdir(user.home + "/foreign")
            open(user.home + "/foreign/roots", "w").close()
            control.run("-m", "import-fs", user.home + "/foreign", "web").failed("it has files of others", "subuid")
            subprocess.run(["tar", "-C", user.home + "/foreign", "-cf", user.home + "/foreign.tar", "."], check=True)
            control.run("-m", "import-tar", user.home + "/foreign.tar", "web").ok()
            machines.machinectl(mine).run("remove", "web").ok()
        assert os.listdir(pool) == []
    finally:
        shutil.rmtree(user.home + "/.local", ignore_errors=True)
        shutil.rmtree(user.home + "/foreign", ignore_errors=True)
